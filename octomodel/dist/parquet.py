"""Columns of Parquet files, where pyarrow (the extra ``parquet``) is installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from octomodel.errors import ModelError, Words

from .columns import MAX_BYTES, STAMP, Column, is_stamp, parser, position, stamp

MISSING = "a CSV file; Parquet needs pyarrow: pip install 'octomodel[parquet]'"


def names_of(path: str, file: IO[bytes]) -> tuple[str, ...]:
    """Return the names of all columns of a Parquet file."""
    return tuple(_opened(path, file).schema_arrow.names)


def read_parquet(path: str, file: IO[bytes], names: Sequence[str], least: float, stamps: bool) -> tuple[Column, ...]:
    """Return columns of a Parquet file; as ``octomodel.dist.columns.read``.

    Raises
    ------
    ModelError
        As there, and when pyarrow is not installed or a column holds neither numbers, texts nor times.
    """
    source = _opened(path, file)
    known = source.schema_arrow.names
    for name in names:
        position(path, name, known)
    rows = source.metadata.num_rows
    if rows * len(names) * 8 > MAX_BYTES:
        raise ModelError(path, Words(f"{rows} rows"), f"at most {MAX_BYTES} bytes, of 8 for each value")
    if rows == 0:
        raise ModelError(path, names[0], "at least one row")
    try:
        columns = [source.read(columns=[name]).column(name).combine_chunks() for name in names]
    except _arrow() as error:
        raise _damaged(path, error) from None
    numbers = np.arange(1, rows + 1)
    return tuple(_column(path, name, found, numbers, least, stamps) for name, found in zip(names, columns, strict=True))


def _arrow() -> Any:
    """Return the errors that pyarrow raises for files that are damaged or none."""
    from pyarrow import ArrowException

    return ArrowException, OSError


def _opened(path: str, file: IO[bytes]) -> Any:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise ModelError(path, Words("a Parquet file"), MISSING) from None
    try:
        return ParquetFile(file)
    except _arrow() as error:
        raise _damaged(path, error) from None


def _damaged(path: str, error: Exception) -> ModelError:
    return ModelError(path, Words(ascii(str(error))[1:-1]), "a Parquet file that can be read")


def _column(path: str, name: str, found: Any, rows: Any, least: float, stamps: bool) -> Column:
    """Return a column of numbers, of texts that are numbers, or of times."""
    import pyarrow
    from pyarrow import types

    def refused(at: int, value: object, allowed: str) -> ModelError:
        return ModelError(f"{path}, row {at + 1}, column {name}", value, allowed)

    allowed = "a finite number" if least <= -1e300 else f"a finite number >= {least:g}"
    if found.null_count:
        raise refused(int(np.flatnonzero(found.is_null().to_numpy(zero_copy_only=False))[0]), None, allowed)
    kind = found.type
    if types.is_timestamp(kind):
        if not stamps:
            raise refused(0, found[0].as_py(), allowed)
        try:
            nanoseconds = found.cast(pyarrow.timestamp("ns", kind.tz)).cast(pyarrow.int64()).to_numpy()
        except pyarrow.ArrowInvalid:
            raise refused(0, Words(f"{kind} outside of what nanoseconds reach"), STAMP) from None
        return Column(path, name, nanoseconds, rows, True)
    if types.is_string(kind) or types.is_large_string(kind):
        read = stamp if stamps and is_stamp(found[0].as_py()) else parser(least)
        values: Any = np.empty(len(rows), dtype=np.int64 if read is stamp else np.float64)
        for at, text in enumerate(found.to_pylist()):
            try:
                values[at] = read(text)
            except ValueError as error:
                raise refused(at, text, str(error)) from None
        return Column(path, name, values, rows, read is stamp)
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
        raise ModelError(f"{path}, column {name}", Words(f"values of type {kind}"), "numbers, or texts that are numbers")
    numbers: NDArray[np.float64] = found.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(~(np.isfinite(numbers) & (numbers >= least)))
    if len(wrong):
        raise refused(int(wrong[0]), found[int(wrong[0])].as_py(), allowed)
    return Column(path, name, numbers, rows)
