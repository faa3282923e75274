"""Every benchmark runs, at sizes too small to time anything, and its assertions can fail."""

from __future__ import annotations

import dataclasses
import doctest
import json
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
pytest.importorskip("simpy", reason="the simulators to compare with come with requirements/bench.txt")
pytest.importorskip("ciw", reason="the simulators to compare with come with requirements/bench.txt")

from bench import __main__ as command  # noqa: E402
from bench import fingerprint, memory, rows, simpy_lean, speed, timing, w1, w2, wafer  # noqa: E402
from bench.rows import Row  # noqa: E402
from bench.sizes import Sizes  # noqa: E402
from octomodel import mapping  # noqa: E402
from octomodel.hardware import System  # noqa: E402
from octomodel.run import run  # noqa: E402

TINY = Sizes(
    pipelines=(1, 3),
    check_requests=60,
    paired_requests=60,
    long_requests=120,
    repeats=2,
    wafer_rows=3,
    wafer_executions=1_000,
)


@pytest.mark.parametrize("workload", [speed.W1, speed.W2], ids=lambda workload: workload.name)
def test_speed(workload: speed.Workload) -> None:
    found = {(row.case.split(",")[0], row.quantity): row for row in speed.benchmark(workload, TINY)}
    for case in ("N=1", "N=3"):
        for name in ("octomodel", "SimPy", "lean SimPy"):
            assert found[case, f"{name}, CPU time per execution"].value > 0
        assert found[case, "octomodel faster than SimPy"].value > 0
        assert found[case, "executions per second and core, CPU time"].best > 0  # type: ignore[operator]
    assert ("N=1", "octomodel faster than Ciw") in found or workload is speed.W2
    assert found["N=3", "two threads faster than one, wall time"].value > 0
    assert found["N=3", "memory per TBU"].value > 100


@pytest.mark.parametrize(
    ("workload", "later"),
    [
        (speed.W1, lambda line: line.times[3]),
        (speed.W2, lambda flow: flow.turns[20]),
        (speed.W2, lambda flow: flow.entry),
    ],
)
def test_one_cycle_more_is_found(workload: speed.Workload, later: Any) -> None:
    def samples(model: Any) -> Any:
        lines = workload.samples(model)
        later(lines[0])[0] += 1
        return lines

    assert speed.compare(workload, 2, 60) > 300
    with pytest.raises(AssertionError, match="SimPy and octomodel differ"):
        speed.compare(dataclasses.replace(workload, samples=samples), 2, 60)


def test_other_work_is_found() -> None:
    model = w2.model(2, 100)
    outcome = run(model, threads=1)
    executions = w2.executions(model)
    speed.check_work(outcome, 100, executions)
    with pytest.raises(AssertionError):
        speed.check_work(outcome, 100, executions + 1)
    with pytest.raises(AssertionError):
        speed.check_work(outcome, 101, executions)


def test_w2_has_what_it_says() -> None:
    replicas = w2.flows(w2.model(4, 4_000))
    choice = np.concatenate([flow.choice for flow in replicas])
    turns = np.array([len(turns) for flow in replicas for turns in flow.turns])
    assert np.bincount(choice) / 4_000 == pytest.approx([0.7, 0.2, 0.1], abs=0.03)
    assert turns.min() == 1
    assert (turns > 1).mean() == pytest.approx(0.3, abs=0.03)


def test_w1_has_what_it_says() -> None:
    lines = w1.tandems(w1.model(4, 4_000))
    gaps = np.concatenate([np.diff(line.arrivals) for line in lines])
    times = np.concatenate([np.ravel(line.times) for line in lines])
    assert [gaps.mean(), gaps.std()] == pytest.approx([1250, 1250], rel=0.1)
    assert [times.mean(), times.std()] == pytest.approx([1000, 1000], rel=0.1)


