"""Deliberate faults of the reference's bundled policies, one per part of their rules, are each found by generated scenarios.

The kernel runs the policies as users do, the reference what their rules say. A fault is a changed line of the latter, as those of
``test_kernel_faults`` are of the kernel: what is found here would be found in the policy too.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from octomodel.errors import RunError
from octomodel.kernels.model import Model
from octomodel.outcome import Outcome
from octomodel.run import run
from octomodel.testing import reference_lending, reference_octopus, reference_reactive, reference_rebalance, run_reference
from octomodel.testing.agreement import differences
from octomodel.testing.scenarios import scenario

pytestmark = pytest.mark.nojit

# in these, with about so many executions, much is decided
SEEDS: dict[str, dict[int, int | None]] = {
    "reactive": dict.fromkeys((310_222, 310_035, 310_051, 310_063, 310_123, 310_360), 100),
    "octopus": dict.fromkeys((310_420, 310_366, 310_164, 310_435, 310_251, 310_043), 100) | {1_958: None},
}
MODULES = {"reactive": reference_reactive, "octopus": reference_octopus}


@dataclass(frozen=True)
class Fault:
    """One changed line: ``old`` stands exactly once in a function of the reference's policy and becomes ``new``."""

    name: str
    rule: str
    policy: str
    function: str
    old: str
    new: str


FAULTS = (
    Fault("nothing is too little", "14.1", "reactive", "reactive", "<= view.params.threshold * mean", "<= 0"),
    Fault("the mean is over all TBs", "14.1", "reactive", "reactive", "/ len(tbs)", "/ view.n_tb"),
    Fault("the last owner stays no longer", "14.1", "reactive", "_give", "[: len(staying) - 1]", "[: len(staying)]"),
    Fault("busy owners are given", "14.1", "reactive", "_give", "if view.tbu_state[u] == IDLE", ""),
    Fault(
        "all that is above the mean goes", "14.1", "reactive", "_send",
        "view.task_cycles[worst]) / 2", "view.task_cycles[worst])",
    ),
    Fault("of equals the last port", "14.1", "reactive", "_send", "for port in range(4)", "for port in (3, 2, 1, 0)"),
    Fault("executions are not learnt from", "14.4", "octopus", "_observe", "if new[tb] > 0:", "if new[tb] < 0:"),
    Fault("the first fill is a rate", "14.4", "octopus", "_observe", "view.now == view.epoch_cycles", "False"),
    Fault(
        "levels are not corrected", "14.4", "octopus", "_smooth",
        "corrected = expected + (came - expected) / memory", "corrected = expected",
    ),
    Fault("the trend is ignored", "14.4", "octopus", "_smooth", "trend + view.params.beta", "0.0 * view.params.beta"),
    Fault(
        "there is no spread", "14.4", "octopus", "_smooth",
        "(abs(came - expected) - state[SPREAD, tb])", "0.0 * state[SPREAD, tb]",
    ),
    Fault("the busy are not counted", "14.5", "octopus", "_forecast", "0.5 * int(view.station_busy[tb])", "0.0"),
    Fault(
        "what is on its way is not seen", "14.5", "octopus", "_forecast",
        "max(ahead[tb], expected * epochs)", "expected * epochs",
    ),
    Fault(
        "what follows is what the program says", "14.5", "octopus", "_forecast",
        "float(tokens) * follows *", "float(tokens) *",
    ),
    Fault("the busiest station sets no pace", "14.6", "octopus", "_find_slack", "pace = max(pace, ", "pace = min(pace, "),
    Fault(
        "who reloads for it is no owner", "14.7", "octopus", "_move_owners",
        "if pending >= 0:", "if pending >= 0 and home >= 0:",
    ),
    Fault("who helps is no owner", "14.7", "octopus", "_move_owners", "max(count, busy) for", "count for"),
    Fault("a station gives many at once", "14.7", "octopus", "_move_owners", "staying[home] = 0", "staying[home] -= 1"),
    Fault("of equals the last goes", "14.7", "octopus", "_spared", "min(found)", "min(found, key=lambda f: (f[0], f[1], -f[2]))"),
    Fault(
        "the band is turned round", "14.7", "octopus", "_spared",
        "(1 + view.params.band) <= most", "(1 - view.params.band) <= most",
    ),
    Fault("who holds it is not preferred", "14.7", "octopus", "_spared", "2 * _holds(view, u, busiest) + idle", "idle"),
    Fault("the home that needs it most gives", "14.7", "octopus", "_spared", "min(found)", "max(found)"),
    Fault("the busiest home prepares", "14.8", "octopus", "_prepare", "min(found)", "max(found)"),
    Fault("the port need not be free", "14.8", "octopus", "_prepare", " or view.port_free > view.now", ""),
    Fault("more diffuses than is stable", "14.9", "octopus", "_diffuse", "diffusion / 5", "diffusion / 2"),
    Fault(
        "who has said nothing has no load", "14.9", "octopus", "_diffuse",
        "reports.sent[port] <= 0", "reports.cluster[port] < 0",
    ),
    Fault("an owner is never as soon", "14.10", "octopus", "octopus_dispatch", "<= there:", "< 0:"),
    Fault("what is not written yet is no demand", "14.10", "octopus", "octopus_dispatch", "now > view.epoch_cycles", "now >= 0"),
    Fault("short idleness is slack", "14.10", "octopus", "octopus_dispatch", "view.state[SLACK, home] == 0", "True"),
    Fault("the way back costs nothing", "14.10", "octopus", "octopus_dispatch", "(there + back)", "there"),
    Fault("all are next in turn", "14.10", "octopus", "octopus_dispatch", "int(1 + before)", "1"),
    Fault("there is no margin", "14.10", "octopus", "octopus_dispatch", "* (1 + margin)", ""),
    Fault("runs under way do not end", "14.10", "octopus", "_residual", "residual = min(residual,", "residual = max(residual,"),
    Fault(
        "a reload is a switch", "14.10", "octopus", "_way_there",
        "if (view.resident[tbu] == view.task_config[best]).any():", "if True:",
    ),
)  # fmt: skip


