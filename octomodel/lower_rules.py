"""What a policy is told of the task blocks before a run: rule 13.2, the columns that begin with ``task_`` and ``flow_``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from octomodel.flow import flow, payloads
from octomodel.hardware import System
from octomodel.kernels.model import END, TASK, Rules
from octomodel.mapping import Mapping, profile_demand
from octomodel.policies import Policy
from octomodel.workflow import Workflow

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]


def lower_rules(policy: Policy, workflow: Workflow, system: System, mapping: Mapping) -> Rules:
    """Return a policy as a run needs it.

    Parameters
    ----------
    policy : Policy
    workflow : Workflow
    system : System
    mapping : Mapping
        Of this workflow on this system.

    Returns
    -------
    Rules
    """
    facts: dict[str, NDArray[Any]] = {"task_cycles": _cycles(workflow, system), "task_demand": mapping.demand}
    if policy.rebalance is not None:
        facts |= dict(zip(("flow_from", "flow_to", "flow_tokens"), successors(workflow), strict=True))
        facts["task_bytes"] = _bytes(workflow)
    return policy.rules(**facts)


def successors(workflow: Workflow) -> tuple[I64, I64, F64]:
    """Return which task blocks come after which, and how often (rule 13.2).

    Parameters
    ----------
    workflow : Workflow

    Returns
    -------
    source, target : int64[flow]
        Task blocks between which tokens go, those back in a loop left out; by target, then source.
    tokens : float64[flow]
        Tokens that come to the target for each execution of the source, the later turns of a loop with the first.
        Means over all phases; what a token does at a block for control does not depend on where it came from.

    Examples
    --------
    >>> from octomodel import Workflow, branch, loop, seq, task
    >>> look = branch({"hit": 0.75, "miss": 0.25}, hit=seq(), miss=loop(task("fetch", 1), again=0.5))
    >>> source, target, tokens = successors(Workflow("w", task("a", 1), look, task("b", 1)))
    >>> list(zip(source.tolist(), target.tolist(), tokens.tolist()))
    [(0, 1, 0.5), (0, 2, 0.75), (1, 2, 0.5)]
    """
    graph, flowing = workflow.graph(), flow(workflow)
    inflow = np.zeros(len(graph.nodes))
    inflow[0] = 1.0
    for node, passed in zip(graph.nodes, flowing.edges, strict=True):
        np.add.at(inflow, list(node.edges), passed)
    number = {at: tb for tb, at in enumerate(at for at, node in enumerate(graph.nodes) if node.kind == TASK)}
    forward = dict.fromkeys(number, 0.0)
    found: dict[int, dict[int, float]] = {}
    for start in [-1, *number]:
        if start >= 0 and inflow[start] <= 0:
            continue
        # tokens on their way from a task, or from the source, by the node at which they are
        way = {0: 1.0} if start < 0 else dict.fromkeys(graph.nodes[start].edges, inflow[start])
        found[start] = {}
        while way:
            at = min(way)
            tokens = way.pop(at)
            if at <= start or tokens <= 0 or graph.nodes[at].kind == END:
                continue
            if at in number:
                found[start][at] = tokens
                forward[at] += tokens
                continue
            for successor, taken in zip(graph.nodes[at].edges, flowing.edges[at], strict=True):
                if successor > at:
                    way[successor] = way.get(successor, 0.0) + tokens * taken / inflow[at]
    rows = sorted(
        (number[target], number[source], tokens / inflow[source] * inflow[target] / forward[target])
        for source, each in found.items()
        if source >= 0
        for target, tokens in each.items()
    )
    return (
        np.array([row[1] for row in rows], np.int64),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[2] for row in rows]),
    )


def _cycles(workflow: Workflow, system: System) -> F64:
    """Return the mean cycles of an execution of each task at speed 1, 0 for one that is never reached."""
    demand = profile_demand(workflow, system, None)
    visits = np.array(list(workflow.visits().values()))
    mean: F64 = np.divide(demand, visits, out=np.zeros(len(demand)), where=visits > 0)
    return mean


def _bytes(workflow: Workflow) -> I64:
    """Return the most bytes that a token of each task carries to it."""
    graph = workflow.graph()
    found = np.zeros(len(graph.nodes), np.int64)
    for node, carried in zip(graph.nodes, payloads(graph, workflow.in_bytes), strict=True):
        for successor, (_, most) in zip(node.edges, carried, strict=True):
            found[successor] = max(found[successor], most)
    found[0] = max(found[0], workflow.in_bytes)
    tasks = [number for number, node in enumerate(graph.nodes) if node.kind == TASK]
    return found[tasks]
