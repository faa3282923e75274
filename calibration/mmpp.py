"""Arrivals at a rate that switches between two values: the Markov-modulated Poisson process and its likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .families import UnfitError
from .sample import F64
from .trace import TraceError

_FIRST = 4_000
"""Gaps on which the starting points are tried."""
_SLOW = (3.0, 30.0, 300.0)
"""Mean times in a state, in mean gaps, of the starting points."""


@dataclass(frozen=True)
class Mmpp2:
    """A Markov-modulated Poisson process of two states.

    Parameters
    ----------
    rates : two floats
        Arrivals per unit of time in each state, >= 0, not both 0.
    stays : two floats
        Mean time in each state, > 0: with the rates what ``mmpp`` takes.

    Raises
    ------
    TraceError
        When a parameter is anything else.

    Notes
    -----
    Fischer and Meier-Hellstern, "The Markov-modulated Poisson process (MMPP) cookbook", Performance Evaluation 18 (1993).

    Examples
    --------
    >>> round(Mmpp2((0.2, 1.6), (20.0, 10.0)).rate, 6)
    0.666667
    """

    rates: tuple[float, float]
    stays: tuple[float, float]

    def __post_init__(self) -> None:
        if not (all(0.0 <= rate < math.inf for rate in self.rates) and any(self.rates) and len(self.rates) == 2):
            raise TraceError("Mmpp2.rates", self.rates, "two finite numbers >= 0, at least one above 0")
        if not (all(0.0 < stay < math.inf for stay in self.stays) and len(self.stays) == 2):
            raise TraceError("Mmpp2.stays", self.stays, "two finite numbers > 0")

    @property
    def rate(self) -> float:
        """Return the mean number of arrivals per unit of time."""
        return (self.rates[0] * self.stays[0] + self.rates[1] * self.stays[1]) / sum(self.stays)

    @property
    def _matrices(self) -> tuple[F64, F64]:
        """Return the rates without and with an arrival, D0 and D1."""
        (first, second), (leave, back) = self.rates, (1.0 / self.stays[0], 1.0 / self.stays[1])
        return np.array([[-first - leave, leave], [back, -second - back]]), np.diag(self.rates)

    @property
    def _at_arrival(self) -> F64:
        """Return the probabilities of the states just after an arrival."""
        weights = np.array(self.rates) * self.stays
        return np.asarray(weights / weights.sum())

    @property
    def scv(self) -> float:
        """Return the squared coefficient of variation of the gaps between arrivals."""
        inverse = np.linalg.inv(-self._matrices[0])
        mean = float(self._at_arrival @ inverse.sum(axis=1))
        return 2.0 * float(self._at_arrival @ inverse @ inverse.sum(axis=1)) / mean**2 - 1.0

    def autocorrelation(self, lag: int) -> float:
        """Return the correlation between two gaps that are ``lag`` >= 1 apart."""
        still, arrive = self._matrices
        inverse = np.linalg.inv(-still)
        step = np.linalg.matrix_power(inverse @ arrive, lag)
        mean = float(self._at_arrival @ inverse.sum(axis=1))
        joint = float(self._at_arrival @ inverse @ step @ inverse.sum(axis=1))
        return (joint / mean**2 - 1.0) / self.scv

    def dispersion(self, window: ArrayLike) -> F64:
        """Return variance over mean of the arrivals in windows of these lengths > 0, which may be infinite."""
        width = np.asarray(window, np.float64)
        leave, back = 1.0 / self.stays[0], 1.0 / self.stays[1]
        pace = leave + back
        total = 2.0 * (self.rates[0] - self.rates[1]) ** 2 * leave * back
        total /= pace**2 * (self.rates[0] * back + self.rates[1] * leave)
        return np.asarray(1.0 + total * (1.0 + np.expm1(-pace * width) / (pace * width)))

    def log_likelihood(self, gaps: ArrayLike) -> float:
        """Return the log-likelihood of gaps between neighbouring arrivals, float[n] >= 0, in the order in which they came."""
        x = np.asarray(gaps, np.float64)
        still, _ = self._matrices
        middle = 0.5 * (still[0, 0] + still[1, 1])
        half = 0.5 * (still[0, 0] - still[1, 1])
        root = math.sqrt(half * half + still[0, 1] * still[1, 0])
        # the exponential of D0 x, less its slower factor; nothing is subtracted that could cancel
        fade = np.exp(-2.0 * root * x)
        even = 0.5 * (1.0 + fade)
        odd = 0.5 * (1.0 - fade) / root
        a = (even + odd * half) * self.rates[0]
        b = odd * still[0, 1] * self.rates[1]
        c = odd * still[1, 0] * self.rates[0]
        d = (even - odd * half) * self.rates[1]
        total = (middle + root) * float(x.sum())
        return float(total + _log_product(self._at_arrival, a, b, c, d))


def _log_product(start: F64, a: F64, b: F64, c: F64, d: F64) -> float:
    """Return the logarithm of the sum of ``start`` times the matrices [[a, b], [c, d]] in their order, by halves."""
    total = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        while True:
            scale = np.maximum(np.maximum(a, b), np.maximum(c, d))
            total += float(np.log(scale).sum())
            a, b, c, d = a / scale, b / scale, c / scale, d / scale
            if a.size == 1:
                break
            even = a.size // 2 * 2
            rest = [each[even:] for each in (a, b, c, d)]
            a0, b0, c0, d0 = (each[0:even:2] for each in (a, b, c, d))
            a1, b1, c1, d1 = (each[1:even:2] for each in (a, b, c, d))
            pairs = (a0 * a1 + b0 * c1, a0 * b1 + b0 * d1, c0 * a1 + d0 * c1, c0 * b1 + d0 * d1)
            a, b, c, d = (np.concatenate([pair, left]) for pair, left in zip(pairs, rest, strict=True))
        value = start[0] * (a[0] + b[0]) + start[1] * (c[0] + d[0])
        return total + float(np.log(value))


def fit_mmpp2(gaps: ArrayLike) -> Mmpp2:
    """Return the two-state process of the greatest likelihood found.

    Parameters
    ----------
    gaps : array_like of float, n
        Between neighbouring arrivals, >= 0, in order; at least 16, not all the same.

    Returns
    -------
    Mmpp2
        The slower state first.

    Raises
    ------
    TraceError
        When the gaps are anything else.
    UnfitError
        When no process of two states is likelier than a Poisson process.

    Notes
    -----
    By BFGS over the logarithms of the four rates, from starting points of three speeds, of which the first 4,000 gaps choose
    the best. The likelihood: Rydén, "An EM algorithm for estimation in Markov-modulated Poisson processes", Comput. Statist. Data
    Anal. 21 (1996), equation 3.
    """
    from scipy.optimize import minimize

    x = checked_gaps("fit_mmpp2.gaps", gaps, 16)
    mean = float(x.mean())
    unit = x / mean

    def process(point: F64) -> Mmpp2:
        first, second, leave, back = np.exp(np.clip(point, -30.0, 30.0)).tolist()
        return Mmpp2((first, second), (1.0 / leave, 1.0 / back))

    def loss(point: F64, part: F64) -> float:
        value = process(point).log_likelihood(part) / part.size
        return -value if math.isfinite(value) else 1e6

    part = unit[:_FIRST]
    bounds = [(-20.0, 12.0)] * 2 + [(-20.0, 5.0)] * 2
    tried = []
    for pace in _SLOW:
        start = np.log([0.3, 2.5, 1.0 / pace, 2.0 / pace])
        tried.append(minimize(loss, start, (part,), method="L-BFGS-B", bounds=bounds))
    found = min(tried, key=lambda each: float(each.fun))
    if unit.size > part.size:
        found = minimize(loss, found.x, (unit,), method="L-BFGS-B", bounds=bounds)
    best = process(found.x)
    # of a Poisson process with a mean gap of 1 the log-likelihood per gap is -1
    if not -float(found.fun) > -1.0 + 1e-9:
        raise UnfitError("two states are no likelier than one")
    order = (0, 1) if best.rates[0] <= best.rates[1] else (1, 0)
    rates = (best.rates[order[0]] / mean, best.rates[order[1]] / mean)
    return Mmpp2(rates, (best.stays[order[0]] * mean, best.stays[order[1]] * mean))


def checked_gaps(path: str, gaps: ArrayLike, least: int) -> F64:
    """Return gaps between arrivals, at least so many, finite, >= 0 and not all 0."""
    x = np.asarray(gaps)
    if x.ndim != 1 or x.dtype.kind not in "iuf" or x.size < least:
        raise TraceError(path, f"{x.dtype}{list(x.shape)}", f"at least {least} numbers")
    x = x.astype(np.float64)
    bad = ~((x >= 0.0) & (x < np.inf))
    if bad.any():
        raise TraceError(f"{path}[{int(bad.argmax())}]", float(x[bad.argmax()]), "a finite number >= 0")
    if not x.any():
        raise TraceError(path, "only zeros", "at least one gap above 0")
    return x
