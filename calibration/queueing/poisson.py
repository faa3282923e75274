"""Poisson arrivals at general servers: M/G/1 exactly, its quantiles by transform, and M/D/c exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, pdtr

from .answers import F64, Answer, Method, TheoryError, checked, counted, levels
from .uniform import tail_quantile

POINTS = 2**16
"""Of the lattice on which the wait of M/G/1 is found; errors of quantiles are about its step."""
MOST_ATOMS = 200_000


def mg1(rate: ArrayLike, service_mean: ArrayLike, service_scv: ArrayLike, service_third: ArrayLike | None = None) -> Answer:
    """Return the steady state of M/G/1, first come, first served.

    Parameters
    ----------
    rate : array_like of float
        Arrivals per unit of time, >= 0.
    service_mean : array_like of float
        > 0.
    service_scv : array_like of float
        Squared coefficient of variation, >= 0.
    service_third : array_like of float, optional
        Third raw moment of the service, needed for the variances only. All are broadcast.

    Returns
    -------
    dict of str to Value
        ``utilisation``, ``p_wait``, ``wait_mean``, ``queue_mean``, ``sojourn_mean``, ``number_mean`` and, given the third
        moment, ``wait_var`` and ``sojourn_var``. Without a steady state: infinite, and ``assumptions_ok`` is False.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Pollaczek 1930 and Khinchine 1932; the variance is Takacs 1962.

    Examples
    --------
    >>> found = mg1(0.8, 1.0, [0.0, 1.0, 4.0])
    >>> found["wait_mean"].value.round(6)
    array([ 2.,  4., 10.])
    """
    lam, mean = checked("mg1.rate", rate, 0.0), checked("mg1.service_mean", service_mean, 0.0, above=True)
    lam, mean, scv = np.broadcast_arrays(lam, mean, checked("mg1.service_scv", service_scv, 0.0))
    rho = lam * mean
    stable = rho < 1.0
    rest = np.where(stable, 1.0 - rho, 1.0)
    second = mean**2 * (1.0 + scv)
    wait = np.where(stable, lam * second / (2.0 * rest), np.inf)
    with np.errstate(invalid="ignore"):
        queue = np.where(lam > 0.0, lam * wait, 0.0)
    label = Method("M/G/1 (Pollaczek-Khinchine)", "exact", stable)
    result = label(
        utilisation=np.minimum(rho, 1.0),
        p_wait=np.minimum(rho, 1.0),
        wait_mean=wait,
        queue_mean=queue,
        sojourn_mean=wait + mean,
        number_mean=queue + rho,
    )
    if service_third is not None:
        third = checked("mg1.service_third", service_third, 0.0)
        spread = np.where(stable, wait**2 + lam * third / (3.0 * rest), np.inf)
        result |= label(wait_var=spread, sojourn_var=spread + scv * mean**2)
    return result


def mg1_quantiles(
    rate: float, service_mean: float, excess: Callable[[F64], F64], quantiles: Sequence[float], points: int = POINTS
) -> Answer:
    """Return quantiles of the wait of M/G/1.

    Parameters
    ----------
    rate, service_mean : float
        Both > 0, with a product below 1.
    excess : callable
        From x >= 0, float64[n], to the mean of what a service exceeds x by: the tail of the service integrated from x on.
    quantiles : sequence of float
        Probabilities inside (0, 1).
    points : int
        Of the lattice, a power of 2.

    Returns
    -------
    dict of str to Value
        ``wait_quantile``, float64[quantile]: exact up to the step of the lattice, about the largest quantile / (points / 4).

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    The wait is a geometric sum of equilibrium excesses (Benes 1957). Their law, rounded to the middles of a lattice, is summed by
    a fast Fourier transform on a circle inside the unit circle, so that what wraps around is negligible: Abate and Whitt,
    "Numerical inversion of probability generating functions", Operations Research Letters 12 (1992).

    Examples
    --------
    >>> exponential = lambda x: np.exp(-x)
    >>> mg1_quantiles(0.8, 1.0, exponential, [0.1, 0.95])["wait_quantile"].value.round(3)
    array([ 0.   , 13.863])
    """
    q = levels("mg1_quantiles.quantiles", quantiles)
    lam = float(checked("mg1_quantiles.rate", rate, 0.0, above=True))
    mean = float(checked("mg1_quantiles.service_mean", service_mean, 0.0, above=True))
    rho = lam * mean
    if rho >= 1.0:
        raise TheoryError("mg1_quantiles", f"a load of {rho:g}", "a load below 1: there is no steady state")
    span = 8.0 * mean / (1.0 - rho)
    while True:
        step = span / (points // 2)
        x = (np.arange(points + 1) - 0.5) * step
        x[0] = 0.0
        mass = -np.diff(excess(np.asarray(x))) / mean
        damp = np.exp(-np.arange(points) * (20.0 / points))
        transform = np.fft.rfft(mass * damp)
        wait = np.fft.irfft((1.0 - rho) / (1.0 - rho * transform), points) / damp
        below = np.cumsum(wait[: points // 2])
        if below[-1] > q.max():
            needed = step * float(np.searchsorted(below, q.max()) + 1)
            if span < 8.0 * needed or needed <= 2.0 * step:
                break
            span = 2.0 * needed
        else:
            span *= 4.0
    # mass rounded to k lies between k - 1/2 and k + 1/2: there the sum is right
    edges = (np.arange(points // 2) + 0.5) * step
    found = np.where(q <= 1.0 - rho, 0.0, np.interp(q, np.concatenate([[1.0 - rho], below]), np.concatenate([[0.0], edges])))
    return Method("M/G/1 (geometric sum by transform)", "exact", True)(wait_quantile=found)


def mdc(rate: float, service: float, servers: int = 1, quantiles: Sequence[float] = ()) -> Answer:
    """Return the steady state of M/D/c, first come, first served.

    Parameters
    ----------
    rate : float
        Arrivals per unit of time, > 0.
    service : float
        Time of every execution, > 0.
    servers : int
        c >= 1, with a load below 1.
    quantiles : sequence of float
        Probabilities inside (0, 1).

    Returns
    -------
    dict of str to Value
        ``utilisation``, ``p_wait``, ``wait_mean``, ``queue_mean``, ``sojourn_mean``, ``number_mean``, ``wait_quantile``,
        ``sojourn_quantile``.

    Raises
    ------
    TheoryError
        When a parameter is out of range or the load is 1 or more.

    Notes
    -----
    Crommelin 1932: numbers in the system one service apart; their law as the maximum of a random walk, by spectral
    factorisation. Waits: Franx, "A simple solution for the M/D/c waiting time distribution", Operations Research Letters 29
    (2001), whose terms are all positive.

    Examples
    --------
    >>> found = mdc(1.6, 1.0, 2)
    >>> float(found["wait_mean"].value.round(9)), float(found["p_wait"].value.round(9))
    (0.903283879, 0.701898317)
    """
    lam = float(checked("mdc.rate", rate, 0.0, above=True))
    time = float(checked("mdc.service", service, 0.0, above=True))
    c = int(counted("mdc.servers", servers, 1))
    q = levels("mdc.quantiles", quantiles) if len(quantiles) else np.empty(0)
    offered = lam * time
    if offered >= c:
        raise TheoryError("mdc", f"a load of {offered / c:g}", "a load below 1: there is no steady state")
    waiting = _walk_maximum(offered, c)
    number = _after_one_service(waiting, offered)
    below = np.cumsum(waiting)
    p_wait = 1.0 - float(number[:c].sum())
    queue = float(waiting @ np.arange(len(waiting)))
    wait = queue / lam

    def beyond(t: float) -> float:
        k = int(t / time) + 1
        left = lam * (k * time - t)
        j = np.arange(min(k * c, int(left + 12.0 * np.sqrt(left) + 40.0)))
        state = np.minimum(k * c - j - 1, len(below) - 1)
        weight = np.exp(j * np.log(left) - left - gammaln(j + 1.0))
        # j arrive before a service ends, and too many wait; or more arrive than can be served
        return float(weight @ (1.0 - below[state])) + float(1.0 - pdtr(k * c - 1, left))

    result = {
        "utilisation": offered / c,
        "p_wait": p_wait,
        "wait_mean": wait,
        "queue_mean": queue,
        "sojourn_mean": wait + time,
        "number_mean": queue + offered,
    }
    label = Method("M/D/c (Crommelin, Franx)", "exact", True)
    answer = label(**result)
    if len(q):
        found = np.array([tail_quantile(beyond, p, wait + time) for p in q.tolist()])
        answer |= label(wait_quantile=found, sojourn_quantile=found + time)
    return answer


def _walk_maximum(offered: float, c: int) -> F64:
    """Return the law of max(0, max of partial sums of A - c), A Poisson: what waits at M/D/c.

    With X = A - c, the powers above 0 of -log(1 - E z^X), on a circle between 1 and the root beyond it, are the logarithm of the
    transform of the maximum up to a constant (Spitzer 1956).
    """
    decay = _root(offered, c)
    n = 2 ** int(np.ceil(np.log2(max(80.0 / np.log(decay), 16.0 * c, 256.0))))
    if n > 2**22:
        raise TheoryError("mdc", f"a load of {offered / c:g}", "a load further from 1")
    # a power of it as high as the lattice is long must not overflow
    radius = min(np.sqrt(decay), np.exp(600.0 / n))
    angle = 2.0 * np.pi * np.arange(n) / n
    # on this circle |E z^X| < 1, so that the logarithm does not wind
    log_phi = offered * (radius * np.exp(-1j * angle) - 1.0) - c * np.log(radius) + 1j * c * angle
    coefficients = np.fft.ifft(-np.log1p(-np.exp(log_phi)))
    plus = np.zeros(n, complex)
    plus[1 : n // 2] = coefficients[1 : n // 2]
    transform = np.exp(np.fft.fft(plus))
    law = np.maximum(np.fft.ifft(transform).real[: n // 2], 0.0) / radius ** np.arange(n // 2)
    return np.asarray(law / law.sum())


def _root(offered: float, c: int) -> float:
    """Return the z > 1 with exp(offered (z - 1)) = z^c, at which the tails decay."""
    z = 1.0 + 2.0 * (c - offered) / c
    while offered * (z - 1.0) < c * np.log(z):
        z *= 1.5
    for _ in range(200):
        value, slope = offered * (z - 1.0) - c * np.log(z), offered - c / z
        z -= value / slope
        if abs(value / slope) < 1e-14 * z:
            break
    return float(z)


def _after_one_service(waiting: F64, offered: float) -> F64:
    """Return the law of the number one service after it: who waited, and who arrived."""
    n = len(waiting) + int(offered + 12.0 * np.sqrt(offered) + 40.0)
    k = np.arange(n)
    arrived = np.exp(k * np.log(offered) - offered - gammaln(k + 1.0))
    size = 2 ** int(np.ceil(np.log2(len(waiting) + n)))
    law = np.fft.irfft(np.fft.rfft(waiting, size) * np.fft.rfft(arrived, size), size)[:n]
    return np.asarray(np.maximum(law, 0.0))
