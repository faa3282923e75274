"""Fits of durations: against published cases, against scipy's optimum, against the laws that made them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from octomodel import dist
from octomodel.calibration import density, em, families
from octomodel.calibration.density import log_likelihood
from octomodel.calibration.families import UnfitError
from octomodel.calibration.sample import Sample, sample
from octomodel.calibration.times import FAMILIES, fit_family, fit_time
from octomodel.calibration.trace import TraceError

NAMES: dict[str, Callable[[Sample], dist.Law]] = {
    "exp": families.exponential,
    "gamma": families.gamma,
    "weibull": families.weibull,
    "lognormal": families.lognormal,
}
FROZEN: dict[str, Callable[[Any], Any]] = {
    "gamma": lambda law: stats.gamma(law.shape, scale=law.scale),
    "lognormal": lambda law: stats.lognorm(law.sigma, scale=math.exp(law.mu)),
    "weibull": lambda law: stats.weibull_min(law.shape, scale=law.scale),
    "exponential": lambda law: stats.expon(scale=law.mean),
}
SCIPY = {"gamma": stats.gamma, "lognormal": stats.lognorm, "weibull": stats.weibull_min}


def grid(law: dist.Law, count: int) -> Sample:
    return sample(law.quantile((np.arange(count) + 0.5) / count))


def drawn(law: dist.Law, count: int, seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return law.quantile(np.random.default_rng(seed).random(count))


def censored(law: dist.Law, count: int, seed: int, mean: float) -> Sample:
    rng = np.random.default_rng(seed)
    x, last = law.quantile(rng.random(count)), rng.exponential(mean, count)
    return sample(np.minimum(x, last), censored=x > last)


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> dict[str, Any]:
    return {case["id"]: case for case in json.loads((shared_data / "queueing_cases.json").read_text())["cases"]}


@pytest.mark.parametrize(
    ("case", "law"),
    [("FIT-SYN-GAMMA", dist.Gamma.from_shape(2.5, 0.4)), ("FIT-SYN-LOGN", dist.LogNormal.from_log(0.3, 0.8))],
)
@pytest.mark.parametrize("name", NAMES)
def test_complete_cases_reach_the_known_likelihood(cases: dict[str, Any], case: str, law: dist.Law, name: str) -> None:
    durations, expected = grid(law, 400), cases[case]["expected"]
    assert log_likelihood(NAMES[name](durations), durations) == pytest.approx(expected[f"{name}.loglik"], abs=1e-8)


@pytest.mark.parametrize("case", ["FIT-SYN-GAMMA", "FIT-SYN-LOGN"])
def test_known_cases_select_the_family_that_made_them(cases: dict[str, Any], case: str) -> None:
    law = dist.Gamma.from_shape(2.5, 0.4) if case == "FIT-SYN-GAMMA" else dist.LogNormal.from_log(0.3, 0.8)
    found = fit_time(grid(law, 400), among=("exponential", "gamma", "weibull", "lognormal"))
    expected = cases[case]["expected"]
    assert found.family == expected["selected"] and found.fits
    best = found.candidates[0]
    assert best.bic == pytest.approx(expected[f"{found.family}.bic"], abs=1e-8)
    assert found.kolmogorov.statistic == pytest.approx(expected[f"{found.family}.ks"], abs=1e-6)
    assert found.anderson.statistic == pytest.approx(expected[f"{found.family}.ad"], abs=1e-6)


@pytest.mark.parametrize("name", ["exp", "weibull", "lognormal"])
def test_censored_case_reaches_the_known_likelihood(cases: dict[str, Any], name: str) -> None:
    case = cases["FIT-CENSORED-6MP"]
    durations = sample(case["model"]["time"], censored=np.array(case["model"]["event"]) == 0)
    value = log_likelihood(NAMES[name](durations), durations)
    assert value == pytest.approx(case["expected"][f"{name}.loglik"], abs=1e-6)


def test_hyperexponential_case_reaches_the_known_likelihood(cases: dict[str, Any]) -> None:
    expected = cases["FIT-H2-EM"]["expected"]
    durations = grid(dist.HyperExponential((0.3, 0.7), (4.0, 0.5)), 1000)
    law = em.hyperexponential(durations)
    assert log_likelihood(law, durations) == pytest.approx(expected["loglik"], abs=1e-6)
    assert law.probabilities[0] == pytest.approx(expected["p_slow"], rel=1e-4)
    assert [1.0 / mean for mean in law.means] == pytest.approx([expected["rate_slow"], expected["rate_fast"]], rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SCIPY)
@pytest.mark.parametrize("made", [dist.Gamma(30.0, 0.3), dist.LogNormal(5.0, 1.5), dist.Weibull(1e4, 1.3)], ids=str)
def test_complete_fits_are_no_worse_than_scipy(made: dist.Law, name: str, seed: int) -> None:
    x = drawn(made, 300, seed)
    ours = FROZEN[name](fit_family(name, sample(x)))
    theirs = SCIPY[name](*SCIPY[name].fit(x, floc=0.0))
    assert ours.logpdf(x).sum() >= theirs.logpdf(x).sum() - 1e-6


@pytest.mark.parametrize("name", FROZEN)
@pytest.mark.parametrize("made", [dist.Gamma(30.0, 0.3), dist.LogNormal(30.0, 1.5), dist.Weibull(30.0, 0.7)], ids=str)
@pytest.mark.parametrize("late", [False, True], ids=["censored", "censored and truncated"])
def test_no_near_law_is_likelier(made: dist.Law, name: str, late: bool) -> None:
    """With scipy's densities, not ours."""
    durations = censored(made, 400, 7, 60.0)
    if late:
        entry = np.where(np.arange(400) % 4 == 0, np.random.default_rng(1).random(400) * 15.0, 0.0)
        kept = durations.times > entry
        durations = sample(durations.times[kept], censored=~durations.observed[kept], entry=entry[kept])

    def value(law: dist.Law) -> float:
        frozen = FROZEN[name](law)
        open_ = durations.times[~durations.observed]
        total = frozen.logpdf(durations.seen).sum() + frozen.logsf(open_).sum()
        return float(total - frozen.logsf(durations.entry[durations.entry > 0.0]).sum())

    law = fit_family(name, durations)
    best = value(law)
    assert log_likelihood(law, durations) == pytest.approx(best, abs=1e-7)
    for factor in (0.999, 1.001):
        near: list[dist.Law] = [law * factor]
        if not isinstance(law, dist.Exponential):
            near += [type(law)(law.mean, law.cv * factor), type(law)(law.mean * factor, law.cv * factor)]
        assert max(map(value, near)) < best


