"""One phase on one machine: its steady state, the latency of its requests, and whether what is left out matters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from octomodel.hardware import System
from octomodel.theory_machine import Pipelines, transfer
from octomodel.theory_open import Steady, steady
from octomodel.theory_paths import Paths, Stay, paths
from octomodel.theory_program import Profile, profile
from octomodel.workflow import Workflow

F64 = NDArray[np.float64]
Flags = NDArray[np.bool_]
CELLS = 2**20
"""Numbers that an array of configurations and points of attributes may hold at once."""
NEGLIGIBLE = 0.05
"""Estimated share of the latency by which something left out may change it before an answer is not to be relied on."""
VARIABLE = 8.0
"""Squared coefficient of variation that approximations by two moments are made for, as in ``queueing.gigc``."""


@dataclass(frozen=True, eq=False)
class Part:
    """One phase on one machine: what is asked of the stations, the ways of its requests, and transfers."""

    program: Profile
    ways: Paths
    made: Pipelines
    system: System
    to_task: F64
    to_join: dict[int, float]
    transfers: float

    @classmethod
    def of(cls, workflow: Workflow, phase: str | None, made: Pipelines, system: System) -> Part:
        """Return a phase on a machine."""
        program = profile(workflow, phase)
        tokens: dict[int, float] = {}
        cycles: dict[int, float] = {}
        for node, n_bytes, number in program.moves:
            tokens[node] = tokens.get(node, 0.0) + number
            cycles[node] = cycles.get(node, 0.0) + number * transfer(system, n_bytes)
        each = {node: cycles[node] / tokens[node] for node in cycles}
        tasks = program.task_node
        to_task = np.array([each.get(node, 0.0) for node in tasks.tolist()])
        return cls(program, paths(workflow, phase), made, system, to_task, each, sum(cycles.values()))

    def latency(self, at: Steady, *, side_by_side: bool = True) -> F64:
        """Return the mean latency in a steady state, float64[..., kind]; infinite without one."""
        run = self.program.mean / self.made.speed
        total = ((at.wait + run) * self.program.visits).sum(axis=-1) + at.decision * self.program.decisions + self.transfers
        if side_by_side and self.ways.forks:
            # the sum is exact in means; what runs side by side is taken from the ways
            together, in_turn = self.moments(at)[0], self.moments(at, side_by_side=False)[0]
            total = total - (in_turn - together)
        return np.where(at.stable, total, np.inf)

    def moments(self, at: Steady, *, side_by_side: bool = True) -> tuple[F64, F64]:
        """Return mean and variance of the latency along the ways, where there is a steady state; float64[..., kind]."""
        known = at.stable[..., None]
        wait, wait_var = (np.where(known & np.isfinite(each), each, 0.0) for each in (at.wait, at.wait_var))
        shape = at.decision.shape
        size = max(1, CELLS // (len(self.ways.weights) * max(shape[-1], 1)))
        flat = (each.reshape(-1, *each.shape[len(shape) - 1 :]) for each in (wait, wait_var, at.decision))
        waits, variances, decisions = flat
        found = [
            self.ways.through(
                Stay(self.made.speed, waits[i : i + size], variances[i : i + size], self.to_task, self.to_join, decisions[i : i + size]),
                side_by_side=side_by_side,
            )
            for i in range(0, len(waits), size)
        ]
        mean, var = (np.concatenate([each[k] for each in found]).reshape(shape) for k in (0, 1))
        return mean, var


def empty(part: Part) -> Steady:
    """Return the steady state without a request."""
    none = np.zeros(len(part.made.count))
    return steady(part.program, part.made, part.system, none, none)


def relied_on(part: Part, at: Steady, mean: F64) -> Flags:
    """Return where what is left out changes the latency little: blocking, the window, more variability than two moments carry.

    Parameters
    ----------
    part : Part
    at : Steady
    mean : float64[..., kind]
        Latency.

    Returns
    -------
    bool[..., kind]
        A wait for a slot lengthens the time of the station that it blocks; its waits grow by as much over what is left to
        spare. False where such waits sum up to more than ``NEGLIGIBLE`` of the latency.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        slowed = np.where(at.slowed > 0.0, at.slowed * at.wait * part.program.visits, 0.0).sum(axis=-1) / mean
    used = part.program.visits > 0.0
    calm = bool((part.program.scv[used] <= VARIABLE).all())
    return np.asarray(at.stable & (slowed <= NEGLIGIBLE) & window_free(part, at) & calm)


def window_free(part: Part, at: Steady) -> Flags:
    """Return where requests seldom wait for the window, bool[..., kind]: by a gamma law for the number inside."""
    window = part.made.window
    limited = np.isfinite(window) & (at.inside_var > 0.0) & np.isfinite(at.inside) & np.isfinite(at.inside_var)
    inside, var, most = (np.where(limited, each, 1.0) for each in (at.inside, at.inside_var, window))
    return np.where(limited, gammaincc(inside**2 / var, most * inside / var) <= NEGLIGIBLE, ~np.isfinite(window) | at.stable)
