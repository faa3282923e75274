"""The command line: what it prints, what it writes, what it refuses, and its exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import octomodel as om
from octomodel import cli, cli_input, presets
from octomodel.errors import ModelError, RunError
from octomodel.flow import flow
from octomodel.load import Closed, Poisson, Trace
from octomodel.outcome import CAUSES
from octomodel.schema import schema
from octomodel.yaml_io import Document

SMALL = """
schema_version: 1
title: "a pair"
sources: ["nowhere"]
workflow:
  name: pair
  deadline_cycles: 2000
  program:
    - {task: first, time: {law: exponential, mean: 100}}
    - {task: second, time: 300, kind: general}
hardware: {rows: 1, cols: 2, cluster: {tbus: 4}}
load: {kind: poisson, rate: 0.01, requests: 300}
"""
KEYS = [
    *("replications", "requests", "executions", "makespan_cycles", "throughput_per_cycle", "latency"),
    *("deadline_miss", "time_split"),
    *("fingerprint", "exact", "work_bound_cycles", "path_bound_cycles", "fluid_bound_cycles", "warnings"),
    *("wall_s", "compile_s", "run_s", "executions_per_s"),
]


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "pair.yaml"
    path.write_text(SMALL)
    return str(path)


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "octomodel", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def plain(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run one command here and return what it printed; on success there is nothing on standard error."""
    assert cli.main(words) == code
    out, err = capsys.readouterr()
    assert err == ""
    return out


