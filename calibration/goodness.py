"""Whether durations may come from a fitted law: Kolmogorov-Smirnov and Anderson-Darling with a parametric bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from octomodel import dist

from .families import UnfitError
from .product_limit import ProductLimit, product_limit
from .sample import F64, Sample

TESTED = 2_000
"""Most durations of a test: far more of them reject every family, for differences that do not matter."""


_LEAST = 1e-300
"""A probability that is 0 in floats counts as this one."""


@dataclass(frozen=True)
class Test:
    """A statistic and the probability of one as large under the fitted law; both nan where the test does not apply."""

    __test__ = False

    statistic: float
    p: float


def kolmogorov(law: dist.Law, durations: Sample) -> float:
    """Return the greatest distance between the law and the product-limit estimate, up to the last end seen.

    Examples
    --------
    >>> from octomodel.calibration.sample import sample
    >>> kolmogorov(dist.Uniform(0, 1), sample([0.5]))
    0.5
    """
    estimate = product_limit(durations)
    survival = law.sf(estimate.times)
    return float(np.maximum(np.abs(survival - estimate.survival), np.abs(survival - estimate.before())).max())


def anderson(law: dist.Law, durations: Sample) -> float:
    """Return the Anderson-Darling statistic of complete durations, which weighs the tails.

    Notes
    -----
    Anderson and Darling, JASA 49 (1954), equation 2.
    """
    x = np.sort(durations.times)
    low, high = law.support()
    below, above = law.cdf(x), law.sf(x)
    # the ends of a fitted support lie on one duration each, which says nothing; more of them there do
    if x[0] == low:
        below[0] = 1.0
    if x[-1] == high:
        above[-1] = 1.0
    weights = 2.0 * np.arange(1, x.size + 1) - 1.0
    terms = np.log(np.maximum(below, _LEAST)) + np.log(np.maximum(above[::-1], _LEAST))
    return float(-x.size - weights @ terms / x.size)


def draw(law: dist.Law, count: int, rng: np.random.Generator) -> F64:
    """Return ``count`` values of the law."""
    if isinstance(law, dist.HyperExponential):
        law = dist.Mixture(law.probabilities, tuple(map(dist.Exponential, law.means)))
    if isinstance(law, dist.Mixture):
        weights = np.array(law.weights)
        which = rng.choice(weights.size, size=count, p=weights / weights.sum())
        out = np.empty(count)
        for i, part in enumerate(law.laws):
            out[which == i] = draw(part, int((which == i).sum()), rng)
        return out
    return law.quantile(np.maximum(rng.random(count), 2.0**-53))


def tests(
    durations: Sample, fit: Callable[[Sample], dist.Law], rng: np.random.Generator, repetitions: int = 99
) -> tuple[Test, Test]:
    """Return both tests of the family that ``fit`` fits, each repetition drawn from the fitted law and fitted anew.

    Parameters
    ----------
    durations : Sample
        Without late entries; of more than 2,000 that many are drawn.
    fit : callable
        From a sample to its law.
    rng : numpy Generator
        The source of randomness.
    repetitions : int
        Of the bootstrap.

    Returns
    -------
    tuple of two Test
        Kolmogorov-Smirnov, and Anderson-Darling where nothing is censored.

    Raises
    ------
    UnfitError
        When the durations that were drawn, or all samples of the bootstrap, have no best law.

    Notes
    -----
    Stute, González Manteiga and Presedo Quindimil, "Bootstrap based goodness-of-fit tests", Metrika 40 (1993). The tables for a
    known law do not hold for a fitted one.
    """
    nothing = Test(math.nan, math.nan)
    if durations.truncated:
        return nothing, nothing
    if len(durations) > TESTED:
        durations = durations.take(rng.choice(len(durations), TESTED, replace=False))
    law = fit(durations)
    measured = _statistics(law, durations)
    unseen = _unseen(durations)
    drawn = []
    for _ in range(repetitions):
        again = _again(law, len(durations), unseen, rng)
        try:
            drawn.append(_statistics(fit(again), again))
        except ValueError:
            # a drawn sample without a best law says nothing about the measured one
            continue
    if not drawn:
        raise UnfitError("no sample drawn from the law could be fitted")
    reached = (np.array(drawn) >= np.array(measured)).sum(axis=0)
    p = (1.0 + reached) / (1.0 + len(drawn))
    return Test(measured[0], float(p[0])), Test(measured[1], float(p[1])) if durations.complete else nothing


def _statistics(law: dist.Law, durations: Sample) -> tuple[float, float]:
    return kolmogorov(law, durations), anderson(law, durations) if durations.complete else 0.0


def _unseen(durations: Sample) -> ProductLimit | None:
    """Return the law of the ages at which durations were seen last: censoring seen as the event, None without any."""
    if not durations.censored:
        return None
    turned = Sample(durations.times, ~durations.observed, durations.entry, durations.requests)
    return product_limit(turned)


def _again(law: dist.Law, count: int, unseen: ProductLimit | None, rng: np.random.Generator) -> Sample:
    times = draw(law, count, rng)
    observed = np.ones(count, np.bool_)
    if unseen is not None:
        p = rng.random(count)
        last = np.where(1.0 - p < unseen.open, np.inf, unseen.quantile(p))
        observed = times <= last
        times = np.minimum(times, last)
    return Sample(times, observed, np.zeros(count), np.arange(count))
