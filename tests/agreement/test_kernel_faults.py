"""Deliberate faults of the kernel, one per kind of rule, are each found by the generated scenarios.

A fault is a changed line. It is made in the source of a kernel, so these tests need the kernels as plain Python;
where a line is no longer there, the test says so: then the fault has to be put where its rule is kept now.
"""

from __future__ import annotations

import inspect
import pkgutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from octomodel import kernels
from octomodel.errors import RunError
from octomodel.kernels._jit import JIT_ENABLED
from octomodel.kernels.model import Model
from octomodel.run import run
from octomodel.testing import Reference, run_reference
from octomodel.testing.agreement import differences
from octomodel.testing.scenarios import scenario

pytestmark = [
    pytest.mark.nojit,
    pytest.mark.skipif(JIT_ENABLED, reason="changes lines of kernels, so only with NUMBA_DISABLE_JIT=1"),
]

SEEDS = range(300_000, 300_300)
EXECUTIONS = 60


@dataclass(frozen=True)
class Fault:
    """One changed line: ``old`` stands exactly once in a function of a kernel module and becomes ``new``."""

    name: str
    rule: str
    module: str
    function: str
    old: str
    new: str


FAULTS = (
    Fault(
        "what wants a slot at one cycle enters in the order of coming",
        "4.3",
        "lists",
        "insert",
        "w.token[last].time == time and w.token[last].key <= key",
        "w.token[last].time == time",
    ),
    Fault(
        "fresh tokens are served before recirculated ones",
        "4.5",
        "execute",
        "take_from",
        "station.again_len > 0 and",
        "station.again_len > 0 and station.fresh_len == 0 and",
    ),
    Fault(
        "a slot that comes free is not offered to the line",
        "4.5",
        "execute",
        "leave_fresh",
        "station.slots > 0",
        "station.slots < 0",
    ),
    Fault(
        "a join is where its fork is",
        "4.8",
        "control",
        "spread",
        "choose_cluster(w, c, token, after.task) if after.kind == TASK else c",
        "c",
    ),
    Fault(
        "an idle owner kept for a token takes another",
        "4.10",
        "execute",
        "take_from",
        "tbu.reserved < 0:\n        token",
        "True:\n        token",
    ),
    Fault(
        "a join of which one child is marked is marked",
        "4.6",
        "push",
        "join_child",
        "&= child.mark",
        "|= child.mark",
    ),
    Fault(
        "a joined token carries what its last child did",
        "1.4",
        "push",
        "join_child",
        "child.bytes = join.bytes",
        "pass",
    ),
    Fault(
        "messages come in by the side they leave to",
        "3.2",
        "link",
        "join_link",
        "(port ^ 1) << 40",
        "port << 40",
    ),
    Fault("a link serves several messages at once", "7.1", "link", "join_link", "max(t, link.free)", "t"),
    Fault(
        "half way round a torus by the higher port",
        "7.2",
        "link",
        "next_port",
        "2 * east >= columns",
        "2 * east > columns",
    ),
    Fault(
        "the highest-numbered owner takes a token",
        "3.7",
        "execute",
        "lowest_idle",
        "last = station.owner + station.owners - 1\n    for place in range(station.owner, last):",
        "last = station.owner\n    for place in range(last + station.owners - 1, last, -1):",
    ),
    Fault(
        "a TBU is asked once and never again",
        "6.2",
        "cluster",
        "lend",
        "tbu.asked == cluster.news",
        "tbu.asked > 0",
    ),
    Fault("a spill gives one place back", "6.5", "push", "release", "+= spill.node", "+= 1"),
    Fault(
        "a spilled token leaves before it has come in",
        "6.5",
        "push",
        "push",
        "begin = max(t, w.token[pushed.place].time + delay)",
        "begin = t",
    ),
    Fault("the only token of a queue is stolen", "6.6", "arrive", "answer", "longest = 1", "longest = 0"),
    Fault(
        "CBUs take tokens in the order of coming",
        "4.7",
        "walk",
        "step",
        "lists.insert(w, ctl.cluster_queues + 4 * c + lists.CONTROL_LINE, token)",
        "lists.append(w, ctl.cluster_queues + 4 * c + lists.CONTROL_LINE, token)",
    ),
    Fault(
        "every visit draws like the first",
        "2.3",
        "control",
        "work",
        "node, visit_number, 0",
        "node, 1, 0",
    ),
    Fault(
        "a select draws a branch twice",
        "2.4",
        "control",
        "select",
        "if w.drawn[n + i] == 0 and weight",
        "if weight",
    ),
    Fault("a credit admits nobody", "8.3", "arrive", "receive", "next_arrival(w, c)", "pass"),
    Fault(
        "the most recently run configuration is evicted",
        "5.3",
        "residents",
        "victim",
        "resident.used <",
        "resident.used >",
    ),
    Fault(
        "two loads at once through the port", "5.3", "residents", "take_port", "max(t, cluster.port_free)", "t"
    ),
    Fault(
        "the last epoch hook is left out",
        "7.5",
        "cluster",
        "cycle",
        "group.unfinished > 0 or group.last_end >= t",
        "group.unfinished > 0",
    ),
    Fault(
        "a run under way at the horizon is not counted",
        "9.2",
        "advance",
        "close_group",
        "+= t - tbu.run_start",
        "+= 0",
    ),
    Fault(
        "a link served beyond the horizon counts",
        "9.3",
        "advance",
        "close",
        "max(0, w.link[link].free - elapsed)",
        "0",
    ),
    Fault(
        "a long idle spell is surplus from its start",
        "9.1",
        "account",
        "charge",
        "min(spell, w.ctl[0].surplus_after if tbu.state == IDLE else NEVER)",
        "spell if tbu.state != IDLE or spell <= w.ctl[0].surplus_after else 0",
    ),
    Fault("demand is what was taken", "9.5", "cluster", "sample_stations", "_taken + sample.backlog", "_taken"),
    Fault("a sample leaves marked tokens out", "9.5", "cluster", "sample_stations", "fresh_len + station.again_len", "fresh_len"),
    Fault("the last sample is left out", "9.5", "cluster", "cycle", "t <= ctl.last_sample", "t < ctl.last_sample"),
    Fault("lent runs are not sampled", "9.5", "cluster", "sample_stations", " or tbu.state == LENT", ""),
    Fault("a blocked TBU counts as idle", "9.5", "cluster", "sample_stations", ".owners_blocked += 1", ".owners_idle += 1"),
    Fault("no hook after the first sample", "9.5", "cluster", "cycle", "t + between if t < ctl.last_sample else NEVER", "NEVER"),
    Fault("a view shows no cycle but the first", "13.2", "cluster", "cycle", "ctl.now = t", "ctl.now = 0"),
    Fault("a route may name what it likes", "13.3", "control", "asked_route", "w.option[i].cluster == answer", "answer >= 0"),
    Fault(
        "reports are sent before the plan",
        "13.5",
        "cluster",
        "cycle",
        "rebalance(w, c, t)\n            send_reports(w, c, t)",
        "send_reports(w, c, t)\n                rebalance(w, c, t)",
    ),
    Fault("neighbours are told nothing", "13.6", "reports", "send_reports", "w.link[4 * c + port].cluster > d", "False"),
    Fault("the last owner may leave", "13.7", "rebalance", "own", "w.tbu[other].next < 0", "True"),
    Fault("a change of home does not wait for idleness", "13.7", "rebalance", "due", "tbu.state == IDLE and", ""),
    Fault(
        "a background load takes the place of what ran last",
        "13.8",
        "residents",
        "place_for_load",
        " and resident.config != tbu.config",
        "",
    ),
    Fault(
        "a background load has the port to itself",
        "13.8",
        "rebalance",
        "begin_load",
        "take_port(w, c, t, task)",
        "t + w.task[task].reload",
    ),
    Fault("the only token of a queue stays", "13.9", "rebalance", "move", "station.fresh_len == 0", "station.fresh_len < 2"),
    Fault("a reload is wasted though it ran", "9.8", "residents", "replace", " and resident.used < 0", ""),
    Fault("a background load is never wasted", "9.8", "rebalance", "begin_load", ".config, 1)", ".config, 0)"),
    Fault("the reload of a change is never wasted", "9.8", "owners", "begin_change", "config, 1)", "config, 0)"),
    Fault("each hook is sampled", "9.5", "cluster", "cycle", " and t % between == 0", ""),
    Fault("refused items are not counted", "13.10", "rebalance", "rebalance", "cluster.plan_refusals += 1", "pass"),
    Fault("one round is enough", "3.1", "cluster", "rounds", "= next_cycle(w, c, t)", "= max(t + 1, next_cycle(w, c, t))"),
)


