"""Sweeps: every point what simulate() gives, kept whatever happens, computed once."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import octomodel as om
from octomodel import cli, dist, sweeping
from octomodel.errors import ModelError, RunError
from octomodel.files import DamagedFileError
from octomodel.policies import Policy, named
from octomodel.sweep_ledger import Ledger, dataset_of, text_of

LINE = om.Workflow("line", om.task("a", dist.Gamma(mean=90, cv=0.8)), om.task("b", dist.Gamma(mean=60, cv=0.8)))
CHIP = om.System(1, 1, tbus=4, epoch_cycles=500)
OVER = {"rows,cols": [(1, 1), (1, 2)], "tbu.switch_cycles": [0, 50], "policy.band": [0.1, 0.5]}
POLICIES = ("static", "octopus", "ideal")


def swept(out: Path, **changes: Any) -> xr.Dataset:
    options = {"over": OVER, "policies": POLICIES, "requests": 200, "replications": 2} | changes
    return om.sweep(LINE, CHIP, out=out, **options)


def without_cost(found: xr.Dataset) -> xr.Dataset:
    return found.drop_vars(sweeping.FREE)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return swept(tmp_path_factory.mktemp("sweep") / "study.nc")


def test_every_point_is_what_simulate_gives(study: xr.Dataset) -> None:
    assert dict(study.sizes) == {
        **{"rows_cols": 2, "tbu.switch_cycles": 2, "policy.band": 2, "policy": 3},
        **{"replication": 2, "cause": 9, "idleness": 2, "statistic": 4, "bound": 3},
    }
    assert study.rows_cols.values.tolist() == ["1,1", "1,2"] and study["policy.band"].values.tolist() == [0.1, 0.5]
    octopus = named("octopus").with_(band=0.5)
    machine = CHIP.with_(cols=2, **{"tbu.switch_cycles": 50})
    one = om.simulate(LINE, machine, octopus, requests=200, replications=2, seed=1)
    here = {"rows_cols": "1,2", "tbu.switch_cycles": 50, "policy.band": 0.5, "policy": "octopus"}
    found = study.sel(here)
    assert found.fingerprint.values.tolist() == one.fingerprint.values.tolist()
    assert found.makespan_cycles.values.tolist() == one.makespan_cycles.values.tolist()
    assert found.total_lendings.values.tolist() == one.cluster_lendings.sum("cluster").values.tolist()
    split = one.tbu_cycles.sum("tbu") / one.tbu_cycles.sum(("tbu", "cause"))
    assert found.time_share.values == pytest.approx(split.transpose("replication", "cause").values)
    assert not (study.point_error != "").any()


def test_the_lag_of_the_first_epochs(tmp_path: Path) -> None:
    phases = om.phases_by_request([("left", 100), ("right", 100)], left={"p": 0.9, "q": 0.1}, right={"p": 0.1, "q": 0.9})
    turn = om.branch({"p": 0.5, "q": 0.5}, p=om.task("x", 90), q=om.task("y", 90))
    workflow, load = om.Workflow("turn", turn, phases=phases), om.closed(requests=400)
    found = om.sweep(
        workflow, CHIP, {"seed": [1, 2]}, out=tmp_path / "lag.nc", policies=["static", "octopus"], load=load, epochs=80
    )
    for policy in ("static", "octopus"):
        lags = om.simulate(workflow, CHIP, policy, load, seed=2, epochs=80).octo.lag().values
        one = found.sel(seed=2, policy=policy)
        assert one.lag_balanced_share.item() == np.isfinite(lags).mean()
        assert one.lag_median_cycles.item() == np.sort(lags.ravel())[lags.size // 2]


def test_what_is_saved_is_what_is_returned(study: xr.Dataset, tmp_path: Path) -> None:
    again = swept(tmp_path / "again.nc")
    xr.testing.assert_identical(without_cost(om.load(tmp_path / "again.nc")), without_cost(again))
    xr.testing.assert_identical(without_cost(again), without_cost(study))


def test_what_is_known_is_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "study.nc"
    first = swept(out, over={"tbu.switch_cycles": [0, 50]})
    computed: list[str] = []
    figures = sweeping.figures
    monkeypatch.setattr(sweeping, "figures", lambda point: computed.append(point.label) or figures(point))
    xr.testing.assert_identical(swept(out, over={"tbu.switch_cycles": [0, 50]}), first)
    assert computed == []
    wider = swept(out, over={"tbu.switch_cycles": [0, 20, 50]})
    assert computed == [f"tbu.switch_cycles=20, {policy}" for policy in POLICIES]
    xr.testing.assert_identical(wider.sel({"tbu.switch_cycles": [0, 50]}), first)
    swept(out, over={"tbu.switch_cycles": [0, 50]}, requests=201)
    assert len(computed) == 9
    swept(out, over={"tbu.switch_cycles": [0, 50]}, resume=False)
    assert len(computed) == 15


def test_processes_give_the_same(study: xr.Dataset, tmp_path: Path) -> None:
    xr.testing.assert_identical(without_cost(swept(tmp_path / "study.nc", jobs=2)), without_cost(study))


def test_a_point_that_fails_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = sweeping.figures

    def failing(point: Any) -> xr.Dataset:
        if point.hardware.switch_cycles == 50:
            raise RunError("no more memory")
        return figures(point)

    monkeypatch.setattr(sweeping, "figures", failing)
    out, over = tmp_path / "study.nc", {"tbu.switch_cycles": [0, 50]}
    found = swept(out, over=over, policies=["static"])
    assert found.point_error.values.ravel().tolist() == ["", "RunError: no more memory"]
    failed = found.sel({"tbu.switch_cycles": 50})
    assert np.isnan(failed.steady_latency_cycles).all() and (failed.makespan_cycles == -1).all()
    monkeypatch.setattr(sweeping, "figures", figures)
    assert (swept(out, over=over, policies=["static"]).point_error == "").all()


SCRIPT = """
    import sys, time
    import octomodel as om
    from octomodel import cli, dist, sweeping

    line = om.Workflow("line", om.task("a", dist.Gamma(mean=90, cv=0.8)), om.task("b", dist.Gamma(mean=60, cv=0.8)))
    figures = sweeping.figures

    def slow(point):
        found = figures(point)
        print("point", flush=True)
        time.sleep(0.02)
        return found

    sweeping.figures = slow
    over = {"seed": list(range(30))}
    om.sweep(line, om.System(1, 1, tbus=4), over, out=sys.argv[1], requests=100)
