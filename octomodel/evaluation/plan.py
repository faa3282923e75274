"""What the study runs: sweeps, each kept in a file and a ledger of its own, so that a study goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from octomodel import mapping, presets
from octomodel.comparison import enough
from octomodel.errors import ModelError
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


def parts(size: Size) -> tuple[list[Part], list[tuple[str, str, str]]]:
    """Return the sweeps, and what is left out: machine, workflow and the reason."""
    from octomodel.evaluation import chapters

    names = size.workflows or presets.names("workflow")
    made, misfits = [], []
    for machine in size.machines:
        hardware = presets.hardware(machine)
        for name in names:
            workflow = presets.workflow(name)
            try:
                mapping.make(workflow, hardware)
            except ModelError as error:
                misfits.append((machine, name, str(error)))
                continue
            load = steady_load(workflow, hardware, size)
            assert load.requests is not None
            executions = load.requests * sum(workflow.visits().values())
            if executions > EXECUTIONS:
                most = f"more than {EXECUTIONS / 1e6:.0f} million"
                misfits.append((machine, name, f"a steady part takes {executions / 1e6:.0f} million executions, {most}"))
                continue
            # what each strategy is worth is asked on the first machine only, and how a tuned rival does
            first = machine == size.machines[0]
            over = {STRATEGIES: list(size.combinations if first else size.combinations[:1])}
            made.append(Part("rivals", machine, workflow, hardware, over, RIVALS, load, epochs=EPOCHS if first else 0))
            if first:
                made.extend([chapters.tuning(made[-1]), *chapters.profiles(made[-1])])
    for name in size.loaded:
        workflow = presets.workflow(name)
        made.extend(chapters.swept(workflow, steady_load(workflow, presets.hardware("edge_6c"), size)))
    made.extend(chapters.dynamicity(size))
    made.extend(chapters.scaled(size))
    return made, misfits


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
