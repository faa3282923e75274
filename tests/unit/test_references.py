"""Descriptions that name columns of tables: laws, attributes row by row, arrivals; round trips, places, what is refused."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import octomodel as om
from octomodel import cli, cli_input, references, yaml_io, yaml_text
from octomodel.dist import Empirical, Mixture, columns
from octomodel.elements import Series
from octomodel.errors import ModelError
from octomodel.load import Trace
from octomodel.references import Place

TIMES = "dur_us,kind\n2,a\n0.5,b\n1.5,a\n"
CALLS = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:03.9799610,3180,8
2023-11-16 18:17:04.0319600,110,27
"""
WHOLE = """
schema_version: 1
clock_hz: 2 GHz
workflow:
  name: traced
  attributes:
    context: {file: data/calls.csv, column: ContextTokens}
    generated: {file: data/calls.csv, column: GeneratedTokens, repeat: false}
    spread: {law: empirical, file: data/calls.csv, column: ContextTokens}
  program:
    - {task: first, time: {law: empirical, file: times.csv, column: dur_us, unit: us}}
    - {task: second, time: {per: context, slope: 2, law: {law: empirical, file: times.csv, column: dur_us}}}
    - {task: third, time: 5}
    - task: fourth
      time:
        law: mixture
        weights: [0.5, 0.5]
        laws: [{law: deterministic, value: 1 us}, {law: empirical, file: times.csv, column: dur_us, unit: ms}]
    - {loop: again, count: {per: generated, slope: 1}, body: [{task: fifth, time: {per: spread, slope: 1}}]}
load: {kind: trace, file: data/calls.csv, column: TIMESTAMP, repeat: true, in_flight: 7}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the folder with description and tables, and work in another one."""
    made = tmp_path / "made"
    (made / "data").mkdir(parents=True)
    (made / "times.csv").write_text(TIMES)
    (made / "data" / "calls.csv").write_text(CALLS)
    (made / "f.yaml").write_text(WHOLE)
    monkeypatch.chdir(tmp_path)
    return made


def load_of(column: str, file: str = "low.csv", clock: str = "") -> str:
    return f"schema_version: 1\n{clock}\nload: {{kind: trace, file: {file}, column: {column}}}"


def read(text: str, folder: Path, name: str = "g.yaml") -> yaml_io.Document:
    (folder / name).write_text(text)
    return yaml_io.read_file(folder / name)


def workflow(attributes: str = "{}", time: str = "5", rest: str = "") -> str:
    head = f"schema_version: 1\n{rest}\nworkflow:\n  name: w\n  attributes: {attributes}\n"
    return f"{head}  program:\n    - {{task: a, time: {time}}}\n"


def test_what_a_description_names_is_read(folder: Path) -> None:
    document = yaml_io.read_file(folder / "f.yaml")
    wf, load = document.workflow, document.load
    assert wf is not None and isinstance(load, Trace)
    first, second, _, fourth, _ = wf.tasks
    assert first.time.law == Empirical([4000, 1000, 3000])
    assert second.time.law == Empirical([2, 0.5, 1.5])
    assert isinstance(fourth.time.law, Mixture) and fourth.time.law.laws[1] == Empirical([4e6, 1e6, 3e6])
    assert wf.attributes["context"] == Series(np.array([4808.0, 3180, 110]))
    assert wf.attributes["generated"] == Series(np.array([10.0, 8, 27]), repeat=False)
    assert wf.attributes["spread"] == Empirical([4808, 3180, 110])
    assert load.arrival_cycles.tolist() == [0, 2000, 104_000_000]
    assert (load.in_flight, load.repeat, load.file, load.column) == (7, True, "data/calls.csv", "TIMESTAMP")


