"""What a program is made of, as checked by ``octomodel.program``, and how to walk through it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from octomodel.dist import Deterministic, Law
from octomodel.errors import ModelError

T = TypeVar("T")


@dataclass(frozen=True)
class Scaled:
    """A law times ``base + slope * attribute``; times ``base`` alone without an attribute.

    Attributes
    ----------
    law : Law
        Law of the noise, or of the whole value when base is 1 and there is no attribute.
    base, slope : float
        Where the scale comes out as 0 or less the value is 0.
    attribute : str or None
        Request attribute.
    """

    law: Law
    base: float = 1.0
    slope: float = 0.0
    attribute: str | None = None

    def __mul__(self, other: object) -> Scaled:
        if not isinstance(other, Law):
            return NotImplemented
        if self.law != Deterministic(1):
            raise ModelError(
                f"per.{self.attribute}", other, "one law only: this value is multiplied by one already"
            )
        return dataclasses.replace(self, law=other)

    __rmul__ = __mul__


class Series:
    """Values of a request attribute given one by one, for request 0 the first.

    Attributes
    ----------
    values : float64[value]
    repeat : bool
        Whether request r has value ``r mod length``; else there may be no more requests than values.
    origin : dict of str to str
        Where the values come from: ``file``, ``column``, ``sha256`` and perhaps ``unit``; not compared.
    """

    __slots__ = ("origin", "repeat", "values")

    def __init__(
        self, values: NDArray[np.float64], repeat: bool = True, origin: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.values = np.ascontiguousarray(values, dtype=np.float64)
        self.values.flags.writeable = False
        self.repeat = repeat
        self.origin = dict(origin)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Series) and self.repeat == other.repeat and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((self.repeat, self.values.tobytes()))

    def __repr__(self) -> str:
        return f"Series({len(self.values)} values, mean={self.values.mean():.6g}{'' if self.repeat else ', repeat=False'})"


@dataclass(frozen=True)
class ByPhase:
    """A value with another one in some phases."""

    default: Any
    phases: tuple[tuple[str, Any], ...]


Amount = Law | Scaled | int | float
Phases = tuple[tuple[str, T], ...]


@dataclass(frozen=True)
class Task:
    """A task block (TB): one node, one law of times, one configuration."""

    name: str
    time: Scaled
    out_bytes: int
    config_bytes: int
    config: str
    kind: str
    parallel: float
    phases: Phases[Scaled] = ()

    def value(self, phase: str | None) -> Scaled:
        """Return the time in one phase."""
        return in_phase(self.time, self.phases, phase)


@dataclass(frozen=True)
class Seq:
    """Elements one after the other; never holds another ``Seq`` directly."""

    items: tuple[Item, ...]


@dataclass(frozen=True)
class Fork:
    """All bodies at once, then a join."""

    bodies: tuple[Seq, ...]


@dataclass(frozen=True)
class Branch:
    """One of several bodies, by probability; an unnamed one is named by its workflow."""

    name: str
    choices: tuple[str, ...]
    values: tuple[float, ...]
    bodies: tuple[Seq, ...]
    phases: Phases[tuple[float, ...]] = ()

    def value(self, phase: str | None) -> tuple[float, ...]:
        """Return the probabilities in one phase."""
        return in_phase(self.values, self.phases, phase)


@dataclass(frozen=True)
class Loop:
    """A body repeated, with probability ``again`` or ``count`` times; one of them is None."""

    name: str
    body: Seq
    again: float | None
    count: Scaled | None
    phases: Phases[Any] = ()

    def value(self, phase: str | None) -> Any:
        """Return the probability of another turn, or the count, in one phase."""
        return in_phase(self.again if self.count is None else self.count, self.phases, phase)


@dataclass(frozen=True)
class Select:
    """``k`` distinct bodies by weight, drawn for each of ``items`` items, then a join."""

    name: str
    k: int
    items: int
    choices: tuple[str, ...]
    values: tuple[float, ...]
    bodies: tuple[Seq, ...]
    phases: Phases[tuple[float, ...]] = ()

    def value(self, phase: str | None) -> tuple[float, ...]:
        """Return the weights in one phase."""
        return in_phase(self.values, self.phases, phase)


Item = Task | Fork | Branch | Loop | Select
"""What a ``Seq`` holds."""
Element = Item | Seq
Control = Branch | Loop | Select


def in_phase(default: T, phases: Phases[T], phase: str | None) -> T:
    """Return the value of one phase, the default where it has none of its own."""
    return next((value for name, value in phases if name == phase), default)


def children(element: Item) -> tuple[Seq, ...]:
    """Return the bodies of an element."""
    if isinstance(element, Task):
        return ()
    return (element.body,) if isinstance(element, Loop) else element.bodies


def rebuild(body: Seq, change: Callable[[Item], Item]) -> Seq:
    """Return ``body`` with every element below replaced by ``change(element)``, outer ones first."""
    items: list[Item] = []
    for item in body.items:
        new = change(item)
        if isinstance(new, Loop):
            new = dataclasses.replace(new, body=rebuild(new.body, change))
        elif isinstance(new, Fork | Branch | Select):
            new = dataclasses.replace(new, bodies=tuple(rebuild(inner, change) for inner in new.bodies))
        items.append(new)
    return Seq(tuple(items))


def walk(body: Seq) -> Iterator[Item]:
    """Yield the elements in program order, each before what it holds."""
    stack = list(reversed(body.items))
    while stack:
        element = stack.pop()
        yield element
        for inner in reversed(children(element)):
            stack.extend(reversed(inner.items))
