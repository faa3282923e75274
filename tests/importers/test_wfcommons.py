"""Instances of WfCommons: what is read, and what is refused where."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import octomodel as om
from octomodel.errors import ModelError, ModelWarning
from octomodel.importers import read_wfcommons

Write = Callable[[Any], str]
DIAMOND = {"a": [], "b/1": ["a"], "b#1": ["a"], "c": ["b/1", "b#1"]}


def instance(tasks: dict[str, list[str]], seconds: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return an instance of WfFormat 1.5 from the parents of each task; all named ``work`` but the first, ``begin``."""
    children: dict[str, list[str]] = {key: [] for key in tasks}
    for key, parents in tasks.items():
        for parent in parents:
            children[parent].append(key)
    names = {key: "work" if i else "begin" for i, key in enumerate(tasks)}
    listed = [{"name": names[key], "id": key, "parents": parents, "children": children[key]} for key, parents in tasks.items()]
    ran = {key: 0.001 for key in tasks} if seconds is None else seconds
    return {
        "name": "small one",
        "schemaVersion": "1.5",
        "workflow": {
            "specification": {"tasks": listed},
            "execution": {
                "makespanInSeconds": 1.0,
                "executedAt": "2026-01-05T10:00:00+00:00",
                "tasks": [{"id": key, "runtimeInSeconds": value} for key, value in ran.items()],
            },
        },
    }


def test_a_diamond(write: Write) -> None:
    data = instance(DIAMOND, {"a": 0.5, "b/1": 1, "b#1": 4.2, "c": 0})
    found = read_wfcommons(write(data), clock_hz="2 GHz")
    expected = om.Workflow(
        "small_one",
        om.task("a", 1e9, config="begin", kind="general"),
        om.fork(
            om.task("b_1", 2e9, config="work", kind="general"),
            om.task("b_1_2", 8.4e9, config="work", kind="general"),
        ),
        om.task("c", 0, config="work", kind="general"),
        description="4 tasks of the WfCommons instance f.json, at 2e+09 cycles per second",
    )
    assert found.workflow == expected
    assert (found.dependencies, found.implied, found.added) == (4, 0, 0)
    assert found.path_cycles == found.recorded_path_cycles == 9.4e9
    assert om.from_wfcommons("f.json", clock_hz=2e9, name="other") == expected.with_(name="other")


def test_files_become_payloads(write: Write) -> None:
    data = instance({"a": [], "b": ["a"], "c": ["b"]})
    first, second, third = data["workflow"]["specification"]["tasks"]
    sizes = {"given": 7, "also_given": 5, "made": 100, "made_too": 20, "kept": 3}
    data["workflow"]["specification"]["files"] = [{"id": file, "sizeInBytes": size} for file, size in sizes.items()]
    first |= {"inputFiles": ["given"], "outputFiles": ["made", "made_too", "made"]}
    second |= {"inputFiles": ["given", "also_given", "made"], "outputFiles": []}
    third |= {"inputFiles": ["made_too"], "outputFiles": ["kept"]}
    found = om.from_wfcommons(write(data))
    assert [task.out_bytes for task in found.tasks] == [120, 0, 3]
    assert found.in_bytes == 12
    # where an instance lists no files their sizes are not known
    del data["workflow"]["specification"]["files"]
    found = om.from_wfcommons(write(data))
    assert [task.out_bytes for task in found.tasks] == [0, 0, 0] and found.in_bytes == 0


def test_what_has_not_run_takes_the_duration_given(write: Write) -> None:
    data = instance({"a": [], "b": ["a"]}, {"a": 0.25})
    assert om.from_wfcommons(write(data), duration="2 ms", clock_hz=1e6).demand() == {"a": 250_000, "b": 2_000}
    assert om.from_wfcommons("f.json", duration=70).demand()["b"] == 70
    del data["workflow"]["execution"]
    assert om.from_wfcommons(write(data | {"schemaVersion": "1.6", "more": {}}), duration=0).demand() == {"a": 0, "b": 0}


def test_parents_may_come_later_and_imply_each_other(write: Write) -> None:
    data = instance({"c": ["a", "b"], "b": ["a"], "a": []})
    found = read_wfcommons(write(data))
    assert [task.name for task in found.workflow.tasks] == ["a", "b", "c"]
    assert (found.dependencies, found.implied) == (3, 1)


def test_what_ran_the_same_program_shares_a_configuration(write: Write) -> None:
    """As in instances whose tasks are named one by one."""
    data = instance(DIAMOND)
    for task in data["workflow"]["specification"]["tasks"]:
        task["name"] = task["id"]
    for run, program in zip(data["workflow"]["execution"]["tasks"][1:], ("map", "map", ""), strict=True):
        run["command"] = {"program": program, "arguments": []}
    with pytest.raises(ModelError, match=r"^f\.json\..*\.tasks\[3\]\.command\.program: got ''; allowed: a text$"):
        om.from_wfcommons(write(data))
    del data["workflow"]["execution"]["tasks"][3]["command"]["program"]
    assert [task.config for task in om.from_wfcommons(write(data)).tasks] == ["a", "map", "map", "c"]


