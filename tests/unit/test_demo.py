"""The demonstration: its study against the results it is made of, its tables, its files."""

from __future__ import annotations

import math
import os
import re
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import octomodel as om
from octomodel import demo, demo_study, files, presets, report, yaml_io, yaml_text
from octomodel.timed import timed
from octomodel.variables import REGISTRY

REQUESTS = {"video_recognition": 300, "early_exit": 200, "llm_chat_code": 60}
XHTML = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture(scope="module", autouse=True)
def no_data_of_the_user() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OCTOMODEL_DATA", raising=False)
        yield


@pytest.fixture(scope="module")
def study() -> xr.Dataset:
    return demo.compare(demo.Size(REQUESTS, 3))


@pytest.fixture(scope="module")
def single() -> xr.Dataset:
    return demo.compare(demo.Size({"early_exit": 50}, 1))


def result(name: str, policy: str) -> xr.Dataset:
    machine = om.hardware("chip_64c")
    load = presets.load(name, machine, requests=REQUESTS[name])
    return om.simulate(om.workflow(name), machine, policy, load, seed=demo.SEED, replications=3)


def test_the_study_holds_what_the_runs_gave(study: xr.Dataset) -> None:
    assert dict(study.sizes) == {"workflow": 3, "policy": 2, "replication": 3, "cause": 9}
    assert study["workflow"].values.tolist() == list(REQUESTS)
    assert study["policy"].values.tolist() == ["static", "ideal"]
    for name in REQUESTS:
        for policy in demo.POLICIES:
            one, kept = result(name, policy), study.sel(workflow=name, policy=policy)
            for variable in demo_study.COPIED:
                assert kept[variable].values.tolist() == one[variable].values.tolist()
                assert kept[variable].dtype.kind == one[variable].dtype.kind
                assert kept[variable].attrs["description"] == REGISTRY[variable].description
            assert (kept["tbu_cycles"] == one["tbu_cycles"].sum("tbu")).all()
            mean = one["request_latency_cycles"].mean("request").values
            assert kept["latency_mean_cycles"].values == pytest.approx(mean)


def test_the_study_can_be_run_again(study: xr.Dataset) -> None:
    assert (study.attrs["version"], study.attrs["seed"]) == (om.__version__, demo.SEED)
    for name in REQUESTS:
        document = yaml_io.from_dict(yaml_text.parse(study.attrs[f"configuration_{name}"], name), name)
        assert document.workflow is not None and document.hardware is not None and document.load is not None
        again = om.simulate(document.workflow, document.hardware, load=document.load, seed=demo.SEED, requests=REQUESTS[name])
        kept = study["fingerprint"].sel(workflow=name, policy="static", replication=0)
        assert str(again["fingerprint"][0].item()) == str(kept.item())


def test_ideal_wins_and_no_one_beats_the_bound(study: xr.Dataset) -> None:
    assert (study["makespan_cycles"] >= study["fluid_bound_cycles"]).all()
    for name in ("video_recognition", "early_exit"):
        assert demo_study.ratio(study, "makespan_cycles", name, "ideal", "static").value > 1


def test_ratios_are_paired_with_an_interval(study: xr.Dataset) -> None:
    values = study["makespan_cycles"].sel(workflow="early_exit")
    logs = np.log(values.sel(policy="static").values / values.sel(policy="ideal").values)
    found = demo_study.ratio(study, "makespan_cycles", "early_exit", "ideal", "static")
    lo, hi = stats.t.interval(0.95, 2, loc=logs.mean(), scale=stats.sem(logs))
    assert found == pytest.approx((math.exp(logs.mean()), math.exp(lo), math.exp(hi)))


def test_one_replication_has_no_interval(single: xr.Dataset) -> None:
    found = demo_study.ratio(single, "makespan_cycles", "early_exit", "ideal", "static")
    values = single["makespan_cycles"].values.reshape(2)
    assert found.value == pytest.approx(values[0] / values[1])
    assert found.lo is found.hi is None
    assert demo_study.row(single, "early_exit", "ideal")[5] == f"{values[0] / values[1]:.2f}"
    assert "one replication, therefore without intervals" in report.page(single)


