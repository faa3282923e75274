"""predict(): exact where theory is, near simulation where it says so, refusing by name what it cannot answer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import octomodel as om
from octomodel import dist, mapping, presets, variables
from octomodel.calibration.queueing import closed_network, erlang, exponential, jackson, map_ph_c, mmc, renewal
from octomodel.cli import main
from octomodel.errors import ModelError
from octomodel.placement import placement
from octomodel.testing.scenarios import scenario
from octomodel.theory_paths import Stay, paths
from octomodel.theory_program import mixed, profile
from octomodel.verification.theory_predict import Compared, compared, section

MEAN = 1_000.0
ONE = om.Workflow("one", om.task("only", dist.Exponential(MEAN)))
CHIP = om.System(1, 1, tbus=4)
LINE = om.Workflow("line", om.task("a", dist.Gamma(mean=MEAN, cv=0.5)), om.task("b", dist.Exponential(MEAN)))


def latency(ds: Any, statistic: str = "mean") -> float:
    return float(ds.latency_cycles.sel(statistic=statistic, bound="value"))


def ok(ds: Any) -> tuple[int, int]:
    return int(ds.throughput_per_cycle_assumptions_ok), int(ds.latency_cycles_assumptions_ok.sel(statistic="mean"))


# ---- beside simulation


@pytest.fixture(scope="module")
def rows() -> tuple[Compared, ...]:
    if "OCTOMODEL_DATA" in os.environ:
        pytest.skip("OCTOMODEL_DATA changes bundled workflows")
    return compared()


def test_relied_on_is_near_simulation(rows: tuple[Compared, ...]) -> None:
    throughput = [row for row in rows if row.throughput_ok]
    mean = [row for row in rows if row.latency_ok]
    assert [row for row in throughput if not abs(row.throughput_error) <= 0.02] == []
    assert [row for row in mean if not abs(row.latency_error) <= 0.10] == []
    # and it does rely on many, those of every kind of program among them
    assert len(throughput) >= 0.7 * len(rows) and len(mean) >= 0.45 * len(rows)
    kinds = {row.system.partition(",")[0] for row in mean}
    assert {"series", "branch", "loop by chance", "loop by count", "fork", "select", "tandem", "agent_tools"} <= kinds
    exact = [row.latency_error for row in mean if row.exactness == "exact"]
    assert len(exact) >= 6 and max(map(abs, exact)) <= 0.03


def test_not_relied_on_is_often_far(rows: tuple[Compared, ...]) -> None:
    doubted = [abs(row.latency_error) > 0.10 for row in rows if not row.latency_ok and np.isfinite(row.latency_error)]
    assert sum(doubted) >= 10


def test_page_is_current(rows: tuple[Compared, ...], repository: Path) -> None:
    text = (repository / "docs" / "theory.md").read_text(encoding="utf-8")
    assert text.endswith(section())


# ---- exact where theory is


@pytest.mark.parametrize("load", [0.3, 0.7, 0.9])
def test_one_station_is_erlangs(load: float) -> None:
    rate = load * 4 / MEAN
    found = om.predict(ONE, CHIP, load=om.poisson(rate, in_flight=None))
    known = mmc(rate, MEAN, 4)
    assert latency(found) == pytest.approx(float(known["sojourn_mean"].value), rel=1e-12)
    assert float(found.station_utilisation[0, 0]) == pytest.approx(load)
    assert str(found.latency_cycles_exactness[0].values) == "exact" and ok(found) == (1, 1)
    assert str(found.latency_cycles_exactness.sel(statistic="p99").values) == "approximation"


def test_drawn_split_is_poisson_in_each_pipeline() -> None:
    loop = om.Workflow("back", om.task("a", dist.Exponential(MEAN)), om.loop(om.task("b", dist.Exponential(500.0)), again=0.5))
    hw = om.System(2, 2, tbus=2, queue_slots=1_000)
    load = om.poisson(2.0e-3, in_flight=None, split=[1, 1, 1, 1])
    found = om.predict(loop, hw, load=load)
    known = jackson([0.5e-3, 1.0e-3], [MEAN, 500.0], [1, 1])["number_mean"].value.sum() / 0.5e-3
    assert latency(found) == pytest.approx(known, rel=1e-12)
    assert str(found.latency_cycles_exactness[0].values) == "exact"


def test_even_split_makes_arrivals_regular() -> None:
    rate = 4 * 4 * 0.8 / MEAN
    found = om.predict(ONE, om.System(2, 2, tbus=4), load=om.poisson(rate, in_flight=None))
    exact = float(map_ph_c(renewal(erlang(4 / rate, 4)), exponential(MEAN), 4)["sojourn_mean"].value)
    taken_as_poisson = float(mmc(rate / 4, MEAN, 4)["sojourn_mean"].value)
    assert latency(found) == pytest.approx(exact, rel=0.03)
    assert taken_as_poisson > 1.15 * exact
    assert str(found.latency_cycles_exactness[0].values) == "approximation"


@pytest.mark.parametrize("window", [1, 3, 20])
def test_closed_exponential_stations_have_product_form(window: int) -> None:
    two = om.Workflow("two", om.task("a", dist.Exponential(MEAN)), om.task("b", dist.Exponential(3 * MEAN)))
    hw = om.System(1, 2, tbus=4, queue_slots=1_000, local_latency_cycles=7)
    found = om.predict(two, hw, load=om.closed(in_flight=window))
    known = float(closed_network([MEAN, 3 * MEAN], window, [1, 3], think=14.0)["throughput"].value)
    assert float(found.throughput_per_cycle) == pytest.approx(2 * known, rel=1e-6)
    # Little
    assert latency(found) == pytest.approx(window / known, rel=1e-6)
    assert str(found.throughput_per_cycle_exactness.values) == "exact" and ok(found) == (1, 1)
    assert found.statistic.values.tolist() == ["mean"]


def test_without_waits_a_closed_load_takes_the_time_of_the_program() -> None:
    both = om.fork(om.task("b", 300), om.task("c", 500))
    wf = om.Workflow("sure", om.task("a", 100), om.loop(both, count=3), om.task("d", 50))
    hw = om.System(1, 1, tbus=4, decision_cycles=10, local_latency_cycles=2)
    found = om.predict(wf, hw, load=om.closed(in_flight=1))
    run = om.simulate(wf, hw, load=om.closed(requests=3, in_flight=1), cautions=False)
    assert latency(found) == pytest.approx(float(run.request_latency_cycles[0, 1]), rel=1e-12)
    assert float(found.latency_bound_cycles) == pytest.approx(latency(found), rel=1e-12)
    assert float(found.throughput_per_cycle) == pytest.approx(1 / latency(found))


def test_bounds_hold_and_the_bottleneck_is_named() -> None:
    wf = om.Workflow("w", om.task("a", dist.Gamma(mean=100, cv=1)), om.task("b", dist.Gamma(mean=900, cv=1)))
    hw = om.System(1, 1, tbus=4)
    limit = placement(wf, hw).throughput
    for load in (om.closed(in_flight=2), om.closed(in_flight=50), om.poisson(0.6 * limit)):
        found = om.predict(wf, hw, load=load)
        assert str(found.bottleneck.values) == "b"
        assert float(found.throughput_per_cycle) <= float(found.throughput_bound_per_cycle) * (1 + 1e-12)
        assert float(found.throughput_bound_per_cycle) <= limit * (1 + 1e-12)
        assert latency(found) >= float(found.latency_bound_cycles) == pytest.approx(1_000.0)


# ---- what it does not rely on


def test_full_slots_are_seen() -> None:
    rate = 0.8 * placement(LINE, CHIP).throughput
    few, many = (om.predict(LINE, CHIP.with_(queue_slots=n), load=om.poisson(rate, in_flight=None)) for n in (1, 1_000))
    assert ok(few) == (1, 0) and ok(many) == (1, 1)
    assert latency(few) == latency(many)
    assert float(few.station_refused.sel(tb="b")[0]) > 0.2 > 1e-9 > float(many.station_refused.sel(tb="b")[0])
    assert float(few.station_refused.sel(tb="a")[0]) == 0.0  # the source holds what comes first
    full = om.predict(LINE, CHIP, load=om.closed())
    assert ok(full) == (0, 0) and float(full.station_refused.max()) > 0.3


def test_a_window_that_binds_is_seen() -> None:
    rate = 0.7 * 4 / MEAN
    assert [ok(om.predict(ONE, CHIP, load=om.poisson(rate, in_flight=n))) for n in (4, 40)] == [(0, 0), (1, 1)]


def test_overload_has_no_steady_state() -> None:
    most = 4 / MEAN
    found = om.predict(ONE, CHIP, load=om.poisson(2 * most))
    assert latency(found) == latency(found, "p50") == np.inf
    assert float(found.throughput_per_cycle) == pytest.approx(most)
    assert ok(found) == (0, 0)


def test_nearly_periodic_arrivals_are_relied_on_only_without_waits() -> None:
    for share, expected in ((0.3, 1), (0.95, 0)):
        load = om.periodic(MEAN / 4 / share, in_flight=None)
        assert ok(om.predict(ONE, CHIP, load=load)) == (1, expected)


def test_traces_are_relied_on_where_gaps_are_independent() -> None:
    draws = np.random.default_rng(1)
    gaps = draws.exponential(500.0, 20_000)
    # the same gaps, short ones and long ones together: bursts
    bursts = np.sort(gaps.reshape(-1, 200), axis=1).ravel()
    plain, bursty, short = (
        om.predict(ONE, CHIP, load=om.trace(np.cumsum(each).astype(int), in_flight=None)) for each in (gaps, bursts, gaps[:100])
    )
    poisson = om.predict(ONE, CHIP, load=om.poisson(1 / gaps.mean(), in_flight=None))
    assert latency(plain) == pytest.approx(latency(poisson), rel=0.02)
    assert [ok(each) for each in (plain, bursty, short)] == [(1, 1), (1, 0), (1, 0)]


def test_times_that_vary_too_much_are_not_relied_on() -> None:
    wild = om.Workflow("wild", om.task("only", dist.LogNormal(MEAN, 4.0)))
    assert ok(om.predict(wild, CHIP, load=om.poisson(0.5 * 4 / MEAN, in_flight=None))) == (1, 0)


def turning(length: int) -> om.Workflow:
    either = om.branch({"x": 0.5, "y": 0.5}, x=om.task("a", dist.Exponential(MEAN)), y=om.task("b", dist.Exponential(MEAN)))
    mostly = {"x": 0.8, "y": 0.2}
    plan = om.phases_by_request([("even", length), ("odd", length)], even=mostly)
    return om.Workflow("turning", either, phases=plan)


def test_long_phases_are_steady_states_and_short_ones_their_mean() -> None:
    hw = om.System(1, 1, tbus=2, queue_slots=1_000)
    load = om.poisson(1.0 / MEAN, in_flight=None)
    long, short = (om.predict(turning(n), hw, load=load) for n in (10**7, 1))
    each = [sum(share / (1 / MEAN - share / MEAN) for share in shares) for shares in ((0.8, 0.2), (0.5, 0.5))]
    assert latency(long) == pytest.approx(np.mean(each))
    assert latency(short) == pytest.approx(sum(share / (1 / MEAN - share / MEAN) for share in (0.65, 0.35)))
    assert [ok(found)[1] for found in (long, short)] == [1, 0]


# ---- the law of the latency


def test_quantiles_of_one_exponential_server_are_exact() -> None:
    found = om.predict(ONE, om.System(1, 1, tbus=1), load=om.poisson(0.75 / MEAN, in_flight=None), quantiles=[0.9, 0.999])
    assert found.statistic.values.tolist() == ["mean", "p90", "p99.9"]
    for name, q in (("p90", 0.9), ("p99.9", 0.999)):
        assert latency(found, name) == pytest.approx(-np.log(1 - q) * 4 * MEAN, rel=0.02)


def test_pipelines_of_different_kinds_make_a_mixture() -> None:
    hw = om.System(1, 2, tbus=2, dead_tbus=(0,))
    found = om.predict(ONE, hw, load=om.poisson(0.5 / MEAN, in_flight=None, split=[1, 1]))
    known = [float(mmc(0.25 / MEAN, MEAN, c)["sojourn_mean"].value) for c in (1, 2)]
    assert latency(found) == pytest.approx(np.mean(known))
    assert found.station_utilisation.values.ravel().tolist() == pytest.approx([0.25, 0.125])
    run = om.simulate(ONE, hw, load=om.poisson(0.5 / MEAN, in_flight=None, split=[1, 1]), requests=200_000, cautions=False)
    for name, q in (("p50", 0.5), ("p95", 0.95)):
        assert latency(found, name) == pytest.approx(np.quantile(run.request_latency_cycles, q), rel=0.03)


@pytest.mark.parametrize("name", presets.runnable())
def test_flows_balance_and_ways_sum_up(name: str) -> None:
    workflow = presets.workflow(name)
    for phase in (None,) if workflow.phases is None else workflow.phases.names:
        found = profile(workflow, phase)
        expected = workflow.visits(phase)
        np.testing.assert_allclose(found.visits, list(expected.values()), rtol=1e-9)
        np.testing.assert_allclose(found.entry + found.visits @ found.routing, found.visits, rtol=1e-6, atol=1e-9)
        n = len(found.visits)
        zero = np.zeros(n)
        stay = Stay(np.ones(n), zero, zero, zero, {}, np.zeros(()))
        in_turn, beside = (float(paths(workflow, phase).through(stay, side_by_side=way)[0]) for way in (False, True))
        assert in_turn == pytest.approx(sum(workflow.demand(phase).values()), rel=0.03)
        assert beside <= in_turn * (1 + 1e-9)
    if workflow.phases is not None:
        np.testing.assert_allclose(mixed(workflow).visits, list(workflow.visits().values()), rtol=1e-9)


def test_the_longest_of_a_fork() -> None:
    for law, mean, var in ((dist.Exponential(10), 15.0, 125.0), (dist.Deterministic(10), 10.0, 0.0)):
        wf = om.Workflow("pair", om.fork(om.task("a", law), om.task("b", law)))
        none = np.zeros(2)
        found = paths(wf, None).through(Stay(np.ones(2), none, none, none, {}, np.zeros(())))
        assert [float(each) for each in found] == pytest.approx([mean, var], rel=1e-3)


def test_awkward_scenarios_are_answered_or_refused() -> None:
    answered = 0
    for seed in range(12):
        made = scenario(seed)
        roomy = om.System(1, 2, tbus=len(made.workflow.tasks) + 2, decision_cycles=seed % 3, queue_slots=seed % 5)
        asked = [(made.system, made.load, made.mapping), (roomy, om.poisson(1e-3), None), (roomy, om.poisson(10.0), None)]
        for hw, load, owners in [*asked, (roomy, om.closed(in_flight=3), None)]:
            try:
                found = om.predict(made.workflow, hw, load=load, placement=owners)
            except ModelError:
                continue
            answered += 1
            through, limit = float(found.throughput_per_cycle), float(found.throughput_bound_per_cycle)
            assert 0.0 < through <= limit * (1 + 1e-9)
            assert not np.isnan(found.latency_cycles).any()
            assert latency(found) >= float(found.latency_bound_cycles) * (1 - 1e-6)
    assert answered >= 30


def test_full_cbus_have_no_steady_state() -> None:
    wf = om.Workflow("w", om.loop(om.task("a", dist.Exponential(100)), again=0.5))
    hw = om.System(1, 1, tbus=8, cbus=1, decision_cycles=400)
    most = 1 / 800
    found = [om.predict(wf, hw, load=om.poisson(share * most, in_flight=None)) for share in (0.5, 2.0)]
    assert [ok(each)[0] for each in found] == [1, 0]
    assert float(found[1].throughput_per_cycle) == pytest.approx(most)


# ---- grids


def test_a_grid_of_rates_is_that_of_single_predictions() -> None:
    workflow, hw = presets.workflow("diamond"), om.System(1, 2, tbus=12)
    rates = np.linspace(0.1, 1.1, 7) * placement(workflow, hw).throughput
    grid = om.predict(workflow, hw, load=om.poisson(1.0), over={"load.rate": rates})
    assert grid.latency_cycles.dims == ("load.rate", "statistic", "bound")
    for i, rate in enumerate(rates.tolist()):
        one, point = om.predict(workflow, hw, load=om.poisson(rate)), grid.isel({"load.rate": i})
        for variable in one.data_vars:
            if one[variable].dtype.kind == "f":
                np.testing.assert_allclose(point[variable], one[variable], rtol=1e-6, err_msg=str(variable))
            else:
                assert (point[variable] == one[variable]).all(), variable
    assert np.isinf(grid.latency_cycles.values[-1]).all() and np.isfinite(grid.latency_cycles.values[:-1]).all()


def test_a_hundred_thousand_rates() -> None:
    rates = np.linspace(0.01, 0.99, 100_000) * placement(LINE, CHIP).throughput
    grid = om.predict(LINE, CHIP, load=om.poisson(1.0, in_flight=None), over={"load.rate": rates}, quantiles=[0.95])
    assert grid.sizes["load.rate"] == 100_000
    assert (np.diff(grid.latency_cycles.sel(statistic="mean", bound="value")) > 0).all()
    np.testing.assert_allclose(grid.throughput_per_cycle, rates)


# ---- the command


def test_command_says_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["predict", "tandem", "--load", "{kind: poisson, rate: 5e-5}"]
    assert main([*words, "--json", "--out", str(tmp_path / "p.nc")]) == 0
    said = json.loads(capsys.readouterr().out)
    hw = presets.hardware("tandem")
    found = om.predict(presets.workflow("tandem"), hw, load=om.poisson(5e-5))
    assert said["latency_cycles"]["p99"]["value"] == latency(found, "p99")
    assert said["latency_cycles"]["mean"] == {
        "value": latency(found),
        "method": "QNA (Whitt 1983)",
        "exactness": "exact",
        "assumptions_ok": True,
    }
    assert [each["task"] for each in said["tasks"]] == found.tb.values.tolist()
    xr.testing.assert_identical(om.load(tmp_path / "p.nc").latency_cycles, found.latency_cycles)
    assert main(words) == 0
    assert "bottleneck: first" in capsys.readouterr().out


def test_command_shows_what_has_no_steady_state(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["predict", "tandem", "--load", "{kind: poisson, rate: 1e-3}"]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "no steady state" in shown and "warning" in shown
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["latency_cycles"]["mean"]["value"] is None
    assert main(["predict", "video_recognition", "--hardware", "chip_64c"]) == 2
    assert "mapping.pipeline" in capsys.readouterr().err


# ---- what comes back, and what is refused


def test_variables_are_registered() -> None:
    for load in (om.closed(), om.poisson(1e-4)):
        found = om.predict(LINE, om.System(2, 2, tbus=3), load=load)
        variables.check(found)
        for name in variables_with_companions(found):
            assert {f"{name}_method", f"{name}_exactness", f"{name}_assumptions_ok"} <= set(found.data_vars)


def variables_with_companions(found: Any) -> list[str]:
    ends = ("_method", "_exactness", "_assumptions_ok")
    return [str(name) for name in found.data_vars if not str(name).endswith(ends) and name != "bottleneck"]


def test_same_question_same_answer() -> None:
    first, second = (om.predict(LINE, CHIP, load=om.poisson(1e-3)) for _ in range(2))
    assert first.identical(second)


MESH = om.System(1, 2, tbus=1)
HEAVY = om.Workflow("heavy", om.task("only", dist.Pareto(1.5, 100)))
BY_TIME = om.Workflow("w", om.task("a", 5), phases=om.phases_by_time([("x", 10), ("y", 10)], y={"a": 9}))


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("policy", lambda: om.predict(ONE, CHIP, "octopus")),
        ("policy", lambda: om.predict(ONE, CHIP, "ideal")),
        ("policy", lambda: om.predict(ONE, CHIP, "statik")),
        ("workflow", lambda: om.predict("one", CHIP)),  # type: ignore[arg-type]
        ("mapping.pipeline", lambda: om.predict(LINE, MESH)),
        ("mapping", lambda: om.predict(ONE, CHIP, placement=mapping.make(ONE, MESH))),
        ("mapping", lambda: om.predict(ONE, CHIP, placement=mapping.make(LINE, CHIP))),
        ("load.kind", lambda: om.predict(ONE, CHIP, load=om.mmpp([1e-3, 1e-4], [1e5, 1e5]))),
        ("load.arrival_cycles", lambda: om.predict(ONE, CHIP, load=om.trace([7, 7, 7]))),
        ("load.period_cycles", lambda: om.predict(ONE, CHIP, load=om.periodic(0))),
        ("load.law", lambda: om.predict(ONE, CHIP, load=om.renewal(dist.Pareto(1.5, 100)))),
        ("load.split", lambda: om.predict(ONE, CHIP, load=om.closed(split=[1, 2]))),
        ("workflow.heavy.only.time", lambda: om.predict(HEAVY, CHIP)),
        ("workflow.phases", lambda: om.predict(BY_TIME, CHIP)),
        ("system.tbu_speed", lambda: om.predict(ONE, CHIP.with_(tbu_speed=(1, 1, 1, 2)))),
        ("quantiles", lambda: om.predict(ONE, CHIP, quantiles=[0.5])),
        ("quantiles[1]", lambda: om.predict(ONE, CHIP, load=om.poisson(1e-3), quantiles=[0.5, 1.0])),
        ("over", lambda: om.predict(ONE, CHIP, over={"load.rate": [1e-3]})),
        ("over", lambda: om.predict(ONE, CHIP, load=om.poisson(1e-3), over={"rows": [1, 2]})),
        ("over.load.rate", lambda: om.predict(ONE, CHIP, load=om.poisson(1e-3), over={"load.rate": [1e-3, 0.0]})),
    ],
)
def test_refused_by_name(path: str, call: Any) -> None:
    with pytest.raises(ModelError) as error:
        call()
    assert error.value.path == path


def test_speeds_and_divided_work_count() -> None:
    wf = om.Workflow("w", om.task("only", dist.Exponential(MEAN), parallel=0.5))
    hw = om.System(1, 1, tbus=1, tbu_speed=2.0, peas=2)
    found = om.predict(wf, hw, load=om.poisson(0.5 / MEAN, in_flight=None))
    assert float(found.latency_bound_cycles) == pytest.approx(MEAN / (2 * 4 / 3))
    assert float(found.station_utilisation[0, 0]) == pytest.approx(0.5 / (2 * 4 / 3))
