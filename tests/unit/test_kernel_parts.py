"""Small parts of kernels that a run has no reason to reach."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from octomodel import lower, mapping
from octomodel.hardware import System
from octomodel.kernels import allocate, interpret, policy
from octomodel.kernels._jit import JIT_ENABLED
from octomodel.kernels.model import DISPATCH_OWN, DISPATCH_STEAL
from octomodel.load import closed
from octomodel.program import per, task
from octomodel.workflow import Workflow

pytestmark = pytest.mark.nojit


@pytest.mark.skipif(JIT_ENABLED, reason="compiled, it is for compiled code alone to call")
def test_a_tbu_is_lent_under_a_dispatch_only() -> None:
    waiting = np.array([0, 3, 5])
    assert policy.dispatch(DISPATCH_OWN, waiting, 0) == policy.NOTHING
    assert policy.dispatch(DISPATCH_STEAL, waiting, 0) == 2
    assert policy.dispatch(DISPATCH_STEAL, waiting, 2) == 1
    assert policy.dispatch(DISPATCH_STEAL, waiting * 0, 2) == policy.ASK_NEIGHBOUR


def test_an_attribute_has_a_law_or_a_series() -> None:
    workflow = Workflow("w", task("a", per("n", 2.0)), attributes={"n": [1.0, 2.0]})
    system = System(1, 1, tbus=1)
    model = lower.lower(workflow, system, closed(2), mapping.make(workflow, system)).model
    both = model._replace(program=model.program._replace(attribute_law=np.array([0])))
    with pytest.raises(ValueError, match="both a law and a series"):
        allocate.shared(both)


class State(NamedTuple):
    """Arrays that a kernel changes."""

    values: np.ndarray


@pytest.mark.parametrize("compiled", [False, True])
def test_a_kernel_changes_the_arrays_it_is_given(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are when it is compiled, as lists when it is not."""
    given: list[type] = []

    def kernel(state: State, by: int) -> int:
        given.append(type(state.values))
        for i in range(len(state.values)):
            state.values[i] += by
        return 7

    monkeypatch.setattr(interpret, "JIT_ENABLED", compiled)
    state = State(np.arange(3))
    assert interpret.call(kernel, state, 4) == 7
    assert state.values.tolist() == [4, 5, 6]
    assert given == [np.ndarray if compiled else list]
