"""W2: replicas of a workflow with a three-way branch, a geometric loop and a fork-join; and its samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import octomodel as om
from bench.samples import I64, by_pipeline, decisions, times
from octomodel import lower, mapping
from octomodel.elements import Task
from octomodel.kernels.model import AGAIN, BRANCH, Model

SLOTS = 4
MEAN_GAP = 1250
IN_FLIGHT = 64
"""Behind the first server at most 30 requests have a place, so a window of 64 never keeps it waiting: the
first queue is unbounded, as in W1."""

ENTRY, A, B, C, BODY, LEFT, RIGHT = range(7)
"""Task blocks, each with one TBU of the same number."""


@dataclass(frozen=True)
class Flow:
    """One replica: for each request its arrival, branch (0, 1, 2), turns of the loop, and other times."""

    arrivals: list[int]
    entry: list[int]
    choice: list[int]
    chosen: list[int]  # cycles on the branch taken
    turns: list[list[int]]  # cycles of each turn of the loop
    left: list[int]
    right: list[int]


def workflow() -> om.Workflow:
    """Return the workflow: the busiest TBU is loaded to 0.57, all times are lognormal with CV 1."""

    def task(name: str, mean: float) -> Task:
        return om.task(name, om.dist.LogNormal(mean, 1.0))

    return om.Workflow(
        "w2",
        task("entry", 700),
        om.branch({"a": 0.7, "b": 0.2, "c": 0.1}, a=task("a", 900), b=task("b", 2500), c=task("c", 5000)),
        om.loop(task("body", 500), again=0.3),
        om.fork(task("left", 700), task("right", 700)),
    )


def model(pipelines: int, requests: int, seed: int = 1) -> Model:
    """Return ``pipelines`` clusters of seven TBUs, each with its own Poisson stream, thinned as in W1."""
    program = workflow()
    tbus = len(program.tasks)
    system = om.System(1, pipelines, tbus=tbus, queue_slots=SLOTS, resident_slots=1)
    owners = mapping.explicit(program, system, np.ones((pipelines, tbus), dtype=np.int64))
    split = "even" if pipelines == 1 else [1.0] * pipelines
    load = om.poisson(pipelines / MEAN_GAP, requests, in_flight=IN_FLIGHT, split=split)
    return lower.lower(program, system, load, owners, seed=seed).model


def flows(model: Model) -> list[Flow]:
    """Return the same samples, replica by replica."""
    program, requests = model.program, model.load.source_request
    cycles = [times(model, int(node), requests) for node in program.task_node]
    choice = decisions(model, int(np.flatnonzero(program.node_kind == BRANCH)[0]), requests)
    chosen = np.choose(choice, [cycles[A], cycles[B], cycles[C]])
    columns = (cycles[ENTRY], choice, chosen, cycles[LEFT], cycles[RIGHT])
    split = [by_pipeline(model, column) for column in (model.load.source_arrival, *columns)]
    turns = _body_times(model)
    out, first = [], 0
    for arrivals, entry, branch, taken, left, right in zip(*map(_lists, split), strict=True):
        own = turns[first : first + len(arrivals)]
        out.append(Flow(arrivals, entry, branch, taken, own, left, right))
        first += len(arrivals)
    return out


def executions(model: Model) -> int:
    """Return how many executions the model asks for."""
    return 4 * len(model.load.source_request) + sum(len(inside) for inside in _turns(model))


def _lists(arrays: list[I64]) -> list[list[int]]:
    return [array.tolist() for array in arrays]


def _turns(model: Model) -> Iterator[I64]:
    """Yield, turn by turn of the loop, the places in the sources of the requests that take part."""
    again = int(np.flatnonzero(model.program.node_kind == AGAIN)[0])
    requests = model.load.source_request
    inside = np.arange(len(requests))
    turn = 0
    while len(inside):
        yield inside
        turn += 1
        inside = inside[decisions(model, again, requests[inside], turn) == 0]


def _body_times(model: Model) -> list[list[int]]:
    """Return the cycles of each turn of the loop, for each request in the order of the sources."""
    requests = model.load.source_request
    body = int(model.program.task_node[BODY])
    out: list[list[int]] = [[] for _ in requests]
    for turn, inside in enumerate(_turns(model), 1):
        cycles = times(model, body, requests[inside], turn)
        for place, each in zip(inside.tolist(), cycles.tolist(), strict=True):
            out[place].append(each)
    return out
