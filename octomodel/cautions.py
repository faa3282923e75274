"""What can be simulated but is easily misread: overload, a machine that cannot be filled, times too short, no choice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octomodel import mapping
from octomodel.demand import moments
from octomodel.dist import Deterministic, Empirical
from octomodel.elements import Scaled
from octomodel.faults import dead_tbus
from octomodel.hardware import System
from octomodel.load import Closed, Load, Mmpp, Periodic, Poisson, Renewal, Trace
from octomodel.mapping import Mapping
from octomodel.placement import placement
from octomodel.policies import POLICIES, Policy
from octomodel.workflow import Workflow

F64 = NDArray[np.float64]

SHORT = 25
"""Mean below which rounding to whole cycles, at least one, can shift the mean of an exponential time by 0.1 %."""


def found(
    workflow: Workflow, system: System, load: Load, owners: Mapping, policy: Policy | None, requests: int
) -> list[str]:
    """Return a sentence for each thing that should be known before a result is read.

    Parameters
    ----------
    workflow, system, load, owners
        What is simulated.
    policy : Policy or None
        None: the ideal mode.
    requests : int
        Number of requests, which decides how much of a trace is used.

    Examples
    --------
    >>> from octomodel import poisson, task
    >>> one, chip = Workflow("one", task("only", 100)), System(1, 1, tbus=2)
    >>> found(one, chip, poisson(0.03), mapping.make(one, chip), None, 10)[0].partition(":")[0]
    'load'
    """
    said = [*_short(workflow, system), *_overload(workflow, system, load, owners, policy, requests)]
    if isinstance(load, Closed) and policy is not None and policy.dispatch is None and policy.rebalance is None:
        # an open load may leave a machine idle, and other policies let TBUs help or change owners
        said += placement(workflow, system, owners).cautions()
    same = same_as(owners, policy)
    if policy is not None and same is not None:
        said.append(f"policy {policy.name}: same as {same}: no task has owners in two clusters of a pipeline")
    return said


def same_as(owners: Mapping, policy: Policy | None) -> str | None:
    """Return the name of the bundled policy that does the same here, as no token has two clusters to choose from."""
    if policy is None or policy.route is None or policy.rebalance is not None:
        return None
    candidates = np.zeros((owners.n_pipeline, owners.alloc.shape[1]), dtype=np.int64)
    np.add.at(candidates, owners.pipeline, owners.alloc > 0)
    if candidates.max() > 1:
        return None
    bundled = (POLICIES[name] for name in ("static", "stealing"))
    return next((other.name for other in bundled if other.dispatch is policy.dispatch), None)


def offered(load: Load, requests: int) -> float | None:
    """Return the mean arrivals per cycle; None for a closed load, or a trace all of one cycle.

    Examples
    --------
    >>> from octomodel import mmpp, trace
    >>> offered(mmpp([0.1, 0.0], [10, 30]), 5), offered(trace([0, 10, 20, 90]), 3)
    (0.025, 0.1)
    """
    match load:
        case Poisson(rate=rate):
            return rate
        case Periodic(period_cycles=period):
            return 1 / period if period else np.inf
        case Renewal(law=law):
            return 1 / law.mean
        case Mmpp(rates=rates, mean_cycles=means):
            return float(np.dot(rates, means) / sum(means))
        case Trace(arrival_cycles=cycles):
            used = cycles[:requests]
            span = int(used[-1]) - int(used[0])
            return (len(used) - 1) / span if span else None
    assert isinstance(load, Closed)
    return None


def _overload(
    workflow: Workflow, system: System, load: Load, owners: Mapping, policy: Policy | None, requests: int
) -> list[str]:
    rate = offered(load, requests)
    if rate is None:
        return []
    demand = mapping.profile_demand(workflow, system, None)
    speed = np.resize(np.asarray(system.tbu_speed, dtype=np.float64), system.n_tbu)
    if policy is None or policy.dispatch is not None:
        # any TBU may run any task
        cycles = float(demand.sum() / speed[~dead_tbus(system)].sum())
        limit = "all TBUs together"
    else:
        cycles, limit = _busiest(workflow, system, load, owners, demand, speed)
    if rate * cycles < 1:
        return []
    return [
        f"load: {rate:.4g} requests per cycle are offered, at most {1 / cycles:.4g} can be served ({limit}): "
        "queues grow as long as requests come, and latencies tell only how long that was"
    ]


def _busiest(
    workflow: Workflow, system: System, load: Load, owners: Mapping, demand: F64, speed: F64
) -> tuple[float, str]:
    """Return the cycles for one request of the machine, in the pipeline and at the task with the most to do."""
    owner = np.flatnonzero(owners.home >= 0)
    capacity = np.zeros((owners.n_pipeline, len(demand)))
    np.add.at(capacity, (owners.pipeline[owner // system.tbus], owners.home[owner]), speed[owner])
    weights = np.ones(owners.n_pipeline) if isinstance(load.split, str) else np.array(load.split)
    cycles = (weights / weights.sum())[:, None] * demand / capacity
    pipeline, task = np.unravel_index(int(np.argmax(cycles)), cycles.shape)
    return float(cycles[pipeline, task]), f"task {workflow.tasks[int(task)].name}"


def _short(workflow: Workflow, system: System) -> list[str]:
    """Return a sentence for each task whose mean time is short and not made of whole cycles."""
    live = np.resize(np.asarray(system.tbu_speed, dtype=np.float64), system.n_tbu)[~dead_tbus(system)]
    speeds = np.unique(live)
    phases = (None, *(workflow.phases.names if workflow.phases is not None else ()))
    said = []
    for task in workflow.tasks:
        factors = speeds * mapping.speedup(task.parallel, system.peas)
        times = dict.fromkeys(task.value(phase) for phase in phases)
        means = [moments(workflow, time)[0] / float(factors.max()) for time in times if not _whole(time, factors)]
        if means and min(means) < SHORT:
            said.append(
                f"workflow.{workflow.name}.{task.name}.time: a mean of {min(means):.4g} cycles: rounding to whole "
                "cycles, at least one, may shift it by more than 0.1 %; a finer clock would not"
            )
    return said


def _whole(time: Scaled, factors: F64) -> bool:
    """Return whether a time comes out in whole cycles on every TBU, so that rounding changes nothing."""
    if time.attribute is not None or not isinstance(time.law, Deterministic | Empirical):
        return False
    values = time.law.value if isinstance(time.law, Deterministic) else time.law.samples
    cycles = np.divide.outer(max(time.base, 0.0) * np.asarray(values, dtype=np.float64), factors)
    return bool(((cycles == np.floor(cycles)) & ((cycles >= 1) | (time.law == Deterministic(0)))).all())
