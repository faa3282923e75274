"""Laws: declared moments against quantiles and tables, other sources, refused parameters, files."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, stats

from octomodel import dist
from octomodel.errors import ModelError, ModelWarning
from octomodel.kernels.model import CURVE
from octomodel.table_knots import MOST_ERROR
from octomodel.tables import lower_law


def spread(low: float, high: float) -> st.SearchStrategy[float]:
    """Floats whose logarithm is even between two limits."""
    return st.floats(math.log(low), math.log(high)).map(math.exp)


MEANS, CVS = spread(1, 1e6), spread(0.02, 6)


@st.composite
def phase_types(draw: st.DrawFn) -> dist.Law:
    k = draw(st.integers(1, 4))
    rates = [[draw(spread(0.01, 1)) if draw(st.booleans()) else 0.0 for _ in range(k)] for _ in range(k)]
    for i, row in enumerate(rates):
        row[i] = 0.0
        row[i] = -(sum(row) + draw(spread(0.01, 1)))
    weights = [draw(st.floats(0.1, 1)) for _ in range(k)]
    return dist.PhaseType([weight / sum(weights) for weight in weights], rates)


@st.composite
def hyperexponentials(draw: st.DrawFn) -> dist.Law:
    if draw(st.booleans()):
        return dist.HyperExponential.from_cv(draw(MEANS), draw(st.floats(1, 6)))
    p = draw(st.floats(0.05, 0.95))
    return dist.HyperExponential([p, 1 - p], [draw(spread(10, 1_000)), draw(spread(10, 1_000))])


@st.composite
def mixtures(draw: st.DrawFn) -> dist.Law:
    p, mean = draw(st.floats(0.2, 0.8)), draw(spread(10, 1e5))
    first = draw(st.sampled_from([dist.Gamma, dist.LogNormal, dist.Weibull]))(mean, draw(spread(0.2, 2)))
    second = draw(st.sampled_from([dist.Exponential(mean), dist.Uniform(mean / 2, 2 * mean)]))
    return dist.Mixture([p, 1 - p], [first, second])


def triangular(low: float, up: float, down: float) -> dist.Law:
    return dist.Triangular(low, low + up, low + up + down)


SMOOTH: dict[str, st.SearchStrategy[dist.Law]] = {
    "exponential": MEANS.map(dist.Exponential),
    "gamma": st.builds(dist.Gamma, MEANS, CVS),
    "erlang": st.builds(dist.Erlang, st.integers(1, 200), MEANS),
    "lognormal": st.builds(dist.LogNormal, MEANS, CVS),
    "weibull": st.builds(dist.Weibull, MEANS, CVS),
    "pareto": st.builds(dist.Pareto, st.floats(2.1, 20), MEANS),
    "bounded_pareto": st.builds(
        lambda alpha, low, ratio: dist.BoundedPareto(alpha, low, low * ratio),
        st.one_of(st.sampled_from([1.0, 2.0]), st.floats(0.3, 4)),
        MEANS,
        spread(1.5, 1e4),
    ),
    "uniform": st.builds(lambda low, width: dist.Uniform(low, low + width), MEANS, MEANS),
    "triangular": st.one_of(
        st.builds(triangular, MEANS, MEANS, MEANS),
        st.builds(triangular, MEANS, MEANS, st.just(0.0)),
        st.builds(triangular, MEANS, st.just(0.0), MEANS),
    ),
    "hyperexponential": hyperexponentials(),
    "phase_type": phase_types(),
    "mixture": mixtures(),
}
SAMPLES = st.lists(spread(1, 1e4), min_size=1, max_size=40)
DISCRETE: dict[str, st.SearchStrategy[dist.Law]] = {
    "deterministic": MEANS.map(dist.Deterministic),
    "empirical": SAMPLES.map(dist.Empirical),
}
LAWS = SMOOTH | DISCRETE
# a few of each law say more than many of some
FEW = settings(max_examples=25)

_X, _W = np.polynomial.legendre.leggauss(12)
_TAIL = 2.0**-24
_EDGES = np.concatenate(
    [[0], 2.0 ** -np.arange(40, 5, -1), np.arange(3, 63) / 64, 1 - 2.0 ** -np.arange(5.0, 24.5, 0.5)]
)
_P = ((_EDGES[:-1] + _EDGES[1:])[:, None] / 2 + np.diff(_EDGES)[:, None] / 2 * _X).ravel()
_WEIGHT = (np.diff(_EDGES)[:, None] / 2 * _W).ravel()


def test_every_law_has_a_strategy() -> None:
    assert set(SMOOTH) | set(DISCRETE) == set(dist.base.LAWS)


@pytest.mark.parametrize("kind", SMOOTH)
@FEW
@given(data=st.data())
def test_declared_moments_are_those_of_the_quantile_function(kind: str, data: st.DataObject) -> None:
    law = data.draw(SMOOTH[kind])
    values = law.quantile(_P)
    last = law.quantile(1 - _TAIL)
    for order, moment in ((1, law.mean), (2, law.mean**2 + law.variance)):
        integral = float(values**order @ _WEIGHT) + float(law.tail_moment(order, last))
        # where laws are mixed, quantiles rise too suddenly for the quadrature to keep all digits
        blend = {"mixture": 1e-4, "hyperexponential": 1e-5, "phase_type": 1e-5}
        assert integral == pytest.approx(moment, rel=blend.get(kind, 1e-7))


@pytest.mark.parametrize("kind", SMOOTH)
@FEW
@given(data=st.data())
def test_quantile_and_distribution_function_are_inverse(kind: str, data: st.DataObject) -> None:
    law = data.draw(SMOOTH[kind])
    p = np.array(data.draw(st.lists(st.floats(1e-6, 1 - 1e-6), min_size=1, max_size=5)))
    # where the mean lies far above the width x is short of digits, and so is the distance to a last value
    slack = 1e-13 / min(law.cv, 1.0)
    np.testing.assert_allclose(law.cdf(law.quantile(p)), p, rtol=0, atol=slack)
    tail = 2.0 ** -np.array(data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=5)))
    unbounded = law.support()[1] == math.inf
    np.testing.assert_allclose(
        law.sf(law.quantile(1 - tail)), tail, rtol=1e3 * slack, atol=0 if unbounded else slack
    )
    np.testing.assert_allclose(law.cdf(law.quantile(p)) + law.sf(law.quantile(p)), 1, rtol=1e-13)


@pytest.mark.parametrize("kind", LAWS)
@FEW
@given(data=st.data())
def test_the_table_keeps_mean_and_cv_and_ascends(kind: str, data: st.DataObject) -> None:
    law = data.draw(LAWS[kind])
    table = lower_law(law)
    assert table.error <= MOST_ERROR
    assert table.mean == pytest.approx(law.mean, rel=MOST_ERROR)
    assert table.cv == pytest.approx(law.cv, rel=MOST_ERROR, abs=1e-6)
    rows = table.knots.reshape(table.size if table.kind == CURVE else 1, -1)
    assert (np.diff(rows, axis=1) >= 0).all()
    if table.kind == CURVE:
        assert (rows[1:, 0] >= rows[:-1, -2]).all()
    low, high = law.support()
    assert low * 65536 - 1 <= table.knots[0]
    assert table.knots[-1] <= high * 65536 + 1
    if table.kind == CURVE:
        exact = law.quantile(np.arange(1024) / 1024)
        assert (rows[0, 1:1023] >= exact[:-2] * 65536 - 1).all()
        assert (rows[0, 1:1023] <= exact[2:] * 65536 + 1).all()


@pytest.mark.parametrize("kind", LAWS)
@FEW
@given(data=st.data())
def test_scaling_scales_the_value(kind: str, data: st.DataObject) -> None:
    law, factor = data.draw(LAWS[kind]), data.draw(st.floats(1e-3, 1e3))
    scaled = factor * law
    assert type(scaled) is type(law)
    assert scaled == law * factor == law.scaled(factor)
    assert scaled.mean == pytest.approx(factor * law.mean, rel=1e-12)
    assert scaled.cv == pytest.approx(law.cv, rel=1e-9, abs=1e-12)
    p = np.array([0, 0.01, 0.3, 0.9, 0.9999, 1])
    np.testing.assert_allclose(scaled.quantile(p), factor * law.quantile(p), rtol=1e-9)
    np.testing.assert_allclose(scaled.support(), factor * np.array(law.support()), rtol=1e-12)


@pytest.mark.parametrize("kind", LAWS)
@FEW
@given(data=st.data())
def test_round_trips_are_identities(kind: str, data: st.DataObject) -> None:
    law = data.draw(LAWS[kind])
    described = law.to_dict()
    assert described["law"] == law.name == kind
    for other in (
        dist.from_dict(json.loads(json.dumps(described))),
        pickle.loads(pickle.dumps(law)),
        copy.deepcopy(law),
    ):
        assert other == law
        assert hash(other) == hash(law)
        assert (other.mean, other.cv) == (law.mean, law.cv)
        assert other.to_dict() == described


@pytest.mark.parametrize("kind", LAWS)
@FEW
@given(data=st.data())
def test_quantiles_ascend_within_the_support_and_keep_the_shape(kind: str, data: st.DataObject) -> None:
    law, p = data.draw(LAWS[kind]), data.draw(st.lists(st.floats(0, 1), min_size=2, max_size=8))
    low, high = law.support()
    values = law.quantile(np.sort(p))
    assert (values[1:] >= values[:-1] * (1 - 1e-12)).all()
    assert ((low <= values) & (values <= high)).all()
    assert law.quantile(np.reshape(p[:2], (2, 1))).shape == (2, 1)
    assert law.quantile([0, 1]).tolist() == [low, high]
    assert low <= law.quantile(5e-324) <= law.quantile(1e-300) <= law.quantile(1e-3)
    outside = [-1.0, -math.inf, math.inf]
    assert law.cdf(outside).tolist() == [0, 0, 1]
    assert law.sf(outside).tolist() == [1, 1, 0]
    assert law.tail_moment(1, outside).tolist() == [law.mean, law.mean, 0]
    assert math.isnan(law.cdf(math.nan))


@given(st.one_of(*DISCRETE.values()))
def test_discrete_laws_count_their_values(law: dist.Law) -> None:
    samples = np.array(law.samples if isinstance(law, dist.Empirical) else [law.mean])
    n = len(samples)
    assert law.discrete
    assert law.mean == pytest.approx(samples.mean())
    assert law.cv == pytest.approx(samples.std() / samples.mean(), abs=1e-9)
    np.testing.assert_array_equal(law.quantile((np.arange(n) + 0.5) / n), samples)
    np.testing.assert_array_equal(law.quantile((np.arange(n) + 1) / n), samples)
    for x in samples:
        assert law.cdf(x) == pytest.approx((samples <= x).mean())
        assert law.tail_moment(2, x) == pytest.approx(
            (samples**2 * (samples > x)).mean(), rel=1e-12, abs=1e-9
        )


@pytest.mark.parametrize(
    ("law", "other"),
    [
        (dist.Exponential(7), stats.expon(scale=7)),
        (dist.Gamma(10, 0.5), stats.gamma(4, scale=2.5)),
        (dist.Gamma.from_shape(0.3, 20), stats.gamma(0.3, scale=20)),
        (dist.Erlang(3, 12), stats.erlang(3, scale=4)),
        (dist.LogNormal.from_log(2, 0.7), stats.lognorm(0.7, scale=math.exp(2))),
        (dist.Weibull.from_shape(0.6, 5), stats.weibull_min(0.6, scale=5)),
        (dist.Weibull.from_shape(8, 5), stats.weibull_min(8, scale=5)),
        (dist.Pareto(2.5, 3), stats.pareto(2.5, scale=3)),
        (dist.BoundedPareto(1.5, 2, 50), stats.truncpareto(1.5, 25, scale=2)),
        (dist.Uniform(2, 5), stats.uniform(2, 3)),
        (dist.Triangular(1, 2, 5), stats.triang(0.25, loc=1, scale=4)),
    ],
    ids=lambda value: repr(value) if isinstance(value, dist.Law) else value.dist.name,
)
def test_named_laws_agree_with_another_implementation(law: dist.Law, other: Any) -> None:
    p = np.array([1e-9, 0.001, 0.2, 0.5, 0.77, 0.999, 1 - 1e-9])
    x = other.ppf(p)
    np.testing.assert_allclose(law.quantile(p), x, rtol=1e-9)
    # close to the smallest value x itself is short of digits
    np.testing.assert_allclose(law.cdf(x), p, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(law.sf(x), other.sf(x), rtol=1e-9)
    assert law.mean == pytest.approx(other.mean(), rel=1e-12)
    assert law.variance == pytest.approx(other.var(), rel=1e-10)


def test_phase_types_with_known_names() -> None:
    x = np.array([0.1, 1.0, 5.0, 60.0])
    p = np.array([0.001, 0.5, 0.999])
    pairs = [
        (dist.PhaseType([1, 0, 0], [[-0.5, 0.5, 0], [0, -0.5, 0.5], [0, 0, -0.5]]), dist.Erlang(3, 6)),
        (dist.PhaseType([0.3, 0.7], [[-2, 0], [0, -0.1]]), dist.HyperExponential([0.3, 0.7], [0.5, 10])),
        (
            dist.HyperExponential([0.3, 0.7], [0.5, 10]),
            dist.Mixture([0.3, 0.7], [dist.Exponential(0.5), dist.Exponential(10)]),
        ),
    ]
    for law, other in pairs:
        assert law.mean == pytest.approx(other.mean)
        assert law.cv == pytest.approx(other.cv)
        np.testing.assert_allclose(law.sf(x), other.sf(x), rtol=1e-11)
        np.testing.assert_allclose(law.quantile(p), other.quantile(p), rtol=1e-11)
        np.testing.assert_allclose(law.tail_moment(2, x), other.tail_moment(2, x), rtol=1e-11)


def test_a_stiff_phase_type_agrees_with_the_matrix_exponential() -> None:
    rates = np.array([[-1e4, 1e3, 0.0], [5.0, -8.0, 1.0], [0.0, 1e-3, -2e-3]])
    law = dist.PhaseType([0.5, 0.2, 0.3], rates.tolist())
    x = np.array([0.0, 1e-5, 1e-3, 0.5, 30.0, 4_000.0])
    exact = [float((np.array(law.alpha) @ linalg.expm(rates * t)).sum()) for t in x]
    np.testing.assert_allclose(law.sf(x), exact, rtol=1e-8)


@pytest.mark.parametrize("cv", [1, 1.5, 4, 30])
def test_balanced_means(cv: float) -> None:
    law = dist.HyperExponential.from_cv(20, cv)
    assert (law.mean, law.cv) == pytest.approx((20, cv))
    halves = np.array(law.probabilities) * np.array(law.means)
    np.testing.assert_allclose(halves, 10)


def test_native_parameters_return() -> None:
    gamma = dist.Gamma.from_shape(2.5, 4)
    assert (gamma.shape, gamma.scale) == pytest.approx((2.5, 4))
    normal = dist.LogNormal.from_log(-1, 1.7)
    assert (normal.mu, normal.sigma) == pytest.approx((-1, 1.7))
    for shape in (0.1, 0.35, 1, 3, 1e4):
        weibull = dist.Weibull.from_shape(shape, 8)
        assert (weibull.shape, weibull.scale) == pytest.approx((shape, 8), rel=1e-7)


def test_moments_that_do_not_exist_are_infinite() -> None:
    assert (dist.Pareto(1.0, 1).mean, dist.Pareto(1.0, 1).variance) == (math.inf, math.inf)
    law = dist.Pareto(1.5, 2)
    assert (law.mean, law.cv, law.variance) == (6, math.inf, math.inf)
    assert law.tail_moment(2, 5.0) == math.inf
    mixture = dist.Mixture([0.5, 0.5], [law, dist.Exponential(2)])
    assert (mixture.mean, mixture.cv) == (4, math.inf)
    assert dist.Mixture([0.5, 0.5], [dist.Pareto(0.5, 2), dist.Exponential(2)]).mean == math.inf
    assert dist.Mixture([0.0, 1.0], [dist.Pareto(0.5, 2), dist.Exponential(2)]).mean == 2


def test_atoms_and_gaps_of_a_mixture() -> None:
    law = dist.Mixture([0.25, 0.5, 0.25], [dist.Deterministic(0), dist.Uniform(2, 4), dist.Deterministic(3)])
    assert not law.discrete
    assert law.mean == 2.25
    assert law.support() == (0, 4)
    np.testing.assert_allclose(
        law.quantile([0, 0.1, 0.25, 0.26, 0.375, 0.5, 0.6, 0.74, 0.75, 0.875, 1]),
        [0, 0, 0, 2.04, 2.5, 3, 3, 3, 3, 3.5, 4],
        atol=1e-12,
    )
    np.testing.assert_allclose(law.cdf([0, 1, 2, 3, 4]), [0.25, 0.25, 0.25, 0.75, 1])
    assert law.tail_moment(1, 3.0) == pytest.approx(0.25 * 3.5)


def test_exactly_nothing_is_a_law() -> None:
    nothing = dist.Deterministic(0)
    assert (nothing.mean, nothing.cv, nothing.variance) == (0, 0, 0)
    assert nothing.quantile(0.5) == 0


def test_products_with_other_things() -> None:
    law = dist.Exponential(3)
    assert np.float64(2) * law == law * np.int64(2) == dist.Exponential(6)
    for other in (True, "2", None, [2], np.ones(2)):
        with pytest.raises(TypeError):
            other * law  # type: ignore[operator]
    with pytest.raises(ModelError, match="Exponential.factor: got -1; allowed: a finite number > 0"):
        -1 * law


def test_laws_are_frozen_and_compare_by_value() -> None:
    law = dist.Gamma(1, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        law.mean = 3  # type: ignore[misc]
    assert law == dist.Gamma(1.0, 2.0) != dist.Gamma(1, 2.5)
    assert law != dist.LogNormal(1, 2)
    assert repr(law) == "Gamma(mean=1.0, cv=2.0)"
    assert len({dist.Empirical([1, 2]), dist.Empirical((2, 1)), dist.Empirical(np.array([1.0, 2.0]))}) == 1


NO_NUMBERS = [True, np.True_, "3", None, [3], math.nan, math.inf, -math.inf, -1, 10**400]
POSITIVE = [
    ("Exponential.mean", lambda v: dist.Exponential(v)),
    ("Gamma.mean", lambda v: dist.Gamma(v, 1)),
    ("Gamma.cv", lambda v: dist.Gamma(1, v)),
    ("Gamma.shape", lambda v: dist.Gamma.from_shape(v, 1)),
    ("Gamma.scale", lambda v: dist.Gamma.from_shape(1, v)),
    ("Erlang.mean", lambda v: dist.Erlang(1, v)),
    ("LogNormal.mean", lambda v: dist.LogNormal(v, 1)),
    ("LogNormal.cv", lambda v: dist.LogNormal(1, v)),
    ("LogNormal.sigma", lambda v: dist.LogNormal.from_log(1, v)),
    ("Weibull.mean", lambda v: dist.Weibull(v, 1)),
    ("Weibull.cv", lambda v: dist.Weibull(1, v)),
    ("Weibull.shape", lambda v: dist.Weibull.from_shape(v, 1)),
    ("Pareto.alpha", lambda v: dist.Pareto(v, 1)),
    ("Pareto.low", lambda v: dist.Pareto(2, v)),
    ("BoundedPareto.alpha", lambda v: dist.BoundedPareto(v, 1, 2)),
    ("BoundedPareto.low", lambda v: dist.BoundedPareto(1, v, 2)),
    ("HyperExponential.means[1]", lambda v: dist.HyperExponential([0.5, 0.5], [1, v])),
    ("HyperExponential.mean", lambda v: dist.HyperExponential.from_cv(v, 2)),
]


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0], ids=repr)
@pytest.mark.parametrize(("path", "make"), POSITIVE, ids=[path for path, _ in POSITIVE])
def test_parameters_that_are_no_positive_number_are_refused(path: str, make: Any, value: Any) -> None:
    with pytest.raises(ModelError) as caught:
        make(value)
    assert caught.value.path == path
    assert caught.value.allowed == "a finite number > 0"


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
@pytest.mark.parametrize(
    ("path", "make"),
    [
        ("Deterministic.value", lambda v: dist.Deterministic(v)),
        ("Uniform.low", lambda v: dist.Uniform(v, 2)),
        ("Triangular.low", lambda v: dist.Triangular(v, 2, 3)),
        ("Empirical.samples[1]", lambda v: dist.Empirical([1, v])),
        ("HyperExponential.probabilities[0]", lambda v: dist.HyperExponential([v, 1], [1, 1])),
        ("Mixture.weights[0]", lambda v: dist.Mixture([v], [dist.Deterministic(1)])),
        ("PhaseType.alpha[0]", lambda v: dist.PhaseType([v], [[-1]])),
    ],
)
def test_parameters_that_are_no_number_from_zero_on_are_refused(path: str, make: Any, value: Any) -> None:
    with pytest.raises(ModelError) as caught:
        make(value)
    assert caught.value.path == path
    assert caught.value.allowed == "a finite number >= 0"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dist.Uniform(3, 3), "Uniform.high: got 3; allowed: a finite number > 3"),
        (lambda: dist.BoundedPareto(1, 3, 2), "BoundedPareto.high: got 2; allowed: a finite number > 3"),
        (lambda: dist.Triangular(1, 5, 4), "Triangular.mode: got 5.0; allowed: a finite number from 1 to 4"),
        (lambda: dist.Triangular(1, 0.5, 4), "Triangular.mode: got 0.5; allowed: a finite number >= 1"),
        (lambda: dist.Triangular(1, 1, 1), "Triangular.high: got 1; allowed: a finite number > 1"),
        (lambda: dist.Erlang(0, 1), "Erlang.k: got 0; allowed: an integer >= 1"),
        (lambda: dist.Erlang(True, 1), "Erlang.k: got True; allowed: an integer >= 1"),
        (lambda: dist.Erlang(1.5, 1), "Erlang.k: got 1.5; allowed: an integer >= 1"),  # type: ignore[arg-type]
        (lambda: dist.Weibull(1, 1e-5), "Weibull.cv: got 1e-05; allowed: a number from 0.0001 to 1e5"),
        (
            lambda: dist.Weibull.from_shape(0.01, 1),
            "Weibull.shape: got 0.01; allowed: a number from 0.1 to 1e4",
        ),
        (
            lambda: dist.LogNormal.from_log(0, 40),
            "LogNormal.sigma: got 40.0; allowed: a number > 0 and <= 4.79",
        ),
        (lambda: dist.LogNormal.from_log(math.nan, 1), "LogNormal.mu: got nan"),
        (
            lambda: dist.LogNormal.from_log(-601, 1),
            "LogNormal.mu: got -601.0; allowed: a number from -600 to 600",
        ),
        (lambda: dist.LogNormal(1, 1e6), "LogNormal.cv: got 1000000.0; allowed: a number > 0 and <= 1e5"),
        (lambda: dist.Gamma(1, 1e6), "Gamma.cv: got 1000000.0; allowed: a number > 0 and <= 1e5"),
        (
            lambda: dist.HyperExponential.from_cv(1, 0.9),
            "HyperExponential.cv: got 0.9; allowed: a finite number >= 1",
        ),
        (
            lambda: dist.HyperExponential([0.5, 0.5], [1]),
            "HyperExponential.means: got [1.0]; allowed: 2 means",
        ),
        (lambda: dist.HyperExponential([0.5, 0.4], [1, 1]), "numbers that sum to 1; these sum to 0.9"),
        (lambda: dist.Mixture([0.5, 0.5 + 2e-9], [dist.Exponential(1)] * 2), "these sum to 1.000000002"),
        (lambda: dist.Mixture([1], [3]), "Mixture.laws[0]: got 3; allowed: a law"),  # type: ignore[list-item]
        (lambda: dist.Mixture([1], dist.Exponential(1)), "Mixture.laws"),  # type: ignore[arg-type]
        (lambda: dist.Mixture([1], [dist.Exponential(1)] * 2), "allowed: 1 laws, one per weight"),
        (
            lambda: dist.Mixture([1], [dist.Deterministic(0)]),
            "Mixture.mean: got 0.0; allowed: a mean above 0",
        ),
        (lambda: dist.Mixture([], []), "Mixture.weights: got []; allowed: a list with at least one item"),
        (lambda: dist.Empirical([0, 0]), "Empirical.mean: got 0.0; allowed: a mean above 0"),
        (lambda: dist.Empirical("12"), "Empirical.samples: got '12'; allowed: a list"),  # type: ignore[arg-type]
        (lambda: dist.Empirical(np.array(3.0)), "Empirical.samples"),  # type: ignore[arg-type]
        (lambda: dist.Empirical([1], file=3), "Empirical.file: got 3; allowed: a text"),  # type: ignore[arg-type]
        (lambda: dist.PhaseType([1, 0], [[-1]]), "PhaseType.T: got [[-1]]; allowed: 2 rows of 2 numbers"),
        (
            lambda: dist.PhaseType([1], [[1]]),
            "PhaseType.T[0][0]: got 1; allowed: a number < 0 on the diagonal",
        ),
        (
            lambda: dist.PhaseType([1, 0], [[-1, -1], [0, -1]]),
            "PhaseType.T[0][1]: got -1; allowed: a number >= 0",
        ),
        (
            lambda: dist.PhaseType([1, 0], [[-1, 2], [0, -1]]),
            "PhaseType.T[0]: got [-1.0, 2.0]; allowed: a row whose",
        ),
        (
            lambda: dist.PhaseType([1, 0], [[-1, 1], [1, -1]]),
            "rates that lead from every phase to absorption",
        ),
        (lambda: dist.PhaseType([1], [[math.nan]]), "PhaseType.T[0][0]: got nan"),
        (
            lambda: dist.Exponential(1).quantile(1.5),
            "Exponential.quantile.p: got 1.5; allowed: probabilities",
        ),
        (lambda: dist.Exponential(1).quantile([0.5, math.nan]), "Exponential.quantile.p"),
        (
            lambda: dist.Exponential(1).tail_moment(3, 1),
            "Exponential.tail_moment.order: got 3; allowed: 1 or 2",
        ),
        (lambda: dist.from_dict(3, "w.time"), "w.time: got 3; allowed: a mapping with the name of a law"),
        (
            lambda: dist.from_dict({}, "w.time"),
            "w.time.law: got None; allowed: one of bounded_pareto, deterministic",
        ),
        (
            lambda: dist.from_dict({"law": "gama"}, "w.time"),
            "w.time.law: got 'gama'; allowed: did you mean 'gamma'?",
        ),
        (
            lambda: dist.from_dict({"law": "gamma", "mean": 1, "sd": 1, "cv": 1}, "w.time"),
            "w.time.sd: got 'sd'; allowed: one of cv, mean",
        ),
        (
            lambda: dist.from_dict({"law": "gamma", "mean": 1}, "w.time"),
            "w.time.cv: got None; allowed: a parameter of gamma: mean, cv",
        ),
        (
            lambda: dist.from_dict({"law": "gamma", "mean": 1, "cv": "x"}, "w.time"),
            "w.time.cv: got 'x'; allowed: a finite number > 0",
        ),
        (
            lambda: dist.from_dict(
                {"law": "mixture", "weights": [1], "laws": [{"law": "uniform", "low": 1}]}, "w"
            ),
            "w.laws[0].high: got None; allowed: a parameter of uniform: low, high",
        ),
        (
            lambda: dist.from_dict({"law": "mixture", "weights": [1], "laws": 5}, "w"),
            "w.laws: got 5; allowed: a list with at least one item",
        ),
    ],
)
def test_messages_of_refused_laws(make: Any, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        make()
    assert message in str(caught.value)


def test_a_sum_of_probabilities_off_by_rounding_is_accepted() -> None:
    law = dist.HyperExponential([0.1] * 10, [5.0] * 10)
    assert law.mean == pytest.approx(5)
    laws = [dist.Exponential(1), dist.Exponential(3)]
    assert dist.Mixture([0.5, 0.5 + 5e-13], laws).mean == pytest.approx(2)
    with pytest.warns(ModelWarning, match="are divided by that"):
        assert dist.Mixture([0.5, 0.5 + 5e-10], laws).mean == pytest.approx(2)


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "times.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_samples_from_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, b'\xef\xbb\xbfname,cycles\r\n"a, b",3\r\n\r\nc, 1.5e1 \r\nd,+.5\r\n')
    law = dist.Empirical.from_csv(path, column="cycles")
    assert law.samples == (0.5, 3.0, 15.0)
    assert (law.file, law.column) == ("times.csv", "cycles")
    assert law.sha256 is not None and len(law.sha256) == 64
    assert repr(law) == "Empirical(3 samples, mean=6.16667, cv=1.03, times.csv:cycles)"
    again = dist.from_dict(law.to_dict())
    assert isinstance(again, dist.Empirical)
    assert (again, again.file, again.column, again.sha256) == (law, law.file, law.column, law.sha256)
    assert (2 * law).to_dict()["sha256"] == law.sha256
    assert law == dist.Empirical([15, 3, 0.5])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cycles\n1\nnan\n", "row 3, column cycles: got 'nan'; allowed: a finite number >= 0"),
        ("cycles\n1e999\n", "row 2, column cycles: got '1e999'"),
        ("cycles\n-1\n", "row 2, column cycles: got '-1'"),
        ("cycles\n1_000\n", "row 2, column cycles: got '1_000'"),
        ("cycles\n\u0663\n", "row 2, column cycles: got '\u0663'"),
        ('a,cycles\n1,""\n', "row 2, column cycles: got ''"),
        ('cycles\n"1,5"\n', "row 2, column cycles: got '1,5'"),
        (
            "a,cycles\n1,1,5\n",
            "row 2, column cycles: got ['1', '1', '5']; allowed: 2 fields, as in the header",
        ),
        ("a,cycles\n1\n", "row 2, column cycles: got ['1']"),
        ('a,cycles\n"1\n2",2\n3,x\n', "row 4, column cycles: got 'x'"),
        ("a,b\n1,2\n", "row 1: got 'cycles'; allowed: one of a, b"),
        ("cycles,cycles\n1,2\n", "row 1: got 2 columns 'cycles'; allowed: each name once in the header"),
        ("", "row 1: got nothing; allowed: a header with the column 'cycles'"),
        ("cycles\n", "allowed: at least one row under the header"),
        ('cycles\n"1\n', "allowed: comma-separated values"),
        (b"cycles\n\xff\n", "got bytes that are not UTF-8; allowed: text in UTF-8"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ModelError) as caught:
        dist.Empirical.from_csv(path, column="cycles")
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.csv"):
        with pytest.raises(ModelError, match="allowed: an existing CSV file"):
            dist.Empirical.from_csv(path, column="cycles")


def test_a_measured_file(shared_data: Path) -> None:
    law = dist.Empirical.from_csv(shared_data / "AzureLLMInferenceTrace_conv.csv", column="GeneratedTokens")
    assert len(law.samples) == 19_366
    assert law.mean == pytest.approx(211.1, abs=0.05)
    assert law.cv == pytest.approx(0.771, abs=0.0005)
    assert law.sha256 == "2f1e5b666d4e3055fdbba98598ce2ec307767b9064e03e2fa46676dbcc7d0bf8"
    assert lower_law(law).error < 1e-8


def test_a_uniform_law_of_huge_values_has_no_variance_that_is_a_float() -> None:
    law = dist.Uniform(0, 1e200)
    assert (law.mean, law.cv) == (5e199, math.inf)


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: dist.HyperExponential([0.5, 0.5], [1e160, 1]), "HyperExponential.means"),
        (lambda: dist.PhaseType([1.0], [[-1e-160]]), "PhaseType.T"),
        (lambda: dist.Empirical([1, 1e160]), "Empirical.samples"),
        (lambda: dist.Mixture([0.5, 0.5], [dist.Deterministic(1e160), dist.Exponential(1)]), "Mixture.laws"),
        (lambda: dist.BoundedPareto(1.5, 1e-160, 1e160), "BoundedPareto.high"),
    ],
)
def test_values_without_finite_squares_are_refused(make: Callable[[], dist.Law], path: str) -> None:
    with pytest.raises(ModelError, match="allowed: values that are finite when squared") as caught:
        make()
    assert caught.value.path == path
