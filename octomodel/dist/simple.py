"""Laws with closed-form quantiles on a line: constant, exponential, uniform, triangular."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from octomodel.errors import ModelError

from .base import F64, Law
from .checks import checked, number, set_moments


@dataclass(frozen=True)
class Deterministic(Law):
    """Always the same value.

    Parameters
    ----------
    value : float
        Finite and >= 0; 0 means exactly nothing.

    Raises
    ------
    ModelError
        When ``value`` is anything else.
    """

    name = "deterministic"
    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", number(self, "value", least=0.0))
        object.__setattr__(self, "cv", 0.0)

    @property
    def discrete(self) -> bool:
        return True

    def support(self) -> tuple[float, float]:
        return self.value, self.value

    def scaled(self, factor: float) -> Deterministic:
        return Deterministic(self.value * checked("Deterministic.factor", factor))

    def _quantile(self, p: F64) -> F64:
        return np.full_like(p, self.value)

    def _sf(self, x: F64) -> F64:
        return np.where(x < self.value, 1.0, 0.0)

    def _tail_moment(self, order: int, x: F64) -> F64:
        return self.value**order * self._sf(x)


@dataclass(frozen=True)
class Exponential(Law):
    """The memoryless law.

    Parameters
    ----------
    mean : float
        Finite and > 0.

    Raises
    ------
    ModelError
        When ``mean`` is anything else.
    """

    name = "exponential"
    mean: float

    def __post_init__(self) -> None:
        number(self, "mean")
        object.__setattr__(self, "cv", 1.0)

    def support(self) -> tuple[float, float]:
        return 0.0, math.inf

    def scaled(self, factor: float) -> Exponential:
        return Exponential(self.mean * checked("Exponential.factor", factor))

    def _quantile(self, p: F64) -> F64:
        return -self.mean * np.log1p(-p)

    def _sf(self, x: F64) -> F64:
        return np.exp(-x / self.mean)

    def _cdf(self, x: F64) -> F64:
        return -np.expm1(-x / self.mean)

    def _tail_moment(self, order: int, x: F64) -> F64:
        beyond = x + self.mean
        return (beyond if order == 1 else beyond * beyond + self.mean**2) * self._sf(x)


@dataclass(frozen=True)
class Uniform(Law):
    """Every value between two limits equally likely.

    Parameters
    ----------
    low, high : float
        Finite limits, 0 <= low < high.

    Raises
    ------
    ModelError
        When a limit is anything else.
    """

    name = "uniform"
    low: float
    high: float

    def __post_init__(self) -> None:
        low = number(self, "low", least=0.0)
        high = number(self, "high", above=low)
        set_moments(self, (low + high) / 2.0, (high - low) * (high - low) / 12.0)

    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def scaled(self, factor: float) -> Uniform:
        factor = checked("Uniform.factor", factor)
        return Uniform(self.low * factor, self.high * factor)

    def _quantile(self, p: F64) -> F64:
        return self.low + p * (self.high - self.low)

    def _sf(self, x: F64) -> F64:
        return (self.high - np.clip(x, self.low, self.high)) / (self.high - self.low)

    def _tail_moment(self, order: int, x: F64) -> F64:
        middle, half = (
            (self.high + np.clip(x, self.low, self.high)) / 2.0,
            (self.high - np.clip(x, self.low, self.high)) / 2.0,
        )
        return self._sf(x) * (middle if order == 1 else middle**2 + half**2 / 3.0)


@dataclass(frozen=True)
class Triangular(Law):
    """A density that rises in a straight line to the mode and falls in one from there.

    Parameters
    ----------
    low, mode, high : float
        Finite, 0 <= low <= mode <= high and low < high.

    Raises
    ------
    ModelError
        When a parameter is anything else.
    """

    name = "triangular"
    low: float
    mode: float
    high: float

    def __post_init__(self) -> None:
        low = number(self, "low", least=0.0)
        high = number(self, "high", above=low)
        mode = number(self, "mode", least=low)
        if mode > high:
            raise ModelError("Triangular.mode", mode, f"a finite number from {low:g} to {high:g}")
        # written in the distances from the mode, so that a narrow law far from 0 keeps its digits
        a, b = mode - low, high - mode
        set_moments(self, (low + mode + high) / 3.0, (a * a + a * b + b * b) / 18.0)

    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def scaled(self, factor: float) -> Triangular:
        factor = checked("Triangular.factor", factor)
        return Triangular(self.low * factor, self.mode * factor, self.high * factor)

    def _quantile(self, p: F64) -> F64:
        width = self.high - self.low
        rising = self.low + np.sqrt(p * width * (self.mode - self.low))
        falling = self.high - np.sqrt((1.0 - p) * width * (self.high - self.mode))
        return np.where(p * width < self.mode - self.low, rising, falling)

    def _below(self, x: F64) -> F64:
        """Return the probabilities of values under ``x``, none of them above the mode."""
        a = (np.clip(x, self.low, self.mode) - self.low) / (self.high - self.low)
        return a * (np.clip(x, self.low, self.mode) - self.low) / max(self.mode - self.low, 1e-300)

    def _above(self, x: F64) -> F64:
        """Return the probabilities of values over ``x``, none of them below the mode."""
        b = (self.high - np.clip(x, self.mode, self.high)) / (self.high - self.low)
        return b * (self.high - np.clip(x, self.mode, self.high)) / max(self.high - self.mode, 1e-300)

    def _sf(self, x: F64) -> F64:
        return np.where(x < self.mode, 1.0 - self._below(x), self._above(x))

    def _cdf(self, x: F64) -> F64:
        return np.where(x < self.mode, self._below(x), 1.0 - self._above(x))

    def _tail_moment(self, order: int, x: F64) -> F64:
        # a triangle on either side of the mode: mean at two thirds, variance an 18th of the width squared
        up, down = np.clip(x, self.low, self.mode) - self.low, self.high - np.clip(x, self.mode, self.high)
        under, over = self.low + up * 2.0 / 3.0, self.high - down * 2.0 / 3.0
        if order == 2:
            under, over = under**2 + up**2 / 18.0, over**2 + down**2 / 18.0
        return np.where(x < self.mode, self._raw(order) - self._below(x) * under, self._above(x) * over)
