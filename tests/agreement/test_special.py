"""Kernel and reference agree in corners that generated scenarios of small size seldom reach."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from octomodel import ideal, lower, mapping
from octomodel.bounds import bounds
from octomodel.hardware import System
from octomodel.kernels.model import NO_HORIZON, Model
from octomodel.load import Load, closed, periodic, poisson, trace
from octomodel.outcome import EPOCH_FIELDS, Outcome
from octomodel.policies import POLICIES, Plan, Policy, Reports, View, own
from octomodel.policies import load as load_config
from octomodel.program import select, task
from octomodel.run import run
from octomodel.testing import run_reference
from octomodel.testing.agreement import differences
from octomodel.testing.laws_models import until
from octomodel.testing.laws_pairs import identical
from octomodel.testing.reference_bounds import reference_bounds
from octomodel.testing.reference_ideal import run_reference_ideal
from octomodel.testing.scenarios import scenario
from octomodel.workflow import Workflow

pytestmark = pytest.mark.nojit

PAIR = Workflow("pair", task("a", 9, out_bytes=8), task("b", 4))


def agreed(model: Model) -> Outcome:
    outcome = run(model, threads=1)
    assert differences(model, outcome, run_reference(model)) == []
    return outcome


def lowered(
    system: System,
    load: Load,
    placed: mapping.Mapping,
    policy: str | Policy = "static",
    workflow: Workflow = PAIR,
    epochs: int = 0,
) -> Model:
    return lower.lower(workflow, system, load, placed, policy=policy, epochs=epochs).model


def test_unlimited_window_grows_its_pool() -> None:
    """More requests at once than a pool begins with."""
    system = System(1, 1, tbus=2)
    load = periodic(0, 400, in_flight=None)
    outcome = agreed(lowered(system, load, mapping.make(PAIR, system)))
    assert outcome.status == "done" and int(outcome.station["line_wait"].sum()) > 0


def test_reports_slower_than_epochs() -> None:
    """Seven epochs of reports are on their way at once."""
    system = System(1, 2, tbus=2, epoch_cycles=20, link_latency_cycles=150)
    placed = mapping.explicit(PAIR, system, [[1, 1], [1, 1]], pipeline=[0, 0])
    outcome = agreed(lowered(system, poisson(0.05, 40), placed, "jsq"))
    assert int(outcome.link["messages"].sum()) > 40


def test_stolen_by_another_pipeline_with_a_choice_left() -> None:
    """What comes next can run in two clusters, of which the thief has no reports."""
    system = System(1, 3, tbus=2, epoch_cycles=30, queue_slots=4)
    placed = mapping.explicit(PAIR, system, [[1, 1]] * 3, pipeline=[0, 1, 1])
    outcome = agreed(lowered(system, closed(60, in_flight=20, split=[0, 1]), placed, "stealing"))
    assert int(outcome.cluster["steals"].sum()) > 0
    assert int(outcome.station["executions"][0].sum()) > 0


@pytest.mark.parametrize("dead", [(), [(3, 4)]])
def test_stolen_by_another_pipeline_far_from_what_comes_next(dead: list[tuple[int, int]]) -> None:
    """From the thief, next to where the token was, it goes on over two links; with a dead one by a table."""
    system = System(2, 3, tbus=2, epoch_cycles=30, queue_slots=4, dead_links=dead)
    placed = mapping.explicit(PAIR, system, [[0, 2], [2, 0], *[[1, 1]] * 4], pipeline=[0, 0, 1, 2, 3, 4])
    outcome = agreed(lowered(system, closed(60, in_flight=20, split=[1, 0, 0, 0, 0]), placed, "stealing"))
    assert int(outcome.cluster["steals"][1]) > 0
    assert int(outcome.station["executions"][2, 0]) > 0


def test_an_empty_place_is_loaded_first() -> None:
    """TBU 1, whose home is b, loads a into its empty place, so that it can switch to c, which it has not run yet.

    a runs 0-10, 5-15 on TBU 1, which loads it 0-5, and 10-20. c runs 10-30 at home, 16-36 on TBU 1, 21-41 on TBU 0. b
    runs 31-32 on TBU 2, 37-38 and 41-42 at home.
    """
    workflow = Workflow("three", task("a", 10), task("c", 20), task("b", 1))
    system = System(1, 1, tbus=3, resident_slots=3, switch_cycles=1, reload_cycles=5)
    placed = replace(
        mapping.explicit(workflow, system, [[1, 1, 1]]),
        home=np.array([0, 2, 1]),
        residents=np.array([[0, 1, 2], [2, 1, -1], [1, 2, 0]]),
    )
    outcome = agreed(lowered(system, trace([0, 0, 10]), placed, "stealing", workflow))
    assert outcome.request_end.tolist() == [32, 38, 42]
    assert (outcome.cluster["reloads"].tolist(), outcome.cluster["switches"].tolist()) == ([1], [4])


def test_weights_so_small_that_a_product_rounds_up_to_their_sum() -> None:
    """No running sum exceeds the target; then the last branch that has a weight is taken (rule 2.4)."""
    weights = {"x": 5e-324, "y": 5e-324, "z": 0.0}
    workflow = Workflow("w", select(1, weights, x=task("a", 3), y=task("b", 5), z=task("c", 1)))
    system = System(1, 1, tbus=6)
    model = lower.lower(workflow, system, closed(200), mapping.make(workflow, system)).model
    a, b, c = agreed(model).station["executions"][0].tolist()
    # the target is none, one or both of the two units: below 1/4, up to 3/4, above
    assert 30 < a < 70 and a + b == 200 and c == 0
    assert ideal.run(model).request_end.tolist() == run_reference_ideal(model).end
    assert bounds(model) == reference_bounds(model)


def test_horizon_around_the_end() -> None:
    """Just before the last request ends, and just after, while reports and credits may be on their way."""
    both = set()
    for seed in range(400_000, 400_040):
        model = until(scenario(seed, executions=30).model, NO_HORIZON)
        elapsed = run(model, threads=1).elapsed
        for horizon in (elapsed, elapsed + 1, elapsed + 4):
            both.add(agreed(until(model, max(1, horizon))).status)
    assert both == {"done", "horizon"}


def test_a_report_is_served_beyond_the_horizon() -> None:
    """The run is done before its horizon, so the horizon did not end it: the link counts the whole service."""
    system = System(1, 2, tbus=2, epoch_cycles=13, report_bytes=64, link_bytes_per_cycle=1)
    placed = mapping.explicit(PAIR, system, [[1, 1], [1, 1]], pipeline=[0, 0])
    model = until(lowered(system, closed(1, in_flight=1), placed), 20)
    outcome = agreed(model)
    assert outcome.status == "done"
    assert np.unique(outcome.link["busy"]).tolist() == [0, 64]


@pytest.mark.parametrize("policy", POLICIES)
def test_samples_of_a_run_that_is_quiet_for_long(policy: str) -> None:
    """Between arrivals, in a long execution, while a token is on its way: a hundred epochs in which nothing happens."""
    workflow = Workflow("slow", task("a", 1_000), task("b", 10))
    system = System(1, 2, tbus=1, epoch_cycles=10, link_latency_cycles=1_000)
    placed = mapping.explicit(workflow, system, [[1, 0], [0, 1]], pipeline=[0, 0])
    outcome = agreed(lowered(system, trace([0, 1, 9_000]), placed, policy, workflow, epochs=2_000))
    assert outcome.status == "done"
    backlog, demand = outcome.epoch["backlog"], outcome.epoch["demand"]
    # the last end is at 11010: hook 1100 is the one at that cycle
    assert (backlog[:1_101] >= 0).all() and (backlog[1_101:] == -1).all()
    assert np.argwhere(demand > 0).tolist() == [[0, 0, 0], [199, 1, 1], [299, 1, 1], [899, 0, 0], [1_099, 1, 1]]
    # request 1 waits for the only owner of a from 1 on; at 1000 it has been taken
    assert np.argwhere(backlog > 0).tolist() == [[e, 0, 0] for e in range(99)]


def test_no_sample_beyond_the_last_cycle() -> None:
    """The hook at 2^48 is out of reach of a run, but not a reason to stop one (rule 8.6)."""
    workflow = Workflow("long", *(task(name, 2.0**46) for name in "abc"))
    system = System(1, 1, tbus=3, epoch_cycles=2**47)
    outcome = agreed(lowered(system, closed(1), mapping.make(workflow, system), workflow=workflow, epochs=3))
    assert outcome.elapsed == 3 * 2**46
    assert outcome.epoch["demand"].tolist() == [[[1, 1, 1]], [[-1] * 3], [[-1] * 3]]


def test_a_stolen_token_becomes_ready_twice() -> None:
    """Where it was, and where it went; each of the others once. With a hook at every cycle none is left out."""
    system = System(1, 2, tbus=2, epoch_cycles=1, queue_slots=8)
    placed = mapping.explicit(PAIR, system, [[1, 1]] * 2, pipeline=[0, 1])
    outcome = agreed(lowered(system, closed(60, in_flight=20, split=[1, 0]), placed, "stealing", epochs=1_000))
    steals, demand = int(outcome.cluster["steals"].sum()), outcome.epoch["demand"]
    assert steals > 0 and int(demand[demand > 0].sum()) == 120 + steals


def test_the_ideal_mode_has_no_epochs() -> None:
    system = System(1, 1, tbus=2, epoch_cycles=10)
    model = lowered(system, closed(40), mapping.make(PAIR, system), epochs=3)
    assert [values.tolist() for values in ideal.run(model).epoch.values()] == [[[[-1, -1]]] * 3] * len(EPOCH_FIELDS)


ANSWERS: dict[str, tuple[Any, bool]] = {
    "nothing": (lambda view, tbu: -1, False),
    "no TB of the workflow": (lambda view, tbu: view.n_tb, True),
    "no number of a TB": (lambda view, tbu: -3, True),
    "its own TB": (lambda view, tbu: view.tbu_home[tbu], True),
    "a TB of which no token waits": (lambda view, tbu: np.argmin(view.station_fresh + view.station_recirculated), True),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_other_answers_of_a_dispatch_lend_nothing(answer: str) -> None:
    """No bundled policy gives them (rules 6.2 and 6.3): all goes on as without one, refusals apart."""
    give, refused = ANSWERS[answer]
    system = System(1, 1, tbus=3)
    placed = mapping.explicit(PAIR, system, [[2, 1]])
    alone = run(lowered(system, poisson(0.2, 30), placed), threads=1)
    outcome = run(lowered(system, poisson(0.2, 30), placed, Policy("useless", dispatch=give)), threads=1)
    assert identical(outcome, alone, but=["cluster refusals"]) == []
    assert (int(outcome.cluster["refusals"].sum()) > 30) == refused


def shift(view: View, reports: Reports, plan: Plan) -> None:
    own(plan, 0, 1)
    load_config(plan, 1, 1)


@pytest.mark.parametrize("reload_cycles", [0, 3])
@pytest.mark.parametrize("ahead", [False, True])
def test_changes_of_a_home(reload_cycles: int, ahead: bool) -> None:
    """By a reload, one of no length among them, or by a load into an empty place (rules 13.7 and 13.8)."""
    costs = {"epoch_cycles": 4, "reload_cycles": reload_cycles, "background_load": ahead}
    system = System(1, 1, tbus=4, resident_slots=1 + ahead, **costs)
    model = lowered(system, closed(40, in_flight=9), mapping.explicit(PAIR, system, [[3, 1]]), Policy("shift", rebalance=shift))
    empty = np.full((4, 1 + ahead), -1)
    empty[:, 0] = [0, 0, 0, 1]
    outcome = agreed(model._replace(machine=model.machine._replace(tbu_resident=empty)))
    assert int(outcome.cluster["owner_changes"].sum()) == 1
    assert int(outcome.cluster["background_loads"].sum()) == 2 * ahead


def test_a_change_goes_no_further_when_all_is_over() -> None:
    """The reload, and the load, end after the last request of their group, but before that of another (rule 8.4)."""
    for ahead in (False, True):
        costs = {"epoch_cycles": 4, "reload_cycles": 50, "background_load": ahead, "link_latency_cycles": 9}
        system = System(1, 2, tbus=4, resident_slots=1 + ahead, dead_links=[(0, 1)], **costs)
        placed = mapping.explicit(PAIR, system, [[3, 1], [3, 1]])
        model = lowered(system, trace([0, 0, 300], split=[0.5, 0.5]), placed, Policy("shift", rebalance=shift))
        outcome = agreed(model)
        assert outcome.status == "done" and int(outcome.cluster["owner_changes"].sum()) >= 1 - ahead
