"""Models made from a model, whose runs stand in a known relation to its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from octomodel.kernels.model import (
    BRANCH,
    CONSTANT,
    JOIN,
    NO_HORIZON,
    SELECT,
    TASK,
    Load,
    Machine,
    Model,
    Program,
)

I64 = NDArray[np.int64]


def until(model: Model, horizon: int) -> Model:
    """Return the model with another horizon."""
    return model._replace(load=model.load._replace(horizon=horizon))


def to_completion(model: Model) -> Model:
    """Return the model without a horizon."""
    return until(model, NO_HORIZON)


def stepping(model: Model, step: int) -> Model:
    """Return the model with another step."""
    return model._replace(load=model.load._replace(step=step))


def sampled(model: Model, epochs: int) -> Model:
    """Return the model of which so many epochs are sampled."""
    return model._replace(load=model.load._replace(epochs=epochs))


def one_speed(model: Model) -> Model:
    """Return the model with every TBU at speed 1."""
    return model._replace(machine=model.machine._replace(tbu_speed=np.ones(len(model.machine.tbu_speed))))


def smallest_latency(model: Model) -> int:
    """Return the largest exact step: the smallest latency of a link, 1 without links."""
    latency = model.machine.link_latency[model.machine.link_cluster >= 0]
    return int(latency.min()) if len(latency) else 1


def later(model: Model, cycles: int) -> Model:
    """Return an open model in which all arrive, and the horizon comes, some cycles later."""
    horizon = model.load.horizon if model.load.horizon >= NO_HORIZON else model.load.horizon + cycles
    arrival = model.load.source_arrival + cycles
    return model._replace(load=model.load._replace(source_arrival=arrival, horizon=horizon))


def with_spare_tbus(model: Model, dead: bool) -> Model:
    """Return the model with one TBU more at the end of each cluster, without a home or dead."""
    machine = model.machine
    n_cluster = len(machine.cluster_cbus)
    at = machine.cluster_tbu[1:]
    return model._replace(
        machine=machine._replace(
            tbu_cluster=np.insert(machine.tbu_cluster, at, np.arange(n_cluster)),
            cluster_tbu=machine.cluster_tbu + np.arange(n_cluster + 1),
            tbu_task=np.insert(machine.tbu_task, at, -1),
            tbu_dead=np.insert(machine.tbu_dead, at, int(dead)),
            tbu_speed=np.insert(machine.tbu_speed, at, 3.0),
            tbu_resident=np.insert(machine.tbu_resident, at, -1, axis=0),
        )
    )


def spare_tbus(model: Model) -> I64:
    """Return the numbers of the TBUs that ``with_spare_tbus`` adds."""
    return model.machine.cluster_tbu[1:] + np.arange(len(model.machine.cluster_cbus))


def beside(model: Model, *, swapped: bool = False, requests: int | None = None) -> Model:
    """Return two copies of a machine that have no link between them, the first given the model's requests.

    Parameters
    ----------
    model : Model
        Whose machine, twice.
    swapped : bool
        Whether the second copy is given the model's requests, and the first the others.
    requests : int, optional
        How many the other copy is given, of the model's arrivals; default: as many. They have the numbers from
        the model's on.
    """
    program, machine, load, _ = model
    ours = [_source(load, p) for p in range(len(machine.pipeline_home))]
    n = len(load.source_request)
    theirs = [(number + n, arrival) for number, arrival in ours]
    if requests is not None:
        theirs = [
            (number[number < n + requests], arrival[number < n + requests]) for number, arrival in theirs
        ]
    sources = theirs + ours if swapped else ours + theirs
    number = np.concatenate([number for number, _ in sources])
    phase = np.concatenate([load.request_phase, load.request_phase[: len(number) - n]])
    return model._replace(
        machine=_twice(machine),
        load=load._replace(
            source_indptr=np.cumsum([0, *(len(number) for number, _ in sources)]),
            source_request=number,
            source_arrival=np.concatenate([arrival for _, arrival in sources]),
            request_phase=phase,
        ),
    )


def _source(load: Load, pipeline: int) -> tuple[I64, I64]:
    place = slice(load.source_indptr[pipeline], load.source_indptr[pipeline + 1])
    return load.source_request[place], load.source_arrival[place]


def _twice(machine: Machine) -> Machine:
    """Return two copies side by side; coordinates are only ever compared within one."""
    n_cluster, n_pipeline = len(machine.cluster_cbus), len(machine.pipeline_home)
    shifts = {
        "tbu_cluster": n_cluster,
        "cluster_pipeline": n_pipeline,
        "pipeline_home": n_cluster,
        "cluster_group": int(machine.cluster_group.max()) + 1,
    }
    fields: dict[str, Any] = {}
    for name, values in machine._asdict().items():
        if not isinstance(values, np.ndarray):
            fields[name] = values
        elif name == "route_port":
            fields[name] = _two_blocks(values)
        elif name == "cluster_tbu":
            fields[name] = np.concatenate([values, values[1:] + values[-1]])
        elif name == "link_cluster":
            fields[name] = np.concatenate([values, np.where(values < 0, -1, values + n_cluster)])
        else:
            fields[name] = np.concatenate([values, values + shifts.get(name, 0)])
    return Machine(**fields)


def _two_blocks(table: NDArray[np.int8]) -> NDArray[np.int8]:
    n = len(table)
    out = np.full((2 * n, 2 * n), -1, dtype=np.int8)
    out[:n, :n] = out[n:, n:] = table
    return out


def constant_times(model: Model) -> Model:
    """Return the model with constant times of whole cycles, all TBUs at speed 1, and rates that divide.

    Then a run with all times multiplied is the same run, slower: nothing is rounded.
    """
    program, machine, load, _ = model
    tasks = np.flatnonzero(program.node_kind == TASK)
    laws = len(program.law_kind) + np.arange(len(tasks))
    node_law, base, slope = program.node_law.copy(), program.node_base.copy(), program.node_slope.copy()
    node_law[:, tasks], base[:, tasks], slope[:, tasks] = laws, 1.0, 0.0
    attribute = program.node_attribute.copy()
    attribute[tasks] = -1
    n = len(tasks)
    cycles = (np.arange(n) * 7 + 3) % 23
    program = program._replace(
        node_law=node_law,
        node_base=base,
        node_slope=slope,
        node_attribute=attribute,
        task_speedup=np.ones(len(program.task_speedup)),
        law_kind=np.concatenate([program.law_kind, np.full(n, CONSTANT)]),
        law_size=np.concatenate([program.law_size, np.ones(n, dtype=np.int64)]),
        law_offset=np.concatenate([program.law_offset, len(program.knots) + np.arange(n)]),
        knots=np.concatenate([program.knots, cycles << 16]),
    )
    machine = machine._replace(
        tbu_speed=np.ones(len(machine.tbu_speed)),
        link_bytes=np.minimum(machine.link_bytes, 1),
        local_bytes=min(machine.local_bytes, 1),
        reload_rate_bytes=min(machine.reload_rate_bytes, 1),
    )
    return model._replace(program=program, machine=machine, load=load)


def scaled(model: Model, factor: int) -> Model:
    """Return a model of ``constant_times`` in which everything with a time takes ``factor`` times as long."""
    program, machine, load, _ = model
    knots = program.knots.copy()
    knots[-int((program.node_kind == TASK).sum()) :] *= factor
    times = (
        "link_latency",
        "link_cycles",
        "local_cycles",
        "local_latency",
        "decision_cycles",
        "switch_cycles",
        "reload_cycles",
        "reload_rate_cycles",
        "epoch",
        "surplus_after",
    )
    return model._replace(
        program=program._replace(knots=knots),
        machine=machine._replace(**{name: getattr(machine, name) * factor for name in times}),
        load=load._replace(
            source_arrival=load.source_arrival * factor,
            step=load.step * factor,
            horizon=load.horizon if load.horizon >= NO_HORIZON else load.horizon * factor,
        ),
    )


def certain(model: Model, branch: int, edge: int) -> Model:
    """Return the model in which a BRANCH always takes one edge, in no time."""
    program = model.program
    weight = program.edge_weight.copy()
    first, end = int(program.edge_indptr[branch]), int(program.edge_indptr[branch + 1])
    weight[:, first:end] = np.where(np.arange(end - first) < edge, 0.0, 1.0)
    machine = model.machine._replace(decision_cycles=0)
    return model._replace(program=program._replace(edge_weight=weight), machine=machine)


def without_branch(model: Model, branch: int, edge: int) -> Model:
    """Return the model in which what led to a BRANCH leads to where its edge goes; nodes keep their numbers."""
    program = model.program
    to = program.edge_node.copy()
    to[to == branch] = program.edge_node[program.edge_indptr[branch] + edge]
    machine = model.machine._replace(decision_cycles=0)
    return model._replace(program=program._replace(edge_node=to), machine=machine)


def branches(model: Model) -> list[int]:
    """Return the BRANCH nodes that ``without_branch`` can pass over.

    Not the first node of the program or of a choice of a select, whose place tells where its loop ends; not what
    follows a join, whose cluster it decides.
    """
    program = model.program
    taken = {0}
    for node in np.flatnonzero((program.node_kind == SELECT) | (program.node_kind == JOIN)):
        taken.update(program.edge_node[program.edge_indptr[node] : program.edge_indptr[node + 1]].tolist())
    return [int(node) for node in np.flatnonzero(program.node_kind == BRANCH) if int(node) not in taken]


def never(model: Model, branch: int, edge: int) -> Model:
    """Return the model in which a BRANCH of at least two edges never takes one of them."""
    program = model.program
    first, end = int(program.edge_indptr[branch]), int(program.edge_indptr[branch + 1])
    weight = program.edge_weight.copy()
    share = np.diff(weight[:, first:end], prepend=0.0)
    share[:, edge] = 0.0
    share[share.sum(axis=1) == 0, (edge + 1) % (end - first)] = 1.0
    weight[:, first:end] = np.cumsum(share / share.sum(axis=1, keepdims=True), axis=1)
    last = max(i for i in range(end - first) if i != edge)
    weight[:, first + last : end] = 1.0
    return model._replace(program=program._replace(edge_weight=weight))


def without_edge(model: Model, branch: int, edge: int) -> Model:
    """Return the model in which a BRANCH has one edge fewer; its nodes are still there."""
    program = model.program
    at = int(program.edge_indptr[branch]) + edge
    indptr = program.edge_indptr - (np.arange(len(program.edge_indptr)) > branch)
    return model._replace(program=_without_edge(program, at, indptr))


def _without_edge(program: Program, at: int, indptr: I64) -> Program:
    return program._replace(
        edge_indptr=indptr,
        edge_node=np.delete(program.edge_node, at),
        edge_weight=np.ascontiguousarray(np.delete(program.edge_weight, at, axis=1)),
    )
