"""Twins: the same systems with service times wrong by one percent, and how surely that is seen.

A plain run and its twin face the same draws, so what a value differs by between them is the bias that an error of
one percent brings, hardly blurred by chance. From the bias, the interval and the standard error follows the
probability that a twin with any other draws would fail: that its interval would not hold the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from octomodel.verification.judge import Check
from octomodel.verification.report import Report

TWIN = 1.01
"""Factor on the service times of a twin."""
POWER = 0.999
"""Every twin must fail with a higher probability."""


@dataclass(frozen=True)
class Sight:
    """A value that shows the twin of a system.

    Attributes
    ----------
    case, metric : str
        The system and the value.
    bias : float
        What the twin changes in it, as a share of the answer.
    reach : float
        How far an interval of the twin reaches towards the answer, as a share of it; with the answer's own error.
    missed : float
        Probability that the interval of a twin still holds the answer.
    """

    case: str
    metric: str
    bias: float
    reach: float
    missed: float

    @property
    def power(self) -> float:
        """Return the probability that a twin fails by this value."""
        return 1.0 - self.missed


def sights(plain: Report, twin: Report) -> dict[str, Sight]:
    """Return for each system the value that shows its twin most surely.

    An answer of theory goes before the mean service time, which is looked at beside, where it shows enough.

    Parameters
    ----------
    plain, twin : Report
        Of the same systems, service times being longer in the second.
    """
    best: dict[str, Sight] = {}
    for one, other in zip(plain.rows, twin.rows, strict=True):
        found = sight(one, other)
        if one.case not in best or _rank(found) > _rank(best[one.case]):
            best[one.case] = found
    return best


def sight(one: Check, other: Check) -> Sight:
    """Return how surely one value shows a twin.

    Parameters
    ----------
    one, other : Check
        The value of the plain system and of its twin.
    """
    from scipy.special import ndtr

    bias = other.simulated - one.simulated
    reach = one.uncertain + (other.simulated - other.lo if bias > 0.0 else other.hi - other.simulated)
    beyond = abs(bias) - reach
    missed = float(ndtr(-beyond / other.error)) if other.error else float(beyond <= 0.0)
    size = abs(one.expected)
    return Sight(one.case, one.metric, bias / size, reach / size, missed)


def _rank(found: Sight) -> tuple[bool, float]:
    answer = not found.metric.startswith("service ")
    return answer and found.power > POWER, -found.missed
