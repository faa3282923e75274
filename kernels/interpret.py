"""Run an entry kernel as plain Python: records become objects, arrays lists, so that it is exact, quick to step through and measurable.

NumPy's record scalars cost microseconds per field and its integers warn when they overflow; here every value is a Python number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from .world import World


@cache
def _class(names: tuple[str, ...]) -> type:
    """Return a class with these attributes and no others: a mistyped field is an error, as it is compiled."""

    def __init__(self: Any, values: tuple[Any, ...]) -> None:
        for name, value in zip(names, values, strict=True):
            setattr(self, name, value)

    return type("Record", (), {"__slots__": names, "__init__": __init__})


def _lists(array: np.ndarray) -> list[Any]:
    values = array.tolist()
    if array.dtype.names is None:
        return values
    record = _class(array.dtype.names)
    return [record(value) for value in values]


def _write_back(array: np.ndarray, values: list[Any]) -> None:
    names = array.dtype.names
    if names is None:
        array[:] = values
    else:
        for name in names:
            array[name] = [getattr(value, name) for value in values]


def call(kernel: Callable[[Any, int], int], world: World, argument: int) -> int:
    """Call an uncompiled entry kernel on the lists of a world and carry the changes back; return its status."""
    lists = World(*map(_lists, world))
    status = kernel(lists, argument)
    for array, values in zip(world, lists, strict=True):
        if array.flags.writeable:
            _write_back(array, values)
    return status
