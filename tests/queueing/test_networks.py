"""Networks, blocking and fork-join: against recursions, bounds, limits and each other; and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octomodel.calibration import queueing as q
from octomodel.calibration.queueing.analyser import variability

demands = st.lists(st.floats(0.01, 5.0), min_size=1, max_size=6)


def mean_values(demand: list[float], population: int, think: float) -> float:
    queue = np.zeros(len(demand))
    through = 0.0
    for n in range(1, population + 1):
        residence = np.array(demand) * (1.0 + queue)
        through = n / (think + residence.sum())
        queue = through * residence
    return through


@given(demands, st.integers(1, 200), st.floats(0.0, 20.0))
def test_convolution_is_mean_value_analysis(demand: list[float], population: int, think: float) -> None:
    found = q.numbers(q.closed_network(demand, population, think=think))
    assert found["throughput"] == pytest.approx(mean_values(demand, population, think), rel=1e-9)
    assert found["number_mean"].sum() + found["throughput"] * think == pytest.approx(population)


@given(demands, st.integers(1, 60), st.floats(0.0, 20.0), st.data())
def test_bounds_enclose_the_throughput(demand: list[float], population: int, think: float, data: st.DataObject) -> None:
    servers = data.draw(st.lists(st.integers(1, 4), min_size=len(demand), max_size=len(demand)))
    for answer, c in (
        (q.balanced_bounds(demand, population, think), 1),
        (q.asymptotic_bounds(demand, population, servers, think), servers),
    ):
        bounds = q.numbers(answer)
        exact = float(q.closed_network(demand, population, c, think)["throughput"].value)
        assert bounds["throughput_lower"] * (1 - 1e-9) <= exact <= bounds["throughput_upper"] * (1 + 1e-9)


def test_slots_that_a_job_finds_full() -> None:
    demand, servers, n = [2.0, 3.0], [1, 2], 6
    found = q.closed_network(demand, n, servers, room=[2, 1])["p_full"].value
    # what comes sees the network without it: weights of i jobs at the first, n - 1 - i at the second
    weight = [2.0**i * 3.0 ** (5 - i) / (1.0 if i == 5 else 2.0 ** (4 - i)) for i in range(6)]
    known = [sum(weight[3:]) / sum(weight), sum(w for i, w in enumerate(weight) if 5 - i >= 3) / sum(weight)]
    assert found.tolist() == pytest.approx(known)
    assert q.closed_network(demand, n, servers, room=n)["p_full"].value.tolist() == [0.0, 0.0]


def test_variability_of_many_networks_at_once_and_of_counted_turns() -> None:
    rates = np.array([0.2, 0.5, 0.8])[:, None] * np.array([1.0, 2.0])
    routing = np.array([[0.0, 1.0], [0.5, 0.0]])
    ones = np.ones(2)
    outside = rates[:, :1] * [0.5, 0.0]
    together = variability(outside, ones, routing, rates, 0.4 * ones, 0.5 * ones, ones)
    each = [variability(outside[i], ones, routing, rates[i], 0.4 * ones, 0.5 * ones, ones) for i in range(3)]
    np.testing.assert_allclose(together, each)
    counted = variability(outside, ones, routing, rates, 0.4 * ones, 0.5 * ones, ones, np.array([1.0, 0.0]))
    assert (counted < together).all()


@pytest.mark.parametrize("population", [1, 3, 12, 40])
def test_several_servers_are_the_machine_repair_model(population: int) -> None:
    closed = q.numbers(q.closed_network([1.0], population, [3], think=4.0))
    repair = q.numbers(q.finite_source(population, 4.0, 1.0, 3))
    assert closed["throughput"] == pytest.approx(repair["throughput"])
    assert closed["number_mean"][0] == pytest.approx(repair["number_mean"])


def test_saturated_several_servers_stay_sound() -> None:
    found = q.numbers(q.closed_network([1.0, 0.3, 2.0], 3000, [2, 1, math.inf]))
    assert found["throughput"] == pytest.approx(2.0)
    assert (found["number_mean"] >= 0.0).all()
    assert found["number_mean"].sum() == pytest.approx(3000)


def test_classes_agree_with_one_class() -> None:
    demand, think = [0.4, 1.0, 0.2], 3.0
    one = q.numbers(q.closed_network(demand, 7, think=think))
    two = q.numbers(q.exact_mva([demand, demand], [3, 4], think=think))
    assert two["throughput"].sum() == pytest.approx(one["throughput"])
    assert two["number_mean"].sum(axis=0) == pytest.approx(one["number_mean"])


def test_linearizer_is_closer_than_bard_schweitzer() -> None:
    demand, jobs = [[1.0, 3.0, 0.5], [2.0, 1.0, 1.5]], [4, 6]
    exact, close, plain = (f(demand, jobs)["throughput"].value for f in (q.exact_mva, q.linearizer, q.bard_schweitzer))
    assert np.abs(close / exact - 1.0).max() < 0.01 < np.abs(plain / exact - 1.0).max() < 0.21


def test_linearizer_of_a_class_without_jobs() -> None:
    found = q.numbers(q.linearizer([[1.0, 2.0], [1.0, 1.0]], [5, 0]))
    assert found["throughput"][1] == 0.0
    assert found["throughput"][0] == pytest.approx(mean_values([1.0, 2.0], 5, 0.0), rel=0.01)


def test_traffic_of_a_loop_and_of_many_networks_at_once() -> None:
    routing = np.array([[[0.0, 0.5], [0.5, 0.0]], [[0.0, 1.0], [0.0, 0.0]]])
    assert q.traffic([[1.0, 0.0], [1.0, 0.0]], routing) == pytest.approx(np.array([[4 / 3, 2 / 3], [1.0, 1.0]]))


def test_two_moments_of_exponential_networks_are_jackson() -> None:
    arrival, routing = [0.5, 0.2, 0.0], [[0.3, 0.4, 0.0], [0.0, 0.0, 0.9], [0.5, 0.0, 0.0]]
    mean, servers = [0.3, 0.5, 1.1], [1, 2, 3]
    near = q.numbers(q.qna(arrival, [1.0] * 3, routing, mean, [1.0] * 3, servers))
    exact = q.numbers(q.jackson(q.traffic(arrival, routing), mean, servers))
    assert near["number_mean"] == pytest.approx(exact["number_mean"])
    assert near["wait_mean"] == pytest.approx(exact["wait_mean"])


def test_robust_queueing_is_exact_for_poisson_arrivals_at_the_first_station() -> None:
    found = q.robust_tandem(q.renewal(q.exponential(1.25)), [q.erlang(1.0, 2), q.exponential(0.5)])
    assert found["wait_mean"].value[0] == pytest.approx(3.0, rel=1e-3)


def test_robust_queueing_sees_bursts_that_two_moments_do_not() -> None:
    arrivals = q.mmpp2((0.2, 1.2), (20.0, 10.0))
    exact = q.map_ph_c(arrivals, q.exponential(1.0))["wait_mean"].value
    assert q.robust_tandem(arrivals, [q.exponential(1.0)])["wait_mean"].value[0] == pytest.approx(exact, rel=0.25)
    assert q.mmc(arrivals.rate, 1.0)["wait_mean"].value < 0.4 * exact


def test_dispersion_of_poisson_and_of_long_windows() -> None:
    assert q.dispersion(q.renewal(q.exponential(3.0)), [0.1, 50.0]) == pytest.approx([1.0, 1.0])
    assert q.dispersion(q.renewal(q.hyperexponential(1.0, 4.0)), 1e7) == pytest.approx(4.0, rel=1e-5)
    assert q.dispersion(q.renewal(q.erlang(1.0, 4)), [1e-6, 1e7]) == pytest.approx([1.0, 0.25], rel=1e-4)


def test_bursts_die_out_behind_a_loaded_station() -> None:
    found = q.numbers(q.qna([0.95, 0.0], [6.0, 1.0], [[0, 1], [0, 0]], [1.0, 1.0], [0.3, 0.3], [1, 1]))
    assert found["arrival_scv"][1] == pytest.approx(0.95**2 * 0.3 + (1 - 0.95**2) * 6.0)


@given(st.floats(0.2, 3.0), st.integers(0, 8))
def test_pair_with_a_buffer_is_the_limited_room(load: float, places: int) -> None:
    # a first server that is blocked is a source that stops: there are places, two servers and no loss
    pair = q.numbers(q.line([q.exponential(1.0 / load), q.exponential(1.0)], [places]))
    room = q.numbers(q.mmck(load, 1.0, 1, places + 2))
    assert pair["throughput"] == pytest.approx(room["throughput"])


@pytest.mark.parametrize("scv", [0.5, 1.0, 2.0])
def test_decomposition_is_near_the_chain(scv: float) -> None:
    time, places = q.two_moments(1.0, scv), [1, 3, 0]
    names = ["b1", "b2", "b3"]
    stations = {
        f"s{i}": q.BlockingStation(time, 1, (names[i - 1],) if i else (), ((1.0, (names[i],) if i < 3 else ()),))
        for i in range(4)
    }
    exact = q.BlockingNetwork(stations, dict(zip(names, places, strict=True))).steady_state()["throughput[s3]"].value
    near = q.line([time] * 4, places)["throughput"]
    assert near.exactness == "approximation"
    assert 0.94 < near.value / exact < 1.0


def test_more_places_pass_more() -> None:
    passed = [float(q.line([q.exponential(1.0)] * 4, [n] * 3)["throughput"].value) for n in (0, 1, 4, 30)]
    assert passed == sorted(passed)
    assert passed[-1] > 0.95


def test_blocking_keeps_tokens_and_servers() -> None:
    first = q.BlockingStation(q.erlang(1.0, 2), 2, ("a",), ((0.7, ("b",)), (0.3, ())))
    second = q.BlockingStation(q.exponential(0.8), 1, ("b",), ((0.5, ("b",)), (0.5, ())))
    network = q.BlockingNetwork({"first": first, "second": second}, {"a": 2, "b": 1}, [(1.3, ((1.0, ("a",)),))])
    found = {name: float(value) for name, value in q.numbers(network.steady_state()).items()}
    assert found["exit_rate"] == pytest.approx(found["accepted_rate"])
    assert found["throughput[first]"] == pytest.approx(found["accepted_rate"])
    assert found["busy[first]"] == pytest.approx(found["throughput[first]"])
    assert found["busy[second]"] == pytest.approx(0.8 * found["throughput[second]"])
    assert found["throughput[second]"] == pytest.approx(2 * 0.7 * found["throughput[first]"])
    assert found["blocked[first]"] > 0.0 == found["blocked[second]"]


def test_direct_hand_over_needs_an_idle_server() -> None:
    # no place at all: a token passes only into an idle server, so that two servers alternate
    first = q.BlockingStation(q.exponential(1.0), routes=((1.0, ("b",)),))
    second = q.BlockingStation(q.exponential(1.0), inputs=("b",))
    found = q.BlockingNetwork({"first": first, "second": second}, {"b": 0}).steady_state()
    assert found["throughput[second]"].value == pytest.approx(2 / 3)


def test_makespan_of_one_is_the_sum_of_its_times() -> None:
    first = q.BlockingStation(q.exponential(2.0), inputs=("a",), routes=((1.0, ("b",)),))
    second = q.BlockingStation(q.erlang(3.0, 3), inputs=("b",))
    network = q.BlockingNetwork({"first": first, "second": second}, {"a": 5, "b": 1}, initial={"a": 1})
    found = q.numbers(network.makespan())
    assert found["makespan_mean"] == pytest.approx(5.0)
    assert found["makespan_var"] == pytest.approx(4.0 + 3.0)
    nothing = q.BlockingNetwork({"second": second}, {"b": 1}).makespan([0.5])
    assert nothing["makespan_mean"].value == nothing["makespan_quantile"].value[0] == 0.0


@given(st.floats(0.05, 0.95), st.integers(2, 32))
def test_fork_join_means_lie_between_their_bounds(load: float, n: int) -> None:
    lower = sum(1.0 / k for k in range(1, n + 1))
    upper = lower / (1.0 - load)
    both = [float(f(load, 1.0, n)["response_mean"].value) for f in (q.nelson_tantawi, q.varma_makowski)]
    assert all(lower <= each <= upper for each in both)
    independent = q.independent_maximum([1.0 / (1.0 - load)] * n, [1.0] * n)["response_mean"].value
    assert independent == pytest.approx(upper, rel=1e-6)


def test_unlike_branches_of_a_fork_join() -> None:
    fast, slow = q.exponential(0.01), q.exponential(1.0)
    found = q.fork_join(0.5, [fast, slow], 45, [0.9])
    alone = q.mmc(0.5, 1.0, quantiles=[0.9])
    assert found["response_mean"].value == pytest.approx(alone["sojourn_mean"].value, rel=1e-3)
    assert found["response_quantile"].value[0] == pytest.approx(alone["sojourn_quantile"].value[0], rel=1e-3)
    assert found["response_mean"].value > alone["sojourn_mean"].value


def test_iterated_solution_is_the_direct_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from octomodel.calibration.queueing import chains

    alike = [q.exponential(1.0)] * 3
    direct = q.numbers(q.fork_join(0.6, alike, 15, [0.99]))
    monkeypatch.setattr(chains, "DIRECT", 10)
    iterated = q.numbers(q.fork_join(0.6, alike, 15, [0.99]))
    assert iterated["loss_probability"] == pytest.approx(direct["loss_probability"], rel=1e-9)
    assert iterated["response_quantile"] == pytest.approx(direct["response_quantile"], rel=1e-9)


def test_few_places_of_a_fork_join_are_marked() -> None:
    found = q.fork_join(0.9, [q.exponential(1.0)] * 2, 3)
    assert found["loss_probability"].value > 0.01
    assert found["loss_probability"].assumptions_ok
    assert not found["response_mean"].assumptions_ok


@pytest.mark.parametrize(
    ("question", "path"),
    [
        (lambda: q.traffic([1.0, 0.0], [[0.0, 1.0], [1.0, 0.0]]), "traffic.routing"),
        (lambda: q.traffic([1.0], [[0.0, 1.0], [1.0, 0.0]]), "traffic.routing"),
        (lambda: q.traffic([1.0], [[1.5]]), "traffic.routing[0, 0]"),
        (lambda: q.qna([[1.0]], [1.0], [[0.0]], [1.0], [1.0], [1]), "qna"),
        (lambda: q.closed_network([0.0], 3), "closed_network.demand"),
        (lambda: q.closed_network([1.0], 0), "closed_network.population"),
        (lambda: q.closed_network([1.0], 30_000), "closed_network.population"),
        (lambda: q.exact_mva([[1.0]] * 3, [100] * 3), "exact_mva.population"),
        (lambda: q.exact_mva([[1.0]], [1, 2]), "exact_mva.demand"),
        (lambda: q.mixed_network([[1.0]], [1.0], [[1.0]], [1]), "mixed_network"),
        (lambda: q.line([q.exponential(1.0)] * 2, [1, 1]), "line.places"),
        (lambda: q.line([q.erlang(1.0, 30)] * 2, [1]), "line.services"),
        (lambda: q.markov_tandem(1.0, [1.0], [0.5]), "markov_tandem"),
        (lambda: q.robust_tandem(q.mmpp2((0.5, 1.5), (1.0, 1.0)), [q.exponential(1.0)]), "robust_tandem"),
        (lambda: q.robust_tandem(q.mmpp2((0.5, 1.5), (1.0, 1.0)), []), "robust_tandem.services"),
        (lambda: q.dispersion(q.mmpp2((0.5, 1.5), (1.0, 1.0)), 0.0), "dispersion.window"),
        (lambda: q.nelson_tantawi(0.5, 1.0, 1), "nelson_tantawi.branches"),
        (lambda: q.varma_makowski(0.5, 1.0, 65), "varma_makowski.branches"),
        (lambda: q.fork_join(0.5, [], 3), "fork_join.services"),
        (lambda: q.BlockingNetwork({"s": q.BlockingStation(q.exponential(1.0), inputs=("x",))}, {}), "BlockingNetwork.places"),
        (lambda: q.BlockingNetwork({}, {"b": -1}), "BlockingNetwork.places.b"),
        (
            lambda: q.BlockingNetwork({"s": q.BlockingStation(q.exponential(1.0), routes=((0.5, ()),))}, {}),
            "BlockingNetwork.stations.s.routes",
        ),
        (
            lambda: q.BlockingNetwork({"s": q.BlockingStation(q.exponential(1.0))}, {}).makespan(),
            "makespan",
        ),
    ],
)
def test_refusals_name_the_parameter(question: Callable[[], object], path: str) -> None:
    with pytest.raises(q.TheoryError) as caught:
        question()
    assert caught.value.path == path
