"""What one request of a phase asks of the stations of its pipeline: visits, times and ways, from the program alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from octomodel.demand import Factor, Walk
from octomodel.elements import Scaled
from octomodel.errors import ModelError
from octomodel.flow import flow
from octomodel.graph import Graph
from octomodel.kernels.model import AGAIN, BRANCH, COUNT, JOIN, SELECT, TASK, UNTIL
from octomodel.spread import spread
from octomodel.workflow import Workflow

F64 = NDArray[np.float64]
DECIDE = (BRANCH, COUNT, UNTIL, AGAIN, SELECT)


@dataclass(frozen=True, eq=False)
class Profile:
    """Means per request of one phase.

    Attributes
    ----------
    visits : float64[tb]
        Executions.
    mean, scv : float64[tb]
        Of the time of an execution, in cycles on one PEA at speed 1, over all executions.
    entry : float64[tb]
        Tokens that come from the source.
    routing : float64[tb, tb]
        Tokens for one task (column) of each execution of another (row); what forks makes a row sum up to more than 1.
    turns, turns_square : float64[tb]
        Executions, one right after the other, of a token that comes from elsewhere: mean, and mean of the square.
    chance : float64[tb]
        Variance of the ways that tokens take behind a task, over that of independent draws: that of the turns of a counted
        loop, over that of geometric ones; 1 behind all else.
    held : float64[tb]
        Decisions for which a TBU holds what it has finished.
    decisions : float
        All decisions.
    task_node : int64[tb]
        Node of each task.
    moves : tuple of (int, float, float)
        Tokens pushed to each task, or to a join: its node, bytes of one token, number.
    """

    visits: F64
    mean: F64
    scv: F64
    entry: F64
    routing: F64
    turns: F64
    turns_square: F64
    chance: F64
    held: F64
    decisions: float
    task_node: NDArray[np.int64]
    moves: tuple[tuple[int, float, float], ...]


@lru_cache(maxsize=256)
def profile(workflow: Workflow, phase: str | None) -> Profile:
    """Return what one request of a phase asks for.

    Parameters
    ----------
    workflow : Workflow
    phase : str or None
        None: of a workflow without phases.

    Returns
    -------
    Profile

    Raises
    ------
    ModelError
        When the time of a task has no finite variance.

    Examples
    --------
    >>> from octomodel import loop, task
    >>> found = profile(Workflow("retry", task("a", 100), loop(task("b", 50), again=0.25)), None)
    >>> found.visits.round(3), found.routing.round(3).tolist(), found.turns.round(3)
    (array([1.   , 1.333]), [[0.0, 1.0], [0.0, 0.25]], array([1.   , 1.333]))
    """
    graph, flowing = workflow.graph(), flow(workflow, phase)
    visited = np.array(flowing.visits)
    mean, scv = _times(workflow, phase)
    steps = _steps(graph, visited, flowing.edges)
    kinds = np.array([node.kind for node in graph.nodes])
    tasks = np.flatnonzero(kinds == TASK)
    entry, routing = _ways(steps, tasks)
    decides = np.isin(kinds, DECIDE)
    visits = visited[tasks]
    squares = _squares(workflow, phase, visits)
    turns, square = _turns(visits, squares, np.diag(routing))
    chance = _chance(graph, visited, tasks, squares)
    return Profile(
        visits,
        mean,
        scv,
        entry,
        routing,
        turns,
        square,
        chance,
        _held(steps, kinds, decides)[tasks],
        float(visited[decides].sum()),
        tasks,
        _moves(graph, flowing.edges, flowing.payloads, workflow.in_bytes),
    )


@lru_cache(maxsize=64)
def mixed(workflow: Workflow) -> Profile:
    """Return what one request asks for when phases change so often that stations see the mean of all.

    Examples
    --------
    >>> from octomodel import branch, phases_by_request, seq, task
    >>> some = branch({"p": 1, "q": 0}, p=task("a", 100), q=seq())
    >>> turns = phases_by_request([("all", 1), ("none", 3)], none={"p": 0, "q": 1})
    >>> mixed(Workflow("few", some, phases=turns)).visits
    array([0.25])
    """
    plan = workflow.phases
    if plan is None or len(plan.names) == 1:
        return profile(workflow, None if plan is None else plan.names[0])
    parts = [profile(workflow, name) for name in plan.names]
    share = np.array(plan.shares)[:, None]
    runs = share * np.array([part.visits for part in parts])
    visits = runs.sum(axis=0)
    over = runs / np.where(visits > 0.0, visits, 1.0)
    mean = (over * [part.mean for part in parts]).sum(axis=0)
    square = (over * [part.mean**2 * (1.0 + part.scv) for part in parts]).sum(axis=0)
    routing = sum(weight[:, None] * part.routing for weight, part in zip(over, parts, strict=True))
    begun = share * np.array([part.visits / part.turns for part in parts])
    entries = begun.sum(axis=0)
    turns_square = (begun * [part.turns_square for part in parts]).sum(axis=0) / np.where(entries > 0.0, entries, 1.0)
    moves = tuple(
        (node, n_bytes, float(weight) * number)
        for weight, part in zip(share[:, 0], parts, strict=True)
        for node, n_bytes, number in part.moves
    )
    return Profile(
        visits,
        mean,
        np.maximum(square / np.where(mean > 0.0, mean, 1.0) ** 2 - 1.0, 0.0) * (mean > 0.0),
        (share * [part.entry for part in parts]).sum(axis=0),
        np.asarray(routing),
        np.where(entries > 0.0, visits / np.where(entries > 0.0, entries, 1.0), 1.0),
        np.where(entries > 0.0, turns_square, 1.0),
        (over * [part.chance for part in parts]).sum(axis=0) + (visits == 0.0),
        (over * [part.held for part in parts]).sum(axis=0),
        float(share[:, 0] @ [part.decisions for part in parts]),
        parts[0].task_node,
        moves,
    )


def _steps(graph: Graph, visited: F64, edges: tuple[tuple[float, ...], ...]) -> F64:
    """Return the tokens on the way from each node to each other one, for every token that comes to it."""
    n = len(graph.nodes)
    steps = np.zeros((n, n))
    came = np.zeros(n)
    for i, node in enumerate(graph.nodes):
        for to, tokens in zip(node.edges, edges[i], strict=True):
            came[to] += tokens
            if visited[i] > 0.0:
                steps[i, to] += tokens / visited[i]
    for i, node in enumerate(graph.nodes):
        # a join makes one of several
        if node.kind == JOIN and came[i] > 0.0:
            steps[i] *= visited[i] / came[i]
    return steps


def _ways(steps: F64, tasks: NDArray[np.int64]) -> tuple[F64, F64]:
    """Return the tokens for each task from the source, and those of each execution, whatever lies between."""
    between = steps.copy()
    between[:, tasks] = 0.0
    reach = np.asarray(np.linalg.solve(np.eye(len(steps)) - between, steps[:, tasks]), np.float64)
    entry = (tasks == 0).astype(np.float64) if 0 in tasks else reach[0]
    return entry, reach[tasks]


def _held(steps: F64, kinds: NDArray[np.int64], decides: NDArray[np.bool_]) -> F64:
    """Return the decisions that each node's token meets before it is pushed to a task or a join."""
    ways = steps.copy()
    ways[:, (kinds == TASK) | (kinds == JOIN)] = 0.0
    return np.asarray(np.linalg.solve(np.eye(len(steps)) - ways, ways @ decides.astype(np.float64)))


