"""The locks: current, hashed, free of addresses, and one role inside the next."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROLES = ("run", "test", "bench", "dev")


def pins(lock: Path) -> set[str]:
    """Return the requirement of each entry, without its hashes."""
    entries = lock.read_text().replace("\\\n", " ").splitlines()[1:]
    return {entry.split(" --hash")[0].strip() for entry in entries}


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(folder / "lock.py"), "--check"], capture_output=True, text=True, cwd="/"
    )


def test_roles(repository: Path) -> None:
    assert tuple(runpy.run_path(str(repository / "requirements" / "lock.py"))["ROLES"]) == ROLES


def test_locks_are_current(repository: Path) -> None:
    assert check(repository / "requirements").returncode == 0


@pytest.mark.parametrize(("name", "stale"), [("run", "run, test, bench, dev"), ("dev", "dev")])
def test_changed_input_makes_locks_stale(repository: Path, tmp_path: Path, name: str, stale: str) -> None:
    for path in (repository / "requirements").glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / f"{name}.in").open("a") as file:
        file.write("left-pad>=1\n")
    answer = check(tmp_path)
    assert answer.returncode == 1
    assert f"out of date: {stale};" in answer.stderr


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_is_pinned_and_hashed(repository: Path, role: str) -> None:
    text = (repository / "requirements" / f"{role}.txt").read_text()
    entry = r"[a-z0-9][a-z0-9.-]*==[^\s\\]+( ; [^\\\n]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    assert re.fullmatch(rf"# [a-z. ]+ sha256=[0-9a-f]{{64}}\n({entry})+", text)


@pytest.mark.parametrize(("inner", "outer"), list(zip(ROLES, ROLES[1:], strict=False)))
def test_roles_agree(repository: Path, inner: str, outer: str) -> None:
    folder = repository / "requirements"
    assert pins(folder / f"{inner}.txt") < pins(folder / f"{outer}.txt")
