"""Recorded graphs as programs: what waits for what is the same, or more where barriers were asked for."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import octomodel as om
from octomodel import checks, mapping, yaml_text
from octomodel.errors import ModelError
from octomodel.importers.build import Imported, Names, build
from octomodel.importers.dag import Dag, Recorded, ordered

Pairs = set[tuple[int, int]]


def dag(n: int, edges: Pairs, cycles: Any = None) -> Dag:
    tasks = []
    waited: dict[int, list[int]] = {}
    for u, v in sorted(edges):
        waited.setdefault(v, []).append(u)
    for v in range(n):
        before = tuple(waited.get(v, ()))
        time = float(cycles[v]) if cycles is not None else 1.0 + v
        places = tuple(f"f.tasks[{v}].parents[{u}]" for u in before)
        tasks.append(Recorded(f"t{v}", f"f.tasks[{v}]", "work", time, 0, "ai", before, places))
    return ordered("f", tasks)


def closure(n: int, edges: Pairs) -> Pairs:
    graph = networkx.DiGraph(sorted(edges))
    graph.add_nodes_from(range(n))
    return set(networkx.transitive_closure_dag(graph).edges())


def waits(workflow: om.Workflow) -> Pairs:
    """Return which tasks of a workflow wait for which, read from its flat graph."""
    flat = networkx.DiGraph(workflow.graph().to_networkx())
    numbers = {task.name: int(task.name[1:]) for task in workflow.tasks}
    return {(numbers[u], numbers[v]) for u in numbers for v in networkx.descendants(flat, u) if v in numbers}


def holds_n(n: int, order: Pairs) -> bool:
    """Return whether some four tasks form an N, looking at all of them."""
    below = order.__contains__
    for a, b, c, d in permutations(range(n), 4):
        if below((a, c)) and below((b, c)) and below((b, d)):
            apart = (pair for pair in combinations((a, b, c, d), 2) if {*pair} not in ({a, c}, {b, c}, {b, d}))
            if not any(below(pair) or below(pair[::-1]) for pair in apart):
                return True
    return False


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, Pairs]:
    n = draw(st.integers(1, 7))
    pairs = list(combinations(range(n), 2))
    return n, set(draw(st.lists(st.sampled_from(pairs), unique=True))) if pairs else set()


@st.composite
def programs(draw: st.DrawFn) -> tuple[int, Pairs]:
    """Series-parallel orders by construction, with some of the dependencies that others imply."""

    def grow(first: int, n: int, series: bool) -> Pairs:
        if n == 1:
            return set()
        cut = draw(st.integers(1, n - 1))
        left, right = grow(first, cut, not series), grow(first + cut, n - cut, not series)
        across = {(u, v) for u in range(first, first + cut) for v in range(first + cut, first + n)}
        return left | right | (across if series else set())

    n = draw(st.integers(1, 12))
    return n, grow(0, n, draw(st.booleans()))


@given(graphs())
def test_what_is_refused_holds_an_n_and_names_one_of_its_edges(graph: tuple[int, Pairs]) -> None:
    n, edges = graph
    order = closure(n, edges)
    try:
        found = build(dag(n, edges), "g", "refuse")
    except ModelError as error:
        assert holds_n(n, order)
        u, v = (int(name[1:]) for name in error.value.split(" -> "))
        assert (u, v) in edges & set(networkx.transitive_reduction(whole(n, edges)).edges())
        assert error.path == f"f.tasks[{v}].parents[{u}]"
        # the tasks before it, in the order of the graph, are a program still
        build(dag(v, {pair for pair in edges if max(pair) < v}), "g", "refuse") if v else None
        return
    assert not holds_n(n, order)
    assert waits(found.workflow) == order
    assert (found.added, found.regions, found.told) == (0, 0, "")


@given(programs())
def test_programs_come_back(graph: tuple[int, Pairs]) -> None:
    n, order = graph
    found = build(dag(n, order), "g", "refuse")
    assert waits(found.workflow) == order
    assert found.dependencies - found.implied == len(networkx.transitive_reduction(whole(n, order)).edges())
    assert build(dag(n, order), "g", "levels").workflow == found.workflow


def whole(n: int, edges: Pairs) -> Any:
    graph = networkx.DiGraph(sorted(edges))
    graph.add_nodes_from(range(n))
    return graph


def longest(workflow: om.Workflow) -> float:
    """Return the cycles of the longest way through the flat graph of a workflow."""
    flat = networkx.DiGraph(workflow.graph().to_networkx())
    times = {task.name: task.time.law.mean for task in workflow.tasks}
    for _, v, data in flat.edges(data=True):
        data["cycles"] = times.get(v, 0.0)
    flat.add_node("begin")
    first = next(node for node in flat if node != "begin" and not flat.in_degree(node))
    flat.add_edge("begin", first, cycles=times.get(first, 0.0))
    return float(networkx.dag_longest_path_length(flat, weight="cycles"))


@given(graphs(), st.lists(st.integers(0, 50), min_size=7, max_size=7))
def test_levels_add_and_never_remove(graph: tuple[int, Pairs], cycles: list[int]) -> None:
    n, edges = graph
    found: Imported = build(dag(n, edges, cycles), "g", "levels")
    order, made = closure(n, edges), waits(found.workflow)
    assert made >= order
    assert found.path_cycles == longest(found.workflow)
    assert found.path_cycles >= found.recorded_path_cycles
    before = networkx.DiGraph(whole(n, edges))
    ends = [0] * n
    for v in networkx.topological_sort(before):
        ends[v] = cycles[v] + max((ends[u] for u in before.predecessors(v)), default=0)
    assert found.recorded_path_cycles == max(ends)
    # what is added stands between neighbours, and everything else that is new follows from it
    added = networkx.transitive_reduction(whole(n, made)).edges() - order
    assert found.added == len(added) and (found.added > 0) == (made != order)


def test_only_what_is_not_series_parallel_becomes_levels() -> None:
    """An N between two tasks, beside a chain: the chain and what is around the N stay as they are."""
    edges = {(0, 1), (0, 2), (1, 3), (2, 3), (2, 4), (3, 5), (4, 5), (0, 6), (6, 7), (7, 8), (5, 9), (8, 9)}
    found = build(dag(10, edges, [1] * 10), "g", "levels")
    names = [type(item).__name__ for item in found.workflow.program.items]
    assert names == ["Task", "Fork", "Task"]
    assert waits(found.workflow) - closure(10, edges) == {(1, 4)}
    assert (found.regions, found.added) == (1, 1)
    assert found.told == (
        "workflow.g: barriers between levels of tasks add 1 to the 12 recorded dependencies; the longest chain takes "
        "5 cycles instead of 5, 1 times as many"
    )


def test_one_request_takes_as_long_as_the_longest_chain() -> None:
    edges = {(0, 1), (0, 2), (1, 3), (2, 3), (2, 4), (3, 5), (4, 5)}
    times = [100, 700, 200, 50, 900, 10]
    for mode, cycles in (("levels", 100 + 700 + 900 + 10),):
        found = build(dag(6, edges, times), "g", mode)
        assert (found.path_cycles, found.recorded_path_cycles) == (cycles, 100 + 200 + 900 + 10)
        machine = om.System(1, 1, tbus=6)
        ds = om.simulate(found.workflow, machine, load=om.closed(requests=3, in_flight=1), cautions=False)
        assert int(ds.makespan_cycles[0]) == 3 * cycles
    assert mapping.make(found.workflow, machine).n_pipeline == 1


def test_graphs_of_thousands_of_tasks() -> None:
    """Levels of a hundred tasks with a task between them, and a chain: no recursion, no quadratic loop in Python."""
    edges: Pairs = set()
    last, n = None, 0
    while n + 101 <= 5_000:
        level, end = range(n, n + 100), n + 100
        edges |= {(u, end) for u in level} | ({(last, u) for u in level} if last is not None else set())
        last, n = end, end + 1
    found = build(dag(n, edges, [5] * n), "wide", "refuse")
    assert (len(found.workflow.tasks), found.path_cycles) == (n, 10.0 * (n // 101))
    chain = build(dag(5_000, {(v - 1, v) for v in range(1, 5_000)}, [1] * 5_000), "chain", "refuse")
    assert chain.path_cycles == 5_000
    crossed = {(v - k, v) for v in range(40, 2_000) for k in (20, 27)}
    with pytest.raises(ModelError, match="series-parallel dependencies"):
        build(dag(2_000, crossed), "crossed", "refuse")
    assert build(dag(2_000, crossed), "crossed", "levels").regions == 1


def ladder(rungs: int) -> tuple[int, Pairs]:
    """Each rung waits for all before it and has a task beside all of this: a fork in a fork in a fork."""
    n, edges = 1, set()
    for _ in range(rungs):
        edges |= {(u, n) for u in range(n)}
        n += 2
    return n, edges


def test_forks_that_nest_too_deep() -> None:
    n, edges = ladder(63)
    assert waits(build(dag(n, edges), "deep", "refuse").workflow) == edges
    n, edges = ladder(64)
    with pytest.raises(ModelError, match=r"f\.tasks\[0\]: got more than 64 levels; allowed: forks nested at most 64 deep"):
        build(dag(n, edges), "deep", "refuse")


@pytest.mark.parametrize(("rungs", "regions"), [(8, 0), (9, 1), (500, 1)])
def test_levels_nest_no_deeper_than_a_file_may(rungs: int, regions: int) -> None:
    n, edges = ladder(rungs)
    found = build(dag(n, edges), "deep", "levels")
    assert found.regions == regions
    assert found.workflow == om.Workflow.from_dict(yaml_text.parse(yaml_text.dump(found.workflow.to_dict()), "deep"))
    checks.depth("deep", {"workflow": found.workflow.to_dict()}, yaml_text.MAX_DEPTH)


@pytest.mark.parametrize(
    ("edges", "cycle"), [({(0, 1), (1, 2), (2, 0)}, "t0 -> t1 -> t2 -> t0"), ({(1, 1)}, "t1 -> t1")]
)
def test_circles(edges: Pairs, cycle: str) -> None:
    with pytest.raises(ModelError, match=rf"^f: got '{cycle}'; allowed: tasks that do not wait for each other in a circle$"):
        dag(3, edges)


def test_what_does_nothing_is_bridged() -> None:
    tasks = [Recorded(f"t{v}", f"f[{v}]", "w", 1.0, 0, "ai") for v in range(5)]
    edges = {2: (0, 1), 3: (2, 0), 4: (2,)}
    tasks = [
        Recorded(t.key, t.place, t.type, 1.0, 0, "ai", edges.get(v, ()), tuple(f"{v}-{u}" for u in edges.get(v, ())))
        for v, t in enumerate(tasks)
    ]
    found = ordered("f", tasks, {2})
    assert [task.key for task in found.tasks] == ["t0", "t1", "t3", "t4"]
    assert [task.before for task in found.tasks] == [(), (), (0, 1), (0, 1)]
    assert found.tasks[3].before_places == ("4-2", "4-2")


def test_names() -> None:
    names = Names()
    long = "a" * 70 + "#" + "b" * 70
    made = [names.fresh(text) for text in ("x", "x", "x_2", "1x", "", "é", long, long)]
    assert made == ["x", "x_2", "x_2_2", "t1x", "t", "t_", f"{'a' * 32}_{'b' * 31}", f"{'a' * 31}_{'b' * 30}_2"]
    assert all(len(name) <= 64 for name in made)
    assert [Names().of(text) for text in ("p", "p")] == ["p", "p"]
