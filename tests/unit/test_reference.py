"""The reference against times worked out by hand from the rules of docs/semantics.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from octomodel.errors import RunError
from octomodel.kernels import model as k
from octomodel.kernels.model import Load, Machine, Model, Program
from octomodel.policies import POLICIES
from octomodel.testing import Reference, run_reference
from octomodel.testing.reference_draws import mix

pytestmark = pytest.mark.nojit

TASK, BRANCH, COUNT, UNTIL, AGAIN = k.TASK, k.BRANCH, k.COUNT, k.UNTIL, k.AGAIN
FORK, SELECT, JOIN, END, WEST, EAST = k.FORK, k.SELECT, k.JOIN, k.END, k.WEST, k.EAST
EXECUTION, TRANSFER, DECISION, HOP = 1, 2, 3, 4


@dataclass
class N:
    """One node: a TASK or COUNT with a constant law of ``value``, ``weights`` as in Program.edge_weight."""

    kind: int
    out: tuple[int, ...] = ()
    value: float = 0
    weights: tuple[float, ...] = ()
    join: int = -1
    loop: int = -1
    out_bytes: int = 0
    select: int = 0
    items: int = 0
    milestone: int = -1
    attribute: int = -1
    slope: float = 0.0


def ints(values: Any) -> Any:
    return np.array(values, dtype=np.int64)


def program(nodes: Sequence[N], slots: Sequence[int], series: Sequence[float] = ()) -> Program:
    """A workflow whose law number is the node's, with one phase and one configuration of 100 bytes per TB."""
    tasks = [i for i, node in enumerate(nodes) if node.kind == TASK]
    weights = [w for node in nodes for w in (node.weights or (0.0,) * len(node.out))]
    columns = ("kind", "join", "loop", "out_bytes", "attribute", "select", "items", "milestone")
    return Program(
        **{f"node_{name}": ints([getattr(n, name) for n in nodes]) for name in columns},
        node_task=ints([tasks.index(i) if i in tasks else -1 for i in range(len(nodes))]),
        node_fan_out=ints([1 if n.kind == TASK else 0 for n in nodes]),
        edge_indptr=ints(np.cumsum([0, *(len(n.out) for n in nodes)])),
        edge_node=ints([to for n in nodes for to in n.out]),
        edge_weight=np.array([weights], dtype=np.float64),
        node_law=ints([[i if n.kind in (TASK, COUNT) else -1 for i, n in enumerate(nodes)]]),
        node_base=np.array([[0.0 if n.attribute >= 0 else 1.0 for n in nodes]]),
        node_slope=np.array([[n.slope for n in nodes]]),
        task_node=ints(tasks),
        task_config=ints(range(len(tasks))),
        task_slots=ints(slots),
        task_speedup=np.ones(len(tasks)),
        config_bytes=ints([100] * len(tasks)),
        attribute_law=ints([-1] if series else []),
        attribute_indptr=ints([0, len(series)] if series else [0]),
        attribute_values=np.array(series, dtype=np.float64),
        law_kind=ints([k.CONSTANT] * len(nodes)),
        law_offset=ints(range(len(nodes))),
        law_size=ints([1] * len(nodes)),
        knots=ints([round(n.value * 65536) for n in nodes]),
        n_loop=1 + max(n.loop for n in nodes),
        n_milestone=1 + max(n.milestone for n in nodes),
        in_bytes=0,
    )