@pytest.mark.parametrize("name", SCIPY)
def test_censored_fits_are_no_worse_than_scipy(name: str) -> None:
    durations = censored(dist.Gamma(10.0, 0.6), 300, 3, 25.0)
    data = stats.CensoredData(uncensored=durations.seen, right=durations.times[~durations.observed])
    theirs = SCIPY[name](*SCIPY[name].fit(data, floc=0.0))
    open_ = durations.times[~durations.observed]
    assert log_likelihood(fit_family(name, durations), durations) >= (
        theirs.logpdf(durations.seen).sum() + theirs.logsf(open_).sum() - 1e-6
    )


@pytest.mark.parametrize("count", [2_000, 200_000])
def test_weibull_score_is_zero_with_and_without_the_histogram(count: int) -> None:
    x = drawn(dist.Weibull(3.0, 1.4), count, 2)
    law = families.weibull(sample(x))
    power = x**law.shape
    score = (power @ np.log(x)) / power.sum() - 1.0 / law.shape - np.log(x).mean()
    assert abs(score) < 1e-9
    assert law.scale == pytest.approx(float(power.mean() ** (1.0 / law.shape)), rel=1e-9)


def test_a_weibull_of_enormous_times_does_not_overflow() -> None:
    x = drawn(dist.Weibull(1e200, 0.05), 500, 2)
    assert families.weibull(sample(x)).cv == pytest.approx(0.05, rel=0.1)


def test_pareto_fits_have_their_closed_forms() -> None:
    x = drawn(dist.Pareto(2.5, 3.0), 1000, 1)
    law = families.pareto(sample(x))
    assert (law.low, law.alpha) == (x.min(), pytest.approx(1.0 / np.log(x / x.min()).mean(), rel=1e-12))
    cut = censored(dist.Pareto(2.5, 3.0), 20_000, 1, 8.0)
    assert families.pareto(cut).alpha == pytest.approx(2.5, rel=0.05)
    x = drawn(dist.BoundedPareto(1.2, 2.0, 50.0), 5000, 1)
    best = families.bounded_pareto(sample(x))
    value = log_likelihood(best, sample(x))
    for alpha in (best.alpha * 0.99, best.alpha * 1.01):
        assert log_likelihood(dist.BoundedPareto(alpha, best.low, best.high), sample(x)) < value
    assert best.alpha == pytest.approx(1.2, rel=0.1)


