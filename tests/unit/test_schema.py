"""The exported JSON Schema and the loader know the same form: keys, required keys, kinds and limits of values."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import octomodel as om
from octomodel import presets, units, yaml_text
from octomodel.dist.base import LAWS
from octomodel.errors import ModelError
from octomodel.load import KINDS
from octomodel.provenance import places
from octomodel.schema import DIALECT, OLD_VERSION_KEY, UNIT, schema
from octomodel.testing.scenarios import scenario
from octomodel.testing.workflows import workflows
from octomodel.yaml_io import Document, from_dict, to_dict

ANNOTATIONS = {"$schema", "$defs", "title", "deprecated", UNIT}
TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "null": type(None), "boolean": bool}
Node = Mapping[str, Any]


NO_FORM: Any = [[{"no": ["form"]}]]
"""Wrong for every key."""

ANYTHING: Any = object()
"""Right for every key."""


def fits(node: Node, value: Any) -> bool:
    """Return whether a value is of a form; a JSON Schema validator for the keywords that the schema has, and no other."""
    return value is ANYTHING or all(KEYWORDS[key](node, value) for key in node if key not in ANNOTATIONS)


def _type(node: Node, value: Any) -> bool:
    types = [node["type"]] if isinstance(node["type"], str) else node["type"]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    whole = number and (isinstance(value, int) or value.is_integer())
    return any({"number": number, "integer": whole}.get(each, isinstance(value, TYPES.get(each, ()))) for each in types)


def _numeric(compare: Any) -> Any:
    return lambda node, value: isinstance(value, bool) or not isinstance(value, int | float) or compare(node, value)


def _on(kind: type, check: Any) -> Any:
    return lambda node, value: not isinstance(value, kind) or check(node, value)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _items(node: Node, value: list[Any]) -> bool:
    return all(fits(node["items"], item) for item in value[len(node.get("prefixItems", ())) :])


def _others(node: Node, value: dict[str, Any]) -> bool:
    others = node["additionalProperties"]
    more = [item for key, item in value.items() if key not in node.get("properties", {})]
    return not more if others is False else all(fits(others, item) for item in more)


def _if(node: Node, value: Any) -> bool:
    return not fits(node["if"], value) or fits(node["then"], value)


KEYWORDS: dict[str, Any] = {
    "$ref": lambda node, value: fits(target(node["$ref"]), value),
    "type": _type,
    "const": lambda node, value: _same(node["const"], value),
    "enum": lambda node, value: any(_same(each, value) for each in node["enum"]),
    "anyOf": lambda node, value: any(fits(each, value) for each in node["anyOf"]),
    "oneOf": lambda node, value: sum(fits(each, value) for each in node["oneOf"]) == 1,
    "not": lambda node, value: not fits(node["not"], value),
    "if": _if,
    "then": lambda node, value: "if" in node,
    "pattern": _on(str, lambda node, value: re.search(node["pattern"], value) is not None),
    "minimum": _numeric(lambda node, value: value >= node["minimum"]),
    "maximum": _numeric(lambda node, value: value <= node["maximum"]),
    "exclusiveMinimum": _numeric(lambda node, value: value > node["exclusiveMinimum"]),
    "exclusiveMaximum": _numeric(lambda node, value: value < node["exclusiveMaximum"]),
    "minItems": _on(list, lambda node, value: len(value) >= node["minItems"]),
    "maxItems": _on(list, lambda node, value: len(value) <= node["maxItems"]),
    "uniqueItems": _on(list, lambda node, value: len({json.dumps(item) for item in value}) == len(value)),
    "items": _on(list, _items),
    "prefixItems": _on(list, lambda node, value: all(map(fits, node["prefixItems"], value))),
    "properties": _on(dict, lambda node, value: all(fits(node["properties"].get(k, {}), v) for k, v in value.items())),
    "required": _on(dict, lambda node, value: all(key in value for key in node["required"])),
    "additionalProperties": _on(dict, _others),
    "propertyNames": _on(dict, lambda node, value: all(fits(node["propertyNames"], key) for key in value)),
}


def target(reference: str) -> Node:
    found: Node = schema()["$defs"][reference.removeprefix("#/$defs/")]
    return found


def nodes(node: Any) -> Iterator[Node]:
    """Yield every mapping of the schema that is one of its schemas, not a table of names."""
    yield node
    for key, value in node.items():
        if key in ("properties", "$defs"):
            for each in value.values():
                yield from nodes(each)
        elif key in ("anyOf", "oneOf", "prefixItems"):
            for each in value:
                yield from nodes(each)
        elif key in ("items", "additionalProperties", "propertyNames", "not", "if", "then") and isinstance(value, dict):
            yield from nodes(value)


FULL = yaml_text.parse(
    """
    schema_version: 1
    title: a title
    sources: [a source]
    workflow:
      name: full
      description: words
      in_bytes: 3
      deadline_cycles: 99
      milestones: [a]
      attributes: {tokens: {law: uniform, low: 1, high: 9}}
      phases: {by: request, cycle: [[m, 5], [n, 6]]}
      program:
        - {task: a, time: {law: gamma, mean: 9, cv: 0.5}, out_bytes: 1, config_bytes: 2, config: c, kind: general, parallel: 0.5,
           phases: {n: 7}}
        - branch: turn
          choices:
            - {choice: x, probability: 0.5, program: [{task: b, time: 1}]}
            - {choice: y, probability: 0.5, program: []}
          phases: {n: {x: 1.0, y: 0.0}}
        - loop: l1
          again: 0.5
          body: [{task: d, time: {per: tokens, slope: 3, base: 1, law: {law: lognormal, mean: 1, cv: 0.1}}}]
          phases: {n: 0.25}
        - {loop: l2, count: 2, body: [{task: e, time: 3}]}
        - fork: [[{task: f, time: 4}], [{task: g, time: 5}]]
        - select: s
          k: 1
          items: 1
          choices:
            - {choice: h, weight: 1, program: [{task: h, time: 1}]}
            - {choice: i, weight: 2, program: [{task: i, time: 2}]}
          phases: {n: {h: 2, i: 1}}
    hardware: {rows: 2, cols: 2}
    load: {kind: closed, requests: 5, in_flight: 4, split: even}
    provenance: {workflow.in_bytes: {tag: estimate, source: judged, note: words}}
    """,
    "FULL",
)


def test_the_schema_is_json_with_keywords_that_are_checked_and_references_that_lead_somewhere() -> None:
    assert json.loads(json.dumps(schema())) == schema()
    assert schema()["$schema"] == DIALECT
    found = list(nodes(schema()))
    assert {key for node in found for key in node} == set(KEYWORDS) | ANNOTATIONS
    for node in found:
        if "$ref" in node:
            assert target(node["$ref"])
        if UNIT in node:
            assert node[UNIT] in units.READERS
        if "pattern" in node:
            re.compile(node["pattern"])
        assert set(node.get("required", ())) <= set(node.get("properties", node.get("required", ())))


@pytest.mark.parametrize("kind", presets.KINDS)
def test_presets_have_the_form(kind: Any) -> None:
    for name in presets.names(kind):
        assert fits(schema(), to_dict(presets.document(kind, name)))


@given(workflows(), st.integers(0, 10_000))
def test_generated_descriptions_have_the_form(workflow: om.Workflow, seed: int) -> None:
    made = scenario(seed)
    assert fits(schema(), to_dict(Document(workflow, made.system, made.load)))


def test_what_extends_others_may_be_incomplete() -> None:
    part = {"schema_version": 1, "hardware": {"rows": 3}}
    assert not fits(schema(), part)
    assert fits(schema(), {**part, "extends": "chip_64c"})
    assert not fits(schema(), {"extends": "chip_64c"})


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("hardware.rows", 0),
        ("hardware.rows", True),
        ("hardware.rows", 1.5),
        ("hardware.torus", 1),
        ("hardware.die", [1]),
        ("hardware.link.bytes_per_cycle", "fast"),
        ("workflow.name", "1st"),
        ("workflow.program[0].time", "soon"),
        ("workflow.program[0].time", {"law": "gama", "mean": 5}),
        ("workflow.program[0].time", {"law": "gamma", "mean": 5}),
        ("workflow.program[0].kind", "AI"),
        ("workflow.program[1].choices[0].probability", 1.5),
        ("workflow.milestones", ["a", "a"]),
        ("load.kind", "open"),
        ("load.requests", 0),
        ("load", {"kind": "trace", "file": "a.csv"}),
        ("workflow.attributes.tokens", {"file": "a.csv"}),
        ("workflow.program[0].time", {"law": "empirical", "column": "a"}),
        ("schema_version", 2),
    ],
)
def test_mistakes_do_not_have_the_form(place: str, value: Any) -> None:
    assert fits(schema(), FULL)
    data = put(FULL, place, value)
    assert not fits(schema(), data)
    with pytest.raises(ModelError):
        from_dict(data, "f")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("load", {"kind": "trace", "file": "a.csv", "column": "c", "unit": "ms", "repeat": True}),
        ("workflow.attributes.tokens", {"file": "a.csv", "column": "c", "sha256": "0", "repeat": False}),
        ("workflow.program[0].time", {"law": "empirical", "file": "a.csv", "column": "c", "unit": "us"}),
    ],
)
def test_columns_of_tables_have_the_form(place: str, value: Any) -> None:
    assert fits(schema(), put(FULL, place, value))


def put(data: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    data = copy.deepcopy(data)
    *outer, last = [int(key) if key.isdigit() else key for key in re.findall(r"[A-Za-z_]+|[0-9]+", place)]
    holder: Any = data
    for key in outer:
        holder = holder.setdefault(key, {}) if isinstance(holder, dict) else holder[key]
    holder[last] = value
    return data


def mappings(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the mappings of a description, each to be changed and changed back, but not those by the names of a user."""
    for place, value in places(data, "f").items():
        by_name = (".attributes", ".phases.n", "].phases", ".parts", ".shares", ".phase_shares", ".phase_shares.n")
        if isinstance(value, dict) and not place.endswith(by_name):
            yield place.replace("provenance.workflow.in_bytes", "provenance[workflow.in_bytes]"), value


