"""The flat graph of a workflow (rule 1.1): numbered nodes, ordered edges; as text, DOT and Mermaid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from octomodel.elements import Branch, Fork, Loop, Select, Seq, Task
from octomodel.kernels.model import AGAIN, BRANCH, COUNT, END, FORK, JOIN, SELECT, TASK, UNTIL

if TYPE_CHECKING:
    from octomodel.flow import Flow
    from octomodel.workflow import Workflow

KIND_NAMES = ("task", "branch", "count", "until", "again", "fork", "select", "join", "end")
"""Names of the node kinds of ``octomodel.kernels.model``, by code."""

Port = tuple[int, int]


@dataclass(frozen=True)
class Node:
    """One node.

    Attributes
    ----------
    name : str
        Unique; a task's or control block's own name where it has one.
    kind : int
        Code of ``octomodel.kernels.model``.
    element : element or None
        What it was made from: None for JOIN and END; the loop or select for UNTIL.
    edges : tuple of int
        Successors, in the order of rule 1.1.
    join : int
        JOIN of a FORK or SELECT, else -1.
    loop : int
        Loop counter of a COUNT or UNTIL, else -1.
    """

    name: str
    kind: int
    element: Task | Branch | Loop | Select | Fork | None
    edges: tuple[int, ...]
    join: int
    loop: int


@dataclass(frozen=True)
class Graph:
    """The orchestrated workflow graph; node i of ``nodes`` is node i of the kernel."""

    name: str
    nodes: tuple[Node, ...]
    n_loop: int

    def to_networkx(self) -> Any:
        """Return the graph as a ``networkx.MultiDiGraph``, as ``octomodel.graph_networkx`` describes."""
        from octomodel.graph_networkx import export

        return export(self)

    def to_dot(self, flowing: Flow | None = None) -> str:
        """Return the graph in the DOT language of Graphviz.

        Parameters
        ----------
        flowing : Flow, optional
            From ``octomodel.flow.flow``: visits and demand are written on nodes, tokens and bytes on edges.
        """
        lines = [f'digraph "{self.name}" {{', "  rankdir=LR;"]
        for i, node in enumerate(self.nodes):
            shape = {"task": "box", "join": "circle", "fork": "circle", "end": "doublecircle"}.get(
                KIND_NAMES[node.kind]
            )
            words = "\\n".join([label(node), *self._node_words(flowing, i)])
            lines.append(f'  "{node.name}" [shape={shape or "diamond"}, label="{words}"];')
        for i, order, text in self._edges():
            words = "\\n".join([*([text] if text else []), *self._edge_words(flowing, i, order)])
            extra = f' [label="{words}"]' if words else ""
            lines.append(f'  "{self.nodes[i].name}" -> "{self.nodes[self.nodes[i].edges[order]].name}"{extra};')
        return "\n".join([*lines, "}", ""])

    def to_mermaid(self, flowing: Flow | None = None) -> str:
        """Return the graph as a Mermaid flowchart; parameter as for ``to_dot``."""
        brackets = {TASK: ("[", "]"), FORK: ("((", "))"), JOIN: ("((", "))"), END: ("(((", ")))")}
        lines = ["flowchart LR"]
        for i, node in enumerate(self.nodes):
            left, right = brackets.get(node.kind, ("{", "}"))
            lines.append(f'  n{i}{left}"{"<br/>".join([label(node), *self._node_words(flowing, i)])}"{right}')
        for i, order, text in self._edges():
            words = "<br/>".join([*([text] if text else []), *self._edge_words(flowing, i, order)])
            arrow = f'-- "{words}" -->' if words else "-->"
            lines.append(f"  n{i} {arrow} n{self.nodes[i].edges[order]}")
        return "\n".join([*lines, ""])

    def to_text(self) -> str:
        """Return one line for each node: number, kind, name, successors."""
        width = max(len(node.name) for node in self.nodes)
        lines = []
        for i, node in enumerate(self.nodes):
            successors = ", ".join(self.nodes[j].name for j in node.edges)
            lines.append(
                f"{i:>5} {KIND_NAMES[node.kind]:<6} {node.name:<{width}} -> {successors}".removesuffix(" -> ")
            )
        return "\n".join([*lines, ""])

    def _edges(self) -> list[tuple[int, int, str]]:
        """Return every edge as (number of its node, order, label), the label telling when it is taken."""
        return [(i, order, edge_label(node, order)) for i, node in enumerate(self.nodes) for order in range(len(node.edges))]

    def _node_words(self, flowing: Flow | None, node: int) -> list[str]:
        from octomodel.flow_words import node_words

        return [] if flowing is None else node_words(self, flowing, node)

    def _edge_words(self, flowing: Flow | None, node: int, order: int) -> list[str]:
        from octomodel.flow_words import edge_words

        return [] if flowing is None else [edge_words(flowing, node, order)]


def label(node: Node) -> str:
    """Return what a drawing writes into a node."""
    if node.kind in (JOIN, FORK, END, UNTIL):
        return KIND_NAMES[node.kind]
    return f"{node.name}?" if node.kind != TASK else node.name


def edge_label(node: Node, order: int) -> str:
    """Return when edge ``order`` of a node is taken, in words; empty where it always is."""
    element = node.element
    if node.kind in (UNTIL, AGAIN, COUNT):
        if node.kind == AGAIN and isinstance(element, Loop) and element.again is not None:
            return f"again {element.again:g}" if order == 0 else "exit"
        return ("turn" if node.kind == COUNT else "again") if order == 0 else "exit"
    if isinstance(element, Branch | Select):
        return f"{element.choices[order]} {element.values[order]:g}"
    return ""


def flatten(workflow: Workflow) -> Graph:
    """Return the flat graph of a workflow."""
    builder = _Builder()
    exits = builder.body(workflow.program, [])
    builder.node("end", END, None, exits, 0)
    names = _unique(builder.names, builder.kinds)
    nodes = tuple(
        Node(
            names[i],
            builder.kinds[i],
            builder.elements[i],
            tuple(builder.edges[i]),
            builder.joins[i],
            builder.loops[i],
        )
        for i in range(len(names))
    )
    return Graph(workflow.name, nodes, builder.n_loop)


class _Builder:
    """Nodes so far; a port is (node, edge) still without its successor."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.kinds: list[int] = []
        self.elements: list[Task | Branch | Loop | Select | Fork | None] = []
        self.edges: list[list[int]] = []
        self.joins: list[int] = []
        self.loops: list[int] = []
        self.n_loop = 0
        self.n_fork = 0

    def node(self, name: str, kind: int, element: Any, ports: list[Port], n_edges: int) -> int:
        """Append a node, connect ``ports`` to it and return its number."""
        number = len(self.names)
        self.names.append(name)
        self.kinds.append(kind)
        self.elements.append(element)
        self.edges.append([-1] * n_edges)
        self.joins.append(-1)
        self.loops.append(-1)
        for node, edge in ports:
            self.edges[node][edge] = number
        return number

    def counter(self, node: int) -> int:
        """Give a node the next loop counter."""
        self.loops[node] = self.n_loop
        self.n_loop += 1
        return self.loops[node]

    def body(self, body: Seq, ports: list[Port]) -> list[Port]:
        """Append the elements of a body and return the ports that lead on."""
        for item in body.items:
            if isinstance(item, Task):
                ports = [(self.node(item.name, TASK, item, ports, 1), 0)]
            elif isinstance(item, Branch):
                node = self.node(item.name, BRANCH, item, ports, len(item.bodies))
                ports = [
                    port for i, inner in enumerate(item.bodies) for port in self.body(inner, [(node, i)])
                ]
            elif isinstance(item, Loop):
                ports = self.loop(item, ports)
            else:
                ports = self.split(item, ports)
        return ports

    def loop(self, item: Loop, ports: list[Port]) -> list[Port]:
        if item.count is None:
            first = len(self.names)
            again = self.node(item.name, AGAIN, item, self.body(item.body, ports), 2)
            self.edges[again][0] = first
            return [(again, 1)]
        count = self.node(item.name, COUNT, item, ports, 2)
        exits = self.body(item.body, [(count, 0)])
        until = self.node(f"{item.name}.until", UNTIL, item, exits, 2)
        self.edges[until][0] = count + 1
        self.loops[until] = self.counter(count)
        return [(count, 1), (until, 1)]

    def split(self, item: Fork | Select, ports: list[Port]) -> list[Port]:
        if isinstance(item, Select):
            name = item.name
        else:
            self.n_fork += 1
            name = f"fork{self.n_fork}"
        node = self.node(name, SELECT if isinstance(item, Select) else FORK, item, ports, len(item.bodies))
        exits: list[Port] = []
        for i, inner in enumerate(item.bodies):
            first = len(self.names)
            ends = self.body(inner, [(node, i)])
            if isinstance(item, Select) and item.items > 1:
                until = self.node(f"{name}.{item.choices[i]}.until", UNTIL, item, ends, 2)
                self.edges[until][0] = first
                self.counter(until)
                ends = [(until, 1)]
            exits.extend(ends)
        self.joins[node] = self.node(f"{name}.join", JOIN, None, exits, 1)
        return [(self.joins[node], 0)]


def _unique(names: list[str], kinds: list[int]) -> list[str]:
    """Return the names, with underscores added to made-up ones (fork, join, until, end) already in use."""
    made_up = (FORK, JOIN, UNTIL, END)
    used = {name for name, kind in zip(names, kinds, strict=True) if kind not in made_up}
    result = []
    for name, kind in zip(names, kinds, strict=True):
        while kind in made_up and name in used:
            name += "_"
        used.add(name)
        result.append(name)
    return result
