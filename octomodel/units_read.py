"""Quantities with a unit in a description, replaced by what they are in cycles and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from octomodel import checks, units
from octomodel.errors import ModelError
from octomodel.provenance import PARTS
from octomodel.schema import UNIT, Node, schema
from octomodel.units import Clock

_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "null": type(None), "boolean": bool}


def converted(data: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return a description whose quantities are numbers.

    Parameters
    ----------
    data : mapping
        A whole description; what is no quantity, right or wrong, is left as it is.
    path : str
        What errors begin with.

    Returns
    -------
    dict
        Without ``clock_hz`` at the top.

    Raises
    ------
    ModelError
        When a unit is unknown; a time in seconds has no clock; the clocks of file and machine differ.

    Examples
    --------
    >>> converted({"hardware": {"clock_hz": "2 GHz", "tbu": {"reload_cycles": "3 us", "memory_bytes": "1 KiB"}}}, "f")
    {'hardware': {'clock_hz': 2000000000.0, 'tbu': {'reload_cycles': 6000, 'memory_bytes': 1024}}}
    """
    rate = clock(data, path)
    result = {key: value for key, value in data.items() if key != "clock_hz"}
    for part in PARTS:
        if part in result:
            result[part] = converted_part(part, result[part], f"{path}.{part}", rate)
    return result


def converted_part(part: str, data: Any, path: str, clock: Clock) -> Any:
    """Return the workflow, the hardware or the load of a description with numbers for quantities; as ``converted``."""
    return _walk(schema()["$defs"][part], data, path, clock)


def clock(data: Mapping[str, Any], path: str) -> Clock:
    """Return the clock that a description states, None if it states none."""
    hardware = data.get("hardware")
    stated: dict[str, Any] = {"clock_hz": data.get("clock_hz")}
    stated["hardware.clock_hz"] = hardware.get("clock_hz") if isinstance(hardware, Mapping) else None
    found = {}
    for place, value in stated.items():
        if isinstance(value, str) and units.is_quantity(value):
            value = units.frequency(f"{path}.{place}", value)
        if value is not None:
            found[place] = Fraction(checks.real(f"{path}.{place}", value, above=True))
    if len(set(found.values())) > 1:
        allowed = f"{float(found['hardware.clock_hz']):g}, as hardware.clock_hz says, or only one of the two"
        raise ModelError(f"{path}.clock_hz", data["clock_hz"], allowed)
    return next(iter(found.values()), None)


def _walk(node: Node, data: Any, path: str, clock: Clock) -> Any:
    node = _resolved(node, data)
    if isinstance(data, str):
        return units.READERS[node[UNIT]](path, data, clock) if UNIT in node and units.is_quantity(data) else data
    if isinstance(data, dict):
        known = node.get("properties", {})
        others = node.get("additionalProperties") or {}
        return {key: _walk(known.get(key, others), value, f"{path}.{key}", clock) for key, value in data.items()}
    if isinstance(data, list):
        if all(type(item) in (int, float) for item in data):
            return data
        first = node.get("prefixItems", ())
        rest = node.get("items", {})
        return [
            _walk(first[i] if i < len(first) else rest, item, f"{path}[{i}]", clock) for i, item in enumerate(data)
        ]
    return data


def _resolved(node: Node, data: Any) -> Node:
    """Return what a node says of some data: without references, and of several forms the first that data has."""
    while True:
        if "$ref" in node:
            node = schema()["$defs"][node["$ref"].rpartition("/")[2]]
        elif "anyOf" in node:
            node = next((form for form in map(_named, node["anyOf"]) if _is_form(form, data)), {})
        else:
            return node


def _named(node: Node) -> Node:
    while "$ref" in node:
        node = schema()["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def _is_form(node: Node, data: Any) -> bool:
    """Return whether data are of the type of a node and name its kind: enough to tell the forms of a value apart."""
    if "anyOf" in node:
        return any(_is_form(_named(form), data) for form in node["anyOf"])
    if "const" in node or "enum" in node:
        return data in (node["enum"] if "enum" in node else [node["const"]])
    types = node.get("type", [])
    types = [types] if isinstance(types, str) else types
    if not any(isinstance(data, _TYPES[each]) for each in types if each in _TYPES):
        return False
    if not isinstance(data, dict):
        return True
    properties = node.get("properties", {})
    fixed = {key: each["const"] for key, each in properties.items() if "const" in each}
    named = fixed if fixed else dict.fromkeys(node.get("required", [])[:1])
    return all(key in data and data[key] == fixed.get(key, data[key]) for key in named)
