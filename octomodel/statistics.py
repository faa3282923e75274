"""Steady-state means and quantiles of correlated series, with intervals that are honest or absent.

Source of the parts: MSER-5 for the warm-up (White 1997), batch means with a test of the correlation between
batches (Law and Kelton, Simulation Modeling and Analysis, ch. 9), quantile intervals read from the order
statistics at the bounds of an interval for the share of values below the quantile (Woodruff 1952), that
interval coming from batch means of the indicator; correlation left between batches widens the interval as in
an autoregression of order one (Tafazzoli and Wilson, Skart, 2011).
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
MIN_WINDOWS = 30  # windows that must be left; with 20 the bundled early_exit still missed 17 % of its intervals of 95 %
MIN_CYCLES = 10  # cycles of the phases that must be left
MIN_UNITS = 10  # batches of a window
MAX_LEFT = 0.5  # correlation of neighbouring batches of a window that is made up for; beyond, the run is too short
DRIFT_SUSPECT = 0.05  # share of steady runs whose halves differ so much that the interval is widened to hold both
DRIFT_CERTAIN = 0.001  # share of steady runs whose halves differ so much that nothing is returned
MIN_TAIL = 8  # independent values beyond a quantile; with fewer its interval was seen to cover far too rarely

_SHORT = "run too short"
_TIED = "run too short against its own correlation"
_DRIFT = "still drifting"


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
    series: Sequence[NDArray[np.int64] | F64],
    quantiles: Sequence[float] = (),
    *,
    confidence: float = 0.95,
    window: int = 1,
    cycle: int = 1,
    pipelines: int = 1,
    skip: int = 0,
) -> Steady:
    """Return mean and quantiles of the steady state with confidence intervals.

    One run is cut into batches long enough to be nearly independent; the same holds for two to four
    replications, whose batches are pooled. From five replications on each replication is one batch: their
    means are independent whatever happens inside a run, and what stays the same during a run but differs
    between runs (drawn faults, say) is part of the interval. In every case each replication must be long
    against its own correlation, else nothing is returned: an interval that only covers how well the start-up
    was measured would be wrong.

    Where many requests are inside at once, neighbours in the series need not have met each other, and seem
    independent though the state they saw lasts for windows. Batches are then at least a window long, in whole
    cycles of the phases; at least ``MIN_WINDOWS`` windows and as many cycles must be left, and correlation
    that remains between batches widens the interval. Of pipelines that are systems of their own, the halves of
    each must agree with each other: a drift that they have in common shows there first.

    Parameters
    ----------
    series : sequence of arrays of shape (n,)
        One per replication, in order of arrival, NaN where a request has no value. All are cut to the shortest.
    quantiles : sequence of float
        Shares in (0, 1).
    confidence : float
        Coverage aimed at by the intervals.
    window : int
        Requests inside at once.
    cycle : int
        Requests in one cycle of what repeats; 1: nothing does.
    pipelines : int
        Value r belongs to pipeline r modulo this number.
    skip : int
        Values at the start of each replication that are dropped in any case.

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
    >>> steady_state([values[:5000]], window=700, skip=2_100).warnings[0]
    'run too short: no intervals; 2,900 requests are left between start-up and drain, 4.1 times the 700 in flight, not 30'
    """
    if not series:
        raise ValueError("series: got none; allowed: at least one replication")
    if not all(0 < share < 1 for share in quantiles):
        raise ValueError(f"quantiles: got {tuple(quantiles)}; allowed: shares between 0 and 1")
    n = min(len(values) for values in series)
    x = np.stack([np.asarray(values[:n], dtype=np.float64) for values in series])
    seen = ~np.isnan(x)
    complete = bool(seen.all())
    centre = float(x[seen].mean()) if seen.any() else 0.0
    drop, settled = warm_up((x if complete else np.where(seen, x, centre)).mean(axis=0), max(5, cycle))
    warmup = min(n, max(drop, skip))
    warmup += (n - warmup) % cycle
    x, seen = x[:, warmup:], seen[:, warmup:]
    reason = _too_short(n - warmup, window, cycle)
    if not settled:
        return _nothing(quantiles, warmup, "no steady state within the run: no intervals" + reason)
    if reason or not seen.any():
        return _nothing(quantiles, warmup, "run too short: no intervals" + reason)
    plan = _Plan(confidence, max(pipelines, max(1, round(max(window, pipelines) / cycle)) * cycle), pipelines)
    values = x.ravel() if complete else x[seen]
    centre = float(values.mean())
    share_seen = values.size / x.size
    spread = _spread(x if complete else np.where(seen, x - centre, 0.0) / share_seen, plan)
    if isinstance(spread, str):
        return _nothing(quantiles, warmup, f"{spread}: no intervals")
    mean = Estimate(centre, centre - spread.half_width, centre + spread.half_width)
    n_effective = _effective(values.size, float(values.var()), spread)
    ordered = np.sort(values) if quantiles else values
    estimates: dict[float, Estimate | None] = {}
    warnings = []
    for share in quantiles:
        found: Estimate | str = _SHORT
        if n_effective * min(share, 1 - share) >= MIN_TAIL:
            found = _quantile(x, seen, ordered, share, plan)
        estimates[share] = None if isinstance(found, str) else found
        if isinstance(found, str):
            warnings.append(f"{found}: no interval for {_label(share)}")
    return Steady(mean, estimates, warmup, n_effective, tuple(warnings))


def warm_up(values: F64, size: int = 5) -> tuple[int, bool]:
    """Return how many values at the start to drop by MSER-5, and whether a steady state was found.

    MSER-5 drops as many means of five values, at most half, as minimise the estimated variance of the mean of
    the rest. A minimum at the very cap says that the series still drifts in its second half.

    Parameters
    ----------
    values : array of shape (n,)
        In order of time; of several replications, their mean.
    size : int
        Values in a mean: more than five where something repeats with this length.

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
    n_means = len(values) // size
    if n_means < 4:
        return 0, True
    means = values[: size * n_means].reshape(-1, size).mean(axis=1)
    means -= means[-1]  # so that a constant rest has a variance of exactly 0
    left = np.arange(n_means, 0, -1)
    sums = np.cumsum(means[::-1])[::-1]
    squares = np.cumsum((means**2)[::-1])[::-1]
    cap = n_means // 2
    score = np.maximum(squares - sums**2 / left, 0.0)[: cap + 1] / left[: cap + 1] ** 2
    drop = int(score.argmin())
    return size * drop, drop < cap


