"""What a control block decides, and the children it or a fork makes (rules 2.4, 4.1, 4.8)."""

from __future__ import annotations

import math

from . import lists
from ._functions import RAISED, call
from ._jit import inlined, jit, rare
from .codes import BY_SPILL, BY_TBU, ROUTE_RAISED, TOO_MANY_VISITS, VISIT_LIMIT
from .link import hops
from .model import AGAIN, BRANCH, CONSTANT, COUNT, TASK, UNTIL
from .owners import hold
from .quantile import sample
from .rng import DOMAIN_DECISION, draw, unit
from .world import World


def _choose_cluster(w: World, c: int, token: int, task: int) -> int:
    """Return the cluster in which ``token``, now in cluster ``c``, is to run TB ``task`` (rule 7.3).

    In: candidate, candidate_first, ctl, request, token.
    """
    ctl = w.ctl[0]
    place = w.request[w.token[token].request].pipeline * ctl.n_task + task
    first = w.candidate_first[place]
    n = w.candidate_first[place + 1] - first
    if n == 1:
        return int(w.candidate[first])
    return choose_among(w, c, token, task, first, n)


def _choose_among(w: World, c: int, token: int, task: int, first: int, n: int) -> int:
    """Return which of several clusters ``route`` chooses for ``token``, now in cluster ``c``.

    In: candidate, cluster, ctl, reported, request, station, token. In-out: option.
    """
    ctl = w.ctl[0]
    for i in range(n):
        d = w.candidate[first + i]
        station = w.station[d * ctl.n_task + task]
        option = w.option[i]
        option.cluster = d
        option.hops = hops(w, c, d)
        if d == c:
            option.free = free_slots(w, d * ctl.n_task + task)
            option.present = present(w, d * ctl.n_task + task)
            option.owners = station.owners
        elif w.cluster[c].pipeline != w.request[w.token[token].request].pipeline:
            # a token that another pipeline stole or was sent: nobody reports here, so all is seen as at cycle 0
            option.free = station.slots if station.slots > 0 else station.mapped
            option.present = 0
            option.owners = station.mapped
        else:
            seen = w.reported[(c * ctl.report_slots + w.cluster[d].member) * ctl.n_task + task]
            option.free = seen.free
            option.present = seen.present
            option.owners = seen.owners
    if ctl.route != 0:
        chosen = asked_route(w, c, token, task, n)
        if chosen >= 0:
            return chosen
    best = 0
    for i in range(1, n):
        if nearer(w, i, best):
            best = i
    return int(w.option[best].cluster)


def _nearer(w: World, a: int, b: int) -> bool:
    """Tell whether candidate ``a`` beats the earlier candidate ``b``: fewer hops, then more free slots.

    In: option.
    """
    if w.option[a].hops != w.option[b].hops:
        return bool(w.option[a].hops < w.option[b].hops)
    return bool(w.option[a].free > w.option[b].free)


def _asked_route(w: World, c: int, token: int, task: int, n: int) -> int:
    """Return the candidate that the policy's ``route`` names, or -1 when it names none (rule 13.3).

    In: option, token. In-out: cluster, ctl.
    """
    ctl = w.ctl[0]
    asking = w.token[token]
    ctl.token_tb = task
    ctl.token_bytes = asking.bytes
    if asking.holder == BY_TBU:
        hold(w, asking.place, ctl.now)
    answer = call(w, ctl.route, c, n)
    for i in range(n):
        if w.option[i].cluster == answer:
            return int(answer)
    if answer == RAISED:
        ctl.failed = ROUTE_RAISED
        ctl.budget = 0
        ctl.failed_cluster = c
        ctl.failed_at = n
    w.cluster[c].misroutes += 1
    return -1


def _free_slots(w: World, station_number: int) -> int:
    """Return the free slots of a station; without slots, its idle unreserved owners (rule 4.10).

    In: station.
    """
    station = w.station[station_number]
    if station.slots == 0:
        return int(station.idle)
    return int(station.slots - station.used)


def _present(w: World, station_number: int) -> int:
    """Return the tokens present at a station (rule 7.3).

    In: station.
    """
    station = w.station[station_number]
    return int(station.used + station.line_len + station.again_len + station.busy)


free_slots = inlined(_free_slots)
present = jit(_present)
nearer = jit(_nearer)
asked_route = jit(_asked_route)
choose_among = rare(_choose_among)
choose_cluster = inlined(_choose_cluster)


def _work(w: World, token: int, domain: int, visit_number: int) -> float:
    """Return what the law of the token's node draws at this visit, times its scale; -1 when the law is exactly 0 or the
    scale is 0 or less (rules 2.3, 2.4).

    In: attributes, ctl, knots, law_at, node, request, token.
    """
    ctl = w.ctl[0]
    number = w.token[token].request
    request = w.request[number]
    node = w.token[token].node
    law = w.law_at[request.phase * ctl.n_node + node]
    scale = law.base
    attribute = w.node[node].attribute
    if attribute >= 0:
        scale = law.base + law.slope * w.attributes[number * ctl.n_attribute + attribute]
    if scale <= 0.0 or (law.kind == CONSTANT and w.knots[law.offset] == 0):
        return -1.0
    u = draw(request.key, domain, node, visit_number, 0)
    return float((sample(law.kind, law.offset, law.size, w.knots, u) / 65536.0) * scale)


