"""Instances of WfCommons: WfFormat 1.5 and 1.6 (https://github.com/wfcommons/WfFormat).

A task waits for its ``parents``, takes its ``runtimeInSeconds``, and passes on all bytes of its ``outputFiles``. Tasks that
ran the same program, or have one name where no program is told, share a configuration. What is read and no task writes is
what the request brings along.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from octomodel import checks
from octomodel.errors import NOTHING, ModelError, unknown
from octomodel.importers import dag as recorded
from octomodel.importers import json_text
from octomodel.importers.build import Imported, build, warned
from octomodel.importers.dag import Recorded
from octomodel.workflow import Workflow

VERSIONS = ("1.5", "1.6")


@dataclass(frozen=True)
class Run:
    """What is told of the execution of one task: where, cycles, and the program."""

    place: str
    cycles: float | None
    program: str | None


def from_wfcommons(
    path: str | os.PathLike[str],
    *,
    clock_hz: float | str = 1e9,
    duration: float | str | None = None,
    series_parallel: str = "refuse",
    name: str | None = None,
) -> Workflow:
    """Return the workflow of a WfCommons instance.

    Parameters
    ----------
    path : str or path-like
        A JSON file of WfFormat 1.5 or 1.6, of at most 16 MiB and 16,384 tasks.
    clock_hz : float or str
        Cycles per second, or a text such as ``"1.2 GHz"``.
    duration : float or str, optional
        Cycles of tasks without a run time, or a text such as ``"5 ms"``; default: such a task is an error.
    series_parallel : {"refuse", "levels"}
        What becomes of tasks that are neither in series nor in parallel: an error that names the edge, or a barrier between
        their levels, with a warning that says how much longer the longest chain gets.
    name : str, optional
        Default: the name in the file.

    Returns
    -------
    Workflow
        One task block for each task of the file.

    Raises
    ------
    ModelError
        When the file cannot be read or has another form or version; a task, a file or a run time stands twice, is unknown or
        missing, parents and children disagree, tasks wait for each other in a circle, or a value is out of range.

    Warns
    -----
    ModelWarning
        When barriers were added.

    Examples
    --------
    >>> import json, tempfile
    >>> tasks = [
    ...     {"name": "split", "id": "a", "parents": [], "children": ["b"]},
    ...     {"name": "work", "id": "b", "parents": ["a"], "children": []},
    ... ]
    >>> data = {"name": "pair", "schemaVersion": "1.5", "workflow": {"specification": {"tasks": tasks}}}
    >>> with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
    ...     _ = file.write(json.dumps(data))
    ...     file.flush()
    ...     from_wfcommons(file.name, duration="2 us").demand()
    {'a': 2000.0, 'b': 2000.0}
    """
    found = read_wfcommons(path, clock_hz=clock_hz, duration=duration, series_parallel=series_parallel, name=name)
    return warned(found)


def read_wfcommons(
    path: str | os.PathLike[str],
    *,
    clock_hz: float | str = 1e9,
    duration: float | str | None = None,
    series_parallel: str = "refuse",
    name: str | None = None,
) -> Imported:
    """Return the workflow of a WfCommons instance with what became of its dependencies; as ``from_wfcommons``."""
    file = os.fspath(path)
    values = json_text.read(path)
    if len(values) != 1:
        raise ModelError(file, f"{len(values)} values", "one instance of WfFormat")
    instance = checks.mapping(file, values[0])
    version = instance.get("schemaVersion", NOTHING)
    if version not in VERSIONS:
        raise ModelError(f"{file}.schemaVersion", version, f"WfFormat {' or '.join(VERSIONS)}")
    place = f"{file}.workflow"
    workflow = checks.mapping(place, instance.get("workflow", NOTHING))
    specification = checks.mapping(f"{place}.specification", workflow.get("specification", NOTHING))
    per_second = recorded.clock("clock_hz", clock_hz)
    runs = _runs(f"{place}.execution", workflow.get("execution"), per_second)
    tasks, outside = _tasks(
        f"{place}.specification", specification, runs, recorded.fallback("duration", duration, per_second)
    )
    dag = recorded.ordered(f"{place}.specification.tasks", tasks)
    title = instance.get("name") if name is None else name
    title = title if isinstance(title, str) and title else Path(file).stem
    return build(
        dag,
        title,
        series_parallel,
        in_bytes=outside,
        description=f"{len(tasks)} tasks of the WfCommons instance {Path(file).name}, at {float(per_second):g} cycles per second",
    )


def _runs(place: str, execution: object, per_second: Fraction) -> dict[str, Run]:
    """Return what ran, by task."""
    if execution is None:
        return {}
    tasks = checks.mapping(place, execution).get("tasks", NOTHING)
    found: dict[str, Run] = {}
    for i, each in enumerate(checks.sequence(f"{place}.tasks", tasks, "a list of tasks")):
        at = f"{place}.tasks[{i}]"
        key = _text(f"{at}.id", checks.mapping(at, each).get("id", NOTHING))
        if key in found:
            raise ModelError(f"{at}.id", key, "each task once")
        cycles = None
        if "runtimeInSeconds" in each:
            cycles = recorded.cycles(f"{at}.runtimeInSeconds", each["runtimeInSeconds"], per_second)
        command = checks.mapping(f"{at}.command", each.get("command", {}))
        program = _text(f"{at}.command.program", command["program"]) if "program" in command else None
        found[key] = Run(at, cycles, program)
    return found


def _tasks(
    place: str, specification: Mapping[str, Any], runs: Mapping[str, Run], fallback: float | None
) -> tuple[list[Recorded], int]:
    """Return the tasks in the order of the file, and the bytes that no task writes."""
    sizes = _sizes(f"{place}.files", specification.get("files"))
    listed = checks.sequence(f"{place}.tasks", specification.get("tasks", NOTHING), "a list of tasks")
    number: dict[str, int] = {}
    for i, each in enumerate(listed):
        at = f"{place}.tasks[{i}]"
        key = _text(f"{at}.id", checks.mapping(at, each).get("id", NOTHING))
        if key in number:
            raise ModelError(f"{at}.id", key, f"each task once; it is {place}.tasks[{number[key]}] already")
        number[key] = i
    for key, run in runs.items():
        if key not in number:
            raise unknown(f"{run.place}.id", key, number)
    _check_children(place, listed, number)
    found: list[Recorded] = []
    read: dict[str, int] = {}
    written: set[str] = set()
    for i, (key, each) in enumerate(zip(number, listed, strict=True)):
        at = f"{place}.tasks[{i}]"
        run = runs.get(key, Run(at, None, None))
        cycles = fallback if run.cycles is None else run.cycles
        if cycles is None:
            raise recorded.missing(at, key, "workflow.execution.tasks with runtimeInSeconds")
        outputs = _files(f"{at}.outputFiles", each.get("outputFiles", ()), sizes)
        read |= _files(f"{at}.inputFiles", each.get("inputFiles", ()), sizes)
        written |= outputs.keys()
        name = _text(f"{at}.name", each.get("name", NOTHING))
        parents = _others(f"{at}.parents", each.get("parents", NOTHING), number)
        found.append(
            Recorded(
                key=key,
                place=at,
                type=run.program or name,
                cycles=cycles,
                out_bytes=sum(outputs.values()),
                kind="general",
                before=tuple(number[parent] for parent in parents),
                before_places=tuple(f"{at}.parents[{j}]" for j in range(len(parents))),
            )
        )
    return found, sum(size for file, size in read.items() if file not in written)


def _check_children(place: str, listed: Sequence[Any], number: Mapping[str, int]) -> None:
    """Refuse parents and children that do not say the same."""
    named = {
        key: set(_others(f"{place}.tasks[{i}].parents", listed[i].get("parents", NOTHING), number)) for key, i in number.items()
    }
    for key, i in number.items():
        at = f"{place}.tasks[{i}].children"
        children = _others(at, listed[i].get("children", NOTHING), number)
        for j, child in enumerate(children):
            if key not in named[child]:
                raise ModelError(f"{at}[{j}]", child, f"a task that has {key!r} among its parents")
            named[child].discard(key)
    for key, left in named.items():
        for parent in sorted(left):
            at = f"{place}.tasks[{number[key]}].parents"
            raise ModelError(at, parent, f"a task that has {key!r} among its children")


def _others(place: str, value: object, number: Mapping[str, int]) -> list[str]:
    found: dict[str, None] = {}
    for j, other in enumerate(checks.sequence(place, value, "a list of the ids of other tasks")):
        key = _text(f"{place}[{j}]", other)
        if key not in number:
            raise unknown(f"{place}[{j}]", key, number)
        if key in found:
            raise ModelError(f"{place}[{j}]", key, "each task once")
        found[key] = None
    return list(found)


def _sizes(place: str, value: object) -> dict[str, int] | None:
    """Return the bytes of each file; None where the instance lists none."""
    if value is None:
        return None
    found: dict[str, int] = {}
    for i, each in enumerate(checks.sequence(place, value, "a list of files")):
        at = f"{place}[{i}]"
        key = _text(f"{at}.id", checks.mapping(at, each).get("id", NOTHING))
        if key in found:
            raise ModelError(f"{at}.id", key, "each file once")
        found[key] = checks.integer(f"{at}.sizeInBytes", each.get("sizeInBytes", NOTHING), 0, 2**48)
    return found


def _files(place: str, value: object, sizes: dict[str, int] | None) -> dict[str, int]:
    """Return the bytes of the files of a task, each once."""
    found: dict[str, int] = {}
    for j, each in enumerate(checks.sequence(place, value, "a list of the ids of files")):
        key = _text(f"{place}[{j}]", each)
        if sizes is not None and key not in sizes:
            raise unknown(f"{place}[{j}]", key, sizes)
        found[key] = 0 if sizes is None else sizes[key]
    return found


def _text(place: str, value: object) -> str:
    if not isinstance(value, str) or not value or value is NOTHING:
        raise ModelError(place, value, "a text")
    return value
