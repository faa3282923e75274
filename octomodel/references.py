"""Columns of tables that a description names instead of values: read where it is, and named again when it is written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octomodel import units
from octomodel.dist import columns
from octomodel.dist.columns import Column
from octomodel.dist.empirical import ORIGIN
from octomodel.errors import NOTHING, ModelError, Words, unknown
from octomodel.units import Clock

PARTS = ("workflow", "load")
UNITS = {**units.CYCLES, **units.TIMES}
LATEST = 2.0**61


@dataclass(frozen=True)
class Place:
    """Where names of tables are looked up.

    Attributes
    ----------
    folder : Path
        What relative names start from.
    inside : bool
        Whether tables must lie in this folder or below it, links followed: true of what stands in a file.
    """

    folder: Path
    inside: bool = True


COMMAND_LINE = Place(Path(), inside=False)


def expanded(data: Mapping[str, Any], path: str, place: Place | None, clock: Clock) -> dict[str, Any]:
    """Return a description with the values of the columns that it names.

    Parameters
    ----------
    data : mapping
        A whole description, quantities converted.
    path : str
        What errors begin with.
    place : Place or None
        Where tables are; None: there is no place, so that no table can be named.
    clock : Fraction or None
        Cycles per second.

    Raises
    ------
    ModelError
        When a table is not where it may be, is not the one that was meant, or holds something else.
    """
    result = dict(data)
    for part in PARTS:
        if part in result:
            result[part] = expanded_part(part, result[part], f"{path}.{part}", place, clock)
    return result


def expanded_part(part: str, data: Any, path: str, place: Place | None, clock: Clock) -> Any:
    """Return the workflow or the load of a description with the values of the columns that it names; as ``expanded``."""
    if part == "workflow" and isinstance(data, Mapping) and isinstance(data.get("attributes"), Mapping):
        attributes = {
            name: _filled(value, f"{path}.attributes.{name}", "values", place, clock)
            if isinstance(value, Mapping) and "law" not in value
            else value
            for name, value in data["attributes"].items()
        }
        data = {**data, "attributes": attributes}
    if part == "load" and isinstance(data, Mapping) and data.get("kind") == "trace":
        return _filled(data, path, "arrival_cycles", place, clock)
    return _laws(data, path, place, clock)


def is_column(data: Mapping[str, Any]) -> bool:
    """Return whether a mapping stands for the values of an attribute, one by one: names a table, or has its values."""
    return set(data) <= {"values", "repeat", *ORIGIN} and (
        isinstance(data.get("file"), str) or isinstance(data.get("values"), list)
    )


def rebased(data: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Return a description whose tables and parts of mixes are named from where ``folder`` is, instead of from that folder."""
    if folder in ("", "."):
        return dict(data)

    def moved(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                key: _moved(each, folder) if key == "file" else parts_moved(each) if key == "parts" else moved(each)
                for key, each in value.items()
            }
        return [moved(each) for each in value] if isinstance(value, list) else value

    def parts_moved(value: Any) -> Any:
        """Move the files that a mix names."""
        if not isinstance(value, Mapping):
            return value
        return {
            name: _moved(part, folder) if isinstance(part, str) and part.endswith((".yaml", ".yml", ".toml")) else moved(part)
            for name, part in value.items()
        }

    result = dict(data)
    for part in PARTS:
        if part in result:
            result[part] = moved(result[part])
    if isinstance(data.get("changes"), Mapping):
        changes = data["changes"]
        result["changes"] = {
            key: _moved(each, folder) if str(key).endswith(".file") else moved(each) for key, each in changes.items()
        }
    return result


def contracted(data: Mapping[str, Any], folder: Path, clock: Clock) -> dict[str, Any]:
    """Return a description that names the columns its values come from, where reading them in ``folder`` gives these values."""

    def shorter(value: Any, key: str = "") -> Any:
        if isinstance(value, Mapping):
            values = _values_key(value)
            if values is not None and value.get("file") and value.get("column") and value.get("sha256"):
                named = {key: each for key, each in value.items() if key != values}
                if _gives(named, values, value[values], folder, clock):
                    return named
            return {key: shorter(each) for key, each in value.items()}
        return [shorter(each) for each in value] if isinstance(value, list) else value

    return {key: shorter(value) if key in PARTS else value for key, value in data.items()}


