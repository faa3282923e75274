"""A summary is a dict for programs and a table for readers."""

from __future__ import annotations

import json

import octomodel as om
from octomodel.summary import Summary


def made(**changes: object) -> Summary:
    values = {
        "replications": 1,
        "requests": 1_200,
        "executions": 3_400,
        "makespan_cycles": 5_000,
        "throughput_per_cycle": 0.24,
        "latency": {
            "mean": {"value": 70.0, "lo": 60.4, "hi": 1_080.0},
            "p50": None,
            "warmup_requests": 9,
            "n_effective": 40,
        },
        "deadline_miss": 0.125,
        "time_split": {"own": 0.75, "starved": 0.25, "dead": 0.0},
        "fingerprint": "ab",
        "exact": True,
        "fluid_bound_cycles": 4_000.0,
        "warnings": ["take <care>"],
    }
    return Summary(values | changes, title="w under static", clock_hz=2e9)


def test_text() -> None:
    assert repr(made()).splitlines() == [
        "w under static: 1,200 requests, 3,400 executions",
        "makespan      5,000 cycles (2.5e-06 s at 2 GHz)",
        "throughput    4.8e+08 requests/s",
        "latency mean  70 cycles [60, 1,080]",
        "missed        12.500% of deadlines",
        "TBU time      own 75.0%, starved 25.0%",
        "bound         4,000 cycles: no schedule is shorter; this one takes 1.25 times it",
        "fingerprint   ab",
        "warning       take <care>",
    ]
    assert made().text() == repr(made()).rpartition("\nwarning")[0]


def test_several_replications_are_labelled() -> None:
    lines = repr(made(replications=2, fingerprint=["ab", "cd"])).splitlines()
    assert lines[0] == "w under static: 1,200 requests, 3,400 executions in all"
    assert lines[1] == "replications  2: totals above, means of the replications below"
    assert lines[-3:-1] == ["fingerprint   ab (replication 0)", "fingerprint   cd (replication 1)"]


def test_what_is_not_known_is_left_out() -> None:
    nothing = made(throughput_per_cycle=None, deadline_miss=None, time_split={"own": None}, latency={}, warnings=[])
    del nothing["fluid_bound_cycles"]
    assert [line.split("  ")[0] for line in repr(nothing).splitlines()[1:]] == ["makespan", "TBU time", "fingerprint"]
    assert "TBU time      none" in repr(nothing)


def test_html_is_escaped() -> None:
    html = made()._repr_html_()
    assert "<caption>w under static: 1,200 requests, 3,400 executions</caption>" in html
    assert ">latency mean</th>" in html and "take &lt;care&gt;" in html and "<care>" not in html


def test_it_is_a_dict() -> None:
    workflow, machine = om.Workflow("tiny", om.task("only", 10)), om.System(1, 1, tbus=2)
    summary = om.simulate(workflow, machine, load=om.closed(requests=100)).octo.summary()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["requests"] == 100
    assert repr(summary).startswith("tiny under static: 100 requests, 100 executions\n")
