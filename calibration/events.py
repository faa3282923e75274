"""What readers of traces in JSON share: the text, values named by their place, and spans gathered one by one."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .sample import Mask
from .spans import Rows, Spans
from .tables import unpacked
from .trace import TraceError, read_text

LARGEST = 2.0**1000
"""Bound of numbers, so that sums and differences stay finite; integers are compared with it exactly."""


def text_of(path: str | os.PathLike[str]) -> str:
    """Return the text of a file, plain or gzip by its ending ``.gz``, or raise ``TraceError``."""
    name = os.fspath(path)
    return unpacked(name) if name.endswith(".gz") else read_text(Path(name))


def parsed(text: str, place: str) -> Any:
    """Return what a JSON text says; NaN and infinities, which JSON does not know, are refused."""

    def strange(constant: str) -> Any:
        raise TraceError(place, constant, "JSON, which has no such number")

    try:
        return json.loads(text, parse_constant=strange)
    except TraceError:
        raise
    except json.JSONDecodeError as error:
        raise TraceError(f"{place}, line {error.lineno}, column {error.colno}", error.msg, "JSON") from None
    except ValueError as error:
        # of integers that Python refuses to read
        raise TraceError(place, str(error), "JSON") from None
    except RecursionError:
        raise TraceError(place, "lists within lists without end", "JSON") from None


def mapping(place: str, value: object) -> dict[str, Any]:
    """Return a JSON object, or raise ``TraceError``."""
    if not isinstance(value, dict):
        raise TraceError(place, value, "an object")
    return value


def listed(place: str, value: object) -> list[Any]:
    """Return a JSON array, or raise ``TraceError``."""
    if not isinstance(value, list):
        raise TraceError(place, value, "an array")
    return value


def number(place: str, value: object, allowed: str = "a finite number") -> int | float:
    """Return a finite number, or raise ``TraceError``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TraceError(place, value, allowed)
    if not abs(value) < LARGEST:
        # of an integer as long as a page nothing more is told
        raise TraceError(place, value if isinstance(value, float) else "a huge integer", allowed)
    return value


def label(place: str, value: object) -> str:
    """Return a name as text, or raise ``TraceError``; a number counts as one."""
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value):
        raise TraceError(place, value, "a text that is not empty, or an integer")
    return str(value)


@dataclass
class Gathered:
    """Spans found in a trace, in its order.

    Attributes
    ----------
    attributes : sequence of str
        Names of what is wanted to know of requests.
    start, end : list
        Times as they stand, exact; None where the end was not seen.
    begun, ended : list of str
        Where they stand.
    said : list of dict
        What each span says of its request.
    """

    attributes: Sequence[str]
    request: list[str] = field(default_factory=list)
    task: list[str] = field(default_factory=list)
    start: list[int | float] = field(default_factory=list)
    end: list[int | float | None] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    said: list[dict[str, float]] = field(default_factory=list)

    def spans(self, place: str, since: float, until: float | None) -> Spans:
        """Return the spans, their times counted from the first start, which keeps them exact in 64 bits."""
        if not self.start:
            raise TraceError(place, "no spans", "at least one")
        first = min(self.start)
        start = np.array([each - first for each in self.start], np.float64)
        end = np.array([math.nan if each is None else each - first for each in self.end], np.float64)
        values = {name: np.array([each.get(name, math.nan) for each in self.said]) for name in self.attributes}

        def refuse(column: str, bad: Mask, allowed: str) -> None:
            if bad.any():
                at = int(bad.argmax())
                if column == "start":
                    raise TraceError(self.begun[at], self.start[at], allowed)
                if column == "end":
                    raise TraceError(self.ended[at], self.end[at], allowed)
                name = column.removeprefix("attribute ")
                raise TraceError(f"{self.begun[at]}, {column}", self.said[at].get(name, "nothing"), allowed)

        rows = Rows(np.array(self.request), np.array(self.task), start, end, values, refuse)
        return rows.spans(since, until)
