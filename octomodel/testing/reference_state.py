"""The reference's state: what exists in a run, as plain objects; no behaviour beyond their own counters."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# time split, in the order of rule 9.1; IDLE is divided into starved and surplus
DEAD, RELOADING, SWITCHING, OWN, LENT, CONTROL, BLOCKED, IDLE = range(8)
STATES = ("dead", "reloading", "switching", "own", "lent", "control", "blocked", "starved", "surplus")
# who holds a token that wants a slot, in the order of rule 4.3
INGRESS, OUTPUT, JOINED, SPILL, SOURCE = range(5)
# events, rule 9.4
EXECUTION, TRANSFER, CHOICE, HOP = range(1, 5)
# what a message carries
TOKEN, CREDIT, REPORT, ASK, NO = range(5)
# in a resident place: nothing; LOADING - X: X, which is loaded in the background (rule 13.8)
EMPTY, LOADING = -1, -2

LineKey = tuple[int, int, int, int, int]
Sample = tuple[int, int, int, int, int, int, int]  # backlog, demand, owners, running, idle, blocked, wanting
Event = tuple[int, int, int, int, int, int, int, int]


@dataclass(eq=False, slots=True)
class Join:
    """The children of one fork or select that have arrived at their join (rule 4.8)."""

    cluster: int
    expected: int
    arrived: int = 0
    payload: int = 0
    marked: bool = True


@dataclass(eq=False, slots=True)
class Request:
    """One traversal of the workflow."""

    number: int
    pipeline: int
    phase: int
    arrival: int
    milestones: list[int]
    end: int = -1
    attributes: list[float] = field(default_factory=list)
    visits: dict[int, int] = field(default_factory=dict)
    counters: dict[int, int] = field(default_factory=dict)
    joins: dict[int, Join] = field(default_factory=dict)

    def reach(self, node: int) -> int:
        """Count a visit of a node and return its number (rule 1.2)."""
        self.visits[node] = self.visits.get(node, 0) + 1
        return self.visits[node]


@dataclass(eq=False, slots=True)
class Holder:
    """What keeps tokens until they are pushed (rule 4.2)."""

    kind: int
    rank: tuple[int, int]
    tokens: int = 1
    deciding: int = 0
    tbu: Tbu | None = None
    finish: int = 0
    places: int = 0


@dataclass(eq=False, slots=True)
class Token:
    """A request's thread of control, at a node or on its way to it."""

    request: Request
    payload: int
    marked: bool
    holder: Holder | None
    node: int = -1
    visit: int = 0
    target: int = -1
    since: int = 0  # began to want a slot, to wait for control, or became ready
    routed: bool = False  # its cluster for the next TASK is already chosen (rule 4.8)
    stolen: bool = False  # on its way as the answer to a request of rule 6.6


@dataclass(eq=False, slots=True)
class Tbu:
    """A TBU; ``stage`` is one of RELOADING, SWITCHING, OWN, LENT while it works, else IDLE."""

    index: int
    place: int
    home: int  # -1 too while it reloads to change its home
    dead: bool
    speed: float
    residents: list[int]
    in_vain: set[int]  # places with what a plan loaded and nothing has run yet
    ran_at: list[int]
    last_config: int
    token: Token | None = None
    task: int = -1
    stage: int = IDLE
    run_start: int = 0
    stage_end: int = -1
    output: Holder | None = None
    reserved: Token | None = None
    next: int = -1  # the TB it is to own (rule 13.7)
    due: bool = False  # this change can begin
    asked: int = 0  # the news of its cluster when it was last asked
    state: int = IDLE
    since: int = 0
    cycles: list[int] = field(default_factory=lambda: [0] * len(STATES))

    @property
    def idle(self) -> bool:
        """Whether it could take a token."""
        return not self.dead and self.stage == IDLE and self.output is None

    @property
    def free(self) -> bool:
        """Whether it is idle and not kept for one token (rule 4.10)."""
        return self.idle and self.reserved is None


