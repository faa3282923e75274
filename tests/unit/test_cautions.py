"""What is warned of, and what is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import octomodel as om
from octomodel import cautions, cli, mapping
from octomodel.dist import Deterministic, Empirical, Exponential, Mixture
from octomodel.errors import ModelWarning
from octomodel.policies import POLICIES

PAIR = om.Workflow("pair", om.task("a", 100), om.task("b", 300))
CHIP = om.System(1, 2, tbus=4)  # two pipelines of one owner of a and three of b: 0.01 requests per cycle each


def said(load: Any, policy: str = "static", workflow: om.Workflow = PAIR, system: om.System = CHIP, n: int = 100) -> list[str]:
    owners = mapping.make(workflow, system)
    return cautions.found(workflow, system, load, owners, POLICIES.get(policy), n)


@pytest.mark.parametrize(
    "load",
    [
        om.poisson(0.02),
        om.periodic(50),
        om.periodic(0),
        om.renewal(om.dist.Gamma(mean=50, cv=3)),
        om.mmpp([0.04, 0.0], [10, 10]),
        om.trace(range(0, 5000, 50)),
        om.trace([*range(0, 5000, 50), 10**6]),
    ],
)
def test_a_load_as_large_as_the_capacity(load: Any) -> None:
    (text,) = said(load)
    rate = "inf" if load == om.periodic(0) else "0.02"
    assert text.startswith(f"load: {rate} requests per cycle are offered, at most 0.02 can be served (task a): ")


@pytest.mark.parametrize(
    "load",
    [
        om.closed(),
        om.poisson(0.0199),
        om.periodic(50.1),
        om.renewal(om.dist.Gamma(mean=51, cv=3)),
        om.mmpp([0.04, 0.0], [10, 10.1]),
        om.trace(range(0, 5100, 51)),
        om.trace([7] * 100),
    ],
)
def test_a_load_below_the_capacity(load: Any) -> None:
    assert said(load) == []


def test_the_capacity_is_that_of_policy_pipeline_and_speed() -> None:
    third = om.Workflow("pair", om.task("a", 100), om.task("b", 500))
    assert "at most 0.012 can be served (task b)" in said(om.poisson(0.012), workflow=third)[0]
    for policy in ("stealing", "ideal"):
        assert said(om.poisson(0.0133), policy, third) == []
        assert "at most 0.01333 can be served (all TBUs together)" in said(om.poisson(0.0134), policy, third)[0]
    assert "at most 0.0125 " in said(om.poisson(0.0125, split=[1, 4]))[0]
    assert "at most 0.04 " in said(om.poisson(0.04), system=om.System(1, 2, tbus=4, tbu_speed=2.0))[0]
    halved = om.System(1, 2, tbus=4, dead_tbus=[0, 1, 2, 3])
    assert "at most 0.005 " in said(om.poisson(0.005), "ideal", workflow=om.Workflow("x", om.task("c", 800)), system=halved)[0]


RARE = om.Workflow("rare", om.task("a", 100), om.task("b", 900), om.task("c", 100))
FEW = om.System(1, 2, tbus=3)  # one owner each: of a and c it works a ninth of its time


def test_a_machine_that_cannot_be_filled() -> None:
    (text,) = said(om.closed(), workflow=RARE, system=FEW)
    assert text == (
        "mapping: the workflow cannot fill this machine: with task b of pipeline 0 always busy, owners work 40.7% of their "
        "time; TBUs that run every task could serve 2.45 times as many requests"
    )
    (text,) = said(om.closed(), workflow=om.Workflow("one", om.task("only", 0)))
    assert text == "mapping: 8 of 8 owners have a task without demand and never work: only"
    # an open load need not fill it, and other policies let TBUs help or change owners
    assert said(om.poisson(1e-4), workflow=RARE, system=FEW) == []
    for policy in ("stealing", "octopus", "reactive", "ideal"):
        assert said(om.closed(), policy, RARE, FEW) == []
    with pytest.warns(ModelWarning, match="^mapping: the workflow cannot fill this machine: ") as seen:
        om.simulate(RARE, FEW, load=om.closed(requests=5), replications=3, threads=1)
    assert len(seen) == 1


def only(time: Any, **machine: Any) -> list[str]:
    return said(om.closed(), workflow=om.Workflow("one", om.task("only", time)), system=om.System(1, 1, tbus=2, **machine))


@pytest.mark.parametrize("time", [Exponential(25), Deterministic(3), 0, Empirical([1, 2, 9]), Deterministic(25.5)])
def test_times_that_rounding_leaves_alone(time: Any) -> None:
    assert [text for text in only(time) if not text.startswith("mapping: ")] == []


@pytest.mark.parametrize("time", [Exponential(24.9), Deterministic(3.5), Empirical([1, 2.5]), Empirical([0, 2]), 0.5])
def test_times_that_rounding_shifts(time: Any) -> None:
    mean = time if isinstance(time, float) else time.mean
    (text,) = only(time)
    assert text.startswith(f"workflow.one.only.time: a mean of {mean:.4g} cycles: rounding to whole cycles")


def test_rounding_comes_after_speed_peas_and_phase() -> None:
    assert "a mean of 20 cycles" in only(Exponential(40), tbu_speed=(1.0, 2.0))[0]
    assert only(Exponential(40), tbu_speed=(1.0, 2.0), dead_tbus=[1]) == []
    assert "a mean of 3.333 cycles" in only(10, tbu_speed=3.0)[0]
    assert only(10, peas=2) == []
    phases = om.phases_by_request([("day", 5), ("night", 5)])
    task = om.task("only", om.by_phase(Exponential(90), night=Exponential(9)))
    changing = om.Workflow("one", task, phases=phases)
    assert "a mean of 9 cycles" in said(om.closed(), workflow=changing)[0]
    scaled = om.Workflow("one", om.task("only", om.per("n", 2)), attributes={"n": Deterministic(5)})
    assert "a mean of 10 cycles" in said(om.closed(), workflow=scaled)[0]


def test_a_bias_of_more_than_a_thousandth_is_there() -> None:
    mean = 20
    ds = om.simulate(
        om.Workflow("one", om.task("only", Exponential(mean))),
        om.System(1, 1, tbus=1),
        load=om.closed(requests=400_000, in_flight=1),
        cautions=False,
    )
    assert float(ds.makespan_cycles[0]) / 400_000 == pytest.approx(mean * 1.00115, rel=0.005)


BOTH = om.Policy("both", dispatch=POLICIES["stealing"].dispatch, route=POLICIES["jsq"].route)


@pytest.mark.parametrize("policy", ["jsq", BOTH])
def test_a_choice_of_one_cluster(policy: Any) -> None:
    other = {"jsq": "static"}.get(policy, "stealing")
    with pytest.warns(ModelWarning, match=f"policy {getattr(policy, 'name', policy)}: same as {other}: no task has"):
        ds = om.simulate(PAIR, CHIP, policy, requests=50)
    assert ds.attrs["note"] == f"same as {other}"
    same = om.simulate(PAIR, CHIP, other, requests=50)
    assert "note" not in same.attrs
    assert ds.fingerprint.values == same.fingerprint.values
    wide = mapping.make(PAIR, CHIP, clusters_per_pipeline=2)
    assert "note" not in om.simulate(PAIR, CHIP, policy, requests=50, placement=wide).attrs


def test_warnings_come_once_before_the_run_and_can_be_left_out() -> None:
    with pytest.warns(ModelWarning) as seen:
        om.simulate(PAIR, CHIP, load=om.poisson(1.0, requests=20), replications=3)
    assert [str(each.message).partition(":")[0] for each in seen] == ["load"]
    assert seen[0].filename == __file__
    om.simulate(PAIR, CHIP, load=om.poisson(1.0, requests=20), cautions=False)


def test_probabilities_that_nearly_sum_to_one() -> None:
    shares = {"x": 0.5, "y": 0.5 - 5e-10}
    with pytest.warns(ModelWarning, match=r"^branch\.probabilities: the probabilities sum to 0\.9999999995; the last"):
        om.branch(shares, x=om.task("x", 1), y=om.task("y", 1))
    with pytest.warns(ModelWarning, match=r"^Mixture\.weights: the numbers sum to 0\.9999999995 and are divided"):
        Mixture((0.5, 0.5 - 5e-10), (Exponential(1), Exponential(2)))
    # nothing is said of what decimal fractions are off
    om.branch({str(f"x{i}"): 0.1 for i in range(10)}, **{f"x{i}": om.task(f"t{i}", 1) for i in range(10)})
    Mixture(tuple(np.full(10, 0.1)), tuple(Exponential(i + 1) for i in range(10)))


def test_the_command_line_warns_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "early_exit", "--hardware", "edge_cluster", "--requests", "20", "--load", "{kind: poisson, rate: 1}"]
    assert cli.main(words) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("octomodel: warning: load: 1 requests per cycle are offered, at most ")
    assert all(line.startswith("octomodel: warning: ") for line in lines)


def test_the_command_line_tells_warnings_of_descriptions_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "near.yaml"
    choices = "{choice: x, probability: 0.5, program: []}, {choice: y, probability: 0.5000000004, program: []}"
    path.write_text(
        f"schema_version: 1\nworkflow: {{name: w, program: [{{task: a, time: 100}}, {{branch: b, choices: [{choices}]}}]}}\n"
    )
    words = [sys.executable, "-m", "octomodel", "show", str(path)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr.startswith(f"octomodel: warning: {path}.workflow.program[1].probabilities: the probabilities sum to")
    assert done.stderr.count("\n") == 1
