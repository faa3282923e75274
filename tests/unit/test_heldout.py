"""Held-out error and predictive intervals: small where nothing changes, told where something does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import octomodel as om
from octomodel import calibrated, dist
from octomodel.calibration import fit, read_decisions, read_spans
from octomodel.calibration.spans import Decisions, Spans
from octomodel.calibration.trace import LlmTrace, Requests
from octomodel.errors import ModelError
from octomodel.surprises import more_than_measured

LOOK, FETCH = dist.Gamma(40.0, 0.5), dist.LogNormal(90.0, 0.6)
CHIP = om.System(1, 1, tbus=2, switch_cycles=0, reload_cycles=0)
PROGRAM = om.Workflow(
    "w", om.task("look", 1), om.branch({"hit": 0.5, "miss": 0.5}, name="cache", hit=om.seq(), miss=om.task("fetch", 1))
)
CLOCK = 1000.0
FAMILIES = ("gamma", "lognormal")


def measured(requests: int, seed: int, *, slower: float = 1.0, way: float = 0.0) -> tuple[Spans, Decisions]:
    """Return what was measured of one request after the other; in the second half it is slower and longer on the way."""
    rng = np.random.default_rng(seed)
    spans: dict[str, list[Any]] = {"request": [], "task": [], "start": [], "end": []}
    decisions: dict[str, list[Any]] = {"request": [], "block": [], "choice": [], "time": []}
    now = 0.0
    for i in range(requests):
        factor, pause = (slower, way) if i >= requests // 2 else (1.0, 0.0)
        hit = rng.random() < 0.7
        for task, law in (("look", LOOK), ("fetch", FETCH)):
            if task == "fetch":
                now += pause
                for name, value in zip(decisions, (i, "cache", "hit" if hit else "miss", now), strict=True):
                    decisions[name].append(value)
                if hit:
                    break
            end = now + factor * float(law.quantile(rng.random()))
            for name, value in zip(spans, (i, task, now, end), strict=True):
                spans[name].append(value)
            now = end
        now += 5.0
    return read_spans(spans), read_decisions(decisions)


def held(spans: Spans, decisions: Decisions | None = None, **options: Any) -> xr.Dataset:
    values: dict[str, Any] = {"load": om.closed(in_flight=1), "cycles_per_unit": CLOCK, "among": FAMILIES, "repetitions": 0}
    values |= options
    return om.holdout(spans, PROGRAM, CHIP, decisions=decisions, **values)


def adds_up(ds: xr.Dataset) -> bool:
    return bool(np.allclose(ds.error_share.sum("part"), ds.error, rtol=0.0, atol=1e-12))


def covered(seeds: range, requests: int) -> tuple[float, float]:
    """Return how often the interval of the mean holds the measured mean, and the share of quantiles within their bands."""
    means, quantiles = [], []
    for seed in seeds:
        ds = held(*measured(requests, seed), seed=1000 * seed)
        assert adds_up(ds)
        means.append(bool(inside(ds, "cycles").sel(statistic="mean")))
        quantiles.append(float(inside(ds.sel(quantile=slice(0.1, 0.9)), "quantile").mean()))
    return float(np.mean(means)), float(np.mean(quantiles))


def inside(ds: xr.Dataset, what: str) -> xr.DataArray:
    low, high, value = (
        (ds.predicted_low_cycles, ds.predicted_high_cycles, ds.measured_cycles)
        if what == "cycles"
        else (ds.predicted_quantile_low_cycles, ds.predicted_quantile_high_cycles, ds.measured_quantile_cycles)
    )
    return (low <= value) & (value <= high)


def test_what_goes_on_as_it_was_is_predicted() -> None:
    """At 95 %, fewer than 2 of 3 would come 7 times in a thousand."""
    means, quantiles = covered(range(3), 240)
    assert means >= 2 / 3 and quantiles > 0.75


@pytest.mark.deep
def test_intervals_hold_what_comes_as_often_as_they_say() -> None:
    means, quantiles = covered(range(100, 160), 240)
    assert 0.85 <= means and quantiles > 0.85


def test_times_that_grow_are_drift_and_out_of_range() -> None:
    ds = held(*measured(300, 2, slower=3.0))
    one = ds.sel(statistic="mean")
    assert float(one.error) == pytest.approx(1 / 3.0 - 1, abs=0.06)
    assert float(one.error_share.sel(part="drift")) == pytest.approx(float(one.error), abs=0.06)
    assert float(one.predictive_p) == 0.05
    assert "task look: " in ds.attrs["warnings"] and "above the largest" in ds.attrs["warnings"]


def test_time_between_the_spans_is_no_part_of_the_model() -> None:
    """Waits that are no spans are missed by any calibration, on whichever part."""
    ds = held(*measured(400, 3, way=40.0)).sel(statistic="mean")
    assert adds_up(ds)
    missed = -0.3 * 40.0 * CLOCK / float(ds.measured_cycles)
    assert float(ds.error_share.sel(part="model")) == pytest.approx(missed, abs=0.04)


def queued(requests: int, seed: int, *, rate: float = 1.0, size: float = 1.0) -> Requests:
    """Return requests of which the second half come at another rate and are larger."""
    rng = np.random.default_rng(seed)
    later = np.arange(requests) >= requests // 2
    gaps = rng.exponential(np.where(later, 1.0 / rate, 1.0))
    return Requests(np.cumsum(gaps), {"size": rng.gamma(4.0, np.where(later, size, 1.0) / 4.0)})


SIZED = om.Workflow("s", om.task("a", om.per("size", 1200.0)), attributes={"size": dist.Exponential(1.0)})


def test_requests_alone_are_compared_with_their_replay() -> None:
    ds = om.holdout(queued(2000, 1), SIZED, CHIP, cycles_per_unit=CLOCK, repetitions=19)
    assert ds.part.values.tolist() == ["arrivals", "sizes", "drift"] and adds_up(ds)
    assert float(ds.measured_cycles.sel(statistic="mean")) > 1200.0
    assert bool((ds.predicted_low_cycles <= ds.measured_cycles).all() & (ds.measured_cycles <= ds.predicted_high_cycles).all())


def test_each_part_of_the_error_is_where_it_comes_from() -> None:
    larger = om.holdout(queued(1200, 2, size=1.3), SIZED, CHIP, cycles_per_unit=CLOCK, repetitions=19).sel(statistic="mean")
    assert float(larger.error_share.sel(part="drift")) < -0.2
    faster = om.holdout(queued(1200, 2, rate=1.3), SIZED, CHIP, cycles_per_unit=CLOCK, repetitions=19)
    assert float(faster.error_share.sel(statistic="mean", part="drift")) < -0.2
    assert "arrivals: 1.3" in faster.attrs["warnings"]
    # the size of each request is one that its neighbours have too, and sizes of a burst of arrivals are large
    rng = np.random.default_rng(3)
    busy = np.repeat(rng.random(60) < 0.3, 40)
    coupled = Requests(np.cumsum(rng.exponential(np.where(busy, 0.45, 1.6))), {"size": np.where(busy, 1.3, 0.7)})
    apart = om.holdout(coupled, SIZED, CHIP, cycles_per_unit=CLOCK, repetitions=19).sel(statistic="mean")
    assert float(apart.error_share.sel(part="sizes")) < -0.1


def test_a_public_trace_is_taken_as_it_is_read() -> None:
    seconds = np.arange(100.0)
    tokens = np.arange(1, 101)
    trace = LlmTrace(np.datetime64("2023-11-16T18:00:00", "ns"), seconds, tokens, tokens)
    ds = om.holdout(trace, om.workflow("llm_chat_code"), om.hardware("chip_64c"), cycles_per_unit=1e9, repetitions=0)
    assert ds.attrs["held_out"] == 50
    assert "attribute context: 50 of 50 later values above the largest of 50 fitted" in ds.attrs["warnings"]


def test_same_seed_same_bits_whatever_the_threads() -> None:
    requests = queued(200, 4)
    one, two = (om.holdout(requests, SIZED, CHIP, cycles_per_unit=CLOCK, repetitions=0, threads=k) for k in (1, 2))
    assert one.identical(two)
    assert not one.equals(om.holdout(requests, SIZED, CHIP, cycles_per_unit=CLOCK, repetitions=0, seed=1))


def test_a_comparison_is_saved(tmp_path: Path) -> None:
    ds = om.holdout(queued(100, 4), SIZED, CHIP, cycles_per_unit=CLOCK, repetitions=0)
    ds.octo.save(tmp_path / "held.nc")
    assert om.load(tmp_path / "held.nc").drop_attrs().equals(ds.drop_attrs())


def test_simulations_of_draws_hold_what_the_truth_gives() -> None:
    spans, decisions = measured(300, 5)
    found = fit(spans, decisions, cycles_per_unit=CLOCK, among=["gamma", "lognormal"], repetitions=0)
    ds = om.predictive(found, PROGRAM, CHIP, load=om.closed(in_flight=1), requests=400, threads=1)
    truth = om.Workflow(
        "w",
        om.task("look", LOOK * CLOCK),
        om.branch({"hit": 0.7, "miss": 0.3}, name="cache", hit=om.seq(), miss=om.task("fetch", FETCH * CLOCK)),
    )
    run = om.simulate(truth, CHIP, load=om.closed(in_flight=1), requests=20_000, seed=9)
    mean = float(run.request_latency_cycles.mean())
    drawn = ds.latency_cycles.sel(statistic="mean")
    assert float(drawn.min()) < mean < float(drawn.max())
    assert float(drawn.std() / drawn.mean()) > 0.02
    assert ds.latency_quantile_cycles.shape == (39, 101) and ds.attrs["warnings"] == ""


def test_a_load_beyond_the_measured_one_is_told() -> None:
    requests = queued(500, 6)
    found = fit(requests, cycles_per_unit=CLOCK, repetitions=19)
    ds = om.predictive(found, SIZED, CHIP, load=om.poisson(1.5 / CLOCK), requests=50, threads=1)
    (first,) = ds.attrs["warnings"].splitlines()
    assert first.startswith("load: 1.") and "times the arrivals that were measured" in first
    over = om.predictive(found, SIZED, CHIP, load=om.poisson(3.0 / CLOCK), requests=50, threads=1).attrs["warnings"]
    assert "load: 0.003 requests per cycle are offered, at most " in over
    load = calibrated.load(found)
    assert load is not None
    assert more_than_measured(found, load, 500) == more_than_measured(found, om.closed(), 500) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": 0.0}, "share: got 0.0; allowed: "),
        ({"share": 0.99}, "measured: got 198 and 2 requests; allowed: at least 40 on each side"),
        ({"draws": 38}, "draws: got 38; allowed: an integer from 39"),
        ({"cycles_per_unit": -1.0}, "fit.cycles_per_unit: got -1.0; allowed: a finite number > 0"),
        ({"workflow": om.Workflow("v", om.task("a", 1))}, "workflow.v: got 'no attribute named size'"),
    ],
)
def test_what_cannot_be_compared_is_refused(change: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {"workflow": SIZED, "cycles_per_unit": CLOCK, "repetitions": 0, **change}
    with pytest.raises(ModelError) as error:
        om.holdout(queued(200, 4), options.pop("workflow"), CHIP, **options)
    assert str(error.value).startswith(message)


def test_arrivals_all_at_once_need_a_load() -> None:
    together = Requests(np.zeros(100), {"size": np.ones(100)})
    with pytest.raises(ModelError, match="load: got no process of arrivals"):
        om.holdout(together, SIZED, CHIP, cycles_per_unit=CLOCK, repetitions=0)
    found = fit(together, cycles_per_unit=CLOCK, repetitions=0)
    with pytest.raises(ModelError, match="load: got no process of arrivals"):
        om.predictive(found, SIZED, CHIP)
    assert calibrated.load(found) is None
