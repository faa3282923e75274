"""A mapping told before any run: who owns what where, demand against capacity, and what limits the throughput."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octomodel import mapping
from octomodel.faults import dead_tbus
from octomodel.hardware import System
from octomodel.mapping import Mapping
from octomodel.workflow import Workflow

F64 = NDArray[np.float64]
Ranges = tuple[tuple[int, int], ...]

HALF = 0.5
"""Share of the TBUs' time below which a workflow is said not to fill a machine."""


@dataclass(frozen=True)
class Place:
    """Clusters whose TBUs have the same homes.

    Attributes
    ----------
    clusters, pipelines : tuple of (int, int)
        Their numbers, as ranges of which both ends belong.
    n_cluster : int
        Number of these clusters.
    tbus : tuple of (str, int, int)
        Owner ranges in each of them: task, first and last TBU of the cluster; a dead TBU, or one without a home, is in
        none.
    """

    clusters: Ranges
    pipelines: Ranges
    n_cluster: int
    tbus: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class PhaseLimit:
    """What limits one phase: its name, the requests per cycle it allows, pipeline and task of the bottleneck."""

    phase: str
    throughput: float
    pipeline: int
    task: str


@dataclass(frozen=True, eq=False)
class Placement:
    """What a mapping allows, when only the owners of a task run it and nothing but their time is scarce.

    Requests are shared out evenly, as a load without ``split`` does, and tokens stay with the owners of their tasks, as
    under ``static``. Queues, networks, decisions, loading and switching only lower the throughput of a whole run.

    Attributes
    ----------
    tasks : tuple of str
        Names, in program order.
    owners : int64[tb]
        TBUs that own the task, all pipelines together.
    capacity : float64[tb]
        Sum of the relative speeds of these TBUs.
    demand : float64[tb]
        Cycles per request on the PEAs of one TBU at speed 1.
    rates : float64[pipeline, tb]
        Requests per cycle that the owners of a pipeline can serve; infinite without demand.
    dead : int
        Dead TBUs.
    places : tuple of Place
        Where the owners are, in order of first clusters.
    phases : tuple of PhaseLimit
        The same owners in each phase, if only requests of that phase came; empty without phases.
    """

    tasks: tuple[str, ...]
    owners: NDArray[np.int64]
    capacity: F64
    demand: F64
    rates: F64
    dead: int
    places: tuple[Place, ...]
    phases: tuple[PhaseLimit, ...]

    @property
    def n_pipeline(self) -> int:
        """Return the number of pipelines."""
        return len(self.rates)

    @property
    def task_throughput(self) -> F64:
        """Return the requests per cycle that each task allows when every pipeline gets as many, float64[tb].

        What its slowest owners, those of one pipeline, can serve, times the number of pipelines.
        """
        with np.errstate(over="ignore"):
            return np.asarray(self.rates.min(axis=0) * self.n_pipeline, dtype=np.float64)

    @property
    def throughput(self) -> float:
        """Return the requests per cycle when every pipeline gets as many; infinite without demand."""
        return float(self.task_throughput.min())

    @property
    def bottleneck(self) -> tuple[int, str]:
        """Return pipeline and task where requests shared out evenly are held up first."""
        pipeline, task = _slowest(self.rates)
        return pipeline, self.tasks[task]

    @property
    def fluid_throughput(self) -> float:
        """Return the requests per cycle if every TBU could run every task; infinite without demand."""
        with np.errstate(divide="ignore", over="ignore"):
            return float(self.capacity.sum() / self.demand.sum())

    @property
    def busy(self) -> F64:
        """Return the share of their time that the owners of each task work at ``throughput``, float64[tb]."""
        if not np.isfinite(self.throughput):
            return np.zeros(len(self.tasks))
        return self.throughput * self.demand / self.capacity

    @property
    def fill(self) -> float:
        """Return the share of the time of all owners that is work at ``throughput``."""
        return float(self.busy @ self.capacity / self.capacity.sum())

    def cautions(self) -> list[str]:
        """Return a sentence for each reason why the workflow cannot fill the machine.

        Returns
        -------
        list of str
            Empty when nothing is to be said.
        """
        said = []
        idle = [name for name, cycles in zip(self.tasks, self.demand, strict=True) if cycles == 0]
        if idle:
            count = int(self.owners[self.demand == 0].sum())
            owners = f"{count:,} of {self.owners.sum():,} owners"
            said.append(f"mapping: {owners} have a task without demand and never work: {_listed(idle)}")
        if 0 < self.fill < HALF:
            pipeline, name = self.bottleneck
            said.append(
                f"mapping: the workflow cannot fill this machine: with task {name} of pipeline {pipeline} always busy, "
                f"owners work {self.fill:.1%} of their time; TBUs that run every task could serve "
                f"{self.fluid_throughput / self.throughput:.3g} times as many requests"
            )
        return said


