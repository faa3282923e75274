"""Lowering of the program: every field of the contract, fan-out, limits, refusals."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from octomodel import dist, mapping
from octomodel.errors import ModelError
from octomodel.graph import Graph
from octomodel.hardware import System
from octomodel.kernels.model import (
    AGAIN,
    BRANCH,
    COUNT,
    END,
    FORK,
    JOIN,
    NO_HORIZON,
    SELECT,
    TASK,
    UNTIL,
    Program,
)
from octomodel.load import closed, poisson, trace
from octomodel.lower import Lowered, lower
from octomodel.lower_program import lower_program
from octomodel.phases import phases_by_request
from octomodel.policies import POLICIES
from octomodel.program import branch, by_phase, fork, loop, per, select, seq, task
from octomodel.tables import bundle
from octomodel.testing import run_reference
from octomodel.testing.workflows import workflows
from octomodel.workflow import Workflow

HARDWARE = System(2, 2, tbus=16)


def lowered(wf: Workflow, hw: System = HARDWARE, load: Any = None, **options: Any) -> Lowered:
    """Return the model of a workflow on a machine, mapped in proportion."""
    made = mapping.make(wf, hw)
    return lower(wf, hw, closed(20) if load is None else load, made, **options)


def one(law: Any, **options: Any) -> Workflow:
    return Workflow("w", task("a", law), **options)


def table_of(program: Program, phase: int, node: int) -> tuple[int, list[int]]:
    law = int(program.node_law[phase, node])
    first, size = int(program.law_offset[law]), int(program.law_size[law])
    return int(program.law_kind[law]), program.knots[first : first + size].tolist()


def test_every_field_of_a_program() -> None:
    shares = by_phase({"x": 0.25, "y": 0.5, "z": 0.25}, busy={"x": 1, "y": 0, "z": 0})
    time = by_phase(per("n", 2, base=3), busy=dist.Empirical([1, 2]))
    wf = Workflow(
        "w",
        task("a", 5, out_bytes=9, config="k", config_bytes=100, parallel=0.5),  # 0
        branch(shares, x=seq(), y=seq(), z=seq()),  # 1
        loop(task("b", time, config="k", config_bytes=100), again=by_phase(0.5, busy=0.25)),  # 2; 3
        loop(task("c", 7), count=per("m", 1)),  # 4; 5; 6
        select(2, {"p": 1, "q": 2}, items=3, p=task("d", 1), q=task("e", 1)),  # 7; 8, 9; 10, 11; 12
        attributes={"m": dist.Empirical([3, 4]), "n": [1.5, 2.5]},
        phases=phases_by_request([("calm", 1), ("busy", 1)]),
        milestones=["e", "a"],
        in_bytes=33,
    )  # fmt: skip
    hw = HARDWARE.with_(peas=2, queue_slots={"b": 0, "e": 9})
    made = lowered(wf, hw)
    program = made.model.program
    kinds = [TASK, BRANCH, TASK, AGAIN, COUNT, TASK, UNTIL, SELECT, TASK, UNTIL, TASK, UNTIL, JOIN, END]
    assert program.node_kind.tolist() == kinds
    assert program.node_task.tolist() == [0, -1, 1, -1, -1, 2, -1, -1, 3, -1, 4, -1, -1, -1]
    assert program.node_join.tolist() == [-1] * 7 + [12] + [-1] * 6
    assert program.node_loop.tolist() == [-1] * 4 + [0, -1, 0, -1, -1, 1, -1, 2, -1, -1]
    assert program.node_out_bytes.tolist() == [9] + [0] * 13
    assert made.attributes == ("n", "m")
    assert program.node_attribute.tolist() == [-1, -1, 0, -1, 1] + [-1] * 9
    assert program.node_select.tolist() == [0] * 7 + [2] + [0] * 6
    assert program.node_items.tolist() == [0] * 7 + [3] + [0] * 6
    assert made.milestones == ("e", "a")
    assert program.node_milestone.tolist() == [1] + [-1] * 9 + [0] + [-1] * 3
    assert program.node_fan_out.tolist() == [1, 0, 2, 0, 0, 2, 0, 0, 1, 0, 1, 0, 0, 0]
    ends = [[1], [2, 2, 2], [3], [2, 4], [5, 7], [6], [5, 7], [8, 10], [9], [8, 12], [11], [10, 12], [13], []]
    assert program.edge_indptr.tolist() == np.cumsum([0, *map(len, ends)]).tolist()
    assert program.edge_node.tolist() == sum(ends, [])
    weights = np.zeros((2, len(program.edge_node)))
    weights[0, 1:4], weights[1, 1:4] = [0.25, 0.75, 1], [1, 1, 1]
    weights[0, 5:7], weights[1, 5:7] = [0.5, 1], [0.25, 1]
    weights[:, 12:14] = [1, 2]
    assert program.edge_weight.tolist() == weights.tolist()
    assert (program.node_law >= 0).tolist() == [[kind in (TASK, COUNT) for kind in kinds]] * 2
    assert table_of(program, 0, 0) == (0, [5 * 65536])
    assert table_of(program, 0, 2) == (0, [65536])
    assert table_of(program, 1, 2) == (1, [65536, 2 * 65536])
    assert (program.node_base[:, 2].tolist(), program.node_slope[:, 2].tolist()) == ([3, 1], [2, 0])
    assert (program.node_base[0, 4], program.node_slope[0, 4]) == (0, 1)
    assert program.task_node.tolist() == [0, 2, 5, 8, 10]
    assert made.configurations == ("k", "c", "d", "e")
    assert program.task_config.tolist() == [0, 0, 1, 2, 3]
    assert program.config_bytes.tolist() == [100, 0, 0, 0]
    assert program.task_slots.tolist() == [4, 0, 4, 4, 9]
    assert program.task_speedup.tolist() == [4 / 3, 2, 2, 2, 2]
    assert program.attribute_law[0] == -1 and program.attribute_law[1] >= 0
    assert program.attribute_indptr.tolist() == [0, 2, 2]
    assert program.attribute_values.tolist() == [1.5, 2.5]
    assert (program.n_loop, program.n_milestone, program.in_bytes) == (3, 2, 33)
    assert made.phases == ("calm", "busy") and made.tasks == ("a", "b", "c", "d", "e")
    assert made.nodes[:5] == ("a", "branch1", "b", "loop1", "loop2")
    assert made.model.load.request_phase.tolist() == [0, 1] * 10
    assert (made.n_request, made.n_pipeline, made.deadline_cycles) == (20, 4, None)
    assert made.most_tokens == 2


def test_arrays_have_the_types_of_the_contract() -> None:
    made = lowered(one(dist.Exponential(5)))
    for part in made.model[:3]:
        for name, annotation in part.__annotations__.items():
            value = getattr(part, name)
            kind = annotation if isinstance(annotation, str) else annotation.__forward_arg__
            if kind == "int":
                assert type(value) is int, name
                continue
            dtype = {"I64": "int64", "F64": "float64"}.get(kind) or kind.rpartition(".")[2].rstrip("]")
            assert (value.dtype, value.flags.c_contiguous) == (np.dtype(dtype), True), name


def test_last_weight_of_a_branch_is_exactly_one() -> None:
    thirds = {"x": 0.1, "y": 0.2, "z": 0.7 + 4e-13}
    program, _ = lower_program(Workflow("w", branch(thirds, x=task("a", 1), y=seq(), z=seq())), HARDWARE)
    assert program.edge_weight[0, :3].tolist() == [0.1, 0.1 + 0.2, 1.0]


def stops(graph: Graph, at: int) -> int:
    """Return the most TASK, JOIN or END stops one advance can reach from a node, by the words of rule 6.4."""
    node = graph.nodes[at]
    if node.kind in (TASK, JOIN, END):
        return 1
    reached = [stops(graph, successor) for successor in node.edges]
    if node.kind == FORK:
        return sum(reached)
    if node.kind == SELECT:
        element: Any = node.element
        return sum(sorted(reached, reverse=True)[: min(element.k * element.items, len(reached))])
    assert node.kind in (BRANCH, COUNT, UNTIL, AGAIN)
    return max(reached)


@given(workflows())
def test_fan_out_is_that_of_a_naive_search(wf: Workflow) -> None:
    program, _ = lower_program(wf, HARDWARE)
    graph = wf.graph()
    expected = [stops(graph, node.edges[0]) if node.kind == TASK else 0 for node in graph.nodes]
    assert program.node_fan_out.tolist() == expected


@given(workflows(max_depth=2))
def test_requests_walk_the_lowered_program_to_its_end(wf: Workflow) -> None:
    hw = System(2, 2, tbus=max(2, -(-len(wf.tasks) // 3)), queue_slots=1)
    made = lowered(wf, hw, closed(6, in_flight=2), seed=5)
    result = run_reference(made.model)
    assert result.status == "done"
    assert (np.array(result.end) >= 0).all()


def test_laws_are_stored_once_and_the_digest_tells_them() -> None:
    same = Workflow("w", *(task(f"t{i}", dist.Exponential(5)) for i in range(5)))
    made = lowered(same)
    assert len(made.model.program.law_kind) == 1
    assert made.tables_digest != lowered(one(dist.Exponential(6))).tables_digest
    assert made.tables_digest != lowered(same, load=poisson(1.0, 5)).tables_digest
    assert bundle([dist.Exponential(5)]).digest != made.tables_digest


def test_seed_and_replication_change_the_key_and_the_arrivals_only() -> None:
    wf = one(dist.Exponential(5))
    first, second = (lowered(wf, load=poisson(0.1, 50), seed=3, replication=r).model for r in (0, 1))
    assert first.load.seed_key != second.load.seed_key
    assert first.load.source_arrival.tolist() != second.load.source_arrival.tolist()
    for part in ("program", "machine"):
        for a, b in zip(getattr(first, part), getattr(second, part), strict=True):
            assert np.array_equal(a, b)
    assert lowered(wf, seed=1).model.load.seed_key != lowered(wf, seed=2).model.load.seed_key


def test_options_reach_the_model() -> None:
    wf = one(5)
    load = lowered(wf).model.load
    assert (load.horizon, load.step, load.closed) == (NO_HORIZON, 0, 1)
    made = lowered(wf, load=trace([3, 4]), horizon=9, step=2, policy="stealing")
    load = made.model.load
    assert (load.horizon, load.step, load.closed) == (9, 2, 0)
    rules = made.model.rules
    assert (rules.dispatch, rules.route, rules.rebalance) == (POLICIES["stealing"].dispatch, None, None)
    assert rules.task_cycles.tolist() == [5.0] and rules.task_demand.tolist() == [5.0]
    assert lowered(wf, load=closed(), requests=7).n_request == 7
    assert made.model.machine.cluster_group.tolist() == [0] * 4
    assert lowered(wf, policy="jsq").model.machine.cluster_group.tolist() == [0, 1, 2, 3]


Build = Callable[[], object]
BIG = one(1, in_bytes=2**48)


@pytest.mark.parametrize(
    ("build", "path", "part"),
    [
        (lambda: lowered(one(1), load=closed()), "load.requests", "a number of requests"),
        (lambda: lowered(one(1), requests=0), "load.requests", "from 1"),
        (lambda: lowered(one(1), requests=2**39), "memory", "most of it for 549755813888 requests"),
        (lambda: lowered(one(1), memory_limit_bytes=100), "memory", "memory_limit_bytes"),
        (lambda: lowered(one(1), epochs=2**20 + 1), "epochs", "an integer from 0 to 1048576"),
        (lambda: lowered(one(1), epochs=-1), "epochs", "an integer from 0 to 1048576"),
        (lambda: lowered(one(1), HARDWARE.with_(epoch_cycles=2**48), epochs=2**14 + 1), "epochs", "from 0 to 16384"),
        (
            lambda: lowered(one(1), epochs=2**20, memory_limit_bytes=2**26),
            "memory",
            "most of it for 1048576 epochs of ",
        ),
        (lambda: lowered(one(1), seed=-1), "seed", "from 0"),
        (lambda: lowered(one(1), replication=1.5), "replication", "an integer"),
        (lambda: lowered(one(1), horizon=0), "horizon", "from 1"),
        (lambda: lowered(one(1), horizon=2**49), "horizon", f"to {2**48}"),
        (lambda: lowered(one(1), step=0), "step", "from 1"),
        (lambda: lowered(one(1), policy="ideal"), "policy", "one of jsq, octopus, reactive, reactive_any, static, stealing"),
        (lambda: lowered(one(1), HARDWARE.with_(queue_slots={"b": 1})), "system.queue_slots", "one of a"),
        (
            lambda: lowered(Workflow("w", task("a", 1, config_bytes=51)), HARDWARE.with_(memory_bytes=100)),
            "workflow.w.a.config_bytes",
            "at most 50: 100 bytes of a TBU for 2 resident places",
        ),
        (
            lambda: lowered(BIG, HARDWARE.with_(link_bytes_per_cycle=1e-5)),
            "workflow.out_bytes",
            "of fewer than 2^62",
        ),
        (lambda: lowered(BIG, requests=100_000), "workflow.out_bytes", "2^62 bytes over the links"),
        (
            lambda: lower(
                one(1), HARDWARE, closed(1), mapping.make(Workflow("v", task("a", 1), task("b", 1)), HARDWARE)
            ),
            "mapping",
            "a mapping of the 1 tasks of 'w'",
        ),
        (
            lambda: lower(one(1), HARDWARE, closed(1), mapping.make(one(1), System(1, 1))),
            "mapping",
            "a mapping made for this machine",
        ),
        (
            lambda: lower(one(1), HARDWARE.with_(dead_tbus=[3]), closed(1), mapping.make(one(1), HARDWARE)),
            "mapping",
            "a dead TBU that owns a task",
        ),
    ],
)
def test_lowering_refuses(build: Build, path: str, part: str) -> None:
    with pytest.raises(ModelError) as caught:
        build()
    assert caught.value.path == path
    assert part in str(caught.value)


def test_laws_that_cannot_be_tabled_are_named_by_their_place() -> None:
    heavy = dist.Pareto(alpha=1.001, low=1e9)
    for wf, path in (
        (Workflow("w", task("ok", 1), task("a", heavy)), "workflow.w.a.time"),
        (
            Workflow("w", loop(task("a", 1), count=dist.Exponential(1)), attributes={"n": heavy}),
            "workflow.w.attributes.n",
        ),
    ):
        with pytest.raises(ModelError) as caught:
            lower_program(wf, HARDWARE)
        assert caught.value.path == path


@functools.cache
def long_chain() -> Workflow:
    return Workflow("w", *(task(f"t{i}", 1) for i in range(10_000)))


def test_ten_thousand_tasks_lower() -> None:
    made = lowered(long_chain(), System(32, 32, tbus=12))
    program = made.model.program
    assert len(program.task_node) == 10_000 and program.node_fan_out[:-1].tolist() == [1] * 10_000
    assert made.n_pipeline == 1 and made.most_tokens == 1


def test_most_tokens() -> None:
    wf = Workflow(
        "w",
        fork(task("a", 1), task("b", 1), seq()),
        select(1, {"x": 1, "y": 1}, items=5, x=task("c", 1), y=task("d", 1)),
    )
    assert lowered(wf).most_tokens == 4
