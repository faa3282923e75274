"""Idle attribution: what is at the root of the chain that starves or blocks a TBU, and how long it is (rule 9.7)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from octomodel import yaml_io, yaml_text
from octomodel.errors import ModelError
from octomodel.lower_rules import successors
from octomodel.variables import CLUSTER, EPOCH, REPLICATION, TB
from octomodel.variables_study import IDLENESS
from octomodel.workflow import Workflow

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

STARVED, BLOCKED = "starved", "blocked"
SOURCE, ELSEWHERE = "source", "elsewhere"
BATCH = 4_096
"""Samples looked at together, so that little memory is taken."""
SAMPLED = ("backlog", "running", "owners_idle", "owners_blocked", "wanting", "owners")


class Flows(NamedTuple):
    """What comes after what (rule 13.11)."""

    source: I64
    target: I64
    tokens: F64


class Stations(NamedTuple):
    """Samples of clusters; each int64[sample, tb]."""

    backlog: I64
    running: I64
    idle: I64
    blocked: I64
    wanting: I64
    owners: I64


def chains(flows: Flows, stations: Stations, cause: str) -> tuple[I64, I64]:
    """Return, for a TBU of each station, the root of what starves or blocks it and the length of the chain (rule 9.7).

    Parameters
    ----------
    flows : Flows
    stations : Stations
    cause : "starved" or "blocked"

    Returns
    -------
    root : int64[sample, tb]
        A TB; the number of TBs stands for the source, that plus 1 for elsewhere.
    depth : int64[sample, tb]
        At least 1.

    Examples
    --------
    Of a line a, b, c the middle one runs: c starves for it, and a, which is full of what b has no place for, is blocked by it.

    >>> line = Flows(np.array([0, 1]), np.array([1, 2]), np.array([1.0, 1.0]))
    >>> sample = Stations(*np.array([[[0, 3, 0]], [[0, 1, 0]], [[0, 0, 1]], [[1, 0, 0]], [[0, 1, 0]], [[1, 1, 1]]]))
    >>> root, depth = chains(line, sample, "starved")
    >>> int(root[0, 2]), int(depth[0, 2])
    (1, 1)
    """
    n_sample, n = stations.running.shape
    before, after = _suppliers(flows, stations), _consumers(flows, stations)
    rows = np.repeat(np.arange(n_sample), n)
    at = np.tile(np.arange(n), n_sample)
    blocked = np.full(len(at), cause == BLOCKED)
    seen = np.zeros((len(at), n), dtype=bool)
    depth = np.zeros(len(at), dtype=np.int64)
    going = np.arange(len(at))
    while going.size:
        row = rows[going]
        seen[going, at[going]] = True
        at[going] = np.where(blocked[going], after[row, at[going]], before[row, at[going]])
        depth[going] += 1
        inside = at[going] < n
        going, row = going[inside], row[inside]
        here = at[going]
        goes_on = ~seen[going, here] & (stations.running[row, here] == 0)
        goes_on &= (stations.blocked[row, here] > 0) | (stations.idle[row, here] > 0)
        blocked[going] = stations.blocked[row, here] > 0
        going = going[goes_on]
    return at.reshape(n_sample, n), depth.reshape(n_sample, n)


def _suppliers(flows: Flows, stations: Stations) -> I64:
    """Return of each station the predecessor of which least is to come, int64[sample, tb]."""
    n_sample, n = stations.running.shape
    found = np.full((n_sample, n), n)
    for tb in range(n):
        into = flows.target == tb
        if into.any():
            sources = flows.source[into]
            coming = (stations.backlog + stations.running)[:, sources] * flows.tokens[into]
            coming[stations.owners[:, sources] <= 0] = np.inf
            best = coming.argmin(axis=1)
            found[:, tb] = np.where(np.isfinite(coming[np.arange(n_sample), best]), sources[best], n + 1)
    return found


def _consumers(flows: Flows, stations: Stations) -> I64:
    """Return of each station the successor for which most tokens want a slot, int64[sample, tb]."""
    n_sample, n = stations.running.shape
    found = np.full((n_sample, n), n + 1)
    for tb in range(n):
        targets = flows.target[flows.source == tb]
        if len(targets):
            wanting = stations.wanting[:, targets]
            most = wanting.argmax(axis=1)
            found[:, tb] = np.where(wanting[np.arange(n_sample), most] > 0, targets[most], n + 1)
    return found


def attribution(runs: xr.Dataset) -> xr.Dataset:
    """Return how often each station was at the root of what starved or blocked the TBUs of each, and how deep.

    Parameters
    ----------
    runs : xarray.Dataset
        Of one policy, with the dim ``replication``, from ``simulate(..., epochs=n)``.

    Returns
    -------
    xarray.Dataset
        ``idle_root``: float64 TBUs of the machine at a sample, means over all samples, with the dims ``idleness``
        ("starved", "blocked"), ``tb``, the home, and ``root``: the TBs, "source" where nothing came in, "elsewhere" for
        another cluster. ``contagion_depth``: float64[idleness], the mean length of the chains; NaN without any.

    Raises
    ------
    ModelError
        If the Dataset holds no samples or no configuration.
    """
    if "epoch_owners_idle" not in runs:
        raise ModelError("dataset.epoch_owners_idle", None, "a result with samples, as of simulate(..., epochs=n)")
    if "configuration" not in runs.attrs:
        raise ModelError("dataset.configuration", None, "a result of one configuration, which is kept as an attribute")
    document = yaml_io.from_dict(yaml_text.parse(str(runs.attrs["configuration"]), "configuration"), "configuration")
    assert document.workflow is not None
    counts, lengths = _counted(runs, document.workflow)
    taken = (runs["epoch_backlog"] >= 0).any((CLUSTER, TB)).sum()
    names = [str(name) for name in runs[TB].values]
    shares = counts.sum(axis=0) / max(int(taken), 1)
    return xr.Dataset(
        {
            "idle_root": ((IDLENESS, TB, "root"), shares, {"units": "1", "description": "TBUs of a sample"}),
            "contagion_depth": (
                IDLENESS,
                _mean(lengths.sum(axis=0), counts.sum(axis=(0, 2, 3))),
                {"units": "1", "description": "mean length of the chains"},
            ),
        },
        {IDLENESS: [STARVED, BLOCKED], TB: names, "root": [*names, SOURCE, ELSEWHERE]},
    )


def contagion(runs: xr.Dataset, workflow: Workflow) -> F64:
    """Return the contagion depth of each replication of a result with samples.

    Parameters
    ----------
    runs : xarray.Dataset
        As for ``attribution``.
    workflow : Workflow
        Of which it is the result.

    Returns
    -------
    float64[replication, idleness]
        NaN without a chain: no sample, or nobody idle at any.
    """
    counts, lengths = _counted(runs, workflow)
    return _mean(lengths, counts.sum(axis=(2, 3)))


def _mean(total: F64, count: F64) -> F64:
    mean: F64 = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def _counted(runs: xr.Dataset, workflow: Workflow) -> tuple[F64, F64]:
    """Return the TBUs by replication, cause, home and root, and the sum of their depths by replication and cause."""
    flows = Flows(*successors(workflow))
    samples = [runs[f"epoch_{name}"].transpose(REPLICATION, EPOCH, CLUSTER, TB).values for name in SAMPLED]
    n = samples[0].shape[-1]
    counts, lengths = np.zeros((len(samples[0]), 2, n, n + 2)), np.zeros((len(samples[0]), 2))
    homes = np.arange(n)
    for replication, mine in enumerate(zip(*samples, strict=True)):
        rows = [each.reshape(-1, n) for each in mine]
        taken = rows[0][:, 0] >= 0
        rows = [each[taken] for each in rows]
        for first in range(0, len(rows[0]), BATCH):
            stations = Stations(*(each[first : first + BATCH] for each in rows))
            for number, (cause, idle) in enumerate(((STARVED, stations.idle), (BLOCKED, stations.blocked))):
                root, depth = chains(flows, stations, cause)
                np.add.at(counts[replication, number], (np.broadcast_to(homes, root.shape), root), idle)
                lengths[replication, number] += (depth * idle).sum()
    return counts, lengths
