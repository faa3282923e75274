"""Executions and work of simulated requests against the ones that follow from the program, phase by phase.

Every comparison is an interval over independent replications; all of them together are wrong with probability FAMILY.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import octomodel as om
from octomodel import phases_by_request, presets
from octomodel.spread import spread
from octomodel.workflow import Workflow

FAMILY = 1e-3
REPLICATIONS = 40
REQUESTS = 1_000
HEAVY = {"moe_olmoe": 50, "mcts_go": 50}
"""Fewer requests where each executes hundreds of tasks."""
ROUNDING = 2e-3
"""By so much whole cycles and tables of laws may shift a mean: some tasks of mcts_go take some tens of cycles."""


def preset(name: str) -> Workflow:
    """Return a workflow as its file has it, without a trace."""
    found = presets.document("workflow", name).workflow
    assert found is not None
    return found


def phases_of(name: str) -> tuple[str | None, ...]:
    plan = preset(name).phases
    return (None,) if plan is None else plan.names


CASES = [(name, phase) for name in presets.names("workflow") for phase in phases_of(name)]
COMPARED = 3 * sum(len(preset(name).tasks) for name, _ in CASES)
WIDTH = float(stats.t.ppf(1 - FAMILY / COMPARED / 2, REPLICATIONS - 1))


def only(workflow: Workflow, phase: str | None) -> Workflow:
    """Return a workflow whose first requests, more than are simulated, are all of one phase."""
    if workflow.phases is None or phase is None:
        return workflow
    others = [(name, 1) for name in workflow.phases.names if name != phase]
    return workflow.with_(phases=phases_by_request([(phase, 10**6), *others]))


@cache
def simulated(name: str, phase: str | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return executions and cycles per request, [replication, task], on a machine without any cost."""
    workflow = only(preset(name), phase)
    system = om.System(1, 1, tbus=len(workflow.tasks))
    requests = REQUESTS // HEAVY.get(name, 1)
    load = om.closed(requests, in_flight=8)
    options = {"seed": 11, "replications": REPLICATIONS, "threads": 1, "bounds": False, "cautions": False}
    ds = om.simulate(workflow, system, load=load, **options)
    executions, busy = (ds[f"station_{key}"].sum("cluster").values for key in ("executions", "run_cycles"))
    return executions / requests, busy / requests


def outside(values: NDArray[np.float64], truth: NDArray[np.float64], slack: float) -> NDArray[np.bool_]:
    """Return for each task whether the interval of its replications leaves out the truth."""
    mean = values.mean(axis=0)
    half = WIDTH * values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return np.abs(mean - truth) > half + slack * truth + 1e-9


@pytest.mark.parametrize(("name", "phase"), CASES)
def test_executions_and_work_are_the_analytic_ones(name: str, phase: str | None) -> None:
    workflow = preset(name)
    executions, busy = simulated(name, phase)
    visits = np.array(list(workflow.visits(phase).values()))
    demand = np.array(list(workflow.demand(phase).values()))
    names = np.array([task.name for task in workflow.tasks])
    assert names[outside(executions, visits, 1e-6)].tolist() == []
    assert names[outside(busy, demand, ROUNDING)].tolist() == []
    # a task that every request executes equally often leaves no room at all
    fixed = np.array([each.frequency_cv == 0 for each in spread(workflow, phase).values()])
    assert (executions[:, fixed] == np.rint(visits[fixed])).all()


@pytest.mark.parametrize(("name", "phase"), CASES)
def test_executions_vary_as_much_as_they_should(name: str, phase: str | None) -> None:
    """The variance over replications of a mean of so many requests, against that of one request over their number."""
    workflow = preset(name)
    executions, _ = simulated(name, phase)
    requests = REQUESTS // HEAVY.get(name, 1)
    visits = np.array(list(workflow.visits(phase).values()))
    deviation = visits * np.array([each.frequency_cv for each in spread(workflow, phase).values()])
    often = (deviation > 0) & (visits * requests > 20)  # rarer ones are too far from normal
    ratio = (REPLICATIONS - 1) * executions.var(axis=0, ddof=1)[often] / (deviation[often] ** 2 / requests)
    low, high = stats.chi2.ppf([FAMILY / COMPARED / 2, 1 - FAMILY / COMPARED / 2], REPLICATIONS - 1)
    assert ((low < ratio) & (ratio < 1.5 * high)).all()  # heavy tails widen what the normal law allows


def test_a_bias_of_some_percent_is_seen() -> None:
    for name in ("llm_chat_code", "rag_iterative", "agent_tools", "xr_multi_scenario"):
        workflow, phase = preset(name), phases_of(name)[0]
        executions, busy = simulated(name, phase)
        visits = np.array(list(workflow.visits(phase).values()))
        demand = np.array(list(workflow.demand(phase).values()))
        assert outside(executions, 1.05 * visits, 1e-6).any(), name
        assert outside(busy, 1.05 * demand, ROUNDING).any(), name
