"""From the outcomes of runs to one labelled Dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from octomodel import variables
from octomodel.outcome import CAUSES, Outcome
from octomodel.variables import CAUSE, EPOCH, MILESTONE, NONE, POLICY, REPLICATION, TB, make

PORTS = ("west", "east", "north", "south")
PROVENANCE = ("version", "seed", "configuration", "step", "exact", "tables_digest")
"""Attributes without which a result could not be computed again; required by `dataset`."""


@dataclass(frozen=True)
class Names:
    """What the arrays of an outcome are called: labels for the axes and the constants of the run.

    Parameters
    ----------
    policy : str
        Scheduling policy.
    tbs : tuple of str
        Names of the task blocks, by index.
    rows, cols : int
        Clusters of the mesh, numbered row by row.
    tbu_cluster : array of shape (tbu,), int64
        Cluster of each TBU.
    clock_hz : float
        Clock that converts cycles to seconds.
    milestones : tuple of str
        Names of the milestones, by index.
    deadline_cycles : int or None
        Deadline from arrival.
    epochs : int
        Number of samples.
    epoch_cycles : int
        Cycles between them.
    """

    policy: str
    tbs: tuple[str, ...]
    rows: int
    cols: int
    tbu_cluster: NDArray[np.int64]
    clock_hz: float
    milestones: tuple[str, ...] = ()
    deadline_cycles: int | None = None
    epochs: int = 0
    epoch_cycles: int = 0


def dataset(outcomes: Sequence[Outcome], *, names: Names, attrs: Mapping[str, object]) -> xr.Dataset:
    """Return the labelled result of one or more replications.

    Parameters
    ----------
    outcomes : sequence of Outcome
        One per replication, in order, all of the same model.
    names : Names
        Labels of the axes.
    attrs : mapping
        Attributes, text and numbers only. Those of `PROVENANCE` are required: ``version``, ``seed``,
        ``configuration`` (YAML text), ``step`` (cycles), ``exact`` (1 or 0) and ``tables_digest``.
        ``policy``, ``clock_hz`` and ``deadline_cycles`` are added.

    Returns
    -------
    xarray.Dataset
        Registered variables with the leading dim ``replication``; int64 times use -1 for what did not happen.

    Raises
    ------
    ValueError
        If there is no outcome, a required attribute is missing, or the arrays disagree in shape with each
        other or with the names.
    """
    if not outcomes:
        raise ValueError("outcomes: got none; allowed: at least one replication")
    missing = [key for key in PROVENANCE if key not in attrs]
    if missing:
        raise ValueError(f"attrs: got none of the required {', '.join(missing)}")
    values = _copied(outcomes, names) | _computed(outcomes, names)
    found = dict(attrs) | {"policy": names.policy, "clock_hz": float(names.clock_hz)}
    if names.deadline_cycles is not None:
        found["deadline_cycles"] = names.deadline_cycles
    result = xr.Dataset(
        {name: make(name, array) for name, array in values.items()},
        coords=_axes(names, len(outcomes)),
        attrs={key: int(value) if isinstance(value, bool) else value for key, value in found.items()},
    )
    variables.check(result)
    return result


def combine(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return one study from the results of several policies on the same model.

    Parameters
    ----------
    datasets : sequence of xarray.Dataset
        Each as returned by `dataset`, with a policy of its own.

    Returns
    -------
    xarray.Dataset
        With the leading dim ``policy``. Attributes on which the results differ, and variables that one of
        them lacks, are left out.

    Raises
    ------
    ValueError
        If axes differ, or two results have the same policy.
    """
    policies = [str(each[POLICY].item()) for each in datasets]
    if len(set(policies)) < len(policies):
        raise ValueError(f"policies: got {', '.join(policies)}; allowed: each one once")
    shared = [name for name in datasets[0].data_vars if all(name in each for each in datasets)]
    return xr.concat(
        [each[shared] for each in datasets],
        dim=POLICY,
        data_vars="all",
        coords="minimal",
        compat="equals",
        join="exact",
        combine_attrs="drop_conflicts",
    )


def _copied(outcomes: Sequence[Outcome], names: Names) -> dict[str, NDArray[np.generic]]:
    """Variables that stand in the outcomes as they are."""
    values = {}
    for entry in variables.REGISTRY.values():
        entity, _, key = entry.source.partition(".")
        if not entity or (MILESTONE in entry.dims and not names.milestones):
            continue
        if EPOCH in entry.dims and not names.epochs:
            continue
        if entity == "bounds" and not all(key in outcome.bounds for outcome in outcomes):
            continue
        fields = [getattr(outcome, entity) for outcome in outcomes]
        values[entry.name] = _stack([np.asarray(field[key] if key else field) for field in fields])
    return values


def _computed(outcomes: Sequence[Outcome], names: Names) -> dict[str, NDArray[np.generic]]:
    """Variables that follow from the times of the requests."""
    latency, ended, throughput, goodput, miss = [], [], [], [], []
    for outcome in outcomes:
        arrival, end = np.asarray(outcome.request_arrival), np.asarray(outcome.request_end)
        cycles = end - arrival
        cycles[end < 0] = NONE
        latency.append(cycles)
        ended.append(_count(end >= 0))
        throughput.append(_ratio(ended[-1], outcome.elapsed))
        if names.deadline_cycles is None:
            continue
        met = (cycles >= 0) & (cycles <= names.deadline_cycles)
        # a request that arrived too late to reach its deadline before the horizon says nothing: only its
        # early end could be seen
        judged = arrival >= 0
        if outcome.status == "horizon":
            judged &= arrival + names.deadline_cycles <= outcome.elapsed
        goodput.append(_ratio(_count(met), outcome.elapsed))
        miss.append(_ratio(_count(judged & ~met), _count(judged)))
    values: dict[str, NDArray[np.generic]] = {
        "request_latency_cycles": _stack(latency),
        "requests_ended": np.array(ended),
        "throughput_per_cycle": np.array(throughput),
    }
    if names.deadline_cycles is not None:
        values |= {"goodput_per_cycle": np.array(goodput), "deadline_miss": np.array(miss)}
    return values


def _stack(arrays: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    """Return the arrays along a new first axis; a single one, which may be large, without a copy."""
    return np.stack(arrays) if len(arrays) > 1 else arrays[0][np.newaxis]


def _axes(names: Names, n_replication: int) -> dict[str, xr.Variable]:
    cluster = np.arange(names.rows * names.cols, dtype=np.int64)
    axes = {
        POLICY: make(POLICY, np.array(names.policy)),
        REPLICATION: make(REPLICATION, np.arange(n_replication, dtype=np.int64), leading=(REPLICATION,)),
        TB: make(TB, np.array(names.tbs)),
        CAUSE: make(CAUSE, np.array(CAUSES)),
        "tbu_cluster": make("tbu_cluster", names.tbu_cluster),
        "cluster_row": make("cluster_row", cluster // names.cols),
        "cluster_col": make("cluster_col", cluster % names.cols),
        "link_cluster": make("link_cluster", cluster.repeat(len(PORTS))),
        "link_port": make("link_port", np.tile(np.array(PORTS), cluster.size)),
    }
    if names.milestones:
        axes[MILESTONE] = make(MILESTONE, np.array(names.milestones))
    if names.epochs:
        axes["epoch_cycle"] = make("epoch_cycle", np.arange(1, names.epochs + 1, dtype=np.int64) * names.epoch_cycles)
    return axes


def _count(chosen: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(chosen))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else np.nan
