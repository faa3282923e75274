"""Mean and variance of the values a quantile table really gives, computed from its integers.

The interpolation of a CURVE rounds down, ``floor(rise * f / 2**16)`` for f = 0 ... 2**16 - 1, so its moments
are sums of floors of a line. They are found exactly, for all bins side by side, by the recursion that swaps
the axes of the lattice under the line, as Euclid's algorithm does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_PARTS = 65536


def steps_moments(values: I64) -> tuple[float, float]:
    """Return mean and variance of a STEPS table.

    Parameters
    ----------
    values : int64[n]
        Its values, ascending.

    Returns
    -------
    tuple of float
        In the unit of the values and its square.
    """
    edges = -((-np.arange(values.size + 1) << 32) // values.size)
    return _moments(np.diff(edges) / 2.0**32, values, np.zeros(values.size), np.zeros(values.size))


def curve_moments(knots: I64) -> tuple[float, float]:
    """Return mean and variance of a CURVE table.

    Parameters
    ----------
    knots : int64[level, 1025]
        Its knots, ascending within a level.

    Returns
    -------
    tuple of float
        In the unit of the knots and its square.
    """
    left, rise, weight = [], [], []
    for level, row in enumerate(knots):
        # the last bin of a level is where the next one begins
        used = 1024 if level == len(knots) - 1 else 1023
        left.append(row[:used])
        rise.append(np.diff(row)[:used])
        weight.append(np.full(used, 2.0 ** (-10 * (level + 1))))
    rises = np.concatenate(rise)
    whole = (rises >> 16).astype(np.float64)
    n = np.full(rises.size, _PARTS - 1)
    floors, ranked, squares = (
        sums / _PARTS for sums in _floor_sums(n, rises & 65535, np.zeros_like(n), n + 1)
    )
    mean = whole * ((_PARTS - 1) / 2.0) + floors
    square = whole * whole * ((_PARTS - 1) * (2.0 * _PARTS - 1) / 6.0) + 2.0 * whole * ranked + squares
    return _moments(np.concatenate(weight), np.concatenate(left), mean, square)


def _moments(weight: F64, left: I64, mean: F64, square: F64) -> tuple[float, float]:
    """Return mean and variance of parts ``left`` + x, given weight, mean and mean square of x in each."""
    middle = int(np.rint(weight @ (left + mean)))
    shifted = (left - middle).astype(np.float64)
    first = float(weight @ (shifted + mean))
    second = float(weight @ (shifted * shifted + 2.0 * shifted * mean + square))
    return middle + first, second - first * first


def _floor_sums(n: I64, a: I64, b: I64, c: I64) -> tuple[I64, I64, I64]:
    """Return the sums over i = 0 ... n of k, i k and k**2, k = floor((a i + b) / c); n, a, b >= 0, c > 0."""
    steep, a = np.divmod(a, c)
    base, b = np.divmod(b, c)
    top = (a * n + b) // c
    first, ranked, square = np.zeros_like(top), np.zeros_like(top), np.zeros_like(top)
    some = np.flatnonzero(top)
    if some.size:
        n_, top_ = n[some], top[some]
        f, g, h = _floor_sums(top_ - 1, c[some], c[some] - b[some] - 1, a[some])
        area = n_ * top_
        first[some] = area - f
        ranked[some] = (area * (n_ + 1) - h - f) // 2
        square[some] = area * top_ - 2 * g - f
    ones, firsts = n + 1, n * (n + 1) // 2
    squares = firsts * (2 * n + 1) // 3
    return (
        first + steep * firsts + base * ones,
        ranked + steep * squares + base * firsts,
        square
        + 2 * base * first
        + 2 * steep * ranked
        + steep * steep * squares
        + base * base * ones
        + 2 * steep * base * firsts,
    )
