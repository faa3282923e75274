"""Compiled entry kernels on disk: one file per kernel and signature, private, checksummed, replaced whole.

Numba's own cache overlooks edits in called functions and in imported constants, ignores the bounds-check
flag, has no checksum, and concurrent processes can leave it with the code of another signature. Here the
directory is named by a digest of everything the code depends on, one process at a time compiles while the
others wait, and a file that cannot be trusted is deleted and compiled again. The files are pickles, that is,
executable: the directory must be ours alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import logging
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding
import numba
import numpy as np
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

_CHECKSUM_BYTES = 32


@functools.cache
def notice(text: str) -> None:
    """Log one line; the same line only once per process."""
    logging.getLogger("octomodel").warning(text)


def source_digest() -> str:
    """Return the digest of all source files of the kernels, as they are on disk now."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        text = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()} {len(text)}\n".encode() + text)
    return digest.hexdigest()


_SOURCES_AT_IMPORT = source_digest()


def code_digest() -> str:
    """Return the digest of all that the machine code depends on: sources, versions, processor and flags."""
    flags = {
        name: repr(value)
        for name, value in vars(numba.config).items()
        if name.isupper() and "THREADS" not in name and "CACHE" not in name
    }
    parts = (
        _SOURCES_AT_IMPORT,
        sys.version,
        numba.__version__,
        llvmlite.__version__,
        np.__version__,
        llvmlite.binding.get_process_triple(),
        llvmlite.binding.get_host_cpu_name(),
        llvmlite.binding.get_host_cpu_features().flatten(),
        sorted(flags.items()),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def root() -> Path:
    """Return the directory that holds the caches of all versions.

    Raises
    ------
    ValueError
        When ``OCTOMODEL_CACHE_DIR`` is set but is not the absolute path of a directory.
    """
    own = os.environ.get("OCTOMODEL_CACHE_DIR")
    if own is not None:
        if not os.path.isabs(own) or (os.path.exists(own) and not os.path.isdir(own)):
            raise ValueError(f"OCTOMODEL_CACHE_DIR: got {own!r}; allowed: the absolute path of a directory")
        return Path(own)
    if numba.config.CACHE_DIR:
        return Path(numba.config.CACHE_DIR).absolute() / "octomodel"
    user = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(user) if os.path.isabs(user) else Path("~/.cache").expanduser()) / "octomodel"


def directory() -> Path:
    """Return this version's directory, made if need be.

    Raises
    ------
    OSError
        When it cannot be made, or when others than the user may write to it.
    """
    place = root() / code_digest()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = place.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(f"{place} is open to other users")
    return place


@contextlib.contextmanager
def session(name: str) -> Iterator[DiskCache | None]:
    """Hold the cache of one kernel, alone among all processes, while it is loaded or compiled and saved.

    Parameters
    ----------
    name : str
        Module and name of the kernel.

    Yields
    ------
    DiskCache or None
        None, after one notice, where no cache can be kept.

    Raises
    ------
    ValueError
        See :func:`root`.
    """
    cache = None
    with contextlib.ExitStack() as stack:
        try:
            if source_digest() != _SOURCES_AT_IMPORT:
                raise OSError("the kernel sources have changed since they were imported")
            place = directory()
            lock = stack.enter_context(open(place / "lock", "ab"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Unlocked by name: a child forked meanwhile shares the file, so closing ours would not be enough.
            stack.callback(fcntl.flock, lock, fcntl.LOCK_UN)
            cache = DiskCache(place, name)
        except (OSError, RuntimeError) as error:
            notice(f"compiled kernels are not kept on disk: {error}")
        yield cache


class DiskCache:
    """The files of one kernel, in the form Numba's dispatcher asks for.

    Parameters
    ----------
    place : Path
        The directory, held by :func:`session`.
    name : str
        Module and name of the kernel.
    """

    def __init__(self, place: Path, name: str) -> None:
        self.cache_path = place
        self._name = name

    def path(self, signature: tuple[Any, ...]) -> Path:
        """Return the file for a signature, a tuple of Numba types."""
        key = hashlib.sha256(repr(signature).encode()).hexdigest()[:16]
        return self.cache_path / f"{self._name}-{key}.bin"

    def load_overload(self, signature: tuple[Any, ...], target_context: Any) -> Any:
        """Return the compiled kernel, or None when there is none that can be trusted."""
        path = self.path(signature)
        if not path.exists():
            return None
        try:
            target_context.refresh()
            blob = path.read_bytes()
            body = blob[_CHECKSUM_BYTES:]
            if blob[:_CHECKSUM_BYTES] != _checksum(path, body):
                raise ValueError("its checksum is wrong")
            result = CompileResult._rebuild(target_context, *pickle.loads(body))
            if tuple(result.signature.args) != signature:
                raise ValueError("it was compiled for another signature")
        except Exception as error:  # whatever is wrong with the file, compiling again cures it
            notice(f"compiled kernel {path.name} cannot be loaded and is compiled again: {error}")
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        return result

    def save_overload(self, signature: tuple[Any, ...], result: Any) -> None:
        """Write the compiled kernel as one file, replaced as a whole; a failure costs a notice only."""
        path = self.path(signature)
        temporary = path.with_suffix(".tmp")
        try:
            if result.library.has_dynamic_globals:
                raise ValueError("it contains addresses of this process")
            body = dumps(result._reduce())
            temporary.write_bytes(_checksum(path, body) + body)
            temporary.replace(path)
        except Exception as error:  # the kernel runs all the same; the next process compiles again
            notice(f"compiled kernel {path.name} cannot be kept on disk: {error}")
            with contextlib.suppress(OSError):
                temporary.unlink()


def _checksum(path: Path, body: bytes) -> bytes:
    """Return the checksum of a file's body, bound to its name so that one file cannot stand for another."""
    return hashlib.sha256(path.name.encode() + b"\n" + body).digest()