@dataclass(eq=False, slots=True)
class Station:
    """All that serves one TB in one cluster."""

    task: int
    slots: int
    owners: list[Tbu]
    mapped: int  # owners at cycle 0
    occupied: int = 0
    line: list[tuple[LineKey, Token]] = field(default_factory=list)
    fresh: deque[Token] = field(default_factory=deque)
    recirculation: deque[Token] = field(default_factory=deque)
    fresh_changed: int = 0
    executions: int = 0
    run_cycles: int = 0
    fresh_taken: int = 0
    fresh_wait: int = 0
    queue_integral: int = 0
    queue_max: int = 0
    recirculation_taken: int = 0
    recirculation_wait: int = 0
    line_wait: int = 0
    arrived: int = 0  # tokens that became ready since the last sample (rule 9.5)

    def free_owners(self) -> list[Tbu]:
        """Return the idle unreserved owners, ascending."""
        return [tbu for tbu in self.owners if tbu.free]

    def free_slots(self) -> int:
        """Return the free slots (rules 4.3 and 4.10)."""
        return len(self.free_owners()) if self.slots == 0 else self.slots - self.occupied

    def ready(self) -> int:
        """Return how many tokens are ready and waiting."""
        return len(self.fresh) + len(self.recirculation)

    def waiting(self) -> int:
        """Return how many ready tokens any TBU may take: reserved ones (rule 4.10) do not count."""
        return len(self.recirculation) + (len(self.fresh) if self.slots else 0)

    def integrate(self, now: int) -> None:
        """Bring the integral of the number of ready fresh tokens up to now."""
        self.queue_integral += len(self.fresh) * (now - self.fresh_changed)
        self.fresh_changed = now


class StationReport(NamedTuple):
    """What a report says of one station (rules 7.3 and 13.6)."""

    free: int
    present: int
    owners: int
    backlog: int


class Report(NamedTuple):
    """What one cluster tells others in its epoch hook."""

    sent: int
    stations: dict[int, StationReport]
    load: list[float]  # by TB


@dataclass(eq=False, slots=True)
class Message:
    """What travels over links."""

    kind: int
    target: int
    size: int
    token: Token | None = None
    credit_to: int = -1  # pipeline
    sender: int = -1
    report: Report | None = None


@dataclass(eq=False, slots=True)
class Link:
    """One directed link, a first-come-first-served server (rule 7.1)."""

    to: int
    latency: int
    rate: tuple[int, int]
    free: int = 0
    messages: int = 0
    bytes: int = 0
    wait: int = 0
    services: list[tuple[int, int]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Group:
    """A class of clusters that can influence each other (rule 7.5)."""

    left: int = 0
    last_end: int = -1
    quiet: int = 0


@dataclass(eq=False, slots=True)
class Pipeline:
    """A group of clusters that together host every TB, with its source."""

    home: int
    window: int
    requests: list[Request]
    group: Group
    candidates: dict[int, list[int]]
    reports: bool
    clusters: list[int]
    next: int = 0
    in_flight: int = 0
    source_wait: int = 0


@dataclass(eq=False, slots=True)
class Cluster:
    """A cluster: its TBUs, stations, control units, spill store and links."""

    index: int
    tbus: list[Tbu]
    stations: dict[int, Station]  # by ascending TB
    cbus: int
    spill_slots: int
    links: list[Link]  # by port; a link to -1 is absent
    group: Group
    pipeline: Pipeline | None
    memory: NDArray[np.float64]  # [row, tb] state of a policy
    sources: list[Pipeline] = field(default_factory=list)
    inbox: list[deque[tuple[int, Message]]] = field(default_factory=lambda: [deque() for _ in range(4)])
    transfers: list[tuple[int, int, int, Token]] = field(default_factory=list)
    control: list[tuple[LineKey, Token]] = field(default_factory=list)
    deciding: deque[tuple[int, Token]] = field(default_factory=deque)
    port_free: int = 0
    loads: deque[tuple[int, Tbu, int]] = field(default_factory=deque)  # end, TBU and place, as the port takes them
    spilled: int = 0
    ingress: int = 0
    known: dict[int, Report] = field(default_factory=dict)  # by sender
    news: int = 0
    hooked: int = 0  # last cycle at which the epoch hook ran
    samples: dict[int, dict[int, Sample]] = field(default_factory=dict)  # by epoch, then TB
    outstanding: bool = False
    last_asked: int = -1
    changed: bool = False
    decisions: int = 0
    cbu_busy: int = 0
    cbu_wait: int = 0
    ingress_max: int = 0
    spill_max: int = 0
    lendings: int = 0
    refusals: int = 0
    asks: int = 0
    steals: int = 0
    switches: int = 0
    reloads: int = 0
    misroutes: int = 0
    plan_refusals: int = 0
    owner_changes: int = 0
    background_loads: int = 0
    hidden_reload_cycles: int = 0
    wasted_reloads: int = 0
    moves: int = 0
    moved_bytes: int = 0


@dataclass(eq=False, slots=True)
class Graph:
    """The workflow as lists by node, and the TBs."""

    kind: list[int]
    task: list[int]
    join: list[int]
    loop: list[int]
    out_bytes: list[int]
    milestone: list[int]
    fan_out: list[int]
    out: list[list[int]]
    config: list[int]
    speedup: list[float]
    in_bytes: int
