"""The reference's ``reactive``: written from rule 14.1 alone, without sight of the policy."""

from __future__ import annotations

import math

from octomodel.kernels.views import IDLE, Plan, Reports, View, move, own


def reactive(view: View, reports: Reports, plan: Plan) -> None:
    """Give the TB of most backlog idle owners of others, and send some of its tokens to a neighbour (rule 14.1)."""
    tbs = [tb for tb in range(view.n_tb) if view.station_owners[tb] > 0]
    backlog = {tb: _waiting(view, tb) * float(view.task_cycles[tb]) / int(view.station_owners[tb]) for tb in tbs}
    if not any(backlog.values()):
        return
    worst = max(tbs, key=lambda tb: backlog[tb])  # the first of equals
    mean = sum(backlog.values(), 0.0) / len(tbs)
    if backlog[worst] <= view.params.threshold * mean:
        return
    for tb in tbs:
        if tb != worst and backlog[tb] < mean:
            _give(view, plan, tb, worst)
    _send(view, reports, plan, worst, backlog[worst] - mean)


def _waiting(view: View, tb: int) -> int:
    return int(view.station_fresh[tb]) + int(view.station_recirculated[tb])


def _give(view: View, plan: Plan, tb: int, worst: int) -> None:
    """Let idle owners of a TB own the worst, all but the last that stays."""
    staying = [u for u in range(view.n_tbu) if view.tbu_home[u] == tb and view.tbu_next[u] < 0]
    idle = [u for u in staying if view.tbu_state[u] == IDLE]
    for u in idle[: len(staying) - 1]:
        own(plan, u, worst)


def _send(view: View, reports: Reports, plan: Plan, worst: int, above: float) -> None:
    """Send half of what the worst has above the mean to the neighbour that has least of it."""
    fresh = int(view.station_fresh[worst])
    tokens = math.floor(above * int(view.station_owners[worst]) / float(view.task_cycles[worst]) / 2)
    ports = [port for port in range(4) if reports.owners[port, worst] > 0]
    if ports:
        to = min(ports, key=lambda port: int(reports.backlog[port, worst]))  # the first of equals
        tokens = min(tokens, fresh)
        if tokens >= 1 and reports.backlog[to, worst] < fresh:
            move(plan, worst, to, tokens)
