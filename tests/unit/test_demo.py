"""The demonstration: its study against the results it is made of, its tables, its files."""

from __future__ import annotations

import html
import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import octomodel as om
from octomodel import demo, files, presets, report, study_table, variables, variables_theory
from octomodel.presets import recipe
from octomodel.study import steady
from octomodel.study import study as study_of
from octomodel.timed import timed
from octomodel.variables import REGISTRY
from octomodel.variables_study import DERIVED, SWEPT

REQUESTS = {"video_recognition": 30_000, "early_exit": 36_000, "llm_chat_code": 60}
POLICIES = (*demo.POLICIES, "ideal")
LABELS = {name: name for name in REQUESTS} | {"llm_chat_code": "llm_chat_code (sample)"}
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
    return demo.compare(demo.Size({"early_exit": 36_000}, 1))


def result(name: str, policy: str) -> xr.Dataset:
    machine = om.hardware("chip_64c")
    load = presets.load(name, machine, requests=REQUESTS[name])
    return om.simulate(om.workflow(name), machine, policy, load, seed=demo.SEED, replications=3)


def test_the_study_holds_what_the_runs_gave(study: xr.Dataset) -> None:
    assert study["workflow"].values.tolist() == list(REQUESTS)
    assert study["policy"].values.tolist() == ["static", "reactive", "octopus", "ideal"]
    own = {"executions", "fingerprint", "makespan_cycles", "requests_ended", "tbu_cycles", "link_busy_cycles", "cluster_reloads"}
    for name in REQUESTS:
        for policy in POLICIES:
            one, kept = result(name, policy), study.sel(workflow=name, policy=policy)
            copied = [variable for variable in kept.data_vars if variable in REGISTRY]
            assert own < set(copied)
            for variable in copied:
                assert kept[variable].values.tolist() == one[variable].values.tolist()
                assert kept[variable].dtype.kind == one[variable].dtype.kind
                assert kept[variable].attrs["description"] == REGISTRY[variable].description
            assert kept["latency_cycles"].values == pytest.approx(one.octo.latency().values, nan_ok=True)


def test_every_variable_of_a_study_is_registered(study: xr.Dataset) -> None:
    variables.check(study)
    assert set(variables.STUDY) - {row[0] for row in (*DERIVED, *SWEPT, *variables_theory.OWN)} < set(study.variables)
    with pytest.raises(om.ModelError, match="result variable: got 'speed'"):
        variables.check(study.assign(speed=1.0))


def test_the_study_answers_the_documented_calls(study: xr.Dataset, tmp_path: Path) -> None:
    files.save(study, tmp_path / "demo.nc")
    found = om.load(tmp_path / "demo.nc")
    assert (tmp_path / "demo.nc").stat().st_size < 1_000_000
    assert max(len(str(value)) for value in found.attrs.values()) < 20_000
    traced = found.attrs["configuration_llm_chat_code"]
    assert "sha256" in traced and "arrival_cycles" not in traced
    assert found.octo.time_split().dims == ("workflow", "policy", "cause")
    assert found.octo.time_split("cluster").sizes["cluster"] == 64
    for name in REQUESTS:
        for policy in POLICIES:
            one, kept = result(name, policy).octo, found.sel(workflow=name, policy=policy).octo
            assert kept.summary() == one.summary()
            assert kept.latency([0.5]).equals(one.latency([0.5]))
            assert kept.latency([0.5]).attrs["warmup_requests"] == one.latency([0.5]).attrs["warmup_requests"]
    said = r"several workflows and policies .*ds.sel\(workflow='video_recognition', policy='static'\).octo"
    for call in (found.octo.summary, found.octo.latency):
        with pytest.raises(ValueError, match=said):
            call()
    with pytest.raises(ValueError, match=r"several workflows \(.*\); allowed: one, as in ds.sel\(workflow='video_recognition'\)"):
        found.sel(policy="ideal").octo.summary()
    one = found.sel(workflow="early_exit", policy="ideal").octo
    with pytest.raises(ValueError, match="quantiles: got p90; allowed: mean, p50, p95, p99, those that a study keeps"):
        one.latency([0.9])
    with pytest.raises(ValueError, match="milestone: got 'first'; allowed: none"):
        one.latency(milestone="first")


