"""What a request has to do, worked out alone by walking its program: the tree that every run must have followed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from octomodel.kernels.model import AGAIN, BRANCH, COUNT, END, FORK, JOIN, SELECT, TASK, UNTIL, Model
from octomodel.testing.reference_draws import Draws

ADMISSION = -1
"""Node of the step with which a request begins."""


@dataclass(eq=False, slots=True)
class Step:
    """One stop of a token on its way.

    Attributes
    ----------
    node, visit : int
        Where; the visit of a JOIN is 0, as in events.
    before : list of (Step, int)
        What must have ended first, and the bytes that come from there: one step; for a JOIN that of each child.
    cycles : int
        Length of an execution on the fastest TBU, or of a decision; a JOIN takes none.
    end : int
        Cycles from admission to the end of this step at the earliest, without transfers and waits.
    """

    node: int
    visit: int
    before: list[tuple[Step, int]]
    cycles: int = 0
    end: int = 0

    def settle(self) -> None:
        """Set ``end`` from what is before."""
        self.end = max((step.end for step, _ in self.before), default=0) + self.cycles


@dataclass(frozen=True)
class Tree:
    """All steps of one request, in the order of a walk.

    Attributes
    ----------
    executions, decisions : list of Step
        Each exactly once.
    last : Step
        After which the request ends; its ``end`` is the critical path in cycles.
    """

    executions: list[Step]
    decisions: list[Step]
    last: Step


def trees_of(model: Model) -> Trees:
    """Return the trees of the requests of a model; those of the model asked for last are kept."""
    return _trees(_Same(model))


class _Same:
    """A model as a key: equal to itself only."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.model is other.model

    def __hash__(self) -> int:
        return id(self.model)


@lru_cache(maxsize=1)
def _trees(key: _Same) -> Trees:
    return Trees(key.model)


class Trees:
    """The trees of the requests of a model, each walked once.

    Parameters
    ----------
    model : Model
        What runs.
    """

    def __init__(self, model: Model) -> None:
        self._known: dict[int, Tree] = {}
        self._attributes: dict[int, list[float]] = {}
        program, machine, load, _ = model
        self.draws = Draws(program, load)
        self.kind: list[int] = program.node_kind.tolist()
        first: list[int] = program.edge_indptr.tolist()
        edges: list[int] = program.edge_node.tolist()
        self.edges = [edges[a:b] for a, b in zip(first, first[1:], strict=False)]
        self.loop: list[int] = program.node_loop.tolist()
        self.join: list[int] = program.node_join.tolist()
        self.task: list[int] = program.node_task.tolist()
        self.out_bytes: list[int] = program.node_out_bytes.tolist()
        self.items: list[int] = program.node_items.tolist()
        self.speedup: list[float] = program.task_speedup.tolist()
        self.in_bytes = int(program.in_bytes)
        self._phase: list[int] = load.request_phase.tolist()
        works = (machine.tbu_dead == 0) & (machine.tbu_task >= 0)
        self.fastest = float(machine.tbu_speed[works].max())
        self.decision_cycles = int(machine.decision_cycles)

    def phase(self, request: int) -> int:
        """Return the phase of a request."""
        return self._phase[request] if self._phase else 0

    def cycles(self, request: int, node: int, visit: int, speed: float) -> int:
        """Return the length of one execution on a TBU of a speed."""
        factor = self.speedup[self.task[node]] * speed
        attributes = self.attributes(request)
        return self.draws.run_cycles(request, self.phase(request), node, visit, attributes, factor)

    def attributes(self, request: int) -> list[float]:
        """Return the attributes of a request."""
        if request not in self._attributes:
            self._attributes[request] = self.draws.attributes(request)
        return self._attributes[request]

    def tree(self, request: int) -> Tree:
        """Return the tree of a request."""
        if request not in self._known:
            walk = _Walk(self, request)
            last, _ = walk.run(0, END, Step(ADMISSION, 0, []), self.in_bytes)
            self._known[request] = Tree(walk.executions, walk.decisions, last)
        return self._known[request]


class _Walk:
    def __init__(self, trees: Trees, request: int) -> None:
        self.trees = trees
        self.key = (request, trees.phase(request))
        self.attributes = trees.attributes(request)
        self.visits: dict[int, int] = {}
        self.counters: dict[int, int] = {}
        self.executions: list[Step] = []
        self.decisions: list[Step] = []

    def run(self, node: int, stop: int, came: Step, payload: int) -> tuple[Step, int]:
        """Walk from a node to the END or the JOIN ``stop``; return the last step and the bytes it leaves with."""
        trees = self.trees
        while (kind := trees.kind[node]) != END and not (kind == JOIN and node == stop):
            visit = self.visits[node] = self.visits.get(node, 0) + 1
            if kind in (FORK, SELECT):
                came, payload = self.spread(node, visit, kind, came, payload)
                node = trees.edges[trees.join[node]][0]
                continue
            step = Step(node, visit, [(came, payload)])
            if kind == TASK:
                factor = trees.speedup[trees.task[node]] * trees.fastest
                step.cycles = trees.draws.run_cycles(*self.key, node, visit, self.attributes, factor)
                self.executions.append(step)
                payload = trees.out_bytes[node]
            else:
                step.cycles = trees.decision_cycles
                self.decisions.append(step)
            step.settle()
            came = step
            node = trees.edges[node][self.edge(node, kind, visit)]
        return came, payload

    def spread(self, node: int, visit: int, kind: int, came: Step, payload: int) -> tuple[Step, int]:
        """Walk through the branches of a FORK or SELECT; return the step of its JOIN and the joined bytes."""
        trees = self.trees
        join, branches = trees.join[node], trees.edges[node]
        if kind == SELECT:
            step = Step(node, visit, [(came, payload)], trees.decision_cycles)
            step.settle()
            self.decisions.append(step)
            came = step
            drawn = trees.draws.selection(*self.key, node, visit)
            if trees.items[node] > 1:
                for end, items in zip([*branches[1:], join], drawn, strict=True):
                    self.counters[trees.loop[end - 1]] = items
            branches = [branch for branch, items in zip(branches, drawn, strict=True) if items]
        joined = Step(join, 0, [self.run(branch, join, came, payload) for branch in branches])
        joined.settle()
        return joined, sum(left for _, left in joined.before)

    def edge(self, node: int, kind: int, visit: int) -> int:
        """Return which edge the token takes."""
        draws, loop = self.trees.draws, self.trees.loop[node]
        if kind in (BRANCH, AGAIN):
            return draws.branch(*self.key, node, visit)
        if kind == COUNT:
            self.counters[loop] = draws.count(*self.key, node, visit, self.attributes)
            return 0 if self.counters[loop] > 0 else 1
        if kind == UNTIL:
            self.counters[loop] -= 1
            return 0 if self.counters[loop] > 0 else 1
        return 0
