"""Measured laws and frequencies, put into a workflow whose program was written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from octomodel import dist
from octomodel.workflow import Workflow

from .trace import TraceError

Plain = dict[str, Any]


@dataclass(frozen=True)
class Values:
    """What was measured, by the names of tasks and control blocks.

    Attributes
    ----------
    times : mapping to Law
        Of tasks, in cycles.
    branches : mapping to mapping
        Probabilities of the choices of branches.
    again : mapping to float
        Probabilities of another turn of loops.
    counts : mapping to Law
        Numbers of turns of loops.
    """

    times: Mapping[str, dist.Law] = field(default_factory=dict)
    branches: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    again: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, dist.Law] = field(default_factory=dict)


def filled(skeleton: Workflow, values: Values, note: str) -> Workflow:
    """Return the workflow with every measured value in the place of its own.

    Parameters
    ----------
    skeleton : Workflow
        Any; what was not measured keeps its value.
    values : Values
        Of tasks, branches and loops of the workflow.
    note : str
        Where they come from; added to the description.

    Returns
    -------
    Workflow

    Raises
    ------
    TraceError
        When there is no such task, branch or loop, or its value depends on a phase or an attribute.

    Examples
    --------
    >>> from octomodel.program import task
    >>> filled(Workflow("w", task("a", 1)), Values({"a": dist.Deterministic(7)}), "measured").demand()
    {'a': 7.0}
    """
    data = skeleton.to_dict()
    wanted: dict[str, dict[str, Any]] = {
        "task": dict(values.times),
        "branch": dict(values.branches),
        "loop": {**values.again, **values.counts},
    }
    for element in _elements(data["program"]):
        for kind, measured in wanted.items():
            if kind in element and element[kind] in measured:
                _replace(f"workflow.{skeleton.name}.{element[kind]}", kind, element, measured.pop(element[kind]))
    for kind, left in wanted.items():
        if left:
            name = next(iter(left))
            allowed = f"a workflow with the {kind} that was measured"
            raise TraceError(f"workflow.{skeleton.name}", f"no {kind} named {name}", allowed)
    data["description"] = f"{skeleton.description}. {note}" if skeleton.description else note
    return Workflow.from_dict(data)


def choices(skeleton: Workflow) -> dict[str, tuple[str, ...]]:
    """Return the names of the choices of each branch."""
    elements = _elements(skeleton.to_dict()["program"])
    return {each["branch"]: tuple(choice["choice"] for choice in each["choices"]) for each in elements if "branch" in each}


def _replace(path: str, kind: str, element: Plain, value: Any) -> None:
    if "phases" in element:
        raise TraceError(path, "a value for each phase", "one value for all phases, since the spans do not tell phases apart")
    for key in ("time", "count"):
        if isinstance(element.get(key), dict) and "per" in element[key]:
            raise TraceError(f"{path}.{key}", f"per {element[key]['per']}", "a value that depends on no attribute")
    if kind == "task":
        element["time"] = value.to_dict()
    elif kind == "branch":
        for choice in element["choices"]:
            choice["probability"] = value[choice["choice"]]
    else:
        element.pop("again", None)
        element.pop("count", None)
        element.update({"count": value.to_dict()} if isinstance(value, dist.Law) else {"again": value})


def _elements(body: list[Plain]) -> Iterator[Plain]:
    """Yield all elements of a program in plain form, from the outside inwards."""
    for element in body:
        yield element
        bodies = [*element.get("fork", []), *(choice["program"] for choice in element.get("choices", []))]
        for inner in [*bodies, element.get("body", [])]:
            yield from _elements(inner)
