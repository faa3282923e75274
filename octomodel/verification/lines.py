"""Stations with few waiting places that block after service, watched for a while.

Arrivals that are lost where the first queue is full are those of a source that stops working while its output is
blocked: gaps are exponential, so what is left of a gap does not depend on how long it has lasted. The blocked
source takes the last waiting place; the queue has one less.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from octomodel.elements import Element
from octomodel.load import closed, trace
from octomodel.program import branch, fork, loop, seq
from octomodel.verification.bench import PIPELINES, SOURCE, Bench, Experiment, choice, watched
from octomodel.verification.judge import Metric, Quantile, Ratio, Sums
from octomodel.verification.measure import Observation
from octomodel.verification.metrics import MAIN, blocked, queue, service, throughput
from octomodel.verification.plan import EVENTS

WAITING = 64
"""Tokens that a closed load keeps at the first station of a saturated line, beyond all places."""
SELDOM = 0.1
"""Shares of time and queue lengths below this are not compared: runs of this length say little of them."""
BATCHES = 8192
"""Pipelines of one call that each run a small batch of jobs."""


def line(bench: Bench) -> list[Experiment]:
    """Return stations with few waiting places that block after service, saturated or with lost arrivals."""
    facts = bench.facts
    names = list(facts.stations)
    slots = {name: each.slots for name, each in facts.stations.items() if each.slots is not None}
    items: list[Element] = [_from(bench, names[0])]
    source = SOURCE if facts.arrival is not None else None
    if source:
        items.insert(0, bench.source())
        slots[names[0]] -= 1
    flow = facts.expected[f"thr[{names[0]}]"]
    places = sum(slots.values()) + sum(bench.servers(name) for name in names)
    metrics = _stations(bench, names, source)
    setup = watched(bench, items, flow, places, in_flight=places + WAITING, slots=slots)
    return [Experiment(setup, metrics)]


def merge(bench: Bench) -> list[Experiment]:
    """Return two stations that always have work and share the queue of a third.

    All requests are there at cycle 0 and choose a station; more of them than it can serve.
    """
    facts = bench.facts
    names = list(facts.stations)
    *sources, sink = names
    flow = facts.expected[f"thr[{sink}]"]
    begin = 200.0
    end = begin + EVENTS / (flow * PIPELINES)
    ways = {name: bench.task(name) for name in sources}
    requests = int(1.5 * len(sources) * max(facts.expected[f"thr[{name}]"] for name in sources) * end)
    everything = trace(np.zeros(requests * PIPELINES, dtype=np.int64), in_flight=None)
    setup = bench.setup(
        [choice(dict.fromkeys(ways, 1.0 / len(ways)), ways), bench.task(sink)],
        everything,
        slots={sink: facts.stations[sink].slots or 0},
        pipelines=PIPELINES,
        window=(begin, end),
    )
    return [Experiment(setup, _stations(bench, names, None))]


def lossy_fork(bench: Bench) -> list[Experiment]:
    """Return parallel stations of which each has room or the request is lost.

    In order of arrival everywhere, the requests inside are as many as tokens at the fullest station; so it has
    room exactly when fewer requests are inside than it has places.
    """
    facts = bench.facts
    names = list(facts.stations)
    places = (facts.stations[names[0]].slots or 0) + 1
    items: list[Element] = [bench.source(), fork(*(bench.task(name) for name in names))]
    flow = facts.expected["accepted_rate"]
    setup = watched(bench, items, flow, places, in_flight=places)
    return [Experiment(setup, [throughput("accepted_rate", flow, [SOURCE]), *_stations(bench, names, None)])]


def rework(bench: Bench) -> list[Experiment]:
    """Return a closed workflow: a dispatcher, then a station with rework or a fork-join with a merger."""
    facts = bench.facts
    ways = facts.stations["disp"].to
    plain = loop(bench.task("plain"), again=facts.stations["plain"].to["plain"])
    split = seq(fork(bench.task("w1"), bench.task("w2")), bench.task("merge"))
    shares = {"plain": ways["plain"], "split": ways["w1"]}
    items: list[Element] = [bench.task("disp"), branch(shares, plain=plain, split=split)]
    inside = facts.population or 0
    setup = watched(bench, items, facts.expected["thr[disp]"], inside, in_flight=inside)
    return [Experiment(setup, _stations(bench, list(facts.stations), None))]


def makespan(bench: Bench) -> list[Experiment]:
    """Return a batch of jobs through a line, over and over: each pipeline runs one batch."""
    facts = bench.facts
    names = list(facts.stations)
    slots = {name: facts.stations[name].slots or 0 for name in names[1:]}
    inside = facts.population or 0
    setup = bench.setup(
        [_from(bench, names[0])],
        closed(inside * BATCHES, in_flight=inside),
        slots=slots,
        pipelines=BATCHES,
        calls=12,
    )

    def last(seen: Observation) -> Sums:
        return (seen.arrival + seen.sojourn).max(axis=1), np.ones(len(seen.sojourn))

    def each(seen: Observation) -> NDArray[np.float64]:
        ends: NDArray[np.float64] = (seen.arrival + seen.sojourn).max(axis=1, keepdims=True)
        return ends

    metrics: list[Metric] = [
        Ratio("makespan_mean", facts.expected["makespan_mean"], last, MAIN),
        Quantile("makespan_p95", facts.expected["makespan_p95"], 0.95, each, MAIN),
        service(facts, names[0]),
    ]
    return [Experiment(setup, metrics)]


def _from(bench: Bench, name: str) -> Element:
    """Return a station and all that comes after it, as far as branches meet again."""
    ways = bench.facts.stations[name].to
    if not ways:
        return bench.task(name)
    if len(ways) == 1:
        return seq(bench.task(name), _from(bench, next(iter(ways))))
    meeting = {tuple(bench.facts.stations[way].to) for way in ways}
    chosen = choice(ways, {way: bench.task(way) for way in ways})
    (after,) = meeting
    rest = [_from(bench, after[0])] if after else []
    return seq(bench.task(name), chosen, *rest)


def _stations(bench: Bench, names: Sequence[str], source: str | None) -> list[Metric]:
    """Return throughput and service of the first station, blocked times and queues of all."""
    expected = bench.facts.expected
    first = names[0]
    metrics: list[Metric] = [throughput(f"thr[{first}]", expected[f"thr[{first}]"], [first])]
    metrics.append(service(bench.facts, first))
    for name in names:
        if expected[f"blocked[{name}]"] > SELDOM:
            metrics.append(blocked(f"blocked[{name}]", expected[f"blocked[{name}]"], name))
        if expected.get(f"queue[{name}]", 0.0) > SELDOM:
            held = source if name == first else None
            metrics.append(queue(f"queue[{name}]", expected[f"queue[{name}]"], name, held))
    return metrics
