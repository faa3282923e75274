"""Loads of the generated scenarios, how far they run, in which steps and under which policy."""

from __future__ import annotations

from typing import Any

import numpy as np

from octomodel import dist
from octomodel.checks import rate_pair
from octomodel.hardware import System
from octomodel.load import InFlight, Load, closed, mmpp, periodic, poisson, renewal, trace
from octomodel.mapping import Mapping
from octomodel.testing.scenarios_choice import Choice

KINDS = {"closed": 5.0, "poisson": 2.0, "periodic": 1.0, "renewal": 1.0, "mmpp": 1.0, "trace": 1.5}
MOST_REQUESTS = 4_000
GAPS = (dist.Gamma(1000, 0.5), dist.Gamma(1000, 2), dist.HyperExponential((0.9, 0.1), (400, 6400)))


def bottleneck(system: System, placed: Mapping) -> float:
    """Return the cycles between requests that the machine can serve, the pipelines taking turns."""
    owners = placed.home >= 0
    cluster = np.repeat(np.arange(system.n_cluster), system.tbus)[owners]
    served = np.zeros((placed.n_pipeline, len(placed.demand)))
    np.add.at(served, (placed.pipeline[cluster], placed.home[owners]), 1.0)
    return max(1.0, float((placed.demand / served).max())) / placed.n_pipeline


def make_load(choose: Choice, kind: str, requests: int, per_request: float, placed: Mapping) -> Load:
    """Return a load of a kind whose rate is between a little and far more than can be served."""
    gap = per_request / choose.weighted({0.5: 2, 0.9: 2, 1.5: 2, 4.0: 2, 50.0: 1})
    most = max(1, len(placed.home))
    options: dict[str, Any] = {"in_flight": _in_flight(choose, kind, most), "split": _split(choose, placed)}
    if kind == "closed":
        return closed(requests, **options)
    if kind == "poisson":
        return poisson(1 / gap, requests, **options)
    if kind == "periodic":
        return periodic(choose.pick((gap, round(gap), 0.5 * gap)), requests, **options)
    if kind == "renewal":
        law = choose.pick((choose.pick(GAPS), dist.Empirical((0, 0, 3 * gap)), dist.Uniform(0, 2 * gap)))
        return renewal(law, requests, **options)
    if kind == "mmpp":
        return mmpp([0.2 / gap, 3 / gap], [20 * gap + 1, 5 * gap + 1], requests, **options)
    steps = [choose.weighted({0: 3, round(choose.real(0, 3) * gap): 3, 1: 1}) for _ in range(requests)]
    return trace(np.cumsum(steps), requests, **options)


def _in_flight(choose: Choice, kind: str, tbus: int) -> InFlight:
    if kind == "closed":
        return choose.weighted({"auto": 3.0, choose.integer(1, 2 * tbus): 2.0})
    return choose.weighted({"auto": 2.0, None: 2.0, choose.integer(1, 2 * tbus): 2.0})


def _split(choose: Choice, placed: Mapping) -> Any:
    if placed.n_pipeline == 1 or choose.chance(0.5):
        return "even"
    weights = [choose.pick((0.0, 1.0, 2.5, 4.0)) for _ in range(placed.n_pipeline)]
    return weights if any(weights) else "even"


def epoch(choose: Choice, system: System, placed: Mapping, cycles: float, to_neighbours: bool) -> int:
    """Return a period that no link needs up for reports, neither tiny nor longer than everything."""
    members = np.bincount(placed.pipeline)
    # around a ring of two, both reports to a neighbour may take one link
    reports = int((members * (members - 1)).sum()) + 2 * to_neighbours
    rates = [
        rate_pair("rate", rate) for rate in (system.link_bytes_per_cycle, system.die_link_bytes_per_cycle)
    ]
    service = max(-(-system.report_bytes * per // n) if n else 0 for n, per in rates)
    return max(20, 2 * reports * service, round(cycles / choose.pick((3, 10, 40, 100))))


def step(choose: Choice, system: System) -> int | None:
    """Return a step, mostly none or an exact one."""
    latency = system.link_latency_cycles
    smallest = latency if system.die is None else min(latency, system.die_link_latency_cycles)
    form = choose.weighted({"none": 5, "exact": 2, "coarse": 1})
    if form == "none":
        return None
    return choose.integer(1, smallest) if form == "exact" else choose.integer(1, 20)


def epochs(choose: Choice) -> int:
    """Return how many epochs are sampled: often none, a few, or more than the run has."""
    return choose.weighted({0: 2, choose.integer(1, 4): 1, choose.integer(5, 150): 1})
