"""Loads: values accepted and refused, plain data, and the arrays made of them."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from octomodel import dist, draws, lower_load
from octomodel.errors import ModelError
from octomodel.kernels import quantile, rng
from octomodel.load import Load, closed, mmpp, periodic, poisson, renewal, trace
from octomodel.phases import PhasePlan, phases_by_request, phases_by_time
from octomodel.tables import Bundle, bundle

SEED = 11
KEY = draws.seed_key(SEED, 0)


# helpers of kernels can be called by compiled code only
@numba.njit
def one_key(seed: int, replication: int) -> int:
    return rng.seed_key(seed, replication)


@numba.njit
def one_draw(seed: int, replication: int, request: int, domain: int, node: int) -> int:
    return rng.draw(rng.request_key(rng.seed_key(seed, replication), request), domain, node, 0, 0)


@numba.njit
def one_unit(u: int) -> float:
    return rng.unit(u)


@numba.njit
def one_sample(kind: int, offset: int, size: int, knots: NDArray[np.int64], u: int) -> int:
    return quantile.sample(kind, offset, size, knots, u)


def sample(table: Bundle, law: int, u: int) -> int:
    """Return what the kernel makes of one draw."""
    row = (int(table.kind[law]), int(table.offset[law]), int(table.size[law]))
    return int(one_sample(*row, table.knots, u))


@pytest.mark.parametrize(
    ("build", "path", "part"),
    [
        (lambda: closed(0), "requests", "from 1"),
        (lambda: closed(1.5), "requests", "an integer"),
        (lambda: closed(5, in_flight=None), "in_flight", "a closed load needs a number"),
        (lambda: closed(5, in_flight=0), "in_flight", "from 1"),
        (lambda: closed(5, in_flight="all"), "in_flight", "an integer"),
        (lambda: closed(5, split="odd"), "split", "one of even"),
        (lambda: closed(5, split=[0.0, 0.0]), "split", "above 0"),
        (lambda: closed(5, split=[1.0, -1.0]), "split[1]", ">= 0"),
        (lambda: poisson(0), "rate", ">="),
        (lambda: poisson(float("inf")), "rate", "finite"),
        (lambda: periodic(-1), "period_cycles", ">= 0"),
        (lambda: renewal(5), "law", "a law of gaps"),
        (lambda: renewal(dist.Deterministic(0)), "law", "above 0"),
        (lambda: mmpp([1.0], [1.0]), "mean_cycles", "at least two rates"),
        (lambda: mmpp([1.0, 2.0], [1.0]), "mean_cycles", "not 2"),
        (lambda: mmpp([0.0, 0.0], [1.0, 1.0]), "rates", "above 0"),
        (lambda: mmpp([1.0, -1.0], [1.0, 1.0]), "rates[1]", ">= 0"),
        (lambda: mmpp([1.0, 1.0], [1.0, 0.0]), "mean_cycles[1]", ">= 1"),
        (lambda: trace([]), "arrival_cycles", "at least one"),
        (lambda: trace([[1]]), "arrival_cycles", "a list"),
        (lambda: trace([0, 5, 3]), "arrival_cycles[2]", "at least 5"),
        (lambda: trace([-1, 5]), "arrival_cycles", "from 0"),
        (lambda: trace([0, 1.5]), "arrival_cycles", "whole cycles"),
        (lambda: trace([0, float("nan")]), "arrival_cycles", "whole cycles"),
        (lambda: trace(["a"]), "arrival_cycles", "a list"),
        (lambda: trace([1, 2], requests=3), "requests", "at most 2"),
        (lambda: closed(1).with_(rate=1), "", "one of"),
    ],
)
def test_loads_refuse(build: Any, path: str, part: str) -> None:
    with pytest.raises(ModelError) as caught:
        build()
    assert caught.value.path == f"load.{path}".rstrip(".")
    assert part in str(caught.value)


LOADS: list[Load] = [
    closed(100, in_flight=3),
    closed(split=[1, 2]),
    poisson(0.001, in_flight=None),
    periodic(12.5),
    renewal(dist.Gamma(mean=10, cv=2.0), 7),
    mmpp([0.1, 0.0], [100, 1000]),
    trace([0, 3, 3, 9], in_flight=1),
]


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.kind)
def test_plain_data_and_back_is_the_same_load(load: Load) -> None:
    assert Load.from_dict(load.to_dict()) == load
    assert hash(Load.from_dict(load.to_dict())) == hash(load)
    assert load.with_(requests=2) != load
    assert load.with_(requests=2).requests == 2


@pytest.mark.parametrize(
    ("data", "path", "part"),
    [
        (5, "load", "a mapping"),
        ({}, "load.kind", "one of"),
        ({"kind": "poison"}, "load.kind", "did you mean 'poisson'"),
        ({"kind": "poisson"}, "load.rate", "rate is required"),
        ({"kind": "poisson", "rate": 0}, "load.rate", ">="),
        ({"kind": "poisson", "rate": 1, "raet": 0}, "load.raet", "did you mean 'rate'"),
        ({"kind": "renewal", "law": {"law": "gama"}}, "load.law.law", "gamma"),
    ],
)
def test_plain_data_errors_name_the_place(data: Any, path: str, part: str) -> None:
    with pytest.raises(ModelError) as caught:
        Load.from_dict(data)
    assert caught.value.path == path
    assert part in str(caught.value)


# -- draws ----------------------------------------------------------------------------------------

words = st.integers(0, 2**63 - 1)


@given(
    words, st.integers(0, 2**31), st.lists(st.integers(0, 2**39), min_size=1, max_size=5), st.integers(0, 5)
)
def test_arrays_of_draws_are_the_scalar_ones(
    seed: int, replication: int, requests: list[int], domain: int
) -> None:
    key = draws.seed_key(seed, replication)
    assert key == one_key(seed, replication)
    drawn = draws.draw(draws.request_keys(key, np.array(requests, dtype=np.int64)), domain, 3)
    assert drawn.tolist() == [one_draw(seed, replication, request, domain, 3) for request in requests]
    assert draws.unit(drawn).tolist() == [one_unit(u) for u in drawn.tolist()]


LAWS = (
    dist.Deterministic(7),
    dist.Empirical([1.0, 5.0, 9.0]),
    dist.Pareto(alpha=1.5, low=3.0),
    dist.Uniform(0, 1),
)


@given(st.lists(st.one_of(words, st.integers(2**63 - 2**33, 2**63 - 1)), min_size=1, max_size=20))
def test_arrays_of_samples_are_the_scalar_ones(values: list[int]) -> None:
    tables = bundle(LAWS)
    for law in range(len(LAWS)):
        expected = [sample(tables, law, u) for u in values]
        assert draws.sample(tables, law, np.array(values, dtype=np.uint64)).tolist() == expected


# -- arrivals -------------------------------------------------------------------------------------


def naive_gaps(law: dist.Law, n: int) -> list[int]:
    """Return gaps in units of 2**-16 cycle, one by one."""
    table = bundle([law])
    return [sample(table, 0, one_draw(SEED, 0, r, 3, 0)) for r in range(n)]


@pytest.mark.parametrize(
    "load", [poisson(0.05), renewal(dist.Uniform(0.1, 0.7)), renewal(dist.Pareto(alpha=1.1, low=5.0))]
)
def test_renewal_arrivals_are_rounded_sums_of_gaps(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lower_load, "BLOCK", 16)
    got, digest = lower_load.arrivals(load, 100, KEY)
    sums = np.cumsum(np.array(naive_gaps(load.law, 100), dtype=object))
    assert got.tolist() == [(int(total) + 32768) // 65536 for total in sums]
    assert digest == bundle([load.law]).digest


def test_periodic_arrivals_begin_at_zero_and_do_not_drift() -> None:
    got, _ = lower_load.arrivals(periodic(2.5), 5, KEY)
    assert got.tolist() == [0, 3, 5, 8, 10]
    assert lower_load.arrivals(periodic(0), 3, KEY)[0].tolist() == [0, 0, 0]


def test_prefix_of_arrivals_does_not_depend_on_their_number() -> None:
    for load in (poisson(0.1), mmpp([1.0, 0.0, 0.1], [50, 100, 200]), periodic(3.7), trace(np.arange(300))):
        assert np.array_equal(
            lower_load.arrivals(load, 300, KEY)[0][:50], lower_load.arrivals(load, 50, KEY)[0]
        )


def test_modulated_arrivals_have_the_rates_of_their_states() -> None:
    load = mmpp([0.0, 0.5, 0.01], [1000.0, 2000.0, 5000.0])
    got, _ = lower_load.arrivals(load, 1_000_000, KEY)
    assert (np.diff(got) >= 0).all()
    mean = (0.5 * 2000 + 0.01 * 5000) / 8000
    assert len(got) / got[-1] == pytest.approx(mean, rel=0.1)  # about 1000 rounds through the states
    counts = np.bincount(got // 1000)
    assert counts.var() > 20 * counts.mean()  # far burstier than a Poisson process
    assert (counts == 0).mean() > 0.05


def test_modulated_arrivals_against_a_naive_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    load = mmpp([0.0, 0.25], [30.0, 40.0])
    gaps = naive_gaps(dist.Exponential(2.0**20), 200)
    dwell = bundle([dist.Exponential(30.0), dist.Exponential(40.0)])
    now, done, stretch, expected = 0.0, 0.0, -1, []
    left = 0.0
    for total in np.cumsum(np.array(gaps, dtype=object)):
        wanted = int(total) / 65536 / 2**20
        while done + left * (load.rates[stretch % 2] if stretch >= 0 else 0.0) < wanted:
            done += left * (load.rates[stretch % 2] if stretch >= 0 else 0.0)
            now += left
            stretch += 1
            law = stretch % 2
            left = sample(dwell, law, one_draw(SEED, 0, stretch, 3, 1)) / 65536
        expected.append(now + (wanted - done) / load.rates[stretch % 2])
    monkeypatch.setattr(lower_load, "BLOCK", 16)
    got, _ = lower_load.arrivals(load, 200, KEY)
    np.testing.assert_allclose(got, expected, atol=0.51)


def test_arrivals_too_late_or_too_many_are_refused() -> None:
    for load, n in (
        (poisson(1e-12), 1000),
        (periodic(2.0**46), 5),
        (mmpp([1e-300, 0.0], [1e6, 1e6]), 3),
        (mmpp([1e-8, 0.0], [1e9, 1e9]), 2**21),
        (trace([2**48]), 1),
    ):
        with pytest.raises(ModelError, match="arrivals before cycle 2\\^48"):
            lower_load.arrivals(load, n, KEY)
    with pytest.raises(ModelError, match="at most 16777216 changes of state"):
        lower_load.arrivals(mmpp([1e-6, 0.0], [1.0, 1.0]), 1000, KEY)
    with pytest.raises(ModelError, match="at most 2, the length"):
        lower_load.arrivals(trace([1, 2]), 3, KEY)


# -- split and phases -----------------------------------------------------------------------------


@given(st.integers(1, 200), st.integers(1, 7), st.booleans())
def test_split_gives_every_request_to_one_pipeline(n: int, n_pipeline: int, weighted: bool) -> None:
    load = poisson(0.1, split=[float(p) for p in range(n_pipeline, 0, -1)] if weighted else "even")
    arrival, _ = lower_load.arrivals(load, n, KEY)
    indptr, request, source_arrival = lower_load.split(load, n, n_pipeline, KEY, arrival)
    assert indptr[0] == 0 and indptr[-1] == n and len(indptr) == n_pipeline + 1
    assert sorted(request.tolist()) == list(range(n))
    assert source_arrival.tolist() == arrival[request].tolist()
    for p in range(n_pipeline):
        mine = request[indptr[p] : indptr[p + 1]]
        assert (np.diff(mine) > 0).all()
        assert weighted or (mine % n_pipeline == p).all()


def test_weighted_split_is_the_draw_of_domain_5() -> None:
    load = closed(split=[1.0, 0.0, 3.0, 0.0])
    indptr, request, source_arrival = lower_load.split(load, 4000, 4, KEY, np.zeros(4000, dtype=np.int64))
    expected = [0 if one_unit(one_draw(SEED, 0, r, 5, 0)) < 0.25 else 2 for r in range(4000)]
    pipeline = np.empty(4000, dtype=int)
    pipeline[request] = np.repeat(np.arange(4), np.diff(indptr))
    assert pipeline.tolist() == expected
    assert source_arrival.tolist() == [0] * 4000
    with pytest.raises(ModelError, match="3 weights, one for each pipeline"):
        lower_load.split(load, 10, 3, KEY, np.zeros(10, dtype=np.int64))


def test_phases_follow_number_or_arrival() -> None:
    plan = phases_by_request([("day", 2), ("night", 1), ("day", 1)])
    zeros = np.zeros(9, dtype=np.int64)
    got = lower_load.phases(plan, closed(), zeros)
    assert got.dtype == np.int16 and got.tolist() == [0, 0, 1, 0, 0, 0, 1, 0, 0]
    timed = phases_by_time([("calm", 10), ("busy", 5)])
    assert lower_load.phases(timed, trace([1]), np.array([0, 9, 10, 14, 15, 29])).tolist() == [
        0,
        0,
        1,
        1,
        0,
        1,
    ]
    with pytest.raises(ModelError, match="phases by time under a closed load"):
        lower_load.phases(timed, closed(), zeros)
    single: list[PhasePlan | None] = [None, phases_by_request([("day", 1), ("day", 2)])]
    assert all(len(lower_load.phases(plan, closed(), zeros)) == 0 for plan in single)