def test_levels_are_told(write: Write) -> None:
    data = instance({"a": [], "b": [], "c": ["a", "b"], "d": ["b"]}, {"a": 1, "b": 3, "c": 2, "d": 5})
    with pytest.raises(ModelError, match=r"^f\.json\..*\.tasks\[3\]\.parents\[0\]: got b -> d; allowed: series-parallel dep"):
        om.from_wfcommons(write(data))
    with pytest.warns(ModelWarning, match=r"^workflow\.small_one: barriers .* add 1 to the 3 .* 8e\+09 cycles .* 1 times"):
        found = om.from_wfcommons("f.json", series_parallel="levels")
    fork, other = found.program.items
    assert [[task.name for task in body.items] for body in fork.bodies] == [["a"], ["b"]]
    assert [[task.name for task in body.items] for body in other.bodies] == [["c"], ["d"]]


SPECIFICATION = "f.json.workflow.specification"
TASKS = f"{SPECIFICATION}.tasks"
RUNS = "f.json.workflow.execution.tasks"
Change = Callable[[dict[str, Any], dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, t: d.pop("schemaVersion"), "f.json.schemaVersion: got nothing; allowed: WfFormat 1.5 or 1.6"),
        (lambda d, t: d.update(schemaVersion="1.4"), "f.json.schemaVersion: got '1.4'; allowed: WfFormat 1.5 or 1.6"),
        (lambda d, t: d.pop("workflow"), "f.json.workflow: got nothing; allowed: a mapping"),
        (lambda d, t: d["workflow"].pop("specification"), f"{SPECIFICATION}: got nothing; allowed: a mapping"),
        (
            lambda d, t: (t.clear(), d["workflow"].pop("execution")),
            f"{TASKS}: got 0 tasks; allowed: from 1 to 16384 tasks",
        ),
        (lambda d, t: t.__setitem__(2, 5), f"{TASKS}[2]: got 5; allowed: a mapping"),
        (lambda d, t: (t[2].pop("id"), d["workflow"].pop("execution")), f"{TASKS}[2].id: got nothing; allowed: a text"),
        (lambda d, t: t[2].pop("name"), f"{TASKS}[2].name: got nothing; allowed: a text"),
        (lambda d, t: t[2].update(id="a"), f"{TASKS}[2].id: got 'a'; allowed: each task once; it is {TASKS}"),
        (lambda d, t: t[2].pop("parents"), f"{TASKS}[2].parents: got nothing; allowed: a list of the ids of other"),
        (lambda d, t: t[2]["parents"].append("aa"), f"{TASKS}[2].parents[1]: got 'aa'; allowed: did you mean 'a'? on"),
        (lambda d, t: t[2]["parents"].append("a"), f"{TASKS}[2].parents[1]: got 'a'; allowed: each task once"),
        (lambda d, t: t[2]["parents"].append(3), f"{TASKS}[2].parents[1]: got 3; allowed: a text"),
        (lambda d, t: t[2]["parents"].clear(), f"{TASKS}[0].children[1]: got 'b#1'; allowed: a task that has 'a' amo"),
        (lambda d, t: t[0]["children"].pop(), f"{TASKS}[2].parents: got 'a'; allowed: a task that has 'b#1' among i"),
        (
            lambda d, t: (t[0]["parents"].append("c"), t[3]["children"].append("a")),
            f"{TASKS}: got 'a -> b/1 -> c -> a'; allowed: tasks that do not wait for each other in a circle",
        ),
        (
            lambda d, t: (t[1]["parents"].append("b/1"), t[1]["children"].append("b/1")),
            f"{TASKS}: got 'b/1 -> b/1'; allowed: tasks that do not wait for each other in a circle",
        ),
        (lambda d, t: t[1].update(inputFiles=["g"]), f"{TASKS}[1].inputFiles[0]: got 'g'; allowed: one of f"),
        (lambda d, t: t[1].update(outputFiles="f"), f"{TASKS}[1].outputFiles: got 'f'; allowed: a list of the ids of"),
        (lambda d, t: d["workflow"]["specification"]["files"].append({"id": "f"}), f"{SPECIFICATION}.files[1].id: got 'f'; allo"),
        (
            lambda d, t: d["workflow"]["specification"]["files"][0].update(sizeInBytes=-1),
            f"{SPECIFICATION}.files[0].sizeInBytes: got -1; allowed: an integer from 0 to 281474976710656",
        ),
        (
            lambda d, t: d["workflow"]["execution"]["tasks"].pop(),
            f"{TASKS}[3]: got no duration of c; allowed: one in workflow.execution.tasks with runtimeInSeconds; durat",
        ),
        (lambda d, t: d["workflow"]["execution"].pop("tasks"), f"{RUNS}: got nothing; allowed: a list of tasks"),
        (
            lambda d, t: d["workflow"]["execution"]["tasks"][1].update(id="b"),
            f"{RUNS}[1].id: got 'b'; allowed: one of a, b#1, b/1, c",
        ),
        (
            lambda d, t: d["workflow"]["execution"]["tasks"][1].update(id="a"),
            f"{RUNS}[1].id: got 'a'; allowed: each task once",
        ),
        *(
            (
                lambda d, t, wrong=wrong: d["workflow"]["execution"]["tasks"][1].update(runtimeInSeconds=wrong),
                f"{RUNS}[1].runtimeInSeconds: got {wrong!r}; allowed: a finite number >= 0",
            )
            for wrong in (-0.5, True, "1", None, [1])
        ),
        (
            lambda d, t: d["workflow"]["execution"]["tasks"][1].update(runtimeInSeconds=80_000),
            f"{RUNS}[1].runtimeInSeconds: got 80000; allowed: at most 70368.7, which takes 2^46 cycles; more",
        ),
        (
            lambda d, t: d["workflow"]["execution"]["tasks"][1].update(runtimeInSeconds=10**400),
            f"{RUNS}[1].runtimeInSeconds: got an integer of 1329 bits; allowed: a finite number >= 0",
        ),
    ],
)
def test_what_is_refused(change: Change, message: str, write: Write) -> None:
    data = copy.deepcopy(instance(DIAMOND))
    data["workflow"]["specification"]["files"] = [{"id": "f", "sizeInBytes": 1}]
    change(data, data["workflow"]["specification"]["tasks"])
    with pytest.raises(ModelError) as raised:
        om.from_wfcommons(write(data))
    assert str(raised.value).startswith(message), raised.value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.json, line 1: got Expecting value; allowed: JSON"),
        ('{"a": 1,}', "f.json, line 1: got "),
        ("{}\n{}", "f.json: got '2 values'; allowed: one instance of WfFormat"),
        ("[]", "f.json: got []; allowed: a mapping"),
        ('{"a": 1,\n "b": 1, "a": 2}', "f.json: got 'a'; allowed: each key once in an object"),
        ('{"a": NaN}', "f.json: got NaN; allowed: finite numbers"),
        ('{"a": -Infinity}', "f.json: got -Infinity; allowed: finite numbers"),
        ('{"a": 1e999}', "f.json: got 1e999; allowed: finite numbers"),
        ("[" * 100_000, "f.json: got too many levels; allowed: JSON that is not nested deeply"),
        ("1" * 5000, "f.json: got Exceeds the limit (4300 digits)"),
        ("\ufeff{}", "f.json, line 1: got "),
    ],
)
def test_what_is_no_json(text: str, message: str, write: Write) -> None:
    with pytest.raises(ModelError) as raised:
        om.from_wfcommons(write(text))
    assert str(raised.value).startswith(message), raised.value


