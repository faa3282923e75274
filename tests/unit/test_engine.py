"""What simulate() refuses before anything runs."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path
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
        ({"policy": None}, r"policy: got None; allowed: one of ideal, jsq, .*stealing, or a Policy"),
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
    with pytest.raises(ModelError, match=r"^system: got 'row'; allowed: did you mean 'rows'\? one of 35 names$"):
        make(row=1, cols=1)
    with pytest.raises(TypeError, match="rows"):
        make(cols=1)
    assert list(inspect.signature(om.System).parameters)[:2] == ["rows", "cols"]
    assert pickle.loads(pickle.dumps(CHIP)) == CHIP


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_a_result_is_saved_with_registered_variables_only(tmp_path: Path, suffix: str) -> None:
    ds, path = om.simulate(ONE, CHIP, requests=5), tmp_path / f"run.{suffix}"
    for changed in (ds.assign(foo=1), ds.assign_coords(foo=("request", range(5)))):
        with pytest.raises(ModelError, match=r"^dataset\.foo: got a variable of your own; allowed: .*drop_vars\('foo'\)"):
            changed.octo.save(path)
    assert not path.exists()
    ds.assign(foo=1).drop_vars("foo").octo.save(path)
    ds[["executions"]].octo.save(tmp_path / f"part.{suffix}")
    assert om.load(path).identical(ds)


def test_a_milestone_where_there_are_none() -> None:
    ds = om.simulate(ONE, CHIP, requests=5)
    with pytest.raises(ModelError, match="^milestone: got 'x'; allowed: nothing: there are none$"):
        ds.octo.latency(milestone="x")
