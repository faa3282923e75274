"""Stations of exponential servers: M/M/c, with limited room, and with a finite source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize.elementwise import find_root
from scipy.special import gammaln, logsumexp

from .answers import F64, Answer, Method, checked, counted, levels
from .erlang_formulas import delay, loss

_RARE = 1e-290
"""Probability below which all servers are never busy."""


def mmc(rate: ArrayLike, service_mean: ArrayLike, servers: ArrayLike = 1, quantiles: Sequence[float] = ()) -> Answer:
    """Return the steady state of M/M/c, first come, first served.

    Parameters
    ----------
    rate : array_like of float
        Arrivals per unit of time, >= 0.
    service_mean : array_like of float
        Mean service time, > 0.
    servers : array_like of int
        c >= 1, thousands if need be. All three are broadcast.
    quantiles : sequence of float
        Probabilities inside (0, 1) for ``wait_quantile`` and ``sojourn_quantile``, the last axis of both.

    Returns
    -------
    dict of str to Value
        ``utilisation``, ``p_wait``, ``wait_mean``, ``wait_var``, ``queue_mean``, ``sojourn_mean``, ``sojourn_var``,
        ``number_mean`` and the quantiles. Without a steady state: infinite, and ``assumptions_ok`` is False.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Erlang 1917; Kleinrock, Queueing Systems 1 (1975), section 3.5. The wait is 0 with probability 1 - C and exponential
    otherwise, so that a quantile is 0 where C is small.

    Examples
    --------
    >>> found = mmc([0.8, 0.1], 1.0, quantiles=[0.5, 0.95])
    >>> found["wait_mean"].value.round(6), found["wait_quantile"].value.round(6).tolist()
    (array([4.      , 0.111111]), [[2.350018, 13.862944], [0.0, 0.770164]])
    """
    lam, mean = checked("mmc.rate", rate, 0.0), checked("mmc.service_mean", service_mean, 0.0, above=True)
    lam, mean, c = np.broadcast_arrays(lam, mean, counted("mmc.servers", servers, 1))
    q = levels("mmc.quantiles", quantiles) if len(quantiles) else np.empty(0)
    a = lam * mean
    stable = a < c
    p_wait = delay(c, a)
    with np.errstate(divide="ignore"):
        drain = np.where(stable, mean / np.where(stable, c - a, 1.0), np.inf)
    wait = p_wait * drain
    wait_var = np.where(stable, p_wait * (2.0 - p_wait), 1.0) * drain**2
    label = Method("M/M/c (Erlang C)", "exact", stable)
    result = label(
        utilisation=np.minimum(a / c, 1.0),
        p_wait=p_wait,
        wait_mean=wait,
        wait_var=wait_var,
        queue_mean=_times(lam, wait),
        sojourn_mean=wait + mean,
        sojourn_var=wait_var + mean**2,
        number_mean=_times(lam, wait) + np.where(stable, a, 0.0),
    )
    if len(q):
        late, slow, time = p_wait[..., None], drain[..., None], mean[..., None]
        result |= label(wait_quantile=delayed_quantile(late, slow, q), sojourn_quantile=_sojourn_quantile(late, slow, time, q))
    return result


def mmck(rate: ArrayLike, service_mean: ArrayLike, servers: ArrayLike, capacity: ArrayLike) -> Answer:
    """Return the steady state of M/M/c/K, whose arrivals are lost when K are inside.

    Parameters
    ----------
    rate : array_like of float
        Arrivals per unit of time, > 0.
    service_mean : array_like of float
        Mean service time, > 0.
    servers : array_like of int
        c >= 1.
    capacity : array_like of int
        K >= c, those in service included. All four are broadcast.

    Returns
    -------
    dict of str to Value
        ``loss_probability``, ``p_empty``, ``throughput``, ``utilisation``, ``queue_mean``, ``number_mean``, and of those let
        in ``wait_mean`` and ``sojourn_mean``.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Gross and Harris, Fundamentals of Queueing Theory, M/M/c/K. States above c are a geometric series on what
    :func:`erlang_b` gives for c.

    Examples
    --------
    >>> found = mmck(1.0, 6.0, 3, 7)
    >>> float(found["queue_mean"].value.round(6)), float(found["loss_probability"].value.round(6))
    (3.092025, 0.50482)
    """
    lam = checked("mmck.rate", rate, 0.0, above=True)
    mean = checked("mmck.service_mean", service_mean, 0.0, above=True)
    c = counted("mmck.servers", servers, 1)
    lam, mean, c, k = np.broadcast_arrays(lam, mean, c, counted("mmck.capacity", capacity, 1))
    room = checked("mmck.capacity - servers", k - c, 0.0)
    a = lam * mean
    r = a / c
    # weights are relative to the fullest state (r > 1) or to state c, so that none overflows
    up = r > 1.0
    s = np.where(up, 1.0 / r, r)
    full = loss(c, a)
    rare = full < _RARE
    head = 1.0 / np.maximum(full, _RARE)
    last = s**room
    plain, weighted = _geometric(s, room + 1.0)
    weight_c = np.where(up, last, 1.0)
    total = weight_c * (head - 1.0) + plain
    queued = np.where(up, room * plain - weighted, weighted)
    lost = np.where(up, 1.0, last) / total
    queue = queued / total
    through = lam * (1.0 - lost)
    with np.errstate(under="ignore"):
        empty = np.exp(np.where(rare, -a, np.log(weight_c / total) - c * np.log(a) + gammaln(c + 1.0)))
    return Method("M/M/c/K", "exact", np.ones(c.shape, np.bool_))(
        loss_probability=lost,
        p_empty=empty,
        throughput=through,
        utilisation=through * mean / c,
        queue_mean=queue,
        number_mean=queue + through * mean,
        wait_mean=queue / through,
        sojourn_mean=queue / through + mean,
    )


def finite_source(sources: int, think_mean: float, service_mean: float, servers: int = 1) -> Answer:
    """Return the steady state of M/M/c//N, the machine-repair model.

    Parameters
    ----------
    sources : int
        N >= 1.
    think_mean : float
        Mean time between the end of a service and the next request of the same source, > 0.
    service_mean : float
        > 0.
    servers : int
        c >= 1.

    Returns
    -------
    dict of str to Value
        ``throughput``, ``utilisation``, ``p_empty``, ``number_mean``, ``queue_mean``, ``sojourn_mean``, ``wait_mean``.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Palm 1947; Kleinrock, Queueing Systems 1 (1975), section 3.8; the chain's probabilities in logarithms.

    Examples
    --------
    >>> float(finite_source(8, 4.0, 1.0)["number_mean"].value.round(6))
    4.12168
    """
    n = int(counted("finite_source.sources", sources, 1))
    c = int(counted("finite_source.servers", servers, 1))
    think = float(checked("finite_source.think_mean", think_mean, 0.0, above=True))
    mean = float(checked("finite_source.service_mean", service_mean, 0.0, above=True))
    state = np.arange(n + 1)
    steps = np.log((n - state[:-1]) / think) - np.log(np.minimum(state[1:], c) / mean)
    weight = np.concatenate([[0.0], np.cumsum(steps)])
    p = np.exp(weight - logsumexp(weight))
    busy = float(p @ np.minimum(state, c))
    number, queue = float(p @ state), float(p @ np.maximum(state - c, 0))
    through = busy / mean
    return Method("M/M/c//N", "exact", True)(
        throughput=through,
        utilisation=busy / c,
        p_empty=p[0],
        number_mean=number,
        queue_mean=queue,
        sojourn_mean=number / through,
        wait_mean=queue / through,
    )


def delayed_quantile(p_wait: F64, mean: F64, q: F64) -> F64:
    """Return quantiles of a wait that is 0 with probability 1 - ``p_wait`` and else exponential with the given mean."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(1.0 - q < p_wait, mean * np.log(p_wait / (1.0 - q)), 0.0)


