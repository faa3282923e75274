"""Laws with power-law tails: Pareto and bounded Pareto."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .base import F64, Law
from .checks import checked, finite_squares, number, set_moments


@dataclass(frozen=True)
class Pareto(Law):
    """The Pareto law, P(value > x) = (low / x)**alpha for x >= low.

    Parameters
    ----------
    alpha : float
        Tail index, finite and > 0; the mean is infinite up to 1, the variance up to 2.
    low : float
        Smallest value, finite and > 0.

    Raises
    ------
    ModelError
        When a parameter is anything else.
    """

    name = "pareto"
    alpha: float
    low: float

    def __post_init__(self) -> None:
        alpha, low = number(self, "alpha"), number(self, "low")
        object.__setattr__(self, "mean", low * alpha / (alpha - 1.0) if alpha > 1.0 else math.inf)
        object.__setattr__(self, "cv", (alpha * (alpha - 2.0)) ** -0.5 if alpha > 2.0 else math.inf)

    def support(self) -> tuple[float, float]:
        return self.low, math.inf

    def scaled(self, factor: float) -> Pareto:
        return Pareto(self.alpha, self.low * checked("Pareto.factor", factor))

    def _quantile(self, p: F64) -> F64:
        return self.low * np.power(1.0 - p, -1.0 / self.alpha)

    def _sf(self, x: F64) -> F64:
        return np.power(self.low / np.maximum(x, self.low), self.alpha)

    def _tail_moment(self, order: int, x: F64) -> F64:
        return self._raw(order) * np.power(self.low / np.maximum(x, self.low), max(self.alpha - order, 0.0))


@dataclass(frozen=True)
class BoundedPareto(Law):
    """The Pareto law cut off at ``high``.

    Parameters
    ----------
    alpha : float
        Tail index, finite and > 0.
    low, high : float
        Smallest and largest value, finite, 0 < low < high.

    Raises
    ------
    ModelError
        When a parameter is anything else.
    """

    name = "bounded_pareto"
    alpha: float
    low: float
    high: float

    def __post_init__(self) -> None:
        low = number(self, "low")
        number(self, "alpha")
        number(self, "high", above=low)
        with finite_squares("BoundedPareto.high", self.high):
            mean, square = (float(self._tail_moment(order, np.array(low))) for order in (1, 2))
        set_moments(self, mean, square - mean * mean)

    @property
    def _kept(self) -> float:
        """Return the probability that the unbounded law stays below ``high``."""
        return -math.expm1(-self.alpha * math.log(self.high / self.low))

    def _tail_moment(self, order: int, x: F64) -> F64:
        x = np.clip(x, self.low, self.high)
        power = order - self.alpha
        length = np.log(self.high / x)
        integral = np.expm1(power * length) / power if power else length
        return np.asarray(self.alpha * np.power(self.low / x, self.alpha) * x**order * integral / self._kept)

    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def scaled(self, factor: float) -> BoundedPareto:
        factor = checked("BoundedPareto.factor", factor)
        return BoundedPareto(self.alpha, self.low * factor, self.high * factor)

    def _quantile(self, p: F64) -> F64:
        return self.low * np.power(1.0 - p * self._kept, -1.0 / self.alpha)

    def _sf(self, x: F64) -> F64:
        x = np.clip(x, self.low, self.high)
        # the difference of two powers, without cancelling near high
        return (
            np.power(self.low / x, self.alpha) * -np.expm1(-self.alpha * np.log(self.high / x)) / self._kept
        )
