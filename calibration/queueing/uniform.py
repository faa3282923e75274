"""Tails of absorption times from one sequence of numbers: uniformisation, and quantiles of what it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln

from .answers import F64, TheoryError
from .phases import PhaseType

MOST_STEPS = 1_000_000


@dataclass(frozen=True, eq=False)
class Tail:
    """Probabilities that a time is not over after k steps of a Poisson clock.

    Parameters
    ----------
    rate : float
        Of the clock.
    left : float64 array
        From k = 0 on, falling, until nothing is left.

    Notes
    -----
    Jensen 1953; all terms are positive, so nothing cancels: Grassmann, "Transient solutions in Markovian queueing systems",
    Computers and Operations Research 4 (1977).

    Examples
    --------
    >>> exponential = Tail.of(PhaseType([1.0], [[-0.5]]))
    >>> round(exponential.mean, 9), round(exponential.quantile(0.95), 6)
    (2.0, 5.991465)
    """

    rate: float
    left: F64

    @classmethod
    def of(cls, time: PhaseType) -> Tail:
        """Return the tail of a phase-type time."""
        rate = float(-np.diag(time.rates).min())
        step = np.eye(time.start.size) + time.rates / rate
        row = time.start

        def advance() -> float:
            nonlocal row
            row = row @ step
            return float(row.sum())

        return cls(rate, collect(1.0, advance))

    @property
    def mean(self) -> float:
        """Return the mean of the time."""
        return float(self.left.sum()) / self.rate

    @property
    def variance(self) -> float:
        """Return the variance of the time."""
        steps = np.arange(1.0, len(self.left) + 1.0)
        return 2.0 * float(steps @ self.left) / self.rate**2 - self.mean**2

    def beyond(self, t: float) -> float:
        """Return the probability that the time exceeds t."""
        mean = self.rate * t
        if mean == 0.0:
            return float(self.left[0])
        wide = 12.0 * np.sqrt(mean) + 40.0
        first, last = max(0, int(mean - wide)), int(mean + wide) + 1
        k = np.arange(first, min(last, len(self.left)))
        weight = np.exp(k * np.log(mean) - mean - gammaln(k + 1.0))
        return float(weight @ self.left[first : first + len(k)])

    def quantile(self, p: float) -> float:
        """Return the smallest time not exceeded with probability p: 0 when the time is 0 often enough."""
        return tail_quantile(self.beyond, p, self.mean)


def collect(first: float, advance: Callable[[], float]) -> F64:
    """Return the numbers from ``first`` on that ``advance`` gives, until they are 1e-16 of it."""
    left = [first]
    while left[-1] > 1e-16 * max(first, 1e-280):
        if len(left) >= MOST_STEPS:
            raise TheoryError("uniformisation", f"{MOST_STEPS} steps", "a time with a lighter tail, or a load further from 1")
        left.append(advance())
    return np.array(left)


def tail_quantile(beyond: Callable[[float], float], p: float, scale: float) -> float:
    """Return the time whose probability to be exceeded is 1 - p, of a continuous tail; 0 where that is not reached."""
    rest = 1.0 - p
    if beyond(0.0) <= rest:
        return 0.0
    high = scale
    while beyond(high) > rest:
        high *= 2.0
    return float(brentq(lambda t: beyond(t) - rest, 0.0, high, xtol=1e-13 * high, rtol=1e-13))