def test_a_pareto_without_an_upper_end_is_given_none() -> None:
    found = [_bounded(drawn(dist.Pareto(2.2, 3.0), 1000, seed)) for seed in range(200)]
    assert 2 <= sum(found) <= 20
    assert _bounded(drawn(dist.BoundedPareto(2.2, 3.0, 30.0), 1000, 1))


def _bounded(x: np.ndarray[Any, np.dtype[np.float64]]) -> bool:
    try:
        families.bounded_pareto(sample(x))
    except UnfitError as error:
        assert str(error) == "the durations show no upper end"
        return False
    return True


@pytest.mark.parametrize("share", [1.0, 0.7], ids=["complete", "censored"])
def test_hyper_erlang_is_at_least_as_likely_as_the_law_that_made_it(share: float) -> None:
    made = dist.Mixture((0.6, 0.4), (dist.Erlang(4, 1.2), dist.Erlang(1, 5.0)))
    durations = grid(made, 4000) if share == 1.0 else censored(made, 4000, 5, 6.0)
    law = em.hyper_erlang(durations, 5)
    assert log_likelihood(law, durations) >= log_likelihood(made, durations)
    assert isinstance(law, dist.Mixture)
    assert law.mean == pytest.approx(made.mean, rel=0.05)
    assert [part.k for part in law.laws if isinstance(part, dist.Erlang)] == [4, 1]


def test_em_on_a_histogram_loses_nothing_that_matters() -> None:
    """A hundred thousand durations use bins; the likelihood of all of them says what that costs."""
    x = drawn(dist.HyperExponential((0.3, 0.7), (4.0, 0.5)), 100_000, 4)
    durations = sample(x)
    law = em.hyperexponential(durations)
    best = log_likelihood(law, durations)
    for slow in (0.9999, 1.0001):
        near = dist.HyperExponential(law.probabilities, (law.means[0] * slow, law.means[1]))
        assert log_likelihood(near, durations) < best + 1e-6


def test_one_exponential_needs_no_more_branches() -> None:
    law = em.hyperexponential(grid(dist.Exponential(7.0), 2000), 3)
    assert law.mean == pytest.approx(7.0, rel=0.01)
    assert law.cv == pytest.approx(1.0, abs=0.01)


