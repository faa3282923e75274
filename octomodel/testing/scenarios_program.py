"""Workflows of the generated scenarios: every element, nested, with attributes, phases and empty branches."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from octomodel import dist, program
from octomodel.elements import Element
from octomodel.phases import PhasePlan, phases_by_request, phases_by_time
from octomodel.testing.scenarios_choice import Choice
from octomodel.workflow import Workflow

PHASES = ("calm", "busy", "late")
MOST_TASKS = 14
MOST_VISITS = 40.0
"""Mean executions of one request, so that a scenario has more than a few requests."""

ATTRIBUTES: dict[str, Any] = {
    "tokens": dist.Empirical([1.0, 2.0, 2.0, 7.0]),
    "size": dist.Uniform(1, 4),
    "given": [3.0, 1.0, 1.0, 6.0, 2.0],
}
# Few and always the same, so that their tables are made once in a process.
LAWS = (
    dist.Exponential(20),
    dist.Exponential(4),
    dist.Exponential(150),
    dist.Gamma(20, 2),
    dist.Gamma(30, 0.5),
    dist.LogNormal(25, 1.0),
    dist.Weibull(20, 0.5),
    dist.Uniform(1, 9),
    dist.Uniform(0, 60),
    dist.Triangular(1, 4, 30),
    dist.Erlang(3, 20),
    dist.Pareto(5, 3.0),
    dist.BoundedPareto(1.5, 4, 500),
    dist.HyperExponential((0.9, 0.1), (4, 80)),
    dist.PhaseType((1, 0), ((-0.1, 0.1), (0, -0.1))),
    dist.Mixture((0.5, 0.5), (dist.Deterministic(3), dist.Exponential(9))),
)


def make_workflow(choose: Choice, theme: str, phased: str) -> Workflow:
    """Return a workflow.

    Parameters
    ----------
    choose : Choice
        Makes all choices.
    theme : {"any", "loop", "fork", "select"}
        Element that it certainly holds.
    phased : {"", "request", "time"}
        What its phases follow, "" for a workflow without.
    """
    names = PHASES[: choose.integer(2, 3)] if phased else ()
    for depth in (choose.weighted({1: 1, 2: 3, 3: 2}), 2, 1, 1, 1, 0):
        maker = _Maker(choose, names)
        body = maker.whole(theme if depth else "any", depth)
        marks = [f"t{i}" for i in range(maker.tasks) if choose.chance(0.15)]
        workflow = Workflow(
            "generated",
            body,
            attributes=ATTRIBUTES,
            phases=_plan(choose, phased, names),
            in_bytes=choose.integer(0, 9),
            milestones=choose.shuffled(marks),
            deadline_cycles=choose.integer(1, 2_000) if choose.chance(0.3) else None,
        )
        # A loop in a loop in a loop may make one request as long as a scenario; then a flatter one is drawn.
        if len(workflow.tasks) <= MOST_TASKS and sum(workflow.visits().values()) <= MOST_VISITS:
            break
    return workflow


def _plan(choose: Choice, phased: str, names: tuple[str, ...]) -> PhasePlan | None:
    if not phased:
        return None
    order = choose.shuffled(names) + ([choose.pick(names)] if choose.chance(0.3) else [])
    if phased == "request":
        return phases_by_request([(name, choose.integer(2, 25)) for name in order])
    return phases_by_time([(name, choose.integer(20, 900)) for name in order])


class _Maker:
    """Draws elements, giving every task a name of its own."""

    def __init__(self, choose: Choice, phases: tuple[str, ...]) -> None:
        self.choose = choose
        self.phases = phases
        self.tasks = 0
        self.zeros = choose.chance(0.2)  # times of no length among the others
        self.ties = choose.chance(0.4)  # mostly short whole times, so that much happens at one cycle
        self.shared_bytes = choose.integer(0, 64)

    def whole(self, theme: str, depth: int) -> Element:
        """Draw a program; ``theme`` names an element it certainly holds."""
        makers = {
            "loop": self.choose.pick([self.again, self.count]),
            "fork": self.fork,
            "select": self.select,
        }
        items = [self.element(depth) for _ in range(self.choose.integer(0, 2))]
        if theme in makers:
            items.append(makers[theme](depth - 1))
        if not items or self.choose.chance(0.6):
            items.append(self.task())
        items = self.choose.shuffled(items)
        if self.tasks == 0:
            items.append(self.task())
        return program.seq(*items)

    def body(self, depth: int, *, task: bool) -> Element:
        """Draw a body; with ``task``, one that holds a task on every path."""
        items = [self.element(depth) for _ in range(self.choose.weighted({0: 2, 1: 4, 2: 1}))]
        if task or self.choose.chance(0.4):
            items.insert(self.choose.integer(0, len(items)), self.task())
        return program.seq(*items)

    def element(self, depth: int) -> Element:
        if depth <= 0:
            return self.task()
        makers: dict[Callable[[int], Element], float] = {
            lambda _: self.task(): 3,
            self.branch: 2,
            self.again: 1.5,
            self.count: 1.5,
            self.fork: 2,
            self.select: 1.5,
        }
        return self.choose.weighted(makers)(depth - 1)

    def task(self) -> Element:
        choose = self.choose
        name = f"t{self.tasks}"
        self.tasks += 1
        shared = choose.chance(0.2)
        attribute = choose.pick(list(ATTRIBUTES)) if choose.chance(0.2) else ""
        return program.task(
            name,
            self.by_phase(lambda: self.time(attribute)),
            out_bytes=choose.weighted({0: 2, choose.integer(1, 24): 5}),
            config_bytes=self.shared_bytes if shared else choose.integer(0, 64),
            config="shared" if shared else None,
            kind=choose.pick(("ai", "general")),
            parallel=choose.pick((1.0, 1.0, 0.5, 0.0)),
        )

    def time(self, attribute: str) -> Any:
        choose = self.choose
        if attribute:
            slope, base = choose.pick(((1, 0), (2.5, 1), (0.5, 4), (-3, 12)))
            scale = program.per(attribute, slope, base=base)
            return (
                scale if choose.chance(0.4) else scale * choose.pick((*LAWS[:2], dist.Empirical([0.5, 1, 3])))
            )
        if self.zeros and choose.chance(0.3):
            return 0
        if choose.chance(0.7 if self.ties else 0.25):
            return choose.integer(1, 6)
        if choose.chance(0.4):
            return dist.Empirical([choose.integer(0, 40) / 2 for _ in range(choose.integer(2, 6))] + [9.0])
        return choose.pick(LAWS)

    def by_phase(self, value: Callable[[], Any]) -> Any:
        if self.phases and self.choose.chance(0.5):
            return program.by_phase(value(), **{self.choose.pick(self.phases): value()})
        return value()

    def shares(self, names: list[str], least: int) -> dict[str, float]:
        """Draw weights from 0 to 4, at least ``least`` of them above 0."""
        for attempt in count():
            low = 0 if attempt < 3 else 1
            weights = [float(self.choose.integer(low, 4)) for _ in names]
            if sum(weight > 0 for weight in weights) >= least:
                break
        return dict(zip(names, weights, strict=True))

    def branch(self, depth: int) -> Element:
        names = [f"c{i}" for i in range(self.choose.integer(2, 3))]

        def values() -> dict[str, float]:
            shares = self.shares(names, 1)
            return {name: share / sum(shares.values()) for name, share in shares.items()}

        bodies = {name: self.body(depth, task=False) for name in names}
        return program.branch(self.by_phase(values), **bodies)  # type: ignore[arg-type]

    def again(self, depth: int) -> Element:
        again = self.by_phase(lambda: self.choose.pick((0.0, 0.3, 0.5, 0.7)))
        return program.loop(self.body(depth, task=True), again=again)

    def count(self, depth: int) -> Element:
        attribute = self.choose.pick(list(ATTRIBUTES)) if self.choose.chance(0.3) else ""

        def value() -> Any:
            if attribute:
                return program.per(
                    attribute, self.choose.pick((0.3, 0.6, -1.0)), base=self.choose.pick((0, 2))
                )
            return self.choose.pick((0, 2, 3, dist.Empirical([0.0, 1.0, 3.5]), dist.Uniform(0, 3)))

        return program.loop(self.body(depth, task=True), count=self.by_phase(value))

    def fork(self, depth: int) -> Element:
        bodies = [self.body(depth, task=False) for _ in range(self.choose.integer(2, 3))]
        if self.choose.chance(0.7):
            bodies[0] = program.seq(self.task(), bodies[0])
        return program.fork(*bodies)

    def select(self, depth: int) -> Element:
        names = [f"c{i}" for i in range(self.choose.integer(2, 4))]
        k = self.choose.integer(1, len(names))
        items = self.choose.weighted({1: 3, 2: 1, 3: 1})
        bodies = {name: self.body(min(depth, 1), task=items > 1) for name in names}
        return program.select(k, self.by_phase(lambda: self.shares(names, k)), items=items, **bodies)  # type: ignore[arg-type]
