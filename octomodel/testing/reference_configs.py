"""The reference's configurations: places, the port, reloads, background loads, changes of a home (rules 5.3, 13.7, 13.8)."""

from __future__ import annotations

from bisect import insort

from octomodel.testing.reference_state import EMPTY, IDLE, LOADING, RELOADING, Cluster, Tbu
from octomodel.testing.reference_world import World


def is_there(tbu: Tbu, config: int) -> bool:
    """Return whether a configuration ran last, is resident or is being loaded."""
    return config == tbu.last_config or config in tbu.residents or LOADING - config in tbu.residents


def has_place(world: World, tbu: Tbu, config: int) -> bool:
    """Return whether a TBU could prepare a token of a configuration (rule 6.3)."""
    return is_there(tbu, config) or _place_to_reload(tbu, world.graph.config[tbu.home]) >= 0


def _place_to_reload(tbu: Tbu, home: int) -> int:
    """Return where a reload goes: empty, else the least recently run but home's; -1: loads keep all (5.3, 13.8)."""
    kept = {home} if len(tbu.residents) > 1 else set()
    return _place(tbu, kept)


def _place_to_load(world: World, tbu: Tbu) -> int:
    """Return where a background load goes, as a reload, but sparing what ran last or is about to (rule 13.8)."""
    kept = {world.graph.config[tbu.home], tbu.last_config}
    if tbu.token is not None:
        # it may be switching to this one, or reloading it
        kept.add(world.graph.config[tbu.task])
    return _place(tbu, kept)


def _place(tbu: Tbu, kept: set[int]) -> int:
    if EMPTY in tbu.residents:
        return tbu.residents.index(EMPTY)
    free = [place for place, config in enumerate(tbu.residents) if config >= 0 and config not in kept]
    return min(free, key=lambda place: (tbu.ran_at[place], place), default=-1)


def _take_port(world: World, cluster: Cluster, config: int) -> int:
    """Let a configuration pass the port after all before it, and return when it has."""
    cluster.port_free = max(world.now, cluster.port_free) + world.reload_lengths[config]
    world.schedule(cluster.port_free, cluster.index)
    return cluster.port_free


def prepare_until(world: World, cluster: Cluster, tbu: Tbu, stage: int, end: int) -> None:
    """Let a TBU switch or reload."""
    tbu.stage, tbu.stage_end = stage, end
    world.settle(tbu)
    world.schedule(end, cluster.index)


def reload(world: World, cluster: Cluster, tbu: Tbu, config: int, home: int) -> int:
    """Let a TBU reload a configuration in the foreground, sparing that of its home (rule 5.3); return its place."""
    place = _place_to_reload(tbu, home)
    assert place >= 0
    _forget(cluster, tbu, place)
    tbu.residents[place], tbu.ran_at[place] = config, -1
    cluster.reloads += 1
    prepare_until(world, cluster, tbu, RELOADING, _take_port(world, cluster, config))
    return place


def _forget(cluster: Cluster, tbu: Tbu, place: int) -> None:
    """Let a TBU lose what a place holds, in vain if a plan loaded it and it has not run (rule 9.8)."""
    cluster.wasted_reloads += place in tbu.in_vain
    tbu.in_vain.discard(place)


def wait_for_load(world: World, cluster: Cluster, tbu: Tbu, config: int) -> None:
    """Let a TBU wait for the end of a background load of what it is to run (rule 13.8)."""
    place = tbu.residents.index(LOADING - config)
    end = next(end for end, loaded, where in cluster.loads if loaded is tbu and where == place)
    prepare_until(world, cluster, tbu, RELOADING, end)


def may_load(world: World, tbu: Tbu, config: int) -> bool:
    """Return whether a background load of a configuration that is not there has a place."""
    return world.background_load and not is_there(tbu, config) and _place_to_load(world, tbu) >= 0


def begin_load(world: World, cluster: Cluster, tbu: Tbu, config: int) -> None:
    """Begin a background load (rule 13.8)."""
    place = _place_to_load(world, tbu)
    _forget(cluster, tbu, place)
    tbu.in_vain.add(place)
    tbu.residents[place], tbu.ran_at[place] = LOADING - config, -1
    cluster.loads.append((_take_port(world, cluster, config), tbu, place))
    cluster.background_loads += 1
    cluster.hidden_reload_cycles += world.reload_lengths[config]


def end_loads(world: World, cluster: Cluster) -> None:
    """End the background loads that end now, and begin the changes that waited for them (rules 13.7 and 13.8)."""
    while cluster.loads and cluster.loads[0][0] == world.now:
        _, tbu, place = cluster.loads.popleft()
        config = tbu.residents[place] = LOADING - tbu.residents[place]
        cluster.changed = True
        if tbu.next >= 0 and world.graph.config[tbu.next] == config and not tbu.due:
            make_due(world, cluster, tbu)


def make_due(world: World, cluster: Cluster, tbu: Tbu) -> None:
    """Let the pending change of a TBU begin now, or when the TBU is next idle (rule 13.7)."""
    tbu.due = True
    if tbu.free:
        begin_change(world, cluster, tbu)


def begin_change(world: World, cluster: Cluster, tbu: Tbu) -> None:
    """Let an idle TBU leave its home, at once for the next or after a reload (rule 13.7)."""
    cluster.owner_changes += 1
    cluster.stations[tbu.home].owners.remove(tbu)
    tbu.home = -1
    config = world.graph.config[tbu.next]
    if is_there(tbu, config):
        _own(cluster, tbu)
    else:
        tbu.in_vain.add(reload(world, cluster, tbu, config, config))
        if tbu.stage_end == world.now:
            end_change(world, cluster, tbu)


def end_change(world: World, cluster: Cluster, tbu: Tbu) -> None:
    """End the reload of a TBU that changes its home (rule 13.7)."""
    tbu.last_config = world.graph.config[tbu.next]
    tbu.stage = IDLE
    world.settle(tbu)
    _own(cluster, tbu)


def _own(cluster: Cluster, tbu: Tbu) -> None:
    tbu.home, tbu.next, tbu.due = tbu.next, -1, False
    insort(cluster.stations[tbu.home].owners, tbu, key=lambda owner: owner.index)
    cluster.news += 1
    cluster.changed = True
