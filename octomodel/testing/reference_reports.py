"""The reference's reports: what a cluster tells others each epoch, and what it knows of them (rules 7.3, 7.4, 13.6)."""

from __future__ import annotations

from octomodel.testing.reference_links import send
from octomodel.testing.reference_state import REPORT, Cluster, Message, Report, Station, StationReport
from octomodel.testing.reference_world import World


def busy(cluster: Cluster, task: int) -> int:
    """Return how many TBUs of a cluster prepare, run or hold a token of a TB."""
    return sum(tbu.task == task and (tbu.token is not None or tbu.output is not None) for tbu in cluster.tbus)


def as_it_is(cluster: Cluster, station: Station) -> StationReport:
    """Return what a cluster can report of a station now."""
    present = (
        station.occupied + len(station.line) + len(station.recirculation) + busy(cluster, station.task)
    )
    return StationReport(station.free_slots(), present, len(station.owners), station.ready())


def at_start(station: Station) -> StationReport:
    """Return what the others take a station to be before its first report."""
    return StationReport(station.slots or station.mapped, 0, station.mapped, 0)


def as_known(world: World, cluster: Cluster, other: int, task: int) -> StationReport:
    """Return a station of a candidate cluster as a cluster knows it (rule 7.3)."""
    if other == cluster.index:
        return as_it_is(cluster, cluster.stations[task])
    if other in cluster.known and world.clusters[other].pipeline is cluster.pipeline:
        return cluster.known[other].stations[task]
    return at_start(world.clusters[other].stations[task])


def send_reports(world: World, cluster: Cluster) -> None:
    """Tell the pipeline and, under a policy that rebalances, the neighbours how things stand here (rules 7.4, 13.6)."""
    receivers: set[int] = set()
    if cluster.pipeline is not None and cluster.pipeline.reports:
        receivers.update(cluster.pipeline.clusters)
    if world.rules.rebalance is not None:
        receivers.update(link.to for link in cluster.links if link.to >= 0)
    stations = {task: as_it_is(cluster, station) for task, station in cluster.stations.items()}
    load = cluster.memory[0].tolist() if len(cluster.memory) else [0.0] * cluster.memory.shape[1]
    report = Report(world.now, stations, load)
    for other in sorted(receivers - {cluster.index}):
        send(world, cluster, Message(REPORT, other, world.report_bytes, sender=cluster.index, report=report))