def machine(
    homes: Sequence[Sequence[int]], pipelines: Sequence[int] = (), window: int = -1, **given: Any
) -> Machine:
    """A row of clusters, each given as the homes of its TBUs; a pipeline's home is its first cluster."""
    n = len(homes)
    pipelines = pipelines or [0] * n
    flat = [home for cluster in homes for home in cluster]
    n_pipeline = 1 + max(pipelines)
    link = np.full(4 * n, -1)
    for c in range(n - 1):
        link[4 * c + EAST], link[4 * (c + 1) + WEST] = c + 1, c
    base = Machine(
        tbu_cluster=ints([c for c, cluster in enumerate(homes) for _ in cluster]),
        cluster_tbu=ints(np.cumsum([0, *(len(cluster) for cluster in homes)])),
        tbu_task=ints(flat),
        tbu_dead=ints([0] * len(flat)),
        tbu_speed=np.ones(len(flat)),
        tbu_resident=ints([[home, -1] for home in flat]),
        cluster_cbus=ints([1] * n),
        cluster_spill=ints([1] * n),
        cluster_pipeline=ints(pipelines),
        pipeline_home=ints([list(pipelines).index(p) for p in range(n_pipeline)]),
        pipeline_window=ints([window] * n_pipeline),
        cluster_group=ints([0] * n),
        link_cluster=ints(link),
        link_latency=ints([2] * 4 * n),
        link_bytes=ints([0] * 4 * n),
        link_cycles=ints([1] * 4 * n),
        route_port=np.zeros((0, 0), dtype=np.int8),
        n_rows=1,
        n_cols=n,
        torus=0,
        local_bytes=0,
        local_cycles=1,
        local_latency=0,
        decision_cycles=0,
        switch_cycles=1,
        reload_cycles=5,
        reload_rate_bytes=0,
        reload_rate_cycles=1,
        epoch=1000,
        surplus_after=4,
        report_bytes=0,
        control_bytes=0,
    )
    return base._replace(**given)


def load(sources: Sequence[Sequence[int]], closed: bool = False, **given: Any) -> Load:
    """Requests 0, 1, ... by pipeline, given by their arrivals."""
    flat = [arrival for source in sources for arrival in source]
    base = Load(
        source_indptr=ints(np.cumsum([0, *(len(source) for source in sources)])),
        source_request=ints(range(len(flat))),
        source_arrival=ints(flat),
        request_phase=np.zeros(0, dtype=np.int16),
        closed=int(closed),
        seed_key=mix(7),
        horizon=k.NO_HORIZON,
        step=0,
    )
    return base._replace(**given)


def run(p: Program, m: Machine, w: Load, policy: str = "static") -> Reference:
    """Run, and assert what holds in every run."""
    model = Model(p, m, w, POLICIES[policy].rules(task_cycles=np.zeros(len(p.task_node)), task_demand=np.zeros(len(p.task_node))))
    ran = run_reference(model, log=True)
    for tbu in range(len(m.tbu_task)):
        assert sum(cycles[tbu] for cycles in ran.tbu.values()) == ran.elapsed
    for counts in ran.station.values():
        assert counts["fresh_wait"] == counts["queue_integral"]
    assert sum(ran.tbu["own"]) + sum(ran.tbu["lent"]) == sum(c["run_cycles"] for c in ran.station.values())
    executions = [event for event in ran.events if event[0] == EXECUTION]
    assert len({event[:4] for event in executions}) == len(executions)
    assert len(executions) == sum(counts["executions"] for counts in ran.station.values())
    assert sum(ran.cluster["decisions"]) == sum(event[0] == DECISION for event in ran.events)
    assert sum(ran.pipeline["admitted"]) >= sum(end >= 0 for end in ran.end)
    if ran.status == "done":
        assert max(ran.end) == ran.elapsed and min(ran.end) >= 0
        for counts in ran.station.values():
            assert counts["fresh_taken"] + counts["recirculation_taken"] >= counts["executions"]
    quiet = run_reference(model)
    assert quiet.events == [] and quiet.fingerprint == ran.fingerprint
    return ran


def chain(*cycles: int, out_bytes: int = 0) -> list[N]:
    tasks = [N(TASK, (i + 1,), value, out_bytes=out_bytes) for i, value in enumerate(cycles)]
    return [*tasks, N(END)]


SINGLE = program(chain(5), [1])


