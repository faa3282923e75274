"""The ledger of a sweep: one SQLite file with a row for each point, which survives that its writer is killed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from octomodel.errors import ModelError, Words
from octomodel.files import DamagedFileError

SCHEMA = 1
_TABLE = """
create table if not exists about (key text primary key, value text not null);
create table if not exists point (
    key text primary key, status text not null, payload text not null, checksum text not null, label text not null
);
"""


class Ledger:
    """What is known of the points of a sweep, by their key; only one process may have it open.

    Parameters
    ----------
    path : Path
        Made where there is none.

    Raises
    ------
    ModelError
        When another process has it open, or the file is no ledger of this version.
    DamagedFileError
        When the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = _locked(path)
        try:
            with _damage(path):
                self._database = sqlite3.connect(path, isolation_level=None)
                self._database.execute("pragma journal_mode = wal")
                self._database.execute("pragma synchronous = full")
                self._database.executescript(_TABLE)
                self._database.execute("insert or ignore into about values ('schema', ?)", (str(SCHEMA),))
                found = self._database.execute("select value from about where key = 'schema'").fetchone()[0]
            if found != str(SCHEMA):
                raise ModelError(str(path), Words(f"a ledger of version {found}"), f"version {SCHEMA}; name another output")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file and let others have it."""
        if hasattr(self, "_database"):
            self._database.close()
        os.close(self._lock)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def clear(self) -> None:
        """Forget all points."""
        with _damage(self.path):
            self._database.execute("delete from point")

    def write(self, key: str, label: str, found: xr.Dataset | None, error: str = "") -> None:
        """Keep the figures of a point, or why there are none; what was known of it is replaced. On disk when this returns."""
        payload = error if found is None else text_of(found)
        row = (key, "failed" if found is None else "done", payload, _checksum(key, payload), label)
        with _damage(self.path):
            self._database.execute("insert or replace into point values (?, ?, ?, ?, ?)", row)

    def read(self, key: str) -> xr.Dataset | str | None:
        """Return the figures of a point; why it failed; None where nothing is known of it.

        Raises
        ------
        DamagedFileError
            When what is kept is not what was written.
        """
        with _damage(self.path):
            row = self._database.execute("select status, payload, checksum from point where key = ?", (key,)).fetchone()
        if row is None:
            return None
        status, payload, checksum = row
        if checksum != _checksum(key, payload) or status not in ("done", "failed"):
            raise DamagedFileError(self.path, "a point is not what was written; without the file all points are computed anew")
        return dataset_of(payload) if status == "done" else str(payload)

    def done(self) -> set[str]:
        """Return the keys of all points with figures."""
        with _damage(self.path):
            return {row[0] for row in self._database.execute("select key from point where status = 'done'")}


def text_of(found: xr.Dataset) -> str:
    """Return a Dataset without attributes as JSON, every number exactly."""
    return json.dumps(
        {
            str(name): {"dims": variable.dims, "dtype": variable.dtype.kind, "data": variable.values.tolist()}
            for name, variable in found.variables.items()
        }
    )


def dataset_of(text: str) -> xr.Dataset:
    """Return the Dataset that ``text_of`` wrote; what is named by its only dim is a coordinate."""
    kinds: dict[str, Any] = {"f": np.float64, "i": np.int64, "U": str, "T": str, "O": str}
    variables = {
        name: xr.Variable(each["dims"], np.array(each["data"], dtype=kinds[each["dtype"]]))
        for name, each in json.loads(text).items()
    }
    axes = {name: variable for name, variable in variables.items() if variable.dims == (name,)}
    return xr.Dataset({name: each for name, each in variables.items() if name not in axes}, axes)


def _checksum(key: str, payload: str) -> str:
    return hashlib.blake2b(f"{key}\n{payload}".encode(), digest_size=16).hexdigest()


def _locked(path: Path) -> int:
    """Return an open lock file beside the ledger; the system frees it when its process ends, however it ends."""
    import fcntl

    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise ModelError(str(path), Words("a ledger in use"), "one sweep at a time; another process works on it") from None
    return lock


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
            raise OSError(f"{path}: {error}") from error
        raise DamagedFileError(path, f"{error}; without the file all points are computed anew") from error
