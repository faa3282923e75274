"""Plans in the reference, against worlds worked out by hand: who owns what, what is loaded, what is moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from octomodel import lower, mapping
from octomodel.elements import Element
from octomodel.errors import RunError
from octomodel.hardware import System
from octomodel.load import trace
from octomodel.policies import NOTHING, Policy, load, move, own
from octomodel.program import branch, task
from octomodel.testing import Reference, run_reference
from octomodel.workflow import Workflow

pytestmark = pytest.mark.nojit

EAST = 1
Rebalance = Callable[[Any, Any, Any], None]


def run(
    rebalance: Rebalance, arrivals: list[int], *items: Element, owners: Any = None, pipeline: Any = None, **options: Any
) -> Reference:
    """Run a program on one row of clusters, by default on one TBU for each task."""
    workflow = Workflow("w", *items)
    alloc = owners or [[1] * len(workflow.tasks)]
    how = {name: options.pop(name) for name in ("horizon", "epochs") if name in options}
    in_flight = options.pop("in_flight", "auto")
    policy = Policy("p", rebalance=rebalance, dispatch=options.pop("dispatch", None), state_rows=options.pop("rows", 0))
    system = System(1, len(alloc), **{"tbus": max(map(sum, alloc)), "epoch_cycles": 10, **options})
    placed = mapping.explicit(workflow, system, alloc, pipeline=pipeline)
    requests = trace(arrivals, in_flight=in_flight)
    return run_reference(lower.lower(workflow, system, requests, placed, policy=policy, **how).model, log=True)


def at(cycle: int, *items: tuple[Any, ...], cluster: int = 0) -> Rebalance:
    """Return a rebalance that plans some items at one cycle in one cluster."""

    def rebalance(view: Any, reports: Any, plan: Any) -> None:
        if view.now == cycle and view.cluster == cluster:
            for function, *given in items:
                function(plan, *given)

    return rebalance


def counted(ran: Reference, cluster: int = 0) -> dict[str, int]:
    """Return the counters of plans that are not 0."""
    names = ("plan_refusals", "owner_changes", "background_loads", "hidden_reload_cycles", "moves", "moved_bytes", "reloads")
    return {name: ran.cluster[name][cluster] for name in names if ran.cluster[name][cluster]}


def executions(ran: Reference) -> list[tuple[int, ...]]:
    """Return TB's node, TBU, start and finish of each run, in the order of their ends."""
    return [(event[2], event[4], *event[6:]) for event in ran.events if event[0] == 1]


AB = (task("a", 8), task("b", 100, config_bytes=50))
"""Tasks of which the second is the bottleneck."""


def test_an_idle_owner_changes_its_home_after_a_reload() -> None:
    # TBU 1 is idle at 10: it reloads 10-15 and runs b from then on, as its own.
    costs = {"owners": [[2, 1]], "resident_slots": 1, "reload_cycles": 5, "switch_cycles": 2, "horizon": 60, "epochs": 3}
    ran = run(at(10, (own, 1, 1)), [0, 1, 8, 30], *AB, **costs)
    assert executions(ran) == [(0, 0, 0, 8), (0, 1, 1, 9), (0, 0, 8, 16), (0, 0, 30, 38)]
    assert counted(ran) == {"owner_changes": 1, "reloads": 1}
    assert (ran.tbu["reloading"], ran.tbu["lent"]) == ([0, 5, 0], [0, 0, 0])
    assert ran.tbu["own"] == [24, 8 + 45, 52]  # TBU 1 takes request 1's b at 15, TBU 2 request 0's at 8
    # the sample of 10 is before the plan
    assert [ran.epoch[e, 0, tb][2] for e in range(3) for tb in (0, 1)] == [2, 1, 1, 2, 1, 2]


def test_a_busy_owner_changes_when_its_run_ends_and_takes_no_token_in_between() -> None:
    # at 10 TBU 1 runs 9-17; a waits for it, but TBU 0 has to take it at 16
    ran = run(at(10, (own, 1, 1)), [0, 1, 8, 9, 10], *AB, owners=[[2, 1]], horizon=40, reload_cycles=5, resident_slots=1)
    assert executions(ran)[2:] == [(0, 0, 8, 16), (0, 1, 9, 17), (0, 0, 16, 24)]
    assert ran.tbu["reloading"] == [0, 5, 0] and counted(ran) == {"owner_changes": 1, "reloads": 1}


