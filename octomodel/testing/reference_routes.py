"""The reference's choice of a cluster: by a policy, or the nearest (rule 7.3)."""

from __future__ import annotations

from fractions import Fraction

from octomodel.kernels.views import Candidates, Token
from octomodel.policies import POLICIES
from octomodel.testing.reference_reports import as_known
from octomodel.testing.reference_state import Cluster, Request
from octomodel.testing.reference_views import ask, column, view
from octomodel.testing.reference_world import World


def route(world: World, cluster: Cluster, request: Request, task: int, payload: int) -> int:
    """Return the cluster in which a token of a request, now in a cluster, will run a TB (rules 7.3 and 13.3)."""
    candidates = world.pipelines[request.pipeline].candidates[task]
    if len(candidates) == 1:
        return candidates[0]
    hops = world.hops[cluster.index]
    known = {c: as_known(world, cluster, c, task) for c in candidates}
    if world.rules.route is POLICIES["jsq"].route:
        return min(candidates, key=lambda c: (Fraction(known[c].present, known[c].owners), hops[c], c))
    if world.rules.route is not None:
        described = Candidates(
            cluster=column(candidates),
            hops=column([hops[c] for c in candidates]),
            free=column([known[c].free for c in candidates]),
            present=column([known[c].present for c in candidates]),
            owners=column([known[c].owners for c in candidates]),
        )
        answer = int(ask(world, cluster, world.rules.route, view(world, cluster), Token(task, payload), described))
        if answer in candidates:
            return answer
        cluster.misroutes += 1
    return min(candidates, key=lambda c: (hops[c], -known[c].free, c))
