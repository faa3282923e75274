"""The workflow as arrays: nodes, edges, laws by phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from octomodel import tables
from octomodel.dist import Law
from octomodel.elements import Branch, Loop, Scaled, Select, Series, Task
from octomodel.errors import ModelError, unknown
from octomodel.graph import Graph, Node
from octomodel.hardware import DEFAULT_SLOTS, System
from octomodel.kernels.model import AGAIN, BRANCH, COUNT, FORK, SELECT, TASK, UNTIL, Program
from octomodel.mapping import configurations, speedup

if TYPE_CHECKING:
    from octomodel.workflow import Workflow

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]


def lower_program(workflow: Workflow, system: System) -> tuple[Program, str]:
    """Return the arrays of a workflow and the digest of its tables.

    Raises
    ------
    ModelError
        When a law cannot be tabled, a queue is described for an unknown task, or a configuration does not fit.
    """
    graph = workflow.graph()
    nodes = graph.nodes
    phases: tuple[str | None, ...] = workflow.phases.names if workflow.phases is not None else (None,)
    numbers = {law: i for i, law in enumerate(_laws(workflow))}
    bundle, digest = _bundle(workflow, list(numbers))
    attributes = {name: i for i, name in enumerate(workflow.attributes)}
    indptr = np.concatenate([[0], np.cumsum([len(node.edges) for node in nodes])]).astype(np.int64)
    law, base, slope = _amounts(nodes, phases, numbers)
    program = Program(
        node_kind=_ints(node.kind for node in nodes),
        node_task=_numbered(nodes, TASK),
        node_join=_ints(node.join for node in nodes),
        node_loop=_ints(node.loop for node in nodes),
        node_out_bytes=_ints(
            node.element.out_bytes if isinstance(node.element, Task) else 0 for node in nodes
        ),
        node_attribute=_ints(attributes.get(_attribute(node) or "", -1) for node in nodes),
        node_select=_ints(_select(node).k if node.kind == SELECT else 0 for node in nodes),
        node_items=_ints(_select(node).items if node.kind == SELECT else 0 for node in nodes),
        node_milestone=_ints(_milestone(node, workflow) for node in nodes),
        node_fan_out=fan_out(graph),
        edge_indptr=indptr,
        edge_node=_ints(successor for node in nodes for successor in node.edges),
        edge_weight=np.array([_weights(nodes, phase) for phase in phases], dtype=np.float64).reshape(
            len(phases), -1
        ),
        node_law=law,
        node_base=base,
        node_slope=slope,
        task_node=_ints(i for i, node in enumerate(nodes) if node.kind == TASK),
        task_config=configurations(workflow)[0],
        task_slots=_task_slots(workflow, system),
        task_speedup=np.array([speedup(task.parallel, system.peas) for task in workflow.tasks]),
        config_bytes=_config_bytes(workflow, system),
        attribute_law=_ints(
            numbers[law] if isinstance(law, Law) else -1 for law in workflow.attributes.values()
        ),
        attribute_indptr=_starts(
            len(a.values) if isinstance(a, Series) else 0 for a in workflow.attributes.values()
        ),
        attribute_values=np.concatenate(
            [np.empty(0), *(a.values for a in workflow.attributes.values() if isinstance(a, Series))]
        ),
        law_kind=bundle.kind,
        law_offset=bundle.offset,
        law_size=bundle.size,
        knots=bundle.knots,
        n_loop=graph.n_loop,
        n_milestone=len(workflow.milestones),
        in_bytes=workflow.in_bytes,
    )
    return program, digest


def fan_out(graph: Graph) -> I64:
    """Return, for each TASK, the most tokens one advance from it can stop with (rule 6.4), else 0.

    Edges lead forwards but for those of UNTIL and AGAIN to the start of a body, all paths of which stop at a
    task before the body ends. So a first pass backwards through the nodes, without back edges, is right for
    all starts of bodies, and a second one for all nodes.
    """
    reach = [1] * len(graph.nodes)
    for _ in range(2):
        for i in range(len(graph.nodes) - 1, -1, -1):
            node = graph.nodes[i]
            stops = [reach[j] for j in node.edges]
            if node.kind == FORK:
                reach[i] = sum(stops)
            elif node.kind == SELECT:
                reach[i] = sum(sorted(stops)[-_select(node).k * _select(node).items :])
            elif node.kind in (BRANCH, COUNT, UNTIL, AGAIN):
                reach[i] = max(stops)
    return _ints(reach[node.edges[0]] if node.kind == TASK else 0 for node in graph.nodes)


def most_tokens(graph: Graph) -> int:
    """Return an upper bound of the tokens a request can have at once."""
    return 1 + sum(
        len(node.edges) - 1
        if node.kind == FORK
        else min(len(node.edges), _select(node).k * _select(node).items) - 1
        for node in graph.nodes
        if node.kind in (FORK, SELECT)
    )


def _laws(workflow: Workflow) -> dict[Law, str]:
    """Return every law once, with the place where it stands first."""
    places: dict[Law, str] = {}
    for node in workflow.graph().nodes:
        element = node.element
        if node.kind in (TASK, COUNT) and isinstance(element, Task | Loop):
            kind = "time" if node.kind == TASK else "count"
            for amount in (element.value(None), *(value for _, value in element.phases)):
                places.setdefault(amount.law, f"workflow.{workflow.name}.{node.name}.{kind}")
    for name, law in workflow.attributes.items():
        if isinstance(law, Law):
            places.setdefault(law, f"workflow.{workflow.name}.attributes.{name}")
    return places


def _bundle(workflow: Workflow, laws: list[Law]) -> tuple[tables.Bundle, str]:
    try:
        bundle = tables.bundle(laws)
    except ModelError:
        failures = ((place, _failure(law)) for law, place in _laws(workflow).items())
        place, error = next((place, error) for place, error in failures if error is not None)
        raise ModelError(place, error.value, error.allowed) from None
    return bundle, bundle.digest


def _failure(law: Law) -> ModelError | None:
    """Return why a law has no table."""
    try:
        tables.bundle([law])
    except ModelError as error:
        return error
    return None


def _amounts(
    nodes: tuple[Node, ...], phases: tuple[str | None, ...], numbers: dict[Law, int]
) -> tuple[I64, F64, F64]:
    """Return law, base and slope by phase and node."""
    law = np.full((len(phases), len(nodes)), -1, dtype=np.int64)
    base = np.zeros((len(phases), len(nodes)))
    slope = np.zeros((len(phases), len(nodes)))
    for i, node in enumerate(nodes):
        if node.kind not in (TASK, COUNT):
            continue
        for p, phase in enumerate(phases):
            assert isinstance(node.element, Task | Loop)
            amount: Scaled = node.element.value(phase)
            law[p, i], base[p, i], slope[p, i] = numbers[amount.law], amount.base, amount.slope
    return law, base, slope


def _attribute(node: Node) -> str | None:
    """Return the attribute a TASK or COUNT follows, in whichever phase."""
    if node.kind not in (TASK, COUNT):
        return None
    assert isinstance(node.element, Task | Loop)
    amounts = (node.element.value(None), *(value for _, value in node.element.phases))
    return next((amount.attribute for amount in amounts if amount.attribute is not None), None)


def _weights(nodes: tuple[Node, ...], phase: str | None) -> list[float]:
    """Return the weight of every edge in one phase."""
    out: list[float] = []
    for node in nodes:
        if node.kind == BRANCH:
            assert isinstance(node.element, Branch)
            total = 0.0
            for probability in node.element.value(phase)[:-1]:
                total += probability
                out.append(total)
            out.append(1.0)
        elif node.kind == SELECT:
            out.extend(_select(node).value(phase))
        elif node.kind == AGAIN:
            assert isinstance(node.element, Loop)
            out.extend((node.element.value(phase), 1.0))
        else:
            out.extend([0.0] * len(node.edges))
    return out


def _select(node: Node) -> Select:
    assert isinstance(node.element, Select)
    return node.element


def _milestone(node: Node, workflow: Workflow) -> int:
    return (
        workflow.milestones.index(node.name) if node.kind == TASK and node.name in workflow.milestones else -1
    )


def _numbered(nodes: tuple[Node, ...], kind: int) -> I64:
    """Return the number of each node among those of one kind, -1 for others."""
    chosen = _ints(node.kind for node in nodes) == kind
    return np.where(chosen, np.cumsum(chosen) - 1, -1).astype(np.int64)


def _task_slots(workflow: Workflow, system: System) -> I64:
    names = [task.name for task in workflow.tasks]
    if isinstance(system.queue_slots, int):
        return np.full(len(names), system.queue_slots, dtype=np.int64)
    given = dict(system.queue_slots)
    known = set(names)
    for name in given:
        if name not in known:
            raise unknown("system.queue_slots", name, names)
    return _ints(given.get(name, DEFAULT_SLOTS) for name in names)


def _config_bytes(workflow: Workflow, system: System) -> I64:
    largest = max(workflow.tasks, key=lambda task: task.config_bytes)
    if (
        system.memory_bytes is not None
        and largest.config_bytes > system.memory_bytes // system.resident_slots
    ):
        held = f"{system.memory_bytes} bytes of a TBU for {system.resident_slots} resident places"
        allowed = f"at most {system.memory_bytes // system.resident_slots}: {held}"
        place = f"workflow.{workflow.name}.{largest.name}.config_bytes"
        raise ModelError(place, largest.config_bytes, allowed)
    sizes = {task.config: task.config_bytes for task in workflow.tasks}
    return _ints(sizes[name] for name in configurations(workflow)[1])


def _ints(values: object) -> I64:
    return np.array(list(values), dtype=np.int64)  # type: ignore[call-overload]


def _starts(lengths: object) -> I64:
    return np.concatenate([[0], np.cumsum(list(lengths))]).astype(np.int64)  # type: ignore[call-overload]
