"""verify(): it passes, its twins fail, its page is current."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import octomodel as om
from octomodel.errors import ModelError
from octomodel.verification import FAMILY_ERROR, Report, page, verify
from octomodel.verification.cases import CASES
from octomodel.verification.judge import Check, critical
from octomodel.verification.twins import POWER, TWIN, Sight, sight, sights

SIMULATED = [case for case in CASES if case.build is not None]
NAMES = [case.name for case in SIMULATED]
QUICK = [case.name for case in SIMULATED if case.quick]


# ---- verify


def test_an_interrupt_stops_what_runs_and_begins_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    om.simulate(om.Workflow("one", om.task("only", 100)), om.System(1, 1), load=om.closed(requests=1))  # compiled
    begun = []
    turns = om.Workflow("long", om.loop(om.task("only", 100), count=10**6))  # of minutes

    def observed(*_: object) -> Iterator[None]:
        begun.append(time.monotonic())
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        om.simulate(turns, om.System(1, 1), load=om.closed(requests=5_000), bounds=False, threads=1)
        yield

    monkeypatch.setattr("octomodel.verification.run.observe", observed)
    # a shell lets what it starts in the background ignore interrupts
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            verify(cases=QUICK[:3], threads=1)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert len(begun) == 1
    assert time.monotonic() - begun[0] < 60  # 0.6 s or so on an idle machine, minutes if it did not stop


@pytest.fixture(scope="module")
def quick() -> Report:
    return om.verify(quick=True)


def test_the_short_form_passes(quick: Report) -> None:
    assert quick.passed, quick.table()
    assert list(dict.fromkeys(row.case for row in quick.rows)) == QUICK
    assert all(row.half_width <= row.limit <= 0.05 for row in quick.rows)


@pytest.fixture(scope="module")
def quick_twin() -> Report:
    return om.verify(quick=True, service_scale=TWIN)


def test_twins_of_the_short_form_fail(quick: Report, quick_twin: Report) -> None:
    assert len(QUICK) >= 12
    assert list(quick_twin.failed) == QUICK
    shown = sights(quick, quick_twin)
    assert list(shown) == QUICK
    assert [found for found in shown.values() if found.power <= POWER] == []


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


def test_threads_and_progress_change_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["BR-ABSORBING", "ST-ERLB-1-1"]
    one = verify(cases=names, threads=1, progress=True)
    two = verify(cases=names, threads=2)
    assert one == two
    assert capsys.readouterr() == ("", "")  # nobody looks
    assert one.executions == sum({row.case: row.executions for row in one.rows}.values())


def test_a_failure_is_named() -> None:
    report = verify(cases=["ST-ERLB-1-1"], service_scale=1.2)
    assert not report.passed
    assert report.failed == ("ST-ERLB-1-1",)
    assert "outside their intervals: ST-ERLB-1-1" in report.table()
    assert "FAILED" in report.table()


def test_an_interval_that_says_too_little_is_no_failure_and_no_success(quick: Report) -> None:
    wide = Report((replace(quick.rows[0], narrow=False), *quick.rows[1:]), quick.executions)
    assert not wide.passed
    assert wide.failed == ()
    assert wide.too_wide == (QUICK[0],)
    assert f"intervals too wide: {QUICK[0]}" in wide.verdict()
    assert wide.table().count("too wide\n") == 1
    assert wide.to_dict()["rows"][0]["passed"] is False


@pytest.mark.parametrize("name", ["ST-MM1", "FIT-H2-EM"])
def test_unknown_systems_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match="verify.cases"):
        verify(cases=[name])


def test_no_system_at_all_is_refused() -> None:
    with pytest.raises(ModelError, match="verify.cases"):
        verify(cases=[])


@pytest.mark.parametrize("scale", [0.0, math.nan, "1"])
def test_a_scale_must_be_a_number_above_zero(scale: Any) -> None:
    with pytest.raises(ModelError, match="verify.service_scale"):
        verify(cases=["ST-ERLB-1-1"], service_scale=scale)


# ---- twins


def value(simulated: float, half: float, error: float, uncertain: float = 0.0, metric: str = "W") -> Check:
    """Return a value whose answer is 10, with an interval of a half-width."""
    low, high = simulated - half, simulated + half
    inside = low <= 10.0 <= high
    return Check("case", "kind", metric, 10.0, uncertain, simulated, low, high, error, 0.1, inside, True, 1)


def test_the_power_is_that_of_an_interval_moved_by_the_bias() -> None:
    plain, twin = value(10.03, 0.5, 0.1), value(11.03, 0.6, 0.1)
    found = sight(plain, twin)
    assert found.bias == pytest.approx(0.1)
    assert found.reach == pytest.approx(0.06)
    assert found.missed == pytest.approx(3.17e-5, rel=0.01)  # four standard errors
    assert sight(plain, value(9.03, 0.6, 0.1)).missed == pytest.approx(found.missed)
    assert sight(value(10.03, 0.5, 0.1, uncertain=0.4), twin).missed == pytest.approx(0.5)
    assert sight(plain, value(10.03, 0.6, 0.1)).power < 1e-8
    assert [sight(value(10.0, 0.0, 0.0), value(at, 0.0, 0.0)).power for at in (10.0, 10.1)] == [0.0, 1.0]


def test_an_answer_goes_before_a_mean_service_time_where_it_shows_enough() -> None:
    def shown(*pairs: tuple[Check, Check]) -> Sight:
        plain, twin = (Report(rows, 1) for rows in zip(*pairs, strict=True))
        return sights(plain, twin)["case"]

    time = value(10.0, 0.01, 0.001, metric="service s"), value(10.1, 0.01, 0.001, metric="service s")
    blurred = value(10.0, 0.5, 0.1), value(10.7, 0.5, 0.1)
    clear = value(10.0, 0.5, 0.1, metric="L"), value(11.0, 0.5, 0.1, metric="L")
    assert shown(time, blurred).metric == "service s"
    assert shown(time, clear).metric == "L"
    assert shown(blurred, time, clear).metric == "L"


# ---- the page


@pytest.fixture(scope="module")
def text(repository: Path) -> str:
    return (repository / "docs" / "verification.md").read_text()


def tables(text: str) -> dict[tuple[str, str], list[str]]:
    """Return the rows of all tables by system and value, heads left out."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|"]
    return {(line[0], line[1]): line[2:] for line in lines if line[0] not in ("system", "---")}


