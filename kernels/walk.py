"""Tokens advance from node to node until each waits, travels or ends (rules 4.1, 8.3)."""

from __future__ import annotations

from . import lists
from ._jit import inlined, jit, rare
from .account import due_push, record
from .codes import BY_TBU, CREDIT, EVENT_DECISION, NEVER
from .control import choose_cluster, decide, free_slots, spread, visit, work
from .link import join_link
from .model import END, FORK, JOIN, TASK
from .owners import hold
from .push import push, release
from .rng import DOMAIN_TIME
from .world import World


def _next_arrival(w: World, c: int) -> None:
    """Set when home cluster ``c`` can next admit a request: never while its pipeline's window is full (rule 3.6).

    In: pipeline, request_arrival. In-out: cluster.
    """
    cluster = w.cluster[c]
    pipeline = w.pipeline[cluster.pipeline]
    if pipeline.next >= pipeline.end or (pipeline.window >= 0 and pipeline.in_flight >= pipeline.window):
        cluster.arrival = NEVER
    else:
        cluster.arrival = w.request_arrival[pipeline.next]


next_arrival = jit(_next_arrival)


def _end(w: World, c: int, t: int, token: int) -> None:
    """End the request of ``token`` and give its place in the window back (rule 8.3).

    In: cluster. In-out: ctl, group, pipeline, request, token. Out: request_end.
    """
    ctl = w.ctl[0]
    slot = w.token[token].request
    request = w.request[slot]
    release(w, c, t, token)
    w.request_end[request.place] = t
    group = w.group[w.cluster[c].group]
    group.unfinished -= 1
    group.last_end = max(group.last_end, t)
    pipeline = w.pipeline[request.pipeline]
    if pipeline.home == c:
        pipeline.in_flight -= 1
        next_arrival(w, c)
        lists.free_token(w, token)
    else:
        credit = w.token[token]
        credit.kind = CREDIT
        credit.cluster = pipeline.home
        credit.bytes = 0
        join_link(w, c, t, token)
    request.next = ctl.free_request
    ctl.free_request = slot
    ctl.n_free_requests += 1


end = jit(_end)


def _goes_in(w: World, c: int, t: int, token: int, station_number: int) -> bool:
    """Tell whether a token need not wait for phase 4 to enter a station: it finds a free slot and nobody in line, nothing
    that still happens before phase 4 comes first (rule 4.3), and nobody looks in between.

    In: cluster, ctl, queue, station, token.
    """
    station = w.station[station_number]
    if w.cluster[c].direct == 0 or w.token[token].holder != BY_TBU:
        return False
    if station.line_len > 0 or station.used >= station.slots:
        return False
    deciding = w.queue[w.ctl[0].cluster_queues + 4 * c + lists.DECIDING].head
    return bool(deciding < 0 or w.token[deciding].time > t)


def _reach_task(w: World, c: int, t: int, token: int) -> None:
    """Let ``token`` reach the TASK it is bound for: draw its work, choose its cluster, and let it go there or stand in line
    (rule 4.1).

    In: ctl, node. In-out: station, token.
    """
    moving = w.token[token]
    task = w.node[moving.node].task
    # drawn here, long before it is needed, so that no event waits for it
    moving.work = work(w, token, DOMAIN_TIME, visit(w, token))
    moving.cluster = c if moving.routed != 0 else choose_cluster(w, c, token, task)
    moving.routed = 0
    station = c * w.ctl[0].n_task + task
    if moving.cluster == c and moving.mark == 0:
        if not goes_in(w, c, t, token, station):
            moving.time = t
            lists.insert(w, 3 * station + lists.LINE, token)
            w.station[station].line_len += 1
            # whatever frees a slot later notes it itself
            if free_slots(w, station) > 0:
                due_push(w, station)
            return
        w.station[station].used += 1
    push(w, c, t, token)


