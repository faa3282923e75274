"""The reference's mesh: links, paths, reports and the choice of a cluster (rule 7)."""

from __future__ import annotations

from fractions import Fraction

from octomodel.errors import RunError
from octomodel.policies import POLICIES
from octomodel.testing.reference_state import HOP, REPORT, Cluster, Message, Request, Station
from octomodel.testing.reference_world import World, cycles_for


def send(world: World, cluster: Cluster, message: Message) -> None:
    """Let a message join the queue of the next link on its path, now (rules 7.1 and 7.2)."""
    port = _port(world, cluster, message.target)
    link = cluster.links[port]
    begin = max(world.now, link.free)
    link.free = begin + cycles_for(message.size, link.rate)
    arrival = link.free + link.latency
    if world.step:
        arrival = -(-arrival // world.step) * world.step
    link.messages += 1
    link.bytes += message.size
    link.wait += begin - world.now
    link.services.append((begin, link.free))
    if message.token is not None:
        token = message.token
        world.record((HOP, token.request.number, token.node, 0, port, cluster.index, begin, arrival))
    # The opposite port is the side on which it arrives.
    world.clusters[link.to].inbox[port ^ 1].append((arrival, message))
    world.schedule(arrival, link.to)


def _port(world: World, cluster: Cluster, target: int) -> int:
    distance = world.hops[cluster.index][target]
    for port, link in enumerate(cluster.links):
        if link.to >= 0 and world.hops[link.to][target] == distance - 1:
            return port
    raise RunError(f"no path from cluster {cluster.index} to cluster {target}")


def route(world: World, cluster: Cluster, request: Request, task: int) -> int:
    """Return the cluster in which a token of a request, now in a cluster, will run a TB (rule 7.3)."""
    candidates = world.pipelines[request.pipeline].candidates[task]
    if len(candidates) == 1:
        return candidates[0]
    hops = world.hops[cluster.index]
    if world.rules.route is POLICIES["jsq"].route:
        return min(candidates, key=lambda c: (_load(world, cluster, c, task), hops[c], c))
    return min(candidates, key=lambda c: (hops[c], -_view(world, cluster, c, task)[0], c))


def _load(world: World, cluster: Cluster, other: int, task: int) -> Fraction:
    owners = len(world.clusters[other].stations[task].owners)
    return Fraction(_view(world, cluster, other, task)[1], owners)


def _view(world: World, cluster: Cluster, other: int, task: int) -> tuple[int, int]:
    """Return the free slots and the tokens present of a station, as a cluster knows them."""
    if other == cluster.index:
        return _station_view(cluster, cluster.stations[task])
    if other in cluster.known:
        return cluster.known[other][task]
    station = world.clusters[other].stations[task]
    return station.slots if station.slots else len(station.owners), 0


def _station_view(cluster: Cluster, station: Station) -> tuple[int, int]:
    busy = sum(1 for tbu in cluster.tbus if not tbu.dead and not tbu.idle and tbu.task == station.task)
    present = station.occupied + len(station.line) + len(station.recirculation) + busy
    return station.free_slots(), present


def send_reports(world: World, cluster: Cluster) -> None:
    """Tell the other clusters of the pipeline what is free and what is present here (rule 7.4)."""
    if cluster.pipeline is None or not cluster.pipeline.reports:
        return
    report = {task: _station_view(cluster, station) for task, station in cluster.stations.items()}
    for other in cluster.pipeline.clusters:
        if other != cluster.index:
            message = Message(REPORT, other, world.report_bytes, sender=cluster.index, report=report)
            send(world, cluster, message)
