"""``video_recognition`` on a wafer: a hot spot, pipelines across two clusters, traffic on the links."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import octomodel as om
from bench import memory
from bench.rows import Row
from bench.sizes import Sizes
from octomodel import lower, mapping, presets

ROOT = Path(__file__).resolve().parent.parent
THREADS = 2
CLUSTERS_PER_PIPELINE = 2
ZIPF = 0.5
"""Pipeline i (from 1) is sent requests in proportion to 1 / i^0.5: on the whole wafer the first gets 21 times
the mean."""
LOAD = 0.5
"""Of what all pipelines together could serve."""
BAR_EXECUTIONS = 100_000_000


def benchmark(sizes: Sizes) -> Iterator[Row]:
    """Yield time and memory of a simulation under each policy, made in a process of its own.

    Parameters
    ----------
    sizes : Sizes
        Rows of the machine and executions.

    Raises
    ------
    AssertionError
        When requests are left, executions or bytes over the links are missing.
    """
    full = sizes.wafer_executions >= BAR_EXECUTIONS
    # while the hot spot is worked off the other clusters have little but hooks, of which octopus uses every one
    fewer = sizes.wafer_executions if full else sizes.wafer_executions // 10
    for policy, executions, seconds in (("static", sizes.wafer_executions, 60.0), ("octopus", fewer, 120.0)):
        words = [sys.executable, "-m", "bench.wafer", str(sizes.wafer_rows), str(executions), policy]
        result = json.loads(subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)
        case = f"{policy}, {sizes.wafer_rows} x {sizes.wafer_rows} clusters, {result['executions']:,} executions"
        for quantity, value, unit, bar in (
            ("om.simulate, two threads", result["seconds"], "s", seconds if full else None),
            ("executions per second and core", result["executions"] / result["cpu_seconds"], "1/s", None),
            ("peak memory of the process", result["peak_bytes"] / 1e6, "MB", 2000.0 if full else None),
            ("memory per TBU", result["bytes_per_tbu"], "bytes", None),
            ("bytes over links per request", result["link_bytes"] / result["requests"], "bytes", None),
        ):
            yield Row(benchmark="wafer", case=case, quantity=quantity, value=value, unit=unit, at_most=bar)


def simulate(rows: int, executions: int, policy: str) -> dict[str, Any]:
    """Simulate and return what was done, and what it took.

    Parameters
    ----------
    rows : int
        Rows, and columns, of the machine.
    executions : int
        Least number of executions.
    policy : str

    Returns
    -------
    dict
        requests, executions, link_bytes, seconds, cpu_seconds, peak_bytes, bytes_per_tbu.
    """
    workflow = presets.workflow("video_recognition")
    system = presets.hardware("wafer_56k", rows=rows, cols=rows)
    owners = mapping.make(workflow, system, clusters_per_pipeline=CLUSTERS_PER_PIPELINE)
    pipelines = owners.n_pipeline
    # 2 % more, as executions per request vary
    requests = int(executions * 1.02 / sum(workflow.visits().values())) + 1
    load = om.poisson(
        LOAD * capacity(owners),
        requests,
        split=(1.0 / np.arange(1, pipelines + 1) ** ZIPF).tolist(),
    )
    # The wafer is compiled for, or loaded, before the clock starts: start-up has its own benchmark.
    om.simulate(workflow, presets.hardware("wafer_56k", rows=1, cols=2), policy, requests=1, threads=1)
    wall, cpu = time.perf_counter(), time.process_time()
    ds = om.simulate(workflow, system, policy, load=load, placement=owners, seed=1, threads=THREADS, cautions=False)
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    done, link_bytes = int(ds.executions[0]), int(ds.link_bytes.sum())
    assert int(ds.requests_ended[0]) == requests
    assert done >= executions
    assert done == int(ds.station_executions.sum())
    assert link_bytes > 0
    lendings = int(ds.cluster_lendings.sum())
    assert (lendings > 0) == (policy == "octopus")
    peak = peak_bytes()
    small = lower.lower(workflow, system, load, owners, requests=pipelines)
    return {
        "requests": requests,
        "executions": done,
        "link_bytes": link_bytes,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_bytes": peak,
        "bytes_per_tbu": memory.of(small.model).per_tbu,
    }


def capacity(owners: mapping.Mapping) -> float:
    """Return the requests per cycle that all pipelines together can serve when each gets its share."""
    of_pipeline = np.zeros((owners.n_pipeline, len(owners.demand)))
    np.add.at(of_pipeline, owners.pipeline, owners.alloc)
    return float((of_pipeline / owners.demand).min(axis=1).sum())


def peak_bytes() -> int:
    """Return the largest resident memory of this process so far.

    Where Linux tells it, of this program alone: what ``getrusage`` says covers also what the process held
    before it started the program, which is its parent's memory.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    print(json.dumps(simulate(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
