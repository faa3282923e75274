"""TBUs that become idle, hold or change their home (rules 3.7, 9.1 and 13.7)."""

from __future__ import annotations

from ._jit import inlined, jit, rare
from .account import due_push, due_take, enter
from .codes import BLOCKED, CHANGING, CONTROL, IDLE, RELOADING
from .heap import schedule
from .residents import held, replace, take_port, victim
from .world import World


def _order_owners(w: World, c: int) -> None:
    """Let the lists of owners of cluster ``c`` follow the homes of its TBUs.

    In: cluster, ctl, tbu. In-out: station. Out: owner.
    """
    ctl = w.ctl[0]
    cluster = w.cluster[c]
    place = w.station[c * ctl.n_task].owner
    for task in range(ctl.n_task):
        station = w.station[c * ctl.n_task + task]
        station.owner = place
        for u in range(cluster.tbu, cluster.tbu_end):
            if w.tbu[u].task == task:
                w.owner[place] = u
                place += 1
        station.owners = place - station.owner


order_owners = jit(_order_owners)


def _adopt(w: World, c: int, u: int, task: int) -> None:
    """Let idle TBU ``u`` own TB ``task`` from now on, which is news (rule 13.7).

    In: ctl. In-out: cluster, station. Out: tbu.
    """
    w.tbu[u].task = task
    w.tbu[u].next = -1
    order_owners(w, c)
    number = c * w.ctl[0].n_task + task
    station = w.station[number]
    station.idle += 1
    w.cluster[c].news += 1
    if station.fresh_len > 0 or station.again_len > 0:
        due_take(w, number)
    if station.slots == 0 and station.line_len > 0:
        due_push(w, number)


adopt = jit(_adopt)


def _begin_change(w: World, c: int, t: int, u: int) -> None:
    """Let idle TBU ``u`` leave its home for the TB of its change, at once or by way of a reload (rule 13.7).

    In: ctl, task. In-out: cluster, station, tbu. Out: resident.
    """
    tbu = w.tbu[u]
    task = tbu.change
    config = w.task[task].config
    w.station[c * w.ctl[0].n_task + tbu.task].idle -= 1
    w.cluster[c].owner_changes += 1
    tbu.task = -1
    if held(w, u, config):
        tbu.change = -1
        adopt(w, c, u, task)
        return
    order_owners(w, c)
    place = victim(w, u, config)
    replace(w, c, place, config, 1)
    w.resident[place].used = -1
    w.cluster[c].reloads += 1
    until = take_port(w, c, t, task)
    enter(w, u, t, RELOADING)
    if until == t:
        end_change(w, c, t, u)
    else:
        tbu.stage = CHANGING
        schedule(w, c, tbu.number, until)


def _is_over(w: World, c: int, t: int) -> bool:
    """Tell whether the last request of the group of cluster ``c`` ended before cycle ``t`` (rule 8.4).

    In: cluster, group.
    """
    group = w.group[w.cluster[c].group]
    return bool(group.unfinished == 0 and group.last_end < t)


is_over = jit(_is_over)


def _end_change(w: World, c: int, t: int, u: int) -> None:
    """Let TBU ``u`` own the TB whose configuration it has reloaded, unless all is over (rules 8.4, 13.7).

    In: task. In-out: tbu.
    """
    if is_over(w, c, t):
        return
    tbu = w.tbu[u]
    task = tbu.change
    tbu.stage = 0
    tbu.change = -1
    tbu.config = w.task[task].config
    enter(w, u, t, IDLE)
    adopt(w, c, u, task)


end_change = jit(_end_change)
begin_change = rare(_begin_change)


def _come_free(w: World, u: int, t: int) -> None:
    """Let TBU ``u``, whose own run was one of its home, be idle: its station may hand it a token, its cluster has news
    (rules 3.7, 6.2).

    In: ctl, tbu. In-out: cluster, station.
    """
    enter(w, u, t, IDLE)
    tbu = w.tbu[u]
    station = tbu.cluster * w.ctl[0].n_task + tbu.task
    home = w.station[station]
    home.busy -= 1
    w.cluster[tbu.cluster].news += 1
    home.idle += 1
    if home.fresh_len > 0 or home.again_len > 0:
        due_take(w, station)
    if home.slots == 0 and home.line_len > 0:
        due_push(w, station)


come_free = inlined(_come_free)


def _come_free_otherwise(w: World, u: int, t: int) -> None:
    """Let TBU ``u`` be idle that was lent, or is to change its home (rules 6.5, 13.7).

    In: ctl. In-out: station, tbu.
    """
    tbu = w.tbu[u]
    if tbu.lent != 0:
        # counted by the station whose token it ran
        w.station[tbu.cluster * w.ctl[0].n_task + tbu.task].busy += 1
    tbu.lent = 0
    tbu.special = 0
    come_free(w, u, t)
    if tbu.change >= 0:
        begin_change(w, tbu.cluster, t, u)


come_free_otherwise = rare(_come_free_otherwise)


def _idle(w: World, u: int, t: int) -> None:
    """Let TBU ``u`` be idle from cycle ``t`` on.

    In: tbu.
    """
    if w.tbu[u].special != 0:
        come_free_otherwise(w, u, t)
    else:
        come_free(w, u, t)


def _hold(w: World, u: int, t: int) -> None:
    """Set the state of TBU ``u``, whose run has ended but which still holds tokens, from where they are (rule 9.1).

    In: tbu.
    """
    state = CONTROL if w.tbu[u].control > 0 else BLOCKED
    if state != w.tbu[u].state:
        enter(w, u, t, state)


idle = inlined(_idle)
hold = inlined(_hold)
