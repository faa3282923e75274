"""Maximum likelihood for the families of one and two parameters, with their lower end at 0."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import digamma, log_ndtr, polygamma

from octomodel import dist

from .density import log_gamma_survival
from .sample import F64, Sample

_BINS = 2048
_PART = 2**15
_STEPS = 60


class UnfitError(ValueError):
    """A family that has no best law for these durations; the text says why."""


def exponential(durations: Sample) -> dist.Exponential:
    """Return the exponential law of the greatest likelihood: the time in sight over the ends seen.

    Examples
    --------
    >>> from octomodel.calibration.sample import sample
    >>> exponential(sample([1.0, 2.0, 3.0], censored=[False, False, True])).mean
    3.0
    """
    return dist.Exponential(float((durations.times - durations.entry).sum()) / durations.seen.size)


def gamma(durations: Sample) -> dist.Gamma:
    """Return the gamma law of the greatest likelihood.

    Notes
    -----
    Complete durations: the generalised Newton step for the shape of Minka, "Estimating a gamma distribution", 2002. Otherwise
    by search over the logarithms of shape and scale.
    """
    shape, scale = _gamma_complete(durations)
    if durations.complete:
        return dist.Gamma.from_shape(shape, scale)
    ends, total, logs = durations.seen.size, float(durations.seen.sum()), float(durations.logs.sum())
    open_, entry = durations.times[~durations.observed], durations.entry[durations.entry > 0.0]

    def loss(point: F64) -> float:
        shape, scale = math.exp(point[0]), math.exp(point[1])
        closed = (shape - 1.0) * logs - total / scale - ends * (math.lgamma(shape) + shape * point[1])
        late = float(log_gamma_survival(shape, open_ / scale).sum()) - float(log_gamma_survival(shape, entry / scale).sum())
        return float(-closed - late)

    first = float((durations.times - durations.entry).sum()) / ends
    best = _search(loss, np.array([math.log(shape), math.log(first / shape)]))
    return dist.Gamma.from_shape(math.exp(best[0]), math.exp(best[1]))


def lognormal(durations: Sample) -> dist.LogNormal:
    """Return the lognormal law of the greatest likelihood: mean and deviation of the logarithms where all is complete."""
    logs = _logs(durations)
    centre, spread = float(logs.mean()), float(logs.std())
    if not durations.complete:
        open_ = np.log(np.maximum(durations.times[~durations.observed], 1e-300))
        entry = np.log(durations.entry[durations.entry > 0.0])
        ends, second = logs.size, float(logs.var())

        def loss(point: F64) -> float:
            mu, sigma = point[0], math.exp(point[1])
            closed = -ends * (point[1] + 0.5 * (second + (centre - mu) ** 2) / sigma**2)
            late = float(log_ndtr((mu - open_) / sigma).sum()) - float(log_ndtr((mu - entry) / sigma).sum())
            return float(-closed - late)

        best = _search(loss, np.array([centre, math.log(spread)]))
        centre, spread = float(best[0]), math.exp(best[1])
    return dist.LogNormal.from_log(centre, spread)


def weibull(durations: Sample) -> dist.Weibull:
    """Return the Weibull law of the greatest likelihood: the root of the profile score in the logarithm of the shape.

    Notes
    -----
    Lawless, Statistical Models and Methods for Lifetime Data, 2nd ed., section 5.2. The first steps use a histogram of the
    logarithms, so that a million durations are passed over once or twice.
    """
    ended = _logs(durations)
    logs, weights = ended, np.ones(1)
    if durations.censored:
        logs = np.log(np.maximum(durations.times, 1e-300))
    if durations.truncated:
        late = durations.entry > 0.0
        weights = np.concatenate([np.ones(logs.size), -np.ones(int(late.sum()))])
        logs = np.concatenate([logs, np.log(durations.entry[late])])
    top, centre = float(logs.max()), float(ended.mean())
    target = centre - top
    # the logarithm of a Weibull value deviates by pi / sqrt(6) / shape
    if logs.size > 8 * _BINS and weights.size == 1:
        middles, counts = _histogram(logs, top)
        spread = math.sqrt(float(counts @ (middles - counts @ middles / logs.size) ** 2) / logs.size)
        shape, _ = _weibull_shape(middles, counts, 0.0, target, math.pi / math.sqrt(6.0) / spread, 1e-9)
    else:
        shape = math.pi / math.sqrt(6.0) / float(ended.std())
    shape, total = _weibull_shape(logs, weights, top, target, shape, 1e-5)
    if not total > 0.0:
        raise UnfitError("the ages at entry outweigh the durations")
    return dist.Weibull.from_shape(shape, math.exp(top) * (total / ended.size) ** (1.0 / shape))


def pareto(durations: Sample) -> dist.Pareto:
    """Return the Pareto law of the greatest likelihood: it starts at the smallest duration whose end was seen.

    Notes
    -----
    Arnold, Pareto Distributions, 2nd ed., section 5.2; with censoring the index is ends over log-time in sight.
    """
    low = float(durations.seen.min())
    _logs(durations)
    start = np.maximum(durations.entry, low)
    exposure = float(np.log(np.maximum(durations.times, start) / start).sum())
    return dist.Pareto(durations.seen.size / exposure, low)


def bounded_pareto(durations: Sample) -> dist.BoundedPareto:
    """Return the bounded Pareto law of the greatest likelihood, between the smallest and the largest duration.

    Raises
    ------
    UnfitError
        When a duration is censored or truncated, the likelihood has no maximum at an index above 0, or the largest duration is
        no smaller than one expects of a Pareto law without an upper end, at 0.05.

    Notes
    -----
    Aban, Meerschaert and Panorska, "Parameter estimation for the truncated Pareto distribution", JASA 101 (2006), theorem 2 and
    the test of section 4; an information criterion does not tell the two laws apart, since an end is no regular parameter.
    """
    from scipy.optimize import brentq

    if not durations.complete:
        raise UnfitError("the upper end has no best place when durations are censored or truncated")
    logs = _logs(durations)
    low, high = float(durations.seen.min()), float(durations.seen.max())
    width, mean = math.log(high / low), float(logs.mean()) - math.log(low)

    if math.exp(-logs.size * math.exp(-width / mean)) > 0.05:
        raise UnfitError("the durations show no upper end")

    def score(alpha: float) -> float:
        return 1.0 / alpha - width / math.expm1(alpha * width) - mean

    least, most = 1e-6 / width, 600.0 / width
    if score(least) <= 0.0 or score(most) >= 0.0:
        raise UnfitError("no index above 0 is best")
    return dist.BoundedPareto(float(brentq(score, least, most, xtol=1e-14)), low, high)


def _logs(durations: Sample) -> F64:
    """Return the logarithms of the ends seen, or say why there is no law of positive values with two parameters."""
    low, high = float(durations.seen.min()), float(durations.seen.max())
    if low <= 0.0:
        raise UnfitError("a duration is 0")
    if high - low <= 1e-9 * high:
        raise UnfitError("all ends seen are the same")
    return durations.logs


def _gamma_complete(durations: Sample) -> tuple[float, float]:
    mean = float(durations.seen.mean())
    gap = math.log(mean) - float(_logs(durations).mean())
    if not gap > 0.0:
        raise UnfitError("the durations differ too little")
    shape = (3.0 - gap + math.sqrt((gap - 3.0) ** 2 + 24.0 * gap)) / (12.0 * gap)
    for _ in range(_STEPS):
        wrong = math.log(shape) - float(digamma(shape)) - gap
        inverse = 1.0 / shape + wrong / (shape * shape * (1.0 / shape - float(polygamma(1, shape))))
        step = abs(1.0 / inverse - shape)
        shape = 1.0 / inverse
        if step <= 1e-12 * shape:
            break
    return shape, mean / shape


def _weibull_shape(
    logs: F64, weights: F64, top: float, target: float, shape: float, precision: float
) -> tuple[float, float]:
    """Give the root of the profile score, by Newton steps in its logarithm good to ``precision`` squared, and the sum of powers.

    All is relative to the greatest logarithm, ``top``, so that no power overflows.
    """
    for _ in range(_STEPS):
        total, first, second = _tilted(shape, logs, weights, top)
        mean = first / total
        score = mean - 1.0 / shape - target
        slope = shape * (second / total - mean * mean) + 1.0 / shape
        # a step of more than a factor of e is cut: far from the root the score is flat
        step = min(max(-score / slope, -1.0), 1.0) if slope > 0.0 else -math.copysign(0.5, score)
        longer = shape * math.expm1(step)
        shape += longer
        if abs(step) <= precision:
            return shape, total + longer * (first + 0.5 * longer * second)
    raise UnfitError("no best shape was found")


def _tilted(shape: float, logs: F64, weights: F64, top: float) -> tuple[float, float, float]:
    """Return the sums of exp(shape log) times 1, log and its square, in parts that stay in the cache of a processor."""
    total = first = second = 0.0
    for at in range(0, logs.size, _PART):
        part = logs[at : at + _PART] - top
        power = np.exp(shape * part)
        if weights.size > 1:
            power *= weights[at : at + _PART]
        total += float(power.sum())
        power *= part
        first += float(power.sum())
        second += float(power @ part)
    return total, first, second


def _histogram(logs: F64, top: float) -> tuple[F64, F64]:
    """Return the middles, less ``top``, and counts of equal bins over logarithms."""
    low = float(logs.min())
    width = (top - low) / _BINS
    counts = np.zeros(_BINS, np.int64)
    for at in range(0, logs.size, _PART):
        bins = ((logs[at : at + _PART] - low) * (1.0 / width)).astype(np.int64)
        counts += np.bincount(np.minimum(bins, _BINS - 1), minlength=_BINS)
    return np.asarray(low - top + width * (np.arange(_BINS) + 0.5), np.float64), counts.astype(np.float64)


def _search(loss: Callable[[F64], float], start: F64) -> F64:
    """Return the point of least loss, to far less than 1e-6 of a log-likelihood."""
    from scipy.optimize import minimize

    options = {"xatol": 1e-9, "fatol": 1e-9, "maxiter": 4000, "maxfev": 4000}
    found = minimize(loss, start, method="Nelder-Mead", options=options)
    if not found.success:
        raise UnfitError("the search for the greatest likelihood did not end")
    return np.asarray(found.x)
