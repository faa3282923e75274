"""The benchmark of calibration runs at a small size and checks its fits."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench import calibration  # noqa: E402
from bench.sizes import QUICK  # noqa: E402
from octomodel import dist  # noqa: E402


def test_every_figure_is_measured() -> None:
    rows = list(calibration.benchmark(QUICK))
    assert len(rows) == 6 and all(row.value > 0.0 and row.met is None for row in rows)


def test_a_fit_that_is_no_maximum_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "gamma", lambda durations: dist.Gamma(2.5, 0.7))
    with pytest.raises(AssertionError):
        calibration._check_gamma(np.random.default_rng(0).gamma(2.5, 1.0, 1000))
