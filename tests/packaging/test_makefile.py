"""Set-up happens by itself, once per lock, and not again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    """Return a folder with what `make` needs to plan a set-up."""
    shutil.copy(repository / "Makefile", tmp_path)
    shutil.copytree(repository / "requirements", tmp_path / "requirements")
    return tmp_path


def plan(folder: Path, target: str, *switches: str) -> str:
    """Return the commands that `make` would run."""
    command = ["make", "--dry-run", f"PYTHON={sys.executable}", target, *switches]
    # Without what the `make` that runs these tests tells its children.
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, env=own).stdout


def mark_as_set_up(folder: Path, target: str) -> None:
    """Leave the stamps that a set-up for the target would have left."""
    for stamp in re.findall(r"touch (\S+)", plan(folder, target)):
        (folder / stamp).parent.mkdir(parents=True, exist_ok=True)
        (folder / stamp).touch()


@pytest.mark.parametrize("target", ["demo", "test", "nojit", "lint", "types", "bench", "deep", "setup"])
def test_bare_machine_is_set_up(checkout: Path, target: str) -> None:
    commands = plan(checkout, target)
    assert "-m venv" in commands
    assert "--require-hashes -r requirements/test.txt" in commands
    assert "--no-deps --no-build-isolation --editable ." in commands


def test_set_up_is_done_once(checkout: Path) -> None:
    mark_as_set_up(checkout, "demo")
    for target in ("demo", "test"):
        assert "pip install" not in plan(checkout, target)


def test_changed_lock_is_installed(checkout: Path) -> None:
    mark_as_set_up(checkout, "demo")
    with (checkout / "requirements" / "test.txt").open("a") as file:
        file.write("# changed\n")
    assert "pip install" in plan(checkout, "demo")


def test_moved_checkout_is_set_up_again(checkout: Path) -> None:
    mark_as_set_up(checkout, "demo")
    moved = checkout / "moved"
    moved.mkdir()
    for name in ("Makefile", "requirements", ".venv"):
        shutil.move(checkout / name, moved)
    assert "pip install" in plan(moved, "demo")


def test_roles_are_added_to_the_same_environment(checkout: Path) -> None:
    mark_as_set_up(checkout, "test")
    commands = plan(checkout, "lint")
    assert "-r requirements/dev.txt" in commands
    assert "-r requirements/test.txt" not in commands
    mark_as_set_up(checkout, "lint")
    assert "pip install" not in plan(checkout, "types")


def test_quick_demo(checkout: Path) -> None:
    assert plan(checkout, "demo").rstrip().endswith("octomodel.demo")
    assert plan(checkout, "demo", "QUICK=1").rstrip().endswith("octomodel.demo --quick")


def test_demo_follows_the_measured_trace_where_there_is_one(checkout: Path) -> None:
    below = checkout / "below"
    below.mkdir()
    for name in ("Makefile", "requirements"):
        shutil.move(checkout / name, below)
    mark_as_set_up(below, "demo")
    python = below / ".venv" / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho \"data=$OCTOMODEL_DATA\"\n")
    python.chmod(0o755)

    def data(**given: str) -> str:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "OCTOMODEL_DATA"))}
        command = ["make", f"PYTHON={sys.executable}", "demo"]
        ran = subprocess.run(command, cwd=below, check=True, capture_output=True, text=True, env=own | given)
        return ran.stdout.splitlines()[-1]

    assert data() == "data="
    (checkout / "shared" / "data").mkdir(parents=True)
    assert data() == "data=../shared/data"
    assert data(OCTOMODEL_DATA="mine.csv") == "data=mine.csv"
    assert data(OCTOMODEL_DATA="") == "data="


def test_full_bench(checkout: Path) -> None:
    assert plan(checkout, "bench").rstrip().endswith("-m bench")
    assert plan(checkout, "bench", "FULL=1").rstrip().endswith("-m bench --full")
