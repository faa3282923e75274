"""Latency intervals of simulated systems hold the long-run value as often as they say, or are not given."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache

import numpy as np
import pytest
import xarray as xr

import octomodel as om
from octomodel import dist, presets
from octomodel.statistics import Estimate

SHARES = (0.5, 0.95, 0.99)
NAMES = ("mean", "p50", "p95", "p99")
SERVICE = 10_000
ONE = om.Workflow("one", om.task("only", dist.Exponential(SERVICE)))
TWO = om.Workflow("two", om.task("a", dist.Exponential(SERVICE)), om.task("b", dist.Gamma(mean=2 * SERVICE, cv=0.5)))
SHORT = (500, 1_000, 1_500, 5_000, 10_000, 30_000)
WORKFLOWS = ("early_exit", "llm_chat_code", "video_recognition")


def estimates(ds: xr.Dataset) -> list[Estimate | None]:
    found = ds.octo.latency(SHARES).values
    return [None if np.isnan(row).any() else Estimate(*row.tolist()) for row in found]


def covered(found: Iterable[list[Estimate | None]], truth: list[float]) -> tuple[list[int], list[int]]:
    """How often each of mean, p50, p95, p99 has an interval, and how often that holds the truth."""
    given, held = [0] * 4, [0] * 4
    for each in found:
        for i, estimate in enumerate(each):
            if estimate is not None:
                given[i] += 1
                held[i] += estimate.lo <= truth[i] <= estimate.hi
    return given, held


def sojourn_truth(load: float) -> list[float]:
    mean = SERVICE / (1 - load)
    return [mean, *(-math.log(1 - share) * mean for share in SHARES)]


def open_queue(seed: int, requests: int) -> xr.Dataset:
    """M/M/1 at load 0.8."""
    load = om.poisson(0.8 / SERVICE, in_flight=None)
    return om.simulate(ONE, om.System(1, 1, tbus=1), load=load, requests=requests, seed=seed, bounds=False)


def open_queues(seed: int, requests: int) -> xr.Dataset:
    """16 times M/M/1 at load 0.8: neighbours by number are in different queues, and seem independent."""
    load = om.poisson(16 * 0.8 / SERVICE, in_flight=None, split=[1] * 16)
    return om.simulate(ONE, om.System(4, 4, tbus=1), load=load, requests=requests, seed=seed, bounds=False)


@pytest.mark.parametrize(("system", "requests"), [(open_queue, 100_000), (open_queues, 100_000)])
def test_open_queues_with_a_known_answer(system: Callable[[int, int], xr.Dataset], requests: int) -> None:
    given, held = covered((estimates(system(seed, requests)) for seed in range(40)), sojourn_truth(0.8))
    assert given[0] >= 38 and min(given[1:3]) >= 36, given
    assert all(hits >= 0.85 * times for hits, times in zip(held, given, strict=True)), (given, held)


def small(seed: int, requests: int) -> xr.Dataset:
    """Four TBUs, a window of 16."""
    load = om.closed(requests=requests)
    return om.simulate(TWO, om.System(1, 1, tbus=4), load=load, seed=seed, bounds=False)


def long_run(runs: Iterable[xr.Dataset]) -> list[float]:
    """Mean and quantiles of the second halves of long runs, without their drains."""
    parts = []
    for ds in runs:
        times = ds["request_latency_cycles"].values[0]
        parts.append(times[len(times) // 2 : -len(times) // 10])
    times = np.concatenate(parts)
    return [float(times.mean()), *(float(x) for x in np.quantile(times, SHARES))]


@cache
def truth_of_small() -> list[float]:
    return long_run([small(10**6, 2_000_000)])


@pytest.mark.parametrize("requests", [1_000, 3_000, 10_000])
def test_a_small_closed_system(requests: int) -> None:
    given, held = covered((estimates(small(seed, requests)) for seed in range(100)), truth_of_small())
    assert given[0] >= (90 if requests >= 3_000 else 0), given
    assert all(hits >= 0.9 * times - 1 for hits, times in zip(held, given, strict=True)), (given, held)


def preset(name: str, requests: int, seed: int, policy: str = "static", machine: str = "chip_64c") -> xr.Dataset:
    system = om.hardware(machine)
    load = presets.load(name, system, requests=requests)
    return om.simulate(om.workflow(name), system, policy, load, seed=seed, bounds=False)


@cache
def truth_of_preset(name: str, policy: str = "static", machine: str = "chip_64c", n_run: int = 5) -> list[float]:
    return long_run(preset(name, 600_000, 10**6 + run, policy, machine) for run in range(n_run))


@pytest.mark.parametrize("name", ["early_exit", "video_recognition"])
def test_runs_that_only_fill_and_drain_the_chip_have_no_intervals(name: str) -> None:
    for requests in SHORT:
        ds = preset(name, requests, 1)
        assert estimates(ds) == [None] * 4, requests
        warning = ds.octo.latency().attrs["warnings"]
        assert "no intervals; " in warning and ("start-up" in warning or "in flight" in warning)


@pytest.mark.parametrize(
    ("name", "requests"), [("early_exit", 200_000), ("video_recognition", 200_000), ("llm_chat_code", 30_000)]
)
def test_presets(name: str, requests: int) -> None:
    given, held = covered((estimates(preset(name, requests, seed)) for seed in range(10)), truth_of_preset(name))
    assert given[0] >= 8, given
    assert all(hits >= 0.8 * times - 1 for hits, times in zip(held, given, strict=True)), (given, held)


@pytest.mark.deep
@pytest.mark.parametrize("policy", ["static", "stealing", "jsq", "ideal"])
@pytest.mark.parametrize(
    ("name", "machine"),
    [(name, "chip_64c") for name in WORKFLOWS] + [(name, "edge_cluster") for name in WORKFLOWS[:2]],
)
def test_presets_deep(name: str, machine: str, policy: str) -> None:
    """At every length: few intervals miss the long-run value, and never most of them."""
    truth = truth_of_preset(name, policy, machine, 8)
    total_given, total_held = np.zeros(4), np.zeros(4)
    for requests in (*SHORT, 60_000, 100_000, 150_000, 200_000, 300_000):
        given, held = covered((estimates(preset(name, requests, s, policy, machine)) for s in range(10)), truth)
        print(name, machine, policy, requests, given, held)
        assert all(hits >= 0.7 * times - 2 for hits, times in zip(held, given, strict=True)), (requests, given, held)
        total_given, total_held = total_given + given, total_held + held
    assert (total_held >= 0.88 * total_given - 2).all(), (total_given, total_held)
    assert total_given[0] >= 20


@pytest.mark.deep
@pytest.mark.parametrize("system", [open_queue, open_queues])
@pytest.mark.parametrize("requests", [10_000, 30_000, 100_000, 300_000])
def test_open_queues_deep(system: Callable[[int, int], xr.Dataset], requests: int) -> None:
    given, held = covered((estimates(system(seed, requests)) for seed in range(300)), sojourn_truth(0.8))
    print(system.__name__, requests, given, held)
    assert all(hits >= 0.88 * times - 3 for hits, times in zip(held, given, strict=True)), (given, held)
