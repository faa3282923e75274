"""The reference's plans: what a policy wants done each epoch, item by item (rules 13.5 to 13.10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octomodel.kernels.views import LOAD, OWN, Plan, Reports
from octomodel.policies import POLICIES
from octomodel.testing.reference_configs import begin_load, make_due, may_load
from octomodel.testing.reference_flow import start_transfer
from octomodel.testing.reference_octopus import octopus
from octomodel.testing.reference_reactive import reactive
from octomodel.testing.reference_reports import at_start
from octomodel.testing.reference_state import Cluster, Report, StationReport, Tbu
from octomodel.testing.reference_tbus import leave_queue
from octomodel.testing.reference_views import ask, column, view
from octomodel.testing.reference_world import World

_NO_STATION = StationReport(0, 0, 0, 0)


def rebalance(world: World, cluster: Cluster, function: Callable[[Any, Any, Any], None]) -> None:
    """Call a policy's ``rebalance`` and do what its plan says, in its order (rule 13.5)."""
    size = 4 * (max(len(c.tbus) for c in world.clusters) + len(world.graph.config))
    plan = Plan(np.zeros(1, np.int64), *(np.zeros(size, np.int64) for _ in range(5)))
    # the bundled policies are computed twice over: the kernel runs theirs, this runs what their rules say
    own_words = {POLICIES["reactive"].rebalance: reactive, POLICIES["octopus"].rebalance: octopus}
    chosen = own_words.get(function, function)
    ask(world, cluster, chosen, view(world, cluster, rebalancing=True), _reports(world, cluster), plan)
    wanted = int(plan.n[0])
    cluster.plan_refusals += max(0, wanted - size)
    for item in range(min(wanted, size)):
        kind, tbu, tb, port, tokens = (int(values[item]) for values in plan[1:])
        if kind == OWN:
            done = _own(world, cluster, _tbu(cluster, tbu), tb)
        elif kind == LOAD:
            done = _load(world, cluster, _tbu(cluster, tbu), tb)
        else:
            done = _move(world, cluster, tb, port, tokens)
        if not done:
            cluster.plan_refusals += 1


def _reports(world: World, cluster: Cluster) -> Reports:
    """Return what the neighbours said last, by port, as arrays (rule 13.6)."""
    tasks = range(len(world.graph.config))
    known = [_known(world, cluster, link.to) for link in cluster.links]

    def stations(field: str) -> NDArray[Any]:
        return column([[getattr(report.stations.get(task, _NO_STATION), field) for task in tasks] for report in known])

    return Reports(
        cluster=column([link.to for link in cluster.links]),
        sent=column([report.sent for report in known]),
        free=stations("free"),
        present=stations("present"),
        owners=stations("owners"),
        backlog=stations("backlog"),
        load=column([report.load for report in known], np.float64),
    )


def _known(world: World, cluster: Cluster, other: int) -> Report:
    nothing = [0.0] * len(world.graph.config)
    if other < 0:
        return Report(0, {}, nothing)
    if other in cluster.known:
        return cluster.known[other]
    return Report(0, {t: at_start(station) for t, station in world.clusters[other].stations.items()}, nothing)


def _tbu(cluster: Cluster, place: int) -> Tbu | None:
    """Return a live TBU with a home, by its number in the cluster."""
    tbu = cluster.tbus[place] if 0 <= place < len(cluster.tbus) else None
    return tbu if tbu is not None and not tbu.dead and tbu.home >= 0 else None


def _own(world: World, cluster: Cluster, tbu: Tbu | None, tb: int) -> bool:
    """Let a TBU change its home, unless refused (rule 13.7)."""
    if tbu is None or tbu.reserved is not None or tbu.next >= 0:
        return False
    if tb == tbu.home or tb not in cluster.stations:
        return False
    if all(owner is tbu or owner.next >= 0 for owner in cluster.stations[tbu.home].owners):
        return False
    tbu.next = tb
    config = world.graph.config[tb]
    if may_load(world, tbu, config):
        begin_load(world, cluster, tbu, config)
    else:
        make_due(world, cluster, tbu)
    return True


def _load(world: World, cluster: Cluster, tbu: Tbu | None, tb: int) -> bool:
    """Begin a background load, unless refused (rule 13.8)."""
    if tbu is None or tb not in cluster.stations or not may_load(world, tbu, world.graph.config[tb]):
        return False
    begin_load(world, cluster, tbu, world.graph.config[tb])
    return True


def _move(world: World, cluster: Cluster, tb: int, port: int, tokens: int) -> bool:
    """Send the oldest fresh ready tokens of a station to a neighbour, unless refused (rule 13.9)."""
    target = cluster.links[port].to if 0 <= port < len(cluster.links) else -1
    if target < 0 or tb not in cluster.stations or tb not in world.clusters[target].stations:
        return False
    station = cluster.stations[tb]
    if station.slots == 0 or tokens < 1 or not station.fresh:
        return False
    for token in list(station.fresh)[:tokens]:
        leave_queue(world, station, token)
        cluster.moves += 1
        cluster.moved_bytes += token.payload
        token.target = target
        start_transfer(world, cluster, token, world.now, world.local_delay(token.payload))
    return True
