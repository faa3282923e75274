"""The reference's own ``reactive``, written from rule 14.1."""

from __future__ import annotations

from typing import Any

from octomodel.kernels.views import IDLE, Plan, Reports, View, move, own


def reactive(view: View, reports: Reports, plan: Plan) -> None:
    """Write what rule 14.1 wants done."""
    here = [tb for tb, owners in enumerate(view.station_owners.tolist()) if owners > 0]
    backlog = {tb: _waiting(view, tb) * float(view.task_cycles[tb]) / int(view.station_owners[tb]) for tb in here}
    most = max(backlog.values(), default=0.0)
    if most == 0:
        return
    worst = min(tb for tb in here if backlog[tb] == most)
    mean = sum(backlog.values()) / len(here)
    if most <= view.params.threshold * mean:
        return
    for tb in here:
        if tb != worst and backlog[tb] < mean:
            mine = [u for u in range(view.n_tbu) if view.tbu_home[u] == tb and view.tbu_next[u] < 0]
            idle = [u for u in mine if view.tbu_state[u] == IDLE]
            for u in idle[: len(mine) - 1]:
                own(plan, u, worst)
    fresh = int(view.station_fresh[worst])
    tokens = min(int((most - mean) * int(view.station_owners[worst]) / float(view.task_cycles[worst]) / 2), fresh)
    told = [(int(reports.backlog[port, worst]), port) for port in range(4) if _hosts(reports, port, worst)]
    if tokens >= 1 and told and min(told)[0] < fresh:
        move(plan, worst, min(told)[1], tokens)


def _waiting(view: View, tb: int) -> int:
    return int(view.station_fresh[tb] + view.station_recirculated[tb])


def _hosts(reports: Reports, port: int, tb: int) -> Any:
    return reports.cluster[port] >= 0 and reports.owners[port, tb] > 0
