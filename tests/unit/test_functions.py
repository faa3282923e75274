"""Functions of policies compiled apart and called by address. Numba is called directly, so all of it runs with the JIT
off too: what compiled code is handed is what plain Python is handed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octomodel import lower, mapping, run
from octomodel.errors import ModelError, RunError
from octomodel.hardware import System
from octomodel.kernels import _columns, _functions, _ref, _tools, allocate, interpret
from octomodel.kernels._jit import JIT_ENABLED
from octomodel.load import closed
from octomodel.policies import POLICIES, Plan, Policy, Reports, View, load, move, own
from octomodel.program import task
from octomodel.workflow import Workflow

pytestmark = pytest.mark.nojit

TRIO = Workflow("trio", task("a", 7), task("b", 3), task("c", 5))
SYSTEM = System(1, 2, tbus=4, reload_cycles=6, background_load=True)


def everything(view: View, x: int) -> int:
    """Answer a number that depends on every value of a view."""
    total = view.now + 3 * view.cluster + 5 * view.n_tb + 7 * view.n_tbu + view.epoch_cycles + view.switch_cycles
    total += view.background_load + view.free_cbus + view.free_spill + view.port_free + x + int(10 * view.params.weight)
    for tb in range(view.n_tb):
        for column in (
            view.station_fresh,
            view.station_recirculated,
            view.station_line,
            view.station_used,
            view.station_slots,
            view.station_owners,
            view.station_idle,
            view.station_busy,
            view.station_fresh_taken,
            view.station_recirculation_taken,
            view.station_executions,
            view.station_run_cycles,
            view.task_config,
            view.task_reload_cycles,
            view.task_bytes,
        ):
            total = (31 * total + column[tb]) % 1_000_003
        total += int(8 * view.task_cycles[tb] + 16 * view.task_demand[tb] + view.state[0, tb])
    for tbu in range(view.n_tbu):
        for column in (
            view.tbu_home,
            view.tbu_next,
            view.tbu_state,
            view.tbu_since,
            view.tbu_tb,
            view.tbu_run_start,
            view.tbu_config,
        ):
            total = (31 * total + column[tbu]) % 1_000_003
        for place in range(view.resident.shape[1]):
            total = (31 * total + view.resident[tbu, place]) % 1_000_003
        total += int(4 * view.tbu_speed[tbu])
    for port in range(4):
        for column in (view.neighbour, view.link_latency, view.link_bytes, view.link_cycles):
            total = (31 * total + column[port]) % 1_000_003
    for flow in range(len(view.flow_from)):
        total = 31 * total + view.flow_from[flow] + 7 * view.flow_to[flow] + int(64 * view.flow_tokens[flow])
    return total


def everywhere(view: View, token: Any, candidates: Any) -> int:
    total = 3 * token.tb + token.bytes
    for i in range(len(candidates.cluster)):
        total = 31 * total + candidates.cluster[i] + candidates.hops[i] + candidates.free[i]
        total = 31 * total + candidates.present[i] + candidates.owners[i]
    return total


def planned(view: View, reports: Reports, plan: Plan) -> None:
    view.state[0, 1] += 2.5
    own(plan, 1, 2)
    load(plan, 0, 1)
    move(plan, 2, 1, int(view.state[0, 1]))
    for port in range(4):
        total = reports.cluster[port] + reports.sent[port]
        for tb in range(view.n_tb):
            total = 31 * total + reports.free[port, tb] + 2 * reports.present[port, tb] + 3 * reports.owners[port, tb]
            total += 5 * reports.backlog[port, tb] + int(reports.load[port, tb])
        move(plan, port, 3, total)


POLICY = Policy("all", everything, everywhere, planned, params={"weight": 2.5}, state_rows=1)


def world_of(policy: Policy) -> tuple[Any, Any]:
    """Return the rules of a policy and a world in which all counters differ."""
    placed = mapping.make(TRIO, SYSTEM)
    model = lower.lower(TRIO, SYSTEM, closed(9), placed, policy=policy).model
    world = allocate.worker(model, allocate.shared(model))
    rng = np.random.default_rng(7)
    for name in ("station", "tbu", "reported", "option", "cluster"):
        records = getattr(world, name)
        for field in records.dtype.names:
            if field not in ("tbu", "tbu_end"):
                records[field] = rng.integers(0, 90, len(records))
    world.policy_state[:] = rng.integers(0, 9, len(world.policy_state))
    world.heard[:] = rng.integers(0, 9, len(world.heard))
    world.ctl["now"], world.ctl["token_tb"], world.ctl["token_bytes"] = 17, 2, 64
    return model.rules, world


def simple(view: View, tbu: int) -> int:
    return view.now + 10 * view.station_used[1] + 1000 * view.tbu_home[tbu] + 7 * view.resident[tbu, 1]


def simple_route(view: View, token: Any, candidates: Any) -> bool:
    return bool(candidates.hops[0] + token.tb > view.station_used[1])


def simple_plan(view: View, reports: Reports, plan: Plan) -> None:
    view.state[0, 1] += 2.5
    plan.kind[0], plan.tb[0], plan.tokens[0] = 2, 1, reports.free[0, 1] + reports.sent[1]
    plan.n[0] = 1


# what is needed of Numba with the JIT off: no function of Python or of ours in it
SIMPLE = Policy("simple", simple, simple_route, simple_plan, state_rows=1)


def by_address(world: Any, where: int, c: int, x: int) -> int:
    w = _ref._compiled(world)
    return _functions._by_address(w, where, c, x)  # type: ignore[no-any-return]


COMPILED = [SIMPLE, POLICY] if JIT_ENABLED else [SIMPLE]


@pytest.mark.parametrize("policy", COMPILED, ids=lambda policy: policy.name)
@pytest.mark.parametrize("kind", ["dispatch", "route"])
def test_compiled_and_plain_python_are_handed_the_same(policy: Policy, kind: str) -> None:
    rules, world = world_of(policy)
    where, _ = _functions._compile(rules, kind, world)
    call: Any = _tools.compiled(by_address)
    plain = _functions._answer(kind, getattr(rules, kind), rules.names, False)
    for cluster, x in ((0, 1), (1, 1)):
        assert call(world, where, cluster, x) == plain(interpret.lists(world), cluster, x)


@pytest.mark.parametrize("policy", COMPILED, ids=lambda policy: policy.name)
def test_a_plan_and_the_state_are_written_by_either(policy: Policy) -> None:
    rules, world = world_of(policy)
    where, _ = _functions._compile(rules, "rebalance", world)
    lists = interpret.lists(world)
    call: Any = _tools.compiled(by_address)
    assert call(world, where, 1, 0) == 0
    assert _functions._answer("rebalance", policy.rebalance, rules.names, False)(lists, 1, 0) == 0
    assert world.policy_state.tolist() == lists.policy_state
    assert int(world.ctl["plan_n"][0]) == lists.ctl[0].plan_n == (1 if policy is SIMPLE else 7)
    for field in Plan._fields[1:]:
        assert world.plan[field].tolist() == [getattr(item, field) for item in lists.plan]
    if policy is POLICY:
        assert world.plan["kind"][:4].tolist() == [0, 1, 2, 2] and world.plan["tb"][:3].tolist() == [2, 1, 2]


def test_a_bundled_function_is_kept_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTOMODEL_CACHE_DIR", str(tmp_path))
    _, world = world_of(SIMPLE)
    rules = SIMPLE.rules(task_cycles=np.ones(3), task_demand=np.ones(3))._replace(sources="digest")
    call: Any = _tools.compiled(by_address)
    answers = []
    for _ in range(2):
        where, kept = _functions._compile(rules, "dispatch", world)
        answers.append(call(world, where, 0, 1))
        kept_files = sorted(path.name for path in tmp_path.rglob("*simple-digest*.bin"))
        assert len(kept_files) == 1
    assert answers[0] == answers[1]


def test_without_a_cache_it_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    _, world = world_of(SIMPLE)
    rules = SIMPLE.rules(task_cycles=np.ones(3), task_demand=np.ones(3))._replace(sources="digest")
    monkeypatch.setattr(_functions._cache, "directory", lambda: (_ for _ in ()).throw(OSError("no place")))
    where, _ = _functions._compile(rules, "route", world)
    assert where != 0


def twice(value: int) -> int:
    return 2 * value


def four_times(value: int) -> int:
    return twice(value) + twice(value)


def with_helpers(offset: Callable[[int], int]) -> Policy:
    """Return a policy whose function calls others, one of them from around it."""

    def answers(view: View, tbu: int) -> int:
        return four_times(view.station_fresh[0]) + offset(tbu)

    return Policy("helped", dispatch=answers)


def test_a_function_may_call_plain_functions_by_name() -> None:
    policy = with_helpers(lambda tbu: 100 + tbu)
    rules, world = world_of(policy)
    wanted = 4 * int(world.station["fresh_len"][0]) + 101
    _functions._with_helpers(policy.dispatch)
    assert {four_times, twice} <= _functions._helpers
    if JIT_ENABLED:
        where, _ = _functions._compile(rules, "dispatch", world)
        call: Any = _tools.compiled(by_address)
        assert call(world, where, 0, 1) == wanted
    assert _functions._answer("dispatch", policy.dispatch, rules.names, False)(interpret.lists(world), 0, 1) == wanted


def test_an_address_is_made_once() -> None:
    rules, world = world_of(POLICY)
    first = _functions.address(rules, "dispatch", world)
    assert _functions.address(rules, "dispatch", world) == first != 0
    assert _functions.address(POLICIES["jsq"].rules(task_cycles=np.ones(3), task_demand=np.ones(3)), "dispatch", world) == 0


def half(view: View, tbu: int) -> float:
    return view.task_cycles[tbu]  # type: ignore[no-any-return]


def unknown(view: Any, tbu: int) -> int:
    return view.nothing  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("function", "said"),
    [(half, "it answers float64, no integer"), (unknown, "Unknown attribute 'nothing' of type View")],
)
def test_what_cannot_be_compiled_is_said_shortly(function: Callable[..., Any], said: str) -> None:
    _, world = world_of(POLICIES["static"])
    rules = Policy("x", dispatch=function).rules(task_cycles=np.ones(3), task_demand=np.ones(3))
    with pytest.raises(_functions.CompileError) as caught:
        _functions._compile(rules, "dispatch", world)
    assert str(caught.value) == said and (caught.value.kind, caught.value.name) == ("dispatch", function.__name__)


def beyond(view: View, tbu: int) -> int:
    return int(view.station_fresh[view.n_tb])


def once(view: View, tbu: int) -> int:
    return int(1 // (view.now - view.now))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (beyond, r"beyond raised IndexError \(index 3 is out of bounds for axis 0 with size 3\)"),
        (once, r"once raised ZeroDivisionError \(.*\)"),
    ],
)
def test_a_function_that_raises_stops_the_run(function: Callable[..., Any], said: str) -> None:
    model = lower.lower(TRIO, SYSTEM, closed(9), mapping.make(TRIO, SYSTEM), policy=Policy("x", dispatch=function)).model
    with pytest.raises(RunError, match=rf"^policy: {said} at cycle 0 in cluster 0$"):
        run.run(model, threads=1)


def raising_route(view: View, token: Any, candidates: Any) -> int:
    return int(candidates.cluster[9])


def raising_rebalance(view: View, reports: Reports, plan: Plan) -> None:
    view.state[0, 99] = 1.0


@pytest.mark.parametrize("kind", ["route", "rebalance"])
def test_so_does_each_kind(kind: str) -> None:
    function = {"route": raising_route, "rebalance": raising_rebalance}[kind]
    policy = Policy("x", **{kind: function}, state_rows=1)  # type: ignore[arg-type]
    system = SYSTEM.with_(epoch_cycles=10)
    placed = mapping.explicit(TRIO, system, [[1, 1, 1], [0, 1, 1]])
    model = lower.lower(TRIO, system, closed(30), placed, policy=policy).model
    with pytest.raises(RunError, match=rf"^policy: raising_{kind} raised IndexError \(.*\) at cycle \d+ in cluster 0$"):
        run.run(model, threads=1)


def test_a_function_that_raises_no_more_is_named_all_the_same() -> None:
    rules, world = world_of(POLICIES["stealing"])
    assert _functions.again(rules, "dispatch", interpret.lists(world), 0, 1) is None


@pytest.mark.skipif(not JIT_ENABLED, reason="with the JIT off nothing is compiled")
def test_the_engine_names_the_field_of_what_cannot_be_compiled() -> None:
    model = lower.lower(TRIO, SYSTEM, closed(9), mapping.make(TRIO, SYSTEM), policy=Policy("x", dispatch=half)).model
    with pytest.raises(ModelError, match=r"^policy\.dispatch: got half; allowed: a function that Numba compiles: it answers"):
        run.run(model, threads=1)


def test_columns_cannot_be_written_unless_open() -> None:
    with pytest.raises(ValueError, match="read-only"):
        _columns.copied_column([1, 2, 3], 0, 3, "")[0] = 5
    assert _columns.copied_open_column([1.5, 2, 3, 4], 0, (2, 2), "").tolist() == [[1.5, 2], [3, 4]]
