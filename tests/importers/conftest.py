"""What the tests of both formats share: files in them, as plain data."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octomodel.errors import LONGEST, ModelError
from octomodel.testing import mutants

Write = Callable[[Any], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a function that writes a value to ``f.json`` of the working directory, a text as it is, and returns the name."""
    monkeypatch.chdir(tmp_path)

    def written(value: Any) -> str:
        Path("f.json").write_text(value if isinstance(value, str) else json.dumps(value))
        return "f.json"

    return written


@pytest.fixture
def spoil(write: Write) -> Callable[[Callable[..., object], dict[str, Any]], dict[str, int]]:
    """Return a function that spoils a file 500 times, as bytes and as a structure, and counts what became of it."""

    def spoiled(read: Callable[..., object], data: dict[str, Any]) -> dict[str, int]:
        found = {"read": 0, "refused": 0}
        for seed in range(500):
            draw = random.Random(seed)
            name = write(data)
            if seed % 2:
                try:
                    write(mutants.of_structure(data, draw))
                except (RecursionError, ValueError):  # what the writer of JSON cannot write
                    continue
            else:
                Path(name).write_bytes(mutants.of_bytes(json.dumps(data).encode(), draw))
            try:
                read(name, series_parallel=draw.choice(("refuse", "levels")), duration=draw.choice((None, 5)))
                found["read"] += 1
            except ModelError as error:
                text = str(error)
                assert len(text) < 6 * LONGEST and text.isprintable() and "; allowed: " in text
                found["refused"] += 1
        return found

    return spoiled
