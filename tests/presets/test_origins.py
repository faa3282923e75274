"""``--provenance`` says of every bundled description how well its numbers are known."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from octomodel import cli, presets
from octomodel.provenance import TAGS


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_weak_numbers_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    found = {each["name"]: each for each in json.loads(said(capsys, "presets", "--provenance", "--json"))}
    assert set(found) == {name for kind in presets.KINDS for name in presets.names(kind)}
    assert found["mcts_go"] == {
        **{"kind": "workflow", "name": "mcts_go", "published": 0, "derived": 1},
        **{"estimate": 18, "memory": 1, "unknown": 0},
    }
    assert all(each["unknown"] == 0 and sum(each[tag] for tag in TAGS) > 5 for each in found.values())
    shown = said(capsys, "presets", "--provenance")
    assert re.search(r"mcts_go +│ workflow +│ +0 │ +1 │ +18 │ +1 │ +95% │", shown)
    assert "weak: estimate or memory" in shown


def test_every_number_is_listed_with_its_origin(capsys: pytest.CaptureFixture[str]) -> None:
    found = {each["place"]: each for each in json.loads(said(capsys, "show", "early_exit", "--provenance", "--json"))}
    assert found["workflow.program[0].choices[0].program[0].time.cv"]["tag"] == "estimate"
    mean = found["workflow.program[0].choices[0].program[0].time.mean"]
    assert (mean["value"], mean["tag"], mean["source"]) == (4050000, "derived", "branchy")
    shown = said(capsys, "show", "early_exit", "--provenance")
    assert re.search(r"in_bytes +│ 3,072 +│ derived +│ branchy: 32 x 32 x 3 bytes", shown)
    assert "source: branchy: Teerapittayanon" in shown


def test_a_file_that_does_not_say(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "silent.yaml"
    path.write_text("octomodel: 1\nworkflow: {name: silent, program: [{task: only, time: 12}]}\n")
    assert re.search(r"program\[0\]\.time +│ 12 +│ unknown +│ not said", said(capsys, "show", str(path), "--provenance"))
    assert json.loads(said(capsys, "show", str(path), "--provenance", "--json")) == [
        {"place": "workflow.program[0].time", "value": 12, "tag": None, "source": None, "note": None}
    ]


@pytest.mark.parametrize("more", [("--dot",), ("--mermaid",), ("--hardware", "chip_64c"), ("--set", "rows=2")])
def test_it_stands_alone(capsys: pytest.CaptureFixture[str], more: tuple[str, ...]) -> None:
    assert cli.main(("show", "early_exit", "--provenance", *more)) == 2
    assert capsys.readouterr().err == (
        "octomodel: show: got --provenance with another option; allowed: --provenance alone or with --json\n"
    )