def test_one_station() -> None:
    # Ready at arrival + 1. Request 2 gets the one slot when request 1 is taken at 6, and is ready at 7.
    ran = run(SINGLE, machine([[0]], local_latency=1), load([[0, 3, 4]]))
    assert (ran.status, ran.elapsed, ran.arrival, ran.end) == ("done", 16, [0, 3, 4], [6, 11, 16])
    at = ran.station[0, 0]
    assert (at["fresh_taken"], at["fresh_wait"], at["line_wait"]) == (3, 6, 2)
    assert (at["queue_max"], ran.tbu["own"], ran.tbu["starved"]) == (1, [15], [1])
    assert ran.events[:3] == [(2, 0, 0, 1, 0, 0, 0, 1), (2, 1, 0, 1, 0, 0, 3, 4), (1, 0, 0, 1, 0, 0, 1, 6)]


def test_fingerprint_is_the_sum_of_the_events() -> None:
    ran = run(SINGLE, machine([[0]], local_latency=1), load([[0, 3, 4]]))
    sums = [0, 0]
    for kind, request, node, visit, place, cluster, start, finish in ran.events:
        a, b = (kind << 60) + (node << 40) + (visit << 16) + place, (request << 24) + cluster
        k1, k2, k3, k4 = 0x2545F4914F6CDD1D, 0x369DEA0F31A53F85, 0x5851F42D4C957F2D, 0x14057B7EF767814F
        h1 = mix((a * k1 + b * k2 + start * k3 + finish * k4) % 2**63)
        sums[0] += h1
        sums[1] += (a + start) * (h1 | 1) + b + finish
    assert ran.fingerprint == (sums[0] % 2**63, sums[1] % 2**63)


def test_horizon_cuts_what_is_under_way() -> None:
    ran = run(SINGLE, machine([[0]], local_latency=1), load([[0, 3, 4, 50]], horizon=8))
    assert (ran.status, ran.elapsed, ran.end) == ("horizon", 8, [6, -1, -1, -1])
    station = ran.station[0, 0]
    assert (station["executions"], station["run_cycles"], station["fresh_wait"]) == (1, 7, 3)
    assert ran.pipeline["admitted"] == [3]


def test_window_keeps_requests_at_the_source() -> None:
    ran = run(SINGLE, machine([[0]], window=1), load([[0, 3, 4]]))
    assert (ran.end, ran.pipeline["source_wait"]) == ([5, 10, 15], [2 + 6])


def test_dead_tbu_and_speed() -> None:
    m = machine([[0, 0]], tbu_dead=ints([1, 0]), tbu_speed=np.array([1.0, 2.0]))
    ran = run(SINGLE, m, load([[0]]))
    assert ran.end == [3]  # 5 / 2 rounded half up
    assert ran.tbu["dead"] == [3, 0] and ran.events[-1] == (EXECUTION, 0, 0, 1, 1, 0, 0, 3)


def test_tandem_blocks_after_service() -> None:
    # A blocks with request 2 from 6 to 7 and with request 3 from 9 to 12: B's one place is taken.
    ran = run(program(chain(2, 5), [1, 1]), machine([[0, 1]]), load([[0] * 4], closed=True))
    assert ran.end == [7, 12, 17, 22]
    assert (ran.tbu["own"], ran.tbu["blocked"]) == ([8, 20], [4, 0])
    assert (ran.tbu["starved"], ran.tbu["surplus"]) == ([4, 2], [6, 0])
    assert [ran.station[0, tb]["line_wait"] for tb in (0, 1)] == [2 + 4, 1 + 3]
    assert [ran.station[0, tb]["fresh_wait"] for tb in (0, 1)] == [2 + 2 + 3, 3 + 5 + 5]


def test_no_queue_slots_hands_over_to_an_idle_owner() -> None:
    ran = run(program(chain(2, 5), [0, 0]), machine([[0, 1]], local_latency=1), load([[0] * 3], closed=True))
    assert ran.end == [9, 15, 21]
    assert (ran.tbu["own"], ran.tbu["blocked"]) == ([6, 15], [6, 0])
    assert ran.station[0, 1]["line_wait"] == 3 + 3 and ran.station[0, 1]["queue_max"] == 1


