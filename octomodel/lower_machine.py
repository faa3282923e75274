"""The machine and the mapping as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octomodel import faults, lower_routes
from octomodel.checks import rate_pair
from octomodel.hardware import System
from octomodel.kernels.model import Machine
from octomodel.load import InFlight
from octomodel.mapping import Mapping, check_machine

I64 = NDArray[np.int64]


@dataclass(frozen=True)
class Needs:
    """What the policies and the load of a run ask of the machine's arrays."""

    task_slots: I64
    in_flight: InFlight
    steals: bool


def lower_machine(system: System, mapping: Mapping, needs: Needs) -> Machine:
    """Return the arrays of a machine and a mapping.

    Raises
    ------
    ModelError
        When the mapping was made for another machine, or two clusters that must talk have no path.
    """
    check_machine(system, mapping)
    link = faults.links(system)
    members = _members(mapping)
    table = lower_routes.routing_table(system, link, members, needs.steals)
    latency, n_bytes, cycles = _link_costs(system, link)
    local = rate_pair("system.local_bytes_per_cycle", system.local_bytes_per_cycle)
    reload = rate_pair("system.reload_bytes_per_cycle", system.reload_bytes_per_cycle)
    n = system.n_cluster
    return Machine(
        tbu_cluster=np.repeat(np.arange(n, dtype=np.int64), system.tbus),
        cluster_tbu=np.arange(n + 1, dtype=np.int64) * system.tbus,
        tbu_task=mapping.home,
        tbu_dead=faults.dead_tbus(system).astype(np.int64),
        tbu_speed=_speeds(system),
        tbu_resident=mapping.residents,
        cluster_cbus=np.full(n, system.cbus, dtype=np.int64),
        cluster_spill=_spill(system, mapping, needs.task_slots),
        cluster_pipeline=mapping.pipeline,
        pipeline_home=_homes(system, mapping),
        pipeline_window=_windows(system, mapping, needs.in_flight),
        cluster_group=lower_routes.groups(system, link, table, members, needs.steals),
        link_cluster=link,
        link_latency=latency,
        link_bytes=n_bytes,
        link_cycles=cycles,
        route_port=table,
        n_rows=system.rows,
        n_cols=system.cols,
        torus=int(system.torus),
        local_bytes=local[0],
        local_cycles=local[1],
        local_latency=system.local_latency_cycles,
        decision_cycles=system.decision_cycles,
        switch_cycles=system.switch_cycles,
        reload_cycles=system.reload_cycles,
        reload_rate_bytes=reload[0],
        reload_rate_cycles=reload[1],
        epoch=system.epoch_cycles,
        surplus_after=system.epoch_cycles
        if system.surplus_after_cycles is None
        else system.surplus_after_cycles,
        report_bytes=system.report_bytes,
        control_bytes=system.control_bytes,
        background_load=int(system.background_load),
    )


def _members(mapping: Mapping) -> list[I64]:
    order = np.argsort(mapping.pipeline, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(mapping.pipeline[order])) + 1)


def _speeds(system: System) -> NDArray[np.float64]:
    if isinstance(system.tbu_speed, float):
        return np.full(system.n_tbu, system.tbu_speed)
    speeds = np.array(system.tbu_speed, dtype=np.float64)
    return speeds if len(speeds) == system.n_tbu else np.tile(speeds, system.n_cluster)


def _spill(system: System, mapping: Mapping, task_slots: I64) -> I64:
    if system.spill_slots is not None:
        return np.full(system.n_cluster, system.spill_slots, dtype=np.int64)
    n_task = len(task_slots)
    owners = np.flatnonzero(mapping.home >= 0)
    stations = np.unique(owners // system.tbus * n_task + mapping.home[owners])
    out = np.zeros(system.n_cluster, dtype=np.int64)
    np.add.at(out, stations // n_task, task_slots[stations % n_task])
    return out


def _homes(system: System, mapping: Mapping) -> I64:
    """Return the cluster of the lowest-numbered owner of the first task in each pipeline."""
    clusters = np.flatnonzero(mapping.home == 0) // system.tbus
    pipelines, first = np.unique(mapping.pipeline[clusters], return_index=True)
    assert len(pipelines) == mapping.n_pipeline
    return clusters[first].astype(np.int64)


def _windows(system: System, mapping: Mapping, in_flight: InFlight) -> I64:
    if in_flight == "auto":
        owners = mapping.pipeline[np.flatnonzero(mapping.home >= 0) // system.tbus]
        return 4 * np.bincount(owners, minlength=mapping.n_pipeline).astype(np.int64)
    return np.full(mapping.n_pipeline, -1 if in_flight is None else in_flight, dtype=np.int64)


def _link_costs(system: System, link: I64) -> tuple[I64, I64, I64]:
    """Return latency and rate (bytes, cycles) of each directed link; those between dies have their own."""
    inside = rate_pair("system.link_bytes_per_cycle", system.link_bytes_per_cycle)
    between = rate_pair("system.die_link_bytes_per_cycle", system.die_link_bytes_per_cycle)
    crosses = np.zeros(len(link), dtype=np.bool_)
    if system.die is not None:
        row, col = np.divmod(np.arange(system.n_cluster), system.cols)
        dies = np.stack([row // system.die[0], col // system.die[1]], axis=1)
        here = np.repeat(np.arange(system.n_cluster), 4)
        crosses = (link >= 0) & (dies[here] != dies[np.maximum(link, 0)]).any(axis=1)
    latency = np.where(crosses, system.die_link_latency_cycles, system.link_latency_cycles)
    n_bytes = np.where(crosses, between[0], inside[0])
    cycles = np.where(crosses, between[1], inside[1])
    return latency.astype(np.int64), n_bytes.astype(np.int64), cycles.astype(np.int64)
