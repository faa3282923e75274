"""Spoiled files: read or refused with a message, never a traceback, a hang or a flood of memory."""

from __future__ import annotations

import random
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from octomodel import cli_show, presets, toml_text, yaml_text
from octomodel.errors import LONGEST, ModelError, ModelWarning
from octomodel.testing import mutants
from octomodel.testing.scenarios import scenario
from octomodel.yaml_io import Document, digest, from_dict, read_file, to_dict

HANG_S = 20
"""A guard against hangs, far above what any of these files takes."""

MEMORY_BYTES = 200 * 10**6
"""What reading all of them may add to the largest memory of this process (trust: 200 MB for each)."""


@contextmanager
def guarded() -> Iterator[None]:
    def late(*_: Any) -> None:
        raise TimeoutError(f"more than {HANG_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def plain(seed: int) -> dict[str, Any]:
    """Return a description to spoil: a preset, or one that is generated."""
    names = [(kind, name) for kind in presets.KINDS for name in presets.names(kind) if name != "llm_chat_code"]
    if seed % 4 == 0:
        return to_dict(presets.document(*names[seed // 4 % len(names)]))
    made = scenario(seed)
    return to_dict(Document(made.workflow, made.system, made.load, "title", ("a source",)))


def verdict(read: Callable[[], Document]) -> str:
    """Return what became of a spoiled description; a refusal is one short line, a warning an error here."""
    with guarded():
        try:
            document = read()
            again = from_dict(to_dict(document), "f")
            assert digest(again) == digest(document)
            cli_show.data(document.workflow, document.hardware)
        except ModelWarning:
            return "warned"
        except ModelError as error:
            text = str(error)
            assert len(text) < 6 * LONGEST and text.isprintable() and "; allowed: " in text
            return "refused"
    return "read"


def spoil(count: int, folder: Path) -> dict[str, int]:
    found = {"read": 0, "refused": 0, "warned": 0}
    path = {"yaml": folder / "f.yaml", "toml": folder / "f.toml"}
    for seed in range(count):
        draw = random.Random(seed)
        data = plain(seed // 4)
        if seed % 2:
            found[verdict(partial(from_dict, mutants.of_structure(data, draw), "f"))] += 1
            continue
        suffix, form = draw.choice((("yaml", yaml_text), ("toml", toml_text)))
        path[suffix].write_bytes(mutants.of_bytes(form.dump(data).encode(), draw))
        found[verdict(partial(read_file, path[suffix]))] += 1
    return found


def largest() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def check(count: int, folder: Path) -> None:
    plain(0), plain(1)  # what is imported does not count
    before = largest()
    found = spoil(count, folder)
    assert sum(found.values()) == count
    assert found["read"] > count // 50 and found["refused"] > count // 2
    assert largest() - before < MEMORY_BYTES


def test_2000_spoiled_files_are_read_or_refused(tmp_path: Path) -> None:
    check(2000, tmp_path)


TABLE = "at,n,us\n" + "".join(f"2023-11-16 18:17:0{i}.5,{10 * i},{i}.25\n" for i in range(9))
NAMING = """
schema_version: 1
clock_hz: 1 GHz
workflow:
  mix: both
  parts:
    a: {name: a, attributes: {n: {file: t.csv, column: n, repeat: false}}, program: [{task: a, time: {per: n, slope: 5 us}}]}
    b: part.yaml
    c: {name: c, program: [{task: c, time: {law: empirical, file: t.csv, column: us, unit: us}}]}
  shares: {a: 1, b: 2, c: 3}
  phases: {by: request, cycle: [[x, 5], [y, 6]]}
  phase_shares: {y: {a: 0, b: 1, c: 1}}
load: {kind: trace, file: t.csv, column: at, repeat: true}
"""
PART = "{schema_version: 1, workflow: {name: p, program: [{task: p, time: {law: empirical, file: t.csv, column: us}}]}}"


def test_spoiled_descriptions_that_name_tables_and_spoiled_tables(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text(PART)
    file, table = tmp_path / "f.yaml", tmp_path / "t.csv"
    data = yaml_text.parse(NAMING, "f")
    table.write_text(TABLE)
    file.write_text(NAMING)
    assert verdict(partial(read_file, file)) == "read"
    found = {way: {"read": 0, "refused": 0, "warned": 0} for way in ("structure", "bytes", "table")}
    for seed in range(300):
        draw = random.Random(seed)
        found["structure"][verdict(partial(from_dict, mutants.of_structure(data, draw), "f", file))] += 1
        file.write_bytes(mutants.of_bytes(NAMING.encode(), draw))
        found["bytes"][verdict(partial(read_file, file))] += 1
        file.write_text(NAMING)
        table.write_bytes(mutants.of_bytes(TABLE.encode(), draw))
        found["table"][verdict(partial(read_file, file))] += 1
        table.write_text(TABLE)
    for way, counts in found.items():
        assert counts["refused"] > 60 and counts["read"] > 1, (way, counts)


@pytest.mark.deep
def test_10000_spoiled_files_are_read_or_refused(tmp_path: Path) -> None:
    check(10_000, tmp_path)
