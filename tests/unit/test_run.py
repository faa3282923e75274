"""Running a model: pools that grow, limits that stop a run with an error, threads and chunks that change nothing."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import octomodel as om
from octomodel import mapping, run
from octomodel.errors import ModelError, RunError
from octomodel.kernels import _jit, control
from octomodel.kernels.codes import NEVER
from octomodel.kernels.model import Model
from octomodel.lower import lower
from octomodel.testing import run_reference

pytestmark = pytest.mark.nojit


def lowered(workflow: om.Workflow, system: om.System, load: Any, **options: Any) -> Model:
    return lower(workflow, system, load, mapping.make(workflow, system), **options).model


def chain(times: list[float], **options: Any) -> om.Workflow:
    return om.Workflow("chain", *(om.task(f"t{i}", time) for i, time in enumerate(times)), **options)


def test_requests_beyond_the_first_pool_are_held_when_the_window_is_unlimited() -> None:
    model = lowered(chain([10.0]), om.System(rows=1, cols=1, tbus=1), om.trace([0] * 700, in_flight=None))
    outcome = run.run(model, threads=1)
    assert outcome.elapsed == 7000
    assert sorted(outcome.request_end) == [10 * (i + 1) for i in range(700)]
    assert outcome.pipeline["source_wait"].tolist() == [0]


def test_a_load_beyond_the_memory_limit_is_stopped() -> None:
    model = lowered(chain([10.0]), om.System(rows=1, cols=1, tbus=1), om.trace([0] * 2000, in_flight=None))
    with pytest.raises(RunError, match="give the load an in_flight"):
        run.run(model, threads=1, memory_limit_bytes=200_000)


def test_reports_in_flight_grow_with_the_latency_of_the_links() -> None:
    system = om.System(rows=1, cols=2, tbus=2, epoch_cycles=10, link_latency_cycles=5000)
    # the demand of the first TB spreads its owners over both clusters: two candidates, so reports are sent
    workflow = chain([100.0, 10.0])
    placement = mapping.make(workflow, system, clusters_per_pipeline=2)
    model = lower(workflow, system, om.closed(requests=50, in_flight=4), placement).model
    assert len(model.machine.pipeline_home) == 1
    outcome = run.run(model, threads=1)
    assert outcome.status == "done"
    assert outcome.link["messages"].sum() > 2 * 500


def test_a_run_that_passes_the_last_cycle_stops() -> None:
    model = lowered(chain([2.0**45] * 9), om.System(rows=1, cols=1, tbus=9), om.closed(requests=1, in_flight=1))
    with pytest.raises(RunError, match="2\\*\\*48"):
        run.run(model, threads=1)


@pytest.mark.parametrize("epochs", [0, 1, 2**20])
def test_a_machine_that_cannot_move_is_reported_with_its_state(epochs: int) -> None:
    workflow = om.Workflow("w", om.task("a", 10), om.branch({"x": 0.5, "y": 0.5}, x=om.task("b", 10), y=om.seq()))
    system = om.System(rows=1, cols=1, tbus=2, decision_cycles=5, epoch_cycles=9)
    model = lowered(workflow, system, om.closed(requests=3, in_flight=2), epochs=epochs)
    broken = model._replace(machine=model.machine._replace(cluster_cbus=model.machine.cluster_cbus * 0))
    with pytest.raises(RunError, match="nothing can move in group 0\ncluster 0"):
        run.run(broken, threads=1)


def test_a_machine_that_only_reports_is_reported_with_its_state() -> None:
    """Three reports are always on their way, and no request can move: no CBU ever decides (rule 8.5)."""
    workflow = om.Workflow("w", om.task("a", 10), om.branch({"x": 0.5, "y": 0.5}, x=om.task("b", 10), y=om.seq()))
    system = om.System(rows=1, cols=2, tbus=2, decision_cycles=5, epoch_cycles=10, link_latency_cycles=25)
    placed = mapping.explicit(workflow, system, [[1, 1], [1, 1]], pipeline=[0, 0])
    model = lower(workflow, system, om.closed(requests=3, in_flight=2), placed, horizon=1000).model
    broken = model._replace(machine=model.machine._replace(cluster_cbus=model.machine.cluster_cbus * 0))
    with pytest.raises(RunError, match="3 requests in flight and nothing can move in group 0\ncluster 0"):
        run.run(broken, threads=1)
    assert run_reference(broken).status == "stuck"


@pytest.mark.skipif(_jit.JIT_ENABLED, reason="compiled, the limit of visits cannot be lowered")
def test_a_loop_that_visits_too_often_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "VISIT_LIMIT", 10)
    workflow = om.Workflow("w", om.loop(om.task("a", 10), count=20))
    model = lowered(workflow, om.System(rows=1, cols=1, tbus=1), om.closed(requests=1, in_flight=1))
    with pytest.raises(RunError, match="loop that never ends"):
        run.run(model, threads=1)


@pytest.mark.parametrize(
    ("epochs", "policy", "hook"),
    [(0, "static", NEVER), (4, "static", NEVER), (5, "static", 50), (0, "stealing", 50), (4, "stealing", 50)],
)
def test_no_hook_is_planned_that_nobody_needs(epochs: int, policy: str, hook: int) -> None:
    system = om.System(rows=1, cols=1, tbus=1, epoch_cycles=10)
    load = om.closed(requests=20, in_flight=2)
    model = lowered(chain([7.0]), system, load, horizon=45, epochs=epochs, policy=policy)
    state = run._Run(model, 1, 2**30, run.CHUNK)
    state.work()
    assert state.fields["cluster"]["hook"].tolist() == [hook]
    assert state.fields["sample"]["backlog"].tolist() == [1] * min(epochs, 4) + [-1] * (epochs - 4)


def test_threads_and_chunks_change_nothing() -> None:
    workflow = om.Workflow(
        "w", om.task("a", om.dist.Exponential(30)), om.loop(om.task("b", om.dist.Exponential(20)), again=0.3)
    )
    system = om.System(rows=2, cols=3, tbus=2)
    model = lowered(workflow, system, om.closed(requests=60, in_flight=3), seed=5)
    prints = {
        run.run(model, threads=n, chunk=chunk).fingerprint
        for n, chunk in [(1, 10**6), (1, 1), (1, 7), (2, 10), (4, 1000)]
    }
    assert len(prints) == 1


def test_progress_ends_with_all_requests() -> None:
    seen: list[tuple[int, int]] = []
    model = lowered(chain([10.0]), om.System(rows=1, cols=1, tbus=1), om.closed(requests=20, in_flight=1))
    run.run(model, threads=1, progress=lambda ended, total: seen.append((ended, total)))
    assert seen[-1] == (20, 20)


def test_a_failed_worker_stops_the_others() -> None:
    before = threading.active_count()
    workflow = chain([2.0**45] * 9)
    model = lowered(workflow, om.System(rows=1, cols=4, tbus=9), om.closed(requests=4, in_flight=1))
    with pytest.raises(RunError):
        run.run(model, threads=2)
    assert threading.active_count() == before


def test_another_thread_can_cancel_a_run() -> None:
    model = lowered(chain([10.0]), om.System(rows=1, cols=1, tbus=1), om.closed(requests=50, in_flight=1))
    event = threading.Event()
    with run.cancelled_by(event):
        assert run.run(model, threads=1, chunk=1).status == "done"
        event.set()
        with pytest.raises(RunError, match="cancelled"):
            run.run(model, threads=1, chunk=1)
    assert run.run(model, threads=1).status == "done"


@pytest.mark.parametrize("text", ["0", "two", "-1", ""])
def test_a_bad_number_of_threads_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTOMODEL_THREADS", text)
    with pytest.raises(ModelError, match="OCTOMODEL_THREADS"):
        run.threads_default()
