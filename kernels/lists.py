"""Lists of tokens: the free lists, and one kind of queue for everything that waits."""

from __future__ import annotations

from ._jit import inlined, jit
from .world import World

# A station has three queues, at 3 * station; a cluster four, at ctl.cluster_queues + 4 * cluster
LINE, FRESH, AGAIN = range(3)
CONTROL_LINE, DECIDING, TRANSFERS, INGRESS = range(4)


def _new_token(w: World) -> int:
    """Take a token from the free list; the pool is sized so that one is always there (``pools.pool_sizes``).

    In: token. In-out: ctl.
    """
    ctl = w.ctl[0]
    token = ctl.free_token
    ctl.free_token = w.token[token].next
    return int(token)


new_token = inlined(_new_token)


def _free_token(w: World, token: int) -> None:
    """Give a token back.

    In-out: ctl. Out: token.
    """
    ctl = w.ctl[0]
    w.token[token].next = ctl.free_token
    ctl.free_token = token


free_token = inlined(_free_token)


def _append(w: World, queue: int, token: int) -> None:
    """Put ``token`` at the end of a queue.

    In-out: queue. Out: token.
    """
    q = w.queue[queue]
    w.token[token].next = -1
    if q.head < 0:
        q.head = token
    else:
        w.token[q.tail].next = token
    q.tail = token


append = inlined(_append)


def _insert(w: World, queue: int, token: int) -> None:
    """Put ``token`` into a queue ordered by (time, key), after equals; mostly that is the end (rules 3.2, 4.3, 4.7).

    In-out: queue, token.
    """
    time = w.token[token].time
    key = w.token[token].key
    q = w.queue[queue]
    last = q.tail
    if q.head < 0 or w.token[last].time < time or (w.token[last].time == time and w.token[last].key <= key):
        append(w, queue, token)
        return
    before = -1
    at = q.head
    while w.token[at].time < time or (w.token[at].time == time and w.token[at].key <= key):
        before = at
        at = w.token[at].next
    w.token[token].next = at
    if before < 0:
        q.head = token
    else:
        w.token[before].next = token


insert = jit(_insert)


def _pop(w: World, queue: int) -> int:
    """Take the first token of a queue that holds one.

    In: token. In-out: queue.
    """
    q = w.queue[queue]
    token = q.head
    q.head = w.token[token].next
    return int(token)


pop = inlined(_pop)
