"""Closed systems: terminals and stations, a finite source, messages that circulate, a station that turns away.

A station that lets in no more than a number of requests is one of a closed system: the others wait for a gap
between arrivals to end, which is exponential and so does not remember how long it has lasted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from octomodel import dist
from octomodel.elements import Element
from octomodel.verification.bench import Bench, Experiment, choice, shifted, watched
from octomodel.verification.judge import Metric, Ratio, Sums
from octomodel.verification.measure import Observation
from octomodel.verification.metrics import MAIN, busy, population, service, throughput


def lost(bench: Bench) -> list[Experiment]:
    """Return a station whose places, served ones included, limit who is let in."""
    facts = bench.facts
    inside = facts.population or 0
    flow = facts.expected.get("carried", facts.expected.get("throughput", 0.0))
    metrics: list[Metric] = [throughput("throughput", flow, ["s"]), service(facts, "s")]
    if "L" in facts.expected:
        metrics.append(population("L", facts.expected["L"], ["s"]))
    setup = watched(bench, [bench.source(), bench.task("s")], flow, inside, in_flight=inside)
    return [Experiment(setup, metrics)]


def finite_source(bench: Bench) -> list[Experiment]:
    """Return a closed system of thinking sources and one station."""
    facts = bench.facts
    inside, flow = facts.population or 0, facts.expected["throughput"]
    items = [bench.task("think", timed=False), bench.task("s")]
    metrics: list[Metric] = [
        throughput("throughput", flow, ["s"]),
        population("L", facts.expected["L"], ["s"]),
        service(facts, "s"),
    ]
    return [Experiment(watched(bench, items, flow, inside, in_flight=inside), metrics)]


def closed(bench: Bench, choices: Sequence[Sequence[str]] = (), settle: float | None = None) -> list[Experiment]:
    """Return a closed network in which a request visits every station once, or one station of each choice."""
    facts = bench.facts
    inside, flow = facts.population or 0, facts.expected["X"]
    chosen = {name: group for group in choices for name in group}
    items: list[Element] = []
    for name, station in facts.stations.items():
        if name not in chosen:
            items.append(bench.task(name, timed=name != "think"))
        elif name == chosen[name][0]:
            shares = {each: facts.stations[each].visits for each in chosen[name]}
            items.append(choice(shares, {each: bench.task(each) for each in chosen[name]}))
        assert station.visits == 1.0 or name in chosen
    metrics: list[Metric] = [throughput("X", flow, [next(n for n, s in facts.stations.items() if s.visits == 1.0)])]
    metrics += [population(name, value, [name[2:-1]]) for name, value in facts.expected.items() if name.startswith("Q[")]
    return [Experiment(watched(bench, items, flow, inside, in_flight=inside, settle=settle), metrics)]


def uniform(bench: Bench) -> list[Experiment]:
    """Return messages that go from one of many like stations to any other."""
    facts = bench.facts
    inside, flow = facts.population or 0, facts.expected["event_rate"]
    names = list(facts.stations)
    half = names[: len(names) // 2]
    metrics: list[Metric] = [
        throughput("event_rate", flow, names),
        # a single station varies too much; all of them hold every message at any time
        population("half of all queues", facts.expected["mean_queue"] * len(half), half),
        busy("util", facts.expected["util"], names[0]),
    ]
    items = [choice(dict.fromkeys(names, 1.0 / len(names)), {name: bench.task(name) for name in names})]
    setup = watched(bench, items, flow, inside, in_flight=inside, settle=10.0 * (inside / len(names) + 1.0) ** 2)
    return [Experiment(setup, metrics)]


def free_messages(bench: Bench) -> list[Experiment]:
    """Return messages that go from station to station without ever waiting."""
    facts = bench.facts
    inside, flow = facts.population or 0, facts.expected["event_rate"]
    names = list(facts.stations)
    unit, least = bench.unit * bench.scale, facts.more["lookahead"]
    tasks = {name: shifted(name, "more", unit, least) for name in names}

    def share(seen: Observation) -> Sums:
        total: Sums = (
            seen.counters["executions"][names[0]],
            np.sum(list(seen.counters["executions"].values()), axis=0),
        )
        return total

    metrics: list[Metric] = [
        throughput("event_rate", flow, names),
        Ratio("share_per_process", facts.expected["share_per_process"], share, MAIN),
    ]
    items = [choice(dict.fromkeys(names, 1.0 / len(names)), tasks)]
    # a share of 1/16 needs sixteen times the events that a rate needs
    setup = watched(
        bench,
        items,
        flow,
        inside,
        in_flight=inside,
        settle=20.0,
        events=3e6,
        attributes={"more": dist.Exponential(facts.stations[names[0]].service.mean)},
    )
    return [Experiment(setup, metrics)]
