"""Descriptions that extend others: presets or files beside them, with what differs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octomodel import checks, provenance, references
from octomodel.errors import ModelError, Words, unknown
from octomodel.schema import OLD_VERSION_KEY, TOP, VERSION

MAX_FILES = 32
KINDS = ("law", "kind", "per")
"""Keys of mappings that replace another one as a whole, for the other keys depend on them."""


@dataclass(frozen=True)
class Layer:
    """One description of several that are laid over each other, without what it extends."""

    name: str
    data: Mapping[str, Any]


def layers(data: Mapping[str, Any], name: str, file: Path | None) -> list[Layer]:
    """Return a description and all that it extends, in the order in which each is laid over those before.

    Parameters
    ----------
    data : mapping
        The description as it was read.
    name : str
        What errors begin with.
    file : Path or None
        Where it stands, beside or above the files that it extends; None: it may extend presets only.

    Raises
    ------
    ModelError
        When something is neither a preset nor a file in the folder; files extend each other in a circle, or are too many.
    """
    found: list[Layer] = []
    chain = () if file is None else (file.resolve(),)
    _collect(data, name, chain, found)
    return found


def check_head(data: object, name: str) -> None:
    """Refuse what is no description of this version, or has keys at the top that none has.

    Raises
    ------
    ModelError
        With the near misses of an unknown key.
    """
    fields = checks.keys(name, data, (*TOP, *([OLD_VERSION_KEY] if _is_old(data) else [])))
    key = OLD_VERSION_KEY if OLD_VERSION_KEY in fields else TOP[0]
    if key == OLD_VERSION_KEY and TOP[0] in fields:
        raise ModelError(f"{name}.{key}", fields[key], f"only {TOP[0]}, which is what {key} was called")
    version = checks.integer(f"{name}.{key}", checks.keys(name, data, fields, (key,))[key], 1)
    if version != VERSION:
        raise ModelError(f"{name}.{key}", version, f"{VERSION}, the version of files that this release reads")


def _is_old(data: object) -> bool:
    return isinstance(data, Mapping) and OLD_VERSION_KEY in data


def laid(stack: Sequence[Layer]) -> dict[str, Any]:
    """Return one description: each layer over those before, then its ``changes``.

    Mappings are merged key by key, null takes a key away, and anything else replaces what was there. The provenance of
    what a layer changes is dropped.

    Raises
    ------
    ModelError
        When a change has no place.
    """
    result: dict[str, Any] = {}
    for layer in stack:
        own = {key: value for key, value in layer.data.items() if key not in ("extends", "changes", "provenance")}
        merged = own if not result else _over(result, own)
        changes = layer.data.get("changes")
        if changes:
            merged = edited(merged, checks.mapping(f"{layer.name}.changes", changes), f"{layer.name}.changes")
        if "sources" in own and isinstance(result.get("sources"), list | tuple):
            more = checks.sequence(f"{layer.name}.sources", own["sources"], "a list of texts")
            merged["sources"] = [*result["sources"], *(source for source in more if source not in result["sources"])]
        origins = layer.data.get("provenance")
        kept = _kept(result, merged)
        if origins:
            kept |= checks.mapping(f"{layer.name}.provenance", origins)
        result = {key: value for key, value in merged.items() if key != "provenance"}
        if kept:
            result["provenance"] = kept
    return result


def edited(data: Mapping[str, Any], changes: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return a description with other values at some places; null takes a value away.

    Parameters
    ----------
    data : mapping
    changes : mapping
        Values by place, such as ``workflow.program[0].time.mean`` or ``hardware.tbu.switch_cycles``.
    path : str
        What errors begin with.

    Raises
    ------
    ModelError
        When there is nothing at a place that could have the value.

    Examples
    --------
    >>> edited({"hardware": {"rows": 2}}, {"hardware.tbu.switch_cycles": 5}, "changes")
    {'hardware': {'rows': 2, 'tbu': {'switch_cycles': 5}}}
    """
    result = dict(data)
    for place, value in changes.items():
        part = next((key for key in provenance.PARTS if place.startswith(f"{key}.")), None)
        if part is None:
            allowed = f"a place that begins with {', '.join(f'{key}.' for key in provenance.PARTS)}"
            raise ModelError(path, place, allowed)
        result[part] = _set(result.get(part), place[len(part) :], value, f"{path}[{place}]")
    return result


def blamed(error: ModelError, name: str, stack: Sequence[Layer]) -> ModelError:
    """Return an error that names the layer which says what is refused, the last one if several do."""
    if len(stack) == 1 or not error.path.startswith(f"{name}."):
        return error
    place = error.path.removeprefix(f"{name}.")
    depth = [
        _shared(place, {**provenance.places(layer.data, ""), **{f".{key}": None for key in layer.data.get("changes") or ()}})
        for layer in stack
    ]
    layer = max(zip(depth, range(len(stack)), stack, strict=True))[2]
    return ModelError(f"{layer.name}.{place}", error.value, error.allowed)


