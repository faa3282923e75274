"""How requests arrive: at a constant rate, by a renewal law, in bursts; with tests that say which of these will not do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaincinv

from .families import UnfitError
from .mmpp import Mmpp2, checked_gaps, fit_mmpp2
from .sample import F64, sample
from .times import TimeFit, fit_time
from .trace import TraceError

LEAST = 17
"""Fewest arrivals that are fitted."""
_RENEWAL = ("gamma", "lognormal", "weibull", "hyperexponential", "hyper_erlang")


def poisson_rate(events: int, time: float, level: float = 0.95) -> tuple[float, float, float]:
    """Return the rate of a Poisson process with its exact interval.

    Parameters
    ----------
    events : int
        Arrivals seen, >= 0.
    time : float
        How long was watched, > 0.
    level : float
        Probability that the interval holds the rate, between 0 and 1.

    Returns
    -------
    tuple of three floats
        Estimate, lower and upper end, per unit of time.

    Raises
    ------
    TraceError
        When an argument is anything else.

    Notes
    -----
    Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28 (1936).

    Examples
    --------
    >>> [round(x, 3) for x in poisson_rate(47, 20.0)]
    [2.35, 1.727, 3.125]
    """
    if not events >= 0 or events != int(events):
        raise TraceError("poisson_rate.events", events, "an integer >= 0")
    if not 0.0 < time < math.inf:
        raise TraceError("poisson_rate.time", time, "a finite number > 0")
    if not 0.0 < level < 1.0:
        raise TraceError("poisson_rate.level", level, "a number between 0 and 1")
    low = float(gammaincinv(events, 0.5 - level / 2.0)) if events else 0.0
    return events / time, low / time, float(gammaincinv(events + 1, 0.5 + level / 2.0)) / time


@dataclass(frozen=True, eq=False)
class DispersionCurve:
    """Variance over mean of the arrivals in windows of growing length.

    Attributes
    ----------
    windows : float64[k]
        Lengths, in the unit of the arrivals.
    index : float64[k]
        Variance over mean; 1 for a Poisson process.
    low, high : float64[k]
        Where the index of a Poisson process of as many arrivals lies with a probability of 0.95.
    p : float64[k]
        Probability that a Poisson process departs as far from 1 to either side.
    """

    windows: F64
    index: F64
    low: F64
    high: F64
    p: F64

    @property
    def poisson(self) -> bool:
        """Return whether no window rejects a Poisson process at 0.05, shared equally among the windows."""
        return bool(self.p.min() > 0.05 / self.p.size)


def dispersion_curve(
    arrivals: ArrayLike, *, windows: ArrayLike | None = None, repetitions: int = 999, seed: int = 0
) -> DispersionCurve:
    """Return the index of dispersion for counts against the length of the window, with what a Poisson process would show.

    Parameters
    ----------
    arrivals : array_like of float, n
        Times, ascending, at least 16; the windows lie between the first and the last.
    windows : array_like of float, k, optional
        Lengths > 0, at most a fifth of the whole; by default 8 from one mean gap up to a twentieth of the whole.
    repetitions : int
        Of the bootstrap, so many that each of the windows can reject: at least 40 per window less 1.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DispersionCurve

    Raises
    ------
    TraceError
        When an argument is anything else.

    Notes
    -----
    Cox and Lewis, The Statistical Analysis of Series of Events, section 4.5 and 6.3: given their number, the arrivals of a
    Poisson process are uniform, from which the bootstrap draws. At most 10^5 windows are counted in a repetition.

    Examples
    --------
    >>> found = dispersion_curve(np.arange(100.0), windows=[10.0])
    >>> found.index.round(3).tolist(), found.poisson
    ([0.0], False)
    """
    times = checked_arrivals("dispersion_curve.arrivals", arrivals)
    inside = times[:-1] - times[0]
    whole = float(times[-1] - times[0])
    if windows is None:
        gap = whole / inside.size
        lengths = np.geomspace(gap, max(whole / 20.0, 2.0 * gap), 8)
    else:
        lengths = np.atleast_1d(np.asarray(windows, np.float64))
        if lengths.ndim != 1 or not bool(np.all((lengths > 0.0) & (lengths <= whole / 5.0))):
            raise TraceError("dispersion_curve.windows", windows, f"numbers above 0 and at most {whole / 5.0:g}")
    enough = 40 * lengths.size - 1
    if repetitions < enough:
        raise TraceError("dispersion_curve.repetitions", repetitions, f"an integer >= {enough}, with {lengths.size} windows")
    rng = np.random.default_rng(seed)
    index = np.array([_index(inside, length, whole) for length in lengths])
    # counts of uniform arrivals in equal windows are multinomial, which is drawn directly
    columns = [_drawn(inside.size, length, whole, repetitions, rng) for length in lengths]
    drawn = np.stack(columns, axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    above, below = (drawn >= index).sum(axis=0), (drawn <= index).sum(axis=0)
    p = np.minimum(2.0 * (1.0 + np.minimum(above, below)) / (1.0 + repetitions), 1.0)
    return DispersionCurve(lengths, index, low, high, p)


def _index(inside: F64, length: float, whole: float) -> float:
    count = int(whole / length)
    at = (inside[inside < count * length] / length).astype(np.int64)
    counts = np.bincount(np.minimum(at, count - 1), minlength=count)
    return float(counts.var(ddof=1) / counts.mean())


def _drawn(arrivals: int, length: float, whole: float, repetitions: int, rng: np.random.Generator) -> F64:
    windows = int(whole / length)
    kept = min(windows, 100_000)
    out = np.empty(repetitions)
    for i in range(repetitions):
        inside = rng.binomial(arrivals, min(kept * length / whole, 1.0))
        if inside > 4 * kept:
            counts = rng.multinomial(inside, np.full(kept, 1.0 / kept))
        else:
            counts = np.bincount(rng.integers(kept, size=inside), minlength=kept)
        out[i] = counts.var(ddof=1) / max(counts.mean(), 1e-300)
    return out


@dataclass(frozen=True)
class ArrivalFit:
    """What arrivals look like.

    Attributes
    ----------
    family : str
        ``poisson``, ``renewal`` or ``mmpp``: of the least BIC; but no renewal process where neighbouring gaps depend on each
        other and there is an ``mmpp``.
    rate, low, high : float
        Arrivals per unit of time; the interval is right for a Poisson process only.
    gaps : TimeFit
        Of the gaps between arrivals: the law for a renewal process.
    mmpp : Mmpp2 or None
        The process of two states, where that is likelier than a Poisson process.
    bic : dict
        From each process to its criterion.
    exponential_p : float
        Probability of the Anderson-Darling statistic of the gaps if they were exponential, with the mean fitted; 0 of equal gaps.
    correlation, correlation_p : float
        Between neighbouring gaps, and the probability of one as far from 0 if the gaps came in any order.
    verdict : str
        In words.
    """

    family: str
    rate: float
    low: float
    high: float
    gaps: TimeFit
    mmpp: Mmpp2 | None
    bic: dict[str, float]
    exponential_p: float
    correlation: float
    correlation_p: float
    verdict: str


def fit_arrivals(arrivals: ArrayLike, *, repetitions: int = 199, seed: int = 0) -> ArrivalFit:
    """Return a process of arrivals: Poisson, renewal or Markov-modulated Poisson.

    Parameters
    ----------
    arrivals : array_like of float, n
        Times, ascending, at least 17, in any unit.
    repetitions : int
        Of the bootstraps, from 19.
    seed : int
        Of the bootstraps.

    Returns
    -------
    ArrivalFit

    Raises
    ------
    TraceError
        When an argument is anything else.

    Notes
    -----
    A replay of the arrivals themselves is always possible and assumes nothing; a process is for loads and lengths that were not
    measured. The order of the gaps is tested by permutation.

    Examples
    --------
    >>> found = fit_arrivals(np.cumsum(np.random.default_rng(1).exponential(5.0, 400)))
    >>> found.family, found.low < 0.2 < found.high
    ('poisson', True)
    """
    times = checked_arrivals("fit_arrivals.arrivals", arrivals)
    if repetitions < 19:
        raise TraceError("fit_arrivals.repetitions", repetitions, "an integer >= 19")
    gaps = checked_gaps("fit_arrivals.arrivals", np.diff(times), 16)
    n, mean = gaps.size, float(gaps.mean())
    # simultaneous arrivals have no density; a gap of 0 is one below the clock's resolution
    least = float(gaps[gaps > 0.0].min())
    positive = np.where(gaps > 0.0, gaps, 0.5 * least)
    law = fit_time(sample(positive, path="gaps"), repetitions=repetitions, seed=seed)
    rate, low, high = poisson_rate(n, float(gaps.sum()))
    if law.family == "deterministic":
        return ArrivalFit("renewal", rate, low, high, law, None, {"renewal": -math.inf}, 0.0, 0.0, 1.0, "all gaps are the same")
    alone = fit_time(sample(positive, path="gaps"), among=["exponential"], repetitions=repetitions, seed=seed)
    log_n = math.log(n)
    bic = {"poisson": log_n + 2.0 * n * (1.0 + math.log(mean))}
    # exponential gaps are the Poisson process; a Pareto law has no short gaps
    regular = [each for each in law.candidates if each.law is not None and each.family in _RENEWAL]
    if regular:
        bic["renewal"] = min(each.bic for each in regular)
    process: Mmpp2 | None = None
    try:
        process = fit_mmpp2(gaps)
        bic["mmpp"] = 4.0 * log_n - 2.0 * process.log_likelihood(gaps)
    except UnfitError:
        pass
    correlation, p = _order(gaps, repetitions, np.random.default_rng(seed))
    # the likelihood of one gap after the other knows nothing of their order, which is what makes queues
    ordered = p <= 0.05 and process is not None
    family = min((name for name in bic if not (ordered and name == "renewal")), key=lambda name: bic[name])
    verdict = _verdict(family, min(bic, key=lambda name: bic[name]), alone.anderson.p, p)
    return ArrivalFit(family, rate, low, high, law, process, bic, alone.anderson.p, correlation, p, verdict)


def _verdict(family: str, least: str, exponential: float, order: float) -> str:
    words = [f"{family} has the least BIC"] if family == least else [f"{family} is taken, {least} has the least BIC"]
    if exponential <= 0.05:
        words.append(f"the gaps are not exponential (p = {exponential:.2g})")
    if order <= 0.05:
        words.append(f"neighbouring gaps depend on each other (p = {order:.2g}), so no renewal process will do")
    if family == "poisson" and len(words) > 1:
        words.append("a Poisson process is the best of three that do not fit: replay the arrivals")
    return "; ".join(words)


def _order(gaps: F64, repetitions: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return the lag-1 correlation of the logarithms' ranks, which no long gap decides alone, and its probability."""
    ranks = np.argsort(np.argsort(gaps, kind="stable"), kind="stable").astype(np.float64)
    ranks -= ranks.mean()
    total = float(ranks @ ranks)
    measured = float(ranks[:-1] @ ranks[1:]) / total
    reached = 0
    for _ in range(repetitions):
        mixed = rng.permutation(ranks)
        reached += abs(float(mixed[:-1] @ mixed[1:])) / total >= abs(measured)
    return measured, (1.0 + reached) / (1.0 + repetitions)


def checked_arrivals(path: str, arrivals: ArrayLike) -> F64:
    """Return ascending times of arrivals, at least 17."""
    times = np.asarray(arrivals)
    if times.ndim != 1 or times.dtype.kind not in "iuf" or times.size < LEAST:
        raise TraceError(path, f"{times.dtype}{list(times.shape)}", f"at least {LEAST} numbers")
    times = times.astype(np.float64)
    if not np.isfinite(times).all():
        bad = int((~np.isfinite(times)).argmax())
        raise TraceError(f"{path}[{bad}]", float(times[bad]), "a finite number")
    early = np.diff(times) < 0.0
    if early.any():
        bad = int(early.argmax()) + 1
        raise TraceError(f"{path}[{bad}]", float(times[bad]), f"a time not before {times[bad - 1]:g}, the one before")
    if not times[-1] > times[0]:
        raise TraceError(path, "equal times", "times that differ")
    return times