def _step(w: World, c: int, t: int, token: int) -> bool:
    """Let ``token`` reach the node it is bound for, no TASK; return whether it goes straight on to another (rule 4.1).

    In: ctl, join, node, request. In-out: cluster, tbu, token.
    """
    ctl = w.ctl[0]
    moving = w.token[token]
    node = w.node[moving.node]
    kind = node.kind
    if kind == JOIN:
        moving.cluster = w.join[moving.request * ctl.n_join + node.join_number].cluster
        push(w, c, t, token)
        return False
    if kind == END:
        end(w, c, t, token)
        return False
    if kind == FORK:
        spread(w, c, token, False)
        return False
    visit_number = visit(w, token)
    if ctl.decision_cycles > 0:
        moving.time = t
        lists.insert(w, ctl.cluster_queues + 4 * c + lists.CONTROL_LINE, token)
        if moving.holder == BY_TBU:
            w.tbu[moving.place].control += 1
        return False
    w.cluster[c].decisions += 1
    record(w, EVENT_DECISION, w.request[moving.request].id, moving.node, visit_number, 0, c, t, t)
    return decide(w, c, token, visit_number)


goes_in = jit(_goes_in)
reach_task = inlined(_reach_task)
step = jit(_step)


def _go_on(w: World, c: int, t: int, token: int) -> None:
    """Let one token advance from the node it is bound for to where it stops.

    In: node, token.
    """
    while w.node[w.token[token].node].kind != TASK:
        if not step(w, c, t, token):
            return
    reach_task(w, c, t, token)


go_on = jit(_go_on)
go_on_here = inlined(_go_on)


def _advance(w: World, c: int, t: int) -> None:
    """Let the tokens on the stack advance, each with all that follows from it before the next (rule 4.1).

    In: stack. In-out: ctl.
    """
    ctl = w.ctl[0]
    while ctl.stack > 0:
        ctl.stack -= 1
        go_on(w, c, t, w.stack[ctl.stack])


advance = jit(_advance)


def _advance_one(w: World, c: int, t: int, token: int) -> None:
    """Let one token advance from the node it is bound for, and all that follows from it."""
    go_on(w, c, t, token)
    advance(w, c, t)


advance_one = inlined(_advance_one)


def _advance_output(w: World, c: int, t: int, token: int) -> None:
    """Let the output of a run advance, and all that follows from it: the way nearly every token goes, so it has code of its
    own.
    """
    go_on_here(w, c, t, token)
    advance(w, c, t)


advance_output = inlined(_advance_output)


def _decisions(w: World, c: int, t: int) -> None:
    """Phase 3: decisions that end at ``t`` take effect, then free CBUs begin with the tokens in line (rule 3.4).

    In: ctl, queue, request. In-out: cluster, tbu, token.
    """
    ctl = w.ctl[0]
    cluster = w.cluster[c]
    deciding = ctl.cluster_queues + 4 * c + lists.DECIDING
    line = ctl.cluster_queues + 4 * c + lists.CONTROL_LINE
    while w.queue[deciding].head >= 0 and w.token[w.queue[deciding].head].time == t:
        token = lists.pop(w, deciding)
        cluster.free_cbus += 1
        cluster.decisions += 1
        cluster.cbu_busy += ctl.decision_cycles
        decided = w.token[token]
        visit_number = decided.visit
        record(
            w,
            EVENT_DECISION,
            w.request[decided.request].id,
            decided.node,
            visit_number,
            0,
            c,
            decided.since,
            t,
        )
        tbu = decided.place if decided.holder == BY_TBU else -1
        if tbu >= 0:
            w.tbu[tbu].control -= 1
            if ctl.asks != 0:
                # seen as blocked by what is asked before the token finds its place
                hold(w, tbu, t)
        if decide(w, c, token, visit_number):
            advance_one(w, c, t, token)
        else:
            advance(w, c, t)
        if tbu >= 0 and w.tbu[tbu].pending > 0:
            hold(w, tbu, t)
    while cluster.free_cbus > 0 and w.queue[line].head >= 0:
        token = lists.pop(w, line)
        begun = w.token[token]
        begun.since = begun.time
        cluster.cbu_wait += t - begun.time
        begun.time = t + ctl.decision_cycles
        cluster.free_cbus -= 1
        lists.append(w, deciding, token)


decisions = rare(_decisions)