def _moves(
    graph: Graph, edges: tuple[tuple[float, ...], ...], payloads: tuple[tuple[tuple[int, int], ...], ...], in_bytes: int
) -> tuple[tuple[int, float, float], ...]:
    found = [
        (to, (low + high) / 2.0, tokens)
        for i, node in enumerate(graph.nodes)
        for to, tokens, (low, high) in zip(node.edges, edges[i], payloads[i], strict=True)
        if graph.nodes[to].kind in (TASK, JOIN) and tokens > 0.0
    ]
    if graph.nodes[0].kind in (TASK, JOIN):
        found.append((0, float(in_bytes), 1.0))
    return tuple(found)


def _times(workflow: Workflow, phase: str | None) -> tuple[F64, F64]:
    """Return mean and squared coefficient of variation of the times over all executions of a phase."""
    visits, demand = workflow.visits(phase), workflow.demand(phase)
    squares = _Squares(workflow, phase).result().demand
    mean, scv = np.zeros(len(visits)), np.zeros(len(visits))
    for i, name in enumerate(visits):
        if demand[name] > 0.0:
            mean[i] = demand[name] / visits[name]
            scv[i] = max(squares[name] / visits[name] / mean[i] ** 2 - 1.0, 0.0)
        if not math.isfinite(mean[i]) or not math.isfinite(scv[i]):
            allowed = "a time with a finite variance: theory needs it"
            raise ModelError(f"workflow.{workflow.name}.{name}.time", f"mean {mean[i]:g}, squared CV {scv[i]:g}", allowed)
    return mean, np.asarray(np.where(scv < 1e-9, 0.0, scv), np.float64)


