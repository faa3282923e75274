"""What ``octomodel show WORKFLOW --hardware MACHINE`` prints of the mapping: owners, capacity, bottleneck, warnings."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from octomodel.cli_show import cycles, print_table
from octomodel.placement import Place, Placement, Ranges

MOST_PLACES = 16
"""Kinds of clusters that a table lists."""
MOST_RANGES = 4
"""Ranges of numbers, and of TBUs, that one cell lists."""


def data(placed: Placement) -> dict[str, Any]:
    """Return a placement as plain data.

    Parameters
    ----------
    placed : Placement

    Returns
    -------
    dict
        ``pipelines``; ``dead_tbus``; ``owners`` of each task, all pipelines together; ``tasks``: demand, capacity, the
        throughput it allows (None where it has no demand) and the share of time its owners are busy; ``places``:
        clusters alike, as ranges of both ends; ``throughput_per_cycle`` and what limits it (None where nothing does);
        ``phases``: the same of each; ``fluid_throughput_per_cycle``: if every TBU could run every task; ``fill``;
        ``warnings``.
    """
    pipeline, limited_by = placed.bottleneck
    columns = zip(
        placed.tasks, placed.owners.tolist(), placed.capacity.tolist(), placed.demand.tolist(),
        placed.task_throughput.tolist(), placed.busy.tolist(), strict=True,
    )  # fmt: skip
    return {
        "pipelines": placed.n_pipeline,
        "dead_tbus": placed.dead,
        "owners": dict(zip(placed.tasks, placed.owners.tolist(), strict=True)),
        "tasks": [
            {
                "task": task,
                "owners": owners,
                "capacity": capacity,
                "demand_cycles": demand,
                "throughput_per_cycle": _finite(rate) if demand > 0 else None,
                "busy": busy,
            }
            for task, owners, capacity, demand, rate, busy in columns
        ],
        "places": [
            {
                "clusters": place.clusters,
                "pipelines": place.pipelines,
                "tbus": [{"task": task, "first": first, "last": last} for task, first, last in place.tbus],
            }
            for place in placed.places
        ],
        "throughput_per_cycle": _finite(placed.throughput),
        "limited_by": limited_by,
        "limited_in_pipeline": pipeline,
        "phases": [
            {
                "phase": each.phase,
                "throughput_per_cycle": _finite(each.throughput),
                "limited_by": each.task,
                "limited_in_pipeline": each.pipeline,
            }
            for each in placed.phases
        ],
        "fluid_throughput_per_cycle": _finite(placed.fluid_throughput),
        "fill": placed.fill,
        "warnings": placed.cautions(),
    }


def print_placement(placed: Placement) -> None:
    """Print demand against capacity, where the owners are, what limits the throughput, and warnings.

    Parameters
    ----------
    placed : Placement
    """
    found = data(placed)
    rows = [
        (
            row["task"],
            cycles(row["demand_cycles"]),
            f"{row['owners']:,}",
            f"{row['capacity']:,.6g}",
            f"{row['throughput_per_cycle']:.4g}" if row["demand_cycles"] > 0 else "any",
            f"{row['busy']:.1%}",
        )
        for row in found["tasks"]
    ]
    clusters = sum(place.n_cluster for place in placed.places)
    dead = f", {placed.dead:,} dead TBUs" if placed.dead else ""
    title = f"mapping, made before a run: {_counted(placed.n_pipeline, 'pipeline')} of {_counted(clusters, 'cluster')}{dead}"
    print_table(title, ("task", "demand on a TBU", "owners", "capacity", "requests per cycle", "busy at most"), rows)
    places = [_row(place) for place in placed.places[:MOST_PLACES]]
    print_table("owners by cluster", ("clusters", "number", "pipelines", "TBUs of each"), places, left=4)
    if len(placed.places) > MOST_PLACES:
        print(f"and {_counted(len(placed.places) - MOST_PLACES, 'other kind')} of clusters; --json lists all")
    if placed.demand.sum() > 0:
        # a ratio of two infinities where work is too small for a rate
        share = f"{placed.fill:.1%}" if math.isfinite(placed.fluid_throughput) else "all"
        print(
            f"owners allow {placed.throughput:.4g} requests per cycle, limited by {found['limited_by']} in pipeline "
            f"{found['limited_in_pipeline']}: {share} of what TBUs that run every task would do"
        )
    for each in placed.phases:
        if each.throughput < math.inf:
            limit = f"limited by {each.task} in pipeline {each.pipeline}"
            print(f"in phase {each.phase} alone: {each.throughput:.4g} requests per cycle, {limit}")
    for text in found["warnings"]:
        print(f"warning: {text}")


def _finite(rate: float) -> float | None:
    """Return a rate, None where it has no limit: JSON has no infinity."""
    return rate if math.isfinite(rate) else None


def _row(place: Place) -> tuple[str, str, str, str]:
    return _ranges(place.clusters), f"{place.n_cluster:,}", _ranges(place.pipelines), _owners(place)


def _owners(place: Place) -> str:
    """Return where in a cluster the owners are; only how many where they are in many pieces."""
    if not place.tbus:
        return "none"
    if len(place.tbus) <= MOST_RANGES * 4:
        return ", ".join(f"{task} {_range(first, last)}" for task, first, last in place.tbus)
    counts: Counter[str] = Counter()
    for task, first, last in place.tbus:
        counts[task] += last - first + 1
    named = ", ".join(f"{number} of {task}" for task, number in counts.most_common(MOST_RANGES))
    left = len(counts) - MOST_RANGES
    return f"{named} and of {_counted(left, 'other task')}" if left > 0 else named


def _ranges(ranges: Ranges) -> str:
    rest = " ..." if len(ranges) > MOST_RANGES else ""
    return ", ".join(_range(*each) for each in ranges[:MOST_RANGES]) + rest


def _range(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first}-{last}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
