"""What ``--provenance`` prints: how well the numbers of descriptions are known, and where each comes from."""

from __future__ import annotations

from typing import Any

from octomodel import presets
from octomodel.cli_show import print_table
from octomodel.presets import origins
from octomodel.provenance import TAGS
from octomodel.yaml_io import Document


def counted() -> list[dict[str, Any]]:
    """Return kind, name and numbers by tag of every preset."""
    return [
        {"kind": kind, "name": name, **origins.tally(origins.numbers(presets.document(kind, name)))}
        for kind in presets.KINDS
        for name in presets.names(kind)
    ]


def print_counted() -> None:
    """Print how many numbers of every preset are published, derived, judged or remembered."""
    rows = []
    for found in counted():
        weak, whole = (sum(found[tag] for tag in tags) for tags in (origins.WEAK, TAGS))
        counts = [f"{found[tag]:,}" for tag in TAGS]
        rows.append((found["name"], found["kind"], *counts, f"{weak / whole:.0%}"))
    print_table("bundled descriptions, numbers by origin", ("name", "kind", *TAGS, "weak"), rows, left=2)
    print(f"weak: {' or '.join(origins.WEAK)}; octomodel show NAME --provenance lists the numbers of one")


def listed(document: Document) -> list[dict[str, Any]]:
    """Return place, value, tag, source and note of every number of a description; None for what is not said."""
    return [
        {
            "place": number.place,
            "value": number.value,
            "tag": number.origin and number.origin.tag,
            "source": number.origin and number.origin.source,
            "note": number.origin and number.origin.note,
        }
        for number in origins.numbers(document)
    ]


def print_listed(name: str, document: Document) -> None:
    """Print every number of a description with its origin, and the sources in full."""
    rows = []
    for found in listed(document):
        about = ": ".join(filter(None, (found["source"], found["note"]))) or "not said"
        rows.append((found["place"], f"{found['value']:,.6g}", found["tag"] or "unknown", about))
    print_table(f"{name}: numbers by origin", ("place", "value", "tag", "source"), rows, left=4)
    for source in document.sources:
        print(f"source: {source}")
