"""The law of measured samples, given directly or read from a column of a CSV file."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from octomodel.errors import ModelError

from .base import F64, Law
from .checks import checked, numbers, set_moments

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


@dataclass(frozen=True, repr=False)
class Empirical(Law):
    """Every one of the samples equally likely.

    Parameters
    ----------
    samples : sequence of float
        Finite and >= 0, not all 0; kept in ascending order.
    file, column, sha256 : str, optional
        Where they come from; no part of the law, so equal samples make equal laws.

    Raises
    ------
    ModelError
        When a parameter is anything else.

    Examples
    --------
    >>> from octomodel import dist
    >>> dist.Empirical([3, 1, 2])
    Empirical(3 samples, mean=2, cv=0.408)
    """

    name = "empirical"
    samples: Sequence[float]
    file: str | None = field(default=None, compare=False)
    column: str | None = field(default=None, compare=False)
    sha256: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", tuple(sorted(numbers(self, "samples", least=0.0))))
        for name in ("file", "column", "sha256"):
            if not isinstance(getattr(self, name), str | None):
                raise ModelError(f"Empirical.{name}", getattr(self, name), "a text")
        set_moments(self, float(self._values.mean()), float(self._values.var()))

    @classmethod
    def from_csv(cls, path: str | Path, column: str) -> Empirical:
        """Return the law of one column of a CSV file with a header.

        Parameters
        ----------
        path : str or Path
            A regular file in UTF-8, comma separated.
        column : str
            Name of the column in the header.

        Returns
        -------
        Empirical
            With the name and the SHA-256 of the file.

        Raises
        ------
        ModelError
            When the file cannot be read, has no such column or no rows, or when an entry is not a finite
            number >= 0; the message names file, row (the line in the file) and column.
        """
        place = Path(path)
        if not place.is_file():
            raise ModelError(str(path), column, "an existing CSV file")
        content = place.read_bytes()
        samples = _column(str(path), content, column)
        return cls(samples, file=place.name, column=column, sha256=hashlib.sha256(content).hexdigest())

    def __repr__(self) -> str:
        origin = f", {self.file}:{self.column}" if self.file else ""
        return f"Empirical({len(self.samples)} samples, mean={self.mean:.6g}, cv={self.cv:.3g}{origin})"

    @property
    def discrete(self) -> bool:
        return True

    @cached_property
    def _values(self) -> F64:
        return np.array(self.samples)

    def support(self) -> tuple[float, float]:
        return self.samples[0], self.samples[-1]

    def scaled(self, factor: float) -> Empirical:
        """Return the law of ``factor`` times each sample, with the origin of the samples kept; see ``Law.scaled``."""
        factor = checked("Empirical.factor", factor)
        return Empirical(
            tuple(sample * factor for sample in self.samples), self.file, self.column, self.sha256
        )

    def _quantile(self, p: F64) -> F64:
        # a probability that means k of n samples may have been rounded up in its last place
        rank = np.ceil(p * len(self.samples) * (1.0 - 2.0**-52)).astype(np.int64)
        return np.asarray(self._values[np.maximum(rank, 1) - 1])

    def _sf(self, x: F64) -> F64:
        return 1.0 - np.searchsorted(self._values, x, side="right") / len(self.samples)

    def _tail_moment(self, order: int, x: F64) -> F64:
        sums = np.append(np.cumsum(self._values[::-1] ** order)[::-1], 0.0)
        return sums[np.searchsorted(self._values, x, side="right")] / len(self.samples)


def _column(path: str, content: bytes, column: str) -> tuple[float, ...]:
    try:
        rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        header = next(rows, [])
        if header.count(column) != 1:
            raise ModelError(f"{path}, row 1", column, f"one column of the header: {', '.join(header)}")
        at = header.index(column)
        samples = []
        for row in rows:
            if not row:
                continue
            place = f"{path}, row {rows.line_num}, column {column}"
            if len(row) != len(header):
                raise ModelError(place, row, f"{len(header)} fields, as in the header")
            if not _NUMBER.fullmatch(row[at]) or not 0.0 <= float(row[at]) < math.inf:
                raise ModelError(place, row[at], "a finite number >= 0")
            samples.append(float(row[at]))
    except UnicodeDecodeError as error:
        raise ModelError(path, f"byte {error.start}", "text in UTF-8") from None
    except csv.Error as error:
        raise ModelError(path, str(error), "comma-separated values") from None
    if not samples:
        raise ModelError(path, column, "at least one row under the header")
    return tuple(samples)
