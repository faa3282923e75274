"""Every bundled workflow runs on every bundled machine it fits, and obeys the laws there."""

from __future__ import annotations

import pytest

import octomodel as om
from octomodel import lower, mapping, presets
from octomodel.errors import ModelError
from octomodel.outcome import Outcome
from octomodel.run import run
from octomodel.testing import laws

WORKFLOWS = presets.names("workflow")
MACHINES = presets.names("hardware")
TOO_SMALL = {("av_pylot", "edge_cluster"), ("moe_olmoe", "edge_cluster"), ("video_recognition", "edge_cluster")}
PAIRS = [(name, machine) for name in WORKFLOWS for machine in MACHINES if (name, machine) not in TOO_SMALL]
REQUESTS = 1_000
HEAVY = {"moe_olmoe": 50, "mcts_go": 5}
"""How many times fewer requests a workflow is given where the whole number is not asked for: its trees are large."""
LIGHT = 20
"""Executions per request up to which a workflow gets all requests on every machine; the others do in ``make deep``."""


def broken(name: str, machine: str, requests: int) -> list[str]:
    """Run a workflow on a machine under ``static`` and return what it violates."""
    system = om.hardware(machine)
    workflow = om.workflow(name)
    load = presets.load(name, system, requests=requests)
    model = lower.lower(workflow, system, load, mapping.make(workflow, system), requests=requests).model
    outcome: Outcome = run(model, threads=1)
    assert (outcome.request_end >= 0).all()
    return laws.violations(model, outcome)


def test_those_that_fit() -> None:
    fit = {(w, m) for w in WORKFLOWS for m in MACHINES if len(om.workflow(w).tasks) <= om.hardware(m).n_tbu}
    assert fit == set(PAIRS)
    for name, machine in TOO_SMALL:
        with pytest.raises(ModelError, match=r"at least \d+ live TBUs, one for each task"):
            mapping.make(om.workflow(name), om.hardware(machine))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_thousand_requests_obey_the_laws(name: str) -> None:
    assert broken(name, "edge_6c", REQUESTS // HEAVY.get(name, 1)) == []


@pytest.mark.parametrize("name", presets.names("textbook"))
def test_a_textbook_system_obeys_the_laws_on_its_own_machine(name: str) -> None:
    assert broken(name, name, REQUESTS) == []


@pytest.mark.parametrize(("name", "machine"), PAIRS)
def test_every_machine_runs_every_workflow_it_has_room_for(name: str, machine: str) -> None:
    light = sum(om.workflow(name).visits().values()) <= LIGHT
    assert broken(name, machine, REQUESTS if light else max(100 // HEAVY.get(name, 1), 4)) == []


@pytest.mark.deep
@pytest.mark.parametrize(("name", "machine"), PAIRS)
def test_a_thousand_requests_obey_the_laws_on_every_machine(name: str, machine: str) -> None:
    assert broken(name, machine, REQUESTS) == []


@pytest.mark.parametrize("machine", MACHINES)
def test_a_machine_keeps_the_ratio_of_task_units_and_holds_two_configurations(machine: str) -> None:
    system = om.hardware(machine)
    assert system.tbus * system.peas / (system.tbus * system.peas + system.cbus) == pytest.approx(0.75, abs=2e-3)
    assert system.memory_bytes is not None
    largest = max(task.config_bytes for name in WORKFLOWS for task in om.workflow(name).tasks)
    assert system.resident_slots * largest <= system.memory_bytes
