"""Laws that every run obeys, each a function of a model and an outcome that returns violations in words.

The names are those of the laws; ``violations`` holds a run against all of them. What lending costs is in
``laws_lending``, laws about single events in ``laws_events``, relations between two runs in ``laws_pairs``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from octomodel.bounds import bounds
from octomodel.kernels.model import NO_HORIZON, Model
from octomodel.outcome import CAUSES, Outcome
from octomodel.testing.laws_lending import LENDING_LAWS
from octomodel.testing.laws_tree import Trees, trees_of

I64 = NDArray[np.int64]
Law = Callable[[Model, Outcome], list[str]]

DEAD, OWN, LENT, CONTROL = (CAUSES.index(name) for name in ("dead", "own", "lent", "control"))


def violations(model: Model, outcome: Outcome) -> list[str]:
    """Hold a run against every law of this module.

    Parameters
    ----------
    model : Model
        What ran.
    outcome : Outcome
        What came of it.

    Returns
    -------
    list of str
        Law and violation; empty when all hold.
    """
    return [f"{law.__name__}: {fault}" for law in LAWS for fault in law(model, outcome)]


def no_deadlock(model: Model, outcome: Outcome) -> list[str]:
    """A run ends with its last request, or at its horizon."""
    left = int((outcome.request_end < 0).sum())
    if outcome.status == "done":
        last = int(outcome.request_end.max())
        late = [f"ended at {outcome.elapsed}, its last request at {last}"] if last != outcome.elapsed else []
        return [f"{left} requests left in a run that is done"] if left else late
    if model.load.horizon >= NO_HORIZON:
        return [f"{outcome.status} without a horizon, {left} requests left"]
    return [] if left and outcome.elapsed == model.load.horizon else ["not at its horizon, or nothing left"]


def request_conservation(model: Model, outcome: Outcome) -> list[str]:
    """Each request that was admitted, in the order of its pipeline, has ended or is inside; no more than fit."""
    found = []
    load, machine = model.load, model.machine
    for pipeline, admitted in enumerate(outcome.pipeline["admitted"].tolist()):
        mine = load.source_request[load.source_indptr[pipeline] : load.source_indptr[pipeline + 1]]
        inside, outside = mine[:admitted], mine[admitted:]
        arrival, end = outcome.request_arrival[inside], outcome.request_end[inside]
        if (arrival < 0).any() or (outcome.request_arrival[outside] >= 0).any():
            found.append(f"pipeline {pipeline}: {admitted} admitted, others have arrived")
        if (outcome.request_end[outside] >= 0).any():
            found.append(f"pipeline {pipeline}: requests ended that were not admitted")
        if ((end >= 0) & (end < arrival)).any() or (end > outcome.elapsed).any():
            found.append(f"pipeline {pipeline}: an end before arrival or after the run")
        window = int(machine.pipeline_window[pipeline])
        if 0 <= window < (end < 0).sum():
            found.append(f"pipeline {pipeline}: {(end < 0).sum()} inside, at most {window} may be")
        given = load.source_arrival[load.source_indptr[pipeline] :][:admitted]
        if not load.closed and (arrival != given).any():
            found.append(f"pipeline {pipeline}: an arrival is not the given one")
        if outcome.status == "done" and len(outside):
            found.append(f"pipeline {pipeline}: {len(outside)} never admitted")
        waited = int(outcome.pipeline["source_wait"][pipeline])
        if waited < 0 or (waited and (load.closed or window < 0)):
            found.append(f"pipeline {pipeline}: {waited} cycles waited at a source that lets all in at once")
    return found


def every_visit_executed_once(model: Model, outcome: Outcome) -> list[str]:
    """Each task is executed, and each control block decides, exactly as often as the trees of the requests say."""
    trees = trees_of(model)
    ended = np.flatnonzero(outcome.request_end >= 0)
    inside = np.flatnonzero((outcome.request_end < 0) & (outcome.request_arrival >= 0))
    least, least_decisions = _counts(trees, ended)
    more, more_decisions = _counts(trees, inside)
    found = []
    executions = outcome.station["executions"].sum(axis=0)
    for task in np.flatnonzero((executions < least) | (executions > least + more)):
        bounds = f"{least[task]} to {least[task] + more[task]}"
        found.append(f"task {task}: {executions[task]} executions, the trees say {bounds}")
    decisions = int(outcome.cluster["decisions"].sum())
    if not least_decisions <= decisions <= least_decisions + more_decisions:
        found.append(
            f"{decisions} decisions, the trees say {least_decisions} and at most {more_decisions} more"
        )
    if outcome.executions != executions.sum():
        found.append(f"{outcome.executions} executions, {executions.sum()} at stations")
    return found


def _counts(trees: Trees, requests: I64) -> tuple[I64, int]:
    executions = np.zeros(len(trees.speedup), dtype=np.int64)
    decisions = 0
    for request in requests.tolist():
        tree = trees.tree(request)
        decisions += len(tree.decisions)
        for step in tree.executions:
            executions[trees.task[step.node]] += 1
    return executions, decisions


def makespan_bounds(model: Model, outcome: Outcome) -> list[str]:
    """No request is faster than its critical path, and the TBUs work as long as the work takes at the fastest speed.

    Makespan >= critical path, and >= work / TBUs, as no TBU works longer than the run.
    """
    trees = trees_of(model)
    found = []
    work = 0
    for request in np.flatnonzero(outcome.request_end >= 0).tolist():
        tree = trees.tree(request)
        latency = int(outcome.request_end[request] - outcome.request_arrival[request])
        work += sum(step.cycles for step in tree.executions)
        if latency < tree.last.end:
            found.append(f"request {request}: latency {latency}, critical path {tree.last.end}")
    works = (model.machine.tbu_dead == 0) & (model.machine.tbu_task >= 0)
    busy = int(outcome.tbu_cycles[:, [OWN, LENT]].sum())
    if not work <= busy <= outcome.elapsed * int(works.sum()):
        found.append(f"{busy} cycles worked, at least {work}, at most {works.sum()} TBUs x {outcome.elapsed}")
    speeds = model.machine.tbu_speed[works]
    if outcome.status == "done" and (speeds == speeds[0]).all() and work != busy:
        found.append(f"{busy} cycles worked at one speed, the draws say {work}")
    return found


def no_policy_beats_the_fluid_bound(model: Model, outcome: Outcome) -> list[str]:
    """A run to its end takes at least as long as the work takes all live TBUs, and as the longest request (rule 10)."""
    if outcome.status != "done":
        return []
    found = bounds(model)
    # one rounding of the quotient
    return [
        f"done in {outcome.elapsed} cycles, {name.replace('_', ' ')} {found[name]:g}"
        for name in ("work_bound", "path_bound", "fluid_bound")
        if outcome.elapsed < found[name] * (1 - 1e-12)
    ]


def milestones_on_the_way(model: Model, outcome: Outcome) -> list[str]:
    """A milestone is reached by the requests whose tree holds its task, not before it can be, not after they end."""
    trees = trees_of(model)
    found = []
    node_of = {int(m): i for i, m in enumerate(model.program.node_milestone) if m >= 0}
    for milestone, node in node_of.items():
        reached = outcome.request_milestone[milestone]
        for request in np.flatnonzero(outcome.request_arrival >= 0).tolist():
            first = [s.end for s in trees.tree(request).executions if (s.node, s.visit) == (node, 1)]
            end, at = int(outcome.request_end[request]), int(reached[request])
            latest = (end if end >= 0 else outcome.elapsed) - int(outcome.request_arrival[request])
            if at >= 0 and not (first and first[0] <= at <= latest):
                found.append(f"request {request}: milestone {milestone} at {at}, possible {first} to {latest}")
            if at < 0 <= end and first:
                found.append(f"request {request}: ended without milestone {milestone}")
        if (reached[outcome.request_arrival < 0] >= 0).any():
            found.append(f"milestone {milestone} of a request that never came")
    return found


def time_split_sums(model: Model, outcome: Outcome) -> list[str]:
    """The causes of each TBU sum to the elapsed cycles; the dead are dead, only they, and all the time."""
    cycles = outcome.tbu_cycles
    found = [f"TBU {u}: a negative share" for u in np.flatnonzero((cycles < 0).any(axis=1))]
    for u in np.flatnonzero(cycles.sum(axis=1) != outcome.elapsed):
        found.append(f"TBU {u}: {cycles[u].sum()} of {outcome.elapsed} cycles accounted for")
    dead = model.machine.tbu_dead == 1
    for u in np.flatnonzero(cycles[:, DEAD] != np.where(dead, outcome.elapsed, 0)):
        found.append(f"TBU {u}: dead for {cycles[u, DEAD]} cycles")
    return found


def busy_is_service(model: Model, outcome: Outcome) -> list[str]:
    """What TBUs ran is what stations were served, cluster by cluster; CBUs were busy as long as decisions take."""
    found = []
    n_cluster = len(model.machine.cluster_cbus)
    ran = np.zeros(n_cluster, dtype=np.int64)
    np.add.at(ran, model.machine.tbu_cluster, outcome.tbu_cycles[:, OWN] + outcome.tbu_cycles[:, LENT])
    served = outcome.station["run_cycles"].sum(axis=1)
    for c in np.flatnonzero(ran != served):
        found.append(f"cluster {c}: TBUs ran {ran[c]} cycles, stations were served {served[c]}")
    most = model.machine.cluster_cbus * outcome.elapsed
    decided = outcome.cluster["decisions"] * model.machine.decision_cycles
    busy = outcome.cluster["cbu_busy"]
    under_way = (
        model.machine.cluster_cbus * model.machine.decision_cycles if outcome.status == "horizon" else 0
    )
    for c in np.flatnonzero((busy > most) | (busy < decided) | (busy > decided + under_way)):
        found.append(f"cluster {c}: CBUs busy for {busy[c]} cycles, decisions took {decided[c]}")
    return found


def queue_bounds(model: Model, outcome: Outcome) -> list[str]:
    """No queue, no spill store holds more than it has places; without slots, no more than there are owners."""
    found = []
    owners = owners_of(model)
    # where owners have changed, any TBU of the cluster may have become one
    changed = (outcome.cluster["owner_changes"] > 0)[:, np.newaxis]
    owners = np.where(changed, owners.sum(axis=1, keepdims=True), owners)
    places = np.where(model.program.task_slots > 0, model.program.task_slots, owners)
    for c, tb in np.argwhere(outcome.station["queue_max"] > places):
        found.append(f"cluster {c}, tb {tb}: {outcome.station['queue_max'][c, tb]} in {places[c, tb]} places")
    most = outcome.station["queue_max"] * outcome.elapsed
    for c, tb in np.argwhere(outcome.station["queue_integral"] > most):
        found.append(f"cluster {c}, tb {tb}: {outcome.station['queue_max'][c, tb]} at most, more in the mean")
    for c in np.flatnonzero(outcome.cluster["spill_max"] > model.machine.cluster_spill):
        found.append(f"cluster {c}: {outcome.cluster['spill_max'][c]} spilled")
    return found


def at_least_one_owner(model: Model, outcome: Outcome) -> list[str]:
    """Every task has an owner in every pipeline, and nothing happens at a station without one."""
    owners = owners_of(model)
    found = []
    for pipeline in range(len(model.machine.pipeline_home)):
        inside = owners[model.machine.cluster_pipeline == pipeline]
        found += [f"pipeline {pipeline}, tb {tb}: no owner" for tb in np.flatnonzero(inside.sum(axis=0) == 0)]
    for name, values in outcome.station.items():
        if values[owners == 0].any():
            found.append(f"{name} at a station without owner")
    return found


def owners_of(model: Model) -> I64:
    """Return the number of live owners, int64[cluster, tb]."""
    machine = model.machine
    owners = np.zeros((len(machine.cluster_cbus), len(model.program.task_node)), dtype=np.int64)
    live = (machine.tbu_task >= 0) & (machine.tbu_dead == 0)
    np.add.at(owners, (machine.tbu_cluster[live], machine.tbu_task[live]), 1)
    return owners


def link_never_above_its_rate(model: Model, outcome: Outcome) -> list[str]:
    """A link is busy no longer than the run, as long as its bytes take, a part of a cycle more per message."""
    machine, link = model.machine, outcome.link
    found = []
    limited = machine.link_bytes > 0
    least = np.where(
        limited, link["bytes"] * machine.link_cycles / np.where(limited, machine.link_bytes, 1), 0
    )
    most = np.where(limited, least + link["messages"], 0)
    if outcome.status == "horizon":
        least = np.zeros_like(least)
        most = np.minimum(most, outcome.elapsed)
    for i in np.flatnonzero((link["busy"] < least) | (link["busy"] > most)):
        found.append(f"link {i}: busy for {link['busy'][i]} cycles, {least[i]} to {most[i]} expected")
    absent = machine.link_cluster < 0
    if any(values[absent].any() for values in link.values()):
        found.append("messages over a link that is not there")
    return found


def little(model: Model, outcome: Outcome) -> list[str]:
    """At each station the waits of fresh tokens sum to the integral of how many wait; all who came were taken or moved."""
    station = outcome.station
    found = []
    for c, tb in np.argwhere(station["fresh_wait"] != station["queue_integral"]):
        found.append(
            f"cluster {c}, tb {tb}: waits of {station['fresh_wait'][c, tb]} cycles, "
            f"an integral of {station['queue_integral'][c, tb]}"
        )
    taken = (station["fresh_taken"] + station["recirculation_taken"]).sum(axis=0)
    executed = station["executions"].sum(axis=0)
    away = int(outcome.cluster["steals"].sum() + outcome.cluster["moves"].sum())
    if (taken < executed).any() or (outcome.status == "done" and (taken - executed).sum() != away):
        found.append(f"{taken.sum()} tokens taken, {executed.sum()} executed, {away} moved away")
    return found


def samples_add_up(model: Model, outcome: Outcome) -> list[str]:
    """Samples of a cluster go on until its hooks end; what became ready and waits no more has been taken (rule 9.5)."""
    backlog, demand = outcome.epoch["backlog"], outcome.epoch["demand"]
    found = []
    sampled: NDArray[np.bool_] = np.all(backlog >= 0, axis=2, keepdims=True)
    if any(((values >= 0) != sampled).any() for values in outcome.epoch.values()):
        found.append("a sample of some stations of a cluster only")
    if (sampled[1:] & ~sampled[:-1]).any():
        found.append("a sample after a hook without one")
    # at each sample; as at the one before where there is none
    taken = np.cumsum(np.where(sampled, demand, 0), axis=0) - backlog
    final = outcome.station["fresh_taken"] + outcome.station["recirculation_taken"]
    before = np.concatenate([np.zeros_like(taken[:1]), taken[:-1]])
    for e, c, tb in np.argwhere(sampled & ((taken < before) | (taken > final))):
        counts = f"{taken[e, c, tb]} taken, {before[e, c, tb]} before, {final[c, tb]} in the end"
        found.append(f"epoch {e}, cluster {c}, tb {tb}: {counts}")
    return found + _owners_sampled(model, outcome, sampled) + _tbus_sampled(model, outcome, sampled)


def _owners_sampled(model: Model, outcome: Outcome, sampled: NDArray[np.bool_]) -> list[str]:
    """Stations keep an owner, clusters have no more than at first, and only counted changes make others (rule 13.7)."""
    owners, first = outcome.epoch["owners"], owners_of(model)
    still = (outcome.cluster["owner_changes"] == 0)[:, np.newaxis]
    found = []
    if (sampled & still & (owners != first)).any():
        found.append("an owner has changed")
    if (sampled & (first > 0) & (owners < 1)).any():
        found.append("a station without owner")
    total = np.where(sampled, owners, 0).sum(axis=2)
    if (total > first.sum(axis=1)).any() or (sampled & (first == 0) & (owners > 0)).any():
        found.append("an owner from nowhere")
    return found


def _tbus_sampled(model: Model, outcome: Outcome, sampled: NDArray[np.bool_]) -> list[str]:
    """A TBU does one thing at a time, and only owners are idle or blocked at home (rule 9.5)."""
    standing = outcome.epoch["owners_idle"] + outcome.epoch["owners_blocked"]
    found = []
    if (sampled & (standing > outcome.epoch["owners"])).any():
        found.append("more owners idle or blocked than there are")
    total = np.where(sampled, standing + outcome.epoch["running"], 0).sum(axis=2)
    if (total > owners_of(model).sum(axis=1)).any():
        found.append("more TBUs than have a home")
    return found


LAWS: tuple[Law, ...] = (
    no_deadlock,
    request_conservation,
    every_visit_executed_once,
    makespan_bounds,
    no_policy_beats_the_fluid_bound,
    milestones_on_the_way,
    time_split_sums,
    busy_is_service,
    queue_bounds,
    at_least_one_owner,
    link_never_above_its_rate,
    little,
    samples_add_up,
    *LENDING_LAWS,
)
IDEAL_LAWS: tuple[Law, ...] = (
    no_deadlock,
    every_visit_executed_once,
    no_policy_beats_the_fluid_bound,
    time_split_sums,
)
"""What the ideal mode obeys too: it knows no stations, windows, links and CBUs."""
