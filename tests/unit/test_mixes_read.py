"""Mixes in files and on command lines: parts by name, file or description, shares that change, hot spots, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import octomodel as om
from octomodel import cli, cli_input, yaml_io
from octomodel.elements import Branch
from octomodel.errors import ModelError
from octomodel.workflow import Workflow

PART = """
schema_version: 1
clock_hz: 1 GHz
workflow:
  name: calls
  attributes: {n: {file: n.csv, column: n}}
  program: [{task: call, time: {per: n, slope: 2 us}}]
"""
MIX = """
schema_version: 1
clock_hz: 2 GHz
title: a day
workflow:
  mix: day
  parts:
    exit: early_exit
    calls: parts/calls.yaml
    own: {name: own, program: [{task: only, time: 3 us}], attributes: {m: {file: parts/n.csv, column: n}}}
  shares: {exit: 2, calls: 1, own: 1}
"""
PHASES = """
  of: requests
  phases: {by: request, cycle: [[noon, 300], [night, 100]]}
  phase_shares: {night: {exit: 0, calls: 0.25, own: 0.75}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("OCTOMODEL_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "n.csv").write_text("n\n1\n3\n")
    (tmp_path / "parts" / "calls.yaml").write_text(PART)
    return tmp_path


def read(text: str, name: str = "mix.yaml") -> Workflow:
    Path(name).write_text(text)
    found = yaml_io.read_file(name).workflow
    assert found is not None
    return found


def work(workflow: Workflow, part: str, phase: str | None = None) -> float:
    return sum(cycles for task, cycles in workflow.demand(phase).items() if task.startswith(f"{part}."))


def test_a_file_of_a_mix_is_what_python_mixes() -> None:
    found = read(MIX)
    calls = om.Workflow("calls", om.task("call", om.per("n", 2000)), attributes={"n": [1, 3]})
    own = om.Workflow("own", om.task("only", 6000), attributes={"m": [1, 3]})
    shares = {"exit": 2, "calls": 1, "own": 1}
    assert found == om.mix("day", {"exit": om.workflow("early_exit"), "calls": calls, "own": own}, shares)
    assert work(found, "exit") == pytest.approx(2 * work(found, "calls")) == pytest.approx(2 * work(found, "own"))
    document = yaml_io.read_file("mix.yaml")
    yaml_io.write_file("flat.toml", document)
    assert yaml_io.read_file("flat.toml") == document
    assert yaml_io.digest(yaml_io.read_file("flat.toml")) == yaml_io.digest(document)


def test_shares_of_requests_that_change_with_phases() -> None:
    found = read(MIX + PHASES)
    branch = found.program.items[0]
    assert isinstance(branch, Branch) and branch.choices == ("exit", "calls", "own")
    assert branch.values == (0.5, 0.25, 0.25)
    assert found.phases is not None
    by_night = {branch.value(phase) for phase in found.phases.names if phase.startswith("night")}
    by_noon = {branch.value(phase) for phase in found.phases.names if phase.startswith("noon")}
    assert (by_night, by_noon) == ({(0.0, 0.25, 0.75)}, {(0.5, 0.25, 0.25)})


def test_files_extend_mixes() -> None:
    read(MIX)
    found = read("schema_version: 1\nextends: mix.yaml\nworkflow: {shares: {exit: 6}}\n", "more.yaml")
    assert work(found, "exit") == pytest.approx(6 * work(found, "own"))
    found = read("schema_version: 1\nextends: mix.yaml\nchanges: {workflow.parts.calls: early_exit}\n", "more.yaml")
    assert work(found, "exit") == pytest.approx(2 * work(found, "calls"))
    Path("parts/inner.yaml").write_text(MIX.replace("parts/", ""))
    assert read("schema_version: 1\nextends: parts/inner.yaml\n", "more.yaml") == read(MIX)
    only = "schema_version: 1\nextends: mix.yaml\nworkflow: {name: one, program: [{task: a, time: 5}]}\n"
    assert read(only, "more.yaml") == om.Workflow("one", om.task("a", 5))
    over = "schema_version: 1\nextends: tandem\n" + MIX.partition("1\n")[2].replace("2 GHz", "1 GHz")
    assert read(over, "more.yaml").name == "day"


def part(value: str, rest: str = "") -> str:
    return f"schema_version: 1\nworkflow: {{mix: m, parts: {{a: {value}, b: tandem}}, shares: {{a: 1, b: 1}}{rest}}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (part("erly_exit"), ".workflow.parts.a: got 'erly_exit'; allowed: did you mean 'early_exit'?"),
        (part("5"), ".workflow.parts.a: got 5; allowed: the name of a preset or of a file, or a workflow"),
        (part("missing.yaml"), "got no regular file; allowed: the path of an existing file"),
        (part("../mix.yaml"), ".workflow.parts.a: got '../mix.yaml'; allowed: a file in the folder"),
        (part("/etc/mix.yaml"), ".workflow.parts.a: got '/etc/mix.yaml'; allowed: a file in the folder"),
        (part("mix.yaml"), "mix.yaml.workflow: got a mix; allowed: a workflow: mixes"),
        (part("{mix: n, parts: {}, shares: {}}"), ".workflow.parts.a: got a mix; allowed: a workflow: mixes do not hold"),
        (part("machine.toml"), ".workflow.parts.a: got 'machine.toml'; allowed: a file with a workflow"),
        (part("{name: w, program: []}"), ".workflow.parts.a: got 0; allowed: at least one task"),
        (part("tandem", ", name: x"), ".workflow.name: got 'name'; allowed: one of mix, of, parts, phase_shares, phases, shares"),
        (part("tandem", ", of: demand"), ".workflow.of: got 'demand'; allowed: one of requests, work"),
        (part("tandem", ", phase_shares: {n: {a: 1, b: 1}}"), ".workflow.phase_shares: got {'n': {'a': 1, 'b': 1}}; allowed"),
        (part("tandem", ", phases: {by: week, cycle: [[n, 1]]}"), ".workflow.phases.by: got 'week'"),
        (part("tandem").replace("{a: 1, b: 1}", "{a: 1}"), ".workflow.shares.b: got nothing; allowed: a value: b is required"),
        (part("tandem").replace("{a: 1, b: 1}", "{a: 1, b: 1, c: 1}"), ".workflow.shares.c: got 'c'; allowed: one of a, b"),
        (part("tandem").replace("{a: 1, b: 1}", "{a: -1, b: 1}"), ".workflow.shares.a: got -1; allowed: a finite number >= 0"),
        (part("tandem").replace("{a: 1, b: 1}", "{a: 0, b: 0}"), ".workflow.shares: got {'a': 0, 'b': 0}; allowed: at least one"),
        (part("tandem").replace("a: tandem, ", ""), ".workflow.parts: got 1; allowed: at least two"),
        (part("tandem").replace("mix: m", "mix: 1m"), ".workflow.mix: got '1m'; allowed: a name"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    Path("mix.yaml").write_text(part("tandem"))
    Path("machine.toml").write_text("schema_version = 1\n[hardware]\nrows = 1\ncols = 1\n")
    with pytest.raises(ModelError) as caught:
        read(text, "f.yaml")
    assert message in str(caught.value)


def test_a_description_without_a_file_mixes_presets_only() -> None:
    data = {"schema_version": 1, "workflow": {"mix": "m", "parts": {"a": "tandem", "b": "x.yaml"}, "shares": {"a": 1, "b": 1}}}
    with pytest.raises(ModelError, match="f.workflow.parts.b: got 'x.yaml'; allowed: a preset or a workflow: only a file"):
        yaml_io.from_dict(data, "f")


def test_words_of_a_command_line() -> None:
    read(PART.replace("parts/", "").replace("{n: {file: n.csv, column: n}}", "{n: [1, 3]}"), "calls.yaml")
    document = cli_input.workflow("early_exit=0.6+calls.yaml=0.4")
    assert document.workflow is not None and document.hardware is None and document.title == "early_exit and calls at once"
    assert 4 * work(document.workflow, "early_exit") == pytest.approx(6 * work(document.workflow, "calls"))
    assert cli_input.workflow("tandem+early_exit").hardware is None  # made for one of them alone
    for words, message in (
        ("tandem+tandm", "workflow: got 'tandm'; allowed: did you mean 'tandem'"),
        ("tandem=x+early_exit", "workflow, share of tandem: got 'x'; allowed: a number from 0 on"),
        ("tandem=-1+early_exit", "mix.mix.shares.tandem: got -1.0; allowed: a finite number >= 0"),
        ("tandem=nan+early_exit", "mix.mix.shares.tandem: got nan; allowed: a finite number >= 0"),
        ("tandem+tandem", "workflow: got 'tandem'; allowed: each part of a mix once"),
        ("tandem+", "workflow: got ''; allowed: "),
        ("tandem+chip_64c", "workflow: got 'chip_64c'; allowed: "),
    ):
        with pytest.raises(ModelError, match=message):
            cli_input.workflow(words)
    Path("a+b.yaml").write_text("schema_version: 1\nworkflow: {name: plus, program: [{task: a, time: 5}]}\n")
    assert cli_input.described("a+b.yaml").workflow == om.Workflow("plus", om.task("a", 5))


def test_show_and_run_take_mixes_by_words_and_by_file_with_hot_spots(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", "early_exit=3+tandem", "--json"]) == cli.DONE
    tasks = json.loads(capsys.readouterr().out)["workflow"]["tasks"]
    demand = {row["task"]: row["demand_cycles"] for row in tasks}
    shares = [sum(value for task, value in demand.items() if task.startswith(each)) for each in ("early_exit.", "tandem.")]
    assert shares[0] == pytest.approx(3 * shares[1], rel=1e-4)
    read(MIX + PHASES)
    two = ["--hardware", "chip_64c", "--set", "rows=1", "--set", "cols=2", "--requests", "60", "--out", "run.nc"]
    for words in (["mix.yaml"], ["early_exit=3+parts/calls.yaml"]):
        for split, message in (("[3, 1]", ""), ("[1, 1, 1]", "load.split: got '3 weights'; allowed: 2 weights, one")):
            code = cli.main(["run", *words, *two, "--set", f"load.split={split}", "--json"])
            out, err = capsys.readouterr()
            if message:
                assert code == cli.BAD_INPUT and message in err
                continue
            assert code == cli.DONE and json.loads(out)["requests"] == 60
            admitted = om.load("run.nc")["pipeline_admitted"].values[0]
            assert admitted.sum() == 60 and np.argmax(admitted) == 0 and admitted[0] > 35
