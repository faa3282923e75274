"""Columns of tables as arrays: CSV, plain or gzip, and Parquet; every entry checked, errors with file, row and column."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import itertools
import math
import os
import re
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TextIO

import numpy as np
from numpy.typing import NDArray

from octomodel.errors import NOTHING, ModelError, Words, unknown

SUFFIXES = (".csv", ".csv.gz", ".parquet")
MAX_BYTES = 2**31
MAX_LINE = 2**20
MOST_UNPACKED = 100
"""How many times its size a gzip file larger than ``FREE_BYTES`` may unpack to; tables of numbers reach 20."""
FREE_BYTES = 2**24

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_STAMP = re.compile(
    r"\s*(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))[ T]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d{1,9}))?"
    r"(?:Z|([+-])([01]\d|2[0-3]):?([0-5]\d))?\s*",
    re.ASCII,
)
_FOREIGN = {";": "semicolons", "\t": "tabs", "|": "bars"}
STAMP = "a time stamp such as 2023-11-16 18:17:03.97996, UTC where it names no zone"

Parser = Callable[[str], int | float]


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a table.

    Attributes
    ----------
    path, name : str
        Of the file, and of the column in its header.
    values : float64[row] or int64[row]
        In the order of the rows; time stamps are nanoseconds since 1970, int64.
    rows : int64[row]
        Where each value stands: line of a CSV file, row of a Parquet file, from 1 on.
    stamps : bool
        Whether the values are time stamps.
    """

    path: str
    name: str
    values: NDArray[np.float64] | NDArray[np.int64]
    rows: NDArray[np.int64]
    stamps: bool = False

    def place(self, at: int) -> str:
        """Return where value ``at`` stands, for messages."""
        return f"{self.path}, row {self.rows[at]}, column {self.name}"


@dataclass(frozen=True, eq=False)
class Table:
    """Some columns of a file, and the SHA-256 of the whole file in hexadecimal digits."""

    sha256: str
    columns: tuple[Column, ...]


def is_table_name(text: str) -> bool:
    """Return whether a text names a table rather than a description."""
    return text.endswith(SUFFIXES)


def read(path: str | os.PathLike[str], names: Sequence[str], *, least: float = -1e300, stamps: bool = False) -> Table:
    """Return columns of a table.

    Parameters
    ----------
    path : path
        A regular file: Parquet if its name ends in ``.parquet``, else CSV in UTF-8 with a header, comma separated, unpacked
        if its name ends in ``.gz``. At most 2 GiB, also unpacked.
    names : sequence of str
        Columns by their names in the header.
    least : float
        Smallest number that is taken.
    stamps : bool
        Whether a column may hold time stamps instead of numbers: the first entry decides for its column.

    Returns
    -------
    Table
        With the columns in the order of ``names``, one value for each row; empty lines of a CSV file are no rows.

    Raises
    ------
    ModelError
        When the file cannot be read or is too large; it has no such column, or several, or no rows; a row has another number of
        fields; an entry is no finite number >= ``least``, and no time stamp. The message names file, row and column.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "times.csv").write_text("name,cycles\\na,30\\nb,1.5e1\\n")
    ...     table = read(f"{folder}/times.csv", ["cycles"])
    >>> table.columns[0].values.tolist(), table.columns[0].rows.tolist()
    ([30.0, 15.0], [2, 3])
    """
    name = os.fspath(path)
    with _opened(name) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        if name.endswith(".parquet"):
            from .parquet import read_parquet

            return Table(digest, read_parquet(name, file, names, least, stamps))
        with _text(name, file) as text:
            return Table(digest, _read_csv(name, text, names, least, stamps))