def test_a_resident_configuration_makes_an_owner_at_once() -> None:
    # it owns b at 10 and switches to it
    ran = run(at(10, (own, 1, 1)), [0, 1], *AB, owners=[[2, 1]], horizon=40, reload_cycles=5, switch_cycles=2)
    assert counted(ran) == {"owner_changes": 1} and ran.tbu["reloading"] == [0, 0, 0]
    assert (ran.tbu["switching"], ran.tbu["own"]) == ([0, 2, 0], [8, 8 + 28, 32])


ABC = (task("a", 8), task("b", 100, config_bytes=50), task("c", 1, config_bytes=20))


def test_a_background_load_is_hidden_behind_runs() -> None:
    # 3 + 50 / 10 cycles at the port from 10 on: TBU 1 runs a until 18, when it becomes an owner of b, no cycle lost.
    costs = {"reload_cycles": 3, "reload_bytes_per_cycle": 10, "resident_slots": 2, "background_load": True}
    tasks = (task("a", 8), task("c", 0, config_bytes=20), task("b", 100, config_bytes=50))
    phases = {"owners": [[2, 1, 1]], "horizon": 40}
    # residents of TBU 1: a and b, of which b is the more demanded; so it is c that is loaded
    ran = run(at(10, (own, 1, 1)), [0, 2, 8, 10], *tasks, **costs, **phases)
    # c takes 3 + 20 / 10 cycles, 10-15
    assert counted(ran) == {"owner_changes": 1, "background_loads": 1, "hidden_reload_cycles": 5}
    assert ran.tbu["reloading"] == [0] * 4
    assert [one for one in executions(ran) if one[:2] == (0, 1)] == [(0, 1, 2, 10), (0, 1, 10, 18)]


def test_a_lending_that_finds_no_place_is_refused() -> None:
    def dispatch(view: Any, tbu: int) -> int:
        return 2 if tbu == 0 and view.station_fresh[2] else NOTHING

    turn = branch({"p": 0, "q": 0, "r": 1}, p=task("a", 1), q=task("b", 2), r=task("c", 10))
    costs = {"reload_cycles": 20, "resident_slots": 2, "background_load": True, "dispatch": dispatch, "horizon": 40}
    # both places of TBU 0: its home's and that of c, the most demanded; b is not resident
    plan = at(10, (load, 0, 1), (load, 0, 1), (load, 0, 2))
    ran = run(plan, [13, 14], turn, **costs)
    # b takes the place of c; a second load of b has nothing to do, and c no place: home, and b under load
    assert counted(ran)["background_loads"] == 1 and counted(ran)["plan_refusals"] == 2
    # no place for c at 14 either: the lending is refused
    assert ran.cluster["lendings"] == [0] and ran.cluster["refusals"][0] > 0


def test_a_lending_waits_for_a_background_load() -> None:
    def dispatch(view: Any, tbu: int) -> int:
        seen.append((view.now, view.tbu_state.tolist(), view.resident[0].tolist(), view.port_free))
        return 2 if tbu == 0 and view.station_fresh[2] else NOTHING

    seen: list[Any] = []
    turn = branch({"p": 0, "q": 0.5, "r": 0.5}, p=task("a", 1), q=task("b", 10), r=task("c", 10))
    costs = {"reload_cycles": 20, "resident_slots": 2, "background_load": True, "dispatch": dispatch}
    ran = run(at(10, (load, 0, 2)), [11] * 40, turn, horizon=60, **costs)
    # loaded 10-30 while TBU 0 does nothing; it is lent a token of c at 11, waits until 30, runs 30-40
    assert ran.tbu["reloading"] == [19, 0, 0] and counted(ran) == {"background_loads": 1, "hidden_reload_cycles": 20}
    assert [one[2:] for one in executions(ran) if one[1] == 0][0] == (30, 40)
    assert ran.cluster["switches"] == [0] and (11, [7, 3, 3], [0, -2 - 2], 30) in seen


@pytest.mark.parametrize("stage", ["switching", "reloading"])
def test_a_background_load_spares_what_a_tbu_prepares(stage: str) -> None:
    # lent at 8, TBU 0 prepares c until 13, in its only place but home's
    def dispatch(view: Any, tbu: int) -> int:
        return 2 if tbu == 0 and view.station_fresh[2] else NOTHING

    shares = {"p": 0, "q": 0, "r": 1} if stage == "switching" else {"p": 0, "q": 0.9, "r": 0.1}
    turn = branch(shares, p=task("a", 1), q=task("b", 2), r=task("c", 10))
    costs = {"switch_cycles": 5, "reload_cycles": 5, "resident_slots": 2, "background_load": True}
    plan = at(10, (load, 0, 1))
    ran = run(plan, [8] * 80, turn, dispatch=dispatch, horizon=30, queue_slots=40, in_flight=80, **costs)
    assert ran.tbu[stage][0] == 5 and counted(ran)["plan_refusals"] == 1
    assert ran.cluster["background_loads"] == [0]


