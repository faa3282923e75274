"""Files that describe workflow, machine and load, read and written."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar, cast

from octomodel import checks, extends, mixes_read, provenance, references, schema, toml_text, units_read, yaml_text
from octomodel.dist.empirical import ORIGIN
from octomodel.errors import ModelError, Words
from octomodel.hardware import System
from octomodel.load import Load
from octomodel.provenance import Provenance
from octomodel.references import Place
from octomodel.workflow import Workflow

SUFFIXES = (".yaml", ".yml", ".toml")
VERSION = schema.VERSION
ORIGINS = ("workflow", "hardware")
"""Parts of a document whose numbers may have a provenance."""

Part = TypeVar("Part", Workflow | None, System | None)


@dataclass(frozen=True)
class Document:
    """What a file holds; parts that are missing are None."""

    workflow: Workflow | None = None
    hardware: System | None = None
    load: Load | None = None
    title: str = ""
    sources: tuple[str, ...] = ()


def read_file(path: str | os.PathLike[str]) -> Document:
    """Return what a file describes.

    Parameters
    ----------
    path : str or path-like
        A regular file of at most 10 MB, UTF-8: TOML if its name ends in ``.toml``, else YAML of the strict subset, of
        one document or several. ``docs/format.md`` says what stands in it.

    Returns
    -------
    Document

    Raises
    ------
    ModelError
        When the file cannot be read, is no YAML or TOML, extends what it may not, or describes something that is
        refused; the path begins with the name of the file.
    """
    name = os.fspath(path)
    return from_dict(read_plain(path), name, Path(path))


def read_plain(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the plain data of a file, its documents joined and otherwise as they stand there.

    Raises
    ------
    ModelError
        As ``read_file``, for what concerns the text; when two documents have the same part.
    """
    name, text = os.fspath(path), content(Path(path), yaml_text.MAX_BYTES)
    if name.endswith(".toml"):
        return toml_text.parse(text, name)
    found = yaml_text.parse_all(text, name)
    return joined(found, name) if len(found) > 1 else cast("dict[str, Any]", found[0] if found else None)


def joined(documents: Sequence[object], name: str) -> dict[str, Any]:
    """Return several documents of one file as one; each says the version, and each part stands in one of them.

    Raises
    ------
    ModelError
        When two have the same part.
    """
    result: dict[str, Any] = {}
    for i, document in enumerate(documents, start=1):
        place = f"{name}, document {i}"
        extends.check_head(document, place)
        for key, value in checks.mapping(place, document).items():
            if key in ("schema_version", schema.OLD_VERSION_KEY):
                result["schema_version"] = value
            elif key in ("sources", "changes", "provenance") and key in result:
                result[key] = _more(f"{place}.{key}", result[key], value)
            elif key in result:
                raise ModelError(f"{place}.{key}", value, f"{key} in one document; an earlier one has it")
            else:
                result[key] = value
    return result


def from_dict(data: object, path: str, file: Path | None = None, *, mixes: bool = True) -> Document:
    """Return what plain data describe.

    Parameters
    ----------
    data : mapping
        What stands in a file.
    path : str
        What errors begin with.
    file : Path, optional
        Where it stands, beside or above the files that it extends; default: it may extend presets only.
    mixes : bool
        Whether its workflow may be a mix of others.

    Raises
    ------
    ModelError
        When something is refused.
    """
    checks.depth(path, data, yaml_text.MAX_DEPTH)
    extends.check_head(data, path)
    stack = extends.layers(checks.mapping(path, data), path, file)
    whole = extends.laid(stack)
    if not mixes:
        mixes_read.refuse(whole.get("workflow"), f"{path}.workflow")
    try:
        # of a link, the folder of what it leads to: there also lies what it extends
        return _document(whole, path, None if file is None else Place((file.resolve() if file.is_symlink() else file).parent))
    except ModelError as error:
        raise extends.blamed(error, path, stack) from None


