"""Quantities with a unit, as people write them, in cycles, bytes, and bytes or requests per cycle."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from octomodel.checks import RATE_DENOMINATOR
from octomodel.errors import ModelError, unknown

Clock = Fraction | None

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?)\s*([A-Za-zµμ]+)(?:\s*/\s*([A-Za-zµμ]+))?")
PATTERN = r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?\s*[A-Za-zµμ]+(\s*/\s*[A-Za-zµμ]+)?$"
"""Of a quantity, for JSON Schema."""

TIMES = {
    "ps": Fraction(1, 10**12),
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),  # micro sign
    "μs": Fraction(1, 10**6),  # Greek letter
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "min": Fraction(60),
    "h": Fraction(3600),
}
CYCLES = {"cycle": 1, "cycles": 1, "kcycles": 1000, "Mcycles": 10**6}
_PREFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
SIZES = {f"{prefix}B": Fraction(factor) for prefix, factor in (_PREFIXES | _BINARY).items()} | {
    f"{prefix}bit": Fraction(factor, 8) for prefix, factor in (_PREFIXES | _BINARY).items()
}
FREQUENCIES = {f"{prefix}Hz": Fraction(factor) for prefix, factor in _PREFIXES.items()}


def is_quantity(text: str) -> bool:
    """Return whether a text is a number with something that may be a unit."""
    return _QUANTITY.fullmatch(text) is not None


def cycles(path: str, text: str, clock: Clock) -> Fraction:
    """Return a time in cycles.

    Parameters
    ----------
    path : str
        Where the text stands.
    text : str
        Such as ``"5 us"`` or ``"5 cycles"``.
    clock : Fraction or None
        Cycles per second.

    Returns
    -------
    Fraction
        Exact.

    Raises
    ------
    ModelError
        When the text is no time, or one in seconds without a clock.

    Examples
    --------
    >>> cycles("time", "2.5 us", Fraction(10**9))
    Fraction(2500, 1)
    """
    number, unit, per = _parts(path, text, "a time such as '5 us' or '5 cycles'")
    if per is not None:
        raise ModelError(path, text, "a time such as '5 us' or '5 cycles'")
    if unit in CYCLES:
        return number * CYCLES[unit]
    return number * _one(path, unit, TIMES, CYCLES) * _clock(path, text, clock, "cycles")


def whole_cycles(path: str, text: str, clock: Clock) -> int:
    """Return a time in whole cycles, rounded half up, at least 1 unless it is 0: as drawn times are."""
    exact = cycles(path, text, clock)
    return max((2 * exact.numerator + exact.denominator) // (2 * exact.denominator), 1 if exact else 0)


def size(path: str, text: str, clock: Clock = None) -> int:
    """Return a size in bytes, a whole number of them.

    Raises
    ------
    ModelError
        When the text is no size, or no whole number of bytes.

    Examples
    --------
    >>> size("tbu.memory_bytes", "1.5 MiB")
    1572864
    """
    allowed = "a size such as '4096 B', '64 kB' (1000 bytes each) or '1.5 MiB' (2^20 bytes)"
    number, unit, per = _parts(path, text, allowed)
    if per is not None:
        raise ModelError(path, text, allowed)
    exact = number * _one(path, unit, SIZES)
    if exact.denominator != 1:
        raise ModelError(path, text, f"a whole number of bytes, this is {float(exact):g}")
    return exact.numerator


def rate(path: str, text: str, clock: Clock) -> int | float | str:
    """Return a rate in bytes per cycle, as it stands in a file: an integer, a fraction or a number.

    Raises
    ------
    ModelError
        When the text is no rate, or one per second without a clock.

    Examples
    --------
    >>> rate("link", "256 bit/cycle", None), rate("link", "100 GB/s", Fraction(850_000_000))
    (32, '2000/17')
    """
    number, unit, per = _parts(path, text, "a rate such as '100 GB/s' or '32 B/cycle'")
    exact = number * _one(path, unit, SIZES) / _per(path, text, per, clock, "bytes per cycle")
    near = exact.limit_denominator(RATE_DENOMINATOR)
    if near <= 0 or abs(near - exact) * 10**9 > exact:
        return float(exact)
    return near.numerator if near.denominator == 1 else str(near)


def frequency(path: str, text: str, clock: Clock = None) -> float:
    """Return a frequency in Hz.

    Examples
    --------
    >>> frequency("clock_hz", "1.2 GHz")
    1200000000.0
    """
    number, unit, per = _parts(path, text, "a frequency such as '1.2 GHz'")
    if per is not None:
        raise ModelError(path, text, "a frequency such as '1.2 GHz'")
    return float(number * _one(path, unit, FREQUENCIES))


def arrivals(path: str, text: str, clock: Clock) -> float:
    """Return requests per cycle.

    Examples
    --------
    >>> arrivals("load.rate", "2000 requests/s", Fraction(10**9))
    2e-06
    """
    allowed = "a rate such as '2000 requests/s' or '5 requests/ms'"
    number, unit, per = _parts(path, text, allowed)
    if unit not in ("request", "requests") or per is None:
        raise ModelError(path, text, allowed)
    return float(number / _per(path, text, per, clock, "requests per cycle"))


def _number_of_cycles(path: str, text: str, clock: Clock) -> int | float:
    exact = cycles(path, text, clock)
    return exact.numerator if exact.denominator == 1 else float(exact)


READERS: Mapping[str, Callable[[str, str, Clock], int | float | str]] = {
    "cycles": _number_of_cycles,
    "whole cycles": whole_cycles,
    "bytes": size,
    "bytes per cycle": rate,
    "requests per cycle": arrivals,
    "hertz": frequency,
}
"""How a text is read, by what it is to become."""


def _parts(path: str, text: str, allowed: str) -> tuple[Fraction, str, str | None]:
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ModelError(path, text, allowed)
    return Fraction(found[1]), found[2], found[3]


def _one(path: str, unit: str, *known: Mapping[str, Fraction | int]) -> Fraction:
    for units in known:
        if unit in units:
            return Fraction(units[unit])
    raise unknown(path, unit, {name for units in known for name in units if name != "μs"})


def _per(path: str, text: str, per: str | None, clock: Clock, what: str) -> Fraction:
    """Return the cycles of what a rate is per."""
    if per is None:
        raise ModelError(path, text, f"a rate per time, such as {text}/s or {text}/cycle")
    if per == "cycle":
        return Fraction(1)
    return _one(path, per, TIMES, {"cycle": 1}) * _clock(path, text, clock, what)


def _clock(path: str, text: str, clock: Clock, what: str) -> Fraction:
    if clock is None:
        allowed = f"a number of {what}, or a clock: hardware.clock_hz, or clock_hz at the top of the file"
        raise ModelError(path, text, allowed)
    return clock
