"""Time from the start of a process to its first result, with and without compiling; and of the import."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.rows import Row
from bench.sizes import Sizes

ROOT = Path(__file__).resolve().parent.parent
REQUESTS = 10

FIRST_RESULT = f"""
import json
import octomodel as om
one = om.Workflow("one", om.task("only", 100))
chip = om.System(rows=1, cols=1, tbus=1)
ds = om.simulate(one, chip, load=om.closed(requests={REQUESTS}, in_flight=1), threads=1)
print(json.dumps(dict(executions=int(ds.executions[0]), makespan=int(ds.makespan_cycles[0]))), flush=True)
"""
INSPECT = """
from bench.startup import counting
from octomodel.kernels.advance import advance
print(json.dumps(counting(advance.dispatcher)))
"""
LOADED = """
from octomodel.kernels.advance import advance
print(sum(advance.dispatcher.stats.cache_hits.values()))
"""
IMPORT = """
import json, time
begun = time.perf_counter()
import octomodel
print(json.dumps(dict(seconds=time.perf_counter() - begun)), flush=True)
"""


def benchmark(sizes: Sizes) -> Iterator[Row]:
    """Yield the times of new processes, and the reference counting found in the kernel that was compiled.

    Raises
    ------
    AssertionError
        When a process did other work than was asked for, or compiled code counts references.
    """
    with tempfile.TemporaryDirectory() as cache:
        seconds, first, code = process(FIRST_RESULT + INSPECT, cache)
        _check(first)
        yield _row("first result of a cold process, compiling", [seconds], at_most=15.0)
        # Cached code cannot be inspected, so this is only known of a process that compiles.
        assert code["functions"] > 0 and code["references"] == 0, code
        yield Row(
            benchmark="startup",
            case="compiled kernel",
            quantity="increments and decrements of reference counts",
            value=code["references"],
            unit="",
            at_most=0,
        )
        warm = []
        for _ in range(sizes.repeats):
            seconds, first, loaded = process(FIRST_RESULT + LOADED, cache)
            _check(first)
            assert loaded == 1, "the second process compiled the kernel again"
            warm.append(seconds)
        yield _row("first result of a second process", warm, at_most=2.0)
        imports = [process(IMPORT, cache)[1]["seconds"] for _ in range(sizes.repeats)]
        yield _row("import octomodel", imports, at_most=1.0)


def counting(dispatcher: Any) -> dict[str, int]:
    """Return how many functions a compiled dispatcher holds, and how often they name reference counting."""
    llvm = "".join(dispatcher.inspect_llvm().values())
    references = llvm.count("NRT_incref") + llvm.count("NRT_decref")
    return {"functions": llvm.count("\ndefine "), "references": references}


def process(script: str, cache: str) -> tuple[Any, ...]:
    """Run a script in a new process with its own cache of compiled kernels.

    Parameters
    ----------
    script : str
        Prints one JSON value per line.
    cache : str
        Directory of the cache.

    Returns
    -------
    tuple
        The seconds until the first line, then the value of each line.
    """
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | {"OCTOMODEL_CACHE_DIR": cache},
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        seconds = time.perf_counter() - begun
        lines += child.stdout.readlines()
    assert child.returncode == 0
    return seconds, *map(json.loads, lines)


def _check(first: dict[str, int]) -> None:
    assert first == {"executions": REQUESTS, "makespan": 100 * REQUESTS}, first


def _row(quantity: str, seconds: list[float], at_most: float) -> Row:
    return Row(
        benchmark="startup",
        case="one task, 10 requests",
        quantity=quantity,
        value=statistics.median(seconds),
        best=min(seconds),
        unit="s",
        at_most=at_most,
    )