@pytest.mark.parametrize("name", ["g.yaml", "g.toml"])
def test_round_trip(folder: Path, name: str) -> None:
    """Written beside its tables a description names them again; elsewhere it has their values. It is equal either way."""
    document = yaml_io.read_file(folder / "f.yaml")
    machine = om.System(1, 1, clock_hz=2e9)
    document = yaml_io.Document(document.workflow, machine, document.load)
    yaml_io.write_file(folder / name, document)
    yaml_io.write_file(folder / "again.yaml", yaml_io.read_file(folder / name))
    text = (folder / name).read_text()
    assert "4808" not in text and "samples" not in text and text.count("sha256") == 7
    (folder / "data" / "apart").mkdir()
    yaml_io.write_file(folder / "data" / "apart" / name, document)
    assert "4808" in (folder / "data" / "apart" / name).read_text()
    for path in (folder / name, folder / "again.yaml", folder / "data" / "apart" / name):
        again = yaml_io.read_file(path)
        assert again == document
        assert yaml_io.digest(again) == yaml_io.digest(document)
        assert yaml_io.to_dict(again) == yaml_io.to_dict(document)
    assert yaml_io.from_dict(yaml_io.to_dict(document), "no file at all") == document


def test_a_table_that_changes_is_noticed(folder: Path) -> None:
    document = yaml_io.read_file(folder / "f.yaml")
    machine = om.System(1, 1, clock_hz=2e9)
    yaml_io.write_file(folder / "pinned.yaml", yaml_io.Document(document.workflow, machine, document.load))
    (folder / "times.csv").write_text(TIMES.replace("1.5", "1.25"))
    with pytest.raises(ModelError, match=r"workflow.program\[0\].time.sha256: got '[0-9a-f]{64}'; allowed: .* changed"):
        yaml_io.read_file(folder / "pinned.yaml")
    assert yaml_io.digest(yaml_io.read_file(folder / "f.yaml")) != yaml_io.digest(document)


def test_the_digest_knows_values_and_not_where_they_come_from(folder: Path) -> None:
    named = read(workflow("{x: {file: times.csv, column: dur_us}}", "{law: empirical, file: times.csv, column: dur_us}"), folder)
    given = read(workflow("{x: [2, 0.5, 1.5]}", "{law: empirical, samples: [0.5, 2, 1.5]}"), folder)
    assert named == given and yaml_io.digest(named) == yaml_io.digest(given)
    once = read(workflow("{x: {values: [2, 0.5, 1.5], repeat: false}}", "{law: empirical, samples: [0.5, 2, 1.5]}"), folder)
    assert once != given and yaml_io.digest(once) != yaml_io.digest(given)


