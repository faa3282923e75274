"""Ways over the mesh: the next hop of every message, and the groups of clusters (rules 7.2, 7.5)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from octomodel.errors import ModelError
from octomodel.hardware import System
from octomodel.kernels.model import EAST, NORTH, SOUTH, WEST

I64 = NDArray[np.int64]
I8 = NDArray[np.int8]
BATCH = 2**24
MAX_TABLE = 2**30
"""Most entries of a routing table, one byte each."""


def routing_table(system: System, link: I64, members: list[I64], steals: bool) -> I8:
    """Return the port of the next hop, for machines with dead links.

    Parameters
    ----------
    system : System
        The machine.
    link : int64[4 * cluster + port]
        Live links.
    members : list of int64[cluster]
        Clusters of each pipeline: every one may send to every other.
    steals : bool
        Whether a token may be moved to a neighbour: from there, whichever pipeline that is of, it goes on to where
        its own pipeline runs what comes next, or is moved again; so each cluster may send to each it can reach.

    Returns
    -------
    int8[cluster, cluster]
        From row to column, the lowest-numbered port on a shortest path; -1 where nothing is sent. Shape (0,
        0) when no link is dead or nothing is sent at all.

    Raises
    ------
    ModelError
        When two clusters of a pipeline are not connected, or the table would pass 2^30 entries.
    """
    n = system.n_cluster
    senders = [group for group in members if len(group) > 1]
    if not (senders or steals) or np.count_nonzero(link >= 0) == n_links(system):
        return np.empty((0, 0), dtype=np.int8)
    if n * n > MAX_TABLE:
        allowed = f"at most {int(MAX_TABLE**0.5)} clusters where links are dead: routes then need a table"
        raise ModelError("system", f"{n} clusters", allowed)
    pipeline = np.full(n, -1, dtype=np.int64)
    for number, group in enumerate(senders):
        pipeline[group] = number
    out = np.full((n, n), -1, dtype=np.int8)
    for to in _batches(np.arange(n) if steals else np.concatenate(senders), n):
        out[to] = _towards(link, to, pipeline, n if steals else 0)
    return np.ascontiguousarray(out.T)


def groups(system: System, link: I64, table: I8, members: list[I64], steals: bool) -> I64:
    """Return the group of each cluster (rule 7.5), numbered by lowest cluster; as for ``routing_table``.

    Returns
    -------
    int64[cluster]
    """
    n = system.n_cluster
    senders = [group for group in members if len(group) > 1]
    if not senders and not steals:
        return np.arange(n, dtype=np.int64)
    if any(len(group) == n for group in senders):
        return np.zeros(n, dtype=np.int64)
    used = link >= 0 if steals else np.zeros(len(link), dtype=np.bool_)
    if not steals:
        for batch in _pairs(senders, n):
            _mark_routes(system, link, table, used, *batch)
    return _components(n, np.flatnonzero(used) // 4, link[used])


def next_port(system: System, at: I64, to: I64) -> I64:
    """Return the port of the next hop without dead links, int64 with the shape of ``at`` and ``to``."""
    east = to % system.cols - at % system.cols
    south = to // system.cols - at // system.cols
    if system.torus:
        east = _shorter(east, system.cols)
        south = _shorter(south, system.rows)
    across = np.where(east < 0, WEST, EAST)
    return np.where(east != 0, across, np.where(south < 0, NORTH, SOUTH)).astype(np.int64)


def n_links(system: System) -> int:
    """Return the number of directed links of the machine without faults."""
    if system.torus:
        return 2 * system.n_cluster * ((system.cols > 1) + (system.rows > 1))
    return 2 * (system.rows * (system.cols - 1) + system.cols * (system.rows - 1))


def _shorter(distance: I64, around: int) -> I64:
    """Return signed distances on a ring by the shorter way, west or north when both are equal."""
    forward = distance % around
    return np.where(2 * forward >= around, forward - around, forward)


def _batches(items: I64, n: int) -> Iterator[I64]:
    size = max(1, BATCH // n)
    for first in range(0, len(items), size):
        yield items[first : first + size]


def _towards(link: I64, to: I64, pipeline: I64, least: int) -> I8:
    """Return the next port from the clusters that matter, int8[destination, cluster], -1 elsewhere.

    Breadth first from each destination, until all clusters of its pipeline are reached and ``least`` hops are
    done, or nothing is left to reach. Lower ports are tried first, so a cluster reached through several keeps the lowest.
    """
    n = len(pipeline)
    other = link.reshape(-1, 4)
    rows = np.arange(len(to))
    wanted = (pipeline[to, None] == pipeline[None]) & (pipeline[None] >= 0)
    wanted[rows, to] = False
    missing = np.count_nonzero(wanted)
    ports = np.full(len(to) * n, -1, dtype=np.int8)
    ports[rows * n + to] = SOUTH
    row, cell, hops = rows, to, 0
    while missing or hops < least:
        found: list[I64] = []
        for port in (WEST, EAST, NORTH, SOUTH):
            before = other[cell, port ^ 1]
            at = (row * n + before)[before >= 0]
            at = at[ports[at] < 0]
            ports[at] = port
            found.append(at)
        front = np.concatenate(found)
        if not len(front):
            break
        row, cell = np.divmod(front, n)
        missing -= np.count_nonzero(wanted[row, cell])
        hops += 1
    ports[rows * n + to] = -1
    table = ports.reshape(len(to), n)
    if missing:
        place, sender = np.argwhere(wanted & (table < 0))[0].tolist()
        allowed = "a path over live links between the clusters of a pipeline"
        missed = f"no path from cluster {sender} to cluster {int(to[place])}"
        raise ModelError("system.dead_links", missed, allowed)
    return table


def _pairs(senders: list[I64], n: int) -> Iterator[tuple[I64, I64]]:
    """Yield (destination, sender) pairs of all pipelines, some destinations at a time."""
    most = max(1, BATCH // n)
    here: list[I64] = []
    there: list[I64] = []
    count = 0
    for group in senders:
        for to in group:
            here.append(np.full(len(group) - 1, to))
            there.append(group[group != to])
            count += 1
            if count == most:
                yield np.concatenate(here), np.concatenate(there)
                here, there, count = [], [], 0
    if count:
        yield np.concatenate(here), np.concatenate(there)


def _mark_routes(system: System, link: I64, table: I8, used: NDArray[np.bool_], to: I64, at: I64) -> None:
    """Set ``used`` for every link on a route from ``at`` to ``to``."""
    _, row = np.unique(to, return_inverse=True)
    seen = np.zeros((int(row.max()) + 1, system.n_cluster), dtype=np.bool_)
    while len(at):
        seen[row, at] = True
        port = table[at, to].astype(np.int64) if len(table) else next_port(system, at, to)
        used[4 * at + port] = True
        at = link[4 * at + port]
        new = (at != to) & ~seen[row, at]
        keys = np.unique(row[new] * system.n_cluster + at[new], return_index=True)[1]
        to, row, at = to[new][keys], row[new][keys], at[new][keys]


def _components(n: int, a: I64, b: I64) -> I64:
    """Return the connected component of each cluster, numbered by their lowest cluster."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(n, n))
    _, labels = connected_components(graph, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
