"""The flat graph: numbering by rule 1.1, drawings, and the way to networkx and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx
import pytest
from hypothesis import given

from octomodel import dist
from octomodel.errors import ModelError
from octomodel.flow import flow
from octomodel.graph import KIND_NAMES
from octomodel.kernels.model import AGAIN, COUNT, END, FORK, JOIN, SELECT, TASK, UNTIL
from octomodel.phases import phases_by_request
from octomodel.program import branch, by_phase, fork, loop, per, select, seq, task
from octomodel.testing.workflows import workflows
from octomodel.workflow import Workflow


def example() -> Workflow:
    """Return a workflow with every element; the numbers of its nodes stand in the comments."""
    return Workflow(
        "all",
        task("a", dist.Exponential(5), out_bytes=9, kind="general"),  # 0
        branch({"x": 0.5, "y": 0.5}, x=seq(), y=task("b", 2)),  # 1; 2
        loop(task("c", by_phase(3, busy=4)), count=per("n", 1)),  # 3; 4; 5
        loop(task("d", 4), again=by_phase(0.25, busy=0.5), name="retry"),  # 6; 7
        fork(task("e", 5), seq()),  # 8; 9; 10
        select(1, {"p": 1, "q": 2}, items=2, p=task("f", 1), q=task("g", 1)),  # 11; 12, 13; 14, 15; 16
        attributes={"n": [1, 2]},
        phases=phases_by_request([("calm", 1), ("busy", 1)]),
    )


def test_nodes_and_edges_are_those_of_rule_1_1() -> None:
    graph = example().graph()
    kinds = (
        "task branch task count task until task again fork task join select task until task until join end"
    )
    assert [KIND_NAMES[node.kind] for node in graph.nodes] == kinds.split()
    edges = [node.edges for node in graph.nodes]
    assert edges == [
        (1,), (3, 2), (3,), (4, 6), (5,), (4, 6), (7,), (6, 8), (9, 10), (10,), (11,),
        (12, 14), (13,), (12, 16), (15,), (14, 16), (17,), (),
    ]  # fmt: skip
    assert [(i, node.join) for i, node in enumerate(graph.nodes) if node.join >= 0] == [(8, 10), (11, 16)]
    assert [(i, n.loop) for i, n in enumerate(graph.nodes) if n.loop >= 0] == [
        (3, 0),
        (5, 0),
        (13, 1),
        (15, 2),
    ]
    assert graph.n_loop == 3


def test_made_up_names_give_way_to_given_ones() -> None:
    wf = Workflow("w", task("end", 1), fork(task("fork1", 1), task("fork1.join", 1)))
    assert [node.name for node in wf.graph().nodes] == [
        "end",
        "fork1_",
        "fork1",
        "fork1.join",
        "fork1.join_",
        "end_",
    ]


@given(workflows())
def test_every_graph_keeps_the_structural_rules(wf: Workflow) -> None:
    nodes = wf.graph().nodes
    assert len({node.name for node in nodes}) == len(nodes)
    assert [node.name for node in nodes if node.kind == TASK] == [task.name for task in wf.tasks]
    assert [node.kind for node in nodes].count(END) == 1 and nodes[-1].kind == END
    wanted = {TASK: 1, JOIN: 1, COUNT: 2, UNTIL: 2, AGAIN: 2, END: 0}
    for i, node in enumerate(nodes):
        assert len(node.edges) == wanted.get(node.kind, len(node.edges)) >= (node.kind != END)
        for order, successor in enumerate(node.edges):
            assert (successor <= i) == (node.kind in (UNTIL, AGAIN) and order == 0)
        assert (node.join > i and nodes[node.join].kind == JOIN) == (node.kind in (FORK, SELECT))
        if node.kind == SELECT and any(n.element is node.element and n.kind == UNTIL for n in nodes):
            for following in (*node.edges[1:], node.join):
                assert nodes[following - 1].kind == UNTIL
    graph = networkx.DiGraph([(i, j) for i, node in enumerate(nodes) for j in node.edges])
    assert networkx.descendants(graph, 0) | {0} == set(range(len(nodes)))
    assert networkx.ancestors(graph, len(nodes) - 1) | {len(nodes) - 1} == set(range(len(nodes)))
    graph.remove_nodes_from([i for i, node in enumerate(nodes) if node.kind == TASK])
    assert networkx.is_directed_acyclic_graph(graph)  # every turn of a loop passes a task


@given(workflows())
def test_networkx_and_back_is_the_same_program(wf: Workflow) -> None:
    options: dict[str, Any] = {"attributes": wf.attributes, "phases": wf.phases}
    options |= {"in_bytes": wf.in_bytes, "milestones": wf.milestones}
    assert Workflow.from_networkx(wf.graph().to_networkx(), wf.name, **options) == wf


def test_nested_loops_that_begin_at_one_node_come_back() -> None:
    inner = loop(loop(task("a", 1), again=0.1, name="in"), again=0.2, name="out")
    wf = Workflow("w", select(1, {"x": 1}, items=2, x=inner))
    assert Workflow.from_networkx(wf.graph().to_networkx(), "w") == wf


def test_a_plain_digraph_with_numbers_is_enough() -> None:
    graph = networkx.DiGraph()
    graph.add_node("a", kind="task", time=10)
    graph.add_node("retry", kind="again", again=0.5)
    graph.add_node("stop", kind="end")
    graph.add_edges_from([("a", "retry"), ("retry", "a"), ("retry", "stop")])
    assert Workflow.from_networkx(graph, "w") == Workflow("w", loop(task("a", 10), again=0.5, name="retry"))


Change = Callable[[Any], object]


def add_task(graph: Any, name: str) -> None:
    graph.add_node(name, kind="task", time=1)


def stray(graph: Any) -> None:
    add_task(graph, "stray")
    graph.add_edge("stray", "end", order=0)


def sink(graph: Any) -> None:
    graph.add_node("other", kind="end")
    graph.add_edge("branch1", "other", order=2)


def dead_end(graph: Any) -> None:
    add_task(graph, "u")
    add_task(graph, "v")
    graph.add_edges_from([("u", "v", {"order": 0}), ("v", "u", {"order": 0}), ("branch1", "u", {"order": 2})])


def move(source: str, target: str, to: str) -> Change:
    def change(graph: Any) -> None:
        data = graph[source][target][0]
        graph.remove_edge(source, target)
        graph.add_edge(source, to, **data)

    return change


@pytest.mark.parametrize(
    ("change", "path", "part"),
    [
        (lambda g: g.clear(), "graph", "with nodes"),
        (stray, "graph", "one node to start from"),
        (sink, "graph", "one node of kind end"),
        (dead_end, "graph.u", "from which the end can be reached"),
        (lambda g: g.nodes["a"].update(kind="tusk"), "graph.a.kind", "did you mean 'task'"),
        (lambda g: g.nodes["a"].pop("time"), "graph.a.time", "time is required"),
        (lambda g: g.nodes["a"].update(tiem=1), "graph.a.tiem", "did you mean 'time'"),
        (lambda g: g.nodes["retry"].update(again=1.0), "graph.retry.again", "cannot end"),
        (lambda g: g.add_node("no good", kind="task"), "graph.no good", "a letter"),
        (lambda g: g.add_edge("a", "c", order=1), "graph.a", "1 for a node of kind task"),
        (lambda g: g["branch1"]["b"][0].pop("choice"), "graph.branch1->b.choice", "choice is required"),
        (lambda g: g["branch1"]["b"][0].update(choice="x"), "graph.branch1->b.choice", "each choice once"),
        (lambda g: g["branch1"]["b"][0].update(probability=0.6), "graph.branch1.probabilities", "sum to 1.1"),
        (lambda g: g["branch1"]["b"][0].update(order=-1), "graph.branch1->b.order", "from 0"),
        (move("b", "loop1", "a"), "graph", "'a->branch1->b->a'"),
        (move("b", "loop1", "c"), "graph", "'b->c'"),
        (move("retry", "d", "c"), "graph", "'retry->c'"),
        (move("retry", "d", "retry"), "graph", "'retry->retry'"),
        (move("e", "fork1.join", "select1"), "graph", "'select1.join->end'"),
        (move("f", "select1.p.until", "select1.q.until"), "graph", "['a', 'select1.p.until']"),
        (move("g", "select1.q.until", "select1.p.until"), "graph", "one node to start from"),
        (move("select1.p.until", "select1.join", "end"), "graph", "'select1.p.until->end'"),
        (move("loop1.until", "c", "a"), "graph", "'loop1.until->a'"),
        (move("fork1", "fork1.join", "c"), "graph", "'c->loop1.until->d->retry->fork1->c'"),
        (move("b", "loop1", "fork1.join"), "graph", "'select1.join->end'"),
        (move("c", "loop1.until", "retry"), "graph", "one node to start from"),
        (lambda g: g.nodes["fork1"].update(kind="task", time=1), "graph.fork1", "1 for a node of kind task"),
        (lambda g: g.nodes["e"].update(kind="join"), "graph", "crosses the border of one"),
        (
            lambda g: g.nodes["select1.join"].update(kind="task", time=1),
            "graph",
            "'select1.p.until->select1.join'",
        ),
        (
            lambda g: g.nodes["loop1.until"].update(kind="join"),
            "graph.loop1.until",
            "1 for a node of kind join",
        ),
    ],
)
def test_graphs_that_are_no_program_are_refused_at_the_edge(change: Change, path: str, part: str) -> None:
    wf = example()
    graph = wf.graph().to_networkx()
    change(graph)
    with pytest.raises(ModelError) as caught:
        Workflow.from_networkx(graph, "w", attributes=wf.attributes, phases=wf.phases)
    assert caught.value.path == path
    assert part in str(caught.value)


def test_undeclared_cycles_and_unmatched_joins_are_refused() -> None:
    graph = networkx.MultiDiGraph()
    for name in ("s", "a", "b"):
        add_task(graph, name)
    graph.add_node("pick", kind="branch")
    graph.add_node("end", kind="end")
    graph.add_edges_from([("s", "a"), ("a", "b"), ("b", "pick")])
    graph.add_edge("pick", "a", order=0, choice="x", probability=0.5)
    graph.add_edge("pick", "end", order=1, choice="y", probability=0.5)
    with pytest.raises(ModelError, match="got 'a->b->pick->a'"):
        Workflow.from_networkx(graph, "w")
    graph = networkx.MultiDiGraph()
    graph.add_node("fork", kind="fork")
    graph.add_node("turns", kind="count", count=2)
    add_task(graph, "a")
    graph.add_node("join", kind="join")
    graph.add_node("end", kind="end")
    graph.add_edges_from(
        [("fork", "turns"), ("turns", "a"), ("turns", "join"), ("a", "join"), ("join", "end")]
    )
    with pytest.raises(ModelError, match="got 'a->join'.*crosses the border"):
        Workflow.from_networkx(graph, "w")
    graph = networkx.MultiDiGraph()
    add_task(graph, "a")
    graph.add_node("join", kind="join")
    graph.add_node("end", kind="end")
    graph.add_edges_from([("a", "join"), ("join", "end")])
    with pytest.raises(ModelError, match="got 'a->join'.*crosses the border"):
        Workflow.from_networkx(graph, "w")
    with pytest.raises(ModelError, match="networkx.DiGraph"):
        Workflow.from_networkx(networkx.Graph([("a", "b")]), "w")


def test_deep_graphs_are_refused_without_recursion() -> None:
    graph = networkx.MultiDiGraph()
    n = 100
    for i in range(n):
        graph.add_node(f"f{i}", kind="fork")
        graph.add_node(f"j{i}", kind="join")
    add_task(graph, "a")
    graph.add_node("end", kind="end")
    chain = [*(f"f{i}" for i in range(n)), "a", *(f"j{i}" for i in reversed(range(n))), "end"]
    networkx.add_path(graph, chain, order=0)
    with pytest.raises(ModelError, match="more than 64 levels"):
        Workflow.from_networkx(graph, "w")


def test_drawings_with_what_flows() -> None:
    fetched = loop(task("b", 2000), again=0.5)
    wf = Workflow("w", task("a", 1000, out_bytes=2048), branch({"x": 0.25, "y": 0.75}, x=fetched, y=seq()), in_bytes=7)
    graph, flowing = wf.graph(), flow(wf)
    dot = graph.to_dot(flowing)
    assert r'"a" [shape=box, label="a\n1 visit\n1k cycles, 50.0%"];' in dot
    assert r'"branch1" -> "b" [label="x 0.25\n0.25 x 2.05kB"];' in dot
    assert r'"a" -> "branch1" [label="1 x 2.05kB"];' in dot
    mermaid = graph.to_mermaid(flowing).splitlines()
    assert '  n2["b<br/>0.5 visits<br/>1k cycles, 50.0%"]' in mermaid
    assert '  n1 -- "y 0.75<br/>0.75 x 2.05kB" --> n4' in mermaid
    assert '  n3 -- "again 0.5<br/>0.25 x 0B" --> n2' in mermaid and '  n4((("end<br/>1 visit")))' in mermaid


def test_drawings() -> None:
    wf = Workflow("w", task("a", 1), branch({"x": 0.25, "y": 0.75}, x=loop(task("b", 1), again=0.5), y=seq()))
    graph = wf.graph()
    assert graph.to_text().splitlines() == [
        "    0 task   a       -> branch1",
        "    1 branch branch1 -> b, end",
        "    2 task   b       -> loop1",
        "    3 again  loop1   -> b, end",
        "    4 end    end    ",
    ]
    dot = graph.to_dot()
    assert dot.startswith('digraph "w" {\n') and dot.endswith("}\n")
    assert '"branch1" -> "b" [label="x 0.25"];' in dot
    assert '"loop1" -> "b" [label="again 0.5"];' in dot
    assert '"loop1" -> "end" [label="exit"];' in dot
    assert '"a" [shape=box, label="a"];' in dot
    assert graph.to_mermaid().splitlines() == [
        "flowchart LR",
        '  n0["a"]',
        '  n1{"branch1?"}',
        '  n2["b"]',
        '  n3{"loop1?"}',
        '  n4((("end")))',
        "  n0 --> n1",
        '  n1 -- "x 0.25" --> n2',
        '  n1 -- "y 0.75" --> n4',
        "  n2 --> n3",
        '  n3 -- "again 0.5" --> n2',
        '  n3 -- "exit" --> n4',
    ]
    every = example().graph()
    assert '"loop1" -> "c" [label="turn"];' in every.to_dot()
    assert '"loop1.until" -> "c" [label="again"];' in every.to_dot()
    assert '"select1" -> "g" [label="q 2"];' in every.to_dot()