def test_shares_and_speed(study: xr.Dataset) -> None:
    shares = demo_study.shares(study)
    assert np.allclose(shares.sum("cause"), 1.0)
    visible = demo_study.causes(study)
    assert visible == [str(cause) for cause in study["cause"].values if float(shares.sel(cause=cause).max()) >= 0.0005]
    assert "own" in visible and "dead" not in visible
    one = study.sel(workflow="early_exit", policy="ideal")
    seconds = float(one["run_seconds"])
    assert 0 < seconds < float(one["wall_seconds"] - one["compile_seconds"])
    speed = demo_study.executions_per_s(study).sel(workflow="early_exit", policy="ideal")
    assert float(speed) == pytest.approx(int(one["executions"].sum()) / seconds)


def test_rows(study: xr.Dataset) -> None:
    cells = dict(zip(demo_study.HEAD, demo_study.row(study, "early_exit", "ideal"), strict=True))
    one = study.sel(workflow="early_exit", policy="ideal")
    assert cells["requests"] == "600"
    assert cells["Mcycles"] == f"{float(one['makespan_cycles'].mean()) / 1e6:,.1f}"
    assert cells["/ bound"] == f"{float((one['makespan_cycles'] / one['fluid_bound_cycles']).mean()):.2f}"
    assert re.fullmatch(r"\d\.\d\d \[\d\.\d\d, \d\.\d\d\]", cells["throughput"])
    assert demo_study.row(study, "early_exit", "static")[5:7] == ("1", "1")
    assert demo_study.split_row(study, "early_exit", "ideal")[0:2] == ("early_exit", "ideal")


def test_a_run_in_which_nothing_ended_has_no_latency() -> None:
    workflow = om.Workflow("slow", om.task("only", 1000))
    machine = om.System(1, 1, tbus=2)
    one = timed(lambda: om.simulate(workflow, machine, load=om.closed(requests=4), horizon=10))
    found = demo_study.study({"slow": {"static": one}}, {})
    assert np.isnan(found["latency_mean_cycles"].item())


def test_timed() -> None:
    workflow, machine = om.Workflow("tiny", om.task("only", 10)), om.System(1, 1, tbus=2)
    one = timed(lambda: om.simulate(workflow, machine, load=om.closed(requests=100), replications=2))
    assert 0 <= one.compile_s <= one.wall_s
    assert 0 < one.run_s <= one.wall_s - one.compile_s
    assert one.executions_per_s == pytest.approx(200 / one.run_s)


def test_the_rate_is_that_of_the_runs_alone() -> None:
    """Neither what happens around the runs, nor another run timed within, counts."""
    workflow, machine = om.Workflow("tiny", om.task("only", 10)), om.System(1, 1, tbus=2)
    inner = []

    def slow() -> xr.Dataset:
        inner.append(timed(lambda: om.simulate(workflow, machine, load=om.closed(requests=100_000))))
        time.sleep(0.5)
        return om.simulate(workflow, machine, "ideal", om.closed(requests=100))

    one = timed(slow)
    assert one.wall_s >= 0.5 + inner[0].wall_s
    assert 0 < one.run_s < inner[0].run_s
    om.simulate(workflow, machine, load=om.closed(requests=100))  # not timed: nothing to add to


