"""Chakra traces: the forms that are read, what becomes of a node, and what is refused where."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import octomodel as om
from octomodel.errors import ModelError
from octomodel.importers import read_chakra

Write = Callable[[Any], str]


def trace(*nodes: dict[str, Any]) -> list[dict[str, Any]]:
    """Return nodes of a Chakra trace, computing for 2 microseconds unless they say something else."""
    return [{"name": "op", "type": "COMP_NODE", "duration_micros": 2} | node for node in nodes]


STEP = trace(
    {"id": 1, "name": "aten::mm"},
    {"id": 2, "name": "aten::mm", "data_deps": [1], "duration_micros": 1.5},
    {"id": 3, "name": "load", "type": "MEM_LOAD_NODE", "ctrl_deps": [1], "attr": [{"name": "tensor_size", "uint64_val": 4096}]},
    {"id": 7, "name": "gather", "type": "COMM_COLL_NODE", "data_deps": [2], "ctrl_deps": [3, 2], "duration_micros": 9,
     "attr": [{"name": "comm_type", "int64_val": 2}, {"name": "comm_size", "int64_val": 65536}, {"name": "dims"}]},
)  # fmt: skip


def humps(node: dict[str, Any]) -> dict[str, Any]:
    """Return a node as a writer of Protobuf's JSON writes it: humps, 64-bit integers as texts, nothing that is 0."""
    changed = json.loads(json.dumps(node), parse_int=str)
    names = {"duration_micros": "durationMicros", "data_deps": "dataDeps", "ctrl_deps": "ctrlDeps"}
    changed["attr"] = [
        {key.replace("_val", "Val"): value for key, value in each.items()} for each in changed.get("attr", [])
    ]
    return {names.get(key, key): value for key, value in changed.items() if value not in ("0", [])}


def test_all_forms_of_a_trace_are_the_same_workflow(write: Write) -> None:
    found = read_chakra(write(STEP), clock_hz=2e9)
    assert [task.name for task in found.workflow.tasks] == ["aten__mm.1", "aten__mm.2", "load.3", "gather.7"]
    expected = om.Workflow(
        "f",
        om.task("aten__mm.1", 4000, config="aten__mm"),
        om.fork(
            om.task("aten__mm.2", 3000, config="aten__mm"),
            om.task("load.3", 4000, config="load", kind="general", out_bytes=4096),
        ),
        om.task("gather.7", 18000, config="gather", kind="general", out_bytes=65536),
        description="4 nodes of the Chakra trace f.json, at 2e+09 cycles per second",
    )
    assert found.workflow == expected
    assert (found.dependencies, found.implied, found.path_cycles) == (4, 0, 26_000)
    for text in (
        json.dumps({"nodes": STEP, "version": "0.0.4"}),
        "\n".join(map(json.dumps, [{"version": "0.0.4"}, *STEP])),
        "".join(json.dumps(humps(each), indent=2) for each in [{"version": "0.0.4"}, *STEP]),
        "".join(map(json.dumps, STEP)),
    ):
        assert om.from_chakra(write(text), clock_hz="2 GHz") == expected


def test_a_number_or_a_dependency_of_zero(write: Write) -> None:
    """The writer of JSON leaves out a number of 0 as the default of Protobuf, but not one in a list."""
    nodes = trace({"name": "first"}, {"id": "5", "name": "second", "dataDeps": ["0"]}, {"id": "6", "name": "", "dataDeps": ["5"]})
    found = om.from_chakra(write(nodes))
    assert [task.name for task in found.tasks] == ["first.0", "second.5", "COMP_NODE.6"]
    assert len(found.program.items) == 3


def test_metadata_nodes_do_nothing(write: Write) -> None:
    nodes = trace(
        {"id": 1},
        {"id": 2, "type": "METADATA_NODE", "data_deps": [1], "duration_micros": 5},
        {"id": 3, "data_deps": [2]},
        {"id": 4, "ctrl_deps": [2]},
    )
    del nodes[1]["duration_micros"]
    found = read_chakra(write(nodes))
    assert [task.name for task in found.workflow.tasks] == ["op.1", "op.3", "op.4"]
    assert found.path_cycles == 4000 and found.workflow.description.startswith("3 nodes of the Chakra trace")


def test_kinds_of_work(write: Write) -> None:
    flag = {"name": "is_cpu_op", "bool_val": True}
    nodes = trace({"id": 1, "attr": [flag]}, {"id": 2, "attr": [flag | {"bool_val": False}]}, {"id": 3, "type": "COMM_SEND_NODE"})
    found = om.from_chakra(write(nodes))
    assert [task.kind for task in found.tasks] == ["general", "ai", "general"]


def test_nodes_without_a_duration(write: Write) -> None:
    nodes = trace({"id": 1}, {"id": 2, "name": "late", "data_deps": [1]}, {"id": 3, "duration_micros": 0})
    del nodes[1]["duration_micros"]
    told = r"^f\.json\[1\]: got no duration of late\.2; allowed: one in duration_micros, or num_ops with ops_per_cycle="
    with pytest.raises(ModelError, match=told):
        om.from_chakra(write(nodes))
    assert om.from_chakra("f.json", duration="3 us").demand() == {"op.1": 2000, "late.2": 3000, "op.3": 0}


