"""The bundled policies: what an idle TBU does, and where a token with a choice goes."""

from __future__ import annotations

from dataclasses import dataclass

from octomodel import checks
from octomodel.errors import ModelError, unknown
from octomodel.kernels.model import DISPATCH_OWN, DISPATCH_STEAL, ROUTE_NEAREST, ROUTE_SHORTEST

IDEAL = "ideal"
"""Name of the engine's comparison mode: one pool over the whole machine, nothing but work and precedence."""

MISSING = -1
_CODES = {
    "dispatch": {DISPATCH_OWN: "own task only", DISPATCH_STEAL: "stealing"},
    "route": {ROUTE_NEAREST: "fewest hops", ROUTE_SHORTEST: "shortest queue"},
}


@dataclass(frozen=True)
class Policy:
    """A pair of rules of the kernel under a name; rules of your own cannot be given.

    Attributes
    ----------
    name : str
        How results call it; not ``"ideal"``.
    dispatch : int
        What an idle TBU is told, a code of ``octomodel.kernels.model`` (rule 6 of ``docs/semantics.md``).
    route : int
        How a cluster is chosen among several, a code as above (rule 7.3).
    summary : str
        One sentence.

    Raises
    ------
    ModelError
        When the name is none, or a code is missing or unknown.

    Examples
    --------
    >>> Policy("both", DISPATCH_STEAL, ROUTE_SHORTEST).route == POLICIES["jsq"].route
    True
    """

    name: str
    dispatch: int = MISSING
    route: int = MISSING
    summary: str = ""

    def __post_init__(self) -> None:
        if checks.name("policy.name", self.name) == IDEAL:
            raise ModelError("policy.name", self.name, "another name: 'ideal' is a mode of the engine")
        for field, codes in _CODES.items():
            code = getattr(self, field)
            if isinstance(code, bool) or not isinstance(code, int) or code not in codes:
                words = ", ".join(f"{number} ({what})" for number, what in codes.items())
                raise ModelError(f"policy.{field}", None if code is MISSING else code, f"a rule of the kernel: {words}")


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
    if not isinstance(policy, str):
        raise ModelError("policy", policy, f"one of {', '.join(sorted([*POLICIES, IDEAL]))}, or a Policy")
    if policy not in POLICIES:
        raise unknown("policy", policy, [*POLICIES, IDEAL])
    return POLICIES[policy]
