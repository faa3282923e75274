"""How far apart the samples of a run are taken, so that a few of them tell of all of it (rule 9.5)."""

from __future__ import annotations

import math

from octomodel.errors import ModelError
from octomodel.hardware import System
from octomodel.load import Closed, Load, Mmpp, Periodic, Poisson, Renewal, Trace
from octomodel.placement import placement
from octomodel.workflow import Workflow

SAMPLES = 24
"""Samples of each cluster, spread over the run that is expected; a faster policy gets fewer, a slower one none at its end."""

MOST_STRIDE = 2**20


def stride(workflow: Workflow, hardware: System, load: Load, requests: int | None, samples: int = SAMPLES) -> int:
    """Return the epochs from one sample to the next that spread samples over the run expected under ``static``.

    Parameters
    ----------
    workflow : Workflow
    hardware : System
    load : Load
    requests : int, optional
        Default: that of the load.
    samples : int
        How many there are to be.

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    200 requests of 100 cycles on two TBUs take 10,000 cycles, 10 epochs.

    >>> import octomodel as om
    >>> stride(om.Workflow("w", om.task("a", 100)), om.System(1, 1, tbus=2, epoch_cycles=1_000), om.closed(200), None, samples=5)
    2
    """
    count = load.requests if requests is None else requests
    if count is None:
        count = len(load.arrival_cycles) if isinstance(load, Trace) else 0
    found = placement(workflow, hardware)
    hottest = 1.0
    if not isinstance(load.split, str):
        hottest = len(load.split) * max(load.split) / sum(load.split)
    work = count * hottest / found.throughput if math.isfinite(found.throughput) else 0.0
    return int(min(max(1, max(_last_arrival(load, count), work) // (samples * hardware.epoch_cycles)), MOST_STRIDE))


def _last_arrival(load: Load, requests: int) -> float:
    """Return when so many requests are expected to have arrived."""
    match load:
        case Poisson():
            return requests / load.rate
        case Periodic():
            return float(requests * load.period_cycles)
        case Renewal():
            return requests * load.law.mean
        case Mmpp():
            weight = sum(rate * mean for rate, mean in zip(load.rates, load.mean_cycles, strict=True))
            return requests * sum(load.mean_cycles) / weight
        case Trace():
            return float(load.arrival_cycles[min(requests, len(load.arrival_cycles)) - 1]) if requests else 0.0
        case Closed():
            return 0.0
    raise ModelError("load", load, "a load that octomodel knows")
