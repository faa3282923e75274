"""A token leaves its holder: local transfer, arrival at a station, a join or a link (rules 4.4, 4.5, 4.8)."""

from __future__ import annotations

from . import lists
from ._jit import inlined, jit
from .account import due_take, record
from .codes import BY_INGRESS, BY_JOIN, BY_SPILL, BY_TBU, EVENT_TRANSFER
from .link import duration, join_link
from .model import JOIN, TASK
from .owners import idle
from .world import World


def _local_delay(w: World, n_bytes: int) -> int:
    """Return the cycles of one local transfer (rule 4.4).

    In: ctl.
    """
    ctl = w.ctl[0]
    return int(ctl.local_latency + duration(n_bytes, ctl.local_bytes, ctl.local_cycles))


local_delay = inlined(_local_delay)


def _release(w: World, c: int, t: int, token: int) -> None:
    """Let the holder of ``token`` go: a TBU is idle, and the places of a spill are free, when the last child has gone
    (rules 4.2, 6.5).

    In-out: cluster, tbu, token.
    """
    held = w.token[token]
    if held.holder == BY_TBU:
        tbu = w.tbu[held.place]
        tbu.pending -= 1
        if tbu.pending == 0:
            idle(w, held.place, t)
    elif held.holder == BY_SPILL:
        spill = w.token[held.place]
        spill.mark -= 1
        if spill.mark == 0:
            w.cluster[c].spill_free += spill.node
            lists.free_token(w, held.place)
    elif held.holder == BY_INGRESS:
        w.cluster[c].ingress -= 1


release = inlined(_release)


def _ready(w: World, t: int, station_number: int, token: int) -> None:
    """Let ``token`` wait, ready, in its station's queue (rule 4.5).

    In-out: cluster, station, token.
    """
    station = w.station[station_number]
    arrived = w.token[token]
    arrived.since = t
    if arrived.mark != 0:
        lists.append(w, 3 * station_number + lists.AGAIN, token)
        station.again_len += 1
    else:
        lists.append(w, 3 * station_number + lists.FRESH, token)
        station.queue_integral += station.fresh_len * (t - station.queue_since)
        station.queue_since = t
        station.fresh_len += 1
        station.queue_max = max(station.queue_max, station.fresh_len)
    w.cluster[arrived.cluster].news += 1
    if station.idle > 0 or station.slots == 0:
        due_take(w, station_number)


ready = inlined(_ready)


def _join_child(w: World, token: int) -> None:
    """Let a child arrive at its join; the last one becomes the joined token and advances next (rule 4.8).

    In: edge_node, node, request. In-out: ctl, join, token. Out: stack.
    """
    ctl = w.ctl[0]
    child = w.token[token]
    node = w.node[child.node]
    join = w.join[child.request * ctl.n_join + node.join_number]
    join.left -= 1
    join.bytes += child.bytes
    join.mark &= child.mark
    if join.left > 0:
        lists.free_token(w, token)
        return
    child.bytes = join.bytes
    child.mark = join.mark
    child.holder = BY_JOIN
    child.key = BY_JOIN << 60 | child.node << 40 | w.request[child.request].id
    child.node = w.edge_node[node.edge]
    # the TB after a join was routed when the fork executed
    child.routed = 1 if w.node[child.node].kind == TASK else 0
    w.stack[ctl.stack] = token
    ctl.stack += 1


join_child = jit(_join_child)


def _deliver(w: World, c: int, t: int, token: int) -> None:
    """Let ``token`` reach, at cycle ``t``, what it was pushed to: the first link, a join, or a station of cluster
    ``c``.

    In: ctl, node, token.
    """
    arrived = w.token[token]
    if arrived.cluster != c:
        join_link(w, c, t, token)
    elif w.node[arrived.node].kind == JOIN:
        join_child(w, token)
    else:
        ready(w, t, c * w.ctl[0].n_task + w.node[arrived.node].task, token)


deliver = inlined(_deliver)


def _push(w: World, c: int, t: int, token: int) -> None:
    """Push ``token`` out of its holder in cluster ``c`` towards its node in its cluster (rule 4.4).

    In: ctl, node, request. In-out: token.
    """
    ctl = w.ctl[0]
    pushed = w.token[token]
    delay = 0 if pushed.holder == BY_INGRESS else local_delay(w, pushed.bytes)
    begin = t
    if pushed.holder == BY_SPILL:
        # the way into the store may still be under way (rule 6.5)
        begin = max(t, w.token[pushed.place].time + delay)
    arrival = begin + delay
    release(w, c, t, token)
    if arrival == t:
        deliver(w, c, t, token)
    else:
        visit = 0 if w.node[pushed.node].kind == JOIN else pushed.visit
        record(w, EVENT_TRANSFER, w.request[pushed.request].id, pushed.node, visit, 0, pushed.cluster, begin, arrival)
        pushed.time = arrival
        pushed.key = begin
        lists.insert(w, ctl.cluster_queues + 4 * c + lists.TRANSFERS, token)


push = inlined(_push)