def _label(share: float) -> str:
    return f"p{100 * share:g}"


@dataclass(frozen=True)
class _Spread:
    error: float  # standard error of the mean
    half_width: float


@dataclass(frozen=True)
class _Plan:
    confidence: float
    unit: int  # values in the shortest batch
    pipelines: int

    def half_width(self, error: float, degrees: int) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(degrees, (1 + self.confidence) / 2)) * error


def _nothing(quantiles: Sequence[float], warmup: int, warning: str) -> Steady:
    return Steady(None, dict.fromkeys(quantiles), warmup, None, (warning,))


def _too_short(n: int, window: int, cycle: int) -> str:
    """What makes n values too few, to be added to a sentence; nothing when they are enough."""
    if n == 0:
        return "; all requests belong to the start-up or the drain" if window > 1 else ""
    left = f"; {n:,} requests are left between start-up and drain"
    if window > 1 and n < MIN_WINDOWS * window:
        return f"{left}, {n / window:.1f} times the {window:,} in flight, not {MIN_WINDOWS}"
    if cycle > 1 and n < MIN_CYCLES * cycle:
        return f"{left}, {n / cycle:.1f} cycles of the phases, not {MIN_CYCLES}"
    return ""


def _effective(size: int, variance: float, spread: _Spread) -> float:
    return min(float(size), variance / spread.error**2) if spread.error else float(size)


