"""Kernel and reference agree in corners that generated scenarios of small size seldom reach."""

from __future__ import annotations

import numpy as np
import pytest

from octomodel import ideal, lower, mapping
from octomodel.bounds import bounds
from octomodel.hardware import System
from octomodel.kernels.model import NO_HORIZON, Model
from octomodel.load import Load, closed, periodic, poisson
from octomodel.outcome import Outcome
from octomodel.policies import POLICIES
from octomodel.program import select, task
from octomodel.run import run
from octomodel.testing import run_reference
from octomodel.testing.agreement import differences
from octomodel.testing.laws_models import until
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


def lowered(system: System, load: Load, placed: mapping.Mapping, policy: str = "static") -> Model:
    chosen = POLICIES[policy]
    return lower.lower(PAIR, system, load, placed, dispatch=chosen.dispatch, route=chosen.route).model


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


def test_an_empty_place_takes_a_configuration() -> None:
    """Places that the mapping left empty, though there are more configurations."""
    system = System(1, 1, tbus=3, resident_slots=3, switch_cycles=2, reload_cycles=5, queue_slots=8)
    model = lowered(system, closed(40, in_flight=12), mapping.make(PAIR, system), "stealing")
    resident = model.machine.tbu_resident.copy()
    resident[:, 1:] = -1
    outcome = agreed(model._replace(machine=model.machine._replace(tbu_resident=resident)))
    assert 0 < int(outcome.cluster["reloads"][0]) <= 3 <= int(outcome.cluster["switches"][0])


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
