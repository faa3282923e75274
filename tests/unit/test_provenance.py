"""Provenance: where numbers come from, kept with what it speaks of, through files, changes and pickles."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import octomodel as om
from octomodel import lower, mapping
from octomodel.errors import ModelError
from octomodel.provenance import Provenance, places
from octomodel.testing.workflows import workflows
from octomodel.workflow import Workflow
from octomodel.yaml_io import Document, from_dict, read_file, to_dict, write_file
from octomodel.yaml_text import dump, parse

PAPER = {"tag": "published", "source": "a paper, Table I"}
GUESS = {"tag": "estimate", "source": "judged", "note": "range 1 to 9"}
TEXT = """
schema_version: 1
workflow:
  name: pair
  in_bytes: 0
  program:
    - {task: first, time: {law: gamma, mean: 100, cv: 0.5}, out_bytes: 0}
    - branch: turn
      choices:
        - {choice: left, probability: 0.25, program: [{task: second, time: {law: deterministic, value: 7}}]}
        - {choice: right, probability: 0.75, program: []}
hardware: {rows: 1, cols: 2, cluster: {tbus: 12, queue_slots: {first: 3}}, tbu: {switch_cycles: 9}}
provenance:
  workflow.in_bytes: {tag: derived, source: "no payload"}
  workflow.program[0].time.mean: {tag: published, source: "a paper, Table I"}
  workflow.program[0].out_bytes: {tag: memory, source: "remembered"}
  workflow.program[1].choices[0].probability: {tag: published, source: "a paper, Table I"}
  workflow.program[1].choices[0].program[0].time.value: {tag: estimate, source: judged, note: "range 1 to 9"}
  hardware.cluster.tbus: {tag: estimate, source: judged}
  hardware.cluster.queue_slots.first: {tag: estimate, source: judged}
