"""What the bundled policies of section 14 do with a cluster, in runs small enough to be understood."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import octomodel as om
from octomodel import dist
from octomodel.errors import ModelError
from octomodel.policies import named
from octomodel.testing import laws
from octomodel.testing.examples import run

OCTOPUS = named("octopus")
COMBINATIONS = [(dds, ats, pcs) for dds in (0, 1) for ats in (0, 1) for pcs in (0, 1)]


def shifting(requests: int = 1_200) -> tuple[om.Workflow, om.System, Any]:
    """Return a workflow whose frequencies move, a small machine with dear loads, and a load that keeps it full."""
    turn = om.branch(
        {"p": 0.5, "q": 0.5},
        p=om.task("x", dist.Gamma(mean=3_000, cv=0.5), config_bytes=4_096, out_bytes=256),
        q=om.task("y", dist.Gamma(mean=3_000, cv=0.5), config_bytes=4_096, out_bytes=256),
    )
    workflow = om.Workflow(
        "shifting",
        om.task("a", dist.Gamma(mean=800, cv=0.3), out_bytes=256),
        turn,
        om.task("b", dist.Gamma(mean=400, cv=0.3)),
        phases=om.phases_by_request([("left", 150), ("right", 150)], left={"p": 0.9, "q": 0.1}, right={"p": 0.1, "q": 0.9}),
    )
    machine = om.System(
        1, 2, tbus=10, switch_cycles=20, reload_cycles=300, reload_bytes_per_cycle=16, link_bytes_per_cycle=32,
        link_latency_cycles=8, epoch_cycles=4_000, background_load=True, decision_cycles=5,
    )  # fmt: skip
    return workflow, machine, om.closed(requests=requests)


def simulate(policy: Any, **changes: Any) -> Any:
    workflow, machine, load = shifting()
    return om.simulate(workflow, machine.with_(**changes), policy=policy, load=load, seed=3)


def total(result: Any, name: str) -> int:
    return int(result[name].sum())


@pytest.mark.parametrize("combination", COMBINATIONS, ids=str)
def test_every_combination_does_the_same_work(combination: tuple[int, int, int]) -> None:
    dds, ats, pcs = combination
    result = simulate(OCTOPUS.with_(dds=dds, ats=ats, pcs=pcs))
    assert str(result.run_status.values.item()) == "done" and total(result, "requests_ended") == 1_200
    assert total(result, "executions") == total(simulate("static"), "executions")
    assert (total(result, "cluster_lendings") > 0) == bool(ats)
    assert (total(result, "cluster_owner_changes") > 0) == bool(pcs)
    if not (ats or pcs):
        assert total(result, "makespan_cycles") == total(simulate("static"), "makespan_cycles")


def test_what_is_asked_for_is_seldom_refused() -> None:
    result = simulate("octopus")
    asked = total(result, "cluster_owner_changes") + total(result, "cluster_background_loads")
    assert total(result, "cluster_plan_refusals") <= 0.02 * asked


def test_with_dds_lendings_need_no_loads() -> None:
    lent = OCTOPUS.with_(pcs=0)
    assert total(simulate(lent), "cluster_reloads") == 0 < total(simulate(lent.with_(dds=0)), "cluster_reloads")
    # with one place a TBU holds nothing but its home's
    assert total(simulate(lent, resident_slots=1), "cluster_lendings") == 0


def test_loads_go_on_behind_runs_only_where_the_machine_can() -> None:
    behind, before = simulate("octopus"), simulate("octopus", background_load=False)
    assert total(behind, "cluster_background_loads") > 0 == total(before, "cluster_background_loads")
    share = [each.octo.time_split().sel(cause="reloading").sum().item() for each in (behind, before)]
    assert share[0] < share[1]


def test_preparation_loads_what_is_wanted_most() -> None:
    """24 tokens of `y` wait; the TBU of `z` holds the configurations of `z` and `x` (rule 14.8)."""
    phases = om.phases_by_request([("few", 1), ("many", 24)], many={"p": 0, "q": 1})
    turn = om.branch({"p": 1, "q": 0}, p=om.task("x", 132), q=om.task("y", 5))
    options: dict[str, Any] = {"owners": [[3, 1, 1]], "epoch_cycles": 4, "background_load": True, "reload_cycles": 3}
    found = {}
    for ats in (0, 1):
        policy = OCTOPUS.with_(ats=ats)
        load = om.trace([0] * 25, in_flight=None)
        ran = run(load, turn, om.task("z", 1), phases=phases, policy=policy, horizon=8, queue_slots=8, **options)
        assert ran.residents[4] == [2, 0]
        found[ats] = ran["background_loads"]
    assert found == {0: [0], 1: [1]}


def test_diffusion_fills_no_more_than_free_slots() -> None:
    options: dict[str, Any] = {"owners": [[1], [1]], "epoch_cycles": 4, "horizon": 9}
    moves = {}
    for slots in (1, 2, 16):
        load = om.trace([0] * 200, split=[1, 0], in_flight=None)
        ran = run(load, om.task("a", 9), policy=OCTOPUS.with_(ats=0), queue_slots=slots, **options)
        moves[slots] = ran["moves"][0]
    assert moves[1] == 1 and moves[2] == 2 < moves[16] <= 16


def test_a_transfer_that_costs_more_than_it_saves_is_left() -> None:
    options: dict[str, Any] = {"owners": [[1], [1]], "epoch_cycles": 100, "horizon": 350, "queue_slots": 16}
    moves = []
    for latency in (1, 190):
        # at 300, when the report of 100 has come either way, nine tokens of 20 cycles wait
        load = om.trace([0] * 25, split=[1, 0], in_flight=None)
        ran = run(load, om.task("a", 20), policy=OCTOPUS.with_(ats=0), link_latency_cycles=latency, **options)
        moves.append(ran["moves"][0])
    assert moves[0] > 0 == moves[1]


def test_ranges_are_kept() -> None:
    for name, (low, high) in OCTOPUS.ranges.items():
        OCTOPUS.with_(**{name: low}).with_(**{name: high})
        with pytest.raises(ModelError, match=rf"^policy\.params\.{name}: got "):
            OCTOPUS.with_(**{name: high * 2 + 1})
    assert set(OCTOPUS.ranges) == set(OCTOPUS.params)


@pytest.mark.parametrize("name", ["octopus", "reactive", "reactive_any"])
def test_laws(name: str) -> None:
    from octomodel import lower, mapping
    from octomodel.run import run as kernel_run

    workflow, machine, load = shifting(300)
    model = lower.lower(workflow, machine, load, mapping.make(workflow, machine), policy=name).model
    assert laws.violations(model, kernel_run(model)) == []


def test_a_shift_is_followed() -> None:
    """Owners move to the branch of each phase under `octopus`, and the machine does more than under `static`."""
    workflow, machine, load = shifting(3_000)
    result = om.simulate(workflow, machine, policy="octopus", load=load, seed=3, epochs=200)
    owners = result.epoch_owners.values.reshape(-1, 2, 4).sum(axis=1)
    owners = owners[owners.min(axis=1) >= 0]
    difference = (owners[:, 1] - owners[:, 2]).astype(float)
    assert difference.max() >= 2 and difference.min() <= -2
    still = om.simulate(workflow, machine, policy="static", load=load, seed=3)
    assert total(result, "makespan_cycles") < 0.8 * total(still, "makespan_cycles")
    assert np.all(owners.min(axis=1) >= 1)
