"""Open loads: each pipeline as a network of stations with general times, analysed by two moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octomodel.calibration.queueing import gigc
from octomodel.calibration.queueing.analyser import variability
from octomodel.hardware import System
from octomodel.theory_machine import Pipelines, transfer
from octomodel.theory_program import Profile

F64 = NDArray[np.float64]
FULL = 1.0 - 1e-9
"""Ratio at which a queue falls off, short of one that never does."""


@dataclass(frozen=True, eq=False)
class Steady:
    """The steady state of stations, before times are put together along the program; [..., kind, tb] unless said otherwise.

    Attributes
    ----------
    wait, wait_var : float64
        Wait of one execution: mean, and variance.
    hold : float64
        Cycles for which a TBU holds what it finished until control has decided.
    utilisation : float64
        Share of the owners' time that they run.
    refused : float64
        Probability that a token from another task finds all slots taken.
    slowed : float64
        Estimate of the wait if waits for slots at what comes next lengthened each execution; infinite where there would be no
        steady state.
    decision : float64[..., kind]
        Cycles of one decision, with the wait for a CBU.
    inside, inside_var : float64[..., kind]
        Requests inside: mean, and variance.
    settling : float64[..., kind]
        Cycles in which the slowest station forgets a change, of the order of the relaxation time; infinite without steady state.
    stable : bool[..., kind]
        Whether all stations, and the CBUs, keep up.
    """

    wait: F64
    wait_var: F64
    hold: F64
    utilisation: F64
    refused: F64
    slowed: F64
    decision: F64
    inside: F64
    inside_var: F64
    settling: F64
    stable: NDArray[np.bool_]


def steady(program: Profile, made: Pipelines, system: System, rate: F64, scv: F64, *, blocking: bool = True) -> Steady:
    """Return the steady state under arrivals of given rate and variability.

    Parameters
    ----------
    program : Profile
    made : Pipelines
    system : System
    rate : float64[..., kind]
        Requests per cycle for one pipeline of the kind.
    scv : float64[kind]
        Squared coefficient of variation of the gaps between them.
    blocking : bool
        Whether to estimate ``slowed``, which is ``wait`` else.

    Notes
    -----
    Whitt, "The queueing network analyzer", Bell System Technical Journal 62 (1983). A token that comes straight back is served
    on at once (recirculation goes first), so its turns are one long service, with the variance of their true number. CBUs are
    M/D/c. Relaxation time of a single server: Cohen, The Single Server Queue (1982), section II.2.1.
    """
    turns = program.turns
    decision = decision_cycles(program, system, rate)
    hold = decision[..., None] * program.held
    run = program.mean / made.speed
    time = run + hold
    served = time > 0.0
    scv_time = program.scv * (run / np.where(served, time, 1.0)) ** 2
    wide = (turns * scv_time + program.turns_square - turns**2) / turns**2
    entries = rate[..., None] * program.visits / turns
    moved = program.routing * turns[:, None]
    np.fill_diagonal(moved, 0.0)
    outside = rate[..., None] * program.entry
    long = time * turns
    thinned = scv[:, None] * program.entry + 1.0 - program.entry
    gaps = variability(outside, thinned, moved, entries, long, wide, made.servers, program.chance)
    found = gigc(np.where(served, entries, 0.0), gaps, np.where(served, long, 1.0), wide, made.servers)
    wait, p_wait = found["wait_mean"].value, found["p_wait"].value
    stable = entries * long < made.servers
    finite = np.where(stable, wait, 0.0)
    queue = entries * finite
    load = entries * long / made.servers
    # those who wait do so no longer than in heavy traffic: far from it their small number is known worse than their waits
    with np.errstate(divide="ignore"):
        longest = np.maximum(1.0, (gaps + wide) / 2.0) * long / made.servers / (1.0 - np.minimum(load, 1.0))
    waiting = np.maximum(p_wait, np.where(longest > 0.0, finite / np.where(longest > 0.0, longest, 1.0), 0.0))
    wait_var = np.where(stable, np.minimum(found["wait_var"].value, 2.0 * np.where(stable, longest, 0.0) * finite), np.inf)
    # beyond the servers the number falls off geometrically, exactly so for exponential times
    ratio = np.where(waiting > 0.0, queue / np.where(waiting > 0.0, queue + waiting, 1.0), 0.0)
    fed = moved.sum(axis=0) > 0.0
    room = np.maximum(made.slots - entries * transfer(system, 0.0), 0.0)
    refused = np.where(fed, np.where(stable, waiting * ratio**room, 1.0), 0.0)
    slowed = wait / turns
    if blocking:
        # until the next of those served ends, and as often again as others wait for the slot
        rest = refused * time * (1.0 + wide) / 2.0 / made.servers / (1.0 - np.minimum(ratio, FULL))
        longer = np.where(served, long + (rest @ program.routing.T) * turns, 1.0)
        slowed = gigc(np.where(served, entries, 0.0), gaps, longer, wide, made.servers)["wait_mean"].value / turns
    queue_var = queue * ((1.0 + ratio) / np.where(ratio < 1.0, 1.0 - ratio, 1.0) - queue)
    with np.errstate(divide="ignore"):
        forgets = np.where(served, np.maximum(long, long / made.servers / (1.0 - np.sqrt(np.minimum(load, 1.0))) ** 2), 0.0)
    busy = rate[..., None] * program.visits * time
    return Steady(
        wait / turns,
        wait_var / turns,
        hold,
        np.minimum(rate[..., None] * program.visits * run / made.servers, 1.0),
        refused,
        slowed,
        decision,
        (queue + busy).sum(axis=-1),
        (queue_var + busy).sum(axis=-1),
        forgets.max(axis=-1),
        np.asarray(stable.all(axis=-1) & (rate < most_decided(program, system))),
    )


def decision_cycles(program: Profile, system: System, rate: F64) -> F64:
    """Return the cycles of one decision, with the wait for a CBU while the CBUs keep up."""
    if not system.decision_cycles or not program.decisions:
        return np.zeros(rate.shape)
    cycles = float(system.decision_cycles)
    wait = gigc(rate * program.decisions, 1.0, cycles, 0.0, system.cbus)["wait_mean"].value
    return np.where(rate < most_decided(program, system), wait, 0.0) + cycles


def most_decided(program: Profile, system: System) -> float:
    """Return the requests per cycle for which the CBUs of a cluster can decide."""
    load = system.decision_cycles * program.decisions
    return system.cbus / load if load > 0.0 else np.inf
