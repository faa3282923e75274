"""Traces in JSON and Parquet: the spans they hold, and what is refused by its place."""

from __future__ import annotations

import gzip
import importlib.util
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from octomodel.calibration import read_azure_llm, read_chrome, read_otlp, read_spans, tables
from octomodel.calibration.spans import Spans
from octomodel.calibration.trace import TraceError
from octomodel.testing import mutants


def x(name: str, ts: float, dur: float, request: Any, **args: Any) -> dict[str, Any]:
    args = {"request": request, **args}
    return {"ph": "X", "name": name, "cat": "op,gpu", "pid": 1, "tid": 1, "ts": ts, "dur": dur, "args": args}


def mark(ph: str, name: str, ts: float, tid: int = 1, **args: Any) -> dict[str, Any]:
    return {"ph": ph, "name": name, "cat": "op", "pid": 1, "tid": tid, "ts": ts, "args": args}


EVENTS = [
    {"ph": "M", "name": "process_name", "args": {"name": "server"}},
    x("decode", 1_000_030, 5.5, 7),
    x("prefill", 1_000_000, 20, 7, tokens=512),
    mark("E", "inner", 1_000_060),
    mark("B", "outer", 1_000_010, request="b", tokens=3),
    mark("B", "inner", 1_000_020),
    mark("B", "inner", 1_000_015, tid=2, request="b"),
    mark("E", "outer", 1_000_070, request="b"),
]
EVENTS[3]["args"] = {"request": "b"}


def written(folder: Path, data: Any, name: str = "t.json") -> Path:
    path = folder / name
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def rows(spans: Spans) -> list[tuple[int, str, float, float]]:
    names = [spans.tasks[i] for i in spans.task]
    end = np.nan_to_num(spans.end, nan=-1.0)
    return list(zip(spans.request.tolist(), names, spans.start.tolist(), end.tolist(), strict=True))


def test_complete_and_paired_events_become_spans(tmp_path: Path) -> None:
    spans = read_chrome(written(tmp_path, {"traceEvents": EVENTS}), attributes=["tokens"])
    assert rows(spans) == [
        (0, "prefill", 0.0, 20.0),
        (1, "outer", 10.0, 70.0),
        (1, "inner", 15.0, -1.0),
        (1, "inner", 20.0, 60.0),
        (0, "decode", 30.0, 35.5),
    ]
    assert spans.attributes["tokens"].tolist() == [512.0, 3.0]
    assert spans.until == 70.0 and spans.sample("inner").times.tolist() == [55.0, 40.0]


def test_a_trace_may_be_an_array_that_is_left_open_or_packed(tmp_path: Path) -> None:
    whole = rows(read_chrome(written(tmp_path, EVENTS)))
    text = json.dumps(EVENTS)
    assert rows(read_chrome(written(tmp_path, text[:-1] + ",\n"))) == whole
    (tmp_path / "t.json.gz").write_bytes(gzip.compress(text.encode()))
    assert rows(read_chrome(tmp_path / "t.json.gz")) == whole


