"""What happened in a run of a generated scenario, so that no kind of trouble is lost from them unnoticed."""

from __future__ import annotations

import numpy as np

from octomodel import faults
from octomodel.kernels.model import FORK, SELECT, TASK, Model
from octomodel.outcome import CAUSES, Outcome
from octomodel.testing.laws_tree import trees_of
from octomodel.testing.scenarios import Scenario
from octomodel.testing.scenarios_policy import SWITCHES

RAN = [CAUSES.index(cause) for cause in ("own", "lent")]


def features(made: Scenario, model: Model, outcome: Outcome) -> frozenset[str]:
    """Return the names of what happened.

    Parameters
    ----------
    made : Scenario
        What ran.
    model : Model
        As arrays.
    outcome : Outcome
        What came of it.

    Returns
    -------
    frozenset of str
        Measured on the outcome: a loop counts when tokens went round it, a fault when something was dead.
    """
    station, cluster, link = outcome.station, outcome.cluster, outcome.link
    cycles = dict(zip(CAUSES, outcome.tbu_cycles.sum(axis=0).tolist(), strict=True))
    slots = np.broadcast_to(model.program.task_slots, station["executions"].shape)
    phase = model.load.request_phase[outcome.request_arrival >= 0] if len(model.load.request_phase) else ()
    machine = model.machine
    homes = (machine.tbu_task >= 0) & (machine.tbu_dead == 0)
    speeds, busy = machine.tbu_speed[homes], outcome.tbu_cycles[homes][:, RAN].any(axis=1)
    dead_tbus, dead_links = bool(faults.dead_tbus(made.system).any()), _dead_links(made)
    crossed = _stolen_by_another_pipeline(model, outcome)
    measured = {
        "loop, full queue": ((station["recirculation_taken"] > 0) & (station["line_wait"] > 0)).any(),
        "fork, full queue": _waited_after_fork(model, outcome),
        "select": _executed_in_select(model, outcome),
        "several clusters": _most_clusters(model, outcome) > 1,
        "faults": dead_tbus or dead_links,
        "dead TBUs": dead_tbus,
        "dead links": dead_links,
        "dead TBUs and links": dead_tbus and dead_links,
        "slow TBUs": (speeds[busy] < 1).any(),
        "fast TBUs": (speeds[busy] > 1).any(),
        "TBUs of several speeds": len(np.unique(speeds[busy])) > 1,
        "speedups": (model.program.task_speedup[station["executions"].any(axis=0)] > 1).any(),
        "several residents": ((machine.tbu_resident[homes] >= 0).sum(axis=1) > 1).any(),
        "horizon": outcome.status == "horizon",
        "no slots": ((slots == 0) & (station["executions"] > 0)).any(),
        "several phases": len(np.unique(phase)) > 1,
        "blocked": cycles["blocked"] > 0,
        "waiting for control": cycles["control"] > 0,
        "waiting for a CBU": cluster["cbu_wait"].any(),
        "waiting for a link": link["wait"].any(),
        "waiting in ingress": (cluster["ingress_max"] > 1).any(),
        "waiting at the source": outcome.pipeline["source_wait"].any(),
        "lent": cycles["lent"] > 0,
        "refused": cluster["refusals"].any(),
        "spilled": (cluster["spill_max"] > 0).any(),
        "stolen": cluster["steals"].any(),
        "stolen by another pipeline": crossed,
        "stolen by another pipeline, dead links": crossed and dead_links,
        "sent to no candidate": cluster["misroutes"].any(),
        "plan refused": cluster["plan_refusals"].any(),
        "owners changed": cluster["owner_changes"].any(),
        "loaded in the background": cluster["background_loads"].any(),
        "moved": cluster["moves"].any(),
        "reloaded": cluster["reloads"].any(),
        "switched": cluster["switches"].any(),
        "surplus": cycles["surplus"] > 0,
        "several pipelines": len(model.machine.pipeline_home) > 1,
        "several groups": len(np.unique(model.machine.cluster_group)) > 1,
        "unlimited window": (model.machine.pipeline_window < 0).any(),
        "torus": made.system.torus,
        "ring": made.system.torus and max(made.system.rows, made.system.cols) > 2,
        "dies": made.system.die is not None,
        "over the edge of a die": _over_die_edges(model, outcome),
        "weighted split": made.load.split != "even",
        "milestones": (outcome.request_milestone >= 0).any(),
        "deadline": made.workflow.deadline_cycles is not None,
        f"load {type(made.load).__name__.lower()}": True,
        f"policy {made.policy.name}": True,
        _switched_on(made): made.policy.name == "octopus",
        "exact step": made.step is not None and _exact(model),
        "coarse step": not _exact(model),
        "sampled": (outcome.epoch["backlog"] >= 0).any(),
        "waiting when sampled": (outcome.epoch["backlog"] > 0).any(),
        "running on after the last sample": (outcome.epoch["backlog"][-1:] >= 0).any(),
        "over before the last sample": (outcome.epoch["backlog"][-1:] < 0).any(),
    }
    return frozenset(name for name, seen in measured.items() if seen)


