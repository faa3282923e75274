"""From tables to a workflow: what was put in comes out, as surely as the draws say."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import octomodel as om
from octomodel import dist
from octomodel.calibration import calibrate
from octomodel.calibration.calibrate import Calibration
from octomodel.calibration.product_limit import POINTS, condensed
from octomodel.calibration.skeleton import Values, filled
from octomodel.calibration.trace import Requests, TraceError

LOOK, FETCH, TURN = dist.Gamma(40.0, 0.4), dist.LogNormal(90.0, 0.8), dist.Exponential(5.0)
HIT, AGAIN = 0.7, 0.4


def skeleton(look: Any = 1, fetch: Any = 1, turn: Any = 1, hit: float = 0.5, **loop: Any) -> om.Workflow:
    step = om.branch({"hit": hit, "miss": 1.0 - hit}, name="cache", hit=om.seq(), miss=om.task("fetch", fetch))
    return om.Workflow("w", om.task("look", look), step, om.loop(om.task("turn", turn), name="ask", **(loop or {"again": 0.1})))


def measured(requests: int, seed: int, *, counted: bool = False) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Return tables of a machine that makes no request wait."""
    rng = np.random.default_rng(seed)
    spans: dict[str, list[Any]] = {"request": [], "task": [], "start": [], "end": []}
    decisions: dict[str, list[Any]] = {"request": [], "block": [], "choice": [], "time": []}

    def ran(request: int, task: str, law: dist.Law, now: float) -> float:
        end = now + float(law.quantile(rng.random()))
        for name, value in zip(spans, (request, task, now, end), strict=True):
            spans[name].append(value)
        return end

    def decided(request: int, block: str, choice: object, now: float) -> None:
        for name, value in zip(decisions, (request, block, choice, now), strict=True):
            decisions[name].append(value)

    begin = 0.0
    for request in range(requests):
        begin += rng.exponential(30.0)
        now = ran(request, "look", LOOK, begin)
        hit = rng.random() < HIT
        decided(request, "cache", "hit" if hit else "miss", now)
        if not hit:
            now = ran(request, "fetch", FETCH, now)
        turns = int(rng.geometric(1.0 - AGAIN))
        if counted:
            decided(request, "ask", turns, now)
        for i in range(turns):
            now = ran(request, "turn", TURN, now)
            if not counted:
                decided(request, "ask", "again" if i < turns - 1 else "exit", now)
    return spans, decisions


@pytest.fixture(scope="module")
def found() -> Calibration:
    return calibrate.fit(*measured(800, 1), cycles_per_unit=1000.0, repetitions=39)


def test_what_was_put_in_comes_out(found: Calibration) -> None:
    assert {name: fit.family for name, fit in found.times.items()} == {
        "look": "gamma",
        "fetch": "lognormal",
        "turn": "exponential",
    }
    wf = found.workflow(skeleton())
    truth = skeleton(LOOK * 1000, FETCH * 1000, TURN * 1000, HIT, again=AGAIN)
    assert wf.demand() == pytest.approx(truth.demand(), rel=0.08)
    assert wf.graph().to_text() == truth.graph().to_text()
    assert found.arrivals is not None and found.arrivals.rate == pytest.approx(1.0 / 30.0, rel=0.1)


def test_the_workflow_is_one_by_hand_and_says_where_it_comes_from(found: Calibration) -> None:
    wf = found.workflow(skeleton())
    assert wf.description.startswith("Measured at 1000 cycles per unit of time: times: fetch lognormal of ")
    assert "look gamma of 800" in wf.description and "cache of 800" in wf.description
    assert om.Workflow.from_dict(wf.to_dict()) == wf


def test_counted_turns_become_a_law_or_a_probability() -> None:
    found = calibrate.fit(*measured(500, 2, counted=True), cycles_per_unit=1.0, repetitions=0)
    assert found.loops["ask"].family == "geometric"
    data = found.workflow(skeleton(count=dist.Empirical([1, 2]))).to_dict()["program"][2]
    assert data["again"] == found.loops["ask"].again == pytest.approx(AGAIN, abs=0.06) and "count" not in data
    spans, decisions = measured(60, 2)
    twice = {"request": list(range(60)), "block": ["ask"] * 60, "choice": [2, 5] * 30, "time": list(range(60))}
    fixed = calibrate.fit(spans, twice, cycles_per_unit=1.0, repetitions=0)
    data = fixed.workflow(skeleton()).to_dict()["program"][2]
    assert "again" not in data and fixed.loops["ask"].count.support() == (2.0, 5.0)
    assert all(dict(each.to_dict()["program"][2]).get("count") for each in fixed.draws(skeleton(), 2))


def test_draws_spread_as_the_measurements_do(found: Calibration) -> None:
    drawn = found.draws(skeleton(), 60, seed=5)
    look = np.array([each.demand()["look"] for each in drawn]) / 1000.0
    assert look.std() == pytest.approx(LOOK.mean * LOOK.cv / math.sqrt(800), rel=0.4)
    assert found.draws(skeleton(), 2, seed=5)[1] == found.draws(skeleton(), 2, seed=5)[1]
    assert drawn[0] != drawn[1]


