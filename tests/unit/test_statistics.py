"""Intervals cover what they claim, or are not given."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from octomodel.statistics import Estimate, Steady, steady_state, warm_up

SCALE = 10_000  # cycles per unit of time, so that rounding to cycles does not matter


def sojourn_times(rng: np.random.Generator, load: float, n_run: int, n: int) -> NDArray[np.int64]:
    """Sojourn times in M/M/1 with mean service 1, started empty: Lindley's recursion as a running minimum."""
    service = rng.exponential(1.0, (n_run, n))
    gaps = rng.exponential(1 / load, (n_run, n))
    steps = np.zeros((n_run, n))
    steps[:, 1:] = service[:, :-1] - gaps[:, 1:]
    walk = np.cumsum(steps, axis=1)
    waits = walk - np.minimum.accumulate(walk, axis=1)
    return np.rint((waits + service) * SCALE).astype(np.int64)


def autoregression(rng: np.random.Generator, coefficient: float, n: int) -> NDArray[np.int64]:
    """Stationary AR(1) around 1,000 units with standard deviation 100."""
    from scipy.signal import lfilter

    noise = rng.normal(0, math.sqrt(1 - coefficient**2), n)
    noise[0] = rng.normal()
    return np.rint((1000 + 100 * lfilter([1.0], [1.0, -coefficient], noise)) * SCALE).astype(np.int64)


def coverage(
    make: Callable[[], list[NDArray[np.int64]]], truth: list[float], shares: tuple[float, ...], n_trial: int
) -> tuple[list[float], float]:
    """Share of intervals that hold the truth, for the mean and each quantile; the share that is missing."""
    hits = np.zeros(1 + len(shares))
    given = np.zeros(1 + len(shares))
    for _ in range(n_trial):
        for i, estimate in enumerate(steady_state(make(), shares).named().values()):
            if estimate is not None:
                given[i] += 1
                hits[i] += estimate.lo <= truth[i] * SCALE <= estimate.hi
    return list(hits / np.maximum(given, 1)), 1 - given.sum() / (n_trial * given.size)


def exponential_truth(load: float, shares: tuple[float, ...]) -> list[float]:
    mean = 1 / (1 - load)
    return [mean, *(-math.log(1 - share) * mean for share in shares)]


@pytest.mark.parametrize(("n_run", "n"), [(1, 200_000), (3, 70_000), (6, 30_000)])
def test_intervals_cover_at_load_0_8(n_run: int, n: int) -> None:
    rng = np.random.default_rng(11)
    shares = (0.5, 0.95, 0.99)
    covered, missing = coverage(lambda: list(sojourn_times(rng, 0.8, n_run, n)), exponential_truth(0.8, shares), shares, 80)
    assert min(covered) >= 0.85, covered
    assert missing <= 0.05


def test_intervals_cover_an_autoregression() -> None:
    rng = np.random.default_rng(12)
    shares = (0.5, 0.95)
    covered, missing = coverage(lambda: [autoregression(rng, 0.9, 20_000)], [1000, 1000, 1000 + 100 * 1.6448536], shares, 200)
    assert min(covered) >= 0.88, covered
    assert missing <= 0.05


def test_intervals_are_not_wider_than_needed() -> None:
    """Independent values: the half width of the mean is that of Student's t over all of them, within 25 %."""
    rng = np.random.default_rng(13)
    values = [rng.integers(0, 1000, 10_000) for _ in range(50)]
    widths = [each.hi - each.lo for each in (steady_state([x]).mean for x in values) if each is not None]
    assert len(widths) == 50
    ideal = 2 * 1.96 * (1000 / math.sqrt(12)) / math.sqrt(10_000)
    assert 0.9 * ideal < np.mean(widths) < 1.25 * ideal


def test_correlation_left_between_batches_does_not_narrow_the_interval() -> None:
    """A run just long enough: the squared half width is on average that of the known variance of the mean."""
    rng = np.random.default_rng(24)
    found = [steady_state([autoregression(rng, 0.9, 6_000)]).mean for _ in range(300)]
    squares = [((each.hi - each.lo) / 2 / SCALE) ** 2 for each in found if each is not None]
    assert len(squares) > 150
    variance = 100**2 / 6_000 * (1 + 0.9) / (1 - 0.9)
    assert 0.95 < np.mean(squares) / (1.96**2 * variance) < 1.3


@pytest.mark.parametrize(("n_run", "n", "allowed"), [(1, 1_500, 2), (3, 500, 2), (10, 120, 2), (10, 300, 5)])
def test_a_short_run_gives_no_interval_but_a_reason(n_run: int, n: int, allowed: int) -> None:
    rng = np.random.default_rng(14)
    wrong = 0
    for _ in range(50):
        steady = steady_state(list(sojourn_times(rng, 0.8, n_run, n)), (0.95,))
        wrong += steady.mean is not None
        assert steady.mean is not None or (steady.n_effective is None and "no intervals" in steady.warnings[0])
    assert wrong <= allowed


def test_p99_needs_a_longer_run_than_the_mean() -> None:
    steady = steady_state(list(sojourn_times(np.random.default_rng(15), 0.8, 1, 40_000)), (0.5, 0.99))
    assert steady.mean is not None and steady.quantiles[0.5] is not None
    assert steady.quantiles[0.99] is None
    assert steady.warnings == ("run too short: no interval for p99",)


