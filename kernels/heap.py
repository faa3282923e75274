"""What comes next: a tree of the events of a cluster's TBUs, and a heap of a group's clusters by their next cycle."""

from __future__ import annotations

from ._jit import jit
from .codes import NO_EVENT, TBU_BITS
from .world import World


def _schedule(w: World, c: int, number: int, t: int) -> None:
    """Let the stage of TBU ``number`` of cluster ``c`` end at cycle ``t``; equal cycles leave by number (rule 3.3)."""
    enter(w, c, number, t << TBU_BITS | number)


def _cancel(w: World, c: int, number: int) -> None:
    """Let TBU ``number`` of cluster ``c`` have no event."""
    enter(w, c, number, NO_EVENT)


def _enter(w: World, c: int, number: int, key: int) -> None:
    """Write a leaf of the tree of a cluster, and the least of two below at every place above it: no branch to guess.

    In: cluster. In-out: events.
    """
    cluster = w.cluster[c]
    base = cluster.events
    at = cluster.leaves + number
    w.events[base + at] = key
    while at > 1:
        key = min(key, w.events[base + (at ^ 1)])
        at >>= 1
        w.events[base + at] = key


enter = jit(_enter)
schedule = jit(_schedule)
cancel = jit(_cancel)


def _first(w: World, c: int) -> int:
    """Return the earliest event of cluster ``c``, as cycle << TBU_BITS | TBU number, or NO_EVENT.

    In: cluster, events.
    """
    return int(w.events[w.cluster[c].events + 1])


first = jit(_first)


def _place(w: World, at: int, c: int) -> None:
    """Write cluster ``c`` at a place of the group's heap.

    Out: cluster, order.
    """
    w.order[at] = c
    w.cluster[c].place = at


place = jit(_place)


def _rise(w: World, c: int) -> None:
    """Restore the group's heap after the next cycle of cluster ``c`` became earlier.

    In: cluster, order.
    """
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
    """Restore the group's heap after the next cycle of cluster ``c`` became later.

    In: cluster, ctl, order.
    """
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