def test_branch_waits_for_the_control_unit() -> None:
    # Both owners of A reach the CB at 4; one CBU decides 4-7 and 7-10, always for the second edge.
    nodes = [N(TASK, (1,), 4), N(BRANCH, (2, 3), weights=(0.0, 1.0)), N(TASK, (4,), 5), N(TASK, (4,), 6)]
    p = program([*nodes, N(END)], [2, 1, 1])
    m = machine([[0, 0, 1, 2]], decision_cycles=3)
    ran = run(p, m, load([[0, 0]]))
    assert ran.end == [13, 19]
    assert ran.tbu["control"] == [3, 6, 0, 0]
    assert (ran.cluster["decisions"], ran.cluster["cbu_busy"], ran.cluster["cbu_wait"]) == ([2], [6], [3])
    decided = [event for event in ran.events if event[0] == DECISION]
    assert decided == [(DECISION, 0, 1, 1, 0, 0, 4, 7), (DECISION, 1, 1, 1, 0, 0, 4, 10)]
    cut = run(p, m, load([[0, 0]], horizon=9))
    assert (cut.cluster["decisions"], cut.cluster["cbu_busy"]) == ([1], [5])


def test_counted_loop_recirculates() -> None:
    # Back edges at 4 and 7, ready again at 5 and 8, served before fresh tokens at 7 and 10.
    nodes = [N(COUNT, (1, 3), 2, loop=0), N(TASK, (2,), 3), N(UNTIL, (1, 3), loop=0), N(END)]
    ran = run(program(nodes, [2]), machine([[0]], local_latency=1), load([[0, 0]]))
    assert ran.end == [10, 13]
    station = ran.station[0, 0]
    assert (station["recirculation_taken"], station["recirculation_wait"]) == (2, 4)
    assert (station["fresh_taken"], station["fresh_wait"]) == (2, 3)


def test_loops_that_turn_not_at_all_or_by_attribute() -> None:
    nodes = [N(COUNT, (1, 3), 1, loop=0, attribute=0, slope=1.0), N(TASK, (2,), 3), N(UNTIL, (1, 3), loop=0)]
    nodes += [N(TASK, (4,), 1, milestone=0), N(AGAIN, (3, 5), weights=(0.0, 1.0)), N(END)]
    # Request 0 turns 0 times, request 1 ceil(1.5) = 2 times, request 2 again 0 times.
    p = program(nodes, [2, 2], series=(0.0, 1.5))
    ran = run(p, machine([[0, 1]]), load([[0, 100, 200]]))
    assert ran.end == [1, 107, 201] and ran.milestones == [[1], [7], [1]]


def test_fork_into_full_queues() -> None:
    # Request 2 blocks A from 3; its children enter at 5 (B) and at 7 (C), each as its queue has room.
    nodes = [N(TASK, (1,), 1), N(FORK, (2, 3), join=4), N(TASK, (4,), 4), N(TASK, (4,), 6), N(JOIN, (5,))]
    nodes += [N(TASK, (6,), 1), N(END)]
    ran = run(program(nodes, [1] * 4), machine([[0, 1, 2, 3]]), load([[0] * 3], closed=True))
    assert ran.end == [8, 14, 20] and ran.tbu["blocked"] == [4, 0, 0, 0]
    assert [ran.station[0, tb]["line_wait"] for tb in (1, 2)] == [2, 4]
    assert [ran.station[0, tb]["fresh_wait"] for tb in (1, 2)] == [3 + 4, 5 + 6]


def test_select_draws_items() -> None:
    # All three items draw the only branch with weight: three runs, of which two come from the back edge.
    nodes = [N(SELECT, (1, 3), weights=(1.0, 0.0), join=5, select=1, items=3)]
    nodes += [N(TASK, (2,), 2), N(UNTIL, (1, 5), loop=0), N(TASK, (4,), 9), N(UNTIL, (3, 5), loop=1)]
    nodes += [N(JOIN, (6,)), N(END)]
    ran = run(program(nodes, [1, 1]), machine([[0, 1]]), load([[0]]))
    assert ran.end == [6] and ran.station[0, 0]["executions"] == 3 and ran.station[0, 1]["executions"] == 0


