"""``static``: what the mapping decided stays, and nothing is asked."""

from __future__ import annotations

from octomodel.policies.policy import Policy

STATIC = Policy("static", summary="every TBU runs its home TB only")
