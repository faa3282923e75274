"""The reference's views: what the functions of a policy are shown of a cluster, and how they are called (rules 13.2, 13.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octomodel.errors import RunError
from octomodel.kernels.views import View
from octomodel.testing.reference_reports import busy
from octomodel.testing.reference_state import Cluster, Station, Tbu
from octomodel.testing.reference_world import World


def ask(world: World, cluster: Cluster, function: Callable[..., Any], *given: Any) -> Any:
    """Return what a function of a policy answers.

    Raises
    ------
    RunError
        If the function raises.
    """
    try:
        return function(*given)
    except Exception as error:
        where = f"at cycle {world.now} in cluster {cluster.index}"
        raise RunError(f"policy: {function.__name__} raised {type(error).__name__} ({error}) {where}") from error


def view(world: World, cluster: Cluster, *, rebalancing: bool = False) -> View:
    """Return a cluster as it is now; its state can be written while it is rebalanced only."""
    rules = world.rules
    tasks, tbus = range(len(world.graph.config)), cluster.tbus
    state = cluster.memory.view()
    state.flags.writeable = rebalancing

    def stations(value: Callable[[Station], int]) -> NDArray[np.int64]:
        return column([value(cluster.stations[task]) if task in cluster.stations else 0 for task in tasks])

    def each(value: Callable[[Tbu], int]) -> NDArray[np.int64]:
        return column([value(tbu) for tbu in tbus])

    return View(
        now=world.now,
        cluster=cluster.index,
        n_tb=len(tasks),
        n_tbu=len(tbus),
        epoch_cycles=world.epoch,
        switch_cycles=world.switch_cycles,
        background_load=int(world.background_load),
        free_cbus=cluster.cbus - len(cluster.deciding),
        free_spill=cluster.spill_slots - cluster.spilled,
        port_free=cluster.port_free,
        params=world.params,
        state=state,
        neighbour=column([link.to for link in cluster.links]),
        link_latency=column([link.latency for link in cluster.links]),
        link_bytes=column([link.rate[0] for link in cluster.links]),
        link_cycles=column([link.rate[1] for link in cluster.links]),
        station_fresh=stations(lambda station: len(station.fresh)),
        station_recirculated=stations(lambda station: len(station.recirculation)),
        station_line=stations(lambda station: len(station.line)),
        station_used=stations(lambda station: station.occupied),
        station_slots=stations(lambda station: station.slots),
        station_owners=stations(lambda station: len(station.owners)),
        station_idle=stations(lambda station: len(station.free_owners())),
        station_busy=column([busy(cluster, task) for task in tasks]),
        station_fresh_taken=stations(lambda station: station.fresh_taken),
        station_recirculation_taken=stations(lambda station: station.recirculation_taken),
        station_executions=stations(lambda station: station.executions),
        station_run_cycles=stations(lambda station: station.run_cycles),
        tbu_home=each(lambda tbu: -1 if tbu.dead else tbu.home),
        tbu_next=each(lambda tbu: tbu.next),
        tbu_state=each(lambda tbu: tbu.state),
        tbu_since=each(lambda tbu: tbu.since),
        tbu_tb=each(lambda tbu: tbu.task),
        tbu_run_start=each(lambda tbu: tbu.run_start),
        tbu_config=each(lambda tbu: tbu.last_config),
        tbu_speed=column([tbu.speed for tbu in tbus], np.float64),
        resident=column([tbu.residents for tbu in tbus]),
        task_config=column(world.graph.config),
        task_reload_cycles=column([world.reload_lengths[config] for config in world.graph.config]),
        task_cycles=column(rules.task_cycles, np.float64),
        task_demand=column(rules.task_demand, np.float64),
        task_bytes=column(rules.task_bytes) if len(rules.task_bytes) else column([0] * len(world.graph.config)),
        flow_from=column(rules.flow_from),
        flow_to=column(rules.flow_to),
        flow_tokens=column(rules.flow_tokens, np.float64),
    )


def column(values: Sequence[Any] | NDArray[Any], dtype: type = np.int64) -> NDArray[Any]:
    """Return values as an array that cannot be written."""
    array: NDArray[Any] = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array
