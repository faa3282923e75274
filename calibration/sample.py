"""Measured durations as the fits want them: finished or not, begun in sight or before, by request."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .trace import TraceError

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Sample:
    """Durations of one task.

    Attributes
    ----------
    times : float64[n]
        Durations, finite and >= 0; of an unfinished one, how long it had lasted when it was last seen.
    observed : bool[n]
        Whether the end was seen; a duration without an end is right-censored.
    entry : float64[n]
        Age at which the duration came in sight; above 0 it is left-truncated, since shorter ones were never seen.
    requests : int64[n]
        Request of each duration, from 0: what a bootstrap draws.
    """

    times: F64
    observed: Mask
    entry: F64
    requests: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.times)

    @cached_property
    def complete(self) -> bool:
        """Return whether nothing is censored and nothing truncated."""
        return not self.censored and not self.truncated

    @cached_property
    def censored(self) -> bool:
        """Return whether a duration has no end."""
        return not bool(self.observed.all())

    @cached_property
    def truncated(self) -> bool:
        """Return whether a duration began before it was seen."""
        return bool((self.entry > 0.0).any())

    @cached_property
    def seen(self) -> F64:
        """Return the durations whose end was seen."""
        return self.times if not self.censored else self.times[self.observed]

    @cached_property
    def logs(self) -> F64:
        """Return the logarithms of the durations whose end was seen; of 0 minus infinity."""
        with np.errstate(divide="ignore"):
            return np.log(self.seen)

    @cached_property
    def members(self) -> list[NDArray[np.int64]]:
        """Return the positions of the durations of each request."""
        order = np.argsort(self.requests, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(self.requests[order])) + 1)

    def take(self, positions: NDArray[Any]) -> Sample:
        """Return the durations at these positions, which may repeat."""
        return Sample(self.times[positions], self.observed[positions], self.entry[positions], self.requests[positions])

    def resampled(self, rng: np.random.Generator) -> Sample:
        """Return as many requests, drawn with replacement, with all durations of each."""
        return self.take(self.redrawn(rng))

    def redrawn(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the positions of the durations of as many requests, drawn with replacement."""
        count = len(self.members)
        chosen = rng.integers(count, size=count)
        if count == len(self):
            return np.concatenate(self.members)[chosen]
        return np.concatenate([self.members[i] for i in chosen])


def sample(
    times: ArrayLike,
    *,
    censored: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    requests: ArrayLike | None = None,
    path: str = "times",
) -> Sample:
    """Return measured durations, checked.

    Parameters
    ----------
    times : array_like of float, n
        Durations in any unit, finite and >= 0, at least one.
    censored : array_like of bool, n, optional
        True where the duration had not ended when it was last seen.
    entry : array_like of float, n, optional
        Age at which each came in sight, >= 0 and below the duration; 0 where the start was seen.
    requests : array_like, n, optional
        The request of each duration; without it each is a request of its own.
    path : str
        What the durations are called in errors.

    Returns
    -------
    Sample

    Raises
    ------
    TraceError
        When an argument has another shape or an entry is refused, named by its position; when no end was seen; when
        all durations are 0.

    Examples
    --------
    >>> len(sample([3.0, 4.0, 9.0], censored=[False, False, True]).seen)
    2
    """
    values = _numbers(path, times)
    if not values.size:
        raise TraceError(path, "nothing", "at least one duration")
    _refuse(path, values, ~((values >= 0.0) & (values < np.inf)), "a finite number >= 0")
    observed = np.ones(values.size, np.bool_)
    if censored is not None:
        marks = np.asarray(censored)
        if marks.dtype != np.bool_ or marks.shape != values.shape:
            raise TraceError(f"{path}.censored", f"{marks.dtype}{list(marks.shape)}", f"bool[{values.size}]")
        observed = ~marks
    if not observed.any():
        raise TraceError(f"{path}.censored", "only unfinished durations", "at least one whose end was seen")
    if not values.any():
        raise TraceError(path, "only zeros", "at least one duration above 0")
    ages = np.zeros(values.size)
    if entry is not None:
        ages = _numbers(f"{path}.entry", entry)
        if ages.shape != values.shape:
            raise TraceError(f"{path}.entry", f"{ages.size} numbers", f"{values.size} numbers, one per duration")
        bad = ~((ages >= 0.0) & ((ages < values) | (ages == 0.0)))
        _refuse(f"{path}.entry", ages, bad, "0, or above 0 and below the duration")
    of = np.arange(values.size)
    if requests is not None:
        names = np.asarray(requests)
        if names.shape != values.shape:
            raise TraceError(f"{path}.requests", f"shape {list(names.shape)}", f"shape [{values.size}]")
        of = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return Sample(values, observed, ages, of)


def _numbers(path: str, values: ArrayLike) -> F64:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iuf" and array.size:
        raise TraceError(path, f"{array.dtype}{list(array.shape)}", "a one-dimensional array of numbers")
    return array.astype(np.float64)


def _refuse(path: str, values: F64, bad: Mask, allowed: str) -> None:
    if bad.any():
        first = int(np.argmax(bad))
        raise TraceError(f"{path}[{first}]", float(values[first]), allowed)