def test_one_replication_of_a_study_answers_as_one_run(study: xr.Dataset) -> None:
    found = study.sel(workflow="early_exit", policy="static", replication=1).octo.summary()
    assert found["fingerprint"] == str(result("early_exit", "static")["fingerprint"][1].item())
    assert found["requests"] == REQUESTS["early_exit"]
    assert found["warnings"][0] == "latency: of all replications, not only of the selected one"  # type: ignore[index]


def test_the_study_can_be_run_again(study: xr.Dataset) -> None:
    assert (study.attrs["version"], study.attrs["seed"]) == (om.__version__, demo.SEED)
    for name in REQUESTS:
        document = recipe.read(study.attrs[f"configuration_{name}"], name)
        assert document.workflow is not None and document.hardware is not None and document.load is not None
        again = om.simulate(document.workflow, document.hardware, load=document.load, seed=demo.SEED)
        kept = study["fingerprint"].sel(workflow=name, policy="static", replication=0)
        assert str(again["fingerprint"][0].item()) == str(kept.item())


def test_the_steady_part_of_a_closed_load() -> None:
    """Two pipelines with one request each in flight; the second one admits its last request at cycle 60."""
    arrival = np.array([0, 0, 10, 20, 30, 60, 90, 60])
    latency = np.array([10, 20, 20, 40, 60, 10, 10, 50])
    ends = arrival + latency
    found = steady(arrival, latency, 2)
    inside = (ends > 30) & (ends <= 60)
    assert inside.sum() == 1
    assert found[:4] == (30, 60, 1 / 30, 40.0) and found.warning.startswith("run too short: 1 requests end")
    assert steady(arrival, latency, 2, open_load=True) == (0, 110, 8 / 110, float(latency.mean()), "")
    late = np.where(arrival == 90, -1, latency)
    assert steady(arrival, late, 2, open_load=True).throughput == 7 / 110
    assert all(np.isnan(steady(np.zeros(4, dtype=np.int64), latency[:4], 2)[2:4]))


def test_the_study_compares_the_steady_parts(study: xr.Dataset) -> None:
    for name in REQUESTS:
        for policy in POLICIES:
            one, kept = result(name, policy), study.sel(workflow=name, policy=policy)
            arrival, latency = one["request_arrival_cycles"].values, one["request_latency_cycles"].values
            for run in range(3):
                if name == presets.TRACED:
                    expected = steady(arrival[run], latency[run], one.sizes["pipeline"], open_load=True)
                    assert expected.end == int(one["makespan_cycles"][run])
                else:
                    expected = steady(arrival[run], latency[run], one.sizes["pipeline"])
                    assert 0 < expected.end < int(one["makespan_cycles"][run])
                names = ("from_cycles", "to_cycles", "throughput_per_cycle", "latency_cycles")
                assert tuple(float(kept[f"steady_{part}"][run]) for part in names) == pytest.approx(expected[:4])
                assert str(kept["steady_warning"].values[run]) == expected.warning == ""
    for of, name in (("throughput", "throughput_per_cycle"), ("latency", "latency_cycles")):
        part = study[f"steady_{name}"].sel(workflow="video_recognition")
        ratio = part.sel(policy="ideal") / part.sel(policy="static")
        found = study.octo.speedup("static", of=of)["speedup"].sel(workflow="video_recognition", policy="ideal", bound="value")
        assert float(found) == pytest.approx(float(stats.gmean(ratio)) ** (1 if of == "throughput" else -1))


def test_the_short_form_agrees_with_a_third_of_the_full_one() -> None:
    third = demo.Size({name: demo.FULL.requests[name] for name in ("video_recognition", "early_exit")}, 2)
    short = demo.Size({name: demo.QUICK.requests[name] for name in third.requests}, 3)
    found, other = (demo.compare(size).octo.speedup("static")["speedup"].sel(bound="value") for size in (short, third))
    assert not np.isnan(found).any() and not np.isnan(other).any()
    assert found.values == pytest.approx(other.values, rel=0.08)


def test_ideal_wins_and_no_one_beats_the_bound(study: xr.Dataset) -> None:
    assert (study["makespan_cycles"] >= study["fluid_bound_cycles"]).all()
    for name in ("video_recognition", "early_exit"):
        mean = study["makespan_cycles"].sel(workflow=name).mean("replication")
        assert float(mean.sel(policy="ideal")) == float(mean.min())


def test_one_replication_has_no_interval(single: xr.Dataset) -> None:
    cells = study_table.row(single, "early_exit", "ideal")
    assert all(re.fullmatch(r"\d\.\d\d", cell) for cell in cells[2:5])
    assert "one replication, therefore without intervals" in report.page(single)


