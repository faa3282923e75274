"""What lies outside of what was measured: in a load that is to be simulated, in measurements that come later."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octomodel.calibration import Calibration
from octomodel.calibration.spans import Spans
from octomodel.calibration.trace import Requests
from octomodel.cautions import offered
from octomodel.load import Load

F64 = NDArray[np.float64]
RARE = 0.01
"""Probability below which a surprise is told."""


def more_than_measured(found: Calibration, load: Load, requests: int) -> list[str]:
    """Return a sentence if a load brings more requests per cycle than were measured: times were measured at less.

    Parameters
    ----------
    found : Calibration
    load : Load
    requests : int
        How many, which decides how much of a trace is used.
    """
    rate, arrivals = offered(load, requests), found.arrivals
    if rate is None or arrivals is None:
        return []
    times = rate * found.cycles_per_unit / arrivals.rate
    # half a Poisson interval more on each side, for bursts are known less well than it says
    if times <= 1.5 * arrivals.high / arrivals.rate - 0.5:
        return []
    return [f"load: {times:.3g} times the arrivals that were measured; times and choices may be others there"]


def surprises(found: Calibration, rest: Spans | Requests) -> list[str]:
    """Return sentences on measurements that one of the same kind as those fitted would hardly show.

    Parameters
    ----------
    found : Calibration
    rest : Spans or Requests
        Measured later, in the same unit.

    Notes
    -----
    Whatever the law, the largest of n + m exchangeable values are as likely to be any of them: that the k largest are all among
    the later m has the probability m (m - 1) ... / ((n + m) (n + m - 1) ...), k factors each.
    """
    said = []
    if isinstance(rest, Spans):
        for name in rest.tasks:
            if name not in found.samples:
                said.append(f"task {name}: none among the requests fitted")
            elif np.isfinite(rest.end[rest.task == rest.tasks.index(name)]).any():
                said += _outside(f"task {name}", found.samples[name].seen, rest.sample(name).seen)
    sizes = rest.attributes
    for name, values in found.requests.attributes.items():
        said += _outside(f"attribute {name}", values, sizes[name])
    arrivals = found.arrivals
    if arrivals is not None:
        span = float(rest.arrivals[-1] - rest.arrivals[0])
        rate = (rest.arrivals.size - 1) / span if span > 0.0 else np.inf
        if not arrivals.low <= rate <= arrivals.high:
            interval = f"[{arrivals.low:.4g}, {arrivals.high:.4g}]"
            said.append(f"arrivals: {rate:.4g} per unit of time, fitted {arrivals.rate:.4g} {interval}")
    return said


def _outside(what: str, fitted: F64, later: F64) -> list[str]:
    said = []
    for beyond, end in ((later > fitted.max(), "above the largest"), (later < fitted.min(), "below the least")):
        count = int(beyond.sum())
        k = np.arange(count)
        p = float(np.exp(np.log((later.size - k) / (fitted.size + later.size - k)).sum()))
        if p < RARE:
            said.append(f"{what}: {count} of {later.size} later values {end} of {fitted.size} fitted (p = {p:.2g})")
    return said
