"""Logarithms of the density and of the survival of laws, and the likelihood of measured durations."""

from __future__ import annotations

import math
from functools import singledispatch

import numpy as np
from scipy.special import gammaincc, gammaln, log_ndtr, logsumexp

from octomodel import dist

from .sample import F64, Sample


@singledispatch
def log_density(law: dist.Law, x: F64) -> F64:
    """Return the logarithm of the density.

    Parameters
    ----------
    law : Law
        A continuous one.
    x : float64[n]
        Values > 0.

    Returns
    -------
    float64[n]
        Minus infinity outside the support.

    Raises
    ------
    TypeError
        When the law has no density.

    Examples
    --------
    >>> float(log_density(dist.Exponential(2.0), np.array([2.0])).round(6)[0])
    -1.693147
    """
    raise TypeError(f"{type(law).__name__} has no density")


@log_density.register
def _exponential(law: dist.Exponential, x: F64) -> F64:
    return -math.log(law.mean) - x / law.mean


@log_density.register(dist.Gamma)
@log_density.register(dist.Erlang)
def _gamma(law: dist.Gamma | dist.Erlang, x: F64) -> F64:
    shape, scale = law.shape, law.scale
    return np.asarray((shape - 1.0) * np.log(x / scale) - x / scale - gammaln(shape) - math.log(scale))


@log_density.register
def _lognormal(law: dist.LogNormal, x: F64) -> F64:
    logs = np.log(x)
    return -0.5 * ((logs - law.mu) / law.sigma) ** 2 - logs - math.log(law.sigma) - 0.5 * math.log(2.0 * math.pi)


@log_density.register
def _weibull(law: dist.Weibull, x: F64) -> F64:
    shape, scale = law.shape, law.scale
    logs = np.log(x / scale)
    return math.log(shape / scale) + (shape - 1.0) * logs - np.exp(shape * logs)


@log_density.register
def _pareto(law: dist.Pareto, x: F64) -> F64:
    inside = math.log(law.alpha) + law.alpha * math.log(law.low) - (law.alpha + 1.0) * np.log(x)
    return np.where(x >= law.low, inside, -np.inf)


@log_density.register
def _bounded(law: dist.BoundedPareto, x: F64) -> F64:
    kept = math.log(-math.expm1(-law.alpha * math.log(law.high / law.low)))
    inside = math.log(law.alpha) + law.alpha * math.log(law.low) - (law.alpha + 1.0) * np.log(x) - kept
    return np.where((x >= law.low) & (x <= law.high), inside, -np.inf)


@log_density.register
def _hyper(law: dist.HyperExponential, x: F64) -> F64:
    means = np.array(law.means)
    return np.asarray(logsumexp(-x[:, None] / means - np.log(means), axis=1, b=np.array(law.probabilities)))


@log_density.register
def _mixture(law: dist.Mixture, x: F64) -> F64:
    parts = [log_density(part, x) for part in law.laws]
    return np.asarray(logsumexp(np.stack(parts, axis=1), axis=1, b=np.array(law.weights)))


def log_survival(law: dist.Law, x: F64) -> F64:
    """Return the logarithm of the probability of values above ``x``, float64[n] >= 0; exact far out for a lognormal."""
    if isinstance(law, dist.LogNormal):
        with np.errstate(divide="ignore"):
            return np.asarray(log_ndtr(-(np.log(x) - law.mu) / law.sigma))
    if isinstance(law, dist.Weibull):
        return -((x / law.scale) ** law.shape)
    if isinstance(law, dist.Exponential):
        return -x / law.mean
    with np.errstate(divide="ignore"):
        return np.log(law.sf(x))


def log_likelihood(law: dist.Law, durations: Sample) -> float:
    """Return the log-likelihood of measured durations.

    Parameters
    ----------
    law : Law
        A continuous one.
    durations : Sample
        Those whose end was seen are > 0.

    Returns
    -------
    float
        The sum of the log-densities of what ended and of the log-survivals of what did not, less the log-survivals at
        the ages at which durations came in sight.

    Raises
    ------
    TypeError
        When the law has no density.

    Notes
    -----
    Lawless, Statistical Models and Methods for Lifetime Data, 2nd ed., section 2.2 and 2.4.
    """
    total = float(log_density(law, durations.seen).sum())
    if durations.censored:
        total += float(log_survival(law, durations.times[~durations.observed]).sum())
    if durations.truncated:
        total -= float(log_survival(law, durations.entry[durations.entry > 0.0]).sum())
    return total


def log_gamma_survival(shape: float, x: F64) -> F64:
    """Return the logarithm of the survival of a gamma law of unit scale, by its leading term where that is 0 in floats."""
    value = np.asarray(gammaincc(shape, x))
    with np.errstate(divide="ignore"):
        far = (shape - 1.0) * np.log(np.maximum(x, 1e-300)) - x - gammaln(shape)
        return np.asarray(np.where(value > 0.0, np.log(value), far))
