"""What theory says and how far to trust it: values with their method, and the error of what is not supported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

F64 = NDArray[np.float64]
Flags = NDArray[np.bool_]
Exactness = Literal["exact", "asymptotic", "approximation", "bound"]


class TheoryError(ValueError):
    """A question that the theory asked cannot answer.

    Parameters
    ----------
    path : str
        Function and parameter, e.g. ``"mmc.servers[3]"``.
    value : object
        What was found there.
    allowed : str
        What would have been accepted, in words.

    Examples
    --------
    >>> print(TheoryError("mmc.servers", 0, "a whole number >= 1"))
    mmc.servers: got 0; allowed: a whole number >= 1
    """

    def __init__(self, path: str, value: object, allowed: str) -> None:
        self.path = path
        self.value = value
        self.allowed = allowed
        super().__init__(f"{path}: got {value!r}; allowed: {allowed}")


@dataclass(frozen=True, eq=False)
class Value:
    """One answer of theory.

    Attributes
    ----------
    value : float64 array
        The numbers.
    method : str
        The formula or algorithm, by its usual name.
    exactness : {"exact", "asymptotic", "approximation", "bound"}
        ``exact``: up to rounding, when the assumptions hold.
    assumptions_ok : bool array
        Whether what the method assumes holds, the existence of a steady state first of all; of a shape that broadcasts
        against ``value``.
    """

    value: F64
    method: str
    exactness: Exactness
    assumptions_ok: Flags


Answer = dict[str, Value]


@dataclass(frozen=True, eq=False)
class Method:
    """How a set of values was found; called with numbers it labels them.

    Parameters
    ----------
    name : str
        The formula or algorithm.
    exactness : {"exact", "asymptotic", "approximation", "bound"}
        What it claims.
    assumptions_ok : array_like of bool
        Where what it assumes holds.

    Examples
    --------
    >>> label = Method("Erlang C", "exact", True)
    >>> label(p_wait=0.5)["p_wait"].method
    'Erlang C'
    """

    name: str
    exactness: Exactness
    assumptions_ok: ArrayLike

    def __call__(self, **values: ArrayLike) -> Answer:
        """Return the values by name, each with this label."""
        ok = np.asarray(self.assumptions_ok, np.bool_)
        return {name: Value(np.asarray(value, np.float64), self.name, self.exactness, ok) for name, value in values.items()}


def numbers(answer: Mapping[str, Value]) -> dict[str, F64]:
    """Return the bare numbers of an answer by name.

    Examples
    --------
    >>> numbers(Method("Little", "exact", True)(number_mean=4.0))
    {'number_mean': array(4.)}
    """
    return {name: each.value for name, each in answer.items()}


def checked(path: str, value: ArrayLike, low: float, *, above: bool = False, high: float = np.inf) -> F64:
    """Return numbers as float64, finite (unless ``high`` is reached), at least ``low`` or above it, at most ``high``.

    Raises
    ------
    TheoryError
        When one is not, naming the first.
    """
    x = np.asarray(value)
    if x.dtype.kind not in "iuf":
        raise TheoryError(path, value, "numbers")
    x = x.astype(np.float64)
    good = ((x > low) if above else (x >= low)) & (x <= high) & (np.isfinite(x) | (high < np.inf))
    if not good.all():
        where = np.unravel_index(int(np.argmin(good)), x.shape)
        index = f"[{', '.join(map(str, where))}]" if x.ndim else ""
        upper = "" if high == np.inf else f" and at most {high:g}"
        raise TheoryError(f"{path}{index}", float(x[where]), f"a finite number {'>' if above else '>='} {low:g}{upper}")
    return x


def counted(path: str, value: ArrayLike, low: int) -> F64:
    """Return whole numbers as float64, each at least ``low``.

    Raises
    ------
    TheoryError
        When one is not, naming the first.
    """
    x = checked(path, value, low)
    if not (x == np.floor(x)).all():
        raise TheoryError(path, float(x[x != np.floor(x)].flat[0]), f"a whole number >= {low}")
    return x


def levels(path: str, value: ArrayLike) -> F64:
    """Return probabilities of quantiles as a vector, each inside (0, 1).

    Raises
    ------
    TheoryError
        When one is not.
    """
    x = np.atleast_1d(checked(path, value, 0.0, above=True))
    if x.ndim > 1 or (x >= 1.0).any():
        raise TheoryError(path, value, "probabilities above 0 and below 1, one or a list of them")
    return x
