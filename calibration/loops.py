"""Laws of the turns of a loop: another turn with one probability, a negative binomial law, or the counts themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, digamma, gammaln

from octomodel import dist

from .sample import F64
from .trace import TraceError

_TAIL = 1e-12


@dataclass(frozen=True, eq=False)
class LoopFit:
    """How often a loop turns.

    Attributes
    ----------
    family : str
        ``geometric``, ``negative_binomial`` or ``hazard``: of the least BIC.
    again : float or None
        Probability of another turn, where that is all there is to it: for ``loop(..., again=)``.
    count : Law
        Of the number of turns: for ``loop(..., count=)``.
    bic : dict
        From each family that applies to its criterion.
    turns : int64[k]
        Numbers of turns seen, ascending.
    hazard, low, high : float64[k]
        Probability that the loop ends after that many turns, given that it came so far, with a 95 % credible interval (Jeffreys).
    """

    family: str
    again: float | None
    count: dist.Law
    bic: dict[str, float]
    turns: NDArray[np.int64]
    hazard: F64
    low: F64
    high: F64


def fit_loop(turns: ArrayLike) -> LoopFit:
    """Return the law of the number of turns of a loop.

    Parameters
    ----------
    turns : array_like of int, n
        Turns of each entry into the loop, >= 0, not all 0.

    Returns
    -------
    LoopFit

    Raises
    ------
    TraceError
        When it is anything else.

    Notes
    -----
    Johnson, Kemp and Kotz, Univariate Discrete Distributions, 3rd ed., section 5.8 for the negative binomial law, here of the
    turns beyond the smallest of 0 and 1 that was seen. The hazard has one parameter for each number of turns but the last and is
    the law of the counts themselves.

    Examples
    --------
    >>> found = fit_loop([1] * 60 + [2] * 24 + [3] * 10 + [4] * 4 + [5] * 2)
    >>> found.family, round(found.again, 3)
    ('geometric', 0.39)
    """
    counts = np.asarray(turns)
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or not counts.size:
        raise TraceError("fit_loop.turns", f"{counts.dtype}{list(counts.shape)}", "a one-dimensional array of integers")
    if counts.min() < 0 or not counts.any():
        raise TraceError("fit_loop.turns", "a negative number or only zeros", "integers >= 0, at least one above 0")
    values, times = np.unique(counts.astype(np.int64), return_counts=True)
    n = int(times.sum())
    first = int(min(values[0], 1))
    beyond = (values - first).astype(np.float64)
    mean = float(times @ beyond) / n
    bic = {"hazard": (values.size - 1) * math.log(n) - 2.0 * float(times @ np.log(times / n))}
    again = mean / (1.0 + mean)
    if values[-1] > first:
        share = beyond * math.log(again) + math.log1p(-again)
        bic["geometric"] = math.log(n) - 2.0 * float(times @ share)
    shape = _shape(beyond, times, mean)
    if shape is not None:
        bic["negative_binomial"] = 2.0 * math.log(n) - 2.0 * float(times @ _log_negative(beyond, shape, mean))
    family = min(bic, key=lambda name: (bic[name], name))
    if family == "geometric":
        law = _law(first, 1.0, mean)
    elif family == "negative_binomial" and shape is not None:
        law = _law(first, shape, mean)
    else:
        law = _points(values, times / n)
    left = n - np.concatenate([[0], np.cumsum(times)[:-1]])
    ended, went = times + 0.5, left - times + 0.5
    low, high = (np.asarray(betaincinv(ended, went, p)) for p in (0.025, 0.975))
    # loop(again=) turns at least once
    single = again if family == "geometric" and first == 1 else None
    return LoopFit(family, single, law, bic, values, times / left, low, high)


def _shape(beyond: F64, times: NDArray[np.int64], mean: float) -> float | None:
    """Return the shape of the likeliest negative binomial law; None where the counts spread no more than those of Poisson."""
    from scipy.optimize import brentq

    n = float(times.sum())
    spread = float(times @ (beyond - mean) ** 2) / n
    if not spread > mean * (1.0 + 1e-9):
        return None

    def score(log_shape: float) -> float:
        r = math.exp(log_shape)
        return float(times @ (digamma(beyond + r) - digamma(r))) / n - math.log1p(mean / r)

    low, high = math.log(1e-8), math.log(1e6)
    if score(low) <= 0.0 or score(high) >= 0.0:
        return None
    return math.exp(float(brentq(score, low, high, xtol=1e-13)))


def _log_negative(k: F64, shape: float, mean: float) -> F64:
    ways = gammaln(k + shape) - gammaln(shape) - gammaln(k + 1.0)
    return np.asarray(ways - shape * math.log1p(mean / shape) + k * (math.log(mean) - math.log(mean + shape)))


def _law(first: int, shape: float, mean: float) -> dist.Law:
    """Return the law of ``first`` plus a negative binomial number, up to where no more than 1e-12 is left."""
    top = 64
    while True:
        k = np.arange(top, dtype=np.float64)
        p = np.exp(_log_negative(k, shape, mean))
        if float(p[-1]) * top < _TAIL and k[-1] > mean:
            break
        top *= 2
    enough = int(np.searchsorted(np.cumsum(p), 1.0 - _TAIL)) + 1
    return _points(np.arange(first, first + min(enough, top)), p[:enough])


def _points(values: NDArray[np.int64], weights: F64) -> dist.Law:
    if values.size == 1:
        return dist.Deterministic(float(values[0]))
    return dist.Mixture(tuple((weights / weights.sum()).tolist()), tuple(dist.Deterministic(float(v)) for v in values))
