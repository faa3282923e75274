"""The policies of generated scenarios: compiled they answer as they do uncompiled, and what they do is varied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import FunctionType
from typing import Any

import numba
import numpy as np
import pytest

from octomodel.kernels import views
from octomodel.policies import Policy
from octomodel.testing import run_reference, scenarios_policy
from octomodel.testing.scenarios import scenario
from octomodel.testing.scenarios_choice import Choice

SEEDS = range(300_000, 300_090)


def compiled(function: Any) -> Any:
    """Compile a function of a policy with bounds checks, and what it may call."""
    helpers: dict[str, Any] = {}
    for helper in (views._add, views.own, views.load, views.move):
        copy = FunctionType(helper.__code__, {**helper.__globals__, **helpers})
        helpers[helper.__name__] = numba.njit(copy, boundscheck=True)
    return numba.njit(FunctionType(function.__code__, {**function.__globals__, **helpers}), boundscheck=True)


def answers(function: Any, given: tuple[Any, ...]) -> Any:
    """Return what a function answers and what it writes."""
    copies = [type(one)(*map(np.copy, one)) if isinstance(one, views.Plan) else one for one in given]
    if isinstance(copies[-1], views.Plan):
        # as the kernel has it, the state can be written and nothing else
        copies[0] = copies[0]._replace(state=copies[0].state.copy())
        function(*copies)
        return [values.tolist() for values in copies[-1]], copies[0].state.tolist()
    return function(*copies)


@pytest.fixture(scope="module")
def calls() -> dict[Callable[..., Any], list[tuple[Any, ...]]]:
    """Return up to 40 calls of each function, as the reference makes them."""
    made: dict[Callable[..., Any], list[tuple[Any, ...]]] = {}

    def noting(function: Any) -> Any:
        kept = made.setdefault(function, [])

        def noted(*given: Any) -> Any:
            if len(kept) < 40:
                # what is handed over may be written later
                view = given[0]._replace(state=given[0].state.copy())
                last = type(given[-1])(*map(np.copy, given[-1])) if isinstance(given[-1], views.Plan) else given[-1]
                kept.append((view, *given[1:-1], last))
            return function(*given)

        return noted

    for seed in SEEDS:
        one = scenario(seed, executions=60)
        if one.policy.name == "own":
            functions = {name: getattr(one.policy, name) for name in ("dispatch", "route", "rebalance")}
            noted = {name: noting(function) if function else None for name, function in functions.items()}
            plain = Policy("noted", **noted, params=one.policy.params, state_rows=one.policy.state_rows)
            assert run_reference(replace(one, policy=plain).model) == run_reference(one.model)
    return made


ALL = scenarios_policy.DISPATCHES + scenarios_policy.ROUTES + scenarios_policy.REBALANCES


@pytest.mark.parametrize("function", ALL, ids=lambda function: function.__name__)
def test_compiled_answers_are_the_same(function: Any, calls: dict[Any, Any]) -> None:
    assert len(calls[function]) >= 20
    fast = compiled(function)
    for given in calls[function]:
        assert answers(fast, given) == answers(function, given)


def test_what_the_checksums_read(calls: dict[Any, Any]) -> None:
    """One more anywhere in what they are shown makes another plan or answer, for some call."""
    unread = {"station_used", "n_tb", "n_tbu", "params", "state"}
    for function in (scenarios_policy.lend_by_checksum, scenarios_policy.plan_by_checksum):
        for name in set(views.View._fields) - unread:
            if function is scenarios_policy.plan_by_checksum and name in CONSTANT:
                continue
            assert any(answers(function, changed(given, name)) != answers(function, given) for given in calls[function]), name


CONSTANT = {
    *("epoch_cycles", "switch_cycles", "background_load", "station_slots", "tbu_speed"),
    *("link_latency", "link_bytes", "link_cycles"),
    *("task_config", "task_reload_cycles", "task_cycles", "task_demand", "task_bytes"),
    *("flow_from", "flow_to", "flow_tokens"),
}
"""What the other checksums leave to that of dispatch: nothing that a run changes."""


def changed(given: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """Return a call with every value of one column of its view one higher."""
    return (given[0]._replace(**{name: getattr(given[0], name) + 1}), *given[1:])


def test_policies_are_of_every_kind() -> None:
    made = [scenarios_policy.make_policy(Choice(seed)) for seed in range(400)]
    kinds = Counter(tuple(f is not None for f in (one.dispatch, one.route, one.rebalance)) for one in made)
    assert len(kinds) == 7 and min(kinds.values()) >= 10
    used = {f for one in made for f in (one.dispatch, one.route, one.rebalance)} - {None}
    assert used == set(ALL)


def test_three_in_ten_scenarios_have_a_policy_of_their_own() -> None:
    made = [scenario(seed, executions=20) for seed in range(600)]
    own = [one for one in made if one.policy.name == "own"]
    assert 150 <= len(own) <= 210
    rebalanced = [one for one in own if one.policy.rebalance is not None]
    share = sum(one.system.background_load for one in rebalanced) / len(rebalanced)
    assert 0.35 <= share <= 0.65
    assert sum(one.system.resident_slots > 1 for one in rebalanced) >= 0.8 * len(rebalanced)
    assert not any(one.system.background_load for one in made if one.policy.rebalance is None)


def test_plans_do_what_they_can_and_are_refused_what_they_cannot() -> None:
    names = ("misroutes", "plan_refusals", "owner_changes", "background_loads", "moves", "refusals", "lendings", "steals")
    seen: Counter[str] = Counter()
    for seed in range(300_000, 300_480):
        one = scenario(seed, executions=60)
        if one.policy.name == "own":
            ran = run_reference(one.model)
            assert ran.status in ("done", "horizon")
            seen.update(name for name in names if any(ran.cluster[name]))
    assert all(seen[name] >= 3 for name in names), seen