@pytest.fixture(autouse=True)
def unmeasured() -> Iterator[None]:
    """What only a faulty kernel reaches has no test: nothing here counts as covered."""
    here, threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    yield
    sys.settrace(here)
    threading.settrace(threads)


@cache
def prepared(seed: int) -> tuple[Model, Reference]:
    model = scenario(seed, EXECUTIONS).model
    return model, run_reference(model)


def modules() -> list[ModuleType]:
    return [
        import_module(f"{kernels.__name__}.{info.name}") for info in pkgutil.iter_modules(kernels.__path__)
    ]


def faulty(fault: Fault) -> tuple[Any, Any]:
    """Return a kernel and the same kernel with its line changed."""
    module = import_module(f"{kernels.__name__}.{fault.module}")
    right = getattr(module, fault.function)
    source = inspect.getsource(right)
    where = f"kernels/{fault.module}.py, {fault.function}"
    assert source.count(fault.old) == 1, f"{fault.old!r} stands {source.count(fault.old)} times in {where}"
    made: dict[str, Any] = {}
    exec(compile(source.replace(fault.old, fault.new), f"<{where}, faulty>", "exec"), module.__dict__, made)
    return right, made.popitem()[1]


def found(model: Model, reference: Reference) -> bool:
    try:
        return bool(differences(model, run(model, threads=1), reference))
    except RunError:
        return True


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "_"))
def test_fault_is_found(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = faulty(fault)
    for module in modules():
        for name, value in vars(module).copy().items():
            if value is right:
                monkeypatch.setattr(module, name, wrong)
    assert any(found(*prepared(seed)) for seed in SEEDS), f"rule {fault.rule}: {fault.name}"


def test_every_kind_of_rule_has_a_fault() -> None:
    """Each chapter of the rules."""
    assert {fault.rule.split(".")[0] for fault in FAULTS} >= {"1", "2", "3", "4", "5", "6", "7", "8", "9", "13"}
    assert len(FAULTS) >= 12


def test_the_scenarios_are_right_without_a_fault() -> None:
    assert not any(found(*prepared(seed)) for seed in SEEDS)