def test_one_category_is_read_alone(tmp_path: Path) -> None:
    events = [each for each in EVENTS if each["ph"] != "M"]
    spans = read_chrome(written(tmp_path, events), category="gpu")
    assert spans.tasks == ("decode", "prefill")
    assert len(read_chrome(written(tmp_path, events), category="op")) == 5


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ({"events": []}, ".traceEvents: got None; allowed: an array"),
        ({"traceEvents": [3]}, ".traceEvents[0]: got 3; allowed: an object"),
        ([mark("i", "a", 0)], ": got 'no spans'; allowed: at least one"),
        ([x("a", 0, -1, 1)], "[0].dur: got -1; allowed: a number >= 0"),
        ([x("a", 0, "1", 1)], "[0].dur: got '1'; allowed: a number >= 0"),
        ([x("a", True, 1, 1)], "[0].ts: got True; allowed: a finite number"),
        ([x("", 0, 1, 1)], "[0].name: got ''; allowed: a text that is not empty, or an integer"),
        ([x("a", 0, 1, None)], "[0].args.request: got None; allowed: a text that is not empty, or an integer"),
        ([x("a", 0, 1, 1, tokens="9")], "[0].args.tokens: got '9'; allowed: a finite number"),
        ([x("a", 0, 1, 1)], "[0].ts, attribute tokens: got 'nothing'; allowed: a value in at least one span of each request"),
        (
            [x("a", 0, 1, 1, tokens=2), x("a", 1, 1, 1, tokens=3)],
            "[0].ts, attribute tokens: got 2.0; allowed: one value in all spans of a request",
        ),
        ([mark("B", "a", 0)], "[0].args.request: got None; allowed: the request of the event"),
        ([mark("E", "a", 0)], "[0]: got 'an end event'; allowed: one on a thread where an event has begun and not ended"),
        ([x("a", 10**400, 1, 1)], "[0].ts: got 'a huge integer'; allowed: a finite number"),
        ([x("a", 1e308, 1, 1)], "[0].ts: got 1e+308; allowed: a finite number"),
        (f'[{{"ts": {"9" * 5000}}}]', ": got 'Exceeds the limit (4300 digits) for integer string conversion: value has 50"),
        ([[1] * 100] * 100, f"[0]: got [{'1, ' * 16}...]; allowed: an object"),
        ('[{"ph": "X", "ts": NaN}]', ": got 'NaN'; allowed: JSON, which has no such number"),
        ('{"traceEvents": [', ", line 1, column 18: got 'Expecting value'; allowed: JSON"),
        ("[" * 100_000, ": got 'lists within lists without end'; allowed: JSON"),
    ],
)
def test_events_are_refused_by_their_place(tmp_path: Path, events: Any, message: str) -> None:
    path = written(tmp_path, events)
    with pytest.raises(TraceError) as error:
        read_chrome(path, attributes=["tokens"])
    assert str(error.value).startswith(f"{path}{message}") and len(str(error.value)) < 500


def test_the_watch_of_a_trace_counts_from_its_first_span(tmp_path: Path) -> None:
    path = written(tmp_path, [x("a", 10**9, 4, 1), x("a", 10**9 + 2, 6, 2)])
    assert read_chrome(path, since=3.0).sample("a").entry.tolist() == [3.0, 1.0]
    with pytest.raises(TraceError, match=r"t.json\[1\].dur: got 1000000008; allowed: a time not after 5, when the watch ended"):
        read_chrome(path, until=5.0)


BEGAN = 1_700_000_000_123_456_789


def span(name: str, start: int, end: int | None, trace: str = "t1", **attributes: Any) -> dict[str, Any]:
    found = {"traceId": trace, "name": name, "startTimeUnixNano": str(BEGAN + start)}
    if end is not None:
        found["endTimeUnixNano"] = str(BEGAN + end)
    return {**found, "attributes": [{"key": key, "value": value} for key, value in attributes.items()]}


def exported(*spans: Any) -> dict[str, Any]:
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {"name": "s"}, "spans": list(spans)}]}]}


def test_exported_spans_keep_their_nanoseconds(tmp_path: Path) -> None:
    first = exported(span("b", 30, 41, size={"doubleValue": 1.5}), span("a", 0, 1, order={"stringValue": "o"}))
    second = exported(span("b", 7, None, "t2", size={"intValue": "-12"}), span("a", 3, 9, "t2", order={"intValue": "4"}))
    want = [(0, "a", 0.0, 1.0), (1, "a", 3.0, 9.0), (1, "b", 7.0, -1.0), (0, "b", 30.0, 41.0)]
    for text in (json.dumps(first) + "\n" + json.dumps(second) + "\n", json.dumps(exported(), indent=1)):
        path = written(tmp_path, text)
        if text.startswith("{\n"):
            with pytest.raises(TraceError, match="got 'no spans'"):
                read_otlp(path)
            continue
        spans = read_otlp(path, attributes=["size"])
        assert rows(spans) == want
        assert spans.attributes["size"].tolist() == [1.5, -12.0]
    assert len(rows(read_otlp(written(tmp_path, first), attributes=[]))) == 2
    whole = exported(span("a", 0, 1, order={"stringValue": "o"}), span("a", 3, 9, order={"intValue": "4"}))
    assert read_otlp(written(tmp_path, json.dumps(whole, indent=1)), request="order").request.tolist() == [0, 1]


