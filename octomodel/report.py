"""A study as one HTML page that needs nothing else: bars of TBU time for each row, and tables."""

from __future__ import annotations

import html
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from octomodel.study_table import causes, head, label, row, shares, split_row
from octomodel.variables import CAUSE, POLICY
from octomodel.variables_study import WORKFLOW

COLOURS = {
    "dead": ("#3b4046", "#ffffff"),
    "reloading": ("#009e73", "#101418"),
    "switching": ("#f0e442", "#101418"),
    "own": ("#0072b2", "#ffffff"),
    "lent": ("#56b4e9", "#101418"),
    "control": ("#cc79a7", "#101418"),
    "blocked": ("#d55e00", "#101418"),
    "starved": ("#e69f00", "#101418"),
    "surplus": ("#d3d8dd", "#101418"),
}
"""Colour of each cause and of text on it: those of Okabe and Ito, which all kinds of colour vision tell apart; blue
runs, orange waits, grey has nothing to do."""

DARK = {"dead": ("#8b939b", "#101418"), "surplus": ("#3d454d", "#e6e9ec")}
"""Those that differ on a dark page."""

MEANING = {
    "dead": "does not work",
    "reloading": "loads a configuration",
    "switching": "switches to another resident configuration",
    "own": "runs its own task",
    "lent": "runs another task",
    "control": "waits for a decision",
    "blocked": "finished, its output has no room",
    "starved": "idle for less than one epoch",
    "surplus": "idle for longer",
}
HEIGHT = 26
NUMBER, NAME = 0.09, 0.22
"""Least shares at which a part of a bar carries its number, and its name too; narrower ones say it on hovering."""
ABOUT = ("version", "seed", "hardware", "baseline", "note", "trace")


def _rules(colours: dict[str, tuple[str, str]]) -> str:
    return " ".join(f".{cause} {{ --fill: {fill}; --ink: {ink} }}" for cause, (fill, ink) in colours.items())


_STYLE = f"""
:root {{ color-scheme: light dark; --page: #ffffff; --card: #f6f8fa; --text: #1b2026; --soft: #56606a; --line: #d5dade }}
{_rules(COLOURS)}
@media (prefers-color-scheme: dark) {{
:root {{ --page: #14181c; --card: #1d2329; --text: #e6e9ec; --soft: #a3adb7; --line: #39424b }}
{_rules(DARK)}
}}
* {{ box-sizing: border-box }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 66rem; padding: 2rem clamp(.8rem, 3vw, 2rem) }}
body {{ color: var(--text); background: var(--page) }}
h1 {{ font-size: 1.6rem; line-height: 1.2; margin: 0 0 .3rem }}
h2 {{ font-size: 1.15rem; margin: 2.2rem 0 .4rem }}
p {{ max-width: 46rem; margin: .3rem 0 .8rem }}
.soft, dd {{ color: var(--soft) }}
.scroll {{ overflow-x: auto; border: 1px solid var(--line); border-radius: 8px }}
.scroll:focus-visible {{ outline: 2px solid #0072b2; outline-offset: 2px }}
table {{ border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums }}
th, td {{ padding: .4rem .65rem; text-align: right; white-space: nowrap }}
thead th {{ color: var(--soft); font-weight: 600; line-height: 1.25; vertical-align: bottom; background: var(--card) }}
tbody th {{ font-weight: 400 }}
th:nth-child(-n+2) {{ text-align: left }}
tbody {{ border-top: 1px solid var(--line) }}
figure {{ margin: 0 0 1rem; padding: .8rem 1rem .9rem; background: var(--card); border-radius: 8px }}
figure h3 {{ font-size: 1rem; margin: 0 0 .3rem }}
figcaption {{ font-size: .875rem; margin: .5rem 0 .15rem }}
svg {{ display: block; width: 100% }}
rect {{ fill: var(--fill); stroke: var(--card); stroke-width: 1.5 }}
text {{ fill: var(--ink); font-size: 12.5px }}
ul {{ list-style: none; padding: 0; margin: .6rem 0 1rem; display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; font-size: .875rem }}
li svg {{ display: inline; width: 14px; vertical-align: -2px; margin-right: .4rem }}
dt {{ font-weight: 600 }} dd {{ margin: 0 0 .6rem }} dl {{ max-width: 46rem }}
""".strip()


