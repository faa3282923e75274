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
    error : float64[case, kind]
        Estimated share of the latency that the assumption may be wrong by.
    """

    mean: F64
    var: F64
    wait: F64
    utilisation: F64
    refused: F64
    ok: Flags
    error: F64


def together(mean_of_all: Part, parts: list[Part], share: F64, rate: F64, scv: F64) -> tuple[Regime, Steady]:
    """Return what comes of it when stations see the mean of all phases, and the steady state they are in then."""
    at = steady(mean_of_all.program, mean_of_all.made, mean_of_all.system, rate, scv)
    found = [part.moments(at) for part in parts]
    mean, var = (np.array([each[i] for each in found]) for i in (0, 1))
    ok = relied_on(mean_of_all, at, _shared(share, mean), scv)
    error = np.where(at.stable, 0.0 if len(parts) == 1 else np.inf, np.inf)
    return Regime(mean, var, at.wait, at.utilisation, at.refused, ok, error), at


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
    return Regime(mean, var, wait, utilisation, refused, np.asarray(ok.all(axis=0)), switching(share, mean, settling, cycles[..., None]))


def switching(share: F64, mean: F64, settling: F64, cycles: F64) -> F64:
    """Return by what share the latency may be wrong for the time that stations take to settle after a change of phase.

    Parameters
    ----------
    share : float64[phase]
    mean, settling : float64[phase, ..., kind]
        Latency, and cycles in which stations forget.
    cycles : float64[phase, ...]
        Length of a stretch, broadcast against them.

    Returns
    -------
    float64[..., kind]
        Infinite where a phase has no steady state.
    """
    with np.errstate(invalid="ignore"):
        late = np.minimum((settling.max(axis=0) + mean) / cycles, 1.0)
        jump = np.where(np.isfinite(mean.max(axis=0)), mean.max(axis=0) - mean.min(axis=0), np.inf)
        found = _shared(share, late) * jump / _shared(share, mean)
    return np.where(np.isnan(found), np.inf, found)


def one_of(each: Regime, mean_of_all: Regime) -> Regime:
    """Return for each case and kind the regime that is nearer, and rely on it if its error is small or both agree."""
    finite = np.isfinite(each.error)
    own = finite & (each.error < 1.0)
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
        np.where(own, each.error, mean_of_all.error),
    )


def lengths(workflow: Workflow) -> F64:
    """Return the mean length of a stretch of each phase, in requests or cycles, float64[phase]."""
    plan = workflow.phases
    assert plan is not None
    return np.array([np.mean([length for name, length in plan.cycle if name == phase]) for phase in plan.names])


def _shared(share: F64, values: F64) -> F64:
    return np.asarray(np.tensordot(share, values, axes=1))
