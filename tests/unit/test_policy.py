"""The bundled policies by themselves: what each answers to what it can know (rules 6.7 and 7.3)."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from octomodel.kernels import policy
from octomodel.kernels.model import DISPATCH_OWN, DISPATCH_STEAL, I64, ROUTE_NEAREST, ROUTE_SHORTEST
from octomodel.kernels.world import OPTION, Records

pytestmark = pytest.mark.nojit


# helpers of kernels can be called by compiled code only
@numba.njit
def compiled_dispatch(code: int, waiting: I64, own: int) -> int:
    return policy.dispatch(code, waiting, own)


@numba.njit
def compiled_route(code: int, option: Records, n: int) -> int:
    return policy.route(code, option, n)


@pytest.mark.parametrize(
    ("waiting", "own", "answer"),
    [
        ([0, 3, 5], 0, 2),
        ([0, 3, 5], 2, 1),
        ([4, 3, 4], 1, 0),
        ([0, 1, 0], 0, 1),
        ([0, 7, 0], 1, policy.ASK_NEIGHBOUR),
        ([0, 0, 0], 1, policy.ASK_NEIGHBOUR),
    ],
)
def test_stealing_takes_the_longest_queue_of_another(waiting: list[int], own: int, answer: int) -> None:
    assert compiled_dispatch(DISPATCH_STEAL, np.array(waiting), own) == answer


def test_without_a_dispatch_nothing_is_lent() -> None:
    assert compiled_dispatch(DISPATCH_OWN, np.array([9, 9]), 0) == policy.NOTHING


@pytest.mark.parametrize(
    ("code", "candidates", "answer"),
    [
        # hops, free, present, owners
        (ROUTE_NEAREST, [(2, 9, 0, 1), (1, 0, 9, 1), (1, 0, 0, 9)], 1),
        (ROUTE_NEAREST, [(1, 2, 0, 1), (1, 3, 9, 1), (1, 3, 0, 9)], 1),
        (ROUTE_NEAREST, [(0, 0, 0, 1), (3, 9, 0, 1)], 0),
        # 3 / 2, 4 / 3 and 8 / 6 tokens per owner
        (ROUTE_SHORTEST, [(0, 9, 3, 2), (4, 0, 4, 3), (2, 0, 8, 6)], 2),
        (ROUTE_SHORTEST, [(2, 0, 1, 1), (2, 9, 2, 2), (3, 9, 1, 1)], 0),
        (ROUTE_SHORTEST, [(0, 0, 1, 1), (1, 0, 0, 1)], 1),
    ],
)
def test_route_chooses(code: int, candidates: list[tuple[int, ...]], answer: int) -> None:
    option = np.zeros(len(candidates), OPTION).view(np.recarray)
    for place, values in enumerate(candidates):
        for name, value in zip(("hops", "free", "present", "owners"), values, strict=True):
            option[name][place] = value
    assert compiled_route(code, option, len(candidates)) == answer