WHOLE = "allowed: nanoseconds, a whole number as text"
SIZED = "allowed: intValue or doubleValue, a finite number"


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([span("", 0, 1)], ".name: got ''; allowed: a text that is not empty, or an integer"),
        ([span("a", 0, 1) | {"traceId": ""}], ".traceId: got ''; allowed: a text that is not empty, or an integer"),
        ([span("a", 0, 1) | {"startTimeUnixNano": "1.5"}], f".startTimeUnixNano: got '1.5'; {WHOLE}"),
        ([span("a", 0, 1) | {"endTimeUnixNano": 2**64}], f".endTimeUnixNano: got {2**64}; {WHOLE}"),
        ([span("a", 5, 3)], f".endTimeUnixNano: got {BEGAN + 3}; allowed: empty, or a time not before the start"),
        ([span("a", 0, 1, size={"intValue": "x"})], ".attributes[0].value.intValue: got 'x'; allowed: a whole number as text"),
        ([span("a", 0, 1, size={"boolValue": True})], f".attributes[0].value: got None; {SIZED}"),
        ([span("a", 0, 1) | {"attributes": {}}], ".attributes: got {}; allowed: an array"),
    ],
)
def test_exported_spans_are_refused_by_their_place(tmp_path: Path, spans: list[Any], message: str) -> None:
    path = written(tmp_path, exported(*spans))
    with pytest.raises(TraceError) as error:
        read_otlp(path, attributes=["size"])
    assert str(error.value) == f"{path}.resourceSpans[0].scopeSpans[0].spans[0]{message}"


def test_a_file_that_is_no_export_is_refused(tmp_path: Path) -> None:
    for text, message in (
        ("{}", r"t.json.resourceSpans: got None; allowed: an array"),
        ('{"resourceSpans": []}\nx', r"t.json, line 2, line 1, column 1: got 'Expecting value'; allowed: JSON"),
        (json.dumps(exported(span("a", 0, 1))), r"spans\[0\].attributes: got 'nothing'; allowed: an attribute order, the"),
    ):
        with pytest.raises(TraceError, match=message):
            read_otlp(written(tmp_path, text), request="order")


TABLE = {"request": [1, 2, 2], "task": ["a", "a", "b"], "start": [0.0, 2.0, 3.0], "end": [1.0, np.nan, 5.0], "size": [4, 8, 8]}


def test_attributes_are_columns_of_a_table() -> None:
    spans = read_spans(TABLE, attributes=["size"])
    assert spans.attributes["size"].tolist() == spans.requests.attributes["size"].tolist() == [4.0, 8.0]
    with pytest.raises(TraceError, match=r"spans, row 1, column size: got 9; allowed: one value in all spans of a request"):
        read_spans({**TABLE, "size": [4, 9, 8]}, attributes=["size"])


def test_parquet_is_read_where_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "spans.parquet"
    if importlib.util.find_spec("pyarrow") is not None:
        pandas.DataFrame(TABLE).to_parquet(path)
        spans = read_spans(path, attributes=["size"])
        assert rows(spans) == rows(read_spans(TABLE)) and spans.attributes["size"].tolist() == [4.0, 8.0]
        with pytest.raises(TraceError, match="a Parquet file that can be read"):
            read_spans(written(tmp_path, "x", "no.parquet"))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match="spans.parquet needs pyarrow: pip install pyarrow, or write the table as CSV"):
        read_spans(path)


