"""Where descriptions become arrays: workflow, machine, mapping and load to the model a kernel runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from octomodel import checks, lower_limits, lower_load
from octomodel.draws import seed_key
from octomodel.elements import Series
from octomodel.errors import ModelError, Words
from octomodel.hardware import System
from octomodel.kernels import model as arrays
from octomodel.kernels.model import NO_HORIZON, Model
from octomodel.load import MAX_REQUESTS, Closed, Load, Trace
from octomodel.lower_machine import Needs, lower_machine
from octomodel.lower_program import lower_program, most_tokens
from octomodel.lower_rules import lower_rules
from octomodel.mapping import Mapping, check_tasks, configurations
from octomodel.policies import Policy, named
from octomodel.workflow import Workflow

MEMORY_LIMIT_BYTES = 8 * 2**30


@dataclass(frozen=True)
class Lowered:
    """A model with the names that its indices stand for.

    Attributes
    ----------
    model : Model
        What the kernel and the reference are given.
    tables_digest : str
        SHA-256 of all quantile tables used, those of the arrivals included.
    tasks, nodes, configurations, phases, attributes, milestones : tuple of str
        Names by index; one phase ``"all"`` where the workflow has none.
    deadline_cycles : int or None
        From arrival to end.
    most_tokens : int
        Upper bound of the tokens of one request at once.
    """

    model: Model
    tables_digest: str
    tasks: tuple[str, ...]
    nodes: tuple[str, ...]
    configurations: tuple[str, ...]
    phases: tuple[str, ...]
    attributes: tuple[str, ...]
    milestones: tuple[str, ...]
    deadline_cycles: int | None
    most_tokens: int

    @property
    def n_request(self) -> int:
        """Return the number of requests."""
        return len(self.model.load.source_request)

    @property
    def n_pipeline(self) -> int:
        """Return the number of pipelines."""
        return len(self.model.machine.pipeline_home)


def lower(
    workflow: Workflow,
    system: System,
    load: Load,
    mapping: Mapping,
    *,
    requests: int | None = None,
    seed: int = 0,
    replication: int = 0,
    horizon: int | None = None,
    step: int | None = None,
    policy: str | Policy = "static",
    epochs: int = 0,
    epoch_stride: int = 1,
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES,
) -> Lowered:
    """Return everything a run depends on, as arrays.

    Parameters
    ----------
    workflow, system, load, mapping
        What runs, on what, how much of it, and who owns what.
    requests : int, optional
        Number of requests; default: that of the load, for a trace its length.
    seed, replication : int
        Make the key of all draws; nothing else depends on them.
    horizon : int, optional
        Cycle at which the run stops; default: when the last request has ended.
    step : int, optional
        Step of the kernel in cycles; default: exact.
    policy : str or Policy
        A bundled one by name, or one of your own; the ideal mode is none.
    epochs : int
        How many samples of each cluster are taken; at most 2**20, the last at cycle 2**62 or before.
    epoch_stride : int
        At each so manieth epoch hook; at most 2**20.
    memory_limit_bytes : int
        What the arrays of requests, machine, routes and samples may take.

    Returns
    -------
    Lowered

    Raises
    ------
    ModelError
        When the number of requests is missing; requests or samples are too many for the memory limit; a
        configuration does not fit a resident place; a queue is described for an unknown task; the mapping is one
        for something else; two clusters that must talk have no path; an arrival, an execution or a counter would
        pass its limit.
    """
    count = _requests(load, requests)
    _check_series(workflow, count)
    checks.integer("epoch_stride", epoch_stride, 1, 2**20)
    last_epoch = min(2**20, 2**62 // (system.epoch_cycles * epoch_stride))  # whose cycle is an int64
    for name, value, high in (("seed", seed, 2**63 - 1), ("replication", replication, 2**32), ("epochs", epochs, last_epoch)):
        checks.integer(name, value, 0, high)
    check_tasks(workflow, mapping)
    rules = lower_rules(named(policy), workflow, system, mapping)
    _check_memory(workflow, system, load, count, epochs, memory_limit_bytes)
    program, digest = lower_program(workflow, system)
    machine = lower_machine(system, mapping, Needs(program.task_slots, load.in_flight, rules.couples))
    tokens = most_tokens(workflow.graph())
    end = lower_load.LATEST if horizon is None else checks.integer("horizon", horizon, 1, lower_load.LATEST)
    lower_limits.check(workflow, program, machine, lower_limits.Extent(count, tokens, end, rules.couples))
    key = seed_key(seed, replication)
    arrival, gaps = lower_load.arrivals(load, count, key)
    phase = lower_load.phases(workflow.phases, load, arrival)
    indptr, request, source_arrival = lower_load.split(load, count, mapping.n_pipeline, key, arrival)
    source = arrays.Load(
        source_indptr=indptr,
        source_request=request,
        source_arrival=source_arrival,
        request_phase=phase,
        closed=int(isinstance(load, Closed)),
        seed_key=key,
        horizon=NO_HORIZON if horizon is None else end,
        step=0 if step is None else checks.integer("step", step, 1, 2**40),
        epochs=int(epochs),
        epoch_stride=int(epoch_stride),
    )
    return Lowered(
        model=Model(program, machine, source, rules),
        tables_digest=hashlib.sha256((digest + gaps).encode()).hexdigest(),
        tasks=tuple(task.name for task in workflow.tasks),
        nodes=tuple(node.name for node in workflow.graph().nodes),
        configurations=tuple(configurations(workflow)[1]),
        phases=workflow.phases.names if workflow.phases is not None else ("all",),
        attributes=tuple(workflow.attributes),
        milestones=workflow.milestones,
        deadline_cycles=workflow.deadline_cycles,
        most_tokens=tokens,
    )


def _requests(load: Load, requests: int | None) -> int:
    count = load.requests if requests is None else requests
    if count is None and isinstance(load, Trace):
        count = len(load.arrival_cycles)
    if count is None:
        raise ModelError(
            "load.requests", None, "a number of requests, in the load or where the simulation starts"
        )
    return checks.integer("load.requests", count, 1, MAX_REQUESTS)


def _check_series(workflow: Workflow, requests: int) -> None:
    """Refuse more requests than an attribute has values, unless these are taken again and again."""
    for name, law in workflow.attributes.items():
        if isinstance(law, Series) and not law.repeat and requests > len(law.values):
            found = Words(f"{len(law.values)} values for {requests} requests")
            allowed = f"at most {len(law.values)} requests, or repeat: true, to begin again at the first value"
            raise ModelError(f"workflow.{workflow.name}.attributes.{name}", found, allowed)


def _check_memory(workflow: Workflow, system: System, load: Load, requests: int, epochs: int, limit: int) -> None:
    """Refuse what the arrays of a run could not hold, before any of them is made."""
    phases = len(workflow.phases.names) if workflow.phases is not None else 1
    nodes = len(workflow.graph().nodes)
    parts = {
        f"{requests} requests": requests
        * (16 + (2 if phases > 1 else 0) + (0 if load.split == "even" else 2)),
        f"{system.n_tbu} TBUs": system.n_tbu * 8 * (5 + system.resident_slots),
        f"{system.n_cluster} clusters of {len(workflow.tasks)} tasks": system.n_cluster
        * 8
        * (20 + len(workflow.tasks)),
        f"{phases} phases of {nodes} nodes": phases * nodes * 40,
        # a kernel's record, and the arrays that are made of it
        f"{epochs} epochs of {system.n_cluster} clusters": epochs * system.n_cluster * len(workflow.tasks) * 64,
    }
    total = sum(parts.values())
    if total > limit:
        largest = max(parts, key=lambda name: parts[name])
        allowed = f"at most {limit / 2**30:.3g} GiB (memory_limit_bytes, --memory-limit)"
        raise ModelError("memory", Words(f"{total / 2**30:.3g} GiB, most of it for {largest}"), allowed)
