"""What verify() found: rows, a verdict, as text and as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from octomodel.verification.cases import CASES
from octomodel.verification.judge import Check

FAMILY_ERROR = 1e-6
"""Probability that any of the intervals of a report is wrong."""


@dataclass(frozen=True)
class Report:
    """What ``verify`` found.

    Attributes
    ----------
    rows : tuple of Check
        One for each value compared.
    executions : int
        Executions simulated.
    """

    rows: tuple[Check, ...]
    executions: int

    @property
    def systems(self) -> int:
        """Return how many systems there are."""
        return len({row.case for row in self.rows})

    @property
    def passed(self) -> bool:
        """Return whether every value was found where theory has it."""
        return all(row.passed for row in self.rows)

    @property
    def failed(self) -> tuple[str, ...]:
        """Return the names of the systems with an interval that does not hold its answer, in order."""
        return tuple(dict.fromkeys(row.case for row in self.rows if not row.inside))

    @property
    def too_wide(self) -> tuple[str, ...]:
        """Return the names of the systems with an interval that holds its answer but says too little."""
        return tuple(dict.fromkeys(row.case for row in self.rows if row.inside and not row.narrow))

    def table(self) -> str:
        """Return the rows and a last line as text."""
        import io

        from rich.console import Console
        from rich.table import Table

        grid = Table(box=None, pad_edge=False, header_style="bold")
        for head in ("system", "kind", "value", "expected", "simulated", "interval", "+-", ""):
            grid.add_column(head, justify="left" if head in ("system", "kind", "value", "") else "right")
        for row in self.rows:
            grid.add_row(
                row.case,
                row.kind,
                row.metric,
                f"{row.expected:.5g}",
                f"{row.simulated:.5g}",
                f"{row.lo:.5g} .. {row.hi:.5g}",
                f"{row.half_width:.2%}",
                row.verdict,
            )
        out = io.StringIO()
        Console(file=out, width=140, color_system=None, highlight=False, markup=False).print(grid)
        return f"{out.getvalue()}{self.verdict()}\n"

    def verdict(self) -> str:
        """Return one sentence."""
        outcomes = []
        if self.failed:
            outcomes.append(f"outside their intervals: {', '.join(self.failed)}")
        if self.too_wide:
            outcomes.append(f"intervals too wide: {', '.join(self.too_wide)}")
        return (
            f"{self.systems} systems, {len(self.rows)} values, {self.executions:,} executions, "
            f"family error {FAMILY_ERROR:g}: {'; '.join(outcomes) or 'all within their intervals'}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, ready for JSON."""
        return {
            "passed": self.passed,
            "systems": self.systems,
            "values": len(self.rows),
            "executions": self.executions,
            "family_error": FAMILY_ERROR,
            "failed": list(self.failed),
            "too_wide": list(self.too_wide),
            "rows": [{**asdict(row), "half_width": row.half_width, "passed": row.passed} for row in self.rows],
            "not_simulated": {case.name: case.note for case in CASES if case.build is None},
        }
