"""One cluster through one cycle, phase by phase in the documented order (rule 3)."""

from __future__ import annotations

from . import lists
from ._functions import RAISED, call
from ._jit import jit, rare
from .arrive import admit, ingress
from .codes import ASK, BLOCKED, DISPATCH_RAISED, IDLE, LENT, NEVER, NO_EVENT, OWN, TBU_BITS, TBU_MASK
from .control import free_slots
from .execute import end_stage, lowest_idle, take_from
from .heap import first
from .link import join_link
from .owners import is_over
from .push import push
from .rebalance import end_loads, rebalance
from .reports import send_reports
from .residents import held, victim
from .views import ASK_NEIGHBOUR, NOTHING
from .walk import decisions
from .world import World


def _grant(w: World, c: int, t: int, station_number: int) -> None:
    """Grant slots of one station to the head of its line while both are there (rules 3.5, 4.3, 4.10).

    In-out: station, token. Out: tbu.
    """
    station = w.station[station_number]
    while station.line_len > 0 and free_slots(w, station_number) > 0:
        token = lists.pop(w, 3 * station_number + lists.LINE)
        station.line_len -= 1
        station.line_wait += t - w.token[token].time
        station.used += 1
        if station.slots == 0:
            u = lowest_idle(w, station_number)
            w.tbu[u].reserved = token
            w.token[token].owner = u
            station.idle -= 1
        push(w, c, t, token)


grant = jit(_grant)


def _pushes(w: World, c: int, t: int) -> None:
    """Phase 4: look once, by TB, at every line that may have moved; what becomes due behind that waits for the next
    round.

    In-out: ctl, due_push. Out: station.
    """
    ctl = w.ctl[0]
    at = -1
    while True:
        place = 0
        while place < ctl.push_n and w.due_push[place] <= at:
            place += 1
        if place == ctl.push_n:
            return
        at = w.due_push[place]
        ctl.push_n -= 1
        for i in range(place, ctl.push_n):
            w.due_push[i] = w.due_push[i + 1]
        w.station[at].push_due = 0
        grant(w, c, t, at)


pushes = jit(_pushes)


def _hand_out(w: World, c: int, t: int) -> None:
    """Phase 6, pass 1: stations by TB hand their ready tokens to their idle owners by index (rule 3.7).

    In: due_take, queue, token. In-out: ctl, station.
    """
    ctl = w.ctl[0]
    for place in range(ctl.take_n):
        number = w.due_take[place]
        station = w.station[number]
        station.take_due = 0
        # idle owners first: with one of them the loops end as the processor expects
        while station.idle > 0 and station.again_len > 0:
            take_from(w, c, t, lowest_idle(w, number), number, number)
        if station.slots == 0:
            while station.fresh_len > 0:
                take_from(w, c, t, w.token[w.queue[3 * number + lists.FRESH].head].owner, number, number)
        else:
            while station.idle > 0 and station.fresh_len > 0:
                take_from(w, c, t, lowest_idle(w, number), number, number)
    ctl.take_n = 0


hand_out = jit(_hand_out)


def _lend(w: World, c: int, t: int) -> None:
    """Phase 6, pass 2: ask the policy for every TBU still idle that has news since last asked (rules 6.2, 6.3).

    In: cluster. In-out: ctl, tbu.
    """
    ctl = w.ctl[0]
    cluster = w.cluster[c]
    for u in range(cluster.tbu, cluster.tbu_end):
        tbu = w.tbu[u]
        if tbu.state != IDLE or tbu.reserved >= 0 or tbu.task < 0 or tbu.asked == cluster.news:
            continue
        tbu.asked = cluster.news
        answer = call(w, ctl.dispatch, c, tbu.number)
        if answer == ASK_NEIGHBOUR:
            ask(w, c, t)
        elif answer == RAISED:
            ctl.failed = DISPATCH_RAISED
            ctl.failed_cluster = c
            ctl.failed_at = tbu.number
            return
        elif answer != NOTHING:
            lend_to(w, c, t, u, answer)


