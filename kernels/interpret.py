"""Run an entry kernel as plain Python: records become objects, arrays lists, so that it is exact, quick to step through
and measurable.

NumPy's record scalars cost microseconds per field and its integers warn when they overflow; here every value is a
Python number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from numpy.typing import NDArray

from ._jit import JIT_ENABLED

S = TypeVar("S")


@cache
def _class(names: tuple[str, ...]) -> type:
    """Return a class with these attributes and no others: a mistyped field is an error, as it is compiled."""

    return type("Record", (), {"__slots__": names})


def _record(kind: type, names: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    record = kind()
    for name, value in zip(names, values, strict=True):
        setattr(record, name, value)
    return record


def _lists(array: NDArray[Any]) -> list[Any]:
    values: list[Any] = array.tolist()
    if array.dtype.names is None:
        return values
    names = array.dtype.names
    kind = _class(names)
    return [_record(kind, names, value) for value in values]


def _write_back(array: NDArray[Any], values: list[Any]) -> None:
    names = array.dtype.names
    if names is None:
        array[:] = values
    else:
        for name in names:
            array[name] = [getattr(value, name) for value in values]


def lists(state: S) -> S:
    """Return a named tuple of arrays as one of lists, records as objects."""
    arrays: tuple[NDArray[Any], ...] = tuple(state)  # type: ignore[arg-type]
    return type(state)(*map(_lists, arrays))


def call(kernel: Callable[[S, int], int], state: S, argument: int) -> int:
    """Call an entry kernel, compiled or interpreted; return its status.

    Parameters
    ----------
    kernel : callable
        From ``_jit.entry``: the plain function when the JIT is off.
    state : named tuple of arrays
        Changed in place either way.
    argument : int
        The kernel's second argument.
    """
    if JIT_ENABLED:
        return kernel(state, argument)
    arrays: tuple[NDArray[Any], ...] = tuple(state)  # type: ignore[arg-type]
    as_lists = lists(state)
    status = kernel(as_lists, argument)
    for array, values in zip(arrays, as_lists, strict=True):  # type: ignore[call-overload]
        if array.flags.writeable:
            _write_back(array, values)
    return status
