"""What one run is given: the lowered program, machine, mapping and load as plain arrays, never written by a kernel.

Made by ``octomodel.lower`` and read alike by the kernel and by the reference. Indices are int64 unless said otherwise,
-1 means none, times are cycles, sizes bytes. A rate is a pair (bytes, cycles): ``b`` bytes take ``ceil(b * cycles /
bytes)`` cycles, and none when ``bytes`` is 0 (no limit). Rule numbers are those of ``docs/semantics.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

# node kinds (rule 1.1)
TASK, BRANCH, COUNT, UNTIL, AGAIN, FORK, SELECT, JOIN, END = range(9)
# laws (rule 2.2)
CONSTANT, STEPS, CURVE = range(3)
# ports, also the sides from which messages arrive (rules 3.2, 7.2); the opposite of p is p ^ 1
WEST, EAST, NORTH, SOUTH = range(4)
NO_HORIZON = 2**62


class Program(NamedTuple):
    """The workflow: nodes, edges, laws; ``[phase, ...]`` arrays hold what may change between phases."""

    node_kind: I64  # [node]
    node_task: I64  # [node] TB of a TASK, else -1
    node_join: I64  # [node] JOIN of a FORK or SELECT, else -1
    node_loop: I64  # [node] loop counter of a COUNT or UNTIL, else -1
    node_out_bytes: I64  # [node] payload after a TASK, else 0
    node_attribute: I64  # [node] attribute that scales the law of a TASK or COUNT, or -1
    node_select: I64  # [node] k of a SELECT, else 0
    node_items: I64  # [node] items of a SELECT, else 0
    node_milestone: I64  # [node] milestone recorded at the first completion of this TASK, or -1
    node_fan_out: I64  # [node] fan-out of a TASK (rule 6.4), else 0
    edge_indptr: I64  # [node + 1]
    edge_node: I64  # [edge] destination; order as in rule 1.1
    edge_weight: (
        F64  # [phase, edge] BRANCH: running sums, the last 1.0; AGAIN: p and 1.0; SELECT: weights; else 0
    )
    node_law: I64  # [phase, node] law of a TASK or COUNT, else -1
    node_base: F64  # [phase, node]
    node_slope: F64  # [phase, node]
    task_node: I64  # [tb]
    task_config: I64  # [tb]
    task_slots: I64  # [tb] queue slots of each of its stations
    task_speedup: F64  # [tb]
    config_bytes: I64  # [config]
    attribute_law: I64  # [attribute] law, or -1: a given series
    attribute_indptr: I64  # [attribute + 1] into attribute_values (empty range for a law)
    attribute_values: F64
    law_kind: I64  # [law]
    law_offset: I64  # [law] into knots
    law_size: I64  # [law] STEPS: n; CURVE: levels; CONSTANT: 1
    knots: I64  # units of 2^-16 cycle
    n_loop: int
    n_milestone: int
    in_bytes: int


class Machine(NamedTuple):
    """The machine with its faults, and the mapping (who owns what, made once before the run)."""

    tbu_cluster: I64  # [tbu] clusters hold consecutive TBUs
    cluster_tbu: I64  # [cluster + 1] first TBU of each cluster
    tbu_task: I64  # [tbu] home TB, -1: none
    tbu_dead: I64  # [tbu] 0 or 1
    tbu_speed: F64  # [tbu]
    tbu_resident: I64  # [tbu, resident slot] configurations at cycle 0, -1: empty
    cluster_cbus: I64  # [cluster]
    cluster_spill: I64  # [cluster] spill slots
    cluster_pipeline: I64  # [cluster]
    pipeline_home: I64  # [pipeline] cluster (rule 8.1)
    pipeline_window: I64  # [pipeline] in_flight, -1: unlimited
    cluster_group: I64  # [cluster] group (rule 7.5)
    link_cluster: I64  # [4 * cluster + port] cluster at the other end, -1: no such link or dead
    link_latency: I64  # [4 * cluster + port]
    link_bytes: I64  # [4 * cluster + port] rate
    link_cycles: I64  # [4 * cluster + port] rate
    route_port: NDArray[
        np.int8
    ]  # [cluster, cluster] port of the next hop (rule 7.2); shape (0, 0): full mesh or torus, computed
    n_rows: int
    n_cols: int
    torus: int  # 0 or 1
    local_bytes: int  # rate
    local_cycles: int  # rate
    local_latency: int
    decision_cycles: int
    switch_cycles: int
    reload_cycles: int
    reload_rate_bytes: int
    reload_rate_cycles: int
    epoch: int
    surplus_after: int
    report_bytes: int
    control_bytes: int
    background_load: int = 0  # 0 or 1


class Load(NamedTuple):
    """The requests of one run, already split over pipelines, and how far to run."""

    source_indptr: I64  # [pipeline + 1]
    source_request: I64  # [request] request numbers, by pipeline, then ascending
    source_arrival: I64  # [request] arrival cycle, aligned with source_request; closed load: all 0
    request_phase: NDArray[np.int16]  # [request], or empty when there is one phase
    closed: int  # 0 or 1
    seed_key: int  # k0 of rule 2.1
    horizon: int  # NO_HORIZON: until the last request has ended
    step: int  # 0: exact
    epochs: int = 0  # epoch hooks at which each cluster is sampled (rule 9.5)
    epoch_stride: int = 1  # each so manieth hook is


class Rules(NamedTuple):
    """The policy of a run (rule 13.1): its functions, each None for what ``static`` does, and what they are told."""

    dispatch: Callable[[Any, int], int] | None = None
    route: Callable[[Any, Any, Any], int] | None = None
    rebalance: Callable[[Any, Any, Any], None] | None = None
    names: tuple[str, ...] = ()  # of the parameters
    values: F64 = np.empty(0)
    rows: int = 0  # of state
    task_cycles: F64 = np.empty(0)  # [tb] mean cycles of an execution at speed 1
    task_demand: F64 = np.empty(0)  # [tb] cycles a request at speed 1, in the profile of the mapping
    task_bytes: I64 = np.empty(0, np.int64)  # [tb] most bytes that a token carries to it
    flow_from: I64 = np.empty(0, np.int64)  # [flow]
    flow_to: I64 = np.empty(0, np.int64)  # [flow] ascending, above flow_from
    flow_tokens: F64 = np.empty(0)  # [flow] tokens that come to the second TB for each execution of the first
    sources: str = ""  # digest of the files the functions are in, where compiled code may be kept on disk

    @property
    def couples(self) -> bool:
        """Return whether neighbours can reach each other beside the pipelines (rule 7.5)."""
        return self.dispatch is not None or self.rebalance is not None


class Model(NamedTuple):
    """All that a run depends on."""

    program: Program
    machine: Machine
    load: Load
    rules: Rules = Rules()
