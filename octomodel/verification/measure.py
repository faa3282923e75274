"""One known system simulated through the public API, and what is read from it in independent samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from octomodel import mapping
from octomodel.engine import simulate
from octomodel.errors import RunError
from octomodel.hardware import System
from octomodel.load import Closed, Load, Trace
from octomodel.workflow import Workflow

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

COUNTERS = {
    "executions": ("station_executions",),
    "run": ("station_run_cycles",),
    "wait": (
        "station_fresh_wait_cycles",
        "station_recirculation_wait_cycles",
        "station_line_wait_cycles",
    ),
    "queue": ("station_queue_integral_cycles",),
}
"""What is known of a station, and the variables that sum to it."""


@dataclass(frozen=True)
class Window:
    """Cycles between which stations are watched."""

    begin: int
    end: int


@dataclass(frozen=True)
class Setup:
    """A system as the public API takes it, with the length of its run.

    Attributes
    ----------
    workflow, hardware, load
        Every cluster of the machine is a pipeline of its own.
    owners : tuple of int
        TBUs of each task in a cluster.
    unit : int
        Cycles of one unit of time.
    replications : int
        Replications of one call.
    calls : int
        Calls of ``simulate``, each with a seed of its own.
    warmup : int
        Requests dropped at the start of each sample.
    window : Window or None
        None: every request ends.
    """

    workflow: Workflow
    hardware: System
    load: Load
    owners: tuple[int, ...]
    unit: int
    replications: int = 1
    calls: int = 1
    warmup: int = 0
    window: Window | None = None


@dataclass
class Observation:
    """What one call of ``simulate`` showed; the samples, the leading axis, are independent.

    Attributes
    ----------
    unit : int
        Cycles of one unit of time, in which everything else is.
    span : float
        Length of the window; 0 without one.
    counters : dict of str to dict of str to float64[sample]
        By task, over the window or else the whole run: the entries of ``COUNTERS`` and ``blocked``.
    owners : dict of str to int
        TBUs of each task.
    arrival, sojourn : float64[sample, request]
        After the warm-up; empty with a window.
    milestone : dict of str to float64[sample, request]
        From arrival to the first completion of a task.
    executions : int
        Of the call.
    """

    unit: int
    span: float
    counters: dict[str, dict[str, F64]]
    owners: dict[str, int]
    executions: int
    arrival: F64 = field(default_factory=lambda: np.empty((0, 0)))
    sojourn: F64 = field(default_factory=lambda: np.empty((0, 0)))
    milestone: dict[str, F64] = field(default_factory=dict)


def observe(setup: Setup, seed: int, *, threads: int = 1) -> Iterator[Observation]:
    """Simulate a system and yield what each call shows.

    Parameters
    ----------
    setup : Setup
        What to run.
    seed : int
        Call i has the seed ``seed + i``.
    threads : int
        Worker threads of a call.

    Raises
    ------
    RunError
        When the load ends before the window does.
    """
    placement = mapping.explicit(setup.workflow, setup.hardware, np.tile(np.array(setup.owners), (setup.hardware.n_cluster, 1)))

    for call in range(setup.calls):

        def run(horizon: int | None, number: int = seed + call) -> xr.Dataset:
            return simulate(
                setup.workflow,
                setup.hardware,
                load=setup.load,
                seed=number,
                replications=setup.replications,
                horizon=horizon,
                placement=placement,
                bounds=False,
                threads=threads,
                cautions=False,  # some systems are chosen because a result there is easily misread
            )

        yield _whole(setup, run(None)) if setup.window is None else _windowed(setup, setup.window, run)


def _whole(setup: Setup, ds: xr.Dataset) -> Observation:
    """Requests of a run in which all ended; pipelines are samples when the load couples none of them."""
    pipelines = setup.hardware.n_cluster if isinstance(setup.load, Closed) else 1

    def samples(name: str, **chosen: str) -> F64:
        values = ds[name].sel(chosen).to_numpy()
        # request r is of pipeline r mod pipelines
        by_pipeline = values.reshape(len(values), -1, pipelines).swapaxes(1, 2)
        kept: F64 = by_pipeline.reshape(len(values) * pipelines, -1)[:, setup.warmup :] / setup.unit
        return kept

    counters = {
        key: {task: each.reshape(setup.replications * pipelines, -1).sum(axis=1) for task, each in by.items()}
        for key, by in _counters(setup, ds).items()
    }
    return Observation(
        unit=setup.unit,
        span=0.0,
        counters=counters,
        owners=_owners(setup),
        executions=int(ds["executions"].sum()),
        arrival=samples("request_arrival_cycles"),
        sojourn=samples("request_latency_cycles"),
        milestone={mark: samples("request_milestone_cycles", milestone=mark) for mark in setup.workflow.milestones},
    )


def _windowed(setup: Setup, window: Window, run: Callable[[int | None], xr.Dataset]) -> Observation:
    """Stations between two cycles: two runs that differ only in where they stop, one taken from the other."""
    early, late = run(window.begin), run(window.end)
    _check_supply(setup, window, late)
    before, after = _counters(setup, early), _counters(setup, late)
    counters = {key: {task: after[key][task] - each for task, each in by.items()} for key, by in before.items()}
    return Observation(
        unit=setup.unit,
        span=(window.end - window.begin) / setup.unit,
        counters=counters,
        owners=_owners(setup),
        executions=int(late["executions"].sum()) + int(early["executions"].sum()),
    )


def _check_supply(setup: Setup, window: Window, ds: xr.Dataset) -> None:
    """Raise if a pipeline was given its last request before the window ended."""
    if isinstance(setup.load, Closed):
        dry = int(ds["pipeline_admitted"].max()) >= ds.sizes["request"] // setup.hardware.n_cluster
    else:
        # of a request that has not arrived when the run stops there is either no arrival or a later one
        arrival = ds["request_arrival_cycles"]
        dry = not ((arrival < 0) | (arrival >= window.end)).any(dim="request").all()
    if dry and not isinstance(setup.load, Trace):
        raise RunError(f"{setup.workflow.name}: the load ended before the window did; more requests are needed")


def _counters(setup: Setup, ds: xr.Dataset) -> dict[str, dict[str, F64]]:
    """Return counters by kind and task, float64[replication * cluster], times in units."""
    tasks = [task.name for task in setup.workflow.tasks]
    result: dict[str, dict[str, F64]] = {}
    for key, names in COUNTERS.items():
        total = np.sum([ds[name].to_numpy() for name in names], axis=0).reshape(-1, len(tasks))
        result[key] = dict(zip(tasks, (total / (1 if key == "executions" else setup.unit)).T, strict=True))
    blocked = ds["tbu_cycles"].sel(cause="blocked").to_numpy().reshape(-1, setup.hardware.tbus)
    ends = np.cumsum(setup.owners)
    result["blocked"] = {
        task: blocked[:, end - n : end].sum(axis=1) / setup.unit for task, n, end in zip(tasks, setup.owners, ends, strict=True)
    }
    return result


def _owners(setup: Setup) -> dict[str, int]:
    return {task.name: n for task, n in zip(setup.workflow.tasks, setup.owners, strict=True)}