def _lend_to(w: World, c: int, t: int, u: int, task: int) -> None:
    """Let TBU ``u`` run the next token of another TB, unless that is refused (rule 6.3).

    In: ctl, node, station, task. In-out: cluster, tbu.
    """
    ctl = w.ctl[0]
    cluster = w.cluster[c]
    tbu = w.tbu[u]
    if task < 0 or task >= ctl.n_task or task == tbu.task:
        cluster.refusals += 1
        return
    station = w.station[c * ctl.n_task + task]
    places = w.node[w.task[task].node].fan_out
    if station.fresh_len + station.again_len == 0 or cluster.spill_free < places or not has_place(w, u, task):
        cluster.refusals += 1
        return
    cluster.lendings += 1
    cluster.spill_free -= places
    cluster.spill_max = max(cluster.spill_max, cluster.spill_slots - cluster.spill_free)
    tbu.lent = 1
    tbu.special = 1
    tbu.places = places
    take_from(w, c, t, u, c * ctl.n_task + task, c * ctl.n_task + tbu.task)


def _has_place(w: World, u: int, task: int) -> bool:
    """Tell whether TBU ``u`` holds the configuration of a TB or has a place for it (rules 6.3 and 13.8).

    In: task, tbu.
    """
    config = w.task[task].config
    return bool(held(w, u, config) or victim(w, u, w.task[w.tbu[u].task].config) >= 0)


has_place = jit(_has_place)
lend_to = jit(_lend_to)


def _ask(w: World, c: int, t: int) -> None:
    """Ask the next neighbour for a token, unless an answer is outstanding (rule 6.6).

    In: ctl, link. In-out: cluster. Out: token.
    """
    ctl = w.ctl[0]
    cluster = w.cluster[c]
    if cluster.asking != 0:
        return
    for i in range(4):
        port = (cluster.ask_port + i) & 3
        neighbour = w.link[4 * c + port].cluster
        if neighbour >= 0:
            message = lists.new_token(w)
            asked = w.token[message]
            asked.kind = ASK
            asked.cluster = neighbour
            asked.request = c
            asked.bytes = ctl.control_bytes
            cluster.ask_port = (port + 1) & 3
            cluster.asking = 1
            cluster.asks += 1
            join_link(w, c, t, message)
            return


ask = jit(_ask)
lend = rare(_lend)


def _next_cycle(w: World, c: int, t: int) -> int:
    """Return the next cycle at which cluster ``c`` has anything due but its epoch hook: ``t``, the present one, while
    another round would change something (rule 3.1).

    In: cluster, ctl, queue, token.
    """
    ctl = w.ctl[0]
    cluster = w.cluster[c]
    if ctl.push_n > 0 or ctl.take_n > 0:
        return t
    queues = ctl.cluster_queues + 4 * c
    if ctl.decision_cycles > 0 and cluster.free_cbus > 0 and w.queue[queues + lists.CONTROL_LINE].head >= 0:
        return t
    following = cluster.arrival
    if first(w, c) < NO_EVENT:
        following = min(following, first(w, c) >> TBU_BITS)
    deciding, transfer = w.queue[queues + lists.DECIDING].head, w.queue[queues + lists.TRANSFERS].head
    message = w.queue[queues + lists.INGRESS].head
    if deciding & transfer & message >= 0:
        for head in (deciding, transfer, message):
            if head >= 0:
                following = min(following, w.token[head].time)
    if ctl.rebalance != 0 and w.queue[ctl.load_queues + c].head >= 0:
        following = min(following, w.token[w.queue[ctl.load_queues + c].head].time)
    return int(max(following, t))


next_cycle = jit(_next_cycle)


