"""The study: what it runs, and that its page says what its results say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import octomodel as om
from octomodel.evaluation import plan
from octomodel.evaluation.__main__ import main
from octomodel.evaluation.page import DIM, page, ratio
from octomodel.evaluation.plan import COMBINATIONS, Part, Size

SMALL = om.System(1, 2, tbus=5, epoch_cycles=2_000)
WORKFLOW = om.workflow("tandem")


def part(chapter: str, over: dict[str, list[object]], policies: tuple[str, ...], name: str = "") -> Part:
    return Part(chapter, "small", WORKFLOW, SMALL, over, policies, om.closed(requests=1_500), name)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Part, xr.Dataset]]:
    folder = tmp_path_factory.mktemp("study")
    size = Size((), 2, 1.0)
    parts = [
        part("rivals", {plan.STRATEGIES: list(COMBINATIONS)}, plan.RIVALS),
        part("sweeps", {"tbu.switch_cycles": [0, 40]}, ("static", "reactive", "octopus"), "switch"),
        part("load", {}, ("static", "reactive", "octopus", "ideal"), "0.5"),
        part("scale", {"policy.diffusion": [0.0, 0.9]}, ("static", "octopus"), "even"),
    ]
    return {each.file: (each, plan.run(each, folder, size, jobs=1)) for each in parts}


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


def test_a_short_run_has_no_ratio(results: dict[str, tuple[Part, xr.Dataset]]) -> None:
    found = results["rivals-small-tandem.nc"][1]
    here, base = ({"policy": name, DIM: "1,1,1"} for name in ("octopus", "static"))
    assert ratio(found, here, base) is not None
    for name in ("steady_warning", "point_error"):
        said = found[name].copy(data=np.full(found[name].shape, "run too short"))
        assert ratio(found.assign({name: said}), here, base) is None


def test_the_study_runs_what_fits() -> None:
    parts, misfits = plan.parts(plan.FULL)
    names = [each.file for each in parts]
    assert len(set(names)) == len(names)
    rivals = {(each.machine, each.workflow.name) for each in parts if each.chapter == "rivals"}
    assert len(rivals) + len(misfits) == 33
    assert {each.machine for each in parts if each.chapter == "scale"} == {"1x1", "4x4", "16x16", "59x59"}
    assert len(plan.parts(plan.QUICK)[0]) < 30


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    one = part("rivals", {plan.STRATEGIES: list(COMBINATIONS[:1])}, plan.RIVALS)
    monkeypatch.setattr(plan, "parts", lambda size: ([one], []))
    assert main(["--quick", "--folder", str(tmp_path / "study")]) == 0
    assert f"written to {tmp_path / 'study' / 'results.md'}" in capsys.readouterr().out
    other = part("rivals", {plan.STRATEGIES: list(COMBINATIONS[:1])}, plan.RIVALS, "later")
    monkeypatch.setattr(plan, "parts", lambda size: ([one, other], []))
    assert main(["--quick", "--folder", str(tmp_path / "study"), "--known"]) == 0
    text = (tmp_path / "study" / "results.md").read_text()
    assert "## Not run yet" in text and "- rivals-small-tandem-later" in text
    assert text.startswith("# The study") and "| tandem | small |" in text
