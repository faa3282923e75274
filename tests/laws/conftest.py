"""The runs over which the laws are tried: small generated scenarios through the kernel."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from octomodel.kernels.model import Model
from octomodel.outcome import Outcome
from octomodel.run import run
from octomodel.testing.scenarios import Scenario, scenario

SEEDS = range(100_000, 100_060)


@dataclass(frozen=True)
class Ran:
    """One scenario and its run."""

    scenario: Scenario
    model: Model
    outcome: Outcome


@pytest.fixture(scope="session")
def ran() -> list[Ran]:
    """Return the scenarios, run once."""
    made = [(s, s.model) for s in (scenario(seed, executions=60) for seed in SEEDS)]
    return [Ran(s, model, run(model, threads=1)) for s, model in made]