def test_main_prints_and_writes(
    study: xr.Dataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sizes = []

    def compare(size: demo.Size) -> xr.Dataset:
        sizes.append(size)
        return study

    monkeypatch.setattr(demo, "compare", compare)
    folder = tmp_path / "new" / "out"
    assert demo.main(["--quick"], folder) == demo.main([], folder) == 0
    assert sizes == [demo.QUICK, demo.FULL]
    assert sorted(os.listdir(folder)) == ["demo.html", "demo.nc"]
    assert xr.testing.assert_identical(files.load(folder / "demo.nc"), study) is None
    assert (folder / "demo.html").read_text() == report.page(study)
    shown = capsys.readouterr().out
    for name in REQUESTS:
        assert re.search(rf"{name} +│ ideal +│ +{REQUESTS[name] * 3:,} ", shown)
        assert re.search(rf"{name} +│ static │ +\d+\.\d% ", shown)
    assert f"{demo.NOTE}\n" in shown
    assert f"written to {folder / 'demo.nc'} and {folder / 'demo.html'}\n" in shown


def test_every_bundled_workflow_is_shown_with_intervals() -> None:
    for size in (demo.FULL, demo.QUICK):
        assert set(size.requests) == set(presets.names("workflow"))
        assert size.replications >= 2


@pytest.mark.parametrize("words", [["--fast"], ["--quick", "--quick"], ["out"]])
def test_main_refuses_other_words(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert demo.main(words) == 2
    assert capsys.readouterr() == ("", "usage: python -m octomodel.demo [--quick]\n")


def test_the_page_is_well_formed_and_alone(study: xr.Dataset) -> None:
    page = report.page(study)
    top = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))
    used = {element.tag.removeprefix(XHTML) for element in top.iter()}
    assert used.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert not re.search(r"\b(href|src|on\w+)=|url\(|@import", page)
    tables = list(top.iter(f"{XHTML}table"))
    cells = [["".join(cell.itertext()) for cell in row] for row in tables[0].iter(f"{XHTML}tr")]
    assert cells[0] == [*demo_study.HEAD, "TBU time"]
    pairs = [(name, policy) for name in REQUESTS for policy in demo.POLICIES]
    assert [tuple(row[:9]) for row in cells[1:]] == [demo_study.row(study, *pair) for pair in pairs]
    split = [tuple("".join(cell.itertext()) for cell in row) for row in tables[1].iter(f"{XHTML}tr")]
    assert split == [
        ("workflow", "policy", *demo_study.causes(study)),
        *(demo_study.split_row(study, *pair) for pair in pairs),
    ]


def test_bars_are_as_long_as_the_shares(study: xr.Dataset) -> None:
    top = ElementTree.fromstring(report.page(study).removeprefix("<!DOCTYPE html>"))
    bars = [svg for svg in top.iter(f"{XHTML}svg") if svg.get("role") == "img"]
    assert len(bars) == 6
    shares = demo_study.shares(study)
    for bar in bars:
        found = re.fullmatch(r"TBU time of (\w+) under (\w+)", bar.get("aria-label", ""))
        assert found
        split = shares.sel(workflow=found[1], policy=found[2])
        end = 0.0
        for part in bar:
            cause = next(name for name, colour in report.COLOURS.items() if colour == part.get("fill"))
            width = float(part.get("width", "nan"))
            assert float(part.get("x", "nan")) == pytest.approx(end, abs=0.02)
            assert width == pytest.approx(float(split.sel(cause=cause)) * report.WIDTH, abs=0.006)
            assert "".join(part.itertext()).startswith(cause)
            end += width
        assert end == pytest.approx(report.WIDTH, abs=0.1)


def test_every_cause_has_a_colour_and_a_meaning(study: xr.Dataset) -> None:
    causes = study["cause"].values.tolist()
    assert list(report.COLOURS) == list(report.MEANING) == causes
    assert len(set(report.COLOURS.values())) == len(causes)


def test_names_are_escaped(single: xr.Dataset) -> None:
    odd = single.assign_coords(workflow=["a<b&c"]).assign_attrs(hardware="<script>alert(1)</script>")
    page = report.page(odd)
    assert "<script" not in page
    top = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))
    assert "a<b&c" in "".join(top.itertext())


def test_a_page_that_cannot_be_written_leaves_what_was_there(
    single: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "demo.html"
    target.write_text("before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        report.write(target, single)
    assert os.listdir(tmp_path) == ["demo.html"]
    assert target.read_text() == "before"
