"""How much work the benchmarks do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Amounts of work.

    Attributes
    ----------
    pipelines : tuple of int
        Numbers of lines or replicas in W1 and W2, ascending; threads and memory are measured with the last.
    check_requests : int
        Requests of the exact comparison before the timing, on five lines.
    paired_requests : int
        Requests that octomodel and SimPy both serve when they are timed in turn.
    long_requests : int
        Requests of octomodel's own runs.
    repeats : int
        Repetitions of everything that is timed.
    wafer_rows : int
        Rows, and columns, of the large machine.
    wafer_executions : int
        Executions on it.
    """

    pipelines: tuple[int, ...] = (1, 100, 1000)
    check_requests: int = 2_000
    paired_requests: int = 50_000
    long_requests: int = 1_000_000
    repeats: int = 5
    wafer_rows: int = 59
    wafer_executions: int = 10_000_000


DEFAULT = Sizes()
FULL = Sizes(wafer_executions=100_000_000)
QUICK = Sizes(
    pipelines=(1, 10),
    check_requests=200,
    paired_requests=500,
    long_requests=2_000,
    repeats=2,
    wafer_rows=6,
    wafer_executions=50_000,
)
