"""From the arrays of a model to the reference's objects."""

from __future__ import annotations

from collections import deque, namedtuple

import numpy as np

from octomodel.kernels.model import Load, Machine, Model, Program
from octomodel.testing.reference_draws import Draws
from octomodel.testing.reference_state import (
    DEAD,
    IDLE,
    Cluster,
    Graph,
    Group,
    Link,
    Pipeline,
    Request,
    Station,
    Tbu,
)
from octomodel.testing.reference_world import World, cycles_for


def build_world(model: Model, log: bool) -> World:
    """Return the world of a model at cycle 0, before anything has happened."""
    program, machine, load, rules = model
    groups = [Group() for _ in range(max(machine.cluster_group.tolist(), default=-1) + 1)]
    tbus = _tbus(program, machine)
    clusters = _clusters(program, machine, tbus, groups, rules.rows)
    pipelines = _pipelines(program, machine, load, clusters)
    latencies = [link.latency for cluster in clusters for link in cluster.links if link.to >= 0]
    reload_rate = (machine.reload_rate_bytes, machine.reload_rate_cycles)
    world = World(
        graph=_graph(program),
        draws=Draws(program, load),
        clusters=clusters,
        pipelines=pipelines,
        groups=groups,
        hops=_hops(clusters),
        rules=rules,
        params=namedtuple("Params", rules.names)(*rules.values.tolist()),
        closed=bool(load.closed),
        step=load.step if latencies and load.step > min(latencies) else 0,
        local_rate=(machine.local_bytes, machine.local_cycles),
        local_latency=machine.local_latency,
        decision_cycles=machine.decision_cycles,
        switch_cycles=machine.switch_cycles,
        background_load=bool(machine.background_load),
        reload_lengths=[
            machine.reload_cycles + cycles_for(size, reload_rate) for size in program.config_bytes.tolist()
        ],
        epoch=machine.epoch,
        epochs=load.epochs,
        epoch_stride=load.epoch_stride,
        surplus_after=machine.surplus_after,
        report_bytes=machine.report_bytes,
        control_bytes=machine.control_bytes,
        events=[] if log else None,
    )
    for cluster in clusters:
        if world.active(cluster.group):
            world.schedule(world.epoch, cluster.index)
    for pipeline in pipelines:
        for request in pipeline.requests:
            world.schedule(0 if world.closed else request.arrival, pipeline.home)
    return world


def _graph(program: Program) -> Graph:
    first: list[int] = program.edge_indptr.tolist()
    edges: list[int] = program.edge_node.tolist()
    return Graph(
        kind=program.node_kind.tolist(),
        task=program.node_task.tolist(),
        join=program.node_join.tolist(),
        loop=program.node_loop.tolist(),
        out_bytes=program.node_out_bytes.tolist(),
        milestone=program.node_milestone.tolist(),
        fan_out=program.node_fan_out.tolist(),
        out=[edges[a:b] for a, b in zip(first, first[1:], strict=False)],
        config=program.task_config.tolist(),
        speedup=program.task_speedup.tolist(),
        in_bytes=int(program.in_bytes),
    )


def _tbus(program: Program, machine: Machine) -> list[Tbu]:
    first: list[int] = machine.cluster_tbu.tolist()
    config: list[int] = program.task_config.tolist()
    tbus = []
    for index, cluster in enumerate(machine.tbu_cluster.tolist()):
        home = int(machine.tbu_task[index])
        dead = bool(machine.tbu_dead[index])
        residents: list[int] = machine.tbu_resident[index].tolist()
        tbus.append(
            Tbu(
                index=index,
                place=index - first[cluster],
                home=home,
                dead=dead,
                speed=float(machine.tbu_speed[index]),
                residents=residents,
                in_vain=set(),
                ran_at=[-1] * len(residents),
                last_config=config[home] if home >= 0 else -1,
                stage=DEAD if dead else IDLE,
                state=DEAD if dead else IDLE,
            )
        )
    return tbus


def _clusters(
    program: Program, machine: Machine, tbus: list[Tbu], groups: list[Group], rows: int
) -> list[Cluster]:
    clusters = []
    first: list[int] = machine.cluster_tbu.tolist()
    for index in range(len(first) - 1):
        mine = tbus[first[index] : first[index + 1]]
        stations = {}
        for task, slots in enumerate(program.task_slots.tolist()):
            owners = [tbu for tbu in mine if tbu.home == task and not tbu.dead]
            if owners:
                stations[task] = Station(task, slots, owners, len(owners))
        links = [
            Link(
                to=int(machine.link_cluster[link]),
                latency=int(machine.link_latency[link]),
                rate=(int(machine.link_bytes[link]), int(machine.link_cycles[link])),
            )
            for link in range(4 * index, 4 * index + 4)
        ]
        clusters.append(
            Cluster(
                index=index,
                tbus=mine,
                stations=stations,
                cbus=int(machine.cluster_cbus[index]),
                spill_slots=int(machine.cluster_spill[index]),
                links=links,
                group=groups[int(machine.cluster_group[index])],
                pipeline=None,
                memory=np.zeros((rows, len(program.task_slots))),
            )
        )
    return clusters


def _pipelines(program: Program, machine: Machine, load: Load, clusters: list[Cluster]) -> list[Pipeline]:
    pipelines = []
    first: list[int] = load.source_indptr.tolist()
    numbers: list[int] = load.source_request.tolist()
    arrivals: list[int] = load.source_arrival.tolist()
    phases: list[int] = load.request_phase.tolist()
    for index, home in enumerate(machine.pipeline_home.tolist()):
        members = [c for c, pipeline in enumerate(machine.cluster_pipeline.tolist()) if pipeline == index]
        tasks = range(len(program.task_node))
        candidates = {task: [c for c in members if task in clusters[c].stations] for task in tasks}
        requests = [
            Request(
                number=numbers[at],
                pipeline=index,
                phase=phases[numbers[at]] if phases else 0,
                arrival=-1 if load.closed else arrivals[at],
                milestones=[-1] * program.n_milestone,
            )
            for at in range(first[index], first[index + 1])
        ]
        pipeline = Pipeline(
            home=home,
            window=int(machine.pipeline_window[index]),
            requests=requests,
            group=clusters[home].group,
            candidates=candidates,
            reports=any(len(where) > 1 for where in candidates.values()),
            clusters=members,
        )
        pipeline.group.left += len(requests)
        clusters[home].sources.append(pipeline)
        for c in members:
            clusters[c].pipeline = pipeline
        pipelines.append(pipeline)
    return pipelines


def _hops(clusters: list[Cluster]) -> list[list[int]]:
    """Return for each pair (from, to) the fewest live links; without a path the number of clusters."""
    senders: list[list[int]] = [[] for _ in clusters]
    for cluster in clusters:
        for link in cluster.links:
            if link.to >= 0:
                senders[link.to].append(cluster.index)
    hops = [[len(clusters)] * len(clusters) for _ in clusters]
    for target in range(len(clusters)):
        hops[target][target] = 0
        reached = deque([target])
        while reached:
            here = reached.popleft()
            for sender in senders[here]:
                if hops[sender][target] == len(clusters):
                    hops[sender][target] = hops[here][target] + 1
                    reached.append(sender)
    return hops
