"""``jsq``: a token with a choice joins the shortest queue, as last reported (rule 7.3)."""

from __future__ import annotations

from octomodel.kernels.views import Candidates, Token, View
from octomodel.policies.policy import Policy


def shortest_queue(view: View, token: Token, candidates: Candidates) -> int:
    """Return the cluster with the fewest tokens present per owner, then the one fewest hops away."""
    best = 0
    for i in range(1, len(candidates.cluster)):
        left = candidates.present[i] * candidates.owners[best]
        right = candidates.present[best] * candidates.owners[i]
        if left < right or (left == right and candidates.hops[i] < candidates.hops[best]):
            best = i
    return int(candidates.cluster[best])


JSQ = Policy(
    "jsq", route=shortest_queue, summary="a token goes where, as last reported, the fewest are per owner"
)
