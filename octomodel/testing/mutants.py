"""Descriptions spoiled at random, as bytes and as structures."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable
from typing import Any

from octomodel import provenance

Change = Callable[[Any, random.Random], Any]

_PIECES = (
    *(b"", b"\n", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\t", b"  ", b"'", b'"', b"{", b"}", b"[", b"]", b":", b"- ", b", "),
    *(b"#", b"&a ", b"*a", b"!!python/object/apply:os.system ", b"!x ", b"---\n", b"...\n", b"? ", b"| ", b"> ", b"%YAML 9.9\n"),
    *(b"<<: ", b".nan", b".inf", b"-", b"1e999", b"0x10", b"010", b"1:30", b"on", b"9" * 40, b"[" * 40, b"{a: " * 40, b"= "),
    *(b"[[x]]\n", b"[a.b]\n", b'"""', b"\\u", b"\\", b"a." * 40, b"1979-05-27", b"5 us", b"extends: /etc/passwd.yaml\n"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 4.5, 2**31, 2**62, 2**63, 10**400, 1e308, 5e-324, -0.0, math.nan, math.inf, -math.inf),
    *("", " ", "x" * 10_000, "1", "nan", "1/0", "1/3", "5 us", "5 GiB", "1e99 h", "100 GB/s", "5 GHz", "../x.yaml", "\x1b[2J\n"),
    *("auto", "even", "unlimited", "early_exit", "lognormal", "closed", "\ud800"),
    *([], [[]], [None], [0] * 1000, {}, {"": 0}, {"law": "gamma"}, {"law": "empirical", "samples": []}, {"per": "tokens"}),
    *({"law": "deterministic", "value": 1e300}, {"law": "phase_type", "alpha": [1], "T": [[0]]}, {"loop": "", "body": []}),
    *({"law": "pareto", "alpha": 1e-9, "low": 1}, {"law": "gamma", "mean": 1e-300, "cv": 1e300}, {"kind": "trace"}),
)
"""Values of the wrong type or size wherever they stand; a copy is put in place."""


def nested(levels: int) -> list[Any]:
    """Return lists in lists."""
    inner: list[Any] = []
    for _ in range(levels):
        inner = [inner]
    return inner


def of_bytes(text: bytes, draw: random.Random) -> bytes:
    """Return a text with one to four places cut, doubled, exchanged or overwritten."""
    for _ in range(draw.randint(1, 4)):
        at, to = sorted((draw.randint(0, len(text)), draw.randint(0, len(text))))
        to = min(to, at + draw.choice((0, 1, 4, 100)))
        middle = draw.choice((draw.choice(_PIECES), draw.choice(_PIECES), draw.randbytes(2), text[at:to] * 2))
        text = text[:at] + middle + text[to:]
    return text[: draw.randint(0, len(text))] if draw.random() < 0.05 else text


def of_structure(data: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """Return plain data with one to three values replaced, moved, doubled, renamed or taken away."""
    data = copy.deepcopy(data)
    for left in reversed(range(draw.randint(1, 3))):
        found = provenance.places(data, "")
        holders = [value for value in found.values() if isinstance(value, dict | list) and value]
        if not holders:
            break
        holder = draw.choice(holders)
        key = draw.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        how = draw.randrange(6)
        if how == 0:
            del holder[key]
        elif how == 1 and isinstance(holder, dict):
            holder[_misspelt(str(key), draw)] = holder.pop(key)
        elif how == 2:
            holder[key] = copy.deepcopy(draw.choice(list(found.values())))
        elif how == 3 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif how == 4:
            # the deepest last, for it cannot be copied
            holder[key] = nested(draw.choice((1, 40)) if left else 2000)
        else:
            holder[key] = copy.deepcopy(draw.choice(_VALUES))
    return data


def _misspelt(key: str, draw: random.Random) -> str:
    at = draw.randint(0, len(key))
    return key[:at] + draw.choice(("", "x", "_", ".", "[0]", "\n")) + key[at + draw.randint(0, 1) :]
