"""Machines and mappings of the generated scenarios: one to nine clusters, faults, scarce everything."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from octomodel import faults, mapping
from octomodel.hardware import System
from octomodel.mapping import Mapping
from octomodel.testing.scenarios_choice import Choice
from octomodel.workflow import Workflow

SHAPES = {
    (1, 1): 5.0,
    (1, 2): 3.0,
    (2, 1): 1.0,
    (1, 3): 2.0,
    (2, 2): 2.0,
    (1, 4): 1.0,
    (2, 3): 2.0,
    (3, 3): 1.5,
}
MOST_TBUS = 6
MORE_TBUS = 4


def make_machine(choose: Choice, workflow: Workflow, large: bool, roomy: bool) -> tuple[System, Mapping]:
    """Return a machine on which the workflow fits, and a mapping.

    Parameters
    ----------
    choose : Choice
        Makes all choices.
    workflow : Workflow
        What runs.
    large : bool
        Whether very many executions follow, for which a small machine is enough.
    roomy : bool
        Whether owners are to change and tokens to move: neighbours, and TBs with several owners, are wanted.
    """
    tasks = len(workflow.tasks)
    shapes = {shape: w for shape, w in SHAPES.items() if not large or shape[0] * shape[1] <= 3}
    rows, cols = choose.weighted({shape: w for shape, w in shapes.items() if not roomy or shape != (1, 1)})
    tbus = max(choose.integer(1, MOST_TBUS) + MORE_TBUS * roomy, -(-tasks // (rows * cols)))
    system = _system(choose, workflow, rows, cols, tbus)
    if roomy and choose.chance(0.7):
        # with more places all configurations of a cluster are mostly there
        system = system.with_(resident_slots=2)
    if choose.chance(0.45):
        system = _with_faults(choose, system)
    if system.n_tbu - faults.dead_tbus(system).sum() < tasks:
        system = system.with_(dead_tbus=(), tbu_fault_rate=0.0)
    placed = _explicit(choose, workflow, system) if choose.chance(0.45) else _made(choose, workflow, system)
    if not _connected(system, placed):
        system = system.with_(dead_links=(), link_fault_rate=0.0)
    return system, placed


def _system(choose: Choice, workflow: Workflow, rows: int, cols: int, tbus: int) -> System:
    rates = (None, 1, 4, 8, 0.5, Fraction(3, 2))
    decision = 0 if choose.chance(0.5) else choose.integer(1, 9)
    dies = choose.chance(0.4)
    return System(
        rows,
        cols,
        tbus=tbus,
        cbus=choose.integer(1 if decision else 0, 2),
        decision_cycles=decision,
        peas=choose.weighted({1: 3, 2: 1, 4: 1}),
        tbu_speed=_speed(choose, rows * cols, tbus),
        resident_slots=choose.weighted({1: 1, 2: 1, 3: 2}),
        switch_cycles=choose.weighted({0: 1, 1: 1, 7: 1}),
        reload_cycles=choose.weighted({0: 1, 3: 1, 20: 1}),
        reload_bytes_per_cycle=choose.pick(rates),
        queue_slots=_slots(choose, workflow),
        spill_slots=choose.weighted({None: 3, 0: 1, 1: 1, 3: 1, 8: 1}),
        local_bytes_per_cycle=choose.pick(rates),
        local_latency_cycles=choose.weighted({0: 3, 1: 1, 3: 1}),
        link_bytes_per_cycle=choose.pick(rates),
        link_latency_cycles=choose.integer(1, 6),
        torus=rows * cols > 1 and choose.chance(0.3),
        die=(choose.integer(1, rows), choose.integer(1, cols)) if dies else None,
        die_link_bytes_per_cycle=choose.pick(rates) if dies else None,
        die_link_latency_cycles=choose.integer(1, 15) if dies else 1,
        surplus_after_cycles=choose.weighted({None: 2, 0: 1, 5: 1, 40: 1}),
        report_bytes=choose.weighted({0: 1, 4: 2, 16: 1}),
        control_bytes=choose.weighted({0: 1, 2: 2}),
    )


def _speed(choose: Choice, clusters: int, tbus: int) -> float | tuple[float, ...]:
    speeds = (1.0, 1.0, 0.5, 2.0, 1.25)
    form = choose.weighted({"one": 6, "cluster": 1, "all": 1, "slow": 1})
    if form == "one":
        return 1.0
    if form == "slow":
        return 0.75
    return tuple(choose.pick(speeds) for _ in range(tbus if form == "cluster" else clusters * tbus))


def _slots(choose: Choice, workflow: Workflow) -> int | dict[str, int]:
    every = choose.weighted({0: 2, 1: 3, 2: 3, 3: 1, 4: 2})
    if choose.chance(0.7):
        return every
    return {task.name: choose.integer(0, 4) for task in workflow.tasks if choose.chance(0.8)}


def _with_faults(choose: Choice, system: System) -> System:
    if choose.chance(0.7):
        if choose.chance(0.5):
            dead = [choose.integer(0, system.n_tbu - 1) for _ in range(choose.integer(1, 3))]
            system = system.with_(dead_tbus=dead)
        else:
            system = system.with_(tbu_fault_rate=0.15, fault_seed=choose.integer(0, 99))
    if system.n_cluster == 1:
        return system
    if choose.chance(0.5):
        system = system.with_(link_fault_rate=0.25, fault_seed=choose.integer(0, 99))
    elif choose.chance(0.8):
        cluster = choose.integer(0, system.n_cluster - 1)
        others = [system.neighbour(cluster, port) for port in range(4)]
        system = system.with_(dead_links=[(cluster, choose.pick([c for c in others if c >= 0]))])
    return system


def _made(choose: Choice, workflow: Workflow, system: System) -> Mapping:
    phases = workflow.phases.names if workflow.phases is not None else ()
    return mapping.make(
        workflow,
        system,
        method=choose.pick(mapping.METHODS),
        profile=choose.pick(phases) if phases and choose.chance(0.3) else None,
        clusters_per_pipeline=min(system.n_cluster, choose.weighted({1: 2, 2: 2, 3: 1})),
    )


def _explicit(choose: Choice, workflow: Workflow, system: System) -> Mapping:
    """Return a mapping whose pipelines, not always in one piece, have their owners anywhere, some TBUs no home."""
    tasks = len(workflow.tasks)
    live = (~faults.dead_tbus(system)).reshape(system.n_cluster, system.tbus).sum(axis=1)
    order = mapping.boustrophedon(system).tolist()
    if choose.chance(0.3):
        order = choose.shuffled(order)
    groups: list[list[int]] = [[]]
    wanted = choose.integer(1, 3)
    for cluster in order:
        if len(groups[-1]) >= wanted and live[groups[-1]].sum() >= tasks:
            groups.append([])
        groups[-1].append(cluster)
    if live[groups[-1]].sum() < tasks:
        last = groups.pop()
        groups[-1].extend(last)
    pipeline = np.zeros(system.n_cluster, dtype=np.int64)
    alloc = np.zeros((system.n_cluster, tasks), dtype=np.int64)
    for number, clusters in enumerate(groups):
        pipeline[clusters] = number
        places = choose.shuffled([cluster for cluster in clusters for _ in range(live[cluster])])
        for i, cluster in enumerate(places):
            if i < tasks:
                alloc[cluster, i] += 1
            elif choose.chance(0.8):
                alloc[cluster, choose.integer(0, tasks - 1)] += 1
    return mapping.explicit(workflow, system, alloc, pipeline=pipeline.tolist())


def _connected(system: System, placed: Mapping) -> bool:
    """Tell whether the clusters of each pipeline can reach each other over live links."""
    other = faults.links(system).reshape(-1, 4)
    for number in range(placed.n_pipeline):
        members = np.flatnonzero(placed.pipeline == number).tolist()
        reached = {members[0]}
        front = [members[0]]
        while front:
            found = {int(c) for c in other[front.pop()] if c >= 0} - reached
            reached |= found
            front.extend(found)
        if not reached.issuperset(members):
            return False
    return True
