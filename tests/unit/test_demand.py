"""Expected visits and demand: closed forms, enumeration, and a random walk over the flat graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octomodel import dist
from octomodel.demand import inclusion, mean_turns, moments
from octomodel.elements import Branch, Loop, Select
from octomodel.graph import Graph
from octomodel.kernels.model import AGAIN, BRANCH, COUNT, END, FORK, JOIN, SELECT, TASK, UNTIL
from octomodel.program import fork, loop, per, select, task
from octomodel.testing.workflows import PHASES, workflows
from octomodel.workflow import Workflow

A, B = task("a", 1), task("b", 1)


def test_visits_of_every_element() -> None:
    wf = Workflow(
        "w",
        loop(A, again=0.75),
        fork(B, loop(task("c", 1), count=dist.Empirical([0.0, 0.5, 2.0]))),
        select(2, {"x": 1, "y": 1, "z": 1}, items=3, x=task("d", 1), y=task("e", 1), z=task("f", 1)),
    )
    assert wf.visits() == pytest.approx({"a": 4, "b": 1, "c": 1, "d": 2, "e": 2, "f": 2})


def test_demand_of_loop_and_time_that_follow_one_attribute_is_that_of_the_pair() -> None:
    values = [1.0, 2.0, 9.0]
    for attribute in (values, dist.Empirical(values)):
        wf = Workflow(
            "w", loop(task("a", per("n", 10)), count=per("n", 1), name="l"), attributes={"n": attribute}
        )
        assert wf.demand()["a"] == pytest.approx(10 * np.mean(np.square(values)))
        assert wf.visits()["a"] == pytest.approx(np.mean(values))


def test_series_of_one_length_are_read_together() -> None:
    together = {"n": [1.0, 5.0], "m": [1.0, 5.0]}
    apart = {"n": [1.0, 5.0], "m": dist.Empirical([1.0, 5.0])}
    wf = Workflow("w", loop(task("a", per("n", 1)), count=per("m", 1)), attributes=together)
    assert wf.demand()["a"] == pytest.approx(13)
    assert wf.with_(attributes=apart).demand()["a"] == pytest.approx(9)


def test_discrete_mixtures_are_represented_closely() -> None:
    law = dist.Mixture([0.75, 0.25], [dist.Deterministic(2), dist.Deterministic(6)])
    wf = Workflow("w", loop(task("a", 1), count=per("n", 1)), attributes={"n": law})
    assert wf.visits()["a"] == pytest.approx(3, rel=1e-3)


def test_scales_below_zero_count_as_zero() -> None:
    wf = Workflow("w", A, task("b", per("n", 1, base=-2)), attributes={"n": [1.0, 4.0]})
    assert wf.demand()["b"] == pytest.approx(1)


def test_mean_turns_against_closed_forms() -> None:
    assert mean_turns(dist.Uniform(0, 3), 1.0) == pytest.approx(2.0, abs=1e-9)
    assert mean_turns(dist.Uniform(0, 3), 0.0) == 0.0
    assert mean_turns(dist.Exponential(5), 1.0) == pytest.approx(1 / (1 - math.exp(-0.2)), rel=1e-9)
    assert mean_turns(dist.Exponential(5), 2.0) == pytest.approx(1 / (1 - math.exp(-0.1)), rel=1e-9)
    assert mean_turns(dist.Exponential(1e7), 1.0) == pytest.approx(1e7 + 0.5)
    zeta = 5.591582441177751  # of 1.2: the sum of n**-1.2
    assert mean_turns(dist.Pareto(alpha=1.2, low=1.0), 1.0) == pytest.approx(1 + zeta, rel=1e-7)
    assert mean_turns(dist.Deterministic(2.5), 1.0) == 3.0


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.data())
def test_inclusion_against_all_orders(weights: list[int], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(weights)))
    expected = np.zeros(len(weights))

    def draw(left: tuple[int, ...], chance: float, n: int) -> None:
        total = sum(weights[i] for i in left)
        for i in left:
            expected[i] += chance * weights[i] / total
            if n > 1:
                draw(tuple(j for j in left if j != i), chance * weights[i] / total, n - 1)

    draw(tuple(range(len(weights))), 1.0, k)
    np.testing.assert_allclose(inclusion(np.array(weights, dtype=float), k), expected, rtol=1e-9)


def test_inclusion_of_many_experts_sums_to_k_and_orders_by_weight() -> None:
    weights = 1.0 / np.arange(1, 65) ** 0.9
    chances = inclusion(np.append(weights, 0.0), 8)
    assert chances.sum() == pytest.approx(8)
    assert (np.diff(chances) <= 0).all() and chances[-1] == 0 and chances[0] < 1


class Walk:
    """Walks the flat graph of a workflow at random, one request after the other, counting visits of tasks."""

    def __init__(self, wf: Workflow, phase: str | None, rng: np.random.Generator) -> None:
        self.graph: Graph = wf.graph()
        self.wf, self.phase, self.rng = wf, phase, rng
        self.counts: dict[str, int] = {}
        self.left: dict[int, int] = {}
        self.values: dict[str, float] = {}

    def request(self) -> dict[str, int]:
        self.counts = {task.name: 0 for task in self.wf.tasks}
        self.left = {}
        self.values = {}
        for name, law in self.wf.attributes.items():
            assert isinstance(law, dist.Law)
            self.values[name] = float(law.quantile(self.rng.random()))
        self.go(0, END)
        return self.counts

    def go(self, at: int, stop: int) -> int:
        """Walk from a node to the first node of kind ``stop`` of this token's own region."""
        while self.graph.nodes[at].kind != stop:
            at = self.step(at)
        return at

    def step(self, at: int) -> int:
        node = self.graph.nodes[at]
        element = node.element
        if node.kind == TASK:
            self.counts[node.name] += 1
            return node.edges[0]
        if node.kind == FORK:
            for successor in node.edges:
                assert self.go(successor, JOIN) == node.join
            return self.graph.nodes[node.join].edges[0]
        if node.kind == UNTIL:
            self.left[node.loop] -= 1
            return node.edges[0 if self.left[node.loop] > 0 else 1]
        assert isinstance(element, Branch | Loop | Select)
        value: Any = element.value(self.phase)
        if node.kind == BRANCH:
            return node.edges[int(self.rng.choice(len(value), p=np.array(value) / sum(value)))]
        if node.kind == AGAIN:
            return node.edges[0 if self.rng.random() < value else 1]
        if node.kind == COUNT:
            assert isinstance(element, Loop)
            scale = value.base + value.slope * self.values.get(value.attribute, 0.0)
            self.left[node.loop] = max(0, math.ceil(float(value.law.quantile(self.rng.random())) * scale))
            return node.edges[0 if self.left[node.loop] > 0 else 1]
        assert node.kind == SELECT and isinstance(element, Select)
        drawn = np.zeros(len(value), dtype=int)
        for _ in range(element.items):
            chances = np.array(value) / sum(value)
            drawn[self.rng.choice(len(value), element.k, replace=False, p=chances)] += 1
        for i, successor in enumerate(node.edges):
            if drawn[i]:
                if element.items > 1:
                    self.left[self.graph.nodes[([*node.edges[1:], node.join][i]) - 1].loop] = int(drawn[i])
                assert self.go(successor, JOIN) == node.join
        return self.graph.nodes[node.join].edges[0]


