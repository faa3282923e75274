"""The reference's rounds: one cycle in one cluster (rule 3)."""

from __future__ import annotations

import heapq

from octomodel.testing.reference_configs import end_loads
from octomodel.testing.reference_flow import advance, arrive_from_mesh, decide, grant, land, wait_for_control
from octomodel.testing.reference_lending import answer_neighbour, ask_idle
from octomodel.testing.reference_links import send
from octomodel.testing.reference_rebalance import rebalance
from octomodel.testing.reference_reports import send_reports
from octomodel.testing.reference_state import (
    ASK,
    BLOCKED,
    CREDIT,
    IDLE,
    LENT,
    OWN,
    REPORT,
    SOURCE,
    Cluster,
    Holder,
    Message,
    Pipeline,
    Station,
    Tbu,
    Token,
)
from octomodel.testing.reference_tbus import end_stage, take_next, take_reserved
from octomodel.testing.reference_world import World


def run_cycle(world: World, cluster: Cluster) -> None:
    """Perform all that is due in a cluster at this cycle (rules 3.1 and 8.4)."""
    if not world.active(cluster.group):
        _ingress(world, cluster)
        return
    hook_due = world.now > cluster.hooked and world.now % world.epoch == 0
    _rounds(world, cluster)
    if hook_due:
        cluster.hooked = world.now
        _sample(world, cluster)
        world.schedule(world.now + world.epoch, cluster.index)
        if world.rules.rebalance is not None:
            rebalance(world, cluster, world.rules.rebalance)
        send_reports(world, cluster)
        if world.rules.couples:
            cluster.news += 1
            _rounds(world, cluster)


def _sample(world: World, cluster: Cluster) -> None:
    """Note how each station stands, while there are epochs to sample (rule 9.5)."""
    hooks, between = divmod(world.now // world.epoch, world.epoch_stride)
    epoch = hooks - 1
    if between or epoch >= world.epochs:
        return
    cluster.samples[epoch] = {}
    for task, station in cluster.stations.items():
        running = sum(tbu.state in (OWN, LENT) and tbu.task == task for tbu in cluster.tbus)
        home = [tbu.state for tbu in cluster.tbus if tbu.home == task]
        standing = (running, home.count(IDLE), home.count(BLOCKED), len(station.line))
        cluster.samples[epoch][task] = (station.ready(), station.arrived, len(station.owners), *standing)
        station.arrived = 0


def _rounds(world: World, cluster: Cluster) -> None:
    cluster.changed = True
    while cluster.changed:
        cluster.changed = False
        _ingress(world, cluster)
        _completions(world, cluster)
        _control(world, cluster)
        _pushes(world, cluster)
        _admissions(world, cluster)
        _dispatch(world, cluster)


def _ingress(world: World, cluster: Cluster) -> None:
    for side, inbox in enumerate(cluster.inbox):
        while inbox and inbox[0][0] == world.now:
            _receive(world, cluster, inbox.popleft()[1], side)
    while cluster.transfers and cluster.transfers[0][0] == world.now:
        land(world, cluster, heapq.heappop(cluster.transfers)[3])


def _receive(world: World, cluster: Cluster, message: Message, side: int) -> None:
    if message.target != cluster.index:
        send(world, cluster, message)
    elif message.token is not None:
        arrive_from_mesh(world, cluster, message.token, side)
    elif message.kind == CREDIT:
        world.pipelines[message.credit_to].in_flight -= 1
        cluster.changed = True
    elif message.kind == REPORT:
        assert message.report is not None
        cluster.known[message.sender] = message.report
    elif message.kind == ASK:
        answer_neighbour(world, cluster, message.sender)
    else:
        cluster.outstanding = False


def _completions(world: World, cluster: Cluster) -> None:
    end_loads(world, cluster)
    for tbu in cluster.tbus:
        while not tbu.dead and tbu.stage != IDLE and tbu.stage_end == world.now:
            end_stage(world, cluster, tbu)


def _control(world: World, cluster: Cluster) -> None:
    while cluster.deciding and cluster.deciding[0][0] == world.now:
        token = cluster.deciding.popleft()[1]
        holder = token.holder
        assert holder is not None
        cluster.cbu_busy += world.decision_cycles
        cluster.changed = True
        wait_for_control(world, holder, -1)
        decide(world, cluster, token)
    while cluster.control and len(cluster.deciding) < cluster.cbus:
        token = cluster.control.pop(0)[1]
        cluster.cbu_wait += world.now - token.since
        cluster.deciding.append((world.now + world.decision_cycles, token))
        cluster.changed = True
        world.schedule(world.now + world.decision_cycles, cluster.index)


def _pushes(world: World, cluster: Cluster) -> None:
    for station in cluster.stations.values():
        while station.line and station.free_slots() > 0:
            grant(world, cluster, station)


def _admissions(world: World, cluster: Cluster) -> None:
    for pipeline in cluster.sources:
        if _may_admit(world, pipeline):
            while _may_admit(world, pipeline):
                _admit(world, cluster, pipeline)
            _pushes(world, cluster)


def _may_admit(world: World, pipeline: Pipeline) -> bool:
    if pipeline.next == len(pipeline.requests) or 0 <= pipeline.window <= pipeline.in_flight:
        return False
    return world.closed or pipeline.requests[pipeline.next].arrival <= world.now


def _admit(world: World, cluster: Cluster, pipeline: Pipeline) -> None:
    request = pipeline.requests[pipeline.next]
    pipeline.next += 1
    pipeline.in_flight += 1
    if world.closed:
        request.arrival = world.now
    pipeline.source_wait += world.now - request.arrival
    request.attributes = world.draws.attributes(request.number)
    cluster.changed = True
    holder = Holder(SOURCE, (request.number, 0))
    advance(world, cluster, Token(request, world.graph.in_bytes, False, holder), 0)


def _dispatch(world: World, cluster: Cluster) -> None:
    for station in cluster.stations.values():
        while station.waiting() and (owners := station.free_owners()):
            take_next(world, cluster, owners[0], station)
        if station.slots == 0:
            for token in list(station.fresh):
                take_reserved(world, cluster, _keeper(station, token), station, token)
    if world.rules.dispatch is not None:
        ask_idle(world, cluster)


def _keeper(station: Station, token: Token) -> Tbu:
    """Return the owner that a grant reserved for a token (rule 4.10)."""
    return next(tbu for tbu in station.owners if tbu.reserved is token)
