"""Compile an entry kernel and all its helpers as one module.

Numba finishes each function as a library of its own: everything it calls is linked in, optimised and translated again.
With ninety helpers six deep that is most of a minute, for machine code nobody calls. Inside :func:`one_module` a helper
is left as it was lowered, and whatever links to it, then or later, takes in all that it reaches, once. This rests on
Numba's own classes, so a test compiles both ways and compares.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

from llvmlite.binding import Linkage
from numba.core import config
from numba.core.codegen import CPUCodeLibrary, JITCPUCodegen

_helpers: set[str] = set()
_apart: set[str] = set()
_lock = threading.Lock()


def name_helper(function: Callable[..., Any], *, apart: bool = False) -> None:
    """Give a helper a name that no other function has, by which its library is known; ``apart``: never inline it."""
    function.__qualname__ = f"{function.__module__}.{function.__name__}"
    _helpers.add(function.__qualname__)
    if apart:
        _apart.add(function.__qualname__)


def _reached(library: Any, found: dict[int, Any]) -> dict[int, Any]:
    """Collect the libraries that a library links to, directly or through others."""
    for used in library._linking_libraries:
        if id(used) not in found:
            found[id(used)] = used
            _reached(used, found)
    return found


def _with_all_it_reaches(library: Any) -> Any:
    """Return the module of an unfinished helper, for linking, with those of all helpers it reaches."""
    alone = CPUCodeLibrary._get_module_for_linking
    module = alone(library).clone()
    for used in _reached(library, {}).values():
        module.link_in(alone(used), preserve=True)
    return module


@contextmanager
def _without_vectors() -> Iterator[None]:
    """Switch off Numba's vectorisers."""
    before = config.LOOP_VECTORIZE, config.SLP_VECTORIZE
    config.LOOP_VECTORIZE = config.SLP_VECTORIZE = 0
    try:
        yield
    finally:
        config.LOOP_VECTORIZE, config.SLP_VECTORIZE = before


@contextmanager
def alone() -> Iterator[None]:
    """Compile while no entry kernel is compiled."""
    with _lock:
        yield


@contextmanager
def one_module() -> Iterator[None]:
    """Leave helpers unfinished while an entry kernel is compiled; one kernel at a time."""

    def finish(self: Any) -> None:
        if self.name in _helpers:
            self._finalized = True
            if self.name in _apart:
                for function in self.get_defined_functions():
                    function.add_function_attribute("noinline")
            self._get_module_for_linking = MethodType(_with_all_it_reaches, self)
        else:
            finalize(self)

    def optimize(self: Any) -> None:
        # what nobody outside can call is inlined where it is called once, and loses the status that it never returns
        for function in self._final_module.functions:
            if function.linkage == Linkage.linkonce_odr and not function.is_declaration:
                function.linkage = Linkage.internal
        # loops of a few turns gain nothing from vectors, and all the code around them pays for their registers
        with _without_vectors():
            optimize_alone(self)

    def set_environment(self: Any, name: str, environment: Any) -> None:
        # that of a helper is never read: kernels raise nothing and create no objects
        if self._engine.is_symbol_defined(name):
            set_env(self, name, environment)

    with _lock:
        library = CPUCodeLibrary
        finalize, optimize_alone, set_env = library.finalize, library._optimize_final_module, JITCPUCodegen.set_env
        library.finalize, library._optimize_final_module, JITCPUCodegen.set_env = finish, optimize, set_environment
        try:
            yield
        finally:
            library.finalize, library._optimize_final_module, JITCPUCodegen.set_env = finalize, optimize_alone, set_env