def header(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of all columns of a table; for errors see ``read``."""
    name = os.fspath(path)
    with _opened(name) as file:
        if name.endswith(".parquet"):
            from .parquet import names_of

            return names_of(name, file)
        with _text(name, file) as text:
            return tuple(next(_rows(name, text), (0, []))[1])


def rows(path: str | os.PathLike[str], names: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rows of a CSV file as texts.

    Parameters
    ----------
    path : path
        As for ``read``.
    names : sequence of str
        All columns, in the order of the header.

    Yields
    ------
    (str, dict of str to str)
        Where the row stands, for messages; its entries by column.

    Raises
    ------
    ModelError
        When the file cannot be read, has other columns, or a row has another number of fields.
    """
    name = os.fspath(path)
    with _opened(name) as file, _text(name, file) as text:
        found = _rows(name, text)
        known = next(found, (1, []))[1]
        if tuple(known) != tuple(names):
            raise ModelError(f"{name}, row 1", printable(known), f"the columns {', '.join(names)}")
        for line, row in found:
            if len(row) != len(names):
                raise ModelError(f"{name}, row {line}", row, f"{len(names)} fields, as in the header")
            yield f"{name}, row {line}", dict(zip(names, row, strict=True))


def position(place: str, name: str, known: Sequence[str]) -> int:
    """Return where a column stands in a header.

    Raises
    ------
    ModelError
        With the nearest names when there is none of this name; when there are several, or the header is of another form.
    """
    if known.count(name) == 1:
        return known.index(name)
    if name in known:
        raise ModelError(place, Words(f"{known.count(name)} columns {name!r}"), "each name once in the header")
    if not any(known):
        raise ModelError(place, NOTHING, f"a header with the column {name!r}")
    for character, words in _FOREIGN.items():
        if len(known) == 1 and character in known[0]:
            raise ModelError(place, known[0], f"a header with the column {name!r}; fields with commas between, not {words}")
    raise unknown(place, name, printable(known))


def printable(names: Sequence[str]) -> list[str]:
    """Return names as a message may show them."""
    return [name if name.isprintable() else repr(name)[1:-1] for name in names]


def parser(least: float) -> Parser:
    """Return what reads a number; it raises ValueError with what is allowed."""
    allowed = "a finite number" if least <= -1e300 else f"a finite number >= {least:g}"

    def number(text: str) -> float:
        if not _NUMBER.fullmatch(text) or not least <= float(text) < math.inf:
            raise ValueError(allowed)
        return float(text)

    return number


def is_stamp(text: str) -> bool:
    """Return whether a text has the form of a time stamp."""
    return _STAMP.fullmatch(text) is not None


def stamp(text: str) -> int:
    """Return a time stamp in nanoseconds since 1970, or raise ValueError with what is allowed.

    Examples
    --------
    >>> stamp("1970-01-01 01:00:02.5+01:00")
    2500000000
    """
    found = _STAMP.fullmatch(text)
    if not found:
        raise ValueError(STAMP)
    day, clock, part, sign, hours, minutes = found.groups()
    try:
        seconds = int(np.datetime64(f"{day}T{clock}", "s").astype(np.int64))
    except ValueError:  # 30 February
        raise ValueError(STAMP) from None
    if sign:
        seconds -= int(f"{sign}1") * (60 * int(hours) + int(minutes)) * 60
    nanoseconds = seconds * 10**9 + int(f"{part or '':0<9}")
    if not -(2**62) < nanoseconds < 2**62:
        raise ValueError(f"{STAMP}, from 1824 to 2116")
    return nanoseconds


def _opened(name: str) -> io.BufferedReader:
    path = Path(name)
    try:
        if not path.is_file():
            found = Words("no regular file") if path.exists() else Words("no such file")
            raise ModelError(name, found, "an existing CSV file (.csv, .csv.gz) or Parquet file (.parquet)")
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(name, Words(f"{path.stat().st_size} bytes"), f"at most {MAX_BYTES} bytes")
        return path.open("rb")
    except (OSError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(name, Words(getattr(error, "strerror", None) or error), "a file that can be read") from None


def _text(name: str, file: IO[bytes]) -> TextIO:
    plain = gzip.GzipFile(fileobj=file) if name.endswith(".gz") else file
    return io.TextIOWrapper(plain, encoding="utf-8-sig", newline="")


def _lines(name: str, text: TextIO) -> Iterator[str]:
    """Yield the lines of a file, none of them so long, nor all together so large, that memory would not do."""
    packed = os.stat(name).st_size
    most = min(MAX_BYTES, max(FREE_BYTES, MOST_UNPACKED * packed)) if name.endswith(".gz") else MAX_BYTES
    total = 0
    for number in itertools.count(1):
        try:
            line = text.readline(MAX_LINE)
        except UnicodeDecodeError:
            raise ModelError(f"{name}, row {number} or soon after", Words("bytes that are not UTF-8"), "text in UTF-8") from None
        except (OSError, EOFError, zlib.error) as error:
            raise ModelError(name, Words(str(error) or type(error).__name__), "a file that can be read to its end") from None
        if not line:
            return
        if len(line) == MAX_LINE and not line.endswith("\n"):
            found = Words(f"a line of more than {MAX_LINE} characters")
            raise ModelError(f"{name}, row {number}", found, "comma-separated values, a line for each row")
        total += len(line)
        if total > most:
            raise ModelError(name, Words(f"more than {most} characters unpacked"), f"at most {MOST_UNPACKED} times the file")
        yield line


def _rows(name: str, text: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that hold something, the header first, each with the number of its last line."""
    rows = csv.reader(_lines(name, text), strict=True)
    try:
        for row in rows:
            if row:
                yield rows.line_num, row
    except csv.Error as error:
        raise ModelError(f"{name}, row {rows.line_num}", Words(error), "comma-separated values") from None


def _read_csv(name: str, text: TextIO, names: Sequence[str], least: float, stamps: bool) -> tuple[Column, ...]:
    rows = _rows(name, text)
    known = next(rows, (1, []))[1]
    places = [position(f"{name}, row 1", column, known) for column in names]
    numbers = parser(least)
    parse: list[Parser] = [numbers] * len(names)
    values: list[array[int] | array[float]] = [array("d") for _ in names]
    lines = array("q")
    for line, row in rows:
        if len(row) != len(known):
            where = f", column {names[0]}" if len(names) == 1 else ""
            raise ModelError(f"{name}, row {line}{where}", row, f"{len(known)} fields, as in the header")
        if stamps and not lines:
            parse = [stamp if is_stamp(row[at]) else numbers for at in places]
            values = [array("q") if each is stamp else array("d") for each in parse]
        lines.append(line)
        for i, at in enumerate(places):
            try:
                values[i].append(parse[i](row[at]))  # type: ignore[arg-type]
            except ValueError as error:
                place = f"{name}, row {line}, column {names[i]}"
                also = f", or {STAMP}" if stamps and len(lines) == 1 else ""
                raise ModelError(place, row[at], f"{error}{also}") from None
    if not lines:
        raise ModelError(name, names[0], "at least one row under the header")
    where_at = np.array(lines, dtype=np.int64)
    return tuple(
        Column(name, column, np.array(found), where_at, reader is stamp)
        for column, found, reader in zip(names, values, parse, strict=True)
    )
