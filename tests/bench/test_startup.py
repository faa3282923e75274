"""New processes, and the guard that no reference counting sits in the compiled kernel."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench import startup  # noqa: E402
from bench.sizes import Sizes  # noqa: E402

SIZES = Sizes(
    pipelines=(1,),
    check_requests=1,
    paired_requests=1,
    long_requests=1,
    repeats=1,
    wafer_rows=1,
    wafer_executions=1,
)


def test_startup_and_no_reference_counting() -> None:
    found = {row.quantity: row for row in startup.benchmark(SIZES)}
    for quantity in ("first result of a cold process, compiling", "first result of a second process"):
        assert found[quantity].value > 0
    assert found["import octomodel"].value > 0
    assert found["increments and decrements of reference counts"].value == 0


def test_reference_counting_is_found() -> None:
    @numba.njit
    def keeps(array: Any) -> Any:
        kept = [array]
        kept.append(array)
        return kept

    keeps(np.zeros(3))
    found = startup.counting(keeps)
    assert found["functions"] > 0
    assert found["references"] > 0


def test_failing_process_is_found(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError):
        startup.process("print(1); raise SystemExit(3)", str(tmp_path))
