"""The file format: TOML and YAML, several documents, units, extending, changes, the digest."""

from __future__ import annotations

import dataclasses
import os
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import octomodel as om
from octomodel import dist, presets, toml_text, units, yaml_text
from octomodel.dist.base import LAWS
from octomodel.errors import ModelError
from octomodel.extends import MAX_FILES
from octomodel.load import KINDS, closed, mmpp, periodic, poisson, renewal, trace
from octomodel.testing.scenarios import scenario
from octomodel.testing.workflows import workflows
from octomodel.workflow import Workflow
from octomodel.yaml_io import Document, changed, digest, from_dict, read_file, to_dict, write_file

WHOLE = """
schema_version: 1
title: a pair
workflow:
  name: pair
  in_bytes: 1.5 KiB
  deadline_cycles: 1 ms
  attributes: {tokens: {law: uniform, low: 20, high: 400}}
  phases: {by: time, cycle: [[day, 1 s], [night, 500 ms]]}
  program:
    - {task: first, time: {law: gamma, mean: 2.5 us, cv: 0.5}, out_bytes: 4 KiB}
    - {task: second, time: {per: tokens, slope: 900 ns, base: 1 us, law: {law: lognormal, mean: 1, cv: 0.1}}}
    - {task: third, time: 5 us, phases: {night: 7 us}}
    - task: fourth
      time: {law: mixture, weights: [0.5, 0.5], laws: [{law: deterministic, value: 1 us}, {law: empirical, samples: [5, 1 us]}]}
    - {loop: again, count: {law: uniform, low: 1, high: 3}, body: [{task: fifth, time: 3 kcycles}]}
hardware:
  rows: 1
  cols: 2
  clock_hz: 2 GHz
  cluster: {tbus: 4, reload_bytes_per_cycle: 256 bit/cycle}
  tbu: {memory_bytes: 1 MiB, switch_cycles: 10 ns}
  link: {bytes_per_cycle: 100 GB/s, latency_cycles: 4.5 ns}
load: {kind: mmpp, rates: [2000 requests/s, 5 requests/ms], mean_cycles: [1 ms, 2 ms], requests: 50}
"""


def read(text: str, name: str = "f") -> Document:
    return from_dict(yaml_text.parse(text, name), name)


# -- round trips ------------------------------------------------------------------------------------


def test_texts_with_units_are_cycles_and_bytes() -> None:
    document = read(WHOLE)
    wf, hw, load = document.workflow, document.hardware, document.load
    assert wf is not None and hw is not None and load is not None
    assert (wf.in_bytes, wf.deadline_cycles, wf.tasks[0].out_bytes) == (1536, 2_000_000, 4096)
    assert wf.phases is not None and wf.phases.cycle == (("day", 2_000_000_000), ("night", 1_000_000_000))
    first, second, third, fourth, fifth = wf.tasks
    assert first.time.law == dist.Gamma(5000, 0.5)
    assert (second.time.slope, second.time.base, second.time.law) == (1800.0, 2000.0, dist.LogNormal(1, 0.1))
    assert (third.time.law, third.phases[0][1].law) == (dist.Deterministic(10_000), dist.Deterministic(14_000))
    assert fourth.time.law == dist.Mixture([0.5, 0.5], [dist.Deterministic(2000), dist.Empirical([5, 2000])])
    assert fifth.time.law == dist.Deterministic(3000)
    assert (hw.clock_hz, hw.memory_bytes, hw.switch_cycles, hw.link_latency_cycles) == (2e9, 2**20, 20, 9)
    assert (hw.reload_bytes_per_cycle, hw.link_bytes_per_cycle) == (32, 50)
    assert load == mmpp([1e-6, 2.5e-6], [2e6, 4e6], requests=50)


def documents() -> st.SearchStrategy[Document]:
    """Return a strategy for whole documents: all elements, and the machines and loads of the scenarios."""
    return st.builds(_document, workflows(), st.integers(0, 10_000), st.booleans())


def _document(workflow: Workflow, seed: int, unlimited: bool) -> Document:
    made = scenario(seed)
    load = made.load
    if unlimited and not isinstance(load, KINDS["closed"]):
        load = load.with_(in_flight=None)
    return Document(workflow, made.system, load, 'a "title": with é', ("one", "two # three"))