def changed(document: Document, changes: Mapping[str, Any], path: str, place: Place | None = None) -> Document:
    """Return a document with other values at some places.

    Parameters
    ----------
    document : Document
    changes : mapping
        Values by place, as they stand in a file: ``{"hardware.tbu.memory_bytes": "1.5 MiB"}``; None takes one away.
    path : str
        What errors begin with.
    place : Place, optional
        Where tables are that the values name; default: they can name none.

    Raises
    ------
    ModelError
        When there is no such place or value.

    Examples
    --------
    >>> small = Document(hardware=System(1, 1))
    >>> changed(small, {"hardware.tbu.reload_cycles": "2 us", "hardware.clock_hz": "2 GHz"}, "--set").hardware.reload_cycles
    4000
    """
    data = extends.laid([extends.Layer(path, with_clock(document)), extends.Layer(path, {"changes": changes})])
    return _document(data, path, place)


def _document(data: Mapping[str, Any], path: str, place: Place | None) -> Document:
    clock = units_read.clock(data, path)
    fields = references.expanded(units_read.converted(data, path), path, place, clock)
    title = fields.get("title") or ""
    sources = checks.sequence(f"{path}.sources", fields.get("sources") or [], "a list of texts")
    for key, text in [("title", title), *((f"sources[{i}]", source) for i, source in enumerate(sources))]:
        if not isinstance(text, str):
            raise ModelError(f"{path}.{key}", text, "a text")
    has = {key: fields[key] for key in ("workflow", "hardware", "load") if fields.get(key) is not None}
    workflow = None
    if mixes_read.is_mix(has.get("workflow")):
        workflow = mixes_read.from_dict(has["workflow"], f"{path}.workflow", place, clock)
    elif "workflow" in has:
        workflow = Workflow.from_dict(has["workflow"], f"{path}.workflow")
    hardware = System.from_dict(has["hardware"], f"{path}.hardware") if "hardware" in has else None
    if fields.get("provenance"):
        given = _provenance(f"{path}.provenance", fields["provenance"], has)
        workflow = _with_provenance(f"{path}.provenance", workflow, given, "workflow")
        hardware = _with_provenance(f"{path}.provenance", hardware, given, "hardware")
    return Document(
        workflow=workflow,
        hardware=hardware,
        load=Load.from_dict(has["load"], f"{path}.load") if "load" in has else None,
        title=title,
        sources=tuple(sources),
    )


def to_dict(document: Document) -> dict[str, Any]:
    """Return a document as plain data."""
    data: dict[str, Any] = {"schema_version": schema.VERSION}
    if document.title:
        data["title"] = document.title
    if document.sources:
        data["sources"] = list(document.sources)
    for key in ("workflow", "hardware", "load"):
        part = getattr(document, key)
        if part is not None:
            data[key] = part.to_dict()
    for key in ORIGINS:
        part = getattr(document, key)
        if part is not None and part.provenance:
            data[key] = provenance.grafted(data[key], part.to_dict(full=True), key, part.provenance)
            found = {place: value.to_dict() for place, value in part.provenance.items()}
            data["provenance"] = data.get("provenance", {}) | found
    return data


def with_clock(document: Document) -> dict[str, Any]:
    """Return a document as plain data that state the clock of its machine even if it is the default."""
    data = to_dict(document)
    if document.hardware is not None:
        data["hardware"] = {**data["hardware"], "clock_hz": document.hardware.clock_hz}
    return data