def test_the_page_lists_every_system_and_all_passed(text: str, quick: Report) -> None:
    assert [case.name for case in CASES if page.item(case) not in text] == []
    values, _, twins = text.partition("## Twins")
    shown = tables(values)
    assert {case for case, _ in shown} == set(NAMES)
    assert {row: cells for row, cells in shown.items() if cells[-1] != "ok"} == {}
    for row in quick.rows:
        assert shown[row.case, row.metric][1] == page.number(row.simulated)
    assert "all within their intervals." in values
    assert "Every one fails." in twins
    seen = tables(twins.partition("## Not simulated")[0])
    assert [case for case, _ in seen] == NAMES
    assert {row: cells for row, cells in seen.items() if float(cells[-1].removeprefix("< ")) >= 1.0 - POWER} == {}


def test_the_page_is_made_by_the_code_that_is_here(text: str, quick: Report, quick_twin: Report) -> None:
    """All but the numbers of the long form is written again and compared."""
    shown = {case for case, _ in tables(text)}
    assert shown == set(NAMES)
    made = page.page(*(stretched(report) for report in (quick, quick_twin)))
    assert prose(made) == prose(text)


def stretched(report: Report) -> Report:
    """Return a report in which every system has a row, made of those of the short form."""
    rows = {row.case: row for row in reversed(report.rows)}
    return Report(tuple(replace(rows.get(name, report.rows[0]), case=name) for name in NAMES), 1)


def prose(text: str) -> list[str]:
    """Return the lines that are neither rows of a table nor contain a number that was simulated."""
    lines = [line for line in text.splitlines() if not line.startswith("| ") or line.startswith("| system")]
    return [line for line in lines if "simulated: 70 systems" not in line and "the largest is" not in line]


def test_the_page_says_nothing_of_where_it_was_made(text: str, repository: Path) -> None:
    words = ("/work", "/home", "/tmp", "worktree", str(repository), "CPU", "seconds", "cores", "Linux")
    assert [word for word in words if word in text] == []


def test_the_page_says_what_failed(quick: Report, quick_twin: Report) -> None:
    plain, twin = stretched(quick), stretched(quick_twin)
    bad = page.page(Report(tuple(replace(row, inside=False) for row in plain.rows), 1), twin)
    assert bad.count("FAILED |") == len(NAMES)
    unseen = page.page(plain, Report((replace(twin.rows[0], inside=True), *twin.rows[1:]), 1))
    assert f"Not every one fails: {NAMES[0]}." in unseen
    assert "## Not simulated (23)" in unseen


# ---- the long form


@pytest.fixture(scope="module")
def whole() -> Report:
    return verify()


@pytest.mark.deep
def test_all_systems_pass(whole: Report) -> None:
    assert whole.passed, whole.table()
    assert list(dict.fromkeys(row.case for row in whole.rows)) == NAMES


@pytest.mark.deep
def test_all_twins_fail_and_the_page_is_the_one_made_of_both(whole: Report, text: str) -> None:
    twin = verify(service_scale=TWIN)
    assert list(twin.failed) == NAMES
    assert [found for found in sights(whole, twin).values() if found.power <= POWER] == []
    assert page.page(whole, twin) == text


def test_the_family_error_is_shared_out() -> None:
    few = verify(cases=["ST-ERLB-1-1"])
    more = verify(cases=["ST-ERLB-1-1", "BR-ABSORBING"])
    for narrow, wide in zip(few.rows, more.rows, strict=False):
        level = FAMILY_ERROR / len(more.rows)
        assert wide.half_width > narrow.half_width
        assert wide.hi - wide.simulated == pytest.approx(critical(256, level) * wide.error)
