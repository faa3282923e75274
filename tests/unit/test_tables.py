"""Quantile tables: what a kernel draws from them, their moments and errors, and their bundle."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from octomodel import dist
from octomodel.errors import ModelError
from octomodel.kernels import quantile, rng
from octomodel.kernels.model import CONSTANT, CURVE, STEPS
from octomodel.table_moments import curve_moments, steps_moments
from octomodel.tables import LIMIT_CYCLES, UNITS_PER_CYCLE, bundle, lower_law

I64 = NDArray[np.int64]
LAST = 2**63 - 1
DRAWS = st.integers(0, LAST)
GAP = dist.Mixture([0.99, 0.01], [dist.Gamma(10, 0.1), dist.Gamma(1_000, 0.2)])


# helpers of kernels can be called by compiled code only
@numba.njit
def compiled_sample(kind: int, offset: int, size: int, knots: I64, u: int) -> int:
    return quantile.sample(kind, offset, size, knots, u)


def plain_sample(kind: int, offset: int, size: int, knots: list[int], u: int) -> int:
    """The rule in plain integers, the levels found from the top bits written out in tens."""
    if kind == CONSTANT:
        return knots[offset]
    if kind == STEPS:
        return knots[offset + (u // 2**31) * size // 2**32]
    tens = [u >> 53, (u >> 43) % 1024, (u >> 33) % 1024, (u >> 23) % 1024]
    level = next((k for k in range(size - 1) if tens[k] != 1023), size - 1)
    part = (u >> (37 - 10 * level)) % 65536
    low, high = knots[offset + 1025 * level + tens[level] :][:2]
    return low + (high - low) * part // 65536


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, int, int, I64]:
    """Kind, offset, size and knots, with other laws before and after."""
    kind = draw(st.sampled_from([CONSTANT, STEPS, CURVE]))
    size = {CONSTANT: 1, STEPS: draw(st.integers(1, 300)), CURVE: draw(st.integers(1, 4))}[kind]
    count = size * 1025 if kind == CURVE else size
    offset = draw(st.integers(0, 5))
    top = draw(st.sampled_from([10, 2**20, 2**46, 2**62]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    return kind, offset, size, np.sort(generator.integers(0, top, offset + count + 3, endpoint=True))


@pytest.mark.nojit
@given(tables(), st.one_of(DRAWS, st.integers(0, 2**53).map(lambda low: LAST - low)))
def test_sample_is_the_documented_function_of_the_draw(table: tuple[int, int, int, I64], u: int) -> None:
    kind, offset, size, knots = table
    expected = plain_sample(kind, offset, size, knots.tolist(), u)
    assert compiled_sample(kind, offset, size, knots, u) == expected


@pytest.mark.nojit
def test_sample_takes_numpy_integers_without_a_warning() -> None:
    knots = np.array([0, 2**62], dtype=np.int64).repeat([1024, 1])
    u = np.int64(LAST)
    assert compiled_sample(np.int64(CURVE), np.int64(0), np.int64(1), knots, u) == 2**62 * 65535 // 65536
    assert compiled_sample(np.int64(STEPS), np.int64(0), np.int64(1025), knots, u) == 2**62


@pytest.mark.nojit
@pytest.mark.parametrize(
    ("u", "place"),
    [(0, 0), (2**53, 1), (2**63 - 2**53, 1025), (2**63 - 2**43, 2050), (2**63 - 2**33, 3075), (LAST, 4098)],
)
def test_each_level_begins_where_the_last_bin_of_the_one_before_does(u: int, place: int) -> None:
    knots = np.arange(4 * 1025) * 65536
    assert compiled_sample(CURVE, 0, 4, knots, u) // 65536 == place


@pytest.mark.nojit
@pytest.mark.parametrize("n", [1, 2, 3, 7, 1000, 65535])
def test_each_of_n_steps_takes_an_equal_share_of_the_draws(n: int) -> None:
    knots = np.arange(n)
    edges = [-(-i * 2**32 // n) * 2**31 for i in range(n + 1)]
    for i in {0, n // 2, n - 1}:
        assert compiled_sample(STEPS, 0, n, knots, edges[i]) == i
        assert compiled_sample(STEPS, 0, n, knots, edges[i + 1] - 1) == i


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=20), st.sampled_from([1, 2**20]))
def test_moments_of_steps_are_those_of_all_draws(values: list[int], scale: int) -> None:
    knots = np.sort(np.array(values)) * scale
    chosen = (np.arange(2**20) * knots.size) >> 20
    mean, variance = steps_moments(knots)
    values_drawn = knots[chosen].astype(float)
    assert mean == pytest.approx(values_drawn.mean(), rel=1e-4)
    assert variance == pytest.approx(values_drawn.var(), rel=1e-3, abs=1e-6 * mean**2)


@pytest.mark.parametrize("levels", [1, 2, 4])
@pytest.mark.parametrize("steep", [4, 2**15, 2**16, 2**21])
def test_moments_of_a_curve_are_those_of_all_draws(levels: int, steep: int) -> None:
    generator = np.random.default_rng(steep + levels)
    kinds = generator.integers(0, steep, 30)
    rises = generator.choice(kinds, (levels, 1024))
    knots = np.concatenate([np.zeros((levels, 1), dtype=np.int64), np.cumsum(rises, axis=1)], axis=1)
    knots += np.arange(levels)[:, None] * 1024 * steep + 12_345
    sums = {int(rise): [(rise * np.arange(65536) >> 16) ** order for order in (1, 2)] for rise in kinds}
    weights = total = square = 0
    for level in range(levels):
        weight = 2 ** (10 * (levels - 1 - level))
        for low, rise in zip(
            knots[level, :-1][: 1023 + (level == levels - 1)].tolist(), rises[level].tolist(), strict=False
        ):
            first, second = (int(part.sum()) for part in sums[rise])
            weights += weight * 65536
            total += weight * (65536 * low + first)
            square += weight * (65536 * low * low + 2 * low * first + second)
    mean, variance = curve_moments(knots)
    assert mean == pytest.approx(total / weights, rel=1e-13)
    assert variance == pytest.approx((square * weights - total * total) / weights**2, rel=1e-10)


def test_kinds_of_tables() -> None:
    assert lower_law(dist.Deterministic(2.5)).kind == CONSTANT
    assert lower_law(dist.Deterministic(2.5)).knots.tolist() == [2.5 * UNITS_PER_CYCLE]
    assert lower_law(dist.Deterministic(0)).knots.tolist() == [0]
    assert lower_law(dist.Empirical([3, 1, 2, 2])).kind == STEPS
    assert lower_law(dist.Uniform(1, 2)).size == 1
    assert lower_law(dist.Exponential(10)).size == 2
    assert lower_law(dist.LogNormal(10, 4)).size == 4
    assert lower_law(dist.Pareto(1.5, 10)).size == 4


def test_samples_become_the_steps_themselves() -> None:
    table = lower_law(dist.Empirical([3, 1, 2, 2]))
    assert (table.knots / UNITS_PER_CYCLE).tolist() == [1, 2, 2, 3]
    assert table.error < 1e-15


@pytest.mark.parametrize(
    ("weights", "n"),
    [([0.281, 0.372, 0.26, 0.087], 1_000), ([1 / 3, 2 / 3, 0, 0], 3), ([0.25, 0.5, 0.25, 0], 4)],
)
def test_a_mixture_of_constants_keeps_its_values_and_their_probabilities(
    weights: list[float], n: int
) -> None:
    table = lower_law(dist.Mixture(weights, [dist.Deterministic(i) for i in range(4)]))
    assert table.size == n
    values, counts = np.unique(table.knots // UNITS_PER_CYCLE, return_counts=True)
    assert dict(zip(values.tolist(), (counts / n).tolist(), strict=True)) == pytest.approx(
        {i: weight for i, weight in enumerate(weights) if weight}
    )


def test_a_mixture_of_samples_keeps_the_values_where_its_weights_are_no_simple_fractions() -> None:
    law = dist.Mixture([math.pi / 10, 1 - math.pi / 10], [dist.Empirical([1, 3]), dist.Deterministic(9)])
    table = lower_law(law)
    assert table.kind == STEPS
    values, counts = np.unique(table.knots // UNITS_PER_CYCLE, return_counts=True)
    assert values.tolist() == [1, 3, 9]
    np.testing.assert_allclose(counts / table.size, [math.pi / 20, math.pi / 20, 1 - math.pi / 10], atol=1e-5)


def test_a_gap_in_a_mixture_is_kept() -> None:
    table = lower_law(GAP)
    assert table.kind == STEPS
    assert table.error < 1e-4
    cycles = table.knots / UNITS_PER_CYCLE
    assert not ((cycles > 20) & (cycles < 200)).any()
    assert (cycles > 100).mean() == pytest.approx(0.01, rel=1e-3)


def test_the_tail_beyond_one_in_a_million_is_there() -> None:
    law = dist.LogNormal(1_000, 2)
    table = lower_law(law)
    for tail in (2.0**-5, 2.0**-12, 2.0**-15, 2.0**-22, 2.0**-25):
        u = int((1 - tail) * 2**63)
        drawn = compiled_sample(table.kind, 0, table.size, table.knots, u) / UNITS_PER_CYCLE
        assert drawn == pytest.approx(float(law.quantile(1 - tail)), rel=2e-3)


@numba.njit
def mean_of_draws(kind: int, size: int, knots: I64, n: int) -> float:
    total = 0.0
    for i in range(n):
        total += quantile.sample(kind, 0, size, knots, rng.draw(77, 0, 3, i, 0)) / 65536.0
    return total / n


@pytest.mark.parametrize(
    "law",
    [
        dist.Exponential(100),
        dist.Gamma(40_000, 0.2),
        dist.LogNormal(100, 1),
        dist.Erlang(3, 50),
        dist.Empirical([1, 5, 5, 20]),
        dist.Triangular(1, 2, 9),
    ],
    ids=repr,
)
def test_draws_have_the_mean_of_the_law_and_one_percent_more_is_noticed(law: dist.Law) -> None:
    table, n = lower_law(law), 1_000_000
    mean = mean_of_draws(table.kind, table.size, table.knots, n)
    error = law.cv * law.mean / math.sqrt(n)
    assert abs(mean - law.mean) < 5.5 * error
    knots = table.knots + table.knots // 100
    assert abs(mean_of_draws(table.kind, table.size, knots, n) - law.mean) > 5.5 * error


def test_the_error_of_a_table_is_that_of_its_knots() -> None:
    table = lower_law(dist.Gamma(100, 0.5))
    mean, variance = curve_moments(table.knots.reshape(table.size, -1))
    assert table.mean == mean / UNITS_PER_CYCLE
    assert table.cv == math.sqrt(variance) / mean
    assert table.mean_error == abs(table.mean - 100) / 100
    assert table.cv_error == abs(table.cv - 0.5) / 0.5
    assert table.error == max(table.mean_error, table.cv_error)


def test_an_infinite_variance_leaves_the_mean() -> None:
    table = lower_law(dist.Pareto(1.6, 10))
    assert math.isnan(table.cv_error)
    assert table.error == table.mean_error < 1e-5


@pytest.mark.parametrize(
    ("law", "words"),
    [
        (dist.Pareto(1.0, 10), "a law with a finite mean"),
        (dist.Pareto(1.05, 1_000), "a law whose values stay below 2**46 cycles; this one reaches"),
        (dist.Deterministic(LIMIT_CYCLES * 1.01), "a law whose values stay below 2**46 cycles"),
        (dist.Exponential(1e300), "this one reaches 1e+300"),
        (dist.Deterministic(1e-5), "here the mean would be off by 52.59%"),
        (dist.Gamma(1.0, 2e-5), "the CV by"),
        (dist.Mixture([0.99, 0.01], [dist.Gamma(10, 0.1), dist.Pareto(2.5, 1e4)]), "the CV by"),
        (dist.Mixture([1 - 1e-7, 1e-7], [dist.Deterministic(1), dist.Deterministic(1e9)]), "within 0.1 %"),
    ],
    ids=repr,
)
def test_a_law_that_no_table_can_keep_is_refused(law: dist.Law, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        lower_law(law)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"dist.{type(law).__name__}: got {law!r}")


def test_the_largest_value_allowed() -> None:
    assert lower_law(dist.Deterministic(LIMIT_CYCLES)).knots.tolist() == [2**62]


def test_a_bundle_stores_equal_tables_once() -> None:
    laws = [
        dist.Exponential(3),
        dist.Deterministic(7),
        dist.Exponential(3.0),
        dist.Empirical([1, 2]),
        dist.Empirical([7]),
    ]
    kind, offset, size, knots, _ = bundle(laws)
    assert kind.tolist() == [CURVE, CONSTANT, CURVE, STEPS, STEPS]
    assert offset.tolist() == [0, 2050, 0, 2051, 2053]
    assert size.tolist() == [2, 1, 2, 2, 1]
    assert knots.size == 2054
    assert all(array.dtype == np.int64 and array.flags.c_contiguous for array in (kind, offset, size, knots))
    for law, k, at, n in zip(laws, kind, offset, size, strict=True):
        count = n * 1025 if k == CURVE else n
        np.testing.assert_array_equal(knots[at : at + count], lower_law(law).knots)


def test_the_digest_of_a_bundle_knows_values_and_order() -> None:
    a, b = dist.Exponential(3), dist.Deterministic(7)
    assert bundle([a, b]).digest == bundle([dist.Exponential(3), dist.Deterministic(7)]).digest
    digests = {bundle(laws).digest for laws in ([a, b], [b, a], [a], [a, a], [a, dist.Deterministic(8)], [])}
    assert len(digests) == 6


def test_a_bundle_of_nothing() -> None:
    kind, offset, size, knots, digest = bundle([])
    assert kind.size == offset.size == size.size == knots.size == 0
    assert len(digest) == 64


def test_tables_are_kept_and_cannot_be_written() -> None:
    table = lower_law(dist.Gamma(5, 1))
    assert lower_law(dist.Gamma(5.0, 1.0)) is table
    with pytest.raises(ValueError, match="read-only"):
        table.knots[0] = 1