def data(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert cli.main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_presets(capsys: pytest.CaptureFixture[str]) -> None:
    listed = data(capsys, "presets")
    names = [(each["kind"], each["name"]) for each in listed]
    assert names == [(kind, name) for kind in presets.KINDS for name in presets.names(kind)]
    shown = plain(capsys, "presets")
    for each in listed:
        assert each["title"]
        assert re.search(rf"{each['name']} .*{each['kind']} .*{re.escape(each['title'][:60])}", shown)


def test_show_a_workflow(capsys: pytest.CaptureFixture[str]) -> None:
    shown = plain(capsys, "show", "early_exit")
    assert re.search(r"s1 +│ ai +│ +4,050,000 │ 0\.02 │ +0\.7 │ 2,835,000 │ +32,768 │ +131,072", shown)
    assert "demand: 15,883,586 cycles per request" in shown
    assert "phases, in requests: nominal 500, easy 500, hard 500" in shown
    assert "source: branchy: Teerapittayanon" in shown
    assert "owners" not in shown
    found = data(capsys, "show", "early_exit", "--set", "workflow.deadline_cycles=5")
    assert om.Workflow.from_dict(found["workflow"]["description"]) == om.workflow("early_exit", deadline_cycles=5)
    assert found["workflow"]["demand_cycles"] == pytest.approx(sum(om.workflow("early_exit").demand().values()))
    assert list(found) == ["workflow"]


def test_show_series_and_laws(capsys: pytest.CaptureFixture[str], tmp_path: Path, repository: Path) -> None:
    assert "attribute context: 500 values, mean 1,351.53" in plain(capsys, "show", "llm_chat_code")
    path = repository / "octomodel/presets/workflows/llm_chat_code.yaml"
    assert "attribute context: mixture, mean 1,434." in plain(capsys, "show", str(path))


def test_show_a_workflow_on_a_machine(capsys: pytest.CaptureFixture[str]) -> None:
    found = data(capsys, "show", "llm_chat_code", "--hardware", "edge_cluster", "--set", "cluster.tbus=8")
    assert list(found) == ["workflow", "hardware", "mapping"]
    assert (found["hardware"]["clusters"], found["hardware"]["tbus"]) == (1, 8)
    made = found["mapping"]
    assert made["pipelines"] == 1
    assert made["owners"] == {"tokenize": 1, "prefill512": 5, "decode16": 1, "detok": 1}
    demand = om.workflow("llm_chat_code").demand()
    assert made["limited_by"] == "prefill512"
    assert made["throughput_per_cycle"] == pytest.approx(5 / demand["prefill512"])
    assert made["fluid_throughput_per_cycle"] == pytest.approx(8 / sum(demand.values()))
    shown = plain(capsys, "show", "llm_chat_code", "--hardware", "edge_cluster", "--set", "cluster.tbus=8")
    share = made["throughput_per_cycle"] / made["fluid_throughput_per_cycle"]
    assert f"limited by prefill512 in pipeline 0: {share:.1%}" in shown
    assert re.search(r"prefill512 .*│ +5 │ +5 │ .*│ +100.0% │", shown)
    assert "tokenize 0, prefill512 1-5, decode16 6, detok 7" in shown


def test_a_workflow_that_takes_no_time_is_shown_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "free.yaml"
    path.write_text("schema_version: 1\nworkflow: {name: free, program: [{task: nothing, time: 0}]}\n")
    shown = plain(capsys, "show", str(path), "--hardware", "chip_64c")
    assert "demand: 0 cycles per request" in shown and "limited by" not in shown
    assert "768 of 768 owners have a task without demand and never work: nothing" in shown


def test_a_workflow_that_does_not_fit_is_refused_before_anything_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("show", "llm_chat_code", "--hardware", "edge_cluster", "--set", "cluster.tbus=3")
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and "got '3 live TBUs in 1 clusters'; allowed: at least 4 live TBUs" in err


def test_show_a_machine(capsys: pytest.CaptureFixture[str]) -> None:
    shown = plain(capsys, "show", "wafer_56k", "--set", "tbu.switch_cycles=99", "--set", "link.bytes_per_cycle=1/3")
    assert re.search(r"tbu\.switch_cycles +│ +99 │", shown)
    assert re.search(r"die\.size +│ +\[5, 9\] │", shown)
    assert re.search(r'link\.bytes_per_cycle +│ +"1/3" │', shown)
    assert "3,481 clusters, 41,772 TBUs" in shown
    many = [f"faults.dead_tbus=[{', '.join(map(str, range(20)))}]", "torus=true"]
    shown = plain(capsys, "show", "chip_64c", "--set", many[0], "--set", many[1])
    assert re.search(r"dead_tbus +│ +20 values │", shown)
    assert re.search(r"torus +│ +true │", shown)
    found = data(capsys, "show", "wafer_56k")
    assert om.System.from_dict(found["hardware"]["description"]) == om.hardware("wafer_56k")


def test_show_a_file(capsys: pytest.CaptureFixture[str], small: str) -> None:
    assert list(data(capsys, "show", small)) == ["workflow", "hardware", "mapping"]
    assert plain(capsys, "show", small).startswith("pair: a pair\n")


@pytest.mark.parametrize(("form", "start"), [("--dot", 'digraph "early_exit" {'), ("--mermaid", "flowchart LR")])
def test_show_a_graph(capsys: pytest.CaptureFixture[str], form: str, start: str) -> None:
    shown = plain(capsys, "show", "early_exit", form)
    assert shown.startswith(start)
    workflow = om.workflow("early_exit")
    graph, flowing = workflow.graph(), flow(workflow)
    assert shown == (graph.to_dot(flowing) if form == "--dot" else graph.to_mermaid(flowing))


def test_run_prints_the_figures(capsys: pytest.CaptureFixture[str], small: str) -> None:
    found = data(capsys, "run", small, "--seed", "3")
    assert list(found) == KEYS
    assert list(found["latency"]) == ["mean", "p50", "p95", "p99", "warmup_requests", "n_effective"]
    assert tuple(found["time_split"]) == CAUSES
    assert sum(found["time_split"].values()) == pytest.approx(1.0)
    assert (found["requests"], found["executions"], found["exact"]) == (300, 600, True)
    assert 0 <= found["deadline_miss"] < 1
    assert found["wall_s"] > 0
    assert 0 < found["run_s"] <= found["wall_s"]
    assert found["executions_per_s"] == pytest.approx(600 / found["run_s"])
    described = cli_input.described(small)
    assert described.workflow is not None and described.hardware is not None
    same = om.simulate(described.workflow, described.hardware, load=described.load, seed=3).octo.summary()
    assert {key: found[key] for key in same} == json.loads(json.dumps(same))
    assert re.fullmatch(r"[0-9a-f]{32}", found["fingerprint"])


def test_run_says_what_it_did(capsys: pytest.CaptureFixture[str], small: str) -> None:
    assert cli.main(["run", small, "--requests", "40"]) == 0
    out, err = capsys.readouterr()
    found = data(capsys, "run", small, "--requests", "40")
    assert out.startswith("pair under static: 40 requests, 80 executions\n")
    assert f"makespan      {found['makespan_cycles']:,} cycles ({found['makespan_cycles'] / 1e9:.4g} s at 1 GHz)\n" in out
    assert f"fingerprint   {found['fingerprint']}\n" in out
    assert f"missed        {found['deadline_miss']:.3%} of deadlines\n" in out
    assert f"bound         {found['fluid_bound_cycles']:,.0f} cycles" in out
    assert f"own {found['time_split']['own']:.1%}" in out
    assert "latency" not in out
    assert re.fullmatch(r"octomodel: warning: .*: no intervals; 4 requests .*, 0.7 times the 6 in flight, not 30\n", err)


def test_run_says_what_is_a_total_and_what_a_mean(capsys: pytest.CaptureFixture[str], small: str) -> None:
    words = ("run", small, "--requests", "40", "--replications", "2")
    assert cli.main(words) == 0
    shown = capsys.readouterr().out.splitlines()
    found = data(capsys, *words)
    assert shown[0] == "pair under static: 80 requests, 160 executions in all"
    assert shown[1] == "replications  2: totals above, means of the replications below"
    first, second = found["fingerprint"]
    assert f"fingerprint   {first} (replication 0)" in shown
    assert f"fingerprint   {second} (replication 1)" in shown


def test_a_long_run_has_intervals(capsys: pytest.CaptureFixture[str], small: str) -> None:
    shown = plain(capsys, "run", small, "--requests", "20000")
    found = data(capsys, "run", small, "--requests", "20000")["latency"]
    for name in ("mean", "p50", "p95", "p99"):
        each = found[name]
        text = f"latency {name:<5} {each['value']:,.0f} cycles [{each['lo']:,.0f}, {each['hi']:,.0f}]\n"
        assert text in shown


def test_options_reach_the_simulation(capsys: pytest.CaptureFixture[str], small: str, tmp_path: Path) -> None:
    words = ["run", small, "--requests", "50"]
    base = data(capsys, *words)
    assert data(capsys, *words, "--threads", "1")["fingerprint"] == base["fingerprint"]
    assert data(capsys, *words, "--seed", "1")["fingerprint"] != base["fingerprint"]
    twice = data(capsys, *words, "--replications", "2")
    assert twice["requests"] == 100
    saved = str(tmp_path / "sampled.nc")
    assert data(capsys, *words, "--epochs", "9", "--out", saved)["fingerprint"] == base["fingerprint"]
    assert om.load(saved)["epoch_backlog"].sizes["epoch"] == 9
    assert twice["fingerprint"][0] == base["fingerprint"] != twice["fingerprint"][1]
    assert data(capsys, *words, "--policy", "ideal")["makespan_cycles"] <= base["makespan_cycles"]
    assert data(capsys, *words, "--set", "tbu.speed=2")["makespan_cycles"] < base["makespan_cycles"]
    assert data(capsys, *words, "--set", "workflow.deadline_cycles=null")["deadline_miss"] is None
    one = data(capsys, *words, "--hardware", "edge_cluster")
    assert one["work_bound_cycles"] == pytest.approx(base["work_bound_cycles"] * 8 / 12)
    assert data(capsys, *words, "--load", "{kind: poisson, rate: 1e-5}")["makespan_cycles"] > 1e6


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_run_saves_the_result(capsys: pytest.CaptureFixture[str], small: str, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"result.{suffix}"
    shown = plain(capsys, "run", small, "--requests", "20000", "--out", str(target), "--policy", "ideal")
    assert shown.endswith(f"written to {target}\n")
    saved = om.load(target)
    found = data(capsys, "run", small, "--requests", "20000", "--policy", "ideal")
    assert saved.octo.summary()["fingerprint"] == found["fingerprint"]
    assert "wall_seconds" not in saved and "wall_seconds" not in saved.attrs


def load_of(*settings: str, text: str | None = None, name: str = "pair.yaml", requests: int | None = None) -> Any:
    document = Document(om.Workflow("one", om.task("only", 100)))
    changed = cli_input.changes(settings)
    return cli_input.load(text, name, document, om.System(1, 1), changed, requests)


def test_loads() -> None:
    assert load_of() == Closed(requests=1000)
    assert load_of(requests=7) == load_of("load.requests=7") == Closed(requests=7)
    assert load_of("load.in_flight=3", text="closed") == Closed(requests=1000, in_flight=3)
    assert load_of(text="{kind: poisson, rate: 1e-6, requests: 9}") == Poisson(rate=1e-6, requests=9)
    assert load_of("load.rate=2e-6", text="{kind: poisson, rate: 1e-6}", requests=5) == Poisson(rate=2e-6, requests=5)
    assert load_of(name="early_exit") == Closed(requests=1000)
    assert load_of(name="early_exit", text="{kind: poisson, rate: 1}", requests=2) == Poisson(rate=1, requests=2)


def test_changes_go_anywhere_and_may_have_units(capsys: pytest.CaptureFixture[str], small: str) -> None:
    words = ["show", small, "--hardware", "chip_64c", "--set", "workflow.program[1].time=2 us", "--set", "clock_hz=2 GHz"]
    words += ["--set", "tbu.memory_bytes=1.5 MiB", "--set", "cluster.queue_slots={first: 3}", "--set", "switch_cycles=7"]
    found = data(capsys, *words)
    assert found["workflow"]["description"]["program"][1]["time"] == 4000
    machine = om.System.from_dict(found["hardware"]["description"])
    changes: dict[str, Any] = {"clock_hz": 2e9, "memory_bytes": 3 * 2**19, "queue_slots": {"first": 3}, "switch_cycles": 7}
    assert machine == om.hardware("chip_64c", **changes)
    assert load_of("load.rate=5 requests/ms", text="{kind: poisson, rate: 1 requests/s}").rate == 5e-6


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(plain(capsys, "schema")) == schema()


def test_the_load_of_a_trace_follows_utilization() -> None:
    slow = load_of("load.utilization=0.1", name="llm_chat_code", requests=50)
    fast = load_of("load.utilization=0.2", "load.in_flight=null", name="llm_chat_code", requests=50)
    assert isinstance(slow, Trace) and isinstance(fast, Trace)
    assert slow.arrival_cycles == pytest.approx(2 * fast.arrival_cycles, abs=2)
    assert fast.in_flight is None


def test_a_load_from_a_file(small: str, tmp_path: Path) -> None:
    assert load_of(text=small) == Poisson(rate=0.01, requests=300)
    bare = tmp_path / "bare.yml"
    bare.write_text("schema_version: 1\n")
    with pytest.raises(ModelError, match="bare.yml: got no load; allowed: a file with a load"):
        load_of(text=str(bare))


RUN = ("run", "early_exit", "--hardware", "chip_64c")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("rnu",), 'Unknown command "rnu". Did you mean "run"?'),
        (("run",), 'Command "run" parameter WORKFLOW requires an argument.'),
        ((*RUN, "--polcy", "static"), "Unknown option: --polcy. Did you mean --policy?"),
        ((*RUN, "--requests", "many"), "Invalid value for --requests: got 'many'; allowed: a whole number, such as 2000 or 1e5"),
        ((*RUN, "--seed", "1.5"), "Invalid value for --seed: got '1.5'; allowed: a whole number"),
        ((*RUN, "--seed", "nan"), "Invalid value for --seed: got 'nan'; allowed: a whole number"),
        ((*RUN, "again"), "command line: got 'again'; allowed: no further word; --help lists the options"),
        (("run", "early_exit", "chip_64c"), "command line: got 'chip_64c'; allowed: did you mean --hardware chip_64c? no"),
        ((*RUN, "--memory-limit", "0"), "--memory-limit: got 0; allowed: an integer from 1"),
        ((*RUN, "--memory-limit", "1e4"), "memory: got 7.06e-05 GiB, most of it for 768 TBUs; allowed: at most 9.31e-06"),
        (("run", "early_exits"), "workflow: got 'early_exits'; allowed: did you mean 'early_exit'? one of "),
        (("run", "chip_64c"), f"workflow: got 'chip_64c'; allowed: one of {len(presets.runnable())} names, such as "),
        (("run", "early_exit"), "--hardware: got nothing; allowed: a file with hardware, or one of chip_64c, edge"),
        (("run", "early_exit", "--hardware", "chip64c"), "hardware: got 'chip64c'; allowed: did you mean 'chip_64c'?"),
        (("run", "no.yaml"), "no.yaml: got no regular file; allowed: the path of an existing file"),
        ((*RUN, "--policy", "statik"), "policy: got 'statik'; allowed: did you mean 'static'?"),
        ((*RUN, "--requests", "0"), "load.requests: got 0; allowed: an integer from 1"),
        ((*RUN, "--seed", "-1"), "seed: got -1; allowed: an integer from 0"),
        ((*RUN, "--replications", "0"), "replications: got 0; allowed: an integer from 1"),
        ((*RUN, "--threads", "0"), "--threads: got 0; allowed: an integer from 1 to 4096"),
        ((*RUN, "--out", "run.txt"), "--out: got 'run.txt'; allowed: a name that ends in .nc (NetCDF) or .zarr"),
        ((*RUN, "--out", "no/run.nc"), "--out: got 'no/run.nc'; allowed: a file in a folder that exists; no does not"),
        ((*RUN, "--set", "rows"), "--set: got 'rows'; allowed: key=value, such as tbu.switch_cycles=10"),
        ((*RUN, "--set", "=3"), "--set: got '=3'; allowed: key=value"),
        ((*RUN, "--set", "rowz=3"), "--set rowz: got 'rowz'; allowed: did you mean 'rows'?"),
        ((*RUN, "--set", "rows=x"), "--set rows: got 'x'; allowed: an integer from 1"),
        ((*RUN, "--set", "tbu.switch_cycles=5 uss"), "--set tbu.switch_cycles: got 'uss'; allowed: did you mean 'us'"),
        ((*RUN, "--set", "faults.dead_tbus[2]=5"), "--set faults.dead_tbus[2]: got [2]; allowed: no index: there is no list"),
        ((*RUN, "--set", "tbus.x=5"), "--set tbus.x: got 'tbus.x'; allowed: did you mean 'tbus'"),
        (
            (*RUN, "--set", "workflow.program[1].kind=ai"),
            "--set workflow.program[1].kind: got [1]; allowed: an index from 0 to 0",
        ),
        (
            (*RUN, "--set", "workflow.program[0].choices[0].probability=0.6"),
            "--set workflow.program[0].probabilities: got {'alexnet': 0.6, 'resnet': 0.3}; allowed: probabilities that sum to 1",
        ),
        ((*RUN, "--set", "rows=010"), "--set rows, line 1: got '010'; allowed: a plain decimal number"),
        ((*RUN, "--set", "rows=2", "--set", "rows=3"), "--set rows: got 'rows=3'; allowed: each key once"),
        (
            (*RUN, "--set", "rows=2", "--set", "hardware.rows=3"),
            "--set hardware.rows: got 'hardware.rows=3'; allowed: e",
        ),
        (
            (*RUN, "--set", "workflow.deadline=2"),
            "--set workflow.deadline: got 'deadline'; allowed: did you mean 'deadline_",
        ),
        ((*RUN, "--set", "load.rate=2"), "--set load.rate: got 'rate'; allowed: one of in_flight, kind, requests, split"),
        (
            (*RUN, "--set", "load.utilization=2"),
            "load.utilization: got '2'; allowed: no utilization: only llm_chat_code",
        ),
        ((*RUN, "--load", "clozed"), "--load.kind: got 'clozed'; allowed: did you mean 'closed'?"),
        ((*RUN, "--load", "{kind: poisson}"), "--load.rate: got nothing; allowed: a value: rate is required"),
        ((*RUN, "--load", "{kind: ["), "--load, line 1: got"),
        ((*RUN, "--load", "[1]"), "--load: got [1]; allowed: a mapping"),
        (
            (*RUN, "--requests", "5", "--set", "load.requests=6"),
            "--set load.requests: got 6; allowed: either this or --requests",
        ),
        (("show", "wafer"), "preset: got 'wafer'; allowed: did you mean 'wafer_56k'?"),
        (("show", "chip_64c", "--dot"), "chip_64c: got no workflow; allowed: a workflow: a machine has no graph"),
        (("show", "early_exit", "--dot", "--mermaid"), "show: got several forms; allowed: one of --dot, --mermaid"),
        (("show", "early_exit", "--dot", "--json"), "show: got several forms; allowed: one of --dot, --mermaid"),
        (("show", "early_exit", "--set", "nonsense=1"), "--set nonsense: got 'nonsense'; allowed: one of 59 names, such as"),
        (("show", "early_exit", "--set", "row=2"), "--set row: got 'row'; allowed: did you mean 'rows'? one of 59 names\n"),
        (("show", "early_exit", "--set", "rows=2"), "--set rows: got 2; allowed: no change of a machine: none is shown"),
        (
            ("show", "early_exit", "--dot", "--hardware", "chip_64c", "--set", "rows=2"),
            "--set rows: got 2; allowed: no change of a machine: none is shown here",
        ),
        (("show", "chip_64c", "--set", "load.foo=1"), "--set load.foo: got 'foo'; allowed: one of arrival_cycles, column, f"),
        (("show", "chip_64c", "--set", "load.requst=1"), "--set load.requst: got 'requst'; allowed: did you mean 'reques"),
        (("show", "early_exit", "--set", "load.requests=1"), "--set load.requests: got 1; allowed: no change of a load"),
        (
            ("show", "chip_64c", "--set", "workflow.deadline=1"),
            "--set workflow.deadline: got 'deadline'; allowed: did you mean 'deadline_cycles'?",
        ),
        (
            ("show", "chip_64c", "--set", "workflow.in_bytes=1"),
            "--set workflow.in_bytes: got 1; allowed: no change of a workflow: none is shown",
        ),
        (("show", "early_exit", "--hardware", "early_exit"), "hardware: got 'early_exit'; allowed: one of chip_64c"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str) -> None:
    assert cli.main(words) == cli.BAD_INPUT
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"octomodel: {message.rstrip()}")
    assert not message.endswith("\n") or err == f"octomodel: {message}"
    assert err.count("\n") == 1 and err.endswith("\n")