@given(workflows(max_depth=2), st.sampled_from(PHASES), st.integers(0, 2**32))
def test_expected_visits_are_those_of_a_random_walk(wf: Workflow, phase: str, seed: int) -> None:
    chosen = phase if wf.phases is not None else None
    walk = Walk(wf, chosen, np.random.default_rng(seed))
    n = 300
    counts = np.array([list(walk.request().values()) for _ in range(n)], dtype=float)
    expected = np.array(list(wf.visits(chosen).values()))
    # seven standard errors, of the spread seen or, where nothing rare was seen, of a Poisson count
    error = np.maximum(counts.std(axis=0), np.sqrt(expected + 0.02)) * 7 / math.sqrt(n)
    assert (np.abs(counts.mean(axis=0) - expected) <= error + 1e-9).all()


@pytest.mark.parametrize("unit", [1e-300, 1.0, 1e160])
def test_moments_do_not_depend_on_the_unit_of_time(unit: float) -> None:
    """Squares of the smallest and largest times are no floats any more."""
    made = Workflow(
        "w",
        task("law", dist.Gamma(3 * unit, 0.5)),
        task("scaled", per("n", 2 * unit, base=unit) * dist.LogNormal(1, 0.25)),
        attributes={"n": [0, 1, 2]},
    )
    law, scaled = made.tasks
    assert moments(made, law.time) == pytest.approx((3 * unit, 0.5), rel=1e-12)
    # a scale of 1, 3 and 5 has mean 3 and mean square 35/3
    assert moments(made, scaled.time) == pytest.approx((3 * unit, math.sqrt(35 / 27 * (1 + 0.25**2) - 1)), rel=1e-12)


def test_moments_of_a_time_that_is_always_0() -> None:
    made = Workflow("w", task("none", per("n", -1) * dist.Exponential(5)), task("some", 1), attributes={"n": [1, 2]})
    assert moments(made, made.tasks[0].time) == (0.0, 0.0)
