"""The rows of the registry (``octomodel.variables``) that only theory fills: of each value how it was found."""

from __future__ import annotations

from octomodel.variables_study import BOUND, STATISTIC

_STATION = ("cluster", "tb")

VALUES: tuple[tuple[str, tuple[str, ...], str, str, str], ...] = (
    ("throughput_per_cycle", (), "float64", "1/cycle", "requests per cycle in steady state"),
    ("latency_cycles", (STATISTIC, BOUND), "float64", "cycles", "statistics of the latency"),
    ("station_utilisation", _STATION, "float64", "1", "share of the time of its owners that they run; NaN: no station"),
    ("station_wait_cycles", _STATION, "float64", "cycles", "mean wait of an execution for an owner; NaN: no station"),
    ("station_refused", _STATION, "float64", "1", "probability that a token pushed there finds no free slot; NaN: no station"),
    ("throughput_bound_per_cycle", (), "float64", "1/cycle", "upper bound: the slowest station, or the window without waits"),
    ("latency_bound_cycles", (), "float64", "cycles", "mean latency if nothing ever waited: a lower bound"),
)
"""Values of theory; the first two are those of a simulation in its steady part."""

COMPANIONS = (
    ("method", "str", "", "how it was found"),
    ("exactness", "str", "", "exact, approximation or bound"),
    ("assumptions_ok", "int64", "1", "1 where what the method assumes holds, else 0"),
)

OWN: tuple[tuple[str, tuple[str, ...], str, str, str], ...] = (
    *VALUES[2:],
    ("bottleneck", (), "str", "", "name of the task whose owners have most to do"),
    *(
        (f"{name}_{suffix}", tuple(dim for dim in dims if dim == STATISTIC), dtype, units, f"{name}: {what}")
        for name, dims, *_ in VALUES
        for suffix, dtype, units, what in COMPANIONS
    ),
)
"""What no simulation has."""
