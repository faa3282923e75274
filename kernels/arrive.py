"""What reaches a cluster: messages over the mesh, local transfers, new requests (rules 3.2, 3.6, 4.9, 6.6)."""

from __future__ import annotations

from . import lists
from ._jit import jit, rare
from .account import due_push
from .codes import ASK, BY_INGRESS, BY_SOURCE, CREDIT, REFUSE, REPORT, TOKEN
from .control import free_slots
from .execute import leave_fresh
from .link import join_link
from .model import JOIN
from .push import deliver, join_child, push, ready
from .quantile import sample
from .reports import note_report
from .rng import DOMAIN_ATTRIBUTE, draw, request_key
from .walk import advance, advance_one, next_arrival
from .world import World


def _ingress(w: World, c: int, t: int) -> None:
    """Phase 1: messages that arrive at ``t``, by side and age, then local transfers that end at ``t`` (rule 3.2).

    In: ctl, queue, token.
    """
    ctl = w.ctl[0]
    queue = ctl.cluster_queues + 4 * c + lists.INGRESS
    while w.queue[queue].head >= 0 and w.token[w.queue[queue].head].time == t:
        message = lists.pop(w, queue)
        if w.token[message].cluster != c:
            join_link(w, c, t, message)
        else:
            receive(w, c, t, message)
    queue = ctl.cluster_queues + 4 * c + lists.TRANSFERS
    while w.queue[queue].head >= 0 and w.token[w.queue[queue].head].time == t:
        deliver(w, c, t, lists.pop(w, queue))
        advance(w, c, t)


def _receive(w: World, c: int, t: int, message: int) -> None:
    """Take in a message that has reached its cluster.

    In-out: cluster, pipeline, token.
    """
    received = w.token[message]
    cluster = w.cluster[c]
    kind = received.kind
    if kind == TOKEN:
        if received.answer != 0:
            received.answer = 0
            cluster.asking = 0
        take_in(w, c, t, message)
        return
    if kind == ASK:
        answer(w, c, t, message)
        return
    if kind == CREDIT:
        w.pipeline[cluster.pipeline].in_flight -= 1
        next_arrival(w, c)
    elif kind == REPORT:
        note_report(w, c, message)
    else:
        cluster.asking = 0
    lists.free_token(w, message)


def _take_in(w: World, c: int, t: int, token: int) -> None:
    """Let a token from the mesh arrive at its join, its recirculation queue, or the line of its station (rules 4.8,
    4.9).

    In: ctl, node. In-out: cluster, station, token.
    """
    arrived = w.token[token]
    node = w.node[arrived.node]
    if node.kind == JOIN:
        join_child(w, token)
        advance(w, c, t)
        return
    station = c * w.ctl[0].n_task + node.task
    if arrived.mark != 0:
        ready(w, t, station, token)
        return
    cluster = w.cluster[c]
    cluster.ingress += 1
    cluster.ingress_max = max(cluster.ingress_max, cluster.ingress)
    arrived.holder = BY_INGRESS
    lists.insert(w, 3 * station + lists.LINE, token)
    w.station[station].line_len += 1
    if free_slots(w, station) > 0:
        due_push(w, station)


def _answer(w: World, c: int, t: int, message: int) -> None:
    """Answer a neighbour that asks for work: the oldest fresh token of the longest queue it has a station for, or no
    (rule 6.6).

    In: ctl, station. In-out: cluster, token.
    """
    ctl = w.ctl[0]
    asked = w.token[message]
    asker = asked.request
    best = -1
    longest = 1
    for task in range(ctl.n_task):
        station = w.station[c * ctl.n_task + task]
        theirs = w.station[asker * ctl.n_task + task]
        if theirs.mapped > 0 and station.slots > 0 and station.fresh_len > longest:
            longest = station.fresh_len
            best = task
    asked.cluster = asker
    if best < 0:
        asked.kind = REFUSE
        join_link(w, c, t, message)
        return
    lists.free_token(w, message)
    token = leave_fresh(w, c * ctl.n_task + best, t)
    w.cluster[c].steals += 1
    moved = w.token[token]
    moved.cluster = asker
    moved.holder = -1
    moved.answer = 1
    push(w, c, t, token)


answer = jit(_answer)
take_in = jit(_take_in)
receive = rare(_receive)
ingress = jit(_ingress)


def _admit(w: World, c: int, t: int) -> None:
    """Admit the next request of the pipeline whose home is cluster ``c`` (rule 3.6).

    In: attribute, attribute_values, cluster, knots, law, request_phase, source_request. In-out: ctl, pipeline,
    request, request_arrival. Out: attributes, token, visits.
    """
    ctl = w.ctl[0]
    cluster = w.cluster[c]
    pipeline = w.pipeline[cluster.pipeline]
    place = pipeline.next
    number = w.source_request[place]
    slot = ctl.free_request
    request = w.request[slot]
    ctl.free_request = request.next
    ctl.n_free_requests -= 1
    pipeline.next += 1
    pipeline.in_flight += 1
    pipeline.admitted += 1
    next_arrival(w, c)
    request.id = number
    request.place = place
    if ctl.closed != 0:
        w.request_arrival[place] = t
    pipeline.source_wait += t - w.request_arrival[place]
    request.key = request_key(ctl.seed_key, number)
    request.phase = w.request_phase[number] if len(w.request_phase) > 0 else 0
    request.pipeline = cluster.pipeline
    for node in range(slot * ctl.n_node, (slot + 1) * ctl.n_node):
        w.visits[node] = 0
    for i in range(ctl.n_attribute):
        attribute = w.attribute[i]
        if attribute.law < 0:
            value = w.attribute_values[attribute.first + number % attribute.count]
        else:
            law = w.law[attribute.law]
            u = draw(request.key, DOMAIN_ATTRIBUTE, i, 0, 0)
            value = sample(law.kind, law.offset, law.size, w.knots, u) / 65536.0
        w.attributes[slot * ctl.n_attribute + i] = value
    token = lists.new_token(w)
    first = w.token[token]
    first.kind = TOKEN
    first.request = slot
    first.node = 0
    first.bytes = ctl.in_bytes
    first.mark = 0
    first.holder = BY_SOURCE
    first.place = -1
    first.key = BY_SOURCE << 60 | number
    first.answer = 0
    first.routed = 0
    advance_one(w, c, t, token)


admit = jit(_admit)
