"""verify(): systems with known answers, simulated through the public API and compared."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from octomodel import checks
from octomodel.errors import unknown
from octomodel.run import threads_default
from octomodel.verify_build import Bench
from octomodel.verify_cases import CASES, Case
from octomodel.verify_facts import facts
from octomodel.verify_judge import Check, Metric, check
from octomodel.verify_measure import observe

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
    def passed(self) -> bool:
        """Return whether every value was found where theory has it."""
        return all(row.passed for row in self.rows)

    @property
    def failed(self) -> tuple[str, ...]:
        """Return the names of the systems with a value that was not, in order."""
        return tuple(dict.fromkeys(row.case for row in self.rows if not row.passed))

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
                "ok" if row.passed else "FAILED",
            )
        out = io.StringIO()
        Console(file=out, width=140, color_system=None, highlight=False, markup=False).print(grid)
        return f"{out.getvalue()}{self.verdict()}\n"

    def verdict(self) -> str:
        """Return one sentence."""
        systems = len({row.case for row in self.rows})
        if self.passed:
            outcome = "all within their intervals"
        else:
            outcome = f"not within their intervals: {', '.join(self.failed)}"
        return (
            f"{systems} systems, {len(self.rows)} values, {self.executions:,} executions, "
            f"family error {FAMILY_ERROR:g}: {outcome}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, ready for JSON."""
        return {
            "passed": self.passed,
            "systems": len({row.case for row in self.rows}),
            "values": len(self.rows),
            "executions": self.executions,
            "family_error": FAMILY_ERROR,
            "failed": list(self.failed),
            "rows": [{**asdict(row), "half_width": row.half_width} for row in self.rows],
            "not_simulated": {case.name: case.note for case in CASES if case.build is None},
        }


@dataclass(frozen=True)
class Measured:
    """One experiment that has been run: what is to be compared, and what it cost."""

    metrics: Sequence[Metric]
    executions: int


def verify(
    *,
    quick: bool = False,
    cases: Sequence[str] | None = None,
    service_scale: float = 1.0,
    threads: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Report:
    """Simulate systems whose answers are known and compare.

    A value passes when the interval around what was simulated holds the answer and is narrow enough to say
    something. The intervals come from independent samples; all of them together are wrong with probability
    1e-6. Seeds are fixed, so a report can be repeated.

    Parameters
    ----------
    quick : bool
        Only a few systems of each kind: seconds instead of minutes.
    cases : sequence of str, optional
        Only these systems, by name.
    service_scale : float
        Factor on the service times of the simulated systems alone (of an arrival process, on its times): with
        1.01 every system must fail, which shows that an error of one percent would be seen.
    threads : int, optional
        Systems simulated at once; no result depends on it. Default: as many as there are cores.
    progress : callable, optional
        Called with the name of a system that is done, and how many of how many are.

    Returns
    -------
    Report

    Raises
    ------
    ModelError
        When a name is unknown or not simulated, or the scale is not a positive number.

    Examples
    --------
    >>> report = verify(cases=["ST-ERLB-1-1"])
    >>> report.passed, report.rows[0].metric
    (True, 'throughput')
    """
    scale = checks.real("verify.service_scale", service_scale, 1e-3, 1e3)
    chosen = _chosen(quick, cases)
    workers = threads_default() if threads is None else checks.integer("verify.threads", threads, 1, 4096)
    found: list[list[Measured]] = []
    with ThreadPoolExecutor(min(workers, len(chosen))) as pool:
        for done, measured in enumerate(pool.map(lambda case: _measured(case, scale), chosen), 1):
            found.append(measured)
            if progress is not None:
                progress(chosen[done - 1].name, done, len(chosen))
    level = FAMILY_ERROR / sum(len(each.metrics) for measured in found for each in measured)
    rows = [
        check(case.name, case.kind, metric, level, each.executions)
        for case, measured in zip(chosen, found, strict=True)
        for each in measured
        for metric in each.metrics
    ]
    return Report(tuple(rows), sum(each.executions for measured in found for each in measured))


def _chosen(quick: bool, cases: Sequence[str] | None) -> list[Case]:
    known = {case.name: case for case in CASES if case.build is not None}
    if cases is None:
        return [case for case in known.values() if case.quick or not quick]
    for name in cases:
        if name not in known:
            raise unknown("verify.cases", name, known)
    return [known[name] for name in cases]


def _measured(case: Case, scale: float) -> list[Measured]:
    """Simulate the experiments of one system."""
    assert case.build is not None
    result = []
    for number, experiment in enumerate(case.build(Bench(case.name, facts()[case.name], scale))):
        executions = 0
        # experiments of a system differ in the seed's upper part, calls of one in the lower
        for seen in observe(experiment.setup, zlib.crc32(case.name.encode()) + (number << 32)):
            executions += seen.executions
            for metric in experiment.metrics:
                metric.take(seen)
        result.append(Measured(experiment.metrics, executions))
    return result
