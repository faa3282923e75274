"""The ideal machine: one pool of TBUs, one queue, nothing on the way (rules 11)."""

from __future__ import annotations

from ._jit import entry, jit
from ._ref import ref
from .account import record
from .bare import Pool
from .codes import (
    BUDGET,
    DONE,
    EVENT_DECISION,
    EVENT_EXECUTION,
    GROW_REQUESTS,
    MAX_CYCLE,
    NEVER,
    STUCK,
    TIME_LIMIT,
    TOO_MANY_VISITS,
)
from .ideal_heaps import add_event, add_fresh, add_idle, take_event, take_fresh, take_idle
from .model import END, FORK, JOIN, SELECT, TASK
from .rng import request_key
from .traverse import choose_edge, cycles_for, draw_items, reach, set_out, work_of

NODE_BITS = 20  # of a token's key, request << NODE_BITS | node


def _drop_token(w: Pool, token: int) -> None:
    """Give a token back.

    In-out: ctl. Out: token.
    """
    ctl = w.ctl[0]
    w.token[token].next = ctl.free_token
    ctl.free_token = token


drop_token = jit(_drop_token)


def _split_token(w: Pool, token: int, chosen: bool) -> None:
    """Put the children of a FORK, or of a SELECT whose draws stand in ``drawn``, on the stack.

    In: drawn, edge_indptr, edge_node, node_join. In-out: ctl, token. Out: stack, visits.
    """
    ctl = w.ctl[0]
    parent = w.token[token]
    node = parent.node
    slot = parent.request
    first = w.edge_indptr[node]
    n = 0
    for edge in range(first, w.edge_indptr[node + 1]):
        if chosen and w.drawn[edge - first] == 0:
            continue
        child = token
        if n > 0:
            child = ctl.free_token
            ctl.free_token = w.token[child].next
            w.token[child].request = slot
        w.token[child].node = w.edge_node[edge]
        w.stack[ctl.stack] = child
        ctl.stack += 1
        n += 1
    w.visits[slot * ctl.n_node + w.node_join[node]] = n


split_token = jit(_split_token)


def _settle_choice(w: Pool, token: int, since: int) -> bool:
    """Let a decision about a token take effect; return whether the token goes on itself (rules 2.4, 11.4).

    In: ctl, edge_node, node_kind, request. In-out: decisions, token.
    """
    ctl = w.ctl[0]
    moving = w.token[token]
    request = w.request[moving.request]
    node = moving.node
    visit = moving.visit
    w.decisions[request.home] += 1
    record(w, EVENT_DECISION, request.id, node, visit, 0, request.home, since, ctl.now)  # type: ignore[arg-type]
    if w.node_kind[node] == SELECT:
        draw_items(w, moving.request, request.phase, request.key, node, visit)
        split_token(w, token, True)
        return False
    moving.node = w.edge_node[choose_edge(w, moving.request, request.phase, request.key, node, visit)]
    return True


settle_choice = jit(_settle_choice)


def _end_request(w: Pool, token: int) -> None:
    """End the request of a token and free its slot.

    In: token. In-out: ctl, request. Out: request_end.
    """
    ctl = w.ctl[0]
    slot = w.token[token].request
    request = w.request[slot]
    w.request_end[request.id] = ctl.now
    ctl.unfinished -= 1
    ctl.room += 1
    request.next = ctl.free_request
    ctl.free_request = slot
    drop_token(w, token)


end_request = jit(_end_request)


