"""Make the bundled samples: ``python -m octomodel.presets.make_sample``."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from statistics import NormalDist

from octomodel.calibration.trace import AZURE_LLM_COLUMNS

ROWS = 500
SEED = 20_231_116
START = datetime(2000, 1, 1)  # so that nobody takes it for the measured hour
CONVERSATION_RATE = 5.53  # requests per second, as in the measured hour
CODE_RATE, CODE_ON, CODE_OFF = (
    9.0,
    4.0,
    10.0,
)  # requests per second in a burst; mean seconds of bursts and pauses
LENGTHS = {  # mean, CV and largest number of tokens: context, generated
    "conversation": ((1154.7, 0.96, 14_050), (211.1, 0.77, 1_000)),
    "code": ((2047.8, 0.96, 7_437), (27.9, 2.15, 1_899)),
}


def sample() -> str:
    """Return the content of the sample: requests drawn by us, shaped like the measured hour, none of it.

    Returns
    -------
    str
        CSV with a header and ``ROWS`` rows, the same at every call.
    """
    draw = Random(SEED)
    arrivals = heapq.merge(_conversation(Random(SEED + 1)), _code(Random(SEED + 2)))
    lines = [",".join(AZURE_LLM_COLUMNS)]
    for _ in range(ROWS):
        seconds, service = next(arrivals)
        time = START + timedelta(microseconds=round(seconds * 1e6))
        tokens = [str(_length(draw, *shape)) for shape in LENGTHS[service]]
        lines.append(",".join([f"{time:%Y-%m-%d %H:%M:%S.%f}", *tokens]))
    return "\n".join(lines) + "\n"


def _conversation(draw: Random) -> Iterator[tuple[float, str]]:
    now = 0.0
    while True:
        now += _exponential(draw, 1 / CONVERSATION_RATE)
        yield now, "conversation"


def _code(draw: Random) -> Iterator[tuple[float, str]]:
    now, end = 0.0, _exponential(draw, CODE_ON)
    while True:
        now += _exponential(draw, 1 / CODE_RATE)
        if now >= end:  # exponential gaps have no memory: what is left of this one may be drawn anew
            now = end + _exponential(draw, CODE_OFF)
            end = now + _exponential(draw, CODE_ON)
        else:
            yield now, "code"


def _exponential(draw: Random, mean: float) -> float:
    return -mean * math.log1p(-draw.random())


def _length(draw: Random, mean: float, cv: float, largest: int) -> int:
    """Return a lognormal number of tokens, by inversion: the same at every release of Python."""
    variance = math.log1p(cv * cv)
    normal = NormalDist().inv_cdf(max(draw.random(), 2**-53))
    tokens = math.exp(math.log(mean) - variance / 2 + math.sqrt(variance) * normal)
    return min(max(round(tokens), 1), largest)


if __name__ == "__main__":
    from octomodel.presets import make_pylot_sample

    folder = Path(__file__).parent / "samples"
    for name, content in {"azure_llm_sample.csv": sample(), **make_pylot_sample.sample()}.items():
        (folder / name).write_text(content, encoding="utf-8")
