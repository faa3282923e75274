"""The compile policy of every kernel, in one place.

A helper kernel is written ``def _push(...)`` and ``push = jit(_push)``, so that coverage and mutation tools
see the plain function. An entry kernel, called from Python, is wrapped by :func:`entry` instead: it is
compiled on its first call, never at import, for one signature only, and its machine code is kept on disk.
With ``NUMBA_DISABLE_JIT=1`` both return the function they were given.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar, cast

import numba

from . import _cache, _module

P = ParamSpec("P")
R = TypeVar("R")

JIT_ENABLED: bool = not numba.config.DISABLE_JIT


def _accepted(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options, without the private ones where this Numba refuses them."""
    try:
        numba.njit(**options)(lambda: None)
    except KeyError:
        return {name: value for name, value in options.items() if not name.startswith("_")}
    return options


# No fast-math: it breaks the tests for nan and inf. No reference counting (_nrt): kernels allocate nothing.
_OPTIONS = _accepted({"nogil": True, "error_model": "numpy", "fastmath": False, "_nrt": False})
# Helpers are called by kernels alone: what would let Python or C call them is half of the compile time.
_HELPER = _OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

_seconds = 0.0


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a helper kernel, inside the entry kernel that calls it.

    Parameters
    ----------
    function : callable
        A pure function of numbers, arrays and named tuples of arrays, that allocates nothing.

    Returns
    -------
    callable
        The compiled function, with the type of the one given.
    """
    _module.name_helper(function)
    return cast("Callable[P, R]", numba.njit(**_HELPER)(function))


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a helper kernel into every place that calls it."""
    _module.name_helper(function)
    return cast("Callable[P, R]", numba.njit(forceinline=True, **_HELPER)(function))


def rare(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a helper kernel apart from those that call it, which are smaller and faster when it is seldom needed."""
    _module.name_helper(function, apart=True)
    return cast("Callable[P, R]", numba.njit(**_HELPER)(function))


def entry(function: Callable[P, R]) -> Callable[P, R]:
    """Compile an entry kernel on its first call, for the argument types of that call and no others.

    Parameters
    ----------
    function : callable
        A kernel called from Python with positional arguments only.

    Returns
    -------
    callable
        An :class:`Entry` with the type of the function given; the function itself when the JIT is off.
    """
    return cast("Callable[P, R]", Entry(function)) if JIT_ENABLED else function


def compile_seconds() -> float:
    """Return the seconds this process has spent compiling entry kernels or loading them from disk."""
    return _seconds


@contextmanager
def compiling() -> Iterator[None]:
    """Count the seconds spent within as spent compiling."""
    global _seconds
    start = time.perf_counter()
    yield
    _seconds += time.perf_counter() - start


class Entry:
    """One entry kernel with its only signature.

    Attributes
    ----------
    dispatcher : numba dispatcher
        What Numba made of the function, for inspection.

    Raises
    ------
    TypeError
        By a call whose argument types differ from those of the first call; the message names the difference.
    ValueError
        By the first call, when ``OCTOMODEL_CACHE_DIR`` is not the absolute path of a directory.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.dispatcher = numba.njit(**_OPTIONS)(function)
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._once = threading.Lock()
        self._classes: tuple[type, ...] = ()
        self._types: tuple[Any, ...] = ()

    def __call__(self, *args: Any) -> Any:
        # Numba would silently cast a number of another class; arrays of another kind it refuses itself.
        if tuple(map(type, args)) != self._classes:
            self._settle(args)
        try:
            return self.dispatcher(*args)
        except TypeError:
            self._settle(args)
            raise

    def _settle(self, args: tuple[Any, ...]) -> None:
        """Compile for these arguments at the first call, afterwards refuse those of other types."""
        types = tuple(numba.typeof(arg) for arg in args)
        with self._once:
            if not self._types:
                self._compile(types)
                self._types = types
                self._classes = tuple(map(type, args))
        if types != self._types:
            raise TypeError(f"{self._name}: {difference(self._types, types)}") from None

    def _compile(self, types: tuple[Any, ...]) -> None:
        with compiling(), _module.one_module(), _cache.session(self._name) as cache:
            if cache is not None:
                self.dispatcher._cache = cache
            self.dispatcher.compile(types)
        self.dispatcher.disable_compile()


def difference(compiled: tuple[Any, ...], called: tuple[Any, ...]) -> str:
    """Say in words where two tuples of Numba types first differ, down to the fields of named tuples.

    Examples
    --------
    >>> difference((numba.int64, numba.int32), (numba.int64, numba.float64))
    'argument 1 is float64, compiled for int32'
    """
    if len(compiled) != len(called):
        return f"{len(called)} arguments, compiled for {len(compiled)}"
    position = next(i for i, (old, new) in enumerate(zip(compiled, called, strict=True)) if old != new)
    old, new = compiled[position], called[position]
    fields = getattr(old, "fields", None)
    if fields is None or fields != getattr(new, "fields", None):
        return f"argument {position} is {new}, compiled for {old}"
    pairs = zip(fields, old.types, new.types, strict=True)
    return next(
        (f"argument {position}.{field} is {b}, compiled for {a}" for field, a, b in pairs if a != b),
        f"argument {position} is another class named {new.instance_class.__name__}",
    )
