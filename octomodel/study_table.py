"""The tables of a study: how fast each workflow is under each policy, and where the time goes."""

from __future__ import annotations

import math

import xarray as xr

from octomodel import accessor_study, presets
from octomodel.attribution import BLOCKED, STARVED
from octomodel.variables import CAUSE, CLUSTER, POLICY, REPLICATION
from octomodel.variables_study import IDLENESS, WORKFLOW

VISIBLE = 0.0005
IDLE_HEAD = (
    "policy",
    "depth of chains,\nstarved",
    "depth of chains,\nblocked",
    "reloads",
    "background\nloads",
    "wasted",
    "MB moved",
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
    return (
        "workflow",
        "policy",
        *(f"throughput\nx {baseline}" for baseline in baselines(found)),
        f"latency\nx {found.attrs['baseline']}",
        "of fluid\nbound",
        "requests",
        "M exec/s",
    )


def baselines(found: xr.Dataset) -> list[str]:
    """Return what speed-ups are over: the baseline of the study, and ``reactive`` where it is there."""
    others = [policy for policy in ("reactive",) if policy in found[POLICY].values and policy != found.attrs["baseline"]]
    return [str(found.attrs["baseline"]), *others]


def row(found: xr.Dataset, name: str, policy: str) -> tuple[str, ...]:
    """Return the cells of one workflow under one policy, means over the replications."""
    here = {WORKFLOW: name, POLICY: policy}
    one = found.sel(here)
    study = accessor_study.StudyAccessor(found.sel({WORKFLOW: [name]}))
    return (
        label(found, name),
        policy,
        *(_cell(study.speedup(baseline), policy, baseline) for baseline in baselines(found)),
        _cell(study.speedup(found.attrs["baseline"], of="latency"), policy, found.attrs["baseline"]),
        f"{float((one['fluid_bound_cycles'] / one['makespan_cycles']).mean()):.0%}",
        f"{int(one['requests_ended'].sum()):,}",
        f"{float(executions_per_s(found).sel(here)) / 1e6:.2f}",
    )


def split_row(found: xr.Dataset, name: str, policy: str) -> tuple[str, ...]:
    """Return workflow, policy and the share of TBU time of each of ``causes``."""
    split = shares(found).sel({WORKFLOW: name, POLICY: policy})
    return (label(found, name), policy, *(f"{float(split.sel({CAUSE: cause})):.1%}" for cause in causes(found)))


def idle_row(found: xr.Dataset, name: str, policy: str) -> tuple[str, ...]:
    """Return the cells of `IDLE_HEAD` of one workflow under one policy, means over the replications."""
    one = found.sel({WORKFLOW: name, POLICY: policy})
    depth = one["contagion_depth"].mean(REPLICATION)
    counts = (one[f"cluster_{each}"].sum(CLUSTER).mean(REPLICATION) for each in ("reloads", "background_loads", "wasted_reloads"))
    return (
        policy,
        *("-" if math.isnan(each) else f"{each:.2f}" for each in depth.sel({IDLENESS: [STARVED, BLOCKED]}).values.tolist()),
        *(f"{float(each):,.0f}" for each in counts),
        f"{float(one['cluster_moved_bytes'].sum(CLUSTER).mean(REPLICATION)) / 1e6:,.1f}",
    )


def _cell(found: xr.Dataset, policy: str, baseline: str) -> str:
    value, lo, hi = found["speedup"].sel({POLICY: policy}).values.ravel().tolist()
    if math.isnan(value):
        return "too short"
    if policy == baseline:
        return "1"
    return f"{value:.2f}" if math.isnan(lo) else f"{value:.2f} ± {(hi - lo) / 2:.2f}"
