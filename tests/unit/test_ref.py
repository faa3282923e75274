"""Worlds handed on as one pointer, and entry kernels compiled as one module. Numba is called directly, so all of it
runs with the JIT off too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from numba.core.errors import TypingError
from numba.core.registry import CPUDispatcher

from octomodel.kernels import _module, _ref
from octomodel.kernels.world import record

pytestmark = pytest.mark.nojit


class Pair(NamedTuple):
    cell: Any
    number: Any


def compiled(function: Any, **options: bool) -> Any:
    return CPUDispatcher(function, targetoptions={"nopython": True, **options})


def pair() -> Pair:
    cells = np.zeros(3, record("count", "weight"))
    cells["count"] = [1, 2, 3]
    return Pair(cells, np.array([10, 20, 30]))


def change(world: Any, i: int) -> int:
    w = _ref._compiled(world)
    cell = w.cell[i]
    cell.count += 5
    cell.weight = 0.5
    w.number[i] = w.number[i] + cell.count
    return len(w.number)


def test_fields_are_read_and_written_in_place() -> None:
    world = pair()
    assert compiled(change)(world, 1) == 3
    assert world.cell["count"].tolist() == [1, 7, 3]
    assert world.cell["weight"].tolist() == [0.0, 0.5, 0.0]
    assert world.number.tolist() == [10, 27, 30]


@pytest.mark.parametrize("i", [3, -1])
def test_a_bounds_checked_build_refuses_an_index_that_is_none(i: int) -> None:
    with pytest.raises(IndexError):
        compiled(change, boundscheck=True)(pair(), i)


def test_only_integers_index_a_table() -> None:
    def reading(world: Any) -> Any:
        return _ref._compiled(world).number[0.5]

    def writing(world: Any) -> None:
        _ref._compiled(world).number[0.5] = 1

    for function in (reading, writing):
        with pytest.raises(TypingError):
            compiled(function)(pair())


def test_other_containers_are_left_to_numba() -> None:
    def mixed(world: Any) -> int:
        w = _ref._compiled(world)
        values = [len(w.number), 4]
        values[0] = values[0] + values[1]
        return values[0] + len(values)

    assert compiled(mixed)(pair()) == 9


def test_interpreted_a_reference_is_the_world_itself() -> None:
    world = pair()
    assert _ref._interpreted(world) is world


def test_one_module_gives_what_numba_gives() -> None:
    def build() -> Any:
        def inner(x: int) -> int:
            return 3 * x + 1

        def outer(x: int) -> int:
            return lower(x) - 2

        def top(x: int) -> int:
            return upper(x) * 10

        for function in (inner, outer):
            _module.name_helper(function)
        lower, upper = compiled(inner, no_cpython_wrapper=True), compiled(outer, no_cpython_wrapper=True)
        return compiled(top), upper

    (plain, _), (joined, helper) = build(), build()
    with _module.one_module():
        joined.compile("int64(int64)")
    assert [joined(x) for x in range(5)] == [plain(x) for x in range(5)] == [(3 * x - 1) * 10 for x in range(5)]

    def later(x: int) -> int:
        return helper(x) + 1

    # Numba alone can use a helper that was left unfinished, with what the helper calls
    assert [compiled(later)(x) for x in range(5)] == [3 * x for x in range(5)]


def test_what_is_read_only_is_read_and_not_written() -> None:
    def reading(world: Any) -> int:
        w = _ref._compiled(world)
        return w.number[1] + w.cell[2].count

    def writing_an_item(world: Any) -> None:
        _ref._compiled(world).number[0] = 1

    def writing_a_field(world: Any) -> None:
        _ref._compiled(world).cell[0].count = 1

    world = pair()
    for array in world:
        array.flags.writeable = False
    assert compiled(reading)(world) == 20 + 3
    for function, field in ((writing_an_item, "number"), (writing_a_field, "cell")):
        with pytest.raises(TypeError, match=f"{field} is read-only"):
            compiled(function)(world)


@pytest.mark.parametrize("apart", [False, True])
def test_a_rare_helper_stays_apart(apart: bool) -> None:
    def seldom(x: int) -> int:
        return 3 * x + 1

    def top(x: int) -> int:
        return helper(x) * 10

    _module.name_helper(seldom, apart=apart)
    helper, entry = compiled(seldom, no_cpython_wrapper=True), compiled(top)
    with _module.one_module():
        entry.compile("int64(int64)")
    assert entry(2) == 70
    defined = [line for line in entry.inspect_llvm(entry.signatures[0]).splitlines() if line.startswith("define")]
    assert any("seldom" in line for line in defined) is apart
