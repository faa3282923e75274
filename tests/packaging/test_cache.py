"""The disk cache by itself, with stand-ins for compiled code, so that it is tested without the JIT too."""

from __future__ import annotations

import fcntl
import logging
import multiprocessing
import os
import pickle
import random
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import pytest

from octomodel.kernels import _cache

pytestmark = pytest.mark.nojit

SIGNATURE = (numba.int64, numba.float64[::1])


class Context:
    """A stand-in for Numba's target context."""

    def refresh(self) -> None:
        pass


class Compiled:
    """A stand-in for a compiled kernel."""

    def __init__(self, args: tuple[Any, ...] = SIGNATURE, payload: bytes = b"machine code" * 50) -> None:
        self.signature = SimpleNamespace(args=args)
        self.payload = payload
        self.library = SimpleNamespace(has_dynamic_globals=False)

    def _reduce(self) -> tuple[Any, ...]:
        return self.signature.args, self.payload


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give each test a cache of its own, Numba's part replaced by the stand-ins."""
    monkeypatch.setenv("OCTOMODEL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(_cache.CompileResult, "_rebuild", lambda context, *parts: Compiled(*parts))
    _cache.notice.cache_clear()
    yield tmp_path
    _cache.notice.cache_clear()


def save(result: Any = None) -> Path:
    with _cache.session("toy.kernel") as cache:
        assert cache is not None
        cache.save_overload(SIGNATURE, Compiled() if result is None else result)
        return cache.path(SIGNATURE)


def load(signature: tuple[Any, ...] = SIGNATURE) -> Any:
    with _cache.session("toy.kernel") as cache:
        assert cache is not None
        return cache.load_overload(signature, Context())


def test_what_was_saved_is_loaded() -> None:
    assert load() is None
    save()
    assert load().payload == Compiled().payload
    assert load((numba.int64,)) is None


def test_one_file_per_kernel_and_signature(home: Path) -> None:
    place = _cache.directory()
    names = {
        _cache.DiskCache(place, name).path(signature).name
        for name in ("toy.a", "toy.b")
        for signature in (SIGNATURE, SIGNATURE[:1])
    }
    assert len(names) == 4


def test_directory_is_private(home: Path) -> None:
    file = save()
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert file.parent.parent == home / "cache"


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o755])
def test_directory_open_to_others_is_not_used(mode: int, caplog: pytest.LogCaptureFixture) -> None:
    _cache.directory().chmod(mode)
    for _ in range(2):
        with _cache.session("toy.kernel") as cache:
            assert cache is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "open to other users" in caplog.text


def test_directory_of_another_user_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = _cache.directory().stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(PermissionError):
        _cache.directory()


@pytest.mark.parametrize("seed", range(150))
def test_flipped_bit_is_noticed(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    file = save()
    blob = bytearray(file.read_bytes())
    bit = random.Random(seed).randrange(8 * len(blob))
    blob[bit // 8] ^= 1 << bit % 8
    file.write_bytes(blob)
    assert load() is None
    assert not file.exists()
    assert len(caplog.records) == 1
    assert "compiled again" in caplog.text


@pytest.mark.parametrize("size", [0, 10, 32, 100])
def test_truncated_file_is_noticed(size: int) -> None:
    file = save()
    file.write_bytes(file.read_bytes()[:size])
    assert load() is None
    assert not file.exists()


def test_file_under_another_name_is_refused() -> None:
    file = save()
    with _cache.session("toy.other") as cache:
        assert cache is not None
        file.rename(cache.path(SIGNATURE))
        assert cache.load_overload(SIGNATURE, Context()) is None


def test_code_of_another_signature_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    save(Compiled(args=(numba.int32,)))
    assert load() is None
    assert "another signature" in caplog.text


def test_unreadable_file_that_cannot_be_deleted(caplog: pytest.LogCaptureFixture) -> None:
    with _cache.session("toy.kernel") as cache:
        assert cache is not None
        cache.path(SIGNATURE).mkdir()
    assert load() is None
    assert "compiled again" in caplog.text


def test_code_with_addresses_is_not_saved(caplog: pytest.LogCaptureFixture) -> None:
    result = Compiled()
    result.library.has_dynamic_globals = True
    assert not save(result).exists()
    assert "addresses of this process" in caplog.text


def test_disk_full_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:40])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert [path.name for path in save().parent.iterdir()] == ["lock"]
    assert "No space left" in caplog.text


