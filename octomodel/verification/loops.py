"""Networks with loops: open ones whose answers depend on flows alone, and a chain of tasks without any queue.

A program is structured: a loop has one way in and one way out, and a station stands in it once. The routing of a
Jackson network need not be. But what such a network does at its stations depends only on the flow through each
of them (Jackson 1957): so a structured program with the same flows has the same answers. For the same reason it
does not matter that tokens on a way back are served before others: all service times at a station have one
exponential law, so the order of service changes no queue length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octomodel import dist
from octomodel.elements import Element, Seq
from octomodel.load import closed, poisson
from octomodel.program import branch, loop, seq, task
from octomodel.verification.bench import PIPELINES, Bench, Experiment, choice
from octomodel.verification.judge import Metric, Ratio, Sums
from octomodel.verification.measure import Observation
from octomodel.verification.metrics import MAIN, busy, population, response, service, sojourn
from octomodel.verification.plan import REPLICATIONS, length, queue

_ROUNDS = 4000  # requests of a pipeline that runs the chain


def feedback(bench: Bench) -> list[Experiment]:
    """Return four stations, the first with feedback, the third with arrivals of its own."""
    n = bench.facts.stations
    enter = n["n1"].visits * 0.8  # requests that begin at the first station; a fifth of its visits returns to it
    first = loop(bench.task("n1"), again=0.2)
    again = n["n2"].visits / enter
    second = branch({"there": again, "past": 1.0 - again}, there=bench.task("n2"), past=seq())
    head = branch({"in1": enter, "in3": 1.0 - enter}, in1=seq(first, second), in3=seq())
    last = branch({"n3": n["n3"].visits, "n4": n["n4"].visits}, n3=bench.task("n3"), n4=bench.task("n4"))
    return _flows(bench, [head, last])


def visited(bench: Bench, trips: float = 1.0) -> list[Experiment]:
    """Return turns around a processor and its devices; ``trips``: requests into which each one is cut."""
    facts = bench.facts
    processor, *devices = facts.stations
    turns = facts.stations[processor].visits / trips
    shares = {name: facts.stations[name].visits / facts.stations[processor].visits for name in devices}
    bodies: dict[str, Element] = {name: bench.task(name) for name in devices}
    device = choice({**shares, "none": 1.0 - sum(shares.values())}, {**bodies, "none": seq()})
    return _flows(bench, [loop(seq(bench.task(processor), device), again=1.0 - 1.0 / turns)], trips)


def turns(bench: Bench) -> list[Experiment]:
    """Return a loop around all stations: the most visited one in every turn, each other one in some."""
    stations = bench.facts.stations
    busiest = max(stations, key=lambda name: stations[name].visits)
    most = stations[busiest].visits
    body = [
        bench.task(name)
        if name == busiest
        else branch(
            {"there": station.visits / most, "past": 1.0 - station.visits / most},
            there=bench.task(name),
            past=seq(),
        )
        for name, station in stations.items()
    ]
    return _flows(bench, [loop(seq(*body), again=1.0 - 1.0 / most)])


def _flows(bench: Bench, items: list[Element], trips: float = 1.0) -> list[Experiment]:
    """Return an open network of independent Poisson streams, one for each pipeline."""
    facts = bench.facts
    gaps = facts.gaps.mean / trips
    # the load of a station varies with requests, not with visits: one queue of whole demands
    queues = [
        queue(
            dist.Exponential(gaps),
            dist.Exponential(station.visits / trips * station.service.mean),
            station.servers,
        )
        for station in facts.stations.values()
    ]
    first = next(iter(facts.stations.values()))
    plan = length(
        max(each.variance / (each.wait + each.service) ** 2 for each in queues),
        correlation=max(each.correlation for each in queues),
        tasks=sum(station.visits for station in facts.stations.values()) / trips,
        services=first.service.cv**2 / (first.visits / trips),
    )
    begin = plan.warmup * gaps
    end = begin + max((plan.requests - plan.warmup) * REPLICATIONS / PIPELINES * gaps, 4.0 * begin)
    rate = PIPELINES / (gaps * bench.unit)
    expected = rate * end * bench.unit
    requests = int(expected + 10.0 * expected**0.5)
    source = poisson(rate, requests, in_flight=None, split=[1.0] * PIPELINES)
    setup = bench.setup(items, source, pipelines=PIPELINES, window=(begin, end))
    metrics: list[Metric] = []
    for name, station in facts.stations.items():
        answer = f"W[{name}]" if f"W[{name}]" in facts.expected else f"response[{name}]"
        metrics.append(response(answer, facts.expected[answer], name, plan.limit))
        if f"util[{name}]" in facts.expected and station.servers is not None:
            metrics.append(busy(f"util[{name}]", facts.expected[f"util[{name}]"], name))
    total = sum(facts.expected[f"L[{name}]"] for name in facts.stations)
    metrics.append(population("L_total", total, facts.stations, plan.limit))
    metrics.append(service(facts, next(iter(facts.stations))))
    return [Experiment(setup, metrics)]


def chain(bench: Bench) -> list[Experiment]:
    """Return a Markov chain of tasks that ends; every return is to its start, so it is made of rounds.

    Rounds are independent, and so are whether another follows and what is in a round that is known to return or
    known to end: a loop over the ways through a returning round, then one through an ending round. Every task
    takes one unit of time and never waits, so a request takes as long as it has executions.
    """
    facts = bench.facts
    matrix = np.array(facts.more["routing"])
    ways = list(_ways(matrix, [0], 1.0))
    again = sum(share for _, share, returns in ways if returns)
    back, out = (
        _round(bench, prefix, [(way, share / total) for way, share, returns in ways if returns == flag])
        for prefix, flag, total in (("back", True, again), ("out", False, 1.0 - again))
    )
    first = branch({"more": again, "done": 1.0 - again}, more=loop(back, again=again), done=seq())
    setup = bench.setup([first, out], closed(_ROUNDS * PIPELINES, in_flight=1), pipelines=PIPELINES)
    names = [each.name for each in setup.workflow.tasks]

    def visits(node: int) -> Metric:
        copies = [name for name in names if name.endswith(f"_{node}")]

        def read(seen: Observation) -> Sums:
            total: NDArray[np.float64] = np.sum([seen.counters["executions"][copy] for copy in copies], axis=0)
            return total, np.full(len(total), float(seen.sojourn.shape[1]))

        return Ratio(f"visits[{node}]", facts.expected[f"visits[{node}]"], read, MAIN)

    def variance(seen: Observation) -> Sums:
        spread = (seen.sojourn - facts.expected["steps_mean"]) ** 2
        return spread.sum(axis=1), np.full(len(spread), float(spread.shape[1]))

    metrics: list[Metric] = [sojourn(facts, "steps_mean", MAIN)]
    metrics.append(Ratio("steps_var", facts.expected["steps_var"], variance, 2.0 * MAIN))
    return [Experiment(setup, [*metrics, *(visits(node) for node in range(len(matrix)))])]


def _ways(matrix: NDArray[np.float64], way: list[int], share: float) -> list[tuple[list[int], float, bool]]:
    """Return the ways from the last node of ``way`` to a return to the start or to the end, with their shares."""
    row = matrix[way[-1]]
    found = [(way, share * (1.0 - row.sum()), False), (way, share * row[0], True)]
    for node in np.flatnonzero(row[1:]) + 1:
        found += _ways(matrix, [*way, int(node)], share * row[node])
    return [each for each in found if each[1] > 1e-12]


def _round(bench: Bench, prefix: str, ways: list[tuple[list[int], float]]) -> Element:
    def path(i: int, way: list[int]) -> Seq:
        return seq(*(task(f"{prefix}{i}_{node}", dist.Deterministic(bench.unit * bench.scale)) for node in way))

    bodies: dict[str, Element] = {f"way{i}": path(i, way) for i, (way, _) in enumerate(ways)}
    return choice({f"way{i}": share for i, (_, share) in enumerate(ways)}, bodies)
