"""The state of a run: one record array per entity, made here and advanced by the kernels.

Every array is one-dimensional and C-contiguous; a record holds what belongs to one entity. Links are ``4 * cluster +
port``, stations ``cluster * n_task + task``. Lists are intrusive: a token stands in at most one list and ``next``
points on (-1: end). The arrays named first are shared by all workers (each worker touches only the groups it owns);
those from ``token`` on are a worker's own.

A kernel's docstring ends with what it touches of them itself: *in* is read, *in-out* changed, *out* written without being
read. What a called kernel touches stands there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Records = NDArray[Any]


def record(integers: str, floats: str = "") -> np.dtype[Any]:
    """Return the dtype with these int64 and float64 fields."""
    return np.dtype([(f, np.int64) for f in integers.split()] + [(f, np.float64) for f in floats.split()], align=True)


NODE = record("kind task join loop out_bytes attribute select items milestone fan_out edge edge_end join_number")
LAW_AT = record("kind offset size", "base slope")
LAW = record("kind offset size")
TASK = record("node config reload bytes", "speedup cycles demand")
FLOW = record("source target", "tokens")
ATTRIBUTE = record("law first count")
TBU = record(
    "state since stage token pending task special config reserved run_start number cluster lent tb control asked places"
    " next change",
    "speed",
)
RESIDENT = record("config used loaded")
QUEUE = record("head tail")
STATION = record(
    "owner owners idle slots used line_len fresh_len again_len busy push_due take_due executions run_cycles"
    " fresh_taken fresh_wait queue_integral queue_since queue_max recirculation_taken recirculation_wait"
    " line_wait mapped",
)
CLUSTER = record(
    "events leaves arrival hook next tbu direct news place group pipeline member tbu_end free_cbus ingress_order"
    " spill_free spill_slots port_free ask_port asking ingress decisions cbu_busy cbu_wait ingress_max spill_max"
    " lendings refusals asks steals switches reloads misroutes plan_refusals owner_changes background_loads"
    " hidden_reload_cycles wasted_reloads moves moved_bytes",
)
LINK = record("cluster latency rate_bytes rate_cycles free messages bytes busy wait")
PIPELINE = record("home window next end in_flight member_first members reports admitted source_wait")
GROUP = record("first end unfinished last_end lookahead fingerprint")
REPORTED = record("free present owners backlog", "load")
SAMPLE = record("backlog arrived owners running owners_idle owners_blocked wanting")
OPTION = record("cluster hops free present owners")
PLAN = record("kind tbu tb port tokens")
TOKEN = record("next kind request node bytes mark holder place time key cluster answer since owner routed visit", "work")
REQUEST = record("next id place key phase pipeline")
JOIN = record("cluster left bytes mark")
CONTROLS = record(
    "n_node n_task n_loop n_join n_milestone n_attribute n_rows n_cols torus n_cluster n_residents"
    " closed in_bytes seed_key horizon step dispatch route rebalance local_bytes local_cycles local_latency decision_cycles"
    " switch_cycles background_load epoch epoch_stride surplus_after report_bytes"
    " control_bytes last_sample rounding cluster_queues others budget h1 h2 executions free_token free_request"
    " n_free_requests free_report n_free_reports needed stack order_n push_n take_n group group_end started"
    " failed failed_cluster failed_at now report_slots state_rows token_tb token_bytes plan_n load_queues asks",
)


class World(NamedTuple):
    """All arrays of one worker."""

    node: Records
    edge_node: I64
    edge_weight: F64  # phase * n_edge + edge
    law_at: Records  # phase * n_node + node
    law: Records
    knots: I64
    task: Records
    flow: Records
    attribute: Records
    attribute_values: F64
    candidate_first: I64  # pipeline * n_task + task, one more at the end
    candidate: I64  # clusters
    owner: I64  # TBUs, by station; those of one cluster stand together
    member: I64  # clusters, by pipeline
    group_cluster: I64  # clusters, by group
    route_port: NDArray[np.int8]  # cluster * n_cluster + cluster, or empty
    source_request: I64
    request_phase: NDArray[np.int16]
    tbu: Records
    tbu_cycles: I64  # tbu * N_CAUSES + state
    events: I64  # per cluster, from ``events`` on: tree of cycle << TBU_BITS | number, the root at 1, see heap.py
    resident: Records  # tbu * n_residents + place
    station: Records
    cluster: Records
    queue: Records  # three of each station, four of each cluster, then background loads of each cluster; see lists.py
    link: Records
    pipeline: Records
    group: Records
    reported: Records  # (cluster * report_slots + slot) * n_task + task, or empty; slots: members, then maybe ports
    heard: I64  # cluster * report_slots + slot: when what is reported was sent, or empty
    sample: Records  # (epoch * n_cluster + cluster) * n_task + task, or empty
    request_arrival: I64  # by place in the sources, as a pipeline takes them; a closed load's are written at admission
    request_end: I64  # by place
    request_milestone: I64  # milestone * n_request + place
    token: Records
    request: Records
    visits: I64  # slot * n_node + node
    counters: I64  # slot * n_loop + loop
    attributes: F64  # slot * n_attribute + attribute
    join: Records  # slot * n_join + join number
    snapshot: Records  # row * n_task + task: reports on their way
    snapshot_next: I64  # free list of rows
    order: I64  # heap of the group's clusters by next cycle
    due_push: I64  # scratch: stations whose line is to be looked at, by TB
    due_take: I64  # scratch: stations that may hand out tokens, by TB
    stack: I64  # scratch: tokens that advance, children in reverse order
    drawn: I64  # scratch of one select: times each branch is drawn, then whether it is drawn for this item
    option: Records  # scratch: the candidates of one route
    params: F64  # of the policy
    policy_state: F64  # (cluster * state_rows + row) * n_task + task
    plan: Records  # scratch: the items of one plan
    ctl: Records  # one record
