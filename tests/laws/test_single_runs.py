"""Every law of one run holds on generated scenarios, and each notices when a run does not obey it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from octomodel.kernels.model import Model
from octomodel.outcome import CAUSES, Outcome
from octomodel.testing import laws, laws_events
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
    copy.reshape(-1)[places[0] if len(places) else 0] += by
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


def shared_differently(outcome: Outcome, a: str, b: str) -> Outcome:
    """One cycle of a TBU charged to another cause: the sum stays."""
    cycles = outcome.tbu_cycles.copy()
    u = cycles[:, CAUSES.index(a)].argmax()
    cycles[u, CAUSES.index(a)] -= 1
    cycles[u, CAUSES.index(b)] += 1
    return replace(outcome, tbu_cycles=cycles)


BREAKS: list[tuple[laws.Law, Callable[[Outcome], Outcome]]] = [
    (laws.no_deadlock, lambda o: replace(o, status="stuck")),
    (laws.no_deadlock, lost_request),
    (laws.request_conservation, lambda o: group(o, "pipeline", "admitted", -1)),
    (laws.request_conservation, lambda o: replace(o, request_arrival=changed(o.request_arrival, 10**9))),
    (laws.every_visit_executed_once, lambda o: group(o, "station", "executions")),
    (laws.every_visit_executed_once, lambda o: group(o, "station", "executions", -1)),
    (laws.every_visit_executed_once, lambda o: group(o, "cluster", "decisions")),
    (laws.makespan_bounds, ends_early),
    (laws.makespan_bounds, lambda o: shared_differently(o, "own", "starved")),
    (laws.time_split_sums, lambda o: replace(o, tbu_cycles=changed(o.tbu_cycles, -1))),
    (laws.time_split_sums, lambda o: shared_differently(o, "starved", "dead")),
    (laws.busy_is_service, lambda o: shared_differently(o, "own", "blocked")),
    (laws.busy_is_service, lambda o: group(o, "cluster", "cbu_busy", -1)),
    (laws.queue_bounds, lambda o: group(o, "station", "queue_max", 9)),
    (laws.queue_bounds, lambda o: group(o, "cluster", "spill_max", 99)),
    (laws.at_least_one_owner, lambda o: replace(o, station=o.station | {"line_wait": o.station["line_wait"] + 1})),
    (laws.link_never_above_its_rate, lambda o: group(o, "link", "busy", 10**6)),
    (laws.link_never_above_its_rate, lambda o: group(o, "link", "busy", -1)),
    (laws.little, lambda o: group(o, "station", "fresh_wait")),
    (laws.little, lambda o: group(o, "station", "fresh_taken")),
]


@pytest.mark.parametrize(("law", "broken"), BREAKS, ids=lambda value: getattr(value, "__name__", ""))
def test_law_can_fail(law: laws.Law, broken: Callable[[Outcome], Outcome], ran: list[Any]) -> None:
    assert any(law(one.model, broken(one.outcome)) for one in ran if one.outcome.status == "done")


def test_every_law_is_broken_by_some_change() -> None:
    assert {law for law, _ in BREAKS} == set(laws.LAWS)


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


EXECUTION, DECISION, HOP = 1, 3, 4
EVENT_BREAKS: list[tuple[laws_events.EventLaw, Callable[[Reference], Reference]]] = [
    (laws_events.one_execution_per_tbu, longer(EXECUTION)),
    (laws_events.one_execution_per_tbu, twice),
    (laws_events.consistent_with_the_tree, without_last),
    (laws_events.consistent_with_the_tree, twice),
    (laws_events.precedence_and_causality, one_cycle_early(EXECUTION)),
    (laws_events.precedence_and_causality, one_cycle_early(DECISION)),
    (laws_events.precedence_and_causality, longer(EXECUTION)),
    (laws_events.link_serves_one_at_a_time, longer(HOP)),
]


@pytest.mark.parametrize(("law", "broken"), EVENT_BREAKS, ids=lambda value: getattr(value, "__name__", ""))
def test_event_law_can_fail(
    law: laws_events.EventLaw, broken: Callable[[Reference], Reference], logged: list[tuple[Model, Reference]]
) -> None:
    assert any(law(model, broken(reference)) for model, reference in logged)


def test_every_event_law_is_broken_by_some_change() -> None:
    assert {law for law, _ in EVENT_BREAKS} == set(laws_events.EVENT_LAWS)
    one = laws_events.event_violations
    assert one.__doc__
