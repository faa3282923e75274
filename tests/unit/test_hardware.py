"""The machine: values accepted and refused, dotted paths, plain data, faults."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octomodel import checks, faults
from octomodel.errors import ModelError
from octomodel.hardware import System
from octomodel.hardware_values import PATHS
from octomodel.kernels.model import EAST, NORTH, SOUTH, WEST


@pytest.mark.parametrize(
    ("values", "path", "part"),
    [
        ({"rows": 0}, "rows", "from 1"),
        ({"rows": 4.5}, "rows", "an integer"),
        ({"rows": True}, "rows", "an integer"),
        ({"cols": "4"}, "cols", "an integer"),
        ({"rows": 10**6, "cols": 10**6}, "rows", "at most 1048576 clusters"),
        ({"rows": 2**10, "cols": 2**10, "tbus": 2**10}, "tbus", "at most 67108864 TBUs"),
        ({"tbus": 0}, "tbus", "from 1"),
        ({"cbus": 0, "decision_cycles": 1}, "cbus", "at least 1"),
        ({"peas": 0}, "peas", "from 1"),
        ({"memory_bytes": 0}, "memory_bytes", "from 1"),
        ({"resident_slots": 0}, "resident_slots", "from 1"),
        ({"switch_cycles": -1}, "switch_cycles", "from 0"),
        ({"link_latency_cycles": 0}, "link_latency_cycles", "from 1"),
        ({"link_bytes_per_cycle": 0}, "link_bytes_per_cycle", "from 1"),
        ({"link_bytes_per_cycle": 0.0}, "link_bytes_per_cycle", "> 0"),
        ({"local_bytes_per_cycle": float("nan")}, "local_bytes_per_cycle", "finite"),
        ({"local_bytes_per_cycle": Fraction(-1, 2)}, "local_bytes_per_cycle", "> 0"),
        ({"reload_bytes_per_cycle": "fast"}, "reload_bytes_per_cycle", "finite"),
        ({"queue_slots": -1}, "queue_slots", "from 0"),
        ({"queue_slots": {"a": 1.5}}, "queue_slots.a", "an integer"),
        ({"queue_slots": {"?": 1}}, "queue_slots", "a letter"),
        ({"spill_slots": -1}, "spill_slots", "from 0"),
        ({"tbu_speed": 0}, "tbu_speed", ">= 1e-06"),
        ({"tbu_speed": [1.0, 2.0]}, "tbu_speed", "12 speeds (the TBUs of a cluster) or 48 (all TBUs)"),
        ({"tbu_speed": [1.0] * 11 + [-1]}, "tbu_speed[11]", ">= 1e-06"),
        ({"tbu_speed": "fast"}, "tbu_speed", "a list of numbers"),
        ({"torus": 1}, "torus", "true or false"),
        ({"die": 2}, "die", "the size of a die"),
        ({"die": (2, 2, 2)}, "die", "the size of a die"),
        ({"die": (0, 2)}, "die[0]", "from 1"),
        ({"die_link_latency_cycles": 5}, "die", "links between dies are described"),
        ({"clock_hz": 0}, "clock_hz", "> 0"),
        ({"dead_tbus": 5}, "dead_tbus", "a list"),
        ({"dead_tbus": [48]}, "dead_tbus[0]", "from 0 to 47"),
        ({"dead_links": [(0, 3)]}, "dead_links[0]", "a pair of neighbouring clusters"),
        ({"dead_links": [(0,)]}, "dead_links[0]", "a pair of neighbouring clusters"),
        ({"dead_links": [(0, 4)]}, "dead_links[0]", "from 0 to 3"),
        ({"tbu_fault_rate": 1.1}, "tbu_fault_rate", "<= 1"),
        ({"link_fault_rate": -0.1}, "link_fault_rate", ">= 0"),
        ({"fault_seed": -1}, "fault_seed", "from 0"),
        ({"description": 1}, "description", "a text"),
    ],
)
def test_systems_refuse(values: dict[str, Any], path: str, part: str) -> None:
    with pytest.raises(ModelError) as caught:
        System(**{"rows": 2, "cols": 2, **values})
    assert caught.value.path == f"system.{path}"
    assert part in str(caught.value)


def test_values_are_changed_by_name_or_dotted_path() -> None:
    hw = System(2, 3)
    assert hw.with_(**{"tbu.switch_cycles": 10, "rows": 16, "link_bytes_per_cycle": 8}) == System(
        16, 3, switch_cycles=10, link_bytes_per_cycle=8
    )
    assert hw.switch_cycles == 0
    slots = System(1, 1, queue_slots={"b": 2, "a": 1}).with_(rows=2)
    assert slots.queue_slots == (("a", 1), ("b", 2))
    for changes, message in (
        ({"tbu.swich_cycles": 10}, "did you mean 'tbu.switch_cycles'"),
        ({"rows": 0}, "system.rows: got 0"),
        ({"switch_cycles": 1, "tbu.switch_cycles": 1}, "each value once"),
    ):
        with pytest.raises(ModelError, match=message):
            hw.with_(**changes)


def test_every_value_has_a_path() -> None:
    names = set(System.__dataclass_fields__)
    assert set(PATHS.values()) == names - {"description", "provenance", "_"}


systems = st.builds(
    System,
    st.integers(1, 3),
    st.integers(1, 3),
    tbus=st.just(2),
    memory_bytes=st.sampled_from([None, 1000]),
    tbu_speed=st.sampled_from([1.0, 2, [0.5, 2.0]]),
    queue_slots=st.sampled_from([4, 0, {"b": 1, "a": 0}]),
    link_bytes_per_cycle=st.sampled_from([None, 3, 51.2, Fraction(1, 3)]),
    die=st.sampled_from([None, (1, 2)]),
    torus=st.booleans(),
    dead_tbus=st.sampled_from([(), [1, 0]]),
    spill_slots=st.sampled_from([None, 7]),
    description=st.text(max_size=3),
)


@given(systems)
def test_plain_data_and_back_is_the_same_machine(hw: System) -> None:
    assert System.from_dict(hw.to_dict()) == hw
    assert hash(System.from_dict(hw.to_dict())) == hash(hw)


@pytest.mark.parametrize(
    ("data", "path", "part"),
    [
        ([], "hardware", "a mapping"),
        ({"rows": 1}, "hardware.cols", "cols is required"),
        ({"rows": 1, "cols": 1, "colour": 1}, "hardware.colour", "one of"),
        ({"rows": 1, "cols": 1, "switch_cycles": 1}, "hardware.switch_cycles", "one of"),
        (
            {"rows": 1, "cols": 1, "tbu": {"swich_cycles": 1}},
            "hardware.tbu.swich_cycles",
            "did you mean 'switch_cycles'",
        ),
        ({"rows": 1, "cols": 1, "tbu": 5}, "hardware.tbu", "a mapping"),
        ({"rows": 1, "cols": 1, "tbu": {"switch_cycles": -1}}, "hardware.tbu.switch_cycles", "from 0"),
        (
            {"rows": 1, "cols": 1, "faults": {"dead_tbus": [99]}},
            "hardware.faults.dead_tbus[0]",
            "from 0 to 11",
        ),
        (
            {"rows": 1, "cols": 1, "cluster": {"queue_slots": {"a": -1}}},
            "hardware.cluster.queue_slots.a",
            "from 0",
        ),
    ],
)
def test_plain_data_errors_name_the_place_in_the_file(data: Any, path: str, part: str) -> None:
    with pytest.raises(ModelError) as caught:
        System.from_dict(data)
    assert caught.value.path == path
    assert part in str(caught.value)


@given(st.integers(1, 10**6), st.fractions(Fraction(1, 10**6), 2**20, max_denominator=10**6))
def test_rates_become_their_reduced_fraction(whole: int, fraction: Fraction) -> None:
    assert checks.rate_pair("r", fraction) == (fraction.numerator, fraction.denominator)
    assert checks.rate_pair("r", whole) == (whole, 1)
    assert checks.rate_pair("r", whole / 8) == (Fraction(whole, 8).numerator, Fraction(whole, 8).denominator)


def test_decimal_rates_are_what_they_look_like_and_odd_ones_are_refused() -> None:
    assert checks.rate_pair("r", 0.1) == (1, 10)
    assert checks.rate_pair("r", None) == (0, 1)
    for bad in (1e-9, 1.23456789e-4):
        with pytest.raises(ModelError, match="a fraction with at most 1000000 cycles"):
            checks.rate_pair("r", bad)


def test_neighbours_on_mesh_and_torus() -> None:
    mesh, torus = System(2, 3), System(2, 3, torus=True)
    assert [mesh.neighbour(0, port) for port in (WEST, EAST, NORTH, SOUTH)] == [-1, 1, -1, 3]
    assert [torus.neighbour(0, port) for port in (WEST, EAST, NORTH, SOUTH)] == [2, 1, 3, 3]
    assert [System(1, 1, torus=True).neighbour(0, port) for port in range(4)] == [-1] * 4
    for hw in (mesh, torus, System(1, 4, torus=True), System(5, 1)):
        expected = [[hw.neighbour(c, port) for port in range(4)] for c in range(hw.n_cluster)]
        assert faults.neighbours(hw).tolist() == expected


def test_faults_given_and_drawn() -> None:
    hw = System(
        30,
        30,
        tbus=4,
        tbu_fault_rate=0.1,
        link_fault_rate=0.2,
        fault_seed=7,
        dead_tbus=[3],
        dead_links=[(0, 1)],
    )
    dead = faults.dead_tbus(hw)
    assert dead[3] and 0.07 < dead.mean() < 0.13
    assert (faults.dead_tbus(hw.with_(dead_tbus=())) <= dead).all()
    link = faults.links(hw).reshape(-1, 4)
    assert link[0, EAST] == link[1, WEST] == -1
    whole = faults.neighbours(hw)
    for cluster, port in np.argwhere(whole >= 0):
        assert (link[cluster, port] < 0) == (link[whole[cluster, port], port ^ 1] < 0)
    assert 0.15 < 1 - np.count_nonzero(link >= 0) / np.count_nonzero(whole >= 0) < 0.25
    assert not np.array_equal(faults.dead_tbus(hw), faults.dead_tbus(hw.with_(fault_seed=8)))
    assert np.array_equal(dead[: 30 * 4], faults.dead_tbus(hw.with_(rows=1)))


def test_both_links_between_two_clusters_of_a_small_torus_die() -> None:
    link = faults.links(System(1, 2, torus=True, dead_links=[(1, 0)]))
    assert (link < 0).all()


def test_certain_faults() -> None:
    hw = System(2, 2, tbus=2, tbu_fault_rate=1.0, link_fault_rate=1.0)
    assert faults.dead_tbus(hw).all() and (faults.links(hw) < 0).all()


Check = Callable[..., Any]


@pytest.mark.parametrize(
    ("check", "arguments", "part"),
    [
        (checks.integer, ("p", None), "an integer"),
        (checks.real, ("p", 10**400), "finite"),
        (checks.real, ("p", np.bool_(True)), "finite"),
        (checks.keys, ("p", {1: 2}, ["a"]), "texts"),
        (checks.sequence, ("p", np.zeros((2, 2)), "a list"), "a list"),
        (checks.one_of, ("p", 3, ["a"]), "one of a"),
    ],
)
def test_checks_refuse(check: Check, arguments: tuple[Any, ...], part: str) -> None:
    with pytest.raises(ModelError, match=part):
        check(*arguments)


def test_checks_accept() -> None:
    assert checks.integer("p", np.int32(5)) == 5
    assert checks.sequence("p", np.arange(2), "a list") == [0, 1]
    assert checks.rate("p", "1/3") == Fraction(1, 3)
    assert System(2, 2)._repr_html_().count("<table><caption>4 clusters, 48 TBUs, 48 PEAs") == 1
