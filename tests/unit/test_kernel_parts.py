"""Small parts of kernels that a run has no reason to reach."""

from __future__ import annotations

import numpy as np
import pytest

from octomodel import lower, mapping
from octomodel.hardware import System
from octomodel.kernels import allocate
from octomodel.load import closed
from octomodel.program import per, task
from octomodel.workflow import Workflow

pytestmark = pytest.mark.nojit


def test_an_attribute_has_a_law_or_a_series() -> None:
    workflow = Workflow("w", task("a", per("n", 2.0)), attributes={"n": [1.0, 2.0]})
    system = System(1, 1, tbus=1)
    model = lower.lower(workflow, system, closed(2), mapping.make(workflow, system)).model
    both = model._replace(program=model.program._replace(attribute_law=np.array([0])))
    with pytest.raises(ValueError, match="both a law and a series"):
        allocate.shared(both)
