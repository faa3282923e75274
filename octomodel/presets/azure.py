"""The requests of the preset ``llm_chat_code``: from the files a user has, or the bundled sample."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from octomodel import faults, mapping
from octomodel.calibration import trace as traces
from octomodel.calibration.trace import LlmTrace
from octomodel.elements import Series
from octomodel.errors import ModelError
from octomodel.hardware import System
from octomodel.workflow import Workflow

FILES = ("AzureLLMInferenceTrace_code.csv", "AzureLLMInferenceTrace_conv.csv")
VARIABLE = "OCTOMODEL_DATA"
SAMPLE = "azure_llm_sample.csv"

Data = str | os.PathLike[str] | None


def read(data: Data = None) -> LlmTrace:
    """Return the requests of a trace.

    Parameters
    ----------
    data : path, optional
        A CSV file in the Azure LLM format, or a folder that holds one or both of ``FILES``, whose requests are
        then merged. Default: the environment variable ``OCTOMODEL_DATA``, without it the bundled sample.

    Returns
    -------
    LlmTrace

    Raises
    ------
    ModelError
        When there is no such file, or it holds something else.
    """
    where = os.environ.get(VARIABLE) if data is None else os.fspath(data)
    try:
        if not where:
            with resources.as_file(resources.files(__package__) / "samples" / SAMPLE) as path:
                return traces.read_azure_llm(path)
        folder = Path(where)
        if not folder.is_dir():
            return traces.read_azure_llm(folder)
        found = [folder / name for name in FILES if (folder / name).exists()]
        if not found:
            raise ModelError(where, "none of these files", f"a folder with {' or '.join(FILES)}, or one CSV file")
        return traces.merge([traces.read_azure_llm(path) for path in found])
    except traces.TraceError as error:
        raise ModelError(error.path, error.value, error.allowed) from None


def attributes(trace: LlmTrace) -> dict[str, Series]:
    """Return the request attributes ``context`` and ``generated``, in order of arrival."""
    return {
        "context": Series(trace.context.astype(np.float64)),
        "generated": Series(trace.generated.astype(np.float64)),
    }


def arrivals(
    trace: LlmTrace, workflow: Workflow, system: System, utilization: float, requests: int
) -> NDArray[np.int64]:
    """Return arrivals with the pattern of a trace and the rate that keeps a machine busy to a given share.

    Parameters
    ----------
    trace : LlmTrace
        Repeated when more requests are wanted than it has, a mean gap later.
    workflow, system
        Whose mean work per request, and whose live TBUs at their speeds, the rate is made for.
    utilization : float
        Mean work offered over what all live TBUs can do, over the whole trace.
    requests : int
        How many arrivals.

    Returns
    -------
    int64[request]
        Cycles, ascending, the first 0.

    Raises
    ------
    ModelError
        When all requests of the trace arrive at once.
    """
    span = float(trace.arrival_seconds[-1])
    if span == 0.0:
        raise ModelError("trace", f"{len(trace)} requests at one time", "requests that arrive at two times at least")
    mean_gap = span / (len(trace) - 1)
    speed = np.resize(system.tbu_speed, system.n_tbu)[~faults.dead_tbus(system)].sum()
    work = mapping.profile_demand(workflow, system, None).sum()
    cycles_per_second = work / (speed * utilization) / mean_gap
    turn, place = np.divmod(np.arange(requests), len(trace))
    seconds = trace.arrival_seconds[place] + turn * (span + mean_gap)
    cycles: NDArray[np.int64] = np.floor(seconds * cycles_per_second + 0.5).astype(np.int64)
    return cycles
