"""The load as arrays: who arrives when, at which pipeline, in which phase; a block of requests at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from octomodel.dist import Exponential
from octomodel.draws import draw, request_keys, sample, unit
from octomodel.errors import ModelError
from octomodel.kernels.rng import DOMAIN_ARRIVAL, DOMAIN_SPLIT
from octomodel.load import Closed, Load, Mmpp, Periodic, Poisson, Renewal, Trace
from octomodel.phases import PhasePlan
from octomodel.tables import Bundle, bundle

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

BLOCK = 2**16  # of requests, so that what is computed for one stays in the cache
LATEST = 2**48
"""A run ends at this cycle; arrivals must be earlier."""
MOST_STRETCHES = 2**24
_UNIT = 2.0**20  # cycles that stand for 1 in the law of unit-rate gaps, so that small gaps keep their digits
_GAP, _DWELL = 0, 1  # nodes of the draws of gaps and of times in a state


def arrivals(load: Load, n: int, key: int) -> tuple[I64, str]:
    """Return the arrival cycle of each of ``n`` requests and the digest of the tables used ("" for none).

    Gap r is drawn with key (request r, domain 3, node 0); arrivals are the sums of the gaps so far, in units
    of 2^-16 cycle, rounded half up.

    Parameters
    ----------
    load : Load
        The load.
    n : int
        Number of requests.
    key : int
        Key of the replication.

    Returns
    -------
    (int64[request], str)

    Raises
    ------
    ModelError
        When an arrival would be at cycle 2^48 or later, or a trace is too short.
    """
    digest = ""
    if isinstance(load, Closed):
        return np.zeros(n, dtype=np.int64), digest
    if isinstance(load, Trace):
        out = load.first(n)
    elif isinstance(load, Periodic):
        out = np.empty(n, dtype=np.int64)
        whole, part = divmod(int(np.floor(load.period_cycles * 65536.0 + 0.5)), 65536)
        if whole * n >= LATEST:
            raise _late(whole * n)
        for block in _blocks(n):
            out[block] = block_numbers(block) * whole + (block_numbers(block) * part + 32768 >> 16)
    elif isinstance(load, Poisson | Renewal):
        table = bundle([load.law])
        digest = table.digest
        out = np.empty(n, dtype=np.int64)
        for block, whole_cycles, rest in _sums(table, n, key):
            out[block] = whole_cycles + (rest + 32768 >> 16)
    else:
        assert isinstance(load, Mmpp)
        out, digest = _modulated(load, n, key)
    if out[-1] >= LATEST:
        raise _late(int(out[-1]))
    return out, digest


def split(load: Load, n: int, n_pipeline: int, key: int, arrival: I64) -> tuple[I64, I64, I64]:
    """Return the requests of each pipeline, ascending: offsets, numbers, arrival cycles (rule 8.1).

    Raises
    ------
    ModelError
        When there is not one weight for each pipeline.
    """
    if n_pipeline == 1:
        return np.array([0, n], dtype=np.int64), np.arange(n, dtype=np.int64), arrival
    if load.split == "even":
        counts = np.array([len(range(p, n, n_pipeline)) for p in range(n_pipeline)], dtype=np.int64)
        request = np.empty(n, dtype=np.int64)
        start = 0
        for p, count in enumerate(counts.tolist()):
            request[start : start + count] = np.arange(p, n, n_pipeline, dtype=np.int64)
            start += count
    else:
        if len(load.split) != n_pipeline:
            raise ModelError(
                "load.split", f"{len(load.split)} weights", f"{n_pipeline} weights, one for each pipeline"
            )
        cumulative = np.cumsum(np.array(load.split) / sum(load.split))
        cumulative[np.flatnonzero(np.array(load.split) > 0)[-1] :] = 1.0
        pipeline = np.empty(n, dtype=np.int16 if n_pipeline < 2**15 else np.int32)
        for block in _blocks(n):
            u = unit(draw(request_keys(key, block_numbers(block)), DOMAIN_SPLIT, 0))
            pipeline[block] = np.searchsorted(cumulative, u, side="right")
        counts = np.bincount(pipeline, minlength=n_pipeline).astype(np.int64)
        request = np.argsort(pipeline, kind="stable").astype(np.int64, copy=False)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return indptr, request, arrival if isinstance(load, Closed) else arrival[request]


def phases(plan: PhasePlan | None, load: Load, arrival: I64) -> NDArray[np.int16]:
    """Return the phase of each request, int16[request]; empty when there is one phase.

    Raises
    ------
    ModelError
        When phases follow the arrival time of a closed load, which has none.
    """
    if plan is None or len(plan.names) == 1:
        return np.empty(0, dtype=np.int16)
    if plan.by == "time" and isinstance(load, Closed):
        raise ModelError(
            "workflow.phases", "phases by time under a closed load", "phases_by_request, or an open load"
        )
    ends = np.cumsum([length for _, length in plan.cycle])
    number = np.array([plan.names.index(name) for name, _ in plan.cycle], dtype=np.int16)
    out = np.empty(len(arrival), dtype=np.int16)
    for block in _blocks(len(arrival)):
        place = block_numbers(block) if plan.by == "request" else arrival[block]
        out[block] = number[np.searchsorted(ends, place % ends[-1], side="right")]
    return out


def block_numbers(block: slice) -> I64:
    """Return the numbers of the requests of a block."""
    return np.arange(block.start, block.stop, dtype=np.int64)


def _blocks(n: int) -> Iterator[slice]:
    for first in range(0, n, BLOCK):
        yield slice(first, min(n, first + BLOCK))


def _late(cycle: int) -> ModelError:
    return ModelError(
        "load",
        f"an arrival at cycle {cycle}",
        f"arrivals before cycle 2^48 = {LATEST}: fewer requests or a higher rate",
    )


def _sums(table: Bundle, n: int, key: int) -> Iterator[tuple[slice, I64, I64]]:
    """Yield the sums of the gaps up to each request as whole cycles and 2^-16 of a cycle, exact in int64."""
    whole = rest = 0
    for block in _blocks(n):
        gaps = sample(table, 0, draw(request_keys(key, block_numbers(block)), DOMAIN_ARRIVAL, _GAP))
        wholes = np.cumsum(gaps >> 16) + whole
        rests = np.cumsum(gaps & 65535) + rest
        # a gap is below 2^46 cycles, so a sum that overflows has been here before
        if int(wholes.max()) >= LATEST:
            raise _late(int(wholes[wholes >= LATEST][0]))
        yield block, wholes, rests
        whole, rest = int(wholes[-1]) + (int(rests[-1]) >> 16), int(rests[-1]) & 65535


def _modulated(load: Mmpp, n: int, key: int) -> tuple[I64, str]:
    """Return arrivals whose unit-rate sums become time through the rates of the states, and the digest."""
    total = sum(load.mean_cycles)
    rate = sum(rate * mean for rate, mean in zip(load.rates, load.mean_cycles, strict=True)) / total
    if n / rate > 4 * LATEST:
        raise _late(int(min(n / rate, 2.0**62)))
    if n / rate / total * len(load.rates) > MOST_STRETCHES:
        allowed = f"at most {MOST_STRETCHES} changes of state in a run: longer times or fewer requests"
        raise ModelError("load.mean_cycles", list(load.mean_cycles), allowed)
    unit_gap = bundle([Exponential(_UNIT)])
    dwell = bundle([Exponential(mean) for mean in load.mean_cycles])
    clock = _StateClock(load, dwell, key)
    out = np.empty(n, dtype=np.int64)
    for block, wholes, rests in _sums(unit_gap, n, key):
        operational = (wholes.astype(np.float64) + rests.astype(np.float64) / 65536.0) / _UNIT
        out[block] = np.floor(clock.at(operational) + 0.5).astype(np.int64)
    return out, unit_gap.digest + dwell.digest


class _StateClock:
    """Cycles at which a modulated process has produced a given amount of unit-rate time."""

    def __init__(self, load: Mmpp, dwell: Bundle, key: int) -> None:
        self.rates = np.array(load.rates)
        self.dwell = dwell
        self.key = key
        self.n = 0
        self.begin = np.zeros(1)  # cycle at which each stretch begins
        self.done = np.zeros(1)  # unit-rate time produced until then

    def at(self, operational: F64) -> F64:
        """Return the cycles of ascending amounts, none below those asked before."""
        begin, done = [self.begin], [self.done]
        while done[-1][-1] < operational[-1]:
            cycles, produced = self.stretches()
            begin.append(begin[-1][-1] + np.cumsum(cycles))
            done.append(done[-1][-1] + np.cumsum(produced))
        self.begin, self.done = np.concatenate(begin), np.concatenate(done)
        stretch = np.maximum(np.searchsorted(self.done, operational, side="left") - 1, 0)
        rate = self.rates[stretch % len(self.rates)]
        produced = operational - self.done[stretch]
        since: F64 = np.divide(produced, rate, out=np.zeros_like(produced), where=rate > 0)
        out: F64 = self.begin[stretch] + since
        keep = int(stretch[0]) - int(stretch[0]) % len(self.rates)
        self.begin, self.done = self.begin[keep:], self.done[keep:]
        return out

    def stretches(self) -> tuple[F64, F64]:
        """Return length and amount of the next stretches; i has state i mod states, and key i."""
        n_state = len(self.rates)
        numbers = np.arange(self.n, self.n + BLOCK * n_state, dtype=np.int64)
        self.n += len(numbers)
        draws = draw(request_keys(self.key, numbers), DOMAIN_ARRIVAL, _DWELL)
        cycles = np.empty(len(numbers))
        for state in range(n_state):
            cycles[state::n_state] = sample(self.dwell, state, draws[state::n_state]) / 65536.0
        return cycles, cycles * np.tile(self.rates, BLOCK)
