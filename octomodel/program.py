"""What a workflow is written in: task, seq, fork, branch, loop, select, per and by_phase."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from octomodel import checks
from octomodel.dist import Deterministic, Law
from octomodel.elements import (
    Amount,
    Branch,
    ByPhase,
    Element,
    Fork,
    Item,
    Loop,
    Phases,
    Scaled,
    Select,
    Seq,
    Task,
)
from octomodel.errors import ModelError

KINDS = ("ai", "general")
MAX_LANE = 2**16
"""Draws a ``select`` may make per visit: the lane of a draw has 16 bits (rule 2.1)."""

T = TypeVar("T")


def per(attribute: str, slope: float, *, base: float = 0.0) -> Scaled:
    """Return ``base + slope * attribute``, to be used as a time or count or multiplied by a law.

    Parameters
    ----------
    attribute : str
        Request attribute of the workflow.
    slope, base : float
        Cycles (or turns) per unit of the attribute, and at 0.

    Examples
    --------
    >>> from octomodel import dist
    >>> time = per("tokens", 900, base=100) * dist.LogNormal(1, 0.1)
    >>> time.slope, time.law.mean
    (900.0, 1.0)
    """
    return make_per(f"per.{attribute}", attribute, slope, base)


def make_per(path: str, attribute: object, slope: object, base: object) -> Scaled:
    """Return a checked ``Scaled`` with the constant law 1; errors begin with ``path``."""
    return Scaled(
        Deterministic(1),
        base=checks.real(f"{path}.base", base, -1e300),
        slope=checks.real(f"{path}.slope", slope, -1e300),
        attribute=checks.name(f"{path}.per", attribute),
    )


def by_phase(default: object, **phases: object) -> ByPhase:
    """Return a value that is ``default`` except in the phases given by name.

    Examples
    --------
    >>> by_phase(0.25, night=0.5).phases
    (('night', 0.5),)
    """
    for phase, value in phases.items():
        checks.name("by_phase", phase)
        if isinstance(value, ByPhase):
            raise ModelError(f"by_phase.{phase}", value, "a plain value")
    return ByPhase(default, tuple(phases.items()))


def task(
    name: str,
    time: Amount | ByPhase,
    *,
    out_bytes: int = 0,
    config_bytes: int = 0,
    config: str | None = None,
    kind: str = "ai",
    parallel: float = 1.0,
) -> Task:
    """Return a task block.

    Parameters
    ----------
    name : str
        Unique within the workflow.
    time : Law, number, ``per(...)`` or ``by_phase(...)``
        Cycles of one execution on one PEA at speed 1.
    out_bytes : int
        Payload the token carries after the execution.
    config_bytes : int
        What a TBU must hold to run it.
    config : str
        Name of the configuration; tasks that name the same one share it. Default: the task's own name.
    kind : {"ai", "general"}
        For reports only.
    parallel : float
        Share of the work that several PEAs divide among them (Amdahl), in [0, 1].

    Raises
    ------
    ModelError
        When a value is not of its kind or out of range.

    Examples
    --------
    >>> task("asr", 40_000, out_bytes=4_096).config
    'asr'
    """
    return make_task(f"task.{name}", name, time, out_bytes, config_bytes, config, kind, parallel)


def make_task(
    path: str,
    name: object,
    time: object,
    out_bytes: object,
    config_bytes: object,
    config: object,
    kind: object,
    parallel: object,
) -> Task:
    """Return a checked ``Task``; errors begin with ``path``."""
    default, phases = resolve(f"{path}.time", time, amount)
    return Task(
        name=checks.name(f"{path}.name", name),
        time=default,
        out_bytes=checks.integer(f"{path}.out_bytes", out_bytes, 0, 2**48),
        config_bytes=checks.integer(f"{path}.config_bytes", config_bytes, 0, 2**48),
        config=checks.name(f"{path}.config", name if config is None else config),
        kind=checks.one_of(f"{path}.kind", kind, KINDS),
        parallel=checks.real(f"{path}.parallel", parallel, high=1.0),
        phases=phases,
    )


def seq(*items: Element) -> Seq:
    """Return elements one after the other; without any it is the empty branch.

    Examples
    --------
    >>> len(seq(task("a", 1), seq(task("b", 1), task("c", 1))).items)
    3
    """
    flat: list[Item] = []
    for i, item in enumerate(items):
        if isinstance(item, Seq):
            flat.extend(item.items)
        elif isinstance(item, Item):
            flat.append(item)
        else:
            raise ModelError(f"seq[{i}]", item, "a task, seq, fork, branch, loop or select")
    return Seq(tuple(flat))


def fork(*bodies: Element) -> Fork:
    """Return bodies that all run at once and are joined when the last has ended.

    Examples
    --------
    >>> len(fork(task("left", 1), task("right", 1)).bodies)
    2
    """
    if not bodies:
        raise ModelError("fork", 0, "at least one branch")
    return Fork(tuple(seq(body) for body in bodies))


def branch(probabilities: Mapping[str, float] | ByPhase, *, name: str = "", **choices: Element) -> Branch:
    """Return one of several bodies, chosen by probability at each visit.

    Parameters
    ----------
    probabilities : dict or ``by_phase(...)`` of dicts
        Probability of each choice; they sum to 1 within 1e-9.
    name : str
        Name of the control block; default ``branch1``, ``branch2`` ... in program order.
    **choices : element
        The body of each choice; an empty one is ``seq()``.

    Raises
    ------
    ModelError
        When there are fewer than two choices, the names differ, or the probabilities are none.

    Examples
    --------
    >>> branch({"hit": 0.9, "miss": 0.1}, hit=seq(), miss=task("fetch", 100)).values
    (0.9, 0.1)
    """
    return make_branch(f"branch.{name}" if name else "branch", name, probabilities, choices)


def make_branch(path: str, name: str, probabilities: object, choices: Mapping[str, Element]) -> Branch:
    """Return a checked ``Branch``; errors begin with ``path``."""
    names = _choices(path, probabilities, choices, 2)
    values, phases = resolve(f"{path}.probabilities", probabilities, partial(shares, names))
    return Branch(_optional(path, name), names, values, tuple(seq(choices[key]) for key in names), phases)


def loop(
    body: Element,
    *,
    again: float | ByPhase | None = None,
    count: Amount | ByPhase | None = None,
    name: str = "",
) -> Loop:
    """Return a body that is repeated.

    Parameters
    ----------
    body : element
        Every path through it holds a task.
    again : float or ``by_phase(...)``
        Probability of another turn after each turn, below 1.
    count : Law, number, ``per(...)`` or ``by_phase(...)``
        Number of turns, rounded up, drawn once per entry; 0 skips the body. One of ``again`` and ``count`` is
        given.
    name : str
        Name of the control block; default ``loop1``, ``loop2`` ... in program order.

    Raises
    ------
    ModelError
        When both or neither are given, or the loop cannot end.

    Examples
    --------
    >>> loop(task("retrieve", 100), again=0.25).again
    0.25
    """
    return make_loop(f"loop.{name}" if name else "loop", name, body, again, count)


def make_loop(path: str, name: str, body: Element, again: object, count: object) -> Loop:
    """Return a checked ``Loop``; errors begin with ``path``."""
    if (again is None) == (count is None):
        raise ModelError(path, {"again": again, "count": count}, "one of again and count")
    label = _optional(path, name)
    if again is None:
        turns, phases = resolve(f"{path}.count", count, amount)
        return Loop(label, seq(body), None, turns, phases)
    probability, changed = resolve(f"{path}.again", again, continuation)
    return Loop(label, seq(body), probability, None, changed)


def select(
    k: int, weights: Mapping[str, float] | ByPhase, *, items: int = 1, name: str = "", **choices: Element
) -> Select:
    """Return ``k`` distinct bodies drawn by weight, run at once and joined, as in top-k expert routing.

    Parameters
    ----------
    k : int
        How many distinct bodies one item visits.
    weights : dict or ``by_phase(...)`` of dicts
        Weight of each choice, at least ``k`` of them above 0.
    items : int
        Items that each draw ``k`` bodies; a body runs once for each item that drew it.
    name : str
        Name of the control block; default ``select1``, ``select2`` ... in program order.
    **choices : element
        The body of each choice.

    Raises
    ------
    ModelError
        When names differ, weights are too few, or ``k * items`` passes 2^16 draws.

    Examples
    --------
    >>> select(1, {"e0": 2, "e1": 1}, e0=task("x", 1), e1=task("y", 1)).values
    (2.0, 1.0)
    """
    return make_select(f"select.{name}" if name else "select", name, k, items, weights, choices)


def make_select(
    path: str, name: str, k: object, items: object, weights: object, choices: Mapping[str, Element]
) -> Select:
    """Return a checked ``Select``; errors begin with ``path``."""
    names = _choices(path, weights, choices, 1)
    number = checks.integer(f"{path}.k", k, 1, len(names))
    repeats = checks.integer(f"{path}.items", items, 1, MAX_LANE // number)
    values, phases = resolve(f"{path}.weights", weights, partial(preferences, names, number))
    return Select(
        _optional(path, name),
        number,
        repeats,
        names,
        values,
        tuple(seq(choices[key]) for key in names),
        phases,
    )


def shares(names: tuple[str, ...], path: str, value: object) -> tuple[float, ...]:
    """Return the probabilities of the choices ``names``, in their order."""
    return checks.probabilities(path, _by_choice(path, value, names))


def preferences(names: tuple[str, ...], k: int, path: str, value: object) -> tuple[float, ...]:
    """Return the weights of the choices ``names``, in their order, at least ``k`` of them above 0."""
    given = _by_choice(path, value, names)
    values = tuple(checks.real(f"{path}.{name}", weight, high=1e100) for name, weight in given.items())
    if sum(weight > 0 for weight in values) < k:
        raise ModelError(path, given, f"at least k = {k} weights above 0")
    return values


def amount(path: str, value: object) -> Scaled:
    """Return a time or count as ``Scaled``."""
    if isinstance(value, Scaled):
        return value
    if isinstance(value, Law):
        return Scaled(value)
    if isinstance(value, bool | str) or value is None:
        raise ModelError(path, value, "a law, a number, or per(attribute, slope) times a law")
    return Scaled(Deterministic(checks.real(path, value, high=2.0**46)))


def continuation(path: str, value: object) -> float:
    """Return a probability of another turn, below 1."""
    probability = checks.real(path, value, high=1.0)
    if probability == 1.0:
        raise ModelError(path, value, "a probability below 1: this loop cannot end")
    return probability


def resolve(path: str, value: object, read: Callable[[str, object], T]) -> tuple[T, Phases[T]]:
    """Return the default and the values of single phases, each checked by ``read``."""
    if not isinstance(value, ByPhase):
        return read(path, value), ()
    phases = ((phase, read(f"{path}.{phase}", item)) for phase, item in value.phases)
    return read(path, value.default), tuple(sorted(phases, key=lambda pair: pair[0]))


def _optional(path: str, name: object) -> str:
    return "" if name == "" else checks.name(f"{path}.name", name)


def _choices(path: str, values: object, choices: Mapping[str, Element], least: int) -> tuple[str, ...]:
    default = values.default if isinstance(values, ByPhase) else values
    if not isinstance(default, Mapping):
        raise ModelError(path, default, "a dict from the name of a choice to a number")
    for key in default:
        checks.name(f"{path}.choices", key)
        if key not in choices:
            raise ModelError(f"{path}.{key}", None, "a body for each choice; an empty one is seq()")
    for key in choices:
        if key not in default:
            raise ModelError(f"{path}.{key}", key, f"one of the choices {', '.join(default)}")
    if len(default) < least:
        raise ModelError(path, len(default), f"at least {least} choices")
    return tuple(default)


def _by_choice(path: str, value: object, names: tuple[str, ...]) -> dict[str, object]:
    given = checks.keys(path, value, names, names)
    return {key: given[key] for key in names}
