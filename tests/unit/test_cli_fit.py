"""``octomodel fit``: from files of what was measured to a workflow in a file, and what is refused on the way."""

from __future__ import annotations

import json
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octomodel import cli, cli_check, dist, yaml_io, yaml_text
from octomodel.errors import ModelError
from octomodel.load import Mmpp, Poisson, Renewal, Trace

PROGRAM = """
schema_version: 1
title: "an assistant"
sources: ["by hand"]
workflow:
  name: assistant
  attributes: {size: {law: uniform, low: 1, high: 2}}
  program:
    - {task: look, time: 5, out_bytes: 8}
    - branch: way
      choices:
        - {choice: near, probability: 0.5, program: [{task: fetch, time: 7}]}
        - {choice: far, probability: 0.5, program: []}
    - loop: ask
      count: {per: size, slope: 1}
      body: [{task: turn, time: 3}]
hardware: {rows: 1, cols: 1, cluster: {tbus: 4}, clock_hz: 2e6}
provenance:
  workflow.program[0].time: {tag: estimate, source: judged}
  workflow.program[0].out_bytes: {tag: published, source: paper}
  workflow.program[1].choices[0].program[0].time: {tag: estimate, source: judged}
  workflow.program[1].choices[0].probability: {tag: estimate, source: judged}
"""
REQUESTS = 120
CHECK = ("--unit", "us", "--check", "chip_64c")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    rng = np.random.default_rng(4)
    arrival = np.cumsum(rng.exponential(100.0, REQUESTS)).tolist()
    times = dist.Gamma(40.0, 0.4).quantile(rng.random(REQUESTS)).tolist()
    way = np.where(rng.random(REQUESTS) < 0.75, "near", "far")
    sizes = rng.integers(1, 9, REQUESTS)
    lines = ["request,task,start,end,size"]
    choices = ["request,block,choice,time"]
    events: list[dict[str, Any]] = []
    spans: list[dict[str, Any]] = []
    for i in range(REQUESTS):
        lines.append(f"{i},look,{arrival[i]!r},{arrival[i] + times[i]!r},{sizes[i]}")
        choices.append(f"{i},way,{way[i]},{arrival[i] + times[i]!r}")
        args = {"id": i, "size": int(sizes[i])}
        events.append({"ph": "X", "name": "look", "ts": arrival[i], "dur": times[i], "args": args})
        begin, end = (str(round(1e3 * t)) for t in (arrival[i], arrival[i] + times[i]))
        size = [{"key": "size", "value": {"intValue": str(sizes[i])}}]
        spans.append(
            {"traceId": f"t{i}", "name": "look", "startTimeUnixNano": begin, "endTimeUnixNano": end, "attributes": size}
        )
    texts = {
        "program.yaml": PROGRAM,
        "spans.csv": "\n".join(lines),
        "decisions.csv": "\n".join(choices),
        "chrome.json": json.dumps(events),
        "otlp.json": json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return {name: str(tmp_path / name) for name in (*texts, "out.yaml")}


def fitted(capsys: pytest.CaptureFixture[str], files: dict[str, str], spans: str, *words: str) -> Any:
    command = ["fit", files.get(spans, spans), "--workflow", files["program.yaml"], "--repetitions", "39", "--json", *words]
    assert cli.main(command) == cli.DONE
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def test_tables_become_a_workflow_in_a_file(capsys: pytest.CaptureFixture[str], files: dict[str, str]) -> None:
    words = ("--decisions", files["decisions.csv"], "--unit", "us", "--attribute", "size", "--out", files["out.yaml"])
    facts = fitted(capsys, files, "spans.csv", *words)
    (task,) = facts["tasks"]
    assert (task["task"], task["family"], task["ends"]) == ("look", "gamma", REQUESTS)
    assert facts["cycles_per_unit"] == 2.0 and facts["requests"] == REQUESTS
    assert [each["choice"] for each in facts["blocks"][0]["choices"]] == ["far", "near"]
    document = yaml_io.read_file(files["out.yaml"])
    assert document.workflow is not None and document.title == "an assistant"
    assert document.workflow.demand()["look"] == pytest.approx(2.0 * task["mean"])
    assert document.sources[0] == "by hand" and document.sources[1].startswith("spans.csv (SHA-256 ")
    assert document.workflow.attributes["size"].values.size == REQUESTS  # type: ignore[union-attr]
    assert isinstance(document.load, Poisson | Renewal | Mmpp) and document.load.requests == REQUESTS
    assert document.hardware is not None and document.hardware.clock_hz == 2e6
    assert facts["source"] == document.sources[1]


def test_a_file_says_of_each_value_where_it_comes_from(capsys: pytest.CaptureFixture[str], files: dict[str, str]) -> None:
    words = ("--decisions", files["decisions.csv"], "--unit", "us", "--attribute", "size", "--out", files["out.yaml"])
    fitted(capsys, files, "spans.csv", *words)
    workflow = yaml_io.read_file(files["out.yaml"]).workflow
    assert workflow is not None
    tags = {place: (each.tag, each.note) for place, each in workflow.provenance.items()}
    assert tags == {
        "workflow.program[0].out_bytes": ("published", ""),
        "workflow.program[1].choices[0].program[0].time": ("estimate", ""),
        "workflow.program[0].time": ("derived", f"gamma of {REQUESTS} executions"),
        "workflow.program[1].choices": ("derived", f"{REQUESTS} decisions"),
        "workflow.attributes.size": ("derived", f"{REQUESTS} requests"),
    }


def test_the_file_runs(capsys: pytest.CaptureFixture[str], files: dict[str, str]) -> None:
    fitted(capsys, files, "spans.csv", "--unit", "us", "--replay", "--out", files["out.yaml"])
    load = yaml_io.read_file(files["out.yaml"]).load
    assert isinstance(load, Trace) and load.arrival_cycles[0] == 0
    assert cli.main(["run", files["out.yaml"], "--json"]) == cli.DONE
    assert json.loads(capsys.readouterr().out)["requests"] == REQUESTS


@pytest.mark.parametrize(
    ("name", "words", "factor"),
    [("chrome.json", ("--format", "chrome", "--request", "id"), 1.0), ("otlp.json", ("--format", "otlp"), 1000.0)],
)
def test_traces_give_what_tables_give(
    capsys: pytest.CaptureFixture[str], files: dict[str, str], name: str, words: tuple[str, ...], factor: float
) -> None:
    table = fitted(capsys, files, "spans.csv", "--unit", "us", "--attribute", "size", "--clock", "1 MHz")
    trace = fitted(capsys, files, name, *words, "--attribute", "size", "--clock", "1 MHz")
    assert trace["cycles_per_unit"] * factor == table["cycles_per_unit"] == 1.0
    assert trace["tasks"][0]["family"] == table["tasks"][0]["family"]
    assert trace["tasks"][0]["mean"] == pytest.approx(factor * table["tasks"][0]["mean"], rel=1e-4)
    assert trace["attributes"] == table["attributes"]


def test_requests_alone_give_attributes_and_arrivals(capsys: pytest.CaptureFixture[str], files: dict[str, str]) -> None:
    path = str(resources.files("octomodel.presets") / "samples" / "azure_llm_sample.csv")
    command = ["fit", path, "--format", "azure-llm", "--workflow", "llm_chat_code", "--clock", "1 kHz", "--repetitions", "19"]
    assert cli.main([*command, "--out", files["out.yaml"]]) == cli.DONE
    out = capsys.readouterr().out
    assert "attributes of requests" in out and "arrivals: " in out and f"written to {files['out.yaml']}" in out
    document = yaml_io.read_file(files["out.yaml"])
    assert document.workflow is not None
    assert set(document.workflow.provenance) > {"workflow.attributes.context", "workflow.attributes.generated"}
    assert "workflow.attributes.context.weights" not in document.workflow.provenance


def test_when_nothing_fits_the_durations_themselves_serve(capsys: pytest.CaptureFixture[str], files: dict[str, str]) -> None:
    two = np.where(np.arange(400) % 2 == 0, 10.0, 50.0) + np.arange(400) % 7
    lines = [f"{i},look,{100 * i},{100 * i + each}" for i, each in enumerate(two.tolist())]
    Path(files["spans.csv"]).write_text("\n".join(["request,task,start,end", *lines]))
    command = ["fit", files["spans.csv"], "--workflow", files["program.yaml"], "--unit", "cycles", "--out", files["out.yaml"]]
    assert cli.main(command) == cli.DONE
    out, err = capsys.readouterr()
    assert err == "" and "empirical" in out
    found = yaml_io.read_file(files["out.yaml"]).workflow
    assert found is not None and found.demand()["look"] == pytest.approx(two.mean())


def test_names_are_changed_or_left_out(capsys: pytest.CaptureFixture[str], files: dict[str, str]) -> None:
    text = Path(files["spans.csv"]).read_text().replace(",look,", ",op.look,") + "\n7,other,1.0,2.0,8\n"
    Path(files["spans.csv"]).write_text(text)
    facts = fitted(capsys, files, "spans.csv", "--unit", "us", "--rename", "op.look=look", "--drop")
    assert [each["task"] for each in facts["tasks"]] == ["look"]


@pytest.mark.parametrize(
    ("spans", "words", "message"),
    [
        ("none.csv", ("--unit", "us"), "none.csv: got 'no regular file'; allowed: the path of an existing CSV file"),
        ("chrome.json", (), "--format: got nothing; allowed: one of csv, parquet, chrome, otlp, azure-llm, pylot, or a file tha"),
        ("spans.csv", ("--format", "crome"), "--format: got 'crome'; allowed: did you mean 'chrome'?"),
        ("spans.csv", (), "--unit: got nothing; allowed: the unit of the times: cycles, ps, ns, us,"),
        ("spans.csv", ("--unit", "sec"), "--unit: got 'sec'; allowed: "),
        ("spans.csv", ("--unit", "us", "--clock", "2"), "--clock: got '2'; allowed: a frequency such as '1.2 GHz'"),
        ("spans.csv", ("--unit", "us", "--clock", "0 Hz"), "--clock: got '0 Hz'; allowed: a frequency above 0"),
        ("spans.csv", ("--unit", "cycles", "--clock", "2 Hz"), "--clock: got '2 Hz'; allowed: no such option: the times are in "),
        ("chrome.json", ("--format", "chrome", "--unit", "s"), "--unit: got 's'; allowed: no such option: times of chrome are i"),
        ("spans.csv", ("--unit", "us", "--request", "id"), "--request: got 'id'; allowed: no such option: only chrome and otlp"),
        ("spans.csv", ("--unit", "us", "--attribute", "sizes"), "spans.csv: got 'no column sizes'; allowed: the columns request"),
        ("spans.csv", ("--format", "pylot", "--attribute", "x"), "--attribute: got 'x'; allowed: no such option: pylot has the "),
        ("spans.csv", ("--unit", "us", "--out", "w.json"), "--out: got 'w.json'; allowed: a name that ends in .yaml, .yml, .tom"),
        ("spans.csv", ("--unit", "us", "--out", "no/w.yaml"), "--out: got 'no/w.yaml'; allowed: a file in a folder that exists"),
        ("spans.csv", ("--unit", "us", "--rename", "look"), "--rename: got 'look'; allowed: MEASURED=NAME, each measured name o"),
        ("spans.csv", ("--unit", "us", "--rename", "x=look"), "spans.task: got 'x'; allowed: one of look"),
        ("spans.csv", ("--unit", "us", "--rename", "look=lok"), "spans.csv, task: got 'lok'; allowed: did you mean 'look'? one "),
        ("spans.csv", ("--unit", "us", "--decisions", "spans.csv"), "spans.csv: got 'no column block'; allowed: the columns req"),
        ("azure.csv", ("--format", "azure-llm", "--rename", "a=b"), "--rename: got 'a=b'; allowed: no such option: there are no"),
        ("spans.csv", ("--unit", "us", "--policy", "static"), "--policy: got 'static'; allowed: no such option without --check"),
        ("spans.csv", ("--unit", "us", "--check", "chip64c"), "hardware: got 'chip64c'; allowed: did you mean 'chip_64c'?"),
        ("spans.csv", (*CHECK, "--policy", "statik"), "policy: got 'statik'; allowed: did you mean 'static'?"),
        ("spans.csv", (*CHECK, "--load", "clozed"), "--load.kind: got 'clozed'; allowed: did you mean 'closed'?"),
        ("azure.csv", ("--format", "azure-llm"), "azure.csv, attribute: got 'context'; allowed: one of size; --drop leaves out "),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str],
    files: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    spans: str,
    words: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(Path(files["spans.csv"]).parent)
    Path("azure.csv").write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,9,2\n")
    assert cli.main(["fit", spans, "--workflow", "program.yaml", *words]) == cli.BAD_INPUT
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"octomodel: {message}") and err.count("\n") == 1


def test_a_check_says_how_well_the_first_half_predicts(capsys: pytest.CaptureFixture[str], files: dict[str, str]) -> None:
    words = ["--unit", "us", "--check", files["program.yaml"], "--load", "{kind: closed, in_flight: 1}"]
    found = fitted(capsys, files, "spans.csv", *words)["check"]
    assert (found["requests"], found["held_out"], found["policy"]) == (REQUESTS, REQUESTS // 2, "static")
    assert [each["statistic"] for each in found["statistics"]] == ["mean", "p50", "p95", "p99"]
    for each in found["statistics"]:
        assert sum(each["error_parts"].values()) == pytest.approx(each["error"], abs=1e-12)
        assert list(each["error_parts"]) == ["drift", "model"]
    cli_check.print_check(found)
    out, err = capsys.readouterr()
    title = f"60 of 120 requests held out, in cycles on {files['program.yaml']} under static"
    assert title in out and "by drift" in out and all(line.startswith("octomodel: warning: ") for line in err.splitlines())


def test_a_clock_is_needed_where_none_is_known(capsys: pytest.CaptureFixture[str], files: dict[str, str]) -> None:
    assert cli.main(["fit", files["spans.csv"], "--workflow", "early_exit", "--unit", "us"]) == cli.BAD_INPUT
    assert "--clock: got nothing; allowed: a frequency such as '1.2 GHz', or a machine" in capsys.readouterr().err


def test_parquet_needs_what_reads_it(
    capsys: pytest.CaptureFixture[str], files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert cli.main(["fit", "spans.parquet", "--workflow", files["program.yaml"], "--unit", "us"]) == cli.BAD_INPUT
    assert "spans.parquet: got no pyarrow; allowed: a file that can be read here: pip install pyarrow" in capsys.readouterr().err


def test_the_file_is_replaced_whole_or_not_at_all(
    capsys: pytest.CaptureFixture[str], files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(files["out.yaml"]).write_text("kept")
    monkeypatch.setattr(yaml_text, "MAX_BYTES", 100)
    document = yaml_io.Document(title="t" * 100)
    with pytest.raises(ModelError, match=r"out.yaml: got a description of \d+ bytes; allowed: at most 100 bytes"):
        yaml_io.write_file(files["out.yaml"], document)
    assert Path(files["out.yaml"]).read_text() == "kept"
