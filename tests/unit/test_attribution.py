"""Idle attribution: chains by hand, and the counts of runs (rule 9.7)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import octomodel as om
from octomodel.attribution import Flows, Stations, attribution, chains
from octomodel.errors import ModelError

pytestmark = pytest.mark.nojit

SOURCE, ELSEWHERE = 4, 5  # of four stations
LINE = Flows(np.array([0, 1, 2]), np.array([1, 2, 3]), np.ones(3))


def stations(**columns: list[int]) -> Stations:
    empty: dict[str, Any] = dict.fromkeys(Stations._fields, [0, 0, 0, 0]) | {"owners": [1, 1, 1, 1]} | columns
    return Stations(**{name: np.array([values]) for name, values in empty.items()})


def chain(flows: Flows, sample: Stations, tb: int, cause: str) -> tuple[int, int]:
    root, depth = chains(flows, sample, cause)
    return int(root[0, tb]), int(depth[0, tb])


def test_a_late_producer_starves_all_after_it() -> None:
    sample = stations(running=[0, 1, 0, 0], idle=[0, 0, 1, 1])
    assert chain(LINE, sample, 2, "starved") == (1, 1)
    assert chain(LINE, sample, 3, "starved") == (1, 2)


def test_a_full_consumer_blocks_all_before_it() -> None:
    sample = stations(running=[0, 0, 0, 1], blocked=[1, 1, 1, 0], wanting=[0, 1, 1, 1])
    assert [chain(LINE, sample, tb, "blocked") for tb in range(3)] == [(3, 3), (3, 2), (3, 1)]


def test_a_chain_turns_at_a_station_that_is_blocked() -> None:
    """d starves, for c is blocked by e, which runs."""
    flows = Flows(np.array([0, 0]), np.array([1, 2]), np.array([0.5, 0.5]))
    sample = stations(running=[0, 0, 1, 0], blocked=[1, 0, 0, 0], idle=[0, 1, 0, 0], wanting=[0, 0, 2, 0])
    assert chain(flows, sample, 1, "starved") == (2, 2)


def test_nothing_comes_in() -> None:
    sample = stations(idle=[1, 1, 1, 1])
    assert chain(LINE, sample, 0, "starved") == (SOURCE, 1) and chain(LINE, sample, 3, "starved") == (SOURCE, 4)


def test_another_cluster_is_elsewhere() -> None:
    sample = stations(idle=[0, 1, 0, 0], blocked=[0, 1, 0, 0], owners=[0, 1, 1, 1])
    assert chain(LINE, sample, 1, "starved") == (ELSEWHERE, 1)
    assert chain(LINE, sample, 1, "blocked") == (ELSEWHERE, 1)
    assert chain(LINE, sample, 3, "blocked") == (ELSEWHERE, 1)


def test_a_station_that_prepares_is_a_root() -> None:
    assert chain(LINE, stations(idle=[0, 0, 1, 0]), 2, "starved") == (1, 1)


def test_a_circle_ends() -> None:
    """b waits for a, a is blocked by b."""
    flows = Flows(np.array([0]), np.array([1]), np.ones(1))
    sample = stations(idle=[0, 1, 0, 0], blocked=[1, 0, 0, 0], wanting=[0, 1, 0, 0])
    assert chain(flows, sample, 1, "starved") == (1, 2)


def test_the_least_to_come_for_each_need() -> None:
    flows = Flows(np.array([0, 1]), np.array([2, 2]), np.array([1.0, 0.1]))
    sample = stations(backlog=[2, 10, 0, 0], running=[1, 1, 0, 0])
    assert chain(flows, sample, 2, "starved") == (1, 1)
    assert chain(flows, stations(running=[1, 1, 0, 0], backlog=[0, 9, 0, 0]), 2, "starved") == (0, 1)


def test_counts_of_a_run() -> None:
    workflow = om.Workflow("line", om.task("a", 10), om.task("b", 90), om.task("c", 10))
    machine = om.System(1, 2, tbus=3, epoch_cycles=100, queue_slots=1)
    options = {"epochs": 15, "replications": 2, "threads": 1, "cautions": False}
    result = om.simulate(workflow, machine, load=om.closed(requests=60), **options)
    found = result.octo.attribution()
    standing = result.epoch_owners_idle + result.epoch_owners_blocked
    idle = standing.where(standing >= 0).sum(("cluster", "tb")).mean()
    assert float(found.idle_root.sum()) == pytest.approx(float(idle))
    blocked = found.idle_root.sel(idleness="blocked")
    assert float(blocked.sum()) > 0 and float(blocked.sel(tb="a", root="b")) == pytest.approx(float(blocked.sum()))
    starved = found.idle_root.sel(idleness="starved")
    assert float(starved.sel(tb="c", root="b")) > 0.5 * float(starved.sum())
    assert 1 <= float(found.contagion_depth.sel(idleness="blocked")) < 1.5


def test_what_has_no_samples_is_refused() -> None:
    one = om.simulate(om.Workflow("one", om.task("a", 10)), om.System(1, 1, tbus=1), load=om.closed(requests=3), threads=1)
    with pytest.raises(ModelError, match=r"^dataset\.epoch_owners_idle: got None; allowed: a result with samples"):
        attribution(one.drop_vars("epoch_owners_idle", errors="ignore"))
    with pytest.raises(ModelError, match=r"^dataset\.configuration"):
        sampled = om.simulate(om.Workflow("one", om.task("a", 10)), om.System(1, 1, tbus=1), requests=3, epochs=1, threads=1)
        attribution(sampled.drop_attrs())
