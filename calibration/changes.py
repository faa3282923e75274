"""Where the frequencies of choices, or the rate of counts, changed: PELT with multinomial and Poisson cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from .sample import F64
from .trace import TraceError

I64 = NDArray[np.int64]
COSTS = ("multinomial", "poisson")
EXACT = 20_000
"""Positions up to which the search is exact; above, it runs on sums of neighbours and its changes are then moved."""
_PASSES = 10
_TABLE = 2**24
"""Total count up to which x log x is looked up."""


@dataclass(frozen=True, eq=False)
class Segments:
    """Stretches between changes.

    Attributes
    ----------
    starts : int64[k]
        First position of each stretch; the first is 0.
    counts : int64[k, choice]
        Occurrences in each.
    lengths : int64[k]
        Positions in each.
    cost : float
        Minus twice the log-likelihood, without constants, plus the penalties of the k - 1 changes.
    """

    starts: I64
    counts: I64
    lengths: I64
    cost: float

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def frequencies(self) -> F64:
        """Return the share of each choice in each stretch, float64[k, choice]."""
        return np.asarray(self.counts / self.counts.sum(axis=1, keepdims=True))

    @property
    def rates(self) -> F64:
        """Return the mean count per position in each stretch, float64[k, choice]."""
        return np.asarray(self.counts / self.lengths[:, None])


def one_hot(choices: ArrayLike, kinds: int) -> I64:
    """Return counts int64[n, kinds] of choices numbered from 0, each 1 where the choice was that one."""
    return np.asarray(np.asarray(choices)[:, None] == np.arange(kinds), np.int64)


def change_points(
    counts: ArrayLike, *, cost: str = "multinomial", penalty: float | None = None, least: int = 20
) -> Segments:
    """Return the stretches whose cost and penalties are least.

    Parameters
    ----------
    counts : array_like of int, n x choice
        Occurrences of each choice at each position, >= 0: a decision (see ``one_hot``) or those of a window; for ``poisson``
        counts of one kind, n or n x 1.
    cost : str
        ``multinomial``: the frequencies of the choices change. ``poisson``: the rate of the counts does.
    penalty : float, optional
        Of each change, on the scale of twice the log-likelihood, >= 0; by default (free parameters of a stretch + 1) log n.
    least : int
        Fewest positions of a stretch, from 1 to n. Work is done for as many positions at once.

    Returns
    -------
    Segments

    Raises
    ------
    TraceError
        When an argument is anything else.

    Notes
    -----
    Killick, Fearnhead and Eckley, "Optimal detection of changepoints with a linear computational cost", JASA 107 (2012): exact
    up to 20,000 positions, in a time that grows with n times the length of the stretches. More positions are summed in equal
    groups to no more than that many, and each change found is moved to the position that is best between its neighbours. The
    penalty is that of Schwarz's criterion.

    Examples
    --------
    >>> change_points([0, 1] * 30 + [9, 8] * 30, cost="poisson").starts.tolist()
    [0, 60]
    """
    table = _checked(counts, cost)
    n, kinds = table.shape
    if isinstance(least, bool) or not isinstance(least, int | np.integer) or not 1 <= least <= n:
        raise TraceError("change_points.least", least, f"an integer from 1 to {n}, the number of positions")
    beta = (kinds if cost == "multinomial" else 2) * math.log(n) if penalty is None else penalty
    if not 0.0 <= beta < math.inf:
        raise TraceError("change_points.penalty", penalty, "a finite number >= 0")
    sums = np.zeros((kinds, n + 1), np.int64)
    np.cumsum(table.T, axis=1, out=sums[:, 1:])
    group = -(-n // EXACT)
    edges = np.append(np.arange(0, n, group), n)
    # a last group that is not full must not make a stretch too short
    fewest = min(-(-int(least) // group) + (n % group > 0), edges.size - 1)
    last = _pelt(_Cost(sums, edges, cost), edges.size - 1, float(beta), fewest)
    ends = [edges.size - 1]
    while last[ends[-1]] > 0:
        ends.append(int(last[ends[-1]]))
    bounds = np.array([0, *edges[ends[::-1]]], np.int64)
    every = _Cost(sums, np.arange(n + 1), cost)
    if group > 1:
        _move(every, bounds, int(least))
    total = sum(float(every(bounds[i : i + 1], bounds[i + 1 : i + 2])[0, 0]) for i in range(bounds.size - 1))
    lengths = np.diff(bounds)
    return Segments(bounds[:-1], np.diff(sums[:, bounds], axis=1).T, lengths, total + beta * (lengths.size - 1))


class _Cost:
    """Minus twice the greatest log-likelihood of a stretch between two edges, from sums of counts."""

    def __init__(self, sums: I64, edges: I64, kind: str) -> None:
        self.kind = kind
        self.edges = edges
        sums = sums[:, edges]
        total = sums.sum(axis=0)
        self.sums = [*sums, total] if kind == "multinomial" else [sums[0]]
        most = int(total[-1])
        self.table = _entropy(np.arange(most + 1)) if most <= _TABLE else None

    def __call__(self, first: I64, last: I64) -> F64:
        """Return the costs float64[last, first] of the stretches [first, last)."""
        parts = [each[last][:, None] - each[first] for each in self.sums]
        if self.kind == "poisson":
            # a stretch without length is never asked for in earnest, but is in the table
            length = np.maximum(self.edges[last][:, None] - self.edges[first], 1)
            return np.asarray(2.0 * (parts[0] * np.log(length) - self._log(parts[0])))
        out = self._log(parts[-1])
        for part in parts[:-1]:
            out -= self._log(part)
        return 2.0 * out

    def _log(self, count: I64) -> F64:
        if self.table is None:
            return _entropy(np.maximum(count, 0))
        return np.asarray(self.table.take(count, mode="clip"))


def _entropy(count: I64) -> F64:
    return np.asarray(xlogy(count.astype(np.float64), count.astype(np.float64)))


def _pelt(cost: _Cost, n: int, beta: float, least: int) -> I64:
    """Return, per end, the start of the last stretch of the best ones up to it.

    A stretch has at least ``least`` positions, so the ends of one block of that many depend on starts before the block only.
    """
    best = np.full(n + 1, np.inf)
    best[0] = -beta
    last = np.zeros(n + 1, np.int64)
    starts = np.zeros(1, np.int64)
    condemned = np.zeros(1, np.bool_)
    for at in range(least, n + 1, least):
        ends = np.arange(at, min(at + least, n + 1))
        through = best[starts] + cost(starts, ends)
        # only the newest starts, those of the block before, are too near for some ends
        near = np.searchsorted(starts, at - least, side="right")
        through[:, near:][starts[near:] > ends[:, None] - least] = np.inf
        choice = through.argmin(axis=1)
        best[ends] = through[np.arange(ends.size), choice] + beta
        last[ends] = starts[choice]
        # a start that loses against an end by a whole penalty has lost for ever, once a stretch may begin at that end
        lost = np.any((through > best[ends][:, None]) & (through < np.inf), axis=0)
        kept = ~condemned
        starts = np.concatenate([starts[kept], ends[np.isfinite(best[ends])]])
        condemned = np.concatenate([lost[kept], np.zeros(starts.size - int(kept.sum()), np.bool_)])
    return last


def _move(cost: _Cost, bounds: I64, least: int) -> None:
    """Move each change in place to the best position between its neighbours, until none moves."""
    for _ in range(_PASSES):
        before = bounds.copy()
        for i in range(1, bounds.size - 1):
            places = np.arange(bounds[i - 1] + least, bounds[i + 1] - least + 1)
            if places.size:
                both = cost(bounds[i - 1 : i], places)[:, 0] + cost(places, bounds[i + 1 : i + 2])[0]
                bounds[i] = places[both.argmin()]
        if np.array_equal(before, bounds):
            return


def _checked(counts: ArrayLike, cost: str) -> I64:
    if cost not in COSTS:
        raise TraceError("change_points.cost", cost, f"one of {', '.join(COSTS)}")
    table = np.asarray(counts)
    if cost == "poisson" and table.ndim == 1:
        table = table[:, None]
    kinds = "1" if cost == "poisson" else "at least 2"
    if table.ndim != 2 or table.dtype.kind not in "iu" or not (table.shape[1] == 1) == (cost == "poisson") or not table.size:
        raise TraceError("change_points.counts", f"{table.dtype}{list(table.shape)}", f"int[n, {kinds}] with n at least 1")
    if (table < 0).any() or float(table.sum(dtype=np.float64)) > 2.0**53:
        raise TraceError("change_points.counts", "a negative or enormous count", "counts >= 0 that sum to at most 2^53")
    return table.astype(np.int64)
