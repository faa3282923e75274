"""The mapping: pipelines, owners by each method, residents, explicit allocations, refusals."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octomodel import dist, faults, mapping
from octomodel.errors import ModelError
from octomodel.hardware import System
from octomodel.mapping import METHODS, owners
from octomodel.phases import phases_by_request
from octomodel.program import branch, per, task
from octomodel.testing.workflows import workflows
from octomodel.workflow import Workflow


def chain(*times: float, **options: Any) -> Workflow:
    """Return a workflow of one task for each time: a, b, c ..."""
    return Workflow("w", *(task("abcdefghijkl"[i], time, **options) for i, time in enumerate(times)))


# -- owners ---------------------------------------------------------------------------------------


def test_equal_gives_the_remainder_to_the_first() -> None:
    assert owners(np.array([5.0, 1.0, 1.0]), 8, "equal").tolist() == [3, 3, 2]


def test_proportional_gives_largest_remainders_and_one_to_the_small() -> None:
    assert owners(np.array([4.0, 3.0, 1.0]), 8, "proportional").tolist() == [4, 3, 1]
    assert owners(np.array([1.0, 1.0, 1.0]), 5, "proportional").tolist() == [2, 2, 1]
    assert owners(np.array([100.0, 1.0, 1.0, 0.0]), 10, "proportional").tolist() == [7, 1, 1, 1]
    assert owners(np.array([0.0, 0.0]), 4, "proportional").tolist() == [2, 2]


def test_marginal_adds_where_the_bottleneck_is() -> None:
    assert owners(np.array([6.0, 3.0, 1.0]), 6, "marginal").tolist() == [3, 2, 1]
    assert owners(np.array([1.0, 1.0]), 3, "marginal").tolist() == [2, 1]


demands = st.lists(st.floats(0, 1e6), min_size=1, max_size=8).map(np.array)


@given(demands, st.integers(0, 30), st.sampled_from(METHODS))
def test_all_tbus_are_given_and_every_task_has_one(demand: Any, spare: int, method: str) -> None:
    counts = owners(demand, len(demand) + spare, method)
    assert counts.min() >= 1 and counts.sum() == len(demand) + spare
    if method != "equal" and demand.max() > 0:
        order = np.argsort(-demand, kind="stable")
        assert (np.diff(counts[order]) <= 0).all()  # never fewer owners for more demand


@given(st.lists(st.integers(1, 20), min_size=2, max_size=4), st.integers(0, 6))
def test_marginal_has_the_best_bottleneck_of_all_allocations(demand: list[int], spare: int) -> None:
    n, total = len(demand), len(demand) + spare
    ways = [way for way in itertools.product(range(1, spare + 2), repeat=n) if sum(way) == total]
    best = min(max(d / c for d, c in zip(demand, way, strict=True)) for way in ways)
    counts = owners(np.array(demand, dtype=float), total, "marginal")
    assert max(d / c for d, c in zip(demand, counts, strict=True)) == pytest.approx(best)


def test_amdahl() -> None:
    assert mapping.speedup(1.0, 4) == 4.0
    assert mapping.speedup(0.0, 4) == 1.0
    assert mapping.speedup(0.5, 4) == 1.6


# -- pipelines ------------------------------------------------------------------------------------


def test_clusters_are_taken_in_boustrophedon_order() -> None:
    assert mapping.boustrophedon(System(3, 3)).tolist() == [0, 1, 2, 5, 4, 3, 6, 7, 8]


def test_one_pipeline_per_cluster_where_the_workflow_fits() -> None:
    made = mapping.make(chain(1, 3), System(2, 2, tbus=4))
    assert made.pipeline.tolist() == [0, 1, 3, 2]
    assert made.alloc.tolist() == [[1, 3]] * 4
    assert made.home.reshape(4, 4).tolist() == [[0, 1, 1, 1]] * 4
    assert repr(made) == "Mapping(2 tasks on 16 TBUs, 4 pipelines in 4 clusters)"


def test_larger_workflows_take_the_next_clusters_and_the_rest_joins_the_last() -> None:
    made = mapping.make(chain(1, 1, 1), System(3, 3, tbus=2))
    assert made.pipeline.reshape(3, 3).tolist() == [[0, 0, 1], [2, 2, 1], [3, 3, 3]]
    # the second pipeline goes through clusters 2 and 5, the third through 4 and 3
    assert made.home.reshape(9, 2).tolist() == [
        [0, 0], [1, 2], [0, 0], [1, 2], [0, 0], [1, 2], [0, 0], [1, 1], [2, 2],
    ]  # fmt: skip


def test_least_number_of_clusters() -> None:
    made = mapping.make(chain(1), System(1, 5, tbus=1), clusters_per_pipeline=2)
    assert made.pipeline.tolist() == [0, 0, 1, 1, 1]


def test_dead_tbus_own_nothing_and_make_pipelines_longer() -> None:
    hw = System(1, 4, tbus=2, dead_tbus=[1, 4, 5])
    made = mapping.make(chain(1, 1), hw)
    assert made.pipeline.tolist() == [0, 0, 1, 1]
    assert made.home.tolist() == [0, -1, 0, 1, -1, -1, 0, 1]
    assert (made.residents[made.home < 0] == -1).all()


def test_what_does_not_fit_is_refused_with_the_number_needed() -> None:
    for hw in (System(1, 1, tbus=2), System(2, 1, tbus=2, dead_tbus=[0, 3])):
        with pytest.raises(
            ModelError, match="2 live TBUs.*at least 3 live TBUs, one for each task of workflow 'w'"
        ):
            mapping.make(chain(1, 1, 1), hw)


@pytest.mark.parametrize(
    ("options", "path", "part"),
    [
        ({"method": "best"}, "mapping.method", "one of equal, marginal, proportional"),
        ({"profile": "night"}, "workflow.w.phase", "there are none"),
        ({"clusters_per_pipeline": 5}, "mapping.clusters_per_pipeline", "from 1 to 4"),
    ],
)
def test_mapping_refuses(options: dict[str, Any], path: str, part: str) -> None:
    with pytest.raises(ModelError) as caught:
        mapping.make(chain(1, 1), System(2, 2), **options)
    assert caught.value.path == path
    assert part in str(caught.value)


def test_times_without_a_mean_are_refused() -> None:
    wf = Workflow("w", task("a", dist.Pareto(alpha=0.9, low=1.0)))
    with pytest.raises(ModelError, match="workflow.w.a.time: got inf"):
        mapping.make(wf, System(1, 1))


@given(
    workflows(max_depth=2), st.integers(1, 3), st.integers(1, 9), st.sampled_from(METHODS), st.floats(0, 0.3)
)
def test_every_mapping_keeps_its_rules(wf: Workflow, cols: int, tbus: int, method: str, rate: float) -> None:
    hw = System(3, cols, tbus=tbus, tbu_fault_rate=rate, fault_seed=5, resident_slots=3)
    dead = faults.dead_tbus(hw)
    n_task = len(wf.tasks)
    if np.count_nonzero(~dead) < n_task:
        with pytest.raises(ModelError, match="live TBUs"):
            mapping.make(wf, hw, method=method)
        return
    made = mapping.make(wf, hw, method=method)
    assert made == mapping.make(wf, hw, method=method)
    assert ((made.home < 0) == dead).all()
    order = mapping.boustrophedon(hw)
    assert (np.diff(made.pipeline[order]) >= 0).all() and made.pipeline[order[0]] == 0
    for p in range(made.n_pipeline):
        clusters = [c for c in order if made.pipeline[c] == p]
        homes = np.concatenate([made.home.reshape(-1, tbus)[c] for c in clusters])
        homes = homes[homes >= 0]
        assert (np.diff(homes) >= 0).all() and set(homes.tolist()) == set(range(n_task))
        if p < made.n_pipeline - 1:
            assert (
                np.count_nonzero(~dead.reshape(-1, tbus)[clusters[:-1]]) < n_task
            )  # none was more than needed
    assert made.alloc.sum() == np.count_nonzero(~dead)


# -- residents ------------------------------------------------------------------------------------


def test_residents_are_the_home_then_what_its_cluster_demands_most() -> None:
    wf = Workflow(
        "w",
        task("a", 10, config="x"),
        task("b", 30),
        task("c", 25, config="x"),
        task("d", 30),
    )
    made = mapping.make(wf, System(1, 1, tbus=4, resident_slots=3))
    # configurations: x (demand 35), b (30), d (30, after b by number)
    assert made.residents.tolist() == [[0, 1, 2], [1, 0, 2], [0, 1, 2], [2, 0, 1]]
    one = mapping.make(wf, System(1, 1, tbus=4, resident_slots=1))
    assert one.residents.tolist() == [[0], [1], [0], [2]]
    many = mapping.make(wf, System(1, 1, tbus=4, resident_slots=5))
    assert many.residents[3].tolist() == [2, 0, 1, -1, -1]


def test_residents_count_only_configurations_of_the_cluster() -> None:
    made = mapping.make(chain(1, 5, 3, 9), System(1, 2, tbus=2))
    assert made.residents.tolist() == [[0, 1], [1, 0], [2, 3], [3, 2]]


def test_the_profile_decides() -> None:
    plan = phases_by_request([("day", 1), ("night", 1)], night={"x": 0.0, "y": 1.0})
    wf = Workflow("w", branch({"x": 1.0, "y": 0.0}, x=task("a", 8), y=task("b", 8)), phases=plan)
    hw = System(1, 1, tbus=10, peas=4)
    assert mapping.make(wf, hw, profile="day").alloc.tolist() == [[9, 1]]
    assert mapping.make(wf, hw, profile="night").alloc.tolist() == [[1, 9]]
    assert mapping.make(wf, hw).alloc.tolist() == [[5, 5]]
    assert mapping.make(wf, hw, profile="day").demand.tolist() == [2.0, 0.0]


# -- explicit -------------------------------------------------------------------------------------


def test_explicit_mapping_places_owners_in_task_order_on_live_tbus() -> None:
    hw = System(1, 3, tbus=3, dead_tbus=[0])
    made = mapping.explicit(chain(1, 1), hw, [[1, 0], [0, 2], [1, 1]])
    assert made.home.tolist() == [-1, 0, -1, 1, 1, -1, 0, 1, -1]
    assert made.pipeline.tolist() == [0, 0, 1]
    assert made.alloc.tolist() == [[1, 0], [0, 2], [1, 1]]
    assert made.residents[8].tolist() == [-1, -1]
    short = mapping.explicit(chain(1, 1), hw, [[1, 0], [0, 2], [1, 0]])
    assert short.pipeline.tolist() == [0, 0, 0]
    given_ones = mapping.explicit(chain(1, 1), hw, [[1, 1], [0, 2], [1, 1]], pipeline=[0, 1, 1])
    assert given_ones.pipeline.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("alloc", "options", "path", "part"),
    [
        ([[1, 1]], {}, "mapping.alloc", "of shape (2, 2)"),
        ([[1.5, 1], [1, 1]], {}, "mapping.alloc", "integers >= 0"),
        ([[-1, 1], [1, 1]], {}, "mapping.alloc", "integers >= 0"),
        ([[2, 2], [1, 1]], {}, "mapping.alloc[0]", "at most 3 owners"),
        ([[1, 0], [1, 0]], {}, "mapping.alloc, pipeline 0", "at least one owner of task 'b'"),
        ([[1, 0], [1, 1]], {"pipeline": [0, 1]}, "mapping.alloc, pipeline 0", "'b'"),
        ([[1, 1], [1, 1]], {"pipeline": [0, 2]}, "mapping.pipeline", "all from 0"),
        ([[1, 1], [1, 1]], {"pipeline": [0]}, "mapping.pipeline", "2 pipeline numbers"),
    ],
)
def test_explicit_mapping_refuses(alloc: Any, options: dict[str, Any], path: str, part: str) -> None:
    with pytest.raises(ModelError) as caught:
        mapping.explicit(chain(1, 1), System(1, 2, tbus=3), alloc, **options)
    assert caught.value.path == path
    assert part in str(caught.value)


def test_mappings_compare_by_content() -> None:
    hw = System(1, 2, tbus=4)
    made = mapping.make(chain(1, 3), hw)
    same = mapping.explicit(chain(1, 3), hw, made.alloc)
    assert made == same and hash(made) == hash(same)
    assert made != mapping.make(chain(3, 1), hw) and made != "mapping"


def test_demand_follows_attributes() -> None:
    wf = Workflow("w", task("a", per("n", 2)), task("b", 10), attributes={"n": [5.0, 15.0]})
    assert mapping.profile_demand(wf, System(1, 1), None).tolist() == [20.0, 10.0]
