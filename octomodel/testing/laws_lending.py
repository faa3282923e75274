"""Laws of lending and of plans: only a policy sets off either, and what it sets off is counted and paid for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from octomodel.kernels.model import Model
from octomodel.outcome import CAUSES, Outcome
from octomodel.testing.reference_world import cycles_for

PREPARING = ("switches", "reloads")
PLANNED = ("plan_refusals", "owner_changes", "background_loads", "hidden_reload_cycles", "wasted_reloads", "moves", "moved_bytes")
RELOADING, SWITCHING, LENT = (CAUSES.index(name) for name in ("reloading", "switching", "lent"))


def only_a_dispatch_lends(model: Model, outcome: Outcome) -> list[str]:
    """Without a dispatch nothing is lent, spilled or stolen, without a plan either nothing prepared (rules 5.3, 6, 13.7)."""
    cluster, cycles = outcome.cluster, outcome.tbu_cycles
    found = []
    if model.rules.dispatch is None:
        planned = model.rules.rebalance is not None
        for name in ("lendings", "refusals", "asks", "steals", "spill_max", *(() if planned else PREPARING)):
            if cluster[name].any():
                found.append(f"{cluster[name].sum()} {name} without a dispatch")
        if cycles[:, [LENT] if planned else [RELOADING, SWITCHING, LENT]].any():
            found.append("a TBU was prepared, or ran lent, without a dispatch")
    ran_lent = np.bincount(model.machine.tbu_cluster, cycles[:, LENT], len(cluster["lendings"]))
    for c in np.flatnonzero((cluster["lendings"] == 0) & ((ran_lent > 0) | (cluster["spill_max"] > 0))):
        found.append(f"cluster {c}: ran lent, or spilled, without a lending")
    if cluster["steals"].sum() > cluster["asks"].sum():
        found.append(f"{cluster['steals'].sum()} steals, {cluster['asks'].sum()} asked for")
    return found


def preparing_costs(model: Model, outcome: Outcome) -> list[str]:
    """A lending prepares a TBU at most twice, there and back, a change of its home once; each takes its time."""
    machine, cluster = model.machine, outcome.cluster
    found = []
    n = len(cluster["lendings"])
    switching, reloading = (
        np.bincount(machine.tbu_cluster, outcome.tbu_cycles[:, cause], n).astype(np.int64)
        for cause in (SWITCHING, RELOADING)
    )
    prepared = cluster["switches"] + cluster["reloads"]
    for c in np.flatnonzero(prepared > 2 * cluster["lendings"] + cluster["owner_changes"]):
        found.append(f"cluster {c}: prepared {prepared[c]} times for {cluster['lendings'][c]} lendings")
    most = cluster["switches"] * machine.switch_cycles
    # a run that is done has nothing left to prepare for
    for c in np.flatnonzero(switching > most if outcome.status == "horizon" else switching != most):
        found.append(f"cluster {c}: {switching[c]} cycles of {cluster['switches'][c]} switches")
    # but for the reloads of changes, which may be under way when all requests have ended
    ended = np.maximum(cluster["reloads"] - cluster["owner_changes"], 0)
    least = ended * machine.reload_cycles if outcome.status == "done" else 0 * reloading
    # a TBU reloads too while it waits for a background load of what it is to run (rule 13.8)
    sources = cluster["reloads"] + cluster["background_loads"]
    for c in np.flatnonzero((reloading < least) | ((reloading > 0) & (sources == 0))):
        found.append(f"cluster {c}: {reloading[c]} cycles of {cluster['reloads'][c]} reloads")
    return found


def only_a_plan_rebalances(model: Model, outcome: Outcome) -> list[str]:
    """Without a route none is wrong; without a rebalance nothing changes, is loaded, moved or refused (rules 13.3, 13.10)."""
    cluster, rules = outcome.cluster, model.rules
    found = []
    allowed = {"misroutes": rules.route is not None, **dict.fromkeys(PLANNED, rules.rebalance is not None)}
    if not model.machine.background_load:
        allowed |= {"background_loads": False, "hidden_reload_cycles": False}
    for name, may_be in allowed.items():
        if not may_be and cluster[name].any():
            found.append(f"{cluster[name].sum()} {name} in a run that has none")
    return found


def plans_are_paid_for(model: Model, outcome: Outcome) -> list[str]:
    """Background loads take the port as long as their configurations do; tokens are moved over links (rules 13.8, 13.9)."""
    machine, program, cluster, link = model.machine, model.program, outcome.cluster, outcome.link
    found = []
    rate = (machine.reload_rate_bytes, machine.reload_rate_cycles)
    lengths = [machine.reload_cycles + cycles_for(size, rate) for size in program.config_bytes.tolist()]
    loads, hidden = cluster["background_loads"], cluster["hidden_reload_cycles"]
    for c in np.flatnonzero((hidden < loads * min(lengths)) | (hidden > loads * max(lengths))):
        found.append(f"cluster {c}: {hidden[c]} cycles of {loads[c]} background loads")
    wasted = cluster["wasted_reloads"]
    for c in np.flatnonzero(wasted > loads + np.minimum(cluster["reloads"], cluster["owner_changes"])):
        found.append(f"cluster {c}: {wasted[c]} reloads wasted, {loads[c]} loads and {cluster['owner_changes'][c]} changes")
    for c in np.flatnonzero((cluster["moves"] == 0) & (cluster["moved_bytes"] != 0)):
        found.append(f"cluster {c}: bytes of no tokens moved")
    # when all requests have ended no token is on its way to a link any more
    for name, counted in (("moves", "messages"), ("moved_bytes", "bytes")) if outcome.status == "done" else ():
        sent = link[counted].reshape(-1, 4).sum(axis=1)
        for c in np.flatnonzero(cluster[name] > sent):
            found.append(f"cluster {c}: {cluster[name][c]} {name}, {sent[c]} {counted} over its links")
    return found


LENDING_LAWS: tuple[Callable[[Model, Outcome], list[str]], ...] = (
    only_a_dispatch_lends,
    preparing_costs,
    only_a_plan_rebalances,
    plans_are_paid_for,
)