def digest(document: Document) -> str:
    """Return the digest of what a document describes: equal for equal workflows, machines and loads.

    Parameters
    ----------
    document : Document

    Returns
    -------
    str
        BLAKE2b with 32 bytes in 64 hexadecimal digits. Values count, also those of a table that was named; the name of the
        table, title, sources, descriptions and provenance do not, nor does the order of keys, nor whether a number is
        written as integer, float or fraction.

    Examples
    --------
    >>> one, other = (Document(title=text, hardware=System(1, 1)) for text in ("one", "other"))
    >>> digest(one) == digest(other), digest(one) == digest(Document(hardware=System(1, 2)))
    (True, False)
    """
    data = {key: getattr(document, key).to_dict() for key in provenance.PARTS if getattr(document, key) is not None}
    for part in data.values():
        part.pop("description", None)
    text = json.dumps(_canonical(data), sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()


def _canonical(value: Any) -> Any:
    """Return plain data in which equal numbers are equal texts."""
    if isinstance(value, Mapping):
        told = ORIGIN if {"samples", "values", "arrival_cycles"} & set(value) else ()
        found = {key: _canonical(item) for key, item in value.items() if item is not None and key not in told}
        return found["values"] if set(found) == {"values"} else found
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return str(Fraction(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value


def is_file_name(text: str) -> bool:
    """Return whether a text names a file rather than a preset."""
    return text.endswith(SUFFIXES)


def write_file(path: str | os.PathLike[str], document: Document) -> None:
    """Write a document so that ``read_file`` returns an equal one; the file appears complete or not at all.

    Values that come from a column of a table are written as its name where the table lies in the folder of the file, unchanged;
    else as numbers.

    Parameters
    ----------
    path : str or path-like
        TOML is written if it ends in ``.toml``, else YAML.
    document : Document

    Raises
    ------
    ModelError
        When it would be larger than a file that can be read.
    OSError
        When the file cannot be written.
    """
    target = Path(path)
    data = to_dict(document)
    data = references.contracted(data, target.parent, units_read.clock(data, target.name))
    text = (toml_text if target.suffix == ".toml" else yaml_text).dump(data)
    if len(text.encode()) > yaml_text.MAX_BYTES:
        raise ModelError(str(path), Words(f"a description of {len(text.encode())} bytes"), f"at most {yaml_text.MAX_BYTES} bytes")
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    """Return the permissions that new files of this process do not get: a temporary file is for its owner only."""
    # it can only be read by setting it; meanwhile files of other threads get less rather than more
    found = os.umask(0o077)
    os.umask(found)
    return found


def _more(path: str, before: Any, after: Any) -> Any:
    if isinstance(before, Mapping):
        for key in checks.mapping(path, after):
            if key in before:
                raise ModelError(path, key, "each place in one document; an earlier one has it")
        return {**before, **after}
    return [*checks.sequence(path, before, "a list of texts"), *checks.sequence(path, after, "a list of texts")]


def _provenance(path: str, data: object, described: Mapping[str, Any]) -> dict[str, Provenance]:
    """Return the provenances of a document, each of something that stands in it."""
    given = provenance.read(path, data)
    known: dict[str, Any] = {}
    for key in ORIGINS:
        known |= provenance.places(described[key], key) if key in described else {}
    provenance.check(path, given, known)
    return given


def _with_provenance(path: str, part: Part, given: Mapping[str, Provenance], key: str) -> Part:
    own = {place: value for place, value in given.items() if place.startswith(key)}
    if part is None or not own:
        return part
    known = provenance.places(part.to_dict(full=True), key)
    return part.with_(provenance=provenance.settled(path, own, known))


def content(path: Path, most: int) -> str:
    """Return the text of a regular file, its size checked first.

    Parameters
    ----------
    path : Path
    most : int
        Bytes it may have.

    Raises
    ------
    ModelError
        When it is no regular file, too large, no UTF-8 or cannot be read.
    """
    try:
        if not path.is_file():
            raise ModelError(str(path), Words("no regular file"), "the path of an existing file")
        if path.stat().st_size > most:
            raise ModelError(str(path), Words(f"{path.stat().st_size} bytes"), f"at most {most} bytes")
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(str(path), Words(f"byte {error.start} is not UTF-8"), "text in UTF-8") from None
    except OSError as error:
        raise ModelError(str(path), Words(error), "a file that can be read") from None