def test_what_is_no_file(write: Write) -> None:
    with pytest.raises(ModelError, match=r"^none\.json: got no regular file; allowed: the path of an existing file$"):
        om.from_wfcommons("none.json")
    with pytest.raises(ModelError, match=r"^f\.json: got 16777219 bytes; allowed: at most 16777216 bytes$"):
        om.from_wfcommons(write("1" + " " * (16 * 2**20 + 2)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"series_parallel": "level"}, "series_parallel: got 'level'; allowed: did you mean 'levels'? one of levels, refuse"),
        ({"clock_hz": 0}, "clock_hz: got 0; allowed: a finite number >= 1 and <= 1e+15"),
        ({"clock_hz": "2 s"}, "clock_hz: got 's'; allowed: "),
        ({"duration": -1}, "duration: got -1; allowed: a finite number >= 0"),
        ({"duration": "1e9 h"}, "duration: got 3.6e+21; allowed: a finite number >= 0 and <= 7.03687e+13"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], message: str, write: Write) -> None:
    with pytest.raises(ModelError) as raised:
        om.from_wfcommons(write(instance(DIAMOND)), **options)
    assert str(raised.value).startswith(message), raised.value


def test_five_hundred_spoiled_files(spoil: Callable[..., dict[str, int]]) -> None:
    data = instance(DIAMOND)
    data["workflow"]["specification"]["files"] = [{"id": "f", "sizeInBytes": 10}]
    data["workflow"]["specification"]["tasks"][0]["outputFiles"] = ["f"]
    found = spoil(read_wfcommons, data)
    assert found["read"] > 20 and found["refused"] > 300, found
