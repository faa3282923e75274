"""The mesh: the way of a message and the queue of every link (rules 7.1, 7.2, 7.6)."""

from __future__ import annotations

from . import lists
from ._jit import jit
from .account import record
from .codes import EVENT_HOP, TOKEN
from .heap import rise
from .model import EAST, NORTH, SOUTH, WEST
from .world import World


def _duration(n_bytes: int, rate_bytes: int, rate_cycles: int) -> int:
    """Return the cycles that ``n_bytes`` take at a rate, rounded up; 0 without a limit."""
    if rate_bytes == 0 or n_bytes == 0:
        return 0
    return (n_bytes * rate_cycles + rate_bytes - 1) // rate_bytes


duration = jit(_duration)


def _next_port(w: World, at: int, to: int) -> int:
    """Return the port of the next hop from cluster ``at`` to another cluster (rule 7.2).

    In: ctl, route_port.
    """
    ctl = w.ctl[0]
    if len(w.route_port) > 0:
        return int(w.route_port[at * ctl.n_cluster + to])
    columns = ctl.n_cols
    east = to % columns - at % columns
    south = to // columns - at // columns
    if ctl.torus != 0:
        # the way round that is shorter; west or north when they are equal, as the lower port
        east = east % columns
        if 2 * east >= columns:
            east -= columns
        south = south % ctl.n_rows
        if 2 * south >= ctl.n_rows:
            south -= ctl.n_rows
    if east != 0:
        return WEST if east < 0 else EAST
    return NORTH if south < 0 else SOUTH


next_port = jit(_next_port)


def _hops(w: World, at: int, to: int) -> int:
    """Return the number of links on the way from cluster ``at`` to cluster ``to``.

    In: link.
    """
    n = 0
    while at != to:
        at = w.link[4 * at + next_port(w, at, to)].cluster
        n += 1
    return n


hops = jit(_hops)


def _join_link(w: World, c: int, t: int, message: int) -> None:
    """Let a message join, at cycle ``t``, the queue of the link of cluster ``c`` on its way (rule 7.1).

    The link serves in the order of joining, so begin, end and arrival are known now; the arrival is at least one
    latency away.

    In: request. In-out: cluster, ctl, link, token.
    """
    ctl = w.ctl[0]
    token = w.token[message]
    port = next_port(w, c, token.cluster)
    link = w.link[4 * c + port]
    start = max(t, link.free)
    serving = duration(token.bytes, link.rate_bytes, link.rate_cycles)
    link.free = start + serving
    link.messages += 1
    link.bytes += token.bytes
    link.busy += serving
    link.wait += start - t
    arrival = link.free + link.latency
    if ctl.rounding > 0:
        arrival = (arrival + ctl.rounding - 1) // ctl.rounding * ctl.rounding
    if token.kind == TOKEN:
        request = w.request[token.request].id
        record(w, EVENT_HOP, request, token.node, 0, port, c, start, arrival)
    d = link.cluster
    cluster = w.cluster[d]
    token.time = arrival
    token.key = (port ^ 1) << 40 | cluster.ingress_order
    cluster.ingress_order += 1
    lists.insert(w, ctl.cluster_queues + 4 * d + lists.INGRESS, message)
    ctl.others = min(ctl.others, arrival)
    if arrival < cluster.next:
        cluster.next = arrival
        rise(w, d)


join_link = jit(_join_link)
