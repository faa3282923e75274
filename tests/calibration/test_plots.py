"""What the pictures of a calibration draw is what was measured and fitted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from octomodel import dist
from octomodel.calibration import Calibration, dispersion_curve, fit, read_spans
from octomodel.calibration.trace import TraceError

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
pyplot = pytest.importorskip("matplotlib.pyplot")

LAW = dist.Gamma(40.0, 0.5)
N = 300


@pytest.fixture(scope="module")
def found() -> Calibration:
    rng = np.random.default_rng(1)
    start = np.cumsum(rng.exponential(10.0, N))
    times = LAW.quantile(rng.random(N))
    until = float(start[-1]) + 3.0
    end = np.where(start + times > until, np.nan, start + times)
    spans = {
        "request": np.tile(np.arange(N), 2),
        "task": ["a"] * N + ["fixed"] * N,
        "start": np.concatenate([start, start]),
        "end": np.concatenate([end, start + 2.0]),
    }
    near = rng.random(N) < np.where(np.arange(N) < 150, 0.9, 0.2)
    decisions = {"request": np.arange(N), "block": ["way"] * N, "choice": np.where(near, "near", "far"), "time": start}
    families = ["gamma", "lognormal", "exponential"]
    return fit(read_spans(spans, until=until), decisions, cycles_per_unit=1.0, among=families, repetitions=19)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    pyplot.close("all")


def lines(axes: Any) -> dict[str, tuple[Any, Any]]:
    return {str(line.get_label()): line.get_data() for line in axes.get_lines()}


def law(found: Calibration, name: str) -> Any:
    return next(each.law for each in found.times["a"].candidates if each.family == name)


def test_density_has_an_area_of_one(found: Calibration) -> None:
    axes = found.plot.density("a")
    (stairs,) = [each for each in axes.patches if type(each).__name__ == "StepPatch"]
    values, edges, _ = stairs.get_data()
    # what lasts longer than any end seen has no place in a histogram
    assert (values * np.diff(np.log(edges))).sum() == pytest.approx(1.0, abs=0.05)
    x, y = lines(axes)["gamma"]
    first, last = law(found, "gamma").cdf(x[[0, -1]])
    assert np.trapezoid(y, np.log(x)) == pytest.approx(last - first, abs=2e-3)
    assert axes.get_xscale() == "log" and "lognormal, not used" in lines(axes)
    assert len(lines(found.plot.density("a", laws=0))) == 0


def test_distribution_lies_within_its_band(found: Calibration) -> None:
    axes = found.plot.ecdf("a")
    x, y = lines(axes)["measured"]
    assert np.all(np.diff(y) >= 0.0) and np.interp(40.0, x, y) == pytest.approx(float(LAW.cdf(40.0)), abs=0.08)
    (band,) = axes.collections
    low, high = (np.interp(40.0, x, each) for each in band_of(band, x))
    assert low <= np.interp(40.0, x, y) <= high and 0.02 < high - low < 0.2
    assert np.array_equal(lines(axes)["gamma"][1], law(found, "gamma").cdf(x))


def band_of(band: Any, x: Any) -> tuple[Any, Any]:
    """Return the lower and upper edges of a band at some places."""
    vertices = band.get_paths()[0].vertices
    low = np.array([vertices[vertices[:, 0] == at, 1].min() for at in x])
    return low, np.array([vertices[vertices[:, 0] == at, 1].max() for at in x])


def test_quantiles_and_probabilities_lie_near_the_diagonal_of_the_right_law(found: Calibration) -> None:
    x, y = lines(found.plot.qq("a", laws=3))["gamma"]
    middle = slice(x.size // 10, -x.size // 10)
    assert y[middle] == pytest.approx(x[middle], rel=0.15)
    p, q = lines(found.plot.pp("a", laws=3))["gamma"]
    assert np.abs(q - p).max() < 0.08
    wrong = lines(found.plot.pp("a", laws=3))["exponential, not used"]
    assert np.abs(wrong[1] - wrong[0]).max() > 0.15


def test_tail_is_drawn_as_far_as_ends_were_seen(found: Calibration) -> None:
    axes = found.plot.tail("a")
    x, y = lines(axes)["measured"]
    assert np.all(y > 0.0) and np.all(np.diff(y) < 0.0) and axes.get_yscale() == "log"
    assert float(np.interp(60.0, x, y)) == pytest.approx(float(LAW.sf(60.0)), abs=0.08)


def test_dispersion_is_that_of_the_arrivals(found: Calibration) -> None:
    axes = found.plot.dispersion()
    curve = dispersion_curve(found.requests.arrivals)
    assert np.array_equal(lines(axes)["measured"], (curve.windows, curve.index))
    if found.arrivals is not None and found.arrivals.mmpp is not None:
        assert np.array_equal(lines(axes)["two states"][1], found.arrivals.mmpp.dispersion(curve.windows))


def test_drift_shows_windows_and_change(found: Calibration) -> None:
    axes = found.plot.drift("way")
    block = found.blocks["way"]
    places, near = axes.containers[block.names.index("near")].lines[0].get_data()
    assert near == pytest.approx(block.windows[:, block.names.index("near")] / block.windows.sum(axis=1))
    assert np.all(np.diff(places) > 0.0) and places[-1] < N
    (dashed,) = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
    assert dashed.get_xdata()[0] == block.changes.starts[1] == pytest.approx(150, abs=8)


def test_one_value_is_drawn_too(found: Calibration) -> None:
    for name in ("density", "ecdf", "qq", "pp", "tail"):
        assert getattr(found.plot, name)("fixed").figure is not None


def test_axes_are_used_and_what_is_unknown_is_refused(found: Calibration, monkeypatch: pytest.MonkeyPatch) -> None:
    _, ax = pyplot.subplots()
    assert found.plot.tail("a", ax=ax) is ax
    with pytest.raises(TraceError, match="Calibration.plot.task: got 'b'; allowed: one of a, fixed"):
        found.plot.qq("b")
    with pytest.raises(TraceError, match="Calibration.plot.block: got 'b'; allowed: one of way"):
        found.plot.drift("b")
    with pytest.raises(TraceError, match="Calibration.plot.laws: got 4; allowed: an integer from 0 to 3"):
        found.plot.pp("a", laws=4)
    with pytest.raises(TraceError, match="ax: got 'int'; allowed: axes of matplotlib"):
        found.plot.tail("a", ax=3)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="cal.plot needs matplotlib"):
        found.plot.dispersion()
