"""The reference's lending: asking idle TBUs, checking what is answered, stealing from neighbours (rules 6 and 13.3)."""

from __future__ import annotations

from octomodel.policies import ASK_NEIGHBOUR, NOTHING, POLICIES
from octomodel.testing.reference_configs import has_place
from octomodel.testing.reference_flow import start_transfer
from octomodel.testing.reference_links import send
from octomodel.testing.reference_octopus import octopus_dispatch
from octomodel.testing.reference_state import ASK, NO, Cluster, Message, Tbu
from octomodel.testing.reference_tbus import leave_queue, take_next
from octomodel.testing.reference_views import ask, view
from octomodel.testing.reference_world import World


def ask_idle(world: World, cluster: Cluster) -> None:
    """Ask each idle TBU that has news what to run, by index (rule 6.2)."""
    for tbu in cluster.tbus:
        if tbu.free and tbu.home >= 0 and tbu.asked < cluster.news:
            tbu.asked = cluster.news
            answer = _answer(world, cluster, tbu)
            if answer == ASK_NEIGHBOUR:
                _ask_neighbour(world, cluster)
            elif answer != NOTHING:
                _lend(world, cluster, tbu, answer)


def _answer(world: World, cluster: Cluster, tbu: Tbu) -> int:
    assert world.rules.dispatch is not None
    if world.rules.dispatch is POLICIES["stealing"].dispatch:
        return _longest_queue(cluster, tbu)
    if world.rules.dispatch is POLICIES["reactive_any"].dispatch:
        found = _longest_queue(cluster, tbu)
        return NOTHING if found == ASK_NEIGHBOUR else found
    if world.rules.dispatch is POLICIES["octopus"].dispatch:
        return ask(world, cluster, octopus_dispatch, view(world, cluster), tbu.place)  # type: ignore[no-any-return]
    return int(ask(world, cluster, world.rules.dispatch, view(world, cluster), tbu.place))


def _longest_queue(cluster: Cluster, tbu: Tbu) -> int:
    best, most = ASK_NEIGHBOUR, 0
    for task, station in cluster.stations.items():
        if task != tbu.home and station.waiting() > most:
            best, most = task, station.waiting()
    return best


def _lend(world: World, cluster: Cluster, tbu: Tbu, task: int) -> None:
    if not _may_lend(world, cluster, tbu, task):
        cluster.refusals += 1
        return
    cluster.spilled += _fan_out(world, task)
    cluster.spill_max = max(cluster.spill_max, cluster.spilled)
    cluster.lendings += 1
    take_next(world, cluster, tbu, cluster.stations[task])


def _may_lend(world: World, cluster: Cluster, tbu: Tbu, task: int) -> bool:
    """Return whether a lending passes the checks of rule 6.3; a TB out of range has no station."""
    if task == tbu.home or task not in cluster.stations or not cluster.stations[task].waiting():
        return False
    enough = _fan_out(world, task) <= cluster.spill_slots - cluster.spilled
    return enough and has_place(world, tbu, world.graph.config[task])


def _fan_out(world: World, task: int) -> int:
    return world.graph.fan_out[world.graph.task.index(task)]


def _ask_neighbour(world: World, cluster: Cluster) -> None:
    if cluster.outstanding:
        return
    for step in range(1, 5):
        port = (cluster.last_asked + step) % 4
        neighbour = cluster.links[port].to
        if neighbour >= 0:
            cluster.last_asked = port
            cluster.outstanding = True
            cluster.asks += 1
            send(world, cluster, Message(ASK, neighbour, world.control_bytes, sender=cluster.index))
            return


def answer_neighbour(world: World, cluster: Cluster, asking: int) -> None:
    """Give the asking cluster the oldest token of the longest queue, or say no (rule 6.6)."""
    best, most = None, 1
    for task, station in cluster.stations.items():
        if task in world.clusters[asking].stations and station.slots and len(station.fresh) > most:
            best, most = station, len(station.fresh)
    if best is None:
        send(world, cluster, Message(NO, asking, world.control_bytes))
        return
    cluster.changed = True
    cluster.steals += 1
    token = best.fresh[0]
    leave_queue(world, best, token)
    token.target, token.stolen = asking, True
    start_transfer(world, cluster, token, world.now, world.local_delay(token.payload))
