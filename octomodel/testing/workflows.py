"""Hypothesis strategies for workflows: every element, nested, with attributes, phases and empty branches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from octomodel import dist, program
from octomodel.elements import Element
from octomodel.phases import phases_by_request
from octomodel.workflow import Workflow

ATTRIBUTES = {"tokens": dist.Empirical([1.0, 2.0, 7.0]), "size": dist.Uniform(1, 4)}
PHASES = ("calm", "busy")


def workflows(max_depth: int = 3) -> st.SearchStrategy[Workflow]:
    """Return a strategy for small workflows of all elements.

    Parameters
    ----------
    max_depth : int
        How deep elements may nest.

    Returns
    -------
    SearchStrategy
        Of ``Workflow``; tasks are named t0, t1 ... in the order in which they were drawn.
    """
    return _workflows(max_depth)


@st.composite
def _workflows(draw: Callable[[st.SearchStrategy[Any]], Any], max_depth: int) -> Workflow:
    phased = draw(st.booleans())
    maker = _Maker(draw, phased)
    body = maker.body(max_depth, task=True)
    plan = None
    if phased:
        lengths = st.integers(1, 5)
        plan = phases_by_request([(phase, draw(lengths)) for phase in PHASES])
    marks = draw(st.lists(st.sampled_from([f"t{i}" for i in range(maker.n_task)]), unique=True, max_size=2))
    sizes = st.integers(0, 100)
    return Workflow("drawn", body, attributes=ATTRIBUTES, phases=plan, in_bytes=draw(sizes), milestones=marks)


class _Maker:
    """Draws elements, giving every task a name of its own."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any], phased: bool) -> None:
        self.draw = draw
        self.phased = phased
        self.n_task = 0

    def body(self, depth: int, *, task: bool) -> Element:
        """Draw a body; with ``task``, one that holds a task on every path."""
        items = [self.element(depth) for _ in range(self.draw(st.integers(0, 2)))]
        if task:
            items.insert(self.draw(st.integers(0, len(items))), self.task())
        return program.seq(*items)

    def element(self, depth: int) -> Element:
        if depth == 0:
            return self.task()
        kinds = (self.task, self.branch, self.again, self.count, self.fork, self.select)
        kind = self.draw(st.sampled_from(kinds))
        made: Element = kind() if kind == self.task else kind(depth - 1)
        return made

    def task(self, _: int = 0) -> Element:
        name = f"t{self.n_task}"
        self.n_task += 1
        config = self.draw(st.sampled_from([None, "shared"]))
        return program.task(
            name,
            self.by_phase(self.time),
            out_bytes=self.draw(st.integers(0, 200)),
            config_bytes=7,
            config=config,
            kind=self.draw(st.sampled_from(["ai", "general"])),
            parallel=self.draw(st.sampled_from([0.0, 0.5, 1.0])),
        )

    def time(self) -> Any:
        number = st.integers(0, 50)
        laws = st.sampled_from([dist.Empirical([0.0, 3.0, 40.0]), dist.Uniform(1, 9), dist.Exponential(20)])
        scaled = st.builds(
            lambda slope, law: program.per("tokens", slope, base=1) * law, st.integers(0, 5), laws
        )
        return self.draw(st.one_of(number, laws, scaled))

    def by_phase(self, value: Callable[[], Any]) -> Any:
        if self.phased and self.draw(st.booleans()):
            return program.by_phase(value(), **{self.draw(st.sampled_from(PHASES)): value()})
        return value()

    def shares(self, names: list[str], least: int) -> dict[str, float]:
        """Draw numbers >= 0, at least ``least`` of them above 0."""
        values = st.lists(st.integers(0, 4), min_size=len(names), max_size=len(names))
        weights = self.draw(values.filter(lambda w: sum(x > 0 for x in w) >= least))
        return dict(zip(names, map(float, weights), strict=True))

    def branch(self, depth: int) -> Element:
        names = [f"c{i}" for i in range(self.draw(st.integers(2, 3)))]

        def values() -> dict[str, float]:
            shares = self.shares(names, 1)
            return {name: share / sum(shares.values()) for name, share in shares.items()}

        probabilities = self.by_phase(values)
        return program.branch(probabilities, **{name: self.body(depth, task=False) for name in names})  # type: ignore[arg-type]

    def again(self, depth: int) -> Element:
        again = self.by_phase(lambda: self.draw(st.sampled_from([0.0, 0.25, 0.6])))
        return program.loop(self.body(depth, task=True), again=again)

    def count(self, depth: int) -> Element:
        options = (0, 2, dist.Empirical([0.0, 1.0, 3.5]), program.per("tokens", 0.5), dist.Uniform(0, 3))
        count = self.by_phase(lambda: self.draw(st.sampled_from(options)))
        return program.loop(self.body(depth, task=True), count=count)

    def fork(self, depth: int) -> Element:
        return program.fork(*(self.body(depth, task=False) for _ in range(self.draw(st.integers(1, 3)))))

    def select(self, depth: int) -> Element:
        names = [f"c{i}" for i in range(self.draw(st.integers(1, 4)))]
        k = self.draw(st.integers(1, len(names)))
        items = self.draw(st.integers(1, 3))
        weights = self.by_phase(lambda: self.shares(names, k))
        bodies = {name: self.body(depth, task=items > 1) for name in names}
        return program.select(k, weights, items=items, **bodies)  # type: ignore[arg-type]


__all__ = ["ATTRIBUTES", "PHASES", "workflows"]