def _go_to(w: Pool, token: int) -> bool:
    """Let a token reach the node it is bound for; return whether it goes straight on to another.

    In: edge_indptr, edge_node, node_kind, request. In-out: ctl, token, visits.
    """
    ctl = w.ctl[0]
    moving = w.token[token]
    slot = moving.request
    node = moving.node
    kind = w.node_kind[node]
    if kind == JOIN:
        at = slot * ctl.n_node + node
        w.visits[at] -= 1
        if w.visits[at] > 0:
            drop_token(w, token)
            return False
        moving.node = w.edge_node[w.edge_indptr[node]]
        return True
    if kind == END:
        end_request(w, token)
        return False
    if kind == FORK:
        split_token(w, token, False)
        return False
    moving.visit = reach(w, slot, node)
    if moving.visit == 0:
        ctl.failed = 1
    moving.time = ctl.now
    if kind == TASK:
        # drawn here, while all of the request is at hand; the value is the same at the begin of the run
        request = w.request[slot]
        moving.work = work_of(w, slot, request.phase, request.key, node, moving.visit)
        moving.key = request.id << NODE_BITS | node
        add_fresh(w, token)
        return False
    if ctl.decision_cycles == 0:
        return settle_choice(w, token, ctl.now)
    moving.next = -1
    if ctl.deciding_head < 0:
        ctl.deciding_head = token
    else:
        w.token[ctl.deciding_tail].next = token
    ctl.deciding_tail = token
    return False


go_to = jit(_go_to)


def _go_on(w: Pool) -> None:
    """Let the tokens on the stack move on until they and all that comes of them have stopped.

    In: stack. In-out: ctl.
    """
    ctl = w.ctl[0]
    while ctl.stack > 0:
        ctl.stack -= 1
        token = w.stack[ctl.stack]
        while go_to(w, token):
            pass


go_on = jit(_go_on)


def _set_off(w: Pool, token: int) -> None:
    """Let a token move on from the node it is bound for.

    In-out: ctl. Out: stack.
    """
    ctl = w.ctl[0]
    w.stack[ctl.stack] = token
    ctl.stack += 1
    go_on(w)


set_off = jit(_set_off)


def _complete(w: Pool, rank: int) -> None:
    """End the run of a TBU; it is idle again, its token moves on.

    In: edge_indptr, edge_node, node_milestone, node_task, request_arrival, request_end. In-out: ctl, station, tbu,
    token. Out: request_milestone.
    """
    ctl = w.ctl[0]
    tbu = w.tbu[rank]
    token = tbu.token
    moving = w.token[token]
    node = moving.node
    request = moving.key >> NODE_BITS
    cycles = ctl.now - tbu.since
    station = w.station[tbu.cluster * ctl.n_task + w.node_task[node]]
    station.executions += 1
    station.run_cycles += cycles
    ctl.executions += 1
    record(w, EVENT_EXECUTION, request, node, moving.visit, tbu.number, tbu.cluster, tbu.since, ctl.now)  # type: ignore[arg-type]
    milestone = w.node_milestone[node]
    if milestone >= 0 and moving.visit == 1:
        w.request_milestone[milestone * len(w.request_end) + request] = ctl.now - w.request_arrival[request]
    tbu.own += cycles
    tbu.since = ctl.now
    tbu.token = -1
    add_idle(w, rank)
    moving.node = w.edge_node[w.edge_indptr[node]]
    set_off(w, token)


complete = jit(_complete)


def _let_in(w: Pool) -> None:
    """Admit the next request, for which there is a slot.

    In: request_phase, source_home, source_request. In-out: ctl, request, token. Out: request_arrival.
    """
    ctl = w.ctl[0]
    place = ctl.place
    number = w.source_request[place]
    slot = ctl.free_request
    request = w.request[slot]
    ctl.free_request = request.next
    ctl.place += 1
    ctl.room -= 1
    request.id = number
    request.key = request_key(ctl.seed_key, number)
    request.phase = w.request_phase[number] if len(w.request_phase) > 0 else 0
    request.home = w.source_home[place]
    w.request_arrival[number] = ctl.now
    set_out(w, slot, number, request.key)
    token = ctl.free_token
    ctl.free_token = w.token[token].next
    w.token[token].request = slot
    w.token[token].node = 0
    set_off(w, token)


let_in = jit(_let_in)