TWO = machine([[0, 0], [1]], window=2, local_latency=1, link_latency=ints([3] * 8), link_bytes=ints([2] * 8))


def test_two_clusters_share_a_link() -> None:
    # Both join the link at 4: served 4-6 and 6-8, there at 9 and 11; the credit of 10 admits request 2 at 13.
    p = program(chain(2, 1, out_bytes=4), [2, 1])
    ran = run(p, TWO, load([[0] * 3], closed=True))
    assert (ran.end, ran.arrival) == ([10, 12, 23], [0, 0, 13])
    assert ran.link["messages"] == [0, 3, 0, 0, 3, 0, 0, 0]
    assert ran.link["bytes"][EAST] == 12 and ran.link["busy"][EAST] == 6 and ran.link["wait"][EAST] == 2
    hops = [event for event in ran.events if event[0] == HOP]
    assert hops[:2] == [(HOP, 0, 1, 0, EAST, 0, 4, 9), (HOP, 1, 1, 0, EAST, 0, 6, 11)]
    assert ran.cluster["ingress_max"] == [0, 1]
    # The second message is cut at 7: of its service 6-8 one cycle lies before the horizon.
    assert run(p, TWO, load([[0] * 3], closed=True, horizon=7)).link["busy"][EAST] == 3


def test_a_larger_step_rounds_arrivals_up() -> None:
    p = program(chain(2, 1, out_bytes=4), [2, 1])
    assert run(p, TWO, load([[0, 0]], step=3)).end == [10, 12]
    assert run(p, TWO, load([[0, 0]], step=5)).end == [11, 16]  # there at 10 and 15


def test_no_path_is_an_error() -> None:
    with pytest.raises(RunError, match="no path from cluster 0 to cluster 1"):
        apart = TWO._replace(link_cluster=ints([-1] * 8))
        run_reference(Model(program(chain(2, 1), [1, 1]), apart, load([[0]])))


def test_lending_spills() -> None:
    # TBU 1 reloads 1-6 and runs A for request 1 6-16. Its output leaves the spill store as if pushed at 17.
    # It switches back 16-17 and runs B for request 0 17-19, request 1 19-21, request 2 22-24.
    w = load([[0] * 3], closed=True)
    ran = run(program(chain(10, 2), [4, 2]), machine([[0, 1]], local_latency=1), w, "stealing")
    assert ran.end == [19, 21, 24]
    assert (TRANSFER, 1, 1, 1, 0, 0, 17, 18) in ran.events
    names = ("lendings", "refusals", "reloads", "switches", "spill_max")
    assert [ran.cluster[name][0] for name in names] == [1, 0, 1, 1, 1]
    assert [ran.tbu[part][1] for part in ("reloading", "switching", "own", "lent")] == [5, 1, 6, 10]


def test_lending_is_refused_without_spill_places() -> None:
    w = load([[0] * 3], closed=True)
    ran = run(program(chain(10, 2), [4, 2]), machine([[0, 1]], cluster_spill=ints([0])), w, "stealing")
    # Refused at 0 and at 12, when TBU 1 is idle with news and a token of A waits; at 22 none waits.
    assert ran.end == [12, 22, 32] and ran.cluster["refusals"] == [2]
    assert ran.cluster["spill_max"] == [0]


