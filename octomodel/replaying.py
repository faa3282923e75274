"""Measured requests replayed in their order: attributes and arrivals from the columns of a table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from octomodel import checks, faults, mapping, references
from octomodel.dist import columns as tables
from octomodel.elements import Series
from octomodel.errors import ModelError, Words
from octomodel.hardware import System
from octomodel.load import InFlight, Trace
from octomodel.workflow import Workflow

FileName = str | os.PathLike[str]


def replay(path: FileName, columns: Mapping[str, str], *, repeat: bool = True) -> dict[str, Series]:
    """Return request attributes from columns of a table: request r has the values of row r, kept together.

    Parameters
    ----------
    path : path
        A CSV file with a header (``.csv``, ``.csv.gz``), or a Parquet file (``.parquet``, with the extra ``parquet``).
    columns : dict of str to str
        Names of columns by attribute.
    repeat : bool
        Whether requests beyond the last row begin again at the first; else a run of more requests is refused.

    Returns
    -------
    dict of str to Series
        For ``attributes`` of ``Workflow``, alone or with others.

    Raises
    ------
    ModelError
        When the file cannot be read, has no such column or no rows, or an entry is no finite number; with file, row and
        column.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "calls.csv").write_text("read,written\\n300,20\\n1200,7\\n")
    ...     found = replay(f"{folder}/calls.csv", {"context": "read", "generated": "written"})
    >>> found["context"].values.tolist(), found["generated"]
    ([300.0, 1200.0], Series(2 values, mean=13.5))
    """
    named = checks.mapping("replay.columns", columns)
    for attribute, column in named.items():
        checks.name("replay.columns", attribute)
        if not isinstance(column, str):
            raise ModelError(f"replay.columns.{attribute}", column, "the name of a column")
    checks.boolean("replay.repeat", repeat)
    table = tables.read(path, list(named.values()))
    origin = {"file": Path(path).name, "sha256": table.sha256}
    return {
        attribute: Series(column.values.astype(np.float64), repeat, {**origin, "column": column.name})
        for attribute, column in zip(named, table.columns, strict=True)
    }


def replay_arrivals(
    path: FileName,
    column: str,
    *,
    unit: str | None = None,
    clock_hz: float | None = None,
    requests: int | None = None,
    in_flight: InFlight = "auto",
    split: str | Sequence[float] = "even",
    repeat: bool = False,
) -> Trace:
    """Return a load whose requests arrive as a column of a table says.

    Parameters
    ----------
    path : path
        As for ``replay``.
    column : str
        In ascending order: time stamps such as those of the public Azure LLM traces, or numbers.
    unit : str, optional
        Unit of the numbers: ``"us"``, ``"ms"``, ``"s"`` ...; default: whole cycles, taken as they are. Times and time stamps
        are counted from the first.
    clock_hz : float, optional
        Cycles per second: needed for all but cycles.
    requests, in_flight, split
        As for ``octomodel.closed``.
    repeat : bool
        Whether requests beyond the last arrival begin the trace again, a mean gap after it; else they are refused.

    Returns
    -------
    Trace

    Raises
    ------
    ModelError
        When the file cannot be read, an arrival is before the one of the row before, below 0 or no number, or the clock is
        missing; with file, row and column.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "calls.csv").write_text("at\\n12.5\\n12.75\\n14\\n")
    ...     replay_arrivals(f"{folder}/calls.csv", "at", unit="ms", clock_hz=1e9).arrival_cycles.tolist()
    [0, 250000, 1500000]
    """
    clock = None if clock_hz is None else Fraction(checks.real("clock_hz", clock_hz, above=True))
    table = tables.read(path, [column], least=0.0, stamps=True)
    options: dict[str, Any] = {"requests": requests, "in_flight": in_flight, "split": split, "repeat": repeat}
    return Trace(
        arrival_cycles=references.arrivals(table.columns[0], unit, clock, "replay_arrivals"),
        file=Path(path).name,
        column=column,
        unit=unit,
        sha256=table.sha256,
        **options,
    )


def gap_cycles(workflow: Workflow, system: System, utilization: float) -> float:
    """Return the mean gap between requests, in cycles, that keeps a machine busy to a given share.

    Parameters
    ----------
    workflow, system
        Whose mean work per request, and whose live TBUs at their speeds, the gap is made for.
    utilization : float
        Mean work offered over what all live TBUs can do.
    """
    speed = np.resize(system.tbu_speed, system.n_tbu)[~faults.dead_tbus(system)].sum()
    work = mapping.profile_demand(workflow, system, None).sum()
    return float(work / (speed * utilization))


def at_utilization(load: Trace, workflow: Workflow, system: System, utilization: float) -> Trace:
    """Return a trace faster or slower as a whole, so that it keeps a machine busy to a given share; its pattern is unchanged.

    Parameters
    ----------
    load : Trace
    workflow, system
        As for ``gap_cycles``.
    utilization : float
        In (0, 10].

    Returns
    -------
    Trace
        Its first arrival at cycle 0, rounded half up.

    Raises
    ------
    ModelError
        When all its requests arrive at once, or the utilization is out of range.

    Examples
    --------
    >>> from octomodel import System, Workflow, task, trace
    >>> one = Workflow("one", task("only", 100))
    >>> at_utilization(trace([5, 6, 9]), one, System(1, 1, tbus=1), 0.5).arrival_cycles.tolist()
    [0, 100, 400]
    """
    share = checks.real("load.utilization", utilization, 0.0, 10.0, above=True)
    cycles = load.arrival_cycles
    span = int(cycles[-1] - cycles[0])
    if span == 0:
        raise ModelError("load.utilization", Words(f"{len(cycles)} requests at one cycle"), "a trace of two cycles at least")
    factor = gap_cycles(workflow, system, share) * (len(cycles) - 1) / span
    return load.with_(arrival_cycles=np.floor((cycles - cycles[0]) * factor + 0.5))  # type: ignore[return-value]