def coverage(repetitions: int, draws: int, *, clock: float = 1.0) -> float:
    """Return how often the whole demand of a request lies within its draws, from known workflow to trace to fit to draws."""
    truth = sum(skeleton(LOOK, FETCH, TURN, HIT, again=AGAIN).demand().values())
    hits = 0
    for seed in range(repetitions):
        spans, decisions = measured(120, 100 + seed)
        found = calibrate.fit(
            spans, decisions, cycles_per_unit=clock, among=["gamma", "lognormal", "exponential"], repetitions=0, seed=seed
        )
        total = np.sort([sum(each.demand().values()) for each in found.draws(skeleton(), draws, seed)])
        edge = (draws + 1) // 40
        hits += total[edge - 1] <= truth <= total[draws - edge]
    return hits / repetitions


def test_the_truth_lies_within_the_draws() -> None:
    """At 95 %, fewer than 20 of 25 would come once in a thousand times."""
    assert coverage(25, 79) >= 20 / 25


def test_a_clock_that_is_wrong_loses_the_truth() -> None:
    assert coverage(10, 79, clock=1.25) < 0.5


@pytest.mark.deep
def test_the_truth_lies_within_the_draws_as_often_as_they_say() -> None:
    assert 0.92 <= coverage(300, 199) <= 0.98


def test_a_draw_runs(found: Calibration) -> None:
    wf = found.draws(skeleton(), 1)[0]
    ds = om.simulate(wf, om.System(rows=1, cols=1, tbus=4), "static", om.closed(4), requests=50)
    assert int(ds["requests_ended"].sum()) == 50


def test_intervals_and_report(found: Calibration) -> None:
    mean = found.intervals("look", count=100)["mean"]
    assert mean.low < 40.0 < mean.high
    text = found.report()
    assert len(text.splitlines()) == 1 + 3 + 2 + 1
    for part in ("look", "gamma is the best of", "cache: hit 0.", "ask: again 0.", "arrivals: 0.03"):
        assert part in text


def test_drift_of_a_branch_is_reported() -> None:
    spans, _ = measured(400, 3)
    rng = np.random.default_rng(0)
    hit = rng.random(400) < np.where(np.arange(400) < 200, 0.9, 0.3)
    decisions = {
        "request": list(range(400)),
        "block": ["cache"] * 400,
        "choice": np.where(hit, "hit", "miss").tolist(),
        "time": [10.0 * i for i in range(400)],
    }
    block = calibrate.fit(spans, decisions, cycles_per_unit=1.0, repetitions=0).blocks["cache"]
    assert len(block.changed_at) == 1 and block.changed_at[0] == pytest.approx(2000.0, abs=200.0)
    assert block.frequencies.overdispersion > 0.1
    low, high = block.frequencies.interval()
    plain = 2 * 1.96 * math.sqrt(0.24 / 400)
    assert high[0] - low[0] > 1.5 * plain


def test_a_choice_that_was_never_taken_keeps_a_chance() -> None:
    spans, _ = measured(60, 3)
    one = {"request": list(range(60)), "block": ["cache"] * 60, "choice": ["hit"] * 60, "time": list(range(60))}
    program = calibrate.fit(spans, one, cycles_per_unit=1.0, repetitions=0).workflow(skeleton()).to_dict()["program"]
    assert [choice["probability"] for choice in program[1]["choices"]] == pytest.approx([60.5 / 61, 0.5 / 61])
    loop = {"request": list(range(60)), "block": ["ask"] * 60, "choice": ["exit"] * 60, "time": list(range(60))}
    program = calibrate.fit(spans, loop, cycles_per_unit=1.0, repetitions=0).workflow(skeleton()).to_dict()["program"]
    assert program[2]["again"] == pytest.approx(0.5 / 61)


def test_what_does_not_belong_is_refused() -> None:
    spans, decisions = measured(60, 3)
    with pytest.raises(TraceError, match=r"fit.cycles_per_unit: got 0; allowed: a finite number > 0"):
        calibrate.fit(spans, cycles_per_unit=0)
    found = calibrate.fit(spans, decisions, cycles_per_unit=1.0, repetitions=0)
    with pytest.raises(TraceError, match=r"workflow.v: got 'no task named fetch'; allowed: a workflow with the task that was"):
        calibrate.fit(spans, cycles_per_unit=1.0, repetitions=0).workflow(om.Workflow("v", om.task("look", 1)))
    strange = {**decisions, "choice": ["stay" if choice == "hit" else choice for choice in decisions["choice"]]}
    with pytest.raises(TraceError, match=r"workflow.w.cache: got 'choice stay'; allowed: one of hit, miss"):
        calibrate.fit(spans, strange, cycles_per_unit=1.0, repetitions=0).workflow(skeleton())
    with pytest.raises(TraceError, match=r"Calibration.draws.count: got 0"):
        found.draws(skeleton(), 0)
    with pytest.raises(TraceError, match=r"Calibration.intervals.task: got 'x'; allowed: one of fetch, look, turn"):
        found.intervals("x")


