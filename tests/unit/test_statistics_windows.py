"""Series of many requests in flight: windows, phases, pipelines, gaps. Each rule has a twin without it that goes wrong."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from octomodel.statistics import Steady, steady_state

F64 = NDArray[np.float64]


def interleaved(rng: np.random.Generator, n_series: int, n: int, coefficient: float = 0.9) -> F64:
    """Stationary AR(1) around 100 with variance 1, `n_series` of them taken in turn: shape (n_series * n,)."""
    noise = rng.normal(size=(n, n_series)) * np.sqrt(1 - coefficient**2)
    noise[0] /= np.sqrt(1 - coefficient**2)
    values: F64 = 100 + lfilter([1.0], [1.0, -coefficient], noise, axis=0).ravel()
    return values


def holding(found: list[Steady], truth: float) -> tuple[int, int]:
    """Number of intervals of the mean, and of those that hold the truth."""
    means = [each.mean for each in found if each.mean is not None]
    return len(means), sum(each.lo <= truth <= each.hi for each in means)


def test_neighbours_that_never_met_only_seem_independent() -> None:
    rng = np.random.default_rng(1)
    series = [interleaved(rng, 32, 2_000, 0.97) for _ in range(100)]
    given, held = holding([steady_state([x], window=32) for x in series], 100)
    assert given >= 95 and held >= 0.9 * given
    given, held = holding([steady_state([x]) for x in series], 100)
    assert given == 100 and held < 80


def test_correlation_that_is_left_widens_the_interval() -> None:
    """At most 40 batches of a window, with a correlation of about 0.4 between neighbours."""
    rng = np.random.default_rng(2)
    series = [interleaved(rng, 4, 400, 0.75) for _ in range(200)]
    given, held = holding([steady_state([x], window=16) for x in series], 100)
    assert given >= 100 and held >= 0.88 * given, (given, held)


@pytest.mark.parametrize("pipelines", [1, 16])
def test_a_common_drift_is_seen(pipelines: int) -> None:
    rng = np.random.default_rng(3)
    x = interleaved(rng, 16, 2_000, 0.5)
    x += np.linspace(-0.1, 0.1, x.size)
    steady = steady_state([x], (0.5,), window=64, pipelines=pipelines)
    if pipelines == 16:
        assert steady.warnings == ("still drifting: no intervals",)
    else:
        assert steady.mean is not None  # what hides in one series shows in sixteen


def test_a_suspected_drift_widens_the_interval_to_both_halves() -> None:
    rng = np.random.default_rng(4)
    seen = 0
    for _ in range(60):
        x = interleaved(rng, 16, 400, 0.5)
        x += np.where(np.arange(x.size) < x.size // 2, -0.035, 0.035)
        steady = steady_state([x], window=16, pipelines=16)
        if steady.mean is None:
            continue
        y = x[steady.warmup :]
        halves = y[-(y.size // 32 * 32) :].reshape(2, -1, 16).mean(axis=1)
        gaps = halves[0] - halves[1]
        if abs(gaps.mean()) > 2.2 * gaps.std(ddof=1) / 4:
            seen += 1
            assert steady.mean.hi - steady.mean.lo >= 1.99 * abs(gaps.mean())
    assert seen >= 10


def test_batches_are_whole_cycles_of_the_phases() -> None:
    """With a day of 300 and a night of 100 the mean is 25, whichever part of a cycle the end cuts off."""
    rng = np.random.default_rng(5)
    series = []
    for _ in range(40):
        n = int(rng.integers(8_000, 12_000))
        series.append(np.where(np.arange(n) % 400 < 300, 0.0, 100.0) + rng.normal(size=n))
    found = [steady_state([x], window=10, cycle=400) for x in series]
    given, held = holding(found, 25)
    assert given >= 38 and held >= 34
    assert all(each.mean is None or each.mean.hi - each.mean.lo < 0.2 for each in found)
    assert all((x.size - each.warmup) % 400 == 0 for x, each in zip(series, found, strict=True))
    assert all(each.mean is None or each.mean.hi - each.mean.lo > 0.5 for each in (steady_state([x]) for x in series))


def test_reasons() -> None:
    x = np.random.default_rng(6).normal(size=2_000)

    def reason(values: F64, **options: int) -> str:
        steady = steady_state([values], (0.5,), **options)
        assert steady.mean is None and steady.quantiles == {0.5: None} and len(steady.warnings) == 1
        return steady.warnings[0]

    assert reason(x, window=100, skip=500).endswith(
        "1,500 requests are left between start-up and drain, 15.0 times the 100 in flight, not 30"
    )
    assert reason(x, cycle=400, skip=100).endswith("4.0 cycles of the phases, not 10")
    assert reason(x[:300], window=100, skip=300).endswith("all requests belong to the start-up or the drain")
    assert reason(np.full(50, np.nan)) == "run too short: no intervals"
    walk = np.tile(np.cumsum(np.random.default_rng(7).normal(size=500)) * 0.2, 1)
    assert "no intervals" in reason(np.repeat(walk, 4), window=20)


def test_gaps_take_no_part() -> None:
    """Half of the requests lack the value, in stretches of random length; those that have it are an AR(1)."""
    rng = np.random.default_rng(8)
    found = []
    for _ in range(100):
        x = interleaved(rng, 1, 30_000)
        x[np.repeat(rng.random(3_000) < 0.5, 10)] = np.nan
        found.append(steady_state([x], (0.5,)))
    given, held = holding(found, 100)
    assert given >= 95 and held >= 0.88 * given
    middle = [each.quantiles[0.5] for each in found]
    hits = [each.lo <= 100 <= each.hi for each in middle if each is not None]
    assert len(hits) >= 90 and np.mean(hits) >= 0.88
