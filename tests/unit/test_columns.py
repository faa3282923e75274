"""Columns of tables: CSV, gzip and Parquet, numbers and time stamps, and everything that is refused, with its place."""

from __future__ import annotations

import builtins
import gzip
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octomodel.dist import Empirical, columns
from octomodel.errors import ModelError

STAMPS = ("2023-11-16 18:17:03.9799600", "2023-11-16T18:17:04Z", "2023-11-16 19:17:04.25+01:00")


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") and isinstance(content, str) else data)
    return path


def refusal(path: Path, names: list[str], **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        columns.read(path, names, **options)
    assert str(caught.value).count("\n") == 0 and len(str(caught.value)) < 2000
    return str(caught.value).replace(str(path), "FILE")


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_columns_are_in_the_order_asked_for_and_of_the_rows(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, '\ufeffn,"a, b",c\r\n1,"2",x\r\n\r\n-3, 4e1 ,"y\nz"\r\n', name)
    table = columns.read(path, ["a, b", "n"])
    assert [column.values.tolist() for column in table.columns] == [[2.0, 40.0], [1.0, -3.0]]
    assert table.columns[0].rows.tolist() == [2, 5]  # the last line of a row that has two
    assert table.columns[1].place(1) == f"{path}, row 5, column n"
    assert columns.header(path) == ("n", "a, b", "c")


def test_time_stamps_are_nanoseconds_whatever_their_zone(tmp_path: Path) -> None:
    path = write(tmp_path, "at,size\n" + "".join(f"{stamp},{i}\n" for i, stamp in enumerate(STAMPS)))
    at, size = columns.read(path, ["at", "size"], stamps=True).columns
    assert at.stamps and not size.stamps and at.values.dtype == np.int64
    expected = np.array(["2023-11-16T18:17:03.97996", "2023-11-16T18:17:04", "2023-11-16T18:17:04.25"], "datetime64[ns]")
    assert at.values.tolist() == expected.astype(np.int64).tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        # the header
        ("", "FILE, row 1: got nothing; allowed: a header with the column 'cycles'"),
        ("\n\n", "FILE, row 1: got nothing; allowed: a header"),
        ("a,cycle\n1,2\n", "FILE, row 1: got 'cycles'; allowed: did you mean 'cycle'? one of a, cycle"),
        ("a\x1b[2J,b\n1,2\n", "FILE, row 1: got 'cycles'; allowed: one of a\\x1b[2J, b"),
        ("cycles,a,cycles\n1,2,3\n", "FILE, row 1: got 2 columns 'cycles'; allowed: each name once in the header"),
        ("a;cycles\n1;2\n", "FILE, row 1: got 'a;cycles'; allowed: a header with the column 'cycles'; fields with commas betwe"),
        ("a\tcycles\n1\t2\n", "fields with commas between, not tabs"),
        ("a|cycles\n1|2\n", "fields with commas between, not bars"),
        # rows
        ("cycles\n", "FILE: got 'cycles'; allowed: at least one row under the header"),
        ("a,cycles\n1\n", "FILE, row 2, column cycles: got ['1']; allowed: 2 fields, as in the header"),
        ("a,cycles\n1,2,5\n", "FILE, row 2, column cycles: got ['1', '2', '5']; allowed: 2 fields, as in the header"),
        ("cycles\n1\n2;3\n", "FILE, row 3, column cycles: got '2;3'; allowed: a finite number >= 0"),
        # entries
        ("cycles\n1\n\nx\n", "FILE, row 4, column cycles: got 'x'; allowed: a finite number >= 0"),
        ("cycles\nnan\n", "row 2, column cycles: got 'nan'"),
        ("cycles\nInfinity\n", "row 2, column cycles: got 'Infinity'"),
        ("cycles\n-inf\n", "row 2, column cycles: got '-inf'"),
        ("cycles\n-1\n", "row 2, column cycles: got '-1'"),
        (f"cycles\n{'9' * 400}\n", "row 2, column cycles: got '999"),
        (f"cycles\n{'9' * 100_000}\n", "row 2, column cycles: got '999"),
        ("cycles\n1e999\n", "row 2, column cycles: got '1e999'"),
        ("cycles\n0x10\n", "row 2, column cycles: got '0x10'"),
        ("cycles\n1_000\n", "row 2, column cycles: got '1_000'"),
        ("cycles\n\u0663\n", "row 2, column cycles: got '\u0663'"),
        ("cycles\nTrue\n", "row 2, column cycles: got 'True'"),
        ('cycles\n""\n', "row 2, column cycles: got ''"),
        ('cycles\n"1,5"\n', "row 2, column cycles: got '1,5'"),
        ("cycles\n5 us\n", "row 2, column cycles: got '5 us'"),
        ("cycles\n2023-11-16 18:17:03\n", "row 2, column cycles: got '2023-11-16 18:17:03'; allowed: a finite number >= 0"),
        # text
        ('cycles\n"1\n', "FILE, row 2: got unexpected end of data; allowed: comma-separated values"),
        ('cycles\n"1"2\n', "FILE, row 2: got ',' expected after '\"'; allowed: comma-separated values"),
        (f'cycles\n"{"1" * 200_000}\n', "FILE, row 2: got field larger than field limit (131072); allowed: comma-sep"),
        ("cycles\n" + "1" * 2**21, "FILE, row 2: got a line of more than 1048576 characters; allowed: comma-separated"),
        (b"cycles\n\xff\n", "FILE, row 1 or soon after: got bytes that are not UTF-8; allowed: text in UTF-8"),
        ("cycles\n1\n".encode("utf-16"), "FILE, row 1 or soon after: got bytes that are not UTF-8"),
        (b"cycles\n1\x00\n", "row 2, column cycles: got '1\\x00'; allowed: a finite number >= 0"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    assert message in refusal(write(tmp_path, content), ["cycles"], least=0.0)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["x"], "row 2, column at: got 'x'; allowed: a finite number >= 0, or a time stamp such as 2023-11-16 18:17"),
        (["2023-02-30 00:00:00"], "row 2, column at: got '2023-02-30 00:00:00'; allowed: a time stamp such as"),
        (["2023-02-03 24:00:00"], "row 2, column at: got '2023-02-03 24:00:00'; allowed: a finite number >= 0, or a time"),
        (["3023-02-03 00:00:00"], "a time stamp such as 2023-11-16 18:17:03.97996, UTC where it names no zone, from 1824"),
        (["5", "2023-02-03 00:00:00"], "row 3, column at: got '2023-02-03 00:00:00'; allowed: a finite number >= 0"),
        (["2023-02-03 00:00:00", "5"], "row 3, column at: got '5'; allowed: a time stamp such as"),
    ],
)
def test_time_stamps_that_are_refused(tmp_path: Path, cells: list[str], message: str) -> None:
    assert message in refusal(write(tmp_path, "\n".join(["at", *cells])), ["at"], least=0.0, stamps=True)


