"""What flows through the graph of a workflow: visits of nodes and edges per request, and the bytes that tokens carry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from octomodel.demand import Factor, Walk, atoms, inclusion
from octomodel.elements import Branch, Fork, Loop, Seq, Task
from octomodel.graph import Graph
from octomodel.kernels.model import JOIN, SELECT, TASK

if TYPE_CHECKING:
    from octomodel.workflow import Workflow

Bytes = tuple[int, int]

@dataclass(frozen=True)
class Flow:
    """Means per request, over all phases, and ranges of payloads; by node and edge of ``Graph``.

    Attributes
    ----------
    visits : tuple of float
        Visits of each node (rule 1.2).
    edges : tuple of tuple of float
        Tokens on each edge of each node.
    payloads : tuple of tuple of (int, int)
        Least and most bytes of a token on each edge (rule 1.4).
    demand : tuple of float
        Cycles of each node on one PEA at speed 1; 0 where it is no task.
    """

    visits: tuple[float, ...]
    edges: tuple[tuple[float, ...], ...]
    payloads: tuple[tuple[Bytes, ...], ...]
    demand: tuple[float, ...]

    @cached_property
    def total_demand(self) -> float:
        """Return the cycles of all nodes."""
        return sum(self.demand)

    def share(self, node: int) -> float:
        """Return the share of a node in the demand of all; 0 where there is none."""
        return self.demand[node] / self.total_demand if self.total_demand > 0 else 0.0


def flow(workflow: Workflow, phase: str | None = None) -> Flow:
    """Return what flows through the graph of a workflow.

    Parameters
    ----------
    workflow : Workflow
    phase : str, optional
        One phase; default: all of them, weighted by their lengths.

    Returns
    -------
    Flow
        From the program and its laws, without a draw; exact where ``Workflow.visits`` is.

    Examples
    --------
    >>> from octomodel import Workflow, branch, seq, task
    >>> use = branch({"hit": 0.75, "miss": 0.25}, hit=seq(), miss=task("fetch", 100, out_bytes=64))
    >>> found = flow(Workflow("cache", task("look", 10, out_bytes=8), use))
    >>> found.visits, found.edges[1], found.payloads[1]
    ((1.0, 1.0, 0.25, 1.0), (0.75, 0.25), ((8, 8), (8, 8)))
    """
    graph, demand = workflow.graph(), workflow.demand(phase)
    parts: list[tuple[float, str | None]] = [(1.0, phase)]
    if phase is None and workflow.phases is not None:
        parts = list(zip(workflow.phases.shares, workflow.phases.names, strict=True))
    walks = [(share, _Flow(workflow, name)) for share, name in parts]
    numbers = range(len(graph.nodes))
    return Flow(
        tuple(sum(share * walk.visited[i] for share, walk in walks) for i in numbers),
        tuple(
            tuple(sum(share * walk.taken[i][order] for share, walk in walks) for order in range(len(graph.nodes[i].edges)))
            for i in numbers
        ),
        payloads(graph, workflow.in_bytes),
        tuple(demand.get(node.name, 0.0) if node.kind == TASK else 0.0 for node in graph.nodes),
    )


class _Flow(Walk):
    """Visits of nodes and edges in one phase; the walk appends them in the order in which ``flatten`` numbers nodes."""

    def __init__(self, workflow: Workflow, phase: str | None) -> None:
        super().__init__(workflow, phase)
        self.visited: list[float] = []
        self.taken: list[list[float]] = []
        self.inside(workflow.program, Factor(1.0, {}))
        self.node(1.0, [])

    def node(self, visits: float, edges: list[float]) -> None:
        self.visited.append(visits)
        # differences of two sums: rounding may leave less than nothing
        self.taken.append([max(edge, 0.0) for edge in edges])

    def inside(self, body: Seq, factor: Factor) -> None:
        entries = self.mean(factor)
        for item in body.items:
            if isinstance(item, Task):
                self.node(entries, [entries])
            elif isinstance(item, Loop):
                self.loop(item, factor, entries)
            elif isinstance(item, Branch):
                chances = self.value(item)
                self.node(entries, [entries * chance for chance in chances])
                for inner, chance in zip(item.bodies, chances, strict=True):
                    self.inside(inner, Factor(factor.number * chance, factor.by_group))
            elif isinstance(item, Fork):
                self.node(entries, [entries] * len(item.bodies))
                for inner in item.bodies:
                    self.inside(inner, factor)
                self.node(entries, [entries])
            else:
                each = inclusion(np.array(self.value(item)), item.k)
                times, chosen = (item.items * each).tolist(), (1.0 - (1.0 - each) ** item.items).tolist()
                self.node(entries, [entries * chance for chance in chosen])
                for inner, number, chance in zip(item.bodies, times, chosen, strict=True):
                    self.inside(inner, Factor(factor.number * number, factor.by_group))
                    if item.items > 1:
                        self.node(entries * number, [entries * (number - chance), entries * chance])
                self.node(entries, [entries])

    def loop(self, item: Loop, factor: Factor, entries: float) -> None:
        inner = self.turns(factor, item)
        turns = self.mean(inner)
        if item.count is None:
            self.inside(item.body, inner)
            self.node(turns, [turns - entries, entries])
            return
        begun = self.mean(self.begun(factor, item))
        self.node(entries, [begun, entries - begun])
        self.inside(item.body, inner)
        self.node(turns, [turns - begun, begun])

    def begun(self, factor: Factor, item: Loop) -> Factor:
        """Return ``factor`` times the probability that a counted loop turns at all."""
        amount = self.value(item)
        if amount.law.discrete:
            values, weights = atoms(amount.law)
            chance = float(weights[values > 0].sum())
        else:
            chance = float(amount.law.sf(0.0))
        if amount.attribute is None:
            return Factor(factor.number * chance * (amount.base > 0), factor.by_group)
        group, values = self.attribute(amount.attribute)
        turning = (amount.base + amount.slope * values > 0).astype(np.float64)
        return self.times(factor.number * chance, factor, group, turning)


def payloads(graph: Graph, in_bytes: int) -> tuple[tuple[Bytes, ...], ...]:
    """Return the least and most bytes of a token on each edge of each node (rule 1.4).

    Parameters
    ----------
    graph : Graph
    in_bytes : int
        Of a request that begins.

    Returns
    -------
    tuple of tuple of (int, int)
        By node and edge.
    """
    # all that comes in, found by passes, which end, for every turn of a loop passes a task, which carries nothing on
    sources: list[list[tuple[int, int]]] = [[] for _ in graph.nodes]
    for i, node in enumerate(graph.nodes):
        for order, successor in enumerate(node.edges):
            sources[successor].append((i, order))
    opened = {node.join: i for i, node in enumerate(graph.nodes) if node.join >= 0}
    found: list[Bytes | None] = [None] * len(graph.nodes)
    changed = True
    while changed:
        changed = False
        for i, node in enumerate(graph.nodes):
            if node.kind == TASK:
                assert isinstance(node.element, Task)
                out = node.element.out_bytes, node.element.out_bytes
            elif node.kind == JOIN:
                out = _sum(graph, opened[i], sources[i], found)
            else:
                # what comes back in a loop is not known in the first pass
                known = [payload for source, _ in sources[i] if (payload := found[source]) is not None]
                out = _hull([*known, (in_bytes, in_bytes)] if i == 0 else known)
            changed = changed or out != found[i]
            found[i] = out
    return tuple(tuple(_known(found[i]) for _ in node.edges) for i, node in enumerate(graph.nodes))


def _sum(graph: Graph, fork: int, sources: list[tuple[int, int]], found: list[Bytes | None]) -> Bytes:
    """Return the payload of a join: the sum over its children, those of a select being the chosen ones."""
    node = graph.nodes[fork]
    ends: list[list[Bytes]] = [[] for _ in node.edges]
    starts = np.array(node.edges)
    for source, order in sources:
        # bodies are numbered one after the other; the edge of an empty one leads from the fork to the join
        body = order if source == fork else int(np.flatnonzero(starts <= source)[-1])
        ends[body].append(_known(found[source]))
    ranges = [_hull(each) for each in ends]
    if node.kind != SELECT:
        return sum(low for low, _ in ranges), sum(high for _, high in ranges)
    k, items = getattr(node.element, "k", 1), getattr(node.element, "items", 1)
    lows, highs = sorted(low for low, _ in ranges), sorted((high for _, high in ranges), reverse=True)
    return sum(lows[:k]), sum(highs[: min(len(highs), k * items)])


def _hull(ranges: list[Bytes]) -> Bytes:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _known(payload: Bytes | None) -> Bytes:
    assert payload is not None
    return payload
