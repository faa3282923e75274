"""A TBU takes a token, prepares, runs it and lets it go (rules 4.5, 5 and 6.5)."""

from __future__ import annotations

from . import lists
from ._jit import inlined, jit
from .account import due_push, enter, record
from .codes import (
    BY_SPILL,
    BY_TBU,
    CHANGING,
    EVENT_EXECUTION,
    IDLE,
    LENT,
    OWN,
    PREPARING,
    RELOADING,
    RUNNING,
    SWITCHING,
)
from .heap import cancel, schedule
from .owners import end_change, hold, idle
from .residents import replace, take_port, victim
from .traverse import cycles_for
from .walk import advance_one, advance_output
from .world import World


def _lowest_idle(w: World, station_number: int) -> int:
    """Return the lowest-numbered idle unreserved owner of a station that has one: the last, when no other is.

    In: owner, station, tbu.
    """
    station = w.station[station_number]
    last = station.owner + station.owners - 1
    for place in range(station.owner, last):
        tbu = w.tbu[w.owner[place]]
        if tbu.state == IDLE and tbu.reserved < 0:
            return int(w.owner[place])
    return int(w.owner[last])


lowest_idle = inlined(_lowest_idle)


def _leave_fresh(w: World, station_number: int, t: int) -> int:
    """Take the oldest fresh ready token out of a station's queue; its slot is free at once (rule 4.5).

    In: token. In-out: station.
    """
    station = w.station[station_number]
    token = lists.pop(w, 3 * station_number + lists.FRESH)
    station.queue_integral += station.fresh_len * (t - station.queue_since)
    station.queue_since = t
    station.fresh_len -= 1
    station.fresh_taken += 1
    station.fresh_wait += t - w.token[token].since
    station.used -= 1
    if station.slots > 0 and station.line_len > 0:
        due_push(w, station_number)
    return token


leave_fresh = inlined(_leave_fresh)


def _take_from(w: World, c: int, t: int, u: int, station_number: int, home: int) -> None:
    """Let idle TBU ``u``, whose home is the station ``home``, take the next token of a station that has one:
    recirculated ones first (rule 4.5).

    In: ctl. In-out: station, tbu, token.
    """
    station = w.station[station_number]
    tbu = w.tbu[u]
    if station.again_len > 0 and tbu.reserved < 0:
        token = lists.pop(w, 3 * station_number + lists.AGAIN)
        station.again_len -= 1
        station.recirculation_taken += 1
        station.recirculation_wait += t - w.token[token].since
        w.token[token].mark = 0
    else:
        token = leave_fresh(w, station_number, t)
    if tbu.reserved < 0:
        w.station[home].idle -= 1
    tbu.reserved = -1
    tbu.token = token
    station.busy += 1
    prepare(w, c, t, u, station_number - c * w.ctl[0].n_task)


def _prepare(w: World, c: int, t: int, u: int, tb: int) -> None:
    """Let TBU ``u`` get ready for the configuration of the TB whose token it took; when that takes no time, run (rule
    5.3).

    In: ctl, resident, task. In-out: cluster, tbu.
    """
    ctl = w.ctl[0]
    tbu = w.tbu[u]
    tbu.tb = tb
    config = w.task[tb].config
    if config == tbu.config:
        begin(w, c, t, u, tb)
        return
    cluster = w.cluster[c]
    first = u * ctl.n_residents
    for place in range(first, first + ctl.n_residents):
        if w.resident[place].config == config:
            cluster.switches += 1
            wait(w, c, t, u, tb, SWITCHING, t + ctl.switch_cycles)
            return
        if w.resident[place].config == -2 - config:
            wait(w, c, t, u, tb, RELOADING, w.resident[place].used)
            return
    cluster.reloads += 1
    replace(w, c, victim(w, u, w.task[tbu.task].config), config, 0)
    wait(w, c, t, u, tb, RELOADING, take_port(w, c, t, tb))


def _wait(w: World, c: int, t: int, u: int, tb: int, state: int, until: int) -> None:
    """Let TBU ``u`` switch or reload for a TB until a cycle.

    In-out: tbu.
    """
    enter(w, u, t, state)
    if until == t:
        begin(w, c, t, u, tb)
    else:
        w.tbu[u].stage = PREPARING
        schedule(w, c, w.tbu[u].number, until)


def _begin(w: World, c: int, t: int, u: int, tb: int) -> None:
    """Begin the run of the token of a TB that TBU ``u`` took (rules 2.3, 5.5).

    In: ctl, task, token. In-out: resident, tbu.
    """
    ctl = w.ctl[0]
    tbu = w.tbu[u]
    task = w.task[tb]
    cycles = cycles_for(w.token[tbu.token].work, task.speedup * tbu.speed)
    tbu.config = task.config
    tbu.run_start = t
    tbu.stage = RUNNING
    enter(w, u, t, LENT if tbu.lent != 0 else OWN)
    if ctl.dispatch | ctl.rebalance != 0:
        for place in range(u * ctl.n_residents, (u + 1) * ctl.n_residents):
            if w.resident[place].config == tbu.config:
                w.resident[place].used = t
    schedule(w, c, tbu.number, t + cycles)


begin = jit(_begin)
wait = jit(_wait)
prepare = jit(_prepare)
take_from = inlined(_take_from)


def _finish(w: World, c: int, t: int, u: int) -> None:
    """End the run of TBU ``u``: its token advances, held by the TBU or, lent, by the spill store (rules 5.5, 6.5).

    In: edge_node, node, request, request_arrival, request_end. In-out: ctl, station, tbu, token. Out:
    request_milestone.
    """
    ctl = w.ctl[0]
    tbu = w.tbu[u]
    number = tbu.token
    token = w.token[number]
    node = w.node[token.node]
    request = w.request[token.request]
    station = w.station[c * ctl.n_task + node.task]
    visit = token.visit
    station.executions += 1
    station.run_cycles += t - tbu.run_start
    tbu.stage = 0
    ctl.executions += 1
    record(w, EVENT_EXECUTION, request.id, token.node, visit, tbu.number, c, tbu.run_start, t)
    if node.milestone >= 0 and visit == 1:
        milestone = node.milestone * len(w.request_end) + request.place
        w.request_milestone[milestone] = t - w.request_arrival[request.place]
    token.bytes = node.out_bytes
    token.node = w.edge_node[node.edge]
    if tbu.lent != 0:
        store = lists.new_token(w)
        spill = w.token[store]
        spill.mark = 1
        spill.node = tbu.places
        spill.time = t
        token.holder = BY_SPILL
        token.place = store
        token.key = BY_SPILL << 60 | tbu.number << 40
        station.busy -= 1
        idle(w, u, t)
        advance_one(w, c, t, number)
    else:
        token.holder = BY_TBU
        token.place = u
        token.key = BY_TBU << 60 | tbu.number << 40
        tbu.pending = 1
        tbu.control = 0
        advance_output(w, c, t, number)
        if tbu.pending > 0:
            hold(w, u, t)


finish = jit(_finish)


def _end_stage(w: World, c: int, t: int, number: int) -> None:
    """Phase 2 for one TBU: begin the run it prepared for, or finish the run it was in, or own what it reloaded
    (rules 3.3, 13.7).

    In: cluster, tbu.
    """
    cancel(w, c, number)
    u = w.cluster[c].tbu + number
    if w.tbu[u].stage == PREPARING:
        begin(w, c, t, u, w.tbu[u].tb)
    elif w.tbu[u].stage == CHANGING:
        end_change(w, c, t, u)
    else:
        finish(w, c, t, u)


end_stage = jit(_end_stage)
