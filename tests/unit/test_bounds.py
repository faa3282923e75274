"""Work, path and fluid bound: by hand, against the reference, and below what any policy needs (rules 10)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import octomodel as om
from octomodel import lower, mapping
from octomodel.bounds import BLOCK, _Search, bounds
from octomodel.errors import RunError
from octomodel.kernels import _jit, codes
from octomodel.kernels.bounds import find_bounds
from octomodel.kernels.interpret import call
from octomodel.kernels.model import Model
from octomodel.run import run
from octomodel.testing.reference_bounds import reference_bounds
from octomodel.testing.scenarios import scenario

pytestmark = pytest.mark.nojit
compiled = pytest.mark.skipif(not _jit.JIT_ENABLED, reason="too many requests for the interpreter")


def model(items: list[Any], load: om.load.Load, tbus: int = 2, workflow: Any = (), **machine: Any) -> Model:
    described = om.Workflow("w", *items, **dict(workflow))
    system = om.System(1, 1, tbus=tbus, **machine)
    return lower.lower(described, system, load, mapping.make(described, system)).model


def named(work: float, path: float) -> dict[str, float]:
    return {"work_bound": work, "path_bound": path, "fluid_bound": max(work, path)}


TASK = om.task("only", 10)


def test_work_over_tbus_and_longest_request() -> None:
    assert bounds(model([TASK], om.closed(4, in_flight=4))) == named(20, 10)
    assert bounds(model([TASK], om.closed(3, in_flight=4), tbus=4)) == named(7.5, 10)


def test_a_place_is_taken_for_at_least_the_critical_path() -> None:
    one_at_a_time = model([TASK], om.closed(4, in_flight=1))
    assert bounds(one_at_a_time) == named(20, 40)
    assert run(one_at_a_time).elapsed == 40
    # a window that is wider than the work leaves the longest request
    assert bounds(model([TASK], om.closed(4, in_flight=100), tbus=8))["path_bound"] == 10


def test_fork_of_the_rules() -> None:
    items = [om.fork(om.task("short", 10), om.task("long", 30)), om.task("after", 5)]
    assert bounds(model(items, om.closed(8, in_flight=2), tbus=10)) == named(36, 140)


def test_open_load_counts_from_arrival_and_knows_no_window() -> None:
    late = model([TASK], om.trace([0, 3, 3, 50], in_flight=1))
    assert bounds(late) == named(20, 60)


def test_branches_side_by_side_and_one_after_the_other() -> None:
    inner = om.fork(om.task("b", 7), om.seq(om.task("c", 1), om.fork(om.task("d", 2), om.seq()), om.task("e", 3)))
    items = [om.task("a", 100), om.fork(inner, om.task("f", 6), om.seq())]
    assert bounds(model(items, om.closed(1), tbus=6)) == named(119 / 6, 107)


def test_decisions_lie_on_the_path_and_are_no_work() -> None:
    turns = om.loop(om.task("a", 10), count=3)
    chosen = om.branch({"x": 1.0, "y": 0.0}, x=om.task("x", 5), y=om.task("y", 1000))
    drawn = om.select(2, {"p": 1.0, "q": 1.0}, items=2, p=om.task("p", 1), q=om.task("q", 4))
    load = om.closed(1)
    # COUNT and three UNTILs; BRANCH; SELECT and two UNTILs in each of two branches
    assert bounds(model([turns], load, tbus=1, decision_cycles=2)) == named(30, 38)
    assert bounds(model([chosen], load, decision_cycles=2)) == named(2.5, 7)
    assert bounds(model([drawn], load, decision_cycles=2)) == named(5, 2 + 2 * (4 + 2))


def test_fastest_tbu_sets_the_path_and_rounding_the_work() -> None:
    # 5 cycles, 1 on a TBU of speed 4: an execution costs 4 of the 5 that both give a cycle
    fast = model([om.task("a", 5)], om.closed(60, in_flight=60), tbu_speed=(1.0, 4.0))
    assert bounds(fast) == named(48, 1)
    both = om.System(1, 1, tbus=2, tbu_speed=(1.0, 4.0))
    described = om.Workflow("w", om.task("a", 5))
    made = mapping.make(described, both)
    lowered = lower.lower(described, both, om.closed(60, in_flight=60), made)
    assert run(lowered.model).elapsed < 60 * 5 / 5
    # on a TBU of speed 2 a cycle and a half becomes two
    assert bounds(model([om.task("a", 3)], om.closed(2), tbu_speed=(1.0, 2.0))) == named(2, 2)


def test_dead_tbus_give_nothing_and_homeless_ones_count() -> None:
    dead = model([TASK], om.closed(4, in_flight=4), tbus=3, dead_tbus=(1,), tbu_speed=(1.0, 8.0, 1.0))
    assert bounds(dead) == named(20, 10)
    homeless = dead._replace(machine=dead.machine._replace(tbu_task=np.array([0, -1, -1])))
    assert bounds(homeless) == named(20, 10)


def test_times_of_no_length_and_short_ones() -> None:
    assert bounds(model([om.task("none", 0)], om.closed(4))) == named(0, 0)
    assert bounds(model([om.task("tiny", 0.01)], om.closed(4, in_flight=4))) == named(2, 1)
    scale = om.per("x", 1.0, base=-2.0)
    chosen = {"attributes": {"x": [1.0, 5.0]}}.items()
    assert bounds(model([om.task("a", scale * om.dist.Deterministic(4))], om.closed(2), workflow=chosen)) == named(6, 12)


def test_phases_and_request_numbers_decide_the_draws() -> None:
    phases = om.phases_by_request([("slow", 1), ("fast", 2)], fast={"a": 1})
    assert bounds(model([om.task("a", 10)], om.closed(6, in_flight=9), workflow={"phases": phases}.items())) == named(12, 10)


@pytest.mark.parametrize("first", range(0, 320, 40))
def test_kernel_is_the_reference_and_no_run_is_below(first: int) -> None:
    done = 0
    seeds = range(first, first + 40, 1 if _jit.JIT_ENABLED else 4)
    for seed in seeds:
        drawn = scenario(seed, executions=60).model
        found = bounds(drawn)
        assert found == pytest.approx(reference_bounds(drawn), rel=1e-12), seed
        if (drawn.machine.tbu_speed == 1.0).all():
            assert found == reference_bounds(drawn), seed
        ran = run(drawn)
        assert ran.status == "horizon" or ran.elapsed >= found["fluid_bound"] * (1 - 1e-12), seed
        done += ran.status == "done"
    assert done > len(seeds) // 3


def test_bounds_do_not_depend_on_chunks() -> None:
    drawn = model([om.fork(om.task("a", om.dist.Exponential(9)), om.loop(TASK, again=0.5))], om.closed(20))
    assert bounds(drawn, chunk=1) == bounds(drawn, chunk=7) == bounds(drawn)


@compiled
def test_bounds_do_not_depend_on_threads() -> None:
    requests = 3 * BLOCK + 17
    drawn = model([om.task("a", om.dist.Exponential(900)), om.loop(TASK, again=0.5)], om.closed(requests))
    assert bounds(drawn, threads=1) == bounds(drawn, threads=5)


@compiled
def test_sums_pass_the_integers_of_a_kernel() -> None:
    cycles, requests = 2**46, 2**18
    huge = model([om.task("a", cycles)], om.closed(requests, in_flight=1))
    assert bounds(huge) == named(cycles * requests / 2, cycles * requests)


def test_many_speeds_are_grouped_below_the_exact_bound() -> None:
    speeds = tuple(np.linspace(0.5, 2.0, 40))
    items = [om.task("a", om.dist.Uniform(1, 300))]
    many = model(items, om.closed(30, in_flight=30), tbus=40, tbu_speed=speeds)
    found, exact = bounds(many), reference_bounds(many)
    assert 0.9 * exact["work_bound"] < found["work_bound"] < exact["work_bound"]
    assert found["path_bound"] == exact["path_bound"]
    few = model(items, om.closed(30, in_flight=30), tbus=16, tbu_speed=speeds[:16])
    assert bounds(few) == pytest.approx(reference_bounds(few), rel=1e-12)


def test_unlimited_window_of_one_pipeline_leaves_the_longest_request() -> None:
    narrow = model([TASK], om.closed(4, in_flight=1))
    wide = narrow._replace(machine=narrow.machine._replace(pipeline_window=np.array([-1])))
    assert bounds(wide) == named(20, 10)


def test_a_visit_too_many_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = model([om.loop(TASK, count=2)], om.closed(1))
    walk = _Search(drawn, 2)._walk()
    walk.ctl["end"], walk.ctl["node"] = 1, -1
    assert call(find_bounds, walk, 2) == codes.BUDGET
    # the walk stands at the UNTIL that leads back to the task, whose next visit is to be one too many
    walk.visits[1] = codes.VISIT_LIMIT - 1
    assert call(find_bounds, walk, 2) == codes.TOO_MANY_VISITS
    monkeypatch.setattr("octomodel.bounds.call", lambda *_: codes.TOO_MANY_VISITS)
    with pytest.raises(RunError, match=r"2\*\*24 times"):
        bounds(drawn)
