"""Arrivals: known values of processes, what the tests reject and what they let pass, fits that find what made the arrivals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

import octomodel as om
from octomodel.calibration.arrivals import dispersion_curve, fit_arrivals, poisson_rate
from octomodel.calibration.families import UnfitError
from octomodel.calibration.mmpp import Mmpp2, fit_mmpp2
from octomodel.calibration.trace import TraceError, read_azure_llm

F64 = np.ndarray[Any, np.dtype[np.float64]]
BURSTS = Mmpp2((0.2, 1.6), (20.0, 10.0))


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> dict[str, Any]:
    return {case["id"]: case for case in json.loads((shared_data / "queueing_cases.json").read_text())["cases"]}


def simulated(process: Mmpp2, count: int, seed: int) -> F64:
    """Return arrivals: in each stay a Poisson number of uniform times."""
    rng = np.random.default_rng(seed)
    now, state, out = 0.0, 0, np.empty(0)
    parts: list[F64] = []
    while sum(part.size for part in parts) < count:
        stay = rng.exponential(process.stays[state])
        parts.append(now + np.sort(rng.random(rng.poisson(process.rates[state] * stay))) * stay)
        now, state = now + stay, 1 - state
    out = np.concatenate(parts)
    return out[:count]


def test_known_process(cases: dict[str, Any]) -> None:
    case = cases["AR-MMPP2"]
    leave, back = case["model"]["switch"]
    process = Mmpp2(tuple(case["model"]["rates"]), (1.0 / leave, 1.0 / back))
    expected = case["expected"]
    found = {
        "rate": process.rate,
        "interarrival_scv": process.scv,
        "acf_lag1": process.autocorrelation(1),
        "acf_decay": process.autocorrelation(2) / process.autocorrelation(1),
        "IDC_1": float(process.dispersion(1.0)),
        "IDC_10": float(process.dispersion(10.0)),
        "IDC_100": float(process.dispersion(100.0)),
        "IDC_inf": float(process.dispersion(math.inf)),
    }
    assert found == pytest.approx(expected, rel=1e-9)


def test_known_rate(cases: dict[str, Any]) -> None:
    case = cases["AR-POISSON-CI"]
    found = poisson_rate(case["model"]["events"], case["model"]["time"])
    assert found == pytest.approx(tuple(case["expected"][name] for name in ("rate", "lo", "hi")), rel=1e-9)
    assert poisson_rate(0, 2.0)[:2] == (0.0, 0.0)
    assert poisson_rate(0, 2.0)[2] == pytest.approx(-math.log(0.025) / 2.0)


@pytest.mark.parametrize("count", [1, 2, 7, 64])
@pytest.mark.parametrize("process", [BURSTS, Mmpp2((0.0, 3.0), (5.0, 0.1)), Mmpp2((2.0, 2.0), (1.0, 9.0))], ids=str)
def test_likelihood_is_the_product_of_matrices(process: Mmpp2, count: int) -> None:
    gaps = np.random.default_rng(count).exponential(2.0, count)
    leave, back = 1.0 / process.stays[0], 1.0 / process.stays[1]
    still = np.array([[-process.rates[0] - leave, leave], [back, -process.rates[1] - back]])
    state = np.array(process.rates) * process.stays
    state = state / state.sum()
    for gap in gaps:
        state = state @ expm(still * gap) @ np.diag(process.rates)
    assert process.log_likelihood(gaps) == pytest.approx(math.log(state.sum()), rel=1e-10)


def test_one_rate_is_poisson_and_many_gaps_do_not_underflow() -> None:
    gaps = np.random.default_rng(0).exponential(0.5, 50_000)
    value = Mmpp2((2.0, 2.0), (1.0, 9.0)).log_likelihood(gaps)
    assert value == pytest.approx(gaps.size * math.log(2.0) - 2.0 * gaps.sum(), rel=1e-10)


def test_bursts_are_recovered() -> None:
    gaps = np.diff(simulated(BURSTS, 10_000, 1))
    found = fit_mmpp2(gaps)
    assert found.rates == pytest.approx(BURSTS.rates, rel=0.1)
    assert found.stays == pytest.approx(BURSTS.stays, rel=0.25)
    best = found.log_likelihood(gaps)
    assert best >= BURSTS.log_likelihood(gaps)
    for i in range(4):
        for factor in (0.98, 1.02):
            numbers = [*found.rates, *found.stays]
            numbers[i] *= factor
            assert Mmpp2((numbers[0], numbers[1]), (numbers[2], numbers[3])).log_likelihood(gaps) < best
    load = om.mmpp(tuple(rate / 1e3 for rate in found.rates), tuple(stay * 1e3 for stay in found.stays), 10)
    assert load.rates == pytest.approx([0.2e-3, 1.6e-3], rel=0.1)


def test_time_unit_does_not_matter() -> None:
    gaps = np.diff(simulated(BURSTS, 2_000, 1))
    first, second = fit_mmpp2(gaps), fit_mmpp2(gaps * 1e6)
    assert [rate * 1e6 for rate in second.rates] == pytest.approx(first.rates, rel=1e-6)


def test_regular_arrivals_have_no_two_states() -> None:
    with pytest.raises(UnfitError, match="no likelier than one"):
        fit_mmpp2(np.full(200, 3.0) + 0.01 * np.arange(200) % 0.05)


def test_dispersion_curve_is_that_of_the_process() -> None:
    found = dispersion_curve(simulated(BURSTS, 60_000, 2), windows=[1.0, 10.0, 100.0], repetitions=199)
    assert found.index == pytest.approx(BURSTS.dispersion(found.windows), rel=0.12)
    assert not found.poisson and found.p.max() < 0.05
    assert (found.low < 1.0).all() and (found.high > 1.0).all()


def test_poisson_arrivals_pass_as_often_as_they_should() -> None:
    rng = np.random.default_rng(3)
    passed = [dispersion_curve(np.sort(rng.random(200)), repetitions=319, seed=i).poisson for i in range(60)]
    assert sum(passed) >= 52


def test_dispersion_of_every_window_is_counted_as_drawn() -> None:
    """The band of the bootstrap against the chi-square law, which counts of uniform arrivals nearly follow."""
    found = dispersion_curve(np.sort(np.random.default_rng(0).random(5_000)), windows=[0.01], repetitions=1999)
    assert (found.low[0], found.high[0]) == pytest.approx((0.74, 1.30), abs=0.03)


def test_constant_rate_is_found() -> None:
    found = fit_arrivals(np.cumsum(np.random.default_rng(1).exponential(3.0, 800)), repetitions=39)
    assert found.family == "poisson" and found.exponential_p > 0.05 and found.correlation_p > 0.05
    assert found.low < 1.0 / 3.0 < found.high and found.verdict == "poisson has the least BIC"


def test_regular_gaps_are_a_renewal_process() -> None:
    found = fit_arrivals(np.cumsum(np.random.default_rng(1).gamma(4.0, 1.0, 800)), repetitions=39)
    assert found.family == "renewal" and found.gaps.family == "gamma" and found.exponential_p < 0.05
    assert om.renewal(found.gaps.law * 1000.0, 5).law.cv == pytest.approx(0.5, rel=0.1)


def test_equal_gaps_are_a_renewal_process_of_one_value() -> None:
    found = fit_arrivals(np.arange(50) * 0.1, repetitions=19)
    assert (found.family, found.exponential_p, found.verdict) == ("renewal", 0.0, "all gaps are the same")
    assert found.gaps.law.cv == 0.0 and found.gaps.law.mean == pytest.approx(0.1)


def test_bursts_are_no_renewal_process() -> None:
    found = fit_arrivals(simulated(BURSTS, 3_000, 4), repetitions=19)
    assert found.family == "mmpp" and found.mmpp is not None
    assert found.correlation > 0.05 and found.correlation_p <= 0.05
    assert "no renewal process will do" in found.verdict


def test_an_order_that_no_renewal_process_has_decides_against_one_of_less_bic() -> None:
    """Regular gaps at two rates: Poisson arrivals of two states say nothing of the regularity, but that bursts stay bursts."""
    rng = np.random.default_rng(3)
    gaps = np.concatenate([rng.gamma(4.0, mean / 4.0, 100) for mean in (1.0, 1.8) * 8])
    found = fit_arrivals(np.cumsum(gaps), repetitions=39)
    assert found.bic["renewal"] < found.bic["mmpp"] and found.correlation_p <= 0.05
    assert found.family == "mmpp" and found.verdict.startswith("mmpp is taken, renewal has the least BIC; ")
    mixed = fit_arrivals(np.cumsum(rng.permutation(gaps)), repetitions=39)
    assert mixed.family == "renewal" and mixed.verdict.startswith("renewal has the least BIC")


def test_same_seed_same_fit() -> None:
    times = simulated(BURSTS, 300, 4)
    assert fit_arrivals(times, repetitions=19) == fit_arrivals(times, repetitions=19)


def test_simultaneous_arrivals_are_no_obstacle() -> None:
    times = np.floor(np.cumsum(np.random.default_rng(1).exponential(3.0, 400)))
    assert (np.diff(times) == 0.0).any()
    found = fit_arrivals(times, repetitions=19)
    assert found.rate == pytest.approx(1.0 / 3.0, rel=0.15)


def test_measured_dispersion_is_the_published_one(shared_data: Path) -> None:
    """Up to where the windows begin: 1.39 and 16.1 for the conversations, 13.2 and 164 for the code."""
    for name, published in (("conv", (1.39, 16.1)), ("code", (13.2, 164.0))):
        times = read_azure_llm(shared_data / f"AzureLLMInferenceTrace_{name}.csv").arrival_seconds
        found = dispersion_curve(times, windows=[1.0, 60.0], repetitions=99)
        assert found.index == pytest.approx(published, rel=0.03)
        assert not found.poisson


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: Mmpp2((0.0, 0.0), (1.0, 1.0)),
            "Mmpp2.rates: got (0.0, 0.0); allowed: two finite numbers >= 0, at least one above 0",
        ),
        (lambda: Mmpp2((1.0, 0.0), (1.0, 0.0)), "Mmpp2.stays: got (1.0, 0.0); allowed: two finite numbers > 0"),
        (lambda: fit_mmpp2([1.0]), "fit_mmpp2.gaps: got 'float64[1]'; allowed: at least 16 numbers"),
        (lambda: fit_mmpp2([1.0] * 16 + [-1.0]), "fit_mmpp2.gaps[16]: got -1.0; allowed: a finite number >= 0"),
        (lambda: fit_mmpp2([0.0] * 16), "fit_mmpp2.gaps: got 'only zeros'; allowed: at least one gap above 0"),
        (lambda: poisson_rate(-1, 1.0), "poisson_rate.events: got -1; allowed: an integer >= 0"),
        (lambda: poisson_rate(1, 0.0), "poisson_rate.time: got 0.0; allowed: a finite number > 0"),
        (lambda: poisson_rate(1, 1.0, 1.0), "poisson_rate.level: got 1.0; allowed: a number between 0 and 1"),
        (lambda: fit_arrivals([1.0]), "fit_arrivals.arrivals: got 'float64[1]'; allowed: at least 17 numbers"),
        (lambda: fit_arrivals([1.0] * 17), "fit_arrivals.arrivals: got 'equal times'; allowed: times that differ"),
        (
            lambda: fit_arrivals([*range(17), 3]),
            "fit_arrivals.arrivals[17]: got 3.0; allowed: a time not before 16, the one before",
        ),
        (lambda: fit_arrivals([*range(17), math.inf]), "fit_arrivals.arrivals[17]: got inf; allowed: a finite number"),
        (lambda: fit_arrivals(range(17), repetitions=3), "fit_arrivals.repetitions: got 3; allowed: an integer >= 19"),
        (
            lambda: dispersion_curve(np.arange(21), windows=[5.0]),
            "dispersion_curve.windows: got [5.0]; allowed: numbers above 0 and at most 4",
        ),
        (
            lambda: dispersion_curve(np.arange(21), repetitions=9),
            "dispersion_curve.repetitions: got 9; allowed: an integer >= 319, with 8 windows",
        ),
    ],
)
def test_refused_input_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(TraceError) as error:
        call()
    assert str(error.value) == message
