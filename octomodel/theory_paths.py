"""The time of a request through its program, by two moments, given what it waits at each task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from octomodel.calibration.queueing import independent_maximum
from octomodel.demand import atoms, bins, inclusion
from octomodel.dist import Law
from octomodel.elements import Branch, Fork, Item, Loop, Scaled, Select, Seq, Series, Task, walk
from octomodel.spread import turns
from octomodel.workflow import Workflow

F64 = NDArray[np.float64]
Moments = tuple[F64, F64]
POINTS = 64
"""Bins of the law of an attribute; the last one is split again."""
LATTICE = 512
"""Points that stand for several attributes at once."""
NORMAL = 0.1
"""Squared coefficient of variation up to which the bodies of a fork are taken as normal."""
NODES = 48
"""Of the integral over the longest of the others."""


@dataclass(frozen=True, eq=False)
class Stay:
    """What a token meets in one configuration; of a task by its number, [..., tb]; else [...].

    Attributes
    ----------
    speed : float64[..., tb]
        How much faster than one PEA at speed 1 a task runs.
    wait, wait_var : float64[..., tb]
        Before an execution: mean, and variance.
    to_task : float64[tb]
        Transfer to the task.
    to_join : dict of int to float
        Transfer to the join of a fork or select, by number of its node.
    decision : float64[...]
        One decision, with what it waits.
    """

    speed: F64
    wait: F64
    wait_var: F64
    to_task: F64
    to_join: dict[int, float]
    decision: F64


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Bodies of a select: the probability that each is drawn at all, and how often then, mean and variance."""

    chances: F64
    times: F64
    times_var: F64

    @classmethod
    def of(cls, item: Select, phase: str | None) -> _Drawn:
        each = inclusion(np.array(item.value(phase)), item.k)
        chances = 1.0 - (1.0 - each) ** item.items
        some = np.where(chances > 0.0, chances, 1.0)
        times = np.where(chances > 0.0, item.items * each / some, 1.0)
        square = np.where(chances > 0.0, item.items * each * (1.0 + (item.items - 1.0) * each) / some, 1.0)
        return cls(chances, times, np.maximum(square - times**2, 0.0))


