"""Spread of times and frequencies against what can be written down."""

from __future__ import annotations

import math

import numpy as np
import pytest

import octomodel as om
from octomodel import dist
from octomodel.errors import ModelError
from octomodel.spread import Spread, overall, spread


def cv(values: list[float], chances: list[float]) -> float:
    mean = float(np.dot(values, chances))
    return math.sqrt(float(np.dot(np.square(values), chances)) / mean**2 - 1)


def test_counts_of_loops() -> None:
    law = dist.Empirical([0, 1, 5])
    inner = om.loop(om.task("inner", 1), again=0.25)
    workflow = om.Workflow("nested", om.loop(om.seq(om.task("outer", 1), inner), count=law), om.task("once", 1))
    found = spread(workflow)
    assert found["once"].frequency_cv == 0.0
    assert found["outer"].frequency_cv == pytest.approx(cv([0, 1, 5], [1 / 3] * 3))
    # a sum of a random number of geometric counts: E[N] Var X + Var N E[X]^2
    mean, variance = 4 / 3, 0.25 / 0.75**2
    total = 2 * variance + np.var([0, 1, 5]) * mean**2
    assert found["inner"].frequency_cv == pytest.approx(math.sqrt(total) / (2 * mean))


def test_loops_that_follow_one_attribute_go_together() -> None:
    tokens = {"tokens": dist.Empirical([1, 2, 6])}
    body = om.loop(om.loop(om.seq(om.task("both", 1)), count=om.per("tokens", 1)), count=om.per("tokens", 0, base=1))
    square = om.loop(om.seq(om.task("row", 1), om.loop(om.task("cell", 1), count=om.per("tokens", 1))), count=om.per("tokens", 1))
    with pytest.raises(ModelError, match="a turn without a task"):
        om.Workflow("empty", body, attributes=tokens)
    found = spread(om.Workflow("square", square, attributes=tokens))
    assert found["row"].frequency_cv == pytest.approx(cv([1, 2, 6], [1 / 3] * 3))
    assert found["cell"].frequency_cv == pytest.approx(cv([1, 4, 36], [1 / 3] * 3))


def test_forks_branches_and_selections() -> None:
    chosen = om.select(1, {"a": 1, "b": 3}, items=4, a=om.task("a", 1), b=om.task("b", 1))
    rare = om.branch({"yes": 0.1, "no": 0.9}, yes=om.task("rare", 1), no=om.seq())
    found = spread(om.Workflow("chosen", om.fork(om.task("left", 1), chosen), rare))
    assert found["left"].frequency_cv == 0.0
    assert found["a"].frequency_cv == pytest.approx(math.sqrt(4 * 0.25 * 0.75) / 1.0)
    assert found["b"].frequency_cv == pytest.approx(math.sqrt(4 * 0.25 * 0.75) / 3.0)
    assert found["rare"].frequency_cv == pytest.approx(3.0)


def test_phases_add_their_own_spread() -> None:
    turns = om.loop(om.task("t", om.by_phase(dist.Gamma(mean=10, cv=0.5), night=30)), count=om.by_phase(1, night=3))
    phases = om.phases_by_request([("day", 1), ("night", 3)])
    workflow = om.Workflow("phased", turns, phases=phases)
    assert spread(workflow, "day") == {"t": Spread(pytest.approx(0.5), 0.0)}
    assert spread(workflow, "night") == {"t": Spread(0.0, 0.0)}
    both = spread(workflow)["t"]
    assert both.frequency_cv == pytest.approx(cv([1, 3], [0.25, 0.75]))
    # of ten executions one is by day
    mean, square = (10 + 9 * 30) / 10, (10**2 * 1.25 + 9 * 30**2) / 10
    assert both.time_cv == pytest.approx(math.sqrt(square / mean**2 - 1))
    assert overall(workflow) == Spread(pytest.approx(both.time_cv), pytest.approx(both.frequency_cv))
    with pytest.raises(ModelError, match="got 'dusk'; allowed: one of day, night"):
        spread(workflow, "dusk")


def test_what_never_runs_or_takes_no_time_has_no_spread() -> None:
    never = om.branch({"yes": 0.0, "no": 1.0}, yes=om.task("never", 1), no=om.seq())
    workflow = om.Workflow("nothing", om.task("free", 0), never)
    assert spread(workflow) == {"free": Spread(0.0, 0.0), "never": Spread(0.0, 0.0)}
    assert overall(workflow) == Spread(0.0, 0.0)
