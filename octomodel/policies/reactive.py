"""``reactive`` and ``reactive_any``: rebalance once an imbalance has passed a threshold (section 14 of the rules).

The baselines that the paper complains of. They wait for the imbalance, hand out idle TBUs without telling short idleness
from long, and move tokens at once; ``reactive_any`` also lends any idle TBU to the longest queue.
"""

from __future__ import annotations

from octomodel.kernels.views import IDLE, NOTHING, Plan, Reports, View, move, own
from octomodel.policies.policy import Policy


def rebalance(view: View, reports: Reports, plan: Plan) -> None:
    """Give the station with most backlog the idle TBUs of those below the mean, and half its excess to a neighbour."""
    worst = -1
    most = 0.0
    total = 0.0
    stations = 0
    for tb in range(view.n_tb):
        if view.station_owners[tb] > 0:
            waiting = view.station_fresh[tb] + view.station_recirculated[tb]
            backlog = waiting * view.task_cycles[tb] / view.station_owners[tb]
            total += backlog
            stations += 1
            if backlog > most:
                most = backlog
                worst = tb
    if worst < 0:
        return
    mean = total / stations
    if most <= view.params.threshold * mean:
        return
    for tb in range(view.n_tb):
        if view.station_owners[tb] > 0 and tb != worst:
            waiting = view.station_fresh[tb] + view.station_recirculated[tb]
            if waiting * view.task_cycles[tb] / view.station_owners[tb] < mean:
                staying = 0
                for tbu in range(view.n_tbu):
                    if view.tbu_home[tbu] == tb and view.tbu_next[tbu] < 0:
                        staying += 1
                for tbu in range(view.n_tbu):
                    if staying > 1 and view.tbu_home[tbu] == tb and view.tbu_next[tbu] < 0 and view.tbu_state[tbu] == IDLE:
                        own(plan, tbu, worst)
                        staying -= 1
    excess = (most - mean) * view.station_owners[worst] / view.task_cycles[worst]
    tokens = min(int(excess / 2), view.station_fresh[worst])
    least = -1
    for port in range(len(reports.cluster)):
        if reports.cluster[port] >= 0 and reports.owners[port, worst] > 0:
            if least < 0 or reports.backlog[port, worst] < reports.backlog[least, worst]:
                least = port
    if tokens > 0 and least >= 0 and reports.backlog[least, worst] < view.station_fresh[worst]:
        move(plan, worst, least, tokens)


def any_queue(view: View, tbu: int) -> int:
    """Return the TB, other than the TBU's own, with the most waiting tokens."""
    best, most = NOTHING, 0
    for tb in range(view.n_tb):
        waiting = view.station_fresh[tb] + view.station_recirculated[tb]
        if tb != view.tbu_home[tbu] and waiting > most:
            best, most = tb, waiting
    return best


REACTIVE = Policy(
    "reactive",
    rebalance=rebalance,
    params={"threshold": 1.5},
    ranges={"threshold": (1, 1e6)},
    summary="idle TBUs and tokens go where the backlog has passed a threshold",
)

REACTIVE_ANY = Policy(
    "reactive_any",
    dispatch=any_queue,
    rebalance=rebalance,
    params={"threshold": 1.5},
    ranges={"threshold": (1, 1e6)},
    summary="as reactive, and an idle TBU also lends itself to the longest queue of its cluster",
)
