"""Tidy tables of what was measured: spans of tasks and decisions of control blocks."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sample import F64
from .spans import Decisions, Rows, Spans
from .trace import MAX_BYTES, TraceError, read_text

SPAN_COLUMNS = ("request", "task", "start", "end")
DECISION_COLUMNS = ("request", "block", "choice", "time")
PYLOT_COLUMNS = ("frame", "op", "ts_us", "dur_us")

Source = str | os.PathLike[str] | Mapping[str, Any] | Any


def read_spans(
    source: Source, *, attributes: Sequence[str] = (), since: float = -math.inf, until: float | None = None
) -> Spans:
    """Return spans from a table with the columns request, task, start and end; others are left alone.

    Parameters
    ----------
    source : path, DataFrame, xarray.Dataset or mapping
        A file with a header, CSV in UTF-8 or, by its ending ``.parquet``, Parquet, which needs pyarrow; or columns by name. Rows
        in any order; start and end in one unit of time, an end that was not seen is empty or nan.
    attributes : sequence of str
        Columns with numbers that belong to the request: equal in all rows of a request that have one, at least one of them.
    since, until : float, optional
        When the system was watched, in that unit.

    Returns
    -------
    Spans

    Raises
    ------
    TraceError
        When the table cannot be read, lacks a column or has no rows; when an entry is no number, an end is before its start or
        not after ``since``, a time is after ``until``, or a request has two values of an attribute or none. The message names
        row and column: of a CSV file the line, otherwise the position from 0.
    ImportError
        When a Parquet file is to be read without pyarrow.

    Examples
    --------
    >>> table = {"request": [1, 1], "task": ["a", "b"], "start": [0.0, 2.0], "end": [2.0, float("nan")]}
    >>> read_spans(table, until=5.0).sample("a").times.tolist()
    [2.0]
    """
    table = Table(source, "spans", (*SPAN_COLUMNS, *attributes))
    values = {name: table.numbers(name, empty=True) for name in attributes}
    start, end = table.numbers("start"), table.numbers("end", empty=True)

    def refuse(column: str, bad: NDArray[np.bool_], allowed: str) -> None:
        table.refuse(column.removeprefix("attribute "), bad, allowed)

    return Rows(table.labels("request"), table.labels("task"), start, end, values, refuse).spans(since, until)


def read_decisions(source: Source) -> Decisions:
    """Return decisions from a table with the columns request, block, choice and time; others are left alone.

    Parameters
    ----------
    source : path, DataFrame, xarray.Dataset or mapping
        As for ``read_spans``.

    Returns
    -------
    Decisions

    Raises
    ------
    TraceError
        When the table cannot be read, lacks a column or has no rows, or a time is no number; as for ``read_spans``.
    """
    table = Table(source, "decisions", DECISION_COLUMNS)
    time = table.numbers("time")
    names, block = np.unique(table.labels("block"), return_inverse=True)
    order = np.argsort(time, kind="stable")
    choice = table.labels("choice")
    return Decisions(tuple(names.tolist()), block[order].astype(np.int64), choice[order], time[order])


def read_pylot(path: str | os.PathLike[str]) -> Spans:
    """Return the spans of a Pylot profile: one row per frame and operator, with start and duration in microseconds.

    Parameters
    ----------
    path : str or path-like
        CSV with the header ``frame,op,ts_us,dur_us``, plain or gzip by its ending ``.gz``.

    Returns
    -------
    Spans
        A request per frame, a task per operator, times in microseconds.

    Raises
    ------
    TraceError
        As for ``read_spans``.

    Notes
    -----
    Gog et al., "D3: a dynamic deadline-driven approach for building autonomous vehicles", EuroSys 2022.
    """
    table = Table(path, "spans", PYLOT_COLUMNS)
    start, length = table.numbers("ts_us"), table.numbers("dur_us")
    table.refuse("dur_us", length < 0.0, "a number >= 0")

    def refuse(column: str, bad: NDArray[np.bool_], allowed: str) -> None:
        table.refuse({"start": "ts_us", "end": "dur_us"}[column], bad, allowed)

    return Rows(table.labels("frame"), table.labels("op"), start, start + length, {}, refuse).spans()


class Table:
    """Columns of one length with the place of each row.

    Parameters
    ----------
    source : path, DataFrame, xarray.Dataset or mapping
        As for ``read_spans``.
    kind : str
        What errors call it, where it is no file.
    needed : tuple of str
        Columns that it must have.

    Raises
    ------
    TraceError
        When it cannot be read, lacks a column or has no rows.
    """

    def __init__(self, source: Source, kind: str, needed: tuple[str, ...]) -> None:
        self.lines: list[int] | None = None
        self.path = kind
        columns: Any = source
        if isinstance(source, str | os.PathLike):
            self.path = os.fspath(source)
            if self.path.endswith(".parquet"):
                columns = _parquet(self.path)
            else:
                columns, self.lines = _csv(self.path)
        missing = [name for name in needed if name not in columns]
        if missing:
            raise TraceError(self.path, f"no column {missing[0]}", f"the columns {', '.join(needed)}")
        self.columns = {name: np.asarray(columns[name]) for name in needed}
        shapes = {name: column.shape for name, column in self.columns.items()}
        if len(set(shapes.values())) != 1 or len(next(iter(shapes.values()))) != 1:
            raise TraceError(self.path, f"shapes {list(map(list, shapes.values()))}", "one-dimensional columns of one length")
        if not next(iter(shapes.values()))[0]:
            raise TraceError(self.path, "no rows", "at least one row")

    def labels(self, name: str) -> NDArray[np.str_]:
        """Return a column as texts, none of them empty."""
        values = self.columns[name]
        texts = values.astype(np.str_)
        self.refuse(name, (texts == "") | (texts == "nan") | (texts == "None"), "a name")
        return texts

    def numbers(self, name: str, *, empty: bool = False) -> F64:
        """Return a column as finite numbers; what is empty is nan where that is allowed."""
        values = self.columns[name]
        allowed = "a finite number, or nothing" if empty else "a finite number"
        if values.dtype.kind in "iuf":
            out = values.astype(np.float64)
        else:
            out = np.array([_number(value) for value in values.tolist()])
        bad = np.isinf(out) if empty else ~np.isfinite(out)
        self.refuse(name, bad, allowed)
        return out

    def refuse(self, name: str, bad: NDArray[np.bool_], allowed: str) -> None:
        """Raise for the first row that is bad."""
        if bad.any():
            at = int(bad.argmax())
            value = self.columns[name][at]
            row = at if self.lines is None else self.lines[at]
            raise TraceError(f"{self.path}, row {row}, column {name}", value.item() if value.ndim == 0 else value, allowed)


def _number(value: object) -> float:
    """Return a number; nan for nothing and infinity for what is no number, so that it is refused by its row."""
    if value is None or isinstance(value, str) and not value.strip():
        return math.nan
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return math.inf
    try:
        number = float(value)
    except ValueError:
        return math.inf
    # the text "nan" in a file is a mistake, the number nan in a table is a missing one
    return math.inf if isinstance(value, str) and math.isnan(number) else number


def _csv(path: str) -> tuple[dict[str, NDArray[np.str_]], list[int]]:
    text = unpacked(path) if path.endswith(".gz") else read_text(Path(path))
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[int] = []
    entries: list[list[str]] = []
    try:
        header = next(rows, [])
        if len(set(header)) != len(header):
            raise TraceError(f"{path}, row 1", ",".join(header), "a header with each column once")
        for row in rows:
            if row:
                if len(row) != len(header):
                    raise TraceError(f"{path}, row {rows.line_num}", ",".join(row), f"{len(header)} fields, as in the header")
                entries.append(row)
                lines.append(rows.line_num)
    except csv.Error as error:
        raise TraceError(f"{path}, row {rows.line_num}", str(error), "comma-separated values") from None
    columns = zip(*entries, strict=True) if entries else [[] for _ in header]
    return {name: np.array(column, np.str_) for name, column in zip(header, columns, strict=True)}, lines


def _parquet(path: str) -> Any:
    """Return the columns of a Parquet file."""
    import pandas

    try:
        import pyarrow
    except ImportError:
        raise ImportError(f"{path} needs pyarrow: pip install pyarrow, or write the table as CSV") from None
    try:
        return pandas.read_parquet(path, engine="pyarrow")
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise TraceError(path, str(error), "a Parquet file that can be read") from None


def unpacked(path: str) -> str:
    """Return the text of a gzip file in UTF-8."""
    import gzip

    try:
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise TraceError(path, str(error), "a gzip file of text in UTF-8") from None
    if len(text) > MAX_BYTES:
        raise TraceError(path, f"more than {MAX_BYTES} characters, unpacked", "at most so many")
    return text