def test_lending_with_one_resident_place() -> None:
    # TBU 1 loses its home's configuration at 1 and reloads it 16-21. From 21 TBU 0 reloads and runs B
    # for request 1, 26-28, while request 2, ready at 22, runs on TBU 1 23-25.
    w = load([[0] * 3], closed=True)
    m = machine([[0, 1]], local_latency=1, tbu_resident=ints([[0], [1]]))
    ran = run(program(chain(10, 2), [4, 2]), m, w, "stealing")
    assert ran.end == [23, 28, 25]
    assert (ran.tbu["reloading"], ran.tbu["lent"], ran.tbu["own"]) == ([5, 10], [2, 10], [20, 4])
    assert (ran.cluster["lendings"], ran.cluster["reloads"], ran.cluster["switches"]) == ([2], [3], [0])


def test_stealing_from_a_neighbour() -> None:
    # Cluster 1 has no news before its epoch hook at 5; then it asks, once for both its TBUs; at 7 two tokens wait in
    # cluster 0, which sends the older, there at 9. It asks again at 9 and at 15, to be told no, and at 19.
    m = machine([[0], [0, 0]], pipelines=[0, 1], epoch=5)
    ran = run(program(chain(10), [4]), m, load([[0] * 3, []]), "stealing")
    assert ran.end == [10, 19, 20] and ran.cluster["steals"] == [1, 0]
    assert ran.cluster["asks"] == [1, 4]
    assert ran.link["messages"][4 + WEST] == 6  # these, a credit, and the answer to what cluster 0 asks at 20
    assert ran.station[0, 0]["fresh_taken"] == 3 and ran.station[0, 0]["fresh_wait"] == 7 + 10


def test_join_over_the_mesh() -> None:
    # The empty branch leaves cluster 0 at 2 and passes cluster 1 at 4, there at 6; the other runs 4-8 in
    # cluster 1 and joins at 11, where the payload of both takes 2 cycles to the station.
    nodes = [N(TASK, (1,), 1, out_bytes=4), N(FORK, (2, 3), join=3), N(TASK, (3,), 4, out_bytes=4)]
    nodes += [N(JOIN, (4,)), N(TASK, (5,), 1), N(END)]
    ran = run(program(nodes, [1] * 3), machine([[0], [1], [2]], local_bytes=7), load([[0]]))
    assert ran.end == [14] and (HOP, 0, 3, 0, EAST, 1, 4, 6) in ran.events
    assert ran.link["messages"] == [0, 2, 0, 0, 1, 2, 0, 0, 1, 0, 0, 0]


def test_back_edge_over_the_mesh() -> None:
    nodes = [
        N(COUNT, (1, 4), 2, loop=0),
        N(TASK, (2,), 1),
        N(TASK, (3,), 1),
        N(UNTIL, (1, 4), loop=0),
        N(END),
    ]
    ran = run(program(nodes, [1, 1]), machine([[0], [1]]), load([[0]]))
    assert ran.end == [10] and ran.station[0, 0]["recirculation_taken"] == 1
    assert ran.cluster["ingress_max"] == [0, 1]


def test_shortest_queue_as_last_reported() -> None:
    # Cluster 1 has told nothing before 6: requests 1 to 3 go there. It reports 2 present at 4, known at 5,
    # more than the one that runs in cluster 0, where request 4 stays.
    m = machine([[0, 1], [1]], link_latency=ints([1] * 8), epoch=4)
    p, w = program(chain(1, 10), [4, 4]), load([[0, 0, 0, 0, 5]])
    ran = run(p, m, w, "jsq")
    assert ran.end == [11, 13, 23, 33, 21]
    assert [ran.station[c, 1]["executions"] for c in (0, 1)] == [2, 3]
    nearest = run(p, m, w)
    assert nearest.end == [11, 21, 31, 41, 51]


def test_stuck_is_told() -> None:
    nodes = [N(BRANCH, (1, 2), weights=(0.5, 1.0)), N(TASK, (2,), 1), N(END)]
    m = machine([[0]], decision_cycles=1, cluster_cbus=ints([0]), epoch=10)
    for policy in ("static", "stealing"):
        ran = run(program(nodes, [1]), m, load([[0, 15]]), policy)
        assert ran.status == "stuck" and ran.end == [-1, -1] and "2 wait for control" in ran.stuck
