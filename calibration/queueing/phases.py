"""Phase-type times and Markovian arrival processes as the matrices that chains are built of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .answers import F64, TheoryError, checked, counted


@dataclass(frozen=True, eq=False)
class PhaseType:
    """A time until a Markov chain is absorbed.

    Parameters
    ----------
    start : array_like of float, m
        Probabilities of the first phase, with sum 1.
    rates : array_like of float, m x m
        Sub-generator: off the diagonal the rates between phases, rows with sums <= 0.

    Raises
    ------
    TheoryError
        When they are anything else.

    Notes
    -----
    Neuts, Matrix-Geometric Solutions in Stochastic Models (1981), chapter 2.

    Examples
    --------
    >>> erlang = PhaseType([1.0, 0.0], [[-2.0, 2.0], [0.0, -2.0]])
    >>> erlang.mean, erlang.scv
    (1.0, 0.5)
    """

    start: F64
    rates: F64

    def __init__(self, start: ArrayLike, rates: ArrayLike) -> None:
        alpha, t = np.array(start, np.float64), np.array(rates, np.float64)
        if alpha.ndim != 1 or t.shape != (alpha.size, alpha.size):
            raise TheoryError("PhaseType.rates", t.shape, f"a square matrix for {alpha.size} phases")
        if not (np.isfinite(alpha).all() and (alpha >= 0.0).all() and abs(alpha.sum() - 1.0) < 1e-9):
            raise TheoryError("PhaseType.start", start, "probabilities with sum 1")
        slack = 1e-9 * np.abs(t).max()
        off = t - np.diag(np.diag(t))
        if not (np.isfinite(t).all() and (off >= 0.0).all() and (t.sum(axis=1) <= slack).all()):
            raise TheoryError("PhaseType.rates", rates, "rates >= 0 off the diagonal and row sums <= 0")
        if np.linalg.matrix_rank(t) < alpha.size:
            raise TheoryError("PhaseType.rates", rates, "a matrix all of whose phases can end")
        object.__setattr__(self, "start", alpha)
        object.__setattr__(self, "rates", t)

    @property
    def exits(self) -> F64:
        """Return the rate at which each phase ends the time."""
        return np.asarray(np.maximum(-self.rates.sum(axis=1), 0.0))

    def moment(self, order: int) -> float:
        """Return a raw moment."""
        x: F64 = np.ones(self.start.size)
        for k in range(1, order + 1):
            x = np.asarray(k * np.linalg.solve(-self.rates, x))
        return float(self.start @ x)

    @property
    def mean(self) -> float:
        """Return the expected time."""
        return self.moment(1)

    @property
    def scv(self) -> float:
        """Return the squared coefficient of variation."""
        return self.moment(2) / self.moment(1) ** 2 - 1.0


@dataclass(frozen=True, eq=False)
class Arrivals:
    """A Markovian arrival process.

    Parameters
    ----------
    still, arrive : array_like of float, m x m
        Rates between phases without an arrival (D0) and with one (D1); the rows of their sum have sum 0.

    Raises
    ------
    TheoryError
        When they are anything else.

    Notes
    -----
    Neuts 1979; Fischer and Meier-Hellstern, "The Markov-modulated Poisson process (MMPP) cookbook", Performance Evaluation 18
    (1993).

    Examples
    --------
    >>> round(mmpp2((0.2, 1.6), (20.0, 10.0)).rate, 6)
    0.666667
    """

    still: F64
    arrive: F64

    def __init__(self, still: ArrayLike, arrive: ArrayLike) -> None:
        d0, d1 = np.array(still, np.float64), np.array(arrive, np.float64)
        if d0.ndim != 2 or d0.shape[0] != d0.shape[1] or d1.shape != d0.shape:
            raise TheoryError("Arrivals", (d0.shape, d1.shape), "two square matrices of one size")
        off = d0 - np.diag(np.diag(d0))
        closed = np.abs((d0 + d1).sum(axis=1)).max() <= 1e-9 * np.abs(d0).max()
        if not (np.isfinite(d0).all() and (off >= 0.0).all() and (d1 >= 0.0).all() and closed and d1.any()):
            raise TheoryError("Arrivals", still, "rates >= 0 (D0 off its diagonal, D1), and rows of D0 + D1 with sum 0")
        object.__setattr__(self, "still", d0)
        object.__setattr__(self, "arrive", d1)

    @property
    def rate(self) -> float:
        """Return the mean number of arrivals per unit of time."""
        return float((stationary(self.still + self.arrive) @ self.arrive).sum())


def renewal(gaps: PhaseType) -> Arrivals:
    """Return the arrivals whose gaps are independent with the given law.

    Parameters
    ----------
    gaps : PhaseType
        Time between neighbouring arrivals.

    Returns
    -------
    Arrivals

    Examples
    --------
    >>> renewal(exponential(1.25)).rate
    0.8
    """
    return Arrivals(gaps.rates, np.outer(gaps.exits, gaps.start))


def mmpp2(rates: Sequence[float], stays: Sequence[float]) -> Arrivals:
    """Return Poisson arrivals whose rate switches between two values.

    Parameters
    ----------
    rates : two floats
        Arrivals per unit of time in each state, >= 0.
    stays : two floats
        Mean time in each state, > 0.

    Returns
    -------
    Arrivals

    Raises
    ------
    TheoryError
        When there are not two of each, or one is out of range.

    Examples
    --------
    >>> mmpp2((0.0, 2.0), (1.0, 1.0)).rate
    1.0
    """
    pace, stay = checked("mmpp2.rates", rates, 0.0), checked("mmpp2.stays", stays, 0.0, above=True)
    if pace.shape != (2,) or stay.shape != (2,):
        raise TheoryError("mmpp2", (rates, stays), "two rates and two mean times")
    leave = 1.0 / stay
    return Arrivals([[-leave[0] - pace[0], leave[0]], [leave[1], -leave[1] - pace[1]]], np.diag(pace))


def exponential(mean: float) -> PhaseType:
    """Return an exponential time.

    Parameters
    ----------
    mean : float
        > 0.

    Returns
    -------
    PhaseType
        Of one phase.

    Raises
    ------
    TheoryError
        When the mean is not above 0.

    Examples
    --------
    >>> exponential(2.0).rates
    array([[-0.5]])
    """
    return PhaseType([1.0], [[-1.0 / float(checked("exponential.mean", mean, 0.0, above=True))]])


def erlang(mean: float, stages: int) -> PhaseType:
    """Return the sum of ``stages`` exponential times of one rate.

    Parameters
    ----------
    mean : float
        Of the sum, > 0.
    stages : int
        >= 1.

    Returns
    -------
    PhaseType

    Raises
    ------
    TheoryError
        When the mean is not above 0 or the number no whole one from 1 on.

    Examples
    --------
    >>> erlang(2.0, 4).scv
    0.25
    """
    k = int(counted("erlang.stages", stages, 1))
    rate = k / float(checked("erlang.mean", mean, 0.0, above=True))
    return PhaseType(np.eye(k)[0], rate * (np.eye(k, k=1) - np.eye(k)))


def hyperexponential(mean: float, scv: float) -> PhaseType:
    """Return a mixture of two exponential times with balanced means.

    Parameters
    ----------
    mean, scv : float
        Mean > 0 and squared coefficient of variation >= 1.

    Returns
    -------
    PhaseType
        Of two phases.

    Raises
    ------
    TheoryError
        When one is out of range.

    Notes
    -----
    Whitt, "Approximating a point process by a renewal process, I", Operations Research 30 (1982), section 3.1.

    Examples
    --------
    >>> hyperexponential(1.0, 4.0).start.round(6)
    array([0.887298, 0.112702])
    """
    mean = float(checked("hyperexponential.mean", mean, 0.0, above=True))
    scv = float(checked("hyperexponential.scv", scv, 1.0))
    p = 0.5 * (1.0 + math.sqrt((scv - 1.0) / (scv + 1.0)))
    return PhaseType([p, 1.0 - p], np.diag([-2.0 * p / mean, -2.0 * (1.0 - p) / mean]))


def two_moments(mean: float, scv: float, most: int = 64) -> PhaseType:
    """Return a phase-type time with the given first two moments.

    Parameters
    ----------
    mean, scv : float
        Mean > 0 and squared coefficient of variation >= 0.
    most : int
        Most phases: a smaller ``scv`` than 1 / most is raised to that.

    Returns
    -------
    PhaseType

    Raises
    ------
    TheoryError
        When one is out of range.

    Notes
    -----
    Balanced hyperexponential from 1 on; below, k - 1 or k exponential stages of one rate: Tijms, Stochastic Models (1994),
    appendix B.

    Examples
    --------
    >>> found = two_moments(2.0, 0.3)
    >>> round(found.mean, 9), round(found.scv, 9), found.start.size
    (2.0, 0.3, 4)
    """
    mean = float(checked("two_moments.mean", mean, 0.0, above=True))
    scv = max(float(checked("two_moments.scv", scv, 0.0)), 1.0 / most)
    if scv >= 1.0:
        return hyperexponential(mean, scv)
    k = math.ceil(1.0 / scv - 1e-12)
    p = (k * scv - math.sqrt(max(k * (1.0 + scv) - k * k * scv, 0.0))) / (1.0 + scv)
    p = min(max(p, 0.0), 1.0)
    rate = (k - p) / mean
    return PhaseType(np.concatenate([[1.0 - p, p], np.zeros(k)])[:k], rate * (np.eye(k, k=1) - np.eye(k)))


def convolution(parts: Sequence[PhaseType]) -> PhaseType:
    """Return the sum of independent phase-type times.

    Parameters
    ----------
    parts : sequence of PhaseType
        At least one.

    Returns
    -------
    PhaseType

    Raises
    ------
    TheoryError
        When there is none.

    Examples
    --------
    >>> convolution([exponential(1.0), exponential(2.0)]).mean
    3.0
    """
    if not parts:
        raise TheoryError("convolution.parts", parts, "at least one time")
    sizes = np.cumsum([0, *(each.start.size for each in parts)])
    rates = np.zeros((sizes[-1], sizes[-1]))
    for i, each in enumerate(parts):
        own = slice(sizes[i], sizes[i + 1])
        rates[own, own] = each.rates
        if i + 1 < len(parts):
            rates[own, sizes[i + 1] : sizes[i + 2]] = np.outer(each.exits, parts[i + 1].start)
    return PhaseType(np.concatenate([parts[0].start, np.zeros(sizes[-1] - sizes[1])]), rates)


def stationary(generator: F64) -> F64:
    """Return the stationary law of an irreducible chain, by the elimination that subtracts nothing.

    Parameters
    ----------
    generator : float64[state, state]
        Rates; the diagonal is not looked at.

    Returns
    -------
    float64[state]

    Notes
    -----
    Grassmann, Taksar and Heyman, "Regenerative analysis and steady state distributions for Markov chains", Operations Research 33
    (1985).
    """
    q = np.array(generator, np.float64)
    n = len(q)
    for k in range(n - 1, 0, -1):
        q[:k, k] /= q[k, :k].sum()
        q[:k, :k] += np.outer(q[:k, k], q[k, :k])
    x = np.zeros(n)
    x[0] = 1.0
    for k in range(1, n):
        x[k] = x[:k] @ q[:k, k]
    return np.asarray(x / x.sum())
