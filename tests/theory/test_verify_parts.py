"""The parts of verify(): verdicts, run lengths, facts, systems, measuring."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octomodel import dist, yaml_text
from octomodel.elements import walk
from octomodel.errors import RunError
from octomodel.load import Load, closed, poisson, trace
from octomodel.program import task
from octomodel.verification import convert, opened
from octomodel.verification.bench import SOURCE, Bench
from octomodel.verification.cases import ARRIVALS, CASES, Case
from octomodel.verification.facts import FILE, Station, facts
from octomodel.verification.judge import Check, Quantile, Ratio, check, critical, ratio
from octomodel.verification.measure import Observation, Setup, observe
from octomodel.verification.plan import Queue, length, poisson_variance, queue

SIMULATED = [case for case in CASES if case.build is not None]
QUICK = [case.name for case in SIMULATED if case.quick]


# ---- the judge


def test_a_ratio_of_totals_has_the_error_of_the_delta_method() -> None:
    rng = np.random.default_rng(3)
    errors, values = [], []
    for _ in range(400):
        bottom = rng.gamma(4.0, size=64)
        top = 2.0 * bottom + rng.normal(size=64)
        value, error = ratio(top, bottom)
        values.append(value)
        errors.append(error)
    assert np.mean(values) == pytest.approx(2.0, abs=0.01)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.1)


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_quantile_intervals_cover(share: float) -> None:
    rng = np.random.default_rng(4)
    truth = -math.log(1.0 - share)
    missed, errors, values = 0, [], []
    for _ in range(400):
        one = Quantile("q", truth, share, lambda seen: seen.sojourn, 1.0)
        # the samples are correlated inside: every value of a sample is scaled by the same factor
        factor = rng.gamma(400.0, 1.0 / 400.0, size=(48, 1))
        one.values.append(rng.exponential(size=(48, 200)) * factor)
        estimate = one.estimate(0.05)
        missed += not estimate.lo <= truth <= estimate.hi
        errors.append(estimate.error)
        values.append(estimate.value)
    assert 8 <= missed <= 36  # 20 expected; outside with a probability below 0.003
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)


def judged(expected: float, limit: float, uncertain: float = 0.0) -> Check:
    """Judge samples whose mean is 10 with an interval of a little more than 1 on each side."""
    one = Ratio("x", expected, lambda seen: (np.empty(0), np.empty(0)), limit, uncertain)
    one.sums.append((10.0 + np.tile([-1.0, 1.0], 50) * 1.0, np.ones(100)))
    return check("case", "kind", one, 1e-15, 7)


def test_a_check_passes_inside_a_narrow_interval_only() -> None:
    row = judged(10.5, 0.2)
    assert row.passed
    assert row.half_width == pytest.approx(critical(100, 1e-15) * row.error / 10.5)
    assert not judged(12.0, 0.2).passed
    assert not judged(8.0, 0.2).passed
    assert not judged(10.5, 0.05).passed  # too wide to say anything
    assert judged(12.0, 0.2, uncertain=1.5).passed


def test_a_certain_value_must_be_met_exactly() -> None:
    one = Ratio("x", 0.8, lambda seen: (np.empty(0), np.empty(0)), 0.01)
    one.sums.append((np.full(10, 0.1) * 8.0, np.ones(10)))
    assert check("case", "kind", one, 1e-6, 1).passed
    one.expected = 0.8 + 1e-9
    assert not check("case", "kind", one, 1e-6, 1).passed


# ---- run lengths


def test_the_variance_of_a_poisson_queue_is_that_of_a_simulated_one() -> None:
    # Lindley's recursion of M/D/1, many short runs in parallel
    rng = np.random.default_rng(8)
    wait, total = np.zeros(4000), np.zeros(4000)
    for n in range(4400):
        wait = np.maximum(wait + 1.0 - rng.exponential(2.0, size=4000), 0.0)
        if n >= 400:
            total += wait
    assert poisson_variance(dist.Deterministic(1.0), 0.5) == pytest.approx(total.var() / 4000, rel=0.12)


def test_the_variance_planned_with_knows_the_third_moment_of_a_service() -> None:
    # E2/H2/1, whose services are skewed; without them the plan says about half of what comes
    rng = np.random.default_rng(9)
    service = dist.HyperExponential.from_cv(1.0, 2.0)
    wait, total = np.zeros(1500), np.zeros(1500)
    chances, means = np.array(service.probabilities), np.array(service.means)
    for n in range(8800):
        served = rng.exponential(size=1500) * rng.choice(means, p=chances, size=1500)
        wait = np.maximum(wait + served - rng.gamma(2.0, 1.0 / 1.2, size=1500), 0.0)
        if n >= 800:
            total += wait
    planned = queue(dist.Erlang(2, 1.0 / 0.6), service, 1).variance
    assert 0.75 < planned / (total.var() / 8000) < 1.2


def test_stations_in_series_are_planned_to_wait_together() -> None:
    case = facts()["TD-E2-M-M"]
    (tandem,) = opened.tandem(Bench("TD-E2-M-M", case))
    each = [Queue.of(case.gaps, station) for station in case.stations.values()]
    together = sum(one.variance**0.5 for one in each) / case.expected["W"]
    plan = length(together**2, correlation=max(one.correlation for one in each), tasks=2.0, services=1.0)
    assert tandem.setup.load.requests == plan.requests


def test_the_mean_wait_planned_with_is_near_the_exact_one() -> None:
    for name in ("ST-MM1-0.8", "ST-MMc-4-3.6", "ST-MD1-0.5", "ST-MPH1-H2-0.5", "ST-M-E2-3-0.8"):
        case = facts()[name]
        assert Queue.of(case.gaps, case.stations["s"]).wait == pytest.approx(case.expected["Wq"], rel=0.06)


def test_nobody_waits_without_a_limit_of_servers() -> None:
    assert queue(dist.Exponential(1.0), dist.Exponential(5.0), None).wait == 0.0


def test_a_dearer_answer_gets_a_wider_limit() -> None:
    limits = [length(spread, correlation=10.0, tasks=1.0, services=1.0).limit for spread in (1.0, 300.0, 1e5)]
    assert limits == [0.02, 0.03, 0.15]
    assert length(1.0, correlation=10.0, tasks=1.0, services=1.0).warmup == 60


# ---- the facts


def test_every_system_of_the_file_has_a_case() -> None:
    assert [case.name for case in CASES] == list(facts())
    assert len(CASES) == 93
    assert [case.name for case in CASES if case.build is None and not case.note] == []
    assert [case.name for case in SIMULATED if not facts()[case.name].expected] == []


def test_enough_systems_of_every_kind_are_simulated() -> None:
    kinds = Counter(case.kind for case in SIMULATED)
    assert len(SIMULATED) >= 30
    assert {kind: n for kind, n in kinds.items() if n < 5} == {ARRIVALS: 1}
    assert len(QUICK) >= 12
    assert {case.kind for case in SIMULATED if case.quick} == set(kinds) - {ARRIVALS}


def test_the_file_of_facts_is_made_of_the_known_answers(shared_data: Path) -> None:
    cases = json.loads((shared_data / "queueing_cases.json").read_text())["cases"]
    made = {case["id"]: convert.entry(case) for case in cases}
    assert yaml_text.parse(yaml_text.dump(made), "made") == yaml_text.parse(FILE.read_text("utf-8"), "file")


@pytest.mark.parametrize(
    ("form", "law"),
    [
        ({"exp": 4.0}, dist.Exponential(0.25)),
        ({"det": 2.0}, dist.Deterministic(2.0)),
        ({"dist": "gamma", "shape": 4.0, "scale": 0.5}, dist.Gamma(2.0, 0.5)),
        ({"dist": "lognormal", "mean": 3.0, "scv": 0.25}, dist.LogNormal(3.0, 0.5)),
        ({"dist": "truncated_pareto", "alpha": 1.5, "low": 1.0, "high": 9.0}, dist.BoundedPareto(1.5, 1.0, 9.0)),
        ({"hyper2_scv": 4.0, "mean": 3.0}, dist.HyperExponential.from_cv(3.0, 2.0)),
        ({"ph": {"alpha": [1.0, 0.0], "T": [[-4.0, 4.0], [0.0, -4.0]]}}, dist.Erlang(2, 0.5)),
        (
            {"ph": {"alpha": [1.0, 0.0], "T": [[-1.1, 0.1], [0.5, -0.5]]}},
            dist.PhaseType((1.0, 0.0), ((-1.1, 0.1), (0.5, -0.5))),
        ),
        (
            {"ph": {"alpha": [0.5, 0.5], "T": [[-4.0, 0.0], [0.0, -2.0]]}},
            dist.HyperExponential((0.5, 0.5), (0.25, 0.5)),
        ),
    ],
)
def test_laws_are_read(form: dict[str, object], law: dist.Law) -> None:
    assert convert.law(form) == law


def test_lognormal_and_weibull_laws_are_read_by_their_own_parameters() -> None:
    lognormal = convert.law({"dist": "lognormal", "meanlog": -0.5, "sdlog": 1.0})
    assert lognormal.mean == pytest.approx(1.0)
    assert lognormal.cv**2 == pytest.approx(math.e - 1.0)
    weibull = convert.law({"dist": "weibull", "shape": 0.5, "scale": 0.5})
    assert weibull.mean == pytest.approx(1.0)
    assert weibull.cv**2 == pytest.approx(5.0)


# ---- the systems


def setups(case: Case, scale: float = 1.0) -> list[Setup]:
    assert case.build is not None
    return [each.setup for each in case.build(Bench(case.name, facts()[case.name], scale))]


@pytest.mark.parametrize("case", SIMULATED, ids=lambda case: case.name)
def test_services_are_long_in_cycles_and_twins_change_services_alone(case: Case) -> None:
    for plain, twin in zip(setups(case), setups(case, 1.01), strict=True):
        before, after = plain.workflow.demand(), twin.workflow.demand()
        for each in plain.workflow.tasks:
            attribute = each.time.attribute
            more = each.time.slope * plain.workflow.attributes[attribute].mean if attribute else 0.0  # type: ignore[union-attr]
            mean = each.time.law.mean * (each.time.base + more)
            assert mean >= 1000 or case.kind == ARRIVALS or each.name == SOURCE
            ratio_of_means = after[each.name] / before[each.name]
            fixed = each.name in (SOURCE, "think") or case.kind == ARRIVALS
            assert ratio_of_means == pytest.approx(1.0 if fixed else 1.01), each.name
        assert (plain.load == twin.load) == (case.kind != ARRIVALS)


@pytest.mark.parametrize("name", ["JN-SIXTO-11.11", "JN-LAZOWSKA-113", "JN-JAIN-34.1", "JN-9NODE", "CL-BOLCH-8.4"])
def test_programs_have_the_visits_of_their_system(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    (setup,) = setups(case)
    demand = setup.workflow.demand()
    visits = {n: demand[n] / (s.service.mean * setup.unit) for n, s in facts()[name].stations.items()}
    whole = {n: s.visits for n, s in facts()[name].stations.items()}
    factor = sum(visits.values()) / sum(whole.values())
    assert factor == pytest.approx(1 / 60.5 if name == "JN-LAZOWSKA-113" else 1.0)
    assert visits == pytest.approx({n: each * factor for n, each in whole.items()})


def test_the_chain_of_tasks_has_the_visits_of_its_matrix() -> None:
    case = next(case for case in CASES if case.name == "BR-ABSORBING")
    (setup,) = setups(case)
    visits: defaultdict[str, float] = defaultdict(float)
    for name, cycles in setup.workflow.demand().items():
        visits[name.rpartition("_")[2]] += cycles / setup.unit
    assert dict(visits) == pytest.approx({n[-2]: v for n, v in facts()[case.name].expected.items() if "[" in n})


def test_servers_and_places_are_those_of_the_system() -> None:
    case = next(case for case in CASES if case.name == "NET-MULTISERVER")
    (setup,) = setups(case)
    assert [each.name for each in setup.workflow.tasks] == [SOURCE, "s1", "s2", "s3"]
    assert setup.owners == (1, 2, 3, 1)
    slots = dict(setup.hardware.queue_slots)  # type: ignore[arg-type]
    assert (slots["s1"], slots["s2"], slots["s3"]) == (2, 1, 2)
    assert setup.hardware.local_latency_cycles == 0


def test_branches_meet_again_where_their_stations_do() -> None:
    case = next(case for case in CASES if case.name == "NET-MOE-3")
    (setup,) = setups(case)
    names = [type(each).__name__ for each in walk(setup.workflow.program)]
    assert names.count("Branch") == 1
    assert [each.name for each in setup.workflow.tasks] == [SOURCE, "router", "e0", "e1", "e2", "comb"]


# ---- measuring


def one_server(load: Load, **more: Any) -> Setup:
    """Return a station that takes one unit of time, under some load."""
    known = replace(facts()["ST-MD1-0.5"], stations={"s": Station(dist.Deterministic(1.0))})
    return Bench("one", known).setup([task("s", 10_000)], load, **more)


def seen(setup: Setup, seed: int = 5) -> Observation:
    (each,) = observe(setup, seed)
    return each


def test_a_window_sees_what_happens_between_two_cycles() -> None:
    shown = seen(one_server(closed(240, in_flight=3), pipelines=2, window=(10.0, 50.0)))
    assert shown.span == 40.0
    assert shown.counters["executions"]["s"].tolist() == [40.0, 40.0]
    assert shown.counters["run"]["s"].tolist() == [40.0, 40.0]
    assert shown.counters["queue"]["s"].tolist() == [80.0, 80.0]
    assert shown.counters["blocked"]["s"].tolist() == [0.0, 0.0]
    assert shown.executions == 2 * (9 + 49)  # what ends at a horizon is beyond it


def test_blocked_time_is_that_of_the_tbus_of_a_task() -> None:
    known = replace(
        facts()["NET-HB-2-4"],
        stations={"a": Station(dist.Deterministic(1.0), 2), "b": Station(dist.Deterministic(2.0))},
    )
    items = [task("a", 10_000), task("b", 20_000)]
    setup = Bench("two", known).setup(items, closed(200, in_flight=8), slots={"b": 1}, window=(20.0, 60.0))
    shown = seen(setup)
    assert setup.owners == (2, 1)
    # b takes one in two units; each of the two TBUs of a works one unit of every four
    assert shown.counters["blocked"] == {"a": pytest.approx([60.0]), "b": [0.0]}
    assert shown.counters["run"] == {"a": pytest.approx([20.0]), "b": [40.0]}


@pytest.mark.parametrize("load", [closed(40, in_flight=3), poisson(1e-4, 40, in_flight=None)])
def test_a_load_that_ends_too_early_is_an_error(load: Load) -> None:
    with pytest.raises(RunError, match="the load ended before the window did"):
        seen(one_server(load, window=(10.0, 100.0)))


def test_requests_are_grouped_by_pipeline_and_the_first_are_dropped() -> None:
    shown = seen(one_server(closed(12, in_flight=1), pipelines=2, warmup=2))
    assert shown.arrival.tolist() == [[2.0, 3.0, 4.0, 5.0]] * 2
    assert shown.sojourn.tolist() == [[1.0] * 4] * 2
    assert shown.counters["executions"]["s"].tolist() == [6.0, 6.0]


def test_replications_and_calls_are_independent_samples() -> None:
    setup = one_server(poisson(5e-5, 50, in_flight=None), replications=2, calls=2, milestones=["s"])
    calls = list(observe(setup, 5))
    assert [each.sojourn.shape for each in calls] == [(2, 50), (2, 50)]
    assert len({tuple(row) for each in calls for row in each.arrival}) == 4
    for each in calls:
        np.testing.assert_array_equal(each.milestone["s"], each.sojourn)


def test_waits_come_from_who_ended_before() -> None:
    (experiment,) = opened.tandem(Bench("ST-MG1-GAMMA-0.5", facts()["ST-MG1-GAMMA-0.5"]))
    wait = next(metric for metric in experiment.metrics if metric.name == "wait_p95")
    shown = seen(one_server(trace([0, 5_000, 40_000], in_flight=None)))
    assert wait.read(shown) == pytest.approx(np.array([[0.5, 0.0]]))
