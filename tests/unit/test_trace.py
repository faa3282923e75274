"""The reader of the Azure LLM trace format: what it returns and what it refuses, with place and cure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from octomodel.calibration.trace import TraceError, merge, read_azure_llm

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
GOOD = HEADER + "2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319600,3180,8\n"


def written(folder: Path, content: str | bytes, name: str = "trace.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.removesuffix("\n"),
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD + "\n\n",
        GOOD.replace("16 18", "16T18").replace("600,", "600+00:00,"),
        GOOD.replace("3180", '"3180"'),
    ],
    ids=["plain", "no last newline", "crlf", "byte order mark", "blank lines", "ISO 8601", "quoted"],
)
def test_rows_become_seconds_and_tokens(tmp_path: Path, content: str) -> None:
    found = read_azure_llm(written(tmp_path, content))
    assert len(found) == 2
    assert found.start == np.datetime64("2023-11-16T18:17:03.979960000")
    assert found.arrival_seconds.tolist() == pytest.approx([0.0, 0.052], abs=1e-12)
    assert (found.context.tolist(), found.generated.tolist()) == ([4808, 3180], [10, 8])
    assert found.arrival_seconds.dtype == np.float64
    assert found.context.dtype == found.generated.dtype == np.int64


def test_seconds_pass_midnight_and_the_end_of_a_month(tmp_path: Path) -> None:
    found = read_azure_llm(written(tmp_path, HEADER + "2024-02-29 23:59:59,1,1\n2024-03-01 00:00:01.5,2,2\n"))
    assert found.arrival_seconds.tolist() == [0.0, 2.5]


TIME = "a time in UTC such as 2023-11-16 18:17:03.9799600"
COUNT = "a whole number of tokens, at least 0 and below 2^31"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("2023-11-16 18:17:03,1\n", "row 2: got '2023-11-16 18:17:03,1'; allowed: 3 fields, as in the header"),
        (
            "2023-11-16 18:17:03,1,5,2\n",  # decimal comma
            "row 2: got '2023-11-16 18:17:03,1,5,2'; allowed: 3 fields, as in the header",
        ),
        ("2023-11-16,1,2\n", f"row 2, column TIMESTAMP: got '2023-11-16'; allowed: {TIME}"),
        ("2023-02-30 10:00:00,1,2\n", f"row 2, column TIMESTAMP: got '2023-02-30 10:00:00'; allowed: {TIME}"),
        ("9999-01-01 10:00:00,1,2\n", f"row 2, column TIMESTAMP: got '9999-01-01 10:00:00'; allowed: {TIME}"),
        ("2023-11-16 24:00:00,1,2\n", f"row 2, column TIMESTAMP: got '2023-11-16 24:00:00'; allowed: {TIME}"),
        (
            "2023-11-16 18:17:03+02:00,1,2\n",
            f"row 2, column TIMESTAMP: got '2023-11-16 18:17:03+02:00'; allowed: {TIME}",
        ),
        ("NaT,1,2\n", f"row 2, column TIMESTAMP: got 'NaT'; allowed: {TIME}"),
        ("2023-11-16 18:17:03,nan,2\n", f"row 2, column ContextTokens: got 'nan'; allowed: {COUNT}"),
        ("2023-11-16 18:17:03,4.5,2\n", f"row 2, column ContextTokens: got '4.5'; allowed: {COUNT}"),
        ("2023-11-16 18:17:03,-1,2\n", f"row 2, column ContextTokens: got '-1'; allowed: {COUNT}"),
        ("2023-11-16 18:17:03,1,2147483648\n", f"row 2, column GeneratedTokens: got '2147483648'; allowed: {COUNT}"),
        ("2023-11-16 18:17:03,1,\n", f"row 2, column GeneratedTokens: got ''; allowed: {COUNT}"),
        ("2023-11-16 18:17:03,١,2\n", f"row 2, column ContextTokens: got '١'; allowed: {COUNT}"),
        (
            "2023-11-16 18:17:03,1,2\n\n2023-11-16 18:17:02,1,2\n",
            "row 4, column TIMESTAMP: got '2023-11-16 18:17:02'; allowed: a time not before "
            "2023-11-16T18:17:03.000000000, the row before: order of arrival",
        ),
        ('2023-11-16 18:17:03,1,"2\n', "row 2: got 'unexpected end of data'; allowed: comma-separated values"),
        ("", "got 'no rows'; allowed: at least one row under the header"),
    ],
)
def test_rows_that_are_refused(tmp_path: Path, rows: str, message: str) -> None:
    path = written(tmp_path, HEADER + rows)
    with pytest.raises(TraceError) as caught:
        read_azure_llm(path)
    separator = ": " if message.startswith("got") else ", "
    assert str(caught.value) == f"{path}{separator}{message}"
    assert caught.value.path.startswith(str(path))


@pytest.mark.parametrize("header", ["", "time,context,generated\n", "TIMESTAMP,ContextTokens\n"])
def test_headers_that_are_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(TraceError, match="row 1: got .*; allowed: the header TIMESTAMP,ContextTokens,GeneratedTokens"):
        read_azure_llm(written(tmp_path, header))


def test_files_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(TraceError, match="got 'no regular file'; allowed: the path of an existing CSV file"):
            read_azure_llm(path)
    with pytest.raises(TraceError, match="got 'byte 3'; allowed: text in UTF-8"):
        read_azure_llm(written(tmp_path, b"abc\xff"))
    monkeypatch.setattr("octomodel.calibration.trace.MAX_BYTES", 10)
    with pytest.raises(TraceError, match=rf"got '{len(GOOD)} bytes'; allowed: at most 10 bytes"):
        read_azure_llm(written(tmp_path, GOOD))


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    path = written(tmp_path, GOOD)
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(TraceError, match="got 'Permission denied'; allowed: a file that can be read"):
        read_azure_llm(path)


def test_merged_requests_stand_in_order_of_arrival(tmp_path: Path) -> None:
    first = read_azure_llm(written(tmp_path, HEADER + "2023-01-01 10:00:01,1,1\n2023-01-01 10:00:04,2,2\n", "a"))
    second = read_azure_llm(written(tmp_path, HEADER + "2023-01-01 10:00:00,3,3\n2023-01-01 10:00:04,4,4\n", "b"))
    both = merge([first, second])
    assert both.start == second.start
    assert both.arrival_seconds.tolist() == [0.0, 1.0, 4.0, 4.0]
    assert both.context.tolist() == both.generated.tolist() == [3, 1, 2, 4]


def test_the_public_files_have_the_published_statistics(shared_data: Path) -> None:
    code = read_azure_llm(shared_data / "AzureLLMInferenceTrace_code.csv")
    talk = read_azure_llm(shared_data / "AzureLLMInferenceTrace_conv.csv")
    assert (len(code), len(talk)) == (8_819, 19_366)
    for found, context, generated, gap in ((code, 2047.8, 27.88, 0.3897), (talk, 1154.7, 211.1, 0.1809)):
        assert found.context.mean() == pytest.approx(context, rel=1e-3)
        assert found.generated.mean() == pytest.approx(generated, rel=1e-3)
        assert np.diff(found.arrival_seconds).mean() == pytest.approx(gap, rel=1e-3)
    both = merge([code, talk])
    assert len(both) == len(code) + len(talk)
    assert (np.diff(both.arrival_seconds) >= 0).all()
    assert both.context.sum() == code.context.sum() + talk.context.sum()
