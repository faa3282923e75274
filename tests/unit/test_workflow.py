"""Elements, phases and workflows: what is accepted, what is refused and how it says so."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest

from octomodel import dist, structure
from octomodel.elements import Branch
from octomodel.errors import ModelError, ModelWarning
from octomodel.phases import phases_by_request, phases_by_time
from octomodel.program import branch, by_phase, fork, loop, per, select, seq, task
from octomodel.workflow import Workflow


def refused(build: Any, path: str, *parts: str) -> None:
    """Assert that ``build`` raises a ModelError at ``path`` whose message has all ``parts``."""
    with pytest.raises(ModelError) as caught:
        build()
    assert caught.value.path == path
    for part in parts:
        assert part in str(caught.value)


A, B = task("a", 1), task("b", 1)
TWO = {"x": 0.5, "y": 0.5}


# -- elements -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "path", "parts"),
    [
        (lambda: task("1st", 1), "task.1st.name", ["a letter"]),
        (lambda: task("a b", 1), "task.a b.name", []),
        (lambda: task("a" * 65, 1), f"task.{'a' * 65}.name", []),
        (lambda: task("a", -1), "task.a.time", ["-1", ">= 0"]),
        (lambda: task("a", math.nan), "task.a.time", ["nan"]),
        (lambda: task("a", math.inf), "task.a.time", []),
        (lambda: task("a", True), "task.a.time", ["True"]),
        (lambda: task("a", "5"), "task.a.time", ["'5'"]),
        (lambda: task("a", None), "task.a.time", []),
        (lambda: task("a", by_phase(1, night=-1)), "task.a.time.night", []),
        (lambda: task("a", 1, out_bytes=4.5), "task.a.out_bytes", ["4.5", "an integer"]),
        (lambda: task("a", 1, out_bytes=2**63), "task.a.out_bytes", []),
        (lambda: task("a", 1, config_bytes=-1), "task.a.config_bytes", []),
        (lambda: task("a", 1, config="?"), "task.a.config", []),
        (lambda: task("a", 1, kind="gpu"), "task.a.kind", ["one of ai, general"]),
        (lambda: task("a", 1, parallel=1.5), "task.a.parallel", ["<= 1"]),
        (lambda: seq(A, "b"), "seq[1]", ["a task, seq, fork"]),
        (lambda: fork(), "fork", ["at least one branch"]),
        (lambda: branch({"x": 0.5, "y": 0.4}, x=A, y=B), "branch.probabilities", ["sum to 0.9"]),
        (lambda: branch({"x": 0.5, "y": 0.500001}, x=A, y=B), "branch.probabilities", ["sum to 1.000001"]),
        (lambda: branch({"x": 1.5, "y": -0.5}, x=A, y=B), "branch.probabilities.x", ["<= 1"]),
        (lambda: branch({"x": 0.0, "y": 0.0}, x=A, y=B), "branch.probabilities", ["sum to 0.0"]),
        (lambda: branch({"x": 1.0}, x=A), "branch", ["at least 2 choices"]),
        (lambda: branch(TWO, x=A), "branch.y", ["a body for each choice"]),
        (lambda: branch(TWO, x=A, y=B, z=B), "branch.z", ["one of the choices x, y"]),
        (lambda: branch([0.5, 0.5], x=A, y=B), "branch", ["a dict"]),
        (lambda: branch(TWO, name="no good", x=A, y=B), "branch.no good.name", []),
        (
            lambda: branch(by_phase(TWO, night={"x": 1.0}), x=A, y=B),
            "branch.probabilities.night.y",
            ["y is required"],
        ),
        (lambda: loop(A), "loop", ["one of again and count"]),
        (lambda: loop(A, again=0.5, count=2), "loop", ["one of again and count"]),
        (lambda: loop(A, again=1.0), "loop.again", ["cannot end"]),
        (lambda: loop(A, again=-0.1), "loop.again", []),
        (lambda: loop(A, count=-1, name="l"), "loop.l.count", []),
        (lambda: select(3, {"x": 1, "y": 1}, x=A, y=B), "select.k", ["from 1 to 2"]),
        (lambda: select(2, {"x": 1, "y": 0}, x=A, y=B), "select.weights", ["at least k = 2 weights above 0"]),
        (lambda: select(1, {"x": -1, "y": 1}, x=A, y=B), "select.weights.x", []),
        (lambda: select(1, {"x": 1, "y": 1}, items=0, x=A, y=B), "select.items", []),
        (lambda: select(2, {"x": 1, "y": 1}, items=2**15 + 1, x=A, y=B), "select.items", ["32768"]),
        (lambda: per("1", 1), "per.1.per", []),
        (lambda: per("n", math.inf), "per.n.slope", []),
        (lambda: per("n", 1) * dist.Uniform(1, 2) * dist.Uniform(1, 2), "per.n", ["one law only"]),
        (lambda: by_phase(1, night=by_phase(1, day=2)), "by_phase.night", ["a plain value"]),
    ],
)
def test_elements_refuse(build: Any, path: str, parts: list[str]) -> None:
    refused(build, path, *parts)


def test_probabilities_off_by_rounding_are_accepted() -> None:
    assert branch({"x": 0.5, "y": 0.5 + 5e-13}, x=A, y=B).values[1] == 0.5 + 5e-13
    with pytest.warns(ModelWarning, match="the last choice takes the difference"):
        assert branch({"x": 0.5, "y": 0.5 + 5e-10}, x=A, y=B).values[1] == 0.5 + 5e-10


def test_scaled_times_law_in_both_orders() -> None:
    law = dist.Uniform(1, 2)
    assert per("n", 3, base=1) * law == law * per("n", 3, base=1)
    with pytest.raises(TypeError):
        per("n", 3) * "law"


def test_seq_is_flat() -> None:
    assert seq(A, seq(seq(B), seq())) == seq(A, B)


# -- workflows ------------------------------------------------------------------------------------


def nested(depth: int) -> Any:
    element: Any = task("deep", 1)
    for _ in range(depth):
        element = fork(element)
    return element


@pytest.mark.parametrize(
    ("build", "path", "parts"),
    [
        (lambda: Workflow("no good", A), "workflow.name", []),
        (lambda: Workflow("w"), "workflow.w", ["at least one task"]),
        (lambda: Workflow("w", fork(seq(), seq())), "workflow.w", ["at least one task"]),
        (lambda: Workflow("w", A, B, A), "workflow.w.a", ["a name that no other"]),
        (lambda: Workflow("w", A, loop(B, again=0.5, name="a")), "workflow.w.a", ["a name that no other"]),
        (lambda: Workflow("w", nested(65)), "workflow.w", ["more than 64 levels"]),
        (
            lambda: Workflow("w", loop(branch(TWO, x=A, y=seq()), again=0.5)),
            "workflow.w.loop",
            ["a task on every path"],
        ),
        (
            lambda: Workflow("w", loop(loop(A, count=3), again=0.5, name="outer")),
            "workflow.w.outer",
            ["a task on every path"],
        ),
        (
            lambda: Workflow("w", select(1, {"x": 1, "y": 1}, items=2, x=A, y=seq())),
            "workflow.w.select.y",
            ["with items > 1"],
        ),
        (
            lambda: Workflow("w", loop(A, again=1 - 1e-10)),
            "workflow.w.loop1",
            ["1e+10 expected turns", "10^9"],
        ),
        (lambda: Workflow("w", loop(A, count=2e9)), "workflow.w.loop1", ["2e+09 expected turns"]),
        (
            lambda: Workflow("w", loop(A, count=per("n", 1e6)), attributes={"n": dist.Uniform(1e3, 1e4)}),
            "workflow.w.loop1",
            ["expected turns"],
        ),
        (
            lambda: Workflow("w", loop(loop(A, again=0.9999), again=0.9999)),
            "workflow.w.loop1.loop2",
            ["1e+08 expected visits", "16777216"],
        ),
        (
            lambda: Workflow("w", task("a", 1, config="k"), task("b", 1, config="k", config_bytes=5)),
            "workflow.w.b.config_bytes",
            ["0, as the other tasks"],
        ),
        (lambda: Workflow("w", task("a", per("n", 1))), "workflow.w.a", ["got 'n'"]),
        (
            lambda: Workflow("w", task("a", per("token", 1)), attributes={"tokens": [1.0]}),
            "workflow.w.a",
            ["did you mean 'tokens'"],
        ),
        (
            lambda: Workflow(
                "w",
                task("a", by_phase(per("n", 1), night=per("m", 1))),
                attributes={"n": [1.0], "m": [1.0]},
                phases=phases_by_request([("day", 1), ("night", 1)]),
            ),
            "workflow.w.a",
            ["one attribute"],
        ),
        (lambda: Workflow("w", A, attributes={"n": []}), "workflow.w.attributes.n", ["at least one number"]),
        (lambda: Workflow("w", A, attributes={"n": [math.nan]}), "workflow.w.attributes.n[0]", []),
        (lambda: Workflow("w", A, attributes={"n": np.array([math.inf])}), "workflow.w.attributes.n", []),
        (lambda: Workflow("w", A, attributes={"n": 5}), "workflow.w.attributes.n", []),
        (lambda: Workflow("w", A, attributes=[1]), "workflow.w.attributes", ["a dict"]),
        (lambda: Workflow("w", A, attributes={"?": [1.0]}), "workflow.w.attributes", ["a letter"]),
        (lambda: Workflow("w", A, in_bytes=-1), "workflow.w.in_bytes", []),
        (lambda: Workflow("w", A, deadline_cycles=0), "workflow.w.deadline_cycles", ["from 1"]),
        (lambda: Workflow("w", A, milestones=["c"]), "workflow.w.milestones[0]", ["one of a"]),
        (lambda: Workflow("w", A, milestones=["a", "a"]), "workflow.w.milestones[1]", ["each task once"]),
        (lambda: Workflow("w", A, description=5), "workflow.w.description", []),
        (lambda: Workflow("w", A, phases={"day": 1}), "workflow.w.phases", []),
        (lambda: Workflow("w", task("a", by_phase(1, night=2))), "workflow.w.a", ["has no phases"]),
        (
            lambda: Workflow("w", task("a", by_phase(1, nigth=2)), phases=phases_by_request([("night", 1)])),
            "workflow.w.a",
            ["did you mean 'night'"],
        ),
        (lambda: Workflow("w", A).visits("night"), "workflow.w.phase", []),
        (lambda: Workflow("w", A).with_(in_byte=1), "workflow.w", ["did you mean 'in_bytes'"]),
    ],
)
def test_workflows_refuse(build: Any, path: str, parts: list[str]) -> None:
    refused(build, path, *parts)


def test_too_many_nodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "MAX_NODES", 15)
    many = select(1, {"x": 1, "y": 1}, items=2, x=A, y=B)  # 6 nodes
    turn = loop(task("c", 1), count=2)  # 3
    body = seq(fork(task("d", 1)), branch(TWO, x=seq(), y=seq()), turn)  # 3 + 1 + 3, and the end
    assert len(Workflow("w", many, body).graph().nodes) == 14
    assert len(Workflow("w", many, body, task("e", 1)).graph().nodes) == 15
    more = loop(task("e", 1), again=0.5)
    refused(lambda: Workflow("w", many, body, more), "workflow.w", "got 16", "at most 15 nodes")


def test_unnamed_control_blocks_are_named_in_program_order() -> None:
    given = loop(task("branch2", 1), again=0.1)
    wf = Workflow("w", branch(TWO, x=branch(TWO, x=A, y=B), y=given), branch(TWO, x=seq(), y=seq()))
    first = wf.program.items[0]
    assert isinstance(first, Branch)
    inner, last = first.bodies[0].items[0], wf.program.items[1]
    assert isinstance(inner, Branch) and isinstance(last, Branch)
    assert (first.name, inner.name, last.name) == ("branch1", "branch3", "branch4")


def test_workflows_do_not_change_and_pickle() -> None:
    wf = Workflow(
        "w", A, attributes={"n": [1.0, 2.0]}, milestones=["a"], deadline_cycles=5, description="text"
    )
    with pytest.raises(AttributeError, match="cannot be changed"):
        wf.name = "v"
    with pytest.raises(TypeError):
        wf.attributes["m"] = dist.Uniform(1, 2)
    again = pickle.loads(pickle.dumps(wf))
    assert again == wf
    assert hash(again) == hash(wf)
    assert wf.with_(deadline_cycles=6) != wf
    assert wf.with_(deadline_cycles=6).with_(deadline_cycles=5) == wf


def test_attributes_are_numbered_by_first_use() -> None:
    laws = {"z": dist.Uniform(1, 2), "unused": dist.Uniform(1, 2), "b": dist.Uniform(1, 2)}
    first = Workflow("w", task("a", per("b", 1)), task("c", per("z", 1)), attributes=laws)
    other = Workflow(
        "w", task("a", per("b", 1)), task("c", per("z", 1)), attributes=dict(reversed(list(laws.items())))
    )
    assert list(first.attributes) == list(other.attributes) == ["b", "z", "unused"]
    assert first == other
    series = Workflow("w", A, attributes={"n": [1, 3]}).attributes["n"]
    assert repr(series) == "Series(2 values, mean=2)"
    assert hash(series) == hash(Workflow("w", A, attributes={"n": np.array([1.0, 3.0])}).attributes["n"])


def test_html_is_escaped_and_lists_every_task() -> None:
    wf = Workflow(
        "w",
        task("a", dist.Exponential(10)),
        loop(task("b", per("n", 2)), again=0.5),
        attributes={"n": [1, 3]},
    )
    text = wf._repr_html_()
    assert "<th>a</th><td>ai</td><td>10</td><td>1</td><td>1</td><td>10</td>" in text
    assert "<th>b</th><td>ai</td><td>4</td><td>0.5</td><td>2</td><td>8</td>" in text
    assert repr(wf) == "Workflow('w', 2 tasks, 4 nodes)"


# -- phases ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "path", "parts"),
    [
        (lambda: phases_by_request([]), "phases.cycle", ["a list of (name, length)"]),
        (lambda: phases_by_request([("day", 0)]), "phases.cycle[0].day", ["from 1"]),
        (lambda: phases_by_request([("day", 1, 2)]), "phases.cycle[0]", ["a pair"]),
        (lambda: phases_by_request(7), "phases.cycle", []),
        (lambda: phases_by_request([("?", 1)]), "phases.cycle[0]", ["a letter"]),
        (lambda: phases_by_request([("day", 1)], dya={}), "phases.dya", ["did you mean 'day'"]),
        (lambda: phases_by_request([("day", 1)], day=0.5), "phases.day", ["a dict"]),
        (
            lambda: phases_by_time([(f"p{i}", 1) for i in range(2**15)]),
            "phases.cycle",
            ["at most 32767 phases"],
        ),
    ],
)
def test_phase_plans_refuse(build: Any, path: str, parts: list[str]) -> None:
    refused(build, path, *parts)


def phased(*items: Any, **night: Any) -> Workflow:
    plan = phases_by_request([("day", 3), ("night", 1), ("day", 1)], night=night)
    return Workflow("w", *items, phases=plan)


def test_overrides_by_name_reach_every_kind_of_element() -> None:
    wf = phased(
        A,
        branch({"x": 0.5, "y": 0.5}, name="fork-off", x=B, y=seq()),
        loop(task("c", 1), again=0.5, name="retry"),
        loop(task("d", 1), count=2, name="turns"),
        select(1, {"p": 1, "q": 1}, name="experts", p=task("e", 1), q=task("f", 1)),
        **{
            "a": 10,
            "fork-off": {"y": 0.0, "x": 1.0},
            "retry": 0.0,
            "turns": 5,
            "experts": {"p": 1, "q": 0},
        },
    )
    assert wf.visits("day") == {"a": 1, "b": 0.5, "c": 2, "d": 2, "e": 0.5, "f": 0.5}
    assert wf.visits("night") == {"a": 1, "b": 1, "c": 1, "d": 5, "e": 1, "f": 0}
    assert wf.demand("night")["a"] == 10
    assert wf.visits()["d"] == pytest.approx(0.8 * 2 + 0.2 * 5)
    assert wf.phases is not None and wf.phases.names == ("day", "night") and wf.phases.shares == (0.8, 0.2)


def test_overrides_by_choices_mean_the_only_branch_that_has_them() -> None:
    wf = phased(branch({"x": 0.5, "y": 0.5}, x=A, y=B), x=0.2, y=0.8)
    assert wf.visits("night") == {"a": 0.2, "b": 0.8}


@pytest.mark.parametrize(
    ("build", "path", "parts"),
    [
        (lambda: phased(A, c=1), "workflow.w.night.c", ["one of a"]),
        (lambda: phased(branch(TWO, x=A, y=B), x=0.2, y=0.3), "workflow.w.night.branch1", ["sum to 0.5"]),
        (
            lambda: phased(branch(TWO, x=A, y=B), branch(TWO, x=seq(), y=seq()), x=0.2, y=0.8),
            "workflow.w.night",
            ["'branch1'", "'branch2'"],
        ),
        (
            lambda: phased(branch({"a": 0.5, "b": 0.5}, a=A, b=B), a=0.2, b=0.8),
            "workflow.w.night",
            ["the name of the element meant", "'branch1'"],
        ),
        (lambda: phased(loop(A, again=0.5), loop1=1.0), "workflow.w.night.loop1", ["cannot end"]),
        (
            lambda: phased(task("a", by_phase(1, night=2)), a=3),
            "workflow.w.night.a",
            ["one value for this phase"],
        ),
        (lambda: phased(A, a=by_phase(1, day=2)), "workflow.w.night.a", ["a plain value"]),
        (lambda: phased(loop(A, count=1), loop1=1e10), "workflow.w.loop1", ["1e+10 expected turns"]),
    ],
)
def test_overrides_refuse(build: Any, path: str, parts: list[str]) -> None:
    refused(build, path, *parts)


def test_branch_whose_choices_are_task_names_takes_overrides_by_its_name() -> None:
    wf = phased(branch({"a": 0.5, "b": 0.5}, a=A, b=B), branch1={"a": 0.2, "b": 0.8})
    assert wf.visits("night") == {"a": 0.2, "b": 0.8}
