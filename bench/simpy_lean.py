"""W1 and W2 in SimPy as lean as it goes: no processes, no stores, a timeout with a callback per execution."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

import simpy

from bench.simpy_twins import EIGHTH
from bench.w1 import SLOTS, Tandem
from bench.w2 import BODY, ENTRY, LEFT, RIGHT, A, B, C, Flow


class Station:
    """One server with a queue, blocking after service.

    Parameters
    ----------
    env : simpy.Environment
        Of the simulation.
    forward : callable
        From a request that is done here to the stations it goes to next.
    slots : float
        Waiting places.
    """

    __slots__ = ("current", "env", "forward", "held", "line", "slots", "waiting")

    def __init__(
        self, env: simpy.Environment, forward: Callable[[int], Sequence[Station]], slots: float = SLOTS
    ) -> None:
        self.env, self.forward, self.slots = env, forward, slots
        self.current = -1
        self.held = 0  # copies of the current request that have found no place
        self.waiting: deque[int] = deque()
        self.line: deque[tuple[Station, int]] = deque()

    def begin(self, request: int) -> None:
        """Begin the service of a request."""
        raise NotImplementedError

    def enter(self, request: int) -> bool:
        """Take a request in, if there is room."""
        if self.current < 0:
            self.begin(request)
        elif len(self.waiting) < self.slots:
            self.waiting.append(request)
        else:
            return False
        return True

    def finished(self, _: simpy.Event) -> None:
        """Hand the current request on; stay blocked by what finds no place."""
        request = self.current
        for station in self.forward(request):
            if not station.enter(request):
                station.line.append((self, request))
                self.held += 1
        if not self.held:
            self.release()

    def release(self) -> None:
        """Take the next request, and into its place the one that has waited longest for it."""
        if not self.waiting:
            self.current = -1
            return
        self.begin(self.waiting.popleft())
        if self.line:
            holder, request = self.line.popleft()
            self.waiting.append(request)
            holder.held -= 1
            if not holder.held:
                holder.release()


def _to(*stations: Station) -> Callable[[int], Sequence[Station]]:
    """Return a ``forward`` that is always to the same stations."""
    return lambda request: stations


def _arrive(env: simpy.Environment, arrivals: list[int], first: Station, unit: int) -> None:
    """Let the requests arrive, one scheduling the next."""

    coming = enumerate(arrivals)

    def schedule() -> None:
        for request, arrival in coming:
            env.timeout(arrival * unit - env.now, request).callbacks.append(arrived)
            return

    def arrived(event: simpy.Event) -> None:
        first.enter(cast(int, event.value))
        schedule()

    schedule()


class _Stage(Station):
    """A station of W1."""

    __slots__ = ("times",)
    times: list[int]

    def begin(self, request: int) -> None:
        self.current = request
        self.env.timeout(self.times[request]).callbacks.append(self.finished)


def w1(lines: Sequence[Tandem]) -> list[list[int]]:
    """Return the cycle at which each request leaves its line."""
    env = simpy.Environment()
    out = [_line(env, line) for line in lines]
    env.run()
    return out


def _line(env: simpy.Environment, line: Tandem) -> list[int]:
    ends = [-1] * len(line.arrivals)

    def leave(request: int) -> Sequence[Station]:
        ends[request] = int(env.now)
        return ()

    stage = _Stage(env, leave)
    stage.times = line.times[-1]
    for times in reversed(line.times[:-1]):
        stage = _Stage(env, _to(stage))
        stage.times = times
    stage.slots = math.inf
    _arrive(env, line.arrivals, stage, 1)
    return ends


class _Tbu(_Stage):
    """A station of W2, whose clock counts eighths of a cycle."""

    __slots__ = ("number",)
    number: int

    def begin(self, request: int) -> None:
        self.current = request
        self.run(self.times[request])

    def run(self, cycles: int) -> None:
        """Schedule the completion of an execution that begins now."""
        env = self.env
        env.timeout(cycles * EIGHTH + self.number - env.now % EIGHTH).callbacks.append(self.finished)


class _Body(_Tbu):
    """The body of the loop: the same request goes on until its turns are done."""

    __slots__ = ("turn", "turns")
    turn: int
    turns: list[list[int]]

    def begin(self, request: int) -> None:
        self.current = request
        self.turn = 0
        self.run(self.turns[request][0])

    def finished(self, event: simpy.Event) -> None:
        self.turn += 1
        turns = self.turns[self.current]
        if self.turn < len(turns):
            self.run(turns[self.turn])
        else:
            super().finished(event)


def w2(replicas: Sequence[Flow]) -> list[list[int]]:
    """Return the cycle at which each request of each replica ends."""
    env = simpy.Environment()
    out = [_replica(env, flow) for flow in replicas]
    env.run()
    return out


def _replica(env: simpy.Environment, flow: Flow) -> list[int]:
    ends, joined = [-1] * len(flow.arrivals), [0] * len(flow.arrivals)

    def tbu(number: int, times: list[int], forward: Callable[[int], Sequence[Station]]) -> _Tbu:
        station = _Tbu(env, forward)
        station.number, station.times = number, times
        return station

    def join(request: int) -> Sequence[Station]:
        joined[request] += 1
        if joined[request] == 2:
            ends[request] = int(env.now) // EIGHTH
        return ()

    body = _Body(env, _to(tbu(LEFT, flow.left, join), tbu(RIGHT, flow.right, join)))
    body.number, body.turns = BODY, flow.turns
    branches = [(tbu(number, flow.chosen, _to(body)),) for number in (A, B, C)]
    entry = tbu(ENTRY, flow.entry, lambda request: branches[flow.choice[request]])
    entry.slots = math.inf
    _arrive(env, flow.arrivals, entry, EIGHTH)
    return ends
