"""Closed loads: the throughput at which a window of requests keeps each pipeline."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from octomodel.calibration.queueing import closed_network
from octomodel.theory_open import decision_cycles, most_decided, steady
from octomodel.theory_part import Part

F64 = NDArray[np.float64]
Flags = NDArray[np.bool_]
TURNS = 2
"""Of the wait for a CBU, which hardly changes the throughput that it depends on."""
SMALL = 0.02
"""Change of the throughput, by what corrects product form or by full slots, beyond which it is not to be relied on."""
STEPS = 48
"""Rates that a search tries at once, twice."""
NEARLY = 1.0 - 1e-3
"""Of what the slowest station passes: the highest rate at which an open network says how waits are shared out."""


@dataclass(frozen=True, eq=False)
class Held:
    """One phase of a closed load.

    Attributes
    ----------
    rate, most : float64[kind]
        Throughput of one pipeline, and its upper bound.
    settling : float64[kind]
        As in ``Steady``.
    wait, utilisation, refused : float64[kind, tb]
        As in ``Answer``.
    ok : bool[kind]
        Whether the throughput can be relied on.
    """

    rate: F64
    most: F64
    settling: F64
    wait: F64
    utilisation: F64
    refused: F64
    ok: Flags


def hold_window(part: Part) -> Held:
    """Return the steady state in which each pipeline always holds its window of requests.

    Notes
    -----
    Product form is exact for exponential times, in sequence. It is corrected by the factor by which general times and forks
    change the throughput at which the open network holds as many requests in the mean: the fixed-population-mean method of
    Whitt, "Open and closed models for networks of queues", AT&T Bell Laboratories Technical Journal 63 (1984). Neither passes
    the bounds: the slowest station, and all requests without waits. Relied on is what differs little from product form; with
    forks, what is near the bound of the slowest station.
    """
    program, made = part.program, part.made
    floor, limit = part.floor, slowest(part)
    most = np.minimum(limit, made.window / floor)
    exact, refused = _product_form(part)
    plain = replace(
        program,
        scv=np.ones_like(program.scv),
        turns_square=program.turns * (2.0 * program.turns - 1.0),
        chance=np.ones_like(program.chance),
    )
    markov = _mean_population(replace(part, program=plain), side_by_side=False)
    ratio = _mean_population(part) / markov
    # a request that is alone never waits
    alone = made.window == 1.0
    rate = np.where(alone, most, np.minimum(exact * ratio, most))
    change = np.abs(rate / np.where(part.ways.forks, limit, exact) - 1.0)
    if not part.ways.forks and (program.scv > 1.0).any():
        # what varies more and what varies less than exponential times must each be small, for they may cancel
        wider = replace(plain, scv=np.maximum(program.scv, 1.0))
        slower = _mean_population(replace(part, program=wider), side_by_side=False) / markov
        change = np.abs(slower - 1.0) + np.abs(rate / exact / slower - 1.0)
    near = np.minimum(rate, NEARLY * limit)
    at = steady(program, made, part.system, near, np.ones(len(near)))
    latency = part.latency(at)
    # the waits of the open network, scaled to what the window leaves
    more = np.where(latency > floor, (made.window / rate - floor) / np.where(latency > floor, latency - floor, 1.0), 0.0)
    run = program.mean / made.speed
    some = np.where(run > 0.0, run, 1.0)
    lengthened = np.where(run > 0.0, ((refused * run / made.servers) @ program.routing.T) / some, 0.0).max(axis=-1)
    return Held(
        rate,
        most,
        at.settling,
        at.wait * np.maximum(more, 0.0)[:, None],
        at.utilisation * (rate / near)[:, None],
        refused,
        alone | (change <= SMALL) & (lengthened <= SMALL),
    )


def slowest(part: Part) -> F64:
    """Return the most that the slowest station, or the CBUs, of each kind pass, float64[kind]; infinite without work."""
    demand = part.program.visits * (part.program.mean / part.made.speed + part.still.hold)
    with np.errstate(divide="ignore"):
        return np.asarray(np.minimum((part.made.servers / demand).min(axis=-1), most_decided(part.program, part.system)))


def _product_form(part: Part) -> tuple[F64, F64]:
    """Return the throughput by product form, and the probability that a token from another task finds all slots taken."""
    program, made = part.program, part.made
    run = program.mean / made.speed
    found, full = np.zeros(len(made.count)), np.zeros(run.shape)
    for _ in range(TURNS if program.decisions and part.system.decision_cycles else 1):
        for kind, decision in enumerate(decision_cycles(program, part.system, found).tolist()):
            demand = program.visits * (run[kind] + decision * program.held)
            think = part.transfers + decision * (program.decisions - float(program.held @ program.visits))
            answer = closed_network(demand, int(made.window[kind]), made.servers[kind], max(think, 0.0), made.slots)
            found[kind] = float(answer["throughput"].value)
            full[kind] = answer["p_full"].value
    fed = (program.routing - np.diag(np.diag(program.routing))).sum(axis=0) > 0.0
    return found, np.where(fed, full, 0.0)


def _mean_population(part: Part, *, side_by_side: bool = True) -> F64:
    """Return the rate at which the open network holds the window in the mean, float64[kind]."""
    limit = slowest(part)
    top = np.where(np.isfinite(limit), limit, 1.0)
    ones = np.ones(len(top))
    kinds = np.arange(len(top))
    # all steps of a search at once: first finer and finer towards saturation, then between the two that are nearest
    low, high = np.zeros(len(top)), ones
    for shares in (1.0 - np.geomspace(1.0, 1e-7, STEPS), np.linspace(0.0, 1.0, STEPS)):
        rate = low + (high - low) * shares[:, None]
        at = steady(part.program, part.made, part.system, rate * top, ones, blocking=False)
        inside = rate * top * part.latency(at, side_by_side=side_by_side)
        below = np.clip((inside < part.made.window).sum(axis=0) - 1, 0, STEPS - 2)
        low, high = rate[below, kinds], rate[below + 1, kinds]
    few, many = inside[below, kinds], inside[below + 1, kinds]
    finite = np.isfinite(many) & (many > few)
    part_way = np.where(finite, (part.made.window - few) / np.where(finite, many - few, 1.0), 0.0)
    return np.asarray((low + (high - low) * np.clip(part_way, 0.0, 1.0)) * top)
