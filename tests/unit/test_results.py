"""From outcomes to a Dataset, and what the accessor says about it, against numbers computed by hand."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import octomodel as om
from octomodel import files, variables
from octomodel.accessor import OctoAccessor
from octomodel.errors import ModelError
from octomodel.outcome import (
    CAUSES,
    CLUSTER_FIELDS,
    EPOCH_FIELDS,
    LINK_FIELDS,
    PIPELINE_FIELDS,
    STATION_FIELDS,
    Outcome,
)
from octomodel.results import Names, combine, dataset

ROWS, COLS, N_TB, N_TBU = 2, 3, 2, 9
N_CLUSTER = ROWS * COLS
TBU_CLUSTER = np.array([0, 0, 1, 2, 2, 3, 4, 5, 5])
ATTRS = {
    "version": "0.1.0",
    "seed": 2**62,
    "configuration": "workflow:\n  name: größe\n" * 5_000,
    "step": 0,
    "exact": True,
    "tables_digest": "ab" * 16,
}
NAMES = Names("static", ("asr", "llm-7b.x"), ROWS, COLS, TBU_CLUSTER, 1e9, ("first_token",), 100, 4, 250)


def make_outcome(seed: int = 1, n_request: int = 6, **changes: Any) -> Outcome:
    """An outcome with recognisable numbers and a time split that sums to the elapsed cycles."""
    rng = np.random.default_rng(seed)
    elapsed = 1_000

    def counters(names: tuple[str, ...], *shape: int) -> dict[str, np.ndarray]:
        return {name: rng.integers(0, 1_000, shape) for name in names}

    arrival = np.arange(n_request) * 10
    made = Outcome(
        status="done",
        elapsed=elapsed,
        executions=77,
        request_arrival=arrival,
        request_end=arrival + rng.integers(50, 150, n_request),
        request_milestone=rng.integers(1, 50, (1, n_request)),
        tbu_cycles=rng.multinomial(elapsed, np.full(len(CAUSES), 1 / len(CAUSES)), N_TBU),
        station=counters(STATION_FIELDS, N_CLUSTER, N_TB),
        link=counters(LINK_FIELDS, 4 * N_CLUSTER),
        cluster=counters(CLUSTER_FIELDS, N_CLUSTER),
        pipeline=counters(PIPELINE_FIELDS, 3),
        epoch=counters(EPOCH_FIELDS, 4, N_CLUSTER, N_TB),
        fingerprint=f"{seed:032x}",
        bounds={"work_bound": 500.5, "path_bound": 400.0, "fluid_bound": 500.5},
    )
    return dataclasses.replace(made, **changes)


def make_study(*outcomes: Outcome, **changes: Any) -> xr.Dataset:
    return dataset(outcomes or (make_outcome(),), names=dataclasses.replace(NAMES, **changes), attrs=ATTRS)


def octo(study: xr.Dataset) -> OctoAccessor:
    accessor = study.octo
    assert isinstance(accessor, OctoAccessor)
    return accessor


def test_every_array_of_the_outcome_is_found_under_its_name() -> None:
    outcomes = [make_outcome(seed) for seed in (1, 2, 3)]
    study = make_study(*outcomes)
    for entry in variables.REGISTRY.values():
        entity, _, key = entry.source.partition(".")
        for run, outcome in enumerate(outcomes):
            if entity:
                field = getattr(outcome, entity)
                np.testing.assert_array_equal(study[entry.name][run], field[key] if key else field)
    assert study["link_wait_cycles"].dims == ("replication", "link")
    assert study["tbu_cycles"].sum("cause").values.tolist() == [[1_000] * N_TBU] * 3
    variables.check(study)


def test_the_whole_registry_is_written() -> None:
    assert set(make_study().variables) == set(variables.REGISTRY)


def test_axes_are_labelled() -> None:
    study = make_study()
    assert study["tb"].values.tolist() == ["asr", "llm-7b.x"]
    assert study["cause"].values.tolist() == list(CAUSES)
    assert study["milestone"].values.tolist() == ["first_token"]
    assert study["cluster_row"].values.tolist() == [0, 0, 0, 1, 1, 1]
    assert study["cluster_col"].values.tolist() == [0, 1, 2, 0, 1, 2]
    assert study["link_cluster"].values[5] == 1 and study["link_port"].values[5] == "east"
    assert study["link_port"].values[:4].tolist() == ["west", "east", "north", "south"]
    assert study["tbu_cluster"].values.tolist() == TBU_CLUSTER.tolist()
    assert study["epoch_cycle"].values.tolist() == [250, 500, 750, 1_000]
    assert study["epoch_demand"].dims == ("replication", "epoch", "cluster", "tb")
    assert study["policy"].item() == "static"
    assert study["replication"].values.tolist() == [0]


def test_attributes_are_safe_for_files() -> None:
    attrs = make_study().attrs
    assert attrs == ATTRS | {"exact": 1, "policy": "static", "clock_hz": 1e9, "deadline_cycles": 100}
    assert type(attrs["exact"]) is int
    assert "deadline_cycles" not in make_study(deadline_cycles=None).attrs


def test_what_did_not_happen_stays_an_integer() -> None:
    study = make_study(
        make_outcome(request_arrival=np.array([5, 6, -1]), request_end=np.array([9, -1, -1]), n_request=3)
    )
    assert study["request_latency_cycles"].dtype == np.int64
    assert study["request_latency_cycles"].values.tolist() == [[4, -1, -1]]
    assert study["requests_ended"].values.tolist() == [1]
    assert study["throughput_per_cycle"].values.tolist() == [1 / 1_000]


def test_deadline_of_a_finished_run() -> None:
    study = make_study(
        make_outcome(
            request_arrival=np.array([0, 0, 900]), request_end=np.array([100, 101, 1_000]), n_request=3
        )
    )
    assert study["deadline_miss"].values.tolist() == [1 / 3]
    assert study["goodput_per_cycle"].values.tolist() == [2 / 1_000]


def test_deadline_of_a_run_stopped_by_the_horizon() -> None:
    """Only requests that had 100 cycles before cycle 1,000 are judged: 0 met, 1 was late, 2 did not end."""
    study = make_study(
        make_outcome(
            status="horizon",
            request_arrival=np.array([0, 10, 900, 901, 950, -1]),
            request_end=np.array([50, 500, -1, 990, -1, -1]),
        )
    )
    assert study["deadline_miss"].values.tolist() == [2 / 3]
    assert study["goodput_per_cycle"].values.tolist() == [2 / 1_000]


def test_variables_without_a_meaning_are_left_out() -> None:
    study = make_study(make_outcome(bounds={}), deadline_cycles=None, milestones=())
    absent = {
        "work_bound_cycles",
        "path_bound_cycles",
        "fluid_bound_cycles",
        "deadline_miss",
        "goodput_per_cycle",
        "request_milestone_cycles",
        "milestone",
    }
    assert set(variables.REGISTRY) - set(study.variables) == absent
    summary = octo(study).summary()
    assert summary["deadline_miss"] is None and "work_bound_cycles" not in summary


def test_samples_are_there_where_they_were_asked_for() -> None:
    absent = {name for name, entry in variables.REGISTRY.items() if "epoch" in entry.dims}
    assert absent == {"epoch_cycle", *(f"epoch_{name}" for name in EPOCH_FIELDS)}
    assert set(variables.REGISTRY) - set(make_study(epochs=0).variables) == absent


def test_simulate_takes_samples() -> None:
    """Runs 0-100, 100-200, 200-300: the third request waits from 100 to 200, the run is over after its second hook."""
    workflow, chip = om.Workflow("one", om.task("only", 100)), om.System(rows=1, cols=1, tbus=1, epoch_cycles=150)

    def study(policy: str, epochs: int = 3) -> xr.Dataset:
        load = om.closed(requests=3, in_flight=2)
        return om.simulate(workflow, chip, policy, load, replications=2, epochs=epochs, threads=1)

    found = study("static")
    assert found["epoch_cycle"].values.tolist() == [150, 300, 450]
    assert found["epoch_backlog"].values[1, :, 0, 0].tolist() == [1, 0, -1]
    assert found["epoch_demand"].values[1, :, 0, 0].tolist() == [3, 0, -1]
    assert found["epoch_owners"].values[1, :, 0, 0].tolist() == [1, 1, -1]
    both = combine([found, study("ideal")])
    assert both["epoch_backlog"].values[:, 0, :, 0, 0].tolist() == [[1, 0, -1], [-1, -1, -1]]
    assert "epoch" not in study("static", epochs=0).dims
    xr.testing.assert_identical(found.drop_dims("epoch"), study("static", epochs=0))


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="outcomes: got none"):
        dataset((), names=NAMES, attrs=ATTRS)
    with pytest.raises(ValueError, match="required seed, step"):
        attrs = {key: value for key, value in ATTRS.items() if key not in ("seed", "step")}
        dataset((make_outcome(),), names=NAMES, attrs=attrs)
    with pytest.raises(ValueError, match="conflicting sizes for dimension 'tb'"):
        make_study(tbs=("asr",))
    with pytest.raises(ValueError, match="same shape"):
        make_study(make_outcome(n_request=6), make_outcome(n_request=7))
    with pytest.raises(TypeError, match="link_busy_cycles: got dtype float64"):
        outcome = make_outcome()
        outcome.link["busy"] = outcome.link["busy"].astype(np.float64)
        make_study(outcome)


def test_time_split_sums_to_one_at_every_level() -> None:
    outcomes = [make_outcome(1), make_outcome(2)]
    access = octo(make_study(*outcomes))
    cycles = outcomes[0].tbu_cycles + outcomes[1].tbu_cycles
    machine = access.time_split()
    np.testing.assert_allclose(machine, cycles.sum(axis=0) / cycles.sum(), rtol=1e-14)
    cluster = access.time_split("cluster")
    assert cluster.dims == ("cluster", "cause")
    for c in range(N_CLUSTER):
        mine = cycles[TBU_CLUSTER == c]
        np.testing.assert_allclose(cluster[c], mine.sum(axis=0) / mine.sum(), rtol=1e-14)
    assert cluster["cluster_row"].values.tolist() == [0, 0, 0, 1, 1, 1]
    tbu = access.time_split("tbu")
    np.testing.assert_allclose(tbu, cycles / 2_000, rtol=1e-14)
    for shares in (machine, cluster, tbu):
        np.testing.assert_allclose(shares.sum("cause"), 1.0, rtol=1e-14)
    with pytest.raises(ValueError, match="by: got 'link'"):
        access.time_split("link")  # type: ignore[arg-type]


def test_summary_of_one_run() -> None:
    outcome = make_outcome(
        7, n_request=5_000, executions=12_345, request_end=np.arange(5_000) * 10 + np.arange(5_000) * 37 % 101
    )
    summary = octo(make_study(outcome)).summary()
    assert list(summary) == [
        "replications",
        "requests",
        "executions",
        "makespan_cycles",
        "throughput_per_cycle",
        "latency",
        "deadline_miss",
        "time_split",
        "fingerprint",
        "exact",
        "work_bound_cycles",
        "path_bound_cycles",
        "fluid_bound_cycles",
        "warnings",
    ]
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["requests"] == 5_000 and summary["executions"] == 12_345
    assert summary["makespan_cycles"] == 1_000 and type(summary["makespan_cycles"]) is int
    assert summary["throughput_per_cycle"] == 5.0
    assert summary["fingerprint"] == f"{7:032x}" and summary["exact"] is True
    assert summary["deadline_miss"] == 0.0 and summary["work_bound_cycles"] == 500.5
    assert summary["warnings"] == []
    split = summary["time_split"]
    assert isinstance(split, dict) and list(split) == list(CAUSES)
    assert sum(split.values()) == pytest.approx(1.0, abs=1e-14)
    latency = summary["latency"]
    assert isinstance(latency, dict)
    assert list(latency) == ["mean", "p50", "p95", "p99", "warmup_requests", "n_effective"]
    assert latency["mean"]["lo"] <= 50 <= latency["mean"]["hi"]
    assert latency["p95"]["lo"] <= latency["p95"]["value"] <= latency["p95"]["hi"]
    assert 4 <= latency["n_effective"] <= 5_000


def test_summary_of_a_short_and_stopped_run() -> None:
    outcome = make_outcome(status="horizon", request_end=np.array([60, 70, -1, 90, -1, -1]))
    study = make_study(outcome).assign_attrs(exact=0, step=64)
    summary = octo(study).summary()
    assert summary["latency"] == {
        "mean": None,
        "p50": None,
        "p95": None,
        "p99": None,
        "warmup_requests": 2,
        "n_effective": None,
    }
    assert summary["exact"] is False
    assert summary["warnings"] == [
        "not exact: arrivals from other clusters were rounded up to steps of 64",
        "3 of 6 requests had not ended at the horizon; latencies are of those before the first of them",
        "run too short: no intervals; all requests belong to the start-up or the drain",
    ]


def test_summary_of_a_run_in_which_nothing_happened() -> None:
    nothing = np.full(6, -1)
    outcome = make_outcome(
        elapsed=0,
        request_arrival=nothing,
        request_end=nothing,
        tbu_cycles=np.zeros((N_TBU, 9), dtype=np.int64),
    )
    summary = octo(make_study(outcome)).summary()
    assert summary["throughput_per_cycle"] is None and summary["deadline_miss"] is None
    assert summary["time_split"] == dict.fromkeys(CAUSES)


def test_summary_of_replications_adds_counts_and_averages_the_rest() -> None:
    outcomes = [make_outcome(1, executions=10), make_outcome(2, executions=20, elapsed=2_000)]
    summary = octo(make_study(*outcomes)).summary()
    assert summary["replications"] == 2
    assert summary["requests"] == 12 and summary["executions"] == 30
    assert summary["makespan_cycles"] == 1_500
    assert summary["throughput_per_cycle"] == pytest.approx((6 / 1_000 + 6 / 2_000) / 2)
    assert summary["fingerprint"] == [f"{1:032x}", f"{2:032x}"]


def test_latency_is_ordered_by_arrival() -> None:
    """The start-up lies at the early arrivals, which have the high numbers: by number it would stay."""
    n = 20_000
    arrival = np.arange(n)[::-1] * 10
    latency = np.random.default_rng(3).integers(900, 1_100, n)
    latency[-100:] = 50_000
    latency[:5] = -1_000_000  # the last to arrive do not end
    end = np.where(latency < 0, -1, arrival + latency)
    outcome = make_outcome(n_request=n, request_arrival=arrival, request_end=end)
    steady = octo(make_study(outcome)).latency((0.5,))
    assert 100 <= steady.attrs["warmup_requests"] < 500
    assert steady.sel(statistic="p50", bound="hi") < 1_100
    assert steady.sel(statistic="mean", bound="lo") > 900


def test_a_horizon_does_not_leave_only_the_quick_requests() -> None:
    n = 20_000
    latency = np.random.default_rng(5).integers(900, 1_100, n)
    latency[-2_000:] = 1  # these are quick enough to end before the horizon, but those between are not
    end = np.arange(n) * 10 + latency
    end[-2_000::2] = -1
    steady = octo(make_study(make_outcome(status="horizon", n_request=n, request_end=end))).latency((0.5,))
    assert (steady.sel(bound="lo") > 950).all() and (steady.sel(bound="hi") < 1_050).all()
    assert 950 < steady.sel(statistic="mean", bound="lo") < 1_000 < steady.sel(statistic="mean", bound="hi")


def test_latency_gives_the_quantiles_asked_for_and_the_milestones() -> None:
    n = 20_000
    first = np.random.default_rng(4).integers(0, 1_000, (1, n))
    study = make_study(make_outcome(n_request=n, request_milestone=first))
    found = octo(study).latency((0.9, 0.999), milestone="first_token")
    assert found["statistic"].values.tolist() == ["mean", "p90", "p99.9"]
    assert found["bound"].values.tolist() == ["value", "lo", "hi"]
    assert abs(found.sel(statistic="p90", bound="value") - 900) < 15
    assert found.attrs["units"] == "cycles" and found.attrs["warnings"] == ""
    with pytest.raises(ModelError, match="did you mean 'first_token'"):
        octo(study).latency(milestone="last_token")
    short = octo(make_study()).latency()
    assert np.isnan(short.values).all() and np.isnan(short.attrs["n_effective"])
    assert short.attrs["warnings"].startswith("run too short: no intervals; ")


def test_policies_are_combined_along_their_own_dim() -> None:
    static, ideal = make_study(make_outcome(1)), make_study(make_outcome(2, bounds={}), policy="ideal")
    study = combine([static, ideal])
    variables.check(study)
    assert study["policy"].values.tolist() == ["static", "ideal"]
    assert study["tbu_cycles"].dims == ("policy", "replication", "tbu", "cause")
    assert study["tbu_cluster"].dims == ("tbu",)
    assert study.attrs == {key: value for key, value in static.attrs.items() if key != "policy"}
    assert "work_bound_cycles" not in study
    assert octo(study.sel(policy="ideal")).summary() == octo(ideal).summary()
    split = octo(study).time_split("cluster")
    assert split.dims == ("policy", "cluster", "cause")
    np.testing.assert_array_equal(split.sel(policy="ideal"), octo(ideal).time_split("cluster"))
    with pytest.raises(ValueError, match="several policies"):
        octo(study).summary()
    with pytest.raises(ValueError, match="static, static"):
        combine([static, static])
    with pytest.raises(ValueError, match="tb"):
        combine([static, make_study(policy="ideal", tbs=("asr", "other"))])


def test_one_replication_can_be_looked_at_alone() -> None:
    study = make_study(make_outcome(1), make_outcome(2))
    alone = octo(study.isel(replication=1)).summary()
    assert alone == octo(study.isel(replication=[1])).summary()
    assert alone["fingerprint"] == f"{2:032x}"
    np.testing.assert_array_equal(
        octo(study.isel(replication=1)).time_split(), octo(make_study(make_outcome(2))).time_split()
    )


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_a_result_comes_back_identical(tmp_path: Path, suffix: str) -> None:
    study = combine([make_study(make_outcome(1)), make_study(make_outcome(2), policy="ideal")])
    octo(study).save(tmp_path / f"run{suffix}")
    found = files.load(tmp_path / f"run{suffix}")
    assert found.identical(study)
    assert {name: array.dtype for name, array in found.variables.items()} == {
        name: array.dtype for name, array in study.variables.items()
    }
    variables.check(found)
    with xr.open_dataset(
        tmp_path / f"run{suffix}", **({"consolidated": False} if suffix == ".zarr" else {})
    ) as plain:
        assert plain["request_latency_cycles"].dtype == np.int64
        assert plain["fingerprint"].values.tolist() == study["fingerprint"].values.tolist()