@cache
def prepared(policy: str) -> list[tuple[Model, Outcome]]:
    """Return the scenarios of a policy, and what the kernel makes of them."""
    models = [scenario(seed, executions).model for seed, executions in SEEDS[policy].items()]
    return [(model, run(model, threads=1)) for model in models]


def found(model: Model, outcome: Outcome) -> bool:
    try:
        return bool(differences(model, outcome, run_reference(model)))
    except (RunError, AssertionError):
        return True


def make_faulty(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change the line of a fault, wherever its function is called."""
    module = MODULES[fault.policy]
    right = getattr(module, fault.function)
    source = inspect.getsource(right)
    where = f"{module.__name__}, {fault.function}"
    assert source.count(fault.old) == 1, f"{fault.old!r} stands {source.count(fault.old)} times in {where}"
    made: dict[str, Any] = {}
    exec(compile(source.replace(fault.old, fault.new), f"<{where}, faulty>", "exec"), module.__dict__, made)
    for user in (module, reference_lending, reference_rebalance):
        if getattr(user, fault.function, None) is right:
            monkeypatch.setattr(user, fault.function, made[fault.function])


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "_"))
def test_fault_is_found(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    make_faulty(fault, monkeypatch)
    assert any(found(*one) for one in prepared(fault.policy)), f"rule {fault.rule}: {fault.name}"


@pytest.mark.parametrize("policy", MODULES)
def test_the_scenarios_are_right_without_a_fault(policy: str) -> None:
    assert all(scenario(seed, executions).policy.name == policy for seed, executions in SEEDS[policy].items())
    assert not any(found(*one) for one in prepared(policy))


def test_every_rule_has_a_fault() -> None:
    """Of those that say what is done: 14.2 is in the transcription of ``stealing``, 14.3 the order of the others."""
    assert {fault.rule for fault in FAULTS} == {"14.1", *(f"14.{number}" for number in range(4, 11))}
