"""The configurations a TBU holds, and the port through which a cluster loads them (rules 5.2, 5.3 and 13.8).

A place holds a configuration X, -1 when it is empty, and -2 - X while X is loaded in the background, until ``used``; once X
is there ``used`` dates the begin of its last run, -1 for none.
"""

from __future__ import annotations

from ._jit import jit, rare
from .codes import PREPARING
from .world import World


def _held(w: World, u: int, config: int) -> bool:
    """Tell whether TBU ``u`` ran a configuration last, holds it or is loading it.

    In: ctl, resident, tbu.
    """
    ctl = w.ctl[0]
    if w.tbu[u].config == config:
        return True
    for place in range(u * ctl.n_residents, (u + 1) * ctl.n_residents):
        if w.resident[place].config == config or w.resident[place].config == -2 - config:
            return True
    return False


held = jit(_held)


def _victim(w: World, u: int, home: int) -> int:
    """Return the resident place that a reload takes: an empty one, else that of the least recently run configuration
    but ``home``, unless one is being loaded into it; -1 when there is none (rule 5.3).

    In: ctl, resident.
    """
    ctl = w.ctl[0]
    first = u * ctl.n_residents
    if ctl.n_residents == 1:
        return int(first)
    best = -1
    for place in range(first, first + ctl.n_residents):
        resident = w.resident[place]
        if resident.config == -1:
            return int(place)
        if resident.config >= 0 and resident.config != home and (best < 0 or resident.used < w.resident[best].used):
            best = place
    return best


victim = rare(_victim)


def _place_for_load(w: World, u: int) -> int:
    """Return the resident place that a background load may take, or -1: as a reload, but never that of the last run
    configuration or of the one the TBU prepares for (rule 13.8).

    In: ctl, node, resident, task, tbu, token.
    """
    ctl = w.ctl[0]
    tbu = w.tbu[u]
    home = w.task[tbu.task].config
    wanted = w.task[w.node[w.token[tbu.token].node].task].config if tbu.stage == PREPARING else -1
    best = -1
    for place in range(u * ctl.n_residents, (u + 1) * ctl.n_residents):
        resident = w.resident[place]
        if resident.config == -1:
            return int(place)
        free = resident.config >= 0 and resident.config != home and resident.config != tbu.config
        if free and resident.config != wanted and (best < 0 or resident.used < w.resident[best].used):
            best = place
    return best


place_for_load = jit(_place_for_load)


def _replace(w: World, c: int, place: int, config: int, loaded: int) -> None:
    """Let a configuration take a place of a TBU, whether ``loaded`` for a plan or for the token to run next; what a plan
    loaded and nothing ran was loaded in vain (rule 9.8).

    In-out: cluster, resident.
    """
    resident = w.resident[place]
    if resident.loaded != 0 and resident.used < 0:
        w.cluster[c].wasted_reloads += 1
    resident.config = config
    resident.loaded = loaded


replace = jit(_replace)


def _take_port(w: World, c: int, t: int, task: int) -> int:
    """Let a load of the configuration of TB ``task`` wait for the configuration port of cluster ``c`` and pass it;
    return its end (rule 5.3).

    In: task. In-out: cluster.
    """
    cluster = w.cluster[c]
    cluster.port_free = max(t, cluster.port_free) + w.task[task].reload
    return int(cluster.port_free)


take_port = jit(_take_port)
