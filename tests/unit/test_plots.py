"""What the pictures draw is what the results say."""

from __future__ import annotations

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


def test_a_run_alone_has_pictures() -> None:
    """In a process in which nothing else has registered the accessor of studies."""
    code = """
import octomodel as om
ds = om.simulate(om.Workflow("w", om.task("a", 9)), om.System(1, 1, tbus=1), load=om.closed(requests=3), threads=1)
print(type(ds.octo.plot).__name__)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "Plots\n"
