"""The states of the two kernels that know no clusters: the walk that finds the bounds, and the pool of the ideal
machine.

Both hold the arrays of the program as they stand in ``model.Program``, those by phase flattened, and what a request
needs on its way: ``visits`` (``slot * n_node + node``; for a JOIN the children still to come), ``counters``
(``slot * n_loop + loop``) and ``attributes`` (``slot * n_attribute + attribute``). The walk has one slot, the pool one
for each request in flight.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .model import F64, I64, Load, Program
from .world import Records, record

WALK = record(
    "n_node n_loop n_attribute n_speed closed seed_key decision_cycles budget"
    " place end slot request key phase node t pending path longest"
)
POOL = record(
    "n_node n_loop n_attribute n_task closed seed_key horizon decision_cycles surplus_after room"
    " now place unfinished budget events idle fresh stack head tail deciding_head deciding_tail free_token free_request"
    " executions h1 h2 failed"
)


def _compact(short: str, long: str, floats: str = "") -> np.dtype[Any]:
    """Return the dtype with these int32, int64 and float64 fields: a run in which thousands wait is as fast as its
    records are small.
    """
    fields = ((short, np.int32), (long, np.int64), (floats, np.float64))
    return np.dtype([(name, kind) for names, kind in fields for name in names.split()], align=True)


POOL_TBU = _compact("cluster number token", "since own starved surplus", "speed")
POOL_STATION = record("executions run_cycles fresh_taken fresh_wait")
POOL_TOKEN = _compact("next request node visit", "time key", "work")
POOL_REQUEST = _compact("next phase home", "id key")
EVENT = record("cycle tbu")


class Walk(NamedTuple):
    """All arrays of one worker that finds bounds."""

    node_kind: I64
    node_task: I64
    node_join: I64
    node_loop: I64
    node_attribute: I64
    node_select: I64
    node_items: I64
    edge_indptr: I64
    edge_node: I64
    edge_weight: F64  # phase * n_edge + edge
    node_law: I64  # phase * n_node + node; so the next two
    node_base: F64
    node_slope: F64
    task_speedup: F64
    attribute_law: I64
    attribute_indptr: I64
    attribute_values: F64
    law_kind: I64
    law_offset: I64
    law_size: I64
    knots: I64
    source_request: I64  # [place]
    source_arrival: I64  # [place]
    request_phase: NDArray[np.int16]
    fast: F64  # [group of speeds] its largest, the largest of all first
    slow: F64  # [group of speeds] its smallest
    visits: NDArray[np.int32]
    counters: I64
    attributes: F64
    drawn: I64  # scratch of one select
    latest: I64  # [node] for a JOIN the cycle at which the last child so far arrived
    branch_node: I64  # stack of branches still to be walked: first node ...
    branch_t: I64  # ... and the cycle at which they begin
    work: I64  # [group of speeds] cycles of the executions that cost the least work there
    ctl: Records  # one record of WALK


class Pool(NamedTuple):
    """All arrays of an ideal run. TBUs are live ones by rank: the fastest first, then by index."""

    node_kind: I64
    node_task: I64
    node_join: I64
    node_loop: I64
    node_attribute: I64
    node_select: I64
    node_items: I64
    node_milestone: I64
    edge_indptr: I64
    edge_node: I64
    edge_weight: F64
    node_law: I64
    node_base: F64
    node_slope: F64
    task_speedup: F64
    attribute_law: I64
    attribute_indptr: I64
    attribute_values: F64
    law_kind: I64
    law_offset: I64
    law_size: I64
    knots: I64
    source_request: I64  # [place] in the order of admission
    source_arrival: I64  # [place]
    source_home: NDArray[np.int32]  # [place] home cluster of the request's pipeline
    request_phase: NDArray[np.int16]
    visits: NDArray[np.int32]
    counters: I64
    attributes: F64
    drawn: I64
    tbu: Records  # [rank] of POOL_TBU
    station: Records  # cluster * n_task + task, of POOL_STATION
    decisions: I64  # [cluster]
    token: Records  # of POOL_TOKEN
    request: Records  # [slot] of POOL_REQUEST
    events: Records  # heap of EVENT: the runs under way by the cycle of their end
    idle: I64  # heap of the ranks of idle TBUs
    fresh: I64  # heap of the tokens that became ready at the present cycle, by their key
    stack: I64  # scratch: tokens that advance
    request_arrival: I64
    request_end: I64
    request_milestone: I64  # milestone * n_request + request
    ctl: Records  # one record of POOL


Bare = Walk | Pool


def fixed(array: NDArray[Any]) -> NDArray[Any]:
    """Return a flat read-only view, one type for a compiled kernel whatever the array was."""
    view = np.ascontiguousarray(array).reshape(-1).view()
    view.flags.writeable = False
    return view


def way(program: Program, slots: int, state: type[Bare]) -> dict[str, NDArray[Any]]:
    """Return the arrays both states share: those of the program that ``state`` names, and room for ``slots`` requests
    on their way.
    """
    branches = int(np.diff(program.edge_indptr).max())
    arrays = {name: fixed(getattr(program, name)) for name in state._fields if name in Program._fields}
    return arrays | {
        "visits": np.zeros(slots * len(program.node_kind), np.int32),
        "counters": np.zeros(slots * program.n_loop, np.int64),
        "attributes": np.zeros(slots * len(program.attribute_law)),
        "drawn": np.zeros(2 * branches, np.int64),
    }


def controls(dtype: np.dtype[np.void], program: Program, load: Load, decision_cycles: int) -> Records:
    """Return the one record of scalars with what both states share."""
    ctl = np.zeros(1, dtype)
    ctl["n_node"] = len(program.node_kind)
    ctl["n_loop"] = program.n_loop
    ctl["n_attribute"] = len(program.attribute_law)
    ctl["closed"] = load.closed
    ctl["seed_key"] = load.seed_key
    ctl["decision_cycles"] = decision_cycles
    return ctl