@given(documents())
def test_any_document_is_the_same_after_yaml_and_toml(document: Document) -> None:
    for form in (yaml_text, toml_text):
        text = form.dump(to_dict(document))
        again = from_dict(form.parse(text, "f"), "f")
        assert again == document
        assert form.dump(to_dict(again)) == text
        assert digest(again) == digest(document)


@pytest.mark.parametrize("suffix", [".yaml", ".toml"])
def test_files_of_both_forms_are_written_and_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pair{suffix}"
    document = dataclasses.replace(read(WHOLE), load=poisson(1e-6, in_flight=None))
    write_file(path, document)
    assert read_file(path) == document
    assert ("=" in path.read_text()) == (suffix == ".toml")


@pytest.mark.parametrize("kind", presets.KINDS)
def test_presets_are_the_same_after_toml(kind: Any) -> None:
    for name in presets.names(kind):
        document = presets.document(kind, name)
        assert from_dict(toml_text.parse(toml_text.dump(to_dict(document)), "f"), "f") == document


def one_of_each_law() -> list[dist.Law]:
    return [
        dist.Deterministic(3),
        dist.Exponential(5),
        dist.Uniform(1, 2),
        dist.Triangular(1, 2, 4),
        dist.Gamma(5, 0.5),
        dist.Erlang(3, 9),
        dist.LogNormal(5, 0.5),
        dist.Weibull(5, 0.5),
        dist.Pareto(2.5, 10),
        dist.BoundedPareto(1.5, 10, 99),
        dist.HyperExponential([0.25, 0.75], [1, 7]),
        dist.PhaseType([1.0, 0.0], [[-0.5, 0.25], [0.0, -1.0]]),
        dist.Mixture([0.5, 0.5], [dist.Exponential(1), dist.Deterministic(0)]),
        dist.Empirical([1, 2.5], file="x.csv", column="c", sha256="0"),
    ]


def test_every_law_and_load_is_the_same_after_both_forms() -> None:
    assert {law.name for law in one_of_each_law()} == set(LAWS)
    loads = [closed(5), poisson(0.1), periodic(2.5), mmpp([1e-3, 0], [5, 6]), trace([1, 2, 2]), renewal(dist.Gamma(5, 1))]
    assert {load.kind for load in loads} == set(KINDS)
    for form in (yaml_text, toml_text):
        for law in one_of_each_law():
            again = from_dict(form.parse(form.dump(to_dict(Document(Workflow("w", om.task("a", law))))), "f"), "f")
            assert again.workflow is not None and again.workflow.tasks[0].time.law == law
        for load in loads:
            assert from_dict(form.parse(form.dump(to_dict(Document(load=load))), "f"), "f").load == load


def test_toml_says_what_yaml_says() -> None:
    text = """
        schema_version = 1
        [workflow]
        name = "pair"
        [[workflow.program]]
        task = "first"
        time = {law = "gamma", mean = "5 us", cv = 0.5}
        [[workflow.program]]
        fork = [[{task = "a", time = 1}], [{task = "b", time = 2}]]
        [hardware]
        rows = 1
        cols = 1
        clock_hz = 1e9
        tbu.memory_bytes = "1 MiB"
    """
    document = from_dict(toml_text.parse(text, "f"), "f")
    assert document.workflow == Workflow(
        "pair", om.task("first", dist.Gamma(5000, 0.5)), om.fork(om.task("a", 1), om.task("b", 2))
    )
    assert document.hardware == om.System(1, 1, memory_bytes=2**20)


@pytest.mark.parametrize(
    ("text", "path", "part"),
    [
        ("a = 1\na = 2\nb = 3", "f, line 2", "Cannot overwrite a value"),
        ("a = [1\n", "f", "Unclosed array"),
        ("a = 2026-01-01", "f.a", "no dates"),
        ("a = {b = [1, inf]}", "f.a.b[1]", "a finite number"),
        ("a = nan", "f.a", "a finite number"),
        ("a = " + "[" * 33 + "]" * 33, "f", "32 levels"),
        ("a = " + "[" * 100_000, "f", "32 levels"),
        (".".join("a" * 40) + " = 1", "f", "32 levels"),
        ('"' + '"."'.join("a" * 40) + '" = 1', "f", "32 levels"),
        ("a" * 10**6, "f", "TOML"),
        ("a = 1" + "0" * 5000, "f", "TOML"),
        ("a = 010", "f, line 1", "TOML"),
        ("a = \x00", "f, line 1", "TOML"),
    ],
)
def test_traps_of_toml_are_refused(text: str, path: str, part: str) -> None:
    with pytest.raises(ModelError) as caught:
        toml_text.parse(text, "f")
    assert caught.value.path == path
    assert part in str(caught.value)


