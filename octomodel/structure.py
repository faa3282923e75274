"""Checks of a whole program: names, depth, loops, limits of the draw code (rules 1.1, 2.1)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from octomodel import checks
from octomodel.dist import Law
from octomodel.elements import (
    Branch,
    Fork,
    Item,
    Loop,
    Scaled,
    Select,
    Seq,
    Series,
    Task,
    children,
    rebuild,
    walk,
)
from octomodel.errors import ModelError, unknown

MAX_DEPTH = 64
MAX_NODES = 2**20
MAX_VISITS = 2**24
MAX_TURNS = 1e9

Attributes = Mapping[str, Law | Series]


def named(body: Seq) -> Seq:
    """Return the program with a name for every control block: ``branch1``, ``loop1``, ``select1`` ..."""
    used = {element.name for element in walk(body) if not isinstance(element, Fork)}
    counts: dict[str, int] = {}

    def change(element: Item) -> Item:
        if not isinstance(element, Branch | Loop | Select) or element.name:
            return element
        kind = type(element).__name__.lower()
        while True:
            counts[kind] = counts.get(kind, 0) + 1
            name = f"{kind}{counts[kind]}"
            if name not in used:
                return dataclasses.replace(element, name=name)

    return rebuild(body, change)


def check_shape(path: str, body: Seq) -> None:
    """Refuse programs too deep or large, without a task, or with a loop that may turn without one."""
    _check_depth(path, body)
    n_nodes = 1 + sum(_nodes(element) for element in walk(body))
    if n_nodes > MAX_NODES:
        raise ModelError(path, n_nodes, f"at most {MAX_NODES} nodes")
    if not any(isinstance(element, Task) for element in walk(body)):
        raise ModelError(path, 0, "at least one task")
    for element in walk(body):
        if isinstance(element, Loop) and not _always_task(element.body):
            raise ModelError(
                f"{path}.{element.name or 'loop'}",
                "a turn without a task",
                "a task on every path of the body",
            )
        if isinstance(element, Select) and element.items > 1:
            for choice, inner in zip(element.choices, element.bodies, strict=True):
                if not _always_task(inner):
                    place = f"{path}.{element.name or 'select'}.{choice}"
                    raise ModelError(
                        place,
                        "an item without a task",
                        "with items > 1, a task on every path of every choice",
                    )


def check_names(path: str, body: Seq) -> None:
    """Refuse two elements of one name, and tasks that share a configuration of two sizes."""
    seen: set[str] = set()
    sizes: dict[str, int] = {}
    for element in walk(body):
        if isinstance(element, Fork):
            continue
        if element.name in seen:
            raise ModelError(
                f"{path}.{element.name}", element.name, "a name that no other task or control block has"
            )
        seen.add(element.name)
        if (
            isinstance(element, Task)
            and sizes.setdefault(element.config, element.config_bytes) != element.config_bytes
        ):
            allowed = f"{sizes[element.config]}, as the other tasks with config {element.config!r} say"
            raise ModelError(f"{path}.{element.name}.config_bytes", element.config_bytes, allowed)


def in_order_of_use(path: str, body: Seq, attributes: Attributes) -> dict[str, Law | Series]:
    """Return the attributes in the order in which the program first uses them, then the unused ones by name.

    This is their number in draws, so that neither the order in which they were declared nor their names
    matter.
    """
    order: dict[str, None] = {}
    for element in walk(body):
        if not isinstance(element, Task | Loop):
            continue
        place = f"{path}.{element.name}"
        used: set[str] = set()
        for amount in (element.value(None), *(value for _, value in element.phases)):
            if isinstance(amount, Scaled) and amount.attribute is not None:
                if amount.attribute not in attributes:
                    raise unknown(place, amount.attribute, attributes)
                used.add(amount.attribute)
                order[amount.attribute] = None
        if len(used) > 1:
            raise ModelError(place, sorted(used), "one attribute, the same in all phases")
    return {name: attributes[name] for name in (*order, *sorted(set(attributes) - set(order)))}


def check_turns(path: str, body: Seq, attributes: Attributes, phases: tuple[str, ...]) -> None:
    """Refuse loops that expect more than 10^9 turns, and 2^24 or more expected visits of a node."""
    for phase in phases or (None,):
        _check_turns(path, body, attributes, phase, 1.0)


def _check_turns(path: str, body: Seq, attributes: Attributes, phase: str | None, visits: float) -> None:
    if visits >= MAX_VISITS:
        raise ModelError(
            path, f"{visits:.3g} expected visits", f"fewer than {MAX_VISITS} visits of a node per request"
        )
    for element in body.items:
        factor = 1.0
        place = path
        if isinstance(element, Loop):
            place = f"{path}.{element.name}"
            factor = _turns(element, attributes, phase)
            if not factor <= MAX_TURNS:
                raise ModelError(
                    place, f"{factor:.3g} expected turns", "a loop that expects at most 10^9 turns"
                )
        elif isinstance(element, Select):
            place = f"{path}.{element.name}"
            factor = float(element.items)
        for inner in children(element):
            _check_turns(place, inner, attributes, phase, visits * factor)


def _turns(loop: Loop, attributes: Attributes, phase: str | None) -> float:
    """Return the expected turns of one entry, before rounding up."""
    value = loop.value(phase)
    if not isinstance(value, Scaled):
        return float(1.0 / (1.0 - value))
    scale = value.base
    if value.attribute is not None:
        law = attributes[value.attribute]
        scale += value.slope * (float(law.values.mean()) if isinstance(law, Series) else law.mean)
    return value.law.mean * max(scale, 0.0)


def _check_depth(path: str, body: Seq) -> None:
    level = [body]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for element in outer.items for inner in children(element)]
        if not level:
            return
    raise ModelError(path, f"more than {MAX_DEPTH} levels", f"elements nested at most {MAX_DEPTH} deep")


def _nodes(element: Item) -> int:
    if isinstance(element, Loop):
        return 1 if element.count is None else 2
    if isinstance(element, Select):
        return 2 + (len(element.bodies) if element.items > 1 else 0)
    return 2 if isinstance(element, Fork) else 1


def _always_task(body: Seq) -> bool:
    """Return whether every path through the body holds a task; a counted loop may be skipped."""
    return any(map(_holds_task, body.items))


def _holds_task(element: Item) -> bool:
    if isinstance(element, Task):
        return True
    if isinstance(element, Loop) and element.count is not None:
        return False
    return all(map(_always_task, children(element)))


def attributes(path: str, values: object) -> dict[str, Law | Series]:
    """Return the request attributes by name; sequences become ``Series``."""
    result: dict[str, Law | Series] = {}
    if not isinstance(values, Mapping):
        raise ModelError(
            path, values, "a dict from the name of an attribute to a law or a sequence of numbers"
        )
    for key, value in values.items():
        place = f"{path}.{checks.name(path, key)}"
        if isinstance(value, Law | Series):
            result[key] = value
            continue
        result[key] = Series(series(place, value))
    return result


def series(path: str, values: object) -> NDArray[np.float64]:
    """Return the values of an attribute that are given one by one, float64[value]."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf" and values.ndim == 1:
        found = values.astype(np.float64)
    else:
        items = checks.sequence(path, values, "a law or a sequence of numbers")
        found = np.array([checks.real(f"{path}[{i}]", x, -1e300, 1e300) for i, x in enumerate(items)], dtype=np.float64)
    if len(found) == 0 or not np.isfinite(found).all():
        raise ModelError(path, values, "at least one number, all of them finite")
    return found
