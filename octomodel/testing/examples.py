"""Small runs to read: every event with its cycles, from the kernel and the reference alike.

The examples of ``docs/semantics.md`` are written with these functions. A run in which kernel and reference
differ is an error, so what is shown is what both did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from octomodel import bounds as kernel_bounds
from octomodel import draws as kernel_draws
from octomodel import ideal, lower, mapping
from octomodel.elements import Element
from octomodel.errors import RunError, unknown
from octomodel.hardware import System
from octomodel.kernels.model import Model
from octomodel.load import Load
from octomodel.lower import Lowered
from octomodel.outcome import CAUSES, Outcome
from octomodel.policies import IDEAL, Policy, load, move, named, own
from octomodel.run import run as kernel_run
from octomodel.testing import reference_draws
from octomodel.testing.agreement import differences
from octomodel.testing.reference import run_reference
from octomodel.testing.reference_bounds import reference_bounds
from octomodel.testing.reference_draws import mix, unit
from octomodel.testing.reference_ideal import run_reference_ideal
from octomodel.testing.reference_state import CHOICE, EXECUTION, HOP, TRANSFER, Event
from octomodel.workflow import Workflow

__all__ = ["Example", "bounds", "draw", "load", "mix", "move", "named", "own", "run", "unit"]

PORTS = ("west", "east", "north", "south")
_WORKFLOW = ("attributes", "phases", "in_bytes", "milestones")
_RUN = ("seed", "horizon", "step", "epochs", "epoch_stride")


class Example:
    """What happened in one run.

    Printed, it has a line for each request that was admitted: its number; its arrival, unless at 0; its events
    (rule 9.4) by begin and end; the cycle at which it ended. ``b#2 3-5 on 1`` is an execution at the second
    visit of b, on TBU 1; ``to b 2-3`` a local transfer; ``east of 0 3-6`` a hop through that port of cluster 0;
    a name and cycles alone a decision.

    ``ran["blocked"]`` is a counter: a part of the time split by TBU; a field of a station by TB, or by cluster
    and TB where there are several clusters; a field of a link by those where it is not 0; a field of a cluster
    or pipeline as a list; a sample (rule 9.5) by epoch, then as a field of a station.

    Attributes
    ----------
    lowered : Lowered
        The model with its names.
    outcome : Outcome
        Of the kernel.
    events : list of Event
        Of the reference.
    """

    def __init__(self, lowered: Lowered, outcome: Outcome, events: list[Event]) -> None:
        self.lowered, self.outcome = lowered, outcome
        self.events = sorted(events, key=lambda event: event[6:8])

    @property
    def elapsed(self) -> int:
        """Return the elapsed cycles."""
        return self.outcome.elapsed

    @property
    def milestones(self) -> list[list[int]]:
        """Return the cycles from arrival, by milestone and request."""
        out: list[list[int]] = self.outcome.request_milestone.tolist()
        return out

    @property
    def fan_out(self) -> list[int]:
        """Return the fan-out of each TB (rule 6.4)."""
        program = self.lowered.model.program
        out: list[int] = program.node_fan_out[program.task_node].tolist()
        return out

    @property
    def residents(self) -> list[list[int]]:
        """Return the configurations each TBU holds at cycle 0."""
        out: list[list[int]] = self.lowered.model.machine.tbu_resident.tolist()
        return out

    def __getitem__(self, name: str) -> Any:
        """Return one counter by name."""
        ran = self.outcome
        if name in CAUSES:
            return ran.tbu_cycles[:, CAUSES.index(name)].tolist()
        if name in ran.station:
            by_cluster = ran.station[name].tolist()
            return by_cluster[0] if len(by_cluster) == 1 else by_cluster
        if name in ran.link:
            found = ((divmod(place, 4), int(value)) for place, value in enumerate(ran.link[name]))
            return {f"{PORTS[port]} of {cluster}": value for (cluster, port), value in found if value}
        if name in ran.epoch:
            samples: list[Any] = ran.epoch[name].tolist()
            return [row[0] if len(row) == 1 else row for row in samples]
        for fields in (ran.cluster, ran.pipeline):
            if name in fields:
                return fields[name].tolist()
        known = {*CAUSES, *ran.station, *ran.link, *ran.cluster, *ran.pipeline, *ran.epoch}
        raise unknown("example", name, known)

    def __repr__(self) -> str:
        return "\n".join(
            self._line(request, int(arrival), int(end))
            for request, (arrival, end) in enumerate(
                zip(self.outcome.request_arrival, self.outcome.request_end, strict=True)
            )
            if arrival >= 0
        )

    def _line(self, request: int, arrival: int, end: int) -> str:
        parts = [self._text(event) for event in self.events if event[1] == request]
        parts += [f"end {end}"] if end >= 0 else []
        begin = f" from {arrival}" if arrival else ""
        return f"request {request}{begin}: {', '.join(parts)}".removesuffix(" ")

    def _text(self, event: Event) -> str:
        kind, _, node, visit, place, cluster, start, finish = event
        name = self.lowered.nodes[node] + (f"#{visit}" if visit > 1 else "")
        tbu = self.lowered.model.machine.cluster_tbu[cluster] + place
        return {
            EXECUTION: f"{name} {start}-{finish} on {tbu}",
            TRANSFER: f"to {name} {start}-{finish}",
            CHOICE: f"{name} {start}-{finish}",
            HOP: f"{PORTS[place % 4]} of {cluster} {start}-{finish}",
        }[kind]


def run(
    load: Load,
    *items: Element,
    policy: str | Policy = "static",
    owners: Sequence[Sequence[int]] | None = None,
    pipeline: Sequence[int] | None = None,
    **options: Any,
) -> Example:
    """Run a small model through kernel and reference.

    Parameters
    ----------
    load : Load
        The requests.
    *items : element
        The program.
    policy : str or Policy
        A bundled policy, ``"ideal"``, or one of your own.
    owners : int[cluster, tb]
        As ``alloc`` of ``mapping.explicit``; default: one cluster with one owner of each task.
    pipeline : int[cluster], optional
        As there.
    **options
        Of ``Workflow``: attributes, phases, in_bytes, milestones. Of ``lower``: seed, horizon, step,
        epochs, epoch_stride. All others are of ``System``, whose default is one row of clusters with as many TBUs as the most
        owners need.

    Returns
    -------
    Example
        What happened.

    Raises
    ------
    RunError
        If kernel and reference differ.

    Examples
    --------
    >>> from octomodel import task, trace
    >>> ran = run(trace([0, 0]), task("a", 2), task("b", 5), local_latency_cycles=1)
    >>> ran
    request 0: to a 0-1, a 1-3 on 0, to b 3-4, b 4-9 on 1, end 9
    request 1: to a 0-1, a 3-5 on 0, to b 5-6, b 9-14 on 1, end 14
    >>> ran["fresh_wait"]
    [2, 3]
    """
    lowered = _lowered(load, items, policy, owners, pipeline, options)
    model = lowered.model
    if policy == IDEAL:
        outcome, expected = ideal.run(model), run_reference_ideal(model)
        same = _ideal_fields(outcome) == _ideal_fields(expected)
        found = [] if same else ["the ideal mode"]
        events = expected.events
    else:
        reference = run_reference(model, log=True)
        outcome = kernel_run(model, threads=1)
        found, events = differences(model, outcome, reference), reference.events
    if found:
        raise RunError(f"kernel and reference differ: {'; '.join(found)}")
    return Example(lowered, outcome, events)


def bounds(load: Load, *items: Element, **options: Any) -> dict[str, float]:
    """Return the bounds of a small model, of which kernel and reference agree; parameters as for ``run``.

    Raises
    ------
    RunError
        If they differ.

    Examples
    --------
    >>> from octomodel import closed, task
    >>> bounds(closed(4, in_flight=1), task("a", 10), owners=[[2]])
    {'work_bound': 20.0, 'path_bound': 40.0, 'fluid_bound': 40.0}
    """
    model: Model = _lowered(
        load, items, "static", options.pop("owners", None), options.pop("pipeline", None), options
    ).model
    found, expected = kernel_bounds.bounds(model), reference_bounds(model)
    if found != expected:
        raise RunError(f"kernel and reference differ: {found} and {expected}")
    return found


def draw(
    *, seed: int = 0, replication: int = 0, request: int, domain: int, node: int, visit: int = 0, lane: int = 0
) -> int:
    """Return a draw by its key (rule 2.1).

    Examples
    --------
    >>> unit(draw(request=0, domain=1, node=0, visit=1)) < 1
    True
    """
    key = kernel_draws.seed_key(seed, replication)
    return reference_draws.draw(key, request, domain, node, visit, lane)


def _lowered(
    load: Load,
    items: Sequence[Element],
    policy: str | Policy,
    owners: Sequence[Sequence[int]] | None,
    pipeline: Sequence[int] | None,
    options: dict[str, Any],
) -> Lowered:
    workflow = Workflow(
        "example", *items, **{name: options.pop(name) for name in _WORKFLOW if name in options}
    )
    how: dict[str, Any] = {name: options.pop(name) for name in _RUN if name in options}
    alloc = [[1] * len(workflow.tasks)] if owners is None else owners
    rows = options.pop("rows", 1)
    described = {"tbus": max(sum(row) for row in alloc), **options}
    system = System(rows, len(alloc) // rows, **described)
    placed = mapping.explicit(workflow, system, alloc, pipeline=pipeline)
    return lower.lower(workflow, system, load, placed, policy="static" if policy == IDEAL else policy, **how)


def _ideal_fields(ran: Any) -> list[Any]:
    """Return what a run of the ideal mode and its reference have in common, in one form."""
    if not isinstance(ran, Outcome):
        station = {place: counts for place, counts in ran.station.items() if any(counts.values())}
        print_of_both = "".join(f"{lane:016x}" for lane in ran.fingerprint)
        split = [[cycles.get(cause, 0) for cause in CAUSES] for cycles in ran.tbu]
        return [ran.status, ran.elapsed, ran.arrival, ran.end, split, station, ran.decisions, print_of_both]
    names = ("executions", "run_cycles", "fresh_taken", "fresh_wait")
    places = np.argwhere(sum(abs(ran.station[name]) for name in names) > 0).tolist()
    station = {
        (cluster, task): {name: int(ran.station[name][cluster, task]) for name in names}
        for cluster, task in places
    }
    times = [ran.request_arrival.tolist(), ran.request_end.tolist(), ran.tbu_cycles.tolist()]
    return [ran.status, ran.elapsed, *times, station, ran.cluster["decisions"].tolist(), ran.fingerprint]
