"""Files: the strict subset of YAML, documents and their round trip, errors that name file and place."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octomodel import yaml_text
from octomodel.errors import ModelError
from octomodel.hardware import System
from octomodel.load import closed, trace
from octomodel.plain import body_from_list
from octomodel.testing.workflows import workflows
from octomodel.workflow import Workflow
from octomodel.yaml_io import Document, from_dict, read_file, to_dict, write_file
from octomodel.yaml_text import dump, parse


def test_scalars_are_what_they_look_like() -> None:
    text = """
    null_: [null, ~, Null, ]
    bools: [true, False, TRUE]
    texts: [on, yes, No, off, v1.2, a: b, "1", '2', "true", <<, =]
    numbers: [0, -5, +3, 1e3, 1.5, .5, 2., -1E-2]
    on: no
    """
    assert parse(text, "t") == {
        "null_": [None, None, None],
        "bools": [True, False, True],
        "texts": ["on", "yes", "No", "off", "v1.2", {"a": "b"}, "1", "2", "true", "<<", "="],
        "numbers": [0, -5, 3, 1000.0, 1.5, 0.5, 2.0, -0.01],
        "on": "no",
    }
    assert parse("", "t") is None and parse("just text", "t") == "just text"


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a: 1\nb: 2\na: 3", 3, "each key once"),
        ("a: {b: 1, b: 2}", 1, "each key once"),
        ("a: &x [1]\nb: *x", 1, "no anchors"),
        ("a: *x", 1, "no aliases"),
        ("a: !!int 5", 1, "no tags"),
        ("a: !!python/object:os.system x", 1, "no tags"),
        ("a: ! 5", 1, "no tags"),
        ("a: 1\n---\nb: 2", 2, "one document"),
        ("? [1]\n: 2", 1, "keys that are texts"),
        ("{{}: 2}", 1, "keys that are texts"),
        ("a: 010", 1, "quotes for a text"),
        ("a: 0x10", 1, "quotes for a text"),
        ("a: 0o17", 1, "quotes for a text"),
        ("a: 1_000", 1, "quotes for a text"),
        ("a: 1:30", 1, "quotes for a text"),
        ("a: 1,5", 1, "quotes for a text"),
        ("a: 2026-01-01", 1, "quotes for a text"),
        ("a: 1e999", 1, "quotes for a text"),
        ("a: .inf", 1, "quotes for a text"),
        ("a: -.INF", 1, "quotes for a text"),
        ("a: .nan", 1, "quotes for a text"),
        ("a: [1", 1, "YAML"),
        ("a: b: c", 1, "YAML"),
        ("a:\n\t- b", 2, "YAML"),
        ("[" * 33, 1, "32 levels"),
        ("\n" + "- " * 33 + "x", 2, "32 levels"),
    ],
)
def test_traps_are_refused_at_their_line(text: str, line: int, part: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse(text, "file.yaml")
    assert caught.value.path in (f"file.yaml, line {line}", f"file.yaml, line {line + 1}")
    assert part in str(caught.value)


def test_control_characters_and_sizes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="file"):
        parse("a: \x00", "file")
    monkeypatch.setattr(yaml_text, "MAX_BYTES", 5)
    with pytest.raises(ModelError, match="at most 5 bytes"):
        parse("a: aaa", "file")
    assert parse("a: aa", "file") == {"a": "aa"}


def test_deep_nesting_is_refused_at_once() -> None:
    with pytest.raises(ModelError, match="32 levels"):
        parse("[" * 100_000, "file")


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["null", "true", "1e3", "010", "on", "~", ""]
)
data = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(data)
def test_plain_data_written_and_parsed_is_the_same(value: Any) -> None:
    back = parse(dump(value), "file")
    assert back == value
    assert repr(back) == repr(value)  # 1, 1.0 and True differ


def test_what_has_no_form_is_refused() -> None:
    for bad in (float("inf"), np.float64("nan"), b"bytes", {1, 2}):
        with pytest.raises(TypeError, match="no form in a file"):
            dump({"a": bad})


# -- documents ------------------------------------------------------------------------------------


@given(workflows())
def test_workflows_written_and_read_are_the_same(wf: Workflow) -> None:
    document = Document(workflow=wf, title="a: title", sources=("one", "two"))
    again = from_dict(parse(dump(to_dict(document)), "file"), "file")
    assert again == document
    assert dump(to_dict(again)) == dump(to_dict(document))


def reverse_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reverse_keys(value[key]) for key in reversed(list(value))}
    return [reverse_keys(item) for item in value] if isinstance(value, list) else value


@given(workflows())
def test_the_order_of_keys_means_nothing(wf: Workflow) -> None:
    again = Workflow.from_dict(reverse_keys(wf.to_dict()))
    assert again == wf
    assert list(again.attributes) == list(wf.attributes)


def test_files_are_written_whole_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described: dict[str, Any] = {"name": "w", "program": [{"task": "a", "time": 5}]}
    assert Workflow.from_dict(described).to_dict() == described
    described |= {"description": "text", "deadline_cycles": 7, "attributes": {"n": [1, 2.5]}}
    wf = Workflow.from_dict(described)
    assert wf.to_dict() == described
    document = Document(wf, System(2, 2, link_bytes_per_cycle=1.5), trace([1, 2]), "title", ("source",))
    path = tmp_path / "described.yaml"
    write_file(path, document)
    assert read_file(path) == document
    assert read_file(str(path)) == document
    before = path.read_bytes()

    def fails(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        write_file(path, Document(load=closed(1)))
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["described.yaml"]


def test_parts_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "load.yaml"
    write_file(path, Document(load=closed(5)))
    assert read_file(path) == Document(load=closed(5))
    assert path.read_text() == "schema_version: 1\nload: {kind: closed, requests: 5}\n"


def test_the_first_name_of_the_version_is_still_read() -> None:
    assert from_dict({"octomodel": 1, "load": {"kind": "closed"}}, "f") == Document(load=closed())


def test_files_that_are_none_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    os.mkfifo(tmp_path / "fifo")
    for path, part in (
        (tmp_path, "no regular file"),
        (tmp_path / "none.yaml", "no regular file"),
        (tmp_path / "fifo", "no regular file"),
        (Path("https://example.org/a.yaml"), "no regular file"),
        (binary, "byte 0 is not UTF-8"),
    ):
        with pytest.raises(ModelError, match=part) as caught:
            read_file(path)
        assert caught.value.path == str(path)
    with pytest.raises(ModelError, match="no regular file"):
        read_file("nul\0byte")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ModelError, match="Permission denied"):
        patch.setattr(Path, "read_bytes", forbidden)
        read_file(binary)
    monkeypatch.setattr(yaml_text, "MAX_BYTES", 1)
    with pytest.raises(ModelError, match="at most 1 bytes"):
        read_file(binary)


def forbidden(_: Path) -> bytes:
    raise PermissionError(13, "Permission denied")


def element(**fields: Any) -> dict[str, Any]:
    return {"schema_version": 1, "workflow": {"name": "w", "program": [{"task": "first", "time": 1}, fields]}}


def choice(name: str, **fields: Any) -> dict[str, Any]:
    return {"choice": name, "program": [], **fields}


HALVES = [choice("x", probability=0.5), choice("y", probability=0.5)]


@pytest.mark.parametrize(
    ("content", "path", "part"),
    [
        ([], "f", "a mapping"),
        ({}, "f.schema_version", "schema_version is required"),
        ({"schema_version": 2}, "f.schema_version", "the version of files"),
        ({"octomodel": 2}, "f.octomodel", "the version of files"),
        ({"octomodel": 1, "schema_version": 1}, "f.octomodel", "only schema_version"),
        ({"schema_version": 1, "worklfow": {}}, "f.worklfow", "did you mean 'workflow'"),
        ({"schema_version": 1, "title": 5}, "f.title", "a text"),
        ({"schema_version": 1, "sources": ["a", 5]}, "f.sources[1]", "a text"),
        ({"schema_version": 1, "hardware": {"rows": 0, "cols": 1}}, "f.hardware.rows", "from 1"),
        ({"schema_version": 1, "load": {"kind": "closed", "requests": 0}}, "f.load.requests", "from 1"),
        ({"schema_version": 1, "workflow": {"name": "w"}}, "f.workflow.program", "program is required"),
        (
            {"schema_version": 1, "workflow": {"name": "w", "program": 5}},
            "f.workflow.program",
            "a list of elements",
        ),
        (element(task="a"), "f.workflow.program[1].time", "time is required"),
        (element(task="a", time=-1), "f.workflow.program[1].time", ">= 0"),
        (element(task="a", time={"law": "gama"}), "f.workflow.program[1].time.law", "gamma"),
        (
            element(task="a", time={"law": "gamma", "mean": -1, "cv": 1}),
            "f.workflow.program[1].time.mean",
            "> 0",
        ),
        (element(task="a", time={"per": "n"}), "f.workflow.program[1].time.slope", "slope is required"),
        (element(task="a", time={"per": "n", "slope": "x"}), "f.workflow.program[1].time.slope", "finite"),
        (element(task="a", time=1, tiem=2), "f.workflow.program[1].tiem", "did you mean 'time'"),
        (element(task="a", time=1, phases={"night": -1}), "f.workflow.program[1].time.night", ">= 0"),
        (element(task="a", time=1, fork=[]), "f.workflow.program[1]", "one of the keys task, fork"),
        (element(tusk="a"), "f.workflow.program[1]", "one of the keys task, fork"),
        (element(fork=5), "f.workflow.program[1].fork", "a list of lists"),
        (element(fork=[[5]]), "f.workflow.program[1].fork[0][0]", "a mapping"),
        (element(fork=[[]], name="f"), "f.workflow.program[1].name", "one of fork"),
        (element(loop=None, again=0.5), "f.workflow.program[1].body", "body is required"),
        (element(loop="l", body=[]), "f.workflow.program[1]", "one of again and count"),
        (element(loop="l", body=[], again=1.0), "f.workflow.program[1].again", "cannot end"),
        (element(branch=None), "f.workflow.program[1].choices", "choices is required"),
        (
            element(branch=None, choices=[choice("x")]),
            "f.workflow.program[1].choices[0].probability",
            "required",
        ),
        (
            element(branch=None, choices=HALVES[:1] * 2),
            "f.workflow.program[1].choices[1].choice",
            "each choice once",
        ),
        (element(branch=None, choices=HALVES[:1]), "f.workflow.program[1]", "at least 2 choices"),
        (
            element(branch=None, choices=[*HALVES, choice("z", probability=0.5)]),
            "f.workflow.program[1].probabilities",
            "sum to 1.5",
        ),
        (element(branch="?", choices=HALVES), "f.workflow.program[1].name", "a letter"),
        (
            element(branch=None, choices=HALVES, phases={"n": {"x": 1}}),
            "f.workflow.program[1].probabilities.n.y",
            "required",
        ),
        (element(select=None, choices=HALVES), "f.workflow.program[1].k", "k is required"),
        (element(select=None, k=1, choices=HALVES), "f.workflow.program[1].choices[0].probability", "weight"),
    ],
)
def test_errors_name_the_file_and_the_place(content: Any, path: str, part: str) -> None:
    with pytest.raises(ModelError) as caught:
        from_dict(content, "f")
    assert caught.value.path == path
    assert part in str(caught.value)


def test_deep_plain_data_are_refused_without_recursion() -> None:
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [{"fork": [deep]}]
    with pytest.raises(ModelError, match="more than 64 levels"):
        body_from_list(deep, "f", 0)


NUMBERS = "[" + ", ".join(["1", "-2", "3.5", "4e3", "0", "1000000"] * 40) + "]"


@pytest.mark.parametrize(
    "text",
    [
        f"a: {NUMBERS}\n",
        f"a: {NUMBERS} # {NUMBERS}\nb: 2\n",
        f"a:\n  - {NUMBERS}\n  - b: {NUMBERS}\r\n",
        f"a: {{b: {NUMBERS}, c: {NUMBERS}}}\n",
        f"- {NUMBERS}\n- x\n",
        f"a: [{NUMBERS}, {NUMBERS}]\n",
        f"a: b - {NUMBERS}\n",
        f"a: b\n  - {NUMBERS}\n",
        f'a: "b: {NUMBERS}"\n',
        f"a: 'b: {NUMBERS}'\n",
        f"a: |\n  b: {NUMBERS}\n  c\nd: >\n  b: {NUMBERS}\n",
        f"# a: {NUMBERS}\nb: 1\n",
        f"a: {NUMBERS} b\n",
        f"a: {{b - {NUMBERS}}}\n",
        f"a: {{b: c - {NUMBERS}, d: 1}}\n",
        f"? {NUMBERS}\n: 1\n",
        f"a: {NUMBERS}: 1\n",
        f"a: &x {NUMBERS}\n",
        f"a: {NUMBERS}{NUMBERS}\n",
        f"a: {NUMBERS}\n  {NUMBERS}\n",
        f"a: {NUMBERS}\na: {NUMBERS}\n",
        f"\ue0000\ue000: {NUMBERS}\n",
        f"a: \ue0000\ue000\nb: {NUMBERS}\n",
        f"a: {NUMBERS[:-1]}, 010]\n",
        f"a: {NUMBERS[:-1]}, 1e999]\n",
        f"a: {NUMBERS[:-1]},]\n",
        f"a: {NUMBERS[:-1]}, , 1]\n",
        f"a: {NUMBERS[:-1]}, 1 2, e]\n",
        f"a: {NUMBERS}\n---\nb: {NUMBERS}\n",
    ],
)
def test_long_lists_of_numbers_are_what_they_are_event_by_event(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def outcome() -> object:
        try:
            return [repr(each) for each in yaml_text.parse_all(text, "f")]
        except ModelError as error:
            return error.path

    fast = outcome()
    monkeypatch.setattr(yaml_text, "_LIST", re.compile("(?!)"))
    assert fast == outcome()


def test_a_list_at_the_depth_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_DEPTH", 2)
    assert yaml_text.parse(f"a: {NUMBERS}", "f")["a"][:3] == [1, -2, 3.5]
    with pytest.raises(ModelError, match="more than 2 levels"):
        yaml_text.parse(f"a: {{b: {NUMBERS}}}", "f")


def test_long_lists_take_no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace of 10^5 arrivals is read without 10^5 events; other YAML of megabytes is refused before it takes minutes."""
    counted = 0
    take = yaml_text._Builder.take

    def counting(self: yaml_text._Builder, event: object) -> None:
        nonlocal counted
        counted += 1
        take(self, event)

    monkeypatch.setattr(yaml_text._Builder, "take", counting)
    cycles = list(range(0, 10**7, 100))
    text = yaml_text.dump({"load": {"kind": "trace", "arrival_cycles": cycles, "requests": 5}})
    assert yaml_text.parse(text, "f")["load"]["arrival_cycles"] == cycles
    assert counted < 30
    with pytest.raises(ModelError, match=r"f: got 2\d+ characters of YAML; allowed: at most 2097152 apart from lists of numbers"):
        yaml_text.parse("- a\n" * 2**19 + "- b\n", "f")
    assert counted < 30
