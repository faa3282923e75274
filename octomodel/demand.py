"""Expected visits and work of each task block, phase by phase, from the program alone.

Attributes are independent of each other, series of one length excepted: these are read at the same position.
Within a request all that depends on one attribute is averaged together, so a loop and a time that follow the
same attribute are treated as the correlated pair they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from octomodel.dist import Empirical, Law, Mixture
from octomodel.elements import Branch, Fork, Loop, Scaled, Select, Seq, Series, Task

if TYPE_CHECKING:
    from octomodel.workflow import Workflow

F64 = NDArray[np.float64]
Group = str | int


@dataclass(frozen=True)
class Expectation:
    """What one request of a phase (or of the phase average) means for each task block.

    Attributes
    ----------
    visits, demand : dict of str to float
        Mean executions, and mean cycles of all executions on one PEA at speed 1, per request, by task in
        program order.
    """

    visits: dict[str, float]
    demand: dict[str, float]


@dataclass(frozen=True)
class Factor:
    """A product of expectations: a number times a function of each group of attributes."""

    number: float
    by_group: dict[Group, F64]


def expect(workflow: Workflow, phase: str | None) -> Expectation:
    """Return the expectation of one phase, or weighted by the shares of the phases when ``phase`` is None."""
    if phase is not None or workflow.phases is None:
        return Walk(workflow, phase).result()
    plan = workflow.phases
    parts = [
        (share, Walk(workflow, name).result()) for name, share in zip(plan.names, plan.shares, strict=True)
    ]
    names = [task.name for task in workflow.tasks]
    return Expectation(
        {name: sum(share * part.visits[name] for share, part in parts) for name in names},
        {name: sum(share * part.demand[name] for share, part in parts) for name in names},
    )


def moments(workflow: Workflow, time: Scaled) -> tuple[float, float]:
    """Return mean and coefficient of variation of one time of ``workflow``, its attribute included."""
    factor = Walk(workflow, None).scale(Factor(1.0, {}), time)
    mean = factor.number
    # relative to the mean, whose square may be too small for a float or too large
    square = 1.0 + time.law.cv * time.law.cv
    if time.attribute is not None:
        group, values, weights = support(workflow, time.attribute)
        scale = np.maximum(time.base + time.slope * values, 0.0)
        mean *= float(weights @ factor.by_group[group])
        largest = float(scale.max())
        if largest > 0:
            square *= float(weights @ (scale / largest) ** 2) / float(weights @ (scale / largest)) ** 2
    return mean, math.sqrt(max(square - 1.0, 0.0)) if mean > 0 else 0.0


def support(workflow: Workflow, attribute: str) -> tuple[Group, F64, F64]:
    """Return the group of an attribute, values that represent its law, and their probabilities.

    Series and laws of finitely many values are represented exactly, other laws by the middles of 4096 bins, the last
    one refined, scaled to the exact mean.
    """
    law = workflow.attributes[attribute]
    if isinstance(law, Series):
        values = law.values
        return len(values), values, np.full(len(values), 1.0 / len(values))
    if law.discrete:
        return attribute, *atoms(law)
    values, weights = bins(law, 4096)
    if law.mean < math.inf:
        values = values * (law.mean / float(weights @ values))
    return attribute, values, weights


def inclusion(weights: F64, k: int) -> F64:
    """Return the probability that each branch is among ``k`` drawn one by one without replacement by weight.

    The order of such draws is that of independent exponential times with the weights as rates, so the
    probability is the integral, over the time of branch i, of the probability that fewer than k others are
    earlier; taken by the trapezoid rule in log time.
    """
    rates = np.asarray(weights, dtype=np.float64)
    active = rates > 0
    result = np.zeros(len(rates))
    rates = rates[active] / rates.sum()
    if k in (1, len(rates)):
        result[active] = rates if k == 1 else 1.0
        return result
    step = 0.05
    grid = np.exp(np.arange(math.log(1e-18), math.log(60.0 / rates.min()), step))
    chances = np.zeros(len(rates))
    for times in np.array_split(grid, max(1, len(grid) * len(rates) * k // 2**20)):
        chances += _fewer_than(rates, k, times) @ times
    result[active] = np.minimum(chances * (k / chances.sum()), 1.0)
    return result


def _fewer_than(rates: F64, k: int, times: F64) -> F64:
    """Return, for branch and time, its density then times the probability of fewer than k others before."""
    n = len(rates)
    late = np.exp(-np.outer(rates, times))
    before = np.zeros((n + 1, k, len(times)))
    before[0, 0] = 1.0
    for i in range(n):
        before[i + 1] = before[i] * late[i]
        before[i + 1, 1:] += before[i, :-1] * (1.0 - late[i])
    after = np.zeros((k, len(times)))
    after[0] = 1.0
    out = np.empty((n, len(times)))
    for i in range(n - 1, -1, -1):
        at_most = np.cumsum(after, axis=0)[::-1]
        out[i] = rates[i] * late[i] * (before[i] * at_most).sum(axis=0)
        shifted = after * late[i]
        shifted[1:] += after[:-1] * (1.0 - late[i])
        after = shifted
    return out


class Walk:
    """One traversal of the program of a workflow in one phase."""

    def __init__(self, workflow: Workflow, phase: str | None) -> None:
        self.workflow = workflow
        self.phase = phase
        self.visits: dict[str, float] = {}
        self.demand: dict[str, float] = {}
        self.supports: dict[str, tuple[Group, F64, F64]] = {}
        self.weights: dict[Group, F64] = {}

    def result(self) -> Expectation:
        """Return what the whole program expects."""
        self.body(self.workflow.program, Factor(1.0, {}))
        return Expectation(self.visits, self.demand)

    def body(self, body: Seq, factor: Factor) -> None:
        """Note visits and demand of the tasks of a body that is entered ``factor`` times per request."""
        visits = self.mean(factor)
        for item in body.items:
            if isinstance(item, Task):
                self.visits[item.name] = visits
                self.demand[item.name] = self.mean(self.scale(factor, self.value(item)))
            elif isinstance(item, Loop):
                self.body(item.body, self.turns(factor, item))
            elif isinstance(item, Fork):
                for inner in item.bodies:
                    self.body(inner, factor)
            else:
                values = self.value(item)
                if isinstance(item, Select):
                    values = item.items * inclusion(np.array(values), item.k)
                for inner, chance in zip(item.bodies, values, strict=True):
                    self.body(inner, Factor(factor.number * float(chance), factor.by_group))

    def value(self, element: Task | Branch | Loop | Select) -> Any:
        """Return the value of an element in the phase."""
        return element.value(self.phase)

    def scale(self, factor: Factor, amount: Scaled) -> Factor:
        """Return ``factor`` times an amount."""
        number = factor.number * amount.law.mean if amount.law.mean > 0 else 0.0
        if amount.attribute is None:
            return Factor(number * max(amount.base, 0.0), factor.by_group)
        group, values = self.attribute(amount.attribute)
        return self.times(number, factor, group, np.maximum(amount.base + amount.slope * values, 0.0))

    def turns(self, factor: Factor, loop: Loop) -> Factor:
        """Return ``factor`` times the expected number of turns of a loop."""
        amount = self.value(loop)
        if not isinstance(amount, Scaled):
            return Factor(factor.number / (1.0 - amount), factor.by_group)
        if amount.attribute is None:
            return Factor(factor.number * mean_turns(amount.law, amount.base), factor.by_group)
        group, values = self.attribute(amount.attribute)
        scale = np.maximum(amount.base + amount.slope * values, 0.0)
        return self.times(factor.number, factor, group, _mean_turns_by_scale(amount.law, scale))

    def attribute(self, name: str) -> tuple[Group, F64]:
        """Return the group of an attribute and the values that represent its law."""
        if name not in self.supports:
            self.supports[name] = support(self.workflow, name)
        group, values, self.weights[group] = self.supports[name]
        return group, values

    def times(self, number: float, factor: Factor, group: Group, values: F64) -> Factor:
        """Return ``number`` times the groups of ``factor``, one of them times ``values``."""
        before = factor.by_group.get(group, 1.0)
        return Factor(number, {**factor.by_group, group: before * values})

    def mean(self, factor: Factor) -> float:
        """Return the mean of a product over all attributes."""
        result = factor.number
        for group, values in factor.by_group.items():
            result *= float(self.weights[group] @ values)
        return result


def mean_turns(law: Law, scale: float) -> float:
    """Return the mean of the law times ``scale`` rounded up: the sum of the probabilities of more than n."""
    if law.discrete:
        values, weights = atoms(law)
        return float(weights @ np.maximum(np.ceil(values * scale), 0.0))
    if scale <= 0.0:
        return 0.0
    if law.mean * scale > 1e5:
        return law.mean * scale + 0.5
    total = 0.0
    block = 4096
    for first in range(0, 2**20, block):
        chances = law.sf(np.arange(first, first + block) / scale)
        total += float(chances.sum())
        if chances[-1] < 1e-15:
            return total
    last = 2**20 / scale
    return total + scale * float(law.tail_moment(1, last) - last * law.sf(last)) + 0.5 * float(law.sf(last))


def _mean_turns_by_scale(law: Law, scale: F64) -> F64:
    """Return the mean of the law times each scale rounded up."""
    values, weights = atoms(law) if law.discrete else bins(law, 128)
    blocks = np.array_split(scale, max(1, len(scale) * len(values) // 2**22))
    return np.concatenate([np.ceil(np.outer(block, values)) @ weights for block in blocks])


def atoms(law: Law) -> tuple[F64, F64]:
    """Return the values of a discrete law as the kernel holds them, and their probabilities."""
    if isinstance(law, Mixture):
        used = [(weight, *atoms(part)) for weight, part in zip(law.weights, law.laws, strict=True) if weight > 0]
        chances = np.concatenate([weight * chances for weight, _, chances in used])
        return np.concatenate([values for _, values, _ in used]), chances / sum(law.weights)
    values = np.array(law.samples if isinstance(law, Empirical) else [law.mean])
    return np.floor(values * 65536.0 + 0.5) / 65536.0, np.full(len(values), 1.0 / len(values))


def bins(law: Law, n: int) -> tuple[F64, F64]:
    """Return middles and probabilities of ``n`` equal bins, the last one split again down to 1e-9."""
    values, weights = [], []
    mass = 1.0
    while mass > 1e-9:
        last = mass / n <= 1e-9
        middles = (np.arange(n if last else n - 1) + 0.5) / n
        values.append(law.quantile(1.0 - mass + mass * middles))
        weights.append(np.full(len(middles), mass / n))
        mass /= n
    return np.concatenate(values), np.concatenate(weights)
