"""Closed networks of one class: exact throughput and queues by convolution, and bounds."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from .answers import F64, Answer, Method, TheoryError, checked, counted

MOST_JOBS = 20_000


def closed_network(
    demand: ArrayLike, population: int, servers: ArrayLike = 1, think: float = 0.0, room: ArrayLike | None = None
) -> Answer:
    """Return the steady state of a closed product-form network with one class of jobs.

    Parameters
    ----------
    demand : array_like of float, station
        Visits times mean service, >= 0.
    population : int
        Jobs, from 1 to 20,000.
    servers : array_like, station
        Whole numbers >= 1, or infinity for a delay.
    think : float
        Mean time of a delay that is not counted in the response, >= 0.
    room : array_like, [station], optional
        Whole numbers >= 0.

    Returns
    -------
    dict of str to Value
        ``throughput`` (visits of 1 per unit of time), ``response_mean`` without the think time; by station ``utilisation`` (of a
        delay: the mean number in it), ``number_mean`` and ``residence_mean``, the time at the station in all visits; with
        ``room`` also ``p_full``, the probability that as many jobs or more wait there, when one is elsewhere.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Gordon and Newell 1967; Buzen, "Computational algorithms for closed queueing networks with exponential servers", Comm. ACM 16
    (1973). All terms are positive and scaled: unlike mean value analysis with several servers, nothing turns negative near
    saturation. Exact for exponential times first come, first served, for any law at a delay or under processor sharing.

    Examples
    --------
    >>> found = closed_network([1.0] * 5, 10)
    >>> float(found["throughput"].value.round(9)), found["number_mean"].value.round(6)
    (0.714285714, array([2., 2., 2., 2., 2.]))
    """
    d, c, z, n = _checked("closed_network", demand, population, servers, think)
    # jobs are weighted by a power of the throughput's upper bound: then no factor of a full station grows, none underflows
    tilt = _most_throughput(d, c, z, n)
    parts = [_weights(tilt * d[k], c[k], n) for k in range(len(d))] + [_weights(tilt * z, np.inf, n)]
    before = list(accumulate(parts, _convolve))
    total = before[-1]
    through = float(total[n - 1] / total[n]) * tilt
    number = through * d
    after = parts[-1]
    full = np.zeros(len(d))
    least = np.full(len(d), np.inf) if room is None else counted("closed_network.room", np.broadcast_to(room, d.shape), 0) + c
    for k in range(len(d) - 1, -1, -1):
        if c[k] == 1.0:
            # for one server the tail of the number at the station is a ratio of normalising constants
            number[k] = (tilt * d[k]) ** np.arange(1, n + 1) @ total[n - 1 :: -1] / total[n]
        elif np.isfinite(c[k]):
            others = _convolve(before[k - 1], after) if k else after
            number[k] = (parts[k] * np.arange(n + 1)) @ others[::-1] / (parts[k] @ others[::-1])
        if least[k] < n:
            # what a job sees that comes: the network without it
            m, others = int(least[k]), _convolve(before[k - 1], after) if k else after
            seen = parts[k][:n] * others[n - 1 :: -1]
            full[k] = seen[m:].sum() / seen.sum()
        after = _convolve(after, parts[k])
    extra = {} if room is None else {"p_full": full}
    return Method("product form (convolution)", "exact", True)(
        **extra,
        throughput=through,
        response_mean=n / through - z,
        utilisation=through * d / np.where(np.isinf(c), 1.0, c),
        number_mean=number,
        residence_mean=number / through,
    )


def asymptotic_bounds(demand: ArrayLike, population: int, servers: ArrayLike = 1, think: float = 0.0) -> Answer:
    """Return bounds on the throughput of a closed network that hold whatever the laws, given exponential servers for the lower.

    Parameters
    ----------
    demand, population, servers, think
        As in :func:`closed_network`.

    Returns
    -------
    dict of str to Value
        ``throughput_upper``, ``throughput_lower``.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Denning and Buzen, "The operational analysis of queueing network models", Computing Surveys 10 (1978); with c servers an
    arrival waits for at most 1 / c of the work before it.

    Examples
    --------
    >>> found = asymptotic_bounds([2.0, 3.0, 1.0], 20, think=4.0)
    >>> float(found["throughput_upper"].value.round(6)), float(found["throughput_lower"].value.round(6))
    (0.333333, 0.298507)
    """
    d, c, z, n = _checked("asymptotic_bounds", demand, population, servers, think)
    upper = _most_throughput(d, c, z, n)
    lower = n / (float(d.sum()) + z + (n - 1) * float((d / c).max()))
    return Method("asymptotic bounds", "bound", True)(throughput_upper=upper, throughput_lower=lower)


def balanced_bounds(demand: ArrayLike, population: int, think: float = 0.0) -> Answer:
    """Return balanced job bounds on the throughput of a closed product-form network of single servers.

    Parameters
    ----------
    demand, population, think
        As in :func:`closed_network`.

    Returns
    -------
    dict of str to Value
        ``throughput_upper``, ``throughput_lower``.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Zahorjan, Sevcik, Eager and Galler, "Balanced job bound analysis of queueing networks", Comm. ACM 25 (1982).

    Examples
    --------
    >>> found = balanced_bounds([2.0, 3.0, 1.0], 20, think=4.0)
    >>> float(found["throughput_upper"].value.round(6)), float(found["throughput_lower"].value.round(6))
    (0.333333, 0.306931)
    """
    d, _, z, n = _checked("balanced_bounds", demand, population, 1, think)
    total, most = float(d.sum()), float(d.max())
    upper = min(1.0 / most, n / (total + z + (n - 1) * total / len(d) / (1.0 + z / total)))
    lower = n / (total + z + (n - 1) * most / (1.0 + z / (n * total)))
    return Method("balanced job bounds", "bound", True)(throughput_upper=upper, throughput_lower=lower)


def _checked(path: str, demand: ArrayLike, population: int, servers: ArrayLike, think: float) -> tuple[F64, F64, float, int]:
    d = np.atleast_1d(checked(f"{path}.demand", demand, 0.0))
    z = float(checked(f"{path}.think", think, 0.0))
    n = int(counted(f"{path}.population", population, 1))
    if n > MOST_JOBS:
        raise TheoryError(f"{path}.population", population, f"at most {MOST_JOBS}")
    c = np.asarray(servers, np.float64)
    counted(f"{path}.servers", np.where(np.isinf(c), 1.0, c), 1)
    if not d.sum() + z > 0.0:
        raise TheoryError(f"{path}.demand", demand, "at least one demand or a think time above 0")
    return d, np.asarray(np.broadcast_to(c, d.shape)), z, n


def _most_throughput(d: F64, c: F64, z: float, n: int) -> float:
    """Return the least of what the slowest station passes and what all jobs would do without waiting."""
    slowest = float((d / c).max())
    return min(1.0 / slowest if slowest > 0.0 else np.inf, n / (float(d.sum()) + z))


def _weights(demand: float, c: float, n: int) -> F64:
    """Return a station's factors for 0 to n jobs, over the largest of them."""
    j = np.arange(n + 1)
    slots = np.minimum(j, c)
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.where(j > 0, j * np.log(demand), 0.0)
    logs = power - gammaln(slots + 1.0) - np.where(j > slots, (j - slots) * np.log(min(c, n + 1.0)), 0.0)
    return np.asarray(np.exp(logs - logs.max()))


def _convolve(a: F64, b: F64) -> F64:
    """Return the convolution of two sequences as far as they go, over its largest term."""
    found = np.convolve(a, b)[: len(a)]
    return np.asarray(found / found.max())
