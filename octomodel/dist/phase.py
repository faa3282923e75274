"""Laws built of exponential phases: hyperexponential and phase-type."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from octomodel.errors import ModelError

from .base import F64, Law
from .checks import checked, finite_squares, numbers, probabilities, sequence, set_moments
from .invert import invert

_TERMS = 20
_BITS = 50


@dataclass(frozen=True)
class HyperExponential(Law):
    """One of several exponential laws, chosen at random.

    Parameters
    ----------
    probabilities : sequence of float
        Of the branches; they sum to 1.
    means : sequence of float
        Of the branches, finite and > 0, as many.

    Raises
    ------
    ModelError
        When a parameter is anything else.
    """

    name = "hyperexponential"
    probabilities: tuple[float, ...]
    means: tuple[float, ...]

    def __post_init__(self) -> None:
        weights = probabilities(self, "probabilities")
        means = np.array(numbers(self, "means"))
        if means.size != weights.size:
            raise ModelError(
                "HyperExponential.means", list(self.means), f"{weights.size} means, one per probability"
            )
        with finite_squares("HyperExponential.means", list(self.means)):
            mean = float(weights @ means)
            variance = float(weights @ (means**2 + (means - mean) ** 2))
        set_moments(self, mean, variance)

    @classmethod
    def from_cv(cls, mean: float, cv: float) -> HyperExponential:
        """Return the law of two branches that carry half of the mean each (balanced means).

        Parameters
        ----------
        mean : float
            Finite and > 0.
        cv : float
            Finite and >= 1.

        Raises
        ------
        ModelError
            When a parameter is anything else.
        """
        mean, cv = checked("HyperExponential.mean", mean), checked("HyperExponential.cv", cv, least=1.0)
        rare = 1.0 / ((cv * cv + 1.0) * (1.0 + math.sqrt((cv * cv - 1.0) / (cv * cv + 1.0))))
        return cls((1.0 - rare, rare), (mean / 2.0 / (1.0 - rare), mean / 2.0 / rare))

    def support(self) -> tuple[float, float]:
        return 0.0, math.inf

    def scaled(self, factor: float) -> HyperExponential:
        factor = checked("HyperExponential.factor", factor)
        return HyperExponential(self.probabilities, tuple(mean * factor for mean in self.means))

    def _branches(self) -> tuple[F64, F64]:
        weights = np.array(self.probabilities)
        return weights / weights.sum(), np.array(self.means)

    def _quantile(self, p: F64) -> F64:
        low, high = min(self.means), max(self.means)
        first = max(-math.log1p(-p.min()) * low, float(np.finfo(np.float64).tiny))
        last = max(-math.log1p(-p.max()) * high, 2.0 * first)
        return invert(self._cdf, self._sf, p, np.geomspace(0.999 * first, 1.001 * last, 257))

    def _sf(self, x: F64) -> F64:
        weights, means = self._branches()
        return np.asarray(np.exp(-x[:, None] / means) @ weights)

    def _cdf(self, x: F64) -> F64:
        weights, means = self._branches()
        return np.asarray(-np.expm1(-x[:, None] / means) @ weights)

    def _tail_moment(self, order: int, x: F64) -> F64:
        weights, means = self._branches()
        beyond = x[:, None] + means
        return np.asarray(
            ((beyond if order == 1 else beyond**2 + means**2) * np.exp(-x[:, None] / means)) @ weights
        )


@dataclass(frozen=True)
class PhaseType(Law):
    """The time to absorption of a Markov chain.

    Parameters
    ----------
    alpha : sequence of float
        Probabilities of the first phase; they sum to 1.
    T : sequence of sequences of float
        Rates between phases, square: negative on the diagonal, >= 0 elsewhere, no row sum above 0, absorption
        certain.

    Raises
    ------
    ModelError
        When a parameter is anything else.
    """

    name = "phase_type"
    alpha: tuple[float, ...]
    T: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        start = probabilities(self, "alpha")
        rows = [sequence(f"PhaseType.T[{i}]", row) for i, row in enumerate(sequence("PhaseType.T", self.T))]
        if len(rows) != start.size or any(len(row) != start.size for row in rows):
            raise ModelError(
                "PhaseType.T", self.T, f"{start.size} rows of {start.size} numbers, as many as alpha"
            )
        entries = [
            [self._rate(f"PhaseType.T[{i}][{j}]", value, i == j) for j, value in enumerate(row)]
            for i, row in enumerate(rows)
        ]
        object.__setattr__(self, "T", tuple(map(tuple, entries)))
        for i, row in enumerate(entries):
            if math.fsum(row) > 1e-9 * -row[i]:
                raise ModelError(
                    f"PhaseType.T[{i}]",
                    row,
                    f"a row whose sum is not above 0; this one sums to {math.fsum(row)!r}",
                )
        if not self._absorbing():
            raise ModelError("PhaseType.T", self.T, "rates that lead from every phase to absorption")
        with finite_squares("PhaseType.T", self.T):
            first = float(start @ self._stay.sum(axis=1))
            second = float(2.0 * start @ self._stay @ self._stay.sum(axis=1))
        set_moments(self, first, second - first * first)

    @staticmethod
    def _rate(path: str, value: object, diagonal: bool) -> float:
        rate = checked(path, value, above=-math.inf)
        if rate >= 0.0 if diagonal else rate < 0.0:
            raise ModelError(
                path, value, "a number < 0 on the diagonal" if diagonal else "a number >= 0 off the diagonal"
            )
        return rate

    def _absorbing(self) -> bool:
        rates = np.array(self.T)
        ends = rates.sum(axis=1) < 1e-14 * np.diag(rates)
        for _ in range(len(rates)):
            ends = ends | ((rates > 0.0) & ends).any(axis=1)
        return bool(ends.all())

    @cached_property
    def _stay(self) -> F64:
        """Return the mean times in phase j before absorption from phase i."""
        return np.asarray(np.linalg.inv(-np.array(self.T)))

    @cached_property
    def _steps(self) -> tuple[float, F64, list[F64]]:
        """Return the fastest rate, the jumps at it, the transitions over 1, 2, 4 ... of its time unit."""
        rates = np.array(self.T)
        fastest = float(-rates.diagonal().min())
        jumps = np.maximum(np.eye(len(rates)) + rates / fastest, 0.0)
        unit = np.zeros_like(jumps)
        term = np.eye(len(rates)) * math.exp(-1.0)
        for n in range(1, _TERMS + 1):
            unit += term
            term = term @ jumps / n
        powers = [unit]
        for _ in range(_BITS - 1):
            powers.append(powers[-1] @ powers[-1])
        return fastest, jumps, powers

    def _phases(self, x: F64) -> F64:
        """Return the probability of every phase at each time ``x``; no subtraction loses digits."""
        fastest, jumps, powers = self._steps
        whole, rest = np.divmod(np.minimum(x * fastest, 2.0**_BITS - 1.0), 1.0)
        start = np.array(self.alpha)
        term = np.exp(-rest)[:, None] * (start / start.sum())
        state: F64 = np.zeros_like(term)
        for n in range(1, _TERMS + 1):
            state += term
            term = (term @ jumps) * (rest / n)[:, None]
        bits = whole.astype(np.int64)
        for k in range(int(bits.max(initial=0)).bit_length()):
            odd = (bits >> k) & 1 == 1
            state[odd] = state[odd] @ powers[k]
        return state

    def support(self) -> tuple[float, float]:
        return 0.0, math.inf

    def scaled(self, factor: float) -> PhaseType:
        factor = checked("PhaseType.factor", factor)
        return PhaseType(self.alpha, tuple(tuple(rate / factor for rate in row) for row in self.T))

    def _quantile(self, p: F64) -> F64:
        high = np.array([self.mean])
        while self._sf(high)[0] > 1.0 - p.max():
            high *= 2.0
        low = np.array([self.mean])
        while self._cdf(low)[0] > p.min():
            low /= 2.0
        return invert(self._cdf, self._sf, p, np.geomspace(low[0], high[0], 257))

    def _sf(self, x: F64) -> F64:
        return np.asarray(self._phases(x).sum(axis=1))

    def _tail_moment(self, order: int, x: F64) -> F64:
        state = self._phases(x)
        first = state @ self._stay.sum(axis=1)
        if order == 1:
            return np.asarray(x * state.sum(axis=1) + first)
        return np.asarray(
            x * x * state.sum(axis=1)
            + 2.0 * x * first
            + 2.0 * (state @ (self._stay @ self._stay.sum(axis=1)))
        )
