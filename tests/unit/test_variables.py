"""The registry of result variables: complete, consistent, and strict."""

from __future__ import annotations

import re
from dataclasses import fields

import numpy as np
import pytest
import xarray as xr

from octomodel import outcome, variables
from octomodel.errors import ModelError
from octomodel.variables import POLICY, REGISTRY, REPLICATION, TB, check, make

COUNTERS = {
    "station": outcome.STATION_FIELDS,
    "link": outcome.LINK_FIELDS,
    "cluster": outcome.CLUSTER_FIELDS,
    "pipeline": outcome.PIPELINE_FIELDS,
    "epoch": outcome.EPOCH_FIELDS,
    "bounds": ("work_bound", "path_bound", "fluid_bound"),
}
NOT_STORED = {
    "request_end",
    "wall_seconds",
    "compile_seconds",
}  # arrival + latency; not the same in two equal runs


def test_every_field_of_an_outcome_has_exactly_one_variable() -> None:
    sources = [entry.source for entry in REGISTRY.values() if entry.source]
    plain = {field.name for field in fields(outcome.Outcome)} - COUNTERS.keys() - NOT_STORED
    expected = plain | {f"{entity}.{field}" for entity, names in COUNTERS.items() for field in names}
    assert sorted(sources) == sorted(expected)


@pytest.mark.parametrize("entry", REGISTRY.values(), ids=REGISTRY)
def test_names_units_and_descriptions(entry: variables.Variable) -> None:
    assert REGISTRY[entry.name] is entry
    assert re.fullmatch(r"[a-z][a-z0-9_]*", entry.name)
    assert entry.dtype in ("int64", "float64", "str")
    assert (entry.units == "") == (entry.dtype == "str")
    assert (entry.name.endswith("_cycles") or entry.name == "epoch_cycle") == (entry.units == "cycles")
    assert entry.description and entry.description[0] != " "
    if len(entry.dims) == 2 and not entry.name.startswith("request"):
        assert entry.name.startswith(("station_", "tbu_"))


def test_make_annotates_and_puts_the_replication_first() -> None:
    made = make("link_bytes", np.zeros((2, 8), dtype=np.int64))
    assert made.dims == (REPLICATION, "link")
    assert made.attrs == {"units": "bytes", "description": REGISTRY["link_bytes"].description}
    assert make(TB, np.array(["asr", "llm"])).dims == (TB,)
    assert make("executions", np.zeros((3, 2), dtype=np.int64), leading=variables.STUDY_DIMS).dims == (
        POLICY,
        REPLICATION,
    )


def test_an_unregistered_name_is_an_error_that_lists_near_misses() -> None:
    with pytest.raises(ModelError, match="did you mean 'executions'"):
        make("execution", np.zeros(1, dtype=np.int64))
    with pytest.raises(ModelError, match="result variable: got 'mine'"):
        check(xr.Dataset({"mine": (REPLICATION, [1])}))


def test_wrong_dims_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"link_bytes: got 1 axes"):
        make("link_bytes", np.zeros(8, dtype=np.int64))
    cycles = np.zeros((2, 3), dtype=np.int64)
    check(xr.Dataset({"link_bytes": (("policy", "link"), cycles)}))
    for dims in (("link", "replication"), ("seed", "link"), ("replication", "cluster")):
        with pytest.raises(ValueError, match="link_bytes: got dims"):
            check(xr.Dataset({"link_bytes": (dims, cycles)}))
    with pytest.raises(ValueError, match="executions: got dims"):
        check(xr.Dataset({"executions": (("replication", "policy"), cycles)}))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("executions", np.zeros(1, dtype=np.int32)),
        ("executions", np.zeros(1)),
        ("throughput_per_cycle", np.zeros(1, dtype=np.int64)),
        ("throughput_per_cycle", np.zeros(1, dtype=np.float32)),
        ("fingerprint", np.zeros(1, dtype=np.int64)),
        ("fingerprint", np.array(["a"], dtype=object)),
    ],
)
def test_wrong_dtype_is_an_error(name: str, values: np.ndarray) -> None:
    with pytest.raises(TypeError, match=f"{name}: got dtype {values.dtype}"):
        make(name, values)
    with pytest.raises(TypeError, match=f"{name}: got dtype {values.dtype}"):
        check(xr.Dataset({name: (REPLICATION, values)}))
