"""A study as one HTML page that needs nothing else: a table, and a bar of TBU time for each row."""

from __future__ import annotations

import html
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from octomodel.demo_study import HEAD, WORKFLOW, causes, row, shares, split_row
from octomodel.variables import POLICY

COLOURS = {
    "dead": "#333333",
    "reloading": "#8c564b",
    "switching": "#c49c94",
    "own": "#2a7f62",
    "lent": "#7bc8a4",
    "control": "#7b6fb0",
    "blocked": "#c8443c",
    "starved": "#e8a33d",
    "surplus": "#d5d8dc",
}
"""Colour of each cause: green runs, warm colours wait, grey has nothing to do."""

MEANING = {
    "dead": "does not work",
    "reloading": "loads a configuration",
    "switching": "switches to another resident configuration",
    "own": "runs its own task",
    "lent": "runs another task",
    "control": "waits for a decision",
    "blocked": "finished, its output has no room",
    "starved": "idle, the first epoch of it",
    "surplus": "idle, what is longer",
}
WIDTH, HEIGHT = 320, 16
ABOUT = ("version", "seed", "hardware", "baseline", "note")

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 84rem; padding: 0 1rem }
body { color: #1d2327; background: #ffffff }
h1 { font-size: 1.4rem; margin-bottom: .2rem } h2 { font-size: 1.1rem; margin-top: 1.8rem }
table { border-collapse: collapse; margin: 1.2rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #d5d8dc; white-space: nowrap }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left }
tbody { border-top: 2px solid #9aa2a9 }
svg { display: block }
ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1.4rem }
li svg { display: inline; vertical-align: -2px; margin-right: .4rem }
p, dl { max-width: 60rem } dt { font-weight: 600 } dd { margin: 0 0 .5rem 1.2rem }
""".strip()


def page(found: xr.Dataset) -> str:
    """Return the HTML page of a study.

    Parameters
    ----------
    found : xarray.Dataset
        From ``octomodel.demo_study.study``, with the attributes ``ABOUT``.

    Returns
    -------
    str
        One page, well-formed as XML, with its style and drawings inside, without scripts.
    """
    about = {key: html.escape(str(found.attrs[key])) for key in ABOUT}
    runs = found.sizes["replication"]
    repeated = f"{runs} replications" if runs > 1 else "one replication, therefore without intervals"
    shown = causes(found)
    policies = found[POLICY].values.tolist()
    groups = [[(name, policy) for policy in policies] for name in found[WORKFLOW].values.tolist()]
    main = [[(*row(found, *pair), _bar(found, *pair)) for pair in pairs] for pairs in groups]
    split = [[split_row(found, *pair) for pair in pairs] for pairs in groups]
    legend = "".join(f"<li>{_swatch(cause)}{cause}: {MEANING[cause]}</li>" for cause in shown)
    return f"""<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" lang="en">
<head>
<meta charset="utf-8" />
<title>octomodel: workflows on {about["hardware"]}</title>
<style>
{_STYLE}
</style>
</head>
<body>
<h1>Workflows on {about["hardware"]}</h1>
<p>octomodel {about["version"]}, seed {about["seed"]}, {repeated}. All policies face the same work.</p>
{_table((*HEAD, "TBU time"), main)}
<h2>Where the time of the TBUs goes</h2>
<ul>{legend}</ul>
{_table(("workflow", "policy", *shown), split)}
<h2>How to read the columns</h2>
<dl>
<dt>Mcycles</dt><dd>Makespan: millions of cycles until the last request has ended; mean over the
replications.</dd>
<dt>/ bound</dt><dd>Makespan over the larger of two lower bounds: all work spread evenly over all live TBUs,
and the longest critical path. No schedule is shorter.</dd>
<dt>throughput, latency</dt><dd>How many times better than under {about["baseline"]}: requests per cycle,
and mean time from arrival to end. Paired over the replications, with 95 % intervals;
{about["note"]}.</dd>
<dt>M exec/s, s</dt><dd>Millions of task executions simulated per second, and seconds; both without
compilation.</dd>
<dt>ideal</dt><dd>One first-come-first-served pool of all TBUs without transfers, switches, queue limits
or blocking: a comparison, not a policy, and not a proven optimum.</dd>
</dl>
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


class _Bar(str):
    """Markup that stands in a cell as it is."""


def _table(titles: Sequence[str], groups: Sequence[Sequence[Sequence[str]]]) -> str:
    """Return a table whose rows come in groups, set apart by a line."""
    lines = ["<table>", f"<thead>{_row('th', titles)}</thead>"]
    lines += [f"<tbody>{''.join(_row('td', cells) for cells in rows)}</tbody>" for rows in groups]
    return "\n".join([*lines, "</table>"])


def _row(tag: str, cells: Sequence[str]) -> str:
    shown = (text if isinstance(text, _Bar) else html.escape(text) for text in cells)
    return f"<tr>{''.join(f'<{tag}>{text}</{tag}>' for text in shown)}</tr>"


def _bar(found: xr.Dataset, name: str, policy: str) -> _Bar:
    """Return the time split of one row as a bar of fixed width."""
    split = shares(found).sel({WORKFLOW: name, POLICY: policy})
    parts, x = [], 0.0
    for cause, share in zip(split["cause"].values.tolist(), split.values.tolist(), strict=True):
        width = share * WIDTH
        if width > 0:
            tip = f"<title>{cause} {share:.1%}</title>"
            place = f'x="{x:.2f}" width="{width:.2f}" height="{HEIGHT}"'
            parts.append(f'<rect {place} fill="{COLOURS[cause]}">{tip}</rect>')
        x += width
    label = html.escape(f"TBU time of {name} under {policy}")
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    return _Bar(f'<svg {size} role="img" aria-label="{label}">{"".join(parts)}</svg>')


def _swatch(cause: str) -> str:
    return f'<svg width="12" height="12"><rect width="12" height="12" fill="{COLOURS[cause]}" /></svg>'
