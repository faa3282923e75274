"""What one run leaves behind, as plain arrays: the same fields from the kernel and (as lists) from the reference."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]

CAUSES = ("dead", "reloading", "switching", "own", "lent", "control", "blocked", "starved", "surplus")
"""Causes of the TBU time split, in the order of rule 9.1 of ``docs/semantics.md``."""

STATION_FIELDS = (
    "executions",
    "run_cycles",
    "fresh_taken",
    "fresh_wait",
    "queue_integral",
    "queue_max",
    "recirculation_taken",
    "recirculation_wait",
    "line_wait",
)
LINK_FIELDS = ("messages", "bytes", "busy", "wait")
CLUSTER_FIELDS = (
    "decisions",
    "cbu_busy",
    "cbu_wait",
    "ingress_max",
    "spill_max",
    "lendings",
    "refusals",
    "asks",
    "steals",
    "switches",
    "reloads",
    "misroutes",
    "plan_refusals",
    "owner_changes",
    "background_loads",
    "hidden_reload_cycles",
    "wasted_reloads",
    "moves",
    "moved_bytes",
)
PIPELINE_FIELDS = ("admitted", "source_wait")
EPOCH_FIELDS = ("backlog", "demand", "owners", "running", "owners_idle", "owners_blocked", "wanting")


@dataclass
class Outcome:
    """Counters and times of one run.

    ``station``, ``link``, ``cluster`` and ``pipeline`` map each name of the tuples above to an int64 array of shape
    (cluster, tb), (4 * cluster,), (cluster,) and (pipeline,); ``epoch`` likewise of shape (epoch, cluster, tb), with as
    many rows as samples were asked for. Times are cycles; -1 marks what did not happen.
    """

    status: str  # "done" or "horizon"
    elapsed: int
    executions: int
    request_arrival: I64  # [request]; closed load: the cycle of admission
    request_end: I64  # [request]
    request_milestone: I64  # [milestone, request] cycles from arrival
    tbu_cycles: I64  # [tbu, cause]
    station: dict[str, I64]
    link: dict[str, I64]
    cluster: dict[str, I64]
    pipeline: dict[str, I64]
    fingerprint: str  # 32 hexadecimal digits
    epoch: dict[str, I64] = field(default_factory=dict)  # samples (rule 9.5)
    bounds: dict[str, float] = field(default_factory=dict)  # work_bound, path_bound, fluid_bound (cycles)
    wall_seconds: float = 0.0
    compile_seconds: float = 0.0
