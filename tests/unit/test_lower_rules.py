"""What comes after what, as policies are told."""

from __future__ import annotations

import numpy as np
import pytest

import octomodel as om
from octomodel import dist, presets
from octomodel.lower_rules import successors
from octomodel.workflow import Workflow

pytestmark = pytest.mark.nojit


def flows(workflow: Workflow) -> dict[tuple[str, str], float]:
    """Return the tokens of each flow by the names of its task blocks."""
    names = [task.name for task in workflow.tasks]
    source, target, tokens = successors(workflow)
    return {(names[i], names[j]): value for i, j, value in zip(source, target, tokens.tolist(), strict=True)}


def test_sequence_branch_and_empty_branch() -> None:
    turn = om.branch({"x": 0.5, "y": 0.2, "none": 0.3}, x=om.task("x", 1), y=om.task("y", 1), none=om.seq())
    found = flows(Workflow("w", om.task("a", 1), turn, om.task("b", 1)))
    wanted = {("a", "x"): 0.5, ("a", "y"): 0.2, ("a", "b"): 0.3, ("x", "b"): 1.0, ("y", "b"): 1.0}
    assert found == pytest.approx(wanted)


def test_a_join_sends_one_on_for_all() -> None:
    both = om.fork(om.seq(om.task("x", 1), om.task("z", 1)), om.task("y", 1))
    found = flows(Workflow("w", om.task("a", 1), both, om.task("b", 1)))
    wanted = {("a", "x"): 1.0, ("x", "z"): 1.0, ("a", "y"): 1.0, ("z", "b"): 0.5, ("y", "b"): 0.5}
    assert found == pytest.approx(wanted)


def test_the_later_turns_of_a_loop_come_with_the_first() -> None:
    again = om.loop(om.seq(om.task("x", 1), om.task("y", 1)), again=0.75)
    found = flows(Workflow("w", om.task("a", 1), again, om.task("b", 1)))
    assert found == pytest.approx({("a", "x"): 4.0, ("x", "y"): 1.0, ("y", "b"): 0.25})
    counted = om.loop(om.task("x", 1), count=dist.Deterministic(3))
    found = flows(Workflow("w", counted, om.task("b", 1)))
    assert found == pytest.approx({("x", "b"): 1 / 3})


def test_what_is_drawn_together() -> None:
    drawn = om.select(2, {"x": 1, "y": 1, "z": 2}, x=om.task("x", 1), y=om.task("y", 1), z=om.task("z", 1))
    workflow = Workflow("w", om.task("a", 1), drawn, om.task("b", 1))
    found = flows(workflow)
    assert sum(found["a", name] for name in "xyz") == pytest.approx(2)
    assert [found[name, "b"] for name in "xyz"] == pytest.approx([0.5] * 3)


def test_what_is_never_reached_has_no_flow() -> None:
    turn = om.branch({"x": 1, "y": 0}, x=om.task("x", 1), y=om.seq(om.task("y", 1), om.task("z", 1)))
    assert flows(Workflow("w", om.task("a", 1), turn)) == {("a", "x"): 1.0}


@pytest.mark.parametrize("name", presets.names("workflow"))
def test_flows_make_the_visits_of_presets(name: str) -> None:
    workflow = om.workflow(name)
    visits = np.array(list(workflow.visits().values()))
    source, target, tokens = successors(workflow)
    assert np.all(source < target) and np.all(np.diff(target * len(visits) + source) > 0)
    made = np.zeros(len(visits))
    np.add.at(made, target, tokens * visits[source])
    inside = made > 0
    assert np.all(made[inside] <= visits[inside] * (1 + 1e-9))
    # all of it where nothing comes from the source
    first = [tb for tb in range(len(visits)) if tb not in target]
    assert np.allclose(made[inside], visits[inside]) and len(first) >= 1