def test_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    os.symlink("circle.csv", tmp_path / "circle.csv")
    for name in ("folder.csv", "pipe.csv"):
        assert "FILE: got no regular file; allowed: an existing CSV file" in refusal(tmp_path / name, ["a"])
    for name in ("missing.csv", "circle.csv"):
        assert "FILE: got no such file; allowed: an existing CSV file" in refusal(tmp_path / name, ["a"])
    assert "allowed: " in refusal(Path("a\0b.csv"), ["a"])
    monkeypatch.setattr(columns, "MAX_BYTES", 10)
    assert refusal(write(tmp_path, "a\n" + "1\n" * 10), ["a"]) == "FILE: got 22 bytes; allowed: at most 10 bytes"


def test_a_gzip_file_that_is_damaged_or_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "FREE_BYTES", 2**20)
    whole = gzip.compress(b"a\n" + b"".join(b"%d\n" % (i * i) for i in range(10_000)))
    assert "allowed: a file that can be read to its end" in refusal(write(tmp_path, whole[:-2000], "t.csv.gz"), ["a"])
    assert "FILE: got Not a gzipped file" in refusal(write(tmp_path, b"a\n1\n", "t.csv.gz"), ["a"])
    bombs = {"lines": b"a\n" + b"1\n" * 2**21, "one line": b"0" * 2**26}
    for message, content in (("more than 1048576 characters unpacked", "lines"), ("a line of more than 1048576", "one line")):
        path = write(tmp_path, gzip.compress(bombs[content]), "t.csv.gz")
        tracemalloc.start()
        try:
            assert message in refusal(path, ["a"])
            assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
        finally:
            tracemalloc.stop()


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "pyarrow":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    message = refusal(write(tmp_path, b"PAR1", "t.parquet"), ["a"])
    assert message == "FILE: got a Parquet file; allowed: a CSV file; Parquet needs pyarrow: pip install 'octomodel[parquet]'"


def parquet(folder: Path, **given: Any) -> Path:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    write_table(arrow.table(given), folder / "t.parquet")
    return folder / "t.parquet"


def test_parquet_gives_what_csv_gives(tmp_path: Path) -> None:
    at = np.array(["2023-11-16T18:17:03.97996", "2023-11-16T18:17:04"], "datetime64[us]")
    path = parquet(tmp_path, whole=[3, 5], part=np.array([0.5, 2], np.float32), text=["7", " 1e1 "], at=at, words=STAMPS[:2])
    names = ["text", "whole", "part"]
    table = columns.read(path, names, least=0.0)
    assert [column.values.tolist() for column in table.columns] == [[7.0, 10.0], [3.0, 5.0], [0.5, 2.0]]
    assert table.columns[0].place(1) == f"{path}, row 2, column text"
    assert columns.header(path) == ("whole", "part", "text", "at", "words")
    times, words = columns.read(path, ["at", "words"], stamps=True).columns
    assert times.stamps and words.stamps and times.values.tolist() == words.values.tolist()
    assert Empirical.from_csv(path, "whole") == Empirical([3, 5])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, None], "FILE, row 2, column a: got None; allowed: a finite number >= 0"),
        ([1.0, float("nan")], "FILE, row 2, column a: got nan; allowed: a finite number >= 0"),
        ([1.0, float("inf")], "FILE, row 2, column a: got inf"),
        ([-1, 2], "FILE, row 1, column a: got -1"),
        (["1", "x"], "FILE, row 2, column a: got 'x'"),
        ([True, False], "FILE, column a: got values of type bool; allowed: numbers, or texts that are numbers"),
        ([[1], [2]], "FILE, column a: got values of type list"),
        ([], "FILE: got 'a'; allowed: at least one row"),
    ],
)
def test_parquet_that_is_refused(tmp_path: Path, values: list[Any], message: str) -> None:
    assert message in refusal(parquet(tmp_path, a=values), ["a"], least=0.0)


def test_parquet_that_is_damaged_too_large_or_lacks_the_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path, cycles=list(range(1000)))
    assert "FILE: got 'cycle'; allowed: did you mean 'cycles'?" in refusal(path, ["cycle"])
    from octomodel.dist import parquet as module

    monkeypatch.setattr(module, "MAX_BYTES", 7999)
    assert refusal(path, ["cycles"]) == "FILE: got 1000 rows; allowed: at most 7999 bytes, of 8 for each value"
    path.write_bytes(path.read_bytes()[:-100])
    assert "allowed: a Parquet file that can be read" in refusal(path, ["cycles"])