def _switched_on(made: Scenario) -> str:
    """Name the strategies that are on."""
    on = [name for name in SWITCHES if made.policy.params.get(name)]
    return f"octopus, {' '.join(on) if on else 'nothing'} on"


def _waited_after_fork(model: Model, outcome: Outcome) -> bool:
    """Tell whether a child waited for a slot: only forks lead to a first task of a branch unmarked."""
    program = model.program
    waited = np.any(outcome.station["line_wait"], axis=0)
    for fork in np.flatnonzero(program.node_kind == FORK):
        first = program.edge_node[program.edge_indptr[fork] : program.edge_indptr[fork + 1]]
        if waited[program.node_task[first[program.node_kind[first] == TASK]]].any():
            return True
    return False


def _executed_in_select(model: Model, outcome: Outcome) -> bool:
    program = model.program
    executed = np.any(outcome.station["executions"], axis=0)
    for select in np.flatnonzero(program.node_kind == SELECT):
        inside = program.node_task[select : program.node_join[select]]
        if executed[inside[inside >= 0]].any():
            return True
    return False


def _most_clusters(model: Model, outcome: Outcome) -> int:
    """Return in how many clusters the widest pipeline executed something."""
    active = outcome.station["executions"].any(axis=1)
    return int(np.bincount(model.machine.cluster_pipeline, active).max())


def _dead_links(made: Scenario) -> bool:
    return bool((faults.links(made.system) != faults.neighbours(made.system).reshape(-1)).any())


def _over_die_edges(model: Model, outcome: Outcome) -> bool:
    """Tell whether messages took links with numbers of their own."""
    machine, used = model.machine, outcome.link["messages"] > 0
    numbers = np.stack([machine.link_latency, machine.link_bytes, machine.link_cycles])[:, used]
    return len(np.unique(numbers, axis=1).T) > 1


def _stolen_by_another_pipeline(model: Model, outcome: Outcome) -> bool:
    """Tell whether a pipeline executed more than its own requests ask for."""
    if not outcome.cluster["steals"].any() or outcome.status != "done":
        return False
    trees, load = trees_of(model), model.load
    n = len(model.machine.pipeline_home)
    own = np.zeros(n, dtype=np.int64)
    for pipeline, (first, end) in enumerate(zip(load.source_indptr, load.source_indptr[1:], strict=False)):
        own[pipeline] = sum(len(trees.tree(r).executions) for r in load.source_request[first:end].tolist())
    executed = np.bincount(model.machine.cluster_pipeline, outcome.station["executions"].sum(axis=1), minlength=n)
    return bool((executed != own).any())


def _exact(model: Model) -> bool:
    latency = model.machine.link_latency[model.machine.link_cluster >= 0]
    return len(latency) == 0 or model.load.step <= int(latency.min())