work = jit(_work)


def _visit(w: World, token: int) -> int:
    """Count one visit of the token's node and return it (rule 1.2).

    In-out: ctl, token, visits.
    """
    at = w.token[token].request * w.ctl[0].n_node + w.token[token].node
    visit = w.visits[at] + 1
    if visit >= VISIT_LIMIT:
        w.ctl[0].failed = TOO_MANY_VISITS
        visit = 1
    w.visits[at] = visit
    w.token[token].visit = visit
    return int(visit)


visit = jit(_visit)


def _spread(w: World, c: int, token: int, chosen: bool) -> None:
    """Make the children of a FORK, or of a SELECT whose draws stand in ``drawn``, to advance in branch order (rule
    4.8).

    In: drawn, edge_node, node. In-out: ctl, stack, tbu, token. Out: join.
    """
    ctl = w.ctl[0]
    parent = w.token[token]
    node = w.node[parent.node]
    n = 0
    top = ctl.stack
    for edge in range(node.edge_end - 1, node.edge - 1, -1):
        if chosen and w.drawn[edge - node.edge] == 0:
            continue
        child = token if n == 0 else lists.new_token(w)
        if n > 0:
            copy = w.token[child]
            copy.kind = parent.kind
            copy.request = parent.request
            copy.bytes = parent.bytes
            copy.mark = parent.mark
            copy.holder = parent.holder
            copy.place = parent.place
            copy.key = parent.key
            copy.answer = 0
            copy.routed = 0
        w.stack[top + n] = child
        n += 1
        w.token[child].owner = w.edge_node[edge]  # where it goes: written to node once no child needs the parent's
    for i in range(n):
        child = w.stack[top + i]
        w.token[child].node = w.token[child].owner
    ctl.stack = top + n
    if parent.holder == BY_TBU:
        w.tbu[parent.place].pending += n - 1
    elif parent.holder == BY_SPILL:
        w.token[parent.place].mark += n - 1
    join = w.join[parent.request * ctl.n_join + w.node[node.join].join_number]
    join.left = n
    join.bytes = 0
    join.mark = 1
    after = w.node[w.edge_node[w.node[node.join].edge]]
    join.cluster = choose_cluster(w, c, token, after.task) if after.kind == TASK else c


spread = rare(_spread)


def _select(w: World, token: int, key: int, visit_number: int) -> None:
    """Draw the branches of a SELECT into ``drawn`` and set the counters of their loops (rule 2.4).

    In: ctl, edge_node, edge_weight, node, request, token. In-out: drawn. Out: counters.
    """
    ctl = w.ctl[0]
    request = w.token[token].request
    number = w.token[token].node
    node = w.node[number]
    n = node.edge_end - node.edge
    weights = w.request[request].phase * len(w.edge_node) + node.edge
    for i in range(n):
        w.drawn[i] = 0
    for item in range(node.items):
        for i in range(n):
            w.drawn[n + i] = 0
        for j in range(node.select):
            total = 0.0
            for i in range(n):
                if w.drawn[n + i] == 0:
                    total += w.edge_weight[weights + i]
            target = unit(draw(key, DOMAIN_DECISION, number, visit_number, item * node.select + j)) * total
            running = 0.0
            taken = -1
            for i in range(n):
                weight = w.edge_weight[weights + i]
                if w.drawn[n + i] == 0 and weight > 0.0:
                    running += weight
                    taken = i
                    if running > target:
                        break
            w.drawn[n + taken] = 1
            w.drawn[taken] += 1
    if node.items > 1:
        # the UNTIL of a branch stands just before the next branch, or before the JOIN
        for i in range(n):
            following = w.edge_node[node.edge + i + 1] if i + 1 < n else node.join
            w.counters[request * ctl.n_loop + w.node[following - 1].loop] = w.drawn[i]


select = rare(_select)


def _decide(w: World, c: int, token: int, visit_number: int) -> bool:
    """Let the control block at which ``token`` stands decide; return whether the token itself goes on, its node being
    the next (rule 2.4).

    In: ctl, edge_node, edge_weight, node, request. In-out: counters, token.
    """
    ctl = w.ctl[0]
    moving = w.token[token]
    node = w.node[moving.node]
    key = w.request[moving.request].key
    edge = node.edge
    if node.kind == BRANCH or node.kind == AGAIN:
        u = unit(draw(key, DOMAIN_DECISION, moving.node, visit_number, 0))
        weights = w.request[moving.request].phase * len(w.edge_node)
        while u >= w.edge_weight[weights + edge]:
            edge += 1
        if node.kind == AGAIN and edge == node.edge:
            moving.mark = 1
    elif node.kind == COUNT:
        turns = math.ceil(work(w, token, DOMAIN_DECISION, visit_number))
        if turns > 0:
            w.counters[moving.request * ctl.n_loop + node.loop] = int(turns)
        else:
            edge += 1
    elif node.kind == UNTIL:
        counter = moving.request * ctl.n_loop + node.loop
        w.counters[counter] -= 1
        if w.counters[counter] > 0:
            moving.mark = 1
        else:
            edge += 1
    else:
        select(w, token, key, visit_number)
        spread(w, c, token, True)
        return False
    moving.node = w.edge_node[edge]
    return True


decide = jit(_decide)
