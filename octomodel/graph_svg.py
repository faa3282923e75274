"""A workflow drawn as SVG: nodes with visits and demand, edges with tokens and bytes; no scripts, nothing from outside."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from octomodel.flow import Flow, flow
from octomodel.flow_words import edge_words, node_words
from octomodel.graph import Graph, Node, edge_label, label
from octomodel.graph_layout import GAP, Box, Point, Route, layout
from octomodel.kernels.model import AGAIN, COUNT, END, FORK, JOIN, TASK, UNTIL

if TYPE_CHECKING:
    from octomodel.workflow import Workflow

MOST_BOXES = 200
"""Boxes of a drawing; a larger graph is not drawn."""
LONGEST = 16
"""Characters of a name or label that are drawn; all of them stand in the title."""
ROOM = GAP - 10
"""Width for what is written below an edge; letters are 5.5 wide on the average, and are drawn closer where there are more."""
INK, SOFT, LINE, PAPER, TASK_FILL, CONTROL_FILL = "#1b1f24", "#57606a", "#8c959f", "#ffffff", "#0072b2", "#f3f4f6"


def svg(workflow: Workflow) -> str:
    """Return the drawing of a workflow.

    Parameters
    ----------
    workflow : Workflow

    Returns
    -------
    str
        One ``svg`` element; empty when the graph has more than ``MOST_BOXES`` boxes to be drawn. The fill of a task is as
        strong as its share of the demand.

    Examples
    --------
    >>> from octomodel import Workflow, task
    >>> drawn = svg(Workflow("one", task("only", 250)))
    >>> drawn[:5], drawn.count("<title>"), "only: 1 visit and 250 cycles per request" in drawn
    ('<svg ', 3, True)
    """
    placed = layout(workflow)
    if len(placed.boxes) > MOST_BOXES:
        return ""
    graph, flowing = workflow.graph(), flow(workflow)
    parts = [_edge(route, graph, flowing) for route in placed.routes]
    parts += [_box(box, graph, flowing) for box in placed.boxes]
    size = f'width="{placed.width:.0f}" height="{placed.height:.0f}" viewBox="0 0 {placed.width:.0f} {placed.height:.0f}"'
    name = html.escape(workflow.name)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="graph of {name}" '
        f'font-family="system-ui, sans-serif" font-size="11" text-anchor="middle">'
        f'<rect width="100%" height="100%" fill="{PAPER}"/>{"".join(parts)}</svg>'
    )


def _box(box: Box, graph: Graph, flowing: Flow) -> str:
    x, y = box.x + box.width / 2, box.y + box.height / 2
    if box.node < 0:
        return _text(x, y + 4, box.words, SOFT)
    node, words = graph.nodes[box.node], node_words(graph, flowing, box.node)
    if node.kind != TASK:
        round_by = box.height / 2 if node.kind in (FORK, JOIN, END) else 6
        shape = _rect(box, CONTROL_FILL, 1.0, round_by)
        lines = [_text(x, y - 3, _cut(label(node), 14), INK), _text(x, y + 11, words[0], SOFT)]
        return _group(f"{node.name}: {_kind(node)}, {words[0]} per request", shape, lines)
    demand, part = flowing.demand[box.node], flowing.share(box.node)
    shape = _rect(box, TASK_FILL, 0.06 + 0.44 * part, 4)
    lines = [
        f'<g font-weight="600" font-size="12">{_text(x, y - 11, _cut(node.name, 20), INK)}</g>',
        _text(x, y + 5, words[0], INK),
        _text(x, y + 19, words[1], INK),
    ]
    return _group(f"{node.name}: {words[0]} and {demand:,.6g} cycles per request, {part:.1%} of the demand", shape, lines)


def _kind(node: Node) -> str:
    return {COUNT: "loop by count", UNTIL: "end of a turn", AGAIN: "loop by probability"}.get(node.kind, label(node))


def _edge(route: Route, graph: Graph, flowing: Flow) -> str:
    node = graph.nodes[route.node]
    tokens, payload = flowing.edges[route.node][route.order], flowing.payloads[route.node][route.order]
    when = edge_label(node, route.order)
    told = f"{node.name} to {graph.nodes[node.edges[route.order]].name}{f', {when}' if when else ''}"
    title = f"{told}: {tokens:,.6g} tokens per request of {' to '.join(f'{each:,}' for each in dict.fromkeys(payload))} bytes"
    dashes = "" if tokens > 0 else ' stroke-dasharray="4 3"'
    line = f'fill="none" stroke="{LINE}" stroke-width="1.3"{dashes}'
    path = f'<path d="{_path(route.points)}" {line}/>{_arrow(route.points)}'
    (x, y), words = route.label, edge_words(flowing, route.node, route.order)
    close = f' textLength="{ROOM:.0f}" lengthAdjust="spacingAndGlyphs"' if 5.5 * len(words) > ROOM else ""
    lines = [f'<g text-anchor="start" font-size="10">{_text(x + 5, y + 12, words, SOFT, close)}']
    lines.append(f"{_text(x + 5, y - 4, _cut(when, LONGEST), INK) if when else ''}</g>")
    return _group(title, path, lines)


def _path(points: tuple[Point, ...]) -> str:
    """Return straight pieces along the axes and curves, level at both ends, between points that differ in both."""
    d = f"M{points[0][0]:.0f} {points[0][1]:.1f}"
    for (ax, ay), (bx, by) in zip(points, points[1:], strict=False):
        if ax == bx or ay == by:
            d += f"L{bx:.0f} {by:.1f}"
        else:
            middle = (ax + bx) / 2
            d += f"C{middle:.0f} {ay:.1f} {middle:.0f} {by:.1f} {bx:.0f} {by:.1f}"
    return d


def _arrow(points: tuple[Point, ...]) -> str:
    (ax, ay), (x, y) = points[-2:]
    upward = ax == x and ay > y
    around = ((x - 4, y + 7), (x + 4, y + 7)) if upward else ((x - 7, y - 4), (x - 7, y + 4))
    corners = " ".join(f"{px:.1f},{py:.1f}" for px, py in around)
    return f'<polygon points="{x:.1f},{y:.1f} {corners}" fill="{LINE}"/>'


def _rect(box: Box, fill: str, opacity: float, radius: float) -> str:
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{radius:g}"'
    return f'<rect {place} fill="{PAPER}"/><rect {place} fill="{fill}" fill-opacity="{opacity:.3f}" stroke="{LINE}"/>'


def _text(x: float, y: float, words: str, fill: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}"{more}>{html.escape(words)}</text>'


def _group(title: str, shape: str, lines: list[str]) -> str:
    return f"<g><title>{html.escape(title)}</title>{shape}{''.join(lines)}</g>"


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[: most - 1]}…"
