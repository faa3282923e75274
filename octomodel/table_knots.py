"""The values of a quantile table before they are rounded: the forms it may take, and where its knots lie.

A straight line between exact quantiles has the wrong mean where the quantile function bends, so knots are
moved until the mean of each bin is the expectation of the law there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from octomodel.dist import Deterministic, Empirical, Law, Mixture
from octomodel.kernels.model import CONSTANT, CURVE, STEPS

F64 = NDArray[np.float64]

MOST_ERROR = 1e-3
_AIM = 1e-4
_BINS = 1024
_LEVELS = 4
_SWEEPS = 4


def candidates(law: Law) -> Iterator[tuple[int, F64, float]]:
    """Yield the tables a law may have, what is wanted most first.

    Parameters
    ----------
    law : Law
        With a finite mean.

    Yields
    ------
    tuple
        Kind; values in cycles, [level, knot] for a CURVE; the error that is small enough to look no further.
    """
    if isinstance(law, Deterministic):
        yield CONSTANT, np.array([law.value]), MOST_ERROR
    elif isinstance(law, Empirical):
        yield STEPS, np.array(law.samples), MOST_ERROR
    elif law.discrete:
        for bits in (16, 20):
            yield STEPS, _equal_values(law, 2**bits), MOST_ERROR
    else:
        bounded = law.support()[1] < math.inf
        bins: list[tuple[F64, F64]] = []
        for levels in range(1, _LEVELS + 1):
            bins.append(_bins(law, _tail(levels), 1))
            if levels == _LEVELS or (law.cv < math.inf and (bounded or levels > 1)):
                yield CURVE, _curve(law, bins, 1), _AIM if law.cv < math.inf else MOST_ERROR
        if law.cv < math.inf:
            yield CURVE, _curve(law, bins, 2), MOST_ERROR
            for bits in (14, 16):
                yield STEPS, _bin_values(law, 2**bits), MOST_ERROR


def _tail(levels: int) -> F64:
    """Return the tail probabilities of the knots of the last of so many levels."""
    return np.arange(float(_BINS), -1.0, -1.0) * 0.5 ** (10 * levels)


def _bins(law: Law, tail: F64, order: int) -> tuple[F64, F64]:
    """Return the quantiles at falling tail probabilities, and the mean of value**order between each two."""
    quantiles = law.quantile(1.0 - tail)
    finite = np.where(tail > 0.0, quantiles, 0.0)
    # the second term is the share of an atom on this side; it also cancels the error of a numerical quantile
    upper = law.tail_moment(order, quantiles) + finite**order * (tail - law.sf(quantiles))
    return quantiles, (upper[:-1] - upper[1:]) / (tail[:-1] - tail[1:])


def _curve(law: Law, bins: Sequence[tuple[F64, F64]], last_order: int) -> F64:
    """Return the knots [level, 1025] of a law, in cycles; the last bin meets the moment of ``last_order``."""
    low, high = law.support()
    knots = np.empty((len(bins), _BINS + 1))
    for level, (quantiles, means) in enumerate(bins):
        row, goal = quantiles.copy(), np.clip(means, quantiles[:-1], quantiles[1:])
        order, moment = 1, goal[-2]
        if level == len(bins) - 1:
            order, moment = last_order, _bins(law, _tail(len(bins))[-2:], last_order)[1][0]
        else:
            row, goal = row[:-1], goal[:-1]
        highest = min(high, row[-1])
        for _ in range(_SWEEPS):
            row[0] = max(low, min(2.0 * goal[0] - row[1], row[1]))
            row[-1] = max(row[-2], min(highest, _other_end(row[-2], moment, order)))
            error = (row[1:-2] + row[2:-1]) / 2.0 - goal[1:-1]
            # a knot moves by the mean error of its two bins; the free ends put right the outermost bins
            row[1:-1] -= (np.append(0.0, error) + np.append(error, 0.0)) / 2.0
            row = np.maximum.accumulate(row)
        knots[level, : row.size] = np.clip(row, low, high)
        low = knots[level, row.size - 1]
    # the bins that a further level refines are never read; their right ends stay in order
    knots[:-1, -1] = knots[-1, -1]
    return knots


def _other_end(start: float, moment: float, order: int) -> float:
    """Return where a straight line from ``start`` must end for its mean, or mean square, to be ``moment``."""
    if order == 1:
        return 2.0 * moment - start
    return (math.sqrt(max(12.0 * moment - 3.0 * start * start, 0.0)) - start) / 2.0


def _bin_values(law: Law, most: int) -> F64:
    """Return about ``most`` equally likely values: the means of the law between its quantiles."""
    # a gap between the components of a mixture then falls between two bins
    weights = law.weights if isinstance(law, Mixture) else ()
    parts = math.lcm(*(_fraction(weight).denominator for weight in weights))
    n = most - most % min(parts, most)
    quantiles, means = _bins(law, np.arange(n, -1, -1) / n, 1)
    return np.clip(means, quantiles[:-1], quantiles[1:])


def _equal_values(law: Law, most: int) -> F64:
    """Return equally likely values of a discrete law, exact up to a common denominator of ``most``."""
    atoms = _atoms(law)
    n = math.lcm(*(share.denominator for share, _ in atoms))
    if n <= most and sum(share * len(values) for share, values in atoms) == 1:
        return np.sort(np.concatenate([np.repeat(values, int(share * n)) for share, values in atoms]))
    values = np.concatenate([values for _, values in atoms])
    chance = np.concatenate([np.full(len(values), float(share)) for share, values in atoms])
    order = np.argsort(values)
    reached = np.cumsum(chance[order])
    return np.asarray(values[order][np.searchsorted(reached, reached[-1] * (np.arange(most) + 0.5) / most)])


def _atoms(law: Law) -> list[tuple[Fraction, F64]]:
    """Return groups of values with the probability of each value."""
    if isinstance(law, Empirical):
        return [(Fraction(1, len(law.samples)), np.array(law.samples))]
    if isinstance(law, Mixture):
        return [
            (_fraction(weight) * share, values)
            for weight, part in zip(law.weights, law.laws, strict=True)
            for share, values in _atoms(part)
            if weight > 0.0
        ]
    return [(Fraction(1), law.quantile(np.array([0.5])))]


def _fraction(weight: float) -> Fraction:
    """Return the simple fraction that a weight of up to eight digits, or one third, was written for."""
    return Fraction(weight).limit_denominator(10**8)
