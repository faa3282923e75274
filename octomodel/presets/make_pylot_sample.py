"""Frames in the form of those of ``av_pylot``: drawn by us, none of them measured."""

from __future__ import annotations

import math
from random import Random
from statistics import NormalDist

from octomodel import presets
from octomodel.dist import Law
from octomodel.presets import pylot

CYCLES = 2  # of the phases in the preset's file, 49 frames each
SEED = 20_220_405
CORRELATION = 0.45
"""Of the times of an operator from frame to frame, as normal scores; measured ones have 0.3 to 0.6."""

PERIOD_US = 100_000
CHANGE = 0.2  # chance that the obstacles of a frame are not those of the frame before


def sample() -> dict[str, str]:
    """Return the content of both files by name, the same at every call.

    Times and obstacles follow the laws and phases in the file of ``av_pylot``, correlated from frame to frame.

    Returns
    -------
    dict of str to str
        CSV: ``pylot_operator_times.csv`` and ``pylot_obstacles_per_frame.csv``.
    """
    workflow = presets.document("workflow", pylot.NAME).workflow
    assert workflow is not None and workflow.phases is not None
    phases = [name for _ in range(CYCLES) for name, length in workflow.phases.cycle for _ in range(length)]
    laws = {name: law for name, law in workflow.attributes.items() if isinstance(law, Law)}
    times = {
        operator: _times(laws[name], len(phases), Random(SEED + i))
        for i, (name, operator) in enumerate(pylot.OPERATORS.items(), 1)
    }
    rows = ["frame,op,ts_us,dur_us"]
    for frame in range(len(phases)):
        rows += [f"{frame},{operator},{frame * PERIOD_US},{found[frame]}" for operator, found in times.items()]
    counts = _obstacles(laws["obstacles"], phases, Random(SEED))
    seen = ["frame,n_obstacles", *(f"{frame},{count}" for frame, count in enumerate(counts))]
    return {pylot.TIMES.removesuffix(".gz"): _text(rows), pylot.OBSTACLES: _text(seen)}


def _times(law: Law, frames: int, draw: Random) -> list[int]:
    """Return a duration for each frame in whole microseconds."""
    normal = NormalDist()
    score = normal.inv_cdf(_open(draw))
    found = []
    for _ in range(frames):
        found.append(max(1, round(1000 * float(law.quantile(normal.cdf(score))))))
        score = CORRELATION * score + math.sqrt(1 - CORRELATION**2) * normal.inv_cdf(_open(draw))
    return found


def _obstacles(law: Law, phases: list[str], draw: Random) -> list[int]:
    """Return the obstacles of each frame, none in an empty one."""
    found: list[int] = []
    for phase in phases:
        if phase == "empty":
            found.append(0)
        elif found and found[-1] and draw.random() >= CHANGE:
            found.append(found[-1])
        else:
            found.append(int(law.quantile(_open(draw))))
    return found


def _open(draw: Random) -> float:
    return max(draw.random(), 2**-53)


def _text(rows: list[str]) -> str:
    return "\n".join(rows) + "\n"