class Paths:
    """The program of one phase, with all that does not depend on waits worked out beforehand.

    Parameters
    ----------
    workflow : Workflow
    phase : str or None
    """

    def __init__(self, workflow: Workflow, phase: str | None) -> None:
        self.program, self.phase = workflow.program, phase
        self.number = {task.name: i for i, task in enumerate(workflow.tasks)}
        self.weights, self.values = _points(workflow)
        self.joins = {id(node.element): node.join for node in workflow.graph().nodes if node.join >= 0}
        self.forks = bool(self.joins)
        self.times: dict[str, Moments] = {}
        self.turns: dict[str, Moments] = {}
        self.drawn: dict[str, _Drawn] = {}
        for item in walk(self.program):
            if isinstance(item, Task):
                amount = item.value(phase)
                mean = amount.law.mean * self._scale(amount)
                self.times[item.name] = mean, (amount.law.cv * mean) ** 2
            elif isinstance(item, Loop):
                self.turns[item.name] = self._turns(item)
            elif isinstance(item, Select):
                self.drawn[item.name] = _Drawn.of(item, phase)

    def through(self, stay: Stay, *, side_by_side: bool = True) -> Moments:
        """Return mean and variance of the time through the program, float64[...].

        Parameters
        ----------
        stay : Stay
        side_by_side : bool
            False: as if the bodies of a fork came one after the other.

        Notes
        -----
        Waits are taken as independent of each other and of all else. The longest of the bodies of a fork is that of independent
        gamma laws; of bodies that vary little that of normal laws: Clark, "The greatest of a finite set of random variables",
        Operations Research 9 (1961), one body after the other. Of a select: the largest of as many normal values, by the scores
        of Blom, Statistical Estimates and Transformed Beta-Variables (1958).
        """
        # the last axis holds the points of the attributes
        at = replace(
            stay,
            speed=stay.speed[..., None],
            wait=stay.wait[..., None],
            wait_var=stay.wait_var[..., None],
            decision=stay.decision[..., None],
        )
        mean, var = self._body(self.program, at, side_by_side)
        total = mean @ self.weights
        return total, np.asarray(np.maximum((var + mean**2) @ self.weights - total**2, 0.0))

    def _body(self, body: Seq, stay: Stay, beside: bool) -> Moments:
        mean = var = np.zeros(stay.decision.shape[:-1] + self.weights.shape)
        for item in body.items:
            more, wider = self._item(item, stay, beside)
            mean, var = mean + more, var + wider
        return mean, var

    def _item(self, item: Item, stay: Stay, beside: bool) -> Moments:
        if isinstance(item, Task):
            tb = self.number[item.name]
            mean, var = self.times[item.name]
            speed = stay.speed[..., tb, :]
            return mean / speed + stay.wait[..., tb, :] + stay.to_task[tb], var / speed**2 + stay.wait_var[..., tb, :]
        if isinstance(item, Loop):
            mean, var = self._body(item.body, stay, beside)
            number, spread = self.turns[item.name]
            first = stay.decision if item.count is not None else 0.0
            turn = mean + stay.decision
            return first + number * turn, number * var + spread * turn**2
        if isinstance(item, Branch):
            bodies = [self._body(inner, stay, beside) for inner in item.bodies]
            mean, var = _mixture(bodies, np.array(item.value(self.phase)))
            return mean + stay.decision, var
        join = stay.to_join.get(self.joins[id(item)], 0.0)
        bodies = [self._body(inner, stay, beside) for inner in item.bodies]
        if isinstance(item, Fork):
            bodies = [(mean + join, var) for mean, var in bodies]
            return _largest(bodies) if beside else _sum(bodies)
        return self._select(item, bodies, stay, join, beside)

    def _select(self, item: Select, bodies: list[Moments], stay: Stay, join: float, beside: bool) -> Moments:
        drawn = self.drawn[item.name]
        again = stay.decision if item.items > 1 else 0.0
        # a body drawn by several items is run through as often
        run = [
            (n * (mean + again) + join, n * var + spread * (mean + again) ** 2)
            for (mean, var), n, spread in zip(bodies, drawn.times.tolist(), drawn.times_var.tolist(), strict=True)
        ]
        number = float(drawn.chances.sum())
        mean, var = _mixture(run, drawn.chances / number)
        if not beside:
            return stay.decision + number * mean, number * var
        score = float(ndtri((number - 0.375) / (number + 0.25))) if number > 1.0 else 0.0
        return stay.decision + mean + score * np.sqrt(var), var / max(number, 1.0)

    def _scale(self, amount: Scaled) -> F64:
        if amount.attribute is None:
            return np.full(1, max(amount.base, 0.0))
        return np.maximum(amount.base + amount.slope * self.values[amount.attribute], 0.0)

    def _turns(self, loop: Loop) -> Moments:
        amount = loop.value(self.phase)
        if isinstance(amount, Scaled):
            first, second = turns(amount.law, self._scale(amount))
            return first, np.maximum(second + first - first**2, 0.0)
        return np.full(1, 1.0 / (1.0 - amount)), np.full(1, amount / (1.0 - amount) ** 2)


@lru_cache(maxsize=256)
def paths(workflow: Workflow, phase: str | None) -> Paths:
    """Return the program of a phase, made once.

    Examples
    --------
    >>> from octomodel import dist, fork, task
    >>> both = fork(task("a", dist.Exponential(10)), task("b", dist.Exponential(10)))
    >>> none = np.zeros(2)
    >>> stay = Stay(np.ones(2), none, none, none, {}, np.zeros(()))
    >>> [round(float(each), 1) for each in paths(Workflow("pair", both), None).through(stay)]
    [15.0, 125.0]
    """
    return Paths(workflow, phase)


