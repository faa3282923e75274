"""Files that describe workflow, machine and load, read and written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from octomodel import checks, provenance
from octomodel.errors import ModelError, Words
from octomodel.hardware import System
from octomodel.load import Load
from octomodel.provenance import Provenance
from octomodel.workflow import Workflow
from octomodel.yaml_text import MAX_BYTES, dump, parse

VERSION = 1
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
        A regular file of at most 10 MB, UTF-8, one YAML document with ``octomodel: 1`` and any of
        ``workflow``, ``hardware``, ``load``, ``title``, ``sources``.

    Returns
    -------
    Document

    Raises
    ------
    ModelError
        When the file cannot be read, is no YAML of the strict subset (``parse``), or describes something that
        is refused; the path begins with the name of the file.
    """
    name = os.fspath(path)
    return from_dict(parse(_content(Path(path)), name), name)


def from_dict(data: object, path: str) -> Document:
    """Return what plain data describe; errors begin with ``path``."""
    keys = ("octomodel", "title", "sources", "workflow", "hardware", "load", "provenance")
    fields = checks.keys(path, data, keys, ("octomodel",))
    version = checks.integer(f"{path}.octomodel", fields["octomodel"], 1)
    if version != VERSION:
        raise ModelError(f"{path}.octomodel", version, f"{VERSION}, the version of files this release reads")
    title = fields.get("title", "")
    sources = checks.sequence(f"{path}.sources", fields.get("sources", []), "a list of texts")
    for place, text in [("title", title), *((f"sources[{i}]", source) for i, source in enumerate(sources))]:
        if not isinstance(text, str):
            raise ModelError(f"{path}.{place}", text, "a text")
    has = {key: fields[key] for key in ("workflow", "hardware", "load") if fields.get(key) is not None}
    workflow = Workflow.from_dict(has["workflow"], f"{path}.workflow") if "workflow" in has else None
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
    data: dict[str, Any] = {"octomodel": VERSION}
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


def write_file(path: str | os.PathLike[str], document: Document) -> None:
    """Write a document so that ``read_file`` returns an equal one; the file appears complete or not at all.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    target = Path(path)
    text = dump(to_dict(document))
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


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


def _content(path: Path) -> str:
    """Return the text of a regular file, its size checked first."""
    try:
        if not path.is_file():
            raise ModelError(str(path), Words("no regular file"), "the path of an existing file")
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(str(path), Words(f"{path.stat().st_size} bytes"), f"at most {MAX_BYTES} bytes")
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(str(path), Words(f"byte {error.start} is not UTF-8"), "text in UTF-8") from None
    except OSError as error:
        raise ModelError(str(path), Words(error), "a file that can be read") from None
