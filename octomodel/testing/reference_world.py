"""The reference's world: everything that exists in a run, its clock, fingerprint and time split."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

from octomodel.kernels.model import Rules
from octomodel.testing.reference_draws import MODULUS, Draws, mix
from octomodel.testing.reference_state import (
    BLOCKED,
    CONTROL,
    IDLE,
    Cluster,
    Event,
    Graph,
    Group,
    Pipeline,
    Tbu,
)


def cycles_for(size: int, rate: tuple[int, int]) -> int:
    """Return the cycles that a size in bytes takes at a rate (bytes, cycles); bytes 0 means no limit.

    Examples
    --------
    >>> cycles_for(10, (4, 1)), cycles_for(10, (0, 1))
    (3, 0)
    """
    per_bytes, per_cycles = rate
    return 0 if per_bytes == 0 else -(-size * per_cycles // per_bytes)


@dataclass(eq=False, slots=True)
class World:
    """Everything, and the clock."""

    graph: Graph
    draws: Draws
    clusters: list[Cluster]
    pipelines: list[Pipeline]
    groups: list[Group]
    hops: list[list[int]]
    rules: Rules
    params: Any  # those of the policy, by name
    closed: bool
    step: int  # 0 where arrivals are not rounded
    local_rate: tuple[int, int]
    local_latency: int
    decision_cycles: int
    switch_cycles: int
    background_load: bool
    reload_lengths: list[int]  # by configuration
    epoch: int
    epochs: int  # how many are sampled
    epoch_stride: int  # each so manieth of them
    surplus_after: int
    report_bytes: int
    control_bytes: int
    events: list[Event] | None
    now: int = 0
    due: list[tuple[int, int]] = field(default_factory=list)
    ordinal: int = 0
    fingerprint: tuple[int, int] = (0, 0)

    def local_delay(self, payload: int) -> int:
        """Return the cycles of a local transfer (rule 4.4)."""
        return self.local_latency + cycles_for(payload, self.local_rate)

    def next_ordinal(self) -> int:
        """Return a number above all returned before, for "later comers after equals"."""
        self.ordinal += 1
        return self.ordinal

    def schedule(self, t: int, cluster: int) -> None:
        """Note that something is due at a cluster at cycle t."""
        heapq.heappush(self.due, (t, cluster))

    def active(self, group: Group) -> bool:
        """Return whether a request of the group had not ended before now (rules 7.5 and 8.4)."""
        return group.left > 0 or group.last_end >= self.now

    def record(self, event: Event) -> None:
        """Add an event to the fingerprint and, where one is kept, to the log (rule 9.4)."""
        kind, request, node, visit, place, cluster, start, finish = event
        a = kind << 60 | node << 40 | visit << 16 | place
        b = request << 24 | cluster
        h1 = mix(
            (
                a * 0x2545F4914F6CDD1D
                + b * 0x369DEA0F31A53F85
                + start * 0x5851F42D4C957F2D
                + finish * 0x14057B7EF767814F
            )
            % MODULUS
        )
        h2 = ((a + start) * (h1 | 1) + b + finish) % MODULUS
        self.fingerprint = ((self.fingerprint[0] + h1) % MODULUS, (self.fingerprint[1] + h2) % MODULUS)
        if self.events is not None:
            self.events.append(event)

    def charge(self, tbu: Tbu) -> None:
        """Add the cycles since the last change of state to the TBU's time split (rule 9.1)."""
        spell = self.now - tbu.since
        if tbu.state == IDLE:
            starved = min(spell, self.surplus_after)
            tbu.cycles[IDLE] += starved
            tbu.cycles[IDLE + 1] += spell - starved
        else:
            tbu.cycles[tbu.state] += spell
        tbu.since = self.now

    def settle(self, tbu: Tbu) -> None:
        """Find the state a TBU is in now and, where it is another, account for the one it leaves."""
        if tbu.output is not None:
            state = CONTROL if tbu.output.deciding else BLOCKED
        else:
            state = tbu.stage
        if state != tbu.state:
            self.charge(tbu)
            tbu.state = state
