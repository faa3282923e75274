"""Every law of one run holds on generated scenarios, and each notices when a run does not obey it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest

from octomodel import ideal
from octomodel.kernels.model import Model
from octomodel.outcome import CAUSES, Outcome
from octomodel.testing import laws, laws_events, laws_lending
from octomodel.testing.agreement import fields_of_outcome
from octomodel.testing.reference import Reference, run_reference

pytestmark = pytest.mark.nojit


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
def test_law(law: laws.Law, ran: list[Any]) -> None:
    assert [fault for one in ran for fault in law(one.model, one.outcome)] == []


def test_violations_name_the_law(ran: list[Any]) -> None:
    one = ran[0]
    broken = replace(one.outcome, elapsed=one.outcome.elapsed + 1)
    assert laws.violations(one.model, one.outcome) == []
    assert any(fault.startswith("time_split_sums: TBU 0: ") for fault in laws.violations(one.model, broken))


def changed(array: Any, by: int = 1) -> Any:
    """A copy with the first entry above 0 changed, with the first entry of all where none is."""
    copy = array.copy()
    places = copy.reshape(-1).nonzero()[0]
    copy.reshape(-1)[places[:1] if len(places) else slice(1)] += by
    return copy


def group(outcome: Outcome, entity: str, name: str, by: int = 1) -> Outcome:
    values = getattr(outcome, entity)
    return replace(outcome, **{entity: values | {name: changed(values[name], by)}})


def lost_request(outcome: Outcome) -> Outcome:
    end = outcome.request_end.copy()
    end[end.argmax()] = -1
    return replace(outcome, request_end=end)


def ends_early(outcome: Outcome) -> Outcome:
    """Every request ends when it arrives."""
    end = outcome.request_end.copy()
    end[end >= 0] = outcome.request_arrival[end >= 0]
    return replace(outcome, request_end=end)


def shared_differently(outcome: Outcome, a: str, b: str, by: int = 1) -> Outcome:
    """Cycles of a TBU charged to another cause: the sum stays."""
    cycles = outcome.tbu_cycles.copy()
    u = cycles[:, CAUSES.index(a)].argmax()
    cycles[u, CAUSES.index(a)] -= by
    cycles[u, CAUSES.index(b)] += by
    return replace(outcome, tbu_cycles=cycles)


def at(array: Any, place: Any, value: int) -> Any:
    """A copy with one place changed."""
    copy = array.copy()
    copy[place] = value
    return copy


def with_request(outcome: Outcome, name: str, value: int, among: Any) -> Outcome:
    """The first of some requests given another arrival or end."""
    where = among(outcome).nonzero()[0]
    return replace(outcome, **{name: at(getattr(outcome, name), where[:1], value)})


def waiting(outcome: Outcome) -> Any:
    return outcome.request_arrival < 0


def inside(outcome: Outcome) -> Any:
    return (outcome.request_arrival >= 0) & (outcome.request_end < 0)


def milestones(outcome: Outcome, change: Callable[[Any], Any]) -> Outcome:
    values = outcome.request_milestone
    return replace(outcome, request_milestone=np.where(values >= 0, change(values), values))


def cleared(outcome: Outcome, entity: str, name: str) -> Outcome:
    values = getattr(outcome, entity)
    return replace(outcome, **{entity: values | {name: 0 * values[name]}})


Break = tuple[laws.Law, str, Callable[[Outcome], Outcome]]
BREAKS: list[Break] = [
    (laws.no_deadlock, "stuck without a horizon", lambda o: replace(o, status="stuck")),
    (laws.no_deadlock, "left in a run that is done", lost_request),
    (laws.no_deadlock, "its last request at", lambda o: replace(o, elapsed=o.elapsed + 1)),
    (laws.no_deadlock, "not at its horizon", lambda o: replace(o, elapsed=o.elapsed - 1)),
    (laws.request_conservation, "others have arrived", lambda o: group(o, "pipeline", "admitted", -1)),
    (laws.request_conservation, "never admitted", lambda o: group(o, "pipeline", "admitted", -1)),
    (
        laws.request_conservation,
        "ended that were not admitted",
        lambda o: with_request(o, "request_end", 3, waiting),
    ),
    (
        laws.request_conservation,
        "an end before arrival or after the run",
        lambda o: replace(o, request_arrival=changed(o.request_arrival, 10**9)),
    ),
    (
        laws.request_conservation,
        "an end before arrival or after the run",
        lambda o: replace(o, request_end=changed(o.request_end, 10**9)),
    ),
    (laws.request_conservation, "not the given one", lambda o: replace(o, request_arrival=changed(o.request_arrival))),
    (
        laws.request_conservation,
        "inside, at most",
        lambda o: replace(o, request_end=np.full_like(o.request_end, -1)),
    ),
    (
        laws.request_conservation,
        "lets all in at once",
        lambda o: replace(o, pipeline=o.pipeline | {"source_wait": o.pipeline["source_wait"] + 1}),
    ),
    (laws.every_visit_executed_once, "executions, the trees say", lambda o: group(o, "station", "executions")),
    (laws.every_visit_executed_once, "executions, the trees say", lambda o: group(o, "station", "executions", -1)),
    (laws.every_visit_executed_once, "at stations", lambda o: replace(o, executions=o.executions + 1)),
    (laws.every_visit_executed_once, "decisions, the trees say", lambda o: group(o, "cluster", "decisions")),
    (laws.every_visit_executed_once, "decisions, the trees say", lambda o: group(o, "cluster", "decisions", -1)),
    (laws.makespan_bounds, "critical path", ends_early),
    (laws.makespan_bounds, "cycles worked, at least", lambda o: shared_differently(o, "own", "starved")),
    (laws.makespan_bounds, "cycles worked at one speed", lambda o: shared_differently(o, "starved", "own")),
    (laws.no_policy_beats_the_fluid_bound, "work bound", lambda o: replace(o, elapsed=1)),
    (laws.no_policy_beats_the_fluid_bound, "path bound", lambda o: replace(o, elapsed=1)),
    (laws.no_policy_beats_the_fluid_bound, "fluid bound", lambda o: replace(o, elapsed=1)),
    (laws.milestones_on_the_way, "possible", lambda o: milestones(o, lambda at: at + 10**6)),
    (laws.milestones_on_the_way, "possible", lambda o: milestones(o, lambda at: at * 0)),
    (laws.milestones_on_the_way, "ended without milestone", lambda o: milestones(o, lambda at: at * 0 - 1)),
    (
        laws.milestones_on_the_way,
        "possible []",
        lambda o: replace(o, request_milestone=np.maximum(o.request_milestone, 0)),
    ),
    (
        laws.milestones_on_the_way,
        "that never came",
        lambda o: replace(o, request_milestone=np.maximum(o.request_milestone, 0)),
    ),
    (laws.time_split_sums, "cycles accounted for", lambda o: replace(o, tbu_cycles=changed(o.tbu_cycles, -1))),
    (laws.time_split_sums, "a negative share", lambda o: shared_differently(o, "starved", "reloading", o.elapsed + 1)),
    (laws.time_split_sums, "dead for", lambda o: shared_differently(o, "starved", "dead")),
    (laws.busy_is_service, "TBUs ran", lambda o: shared_differently(o, "own", "blocked")),
    (laws.busy_is_service, "CBUs busy", lambda o: group(o, "cluster", "cbu_busy", -1)),
    (laws.busy_is_service, "CBUs busy", lambda o: group(o, "cluster", "cbu_busy")),
    (laws.queue_bounds, "places", lambda o: group(o, "station", "queue_max", 9)),
    (laws.queue_bounds, "more in the mean", lambda o: cleared(o, "station", "queue_max")),
    (laws.queue_bounds, "spilled", lambda o: group(o, "cluster", "spill_max", 99)),
    (
        laws.at_least_one_owner,
        "line_wait at a station without owner",
        lambda o: replace(o, station=o.station | {"line_wait": o.station["line_wait"] + 1}),
    ),
    (laws.link_never_above_its_rate, "busy for", lambda o: group(o, "link", "busy", 10**6)),
    (laws.link_never_above_its_rate, "busy for", lambda o: group(o, "link", "busy", -1)),
    (laws.link_never_above_its_rate, "busy for", lambda o: group(o, "link", "bytes", 10**6)),
    (
        laws.link_never_above_its_rate,
        "not there",
        lambda o: replace(o, link=o.link | {"wait": o.link["wait"] + 1}),
    ),
    (laws.little, "waits of", lambda o: group(o, "station", "fresh_wait")),
    (laws.little, "waits of", lambda o: group(o, "station", "queue_integral")),
    (laws.little, "tokens taken", lambda o: group(o, "station", "fresh_taken")),
    (laws.little, "tokens taken", lambda o: group(o, "station", "recirculation_taken", -1)),
    (laws.little, "moved away", lambda o: group(o, "cluster", "steals")),
    (laws.little, "moved away", lambda o: group(o, "cluster", "moves")),
    (laws.samples_add_up, "of some stations", lambda o: group(o, "epoch", "demand", -(10**9))),
    (laws.samples_add_up, "without one", lambda o: replace(o, epoch={name: v[::-1] for name, v in o.epoch.items()})),
    (laws.samples_add_up, "in the end", lambda o: group(o, "epoch", "backlog")),
    (laws.samples_add_up, "in the end", lambda o: group(o, "epoch", "demand", 10**6)),
    (laws.samples_add_up, "an owner has changed", lambda o: group(o, "epoch", "owners")),
    (laws.samples_add_up, "a station without owner", lambda o: group(o, "epoch", "owners", -1)),
    (laws.samples_add_up, "an owner from nowhere", lambda o: group(o, "epoch", "owners")),
    (laws.samples_add_up, "more owners idle", lambda o: group(o, "epoch", "owners_idle")),
    (laws.samples_add_up, "more owners idle", lambda o: group(o, "epoch", "owners_blocked", 100)),
    (laws.samples_add_up, "more TBUs than have a home", lambda o: group(o, "epoch", "running", 1000)),
    *(
        (laws_lending.only_a_dispatch_lends, f"{name} without a dispatch", partial(group, entity="cluster", name=name))
        for name in ("lendings", "refusals", "asks", "steals", "switches", "reloads", "spill_max")
    ),
    (laws_lending.only_a_dispatch_lends, "was prepared, or ran", lambda o: shared_differently(o, "own", "lent")),
    (laws_lending.only_a_dispatch_lends, "without a lending", lambda o: cleared(o, "cluster", "lendings")),
    (laws_lending.only_a_dispatch_lends, "asked for", lambda o: group(o, "cluster", "steals", 10**6)),
    (laws_lending.preparing_costs, "times for", lambda o: cleared(o, "cluster", "lendings")),
    (laws_lending.preparing_costs, "switches", lambda o: shared_differently(o, "starved", "switching")),
    (laws_lending.preparing_costs, "switches", lambda o: group(o, "cluster", "switches")),
    (laws_lending.preparing_costs, "reloads", lambda o: shared_differently(o, "starved", "reloading")),
    (laws_lending.preparing_costs, "reloads", lambda o: group(o, "cluster", "reloads", 10**6)),
    *(
        (laws_lending.only_a_plan_rebalances, f"1 {name} in a run", partial(group, entity="cluster", name=name))
        for name in ("misroutes", *laws_lending.PLANNED)
    ),
    (laws_lending.plans_are_paid_for, "background loads", lambda o: group(o, "cluster", "hidden_reload_cycles", 10**6)),
    (laws_lending.plans_are_paid_for, "background loads", lambda o: group(o, "cluster", "background_loads")),
    (laws_lending.plans_are_paid_for, "reloads wasted", lambda o: group(o, "cluster", "wasted_reloads", 10**6)),
    (laws_lending.plans_are_paid_for, "of no tokens", lambda o: cleared(o, "cluster", "moves")),
    (laws_lending.plans_are_paid_for, "messages over its links", lambda o: group(o, "cluster", "moves", 10**6)),
    (laws_lending.plans_are_paid_for, "bytes over its links", lambda o: group(o, "cluster", "moved_bytes", 10**6)),
]


def named(value: object) -> str:
    """Return the same name of a part of a case in every process that runs tests."""
    return value if isinstance(value, str) else getattr(value, "__name__", "changed")


@pytest.mark.parametrize(("law", "words", "broken"), BREAKS, ids=named)
def test_law_can_fail(law: laws.Law, words: str, broken: Callable[[Outcome], Outcome], ran: list[Any]) -> None:
    found = [fault for one in ran for fault in law(one.model, broken(one.outcome))]
    assert any(words in fault for fault in found), found[:5]


def test_a_pipeline_without_an_owner_is_noticed(ran: list[Any]) -> None:
    one = ran[0]
    nobody = np.where(one.model.machine.tbu_task == 0, -1, one.model.machine.tbu_task)
    model = one.model._replace(machine=one.model.machine._replace(tbu_task=nobody))
    assert "pipeline 0, tb 0: no owner" in laws.at_least_one_owner(model, one.outcome)


def test_every_law_is_broken_by_some_change() -> None:
    assert {law for law, _, _ in BREAKS} == set(laws.LAWS)


COARSE = {
    *("cluster asks", "cluster cbu_wait", "cluster ingress_max", "cluster refusals", "cluster misroutes"),
    *("cluster plan_refusals", "cluster moved_bytes", "cluster wasted_reloads", "epoch wanting"),
    *("link messages", "link wait", "pipeline source_wait", "station line_wait", "station recirculation_wait"),
}
"""In these the laws see one too many or too few in no run; the reference does."""


def test_which_fields_the_laws_guard(ran: list[Any]) -> None:
    """One entry of one field changed by one, in runs to their end under a policy that lends or rebalances."""
    guarded = set()
    active = [one for one in ran if one.outcome.status == "done" and one.model.rules.couples]
    fields = [key[0] for key in fields_of_outcome(active[0].outcome)]
    for one, name, by in product(active, fields, (1, -1)):
        counted = {key[0]: values for key, values in fields_of_outcome(one.outcome).items()}
        if name not in guarded and (counted[name] > 0).any():
            if laws.violations(one.model, nudged(one.outcome, name, by)):
                guarded.add(name)
    assert set(fields) - guarded == COARSE


def nudged(outcome: Outcome, name: str, by: int) -> Outcome:
    """The first entry above 0 of a field, by its name in ``fields_of_outcome``, changed."""
    entity, _, part = name.partition(" ")
    if not part:
        return replace(outcome, **{entity: getattr(outcome, entity) + by})
    if entity == "request":
        return replace(outcome, **{f"request_{part}": changed(getattr(outcome, f"request_{part}"), by)})
    if entity == "tbu":
        cycles = outcome.tbu_cycles.copy()
        cycles[:, CAUSES.index(part)] = changed(cycles[:, CAUSES.index(part)], by)
        return replace(outcome, tbu_cycles=cycles)
    return group(outcome, entity, part, by)


@pytest.mark.parametrize("law", laws.IDEAL_LAWS, ids=lambda law: law.__name__)
def test_ideal_law(law: laws.Law, ran: list[Any]) -> None:
    pools = [(one.model, ideal.run(one.model)) for one in ran]
    assert [fault for model, outcome in pools for fault in law(model, outcome)] == []
    words, broken = next((words, broken) for other, words, broken in BREAKS if other is law)
    assert any(words in fault for model, outcome in pools for fault in law(model, broken(outcome)))


@pytest.fixture(scope="module")
def logged(ran: list[Any]) -> list[tuple[Model, Reference]]:
    runs = [(one, run_reference(one.model, log=True)) for one in ran[:40]]
    for one, reference in runs:
        assert one.outcome.fingerprint == "".join(f"{part:016x}" for part in reference.fingerprint)
    return [(one.model, reference) for one, reference in runs]


@pytest.mark.parametrize("law", laws_events.EVENT_LAWS, ids=lambda law: law.__name__)
def test_event_law(law: laws_events.EventLaw, logged: list[tuple[Model, Reference]]) -> None:
    assert [fault for model, reference in logged for fault in law(model, reference)] == []


def one_cycle_early(kind: int) -> Callable[[Reference], Reference]:
    """Every event of a kind begins, and ends, a cycle earlier."""

    def change(reference: Reference) -> Reference:
        events = [(*e[:6], e[6] - 1, e[7] - 1) if e[0] == kind else e for e in reference.events]
        return replace(reference, events=events)

    return change


def longer(kind: int) -> Callable[[Reference], Reference]:
    """Every event of a kind ends two cycles later."""

    def change(reference: Reference) -> Reference:
        return replace(reference, events=[(*e[:7], e[7] + 2 * (e[0] == kind)) for e in reference.events])

    return change


def without_last(reference: Reference) -> Reference:
    return replace(reference, events=[e for e in reference.events if e != reference.events[-1]])


def twice(reference: Reference) -> Reference:
    return replace(reference, events=reference.events + reference.events)


def all_at_once(kind: int) -> Callable[[Reference], Reference]:
    """Every event of a kind begins and ends at cycle 0."""

    def change(reference: Reference) -> Reference:
        return replace(reference, events=[(*e[:6], 0, 0) if e[0] == kind else e for e in reference.events])

    return change


def elsewhere(reference: Reference) -> Reference:
    """Every execution on TBU 0 of its cluster."""
    return replace(reference, events=[(*e[:4], 0, *e[5:]) if e[0] == EXECUTION else e for e in reference.events])


def in_cluster_0(reference: Reference) -> Reference:
    """Every execution on TBU 0 of cluster 0."""
    return replace(reference, events=[(*e[:4], 0, 0, *e[6:]) if e[0] == EXECUTION else e for e in reference.events])


EXECUTION, DECISION, HOP = 1, 3, 4
EventBreak = tuple[laws_events.EventLaw, str, Callable[[Reference], Reference]]
EVENT_BREAKS: list[EventBreak] = [
    (laws_events.one_execution_per_tbu, "drawn", longer(EXECUTION)),
    (laws_events.one_execution_per_tbu, "a run from", twice),
    (laws_events.executed_where_it_may_be, "whose home is", elsewhere),
    (laws_events.executed_where_it_may_be, "not a place for it", in_cluster_0),
    (laws_events.executed_where_it_may_be, "in another pipeline", in_cluster_0),
    (laws_events.no_more_decisions_than_cbus, "decisions under way", all_at_once(DECISION)),
    (laws_events.consistent_with_the_tree, "its tree has", without_last),
    (laws_events.consistent_with_the_tree, "a step done twice", twice),
    (laws_events.precedence_and_causality, "possible from", one_cycle_early(EXECUTION)),
    (laws_events.precedence_and_causality, "possible from", one_cycle_early(DECISION)),
    (laws_events.precedence_and_causality, "possible from", all_at_once(EXECUTION)),
    (laws_events.precedence_and_causality, "a decision in", all_at_once(DECISION)),
    (laws_events.precedence_and_causality, "its last step at", longer(EXECUTION)),
    (laws_events.link_serves_one_at_a_time, "free from", longer(HOP)),
    (laws_events.link_serves_one_at_a_time, "arrived at", all_at_once(HOP)),
]


@pytest.mark.parametrize(("law", "words", "broken"), EVENT_BREAKS, ids=named)
def test_event_law_can_fail(
    law: laws_events.EventLaw,
    words: str,
    broken: Callable[[Reference], Reference],
    logged: list[tuple[Model, Reference]],
) -> None:
    assert any(words in fault for model, reference in logged for fault in law(model, broken(reference)))


def test_every_event_law_is_broken_by_some_change() -> None:
    assert {law for law, _, _ in EVENT_BREAKS} == set(laws_events.EVENT_LAWS)
