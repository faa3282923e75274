"""Tidy tables of what was measured: spans of tasks and decisions of control blocks."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sample import F64, Sample, sample
from .trace import TraceError, read_text

I64 = NDArray[np.int64]
SPAN_COLUMNS = ("request", "task", "start", "end")
DECISION_COLUMNS = ("request", "block", "choice", "time")
PYLOT_COLUMNS = ("frame", "op", "ts_us", "dur_us")

Source = str | os.PathLike[str] | Mapping[str, Any] | Any


@dataclass(frozen=True, eq=False)
class Spans:
    """Executions of tasks, in order of their starts.

    Attributes
    ----------
    request : int64[n]
        Numbered from 0 in the order of first appearance.
    tasks : tuple of str
        Names, sorted.
    task : int64[n]
        Which of them.
    start, end : float64[n]
        In one unit of time; the end is nan where it was not seen.
    since, until : float
        Between them the system was watched: minus infinity where every start was seen; the last time in the table by default.
    """

    request: I64
    tasks: tuple[str, ...]
    task: I64
    start: F64
    end: F64
    since: float
    until: float

    def __len__(self) -> int:
        return len(self.start)

    @cached_property
    def arrivals(self) -> F64:
        """Return the first start of each request, ascending."""
        first = np.full(int(self.request.max()) + 1, np.inf)
        np.minimum.at(first, self.request, self.start)
        return np.sort(first)

    def sample(self, task: str) -> Sample:
        """Return the durations of one task: censored where the end was not seen, late where the start was before ``since``.

        Raises
        ------
        TraceError
            When there is no such task or no end of it was seen.
        """
        if task not in self.tasks:
            raise TraceError("spans.task", task, f"one of {', '.join(self.tasks)}")
        here = self.task == self.tasks.index(task)
        open_ = np.isnan(self.end)
        # what began as the watch ended says nothing
        here &= ~open_ | (self.start < self.until)
        start, last = self.start[here], np.where(open_, self.until, self.end)[here]
        entry = np.maximum(self.since - start, 0.0)
        return sample(last - start, censored=open_[here], entry=entry, requests=self.request[here], path=f"spans.{task}")


@dataclass(frozen=True, eq=False)
class Decisions:
    """Decisions of control blocks, in order of time.

    Attributes
    ----------
    blocks : tuple of str
        Names, sorted.
    block : int64[n]
        Which of them.
    choice : str[n]
        Name of the choice; ``again`` or ``exit`` of a loop that decides after each turn; a number of turns of a counted loop.
    time : float64[n]
        In the unit of the spans.
    """

    blocks: tuple[str, ...]
    block: I64
    choice: NDArray[np.str_]
    time: F64

    def __len__(self) -> int:
        return len(self.time)

    def of(self, block: str) -> tuple[NDArray[np.str_], F64]:
        """Return choices and times of one block."""
        here = self.block == self.blocks.index(block)
        return self.choice[here], self.time[here]


def read_spans(source: Source, *, since: float = -math.inf, until: float | None = None) -> Spans:
    """Return spans from a table with the columns request, task, start and end; others are left alone.

    Parameters
    ----------
    source : path, DataFrame, xarray.Dataset or mapping
        A CSV file in UTF-8 with a header, or columns by name. Rows in any order; start and end in one unit of time, an end
        that was not seen is empty or nan.
    since, until : float, optional
        When the system was watched, in that unit.

    Returns
    -------
    Spans

    Raises
    ------
    TraceError
        When the table cannot be read, lacks a column or has no rows; when an entry is no number, an end is before its start or
        not after ``since``, or a time is after ``until``. The message names row and column: of a file the line, otherwise the
        position from 0.

    Examples
    --------
    >>> table = {"request": [1, 1], "task": ["a", "b"], "start": [0.0, 2.0], "end": [2.0, float("nan")]}
    >>> read_spans(table, until=5.0).sample("a").times.tolist()
    [2.0]
    """
    table = _Table(source, "spans", SPAN_COLUMNS)
    start, end = table.numbers("start"), table.numbers("end", empty=True)
    table.refuse("end", end < start, "empty, or a time not before the start")
    table.refuse("end", end <= since, f"a time after {since:g}, when the watch began")
    last = float(np.nanmax(np.concatenate([start, end])))
    if until is None:
        until = last
    table.refuse("start", start > until, f"a time not after {until:g}, when the watch ended")
    table.refuse("end", end > until, f"a time not after {until:g}, when the watch ended")
    return _spans(table.labels("request"), table.labels("task"), start, end, since, until)


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
    table = _Table(source, "decisions", DECISION_COLUMNS)
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
    table = _Table(path, "spans", PYLOT_COLUMNS)
    start, length = table.numbers("ts_us"), table.numbers("dur_us")
    table.refuse("dur_us", length < 0.0, "a number >= 0")
    end = start + length
    return _spans(table.labels("frame"), table.labels("op"), start, end, -math.inf, float(end.max()))


def _spans(request: NDArray[np.str_], task: NDArray[np.str_], start: F64, end: F64, since: float, until: float) -> Spans:
    order = np.argsort(start, kind="stable")
    names, which = np.unique(task[order], return_inverse=True)
    _, first, inverse = np.unique(request[order], return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    number = rank[inverse].astype(np.int64)
    return Spans(number, tuple(names.tolist()), which.astype(np.int64), start[order], end[order], float(since), float(until))


class _Table:
    """Columns of one length with the place of each row."""

    def __init__(self, source: Source, kind: str, needed: tuple[str, ...]) -> None:
        self.lines: list[int] | None = None
        self.path = kind
        columns: Any = source
        if isinstance(source, str | os.PathLike):
            self.path = os.fspath(source)
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
    text = _unpacked(path) if path.endswith(".gz") else read_text(Path(path))
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


def _unpacked(path: str) -> str:
    import gzip

    try:
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
            return file.read()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise TraceError(path, str(error), "a gzip file of text in UTF-8") from None
