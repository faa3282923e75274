"""Single fits of calibration: likelihoods of a million durations, phase-type laws, change points, a whole table of spans."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import digamma

from bench.rows import Row
from bench.sizes import DEFAULT, Sizes
from bench.timing import interleaved
from octomodel import dist
from octomodel.calibration import change_points, fit
from octomodel.calibration.changes import one_hot
from octomodel.calibration.density import log_likelihood
from octomodel.calibration.em import hyper_erlang
from octomodel.calibration.families import gamma, weibull
from octomodel.calibration.sample import sample

SEED = 1
STRETCH = 1_000
TASKS = 50
MADE = dist.Mixture((0.6, 0.4), (dist.Erlang(4, 1.2), dist.Erlang(1, 5.0)))


def benchmark(sizes: Sizes) -> Iterator[Row]:
    """Yield the times of fits, of as many durations as the long runs have requests and of fractions of them.

    Raises
    ------
    AssertionError
        When a fit is no maximum, is less likely than the law that made the durations, or misses most of the changes.
    """
    rng = np.random.default_rng(SEED)
    n = sizes.long_requests
    full = n >= DEFAULT.long_requests
    few, positions = min(n, 10_000), n // 10
    shaped = {"gamma": rng.gamma(2.5, 1.0, n), "weibull": rng.weibull(0.8, n)}
    _check_gamma(shaped["gamma"])
    _check_weibull(shaped["weibull"])
    mixed = np.where(rng.random(few) < 0.6, rng.gamma(4.0, 0.3, few), rng.exponential(5.0, few))
    made = sample(mixed)
    assert log_likelihood(hyper_erlang(made, 5), made) >= log_likelihood(MADE, made)
    stretch = min(STRETCH, positions // 2)
    calm = one_hot(rng.choice(2, positions, p=[0.3, 0.7]), 2)
    sides = np.arange(positions) // stretch % 2
    drifting = one_hot((rng.random(positions) < np.where(sides, 0.8, 0.2)).astype(np.int64), 2)
    assert len(change_points(drifting)) == -(-positions // stretch) and len(change_points(calm)) == 1
    spans = _table(n // 10, rng)
    found = fit(spans, cycles_per_unit=1000.0)
    assert sum(time.ends for time in found.times.values()) == n // 10 and len(found.times) == TASKS
    calls: dict[str, tuple[Callable[[], object], str, float]] = {
        "gamma by maximum likelihood": (lambda: gamma(sample(shaped["gamma"])), f"{n:,} durations", 0.020),
        "Weibull by maximum likelihood": (lambda: weibull(sample(shaped["weibull"])), f"{n:,} durations", 0.020),
        "hyper-Erlang of order 5": (lambda: hyper_erlang(sample(mixed), 5), f"{few:,} durations", 0.050),
        "change points, many": (lambda: change_points(drifting), f"{positions:,} decisions", 1.0),
        "change points, none": (lambda: change_points(calm), f"{positions:,} decisions", 1.0),
        "fit of a table": (lambda: fit(spans, cycles_per_unit=1000.0), f"{n // 10:,} spans of {TASKS} tasks", 20.0),
    }
    times = interleaved({name: call for name, (call, _, _) in calls.items()}, sizes.repeats)
    for name, (_, case, bar) in calls.items():
        wall = times[name].wall
        yield Row(
            benchmark="calibration",
            case=case,
            quantity=name,
            value=statistics.median(wall),
            best=min(wall),
            unit="s",
            at_most=bar if full else None,
        )


def _check_gamma(x: np.ndarray) -> None:
    law = gamma(sample(x))
    assert abs(np.log(law.shape) - digamma(law.shape) - np.log(x.mean()) + np.log(x).mean()) < 1e-10


def _check_weibull(x: np.ndarray) -> None:
    law = weibull(sample(x))
    power = x**law.shape
    assert abs(power @ np.log(x) / power.sum() - 1.0 / law.shape - np.log(x).mean()) < 1e-8


def _table(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return spans of tasks that follow five laws, one of which no family fits."""
    two = dist.Mixture((0.7, 0.3), (dist.Gamma(5.0, 0.1), dist.Gamma(12.0, 0.2)))
    slow = dist.HyperExponential((0.9, 0.1), (5.0, 60.0))
    laws = [dist.Gamma(10.0, 0.5), dist.LogNormal(10.0, 0.8), dist.Weibull(10.0, 1.4), slow, two]
    task = np.arange(count) % TASKS
    start = np.sort(rng.random(count)) * 10.0 * count
    length = np.empty(count)
    for i, law in enumerate(laws):
        length[task % len(laws) == i] = law.quantile(rng.random(int((task % len(laws) == i).sum())))
    return {"request": np.arange(count) // TASKS, "task": task.astype(np.str_), "start": start, "end": start + length}