def _quantile(x: F64, seen: NDArray[np.bool_], ordered: F64, share: float, plan: _Plan) -> Estimate | str:
    n = ordered.size
    value = ordered[math.ceil(share * n) - 1]
    # with ties the two indicators differ, and the one that varies more decides
    widths = []
    for below in (x <= value, x < value):
        centre = np.count_nonzero(below) / n
        spread = _spread(np.where(seen, below - centre, 0.0) * (x.size / n), plan)
        if isinstance(spread, str):
            return spread
        widths.append(spread.half_width)
        if _effective(n, centre * (1 - centre), spread) * min(share, 1 - share) < MIN_TAIL:
            return _SHORT
    low, high = share - max(widths), share + max(widths)
    if low <= 0 or high >= 1:
        return _SHORT
    return Estimate(float(value), float(ordered[math.floor(low * n)]), float(ordered[math.ceil(high * n) - 1]))


def _spread(x: F64, plan: _Plan) -> _Spread | str:
    """Standard error and half width for the mean of x[replication, value], or why there is none."""
    n_run, n = x.shape
    halves, apart = _half_differences(x, plan.pipelines), 0.0
    if halves is not None:
        apart = _apart(halves, DRIFT_SUSPECT)
        if _apart(halves, DRIFT_CERTAIN) > 0:
            return _DRIFT
    fine = _independent_batch(x, plan.unit)
    widening = 1.0
    if fine is not None:
        size = max(FINE_PER_BATCH * fine, x.size // MAX_BATCHES // plan.unit * plan.unit)
    else:
        tied = _tied_batch(x, plan.unit)
        if tied is None:
            return _SHORT if plan.unit == 1 else _TIED
        size, left = tied
        widening = math.sqrt((1 + left) / (1 - left))
    batches = x.mean(axis=1) if n_run >= MIN_REPLICATIONS else _batch_means(x, size).ravel()
    error = widening * float(batches.std(ddof=1)) / math.sqrt(batches.size)
    half_width = max(apart, plan.half_width(error, batches.size - 1))
    if halves is not None and plan.pipelines > 1:
        of_halves = math.sqrt(float(np.mean(halves**2)) / (4 * halves.size))
        error, half_width = max(error, of_halves), max(half_width, plan.half_width(of_halves, halves.size))
    return _Spread(error, half_width)


def _half_differences(x: F64, pipelines: int) -> F64 | None:
    """Mean of the first half less that of the second, of each pipeline of each replication; None when too few."""
    turns = x.shape[1] // pipelines // 2
    if len(x) * pipelines < MIN_REPLICATIONS or turns < 1:
        return None
    parts = x[:, -2 * turns * pipelines :].reshape(len(x), 2, turns, pipelines).mean(axis=2)
    found: F64 = (parts[:, 0] - parts[:, 1]).ravel()
    return found


def _apart(halves: F64, level: float) -> float:
    """Mean difference between the halves where it is significant at this level, else 0."""
    from scipy.special import stdtrit

    error = float(halves.std(ddof=1)) / math.sqrt(halves.size)
    mean = abs(float(halves.mean()))
    return mean if mean > float(stdtrit(halves.size - 1, 1 - level / 2)) * error else 0.0


def _independent_batch(x: F64, unit: int) -> int | None:
    """Smallest power of two times the unit whose batch means are nearly uncorrelated with their neighbours, or None."""
    n_run, n = x.shape
    needed = max(FINE_PER_BATCH * math.ceil(MIN_BATCHES / n_run), MIN_FINE_PER_REPLICATION)
    means, size = _batch_means(x, unit) if unit > 1 else x, unit
    while means.shape[1] >= needed:
        # deviations from each run's own mean lower the correlation by about one over their number
        if _correlation(means) + 1 / means.shape[1] <= MAX_CORRELATION:
            return size
        means, size = _batch_means(means, 2), 2 * size
    return None


def _tied_batch(x: F64, unit: int) -> tuple[int, float] | None:
    """Smallest power of two times the unit whose batches are not tied too much, and their correlation, or None."""
    means, size = _batch_means(x, unit), unit
    while unit > 1 and means.size >= MIN_UNITS and means.shape[1] > 1:
        left = max(0.0, _correlation(means) + 1 / means.shape[1])
        if left <= MAX_LEFT:
            return size, left
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