def placement(workflow: Workflow, system: System, made: Mapping | None = None) -> Placement:
    """Return what a mapping means for demand, capacity and throughput.

    Parameters
    ----------
    workflow, system
        What is mapped on what.
    made : Mapping, optional
        Default: what ``mapping.make`` returns.

    Returns
    -------
    Placement

    Raises
    ------
    ModelError
        When no mapping is given and the machine has fewer live TBUs than the workflow has tasks.

    Examples
    --------
    >>> from octomodel import task
    >>> found = placement(Workflow("pair", task("a", 100), task("b", 300)), System(1, 2, tbus=6))
    >>> found.places[0].tbus, found.bottleneck, found.throughput
    ((('a', 0, 1), ('b', 2, 5)), (0, 'b'), 0.02666666666666667)
    """
    made = mapping.make(workflow, system) if made is None else made
    speed = np.resize(np.asarray(system.tbu_speed, dtype=np.float64), system.n_tbu)
    owner = np.flatnonzero(made.home >= 0)
    n_task = len(workflow.tasks)
    pipeline, home = made.pipeline[owner // system.tbus], made.home[owner]
    capacity = np.zeros((made.n_pipeline, n_task))
    np.add.at(capacity, (pipeline, home), speed[owner])
    with np.errstate(divide="ignore", over="ignore"):
        rates = capacity / made.demand
    return Placement(
        tuple(task.name for task in workflow.tasks),
        np.bincount(home, minlength=n_task),
        capacity.sum(axis=0),
        made.demand,
        rates,
        int(dead_tbus(system).sum()),
        _places(workflow, system, made),
        _phases(workflow, system, capacity),
    )


def _slowest(rates: F64) -> tuple[int, int]:
    """Return pipeline and task of the lowest rate."""
    pipeline, task = divmod(int(np.argmin(rates)), rates.shape[1])
    return pipeline, task


def _phases(workflow: Workflow, system: System, capacity: F64) -> tuple[PhaseLimit, ...]:
    found = []
    for name in workflow.phases.names if workflow.phases is not None else ():
        with np.errstate(divide="ignore", over="ignore"):
            rates = capacity / mapping.profile_demand(workflow, system, name)
            throughput = float(rates.min() * len(rates))
        pipeline, task = _slowest(rates)
        found.append(PhaseLimit(name, throughput, pipeline, workflow.tasks[task].name))
    return tuple(found)


def _places(workflow: Workflow, system: System, made: Mapping) -> tuple[Place, ...]:
    homes = made.home.reshape(system.n_cluster, system.tbus)
    kinds, first, kind = np.unique(homes, axis=0, return_index=True, return_inverse=True)
    kind = kind.reshape(-1)
    found = []
    for number in np.argsort(first).tolist():
        clusters = np.flatnonzero(kind == number)
        tbus = tuple(
            (workflow.tasks[int(kinds[number][low])].name, low, high)
            for low, high in _runs(kinds[number])
            if kinds[number][low] >= 0
        )
        pipelines = np.unique(made.pipeline[clusters])
        found.append(Place(_ranges(clusters), _ranges(pipelines), len(clusters), tbus))
    return tuple(found)


def _runs(values: NDArray[np.int64]) -> Ranges:
    """Return first and last index of each stretch of equal values."""
    edges = np.flatnonzero(np.diff(values)) + 1
    ends = [*(edges - 1).tolist(), len(values) - 1]
    return tuple(zip([0, *edges.tolist()], ends, strict=True))


def _ranges(numbers: NDArray[np.int64]) -> Ranges:
    """Return ascending numbers as ranges."""
    return tuple((int(numbers[low]), int(numbers[high])) for low, high in _runs(numbers - np.arange(len(numbers))))


def _listed(names: list[str], most: int = 5) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{rest}"
