"""What the study runs: sweeps, each kept in a file and a ledger of its own, so that a study goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from octomodel import mapping, presets
from octomodel.comparison import enough
from octomodel.errors import ModelError
from octomodel.hardware import System
from octomodel.load import Load, closed, poisson
from octomodel.placement import placement
from octomodel.policies import Policy
from octomodel.sweeping import sweep
from octomodel.workflow import Workflow

STRATEGIES = "policy.dds,policy.ats,policy.pcs"
COMBINATIONS = [(1, 1, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
RIVALS = ("static", "reactive", "reactive_any", "stealing", "octopus", "ideal")
LOADED = ("video_recognition", "rag_iterative", "rec_two_stage")
SEED = 20_240
"""Of the study; mechanisms were looked at with seed 1."""


EXECUTIONS = 12_000_000
"""Most executions of a run of the study; what takes more for a steady part is left out, and the page says so."""


@dataclass(frozen=True)
class Size:
    """How much is run."""

    machines: tuple[str, ...]
    replications: int
    share: float  # of the requests that make a steady part
    combinations: Sequence[tuple[int, int, int]] = field(default_factory=lambda: COMBINATIONS)
    sides: tuple[int, ...] = (1, 4, 16, 59)
    workflows: tuple[str, ...] = ()  # all


FULL = Size(("edge_6c", "chip_64c", "multichiplet_36"), 3, 0.67)
QUICK = Size(("edge_6c",), 2, 0.3, COMBINATIONS[:1], (1, 4), LOADED[:2])


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

    @property
    def file(self) -> str:
        """Return the name of its result."""
        return "-".join(text for text in (self.chapter, self.machine, self.workflow.name, self.name) if text) + ".nc"


def parts(size: Size) -> tuple[list[Part], list[tuple[str, str, str]]]:
    """Return the sweeps, and what is left out: machine, workflow and the reason."""
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
            load = _closed(workflow, hardware, size)
            assert load.requests is not None
            executions = load.requests * sum(workflow.visits().values())
            if executions > EXECUTIONS:
                most = f"more than {EXECUTIONS / 1e6:.0f} million"
                misfits.append((machine, name, f"a steady part takes {executions / 1e6:.0f} million executions, {most}"))
                continue
            # what each strategy is worth is asked on the first machine only
            over = {STRATEGIES: list(size.combinations if machine == size.machines[0] else size.combinations[:1])}
            made.append(Part("rivals", machine, workflow, hardware, over, RIVALS, load))
    for name in LOADED if not size.workflows else size.workflows:
        made.extend(_swept(presets.workflow(name), size))
    made.extend(_scaled(size))
    return made, misfits


def _closed(workflow: Workflow, hardware: System, size: Size) -> Load:
    return closed(requests=max(1_000, round(size.share * enough(workflow, hardware))))


def _swept(workflow: Workflow, size: Size) -> Iterator[Part]:
    """Yield the sweeps of costs, epochs, thresholds, dead TBUs and loads of one workflow on `edge_6c`."""
    hardware = presets.hardware("edge_6c")
    load = _closed(workflow, hardware, size)
    rivals = ("static", "reactive", "octopus")
    for name, over in (
        ("switch", {"tbu.switch_cycles": [0, 16, 256, 4_096]}),
        ("reload", {"tbu.reload_cycles": [0, 256, 16_384, 262_144]}),
        ("link", {"link.latency_cycles": [1, 9, 256, 16_384]}),
        ("epoch", {"epoch_cycles": [10_000, 100_000, 1_000_000]}),
        ("threshold", {"policy.threshold": [1.1, 1.5, 2.0, 4.0]}),
        ("slots", {"queue_slots": [1, 4, 8, 16]}),
        ("yield", {"faults.tbu_rate": [0.0, 0.01, 0.05]}),
    ):
        yield Part("sweeps", "edge_6c", workflow, hardware, over, rivals, load, name)
    capacity = placement(workflow, hardware).throughput
    for share in (0.5, 0.7, 0.9, 1.1):
        arrivals = poisson(rate=float(share * capacity), requests=load.requests)
        yield Part("load", "edge_6c", workflow, hardware, {}, (*rivals, "ideal"), arrivals, f"{share:g}")


def _scaled(size: Size) -> Iterator[Part]:
    """Yield meshes of one workflow, with even load and with half of it on an eighth of the pipelines."""
    workflow = presets.workflow("rec_two_stage")
    for side in size.sides:
        hardware = presets.hardware("wafer_56k", rows=side, cols=side)
        pipelines = mapping.make(workflow, hardware).n_pipeline
        count = max(1_000, round(size.share * 6 * 4 * hardware.n_tbu))
        hot = max(1, pipelines // 8)
        cold = max(1, pipelines - hot)
        # weights that give the first eighth of the pipelines half of the requests
        weights = [1.0 / hot] * hot + [1.0 / cold] * (pipelines - hot)
        loads = {"even": closed(requests=count)} | ({"hot": closed(requests=count, split=weights)} if pipelines > 1 else {})
        for name, load in loads.items():
            over = {"policy.diffusion": [0.0, 0.9]}
            yield Part("scale", f"{side}x{side}", workflow, hardware, over, ("static", "octopus"), load, name)


def run(part: Part, folder: Path, size: Size, *, jobs: int, progress: bool = False) -> xr.Dataset:
    """Return the result of one sweep, computed as far as its ledger does not know it."""
    return sweep(
        part.workflow,
        part.hardware,
        part.over,
        out=folder / part.file,
        policies=part.policies,
        load=part.load,
        replications=size.replications,
        seed=SEED,
        jobs=jobs,
        progress=progress,
    )