def _points(workflow: Workflow) -> tuple[F64, dict[str, F64]]:
    """Return points that stand for the attributes together: their weights, and the values of each attribute."""
    groups = {}
    for name, law in workflow.attributes.items():
        groups[name] = len(law.values) if isinstance(law, Series) else name
    kinds = list(dict.fromkeys(groups.values()))
    if not kinds:
        return np.ones(1), {}
    if len(kinds) == 1:
        found = {name: _few(law) for name, law in workflow.attributes.items()}
        weights = next(iter(found.values()))[1]
        return weights, {name: values for name, (values, _) in found.items()}
    # a lattice of irrational steps fills the unit cube of the attributes evenly
    steps = np.sqrt(np.array([n for n in range(2, 40 * len(kinds)) if all(n % d for d in range(2, n))][: len(kinds)]))
    unit = {kind: ((np.arange(LATTICE) + 0.5) * step) % 1.0 for kind, step in zip(kinds, steps.tolist(), strict=True)}
    values = {}
    for name, law in workflow.attributes.items():
        u = unit[groups[name]]
        if isinstance(law, Series):
            values[name] = law.values[(u * len(law.values)).astype(np.int64)]
        else:
            drawn = law.quantile(u)
            values[name] = drawn * (law.mean / drawn.mean()) if drawn.mean() > 0.0 else drawn
    return np.full(LATTICE, 1.0 / LATTICE), values


def _few(law: Law | Series) -> tuple[F64, F64]:
    """Return values and weights of an attribute that stands alone, or of series that are read together."""
    if isinstance(law, Series):
        return law.values, np.full(len(law.values), 1.0 / len(law.values))
    if law.discrete:
        return atoms(law)
    values, weights = bins(law, POINTS)
    return values * (law.mean / float(weights @ values)), weights


def _mixture(bodies: list[Moments], chances: F64) -> Moments:
    mean = sum(chance * each for chance, (each, _) in zip(chances.tolist(), bodies, strict=True))
    square = sum(chance * (var + each**2) for chance, (each, var) in zip(chances.tolist(), bodies, strict=True))
    return np.asarray(mean), np.maximum(square - mean**2, 0.0)


def _sum(bodies: list[Moments]) -> Moments:
    return np.asarray(sum(mean for mean, _ in bodies)), np.asarray(sum(var for _, var in bodies))


def _largest(bodies: list[Moments]) -> Moments:
    every = np.broadcast_arrays(*(each for pair in bodies for each in pair))
    means, variances = np.stack(every[::2], axis=-1), np.stack(every[1::2], axis=-1)
    mean, var = _largest_normal(means, variances)
    scv = variances / np.where(means > 0.0, means, 1.0) ** 2
    varied = ((scv > NORMAL) & (means > 0.0)).any(axis=-1)
    if varied.any():
        found = independent_maximum(np.maximum(means[varied], 1e-9), scv[varied], nodes=NODES)
        mean[varied], var[varied] = found["response_mean"].value, found["response_var"].value
    return mean, var


def _largest_normal(means: F64, variances: F64) -> Moments:
    """Return mean and variance of the largest of independent normal values, over the last axis."""
    mean, var = means[..., 0].copy(), variances[..., 0].copy()
    for i in range(1, means.shape[-1]):
        other, wider = means[..., i], variances[..., i]
        a = np.sqrt(var + wider)
        sure = a == 0.0
        alpha = np.clip((mean - other) / np.where(sure, 1.0, a), -40.0, 40.0)
        above = np.where(sure, mean >= other, ndtr(alpha))
        density = a * np.exp(-0.5 * alpha**2) / np.sqrt(2.0 * np.pi)
        first = mean * above + other * (1.0 - above) + density
        second = (mean**2 + var) * above + (other**2 + wider) * (1.0 - above) + (mean + other) * density
        mean, var = first, np.maximum(second - first**2, 0.0)
    return mean, var
