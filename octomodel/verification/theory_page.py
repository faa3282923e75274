"""Writes the page that compares theory with known answers, from a file of queueing cases, and with simulation.

Run by maintainers, a minute::

    python -m octomodel.verification.theory_page ../shared/data/queueing_cases.json docs/theory.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from octomodel.verification.theory_cases import rows
from octomodel.verification.theory_predict import section as predicted
from octomodel.verification.theory_rows import Row

_HEAD = """\
# Queueing theory against known answers

Made by `python -m octomodel.verification.theory_page CASES docs/theory.md`; not to be edited.

`octomodel.calibration.queueing` answers by formula or small Markov chain. Each value says how it was found and whether it is
exact, asymptotic, an approximation or a bound, and whether the assumptions of the method hold; what is not supported raises
`TheoryError` with the reason. Blocking is *blocking after service*: what is finished and finds no room holds its server.
"""

_EXACT = """
## Exact methods

{count} values of {systems} systems, each within the tolerance of its answer (1e-6, or that of the answer itself). Worst error
of a system, relative:

| system | method | values | worst error |
|---|---|---|---|"""

_NEAR = """
## Approximations

{count} values of {systems} systems; {missed} miss the goal, marked by `*`. The goal is that of the file, at least 10 % for
quantiles, and 10 % where the file has none.

| system | value | method | theory | answer | error | goal | |
|---|---|---|---|---|---|---|---|"""

_MISSED = """
## Where not to trust the approximations

- Two moments do not carry bursts through stations of light load to a loaded one behind them (`SIM-SURESH-WHITT-HI`,
  `SIM-TANDEM-LN4`): in series use indices of dispersion. With branches and loops (`SIM-QNA-9NODE`) single stations are up to 38 %
  low, their sum is within 5 %.
- The independent maximum is for tails of a fork-join; its mean is an upper bound that is up to 25 % high. Means: Varma-Makowski
  for up to four branches, Nelson-Tantawi beyond.
- A gamma law by two moments has no heavy tail (`ST-MG1-TPARETO-0.5`, `SIM-FJ-LN-8`).
- Lines too long for their chain: decomposition into pairs is 0.5 to 3.1 % low on lines of three to six stations.
"""


def page(cases: list[dict[str, Any]]) -> str:
    """Return the page for the systems of a file, without the part that is simulated."""
    return "\n".join(_lines(cases)) + "\n"


def _lines(cases: list[dict[str, Any]]) -> Iterator[str]:
    found = [rows(case) for case in cases]
    every = [each for group in found for each in group]
    exact, near = ([each for each in every if (each.exactness == "exact") is wanted] for wanted in (True, False))
    yield _HEAD
    yield f"Of {len(cases)} systems {sum(map(bool, found))} are answered; the others ask for an estimate or for another protocol."
    yield _EXACT.format(count=len(exact), systems=len({each.case for each in exact}))
    for name in dict.fromkeys(each.case for each in exact):
        own = [each for each in exact if each.case == name]
        methods = ", ".join(dict.fromkeys(each.method for each in own))
        # what rounding leaves differs between machines
        worst = max(abs(each.error) for each in own)
        yield f"| {name} | {methods} | {len(own)} | {'< 1e-8' if worst < 1e-8 else f'{worst:.0e}'} |"
    missed = sum(not each.passed for each in near)
    yield _NEAR.format(count=len(near), systems=len({each.case for each in near}), missed=missed)
    yield from (_near(each) for each in near)
    yield _MISSED.rstrip()


def _near(each: Row) -> str:
    cells = [
        each.case,
        each.metric,
        each.method,
        f"{each.found:.5g}",
        f"{each.expected:.5g}",
        f"{round(each.error, 4) + 0.0:+.2%}",
        f"{each.limit:.0%}",
    ]
    return f"| {' | '.join([*cells, '' if each.passed else '*'])} |"


def main(source: Path, target: Path) -> None:
    """Read a file of cases and write the page."""
    cases = json.loads(source.read_text(encoding="utf-8"))["cases"]
    target.write_text(page(cases) + predicted(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
