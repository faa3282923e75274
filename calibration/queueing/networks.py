"""Open networks: traffic equations, product form, and tandems whose law of the time through is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .answers import F64, Answer, Method, TheoryError, checked, levels
from .phases import convolution, exponential
from .poisson import mg1
from .stations import mmc
from .uniform import Tail


def traffic(arrival: ArrayLike, routing: ArrayLike) -> F64:
    """Return the rate through each station.

    Parameters
    ----------
    arrival : array_like of float, [..., station]
        Rates from outside, >= 0.
    routing : array_like of float, [..., station, station]
        Probability to go from one (row) to another; what a row lacks to 1 leaves.

    Returns
    -------
    float64[..., station]

    Raises
    ------
    TheoryError
        When shapes or values are out of range, or what is at some station never leaves.

    Notes
    -----
    Jackson, "Networks of waiting lines", Operations Research 5 (1957).

    Examples
    --------
    >>> traffic([8, 0], [[0.0, 0.2], [1.0, 0.0]]).round(6)
    array([10.,  2.])
    """
    gamma, p = checked("traffic.arrival", arrival, 0.0), checked("traffic.routing", routing, 0.0, high=1.0)
    if gamma.ndim < 1 or p.ndim < 2 or p.shape[-2:] != (gamma.shape[-1],) * 2:
        raise TheoryError("traffic.routing", p.shape, f"a square matrix for {gamma.shape[-1:]} stations")
    if (p.sum(axis=-1) > 1.0 + 1e-9).any():
        raise TheoryError("traffic.routing", float(p.sum(axis=-1).max()), "rows with a sum of at most 1")
    if np.abs(np.linalg.eigvals(p)).max() > 1.0 - 1e-12:
        raise TheoryError("traffic.routing", "a part without a way out", "a way out from every station")
    left = np.swapaxes(np.eye(p.shape[-1]) - p, -1, -2)
    return np.asarray(np.linalg.solve(left, gamma[..., None])[..., 0])


def jackson(rates: ArrayLike, service_mean: ArrayLike, servers: ArrayLike) -> Answer:
    """Return the steady state of an open network of exponential stations fed by Poisson arrivals.

    Parameters
    ----------
    rates : array_like of float, [..., station]
        Through each station, from :func:`traffic` or visits.
    service_mean : array_like of float, [..., station]
        > 0.
    servers : array_like, [..., station]
        Whole numbers >= 1, or infinity for a delay.

    Returns
    -------
    dict of str to Value
        ``utilisation`` (of a delay: the mean number in it), ``p_wait``, ``wait_mean``, ``queue_mean``, ``sojourn_mean`` and
        ``number_mean`` by station, of one visit each.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Jackson, "Jobshop-like queueing systems", Management Science 10 (1963). Single stations may be processor sharing or have any
    law at a delay: Baskett, Chandy, Muntz and Palacios, J. ACM 22 (1975).

    Examples
    --------
    >>> jackson([10.0, 2.0], [1 / 14, 1 / 9], [1, 1])["number_mean"].value.round(6)
    array([2.5     , 0.285714])
    """
    lam, mean = checked("jackson.rates", rates, 0.0), checked("jackson.service_mean", service_mean, 0.0, above=True)
    c = np.asarray(servers, np.float64)
    lam, mean, c = np.broadcast_arrays(lam, mean, c)
    delay = np.isinf(c)
    found = mmc(lam, mean, np.where(delay, 1.0, c))
    number = lam * mean
    instead = {"utilisation": number, "number_mean": number, "sojourn_mean": mean}
    names = ("utilisation", "p_wait", "wait_mean", "queue_mean", "sojourn_mean", "number_mean")
    values = {name: np.where(delay, instead.get(name, 0.0), found[name].value) for name in names}
    return Method("product form (Jackson)", "exact", delay | found["wait_mean"].assumptions_ok)(**values)


def markov_tandem(rate: float, service_mean: Sequence[float], quantiles: Sequence[float]) -> Answer:
    """Return the law of the time through exponential single servers in series, fed by Poisson arrivals.

    Parameters
    ----------
    rate : float
        > 0.
    service_mean : sequence of float
        Of each station, > 0.
    quantiles : sequence of float
        Probabilities inside (0, 1).

    Returns
    -------
    dict of str to Value
        ``sojourn_mean``, ``sojourn_var`` and ``sojourn_quantile`` of all stations together.

    Raises
    ------
    TheoryError
        When a parameter is out of range or a load is 1 or more.

    Notes
    -----
    Burke 1956; Reich 1957: the times at the stations are independent and exponential.

    Examples
    --------
    >>> markov_tandem(0.7, [1, 1 / 1.2, 1 / 1.1], [0.5])["sojourn_quantile"].value.round(6)
    array([6.931472])
    """
    lam = float(checked("markov_tandem.rate", rate, 0.0, above=True))
    mean = checked("markov_tandem.service_mean", service_mean, 0.0, above=True)
    q = levels("markov_tandem.quantiles", quantiles)
    if (lam * mean).max() >= 1.0:
        raise TheoryError("markov_tandem", f"a load of {(lam * mean).max():g}", "loads below 1")
    each = mean / (1.0 - lam * mean)
    tail = Tail.of(convolution([exponential(x) for x in each.tolist()]))
    return Method("M/M/1 in series (Reich)", "exact", True)(
        sojourn_mean=each.sum(), sojourn_var=(each**2).sum(), sojourn_quantile=[tail.quantile(p) for p in q.tolist()]
    )


def constant_tandem(rate: float, service: Sequence[float]) -> Answer:
    """Return the mean waits at constant single servers in series, fed by Poisson arrivals.

    Parameters
    ----------
    rate : float
        > 0.
    service : sequence of float
        Of each station, > 0.

    Returns
    -------
    dict of str to Value
        ``wait_mean``, float64[station], and ``sojourn_mean`` of all together.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Friedman, "Reduction methods for tandem queuing systems", Operations Research 13 (1965): what is waited up to any station is
    what is waited at the slowest of them alone.

    Examples
    --------
    >>> constant_tandem(0.8, [1.0, 0.8, 1.0])["wait_mean"].value.round(6)
    array([2., 0., 0.])
    """
    time = checked("constant_tandem.service", service, 0.0, above=True)
    alone = mg1(rate, np.maximum.accumulate(time), 0.0)["wait_mean"]
    with np.errstate(invalid="ignore"):
        waits = np.where(np.isinf(alone.value), np.inf, np.diff(alone.value, prepend=0.0))
    label = Method("constant service in series (Friedman)", "exact", alone.assumptions_ok[-1])
    return label(wait_mean=waits, sojourn_mean=alone.value[-1] + time.sum())
