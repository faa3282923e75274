"""W1 and W2 in SimPy as its users write it: a process per server, stores as queues, octomodel's samples."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from itertools import pairwise
from typing import Any

import simpy

from bench.w1 import SLOTS, Tandem
from bench.w2 import BODY, ENTRY, LEFT, RIGHT, A, B, C, Flow

Process = Generator[simpy.Event, Any, None]

EIGHTH = 8
"""In W2 the clock counts eighths of a cycle, and TBU i completes i eighths late. Three TBUs feed one queue:
of those that complete in one cycle octomodel lets the lowest go first, SimPy the one scheduled first."""


def w1(lines: Sequence[Tandem]) -> list[list[int]]:
    """Return the cycle at which each request leaves its line."""
    env = simpy.Environment()
    out = []
    for line in lines:
        n = len(line.arrivals)
        ends = [-1] * n
        last = len(line.times) - 1
        queues = [simpy.Store(env), *(simpy.Store(env, capacity=SLOTS) for _ in range(last))]
        env.process(_source(env, line.arrivals, queues[0]))
        for stage, (inbox, outbox) in enumerate(pairwise(queues)):
            env.process(_server(env, inbox, line.times[stage], outbox))
        env.process(_last_server(env, queues[last], line.times[last], ends))
        out.append(ends)
    env.run()
    return out


def _source(env: simpy.Environment, arrivals: list[int], queue: simpy.Store, unit: int = 1) -> Process:
    for request, arrival in enumerate(arrivals):
        yield env.timeout(arrival * unit - env.now)
        yield queue.put(request)


def _server(env: simpy.Environment, inbox: simpy.Store, times: list[int], outbox: simpy.Store) -> Process:
    while True:
        request = yield inbox.get()
        yield env.timeout(times[request])
        yield outbox.put(request)


def _last_server(env: simpy.Environment, inbox: simpy.Store, times: list[int], ends: list[int]) -> Process:
    while True:
        request = yield inbox.get()
        yield env.timeout(times[request])
        ends[request] = int(env.now)


def w2(replicas: Sequence[Flow]) -> list[list[int]]:
    """Return the cycle at which each request of each replica ends."""
    env = simpy.Environment()
    out = []
    for flow in replicas:
        n = len(flow.arrivals)
        ends, joined = [-1] * n, [0] * n
        queues = [simpy.Store(env, capacity=math.inf if tb == ENTRY else SLOTS) for tb in range(RIGHT + 1)]
        env.process(_source(env, flow.arrivals, queues[ENTRY], EIGHTH))
        env.process(_entry(env, flow, queues[ENTRY], queues[A : C + 1]))
        for tb in (A, B, C):
            env.process(_branch(env, flow, tb, queues[tb], queues[BODY]))
        env.process(_body(env, flow, queues[BODY], queues[LEFT], queues[RIGHT]))
        for tb, times in ((LEFT, flow.left), (RIGHT, flow.right)):
            env.process(_side(env, times, tb, queues[tb], joined, ends))
        out.append(ends)
    env.run()
    return out


def _run(env: simpy.Environment, cycles: int, tbu: int) -> simpy.Timeout:
    """Return the completion of an execution that begins now on this TBU."""
    return env.timeout(cycles * EIGHTH + tbu - env.now % EIGHTH)


def _entry(env: simpy.Environment, flow: Flow, inbox: simpy.Store, branches: list[simpy.Store]) -> Process:
    while True:
        request = yield inbox.get()
        yield _run(env, flow.entry[request], ENTRY)
        yield branches[flow.choice[request]].put(request)


def _branch(env: simpy.Environment, flow: Flow, tb: int, inbox: simpy.Store, outbox: simpy.Store) -> Process:
    while True:
        request = yield inbox.get()
        yield _run(env, flow.chosen[request], tb)
        yield outbox.put(request)


def _body(
    env: simpy.Environment, flow: Flow, inbox: simpy.Store, left: simpy.Store, right: simpy.Store
) -> Process:
    while True:
        request = yield inbox.get()
        for cycles in flow.turns[request]:
            # The same TBU goes on: a token that takes a back edge is served before fresh ones.
            yield _run(env, cycles, BODY)
        yield left.put(request) & right.put(request)


def _side(
    env: simpy.Environment,
    times: list[int],
    tb: int,
    inbox: simpy.Store,
    joined: list[int],
    ends: list[int],
) -> Process:
    while True:
        request = yield inbox.get()
        yield _run(env, times[request], tb)
        joined[request] += 1
        if joined[request] == 2:
            ends[request] = int(env.now) // EIGHTH
