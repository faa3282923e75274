"""Three binary heaps of an ideal run: the runs under way, the idle TBUs, and the tokens that became ready at the
present cycle.
"""

from __future__ import annotations

from ._jit import jit
from .bare import Pool


def _add_event(w: Pool, cycle: int, rank: int) -> None:
    """Let the run of a TBU end at a cycle.

    In-out: ctl, events.
    """
    ctl = w.ctl[0]
    at = ctl.events
    ctl.events = at + 1
    while at > 0:
        parent = (at - 1) >> 2
        above = w.events[parent]
        if above.cycle <= cycle:
            break
        w.events[at].cycle = above.cycle
        w.events[at].tbu = above.tbu
        at = parent
    w.events[at].cycle = cycle
    w.events[at].tbu = rank


add_event = jit(_add_event)


def _take_event(w: Pool) -> int:
    """Take the TBU whose run ends first.

    In-out: ctl, events.
    """
    ctl = w.ctl[0]
    rank = int(w.events[0].tbu)
    n = ctl.events - 1
    ctl.events = n
    cycle = w.events[n].cycle
    moved = w.events[n].tbu
    at = 0
    while True:
        first = 4 * at + 1
        if first >= n:
            break
        child = first
        least = w.events[first].cycle
        for other in range(first + 1, min(first + 4, n)):
            if w.events[other].cycle < least:
                least = w.events[other].cycle
                child = other
        if least >= cycle:
            break
        w.events[at].cycle = least
        w.events[at].tbu = w.events[child].tbu
        at = child
    w.events[at].cycle = cycle
    w.events[at].tbu = moved
    return rank


take_event = jit(_take_event)


def _add_idle(w: Pool, rank: int) -> None:
    """Let a TBU be idle.

    In-out: ctl, idle.
    """
    ctl = w.ctl[0]
    at = ctl.idle
    ctl.idle = at + 1
    while at > 0:
        parent = (at - 1) >> 1
        if w.idle[parent] < rank:
            break
        w.idle[at] = w.idle[parent]
        at = parent
    w.idle[at] = rank


add_idle = jit(_add_idle)


def _take_idle(w: Pool) -> int:
    """Take the idle TBU of the lowest rank.

    In-out: ctl, idle.
    """
    ctl = w.ctl[0]
    rank = int(w.idle[0])
    n = ctl.idle - 1
    ctl.idle = n
    moved = w.idle[n]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and w.idle[child + 1] < w.idle[child]:
            child += 1
        if w.idle[child] >= moved:
            break
        w.idle[at] = w.idle[child]
        at = child
    w.idle[at] = moved
    return rank


take_idle = jit(_take_idle)


def _add_fresh(w: Pool, token: int) -> None:
    """Let a token be ready from the present cycle on.

    In: token. In-out: ctl, fresh.
    """
    ctl = w.ctl[0]
    key = w.token[token].key
    at = ctl.fresh
    ctl.fresh = at + 1
    while at > 0:
        parent = (at - 1) >> 1
        if w.token[w.fresh[parent]].key < key:
            break
        w.fresh[at] = w.fresh[parent]
        at = parent
    w.fresh[at] = token


add_fresh = jit(_add_fresh)


def _take_fresh(w: Pool) -> int:
    """Take the token of the lowest key among those that became ready at the present cycle.

    In: token. In-out: ctl, fresh.
    """
    ctl = w.ctl[0]
    token = int(w.fresh[0])
    n = ctl.fresh - 1
    ctl.fresh = n
    moved = w.fresh[n]
    key = w.token[moved].key
    at = 0
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and w.token[w.fresh[child + 1]].key < w.token[w.fresh[child]].key:
            child += 1
        if w.token[w.fresh[child]].key >= key:
            break
        w.fresh[at] = w.fresh[child]
        at = child
    w.fresh[at] = moved
    return token


take_fresh = jit(_take_fresh)
