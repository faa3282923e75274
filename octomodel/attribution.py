"""Idle attribution: what is at the root of the chain that starves or blocks a TBU, and how long it is (rule 9.7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from octomodel import yaml_io, yaml_text
from octomodel.errors import ModelError
from octomodel.lower_rules import successors
from octomodel.variables import CLUSTER, EPOCH, REPLICATION, TB

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

STARVED, BLOCKED = "starved", "blocked"
SOURCE, ELSEWHERE = "source", "elsewhere"
SAMPLED = ("backlog", "running", "owners_idle", "owners_blocked", "wanting", "owners")


class Flows(NamedTuple):
    """What comes after what (rule 13.11)."""

    source: I64
    target: I64
    tokens: F64


class Stations(NamedTuple):
    """One sample of a cluster; each int64[tb]."""

    backlog: I64
    running: I64
    idle: I64
    blocked: I64
    wanting: I64
    owners: I64


def chain(flows: Flows, stations: Stations, tb: int, cause: str) -> tuple[int | str, int]:
    """Return the root of what starves or blocks a TBU of a station, and the length of the chain (rule 9.7).

    Parameters
    ----------
    flows : Flows
    stations : Stations
    tb : int
        The home of the TBU.
    cause : "starved" or "blocked"

    Returns
    -------
    root : int, "source" or "elsewhere"
    depth : int
        At least 1.

    Examples
    --------
    Of a line a, b, c the middle one runs: c starves for it, and a, which is full of what b has no place for, is blocked by it.

    >>> line = Flows(np.array([0, 1]), np.array([1, 2]), np.array([1.0, 1.0]))
    >>> sample = Stations(*np.array([[0, 3, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 1, 1]]))
    >>> chain(line, sample, 2, "starved"), chain(line, sample, 0, "blocked")
    ((1, 1), (1, 1))
    """
    seen = {tb}
    depth = 0
    while True:
        depth += 1
        step = _supplier(flows, stations, tb) if cause == STARVED else _consumer(flows, stations, tb)
        if isinstance(step, str):
            return step, depth
        tb = step
        if tb in seen or stations.running[tb] > 0:
            return tb, depth
        seen.add(tb)
        if stations.blocked[tb] > 0:
            cause = BLOCKED
        elif stations.idle[tb] > 0:
            cause = STARVED
        else:
            return tb, depth


def _supplier(flows: Flows, stations: Stations, tb: int) -> int | str:
    """Return the predecessor of which least is to come."""
    into = flows.target == tb
    if not into.any():
        return SOURCE
    sources, tokens = flows.source[into], flows.tokens[into]
    here = stations.owners[sources] > 0
    if not here.any():
        return ELSEWHERE
    coming = (stations.backlog + stations.running)[sources[here]] * tokens[here]
    return int(sources[here][np.argmin(coming)])


def _consumer(flows: Flows, stations: Stations, tb: int) -> int | str:
    """Return the successor for which most tokens want a slot."""
    targets = flows.target[flows.source == tb]
    wanting = stations.wanting[targets]
    if not len(targets) or wanting.max() == 0:
        return ELSEWHERE
    return int(targets[np.argmax(wanting)])


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
    flows = Flows(*successors(document.workflow))
    samples = [runs[f"epoch_{name}"].transpose(REPLICATION, EPOCH, CLUSTER, TB).values for name in SAMPLED]
    names = [str(name) for name in runs[TB].values]
    counts, lengths = _counted(flows, [each.reshape(-1, len(names)) for each in samples], len(names))
    taken = int((samples[0].reshape(-1, samples[0].shape[2], len(names))[:, :, 0] >= 0).any(axis=1).sum())
    total = counts.sum(axis=(1, 2))
    depth = np.divide(lengths, total, out=np.full(2, np.nan), where=total > 0)
    return xr.Dataset(
        {
            "idle_root": (("idleness", TB, "root"), counts / max(taken, 1), {"units": "1", "description": "TBUs of a sample"}),
            "contagion_depth": ("idleness", depth, {"units": "1", "description": "mean length of the chains"}),
        },
        {"idleness": [STARVED, BLOCKED], TB: names, "root": [*names, SOURCE, ELSEWHERE]},
    )


def _counted(flows: Flows, samples: Sequence[ArrayLike], n: int) -> tuple[F64, F64]:
    """Return the TBUs by cause, home and root, and the sum of their depths by cause."""
    counts, lengths = np.zeros((2, n, n + 2)), np.zeros(2)
    places = {SOURCE: n, ELSEWHERE: n + 1}
    for rows in zip(*(np.asarray(each, dtype=np.int64) for each in samples), strict=True):
        stations = Stations(*rows)
        if stations.backlog[0] < 0:
            continue
        for number, (cause, idle) in enumerate(((STARVED, stations.idle), (BLOCKED, stations.blocked))):
            for tb in np.flatnonzero(idle).tolist():
                root, depth = chain(flows, stations, tb, cause)
                counts[number, tb, places[root] if isinstance(root, str) else root] += idle[tb]
                lengths[number] += depth * idle[tb]
    return counts, lengths
