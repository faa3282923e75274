"""Several workflows under several policies as one Dataset, and how much better than one policy they are."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from octomodel import accessor_study, presets, variables
from octomodel.timed import Timed
from octomodel.variables import CAUSE, CLUSTER, LINK, NONE, POLICY, REPLICATION, TBU, make
from octomodel.variables_study import BOUND, STATISTIC, WORKFLOW

I64 = NDArray[np.int64]
KEPT_DIMS = {REPLICATION, TBU, CAUSE, CLUSTER, LINK}
"""Of a result a study keeps the variables with these dims, which are the same for all workflows on one machine."""

CONFIDENCE = 0.95
VISIBLE = 0.0005


class Ratio(NamedTuple):
    """A ratio with the bounds of its interval, None when there is one replication."""

    value: float
    lo: float | None
    hi: float | None


class Steady(NamedTuple):
    """The steady part of a run: from a cycle (excluded) to a cycle, with throughput and mean latency in it."""

    begin: int
    end: int
    throughput: float
    latency: float


def study(
    results: Mapping[str, Mapping[str, Timed]],
    attrs: Mapping[str, Any],
    configurations: Mapping[str, str] | None = None,
    *,
    open_loads: Collection[str] = (),
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

    Returns
    -------
    xarray.Dataset
        Registered variables only, with the dims ``workflow``, ``policy`` and ``replication`` before their own:
        those of the results that do not belong to single requests, tasks or pipelines, and ``variables.STUDY``.
    """
    rows = [_concat([_numbers(timed, name in open_loads) for timed in each.values()], POLICY) for name, each in results.items()]
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
        NaN for throughput and latency when no request ends in it.
    """
    ends = np.where(latency == NONE, NONE, arrival + latency)
    if open_load:
        begin, end = 0, max(0, int(ends.max()))
    else:
        end = min(int(arrival[place::pipelines].max()) for place in range(min(pipelines, arrival.size)))
        begin = end // 2
    inside = latency[(ends > begin) & (ends <= end)]
    if not inside.size:
        return Steady(begin, end, math.nan, math.nan)
    return Steady(begin, end, inside.size / (end - begin), float(inside.mean()))


def ratio(found: xr.Dataset, variable: str, workflow: str, policy: str, baseline: str) -> Ratio:
    """Return how many times larger a variable is under the baseline than under a policy.

    The same draws are behind each pair of replications, so the ratios are paired; their geometric mean is
    returned, with the Student-t interval of its logarithm.

    Parameters
    ----------
    found : xarray.Dataset
        From ``study``.
    variable : str
        One with the dims ``workflow``, ``policy``, ``replication``, values above 0.
    workflow, policy, baseline : str
        What is compared.
    """
    values = found[variable].sel({WORKFLOW: workflow})
    logs = np.log(values.sel({POLICY: baseline}).values) - np.log(values.sel({POLICY: policy}).values)
    centre = float(logs.mean())
    if logs.size < 2:
        return Ratio(math.exp(centre), None, None)
    from scipy.special import stdtrit

    half = float(stdtrit(logs.size - 1, (1 + CONFIDENCE) / 2) * logs.std(ddof=1) / math.sqrt(logs.size))
    return Ratio(math.exp(centre), math.exp(centre - half), math.exp(centre + half))


def speedups(found: xr.Dataset, workflow: str, policy: str) -> tuple[Ratio, Ratio]:
    """Return how many times the throughput of the baseline a policy has, and how many times shorter its latency is."""
    baseline = found.attrs["baseline"]
    return (
        ratio(found, "steady_throughput_per_cycle", workflow, baseline, policy),
        ratio(found, "steady_latency_cycles", workflow, policy, baseline),
    )


def shares(found: xr.Dataset) -> xr.DataArray:
    """Return the share of TBU time per cause over all replications, for each workflow and policy."""
    return accessor_study.StudyAccessor(found).time_split()


def executions_per_s(found: xr.Dataset) -> xr.DataArray:
    """Return simulated executions per second of the kernel's own time, for each workflow and policy."""
    return found["executions"].sum(REPLICATION) / found["run_seconds"]


def causes(found: xr.Dataset) -> list[str]:
    """Return the causes that take at least 0.05 % of the TBU time somewhere, in their order."""
    most = shares(found).max((WORKFLOW, POLICY))
    return [str(cause) for cause in found[CAUSE].values if float(most.sel({CAUSE: cause})) >= VISIBLE]


def label(found: xr.Dataset, name: str) -> str:
    """Return what a workflow is called in tables: with its data, where it follows a trace."""
    return f"{name} ({found.attrs['data']})" if name == presets.TRACED and "data" in found.attrs else name


def head(found: xr.Dataset) -> tuple[str, ...]:
    """Return the titles of the columns of ``row``, some of several lines."""
    times = f"speed-up,\nx {found.attrs['baseline']}"
    return (
        "workflow",
        "policy",
        f"throughput\n{times}",
        f"latency\n{times}",
        "/ bound",
        "Mcycles",
        "requests",
        "M exec/s",
        "s",
    )


def row(found: xr.Dataset, name: str, policy: str) -> tuple[str, ...]:
    """Return the cells of one workflow under one policy, means over the replications."""
    here = {WORKFLOW: name, POLICY: policy}
    one = found.sel(here)
    same = policy == found.attrs["baseline"]
    return (
        label(found, name),
        policy,
        *(("1", "1") if same else map(_shown, speedups(found, name, policy))),
        f"{float((one['makespan_cycles'] / one['fluid_bound_cycles']).mean()):.2f}",
        f"{float(one['makespan_cycles'].mean()) / 1e6:,.1f}",
        f"{int(one['requests_ended'].sum()):,}",
        f"{float(executions_per_s(found).sel(here)) / 1e6:.2f}",
        f"{float(one['wall_seconds'] - one['compile_seconds']):.1f}",
    )


def split_row(found: xr.Dataset, name: str, policy: str) -> tuple[str, ...]:
    """Return workflow, policy and the share of TBU time of each of ``causes``."""
    split = shares(found).sel({WORKFLOW: name, POLICY: policy})
    return (label(found, name), policy, *(f"{float(split.sel({CAUSE: cause})):.1%}" for cause in causes(found)))


def _shown(each: Ratio) -> str:
    if math.isnan(each.value):
        return "too short"
    return f"{each.value:.2f}" if each.lo is None else f"{each.value:.2f} [{each.lo:.2f}, {each.hi:.2f}]"


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


def _numbers(timed: Timed, open_load: bool) -> xr.Dataset:
    """Return what a study keeps of one result, and what it computes from it."""
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
    }
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
    return kept.assign(made).assign_coords(axes)