def test_files_that_extend_others_name_tables_from_where_they_lie(folder: Path) -> None:
    (folder / "data" / "part.yaml").write_text(
        workflow("{n: {file: calls.csv, column: ContextTokens}, m: {law: uniform, low: 1, high: 2}}")
        + "changes: {workflow.attributes.m: {file: ../times.csv, column: dur_us}}\n"
    )
    text = "schema_version: 1\nextends: data/part.yaml\nworkflow: {attributes: {n: {file: times.csv, column: dur_us}}}\n"
    wf = read("schema_version: 1\nextends: data/part.yaml\n", folder).workflow
    assert wf is not None and wf.attributes["n"] == Series(np.array([4808.0, 3180, 110]))
    assert wf.attributes["m"] == Series(np.array([2, 0.5, 1.5]))
    wf = read(text, folder).workflow
    assert wf is not None and wf.attributes["n"] == wf.attributes["m"] == Series(np.array([2, 0.5, 1.5]))
    other = "changes: {workflow.attributes.n.column: GeneratedTokens}\n"
    wf = read(f"schema_version: 1\nextends: data/part.yaml\n{other}", folder).workflow
    assert wf is not None and wf.attributes["n"] == Series(np.array([10.0, 8, 27]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # where a table may be
        (workflow("{x: {file: time.csv, column: a}}"), "x.file: got 'time.csv'; allowed: an existing CSV or Parquet file; in"),
        (workflow("{x: {file: time.csv, column: a}}"), "in the folder: did you mean 'times.csv', "),
        (workflow("{x: {file: ../secret.csv, column: a}}"), ".file: got '../secret.csv'; allowed: a file in the folder of the"),
        (workflow("{x: {file: /etc/hosts.csv, column: a}}"), ".file: got '/etc/hosts.csv'; allowed: a file in the folder"),
        (workflow("{x: {file: link.csv, column: a}}"), ".file: got 'link.csv'; allowed: a file in the folder of the description"),
        (workflow("{x: {file: times.txt, column: a}}"), "got 'times.txt'; allowed: a file that ends in .csv or .csv.gz or"),
        (workflow('{x: {file: "https://example.org/t.csv", column: a}}'), "allowed: an existing CSV or Parquet file"),
        # what is said of it
        (workflow("{x: {file: times.csv}}"), ".attributes.x.column: got nothing; allowed: a text: the column that the values"),
        (workflow("{x: {file: times.csv, column: [dur_us]}}"), ".attributes.x.column: got ['dur_us']; allowed: a text"),
        (workflow("{x: {file: times.csv, column: dur}}"), "times.csv, row 1: got 'dur'; allowed: did you mean 'dur_us'?"),
        (workflow("{x: {file: times.csv, column: kind}}"), "times.csv, row 2, column kind: got 'a'; allowed: a finite number"),
        (workflow("{x: {file: times.csv, column: dur_us, unit: us}}"), ".x.unit: got 'us'; allowed: cycles, or a clock"),
        (workflow("{x: {file: times.csv, column: dur_us, unit: parsec}}"), ".x.unit: got 'parsec'; allowed: one of "),
        (workflow("{x: {file: times.csv, column: dur_us, units: us}}"), ".x.units: got 'units'; allowed: did you mean 'unit'"),
        (workflow("{x: {file: times.csv, column: dur_us, repeat: 1}}"), ".x.repeat: got 1; allowed: true or false"),
        (workflow("{x: {values: [], repeat: false}}"), ".x.values: got []; allowed: at least one number"),
        (workflow("{x: {values: [1], file: 5}}"), ".x.file: got 5; allowed: a text"),
        # laws
        (workflow(time="{law: empirical, file: low.csv, column: a}"), "low.csv, row 3, column a: got '-1'; allowed: a finite"),
        (workflow(time="{law: empirical, column: a}"), ".time.file: got nothing; allowed: a text: the file that the values come"),
        (workflow(time="{law: empirical}"), ".time.samples: got None; allowed: a parameter of empirical"),
        (workflow(time="{law: empirical, file: low.csv, column: zero}"), "mean: got 0.0; allowed: a mean above 0"),
        # arrivals
        ("schema_version: 1\nload: {kind: trace}", ".load.arrival_cycles: got nothing; allowed: a value"),
        (load_of("a"), "low.csv, row 3, column a: got '-1'; allowed: a finite number >= 0"),
        (load_of("b"), "low.csv, row 4, column b: got 1.0; allowed: at least 2.5, the row before: ascending order"),
        (load_of("c"), "low.csv, row 2, column c: got 0.5; allowed: a whole number of cycles up to 2^61, or a unit"),
        (load_of("c, unit: ms"), ".load.unit: got 'ms'; allowed: cycles, or a clock"),
        (load_of("c, unit: h", clock="clock_hz: 1e12"), "low.csv, row 4, column c: got cycle 5."),
        (load_of("TIMESTAMP, unit: s", "data/calls.csv", "clock_hz: 1e9"), ".load.unit: got 's'; allowed: no unit: the col"),
        (load_of("at", "late.csv", "clock_hz: 1e9"), "late.csv, row 3, column at: got 2023-11-16T18:17:03.000000000; allowed"),
        (load_of("at", "late.csv"), "late.csv, row 3, column at: got 2023-11-16T18:17:03.000000000; allowed: at least 2023"),
        (load_of("zero, requests: 4"), ".load.requests: got 4; allowed: at most 3, the length of the trace, or repeat: true"),
        (load_of("zero, repeat: 3"), ".load.repeat: got 3; allowed: true or false"),
    ],
)
def test_mistakes(folder: Path, text: str, message: str) -> None:
    (folder / "low.csv").write_text("a,b,c,zero\n1,2,0.5,0\n-1,2.5,1,0\n3,1,1.5e3,0\n")
    (folder / "late.csv").write_text("at\n2023-11-16 18:17:04\n2023-11-16 18:17:03\n")
    (folder.parent / "secret.csv").write_text("a\n1\n")
    (folder / "link.csv").symlink_to(folder.parent / "secret.csv")
    with pytest.raises(ModelError) as caught:
        read(text, folder)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert cli.main(["show", str(folder / "g.yaml")]) == cli.BAD_INPUT