def test_shares_and_speed(study: xr.Dataset) -> None:
    shares = study_table.shares(study)
    assert np.allclose(shares.sum("cause"), 1.0)
    visible = study_table.causes(study)
    assert visible == [str(cause) for cause in study["cause"].values if float(shares.sel(cause=cause).max()) >= 0.0005]
    assert "own" in visible and "dead" not in visible
    one = study.sel(workflow="early_exit", policy="ideal")
    seconds = float(one["run_seconds"])
    speed = study_table.executions_per_s(study).sel(workflow="early_exit", policy="ideal")
    assert float(speed) == pytest.approx(int(one["executions"].sum()) / seconds)


def test_rows(study: xr.Dataset) -> None:
    cells = dict(zip(study_table.head(study), study_table.row(study, "early_exit", "ideal"), strict=True))
    one = study.sel(workflow="early_exit", policy="ideal")
    assert cells["requests"] == f"{3 * REQUESTS['early_exit']:,}"
    assert cells["of fluid\nbound"] == f"{float((one['fluid_bound_cycles'] / one['makespan_cycles']).mean()):.0%}"
    for title, baseline, of in (
        ("throughput\nx static", "static", "throughput"),
        ("throughput\nx reactive", "reactive", "throughput"),
        ("latency\nx static", "static", "latency"),
    ):
        found = study.octo.speedup(baseline, of=of)["speedup"].sel(workflow="early_exit", policy="ideal")
        value, lo, hi = found.values.tolist()
        assert cells[title] == f"{value:.2f} ± {(hi - lo) / 2:.2f}"
    assert study_table.row(study, "early_exit", "static")[2] == "1"
    assert study_table.row(study, "llm_chat_code", "static")[0] == "llm_chat_code (sample)"
    assert study_table.split_row(study, "early_exit", "ideal")[0:2] == ("early_exit", "ideal")


def test_a_run_in_which_nothing_ended_has_no_latency() -> None:
    workflow = om.Workflow("slow", om.task("only", 1000))
    machine = om.System(1, 1, tbus=2)
    one = timed(lambda: om.simulate(workflow, machine, load=om.closed(requests=4), horizon=10))
    found = study_of({"slow": {"static": one}}, {"baseline": "other"})
    assert np.isnan(found["steady_latency_cycles"].item()) and np.isnan(found["steady_throughput_per_cycle"].item())
    assert np.isnan(found["latency_cycles"]).all()
    assert found.sel(workflow="slow", policy="static").octo.summary()["latency"]["mean"] is None


def test_a_run_too_short_for_a_steady_part_says_so() -> None:
    found = demo.compare(demo.Size({"early_exit": 50}, 2))
    assert set(study_table.row(found, "early_exit", "ideal")[2:5]) == {"too short"}


def test_timed() -> None:
    workflow, machine = om.Workflow("tiny", om.task("only", 10)), om.System(1, 1, tbus=2)
    one = timed(lambda: om.simulate(workflow, machine, load=om.closed(requests=100), replications=2))
    assert 0 <= one.compile_s <= one.wall_s and 0 < one.run_s <= one.wall_s - one.compile_s
    assert one.executions_per_s == pytest.approx(200 / one.run_s)


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
    for name, label in LABELS.items():
        speedup = study_table.row(study, name, "ideal")[2]
        assert re.search(rf"{re.escape(label)} +│ ideal +│ +{re.escape(speedup)} ", shown)
        assert re.search(rf"{re.escape(label)} +│ static +│ +\d+\.\d% ", shown)
    assert max(map(len, shown.split("written to")[0].splitlines())) <= 120
    assert f"written to {folder / 'demo.nc'} and {folder / 'demo.html'}\n" in shown
    shown = " ".join(shown.split())
    assert demo.NOTE in shown
    assert "llm_chat_code follows a bundled sample of 500 requests made by us, not measured; OCTOMODEL_DATA=FOLDER" in shown
    assert "being twice its requests per cycle" in shown and "no bound: another order of work may be faster" in shown
    assert "starved: idle for less than one epoch; surplus: idle for longer" in shown


def test_bundled_workflows_are_shown_with_intervals() -> None:
    for size in (demo.FULL, demo.QUICK):
        assert set(size.requests) <= set(presets.names("workflow"))
        assert size.replications >= 2


