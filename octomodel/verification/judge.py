"""From independent samples to intervals and verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from octomodel.verification.measure import Observation

F64 = NDArray[np.float64]
Sums = tuple[F64, F64]

ROUNDING = 1e-12
"""Relative error of sums of floats; it shows where a value is certain."""


@dataclass(frozen=True)
class Estimate:
    """A value with the bounds of its interval, and the standard error they rest on."""

    value: float
    lo: float
    hi: float
    error: float


@dataclass
class Ratio:
    """The sum of one quantity over the sum of another, each summed within every sample.

    Attributes
    ----------
    name : str
        What it is called in the table.
    expected : float
        What theory says.
    read : callable
        From an observation to numerators and denominators, float64[sample] each.
    limit : float
        Largest half-width of the interval, as a share of the expected value.
    uncertain : float
        Bound of the error of the expected value itself.
    """

    name: str
    expected: float
    read: Callable[[Observation], Sums]
    limit: float
    uncertain: float = 0.0
    sums: list[Sums] = field(default_factory=list)

    def take(self, seen: Observation) -> None:
        """Add what one call showed."""
        self.sums.append(self.read(seen))

    def estimate(self, level: float) -> Estimate:
        """Return the ratio of the totals with its Student-t interval, wrong with probability ``level``."""
        top, bottom = (np.concatenate(parts) for parts in zip(*self.sums, strict=True))
        value, error = ratio(top, bottom)
        half = critical(len(top), level) * error
        return Estimate(value, value - half, value + half, error)


@dataclass
class Quantile:
    """A quantile of values of requests; attributes as of ``Ratio``, ``read`` gives float64[sample, request]."""

    name: str
    expected: float
    share: float
    read: Callable[[Observation], F64]
    limit: float
    uncertain: float = 0.0
    values: list[F64] = field(default_factory=list)

    def take(self, seen: Observation) -> None:
        """Add what one call showed."""
        self.values.append(self.read(seen))

    def estimate(self, level: float) -> Estimate:
        """Return the quantile and those at the bounds of the interval for the share of values below it.

        Source: Woodruff, Confidence intervals for medians and other position measures, 1952.
        """
        values = np.concatenate(self.values)
        flat = values.ravel()
        value = _ordered(flat, [self.share])[0]
        below = (values <= value).mean(axis=1)
        error = float(below.std(ddof=1)) / math.sqrt(len(below))
        half = critical(len(below), level) * error
        lo, hi, near, far = _ordered(flat, [self.share - half, self.share + half, self.share - error, self.share + error])
        return Estimate(value, lo, hi, (far - near) / 2.0)


Metric = Ratio | Quantile


@dataclass(frozen=True)
class Check:
    """One value of one system: what theory expects, what the simulation gave, and the verdict.

    Attributes
    ----------
    case, kind, metric : str
        Name of the system, its kind, and what was looked at.
    expected, uncertain : float
        The answer, and a bound of its own error.
    simulated, lo, hi : float
        The estimate and its interval at the error rate of this check.
    error : float
        Standard error of the estimate.
    limit : float
        Largest half-width that says something, as a share of the expected value.
    inside, narrow : bool
        Whether the interval holds the answer, and whether it is no wider than the limit allows.
    executions : int
        Executions simulated for it.
    """

    case: str
    kind: str
    metric: str
    expected: float
    uncertain: float
    simulated: float
    lo: float
    hi: float
    error: float
    limit: float
    inside: bool
    narrow: bool
    executions: int

    @property
    def passed(self) -> bool:
        """Return whether the interval holds the answer and is narrow enough to say so."""
        return self.inside and self.narrow

    @property
    def verdict(self) -> str:
        """Return one or two words."""
        return "ok" if self.passed else "too wide" if self.inside else "FAILED"

    @property
    def half_width(self) -> float:
        """Return half the width of the interval, as a share of the expected value (absolute where that is 0)."""
        return (self.hi - self.lo) / 2.0 / (abs(self.expected) or 1.0)


def check(case: str, kind: str, metric: Metric, level: float, executions: int) -> Check:
    """Return the verdict on one metric, its interval wrong with probability ``level``."""
    found = metric.estimate(level)
    slack = metric.uncertain + ROUNDING * abs(metric.expected)
    inside = found.lo - slack <= metric.expected <= found.hi + slack
    narrow = (found.hi - found.lo) / 2.0 <= metric.limit * (abs(metric.expected) or 1.0)
    return Check(
        case=case,
        kind=kind,
        metric=metric.name,
        expected=metric.expected,
        uncertain=metric.uncertain,
        simulated=found.value,
        lo=found.lo,
        hi=found.hi,
        error=found.error,
        limit=metric.limit,
        inside=bool(inside),
        narrow=bool(narrow),
        executions=executions,
    )


def ratio(top: F64, bottom: F64) -> tuple[float, float]:
    """Return the ratio of two totals and its standard error over independent samples (delta method).

    Examples
    --------
    >>> ratio(np.array([2.0, 4.0, 6.0]), np.array([1.0, 2.0, 3.0]))
    (2.0, 0.0)
    """
    value = float(top.sum() / bottom.sum())
    residual = top - value * bottom
    n = len(top)
    return value, float(np.sqrt((residual**2).sum() / (n * (n - 1))) / bottom.mean())


def critical(n: int, level: float) -> float:
    """Return how many standard errors make an interval that is wrong with probability ``level``, n samples.

    Examples
    --------
    >>> round(critical(10**6, 0.05), 3)
    1.96
    """
    from scipy.special import stdtrit

    return float(-stdtrit(n - 1, level / 2.0))


def _ordered(flat: F64, shares: Sequence[float]) -> list[float]:
    """Return order statistics by share, those below 0 and above 1 being the least and the largest."""
    places = [min(max(math.ceil(share * flat.size) - 1, 0), flat.size - 1) for share in shares]
    part = np.partition(flat, places)
    return [float(part[place]) for place in places]
