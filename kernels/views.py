"""What the functions of a policy are handed: named tuples of columns of the kernel's own records (rules 13.2 to 13.10).

A column is an array that looks into the records, so that a view costs nothing but what a function reads of it. Read-only
but for the plan, and the state in ``rebalance``. Interpreted, columns are copies. No Numba here: users import this.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import codes

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

NOTHING = -1
"""Answer of a ``dispatch``: stay idle."""
ASK_NEIGHBOUR = -2
"""Answer of a ``dispatch``: stay idle, and ask a neighbour for a token (rule 6.6)."""

RUNNING, LENT, IDLE = codes.OWN, codes.LENT, codes.IDLE
"""Values of ``tbu_state``: it runs a token of its own TB, it runs another one, it does nothing."""

OWN, LOAD, MOVE = range(3)  # kinds of plan items


class View(NamedTuple):
    """One cluster as it is; times in cycles, TBUs by number in the cluster (rule 13.2)."""

    now: int
    cluster: int
    n_tb: int
    n_tbu: int
    epoch_cycles: int
    switch_cycles: int
    background_load: int
    free_cbus: int
    free_spill: int
    port_free: int
    params: Any
    state: F64  # [row, tb]
    neighbour: I64  # [port]: west, east, north, south
    link_latency: I64  # [port]
    link_bytes: I64  # [port]
    link_cycles: I64  # [port]
    station_fresh: I64  # [tb]
    station_recirculated: I64  # [tb]
    station_line: I64  # [tb]
    station_used: I64  # [tb]
    station_slots: I64  # [tb]
    station_owners: I64  # [tb]
    station_idle: I64  # [tb]
    station_busy: I64  # [tb]
    station_fresh_taken: I64  # [tb]
    station_recirculation_taken: I64  # [tb]
    station_executions: I64  # [tb]
    station_run_cycles: I64  # [tb]
    tbu_home: I64  # [tbu]
    tbu_next: I64  # [tbu]
    tbu_state: I64  # [tbu]
    tbu_since: I64  # [tbu]
    tbu_tb: I64  # [tbu]
    tbu_run_start: I64  # [tbu]
    tbu_config: I64  # [tbu]
    tbu_speed: F64  # [tbu]
    resident: I64  # [tbu, place]
    task_config: I64  # [tb]
    task_reload_cycles: I64  # [tb]
    task_cycles: F64  # [tb]
    task_demand: F64  # [tb]
    task_bytes: I64  # [tb]
    flow_from: I64  # [flow]
    flow_to: I64  # [flow]
    flow_tokens: F64  # [flow]


class Token(NamedTuple):
    """The token that ``route`` sends somewhere."""

    tb: int
    bytes: int


class Candidates(NamedTuple):
    """The clusters to which ``route`` may send it, ascending, as last reported (rule 7.3)."""

    cluster: I64
    hops: I64
    free: I64
    present: I64
    owners: I64


class Reports(NamedTuple):
    """What the neighbours reported last, by port (rule 13.6)."""

    cluster: I64  # [port], -1: no neighbour
    sent: I64  # [port]
    free: I64  # [port, tb]
    present: I64  # [port, tb]
    owners: I64  # [port, tb]
    backlog: I64  # [port, tb]
    load: F64  # [port, tb]


class Plan(NamedTuple):
    """What ``rebalance`` wants done, item by item; written through ``own``, ``load`` and ``move``."""

    n: I64  # [1]
    kind: I64
    tbu: I64
    tb: I64
    port: I64
    tokens: I64


def _add(plan: Plan, kind: int, tbu: int, tb: int, port: int, tokens: int) -> None:
    at = plan.n[0]
    plan.n[0] = at + 1
    if at < len(plan.kind):
        plan.kind[at] = kind
        plan.tbu[at] = tbu
        plan.tb[at] = tb
        plan.port[at] = port
        plan.tokens[at] = tokens


def own(plan: Plan, tbu: int, tb: int) -> None:
    """Let a TBU change its home (rule 13.7)."""
    _add(plan, OWN, tbu, tb, -1, 0)


def load(plan: Plan, tbu: int, tb: int) -> None:
    """Load the configuration of a TB into a TBU in the background (rule 13.8)."""
    _add(plan, LOAD, tbu, tb, -1, 0)


def move(plan: Plan, tb: int, port: int, tokens: int) -> None:
    """Send up to so many ready tokens of a TB to the neighbour at a port (rule 13.9)."""
    _add(plan, MOVE, -1, tb, port, tokens)

