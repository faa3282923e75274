"""Cells and tables of the page: speed-ups of the points of sweeps, paired over their replications."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import xarray as xr
from scipy.special import stdtrit

from octomodel.evaluation.plan import COMBINATIONS, STRATEGIES, Part
from octomodel.variables import POLICY, REPLICATION

DIM = STRATEGIES.replace(",", "_")
ALL = ",".join(map(str, COMBINATIONS[0]))
Found = tuple[Part, xr.Dataset]


def ratio(found: xr.Dataset, better: Mapping[str, object], base: Mapping[str, object]) -> tuple[float, float] | None:
    """Return how many times better one point of a sweep is than another; see `paired`."""
    return paired(found.sel(better), found.sel(base))


def paired(one: xr.Dataset, other: xr.Dataset) -> tuple[float, float] | None:
    """Return the geometric mean of the paired ratios of throughput, and half its 95 % interval; None where a run is short."""
    if any(str(text) for each in (one, other) for text in np.ravel(each["steady_warning"].values)):
        return None
    if any(str(text) for each in (one, other) for text in np.ravel(each["point_error"].values)):
        return None
    logs = np.log(one["steady_throughput_per_cycle"].values / other["steady_throughput_per_cycle"].values)
    n = one.sizes[REPLICATION]
    half = stdtrit(n - 1, 0.975) * logs.std(ddof=1) / math.sqrt(n) if n > 1 else math.nan
    value = math.exp(logs.mean())
    return value, value * math.sinh(half) if n > 1 else math.nan


def mean_of(values: Sequence[float]) -> float:
    """Return the geometric mean."""
    return math.exp(float(np.log(values).mean()))


def cell(found: tuple[float, float] | None) -> str:
    """Return a speed-up as text."""
    if found is None:
        return "short"
    value, half = found
    return f"{value:.2f}" if math.isnan(half) else f"{value:.2f} ± {half:.2f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def at(policy: str, combination: str = ALL) -> dict[str, object]:
    """Return where a policy stands, of `octopus` with some strategies on."""
    return {POLICY: policy, DIM: combination}


