"""How much tasks vary: the spread of one execution's time, and of the executions per request.

The two are what a machine has to live with: times that differ from execution to execution, and frequencies that
differ from request to request and move with the phases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from octomodel.demand import F64, Factor, Walk, atoms, bins, inclusion, moments
from octomodel.dist import Law
from octomodel.elements import Branch, Fork, Loop, Scaled, Select, Seq, Task

if TYPE_CHECKING:
    from octomodel.workflow import Workflow

MOST_CELLS = 2**22


@dataclass(frozen=True)
class Spread:
    """Coefficients of variation of a task, or means of them weighted by work.

    Attributes
    ----------
    time_cv : float
        Of the time of an execution.
    frequency_cv : float
        Of the number of executions per request, over requests of all phases that are meant; 0 where each has as many.
    """

    time_cv: float
    frequency_cv: float


def spread(workflow: Workflow, phase: str | None = None) -> dict[str, Spread]:
    """Return the spread of each task.

    Parameters
    ----------
    workflow : Workflow
    phase : str, optional
        One phase; default: all of them, weighted by their lengths.

    Returns
    -------
    dict of str to Spread
        By task, in program order; from the program and its laws, without a draw. Both are 0 for a task without time or
        executions.

    Raises
    ------
    ModelError
        When the workflow has no such phase.

    Examples
    --------
    >>> from octomodel import Workflow, branch, dist, seq, task
    >>> used = branch({"hit": 0.5, "miss": 0.5}, hit=task("use", dist.Gamma(mean=100, cv=0.5)), miss=seq())
    >>> spread(Workflow("cache", used))
    {'use': Spread(time_cv=0.5, frequency_cv=1.0)}
    """
    workflow.visits(phase)  # refuses an unknown phase
    parts: list[tuple[float, str | None]] = [(1.0, phase)]
    if phase is None and workflow.phases is not None:
        parts = list(zip(workflow.phases.shares, workflow.phases.names, strict=True))
    walks = [(share, name, _Counts(workflow, name)) for share, name in parts]
    found = {}
    for task in workflow.tasks:
        visits = sum(share * walk.visits[task.name] for share, _, walk in walks)
        pairs = sum(share * walk.pairs[task.name] for share, _, walk in walks)
        time = square = 0.0
        for share, name, walk in walks:
            mean, cv = moments(workflow, task.value(name))
            time += share * walk.visits[task.name] * mean
            square += share * walk.visits[task.name] * mean**2 * (1.0 + cv**2)
        time_cv = _cv(time / visits, square / visits) if visits > 0 else 0.0
        found[task.name] = Spread(time_cv, _cv(visits, pairs + visits))
    return found


def overall(workflow: Workflow, phase: str | None = None) -> Spread:
    """Return the means of the spreads of all tasks, weighted by their demand; parameters as for ``spread``.

    Raises
    ------
    ModelError
        When the workflow has no such phase.

    Examples
    --------
    >>> from octomodel import Workflow, dist, task
    >>> overall(Workflow("pair", task("a", dist.Gamma(mean=300, cv=0.5)), task("b", 100)))
    Spread(time_cv=0.375, frequency_cv=0.0)
    """
    tasks, demand = spread(workflow, phase), workflow.demand(phase)
    total = sum(demand.values()) or 1.0
    return Spread(
        sum(demand[name] * tasks[name].time_cv for name in tasks) / total,
        sum(demand[name] * tasks[name].frequency_cv for name in tasks) / total,
    )


class _Counts(Walk):
    """Mean number of executions N of each task in a phase, and mean of N (N - 1).

    Where each of N entries holds X of what is inside, independently once the attributes are known, what is inside comes
    N X times in the mean and N (N - 1) becomes N (N - 1) X^2 + N X (X - 1): sums of products over the attributes.
    """

    def __init__(self, workflow: Workflow, phase: str | None) -> None:
        super().__init__(workflow, phase)
        self.pairs: dict[str, float] = {}
        self.count(workflow.program, Factor(1.0, {}), [])

    def count(self, body: Seq, once: Factor, twice: list[Factor]) -> None:
        for item in body.items:
            if isinstance(item, Task):
                self.visits[item.name] = self.mean(once)
                self.pairs[item.name] = sum(map(self.mean, twice))
            elif isinstance(item, Fork):
                for inner in item.bodies:
                    self.count(inner, once, twice)
            elif isinstance(item, Loop):
                self.count(item.body, *self.turned(item, once, twice))
            else:
                for inner, first, second in self.chosen(item):
                    pairs = [Factor(each.number * first**2, each.by_group) for each in twice]
                    if second:
                        pairs.append(Factor(once.number * second, once.by_group))
                    self.count(inner, Factor(once.number * first, once.by_group), pairs)

    def chosen(self, item: Branch | Select) -> list[tuple[Seq, float, float]]:
        """Return each body with the means of X and of X (X - 1)."""
        values = self.value(item)
        if isinstance(item, Branch):
            return [(inner, chance, 0.0) for inner, chance in zip(item.bodies, values, strict=True)]
        chances = inclusion(np.array(values), item.k).tolist()
        n = item.items
        return [(inner, n * p, n * (n - 1) * p * p) for inner, p in zip(item.bodies, chances, strict=True)]

    def turned(self, loop: Loop, once: Factor, twice: list[Factor]) -> tuple[Factor, list[Factor]]:
        amount = self.value(loop)
        if isinstance(amount, Scaled) and amount.attribute is not None:
            group, values = self.attribute(amount.attribute)
            first, second = turns(amount.law, np.maximum(amount.base + amount.slope * values, 0.0))
            pairs = [self.times(each.number, each, group, first**2) for each in twice]
            return self.times(once.number, once, group, first), [*pairs, self.times(once.number, once, group, second)]
        if isinstance(amount, Scaled):
            ones, twos = turns(amount.law, np.array([max(amount.base, 0.0)]))
            x, xx = float(ones[0]), float(twos[0])
        else:
            x, xx = 1.0 / (1.0 - amount), 2.0 * amount / (1.0 - amount) ** 2
        pairs = [Factor(each.number * x * x, each.by_group) for each in twice]
        return Factor(once.number * x, once.by_group), [*pairs, Factor(once.number * xx, once.by_group)]


def turns(law: Law, scale: F64) -> tuple[F64, F64]:
    """Return, for each scale, the means of X and X (X - 1), X being the law times the scale rounded up."""
    values, weights = atoms(law) if law.discrete else bins(law, 4096)
    parts = []
    for block in np.array_split(scale, max(1, len(scale) * len(values) // MOST_CELLS)):
        drawn = np.maximum(np.ceil(np.outer(block, values)), 0.0)
        parts.append((drawn @ weights, (drawn * (drawn - 1.0)) @ weights))
    return np.concatenate([first for first, _ in parts]), np.concatenate([second for _, second in parts])


def _cv(mean: float, square: float) -> float:
    """Return the coefficient of variation; what rounding leaves of a variance of 0 is 0."""
    if mean <= 0.0:
        return 0.0
    rest = square / mean**2 - 1.0
    return math.sqrt(rest) if rest > 1e-12 else 0.0
