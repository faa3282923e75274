"""The study: what it runs, and that its page says what its results say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import octomodel as om
from octomodel.evaluation import chapters, plan
from octomodel.evaluation.__main__ import main
from octomodel.evaluation.page import page
from octomodel.evaluation.page_dynamic import dynamic
from octomodel.evaluation.page_strategies import TEXTS, measured, troubles
from octomodel.evaluation.plan import COMBINATIONS, Part, Size
from octomodel.evaluation.tables import DIM, paired, ratio

SMALL = om.System(1, 2, tbus=5, epoch_cycles=2_000)
WORKFLOW = om.workflow("tandem")


def part(chapter: str, over: dict[str, list[object]], policies: tuple[str, ...], name: str = "") -> Part:
    return Part(chapter, "small", WORKFLOW, SMALL, over, policies, om.closed(requests=1_500), name)


def turning() -> Part:
    """Of two phases, of which one is slower than the other."""
    turn = om.branch({"p": 0.3, "q": 0.7}, p=om.task("x", 900), q=om.task("y", 600), name="turn")
    phases = om.phases_by_request([("slow", 300), ("fast", 300)], slow={"turn": {"p": 0.9, "q": 0.1}})
    workflow = om.Workflow("turning", turn, phases=phases)
    over = {plan.STRATEGIES: list(COMBINATIONS)}
    return Part("rivals", "small", workflow, SMALL, over, plan.RIVALS, om.closed(3_000), epochs=400)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Part, xr.Dataset]]:
    folder = tmp_path_factory.mktemp("study")
    size = Size((), 2, 1.0)
    parts = [
        part("rivals", {plan.STRATEGIES: list(COMBINATIONS)}, plan.RIVALS),
        part("sweeps", {"tbu.switch_cycles": [0, 40]}, ("static", "reactive", "octopus"), "switch"),
        part("load", {}, ("static", "reactive", "octopus", "ideal"), "0.5"),
        part("scale", {"policy.diffusion": [0.0, 0.9]}, ("static", "octopus"), "even"),
        part("dynamic", {}, ("static", "reactive", "octopus", "ideal"), "0.5_0.8_300"),
        turning(),
        *chapters.profiles(turning()),
        replace(chapters.tuning(turning()), over={"policy.threshold": [1.5, 4.0], "epoch_cycles": [1_000, 8_000]}),
    ]
    found = {each.file: (each, plan.run(each, folder, size, jobs=1)) for each in parts}
    best = chapters.tuned(parts[-1], found[parts[-1].file][1], plan.SEED)
    return found | {best.file: (best, plan.run(best, folder, size, jobs=1))}


def test_the_page_says_what_the_results_say(results: dict[str, tuple[Part, xr.Dataset]]) -> None:
    text = page(results, [("tiny", "large", "too few TBUs")], 2)
    assert max(map(len, text.splitlines())) < 300 and "- large on tiny: too few TBUs" in text
    found = results["rivals-small-tandem.nc"][1]
    one = found.sel({DIM: "1,1,1"})
    logs = np.log(one.steady_throughput_per_cycle.sel(policy="octopus") / one.steady_throughput_per_cycle.sel(policy="static"))
    value = float(np.exp(logs.mean()))
    row = re.search(r"\| tandem \| small \|(.*)\|", text)
    assert row is not None and f"{value:.2f} ± " in row[1].split("|")[3]
    for title in ("What each strategy is worth", "Where the time", "Costs, epochs", "Open loads", "Scale, hot spots"):
        assert f"## {title}" in text
    for title in ("The three troubles", "`reactive` tuned", "What the compiler believed", "How dynamic the workflow is"):
        assert f"## {title}" in text


def test_the_tuned_rival_is_the_best_of_the_search(results: dict[str, tuple[Part, xr.Dataset]]) -> None:
    search, best = results["tuning-small-turning.nc"][1], results["tuned-small-turning.nc"][0]
    assert search.sizes["replication"] == 1 and best.seed == plan.SEED
    point = {name: values[0] for name, values in best.over.items()}
    rate = search.throughput_per_cycle.sel(policy="reactive")
    assert rate.sel(point).item() == rate.max().item()


def test_profiles_are_the_average_the_first_and_the_slowest_phase(results: dict[str, tuple[Part, xr.Dataset]]) -> None:
    one, found = results["profile-small-turning.nc"]
    assert one.over == {"profile": [None, "slow"]}
    static = found.sel(policy="static")
    assert static.fingerprint.isel(profile=0).values.tolist() != static.fingerprint.isel(profile=1).values.tolist()
    rivals = results["rivals-small-turning.nc"][1].sel({"policy": "static", DIM: "1,1,1"})
    assert paired(static.isel(profile=0), rivals) == (1.0, 0.0)


def test_measures_of_troubles(results: dict[str, tuple[Part, xr.Dataset]]) -> None:
    found = results["rivals-small-turning.nc"][1]
    static, octopus = measured(found, "static"), measured(found, "octopus")
    assert static["loads"] == static["moved"] == 0 and np.isnan(static["wasted"])
    assert octopus["idle"] < static["idle"]
    one = found.sel({DIM: "1,1,1", "policy": "reactive"})
    shares = one.time_share.sel(cause=["blocked", "starved", "surplus"]).sum("cause")
    assert measured(found, "reactive")["idle"] == pytest.approx(100 * shares.mean().item())
    assert static["starved"] >= 1 and 0 <= octopus["balanced"] <= 100


def test_each_strategy_is_judged_by_its_measures(results: dict[str, tuple[Part, xr.Dataset]]) -> None:
    rivals = [results[f"rivals-small-{name}.nc"] for name in ("tandem", "turning")]
    lines = [line.strip("| ").split(" | ") for line in troubles(rivals) if line.startswith(("| DDS", "| ATS", "| PCS"))]
    without = dict(zip(("DDS", "ATS", "PCS"), TEXTS[1:4], strict=True))
    assert [line[:2] for line in lines if line[1] == "idle"] == [["ATS", "idle"], ["PCS", "idle"]]
    judged = 0
    for strategy, measure, better, worse in lines:
        for part, found in rivals:
            on, off = measured(found, "octopus")[measure], measured(found, "octopus", without[strategy])[measure]
            name = part.workflow.name
            assert (name in better.split(", "), name in worse.split(", ")) == (on < off, on > off)
            judged += on != off
    assert judged >= 4


def test_where_the_numbers_of_the_paper_lie(results: dict[str, tuple[Part, xr.Dataset]]) -> None:
    part, found = results["dynamic-small-tandem-0.5_0.8_300.nc"]
    faster = found["steady_throughput_per_cycle"].copy()
    for policy, factor in (("static", 1.0), ("reactive", 2.0), ("octopus", 5.0)):
        faster.loc[{"policy": policy}] = factor
    calm = found.steady_warning.copy(data=np.full(found.steady_warning.shape, ""))
    lines = list(dynamic([(part, found.assign(steady_throughput_per_cycle=faster, steady_warning=calm))]))
    over = [line for line in lines if line.startswith("Over ")]
    assert over[0].startswith("Over `static`: from 5.00 (cv 0.5, shift 0.8, 300 requests) to 5.00")
    assert "mean of 2.50 is reached in 1 of 1 cells: cv 0.5, shift 0.8, 300 requests; its maximum of 4.26 in 1." in over[0]
    assert "mean of 2.50 is reached in 1 of 1 cells" in over[1] and "maximum of 4.26 in 0." in over[1]


def test_the_workflow_that_varies() -> None:
    still, moving = chapters.varying(0, 0, 300), chapters.varying(1.5, 0.8, 300)
    assert still.phases is None and moving.phases is not None
    assert list(moving.demand("norths").values()) == pytest.approx([50_000, 255_000, 15_000, 15_000, 15_000, 50_000])
    assert list(moving.demand("wests").values()) == pytest.approx([50_000, 15_000, 15_000, 15_000, 255_000, 50_000])


def test_a_short_run_has_no_ratio(results: dict[str, tuple[Part, xr.Dataset]]) -> None:
    found = results["rivals-small-tandem.nc"][1]
    here, base = ({"policy": name, DIM: "1,1,1"} for name in ("octopus", "static"))
    assert ratio(found, here, base) is not None
    for name in ("steady_warning", "point_error"):
        said = found[name].copy(data=np.full(found[name].shape, "run too short"))
        assert ratio(found.assign({name: said}), here, base) is None


def test_the_study_runs_what_fits() -> None:
    parts, misfits = chapters.parts(plan.FULL)
    names = [each.file for each in parts]
    assert len(set(names)) == len(names)
    rivals = {(each.machine, each.workflow.name) for each in parts if each.chapter == "rivals"}
    assert len(rivals) + len(misfits) == 33
    assert {each.machine for each in parts if each.chapter == "scale"} == {"1x1", "4x4", "16x16", "59x59"}
    assert len(chapters.parts(plan.QUICK)[0]) < 30
    assert {each.chapter for each in parts} == {"rivals", "tuning", "profile", "sweeps", "load", "dynamic", "scale"}


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    one = part("rivals", {plan.STRATEGIES: list(COMBINATIONS[:1])}, plan.RIVALS)
    monkeypatch.setattr(chapters, "parts", lambda size: ([one], []))
    assert main(["--quick", "--folder", str(tmp_path / "study")]) == 0
    assert f"written to {tmp_path / 'study' / 'results.md'}" in capsys.readouterr().out
    other = part("rivals", {plan.STRATEGIES: list(COMBINATIONS[:1])}, plan.RIVALS, "later")
    monkeypatch.setattr(chapters, "parts", lambda size: ([one, other], []))
    assert main(["--quick", "--folder", str(tmp_path / "study"), "--known"]) == 0
    text = (tmp_path / "study" / "results.md").read_text()
    assert "## Not run yet" in text and "- rivals-small-tandem-later" in text
    assert text.startswith("# The study") and "| tandem | small |" in text
