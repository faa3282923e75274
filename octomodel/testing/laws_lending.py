"""Laws of lending: only a dispatch lends or steals, and what it sets off is counted and paid for (rules 5.3, 6)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from octomodel.kernels.model import Model
from octomodel.outcome import CAUSES, Outcome

RELOADING, SWITCHING, LENT = (CAUSES.index(name) for name in ("reloading", "switching", "lent"))


def only_a_dispatch_lends(model: Model, outcome: Outcome) -> list[str]:
    """Without a dispatch nothing is lent, spilled, stolen or prepared; without a lending no TBU runs lent."""
    cluster, cycles = outcome.cluster, outcome.tbu_cycles
    found = []
    if model.rules.dispatch is None:
        for name in ("lendings", "refusals", "asks", "steals", "switches", "reloads", "spill_max"):
            if cluster[name].any():
                found.append(f"{cluster[name].sum()} {name} without a dispatch")
        if cycles[:, [RELOADING, SWITCHING, LENT]].any():
            found.append("a TBU was prepared, or ran lent, without a dispatch")
    ran_lent = np.bincount(model.machine.tbu_cluster, cycles[:, LENT], len(cluster["lendings"]))
    for c in np.flatnonzero((cluster["lendings"] == 0) & ((ran_lent > 0) | (cluster["spill_max"] > 0))):
        found.append(f"cluster {c}: ran lent, or spilled, without a lending")
    if cluster["steals"].sum() > cluster["asks"].sum():
        found.append(f"{cluster['steals'].sum()} steals, {cluster['asks'].sum()} asked for")
    return found


def preparing_costs(model: Model, outcome: Outcome) -> list[str]:
    """A lending prepares a TBU at most twice, there and back; each switch and each reload takes its time."""
    machine, cluster = model.machine, outcome.cluster
    found = []
    n = len(cluster["lendings"])
    switching, reloading = (
        np.bincount(machine.tbu_cluster, outcome.tbu_cycles[:, cause], n).astype(np.int64)
        for cause in (SWITCHING, RELOADING)
    )
    for c in np.flatnonzero(cluster["switches"] + cluster["reloads"] > 2 * cluster["lendings"]):
        prepared = cluster["switches"][c] + cluster["reloads"][c]
        found.append(f"cluster {c}: prepared {prepared} times for {cluster['lendings'][c]} lendings")
    most = cluster["switches"] * machine.switch_cycles
    # a run that is done has nothing left to prepare for
    for c in np.flatnonzero(switching > most if outcome.status == "horizon" else switching != most):
        found.append(f"cluster {c}: {switching[c]} cycles of {cluster['switches'][c]} switches")
    least = cluster["reloads"] * machine.reload_cycles if outcome.status == "done" else 0 * reloading
    for c in np.flatnonzero((reloading < least) | ((reloading > 0) & (cluster["reloads"] == 0))):
        found.append(f"cluster {c}: {reloading[c]} cycles of {cluster['reloads'][c]} reloads")
    return found


LENDING_LAWS: tuple[Callable[[Model, Outcome], list[str]], ...] = (only_a_dispatch_lends, preparing_costs)
