"""Several workflows on one machine at once: a workflow whose requests belong to one of its parts, by share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from octomodel import checks
from octomodel.elements import Branch, ByPhase, Fork, Item, Loop, Phases, Scaled, Seq, Task, rebuild
from octomodel.errors import NOTHING, ModelError
from octomodel.mixes_phases import Joined, joined
from octomodel.phases import PhasePlan
from octomodel.workflow import Workflow

OF = ("work", "requests")

Shares = Mapping[str, float]


def mix(
    name: str, parts: Mapping[str, Workflow], shares: Shares | ByPhase, *, of: str = "work", phases: PhasePlan | None = None
) -> Workflow:
    """Return a workflow each of whose requests is one of a part, drawn by share.

    Tasks, control blocks, attributes and configurations of a part get its name in front, as in ``chat.prefill``; parts
    share units, links and queues of the machine, but no task.

    Parameters
    ----------
    name : str
        Name of the mix, and of the control block that tells the parts apart.
    parts : dict of str to Workflow
        At least two, by a short name.
    shares : dict of str to float, or ``by_phase(...)`` of such dicts
        Share of each part, from 0 on; only their ratios count.
    of : {"work", "requests"}
        Of what the shares are: of mean demand in cycles, or of requests.
    phases : PhasePlan, optional
        Phases of the mix itself, for shares that change; ``phases_by_request`` counts requests of all parts.

    Returns
    -------
    Workflow
        Its phases are those that the mix and its parts go through side by side. A part's phases by request count its
        own requests, so they last longer in the mix by as much as others come in between; all cycles but the longest
        are stretched so that a whole number of them fits into it, and all borders are rounded to whole requests or
        cycles. The deadline is kept where all parts have the same, ``in_bytes`` is the mean over requests; milestones
        are those of the parts. There is no provenance.

    Raises
    ------
    ModelError
        When there are fewer than two parts, a share is missing, negative or all are 0, phases follow requests here and
        time there, or one cycle of phases is so much longer than another that the mix would have too many phases.

    Examples
    --------
    >>> from octomodel import Workflow, task
    >>> short, long = Workflow("s", task("t", 10)), Workflow("l", task("t", 1000))
    >>> both = mix("both", {"short": short, "long": long}, {"short": 1, "long": 1})
    >>> both.demand()
    {'short.t': 9.900990099009901, 'long.t': 9.900990099009901}
    """
    place = f"mix.{checks.name('mix.name', name)}"
    for part, workflow in checks.mapping(f"{place}.parts", parts).items():
        checks.name(f"{place}.parts", part)
        if not isinstance(workflow, Workflow):
            raise ModelError(f"{place}.parts.{part}", workflow, "a workflow")
    if len(parts) < 2:
        raise ModelError(f"{place}.parts", len(parts), "at least two workflows")
    checks.one_of(f"{place}.of", of, OF)
    given = shares if isinstance(shares, ByPhase) else ByPhase(shares, ())
    if given.phases and phases is None:
        raise ModelError(f"{place}.phases", NOTHING, "the phases of a mix whose shares change: phases_by_request(...)")
    if phases is not None:
        for phase, _ in given.phases:
            checks.one_of(f"{place}.shares", phase, phases.names)
    by_phase = {phase: _chances(f"{place}.shares.{phase}", value, parts, of) for phase, value in given.phases}
    default = _chances(f"{place}.shares", given.default, parts, of)
    mean = dict(zip(parts, default, strict=True))
    if phases is not None:
        every = [by_phase.get(phase, default) for phase in phases.names]
        mean = dict(zip(parts, np.average(every, axis=0, weights=phases.shares).tolist(), strict=True))
    plan = joined(place, phases, {part: (workflow.phases, mean[part]) for part, workflow in parts.items()})
    bodies = tuple(_renamed(workflow, part, plan) for part, workflow in parts.items())
    values = tuple((each, by_phase[own]) for each, own in plan.of("").items() if own in by_phase)
    deadlines = {workflow.deadline_cycles for workflow in parts.values()}
    return Workflow(
        name,
        Branch(name, tuple(parts), default, bodies, tuple(sorted(values))),
        attributes={f"{part}.{key}": law for part, workflow in parts.items() for key, law in workflow.attributes.items()},
        phases=plan.plan,
        in_bytes=round(sum(mean[part] * workflow.in_bytes for part, workflow in parts.items())),
        deadline_cycles=deadlines.pop() if len(deadlines) == 1 else None,
        milestones=[f"{part}.{mark}" for part, workflow in parts.items() for mark in workflow.milestones],
        description="; ".join(f"{part}: {workflow.description}" for part, workflow in parts.items() if workflow.description),
    )


def _chances(place: str, shares: object, parts: Mapping[str, Workflow], of: str) -> tuple[float, ...]:
    """Return the probability that a request is one of each part."""
    given = checks.keys(place, shares, tuple(parts), tuple(parts))
    values = {part: checks.real(f"{place}.{part}", given[part], high=1e100) for part in parts}
    if of == "work":
        for part, workflow in parts.items():
            work = sum(workflow.demand().values())
            if values[part] > 0 and work == 0:
                raise ModelError(f"{place}.{part}", values[part], 'shares of="requests": this part has no work')
            values[part] /= work or 1.0
    total = sum(values.values())
    if total == 0:
        raise ModelError(place, shares, "at least one share above 0")
    return tuple(value / total for value in values.values())


def _renamed(workflow: Workflow, part: str, plan: Joined) -> Seq:
    """Return the program of a part with its name in front of all others, and its values in the phases of the mix."""
    own = plan.of(part)

    def name(text: str) -> str:
        return checks.name(f"mix.parts.{part}", f"{part}.{text}")

    def amount(value: Any) -> Any:
        if isinstance(value, Scaled) and value.attribute is not None:
            return dataclasses.replace(value, attribute=name(value.attribute))
        return value

    def moved(phases: Phases[Any]) -> Phases[Any]:
        known = dict(phases)
        return tuple(sorted((each, amount(known[phase])) for each, phase in own.items() if phase in known))

    def change(item: Item) -> Item:
        if isinstance(item, Fork):
            return item
        if isinstance(item, Task):
            changes = {"time": amount(item.time), "config": name(item.config)}
            return dataclasses.replace(item, name=name(item.name), phases=moved(item.phases), **changes)
        if isinstance(item, Loop):
            return dataclasses.replace(item, name=name(item.name), count=amount(item.count), phases=moved(item.phases))
        return dataclasses.replace(item, name=name(item.name), phases=moved(item.phases))

    return rebuild(workflow.program, change)
