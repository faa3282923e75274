"""Workflows as plain data (dicts, lists, texts, numbers) and back: the content of a file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from octomodel import checks, dist, program, structure
from octomodel import phases as phase_plans
from octomodel.dist import Deterministic, Law
from octomodel.dist.empirical import ORIGIN
from octomodel.elements import Branch, ByPhase, Element, Fork, Item, Loop, Scaled, Select, Seq, Series, Task
from octomodel.errors import ModelError
from octomodel.structure import MAX_DEPTH

if TYPE_CHECKING:
    from octomodel.workflow import Workflow

_TASK = ("out_bytes", "config_bytes", "config", "kind", "parallel")
_WORKFLOW = ("attributes", "phases", "in_bytes", "deadline_cycles", "milestones", "description")


def workflow_to_dict(workflow: Workflow, full: bool = False) -> dict[str, Any]:
    """Return a workflow as plain data; what has its default is left out unless ``full``."""
    data: dict[str, Any] = {"name": workflow.name}
    if workflow.description or full:
        data["description"] = workflow.description
    if workflow.in_bytes or full:
        data["in_bytes"] = workflow.in_bytes
    if workflow.deadline_cycles is not None or full:
        data["deadline_cycles"] = workflow.deadline_cycles
    if workflow.milestones or full:
        data["milestones"] = list(workflow.milestones)
    if workflow.attributes or full:
        data["attributes"] = {
            name: _series_to_plain(law) if isinstance(law, Series) else law.to_dict()
            for name, law in workflow.attributes.items()
        }
    if workflow.phases is not None:
        data["phases"] = {
            "by": workflow.phases.by,
            "cycle": [list(stretch) for stretch in workflow.phases.cycle],
        }
    data["program"] = body_to_list(workflow.program, full)
    return data


def workflow_from_dict(data: object, path: str) -> Workflow:
    """Return the workflow described by plain data; errors begin with ``path``."""
    from octomodel.workflow import Workflow

    fields = checks.keys(path, data, ("name", "program", *_WORKFLOW), ("name", "program"))
    options = {key: fields[key] for key in _WORKFLOW if fields.get(key) is not None}
    if "attributes" in options:
        given = checks.mapping(f"{path}.attributes", options["attributes"])
        options["attributes"] = {
            name: _attribute_from_plain(value, f"{path}.attributes.{name}") for name, value in given.items()
        }
    if "phases" in options:
        plan = checks.keys(f"{path}.phases", options["phases"], ("by", "cycle"), ("by", "cycle"))
        options["phases"] = phase_plans.make_phases(f"{path}.phases", plan["by"], plan["cycle"], {})
    body = body_from_list(fields["program"], f"{path}.program", 0)
    own = f"workflow.{checks.name(f'{path}.name', fields['name'])}"
    try:
        return Workflow(fields["name"], body, **options)
    except ModelError as error:
        if not error.path.startswith(own):
            raise
        raise ModelError(path + error.path.removeprefix(own), error.value, error.allowed) from None


def body_to_list(body: Seq, full: bool = False) -> list[dict[str, Any]]:
    """Return the elements of a body as plain data."""
    return [_element_to_dict(element, full) for element in body.items]


def body_from_list(data: object, path: str, depth: int) -> Seq:
    """Return the body described by a list of elements; errors begin with ``path``."""
    if depth > MAX_DEPTH:
        raise ModelError(path, f"more than {MAX_DEPTH} levels", f"elements nested at most {MAX_DEPTH} deep")
    items = checks.sequence(path, data, "a list of elements")
    return program.seq(*(_element_from_dict(item, f"{path}[{i}]", depth) for i, item in enumerate(items)))


def amount_to_plain(amount: Scaled, full: bool = False) -> Any:
    """Return a time or count as a number, a law or a law with its attribute."""
    if amount.attribute is None:
        return _number(amount.law.value) if isinstance(amount.law, Deterministic) else amount.law.to_dict()
    data: dict[str, Any] = {"per": amount.attribute, "slope": _number(amount.slope)}
    if amount.base or full:
        data["base"] = _number(amount.base)
    if amount.law != Deterministic(1) or full:
        data["law"] = amount.law.to_dict()
    return data


def amount_from_plain(data: object, path: str) -> Law | Scaled | Any:
    """Return what ``amount_to_plain`` described, still unchecked; errors begin with ``path``."""
    if not isinstance(data, Mapping):
        return data
    if "per" not in data:
        return dist.from_dict(data, path)
    fields = checks.keys(path, data, ("per", "slope", "base", "law"), ("slope",))
    amount = program.make_per(path, fields["per"], fields["slope"], fields.get("base", 0.0))
    return amount * dist.from_dict(fields["law"], f"{path}.law") if "law" in fields else amount


def _element_to_dict(element: Item, full: bool) -> dict[str, Any]:
    write = partial(plain_value, full=full)
    if isinstance(element, Fork):
        return {"fork": [body_to_list(body, full) for body in element.bodies]}
    if isinstance(element, Task):
        return task_to_dict(element, full)
    if isinstance(element, Loop):
        kind = "again" if element.count is None else "count"
        turns = write(element.value(None))
        data = {"loop": element.name, kind: turns, "body": body_to_list(element.body, full)}
        return data | _phases(element.phases, write)
    assert isinstance(element, Branch | Select)
    value = "probability" if isinstance(element, Branch) else "weight"
    choices = [
        {"choice": name, value: number, "program": body_to_list(body, full)}
        for name, number, body in zip(element.choices, element.values, element.bodies, strict=True)
    ]
    numbers = _phases(element.phases, lambda values: dict(zip(element.choices, values, strict=True)))
    if isinstance(element, Branch):
        return {"branch": element.name, "choices": choices} | numbers
    return {"select": element.name, "k": element.k, "items": element.items, "choices": choices} | numbers


def task_to_dict(task: Task, full: bool = False) -> dict[str, Any]:
    """Return a task as plain data; what has its default is left out unless ``full``."""
    defaults = (0, 0, task.name, "ai", 1.0)
    data = {"task": task.name, "time": amount_to_plain(task.time, full)}
    for key, default in zip(_TASK, defaults, strict=True):
        if getattr(task, key) != default or full:
            data[key] = getattr(task, key)
    return data | _phases(task.phases, partial(amount_to_plain, full=full))


def task_from_dict(data: object, path: str) -> Task:
    """Return the task that ``task_to_dict`` described; errors begin with ``path``."""
    fields = checks.keys(path, data, ("task", "time", *_TASK, "phases"), ("task", "time"))
    time = by_phase(path, fields, "time", amount_from_plain)
    defaults = {"out_bytes": 0, "config_bytes": 0, "config": None, "kind": "ai", "parallel": 1.0}
    options = {key: fields.get(key, default) for key, default in defaults.items()}
    return program.make_task(path, fields["task"], time, **options)


def _element_from_dict(data: object, path: str, depth: int) -> Item:
    fields = checks.mapping(path, data)
    kinds = [kind for kind in ("task", "fork", "branch", "loop", "select") if kind in fields]
    if len(kinds) != 1:
        raise ModelError(path, sorted(map(str, fields)), "one of the keys task, fork, branch, loop, select")
    if kinds[0] == "task":
        return task_from_dict(data, path)
    if kinds[0] == "fork":
        bodies = checks.sequence(
            f"{path}.fork", checks.keys(path, data, ("fork",))["fork"], "a list of lists of elements"
        )
        return program.fork(
            *(body_from_list(body, f"{path}.fork[{i}]", depth + 1) for i, body in enumerate(bodies))
        )
    if kinds[0] == "loop":
        checks.keys(path, data, ("loop", "again", "count", "body", "phases"), ("body",))
        body = body_from_list(fields["body"], f"{path}.body", depth + 1)
        again = by_phase(path, fields, "again", lambda value, _: value) if "again" in fields else None
        count = by_phase(path, fields, "count", amount_from_plain) if "count" in fields else None
        return program.make_loop(path, fields["loop"] or "", body, again, count)
    return _choice_from_dict(fields, path, depth, kinds[0])


def _choice_from_dict(fields: Mapping[str, Any], path: str, depth: int, kind: str) -> Branch | Select:
    value = "probability" if kind == "branch" else "weight"
    extra = () if kind == "branch" else ("k", "items")
    checks.keys(path, fields, (kind, "choices", "phases", *extra), ("choices", *extra[:1]))
    numbers: dict[str, Any] = {}
    bodies: dict[str, Element] = {}
    for i, item in enumerate(checks.sequence(f"{path}.choices", fields["choices"], "a list of choices")):
        place = f"{path}.choices[{i}]"
        choice = checks.keys(place, item, ("choice", value, "program"), ("choice", value, "program"))
        name = checks.name(f"{place}.choice", choice["choice"])
        if name in numbers:
            raise ModelError(f"{place}.choice", name, "each choice once")
        numbers[name] = choice[value]
        bodies[name] = body_from_list(choice["program"], f"{place}.program", depth + 1)
    values = by_phase(path, {**fields, value: numbers}, value, lambda changed, _: changed)
    if kind == "branch":
        return program.make_branch(path, fields[kind] or "", values, bodies)
    return program.make_select(path, fields[kind] or "", fields["k"], fields.get("items", 1), values, bodies)


def by_phase(path: str, fields: Mapping[str, Any], key: str, read: Any) -> Any:
    """Return the value under ``key``, joined with the values under ``phases`` if there are any."""
    default = read(fields[key], f"{path}.{key}")
    if not fields.get("phases"):
        return default
    given = checks.mapping(f"{path}.phases", fields["phases"])
    changed = [
        (checks.name(f"{path}.phases", p), read(value, f"{path}.phases.{p}")) for p, value in given.items()
    ]
    return ByPhase(default, tuple(changed))


def _series_to_plain(series: Series) -> Any:
    """Return the values of an attribute as a list, in a mapping where there is more to say of them."""
    values = [_number(x) for x in series.values.tolist()]
    if series.repeat and not series.origin:
        return values
    return {"values": values, **series.origin, **({} if series.repeat else {"repeat": False})}


def _attribute_from_plain(data: Any, path: str) -> Any:
    if not isinstance(data, Mapping):
        return data
    if "values" not in data and ("law" in data or "file" not in data):
        return dist.from_dict(data, path)
    fields = checks.keys(path, data, ("values", *ORIGIN, "repeat"), ("values",))
    for key in ORIGIN:
        if not isinstance(fields.get(key), str | None):
            raise ModelError(f"{path}.{key}", fields[key], "a text")
    values = structure.series(f"{path}.values", fields["values"])
    repeat = checks.boolean(f"{path}.repeat", fields.get("repeat", True))
    return Series(values, repeat, {key: fields[key] for key in ORIGIN if fields.get(key) is not None})


def _phases(phases: tuple[tuple[str, Any], ...], write: Any) -> dict[str, Any]:
    return {"phases": {phase: write(value) for phase, value in phases}} if phases else {}


def plain_value(value: Any, full: bool = False) -> Any:
    """Return a count as plain data, a probability as it is."""
    return amount_to_plain(value, full) if isinstance(value, Scaled) else value


def _number(value: float) -> int | float:
    return int(value) if float(value).is_integer() and abs(value) < 2.0**53 else float(value)
