"""The pools of a run, requests, tokens and reports under way: how many of each, and how they grow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .model import FORK, SELECT, Model
from .world import Records, World


def width(model: Model) -> int:
    """Return the most tokens that one request can have at once (rule 4.1)."""
    p = model.program
    n = 1
    for node in range(len(p.node_kind)):
        branches = int(p.edge_indptr[node + 1] - p.edge_indptr[node])
        if p.node_kind[node] == FORK:
            n += branches - 1
        elif p.node_kind[node] == SELECT:
            n += min(branches, int(p.node_select[node] * p.node_items[node])) - 1
    return n


def pool_sizes(model: Model, fields: dict[str, Any]) -> dict[str, int]:
    """Return how many requests, reports and tokens one worker needs, one group at a time; an unlimited window begins
    with 256 requests.
    """
    m = model.machine
    window = np.where(m.pipeline_window < 0, 256, m.pipeline_window)
    requests = np.diff(model.load.source_indptr)
    groups = len(fields["group"])
    at = m.cluster_group[m.pipeline_home]
    most = int(np.bincount(at, np.minimum(window, np.maximum(requests, 1)), groups).max())
    sent = fields["pipeline"]["reports"] * fields["pipeline"]["members"] ** 2
    clusters = int(np.bincount(m.cluster_group).max())
    reports = 2 * int(np.bincount(at, sent, groups).max())
    spill = loads = 0
    if model.rules.dispatch is not None:
        spill = int(np.bincount(m.cluster_group, m.cluster_spill, groups).max())
    if model.rules.rebalance is not None:
        reports += 8 * clusters
        loads = m.background_load * m.tbu_resident[0].size * int(np.bincount(m.cluster_group[m.tbu_cluster]).max())
    return {
        "requests": most,
        "reports": reports,
        "tokens": token_need(model, most, reports) + 2 * clusters + spill + loads,
    }


def token_need(model: Model, requests: int, reports: int) -> int:
    """Return the tokens that this many requests and reports can need: each request's own, its credit on the way, one
    per report.
    """
    return requests * (width(model) + 1) + reports


def _longer(array: NDArray[Any], n: int) -> NDArray[Any]:
    """Return the array with ``n`` zeros more."""
    return np.concatenate([array, np.zeros(n, array.dtype)])


def _free_more(records: Records, old: int, head: int) -> int:
    """Chain the records from ``old`` on into the free list that begins at ``head``; return its new head."""
    records["next"][old:] = np.arange(old + 1, len(records) + 1)
    records["next"][-1] = head
    return old


def grow_requests(model: Model, w: World, more: int) -> World:
    """Return the world with room for ``more`` more requests in flight, and the tokens they can need."""
    ctl = w.ctl
    requests, tokens = _longer(w.request, more), _longer(w.token, token_need(model, more, 0))
    ctl["free_request"] = _free_more(requests, len(w.request), int(ctl["free_request"][0]))
    ctl["free_token"] = _free_more(tokens, len(w.token), int(ctl["free_token"][0]))
    ctl["n_free_requests"] += more
    return w._replace(
        request=requests,
        token=tokens,
        visits=_longer(w.visits, more * int(ctl["n_node"][0])),
        counters=_longer(w.counters, more * int(ctl["n_loop"][0])),
        attributes=_longer(w.attributes, more * int(ctl["n_attribute"][0])),
        join=_longer(w.join, more * int(ctl["n_join"][0])),
    )


def grow_reports(w: World, more: int) -> World:
    """Return the world with room for ``more`` more reports on their way.

    In: snapshot, snapshot_next, token.
    """
    ctl = w.ctl
    rows = len(w.snapshot_next)
    following = np.concatenate([w.snapshot_next, np.arange(rows + 1, rows + more + 1)])
    following[-1] = ctl["free_report"][0]
    ctl["free_report"] = rows
    ctl["n_free_reports"] += more
    tokens = _longer(w.token, more)
    ctl["free_token"] = _free_more(tokens, len(w.token), int(ctl["free_token"][0]))
    return w._replace(snapshot=_longer(w.snapshot, more * int(ctl["n_task"][0])), snapshot_next=following, token=tokens)
