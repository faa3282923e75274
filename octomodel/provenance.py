"""Where the numbers of a description come from: a tag and a source for each field path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from octomodel import checks
from octomodel.errors import ModelError, unknown

TAGS = ("published", "derived", "estimate", "memory")
"""How well a number is known: printed in the source, computed from printed ones, judged, or remembered."""

KEYS = ("tag", "source", "note")
PARTS = ("workflow", "hardware", "load")
"""Parts of a description, the first word of a place."""


@dataclass(frozen=True)
class Provenance:
    """Where a number comes from.

    Parameters
    ----------
    tag : {"published", "derived", "estimate", "memory"}
    source : str
        Paper, file or reasoning.
    note : str
        What else is to be known.

    Raises
    ------
    ModelError
        When the tag is unknown, the source is empty, or one of the three is no text.

    Examples
    --------
    >>> Provenance("published", "Teerapittayanon et al. 2016, Table I").to_dict()
    {'tag': 'published', 'source': 'Teerapittayanon et al. 2016, Table I'}
    """

    tag: str
    source: str
    note: str = ""

    def __post_init__(self) -> None:
        checks.one_of("provenance.tag", self.tag, TAGS)
        if not isinstance(self.source, str) or not self.source.strip():
            raise ModelError("provenance.source", self.source, "a text that names the source")
        if not isinstance(self.note, str):
            raise ModelError("provenance.note", self.note, "a text")

    def to_dict(self) -> dict[str, str]:
        """Return the three texts as plain data; an empty note is left out."""
        data = {"tag": self.tag, "source": self.source}
        return {**data, "note": self.note} if self.note else data


def read(path: str, given: object) -> dict[str, Provenance]:
    """Return provenances by field path, of objects or plain data; errors begin with ``path``."""
    found = {}
    for place, value in checks.mapping(path, given).items():
        if isinstance(value, Provenance):
            found[place] = value
            continue
        where = f"{path}[{place}]"
        fields = checks.keys(where, value, KEYS, KEYS[:2])
        try:
            found[place] = Provenance(fields["tag"], fields["source"], fields.get("note", ""))
        except ModelError as error:
            raise ModelError(where + error.path.removeprefix("provenance"), error.value, error.allowed) from None
    return found


def places(data: object, path: str) -> dict[str, Any]:
    """Return everything in plain data by its field path, as error messages write it.

    Examples
    --------
    >>> list(places({"program": [{"task": "a"}]}, "workflow"))
    ['workflow', 'workflow.program', 'workflow.program[0]', 'workflow.program[0].task']
    """
    found: dict[str, Any] = {}
    stack = [(path, data)]
    while stack:
        place, value = stack.pop()
        found[place] = value
        if isinstance(value, Mapping):
            stack.extend((f"{place}.{key}", value[key]) for key in reversed(list(value)))
        elif isinstance(value, list | tuple):
            stack.extend((f"{place}[{i}]", value[i]) for i in reversed(range(len(value))))
    return found


def check(path: str, given: Mapping[str, Provenance], known: Iterable[str]) -> None:
    """Refuse field paths that lead nowhere, with the near misses."""
    names = dict.fromkeys(known)
    for place in given:
        if place not in names:
            raise unknown(path, place, names)


def settled(path: str, given: Mapping[str, Provenance], known: Mapping[str, Any]) -> dict[str, Provenance]:
    """Return provenances of a file at the places where the description read from it keeps the values.

    A law of one value is kept as that number, for example, so that what a file says of
    ``workflow.program[0].time.value`` is kept at ``workflow.program[0].time``.

    Raises
    ------
    ModelError
        When two then stand at one place.
    """
    found: dict[str, Provenance] = {}
    for place, value in given.items():
        kept = place
        while kept not in known:
            kept = kept[: max(kept.rfind("."), kept.rfind("["))]
        if kept in found:
            raise ModelError(path, place, f"one entry for {kept}, which the file describes in several ways")
        found[kept] = value
    return found


def unchanged(given: Mapping[str, Provenance], before: object, after: object, path: str) -> dict[str, Provenance]:
    """Return the provenances of values that are the same in two descriptions."""
    old, new = places(before, path), places(after, path)
    return {place: value for place, value in given.items() if place in new and new[place] == old[place]}


def grafted(data: object, full: object, path: str, wanted: Iterable[str]) -> Any:
    """Return plain data with those defaults written out that somebody says something of.

    Parameters
    ----------
    data, full
        A description without and with what has its default.
    path : str
        Field path of both.
    wanted : iterable of str
        Field paths that must exist.
    """
    below = [place for place in wanted if place.startswith((f"{path}.", f"{path}["))]
    if not below:
        return data
    if isinstance(data, list) and isinstance(full, list):
        return [grafted(item, whole, f"{path}[{i}]", below) for i, (item, whole) in enumerate(zip(data, full, strict=True))]
    if not isinstance(data, dict) or not isinstance(full, dict):
        return full
    result = {key: grafted(value, full[key], f"{path}.{key}", below) for key, value in data.items()}
    for key, value in full.items():
        place = f"{path}.{key}"
        if key not in data and any(each == place or each.startswith((f"{place}.", f"{place}[")) for each in below):
            result[key] = grafted({}, value, place, below) if isinstance(value, dict) else value
    return result