def wholes() -> list[dict[str, Any]]:
    """Return descriptions in which every key that there is stands, or could."""
    found = [copy.deepcopy(FULL)]
    found[0]["hardware"] = om.System(2, 2).to_dict(full=True)
    for law in LAWS:
        found.append({"schema_version": 1, "workflow": {"name": "w", "program": [{"task": "a", "time": example(law)}]}})
    rate = {"poisson": {"rate": 1}, "periodic": {"period_cycles": 1}, "renewal": {"law": {"law": "exponential", "mean": 1}}}
    rate |= {"closed": {}, "mmpp": {"rates": [1, 2], "mean_cycles": [1, 2]}, "trace": {"arrival_cycles": [1]}}
    found.extend({"schema_version": 1, "load": {"kind": kind, **rate[kind]}} for kind in KINDS)
    given = {"name": "w", "program": [{"task": "a", "time": 1}], "attributes": {"tokens": {"values": [1, 2]}}}
    found.append({"schema_version": 1, "workflow": given})
    several = {"mix": "m", "parts": {"x": {**given, "phases": None}, "y": "tandem"}, "shares": {"x": 1, "y": 2}, "of": "work"}
    several |= {"phases": {"by": "request", "cycle": [["m", 5], ["n", 6]]}, "phase_shares": {"n": {"x": 0, "y": 1}}}
    found.append({"schema_version": 1, "workflow": several})
    return found


