"""Policies as users name and write them, and what the bundled ones answer to what they can know (rules 6.7, 7.3, 13)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest

import octomodel as om
from octomodel import policies
from octomodel.errors import ModelError
from octomodel.policies import ASK_NEIGHBOUR, Candidates, Policy, Token

pytestmark = pytest.mark.nojit


def answer(view: Any, tbu: int) -> int:
    return -1


def too_few(view: Any) -> int:
    return -1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "no name"}, r"policy\.name: got 'no name'"),
        ({"name": "ideal"}, r"policy\.name: got 'ideal'; allowed: another name"),
        ({"dispatch": 1}, r"policy\.dispatch: got 1; allowed: a function of \(view, tbu\)"),
        ({"dispatch": too_few}, r"policy\.dispatch: got .too_few\(view: .*; allowed: a function of \(view, tbu\)"),
        ({"route": answer}, r"policy\.route: got .answer\(.*; allowed: a function of \(view, token, candidates\)"),
        ({"rebalance": len}, r"policy\.rebalance: got <built-in function len>; allowed: a function of"),
        ({"params": {"a b": 1}}, r"policy\.params\.a b: got 'a b'; allowed: a Python identifier"),
        ({"params": {"_a": 1}}, r"policy\.params\._a: got '_a'; allowed: a Python identifier"),
        ({"params": {"class": 1}}, r"policy\.params\.class: got 'class'; allowed: a Python identifier"),
        ({"params": {"a": float("nan")}}, r"policy\.params\.a: got nan"),
        ({"params": 3}, r"policy\.params: got 3; allowed: a mapping"),
        ({"params": {"a": 3}, "ranges": {"a": (0, 1)}}, r"policy\.params\.a: got 3; allowed: a finite number >= 0 and <= 1"),
        ({"params": {"a": 3}, "ranges": {"b": (0, 1)}}, r"policy\.ranges: got 'b'; allowed: one of a"),
        ({"state_rows": -1}, r"policy\.state_rows: got -1; allowed: an integer from 0 to 1024"),
    ],
)
def test_what_is_no_policy(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=f"^{message}"):
        om.Policy(**{"name": "x", **values})


def test_parameters_are_changed_by_name() -> None:
    one = Policy("one", dispatch=answer, params={"a": 1, "b": -2.5})
    two = one.with_(b=3)
    assert dict(two.params) == {"a": 1.0, "b": 3.0} and two.dispatch is answer and dict(one.params)["b"] == -2.5
    with pytest.raises(ModelError, match=r"^policy\.params: got 'c'; allowed: one of a, b"):
        one.with_(c=1)
    rules = two.rules(task_cycles=np.ones(2), task_demand=np.ones(2))
    assert (rules.names, rules.values.tolist(), rules.sources) == (("a", "b"), [1.0, 3.0], "")


def test_a_compiled_function_is_unwrapped() -> None:
    assert Policy("one", dispatch=numba.njit(answer)).dispatch is answer


def test_names() -> None:
    own = Policy("own", dispatch=answer)
    assert policies.named("jsq").name == "jsq" and policies.named(own) is own
    with pytest.raises(ModelError, match="^policy: got 'statik'; allowed: did you mean 'static'"):
        policies.named("statik")
    every = "ideal, jsq, octopus, reactive, reactive_any, static, stealing"
    with pytest.raises(ModelError, match=f"^policy: got None; allowed: one of {every}, or a Policy$"):
        policies.named(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("waiting", "own", "taken"),
    [
        ([0, 3, 5], 0, 2),
        ([0, 3, 5], 2, 1),
        ([4, 3, 4], 1, 0),
        ([0, 1, 0], 0, 1),
        ([0, 7, 0], 1, ASK_NEIGHBOUR),
        ([0, 0, 0], 1, ASK_NEIGHBOUR),
    ],
)
def test_stealing_takes_the_longest_queue_of_another(waiting: list[int], own: int, taken: int) -> None:
    recirculated = [n // 2 for n in waiting]
    fresh = [n - back for n, back in zip(waiting, recirculated, strict=True)]
    view: Any = SimpleNamespace(n_tb=3, station_fresh=fresh, station_recirculated=recirculated, tbu_home=[7, own])
    dispatch: Any = policies.POLICIES["stealing"].dispatch
    assert dispatch(view, 1) == taken


@pytest.mark.parametrize(
    ("candidates", "cluster"),
    [
        # cluster, hops, present, owners: 3 / 2, 4 / 3 and 8 / 6 tokens per owner
        ([(3, 0, 3, 2), (5, 4, 4, 3), (6, 2, 8, 6)], 6),
        ([(3, 2, 1, 1), (5, 2, 2, 2), (6, 3, 1, 1)], 3),
        ([(3, 0, 1, 1), (5, 1, 0, 1)], 5),
    ],
)
def test_jsq_joins_the_shortest_queue(candidates: list[tuple[int, ...]], cluster: int) -> None:
    where, hops, present, owners = (np.array(column) for column in zip(*candidates, strict=True))
    route: Any = policies.POLICIES["jsq"].route
    assert route(None, Token(0, 8), Candidates(where, hops, present, present, owners)) == cluster
