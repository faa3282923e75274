"""The flat graph as a networkx graph, and back.

Every node has the attribute ``kind``, one of ``octomodel.graph.KIND_NAMES``; every edge ``order``, its place
among its node's edges (where it is missing, the order of insertion counts). A *task* node has the attributes
of a task in a file (``time``, ``out_bytes``, ``config_bytes``, ``config``, ``parallel``, ``phases``; its kind
of work under ``work``); a *count* node ``count``, an *again* node ``again``, a *select* node ``k`` and
``items``; all may have ``phases``. Edges of a *branch* have ``choice`` and ``probability``, of a *select*
``choice`` and ``weight``. The back edge of *until* and *again* comes first, of *count* the edge into the
body. Names of tasks and control blocks are the names of their nodes.
"""

from __future__ import annotations

from typing import Any

from octomodel import checks, program
from octomodel.elements import Branch, Item, Loop, Select, Seq, Task
from octomodel.errors import ModelError
from octomodel.graph import KIND_NAMES, Graph, Node
from octomodel.kernels.model import AGAIN, COUNT, SELECT, UNTIL
from octomodel.plain import amount_from_plain, by_phase, plain_value, task_from_dict, task_to_dict
from octomodel.structure import MAX_DEPTH


def export(graph: Graph) -> Any:
    """Return a flat graph as a ``networkx.MultiDiGraph`` with the attributes listed above."""
    import networkx

    out = networkx.MultiDiGraph(name=graph.name)
    for node in graph.nodes:
        out.add_node(node.name, kind=KIND_NAMES[node.kind], **_node_attributes(node))
    for node in graph.nodes:
        for order, successor in enumerate(node.edges):
            extra: dict[str, Any] = {}
            if isinstance(node.element, Branch | Select) and node.kind != UNTIL:
                value = "weight" if node.kind == SELECT else "probability"
                extra = {"choice": node.element.choices[order], value: node.element.values[order]}
            out.add_edge(node.name, graph.nodes[successor].name, order=order, **extra)
    return out


def reduce(graph: Any) -> Seq:
    """Return the program of a structured flat graph.

    Parameters
    ----------
    graph : networkx.DiGraph or MultiDiGraph
        With the attributes listed above.

    Returns
    -------
    Seq

    Raises
    ------
    ModelError
        When an attribute is missing or refused; when there is not one start and one end, a node is
        unreachable or cannot reach the end; when an edge leads back from a node that is no control block, or
        crosses the border of a region. The message names the edge.
    """
    return _Reduction(graph).program()