def arrivals(column: Column, unit: str | None, clock: Clock, path: str) -> NDArray[np.int64]:
    """Return the arrivals of a column in cycles.

    Numbers of cycles are taken as they are. Time stamps, and times in seconds, are counted from the first, for their zero means
    nothing to a machine, and rounded half up.

    Parameters
    ----------
    column : Column
    unit : str or None
        Unit of its numbers; None: cycles.
    clock : Fraction or None
        Cycles per second.
    path : str
        Where the unit stands, for messages.

    Returns
    -------
    int64[arrival]

    Raises
    ------
    ModelError
        When an arrival is before the one of the row before, below 0 or no whole number of cycles, or the clock is missing.
    """
    values = column.values
    late = np.flatnonzero(values[1:] < values[:-1])
    if len(late):
        at = int(late[0]) + 1
        before = _shown(column, at - 1)
        raise ModelError(column.place(at), _shown(column, at), f"at least {before}, the row before: ascending order")
    if column.stamps and unit is not None:
        raise ModelError(f"{path}.unit", unit, "no unit: the column holds time stamps")
    if unit is None and not column.stamps:
        wrong = np.flatnonzero((values != np.floor(values)) | (values > LATEST))
        if len(wrong):
            allowed = "a whole number of cycles up to 2^61, or a unit of the column, such as unit: ms"
            raise ModelError(column.place(int(wrong[0])), _shown(column, int(wrong[0])), allowed)
        return values.astype(np.int64)
    factor = float(factor_of(f"{path}.unit", "ns" if unit is None else unit, clock))
    since = values if unit in units.CYCLES else values - values[0]
    found = np.floor(since.astype(np.float64) * factor + 0.5)
    if found[-1] > LATEST:
        raise ModelError(column.place(len(values) - 1), Words(f"cycle {found[-1]:g}"), "at most cycle 2^61")
    return found.astype(np.int64)


def factor_of(path: str, unit: object, clock: Clock) -> Fraction:
    """Return how many cycles a unit of time is.

    Raises
    ------
    ModelError
        When there is no such unit, or it is one of seconds and there is no clock.
    """
    if not isinstance(unit, str) or unit not in UNITS:
        raise unknown(path, str(unit), {name for name in UNITS if name != "μs"})
    if unit in units.CYCLES:
        return Fraction(units.CYCLES[unit])
    if clock is None:
        raise ModelError(path, unit, "cycles, or a clock: hardware.clock_hz, or clock_hz at the top of the file")
    return units.TIMES[unit] * clock


def _shown(column: Column, at: int) -> object:
    value = column.values[at].item()
    return Words(np.datetime64(value, "ns")) if column.stamps else value


def _values_key(data: Mapping[str, Any]) -> str | None:
    return next((key for key in ("samples", "values", "arrival_cycles") if isinstance(data.get(key), list)), None)


def _gives(named: Mapping[str, Any], key: str, values: list[Any], folder: Path, clock: Clock) -> bool:
    try:
        found = _filled(named, "", key, Place(folder), clock)[key]
    except ModelError:
        return False
    return np.array_equal(np.sort(found), values) if key == "samples" else np.array_equal(found, values)


def _laws(data: Any, path: str, place: Place | None, clock: Clock) -> Any:
    if isinstance(data, Mapping):
        if data.get("law") == "empirical":
            return _filled(data, path, "samples", place, clock)
        return {key: _laws(value, f"{path}.{key}", place, clock) for key, value in data.items()}
    if isinstance(data, list):
        return [_laws(value, f"{path}[{i}]", place, clock) for i, value in enumerate(data)]
    return data


def _filled(data: Mapping[str, Any], path: str, key: str, place: Place | None, clock: Clock) -> dict[str, Any]:
    """Return a mapping with the values of the column that it names; where it has its values, names only say their origin."""
    result = dict(data)
    if key in data or not any(name in data for name in ORIGIN):
        return result
    if place is None:
        raise ModelError(f"{path}.file", data.get("file"), f"{key}: only a file or a command line can name a table")
    for name in ("file", "column"):
        if not isinstance(data.get(name), str):
            raise ModelError(f"{path}.{name}", data.get(name, NOTHING), f"a text: the {name} that the values come from, or {key}")
    file = _found(data["file"], f"{path}.file", place)
    table = columns.read(file, [data["column"]], least=-1e300 if key == "values" else 0.0, stamps=key == "arrival_cycles")
    (column,) = table.columns
    pinned, unit = data.get("sha256"), data.get("unit")
    if pinned is not None and pinned != table.sha256:
        allowed = f"{table.sha256}, the digest of {data['file']}: it has changed since this was written"
        raise ModelError(f"{path}.sha256", pinned, allowed)
    if key == "arrival_cycles":
        result[key] = arrivals(column, unit, clock, path)
    else:
        result[key] = column.values if unit is None else column.values * float(factor_of(f"{path}.unit", unit, clock))
    result["sha256"] = table.sha256
    return result


def _found(name: str, path: str, place: Place) -> str:
    """Return the path of a table, refused where a file may not name it."""
    if not columns.is_table_name(name):
        raise ModelError(path, name, f"a file that ends in {' or '.join(columns.SUFFIXES)}")
    target = place.folder / name
    if not place.inside:
        return str(target)
    allowed = "a file in the folder of the description or below it"
    if "\0" in name or os.path.isabs(name):
        raise ModelError(path, name, f"{allowed}, by a relative name")
    try:
        real = target.resolve()
    except (OSError, RuntimeError):  # links in a circle
        raise ModelError(path, name, allowed) from None
    if not real.is_relative_to(place.folder.resolve()):
        raise ModelError(path, name, allowed)
    if not real.is_file():
        near = unknown(path, name, sorted(_tables(place.folder)))
        raise ModelError(path, name, f"an existing CSV or Parquet file; in the folder: {near.allowed}")
    return str(target)


def _tables(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir() if columns.is_table_name(each.name)][:1000]


def _moved(value: Any, folder: str) -> Any:
    return os.path.normpath(os.path.join(folder, value)) if isinstance(value, str) else value
