"""The reference's tokens on their way: advancing, waiting, pushing, arriving, ending (rules 4 and 8.3)."""

from __future__ import annotations

import heapq
from bisect import insort

from octomodel.kernels.model import AGAIN, BRANCH, COUNT, END, FORK, JOIN, SELECT, TASK
from octomodel.testing.reference_configs import begin_change
from octomodel.testing.reference_links import send
from octomodel.testing.reference_routes import route
from octomodel.testing.reference_state import (
    CHOICE,
    CREDIT,
    INGRESS,
    JOINED,
    OUTPUT,
    SPILL,
    TOKEN,
    TRANSFER,
    Cluster,
    Holder,
    Join,
    LineKey,
    Message,
    Station,
    Tbu,
    Token,
)
from octomodel.testing.reference_world import World


def advance(world: World, cluster: Cluster, token: Token, node: int) -> None:
    """Move a token that is held in a cluster to a node and on until it stops (rule 4.1)."""
    graph = world.graph
    kind = graph.kind[node]
    token.node = node
    if kind == JOIN:
        push(world, cluster, token, token.request.joins[node].cluster)
        return
    token.visit = token.request.reach(node)
    token.routed = token.routed and kind == TASK
    token.since = world.now
    if kind == END:
        _end(world, cluster, token)
    elif kind == TASK:
        # A token straight from a join stays where its fork decided that the join be (rule 4.8).
        target = cluster.index
        if not token.routed:
            target = route(world, cluster, token.request, graph.task[node], token.payload)
        token.routed = False
        if target == cluster.index and not token.marked:
            assert token.holder is not None
            key = (world.now, token.holder.kind, *token.holder.rank, world.next_ordinal())
            insort(cluster.stations[graph.task[node]].line, (key, token), key=_order)
        else:
            push(world, cluster, token, target)
    elif kind == FORK:
        _split(world, cluster, token, graph.out[node])
    elif world.decision_cycles == 0:
        decide(world, cluster, token)
    else:
        assert token.holder is not None
        wait_for_control(world, token.holder, 1)
        key = (world.now, token.holder.kind, *token.holder.rank, world.next_ordinal())
        insort(cluster.control, (key, token), key=_order)


def wait_for_control(world: World, holder: Holder, more: int) -> None:
    """Let more, or fewer, children of a holder wait for control (rules 4.7 and 9.1)."""
    holder.deciding += more
    if holder.tbu is not None:
        world.settle(holder.tbu)


def _order(entry: tuple[LineKey, Token]) -> LineKey:
    return entry[0]


def decide(world: World, cluster: Cluster, token: Token) -> None:
    """Let the decision about a token at a CB take effect (rule 2.4)."""
    graph, draws, request, node = world.graph, world.draws, token.request, token.node
    kind, edges = graph.kind[node], graph.out[node]
    cluster.decisions += 1
    world.record((CHOICE, request.number, node, token.visit, 0, cluster.index, token.since, world.now))
    key = (request.number, request.phase, node, token.visit)
    if kind == SELECT:
        drawn = draws.selection(*key)
        for branch, items in enumerate(drawn):
            if items and draws.items[node] > 1:
                # A branch's UNTIL is its last node, the one before the next branch or the JOIN (rule 1.1).
                end = edges[branch + 1] if branch + 1 < len(edges) else graph.join[node]
                request.counters[graph.loop[end - 1]] = items
        _split(world, cluster, token, [first for first, items in zip(edges, drawn, strict=True) if items])
        return
    if kind == BRANCH:
        edge = draws.branch(*key)
    elif kind == AGAIN:
        edge = draws.branch(*key)
        token.marked = token.marked or edge == 0
    elif kind == COUNT:
        turns = draws.count(*key, request.attributes)
        request.counters[graph.loop[node]] = turns
        edge = 0 if turns > 0 else 1
    else:
        request.counters[graph.loop[node]] -= 1
        edge = 0 if request.counters[graph.loop[node]] > 0 else 1
        token.marked = token.marked or edge == 0
    advance(world, cluster, token, edges[edge])


def _split(world: World, cluster: Cluster, token: Token, branches: list[int]) -> None:
    graph, request = world.graph, token.request
    join = graph.join[token.node]
    after = graph.out[join][0]
    where = cluster.index
    if graph.kind[after] == TASK:
        where = route(world, cluster, request, graph.task[after], token.payload)
    request.joins[join] = Join(where, len(branches))
    assert token.holder is not None
    # All children are counted before any advances: the holder must not come free between two of them.
    token.holder.tokens += len(branches) - 1
    for first in branches:
        advance(world, cluster, Token(request, token.payload, token.marked, token.holder), first)


def _end(world: World, cluster: Cluster, token: Token) -> None:
    token.request.end = world.now
    pipeline = world.pipelines[token.request.pipeline]
    pipeline.group.left -= 1
    pipeline.group.last_end = world.now
    if pipeline.home == cluster.index:
        pipeline.in_flight -= 1
    else:
        send(world, cluster, Message(CREDIT, pipeline.home, 0, credit_to=token.request.pipeline))
    cluster.changed = True
    release(world, cluster, token)