LAWS = [
    dist.Exponential(3.0),
    dist.Gamma(3.0, 0.4),
    dist.Erlang(3, 3.0),
    dist.LogNormal(3.0, 0.9),
    dist.Weibull(3.0, 1.2),
    dist.Pareto(2.5, 1.0),
    dist.BoundedPareto(1.5, 1.0, 9.0),
    dist.HyperExponential((0.3, 0.7), (5.0, 1.0)),
    dist.Mixture((0.4, 0.6), (dist.Gamma(1.0, 0.3), dist.Erlang(2, 4.0))),
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_density_is_the_slope_of_the_distribution(law: dist.Law) -> None:
    x = law.quantile(np.linspace(0.05, 0.95, 19))
    step = 1e-5 * x
    slope = (law.cdf(x + step) - law.cdf(x - step)) / (2.0 * step)
    assert np.exp(density.log_density(law, x)) == pytest.approx(slope, rel=1e-6)
    assert np.exp(density.log_survival(law, x)) == pytest.approx(law.sf(x), rel=1e-12)


def test_a_law_of_points_has_no_density() -> None:
    with pytest.raises(TypeError, match="Empirical has no density"):
        density.log_density(dist.Empirical([1.0, 2.0]), np.array([1.0]))


def test_gamma_survival_goes_on_where_floats_end() -> None:
    far = density.log_gamma_survival(2.5, np.array([700.0, 2000.0]))
    assert far[0] == pytest.approx(float(stats.gamma(2.5).logsf(700.0)), rel=1e-3)
    assert far[1] == pytest.approx(-2000.0 + 1.5 * math.log(2000.0) - math.lgamma(2.5), rel=1e-9)


@pytest.mark.parametrize(
    "made",
    [dist.Gamma(10.0, 0.5), dist.LogNormal(10.0, 1.0), dist.Weibull(10.0, 2.0), dist.Pareto(2.2, 3.0)],
    ids=lambda law: law.name,
)
def test_the_family_that_made_the_durations_is_chosen(made: dist.Law) -> None:
    names = tuple(name for name in FAMILIES if name != "hyper_erlang")
    right = [
        fit_time(sample(drawn(made, 1000, seed)), among=names, repetitions=0).family == made.name for seed in range(30)
    ]
    assert sum(right) >= 27


def test_two_modes_are_rejected_and_the_durations_serve() -> None:
    x = np.concatenate([drawn(dist.Gamma(3.0, 0.05), 600, 1), drawn(dist.Gamma(10.0, 0.05), 400, 2)])
    found = fit_time(sample(x))
    assert found.family == "empirical" and not found.fits
    assert found.verdict.startswith("nothing fits: the best family, ")
    assert found.law == dist.Empirical(x)
    assert found.anderson.p == pytest.approx(0.01)


def test_level_of_the_tests_is_what_it_says() -> None:
    """The tables for known laws would reject far less than one in twenty, a test without refits too."""
    rejected = [fit_time(sample(drawn(dist.Gamma(5.0, 0.7), 60, s)), among=["gamma"]).family != "gamma" for s in range(200)]
    assert 3 <= sum(rejected) <= 19


def test_censored_durations_are_tested_as_they_were_seen() -> None:
    made = dist.Gamma(10.0, 0.6)
    found = fit_time(censored(made, 500, 11, 25.0), among=["gamma", "exponential"], repetitions=49)
    assert found.family == "gamma" and math.isnan(found.anderson.p) and found.kolmogorov.p > 0.05
    wrong = fit_time(censored(made, 500, 11, 25.0), among=["exponential"], repetitions=49)
    assert wrong.family == "empirical" and wrong.kolmogorov.p == pytest.approx(0.02)


def test_level_of_the_test_of_censored_durations_is_what_it_says() -> None:
    """A bootstrap of complete durations would make the distances that censoring leaves look large."""
    fits = [fit_time(censored(dist.Exponential(5.0), 60, s, 4.0), among=["exponential"], repetitions=39) for s in range(150)]
    assert 1 <= sum(found.family == "empirical" for found in fits) <= 17


def test_a_family_that_fits_the_whole_but_no_part_is_not_used() -> None:
    """Of 20,000 durations the upper end shows, of the 2,000 that this seed tests it does not."""
    x = drawn(dist.BoundedPareto(2.2, 3.0, 130.0), 20_000, 0)
    found = fit_time(sample(x), among=["bounded_pareto"], repetitions=19, seed=1)
    assert found.candidates[0].law is not None and found.family == "empirical"
    assert "fits no part of the durations (the durations show no upper end)" in found.verdict


def test_many_durations_at_the_end_of_a_support_are_rejected() -> None:
    found = fit_time(sample([1.0] * 20 + [2.0] * 20), among=["pareto"])
    assert found.family == "empirical" and found.anderson.p == pytest.approx(0.01)


def test_parameters_are_counted() -> None:
    counts = {each.family: each.parameters for each in fit_time(grid(dist.Erlang(5, 3.0), 500), repetitions=0).candidates}
    assert counts["exponential"] == 1 and counts["gamma"] == 2 and counts["hyperexponential"] == 3
    assert counts["hyper_erlang"] == 2
    two = dist.Mixture((0.6, 0.4), (dist.Erlang(4, 1.2), dist.Erlang(1, 9.0)))
    assert fit_time(grid(two, 500), among=["hyper_erlang"], repetitions=0).candidates[0].parameters == 4


def test_what_lies_beyond_the_last_end_is_said() -> None:
    x = drawn(dist.Gamma(10.0, 0.6), 500, 11)
    found = fit_time(sample(np.minimum(x, 12.0), censored=x > 12.0), among=["pareto"], repetitions=49)
    share = (x > 12.0).mean()
    assert found.verdict.endswith(f"; {share:.1%} of them last longer than any end seen and stand at the longest duration")
    assert found.law.support()[1] == 12.0 and float(found.law.sf(11.9999)) == pytest.approx(share, abs=0.002)


def test_equal_durations_are_deterministic_and_few_are_empirical() -> None:
    same = fit_time(sample([4.0] * 20))
    assert (same.family, same.law, same.fits) == ("deterministic", dist.Deterministic(4.0), False)
    few = fit_time(sample([1.0, 2.0, 4.0]))
    assert (few.family, few.law) == ("empirical", dist.Empirical([1.0, 2.0, 4.0]))
    assert few.verdict == "only 3 ends seen, no family is chosen below 8"


def test_zeros_leave_only_what_allows_them() -> None:
    found = fit_time(sample([0.0] * 5 + [1.0, 2.0, 3.0, 4.0, 7.0]), among=["gamma", "weibull", "pareto", "hyper_erlang"])
    assert [each.reason for each in found.candidates] == ["a duration is 0"] * 4
    assert found.law == dist.Empirical([0.0] * 5 + [1.0, 2.0, 3.0, 4.0, 7.0])


def test_truncation_is_not_for_every_family() -> None:
    durations = sample([3.0, 5.0, 6.0], entry=[1.0, 0.0, 0.0])
    with pytest.raises(UnfitError, match="before they were seen"):
        em.hyperexponential(durations)
    with pytest.raises(UnfitError, match="the upper end has no best place"):
        families.bounded_pareto(durations)


def test_held_out_score_decides_when_asked() -> None:
    durations = sample(drawn(dist.Gamma(5.0, 0.5), 800, 1))
    found = fit_time(durations, criterion="held_out", repetitions=0)
    scores = [each.held_out for each in found.candidates if each.law is not None]
    assert scores == sorted(scores, reverse=True)
    assert found.criterion == "held_out" and found.family == "gamma"
    assert scores[0] == pytest.approx(found.candidates[0].log_likelihood / 800, abs=0.02)


def test_same_seed_same_fit() -> None:
    durations = sample(drawn(dist.Gamma(5.0, 0.5), 100, 1))
    first, second = (fit_time(durations, among=["gamma", "weibull"], seed=3) for _ in range(2))
    assert first == second
    assert first.report() == second.report()
    assert "gamma" in first.report() and str(first.law) in first.report()


def test_autocorrelation_is_that_of_the_order_given() -> None:
    x = np.sort(drawn(dist.Gamma(5.0, 0.5), 200, 1))
    assert fit_time(sample(x), among=["gamma"], repetitions=0).autocorrelation > 0.9
    shuffled = np.random.default_rng(0).permutation(x)
    assert abs(fit_time(sample(shuffled), among=["gamma"], repetitions=0).autocorrelation) < 0.2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sample([]), "times: got 'nothing'; allowed: at least one duration"),
        (lambda: sample([1.0, -2.0]), "times[1]: got -2.0; allowed: a finite number >= 0"),
        (lambda: sample([1.0, math.nan]), "times[1]: got nan; allowed: a finite number >= 0"),
        (lambda: sample(["x"]), "times: got '<U1[1]'; allowed: a one-dimensional array of numbers"),
        (lambda: sample([[1.0]]), "times: got 'float64[1, 1]'; allowed: a one-dimensional array of numbers"),
        (lambda: sample([0.0, 0.0]), "times: got 'only zeros'; allowed: at least one duration above 0"),
        (
            lambda: sample([1.0], censored=[True]),
            "times.censored: got 'only unfinished durations'; allowed: at least one whose end was seen",
        ),
        (lambda: sample([1.0], censored=[0]), "times.censored: got 'int64[1]'; allowed: bool[1]"),
        (lambda: sample([1.0], entry=[1.0]), "times.entry[0]: got 1.0; allowed: 0, or above 0 and below the duration"),
        (lambda: sample([1.0], entry=[0.0, 0.0]), "times.entry: got '2 numbers'; allowed: 1 numbers, one per duration"),
        (lambda: sample([1.0], requests=[1, 2], path="asr"), "asr.requests: got 'shape [2]'; allowed: shape [1]"),
        (lambda: fit_time(sample([1.0]), among=[]), "fit_time.among: got 'nothing'; allowed: at least one family"),
        (lambda: fit_time(sample([1.0]), criterion="aic"), "fit_time.criterion: got 'aic'; allowed: one of aicc, bic, held_out"),
    ],
)
def test_refused_input_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(TraceError) as error:
        call()
    assert str(error.value) == message


def test_an_unknown_family_is_refused_with_those_there_are() -> None:
    with pytest.raises(TraceError, match="got 'normal'; allowed: families among exponential, gamma"):
        fit_time(sample([1.0]), among=["normal"])
