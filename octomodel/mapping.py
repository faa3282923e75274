"""Compile-time mapping: pipelines, the home of each TBU, what each TBU holds at cycle 0."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from octomodel import checks
from octomodel.errors import ModelError
from octomodel.faults import dead_tbus
from octomodel.hardware import System
from octomodel.workflow import Workflow

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
METHODS = ("proportional", "equal", "marginal")


@dataclass(frozen=True, eq=False)
class Mapping:
    """Who owns what, made once before a run and the same for all policies of a comparison.

    Attributes
    ----------
    pipeline : int64[cluster]
        Pipeline of each cluster.
    home : int64[tbu]
        Task block of each TBU, -1 for a dead TBU or one without a home.
    residents : int64[tbu, resident slot]
        Configurations held at cycle 0, the home's first, -1 for an empty place.
    demand : float64[tb]
        Cycles per request the mapping was made for, on the PEAs of one TBU at speed 1.
    """

    pipeline: I64
    home: I64
    residents: I64
    demand: F64

    @property
    def n_pipeline(self) -> int:
        """Return the number of pipelines."""
        return int(self.pipeline.max()) + 1

    @cached_property
    def alloc(self) -> I64:
        """Return the number of owners, int64[cluster, tb]."""
        out = np.zeros((len(self.pipeline), len(self.demand)), dtype=np.int64)
        owners = np.flatnonzero(self.home >= 0)
        np.add.at(out, (owners // (len(self.home) // len(self.pipeline)), self.home[owners]), 1)
        return out

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return False
        return all(
            np.array_equal(getattr(self, f), getattr(other, f))
            for f in ("pipeline", "home", "residents", "demand")
        )

    def __hash__(self) -> int:
        return hash((self.pipeline.tobytes(), self.home.tobytes()))

    def __repr__(self) -> str:
        clusters = len(self.pipeline)
        owners = np.count_nonzero(self.home >= 0)
        where = f"{self.n_pipeline} pipelines in {clusters} clusters"
        return f"Mapping({len(self.demand)} tasks on {owners} TBUs, {where})"


def make(
    workflow: Workflow,
    system: System,
    *,
    method: str = "proportional",
    profile: str | None = None,
    clusters_per_pipeline: int | None = None,
) -> Mapping:
    """Return a mapping made from a profile.

    The clusters are taken in boustrophedon order (first row eastwards, second westwards ...). A pipeline
    takes the next clusters until its live TBUs suffice for one owner of each task; clusters left over join
    the last pipeline. Its live TBUs, in that order, are given to the tasks in program order.

    Parameters
    ----------
    workflow, system
        What is mapped on what.
    method : {"proportional", "equal", "marginal"}
        Owners of each task: in proportion to its demand (largest remainders), equally many, or one after the
        other where the bottleneck is.
    profile : str, optional
        Phase whose mean visits and times the compiler believes in; default: the average over phases.
    clusters_per_pipeline : int, optional
        Least number of clusters of a pipeline; default: as few as suffice.

    Returns
    -------
    Mapping

    Raises
    ------
    ModelError
        When the machine has fewer live TBUs than the workflow has tasks, or an argument is out of range.

    Examples
    --------
    >>> from octomodel.program import task
    >>> wf = Workflow("pair", task("a", 100), task("b", 300))
    >>> make(wf, System(1, 2, tbus=4)).alloc.tolist()
    [[1, 3], [1, 3]]
    """
    checks.one_of("mapping.method", method, METHODS)
    least = checks.integer("mapping.clusters_per_pipeline", clusters_per_pipeline or 1, 1, system.n_cluster)
    demand = profile_demand(workflow, system, profile)
    dead = dead_tbus(system).reshape(system.n_cluster, system.tbus)
    groups = _pipelines(workflow, system, ~dead, least)
    pipeline = np.empty(system.n_cluster, dtype=np.int64)
    home = np.full(system.n_tbu, -1, dtype=np.int64)
    owners_of: dict[int, I64] = {}
    for number, clusters in enumerate(groups):
        pipeline[clusters] = number
        tbus = np.concatenate(
            [cluster * system.tbus + np.flatnonzero(~dead[cluster]) for cluster in clusters]
        )
        if len(tbus) not in owners_of:
            owners_of[len(tbus)] = np.repeat(np.arange(len(demand)), owners(demand, len(tbus), method))
        home[tbus] = owners_of[len(tbus)]
    return Mapping(pipeline, home, _residents(workflow, system, home, demand), demand)


def explicit(
    workflow: Workflow,
    system: System,
    alloc: Sequence[Sequence[int]] | I64,
    *,
    pipeline: Sequence[int] | None = None,
    profile: str | None = None,
) -> Mapping:
    """Return the mapping with given numbers of owners.

    Parameters
    ----------
    workflow, system
        What is mapped on what.
    alloc : int[cluster, tb]
        Owners of each task in each cluster; its live TBUs are given to the tasks in program order, TBUs left
        over have no home.
    pipeline : int[cluster], optional
        Pipeline of each cluster, numbered from 0; default: in boustrophedon order, as few clusters each as
        own every task.
    profile : str, optional
        Phase whose demand decides what else a TBU holds; default: the average over phases.

    Returns
    -------
    Mapping

    Raises
    ------
    ModelError
        When the shape is wrong, a cluster has too few live TBUs, or a pipeline lacks a task.

    Examples
    --------
    >>> from octomodel.program import task
    >>> wf = Workflow("pair", task("a", 100), task("b", 300))
    >>> explicit(wf, System(1, 2, tbus=4), [[2, 1], [1, 2]]).home.tolist()
    [0, 0, 1, -1, 0, 1, 1, -1]
    """
    shape = (system.n_cluster, len(workflow.tasks))
    given = np.asarray(alloc)
    if given.shape != shape or given.dtype.kind not in "iu" or (given < 0).any():
        raise ModelError("mapping.alloc", f"array of shape {given.shape}", f"integers >= 0 of shape {shape}")
    dead = dead_tbus(system).reshape(system.n_cluster, system.tbus)
    home = np.full((system.n_cluster, system.tbus), -1, dtype=np.int64)
    for cluster, row in enumerate(given):
        live = np.flatnonzero(~dead[cluster])
        if row.sum() > len(live):
            raise ModelError(
                f"mapping.alloc[{cluster}]",
                int(row.sum()),
                f"at most {len(live)} owners, the live TBUs of this cluster",
            )
        home[cluster, live[: row.sum()]] = np.repeat(np.arange(shape[1]), row)
    groups = _given_pipelines(system, given, pipeline)
    for number, row in enumerate(np.stack([given[groups == p].sum(axis=0) for p in range(groups.max() + 1)])):
        if (row == 0).any():
            name = workflow.tasks[int(np.argmin(row))].name
            raise ModelError(f"mapping.alloc, pipeline {number}", 0, f"at least one owner of task {name!r}")
    demand = profile_demand(workflow, system, profile)
    return Mapping(groups, home.reshape(-1), _residents(workflow, system, home.reshape(-1), demand), demand)


def check_machine(system: System, made: Mapping) -> None:
    """Refuse a mapping that was made for another machine.

    Raises
    ------
    ModelError
        When shapes differ or a dead TBU owns a task.
    """
    shape = (len(made.pipeline), len(made.home), made.residents.shape[1])
    wanted = (system.n_cluster, system.n_tbu, system.resident_slots)
    if shape != wanted:
        names = "clusters, TBUs, resident places"
        raise ModelError("mapping", f"{names} {shape}", f"a mapping made for this machine: {wanted}")
    if (made.home[dead_tbus(system)] >= 0).any():
        raise ModelError("mapping", "a dead TBU that owns a task", "a mapping made for this machine with its faults")


def check_tasks(workflow: Workflow, made: Mapping) -> None:
    """Refuse a mapping that was made for another number of tasks.

    Raises
    ------
    ModelError
        When it was.
    """
    if made.demand.shape != (len(workflow.tasks),):
        allowed = f"a mapping of the {len(workflow.tasks)} tasks of {workflow.name!r}"
        raise ModelError("mapping", f"{len(made.demand)} tasks", allowed)


def profile_demand(workflow: Workflow, system: System, profile: str | None) -> F64:
    """Return the cycles per request of each task on the PEAs of one TBU at speed 1, float64[tb]."""
    demand = workflow.demand(profile)
    values = np.array([demand[task.name] / speedup(task.parallel, system.peas) for task in workflow.tasks])
    for task, value in zip(workflow.tasks, values, strict=True):
        if not math.isfinite(value):
            raise ModelError(
                f"workflow.{workflow.name}.{task.name}.time", float(value), "a time with a finite mean"
            )
    return values


def speedup(parallel: float, peas: int) -> float:
    """Return how much faster ``peas`` PEAs run a task whose share ``parallel`` can be divided (Amdahl).

    Examples
    --------
    >>> speedup(0.5, 2)
    1.3333333333333333
    """
    return 1.0 / ((1.0 - parallel) + parallel / peas)


def owners(demand: F64, n_tbu: int, method: str) -> I64:
    """Return how many of ``n_tbu`` TBUs each task gets, at least one each, ties by index, int64[tb]."""
    n = len(demand)
    if method == "equal" or not demand.max() > 0:
        return n_tbu // n + (np.arange(n) < n_tbu % n).astype(np.int64)
    counts = np.ones(n, dtype=np.int64)
    if method == "marginal":
        heap = [(-demand[i], i) for i in range(n)]
        heapq.heapify(heap)
        for _ in range(n_tbu - n):
            _, task = heap[0]
            counts[task] += 1
            heapq.heapreplace(heap, (-demand[task] / counts[task], task))
        return counts
    free = demand > 0
    while True:
        left = n_tbu - np.count_nonzero(~free)
        quota = np.where(free, demand / demand[free].sum() * left, 1.0)
        small = free & (quota < 1.0 - 1e-9)
        if not small.any():
            break
        free &= ~small
    counts = np.floor(quota + 1e-9).astype(np.int64)
    order = np.lexsort((np.arange(n), counts - quota))
    counts[order[: n_tbu - counts.sum()]] += 1
    return counts


def boustrophedon(system: System) -> I64:
    """Return the clusters row by row, every other row westwards, so that each is next to the one before."""
    grid = np.arange(system.n_cluster, dtype=np.int64).reshape(system.rows, system.cols)
    grid[1::2] = grid[1::2, ::-1].copy()
    return grid.reshape(-1)


def _pipelines(workflow: Workflow, system: System, live: NDArray[np.bool_], least: int) -> list[I64]:
    """Return the clusters of each pipeline in boustrophedon order."""
    need = len(workflow.tasks)
    order = boustrophedon(system)
    counts = live.sum(axis=1)
    groups: list[list[int]] = [[]]
    have = 0
    for cluster in order.tolist():
        if len(groups[-1]) >= least and have >= need:
            groups.append([])
            have = 0
        groups[-1].append(cluster)
        have += int(counts[cluster])
    if len(groups) > 1 and (have < need or len(groups[-1]) < least):
        groups[-2].extend(groups.pop())
    elif have < need:
        allowed = f"at least {need} live TBUs, one for each task of workflow {workflow.name!r}"
        raise ModelError("mapping", f"{have} live TBUs in {system.n_cluster} clusters", allowed)
    return [np.array(group, dtype=np.int64) for group in groups]


def _given_pipelines(system: System, alloc: I64, pipeline: Sequence[int] | None) -> I64:
    if pipeline is not None:
        groups = np.asarray(pipeline)
        numbers = np.unique(groups)
        if groups.shape != (system.n_cluster,) or not np.array_equal(numbers, np.arange(len(numbers))):
            allowed = f"{system.n_cluster} pipeline numbers, all from 0 to the largest"
            raise ModelError("mapping.pipeline", pipeline, allowed)
        return groups.astype(np.int64)
    groups = np.zeros(system.n_cluster, dtype=np.int64)
    number, have = 0, np.zeros(alloc.shape[1], dtype=np.int64)
    for cluster in boustrophedon(system).tolist():
        if (have > 0).all():
            number, have = number + 1, np.zeros_like(have)
        have = have + alloc[cluster]
        groups[cluster] = number
    if number and not (have > 0).all():
        groups[groups == number] = number - 1
    return groups


def _residents(workflow: Workflow, system: System, home: I64, demand: F64) -> I64:
    """Return what each TBU holds at cycle 0: its home's, then what its cluster demands most (rule 5.2)."""
    config, _ = configurations(workflow)
    slots = system.resident_slots
    out = np.full((system.n_tbu, slots), -1, dtype=np.int64)
    homes = home.reshape(system.n_cluster, system.tbus)
    known: dict[bytes, list[int]] = {}
    for cluster in range(system.n_cluster):
        present = np.unique(homes[cluster][homes[cluster] >= 0])
        key = present.tobytes()
        if key not in known:
            wanted: dict[int, float] = {}
            for task in present.tolist():
                wanted[int(config[task])] = wanted.get(int(config[task]), 0.0) + float(demand[task])
            known[key] = sorted(wanted, key=lambda c: (-wanted[c], c))[: slots + 1]
        for i, task in enumerate(homes[cluster].tolist()):
            if task >= 0:
                own = int(config[task])
                held = [own, *(c for c in known[key] if c != own)][:slots]
                out[cluster * system.tbus + i, : len(held)] = held
    return out


def configurations(workflow: Workflow) -> tuple[I64, list[str]]:
    """Return the configuration of each task, numbered by first use, and their names."""
    names: dict[str, int] = {}
    numbers = [names.setdefault(task.config, len(names)) for task in workflow.tasks]
    return np.array(numbers, dtype=np.int64), list(names)