def example(law: str) -> dict[str, Any]:
    several = {"probabilities": [0.5, 0.5], "weights": [0.5, 0.5], "means": [1, 2], "samples": [1], "alpha": [1.0], "T": [[-1.0]]}
    several |= {"laws": [{"law": "deterministic", "value": value} for value in (1, 2)]}
    keys = target(f"#/$defs/law.{law}")["required"] + (["samples"] if law == "empirical" else [])
    value: dict[str, Any] = {"low": 1, "mode": 2, "high": 3, "cv": 0.5, "mean": 5, "k": 2, "alpha": 2.5, "value": 1, "shape": 2}
    if law in ("phase_type", "hyperexponential", "mixture"):
        value = several
    return {key: law if key == "law" else several[key] if key == "samples" else value[key] for key in keys}


def refusal(data: dict[str, Any]) -> ModelError | None:
    try:
        from_dict(data, "f")
    except ModelError as error:
        return error
    return None


def test_loader_and_schema_know_and_require_the_same_keys() -> None:
    """A value of no form is put at every key: the loader says either that there is no such key, or what is wrong with it."""
    known = {key for node in nodes(schema()) for key in node.get("properties", ())} - {OLD_VERSION_KEY}
    counted = 0
    for data in wholes():
        assert fits(schema(), data) and refusal(data) is None, data
        for place, value in list(mappings(data)):
            before = dict(value)
            for key in (*sorted(known - set(value)), "nothing"):
                value[key] = NO_FORM
                error = refusal(data)
                assert error is not None, (place, key)
                value[key] = ANYTHING
                refused = error.path in (place, f"{place}.{error.value}")
                assert refused != fits(schema(), data), (place, key, error)
                del value[key]
                counted += 1
            for key in before:
                del value[key]
                error = refusal(data)
                # elsewhere something may speak of what is gone; what has no key "per" is read as a law
                here = error is not None and error.path in (place, f"{place}.{key}", f"{place}.law")
                assert here != fits(schema(), data), (place, key, error)
                value[key] = before[key]
                counted += 1
    assert counted > 2000
