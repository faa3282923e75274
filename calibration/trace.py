"""Readers of public traces: when requests arrived and how large they were."""

from __future__ import annotations

import csv
import io
import os
import re
import reprlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

AZURE_LLM_COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
MAX_BYTES = 2**31
MAX_TOKENS = 2**31

_TIME = re.compile(
    r"(20\d{2}-(?:0[1-9]|1[0-2])-\d{2})[ T]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?)(?:Z|\+00:00)?",
    re.ASCII,
)
_SHORT = reprlib.Repr()
"""Shows values of any size in a line."""
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 16
_SHORT.maxstring = _SHORT.maxother = 300

_COUNT = re.compile(r"\d{1,10}", re.ASCII)


class TraceError(ValueError):
    """A trace that cannot be used.

    Parameters
    ----------
    path : str
        File, row (the line in the file) and column.
    value : object
        What was found there.
    allowed : str
        What would have been accepted, in words.

    Examples
    --------
    >>> print(TraceError("day.csv, row 7, column ContextTokens", "x", "a whole number"))
    day.csv, row 7, column ContextTokens: got 'x'; allowed: a whole number
    """

    def __init__(self, path: str, value: object, allowed: str) -> None:
        self.path = path
        self.value = value
        self.allowed = allowed
        super().__init__(f"{path}: got {_SHORT.repr(value)}; allowed: {allowed}")


@dataclass(frozen=True, eq=False)
class LlmTrace:
    """Requests to a language model, in order of arrival.

    Attributes
    ----------
    start : numpy.datetime64
        Time of the first request, in nanoseconds, UTC.
    arrival_seconds : float64[request]
        Arrivals, counted from the first.
    context, generated : int64[request]
        Tokens read and tokens written.
    """

    start: np.datetime64
    arrival_seconds: NDArray[np.float64]
    context: NDArray[np.int64]
    generated: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.context)

    @property
    def requests(self) -> Requests:
        """Return arrivals, in seconds, and the attributes ``context`` and ``generated``: what ``fit`` takes."""
        attributes = {"context": self.context.astype(np.float64), "generated": self.generated.astype(np.float64)}
        return Requests(self.arrival_seconds, attributes)


@dataclass(frozen=True, eq=False)
class Requests:
    """When requests arrived and what they were like, in order of arrival.

    Attributes
    ----------
    arrivals : float64[request]
        In a unit of time, ascending.
    attributes : dict of float64[request]
        Finite values, by name.
    """

    arrivals: NDArray[np.float64]
    attributes: dict[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.arrivals)

    def part(self, begin: int, end: int) -> Requests:
        """Return the requests from the one at ``begin`` up to that before ``end``, their times unchanged."""
        return Requests(self.arrivals[begin:end], {name: each[begin:end] for name, each in self.attributes.items()})


def read_azure_llm(path: str | os.PathLike[str]) -> LlmTrace:
    """Return a trace in the format of the public Azure LLM inference traces.

    Parameters
    ----------
    path : str or path-like
        A regular file in UTF-8, comma separated, with the header ``TIMESTAMP,ContextTokens,GeneratedTokens``
        and one row per request in order of arrival; times as ``2023-11-16 18:17:03.9799600``, in UTC.

    Returns
    -------
    LlmTrace

    Raises
    ------
    TraceError
        When the file cannot be read, is larger than 2 GiB or no CSV, has another header or no rows, a row has
        another number of fields, an entry is no time or no token count below 2^31, or a row is earlier than
        the one before. The message names file, row (the line in the file) and column.

    Notes
    -----
    Source of the format: Azure/AzurePublicDataset, AzureLLMInferenceDataset2023; Patel et al., "Splitwise",
    ISCA 2024.
    """
    name = os.fspath(path)
    rows = csv.reader(io.StringIO(read_text(Path(path)), newline=""), strict=True)
    times: list[str] = []
    context: list[int] = []
    generated: list[int] = []
    try:
        header = next(rows, [])
        if tuple(header) != AZURE_LLM_COLUMNS:
            raise TraceError(f"{name}, row 1", ",".join(header), f"the header {','.join(AZURE_LLM_COLUMNS)}")
        for row in rows:
            if row:
                place = f"{name}, row {rows.line_num}"
                if len(row) != len(AZURE_LLM_COLUMNS):
                    raise TraceError(place, ",".join(row), f"{len(AZURE_LLM_COLUMNS)} fields, as in the header")
                times.append(_time(place, row[0]))
                context.append(_tokens(place, 1, row[1]))
                generated.append(_tokens(place, 2, row[2]))
                if len(times) > 1 and times[-1] < times[-2]:
                    allowed = f"a time not before {times[-2]}, the row before: order of arrival"
                    raise TraceError(f"{place}, column {AZURE_LLM_COLUMNS[0]}", row[0], allowed)
    except csv.Error as error:
        raise TraceError(f"{name}, row {rows.line_num}", str(error), "comma-separated values") from None
    if not times:
        raise TraceError(name, "no rows", "at least one row under the header")
    moments = np.array(times, dtype="datetime64[ns]")
    seconds = (moments - moments[0]).astype(np.int64) / 1e9
    return LlmTrace(moments[0], seconds, np.array(context, np.int64), np.array(generated, np.int64))


def merge(traces: list[LlmTrace]) -> LlmTrace:
    """Return the requests of several traces of one period in order of arrival, ties in the order given.

    Parameters
    ----------
    traces : list of LlmTrace
        At least one.

    Returns
    -------
    LlmTrace
        Its arrivals counted from the first request of all.
    """
    start = min(trace.start for trace in traces)
    offsets = [(trace.start - start).astype(np.int64) / 1e9 for trace in traces]
    seconds = np.concatenate([trace.arrival_seconds + offset for trace, offset in zip(traces, offsets, strict=True)])
    order = np.argsort(seconds, kind="stable")
    context = np.concatenate([trace.context for trace in traces])
    generated = np.concatenate([trace.generated for trace in traces])
    return LlmTrace(start, seconds[order], context[order], generated[order])


def read_text(path: Path) -> str:
    """Return the text of a regular file in UTF-8 of at most 2 GiB, or raise ``TraceError``."""
    try:
        if not path.is_file():
            raise TraceError(str(path), "no regular file", "the path of an existing CSV file")
        if path.stat().st_size > MAX_BYTES:
            raise TraceError(str(path), f"{path.stat().st_size} bytes", f"at most {MAX_BYTES} bytes")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TraceError(str(path), f"byte {error.start}", "text in UTF-8") from None
    except OSError as error:
        raise TraceError(str(path), error.strerror or str(error), "a file that can be read") from None


def _time(place: str, text: str) -> str:
    """Return a time in the one form in which texts sort as times do."""
    found = _TIME.fullmatch(text.strip())
    allowed = "a time in UTC such as 2023-11-16 18:17:03.9799600"
    if not found:
        raise TraceError(f"{place}, column {AZURE_LLM_COLUMNS[0]}", text, allowed)
    day, clock = found.groups()
    try:
        np.datetime64(day, "D")
    except ValueError:
        raise TraceError(f"{place}, column {AZURE_LLM_COLUMNS[0]}", text, allowed) from None
    whole, _, part = clock.partition(".")
    return f"{day}T{whole}.{part:0<9}"


def _tokens(place: str, column: int, text: str) -> int:
    if not _COUNT.fullmatch(text.strip()) or int(text) >= MAX_TOKENS:
        allowed = "a whole number of tokens, at least 0 and below 2^31"
        raise TraceError(f"{place}, column {AZURE_LLM_COLUMNS[column]}", text, allowed)
    return int(text)
