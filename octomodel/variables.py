"""The registry: every variable of a result Dataset, stated once with its dims, dtype, units and meaning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from octomodel import variables_study, variables_theory
from octomodel.errors import unknown
from octomodel.variables_study import CAUSE as CAUSE
from octomodel.variables_study import WORKFLOW

POLICY = "policy"
REPLICATION = "replication"
REQUEST = "request"
MILESTONE = "milestone"
TBU = "tbu"
CLUSTER = "cluster"
TB = "tb"
LINK = "link"
PIPELINE = "pipeline"
EPOCH = "epoch"

STUDY_DIMS = (WORKFLOW, POLICY, REPLICATION)
"""Dims that may stand, in this order, before the registered dims of a variable that belongs to a run."""

NONE = -1
"""Sentinel of int64 times: what it would describe did not happen (not NaN, so times stay exact integers)."""


@dataclass(frozen=True)
class Variable:
    """One registered result variable.

    Parameters
    ----------
    name : str
        Name in the Dataset, ``<entity>_<quantity>``.
    dims : tuple of str
        Dims within one run, without those of `STUDY_DIMS`.
    dtype : str
        ``"int64"``, ``"float64"`` or ``"str"``.
    units : str
        Unit of the values; ``"1"`` for pure numbers, ``""`` for text.
    description : str
        What the values mean.
    source : str
        Field of the outcome that holds the values as they are (``"station.fresh_wait"``), or ``""`` when they
        are computed.
    coordinate : bool
        True when the values describe an axis and are the same in every run.
    """

    name: str
    dims: tuple[str, ...]
    dtype: str
    units: str
    description: str
    source: str = ""
    coordinate: bool = False


_STATION, _CLUSTER, _LINK, _PIPELINE = (CLUSTER, TB), (CLUSTER,), (LINK,), (PIPELINE,)
_SAMPLE = (EPOCH, CLUSTER, TB)

_RUN: tuple[tuple[str, tuple[str, ...], str, str, str, str], ...] = (
    (
        "run_status",
        (),
        "str",
        "",
        "'done' when every request ended, 'horizon' when the horizon stopped the run",
        "status",
    ),
    (
        "makespan_cycles",
        (),
        "int64",
        "cycles",
        "elapsed: the cycle the last request ends, or the horizon",
        "elapsed",
    ),
    ("executions", (), "int64", "1", "TB executions finished", "executions"),
    (
        "fingerprint",
        (),
        "str",
        "",
        "two sums modulo 2^63 over all events; one changed cycle of one event changes them",
        "fingerprint",
    ),
    (
        "work_bound_cycles",
        (),
        "float64",
        "cycles",
        "no schedule is shorter: work at speed 1 over live speeds",
        "bounds.work_bound",
    ),
    (
        "path_bound_cycles",
        (),
        "float64",
        "cycles",
        "no schedule is shorter: critical paths of the requests",
        "bounds.path_bound",
    ),
    (
        "fluid_bound_cycles",
        (),
        "float64",
        "cycles",
        "no schedule is shorter: the larger of the two bounds",
        "bounds.fluid_bound",
    ),
    ("requests_ended", (), "int64", "1", "requests that ended within the run", ""),
    ("throughput_per_cycle", (), "float64", "1/cycle", "requests ended per elapsed cycle", ""),
    (
        "goodput_per_cycle",
        (),
        "float64",
        "1/cycle",
        "requests ended within the deadline per elapsed cycle",
        "",
    ),
    (
        "deadline_miss",
        (),
        "float64",
        "1",
        "share of requests that missed the deadline, among those that had the time to meet it",
        "",
    ),
    (
        "request_arrival_cycles",
        (REQUEST,),
        "int64",
        "cycles",
        "arrival (closed load: admission); -1: never",
        "request_arrival",
    ),
    ("request_latency_cycles", (REQUEST,), "int64", "cycles", "from arrival to end; -1: had not ended", ""),
    (
        "request_milestone_cycles",
        (MILESTONE, REQUEST),
        "int64",
        "cycles",
        "from arrival to the milestone; -1: not reached",
        "request_milestone",
    ),
    (
        "tbu_cycles",
        (TBU, CAUSE),
        "int64",
        "cycles",
        "time split; the causes of a TBU sum to the elapsed cycles",
        "tbu_cycles",
    ),
    ("station_executions", _STATION, "int64", "1", "executions finished", "station.executions"),
    ("station_run_cycles", _STATION, "int64", "cycles", "cycles TBUs ran this TB", "station.run_cycles"),
    (
        "station_fresh_taken",
        _STATION,
        "int64",
        "1",
        "fresh tokens taken from the queue or moved away",
        "station.fresh_taken",
    ),
    (
        "station_fresh_wait_cycles",
        _STATION,
        "int64",
        "cycles",
        "sum of their waits from ready to taken",
        "station.fresh_wait",
    ),
    (
        "station_queue_integral_cycles",
        _STATION,
        "int64",
        "cycles",
        "ready fresh tokens summed over cycles",
        "station.queue_integral",
    ),
    ("station_queue_max", _STATION, "int64", "1", "most ready fresh tokens at once", "station.queue_max"),
    (
        "station_recirculation_taken",
        _STATION,
        "int64",
        "1",
        "tokens taken from the recirculation queue",
        "station.recirculation_taken",
    ),
    (
        "station_recirculation_wait_cycles",
        _STATION,
        "int64",
        "cycles",
        "sum of the waits in the recirculation queue",
        "station.recirculation_wait",
    ),
    (
        "station_line_wait_cycles",
        _STATION,
        "int64",
        "cycles",
        "sum of the waits in the waiting line",
        "station.line_wait",
    ),
    ("link_messages", _LINK, "int64", "1", "messages that joined the link", "link.messages"),
    ("link_bytes", _LINK, "int64", "bytes", "bytes that joined the link", "link.bytes"),
    ("link_busy_cycles", _LINK, "int64", "cycles", "cycles the link served", "link.busy"),
    ("link_wait_cycles", _LINK, "int64", "cycles", "sum of the waits for the link", "link.wait"),
    ("cluster_decisions", _CLUSTER, "int64", "1", "decisions of control blocks", "cluster.decisions"),
    ("cluster_cbu_busy_cycles", _CLUSTER, "int64", "cycles", "CBU cycles spent deciding", "cluster.cbu_busy"),
    (
        "cluster_cbu_wait_cycles",
        _CLUSTER,
        "int64",
        "cycles",
        "sum of the waits for a CBU",
        "cluster.cbu_wait",
    ),
    (
        "cluster_ingress_max",
        _CLUSTER,
        "int64",
        "1",
        "largest population of the ingress buffer",
        "cluster.ingress_max",
    ),
    ("cluster_spill_max", _CLUSTER, "int64", "1", "most spill slots used at once", "cluster.spill_max"),
    ("cluster_lendings", _CLUSTER, "int64", "1", "lent executions begun", "cluster.lendings"),
    ("cluster_refusals", _CLUSTER, "int64", "1", "actions of a policy that were refused", "cluster.refusals"),
    ("cluster_asks", _CLUSTER, "int64", "1", "steal requests sent to neighbours", "cluster.asks"),
    ("cluster_steals", _CLUSTER, "int64", "1", "tokens stolen between clusters", "cluster.steals"),
    ("cluster_switches", _CLUSTER, "int64", "1", "switches to a resident configuration", "cluster.switches"),
    ("cluster_reloads", _CLUSTER, "int64", "1", "reloads of a configuration", "cluster.reloads"),
    ("cluster_misroutes", _CLUSTER, "int64", "1", "answers of a route that were no candidate", "cluster.misroutes"),
    ("cluster_plan_refusals", _CLUSTER, "int64", "1", "items of a plan that were refused", "cluster.plan_refusals"),
    ("cluster_owner_changes", _CLUSTER, "int64", "1", "changes of a home begun", "cluster.owner_changes"),
    ("cluster_background_loads", _CLUSTER, "int64", "1", "background loads begun", "cluster.background_loads"),
    (
        "cluster_hidden_reload_cycles",
        _CLUSTER,
        "int64",
        "cycles",
        "cycles of the configuration port that background loads take",
        "cluster.hidden_reload_cycles",
    ),
    ("cluster_wasted_reloads", _CLUSTER, "int64", "1", "loads of a plan, lost before they ran", "cluster.wasted_reloads"),
    ("cluster_moves", _CLUSTER, "int64", "1", "tokens that a plan moved to a neighbour", "cluster.moves"),
    ("cluster_moved_bytes", _CLUSTER, "int64", "bytes", "payload of these tokens", "cluster.moved_bytes"),
    ("pipeline_admitted", _PIPELINE, "int64", "1", "requests admitted", "pipeline.admitted"),
    (
        "pipeline_source_wait_cycles",
        _PIPELINE,
        "int64",
        "cycles",
        "sum of the waits at the source",
        "pipeline.source_wait",
    ),
    ("epoch_backlog", _SAMPLE, "int64", "1", "tokens ready and waiting; -1: the run was over", "epoch.backlog"),
    (
        "epoch_demand",
        _SAMPLE,
        "int64",
        "1",
        "tokens that became ready since the sample before; -1: the run was over",
        "epoch.demand",
    ),
    ("epoch_running", _SAMPLE, "int64", "1", "TBUs that run the TB; -1: the run was over", "epoch.running"),
    ("epoch_owners_idle", _SAMPLE, "int64", "1", "its idle TBUs; -1: the run was over", "epoch.owners_idle"),
    ("epoch_owners_blocked", _SAMPLE, "int64", "1", "its blocked TBUs; -1: the run was over", "epoch.owners_blocked"),
    ("epoch_wanting", _SAMPLE, "int64", "1", "tokens that wait for a slot; -1: the run was over", "epoch.wanting"),
    ("epoch_owners", _SAMPLE, "int64", "1", "TBUs that own the TB; -1: the run was over", "epoch.owners"),
)

_AXES: tuple[tuple[str, tuple[str, ...], str, str, str], ...] = (
    (POLICY, (), "str", "", "scheduling policy"),
    (REPLICATION, (), "int64", "1", "number of the replication, part of the key of every draw"),
    (TB, (TB,), "str", "", "name of the task block"),
    (CAUSE, (CAUSE,), "str", "", "cause of the time split"),
    (MILESTONE, (MILESTONE,), "str", "", "name of the milestone"),
    ("tbu_cluster", (TBU,), "int64", "1", "cluster of the TBU"),
    ("cluster_row", (CLUSTER,), "int64", "1", "row of the cluster in the mesh"),
    ("cluster_col", (CLUSTER,), "int64", "1", "column of the cluster in the mesh"),
    ("link_cluster", (LINK,), "int64", "1", "cluster that sends on the link; link = 4 * cluster + port"),
    ("link_port", (LINK,), "str", "", "side on which the link leaves: west, east, north or south"),
    ("epoch_cycle", (EPOCH,), "int64", "cycles", "cycle of the epoch hook at which the sample is taken"),
)

REGISTRY: dict[str, Variable] = {
    **{row[0]: Variable(*row) for row in _RUN},
    **{row[0]: Variable(*row, "", True) for row in _AXES},
}
"""Every variable of a run by name."""

STUDY: dict[str, Variable] = {
    **{row[0]: Variable(*row) for row in (*variables_study.ROWS, *variables_study.DERIVED, *variables_study.SWEPT)},
    **{row[0]: Variable(*row) for row in variables_theory.OWN},
    **{row[0]: Variable(*row, "", True) for row in variables_study.AXES},
}
"""Every variable by name that a study or theory has besides those of runs."""


def make(name: str, values: ArrayLike, leading: tuple[str, ...] | None = None) -> xr.Variable:
    """Return a result variable, checked against the registry and annotated from it.

    Parameters
    ----------
    name : str
        A registered name.
    values : array_like
        Values of exactly the registered dtype, one axis per dim: `leading`, then the registered dims.
    leading : tuple of str, optional
        Dims of `STUDY_DIMS` that stand before the registered ones; by default none for coordinates, else the
        replication.

    Returns
    -------
    xarray.Variable
        With attributes ``units`` (where there is one) and ``description``.

    Raises
    ------
    ModelError
        If the name is not registered (the error lists near misses).
    ValueError
        If the number of axes is wrong.
    TypeError
        If the dtype differs from the registered one.

    Examples
    --------
    >>> make("executions", np.array([7]))
    <xarray.Variable (replication: 1)> Size: 8B
    array([7])
    Attributes:
        description:  TB executions finished
        units:        1
    """
    entry = _entry(name)
    data = np.asarray(values)
    if leading is None:
        leading = () if entry.coordinate else (REPLICATION,)
    dims = leading + entry.dims
    if data.ndim != len(dims):
        raise ValueError(f"{name}: got {data.ndim} axes; registered: {dims}")
    attrs = {"description": entry.description}
    if entry.units:
        attrs["units"] = entry.units
    variable = xr.Variable(dims, data, attrs)
    _check_entry(name, variable)
    return variable


def check(dataset: xr.Dataset) -> None:
    """Raise unless every variable of a Dataset agrees with the registry.

    Parameters
    ----------
    dataset : xarray.Dataset
        A study: variables of runs may have dims of `STUDY_DIMS` before the registered ones.

    Raises
    ------
    ModelError
        If a variable is not registered.
    ValueError
        If dims differ from the registered ones.
    TypeError
        If a dtype differs from the registered one.
    """
    for name, variable in dataset.variables.items():
        _check_entry(str(name), variable)


def _entry(name: str) -> Variable:
    entry = REGISTRY.get(name) or STUDY.get(name)
    if entry is None:
        raise unknown("result variable", name, REGISTRY | STUDY)
    return entry


def _check_entry(name: str, variable: xr.Variable) -> None:
    entry = _entry(name)
    n_leading = len(variable.dims) - len(entry.dims)
    leading = tuple(str(dim) for dim in variable.dims[: max(n_leading, 0)])
    if leading + entry.dims != variable.dims or leading != tuple(dim for dim in STUDY_DIMS if dim in leading):
        raise ValueError(
            f"{name}: got dims {variable.dims}; registered: {entry.dims}, after any of {STUDY_DIMS}"
        )
    kind = "str" if variable.dtype.kind in "UT" else str(variable.dtype)
    if kind != entry.dtype:
        raise TypeError(f"{name}: got dtype {variable.dtype}; registered: {entry.dtype}")
