"""Frequencies of choices and turns of loops: known cases, coverage, tests that hold their level."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import octomodel as om
from octomodel import dist
from octomodel.calibration import branching
from octomodel.calibration.branching import by_attribute, dirichlet_multinomial, frequencies, homogeneous, transitions
from octomodel.calibration.loops import fit_loop
from octomodel.calibration.trace import TraceError


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> dict[str, Any]:
    return {case["id"]: case for case in json.loads((shared_data / "queueing_cases.json").read_text())["cases"]}


def test_dirichlet_case(cases: dict[str, Any]) -> None:
    case = cases["BR-DIRICHLET"]
    found = frequencies(case["model"]["counts"], prior=case["model"]["prior"])
    low, high = found.interval()
    for i in range(3):
        for name, value in (("mean", found.mean[i]), ("lo", low[i]), ("hi", high[i])):
            assert value == pytest.approx(case["expected"][f"{name}{i}"], rel=1e-9)
    assert found.log_marginal == pytest.approx(case["expected"]["log_marginal"], rel=1e-12)


def test_overdispersed_case(cases: dict[str, Any]) -> None:
    case = cases["BR-DM-MLE"]
    found = dirichlet_multinomial(case["model"]["counts"])
    assert found.alpha.tolist() == pytest.approx(case["expected"]["alpha"], rel=1e-5)
    assert found.overdispersion == pytest.approx(case["expected"]["overdispersion_rho"], rel=1e-5)
    assert found.log_likelihood == pytest.approx(case["expected"]["loglik_no_coef"], abs=1e-8)


def test_order_case(cases: dict[str, Any]) -> None:
    case = cases["BR-MARKOV-TEST"]
    found = homogeneous(case["model"]["counts"])
    assert (found.g, found.p) == pytest.approx((case["expected"]["G"], case["expected"]["p_value"]), rel=1e-9)
    assert found.freedom == 1


@pytest.mark.parametrize("seed", range(3))
def test_homogeneity_is_that_of_scipy(seed: int) -> None:
    table = np.random.default_rng(seed).integers(1, 40, (4, 3))
    theirs = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    ours = homogeneous(table)
    assert (ours.g, ours.p, ours.freedom) == pytest.approx((theirs.statistic, theirs.pvalue, theirs.dof), rel=1e-9)
    padded = np.zeros((6, 4), np.int64)
    padded[1:5, 1:] = table
    assert homogeneous(padded).g == pytest.approx(ours.g, rel=1e-9)


def test_one_row_is_homogeneous() -> None:
    assert homogeneous([[3, 4]]).p == 1.0


def drifting(rho: float, windows: int, size: int, rng: np.random.Generator) -> Any:
    """Return counts of windows whose probabilities are drawn around 0.3 and 0.7."""
    if not rho:
        return rng.multinomial(size, [0.3, 0.7], windows)
    strength = 1.0 / rho - 1.0
    return np.stack([rng.multinomial(size, rng.dirichlet([0.3 * strength, 0.7 * strength])) for _ in range(windows)])


def hits(rho: float, repetitions: int, *, blind: bool = False) -> float:
    rng = np.random.default_rng(4)
    count = 0
    for _ in range(repetitions):
        counts = drifting(rho, 40, 50, rng)
        low, high = frequencies(counts.sum(axis=0) if blind else counts).interval()
        count += low[0] <= 0.3 <= high[0]
    return count / repetitions


@pytest.mark.parametrize("rho", [0.0, 0.1])
def test_intervals_hold_the_truth(rho: float) -> None:
    assert 0.90 <= hits(rho, 200) <= 0.99


def test_design_effect_is_that_of_decisions_in_one_window() -> None:
    counts = [[9, 1], [2, 8], [5, 5], [10, 0], [1, 9]]
    found = frequencies(counts)
    rho = dirichlet_multinomial(counts).overdispersion
    assert found.overdispersion == rho > 0.1
    assert found.alpha.tolist() == pytest.approx([0.5 + 27 / (1 + 9 * rho), 0.5 + 23 / (1 + 9 * rho)], rel=1e-12)


def test_intervals_blind_to_windows_do_not() -> None:
    assert hits(0.1, 200, blind=True) < 0.7


@pytest.mark.deep
@pytest.mark.parametrize("rho", [0.0, 0.1])
def test_intervals_hold_the_truth_as_often_as_they_say(rho: float) -> None:
    assert 0.93 <= hits(rho, 1000) <= 0.97


def test_overdispersion_is_found_and_not_invented() -> None:
    rng = np.random.default_rng(1)
    assert dirichlet_multinomial(drifting(0.1, 400, 50, rng)).overdispersion == pytest.approx(0.1, rel=0.2)
    even = dirichlet_multinomial([[3, 7]] * 10)
    assert even.overdispersion == 0.0 and even.mean.tolist() == [0.3, 0.7]
    assert even.log_likelihood == pytest.approx(30 * math.log(0.3) + 70 * math.log(0.7))
    assert np.isinf(even.alpha).all()


def test_a_choice_never_taken_keeps_its_place() -> None:
    found = dirichlet_multinomial([[9, 0, 1], [2, 0, 8]])
    assert found.mean[1] == found.alpha[1] == 0.0 and found.overdispersion > 0.1
    assert frequencies([9, 0, 1]).mean[1] == pytest.approx(0.5 / 11.5)


def test_posterior_serves_a_branch() -> None:
    found = frequencies([30, 10], choices=["hit", "miss"])
    block = om.branch(found.probabilities(), hit=om.seq(), miss=om.task("fetch", 10))
    assert block.values == pytest.approx((30.5 / 41, 10.5 / 41))
    drawn = found.draws(4000, seed=1)
    assert drawn.sum(axis=1) == pytest.approx(1.0)
    assert drawn.mean(axis=0) == pytest.approx(found.mean, abs=0.005)
    low, high = found.interval()
    assert np.quantile(drawn[:, 0], [0.025, 0.975]) == pytest.approx([low[0], high[0]], abs=0.01)
    assert np.array_equal(drawn, found.draws(4000, seed=1))


def test_transitions_are_counted_in_order() -> None:
    assert transitions([0, 0, 1, 2, 2, 2], 3).tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 2]]
    assert transitions([1], 2).tolist() == [[0, 0], [0, 0]]


def test_dependence_on_an_attribute_is_seen() -> None:
    rng = np.random.default_rng(0)
    size = rng.lognormal(5.0, 1.0, 2000)
    longer = (rng.random(2000) < 1.0 / (1.0 + np.exp(5.0 - np.log(size)))).astype(np.int64)
    lows, counts = by_attribute(longer, size, kinds=2)
    assert lows.tolist() == sorted(lows.tolist()) and counts.sum() == 2000
    assert counts.sum(axis=1).tolist() == [400] * 5
    assert homogeneous(counts).p < 1e-6
    assert homogeneous(by_attribute(rng.permutation(longer), size, kinds=2)[1]).p > 0.01
    assert by_attribute([0, 1, 1], [3.0, 3.0, 3.0], kinds=2)[1].tolist() == [[1, 2]]


def test_turns_of_one_probability_are_geometric() -> None:
    turns = np.random.default_rng(0).geometric(0.4, 2000)
    found = fit_loop(turns)
    assert found.family == "geometric" and found.again == pytest.approx(1.0 - 1.0 / turns.mean(), rel=1e-12)
    assert found.count.mean == pytest.approx(turns.mean(), rel=1e-6)
    assert om.loop(om.task("turn", 5), again=found.again).again == found.again
    k = np.arange(1, 8)
    assert found.count.cdf(k) == pytest.approx(stats.geom(1.0 - found.again).cdf(k), abs=1e-9)


def test_turns_with_zeros_have_a_count_and_no_probability() -> None:
    turns = np.random.default_rng(0).geometric(0.4, 2000) - 1
    found = fit_loop(turns)
    assert (found.family, found.again) == ("geometric", None)
    assert found.count.support()[0] == 0.0 and found.count.mean == pytest.approx(turns.mean(), rel=1e-6)


def test_overdispersed_turns_are_negative_binomial() -> None:
    turns = 1 + np.random.default_rng(0).negative_binomial(3.0, 0.3, 3000)
    found = fit_loop(turns)
    assert (found.family, found.again) == ("negative_binomial", None)
    assert found.count.mean == pytest.approx(turns.mean(), rel=1e-6)

    def loss(r: float) -> float:
        return -float(stats.nbinom(r, r / (r + turns.mean() - 1.0)).logpmf(turns - 1).sum())

    best = min(map(loss, np.linspace(1.0, 6.0, 501)))
    assert found.bic["negative_binomial"] == pytest.approx(2.0 * math.log(3000) + 2.0 * best, abs=1e-2)
    assert found.bic["negative_binomial"] <= 2.0 * math.log(3000) + 2.0 * best + 1e-9


def test_turns_of_no_family_are_kept_as_they_are() -> None:
    turns = [2] * 500 + [7] * 300
    found = fit_loop(turns)
    assert found.family == "hazard" and found.count.mean == pytest.approx(np.mean(turns))
    assert found.turns.tolist() == [2, 7] and found.hazard.tolist() == pytest.approx([0.625, 1.0])
    assert (found.low < found.hazard).all() and found.high[0] > 0.625
    assert fit_loop([3, 3, 3]).count == dist.Deterministic(3.0)
    assert fit_loop([1, 1, 1]).count == dist.Deterministic(1.0)


def test_measured_turns_are_read(shared_data: Path) -> None:
    """Agents that call tools: 200 trajectories."""
    turns = np.genfromtxt(shared_data / "taubench_airline_gpt4o_loops.csv", delimiter=",", names=True)["n_tool_calls"]
    found = fit_loop(turns.astype(np.int64))
    assert found.count.mean == pytest.approx(turns.mean(), rel=1e-6)
    assert found.bic[found.family] == min(found.bic.values())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: frequencies([3]),
            "frequencies.counts: got 'int64[1]'; allowed: int[choice] or int[window, choice] with at least two choices",
        ),
        (
            lambda: frequencies([3, -1]),
            "frequencies.counts: got 'a negative count or only zeros'; allowed: counts >= 0, at least one above 0",
        ),
        (lambda: frequencies([3, 1], choices=["a", "a"]), "frequencies.choices: got ['a', 'a']; allowed: 2 different names"),
        (lambda: frequencies([3, 1], prior=0.0), "frequencies.prior: got 0.0; allowed: a finite number > 0, or 2 of them"),
        (
            lambda: frequencies([3, 1], prior=[1.0, 2.0, 3.0]),
            "frequencies.prior: got [1.0, 2.0, 3.0]; allowed: a finite number > 0, or 2 of them",
        ),
        (lambda: frequencies([3, 1]).interval(0.0), "Frequencies.interval.level: got 0.0; allowed: a number between 0 and 1"),
        (lambda: frequencies([3, 1]).draws(0), "Frequencies.draws.count: got 0; allowed: an integer >= 1"),
        (
            lambda: dirichlet_multinomial([3, 1]),
            "dirichlet_multinomial.counts: got 'int64[2]'; allowed: int[window, choice] with at least two choices",
        ),
        (
            lambda: homogeneous([[3.0, 1.0]]),
            "homogeneous.counts: got 'float64[1, 2]'; allowed: int[window, choice] with at least two choices",
        ),
        (lambda: by_attribute([2], [1.0], kinds=2), "by_attribute.choices: got 'int64[1]'; allowed: integers from 0 to 1"),
        (lambda: by_attribute([1], [math.nan], kinds=2), "by_attribute.attribute: got 'shape [1]'; allowed: 1 finite numbers"),
        (lambda: by_attribute([1], [1.0], kinds=2, bins=1), "by_attribute.bins: got 1; allowed: an integer >= 2"),
        (lambda: fit_loop([]), "fit_loop.turns: got 'float64[0]'; allowed: a one-dimensional array of integers"),
        (
            lambda: fit_loop([0, 0]),
            "fit_loop.turns: got 'a negative number or only zeros'; allowed: integers >= 0, at least one above 0",
        ),
    ],
)
def test_refused_input_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(TraceError) as error:
        call()
    assert str(error.value) == message


def test_jeffreys_is_the_default() -> None:
    assert frequencies([3, 1]).alpha.tolist() == [3.5, 1.5]
    assert branching.JEFFREYS == 0.5