def test_bad_input_needs_no_simulation(monkeypatch: pytest.MonkeyPatch, small: str) -> None:
    monkeypatch.setattr("octomodel.cli_run.simulate", lambda *_, **__: pytest.fail("simulated"))
    assert cli.main(["run", small, "--out", "no/run.nc"]) == cli.BAD_INPUT
    assert cli.main(["run", small, "--threads", "0"]) == cli.BAD_INPUT


def test_files_without_the_part_that_is_needed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "bare.yaml"
    path.write_text("schema_version: 1\n")
    for words, message in (
        (("run", str(path)), f"{path}: got no workflow; allowed: a file with a workflow"),
        (("show", str(path)), f"{path}: got neither workflow nor hardware; allowed: a file with one of them"),
        (
            ("run", "early_exit", "--hardware", str(path)),
            f"--hardware: got '{path}'; allowed: a file with hardware, or",
        ),
    ):
        assert cli.main(words) == cli.BAD_INPUT
        assert capsys.readouterr().err.startswith(f"octomodel: {message}")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (RunError("nothing can move\nstate"), 3, "octomodel: nothing can move state\n"),
        (MemoryError(), 3, "octomodel: out of memory\n"),
        (
            OSError(28, "No space left on device", "run.nc"),
            3,
            "octomodel: [Errno 28] No space left on device: 'run.nc'\n",
        ),
        (KeyboardInterrupt(), 130, "octomodel: interrupted\n"),
        (ModelError("load", 1, "something else"), 2, "octomodel: load: got 1; allowed: something else\n"),
    ],
)
def test_errors_become_exit_codes(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    small: str,
    error: BaseException,
    code: int,
    message: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("octomodel.cli_run.simulate", fail)
    assert cli.main(["run", small]) == code
    assert capsys.readouterr() == ("", message)


def test_a_bug_shows_where(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, small: str) -> None:
    monkeypatch.setattr("octomodel.cli_run.simulate", lambda *_, **__: 1 // 0)
    assert cli.main(["run", small]) == cli.STOPPED
    err = capsys.readouterr().err
    assert "ZeroDivisionError" in err
    assert err.endswith("octomodel: internal error; please report it with the lines above\n")


@pytest.mark.parametrize("passed", [True, False])
def test_verify_passes_on_the_verdict(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, passed: bool) -> None:
    asked = []

    def check(quick: bool, progress: bool) -> SimpleNamespace:
        assert progress
        asked.append(quick)
        return SimpleNamespace(passed=passed, to_dict=lambda: {"passed": passed}, table=lambda: "the table")

    monkeypatch.setitem(om.__dict__, "verify", check)
    code = cli.DONE if passed else cli.FAILED
    assert plain(capsys, "verify", code=code) == "the table\n"
    assert data(capsys, "verify", "--quick", code=code) == {"passed": passed}
    assert asked == [False, True]


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert om.__version__ in plain(capsys, "--version")
    shown = plain(capsys, "--help")
    for command in ("presets", "show", "schema", "run", "verify"):
        assert command in shown
    for option in ("--hardware", "--policy", "--requests", "--seed", "--out", "--load", "--set", "--json"):
        assert option in plain(capsys, "run", "--help")


def test_end_to_end(tmp_path: Path, small: str) -> None:
    target = tmp_path / "run.nc"
    done = run("run", small, "--requests", "30", "--seed", "5", "--out", str(target), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert om.load(target).octo.summary()["fingerprint"] == json.loads(done.stdout)["fingerprint"]
    refused = run("run", small, "--polcy", "static")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "octomodel: Unknown option: --polcy. Did you mean --policy?\n"


def test_the_variable_names_the_data(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2024-01-01 00:00:00,9,9\n2024-01-01 00:00:01,9,9\n")
    shown = run("show", "llm_chat_code", OCTOMODEL_DATA=str(path))
    assert "attribute context: 2 values, mean 9\n" in shown.stdout
    refused = run("show", "llm_chat_code", OCTOMODEL_DATA=str(tmp_path / "none.csv"))
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m octomodel show wafer_56k; echo code $? >&2"
    done = subprocess.run(["bash", "-c", f"({command}) | true"], capture_output=True, text=True, timeout=300)
    assert done.stderr == "code 0\n"


def test_interrupt(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: str) -> None:
    endless = tmp_path / "endless.yaml"
    body = "{loop: turns, count: 1e6, body: [{task: only, time: 10}]}"
    endless.write_text(f"schema_version: 1\nworkflow: {{name: endless, program: [{body}]}}\nhardware: {{rows: 1, cols: 1}}\n")
    assert cli.main(["run", small]) == 0  # compiled from here on
    capsys.readouterr()
    sent = []

    def signalled(*words: Any, **options: Any) -> Any:
        def send() -> None:
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        threading.Timer(1.0, send).start()
        return om.simulate(*words, **options)

    monkeypatch.setattr("octomodel.cli_run.simulate", signalled)
    # a shell without job control lets what it starts in the background ignore the signal
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert cli.main(["run", str(endless), "--requests", "100000"]) == cli.INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - sent[0] < 5  # 0.1 s or so on an idle machine
    assert capsys.readouterr() == ("", "octomodel: interrupted\n")


class Interrupting:
    """A finder of modules during whose work Ctrl-C is pressed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, *_: object) -> None:
        if name == self.name:
            raise KeyboardInterrupt


@pytest.mark.parametrize("module", ["cli_app", "cli_run"])
def test_interrupt_during_imports(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, small: str, module: str
) -> None:
    assert cli.main(["show", small]) == 0
    capsys.readouterr()
    monkeypatch.delitem(sys.modules, f"octomodel.{module}", raising=False)
    monkeypatch.delattr(om, module, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(f"octomodel.{module}"), *sys.meta_path])
    assert cli.main(["run", small]) == cli.INTERRUPTED
    assert capsys.readouterr() == ("", "octomodel: interrupted\n")


def test_numbers_may_be_written_with_an_exponent(capsys: pytest.CaptureFixture[str], small: str) -> None:
    words = ["run", small, "--requests"]
    found = data(capsys, *words, "4e1", "--seed", "3.0", "--memory-limit", "1e9", "--threads", "1e0")
    assert found["requests"] == 40
    assert found["fingerprint"] == data(capsys, *words, "40", "--seed", "3")["fingerprint"]


@pytest.mark.parametrize("command", [("run", "early_exit", "--hardware", "chip_64c"), ("verify", "--quick")])
def test_a_cache_that_cannot_be_is_one_line(command: tuple[str, ...]) -> None:
    done = run(*command, OCTOMODEL_CACHE_DIR="here")
    message = "octomodel: OCTOMODEL_CACHE_DIR: got 'here'; allowed: the absolute path of a directory\n"
    assert (done.returncode, done.stdout, done.stderr) == (cli.BAD_INPUT, "", message)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_figures_stand_when_the_file_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, small: str, tmp_path: Path, form: list[str]
) -> None:
    words = ["run", small, "--requests", "20000", *form]
    assert cli.main(words) == 0
    whole = capsys.readouterr().out

    def full(*_: object) -> None:
        raise OSError(27, "File too large")

    monkeypatch.setattr("octomodel.files._sync", full)
    target = tmp_path / "x.nc"
    assert cli.main([*words, "--out", str(target)]) == cli.STOPPED
    out, err = capsys.readouterr()
    fingerprint = re.compile(r"[0-9a-f]{32}")
    assert fingerprint.findall(out) == fingerprint.findall(whole) != []
    assert len(out.splitlines()) == len(whole.splitlines())
    assert err == f"octomodel: [Errno 27] File too large: '{target}'\n"
    assert not list(tmp_path.glob("*.nc*"))
