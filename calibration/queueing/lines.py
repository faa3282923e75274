"""Lines of single servers with finite buffers and blocking after service, by decomposition into pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import splu

from .answers import F64, Answer, Method, TheoryError, counted
from .phases import PhaseType

TURNS = 500
MOST_PHASES = 48
"""Of the time that one side of a pair takes."""


@dataclass(frozen=True, eq=False)
class _Pair:
    """What happens between two neighbours: throughput, and the other side's phase when one finds the buffer empty or full."""

    throughput: float
    queue: float
    starved: F64
    blocked: F64


def line(services: Sequence[PhaseType], places: Sequence[int]) -> Answer:
    """Return the throughput of a line whose first server always has work.

    Parameters
    ----------
    services : sequence of PhaseType
        Service time of each single server, two or more.
    places : sequence of int
        Waiting places between neighbours, >= 0.

    Returns
    -------
    dict of str to Value
        ``throughput``; ``queue_mean``, float64[buffer].

    Raises
    ------
    TheoryError
        When a number is out of range, the line is too long for its phases, or the decomposition does not settle.

    Notes
    -----
    A pair for each buffer, as in Dallery and Frein, "On decomposition methods for tandem queueing networks with blocking",
    Operations Research 41 (1993). The time of its first server is a service after what it waits for work, that of its second a
    service and what it is then blocked; both waits are what is left of the neighbour's time, with all its phases, where van
    Vuuren, Adan and Resing-Sassen, OR Spectrum 27 (2005), keep two moments. Neglected is that successive times depend on each
    other.

    Examples
    --------
    >>> from octomodel.calibration.queueing.phases import exponential
    >>> line([exponential(1.0)] * 2, [4])["throughput"].value.round(9)  # one pair: exact
    np.float64(0.857142857)
    """
    b = [int(each) for each in np.atleast_1d(counted("line.places", places, 0))]
    if len(services) != len(b) + 1:
        raise TheoryError("line.places", places, f"one number for each of {len(services) - 1} buffers")
    phases = sum(service.start.size for service in services)
    if phases > MOST_PHASES:
        raise TheoryError("line.services", f"{phases} phases in all", f"at most {MOST_PHASES}")
    first, second = list(services[:-1]), list(services[1:])
    pairs = [_pair(u, d, room) for u, d, room in zip(first, second, b, strict=True)]
    for _ in range(TURNS):
        before = [each.throughput for each in pairs]
        for i in range(1, len(b)):
            first[i] = _after_waiting(pairs[i - 1].starved, first[i - 1], services[i])
            pairs[i] = _pair(first[i], second[i], b[i])
        for i in range(len(b) - 2, -1, -1):
            second[i] = _before_blocking(services[i + 1], pairs[i + 1].blocked, second[i + 1])
            pairs[i] = _pair(first[i], second[i], b[i])
        after = [each.throughput for each in pairs]
        if max(abs(x - y) for x, y in zip(before, after, strict=True)) <= 1e-11 * after[0]:
            alone = Method("pair of stations", "exact", True)
            label = alone if len(b) == 1 else Method("decomposition into pairs", "approximation", True)
            return label(throughput=after[0], queue_mean=[each.queue for each in pairs])
    raise TheoryError("line", f"no fixed point after {TURNS} turns", "another line")


def _after_waiting(starved: F64, other: PhaseType, service: PhaseType) -> PhaseType:
    """Return a service that begins after the rest of another time, whose phases have the given probabilities."""
    n, m = starved.size, service.start.size
    rates = np.zeros((n + m, n + m))
    rates[:n, :n], rates[n:, n:] = other.rates, service.rates
    rates[:n, n:] = np.outer(other.exits, service.start)
    return PhaseType(np.concatenate([starved, (1.0 - starved.sum()) * service.start]), rates)


def _before_blocking(service: PhaseType, blocked: F64, other: PhaseType) -> PhaseType:
    """Return a service after which the rest of another time follows, whose phases have the given probabilities."""
    m, n = service.start.size, blocked.size
    rates = np.zeros((m + n, m + n))
    rates[:m, :m], rates[m:, m:] = service.rates, other.rates
    rates[:m, m:] = np.outer(service.exits, blocked)
    return PhaseType(np.concatenate([service.start, np.zeros(n)]), rates)


def _pair(up: PhaseType, down: PhaseType, room: int) -> _Pair:
    """Return the steady state of two servers, the first of which always has work."""
    n_u, n_d = up.start.size, down.start.size
    top = room + 2  # tokens past the first server's service: the last one is blocked in it
    eye_u, eye_d = np.eye(n_u), np.eye(n_d)
    arrive, serve = np.outer(up.exits, up.start), np.outer(down.exits, down.start)
    offsets = np.cumsum([0, n_u, *([n_u * n_d] * (top - 1)), n_d])
    q = np.zeros((offsets[-1], offsets[-1]))

    def block(i: int, j: int, rates: Any) -> None:
        q[offsets[i] : offsets[i + 1], offsets[j] : offsets[j + 1]] += rates

    block(0, 0, up.rates)
    block(0, 1, np.kron(arrive, down.start[None, :]))
    for n in range(1, top):
        block(n, n, np.kron(up.rates, eye_d) + np.kron(eye_u, down.rates))
        if n < top - 1:
            block(n, n + 1, np.kron(arrive, eye_d))
        else:
            block(n, n + 1, np.kron(up.exits[:, None], eye_d))
        block(n, n - 1, np.kron(eye_u, down.exits[:, None]) if n == 1 else np.kron(eye_u, serve))
    block(top, top, down.rates)
    block(top, top - 1, np.kron(up.start[None, :], serve))
    p = _null(q)
    parts = [p[offsets[i] : offsets[i + 1]] for i in range(top + 1)]
    # by phase of the first and of the second
    grids = [part.reshape(n_u, n_d) for part in parts[1:-1]]
    through = float(parts[0] @ up.exits + sum(grid.sum(axis=1) @ up.exits for grid in grids))
    starved = grids[0] @ down.exits / through
    blocked = up.exits @ grids[-1] / through
    waiting = sum((n - 1) * float(grid.sum()) for n, grid in enumerate(grids, 1)) + room * float(parts[-1].sum())
    return _Pair(through, waiting, starved, blocked)


def _null(q: F64) -> F64:
    """Return the stationary law of a generator that may have states which are never reached."""
    n = len(q)
    system = q.T.copy()
    system[-1] = 1.0
    right = np.zeros(n)
    right[-1] = 1.0
    found = np.linalg.solve(system, right) if n <= 400 else splu(csr_matrix(system).tocsc()).solve(right)
    return np.maximum(np.asarray(found, np.float64), 0.0)
