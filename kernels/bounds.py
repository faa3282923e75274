"""The work and the critical path of every request, drawn but not run: what no schedule can undercut (rules 10)."""

from __future__ import annotations

from ._jit import entry, jit
from ._ref import ref
from .bare import Walk
from .codes import BUDGET, DONE, TOO_MANY_VISITS
from .model import END, FORK, JOIN, SELECT, TASK
from .rng import request_key
from .traverse import choose_edge, cycles_for, draw_items, reach, set_out, work_of

_LONG = 44  # an execution of 2**44 cycles uses up two visits of a budget: no sum of one call passes 2**62


def _start_walk(w: Walk) -> None:
    """Stand at the first node with the next request.

    In: request_phase, source_request. In-out: ctl.
    """
    ctl = w.ctl[0]
    ctl.request = w.source_request[ctl.place]
    ctl.key = request_key(ctl.seed_key, ctl.request)
    ctl.phase = w.request_phase[ctl.request] if len(w.request_phase) > 0 else 0
    ctl.node = 0
    ctl.t = 0
    set_out(w, 0, ctl.request, ctl.key)


start_walk = jit(_start_walk)


def _end_walk(w: Walk) -> None:
    """Add up what the request at END has shown.

    In: source_arrival. In-out: ctl.
    """
    ctl = w.ctl[0]
    ctl.path += ctl.t
    ctl.longest = max(ctl.longest, ctl.t if ctl.closed != 0 else w.source_arrival[ctl.place] + ctl.t)
    ctl.place += 1


end_walk = jit(_end_walk)


def _walk_task(w: Walk, visit: int) -> None:
    """Count the least work that an execution can cost on any group of speeds; the path takes the fastest (rules 10.1,
    10.2).

    In: edge_indptr, edge_node, fast, node_task, slow, task_speedup. In-out: ctl, work.
    """
    ctl = w.ctl[0]
    speedup = w.task_speedup[w.node_task[ctl.node]]
    x = work_of(w, 0, ctl.phase, ctl.key, ctl.node, visit)
    cycles = cycles_for(x, speedup * w.fast[0])
    ctl.t += cycles
    best = 0
    for group in range(1, ctl.n_speed):
        slower = cycles_for(x, speedup * w.fast[group])
        if slower * w.slow[group] < cycles * w.slow[best]:
            best = group
            cycles = slower
    w.work[best] += cycles
    ctl.budget -= cycles >> _LONG
    ctl.node = w.edge_node[w.edge_indptr[ctl.node]]


walk_task = jit(_walk_task)


def _walk_branches(w: Walk, chosen: bool) -> None:
    """Go on with the first branch of a FORK, or of a SELECT whose draws stand in ``drawn``; note the others, that begin
    at the same cycle.

    In: drawn, edge_indptr, edge_node, node_join. In-out: branch_node, ctl. Out: branch_t, latest, visits.
    """
    ctl = w.ctl[0]
    first = w.edge_indptr[ctl.node]
    n = 0
    for edge in range(w.edge_indptr[ctl.node + 1] - 1, first - 1, -1):
        if not chosen or w.drawn[edge - first] > 0:
            w.branch_node[ctl.pending + n] = w.edge_node[edge]
            w.branch_t[ctl.pending + n] = ctl.t
            n += 1
    join = w.node_join[ctl.node]
    w.visits[join] = n
    w.latest[join] = ctl.t
    ctl.pending += n - 1
    ctl.node = w.branch_node[ctl.pending]


walk_branches = jit(_walk_branches)


def _walk_join(w: Walk) -> None:
    """Go on from a JOIN at the cycle of its last child, or with the next branch that is still to be walked.

    In: branch_node, branch_t, edge_indptr, edge_node. In-out: ctl, latest, visits.
    """
    ctl = w.ctl[0]
    join = ctl.node
    w.latest[join] = max(w.latest[join], ctl.t)
    w.visits[join] -= 1
    if w.visits[join] > 0:
        ctl.pending -= 1
        ctl.node = w.branch_node[ctl.pending]
        ctl.t = w.branch_t[ctl.pending]
    else:
        ctl.node = w.edge_node[w.edge_indptr[join]]
        ctl.t = w.latest[join]


walk_join = jit(_walk_join)


def _find_bounds(state: Walk, budget: int) -> int:
    """Walk the requests ``ctl.place`` to ``ctl.end``, by at most about ``budget`` nodes; call again to go on.

    Adds to ``work``, ``ctl.path`` and ``ctl.longest``. ``ctl.node`` is -1 between requests.
    Returns DONE, BUDGET (call again), or TOO_MANY_VISITS.
    """
    w = ref(state)
    ctl = w.ctl[0]
    ctl.budget = budget
    while ctl.budget > 0:
        if ctl.node < 0:
            if ctl.place == ctl.end:
                return DONE
            start_walk(w)
        ctl.budget -= 1
        kind = w.node_kind[ctl.node]
        if kind == JOIN:
            walk_join(w)
        elif kind == END:
            end_walk(w)
            ctl.node = -1
        elif kind == FORK:
            walk_branches(w, False)
        else:
            visit = reach(w, 0, ctl.node)
            if visit == 0:
                return TOO_MANY_VISITS
            if kind == TASK:
                walk_task(w, visit)
                continue
            ctl.t += ctl.decision_cycles
            if kind == SELECT:
                draw_items(w, 0, ctl.phase, ctl.key, ctl.node, visit)
                walk_branches(w, True)
            else:
                ctl.node = w.edge_node[choose_edge(w, 0, ctl.phase, ctl.key, ctl.node, visit)]
    return BUDGET


find_bounds = entry(_find_bounds)
