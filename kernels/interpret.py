"""Run an entry kernel as plain Python: records become objects, arrays lists, so that it is exact, quick to step through
and measurable.

NumPy's record scalars cost microseconds per field and its integers warn when they overflow; here every value is a
Python number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from numpy.typing import NDArray

from .world import World


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


def call(kernel: Callable[[Any, int], int], world: World, argument: int) -> int:
    """Call an uncompiled entry kernel on the lists of a world and carry the changes back; return its status."""
    arrays: tuple[NDArray[Any], ...] = tuple(world)
    lists: list[list[Any]] = [_lists(array) for array in arrays]
    status = kernel(World(*lists), argument)  # type: ignore[arg-type]
    for array, values in zip(arrays, lists, strict=True):
        if array.flags.writeable:
            _write_back(array, values)
    return status
