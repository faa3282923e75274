"""Quantiles of laws that are known by their distribution function: many at once, by bracketing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
_TOLERANCE = 4e-15


def invert(cdf: Callable[[F64], F64], sf: Callable[[F64], F64], p: F64, grid: F64) -> F64:
    """Return the smallest x with ``cdf(x) >= p``, to a few units in the last place of x or of p.

    Parameters
    ----------
    cdf, sf : callable
        Probabilities of values not above and above x; the second serves p > 0.5, so that far tails are exact.
    p : float64[n]
        Strictly between 0 and 1.
    grid : float64[m]
        Ascending; every quantile wanted lies between its ends.
    """
    out = np.empty_like(p)
    low = p <= 0.5
    out[low] = _solve(cdf, p[low], grid)
    out[~low] = _solve(lambda x: -sf(x), -(1.0 - p[~low]), grid)
    return out


def _solve(f: Callable[[F64], F64], target: F64, grid: F64) -> F64:
    """Return the smallest x with ``f(x) >= target`` for a rising ``f``.

    Source: T. R. Chandrupatla, "A new hybrid quadratic/bisection algorithm for finding the zero of a
    nonlinear function without using derivatives", Advances in Engineering Software 28 (1997); here for all
    targets side by side.
    """
    on_grid = f(grid)
    cell = np.clip(np.searchsorted(on_grid, target), 1, grid.size - 1)
    out = np.where(on_grid[cell - 1] >= target, grid[cell - 1], grid[cell])
    # rounding may leave a target just beyond the last value of the grid; that one is its quantile then
    todo = np.flatnonzero((on_grid[cell - 1] < target) & (on_grid[cell] >= target))
    # x1 is the newest point, x2 the end of the bracket on the other side of the root, x3 the point before
    x1, x2 = grid[cell[todo] - 1], grid[cell[todo]]
    f1, f2 = on_grid[cell[todo] - 1] - target[todo], on_grid[cell[todo]] - target[todo]
    share = np.clip(f1 / (f1 - f2), 0.01, 0.99)
    while todo.size:
        x = x1 + share * (x2 - x1)
        value = f(x) - target[todo]
        same = (value < 0.0) == (f1 < 0.0)
        x3, f3 = np.where(same, x1, x2), np.where(same, f1, f2)
        x2, f2 = np.where(same, x2, x1), np.where(same, f2, f1)
        x1, f1 = x, value
        found = np.minimum(np.abs(f1), np.abs(f2)) <= _TOLERANCE * np.abs(target[todo])
        nearest = np.where(np.abs(f1) < np.abs(f2), x1, x2)
        out[todo] = np.where(found, nearest, np.where(f1 >= 0.0, x1, x2))
        # the smallest normal number bounds the search for a quantile of nearly nothing
        width = np.maximum(np.abs(x2 - x1), np.finfo(np.float64).tiny)
        least = (_TOLERANCE * np.abs(out[todo]) + np.finfo(np.float64).tiny) / width
        keep = ~found & (least < 0.5)
        todo, x1, x2, x3, least = todo[keep], x1[keep], x2[keep], x3[keep], least[keep]
        f1, f2, f3 = f1[keep], f2[keep], f3[keep]
        # where the law has a gap two of the heights are equal, and the comparison below refuses the curve
        with np.errstate(divide="ignore", invalid="ignore"):
            part, height = (x1 - x2) / (x3 - x2), (f1 - f2) / (f3 - f2)
            curve = f1 / (f2 - f1) * f3 / (f2 - f3) + (x3 - x1) / (x2 - x1) * f1 / (f3 - f1) * f2 / (f3 - f2)
        fits = (height**2 < part) & ((1.0 - height) ** 2 < 1.0 - part)
        share = np.clip(np.where(fits, curve, 0.5), least, 1.0 - least)
    return out