def test_spans_are_renamed_and_taken_by_task_and_request() -> None:
    spans = read_spans({**TABLE, "request": [1, 2, 3], "size": [4, 8, 6]}, attributes=["size"], until=6.0)
    assert rows(spans.renamed({"b": "a"})) == [(0, "a", 0.0, 1.0), (1, "a", 2.0, -1.0), (2, "a", 3.0, 5.0)]
    only = spans.of_tasks(["b", "c"])
    assert rows(only) == [(0, "b", 3.0, 5.0)] and only.attributes["size"].tolist() == [6.0]
    late = spans.part(1, 3)
    assert rows(late) == [(0, "a", 2.0, -1.0), (1, "b", 3.0, 5.0)] and late.attributes["size"].tolist() == [8.0, 6.0]
    assert late.latencies.tolist()[1] == 2.0 and np.isnan(late.latencies[0])
    with pytest.raises(TraceError, match="spans.task: got 'c'; allowed: one of a, b"):
        spans.renamed({"c": "a"})
    with pytest.raises(TraceError, match="spans.task: got 'a, b'; allowed: at least one of c"):
        spans.of_tasks(["c"])


def test_a_request_whose_first_span_is_left_out_keeps_its_attributes() -> None:
    table = {"request": [1, 2, 1], "task": ["x", "a", "a"], "start": [0.0, 1.0, 2.0], "end": [1.0, 2.0, 3.0], "size": [4, 8, 4]}
    only = read_spans(table, attributes=["size"]).of_tasks(["a"])
    assert only.request.tolist() == [0, 1] and only.attributes["size"].tolist() == [8.0, 4.0]


def test_requests_of_a_public_trace(tmp_path: Path) -> None:
    lines = ["TIMESTAMP,ContextTokens,GeneratedTokens", "2023-11-16 18:17:03,9,2", "2023-11-16 18:17:05,4,3"]
    path = written(tmp_path, "\n".join(lines), "t.csv")
    requests = read_azure_llm(path).requests
    assert len(requests) == 2 and requests.arrivals.tolist() == [0.0, 2.0]
    assert requests.part(1, 2).attributes["context"].tolist() == [4.0]


def spoiled(data: dict[str, Any], seed: int) -> bytes:
    draw = random.Random(seed)
    if seed % 2:
        return mutants.of_bytes(json.dumps(data).encode(), draw)
    while True:
        try:
            return json.dumps(mutants.of_structure(data, draw), default=str).encode()
        except (RecursionError, ValueError):
            # lists too deep and numbers too long to be written by this library
            continue


@pytest.mark.parametrize(("name", "read"), [("chrome", read_chrome), ("otlp", read_otlp)])
def test_spoiled_traces_are_read_or_refused(tmp_path: Path, name: str, read: Any) -> None:
    first = exported(span("b", 30, 41, tokens={"doubleValue": 1.5}), span("a", 0, 1, "t2", tokens={"intValue": "3"}))
    data: dict[str, Any] = {"traceEvents": EVENTS} if name == "chrome" else first
    refused = 0
    for seed in range(300):
        path = tmp_path / "t.json"
        path.write_bytes(spoiled(data, seed))
        try:
            spans = read(path, attributes=["tokens"])
            assert len(spans) and np.all(np.diff(spans.start) >= 0.0) and not np.any(spans.end < spans.start)
        except TraceError as error:
            refused += 1
            assert len(str(error)) < 1000 and str(error).startswith(str(path))
    assert 100 < refused < 300


def test_what_unpacks_to_more_than_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_BYTES", 1000)
    (tmp_path / "t.json.gz").write_bytes(gzip.compress(b" " * 100_000 + b"[]"))
    with pytest.raises(TraceError, match="got 'more than 1000 characters, unpacked'"):
        read_chrome(tmp_path / "t.json.gz")
