"""Laws that relate two runs, on generated scenarios through the kernel; each notices a run that breaks it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from octomodel.kernels.model import TASK, Model
from octomodel.outcome import Outcome
from octomodel.policies import POLICIES
from octomodel.run import run as run_kernel
from octomodel.testing import laws_models as models
from octomodel.testing import laws_pairs as pairs
from octomodel.testing.laws_events import prefix_of_events
from octomodel.testing.reference import Reference, run_reference

pytestmark = pytest.mark.nojit


def run(model: Model) -> Outcome:
    return run_kernel(model, threads=1)


def bundled(ran: list[Any]) -> list[Any]:
    """Leave out the policies of one's own, which may know the clock, and clusters and TBUs by number."""
    return [one for one in ran if one.scenario.policy.name in POLICIES]


def test_identical_can_fail(ran: list[Any]) -> None:
    a = ran[0].outcome
    assert pairs.identical(a, a) == []
    assert pairs.identical(a, replace(a, fingerprint="0" * 32)) != []
    assert pairs.identical(a, replace(a, status="stuck")) == [f"status: {a.status}, then stuck"]
    later = replace(a, request_end=a.request_end + 1)
    assert pairs.identical(a, later) != [] and pairs.identical(a, later, but=["request end"]) == []


def test_any_exact_step(ran: list[Any]) -> None:
    for one in ran[:30]:
        if one.model.load.step <= models.smallest_latency(one.model):
            for step in {0, 1, models.smallest_latency(one.model)}:
                assert pairs.identical(one.outcome, run(models.stepping(one.model, step))) == []


def test_sampling_changes_nothing(ran: list[Any]) -> None:
    sampled = 0
    for one in ran:
        without, with_samples = run(models.sampled(one.model, 0)), run(models.sampled(one.model, 7))
        assert pairs.sampling_changes_nothing(without, with_samples) == []
        assert without.epoch["backlog"].size == 0
        sampled += int((with_samples.epoch["backlog"] > 0).sum())
        other = replace(with_samples, elapsed=with_samples.elapsed + 1)
        assert pairs.sampling_changes_nothing(without, other) != []
    assert sampled > 100


def test_more_samples_begin_like_fewer(ran: list[Any]) -> None:
    for one in ran[:30]:
        few, many = run(models.sampled(one.model, 3)), run(models.sampled(one.model, 9))
        for name, values in few.epoch.items():
            assert (values == many.epoch[name][:3]).all()


def test_prefix(ran: list[Any]) -> None:
    compared = 0
    for one in ran[:40]:
        for share in (0.2, 0.7):
            horizon = max(1, int(one.outcome.elapsed * share))
            shorter = run(models.until(one.model, horizon))
            assert pairs.prefix(shorter, one.outcome, horizon) == []
            compared += int((shorter.request_end >= 0).sum())
            assert pairs.prefix(replace(shorter, request_end=shorter.request_end + 1), one.outcome, horizon)
            found = pairs.prefix(
                replace(shorter, request_milestone=shorter.request_milestone + 1), one.outcome, horizon
            )
            assert ("a milestone is reached otherwise" in found) == (shorter.request_milestone.size > 0)
            fewer = shorter.epoch | {"demand": shorter.epoch["demand"] - 1}
            found = pairs.prefix(replace(shorter, epoch=fewer), one.outcome, horizon)
            assert ("epoch demand: another in the longer run" in found) == (shorter.epoch["demand"] > 0).any()
    assert compared > 300