def release(world: World, cluster: Cluster, token: Token) -> None:
    """Take a token, pushed or ended, from its holder (rules 4.2 and 6.5)."""
    holder, token.holder = token.holder, None
    assert holder is not None
    holder.tokens -= 1
    if holder.tokens == 0 and holder.kind == SPILL:
        cluster.spilled -= holder.places
    if holder.tokens == 0 and holder.tbu is not None:
        holder.tbu.output = None
        become_idle(world, cluster, holder.tbu)


def become_idle(world: World, cluster: Cluster, tbu: Tbu) -> None:
    """Account for a TBU that has come free, news to its cluster (rule 6.2), and let a change that is due begin (13.7)."""
    cluster.news += 1
    world.settle(tbu)
    if tbu.due:
        begin_change(world, cluster, tbu)


def grant(world: World, cluster: Cluster, station: Station) -> None:
    """Give a slot to the head of a station's line and push it (rules 4.3 and 4.10)."""
    token = station.line.pop(0)[1]
    station.line_wait += world.now - token.since
    if station.slots == 0:
        station.free_owners()[0].reserved = token
    station.occupied += 1
    cluster.changed = True
    push(world, cluster, token, cluster.index)


def push(world: World, cluster: Cluster, token: Token, target: int) -> None:
    """Send a token from its holder to a station, a join or a first link (rule 4.4)."""
    token.target = target
    begin = world.now
    delay = world.local_delay(token.payload)
    if token.holder is None:
        cluster.ingress -= 1
        delay = 0
    else:
        if token.holder.kind == SPILL:
            begin = max(world.now, token.holder.finish + delay)
        release(world, cluster, token)
    start_transfer(world, cluster, token, begin, delay)


def start_transfer(world: World, cluster: Cluster, token: Token, begin: int, delay: int) -> None:
    """Carry a token that nothing holds through the local network."""
    end = begin + delay
    visit = 0 if world.graph.kind[token.node] == JOIN else token.visit
    if end > world.now:
        world.record((TRANSFER, token.request.number, token.node, visit, 0, token.target, begin, end))
    if end == world.now:
        land(world, cluster, token)
    else:
        heapq.heappush(cluster.transfers, (end, begin, world.next_ordinal(), token))
        world.schedule(end, cluster.index)


def land(world: World, cluster: Cluster, token: Token) -> None:
    """Let a token arrive at the end of its local transfer (rule 4.4)."""
    cluster.changed = True
    if token.target != cluster.index:
        send(world, cluster, Message(TOKEN, token.target, token.payload, token))
    elif world.graph.kind[token.node] == JOIN:
        arrive_at_join(world, cluster, token)
    else:
        arrive_at_station(world, cluster, token)


def arrive_at_station(world: World, cluster: Cluster, token: Token) -> None:
    """Let a token become ready in a queue of its station (rules 4.5 and 4.6)."""
    station = cluster.stations[world.graph.task[token.node]]
    station.arrived += 1
    token.since = world.now
    cluster.news += 1
    cluster.changed = True
    if token.marked:
        station.recirculation.append(token)
        return
    station.integrate(world.now)
    station.fresh.append(token)
    station.queue_max = max(station.queue_max, len(station.fresh))


def arrive_at_join(world: World, cluster: Cluster, token: Token) -> None:
    """Let a child arrive at its join; the last one completes it (rule 4.8)."""
    request, node = token.request, token.node
    join = request.joins[node]
    join.arrived += 1
    join.payload += token.payload
    join.marked = join.marked and token.marked
    cluster.changed = True
    if join.arrived == join.expected:
        del request.joins[node]
        request.reach(node)
        holder = Holder(JOINED, (node, request.number))
        joined = Token(request, join.payload, join.marked, holder)
        joined.routed = True
        advance(world, cluster, joined, world.graph.out[node][0])


def arrive_from_mesh(world: World, cluster: Cluster, token: Token, side: int) -> None:
    """Receive a token from another cluster (rules 4.8 and 4.9)."""
    cluster.changed = True
    if token.stolen:
        token.stolen = cluster.outstanding = False
    if world.graph.kind[token.node] == JOIN:
        arrive_at_join(world, cluster, token)
    elif token.marked:
        arrive_at_station(world, cluster, token)
    else:
        cluster.ingress += 1
        cluster.ingress_max = max(cluster.ingress_max, cluster.ingress)
        token.since = world.now
        key = (world.now, INGRESS, side, 0, world.next_ordinal())
        insort(cluster.stations[world.graph.task[token.node]].line, (key, token), key=_order)


def output_of(tbu: Tbu) -> Holder:
    """Return the holder that is the output of a TBU, for the token it has just run."""
    return Holder(OUTPUT, (tbu.index, 0), tbu=tbu)


def spill_of(tbu: Tbu, finish: int, places: int) -> Holder:
    """Return the holder in the spill store for the token a TBU has just run for another TB."""
    return Holder(SPILL, (tbu.index, 0), finish=finish, places=places)
