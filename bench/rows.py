"""What a benchmark reports: rows of one figure each, as a table or as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One figure.

    Attributes
    ----------
    benchmark, case, quantity : str
        What was measured, at which size, and which of its figures this is.
    value : float
        The figure: the median where it was measured several times.
    unit : str
        Its unit.
    best : float or None
        The best of the repetitions.
    at_least, at_most : float or None
        What the figure is meant to reach on a machine whose cores are otherwise idle.
    """

    benchmark: str
    case: str
    quantity: str
    value: float
    unit: str
    best: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool | None:
        """Return whether the figure is where it is meant to be, None when nothing is asked of it."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain data, with ``met``."""
        return {**dataclasses.asdict(self), "met": self.met}


def cells(row: Row) -> tuple[str, ...]:
    """Return the texts of a row, in the order of the columns of ``table``.

    Examples
    --------
    >>> cells(Row(benchmark="w1", case="N=1", quantity="ratio", value=160.0, unit="x", at_least=150))
    ('w1', 'N=1', 'ratio', '160', '', 'x', '>= 150, met')
    """
    bar = ""
    if row.met is not None:
        sign, limit = (">=", row.at_least) if row.at_least is not None else ("<=", row.at_most)
        bar = f"{sign} {number(limit)}, {'met' if row.met else 'missed'}"
    return row.benchmark, row.case, row.quantity, number(row.value), number(row.best), row.unit, bar


def number(value: float | None) -> str:
    """Return a figure with three significant digits, large ones with separators.

    Examples
    --------
    >>> number(12_345_678.9), number(1234.5), number(1.2345), number(None)
    ('12.3 M', '1,234', '1.23', '')
    """
    if value is None:
        return ""
    if abs(value) >= 1e6:
        return f"{value / 1e6:,.3g} M" if abs(value) < 1e9 else f"{value / 1e6:,.0f} M"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table(rows: Iterable[Row]) -> str:
    """Return the rows as text, in columns."""
    head = ("benchmark", "case", "quantity", "median", "best", "unit", "meant to be")
    lines = [head, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in text)
