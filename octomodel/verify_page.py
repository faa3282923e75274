"""Writes the page that lists every known system: what came out, or why it is not simulated.

Run by maintainers, some minutes::

    python -m octomodel.verify_page docs/verification.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from octomodel.verification import FAMILY_ERROR, Report, verify
from octomodel.verify_cases import CASES, Case
from octomodel.verify_facts import facts
from octomodel.verify_judge import Check

_HEAD = """\
# Verification against queueing theory

Made by `python -m octomodel.verify_page docs/verification.md`; not to be edited.

`octomodel verify`, or `om.verify()`, simulates systems whose answers are known and compares. Each system is
described and simulated through the public API; every cluster of a machine, or every replication, holds an
independent copy. The answers and their sources stand in `octomodel/presets/queueing/cases.yaml`. Those that are
simulations themselves, or known to a few digits only, come with a bound of their own error, by which the interval is
widened.

A value passes when its interval holds the answer and is no wider than the limit given (half-width, as a share of the
answer). Intervals are Student-t intervals over independent samples, those of quantiles by order statistics;
all intervals of one report together are wrong with probability {error:g}. Run lengths follow from theory and were fixed
before any run (`octomodel/verify_plan.py`): long enough that a service time wrong by one percent is seen in every
system. `om.verify(service_scale=1.01)` shows that: every system fails.

Seeds are fixed, so the numbers below can be repeated exactly. Times are in the unit of each system.
"""


def page(report: Report) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    report : Report
        Of all systems.
    """
    return "\n".join(_lines(report)) + "\n"


def number(value: float) -> str:
    """Return a number as the page writes it.

    Examples
    --------
    >>> number(0.8571428571)
    '0.857143'
    """
    return f"{value:.6g}"


def _lines(report: Report) -> Iterator[str]:
    rows: dict[str, list[Check]] = {}
    for row in report.rows:
        rows.setdefault(row.case, []).append(row)
    left = [case for case in CASES if case.build is None]
    yield _HEAD.format(error=FAMILY_ERROR)
    yield f"Of {len(CASES)} systems {len(CASES) - len(left)} are simulated: {report.verdict()}."
    for kind in dict.fromkeys(case.kind for case in CASES if case.build is not None):
        cases = [case for case in CASES if case.kind == kind]
        yield f"\n## {kind.capitalize()} ({len(cases)})\n"
        yield "| system | value | answer | simulated | interval | half-width (limit) | |"
        yield "|---|---|---|---|---|---|---|"
        for case in cases:
            yield from (_row(row) for row in rows[case.name])
        yield ""
        yield from (item(case) for case in cases)
    yield f"\n## Not simulated ({len(left)})\n"
    yield from (item(case) for case in left)


def _row(row: Check) -> str:
    cells = (
        row.case,
        row.metric,
        number(row.expected) + (f" +- {row.uncertain:.2g}" if row.uncertain else ""),
        number(row.simulated),
        f"{number(row.lo)} .. {number(row.hi)}",
        f"{row.half_width:.2%} ({row.limit:.0%})",
        "ok" if row.passed else "FAILED",
    )
    return f"| {' | '.join(cells)} |"


def item(case: Case) -> str:
    """Return what a system is, how it is put into words or why it is not, and where its answer comes from."""
    note = f" -- {case.note}" if case.note else ""
    return f"- **{case.name}**: {case.title}{note}. Source: {facts()[case.name].source}."


def main(path: Path) -> None:
    """Simulate all systems and write the page."""

    def show(name: str, done: int, total: int) -> None:
        print(f"{done}/{total} {name}", file=sys.stderr)

    path.write_text(page(verify(progress=show)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
