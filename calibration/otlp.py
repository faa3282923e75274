"""The reader of spans that OpenTelemetry exports as JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

from .events import Gathered, label, listed, mapping, number, parsed, text_of
from .spans import Spans
from .trace import TraceError

_MOST = 2**64
_LISTS = ("resourceSpans", "scopeSpans", "spans")


def read_otlp(
    path: str | os.PathLike[str],
    *,
    request: str | None = None,
    attributes: Sequence[str] = (),
    since: float = -math.inf,
    until: float | None = None,
) -> Spans:
    """Return the spans of a file of OTLP JSON.

    Parameters
    ----------
    path : str or path-like
        Plain or gzip by its ending ``.gz``: one object with ``resourceSpans``, or one in each line, as exporters to files write.
    request : str, optional
        Attribute of the spans that says which request each belongs to; by default the trace does.
    attributes : sequence of str
        Attributes of the spans, numbers, that belong to the request.
    since, until : float, optional
        When the system was watched, in nanoseconds from the first span.

    Returns
    -------
    Spans
        A task per name of spans, times in nanoseconds from the first span. A span without end time, or with 0, is unfinished. A
        span that holds others is a task of its own: ``of_tasks`` leaves it out.

    Raises
    ------
    TraceError
        When the file cannot be read or is no such trace, has no spans, or a span lacks what is needed; as for ``read_spans``. The
        message names file and span, such as ``spans.json.resourceSpans[0].scopeSpans[1].spans[7].name``.

    Notes
    -----
    Source of the format: OpenTelemetry Protocol Specification, "JSON Protobuf Encoding", and trace.proto.
    """
    name = os.fspath(path)
    found = Gathered(attributes)
    for place, each in _documents(name):
        for where, span in _below(place, each, _LISTS):
            _add(found, where, mapping(where, span), request)
    return found.spans(name, since, until)


def _documents(name: str) -> Iterator[tuple[str, Any]]:
    """Yield the place and the content of each object of a file."""
    text = text_of(name)
    lines = [(i, line) for i, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if len(lines) > 1 and _is_json(lines[0][1]):
        for i, line in lines:
            yield f"{name}, line {i}", parsed(line, f"{name}, line {i}")
    else:
        yield name, parsed(text, name)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _below(place: str, value: Any, lists: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield all that stands in lists within lists, with its place."""
    if not lists:
        yield place, value
        return
    inside = mapping(place, value).get(lists[0], [] if lists != _LISTS else None)
    for i, each in enumerate(listed(f"{place}.{lists[0]}", inside)):
        yield from _below(f"{place}.{lists[0]}[{i}]", each, lists[1:])


def _add(found: Gathered, place: str, span: dict[str, Any], request: str | None) -> None:
    start = _nanoseconds(f"{place}.startTimeUnixNano", span.get("startTimeUnixNano"))
    end = _nanoseconds(f"{place}.endTimeUnixNano", span.get("endTimeUnixNano", 0))
    values: dict[str, tuple[str, Any]] = {}
    for i, each in enumerate(listed(f"{place}.attributes", span.get("attributes", []))):
        where = f"{place}.attributes[{i}]"
        pair = mapping(where, each)
        values[str(pair.get("key"))] = f"{where}.value", mapping(f"{where}.value", pair.get("value", {}))
    if request is None:
        found.request.append(label(f"{place}.traceId", span.get("traceId")))
    elif request in values:
        where, value = values[request]
        found.request.append(label(where, value.get("stringValue", value.get("intValue"))))
    else:
        raise TraceError(f"{place}.attributes", "nothing", f"an attribute {request}, the request of the span")
    found.task.append(label(f"{place}.name", span.get("name")))
    found.start.append(start)
    found.end.append(end or None)
    found.begun.append(f"{place}.startTimeUnixNano")
    found.ended.append(f"{place}.endTimeUnixNano")
    found.said.append({name: _value(*values[name]) for name in found.attributes if name in values})


def _nanoseconds(place: str, value: object) -> int:
    """Return a time: 64-bit integers are texts in this format, numbers are met too."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MOST:
        raise TraceError(place, value, "nanoseconds, a whole number as text")
    return value


def _value(place: str, value: dict[str, Any]) -> float:
    """Return a number out of its wrapping."""
    if isinstance(value.get("intValue"), str):
        text = value["intValue"]
        if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 20):
            raise TraceError(f"{place}.intValue", text, "a whole number as text")
        return float(text)
    allowed = "intValue or doubleValue, a finite number"
    return float(number(place, value.get("intValue", value.get("doubleValue")), allowed))