def test_a_quantile_needs_eight_independent_values_beyond_it() -> None:
    rng = np.random.default_rng(25)
    for _ in range(10):
        short, long = rng.integers(0, 10_000, 750), rng.integers(0, 10_000, 5_000)
        assert steady_state([short], (0.99,)).quantiles[0.99] is None
        assert steady_state([short], (0.01,)).quantiles[0.01] is None
        assert steady_state([short], (0.9,)).quantiles[0.9] is not None
        assert steady_state([long], (0.99,)).quantiles[0.99] is not None


def test_an_overloaded_queue_has_no_steady_state() -> None:
    steady = steady_state(list(sojourn_times(np.random.default_rng(16), 1.2, 1, 50_000)), (0.5,))
    assert steady.mean is None and steady.quantiles == {0.5: None}
    assert steady.warnings == ("no steady state within the run: no intervals",)


def test_n_effective_is_the_number_of_independent_values() -> None:
    rng = np.random.default_rng(17)
    free = steady_state([rng.integers(0, 1000, 50_000)]).n_effective
    tied = steady_state([autoregression(rng, 0.9, 500_000)]).n_effective
    assert free is not None and tied is not None
    assert 25_000 < free <= 50_000
    # an AR(1) has the variance of the mean of n (1 - c) / (1 + c) independent values
    assert 0.6 < tied / (500_000 * 0.1 / 1.9) < 1.6


def test_the_start_up_is_dropped() -> None:
    rng = np.random.default_rng(18)
    values = rng.integers(900, 1100, 20_000)
    values[:500] += np.linspace(5_000, 0, 500).astype(np.int64)
    steady = steady_state([values])
    assert steady.mean is not None
    assert 400 <= steady.warmup <= 1_500
    assert steady.mean.lo <= 999.5 <= steady.mean.hi


def test_warm_up_minimises_the_variance_of_the_mean_of_the_rest() -> None:
    rng = np.random.default_rng(19)
    values = rng.normal(size=600).cumsum() * 0.02 + np.r_[np.linspace(3, 0, 150), np.zeros(450)]
    means = values.reshape(-1, 5).mean(axis=1)
    score = [means[d:].var() / (means.size - d) for d in range(means.size // 2 + 1)]
    assert warm_up(values) == (5 * int(np.argmin(score)), int(np.argmin(score)) < means.size // 2)


def test_a_constant_series_has_intervals_of_no_width() -> None:
    values = np.full(1000, 7_321, dtype=np.int64)
    values[:50] += np.random.default_rng(3).integers(0, 10**6, 50)
    steady = steady_state([values], (0.5, 0.9))
    point = Estimate(7321, 7321, 7321)
    assert steady == Steady(point, {0.5: point, 0.9: point}, 50, 950, ())


def test_ties_leave_the_quantile_uncertain() -> None:
    """Half of the values lie at the median and half below: which of the two it is stays open."""
    rng = np.random.default_rng(20)
    seen = []
    for _ in range(20):
        estimate = steady_state([rng.choice([100, 200], size=5_000, p=[0.5, 0.5])], (0.5,)).quantiles[0.5]
        assert estimate is not None
        seen.append((estimate.lo, estimate.hi))
    assert seen.count((100, 200)) >= 16


def test_quantile_is_an_order_statistic_of_the_values() -> None:
    values = np.random.default_rng(21).permutation(10_000)
    estimate = steady_state([values], (0.9,)).quantiles[0.9]
    assert estimate is not None
    kept = values[steady_state([values]).warmup :]
    assert estimate.value == np.sort(kept)[math.ceil(0.9 * kept.size) - 1]
    assert {estimate.lo, estimate.hi} <= set(values.tolist())


def test_what_differs_between_runs_only_widens_the_interval_of_many_replications() -> None:
    rng = np.random.default_rng(22)
    runs = [rng.integers(0, 100, 5_000) + 50 * run for run in range(8)]
    estimate = steady_state(runs).mean
    assert estimate is not None
    means = [run.mean() for run in runs]
    assert estimate.hi - estimate.lo == pytest.approx(2 * 2.3646 * np.std(means, ddof=1) / math.sqrt(8), rel=0.02)


def test_no_values_at_all() -> None:
    empty = np.zeros(0, dtype=np.int64)
    assert steady_state([empty], (0.5,)) == Steady(None, {0.5: None}, 0, None, ("run too short: no intervals",))
    assert steady_state([np.arange(9), empty]).mean is None


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="series: got none"):
        steady_state([])
    for share in (0.0, 1.0, 95.0, math.nan):
        with pytest.raises(ValueError, match="quantiles: got"):
            steady_state([np.arange(9)], (share,))


def test_a_million_values_take_less_than_half_a_second() -> None:
    values = sojourn_times(np.random.default_rng(23), 0.8, 1, 1_000_000)[0]
    spent = []
    for _ in range(3):
        begun = time.process_time()
        steady = steady_state([values], (0.5, 0.95, 0.99))
        spent.append(time.process_time() - begun)
        assert None not in steady.named().values()
    assert min(spent) < 0.5