@pytest.mark.parametrize(
    "item",
    [
        (own, 0, 0),  # its home
        (own, 0, 2),  # no station here
        (own, 0, 7),
        (own, -1, 1),
        (own, 2, 1),  # dead
        (own, 3, 0),  # no such TBU
        (own, 1, 0),  # the last owner
        (load, 0, 0),  # ran last
        (load, 0, 2),
        (load, 2, 0),
        (move, 0, EAST, 0),
        (move, 0, EAST, 1),  # nothing waits
        (move, 0, 0, 1),  # no link
        (move, 0, 7, 1),
        (move, -1, EAST, 1),
    ],
    ids=lambda item: f"{item[0].__name__}{item[1:]}",
)
def test_what_is_refused(item: tuple[Any, ...]) -> None:
    tasks = [task(name, 1) for name in "abc"]
    owners = [[1, 1, 0], [1, 0, 1]]
    ran = run(at(10, item), [12], *tasks, owners=owners, tbus=3, dead_tbus=[2], background_load=True)
    assert counted(ran) == {"plan_refusals": 1}


def test_the_last_owner_without_a_change_stays() -> None:
    ran = run(at(10, (own, 0, 1), (own, 0, 1), (own, 1, 1)), [50], *AB, owners=[[2, 1]], resident_slots=1, reload_cycles=9)
    # the first is reloading when the others are checked
    assert counted(ran) == {"owner_changes": 1, "reloads": 1, "plan_refusals": 2}


def test_a_tbu_with_a_pending_change_counts_no_more_as_another_owner() -> None:
    # both owners of a are busy at 10
    plan = at(10, (own, 0, 1), (own, 0, 1), (own, 1, 1))
    ran = run(plan, [0, 1, 8, 9], *AB, owners=[[2, 1]], resident_slots=1, reload_cycles=5, horizon=40)
    assert counted(ran) == {"owner_changes": 1, "reloads": 1, "plan_refusals": 2}


def test_a_new_owner_is_news() -> None:
    asked: list[int] = []

    def dispatch(view: Any, tbu: int) -> int:
        if tbu == 0:
            asked.append(view.now)
        return NOTHING

    run(at(10, (own, 1, 1)), [0], *AB, owners=[[2, 1]], resident_slots=1, reload_cycles=7, horizon=19, dispatch=dispatch)
    # 8: it is idle; 10: the hook; 17: TBU 1 has reloaded and is idle
    assert asked == [8, 10, 17]


def test_a_reserved_tbu_stays() -> None:
    # granted at 9, there at 11: at 10 its owner is kept for the token
    costs: dict[str, Any] = {"owners": [[2, 1]], "queue_slots": 0, "local_latency_cycles": 2}
    assert counted(run(at(10, (own, 0, 1)), [9], *AB, **costs)) == {"plan_refusals": 1}
    assert counted(run(at(10, (own, 1, 1)), [9], *AB, **costs)) == {"owner_changes": 1}


def test_a_load_without_the_hardware_is_refused() -> None:
    ran = run(at(10, (load, 0, 1), (load, 0, 2)), [12], *ABC, owners=[[1, 1, 1]], resident_slots=2)
    assert counted(ran) == {"plan_refusals": 2}


def test_tokens_move_to_a_neighbour() -> None:
    # At 10 three tokens wait at cluster 0; the two oldest, of 6 bytes each, pay 1 + 2 cycles to the link, 2 on it.
    costs: dict[str, Any] = {"local_latency_cycles": 1, "local_bytes_per_cycle": 3, "link_latency_cycles": 2}
    workflow = Workflow("w", task("a", 30), in_bytes=6)
    system = System(1, 2, tbus=1, epoch_cycles=10, report_bytes=0, **costs)
    placed = mapping.explicit(workflow, system, [[1], [1]], pipeline=[0, 1])
    policy = Policy("p", rebalance=at(10, (move, 0, EAST, 2), (move, 0, EAST, 9), (move, 0, EAST, 1)))
    arrivals = trace([0, 0, 0, 0], split=[1, 0])
    ran = run_reference(lower.lower(workflow, system, arrivals, placed, policy=policy).model, log=True)
    assert ran.end == [3 + 30, 15 + 30, 15 + 60, 15 + 90] and ran.elapsed == 105
    assert counted(ran) == {"moves": 3, "moved_bytes": 18, "plan_refusals": 1}
    assert ran.station[0, 0]["fresh_taken"] == 4 and ran.station[0, 0]["fresh_wait"] == 3 * 7
    assert ran.station[1, 0]["executions"] == 3 and ran.cluster["ingress_max"][1] >= 1


