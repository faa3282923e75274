"""Chapters of the page: what each strategy is worth, and what it does to the trouble that it is for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import xarray as xr

from octomodel.evaluation.plan import COMBINATIONS
from octomodel.evaluation.tables import ALL, DIM, Found, at, cell, mean_of, ratio, table
from octomodel.variables import CAUSE, REPLICATION

TEXTS = [",".join(map(str, each)) for each in COMBINATIONS]
NAMES = dict(zip(TEXTS, ("all", "no DDS", "no ATS", "no PCS", "DDS", "ATS", "PCS"), strict=True))
IDLE = ["blocked", "starved", "surplus"]


def strategies(rivals: Sequence[Found]) -> Iterator[str]:
    """Yield the ablation in both directions: one left out, and one alone."""
    rivals = [each for each in rivals if each[1].sizes[DIM] == len(COMBINATIONS)]
    if not rivals:
        return
    yield "## What each strategy is worth\n"
    yield "Speed-ups over `static` with one strategy left out, and with one alone. DDS alone discriminates between nothing.\n"
    gains: dict[str, list[float]] = {name: [] for name in NAMES.values()}

    def rows() -> Iterator[Sequence[str]]:
        for part, found in rivals:
            cells = {NAMES[each]: ratio(found, at("octopus", each), at("static")) for each in TEXTS}
            for name, value in cells.items():
                if value is not None:
                    gains[name].append(value[0])
            yield (part.workflow.name, part.machine, *map(cell, cells.values()))
        yield ("geometric mean", "", *(f"{mean_of(gains[name]):.2f}" if gains[name] else "-" for name in NAMES.values()))

    yield from table(("workflow", "machine", *NAMES.values()), rows())
    logs = {name: math.log(mean_of(values)) for name, values in gains.items() if values}
    if logs.get("all", 0) > 0:
        yield "Of the logarithm of the mean gain, what goes when one is left out, and what comes with one alone:\n"
        shares = {
            name: (1 - logs[f"no {name}"] / logs["all"], logs[name] / logs["all"])
            for name in ("DDS", "ATS", "PCS")
            if name in logs and f"no {name}" in logs
        }
        yield from table(
            ("strategy", "goes without it", "comes with it alone"),
            ((name, f"{gone:.0%}", f"{alone:.0%}") for name, (gone, alone) in shares.items()),
        )
        most = max(shares, key=lambda name: shares[name][0], default="none")
        yield f"What `static` lacks most is what {most} does. They build on one another: shares need not add up to one.\n"


Metric = Mapping[str, float]


def measured(found: xr.Dataset, policy: str, combination: str = ALL) -> Metric:
    """Return the numbers of the three troubles under one policy, means over the replications."""
    one = found.sel(at(policy, combination))
    loads = float((one["total_reloads"] + one["total_background_loads"]).mean())
    lag = one["lag_median_cycles"].values if "lag_median_cycles" in one else np.full(1, np.nan)
    known = lag[~np.isnan(lag)]
    return {
        "idle": 100 * float(one["time_share"].sel({CAUSE: IDLE}).sum(CAUSE).mean()),
        "starved": float(one["contagion_depth"].sel(idleness="starved").mean(REPLICATION)),
        "blocked": float(one["contagion_depth"].sel(idleness="blocked").mean(REPLICATION)),
        "loads": loads,
        "wasted": 100 * float(one["total_wasted_reloads"].mean()) / loads if loads else math.nan,
        # the median over replications, so that one that was never balanced does not hide the others
        "lag": float(np.sort(known)[known.size // 2]) / 1e3 if known.size else math.nan,
        "balanced": 100 * float(one["lag_balanced_share"].mean()) if "lag_balanced_share" in one else math.nan,
        "moved": float(one["total_moved_bytes"].mean()) / 1e6,
    }


def troubles(rivals: Sequence[Found]) -> Iterator[str]:
    """Yield the measures of the three troubles, and where each strategy improves its own."""
    rivals = [each for each in rivals if each[1].sizes[DIM] == len(COMBINATIONS) and not (each[1].point_error != "").any()]
    if not rivals:
        return
    yield "## The three troubles\n"
    yield (
        "*Indiscriminate allocation* shows in loads of configurations and in how many of them were lost before they ran (rule "
        "9.8); *reactive rebalancing* in the lag from a shift of the phase to owners that suit it (9.6; the median of shifts and "
        "clusters, `never` where most were not balanced before the next shift) and in bytes moved; *contagious idleness* in the "
        "share of idle time and in the mean length of the chains that starve or block a TBU (9.7). Samples are of the first "
        "epochs of a run.\n"
    )
    head = ("workflow", "policy", "idle, %", "depth starved", "depth blocked", "loads", "wasted, %", "lag, kcycles")
    policies = [("static", ALL), ("reactive", ALL), ("octopus", ALL), *(("octopus", text) for text in TEXTS[1:4])]

    def rows() -> Iterator[Sequence[str]]:
        for part, found in rivals:
            for policy, combination in policies:
                name = f"`{policy}`" if combination == ALL else NAMES[combination]
                one = measured(found, policy, combination)
                lag = "never" if math.isinf(one["lag"]) else _number(one["lag"], ",.0f")
                yield (
                    *(part.workflow.name, name, f"{one['idle']:.1f}", _number(one["starved"]), _number(one["blocked"])),
                    *(f"{one['loads']:,.0f}", _number(one["wasted"], ".0f"), lag, _number(one["balanced"], ".0f")),
                    f"{one['moved']:,.1f}",
                )

    yield from table((*head, "balanced, %", "MB moved"), rows())
    yield "### Each strategy against its own trouble\n"
    yield "The measure with the strategy and without it, the others on; smaller is better.\n"
    yield from table(("strategy", "measure", "smaller on", "larger on"), _verdicts(rivals))
    yield (
        "Why a strategy does not make one of its measures smaller: a background load costs no TBU any time, so `octopus` "
        "prepares freely (14.8), and what it loaded is replaced when another station has become the busiest; without PCS "
        "nothing is loaded ahead. The target of the lag tolerates one TBU per task (9.6), so that with few TBUs most sets "
        "of owners are balanced, those of `static` too; ATS changes no owner. The depth is a mean over the TBUs that are "
        "idle, not over all: it may grow while they become fewer.\n"
    )


def _verdicts(rivals: Sequence[Found]) -> Iterator[Sequence[str]]:
    for name, without, measures in (
        ("DDS", TEXTS[1], ("wasted", "loads")),
        ("ATS", TEXTS[2], ("idle", "starved", "blocked")),
        ("PCS", TEXTS[3], ("lag", "idle")),
    ):
        for measure in measures:
            better, worse = [], []
            for part, found in rivals:
                on, off = (measured(found, "octopus", each)[measure] for each in (ALL, without))
                if on < off:
                    better.append(part.workflow.name)
                elif on > off:
                    worse.append(part.workflow.name)
            yield (name, measure, ", ".join(better) or "-", ", ".join(worse) or "-")


def _number(value: float, form: str = ".2f") -> str:
    return "-" if math.isnan(value) else f"{value:{form}}"
