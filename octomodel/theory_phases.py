"""Phases of a workload: each in a steady state of its own, or all in that of their mean, and which of the two is near."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octomodel.theory_open import Steady, steady
from octomodel.theory_part import NEGLIGIBLE, Part, relied_on
from octomodel.workflow import Workflow

F64 = NDArray[np.float64]
Flags = NDArray[np.bool_]
SETTLED = 0.5
"""Share of the time in which stations have not settled, up to which each phase is taken to be in a steady state of its own."""


@dataclass(frozen=True, eq=False)
class Regime:
    """What phases make of an open load, on one assumption.

    Attributes
    ----------
    mean, var : float64[phase, case, kind]
        Latency.
    wait, utilisation, refused : float64[case, kind, tb]
        As in ``Answer``.
    ok : bool[case, kind]
        Whether the steady states can be relied on.
    late : float64[case, kind]
        Share of the time in which stations have not settled after a change of phase; 1 where that is not asked.
    error : float64[case, kind]
        Estimated share of the latency that the assumption may be wrong by; 0 for one phase.
    """

    mean: F64
    var: F64
    wait: F64
    utilisation: F64
    refused: F64
    ok: Flags
    late: F64
    error: F64


def together(mean_of_all: Part, parts: list[Part], share: F64, rate: F64, scv: F64) -> tuple[Regime, Steady]:
    """Return what comes of it when stations see the mean of all phases, and the steady state they are in then."""
    at = steady(mean_of_all.program, mean_of_all.made, mean_of_all.system, rate, scv)
    found = [part.moments(at) for part in parts]
    mean, var = (np.array([each[i] for each in found]) for i in (0, 1))
    ok = relied_on(mean_of_all, at, _shared(share, mean), scv)
    late, error = np.ones(ok.shape), np.full(ok.shape, 0.0 if len(parts) == 1 else np.inf)
    return Regime(mean, var, at.wait, at.utilisation, at.refused, ok, late, error), at


def apart(parts: list[Part], share: F64, rate: F64, scv: F64, cycles: F64) -> Regime:
    """Return what comes of it when each phase is in a steady state of its own; ``cycles``: of a stretch, [phase, case]."""
    at = [steady(part.program, part.made, part.system, rate, scv) for part in parts]
    found = [part.moments(each) for part, each in zip(parts, at, strict=True)]
    mean, var = (np.array([each[i] for each in found]) for i in (0, 1))
    ok = np.array([relied_on(part, each, m, scv) for part, each, m in zip(parts, at, mean, strict=True)])
    settling = np.array([each.settling for each in at])
    wait, utilisation, refused = (
        _shared(share, np.array([getattr(each, name) for each in at])) for name in ("wait", "utilisation", "refused")
    )
    late, error = switching(share, mean, settling, cycles[..., None])
    return Regime(mean, var, wait, utilisation, refused, np.asarray(ok.all(axis=0)), late, error)


def switching(share: F64, mean: F64, settling: F64, cycles: F64) -> tuple[F64, F64]:
    """Return for what share of the time stations have not settled after a change of phase, and by what that changes the latency.

    Parameters
    ----------
    share : float64[phase]
    mean, settling : float64[phase, ..., kind]
        Latency, and cycles in which stations forget.
    cycles : float64[phase, ...]
        Length of a stretch, broadcast against them.

    Returns
    -------
    tuple of float64[..., kind]
        1 and infinite where a phase has no steady state.
    """
    with np.errstate(invalid="ignore"):
        late = _shared(share, np.minimum((settling.max(axis=0) + mean) / cycles, 1.0))
        jump = np.where(np.isfinite(mean.max(axis=0)), mean.max(axis=0) - mean.min(axis=0), np.inf)
        error = late * jump / _shared(share, mean)
    return late, np.where(np.isnan(error), np.inf, error)


def one_of(each: Regime, mean_of_all: Regime) -> Regime:
    """Return for each case and kind the regime that is nearer, and rely on it if its error is small or both agree."""
    own = each.late < SETTLED
    first, second = each.mean.mean(axis=0), mean_of_all.mean.mean(axis=0)
    with np.errstate(invalid="ignore"):
        agree = np.isfinite(first) & np.isfinite(second) & (np.abs(first - second) <= NEGLIGIBLE * second)
    small = np.where(own, each.error, mean_of_all.error) <= NEGLIGIBLE
    wide = own[..., None]
    return Regime(
        np.where(own, each.mean, mean_of_all.mean),
        np.where(own, each.var, mean_of_all.var),
        np.where(wide, each.wait, mean_of_all.wait),
        np.where(wide, each.utilisation, mean_of_all.utilisation),
        np.where(wide, each.refused, mean_of_all.refused),
        np.where(own, each.ok, mean_of_all.ok) & (small | agree),
        np.where(own, each.late, mean_of_all.late),
        np.where(own, each.error, mean_of_all.error),
    )


def lengths(workflow: Workflow) -> F64:
    """Return the mean length of a stretch of each phase, in requests or cycles, float64[phase]."""
    plan = workflow.phases
    assert plan is not None
    return np.array([np.mean([length for name, length in plan.cycle if name == phase]) for phase in plan.names])


def _shared(share: F64, values: F64) -> F64:
    return np.asarray(np.tensordot(share, values, axes=1))