def test_reports_of_neighbours_and_state() -> None:
    seen: list[Any] = []

    def rebalance(view: Any, reports: Any, plan: Any) -> None:
        view.state[0, 0] = 10 * view.cluster + view.now / 4
        if view.cluster == 0:
            seen.append((view.now, [values.tolist() for values in reports]))
            if view.now == 20:
                own(plan, 1, 1)

    owners = [[2, 1], [1, 2]]
    costs: dict[str, Any] = {"pipeline": [0, 1], "link_latency_cycles": 3, "rows": 1, "resident_slots": 2}
    run(rebalance, [0, 1, 2, 3, 4], *AB, owners=owners, horizon=45, queue_slots=3, **costs)
    none = [0, 0]
    # at 10 the report of 10 is not there yet: cycle 0. Requests 1 and 3 are of cluster 1.
    first = [[none, [3, 3], none, none], [none, none, none, none], [none, [1, 2], none, none], [none] * 4]
    assert seen[0] == (10, [[-1, 1, -1, -1], [0] * 4, *first, [[0.0, 0.0]] * 4])
    # sent at 10: request 3 runs a, request 1 runs b
    now, (cluster, sent, free, present, owned, backlog, load_) = seen[1]
    assert (now, cluster, sent) == (20, [-1, 1, -1, -1], [0, 10, 0, 0])
    assert (free[EAST], present[EAST], owned[EAST], backlog[EAST]) == ([3, 3], [1, 1], [1, 2], [0, 0])
    assert load_ == [[0.0, 0.0], [12.5, 0.0], [0.0, 0.0], [0.0, 0.0]]


def test_owners_are_reported_after_the_plan() -> None:
    seen: list[Any] = []

    def route(view: Any, token: Any, candidates: Any) -> int:
        if view.cluster == 0 and token.tb == 1:
            seen.append((view.now, candidates.owners.tolist(), candidates.free.tolist()))
        return 0 if view.now < 10 else token.tb

    policy = Policy("p", route=route, rebalance=at(10, (own, 0, 1), cluster=1))
    workflow = Workflow("w", *AB)
    system = System(1, 2, tbus=3, epoch_cycles=10, queue_slots=0, link_latency_cycles=7)
    placed = mapping.explicit(workflow, system, [[1, 1], [2, 1]], pipeline=[0, 0])
    run_reference(lower.lower(workflow, system, trace([0, 8, 20]), placed, policy=policy, horizon=30).model)
    # what is sent at 10 is there at 17
    assert seen == [(8, [1, 1], [1, 1]), (16, [1, 1], [0, 1]), (28, [1, 2], [0, 2])]


def test_a_plan_has_room_for_four_items_for_each_tbu_and_tb() -> None:
    ran = run(at(10, *[(own, 0, 9)] * 30), [12], *AB, owners=[[2, 1], [1, 0]], pipeline=[0, 0])
    assert counted(ran) == {"plan_refusals": 30}
    # 4 * (3 + 2) items fit: the last that does is done, the next is not
    for place, changes in ((19, 1), (20, 0)):
        items: list[tuple[Any, ...]] = [(own, 0, 9)] * 30
        items[place] = (own, 1, 1)
        ran = run(at(10, *items), [12], *AB, owners=[[2, 1], [1, 0]], pipeline=[0, 0])
        assert (ran.cluster["owner_changes"][0], ran.cluster["plan_refusals"][0]) == (changes, 30 - changes)


def test_the_hook_is_news_and_the_rounds_go_on() -> None:
    asked: list[int] = []

    def dispatch(view: Any, tbu: int) -> int:
        asked.append(view.now)
        return NOTHING

    run(at(10), [0], task("a", 25), owners=[[2]], dispatch=dispatch)
    assert asked == [0, 10, 20, 25, 25]


def test_a_rebalance_that_fails_is_named() -> None:
    def rebalance(view: Any, reports: Any, plan: Any) -> None:
        raise KeyError("tb")

    with pytest.raises(RunError, match=r"policy: rebalance raised KeyError \('tb'\) at cycle 10 in cluster 0"):
        run(rebalance, [12], *AB)


def test_only_rebalance_writes_the_state() -> None:
    seen: list[float] = []

    def dispatch(view: Any, tbu: int) -> int:
        seen.append(float(view.state[0, 1]))
        return NOTHING

    def rebalance(view: Any, reports: Any, plan: Any) -> None:
        view.state[0, 1] += 0.25

    run(rebalance, [0], task("a", 25), task("b", 1), owners=[[1, 1]], rows=1, dispatch=dispatch)
    assert seen[:3] == [0.0, 0.25, 0.5]
