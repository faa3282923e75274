"""What flows through a graph: it is conserved, agrees with visits and with runs, and payloads are what tokens carry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import octomodel as om
from octomodel import dist, presets
from octomodel.flow import flow
from octomodel.kernels.model import END, FORK, JOIN, SELECT, TASK
from octomodel.program import branch, fork, loop, per, select, seq, task
from octomodel.testing.workflows import workflows
from octomodel.workflow import Workflow


def check(wf: Workflow) -> None:
    """Every token that comes in goes out, once; forks and joins aside, where there is one token on both sides."""
    found, nodes, visits = flow(wf), wf.graph().nodes, wf.visits()
    coming = np.zeros(len(nodes))
    coming[0] = 1
    for i, node in enumerate(nodes):
        for order, successor in enumerate(node.edges):
            coming[successor] += found.edges[i][order]
    for i, node in enumerate(nodes):
        if node.kind == TASK:
            assert found.visits[i] == pytest.approx(visits[node.name])
            assert found.demand[i] == wf.demand()[node.name]
        if node.kind != JOIN:
            assert coming[i] == pytest.approx(found.visits[i], rel=1e-6, abs=1e-9), node.name
        if node.kind not in (FORK, SELECT, END):
            assert sum(found.edges[i]) == pytest.approx(found.visits[i], rel=1e-9, abs=1e-12), node.name
        assert all(0 <= low <= high for low, high in found.payloads[i])
    assert found.visits[-1] == pytest.approx(1)


@given(workflows())
def test_what_comes_in_goes_out(wf: Workflow) -> None:
    check(wf)


@pytest.mark.parametrize("name", presets.names("workflow"))
def test_what_comes_in_goes_out_of_bundled_workflows(name: str) -> None:
    check(om.workflow(name))


def test_counted_loops_that_may_not_turn() -> None:
    wf = Workflow("w", task("a", 1), loop(task("b", 1), count=per("n", 1)), attributes={"n": [0, 0, 1, 3]})
    found = flow(wf)
    assert found.edges[1] == pytest.approx((0.5, 0.5))  # turn, exit
    assert found.edges[3] == pytest.approx((0.5, 0.5))  # again, exit
    law = Workflow("w", loop(task("b", 1), count=dist.Empirical([0, 2])))
    assert flow(law).edges[0] == pytest.approx((0.5, 0.5))
    assert flow(Workflow("w", loop(task("b", 1), count=dist.Exponential(3)))).edges[0] == pytest.approx((1, 0))


def test_select_of_items_counts_a_body_once_however_often_it_turns() -> None:
    found = flow(Workflow("w", select(1, {"p": 1, "q": 3}, items=2, p=task("f", 1), q=task("g", 1))))
    assert found.edges[0] == pytest.approx((1 - 0.75**2, 1 - 0.25**2))
    assert found.visits[1:5] == pytest.approx((0.5, 0.5, 1.5, 1.5))
    assert found.edges[2] == pytest.approx((0.5 - (1 - 0.75**2), 1 - 0.75**2), abs=1e-12)


def test_payloads_by_hand() -> None:
    wf = Workflow(
        "w",
        fork(task("a", 1, out_bytes=3), seq()),  # 0, 1, 2: 3 and the 5 that came in
        branch({"x": 0.5, "y": 0.5}, x=task("b", 1, out_bytes=100), y=seq()),  # 3, 4
        select(2, {"p": 1, "q": 1, "r": 1}, p=task("c", 1, out_bytes=1), q=task("d", 1, out_bytes=2), r=seq()),  # 5 .. 8
        in_bytes=5,
    )
    found = flow(wf).payloads
    assert found[0] == ((5, 5), (5, 5)) and found[2] == ((8, 8),) and found[3] == ((8, 8), (8, 8))
    assert found[5] == ((8, 100),) * 3
    assert found[8] == ((3, 102),)


def test_what_a_loop_sends_back_counts_too() -> None:
    either = branch({"x": 0.5, "y": 0.5}, x=task("a", 1, out_bytes=3), y=task("b", 1))
    found = flow(Workflow("w", loop(either, again=0.5), in_bytes=4))
    assert found.payloads[0] == ((0, 4), (0, 4)) and found.payloads[3] == ((0, 3), (0, 3))
