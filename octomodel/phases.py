"""Phases of a workload: which phase a request belongs to, and what differs in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octomodel import checks, program
from octomodel.elements import Branch, ByPhase, Fork, Item, Loop, Select, Seq, Task, rebuild, walk
from octomodel.errors import ModelError, unknown


@dataclass(frozen=True)
class PhasePlan:
    """A cycle of phases that is run through again and again.

    Attributes
    ----------
    by : {"request", "time"}
        Whether lengths count requests or cycles of arrival time.
    cycle : tuple of (str, int)
        Name and length of each stretch; a name may return.
    overrides : tuple of (str, dict)
        What differs in a phase, by name of an element; empty once a workflow has taken it into its program.
    """

    by: str
    cycle: tuple[tuple[str, int], ...]
    overrides: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the phases, each once, in the order of their first stretch."""
        return tuple(dict.fromkeys(name for name, _ in self.cycle))

    @property
    def shares(self) -> tuple[float, ...]:
        """Return the share of requests (or of time) of each phase of ``names``."""
        total = sum(length for _, length in self.cycle)
        return tuple(
            sum(length for name, length in self.cycle if name == phase) / total for phase in self.names
        )


def phases_by_request(cycle: Sequence[tuple[str, int]], **overrides: Mapping[str, Any]) -> PhasePlan:
    """Return phases that follow the request number.

    Parameters
    ----------
    cycle : sequence of (str, int)
        Name and number of requests of each stretch, repeated for ever.
    **overrides : dict
        For a phase: new probabilities or weights by name of a branch or select, new ``again`` or ``count`` by
        name of a loop, new time by name of a task. Where the keys are exactly the choices of one branch or
        select of the workflow, its numbers directly.

    Raises
    ------
    ModelError
        When the cycle is empty, a length is not a positive integer, or an override names no phase of the
        cycle.

    Examples
    --------
    >>> phases_by_request([("day", 5_000), ("night", 5_000)], night={"retry": 0.5}).names
    ('day', 'night')
    """
    return make_phases("phases", "request", cycle, overrides)


def phases_by_time(cycle: Sequence[tuple[str, int]], **overrides: Mapping[str, Any]) -> PhasePlan:
    """Return phases that follow the arrival cycle of open loads; as ``phases_by_request``, in cycles.

    Examples
    --------
    >>> phases_by_time([("calm", 10**6), ("busy", 10**5)]).by
    'time'
    """
    return make_phases("phases", "time", cycle, overrides)


def make_phases(
    path: str, by: object, cycle: object, overrides: Mapping[str, Mapping[str, Any]]
) -> PhasePlan:
    """Return a checked ``PhasePlan``; errors begin with ``path``."""
    allowed = 'a list of (name, length), such as [("day", 5000), ("night", 5000)]'
    stretches = []
    for i, stretch in enumerate(checks.sequence(f"{path}.cycle", cycle, allowed)):
        if not isinstance(stretch, list | tuple) or len(stretch) != 2:
            raise ModelError(f"{path}.cycle[{i}]", stretch, "a pair (name, length)")
        label = checks.name(f"{path}.cycle[{i}]", stretch[0])
        stretches.append((label, checks.integer(f"{path}.cycle[{i}].{label}", stretch[1], 1, 2**48)))
    if not stretches:
        raise ModelError(f"{path}.cycle", cycle, allowed)
    plan = PhasePlan(checks.one_of(f"{path}.by", by, ("request", "time")), tuple(stretches))
    if len(plan.names) > 2**15 - 1:
        raise ModelError(f"{path}.cycle", len(plan.names), "at most 32767 phases")
    for phase, changes in overrides.items():
        checks.one_of(f"{path}.{phase}", phase, plan.names)
        if not isinstance(changes, Mapping):
            raise ModelError(f"{path}.{phase}", changes, "a dict from the name of an element to its value")
    return dataclasses.replace(plan, overrides=tuple(overrides.items()))


def apply(path: str, body: Seq, plan: PhasePlan) -> Seq:
    """Return the program with the overrides of ``plan`` in its elements; errors begin with ``path``."""
    for phase, changes in plan.overrides:
        body = _apply_phase(f"{path}.{phase}", body, phase, _direct(path, body, phase, changes))
    return body


def check(path: str, body: Seq, plan: PhasePlan | None) -> None:
    """Refuse elements that name a phase the workflow does not have."""
    names = plan.names if plan is not None else ()
    for element in walk(body):
        if isinstance(element, Fork):
            continue
        for phase, _ in element.phases:
            if not names:
                raise ModelError(
                    f"{path}.{element.name}", phase, "no value by phase: the workflow has no phases"
                )
            if phase not in names:
                raise unknown(f"{path}.{element.name}", phase, names)


def _direct(path: str, body: Seq, phase: str, changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the changes by element, where ``changes`` holds the numbers of one branch or select directly."""
    keys = set(changes)
    choosers = [e for e in walk(body) if isinstance(e, Branch | Select) and set(e.choices) == keys]
    named = {e.name for e in walk(body) if not isinstance(e, Fork)}
    if not choosers or (keys <= named and any(isinstance(value, Mapping) for value in changes.values())):
        return changes
    if len(choosers) > 1 or keys <= named:
        names = " or ".join(f"{{{e.name!r}: {{...}}}}" for e in choosers)
        raise ModelError(f"{path}.{phase}", dict(changes), f"the name of the element meant: {names}")
    return {choosers[0].name: changes}


def _apply_phase(path: str, body: Seq, phase: str, changes: Mapping[str, Any]) -> Seq:
    left = dict(changes)

    def change(element: Item) -> Item:
        if isinstance(element, Fork) or element.name not in left:
            return element
        where = f"{path}.{element.name}"
        if any(name == phase for name, _ in element.phases):
            allowed = "one value for this phase: the element has another by by_phase"
            raise ModelError(where, left[element.name], allowed)
        value = read(element, where, left.pop(element.name))
        phases: Any = tuple(sorted((*element.phases, (phase, value)), key=lambda pair: pair[0]))
        return dataclasses.replace(element, phases=phases)

    result = rebuild(body, change)
    if left:
        known = [element.name for element in walk(body) if not isinstance(element, Fork)]
        raise unknown(f"{path}.{next(iter(left))}", next(iter(left)), known)
    return result


def read(element: Task | Branch | Loop | Select, path: str, value: object) -> Any:
    """Return ``value`` checked as the value that ``element`` has in one phase."""
    if isinstance(value, ByPhase):
        raise ModelError(path, value, "a plain value")
    if isinstance(element, Branch):
        return program.shares(element.choices, path, value)
    if isinstance(element, Select):
        return program.preferences(element.choices, element.k, path, value)
    if isinstance(element, Loop) and element.count is None:
        return program.continuation(path, value)
    return program.amount(path, value)
