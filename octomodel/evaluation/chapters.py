"""The chapters of the study: what is swept for each, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import xarray as xr

from octomodel import dist, mapping, presets
from octomodel.errors import ModelError
from octomodel.evaluation.plan import (
    EPOCHS,
    EXECUTIONS,
    RIVALS,
    STRATEGIES,
    TUNING_SEED,
    Part,
    Size,
    steady_load,
)
from octomodel.load import Load, closed, poisson
from octomodel.phases import phases_by_request
from octomodel.placement import placement
from octomodel.program import branch, task
from octomodel.variables import POLICY, REPLICATION
from octomodel.workflow import Workflow

THRESHOLDS = [1.1, 1.5, 2.0, 4.0]
PERIODS = [10_000, 100_000, 1_000_000]


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
                made.extend([tuning(made[-1]), *profiles(made[-1])])
    for name in size.loaded:
        workflow = presets.workflow(name)
        made.extend(swept(workflow, steady_load(workflow, presets.hardware("edge_6c"), size)))
    made.extend(dynamicity(size))
    made.extend(scaled(size))
    return made, misfits


def swept(workflow: Workflow, load: Load) -> Iterator[Part]:
    """Yield the sweeps of costs, epochs, thresholds, dead TBUs and loads of one workflow on `edge_6c`."""
    hardware = presets.hardware("edge_6c")
    rivals = ("static", "reactive", "octopus")
    for name, over in (
        ("switch", {"tbu.switch_cycles": [0, 16, 256, 4_096]}),
        ("reload", {"tbu.reload_cycles": [0, 256, 16_384, 262_144]}),
        ("link", {"link.latency_cycles": [1, 9, 256, 16_384]}),
        ("epoch", {"epoch_cycles": PERIODS}),
        ("threshold", {"policy.threshold": THRESHOLDS}),
        ("slots", {"queue_slots": [1, 4, 8, 16]}),
        ("yield", {"faults.tbu_rate": [0.0, 0.01, 0.05]}),
    ):
        yield Part("sweeps", "edge_6c", workflow, hardware, over, rivals, load, name)
    capacity = placement(workflow, hardware).throughput
    for share in (0.5, 0.7, 0.9, 1.1):
        arrivals = poisson(rate=float(share * capacity), requests=load.requests)
        yield Part("load", "edge_6c", workflow, hardware, {}, (*rivals, "ideal"), arrivals, f"{share:g}")


def tuning(rivals: Part) -> Part:
    """Return the search for the threshold and epoch at which `reactive` does best, with a seed of its own."""
    over: dict[str, list[float]] = {"policy.threshold": [*THRESHOLDS], "epoch_cycles": [*PERIODS]}
    return replace(rivals, chapter="tuning", over=over, policies=("reactive",), seed=TUNING_SEED, epochs=0, replications=1)


def tuned(part: Part, found: xr.Dataset, seed: int) -> Part:
    """Return the run of `reactive` at the best point of a search, by throughput."""
    rate = found["throughput_per_cycle"].sel({POLICY: "reactive"}).mean(REPLICATION).stack(point=list(part.over))
    threshold, period = rate["point"].values[int(rate.values.argmax())]
    over: dict[str, list[float]] = {"policy.threshold": [float(threshold)], "epoch_cycles": [int(period)]}
    return replace(part, chapter="tuned", over=over, policies=("static", "reactive"), seed=seed, replications=0)


def profiles(rivals: Part) -> list[Part]:
    """Return the sweep of what the compiler believed: the average of the phases, the first one, or the slowest."""
    plan = rivals.workflow.phases
    if plan is None or len(plan.names) < 2:
        return []
    slowest = min(placement(rivals.workflow, rivals.hardware).phases, key=lambda each: each.throughput).phase
    names = list(dict.fromkeys((None, plan.names[0], slowest)))
    policies = ("static", "reactive", "octopus")
    return [replace(rivals, chapter="profile", over={"profile": names}, policies=policies, epochs=0)]


def dynamicity(size: Size) -> Iterator[Part]:
    """Yield one workflow of which times and frequencies vary more and more, and for longer."""
    hardware = presets.hardware("edge_6c")
    for cv in size.variation:
        for shift in size.shifts:
            for dwell in size.dwells if shift else size.dwells[:1]:
                workflow = varying(cv, shift, dwell)
                load = steady_load(workflow, hardware, size)
                name = f"{cv:g}_{shift:g}_{dwell}"
                yield Part("dynamic", "edge_6c", workflow, hardware, {}, ("static", "reactive", "octopus", "ideal"), load, name)


def varying(cv: float, shift: float, dwell: int) -> Workflow:
    """Return a workflow with a branch to one of four tasks, of which each is the most frequent one in its phase.

    Parameters
    ----------
    cv : float
        Coefficient of variation of all times.
    shift : float
        Part of the requests of a phase that all take its task; the others are spread evenly.
    dwell : int
        Requests of one phase.
    """

    def time(mean: float) -> dist.Law:
        return dist.Gamma(mean=mean, cv=cv) if cv else dist.Deterministic(mean)

    names = ("north", "east", "south", "west")
    tasks = {name: task(name, time(300_000)) for name in names}
    one = branch(dict.fromkeys(names, 0.25), name="one", **tasks)
    chances = {
        f"{phase}s": {"one": {name: (1 - shift) / 4 + (shift if name == phase else 0.0) for name in names}} for phase in names
    }
    phases = phases_by_request([(phase, dwell) for phase in chances], **chances)
    before, after = task("before", time(50_000)), task("after", time(50_000))
    return Workflow("varying", before, one, after, phases=phases if shift else None)


def scaled(size: Size) -> Iterator[Part]:
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
