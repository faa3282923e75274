"""No policy knows what has been drawn and not yet been seen (design rule 11): how long an execution under way will last.

The kernel draws the work of an execution when its token reaches the TASK. Here, at some cycle, all executions not over
are made to last longer: whatever was decided until then, by a dispatch, a route or a report, must be the same.
Lines of kernels are changed, so these tests need the kernels as plain Python.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from octomodel.kernels import cluster, control, execute, walk
from octomodel.kernels._jit import JIT_ENABLED
from octomodel.kernels.model import Model
from octomodel.kernels.rng import DOMAIN_TIME, request_key
from octomodel.outcome import Outcome
from octomodel.run import run
from octomodel.testing import laws_models as models
from octomodel.testing import laws_pairs as pairs
from octomodel.testing.scenarios import scenario

pytestmark = [
    pytest.mark.nojit,
    pytest.mark.skipif(JIT_ENABLED, reason="changes kernels, so only with NUMBA_DISABLE_JIT=1"),
]

Key = tuple[int, int, int]


DECIDING = {"own": 10, "octopus": 10, "reactive": 8, "reactive_any": 5, "stealing": 4, "jsq": 2}
"""How many runs there are at least under each policy."""

DONE = {
    "own": {"lendings": 50, "asks": 100, "owner_changes": 100},
    "octopus": {"lendings": 80, "owner_changes": 15, "background_loads": 5, "moves": 5},
    "reactive": {"owner_changes": 6, "moves": 5},
    "reactive_any": {"lendings": 10, "owner_changes": 4},
    "stealing": {"lendings": 5, "asks": 60},
}
"""What each does in them at least; a choice of ``jsq`` is not counted."""

# in the last of these the bundled policies do much
SEEDS = (*range(600_000, 600_060), 310_420, 310_366, 310_164, 310_251, 310_123, 310_360, 70_366, 71_846)


def runs_that_decide() -> list[tuple[str, Model]]:
    """Return runs in which a policy has something to decide, with its name."""
    made = [(one.policy.name, one.model) for one in (scenario(seed, executions=80) for seed in SEEDS)]
    return [(name, model) for name, model in made if model.rules.couples or model.rules.route is not None]


def models_that_decide() -> list[Model]:
    return [model for _, model in runs_that_decide()]


def seen_by(model: Model, horizon: int, patch: pytest.MonkeyPatch) -> tuple[Outcome, set[Key]]:
    """Run to a horizon; return too the executions that have ended, by key of the request, node and visit."""
    seen: set[Key] = set()
    recorded = execute.record

    def record(w: Any, kind: int, request: int, node: int, visit: int, *rest: int) -> None:
        seen.add((request_key(model.load.seed_key, request), node, visit))
        recorded(w, kind, request, node, visit, *rest)

    with patch.context() as changed:
        changed.setattr(execute, "record", record)
        return run(models.until(model, horizon), threads=1), seen


def with_others_longer(model: Model, horizon: int, seen: set[Key], patch: pytest.MonkeyPatch) -> Outcome:
    """Run to a horizon with every execution that has not ended before it longer than it was."""
    drawn = walk.work

    def work(w: Any, token: int, domain: int, visit: int) -> float:
        assert domain == DOMAIN_TIME
        cycles = float(drawn(w, token, domain, visit))
        known = (w.request[w.token[token].request].key, w.token[token].node, visit) in seen
        return cycles if known or cycles <= 0 else cycles + 1000

    with patch.context() as changed:
        changed.setattr(walk, "work", work)
        return run(models.until(model, horizon), threads=1)


def first_difference(model: Model, patch: pytest.MonkeyPatch) -> tuple[list[str], int]:
    """Compare at some cycles; return what differs and how many executions were under way."""
    elapsed = run(model, threads=1).elapsed
    under_way = 0
    for horizon in np.linspace(1, elapsed, 6, dtype=int)[1:-1].tolist():
        now, seen = seen_by(model, horizon, patch)
        found = pairs.identical(now, with_others_longer(model, horizon, seen, patch))
        under_way += len(seen) > 0
        if found:
            return found, under_way
    return [], under_way


def test_no_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = runs_that_decide()
    under_way, runs = 0, Counter(name for name, _ in cases)
    for name, model in cases:
        found, running = first_difference(model, monkeypatch)
        assert found == [], name
        under_way += running
    assert under_way > 80
    assert all(runs[name] >= least for name, least in DECIDING.items()), runs


def test_policies_do_much_in_these_runs() -> None:
    """What is not done was not tried."""
    done = {name: Counter[str]() for name in DECIDING}
    for name, model in runs_that_decide():
        counts = run(model, threads=1).cluster
        done[name].update({counter: int(values.sum()) for counter, values in counts.items()})
    assert all(done[name][counter] >= least for name, counters in DONE.items() for counter, least in counters.items()), done


def test_another_policy_that_knows_no_more_is_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "present", lambda w, station: int(w.station[station].used) % 3)
    monkeypatch.setattr(cluster, "call", lambda w, where, c, x: -2 if w.station[c * w.ctl[0].n_task].fresh_len % 2 else -1)
    assert [first_difference(model, monkeypatch)[0] for model in models_that_decide()[:10]] == [[]] * 10


@pytest.fixture
def last_end(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return, as only item, the end of the execution that began last: drawn, not yet seen."""
    ends = [0]
    scheduled = execute.schedule

    def schedule(w: Any, c: int, number: int, t: int) -> None:
        ends[0] = t
        scheduled(w, c, number, t)

    monkeypatch.setattr(execute, "schedule", schedule)
    return ends


def noticed(models: list[Model]) -> int:
    with pytest.MonkeyPatch.context() as patch:
        return sum(bool(first_difference(model, patch)[0]) for model in models)


def test_a_report_that_looks_ahead_is_noticed(last_end: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy whose reports count differently before even ends."""
    monkeypatch.setattr(control, "present", lambda w, station: last_end[0] % 3)
    made = (scenario(seed, executions=80) for seed in range(600_000, 600_240))
    assert noticed([one.model for one in made if one.policy.route is not None]) > 1


def test_a_dispatch_that_looks_ahead_is_noticed(last_end: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that lends only when the execution that began last will end at an even cycle."""
    called = cluster.call
    monkeypatch.setattr(cluster, "call", lambda w, where, c, x: -1 if last_end[0] % 2 else called(w, where, c, x))
    assert noticed(models_that_decide()) > 1
