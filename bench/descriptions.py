"""Descriptions: a bundled one loaded in a new process, and a large one lowered."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator

import numpy as np

import octomodel as om
from bench.rows import Row
from bench.sizes import DEFAULT, Sizes
from bench.startup import process
from bench.timing import interleaved
from octomodel import lower, mapping, presets, tables
from octomodel.dist import Gamma

TASKS = 10_000
LAWS = 50
LOAD_S, LOWER_S = 0.05, 2.0

LOADED = """
import json, time
import octomodel as om
found = {{}}
for name, load in {loads}:
    begun = time.perf_counter()
    preset = getattr(om, load)(name)
    found[name] = time.perf_counter() - begun, len(preset.tasks) if load == "workflow" else preset.n_tbu
print(json.dumps(found), flush=True)
"""


def benchmark(sizes: Sizes) -> Iterator[Row]:
    """Yield the time of the first and of the slowest preset after the import, and of lowering 10,000 tasks.

    Raises
    ------
    AssertionError
        When a preset has not all of its parts, or a program not all of its tasks and laws.
    """
    yield from _presets(sizes)
    yield from _lowering(sizes)


def _presets(sizes: Sizes) -> Iterator[Row]:
    loads = [(name, "workflow") for name in presets.runnable()] + [(name, "hardware") for name in presets.names("hardware")]
    parts = {name: len(om.workflow(name).tasks) if load == "workflow" else om.hardware(name).n_tbu for name, load in loads}
    first: list[float] = []
    others: dict[str, list[float]] = {}
    for turn in range(sizes.repeats):
        order = loads[turn:] + loads[:turn]
        with tempfile.TemporaryDirectory() as cache:
            _, found = process(LOADED.format(loads=json.dumps(order)), cache)
        assert {name: count for name, (_, count) in found.items()} == parts
        seconds = [(name, found[name][0]) for name, _ in order]
        first.append(seconds[0][1])
        for name, value in seconds[1:]:
            others.setdefault(name, []).append(value)
    yield _row("a preset", "first of a process after the import", first, LOAD_S)
    slowest = max(others, key=lambda name: statistics.median(others[name]))
    yield _row("a preset", f"slowest of the others ({slowest})", others[slowest], LOAD_S)


def _lowering(sizes: Sizes) -> Iterator[Row]:
    n = TASKS if sizes.long_requests >= DEFAULT.long_requests else TASKS // 100
    machine = om.hardware("wafer_56k")
    workflow = om.Workflow("large", *(om.task(f"t{i}", Gamma(mean=1000 + i % LAWS, cv=0.3)) for i in range(n)))
    owners = mapping.make(workflow, machine)

    def call() -> None:
        tables.lower_law.cache_clear()
        program = lower.lower(workflow, machine, om.closed(requests=10), owners, requests=10).model.program
        assert np.count_nonzero(program.node_task >= 0) == n and len(program.law_kind) >= LAWS

    seconds = interleaved({"lowered": call}, sizes.repeats)["lowered"].wall
    yield _row(f"{n:,} tasks of {LAWS} laws", "lowered", seconds, LOWER_S if n == TASKS else None)


def _row(case: str, quantity: str, seconds: list[float], at_most: float | None) -> Row:
    return Row(
        benchmark="descriptions",
        case=case,
        quantity=quantity,
        value=statistics.median(seconds),
        best=min(seconds),
        unit="s",
        at_most=at_most,
    )