def test_only_files_and_command_lines_can_name_tables(folder: Path) -> None:
    data = yaml_text.parse((folder / "f.yaml").read_text(), "f")
    with pytest.raises(ModelError, match=r"f.workflow.attributes.context.file: got 'data/calls.csv'; allowed: values: only a"):
        yaml_io.from_dict(data, "f")


def test_arrivals_repeat_a_mean_gap_after_the_last(folder: Path) -> None:
    load = om.replay_arrivals(folder / "data" / "calls.csv", "TIMESTAMP", clock_hz=1e9, requests=7, repeat=True)
    assert load.arrival_cycles.tolist() == [0, 1000, 52_000_000]
    period = 78_000_000
    assert load.first(7).tolist() == [0, 1000, 52_000_000, period, period + 1000, period + 52_000_000, 2 * period]
    with pytest.raises(ModelError, match="load.requests: got 4; allowed: at most 3, the length of the trace, or repeat: true"):
        om.replay_arrivals(folder / "data" / "calls.csv", "TIMESTAMP", clock_hz=1e9, requests=4)
    with pytest.raises(ModelError, match="load.repeat: got True; allowed: a trace whose arrivals are not all at one cycle"):
        om.trace([5, 5], repeat=True).first(3)


@pytest.mark.parametrize(
    ("unit", "expected"), [(None, [100, 101, 103]), ("kcycles", [100_000, 101_000, 103_000]), ("ns", [0, 3, 8])]
)
def test_units_of_arrivals(tmp_path: Path, unit: str | None, expected: list[int]) -> None:
    (tmp_path / "t.csv").write_text("at\n100\n101\n103\n")
    load = om.replay_arrivals(tmp_path / "t.csv", "at", unit=unit, clock_hz=2.5e9)
    assert load.arrival_cycles.tolist() == expected


def test_each_request_has_the_values_of_its_row(folder: Path) -> None:
    """Work follows the rows: two columns of one row stay together, the fourth request begins again or is refused."""
    found = om.replay(folder / "data" / "calls.csv", {"context": "ContextTokens", "generated": "GeneratedTokens"})
    body = om.loop(om.task("decode", 1), count=om.per("generated", 1))
    wf = om.Workflow("chat", om.task("prefill", om.per("context", 1)), body, attributes=found)
    options: dict[str, Any] = {"threads": 1, "bounds": False, "cautions": False}
    one = om.System(1, 1, tbus=2, link_latency_cycles=1)
    ds = om.simulate(wf, one, load=om.closed(4, in_flight=1), **options)
    latency = ds["request_latency_cycles"].values[0]
    assert latency[0] == latency[3] and latency[0] - latency[1] >= 4808 - 3180 + 2
    done = ds["station_executions"].sum("cluster").values[0].tolist()
    assert done == [4, 10 + 8 + 27 + 10]
    columns_ = {"context": "ContextTokens", "generated": "GeneratedTokens"}
    once = wf.with_(attributes=om.replay(folder / "data" / "calls.csv", columns_, repeat=False))
    with pytest.raises(ModelError, match="attributes.context: got 3 values for 4 requests; allowed: at most 3 requests, or"):
        om.simulate(once, one, load=om.closed(4), **options)
    assert om.simulate(once, one, load=om.closed(3, in_flight=1), **options)["makespan_cycles"].values[0] < int(
        ds["makespan_cycles"].values[0]
    )