def test_directory_that_cannot_be_made(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "file").touch()
    monkeypatch.setenv("OCTOMODEL_CACHE_DIR", str(home / "file" / "cache"))
    with _cache.session("toy.kernel") as cache:
        assert cache is None
    assert "not kept on disk" in caplog.text


def test_changed_sources_are_not_cached(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_cache, "_SOURCES_AT_IMPORT", "as they were")
    with _cache.session("toy.kernel") as cache:
        assert cache is None
    assert "have changed" in caplog.text


def test_digest_covers_sources_and_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = [_cache.code_digest()]
    for name, value in (("BOUNDSCHECK", 1), ("OPT", 1), ("CPU_NAME", "generic")):
        with monkeypatch.context() as patch:
            patch.setattr(numba.config, name, value)
            digests.append(_cache.code_digest())
    monkeypatch.setattr(_cache, "_SOURCES_AT_IMPORT", "edited")
    digests.append(_cache.code_digest())
    assert len(set(digests)) == len(digests)


def test_digest_ignores_threads_and_places(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = _cache.code_digest()
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 77)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "/elsewhere")
    assert _cache.code_digest() == digest


def test_source_digest_reads_every_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "sub").mkdir()
    files = [home / "a.py", home / "sub" / "b.py"]
    for file in files:
        file.write_text("x = 1\n")
    monkeypatch.setattr(_cache, "__file__", str(home / "a.py"))
    digests = [_cache.source_digest()]
    for file in files:
        file.write_text("x = 2\n")
        digests.append(_cache.source_digest())
    assert len(set(digests)) == 3


@pytest.mark.parametrize("value", ["", "relative/place", "~/cache", "{file}"])
def test_bad_directory_is_an_error(home: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    (home / "file").touch()
    monkeypatch.setenv("OCTOMODEL_CACHE_DIR", value.format(file=home / "file"))
    with pytest.raises(ValueError, match="OCTOMODEL_CACHE_DIR: got .*; allowed: the absolute path"):
        save()


def test_places_in_order_of_preference(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(home / "numba"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
    monkeypatch.setenv("HOME", str(home))
    assert _cache.root() == home / "cache"
    monkeypatch.delenv("OCTOMODEL_CACHE_DIR")
    assert _cache.root() == home / "numba" / "octomodel"
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    assert _cache.root() == home / "xdg" / "octomodel"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert _cache.root() == home / ".cache" / "octomodel"


def add_one(counter: str, times: int) -> None:
    for _ in range(times):
        with _cache.session("toy.kernel") as cache:
            assert cache is not None
            number = int(Path(counter).read_text())
            Path(counter).write_text(str(number + 1))


def test_one_process_at_a_time(home: Path) -> None:
    counter = home / "counter"
    counter.write_text("0")
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=add_one, args=(str(counter), 50)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert counter.read_text() == "200"


def test_lock_is_free_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), _cache.session("toy.kernel"):
        raise ZeroDivisionError
    with open(_cache.directory() / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_lock_is_free_although_a_child_lives_on() -> None:
    with _cache.session("toy.kernel"):
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
        child.start()
    try:
        with open(_cache.directory() / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        child.kill()
        child.join()


def test_a_file_is_a_checksum_and_a_pickle() -> None:
    blob = save().read_bytes()
    assert pickle.loads(blob[32:]) == Compiled()._reduce()
