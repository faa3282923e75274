"""The reference's draws against values worked out by hand from rule 2 of docs/semantics.md."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from octomodel.kernels.model import CONSTANT, CURVE, NO_HORIZON, STEPS, Load, Program
from octomodel.testing.reference_draws import Draws, draw, mix, unit

pytestmark = pytest.mark.nojit


def ints(values: Any) -> Any:
    return np.array(values, dtype=np.int64)


def draws_of(**given: Any) -> Draws:
    """Draws of a program of one node, its first law that of the node; whatever is not given is empty."""
    empty: dict[str, Any] = {name: ints([]) for name in Program._fields}
    node = {"node_law": ints([[0]]), "node_base": np.ones((1, 1)), "node_attribute": ints([-1])}
    source = (ints([0, 1]), ints([0]), ints([0]), np.zeros(0, dtype=np.int16))
    return Draws(Program(**{**empty, **node, **given}), Load(*source, 0, mix(7), NO_HORIZON, 0))


def laws(*tables: tuple[int, int, list[int]], **given: Any) -> Draws:
    """Draws with laws given as (kind, size, knots)."""
    offsets = np.cumsum([0, *(len(knots) for _, _, knots in tables)])
    return draws_of(
        law_kind=ints([kind for kind, _, _ in tables]),
        law_size=ints([size for _, size, _ in tables]),
        law_offset=ints(offsets[:-1]),
        knots=ints([knot for _, _, knots in tables for knot in knots]),
        **given,
    )


def choices(weights: list[float], **given: Any) -> Draws:
    return draws_of(edge_weight=np.array([weights]), edge_indptr=ints([0, len(weights)]), **given)


def test_hash() -> None:
    # mix(1), step by step: 1 >> 30 = 0; the first product keeps its low 63 bits; and so on.
    z = 0x3F58476D1CE4E5B9
    z ^= z >> 27
    z = (z * 0x14D049BB133111EB) & (2**63 - 1)
    assert mix(1) == z ^ (z >> 31) and mix(0) == 0
    key = mix((5 + 4 * 0x1E3779B97F4A7C15) % 2**63)
    word = (1 << 60) + (2 << 40) + (6 << 16) + 9
    assert draw(5, 3, 1, 2, 6, 9) == mix((key + word * 0x1E3779B97F4A7C15) % 2**63)
    assert unit(2**63 - 1) == 1 - 2.0**-53 and unit(1023) == 0.0


def test_laws() -> None:
    first, second = [i * 10 for i in range(1025)], [100_000 + i * 1000 for i in range(1025)]
    draws = laws((CONSTANT, 1, [42]), (STEPS, 3, [7, 8, 9]), (CURVE, 2, first + second))
    assert draws.sample(0, 2**63 - 1) == 42
    assert [draws.sample(1, u) for u in (0, 2**63 // 3 + 2**31, 2**63 - 1)] == [7, 8, 9]
    # Bin 5, three tenths on: 50 + (10 * 19661 >> 16) = 53.
    assert draws.sample(2, (5 << 53) + (19661 << 37)) == 53
    # Bin 1023 passes on to the next ten bits, here bin 4, half-way.
    assert draws.sample(2, (1023 << 53) + (4 << 43) + (32768 << 27)) == 104_500
    # The last level keeps bin 1023.
    assert draws.sample(2, (1023 << 53) + (1023 << 43)) == 100_000 + 1_023_000


def test_selection_is_without_replacement_and_weighted() -> None:
    draws = choices([1.0, 2.0, 0.0], node_select=ints([1]), node_items=ints([1]))
    seconds = sum(draws.selection(request, 0, 0, 1)[1] for request in range(6000))
    assert 3800 < seconds < 4200  # 4000, standard deviation 37
    draws.select = [2]
    assert all(draws.selection(request, 0, 0, 1) == [1, 1, 0] for request in range(50))
    draws.items = [4]
    assert draws.selection(3, 0, 0, 1) == [4, 4, 0]


def test_branch_follows_its_probabilities() -> None:
    draws = choices([0.25, 1.0])
    firsts = sum(draws.branch(request, 0, 0, 1) == 0 for request in range(6000))
    assert 1365 < firsts < 1635  # 1500, standard deviation 34


def test_times_are_rounded_half_up_and_at_least_one() -> None:
    draws = laws((CONSTANT, 1, [0]))
    assert draws.run_cycles(0, 0, 0, 1, [], 1.0) == 0
    for value, factor, cycles in ((2.5, 1.0, 3), (2.5, 2.0, 1), (0.1, 1.0, 1), (7.0, 2.0, 4)):
        assert laws((CONSTANT, 1, [round(value * 65536)])).run_cycles(0, 0, 0, 1, [], factor) == cycles
    nothing = laws((CONSTANT, 1, [65536]), node_base=np.zeros((1, 1)))
    assert nothing.run_cycles(0, 0, 0, 1, [], 1.0) == 0


def test_attributes_scale_times_and_counts() -> None:
    # Attribute 0 is the law (3.0), attribute 1 a series; the node's scale is 1 + 2 * attribute 1.
    draws = laws(
        (CONSTANT, 1, [3 * 65536]),
        attribute_law=ints([0, -1]),
        attribute_indptr=ints([0, 0, 2]),
        attribute_values=np.array([0.25, -0.5]),
        node_attribute=ints([1]),
        node_slope=np.array([[2.0]]),
    )
    assert [draws.attributes(request) for request in (0, 3)] == [[3.0, 0.25], [3.0, -0.5]]
    assert draws.run_cycles(0, 0, 0, 1, [3.0, 0.25], 1.0) == 5  # 4.5 rounded half up
    assert draws.run_cycles(0, 0, 0, 1, [3.0, -0.5], 1.0) == 0
    assert [draws.count(0, 0, 0, 1, [3.0, x]) for x in (0.25, -0.5, -2.0)] == [5, 0, 0]
