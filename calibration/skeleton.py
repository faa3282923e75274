"""Measured laws and frequencies, put into a workflow whose program was written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from octomodel import dist
from octomodel.workflow import Workflow

from .line import Line
from .sample import F64
from .trace import TraceError

Plain = dict[str, Any]


@dataclass(frozen=True)
class Values:
    """What was measured, by the names of tasks and control blocks.

    Attributes
    ----------
    times : mapping to Law or Line
        Of tasks, in cycles.
    branches : mapping to mapping
        Probabilities of the choices of branches.
    again : mapping to float
        Probabilities of another turn of loops.
    counts : mapping to Law
        Numbers of turns of loops.
    attributes : mapping to float64[request]
        Values of request attributes, in order of arrival.
    notes : mapping to str
        What is to be known of each, by kind (``task``, ``branch``, ``loop``, ``attribute``) and name.
    """

    times: Mapping[str, dist.Law | Line] = field(default_factory=dict)
    branches: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    again: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, dist.Law] = field(default_factory=dict)
    attributes: Mapping[str, F64] = field(default_factory=dict)
    notes: Mapping[tuple[str, str], str] = field(default_factory=dict)


def filled(skeleton: Workflow, values: Values, note: str, source: str = "measurements") -> Workflow:
    """Return the workflow with every measured value in the place of its own.

    Parameters
    ----------
    skeleton : Workflow
        Any; what was not measured keeps its value, and its provenance.
    values : Values
        Of tasks, branches, loops and attributes of the workflow.
    note : str
        Where they come from; added to the description.
    source : str
        The same in a few words, for the provenance of each value.

    Returns
    -------
    Workflow

    Raises
    ------
    TraceError
        When there is no such task, branch, loop or attribute, or its value depends on a phase or on an attribute other than
        it was measured by.

    Examples
    --------
    >>> from octomodel.program import task
    >>> found = filled(Workflow("w", task("a", 1)), Values({"a": dist.Deterministic(7)}), "measured")
    >>> found.demand(), list(found.provenance)
    ({'a': 7.0}, ['workflow.program[0].time'])
    """
    data = skeleton.to_dict()
    wanted: dict[str, dict[str, Any]] = {
        "task": dict(values.times),
        "branch": dict(values.branches),
        "loop": {**values.again, **values.counts},
    }
    places: dict[str, tuple[str, str]] = {}
    for place, element in _elements("workflow.program", data["program"]):
        for kind, measured in wanted.items():
            if kind in element and element[kind] in measured:
                name = element[kind]
                key = _replace(f"workflow.{skeleton.name}.{name}", kind, element, measured.pop(name))
                places[f"{place}.{key}"] = kind, name
    wanted["attribute"] = dict(values.attributes)
    for name in data.get("attributes", {}):
        if name in values.attributes:
            data["attributes"][name] = wanted["attribute"].pop(name)
            places[f"workflow.attributes.{name}"] = "attribute", name
    for kind, left in wanted.items():
        if left:
            name = next(iter(left))
            allowed = f"a workflow with the {kind} that was measured"
            raise TraceError(f"workflow.{skeleton.name}", f"no {kind} named {name}", allowed)
    data["description"] = f"{skeleton.description}. {note}" if skeleton.description else note
    made = Workflow.from_dict(data)
    before = {place: each.to_dict() for place, each in skeleton.provenance.items() if not _below(place, places)}
    after = {place: {"tag": "derived", "source": source, "note": values.notes.get(key, "")} for place, key in places.items()}
    return made.with_(provenance={**before, **after})


def choices(skeleton: Workflow) -> dict[str, tuple[str, ...]]:
    """Return the names of the choices of each branch."""
    elements = [each for _, each in _elements("", skeleton.to_dict()["program"])]
    return {each["branch"]: tuple(choice["choice"] for choice in each["choices"]) for each in elements if "branch" in each}


def sized(skeleton: Workflow) -> dict[str, str]:
    """Return the attribute of each task whose time depends on one, in all phases alike."""
    elements = [each for _, each in _elements("", skeleton.to_dict()["program"])]
    found = {each["task"]: _attribute(each, "time") for each in elements if "task" in each and "phases" not in each}
    return {task: attribute for task, attribute in found.items() if attribute is not None}


def _attribute(element: Plain, key: str) -> str | None:
    value = element.get(key)
    return value.get("per") if isinstance(value, dict) else None


def _below(place: str, replaced: Mapping[str, Any]) -> bool:
    """Return whether a field path is or lies below one that was replaced, or says how often a loop of it turned before."""
    turns = ("again", "count")
    for each in replaced:
        start, _, key = each.rpartition(".")
        keys = turns if key in turns else (key,)
        if any(place == f"{start}.{one}" or place.startswith((f"{start}.{one}.", f"{start}.{one}[")) for one in keys):
            # what is said of the body of a choice still holds
            return key != "choices" or ".program" not in place.removeprefix(each)
    return False


def _replace(path: str, kind: str, element: Plain, value: Any) -> str:
    """Put a value into an element and return the key under which it stands."""
    if "phases" in element:
        raise TraceError(path, "a value for each phase", "one value for all phases, since the spans do not tell phases apart")
    wanted = value.attribute if isinstance(value, Line) else None
    for key in ("time", "count"):
        depends = _attribute(element, key)
        if depends != wanted and key in element:
            found = "a value that depends on no attribute" if depends is None else f"per {depends}"
            allowed = "a value that depends on no attribute; fit(..., skeleton=...) fits what depends on a measured one"
            raise TraceError(f"{path}.{key}", found, allowed if wanted is None else f"a value per {wanted}, as it was fitted")
    if kind == "task":
        element["time"] = value.to_dict()
        return "time"
    if kind == "branch":
        for choice in element["choices"]:
            choice["probability"] = value[choice["choice"]]
        return "choices"
    element.pop("again", None)
    element.pop("count", None)
    key = "count" if isinstance(value, dist.Law) else "again"
    element[key] = value.to_dict() if isinstance(value, dist.Law) else value
    return key


def _elements(path: str, body: list[Plain]) -> Iterator[tuple[str, Plain]]:
    """Yield field path and plain form of all elements of a program, from the outside inwards."""
    for i, element in enumerate(body):
        place = f"{path}[{i}]"
        yield place, element
        bodies = [(f"{place}.fork[{j}]", each) for j, each in enumerate(element.get("fork", []))]
        bodies += [(f"{place}.choices[{j}].program", each["program"]) for j, each in enumerate(element.get("choices", []))]
        for where, inner in [*bodies, (f"{place}.body", element.get("body", []))]:
            yield from _elements(where, inner)
