"""One fingerprint, and one of everything else, for any number of threads, chunk size and exact step."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from octomodel.kernels.model import Model
from octomodel.run import CHUNK, run
from octomodel.testing.laws_models import smallest_latency, stepping
from octomodel.testing.laws_pairs import identical
from octomodel.testing.scenarios import Scenario, scenario


def several_groups(model: Model) -> bool:
    return len(np.unique(model.machine.cluster_group)) > 1


def several_clusters(model: Model) -> bool:
    return bool((np.bincount(model.machine.cluster_pipeline) > 1).any())


def chosen(executions: int) -> list[Scenario]:
    """Five scenarios of several groups and five of pipelines of several clusters, with an exact step or none."""
    found: dict[str, list[Scenario]] = {"groups": [], "clusters": []}
    for seed in range(70_000, 70_500):
        made = scenario(seed, executions)
        model = made.model
        if model.load.step > smallest_latency(model):
            continue
        kind = "groups" if several_groups(model) else "clusters" if several_clusters(model) else ""
        if kind and len(found[kind]) < 5:
            found[kind].append(made)
    return found["groups"] + found["clusters"]


SCENARIOS = chosen(150)


@pytest.mark.parametrize("made", SCENARIOS, ids=lambda made: f"seed{made.seed}")
def test_threads_chunks_and_steps(made: Scenario) -> None:
    model = made.model
    first = run(model, threads=1)
    steps = sorted({0, 1, max(1, smallest_latency(model) // 2), smallest_latency(model)})
    for threads, chunk, step in product((1, 2), (1, 7, 1000, CHUNK), steps):
        other = run(stepping(model, step), threads=threads, chunk=chunk)
        assert identical(first, other) == [], (threads, chunk, step)


@pytest.mark.nojit
def test_chunks_and_steps() -> None:
    for made in chosen(20):
        model = made.model
        first = run(model, threads=1)
        for chunk, step in ((7, 0), (CHUNK, smallest_latency(model)), (1000, 1)):
            assert identical(first, run(stepping(model, step), threads=2, chunk=chunk)) == []


def test_there_are_scenarios_of_both_kinds() -> None:
    assert len(SCENARIOS) == 10
    assert sum(several_groups(made.model) for made in SCENARIOS) >= 5
