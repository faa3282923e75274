"""W1 and W2 in octomodel, SimPy and Ciw: the same samples, compared exactly before anything is timed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench import ciw_twin, memory, simpy_lean, simpy_twins, w1, w2
from bench.rows import Row
from bench.samples import by_pipeline
from bench.sizes import Sizes
from bench.timing import Times, interleaved, ratio
from octomodel.kernels.model import Model
from octomodel.outcome import Outcome
from octomodel.run import run

Ends = list[list[int]]


@dataclass(frozen=True)
class Workload:
    """A workload: how it is made, its samples, the other simulators that run it, and the bars."""

    name: str
    model: Callable[[int, int], Model]
    samples: Callable[[Model], Sequence[Any]]
    executions: Callable[[Model], int]
    twins: dict[str, Callable[[Any], Ends]]
    single_twins: dict[str, Callable[[Any], Ends]]
    """Those that are run with one line only."""
    rate: float


W1 = Workload(
    "w1",
    w1.model,
    w1.tandems,
    w1.executions,
    {"SimPy": simpy_twins.w1, "lean SimPy": simpy_lean.w1},
    {"Ciw": lambda lines: [ciw_twin.ends(line) for line in lines]},
    rate=12e6,
)
W2 = Workload(
    "w2",
    w2.model,
    w2.flows,
    w2.executions,
    {"SimPy": simpy_twins.w2, "lean SimPy": simpy_lean.w2},
    {},
    rate=10e6,
)
BAR_PIPELINES = 1000
"""The bars are for this many lines or replicas and more."""
SIMPY_RATIO = 150
THREADS_RATIO = 1.8
CHECKED_LINES = 5


def benchmark(workload: Workload, sizes: Sizes) -> Iterator[Row]:
    """Yield the figures of one workload.

    Parameters
    ----------
    workload : Workload
        ``W1`` or ``W2``.
    sizes : Sizes
        How much of it.

    Raises
    ------
    AssertionError
        When a simulator ends a request at another cycle than octomodel, or did other work than asked for.
    """
    for pipelines in (1, CHECKED_LINES):
        compare(workload, pipelines, sizes.check_requests)
    for pipelines in sizes.pipelines:
        yield from _against_others(workload, pipelines, sizes)
        yield from _alone(workload, pipelines, sizes)
    yield from _threads(workload, sizes)
    yield from _memory(workload, sizes)


def compare(workload: Workload, pipelines: int, requests: int) -> int:
    """Assert that every simulator ends every request at the same cycle; return the executions done."""
    model = workload.model(pipelines, requests)
    samples = workload.samples(model)
    outcome = run(model, threads=1)
    check_work(outcome, requests, workload.executions(model))
    ends = [line.tolist() for line in by_pipeline(model, outcome.request_end[model.load.source_request])]
    for name, twin in _twins(workload, pipelines).items():
        assert twin(samples) == ends, f"{workload.name}: {name} and octomodel differ with N={pipelines}"
    return outcome.executions


def check_work(outcome: Outcome, requests: int, executions: int) -> None:
    """Assert that a run served all requests, each execution counted at its station."""
    counted = int(outcome.station["executions"].sum())
    ended = int((outcome.request_end >= 0).sum())
    assert (ended, outcome.executions, counted) == (requests, executions, executions)


def _twins(workload: Workload, pipelines: int) -> dict[str, Callable[[Any], Ends]]:
    return workload.twins | (workload.single_twins if pipelines == 1 else {})


def _against_others(workload: Workload, pipelines: int, sizes: Sizes) -> Iterator[Row]:
    """Yield times per execution of all simulators on the same requests, taking turns."""
    requests = sizes.paired_requests
    model = workload.model(pipelines, requests)
    samples = workload.samples(model)
    done = workload.executions(model)
    case = f"N={pipelines}, {done:,} executions"

    def octomodel() -> None:
        check_work(run(model, threads=1), requests, done)

    def other(twin: Callable[[Any], Ends]) -> None:
        assert sum(end >= 0 for line in twin(samples) for end in line) == requests

    calls: dict[str, Callable[[], None]] = {"octomodel": octomodel}
    for name, twin in _twins(workload, pipelines).items():
        calls[name] = lambda twin=twin: other(twin)  # type: ignore[misc]
    times = interleaved(calls, sizes.repeats)
    for name, each in times.items():
        yield Row(
            benchmark=workload.name,
            case=case,
            quantity=f"{name}, CPU time per execution",
            value=statistics.median(each.cpu) / done * 1e9,
            best=min(each.cpu) / done * 1e9,
            unit="ns",
        )
    for name, each in times.items():
        if name != "octomodel":
            yield Row(
                benchmark=workload.name,
                case=case,
                quantity=f"octomodel faster than {name}",
                value=ratio(each.cpu, times["octomodel"].cpu),
                unit="x",
                at_least=_bar(SIMPY_RATIO, pipelines) if name == "SimPy" else None,
            )


def _alone(workload: Workload, pipelines: int, sizes: Sizes) -> Iterator[Row]:
    """Yield executions per second of octomodel's full kernel on one thread."""
    model = workload.model(pipelines, sizes.long_requests)
    done = workload.executions(model)

    def octomodel() -> None:
        check_work(run(model, threads=1), sizes.long_requests, done)

    times = interleaved({"octomodel": octomodel}, sizes.repeats)["octomodel"]
    case = f"N={pipelines}, {done:,} executions"
    for quantity, seconds, bar in (
        ("executions per second and core, CPU time", times.cpu, _bar(workload.rate, pipelines)),
        ("executions per second and core, wall time", times.wall, None),
    ):
        yield Row(
            benchmark=workload.name,
            case=case,
            quantity=quantity,
            value=done / statistics.median(seconds),
            best=done / min(seconds),
            unit="1/s",
            at_least=bar,
        )
    yield _waited(workload, case, times)


def _threads(workload: Workload, sizes: Sizes) -> Iterator[Row]:
    """Yield how much faster two threads are than one."""
    model = workload.model(sizes.pipelines[-1], sizes.long_requests)
    done = workload.executions(model)

    def threads(n: int) -> None:
        check_work(run(model, threads=n), sizes.long_requests, done)

    times = interleaved({"one": lambda: threads(1), "two": lambda: threads(2)}, sizes.repeats)
    case = f"N={sizes.pipelines[-1]}, {done:,} executions"
    yield Row(
        benchmark=workload.name,
        case=case,
        quantity="two threads faster than one, wall time",
        value=ratio(times["one"].wall, times["two"].wall),
        unit="x",
        at_least=_bar(THREADS_RATIO, sizes.pipelines[-1]),
    )
    yield _waited(workload, case, times["one"])


def _bar(limit: float, pipelines: int) -> float | None:
    return limit if pipelines >= BAR_PIPELINES else None


def _waited(workload: Workload, case: str, times: Times) -> Row:
    return Row(
        benchmark=workload.name,
        case=case,
        quantity="wall time that one thread did not get a core (others were busy)",
        value=100 * times.idle_share,
        unit="%",
    )


def _memory(workload: Workload, sizes: Sizes) -> Iterator[Row]:
    pipelines = sizes.pipelines[-1]
    requests = sizes.paired_requests
    used = memory.of(workload.model(pipelines, requests))
    case = f"N={pipelines}"
    for quantity, value in (
        ("memory per TBU", used.per_tbu),
        ("memory per request", used.per_request),
        ("memory per worker", used.per_worker),
    ):
        yield Row(benchmark=workload.name, case=case, quantity=quantity, value=value, unit="bytes")