def _shared(place: str, known: Mapping[str, Any]) -> int:
    """Return how much of a place exists."""
    rest = f".{place}"
    while rest and rest not in known:
        rest = rest[: max(rest.rfind("."), rest.rfind("["), 0)]
    return len(rest)


def _collect(data: Mapping[str, Any], name: str, chain: tuple[Path, ...], found: list[Layer]) -> None:
    """Add what a description extends, then itself; ``chain`` are the files that led to it, itself the last."""
    if len(found) + len(chain) > MAX_FILES:
        allowed = f"at most {MAX_FILES} files, each counted as often as it is extended"
        raise ModelError(f"{name}.extends", Words(f"more than {MAX_FILES} files"), allowed)
    check_head(data, name)
    given = data.get("extends")
    bases = [given] if isinstance(given, str) else checks.sequence(f"{name}.extends", given or [], "a name or a list of names")
    for i, base in enumerate(bases):
        path = f"{name}.extends" if isinstance(given, str) else f"{name}.extends[{i}]"
        if not isinstance(base, str):
            raise ModelError(path, base, "the name of a preset or of a file")
        _extended(base, path, chain, found)
    if chain:
        data = references.rebased(data, os.path.relpath(chain[-1].parent, chain[0].parent))
    found.append(Layer(name, data))


def _extended(base: str, path: str, chain: tuple[Path, ...], found: list[Layer]) -> None:
    from octomodel import yaml_io

    if not yaml_io.is_file_name(base):
        found.append(_preset(base, path))
        return
    if not chain:
        raise ModelError(path, base, "a preset: only a file can extend files")
    target = inside(base, path, chain[-1].parent, chain[0].parent)
    if target in chain:
        circle = " -> ".join(each.name for each in (*chain, target))
        raise ModelError(path, base, f"files that do not extend each other in a circle: {circle}")
    _collect(yaml_io.read_plain(target), base, (*chain, target), found)


def inside(base: str, path: str, folder: Path, root: Path) -> Path:
    """Return the file of a name, in or below the folder of the file that was opened first, links followed.

    Raises
    ------
    ModelError
        When it is elsewhere, or the name is no relative one.
    """
    allowed = "a file in the folder of the first file or below it"
    if "\0" in base or os.path.isabs(base):
        raise ModelError(path, base, f"{allowed}, by a relative name")
    try:
        target = (folder / base).resolve()
    except (OSError, RuntimeError):  # links in a circle
        raise ModelError(path, base, allowed) from None
    if not target.is_relative_to(root):
        raise ModelError(path, base, allowed)
    return target


def _preset(name: str, path: str) -> Layer:
    from octomodel import presets, yaml_io

    for kind in presets.KINDS:
        if name in presets.names(kind):
            return Layer(name, yaml_io.with_clock(presets.document(kind, name)))
    known = [each for kind in presets.KINDS for each in presets.names(kind)]
    error = unknown(path, name, known)
    raise ModelError(path, name, f"{error.allowed}, or a file that ends in .yaml or .toml")


def _over(below: Any, above: Any) -> Any:
    if not isinstance(below, Mapping) or not isinstance(above, Mapping) or any(key in above for key in KINDS):
        return above
    if references.is_column(above) or ("mix" in above and "program" in below) or ("program" in above and "mix" in below):
        return above
    merged = {**below, **{key: _over(below.get(key), value) for key, value in above.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def _kept(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provenances of a description whose values another one still has."""
    origins = before.get("provenance") or {}
    old, new = provenance.places(before, ""), provenance.places(after, "")
    return {
        place: value for place, value in origins.items() if f".{place}" in new and new[f".{place}"] == old.get(f".{place}")
    }


def _set(data: Any, place: str, value: Any, path: str) -> Any:
    """Return ``data`` with another value at a place that begins with ``.key`` or ``[index]``."""
    if not place:
        return value
    if place[0] == "[":
        index, _, rest = place[1:].partition("]")
        if not isinstance(data, list) or not index.isdecimal() or int(index) >= len(data):
            allowed = f"an index from 0 to {len(data) - 1}" if isinstance(data, list) and data else "no index: there is no list"
            raise ModelError(path, Words(f"[{index}]"), allowed)
        at = int(index)
        return [*data[:at], _set(data[at], rest, value, path), *data[at + 1 :]]
    if data is not None and not isinstance(data, Mapping):
        raise ModelError(path, Words(place), "a place that exists: no mapping stands before this")
    known = dict(data or {})
    key, rest = _first(place[1:], known)
    inner = _set(known.get(key), rest, value, path)
    known[key] = inner
    return {key: each for key, each in known.items() if each is not None}


def _first(place: str, known: Mapping[str, Any]) -> tuple[str, str]:
    """Return the first key of a place and the rest; names may contain dots, so the longest that exists wins."""
    fits = [key for key in known if place == key or place.startswith((f"{key}.", f"{key}["))]
    if fits:
        key = max(fits, key=len)
        return key, place[len(key) :]
    ends = [at for at in (place.find("."), place.find("[")) if at >= 0]
    end = min(ends, default=len(place))
    return place[:end], place[end:]
