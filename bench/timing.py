"""Wall and CPU time of calls that take turns, so that what disturbs the machine disturbs all of them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Times:
    """Seconds of the repetitions of one call; CPU seconds are those of all threads of the process."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def idle_share(self) -> float:
        """Return the share of the wall time in which a call of one thread was not running (median)."""
        return statistics.median(
            max(0.0, 1.0 - cpu / wall) for cpu, wall in zip(self.cpu, self.wall, strict=True)
        )


def interleaved(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Times]:
    """Return the times of each call, made in turn: A B A B ...

    Parameters
    ----------
    calls : mapping of str to callable
        What is timed.
    repeats : int
        How often each is called.

    Examples
    --------
    >>> sorted(interleaved({"a": list, "b": dict}, 2))
    ['a', 'b']
    """
    times = {name: Times() for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            times[name].cpu.append(time.process_time() - cpu)
            times[name].wall.append(time.perf_counter() - wall)
    return times


def ratio(numerator: list[float], denominator: list[float]) -> float:
    """Return the median of the ratios of times measured in the same turn.

    Examples
    --------
    >>> ratio([2.0, 9.0, 4.0], [1.0, 3.0, 2.0])
    2.0
    """
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))
