"""How long a simulation took, kept out of the result so that equal runs have equal results."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from octomodel.kernels import _jit

if TYPE_CHECKING:
    import xarray as xr


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
    """

    dataset: xr.Dataset
    wall_s: float
    compile_s: float

    @property
    def executions_per_s(self) -> float:
        """Return the executions of all replications per second, compilation apart."""
        return float(self.dataset["executions"].sum()) / max(self.wall_s - self.compile_s, 1e-9)


def timed(simulation: Callable[[], xr.Dataset]) -> Timed:
    """Return the result of a simulation with the seconds it took.

    Parameters
    ----------
    simulation : callable
        Without arguments, as in ``lambda: simulate(workflow, hardware)``.
    """
    compiled, begun = _jit.compile_seconds(), time.perf_counter()
    dataset = simulation()
    return Timed(dataset, time.perf_counter() - begun, _jit.compile_seconds() - compiled)
