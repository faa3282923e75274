"""Several workflows under several policies as one Dataset: what a study keeps of each result, and its steady part."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from octomodel import accessor_study, variables
from octomodel.attribution import BLOCKED, STARVED, contagion
from octomodel.timed import Timed
from octomodel.variables import CAUSE, CLUSTER, LINK, NONE, POLICY, REPLICATION, TBU, make
from octomodel.variables_study import BOUND, IDLENESS, STATISTIC, WORKFLOW
from octomodel.workflow import Workflow

I64 = NDArray[np.int64]
KEPT_DIMS = {REPLICATION, TBU, CAUSE, CLUSTER, LINK}
"""Of a result a study keeps the variables with these dims, which are the same for all workflows on one machine."""

LEAST_WINDOWS = 3
MOST_TREND = 0.2


class Steady(NamedTuple):
    """The steady part of a run: from a cycle (excluded) to a cycle, with throughput and mean latency in it.

    ``warning`` says why it is none, and is empty where nothing speaks against it.
    """

    begin: int
    end: int
    throughput: float
    latency: float
    warning: str = ""


def study(
    results: Mapping[str, Mapping[str, Timed]],
    attrs: Mapping[str, Any],
    configurations: Mapping[str, str] | None = None,
    *,
    open_loads: Collection[str] = (),
    workflows: Mapping[str, Workflow] | None = None,
) -> xr.Dataset:
    """Return the main numbers of several results in one Dataset.

    Parameters
    ----------
    results : mapping
        By workflow, then by policy; the same policies, machine and replications for every workflow, loads that are
        split evenly over the pipelines.
    attrs : mapping
        Attributes, text and numbers only. The configuration of each workflow is added as
        ``configuration_<workflow>``.
    configurations : mapping, optional
        Those of some workflows; default: as the result under the first policy has it.
    open_loads : collection of str
        Workflows whose load is not closed: they are measured over the whole run.
    workflows : mapping, optional
        All of them, where their results hold samples, for the contagion depth.

    Returns
    -------
    xarray.Dataset
        Registered variables only, with the dims ``workflow``, ``policy`` and ``replication`` before their own:
        those of the results that do not belong to single requests, tasks or pipelines, and ``variables.STUDY``.
    """
    of = dict(workflows or {})
    rows = [
        _concat([numbers(timed, name in open_loads, of.get(name)) for timed in each.values()], POLICY)
        for name, each in results.items()
    ]
    found = _concat(rows, WORKFLOW).assign_coords({WORKFLOW: make(WORKFLOW, list(results), (WORKFLOW,))})
    first = {name: next(iter(each.values())).dataset.attrs for name, each in results.items()}
    texts = {name: each["configuration"] for name, each in first.items()} | dict(configurations or {})
    common = {
        "exact": min(each["exact"] for each in first.values()),
        "step": max(each["step"] for each in first.values()),
        "clock_hz": next(iter(first.values()))["clock_hz"],
    }
    found.attrs = common | dict(attrs) | {f"configuration_{name}": text for name, text in texts.items()}
    variables.check(found)
    return found


def steady(arrival: I64, latency: I64, pipelines: int, *, open_load: bool = False) -> Steady:
    """Return the steady part of a run, and what was measured in it.

    It ends when a pipeline admits its last request: until then a closed load keeps every pipeline full. The first
    half of that time is left out, in which the queues fill. An open load decides itself when the machine is full:
    its whole run counts.

    Parameters
    ----------
    arrival, latency : int64[request]
        Of the requests; -1 for what did not happen.
    pipelines : int
        Request r belongs to pipeline r mod this.
    open_load : bool
        Whether arrivals do not wait for ends.

    Returns
    -------
    Steady
        With a warning when no request ends in it (throughput and latency are NaN then); of a closed load also when fewer
        requests end in it than 3 times those in flight, or when its halves differ in throughput by more than 20 %:
        such a run is too short to have forgotten how it began.
    """
    ends = np.where(latency == NONE, NONE, arrival + latency)
    if open_load:
        begin, end = 0, max(0, int(ends.max()))
    else:
        end = min(int(arrival[place::pipelines].max()) for place in range(min(pipelines, arrival.size)))
        begin = end // 2
    inside = latency[(ends > begin) & (ends <= end)]
    if not inside.size:
        return Steady(begin, end, math.nan, math.nan, "run too short: no request ends in its steady part")
    warning = "" if open_load else _too_short(ends[(ends > begin) & (ends <= end)], begin, end, int((arrival == 0).sum()))
    return Steady(begin, end, inside.size / (end - begin), float(inside.mean()), warning)


def _too_short(ends: I64, begin: int, end: int, in_flight: int) -> str:
    """Return why what ends in the steady part of a closed load is not enough to measure it by, or nothing."""
    if ends.size < LEAST_WINDOWS * in_flight:
        wanted = f"less than {LEAST_WINDOWS} times the {in_flight} in flight"
        return f"run too short: {ends.size} requests end in its steady part, {wanted}"
    early = int((ends <= begin + (end - begin) // 2).sum())
    late = ends.size - early
    if abs(late - early) > MOST_TREND * ends.size / 2:
        return f"run too short: of its steady part, {early} requests end in the first half and {late} in the second"
    return ""


def _concat(parts: list[xr.Dataset], dim: str) -> xr.Dataset:
    shared = [name for name in parts[0].data_vars if all(name in each for each in parts)]
    return xr.concat(
        [each[shared] for each in parts],
        dim=dim,
        data_vars="all",
        coords="minimal",
        compat="equals",
        join="exact",
        combine_attrs="override",
    )


def numbers(timed: Timed, open_load: bool, workflow: Workflow | None = None) -> xr.Dataset:
    """Return what a study keeps of one result, and what it computes from it.

    Parameters
    ----------
    timed : Timed
    open_load : bool
        Whether arrivals do not wait for ends: then the whole run is measured.
    workflow : Workflow, optional
        For the contagion depth, where the result holds samples.
    """
    one = timed.dataset
    kept = one.drop_vars([name for name, each in one.variables.items() if not KEPT_DIMS.issuperset(each.dims)])
    latency = accessor_study.StudyAccessor(one).latency()
    pipelines = one.sizes[variables.PIPELINE]
    times = zip(one["request_arrival_cycles"].values, one["request_latency_cycles"].values, strict=True)
    parts = [steady(arrival, run, pipelines, open_load=open_load) for arrival, run in times]
    computed: dict[str, Any] = {
        "steady_from_cycles": np.array([part.begin for part in parts]),
        "steady_to_cycles": np.array([part.end for part in parts]),
        "steady_throughput_per_cycle": np.array([part.throughput for part in parts]),
        "steady_latency_cycles": np.array([part.latency for part in parts]),
        "steady_warning": np.array([part.warning for part in parts]),
    }
    if workflow is not None:
        computed["contagion_depth"] = contagion(one, workflow)
    single: dict[str, Any] = {
        "latency_cycles": latency.values,
        "latency_warmup_requests": np.int64(latency.attrs["warmup_requests"]),
        "latency_effective_requests": np.float64(latency.attrs["n_effective"]),
        "latency_warnings": latency.attrs["warnings"],
        "wall_seconds": np.float64(timed.wall_s),
        "compile_seconds": np.float64(timed.compile_s),
        "run_seconds": np.float64(timed.run_s),
    }
    made = {name: make(name, values) for name, values in computed.items()}
    made |= {name: make(name, values, ()) for name, values in single.items()}
    axes = {name: make(name, latency[name].values) for name in (STATISTIC, BOUND)}
    if workflow is not None:
        axes[IDLENESS] = make(IDLENESS, np.array([STARVED, BLOCKED]))
    return kept.assign(made).assign_coords(axes)
