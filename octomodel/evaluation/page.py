"""The page of the study, made of its results; nothing in it is typed by hand but what explains it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence

import xarray as xr

from octomodel.evaluation.page_dynamic import dynamic, profiles, tuned
from octomodel.evaluation.page_strategies import strategies, troubles
from octomodel.evaluation.page_sweeps import loads, scale, sweeps
from octomodel.evaluation.plan import SEED, Part
from octomodel.evaluation.tables import Found, at, cell, mean_of, ratio, table
from octomodel.variables import REPLICATION

Results = Mapping[str, tuple[Part, xr.Dataset]]

PAPER_MEAN = 2.50
CHAPTERS = ("rivals", "tuned", "profile", "dynamic", "sweeps", "load", "scale")
HEAD = """# The study

Made by `python -m octomodel.evaluation --page docs/results.md`; not to be edited. Seed {seed}, {replications} replications,
closed loads unless said otherwise.

A speed-up is the ratio of the throughputs in the steady part of a run, paired over the replications, as geometric mean with
half its 95 % interval. `short` stands where a run is too short for a steady part (`octomodel.study.steady` says when). The
paper reports 2.50x mean and 4.26x maximum over its baseline spatial architecture, by cycle-level simulation of workloads and
hardware that are not public: these numbers cannot be reproduced here, and nothing was set to meet them. Other published
anchors: dynamic over static partitioning on CGRAs 1.46x and 1.05 to 1.24x; expert rebalancing 1.17 to 1.34x.

`reactive` and `reactive_any` have their default threshold, `octopus` its default parameters, the same everywhere ([how they
were chosen](octopus.md#parameters)). `ideal` is one pool without any cost: no policy, and no bound.
"""


def page(results: Results, misfits: Sequence[tuple[str, str, str]], replications: int, missing: Sequence[str] = ()) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    results : mapping
        Part and its Dataset, by file.
    misfits : sequence of (machine, workflow, reason)
    replications : int
    missing : sequence of str
        Files of sweeps that have not been run yet.
    """
    lines = [HEAD.format(seed=SEED, replications=replications)]
    of = {name: [each for each in results.values() if each[0].chapter == name] for name in CHAPTERS}
    lines += [*_rivals(of["rivals"]), *_misfits(misfits), *strategies(of["rivals"]), *troubles(of["rivals"])]
    lines += [*_time(of["rivals"]), *tuned(of["tuned"], of["rivals"]), *profiles(of["profile"]), *dynamic(of["dynamic"])]
    lines += [*sweeps(of["sweeps"]), *loads(of["load"]), *scale(of["scale"])]
    if missing:
        lines += ["## Not run yet\n", *(f"- {name.removesuffix('.nc')}" for name in missing), ""]
    return "\n".join(map(_wrapped, lines)) + "\n"


def _wrapped(text: str) -> str:
    """Return a paragraph in lines of some length; tables, lists and titles as they are."""
    if text.startswith(("|", "-", "#", "\n")) or "\n" in text.rstrip("\n"):
        return text
    return textwrap.fill(text, 128, break_long_words=False, break_on_hyphens=False) + ("\n" if text.endswith("\n") else "")


def _rivals(rivals: Sequence[Found]) -> Iterator[str]:
    yield "## Every workflow on every machine it fits\n"
    yield "Speed-ups over `static`; in the last column `octopus` over `reactive`.\n"
    names = ("reactive", "reactive_any", "stealing", "octopus", "ideal")
    gains: dict[str, list[float]] = {}
    losses = []

    def rows() -> Iterator[Sequence[str]]:
        for part, found in rivals:
            cells = [ratio(found, at(name), at("static")) for name in names]
            over = ratio(found, at("octopus"), at("reactive"))
            for name, gain in (("static", cells[names.index("octopus")]), ("reactive", over)):
                if gain is not None:
                    gains.setdefault(name, []).append(gain[0])
            for rival in ("static", "reactive", "reactive_any", "stealing"):
                gain = ratio(found, at("octopus"), at(rival))
                if gain is not None and gain[0] + (0 if math.isnan(gain[1]) else gain[1]) < 1:
                    losses.append(f"- {part.workflow.name} on {part.machine}: {cell(gain)} times `{rival}`")
            yield (part.workflow.name, part.machine, *map(cell, cells), cell(over))

    yield from table(("workflow", "machine", *(f"`{name}`" for name in names), "x `reactive`"), rows())
    sizes = {part.machine: part.hardware.tbus for part, _ in rivals}
    told = ", ".join(f"`{machine}` {tbus}" for machine, tbus in sizes.items())
    yield (
        f"TBUs of a cluster: {told}. Owners move and lend inside a cluster: where it has as many tasks as TBUs, no owner can "
        "leave, and there is little to lend; what `ideal` gains there lies between clusters.\n"
    )
    for name, values in gains.items():
        mean = mean_of(values)
        span = f"from {min(values):.2f} to {max(values):.2f}"
        near = f"{sum(value >= PAPER_MEAN for value in values)} at {PAPER_MEAN:.2f} or more"
        yield f"`octopus` over `{name}`: geometric mean {mean:.2f}, {span}, of {len(values)} pairs; {near}.\n"
    yield "### Where `octopus` loses\n"
    yield "Against every rival whose interval allows it to be said:\n"
    yield from losses or ["nowhere in this table."]
    yield ""


def _misfits(misfits: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    if misfits:
        yield "### What is left out\n"
        yield from (f"- {workflow} on {machine}: {reason}" for machine, workflow, reason in misfits)
        yield ""


def _time(rivals: Sequence[Found]) -> Iterator[str]:
    yield "## Where the time of the TBUs goes\n"
    causes = ("own", "lent", "reloading", "switching", "control", "blocked", "starved", "surplus")

    def rows() -> Iterator[Sequence[str]]:
        for part, found in rivals:
            for policy in ("static", "reactive", "octopus"):
                here = found.sel(at(policy))
                if not str(here["point_error"].item()):
                    share = here["time_share"].mean(REPLICATION)
                    cells = (f"{100 * float(share.sel(cause=cause)):.1f}" for cause in causes)
                    moved = f"{here.total_moved_bytes.mean().item() / 1e6:,.1f}"
                    yield (part.workflow.name, part.machine, f"`{policy}`", *cells, moved)

    yield "In per cent, fill and drain included; the last column is the payload that plans moved between clusters, in MB.\n"
    yield from table(("workflow", "machine", "policy", *causes, "moved"), rows())


