"""From what comes before what to forks and sequences: series-parallel orders, and levels where there are none.

An order is series-parallel if it is one task, or such orders one after the other (series), or such orders side by
side (parallel). Programs of tasks and forks are exactly these. An order is none if and only if it holds an N: a and b
before c, only b before d (J. Valdes, R. E. Tarjan, E. L. Lawler: The Recognition of Series Parallel Digraphs, SIAM
Journal on Computing 11(2), 1982).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from octomodel.errors import ModelError, Words
from octomodel.importers.dag import Dag
from octomodel.structure import MAX_DEPTH


@dataclass(frozen=True)
class Series:
    """Parts of which each begins when the one before has ended."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True)
class Parallel:
    """Parts that do not wait for each other."""

    parts: tuple[Tree, ...]


Tree = int | Series | Parallel
Members = list[int]


class NotSeriesParallelError(Exception):
    """Some tasks are neither one after the other nor side by side."""


DEEPEST_WRITTEN = 9
"""Forks in each other for which the levels of a file suffice; deeper ones become levels of tasks where these are wanted."""


@dataclass
class Levels:
    """Puts tasks that are not series-parallel, or too deep, into levels, each begun when the one before has ended.

    A level holds the tasks with as many others before them on their longest chain within these tasks. Counts the groups of
    such tasks, and the dependencies added.
    """

    dag: Dag
    regions: int = 0
    added: int = 0

    def __call__(self, members: Members) -> Tree:
        """Return the levels of some tasks, and count the pairs of neighbouring levels of which none waited for the other."""
        self.regions += 1
        depth: dict[int, int] = {}
        for v in members:
            depth[v] = 1 + max((depth[u] for u in self.dag.covers[v] if u in depth), default=-1)
        levels: list[Members] = [[] for _ in range(1 + max(depth.values()))]
        for v in members:
            levels[depth[v]].append(v)
        for upper, lower in zip(levels, levels[1:], strict=False):
            known = sum((self.dag.ancestors[v] & _mask(upper)).bit_count() for v in lower)
            self.added += len(upper) * len(lower) - known
        return Series(tuple(level[0] if len(level) == 1 else Parallel(tuple(level)) for level in levels))


def tree(dag: Dag, levels: Levels) -> Tree:
    """Return a graph as series and parallel parts, with levels where there are none."""
    return _split(dag, list(range(len(dag.tasks))), DEEPEST_WRITTEN, levels)


def reduced(dag: Dag) -> Tree:
    """Return a series-parallel graph as its parts.

    Raises
    ------
    ModelError
        When it is none, naming an edge: of the first task, in the order of the graph, with which it no longer is; or when
        forks nest deeper than programs may.
    """

    def refuse(members: Members) -> Tree:
        if len(_components(dag, members)) > 1:
            place = dag.tasks[members[0]].place
            raise ModelError(place, Words(f"more than {MAX_DEPTH} levels"), f"forks nested at most {MAX_DEPTH} deep")
        raise NotSeriesParallelError

    def first(n: int) -> Tree:
        return _split(dag, list(range(n)), MAX_DEPTH, refuse)

    try:
        return first(len(dag.tasks))
    except NotSeriesParallelError:
        pass
    # what is series-parallel stays so without some of its tasks, so the first ones can be found by halving
    good, bad = 1, len(dag.tasks)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            first(middle)
            good = middle
        except NotSeriesParallelError:
            bad = middle
    task = dag.tasks[good]
    u = dag.covers[good][-1]
    raise ModelError(
        task.before_places[task.before.index(u)],
        Words(f"{dag.tasks[u].key} -> {task.key}"),
        "series-parallel dependencies, as programs of forks have: those of the tasks before this one are, with its own they "
        "are not; series_parallel='levels' adds barriers",
    )


def path_cycles(dag: Dag, part: Tree) -> float:
    """Return the cycles of the longest chain of tasks in a tree."""
    if isinstance(part, int):
        return dag.tasks[part].cycles
    lengths = (path_cycles(dag, inner) for inner in part.parts)
    return sum(lengths) if isinstance(part, Series) else max(lengths)


def _split(dag: Dag, members: Members, deepest: int, otherwise: Callable[[Members], Tree]) -> Tree:
    """Return tasks as parts with at most ``deepest`` forks in each other, the last one of single tasks.

    ``otherwise`` tells what stands for tasks that are no such parts.
    """
    if len(members) == 1:
        return members[0]
    parts = _components(dag, members)
    if len(parts) > 1:
        if deepest == 1 and len(parts) < len(members):
            return otherwise(members)
        return Parallel(tuple(_split(dag, part, deepest - 1, otherwise) for part in parts))
    parts = _sections(dag, members)
    if len(parts) > 1:
        return Series(tuple(_split(dag, part, deepest, otherwise) for part in parts))
    return otherwise(members)


def _components(dag: Dag, members: Members) -> list[Members]:
    """Return the tasks that hang together, whatever the direction, in order of their first ones."""
    root = {v: v for v in members}

    def find(v: int) -> int:
        while root[v] != v:
            root[v] = v = root[root[v]]
        return v

    for v in members:
        for u in dag.covers[v]:
            if u in root:
                a, b = sorted((find(u), find(v)))
                root[b] = a
    found: dict[int, Members] = {}
    for v in members:
        found.setdefault(find(v), []).append(v)
    return list(found.values())


def _sections(dag: Dag, members: Members) -> list[Members]:
    """Return the longest list of sections such that every task of one waits for all tasks of those before."""
    cuts = []
    prefix, common = _mask(members), -1
    for k in range(len(members) - 1, 0, -1):
        prefix ^= 1 << members[k]
        common &= dag.ancestors[members[k]]
        if not prefix & ~common:
            cuts.append(k)
    bounds = [0, *reversed(cuts), len(members)]
    return [members[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]


def _mask(members: Sequence[int]) -> int:
    found = 0
    for v in members:
        found |= 1 << v
    return found