def test_the_configuration_of_a_result_needs_no_table(folder: Path) -> None:
    document = yaml_io.read_file(folder / "f.yaml")
    assert document.workflow is not None
    wf = document.workflow.with_(attributes=dict(document.workflow.attributes))
    ds = om.simulate(wf, om.System(1, 1, tbus=8), load=document.load, requests=3, threads=1, cautions=False)
    shutil.rmtree(folder)
    again = yaml_io.from_dict(yaml_text.parse(ds.attrs["configuration"], "configuration"), "configuration")
    assert (again.workflow, again.load) == (wf, document.load)
    assert isinstance(again.load, Trace) and again.load.sha256 is not None


def test_python_refuses_what_makes_no_sense(folder: Path) -> None:
    path = folder / "data" / "calls.csv"
    for columns_, message in (
        ({"1x": "ContextTokens"}, "replay.columns: got '1x'; allowed: a name"),
        ({"x": 3}, "replay.columns.x: got 3; allowed: the name of a column"),
        (["ContextTokens"], "replay.columns: got .*; allowed: a mapping"),
        ({"x": "TIMESTAMP"}, "row 2, column TIMESTAMP: got '2023-11-16 18:17:03.9799600'; allowed: a finite number"),
    ):
        with pytest.raises(ModelError, match=message):
            om.replay(path, columns_)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="replay_arrivals.unit: got 'ns'; allowed: cycles, or a clock"):
        om.replay_arrivals(path, "TIMESTAMP")


def test_the_command_line_names_tables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "data")
    system = om.System(2, 2)
    nothing = cli_input.changes([])
    document = cli_input.workflow("early_exit")
    load = cli_input.load("calls.csv", "early_exit", document, system, nothing, None)
    assert isinstance(load, Trace) and load.arrival_cycles.tolist() == [0, 1000, 52_000_000]
    assert load.requests is None
    again = cli_input.load("calls.csv", "early_exit", document, system, cli_input.changes(["load.repeat=true"]), 5)
    assert isinstance(again, Trace) and (again.requests, again.repeat) == (5, True)
    text = "{kind: trace, file: ../sorted.csv, column: sorted, unit: us}"
    (folder / "sorted.csv").write_text("x,sorted\n9,1\n9,2\n9,4\n")
    load = cli_input.load(text, "early_exit", document, system, nothing, None)
    assert isinstance(load, Trace) and load.arrival_cycles.tolist() == [0, 1000, 3000]
    load = cli_input.load(text, "early_exit", document, system, cli_input.changes(["load.utilization=0.5"]), 2)
    assert isinstance(load, Trace) and load.requests == 2
    assert document.workflow is not None
    mean_gap = float(load.arrival_cycles[-1]) / 2
    offered = sum(document.workflow.demand().values()) / (system.n_tbu * mean_gap)
    assert offered == pytest.approx(0.5, rel=1e-3)
    with pytest.raises(ModelError, match=r"--load: got '../sorted.csv'; allowed: '{kind: trace, file: .*, column: NAME,"):
        cli_input.load("../sorted.csv", "early_exit", document, system, nothing, None)
    with pytest.raises(ModelError, match="--set load.utilization: got 0.5; allowed: no utilization of a load of kind closed"):
        cli_input.load("closed", "early_exit", document, system, cli_input.changes(["load.utilization=0.5"]), None)
    changed = cli_input.changes(["workflow.attributes.context={file: calls.csv, column: GeneratedTokens}"])
    wf = cli_input.with_changes(yaml_io.read_file(folder / "f.yaml").workflow or pytest.fail(), system, changed)
    assert wf.attributes["context"] == Series(np.array([10.0, 8, 27]))


