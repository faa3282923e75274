"""The requests of the preset ``llm_chat_code``: from the files a user has, or the bundled sample."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from octomodel import replaying
from octomodel.calibration import trace as traces
from octomodel.calibration.trace import LlmTrace
from octomodel.elements import Series
from octomodel.errors import ModelError
from octomodel.hardware import System
from octomodel.workflow import Workflow

FILES = ("AzureLLMInferenceTrace_code.csv", "AzureLLMInferenceTrace_conv.csv")
VARIABLE = "OCTOMODEL_DATA"
SAMPLE = "azure_llm_sample.csv"
BUNDLED = "sample"
"""Instead of a file or folder: the bundled sample."""

Data = str | os.PathLike[str] | None


def read(data: Data = None) -> LlmTrace:
    """Return the requests of a trace.

    Parameters
    ----------
    data : path, optional
        A CSV file in the Azure LLM format, or a folder that holds one or both of ``FILES``, whose requests are
        then merged; ``"sample"``: the bundled sample. Default: the environment variable ``OCTOMODEL_DATA``, without it the
        sample.

    Returns
    -------
    LlmTrace

    Raises
    ------
    ModelError
        When there is no such file, or it holds something else.
    """
    try:
        with _paths(data) as paths:
            found = [traces.read_azure_llm(path) for path in paths]
    except traces.TraceError as error:
        raise ModelError(error.path, error.value, error.allowed) from None
    return found[0] if len(found) == 1 else traces.merge(found)


def digests(data: Data = None) -> dict[str, str]:
    """Return the names of the files that ``read`` reads, each with the SHA-256 of its content.

    Raises
    ------
    ModelError
        When there is no such file.
    """
    try:
        with _paths(data) as paths:
            return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    except OSError as error:
        raise ModelError(str(error.filename), error.strerror, "a file that can be read") from None


def is_sample(data: Data = None) -> bool:
    """Return whether ``read`` reads the bundled sample, which was made by us and not measured."""
    return not _where(data)


def label(data: Data = None) -> str:
    """Return a few words for a table: which requests ``read`` gives."""
    if is_sample(data):
        return "sample"
    found = digests(data)
    return "Azure 2023" if set(found) <= set(FILES) else " + ".join(found)


def describe(data: Data = None) -> str:
    """Return in words which requests ``read`` gives."""
    count = f"{len(read(data)):,} requests"
    if is_sample(data):
        return f"a bundled sample of {count} made by us, not measured; {VARIABLE}=FOLDER reads the public files there"
    where = Path(os.path.abspath(_where(data)))
    return f"{' and '.join(digests(data))} in {where if where.is_dir() else where.parent}, {count}"


def _where(data: Data) -> str:
    where = os.environ.get(VARIABLE, "") if data is None else os.fspath(data)
    return "" if where == BUNDLED else where


@contextlib.contextmanager
def _paths(data: Data) -> Iterator[list[Path]]:
    where = _where(data)
    if not where:
        with resources.as_file(resources.files(__package__) / "samples" / SAMPLE) as path:
            yield [path]
        return
    folder = Path(where)
    if not folder.is_dir():
        yield [folder]
        return
    found = [folder / name for name in FILES if (folder / name).exists()]
    if not found:
        raise ModelError(where, "none of these files", f"a folder with {' or '.join(FILES)}, or one CSV file")
    yield found


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
    cycles_per_second = replaying.gap_cycles(workflow, system, utilization) / mean_gap
    turn, place = np.divmod(np.arange(requests), len(trace))
    seconds = trace.arrival_seconds[place] + turn * (span + mean_gap)
    cycles: NDArray[np.int64] = np.floor(seconds * cycles_per_second + 0.5).astype(np.int64)
    return cycles
