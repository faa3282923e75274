"""What every law of times and counts can do, and how its parameters are checked."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octomodel.errors import ModelError, unknown

from .checks import is_number

F64 = NDArray[np.float64]

LAWS: dict[str, type[Law]] = {}


class Law(ABC):
    """A distribution of non-negative values with its moments, quantiles and scaling.

    Attributes
    ----------
    mean : float
        Expected value; infinite where the tail is too heavy.
    cv : float
        Standard deviation over mean; infinite where the variance is.
    """

    name: ClassVar[str]
    mean: float
    cv: float

    # leaves the product of a NumPy number and a law to __rmul__
    __array_ufunc__ = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            LAWS[cls.name] = cls

    @property
    def variance(self) -> float:
        """Return the variance; infinite where the tail is too heavy."""
        deviation = self.cv * self.mean
        return deviation * deviation if self.mean < math.inf else math.inf

    @property
    def discrete(self) -> bool:
        """Return whether the law has finitely many values."""
        return False

    @abstractmethod
    def support(self) -> tuple[float, float]:
        """Return the smallest and the largest value.

        Returns
        -------
        tuple of two floats
            Both >= 0; the largest may be infinite.

        Examples
        --------
        >>> from octomodel import dist
        >>> dist.Pareto(2.5, 100).support()
        (100.0, inf)
        """

    @abstractmethod
    def scaled(self, factor: float) -> Law:
        """Return the law of ``factor`` times the value.

        Parameters
        ----------
        factor : float
            Finite and above 0.

        Returns
        -------
        Law
            Of the same kind, with ``factor`` times the mean and the same CV.

        Raises
        ------
        ModelError
            When ``factor`` is anything else.

        Examples
        --------
        >>> from octomodel import dist
        >>> dist.Gamma(40_000, 0.2).scaled(2)
        Gamma(mean=80000.0, cv=0.2)
        """

    @abstractmethod
    def _quantile(self, p: F64) -> F64:
        """Return the smallest values not exceeded with probability ``p``, each strictly between 0 and 1."""

    @abstractmethod
    def _sf(self, x: F64) -> F64:
        """Return the probabilities of values above ``x``, finite and >= 0, accurate when they are small."""

    @abstractmethod
    def _tail_moment(self, order: int, x: F64) -> F64:
        """Return the expectations of value**order above ``x``, finite and >= 0, with 0 for values below."""

    def _cdf(self, x: F64) -> F64:
        """Return the probabilities of values not above ``x``, finite and >= 0."""
        return 1.0 - self._sf(x)

    def quantile(self, p: ArrayLike) -> F64:
        """Return the smallest values not exceeded with probability ``p``.

        Parameters
        ----------
        p : array_like of float
            Probabilities in [0, 1], any shape.

        Returns
        -------
        float64 array
            Values with the shape of ``p``; 0 and 1 give the ends of the support.

        Raises
        ------
        ModelError
            When a probability lies outside [0, 1] or is not a number.

        Examples
        --------
        >>> from octomodel import dist
        >>> float(dist.Uniform(10, 20).quantile(0.25))
        12.5
        """
        values = np.asarray(p, dtype=np.float64)
        if not bool(np.all((values >= 0.0) & (values <= 1.0))):
            raise ModelError(f"{type(self).__name__}.quantile.p", p, "probabilities in [0, 1]")
        low, high = self.support()
        out = np.where(values > 0.5, high, low)
        inside = (values > 0.0) & (values < 1.0)
        if inside.any():
            out[inside] = np.clip(self._quantile(values[inside]), low, high)
        return out

    def cdf(self, x: ArrayLike) -> F64:
        """Return the probability of a value not above ``x``.

        Parameters
        ----------
        x : array_like of float
            Any real numbers, any shape.

        Returns
        -------
        float64 array
            Probabilities with the shape of ``x``.
        """
        return self._everywhere(self._cdf, x, 0.0, 1.0)

    def sf(self, x: ArrayLike) -> F64:
        """Return the probability of a value above ``x``, accurate far in the tail.

        Parameters
        ----------
        x : array_like of float
            Any real numbers, any shape.

        Returns
        -------
        float64 array
            Probabilities with the shape of ``x``.
        """
        return self._everywhere(self._sf, x, 1.0, 0.0)

    def tail_moment(self, order: int, x: ArrayLike) -> F64:
        """Return the part of a raw moment that comes from the values above ``x``.

        Parameters
        ----------
        order : int
            1: of the mean; 2: of the mean square.
        x : array_like of float
            Any real numbers, any shape.

        Returns
        -------
        float64 array
            Expectations with the shape of ``x``: the whole moment below the support, 0 above.

        Raises
        ------
        ModelError
            When ``order`` is anything else.
        """
        if order not in (1, 2):
            raise ModelError(f"{type(self).__name__}.tail_moment.order", order, "1 or 2")
        return self._everywhere(lambda inside: self._tail_moment(order, inside), x, self._raw(order), 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as plain numbers and lists, tagged by the name of the law under ``"law"``."""
        fields = [field.name for field in dataclasses.fields(self) if field.init]  # type: ignore[arg-type]
        return {"law": self.name, **{name: _plain(getattr(self, name)) for name in fields}}

    def _raw(self, order: int) -> float:
        return self.mean if order == 1 else self.mean * self.mean + self.variance

    @classmethod
    def _from_fields(cls, fields: Mapping[str, Any], path: str) -> Self:
        return cls(**fields)

    def __mul__(self, factor: object) -> Law:
        return self.scaled(factor) if is_number(factor) else NotImplemented

    __rmul__ = __mul__

    @staticmethod
    def _everywhere(inner: Callable[[F64], F64], x: ArrayLike, below: float, above: float) -> F64:
        values = np.asarray(x, dtype=np.float64)
        out = np.where(values < 0.0, below, above)
        inside = (values >= 0.0) & (values < math.inf)
        if inside.any():
            out[inside] = inner(values[inside])
        out[np.isnan(values)] = math.nan
        return out


