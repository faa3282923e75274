"""The survival of durations without a family: the product-limit estimate, and the empirical law made of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from octomodel import dist

from .sample import F64, Sample

POINTS = 10_000
"""Most values of an empirical law, so that a description stays one that can be read."""


@dataclass(frozen=True, eq=False)
class ProductLimit:
    """A survival function with steps.

    Attributes
    ----------
    times : float64[k]
        Ends seen, ascending, each once.
    survival : float64[k]
        Probability of a longer duration.
    """

    times: F64
    survival: F64

    @property
    def open(self) -> float:
        """Return the probability of durations longer than any end seen."""
        return float(self.survival[-1])

    def before(self) -> F64:
        """Return the probability of durations at least as long as each end seen, float64[k]."""
        return np.concatenate([[1.0], self.survival[:-1]])

    def quantile(self, p: F64) -> F64:
        """Return the smallest ends seen that are not exceeded with probability ``p``; the last where none is."""
        at = np.searchsorted(-self.survival, -(1.0 - p) - 1e-12)
        return np.asarray(self.times[np.minimum(at, self.times.size - 1)])


def product_limit(durations: Sample) -> ProductLimit:
    """Return the product-limit estimate, with late entries out of the risk set until their age at entry.

    Notes
    -----
    Kaplan and Meier, JASA 53 (1958); Lawless, Statistical Models and Methods for Lifetime Data, 2nd ed., section 3.2 and 3.5.

    Examples
    --------
    >>> from octomodel.calibration.sample import sample
    >>> product_limit(sample([1.0, 2.0, 3.0], censored=[False, True, False])).survival.round(3).tolist()
    [0.667, 0.0]
    """
    times, ends = np.unique(durations.seen, return_counts=True)
    left = np.searchsorted(np.sort(durations.times), times, side="left")
    entered = np.searchsorted(np.sort(durations.entry), times, side="left")
    entered[times == 0.0] = len(durations)
    return ProductLimit(times, np.asarray(np.cumprod(1.0 - ends / (entered - left)), np.float64))


def empirical(durations: Sample) -> dist.Empirical:
    """Return the law of the durations themselves.

    Returns
    -------
    Empirical
        Of complete durations each one, of more than ``POINTS`` the means of as many equal parts of them, in ascending order;
        otherwise equally likely quantiles of the product-limit estimate, where what lies beyond the last end seen stands at the
        longest duration, which makes the mean a lower bound.
    """
    if durations.complete:
        return dist.Empirical(tuple(condensed(durations.times).tolist()))
    estimate = product_limit(durations)
    count = min(len(durations), POINTS)
    p = (np.arange(count) + 0.5) / count
    values = np.where(1.0 - p < estimate.open, durations.times.max(), estimate.quantile(p))
    return dist.Empirical(tuple(values.tolist()))


def condensed(values: F64) -> F64:
    """Return at most ``POINTS`` values that are equally likely and have the same mean: of parts of the sorted values, if need be.

    Examples
    --------
    >>> condensed(np.arange(40_000.0))[:2].tolist()
    [1.5, 5.5]
    """
    if values.size <= POINTS:
        return values
    sums = np.concatenate([[0.0], np.cumsum(np.sort(values))])
    edges = np.linspace(0.0, values.size, POINTS + 1)
    return np.asarray(np.diff(np.interp(edges, np.arange(values.size + 1.0), sums)) * (POINTS / values.size))