def _rounds(w: World, c: int, t: int, until: int) -> int:
    """Repeat the phases of cycle ``t`` until a round would change nothing (rule 3.1), then those of every later cycle
    before ``until`` for which the budget suffices; return the next cycle.

    In: cluster, queue. In-out: ctl.
    """
    ctl = w.ctl[0]
    cluster = w.cluster[c]
    queues = ctl.cluster_queues + 4 * c
    while True:
        # of two heads both are -1 when this is
        if w.queue[queues + lists.TRANSFERS].head & w.queue[queues + lists.INGRESS].head >= 0:
            ingress(w, c, t)
        if ctl.rebalance != 0:
            end_loads(w, c, t)
        while first(w, c) >> TBU_BITS == t:
            end_stage(w, c, t, first(w, c) & TBU_MASK)
        if ctl.decision_cycles > 0:
            decisions(w, c, t)
        if ctl.push_n > 0:
            pushes(w, c, t)
        if cluster.arrival <= t:
            while cluster.arrival <= t:
                admit(w, c, t)
            pushes(w, c, t)
        hand_out(w, c, t)
        if ctl.dispatch != 0 and not is_over(w, c, t):
            lend(w, c, t)
            if ctl.failed != 0:
                return t
        following = next_cycle(w, c, t)
        if following > t:
            if following >= until or ctl.budget <= 1:
                return following
            ctl.budget -= 1
            t = following
            ctl.now = t


rounds = jit(_rounds)


def _sample_stations(w: World, c: int, t: int) -> None:
    """Note of every station of cluster ``c`` what waits there, what has become ready so far, how many own it and what they
    do (rule 9.5).

    In: cluster, ctl, station, tbu. In-out: sample.
    """
    ctl = w.ctl[0]
    cluster = w.cluster[c]
    first = ((t // (ctl.epoch * ctl.epoch_stride) - 1) * ctl.n_cluster + c) * ctl.n_task
    for task in range(ctl.n_task):
        station = w.station[c * ctl.n_task + task]
        sample = w.sample[first + task]
        sample.backlog = station.fresh_len + station.again_len
        # nothing leaves a queue without being counted as taken
        sample.arrived = station.fresh_taken + station.recirculation_taken + sample.backlog
        sample.owners = station.owners
        sample.wanting = station.line_len
        sample.running = 0
        sample.owners_idle = 0
        sample.owners_blocked = 0
    for u in range(cluster.tbu, cluster.tbu_end):
        tbu = w.tbu[u]
        if tbu.state == OWN or tbu.state == LENT:
            w.sample[first + tbu.tb].running += 1
        elif tbu.state == IDLE and tbu.task >= 0:
            w.sample[first + tbu.task].owners_idle += 1
        elif tbu.state == BLOCKED:
            w.sample[first + tbu.task].owners_blocked += 1


sample_stations = jit(_sample_stations)


def _cycle(w: World, c: int, t: int, until: int) -> int:
    """Let cluster ``c`` do all that is due at cycle ``t``, and at the later ones before ``until``, no epoch hook among
    them; return when it next has anything due. Cost follows what is due, not the size of the cluster.

    In: group, pipeline. In-out: cluster, ctl.
    """
    ctl = w.ctl[0]
    ctl.now = t
    cluster = w.cluster[c]
    following = rounds(w, c, t, until)
    if cluster.hook == t:
        group = w.group[cluster.group]
        if group.unfinished > 0 or group.last_end >= t:
            between = ctl.epoch * ctl.epoch_stride  # samples
            if t <= ctl.last_sample and t % between == 0:
                sample_stations(w, c, t)
            if ctl.rebalance != 0:
                rebalance(w, c, t)
            send_reports(w, c, t)
            cluster.news += 1
            goes_on = ctl.dispatch | ctl.rebalance != 0
            needed = goes_on or w.pipeline[cluster.pipeline].reports != 0
            if needed:
                cluster.hook = t + ctl.epoch
            else:
                cluster.hook = t + between if t < ctl.last_sample else NEVER
            if goes_on and ctl.failed == 0:
                following = rounds(w, c, t, t)
        else:
            cluster.hook = NEVER
    return int(min(following, cluster.hook))


cycle = jit(_cycle)
