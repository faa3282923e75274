"""Times that depend on an attribute of the request: a line of it, times noise."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .bootstrap import Interval, interval, law_of
from .families import UnfitError
from .line import Line, fit_line
from .sample import F64, Sample
from .times import FAMILIES, LEAST, REJECTED, TimeFit, fit_time
from .trace import TraceError

DRAWS = 400
"""Of the bootstrap behind the intervals."""
SAME = 1e-9
"""Relative spread up to which values are one."""


@dataclass(frozen=True, eq=False)
class Regression:
    """How the time of a task depends on an attribute of its request.

    Attributes
    ----------
    line : Line
        To be used.
    base, slope : Interval
        With 95 % limits of the bootstrap by request.
    noise : TimeFit
        Law of the durations over the line, and why it is that one; ``line.noise`` is its law, scaled to mean 1.
    r_squared : float
        Share of the squared deviations from one mean that the line takes away, each relative to the line; nan where all
        durations are the same.
    slope_p : float
        That the attribute does not matter: rank correlation of the durations with it, against a positive one; nan where all
        durations are the same.
    left, left_p : float
        Rank correlation of the noise with the attribute, and its p-value; nan where there is no noise.
    durations : Sample
        What was fitted.
    sizes : float64[duration]
        The attribute of each duration's request.
    """

    line: Line
    base: Interval
    slope: Interval
    noise: TimeFit
    r_squared: float
    slope_p: float
    left: float
    left_p: float
    durations: Sample
    sizes: F64

    @property
    def verdict(self) -> str:
        """Return in words whether the attribute matters and whether the line says all about it."""
        name = self.line.attribute
        if math.isnan(self.slope_p):
            return f"all durations are the same, whatever {name}"
        matters = "does not show" if self.slope_p > REJECTED else "matters"
        said = f"{name} {matters} (p = {self.slope_p:.2g})"
        if self.left_p <= REJECTED:
            said += f"; the noise still depends on it (rank correlation {self.left:.2f}, p = {self.left_p:.2g})"
        return said

    def draws(self, count: int, seed: int = 0) -> list[Line]:
        """Return lines with their noise, each fitted to as many requests drawn with replacement, the family as chosen.

        Parameters
        ----------
        count : int
            How many, at least 1.
        seed : int
            Of the draws.

        Raises
        ------
        TraceError
            When ``count`` is below 1, or 10 draws in a row have no best law of the noise.
        """
        if count < 1:
            raise TraceError("Regression.draws.count", count, "an integer >= 1")
        lines: list[Line] = []
        failures = 0
        for drawn, sizes in _redrawn(self.durations, self.sizes, seed):
            base, slope = fit_line(drawn.times, sizes)
            try:
                law = law_of(self.noise.family, _noise(drawn, base + slope * sizes))
            except UnfitError as error:
                failures += 1
                if failures == 10:
                    raise TraceError("Regression.draws", str(error), "noise of which most draws have a best law") from None
                continue
            failures = 0
            lines.append(Line(self.line.attribute, base, slope, law * (1.0 / law.mean)))
            if len(lines) == count:
                break
        return lines


def regress(
    durations: Sample,
    sizes: ArrayLike,
    *,
    attribute: str,
    among: Iterable[str] = tuple(FAMILIES),
    criterion: str | None = None,
    repetitions: int = 99,
    seed: int = 0,
    path: str = "durations",
) -> Regression:
    """Return the line of an attribute that durations follow on average, and the law of the noise that multiplies it.

    Parameters
    ----------
    durations : Sample
        Of one task, of at least 8 requests, all from start to end.
    sizes : array_like of float, n
        The attribute of the request of each duration, finite and >= 0, not all the same.
    attribute : str
        Its name.
    among, criterion, repetitions, seed
        As for ``fit_time``, for the noise; the seed is that of the intervals too.
    path : str
        What the durations are called in errors.

    Returns
    -------
    Regression

    Raises
    ------
    TraceError
        When a duration is unfinished or began before it was seen; when there are durations of fewer than 8 requests; when an
        attribute is negative or no number, named by its position, or all are the same; when an option is refused.

    Notes
    -----
    Quasi-likelihood with a variance in proportion to the square of the mean: Wedderburn, "Quasi-likelihood functions,
    generalized linear models, and the Gauss-Newton method", Biometrika 61 (1974); McCullagh and Nelder, Generalized Linear
    Models, 2nd ed., chapter 8. Both tests take one value per request, the mean of its durations. The tests behind the choice of
    the noise's law take the line as known.

    Examples
    --------
    >>> from octomodel.calibration.sample import sample
    >>> rng = np.random.default_rng(0)
    >>> size = rng.uniform(0.0, 10.0, 500)
    >>> found = regress(sample((4.0 + 3.0 * size) * rng.gamma(9.0, 1.0 / 9.0, 500)), size, attribute="size")
    >>> round(found.line.base, 1), round(found.line.slope, 1), found.noise.family, found.slope.low < 3.0 < found.slope.high
    (4.1, 3.0, 'gamma', True)
    """
    x = _checked(durations, sizes, attribute, path)
    base, slope = fit_line(durations.times, x)
    mean = base + slope * x
    noise = _noise(durations, mean)
    found = fit_time(noise, among=among, criterion=criterion, repetitions=repetitions, seed=seed)
    drawn: list[tuple[float, float]] = []
    for each, of_each in _redrawn(durations, x, seed):
        drawn.append(fit_line(each.times, of_each))
        if len(drawn) == DRAWS:
            break
    bases, slopes = np.array(drawn).T
    _, slope_p = _rank_test(durations, x, "greater")
    left, left_p = _rank_test(noise, x[mean > 0.0], "two-sided")
    return Regression(
        Line(attribute, base, slope, found.law * (1.0 / found.law.mean)),
        interval(base, bases, 0.95),
        interval(slope, slopes, 0.95),
        found,
        _r_squared(durations.times, mean),
        slope_p,
        left,
        left_p,
        durations,
        x,
    )


def _checked(durations: Sample, sizes: ArrayLike, attribute: str, path: str) -> F64:
    place = f"{path}, attribute {attribute}"
    if not durations.complete:
        count = int((~durations.observed | (durations.entry > 0.0)).sum())
        raise TraceError(path, f"{count} durations not seen from start to end", f"none where the time depends on {attribute}")
    if len(durations.members) < LEAST:
        raise TraceError(path, f"{len(durations.members)} requests", f"at least {LEAST} where the time depends on {attribute}")
    values = np.asarray(sizes)
    if values.shape != durations.times.shape or values.dtype.kind not in "iuf":
        raise TraceError(place, f"{values.dtype}{list(values.shape)}", f"{len(durations)} numbers, one per duration")
    values = values.astype(np.float64)
    bad = ~((values >= 0.0) & (values < np.inf))
    if bad.any():
        first = int(np.argmax(bad))
        raise TraceError(f"{place}[{first}]", float(values[first]), "a finite number >= 0")
    if _same(values):
        raise TraceError(place, f"{values[0]:g} in all requests", "at least two values: there is no slope to be seen")
    return values


def _redrawn(durations: Sample, sizes: F64, seed: int) -> Iterator[tuple[Sample, F64]]:
    """Yield as many requests drawn with replacement, without end; never without a slope to be seen."""
    rng = np.random.default_rng(seed)
    while True:
        positions = durations.redrawn(rng)
        drawn, of_drawn = durations.take(positions), sizes[positions]
        if drawn.times.any() and not _same(of_drawn):
            yield drawn, of_drawn


def _noise(durations: Sample, mean: F64) -> Sample:
    """Return the durations over their means; where both are 0 there is nothing to learn."""
    kept = np.flatnonzero(mean > 0.0)
    part = durations.take(kept)
    return Sample(part.times / mean[kept], part.observed, part.entry, part.requests)


def _r_squared(times: F64, mean: F64) -> float:
    kept = mean > 0.0
    t, weight = times[kept], mean[kept] ** -2.0
    level = float(weight @ t / weight.sum())
    whole = float(weight @ (t - level) ** 2)
    return math.nan if _same(t) else 1.0 - float(weight @ (t - mean[kept]) ** 2) / whole


def _rank_test(values: Sample, sizes: F64, alternative: Literal["greater", "two-sided"]) -> tuple[float, float]:
    from scipy.stats import spearmanr

    if _same(values.times) or _same(sizes):
        return math.nan, math.nan
    of = np.unique(values.requests, return_inverse=True)[1]
    count = np.bincount(of)
    each, size = (np.bincount(of, column) / count for column in (values.times, sizes))
    found = spearmanr(size, each, alternative=alternative)
    return float(found.statistic), float(found.pvalue)


def _same(values: F64) -> bool:
    return bool(values.max() - values.min() <= SAME * values.max())
