"""Laws turned into quantile tables of integers, the only form in which a kernel sees them (rule 2.2).

A table is of one of three kinds. CONSTANT: one value. STEPS: equally likely values. CURVE: levels of 1024
bins, straight lines between 1025 knots; each level refines the last bin of the one before, so four reach the
probability 2**-40. Values are in units of 2**-16 cycle.

The error left in mean and CV is computed from the finished integers and kept with the table.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from octomodel.dist import Law
from octomodel.errors import ModelError
from octomodel.kernels.model import CURVE

from .table_knots import F64, candidates
from .table_moments import curve_moments, steps_moments

I64 = NDArray[np.int64]

UNITS_PER_CYCLE = 65536
LIMIT_CYCLES = 2**46

_TOO_LARGE = "a law whose values stay below 2**46 cycles; this one reaches {:.3g}"
_TOO_FAR = (
    "a law whose table keeps mean and CV within 0.1 %; here the mean would be off by {:.2%}, the CV by {:.2%}"
)


@dataclass(frozen=True, eq=False)
class Table:
    """One law as a kernel sees it.

    Attributes
    ----------
    kind : int
        CONSTANT, STEPS or CURVE.
    size : int
        1, the number of values, or the number of levels.
    knots : int64[knot]
        Values in units of 2**-16 cycle; read-only.
    mean, cv : float
        What the table really gives, in cycles.
    mean_error, cv_error : float
        Relative errors of the two; that of the CV is nan where the CV is infinite, absolute where it is 0.
    """

    kind: int
    size: int
    knots: I64
    mean: float
    cv: float
    mean_error: float
    cv_error: float

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of kind, size and knots; equal tables have equal digests."""
        head = np.array([self.kind, self.size], dtype="<i8")
        return hashlib.sha256(head.tobytes() + self.knots.astype("<i8").tobytes()).hexdigest()

    @property
    def error(self) -> float:
        """Return the larger of the two errors, a CV that is infinite left out."""
        return self.mean_error if math.isnan(self.cv_error) else max(self.mean_error, self.cv_error)


class Bundle(NamedTuple):
    """The tables of several laws in one array of knots."""

    kind: I64  # [law]
    offset: I64  # [law] first knot
    size: I64  # [law]
    knots: I64
    digest: str  # SHA-256 of the four


def bundle(laws: Sequence[Law]) -> Bundle:
    """Return the tables of ``laws`` in their order, equal tables stored once.

    Parameters
    ----------
    laws : sequence of Law
        Any number of laws, repetitions allowed.

    Returns
    -------
    Bundle
        Arrays over the laws, the knots of all of them, and their digest.

    Raises
    ------
    ModelError
        As ``lower_law``.
    """
    places: dict[str, int] = {}
    parts: list[I64] = [np.empty(0, dtype=np.int64)]
    rows: list[tuple[int, int, int]] = []
    end = 0
    for table in map(lower_law, laws):
        if table.digest not in places:
            places[table.digest] = end
            parts.append(table.knots)
            end += table.knots.size
        rows.append((table.kind, places[table.digest], table.size))
    kind, offset, size = np.array(rows, dtype=np.int64).reshape(-1, 3).T.copy()
    knots = np.concatenate(parts)
    digest = hashlib.sha256(
        b"".join(part.astype("<i8").tobytes() for part in (kind, offset, size, knots))
    ).hexdigest()
    return Bundle(kind, offset, size, knots, digest)


@lru_cache(maxsize=256)
def lower_law(law: Law) -> Table:
    """Return the quantile table of ``law``.

    Parameters
    ----------
    law : Law
        Any law with a finite mean.

    Returns
    -------
    Table
        CONSTANT for a deterministic law, STEPS for one of finitely many values, else the CURVE with the
        fewest levels that keeps mean and CV within 1e-4 (at least two where the law has no largest value,
        the best one within 1e-3 where none does so); a STEPS of means between quantiles where a gap in the
        law defeats every CURVE.

    Raises
    ------
    ModelError
        When the mean is infinite, a value passes 2**46 cycles, or mean or CV would be off by more than 0.1 %.
    """
    path = f"dist.{type(law).__name__}"
    if law.mean == math.inf:
        raise ModelError(path, law, "a law with a finite mean")
    if law.mean > LIMIT_CYCLES:
        raise ModelError(path, law, _TOO_LARGE.format(law.mean))
    best: Table | None = None
    reach = math.inf
    for kind, values, wanted in candidates(law):
        reach = min(reach, float(values.max()))
        if values.max() <= LIMIT_CYCLES:
            table = _table(law, kind, values)
            best = table if best is None or table.error < best.error else best
        if best is not None and best.error <= wanted:
            return best
    if best is None:
        raise ModelError(path, law, _TOO_LARGE.format(reach))
    raise ModelError(path, law, _TOO_FAR.format(best.mean_error, best.cv_error))


def _table(law: Law, kind: int, values: F64) -> Table:
    """Round the values and measure what came out."""
    knots = np.rint(values * UNITS_PER_CYCLE).astype(np.int64)
    mean, variance = curve_moments(knots) if kind == CURVE else steps_moments(knots)
    cv = math.sqrt(max(variance, 0.0)) / mean if mean else 0.0
    mean /= UNITS_PER_CYCLE
    mean_error = abs(mean - law.mean) / (law.mean or 1.0)
    cv_error = abs(cv - law.cv) / (law.cv or 1.0) if law.cv < math.inf else math.nan
    flat = knots.reshape(-1)
    flat.setflags(write=False)
    return Table(kind, len(knots), flat, mean, cv, mean_error, cv_error)
