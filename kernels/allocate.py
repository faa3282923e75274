"""Make the world of a run from its model: pure array work, before the first cycle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _functions
from . import world as wd
from .codes import DEAD, IDLE, MAX_CYCLE, N_CAUSES, NEVER, NO_EVENT
from .model import JOIN, NO_HORIZON, Model
from .pools import pool_sizes
from .world import World

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
FAR = 2**40  # lookahead of a group without links
CONSTANT = frozenset(
    "node edge_node edge_weight law_at law knots task attribute attribute_values candidate_first candidate member"
    " group_cluster route_port params".split()
)
"""What no kernel writes: the optimiser may keep what it has read."""


def _starts(counts: I64) -> I64:
    """Return where each run of a flat list begins, and the end of the last."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _filled(dtype: np.dtype[Any], n: int, **columns: Any) -> wd.Records:
    """Return ``n`` records with the given columns, 0 elsewhere."""
    records = np.zeros(n, dtype)
    for name, values in columns.items():
        records[name] = values
    return records


def _fixed(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view: one type for the compiled kernel, whatever the array was."""
    view = np.ascontiguousarray(array).reshape(-1).view()
    view.flags.writeable = False
    return view


def _reloads(model: Model) -> I64:
    """Return the cycles of a reload for each TB, without waiting (rule 5.3)."""
    p, m = model.program, model.machine
    n_bytes = p.config_bytes[p.task_config]
    if m.reload_rate_bytes == 0:
        return np.full(len(n_bytes), m.reload_cycles, np.int64)
    return m.reload_cycles - (-n_bytes * m.reload_rate_cycles // m.reload_rate_bytes)


def _or_zeros(values: NDArray[Any], n: int) -> NDArray[Any]:
    return values if len(values) else np.zeros(n)


def _program(model: Model) -> dict[str, Any]:
    p = model.program
    joins = p.node_kind == JOIN
    # where a node has no law nobody looks
    law = np.maximum(p.node_law.reshape(-1), 0)
    used = np.flatnonzero(np.diff(p.attribute_indptr) > 0)
    first = p.attribute_indptr[:-1]
    if not np.all(p.attribute_law[used] < 0):
        raise ValueError("an attribute has both a law and a series")
    return {
        "node": _filled(
            wd.NODE,
            len(p.node_kind),
            kind=p.node_kind,
            task=p.node_task,
            join=p.node_join,
            loop=p.node_loop,
            out_bytes=p.node_out_bytes,
            attribute=p.node_attribute,
            select=p.node_select,
            items=p.node_items,
            milestone=p.node_milestone,
            fan_out=p.node_fan_out,
            edge=p.edge_indptr[:-1],
            edge_end=p.edge_indptr[1:],
            join_number=np.where(joins, np.cumsum(joins) - 1, -1),
        ),
        "edge_node": p.edge_node,
        "edge_weight": p.edge_weight,
        "law_at": _filled(
            wd.LAW_AT,
            p.node_law.size,
            kind=p.law_kind[law],
            offset=p.law_offset[law],
            size=p.law_size[law],
            base=p.node_base.reshape(-1),
            slope=p.node_slope.reshape(-1),
        ),
        "law": _filled(wd.LAW, len(p.law_kind), kind=p.law_kind, offset=p.law_offset, size=p.law_size),
        "knots": p.knots,
        "task": _filled(
            wd.TASK,
            len(p.task_node),
            node=p.task_node,
            config=p.task_config,
            reload=_reloads(model),
            speedup=p.task_speedup,
            cycles=_or_zeros(model.rules.task_cycles, len(p.task_node)),
            demand=_or_zeros(model.rules.task_demand, len(p.task_node)),
            bytes=_or_zeros(model.rules.task_bytes, len(p.task_node)),
        ),
        "flow": _filled(
            wd.FLOW,
            len(model.rules.flow_from),
            source=model.rules.flow_from,
            target=model.rules.flow_to,
            tokens=model.rules.flow_tokens,
        ),
        "attribute": _filled(
            wd.ATTRIBUTE,
            len(p.attribute_law),
            law=p.attribute_law,
            first=first,
            count=np.diff(p.attribute_indptr),
        ),
        "attribute_values": p.attribute_values,
    }


def _stations(model: Model) -> tuple[wd.Records, I64]:
    """Return the stations, cluster by cluster, and the list of their owners."""
    p, m = model.program, model.machine
    n_task, n_cluster = len(p.task_node), len(m.cluster_cbus)
    owners = np.flatnonzero((m.tbu_task >= 0) & (m.tbu_dead == 0))
    number = m.tbu_cluster[owners] * n_task + m.tbu_task[owners]
    ends = _starts(np.bincount(number, minlength=n_cluster * n_task))
    have = np.diff(ends)
    stations = _filled(wd.STATION, n_cluster * n_task, owner=ends[:-1], owners=have, mapped=have, idle=have)
    stations["slots"] = np.where(have > 0, np.tile(p.task_slots, n_cluster), 0)
    return stations, owners[np.argsort(number, kind="stable")]


def _machine(model: Model) -> dict[str, Any]:
    p, m, load = model.program, model.machine, model.load
    n_task, n_cluster, n_pipeline = len(p.task_node), len(m.cluster_cbus), len(m.pipeline_home)
    stations, owner = _stations(model)
    home = m.tbu_task >= 0
    tbu = _filled(
        wd.TBU,
        len(m.tbu_task),
        cluster=m.tbu_cluster,
        number=np.arange(len(m.tbu_task)) - m.cluster_tbu[m.tbu_cluster],
        task=np.where(m.tbu_dead == 0, m.tbu_task, -1),
        state=np.where(m.tbu_dead == 0, IDLE, DEAD),
        token=-1,
        reserved=-1,
        tb=-1,
        next=-1,
        change=-1,
        speed=m.tbu_speed,
    )
    tbu["config"] = np.where(home, p.task_config[np.where(home, m.tbu_task, 0)], -1)
    member = np.argsort(m.cluster_pipeline, kind="stable")
    member_first = _starts(np.bincount(m.cluster_pipeline, minlength=n_pipeline))
    # stations by pipeline, then TB: where a token of the pipeline can go
    number = np.flatnonzero(stations["mapped"] > 0)
    cluster, task = number // n_task, number % n_task
    at = m.cluster_pipeline[cluster] * n_task + task
    candidates = np.bincount(at, minlength=n_pipeline * n_task)
    reports = np.zeros(n_pipeline, np.int64)
    reports[np.flatnonzero(candidates > 1) // n_task] = 1
    first_sample = m.epoch * load.epoch_stride if _last_sample(model) > 0 else NEVER
    order = np.argsort(m.cluster_group, kind="stable")
    sizes = np.bincount(m.cluster_group)
    group = _filled(wd.GROUP, len(sizes), first=_starts(sizes)[:-1], end=_starts(sizes)[1:], lookahead=FAR)
    linked = m.link_cluster >= 0
    np.minimum.at(group["lookahead"], m.cluster_group[np.flatnonzero(linked) // 4], m.link_latency[linked])
    requests = np.diff(load.source_indptr)
    np.add.at(group["unfinished"], m.cluster_group[m.pipeline_home], requests)
    arrival = np.full(n_cluster, NEVER)
    waiting = requests > 0
    arrival[m.pipeline_home[waiting]] = load.source_arrival[load.source_indptr[:-1][waiting]]
    reported = _reported(model, stations, reports, member, member_first)
    pipeline_of = m.cluster_pipeline
    spill = m.cluster_spill
    # a leaf for each TBU, so many that every place above has two below
    leaves = 2 ** np.ceil(np.log2(np.diff(m.cluster_tbu))).astype(np.int64)
    return {
        "candidate_first": _starts(candidates),
        "candidate": cluster[np.argsort(at, kind="stable")],
        "owner": owner,
        "member": member,
        "group_cluster": order,
        "route_port": m.route_port,
        "tbu": tbu,
        "tbu_cycles": np.zeros(len(tbu) * N_CAUSES, np.int64),
        "events": np.full(2 * int(leaves.sum()), NO_EVENT),
        "resident": _filled(wd.RESIDENT, m.tbu_resident.size, config=m.tbu_resident.reshape(-1), used=-1),
        "station": stations,
        "cluster": _filled(
            wd.CLUSTER,
            n_cluster,
            group=m.cluster_group,
            pipeline=pipeline_of,
            member=np.argsort(member, kind="stable") - member_first[pipeline_of],
            tbu=m.cluster_tbu[:-1],
            tbu_end=m.cluster_tbu[1:],
            # a slot is looked at before phase 4 only where a route has a choice or a slot is a TBU
            direct=(reports[pipeline_of] == 0) & (p.task_slots.min() > 0),
            events=2 * _starts(leaves)[:-1],
            leaves=leaves,
            free_cbus=m.cluster_cbus,
            arrival=arrival,
            hook=np.where((reports[pipeline_of] > 0) | model.rules.couples, m.epoch, first_sample),
            spill_free=spill,
            spill_slots=spill,
            next=NEVER,
        ),
        "queue": _filled(wd.QUEUE, 3 * n_cluster * n_task + 5 * n_cluster, head=-1, tail=-1),
        "link": _filled(
            wd.LINK,
            len(m.link_cluster),
            cluster=m.link_cluster,
            latency=m.link_latency,
            rate_bytes=m.link_bytes,
            rate_cycles=m.link_cycles,
        ),
        "pipeline": _filled(
            wd.PIPELINE,
            n_pipeline,
            home=m.pipeline_home,
            window=m.pipeline_window,
            next=load.source_indptr[:-1],
            end=load.source_indptr[1:],
            member_first=member_first[:-1],
            members=np.diff(member_first),
            reports=reports,
        ),
        "group": group,
        "reported": reported,
        "heard": np.zeros(len(reported) // n_task, np.int64),
        "params": model.rules.values if len(model.rules.values) else np.zeros(1),
        "policy_state": np.zeros(n_cluster * model.rules.rows * n_task),
        "sample": _filled(wd.SAMPLE, load.epochs * len(stations), **dict.fromkeys(wd.SAMPLE.names or (), -1)),
    }


def _report_slots(model: Model) -> int:
    """Return how many reports a cluster remembers: one of each member of its pipeline, and of each neighbour."""
    return int(np.bincount(model.machine.cluster_pipeline).max()) + (4 if model.rules.rebalance is not None else 0)


def _reported(model: Model, stations: wd.Records, reports: I64, member: I64, first: I64) -> wd.Records:
    """Return what the clusters know of each other before the first report: the others are empty (rules 7.3, 13.6)."""
    n_cluster, n_task = len(model.machine.cluster_cbus), len(model.program.task_node)
    slots, rebalances = _report_slots(model), model.rules.rebalance is not None
    place = stations.reshape(n_cluster, n_task)
    reported = _filled(wd.REPORTED, n_cluster * slots * n_task if reports.any() or rebalances else 0)
    if not len(reported):
        return reported
    seen = reported.reshape(n_cluster, slots, n_task)
    free = np.where(place["slots"] == 0, place["idle"], place["slots"])
    free[place["mapped"] == 0] = 0
    for pipeline in range(len(reports)):
        inside = member[first[pipeline] : first[pipeline + 1]]
        seen["free"][inside, : len(inside)] = free[inside][None]
        seen["owners"][inside, : len(inside)] = place["mapped"][inside][None]
    if rebalances:
        link = model.machine.link_cluster.reshape(n_cluster, 4)
        known = link >= 0
        seen["free"][:, -4:][known] = free[link[known]]
        seen["owners"][:, -4:][known] = place["mapped"][link[known]]
    return reported


def _last_sample(model: Model) -> int:
    """Return the cycle of the last sample that a run can reach, 0 for none (rules 8.6 and 9.5)."""
    between = model.machine.epoch * model.load.epoch_stride
    return min(model.load.epochs, (MAX_CYCLE - 1) // between) * between


def shared(model: Model) -> dict[str, Any]:
    """Return the arrays that all workers share."""
    load = model.load
    n_request = len(load.source_request)
    arrays = {**_program(model), **_machine(model)}
    return {
        **{name: _fixed(array) if name in CONSTANT else array for name, array in arrays.items()},
        "source_request": _fixed(load.source_request),
        "request_phase": _fixed(load.request_phase),
        # written for a closed load only; for others no second copy is held
        "request_arrival": load.source_arrival.copy() if load.closed else np.require(load.source_arrival, np.int64, ["C", "W"]),
        "request_end": np.full(n_request, -1, np.int64),
        "request_milestone": np.full(n_request * model.program.n_milestone, -1, np.int64),
    }


def _controls(model: Model, fields: dict[str, Any], pools: dict[str, int]) -> wd.Records:
    p, m, load = model.program, model.machine, model.load
    linked = m.link_latency[m.link_cluster >= 0]
    inexact = load.step > 0 and len(linked) > 0 and load.step > int(linked.min())
    scalars = {**p._asdict(), **m._asdict(), **load._asdict()}
    values = {name: scalars[name] for name in wd.CONTROLS.names or () if name in scalars}
    values |= {
        "n_node": len(p.node_kind),
        "n_task": len(p.task_node),
        "n_join": int((p.node_kind == JOIN).sum()),
        "n_attribute": len(p.attribute_law),
        "n_cluster": len(m.cluster_cbus),
        "n_residents": m.tbu_resident.shape[1],
        "report_slots": _report_slots(model),
        "state_rows": model.rules.rows,
        "load_queues": 3 * len(fields["station"]) + 4 * len(m.cluster_cbus),
        "rounding": load.step if inexact else 0,
        "horizon": min(load.horizon, NO_HORIZON),
        "last_sample": _last_sample(model),
        "cluster_queues": 3 * len(fields["station"]),
        "n_free_requests": pools["requests"],
        "n_free_reports": pools["reports"],
    }
    return _filled(wd.CONTROLS, 1, **values)


def worker(model: Model, fields: dict[str, Any]) -> World:
    """Return the world of one worker around the shared arrays."""
    pools = pool_sizes(model, fields)
    p = model.program
    n_task = len(p.task_node)
    ctl = _controls(model, fields, pools)
    branches = int(np.diff(p.edge_indptr).max())
    own = {
        "token": _filled(wd.TOKEN, pools["tokens"], next=np.arange(1, pools["tokens"] + 1)),
        "request": _filled(wd.REQUEST, pools["requests"], next=np.arange(1, pools["requests"] + 1)),
        "visits": np.zeros(pools["requests"] * len(p.node_kind), np.int64),
        "counters": np.zeros(pools["requests"] * p.n_loop, np.int64),
        "attributes": np.zeros(pools["requests"] * len(p.attribute_law)),
        "join": np.zeros(pools["requests"] * int(ctl["n_join"][0]), wd.JOIN),
        "snapshot": np.zeros(pools["reports"] * n_task, wd.REPORTED),
        "snapshot_next": np.arange(1, pools["reports"] + 1),
        "order": np.zeros(int((fields["group"]["end"] - fields["group"]["first"]).max()), np.int64),
        "due_push": np.zeros(n_task, np.int64),
        "due_take": np.zeros(n_task, np.int64),
        "stack": np.zeros(len(p.edge_node) + len(p.node_kind), np.int64),
        "drawn": np.zeros(2 * branches, np.int64),
        "option": np.zeros(int(fields["pipeline"]["members"].max()), wd.OPTION),
        "plan": np.zeros(_plan_items(model), wd.PLAN),
        "ctl": ctl,
    }
    world = World(**fields, **own)
    for kind in _functions.KINDS:
        ctl[kind] = _functions.address(model.rules, kind, world)
        ctl["asks"] |= ctl[kind] != 0
    return world


def _plan_items(model: Model) -> int:
    """Return how many items a plan holds (rule 13.10)."""
    if model.rules.rebalance is None:
        return 0
    return 4 * (int(np.diff(model.machine.cluster_tbu).max()) + len(model.program.task_node))
