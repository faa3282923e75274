"""Checks of the parameters of laws: finite real numbers within limits, lists of them, probabilities."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from octomodel.errors import ModelError, ModelWarning


def is_number(value: object) -> TypeGuard[float]:
    """Return whether ``value`` is a real number; booleans and strings are none."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def checked(path: str, value: object, least: float | None = None, above: float = 0.0) -> float:
    """Return ``value`` as a float.

    Parameters
    ----------
    path : str
        Where it stands.
    value : object
        What was given.
    least : float or None
        Inclusive lower limit; None for the exclusive limit ``above``.
    above : float
        Exclusive lower limit where there is no inclusive one.

    Raises
    ------
    ModelError
        When it is not a finite real number within the limit.
    """
    allowed = f"a finite number > {above:g}" if least is None else f"a finite number >= {least:g}"
    if not is_number(value):
        raise ModelError(path, value, allowed)
    try:
        result = float(value)
    except OverflowError:
        raise ModelError(path, value, allowed) from None
    inside = result > above if least is None else result >= least
    if not (inside and result < math.inf):
        raise ModelError(path, value, allowed)
    return result


def number(law: object, name: str, least: float | None = None, above: float = 0.0) -> float:
    """Replace field ``name`` of the frozen ``law`` by its float, checked as by ``checked``, and return it."""
    value = checked(f"{type(law).__name__}.{name}", getattr(law, name), least, above)
    object.__setattr__(law, name, value)
    return value


def numbers(law: object, name: str, least: float | None = None) -> tuple[float, ...]:
    """Replace field ``name`` of the frozen ``law`` by its tuple of floats, each checked, and return it."""
    path = f"{type(law).__name__}.{name}"
    values = sequence(path, getattr(law, name))
    result = tuple(checked(f"{path}[{i}]", value, least) for i, value in enumerate(values))
    object.__setattr__(law, name, result)
    return result


def sequence(path: str, value: object) -> tuple[object, ...]:
    """Return the items of a list, tuple or array that has some.

    Raises
    ------
    ModelError
        When ``value`` is none of these, or empty.
    """
    if isinstance(value, np.ndarray) and value.ndim:
        value = list(value)
    if not isinstance(value, list | tuple) or not value:
        raise ModelError(path, value, "a list with at least one item")
    return tuple(value)


def probabilities(law: object, name: str) -> NDArray[np.float64]:
    """Replace field ``name`` of the frozen ``law`` by its tuple of floats; return them divided by their sum.

    Raises
    ------
    ModelError
        When they are not numbers >= 0, or their sum differs from 1 by more than 1e-9.
    """
    values = numbers(law, name, least=0.0)
    total = math.fsum(values)
    if abs(total - 1.0) > 1e-9:
        raise ModelError(
            f"{type(law).__name__}.{name}", list(values), f"numbers that sum to 1; these sum to {total!r}"
        )
    if abs(total - 1.0) > 1e-12:
        text = f"{type(law).__name__}.{name}: the numbers sum to {total!r} and are divided by that"
        warnings.warn(text, ModelWarning, stacklevel=2)
    return np.array(values) / total


@contextlib.contextmanager
def finite_squares(path: str, value: object) -> Iterator[None]:
    """Refuse ``value`` where the moments computed inside, of its squares, are too large for a float.

    Raises
    ------
    ModelError
        For the value at ``path``.
    """
    try:
        with np.errstate(over="raise"):
            yield
    except FloatingPointError:
        raise ModelError(path, value, "values that are finite when squared, and ratios of them that are finite") from None


def set_moments(law: object, mean: float, variance: float) -> None:
    """Give the frozen ``law`` its mean and CV.

    Raises
    ------
    ModelError
        When the mean is 0.
    """
    if not mean > 0.0:
        raise ModelError(f"{type(law).__name__}.mean", mean, "a mean above 0; Deterministic(0) is exactly 0")
    object.__setattr__(law, "mean", float(mean))
    object.__setattr__(
        law, "cv", math.sqrt(max(variance, 0.0)) / float(mean) if variance < math.inf else math.inf
    )