"""


def test_killed_and_gone_on_with(tmp_path: Path) -> None:
    """Killed twice at some point; in the end all is as if nothing had happened, and no point is lost."""
    script = tmp_path / "study.py"
    script.write_text(textwrap.dedent(SCRIPT))
    out = tmp_path / "killed.nc"
    kept = 0
    for points in (3, 8):
        with subprocess.Popen([sys.executable, script, out], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(points):
                assert process.stdout.readline() == "point\n"
            process.send_signal(signal.SIGKILL)
        with Ledger(out.with_suffix(".ledger")) as ledger:
            assert kept + points - 1 <= len(ledger.done()) <= kept + points + 1
            kept = len(ledger.done())
        assert not out.exists()
    finished = subprocess.run([sys.executable, script, out], check=True, capture_output=True, text=True)
    assert finished.stdout.count("point") == 30 - kept
    whole = tmp_path / "whole.nc"
    subprocess.run([sys.executable, script, whole], check=True, capture_output=True)
    xr.testing.assert_identical(without_cost(om.load(out)), without_cost(om.load(whole)))


def test_a_worker_that_is_killed_costs_nothing(tmp_path: Path) -> None:
    over = {"seed": list(range(8))}
    killed: list[int] = []

    def kill_one() -> None:
        # once both are there: a process that dies while its pool still starts others can leave the pool waiting
        while len(children := multiprocessing.active_children()) < 2:
            time.sleep(0.01)
        time.sleep(0.2)
        pid = children[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)

    thread = threading.Thread(target=kill_one)
    thread.start()
    found = swept(tmp_path / "killed.nc", over=over, policies=["static"], jobs=2)
    thread.join()
    assert len(killed) == 1 and (found.point_error == "").all()
    xr.testing.assert_identical(without_cost(found), without_cost(swept(tmp_path / "o.nc", over=over, policies=["static"])))


def test_a_function_that_no_process_can_import_is_refused(tmp_path: Path) -> None:
    def local(view: Any, tbu: int) -> int:
        return -1

    with pytest.raises(ModelError, match="^jobs: got several processes for .*local; allowed: 1 where a policy is written in"):
        swept(tmp_path / "study.nc", over={}, policies=[Policy("own", dispatch=local)], jobs=2)


def test_two_sweeps_on_one_ledger(tmp_path: Path) -> None:
    with Ledger(tmp_path / "study.ledger"), pytest.raises(ModelError, match="got a ledger in use; allowed: one sweep at a time"):
        swept(tmp_path / "study.nc")


def test_damage_is_noticed(tmp_path: Path) -> None:
    out = tmp_path / "study.nc"
    swept(out, over={"seed": [1]}, policies=["static"])
    path = tmp_path / "study.ledger"
    with sqlite3.connect(path) as database:
        (payload,) = database.execute("select payload from point").fetchone()
        database.execute("update point set payload = ?", (payload.replace("1", "2", 1),))
    database.close()
    with pytest.raises(DamagedFileError, match="a point is not what was written"):
        swept(out, over={"seed": [1]}, policies=["static"])
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DamagedFileError, match="without the file all points are computed anew"):
        swept(out, over={"seed": [1]}, policies=["static"])


def test_every_value_is_kept_exactly() -> None:
    kept = xr.Dataset(
        {
            "x": ("replication", np.array([0.1, np.nan, 5e-324, 1e300])),
            "n": ("replication", np.array([2**62, -1, 0, 7])),
            "t": ("replication", np.array(["a", "", "ä\n", "x"])),
            "none": ("empty", np.array([], dtype=np.float64)),
        },
        {"empty": np.array([], dtype=np.int64)},
    )
    xr.testing.assert_identical(dataset_of(text_of(kept)), kept)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"over": {}, "policies": []}, r"policies: got \[\]"),
        ({"over": {"tbu.swich_cycles": [1]}}, r"over \(tbu.swich_cycles=1\).*did you mean 'switch_cycles'"),
        ({"over": {"rows": []}}, r"over.rows: got \[\]; allowed: at least one value"),
        ({"over": {"rows": [1, 1]}}, r"over.rows\[1\]: got 1; allowed: each value once"),
        ({"over": {"rows,cols": [(1, 1), (2,)]}}, r"over.rows,cols\[1\]: got \(2,\); allowed: 2 values"),
        ({"over": {"rows": [1], "cols,rows": [(1, 2)]}}, "over.cols,rows: got 'rows'; allowed: each field once"),
        ({"over": {"rows": [0]}}, r"over \(rows=0\)"),
        ({"over": {"policy.bend": [0]}}, "over.policy.bend: got 'bend'; allowed: did you mean 'band'"),
        ({"over": {"policy.band": [-1]}}, r"policy.params.band: got -1"),
        ({"over": {"seed": [-1]}}, r"over \(seed=-1\).seed: got -1"),
        ({"over": {"tbus": [1]}}, "mapping: got '1 live TBUs"),
        ({"out": "study.txt"}, "out: got 'study.txt'"),
        ({"jobs": 0}, "jobs: got 0"),
    ],
)
def test_what_is_refused_before_anything_runs(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    options = {"out": tmp_path / "study.nc"} | changes
    with pytest.raises(ModelError, match=f"^{message}"):
        swept(**options)
    assert not (tmp_path / "study.nc").exists()


def test_a_policy_is_known_by_its_code(tmp_path: Path) -> None:
    from octomodel.sweep_grid import Point

    policies = (Policy("own", dispatch=function) for function in (one_way, another_way, one_way))
    keys = {Point("", LINE, CHIP, policy, None, 5, 1, 1).key() for policy in policies}
    assert len(keys) == 2


def one_way(view: Any, tbu: int) -> int:
    return -1


def another_way(view: Any, tbu: int) -> int:
    return 0


def test_an_interrupt_leaves_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures, calls = sweeping.figures, []

    def interrupted(point: Any) -> xr.Dataset:
        calls.append(time.monotonic())
        if len(calls) == 3:
            raise KeyboardInterrupt
        return figures(point)

    monkeypatch.setattr(sweeping, "figures", interrupted)
    out, over = tmp_path / "study.nc", {"seed": [1, 2, 3, 4]}
    with pytest.raises(KeyboardInterrupt):
        swept(out, over=over, policies=["static"])
    found = swept(out, over=over, policies=["static"])
    assert len(calls) == 5 and (found.point_error == "").all()


STUDY = """
workflow: tandem
hardware: chip_64c
load: closed
policies: [static, octopus]
over:
  "rows,cols": [[1, 1], [1, 2]]
  tbu.switch_cycles: [0, 50]
