"""The stations of a machine under a mapping, and what a load sends to each pipeline, as theory sees them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octomodel import mapping as placing
from octomodel.checks import rate_pair
from octomodel.errors import ModelError, Words
from octomodel.hardware import DEFAULT_SLOTS, System
from octomodel.load import Load, Mmpp, Periodic, Poisson, Renewal, Trace
from octomodel.mapping import Mapping
from octomodel.workflow import Workflow

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
STRETCH = 20
"""Gaps of a trace that are summed to see whether they depend on each other."""
FEWEST = 50
"""Stretches that a trace must have for that."""


@dataclass(frozen=True, eq=False)
class Pipelines:
    """Pipelines, of one cluster each; those alike are one kind.

    Attributes
    ----------
    servers, speed : float64[kind, tb]
        Owners of each task, and how much faster than one PEA at speed 1 each of them is.
    count, share, window : float64[kind]
        Pipelines of the kind; the share of all requests that each of them gets; most requests inside one, or infinity.
    of_cluster : int64[cluster]
        Kind of the pipeline in each cluster.
    slots : float64[tb]
        Queue slots of each station.
    """

    servers: F64
    speed: F64
    count: F64
    share: F64
    window: F64
    of_cluster: I64
    slots: F64


@dataclass(frozen=True)
class Arrivals:
    """Requests from outside.

    Attributes
    ----------
    rate : float
        Requests per cycle.
    scv : float
        Squared coefficient of variation of the gaps between them.
    independent : bool
        Whether gaps are, as far as can be told.
    """

    rate: float
    scv: float
    independent: bool = True


def pipelines(workflow: Workflow, system: System, owners: Mapping, load: Load) -> Pipelines:
    """Return the pipelines of a mapping.

    Raises
    ------
    ModelError
        When a pipeline has several clusters, owners of a task in a cluster differ in speed, or weights do not fit.
    """
    if owners.n_pipeline < system.n_cluster:
        found = Words(f"{owners.n_pipeline} pipelines in {system.n_cluster} clusters")
        raise ModelError("mapping.pipeline", found, "pipelines of one cluster each: theory knows no mesh")
    alloc = owners.alloc
    tasks = np.arange(alloc.shape[1])
    faster = np.array([placing.speedup(task.parallel, system.peas) for task in workflow.tasks])
    homes = owners.home.reshape(system.n_cluster, system.tbus)
    every = np.resize(np.asarray(system.tbu_speed, np.float64), system.n_tbu).reshape(homes.shape)
    mine = homes[:, :, None] == tasks
    slowest = np.where(mine, every[:, :, None], np.inf).min(axis=1)
    if (slowest < np.where(mine, every[:, :, None], 0.0).max(axis=1)).any():
        found = Words("owners of one station with different speeds")
        raise ModelError("system.tbu_speed", found, "one speed for all owners of a station")
    share = np.full(owners.n_pipeline, 1.0 / owners.n_pipeline)
    if not isinstance(load.split, str):
        if len(load.split) != owners.n_pipeline:
            raise ModelError("load.split", list(load.split), f"{owners.n_pipeline} weights, one for each pipeline")
        share = np.array(load.split) / sum(load.split)
    rows = np.column_stack([alloc, slowest, share[owners.pipeline]])
    _, first, kind, count = np.unique(rows, axis=0, return_index=True, return_inverse=True, return_counts=True)
    servers = alloc[first].astype(np.float64)
    window = np.full(len(first), math.inf if load.in_flight is None else 0.0)
    if load.in_flight is not None:
        window += 4.0 * servers.sum(axis=1) if load.in_flight == "auto" else float(load.in_flight)
    return Pipelines(
        servers,
        slowest[first] * faster,
        count.astype(np.float64),
        share[owners.pipeline[first]],
        window,
        kind.reshape(-1),
        _slots(workflow, system),
    )


def arrivals(load: Load) -> Arrivals:
    """Return the arrivals of an open load.

    Those of a trace are taken as independent when gaps, and sums of ``STRETCH`` of them, are as many times more dispersed than
    exponential ones, within a factor of two, and the trace is long enough to tell.

    Raises
    ------
    ModelError
        When theory has no answer for its kind, or gaps have no finite variance.

    Examples
    --------
    >>> from octomodel import poisson
    >>> arrivals(poisson(1e-3))
    Arrivals(rate=0.001, scv=1.0, independent=True)
    """
    match load:
        case Poisson(rate=rate):
            return Arrivals(rate, 1.0)
        case Periodic(period_cycles=period) if period > 0.0:
            return Arrivals(1.0 / period, 0.0)
        case Renewal(law=law) if math.isfinite(law.cv) and math.isfinite(law.mean):
            return Arrivals(1.0 / law.mean, law.cv**2)
        case Periodic():
            raise ModelError("load.period_cycles", 0.0, "a period above 0: without one there is no steady state")
        case Renewal(law=law):
            raise ModelError("load.law", law, "gaps with a finite variance")
        case Mmpp():
            raise ModelError("load.kind", "mmpp", "closed, poisson, periodic, renewal or trace: two moments do not carry bursts")
    assert isinstance(load, Trace)
    cycles = load.arrival_cycles[: load.requests].astype(np.float64)
    if len(cycles) < 2 or not cycles[-1] > cycles[0]:
        raise ModelError("load.arrival_cycles", Words("all in one cycle"), "arrivals at two cycles at least: theory needs a rate")
    rate = (len(cycles) - 1) / float(cycles[-1] - cycles[0])
    one = dispersion(cycles, rate, 1)
    if len(cycles) <= FEWEST * STRETCH:
        return Arrivals(rate, one, independent=False)
    many = dispersion(cycles, rate, STRETCH)
    return Arrivals(rate, one, independent=0.5 * one <= many <= 2.0 * one)


def dispersion(cycles: F64, rate: float, n: int) -> float:
    """Return the index of dispersion of intervals: variance of the sum of n gaps, over n times their squared mean.

    Notes
    -----
    Cox and Lewis, The Statistical Analysis of Series of Events (1966), section 4.6.

    Examples
    --------
    >>> dispersion(np.array([0.0, 1.0, 3.0, 4.0, 6.0]), 4 / 6, 1), dispersion(np.array([0.0, 1.0, 3.0, 4.0, 6.0]), 4 / 6, 2)
    (0.1111111111111111, 0.0)
    """
    return float((cycles[n:] - cycles[:-n]).var()) * rate**2 / n


def split_scv(scv: float, load: Load, made: Pipelines) -> F64:
    """Return the squared coefficient of variation of the gaps at each kind of pipeline.

    Every n-th arrival: gaps are sums of n. Arrivals drawn by weight: thinned (Whitt 1983, equation 36).
    """
    if isinstance(load.split, str):
        return np.asarray(scv * made.share)
    return np.asarray(scv * made.share + 1.0 - made.share)


def transfer(system: System, n_bytes: float) -> float:
    """Return the cycles of a local transfer."""
    per, cycles = rate_pair("system.local_bytes_per_cycle", system.local_bytes_per_cycle)
    return system.local_latency_cycles + (math.ceil(n_bytes * cycles / per) if per else 0)


def _slots(workflow: Workflow, system: System) -> F64:
    given = system.queue_slots
    if isinstance(given, int):
        return np.full(len(workflow.tasks), float(given))
    known = dict(given)
    return np.array([float(known.get(task.name, DEFAULT_SLOTS)) for task in workflow.tasks])