def page(found: xr.Dataset) -> str:
    """Return the HTML page of a study.

    Parameters
    ----------
    found : xarray.Dataset
        From ``octomodel.study.study``, with the attributes ``ABOUT``.

    Returns
    -------
    str
        One page, well-formed as XML, with its style and drawings inside, without scripts. It fits any width; only
        the tables scroll, each by itself.
    """
    about = {key: html.escape(str(found.attrs[key])) for key in ABOUT}
    runs = found.sizes["replication"]
    repeated = f"{runs} replications" if runs > 1 else "one replication, therefore without intervals"
    shown = causes(found)
    policies = found[POLICY].values.tolist()
    groups = [[(name, policy) for policy in policies] for name in found[WORKFLOW].values.tolist()]
    main = [[row(found, *pair) for pair in pairs] for pairs in groups]
    split = [[split_row(found, *pair) for pair in pairs] for pairs in groups]
    legend = "".join(f"<li>{_swatch(cause)}{cause}: {MEANING[cause]}</li>" for cause in shown)
    bars = "\n".join(_figure(found, pairs) for pairs in groups)
    return f"""<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<title>octomodel: workflows on {about["hardware"]}</title>
<style>
{_STYLE}
</style>
</head>
<body>
<main>
<h1>Workflows on {about["hardware"]}</h1>
<p class="soft">octomodel {about["version"]}, seed {about["seed"]}, {repeated}. All policies face the same work.
{about["trace"]}.</p>
<h2>How fast</h2>
{_table("How fast", head(found), main)}
<h2>Where the time of the TBUs goes</h2>
<ul>{legend}</ul>
{bars}
{_table("Where the time of the TBUs goes", ("workflow", "policy", *shown), split)}
<h2>How to read the columns</h2>
<dl>
<dt>throughput, latency</dt><dd>Speed-ups, x 2 over a policy being twice the requests per cycle, or half
the mean time from arrival to end. A closed load is measured in its steady part, the second half of the time until
a pipeline runs out of requests, so that filling and draining the machine do not count; a trace over the whole run,
where the throughput is that of its arrivals. Paired over the replications, with half the 95 % intervals; {about["note"]}.</dd>
<dt>of fluid bound</dt><dd>The larger of two lower bounds of the makespan (all work spread evenly over all live TBUs,
and the longest critical path) over the makespan. 100 % cannot be passed. Fill and drain count, as in the TBU time above.</dd>
<dt>M exec/s</dt><dd>Millions of task executions simulated per second, without compilation.</dd>
<dt>ideal</dt><dd>One first-come-first-served pool of all TBUs without transfers, switches, queue limits
or blocking: a comparison, not a policy, and no bound: another order of work may be faster.</dd>
</dl>
</main>
</body>
</html>
"""


def write(path: str | os.PathLike[str], found: xr.Dataset) -> None:
    """Write the page of a study; the file appears complete or not at all.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page(found))
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _table(label: str, titles: Sequence[str], groups: Sequence[Sequence[Sequence[str]]]) -> str:
    """Return a table that scrolls by itself, whose rows come in groups set apart by a line."""
    head = "".join(f'<th scope="col">{_lines(title)}</th>' for title in titles)
    bodies = [f"<tbody>{''.join(map(_row, rows))}</tbody>" for rows in groups]
    table = "\n".join(["<table>", f"<thead><tr>{head}</tr></thead>", *bodies, "</table>"])
    return f'<div class="scroll" role="region" aria-label="{html.escape(label)}" tabindex="0">\n{table}\n</div>'


def _row(cells: Sequence[str]) -> str:
    names = "".join(f'<th scope="row">{html.escape(text)}</th>' for text in cells[:2])
    return f"<tr>{names}{''.join(f'<td>{html.escape(text)}</td>' for text in cells[2:])}</tr>"


def _lines(title: str) -> str:
    return "<br />".join(map(html.escape, title.split("\n")))


def _figure(found: xr.Dataset, pairs: Sequence[tuple[str, str]]) -> str:
    """Return the bars of one workflow, under each other."""
    bars = "".join(f"<figcaption>{html.escape(policy)}</figcaption>{_bar(found, name, policy)}" for name, policy in pairs)
    return f"<figure><h3>{html.escape(label(found, pairs[0][0]))}</h3>{bars}</figure>"


def _bar(found: xr.Dataset, name: str, policy: str) -> str:
    """Return the time split of one row as a bar as wide as the page allows."""
    split = shares(found).sel({WORKFLOW: name, POLICY: policy})
    parts, said, x = [], [], 0.0
    for cause, share in zip(split[CAUSE].values.tolist(), split.values.tolist(), strict=True):
        if share > 0:
            place = f'x="{100 * x:.3f}%" width="{100 * share:.3f}%" height="{HEIGHT}"'
            words = f"{cause} {share:.0%}" if share >= NAME else f"{share:.0%}" if share >= NUMBER else ""
            text = f'<text x="{100 * x:.3f}%" dx="6" y="{HEIGHT * 0.68:.0f}">{words}</text>' if words else ""
            parts.append(f'<g class="{cause}"><title>{cause} {share:.1%}</title><rect {place} />{text}</g>')
            said.append(f"{cause} {share:.1%}")
        x += share
    label = html.escape(f"TBU time of {name} under {policy}: {', '.join(said)}")
    return f'<svg height="{HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _swatch(cause: str) -> str:
    return f'<svg class="{cause}" height="14" aria-hidden="true"><rect width="14" height="14" rx="3" /></svg>'
