"""The epoch hook of a policy with ``rebalance``: its plan, and what the plan sets off (rules 13.5 to 13.10)."""

from __future__ import annotations

from . import lists
from ._functions import RAISED, call
from ._jit import jit, rare
from .codes import IDLE, REBALANCE_RAISED
from .execute import leave_fresh
from .owners import begin_change, is_over
from .push import push
from .residents import held, place_for_load, replace, take_port
from .views import LOAD, OWN
from .world import World


def _due(w: World, c: int, t: int, u: int) -> None:
    """Let the change of home of TBU ``u`` be due: it begins when the TBU is idle (rule 13.7).

    In-out: tbu.
    """
    tbu = w.tbu[u]
    tbu.change = tbu.next
    tbu.special = 1
    if tbu.state == IDLE and tbu.reserved < 0:
        begin_change(w, c, t, u)


due = jit(_due)


def _begin_load(w: World, c: int, t: int, u: int, task: int, place: int) -> None:
    """Begin to load the configuration of TB ``task`` into a place of TBU ``u`` in the background (rule 13.8).

    In: ctl, task. In-out: cluster. Out: resident, token.
    """
    cluster = w.cluster[c]
    cluster.background_loads += 1
    cluster.hidden_reload_cycles += w.task[task].reload
    end = take_port(w, c, t, task)
    replace(w, c, place, -2 - w.task[task].config, 1)
    w.resident[place].used = end
    message = lists.new_token(w)
    w.token[message].time = end
    w.token[message].holder = u
    w.token[message].place = place
    lists.append(w, w.ctl[0].load_queues + c, message)


begin_load = jit(_begin_load)


def _end_loads(w: World, c: int, t: int) -> None:
    """Begin phase 2: background loads that end at ``t`` leave their configurations resident (rule 13.8).

    In: ctl, queue, task, tbu, token. In-out: resident.
    """
    queue = w.ctl[0].load_queues + c
    while w.queue[queue].head >= 0 and w.token[w.queue[queue].head].time == t:
        message = lists.pop(w, queue)
        u = w.token[message].holder
        resident = w.resident[w.token[message].place]
        lists.free_token(w, message)
        resident.config = -2 - resident.config
        resident.used = -1
        tbu = w.tbu[u]
        if not is_over(w, c, t) and tbu.next >= 0 and tbu.change < 0 and w.task[tbu.next].config == resident.config:
            due(w, c, t, u)


end_loads = rare(_end_loads)


def _may_change(w: World, c: int, number: int, task: int) -> bool:
    """Tell whether number ``number`` of cluster ``c`` is a TBU with a home, and TB ``task`` has a station there.

    In: cluster, ctl, station, tbu.
    """
    cluster = w.cluster[c]
    n_task = w.ctl[0].n_task
    if number < 0 or number >= cluster.tbu_end - cluster.tbu or task < 0 or task >= n_task:
        return False
    return bool(w.tbu[cluster.tbu + number].task >= 0 and w.station[c * n_task + task].mapped > 0)


may_change = jit(_may_change)


def _own(w: World, c: int, t: int, number: int, task: int) -> bool:
    """Let a TBU change its home, unless that is refused (rule 13.7).

    In: cluster, ctl, owner, station, task. In-out: tbu.
    """
    ctl = w.ctl[0]
    if not may_change(w, c, number, task):
        return False
    u = w.cluster[c].tbu + number
    tbu = w.tbu[u]
    if tbu.reserved >= 0 or tbu.next >= 0 or tbu.task == task:
        return False
    left = w.station[c * ctl.n_task + tbu.task]
    staying = 0
    for place in range(left.owner, left.owner + left.owners):
        other = w.owner[place]
        if other != u and w.tbu[other].next < 0:
            staying += 1
    if staying == 0:
        return False
    tbu.next = task
    if ctl.background_load != 0 and not held(w, u, w.task[task].config):
        place = place_for_load(w, u)
        if place >= 0:
            begin_load(w, c, t, u, task, place)
            return True
    due(w, c, t, u)
    return True


own = jit(_own)


def _load(w: World, c: int, t: int, number: int, task: int) -> bool:
    """Load the configuration of a TB into a TBU in the background, unless that is refused (rule 13.8).

    In: cluster, ctl, task.
    """
    if w.ctl[0].background_load == 0 or not may_change(w, c, number, task):
        return False
    u = w.cluster[c].tbu + number
    if held(w, u, w.task[task].config):
        return False
    place = place_for_load(w, u)
    if place < 0:
        return False
    begin_load(w, c, t, u, task, place)
    return True


load = jit(_load)


def _move(w: World, c: int, t: int, task: int, port: int, tokens: int) -> bool:
    """Send the oldest fresh ready tokens of a station to the neighbour at a port, unless that is refused (rule 13.9).

    In: ctl, link, station. In-out: cluster, token.
    """
    ctl = w.ctl[0]
    if task < 0 or task >= ctl.n_task or port < 0 or port > 3 or tokens < 1:
        return False
    neighbour = w.link[4 * c + port].cluster
    number = c * ctl.n_task + task
    station = w.station[number]
    if neighbour < 0 or w.station[neighbour * ctl.n_task + task].mapped == 0:
        return False
    if station.slots == 0 or station.fresh_len == 0:
        return False
    cluster = w.cluster[c]
    for _ in range(min(tokens, station.fresh_len)):
        token = leave_fresh(w, number, t)
        moved = w.token[token]
        moved.cluster = neighbour
        moved.holder = -1
        cluster.moves += 1
        cluster.moved_bytes += moved.bytes
        push(w, c, t, token)
    return True


move = jit(_move)


def _rebalance(w: World, c: int, t: int) -> None:
    """Ask the policy for a plan and carry it out, item by item (rules 13.5 and 13.10).

    In: plan. In-out: cluster, ctl.
    """
    ctl = w.ctl[0]
    cluster = w.cluster[c]
    ctl.plan_n = 0
    if call(w, ctl.rebalance, c, 0) == RAISED:
        ctl.failed = REBALANCE_RAISED
        ctl.failed_cluster = c
        return
    cluster.plan_refusals += max(0, ctl.plan_n - len(w.plan))
    for place in range(min(ctl.plan_n, len(w.plan))):
        item = w.plan[place]
        if item.kind == OWN:
            done = own(w, c, t, item.tbu, item.tb)
        elif item.kind == LOAD:
            done = load(w, c, t, item.tbu, item.tb)
        else:
            done = move(w, c, t, item.tb, item.port, item.tokens)
        if not done:
            cluster.plan_refusals += 1


rebalance = rare(_rebalance)
