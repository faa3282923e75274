"""The benchmark of descriptions runs at a small size and checks what it loaded and lowered."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench import descriptions  # noqa: E402
from bench.sizes import QUICK  # noqa: E402


def test_every_figure_is_measured() -> None:
    first, slowest, lowered = descriptions.benchmark(QUICK)
    assert first.value > 0 and first.at_most == slowest.at_most == descriptions.LOAD_S
    assert slowest.quantity.startswith("slowest of the others (")
    assert lowered.value > 0 and lowered.met is None and lowered.case == "100 tasks of 50 laws"


def test_a_preset_without_its_parts_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(*arguments: Any) -> tuple[float, dict[str, tuple[float, int]]]:
        seconds, found = real(*arguments)
        return seconds, found | {"early_exit": (0.01, 5)}

    real = descriptions.process
    monkeypatch.setattr(descriptions, "process", other)
    with pytest.raises(AssertionError):
        next(descriptions.benchmark(QUICK))


def test_other_work_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptions, "LAWS", 200)
    with pytest.raises(AssertionError):
        list(descriptions._lowering(QUICK))