def test_prefix_event_by_event(ran: list[Any]) -> None:
    compared = 0
    for one in ran[:20]:
        longer = run_reference(one.model, log=True)
        horizon = max(1, one.outcome.elapsed // 2)
        shorter = run_reference(models.until(one.model, horizon), log=True)
        assert prefix_of_events(shorter, longer, horizon) == []
        assert run(models.until(one.model, horizon)).fingerprint == fingerprint(shorter)
        compared += len(shorter.events)
        late = replace(shorter, events=[(*event[:6], event[6] + 1, event[7]) for event in shorter.events])
        assert prefix_of_events(late, longer, horizon) or not any(e[-1] < horizon for e in late.events)
    assert compared > 1000


def fingerprint(reference: Reference) -> str:
    return "".join(f"{part:016x}" for part in reference.fingerprint)


def test_owner_priority(ran: list[Any]) -> None:
    found = waiting = 0
    for one in ran[:12]:
        for cycle in np.linspace(1, one.outcome.elapsed - 1, 6, dtype=int).tolist():
            now, after = run(models.until(one.model, cycle)), run(models.until(one.model, cycle + 1))
            assert pairs.owners_serve_their_own_first(one.model, now, after) == []
            waiting += int((after.station["queue_integral"] > now.station["queue_integral"]).sum())
            lazy = after.tbu_cycles - now.tbu_cycles
            lazy[:, pairs.CAUSES.index("starved")] = 1
            idle = replace(after, tbu_cycles=now.tbu_cycles + lazy)
            found += bool(pairs.owners_serve_their_own_first(one.model, now, idle))
    assert found > 10 and waiting > 10


def test_work_independent_of_policy(ran: list[Any]) -> None:
    for one in ran[:20]:
        plain = models.one_speed(models.to_completion(one.scenario.lower(POLICIES["static"]).model))
        first = run(plain)
        for policy in {POLICIES["stealing"], POLICIES["jsq"], one.scenario.policy}:
            model = models.one_speed(models.to_completion(one.scenario.lower(policy).model))
            other = run(model)
            assert pairs.same_work(first, other) == []
            station = other.station | {"run_cycles": other.station["run_cycles"] + 1}
            assert pairs.same_work(first, replace(other, station=station)) != []
            more = other.cluster | {"decisions": other.cluster["decisions"] + 1}
            assert any("decisions" in fault for fault in pairs.same_work(first, replace(other, cluster=more)))


@pytest.mark.parametrize("dead", [False, True])
def test_unused_tbu(dead: bool, ran: list[Any]) -> None:
    for one in bundled(ran)[:30]:
        spare = run(models.with_spare_tbus(one.model, dead))
        assert pairs.unused_tbus_change_nothing(one.model, one.outcome, spare) == []
        busy = spare.tbu_cycles.copy()
        busy[models.spare_tbus(one.model)[0], [3, 7]] += (1, -1)
        broken = replace(spare, tbu_cycles=busy)
        assert pairs.unused_tbus_change_nothing(one.model, one.outcome, broken) or spare.elapsed == 0
        other = replace(spare, fingerprint="0" * 32)
        assert pairs.unused_tbus_change_nothing(one.model, one.outcome, other) == ["another fingerprint"]


@pytest.mark.parametrize("swapped", [False, True])
def test_disjoint_copies(swapped: bool, ran: list[Any]) -> None:
    different = 0
    for one in bundled(ran)[:30]:
        both = run(models.beside(one.model, swapped=swapped))
        assert pairs.copy_undisturbed(one.outcome, both, second=swapped) == []
        different += bool(pairs.copy_undisturbed(one.outcome, both, second=not swapped))
    # the other copy has requests, and so draws, of its own, but not every workflow draws
    assert different > 20


def test_isolated_request_elsewhere(ran: list[Any]) -> None:
    for one in ran[:30]:
        if one.model.rules.rebalance is not None:
            # when the last request ends a TBU may be reloading, and is as long as the run lasts
            continue
        both = run(models.beside(one.model, requests=1))
        assert pairs.copy_undisturbed(one.outcome, both, second=False) == []


def test_shifted_arrivals(ran: list[Any]) -> None:
    """By multiples of the epoch, away from cycle 0, where no epoch hook runs; steals have a memory of quiet epochs."""
    shifted = 0
    for one in bundled(ran):
        if one.model.load.closed or one.model.rules.dispatch is not None:
            continue
        between = one.model.machine.epoch * one.model.load.epoch_stride
        epoch = between * max(1, one.model.load.step)
        early, late = models.later(one.model, 4 * epoch), models.later(one.model, 7 * epoch)
        a, b = run(early), run(late)
        assert pairs.shifted_by(a, b, 3 * epoch, between) == []
        assert pairs.shifted_by(a, b, 3 * epoch + 1, between) != []
        shifted += 1
    assert shifted >= 10


def test_time_scaling(ran: list[Any]) -> None:
    # what rebalances weighs tokens against cycles in floating point: the comparison of two sums may turn
    for one in [each for each in bundled(ran) if each.scenario.policy.rebalance is None][:40]:
        model = models.constant_times(one.model)
        first, slow = run(model), run(models.scaled(model, 3))
        assert pairs.times_scale(first, slow, 3) == []
        assert pairs.times_scale(first, slow, 2) != [] or first.elapsed == 0


def branches(ran: list[Any]) -> list[tuple[Model, int, int]]:
    """Each passable branch of the models with one of its edges, in turn."""
    found = []
    for one in ran:
        for branch in models.branches(one.model):
            edges = one.model.program.edge_indptr[branch + 1] - one.model.program.edge_indptr[branch]
            found.append((one.model, branch, len(found) % int(edges)))
    return found


def test_probability_one_is_no_branch(ran: list[Any]) -> None:
    cases = branches(ran)[:25]
    assert len(cases) >= 10
    decided = 0
    for model, branch, edge in cases:
        a, b = run(models.certain(model, branch, edge)), run(models.without_branch(model, branch, edge))
        assert pairs.identical(a, b, but=["cluster decisions", "fingerprint"]) == []
        decided += int((a.cluster["decisions"] - b.cluster["decisions"]).sum())
    assert decided > 50


def test_probability_zero_is_branch_removed(ran: list[Any]) -> None:
    cases = branches(ran)[:25]
    assert len(cases) >= 10
    changed = 0
    for model, branch, edge in cases:
        never = models.never(model, branch, edge)
        outcome = run(never)
        assert pairs.identical(outcome, run(models.without_edge(never, branch, edge))) == []
        changed += bool(pairs.identical(outcome, run(model)))
    assert changed > 5


def test_one_task_of_no_time_changes_the_times(ran: list[Any]) -> None:
    """The relations above are not satisfied by any two runs."""
    model = models.constant_times(ran[0].model)
    knots = model.program.knots.copy()
    knots[-int((model.program.node_kind == TASK).sum())] += 1 << 16
    other = model._replace(program=model.program._replace(knots=knots))
    assert pairs.identical(run(model), run(other)) != []
