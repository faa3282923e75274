"""Intervals of fitted laws: how often they hold the truth, and when they must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octomodel import dist
from octomodel.calibration.bootstrap import intervals, law_draws, law_of
from octomodel.calibration.product_limit import empirical, product_limit
from octomodel.calibration.sample import Sample, sample
from octomodel.calibration.trace import TraceError

WEIBULL = dist.Weibull(10.0, 0.7)
EXPONENTIAL = dist.Exponential(10.0)


def cut(law: dist.Law, count: int, share: float, rng: np.random.Generator) -> Sample:
    """Return durations of which about ``share`` are unfinished."""
    x = law.quantile(rng.random(count))
    if not share:
        return sample(x)
    last = rng.exponential(law.mean / share * 0.8, count)
    return sample(np.minimum(x, last), censored=x > last)


def coverage(law: dist.Law, share: float, repetitions: int, draws: int, *, forget: bool = False) -> dict[str, float]:
    rng = np.random.default_rng(20)
    truth = {"mean": law.mean, "cv": law.cv, "p50": float(law.quantile(0.5)), "p90": float(law.quantile(0.9))}
    hits = dict.fromkeys(truth, 0)
    for seed in range(repetitions):
        durations = cut(law, 250, share, rng)
        if forget:
            durations = sample(durations.times)
        found = intervals(law_of(law.name, durations), law_draws(law.name, durations, draws, seed))
        for name, value in truth.items():
            hits[name] += found[name].low <= value <= found[name].high
    return {name: count / repetitions for name, count in hits.items()}


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_intervals_hold_the_truth(share: float) -> None:
    """Of 150 repetitions 95 % would be 142.5; 134 is below that with a probability of 0.3 %."""
    for name, hit in coverage(WEIBULL, share, 150, 99).items():
        assert hit >= 134 / 150, name


def test_intervals_that_forget_the_censoring_do_not() -> None:
    assert coverage(WEIBULL, 0.3, 40, 49, forget=True)["mean"] < 0.5


def test_a_third_of_the_durations_is_unfinished() -> None:
    durations = cut(WEIBULL, 20_000, 0.3, np.random.default_rng(1))
    assert 1.0 - durations.observed.mean() == pytest.approx(0.3, abs=0.03)


@pytest.mark.deep
@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("law", [WEIBULL, EXPONENTIAL], ids=["weibull", "exponential"])
def test_intervals_hold_the_truth_as_often_as_they_say(law: dist.Law, share: float) -> None:
    found = coverage(law, share, 1000, 399)
    # an exponential law has a CV of 1 whatever the durations are
    found = {name: hit for name, hit in found.items() if name != "cv" or law is not EXPONENTIAL}
    assert all(0.93 <= hit <= 0.97 for hit in found.values()), found


def test_durations_of_a_request_are_drawn_together() -> None:
    """Ten equal durations per request are no more than one."""
    x = dist.Gamma(10.0, 0.5).quantile(np.random.default_rng(3).random(100))
    single = sample(x)
    tenfold = sample(np.repeat(x, 10), requests=np.repeat(np.arange(100), 10))
    blind = sample(np.repeat(x, 10))
    width = []
    for durations in (single, tenfold, blind):
        found = intervals(law_of("gamma", durations), law_draws("gamma", durations, 200, 1))["mean"]
        width.append(found.high - found.low)
    assert width[1] == pytest.approx(width[0], rel=0.15)
    assert width[2] < 0.5 * width[1]


def test_draws_repeat_with_the_seed_and_serve_as_laws() -> None:
    durations = sample(dist.Gamma(10.0, 0.5).quantile(np.random.default_rng(3).random(50)))
    first, second = (law_draws("gamma", durations, 5, 8) for _ in range(2))
    assert first == second and len(set(first)) == 5
    assert all(isinstance(law, dist.Empirical) for law in law_draws("empirical", durations, 2))
    assert law_draws("deterministic", sample([2.0, 2.0]), 1) == [dist.Deterministic(2.0)]


def test_refusals() -> None:
    durations = sample([1.0, 2.0])
    with pytest.raises(TraceError, match=r"law_draws.count: got 0"):
        law_draws("gamma", durations, 0)
    with pytest.raises(TraceError, match=r"law_draws: got 'all ends seen are the same'"):
        law_draws("gamma", sample([2.0, 2.0]), 1)
    with pytest.raises(TraceError, match=r"intervals.level: got 1.0"):
        intervals(EXPONENTIAL, [EXPONENTIAL], level=1.0)
    with pytest.raises(TraceError, match=r"intervals.draws: got 'nothing'"):
        intervals(EXPONENTIAL, [])


def test_product_limit_has_the_known_values(shared_data: Path) -> None:
    import json

    cases: list[dict[str, Any]] = json.loads((shared_data / "queueing_cases.json").read_text())["cases"]
    case = next(case for case in cases if case["id"] == "FIT-CENSORED-6MP")
    durations = sample(case["model"]["time"], censored=np.array(case["model"]["event"]) == 0)
    estimate = product_limit(durations)
    assert float(estimate.survival[estimate.times == 10.0][0]) == pytest.approx(case["expected"]["km_S10"], abs=1e-12)
    assert float(estimate.quantile(np.array([0.5]))[0]) == case["expected"]["km_median"]
    law = empirical(durations)
    assert float(law.quantile(0.5)) == case["expected"]["km_median"]
    assert law.support()[1] == 35.0


def test_durations_of_zero_are_at_risk() -> None:
    assert product_limit(sample([0.0, 0.0, 1.0, 2.0])).survival.tolist() == pytest.approx([0.5, 0.25, 0.0])


def test_late_entries_are_not_at_risk_before_they_come_in_sight() -> None:
    """At 2 the third duration is out of sight: one of two ends, not one of three."""
    estimate = product_limit(sample([2.0, 4.0, 5.0], entry=[0.0, 0.0, 3.0]))
    assert estimate.survival.tolist() == pytest.approx([0.5, 0.25, 0.0])