"""


def read(text: str = TEXT) -> Document:
    return from_dict(parse(text, "f"), "f")


def test_a_file_says_where_its_numbers_come_from() -> None:
    document = read()
    assert document.workflow is not None and document.hardware is not None
    found = document.workflow.provenance
    assert found["workflow.program[0].time.mean"] == Provenance(**PAPER)
    # a law of one value is kept as that number
    assert found["workflow.program[1].choices[0].program[0].time"] == Provenance(**GUESS)
    assert found["workflow.in_bytes"].tag == "derived"
    assert list(document.hardware.provenance) == ["hardware.cluster.tbus", "hardware.cluster.queue_slots.first"]


def test_values_that_have_their_default_are_written_when_something_is_said_of_them() -> None:
    document = read()
    written = to_dict(document)
    assert written["workflow"]["in_bytes"] == 0
    assert written["workflow"]["program"][0]["out_bytes"] == 0
    assert "config_bytes" not in written["workflow"]["program"][0]
    assert written["hardware"]["cluster"]["tbus"] == 12 and "cbus" not in written["hardware"]["cluster"]
    again = from_dict(parse(dump(written), "f"), "f")
    assert provenances(again) == provenances(document)
    assert dump(to_dict(again)) == dump(written)


def provenances(document: Document) -> tuple[dict[str, Provenance], dict[str, Provenance]]:
    assert document.workflow is not None and document.hardware is not None
    return dict(document.workflow.provenance), dict(document.hardware.provenance)


@given(workflows(), st.data())
def test_any_place_keeps_its_provenance_in_a_file(workflow: Workflow, data: Any) -> None:
    system = om.System(1, 2, queue_slots={"t0": 3}, link_bytes_per_cycle=1.5)
    entries = st.sampled_from([Provenance(**PAPER), Provenance(**GUESS)])

    def some(described: dict[str, Any], key: str) -> dict[str, Provenance]:
        known = sorted(places(described, key))
        return data.draw(st.dictionaries(st.sampled_from(known), entries, max_size=5))

    workflow = workflow.with_(provenance=some(workflow.to_dict(full=True), "workflow"))
    system = system.with_(provenance=some(system.to_dict(full=True), "hardware"))
    document = Document(workflow=workflow, hardware=system)
    again = from_dict(parse(dump(to_dict(document)), "f"), "f")
    assert again == document
    assert provenances(again) == provenances(document)


def test_files_carry_it(tmp_path: Path) -> None:
    path = tmp_path / "pair.yaml"
    write_file(path, read())
    assert provenances(read_file(path)) == provenances(read())


def test_what_changes_loses_its_provenance() -> None:
    workflow, system = read().workflow, read().hardware
    assert workflow is not None and system is not None
    assert list(system.with_(tbus=6).provenance) == ["hardware.cluster.queue_slots.first"]
    assert list(system.with_(**{"cluster.queue_slots": 4}).provenance) == ["hardware.cluster.tbus"]
    assert system.with_(rows=4, tbus=12).provenance == system.provenance
    assert "workflow.in_bytes" not in workflow.with_(in_bytes=1).provenance
    assert workflow.with_(deadline_cycles=5).provenance == workflow.provenance
    new = {"workflow.in_bytes": Provenance(**PAPER)}
    assert dict(workflow.with_(in_bytes=1, provenance=new).provenance) == new


def test_it_is_neither_compared_nor_simulated() -> None:
    workflow, system = read().workflow, read().hardware
    assert workflow is not None and system is not None
    bare, plain = workflow.with_(provenance={}), system.with_(provenance={})
    assert not bare.provenance and not plain.provenance
    assert (bare, plain, hash(bare), hash(plain)) == (workflow, system, hash(workflow), hash(system))
    digests = [
        lower.lower(w, s, om.closed(4), mapping.make(w, s)).tables_digest for w, s in ((workflow, system), (bare, plain))
    ]
    assert digests[0] == digests[1]


def test_it_cannot_be_changed_and_survives_copies() -> None:
    for part in (read().workflow, read().hardware):
        assert part is not None
        with pytest.raises(TypeError):
            part.provenance["x"] = Provenance(**PAPER)  # type: ignore[index]
        for again in (pickle.loads(pickle.dumps(part)), copy.deepcopy(part)):
            assert again == part and again.provenance == part.provenance


@pytest.mark.parametrize(
    ("entry", "path", "part"),
    [
        ("workflow.program[2].time: {tag: memory, source: x}", "f.provenance", "did you mean 'workflow.program[0].time'"),
        ("workflow.program[0].config_bytes: {tag: memory, source: x}", "f.provenance", "did you mean"),
        ("hardware.cluster.tbu: {tag: memory, source: x}", "f.provenance", "did you mean 'hardware.cluster.tbus'"),
        ("load.rate: {tag: memory, source: x}", "f.provenance", "one of"),
        ("hardware.rows: {tag: P, source: x}", "f.provenance[hardware.rows].tag", "one of derived, estimate, memory, published"),
        ("hardware.rows: {tag: memory}", "f.provenance[hardware.rows].source", "source is required"),
        ('hardware.rows: {tag: memory, source: " "}', "f.provenance[hardware.rows].source", "names the source"),
        ("hardware.rows: {tag: memory, source: 5}", "f.provenance[hardware.rows].source", "names the source"),
        ("hardware.rows: {tag: memory, source: x, note: 5}", "f.provenance[hardware.rows].note", "a text"),
        ("hardware.rows: {tag: memory, source: x, nite: y}", "f.provenance[hardware.rows].nite", "did you mean 'note'"),
        ("hardware.rows: memory", "f.provenance[hardware.rows]", "a mapping with keys"),
        (
            "workflow.program[1].choices[0].program[0].time: {tag: memory, source: x}",
            "f.provenance",
            "one entry for workflow.program[1].choices[0].program[0].time",
        ),
    ],
)
def test_entries_are_refused_at_their_place(entry: str, path: str, part: str) -> None:
    with pytest.raises(ModelError) as caught:
        read(f"{TEXT}  {entry}\n")
    assert caught.value.path == path
    assert part in str(caught.value)


def test_a_list_is_no_provenance_and_objects_check_it_too() -> None:
    with pytest.raises(ModelError, match=r"f\.provenance: got \[1\]; allowed: a mapping"):
        from_dict({"octomodel": 1, "provenance": [1]}, "f")
    with pytest.raises(ModelError, match=r"system\.provenance: .*did you mean 'hardware.rows'"):
        om.System(1, 1, provenance={"hardware.row": Provenance(**PAPER)})
    with pytest.raises(ModelError, match=r"workflow\.w\.provenance: got 'program\[0\]'; allowed: did you mean"):
        om.Workflow("w", om.task("a", 1), provenance={"program[0]": Provenance(**PAPER)})