def test_keys_of_32_parts_are_as_deep_as_toml_may_be() -> None:
    assert toml_text.parse(".".join("a" * 32) + " = 1", "f")
    with pytest.raises(TypeError, match="no form in TOML"):
        toml_text.dump({"a": b"bytes"})


# -- several documents ------------------------------------------------------------------------------


def test_several_documents_are_one_description(tmp_path: Path) -> None:
    parts = {
        "workflow": {"name": "w", "program": [{"task": "a", "time": "5 us"}]},
        "hardware": {"rows": 1, "cols": 1, "clock_hz": 1e9},
        "load": {"kind": "closed"},
    }
    texts = [yaml_text.dump({"schema_version": 1, key: part, "sources": [key]}) for key, part in parts.items()]
    path = tmp_path / "several.yaml"
    path.write_text("---\n".join(texts))
    expected = Document(Workflow("w", om.task("a", 5000)), om.System(1, 1), closed(), sources=tuple(parts))
    assert read_file(path) == expected
    for more, place, part in (
        ("schema_version: 1\nload: {kind: closed}\n", ", document 4.load", "load in one document"),
        ("load: {kind: closed}\n", ", document 4.schema_version", "required"),
        ("schema_version: 1\nworkflw: 1\n", ", document 4.workflw", "did you mean 'workflow'"),
        ("[1]\n", ", document 4", "a mapping"),
    ):
        path.write_text("---\n".join([*texts, more]))
        with pytest.raises(ModelError) as caught:
            read_file(path)
        assert caught.value.path == f"{path}{place}" and part in str(caught.value)
    path.write_text("--- {}\n" * 17)
    with pytest.raises(ModelError, match="at most 16 documents"):
        read_file(path)


# -- units ------------------------------------------------------------------------------------------

GIGA = Fraction(10**9)


@pytest.mark.parametrize(
    ("what", "text", "value"),
    [
        ("cycles", "5 us", 5000),
        ("cycles", "5us", 5000),
        ("cycles", "5 µs", 5000),
        ("cycles", "1.5 ns", 1.5),
        ("cycles", "2e3 ps", 2),
        ("cycles", "1 min", 60 * 10**9),
        ("cycles", "0.5 h", 1800 * 10**9),
        ("cycles", "1.5 kcycles", 1500),
        ("whole cycles", "0.5 ns", 1),
        ("whole cycles", "1 ps", 1),
        ("whole cycles", "2.5 ns", 3),
        ("whole cycles", "2.49 ns", 2),
        ("whole cycles", "0 s", 0),
        ("bytes", "1.5 MiB", 3 * 2**19),
        ("bytes", "64 kB", 64_000),
        ("bytes", "512 Kibit", 2**16),
        ("bytes per cycle", "100 GB/s", 100),
        ("bytes per cycle", "0.8 Tbit / s", 100),
        ("bytes per cycle", "1 B/ns", 1),
        ("bytes per cycle", "1 GB/min", "1/60"),
        ("requests per cycle", "5 requests/ms", 5e-6),
        ("requests per cycle", "1 request/cycle", 1.0),
        ("hertz", "850 MHz", 8.5e8),
    ],
)
def test_quantities(what: str, text: str, value: Any) -> None:
    found = units.READERS[what]("f", text, GIGA)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("what", "text", "clock", "part"),
    [
        ("cycles", "5 us", None, "a number of cycles, or a clock: hardware.clock_hz, or clock_hz at the top of the file"),
        ("bytes per cycle", "5 GB/s", None, "a number of bytes per cycle, or a clock"),
        ("requests per cycle", "5 requests/s", None, "a number of requests per cycle, or a clock"),
        ("cycles", "5 usec", GIGA, "did you mean 'us'"),
        ("cycles", "5 MB", GIGA, "one of"),
        ("cycles", "5 ns/s", GIGA, "a time such as"),
        ("cycles", "-5 ns", GIGA, "a time such as"),
        ("bytes", "5 KB", None, "did you mean"),
        ("bytes", "0.3 KiB", None, "a whole number of bytes, this is 307.2"),
        ("bytes", "5 B/s", None, "a size such as"),
        ("bytes per cycle", "5 GB", GIGA, "a rate per time, such as 5 GB/s"),
        ("bytes per cycle", "5 GB/m", GIGA, "did you mean"),
        ("requests per cycle", "5 tokens/s", GIGA, "a rate such as '2000 requests/s'"),
        ("hertz", "5 GHZ", None, "did you mean 'GHz'"),
        ("hertz", "5 Hz/s", None, "a frequency such as"),
    ],
)
def test_quantities_that_are_none(what: str, text: str, clock: Fraction | None, part: str) -> None:
    with pytest.raises(ModelError) as caught:
        units.READERS[what]("f", text, clock)
    assert caught.value.path == "f"
    assert part in str(caught.value)


