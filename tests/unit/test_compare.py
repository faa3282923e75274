"""compare(): policies that face the same work, speed-ups with intervals, verdicts, and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import octomodel as om
from octomodel import cli, dist
from octomodel.cli_compare import figures
from octomodel.comparison import enough
from octomodel.errors import ModelError
from octomodel.placement import placement
from octomodel.policies import Policy, named
from octomodel.sampling import SAMPLES, stride
from octomodel.study import steady
from octomodel.study_table import idle_row

LINE = om.Workflow("line", om.task("a", dist.Gamma(mean=90, cv=0.8)), om.task("b", dist.Gamma(mean=60, cv=0.8)))
TURN = om.Workflow("turn", om.branch({"p": 0.5, "q": 0.5}, p=om.task("x", 200), q=om.task("y", 100)))
CHIP = om.System(1, 2, tbus=4, epoch_cycles=500, switch_cycles=2, reload_cycles=30)


@pytest.fixture(scope="module")
def study() -> xr.Dataset:
    return om.compare([LINE, TURN], CHIP, ["static", "reactive", named("octopus").with_(band=0.2)], replications=4)


def test_each_part_is_what_simulate_gives(study: xr.Dataset) -> None:
    assert study.policy.values.tolist() == ["static", "reactive", "octopus", "ideal"]
    for workflow in (LINE, TURN):
        load = om.closed(requests=enough(workflow, CHIP))
        for policy in ("static", named("octopus").with_(band=0.2), "ideal"):
            one = om.simulate(workflow, CHIP, policy, load, seed=1, replications=4)
            name = policy if isinstance(policy, str) else policy.name
            kept = study.sel(workflow=workflow.name, policy=name)
            assert kept.fingerprint.values.tolist() == one.fingerprint.values.tolist()
    assert json.loads(study.attrs["parameters"])["octopus"]["band"] == 0.2


def test_speed_ups_are_paired_ratios_with_an_interval(study: xr.Dataset) -> None:
    found = study.octo.speedup("reactive")
    assert found.speedup.dims == ("workflow", "policy", "bound") and found.attrs == {"baseline": "reactive", "of": "throughput"}
    measured = study.steady_throughput_per_cycle
    for name in ("line", "turn"):
        for policy in ("static", "octopus", "ideal"):
            one, base = (measured.sel(workflow=name, policy=each).values for each in (policy, "reactive"))
            logs = np.log(one / base)
            lo, hi = stats.t.interval(0.95, 3, loc=logs.mean(), scale=stats.sem(logs))
            wanted = np.exp([logs.mean(), lo, hi])
            assert found.speedup.sel(workflow=name, policy=policy).values == pytest.approx(wanted)
    itself = found.speedup.sel(policy="reactive").values
    assert np.all(itself == 1.0)


def test_why_tbus_are_idle_is_told(study: xr.Dataset) -> None:
    """As the attribution of the same runs with the same samples has it, a replication at a time."""
    load = om.closed(requests=enough(LINE, CHIP))
    between = stride(LINE, CHIP, load, None)
    one = om.simulate(LINE, CHIP, "static", load, seed=1, replications=4, epochs=SAMPLES, epoch_stride=between)
    kept = study.contagion_depth.sel(workflow="line", policy="static")
    for place in range(4):
        alone = one.isel(replication=[place]).octo.attribution().contagion_depth
        assert kept.isel(replication=place).values == pytest.approx(alone.values, nan_ok=True)
    assert float(kept.sel(idleness="starved").min()) >= 1 and np.isnan(study.contagion_depth.sel(policy="ideal")).all()


def test_counts_are_each_told_as_what_they_are(study: xr.Dataset) -> None:
    """In the table and in JSON: means over the four replications of the sums over the two clusters."""
    counts = {"reloads": 10, "background_loads": 200, "wasted_reloads": 3_000, "moved_bytes": 4_000_000}
    names = {f"cluster_{name}": value for name, value in counts.items()}
    known = study.sel(workflow=["line"]).assign_attrs(hardware="chip")
    known = known.assign({name: known[name].copy(data=np.full(known[name].shape, value)) for name, value in names.items()})
    assert idle_row(known, "line", "octopus")[3:] == ("20", "400", "6,000", "8.0")
    depth = known.contagion_depth.sel(workflow="line", policy="static").mean("replication")
    assert idle_row(known, "line", "static")[1] == f"{float(depth.sel(idleness='starved')):.2f}"
    told = figures(known)["policies"]["octopus"]
    assert (told["wasted_reloads"], told["bytes_moved"]) == (6_000, 8_000_000)


@pytest.mark.parametrize(
    "load",
    [
        om.poisson(rate=1e-4, requests=300),
        om.periodic(period_cycles=10_000, requests=300),
        om.renewal(dist.Gamma(mean=10_000, cv=2), requests=300),
        om.mmpp([2e-4, 0], [1e5, 1e5], requests=300),
        om.trace([10_000 * number for number in range(1, 301)]),
    ],
)
def test_samples_are_spread_over_the_arrivals(load: om.load.Load) -> None:
    """3,000,000 cycles of 500 and 24 samples."""
    assert stride(LINE, CHIP, load, None) == 3_000_000 // (24 * 500)


def test_samples_are_spread_over_a_hot_spot() -> None:
    even, hot = (stride(LINE, CHIP, om.closed(4_000, split=split), None) for split in ("even", [3, 1]))
    assert hot == pytest.approx(1.5 * even, abs=1)
    nothing = om.Workflow("nothing", om.task("a", 0))
    assert stride(nothing, CHIP, om.closed(4_000), None) == stride(LINE, CHIP, om.closed(), None) == 1


def test_latency_is_the_other_way_round(study: xr.Dataset) -> None:
    one = study.sel(workflow="line")
    found = one.octo.speedup("static", of="latency").speedup.sel(policy="ideal", bound="value")
    ratio = one.steady_latency_cycles.sel(policy="static") / one.steady_latency_cycles.sel(policy="ideal")
    assert float(found) == pytest.approx(float(stats.gmean(ratio)))


def test_a_run_too_short_has_no_speed_up_and_says_why() -> None:
    found = om.compare(LINE, CHIP, ["static"], requests=40, replications=2).octo.speedup("static")
    assert np.isnan(found.speedup).all()
    assert all(str(text).startswith("run too short: ") for text in found.speedup_warning.values.ravel())


def test_a_trend_is_a_run_too_short() -> None:
    """One pipeline, two requests in flight: it does ever less."""
    each = np.floor(10 * 1.02 ** np.arange(200)).astype(np.int64)
    begin = np.concatenate([[0], np.cumsum(each)])[:-1]
    found = steady(np.repeat(begin, 2), np.repeat(each, 2), 1)
    assert "requests end in the first half and" in found.warning
    even = steady(np.repeat(np.arange(100) * 10, 2), np.full(200, 10), 1)
    assert even.warning == "" and even.throughput == pytest.approx(0.2, rel=0.02)


def test_one_replication_has_a_value_and_no_interval() -> None:
    found = om.compare(LINE, CHIP, ["static"], replications=1).octo.speedup("static").speedup.sel(policy="ideal")
    assert found.sel(bound="value") > 1 and np.isnan(found.sel(bound=["lo", "hi"])).all()


def test_an_open_load_is_measured_as_a_whole() -> None:
    found = om.compare(LINE, CHIP, ["static"], om.poisson(rate=0.01, requests=2_000), replications=2)
    assert (found.steady_from_cycles == 0).all()
    assert found.steady_to_cycles.values.tolist() == found.makespan_cycles.values.tolist()


def nothing(view: Any, tbu: int) -> int:
    return -1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], CHIP), r"workflow: got \[\]"),
        (([LINE, LINE], CHIP), "workflow: got 'line'; allowed: each name once"),
        ((LINE, CHIP, []), r"policies: got \[\]; allowed: at least one policy"),
        ((LINE, CHIP, ["static", Policy("static", dispatch=nothing)]), "policies: got 'static'; allowed: each name once"),
        ((LINE, CHIP, ["statik"]), "policy: got 'statik'; allowed: did you mean 'static'"),
        ((LINE, CHIP, ["static"], {"other": om.closed(5)}), r"load: got \['other'\]; allowed: a load for 'line'"),
        ((LINE, CHIP, ["static"], 3), "load: got 3; allowed: a load"),
        (([TURN, LINE], om.System(1, 1, tbus=1)), "mapping: got '1 live TBUs"),
    ],
)
def test_what_is_refused_before_anything_runs(arguments: Any, message: str) -> None:
    with pytest.raises(ModelError, match=f"^{message}"):
        om.compare(*arguments)


def test_what_has_no_speed_up(study: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="baseline: got 'jsq'; allowed: a policy of a study, here one of "):
        study.octo.speedup("jsq")
    with pytest.raises(ValueError, match="of: got 'power'"):
        study.octo.speedup("static", of="power")
    with pytest.raises(ValueError, match="baseline: got 'static'"):
        om.simulate(LINE, CHIP, load=om.closed(requests=9)).octo.speedup("static")


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["compare", "tandem", "--hardware", "chip_64c", "--set", "rows=1", "--set", "cols=1", "--replications", "2"]
    words += ["--load", "closed"]
    out = tmp_path / "study.nc"
    assert cli.main([*words, "--json", "--out", str(out), "--policies", "static, octopus"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed["policies"]) == ["static", "octopus", "ideal"] and printed["replications"] == 2
    found = om.load(str(out)).sel(workflow="tandem")
    for name, each in printed["policies"].items():
        assert sum(each["time_split"].values()) == pytest.approx(1)
        assert 0 < each["bounds"]["fluid_bound"] <= 1 and each["bytes_moved"] >= 0
        assert each["speedup_reactive"] is None
        kept = found.octo.speedup("static").speedup.sel(policy=name).values.tolist()
        assert list(each["speedup_static"].values()) == pytest.approx(kept)
        assert each["fingerprint"] == found.fingerprint.sel(policy=name).values.tolist()
        assert each["efficiency_vs_ideal"]["mean"] <= 1
        assert all(depth >= 1 for depth in each["contagion_depth"].values() if depth is not None)
        assert each["wasted_reloads"] == found.cluster_wasted_reloads.sel(policy=name).sum("cluster").mean().item()
    assert printed["policies"]["static"]["contagion_depth"]["blocked"] >= 1
    assert printed["policies"]["ideal"]["contagion_depth"] == {"starved": None, "blocked": None}
    assert cli.main([*words, "--requests", "60"]) == 0
    text = capsys.readouterr()
    assert "tandem on chip_64c, 2 replications" in text.out and "too short" in text.out
    assert "why TBUs are idle, and what rebalancing costs" in text.out
    assert "octomodel: warning: static: run too short: " in text.err
    assert cli.main(["compare", "tandem", "--hardware", "chip_64c", "--policies", "octopos"]) == 2
    assert "did you mean 'octopus'" in capsys.readouterr().err


def test_theory_beside_simulation(capsys: pytest.CaptureFixture[str]) -> None:
    rate = 0.5 * placement(om.workflow("tandem"), om.hardware("edge_6c")).throughput
    words = ["compare", "tandem", "--hardware", "edge_6c", "--load", f"{{kind: poisson, rate: {rate}}}", "--requests", "20000"]
    words += ["--replications", "3", "--policies", "static", "--theory"]
    assert cli.main([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["theory"]
    assert list(said) == ["throughput_per_cycle", "latency_mean_cycles"]
    for each in said.values():
        assert each["assumptions_ok"] and each["error"] == pytest.approx(each["theory"] / each["simulated"] - 1)
    assert abs(said["throughput_per_cycle"]["error"]) < 0.02 and abs(said["latency_mean_cycles"]["error"]) < 0.1
    assert cli.main(words) == 0
    assert "queueing theory beside the steady part" in capsys.readouterr().out
    assert cli.main(["compare", "tandem", "--hardware", "chip_64c", "--policies", "jsq", "--theory"]) == 2
    assert "--theory: got 'jsq'; allowed: with static among --policies" in capsys.readouterr().err


def test_theory_without_an_answer_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "video_recognition", "--hardware", "multichiplet_36", "--requests", "50", "--replications", "1"]
    assert cli.main([*words, "--policies", "static", "--theory"]) == 0
    assert "theory has no answer: " in capsys.readouterr().out


def test_enough_is_bounded_and_holds_cycles_of_phases() -> None:
    assert enough(LINE, CHIP) == 1_000 and enough(LINE, CHIP.with_(rows=10)) == 12 * 4 * 80
    assert enough(LINE, CHIP.with_(rows=100, cols=100)) == 1_920_000
    phased = om.Workflow("phased", om.task("a", 1), phases=om.phases_by_request([("p", 300), ("q", 300)]))
    assert enough(phased, CHIP) == 20 * 600
