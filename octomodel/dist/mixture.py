"""A law chosen at random among others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from octomodel.errors import ModelError

from .base import F64, Law, from_dict
from .checks import checked, finite_squares, probabilities, sequence, set_moments
from .invert import invert

# each component's quantiles at these probabilities bracket those of the mixture
_NODES = np.concatenate(
    [2.0 ** -np.arange(50.0, 6.0, -1.0), np.arange(1.0, 64.0) / 64.0, 1.0 - 2.0 ** -np.arange(7.0, 51.0)]
)


@dataclass(frozen=True)
class Mixture(Law):
    """One of several laws, chosen at random.

    Parameters
    ----------
    weights : sequence of float
        Probabilities of the laws; they sum to 1.
    laws : sequence of Law
        As many; some may be Deterministic(0), not all.

    Raises
    ------
    ModelError
        When a parameter is anything else.

    Examples
    --------
    >>> from octomodel import dist
    >>> dist.Mixture([0.9, 0.1], [dist.Deterministic(10), dist.Exponential(100)]).mean
    19.0
    """

    name = "mixture"
    weights: tuple[float, ...]
    laws: tuple[Law, ...]

    def __post_init__(self) -> None:
        weights = probabilities(self, "weights")
        laws = sequence("Mixture.laws", self.laws)
        for i, law in enumerate(laws):
            if not isinstance(law, Law):
                raise ModelError(f"Mixture.laws[{i}]", law, "a law")
        if len(laws) != weights.size:
            raise ModelError("Mixture.laws", list(laws), f"{weights.size} laws, one per weight")
        object.__setattr__(self, "laws", laws)
        means = np.array([law.mean for law in self.laws])
        used = weights > 0.0
        with finite_squares("Mixture.laws", list(laws)):
            mean = float(weights[used] @ means[used])
            variances = np.array([law.variance for law in self.laws])
            spread = float(weights[used] @ (variances[used] + (means[used] - mean) ** 2)) if np.isfinite(mean) else np.inf
        set_moments(self, mean, spread)

    @property
    def discrete(self) -> bool:
        """Return whether each law of a weight above 0 has finitely many values."""
        return all(law.discrete for _, law in self._used())

    def _used(self) -> list[tuple[float, Law]]:
        total = sum(self.weights)
        return [
            (weight / total, law) for weight, law in zip(self.weights, self.laws, strict=True) if weight > 0.0
        ]

    def support(self) -> tuple[float, float]:
        """Return the smallest and the largest value of the laws of a weight above 0."""
        ends = [law.support() for _, law in self._used()]
        return min(low for low, _ in ends), max(high for _, high in ends)

    def scaled(self, factor: float) -> Mixture:
        factor = checked("Mixture.factor", factor)
        return Mixture(self.weights, tuple(law.scaled(factor) for law in self.laws))

    def _quantile(self, p: F64) -> F64:
        nodes = np.concatenate([[p.min()], _NODES[(_NODES > p.min()) & (_NODES < p.max())], [p.max()]])
        grid = np.unique(np.concatenate([law.quantile(nodes) for _, law in self._used()]))
        # one value below the first, so that an atom there has a bracket too
        return invert(self._cdf, self._sf, p, np.concatenate([[grid[0] * 0.5], grid]))

    def _sf(self, x: F64) -> F64:
        return np.asarray(sum(weight * law.sf(x) for weight, law in self._used()))

    def _cdf(self, x: F64) -> F64:
        return np.asarray(sum(weight * law.cdf(x) for weight, law in self._used()))

    def _tail_moment(self, order: int, x: F64) -> F64:
        return np.asarray(sum(weight * law.tail_moment(order, x) for weight, law in self._used()))

    @classmethod
    def _from_fields(cls, fields: Mapping[str, Any], path: str) -> Self:
        laws = sequence(f"{path}.laws", fields["laws"])
        return cls(
            fields["weights"], tuple(from_dict(law, f"{path}.laws[{i}]") for i, law in enumerate(laws))
        )
