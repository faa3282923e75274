"""Entry kernels as plain Python: what they are handed, and what of it is written back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from octomodel.kernels import interpret
from octomodel.kernels.world import record

pytestmark = pytest.mark.nojit


class State(NamedTuple):
    cell: Any
    number: Any
    fixed: Any


def state() -> State:
    cells = np.zeros(2, record("count", "weight"))
    cells["count"] = [2**62, 7]
    fixed = np.array([10, 20])
    fixed.flags.writeable = False
    return State(cells, np.array([1.5, 2.5]), fixed)


def test_interpreted_a_kernel_gets_python_numbers_and_its_changes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpret, "JIT_ENABLED", False)

    def kernel(w: State, argument: int) -> int:
        cell = w.cell[0]
        # a NumPy integer would overflow
        assert type(cell.count) is int and cell.count * 4 == 2**64
        assert type(w.number[1]) is float and type(w.fixed) is list
        cell.count = argument
        w.cell[1].weight = 0.25
        w.number[1] += w.fixed[0]
        return cell.count + 1

    given = state()
    assert interpret.call(kernel, given, 5) == 6
    assert given.cell["count"].tolist() == [5, 7]
    assert given.cell["weight"].tolist() == [0.0, 0.25]
    assert (given.number.tolist(), given.fixed.tolist()) == ([1.5, 12.5], [10, 20])


def test_interpreted_a_mistyped_field_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpret, "JIT_ENABLED", False)

    def kernel(w: State, argument: int) -> int:
        w.cell[0].cuont = argument
        return 0

    with pytest.raises(AttributeError, match="cuont"):
        interpret.call(kernel, state(), 5)


def test_compiled_a_kernel_gets_the_arrays_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpret, "JIT_ENABLED", True)
    given = state()
    seen: list[Any] = []

    def kernel(w: State, argument: int) -> int:
        seen.append(w)
        return argument + 1

    assert interpret.call(kernel, given, 5) == 6
    assert seen[0] is given
