"""Executions of tasks and decisions of control blocks as they were measured, whatever they were read from."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .sample import F64, Mask, Sample, sample
from .trace import Requests, TraceError

I64 = NDArray[np.int64]
Texts = NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Spans:
    """Executions of tasks, in order of their starts.

    Attributes
    ----------
    request : int64[n]
        Numbered from 0 in the order of their first starts.
    tasks : tuple of str
        Names, sorted.
    task : int64[n]
        Which of them.
    start, end : float64[n]
        In one unit of time; the end is nan where it was not seen.
    since, until : float
        Between them the system was watched: minus infinity where every start was seen; the last time in the table by default.
    attributes : dict of float64[request]
        What the spans say of their requests, by name.
    """

    request: I64
    tasks: tuple[str, ...]
    task: I64
    start: F64
    end: F64
    since: float
    until: float
    attributes: dict[str, F64] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.start)

    @cached_property
    def arrivals(self) -> F64:
        """Return the first start of each request, ascending."""
        first = np.full(int(self.request.max()) + 1, np.inf)
        np.minimum.at(first, self.request, self.start)
        return np.sort(first)

    @cached_property
    def latencies(self) -> F64:
        """Return the time from the first start to the last end of each request; nan where an end was not seen."""
        last = np.full(int(self.request.max()) + 1, -np.inf)
        np.maximum.at(last, self.request, np.where(np.isnan(self.end), np.inf, self.end))
        return np.where(np.isinf(last), np.nan, last - self.arrivals)

    @property
    def requests(self) -> Requests:
        """Return arrivals and attributes of the requests."""
        return Requests(self.arrivals, self.attributes)

    def sample(self, task: str) -> Sample:
        """Return the durations of one task: censored where the end was not seen, late where the start was before ``since``.

        Raises
        ------
        TraceError
            When there is no such task or no end of it was seen.
        """
        here, open_ = self._sampled(task), np.isnan(self.end)
        start, last = self.start[here], np.where(open_, self.until, self.end)[here]
        entry = np.maximum(self.since - start, 0.0)
        return sample(last - start, censored=open_[here], entry=entry, requests=self.request[here], path=f"spans.{task}")

    def sizes(self, task: str, attribute: str) -> F64:
        """Return what is said of the request of each duration in ``sample(task)``.

        Raises
        ------
        TraceError
            When there is no such task or attribute.
        """
        if attribute not in self.attributes:
            raise TraceError("spans.attribute", attribute, f"one of {', '.join(self.attributes) or 'none'}")
        return self.attributes[attribute][self.request[self._sampled(task)]]

    def _sampled(self, task: str) -> Mask:
        if task not in self.tasks:
            raise TraceError("spans.task", task, f"one of {', '.join(self.tasks)}")
        # what began as the watch ended says nothing
        here: Mask = self.task == self.tasks.index(task)
        return here & (~np.isnan(self.end) | (self.start < self.until))

    def renamed(self, names: Mapping[str, str]) -> Spans:
        """Return the spans with other names of tasks; tasks that get one name become one.

        Raises
        ------
        TraceError
            When there is no such task.
        """
        for name in names:
            if name not in self.tasks:
                raise TraceError("spans.task", name, f"one of {', '.join(self.tasks)}")
        new = np.array([names.get(name, name) for name in self.tasks])
        labels, which = np.unique(new[self.task], return_inverse=True)
        return replace(self, tasks=tuple(labels.tolist()), task=which.astype(np.int64))

    def of_tasks(self, names: Collection[str]) -> Spans:
        """Return the spans of the tasks of these names; requests that have none left are gone.

        Raises
        ------
        TraceError
            When none is left.
        """
        kept = np.isin(self.task, [i for i, name in enumerate(self.tasks) if name in names])
        if not kept.any():
            raise TraceError("spans.task", ", ".join(self.tasks), f"at least one of {', '.join(names)}")
        return self._only(kept)

    def with_gaps(self, gaps: Mapping[str, tuple[str | None, str]]) -> Spans:
        """Return the spans with others for what passes between two tasks of a request: data on their way, a wait for a sensor.

        Parameters
        ----------
        gaps : mapping
            From a new name of a task to the tasks between which it lies: from the last end of the first, or for None the first
            start of the request, to the first start of the second. Requests without one of them have no such gap.

        Raises
        ------
        TraceError
            When a name is taken or there is no such task; when the second begins before the first has ended.

        Examples
        --------
        >>> from octomodel.calibration import read_spans
        >>> spans = read_spans({"request": [1, 1], "task": ["a", "b"], "start": [0.0, 5.0], "end": [3.0, 9.0]})
        >>> spans.with_gaps({"way": ("a", "b")}).sample("way").times.tolist()
        [2.0]
        """
        request, task, start, end = [self.request], [self.task], [self.start], [self.end]
        count = len(self.arrivals)
        for i, (name, (before, after)) in enumerate(gaps.items()):
            if name in self.tasks:
                raise TraceError("spans.task", name, "a new name")
            ends = self.arrivals if before is None else self._edge(before, count, np.maximum, -np.inf)
            starts = self._edge(after, count, np.minimum, np.inf)
            here = np.flatnonzero(np.isfinite(ends) & np.isfinite(starts))
            bad = here[starts[here] < ends[here]]
            if bad.size:
                at = int(bad[0])
                raise TraceError(f"spans.{name}, request {at}", float(starts[at] - ends[at]), "a gap >= 0")
            request.append(here)
            task.append(np.full(here.size, len(self.tasks) + i))
            start.append(ends[here])
            end.append(starts[here])
        names = np.array([*self.tasks, *gaps])
        begin = np.concatenate(start)
        order = np.argsort(begin, kind="stable")
        labels, which = np.unique(names[np.concatenate(task)[order]], return_inverse=True)
        return replace(
            self,
            request=np.concatenate(request)[order],
            tasks=tuple(labels.tolist()),
            task=which.astype(np.int64),
            start=begin[order],
            end=np.concatenate(end)[order],
        )

    def _edge(self, task: str, count: int, pick: np.ufunc, nothing: float) -> F64:
        """Return the last end or the first start of one task in each request."""
        if task not in self.tasks:
            raise TraceError("spans.task", task, f"one of {', '.join(self.tasks)}")
        here = self.task == self.tasks.index(task)
        out = np.full(count, nothing)
        pick.at(out, self.request[here], (self.end if pick is np.maximum else self.start)[here])
        return out

    def part(self, begin: int, end: int) -> Spans:
        """Return the spans of the requests from number ``begin`` up to that before ``end``, their times unchanged."""
        return self._only((self.request >= begin) & (self.request < end))

    def _only(self, kept: Mask) -> Spans:
        tasks, task = np.unique(self.task[kept], return_inverse=True)
        # what is left out may change which request comes first
        left, first, inverse = np.unique(self.request[kept], return_index=True, return_inverse=True)
        order = np.argsort(first)
        return replace(
            self,
            request=np.argsort(order)[inverse].astype(np.int64),
            tasks=tuple(self.tasks[i] for i in tasks),
            task=task.astype(np.int64),
            start=self.start[kept],
            end=self.end[kept],
            attributes={name: values[left[order]] for name, values in self.attributes.items()},
        )


@dataclass(frozen=True, eq=False)
class Decisions:
    """Decisions of control blocks, in order of time.

    Attributes
    ----------
    blocks : tuple of str
        Names, sorted.
    block : int64[n]
        Which of them.
    choice : str[n]
        Name of the choice; ``again`` or ``exit`` of a loop that decides after each turn; a number of turns of a counted loop.
    time : float64[n]
        In the unit of the spans.
    """

    blocks: tuple[str, ...]
    block: I64
    choice: Texts
    time: F64

    def __len__(self) -> int:
        return len(self.time)

    def of(self, block: str) -> tuple[Texts, F64]:
        """Return choices and times of one block."""
        here = self.block == self.blocks.index(block)
        return self.choice[here], self.time[here]

    def between(self, begin: float, end: float) -> Decisions | None:
        """Return the decisions from ``begin`` up to before ``end``; None where there are none."""
        here = (self.time >= begin) & (self.time < end)
        if not here.any():
            return None
        blocks, block = np.unique(self.block[here], return_inverse=True)
        names = tuple(self.blocks[i] for i in blocks)
        return Decisions(names, block.astype(np.int64), self.choice[here], self.time[here])


class Refuse(Protocol):
    """Raise ``TraceError`` for the first row that is bad, by its place."""

    def __call__(self, column: str, bad: Mask, allowed: str) -> None: ...


@dataclass(frozen=True, eq=False)
class Rows:
    """Spans as they stand in a source, in its order.

    Attributes
    ----------
    request, task : str[n]
    start, end : float64[n]
        The end is nan where it was not seen.
    attributes : dict of float64[n]
        What each span says of its request; nan where it says nothing.
    refuse : callable
        Called with ``start``, ``end`` or ``attribute NAME``, the bad rows and what is allowed.
    """

    request: Texts
    task: Texts
    start: F64
    end: F64
    attributes: dict[str, F64]
    refuse: Refuse

    def spans(self, since: float = -math.inf, until: float | None = None) -> Spans:
        """Return the spans in order of their starts, checked.

        Parameters
        ----------
        since, until : float, optional
            When the system was watched; up to the last time by default.

        Raises
        ------
        TraceError
            When an end is before its start or not after ``since``, a time is after ``until``, or a request has two values of an
            attribute or none.
        """
        start, end = self.start, self.end
        self.refuse("end", end < start, "empty, or a time not before the start")
        self.refuse("end", end <= since, f"a time after {since:g}, when the watch began")
        last = float(np.nanmax(np.concatenate([start, end]))) if until is None else until
        self.refuse("start", start > last, f"a time not after {last:g}, when the watch ended")
        self.refuse("end", end > last, f"a time not after {last:g}, when the watch ended")
        order = np.argsort(start, kind="stable")
        names, which = np.unique(self.task[order], return_inverse=True)
        _, first, inverse = np.unique(self.request[order], return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))
        number = rank[inverse].astype(np.int64)
        return Spans(
            number,
            tuple(names.tolist()),
            which.astype(np.int64),
            start[order],
            end[order],
            float(since),
            float(last),
            {name: self._of_requests(name, order, number) for name in self.attributes},
        )

    def _of_requests(self, name: str, order: NDArray[np.intp], number: I64) -> F64:
        """Return the one value of an attribute that the spans of each request give."""
        request = np.empty(len(order), np.int64)
        request[order] = number
        said = self.attributes[name]
        known = ~np.isnan(said)
        values = np.full(int(number.max()) + 1, np.nan)
        values[request[known]] = said[known]
        of_span = values[request]
        self.refuse(f"attribute {name}", known & (said != of_span), "one value in all spans of a request")
        self.refuse(f"attribute {name}", np.isnan(of_span), "a value in at least one span of each request")
        return values
