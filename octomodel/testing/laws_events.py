"""Laws about single events, over the log of the reference, which is the kernel's when their fingerprints agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np

from octomodel.kernels.model import JOIN, TASK, Model
from octomodel.testing.laws_models import smallest_latency
from octomodel.testing.laws_tree import ADMISSION, Step, trees_of
from octomodel.testing.reference import Reference
from octomodel.testing.reference_state import CHOICE, EXECUTION, HOP
from octomodel.testing.reference_world import cycles_for

EventLaw = Callable[[Model, Reference], list[str]]
Times = dict[tuple[int, int, int, int], tuple[int, int, int]]
"""Start, finish and cluster by kind, request, node and visit."""


def event_violations(model: Model, reference: Reference) -> list[str]:
    """Hold the events of a logged run against every law of this module.

    Parameters
    ----------
    model : Model
        What ran.
    reference : Reference
        From ``run_reference(model, log=True)``.

    Returns
    -------
    list of str
        Law and violation; empty when all hold.
    """
    return [f"{law.__name__}: {fault}" for law in EVENT_LAWS for fault in law(model, reference)]


def one_execution_per_tbu(model: Model, reference: Reference) -> list[str]:
    """The runs of one TBU do not overlap, and each is as long as its draw says at the speed of this TBU."""
    found = []
    trees = trees_of(model)
    runs = defaultdict(list)
    for kind, request, node, visit, place, cluster, start, finish in reference.events:
        if kind == EXECUTION:
            tbu = int(model.machine.cluster_tbu[cluster]) + place
            runs[tbu].append((start, finish))
            wanted = trees.cycles(request, node, visit, float(model.machine.tbu_speed[tbu]))
            if finish - start != wanted:
                found.append(f"request {request}, node {node}: {finish - start} cycles, {wanted} drawn")
    for tbu, spans in runs.items():
        spans.sort()
        for (_, finish), (start, _) in zip(spans, spans[1:], strict=False):
            if start < finish:
                found.append(f"TBU {tbu}: a run from {start} during one until {finish}")
    return found


def executed_where_it_may_be(model: Model, reference: Reference) -> list[str]:
    """A TB runs on a live TBU with a home, in a cluster that has a station for it; on an owner, as long as none is lent
    and no owner of the cluster changes; in the pipeline of its request, as long as no token is stolen or moved.
    """
    machine, load = model.machine, model.load
    live = (machine.tbu_task >= 0) & (machine.tbu_dead == 0)
    home = np.where(live, machine.tbu_task, -1).tolist()
    stations = {(int(machine.tbu_cluster[u]), home[u]) for u in np.flatnonzero(live)}
    pipeline = {}
    for p, (first, end) in enumerate(zip(load.source_indptr, load.source_indptr[1:], strict=False)):
        pipeline.update(dict.fromkeys(load.source_request[first:end].tolist(), p))
    counts = reference.cluster
    own = [not any(counted) for counted in zip(counts["lendings"], counts["owner_changes"], strict=True)]
    stay = not any(counts["steals"]) and not any(counts["moves"])
    found = []
    for kind, request, node, _, place, cluster, *_ in reference.events:
        if kind != EXECUTION:
            continue
        tbu, tb = int(machine.cluster_tbu[cluster]) + place, int(model.program.node_task[node])
        where = f"request {request}, tb {tb} on TBU {tbu}"
        if home[tbu] < 0 or (cluster, tb) not in stations:
            found.append(f"{where}: dead, without a home, or not a place for it")
        elif own[cluster] and home[tbu] != tb:
            found.append(f"{where}, whose home is {home[tbu]}")
        elif stay and machine.cluster_pipeline[cluster] != pipeline[request]:
            found.append(f"{where}: in another pipeline")
    return found


def no_more_decisions_than_cbus(model: Model, reference: Reference) -> list[str]:
    """In a cluster no more decisions are under way at a cycle than it has CBUs."""
    cycles = model.machine.decision_cycles
    if cycles == 0:
        return []
    ends = defaultdict(list)
    for kind, _, _, _, _, cluster, _, finish in reference.events:
        if kind == CHOICE:
            ends[cluster].append(finish)
    found = []
    for cluster, taken in ends.items():
        taken.sort()
        cbus = int(model.machine.cluster_cbus[cluster])
        for end, later in zip(taken, taken[cbus:], strict=False):
            if later - end < cycles:
                found.append(f"cluster {cluster}: more than {cbus} decisions under way before {end}")
    return found


def consistent_with_the_tree(model: Model, reference: Reference) -> list[str]:
    """A request that ended has executed each step of its tree once, and others no step that is not in theirs."""
    found = []
    trees = trees_of(model)
    done = defaultdict(list)
    for kind, request, node, visit, *_ in reference.events:
        if kind in (EXECUTION, CHOICE):
            done[request].append((node, visit))
    for request, end in zip(reference.request, reference.end, strict=True):
        tree = trees.tree(request)
        steps = [(step.node, step.visit) for step in tree.executions + tree.decisions]
        some = done[request]
        if len(set(some)) < len(some):
            found.append(f"request {request}: a step done twice")
        if not set(some) <= set(steps) or (end >= 0 and len(some) != len(steps)):
            found.append(f"request {request}: {len(some)} steps, its tree has {len(steps)}")
    return found


def precedence_and_causality(model: Model, reference: Reference) -> list[str]:
    """Nothing begins before what comes before it has ended and the transfer is over; a request ends with its last."""
    times: Times = {}
    for kind, request, node, visit, _, cluster, start, finish in reference.events:
        times[kind, request, node, visit] = (start, finish, cluster)
    found = []
    trees = trees_of(model)
    for request, arrival, end in zip(reference.request, reference.arrival, reference.end, strict=True):
        if end < 0:
            continue
        timing = _Timing(model, times, request, arrival)
        tree = trees.tree(request)
        for step in tree.executions + tree.decisions:
            start, earliest = timing.start(step), timing.earliest(step)
            if start < earliest:
                what = f"request {request}, node {step.node}, visit {step.visit}"
                found.append(f"{what}: at {start}, possible from {earliest} on")
            if (
                model.program.node_kind[step.node] != TASK
                and timing.length(step) < model.machine.decision_cycles
            ):
                found.append(
                    f"request {request}, node {step.node}: a decision in {timing.length(step)} cycles"
                )
        last = timing.finish(tree.last)
        joined = model.program.node_kind[tree.last.node] == JOIN
        if end < last or (end > last and not joined):
            found.append(f"request {request}: ended at {end}, its last step at {last}")
    return found


class _Timing:
    """When the steps of one request happened; a JOIN, of which there is no event, at its earliest."""

    def __init__(self, model: Model, times: Times, request: int, arrival: int) -> None:
        self.machine = model.machine
        self.latency = smallest_latency(model)
        self.kind = model.program.node_kind
        self.times = times
        self.request = request
        self.arrival = arrival

    def _event(self, step: Step) -> tuple[int, int, int]:
        kind = EXECUTION if self.kind[step.node] == TASK else CHOICE
        return self.times[kind, self.request, step.node, step.visit]

    def start(self, step: Step) -> int:
        return self._event(step)[0]

    def length(self, step: Step) -> int:
        start, finish, _ = self._event(step)
        return finish - start

    def finish(self, step: Step) -> int:
        if step.node == ADMISSION:
            return self.arrival
        if self.kind[step.node] == JOIN:
            return self.earliest(step)
        return self._event(step)[1]

    def earliest(self, step: Step) -> int:
        if self.kind[step.node] not in (TASK, JOIN):
            return self.finish(step.before[0][0])
        rate = (self.machine.local_bytes, self.machine.local_cycles)
        latency = self.machine.local_latency
        return max(
            self.finish(earlier) + latency + cycles_for(size, rate) + self.links(earlier, step)
            for earlier, size in step.before
        )

    def links(self, earlier: Step, step: Step) -> int:
        """Return the cycles of a link that lies between two executions."""
        both = earlier.node >= 0 and self.kind[earlier.node] == self.kind[step.node] == TASK
        return self.latency if both and self._event(earlier)[2] != self._event(step)[2] else 0


def link_serves_one_at_a_time(model: Model, reference: Reference) -> list[str]:
    """Tokens on one link are served one after the other, in the order of joining, and arrive after its latency."""
    machine = model.machine
    found = []
    free: dict[int, int] = defaultdict(int)
    exact = machine.link_latency[machine.link_cluster >= 0]
    if len(exact) and model.load.step > int(exact.min()):
        return []
    for kind, request, _, _, port, cluster, start, finish in reference.events:
        if kind == HOP:
            link = 4 * cluster + port
            if start < free[link]:
                found.append(f"link {link}: request {request} served from {start}, free from {free[link]} on")
            free[link] = finish - int(machine.link_latency[link])
            if free[link] < start:
                found.append(f"link {link}: request {request} arrived at {finish}, served from {start} on")
    return found


def prefix_of_events(shorter: Reference, longer: Reference, horizon: int) -> list[str]:
    """With a longer horizon a run begins like with a shorter one: what ends before it is the same, event by event."""
    early = Counter(event for event in longer.events if event[-1] < horizon)
    found = Counter(event for event in shorter.events if event[-1] < horizon)
    missing, more = early - found, found - early
    return [f"{sum(missing.values())} events missing, {sum(more.values())} others"] if missing or more else []


EVENT_LAWS: tuple[EventLaw, ...] = (
    one_execution_per_tbu,
    executed_where_it_may_be,
    no_more_decisions_than_cbus,
    consistent_with_the_tree,
    precedence_and_causality,
    link_serves_one_at_a_time,
)
