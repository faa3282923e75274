"""Checks of single values, shared by all descriptions: names, numbers, rates, probabilities."""

from __future__ import annotations

import math
import operator
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from octomodel.errors import NOTHING, ModelError, ModelWarning, Words, unknown

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
SUM_TOLERANCE = 1e-9
SUM_NOISE = 1e-12
"""What sums of decimal fractions may be off without being a mistake."""

RATE_DENOMINATOR = 10**6

Rate = int | float | Fraction | None


def name(path: str, value: object) -> str:
    """Return ``value`` if it is a name: a letter, then at most 63 letters, digits or ``_.-``."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ModelError(path, value, "a name: a letter, then at most 63 letters, digits, '_', '.' or '-'")
    return value


def integer(path: str, value: object, low: int = 0, high: int = 2**62) -> int:
    """Return ``value`` as an int in [low, high]; a whole float counts, a boolean or a string does not.

    Examples
    --------
    >>> integer("system.rows", 1e3)
    1000
    """
    allowed = f"an integer from {low} to {high}"
    if isinstance(value, bool | np.bool_ | str):
        raise ModelError(path, value, allowed)
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ModelError(path, value, allowed) from None
    if not low <= number <= high:
        raise ModelError(path, value, allowed)
    return number


def real(path: str, value: object, low: float = 0.0, high: float = math.inf, *, above: bool = False) -> float:
    """Return ``value`` as a finite float in [low, high], or in (low, high] when ``above``."""
    upper = "" if high == math.inf else f" and <= {high:g}"
    allowed = f"a finite number {'>' if above else '>='} {low:g}{upper}"
    if isinstance(value, bool | np.bool_) or not isinstance(
        value, int | float | np.integer | np.floating | Fraction
    ):
        raise ModelError(path, value, allowed)
    try:
        number = float(value)
    except OverflowError:
        raise ModelError(path, value, allowed) from None
    if not math.isfinite(number) or number < low or number > high or (above and number == low):
        raise ModelError(path, value, allowed)
    return number


def boolean(path: str, value: object) -> bool:
    """Return ``value`` if it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ModelError(path, value, "true or false")
    return bool(value)


def one_of(path: str, value: object, known: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``known``, else raise with the near misses."""
    names = list(known)
    if not isinstance(value, str) or value not in names:
        raise unknown(path, str(value), names)
    return value


def mapping(path: str, value: object) -> Mapping[str, Any]:
    """Return ``value`` if it is a mapping whose keys are texts."""
    if not isinstance(value, Mapping):
        raise ModelError(path, value, "a mapping")
    for key in value:
        if not isinstance(key, str):
            raise ModelError(path, key, "keys that are texts")
    return value


def keys(path: str, value: object, known: Iterable[str], needed: Iterable[str] = ()) -> Mapping[str, Any]:
    """Return ``value`` if it is a mapping with no key outside ``known`` and all of ``needed``."""
    names = list(known)
    if not isinstance(value, Mapping):
        raise ModelError(path, value, f"a mapping with keys among {', '.join(sorted(names))}")
    for key in mapping(path, value):
        if key not in names:
            raise unknown(f"{path}.{key}", str(key), names)
    for key in needed:
        if key not in value:
            raise ModelError(f"{path}.{key}", NOTHING, f"a value: {key} is required")
    return value


def depth(path: str, value: object, most: int) -> None:
    """Refuse mappings and lists nested more than ``most`` deep, and those that hold themselves."""
    level = [value] if isinstance(value, Mapping | list | tuple) else []
    for _ in range(most):
        if not level:
            return
        inner = (item for outer in level for item in (outer.values() if isinstance(outer, Mapping) else outer))
        # each once, for one that holds another twice would double the work at every level
        level = list({id(item): item for item in inner if isinstance(item, Mapping | list | tuple)}.values())
    if level:
        raise ModelError(path, Words(f"more than {most} levels"), f"at most {most} levels")


def sequence(path: str, value: object, what: str) -> Sequence[Any]:
    """Return ``value`` if it is a list, tuple or one-dimensional array."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return value.tolist()  # type: ignore[no-any-return]
    if not isinstance(value, list | tuple):
        raise ModelError(path, value, what)
    return value


def rate(path: str, value: object) -> Rate:
    """Return a rate in bytes per cycle, above 0 or None for no limit; the text "1/3" is a Fraction."""
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,12}/[1-9][0-9]{0,12}", value):
        value = Fraction(value)
    if isinstance(value, Fraction):
        real(path, value, above=True)
        return value
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return integer(path, value, 1, 2**40)
    return real(path, value, high=2.0**40, above=True)


def rate_pair(path: str, value: Rate) -> tuple[int, int]:
    """Return a rate as reduced integers (bytes, cycles), (0, 1) for no limit.

    A float stands for its shortest decimal form, so 0.1 is one byte in ten cycles.

    Examples
    --------
    >>> rate_pair("link", 51.2), rate_pair("link", None)
    ((256, 5), (0, 1))
    """
    if value is None:
        return 0, 1
    exact = Fraction(repr(value)) if isinstance(value, float) else Fraction(value)
    near = exact.limit_denominator(RATE_DENOMINATOR)
    if near <= 0 or abs(near - exact) * 10**9 > exact:
        allowed = f"a rate within 1e-9 of a fraction with at most {RATE_DENOMINATOR} cycles"
        raise ModelError(path, value, allowed)
    return near.numerator, near.denominator


def probabilities(path: str, values: Mapping[str, object]) -> tuple[float, ...]:
    """Return floats in [0, 1] that sum to 1 within 1e-9, in the order of the mapping; warn beyond 1e-12."""
    numbers = tuple(real(f"{path}.{key}", value, high=1.0) for key, value in values.items())
    total = math.fsum(numbers)
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise ModelError(
            path, dict(values), f"probabilities that sum to 1 within 1e-9, these sum to {total!r}"
        )
    if abs(total - 1.0) > SUM_NOISE:
        text = f"{path}: the probabilities sum to {total!r}; the last choice takes the difference"
        warnings.warn(text, ModelWarning, stacklevel=2)
    return numbers
