"""Closed and mixed networks of several classes: exact mean value analysis and its approximations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

import numpy as np
from numpy.typing import ArrayLike

from .answers import F64, Answer, Exactness, Method, TheoryError, checked, counted

ROUNDS = 100
MOST_POPULATIONS = 500_000
"""Most population vectors that the exact recursion visits."""


def exact_mva(demand: ArrayLike, population: Sequence[int], delays: ArrayLike = False, think: ArrayLike = 0.0) -> Answer:
    """Return the steady state of a closed product-form network of several classes.

    Parameters
    ----------
    demand : array_like of float, class x station
        Visits times mean service, >= 0.
    population : sequence of int, class
        >= 0, with a sum above 0.
    delays : array_like of bool, station
        Which stations are delays; the others have one server.
    think : array_like of float, class
        Mean time of a delay that is not counted in the response, >= 0.

    Returns
    -------
    dict of str to Value
        By class ``throughput`` and ``response_mean``; by class and station ``number_mean`` and ``residence_mean``.

    Raises
    ------
    TheoryError
        When a parameter is out of range, or there are more than 500,000 population vectors.

    Notes
    -----
    Reiser and Lavenberg, "Mean-value analysis of closed multichain queuing networks", J. ACM 27 (1980). Exact for classes with
    one exponential time at a station first come, first served, or any times under processor sharing.

    Examples
    --------
    >>> exact_mva([[1, 3], [2, 4]], [1, 1])["throughput"].value.round(6)
    array([0.157895, 0.105263])
    """
    d, n, delay, z = _checked("exact_mva", demand, population, delays, think)
    if prod(each + 1 for each in n) > MOST_POPULATIONS:
        raise TheoryError("exact_mva.population", n, f"at most {MOST_POPULATIONS} population vectors: use linearizer")
    queues = {(0,) * len(n): np.zeros(d.shape[1])}
    by_class = np.zeros(d.shape)
    through, residence = np.zeros(len(n)), np.zeros(d.shape)
    for vector in product(*(range(each + 1) for each in n)):
        if not any(vector):
            continue
        through = np.zeros(len(n))
        by_class = np.zeros(d.shape)
        for r, jobs in enumerate(vector):
            if jobs:
                found = queues[(*vector[:r], jobs - 1, *vector[r + 1 :])]
                residence[r] = d[r] * np.where(delay, 1.0, 1.0 + found)
                through[r] = jobs / (z[r] + residence[r].sum())
                by_class[r] = through[r] * residence[r]
        queues[vector] = by_class.sum(axis=0)
    return _answer("exact mean value analysis", "exact", d, n, z, through, residence)


def bard_schweitzer(demand: ArrayLike, population: Sequence[int], delays: ArrayLike = False, think: ArrayLike = 0.0) -> Answer:
    """Return what :func:`exact_mva` does, approximately, at a cost that does not depend on the populations.

    Parameters
    ----------
    demand, population, delays, think
        As in :func:`exact_mva`.

    Returns
    -------
    dict of str to Value
        As of :func:`exact_mva`.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Schweitzer 1979; Bard, "Some extensions to multiclass queueing network analysis" (1979): an arrival of a class of n jobs finds
    (n - 1) / n of the jobs of its own class.

    Examples
    --------
    >>> float(bard_schweitzer([[2.0, 3.0, 1.0]], [20], think=[4.0])["throughput"].value[0].round(9))
    0.329756685
    """
    d, n, delay, z = _checked("bard_schweitzer", demand, population, delays, think)
    jobs = np.array(n, np.float64)
    _, through, residence = _core(d, jobs, delay, z, np.zeros((len(n), *d.shape)), None)
    return _answer("Bard-Schweitzer", "approximation", d, n, z, through, residence)


def linearizer(demand: ArrayLike, population: Sequence[int], delays: ArrayLike = False, think: ArrayLike = 0.0) -> Answer:
    """Return what :func:`exact_mva` does, approximately but more closely than :func:`bard_schweitzer`.

    Parameters
    ----------
    demand, population, delays, think
        As in :func:`exact_mva`.

    Returns
    -------
    dict of str to Value
        As of :func:`exact_mva`.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Chandy and Neuse, "Linearizer: a heuristic algorithm for queueing network models of computing systems", Comm. ACM 25 (1982).
    Its rounds are repeated until the throughput stands still: after the three of the paper it may be further off than
    Bard-Schweitzer.

    Examples
    --------
    >>> float(linearizer([[2.0, 3.0, 1.0]], [20], think=[4.0])["throughput"].value[0].round(3))
    0.333
    """
    d, n, delay, z = _checked("linearizer", demand, population, delays, think)
    jobs = np.array(n, np.float64)
    classes = len(n)
    change = np.zeros((classes, *d.shape))  # by removed class, class and station: how a share moves when one job leaves
    full, through, residence = _core(d, jobs, delay, z, change, None)
    fewer: list[F64 | None] = [None] * classes
    for _ in range(ROUNDS):
        before = through
        shares = full / np.maximum(jobs, 1.0)[:, None]
        for r in range(classes):
            if jobs[r] > 0:
                less = jobs - (np.arange(classes) == r)
                fewer[r], _, _ = _core(d, less, delay, z, change, fewer[r])
                without = fewer[r]
                assert without is not None
                change[r] = np.where(less[:, None] > 0, without / np.maximum(less, 1.0)[:, None] - shares, 0.0)
        full, through, residence = _core(d, jobs, delay, z, change, full)
        if np.abs(through - before).max() <= 1e-10 * through.max():
            break
    return _answer("Linearizer", "approximation", d, n, z, through, residence)


def mixed_network(
    open_demand: ArrayLike, arrival: ArrayLike, closed_demand: ArrayLike, population: Sequence[int]
) -> tuple[Answer, Answer]:
    """Return the steady states of the open and of the closed classes of a network of single servers.

    Parameters
    ----------
    open_demand : array_like of float, open class x station
        Visits times mean service.
    arrival : array_like of float, open class
        Rates, with a load below 1 at every station.
    closed_demand, population
        As in :func:`exact_mva`.

    Returns
    -------
    tuple of two dicts of str to Value
        Open classes: ``number_mean`` and ``residence_mean`` by class and station, ``response_mean`` by class. Closed classes: as
        of :func:`exact_mva`.

    Raises
    ------
    TheoryError
        When a parameter is out of range.

    Notes
    -----
    Lazowska, Zahorjan, Graham and Sevcik, Quantitative System Performance (1984), section 7.5: open classes slow the servers of
    the closed ones down, whose jobs the open ones find before them.

    Examples
    --------
    >>> _, closed = mixed_network([[0.8, 0.6]], [0.5], [[0.3, 0.25]], [1])
    >>> float(closed["throughput"].value[0].round(6))
    1.166667
    """
    d = np.atleast_2d(checked("mixed_network.open_demand", open_demand, 0.0))
    lam = np.atleast_1d(checked("mixed_network.arrival", arrival, 0.0))
    if lam.shape != d.shape[:1]:
        raise TheoryError("mixed_network.arrival", lam.shape, f"one rate for each of {len(d)} open classes")
    load = lam @ d
    if (load >= 1.0).any():
        raise TheoryError("mixed_network", f"a load of {load.max():g} by open classes", "loads below 1")
    closed = exact_mva(checked("mixed_network.closed_demand", closed_demand, 0.0) / (1.0 - load), population)
    found = closed["number_mean"].value.sum(axis=0)
    residence = d * (1.0 + found) / (1.0 - load)
    opened = Method("product form, open beside closed classes", "exact", True)(
        residence_mean=residence, number_mean=lam[:, None] * residence, response_mean=residence.sum(axis=1)
    )
    return opened, closed


def _core(d: F64, jobs: F64, delay: F64, z: F64, change: F64, start: F64 | None) -> tuple[F64, F64, F64]:
    """Return queues, throughput and residence at the fixed point of Linearizer's core for the given changes of shares."""
    some = jobs > 0
    safe = np.where(some, jobs, 1.0)
    queue = start
    if queue is None:
        used = d > 0.0
        queue = np.where(some[:, None], used * safe[:, None] / np.maximum(used.sum(axis=1), 1)[:, None], 0.0)
    less = jobs[None, :] - np.eye(len(jobs))  # by removed class: jobs of each class
    through, residence = np.zeros(len(jobs)), np.zeros(d.shape)
    for _ in range(100_000):
        shares = queue / safe[:, None]
        found = np.einsum("rs,rsk->rk", np.maximum(less, 0.0), shares[None] + change)
        residence = d * np.where(delay, 1.0, 1.0 + np.maximum(found, 0.0))
        total = z + residence.sum(axis=1)
        through = np.where(some, jobs / np.where(total > 0.0, total, 1.0), 0.0)
        after = through[:, None] * residence
        moved = np.abs(after - queue).max()
        queue = after
        if moved <= 1e-13 * max(1.0, float(jobs.max())):
            return queue, through, residence
    raise TheoryError("linearizer", "no fixed point after 100,000 turns", "another network: use exact_mva")


