"""The benchmark of predictions runs at a small size and checks its answers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench import prediction  # noqa: E402
from bench.sizes import QUICK  # noqa: E402
from octomodel.calibration.queueing import Method  # noqa: E402


def test_every_figure_is_measured() -> None:
    rows = list(prediction.benchmark(QUICK))
    assert len(rows) == 4 and all(row.value > 0.0 and row.met is None for row in rows)


def test_a_wrong_answer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "mmc", lambda *_: Method("none", "bound", True)(sojourn_mean=0.5))
    with pytest.raises(AssertionError, match="latency at some rate"):
        list(prediction.benchmark(QUICK))
