"""The page of the study, made of its results; nothing in it is typed by hand but what explains it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import xarray as xr
from scipy.special import stdtrit

from octomodel.evaluation.plan import COMBINATIONS, SEED, STRATEGIES, Part
from octomodel.variables import POLICY, REPLICATION

DIM = STRATEGIES.replace(",", "_")
ALL = ",".join(map(str, COMBINATIONS[0]))
Results = Mapping[str, tuple[Part, xr.Dataset]]

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
    rivals = [each for each in results.values() if each[0].chapter == "rivals"]
    lines += [*_rivals(rivals), *_misfits(misfits), *_strategies(rivals), *_time(rivals)]
    lines += [*_sweeps([each for each in results.values() if each[0].chapter == "sweeps"])]
    lines += [*_loads([each for each in results.values() if each[0].chapter == "load"])]
    lines += [*_scale([each for each in results.values() if each[0].chapter == "scale"])]
    if missing:
        lines += ["## Not run yet\n", *(f"- {name.removesuffix('.nc')}" for name in missing), ""]
    return "\n".join(lines) + "\n"


def ratio(found: xr.Dataset, better: Mapping[str, object], base: Mapping[str, object]) -> tuple[float, float] | None:
    """Return the geometric mean of the paired ratios of throughput, and half its 95 % interval; None where a run is short."""
    one, other = found.sel(better), found.sel(base)
    if any(str(text) for each in (one, other) for text in np.ravel(each["steady_warning"].values)):
        return None
    if any(str(text) for each in (one, other) for text in np.ravel(each["point_error"].values)):
        return None
    logs = np.log(one["steady_throughput_per_cycle"].values / other["steady_throughput_per_cycle"].values)
    n = found.sizes[REPLICATION]
    half = stdtrit(n - 1, 0.975) * logs.std(ddof=1) / math.sqrt(n) if n > 1 else math.nan
    value = math.exp(logs.mean())
    return value, value * math.sinh(half) if n > 1 else math.nan


def _cell(found: tuple[float, float] | None) -> str:
    if found is None:
        return "short"
    value, half = found
    return f"{value:.2f}" if math.isnan(half) else f"{value:.2f} ± {half:.2f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _at(policy: str, combination: str = ALL) -> dict[str, object]:
    return {POLICY: policy, DIM: combination}


def _rivals(rivals: Sequence[tuple[Part, xr.Dataset]]) -> Iterator[str]:
    yield "## Every workflow on every machine it fits\n"
    yield "Speed-ups over `static`; in the last column `octopus` over `reactive`.\n"
    names = ("reactive", "reactive_any", "stealing", "octopus", "ideal")
    gains: dict[str, list[float]] = {}
    losses = []

    def rows() -> Iterator[Sequence[str]]:
        for part, found in rivals:
            cells = [ratio(found, _at(name), _at("static")) for name in names]
            over = ratio(found, _at("octopus"), _at("reactive"))
            for name, cell in (("static", cells[names.index("octopus")]), ("reactive", over)):
                if cell is not None:
                    gains.setdefault(name, []).append(cell[0])
            for rival in ("static", "reactive", "reactive_any", "stealing"):
                cell = ratio(found, _at("octopus"), _at(rival))
                if cell is not None and cell[0] + (0 if math.isnan(cell[1]) else cell[1]) < 1:
                    losses.append(f"- {part.workflow.name} on {part.machine}: {_cell(cell)} times `{rival}`")
            yield (part.workflow.name, part.machine, *map(_cell, cells), _cell(over))

    yield from _table(("workflow", "machine", *(f"`{name}`" for name in names), "x `reactive`"), rows())
    for name, values in gains.items():
        mean = math.exp(float(np.log(values).mean()))
        span = f"from {min(values):.2f} to {max(values):.2f}"
        yield f"`octopus` over `{name}`: geometric mean {mean:.2f}, {span}, of {len(values)} pairs.\n"
    yield "### Where `octopus` loses\n"
    yield "Against every rival whose interval allows it to be said:\n"
    yield from losses or ["nowhere in this table."]
    yield ""


def _misfits(misfits: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    if misfits:
        yield "### What is left out\n"
        yield from (f"- {workflow} on {machine}: {reason}" for machine, workflow, reason in misfits)
        yield ""


def _strategies(rivals: Sequence[tuple[Part, xr.Dataset]]) -> Iterator[str]:
    rivals = [each for each in rivals if each[1].sizes[DIM] == len(COMBINATIONS)]
    if not rivals:
        return
    yield "## What each strategy is worth\n"
    yield "Speed-ups over `static` with one strategy left out, and with one alone. DDS alone discriminates between nothing.\n"
    names = ["all", "no DDS", "no ATS", "no PCS", "DDS", "ATS", "PCS"]

    def rows() -> Iterator[Sequence[str]]:
        for part, found in rivals:
            cells = [ratio(found, _at("octopus", ",".join(map(str, each))), _at("static")) for each in COMBINATIONS]
            yield (part.workflow.name, part.machine, *map(_cell, cells))

    yield from _table(("workflow", "machine", *names), rows())


def _time(rivals: Sequence[tuple[Part, xr.Dataset]]) -> Iterator[str]:
    yield "## Where the time of the TBUs goes\n"
    causes = ("own", "lent", "reloading", "switching", "control", "blocked", "starved", "surplus")

    def rows() -> Iterator[Sequence[str]]:
        for part, found in rivals:
            for policy in ("static", "reactive", "octopus"):
                here = found.sel(_at(policy))
                if not str(here["point_error"].item()):
                    share = here["time_share"].mean(REPLICATION)
                    cells = (f"{100 * float(share.sel(cause=cause)):.1f}" for cause in causes)
                    moved = f"{here.total_moved_bytes.mean().item() / 1e6:,.1f}"
                    yield (part.workflow.name, part.machine, f"`{policy}`", *cells, moved)

    yield "In per cent, fill and drain included; the last column is the payload that plans moved between clusters, in MB.\n"
    yield from _table(("workflow", "machine", "policy", *causes, "moved"), rows())


def _sweeps(sweeps: Sequence[tuple[Part, xr.Dataset]]) -> Iterator[str]:
    if not sweeps:
        return
    yield "## Costs, epochs, thresholds, queues, yield\n"
    yield "On `edge_6c`; speed-ups over `static` at the same value. `static` itself is compared with its first value.\n"
    yield (
        "`octopus` may spill into as many places as the queues have, so what buffers alone are worth is `static` with "
        "twice the slots: 8 beside 4.\n"
    )

    def rows() -> Iterator[Sequence[str]]:
        for part, found in sweeps:
            (dim,) = (str(name) for name in json.loads(found.attrs["over"]))
            values = found[dim].values.tolist()
            for value in values:
                base = {POLICY: "static", dim: value}
                others = [ratio(found, {POLICY: name, dim: value}, base) for name in ("reactive", "octopus")]
                first = ratio(found, base, {POLICY: "static", dim: values[0]})
                yield (part.workflow.name, dim, f"{value:,}", *map(_cell, others), _cell(first))

    yield from _table(("workflow", "field", "value", "`reactive`", "`octopus`", "`static`"), rows())


def _loads(loads: Sequence[tuple[Part, xr.Dataset]]) -> Iterator[str]:
    if not loads:
        return
    yield "## Open loads\n"
    yield (
        "Poisson arrivals on `edge_6c`, as a share of what the owners of `static` could serve. Mean latency of `static` over "
        "that of each.\n"
    )

    def rows() -> Iterator[Sequence[str]]:
        for part, found in loads:
            base = found["steady_latency_cycles"].sel({POLICY: "static"})
            cells = [
                float(np.exp(np.log(base / found["steady_latency_cycles"].sel({POLICY: name})).mean()))
                for name in ("reactive", "octopus", "ideal")
            ]
            yield (part.workflow.name, part.name, f"{float(base.mean()):,.0f}", *(f"{cell:.2f}" for cell in cells))

    yield from _table(("workflow", "load", "`static`, cycles", "`reactive`", "`octopus`", "`ideal`"), rows())


def _scale(scale: Sequence[tuple[Part, xr.Dataset]]) -> Iterator[str]:
    if not scale:
        return
    yield "## Scale, hot spots and diffusion\n"
    yield (
        "Meshes of clusters of `wafer_56k`; even load, or half of the requests on an eighth of the pipelines. Makespan of "
        "`static` over that of `octopus`, without and with diffusion.\n"
    )

    def rows() -> Iterator[Sequence[str]]:
        for part, found in scale:
            spans = found["makespan_cycles"].astype(float)
            base = spans.sel({POLICY: "static"}).isel({"policy.diffusion": 0})
            cells = []
            for value in (0.0, 0.9):
                other = spans.sel({POLICY: "octopus", "policy.diffusion": value})
                cells.append("failed" if float(other.min()) < 0 else f"{float(np.exp(np.log(base / other).mean())):.2f}")
            moved = found["total_moves"].sel({POLICY: "octopus", "policy.diffusion": 0.9}).mean().item()
            yield (part.machine, part.name, f"{float(base.mean()) / 1e6:,.1f}", *cells, f"{moved:,.0f}")

    yield from _table(("clusters", "load", "`static`, Mcycles", "no diffusion", "diffusion", "tokens moved"), rows())
