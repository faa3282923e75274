"""Which requests of a run show its steady state: not those of the first filling, not those of the drain."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from octomodel.variables import NONE, PIPELINE, POLICY, REPLICATION, REQUEST

if TYPE_CHECKING:
    import xarray as xr

    from octomodel.load import Load
    from octomodel.workflow import Workflow

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
FILLINGS = 3  # times the requests in flight that are dropped at the least, and that an open run drops at its end


@dataclass(frozen=True)
class Kept:
    """Times of the requests that may be used, and what is known about how they hang together.

    Parameters
    ----------
    times : list of arrays of shape (n,), float64 cycles
        One per replication, in the order of the requests, NaN where a request has no such time.
    window : int
        Requests in flight at once.
    cycle : int
        Requests in one cycle of the phases (1: no phases).
    pipelines : int
        Request r belongs to pipeline r modulo this number, each a closed system of its own; else 1.
    skip : int
        Requests at the start that must be dropped whatever they look like.
    """

    times: list[F64]
    window: int
    cycle: int
    pipelines: int
    skip: int


def facts(workflow: Workflow, load: Load) -> dict[str, str | int | float]:
    """Return the attributes that tell ``cut`` what kind of load and phases a result comes from.

    Returns
    -------
    dict
        ``load_kind``; ``load_split``, weights as JSON, when it is not even; ``cycle_requests`` or
        ``cycle_cycles``, the length of what repeats (phases, states of the arrivals), when something does.
    """
    found: dict[str, str | int | float] = {"load_kind": load.kind}
    if not isinstance(load.split, str):
        found["load_split"] = json.dumps(load.split)
    dwell = getattr(load, "mean_cycles", ())
    plan = workflow.phases
    repeats = 0 if plan is None or len(plan.names) == 1 else sum(length for _, length in plan.cycle)
    if plan is not None and repeats and plan.by == "request":
        found["cycle_requests"] = repeats
    elif repeats or dwell:
        found["cycle_cycles"] = float(max(repeats, sum(dwell)))
    return found


def cut(runs: xr.Dataset, times: xr.DataArray) -> Kept:
    """Return what a result shows of its steady state.

    A closed load is cut where its first pipeline has no requests left: from there on the machine drains. Kept
    is the longest run of requests, by number, that had all ended by then, so that neither the quick requests
    nor the quick pipelines are over-represented. An open load loses its last requests, as many as were inside
    on average, times ``FILLINGS``. A horizon cuts before the first request that had not ended.

    Parameters
    ----------
    runs : xarray.Dataset
        A result of one policy, with the dim ``replication``.
    times : xarray.DataArray
        Latencies or times of a milestone in cycles, with the dims ``replication`` and ``request``.
    """
    arrivals = runs["request_arrival_cycles"].transpose(REPLICATION, REQUEST).values
    latencies = runs["request_latency_cycles"].transpose(REPLICATION, REQUEST).values
    values = times.transpose(REPLICATION, REQUEST).values
    n = arrivals.shape[1]
    is_closed = runs.attrs.get("load_kind") == "closed"
    rows, windows, cycles = [], [], []
    for place, (arrival, latency, value) in enumerate(zip(arrivals, latencies, values, strict=True)):
        if is_closed:
            window = int(np.count_nonzero(arrival == 0))
            end = _ended_before(arrival, latency, _first_out(runs, place, arrival))
        else:
            if np.any(np.diff(arrival) < 0):
                order = np.argsort(arrival, kind="stable")
                arrival, latency, value = arrival[order], latency[order], value[order]
            end = _leading(latency != NONE)
            window = _population(arrival[:end], latency[:end])
            if end == n:
                end = max(0, end - FILLINGS * window)
        rows.append(np.where(value[:end] == NONE, np.nan, value[:end].astype(np.float64)))
        windows.append(max(window, 1))
        cycles.append(_cycle(runs.attrs, arrival[:end]))
    stop = min(len(row) for row in rows)
    window, n_pipeline = max(windows), runs.sizes.get(PIPELINE, 1)
    even = "load_split" not in runs.attrs
    skip = FILLINGS * window
    if is_closed:  # a queue behind a window settles over many windows: see docs of `steady_state`
        skip = max(skip, stop // 3)
    else:
        window = max(window, n_pipeline)  # neighbours in the series are not neighbours in a pipeline
    return Kept(
        times=[row[:stop] for row in rows],
        window=window,
        cycle=max(cycles),
        pipelines=n_pipeline if is_closed and even and str(runs[POLICY].values) != "ideal" else 1,
        skip=skip if window > 1 else 0,
    )


def _leading(flags: NDArray[np.bool_]) -> int:
    """Number of true values before the first false one."""
    return len(flags) if flags.all() else int(flags.argmin())


def _ended_before(arrival: I64, latency: I64, cycle: int) -> int:
    return _leading((latency != NONE) & (arrival + latency <= cycle))


def _first_out(runs: xr.Dataset, place: int, arrival: I64) -> int:
    """Cycle at which the first pipeline of a closed load admits its last request."""
    n, n_pipeline = len(arrival), runs.sizes.get(PIPELINE, 1)
    if np.any(arrival == NONE):  # a horizon: pipelines that had all their requests admitted may still be drained
        arrival = np.where(arrival == NONE, np.iinfo(np.int64).max // 2, arrival)
    if str(runs[POLICY].values) == "ideal":
        return int(arrival.max())
    if "load_split" not in runs.attrs:
        return int(arrival[max(0, n - n_pipeline) :].min())
    from octomodel import draws, lower_load
    from octomodel.load import closed

    weights = tuple(json.loads(runs.attrs["load_split"]))
    key = draws.seed_key(int(runs.attrs["seed"]), int(runs[REPLICATION].values[place]))
    indptr, request, _ = lower_load.split(closed(split=weights), n, n_pipeline, key, arrival)
    ends = indptr[1:][np.diff(indptr) > 0]
    return int(arrival[request[ends - 1]].min())


def _population(arrival: I64, latency: I64) -> int:
    """Requests inside on average, by Little's law."""
    span = int(arrival[-1] - arrival[0]) if len(arrival) else 0
    return min(len(arrival), math.ceil(float(latency.sum()) / span)) if span > 0 else len(arrival)


def _cycle(attrs: dict[Any, Any], arrival: I64) -> int:
    if "cycle_requests" in attrs:
        return int(attrs["cycle_requests"])
    if "cycle_cycles" not in attrs or len(arrival) == 0:
        return 1
    span = max(int(arrival[-1] - arrival[0]), 1)
    return max(1, round((len(arrival) - 1) * float(attrs["cycle_cycles"]) / span))
