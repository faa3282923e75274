"""Policies: what an idle TBU does, where a token with a choice goes, and what is rebalanced each epoch."""

from __future__ import annotations

from octomodel.errors import ModelError, unknown
from octomodel.kernels.views import (
    ASK_NEIGHBOUR,
    IDLE,
    LENT,
    NOTHING,
    RUNNING,
    Candidates,
    Plan,
    Reports,
    Token,
    View,
    load,
    move,
    own,
)
from octomodel.policies.jsq import JSQ
from octomodel.policies.octopus import OCTOPUS
from octomodel.policies.policy import IDEAL, Policy
from octomodel.policies.reactive import REACTIVE, REACTIVE_ANY
from octomodel.policies.static import STATIC
from octomodel.policies.stealing import STEALING

__all__ = [
    "ASK_NEIGHBOUR",
    "IDEAL",
    "IDLE",
    "LENT",
    "NOTHING",
    "POLICIES",
    "RUNNING",
    "Candidates",
    "Plan",
    "Policy",
    "Reports",
    "Token",
    "View",
    "load",
    "move",
    "named",
    "own",
]

POLICIES = {policy.name: policy for policy in (STATIC, REACTIVE, REACTIVE_ANY, STEALING, JSQ, OCTOPUS)}
"""The bundled policies by name."""


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
    if policy == IDEAL:
        raise ModelError("policy", policy, f"one of {', '.join(sorted(POLICIES))}: 'ideal' is a mode of the engine, no policy")
    if policy not in POLICIES:
        raise unknown("policy", policy, [*POLICIES, IDEAL])
    return POLICIES[policy]
