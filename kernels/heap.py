"""Two binary heaps: the next events of a cluster's TBUs, and the clusters of a group by their next cycle."""

from __future__ import annotations

from ._jit import jit
from .codes import TBU_BITS
from .world import World


def _schedule(w: World, c: int, number: int, t: int) -> None:
    """Let the stage of TBU ``number`` of cluster ``c`` end at cycle ``t``; equal cycles leave by number (rule 3.3)."""
    cluster = w.cluster[c]
    key = t << TBU_BITS | number
    base = cluster.tbu
    at = cluster.events
    cluster.events = at + 1
    while at > 0:
        parent = (at - 1) >> 1
        if w.events[base + parent] <= key:
            break
        w.events[base + at] = w.events[base + parent]
        at = parent
    w.events[base + at] = key


schedule = jit(_schedule)


def _next_stage(w: World, c: int) -> int:
    """Take the TBU number of the earliest event of cluster ``c``, which has one."""
    cluster = w.cluster[c]
    base = cluster.tbu
    first = w.events[base]
    n = cluster.events - 1
    cluster.events = n
    key = w.events[base + n]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and w.events[base + child + 1] < w.events[base + child]:
            child += 1
        if w.events[base + child] >= key:
            break
        w.events[base + at] = w.events[base + child]
        at = child
    w.events[base + at] = key
    return int(first & ((1 << TBU_BITS) - 1))


next_stage = jit(_next_stage)


def _place(w: World, at: int, c: int) -> None:
    """Write cluster ``c`` at a place of the group's heap."""
    w.order[at] = c
    w.cluster[c].place = at


place = jit(_place)


def _rise(w: World, c: int) -> None:
    """Restore the group's heap after the next cycle of cluster ``c`` became earlier."""
    t = w.cluster[c].next
    at = w.cluster[c].place
    while at > 0:
        parent = (at - 1) >> 1
        if w.cluster[w.order[parent]].next <= t:
            break
        place(w, at, w.order[parent])
        at = parent
    place(w, at, c)


rise = jit(_rise)


def _sink(w: World, c: int) -> None:
    """Restore the group's heap after the next cycle of cluster ``c`` became later."""
    t = w.cluster[c].next
    n = w.ctl[0].order_n
    at = w.cluster[c].place
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and w.cluster[w.order[child + 1]].next < w.cluster[w.order[child]].next:
            child += 1
        if w.cluster[w.order[child]].next >= t:
            break
        place(w, at, w.order[child])
        at = child
    place(w, at, c)


sink = jit(_sink)
