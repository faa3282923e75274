"""Chakra execution traces as JSON (https://github.com/mlcommons/chakra, schema/protobuf/et_def.proto).

A node waits for its ``data_deps`` and ``ctrl_deps`` and takes its ``duration_micros``, or where this is not told as long as
its ``num_ops`` take. A node that moves data passes on as
many bytes (``comm_size``, ``tensor_size``). Nodes of one ``name`` share a configuration. Metadata nodes do nothing: what
waits for one waits for what it waits for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from octomodel import checks
from octomodel.errors import NOTHING, ModelError
from octomodel.importers import dag as recorded
from octomodel.importers import json_text
from octomodel.importers.build import Imported, build, warned
from octomodel.importers.dag import Recorded
from octomodel.workflow import Workflow

IDLE = "METADATA_NODE"
PAYLOADS = {
    **dict.fromkeys(("COMM_SEND_NODE", "COMM_RECV_NODE", "COMM_COLL_NODE"), "comm_size"),
    **dict.fromkeys(("MEM_LOAD_NODE", "MEM_STORE_NODE"), "tensor_size"),
}
"""Attribute that tells how many bytes a node moves, by its type."""
TYPES = ("COMP_NODE", *PAYLOADS, "STORAGE_NODE", "BATCH_NODE", "CHECKPOINT_NODE", IDLE)
DEPENDENCIES = ("data_deps", "ctrl_deps")

_WHOLE = re.compile(r"0|[1-9][0-9]{0,19}")
_VALUE = re.compile(r"[a-z0-9]+(_val|Val|_list|List)")


@dataclass(frozen=True)
class Times:
    """What times are made of: cycles per microsecond, operations per cycle, cycles where nothing is told."""

    per_micro: Fraction
    ops_per_cycle: Fraction | None
    fallback: float | None

    def cycles(self, at: str, node: Mapping[str, Any], attributes: Mapping[str, Any]) -> float | None:
        """Return the cycles of a node; None where they are not known."""
        micros = _field(node, "duration_micros", None)
        if micros is not None:
            micros = micros if isinstance(micros, float) else _whole(f"{at}.duration_micros", micros)
            return recorded.cycles(f"{at}.duration_micros", micros, self.per_micro)
        ops = _whole(f"{at}.attr.num_ops", attributes.get("num_ops", 0))
        if ops and self.ops_per_cycle is not None:
            return recorded.cycles(f"{at}.attr.num_ops", ops, 1 / self.ops_per_cycle)
        return 0.0 if node["type"] == IDLE else self.fallback


def from_chakra(
    path: str | os.PathLike[str],
    *,
    clock_hz: float | str = 1e9,
    duration: float | str | None = None,
    ops_per_cycle: float | None = None,
    series_parallel: str = "refuse",
    name: str | None = None,
) -> Workflow:
    """Return the workflow of a Chakra execution trace, that of one rank.

    Parameters
    ----------
    path : str or path-like
        A JSON file of at most 16 MiB and 16,384 nodes: what ``chakra_jsonizer`` writes (the metadata, then one object for
        each node), a list of nodes, or an object with the list ``nodes``. Keys may have underscores or humps.
    clock_hz : float or str
        Cycles per second, or a text such as ``"1.2 GHz"``.
    duration : float or str, optional
        Cycles of nodes without a duration, or a text such as ``"5 us"``; default: such a node is an error.
    ops_per_cycle : float, optional
        Operations per cycle of a PEA at speed 1: a node without a duration takes its ``num_ops``, if it has some above 0,
        divided by it.
    series_parallel : {"refuse", "levels"}
        What becomes of nodes that are neither in series nor in parallel: an error that names the edge, or a barrier between
        their levels, with a warning that says how much longer the longest chain gets.
    name : str, optional
        Default: the name of the file.

    Returns
    -------
    Workflow
        One task block for each node but metadata, its name that of the node and its number.

    Raises
    ------
    ModelError
        When the file cannot be read or has another form; a number of a node stands twice, a dependency or a type is unknown, a
        duration is missing, nodes wait for each other in a circle, or a value is out of range.

    Warns
    -----
    ModelWarning
        When barriers were added.

    Examples
    --------
    >>> import json, tempfile
    >>> nodes = [
    ...     {"id": 1, "name": "matmul", "type": "COMP_NODE", "duration_micros": 5},
    ...     {"id": 2, "name": "all_reduce", "type": "COMM_COLL_NODE", "duration_micros": 3, "data_deps": [1]},
    ... ]
    >>> with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
    ...     _ = file.write(json.dumps(nodes))
    ...     file.flush()
    ...     from_chakra(file.name, clock_hz="2 GHz").demand()
    {'matmul.1': 10000.0, 'all_reduce.2': 6000.0}
    """
    found = read_chakra(
        path,
        clock_hz=clock_hz,
        duration=duration,
        ops_per_cycle=ops_per_cycle,
        series_parallel=series_parallel,
        name=name,
    )
    return warned(found)


def read_chakra(
    path: str | os.PathLike[str],
    *,
    clock_hz: float | str = 1e9,
    duration: float | str | None = None,
    ops_per_cycle: float | None = None,
    series_parallel: str = "refuse",
    name: str | None = None,
) -> Imported:
    """Return the workflow of a Chakra execution trace with what became of its dependencies; as ``from_chakra``."""
    file = os.fspath(path)
    place, nodes = _nodes(file, json_text.read(path))
    per_second = recorded.clock("clock_hz", clock_hz)
    times = Times(
        per_second / 10**6,
        None if ops_per_cycle is None else Fraction(repr(checks.real("ops_per_cycle", ops_per_cycle, 1e-9, 1e15))),
        recorded.fallback("duration", duration, per_second),
    )
    tasks = _tasks(place, nodes, times)
    idle = {i for i, node in enumerate(nodes) if node["type"] == IDLE}
    dag = recorded.ordered(place, tasks, idle)
    return build(
        dag,
        Path(file).stem if name is None else name,
        series_parallel,
        description=f"{len(dag.tasks)} nodes of the Chakra trace {Path(file).name}, at {float(per_second):g} cycles per second",
    )


def _nodes(file: str, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """Return the nodes of a trace and the place of their list."""
    if len(values) == 1 and isinstance(values[0], list):
        return file, values[0]
    if len(values) == 1 and isinstance(values[0], Mapping) and "nodes" in values[0]:
        return f"{file}.nodes", checks.sequence(f"{file}.nodes", values[0]["nodes"], "a list of nodes")
    if values and isinstance(values[0], Mapping) and not {"id", "name", "type"} & values[0].keys():
        values = values[1:]  # the metadata of the trace
    return file, values


def _tasks(place: str, nodes: Sequence[Any], times: Times) -> list[Recorded]:
    number: dict[int, int] = {}
    for i, node in enumerate(nodes):
        at = f"{place}[{i}]"
        # what is 0 is left out by the writer of JSON that Chakra uses
        key = _whole(f"{at}.id", checks.mapping(at, node).get("id", 0))
        if key in number:
            raise ModelError(f"{at}.id", key, f"each number once; it is that of {place}[{number[key]}] already")
        number[key] = i
        if "type" not in node:
            allowed = "the type of a node; traces of PyTorch become Chakra's by chakra_converter"
            raise ModelError(f"{at}.type", NOTHING, allowed)
        checks.one_of(f"{at}.type", node["type"], TYPES)
    known = list(number)
    return [_task(f"{place}[{i}]", node, known[i], number, times) for i, node in enumerate(nodes)]


def _task(at: str, node: Mapping[str, Any], key: int, number: Mapping[int, int], times: Times) -> Recorded:
    title = _field(node, "name", "")
    if not isinstance(title, str):
        raise ModelError(f"{at}.name", title, "a text")
    before: dict[int, str] = {}
    for field in DEPENDENCIES:
        for j, value in enumerate(checks.sequence(f"{at}.{field}", _field(node, field, ()), "a list of numbers of nodes")):
            other = _whole(f"{at}.{field}[{j}]", value)
            if other not in number:
                raise ModelError(f"{at}.{field}[{j}]", other, "the number of a node of this file")
            before.setdefault(number[other], f"{at}.{field}[{j}]")
    kind, label = node["type"], title or node["type"]
    attributes = _attributes(f"{at}.attr", _field(node, "attr", ()))
    cycles = times.cycles(at, node, attributes)
    if cycles is None:
        raise recorded.missing(at, f"{label}.{key}", "duration_micros, or num_ops with ops_per_cycle=...")
    payload = PAYLOADS.get(kind)
    return Recorded(
        key=f"{label}.{key}",
        place=at,
        type=label,
        cycles=cycles,
        out_bytes=_whole(f"{at}.attr.{payload}", attributes.get(payload, 0)) if payload else 0,
        kind="ai" if kind == "COMP_NODE" and attributes.get("is_cpu_op") is not True else "general",
        before=tuple(before),
        before_places=tuple(before.values()),
    )


def _attributes(place: str, value: object) -> dict[str, Any]:
    """Return the attributes of a node, of whatever type, by name."""
    found: dict[str, Any] = {}
    for j, each in enumerate(checks.sequence(place, value, "a list of attributes")):
        name = checks.mapping(f"{place}[{j}]", each).get("name")
        held = [key for key in each if _VALUE.fullmatch(key)]
        if not isinstance(name, str) or len(held) > 1:
            raise ModelError(f"{place}[{j}]", each, "a name and one value, such as int64_val")
        found[name] = each[held[0]] if held else 0
    return found


def _field(node: Mapping[str, Any], name: str, default: Any) -> Any:
    """Return a field whose key is written with underscores or with humps."""
    first, *others = name.split("_")
    return node.get(name, node.get(first + "".join(map(str.title, others)), default))


def _whole(place: str, value: object) -> int:
    """Return a whole number, as such or as a text: JSON of 64-bit integers."""
    if isinstance(value, str):
        if not _WHOLE.fullmatch(value):
            raise ModelError(place, value, "a whole number >= 0")
        value = int(value)
    return checks.integer(place, value, 0, 2**64 - 1)
