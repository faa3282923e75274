"""The demonstration: bundled workflows under several policies. ``python -m octomodel.demo [--quick]``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from octomodel import files, presets, report
from octomodel._version import __version__
from octomodel.cli_show import print_table
from octomodel.demo_study import HEAD, WORKFLOW, causes, row, split_row, study
from octomodel.engine import simulate
from octomodel.timed import Timed, timed
from octomodel.variables import POLICY

MACHINE = "chip_64c"
POLICIES = ("static", "ideal")
BASELINE = POLICIES[0]
SEED = 1
NOTE = f"{presets.TRACED} repeats one trace: its intervals leave out what another hour would bring"


@dataclass(frozen=True)
class Size:
    """How much the demonstration simulates: requests of each workflow, and replications."""

    requests: dict[str, int]
    replications: int


FULL = Size({"video_recognition": 100_000, "early_exit": 100_000, "llm_chat_code": 20_000}, 5)
QUICK = Size({"video_recognition": 10_000, "early_exit": 10_000, "llm_chat_code": 4_000}, 3)


def compare(size: Size) -> xr.Dataset:
    """Return the study of all bundled workflows under all policies of the demonstration."""
    machine = presets.hardware(MACHINE)
    results: dict[str, dict[str, Timed]] = {}
    for name, requests in size.requests.items():
        workflow = presets.workflow(name)
        load = presets.load(name, machine, requests=requests)
        results[name] = {}
        for policy in POLICIES:
            results[name][policy] = timed(
                lambda policy=policy, workflow=workflow, load=load: simulate(  # type: ignore[misc]
                    workflow, machine, policy, load, seed=SEED, replications=size.replications, progress=True
                )
            )
    about = {"version": __version__, "seed": SEED, "hardware": MACHINE, "baseline": BASELINE, "note": NOTE}
    return study(results, about)


def print_study(found: xr.Dataset) -> None:
    """Print a study as two tables, a row for each workflow and policy: how fast, and where the time goes."""
    pairs = [(str(name), str(policy)) for name in found[WORKFLOW].values for policy in found[POLICY].values]
    title = f"{found.sizes[WORKFLOW]} workflows on {found.attrs['hardware']}"
    print_table(title, HEAD, [row(found, *pair) for pair in pairs], left=2)
    print("/ bound: makespan over the larger of all work on all TBUs and the critical path, which no schedule beats")
    print(
        f"throughput, mean latency: times better than {found.attrs['baseline']}, with 95 % intervals over replications"
    )
    print("ideal: one pool of all TBUs without transfers, switches or limits; a comparison, not a policy")
    print(f"{found.attrs['note']}\n")
    head = ("workflow", "policy", *causes(found))
    print_table("where the time of the TBUs goes", head, [split_row(found, *pair) for pair in pairs], left=2)


def main(argv: Sequence[str] | None = None, folder: Path = Path("out")) -> int:
    """Run the demonstration, print its table, write ``demo.nc`` and ``demo.html``; return the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words not in ([], ["--quick"]):
        print("usage: python -m octomodel.demo [--quick]", file=sys.stderr)
        return 2
    begun = time.perf_counter()
    found = compare(QUICK if words else FULL)
    print_study(found)
    folder.mkdir(parents=True, exist_ok=True)
    files.save(found, folder / "demo.nc")
    report.write(folder / "demo.html", found)
    took, compiling = time.perf_counter() - begun, float(found["compile_seconds"].sum())
    print(f"{int(found['executions'].sum()):,} executions in {took:.1f} s, {compiling:.1f} s of it compiling")
    print(f"written to {folder / 'demo.nc'} and {folder / 'demo.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
