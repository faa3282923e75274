"""What one request meets on its way through the program, whatever the machine: visits, work and choices (rules 1.2 and
2).
"""

from __future__ import annotations

import math

from ._jit import jit
from .bare import Bare
from .codes import MAX_CYCLE, VISIT_LIMIT
from .model import AGAIN, BRANCH, CONSTANT, COUNT
from .quantile import sample
from .rng import DOMAIN_ATTRIBUTE, DOMAIN_DECISION, DOMAIN_TIME, draw, unit


def _set_out(w: Bare, slot: int, request: int, key: int) -> None:
    """Let a request begin in a slot: no visits yet, its attributes known (rule 2.5).

    In: attribute_indptr, attribute_law, attribute_values, ctl, knots, law_kind, law_offset, law_size. Out:
    attributes, visits.
    """
    ctl = w.ctl[0]
    for at in range(slot * ctl.n_node, (slot + 1) * ctl.n_node):
        w.visits[at] = 0
    for i in range(ctl.n_attribute):
        law = w.attribute_law[i]
        if law < 0:
            first = w.attribute_indptr[i]
            value = w.attribute_values[first + request % (w.attribute_indptr[i + 1] - first)]
        else:
            u = draw(key, DOMAIN_ATTRIBUTE, i, 0, 0)
            value = sample(w.law_kind[law], w.law_offset[law], w.law_size[law], w.knots, u) / 65536.0
        w.attributes[slot * ctl.n_attribute + i] = value


set_out = jit(_set_out)


def _reach(w: Bare, slot: int, node: int) -> int:
    """Count one visit of a node and return it, or 0 when it is one too many for the key of a draw (rules 1.2, 2.1).

    In: ctl. In-out: visits.
    """
    at = slot * w.ctl[0].n_node + node
    visit = w.visits[at] + 1
    if visit >= VISIT_LIMIT:
        return 0
    w.visits[at] = visit
    return int(visit)


reach = jit(_reach)


def _scale_of(w: Bare, slot: int, at: int, node: int) -> float:
    """Return the scale of a node's law, ``at`` being its place in the arrays by phase (rule 2.3).

    In: attributes, ctl, node_attribute, node_base, node_slope.
    """
    attribute = w.node_attribute[node]
    if attribute < 0:
        return float(w.node_base[at])
    return float(w.node_base[at] + w.node_slope[at] * w.attributes[slot * w.ctl[0].n_attribute + attribute])


scale_of = jit(_scale_of)


def _work_of(w: Bare, slot: int, phase: int, key: int, node: int, visit: int) -> float:
    """Return what one execution of a TASK draws, in cycles before any speed-up, or -1 when it takes exactly none (rule
    2.3).

    In: ctl, knots, law_kind, law_offset, law_size, node_law.
    """
    at = phase * w.ctl[0].n_node + node
    law = w.node_law[at]
    scale = scale_of(w, slot, at, node)
    kind = w.law_kind[law]
    if scale <= 0.0 or (kind == CONSTANT and w.knots[w.law_offset[law]] == 0):
        return -1.0
    u = draw(key, DOMAIN_TIME, node, visit, 0)
    return float((sample(kind, w.law_offset[law], w.law_size[law], w.knots, u) / 65536.0) * scale)


work_of = jit(_work_of)


def _cycles_for(x: float, factor: float) -> int:
    """Return the cycles of an execution that drew ``x``, at a speed factor; so many that no run lasts as long stay as
    they are.
    """
    if x < 0.0:
        return 0
    if factor != 1.0:
        x /= factor
    return max(1, int(min(math.floor(x + 0.5), float(MAX_CYCLE))))


cycles_for = jit(_cycles_for)


def _choose_edge(w: Bare, slot: int, phase: int, key: int, node: int, visit: int) -> int:
    """Return the edge that a BRANCH, AGAIN, COUNT or UNTIL takes, and keep the counter of its loop (rule 2.4).

    In: ctl, edge_indptr, edge_node, edge_weight, knots, law_kind, law_offset, law_size, node_kind, node_law,
    node_loop. In-out: counters.
    """
    kind = w.node_kind[node]
    edge = w.edge_indptr[node]
    counter = slot * w.ctl[0].n_loop + w.node_loop[node]
    if kind == BRANCH or kind == AGAIN:
        u = unit(draw(key, DOMAIN_DECISION, node, visit, 0))
        weights = phase * len(w.edge_node)
        while u >= w.edge_weight[weights + edge]:
            edge += 1
    elif kind == COUNT:
        at = phase * w.ctl[0].n_node + node
        law = w.node_law[at]
        u = draw(key, DOMAIN_DECISION, node, visit, 0)
        x = sample(w.law_kind[law], w.law_offset[law], w.law_size[law], w.knots, u) / 65536.0
        turns = math.ceil(x * scale_of(w, slot, at, node))
        if turns > 0:
            w.counters[counter] = int(turns)
        else:
            edge += 1
    else:
        w.counters[counter] -= 1
        if w.counters[counter] == 0:
            edge += 1
    return int(edge)


choose_edge = jit(_choose_edge)


def _draw_items(w: Bare, slot: int, phase: int, key: int, node: int, visit: int) -> None:
    """Draw the branches of a SELECT: ``drawn`` and their loop counters say how many items took each (rule 2.4).

    In: ctl, edge_indptr, edge_node, edge_weight, node_items, node_join, node_loop, node_select. In-out: drawn. Out:
    counters.
    """
    first = w.edge_indptr[node]
    n = w.edge_indptr[node + 1] - first
    weights = phase * len(w.edge_node) + first
    k = w.node_select[node]
    for i in range(n):
        w.drawn[i] = 0
    for item in range(w.node_items[node]):
        for i in range(n):
            w.drawn[n + i] = 0
        for j in range(k):
            total = 0.0
            for i in range(n):
                if w.drawn[n + i] == 0:
                    total += w.edge_weight[weights + i]
            target = unit(draw(key, DOMAIN_DECISION, node, visit, item * k + j)) * total
            running = 0.0
            taken = 0
            for i in range(n):
                weight = w.edge_weight[weights + i]
                if w.drawn[n + i] == 0 and weight > 0.0:
                    running += weight
                    taken = i
                    if running > target:
                        break
            w.drawn[n + taken] = 1
            w.drawn[taken] += 1
    if w.node_items[node] > 1:
        # the UNTIL of a branch stands just before the next branch, or before the JOIN
        for i in range(n):
            following = w.edge_node[first + i + 1] if i + 1 < n else w.node_join[node]
            w.counters[slot * w.ctl[0].n_loop + w.node_loop[following - 1]] = w.drawn[i]


draw_items = jit(_draw_items)