def test_a_time_needs_a_clock_and_only_one() -> None:
    text = "schema_version: 1\nworkflow: {name: w, program: [{task: a, time: 5 us}]}\n"
    with pytest.raises(ModelError, match="hardware.clock_hz, or clock_hz at the top") as caught:
        read(text)
    assert caught.value.path == "f.workflow.program[0].time"
    assert read(text + "clock_hz: 2e9\n").workflow == Workflow("w", om.task("a", 10_000))
    machine = "hardware: {rows: 1, cols: 1, clock_hz: 1 GHz}\n"
    assert read(text + machine + "clock_hz: 1e9\n").workflow == Workflow("w", om.task("a", 5000))
    with pytest.raises(ModelError, match="1e\\+09, as hardware.clock_hz says, or only one of the two") as caught:
        read(text + machine + "clock_hz: 2 GHz\n")
    assert caught.value.path == "f.clock_hz"
    for bad in ("0", "-1", "true", "fast", "5 us", "[1]"):
        with pytest.raises(ModelError) as caught:
            read(text + f"clock_hz: {bad}\n")
        assert caught.value.path == "f.clock_hz"


def test_texts_where_no_quantity_belongs_are_left_to_their_reader() -> None:
    for place, value in (("rows", "5 us"), ("rows", "5"), ("torus", "1 B"), ("tbu", "5 us"), ("die", ["1 B", 1])):
        with pytest.raises(ModelError) as caught:
            from_dict({"schema_version": 1, "hardware": {"rows": 1, "cols": 1, place: value}}, "f")
        assert caught.value.path.startswith(f"f.hardware.{place}")


# -- extending --------------------------------------------------------------------------------------