def _let_run(w: Pool, token: int, rank: int) -> None:
    """Let an idle TBU begin to run a token that it takes from the queue (rules 11.5, 11.6).

    In: ctl, node_task, task_speedup, token. In-out: station, tbu.
    """
    ctl = w.ctl[0]
    tbu = w.tbu[rank]
    taken = w.token[token]
    task = w.node_task[taken.node]
    spell = ctl.now - tbu.since
    starved = min(spell, ctl.surplus_after)
    tbu.starved += starved
    tbu.surplus += spell - starved
    station = w.station[tbu.cluster * ctl.n_task + task]
    station.fresh_taken += 1
    station.fresh_wait += ctl.now - taken.time
    tbu.token = token
    tbu.since = ctl.now
    add_event(w, ctl.now + cycles_for(taken.work, w.task_speedup[task] * tbu.speed), rank)


let_run = jit(_let_run)


def _serve(w: Pool) -> None:
    """Let idle TBUs take waiting tokens, those from earlier cycles first, while there are both (rule 11.5).

    In: token. In-out: ctl.
    """
    ctl = w.ctl[0]
    while ctl.idle > 0 and ctl.head >= 0:
        token = ctl.head
        ctl.head = w.token[token].next
        let_run(w, token, take_idle(w))
    while ctl.idle > 0 and ctl.fresh > 0:
        let_run(w, take_fresh(w), take_idle(w))


serve = jit(_serve)


def _file_fresh(w: Pool) -> None:
    """Put the tokens that became ready at the cycle now over, and still wait, at the end of the queue, by request and
    node.

    In-out: ctl. Out: token.
    """
    ctl = w.ctl[0]
    while ctl.fresh > 0:
        token = take_fresh(w)
        w.token[token].next = -1
        if ctl.head < 0:
            ctl.head = token
        else:
            w.token[ctl.tail].next = token
        ctl.tail = token


file_fresh = jit(_file_fresh)


def _next_due(w: Pool) -> int:
    """Return the next cycle at which anything is due.

    In: ctl, events, source_arrival, source_request, token.
    """
    ctl = w.ctl[0]
    t = NEVER
    if ctl.events > 0:
        t = w.events[0].cycle
    if ctl.deciding_head >= 0:
        t = min(t, w.token[ctl.deciding_head].time + ctl.decision_cycles)
    if ctl.place < len(w.source_request) and ctl.room > 0:
        t = min(t, max(ctl.now, w.source_arrival[ctl.place]))
    return int(t)


next_due = jit(_next_due)


def _round(w: Pool) -> int:
    """Do what is due at the present cycle once, in order; return GROW_REQUESTS when a request finds no slot, else DONE
    (rule 11.3).

    In: events, source_arrival, source_request, token. In-out: ctl.
    """
    ctl = w.ctl[0]
    while ctl.events > 0 and w.events[0].cycle == ctl.now:
        complete(w, take_event(w))
        ctl.budget -= 1
    while ctl.deciding_head >= 0 and w.token[ctl.deciding_head].time + ctl.decision_cycles == ctl.now:
        token = ctl.deciding_head
        ctl.deciding_head = w.token[token].next
        ctl.budget -= 1
        if settle_choice(w, token, w.token[token].time):
            set_off(w, token)
        else:
            go_on(w)
    while ctl.place < len(w.source_request) and ctl.room > 0 and w.source_arrival[ctl.place] <= ctl.now:
        if ctl.free_request < 0:
            return GROW_REQUESTS
        let_in(w)
        ctl.budget -= 1
    serve(w)
    return DONE


round_of = jit(_round)


def _advance_pool(state: Pool, budget: int) -> int:
    """Advance an ideal run by about ``budget`` executions, decisions and admissions; call again to go on.

    Returns DONE, BUDGET (call again), GROW_REQUESTS (enlarge the pools, call again), or a failure.
    """
    w = ref(state)
    ctl = w.ctl[0]
    ctl.budget = budget
    while ctl.budget > 0:
        t = next_due(w)
        if t >= NEVER:
            return STUCK if ctl.unfinished > 0 else DONE
        if t >= ctl.horizon:
            return DONE
        if t >= MAX_CYCLE:
            return TIME_LIMIT
        if t > ctl.now:
            file_fresh(w)
            ctl.now = t
        status = round_of(w)
        if ctl.failed != 0:
            return TOO_MANY_VISITS
        if status != DONE:
            return status
    return BUDGET


advance_pool = entry(_advance_pool)
