"""Public traces: what is calibrated on their first halves predicts the second, or the error says what it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

from octomodel.verification import heldout_page
from octomodel.verification.heldout_page import GOALS, rows


def meets_goals(found: xr.Dataset, value: str = "error", parts: tuple[str, ...] = ()) -> dict[str, bool]:
    """Return for each statistic whether the error, or some of its parts together, is within the goal."""
    errors = found[value].sel(part=list(parts)).sum("part") if parts else found[value]
    return {name: abs(float(errors.sel(statistic=name))) <= goal for name, goal in GOALS.items()}


def stands_in(repository: Path, names: list[str], found: xr.Dataset, *, measured: bool = False) -> bool:
    text = (repository / "docs" / "heldout.md").read_text(encoding="utf-8")
    return all(f"\n{row}\n" in text for row in rows(names, found, measured=measured))


def test_the_code_trace_is_predicted(shared_data: Path, repository: Path) -> None:
    found = heldout_page.llm(shared_data, "code", 0.3)
    assert all(meets_goals(found).values())
    assert "arrivals: 2.189 per unit of time, fitted 3.1 " in found.attrs["warnings"]
    assert stands_in(repository, ["code", "0.3"], found)


def test_the_conversation_trace_is_predicted_but_for_its_drift(shared_data: Path, repository: Path) -> None:
    found = heldout_page.llm(shared_data, "conv", 0.3)
    assert not meets_goals(found)["mean"]
    assert all(meets_goals(found, "error_share", ("arrivals", "sizes")).values())
    drift = found["error_share"].sel(part="drift", statistic="mean")
    assert float(drift) == pytest.approx(float(found["error"].sel(statistic="mean")), abs=0.02)
    assert stands_in(repository, ["conversation", "0.3"], found)


def test_frames_are_predicted_but_for_their_drift(shared_data: Path, repository: Path) -> None:
    found = heldout_page.frames(shared_data, gaps=True)
    assert all(meets_goals(found, "error_share", ("model",)).values())
    assert float(found["error_share"].sel(part="drift", statistic="mean")) > 0.08
    assert stands_in(repository, ["and gaps"], found, measured=True)


def test_the_page_is_made_of_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = {"error": 0.02, "measured_cycles": 2e5, "predicted_low_cycles": 1e5, "predicted_high_cycles": 3e5}
    names = list(GOALS)
    found = xr.Dataset({name: ("statistic", [value] * 4) for name, value in values.items()}, {"statistic": names})
    found["error_share"] = (("part", "statistic"), [[0.01] * 4, [0.01] * 4])
    monkeypatch.setattr(heldout_page, "llm", lambda *_: found)
    monkeypatch.setattr(heldout_page, "frames", lambda *_, gaps: found)
    text = heldout_page.page(tmp_path)
    assert text.count("\n| code | 0.5 | p99 | +2.0 % |  | +1.0 % | +1.0 % | -50.0 to +50.0 % |\n") == 1
    assert text.count("\n| and gaps | mean | 2.0 | +2.0 % |  | ") == 1


def test_each_operator_has_a_task() -> None:
    plain, whole = (heldout_page.pipeline(gaps=gaps) for gaps in (False, True))
    assert len(plain.tasks) == 20 and len(whole.tasks) == 20 + len(heldout_page.GAPS)
