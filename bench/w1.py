"""W1: independent tandems of six stations, blocking after service; and its samples for other simulators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import octomodel as om
from bench.samples import by_pipeline, times
from octomodel import lower, mapping
from octomodel.kernels.model import Model

STAGES = 6
SLOTS = 4
MEAN_GAP = 1250
IN_FLIGHT = 64
"""Six stations with four places each hold 30 requests, so a window of 64 never keeps a free first server
waiting: what waits at the source waits in front of that server, and the first queue is unbounded."""


@dataclass(frozen=True)
class Tandem:
    """One line: the arrival cycle of each request, and for each stage the cycles of each request there."""

    arrivals: list[int]
    times: list[list[int]]


def workflow() -> om.Workflow:
    """Return the six stages: lognormal times of mean 1000 cycles and CV 1."""
    return om.Workflow("w1", *(om.task(f"s{i}", om.dist.LogNormal(1000, 1.0)) for i in range(STAGES)))


def model(pipelines: int, requests: int, seed: int = 1) -> Model:
    """Return ``pipelines`` clusters of six TBUs, each with its own Poisson stream of mean gap 1250 cycles.

    The streams are one Poisson stream of all, each request sent to a pipeline drawn evenly: thinned like this
    the streams are Poisson and independent, which taking turns would not give.
    """
    program = workflow()
    system = om.System(1, pipelines, tbus=STAGES, queue_slots=SLOTS, resident_slots=1)
    owners = mapping.explicit(program, system, np.ones((pipelines, STAGES), dtype=np.int64))
    split = "even" if pipelines == 1 else [1.0] * pipelines
    load = om.poisson(pipelines / MEAN_GAP, requests, in_flight=IN_FLIGHT, split=split)
    return lower.lower(program, system, load, owners, seed=seed).model


def tandems(model: Model) -> list[Tandem]:
    """Return the same samples, line by line."""
    requests = model.load.source_request
    arrivals = by_pipeline(model, model.load.source_arrival)
    stages = [by_pipeline(model, times(model, int(node), requests)) for node in model.program.task_node]
    return [
        Tandem(arrival.tolist(), [stage[line].tolist() for stage in stages])
        for line, arrival in enumerate(arrivals)
    ]


def executions(model: Model) -> int:
    """Return how many executions the model asks for."""
    return len(model.load.source_request) * STAGES
