"""Change points: against the best partition found by trying all, and where changes are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import xlogy

from octomodel.calibration import changes
from octomodel.calibration.changes import change_points, one_hot
from octomodel.calibration.trace import TraceError


def cost(part: np.ndarray[Any, Any], kind: str) -> float:
    """Return minus twice the greatest log-likelihood of one stretch, from its definition."""
    total = part.sum(axis=0).astype(float)
    if kind == "poisson":
        return -2.0 * float(xlogy(total[0], total[0] / len(part)))
    return -2.0 * float(xlogy(total, total / max(total.sum(), 1.0)).sum())


def best(counts: np.ndarray[Any, Any], kind: str, penalty: float, least: int) -> float:
    """Return the least cost of all partitions, by the plain recursion over every last stretch."""
    n = len(counts)
    value = [-penalty] + [math.inf] * n
    for end in range(least, n + 1):
        value[end] = min(value[start] + cost(counts[start:end], kind) + penalty for start in range(end - least + 1))
    return value[n]


@given(
    st.lists(st.integers(0, 2), min_size=4, max_size=40),
    st.sampled_from(["multinomial", "poisson"]),
    st.floats(0.0, 8.0),
    st.integers(1, 4),
)
@example([0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 0, 0], "multinomial", 0.0, 2)
@example([1, 0, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0], "multinomial", 0.5, 3)
def test_cost_is_the_least_of_all_partitions(values: list[int], kind: str, penalty: float, least: int) -> None:
    counts = one_hot(values, 3) if kind == "multinomial" else np.array(values)[:, None]
    found = change_points(counts, cost=kind, penalty=penalty, least=least)
    assert found.cost == pytest.approx(best(counts, kind, penalty, least), abs=1e-9)
    assert found.lengths.min() >= least and found.lengths.sum() == len(values)
    assert found.counts.sum(axis=0).tolist() == counts.sum(axis=0).tolist()
    bounds = [*found.starts, len(values)]
    parts = [counts[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]
    again = sum(cost(part, kind) for part in parts) + penalty * (len(parts) - 1)
    assert found.cost == pytest.approx(again, abs=1e-9)


def test_known_changes_are_found_where_they_are() -> None:
    rng = np.random.default_rng(0)
    choices = np.concatenate([rng.choice(3, 400, p=p) for p in ([0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.1, 0.8, 0.1])])
    found = change_points(one_hot(choices, 3))
    assert len(found) == 3
    assert np.abs(found.starts - [0, 400, 800]).max() <= 8
    assert found.frequencies[1] == pytest.approx([0.1, 0.2, 0.7], abs=0.07)
    counts = np.concatenate([rng.poisson(3.0, 300), rng.poisson(6.0, 300)])
    found = change_points(counts, cost="poisson")
    assert len(found) == 2 and abs(int(found.starts[1]) - 300) <= 8
    assert found.rates[:, 0] == pytest.approx([3.0, 6.0], rel=0.1)


def test_no_change_is_invented() -> None:
    rng = np.random.default_rng(5)
    found = [len(change_points(one_hot(rng.choice(2, 500, p=[0.3, 0.7]), 2))) > 1 for _ in range(100)]
    assert sum(found) <= 8


def test_windows_are_positions_of_many_decisions() -> None:
    rng = np.random.default_rng(0)
    counts = np.concatenate([rng.multinomial(100, [0.5, 0.5], 30), rng.multinomial(100, [0.6, 0.4], 30)])
    found = change_points(counts, least=5)
    assert len(found) == 2 and abs(int(found.starts[1]) - 30) <= 1


@pytest.mark.parametrize("seed", range(4))
def test_groups_of_neighbours_find_what_the_exact_search_finds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.ones(3), 6)
    counts = one_hot(np.concatenate([rng.choice(3, 501, p=p) for p in truth]), 3)
    exact = change_points(counts)
    monkeypatch.setattr(changes, "EXACT", 700)
    grouped = change_points(counts)
    assert exact.cost <= grouped.cost + 1e-9 <= exact.cost + 4.0
    assert np.array_equal(exact.starts, grouped.starts) or len(exact) == len(grouped) + 1
    assert grouped.lengths.min() >= 20


def test_no_stretch_is_too_short_where_the_last_group_is_not_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "EXACT", 50)
    rng = np.random.default_rng(0)
    for n in range(101, 150):
        for least in (4, 5, 6, 7):
            found = change_points(one_hot(rng.integers(0, 2, n), 2), least=least, penalty=0.0)
            assert found.lengths.min() >= least and found.lengths.sum() == n


def test_counts_too_large_to_look_up_cost_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = np.random.default_rng(0).poisson([5.0] * 40 + [9.0] * 40)
    first = change_points(counts, cost="poisson")
    monkeypatch.setattr(changes, "_TABLE", 10)
    second = change_points(counts, cost="poisson")
    assert np.array_equal(first.starts, second.starts) and first.cost == pytest.approx(second.cost, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: change_points([1, 2], cost="normal"), "change_points.cost: got 'normal'; allowed: one of multinomial, poisson"),
        (lambda: change_points([1, 2]), "change_points.counts: got 'int64[2]'; allowed: int[n, at least 2] with n at least 1"),
        (
            lambda: change_points([[1, 2]], cost="poisson"),
            "change_points.counts: got 'int64[1, 2]'; allowed: int[n, 1] with n at least 1",
        ),
        (
            lambda: change_points([1, -2], cost="poisson", least=1),
            "change_points.counts: got 'a negative or enormous count'; allowed: counts >= 0 that sum to at most 2^53",
        ),
        (
            lambda: change_points([1, 2], cost="poisson"),
            "change_points.least: got 20; allowed: an integer from 1 to 2, the number of positions",
        ),
        (
            lambda: change_points([1, 2], cost="poisson", least=1, penalty=-1.0),
            "change_points.penalty: got -1.0; allowed: a finite number >= 0",
        ),
    ],
)
def test_refused_input_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(TraceError) as error:
        call()
    assert str(error.value) == message
