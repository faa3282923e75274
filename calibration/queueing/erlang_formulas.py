"""Erlang's loss and delay formulas for any number of servers, in logarithms where powers would overflow."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize.elementwise import find_root
from scipy.special import gammaincc, gammaln

from .answers import F64, checked, counted

_TINY = 1e-250


def erlang_b(servers: ArrayLike, offered: ArrayLike) -> F64:
    """Return the probability that a loss system M/G/c/c turns an arrival away.

    Parameters
    ----------
    servers : array_like of int
        c >= 1.
    offered : array_like of float
        Offered load, arrival rate times mean service time, in erlang, >= 0; broadcast against ``servers``.

    Returns
    -------
    float64 array
        Of the broadcast shape.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Erlang, "Solution of some problems in the theory of probabilities of significance in automatic telephone exchanges" (1917).
    The sum in the denominator is an incomplete gamma function, so no power and no factorial is formed.

    Examples
    --------
    >>> erlang_b([1, 10], [1.0, 4.461176857577692]).round(6)
    array([0.5 , 0.01])
    """
    c, a = np.broadcast_arrays(counted("erlang_b.servers", servers, 1), checked("erlang_b.offered", offered, 0.0))
    return loss(c, a)


def erlang_c(servers: ArrayLike, offered: ArrayLike) -> F64:
    """Return the probability that an arrival at M/M/c waits; 1 where the load is c or more.

    Parameters
    ----------
    servers : array_like of int
        c >= 1.
    offered : array_like of float
        Offered load in erlang, >= 0; broadcast against ``servers``.

    Returns
    -------
    float64 array
        Of the broadcast shape.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Erlang 1917, as for :func:`erlang_b`.

    Examples
    --------
    >>> erlang_c([4, 3000], [3.6, 2990.0]).round(6)
    array([0.787753, 0.790316])
    """
    c, a = np.broadcast_arrays(counted("erlang_c.servers", servers, 1), checked("erlang_c.offered", offered, 0.0))
    return delay(c, a)


def offered_load(servers: ArrayLike, loss_probability: ArrayLike) -> F64:
    """Return the offered load at which a loss system turns away the given share of arrivals.

    Parameters
    ----------
    servers : array_like of int
        c >= 1.
    loss_probability : array_like of float
        Inside (0, 1); broadcast against ``servers``.

    Returns
    -------
    float64 array
        In erlang, of the broadcast shape.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    The root of :func:`erlang_b`, which grows with the load.

    Examples
    --------
    >>> float(offered_load(10, 0.01).round(6))
    4.461177
    """
    c = counted("offered_load.servers", servers, 1)
    share = checked("offered_load.loss_probability", loss_probability, 0.0, above=True, high=1.0 - 1e-12)
    c, share = np.broadcast_arrays(c, share)
    # what is carried, a (1 - B), is below c
    bracket = (np.zeros(c.shape), c / (1.0 - share))
    found = find_root(lambda a, c, share: loss(c, a) - share, bracket, args=(c, share))
    return np.asarray(found.x, np.float64)


def loss(c: F64, a: F64) -> F64:
    """Return Erlang's B without a check of its arguments, which have one shape."""
    with np.errstate(divide="ignore", invalid="ignore"):
        top = np.where(a > 0.0, np.exp(c * np.log(a) - a - gammaln(c + 1.0)), 0.0)
        bottom = gammaincc(c + 1.0, a)
        result = np.asarray(top / bottom, np.float64)
    far = bottom < _TINY
    if far.any():
        result[far] = _overloaded(c[far], a[far])
    return result


def delay(c: F64, a: F64) -> F64:
    """Return Erlang's C without a check of its arguments, which have one shape."""
    b = loss(c, a)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(a < c, c * b / (c - a * (1.0 - b)), 1.0)


def _overloaded(c: F64, a: F64) -> F64:
    """Return Erlang's B far above c: 1/B is the sum of c (c-1) .. (c-k+1) / a^k, whose terms fall quickly there."""
    total, term = np.ones(c.shape), np.ones(c.shape)
    k = 0
    while bool((term > 1e-17 * total).any()):
        term = term * np.maximum(c - k, 0.0) / a
        total += term
        k += 1
    return 1.0 / total
