"""Every bundled file is a preset that reads, draws and says of each number where it comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import octomodel as om
from octomodel import cli, presets, yaml_io, yaml_text
from octomodel.errors import ModelError
from octomodel.presets import origins, scale
from octomodel.presets.scale import LARGEST_REQUEST, work_scale
from octomodel.provenance import Provenance

FOLDERS = {"workflow": "workflows", "textbook": "textbook", "hardware": "hardware"}
WORKFLOWS = (
    *("agent_tools", "av_pylot", "diffusion_lora", "early_exit", "llm_chat_code", "mcts_go", "moe_olmoe"),
    *("rag_iterative", "rec_two_stage", "video_recognition", "xr_multi_scenario"),
)
MACHINES = ("chip_64c", "edge_6c", "edge_cluster", "multichiplet_36", "wafer_56k", "wafer_dojo_tile")
TEXTBOOK = ("diamond", "feedback_loop", "fork_join", "moe_layer", "single_queue", "tandem")
ALL = [(kind, name) for kind in presets.KINDS for name in presets.names(kind)]
IDS = [name for _, name in ALL]


def test_names() -> None:
    assert presets.names("workflow") == WORKFLOWS
    assert presets.names("textbook") == TEXTBOOK
    assert presets.names("hardware") == MACHINES
    assert presets.runnable() == (*WORKFLOWS, *TEXTBOOK)
    with pytest.raises(ModelError, match="^kind: got 'workflows'; allowed: did you mean 'workflow'"):
        presets.names("workflows")  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "name"), ALL, ids=IDS)
def test_the_file_reads_as_the_preset(repository: Path, kind: presets.Kind, name: str) -> None:
    path = repository / "octomodel" / "presets" / FOLDERS[kind] / f"{name}.yaml"
    read = yaml_io.read_file(path)
    assert read == presets.document(kind, name)
    assert read.title and read.sources
    assert (read.workflow is not None, read.hardware is not None, read.load is not None) == {
        "workflow": (True, False, name != presets.TRACED),
        "textbook": (True, True, True),
        "hardware": (False, True, False),
    }[kind]
    assert read.workflow is None or read.workflow.name == name


@pytest.mark.parametrize(("kind", "name"), ALL, ids=IDS)
def test_every_number_has_an_origin_among_the_sources(kind: presets.Kind, name: str) -> None:
    document = presets.document(kind, name)
    found = origins.numbers(document)
    assert [number.place for number in found if number.origin is None] == []
    known = {source.split(":")[0] for source in document.sources if ":" in source}
    named = {number.origin.source for number in found if number.origin is not None}
    if kind == "textbook":
        assert named == {"chosen"}
    else:
        assert named <= {*known, "judged"}
        strong = {number.origin.source for number in found if number.origin and not number.weak}
        assert "judged" not in strong and strong


def test_a_number_without_origin_is_found() -> None:
    text = "octomodel: 1\nhardware: {rows: 2, cols: 3}\nprovenance:\n  hardware.rows: {tag: memory, source: a talk}\n"
    rows, cols = origins.numbers(yaml_io.from_dict(yaml_text.parse(text, "f"), "f"))
    assert (rows.place, rows.value, rows.weak) == ("hardware.rows", 2, True)
    assert (cols.place, cols.origin, cols.weak) == ("hardware.cols", None, True)
    assert origins.tally([rows, cols]) == {"published": 0, "derived": 0, "estimate": 0, "memory": 1, "unknown": 1}
    paper = Provenance("published", "a paper")
    assert not origins.Number("hardware.rows", 2, paper).weak
    assert origins.origin("hardware.rows", {"hardware": paper}) is paper
    assert origins.origin("hardware.rows", {"hardware.row": paper, "workflow": paper}) is None


@pytest.mark.parametrize("name", [*WORKFLOWS, *TEXTBOOK])
def test_it_draws(name: str) -> None:
    workflow = om.workflow(name)
    graph = workflow.graph()
    for drawing in (graph.to_dot(), graph.to_mermaid(), workflow._repr_html_()):
        for task in workflow.tasks:
            assert task.name in drawing


def test_a_request_of_any_workflow_is_neither_tiny_nor_huge() -> None:
    assert set(scale._DIVISORS) == set(WORKFLOWS)
    for name in WORKFLOWS:
        workflow = presets.document("workflow", name).workflow
        assert workflow is not None
        cycles = sum(workflow.demand().values())
        assert 1_000_000 < cycles < LARGEST_REQUEST
        assert work_scale(name) == 1 or 10 * cycles >= LARGEST_REQUEST, name
    with pytest.raises(ModelError, match="^workflow preset: got 'mcts'; allowed: did you mean 'mcts_go'"):
        work_scale("mcts")


def test_textbook_systems_bring_machine_and_load() -> None:
    for name in TEXTBOOK:
        found = presets.document("textbook", name)
        assert om.hardware(name) == found.hardware
        assert found.load is not None
        assert presets.load(name, om.hardware(name), requests=7) == found.load.with_(requests=7)


MEANS = {"single_queue": 50_000, "tandem": 62_500, "fork_join": 28_750, "feedback_loop": 100_000, "diamond": 56_250}


def mean_latency(name: str, speed: float = 1.0) -> float:
    system = om.hardware(name, tbu_speed=speed)
    load = presets.load(name, system, requests=400_000)
    ds = om.simulate(om.workflow(name), system, load=load, seed=3, threads=1, bounds=False)
    return float(ds["request_latency_cycles"].values.mean())


@pytest.mark.parametrize("name", MEANS)
def test_textbook_systems_have_the_mean_times_of_the_textbook(name: str) -> None:
    assert mean_latency(name) == pytest.approx(MEANS[name], rel=0.03)
    assert mean_latency(name, speed=0.95) != pytest.approx(MEANS[name], rel=0.03)


def test_a_textbook_system_runs_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "moe_layer", "--requests", "200", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["requests"], found["executions"]) == (200, 800)