def test_times_from_operations(write: Write) -> None:
    """As in traces made without a measurement: computation has operations, communication only its size."""
    some, none = ([{"name": "num_ops", "int64_val": ops}] for ops in (90_000, 0))
    nodes = trace({"id": 1, "attr": some}, {"id": 2, "attr": some}, {"id": 3, "attr": none}, {"id": 4})
    for node in nodes[1:]:
        del node["duration_micros"]
    found = om.from_chakra(write(nodes), ops_per_cycle=256, duration=7)
    assert found.demand() == {"op.1": 2000, "op.2": 90_000 / 256, "op.3": 7, "op.4": 7}
    assert om.from_chakra("f.json", duration=7).demand()["op.2"] == 7
    with pytest.raises(ModelError, match=r"^f\.json\[2\]: got no duration of op\.3"):
        om.from_chakra("f.json", ops_per_cycle=256)
    with pytest.raises(ModelError, match=r"^ops_per_cycle: got 0; allowed: a finite number >= 1e-09"):
        om.from_chakra("f.json", ops_per_cycle=0)
    with pytest.raises(ModelError, match=r"^f\.json\[1\]\.attr\.num_ops: got 90000; allowed: at most 70368.7, which takes 2"):
        om.from_chakra("f.json", ops_per_cycle=1e-9)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([], "f.json: got 0 tasks; allowed: from 1 to 16384 tasks"),
        ({"nodes": 5}, "f.json.nodes: got 5; allowed: a list of nodes"),
        ({"nodes": [5]}, "f.json.nodes[0]: got 5; allowed: a mapping"),
        ([{"id": 1, "name": "x"}], "f.json[0].type: got nothing; allowed: the type of a node; traces of PyTorch become Chakra's"),
        (trace({"id": 1, "type": "COMP"}), "f.json[0].type: got 'COMP'; allowed: did you mean 'COMP_NODE'? one of"),
        (trace({"id": 1, "type": "INVALID_NODE"}), "f.json[0].type: got 'INVALID_NODE'; allowed: "),
        (trace({"id": 1}, {"id": "1"}), "f.json[1].id: got 1; allowed: each number once; it is that of f.json[0] already"),
        (trace({"id": -1}), "f.json[0].id: got -1; allowed: an integer from 0 to"),
        (trace({"id": "x"}), "f.json[0].id: got 'x'; allowed: a whole number >= 0"),
        (trace({"id": 1.5}), "f.json[0].id: got 1.5; allowed: an integer from 0 to"),
        (trace({"id": 1, "name": 7}), "f.json[0].name: got 7; allowed: a text"),
        (trace({"id": 1, "data_deps": 1}), "f.json[0].data_deps: got 1; allowed: a list of numbers of nodes"),
        (trace({"id": 1}, {"id": 2, "ctrl_deps": [1, 9]}), "f.json[1].ctrl_deps[1]: got 9; allowed: the number of a node of thi"),
        (trace({"id": 1, "data_deps": [1]}), "f.json: got 'op.1 -> op.1'; allowed: tasks that do not wait for each other in a c"),
        (
            trace({"id": 1, "data_deps": [2]}, {"id": 2, "ctrl_deps": [3]}, {"id": 3, "data_deps": [1]}),
            "f.json: got 'op.1 -> op.3 -> op.2 -> op.1'; allowed: tasks that do not wait for each other in a circle",
        ),
        (trace({"id": 1, "duration_micros": -2}), "f.json[0].duration_micros: got -2; allowed: an integer from 0"),
        (trace({"id": 1, "duration_micros": -2.5}), "f.json[0].duration_micros: got -2.5; allowed: a finite number >= 0"),
        (trace({"id": 1, "duration_micros": True}), "f.json[0].duration_micros: got True; allowed: an integer from 0"),
        (trace({"id": 1, "duration_micros": 10**12}), "f.json[0].duration_micros: got 1000000000000; allowed: at "),
        (trace({"id": 1, "attr": {"comm_size": 4}}), "f.json[0].attr: got {'comm_size': 4}; allowed: a list of attributes"),
        (trace({"id": 1, "attr": [{"int64_val": 4}]}), "f.json[0].attr[0]: got {'int64_val': 4}; allowed: a name and one value,"),
        (
            trace({"id": 1, "type": "COMM_SEND_NODE", "attr": [{"name": "comm_size", "int64_val": "-4"}]}),
            "f.json[0].attr.comm_size: got '-4'; allowed: a whole number >= 0",
        ),
        (
            trace({"id": 1, "type": "COMM_SEND_NODE", "attr": [{"name": "comm_size", "int64_val": 2**50}]}),
            "f.json[0].out_bytes: got 1125899906842624; allowed: an integer from 0 to 281474976710656",
        ),
        (
            trace({"id": 1}, {"id": 2}, {"id": 3, "data_deps": [1, 2]}, {"id": 4, "ctrl_deps": [2]}),
            "f.json[3].ctrl_deps[0]: got op.2 -> op.4; allowed: series-parallel dependencies, as programs of forks have",
        ),
    ],
)
def test_what_is_refused(nodes: Any, message: str, write: Write) -> None:
    with pytest.raises(ModelError) as raised:
        om.from_chakra(write(nodes))
    assert str(raised.value).startswith(message), raised.value


def test_too_many_dependencies_through_a_node_that_does_nothing(write: Write) -> None:
    first = [{"id": i} for i in range(1, 1_101)]
    last = [{"id": i, "data_deps": [2_000]} for i in range(3_000, 4_000)]
    idle = {"id": 2_000, "type": "METADATA_NODE", "data_deps": [node["id"] for node in first]}
    with pytest.raises(ModelError, match=r"^f\.json: got more than 1048576 dependencies; allowed: at most 1048576 dependencies$"):
        om.from_chakra(write(trace(*first, idle, *last)))


def test_five_hundred_spoiled_files(spoil: Callable[..., dict[str, int]]) -> None:
    idle = {"id": 2, "data_deps": [1], "type": "METADATA_NODE"}
    found = spoil(read_chakra, {"nodes": [*STEP, idle | {"id": 9}]})
    assert found["read"] > 20 and found["refused"] > 300, found
