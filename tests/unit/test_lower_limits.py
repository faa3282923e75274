"""No clock and no counter can wrap: what could make one is refused by the name of its field (trust: integers wrap)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from octomodel import dist, mapping
from octomodel.errors import ModelError, RunError
from octomodel.hardware import System
from octomodel.load import closed
from octomodel.lower import lower
from octomodel.lower_limits import check_counted, largest_payload
from octomodel.lower_program import lower_program
from octomodel.program import branch, fork, loop, per, select, seq, task
from octomodel.run import run
from octomodel.testing.laws_tree import Trees
from octomodel.testing.workflows import workflows
from octomodel.workflow import Workflow

ONE = Workflow("w", task("a", 10, out_bytes=8, config_bytes=8), task("b", 1))


def lowered(workflow: Workflow = ONE, requests: int = 10, policy: str = "static", **machine: Any) -> Any:
    options = {name: machine.pop(name) for name in ("horizon",) if name in machine}
    system = System(machine.pop("rows", 1), machine.pop("cols", 2), **{"tbus": 1, **machine})
    placed = mapping.make(workflow, system)
    return lower(workflow, system, closed(requests), placed, policy=policy, **options)


def chain(time: object, **options: Any) -> Workflow:
    return Workflow("w", task("a", time), task("b", 1), **options)


def seldom(most: float) -> Workflow:
    """Return a workflow whose loop takes, but for one request in 10^12, no turn."""
    rare = dist.Mixture((1 - 1e-6, 1e-6), (dist.Deterministic(0), dist.Deterministic(most)))
    return Workflow("w", loop(task("a", 1), count=per("n", 1) * rare), attributes={"n": rare})


FAR = {"link_bytes_per_cycle": "1/1000000", "report_bytes": 1, "horizon": 9}
LONG = chain(2.0**46)


@pytest.mark.parametrize(
    ("fits", "passes", "path", "part"),
    [
        # a slow TBU divides: 2^46 cycles at speed 0.5 are 2^47
        (
            lambda: lowered(LONG, tbu_speed=0.51),
            lambda: lowered(LONG, tbu_speed=0.5),
            "system.tbu_speed",
            "0.5, at which a takes up to 1.41e+14 cycles",
        ),
        # one slow TBU of many is enough, also one that owns another task or none, but not a dead one
        (
            lambda: lowered(LONG, cols=1, tbus=3, tbu_speed=(1.0, 1.0, 1e-3), dead_tbus=[2]),
            lambda: lowered(LONG, cols=1, tbus=3, tbu_speed=(1.0, 1.0, 1e-3)),
            "system.tbu_speed",
            "0.001, at which a takes",
        ),
        (
            lambda: lowered(chain(dist.Empirical([1.0, 2.0**44]))),
            lambda: lowered(chain(per("n", 4.0) * dist.Empirical([1.0, 2.0**44]), attributes={"n": [2.0]})),
            "workflow.w.a.time",
            "up to 1.41e+14 cycles",
        ),
        # PEAs make it fit
        (
            lambda: lowered(chain(per("n", 2.0**46), attributes={"n": [3.0]}), peas=2),
            lambda: lowered(chain(per("n", 2.0**46), attributes={"n": [3.0]})),
            "workflow.w.a.time",
            "up to 2.11e+14 cycles",
        ),
        (
            lambda: lowered(chain(per("n", -1e150, base=3), attributes={"n": dist.Uniform(0, 9)})),
            lambda: lowered(chain(per("n", 1e150), attributes={"n": [1e150]})),
            "workflow.w.a.time",
            "up to 1e+300 cycles",
        ),
        (
            lambda: lowered(seldom(2.0**30)),
            lambda: lowered(seldom(2.0**31)),
            "workflow.w.loop1.count",
            "up to 4.61e+18 turns",
        ),
        # all TBUs of a cluster wait for one port
        (
            lambda: lowered(cols=1, tbus=4, reload_cycles=2**46),
            lambda: lowered(cols=1, tbus=4, reload_cycles=2**46 + 1),
            "system.reload_cycles",
            "reloads of 4 TBUs",
        ),
        (
            lambda: lowered(
                Workflow("w", task("a", 1, config_bytes=2**28)), cols=1, tbus=2, reload_bytes_per_cycle="1/500000"
            ),
            lambda: lowered(
                Workflow("w", task("a", 1, config_bytes=2**29)), cols=1, tbus=2, reload_bytes_per_cycle="1/500000"
            ),
            "system.reload_bytes_per_cycle",
            "268435456000000 cycles for one reload",
        ),
        (
            lambda: lowered(local_latency_cycles=2**48),
            lambda: lowered(local_latency_cycles=2**48, local_bytes_per_cycle=8),
            "system.local_bytes_per_cycle",
            "local transfers of at most 2^48 cycles",
        ),
        (
            lambda: lowered(Workflow("w", task("a", 1, out_bytes=2**41), task("b", 1)), link_bytes_per_cycle=1),
            lambda: lowered(Workflow("w", task("a", 1, out_bytes=2**41), task("b", 1)), 2**20, link_bytes_per_cycle=1),
            "system.link_bytes_per_cycle",
            "2^60 cycles for all tokens at once",
        ),
        (
            lambda: lowered(die=(1, 1), report_bytes=2**25, die_link_bytes_per_cycle=2, horizon=2**20),
            lambda: lowered(die=(1, 1), report_bytes=2**25, die_link_bytes_per_cycle=1, horizon=2**20),
            "system.report_bytes",
            "reports of at most 16777216 cycles",
        ),
        (
            lambda: lowered(report_bytes=2**20, epoch_cycles=1, horizon=2**41),
            lambda: lowered(report_bytes=2**20, epoch_cycles=1, horizon=2**42),
            "system.report_bytes",
            "1048576 bytes of up to 4398046511104 reports",
        ),
        (
            lambda: lowered(cols=1, tbus=2, policy="stealing", control_bytes=2**12),
            lambda: lowered(cols=1, tbus=2, policy="stealing", control_bytes=2**13),
            "system.control_bytes",
            "a horizon or smaller requests for work",
        ),
        (
            lambda: lowered(policy="static", control_bytes=2**40, **FAR),
            lambda: lowered(policy="stealing", control_bytes=2**40, **FAR),
            "system.control_bytes",
            "2^60 cycles for one message of each cluster",
        ),
        # joins sum, and children carry what their parent did: 40 forks of two empty branches
        (
            lambda: lowered(Workflow("w", task("a", 1, out_bytes=8), *[fork(seq(), seq())] * 30, task("b", 1))),
            lambda: lowered(Workflow("w", task("a", 1, out_bytes=8), *[fork(seq(), seq())] * 60, task("b", 1))),
            "workflow.out_bytes",
            "9223372036854775808 bytes at 1/1",
        ),
        (lambda: System(1, 1, tbus=2**14), lambda: System(1, 1, tbus=2**14 + 1), "system.tbus", "to 16384"),
        (lambda: System(1, 1, cbus=2**14), lambda: System(1, 1, cbus=2**14 + 1), "system.cbus", "to 16384"),
    ],
)
def test_the_largest_fits_and_more_is_refused(fits: Any, passes: Any, path: str, part: str) -> None:
    fits()
    with pytest.raises(ModelError) as caught:
        passes()
    assert caught.value.path == path
    assert part in str(caught.value)


def test_what_just_fits_runs() -> None:
    """The clock of a run near its end: reloads of all TBUs in a row, runs of 2^46 cycles on a slow TBU."""
    model = lowered(LONG, requests=1, cols=1, tbus=2, tbu_speed=0.51).model
    outcome = run(model, threads=1)
    assert outcome.elapsed == round(2**46 / 0.51) + 2 and outcome.elapsed > 2**46
    assert int(outcome.tbu_cycles.min()) >= 0


@pytest.mark.parametrize(
    ("items", "largest"),
    [
        ([task("a", 1, out_bytes=8)], 9),  # the request's own
        ([task("a", 1, out_bytes=8), fork(seq(), task("b", 1, out_bytes=3))], 11),
        ([task("a", 1, out_bytes=8), fork(seq(), seq()), fork(seq(), seq(), seq())], 48),
        # one of the two edges of a branch is taken
        ([task("a", 1, out_bytes=8), fork(branch({"x": 0.5, "y": 0.5}, x=seq(), y=seq()), task("b", 1))], 9),
        ([task("a", 1, out_bytes=20), select(2, {"x": 1, "y": 1, "z": 1}, x=seq(), y=seq(), z=seq())], 40),
        (
            [select(1, {"x": 1, "y": 1}, items=3, x=task("a", 1, out_bytes=8), y=task("b", 1, out_bytes=7))],
            15,
        ),
        # round a loop: what its last task leaves enters the fork at its start
        (
            [task("a", 1), loop(fork(task("b", 1, out_bytes=6), task("c", 1, out_bytes=50)), again=0.5)],
            56,
        ),
        ([loop(seq(fork(seq(), seq(), seq()), task("b", 1, out_bytes=50)), again=0.5)], 150),
    ],
)
def test_largest_payload(items: list[Any], largest: int) -> None:
    program, _ = lower_program(Workflow("w", *items, in_bytes=9), System(1, 1))
    assert largest_payload(program) == largest


@settings(max_examples=50)
@given(workflows())
def test_no_token_carries_more(workflow: Workflow) -> None:
    system = System(1, 1, tbus=len(workflow.tasks))
    model = lower(workflow, system, closed(3), mapping.make(workflow, system)).model
    trees = Trees(model)
    most = largest_payload(model.program)
    for request in range(3):
        tree = trees.tree(request)
        steps = [tree.last, *tree.executions, *tree.decisions]
        assert all(size <= most for step in steps for _, size in step.before)


def test_waits_that_may_have_wrapped_are_refused() -> None:
    outcome = run(lowered(requests=4).model, threads=1)
    check_counted(outcome, 1)
    late = replace(outcome, request_end=np.full(4, 2**61))
    with pytest.raises(RunError, match=r"9.22e\+18 cycles in the system"):
        check_counted(late, 1)
    # one request inside at the horizon, the others never came
    arrival, end = np.array([5, -1, -1, -1]), np.full(4, -1)
    inside = replace(outcome, elapsed=2**48, request_arrival=arrival, request_end=end)
    check_counted(inside, 2**13)
    with pytest.raises(RunError, match="use a horizon"):
        check_counted(inside, 2**15)
