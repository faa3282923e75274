"""The law of measured samples, given directly or read from a column of a table."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from octomodel.errors import ModelError

from . import columns
from .base import F64, Law
from .checks import checked, finite_squares, numbers, set_moments

ORIGIN = ("file", "column", "unit", "sha256")
"""What is told of a table from which values come."""


@dataclass(frozen=True, repr=False)
class Empirical(Law):
    """Every one of the samples equally likely.

    Parameters
    ----------
    samples : sequence of float
        Finite and >= 0, not all 0; kept in ascending order.
    file, column, sha256, unit : str, optional
        Where they come from, and the unit of that column; no part of the law, so equal samples make equal laws.

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
    unit: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", tuple(sorted(numbers(self, "samples", least=0.0))))
        for name in ORIGIN:
            if not isinstance(getattr(self, name), str | None):
                raise ModelError(f"Empirical.{name}", getattr(self, name), "a text")
        with finite_squares("Empirical.samples", self.samples):
            mean, variance = float(self._values.mean()), float(self._values.var())
        set_moments(self, mean, variance)

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str], column: str) -> Empirical:
        """Return the law of one column of a table with a header.

        Parameters
        ----------
        path : path
            A CSV file in UTF-8, comma separated, unpacked if its name ends in ``.gz``; or a Parquet file, if its name
            ends in ``.parquet`` and pyarrow is installed.
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
        table = columns.read(path, [column], least=0.0)
        values = table.columns[0].values
        return cls(values, file=Path(path).name, column=column, sha256=table.sha256)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """Return the samples as plain numbers, tagged by the name of the law, and what is known of their origin."""
        told = {name: getattr(self, name) for name in ORIGIN if getattr(self, name) is not None}
        return {"law": self.name, "samples": list(self.samples), **told}

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
        return dataclasses.replace(self, samples=tuple(sample * factor for sample in self.samples))

    def _quantile(self, p: F64) -> F64:
        # a probability that means k of n samples may have been rounded up in its last place
        rank = np.ceil(p * len(self.samples) * (1.0 - 2.0**-52)).astype(np.int64)
        return np.asarray(self._values[np.maximum(rank, 1) - 1])

    def _sf(self, x: F64) -> F64:
        return 1.0 - np.searchsorted(self._values, x, side="right") / len(self.samples)

    def _tail_moment(self, order: int, x: F64) -> F64:
        sums = np.append(np.cumsum(self._values[::-1] ** order)[::-1], 0.0)
        return sums[np.searchsorted(self._values, x, side="right")] / len(self.samples)