class _Reduction:
    """Reads the program off the graph from its start, one region inside the other."""

    def __init__(self, graph: Any) -> None:
        import networkx

        if not isinstance(graph, networkx.DiGraph) or len(graph) == 0:
            raise ModelError("graph", type(graph).__name__, "a networkx.DiGraph or MultiDiGraph with nodes")
        self.graph = graph
        self.data = {name: graph.nodes[name] for name in graph}
        for name in graph:
            checks.name(f"graph.{name}", name)
            checks.one_of(f"graph.{name}.kind", self.data[name].get("kind"), KIND_NAMES)
        self.edges = {name: self.ordered(name) for name in graph}
        self.start, self.end = self.ends()
        self.merge = networkx.immediate_dominators(graph.reverse(copy=False), self.end)
        self.seen: set[str] = set()
        self.joins: dict[str, str] = {}
        self.depth = 0

    def ordered(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the successors of a node with the attributes of their edges, in order and as many as due."""
        edges = [(target, data) for _, target, data in self.graph.out_edges(name, data=True)]
        edges.sort(key=lambda edge: checks.integer(f"graph.{name}->{edge[0]}.order", edge[1].get("order", 0)))
        kind = self.data[name]["kind"]
        wanted = {"task": 1, "join": 1, "count": 2, "until": 2, "again": 2, "end": 0, "branch": None}.get(
            kind
        )
        if wanted is not None and len(edges) != wanted:
            raise ModelError(
                f"graph.{name}", f"{len(edges)} edges out", f"{wanted} for a node of kind {kind}"
            )
        return edges

    def ends(self) -> tuple[str, str]:
        import networkx

        ends = [name for name in self.graph if self.data[name]["kind"] == "end"]
        if len(ends) != 1:
            raise ModelError("graph", ends, "one node of kind end")
        alive = networkx.ancestors(self.graph, ends[0]) | set(ends)
        for name in self.graph:
            if name not in alive:
                raise ModelError(f"graph.{name}", name, "a node from which the end can be reached")
        turns = [name for name in self.graph if self.data[name]["kind"] in ("until", "again")]
        back = {(name, self.edges[name][0][0]) for name in turns}
        forward = networkx.DiGraph([edge for edge in self.graph.edges() if edge not in back])
        if not networkx.is_directed_acyclic_graph(forward):
            cycle = [source for source, _ in networkx.find_cycle(forward)]
            allowed = "cycles that are closed by the first edge of an until or again"
            raise ModelError("graph", "->".join([*cycle, cycle[0]]), allowed)
        starts = [n for n in self.graph if all((p, n) in back for p in self.graph.predecessors(n))]
        if len(starts) != 1:
            raise ModelError("graph", starts, "one node to start from, without edges into it but back edges")
        return starts[0], ends[0]

    def program(self) -> Seq:
        body, last, stop = self.body(self.start, None, "")
        if stop != self.end:
            raise self.crossing(last, stop)
        return body

    def crossing(self, source: str, target: str) -> ModelError:
        kind = self.data[target]["kind"]
        allowed = f"regions that nest: this edge, into a node of kind {kind}, crosses the border of one"
        if target in self.seen and kind in ("task", "branch", "count", "fork", "select"):
            allowed = "back edges from control blocks of kind until and again only, and regions that nest"
        return ModelError("graph", f"{source}->{target}", allowed)

    def body(self, first: str, stop: str | None, before: str) -> tuple[Seq, str, str]:
        """Return the elements from ``first`` on, the last node, and the node that ends the body.

        A body ends before ``stop``, or before a JOIN, an UNTIL or the END that none of its own elements took.
        """
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ModelError(
                f"graph.{first}", f"more than {MAX_DEPTH} levels", f"regions nested at most {MAX_DEPTH} deep"
            )
        items: list[Item] = []
        firsts: list[str] = []
        node, last = first, before
        while node != stop and self.data[node]["kind"] not in ("join", "until", "end"):
            if node in self.seen:
                raise self.crossing(last, node)
            self.seen.add(node)
            kind = self.data[node]["kind"]
            if kind == "again":
                target = self.edges[node][0][0]
                at = next((i for i in range(len(firsts) - 1, -1, -1) if firsts[i] == target), -1)
                if at < 0:
                    raise self.crossing(node, target)
                items[at:] = [self.again(node, Seq(tuple(items[at:])))]
                del firsts[at + 1 :]
                last, node = node, self.edges[node][1][0]
                continue
            firsts.append(node)
            item, last, node = getattr(self, f"read_{kind}")(node)
            items.append(item)
        self.depth -= 1
        return Seq(tuple(items)), last, node

    def read_task(self, node: str) -> tuple[Item, str, str]:
        data = {key: value for key, value in self.data[node].items() if key not in ("kind", "work")}
        kind = {"kind": self.data[node]["work"]} if "work" in self.data[node] else {}
        return task_from_dict({"task": node, **data, **kind}, f"graph.{node}"), node, self.edges[node][0][0]

    def again(self, node: str, body: Seq) -> Loop:
        data = checks.keys(f"graph.{node}", self.data[node], ("kind", "again", "phases"), ("again",))
        again = by_phase(f"graph.{node}", data, "again", lambda value, _: value)
        return program.make_loop(f"graph.{node}", node, body, again, None)

    def read_count(self, node: str) -> tuple[Item, str, str]:
        data = checks.keys(f"graph.{node}", self.data[node], ("kind", "count", "phases"), ("count",))
        (first, _), (leave, _) = self.edges[node]
        body, last, until = self.body(first, None, node)
        self.close(last, until, "until", [first, leave])
        count = by_phase(f"graph.{node}", data, "count", amount_from_plain)
        return program.make_loop(f"graph.{node}", node, body, None, count), until, leave

    def close(self, last: str, node: str, kind: str, targets: list[str]) -> None:
        """Take the node that closes a region, or refuse the edge that led to it or one of its own."""
        if self.data[node]["kind"] != kind or node in self.seen:
            raise self.crossing(last, node)
        self.seen.add(node)
        for (found, _), target in zip(self.edges[node], targets, strict=False):
            if found != target:
                raise self.crossing(node, found)

    def read_branch(self, node: str) -> tuple[Item, str, str]:
        checks.keys(f"graph.{node}", self.data[node], ("kind", "phases"))
        follow = self.merge[node]
        values, bodies = self.choices(node, "probability", follow)
        return program.make_branch(f"graph.{node}", node, values, bodies), node, follow

    def choices(self, node: str, key: str, stop: str | None) -> tuple[Any, dict[str, Seq]]:
        values: dict[str, Any] = {}
        bodies: dict[str, Seq] = {}
        for target, data in self.edges[node]:
            place = f"graph.{node}->{target}"
            checks.keys(place, data, ("order", "choice", key), ("choice", key))
            choice = checks.name(f"{place}.choice", data["choice"])
            if choice in values:
                raise ModelError(f"{place}.choice", choice, "each choice once")
            values[choice] = data[key]
            bodies[choice], last, end = self.body(target, stop, node)
            if stop is not None and end != stop:
                raise self.crossing(last, end)
            bodies[choice] = self.item(node, target, last, end, bodies[choice])
        fields = {"phases": self.data[node].get("phases"), key: values}
        return by_phase(f"graph.{node}", fields, key, lambda value, _: value), bodies

    def item(self, node: str, first: str, last: str, end: str, body: Seq) -> Seq:
        """Check the end of one body of a fork or select: the JOIN, after an UNTIL with several items."""
        kind = self.data[node]["kind"]
        if kind == "branch":
            return body
        if kind == "select" and self.data[node].get("items", 1) != 1:
            self.close(last, end, "until", [first])
            last, end = end, self.edges[end][1][0]
        if self.data[end]["kind"] != "join" or self.joins.setdefault(node, end) != end:
            raise self.crossing(last, end)
        return body

    def read_fork(self, node: str) -> tuple[Item, str, str]:
        checks.keys(f"graph.{node}", self.data[node], ("kind",))
        bodies = []
        for target, data in self.edges[node]:
            checks.keys(f"graph.{node}->{target}", data, ("order",))
            body, last, end = self.body(target, None, node)
            bodies.append(self.item(node, target, last, end, body))
        return program.fork(*bodies), *self.joined(node)

    def read_select(self, node: str) -> tuple[Item, str, str]:
        data = checks.keys(f"graph.{node}", self.data[node], ("kind", "k", "items", "phases"), ("k",))
        values, bodies = self.choices(node, "weight", None)
        item = program.make_select(f"graph.{node}", node, data["k"], data.get("items", 1), values, bodies)
        return item, *self.joined(node)

    def joined(self, node: str) -> tuple[str, str]:
        join = self.joins[node]
        self.close(node, join, "join", [])
        return join, self.edges[join][0][0]


def _node_attributes(node: Node) -> dict[str, Any]:
    element = node.element
    if isinstance(element, Task):
        data = task_to_dict(element)
        del data["task"]
        return {"work" if key == "kind" else key: value for key, value in data.items()}
    data = {}
    if isinstance(element, Loop) and node.kind in (AGAIN, COUNT):
        data["again" if node.kind == AGAIN else "count"] = plain_value(element.value(None))
        changed: dict[str, Any] = {phase: plain_value(value) for phase, value in element.phases}
    elif isinstance(element, Branch | Select) and node.kind != UNTIL:
        if isinstance(element, Select):
            data = {"k": element.k, "items": element.items}
        changed = {phase: dict(zip(element.choices, values, strict=True)) for phase, values in element.phases}
    else:
        return data
    return data | ({"phases": changed} if changed else {})
