"""A policy: up to three plain functions under a name, with parameters (rule 13 of ``docs/semantics.md``)."""

from __future__ import annotations

import hashlib
import inspect
import keyword
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from octomodel import checks
from octomodel.errors import ModelError, unknown
from octomodel.kernels.model import Rules
from octomodel.kernels.views import Candidates, Plan, Reports, Token, View

IDEAL = "ideal"
"""Name of the engine's comparison mode: one pool over the whole machine, nothing but work and precedence."""

_ARGUMENTS = {"dispatch": ("view", "tbu"), "route": ("view", "token", "candidates"), "rebalance": ("view", "reports", "plan")}
_PACKAGE = "octomodel.policies."
_MOST_ROWS = 1024


@dataclass(frozen=True, eq=False)
class Policy:
    """What schedules: plain functions, compiled with bounds checks when a run begins; one left out does what ``static`` does.

    Attributes
    ----------
    name : str
        How results call it; not ``"ideal"``.
    dispatch : callable, optional
        ``dispatch(view, tbu) -> int``: asked for a TBU that is idle after its own queue was served. A TB to run,
        ``NOTHING`` or ``ASK_NEIGHBOUR`` (rules 6.2 to 6.6).
    route : callable, optional
        ``route(view, token, candidates) -> int``: the cluster that a token with several candidates goes to (rule 7.3).
    rebalance : callable, optional
        ``rebalance(view, reports, plan)``: called each epoch; writes the plan by ``own``, ``load`` and ``move``, and the
        state (rules 13.5 to 13.10).
    params : mapping of str to float
        What the functions read as ``view.params.name``.
    ranges : mapping of str to (float, float), optional
        What values a parameter may have; any finite number where none is given.
    state_rows : int
        Rows of ``view.state``, which has a column for each TB and belongs to one cluster; at most 1024.
    summary : str
        One sentence.

    Raises
    ------
    ModelError
        When the name is none, a function is not callable with the right number of arguments, a parameter is no finite
        number in its range under an identifier, a range is for no parameter, or ``state_rows`` is out of range.

    See Also
    --------
    octomodel.policies.View : what a function sees.

    Examples
    --------
    An idle TBU helps with the TB of most waiting tokens, but only from a number of tokens on:

    >>> def help_long_queues(view, tbu):
    ...     best, most = NOTHING, int(view.params.tokens) - 1
    ...     for tb in range(view.n_tb):
    ...         if tb != view.tbu_home[tbu] and view.station_fresh[tb] > most:
    ...             best, most = tb, view.station_fresh[tb]
    ...     return best
    >>> from octomodel.policies import NOTHING
    >>> helpful = Policy("helpful", dispatch=help_long_queues, params={"tokens": 3})
    >>> helpful.with_(tokens=5).params["tokens"]
    5.0
    """

    name: str
    dispatch: Callable[[View, int], int] | None = None
    route: Callable[[View, Token, Candidates], int] | None = None
    rebalance: Callable[[View, Reports, Plan], None] | None = None
    params: Mapping[str, float] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict, kw_only=True)
    state_rows: int = 0
    summary: str = ""

    def __post_init__(self) -> None:
        if checks.name("policy.name", self.name) == IDEAL:
            raise ModelError("policy.name", self.name, "another name: 'ideal' is a mode of the engine")
        for name, arguments in _ARGUMENTS.items():
            object.__setattr__(self, name, _function(f"policy.{name}", getattr(self, name), arguments))
        given = checks.mapping("policy.params", self.params)
        for name in given:
            if not name.isidentifier() or name.startswith("_") or keyword.iskeyword(name):
                raise ModelError(f"policy.params.{name}", name, "a Python identifier without leading underscore")
        for name in checks.mapping("policy.ranges", self.ranges):
            if name not in given:
                raise unknown("policy.ranges", name, given)
        limits = {name: self.ranges.get(name, (-np.inf, np.inf)) for name in given}
        values = {name: checks.real(f"policy.params.{name}", value, *limits[name]) for name, value in given.items()}
        object.__setattr__(self, "params", MappingProxyType(values))
        checks.integer("policy.state_rows", self.state_rows, 0, _MOST_ROWS)

    def with_(self, **params: float) -> Policy:
        """Return the policy with other values of some parameters.

        Raises
        ------
        ModelError
            If it has no parameter of that name, or a value is no finite number.
        """
        for name in params:
            if name not in self.params:
                raise unknown("policy.params", name, self.params)
        return replace(self, params={**self.params, **params})

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "params": dict(self.params)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, params=MappingProxyType(state["params"]))

    def rules(self, **tasks: Any) -> Rules:
        """Return the policy as a run needs it, with what its functions are told of each TB (fields of ``Rules``)."""
        functions = (self.dispatch, self.route, self.rebalance)
        bundled = all((f.__module__ or "").startswith(_PACKAGE) for f in functions if f is not None)
        return Rules(
            *functions,
            names=tuple(self.params),
            values=np.array(list(self.params.values()), dtype=np.float64),
            rows=int(self.state_rows),
            sources=_sources() if bundled else "",
        )._replace(**tasks)


def _function(path: str, given: Any, arguments: tuple[str, ...]) -> Any:
    """Return a plain function, of a compiled one the Python function behind it."""
    if given is None:
        return None
    function = getattr(given, "py_func", given)
    allowed = f"a function of ({', '.join(arguments)})"
    if not inspect.isfunction(function):
        raise ModelError(path, given, allowed)
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        raise ModelError(path, f"{function.__name__}{inspect.signature(function)}", allowed) from None
    return function


@cache
def _sources() -> str:
    """Return the digest of all bundled policies."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