class _Squares(Walk):
    """Sums of the squares of the times of all executions, where ``Walk`` sums the times."""

    def scale(self, factor: Factor, amount: Scaled) -> Factor:
        law = amount.law
        number = factor.number * (law.mean**2 + law.variance) if law.mean > 0 else 0.0
        if amount.attribute is None:
            return Factor(number * max(amount.base, 0.0) ** 2, factor.by_group)
        group, values = self.attribute(amount.attribute)
        return self.times(number, factor, group, np.maximum(amount.base + amount.slope * values, 0.0) ** 2)


def _squares(workflow: Workflow, phase: str | None, visits: F64) -> F64:
    """Return the mean square of the executions per request."""
    counts = spread(workflow, phase)
    return np.asarray(visits**2 * (1.0 + np.array([counts[task.name].frequency_cv for task in workflow.tasks]) ** 2))


def _turns(visits: F64, squares: F64, stays: F64) -> tuple[F64, F64]:
    """Return mean, and mean of the square, of the executions that follow each other at once at each task."""
    turns = 1.0 / (1.0 - stays)
    entries = visits * (1.0 - stays)
    # one entry at most: all executions of a request follow each other; else as many turns as by chance
    once = (entries > 0.0) & (entries <= 1.0 + 1e-9)
    found = np.where(once, squares / np.where(once, entries, 1.0), turns**2 * (1.0 + stays))
    return turns, np.where(stays > 0.0, np.maximum(found, turns**2), 1.0)


def _chance(graph: Graph, visited: F64, tasks: NDArray[np.int64], squares: F64) -> F64:
    """Return the variance of the ways behind each task, where it ends the turn of a counted loop that is entered once."""
    entered = {node.loop: visited[i] for i, node in enumerate(graph.nodes) if node.kind == COUNT}
    chance = np.ones(len(tasks))
    for i, at in enumerate(tasks.tolist()):
        end = graph.nodes[at].edges[0]
        node = graph.nodes[end]
        if node.kind != UNTIL or node.loop not in entered:
            continue
        entries = entered[node.loop]
        turns = visited[end] / entries if entries > 0.0 else 0.0
        if turns > 1.0 and entries <= 1.0 + 1e-9 and abs(visited[at] - visited[end]) <= 1e-9 * visited[end]:
            chance[i] = max(squares[i] / entries - turns**2, 0.0) / (turns * (turns - 1.0))
    return chance
