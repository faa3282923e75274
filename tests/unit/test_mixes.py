"""Mixes: shares of work and of requests, names, phases side by side, and the same work as the parts alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import octomodel as om
from octomodel import dist, lower, mapping, presets
from octomodel.errors import ModelError
from octomodel.run import run
from octomodel.testing import laws
from octomodel.workflow import Workflow
from octomodel.yaml_io import Document, read_file, write_file

SHORT = om.Workflow("short", om.task("t", 10), deadline_cycles=50, in_bytes=10)
LONG = om.Workflow("long", om.task("t", dist.Gamma(mean=1000, cv=0.5), config="c"), deadline_cycles=50, in_bytes=30)


def part_demand(workflow: Workflow, part: str, phase: str | None = None) -> float:
    return sum(cycles for task, cycles in workflow.demand(phase).items() if task.startswith(f"{part}."))


def test_shares_of_work_and_of_requests() -> None:
    parts = {"a": SHORT, "b": LONG}
    by_work = om.mix("both", parts, {"a": 3, "b": 1})
    assert part_demand(by_work, "a") == pytest.approx(3 * part_demand(by_work, "b"))
    by_requests = om.mix("both", parts, {"a": 3, "b": 1}, of="requests")
    assert by_requests.visits() == {"a.t": 0.75, "b.t": 0.25}
    assert [task.config for task in by_requests.tasks] == ["a.t", "b.c"]
    assert (by_requests.deadline_cycles, by_requests.in_bytes) == (50, 15)
    assert om.mix("both", {"a": SHORT, "b": LONG.with_(deadline_cycles=51)}, {"a": 1, "b": 1}).deadline_cycles is None


def test_a_mix_of_two_copies_is_what_each_is_alone() -> None:
    """Attributes, loops, selections, milestones and values by phase of every preset survive being a part."""
    for name in presets.names("workflow"):
        alone = om.workflow(name)
        both = om.mix("twice", {"x": alone, "y": alone}, {"x": 1, "y": 3}, of="requests")
        for part, share in (("x", 0.25), ("y", 0.75)):
            wanted = {f"{part}.{task}": share * cycles for task, cycles in alone.demand().items()}
            found = {task: cycles for task, cycles in both.demand().items() if task.startswith(part)}
            assert found == pytest.approx(wanted, rel=0.02), name
            assert [m for m in both.milestones if m.startswith(part)] == [f"{part}.{m}" for m in alone.milestones]


def phased(**lengths: int) -> Workflow:
    """A workflow whose time in a phase is the place of that phase, from 1 on."""
    times = {name: i + 1 for i, name in enumerate(lengths)}
    return om.Workflow("phased", om.task("t", om.by_phase(99, **times)), phases=om.phases_by_request(list(lengths.items())))


def test_phases_go_side_by_side() -> None:
    both = om.mix("m", {"a": phased(p=10, q=30), "b": phased(u=20, v=20)}, {"a": 1, "b": 1}, of="requests")
    assert both.phases is not None
    assert both.phases.cycle == (("p.u", 20), ("q.u", 20), ("q.v", 40))
    times = {phase: {task.name: task.value(phase).law.mean for task in both.tasks} for phase in both.phases.names}
    assert times == {"p.u": {"a.t": 1, "b.t": 1}, "q.u": {"a.t": 2, "b.t": 1}, "q.v": {"a.t": 2, "b.t": 2}}


def test_a_shorter_cycle_fits_a_whole_number_of_times() -> None:
    """The phases of a part with a quarter of the requests last four times as long in the mix."""
    both = om.mix("m", {"a": phased(p=30, q=30), "b": phased(u=21, v=9)}, {"a": 1, "b": 3}, of="requests")
    assert both.phases is not None
    whole = Counter[str]()
    for phase, length in both.phases.cycle:
        for each in phase.split("."):
            whole[each] += length
    assert whole == {"p": 120, "q": 120, "u": 168, "v": 72}  # six cycles of b, 40 requests of the mix each
    assert sum(length for _, length in both.phases.cycle) == 240


def test_shares_that_change() -> None:
    days = om.phases_by_request([("day", 100), ("night", 300)])
    shares = om.by_phase({"a": 1, "b": 1}, night={"a": 0, "b": 1})
    both = om.mix("m", {"a": SHORT, "b": phased(u=200, v=200)}, shares, of="requests", phases=days)
    assert both.phases is not None and len(both.phases.names) > 2
    for phase in both.phases.names:
        night = phase.startswith("night")
        assert both.visits(phase) == {"a.t": 0.0 if night else 0.5, "b.t": 1.0 if night else 0.5}
        assert both.demand(phase)["b.t"] == both.visits(phase)["b.t"] * (2 if phase.endswith("v") else 1)


def test_parts_without_requests_have_no_say_in_phases() -> None:
    both = om.mix("m", {"a": SHORT, "b": phased(u=5, v=5)}, {"a": 1, "b": 0})
    assert both.phases is None and both.demand() == {"a.t": 10.0, "b.t": 0.0}


def test_long_names_of_phases_are_numbered() -> None:
    parts = {f"w{i}": phased(**{f"{'long' * 5}{i}{x}": 10 for x in "xy"}) for i in range(4)}
    both = om.mix("m", parts, dict.fromkeys(parts, 1.0), of="requests")
    assert both.phases is not None and both.phases.names == ("phase0", "phase1")


def test_bundled_workflows_share_a_machine_and_obey_the_laws() -> None:
    names = ("av_pylot", "early_exit", "llm_chat_code", "rec_two_stage")
    both = om.mix("four", {name: om.workflow(name) for name in names}, dict.fromkeys(names, 1.0))
    for name in names:
        assert part_demand(both, name) == pytest.approx(sum(both.demand().values()) / 4, rel=0.02)
    system = om.hardware("chip_64c")
    placement = mapping.make(both, system)
    hot = om.closed(600, split=(3.0, *[1.0] * (placement.n_pipeline - 1)))
    model = lower.lower(both, system, hot, placement, requests=600).model
    assert laws.violations(model, run(model, threads=1)) == []


def test_requests_of_a_part_do_what_the_part_does() -> None:
    parts = {"short": SHORT, "long": LONG}
    both = om.mix("both", parts, {"short": 1, "long": 1}, of="requests").with_(milestones=["short.t"])
    ds = om.simulate(both, om.System(1, 1, tbus=2), load=om.closed(4000, in_flight=2), seed=5, threads=1, bounds=False)
    executions = dict(zip(ds["tb"].values.tolist(), ds["station_executions"].sum("cluster").values[0].tolist(), strict=True))
    assert sum(executions.values()) == 4000
    assert executions["short.t"] == pytest.approx(2000, abs=4 * np.sqrt(1000))


def test_a_mix_is_written_and_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    both = om.mix("two", {"e": om.workflow("early_exit"), "m": om.workflow("mcts_go")}, {"e": 1, "m": 2})
    write_file(tmp_path / "two.yaml", Document(workflow=both))
    assert read_file(tmp_path / "two.yaml").workflow == both


BOTH = {"a": SHORT, "b": LONG}
TIMED = om.Workflow("timed", om.task("t", om.by_phase(1, x=2)), phases=om.phases_by_time([("x", 10), ("y", 10)]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: om.mix("m", {"a": SHORT}, {"a": 1}), r"mix.m.parts: got 1; allowed: at least two workflows"),
        (lambda: om.mix("m", {"a": SHORT, "b": 3}, {"a": 1, "b": 1}), r"mix.m.parts.b: got 3; allowed: a workflow"),
        (lambda: om.mix("m", BOTH, {"a": 1}), r"mix.m.shares.b: got nothing; allowed: a value: b is required"),
        (lambda: om.mix("m", BOTH, {"a": 1, "b": -1}), r"mix.m.shares.b: got -1; allowed: a finite number"),
        (lambda: om.mix("m", BOTH, {"a": 0, "b": 0}), r"mix.m.shares: got .*; allowed: at least one share above 0"),
        (lambda: om.mix("m", BOTH, {"a": 1, "b": 1}, of="bytes"), r"mix.m.of: got 'bytes'; allowed: one of requests, work"),
        (lambda: om.mix("m", BOTH, om.by_phase({"a": 1, "b": 1}, x={"a": 2, "b": 1})), r"mix.m.phases: got nothing"),
        (
            lambda: om.mix("m", {"a": phased(u=1, v=1), "b": TIMED}, {"a": 1, "b": 1}),
            r"mix.m.phases: got \['request', 'time'\]; allowed: phases that all follow requests, or all follow time",
        ),
        (
            lambda: om.mix("m", {"a": phased(u=1, v=1), "b": phased(x=10**6, y=1)}, {"a": 1, "b": 1}),
            r"mix.m.phases: got .*; allowed: at most 4096 stretches in the longest cycle",
        ),
        (
            lambda: om.mix("m", {"a": om.Workflow("free", om.task("t", 0)), "b": SHORT}, {"a": 1, "b": 1}),
            r"mix.m.shares.a: got 1.0; allowed: shares of=\"requests\": this part has no work",
        ),
    ],
)
def test_what_is_refused(call: object, message: str) -> None:
    with pytest.raises(ModelError, match=f"^{message}"):
        call()  # type: ignore[operator]
