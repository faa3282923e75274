"""How sure a fitted law is: laws fitted to requests drawn anew, and the intervals they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from octomodel import dist

from .product_limit import empirical
from .sample import F64, Sample
from .times import fit_family
from .trace import TraceError

QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Interval:
    """An estimate with its limits."""

    estimate: float
    low: float
    high: float


def law_of(family: str, durations: Sample) -> dist.Law:
    """Return the law of one family, or of the durations themselves for ``empirical``."""
    if family == "empirical":
        return empirical(durations)
    if family == "deterministic":
        return dist.Deterministic(float(durations.seen.mean()))
    return fit_family(family, durations)


def law_draws(family: str, durations: Sample, count: int, seed: int = 0) -> list[dist.Law]:
    """Return laws of the family, each fitted to as many requests drawn with replacement.

    Parameters
    ----------
    family : str
        As in ``TimeFit.family``.
    durations : Sample
        Of one task; durations of one request stay together, since they are not independent.
    count : int
        How many laws, at least 1.
    seed : int
        Of the draws.

    Returns
    -------
    list of Law
        ``count`` of them; a draw that has no best law is drawn again.

    Raises
    ------
    TraceError
        When ``count`` is below 1, or 10 draws in a row have no best law.

    Notes
    -----
    Davison and Hinkley, Bootstrap Methods and their Application, section 3.8 (clusters).
    """
    if count < 1:
        raise TraceError("law_draws.count", count, "an integer >= 1")
    rng = np.random.default_rng(seed)
    laws: list[dist.Law] = []
    failures = 0
    while len(laws) < count:
        drawn = durations.resampled(rng)
        try:
            if not drawn.observed.any():
                raise ValueError("no end seen")
            laws.append(law_of(family, drawn))
            failures = 0
        except ValueError as error:
            failures += 1
            if failures == 10:
                raise TraceError("law_draws", str(error), "durations of which most draws have a best law") from None
    return laws


def intervals(
    law: dist.Law, draws: Sequence[dist.Law], *, level: float = 0.95, quantiles: Sequence[float] = QUANTILES
) -> dict[str, Interval]:
    """Return intervals of mean, CV and quantiles of a law from the laws of a bootstrap.

    Parameters
    ----------
    law : Law
        Fitted to all durations.
    draws : sequence of Law
        From ``law_draws``; some hundreds are needed.
    level : float
        Probability that an interval holds the truth, between 0 and 1.
    quantiles : sequence of float
        Probabilities.

    Returns
    -------
    dict
        From ``mean``, ``cv``, ``p50`` and so on to an Interval.

    Raises
    ------
    TraceError
        When ``level`` is not between 0 and 1 or there are no draws.

    Notes
    -----
    Bias-corrected percentiles: Efron, "Better bootstrap confidence intervals", JASA 82 (1987), section 2.

    Examples
    --------
    >>> from octomodel.calibration.sample import sample
    >>> durations = sample(dist.Exponential(10.0).quantile((np.arange(400) + 0.5) / 400))
    >>> law = law_of("exponential", durations)
    >>> found = intervals(law, law_draws("exponential", durations, 200))["mean"]
    >>> found.low < law.mean < found.high
    True
    """
    if not 0.0 < level < 1.0:
        raise TraceError("intervals.level", level, "a number between 0 and 1")
    if not draws:
        raise TraceError("intervals.draws", "nothing", "at least one law")
    names = ["mean", "cv", *(f"p{100 * p:g}" for p in quantiles)]
    rows = np.array([_quantities(each, quantiles) for each in draws])
    return {
        name: interval(float(estimate), rows[:, i], level)
        for i, (name, estimate) in enumerate(zip(names, _quantities(law, quantiles), strict=True))
    }


def _quantities(law: dist.Law, quantiles: Sequence[float]) -> F64:
    return np.concatenate([[law.mean, law.cv], law.quantile(np.array(quantiles, np.float64))])


def interval(estimate: float, drawn: F64, level: float) -> Interval:
    """Return the bias-corrected percentile interval of an estimate from those of a bootstrap, float64[draw]."""
    count = drawn.size
    below = (np.count_nonzero(drawn < estimate) + 0.5 * np.count_nonzero(drawn == estimate)) / count
    shift = 2.0 * float(ndtri(min(max(below, 0.5 / count), 1.0 - 0.5 / count)))
    half = float(ndtri(0.5 + level / 2.0))
    # at rank (B + 1) p, so that few draws do not make narrow intervals
    rank = np.clip(np.array([ndtr(shift - half), ndtr(shift + half)]) * (count + 1) - 1.0, 0.0, count - 1.0)
    low, high = np.interp(rank, np.arange(count), np.sort(drawn))
    return Interval(estimate, float(low), float(high))
