"""A recorded graph: tasks with their durations, and which of them wait for which."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from octomodel import checks, units
from octomodel.errors import ModelError, Words

MOST_TASKS = 2**14
"""Tasks of a recorded graph: what comes before what is kept in as many bits for each."""

MOST_EDGES = 2**20
"""Dependencies of a recorded graph."""

LONGEST = 2**46
"""Cycles that one task may take, as of every time that is a number."""


@dataclass(frozen=True)
class Recorded:
    """One recorded task.

    Attributes
    ----------
    key : str
        What the file calls it; unique.
    place : str
        Where it stands in the file.
    type : str
        What it has in common with others: the program, or the operator.
    cycles : float
    out_bytes : int
    kind : {"ai", "general"}
    before : tuple of int
        Numbers of the tasks it waits for.
    before_places : tuple of str
        Where the file says so.
    """

    key: str
    place: str
    type: str
    cycles: float
    out_bytes: int
    kind: str
    before: tuple[int, ...] = ()
    before_places: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dag:
    """Recorded tasks, each after those it waits for, otherwise in the order of the file.

    Attributes
    ----------
    tasks : tuple of Recorded
    """

    tasks: tuple[Recorded, ...]

    @property
    def n_edges(self) -> int:
        """Return the number of dependencies."""
        return sum(len(task.before) for task in self.tasks)

    @cached_property
    def ancestors(self) -> tuple[int, ...]:
        """Return for each task the set of all before it: bit u is set when task u must have ended."""
        found: list[int] = []
        for task in self.tasks:
            found.append(_union(found, task.before) | sum(1 << u for u in task.before))
        return tuple(found)

    @cached_property
    def covers(self) -> tuple[tuple[int, ...], ...]:
        """Return for each task those it waits for that no other of them implies."""
        implied = (_union(self.ancestors, task.before) for task in self.tasks)
        return tuple(
            tuple(u for u in task.before if not known >> u & 1) for task, known in zip(self.tasks, implied, strict=True)
        )

    @cached_property
    def critical_path_cycles(self) -> float:
        """Return the cycles of the longest chain of tasks that wait for each other."""
        ends: list[float] = []
        for task in self.tasks:
            ends.append(task.cycles + max((ends[u] for u in task.before), default=0.0))
        return max(ends)


def ordered(path: str, tasks: Sequence[Recorded], idle: Container[int] = ()) -> Dag:
    """Return recorded tasks as a graph, numbered anew so that each stands after all it waits for.

    Parameters
    ----------
    path : str
        Where the list of tasks stands.
    tasks : sequence of Recorded
        In the order of the file.
    idle : container of int
        Numbers of tasks that do nothing: they are left out, and what waits for one waits for what it waits for.

    Raises
    ------
    ModelError
        When there is no task, there are too many, or some wait for each other in a circle.
    """
    import networkx

    graph = networkx.DiGraph()
    graph.add_nodes_from(range(len(tasks)))
    graph.add_edges_from((u, v) for v, task in enumerate(tasks) for u in task.before)
    if not networkx.is_directed_acyclic_graph(graph):
        cycle = [tasks[u].key for u, _ in networkx.find_cycle(graph)]
        raise ModelError(path, " -> ".join([*cycle, cycle[0]]), "tasks that do not wait for each other in a circle")
    order = list(networkx.lexicographical_topological_sort(graph))
    number = {u: i for i, u in enumerate(u for u in order if u not in idle)}
    if not 1 <= len(number) <= MOST_TASKS:
        raise ModelError(path, Words(f"{len(number)} tasks"), f"from 1 to {MOST_TASKS} tasks")
    found: list[Recorded] = []
    behind: dict[int, tuple[int, ...]] = {}
    n_edges = 0
    for v in order:
        places: dict[int, str] = {}
        for u, place in zip(tasks[v].before, tasks[v].before_places, strict=True):
            for w in behind[u] if u in idle else (number[u],):
                places.setdefault(w, place)
        n_edges += len(places)
        if n_edges > MOST_EDGES:
            raise ModelError(path, Words(f"more than {MOST_EDGES} dependencies"), f"at most {MOST_EDGES} dependencies")
        if v in idle:
            behind[v] = tuple(places)
        else:
            found.append(replace(tasks[v], before=tuple(places), before_places=tuple(places.values())))
    return Dag(tuple(found))


def clock(path: str, value: float | str) -> Fraction:
    """Return cycles per second from a number or a text such as "1.2 GHz"."""
    if isinstance(value, str):
        value = units.frequency(path, value)
    return Fraction(repr(checks.real(path, value, 1.0, 1e15)))


def fallback(path: str, value: float | str | None, cycles_per_second: Fraction) -> float | None:
    """Return the cycles of a task without a duration from a number of cycles or a text such as "5 us"; None: refused."""
    if value is None:
        return None
    if isinstance(value, str):
        value = float(units.cycles(path, value, cycles_per_second))
    return checks.real(path, value, high=LONGEST)


def cycles(path: str, value: object, per_unit: Fraction) -> float:
    """Return a duration in cycles; a float stands for its shortest decimal form.

    Examples
    --------
    >>> cycles("runtimeInSeconds", 4.2, Fraction(10**9))
    4200000000.0
    """
    exact = Fraction(repr(checks.real(path, value))) * per_unit
    if exact > LONGEST:
        allowed = f"at most {float(LONGEST / per_unit):g}, which takes 2^46 cycles; more with a lower clock_hz"
        raise ModelError(path, value, allowed)
    return float(exact)


def missing(path: str, key: str, where: str) -> ModelError:
    """Return the error for a task without a duration."""
    return ModelError(path, Words(f"no duration of {key}"), f"one in {where}; duration=... gives one to all that have none")


def _union(sets: Sequence[int], which: Sequence[int]) -> int:
    found = 0
    for u in which:
        found |= sets[u]
    return found