def from_dict(data: object, path: str = "law") -> Law:
    """Return the law that ``to_dict`` described.

    Parameters
    ----------
    data : mapping
        The name of the law under ``"law"`` and its parameters.
    path : str
        Where the mapping stands, for error messages.

    Returns
    -------
    Law

    Raises
    ------
    ModelError
        When the mapping has no known law, an unknown, missing or refused parameter.

    Examples
    --------
    >>> from octomodel import dist
    >>> dist.from_dict({"law": "gamma", "mean": 40_000, "cv": 0.2})
    Gamma(mean=40000.0, cv=0.2)
    """
    if not isinstance(data, Mapping):
        raise ModelError(path, data, 'a mapping with the name of a law under "law"')
    kind = data.get("law")
    if not isinstance(kind, str):
        raise ModelError(f"{path}.law", kind, f"one of {', '.join(sorted(LAWS))}")
    if kind not in LAWS:
        raise unknown(f"{path}.law", kind, LAWS)
    law = LAWS[kind]
    fields = {field.name: field for field in dataclasses.fields(law) if field.init}  # type: ignore[arg-type]
    for key in data:
        if key != "law" and key not in fields:
            raise unknown(f"{path}.{key}", str(key), fields)
    for name, field in fields.items():
        if name not in data and field.default is dataclasses.MISSING:
            raise ModelError(f"{path}.{name}", None, f"a parameter of {kind}: {', '.join(fields)}")
    try:
        return law._from_fields({key: value for key, value in data.items() if key != "law"}, path)
    except ModelError as error:
        if error.path.startswith(path):
            raise
        raise ModelError(f"{path}.{error.path.partition('.')[2]}", error.value, error.allowed) from None


def _plain(value: Any) -> Any:
    if isinstance(value, Law):
        return value.to_dict()
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
