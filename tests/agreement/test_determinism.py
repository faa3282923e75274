"""One fingerprint, and one of everything else, for any number of threads, chunk size and exact step, JIT or none."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest

from octomodel import ideal
from octomodel.kernels._jit import JIT_ENABLED
from octomodel.kernels.model import Model
from octomodel.outcome import Outcome
from octomodel.run import CHUNK, run
from octomodel.testing.agreement import fields_of_outcome
from octomodel.testing.laws_models import smallest_latency, stepping
from octomodel.testing.laws_pairs import identical
from octomodel.testing.scenarios import scenario


def several_groups(model: Model) -> bool:
    return len(np.unique(model.machine.cluster_group)) > 1


def several_clusters(model: Model) -> bool:
    return bool((np.bincount(model.machine.cluster_pipeline) > 1).any())


SEVERAL_GROUPS = (70_005, 70_055, 70_046, 70_125, 70_177)
ONE_GROUP = (70_002, 70_007, 70_008, 70_012, 70_024, 70_366, 70_409, 70_515, 70_540)
BUNDLED = {
    "reactive": ("owner_changes", "moves"),
    "reactive_any": ("owner_changes", "moves", "lendings", "background_loads"),
    "octopus": ("owner_changes", "moves", "lendings"),
}
"""Policies of the last four of them, and what these do there."""


@pytest.mark.parametrize("seed", SEVERAL_GROUPS + ONE_GROUP)
def test_threads_chunks_and_steps(seed: int) -> None:
    model = scenario(seed, executions=150).model
    first = run(model, threads=1)
    steps = sorted({0, 1, max(1, smallest_latency(model) // 2), smallest_latency(model)})
    for threads, chunk, step in product((1, 2), (1, 7, 1000, CHUNK), steps):
        other = run(stepping(model, step), threads=threads, chunk=chunk)
        assert identical(first, other) == [], (threads, chunk, step)


@pytest.mark.nojit
def test_chunks_and_steps() -> None:
    for seed in SEVERAL_GROUPS + ONE_GROUP:
        model = scenario(seed, executions=20).model
        first = run(model, threads=1)
        for chunk, step in ((7, 0), (CHUNK, smallest_latency(model)), (1000, 1)):
            assert identical(first, run(stepping(model, step), threads=2, chunk=chunk)) == []


def summary(outcome: Outcome) -> str:
    """Return the fingerprint and a digest of every other field."""
    digest = hashlib.sha256(outcome.status.encode())
    for (name, _), values in fields_of_outcome(outcome).items():
        digest.update(name.encode() + np.ascontiguousarray(values, dtype="<i8").tobytes())
    return f"{outcome.fingerprint} {digest.hexdigest()}"


def summaries() -> list[str]:
    """Run the scenarios, in small, and in the ideal mode."""
    small = [scenario(seed, executions=30).model for seed in SEVERAL_GROUPS + ONE_GROUP]
    return [summary(run(model)) for model in small] + [summary(ideal.run(model)) for model in small]


@pytest.mark.skipif(not JIT_ENABLED, reason="is compared with a process without JIT")
@pytest.mark.parametrize("variables", [{"NUMBA_DISABLE_JIT": "1"}, {"PYTHONHASHSEED": "7", "OCTOMODEL_THREADS": "2"}])
def test_without_jit_and_in_another_process(variables: dict[str, str]) -> None:
    command = f"import runpy; print(*runpy.run_path({__file__!r})['summaries'](), sep='\\n')"
    made = subprocess.run(
        [sys.executable, "-c", command], check=True, capture_output=True, text=True, env=os.environ | variables
    )
    assert made.stdout.splitlines() == summaries()


@pytest.mark.parametrize("seed", SEVERAL_GROUPS + ONE_GROUP)
def test_the_scenarios_are_what_they_are_meant_to_be(seed: int) -> None:
    model = scenario(seed, executions=150).model
    assert several_groups(model) == (seed in SEVERAL_GROUPS)
    assert several_groups(model) or several_clusters(model)
    assert model.load.step <= smallest_latency(model) > 1


def test_the_bundled_policies_are_among_them() -> None:
    done = {name: np.zeros(len(counters), dtype=np.int64) for name, counters in BUNDLED.items()}
    for seed in ONE_GROUP[-4:]:
        made = scenario(seed, executions=150)
        counts = run(made.model, threads=1).cluster
        done[made.policy.name] += [counts[name].sum() for name in BUNDLED[made.policy.name]]
    assert all(sums.all() for sums in done.values()), done
