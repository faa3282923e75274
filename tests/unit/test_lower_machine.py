"""Lowering of machine and mapping: speeds, links, dies, windows, routes round faults, groups."""

from __future__ import annotations

from typing import Any

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octomodel import faults, lower_routes, mapping
from octomodel.errors import ModelError
from octomodel.hardware import System
from octomodel.kernels.model import EAST, NORTH, SOUTH, WEST, Machine
from octomodel.lower_machine import Needs, lower_machine
from octomodel.program import task
from octomodel.workflow import Workflow

SLOTS = np.array([4, 2])
PAIR = Workflow("w", task("a", 1), task("b", 1))


def machine(hw: System, **options: Any) -> Machine:
    made = mapping.make(PAIR, hw, **{k: v for k, v in options.items() if k == "clusters_per_pipeline"})
    return lower_machine(
        hw, made, Needs(SLOTS, options.get("in_flight", "auto"), options.get("steals", False))
    )


def test_every_field_of_a_machine() -> None:
    hw = System(
        1, 3, tbus=2, cbus=5, tbu_speed=[0.5, 2.0], dead_tbus=[5], switch_cycles=1, reload_cycles=2,
        reload_bytes_per_cycle=2.5, local_bytes_per_cycle=0.5, local_latency_cycles=3,
        link_bytes_per_cycle=8, link_latency_cycles=4, decision_cycles=6, epoch_cycles=7,
        report_bytes=8, control_bytes=9, spill_slots=10,
    )  # fmt: skip
    made = machine(hw, in_flight=11)
    assert made.tbu_cluster.tolist() == [0, 0, 1, 1, 2, 2]
    assert made.cluster_tbu.tolist() == [0, 2, 4, 6]
    assert made.tbu_task.tolist() == [0, 1, 0, 0, 1, -1]
    assert made.tbu_dead.tolist() == [0, 0, 0, 0, 0, 1]
    assert made.tbu_speed.tolist() == [0.5, 2.0] * 3
    assert made.tbu_resident.tolist() == [[0, 1], [1, 0], [0, -1], [0, -1], [1, -1], [-1, -1]]
    assert made.cluster_cbus.tolist() == [5] * 3 and made.cluster_spill.tolist() == [10] * 3
    assert made.cluster_pipeline.tolist() == [0, 1, 1]
    assert made.pipeline_home.tolist() == [0, 1] and made.pipeline_window.tolist() == [11, 11]
    assert made.cluster_group.tolist() == [0, 1, 1]
    assert made.link_cluster.reshape(3, 4).tolist() == [[-1, 1, -1, -1], [0, 2, -1, -1], [1, -1, -1, -1]]
    assert set(made.link_latency) == {4} and set(made.link_bytes) == {8} and set(made.link_cycles) == {1}
    assert made.route_port.shape == (0, 0)
    assert (made.n_rows, made.n_cols, made.torus) == (1, 3, 0)
    assert (made.local_bytes, made.local_cycles, made.local_latency) == (1, 2, 3)
    assert (made.reload_rate_bytes, made.reload_rate_cycles) == (5, 2)
    assert (made.decision_cycles, made.switch_cycles, made.reload_cycles) == (6, 1, 2)
    assert (made.epoch, made.surplus_after, made.report_bytes, made.control_bytes) == (7, 7, 8, 9)


def test_defaults_that_depend_on_the_mapping() -> None:
    made = machine(System(1, 3, tbus=2, dead_tbus=[5], surplus_after_cycles=3))
    assert made.pipeline_window.tolist() == [8, 12]
    assert made.cluster_spill.tolist() == [6, 4, 2]  # one slot total for each station of the cluster
    assert made.surplus_after == 3
    assert machine(System(1, 1), in_flight=None).pipeline_window.tolist() == [-1]
    assert machine(System(1, 2, tbus=2, tbu_speed=[1, 2, 3, 4])).tbu_speed.tolist() == [1, 2, 3, 4]


def test_links_between_dies_have_their_own_numbers() -> None:
    hw = System(
        2,
        3,
        torus=True,
        die=(2, 2),
        link_latency_cycles=2,
        die_link_latency_cycles=7,
        die_link_bytes_per_cycle=1.5,
    )
    made = machine(hw)
    latency = made.link_latency.reshape(6, 4)
    assert latency[0].tolist() == [7, 2, 2, 2]  # west: round the torus to column 2, in the other die
    assert latency[1].tolist() == [2, 7, 2, 2]
    assert latency[2].tolist() == [7, 7, 2, 2]
    assert made.link_bytes.reshape(6, 4)[1].tolist() == [0, 3, 0, 0]
    assert made.link_cycles.reshape(6, 4)[1].tolist() == [1, 2, 1, 1]


def distances(hw: System) -> dict[int, dict[int, int]]:
    """Return the hops between all clusters over live links, by networkx."""
    link = faults.links(hw).reshape(-1, 4)
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(hw.n_cluster))
    graph.add_edges_from(
        (c, int(link[c, p])) for c in range(hw.n_cluster) for p in range(4) if link[c, p] >= 0
    )
    return dict(networkx.all_pairs_shortest_path_length(graph))


