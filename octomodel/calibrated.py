"""What was measured, as the description of a run: the calibrated workflow and the load that goes with it."""

from __future__ import annotations

import numpy as np

from octomodel.calibration import Calibration
from octomodel.calibration.spans import Spans
from octomodel.calibration.trace import Requests, TraceError
from octomodel.errors import ModelError
from octomodel.load import Load, Trace, mmpp, poisson, renewal
from octomodel.workflow import Workflow
from octomodel.yaml_io import Document


def load(found: Calibration, *, replay: bool = False) -> Load | None:
    """Return the load of which the arrivals were measured.

    Parameters
    ----------
    found : Calibration
    replay : bool
        Whether the arrivals themselves are to come again, instead of the process fitted to them.

    Returns
    -------
    Load or None
        ``poisson``, ``renewal`` or ``mmpp`` in cycles, as many requests as were measured; a ``trace`` from cycle 0 on. None where
        too few requests were measured for a process.

    Raises
    ------
    ModelError
        When the arrivals are further apart or closer than a load may say in cycles.

    Examples
    --------
    >>> import numpy as np
    >>> from octomodel.calibration import fit
    >>> from octomodel.calibration.trace import Requests
    >>> every = fit(Requests(np.arange(20.0), {}), cycles_per_unit=500)
    >>> load(every, replay=True).arrival_cycles[:3].tolist(), load(every).law
    ([0, 500, 1000], Deterministic(value=500.0))
    """
    if replay:
        return replayed(found, found.requests)
    process, count, scale = found.arrivals, len(found.requests), found.cycles_per_unit
    if process is None:
        return None
    if process.family == "poisson":
        return poisson(process.rate / scale, count)
    if process.family == "mmpp" and process.mmpp is not None:
        rates = [rate / scale for rate in process.mmpp.rates]
        return mmpp(rates, [stay * scale for stay in process.mmpp.stays], count)
    return renewal(process.gaps.law * scale, count)


def replayed(found: Calibration, part: Spans | Requests) -> Trace:
    """Return arrivals as they were measured, in whole cycles from the first, rounded half up."""
    arrivals = part.arrivals
    cycles = np.floor((arrivals - arrivals[0]) * found.cycles_per_unit + 0.5).astype(np.int64)
    return Trace(requests=len(cycles), arrival_cycles=cycles)


def document(
    found: Calibration, skeleton: Workflow, *, source: str, replay: bool = False, beside: Document | None = None
) -> Document:
    """Return the calibrated workflow with its load, to be written to a file.

    Parameters
    ----------
    found : Calibration
    skeleton : Workflow
        The program.
    source : str
        Where the measurements come from.
    replay : bool
        As for ``load``.
    beside : Document, optional
        What the program came with: its title, sources and machine are kept, and its load where none was measured.

    Raises
    ------
    ModelError
        When what was measured is not in the program, or the load is refused.
    """
    kept = beside or Document()
    try:
        workflow = found.workflow(skeleton, source)
    except TraceError as error:
        raise ModelError(error.path, error.value, error.allowed) from None
    sources = tuple(dict.fromkeys((*kept.sources, source)))
    return Document(workflow, kept.hardware, load(found, replay=replay) or kept.load, kept.title, sources)
