"""Open systems: queues in series, fork-join, dispatch to several servers, a modulated arrival process.

Each replication is a run of its own; requests are watched one by one after a warm-up. What arrives later changes
nothing for a request where every station serves in order of arrival, so the end of a run needs no care.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from octomodel import dist
from octomodel.dist import Law
from octomodel.elements import Element
from octomodel.load import Load, mmpp, periodic, poisson, renewal
from octomodel.program import fork, task
from octomodel.verification.bench import Bench, Experiment, choice
from octomodel.verification.judge import Metric, Ratio, Sums
from octomodel.verification.measure import Observation, Setup
from octomodel.verification.metrics import (
    MAIN,
    POPULATION,
    service,
    sojourn,
    sojourn_quantile,
    stage,
    wait_quantile,
)
from octomodel.verification.plan import QUANTILE, REPLICATIONS, Length, Queue, length, queue

AT_ONCE = 2_000_000
"""Requests simulated in one call, to bound memory."""

_MEANS = ("W", "sojourn_mean", "R")
_SETTLED = 300  # arrivals of the modulated process after which its first state is forgotten


def arrivals(gaps: Law, unit: int, requests: int, in_flight: int | None = None) -> Load:
    """Return arrivals with the given gaps, which are in units of time."""
    if isinstance(gaps, dist.Exponential):
        return poisson(1.0 / (gaps.mean * unit), requests, in_flight=in_flight)
    if isinstance(gaps, dist.Deterministic):
        return periodic(gaps.mean * unit, requests, in_flight=in_flight)
    return renewal(gaps.scaled(unit), requests, in_flight=in_flight)


def tandem(bench: Bench) -> list[Experiment]:
    """Return stations in series, or a single one."""
    facts = bench.facts
    names = list(facts.stations)
    queues = [Queue.of(facts.gaps, station) for station in facts.stations.values()]
    slowest = max(queues, key=lambda each: each.rho)
    watched = names[queues.index(slowest)]
    plan = length(
        # waits at two stations may go together: their standard deviations add
        sum(each.variance**0.5 for each in queues) ** 2 / _mean(bench) ** 2,
        correlation=max(each.correlation for each in queues),
        tasks=len(names),
        services=slowest.service_scv,
    )
    metrics = _sojourns(bench, plan)
    if len(names) > 1:
        for i, name in enumerate(names):
            if f"Wq{i + 1}" in facts.expected:
                before = names[i - 1] if i else None
                metrics.append(stage(facts, f"Wq{i + 1}", before, name, name == names[-1], QUANTILE * plan.limit))
    elif "sojourn_p95" not in facts.expected and "wait_p95" in facts.expected and bench.servers("s") == 1:
        metrics.append(wait_quantile(facts, "wait_p95", plan.limit))
    metrics.append(service(facts, watched))
    marks = [name for name in names[:-1] if len(metrics) > 3]
    items = [bench.task(name) for name in names]
    return [Experiment(replicated(bench, items, plan, milestones=marks), metrics)]


def fork_join(bench: Bench, *, one_by_one: bool = False) -> list[Experiment]:
    """Return parallel stations that a request visits at once; ``one_by_one``: one request at a time."""
    facts = bench.facts
    names = list(facts.stations)
    queues = [Queue.of(facts.gaps, station) for station in facts.stations.values()]
    if one_by_one:
        mean = facts.expected["W"] - facts.expected["Wq"]
        scv = (facts.expected["W_var"] - facts.expected["Wq_var"]) / mean**2
        queues = [queue(facts.gaps, dist.Gamma(mean, scv**0.5), 1)]
    one = max(queues, key=lambda each: each.variance)
    branch_mean = one.wait + one.service
    # the latest of many branches varies less than one of them, unless single service times decide
    light = facts.stations[names[0]].service.cv <= 1.0
    plan = length(
        one.variance / branch_mean / (_mean(bench) if light else branch_mean),
        correlation=one.correlation,
        tasks=len(names),
        services=facts.stations[names[0]].service.cv ** 2 / len(names),
    )
    metrics = [*_sojourns(bench, plan), service(facts, *names)]
    items = [fork(*(bench.task(name) for name in names))]
    return [Experiment(replicated(bench, items, plan, in_flight=1 if one_by_one else None), metrics)]


def dispatch(bench: Bench) -> list[Experiment]:
    """Return one arrival stream over several servers: at random, in turn, or from one queue."""
    facts = bench.facts
    station = facts.stations["s"]
    n = bench.servers("s")
    shared, alone = (
        length(
            each.variance / (each.wait + each.service) ** 2,
            correlation=each.correlation,
            tasks=1.0,
            services=each.service_scv,
        )
        for each in (Queue.of(facts.gaps, station), queue(facts.gaps.scaled(n), station.service, 1))
    )
    time = station.service.scaled(bench.unit * bench.scale)
    result = [
        Experiment(
            replicated(bench, [bench.task("s")], shared),
            [sojourn(facts, "W_shared", shared.limit), service(facts, "s")],
        )
    ]
    if "W_random" in facts.expected:
        ways = {f"s{i + 1}": task(f"s{i + 1}", time) for i in range(n)}
        split = choice(dict.fromkeys(ways, 1.0 / n), ways)
        metrics = [sojourn(facts, "W_random", alone.limit)]
        result.append(Experiment(replicated(bench, [split], alone), metrics))
    if "W_round_robin" in facts.expected:
        # requests go to the pipelines in turn
        turns = Length(alone.requests - alone.requests % n, alone.warmup, alone.limit)
        setup = replicated(bench, [task("one", time)], turns, pipelines=n)
        result.append(Experiment(setup, [sojourn(facts, "W_round_robin", alone.limit)]))
    return result


def modulated(bench: Bench) -> list[Experiment]:
    """Return a Markov-modulated Poisson process; ``scale`` is that of its times."""
    facts = bench.facts
    expected = facts.expected
    # 1 % of the rate is seen in as many arrivals as their dispersion is larger than that of a Poisson process
    requests = _SETTLED + int(1.2e6 * expected["IDC_inf"] / REPLICATIONS)
    mean = 1.0 / expected["rate"]

    def rate(seen: Observation) -> Sums:
        spans = seen.arrival[:, -1] - seen.arrival[:, 0]
        return np.full(len(spans), seen.arrival.shape[1] - 1.0), spans

    def scv(seen: Observation) -> Sums:
        gaps = np.diff(seen.arrival) - mean
        return (gaps**2).sum(axis=1), np.full(len(gaps), gaps.shape[1] * mean**2)

    def correlation(seen: Observation) -> Sums:
        gaps = np.diff(seen.arrival) - mean
        return (gaps[:, 1:] * gaps[:, :-1]).sum(axis=1), (gaps[:, 1:] ** 2).sum(axis=1)

    def dispersion(seen: Observation) -> Sums:
        edges = np.arange(seen.arrival[:, 0].max(), seen.arrival[:, -1].min(), 10.0)
        counts = np.diff(np.array([np.searchsorted(each, edges) for each in seen.arrival]))
        centred = counts - 10.0 * expected["rate"]
        return (centred**2).sum(axis=1), np.full(len(counts), counts.shape[1] * 10.0 * expected["rate"])

    metrics: list[Metric] = [
        Ratio("rate", expected["rate"], rate, MAIN),
        Ratio("interarrival_scv", expected["interarrival_scv"], scv, POPULATION),
        Ratio("acf_lag1", expected["acf_lag1"], correlation, POPULATION),
        Ratio("IDC_10", expected["IDC_10"], dispersion, POPULATION),
    ]
    stretch = bench.scale * bench.unit
    source = mmpp(
        [each / stretch for each in facts.more["rates"]],
        [each * stretch for each in facts.more["mean_times"]],
        requests,
        in_flight=None,
    )
    per_call, calls = _calls(requests)
    setup = bench.setup([task("taken", 1)], source, replications=per_call, calls=calls, warmup=_SETTLED)
    return [Experiment(setup, metrics)]


def replicated(
    bench: Bench,
    items: Sequence[Element],
    plan: Length,
    *,
    in_flight: int | None = None,
    milestones: Sequence[str] = (),
    pipelines: int = 1,
) -> Setup:
    """Return an open system, run in replications that fit in memory."""
    per_call, calls = _calls(plan.requests)
    return bench.setup(
        items,
        arrivals(bench.facts.gaps, bench.unit, plan.requests, in_flight),
        pipelines=pipelines,
        replications=per_call,
        calls=calls,
        warmup=plan.warmup,
        milestones=milestones,
    )


def _mean(bench: Bench) -> float:
    """Return the mean sojourn that theory expects."""
    return next(bench.facts.expected[name] for name in _MEANS if name in bench.facts.expected)


def _calls(requests: int) -> tuple[int, int]:
    per_call = REPLICATIONS
    while per_call > 1 and per_call * requests > AT_ONCE:
        per_call //= 2
    return per_call, REPLICATIONS // per_call


def _sojourns(bench: Bench, plan: Length) -> list[Metric]:
    """Return mean and 95 % quantile of the sojourn, as far as the case gives them."""
    facts = bench.facts
    metrics: list[Metric] = [sojourn(facts, name, plan.limit) for name in _MEANS if name in facts.expected]
    if "sojourn_p95" in facts.expected:
        metrics.append(sojourn_quantile(facts, "sojourn_p95", plan.limit))
    return metrics
