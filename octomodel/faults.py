"""Which TBUs and links of a machine work: the given faults and those drawn from its fault seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octomodel.hardware import System
from octomodel.kernels.model import EAST, NORTH, SOUTH, WEST

I64 = NDArray[np.int64]


def dead_tbus(system: System) -> NDArray[np.bool_]:
    """Return which TBUs are dead.

    TBU i is drawn with key (fault seed, replication 0, request i, domain 4, node 0) and dead when the draw is
    below the rate.

    Returns
    -------
    bool[tbu]
    """
    dead = np.zeros(system.n_tbu, dtype=np.bool_)
    if system.tbu_fault_rate > 0:
        dead |= _drawn(system, system.n_tbu, 0, system.tbu_fault_rate)
    dead[list(system.dead_tbus)] = True
    return dead


def links(system: System) -> I64:
    """Return the cluster at the other end of each directed link, -1 where there is none or it is dead.

    The pair of opposite links through the east port of cluster c is drawn with request 2c, through the south
    port with 2c + 1, domain 4, node 1. Both directions are dead together.

    Returns
    -------
    int64[4 * cluster + port]
    """
    other = neighbours(system)
    dead = np.zeros((system.n_cluster, 4), dtype=np.bool_)
    if system.link_fault_rate > 0:
        drawn = _drawn(system, 2 * system.n_cluster, 1, system.link_fault_rate).reshape(-1, 2)
        for column, port in enumerate((EAST, SOUTH)):
            here = np.flatnonzero(drawn[:, column] & (other[:, port] >= 0))
            dead[here, port] = True
            dead[other[here, port], port ^ 1] = True
    for a, b in system.dead_links:
        for port in range(4):
            dead[a, port] |= other[a, port] == b
            dead[b, port] |= other[b, port] == a
    other[dead] = -1
    return other.reshape(-1)


def _drawn(system: System, count: int, node: int, rate: float) -> NDArray[np.bool_]:
    """Return which of ``count`` draws are below a rate."""
    # imported where faults are drawn: the compiler that comes along takes longer than to load a description
    from octomodel.draws import draw, request_keys, seed_key, unit
    from octomodel.kernels.rng import DOMAIN_FAULT

    keys = request_keys(seed_key(system.fault_seed, 0), np.arange(count, dtype=np.int64))
    return unit(draw(keys, DOMAIN_FAULT, node)) < rate


def neighbours(system: System) -> I64:
    """Return the cluster behind each port, -1 at an edge and where a torus leads back to the cluster itself.

    Returns
    -------
    int64[cluster, port]
    """
    row, col = np.divmod(np.arange(system.n_cluster, dtype=np.int64), system.cols)
    out = np.full((system.n_cluster, 4), -1, dtype=np.int64)
    for port, down, right in ((WEST, 0, -1), (EAST, 0, 1), (NORTH, -1, 0), (SOUTH, 1, 0)):
        r, c = row + down, col + right
        if system.torus:
            r, c = r % system.rows, c % system.cols
        there = (r >= 0) & (r < system.rows) & (c >= 0) & (c < system.cols) & ((r != row) | (c != col))
        out[there, port] = (r * system.cols + c)[there]
    return out
