"""The decisions of the bundled policies: plain functions of what a cluster can know (rules 6 and 7.3)."""

from __future__ import annotations

from ._jit import jit
from .model import DISPATCH_STEAL, I64, ROUTE_SHORTEST
from .world import Records

NOTHING = -1
ASK_NEIGHBOUR = -2


def _steal(waiting: I64, own: int) -> int:
    """Return the TB, other than ``own``, with the most waiting ready tokens (ties: the lowest), or ask a neighbour when
    none waits.
    """
    best = ASK_NEIGHBOUR
    most = 0
    for tb in range(len(waiting)):
        if tb != own and waiting[tb] > most:
            most = waiting[tb]
            best = tb
    return best


steal = jit(_steal)


def _dispatch(code: int, waiting: I64, own: int) -> int:
    """Answer an idle TBU whose home is ``own``: a TB to run, NOTHING or ASK_NEIGHBOUR.

    ``waiting[tb]`` counts the ready tokens of each station of the cluster that a TBU may take.
    """
    if code == DISPATCH_STEAL:
        return steal(waiting, own)
    return NOTHING


dispatch = jit(_dispatch)


def _nearer(option: Records, a: int, b: int) -> bool:
    """Tell whether candidate ``a`` beats the earlier candidate ``b``: fewer hops, then more free slots."""
    if option[a].hops != option[b].hops:
        return bool(option[a].hops < option[b].hops)
    return bool(option[a].free > option[b].free)


nearer = jit(_nearer)


def _shorter(option: Records, a: int, b: int) -> bool:
    """Tell whether candidate ``a`` beats the earlier candidate ``b``: fewer tokens per owner, then fewer hops."""
    left = option[a].present * option[b].owners
    right = option[b].present * option[a].owners
    if left != right:
        return bool(left < right)
    return bool(option[a].hops < option[b].hops)


shorter = jit(_shorter)


def _route(code: int, option: Records, n: int) -> int:
    """Return which of the ``n`` candidates, ascending by cluster, the token goes to."""
    best = 0
    for i in range(1, n):
        if code == ROUTE_SHORTEST:
            better = shorter(option, i, best)
        else:
            better = nearer(option, i, best)
        if better:
            best = i
    return best


route = jit(_route)
