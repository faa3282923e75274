"""How long a simulation took, kept out of the result so that equal runs have equal results."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from octomodel.kernels import _jit

if TYPE_CHECKING:
    import xarray as xr


_SPENT: ContextVar[list[float] | None] = ContextVar("seconds of the runs being timed", default=None)


@dataclass(frozen=True)
class Timed:
    """A result and what it cost.

    Attributes
    ----------
    dataset : xarray.Dataset
        What the simulation returned.
    wall_s : float
        Seconds from the call to the result: descriptions to arrays, compilation, all replications, bounds.
    compile_s : float
        Seconds of it that went into compiling kernels.
    run_s : float
        Seconds of it in which the kernel ran the replications: no imports, descriptions, compilation or bounds.
    """

    dataset: xr.Dataset
    wall_s: float
    compile_s: float
    run_s: float

    @property
    def executions_per_s(self) -> float:
        """Return the executions of all replications per second of ``run_s``: the rate of the kernel."""
        return float(self.dataset["executions"].sum()) / max(self.run_s, 1e-9)


def note(seconds: float) -> None:
    """Add the time one replication ran for, without compilation, to what is being timed, if anything is."""
    spent = _SPENT.get()
    if spent is not None:
        spent.append(seconds)


def timed(simulation: Callable[[], xr.Dataset]) -> Timed:
    """Return the result of a simulation with the seconds it took.

    Parameters
    ----------
    simulation : callable
        Without arguments, as in ``lambda: simulate(workflow, hardware)``.
    """
    spent: list[float] = []
    token = _SPENT.set(spent)
    try:
        compiled, begun = _jit.compile_seconds(), time.perf_counter()
        dataset = simulation()
        wall = time.perf_counter() - begun
    finally:
        _SPENT.reset(token)
    return Timed(dataset, wall, _jit.compile_seconds() - compiled, sum(spent))