def best_port(hw: System, far: dict[int, dict[int, int]], at: int, to: int) -> int:
    """Return the lowest-numbered port on a shortest path (rule 7.2)."""
    link = faults.links(hw).reshape(-1, 4)
    return next(
        p for p in range(4) if link[at, p] >= 0 and far[int(link[at, p])].get(to, 10**9) == far[at][to] - 1
    )


@given(st.integers(1, 5), st.integers(1, 5), st.booleans())
def test_computed_routes_take_the_lowest_port_of_a_shortest_path(rows: int, cols: int, torus: bool) -> None:
    hw = System(rows, cols, torus=torus)
    far = distances(hw)
    n = hw.n_cluster
    pairs = [(a, b) for a in range(n) for b in range(n) if a != b]
    at, to = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    assert lower_routes.next_port(hw, at, to).tolist() == [best_port(hw, far, a, b) for a, b in pairs]
    assert lower_routes.n_links(hw) == np.count_nonzero(faults.links(hw) >= 0)


machines = st.builds(
    System,
    st.integers(1, 4),
    st.integers(1, 4),
    torus=st.booleans(),
    link_fault_rate=st.sampled_from([0.0, 0.1, 0.3]),
    fault_seed=st.integers(0, 100),
)


@given(machines, st.integers(1, 4), st.booleans(), st.sampled_from([3, 2**24]))
def test_tables_and_groups_against_a_naive_search(hw: System, size: int, steals: bool, batch: int) -> None:
    n = hw.n_cluster
    link = faults.links(hw)
    members = [np.arange(first, min(n, first + size)) for first in range(0, n, size)]
    far = distances(hw)
    pairs = [(int(a), int(b)) for group in members for a in group for b in group if a != b]
    broken = [(a, b) for a, b in pairs if b not in far[a]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lower_routes, "BATCH", batch)
        if broken:
            with pytest.raises(ModelError, match="no path from cluster"):
                lower_routes.routing_table(hw, link, members, steals)
            return
        table = lower_routes.routing_table(hw, link, members, steals)
        groups = lower_routes.groups(hw, link, table, members, steals)
    whole = np.count_nonzero(link >= 0) == lower_routes.n_links(hw)
    if whole or not (pairs or steals):
        assert table.shape == (0, 0)
    else:
        for at, to in pairs:
            here = at
            while here != to:
                assert table[here, to] == best_port(hw, far, here, to)
                here = int(link[4 * here + table[here, to]])
        if steals:
            for at in range(n):
                for to in range(n):
                    reached = at != to and to in far[at]
                    assert table[at, to] == (best_port(hw, far, at, to) if reached else -1)
    graph = networkx.Graph()
    graph.add_nodes_from(range(n))
    for at, to in pairs:
        here = at
        while here != to:
            following = int(link[4 * here + best_port(hw, far, here, to)])
            graph.add_edge(here, following)
            here = following
    if steals:
        graph.add_edges_from((i // 4, int(link[i])) for i in range(4 * n) if link[i] >= 0)
    expected = {c: min(part) for part in networkx.connected_components(graph) for c in part}
    lowest = sorted(set(expected.values()))
    assert groups.tolist() == [lowest.index(expected[c]) for c in range(n)]


def test_routes_go_round_a_dead_link() -> None:
    hw = System(2, 2, tbus=1, dead_links=[(0, 1)])
    made = machine(hw, clusters_per_pipeline=2)
    assert made.cluster_pipeline.tolist() == [0, 0, 1, 1]
    assert made.route_port[0, 1] == SOUTH and made.route_port[2, 1] == EAST and made.route_port[3, 1] == NORTH
    assert made.route_port[1, 0] == SOUTH and made.route_port[3, 0] == WEST and made.route_port[2, 0] == NORTH
    assert made.cluster_group.tolist() == [0] * 4
    assert made.link_cluster[4 * 0 + EAST] == -1


def test_pipelines_that_fall_apart_are_refused() -> None:
    hw = System(1, 2, tbus=1, dead_links=[(0, 1)])
    with pytest.raises(
        ModelError, match="no path from cluster 1 to cluster 0.*between the clusters of a pipeline"
    ):
        machine(hw)


def test_tables_that_would_be_huge_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lower_routes, "MAX_TABLE", 8)
    with pytest.raises(ModelError, match="at most 2 clusters where links are dead"):
        machine(System(1, 3, tbus=1, dead_links=[(0, 1)]))


def test_one_pipeline_over_the_whole_machine_is_one_group() -> None:
    made = machine(System(3, 3, tbus=1), clusters_per_pipeline=9)
    assert made.cluster_group.tolist() == [0] * 9
    alone = machine(System(3, 3, tbus=2))
    assert alone.cluster_group.tolist() == list(range(9))
    assert machine(System(3, 3, tbus=2), steals=True).cluster_group.tolist() == [0] * 9
