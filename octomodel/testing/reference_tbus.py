"""The reference's TBUs: taking, preparing, running, finishing (rules 4.5 and 5)."""

from __future__ import annotations

from octomodel.testing.reference_configs import end_change, prepare_until, reload, wait_for_load
from octomodel.testing.reference_flow import advance, become_idle, output_of, spill_of
from octomodel.testing.reference_state import (
    EXECUTION,
    IDLE,
    LENT,
    LOADING,
    OWN,
    RELOADING,
    SWITCHING,
    Cluster,
    Station,
    Tbu,
    Token,
)
from octomodel.testing.reference_world import World


def take_next(world: World, cluster: Cluster, tbu: Tbu, station: Station) -> None:
    """Let a TBU take the next token of a station: recirculation first, then fresh (rule 4.5)."""
    if station.recirculation:
        token = station.recirculation.popleft()
        station.recirculation_taken += 1
        station.recirculation_wait += world.now - token.since
        token.marked = False
    else:
        token = station.fresh[0]
        leave_queue(world, station, token)
    _prepare(world, cluster, tbu, token)


def take_reserved(world: World, cluster: Cluster, tbu: Tbu, station: Station, token: Token) -> None:
    """Let a TBU take the token it was reserved for (rule 4.10)."""
    tbu.reserved = None
    leave_queue(world, station, token)
    _prepare(world, cluster, tbu, token)


def leave_queue(world: World, station: Station, token: Token) -> None:
    """Remove a ready fresh token from its queue; its slot is free at once, its wait ends."""
    station.integrate(world.now)
    station.fresh.remove(token)
    station.fresh_taken += 1
    station.fresh_wait += world.now - token.since
    station.occupied -= 1


def _prepare(world: World, cluster: Cluster, tbu: Tbu, token: Token) -> None:
    cluster.changed = True
    tbu.token = token
    tbu.task = world.graph.task[token.node]
    config = world.graph.config[tbu.task]
    if config == tbu.last_config:
        _begin_run(world, cluster, tbu)
    elif LOADING - config in tbu.residents:
        wait_for_load(world, cluster, tbu, config)
    elif config in tbu.residents:
        cluster.switches += 1
        prepare_until(world, cluster, tbu, SWITCHING, world.now + world.switch_cycles)
    else:
        reload(world, cluster, tbu, config, world.graph.config[tbu.home])
    if tbu.stage in (SWITCHING, RELOADING) and tbu.stage_end == world.now:
        _begin_run(world, cluster, tbu)


def _begin_run(world: World, cluster: Cluster, tbu: Tbu) -> None:
    assert tbu.token is not None
    token, request = tbu.token, tbu.token.request
    config = world.graph.config[tbu.task]
    tbu.last_config = config
    place = tbu.residents.index(config)
    tbu.ran_at[place] = world.now
    tbu.in_vain.discard(place)
    factor = world.graph.speedup[tbu.task] * tbu.speed
    cycles = world.draws.run_cycles(
        request.number, request.phase, token.node, token.visit, request.attributes, factor
    )
    tbu.stage = OWN if tbu.task == tbu.home else LENT
    tbu.run_start = world.now
    tbu.stage_end = world.now + cycles
    world.settle(tbu)
    world.schedule(tbu.stage_end, cluster.index)


def end_stage(world: World, cluster: Cluster, tbu: Tbu) -> None:
    """Pass from the stage that ends now to the next one (rule 3.3)."""
    cluster.changed = True
    if tbu.token is None:
        end_change(world, cluster, tbu)
    elif tbu.stage in (RELOADING, SWITCHING):
        _begin_run(world, cluster, tbu)
    else:
        _finish(world, cluster, tbu)


def _finish(world: World, cluster: Cluster, tbu: Tbu) -> None:
    graph = world.graph
    assert tbu.token is not None
    token = tbu.token
    node = token.node
    station = cluster.stations[tbu.task]
    station.executions += 1
    station.run_cycles += world.now - tbu.run_start
    key = (token.request.number, node, token.visit, tbu.place, cluster.index)
    world.record((EXECUTION, *key, tbu.run_start, world.now))
    milestone = graph.milestone[node]
    if milestone >= 0 and token.request.milestones[milestone] < 0:
        token.request.milestones[milestone] = world.now - token.request.arrival
    token.payload = graph.out_bytes[node]
    lent = tbu.stage == LENT
    tbu.token = None
    tbu.stage = IDLE
    if lent:
        token.holder = spill_of(tbu, world.now, graph.fan_out[node])
        become_idle(world, cluster, tbu)
    else:
        token.holder = tbu.output = output_of(tbu)
        world.settle(tbu)
    advance(world, cluster, token, graph.out[node][0])
