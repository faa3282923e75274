"""What the pictures draw is what the results say."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr

import octomodel as om
from octomodel.errors import ModelError

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
pyplot = pytest.importorskip("matplotlib.pyplot")

LINE = om.Workflow("line", om.task("a", om.dist.Gamma(mean=90, cv=0.8)), om.task("b", 60))
CHIP = om.System(2, 3, tbus=3, epoch_cycles=500)


@pytest.fixture(scope="module")
def study() -> xr.Dataset:
    return om.compare(LINE, CHIP, ["static", "octopus"], replications=3)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    pyplot.close("all")


def test_time_split(study: xr.Dataset) -> None:
    axes = study.octo.plot.time_split()
    split = study.octo.time_split().sel(workflow="line")
    drawn = {str(each.get_label()): [bar.get_width() for bar in each] for each in axes.containers}
    for cause, widths in drawn.items():
        assert widths == pytest.approx((100 * split.sel(cause=cause)).values)
    assert np.sum([drawn[cause] for cause in drawn], axis=0) == pytest.approx(100, abs=0.3)
    one = om.simulate(LINE, CHIP, load=om.closed(requests=500)).octo.plot.time_split()
    assert len(one.containers) >= 1


def test_a_result_has_pictures_before_any_study() -> None:
    """In a process that has compared nothing."""
    words = "import octomodel as om; one = om.simulate(om.workflow('tandem'), om.hardware('edge_6c'), requests=300)"
    run = [sys.executable, "-c", f"{words}; print(one.octo.plot.time_split().get_xlabel())"]
    environment = os.environ | {"MPLBACKEND": "agg"}
    done = subprocess.run(run, check=True, capture_output=True, text=True, env=environment)
    assert done.stdout == "share of TBU time, %\n"


def test_speedup(study: xr.Dataset) -> None:
    axes = study.octo.plot.speedup("static")
    found = study.octo.speedup("static").speedup.sel(workflow="line")
    heights = {bar.get_label(): bar[0].get_height() for bar in axes.containers if hasattr(bar, "patches")}
    for policy in ("octopus", "ideal"):
        assert heights[policy] == pytest.approx(float(found.sel(policy=policy, bound="value")))
    with pytest.raises(ValueError, match="baseline: got 'jsq'"):
        study.octo.plot.speedup("jsq")


def test_wafer(study: xr.Dataset) -> None:
    one = study.sel(workflow="line", policy="octopus")
    drawn = one.octo.plot.wafer("utilization").images[0].get_array()
    split = one.octo.time_split("cluster")
    assert np.asarray(drawn).ravel() == pytest.approx(100 * split.sel(cause=["own", "lent"]).sum("cause").values)
    figure, ax = pyplot.subplots()
    assert one.octo.plot.wafer("cluster_lendings", ax=ax) is ax
    wanted = one.cluster_lendings.mean("replication").values
    assert np.asarray(ax.images[0].get_array()).ravel() == pytest.approx(wanted)
    assert figure.axes[1].get_ylabel() == "lent executions begun"
    with pytest.raises(ModelError, match=r"^variable: got 'speed'; allowed: 'utilization', dead, .*cluster_lendings"):
        one.octo.plot.wafer("speed")
    with pytest.raises(ValueError, match="got several of workflow and policy"):
        study.octo.plot.wafer()
    with pytest.raises(ModelError, match="^ax: got int"):
        one.octo.plot.wafer(ax=3)


@pytest.fixture(scope="module")
def sampled() -> xr.Dataset:
    """Of two phases, in runs of which every epoch is sampled."""
    phases = om.phases_by_request([("left", 100), ("right", 100)], right={"p": 0.1, "q": 0.9})
    turn = om.branch({"p": 0.9, "q": 0.1}, p=om.task("x", 400), q=om.task("y", 400))
    workflow = om.Workflow("turn", om.task("first", 50), turn, phases=phases)
    return om.simulate(workflow, CHIP.with_(tbus=6), "octopus", om.closed(requests=600), replications=2, epochs=80)


def test_contagion(sampled: xr.Dataset, study: xr.Dataset) -> None:
    axes = sampled.octo.plot.contagion()
    found = sampled.octo.attribution()
    drawn = np.asarray(axes.images[0].get_array())
    assert drawn == pytest.approx(found.idle_root.sum("idleness").transpose("tb", "root").values)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["first", "x", "y", "source", "elsewhere"]
    assert f"starved {found.contagion_depth.sel(idleness='starved').item():.2f}" in axes.get_title()
    with pytest.raises(ModelError, match="a result with samples"):
        study.isel(policy=0, workflow=0).octo.plot.contagion()


def test_owners(sampled: xr.Dataset) -> None:
    axes = sampled.octo.plot.owners(cluster=2, replication=1)
    owners = sampled.epoch_owners.isel(cluster=2, replication=1)
    steps = {str(line.get_label()): line for line in axes.lines if not str(line.get_label()).startswith("_")}
    assert list(steps) == ["first", "x", "y"]
    for name, line in steps.items():
        values = owners.sel(tb=name).values
        assert np.asarray(line.get_ydata()).tolist() == values[values >= 0].tolist()
    lags = sampled.octo.lag()
    shifts = [line for line in axes.lines if str(line.get_label()).startswith("_")]
    assert 0 < len(shifts) <= (lags.shift_replication == 1).sum()
    for options in ({"cluster": 6}, {"replication": 2}):
        with pytest.raises(ModelError, match="allowed: 0 to"):
            sampled.octo.plot.owners(**options)


def test_qq_of_held_out_requests() -> None:
    start = np.arange(120) * 100.0
    end = start + np.random.default_rng(1).gamma(9.0, 5.0, 120)
    table = {"request": range(120), "task": ["a"] * 120, "start": start, "end": end}
    workflow, chip = om.Workflow("w", om.task("a", 1)), om.System(1, 1, tbus=1)
    spans = om.calibration.read_spans(table)
    ds = om.holdout(spans, workflow, chip, load=om.closed(in_flight=1), cycles_per_unit=1000, among=["gamma"], repetitions=0)
    axes = ds.octo.plot.qq()
    x, y = axes.get_lines()[0].get_data()
    assert np.array_equal(x, ds.measured_quantile_cycles) and np.array_equal(y, ds.predicted_quantile_cycles)
    with pytest.raises(ValueError, match="got no measured quantiles; allowed: what octomodel.holdout returns"):
        om.simulate(LINE, CHIP, load=om.closed(requests=50)).octo.plot.qq()
