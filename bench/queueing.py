"""Queueing theory: formulas of stations over large grids, and single exact answers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator

import numpy as np

from bench.rows import Row
from bench.sizes import DEFAULT, Sizes
from bench.timing import interleaved
from octomodel.calibration import queueing

SEED = 1
POINTS_PER_SECOND = 1e6


def benchmark(sizes: Sizes) -> Iterator[Row]:
    """Yield points per second of the formulas of stations, and the time of a chain, a network and a line.

    Raises
    ------
    AssertionError
        When a grid is not answered in full, or an answer is not the known one.
    """
    n = sizes.long_requests
    full = n >= DEFAULT.long_requests
    load = np.random.default_rng(SEED).uniform(0.05, 0.95, n)
    grids: dict[str, Callable[[], queueing.Answer]] = {
        "M/M/8": lambda: queueing.mmc(8.0 * load, 1.0, 8),
        "M/M/1000": lambda: queueing.mmc(1000.0 * load, 1.0, 1000),
        "M/M/8/20": lambda: queueing.mmck(8.0 * load, 1.0, 8, 20),
        "M/G/1": lambda: queueing.mg1(load, 1.0, 2.0, 20.0),
        "GI/G/8": lambda: queueing.gigc(8.0 * load, 2.0, 1.0, 0.5, 8),
    }
    for name, call in grids.items():
        waits = call()["wait_mean"].value
        assert waits.shape == (n,) and np.isfinite(waits).all() and (waits >= 0.0).all(), name
    poisson = queueing.renewal(queueing.exponential(1.25))
    varied, two = queueing.hyperexponential(1.0, 4.0), queueing.erlang(1.0, 2)
    # Pollaczek and Khinchine; the slowest station; the Markov chain of this line
    single: dict[str, tuple[Callable[[], queueing.Answer], str, float, float]] = {
        "M/H2/1 as a chain, with p99": (lambda: queueing.map_ph_c(poisson, varied, 1, [0.99]), "wait_mean", 10.0, 1e-9),
        "closed network of 1,000 jobs": (
            lambda: queueing.closed_network([0.5, 1.0, 2.0], 1000, [2, 1, 3]),
            "throughput",
            1.0,
            1e-9,
        ),
        "line of four by decomposition": (lambda: queueing.line([two] * 4, [1] * 3), "throughput", 0.730682, 0.02),
    }
    for name, (call, value, known, tolerance) in single.items():
        found = float(call()[value].value)
        assert abs(found / known - 1.0) < tolerance, f"{name}: {found}"
    calls = {**grids, **{name: call for name, (call, _, _, _) in single.items()}}
    times = interleaved(calls, sizes.repeats)
    for name in grids:
        wall = times[name].wall
        yield Row(
            benchmark="queueing",
            case=f"{n:,} points",
            quantity=name,
            value=n / statistics.median(wall),
            best=n / min(wall),
            unit="points/s",
            at_least=POINTS_PER_SECOND if full else None,
        )
    for name in single:
        wall = times[name].wall
        yield Row(benchmark="queueing", case="one answer", quantity=name, value=statistics.median(wall), best=min(wall), unit="s")
