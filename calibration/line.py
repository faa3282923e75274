"""A time that is a line of an attribute, times noise, and the line of the greatest quasi-likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from octomodel import dist

from .sample import F64

EDGE = 1.0 - 1e-12
"""Share of the slope that stands for a line through 0: at 1 itself requests of size 0 would have no time at all."""


@dataclass(frozen=True)
class Line:
    """The time ``(base + slope * attribute) * noise``.

    Attributes
    ----------
    attribute : str
        Request attribute.
    base, slope : float
        Time at 0 and per unit of the attribute, both >= 0.
    noise : Law
        With mean 1.
    """

    attribute: str
    base: float
    slope: float
    noise: dist.Law

    def __mul__(self, factor: float) -> Line:
        """Return the time in a unit that is ``factor`` times smaller."""
        return Line(self.attribute, self.base * factor, self.slope * factor, self.noise)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain form of a time in a program."""
        return {"per": self.attribute, "slope": self.slope, "base": self.base, "law": self.noise.to_dict()}


def fit_line(times: F64, sizes: F64) -> tuple[float, float]:
    """Return base and slope, both >= 0, of the greatest quasi-likelihood; the mean of times over the line is 1.

    Parameters
    ----------
    times, sizes : float64[n]
        Finite and >= 0; not all times 0, not all sizes the same.

    Notes
    -----
    With the line s (1 + r (x / mean x - 1)) and its scale s at the best, the share r of the slope in [0, 1] is left: the root of
    the derivative in r of log(mean(t / u)) + mean(log u), where u is the line without its scale.

    Examples
    --------
    >>> base, slope = fit_line(np.array([5.0, 7.0, 13.0]), np.array([1.0, 2.0, 5.0]))
    >>> round(base, 9), round(slope, 9)
    (3.0, 2.0)
    """
    centre = float(sizes.mean())
    rise = sizes / centre - 1.0

    def derivative(share: float) -> float:
        over = 1.0 / (1.0 + share * rise)
        weight, change = times * over, rise * over
        return float(change.mean() - (weight @ change) / weight.sum())

    def loss(share: float) -> float:
        line = 1.0 + share * rise
        return float(np.log((times / line).mean()) + np.log(line).mean())

    at_level, at_origin = derivative(0.0), derivative(EDGE)
    if at_level < 0.0 < at_origin:
        share = float(brentq(derivative, 0.0, EDGE, xtol=1e-15, rtol=1e-15))
    elif at_origin > 0.0 or at_level >= 0.0 and loss(0.0) <= loss(EDGE):
        share = 0.0
    else:
        share = 1.0
    line = 1.0 + share * rise
    kept = line > 0.0
    scale = float((times[kept] / line[kept]).mean())
    return scale * (1.0 - share), scale * share / centre
