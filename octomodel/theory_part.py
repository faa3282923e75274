"""One phase on one machine: its steady state, the latency of its requests, and whether what is left out matters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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
PERIODIC = 0.2
"""Squared coefficient of variation of gaps below which arrivals are nearly periodic: that of five exponential stages."""
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

    @cached_property
    def still(self) -> Steady:
        """Return the steady state without a request."""
        none = np.zeros(len(self.made.count))
        return steady(self.program, self.made, self.system, none, none)

    @cached_property
    def floor(self) -> F64:
        """Return the mean latency without any wait, float64[kind]."""
        return self.latency(self.still)

    @cached_property
    def _coarse(self) -> F64:
        """Return by what the points that stand for attributes miss the mean without waits, float64[kind]."""
        if len(self.ways.weights) == 1:
            return np.zeros(len(self.made.count))
        return np.asarray(self._in_turn(self.still) - self._moments(self.still, side_by_side=False)[0])

    def latency(self, at: Steady, *, side_by_side: bool = True) -> F64:
        """Return the mean latency in a steady state, float64[..., kind]; infinite without one."""
        found = self.moments(at)[0] if side_by_side and self.ways.forks else self._in_turn(at)
        return np.where(at.stable, found, np.inf)

    def moments(self, at: Steady) -> tuple[F64, F64]:
        """Return mean and variance of the latency, float64[..., kind]; the mean is infinite without a steady state."""
        mean, var = self._moments(at)
        # in sequence a sum of means is exact
        mean = mean + self._coarse if self.ways.forks else self._in_turn(at)
        return np.where(at.stable, mean, np.inf), var

    def _in_turn(self, at: Steady) -> F64:
        used = self.program.visits > 0.0
        stay = np.where(used, at.wait, 0.0) + self.program.mean / self.made.speed
        return np.asarray((stay * self.program.visits).sum(axis=-1) + at.decision * self.program.decisions + self.transfers)

    def _moments(self, at: Steady, *, side_by_side: bool = True) -> tuple[F64, F64]:
        known = at.stable[..., None]
        wait, wait_var = (np.where(known & np.isfinite(each), each, 0.0) for each in (at.wait, at.wait_var))
        shape = at.decision.shape
        size = max(1, CELLS // (len(self.ways.weights) * max(shape[-1], 1)))
        flat = (each.reshape(-1, *each.shape[len(shape) - 1 :]) for each in (wait, wait_var, at.decision))
        waits, variances, decisions = flat
        found = []
        for i in range(0, len(waits), size):
            some = slice(i, i + size)
            stay = Stay(self.made.speed, waits[some], variances[some], self.to_task, self.to_join, decisions[some])
            found.append(self.ways.through(stay, side_by_side=side_by_side))
        mean, var = (np.concatenate([each[k] for each in found]).reshape(shape) for k in (0, 1))
        return mean, var


def relied_on(part: Part, at: Steady, mean: F64, scv: F64) -> Flags:
    """Return where the answer to an open load can be relied on, bool[..., kind].

    Parameters
    ----------
    part : Part
    at : Steady
    mean : float64[..., kind]
        Latency.
    scv : float64[kind]
        Of the gaps between requests.

    Returns
    -------
    bool[..., kind]
        False without a steady state, and where something that is left out may change the latency by more than ``NEGLIGIBLE``
        or so. Full slots: a wait for one lengthens the time of the station that it blocks, whose own waits grow. The window:
        requests often wait for it. Two moments: they do not carry times that vary too much; nor do they tell what parts of
        nearly periodic arrivals meet, so that waits then have to be a small part.
    """
    used = part.program.visits > 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        waits = np.where(used & (at.wait > 0.0), at.wait * part.program.visits, 0.0)
        more = np.where(used, (at.slowed - at.wait) * part.program.visits, 0.0).sum(axis=-1)
        smooth = (scv >= PERIODIC) | (waits.sum(axis=-1) <= 2.0 * NEGLIGIBLE * mean)
    calm = bool((part.program.scv[used] <= VARIABLE).all())
    return np.asarray(at.stable & (more <= NEGLIGIBLE * mean) & smooth & window_free(part, at) & calm)


def window_free(part: Part, at: Steady) -> Flags:
    """Return where requests seldom wait for the window, bool[..., kind]: by a gamma law for the number inside."""
    window = part.made.window
    limited = np.isfinite(window) & (at.inside_var > 0.0) & np.isfinite(at.inside) & np.isfinite(at.inside_var)
    inside, var, most = (np.where(limited, each, 1.0) for each in (at.inside, at.inside_var, window))
    return np.where(limited, gammaincc(inside**2 / var, most * inside / var) <= NEGLIGIBLE, ~np.isfinite(window) | at.stable)
