"""The reference's mesh: links and paths (rules 7.1, 7.2 and 7.6)."""

from __future__ import annotations

from octomodel.errors import RunError
from octomodel.testing.reference_state import HOP, Cluster, Message
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
