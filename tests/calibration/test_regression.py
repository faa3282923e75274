"""Times that depend on an attribute of the request: the line and its noise come out as they were put in."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

import octomodel as om
from octomodel import cli, dist, posterior, yaml_io
from octomodel.calibration import Calibration, fit, read_spans
from octomodel.calibration.line import Line, fit_line
from octomodel.calibration.regression import regress
from octomodel.calibration.sample import F64, sample
from octomodel.calibration.skeleton import Values, filled
from octomodel.calibration.trace import TraceError

BASE, SLOPE = 5.0, 2.0
NOISE = dist.Gamma(1.0, 0.3)


def drawn(n: int, seed: int, base: float = BASE, slope: float = SLOPE) -> tuple[F64, F64]:
    """Return durations and sizes."""
    rng = np.random.default_rng(seed)
    size = rng.exponential(4.0, n)
    return (base + slope * size) * NOISE.quantile(rng.random(n)), size


def program(size: Any = 1.0, other: Any = 1.0) -> om.Workflow:
    """Return two tasks, of which the first depends on the size."""
    return om.Workflow("w", om.task("a", size), om.task("b", other), attributes={"size": dist.Exponential(4.0)})


def spans(n: int, seed: int, base: float = BASE, slope: float = SLOPE) -> dict[str, Any]:
    """Return a table of requests one after the other, each of an ``a`` that depends on its size and a ``b`` that does not."""
    times, size = drawn(n, seed, base, slope)
    other = dist.Exponential(3.0).quantile(np.random.default_rng(seed + 1).random(n))
    begin = np.cumsum(np.concatenate([[0.0], (times + other)[:-1]]))
    each = np.column_stack([begin, begin + times, begin + times, begin + times + other])
    return {
        "request": np.repeat(np.arange(n), 2),
        "task": ["a", "b"] * n,
        "start": each[:, [0, 2]].ravel(),
        "end": each[:, [1, 3]].ravel(),
        "size": np.repeat(size, 2),
    }


def calibrated(n: int = 600, seed: int = 3) -> Calibration:
    table = spans(n, seed)
    return fit(read_spans(table, attributes=["size"]), cycles_per_unit=1000.0, skeleton=program(om.per("size", 1.0)))


@pytest.fixture(scope="module")
def found() -> Calibration:
    return calibrated()


def coverage(shift: float = 0.0) -> tuple[float, float]:
    """Return how often base and slope, moved by so many of their own size, lie within their intervals."""
    hits = np.zeros(2)
    for seed in range(60):
        got = regress(sample((each := drawn(150, seed))[0]), each[1], attribute="size", among=["gamma"], repetitions=0)
        for i, (interval, truth) in enumerate(((got.base, BASE), (got.slope, SLOPE))):
            hits[i] += interval.low <= truth * (1.0 + shift) <= interval.high
    return tuple(hits / 60)


def test_the_truth_lies_within_the_intervals() -> None:
    assert min(coverage()) >= 0.88


def test_another_line_does_not() -> None:
    assert max(coverage(0.5)) < 0.5


def test_the_line_is_that_of_the_greatest_quasi_likelihood() -> None:
    """Against a general search over both parameters, some of which end at 0."""
    for seed, (base, slope) in enumerate([(5.0, 2.0), (0.0, 2.0), (5.0, 0.0), (0.1, 9.0), (40.0, 0.1)] * 4):
        times, size = drawn(40, seed, base, slope)
        line = fit_line(times, size)

        def loss(point: F64, times: F64 = times, size: F64 = size) -> float:
            mean = point[0] + point[1] * size
            return float((times / mean + np.log(mean)).sum())

        start = np.array([times.mean() / 2, times.mean() / size.mean() / 2])
        best = minimize(loss, start, bounds=[(1e-12, None)] * 2, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-9})
        assert loss(np.array(line)) <= best.fun + 1e-8 and min(line) >= 0.0
        assert np.mean(times / (line[0] + line[1] * size)) == pytest.approx(1.0, rel=1e-12)


def test_an_exact_line_comes_out_exactly() -> None:
    size = np.arange(12.0)
    got = regress(sample(3.0 + 0.25 * size), size, attribute="size")
    assert (got.line.base, got.line.slope) == pytest.approx((3.0, 0.25), rel=1e-12)
    assert got.noise.family == "deterministic" and got.line.noise == dist.Deterministic(1.0)
    assert got.r_squared == pytest.approx(1.0, abs=1e-12) and got.slope_p < 1e-6 and math.isnan(got.left_p)
    assert got.slope.high - got.slope.low < 1e-9
    assert all((each.base, each.slope) == pytest.approx((3.0, 0.25), rel=1e-9) for each in got.draws(5))


def test_no_slope_is_seen_as_none() -> None:
    data = [drawn(200, seed, 5.0, 0.0) for seed in range(20)]
    got = [regress(sample(times), size, attribute="size", among=["gamma"], repetitions=0) for times, size in data]
    assert sum(each.slope.low == 0.0 for each in got) >= 17
    # more than four of twenty would come once in 390 times
    assert sum(each.slope_p < 0.05 for each in got) <= 4
    none = next(each for each in got if each.line.slope == 0.0)
    assert none.r_squared == pytest.approx(0.0, abs=1e-12) and "size does not show" in none.verdict
    assert none.line.base == pytest.approx(none.durations.times.mean())


def test_durations_that_are_all_the_same_have_no_slope() -> None:
    got = regress(sample(np.full(20, 4.0)), np.arange(20.0), attribute="size")
    assert got.line.base == pytest.approx(4.0) and got.line.slope == pytest.approx(0.0, abs=1e-12)
    assert math.isnan(got.slope_p) and math.isnan(got.r_squared) and got.verdict == "all durations are the same, whatever size"


def test_a_line_through_0_leaves_requests_of_size_0_out_of_the_noise() -> None:
    times, size = drawn(200, 8, 0.0, 2.0)
    times[:20] = size[:20] = 0.0
    got = regress(sample(times), size, attribute="size", among=["gamma"], repetitions=0)
    assert got.line.base == 0.0 and got.line.slope == pytest.approx(2.0, rel=0.1)
    assert got.noise.ends == 180 and got.noise.family == "gamma" and got.line.noise.cv == pytest.approx(0.3, rel=0.15)
    base, slope = fit_line(*drawn(2000, 9, 0.0, 2.0))
    assert base < 0.1 and slope == pytest.approx(2.0, rel=0.03)


def test_what_a_line_does_not_say_is_told() -> None:
    size = np.random.default_rng(4).exponential(4.0, 400)
    curved = (1.0 + size**2) * NOISE.quantile(np.random.default_rng(5).random(400))
    got = regress(sample(curved), size, attribute="size", repetitions=0)
    assert got.left_p < 0.01 and "the noise still depends on it" in got.verdict
    straight = regress(sample(drawn(400, 6)[0]), drawn(400, 6)[1], attribute="size", repetitions=0)
    assert straight.left_p > 0.05 and straight.verdict.startswith("size matters (p = ")


def test_durations_of_one_request_stay_together() -> None:
    """Ten of the same duration say no more than one."""
    times, size = drawn(60, 7)
    once = regress(sample(times), size, attribute="size", among=["gamma"], repetitions=0)
    owners = np.repeat(np.arange(60), 10)
    many = regress(sample(times[owners], requests=owners), size[owners], attribute="size", among=["gamma"], repetitions=0)
    assert (many.line.slope, many.slope_p, many.left) == pytest.approx((once.line.slope, once.slope_p, once.left))
    assert many.slope.high - many.slope.low == pytest.approx(once.slope.high - once.slope.low, rel=0.25)


def test_what_cannot_be_fitted_is_refused_by_name() -> None:
    times, size = drawn(30, 1)

    def refused(match: str, sizes: Any = size, **more: Any) -> None:
        with pytest.raises(TraceError, match=match):
            regress(sample(times, path="spans.a", **more), sizes, attribute="size", path="spans.a")

    refused(r"spans\.a: got '2 durations not seen from start to end'; allowed: none where .* size", censored=np.arange(30) < 2)
    refused(r"spans\.a: got '1 durations not seen from start to end'", entry=np.where(np.arange(30) == 4, times / 2, 0.0))
    refused(r"spans\.a: got '7 requests'; allowed: at least 8", requests=np.arange(30) % 7)
    refused(r"spans\.a, attribute size: got '7\.5 in all requests'; allowed: at least two", np.full(30, 7.5))
    refused(r"spans\.a, attribute size: got '0 in all requests'", np.zeros(30))
    refused(r"spans\.a, attribute size\[3\]: got -1\.0; allowed: a finite number >= 0", np.where(np.arange(30) == 3, -1.0, size))
    refused(r"spans\.a, attribute size\[0\]: got nan", np.where(np.arange(30) == 0, np.nan, size))
    refused(r"spans\.a, attribute size: got 'float64\[29\]'; allowed: 30 numbers", size[1:])
    refused(r"spans\.a, attribute size: got '<U1\[30\]'", ["x"] * 30)
    with pytest.raises(TraceError, match=r"Regression\.draws\.count: got 0"):
        regress(sample(times), size, attribute="size", repetitions=0).draws(0)


def test_a_known_workflow_comes_back(found: Calibration) -> None:
    truth = program(om.per("size", SLOPE * 1000, base=BASE * 1000) * NOISE, dist.Exponential(3000.0))
    got = found.workflow(program(om.per("size", 1.0)))
    time = got.tasks[0].time
    assert time.attribute == "size" and time.law.mean == pytest.approx(1.0) and time.law.cv == pytest.approx(0.3, rel=0.1)
    assert (time.base, time.slope) == pytest.approx((BASE * 1000, SLOPE * 1000), rel=0.1)
    # thrice the spread of the mean of 600 sizes, and of 600 exponential times
    assert got.demand()["a"] == pytest.approx(truth.demand()["a"], rel=0.08)
    assert got.demand()["b"] == pytest.approx(truth.demand()["b"], rel=0.12)
    assert om.Workflow.from_dict(got.to_dict()) == got
    said = got.provenance["workflow.program[0].time"]
    assert (said.tag, said.note) == ("derived", f"line of size, noise {found.regressions['a'].noise.family} of 600 executions")
    assert "times: a line of size, noise " in got.description
    assert list(found.regressions) == ["a"] and "b" in found.times


def test_the_simulation_follows_the_line(found: Calibration) -> None:
    """Alone on a machine, a request takes its line on average, whatever its size."""
    got = found.workflow(program(om.per("size", 1.0)))
    chip = om.System(1, 1, tbus=2, switch_cycles=0, reload_cycles=0)
    latency = posterior.simulated(got, chip, "static", om.closed(in_flight=1), 600, 1, 1, False)
    sizes = found.requests.attributes["size"]
    line = found.regressions["a"].line
    expected = 1000.0 * (line.base + line.slope * sizes + found.times["b"].law.mean)
    assert np.mean(latency / expected) == pytest.approx(1.0, rel=0.05)
    assert np.corrcoef(latency, sizes)[0, 1] > 0.8


def test_draws_carry_base_slope_and_noise_together(found: Calibration) -> None:
    by = found.regressions["a"]
    lines = by.draws(200, seed=4)
    base, slope = np.array([(each.base, each.slope) for each in lines]).T
    assert by.slope.low < slope.mean() < by.slope.high
    assert 3.0 < (by.slope.high - by.slope.low) / slope.std() < 5.0
    # a steeper line begins lower
    assert np.corrcoef(base, slope)[0, 1] < -0.5
    assert all(each.noise.mean == pytest.approx(1.0) for each in lines)
    assert by.draws(3, seed=4) == lines[:3] and by.draws(3, seed=5) != lines[:3]
    made = found.draws(program(om.per("size", 1.0)), 3, seed=2)
    assert len({each.tasks[0].time.slope for each in made}) == 3
    assert made == found.draws(program(om.per("size", 1.0)), 3, seed=2)


def test_the_same_spans_give_the_same_bits(found: Calibration) -> None:
    assert calibrated().facts() == found.facts()


def test_report_and_facts_show_the_line(found: Calibration) -> None:
    (told,) = [line for line in found.report().splitlines() if line.startswith("a: ")]
    assert " x size, R^2 0." in told and "noise of CV 0." in told and "size matters (p = " in told
    facts = found.facts()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    (line,) = facts["regressions"]
    assert line["task"] == "a" and line["slope_low"] < SLOPE < line["slope_high"] and line["base_low"] < BASE < line["base_high"]


def test_a_program_that_says_otherwise_is_refused(found: Calibration) -> None:
    with pytest.raises(TraceError, match=r"workflow\.w\.a\.time: got 'a value that .* no attribute'; allowed: a value per size"):
        found.workflow(program(7.0))
    other = om.Workflow("v", om.task("a", om.per("n", 2.0)), attributes={"n": dist.Exponential(3.0)})
    with pytest.raises(TraceError, match=r"workflow\.v\.a\.time: got 'per n'; allowed: a value per size, as it was fitted"):
        filled(other, Values({"a": Line("size", 1.0, 2.0, NOISE)}), "")
    plain = fit(read_spans(spans(30, 1), attributes=["size"]), cycles_per_unit=1.0, repetitions=0)
    assert not plain.regressions
    with pytest.raises(TraceError, match=r"workflow\.w\.a\.time: got 'per size'; .* fit\(\.\.\., skeleton=\.\.\.\)"):
        plain.workflow(program(om.per("size", 1.0)))
    # an attribute that was not measured says nothing of the times
    assert not fit(spans(30, 1), cycles_per_unit=1.0, repetitions=0, skeleton=program(om.per("size", 1.0))).regressions


def test_held_out_requests_are_predicted_by_their_line() -> None:
    chip = om.System(1, 1, tbus=2, switch_cycles=0, reload_cycles=0)
    ds = om.holdout(
        read_spans(spans(400, 12), attributes=["size"]),
        program(om.per("size", 1.0)),
        chip,
        load=om.closed(in_flight=1),
        cycles_per_unit=1000.0,
        among=["gamma", "exponential"],
        repetitions=0,
        threads=1,
    )
    mean = ds.sel(statistic="mean")
    assert float(mean["predicted_low_cycles"]) < float(mean["measured_cycles"]) < float(mean["predicted_high_cycles"])
    assert abs(float(mean["error"])) < 0.1


def test_the_command_fits_such_a_program(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    table = spans(200, 2)
    rows = zip(*(np.asarray(column).tolist() for column in table.values()), strict=True)
    (tmp_path / "spans.csv").write_text("\n".join([",".join(table), *(",".join(map(str, row)) for row in rows)]))
    yaml_io.write_file(tmp_path / "w.yaml", yaml_io.Document(program(om.per("size", 1.0))))
    words = ["--unit", "us", "--clock", "1 GHz", "--attribute", "size", "--repetitions", "19"]
    files = [str(tmp_path / name) for name in ("spans.csv", "w.yaml", "out.yaml")]
    assert cli.main(["fit", files[0], "--workflow", files[1], "--out", files[2], *words]) == cli.DONE
    out, err = capsys.readouterr()
    assert err == "" and "times that depend on an attribute" in out and "a: size matters (p = " in out
    written = yaml_io.read_file(tmp_path / "out.yaml").workflow
    assert written is not None and written.tasks[0].time.slope == pytest.approx(SLOPE * 1000, rel=0.15)
    assert written.provenance["workflow.program[0].time"].source.startswith("spans.csv (SHA-256 ")


def test_sizes_stand_beside_their_durations() -> None:
    table = spans(20, 1)
    got = read_spans(table, attributes=["size"])
    times, size = drawn(20, 1)
    assert got.sizes("a", "size").tolist() == size.tolist() and got.sample("a").times == pytest.approx(times)
    with pytest.raises(TraceError, match=r"spans\.attribute: got 'n'; allowed: one of size"):
        got.sizes("a", "n")
