"""Open networks of general stations by two moments: the queueing network analyser."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .answers import F64, Answer, Method, TheoryError, checked, counted
from .general import gigc
from .networks import traffic


def qna(
    arrival: ArrayLike,
    arrival_scv: ArrayLike,
    routing: ArrayLike,
    service_mean: ArrayLike,
    service_scv: ArrayLike,
    servers: ArrayLike,
) -> Answer:
    """Return the steady state of an open network whose stations are first come, first served.

    Parameters
    ----------
    arrival : array_like of float, station
        Rates from outside, >= 0.
    arrival_scv : array_like of float, station
        Squared coefficient of variation of the gaps from outside.
    routing : array_like of float, station x station
        Probabilities; what a row lacks to 1 leaves.
    service_mean, service_scv : array_like of float, station
        > 0 and >= 0.
    servers : array_like of int, station
        >= 1.

    Returns
    -------
    dict of str to Value
        By station and visit: ``rate``, ``arrival_scv``, ``utilisation``, ``p_wait``, ``wait_mean``, ``wait_var``,
        ``sojourn_mean``, ``sojourn_var``, ``queue_mean``, ``number_mean``. ``assumptions_ok`` is False without a steady state.

    Raises
    ------
    TheoryError
        When shapes or values are out of range, or what is at some station never leaves.

    Notes
    -----
    Whitt, "The queueing network analyzer", Bell System Technical Journal 62 (1983): rates by equation 9, variability by 24 to 29,
    with immediate feedback taken out first (section III), stations by :func:`gigc`. It knows two moments only: bursts that pass
    a station of light load unseen and meet a loaded one behind it are missed (Suresh and Whitt 1990).

    Examples
    --------
    >>> found = qna([0.8, 0], [0.5, 1], [[0, 1], [0, 0]], [1.0, 1.0], [1.0, 1.0], [1, 1])
    >>> found["wait_mean"].value.round(3)
    array([2.918, 3.629])
    """
    gamma = checked("qna.arrival", arrival, 0.0)
    mean = checked("qna.service_mean", service_mean, 0.0, above=True)
    external, cs2 = checked("qna.arrival_scv", arrival_scv, 0.0), checked("qna.service_scv", service_scv, 0.0)
    c, p = counted("qna.servers", servers, 1), np.asarray(routing, np.float64)
    shape = np.broadcast_shapes(gamma.shape, external.shape, mean.shape, cs2.shape, c.shape)
    if len(shape) != 1:
        raise TheoryError("qna", shape, "one number per station")
    gamma, external, mean, cs2, c = (np.broadcast_to(each, shape) for each in (gamma, external, mean, cs2, c))
    rate = traffic(gamma, p)
    # a visit that comes straight back is served on at once instead: as much work, in one visit
    stays = np.diag(p).copy()
    moved = (p - np.diag(stays)) / (1.0 - stays)[:, None]
    flow = rate * (1.0 - stays)
    longer, wider = mean / (1.0 - stays), stays + (1.0 - stays) * cs2
    ca2 = variability(gamma, external, moved, flow, longer, wider, c)
    found = gigc(flow, ca2, longer, wider, c)
    # the wait is shared by the visits that were drawn together
    wait = found["wait_mean"].value * (1.0 - stays)
    ok = found["wait_mean"].assumptions_ok
    some = rate > 0.0
    with np.errstate(invalid="ignore"):
        queue = np.where(some, rate * wait, 0.0)
    spread = found["wait_var"].value * (1.0 - stays)
    return Method("QNA (Whitt 1983)", "approximation", ok)(
        rate=rate,
        arrival_scv=ca2,
        utilisation=found["utilisation"].value,
        p_wait=found["p_wait"].value,
        wait_mean=wait,
        wait_var=spread,
        sojourn_mean=wait + mean,
        sojourn_var=spread + cs2 * mean**2,
        queue_mean=queue,
        number_mean=queue + np.where(ok | (rate * mean < c), rate * mean, 0.0),
    )


def variability(
    outside: F64,
    outside_scv: F64,
    routing: F64,
    rate: F64,
    service_mean: F64,
    service_scv: F64,
    servers: F64,
    chance: ArrayLike = 1.0,
) -> F64:
    """Return the squared coefficients of variation of the gaps between arrivals at each station.

    Parameters
    ----------
    outside, outside_scv : float64[..., station]
        Rates from outside, and squared coefficients of variation of their gaps.
    routing : float64[..., station, station]
        Tokens for one station (column) of each that leaves another (row); a token that forks may make the sum of a row
        larger than 1.
    rate, service_mean, service_scv, servers : float64[..., station]
        Of each station, all through it included.
    chance : array_like of float, [..., station]
        Variance of what is drawn where tokens that leave a station part, over that of independent draws: 0 where they go
        by count.

    Returns
    -------
    float64[..., station]
        1 where nothing comes.

    Notes
    -----
    Whitt 1983, equations 24 to 29; immediate feedback is to be taken out before.

    Examples
    --------
    >>> rate = np.array([0.8, 0.8])
    >>> series = np.array([[0.0, 1.0], [0.0, 0.0]])
    >>> variability(np.array([0.8, 0.0]), np.array([0.5, 1.0]), series, rate, np.ones(2), np.ones(2), np.ones(2)).round(3)
    array([0.5 , 0.82])
    """
    rho = np.minimum(rate * service_mean / servers, 1.0)
    safe = np.where(rate > 0.0, rate, 1.0)
    p = routing
    shares = rate[..., :, None] * p / safe[..., None, :]
    external = outside / safe
    sources = external**2 + (shares**2).sum(axis=-2)
    v = 1.0 / np.where(sources > 0.0, sources, 1.0)
    w = 1.0 / (1.0 + 4.0 * (1.0 - rho) ** 2 * (v - 1.0))
    x = 1.0 + (np.maximum(service_scv, 0.2) - 1.0) / np.sqrt(servers)
    drawn = np.broadcast_to(np.asarray(chance, np.float64), rate.shape)[..., :, None]
    inside = (shares * ((1.0 - p) * drawn + p * (rho**2 * x)[..., :, None])).sum(axis=-2)
    a = 1.0 + w * (external * outside_scv - 1.0 + inside)
    b = w[..., None, :] * shares * p * (1.0 - rho**2)[..., :, None]
    found = np.linalg.solve(np.eye(a.shape[-1]) - np.swapaxes(b, -1, -2), a[..., None])[..., 0]
    return np.where(rate > 0.0, np.maximum(found, 0.0), 1.0)
