"""What the reference shows the functions of a policy, and what it does with their answers, against worlds worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from octomodel import lower, mapping
from octomodel.elements import Element
from octomodel.errors import RunError
from octomodel.hardware import System
from octomodel.kernels.model import Model
from octomodel.load import trace
from octomodel.policies import NOTHING, POLICIES, Policy
from octomodel.program import branch, fork, task
from octomodel.testing import Reference, reference_views, run_reference
from octomodel.testing.laws_models import until
from octomodel.testing.reference_draws import Draws
from octomodel.testing.scenarios import scenario
from octomodel.workflow import Workflow

pytestmark = pytest.mark.nojit

DEAD, RELOADING, SWITCHING, OWN, LENT, CONTROL, BLOCKED, IDLE = range(8)


def run(
    policy: Policy, arrivals: list[int], *items: Element, owners: Any = None, pipeline: Any = None, **options: Any
) -> Reference:
    """Run a program on one row of clusters, by default on one TBU for each task."""
    workflow = Workflow("w", *items)
    alloc = owners or [[1] * len(workflow.tasks)]
    how = {name: options.pop(name) for name in ("horizon", "epochs") if name in options}
    system = System(1, len(alloc), **{"tbus": max(map(sum, alloc)), **options})
    placed = mapping.explicit(workflow, system, alloc, pipeline=pipeline)
    return run_reference(lower.lower(workflow, system, trace(arrivals), placed, policy=policy, **how).model, log=True)


def test_dispatch_sees_its_cluster() -> None:
    seen: list[Any] = []

    def dispatch(view: Any, tbu: int) -> int:
        seen.append((view.now, view.cluster, tbu, view))
        return NOTHING

    policy = Policy("p", dispatch=dispatch, params={"x": 2, "y": 0.5}, state_rows=2)
    costs = {"switch_cycles": 2, "reload_cycles": 7, "epoch_cycles": 50, "cbus": 3, "spill_slots": 9, "dead_tbus": [3]}
    queue = {"queue_slots": {"a": 2, "b": 5}, "resident_slots": 2, "background_load": True}
    owners = [[1, 2, 0], [0, 1, 1]]
    run(policy, [0, 0, 0, 0], task("a", 4), task("b", 10), task("c", 1), owners=owners, tbus=4, **costs, **queue)
    first = seen[0][3]
    assert [one[:3] for one in seen[:2]] == [(0, 0, 1), (0, 0, 2)]
    # two slots: two tokens were admitted, one was taken and a third has had no slot yet
    assert (first.n_tb, first.n_tbu, first.epoch_cycles, first.switch_cycles) == (3, 4, 50, 2)
    assert (first.background_load, first.free_cbus, first.free_spill, first.port_free) == (1, 3, 9, 0)
    assert first.params._asdict() == {"x": 2.0, "y": 0.5} and first.state.tolist() == [[0.0] * 3] * 2
    assert first.neighbour.tolist() == [-1, 1, -1, -1]
    stations = {name: getattr(first, f"station_{name}").tolist() for name in ("fresh", "line", "used", "slots")}
    assert stations == {"fresh": [1, 0, 0], "line": [2, 0, 0], "used": [1, 0, 0], "slots": [2, 5, 0]}
    assert (first.station_owners.tolist(), first.station_idle.tolist()) == ([1, 2, 0], [0, 2, 0])
    assert (first.station_busy.tolist(), first.station_fresh_taken.tolist()) == ([1, 0, 0], [1, 0, 0])
    assert first.tbu_home.tolist() == [0, 1, 1, -1] and first.tbu_next.tolist() == [-1] * 4
    assert first.tbu_state.tolist() == [OWN, IDLE, IDLE, DEAD] and first.tbu_tb.tolist() == [0, -1, -1, -1]
    assert first.tbu_config.tolist() == [0, 1, 1, -1] and first.tbu_speed.tolist() == [1.0] * 4
    assert first.resident[:3].tolist() == [[0, 1], [1, 0], [1, 0]] and first.task_config.tolist() == [0, 1, 2]
    assert first.task_reload_cycles.tolist() == [7] * 3
    assert first.task_cycles.tolist() == first.task_demand.tolist() == [4.0, 10.0, 1.0]


def test_times_and_counts_go_on() -> None:
    seen: list[Any] = []

    def dispatch(view: Any, tbu: int) -> int:
        seen.append((view.now, tbu, view))
        return NOTHING

    # TBU 0 runs 0-4 and 4-8, TBU 1 4-14: of `a` one token waits from 0 to 4, of `b` one from 8 to 14
    run(Policy("p", dispatch=dispatch), [0, 0], task("a", 4), task("b", 10), epoch_cycles=9)
    assert [one[:2] for one in seen] == [(0, 1), (8, 0), (9, 0), (14, 0), (18, 0), (24, 0), (24, 1)]
    at_8, at_24 = seen[1][2], seen[-1][2]
    assert (at_8.tbu_state.tolist(), at_8.tbu_since.tolist()) == ([IDLE, OWN], [8, 4])
    assert (at_8.tbu_run_start.tolist(), at_8.tbu_tb.tolist()) == ([4, 4], [0, 1])
    assert (at_8.station_fresh.tolist(), at_8.station_used.tolist()) == ([0, 1], [0, 1])
    assert (at_8.station_executions.tolist(), at_8.station_run_cycles.tolist()) == ([2, 0], [8, 0])
    assert (at_24.station_executions.tolist(), at_24.station_run_cycles.tolist()) == ([2, 2], [8, 20])
    assert at_24.tbu_since.tolist() == [8, 24] and at_24.tbu_run_start.tolist() == [4, 14]


def test_route_sees_token_candidates_and_the_moment() -> None:
    seen: list[Any] = []

    def route(view: Any, token: Any, candidates: Any) -> int:
        seen.append((view, token, candidates))
        return int(candidates.cluster[-1])

    owners = [[1, 1], [0, 2]]
    ran = run(Policy("p", route=route), [0], task("a", 3, out_bytes=6), task("b", 5), owners=owners, queue_slots=2)
    ((view, token, candidates),) = seen
    assert (view.now, tuple(token)) == (3, (1, 6))
    assert [values.tolist() for values in candidates] == [[0, 1], [0, 1], [2, 2], [0, 0], [1, 2]]
    # the TBU has just ended its run and holds the token
    assert (view.tbu_state.tolist(), view.tbu_since.tolist()) == ([BLOCKED, IDLE], [3, 0])
    assert view.station_busy.tolist() == [1, 0] and view.station_executions.tolist() == [1, 0]
    assert ran.station[1, 1]["executions"] == 1 and ran.cluster["misroutes"] == [0, 0]


def test_the_join_of_a_fork_is_routed_for_what_follows_it() -> None:
    seen: list[Any] = []

    def route(view: Any, token: Any, candidates: Any) -> int:
        seen.append((view.now, token.tb, token.bytes, candidates.cluster.tolist()))
        return 1

    both = fork(task("b", 2), task("c", 2))
    owners = [[1, 1, 1, 1], [0, 0, 0, 1]]
    ran = run(Policy("p", route=route), [0], task("a", 1, out_bytes=5), both, task("d", 1), owners=owners)
    assert seen == [(1, 3, 5, [0, 1])] and ran.station[1, 3]["executions"] == 1


def test_a_decision_frees_its_unit_before_the_route_is_asked() -> None:
    seen: list[Any] = []

    def route(view: Any, token: Any, candidates: Any) -> int:
        seen.append((view.now, view.free_cbus, view.tbu_state.tolist(), view.tbu_since.tolist()))
        return int(candidates.cluster[0])

    turn = branch({"p": 1, "q": 0}, p=task("x", 2), q=task("y", 2))
    owners = [[1, 1, 1], [0, 1, 1]]
    run(Policy("p", route=route), [0], task("a", 4), turn, owners=owners, decision_cycles=3, cbus=2)
    assert seen == [(7, 2, [BLOCKED, IDLE, IDLE], [7, 0, 0])]


@pytest.mark.parametrize("answer", [-3, 2, 99])
def test_an_answer_that_is_no_candidate_is_counted_and_the_nearest_taken(answer: int) -> None:
    policy = Policy("p", route=lambda view, token, candidates: answer)
    # cluster 2 has no station of b
    options: dict[str, Any] = {"owners": [[1, 1], [0, 1], [1, 0]], "pipeline": [0, 0, 0]}
    ran = run(policy, [0, 0], task("a", 1), task("b", 1), **options)
    static = run(POLICIES["static"], [0, 0], task("a", 1), task("b", 1), **options)
    # each request asks twice, for a at the source and for b; in the first cluster 2 is a candidate
    assert sum(ran.cluster["misroutes"]) == (2 if answer == 2 else 4)
    assert ran.end == static.end or answer == 2


@pytest.mark.parametrize(
    ("answer", "refused"), [(0, False), (1, True), (2, True), (3, True), (4, True), (-3, True), (-1, False)]
)
def test_what_may_not_be_lent_is_refused(answer: int, refused: bool) -> None:
    """TB 1 is its own, of TB 2 nothing waits, TB 3 has no station in cluster 0, TB 4 does not exist."""
    policy = Policy("p", dispatch=lambda view, tbu: answer if tbu == 1 else NOTHING)
    tasks = [task(name, 10) for name in "abcd"]
    owners = [[1, 1, 1, 0], [0, 0, 0, 1]]
    ran = run(policy, [0, 0], *tasks, owners=owners, horizon=5, resident_slots=2)
    assert (ran.cluster["refusals"][0] > 0) == refused
    assert ran.cluster["lendings"][0] == (answer == 0)


@pytest.mark.parametrize("name", ["station_fresh", "resident", "state", "task_cycles"])
def test_a_view_cannot_be_written(name: str) -> None:
    def dispatch(view: Any, tbu: int) -> int:
        getattr(view, name)[0] = 1
        return NOTHING

    words = r"policy: dispatch raised ValueError \(assignment destination is read-only\) at cycle 2 in cluster 0"
    with pytest.raises(RunError, match=words):
        run(Policy("p", dispatch=dispatch, state_rows=1), [2], task("a", 1), task("b", 1))


@pytest.mark.parametrize("seed", range(700_000, 700_012))
def test_the_bundled_policies_need_no_more_than_the_view(seed: int) -> None:
    """Called on views, their functions do what the transcriptions of the reference do."""
    made = scenario(seed, executions=60)
    dispatch, route = POLICIES["stealing"].dispatch, POLICIES["jsq"].route
    assert dispatch is not None and route is not None
    stealing = Policy("s", dispatch=lambda view, tbu: dispatch(view, tbu))
    shortest = Policy("j", route=lambda view, token, candidates: route(view, token, candidates))
    for own, bundled in ((stealing, "stealing"), (shortest, "jsq")):
        expected = run_reference(made.lower(POLICIES[bundled]).model, log=True)
        assert run_reference(made.lower(own).model, log=True) == expected


def with_others_longer(model: Model, horizon: int, patch: pytest.MonkeyPatch) -> tuple[Reference, Reference]:
    """Run to a horizon, then again with every execution that has not ended before it longer than it was."""
    now = run_reference(until(model, horizon), log=True)
    ended = {event[1:4] for event in now.events if event[0] == 1}
    drawn = Draws.run_cycles

    def longer(self: Draws, request: int, phase: int, node: int, visit: int, *rest: Any) -> int:
        cycles = drawn(self, request, phase, node, visit, *rest)
        return cycles if (request, node, visit) in ended or cycles == 0 else cycles + 1000

    with patch.context() as changed:
        changed.setattr(Draws, "run_cycles", longer)
        return now, run_reference(until(model, horizon), log=True)


def foreseen(seeds: range, patch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Return in how many runs under policies of one's own what is still to come makes a difference, and in how many not."""
    found = []
    for seed in seeds:
        made = scenario(seed, executions=80)
        if made.policy.name == "own":
            model = made.model
            elapsed = run_reference(model).elapsed
            pairs = [with_others_longer(model, 1 + elapsed * part // 4, patch) for part in (1, 2, 3)]
            found.append(any(now != other for now, other in pairs))
    return sum(found), len(found) - sum(found)


def test_no_view_knows_how_long_a_run_will_last(monkeypatch: pytest.MonkeyPatch) -> None:
    noticed, not_noticed = foreseen(range(600_000, 600_060), monkeypatch)
    assert noticed == 0 and not_noticed >= 12


def test_a_view_that_looks_ahead_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    column = reference_views.column
    view = reference_views.view

    def ahead(world: Any, cluster: Any, **how: Any) -> Any:
        return view(world, cluster, **how)._replace(tbu_since=column([tbu.stage_end for tbu in cluster.tbus]))

    for module in ("reference_lending", "reference_routes", "reference_rebalance"):
        monkeypatch.setattr(f"octomodel.testing.{module}.view", ahead)
    assert foreseen(range(600_000, 600_090), monkeypatch)[0] >= 3
