"""What is said of a mapping before a run: places, capacity, bottleneck, warnings, and that runs obey the bound."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given

import octomodel as om
from octomodel import cli_placement, mapping
from octomodel.hardware import System
from octomodel.phases import phases_by_request
from octomodel.placement import Place, Ranges, placement
from octomodel.program import task
from octomodel.testing.workflows import workflows
from octomodel.workflow import Workflow

PAIR = Workflow("pair", task("a", 100), task("b", 300))


def members(ranges: Ranges) -> list[int]:
    return [number for first, last in ranges for number in range(first, last + 1)]


def test_capacity_and_bottleneck_by_hand() -> None:
    # pipeline 0 has TBUs of speed 1 only; the speeds of the other make up for a dead TBU
    system = System(1, 2, tbus=4, tbu_speed=[1, 1, 1, 1, 2, 2, 2, 2], dead_tbus=[7])
    found = placement(PAIR, system)
    assert found.places == (
        Place(((0, 0),), ((0, 0),), 1, (("a", 0, 0), ("b", 1, 3))),
        Place(((1, 1),), ((1, 1),), 1, (("a", 0, 0), ("b", 1, 2))),
    )
    assert (found.owners.tolist(), found.capacity.tolist(), found.dead) == ([2, 5], [3, 7], 1)
    assert found.rates == pytest.approx(np.array([[1 / 100, 3 / 300], [2 / 100, 4 / 300]]))
    assert (found.throughput, found.fluid_throughput) == (pytest.approx(0.02), pytest.approx(10 / 400))
    assert found.busy == pytest.approx([2 / 3, 6 / 7])
    assert found.fill == pytest.approx(0.8) and found.cautions() == []


def test_the_bottleneck_is_in_the_pipeline_that_lost_most() -> None:
    found = placement(PAIR, System(1, 3, tbus=4, dead_tbus=[4]))
    assert found.bottleneck == (1, "b") and found.throughput == pytest.approx(3 * 2 / 300)


def test_the_bottleneck_moves_with_the_phases(capsys: pytest.CaptureFixture[str]) -> None:
    plan = phases_by_request([("day", 1), ("night", 1), ("rest", 1)], night={"b": 900}, rest={"a": 0, "b": 0})
    found = placement(PAIR.with_(phases=plan), System(1, 2, tbus=5))
    # owners by mean demand: 67 to 400 cycles
    assert found.owners.tolist() == [2, 8]
    assert [(each.phase, each.pipeline, each.task) for each in found.phases[:2]] == [("day", 0, "a"), ("night", 0, "b")]
    assert [each.throughput for each in found.phases] == pytest.approx([2 / 100, 8 / 900, np.inf])
    cli_placement.print_placement(found)
    shown = capsys.readouterr().out
    assert "in phase night alone: 0.008889 requests per cycle, limited by b in pipeline 0" in shown
    assert "in phase rest" not in shown
    assert cli_placement.data(found)["phases"][0]["limited_by"] == "a"
    assert placement(PAIR, System(1, 2, tbus=5)).phases == ()


def test_equal_clusters_are_told_together() -> None:
    found = placement(PAIR, System(59, 59, tbus=16, dead_tbus=[5 * 16]))
    assert [(place.clusters, place.n_cluster) for place in found.places] == [
        (((0, 4), (6, 3480)), 3480),
        (((5, 5),), 1),
    ]
    assert found.places[1].tbus == (("a", 1, 4), ("b", 5, 15))


@given(workflows())
def test_places_are_the_mapping(wf: Workflow) -> None:
    system = System(2, 3, tbus=len(wf.tasks), dead_tbus=[0], torus=True)
    made = mapping.make(wf, system)
    found = placement(wf, system, made)
    home = np.full(system.n_tbu, -1)
    names = [each.name for each in wf.tasks]
    for place in found.places:
        assert set(members(place.pipelines)) == set(made.pipeline[members(place.clusters)].tolist())
        assert len(members(place.clusters)) == place.n_cluster
        for cluster in members(place.clusters):
            for name, first, last in place.tbus:
                home[cluster * system.tbus + first : cluster * system.tbus + last + 1] = names.index(name)
    assert home.tolist() == made.home.tolist()
    assert found.throughput <= found.fluid_throughput * (1 + 1e-12)
    assert 0 <= found.fill <= 1 + 1e-12


@pytest.mark.parametrize("demands", [(1000, 3000), (4000, 500)])
def test_no_run_is_faster_and_a_long_one_comes_close(demands: tuple[int, int]) -> None:
    wf = Workflow("pair", task("a", demands[0]), task("b", demands[1]))
    system = System(1, 2, tbus=4, dead_tbus=[1])
    found = placement(wf, system)
    ds = om.simulate(wf, system, "static", om.closed(requests=4000, in_flight=64), seed=1)
    reached = 4000 / float(ds["makespan_cycles"].values[0])
    assert 0.98 * found.throughput < reached <= found.throughput


def test_a_workflow_that_cannot_fill() -> None:
    wf = Workflow("lame", task("heavy", 1000), *(task(f"light{i}", 1) for i in range(6)), task("none", 0))
    found = placement(wf, System(1, 1, tbus=8))
    idle, fill = found.cautions()
    assert idle == "mapping: 1 of 8 owners have a task without demand and never work: none"
    told = r"task heavy of pipeline 0 always busy, owners work 12\.6% of their time; .* could serve 7\.95 times"
    assert re.search(told, fill)
    # with more TBUs the heavy task has owners enough
    assert len(placement(wf, System(1, 1, tbus=32)).cautions()) == 1
    free = placement(Workflow("free", *(task(f"t{i}", 0) for i in range(9))), System(1, 1, tbus=9)).cautions()
    assert free == ["mapping: 9 of 9 owners have a task without demand and never work: t0, t1, t2, t3, t4 and 4 more"]


def test_a_task_that_takes_no_time_limits_nothing() -> None:
    made = cli_placement.data(placement(Workflow("free", task("nothing", 0), task("all", 10)), System(1, 1, tbus=4)))
    assert (made["limited_by"], made["throughput_per_cycle"]) == ("all", pytest.approx(0.3))
    assert [row["throughput_per_cycle"] for row in made["tasks"]] == [None, pytest.approx(0.3)]
    # a rate that is no float any more
    tiny = cli_placement.data(placement(Workflow("tiny", task("one", 5e-324)), System(1, 1, tbus=4)))
    assert (tiny["limited_by"], tiny["throughput_per_cycle"], tiny["fill"]) == ("one", None, 0.0)
    free = cli_placement.data(placement(Workflow("free", task("nothing", 0)), System(1, 1, tbus=4)))
    assert free["throughput_per_cycle"] is free["fluid_throughput_per_cycle"] is None
    json.dumps([tiny, free], allow_nan=False)


def test_what_is_printed_stays_small(capsys: pytest.CaptureFixture[str]) -> None:
    system = om.hardware("wafer_56k").with_(tbu_fault_rate=0.02)
    placed = placement(om.workflow("video_recognition"), system)
    assert len(placed.places) > cli_placement.MOST_PLACES
    cli_placement.print_placement(placed)
    shown = capsys.readouterr().out
    assert f"and {len(placed.places) - cli_placement.MOST_PLACES} other kinds of clusters; --json lists all" in shown
    assert len(shown) < 20_000 and f"{placed.dead:,} dead TBUs" in shown
    many = Workflow("many", *(task(f"t{i}", i + 1) for i in range(20)))
    many_placed = placement(many, System(1, 2, tbus=40, dead_tbus=list(range(20))))
    cli_placement.print_placement(many_placed)
    text = capsys.readouterr().out
    assert "1 of t0, 1 of t1, 1 of t2, 1 of t3 and of 16 other tasks" in text and "4 of t19" in text
    cli_placement.print_placement(placement(PAIR, System(1, 3, tbus=2, dead_tbus=[2, 3])))
    assert "none" in capsys.readouterr().out
