"""Known systems put into the words of the public API: tasks, machines whose clusters are copies, loads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from octomodel import dist
from octomodel.dist import Law
from octomodel.elements import Branch, Element, Series, Task, walk
from octomodel.hardware import System
from octomodel.load import Load, closed
from octomodel.program import make_branch, per, seq, task
from octomodel.verification.facts import Facts
from octomodel.verification.judge import Metric
from octomodel.verification.measure import Setup, Window
from octomodel.verification.plan import EVENTS
from octomodel.workflow import Workflow

UNLIMITED = 2**24
"""Queue slots that are never all taken."""
SOURCE = "source"
"""Name of a task that stands for arrivals: it works without a break, and an execution is a gap between them."""
PIPELINES = 256
"""Copies of a system that is watched at its stations, one in each cluster."""


@dataclass
class Experiment:
    """A system to simulate and what is to be compared."""

    setup: Setup
    metrics: Sequence[Metric]


@dataclass(frozen=True)
class Bench:
    """What the builders of one case share.

    Attributes
    ----------
    name : str
        Name of the case.
    facts : Facts
        The case.
    scale : float
        Factor on every service time of the simulated system, 1 except in twins that must fail.
    """

    name: str
    facts: Facts
    scale: float = 1.0
    unit: int = field(init=False)

    def __post_init__(self) -> None:
        # rounded to cycles, a mean service time of 1,000 cycles is exact to 1e-4 and better
        shortest = min((s.service.mean for s in self.facts.stations.values()), default=1.0)
        object.__setattr__(self, "unit", 10 ** max(4, math.ceil(math.log10(1000.0 / shortest))))

    def task(self, station: str, *, timed: bool = True) -> Task:
        """Return a station as a task; ``timed`` False: not a service, so no twin changes it."""
        law = self.facts.stations[station].service
        return task(station, law.scaled(self.unit * (self.scale if timed else 1.0)))

    def source(self) -> Task:
        """Return arrivals as a task."""
        return task(SOURCE, self.facts.gaps.scaled(self.unit))

    def servers(self, station: str) -> int:
        """Return how many TBUs a station needs; where there are as many servers as tokens, enough of them."""
        servers = self.facts.stations[station].servers
        return servers if servers is not None else self.facts.population or _ample(self.facts, station)

    def setup(
        self,
        items: Sequence[Element],
        source: Load,
        *,
        slots: Mapping[str, int] | None = None,
        pipelines: int = 1,
        replications: int = 1,
        calls: int = 1,
        warmup: int = 0,
        window: tuple[float, float] | None = None,
        milestones: Sequence[str] = (),
        attributes: Mapping[str, Law | Series] | None = None,
    ) -> Setup:
        """Return the system: one cluster for each pipeline, no delay between its TBUs, decisions for nothing.

        Parameters
        ----------
        items : sequence of elements
            The program.
        source : Load
            With its number of requests.
        slots : mapping of str to int
            Waiting places of a task; default: never all taken.
        pipelines, replications, calls, warmup
            As of ``Setup``.
        window : (float, float), optional
            In units of time.
        milestones, attributes
            Of the workflow.
        """
        tasks = [element.name for element in walk(seq(*items)) if isinstance(element, Task)]
        stations = self.facts.stations
        counts = tuple(self.servers(name) if name in stations else 1 for name in tasks)
        places = {name: UNLIMITED for name in tasks} | dict(slots or {})
        return Setup(
            workflow=Workflow(self.name, *items, milestones=milestones, attributes=attributes),
            hardware=System(1, pipelines, tbus=sum(counts), queue_slots=places, epoch_cycles=2**48),
            load=source,
            owners=counts,
            unit=self.unit,
            replications=replications,
            calls=calls,
            warmup=warmup,
            window=None if window is None else Window(round(window[0] * self.unit), round(window[1] * self.unit)),
        )


def watched(
    bench: Bench,
    items: Sequence[Element],
    flow: float,
    places: int,
    *,
    in_flight: int,
    slots: Mapping[str, int] | None = None,
    settle: float | None = None,
    events: float = EVENTS,
    attributes: Mapping[str, Law | Series] | None = None,
) -> Setup:
    """Return a closed system whose stations are watched in all its copies for the same time.

    Parameters
    ----------
    bench : Bench
        The case.
    items : sequence of elements
        The program.
    flow : float
        Requests per unit of time that theory expects.
    places : int
        Tokens it can hold; the square of them, in service times, is a time after which no start is felt.
    in_flight : int
        Tokens inside.
    slots, attributes
        As of ``Bench.setup``.
    settle : float, optional
        Time before the watch, where the rule above is not apt.
    events : float
        Requests to be seen.
    """
    slowest = max(station.service.mean for station in bench.facts.stations.values())
    begin = settle if settle is not None else 5.0 * places**2 * slowest
    end = begin + max(events / (flow * PIPELINES), 4.0 * begin)
    # a tenth more than expected, and ten times the largest deviation of a count that varies like Poisson's
    requests = in_flight + math.ceil(1.1 * flow * end + 10.0 * math.sqrt(flow * end))
    return bench.setup(
        items,
        closed(requests * PIPELINES, in_flight=in_flight),
        slots=slots,
        pipelines=PIPELINES,
        window=(begin, end),
        attributes=attributes,
    )


def choice(shares: Mapping[str, float], bodies: Mapping[str, Element]) -> Branch:
    """Return a branch whose choices come as a mapping."""
    return make_branch("branch", "", dict(shares), bodies)


def shifted(name: str, attribute: str, unit: float, least: float) -> Task:
    """Return a task that takes ``least`` units of time and ``attribute`` units more."""
    return task(name, per(attribute, unit, base=least * unit) * dist.Deterministic(1))


def _ample(facts: Facts, station: str) -> int:
    """Return servers of which, by Poisson's law, the chance that all are busy is below 1e-12."""
    mean = facts.stations[station].visits * facts.stations[station].service.mean / facts.gaps.mean
    term, servers = math.exp(-mean), 0
    while term > 1e-12 or servers < mean:
        servers += 1
        term *= mean / servers
    return servers
