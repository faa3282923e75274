"""Every number of a description with where it comes from, so that weak ones can be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from octomodel import yaml_io
from octomodel.provenance import TAGS, Provenance, places
from octomodel.yaml_io import Document

WEAK = ("estimate", "memory")
"""Tags of numbers that no source prints and that follow from none that one prints."""


@dataclass(frozen=True)
class Number:
    """A number of a description.

    Attributes
    ----------
    place : str
        Field path, as errors and files write it.
    value : int or float
    origin : Provenance or None
        Of the place itself, else of the smallest part of the description around it that has one.
    """

    place: str
    value: int | float
    origin: Provenance | None

    @property
    def weak(self) -> bool:
        """Return whether the number is judged, remembered or of unknown origin."""
        return self.origin is None or self.origin.tag in WEAK


def numbers(document: Document) -> list[Number]:
    """Return the numbers of workflow and machine in the order of a file.

    Parameters
    ----------
    document : Document

    Returns
    -------
    list of Number
        Without those that have their default and of which nothing is said.

    Examples
    --------
    >>> from octomodel import presets
    >>> found = numbers(presets.document("hardware", "chip_64c"))[2]
    >>> found.place, found.value, found.origin.tag, found.weak
    ('hardware.cluster.decision_cycles', 16, 'estimate', True)
    """
    data = yaml_io.to_dict(document)
    found: list[Number] = []
    for part, described in (("workflow", document.workflow), ("hardware", document.hardware)):
        if described is None:
            continue
        for place, value in places(data[part], part).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                found.append(Number(place, value, origin(place, described.provenance)))
    return found


def origin(place: str, known: Mapping[str, Provenance]) -> Provenance | None:
    """Return where the value at a place comes from: the entry of the place, else that of the part around it.

    Examples
    --------
    >>> whole, mean = Provenance("estimate", "judged"), Provenance("published", "a paper")
    >>> known = {"workflow.program[0]": whole, "workflow.program[0].time.mean": mean}
    >>> origin("workflow.program[0].time.mean", known).tag, origin("workflow.program[0].time.cv", known).tag
    ('published', 'estimate')
    """
    while place:
        if place in known:
            return known[place]
        place = place[: max(place.rfind("."), place.rfind("["), 0)]
    return None


def tally(found: list[Number]) -> dict[str, int]:
    """Return how many numbers have each tag, in the order of ``TAGS``, and under ``unknown`` how many none.

    Examples
    --------
    >>> from octomodel import presets
    >>> tally(numbers(presets.document("textbook", "single_queue")))
    {'published': 0, 'derived': 0, 'estimate': 6, 'memory': 0, 'unknown': 0}
    """
    counts = Counter("unknown" if number.origin is None else number.origin.tag for number in found)
    return {tag: counts[tag] for tag in (*TAGS, "unknown")}
