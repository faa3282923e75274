"""Steady-state means and quantiles of correlated series, with intervals that are honest or absent.

Source of the parts: MSER-5 for the warm-up (White 1997), batch means with a test of the correlation between
batches (Law and Kelton, Simulation Modeling and Analysis, ch. 9), quantile intervals read from the order
statistics at the bounds of an interval for the share of values below the quantile (Woodruff 1952), that
interval coming from batch means of the indicator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

MIN_BATCHES = 20  # fewer batches make the estimated variance itself too uncertain
MAX_BATCHES = 64  # more would narrow the interval by a few percent only; large ones are nearly independent
FINE_PER_BATCH = 4  # correlation is tested on batches this much finer than those of the interval
MAX_CORRELATION = 0.15  # between neighbouring fine batches; then batches of four have less than 0.04
MIN_REPLICATIONS = 5  # from here on the means of whole replications are the batches
MIN_FINE_PER_REPLICATION = 8  # so that a replication is many correlation times long, however many there are
MIN_TAIL = 8  # independent values beyond a quantile; with fewer its interval was seen to cover far too rarely


@dataclass(frozen=True)
class Estimate:
    """A value with the bounds of its confidence interval."""

    value: float
    lo: float
    hi: float


@dataclass(frozen=True)
class Steady:
    """Steady-state statistics of one series or of the same series in several replications.

    Parameters
    ----------
    mean : Estimate or None
        None when the run is too short for an honest interval.
    quantiles : dict of float to (Estimate or None)
        By the shares that were asked for.
    warmup : int
        Values dropped at the start of each replication.
    n_effective : float or None
        Number of independent values that would give the mean the same variance; None without an interval of
        the mean.
    warnings : tuple of str
        One sentence for each statistic that is missing, with the reason.
    """

    mean: Estimate | None
    quantiles: dict[float, Estimate | None]
    warmup: int
    n_effective: float | None
    warnings: tuple[str, ...]

    def named(self) -> dict[str, Estimate | None]:
        """Return the estimates by name: ``mean``, then ``p50`` and so on."""
        return {"mean": self.mean} | {_label(share): each for share, each in self.quantiles.items()}


def steady_state(
    series: Sequence[NDArray[np.int64]], quantiles: Sequence[float] = (), *, confidence: float = 0.95
) -> Steady:
    """Return mean and quantiles of the steady state with confidence intervals.

    One run is cut into batches long enough to be nearly independent; the same holds for two to four
    replications, whose batches are pooled. From five replications on each replication is one batch: their
    means are independent whatever happens inside a run, and what stays the same during a run but differs
    between runs (drawn faults, say) is part of the interval. In every case each replication must be long
    against its own correlation, else nothing is returned: an interval that only covers how well the start-up
    was measured would be wrong.

    Parameters
    ----------
    series : sequence of arrays of shape (n,)
        One per replication, in order of arrival. All are cut to the shortest.
    quantiles : sequence of float
        Shares in (0, 1).
    confidence : float
        Coverage aimed at by the intervals.

    Returns
    -------
    Steady
        Student-t interval for the mean; for a quantile the order statistic and those at the bounds of its
        share.

    Raises
    ------
    ValueError
        If there is no series, or a share is outside (0, 1).

    Examples
    --------
    >>> values = np.random.default_rng(1).integers(0, 1000, 100_000)
    >>> steady = steady_state([values], [0.9])
    >>> steady.mean.lo < 499.5 < steady.mean.hi, steady.quantiles[0.9].lo <= 900 <= steady.quantiles[0.9].hi
    (True, True)
    >>> steady_state([values[:50]]).warnings
    ('run too short: no intervals',)
    """
    if not series:
        raise ValueError("series: got none; allowed: at least one replication")
    if not all(0 < share < 1 for share in quantiles):
        raise ValueError(f"quantiles: got {tuple(quantiles)}; allowed: shares between 0 and 1")
    n = min(len(values) for values in series)
    x = np.stack([np.asarray(values[:n], dtype=np.float64) for values in series])
    warmup, settled = warm_up(x.mean(axis=0))
    if not settled:
        return Steady(
            None, dict.fromkeys(quantiles), warmup, None, ("no steady state within the run: no intervals",)
        )
    x = x[:, warmup:]
    spread = _spread(x, confidence)
    if spread is None:
        return Steady(None, dict.fromkeys(quantiles), warmup, None, ("run too short: no intervals",))
    centre = float(x.mean())
    mean = Estimate(centre, centre - spread.half_width, centre + spread.half_width)
    n_effective = min(float(x.size), float(x.var()) / spread.error**2) if spread.error else float(x.size)
    ordered = np.sort(x, axis=None) if quantiles else x.ravel()
    estimates: dict[float, Estimate | None] = {}
    warnings = []
    for share in quantiles:
        long_enough = n_effective * min(share, 1 - share) >= MIN_TAIL
        estimates[share] = _quantile(x, ordered, share, confidence) if long_enough else None
        if estimates[share] is None:
            warnings.append(f"run too short: no interval for {_label(share)}")
    return Steady(mean, estimates, warmup, n_effective, tuple(warnings))


def warm_up(values: F64) -> tuple[int, bool]:
    """Return how many values at the start to drop by MSER-5, and whether a steady state was found.

    MSER-5 drops as many means of five values, at most half, as minimise the estimated variance of the mean of
    the rest. A minimum at the very cap says that the series still drifts in its second half.

    Parameters
    ----------
    values : array of shape (n,)
        In order of time; of several replications, their mean.

    Returns
    -------
    tuple of (int, bool)
        Number of values to drop, and False when the minimum lies at the cap.

    Examples
    --------
    >>> warm_up(np.r_[np.linspace(50, 5, 100), np.tile(np.repeat([1.0, 0.0], 5), 90)])
    (100, True)
    >>> warm_up(np.arange(1000.0))[1]
    False
    """
    n_means = len(values) // 5
    if n_means < 4:
        return 0, True
    means = values[: 5 * n_means].reshape(-1, 5).mean(axis=1)
    means -= means[-1]  # so that a constant rest has a variance of exactly 0
    left = np.arange(n_means, 0, -1)
    sums = np.cumsum(means[::-1])[::-1]
    squares = np.cumsum((means**2)[::-1])[::-1]
    cap = n_means // 2
    score = np.maximum(squares - sums**2 / left, 0.0)[: cap + 1] / left[: cap + 1] ** 2
    drop = int(score.argmin())
    return 5 * drop, drop < cap


def _label(share: float) -> str:
    return f"p{100 * share:g}"


@dataclass(frozen=True)
class _Spread:
    error: float  # standard error of the mean
    half_width: float


def _quantile(x: F64, ordered: F64, share: float, confidence: float) -> Estimate | None:
    n = x.size
    value = ordered[math.ceil(share * n) - 1]
    # with ties the two indicators differ, and the one that varies more decides
    spreads = [_spread(below.astype(np.float64), confidence) for below in (x <= value, x < value)]
    widths = [spread.half_width for spread in spreads if spread is not None]
    if len(widths) < len(spreads):
        return None
    low, high = share - max(widths), share + max(widths)
    if low <= 0 or high >= 1:
        return None
    return Estimate(
        float(value), float(ordered[math.floor(low * n)]), float(ordered[math.ceil(high * n) - 1])
    )


def _spread(x: F64, confidence: float) -> _Spread | None:
    """Standard error and half width for the mean of x[replication, value], or None when x is too short."""
    n_run, n = x.shape
    fine = _independent_batch(x)
    if fine is None:
        return None
    if n_run >= MIN_REPLICATIONS:
        batches = x.mean(axis=1)
    else:
        batches = _batch_means(x, max(FINE_PER_BATCH * fine, x.size // MAX_BATCHES)).ravel()
    from scipy.special import stdtrit

    error = float(batches.std(ddof=1)) / math.sqrt(batches.size)
    return _Spread(error, float(stdtrit(batches.size - 1, (1 + confidence) / 2)) * error)


def _independent_batch(x: F64) -> int | None:
    """Smallest power of two whose batch means are nearly uncorrelated with their neighbours, or None."""
    n_run, n = x.shape
    needed = max(FINE_PER_BATCH * math.ceil(MIN_BATCHES / n_run), MIN_FINE_PER_REPLICATION)
    means, size = x, 1
    while means.shape[1] >= needed:
        # deviations from each run's own mean lower the correlation by about one over their number
        if _correlation(means) + 1 / means.shape[1] <= MAX_CORRELATION:
            return size
        means, size = _batch_means(means, 2), 2 * size
    return None


def _correlation(means: F64) -> float:
    centred = means - means.mean(axis=1, keepdims=True)
    total = float(np.einsum("ij,ij->", centred, centred))
    return float(np.einsum("ij,ij->", centred[:, 1:], centred[:, :-1])) / total if total else 0.0


def _batch_means(x: F64, size: int) -> F64:
    """Means of consecutive batches of each row; values that do not fill a batch are left out."""
    n_batch = x.shape[1] // size
    means: F64 = x[:, : n_batch * size].reshape(len(x), n_batch, size).mean(axis=2)
    return means
