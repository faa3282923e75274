"""The bundled policies: what an idle TBU does, and where a token with a choice goes."""

from __future__ import annotations

from dataclasses import dataclass

from octomodel.errors import unknown
from octomodel.kernels.model import DISPATCH_OWN, DISPATCH_STEAL, ROUTE_NEAREST, ROUTE_SHORTEST

IDEAL = "ideal"
"""Name of the engine's comparison mode: one pool over the whole machine, nothing but work and precedence."""


@dataclass(frozen=True)
class Policy:
    """A scheduling policy of the kernel.

    Attributes
    ----------
    name : str
        How results call it.
    dispatch : int
        What an idle TBU is told, a code of ``octomodel.kernels.model`` (rule 6 of ``docs/semantics.md``).
    route : int
        How a cluster is chosen among several, a code as above (rule 7.3).
    summary : str
        One sentence.
    """

    name: str
    dispatch: int
    route: int
    summary: str


POLICIES = {
    policy.name: policy
    for policy in (
        Policy("static", DISPATCH_OWN, ROUTE_NEAREST, "every TBU runs its home TB only"),
        Policy(
            "stealing",
            DISPATCH_STEAL,
            ROUTE_NEAREST,
            "an idle TBU takes the oldest token of the longest queue in its cluster, or asks a neighbour",
        ),
        Policy("jsq", DISPATCH_OWN, ROUTE_SHORTEST, "a token goes where, as last reported, the fewest are per owner"),
    )
}


def named(policy: str | Policy) -> Policy:
    """Return a policy by name.

    Raises
    ------
    ModelError
        If no policy has this name.

    Examples
    --------
    >>> named("jsq").summary
    'a token goes where, as last reported, the fewest are per owner'
    """
    if isinstance(policy, Policy):
        return policy
    if policy not in POLICIES:
        raise unknown("policy", policy, [*POLICIES, IDEAL])
    return POLICIES[policy]
