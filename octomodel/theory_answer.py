"""The answer of theory to a load: the steady states of its phases put together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from octomodel.errors import ModelError, Words
from octomodel.hardware import System
from octomodel.load import Load
from octomodel.theory_closed import hold_window, slowest
from octomodel.theory_machine import Pipelines, arrivals, split_scv
from octomodel.theory_part import NEGLIGIBLE, Part, window_free
from octomodel.theory_phases import apart, lengths, one_of, switching, together
from octomodel.theory_program import mixed
from octomodel.workflow import Workflow

F64 = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Answer:
    """What theory says of configurations that differ in their rate; requests come in parts, each with a latency of its own.

    Attributes
    ----------
    throughput : float64[case]
        Requests per cycle, all pipelines together.
    most : float64[case]
        Upper bound of it.
    share : float64[case, part]
        Of the requests.
    mean, var, floor : float64[case, part]
        Latency: mean, variance, and the mean without any wait.
    wait, utilisation, refused : float64[case, kind, tb]
        Wait of an execution; share of the owners' time that they run; probability that a pushed token finds no slot.
    throughput_ok, latency_ok : bool[case]
        Whether what was assumed holds.
    """

    throughput: F64
    most: F64
    share: F64
    mean: F64
    var: F64
    floor: F64
    wait: F64
    utilisation: F64
    refused: F64
    throughput_ok: Flags
    latency_ok: Flags




def answer_open(workflow: Workflow, system: System, made: Pipelines, load: Load, rates: F64) -> Answer:
    """Return the answer to arrivals at each of some rates.

    Parameters
    ----------
    workflow, system, made
        What runs where.
    load : Load
        Its gaps are scaled to the rates.
    rates : float64[case]
        Requests per cycle on the whole machine.

    Returns
    -------
    Answer

    Raises
    ------
    ModelError
        When theory has no answer for the kind of load, or to a time without a variance.
    """
    came = arrivals(load)
    scv = split_scv(came.scv, load, made)
    rate = rates[:, None] * made.share
    parts, share = _parts(workflow, system, made)
    mean_of_all = replace(parts[0], program=mixed(workflow))
    regime, at = together(mean_of_all, parts, share, rate, scv)
    if len(parts) > 1:
        cycles = lengths(workflow)[:, None] / (1.0 if workflow.phases is not None and workflow.phases.by == "time" else rates)
        regime = one_of(apart(parts, share, rate, scv, cycles), regime)
    most = np.broadcast_to(slowest(mean_of_all), rate.shape)
    kinds = made.count * made.share
    # what arrives where it can be served goes on being served, also beside an overloaded pipeline
    passed = (made.count * np.minimum(rate, most)).sum(axis=-1)
    return Answer(
        passed,
        passed,
        np.broadcast_to((share[:, None] * kinds).ravel(), (len(rates), share.size * kinds.size)),
        _by_part(regime.mean),
        _by_part(regime.var),
        np.broadcast_to(_floors(parts).ravel(), (len(rates), share.size * kinds.size)),
        regime.wait,
        regime.utilisation,
        regime.refused,
        ((at.stable & window_free(mean_of_all, at)) | (kinds == 0.0)).all(axis=-1),
        (regime.ok | (kinds == 0.0)).all(axis=-1) & came.independent,
    )


def answer_closed(workflow: Workflow, system: System, made: Pipelines) -> Answer:
    """Return the answer to a closed load, while no pipeline has run out of requests: one case, without variances.

    Parameters
    ----------
    workflow, system, made
        What runs where.

    Returns
    -------
    Answer

    Raises
    ------
    ModelError
        When phases follow the time of arrival, or a time has no variance.
    """
    plan = workflow.phases
    if plan is not None and plan.by == "time" and len(plan.names) > 1:
        raise ModelError("workflow.phases", Words("phases by time under a closed load"), "phases_by_request, or an open load")
    parts, share = _parts(workflow, system, made)
    held = [hold_window(part) for part in parts]
    # requests come in fixed shares, so what a phase takes of the time is what its requests take
    time = share[:, None] / np.array([each.rate for each in held])
    through = 1.0 / time.sum(axis=0)
    spent = (time * through)[..., None]
    used = made.count * (made.share > 0.0)
    total = float((used * through).sum())
    mean = made.window * time / share[:, None]
    ok = np.array([each.ok for each in held]).all(axis=0)
    if len(parts) > 1:
        settling = np.array([each.settling for each in held])
        ok &= switching(share, mean, settling, lengths(workflow)[:, None] / total)[1] <= NEGLIGIBLE
    flag = np.array([bool((ok | (used == 0.0)).all())])
    wait, utilisation, refused = (
        (spent * np.array([getattr(each, name) for each in held])).sum(axis=0)[None]
        for name in ("wait", "utilisation", "refused")
    )
    most = 1.0 / (share[:, None] / np.array([each.most for each in held])).sum(axis=0)
    return Answer(
        np.array([total]),
        np.array([float((used * most).sum())]),
        (share[:, None] * (used * through / total)).reshape(1, -1),
        mean.reshape(1, -1),
        np.full((1, mean.size), np.nan),
        _floors(parts).reshape(1, -1),
        wait,
        utilisation,
        refused,
        flag,
        flag,
    )


def _parts(workflow: Workflow, system: System, made: Pipelines) -> tuple[list[Part], F64]:
    """Return each phase on the machine, and its share of the requests."""
    plan = workflow.phases
    names = (None,) if plan is None else plan.names
    shares = np.ones(1) if plan is None else np.array(plan.shares)
    return [Part.of(workflow, name, made, system) for name in names], shares


def _floors(parts: list[Part]) -> F64:
    """Return the mean latencies without any wait, float64[phase, kind]."""
    return np.array([part.floor for part in parts])


def _by_part(values: F64) -> F64:
    """Return [phase, case, kind] as [case, part]."""
    return np.moveaxis(values, 0, 1).reshape(values.shape[1], -1)
