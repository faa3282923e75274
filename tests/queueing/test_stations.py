"""Formulas of stations: against slow sums, against each other, at their edges; and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from octomodel.calibration import queueing as q
from octomodel.calibration.queueing.uniform import Tail


def recursion(c: int, a: float) -> float:
    b = 1.0
    for k in range(1, c + 1):
        b = a * b / (k + a * b)
    return b


@pytest.mark.parametrize(("c", "load"), [(1, 0.3), (7, 0.99), (170, 1.0), (3000, 0.99), (10_000, 1.2), (20, 400.0), (1, 1e6)])
def test_erlang_is_the_recursion(c: int, load: float) -> None:
    b = recursion(c, c * load)
    assert q.erlang_b(c, c * load) == pytest.approx(b, rel=1e-9)
    if load < 1.0:
        assert q.erlang_c(c, c * load) == pytest.approx(b / (1.0 - load * (1.0 - b)), rel=1e-9)


@given(st.integers(1, 500), st.floats(1e-6, 0.999))
def test_load_of_a_loss(c: int, share: float) -> None:
    assert q.erlang_b(c, q.offered_load(c, share)) == pytest.approx(share, rel=1e-7)


@given(st.integers(1, 40), st.integers(0, 60), st.floats(0.05, 5.0))
def test_limited_room_is_the_birth_death_chain(c: int, more: int, load: float) -> None:
    n = np.arange(c + more + 1)
    weights = np.cumprod(np.concatenate([[1.0], load * c / np.minimum(n[1:], c)]))
    p = weights / weights.sum()
    found = q.numbers(q.mmck(load * c, 1.0, c, c + more))
    assert found["loss_probability"] == pytest.approx(p[-1], rel=1e-9)
    assert found["number_mean"] == pytest.approx(p @ n, rel=1e-9)
    assert found["queue_mean"] == pytest.approx(p @ np.maximum(n - c, 0), rel=1e-9, abs=1e-12)
    assert found["p_empty"] == pytest.approx(p[0], rel=1e-9)


def test_extremes_neither_overflow_nor_lose_probability() -> None:
    light = q.numbers(q.mmck([1.0, 1e-9], 1.0, [400, 2], [500, 5]))
    assert light["p_empty"] == pytest.approx(np.exp([-1.0, -1e-9]))
    assert light["number_mean"] == pytest.approx([1.0, 1e-9])
    heavy = q.numbers(q.mmck(1e9, 1.0, 2, 5))
    assert heavy["number_mean"] == pytest.approx(5.0)
    assert heavy["throughput"] == pytest.approx(2.0)
    constant = q.numbers(q.mdc(1e-6, 1.0, 3, [0.9]))
    assert constant["wait_mean"] == pytest.approx(0.0, abs=1e-12)
    assert constant["wait_quantile"][0] == 0.0
    many = q.mmc([4950.0, 5000.0], 1.0, 5000, [0.99])
    assert many["sojourn_mean"].value[0] == pytest.approx(1.0, abs=0.01)
    assert many["sojourn_quantile"].value[1] == np.inf


def test_equal_rates_of_the_limited_room_do_not_cancel() -> None:
    below, at, above = (q.mmck(1.0 + e, 1.0, 1, 1000)["queue_mean"].value for e in (-1e-9, 0.0, 1e-9))
    assert at == pytest.approx(499.5 - 0.5 + 1 / 1001 * 0.5, rel=1e-3)
    assert below < at < above
    assert above == pytest.approx(below, rel=1e-5)


@given(st.floats(0.05, 0.97), st.integers(1, 8), st.floats(0.01, 0.999))
def test_exponential_servers_agree_with_their_chain(load: float, c: int, p: float) -> None:
    plain = q.numbers(q.mmc(load * c, 1.0, c, [p]))
    chain = q.numbers(q.map_ph_c(q.renewal(q.exponential(1.0 / (load * c))), q.exponential(1.0), c, [p]))
    renewal = q.numbers(q.gimc(lambda s: load * c / (load * c + s), 1.0 / (load * c), 1.0, c, [p]))
    for name, value in chain.items():
        assert plain[name] == pytest.approx(value, rel=1e-7, abs=1e-9), name
        assert renewal[name] == pytest.approx(value, rel=1e-6, abs=1e-9), name


def test_quantiles_of_waits_are_zero_where_waiting_is_rare() -> None:
    for answer in (
        q.mmc(0.1, 1.0, quantiles=[0.5]),
        q.mdc(0.1, 1.0, quantiles=[0.5]),
        q.gigc(0.1, 2.0, 1.0, 2.0, quantiles=[0.5]),
    ):
        assert answer["wait_quantile"].value[..., 0] == 0.0
    chain = q.map_ph_c(q.mmpp2((0.1, 0.2), (5.0, 5.0)), q.exponential(1.0), quantiles=[0.5])
    assert chain["wait_quantile"].value[0] == 0.0


def test_service_much_shorter_than_the_wait() -> None:
    found = q.mmc(0.99999, 1.0, quantiles=[0.99])["sojourn_quantile"].value
    assert found == pytest.approx(-np.log(0.01) * 1e5, rel=1e-9)


def test_modulated_arrivals_agree_with_the_truncated_chain() -> None:
    rates, stays, most = (0.2, 1.2), (20.0, 10.0), 250
    d1 = np.diag(rates)
    d0 = np.array([[-1 / stays[0], 1 / stays[0]], [1 / stays[1], -1 / stays[1]]]) - d1
    size = 2 * (most + 1)
    generator = np.zeros((size, size))
    for n in range(most + 1):
        here = slice(2 * n, 2 * n + 2)
        generator[here, here] += d0 - np.eye(2) * (n > 0) + d1 * (n == most)
        if n < most:
            generator[here, 2 * n + 2 : 2 * n + 4] += d1
        if n:
            generator[here, 2 * n - 2 : 2 * n] += np.eye(2)
    system = generator.T.copy()
    system[-1] = 1.0
    p = np.linalg.solve(system, np.eye(size)[-1]).reshape(-1, 2)
    found = q.numbers(q.map_ph_c(q.mmpp2(rates, stays), q.exponential(1.0)))
    seen = p @ rates
    assert found["number_mean"] == pytest.approx(np.arange(most + 1) @ p.sum(axis=1), rel=1e-7)
    assert found["p_wait"] == pytest.approx(1.0 - seen[0] / seen.sum(), rel=1e-7)
    assert found["p_wait"] > found["utilisation"] + 0.1


def test_waits_of_the_chain_sum_to_its_queue() -> None:
    queue = q.qbd.MapPhC(q.renewal(q.hyperexponential(0.6, 3.0)), q.erlang(1.0, 3), 2)
    assert queue.waits.mean == pytest.approx(queue.queue_mean / queue.rate, rel=1e-9)
    assert queue.sojourns.mean == pytest.approx(queue.waits.mean + 1.0, rel=1e-9)


@given(st.floats(0.1, 10.0), st.floats(0.02, 12.0))
def test_two_moments_are_met(mean: float, scv: float) -> None:
    found = q.two_moments(mean, scv)
    assert found.mean == pytest.approx(mean, rel=1e-9)
    assert found.scv == pytest.approx(scv, rel=1e-7)


def test_tail_of_a_phase_type_time() -> None:
    time = q.two_moments(2.0, 0.3)
    tail = Tail.of(time)
    for t in (0.0, 0.5, 3.0, 9.0):
        assert tail.beyond(t) == pytest.approx(float((time.start @ expm(time.rates * t)).sum()), abs=1e-13)
    assert tail.variance == pytest.approx(0.3 * 4.0)


@given(st.floats(0.05, 0.95), st.integers(1, 30))
def test_constant_service_waits_less_than_exponential_and_more_than_half(load: float, c: int) -> None:
    constant = q.numbers(q.mdc(load * c, 1.0, c))["wait_mean"]
    exponential = q.numbers(q.mmc(load * c, 1.0, c))["wait_mean"]
    assert 0.5 * exponential * (1 - 1e-7) - 1e-12 <= constant <= exponential + 1e-12


def test_constant_service_is_a_limit_of_erlang() -> None:
    exact = q.numbers(q.mdc(1.6, 1.0, 2))["wait_mean"]
    errors = [
        float(q.map_ph_c(q.renewal(q.exponential(0.625)), q.erlang(1.0, k), 2)["wait_mean"].value / exact - 1) for k in (2, 4, 8)
    ]
    assert errors[0] > 1.8 * errors[1] > 3.2 * errors[2] > 0.0


def test_transform_of_waits_converges() -> None:
    def tail(x: Any) -> Any:
        return np.exp(-x)

    exact = q.mmc(0.7, 1.0, quantiles=[0.9, 0.999])["wait_quantile"].value
    coarse, fine = (q.mg1_quantiles(0.7, 1.0, tail, [0.9, 0.999], n)["wait_quantile"].value for n in (2**10, 2**16))
    assert np.abs(fine / exact - 1.0).max() < 1e-5 < np.abs(coarse / exact - 1.0).max() < 0.02


def test_grids_broadcast_and_overload_is_marked() -> None:
    found = q.gigc(np.array([[0.5], [1.5]]), [0.5, 4.0, 9.0], 1.0, 1.0, 1)
    assert found["wait_mean"].value.shape == (2, 3)
    assert found["wait_mean"].assumptions_ok.tolist() == [[True, True, False], [False] * 3]
    assert np.isinf(found["wait_mean"].value[1]).all()
    for answer in (q.mmc(2.0, 1.0, 2, [0.5]), q.mg1(1.0, 1.0, 0.0, 1.0)):
        assert not answer["wait_mean"].assumptions_ok
        assert np.isinf([answer[name].value.min() for name in ("wait_mean", "wait_var", "sojourn_mean", "queue_mean")]).all()


def test_nothing_arrives() -> None:
    for answer in (q.mmc(0.0, 1.0, 3, [0.9]), q.mg1(0.0, 1.0, 1.0), q.gigc(0.0, 1.0, 1.0, 1.0)):
        assert answer["wait_mean"].value == answer["queue_mean"].value == answer["p_wait"].value == 0.0


def test_approximation_is_exact_for_poisson_arrivals() -> None:
    load, scv = np.linspace(0.05, 0.95, 10)[:, None], np.array([0.0, 0.5, 1.0, 4.0])
    near, exact = q.gigc(load, 1.0, 1.0, scv)["wait_mean"].value, q.mg1(load, 1.0, scv)["wait_mean"].value
    assert near == pytest.approx(exact)
    assert q.gigc(load * 5, 1.0, 1.0, 1.0, 5)["wait_mean"].value == pytest.approx(q.mmc(load * 5, 1.0, 5)["wait_mean"].value)


@pytest.mark.parametrize(
    ("question", "path"),
    [
        (lambda: q.mmc(-1.0, 1.0), "mmc.rate"),
        (lambda: q.mmc([0.5, np.nan], 1.0), "mmc.rate[1]"),
        (lambda: q.mmc("a", 1.0), "mmc.rate"),  # type: ignore[arg-type]
        (lambda: q.mmc(1.0, 0.0), "mmc.service_mean"),
        (lambda: q.mmc(1.0, 1.0, 1.5), "mmc.servers"),
        (lambda: q.mmc(1.0, 1.0, 1, [1.0]), "mmc.quantiles"),
        (lambda: q.mmck(1.0, 1.0, 4, 3), "mmck.capacity - servers"),
        (lambda: q.mdc(2.0, 1.0, 2), "mdc"),
        (lambda: q.mg1_quantiles(1.0, 1.0, lambda x: x, [0.5]), "mg1_quantiles"),
        (lambda: q.gimc(lambda s: 1.0, 1.0, 1.0, 26), "gimc.servers"),
        (lambda: q.map_ph_c(q.renewal(q.exponential(1.0)), q.exponential(1.0)), "MapPhC"),
        (lambda: q.map_ph_c(q.renewal(q.erlang(1.0, 30)), q.erlang(1.0, 30), 2), "MapPhC"),
        (lambda: q.PhaseType([0.5, 0.4], [[-1, 0], [0, -1]]), "PhaseType.start"),
        (lambda: q.PhaseType([1.0], [[1.0]]), "PhaseType.rates"),
        (lambda: q.Arrivals([[-1.0]], [[0.5]]), "Arrivals"),
        (lambda: q.mmpp2((1.0, 2.0), (0.0, 1.0)), "mmpp2.stays[0]"),
    ],
)
def test_refusals_name_the_parameter(question: Callable[[], object], path: str) -> None:
    with pytest.raises(q.TheoryError) as caught:
        question()
    assert caught.value.path == path
