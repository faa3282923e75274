"""The lag of rule 9.6 against the rule taken literally, sample by sample."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import octomodel as om
from octomodel import lag, mapping
from octomodel.errors import ModelError
from octomodel.lag import target
from octomodel.policies import own

TIMES = {"day": (100, 500), "night": (500, 100)}
CHIP = om.System(rows=1, cols=2, tbus=6, epoch_cycles=500, reload_cycles=50, resident_slots=1)


def follow(view: Any, reports: Any, plan: Any) -> None:
    wanted = 1 if view.station_fresh[1] > view.station_fresh[0] else 0
    for tbu in range(view.n_tbu):
        if view.tbu_home[tbu] != wanted:
            own(plan, tbu, wanted)
            break


FOLLOW = om.Policy("follow", rebalance=follow)


def shifting(plan: Any = None) -> om.Workflow:
    times = [om.by_phase(TIMES["day"][i], night=TIMES["night"][i]) for i in (0, 1)]
    cycle = om.phases_by_request([("day", 100), ("night", 100)]) if plan is None else plan
    return om.Workflow("shifting", om.seq(om.task("a", times[0]), om.task("b", times[1])), phases=cycle)


def simulated(policy: Any, epochs: int = 400, workflow: om.Workflow | None = None, **options: Any) -> xr.Dataset:
    flow = shifting() if workflow is None else workflow
    placed = mapping.make(flow, CHIP, method="marginal", profile="day")
    options = {"load": om.closed(requests=400, in_flight=12), "threads": 1, "cautions": False} | options
    return om.simulate(flow, CHIP, policy=policy, placement=placed, epochs=epochs, **options)


def literal(ds: xr.Dataset, phase_of: list[str]) -> list[tuple[int, str, int, list[float]]]:
    """Return replication, phase, cycle and lags of every shift, from the text of the rule."""
    found = []
    hooks = ds["epoch_cycle"].values.tolist()
    for r in range(ds.sizes["replication"]):
        arrivals = ds["request_arrival_cycles"].values[r].tolist()
        stretches: list[tuple[str, list[int]]] = []
        for phase, cycle in zip(phase_of, arrivals, strict=True):
            if cycle >= 0 and (not stretches or stretches[-1][0] != phase):
                stretches.append((phase, []))
            if cycle >= 0:
                stretches[-1][1].append(cycle)
        ends = [min(cycles) for _, cycles in stretches[1:]] + [int(ds["makespan_cycles"][r]) + 1]
        for (phase, cycles), end in list(zip(stretches, ends, strict=True))[1:]:
            begin, lags = min(cycles), []
            for c in range(ds.sizes["cluster"]):
                rows = ds["epoch_owners"].values[r, :, c].tolist()
                most = max(sum(row) for row in rows)
                best = min((max(TIMES[phase][0] / a, TIMES[phase][1] / (most - a)), a) for a in range(1, most))[1]
                inside = [(h, row) for h, row in zip(hooks, rows, strict=True) if begin <= h < end and row[0] >= 0]
                good = [h - begin for h, row in inside if abs(row[0] - best) <= 1 and abs(row[1] - most + best) <= 1]
                never = math.inf if inside and hooks[-1] + 500 >= end else math.nan
                lags.append(float(good[0]) if good else never)
            found.append((r, phase, begin, lags))
    return found


def agrees(ds: xr.Dataset, phase_of: list[str]) -> xr.DataArray:
    lags, expected = ds.octo.lag(), literal(ds, phase_of)
    assert lags.sizes["shift"] == len(expected) > 0
    assert lags["shift_replication"].values.tolist() == [each[0] for each in expected]
    assert lags["shift_phase"].values.tolist() == [each[1] for each in expected]
    assert lags["shift_cycle"].values.tolist() == [each[2] for each in expected]
    np.testing.assert_array_equal(lags.values, [each[3] for each in expected])
    return lags


BY_REQUEST = (["day"] * 100 + ["night"] * 100) * 2


def test_static_owners_are_never_balanced_in_the_other_phase() -> None:
    lags = agrees(simulated("static"), BY_REQUEST)
    night = lags["shift_phase"].values == "night"
    assert np.isinf(lags.values[night]).all()
    # the owners of the day are still there: the lag is the wait for the next sample
    assert (lags.values[~night] < CHIP.epoch_cycles).all()


def test_a_policy_that_follows_the_backlog_becomes_balanced() -> None:
    lags = agrees(simulated(FOLLOW, replications=2, requests=400), BY_REQUEST)
    night = lags.values[lags["shift_phase"].values == "night"]
    assert np.isfinite(night).all()
    assert (night > CHIP.epoch_cycles).any()


def test_phases_by_time_shift_with_the_arrivals() -> None:
    plan = om.phases_by_time([("day", 15_000), ("night", 15_000)])
    arrivals = [150 * i for i in range(400)]
    ds = simulated(FOLLOW, workflow=shifting(plan), load=om.trace(arrivals))
    agrees(ds, ["day" if cycle % 30_000 < 15_000 else "night" for cycle in arrivals])


def test_a_horizon_leaves_out_what_never_arrived() -> None:
    ds = simulated("static", horizon=8_000)
    assert (ds["request_arrival_cycles"] < 0).any()
    agrees(ds, BY_REQUEST)


def test_samples_that_stop_early_do_not_tell() -> None:
    lags = agrees(simulated("static", epochs=2), BY_REQUEST)
    assert np.isnan(lags.values).all()


def test_stretches_between_two_hooks_do_not_tell() -> None:
    short = om.phases_by_request([("day", 2), ("night", 2)])
    lags = agrees(simulated("static", workflow=shifting(short)), ["day", "day", "night", "night"] * 100)
    assert np.isnan(lags.values).any()


def test_without_phases_there_is_no_shift() -> None:
    flow = om.Workflow("plain", om.seq(om.task("a", 100), om.task("b", 500)))
    ds = om.simulate(flow, CHIP, load=om.closed(requests=20, in_flight=4), epochs=5, threads=1, cautions=False)
    assert ds.octo.lag().shape == (0, 2)


def test_a_file_keeps_what_the_lag_needs(tmp_path: Path) -> None:
    ds = simulated("static")
    ds.octo.save(tmp_path / "run.nc")
    xr.testing.assert_identical(om.load(tmp_path / "run.nc").octo.lag(), ds.octo.lag())


@pytest.mark.parametrize("name", ["epoch_owners", "request_arrival_cycles"])
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(ModelError, match=f"^dataset.{name}: got None; allowed: a result with"):
        simulated("static", epochs=2).drop_vars(name).octo.lag()


def test_a_result_without_its_configuration_is_refused() -> None:
    ds = simulated("static", epochs=2)
    with pytest.raises(ModelError, match=r"^dataset.configuration: got None; allowed: a workflow, a hardware and a load"):
        ds.assign_attrs(configuration="octomodel: 1\n").octo.lag()
    del ds.attrs["configuration"]
    with pytest.raises(ModelError, match=r"^dataset.configuration: got None; allowed: a result of one configuration"):
        ds.octo.lag()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=4), st.data())
def test_no_other_owners_have_a_smaller_bottleneck(demand: list[int], data: st.DataObject) -> None:
    n = data.draw(st.integers(len(demand), 9))
    now = [n - len(demand) + 1] + [1] * (len(demand) - 1)
    found = target([now], demand).tolist()
    assert sum(found) == n
    others = (o for o in itertools.product(range(1, n + 1), repeat=len(demand)) if sum(o) == n)
    bottlenecks = [max(d / o for d, o in zip(demand, each, strict=True)) for each in others]
    assert max(d / o for d, o in zip(demand, found, strict=True)) == min(bottlenecks)


def test_a_cluster_is_asked_only_for_what_it_owns() -> None:
    assert target([[2, 0, 1], [1, 0, 1]], [1, 100, 9]).tolist() == [1, 0, 2]
    assert target([[-1, -1]], [1, 1]).tolist() == [0, 0]
    assert target([[4, 1, 0]], [0, 0, 9]).tolist() == [3, 2, 0]


def crafted(owners: list[list[int]], arrivals: list[int], makespan: int) -> list[list[float]]:
    """Return the lags of a result of which all that counts is given: samples, at 500, 1000, ..., of both clusters."""
    flow = shifting(om.phases_by_request([("day", 2), ("night", 2)]))
    load = om.closed(requests=4, in_flight=2)
    ds = simulated("static", epochs=len(owners), workflow=flow, load=load)
    ds["epoch_owners"].values[0] = np.array(owners)[:, np.newaxis]
    ds["request_arrival_cycles"].values[0] = arrivals
    ds["makespan_cycles"].values[0] = makespan
    found: list[list[float]] = ds.octo.lag().values.tolist()
    return found


def test_a_hook_at_the_very_end_counts() -> None:
    owners = [[1, 5], [1, 5], [5, 1]]
    assert crafted(owners, [0, 0, 400, 450], makespan=1_500) == [[1_100.0] * 2]
    assert crafted(owners, [0, 0, 400, 450], makespan=1_499) == [[math.inf] * 2]


def test_never_is_said_only_if_no_hook_was_left_out() -> None:
    owners = [[1, 5], [1, 5], [1, 5]]
    assert crafted(owners, [0, 0, 400, 450], makespan=1_999) == [[math.inf] * 2]
    assert np.isnan(crafted(owners, [0, 0, 400, 450], makespan=2_000)).all()


def test_the_shift_is_the_earliest_arrival_of_the_stretch() -> None:
    assert crafted([[5, 1], [5, 1]], [0, 0, 450, 400], makespan=1_200) == [[100.0] * 2]
    assert crafted([[5, 1], [5, 1]], [0, 0, 501, 500], makespan=1_200) == [[0.0] * 2]


def test_a_summary_takes_only_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two clusters: the upper median of what is known, and the share that is finite; nothing known is NaN."""
    known = [[3.0, np.inf], [1.0, np.nan], [np.inf, np.inf], [np.nan, np.nan]]
    found = xr.DataArray(known, dims=("shift", "cluster"), coords={"shift_replication": ("shift", [0, 0, 1, 2])})
    monkeypatch.setattr(lag, "lag", lambda runs: found)
    told = lag.summary(xr.Dataset(coords={"replication": [0, 1, 2]}))
    assert told["lag_median_cycles"].tolist()[:2] == [3.0, np.inf] and np.isnan(told["lag_median_cycles"][2])
    assert told["lag_balanced_share"].tolist()[:2] == [2 / 3, 0.0] and np.isnan(told["lag_balanced_share"][2])
