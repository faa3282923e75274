"""What is kept of a run as its steady state, worked out by hand and taken from runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import octomodel as om
from octomodel import dist
from octomodel.series import cut, facts

PAIR = om.Workflow("pair", om.task("a", dist.Exponential(1_000)), om.task("b", dist.Exponential(1_000)))


def runs(arrival: list[int], latency: list[int], pipelines: int = 1, policy: str = "static", **attrs: Any) -> xr.Dataset:
    return xr.Dataset(
        {
            "request_arrival_cycles": (("replication", "request"), np.array([arrival], dtype=np.int64)),
            "request_latency_cycles": (("replication", "request"), np.array([latency], dtype=np.int64)),
            "pipeline_admitted": (("replication", "pipeline"), np.zeros((1, pipelines), dtype=np.int64)),
        },
        coords={"replication": [0], "policy": policy},
        attrs=attrs,
    )


def test_a_closed_load_is_cut_where_its_first_pipeline_runs_out() -> None:
    """Two pipelines with a window of 1: the even requests are slow, so at 40, when the odd ones run out, 0 and 2 remain."""
    ds = runs([0, 0, 15, 10, 30, 20, 45, 40], [15, 10, 15, 10, 15, 20, 15, 10], pipelines=2, load_kind="closed")
    kept = cut(ds, ds.request_latency_cycles)
    assert kept.times[0].tolist() == [15, 10, 15, 10]  # request 4 ends at 45
    assert (kept.window, kept.pipelines, kept.skip, kept.cycle) == (2, 2, 6, 1)


def test_under_ideal_there_is_one_pool() -> None:
    ds = runs([0, 0, 15, 10, 30, 20, 45, 40], [15, 10, 15, 10, 15, 20, 15, 10], 2, "ideal", load_kind="closed")
    kept = cut(ds, ds.request_latency_cycles)
    assert kept.times[0].tolist() == [15, 10, 15, 10, 15, 20]  # all that ended by 45, the last admission
    assert kept.pipelines == 1


def test_a_horizon_cuts_before_the_first_request_that_had_not_ended() -> None:
    ds = runs([0, 0, 5, 8, -1], [5, 8, -1, 1, -1], load_kind="closed")
    assert cut(ds, ds.request_latency_cycles).times[0].tolist() == [5, 8]
    ds = runs([0, 10, 20, 30, 40], [5, 8, 3, -1, 1])
    assert cut(ds, ds.request_latency_cycles).times[0].tolist() == [5, 8, 3]


def test_an_open_load_loses_its_last_requests() -> None:
    ds = runs(list(range(0, 1_000, 10)), [18] * 100)
    kept = cut(ds, ds.request_latency_cycles)
    assert (kept.window, len(kept.times[0]), kept.skip) == (2, 94, 6)  # 100 * 18 / 990 inside on average


def test_a_milestone_that_was_not_reached_leaves_a_gap() -> None:
    ds = runs(list(range(0, 1_000, 10)), [8] * 100)
    times = ds.request_latency_cycles.copy(data=[[3, -1] * 50])
    kept = cut(ds, times)
    assert np.isnan(kept.times[0][1::2]).all() and (kept.times[0][::2] == 3).all()


@pytest.mark.parametrize("split", ["even", (1.0, 3.0)])
def test_the_cut_of_a_run(split: Any) -> None:
    """Up to the cut the machine is full: as many requests are inside as at the start."""
    load = om.closed(requests=4_000, in_flight=5, split=split)
    ds = om.simulate(PAIR, om.System(1, 4, tbus=1), load=load, seed=3, replications=2)
    assert ds.sizes["pipeline"] == 2
    for r in range(2):
        one = ds.isel(replication=[r])
        kept = cut(one, one.request_latency_cycles)
        arrival, latency = (one[f"request_{name}_cycles"].values[0] for name in ("arrival", "latency"))
        assert (kept.window, kept.pipelines) == (10, 2 if split == "even" else 1)
        n = len(kept.times[0])
        assert 1_000 < n < 4_000
        last = (arrival + latency)[:n].max()
        for cycle in np.linspace(0, last, 200).astype(int)[:-1]:
            # requests under way to their pipeline's next admission are inside no more
            assert 6 <= np.count_nonzero((arrival <= cycle) & (arrival + latency > cycle)) <= 10
        full = np.count_nonzero((arrival <= last) & (arrival + latency > last))
        assert full >= 6


def test_facts() -> None:
    closed = om.closed(requests=10)
    assert facts(PAIR, closed) == {"load_kind": "closed"}
    assert facts(PAIR, closed.with_(split=(1, 2.5)))["load_split"] == "[1.0, 2.5]"
    by_request = om.phases_by_request([("x", 30), ("y", 20)], y={"a": 5})
    assert facts(om.Workflow("p", om.task("a", 1), phases=by_request), closed)["cycle_requests"] == 50
    by_time = om.phases_by_time([("x", 300), ("y", 200)], y={"a": 5})
    phased = om.Workflow("p", om.task("a", 1), phases=by_time)
    assert facts(phased, om.poisson(0.1)) == {"load_kind": "poisson", "cycle_cycles": 500.0}
    assert facts(phased, om.mmpp([1, 2], [400, 500]))["cycle_cycles"] == 900.0
    ds = runs(list(range(0, 1_000, 10)), [8] * 100, cycle_cycles=200.0)
    assert cut(ds, ds.request_latency_cycles).cycle == 20
