"""Fork-join: every request has a task at each of K stations and is done when all of them are."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import comb, factorial

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from .answers import F64, Answer, Method, TheoryError, checked, counted, levels
from .general import gamma_cdf
from .phases import PhaseType, convolution, exponential

NODES = 400


@lru_cache
def _nodes(n: int) -> tuple[F64, F64]:
    return np.polynomial.legendre.leggauss(n)


def nelson_tantawi(rate: ArrayLike, service_mean: ArrayLike, branches: ArrayLike) -> Answer:
    """Return the mean response of K equal exponential single servers fed by Poisson arrivals.

    Parameters
    ----------
    rate : array_like of float
        Requests per unit of time, >= 0.
    service_mean : array_like of float
        > 0.
    branches : array_like of int
        K >= 2; meant for K <= 32.

    Returns
    -------
    dict of str to Value
        ``response_mean``: for two branches exact (Flatto and Hahn 1984), else an approximation.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Nelson and Tantawi, "Approximate analysis of fork/join synchronization in parallel queues", IEEE Trans. Computers 37 (1988).

    Examples
    --------
    >>> nelson_tantawi([0.5, 0.5], 1.0, [2, 4])["response_mean"].value.round(6)
    array([2.875   , 3.789773])
    """
    lam, mean, k = _checked("nelson_tantawi", rate, service_mean, branches)
    rho = lam * mean
    two = (12.0 - rho) / 8.0 * _alone(rho, mean)
    ratio = _harmonic(k) / 1.5
    name = "Flatto-Hahn" if bool((k == 2).all()) else "Nelson-Tantawi"
    label = Method(name, "exact" if name == "Flatto-Hahn" else "approximation", (rho < 1.0) & (k <= 32))
    return label(response_mean=(ratio + 4.0 / 11.0 * (1.0 - ratio) * rho) * two)


def varma_makowski(rate: ArrayLike, service_mean: ArrayLike, branches: ArrayLike) -> Answer:
    """Return the mean response of K equal exponential single servers, between light and heavy traffic.

    Parameters
    ----------
    rate, service_mean, branches
        As in :func:`nelson_tantawi`, K from 2 to 64.

    Returns
    -------
    dict of str to Value
        ``response_mean``.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Varma and Makowski, "Interpolation approximations for symmetric fork-join queues", Performance Evaluation 20 (1994).

    Examples
    --------
    >>> varma_makowski(0.5, 1.0, [2, 4])["response_mean"].value.round(6)
    array([2.875   , 3.829017])
    """
    lam, mean, k = _checked("varma_makowski", rate, service_mean, branches)
    if (k > 64).any():
        raise TheoryError("varma_makowski.branches", int(k.max()), "at most 64")
    rho = lam * mean
    light = _harmonic(k)
    heavy = np.vectorize(_heavy, otypes=[np.float64])(k)
    exactness = "exact" if bool((k == 2).all()) else "approximation"
    label = Method("Varma-Makowski", exactness, rho < 1.0)  # type: ignore[arg-type]
    return label(response_mean=(light + (heavy - light) * rho) * _alone(rho, mean))


def independent_maximum(
    means: ArrayLike, scvs: ArrayLike, quantiles: Sequence[float] = (), nodes: int = NODES
) -> Answer:
    """Return the response of branches as if their times were independent, each a gamma law of two moments.

    Parameters
    ----------
    means, scvs : array_like of float, [..., branch]
        Mean > 0 and squared coefficient of variation >= 0 of the time in each branch, waits included.
    quantiles : sequence of float
        Probabilities inside (0, 1), the last axis of ``response_quantile``.
    nodes : int
        Of the integrals of mean and variance; fewer are faster, and do where the times vary.

    Returns
    -------
    dict of str to Value
        ``response_mean``, ``response_var`` and ``response_quantile``. Branches that share their arrivals are associated, so that
        for known laws of the branches the mean is an upper bound.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Nelson and Tantawi 1988, section II, for the bound by association.

    Examples
    --------
    >>> found = independent_maximum([2.0, 2.0], [1.0, 1.0], [0.99])
    >>> float(found["response_mean"].value.round(6)), found["response_quantile"].value.round(3)
    (3.0, array([10.592]))
    """
    mean, scv = checked("independent_maximum.means", means, 0.0, above=True), checked("independent_maximum.scvs", scvs, 0.0)
    mean, scv = np.broadcast_arrays(np.atleast_1d(mean), scv)
    scale = mean.max(axis=-1)
    top = (mean * (1.0 + np.sqrt(scv) * 12.0 + scv * 30.0 + np.log(mean.shape[-1]) * np.sqrt(scv))).max(axis=-1)
    # x = t^3 puts nodes where the laws rise
    at, share = _nodes(nodes)
    t = (at + 1.0) / 2.0
    x = top[..., None] * t**3
    late = 1.0 - _below(mean, scv, x)
    weight = top[..., None] * 3.0 * t**2 * share / 2.0
    first, second = (late * weight).sum(axis=-1), 2.0 * (late * x * weight).sum(axis=-1)
    label = Method("independent maximum", "approximation", np.isfinite(scale))
    result = label(response_mean=first, response_var=second - first**2)
    if len(quantiles):
        q = levels("independent_maximum.quantiles", quantiles)
        flat_mean, flat_scv = mean.reshape(-1, mean.shape[-1]), scv.reshape(-1, mean.shape[-1])
        rows = zip(flat_mean, flat_scv, top.ravel().tolist(), strict=True)
        found = np.array([[_quantile(m, s, p, high) for p in q.tolist()] for m, s, high in rows])
        result |= label(response_quantile=found.reshape(*scale.shape, q.size))
    return result


def split_merge(service_mean: float, branches: int) -> PhaseType:
    """Return the time of K exponential tasks that begin together, until the last ends: the service of a split-merge station.

    Parameters
    ----------
    service_mean : float
        Of each task, > 0.
    branches : int
        K >= 1.

    Returns
    -------
    PhaseType
        A service for :func:`map_ph_c`.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Examples
    --------
    >>> round(split_merge(1.0, 8).mean, 6)
    2.717857
    """
    mean = float(checked("split_merge.service_mean", service_mean, 0.0, above=True))
    k = int(counted("split_merge.branches", branches, 1))
    return convolution([exponential(mean / left) for left in range(k, 0, -1)])


def _quantile(mean: F64, scv: F64, p: float, high: float) -> float:
    while float(_below(mean, scv, np.array([high]))[0]) < p:
        high *= 2.0
    return float(brentq(lambda x: float(_below(mean, scv, np.array([x]))[0]) - p, 0.0, high, rtol=1e-12))


def _below(mean: F64, scv: F64, x: F64) -> F64:
    """Return the probability that all branches take no longer than each x, over the last axis of both."""
    return np.asarray(gamma_cdf(mean[..., None, :], scv[..., None, :], x[..., :, None]).prod(axis=-1))


def _alone(rho: F64, mean: F64) -> F64:
    """Return the mean time at one M/M/1 branch."""
    return np.where(rho < 1.0, mean / np.where(rho < 1.0, 1.0 - rho, 1.0), np.inf)


def _harmonic(k: F64) -> F64:
    sums = np.cumsum(1.0 / np.arange(1, int(k.max()) + 1))
    return np.asarray(sums[k.astype(np.int64) - 1])


def _heavy(k: float) -> float:
    """Return the heavy-traffic constant of Varma and Makowski; its sum alternates, so it is taken in fractions."""
    total = Fraction(0)
    for r in range(1, int(k) + 1):
        inner = sum(Fraction(comb(r, m) * factorial(m - 1), r ** (m + 1)) for m in range(1, r + 1))
        total += (-1) ** (r - 1) * comb(int(k), r) * inner
    return float(total)


def _checked(path: str, rate: ArrayLike, service_mean: ArrayLike, branches: ArrayLike) -> tuple[F64, F64, F64]:
    lam = checked(f"{path}.rate", rate, 0.0)
    mean = checked(f"{path}.service_mean", service_mean, 0.0, above=True)
    lam, mean, k = np.broadcast_arrays(lam, mean, counted(f"{path}.branches", branches, 2))
    return lam, mean, k
