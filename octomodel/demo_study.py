"""Several workflows under several policies as one Dataset, and how much better than one policy they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from octomodel.timed import Timed
from octomodel.variables import CAUSE, NONE, POLICY, REGISTRY, REPLICATION, TBU

WORKFLOW = "workflow"
COPIED = (
    "makespan_cycles",
    "executions",
    "requests_ended",
    "throughput_per_cycle",
    "fluid_bound_cycles",
    "path_bound_cycles",
    "work_bound_cycles",
    "fingerprint",
)
"""Variables of a result that a study keeps as they are; of ``tbu_cycles`` it keeps the sum over TBUs."""

CONFIDENCE = 0.95
VISIBLE = 0.0005


class Ratio(NamedTuple):
    """A ratio with the bounds of its interval, None when there is one replication."""

    value: float
    lo: float | None
    hi: float | None


def study(results: Mapping[str, Mapping[str, Timed]], attrs: Mapping[str, Any]) -> xr.Dataset:
    """Return the main numbers of several results in one Dataset.

    Parameters
    ----------
    results : mapping
        By workflow, then by policy; the same policies and as many replications for every workflow.
    attrs : mapping
        Attributes, text and numbers only. The configuration of each workflow, under the first policy, is added
        as ``configuration_<workflow>``.

    Returns
    -------
    xarray.Dataset
        With the dims ``workflow``, ``policy``, ``replication`` and ``cause``: the variables ``COPIED``;
        ``tbu_cycles``, summed over TBUs; ``latency_mean_cycles`` over the requests that ended; ``wall_seconds``,
        ``compile_seconds`` and ``run_seconds`` of all replications together.
    """
    rows = [
        xr.concat([_numbers(timed) for timed in by_policy.values()], dim=POLICY, combine_attrs="drop")
        for by_policy in results.values()
    ]
    found = xr.concat(rows, dim=WORKFLOW).assign_coords({WORKFLOW: list(results)})
    for name in COPIED:
        found[name].attrs = {"description": REGISTRY[name].description, "units": REGISTRY[name].units}
    first = {name: next(iter(by_policy.values())).dataset.attrs for name, by_policy in results.items()}
    found.attrs = dict(attrs) | {f"configuration_{name}": each["configuration"] for name, each in first.items()}
    return found


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


def shares(found: xr.Dataset) -> xr.DataArray:
    """Return the share of TBU time per cause over all replications, for each workflow and policy."""
    cycles = found["tbu_cycles"].sum(REPLICATION)
    return cycles / cycles.sum(CAUSE)


def executions_per_s(found: xr.Dataset) -> xr.DataArray:
    """Return simulated executions per second of running kernels, for each workflow and policy."""
    return found["executions"].sum(REPLICATION) / np.maximum(found["run_seconds"], 1e-9)


def causes(found: xr.Dataset) -> list[str]:
    """Return the causes that take at least 0.05 % of the TBU time somewhere, in their order."""
    most = shares(found).max((WORKFLOW, POLICY))
    return [str(cause) for cause in found[CAUSE].values if float(most.sel({CAUSE: cause})) >= VISIBLE]


HEAD = ("workflow", "policy", "requests", "Mcycles", "/ bound", "throughput", "latency", "M exec/s", "s")
"""Titles of the columns of ``row``."""


def row(found: xr.Dataset, name: str, policy: str) -> tuple[str, ...]:
    """Return the cells of one workflow under one policy, means over the replications."""
    here = {WORKFLOW: name, POLICY: policy}
    one = found.sel(here)
    ratios = [
        _shown(ratio(found, variable, name, policy, found.attrs["baseline"]))
        for variable in ("makespan_cycles", "latency_mean_cycles")
    ]
    return (
        name,
        policy,
        f"{int(one['requests_ended'].sum()):,}",
        f"{float(one['makespan_cycles'].mean()) / 1e6:,.1f}",
        f"{float((one['makespan_cycles'] / one['fluid_bound_cycles']).mean()):.2f}",
        *(ratios if policy != found.attrs["baseline"] else ("1", "1")),
        f"{float(executions_per_s(found).sel(here)) / 1e6:.2f}",
        f"{float(one['wall_seconds'] - one['compile_seconds']):.1f}",
    )


def split_row(found: xr.Dataset, name: str, policy: str) -> tuple[str, ...]:
    """Return workflow, policy and the share of TBU time of each of ``causes``."""
    split = shares(found).sel({WORKFLOW: name, POLICY: policy})
    return (name, policy, *(f"{float(split.sel({CAUSE: cause})):.1%}" for cause in causes(found)))


def _shown(each: Ratio) -> str:
    return f"{each.value:.2f}" if each.lo is None else f"{each.value:.2f} [{each.lo:.2f}, {each.hi:.2f}]"


def _numbers(timed: Timed) -> xr.Dataset:
    one = timed.dataset
    seconds = {"units": "s"}
    latency = np.array([_mean(run[run != NONE]) for run in one["request_latency_cycles"].values])
    return xr.Dataset(
        {
            **{name: one[name] for name in COPIED},
            "tbu_cycles": one["tbu_cycles"].sum(TBU).assign_attrs(description="TBU time per cause", units="cycles"),
            "latency_mean_cycles": (
                REPLICATION,
                latency,
                {"description": "mean latency of the requests that ended", "units": "cycles"},
            ),
            "wall_seconds": ((), timed.wall_s, {"description": "time all replications took", **seconds}),
            "compile_seconds": (
                (),
                timed.compile_s,
                {"description": "part of it spent compiling", **seconds},
            ),
            "run_seconds": ((), timed.run_s, {"description": "part of it spent running kernels", **seconds}),
        }
    )


def _mean(values: NDArray[np.int64]) -> float:
    return float(values.mean()) if values.size else math.nan
