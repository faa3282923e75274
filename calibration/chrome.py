"""The reader of traces in the Trace Event Format, as Chrome, Perfetto and the profilers of PyTorch and TensorFlow write it."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

from .events import Gathered, label, listed, mapping, number, parsed, text_of
from .spans import Spans
from .trace import TraceError

_KINDS = ("X", "B", "E")
Waiting = list[tuple[int, bool]]


def read_chrome(
    path: str | os.PathLike[str],
    *,
    request: str = "request",
    attributes: Sequence[str] = (),
    category: str | None = None,
    since: float = -math.inf,
    until: float | None = None,
) -> Spans:
    """Return the spans of a trace in the Trace Event Format: complete events (X), and begin and end events (B, E).

    Parameters
    ----------
    path : str or path-like
        JSON, plain or gzip by its ending ``.gz``: an object with ``traceEvents``, or an array, closed or not.
    request : str
        Name of the entry of ``args`` that says which request an event belongs to.
    attributes : sequence of str
        Entries of ``args`` with numbers that belong to the request.
    category : str, optional
        Only events of which this is one of the categories; by default all.
    since, until : float, optional
        When the system was watched, in microseconds from the first span.

    Returns
    -------
    Spans
        A task per name, times in microseconds from the first span. An end event ends the last event begun on its thread, whatever
        its name; what was begun and not ended is unfinished. Other kinds of events are left out.

    Raises
    ------
    TraceError
        When the file cannot be read or is no such trace, has no spans, an event lacks what is needed, or an end event has no
        beginning; as for ``read_spans``. The message names file and event, such as ``trace.json.traceEvents[7].dur``.

    Notes
    -----
    Source of the format: Google, "Trace Event Format", sections "JSON Array Format", "Duration Events" and "Complete Events".
    """
    name = os.fspath(path)
    data = _read(name)
    events = data
    if isinstance(data, dict):
        name = f"{name}.traceEvents"
        events = data.get("traceEvents")
    found = Gathered(attributes)
    pairs: list[tuple[int | float, int, dict[str, Any]]] = []
    for i, each in enumerate(listed(name, events)):
        place = f"{name}[{i}]"
        event = mapping(place, each)
        if event.get("ph") not in _KINDS:
            continue
        begin = number(f"{place}.ts", event.get("ts"))
        if event["ph"] != "X":
            pairs.append((begin, i, event))
        elif _wanted(event, category):
            length = number(f"{place}.dur", event.get("dur"), "a number >= 0")
            if length < 0:
                raise TraceError(f"{place}.dur", length, "a number >= 0")
            _begin(found, place, event, request)
            found.end.append(begin + length)
            found.ended.append(f"{place}.dur")
            _say(found, place, event)
    _pair(found, name, pairs, request, category)
    return found.spans(name, since, until)


def _read(name: str) -> Any:
    text = text_of(name)
    try:
        return parsed(text, name)
    except TraceError:
        # a program that was killed leaves an array open
        if not text.lstrip().startswith("[") or text.rstrip().endswith("]"):
            raise
        return parsed(f"{text.rstrip().removesuffix(',')}]", name)


def _pair(
    found: Gathered,
    name: str,
    events: list[tuple[int | float, int, dict[str, Any]]],
    request: str,
    category: str | None,
) -> None:
    """Add the spans between begin and end events, which nest on each thread."""
    open_: dict[tuple[Any, Any], Waiting] = {}
    for _, i, event in sorted(events, key=lambda each: each[:2]):
        place = f"{name}[{i}]"
        waiting = open_.setdefault((str(event.get("pid")), str(event.get("tid"))), [])
        if event["ph"] == "B":
            # of categories not wanted too: their ends have to find them
            wanted = _wanted(event, category)
            waiting.append((len(found.start), wanted))
            if wanted:
                _begin(found, place, event, request, later=True)
                found.end.append(None)
                found.ended.append(place)
                _say(found, place, event)
        elif not waiting:
            raise TraceError(place, "an end event", "one on a thread where an event has begun and not ended")
        else:
            at, wanted = waiting.pop()
            if wanted:
                found.end[at] = event["ts"]
                found.ended[at] = f"{place}.ts"
                _say(found, place, event, at)
                args = event.get("args") or {}
                if not found.request[at] and request in args:
                    found.request[at] = label(f"{place}.args.{request}", args[request])
    for at, which in enumerate(found.request):
        if not which:
            raise TraceError(f"{found.begun[at].removesuffix('.ts')}.args.{request}", None, "the request of the event")


def _wanted(event: dict[str, Any], category: str | None) -> bool:
    return category is None or category in str(event.get("cat", "")).split(",")


def _begin(found: Gathered, place: str, event: dict[str, Any], request: str, later: bool = False) -> None:
    args = mapping(f"{place}.args", event.get("args", {}))
    missing = later and request not in args
    found.request.append("" if missing else label(f"{place}.args.{request}", args.get(request)))
    found.task.append(label(f"{place}.name", event.get("name")))
    found.start.append(event["ts"])
    found.begun.append(f"{place}.ts")


def _say(found: Gathered, place: str, event: dict[str, Any], at: int | None = None) -> None:
    """Note what an event says of its request, as a new span or with what the span at ``at`` says already."""
    args = mapping(f"{place}.args", event.get("args", {}))
    said = {name: float(number(f"{place}.args.{name}", args[name])) for name in found.attributes if name in args}
    if at is None:
        found.said.append(said)
    else:
        found.said[at] |= said
