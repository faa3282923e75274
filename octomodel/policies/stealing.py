"""``stealing``: an idle TBU takes work wherever it waits, at full switch or reload cost (rule 6.7)."""

from __future__ import annotations

from octomodel.kernels.views import ASK_NEIGHBOUR, View
from octomodel.policies.policy import Policy


def longest_queue(view: View, tbu: int) -> int:
    """Return the TB, other than the TBU's own, with the most waiting tokens; ask a neighbour when none waits."""
    best = ASK_NEIGHBOUR
    most = 0
    for tb in range(view.n_tb):
        waiting = view.station_fresh[tb] + view.station_recirculated[tb]
        if tb != view.tbu_home[tbu] and waiting > most:
            most = waiting
            best = tb
    return best


STEALING = Policy(
    "stealing",
    dispatch=longest_queue,
    summary="an idle TBU takes the oldest token of the longest queue in its cluster, or asks a neighbour",
)