def _sojourn_quantile(p_wait: F64, drain: F64, mean: F64, q: F64) -> F64:
    """Return quantiles of an exponential service after such a wait."""
    p_wait, drain, mean, q = np.broadcast_arrays(p_wait, drain, mean, q)
    finite = np.isfinite(drain)
    result = np.full(q.shape, np.inf)
    args = tuple(each[finite] for each in (p_wait, drain, mean, q))

    def surplus(t: F64, p_wait: F64, drain: F64, mean: F64, q: F64) -> F64:
        # the slower of the two is factored out, so that nothing overflows where they differ and nothing cancels where not
        rate, other = 1.0 / mean, 1.0 / drain
        gap = np.abs(other - rate)
        spread = np.where(gap * t < 1e-8, t * (1.0 - 0.5 * gap * t), -np.expm1(-gap * t) / np.where(gap == 0.0, 1.0, gap))
        late = np.exp(-rate * t) + p_wait * rate * np.exp(-np.minimum(rate, other) * t) * spread
        return np.asarray(late - (1.0 - q), np.float64)

    # a quantile of a sum of two is below the sum of the quantiles at half the tail
    top = -np.log((1.0 - args[3]) / 2.0) * (args[1] + args[2])
    result[finite] = find_root(surplus, (np.zeros(top.shape), top), args=args).x
    return result


def _geometric(s: F64, n: F64) -> tuple[F64, F64]:
    """Return the sums of s^i and of i s^i over i < n, for s <= 1."""
    near = -np.log(s)
    alike = n * near < 1e-3
    last = np.exp(-n * near)
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = np.where(near > 0.0, np.expm1(-n * near) / np.expm1(-near), n)
        weighted = (s * plain - n * last) / -np.expm1(-near)
    first = n * (n - 1.0) / 2.0
    second = first * (2.0 * n - 1.0) / 3.0
    return plain, np.where(alike, first - near * second + near**2 / 2.0 * first**2, weighted)


def _times(rate: F64, wait: F64) -> F64:
    """Return rate times wait, 0 where nothing arrives."""
    with np.errstate(invalid="ignore"):
        return np.where(rate > 0.0, rate * wait, 0.0)
