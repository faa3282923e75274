"""The ideal run: by hand, against the reference, and never below the bounds (rules 11)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import octomodel as om
from octomodel import ideal, lower, mapping
from octomodel.bounds import bounds
from octomodel.errors import RunError
from octomodel.kernels import codes
from octomodel.kernels.ideal import advance_pool
from octomodel.kernels.interpret import call
from octomodel.kernels.model import Model
from octomodel.outcome import CAUSES, Outcome
from octomodel.run import run
from octomodel.testing.reference_ideal import run_reference_ideal
from octomodel.testing.scenarios import scenario

pytestmark = pytest.mark.nojit


def model(
    items: list[Any],
    load: om.load.Load,
    tbus: int = 2,
    workflow: Any = (),
    horizon: int | None = None,
    rows: int = 1,
    **machine: Any,
) -> Model:
    described = om.Workflow("w", *items, **dict(workflow))
    system = om.System(rows, 1, tbus=tbus, **machine)
    return lower.lower(described, system, load, mapping.make(described, system), horizon=horizon).model


def check(drawn: Model, **options: Any) -> Outcome:
    """Run, and hold every field against the reference."""
    ran, expected = ideal.run(drawn, **options), run_reference_ideal(drawn)
    assert (ran.status, ran.elapsed) == (expected.status, expected.elapsed)
    assert ran.request_arrival.tolist() == expected.arrival
    assert ran.request_end.tolist() == expected.end
    assert ran.request_milestone.T.tolist() == expected.milestones
    for column, cause in enumerate(CAUSES):
        assert ran.tbu_cycles[:, column].tolist() == [cycles.get(cause, 0) for cycles in expected.tbu], cause
    for name, values in ran.station.items():
        counted = {place: counts.get(name, 0) for place, counts in expected.station.items()}
        assert dict(np.ndenumerate(values)) == counted, name
    assert ran.executions == sum(counts["executions"] for counts in expected.station.values())
    assert ran.cluster["decisions"].tolist() == expected.decisions
    assert ran.pipeline["admitted"].tolist() == expected.admitted
    assert ran.fingerprint == "".join(f"{lane:016x}" for lane in expected.fingerprint)
    rest = {**ran.link, **ran.cluster, **ran.pipeline}
    assert not any(rest[name].any() for name in rest if name not in ("decisions", "admitted"))
    assert (ran.tbu_cycles.sum(axis=1) == ran.elapsed).all()
    if ran.status == "done":
        assert ran.elapsed >= bounds(drawn)["fluid_bound"] * (1 - 1e-12)
    return ran


TASK = om.task("only", 10)


@pytest.mark.parametrize("first", range(0, 320, 40))
def test_kernel_is_the_reference(first: int) -> None:
    ran = [check(scenario(seed, executions=60).model) for seed in range(first, first + 40)]
    assert sum(outcome.executions for outcome in ran) > 1000
    assert {outcome.status for outcome in ran} == {"done", "horizon"}


def test_fastest_idle_tbu_then_lowest_index() -> None:
    ran = check(model([TASK], om.trace([0, 0, 0]), tbu_speed=(1.0, 2.0)))
    assert ran.request_end.tolist() == [5, 10, 10]
    assert ran.tbu_cycles[:, CAUSES.index("own")].tolist() == [10, 10]
    assert (ran.station["fresh_taken"].tolist(), ran.station["fresh_wait"].tolist()) == ([[3]], [[5]])
    # TBUs 1 and 3 are equal and the fastest; of TBUs 0 and 2 none runs
    ran = check(model([TASK], om.trace([0, 0]), tbus=4, tbu_speed=(1.0, 2.0, 1.0, 2.0)))
    assert ran.tbu_cycles[:, CAUSES.index("own")].tolist() == [0, 5, 0, 5]
    ran = check(model([TASK], om.trace([0]), tbus=4))
    assert ran.tbu_cycles[:, CAUSES.index("own")].tolist() == [10, 0, 0, 0]


def test_queue_is_ordered_by_cycle_request_and_node() -> None:
    items = [om.task("a", 3), om.fork(om.task("b", 5), om.task("c", 7))]
    three = model(items, om.trace([0, 1]), tbus=3, workflow={"milestones": ["a", "b", "c"]}.items())
    # a0 0-3, a1 1-4, b0 3-8, c0 3-10, b1 4-9, c1 8-15
    assert check(three).request_end.tolist() == [10, 15]
    # on one TBU: a0 0-3, a1 3-6, b0 6-11, c0 11-18, b1 18-23, c1 23-30
    ran = check(three._replace(machine=three.machine._replace(tbu_dead=np.array([0, 1, 1]))))
    assert ran.request_milestone.tolist() == [[3, 5], [11, 22], [18, 29]]
    assert ran.request_end.tolist() == [18, 30]
    assert ran.tbu_cycles[1:, CAUSES.index("dead")].tolist() == [30, 30]
    assert ran.station["fresh_wait"].tolist() == [[2, 3 + 12, 8 + 17]]


def test_later_cycles_wait_behind_earlier_ones() -> None:
    # request 1 is ready at 1, request 0 again at 10: the lower number does not help
    one = model([om.task("a", 10), om.task("b", 10)], om.trace([0, 1]))
    ran = check(one._replace(machine=one.machine._replace(tbu_dead=np.array([0, 1]))))
    assert ran.request_end.tolist() == [30, 40]


def test_closed_load_shares_all_windows() -> None:
    # two pipelines of window 1: two inside at once, whichever pipeline they belong to
    two = model([TASK], om.closed(5, in_flight=1), tbus=2, rows=2)
    assert len(two.machine.pipeline_home) == 2
    ran = check(two)
    assert ran.request_arrival.tolist() == [0, 0, 10, 10, 20]
    assert ran.pipeline["admitted"].tolist() == [3, 2]
    # one unlimited window lets all in
    machine = two.machine._replace(pipeline_window=np.array([1, -1]))
    assert check(two._replace(machine=machine)).request_arrival.tolist() == [0] * 5


def test_open_load_knows_no_window_and_pools_grow() -> None:
    narrow = model([om.fork(TASK, om.task("b", 1))], om.trace([7] * 600, in_flight=1))
    ran = check(narrow)
    assert (ran.request_arrival == 7).all()
    assert ran.elapsed == 7 + 600 * 11 // 2
    with pytest.raises(RunError, match="memory_limit_bytes"):
        ideal.run(narrow, memory_limit_bytes=1000)


def test_decisions_are_a_delay_without_queue() -> None:
    chosen = om.branch({"x": 1.0, "y": 0.0}, x=om.task("x", 5), y=om.task("y", 1))
    ran = check(model([chosen, om.loop(om.task("z", 1), count=2)], om.trace([0] * 9), tbus=30, cbus=1, decision_cycles=4))
    # BRANCH 4, x 9, COUNT 13, z 14, UNTIL 18, z 19, UNTIL 23
    assert ran.request_end.tolist() == [23] * 9
    assert ran.cluster["decisions"].tolist() == [36]
    assert check(model([chosen], om.trace([0]))).elapsed == 5


def test_select_after_a_decision_and_items() -> None:
    drawn = om.select(2, {"p": 1.0, "q": 2.0, "r": 3.0}, items=3, p=om.task("p", 1), q=om.task("q", 4), r=om.task("r", 2))
    for delay in (0, 3):
        ran = check(model([drawn], om.closed(20), tbus=6, decision_cycles=delay))
        assert ran.executions == 20 * 6


def test_runs_of_no_length_end_in_the_same_cycle() -> None:
    items = [om.task("a", 0), om.loop(om.task("b", 0), count=3), om.task("c", 0)]
    ran = check(model(items, om.trace([5] * 8), tbus=3))
    assert (ran.elapsed, ran.executions) == (5, 40)


def test_time_split() -> None:
    ran = check(model([TASK], om.trace([3, 50]), tbus=2, surplus_after_cycles=8))
    assert ran.elapsed == 60
    assert dict(zip(CAUSES, ran.tbu_cycles[0].tolist(), strict=True)) == {
        **dict.fromkeys(CAUSES, 0),
        "own": 20,
        "starved": 3 + 8,
        "surplus": 29,
    }
    assert ran.tbu_cycles[1, CAUSES.index("starved")] == 8
    assert ran.tbu_cycles[1, CAUSES.index("surplus")] == 52


def test_horizon_counts_what_has_run_and_no_waits_of_those_left() -> None:
    ran = check(model([TASK], om.trace([0, 0, 4, 90]), horizon=14))
    assert (ran.status, ran.elapsed, ran.executions) == ("horizon", 14, 2)
    assert ran.request_end.tolist() == [10, 10, -1, -1]
    assert ran.request_arrival.tolist() == [0, 0, 4, -1]
    assert ran.station["run_cycles"].sum() == 24
    assert ran.station["fresh_wait"].sum() == 6
    busy = check(model([TASK], om.trace([0, 0, 4, 90]), horizon=10))
    assert (busy.executions, busy.station["fresh_taken"].sum(), busy.station["fresh_wait"].sum()) == (0, 2, 0)


def test_separate_queues_can_be_faster() -> None:
    phases = om.phases_by_request([("few", 2), ("long", 1)], long={"x": 0.0, "y": 1.0})
    chosen = om.branch({"x": 1.0, "y": 0.0}, x=om.task("short", 4), y=om.task("long", 10))
    drawn = model([chosen], om.trace([0, 0, 0]), workflow={"phases": phases}.items())
    assert (run(drawn).elapsed, check(drawn).elapsed) == (10, 14)
    assert bounds(drawn)["fluid_bound"] == 10


def test_result_does_not_depend_on_chunks() -> None:
    items = [om.loop(om.fork(TASK, om.task("b", om.dist.Exponential(9))), again=0.4)]
    drawn = model(items, om.poisson(0.05, requests=12), decision_cycles=2)
    prints = {ideal.run(drawn, chunk=chunk).fingerprint for chunk in (1, 5, 1000)}
    assert prints == {check(drawn).fingerprint}


def test_progress_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(ideal, "PROGRESS_SECONDS", 0.0)
    drawn = model([TASK], om.closed(3, in_flight=1))
    ran = ideal.run(drawn, chunk=1, progress=lambda ended, total: seen.append((ended, total)))
    assert seen[-1] == (3, 3) and seen == sorted(seen) and len(seen) > 3
    assert ran.wall_seconds >= ran.compile_seconds >= 0.0


def test_a_machine_without_live_tbus_is_an_internal_error() -> None:
    drawn = model([TASK], om.closed(3))
    dead = drawn._replace(machine=drawn.machine._replace(tbu_dead=np.array([1, 1])))
    with pytest.raises(RunError, match="3 requests left and 0 live TBUs"):
        ideal.run(dead)


def test_a_run_ends_before_the_clock_does() -> None:
    with pytest.raises(RunError, match=r"cycle 2\*\*48"):
        ideal.run(model([om.task("a", 2**45)], om.closed(9, in_flight=1)))


def test_a_visit_too_many_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = model([om.loop(TASK, count=2)], om.closed(1))
    pool = ideal._pool(drawn)
    assert call(advance_pool, pool, 1) == codes.BUDGET
    # the token runs; its second visit of the task is to be one too many
    pool.visits[1] = codes.VISIT_LIMIT - 1
    monkeypatch.setattr(ideal, "_pool", lambda _: pool)
    with pytest.raises(RunError, match=r"2\*\*24 times"):
        ideal.run(drawn)
