"""Laws with closed forms: one server, two chained tasks, and what names and replications may not change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray

from octomodel import dist, lower, mapping, program
from octomodel.engine import simulate
from octomodel.hardware import System
from octomodel.kernels.model import Model
from octomodel.load import Load, closed, renewal
from octomodel.run import run
from octomodel.testing import laws_pairs as pairs
from octomodel.testing.laws_tree import Trees
from octomodel.testing.scenarios import scenario
from octomodel.workflow import Workflow

pytestmark = pytest.mark.nojit

LAWS = (dist.Exponential(40), dist.Deterministic(37), dist.Empirical((0, 1, 90)), dist.Gamma(30, 2))


def lowered(workflow: Workflow, system: System, source: Load, seed: int = 0) -> Model:
    return lower.lower(workflow, system, source, mapping.make(workflow, system), seed=seed).model


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
@pytest.mark.parametrize("slots", [0, 1, 50])
def test_single_fifo_server_is_lindley(law: dist.Law, slots: int) -> None:
    """Departures follow d[r] = max(a[r], d[r-1]) + s[r], however few the places of the queue."""
    system = System(1, 1, tbus=1, queue_slots=slots)
    source = renewal(dist.Gamma(mean=42, cv=1.5), 200, in_flight=None)
    model = lowered(Workflow("one", program.task("only", law)), system, source, seed=slots)
    trees = Trees(model)
    service = np.array([trees.tree(r).last.end for r in range(200)])
    arrival = model.load.source_arrival
    departure = np.empty(200, dtype=np.int64)
    last = 0
    for r in range(200):
        last = departure[r] = max(arrival[r], last) + service[r]
    outcome = run(model, threads=1)
    assert outcome.request_end.tolist() == departure.tolist()
    wait = int((departure - service - arrival).sum())
    waited = outcome.station["fresh_wait"] + outcome.station["line_wait"]
    assert int(waited.sum()) == wait > 0


@pytest.mark.parametrize(("first", "second"), [(10, 7), (1, 1), (0, 5), (31, 0), (400, 3)])
def test_chained_deterministic_tasks(first: int, second: int) -> None:
    """One request in flight, no transfers: two tasks in a row are one of their sum."""
    source = closed(40, in_flight=1)
    two = Workflow("two", program.task("a", first), program.task("b", second))
    one = Workflow("one", program.task("ab", first + second))
    chained = run(lowered(two, System(1, 1, tbus=2), source), threads=1)
    single = run(lowered(one, System(1, 1, tbus=1), source), threads=1)
    assert chained.request_end.tolist() == single.request_end.tolist()
    assert chained.elapsed == 40 * (first + second)
    assert (chained.executions, single.executions) == (80, 40)


def renamed(data: Any, names: dict[str, str]) -> Any:
    """Plain data with every text that is the name of a task replaced."""
    if isinstance(data, dict):
        return {names.get(key, key): renamed(value, names) for key, value in data.items()}
    if isinstance(data, list):
        return [renamed(item, names) for item in data]
    return names.get(data, data) if isinstance(data, str) else data


def test_relabelling() -> None:
    """Permuting the names of tasks permutes names and nothing else."""
    permuted = 0
    for seed in range(200, 225):
        made = scenario(seed, executions=40)
        old = [task.name for task in made.workflow.tasks]
        names = dict(zip(old, old[1:] + old[:1], strict=True))
        workflow = Workflow.from_dict(renamed(made.workflow.to_dict(), names))
        assert [task.name for task in workflow.tasks] == old[1:] + old[:1]
        slots = made.system.queue_slots
        if not isinstance(slots, int):
            slots = {names[name]: places for name, places in dict(slots).items()}
        sampling = {"epochs": made.epochs, "epoch_stride": made.epoch_stride}
        options = {"seed": seed, "horizon": made.horizon, "step": made.step, **sampling}
        system = made.system.with_(queue_slots=slots)
        model = lower.lower(workflow, system, made.load, made.mapping, policy=made.policy, **options).model
        assert pairs.identical(run(made.model, threads=1), run(model, threads=1)) == []
        permuted += len(old) > 1
    assert permuted > 15


def reversed_keys(data: Any) -> Any:
    """Plain data with the keys of every mapping in the other order."""
    if isinstance(data, dict):
        return {key: reversed_keys(data[key]) for key in reversed(data)}
    return [reversed_keys(item) for item in data] if isinstance(data, list) else data


@pytest.mark.parametrize("order", [lambda data: data, reversed_keys])
def test_descriptions_round_trip(order: Any) -> None:
    """What a description says of itself as plain data makes the same run, whatever the order of its keys."""
    for seed in range(300, 315):
        made = scenario(seed, executions=40)
        workflow = Workflow.from_dict(order(made.workflow.to_dict()))
        system = System.from_dict(order(made.system.to_dict()))
        source = Load.from_dict(order(made.load.to_dict()))
        sampling = {"epochs": made.epochs, "epoch_stride": made.epoch_stride}
        options = {"seed": seed, "horizon": made.horizon, "step": made.step, **sampling}
        again = lower.lower(workflow, system, source, made.mapping, policy=made.policy, **options).model
        assert pairs.identical(run(made.model, threads=1), run(again, threads=1)) == []


def test_splitting_replications_changes_nothing() -> None:
    """Replication r of R is replication r of R'; run one by one they are those of a run of all."""
    made = scenario(5, executions=60)
    options: dict[str, Any] = {"load": made.load, "placement": made.mapping, "seed": 9, "threads": 1, "bounds": False}
    options["cautions"] = False
    three, two = (simulate(made.workflow, made.system, "jsq", replications=n, **options) for n in (3, 2))
    xarray.testing.assert_identical(three.isel(replication=slice(2)).drop_attrs(), two.drop_attrs())
    prints = [str(value) for value in three.fingerprint.values]
    assert len(set(prints)) == 3
    parts = (made.workflow, made.system, made.load, made.mapping)
    apart = [lower.lower(*parts, seed=9, replication=r, policy="jsq").model for r in range(3)]
    assert [run(model, threads=1).fingerprint for model in apart] == prints


def test_another_replication_is_another_run() -> None:
    made = scenario(5, executions=60)
    first, second = (run(made.lower(replication=r).model, threads=1) for r in range(2))
    assert first.fingerprint != second.fingerprint
    assert run(made.lower(replication=1).model, threads=1).fingerprint == second.fingerprint
