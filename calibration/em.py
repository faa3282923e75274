"""Hyperexponential and hyper-Erlang laws by expectation-maximisation on a histogram of logarithms."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.special import gammaincc, gammaln

from octomodel import dist

from .density import log_gamma_survival
from .families import UnfitError
from .sample import F64, Sample

BINS = 300
"""Bins of the histogram on which expectation-maximisation runs."""
FINE = 20_000
"""Durations up to which the last search uses each; above, it uses a histogram of as many bins."""
_ROUNDS = 40
_EMPTY = 1e-9
"""Weight up to which a branch is left out."""


class _Data:
    """Durations in bins: their means and counts, of what ended and of what did not."""

    def __init__(self, durations: Sample, bins: int) -> None:
        self.x, self.weight = _binned(durations.seen, bins)
        self.open, self.open_weight = _binned(durations.times[~durations.observed], bins)
        self.log_x = np.log(self.x)
        self.total = float(self.weight.sum() + self.open_weight.sum())


def hyperexponential(durations: Sample, branches: int = 2) -> dist.HyperExponential:
    """Return the hyperexponential law of the greatest likelihood found.

    Parameters
    ----------
    durations : Sample
        Not truncated, with all ends seen > 0.
    branches : int
        From 2 to 4.

    Returns
    -------
    HyperExponential
        With fewer branches where some came out empty, the slowest first.

    Raises
    ------
    UnfitError
        When a duration is 0 or truncated, or all ends seen are the same.

    Notes
    -----
    Asmussen, Nerman and Olsson, "Fitting phase-type distributions via the EM algorithm", Scand. J. Statist. 23 (1996), for
    branches of one phase each, with censored ends as in Olsson, same volume.
    """
    _refuse(durations)
    shapes = np.ones(branches)
    weights, rates = _best(durations, [shapes])[1:]
    order = np.argsort(rates)
    return dist.HyperExponential(tuple(weights[order] / weights.sum()), tuple(1.0 / rates[order]))


def hyper_erlang(durations: Sample, order: int = 5) -> dist.Mixture | dist.Erlang:
    """Return the mixture of Erlang laws with ``order`` phases in all that has the greatest likelihood found.

    Parameters
    ----------
    durations : Sample
        Not truncated, with all ends seen > 0.
    order : int
        Phases of all branches together, from 2 to 10.

    Returns
    -------
    Mixture or Erlang
        The latter where one branch is best.

    Raises
    ------
    UnfitError
        When a duration is 0 or truncated, or all ends seen are the same.

    Notes
    -----
    Thümmler, Buchholz and Telek, "A novel approach for phase-type fitting with the EM algorithm", IEEE TDSC 3 (2006); every
    partition of the order is tried.
    """
    _refuse(durations)
    shapes, weights, rates = _best(durations, [np.array(part, float) for part in partitions(order)])
    if shapes.size == 1:
        return dist.Erlang(int(shapes[0]), float(shapes[0] / rates[0]))
    laws = tuple(dist.Erlang(int(shape), float(shape / rate)) for shape, rate in zip(shapes, rates, strict=True))
    return dist.Mixture(tuple(weights / weights.sum()), laws)


def partitions(total: int, most: int | None = None) -> Iterator[tuple[int, ...]]:
    """Yield the ways to write ``total`` as a sum of whole numbers, each at most ``most``, in descending order.

    Examples
    --------
    >>> list(partitions(4))
    [(4,), (3, 1), (2, 2), (2, 1, 1), (1, 1, 1, 1)]
    """
    if total == 0:
        yield ()
    for first in range(min(total, most or total), 0, -1):
        yield from ((first, *rest) for rest in partitions(total - first, first))


def _best(durations: Sample, settings: list[F64]) -> tuple[F64, F64, F64]:
    """Return shapes, weights and rates of the best setting, each begun from fast and from slow branches first."""
    coarse = _Data(durations, BINS)
    found = []
    for shapes in settings:
        for ordered in {tuple(shapes): shapes, tuple(shapes[::-1]): shapes[::-1]}.values():
            weights, rates = _start(coarse, ordered)
            for _ in range(_ROUNDS):
                weights, rates = _round(coarse, ordered, weights, rates)
            found.append((_loss(coarse, ordered, weights, rates), ordered, weights, rates))
    found.sort(key=lambda item: item[0])
    fine = _Data(durations, FINE)
    polished = [(*_polish(fine, *item[1:]), item[1]) for item in found[:2]]
    loss, weights, rates, shapes = min(polished, key=lambda item: item[0])
    if not math.isfinite(loss):
        raise UnfitError("the search for the greatest likelihood did not end")
    used = weights > _EMPTY
    return shapes[used], weights[used], rates[used]


def _start(data: _Data, shapes: F64) -> tuple[F64, F64]:
    """Return equal weights and, of as many parts of the durations in ascending order, the rates."""
    order = np.argsort(data.x)
    share = np.cumsum(data.weight[order]) / data.weight.sum()
    part = np.minimum((share * shapes.size - 1e-12).astype(np.int64), shapes.size - 1)
    counts = np.bincount(part, data.weight[order], minlength=shapes.size)
    sums = np.bincount(part, data.weight[order] * data.x[order], minlength=shapes.size)
    means = np.where(counts > 0.0, sums / np.maximum(counts, 1e-300), data.x.mean())
    return np.full(shapes.size, 1.0 / shapes.size), shapes / means


def _joint(data: _Data, shapes: F64, weights: F64, rates: F64) -> F64:
    """Return, per branch and bin, the logarithm of weight times density."""
    constant = np.log(weights) + shapes * np.log(rates) - gammaln(shapes)
    return np.asarray(constant[:, None] + (shapes - 1.0)[:, None] * data.log_x - rates[:, None] * data.x)


def _open(data: _Data, shapes: F64, weights: F64, rates: F64) -> F64:
    """Return, per branch and bin of unfinished durations, the logarithm of weight times survival."""
    far = [log_gamma_survival(shape, rate * data.open) for shape, rate in zip(shapes, rates, strict=True)]
    return np.asarray(np.log(weights)[:, None] + np.stack(far))


def _shares(joint: F64) -> tuple[F64, F64]:
    """Return the probabilities of the branches per bin and the logarithm of the sum over branches."""
    top = joint.max(axis=0)
    part = np.exp(joint - top)
    total = part.sum(axis=0)
    return part / total, top + np.log(total)


def _round(data: _Data, shapes: F64, weights: F64, rates: F64) -> tuple[F64, F64]:
    share = _shares(_joint(data, shapes, weights, rates))[0] * data.weight
    count, length = share.sum(axis=1), share @ data.x
    if data.open.size:
        share = _shares(_open(data, shapes, weights, rates))[0] * data.open_weight
        count = count + share.sum(axis=1)
        length = length + (share * _beyond(data.open, shapes, rates)).sum(axis=1)
    count = np.maximum(count, 1e-12 * data.total)
    return count / data.total, shapes * count / np.maximum(length, 1e-300)


def _beyond(x: F64, shapes: F64, rates: F64) -> F64:
    """Return, per branch, the mean of a duration that is known to be above ``x``."""
    at = rates[:, None] * x
    k = shapes[:, None]
    more = np.exp(-at + k * np.log(np.maximum(at, 1e-300)) - gammaln(k + 1.0))
    alive = np.asarray(gammaincc(k, at))
    ratio = np.where(alive > 0.0, more / np.where(alive > 0.0, alive, 1.0), np.maximum(at, k) / k)
    return np.asarray((k + k * ratio) / rates[:, None])


def _loss(data: _Data, shapes: F64, weights: F64, rates: F64) -> float:
    """Return minus the log-likelihood."""
    total = float(_shares(_joint(data, shapes, weights, rates))[1] @ data.weight)
    if data.open.size:
        total += float(_shares(_open(data, shapes, weights, rates))[1] @ data.open_weight)
    return -total


def _polish(data: _Data, shapes: F64, weights: F64, rates: F64) -> tuple[float, F64, F64]:
    """Return the least loss near a point, with weights and rates, by BFGS over their logarithms."""
    from scipy.optimize import minimize

    m = shapes.size
    start = np.concatenate([np.log(weights), np.log(rates)])

    def loss(point: F64) -> tuple[float, F64]:
        w, r = _point(point, m)
        share, log_sum = _shares(_joint(data, shapes, w, r))
        share = share * data.weight
        value = float(log_sum @ data.weight)
        count, pull = share.sum(axis=1), shapes * share.sum(axis=1) - r * (share @ data.x)
        if data.open.size:
            share, log_sum = _shares(_open(data, shapes, w, r))
            share = share * data.open_weight
            value += float(log_sum @ data.open_weight)
            count = count + share.sum(axis=1)
            # d log S / d log rate = shape - rate E[x | above], the score of a whole duration averaged over what may come
            pull = pull + shapes * share.sum(axis=1) - r * (share * _beyond(data.open, shapes, r)).sum(axis=1)
        slope = np.concatenate([count - data.total * w, pull])
        return -value / data.total, -slope / data.total

    found = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-8, "maxiter": 500})
    w, r = _point(found.x, m)
    return float(found.fun), w, r


def _point(point: F64, m: int) -> tuple[F64, F64]:
    raw = np.exp(point[:m] - point[:m].max())
    return np.maximum(raw / raw.sum(), 1e-300), np.exp(np.clip(point[m:], -600.0, 600.0))


def _binned(x: F64, bins: int) -> tuple[F64, F64]:
    """Return the means and counts of equal bins over the logarithms; the values themselves where they are no more than bins."""
    if x.size <= bins:
        return x, np.ones(x.size)
    logs = np.log(x)
    low, high = float(logs.min()), float(logs.max())
    if not high > low:
        return x[:1], np.array([float(x.size)])
    at = np.minimum(((logs - low) * (bins / (high - low))).astype(np.int64), bins - 1)
    counts = np.bincount(at, minlength=bins)
    used = counts > 0
    return np.bincount(at, x, minlength=bins)[used] / counts[used], counts[used].astype(np.float64)


def _refuse(durations: Sample) -> None:
    if durations.truncated:
        raise UnfitError("durations that began before they were seen are not supported")
    if float(durations.times.min()) <= 0.0:
        raise UnfitError("a duration is 0")
    if float(durations.seen.max() - durations.seen.min()) <= 1e-9 * float(durations.seen.max()):
        raise UnfitError("all ends seen are the same")
