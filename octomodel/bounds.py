"""Bounds that no schedule undercuts, from the draws a run will make (rules 10 of ``docs/semantics.md``)."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from octomodel.errors import RunError
from octomodel.kernels import _jit, bare, codes
from octomodel.kernels.bare import Walk
from octomodel.kernels.bounds import find_bounds
from octomodel.kernels.interpret import call
from octomodel.kernels.model import Machine, Model
from octomodel.run import threads_default

F64 = NDArray[np.float64]

CHUNK = 100_000  # nodes per call of the kernel: a few ms, so that Ctrl-C feels immediate
BLOCK = 2**14  # requests that a worker takes at once from what is left
MAX_SPEEDS = 16  # groups of speeds told apart


def bounds(model: Model, *, threads: int | None = None, chunk: int = CHUNK) -> dict[str, float]:
    """Return the work bound, the path bound and their maximum, the fluid bound, of all requests of a model.

    Parameters
    ----------
    model : Model
        From ``octomodel.lower``; its horizon and policy do not matter.
    threads : int, optional
        Worker threads; no bound depends on it. Default: one per core.
    chunk : int
        Nodes between returns from the kernel, at most 2^17; no bound depends on it.

    Returns
    -------
    dict
        ``work_bound``, ``path_bound``, ``fluid_bound``, in cycles.

    Raises
    ------
    RunError
        If a request visits one node 2^24 times.
    """
    search = _Search(model, chunk)
    # interpreted, a worker copies all arrays, so there is one
    most = (threads or threads_default()) if _jit.JIT_ENABLED else 1
    workers = min(most, 1 + len(model.load.source_request) // BLOCK)
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(search.work) for _ in range(workers)]
        try:
            # short waits, for Ctrl-C is seen between them
            while wait(futures, timeout=0.2, return_when=FIRST_EXCEPTION).not_done:
                pass
        finally:
            search.stop.set()
        found = [future.result() for future in futures]
    speeds = live_speeds(model.machine)
    work = sum((slow * each.work[i] for each in found for i, slow in enumerate(search.slow)), Fraction(0))
    path = Fraction(max(each.longest for each in found))
    window = total_window(model.machine)
    if model.load.closed and window >= 0:
        path = max(path, Fraction(sum(each.path for each in found), max(window, 1)))
    work /= sum((Fraction(speed) * n for speed, n in speeds.items()), Fraction(0))
    return {
        "work_bound": float(work),
        "path_bound": float(path),
        "fluid_bound": float(max(work, path)),
    }


def live_speeds(machine: Machine) -> dict[float, int]:
    """Return how many live TBUs have each speed, the fastest first."""
    values, counts = np.unique(machine.tbu_speed[machine.tbu_dead == 0], return_counts=True)
    return dict(zip(values[::-1].tolist(), counts[::-1].tolist(), strict=True))


def total_window(machine: Machine) -> int:
    """Return how many requests all pipelines together let in at once, -1 for any number."""
    return -1 if (machine.pipeline_window < 0).any() else int(machine.pipeline_window.sum())


def too_many_visits() -> RunError:
    """Return the error of a request for whose visits the draws have no key."""
    return RunError("a request visited one node 2**24 times; a loop that never ends?")


@dataclass
class _Found:
    """Sums of one worker: cycles by group of speeds, critical paths, and the latest possible end of one request."""

    work: list[int]
    path: int = 0
    longest: int = 0


class _Search:
    """Hands blocks of requests to workers; who walks which changes no sum."""

    def __init__(self, model: Model, chunk: int) -> None:
        self.model, self.chunk = model, chunk
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._next = 0
        groups = np.array_split(np.array(list(live_speeds(model.machine))), MAX_SPEEDS)
        self.fast = np.array([group[0] for group in groups if len(group)])
        self.slow = [Fraction(float(group[-1])) for group in groups if len(group)]

    def take(self) -> tuple[int, int]:
        """Return the next block of places in the source."""
        with self._lock:
            first = self._next
            self._next = min(len(self.model.load.source_request), first + BLOCK)
            return first, self._next

    def work(self) -> _Found:
        """Take blocks and walk them until none is left."""
        walk, found = self._walk(), _Found([0] * len(self.slow))
        ctl = walk.ctl
        while not self.stop.is_set():
            first, end = self.take()
            if first == end:
                break
            ctl["place"], ctl["end"], ctl["node"] = first, end, -1
            status = codes.BUDGET
            while status == codes.BUDGET and not self.stop.is_set():
                status = call(find_bounds, walk, self.chunk)
                # sums in Python's integers, for those of many calls could pass 2**63
                found.work = [a + b for a, b in zip(found.work, walk.work.tolist(), strict=True)]
                found.path += int(ctl["path"][0])
                walk.work[:], ctl["path"] = 0, 0
            if status == codes.TOO_MANY_VISITS:
                self.stop.set()
                raise too_many_visits()
        found.longest = int(ctl["longest"][0])
        return found

    def _walk(self) -> Walk:
        program, machine, load, _ = self.model
        ctl = bare.controls(bare.WALK, program, load, machine.decision_cycles)
        ctl["n_speed"] = len(self.slow)
        n = len(program.edge_node) + 1
        return Walk(
            **bare.way(program, 1, Walk),
            source_request=bare.fixed(load.source_request),
            source_arrival=bare.fixed(load.source_arrival),
            request_phase=bare.fixed(load.request_phase),
            fast=bare.fixed(self.fast),
            slow=bare.fixed(np.array([float(slow) for slow in self.slow])),
            latest=np.zeros(len(program.node_kind), np.int64),
            branch_node=np.zeros(n, np.int64),
            branch_t=np.zeros(n, np.int64),
            work=np.zeros(len(self.slow), np.int64),
            ctl=ctl,
        )
