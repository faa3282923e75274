"""Writes the page that lists every known system: what came out, what its twin showed, or why it is not simulated.

Run by maintainers, some minutes::

    python -m octomodel.verification.page docs/verification.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from octomodel.verification.cases import CASES, Case
from octomodel.verification.facts import facts
from octomodel.verification.judge import Check
from octomodel.verification.report import FAMILY_ERROR, Report
from octomodel.verification.run import verify
from octomodel.verification.twins import POWER, TWIN, Sight, sights

_HEAD = """\
# Verification against queueing theory

Made by `python -m octomodel.verification.page docs/verification.md`; not to be edited.

`octomodel verify`, or `om.verify()`, simulates systems whose answers are known and compares; `--quick`, or
`quick=True`, takes {quick} of them. Each system is described and simulated through the public API; every cluster of a
machine, or every replication, holds an independent copy. The answers and their sources stand in
`octomodel/presets/queueing/cases.yaml`. Those that are simulations themselves, or known to a few digits only, come with
a bound of their own error, by which the interval is widened.

A value passes when its interval holds the answer and is no wider than the limit given (half-width, as a share of the
answer). Intervals are Student-t intervals over independent samples, those of quantiles by order statistics;
all intervals of one report together are wrong with probability {error:g}, as far as the samples, long means themselves,
are normal. Run lengths follow from theory (`octomodel/verification/plan.py`), never from what came out.

Seeds are fixed, so the numbers below can be repeated exactly. Times are in the unit of each system.
"""

_TWINS = """
## Twins ({count})

The twin of a system is the same with service times {scale:g} times as long in the simulated system only (of the arrival
process: its gaps), judged by the unchanged answers: `om.verify(service_scale={scale:g})`. {outcome}

Both face the same draws, so the bias is what the longer times change in the value. The interval of a twin reaches
towards the answer as far as given; that it still holds it, whatever the draws, has the probability in the last
column, from the standard error; the largest is {worst:.0e}. Where no answer of theory shows the twin with a power above
{power}, the mean service time is given, which is looked at beside.

| system | shown by | bias | reach | missed with probability |
|---|---|---|---|---|"""


def page(report: Report, twin: Report) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    report, twin : Report
        Of all systems, and of their twins.
    """
    return "\n".join(_lines(report, twin)) + "\n"


def number(value: float) -> str:
    """Return a number as the page writes it.

    Examples
    --------
    >>> number(0.8571428571)
    '0.857143'
    """
    return f"{value:.6g}"


def item(case: Case) -> str:
    """Return what a system is, how it is put into words or why it is not, and where its answer comes from."""
    note = f" -- {case.note}" if case.note else ""
    return f"- **{case.name}**: {case.title}{note}. Source: {facts()[case.name].source}."


def row(check: Check) -> str:
    """Return a line of the table of a kind."""
    return _cells(
        check.case,
        check.metric,
        number(check.expected) + (f" +- {check.uncertain:.2g}" if check.uncertain else ""),
        number(check.simulated),
        f"{number(check.lo)} .. {number(check.hi)}",
        f"{check.half_width:.2%} ({check.limit:.0%})",
        check.verdict,
    )


def twin_row(found: Sight) -> str:
    """Return a line of the table of twins.

    Examples
    --------
    >>> twin_row(Sight("ST-MM1-0.8", "W", 0.05, 0.02, 1e-40))
    '| ST-MM1-0.8 | W | +5.00% | 2.00% | < 1e-15 |'
    """
    missed = f"{found.missed:.0e}" if found.missed >= 1e-15 else "< 1e-15"
    return _cells(found.case, found.metric, f"{found.bias:+.2%}", f"{found.reach:.2%}", missed)


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _lines(report: Report, twin: Report) -> Iterator[str]:
    rows: dict[str, list[Check]] = {}
    for each in report.rows:
        rows.setdefault(each.case, []).append(each)
    left = [case for case in CASES if case.build is None]
    yield _HEAD.format(error=FAMILY_ERROR, quick=sum(case.quick for case in CASES))
    yield f"Of {len(CASES)} systems {len(CASES) - len(left)} are simulated: {report.verdict()}."
    for kind in dict.fromkeys(case.kind for case in CASES if case.build is not None):
        cases = [case for case in CASES if case.kind == kind]
        yield f"\n## {kind.capitalize()} ({len(cases)})\n"
        yield "| system | value | answer | simulated | interval | half-width (limit) | |"
        yield "|---|---|---|---|---|---|---|"
        for case in cases:
            yield from (row(each) for each in rows[case.name])
        yield ""
        yield from (item(case) for case in cases)
    missed = [name for name in rows if name not in twin.failed]
    outcome = f"Not every one fails: {', '.join(missed)}." if missed else "Every one fails."
    shown = sights(report, twin).values()
    worst = max(found.missed for found in shown)
    yield _TWINS.format(count=twin.systems, scale=TWIN, outcome=outcome, worst=worst, power=POWER)
    yield from (twin_row(found) for found in shown)
    yield f"\n## Not simulated ({len(left)})\n"
    yield from (item(case) for case in left)


def main(path: Path) -> None:
    """Simulate all systems and their twins and write the page."""
    path.write_text(page(verify(progress=True), verify(service_scale=TWIN, progress=True)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
