"""Where the nodes of a workflow's graph are drawn: elements from left to right, bodies below each other.

Programs are nested, so that each element has a rectangle of its own: edges run in the rows of their bodies and meet only
where their ports do; nothing has to be searched.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from octomodel.elements import Branch, Fork, Loop, Select, Seq, Task

if TYPE_CHECKING:
    from octomodel.workflow import Workflow

TASK_SIZE = (150.0, 54.0)
CONTROL_SIZE = (92.0, 36.0)
GAP = 104.0
"""Width between a node and the next, in which the edge is labelled."""
BEND = 36.0
"""Width in which edges leave for the rows of bodies, or come together."""
LANE = 38.0
"""Height of the row of an edge past a body: a skipped loop, another turn, an empty body."""
SPACE = 14.0
"""Height between bodies."""
MARGIN = 20.0
MOST_BODIES = 8
"""Bodies of one element that are drawn; of more, the first ones and the last."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Port:
    """An edge that has not reached its node: node and order, where its label stands, the points so far."""

    node: int
    order: int
    label: Point
    way: tuple[Point, ...]

    def via(self, x: float) -> Port:
        """Return the port after a horizontal piece to ``x``."""
        return replace(self, way=(*self.way, (x, self.way[-1][1])))


@dataclass(frozen=True)
class Box:
    """A node's rectangle: number in the graph, left, top, width, height; or number -1, the words of what is left out."""

    node: int
    x: float
    y: float
    width: float
    height: float
    words: str = ""


@dataclass(frozen=True)
class Route:
    """An edge: node, order, the points it passes, and where its label stands.

    The label's anchor is the left end of a horizontal piece at least ``GAP`` wide.
    """

    node: int
    order: int
    points: tuple[Point, ...]
    label: Point


@dataclass
class Layout:
    """Boxes and routes inside a rectangle from (0, 0) to (width, height)."""

    boxes: list[Box] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def layout(workflow: Workflow) -> Layout:
    """Return where the nodes and edges of a workflow are drawn.

    Parameters
    ----------
    workflow : Workflow

    Returns
    -------
    Layout
        Every node of ``workflow.graph()``, but for those of bodies left out; no two boxes overlap.

    Examples
    --------
    >>> from octomodel import Workflow, task
    >>> found = layout(Workflow("pair", task("a", 1), task("b", 1)))
    >>> [(box.node, box.x) for box in found.boxes], [route.points for route in found.routes][0]
    ([(0, 20.0), (1, 274.0), (2, 528.0)], ((170.0, 47.0), (274.0, 47.0)))
    """
    placer = _Placer()
    height = max(_height(workflow.program), CONTROL_SIZE[1])
    middle = MARGIN + height / 2
    ports, x = placer.body(workflow.program, [], MARGIN, middle)
    placer.node(CONTROL_SIZE, x, middle, ports)
    placer.found.width = x + CONTROL_SIZE[0] + MARGIN
    placer.found.height = height + 2 * MARGIN
    return placer.found


def drawn(count: int) -> list[int]:
    """Return which of ``count`` bodies are drawn."""
    return list(range(count)) if count <= MOST_BODIES else [*range(MOST_BODIES - 2), count - 1]


def _height(body: Seq) -> float:
    return max((_element_height(item) for item in body.items), default=LANE)


def _element_height(item: Task | Fork | Branch | Loop | Select) -> float:
    if isinstance(item, Task):
        return TASK_SIZE[1]
    if isinstance(item, Loop):
        return max(_height(item.body), CONTROL_SIZE[1]) + 2 * LANE
    return max(sum(_row_heights(item)) + SPACE * (len(_row_heights(item)) - 1), CONTROL_SIZE[1])


def _row_heights(item: Fork | Branch | Select) -> list[float]:
    """Return the heights of the rows: bodies, another turn of each item included, and the words of what is left out."""
    again = 2 * LANE if isinstance(item, Select) and item.items > 1 else 0.0
    rows = [_height(item.bodies[i]) + again for i in drawn(len(item.bodies))]
    return rows if len(rows) == len(item.bodies) else [*rows[:-1], LANE, rows[-1]]


