"""Laws given by mean and CV: gamma and Erlang, lognormal, Weibull."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from octomodel.errors import ModelError

from .base import F64, Law
from .checks import checked, number


class _GammaForm(Law):
    """A gamma law by its mean and CV."""

    def support(self) -> tuple[float, float]:
        return 0.0, math.inf

    @property
    def shape(self) -> float:
        """Return the shape parameter, 1 / cv**2."""
        return self.cv**-2

    @property
    def scale(self) -> float:
        """Return the scale parameter, the mean over the shape."""
        return self.mean / self.shape

    def _quantile(self, p: F64) -> F64:
        from scipy.special import gammainccinv, gammaincinv

        out = np.empty_like(p)
        low = p < 0.5
        out[low] = gammaincinv(self.shape, p[low])
        out[~low] = gammainccinv(self.shape, 1.0 - p[~low])
        return self.scale * out

    def _sf(self, x: F64) -> F64:
        from scipy.special import gammaincc

        return np.asarray(gammaincc(self.shape, x / self.scale))

    def _cdf(self, x: F64) -> F64:
        from scipy.special import gammainc

        return np.asarray(gammainc(self.shape, x / self.scale))

    def _tail_moment(self, order: int, x: F64) -> F64:
        from scipy.special import gammaincc

        return self._raw(order) * np.asarray(gammaincc(self.shape + order, x / self.scale))


@dataclass(frozen=True)
class Gamma(_GammaForm):
    """The gamma law.

    Parameters
    ----------
    mean : float
        Finite and > 0.
    cv : float
        Above 0, at most 1e5.

    Raises
    ------
    ModelError
        When a parameter is anything else.
    """

    name = "gamma"
    mean: float
    cv: float

    def __post_init__(self) -> None:
        number(self, "mean")
        _check_cv(self)

    @classmethod
    def from_shape(cls, shape: float, scale: float) -> Gamma:
        """Return the law with these parameters, both finite and > 0, or raise ``ModelError``."""
        shape, scale = checked("Gamma.shape", shape), checked("Gamma.scale", scale)
        return cls(shape * scale, shape**-0.5)

    def scaled(self, factor: float) -> Gamma:
        return Gamma(self.mean * checked("Gamma.factor", factor), self.cv)


@dataclass(frozen=True)
class Erlang(_GammaForm):
    """The sum of ``k`` independent exponential values with equal means.

    Parameters
    ----------
    k : int
        Number of phases, at least 1.
    mean : float
        Mean of the sum, finite and > 0.

    Raises
    ------
    ModelError
        When a parameter is anything else.
    """

    name = "erlang"
    k: int
    mean: float

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, int | np.integer) or self.k < 1:
            raise ModelError("Erlang.k", self.k, "an integer >= 1")
        object.__setattr__(self, "k", int(self.k))
        number(self, "mean")
        object.__setattr__(self, "cv", self.k**-0.5)

    def scaled(self, factor: float) -> Erlang:
        return Erlang(self.k, self.mean * checked("Erlang.factor", factor))


@dataclass(frozen=True)
class LogNormal(Law):
    """The law of a value whose logarithm is normal.

    Parameters
    ----------
    mean : float
        Of the value, not of its logarithm; finite and > 0.
    cv : float
        Of the value; above 0, at most 1e5.

    Raises
    ------
    ModelError
        When a parameter is anything else.
    """

    name = "lognormal"
    mean: float
    cv: float

    def __post_init__(self) -> None:
        number(self, "mean")
        _check_cv(self)

    @classmethod
    def from_log(cls, mu: float, sigma: float) -> LogNormal:
        """Return the law whose logarithm has mean ``mu``, any number, and standard deviation ``sigma`` > 0.

        Raises
        ------
        ModelError
            When a parameter is anything else, ``sigma`` is above 4.79 (a CV of 1e5), or ``mu`` outside +-600.
        """
        mu, sigma = checked("LogNormal.mu", mu, above=-math.inf), checked("LogNormal.sigma", sigma)
        if abs(mu) > 600.0:
            raise ModelError("LogNormal.mu", mu, "a number from -600 to 600")
        if sigma > 4.79:
            raise ModelError("LogNormal.sigma", sigma, "a number > 0 and <= 4.79")
        return cls(math.exp(mu + sigma * sigma / 2.0), math.sqrt(math.expm1(sigma * sigma)))

    @property
    def sigma(self) -> float:
        """Return the standard deviation of the logarithm."""
        return math.sqrt(math.log1p(self.cv * self.cv))

    @property
    def mu(self) -> float:
        """Return the mean of the logarithm."""
        return math.log(self.mean) - self.sigma**2 / 2.0

    def support(self) -> tuple[float, float]:
        return 0.0, math.inf

    def scaled(self, factor: float) -> LogNormal:
        return LogNormal(self.mean * checked("LogNormal.factor", factor), self.cv)

    def _z(self, x: F64) -> F64:
        with np.errstate(divide="ignore"):
            return (np.log(x / self.mean) + self.sigma**2 / 2.0) / self.sigma

    def _quantile(self, p: F64) -> F64:
        from scipy.special import ndtri

        return self.mean * np.exp(self.sigma * (np.asarray(ndtri(p)) - self.sigma / 2.0))

    def _sf(self, x: F64) -> F64:
        from scipy.special import ndtr

        return np.asarray(ndtr(-self._z(x)))

    def _cdf(self, x: F64) -> F64:
        from scipy.special import ndtr

        return np.asarray(ndtr(self._z(x)))

    def _tail_moment(self, order: int, x: F64) -> F64:
        from scipy.special import ndtr

        return self._raw(order) * np.asarray(ndtr(order * self.sigma - self._z(x)))


@dataclass(frozen=True)
class Weibull(Law):
    """The Weibull law, its shape found from the CV.

    Parameters
    ----------
    mean : float
        Finite and > 0.
    cv : float
        From 1e-4 to 1e5.

    Raises
    ------
    ModelError
        When a parameter is anything else.
    """

    name = "weibull"
    mean: float
    cv: float

    def __post_init__(self) -> None:
        number(self, "mean")
        _check_cv(self, least=1e-4)

    @classmethod
    def from_shape(cls, shape: float, scale: float) -> Weibull:
        """Return the law with ``shape`` from 0.1 to 1e4 and ``scale`` > 0, or raise ``ModelError``."""
        shape, scale = checked("Weibull.shape", shape), checked("Weibull.scale", scale)
        if not 0.1 <= shape <= 1e4:
            raise ModelError("Weibull.shape", shape, "a number from 0.1 to 1e4")
        return cls(scale * math.gamma(1.0 + 1.0 / shape), _weibull_cv(shape))

    @cached_property
    def shape(self) -> float:
        """Return the shape parameter: the one whose CV is that of the law, by bisection of its logarithm."""
        low, high = math.log(0.05), math.log(3.0 / min(self.cv, 1.0))
        for _ in range(64):
            middle = (low + high) / 2.0
            low, high = (middle, high) if _weibull_cv(math.exp(middle)) > self.cv else (low, middle)
        return math.exp((low + high) / 2.0)

    @property
    def scale(self) -> float:
        """Return the scale parameter."""
        return self.mean / math.gamma(1.0 + 1.0 / self.shape)

    def support(self) -> tuple[float, float]:
        return 0.0, math.inf

    def scaled(self, factor: float) -> Weibull:
        return Weibull(self.mean * checked("Weibull.factor", factor), self.cv)

    def _hazard(self, x: F64) -> F64:
        with np.errstate(over="ignore"):
            return np.power(x / self.scale, self.shape)

    def _quantile(self, p: F64) -> F64:
        return self.scale * np.power(-np.log1p(-p), 1.0 / self.shape)

    def _sf(self, x: F64) -> F64:
        return np.exp(-self._hazard(x))

    def _cdf(self, x: F64) -> F64:
        return -np.expm1(-self._hazard(x))

    def _tail_moment(self, order: int, x: F64) -> F64:
        from scipy.special import gammaincc

        return self._raw(order) * np.asarray(gammaincc(1.0 + order / self.shape, self._hazard(x)))


def _check_cv(law: Law, least: float = 0.0) -> None:
    if not least <= number(law, "cv") <= 1e5:
        allowed = f"a number from {least:g} to 1e5" if least else "a number > 0 and <= 1e5"
        raise ModelError(f"{type(law).__name__}.cv", law.cv, allowed)


def _weibull_cv(shape: float) -> float:
    return math.sqrt(math.expm1(math.lgamma(1.0 + 2.0 / shape) - 2.0 * math.lgamma(1.0 + 1.0 / shape)))