def _answer(name: str, exactness: Exactness, d: F64, n: tuple[int, ...], z: F64, through: F64, residence: F64) -> Answer:
    return Method(name, exactness, True)(
        throughput=through,
        response_mean=residence.sum(axis=1),
        number_mean=through[:, None] * residence,
        residence_mean=residence,
    )


def _checked(
    path: str, demand: ArrayLike, population: Sequence[int], delays: ArrayLike, think: ArrayLike
) -> tuple[F64, tuple[int, ...], F64, F64]:
    d = checked(f"{path}.demand", demand, 0.0)
    jobs = np.atleast_1d(counted(f"{path}.population", population, 0))
    if d.ndim != 2 or jobs.shape != d.shape[:1]:
        raise TheoryError(f"{path}.demand", d.shape, f"a row for each of {jobs.size} classes, a column for each station")
    if not jobs.any():
        raise TheoryError(f"{path}.population", population, "at least one job")
    z = np.broadcast_to(checked(f"{path}.think", think, 0.0), jobs.shape)
    if ((d.sum(axis=1) + z)[jobs > 0] <= 0.0).any():
        raise TheoryError(f"{path}.demand", demand, "for each class a demand or a think time above 0")
    return d, tuple(int(each) for each in jobs), np.broadcast_to(np.asarray(delays, np.bool_), d.shape[1:]), z
