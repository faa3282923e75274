"""Bundled workflows and machines: as published, changed, and refused with place and cure."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

import octomodel as om
from octomodel import presets
from octomodel.elements import Series
from octomodel.errors import ModelError
from octomodel.load import Closed, Trace
from octomodel.presets import azure, make_sample, recipe

WORKFLOWS = presets.names("workflow")
MACHINES = presets.names("hardware")
HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


@pytest.fixture(autouse=True)
def no_data_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(azure.VARIABLE, raising=False)


def test_video_recognition_is_the_four_published_applications() -> None:
    """Against the published units, added up application by application, without the program of the preset."""
    unit = 1000
    times = {
        **{"decode": 800, "preprocess": 40, "det_face": 1850, "det_car": 765, "rec_face": 600, "rec_car": 350},
        **{"face_find": 600, "template": 1600, "blur": 30, "meanshift": 10, "edge": 50, "bilateral": 30},
        **{"edge_filter": 300, "encode": 20},
    }
    workflow = om.workflow("video_recognition")
    assert {task.name: task.time.law.mean for task in workflow.tasks} == {k: v * unit for k, v in times.items()}
    for phase, rare in (("quiet", 0.05), ("busy", 0.5)):
        alert = {"det_face": rare, "rec_face": rare, "det_car": 1 - rare, "rec_car": 1 - rare}
        visits = dict.fromkeys(times, 0.0)
        for application in (
            {"decode": 1, "preprocess": 1, **alert},
            {"decode": 1, "preprocess": 1, "face_find": 1, "template": rare, "blur": rare},
            {"decode": 1, "preprocess": 1, "face_find": 1, "template": rare, "meanshift": rare},
            {"decode": 1, "edge": 1, "bilateral": 1, "edge_filter": 1, "encode": 1},
        ):
            for task, count in application.items():
                visits[task] += 0.25 * count
        assert workflow.visits(phase) == pytest.approx(visits, rel=1e-12)


def test_early_exit_has_the_published_means_and_exits() -> None:
    workflow = om.workflow("early_exit")
    cycles_per_ms = 750_000
    visits, demand = workflow.visits("nominal"), workflow.demand("nominal")
    for tasks, share, mean_ms, exits in (
        (("s1", "s2", "s3"), 0.7, 6.32, (0.656, 0.252, 0.092)),
        (("r1", "r2", "r3"), 0.3, 73.5, (0.415, 0.138, 0.447)),
    ):
        assert sum(demand[task] for task in tasks) / share / cycles_per_ms == pytest.approx(mean_ms, rel=4e-3)
        reached = [visits[task] / share for task in tasks] + [0.0]
        left = [reached[i] - reached[i + 1] for i in range(3)]
        assert left == pytest.approx(exits, abs=1e-4)
    assert workflow.visits("easy")["s2"] == pytest.approx(0.7 * (1 - 0.943))
    assert workflow.visits("hard")["s2"] == pytest.approx(0.7 * (1 - 0.415))


def test_llm_work_is_a_thousandth_of_the_published() -> None:
    tasks = {task.name: task for task in om.workflow("llm_chat_code").tasks}
    mac_per_cycle, mac_per_token = 128, 6.74e9
    for name, tokens in (("prefill512", 512), ("decode16", 16)):
        assert tasks[name].time.law.mean == pytest.approx(tokens * mac_per_token / mac_per_cycle / 1000, rel=1e-4)
        assert tasks[name].out_bytes == pytest.approx(tokens * 524_288 / 1000, rel=1e-4)


def test_changes_reach_workflow_and_machine() -> None:
    assert om.workflow("early_exit", deadline_cycles=10).deadline_cycles == 10
    assert om.hardware("chip_64c", rows=2, **{"tbu.switch_cycles": 7}) == presets.hardware(
        "chip_64c", rows=2, switch_cycles=7
    )
    given = {"context": [512.0], "generated": [16.0]}
    assert om.workflow("llm_chat_code", attributes=given).visits()["prefill512"] == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: om.workflow("early_exits"), r"workflow preset: got 'early_exits'; allowed: did you mean 'early_exit'"),
        (lambda: om.hardware("chip64c"), r"hardware preset: got 'chip64c'; allowed: did you mean 'chip_64c'"),
        (
            lambda: om.workflow("early_exit", deadline=3),
            r"workflow.early_exit: got 'deadline'; allowed: did you mean 'deadline_cycles'",
        ),
        (lambda: om.hardware("chip_64c", switch=3), r"system: got 'switch'; allowed: did you mean 'switch_cycles'"),
        (lambda: om.hardware("chip_64c", rows=0), r"system.rows: got 0; allowed: an integer from 1"),
        (
            lambda: om.workflow("early_exit", data="x.csv"),
            r"workflow.early_exit.data: got 'x.csv'; allowed: no data: only llm_chat_code and av_pylot",
        ),
        (
            lambda: om.workflow("llm_chat_code", data="x.csv", attributes={}),
            r"workflow.llm_chat_code.data: got 'x.csv'; allowed: no data: only llm_chat_code and av_pylot",
        ),
        (
            lambda: presets.load("early_exit", om.hardware("chip_64c"), requests=5, utilization=0.5),
            r"load.utilization: got '0.5'; allowed: no utilization: only llm_chat_code follows a trace",
        ),
        (
            lambda: presets.load("early_exit", om.hardware("chip_64c"), requests=5, data="x"),
            r"load.data: got 'x'; allowed: no data: only llm_chat_code follows a trace",
        ),
        (
            lambda: presets.load("llm_chat_code", om.hardware("chip_64c"), requests=5, utilization=0),
            r"load.utilization: got 0; allowed: a finite number > 0 and <= 10",
        ),
        (lambda: presets.load("early_exit", om.hardware("chip_64c"), requests=0), r"load.requests: got 0; allowed:"),
    ],
)
def test_what_is_refused(call: object, message: str) -> None:
    with pytest.raises(ModelError, match=f"^{message}"):
        call()  # type: ignore[operator]


def test_the_trace_is_the_sample_the_variable_or_the_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(azure.read()) == make_sample.ROWS
    rows = "2023-11-16 18:17:03,{0},{0}\n2023-11-16 18:17:05,{0},{0}\n"
    for name, tokens in zip(azure.FILES, ("100", "200"), strict=True):
        (tmp_path / name).write_text(HEADER + rows.format(tokens))
    single = tmp_path / "single.csv"
    single.write_text(HEADER + rows.format("300"))
    monkeypatch.setenv(azure.VARIABLE, str(tmp_path))
    assert azure.read().context.tolist() == [100, 200, 100, 200]
    assert azure.read(single).context.tolist() == [300, 300]
    attributes = om.workflow("llm_chat_code", data=single).attributes
    assert dict(attributes) == {"context": Series(np.full(2, 300.0)), "generated": Series(np.full(2, 300.0))}
    digests = azure.digests()
    assert list(digests) == list(azure.FILES)
    assert digests[azure.FILES[0]] == hashlib.sha256((tmp_path / azure.FILES[0]).read_bytes()).hexdigest()
    assert azure.label() == "Azure 2023" and azure.label(single) == "single.csv" and azure.label("") == "sample"
    assert azure.describe() == f"{' and '.join(azure.FILES)} in {tmp_path}, 4 requests"
    assert azure.describe(single) == f"single.csv in {tmp_path}, 2 requests"
    assert azure.describe("").startswith(f"a bundled sample of {make_sample.ROWS} requests made by us, not measured")
    (tmp_path / azure.FILES[0]).unlink()
    assert om.workflow("llm_chat_code").attributes["context"] == Series(np.full(2, 200.0))


def test_a_configuration_names_the_files_of_a_trace(tmp_path: Path) -> None:
    machine = om.hardware("chip_64c", rows=2)
    for name in WORKFLOWS:
        text = recipe.configuration(name, machine, 700)
        again = recipe.read(text)
        assert name != presets.TRACED or len(text) < 10_000
        assert again.workflow == om.workflow(name)
        assert again.hardware == machine
        assert again.load == presets.load(name, machine, requests=700)
    other = tmp_path / azure.SAMPLE
    other.write_text(HEADER + "2023-11-16 18:17:03,1,1\n2023-11-16 18:17:05,1,1\n")
    with pytest.raises(ModelError, match=f"^configuration.trace: got '{azure.SAMPLE} with .* allowed: .*: set OCTOMODEL_DATA"):
        recipe.read(recipe.configuration("llm_chat_code", machine, 700), data=other)
    with pytest.raises(ModelError, match="^configuration.requests: got nothing; allowed: a value: requests is required"):
        recipe.read("octomodel: 1\npreset: llm_chat_code\n")
    with pytest.raises(ModelError, match="allowed: a file that can be read"):
        azure.digests(tmp_path / "nowhere.csv")


def test_data_that_are_refused(tmp_path: Path) -> None:
    message = f"^{tmp_path}: got 'none of these files'; allowed: a folder with {azure.FILES[0]} or {azure.FILES[1]}"
    with pytest.raises(ModelError, match=message):
        om.workflow("llm_chat_code", data=tmp_path)
    with pytest.raises(ModelError, match="nowhere.csv: got 'no regular file'; allowed: the path of an existing CSV"):
        presets.load("llm_chat_code", om.hardware("chip_64c"), requests=5, data=tmp_path / "nowhere.csv")
    same = tmp_path / "same.csv"
    same.write_text(HEADER + "2023-11-16 18:17:03,1,1\n" * 3)
    with pytest.raises(ModelError, match="trace: got '3 requests at one time'; allowed: requests that arrive at two"):
        presets.load("llm_chat_code", om.hardware("chip_64c"), requests=3, data=same)


def test_the_sample_is_what_its_script_makes(repository: Path) -> None:
    assert (repository / "octomodel/presets/samples" / azure.SAMPLE).read_text() == make_sample.sample()


def test_the_sample_is_shaped_like_the_measured_hour() -> None:
    trace = azure.read()
    assert trace.start == np.datetime64("2000-01-01T00:00:00.014180")  # a time at which nothing was measured
    assert trace.context.mean() == pytest.approx(1434, rel=0.1)
    assert trace.generated.mean() == pytest.approx(154, rel=0.1)
    gaps = np.diff(trace.arrival_seconds)
    assert 1 / gaps.mean() == pytest.approx(8.0, rel=0.1)
    assert gaps.std() / gaps.mean() > 1.1


def test_closed_loads_are_those_of_the_files() -> None:
    for name in ("early_exit", "video_recognition"):
        assert presets.load(name, om.hardware("chip_64c"), requests=7) == Closed(requests=7)


@pytest.mark.parametrize("share", [None, 0.35, 2.0])
@pytest.mark.parametrize("changes", [{}, {"rows": 2, "dead_tbus": (0, 5)}, {"tbu_speed": 2.0}, {"peas": 4}])
def test_arrivals_offer_the_wanted_share_of_the_machine(share: float | None, changes: dict[str, object]) -> None:
    system = om.hardware("chip_64c", **changes)
    trace, workflow = azure.read(), om.workflow("llm_chat_code")
    load = presets.load("llm_chat_code", system, requests=len(trace), utilization=share)
    assert isinstance(load, Trace)
    cycles = load.arrival_cycles
    capacity = (system.n_tbu - len(system.dead_tbus)) * float(np.mean(system.tbu_speed)) * system.peas
    offered = sum(workflow.demand().values()) * (len(trace) - 1) / cycles[-1] / capacity
    assert offered == pytest.approx(0.7 if share is None else share, rel=1e-6)
    pattern = trace.arrival_seconds / trace.arrival_seconds[-1] * cycles[-1]
    assert cycles == pytest.approx(pattern, abs=1)


def test_a_trace_is_repeated_when_it_is_too_short() -> None:
    system = om.hardware("chip_64c")
    n = make_sample.ROWS
    cycles = presets.load("llm_chat_code", system, requests=2 * n + 1).arrival_cycles  # type: ignore[attr-defined]
    turn = cycles[n]
    assert turn == pytest.approx(cycles[n - 1] * n / (n - 1), abs=2)
    assert cycles[n : 2 * n] - turn == pytest.approx(cycles[:n], abs=1)
    assert cycles[2 * n] == pytest.approx(2 * turn, abs=1)
    assert (np.diff(cycles) >= 0).all()


def test_the_public_files_fit_the_machine_as_they_are(shared_data: Path) -> None:
    workflow = om.workflow("llm_chat_code", data=shared_data)
    system = om.hardware("chip_64c")
    assert len(workflow.attributes["context"].values) == 28_185  # type: ignore[union-attr]
    load = presets.load("llm_chat_code", system, requests=28_185, utilization=1.0, data=shared_data)
    seconds = load.arrival_cycles[-1] / system.clock_hz * 1000  # type: ignore[attr-defined]  # work is a thousandth
    assert seconds == pytest.approx(3513.2, rel=0.03)  # the measured hour keeps the machine almost exactly busy
    result = om.simulate(workflow, system, "static", load.with_(requests=200), threads=1)
    assert int(result["requests_ended"][0]) == 200
