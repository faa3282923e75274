"""Lag: how long after a shift of the phase a cluster has the owners that the new phase asks for (rule 9.6)."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from octomodel import lower_load, mapping, yaml_io, yaml_text
from octomodel.errors import ModelError
from octomodel.hardware import System
from octomodel.load import Load
from octomodel.variables import CLUSTER, EPOCH, REPLICATION, REQUEST, TB
from octomodel.workflow import Workflow

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

SHIFT = "shift"
NEVER, UNKNOWN = np.inf, np.nan


def target(owners: ArrayLike, demand: ArrayLike) -> I64:
    """Return the owners of each TB that minimise the bottleneck of one cluster (rule 9.6).

    Parameters
    ----------
    owners : int array of shape (epoch, tb)
        Owners at each sample; a row of -1 is none.
    demand : float array of shape (tb,), cycles
        Cycles per request on one TBU.

    Returns
    -------
    int64 array of shape (tb,)
        0 for a TB that the cluster never owns.

    Examples
    --------
    >>> target([[3, 1], [2, 1], [-1, -1]], [100, 300])
    array([1, 3])
    """
    seen = np.asarray(owners, dtype=np.int64)
    found = np.zeros(seen.shape[1], dtype=np.int64)
    owned = (seen > 0).any(axis=0)
    if owned.any():
        most = int(seen.sum(axis=1).max())
        found[owned] = mapping.owners(np.asarray(demand, dtype=np.float64)[owned], most, "marginal")
    return found


def lag(runs: xr.Dataset) -> xr.DataArray:
    """Return the cycles from each shift of the phase to the first sample at which a cluster is balanced.

    Parameters
    ----------
    runs : xarray.Dataset
        Of one policy, with the dim ``replication``, from ``simulate(..., epochs=n)``.

    Returns
    -------
    xarray.DataArray
        float64 cycles with dims ``shift``, ``cluster``: infinite where the cluster never was balanced before the next
        shift or the end, NaN where the samples do not tell. Coordinates of ``shift``: ``shift_replication``,
        ``shift_phase`` (the new one) and ``shift_cycle``.

    Raises
    ------
    ModelError
        If the Dataset holds no samples, no requests or no configuration.
    """
    for name, allowed in (
        ("epoch_owners", "a result with samples, as of simulate(..., epochs=n)"),
        ("request_arrival_cycles", "a result with its requests, not a study"),
    ):
        if name not in runs:
            raise ModelError(f"dataset.{name}", None, allowed)
    if "configuration" not in runs.attrs:
        raise ModelError("dataset.configuration", None, "a result of one configuration, which is kept as an attribute")
    workflow, system, load = _described(str(runs.attrs["configuration"]))
    names = () if workflow.phases is None else workflow.phases.names
    demand = [mapping.profile_demand(workflow, system, name) for name in names]
    hooks = runs["epoch_cycle"].values
    samples = runs["epoch_owners"].transpose(REPLICATION, EPOCH, CLUSTER, TB).values
    arrivals = runs["request_arrival_cycles"].transpose(REPLICATION, REQUEST).values
    ends = runs["makespan_cycles"].values
    rows, where = [np.empty((0, samples.shape[2]))], []
    for number, owners, arrival, end in zip(runs[REPLICATION].values, samples, arrivals, ends, strict=True):
        wanted = [_targets(owners, each) for each in demand]
        for phase, first, last in _stretches(workflow, load, arrival, int(end))[1:]:
            rows.append(_lag(owners, wanted[phase], hooks, first, last)[np.newaxis])
            where.append((int(number), names[phase], first))
    return xr.DataArray(
        np.concatenate(rows),
        dims=(SHIFT, CLUSTER),
        coords={
            "shift_replication": (SHIFT, np.array([each[0] for each in where], dtype=np.int64)),
            "shift_phase": (SHIFT, np.array([each[1] for each in where], dtype=str)),
            "shift_cycle": (SHIFT, np.array([each[2] for each in where], dtype=np.int64), {"units": "cycles"}),
        },
        name="lag_cycles",
        attrs={"units": "cycles", "description": "from the shift to the first balanced sample; inf: never, NaN: not known"},
    )


def summary(runs: xr.Dataset) -> dict[str, F64]:
    """Return what a sweep keeps of the lags of a result: their median, and the share of finite ones.

    Returns
    -------
    dict of str to float64[replication]
        NaN where no lag is known: no shift, no sample.
    """
    found = lag(runs)
    numbers = runs[REPLICATION].values
    median, share = np.full(len(numbers), np.nan), np.full(len(numbers), np.nan)
    for place, number in enumerate(numbers):
        lags = found.values[found["shift_replication"].values == number].ravel()
        known = lags[~np.isnan(lags)]
        if known.size:
            # of the sorted lags, not a mean of two of which one may be infinite
            median[place] = np.sort(known)[known.size // 2]
            share[place] = np.isfinite(known).mean()
    return {"lag_median_cycles": median, "lag_balanced_share": share}


def _described(text: str) -> tuple[Workflow, System, Load]:
    """Return what a result says it is the result of."""
    document = yaml_io.from_dict(yaml_text.parse(text, "configuration"), "configuration")
    if document.workflow is None or document.hardware is None or document.load is None:
        raise ModelError("dataset.configuration", None, "a workflow, a hardware and a load")
    return document.workflow, document.hardware, document.load


def _stretches(workflow: Workflow, load: Load, arrival: I64, end: int) -> list[tuple[int, int, int]]:
    """Return phase, first arrival, and cycle of the next shift or the end, of each stretch of requests of one phase."""
    phase = lower_load.phases(workflow.phases, load, arrival)
    came = arrival >= 0
    if not len(phase) or not came.any():
        return []
    phase = phase[came]
    edges = np.concatenate([[0], np.flatnonzero(np.diff(phase)) + 1])
    # with several pipelines the first by number need not be the first by arrival
    begins = np.minimum.reduceat(arrival[came], edges).tolist()
    return list(zip(phase[edges].tolist(), begins, [*begins[1:], end + 1], strict=True))


def _targets(owners: I64, demand: F64) -> I64:
    """Return the target of each cluster, int64[cluster, tb]; most clusters are alike."""
    known: dict[bytes, I64] = {}
    found = np.zeros(owners.shape[1:], dtype=np.int64)
    for cluster in range(owners.shape[1]):
        seen = owners[:, cluster]
        key = (seen > 0).any(axis=0).tobytes() + int(seen.sum(axis=1).max()).to_bytes(8, "big", signed=True)
        if key not in known:
            known[key] = target(seen, demand)
        found[cluster] = known[key]
    return found


def _lag(owners: I64, wanted: I64, hooks: I64, first: int, last: int) -> F64:
    """Return the lag of each cluster for the stretch of cycles ``first`` to before ``last``."""
    low, high = np.searchsorted(hooks, [first, last]).tolist()
    there = owners[low:high]
    sampled = there[..., 0] >= 0
    balanced = sampled & (np.abs(there - wanted) <= 1).all(axis=-1)
    told = sampled.any(axis=0) & bool(hooks[-1] + hooks[0] >= last)
    cycles = np.where(balanced, hooks[low:high, np.newaxis] - first, NEVER).min(axis=0, initial=NEVER)
    return np.where(balanced.any(axis=0) | told, cycles, UNKNOWN)
