"""The reference: every observable of a run by naive event-driven simulation in plain Python integers.

Written from the rules of ``docs/semantics.md`` alone; it shares nothing with the kernel but the arrays of
:class:`octomodel.kernels.model.Model`, and puts being obviously right before being fast.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from octomodel.kernels.model import Model
from octomodel.testing.reference_build import build_world
from octomodel.testing.reference_rounds import run_cycle
from octomodel.testing.reference_state import (
    DEAD,
    IDLE,
    LENT,
    OWN,
    STATES,
    Cluster,
    Event,
    Group,
    Link,
    Sample,
    Station,
)
from octomodel.testing.reference_world import World, cycles_for

_STATION = (
    "executions",
    "run_cycles",
    "fresh_taken",
    "fresh_wait",
    "queue_integral",
    "queue_max",
    "recirculation_taken",
    "recirculation_wait",
    "line_wait",
)
_CLUSTER = (
    "decisions",
    "cbu_busy",
    "cbu_wait",
    "ingress_max",
    "spill_max",
    "lendings",
    "refusals",
    "asks",
    "steals",
    "switches",
    "reloads",
    "misroutes",
    "plan_refusals",
    "owner_changes",
    "background_loads",
    "hidden_reload_cycles",
    "wasted_reloads",
    "moves",
    "moved_bytes",
)


@dataclass
class Reference:
    """What one run shows; all times in cycles, all sizes in bytes.

    Attributes
    ----------
    status
        ``"done"``, ``"horizon"`` (requests were left) or ``"stuck"`` (rule 8.5).
    stuck
        The state of the clusters that were found stuck, else empty.
    elapsed
        Cycle of the last end of all, or the horizon, or the cycle at which the run was found stuck.
    request, arrival, end, milestones
        Aligned with ``Load.source_request``: request numbers; cycles of arrival and end, -1 where there was
        none (in a closed load a request arrives when it is admitted); milestones less arrival, -1 where not
        reached.
    tbu
        For each part of the time split (rule 9.1) the cycles of each TBU.
    station
        For each (cluster, TB) that has owners: the sums of rule 9.2.
    link
        messages, bytes, busy, wait; each indexed by ``4 * cluster + port``.
    cluster, pipeline
        The sums of rules 9.3, 13.3 and 13.10 by name; ``asks`` are steal requests sent, ``steals`` tokens given away.
    epoch
        For each (epoch, cluster, TB) sampled, whether the TB has owners there or not: the values of rule 9.5, in its order.
    fingerprint
        The two sums of rule 9.4.
    events
        With ``log``: (kind, request, node, visit, place, cluster, start, finish) in the order of adding.
    """

    status: str
    stuck: str
    elapsed: int
    request: list[int]
    arrival: list[int]
    end: list[int]
    milestones: list[list[int]]
    tbu: dict[str, list[int]]
    station: dict[tuple[int, int], dict[str, int]]
    link: dict[str, list[int]]
    cluster: dict[str, list[int]]
    pipeline: dict[str, list[int]]
    epoch: dict[tuple[int, int, int], Sample]
    fingerprint: tuple[int, int]
    events: list[Event]


def run_reference(model: Model, log: bool = False) -> Reference:
    """Simulate a model by the rules, slowly.

    Parameters
    ----------
    model : Model
        Program, machine, mapping and load as lowered; read only.
    log : bool
        Whether to keep the events of rule 9.4.

    Returns
    -------
    Reference
        Every observable of the run.

    Raises
    ------
    RunError
        If a message is to go where no path of live links leads, or a function of the policy raises.
    """
    world = build_world(model, log)
    horizon = int(model.load.horizon)
    stuck = ""
    while world.due and world.due[0][0] < horizon and not stuck:
        world.now = world.due[0][0]
        due = set()
        while world.due and world.due[0][0] == world.now:
            due.add(heapq.heappop(world.due)[1])
        for index in sorted(due):
            run_cycle(world, world.clusters[index])
        if world.now > 0 and world.now % world.epoch == 0:
            stuck = _stuck(world)
    left = any(group.left for group in world.groups)
    if stuck:
        status = "stuck"
    elif left:
        status, world.now = "horizon", horizon
    else:
        status, world.now = "done", max(0, max((group.last_end for group in world.groups), default=0))
    _close_accounts(world)
    return _results(world, status, stuck)


def _stuck(world: World) -> str:
    """Return the state of a group that can no longer move (rule 8.5), or nothing."""
    patience = world.epoch
    if world.rules.couples:
        # Steal requests and plans go on for ever: wait until each neighbour can have been asked several times.
        links = [link for cluster in world.clusters for link in cluster.links if link.to >= 0]
        trip = [link.latency + cycles_for(world.control_bytes, link.rate) for link in links]
        patience += 64 * (world.epoch + world.step + max(trip, default=0))
    for group in world.groups:
        group.quiet = group.quiet + world.epoch if group.left and not _moving(world, group) else 0
        if group.quiet > patience:
            return "\n".join(_describe(cluster) for cluster in world.clusters if cluster.group is group)
    return ""


def _moving(world: World, group: Group) -> bool:
    for pipeline in world.pipelines:
        if pipeline.group is group and pipeline.next < len(pipeline.requests):
            if not world.closed and pipeline.requests[pipeline.next].arrival > world.now:
                return True
    for cluster in world.clusters:
        if cluster.group is group:
            working = any(tbu.stage not in (IDLE, DEAD) for tbu in cluster.tbus)
            if cluster.transfers or cluster.deciding or cluster.loads or working:
                return True
            messages = (message for inbox in cluster.inbox for _, message in inbox)
            if any(message.token is not None or message.credit_to >= 0 for message in messages):
                return True
    return False


def _describe(cluster: Cluster) -> str:
    parts = [f"cluster {cluster.index}: {len(cluster.control)} wait for control"]
    for station in cluster.stations.values():
        ready = f"{len(station.fresh)}+{len(station.recirculation)} ready"
        owners = f"{len(station.free_owners())} of {len(station.owners)} owners free"
        slots = f"{station.occupied} of {station.slots} slots"
        parts.append(f"TB {station.task}: {slots}, {len(station.line)} in line, {ready}, {owners}")
    return "; ".join(parts)


def _close_accounts(world: World) -> None:
    """Count what is under way or waiting at the end up to the end (rules 9.1 to 9.3)."""
    for cluster in world.clusters:
        for end, _ in cluster.deciding:
            cluster.cbu_busy += world.now - (end - world.decision_cycles)
        for tbu in cluster.tbus:
            world.charge(tbu)
            if tbu.stage in (OWN, LENT):
                cluster.stations[tbu.task].run_cycles += world.now - tbu.run_start
        for station in cluster.stations.values():
            station.integrate(world.now)
            station.fresh_wait += sum(world.now - token.since for token in station.fresh)
            station.recirculation_wait += sum(world.now - token.since for token in station.recirculation)
            station.line_wait += sum(world.now - token.since for _, token in station.line)


def _results(world: World, status: str, stuck: str) -> Reference:
    requests = [request for pipeline in world.pipelines for request in pipeline.requests]
    tbus = [tbu for cluster in world.clusters for tbu in cluster.tbus]
    links = [link for cluster in world.clusters for link in cluster.links]
    until = None if status == "done" else world.now
    return Reference(
        status=status,
        stuck=stuck,
        elapsed=world.now,
        request=[request.number for request in requests],
        arrival=[request.arrival for request in requests],
        end=[request.end for request in requests],
        milestones=[request.milestones for request in requests],
        tbu={name: [tbu.cycles[part] for tbu in tbus] for part, name in enumerate(STATES)},
        station={
            (cluster.index, task): _counts(station)
            for cluster in world.clusters
            for task, station in cluster.stations.items()
        },
        link={
            "messages": [link.messages for link in links],
            "bytes": [link.bytes for link in links],
            "busy": [_busy(link, until) for link in links],
            "wait": [link.wait for link in links],
        },
        cluster={name: [int(getattr(cluster, name)) for cluster in world.clusters] for name in _CLUSTER},
        pipeline={
            "admitted": [pipeline.next for pipeline in world.pipelines],
            "source_wait": [pipeline.source_wait for pipeline in world.pipelines],
        },
        epoch={
            (epoch, cluster.index, task): stations.get(task, (0,) * 7)
            for cluster in world.clusters
            for epoch, stations in cluster.samples.items()
            for task in range(len(world.graph.config))
        },
        fingerprint=world.fingerprint,
        events=world.events or [],
    )


def _counts(station: Station) -> dict[str, int]:
    return {name: int(getattr(station, name)) for name in _STATION}


def _busy(link: Link, until: int | None) -> int:
    if until is None:
        return sum(end - begin for begin, end in link.services)
    return sum(max(0, min(end, until) - begin) for begin, end in link.services)