def line_ends(line: w1.Tandem, slots: int) -> list[int]:
    """Return when each request leaves a line, by recursion over the requests and stages."""
    n = len(line.arrivals)
    begin, left = np.zeros((2, w1.STAGES + 1, n + 1), dtype=np.int64)
    for k in range(n):
        at = line.arrivals[k]
        for stage, times in enumerate(line.times):
            begin[stage, k] = max(at, left[stage, k - 1])
            room = begin[stage + 1, k - slots] if k >= slots and stage + 1 < w1.STAGES else 0
            at = left[stage, k] = max(begin[stage, k] + times[k], room)
    return left[w1.STAGES - 1, :n].tolist()


def test_w1_blocks() -> None:
    (line,) = w1.tandems(w1.model(1, 500))
    (ends,) = simpy_lean.w1([line])
    assert ends == line_ends(line, w1.SLOTS)
    assert ends != line_ends(line, 500)


def test_memory_counts_every_array() -> None:
    small, large = memory.of(w1.model(10, 1_000)), memory.of(w1.model(1_000, 1_000))
    assert 0 < large.per_tbu < small.per_tbu  # what belongs to the program is shared by more
    assert small.per_request == large.per_request == 24  # number, arrival, end
    assert small.per_worker > 0


def test_wafer() -> None:
    rows = list(wafer.benchmark(TINY))
    assert [row.case.split(",")[0] for row in rows] == ["static"] * 5 + ["octopus"] * 5
    found = {row.quantity: row for row in rows}
    assert found["om.simulate, two threads"].value > 0
    assert 50 < found["peak memory of the process"].value < 2_000
    assert found["bytes over links per request"].value > 0
    assert found["memory per TBU"].value > 100


def test_capacity() -> None:
    owners = mapping.explicit(
        w1.workflow(), System(1, 2, tbus=7), [[1, 1, 1, 1, 1, 1], [2, 1, 1, 1, 1, 1]], pipeline=[0, 1]
    )
    assert wafer.capacity(owners) == pytest.approx(2 / 1000, rel=1e-3)


def test_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = fingerprint.benchmark(TINY)
    assert (first.case, first.unit, first.at_most) == ("w1, N=3, 720 executions", "%", None)
    assert second.case.startswith("w2, N=3, ")
    full = fingerprint._row("w1", dataclasses.replace(TINY, long_requests=10**6), [1.06, 1.06, 9.0], [1.0, 1.0, 1.0], 6)
    assert (full.value, full.at_most, full.met) == (pytest.approx(6.0), 5.0, False)


def test_processes_that_do_other_work_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    same = {"cpu_seconds": 1.0, "executions": 7, "ends": "a", "fingerprint": "1"}
    other = same | {"cpu_seconds": 2.0, "fingerprint": "2"}
    monkeypatch.setattr(fingerprint, "_ask", lambda child: child)
    assert fingerprint.turns(same, other, 3) == ([1.0] * 3, [2.0] * 3, 7)
    for wrong in ({"executions": 8}, {"ends": "b"}, {"fingerprint": "1"}):
        with pytest.raises(AssertionError):
            fingerprint.turns(same, other | wrong, 3)


def test_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row(benchmark="toy", case="N=1", quantity="time", value=3.0, unit="s", best=2.5, at_most=2.0)
    monkeypatch.setattr(command, "BENCHMARKS", {"toy": lambda sizes: iter([row])})
    assert command.main(["toy"]) == 1
    assert "toy        N=1   time      3       2.5   s     <= 2, missed" in capsys.readouterr().out
    assert command.main(["--json"]) == 1
    shown = capsys.readouterr()
    assert shown.err.endswith("missed: toy, N=1, time: 3 s, meant to be <= 2, missed\n")
    printed = json.loads(shown.out)
    assert (printed["rows"][0]["met"], printed["rows"][0]["value"]) == (False, 3.0)
    assert printed["machine"]["numba"] == numba.__version__
    for fine in (dataclasses.replace(row, value=2.0), dataclasses.replace(row, at_most=None)):
        monkeypatch.setattr(command, "BENCHMARKS", {"toy": lambda sizes, fine=fine: iter([fine])})
        assert command.main([]) == 0
    assert "missed" not in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command.main(["tay"])
    assert "no benchmark 'tay'; there are: toy" in capsys.readouterr().err


@pytest.mark.parametrize("module", [rows, timing])
def test_examples(module: Any) -> None:
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0
