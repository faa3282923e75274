"""What a model may be at most, so that no clock and no counter of its run passes 2^62.

Kernels count in int64, which wraps silently, and a run ends at cycle 2^48. What can be known before it is refused
here, by the name of the field that is too large; sums of waits are looked at when the run is over.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octomodel.errors import ModelError, RunError
from octomodel.kernels.model import COUNT, CURVE, JOIN, TASK, Machine, Program
from octomodel.lower_load import LATEST
from octomodel.outcome import Outcome
from octomodel.workflow import Workflow

F64 = NDArray[np.float64]

COUNTER_LIMIT = 2**62
QUEUE_LIMIT = 2**60
"""Cycles that one kind of message may keep a link busy; three kinds stay below COUNTER_LIMIT."""
LONGEST_RUN = 2**47
"""Cycles one execution may take at most."""
LONGEST_REPORT = 2**24
"""Cycles of a report on a link: 2^36 of them, more than memory holds, stay below QUEUE_LIMIT."""


@dataclass(frozen=True)
class Extent:
    """How much runs, how far.

    Attributes
    ----------
    requests : int
        Number of requests.
    tokens : int
        Most tokens of one request at once.
    cycles : int
        Horizon, or the cycle at which every run ends.
    steals : bool
        Whether neighbours may be asked for tokens.
    """

    requests: int
    tokens: int
    cycles: int
    steals: bool


def check(workflow: Workflow, program: Program, machine: Machine, extent: Extent) -> None:
    """Refuse what could make a clock or a counter wrap.

    Raises
    ------
    ModelError
        When an execution could take 2^47 cycles or more, a loop 2^62 turns; a transfer more than 2^48; reloads,
        or messages, that wait for each other could pass the clock; or the bytes over a link 2^62.
    """
    payload = largest_payload(program)
    _check_amounts(workflow, program, machine)
    _check_reloads(program, machine)
    _check_transfers(payload, program, machine)
    _check_links(payload, machine, extent)
    _check_bytes(workflow, payload, machine, extent)


def largest_payload(program: Program) -> int:
    """Return the most bytes that a token can carry anywhere (rule 1.4).

    A join sums what its children bring, so forks without tasks multiply. Edges lead forwards but for those back
    to the start of a body, all paths of which hold a task: after it the payload is no longer that of the start.
    So a first pass is right for all ends of bodies, and a second one everywhere.
    """
    edges = [
        program.edge_node[a:b].tolist()
        for a, b in zip(program.edge_indptr[:-1], program.edge_indptr[1:], strict=True)
    ]
    kinds, out_bytes = program.node_kind.tolist(), program.node_out_bytes.tolist()
    opening = {int(program.node_join[node]): node for node in np.flatnonzero(program.node_join >= 0).tolist()}
    # the nodes of a branch follow each other; an empty branch leads from the fork to the join
    first = {join: [to for to in edges[node] if to != join] for join, node in opening.items()}
    arriving = [0] * len(kinds)
    arriving[0] = largest = program.in_bytes
    for _ in range(2):
        brought: dict[int, dict[int, int]] = {join: {} for join in opening}  # by branch, of FORK or SELECT
        for node, kind in enumerate(kinds):
            if kind == JOIN:
                children = sorted(brought[node].values(), reverse=True)
                drawn = int(program.node_select[opening[node]] * program.node_items[opening[node]])
                arriving[node] = sum(children[: drawn or None])
            leaving = out_bytes[node] if kind == TASK else arriving[node]
            largest = max(largest, leaving)
            for i, to in enumerate(edges[node]):
                if kinds[to] == JOIN:
                    branch = -i - 1 if node == opening[to] else bisect_right(first[to], node)
                    brought[to][branch] = max(brought[to].get(branch, 0), leaving)
                else:
                    arriving[to] = max(arriving[to], leaving)
    return largest


def _check_amounts(workflow: Workflow, program: Program, machine: Machine) -> None:
    """Refuse executions whose cycles on the slowest TBU would not fit the clock, and loops of too many turns."""
    largest = np.array(
        [
            program.knots[o : o + (s * 1025 if k == CURVE else s)].max() / 65536.0
            for k, o, s in zip(program.law_kind, program.law_offset, program.law_size, strict=True)
        ]
    )
    span = np.zeros((len(program.attribute_law), 2))
    for a, law in enumerate(program.attribute_law):
        values = program.attribute_values[program.attribute_indptr[a] : program.attribute_indptr[a + 1]]
        span[a] = (values.min(), values.max()) if law < 0 else (0.0, largest[law])
    names = [node.name for node in workflow.graph().nodes]
    slowest = float(machine.tbu_speed[machine.tbu_dead == 0].min())
    for node in np.flatnonzero((program.node_kind == TASK) | (program.node_kind == COUNT)).tolist():
        place = f"workflow.{workflow.name}.{names[node]}"
        amount = max(_largest(program, node, phase, largest, span) for phase in range(len(program.node_law)))
        if program.node_kind[node] == COUNT:
            if not amount < COUNTER_LIMIT:
                raise ModelError(f"{place}.count", f"up to {amount:.3g} turns", "fewer than 2^62 turns")
            continue
        amount /= float(program.task_speedup[program.node_task[node]])
        allowed = f"fewer than {LONGEST_RUN} cycles; use a coarser clock"
        if not amount < LONGEST_RUN:
            raise ModelError(f"{place}.time", f"up to {amount:.3g} cycles", allowed)
        if not amount / slowest < LONGEST_RUN:
            found = f"{slowest:g}, at which {names[node]} takes up to {amount / slowest:.3g} cycles"
            raise ModelError("system.tbu_speed", found, allowed)


def _largest(program: Program, node: int, phase: int, largest: F64, span: F64) -> float:
    """Return the largest value of the law of a TASK or COUNT in a phase, NaN counting as infinite."""
    scale = float(program.node_base[phase, node])
    if program.node_attribute[node] >= 0:
        with np.errstate(over="ignore", invalid="ignore"):
            scale += float((program.node_slope[phase, node] * span[program.node_attribute[node]]).max())
    value = float(largest[program.node_law[phase, node]]) * max(scale, 0.0)
    return math.inf if math.isnan(value) else value


def _check_reloads(program: Program, machine: Machine) -> None:
    """Refuse reloads that, one of every TBU of a cluster waiting for the port, would end after the clock."""
    transfer = _cycles(int(program.config_bytes.max()), machine.reload_rate_bytes, machine.reload_rate_cycles)
    most = int(np.diff(machine.cluster_tbu).max())
    if (machine.reload_cycles + transfer) * most > LATEST:
        slow = "system.reload_bytes_per_cycle" if transfer > machine.reload_cycles else "system.reload_cycles"
        found = f"{machine.reload_cycles + transfer} cycles for one reload"
        raise ModelError(slow, found, f"reloads of {most} TBUs, one after the other, in 2^48 cycles")


def _check_transfers(payload: int, program: Program, machine: Machine) -> None:
    """Refuse products of bytes and rates that do not fit, and local transfers longer than a run."""
    largest = max(payload, int(program.config_bytes.max()), machine.report_bytes, machine.control_bytes)
    rates = max(machine.local_cycles, machine.reload_rate_cycles, int(machine.link_cycles.max()))
    if largest * rates >= COUNTER_LIMIT:
        found = f"{largest} bytes at 1/{rates} bytes per cycle"
        raise ModelError("workflow.out_bytes", found, "messages of fewer than 2^62 cycles")
    local = machine.local_latency + _cycles(payload, machine.local_bytes, machine.local_cycles)
    if local > LATEST:
        found = f"{local} cycles for {payload} bytes"
        raise ModelError("system.local_bytes_per_cycle", found, "local transfers of at most 2^48 cycles")


def _check_links(payload: int, machine: Machine, extent: Extent) -> None:
    """Refuse messages of which so many could wait for one link that its clock would wrap."""
    links = zip(machine.link_cluster, machine.link_bytes.tolist(), machine.link_cycles.tolist(), strict=True)
    rates = {(n_bytes, cycles) for cluster, n_bytes, cycles in links if cluster >= 0}
    if not rates:
        return

    def longest(n_bytes: int) -> int:
        return max(_cycles(n_bytes, *rate) for rate in rates)

    if extent.requests * extent.tokens * longest(payload) > QUEUE_LIMIT:
        found = f"{longest(payload)} cycles for {payload} bytes of each of {extent.requests} requests"
        allowed = "2^60 cycles for all tokens at once: fewer requests, smaller payloads or faster links"
        raise ModelError("system.link_bytes_per_cycle", found, allowed)
    if _members(machine) > 1 and longest(machine.report_bytes) > LONGEST_REPORT:
        found = f"{longest(machine.report_bytes)} cycles for {machine.report_bytes} bytes"
        raise ModelError("system.report_bytes", found, f"reports of at most {LONGEST_REPORT} cycles")
    waiting = len(machine.cluster_cbus) * longest(machine.control_bytes)
    if extent.steals and waiting > QUEUE_LIMIT:
        found = f"{longest(machine.control_bytes)} cycles for {machine.control_bytes} bytes"
        raise ModelError("system.control_bytes", found, "2^60 cycles for one message of each cluster")


def _check_bytes(workflow: Workflow, payload: int, machine: Machine, extent: Extent) -> None:
    """Refuse messages whose bytes over one link could pass 2^62."""
    visits = sum(workflow.visits().values()) + 1
    # visits are means; a message passes a link once, so the hops leave room for requests that visit more
    hops = machine.n_rows + machine.n_cols
    if extent.requests * visits * extent.tokens * hops * max(payload, 1) >= COUNTER_LIMIT:
        found = f"{extent.requests} requests with payloads up to {payload} bytes"
        allowed = "fewer than 2^62 bytes over the links: fewer requests or smaller payloads"
        raise ModelError("workflow.out_bytes", found, allowed)
    # shortest paths over a link lead from one set of clusters to another
    reports = -(-extent.cycles // machine.epoch) * (_members(machine) ** 2 // 4)
    if reports * machine.report_bytes >= COUNTER_LIMIT:
        found = f"{machine.report_bytes} bytes of up to {reports} reports"
        allowed = "fewer than 2^62 bytes over a link: a horizon, smaller reports or longer epochs"
        raise ModelError("system.report_bytes", found, allowed)
    if extent.steals and 2 * extent.cycles * machine.control_bytes >= COUNTER_LIMIT:
        allowed = "fewer than 2^62 bytes over a link: a horizon or smaller requests for work"
        raise ModelError("system.control_bytes", machine.control_bytes, allowed)


def _members(machine: Machine) -> int:
    """Return the clusters of the largest pipeline."""
    return int(np.bincount(machine.cluster_pipeline).max())


def _cycles(n_bytes: int, rate_bytes: int, rate_cycles: int) -> int:
    """Return the cycles of some bytes at a rate, in Python's integers."""
    return -(-n_bytes * rate_cycles // rate_bytes) if rate_bytes else 0


def check_counted(outcome: Outcome, tokens: int) -> None:
    """Refuse a run whose counters of waits may have wrapped: none counts more than the time of all tokens inside.

    Parameters
    ----------
    outcome : Outcome
        A run that is over.
    tokens : int
        Most tokens of one request at once.

    Raises
    ------
    RunError
        When the latencies of all requests, once for each token, sum to 2^62 cycles or more.
    """
    came, ended = outcome.request_arrival >= 0, outcome.request_end >= 0
    inside = float(np.sum(outcome.request_end, dtype=np.float64, where=ended))
    inside += float(outcome.elapsed) * int(np.count_nonzero(came & ~ended))
    inside -= float(np.sum(outcome.request_arrival, dtype=np.float64, where=came))
    if inside * tokens >= COUNTER_LIMIT:
        raise RunError(
            f"the requests spent {inside:.3g} cycles in the system, so sums of waits may have passed 2**63: "
            "use a horizon, fewer requests, a lower rate or a coarser clock"
        )


__all__ = ["COUNTER_LIMIT", "LONGEST_RUN", "Extent", "check", "check_counted", "largest_payload"]
