"""Mixes as they stand in files and on command lines: parts by preset, file or description, with shares."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octomodel import checks, references
from octomodel import phases as phase_plans
from octomodel.elements import ByPhase
from octomodel.errors import ModelError, Words, unknown
from octomodel.mixes import OF, mix
from octomodel.references import Place
from octomodel.units import Clock
from octomodel.workflow import Workflow

if TYPE_CHECKING:
    from octomodel.yaml_io import Document

KEYS = ("mix", "parts", "shares", "of", "phases", "phase_shares")


def is_mix(data: object) -> bool:
    """Return whether the workflow of a description is a mix of others."""
    return isinstance(data, Mapping) and "program" not in data and ("mix" in data or "parts" in data)


def from_dict(data: Mapping[str, Any], path: str, place: Place | None, clock: Clock) -> Workflow:
    """Return the mix that a description asks for.

    Parameters
    ----------
    data : mapping
        ``mix`` (its name), ``parts`` (by a short name a preset, a file or a workflow), ``shares``, and perhaps ``of``, ``phases``
        and ``phase_shares``; quantities converted. ``docs/format.md`` says more.
    path : str
        What errors begin with.
    place : Place or None
        Where files of parts and tables are; None: there are none.
    clock : Fraction or None
        Cycles per second.

    Raises
    ------
    ModelError
        When a key, a part or a share is refused.
    """
    fields = checks.keys(path, data, KEYS, KEYS[:3])
    given = checks.mapping(f"{path}.parts", fields["parts"])
    parts = {name: _part(part, f"{path}.parts.{name}", place, clock) for name, part in given.items()}
    plan = None
    if fields.get("phases") is not None:
        cycle = checks.keys(f"{path}.phases", fields["phases"], ("by", "cycle"), ("by", "cycle"))
        plan = phase_plans.make_phases(f"{path}.phases", cycle["by"], cycle["cycle"], {})
    by_phase = checks.mapping(f"{path}.phase_shares", fields.get("phase_shares") or {})
    if by_phase and plan is None:
        raise ModelError(f"{path}.phase_shares", dict(by_phase), "phases of the mix, or no shares that change with them")
    of = checks.one_of(f"{path}.of", fields.get("of", OF[0]), OF)
    name = checks.name(f"{path}.mix", fields["mix"])
    shares = ByPhase(fields["shares"], tuple(by_phase.items()))
    try:
        return mix(name, parts, shares, of=of, phases=plan)
    except ModelError as error:
        own = f"mix.{name}"
        if not error.path.startswith((own, "mix.parts")):
            raise
        place_of = error.path.removeprefix(own) if error.path.startswith(own) else error.path.removeprefix("mix")
        raise ModelError(path + place_of, error.value, error.allowed) from None


def from_words(text: str) -> Document:
    """Return the mix of presets and files with plus signs between, each perhaps with its share of work: ``a=3+b.yaml=1``.

    Machines and loads that come with a part are left out: they were made for it alone.

    Raises
    ------
    ModelError
        When a part is unknown or named twice, or a share is no number.

    Examples
    --------
    >>> found = from_words("early_exit=3+tandem").workflow
    >>> demand = found.demand()
    >>> work = [sum(each for task, each in demand.items() if task.startswith(part)) for part in ("early_exit.", "tandem.")]
    >>> round(work[0] / work[1], 4)
    3.0
    """
    from octomodel import cli_input
    from octomodel.yaml_io import Document

    documents: dict[str, Document] = {}
    shares: dict[str, float] = {}
    for word in text.split("+"):
        name, equals, share = word.partition("=")
        short = Path(name).stem if "." in name else name
        if short in documents:
            raise ModelError("workflow", word, "each part of a mix once")
        documents[short] = cli_input.workflow(name)
        try:
            shares[short] = float(share) if equals else 1.0
        except ValueError:
            raise ModelError(f"workflow, share of {name}", share, "a number from 0 on, such as 0.6") from None
    parts = {name: document.workflow for name, document in documents.items() if document.workflow is not None}
    sources = dict.fromkeys(source for document in documents.values() for source in document.sources)
    return Document(mix("mix", parts, shares), None, None, " and ".join(parts) + " at once", tuple(sources))


def _part(data: Any, path: str, place: Place | None, clock: Clock) -> Workflow:
    """Return a part: a preset or file by name, or a workflow described in place; no mix of its own."""
    from octomodel import extends, presets, yaml_io

    if isinstance(data, Mapping):
        refuse(data, path)
        return Workflow.from_dict(references.expanded_part("workflow", data, path, place, clock), path)
    if not isinstance(data, str):
        raise ModelError(path, data, "the name of a preset or of a file, or a workflow")
    if not yaml_io.is_file_name(data):
        if data not in presets.runnable():
            known = unknown(path, data, presets.runnable()).allowed
            raise ModelError(path, data, f"{known}, or a file that ends in .yaml or .toml")
        return presets.workflow(data)
    if place is None:
        raise ModelError(path, data, "a preset or a workflow: only a file can name files")
    target = extends.inside(data, path, place.folder, place.folder.resolve())
    found = yaml_io.from_dict(yaml_io.read_plain(target), data, target, mixes=False).workflow
    if found is None:
        raise ModelError(path, data, "a file with a workflow")
    return found


def refuse(data: object, path: str) -> None:
    """Refuse a mix where a single workflow must stand."""
    if is_mix(data):
        raise ModelError(path, Words("a mix"), "a workflow: mixes do not hold others")
