"""Tables of spans and decisions: what is read from which form, and what is refused by row and column."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import xarray

from octomodel.calibration.tables import read_decisions, read_pylot, read_spans
from octomodel.calibration.trace import TraceError

TABLE: dict[str, list[Any]] = {
    "request": ["r2", "r1", "r1", "r2"],
    "task": ["b", "a", "b", "a"],
    "start": [5.0, 0.0, 2.0, 1.0],
    "end": [math.nan, 2.0, 6.0, 4.0],
    "note": ["x", "y", "z", "w"],
}


def as_csv(folder: Path, table: dict[str, list[Any]]) -> str:
    path = folder / "spans.csv"
    rows = [["" if value != value else str(value) for value in row] for row in zip(*table.values(), strict=True)]
    path.write_text("\n".join(map(",".join, [list(table), *rows])) + "\n\n")
    return str(path)


FORMS: dict[str, Callable[[Path], Any]] = {
    "mapping": lambda folder: TABLE,
    "frame": lambda folder: pandas.DataFrame(TABLE),
    "dataset": lambda folder: xarray.Dataset({name: ("span", values) for name, values in TABLE.items()}),
    "csv": lambda folder: as_csv(folder, TABLE),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_same_spans(tmp_path: Path, form: str) -> None:
    spans = read_spans(FORMS[form](tmp_path), until=9.0)
    assert len(spans) == 4 and spans.tasks == ("a", "b")
    assert spans.start.tolist() == [0.0, 1.0, 2.0, 5.0]
    assert spans.request.tolist() == [0, 1, 0, 1]
    assert spans.arrivals.tolist() == [0.0, 1.0]
    a, b = spans.sample("a"), spans.sample("b")
    assert (a.times.tolist(), a.complete) == ([2.0, 3.0], True)
    assert (b.times.tolist(), b.observed.tolist(), b.requests.tolist()) == ([4.0, 4.0], [True, False], [0, 1])


def test_the_watch_ends_with_the_last_time_and_may_begin_late() -> None:
    spans = read_spans(TABLE, since=1.5)
    assert spans.until == 6.0
    assert spans.sample("b").times.tolist() == [4.0, 1.0]
    late = spans.sample("a")
    assert late.entry.tolist() == [1.5, 0.5] and late.truncated


def test_what_began_as_the_watch_ended_is_left_out() -> None:
    table = {"request": [1, 2], "task": ["a", "a"], "start": [0.0, 3.0], "end": [3.0, math.nan]}
    assert read_spans(table).sample("a").times.tolist() == [3.0]


def test_decisions_are_in_order_of_time() -> None:
    table = {"request": [1, 2, 3], "block": ["m", "l", "l"], "choice": ["hit", 3, 1], "time": [3.0, 2.0, 1.0]}
    found = read_decisions(pandas.DataFrame(table))
    assert (len(found), found.blocks) == (3, ("l", "m"))
    choices, times = found.of("l")
    assert (choices.tolist(), times.tolist()) == (["1", "3"], [1.0, 2.0])


def test_measured_frames_are_read(shared_data: Path) -> None:
    spans = read_pylot(shared_data / "pylot_operator_times.csv.gz")
    assert len(spans) == 18457 and len(spans.arrivals) == 923
    detector = next(name for name in spans.tasks if "faster_rcnn" in name)
    assert spans.sample(detector).times.mean() == pytest.approx(85.4e3, rel=0.01)


def test_frames_are_read_plain_or_packed(tmp_path: Path) -> None:
    text = "frame,op,ts_us,dur_us\n7,a,0,5\n8,a,100,6\n"
    (tmp_path / "p.csv").write_text(text)
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("p.csv", "p.csv.gz"):
        assert read_pylot(tmp_path / name).sample("a").times.tolist() == [5.0, 6.0]
    (tmp_path / "bad.gz").write_bytes(b"x")
    with pytest.raises(TraceError, match="a gzip file of text in UTF-8"):
        read_pylot(tmp_path / "bad.gz")
    (tmp_path / "p.csv").write_text(text.replace(",6", ",-6"))
    with pytest.raises(TraceError, match="row 3, column dur_us: got '-6'; allowed: a number >= 0"):
        read_pylot(tmp_path / "p.csv")


def changed(column: str, row: int, value: Any) -> dict[str, list[Any]]:
    table = {name: list(values) for name, values in TABLE.items()}
    table[column][row] = value
    return table


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (changed("end", 1, -1.0), {}, "spans, row 1, column end: got -1.0; allowed: empty, or a time not before the start"),
        (changed("start", 2, math.nan), {}, "spans, row 2, column start: got nan; allowed: a finite number"),
        (changed("start", 2, "x"), {}, "spans, row 2, column start: got 'x'; allowed: a finite number"),
        (changed("end", 2, math.inf), {}, "spans, row 2, column end: got inf; allowed: a finite number, or nothing"),
        (changed("task", 3, ""), {}, "spans, row 3, column task: got ''; allowed: a name"),
        (TABLE, {"since": 4.0}, "spans, row 1, column end: got 2.0; allowed: a time after 4, when the watch began"),
        (TABLE, {"until": 4.5}, "spans, row 0, column start: got 5.0; allowed: a time not after 4.5, when the watch ended"),
        (TABLE, {"until": 5.5}, "spans, row 2, column end: got 6.0; allowed: a time not after 5.5, when the watch ended"),
        ({"request": [1]}, {}, "spans: got 'no column task'; allowed: the columns request, task, start, end"),
        (
            {"request": [], "task": [], "start": [], "end": []},
            {},
            "spans: got 'no rows'; allowed: at least one row",
        ),
        (
            {"request": [1], "task": ["a"], "start": [1.0, 2.0], "end": [2.0]},
            {},
            "spans: got 'shapes [[1], [1], [2], [1]]'; allowed: one-dimensional columns of one length",
        ),
    ],
)
def test_rows_are_refused_by_number_and_column(table: dict[str, Any], options: dict[str, float], message: str) -> None:
    with pytest.raises(TraceError) as error:
        read_spans(table, **options)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("request,task,start,end\n1,a,0,1\n\n2,a,x,1\n", "row 4, column start: got 'x'; allowed: a finite number"),
        ("request,task,start,end\n1,a,nan,1\n", "row 2, column start: got 'nan'; allowed: a finite number"),
        ("request,task,start,end\n1,a,0\n", "row 2: got '1,a,0'; allowed: 4 fields, as in the header"),
        ("request,task,start,start\n", "row 1: got 'request,task,start,start'; allowed: a header with each column once"),
        ('request,task,start,end\n1,"a,0,1\n', "row 2: got 'unexpected end of data'; allowed: comma-separated values"),
    ],
)
def test_lines_of_a_file_are_refused_by_number(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(TraceError) as error:
        read_spans(path)
    assert str(error.value) == f"{path}, {message}"


def test_a_task_that_is_not_there_or_never_ended() -> None:
    with pytest.raises(TraceError, match="spans.task: got 'c'; allowed: one of a, b"):
        read_spans(TABLE).sample("c")
    table = {"request": [1, 1], "task": ["a", "b"], "start": [0.0, 1.0], "end": [math.nan, 4.0]}
    with pytest.raises(TraceError, match="spans.a.censored: got 'only unfinished durations'"):
        read_spans(table).sample("a")


def test_ten_to_the_five_rows_keep_their_order_of_requests() -> None:
    n = 100_000
    rng = np.random.default_rng(0)
    start = rng.random(n)
    spans = read_spans({"request": np.arange(n), "task": np.full(n, "a"), "start": start, "end": start + 1.0})
    assert spans.request.tolist() == list(range(n))
