"""The form of a description as JSON Schema (2020-12), with the units in which quantities may be written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from octomodel import checks, units
from octomodel.dist.base import LAWS
from octomodel.dist.empirical import ORIGIN
from octomodel.hardware_values import INTEGERS, OPTIONAL, PATHS, RATES
from octomodel.load import KINDS
from octomodel.mixes import OF
from octomodel.program import KINDS as TASK_KINDS
from octomodel.provenance import KEYS as PROVENANCE_KEYS
from octomodel.provenance import TAGS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
UNIT = "x-unit"
"""Keyword of what a quantity is kept in; texts with a unit are read as that (``octomodel.units.READERS``)."""

VERSION = 1
TOP = (
    *("schema_version", "title", "sources", "clock_hz", "extends", "changes"),
    *("workflow", "hardware", "load", "provenance"),
)
OLD_VERSION_KEY = "octomodel"
"""What ``schema_version`` was called at first; still read."""

Node = dict[str, Any]

_LAW_OF_CYCLES = {
    "deterministic": ("value",),
    "exponential": ("mean",),
    "uniform": ("low", "high"),
    "triangular": ("low", "mode", "high"),
    "gamma": ("mean",),
    "erlang": ("mean",),
    "lognormal": ("mean",),
    "weibull": ("mean",),
    "pareto": ("low",),
    "bounded_pareto": ("low", "high"),
    "hyperexponential": ("means",),
    "empirical": ("samples",),
    "mixture": ("laws",),
    "phase_type": (),
}
"""Parameters of each law that are times where the law is one of times."""


@cache
def schema() -> Node:
    """Return the JSON Schema of descriptions.

    Returns
    -------
    dict
        Plain data. A description that extends others may leave out what these say, so that fewer keys are required of
        it.

    Examples
    --------
    >>> schema()["$schema"], sorted(schema()["properties"])[:3]
    ('https://json-schema.org/draft/2020-12/schema', ['changes', 'clock_hz', 'extends'])
    """
    part: Node = {"type": ["object", "null"]}
    whole = {key: {"anyOf": [_ref(key), {"type": "null"}]} for key in ("workflow", "hardware", "load")}
    text = {"type": "string"}
    texts = _list(text)
    return {
        "$schema": DIALECT,
        "title": "octomodel description",
        "type": "object",
        "properties": {
            "schema_version": {"const": VERSION},
            OLD_VERSION_KEY: {"const": VERSION, "deprecated": True},
            "title": text,
            "sources": texts,
            "clock_hz": _quantity("hertz", exclusiveMinimum=0),
            "extends": {"anyOf": [text, texts]},
            "changes": {"type": "object"},
            **dict.fromkeys(("workflow", "hardware", "load"), part),
            "provenance": {"type": ["object", "null"], "additionalProperties": _ref("provenance")},
        },
        "oneOf": [{"required": ["schema_version"]}, {"required": [OLD_VERSION_KEY]}],
        "additionalProperties": False,
        "if": {"not": {"required": ["extends"]}},
        "then": {"properties": whole},
        "$defs": {
            "name": {"type": "string", "pattern": f"^{checks.NAME.pattern}$"},
            "workflow": {"anyOf": [_ref("single"), _ref("mix")]},
            "single": _workflow(),
            "mix": _mix(),
            "hardware": _hardware(),
            "load": _load(),
            "provenance": _object({**dict.fromkeys(PROVENANCE_KEYS, text), "tag": {"enum": list(TAGS)}}, PROVENANCE_KEYS[:2]),
            **_laws("law", None),
            **_laws("law_of_cycles", "cycles"),
            **_program(),
        },
    }


def _ref(name: str) -> Node:
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: Mapping[str, Node], required: Iterable[str] = ()) -> Node:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _quantity(unit: str | None, *types: str, **limits: float) -> Node:
    """Return a number in limits, or a text with a unit."""
    kinds = ["integer" if unit in ("whole cycles", "bytes") else "number", *types]
    if unit is None:
        return {"type": kinds if len(kinds) > 1 else kinds[0], **limits}
    return {"type": [*kinds, "string"], **limits, "pattern": units.PATTERN, UNIT: unit}


def _list(items: Node, **more: Any) -> Node:
    return {"type": "array", "items": items, **more}


def _pair(first: Node, second: Node) -> Node:
    return {"type": "array", "prefixItems": [first, second], "minItems": 2, "maxItems": 2}


def _map(values: Node) -> Node:
    return {"type": "object", "propertyNames": _ref("name"), "additionalProperties": values}


def _laws(name: str, unit: str | None) -> Node:
    """Return the definitions of all laws, of times when there is a unit."""
    found: Node = {name: {"anyOf": [_ref(f"{name}.{kind}") for kind in LAWS]}}
    for kind, law in LAWS.items():
        properties: Node = {"law": {"const": kind}}
        for field in dataclasses.fields(law):  # type: ignore[arg-type]
            if field.init:
                own = unit if field.name in _LAW_OF_CYCLES[kind] else None
                properties[field.name] = _parameter(kind, field.name, own, name)
        form = _object(properties, [key for key in properties if key not in ORIGIN])
        found[f"{name}.{kind}"] = _or_column(form, "samples") if kind == "empirical" else form
    return found


def _or_column(form: Node, values: str) -> Node:
    """Return a form in which a column of a table may stand instead of the values themselves."""
    named = {"required": ["file", "column"], "not": {"required": [values]}}
    required = [key for key in form["required"] if key != values]
    return form | {"required": required, "oneOf": [{"required": [values]}, named]}


def _parameter(kind: str, name: str, unit: str | None, laws: str) -> Node:
    if name in ORIGIN:
        return {"type": ["string", "null"]}
    if name == "T":
        return _list(_list({"type": "number"}), minItems=1)
    if name == "laws":
        return _list(_ref(laws), minItems=1)
    value = _quantity(unit, minimum=0)
    several = name in ("samples", "means", "weights", "probabilities") or (kind, name) == ("phase_type", "alpha")
    return _list(value, minItems=1) if several else value


def _amount(unit: str | None, laws: str) -> Node:
    """Return a time or count: a number, a law, or so much per unit of an attribute."""
    per = {"per": _ref("name"), "slope": _quantity(unit), "base": _quantity(unit), "law": _ref("law")}
    return {"anyOf": [_quantity(unit, minimum=0), _ref(laws), _object(per, ("per", "slope"))]}


def _program() -> Node:
    shares = _map({"type": "number", "minimum": 0})
    probability = {"type": "number", "minimum": 0, "maximum": 1}
    task = {
        "task": _ref("name"),
        "time": _ref("time"),
        "out_bytes": _quantity("bytes", minimum=0, maximum=2**48),
        "config_bytes": _quantity("bytes", minimum=0, maximum=2**48),
        "config": {"anyOf": [_ref("name"), {"type": "null"}]},
        "kind": {"enum": list(TASK_KINDS)},
        "parallel": probability,
        "phases": _phases(_ref("time")),
    }
    loop = {
        "loop": _label(),
        "again": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        "count": _ref("count"),
        "body": _ref("program"),
        "phases": _phases(_ref("count")),
    }
    select = {
        "select": _label(),
        "k": {"type": "integer", "minimum": 1},
        "items": {"type": "integer", "minimum": 1},
        "choices": _list(_choice("weight", {"type": "number", "minimum": 0}), minItems=1),
        "phases": _phases(shares),
    }
    branch = {
        "branch": _label(),
        "choices": _list(_choice("probability", probability), minItems=2),
        "phases": _phases(shares),
    }
    kinds = ("task", "fork", "branch", "loop", "select")
    return {
        "program": _list({"anyOf": [_ref(kind) for kind in kinds]}),
        "time": _amount("cycles", "law_of_cycles"),
        "count": _amount(None, "law"),
        "task": _object(task, ("task", "time")),
        "fork": _object({"fork": _list(_ref("program"), minItems=1)}, ("fork",)),
        "branch": _object(branch, ("branch", "choices")),
        "loop": _object(loop, ("loop", "body")) | {"oneOf": [{"required": ["again"]}, {"required": ["count"]}]},
        "select": _object(select, ("select", "k", "choices")),
    }


def _label() -> Node:
    """Return the name of a control block, which may be left to octomodel."""
    return {"anyOf": [_ref("name"), {"enum": ["", None]}]}


def _choice(value: str, number: Node) -> Node:
    properties = {"choice": _ref("name"), value: number, "program": _ref("program")}
    return _object(properties, properties)


def _phases(values: Node) -> Node:
    return {"anyOf": [_map(values), {"type": "null"}]}


def _plan() -> Node:
    """Return the form of the phases of a workflow."""
    stretch = {"request": {"type": "integer", "minimum": 1}, "time": _quantity("whole cycles", minimum=1)}
    plans = [
        _object({"by": {"const": by}, "cycle": _list(_pair(_ref("name"), length), minItems=1)}, ("by", "cycle"))
        for by, length in stretch.items()
    ]
    return {"anyOf": [*plans, {"type": "null"}]}


def _mix() -> Node:
    shares = _map({"type": "number", "minimum": 0})
    properties: Node = {
        "mix": _ref("name"),
        "parts": _map({"anyOf": [{"type": "string"}, _ref("single")]}),
        "shares": shares,
        "of": {"enum": list(OF)},
        "phases": _plan(),
        "phase_shares": {"anyOf": [_map(shares), {"type": "null"}]},
    }
    return _object(properties, ("mix", "parts", "shares"))


def _workflow() -> Node:
    name = _ref("name")
    series = _list({"type": "number"}, minItems=1)
    told: Node = {**dict.fromkeys(ORIGIN, {"type": ["string", "null"]}), "repeat": {"type": "boolean"}}
    column = _or_column(_object({"values": series, **told}, ["values"]), "values")
    properties: Node = {
        "name": name,
        "description": {"type": ["string", "null"]},
        "in_bytes": _quantity("bytes", "null", minimum=0, maximum=2**48),
        "deadline_cycles": _quantity("whole cycles", "null", minimum=1),
        "milestones": {"type": ["array", "null"], "items": name, "uniqueItems": True},
        "attributes": {"anyOf": [_map({"anyOf": [_ref("law"), series, column]}), {"type": "null"}]},
        "phases": _plan(),
        "program": _ref("program"),
    }
    return _object(properties, ("name", "program"))


def _hardware() -> Node:
    """Return the form of a machine: its limits are those that the constructor of ``System`` checks."""
    values: Node = {name: _range(name, low, high) for name, low, high in INTEGERS}
    values |= {name: _range(name, low, high, "null") for name, low, high in OPTIONAL}
    rate = {"type": ["number", "string", "null"], "exclusiveMinimum": 0}
    values |= {name: rate | {"pattern": f"^[1-9][0-9]*/[1-9][0-9]*$|{units.PATTERN}", UNIT: "bytes per cycle"} for name in RATES}
    speed = {"type": "number", "minimum": 1e-6, "maximum": 1e6}
    slots = {"type": "integer", "minimum": 0, "maximum": 2**24}
    cluster = {"type": "integer", "minimum": 0}
    values |= {
        "torus": {"type": "boolean"},
        "background_load": {"type": "boolean"},
        "clock_hz": _quantity("hertz", exclusiveMinimum=0),
        "tbu_speed": {"anyOf": [speed, _list(speed, minItems=1)]},
        "queue_slots": {"anyOf": [slots, _map(slots)]},
        "die": {"anyOf": [_pair(*2 * [{"type": "integer", "minimum": 1}]), {"type": "null"}]},
        "dead_tbus": _list(cluster),
        "dead_links": _list(_pair(cluster, cluster)),
        "tbu_fault_rate": {"type": "number", "minimum": 0, "maximum": 1},
        "link_fault_rate": {"type": "number", "minimum": 0, "maximum": 1},
    }
    top: Node = {"description": {"type": "string"}}
    for path, name in PATHS.items():
        group, _, key = path.rpartition(".")
        target = top.setdefault(group, _object({}))["properties"] if group else top
        target[key] = values[name]
    return _object(top, ("rows", "cols"))


def _range(name: str, low: int, high: int, *types: str) -> Node:
    unit = "whole cycles" if name.endswith("_cycles") else "bytes" if name.endswith("_bytes") else None
    if unit is None:
        return {"type": ["integer", *types] if types else "integer", "minimum": low, "maximum": high}
    return _quantity(unit, *types, minimum=low, maximum=high)


def _load() -> Node:
    several: Node = {
        "requests": {"type": ["integer", "null"], "minimum": 1},
        "in_flight": {"anyOf": [{"type": ["integer", "null"], "minimum": 1}, {"enum": ["auto", "unlimited"]}]},
        "split": {"anyOf": [{"const": "even"}, _list({"type": "number", "minimum": 0}, minItems=1)]},
    }
    own = {
        "rate": _quantity("requests per cycle", exclusiveMinimum=0),
        "period_cycles": _quantity("cycles", minimum=0),
        "law": _ref("law_of_cycles"),
        "rates": _list(_quantity("requests per cycle", minimum=0), minItems=2),
        "mean_cycles": _list(_quantity("cycles", minimum=1), minItems=2),
        "arrival_cycles": _list(_quantity("whole cycles", minimum=0), minItems=1),
    }
    told: Node = dict.fromkeys(ORIGIN, {"type": ["string", "null"]})
    several |= {**told, "repeat": {"type": "boolean"}}
    kinds = []
    for kind, load in KINDS.items():
        names = [field.name for field in dataclasses.fields(load)]
        properties = {"kind": {"const": kind}, **{name: {**several, **own}[name] for name in names}}
        form = _object(properties, [key for key in properties if key not in several])
        kinds.append(_or_column(form, "arrival_cycles") if kind == "trace" else form)
    return {"anyOf": kinds}
