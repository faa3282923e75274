"""What is read from a simulated system: sojourns and waits of requests, counters of stations."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from octomodel.verification.facts import Facts
from octomodel.verification.judge import Quantile, Ratio, Sums
from octomodel.verification.measure import Observation
from octomodel.verification.plan import QUANTILE

F64 = NDArray[np.float64]

MAIN = 0.02
"""Limit of throughputs, shares of time and mean service times."""
POPULATION = 0.05
"""Limit of mean queue lengths and blocked times, which vary more than the flow does."""


def sojourn(facts: Facts, name: str, limit: float) -> Ratio:
    """Return the mean time from arrival to end."""
    return Ratio(
        name,
        facts.expected[name],
        lambda seen: (seen.sojourn.sum(axis=1), _count(seen.sojourn)),
        limit,
        facts.uncertain.get(name, 0.0),
    )


def sojourn_quantile(facts: Facts, name: str, limit: float) -> Quantile:
    """Return a quantile of the time from arrival to end, such as ``sojourn_p95``."""
    return Quantile(
        name,
        facts.expected[name],
        _share(name),
        lambda seen: seen.sojourn,
        QUANTILE * limit,
        facts.uncertain.get(name, 0.0),
    )


def wait_quantile(facts: Facts, name: str, limit: float) -> Quantile:
    """Return a quantile of the wait at one server that serves in order of arrival, such as ``wait_p95``."""

    def waits(seen: Observation) -> F64:
        # the server is free for a request when the one before it has ended
        ends = seen.arrival + seen.sojourn
        return np.maximum(ends[:, :-1] - seen.arrival[:, 1:], 0.0)

    return Quantile(name, facts.expected[name], _share(name), waits, QUANTILE * limit, facts.uncertain.get(name, 0.0))


def stage(facts: Facts, wait: str, before: str | None, station: str, last: bool, limit: float) -> Ratio:
    """Return the mean time at one station of a tandem: from the completion before it to its own."""
    expected = facts.expected[wait] + facts.stations[station].service.mean

    def read(seen: Observation) -> Sums:
        ends = seen.sojourn if last else seen.milestone[station]
        spent = ends - seen.milestone[before] if before else ends
        return spent.sum(axis=1), _count(spent)

    name = f"time at {station}"
    return Ratio(name, expected, read, limit, facts.uncertain.get(wait, 0.0))


def service(facts: Facts, *stations: str) -> Ratio:
    """Return the mean service time of stations that have the same."""
    name = stations[0] if len(stations) == 1 else f"{stations[0]}..{stations[-1]}"

    def read(seen: Observation) -> Sums:
        return _total(seen, "run", stations), _total(seen, "executions", stations)

    return Ratio(f"service {name}", facts.stations[stations[0]].service.mean, read, MAIN)


def throughput(name: str, expected: float, stations: Iterable[str], limit: float = MAIN) -> Ratio:
    """Return the executions of stations per unit of time."""
    names = tuple(stations)
    return Ratio(name, expected, lambda seen: (_total(seen, "executions", names), _spans(seen)), limit)


def busy(name: str, expected: float, station: str) -> Ratio:
    """Return the share of time in which the servers of a station work."""
    return _share_of_time(name, expected, "run", station, MAIN)


def blocked(name: str, expected: float, station: str) -> Ratio:
    """Return the share of time in which the servers of a station hold what they cannot push."""
    return _share_of_time(name, expected, "blocked", station, POPULATION)


def population(name: str, expected: float, stations: Iterable[str], limit: float = POPULATION) -> Ratio:
    """Return the mean number of tokens at stations, waiting or served."""
    names = tuple(stations)

    def read(seen: Observation) -> Sums:
        return _total(seen, "wait", names) + _total(seen, "run", names), _spans(seen)

    return Ratio(name, expected, read, limit)


def queue(name: str, expected: float, station: str, source: str | None = None) -> Ratio:
    """Return the mean number of waiting tokens; one held by a blocked ``source`` counts among them."""

    def read(seen: Observation) -> Sums:
        held = seen.counters["blocked"][source] if source else 0.0
        return seen.counters["queue"][station] + held, _spans(seen)

    return Ratio(name, expected, read, POPULATION)


def response(name: str, expected: float, station: str, limit: float) -> Ratio:
    """Return the mean time of one visit of a station, wait and service."""

    def read(seen: Observation) -> Sums:
        spent = seen.counters["wait"][station] + seen.counters["run"][station]
        return spent, seen.counters["executions"][station]

    return Ratio(name, expected, read, limit)


def _share_of_time(name: str, expected: float, counter: str, station: str, limit: float) -> Ratio:
    def read(seen: Observation) -> Sums:
        return seen.counters[counter][station], seen.owners[station] * _spans(seen)

    return Ratio(name, expected, read, limit)


def _total(seen: Observation, counter: str, stations: tuple[str, ...]) -> F64:
    total: F64 = np.sum([seen.counters[counter][station] for station in stations], axis=0)
    return total


def _spans(seen: Observation) -> F64:
    samples = len(next(iter(seen.counters["run"].values())))
    return np.full(samples, seen.span)


def _count(values: F64) -> F64:
    return np.full(len(values), float(values.shape[1]))


def _share(name: str) -> float:
    return float(name.rpartition("_p")[2]) / 100.0
