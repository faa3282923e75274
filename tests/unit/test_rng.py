"""The generator: its arithmetic against plain integers, and its streams against chance."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from octomodel.kernels import rng

M = 2**63
INT64 = st.integers(-(2**63), 2**63 - 1)
# what all statistical tests of this file together may fail by chance
FAMILY = 1e-6


# helpers of kernels can be called by compiled code only
@numba.njit
def compiled_draw(
    seed: int, replication: int, request: int, domain: int, node: int, visit: int, lane: int
) -> int:
    return rng.draw(rng.request_key(rng.seed_key(seed, replication), request), domain, node, visit, lane)


@numba.njit
def compiled_multiply_add(a: int, b: int, c: int) -> int:
    return rng.multiply_add(a, b, c)


@numba.njit
def compiled_unit(u: int) -> float:
    return rng.unit(u)


def plain_mix(z: int) -> int:
    z ^= z >> 30
    z = z * 0x3F58476D1CE4E5B9 % M
    z ^= z >> 27
    z = z * 0x14D049BB133111EB % M
    return z ^ z >> 31


def plain_draw(
    seed: int, replication: int, request: int, domain: int, node: int, visit: int, lane: int
) -> int:
    gold = 0x1E3779B97F4A7C15
    of_seed = plain_mix((plain_mix(seed % M) + replication * gold) % M)
    of_request = plain_mix((of_seed + (request + 1) * gold) % M)
    code = domain * 2**60 + node * 2**40 + visit * 2**16 + lane
    return plain_mix((of_request + code * gold) % M)


KEYS = st.tuples(
    INT64,
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**48),
    st.integers(0, 7),
    st.integers(0, 2**20 - 1),
    st.integers(0, 2**24 - 1),
    st.integers(0, 2**16 - 1),
)


@pytest.mark.nojit
@given(KEYS)
def test_draw_is_the_documented_function_of_its_key(key: tuple[int, int, int, int, int, int, int]) -> None:
    assert compiled_draw(*key) == plain_draw(*key)


@pytest.mark.nojit
@given(KEYS)
def test_numpy_integers_of_any_width_give_the_same_draw_without_a_warning(
    key: tuple[int, int, int, int, int, int, int],
) -> None:
    classes = (np.int64, np.int32, np.int64, np.int8, np.int32, np.int32, np.int32)
    narrow = [number(part) for number, part in zip(classes, key, strict=True)]
    assert compiled_draw(*narrow) == plain_draw(*key)


@pytest.mark.nojit
@given(INT64, INT64, INT64)
def test_multiply_add_is_exact_modulo_two_to_the_63(a: int, b: int, c: int) -> None:
    assert compiled_multiply_add(a, b, c) == (a * b + c) % M


@pytest.mark.nojit
def test_unit_is_the_top_53_bits_and_stays_below_one() -> None:
    assert compiled_unit(0) == 0.0
    assert compiled_unit(1023) == 0.0
    assert compiled_unit(1 << 10) == 2.0**-53
    assert compiled_unit(M - 1) == 1.0 - 2.0**-53
    assert compiled_unit(np.int64(M // 2)) == 0.5


@pytest.mark.nojit
def test_draws_of_one_request_are_all_different() -> None:
    keys = itertools.product(range(6), repeat=4)
    assert len({compiled_draw(1, 0, 0, *key) for key in keys}) == 6**4


@pytest.mark.nojit
def test_domains_are_different_and_fit_their_bits() -> None:
    domains = [value for name, value in vars(rng).items() if name.startswith("DOMAIN_")]
    assert sorted(domains) == list(range(6))


N = 1 << 17
STREAMS = ["visit", "node", "lane", "request", "replication", "domain", "node and visit", "seed"]


@numba.njit
def fill(what: int, seed: int, out: NDArray[np.int64]) -> None:
    for i in range(out.size):
        domain, node, visit, lane, replication, request = 0, 0, 0, 0, 0, 0
        if what == 0:
            visit = i
        elif what == 1:
            node = i
        elif what == 2:
            lane, visit = i & 0xFFFF, i >> 16
        elif what == 3:
            request = i
        elif what == 4:
            replication = i
        elif what == 5:
            domain, request = i % 6, i // 6
        elif what == 6:
            node, visit, request = i % 8, i // 8 % 4, i // 32
        else:
            seed, request = i % 16, i // 16
        key = rng.request_key(rng.seed_key(seed, replication), request)
        out[i] = rng.draw(key, domain, node, visit, lane)


def stream(what: int) -> NDArray[np.int64]:
    """Return draws whose keys differ in one structured way."""
    out = np.empty(N, dtype=np.int64)
    fill(what, 20240517, out)
    return out


def evenness(cells: NDArray[np.int64], n_cells: int) -> float:
    """Return how likely counts so uneven are, or so even."""
    counts = np.bincount(cells, minlength=n_cells)
    square = float(((counts - cells.size / n_cells) ** 2).sum()) * n_cells / cells.size
    return 2.0 * min(float(stats.chi2.sf(square, n_cells - 1)), float(stats.chi2.cdf(square, n_cells - 1)))


def ten_bits(draws: NDArray[np.int64], shift: int) -> float:
    return evenness((draws >> shift) & 1023, 1024)


def pairs(draws: NDArray[np.int64], shift: int, lag: int) -> float:
    blocks = draws[: draws.size // (2 * lag) * 2 * lag].reshape(-1, 2, lag)
    return evenness((((blocks[:, 0] >> shift) & 31) * 32 + ((blocks[:, 1] >> shift) & 31)).ravel(), 1024)


def correlation(draws: NDArray[np.int64], lag: int) -> float:
    units = (draws >> 10) * 2.0**-53
    r = float(np.corrcoef(units[:-lag], units[lag:])[0, 1])
    return 2.0 * float(stats.norm.sf(abs(r) * math.sqrt(draws.size - lag)))


def fairness(draws: NDArray[np.int64]) -> float:
    ones = np.array([int((draws >> bit & 1).sum()) for bit in range(63)])
    z = np.abs(ones - draws.size / 2) / math.sqrt(draws.size / 4)
    return float(min(1.0, 63 * 2.0 * stats.norm.sf(z.max())))


CHECKS: dict[str, Callable[[NDArray[np.int64]], float]] = {
    "single bits": fairness,
    "top bits": lambda draws: ten_bits(draws, 53),
    "interpolation bits": lambda draws: ten_bits(draws, 37),
    "low bits": lambda draws: ten_bits(draws, 0),
    "neighbours, top": lambda draws: pairs(draws, 58, 1),
    "neighbours, low": lambda draws: pairs(draws, 0, 1),
    "neighbours at 4": lambda draws: pairs(draws, 58, 4),
    "neighbours at 32": lambda draws: pairs(draws, 58, 32),
    "correlation at 1": lambda draws: correlation(draws, 1),
    "correlation at 6": lambda draws: correlation(draws, 6),
    "correlation at 16": lambda draws: correlation(draws, 16),
    "correlation of halves": lambda draws: correlation(draws, N // 2),
}


def failing(draws: NDArray[np.int64]) -> set[str]:
    return {name for name, check in CHECKS.items() if check(draws) < FAMILY / len(CHECKS) / len(STREAMS)}


@pytest.mark.parametrize("what", range(len(STREAMS)), ids=STREAMS)
def test_structured_keys_give_streams_that_look_random(what: int) -> None:
    assert not failing(stream(what))


def test_the_checks_catch_counters_that_are_not_mixed() -> None:
    counter = np.array([(i << 16) * rng.G % M for i in range(N)], dtype=np.int64)
    assert {"low bits", "neighbours, top", "correlation at 1"} <= failing(counter)


def test_the_checks_catch_a_bias_of_one_bit_in_two_percent_of_the_draws() -> None:
    draws = stream(0)
    assert "single bits" in failing(np.where(stream(1) % 50 == 0, draws | 1 << 62, draws))


def test_the_checks_catch_draws_that_are_used_twice() -> None:
    assert "correlation of halves" in failing(np.tile(stream(0)[: N // 2], 2))


@numba.njit
def flip(n: int, changed: NDArray[np.int64]) -> None:
    for bit in range(63):
        code = 1 << bit
        for i in range(n):
            key = rng.request_key(1, i)
            other = rng.draw(key, code >> 60, code >> 40 & 0xFFFFF, code >> 16 & 0xFFFFFF, code & 0xFFFF)
            for j in range(63):
                changed[bit, j] += ((rng.draw(key, 0, 0, 0, 0) ^ other) >> j) & 1


def test_each_bit_of_a_key_changes_each_bit_of_the_draw_half_of_the_time() -> None:
    n = 4096
    changed = np.zeros((63, 63), dtype=np.int64)
    flip(n, changed)
    z = np.abs(changed - n / 2) / math.sqrt(n / 4)
    assert 2.0 * stats.norm.sf(z.max()) * z.size > FAMILY