def test_a_comparison_takes_as_many_requests_as_a_trace_has(folder: Path) -> None:
    document, system, nothing = cli_input.workflow("early_exit"), om.System(2, 2), cli_input.changes([])
    table = str(folder / "data" / "calls.csv")
    load = cli_input.load(table, "early_exit", document, system, nothing, None, enough=1000)
    assert load.requests == 3
    load = cli_input.load(table, "early_exit", document, system, cli_input.changes(["load.repeat=true"]), None, enough=7)
    assert load.requests == 7
    load = cli_input.load("{kind: closed, requests: 5}", "early_exit", document, system, nothing, None, enough=1000)
    assert load.requests == 1000
    with pytest.raises(ModelError, match="load.requests: got 4; allowed: at most 3, the length of the trace, or repeat"):
        cli_input.load(table, "early_exit", document, system, nothing, 4, enough=None)


def test_a_linked_description_names_tables_from_where_it_is(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link.yaml").symlink_to(folder / "f.yaml")
    assert yaml_io.read_file(tmp_path / "link.yaml") == yaml_io.read_file(folder / "f.yaml")


def test_a_sweep_of_a_mix_under_a_trace(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder / "data")
    study = "workflow: early_exit=2+tandem\nhardware: edge_6c\nover: {tbu.switch_cycles: [16, 64]}\n"
    Path("study.yaml").write_text(study + "load:\n  kind: trace\n  column: TIMESTAMP\n  file: calls.csv\n")
    assert cli.main(["sweep", "study.yaml", "--out", "study.nc", "--json"]) == cli.DONE
    assert '"failed": 0' in capsys.readouterr().out
    assert om.load("study.nc")["requests_ended"].values.ravel().tolist() == [3, 3]


def test_a_parquet_table_in_a_description(folder: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    write_table(arrow.table({"us": [2.0, 0.5], "at": np.array([5, 2000], "datetime64[ns]")}), folder / "t.parquet")
    document = read(
        workflow(time="{law: empirical, file: t.parquet, column: us, unit: us}", rest="clock_hz: 1 GHz")
        + "load: {kind: trace, file: t.parquet, column: at}\n",
        folder,
    )
    assert document.workflow is not None and isinstance(document.load, Trace)
    assert document.workflow.tasks[0].time.law == Empirical([500, 2000])
    assert document.load.arrival_cycles.tolist() == [0, 1995]


def test_a_run_of_a_table_of_arrivals(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "early_exit", "--hardware", "edge_cluster", "--load", str(folder / "data" / "calls.csv"), "--json"]
    assert cli.main(words) == cli.DONE
    assert '"requests": 3,' in capsys.readouterr().out


def test_show_says_where_values_come_from(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", str(folder / "f.yaml")]) == cli.DONE
    out = capsys.readouterr().out
    assert "attribute context: 3 values, mean 2,699.33, column ContextTokens of data/calls.csv\n" in out
    assert "attribute generated: 3 values, mean 15, not repeated, column GeneratedTokens of data/calls.csv\n" in out
    assert "CV 0.722, column ContextTokens of data/calls.csv\n" in out


def test_units_and_their_factors() -> None:
    assert references.factor_of("p", "kcycles", None) == 1000
    assert references.factor_of("p", "ms", Fraction(10**9)) == 10**6
    assert columns.is_table_name("x.csv.gz") and not columns.is_table_name("x.yaml")
    assert references.expanded({"hardware": {}}, "p", Place(Path()), None) == {"hardware": {}}


def test_the_public_trace_of_an_hour(shared_data: Path) -> None:
    path = shared_data / "AzureLLMInferenceTrace_conv.csv"
    load = om.replay_arrivals(path, "TIMESTAMP", clock_hz=1e9)
    found = om.replay(path, {"context": "ContextTokens", "generated": "GeneratedTokens"})
    assert len(load.arrival_cycles) == len(found["context"].values) == 19_366
    assert float(np.diff(load.arrival_cycles).mean()) == pytest.approx(0.1808e9, rel=1e-3)
    assert found["generated"].values.mean() == pytest.approx(211.1, abs=0.05)
    assert load.sha256 == found["context"].origin["sha256"]