@pytest.mark.parametrize("words", [["--fast"], ["--quick", "--quick"], ["out"]])
def test_main_refuses_other_words(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert demo.main(words) == 2
    assert capsys.readouterr() == ("", "usage: python -m octomodel.demo [--quick]\n")


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_names_the_switches(capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert demo.main([word]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("--quick", "OCTOMODEL_DATA", "OCTOMODEL_THREADS"))


def test_the_page_is_well_formed_and_alone(study: xr.Dataset) -> None:
    page = report.page(study)
    top = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))
    used = {element.tag.removeprefix(XHTML) for element in top.iter()}
    assert used.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert not re.search(r"\b(href|src|on\w+)=|url\(|@import", page)
    tables = list(top.iter(f"{XHTML}table"))
    cells = [["".join(cell.itertext()) for cell in row] for row in tables[0].iter(f"{XHTML}tr")]
    assert cells[0] == [title.replace("\n", "") for title in study_table.head(study)]
    pairs = [(name, policy) for name in REQUESTS for policy in POLICIES]
    assert [tuple(row) for row in cells[1:]] == [study_table.row(study, *pair) for pair in pairs]
    split = [tuple("".join(cell.itertext()) for cell in row) for row in tables[1].iter(f"{XHTML}tr")]
    assert split == [
        ("workflow", "policy", *study_table.causes(study)),
        *(study_table.split_row(study, *pair) for pair in pairs),
    ]
    assert html.escape(study.attrs["trace"]) in page


def test_the_page_fits_any_width(study: xr.Dataset) -> None:
    """What has a width of its own scrolls by itself; everything else is at most as wide as the page."""
    page = report.page(study)
    top = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))
    scrolled = {table for each in top.iter(f"{XHTML}div") if each.get("class") == "scroll" for table in each}
    assert scrolled == set(top.iter(f"{XHTML}table"))
    style = "".join(top.find(f".//{XHTML}style").itertext())  # type: ignore[union-attr]
    assert ".scroll { overflow-x: auto;" in style
    assert "svg { display: block; width: 100% }" in style
    assert not any(svg.get("width") for svg in top.iter(f"{XHTML}svg"))
    assert not re.search(r"(?<![-\w])(min-width|width): (?!100%|14px)", style)
    assert any(each.get("name") == "viewport" for each in top.iter(f"{XHTML}meta"))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def test_text_on_the_bars_can_be_read() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for fill, ink in (*report.COLOURS.values(), *report.DARK.values()):
        assert contrast(fill, ink) >= 4.5, (fill, ink)


def test_the_page_has_a_dark_form(single: xr.Dataset) -> None:
    page = report.page(single)
    dark = page[page.index("@media (prefers-color-scheme: dark)") :]
    assert all(f".{cause} {{ --fill: {fill}; --ink: {ink} }}" in dark for cause, (fill, ink) in report.DARK.items())


def test_bars_are_as_long_as_the_shares(study: xr.Dataset) -> None:
    top = ElementTree.fromstring(report.page(study).removeprefix("<!DOCTYPE html>"))
    bars = [svg for svg in top.iter(f"{XHTML}svg") if svg.get("role") == "img"]
    assert len(bars) == 12
    shares = study_table.shares(study)
    for bar in bars:
        said = re.fullmatch(r"TBU time of (\w+) under (\w+): (.*)", bar.get("aria-label", ""))
        assert said
        split = shares.sel(workflow=said[1], policy=said[2])
        end, words = 0.0, []
        for part in bar:
            cause, share = part.get("class", ""), float(split.sel(cause=part.get("class", "")))
            words.append(f"{cause} {share:.1%}")
            title, rect, *text = part
            assert title.text == words[-1]
            assert float(rect.get("x", "").removesuffix("%")) == pytest.approx(end, abs=0.01)
            assert float(rect.get("width", "").removesuffix("%")) == pytest.approx(100 * share, abs=0.001)
            shown = f"{cause} {share:.0%}" if share >= report.NAME else f"{share:.0%}"
            assert [each.text for each in text] == ([shown] if share >= report.NUMBER else [])
            end += 100 * share
        assert said[3] == ", ".join(words)
        assert end == pytest.approx(100)


def test_every_cause_has_a_colour_and_a_meaning(study: xr.Dataset) -> None:
    causes = study["cause"].values.tolist()
    assert list(report.COLOURS) == list(report.MEANING) == causes
    assert len(set(report.COLOURS.values())) == len(causes)
    assert (report.MEANING["starved"], report.MEANING["surplus"]) == ("idle for less than one epoch", "idle for longer")


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
