"""What the study runs: sweeps, each kept in a file and a ledger of its own, so that a study goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from octomodel.comparison import enough
from octomodel.hardware import System
from octomodel.load import Load, closed
from octomodel.policies import Policy
from octomodel.sweeping import sweep
from octomodel.workflow import Workflow

STRATEGIES = "policy.dds,policy.ats,policy.pcs"
COMBINATIONS = [(1, 1, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
RIVALS = ("static", "reactive", "reactive_any", "stealing", "octopus", "ideal")
SEED = 20_240
"""Of the study; mechanisms were looked at with seed 1."""
TUNING_SEED = 777
EXECUTIONS = 12_000_000
"""Most executions of a run of the study; what takes more for a steady part is left out, and the page says so."""
EPOCHS = 4_096
"""Of the rivals on the first machine the first so many are sampled, for the lag."""


@dataclass(frozen=True)
class Size:
    """How much is run."""

    machines: tuple[str, ...]
    replications: int
    share: float  # of the requests that make a steady part
    combinations: Sequence[tuple[int, int, int]] = field(default_factory=lambda: COMBINATIONS)
    sides: tuple[int, ...] = (1, 4, 16, 59)
    workflows: tuple[str, ...] = ()  # all
    loaded: tuple[str, ...] = ("video_recognition", "rag_iterative", "rec_two_stage")
    variation: tuple[float, ...] = (0.0, 0.5, 1.5)  # of times
    shifts: tuple[float, ...] = (0.0, 0.4, 0.8)  # of the probability of a branch
    dwells: tuple[int, ...] = (300, 1_500, 6_000)  # requests of one phase


FULL = Size(("edge_6c", "chip_64c", "multichiplet_36"), 3, 0.67)
QUICK = Size(
    *(("edge_6c",), 2, 0.3, COMBINATIONS[:1], (1, 4)),
    workflows=("video_recognition", "rag_iterative"),
    loaded=("video_recognition",),
    variation=(0.5,),
    shifts=(0.0, 0.8),
    dwells=(300,),
)


@dataclass(frozen=True)
class Part:
    """One sweep of the study."""

    chapter: str
    machine: str
    workflow: Workflow
    hardware: System
    over: Mapping[str, Sequence[Any]]
    policies: Sequence[str | Policy]
    load: Load | None
    name: str = ""
    seed: int = SEED
    epochs: int = 0
    replications: int = 0  # those of the size

    @property
    def file(self) -> str:
        """Return the name of its result."""
        return "-".join(text for text in (self.chapter, self.machine, self.workflow.name, self.name) if text) + ".nc"


def steady_load(workflow: Workflow, hardware: System, size: Size) -> Load:
    """Return a closed load with a steady part, or a share of one."""
    return closed(requests=max(1_000, round(size.share * enough(workflow, hardware))))


def run(part: Part, folder: Path, size: Size, *, jobs: int, progress: bool = False) -> xr.Dataset:
    """Return the result of one sweep, computed as far as its ledger does not know it."""
    return sweep(
        part.workflow,
        part.hardware,
        part.over,
        out=folder / part.file,
        policies=part.policies,
        load=part.load,
        replications=part.replications or size.replications,
        seed=part.seed,
        epochs=part.epochs,
        jobs=jobs,
        progress=progress,
    )
