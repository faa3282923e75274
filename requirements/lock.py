"""Write or check the locks: one file of pinned, hashed requirements per role.

``lock.py`` resolves the ``.in`` files anew and needs the network; ``lock.py --check`` needs nothing and exits
with 1 when an ``.in`` file has changed since the locks were written.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
# Each role contains the one before it, so that all can be installed over one another in a single environment.
ROLES = {
    "run": ("run",),
    "test": ("run", "test"),
    "bench": ("run", "test", "bench"),
    "dev": ("run", "test", "bench", "plot", "dev"),
}


def header(role: str) -> str:
    """Return the first line of a role's lock, which names its inputs and their digest."""
    digest = hashlib.sha256(b"".join((FOLDER / f"{name}.in").read_bytes() for name in ROLES[role]))
    return f"# {' '.join(f'{name}.in' for name in ROLES[role])} sha256={digest.hexdigest()}"


def stale() -> list[str]:
    """Return the roles whose lock was not written from the inputs as they are now."""
    locks = {role: (FOLDER / f"{role}.txt").read_text() for role in ROLES}
    return [role for role, lock in locks.items() if not lock.startswith(header(role) + "\n")]


def write() -> None:
    """Resolve every role, each constrained by the one before it."""
    constraint: list[str] = []
    for role, inputs in ROLES.items():
        lock = FOLDER / f"{role}.txt"
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"]
        command += ["--python-version=3.11", "--generate-hashes", "--no-annotate", "--no-header", *constraint]
        command += [str(FOLDER / f"{name}.in") for name in inputs]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        lock.write_text(f"{header(role)}\n{result.stdout}")
        constraint = ["--constraint", str(lock)]


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        if outdated := stale():
            sys.exit(f"locks out of date: {', '.join(outdated)}; run `make lock`")
    else:
        write()
