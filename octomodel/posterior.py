"""Simulation under all that measurements leave possible: intervals that hold calibration uncertainty too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from octomodel import calibrated, checks
from octomodel.calibration import Calibration
from octomodel.calibration.trace import TraceError
from octomodel.engine import simulate
from octomodel.errors import ModelError, Words
from octomodel.hardware import System
from octomodel.load import Load
from octomodel.policies import Policy
from octomodel.surprises import more_than_measured
from octomodel.variables_study import STATISTIC
from octomodel.workflow import Workflow

F64 = NDArray[np.float64]
DRAW, QUANTILE = "draw", "quantile"
STATISTICS: dict[str, Callable[[F64], float]] = {
    "mean": lambda values: float(values.mean()),
    "p50": lambda values: float(np.quantile(values, 0.5)),
    "p95": lambda values: float(np.quantile(values, 0.95)),
    "p99": lambda values: float(np.quantile(values, 0.99)),
}
QUANTILES = np.round(np.concatenate([np.arange(1, 100) / 100.0, [0.995, 0.999]]), 3)
LEAST = 39
"""Fewest draws of which the least and the greatest hold 95 %."""


def predictive(
    found: Calibration,
    skeleton: Workflow,
    hardware: System,
    policy: str | Policy = "static",
    load: Load | None = None,
    *,
    requests: int | None = None,
    draws: int = LEAST,
    seed: int = 0,
    threads: int | None = None,
) -> xr.Dataset:
    """Simulate workflows that the measurements leave possible, each once, with draws of its own.

    Parameters
    ----------
    found : Calibration
    skeleton : Workflow
        The program whose values were measured.
    hardware : System
    policy : str or Policy
    load : Load, optional
        Default: the process fitted to the measured arrivals, which is not drawn anew.
    requests : int, optional
        In each simulation; default: that of the load.
    draws : int
        How many workflows, at least 39: the least and the greatest of so many hold a next one with 95 %.
    seed : int
        Of the draws of workflows; simulation i has seed + i.
    threads : int, optional

    Returns
    -------
    xarray.Dataset
        ``latency_cycles`` float64[draw, statistic], the mean and quantiles of each simulation; ``latency_quantile_cycles``
        float64[draw, quantile]; cycles. In ``attrs``: ``warnings``, a line each, of what lies outside of what was measured and of
        what makes results easy to misread.

    Raises
    ------
    ModelError
        When a value is refused, or there is neither a load nor a process of arrivals.

    Notes
    -----
    Gelman et al., Bayesian Data Analysis, 3rd ed., section 6.3: posterior predictive checking, with the bootstrap for a posterior
    of laws.

    Examples
    --------
    >>> import octomodel as om
    >>> from octomodel.calibration import fit
    >>> rng = np.random.default_rng(1)
    >>> start = np.cumsum(rng.exponential(90.0, 60))
    >>> spans = {"request": range(60), "task": ["a"] * 60, "start": start, "end": start + rng.gamma(4.0, 10.0, 60)}
    >>> found = fit(spans, cycles_per_unit=10, among=["gamma"], repetitions=0)
    >>> ds = predictive(found, om.Workflow("w", om.task("a", 1)), om.System(1, 1, tbus=1), requests=50, threads=1)
    >>> ds.latency_cycles.dims, bool(ds.latency_cycles.std("draw").min() > 0)
    (('draw', 'statistic'), True)
    """
    checks.integer("draws", draws, LEAST, 10_000)
    source = calibrated.load(found) if load is None else load
    if source is None:
        raise ModelError("load", Words("no process of arrivals, too few were measured"), "a load")
    count = requests or source.requests or len(found.requests)
    said = more_than_measured(found, source, count)
    latencies = []
    for i, workflow in enumerate(drawn(found, skeleton, draws, seed)):
        note = said.append if i == 0 else False
        latencies.append(simulated(workflow, hardware, policy, source, count, seed + i, threads, note))
    return xr.Dataset(
        {
            "latency_cycles": of_draws(summaries(latencies), STATISTIC, "latency of the requests of one simulation"),
            "latency_quantile_cycles": of_draws(quantiles(latencies), QUANTILE, "quantiles of the latency of one simulation"),
        },
        {STATISTIC: list(STATISTICS), QUANTILE: QUANTILES},
        {"workflow": skeleton.name, "seed": seed, "requests": count, "warnings": "\n".join(said)},
    )


def drawn(found: Calibration, skeleton: Workflow, draws: int, seed: int) -> list[Workflow]:
    """Return ``found.draws(...)``, its errors as those of a description."""
    try:
        return found.draws(skeleton, draws, seed)
    except TraceError as error:
        raise ModelError(error.path, error.value, error.allowed) from None


def simulated(
    workflow: Workflow,
    hardware: System,
    policy: str | Policy,
    load: Load,
    requests: int,
    seed: int,
    threads: int | None = None,
    cautions: bool | Callable[[str], None] = False,
) -> F64:
    """Return the latencies in cycles of one simulation, in order of arrival, float64[request]."""
    found = simulate(
        workflow,
        hardware,
        policy,
        load,
        requests=requests,
        seed=seed,
        threads=threads,
        bounds=False,
        cautions=cautions,
    )
    return np.asarray(found["request_latency_cycles"].values[0], np.float64)


def summaries(latencies: list[F64]) -> F64:
    """Return mean and quantiles of each, float64[draw, statistic]."""
    return np.array([[of(each) for of in STATISTICS.values()] for each in latencies])


def quantiles(latencies: list[F64]) -> F64:
    """Return the quantiles ``QUANTILES`` of each, float64[draw, quantile]."""
    return np.array([np.quantile(each, QUANTILES) for each in latencies])


def of_draws(values: ArrayLike, dim: str, description: str) -> xr.DataArray:
    """Return values of draws with their meaning."""
    return xr.DataArray(values, dims=(DRAW, dim), attrs={"units": "cycles", "description": description})
