"""One draw turned into one value of a law, by its quantile table (rule 2.2)."""

from __future__ import annotations

from ._jit import jit
from .model import CONSTANT, I64, STEPS


def _sample(kind: int, offset: int, size: int, knots: I64, u: int) -> int:
    """Return the value, in units of 2**-16 cycle, that the draw ``u`` takes under one law.

    Parameters
    ----------
    kind : int
        CONSTANT, STEPS or CURVE.
    offset : int
        First knot of the law in ``knots``.
    size : int
        CONSTANT: 1. STEPS: number of equally likely values. CURVE: number of levels, each of 1025 knots and
        1024 bins; a level refines the last bin of the one before.
    knots : int64[knot], in
        Values of all laws, units of 2**-16 cycle, ascending within a level.
    u : int
        Draw in [0, 2**63).

    Notes
    -----
    Costs one or two loads; a CURVE leaves its first level once in 1024 draws.
    """
    u = int(u)
    if kind == CONSTANT:
        return int(knots[offset])
    if kind == STEPS:
        return int(knots[offset + (((u >> 31) * int(size)) >> 32)])
    shift = 53
    level = 1
    i = int(offset) + (u >> 53)
    while level < size and (u >> shift) & 1023 == 1023:
        shift -= 10
        i = int(offset) + level * 1025 + ((u >> shift) & 1023)
        level += 1
    low = int(knots[i])
    rise = int(knots[i + 1]) - low
    part = (u >> (shift - 16)) & 65535
    # rise * part could pass 2**63 in a far tail; its two halves, multiplied apart, give the same integer
    return low + (rise >> 16) * part + (((rise & 65535) * part) >> 16)


sample = jit(_sample)
