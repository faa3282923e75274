"""Single servers in series by indices of dispersion: bursts that pass lightly loaded stations are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import expm
from scipy.special import ndtr

from .answers import F64, Answer, Method, TheoryError, checked
from .phases import Arrivals, PhaseType, renewal, stationary

POINTS = 400


def dispersion(arrivals: Arrivals, window: ArrayLike) -> F64:
    """Return variance over mean of the arrivals in windows of a stationary process: its index of dispersion for counts.

    Parameters
    ----------
    arrivals : Arrivals
        Markovian arrivals.
    window : array_like of float
        Lengths, > 0.

    Returns
    -------
    float64 array
        Of the shape of ``window``.

    Raises
    ------
    TheoryError
        When a length is out of range.

    Notes
    -----
    Neuts, Structured Stochastic Matrices of M/G/1 Type and Their Applications (1989).

    Examples
    --------
    >>> from octomodel.calibration.queueing.phases import mmpp2
    >>> dispersion(mmpp2((0.2, 1.6), (20.0, 10.0)), [1.0, 10.0, 100.0]).round(6)
    array([1.621856, 5.199511, 9.130371])
    """
    t = checked("dispersion.window", window, 0.0, above=True)
    d0, d1 = arrivals.still, arrivals.arrive
    both = d0 + d1
    pi = stationary(both)
    rate = float((pi @ d1).sum())
    inverse = np.linalg.inv(np.outer(np.ones(len(pi)), pi) - both)
    left, right = pi @ d1 @ inverse, inverse @ d1.sum(axis=1)
    slope = rate - 2.0 * rate**2 + 2.0 * float((left @ d1).sum())
    # what is left of the first phase fades before windows that are longer than any phase
    fade = float(-np.diag(both).min())
    flat = np.minimum(t.ravel(), 1e8 / fade if fade > 0.0 else 1.0)
    decayed = expm(flat[:, None, None] * both)
    bend = 2.0 * (float(left @ right) - np.einsum("i,nij,j->n", left, decayed, right))
    return np.asarray((slope - bend.reshape(t.shape) / t) / rate)


def robust_tandem(arrivals: Arrivals, services: Sequence[PhaseType]) -> Answer:
    """Return mean waits at single servers in series, first come, first served.

    Parameters
    ----------
    arrivals : Arrivals
        At the first station.
    services : sequence of PhaseType
        Of each station; for other laws ``two_moments(mean, scv)``.

    Returns
    -------
    dict of str to Value
        ``wait_mean``, ``sojourn_mean`` and ``utilisation``, float64[station].

    Raises
    ------
    TheoryError
        When there is no station or a load is 1 or more.

    Notes
    -----
    Whitt and You, "Using robust queueing to expose the impact of dependence in single-server queues", Operations Research 66
    (2018), for a station; "A robust queueing network analyzer based on indices of dispersion", Naval Research Logistics 69
    (2022), for what leaves it: in long windows as dispersed as the arrivals, in short ones as the service.

    Examples
    --------
    >>> from octomodel.calibration.queueing.phases import exponential
    >>> found = robust_tandem(renewal(exponential(1.25)), [exponential(1.0), exponential(1.1)])
    >>> found["wait_mean"].value.round(2)  # 4 and 8.07
    array([4.  , 8.07])
    """
    if not services:
        raise TheoryError("robust_tandem.services", services, "at least one station")
    rate = arrivals.rate
    mean = np.array([each.mean for each in services])
    scv = np.array([each.scv for each in services])
    load = rate * mean
    if load.max() >= 1.0:
        raise TheoryError("robust_tandem", f"a load of {load.max():g}", "loads below 1: there is no steady state")
    # the supremum lies at about a relaxation time, 1 / (1 - load)^2
    longest = 1e3 * (1.0 + scv.max() + float(dispersion(arrivals, 1e6 / rate))) / (rate * (1.0 - load.max()) ** 2)
    t = np.geomspace(1e-3 / rate, longest, POINTS)
    index = dispersion(arrivals, t)
    waits = np.empty(len(mean))
    for i, service in enumerate(services):
        work = float(np.max(np.sqrt(2.0 * load[i] * mean[i] * t * (index + scv[i])) - (1.0 - load[i]) * t))
        waits[i] = max(work / load[i] - mean[i] * (1.0 + scv[i]) / 2.0, 0.0)
        spread = float(index[-1]) + scv[i]
        weight = _kept((1.0 - load[i]) ** 2 * rate * t / (load[i] * spread))
        index = weight * index + (1.0 - weight) * dispersion(renewal(service), load[i] * t)
    return Method("robust queueing by indices of dispersion", "approximation", True)(
        utilisation=load, wait_mean=waits, sojourn_mean=waits + mean
    )


def _kept(x: F64) -> F64:
    """Return the weight of what arrives in what leaves: the correlation function of reflected Brownian motion."""
    root = np.sqrt(x)
    density = np.exp(-x / 2.0) / np.sqrt(2.0 * np.pi)
    plain = ((x * x + 2.0 * x - 1.0) * (1.0 - 2.0 * ndtr(-root)) + 2.0 * density * root * (1.0 + x) - x * x) / (2.0 * x)
    far = 1.0 - 1.0 / (2.0 * np.maximum(x, 1.0))
    near = 8.0 / 3.0 * root / np.sqrt(2.0 * np.pi)
    return np.clip(np.where(x > 60.0, far, np.where(x < 1e-5, near, plain)), 0.0, 1.0)
