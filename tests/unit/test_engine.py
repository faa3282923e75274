"""What simulate() refuses before anything runs."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest

import octomodel as om
from octomodel.errors import ModelError, RunError

ONE = om.Workflow("one", om.task("only", 100))
CHIP = om.System(1, 1, tbus=1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"workflow": "early_exit"}, r"workflow: got 'early_exit'; allowed: a Workflow, such as octomodel\.workflow\('ea"),
        ({"hardware": "chip_64c"}, r"hardware: got 'chip_64c'; allowed: a System, such as octomodel\.hardware\('chip_64c'"),
        ({"load": "closed"}, r"load: got 'closed'; allowed: a load, such as octomodel\.closed\(\)"),
        ({"placement": [[1]]}, r"placement: got \[\[1\]\]; allowed: what octomodel\.mapping\.make\(workflow, hardware\)"),
        ({"policy": None}, r"policy: got None; allowed: one of ideal, jsq, static, stealing, or a Policy"),
        ({"threads": -1}, r"threads: got -1; allowed: an integer from 1 to 4096"),
        ({"replications": 0}, r"replications: got 0; allowed: an integer from 1"),
        ({"memory_limit_bytes": 0}, r"memory_limit_bytes: got 0; allowed: an integer from 1"),
        ({"memory_limit_bytes": 100}, r"memory: got .* GiB, most of it for .*; allowed: .*memory_limit_bytes, --memory-limit"),
    ],
)
def test_arguments_of_another_kind(values: dict[str, Any], message: str) -> None:
    arguments = {"workflow": ONE, "hardware": CHIP, "requests": 1, **values}
    with pytest.raises(ModelError, match=f"^{message}"):
        om.simulate(**arguments)


@pytest.mark.parametrize("policy", ["static", "ideal"])
def test_the_memory_limit_holds_during_the_run(policy: str) -> None:
    flood = om.trace([0] * 2_000, in_flight=None)
    assert int(om.simulate(ONE, CHIP, policy, flood, cautions=False).requests_ended[0]) == 2_000
    with pytest.raises(RunError, match="requests in flight would need more than 200000 bytes"):
        om.simulate(ONE, CHIP, policy, flood, memory_limit_bytes=200_000, cautions=False)


def test_a_machine_with_an_unknown_keyword() -> None:
    make: Any = om.System
    with pytest.raises(ModelError, match=r"^system: got 'row'; allowed: did you mean 'rows'\? one of 33 names$"):
        make(row=1, cols=1)
    with pytest.raises(TypeError, match="rows"):
        make(cols=1)
    assert list(inspect.signature(om.System).parameters)[:2] == ["rows", "cols"]
    assert pickle.loads(pickle.dumps(CHIP)) == CHIP