requests: 100
"""


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "study.yaml", tmp_path / "study.zarr"
    file.write_text(STUDY)
    assert cli.main(["sweep", str(file), "--out", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["points"], printed["failed"]) == (8, 0)
    found = om.load(str(out))
    machine = om.hardware("chip_64c", rows=1, cols=2).with_(**{"tbu.switch_cycles": 50})
    one = om.simulate(om.workflow("tandem"), machine, "octopus", om.closed(requests=100), seed=1)
    here = {"rows_cols": "1,2", "tbu.switch_cycles": 50, "policy": "octopus"}
    assert found.fingerprint.sel(here).values.tolist() == one.fingerprint.values.tolist()
    assert cli.main(["sweep", str(file), "--out", str(out), "--fresh"]) == 0
    assert f"8 points, 0 failed; written to {out}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("over: {}", r"study.yaml.workflow: "),
        ("workflow: tandem\nover: {}\nseeds: 3", "did you mean 'seed'"),
        ("workflow: tandm\nover: {}", "did you mean 'tandem'"),
        ("workflow: tandem\nhardware: chip_64c\nover: {rows: 3}", "over.rows: got 3"),
        ("workflow: tandem\nhardware: chip_64c\nover: {}\nreplications: 0", "replications: got 0"),
    ],
)
def test_study_files_that_are_refused(text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(text)
    assert cli.main(["sweep", str(file), "--out", str(tmp_path / "study.nc")]) == 2
    assert message in capsys.readouterr().err
    assert cli.main(["sweep", str(tmp_path / "none.yaml"), "--out", str(tmp_path / "study.nc")]) == 2