def test_values_that_depend_on_more_are_not_overwritten() -> None:
    sized = om.Workflow("v", om.task("a", om.per("size", 2.0)), attributes={"size": dist.Exponential(3.0)})
    with pytest.raises(TraceError, match=r"workflow.v.a.time: got 'per size'; allowed: a value that depends on no attribute"):
        filled(sized, Values({"a": TURN}), "")
    phased = om.Workflow("v", om.task("a", om.by_phase(3, busy=4)), phases=om.phases_by_request([("busy", 3), ("calm", 5)]))
    with pytest.raises(TraceError, match=r"workflow.v.a: got 'a value for each phase'"):
        filled(phased, Values({"a": TURN}), "")


def test_elements_inside_forks_and_selects_are_reached() -> None:
    inner = om.fork(om.task("a", 1), om.select(1, {"x": 1.0, "y": 1.0}, x=om.task("b", 1), y=om.task("c", 1)))
    wf = filled(om.Workflow("v", inner, description="By hand"), Values({"a": TURN, "c": LOOK}), "measured")
    assert wf.demand() == pytest.approx({"a": 5.0, "b": 0.5, "c": 20.0})
    assert wf.description == "By hand. measured"


def test_attributes_of_requests_become_series_and_draws_keep_rows_and_neighbours_together() -> None:
    size = np.arange(1000.0)
    requests = Requests(np.cumsum(np.random.default_rng(2).exponential(5.0, 1000)), {"size": size, "twice": 2.0 * size})
    turns = om.loop(om.task("a", om.per("size", 2.0)), count=om.per("twice", 1.0), name="ask")
    sized = om.Workflow("v", turns, attributes={"size": dist.Exponential(3.0), "twice": dist.Exponential(3.0)})
    found = calibrate.fit(requests, cycles_per_unit=1.0, repetitions=19)
    assert not found.times and found.arrivals is not None
    wf = found.workflow(sized)
    assert wf.attributes["size"] == om.Series(size) and wf.provenance["workflow.attributes.size"].tag == "derived"
    drawn = [dict(each.attributes) for each in found.draws(sized, 2, seed=3)]
    for each in drawn:
        assert np.array_equal(2.0 * each["size"].values, each["twice"].values)
        assert np.mean(np.diff(each["size"].values) == 1.0) > 0.85
    assert drawn[0] != drawn[1]
    with pytest.raises(TraceError, match=r"workflow.w: got 'no attribute named size'"):
        found.workflow(skeleton())
    assert found.facts()["attributes"][0]["autocorrelation"] == pytest.approx(1.0, abs=0.01)
    assert "size: mean 499.5, CV 0.578" in found.report()


def test_facts_are_plain(found: Calibration) -> None:
    facts = found.facts()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert [each["task"] for each in facts["tasks"]] == ["fetch", "look", "turn"]
    assert sum(each["count"] for each in facts["blocks"][1]["choices"]) == 800
    assert facts["arrivals"]["low"] < 1.0 / 30.0 < facts["arrivals"]["high"]


def test_many_durations_make_a_law_that_fits_into_a_file() -> None:
    values = np.random.default_rng(0).pareto(2.5, 25_001)
    kept = condensed(values)
    assert kept.size == POINTS and kept.mean() == pytest.approx(values.mean(), rel=1e-12)
    assert kept.std() == pytest.approx(values.std(), rel=0.01)
    assert np.quantile(kept, [0.5, 0.99]) == pytest.approx(np.quantile(values, [0.5, 0.99]), rel=0.01)
    assert np.array_equal(condensed(values[:POINTS]), values[:POINTS])


def test_provenance_of_what_was_not_measured_is_kept() -> None:
    loop = om.loop(om.task("turn", 1), name="ask", again=0.1)
    said = {"tag": "estimate", "source": "judged"}
    places = [f"workflow.program{each}" for each in ("[0].again", "[0].body[0].time", "[1].time")]
    wf = om.Workflow("w", loop, om.task("look", 1), provenance=dict.fromkeys(places, said))
    counted = filled(wf, Values(counts={"ask": dist.Empirical([1, 4])}, notes={("loop", "ask"): "hazard"}), "", "a file")
    assert set(counted.provenance) == {"workflow.program[0].count", *places[1:]}
    assert counted.provenance["workflow.program[0].count"] == om.Provenance("derived", "a file", "hazard")


def test_public_names_are_found_and_others_are_not() -> None:
    assert om.calibration.fit is calibrate.fit
    assert set(om.calibration._LAZY) <= set(dir(om.calibration))
    assert all(getattr(om.calibration, name) for name in om.calibration._LAZY)
    with pytest.raises(AttributeError, match="no attribute 'fits'"):
        om.calibration.fits  # noqa: B018
