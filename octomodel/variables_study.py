"""The rows of the registry (``octomodel.variables``) that a study of several workflows adds to those of its runs."""

from __future__ import annotations

WORKFLOW = "workflow"
STATISTIC = "statistic"
BOUND = "bound"
CAUSE = "cause"
IDLENESS = "idleness"

ROWS: tuple[tuple[str, tuple[str, ...], str, str, str], ...] = (
    ("steady_from_cycles", (), "int64", "cycles", "begin of the steady part: half of steady_to_cycles; open load: 0"),
    ("steady_to_cycles", (), "int64", "cycles", "its end: the first last admission of a pipeline; open load: the makespan"),
    ("steady_throughput_per_cycle", (), "float64", "1/cycle", "requests that end in the steady part, over its length"),
    ("steady_latency_cycles", (), "float64", "cycles", "mean latency of the requests that end in the steady part"),
    ("steady_warning", (), "str", "", "why the steady part is too short to measure by; empty where nothing speaks against it"),
    ("latency_cycles", (STATISTIC, BOUND), "float64", "cycles", "statistics of the latency with 95 % intervals"),
    ("latency_warmup_requests", (), "int64", "1", "requests dropped at the start of each replication for latency_cycles"),
    ("latency_effective_requests", (), "float64", "1", "independent requests that would give the mean the same variance"),
    ("latency_warnings", (), "str", "", "why statistics of the latency are missing"),
    ("contagion_depth", (IDLENESS,), "float64", "1", "mean length of the chains that make TBUs idle; NaN without a sample"),
    ("wall_seconds", (), "float64", "s", "seconds that all replications took"),
    ("compile_seconds", (), "float64", "s", "part of wall_seconds spent compiling"),
    ("run_seconds", (), "float64", "s", "part of wall_seconds in which kernels ran the replications"),
)
DERIVED: tuple[tuple[str, tuple[str, ...], str, str, str], ...] = (
    ("speedup", (BOUND,), "float64", "1", "how many times the baseline, with the 95 % interval over the replications"),
    ("speedup_warning", (), "str", "", "why there is no speed-up"),
)
"""What ``ds.octo.speedup`` returns; a study does not hold it."""
SWEPT: tuple[tuple[str, tuple[str, ...], str, str, str], ...] = (
    ("time_share", (CAUSE,), "float64", "1", "share of the TBU time per cause"),
    *(
        (f"total_{name}", (), "int64", units, f"{what}, all clusters together; -1 for a point that failed")
        for name, units, what in (
            ("lendings", "1", "lent executions begun"),
            ("switches", "1", "switches to a resident configuration"),
            ("reloads", "1", "reloads of a configuration"),
            ("background_loads", "1", "background loads begun"),
            ("owner_changes", "1", "changes of a home begun"),
            ("wasted_reloads", "1", "loads of a plan, lost before they ran"),
            ("moves", "1", "tokens that a plan moved to a neighbour"),
            ("moved_bytes", "bytes", "payload of these tokens"),
            ("steals", "1", "tokens stolen between clusters"),
            ("refusals", "1", "actions of a policy that were refused"),
            ("plan_refusals", "1", "items of a plan that were refused"),
        )
    ),
    ("lag_median_cycles", (), "float64", "cycles", "median lag of shifts and clusters; infinite: most never were balanced"),
    ("lag_balanced_share", (), "float64", "1", "share of them in which the cluster was balanced before the next shift"),
    ("point_error", (), "str", "", "why a point failed; empty where it did not"),
)
"""What a sweep keeps of each point besides what a study does that belongs to no TBU, cluster or link."""
AXES: tuple[tuple[str, tuple[str, ...], str, str, str], ...] = (
    (WORKFLOW, (), "str", "", "name of the workflow"),
    (STATISTIC, (STATISTIC,), "str", "", "mean or quantile"),
    (IDLENESS, (IDLENESS,), "str", "", "starved or blocked"),
    (BOUND, (BOUND,), "str", "", "the value, or the lower or upper bound of its interval"),
)
