"""Stations with general gaps and times: GI/M/c exactly, GI/G/1 and GI/G/c by two moments."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import gammainc, gammaincinv, ndtr

from .answers import F64, Answer, Method, TheoryError, checked, counted, levels
from .erlang_formulas import delay
from .stations import delayed_quantile
from .uniform import tail_quantile

MOST_SERVERS = 25
"""Of the exact GI/M/c: its sum alternates, and loses all digits with many more."""


def gimc(
    transform: Callable[[float], float], gap_mean: float, service_mean: float, servers: int = 1, quantiles: Sequence[float] = ()
) -> Answer:
    """Return the steady state of GI/M/c, first come, first served.

    Parameters
    ----------
    transform : callable
        Laplace transform of the gaps between arrivals: from s >= 0 to E exp(-s gap).
    gap_mean, service_mean : float
        Both > 0.
    servers : int
        c from 1 to 25, with a load below 1.
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
    Kendall 1953; Takacs, Introduction to the Theory of Queues (1962), chapter 2. With sigma the root of
    transform(c mu (1 - sigma)) = sigma, the wait is exponential with rate c mu (1 - sigma) when there is one.

    Examples
    --------
    >>> import math
    >>> found = gimc(lambda s: math.exp(-1.25 * s), 1.25, 1.0)
    >>> float(found["wait_mean"].value.round(9)), float(found["p_wait"].value.round(9))
    (1.69273084, 0.628629796)
    """
    gap = float(checked("gimc.gap_mean", gap_mean, 0.0, above=True))
    mean = float(checked("gimc.service_mean", service_mean, 0.0, above=True))
    c = int(counted("gimc.servers", servers, 1))
    if c > MOST_SERVERS:
        raise TheoryError("gimc.servers", c, f"at most {MOST_SERVERS}")
    rho = mean / gap / c
    if rho >= 1.0:
        raise TheoryError("gimc", f"a load of {rho:g}", "a load below 1: there is no steady state")
    # below 1 by more than any rounding: the root lies at about 1 - 2 (1 - rho) / (1 + scv)
    top = 1.0 - 1e-13
    sigma = float(brentq(lambda x: transform(c * (1.0 - x) / mean) - x, 0.0, top, xtol=1e-16, rtol=1e-15))
    p_wait = _takacs(transform, sigma, mean, c)
    drain = mean / (c * (1.0 - sigma))
    wait = p_wait * drain
    label = Method("GI/M/c (Takacs)", "exact", True)
    result = label(
        utilisation=rho,
        p_wait=p_wait,
        wait_mean=wait,
        wait_var=p_wait * (2.0 - p_wait) * drain**2,
        queue_mean=wait / gap,
        sojourn_mean=wait + mean,
        sojourn_var=p_wait * (2.0 - p_wait) * drain**2 + mean**2,
        number_mean=(wait + mean) / gap,
    )
    if len(quantiles):
        q = levels("gimc.quantiles", quantiles)

        def beyond(t: float) -> float:
            rate, other = 1.0 / mean, 1.0 / drain
            apart = abs(other - rate)
            spread = t if apart * t < 1e-9 else -np.expm1(-apart * t) / apart
            return float(np.exp(-rate * t) + p_wait * rate * np.exp(-min(rate, other) * t) * spread)

        result |= label(
            wait_quantile=delayed_quantile(np.array(p_wait), np.array(drain), q),
            sojourn_quantile=[tail_quantile(beyond, p, wait + mean) for p in q.tolist()],
        )
    return result


def _takacs(transform: Callable[[float], float], sigma: float, mean: float, c: int) -> float:
    """Return the probability that an arrival at GI/M/c waits."""
    total, ways, product = 1.0 / (1.0 - sigma), 1.0, 1.0
    for k in range(1, c + 1):
        phi = transform(k / mean)
        ways *= (c - k + 1) / k
        product *= phi / (1.0 - phi)
        total += ways / (product * (1.0 - phi)) * _ratio(transform, sigma, phi, mean, c, k)
    return 1.0 / total / (1.0 - sigma)


def _ratio(transform: Callable[[float], float], sigma: float, phi: float, mean: float, c: int, k: int) -> float:
    """Return (c (1 - phi) - k) / (c (1 - sigma) - k), which has a limit where both are 0: then phi is sigma."""
    apart = c * (1.0 - sigma) - k
    if abs(apart) > 1e-4:
        return (c * (1.0 - phi) - k) / apart
    middle, step = k + apart / 2.0, 1e-4
    return 1.0 + c * (transform((middle + step) / mean) - transform((middle - step) / mean)) / (2.0 * step)


def kraemer_langenbach_belz(rho: F64, arrival_scv: F64, service_scv: F64) -> F64:
    """Return the factor on the heavy-traffic mean wait of GI/G/1; 1 for gaps that vary more than exponential ones, as in QNA.

    Notes
    -----
    Kraemer and Langenbach-Belz, ITC 8 (1976); Whitt, "The queueing network analyzer", Bell System Technical Journal 62 (1983),
    equation 45.
    """
    total = arrival_scv + service_scv
    with np.errstate(divide="ignore", invalid="ignore"):
        g = np.exp(-2.0 * (1.0 - rho) * (1.0 - arrival_scv) ** 2 / (3.0 * rho * total))
    return np.where((arrival_scv < 1.0) & (rho > 0.0) & (total > 0.0), g, 1.0)


def gigc(
    rate: ArrayLike,
    arrival_scv: ArrayLike,
    service_mean: ArrayLike,
    service_scv: ArrayLike,
    servers: ArrayLike = 1,
    quantiles: Sequence[float] = (),
) -> Answer:
    """Return the steady state of GI/G/c by two moments of gaps and times.

    Parameters
    ----------
    rate : array_like of float
        Arrivals per unit of time, >= 0.
    arrival_scv, service_scv : array_like of float
        Squared coefficients of variation, >= 0.
    service_mean : array_like of float
        > 0.
    servers : array_like of int
        c >= 1. All are broadcast.
    quantiles : sequence of float
        Probabilities inside (0, 1), the last axis of ``wait_quantile`` and ``sojourn_quantile``.

    Returns
    -------
    dict of str to Value
        ``utilisation``, ``p_wait``, ``wait_mean``, ``wait_var``, ``queue_mean``, ``sojourn_mean``, ``sojourn_var``,
        ``number_mean`` and the quantiles. ``assumptions_ok`` is False without a steady state, and where a squared coefficient of
        variation above 8 is outside what the approximation was made for.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Whitt, "Approximations for the GI/G/m queue", Production and Operations Management 2 (1993): mean and probability of waiting.
    For one server the mean is that of Kraemer and Langenbach-Belz. Its probability of waiting, and for any number of servers the
    spread of the wait of those who do wait, are those of QNA (Whitt 1983). Quantiles: a gamma law with these moments.

    Examples
    --------
    >>> found = gigc(0.8, [0.5, 4.0], 1.0, 0.5)
    >>> found["wait_mean"].value.round(6)
    array([1.918379, 9.      ])
    """
    lam, mean = checked("gigc.rate", rate, 0.0), checked("gigc.service_mean", service_mean, 0.0, above=True)
    ca2, cs2 = checked("gigc.arrival_scv", arrival_scv, 0.0), checked("gigc.service_scv", service_scv, 0.0)
    lam, mean, ca2, cs2, c = np.broadcast_arrays(lam, mean, ca2, cs2, counted("gigc.servers", servers, 1))
    a = lam * mean
    rho = a / c
    stable = rho < 1.0
    r = np.where(stable, rho, 0.5)
    p_markov = delay(c, r * c)
    poisson = p_markov * mean / (c * (1.0 - r))
    single = c == 1.0
    factor = np.where(single, kraemer_langenbach_belz(r, ca2, cs2), _whitt(r, ca2, cs2, c))
    wait = factor * (ca2 + cs2) / 2.0 * poisson
    p_wait = np.where(single, _qna_p_wait(r, ca2, cs2), _whitt_p_wait(r, ca2, cs2, c, p_markov))
    third = np.where(cs2 >= 1.0, 3.0 * cs2 * (1.0 + cs2), (2.0 * cs2 + 1.0) * (cs2 + 1.0))
    given = 2.0 * r - 1.0 + 4.0 * (1.0 - r) * third / (3.0 * (cs2 + 1.0) ** 2)
    some = p_wait > 0.0
    held = np.where(some, wait / np.where(some, p_wait, 1.0), 0.0)
    wait_var = p_wait * (given + 1.0) * held**2 - wait**2
    wait, wait_var, p_wait = (np.where(stable, each, top) for each, top in ((wait, np.inf), (wait_var, np.inf), (p_wait, 1.0)))
    name = "GI/G/c (Whitt 1993)" if bool((c > 1.0).any()) else "GI/G/1 (Kraemer-Langenbach-Belz)"
    label = Method(name, "approximation", stable & (np.maximum(ca2, cs2) <= 8.0))
    with np.errstate(invalid="ignore"):
        queue = np.where(lam > 0.0, lam * wait, 0.0)
    result = label(
        utilisation=np.minimum(rho, 1.0),
        p_wait=p_wait,
        wait_mean=wait,
        wait_var=wait_var,
        queue_mean=queue,
        sojourn_mean=wait + mean,
        sojourn_var=wait_var + cs2 * mean**2,
        number_mean=queue + np.where(stable, a, 0.0),
    )
    if len(quantiles):
        q = levels("gigc.quantiles", quantiles)
        inner = np.where(p_wait[..., None] > 1.0 - q, 1.0 - (1.0 - q) / np.maximum(p_wait[..., None], 1.0 - q), 0.0)
        wait_q = gamma_quantile(np.where(stable, held, np.inf)[..., None], np.maximum(given, 1e-9)[..., None], inner)
        total = wait + mean
        sojourn_scv = (wait_var + cs2 * mean**2) / np.where(stable, total, 1.0) ** 2
        result |= label(wait_quantile=wait_q, sojourn_quantile=gamma_quantile(total[..., None], sojourn_scv[..., None], q))
    return result


def gamma_quantile(mean: F64, scv: F64, q: F64) -> F64:
    """Return quantiles of the gamma law with the given mean and squared coefficient of variation.

    Examples
    --------
    >>> gamma_quantile(np.array(1.0), np.array([1.0, 0.0]), np.array(0.95)).round(6)
    array([2.995732, 1.      ])
    """
    mean, scv, q = np.broadcast_arrays(mean, scv, q)
    spread = (scv > 1e-9) & np.isfinite(scv) & np.isfinite(mean)
    shape = 1.0 / np.where(spread, scv, 1.0)
    return np.where(spread, gammaincinv(shape, q) / shape, np.where(q > 0.0, 1.0, 0.0)) * np.where(q > 0.0, mean, 0.0)


def gamma_cdf(mean: F64, scv: F64, x: F64) -> F64:
    """Return probabilities of values not above x of the gamma law with the given mean and squared coefficient of variation."""
    mean, scv, x = np.broadcast_arrays(mean, scv, x)
    spread = scv > 1e-9
    shape = 1.0 / np.where(spread, scv, 1.0)
    return np.where(spread, gammainc(shape, shape * x / mean), (x >= mean).astype(np.float64))


def _whitt(rho: F64, ca2: F64, cs2: F64, m: F64) -> F64:
    """Return the factor on the mean wait of M/M/m: Whitt 1993."""
    safe = np.maximum(rho, 1e-12)
    gamma = np.minimum(0.24, (1.0 - rho) * (m - 1.0) * (np.sqrt(4.0 + 5.0 * m) - 2.0) / (16.0 * m * safe))
    phi1, phi2 = 1.0 + gamma, 1.0 - 4.0 * gamma
    phi3 = phi2 * np.exp(-2.0 * (1.0 - rho) / (3.0 * safe))
    phi4 = np.minimum(1.0, (phi1 + phi3) / 2.0)
    c2 = (ca2 + cs2) / 2.0
    psi = np.where(c2 >= 1.0, 1.0, phi4 ** (2.0 * np.maximum(1.0 - c2, 0.0)))
    with np.errstate(divide="ignore", invalid="ignore"):
        above = (4.0 * (ca2 - cs2) * phi1 + cs2 * psi) / (4.0 * ca2 - 3.0 * cs2)
        under = ((cs2 - ca2) * phi3 + (cs2 + 3.0 * ca2) * psi) / (2.0 * (ca2 + cs2))
    return np.where(ca2 + cs2 > 0.0, np.where(ca2 >= cs2, above, under), 1.0)


def _qna_p_wait(rho: F64, ca2: F64, cs2: F64) -> F64:
    """Return the probability of waiting at GI/G/1: QNA."""
    spread = rho**2 * (4.0 * ca2 + cs2)
    with np.errstate(divide="ignore", invalid="ignore"):
        low = (1.0 + ca2 + rho * cs2) / (1.0 + rho * (cs2 - 1.0) + spread)
        high = 4.0 * rho / (ca2 + spread)
    h = np.where(ca2 <= 1.0, low, high)
    found = np.clip(rho + (ca2 - 1.0) * rho * (1.0 - rho) * h, 0.0, 1.0)
    return np.where(ca2 + cs2 > 0.0, found, 0.0)


def _whitt_p_wait(rho: F64, ca2: F64, cs2: F64, m: F64, p_markov: F64) -> F64:
    """Return the probability of waiting at GI/G/m: Whitt 1993."""
    total = np.where(ca2 + cs2 > 0.0, ca2 + cs2, 1.0)
    z = total / (1.0 + cs2)
    root = (1.0 - rho) * np.sqrt(m)
    normal = ndtr(-root)
    pi4 = np.minimum(1.0, ndtr(-root / z) / normal * p_markov)
    pi5 = np.minimum(1.0, ndtr(-2.0 * root / (1.0 + ca2)) / normal * p_markov)
    offset = (m * (1.0 - rho) - 0.5) / np.sqrt(np.maximum(m * rho * z, 1e-300))
    pi6 = ndtr(-offset)
    pi1 = rho**2 * pi4 + (1.0 - rho**2) * pi5
    pi2 = ca2 * pi1 + (1.0 - ca2) * pi6
    mix = 2.0 * (1.0 - ca2) * (offset - 0.5)
    pi3 = mix * pi2 + (1.0 - mix) * pi1
    plain = (m <= 6.0) | (offset <= 0.5) | (ca2 >= 1.0)
    found = np.where(plain, pi1, np.where(offset >= 1.0, pi2, pi3))
    return np.where(ca2 + cs2 > 0.0, np.minimum(found, 1.0), 0.0)