class _Placer:
    """Places elements in the order in which ``flatten`` numbers nodes; a port is an edge and its way so far."""

    def __init__(self) -> None:
        self.found = Layout()
        self.number = 0

    def node(self, size: Point, x: float, middle: float, ports: list[Port]) -> int:
        """Place the next node and end the ports at it."""
        self.found.boxes.append(Box(self.number, x, middle - size[1] / 2, *size))
        self.end(ports, (x, middle))
        self.number += 1
        return self.number - 1

    def end(self, ports: list[Port], target: Point) -> None:
        """End edges at a point."""
        for port in ports:
            self.found.routes.append(Route(port.node, port.order, (*port.way, target), port.label))

    def body(self, body: Seq, ports: list[Port], x: float, middle: float) -> tuple[list[Port], float]:
        """Place a body from ``x`` on; return the ports that lead on, and where the next node may begin."""
        for item in body.items:
            if isinstance(item, Task):
                node = self.node(TASK_SIZE, x, middle, ports)
                x += TASK_SIZE[0]
                ports = [_straight(node, 0, x, middle)]
                x += GAP
            elif isinstance(item, Loop):
                ports, x = self.loop(item, ports, x, middle)
            else:
                ports, x = self.rows(item, ports, x, middle)
        return ports, x

    def loop(self, item: Loop, ports: list[Port], x: float, middle: float) -> tuple[list[Port], float]:
        half = max(_height(item.body), CONTROL_SIZE[1]) / 2
        skip: list[Port] = []
        if item.count is not None:
            node = self.node(CONTROL_SIZE, x, middle, ports)
            right = x + CONTROL_SIZE[0]
            above = (right + BEND, middle - half - LANE / 2)
            skip = [Port(node, 1, above, ((right, middle), above))]
            # beside the bend of the edge past the body
            ports = [replace(_straight(node, 0, right, middle), label=(right + BEND / 2, middle))]
            x = right + GAP
        first = len(self.found.boxes)
        ports, x = self.body(item.body, ports, x, middle)
        again, x = self.again(x, middle, ports, first, half)
        return [*(port.via(x) for port in skip), again], x + (BEND if skip else 0.0)

    def again(self, x: float, middle: float, ports: list[Port], first: int, half: float) -> tuple[Port, float]:
        """Place the node that decides on another turn, with the way back below the body to its first box."""
        node = self.node(CONTROL_SIZE, x, middle, ports)
        centre, below = x + CONTROL_SIZE[0] / 2, middle + half + LANE / 2
        begin = self.found.boxes[first]
        left = begin.x + begin.width / 4
        back = ((centre, middle + CONTROL_SIZE[1] / 2), (centre, below), (left, below), (left, begin.y + begin.height))
        self.found.routes.append(Route(node, 0, back, (left, below)))
        right = x + CONTROL_SIZE[0]
        return _straight(node, 1, right, middle), right + GAP

    def rows(
        self, item: Fork | Branch | Select, ports: list[Port], x: float, middle: float
    ) -> tuple[list[Port], float]:
        node = self.node(CONTROL_SIZE, x, middle, ports)
        x += CONTROL_SIZE[0]
        several = isinstance(item, Select) and item.items > 1
        heights, chosen = _row_heights(item), drawn(len(item.bodies))
        y = middle - (sum(heights) + SPACE * (len(heights) - 1)) / 2
        ends: list[Port] = []
        right = start = x + BEND + GAP
        row = 0
        for i, inner in enumerate(item.bodies):
            if i not in chosen:
                self.number += _count(inner) + several
                continue
            if i == len(item.bodies) - 1 and len(chosen) < len(item.bodies):
                words = f"... {len(item.bodies) - len(chosen)} more"
                self.found.boxes.append(Box(-1, start, y, TASK_SIZE[0], LANE, words))
                y, row = y + heights[row] + SPACE, row + 1
            centre = y + heights[row] / 2
            begin, first = (x + BEND, centre), len(self.found.boxes)
            inside, end = self.body(inner, [Port(node, i, begin, ((x, middle), begin))], start, centre)
            if several:
                port, end = self.again(end, centre, inside, first, heights[row] / 2 - LANE)
                inside = [port]
            ends += inside
            right = max(right, end)
            y, row = y + heights[row] + SPACE, row + 1
        # each edge stays in its row until the longest one has ended
        ends = [port.via(right) for port in ends]
        if isinstance(item, Branch):
            return ends, right + BEND
        join = self.node(CONTROL_SIZE, right + BEND, middle, ends)
        right += BEND + CONTROL_SIZE[0]
        return [_straight(join, 0, right, middle)], right + GAP


def _straight(node: int, order: int, x: float, y: float) -> Port:
    return Port(node, order, (x, y), ((x, y),))


def _count(body: Seq) -> int:
    """Return the number of nodes of a body that is not drawn."""
    number = 0
    for item in body.items:
        if isinstance(item, Task):
            number += 1
        elif isinstance(item, Loop):
            number += _count(item.body) + 1 + (item.count is not None)
        else:
            several = isinstance(item, Select) and item.items > 1
            number += sum(_count(inner) + several for inner in item.bodies) + 1 + (not isinstance(item, Branch))
    return number
