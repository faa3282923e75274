"""verify(): it passes, its twins fail, its page is current."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import norm

import octomodel as om
from octomodel import verify_page
from octomodel.errors import ModelError
from octomodel.verification import FAMILY_ERROR, Report, verify
from octomodel.verify_cases import CASES
from octomodel.verify_judge import Check, critical

SIMULATED = [case for case in CASES if case.build is not None]
QUICK = [case.name for case in SIMULATED if case.quick]


def found(name: str, report: Report) -> dict[str, Check]:
    return {row.metric: row for row in report.rows if row.case == name}


def power(base: Report, twin: Report, name: str) -> float:
    """Return with which probability some value of a system reveals the twin.

    Both face the same draws, so the difference of what they give is nearly the shift itself.
    """
    biased = found(name, twin)
    best = 0.0
    for metric, row in found(name, base).items():
        shift = abs(biased[metric].simulated - row.simulated) - row.uncertain
        if row.error == 0.0:
            best = max(best, float(shift > 0))
        else:
            best = max(best, float(norm.cdf((shift - (row.hi - row.lo) / 2.0) / row.error)))
    return best


# ---- verify


@pytest.fixture(scope="module")
def quick() -> Report:
    return om.verify(quick=True)


def test_the_short_form_passes(quick: Report) -> None:
    assert quick.passed, quick.table()
    assert list(dict.fromkeys(row.case for row in quick.rows)) == QUICK
    assert all(row.half_width <= row.limit <= 0.05 for row in quick.rows)


def test_twins_of_the_short_form_fail(quick: Report) -> None:
    twin = verify(quick=True, service_scale=1.01)
    assert list(twin.failed) == QUICK
    assert {name: power(quick, twin, name) for name in QUICK if power(quick, twin, name) <= 0.999} == {}


def test_a_report_can_be_read_and_kept(quick: Report) -> None:
    text = quick.table()
    assert text.count("ok\n") == len(quick.rows)
    assert f"{len(QUICK)} systems, {len(quick.rows)} values" in text
    data = json.loads(json.dumps(quick.to_dict()))
    assert data["passed"] is True
    assert data["rows"][0]["case"] == QUICK[0]
    assert data["rows"][0]["half_width"] == quick.rows[0].half_width
    assert data["executions"] == quick.executions > 10_000_000
    assert set(data["not_simulated"]) == {case.name for case in CASES if case.build is None}


def test_threads_change_nothing_and_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    names = ["BR-ABSORBING", "ST-ERLB-1-1"]
    one = verify(cases=names, threads=1, progress=lambda *each: told.append(each))
    two = verify(cases=names, threads=2)
    assert one == two
    assert told == [(names[0], 1, 2), (names[1], 2, 2)]
    assert one.executions == sum({row.case: row.executions for row in one.rows}.values())


def test_a_failure_is_named() -> None:
    report = verify(cases=["ST-ERLB-1-1"], service_scale=1.2)
    assert not report.passed
    assert report.failed == ("ST-ERLB-1-1",)
    assert "not within their intervals: ST-ERLB-1-1" in report.table()
    assert "FAILED" in report.table()


@pytest.mark.parametrize("name", ["ST-MM1", "FIT-H2-EM"])
def test_unknown_systems_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match="verify.cases"):
        verify(cases=[name])


@pytest.mark.parametrize("scale", [0.0, math.nan, "1"])
def test_a_scale_must_be_a_number_above_zero(scale: Any) -> None:
    with pytest.raises(ModelError, match="verify.service_scale"):
        verify(cases=["ST-ERLB-1-1"], service_scale=scale)


# ---- the page


def test_the_page_is_current(repository: Path, quick: Report) -> None:
    text = (repository / "docs" / "verification.md").read_text()
    for case in CASES:
        assert verify_page.item(case) in text, case.name
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|"]
    shown = {(line[0], line[1]): line[2:] for line in lines}
    assert {case for case, _ in shown} - {"system", "---"} == {case.name for case in SIMULATED}
    for cells in shown.values():
        if cells[-1] == "FAILED":  # shown as such when its interval came out too wide, but none may miss its answer
            low, high = map(float, cells[2].split(" .. "))
            assert low <= float(cells[0]) <= high, cells
    for row in quick.rows:
        assert shown[row.case, row.metric][1] == verify_page.number(row.simulated)


def test_the_page_says_what_failed(quick: Report) -> None:
    row = quick.rows[0]
    rows = tuple(replace(row, case=case.name, passed=False) for case in SIMULATED)
    text = verify_page.page(Report(rows, 1))
    assert text.count("FAILED |") == len(SIMULATED)
    assert "## Not simulated (23)" in text


# ---- the long form


@pytest.fixture(scope="module")
def whole() -> Report:
    return verify()


@pytest.mark.deep
def test_all_systems_pass(whole: Report) -> None:
    assert whole.passed, whole.table()
    assert len({row.case for row in whole.rows}) == len(SIMULATED)


@pytest.mark.deep
def test_all_twins_fail(whole: Report) -> None:
    twin = verify(service_scale=1.01)
    assert list(twin.failed) == [case.name for case in SIMULATED]
    powers = {case.name: power(whole, twin, case.name) for case in SIMULATED}
    assert {name: each for name, each in powers.items() if each <= 0.999} == {}


def test_the_family_error_is_shared_out() -> None:
    few = verify(cases=["ST-ERLB-1-1"])
    more = verify(cases=["ST-ERLB-1-1", "BR-ABSORBING"])
    for narrow, wide in zip(few.rows, more.rows, strict=False):
        level = FAMILY_ERROR / len(more.rows)
        assert wide.half_width > narrow.half_width
        assert wide.hi - wide.simulated == pytest.approx(critical(256, level) * wide.error)