def test_a_preset_with_changes() -> None:
    text = """
        schema_version: 1
        extends: [early_exit, chip_64c]
        workflow: {deadline_cycles: 5 ms}
        hardware: {rows: 4, tbu: {memory_bytes: 1 MiB}, cluster: {queue_slots: {s1: 9}}}
        load: null
        changes:
          workflow.program[0].choices[0].program[0].time.cv: 0.5
          workflow.program[0].choices[0].program[0].kind: general
          hardware.link.latency_cycles: 20 ns
    """
    document = read(text)
    base = om.hardware("chip_64c", rows=4, memory_bytes=2**20, queue_slots={"s1": 9}, link_latency_cycles=20)
    assert document.hardware == base
    assert document.load is None
    wf = document.workflow
    assert wf is not None and wf.deadline_cycles == 5_000_000
    assert (wf.tasks[0].time.law, wf.tasks[0].kind) == (dist.LogNormal(4_050_000, 0.5), "general")
    assert wf.tasks[1:] == om.workflow("early_exit").tasks[1:]
    both = presets.document("workflow", "early_exit").sources, presets.document("hardware", "chip_64c").sources
    assert document.sources == (*both[0], *both[1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "machine.toml").write_text('schema_version = 1\n[hardware]\nrows = 2\ncols = 2\ntbu.memory_bytes = "1 MiB"\n')
    (inner / "work.yaml").write_text("schema_version: 1\nworkflow: {name: w, program: [{task: a, time: 5 us}]}\n")
    (tmp_path / "secret.yaml").write_text("schema_version: 1\n")
    return inner


def top(folder: Path, text: str, name: str = "top.yaml") -> Document:
    path = folder / name
    path.write_text(f"schema_version: 1\n{text}\n")
    return read_file(path)


def test_files_extend_files_beside_them(folder: Path) -> None:
    document = top(folder, "extends: [work.yaml, machine.toml]\nhardware: {clock_hz: 2 GHz, tbu: {memory_bytes: null}}")
    assert document.workflow == Workflow("w", om.task("a", 10_000))  # the clock of the whole holds for every part
    assert document.hardware == om.System(2, 2, clock_hz=2e9)
    below = folder / "below"
    below.mkdir()
    (below / "up.yaml").write_text("schema_version: 1\nextends: ../machine.toml\n")
    assert top(folder, "extends: below/up.yaml").hardware == om.System(2, 2, memory_bytes=2**20)


def test_a_law_or_load_of_another_kind_replaces_all_of_it(folder: Path) -> None:
    (folder / "base.yaml").write_text(
        "schema_version: 1\nworkflow: {name: w, attributes: {n: {law: gamma, mean: 5, cv: 1}}, program: [{task: a, time: 1}]}\n"
        "load: {kind: poisson, rate: 0.5, requests: 7}\n"
    )
    document = top(
        folder, "extends: base.yaml\nworkflow: {attributes: {n: {law: uniform, low: 1, high: 2}}}\nload: {kind: closed}"
    )
    assert document.workflow is not None and document.workflow.attributes["n"] == dist.Uniform(1, 2)
    assert document.load == closed()
    assert top(folder, "extends: base.yaml\nload: {requests: 9}").load == poisson(0.5, 9)


def test_errors_name_the_file_that_has_the_mistake(folder: Path) -> None:
    (folder / "bad.yaml").write_text("schema_version: 1\nhardware: {rows: 2, cols: -1}\n")
    with pytest.raises(ModelError) as caught:
        top(folder, "extends: bad.yaml\nhardware: {rows: 3}")
    assert caught.value.path == "bad.yaml.hardware.cols"
    with pytest.raises(ModelError) as caught:
        top(folder, "extends: machine.toml\nhardware: {rows: -3}")
    assert caught.value.path == f"{folder}/top.yaml.hardware.rows"


@pytest.mark.parametrize(
    ("text", "place", "part"),
    [
        ("extends: ../secret.yaml", ".extends", "a file in the folder of the first file or below it"),
        ("extends: [work.yaml, ../secret.yaml]", ".extends[1]", "a file in the folder of the first file or below it"),
        ("extends: /etc/passwd.yaml", ".extends", "by a relative name"),
        ("extends: link.yaml", ".extends", "a file in the folder of the first file or below it"),
        ("extends: loop.yaml", ".extends", "in the folder"),
        ('extends: "a\\0.yaml"', ".extends", "by a relative name"),
        ("extends: top.yaml", ".extends", "do not extend each other in a circle: top.yaml -> top.yaml"),
        ("extends: none.yaml", None, "no regular file"),
        ("extends: chip_64", ".extends", "did you mean 'chip_64c'"),
        ("extends: 5", ".extends", "a name or a list of names"),
        ("extends: [5]", ".extends[0]", "the name of a preset or of a file"),
        ("extends: machine.toml\nchanges: 5", ".changes", "a mapping"),
        ("extends: machine.toml\nchanges: {rows: 5}", ".changes", "begins with workflow., hardware., load."),
        ("extends: work.yaml\nchanges: {'workflow.program[1].time': 5}", ".changes[workflow.program[1].time]", "from 0 to 0"),
        ("extends: work.yaml\nchanges: {'workflow.program[x].time': 5}", ".changes[workflow.program[x].time]", "from 0 to 0"),
        ("extends: work.yaml\nchanges: {'workflow.name[0]': 5}", ".changes[workflow.name[0]]", "there is no list"),
        ("extends: work.yaml\nchanges: {workflow.name.x: 5}", ".changes[workflow.name.x]", "a place that exists"),
        ("extends: work.yaml\nclock_hz: 1e9\nchanges: {workflow.nome: v}", ".workflow.nome", "did you mean 'name'"),
    ],
)
def test_what_may_not_be_extended_or_changed(folder: Path, text: str, place: str | None, part: str) -> None:
    os.symlink("../secret.yaml", folder / "link.yaml")
    os.symlink("loop.yaml", folder / "loop.yaml")
    with pytest.raises(ModelError) as caught:
        top(folder, text)
    assert place is None or caught.value.path == f"{folder}/top.yaml{place}"
    assert part in str(caught.value)


def test_files_are_extended_a_limited_number_of_times(folder: Path) -> None:
    for i in range(40):
        (folder / f"f{i}.yaml").write_text(f"schema_version: 1\nextends: [f{i + 1}.yaml, f{i + 1}.yaml]\n")
    (folder / "f40.yaml").write_text("schema_version: 1\n")
    with pytest.raises(ModelError, match=f"at most {MAX_FILES} files"):
        top(folder, "extends: f0.yaml")
    with pytest.raises(ModelError, match=f"at most {MAX_FILES} files"):
        top(folder, "extends: f20.yaml")


def test_plain_data_extend_presets_only() -> None:
    assert from_dict({"schema_version": 1, "extends": "chip_64c"}, "f").hardware == om.hardware("chip_64c")
    with pytest.raises(ModelError, match="f.extends: got 'x.yaml'; allowed: a preset: only a file can extend files"):
        from_dict({"schema_version": 1, "extends": "x.yaml"}, "f")


def test_provenance_of_what_a_file_changes_is_its_own(folder: Path) -> None:
    (folder / "base.yaml").write_text(
        "schema_version: 1\nhardware: {rows: 2, cols: 2, cluster: {tbus: 3}}\nprovenance:\n"
        "  hardware.rows: {tag: published, source: a paper}\n  hardware.cols: {tag: published, source: a paper}\n"
        "  hardware.cluster.tbus: {tag: memory, source: nobody}\n"
    )
    document = top(
        folder,
        "extends: base.yaml\nhardware: {rows: 4}\nchanges: {hardware.cluster.tbus: 5}\n"
        "provenance: {hardware.cluster.tbus: {tag: estimate, source: us}}",
    )
    assert document.hardware is not None
    found = {place: value.tag for place, value in document.hardware.provenance.items()}
    assert found == {"hardware.cols": "published", "hardware.cluster.tbus": "estimate"}


# -- changes and the digest -------------------------------------------------------------------------


def test_a_changed_document_is_the_same_elsewhere() -> None:
    document = read(WHOLE)
    assert changed(document, {}, "f") == document
    again = changed(document, {"workflow.attributes.tokens.high": 500, "workflow.deadline_cycles": None}, "f")
    assert again.workflow is not None and again.workflow.deadline_cycles is None
    assert again.workflow.attributes["tokens"] == dist.Uniform(20, 500)
    assert (again.hardware, again.load) == (document.hardware, document.load)
    named = Document(Workflow("w", om.task("a", om.per("a.b", 1)), attributes={"a": [1], "a.b": dist.Uniform(1, 2)}))
    found = changed(named, {"workflow.attributes.a.b.high": 3}, "f").workflow
    assert found is not None and found.attributes["a.b"] == dist.Uniform(1, 3)


def shuffled(value: Any, draw: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        draw.shuffle(keys)
        return {key: shuffled(value[key], draw) for key in keys}
    return [shuffled(item, draw) for item in value] if isinstance(value, list) else value


@given(documents(), st.randoms(use_true_random=False))
def test_the_digest_knows_neither_order_nor_words(document: Document, draw: random.Random) -> None:
    again = from_dict(shuffled(to_dict(document), draw), "f")
    assert digest(again) == digest(document)
    assert digest(dataclasses.replace(document, title="", sources=())) == digest(document)


def test_the_digest_is_equal_exactly_where_descriptions_are() -> None:
    machine = om.System(1, 2, link_bytes_per_cycle=2, description="words")
    equal = [machine.with_(link_bytes_per_cycle=rate) for rate in (2.0, Fraction(2))] + [machine.with_(description="")]
    assert {digest(Document(hardware=each)) for each in equal} == {digest(Document(hardware=machine))}
    halves = [machine.with_(link_bytes_per_cycle=rate) for rate in (0.5, Fraction(1, 2))]
    assert len({digest(Document(hardware=each)) for each in halves}) == 1
    base = to_dict(read(WHOLE))
    seen = {digest(read(WHOLE))}
    changes = {
        "workflow.program[0].time.cv": 0.25,
        "workflow.program[1].time.slope": 1801,
        "workflow.phases.cycle[0][1]": 5,
        "workflow.name": "other",
        "hardware.cols": 3,
        "hardware.link.latency_cycles": 10,
        "load.requests": 51,
    }
    for place, value in changes.items():
        seen.add(digest(changed(from_dict(base, "f"), {place: value}, "f")))
    assert len(seen) == 1 + len(changes)
