"""The compile policy: one signature per entry kernel, compiled once, kept on disk while it can be trusted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

from octomodel.kernels import _cache, _jit

real = pytest.mark.skipif(not _jit.JIT_ENABLED, reason="the JIT is off")


class World(NamedTuple):
    cells: Any
    step: int


class Dispatcher:
    """A stand-in for Numba's dispatcher: keeps the rules of the real one, runs plain Python."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.compiled: list[Any] = []
        self.open = True
        self._cache: Any = None

    def compile(self, types: Any) -> None:
        assert self.open
        self.compiled.append(types)

    def disable_compile(self) -> None:
        self.open = False

    def __call__(self, *args: Any) -> Any:
        if tuple(map(numba.typeof, args)) not in self.compiled:
            raise TypeError("No matching definition")
        return self.function(*args)


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return an entry kernel on the stand-in."""

    def advance(world: World, budget: int) -> int:
        """Advance."""
        if budget == 13:
            raise TypeError("raised by the kernel")
        return int(world.cells.sum()) + world.step * budget

    monkeypatch.setenv("OCTOMODEL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(numba, "njit", lambda **options: Dispatcher)
    monkeypatch.setattr(_jit, "JIT_ENABLED", True)
    return _jit.entry(advance)


def world(cells: Any = None, step: Any = 2) -> World:
    return World(np.arange(4) if cells is None else cells, step)


@pytest.mark.nojit
def test_entry_is_compiled_once_at_the_first_call(entry: Any) -> None:
    before = _jit.compile_seconds()
    assert entry.dispatcher.compiled == []
    assert [entry(world(), 5), entry(world(), 6)] == [16, 18]
    assert len(entry.dispatcher.compiled) == 1
    assert isinstance(entry.dispatcher._cache, _cache.DiskCache)
    assert not entry.dispatcher.open
    assert _jit.compile_seconds() > before
    assert (entry.__name__, entry.__doc__) == ("advance", "Advance.")


@pytest.mark.nojit
def test_entry_works_without_a_cache(entry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("OCTOMODEL_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert entry(world(), 5) == 16
    assert entry.dispatcher._cache is None


@pytest.mark.nojit
@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((world(), 5.0), "argument 1 is float64, compiled for int64"),
        ((world(), True), "argument 1 is bool, compiled for int64"),
        ((world(),), "1 arguments, compiled for 2"),
        ((world(np.zeros(4)), 5), r"argument 0.cells is array\(float64, 1d, C\), compiled for array\(int64"),
        ((world(np.arange(8)[::2]), 5), r"argument 0.cells is array\(int64, 1d, A\), compiled for"),
        ((world(step=2.5), 5), "argument 0.step is float64, compiled for int64"),
    ],
)
def test_second_signature_is_refused(entry: Any, args: Any, message: str) -> None:
    entry(world(), 5)
    with pytest.raises(TypeError, match=message):
        entry(*args)
    assert len(entry.dispatcher.compiled) == 1


@pytest.mark.nojit
def test_same_fields_of_another_class_are_refused(entry: Any) -> None:
    class Twin(NamedTuple):
        cells: Any
        step: int

    entry(world(), 5)
    with pytest.raises(TypeError, match="argument 0 is another class named Twin"):
        entry(Twin(np.arange(4), 2), 5)


@pytest.mark.nojit
def test_type_error_of_the_kernel_passes(entry: Any) -> None:
    entry(world(), 5)
    with pytest.raises(TypeError, match="raised by the kernel"):
        entry(world(), 13)


@pytest.mark.nojit
def test_refused_private_options_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: Any) -> Any:
        if "_nrt" in options:
            raise KeyError("Unrecognized options")
        return lambda function: function

    options = {"nogil": True, "_nrt": False}
    monkeypatch.setattr(numba, "njit", refuse)
    assert _jit._accepted(options) == {"nogil": True}
    monkeypatch.setattr(numba, "njit", lambda **options: lambda function: function)
    assert _jit._accepted(options) == options


@pytest.mark.nojit
def test_without_jit_functions_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_jit, "JIT_ENABLED", False)
    assert _jit.entry(world) is world
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    assert _jit.jit(world) is world


TOY = {
    "__init__.py": "",
    "callee.py": """
from ._jit import jit
def _add(world, i):
    world.cells[i] += world.step
add = jit(_add)
""",
    "main.py": """
import json, sys
from typing import Any, NamedTuple
import numpy as np
from ._jit import compile_seconds, entry
from .callee import add
class World(NamedTuple):
    cells: Any
    step: int
def _advance(world, budget):
    for i in range(budget):
        add(world, i)
    return budget
advance = entry(_advance)
def run():
    world = World(np.zeros(5, np.int64), 3)
    advance(world, 4)
    hits = sum(advance.dispatcher.stats.cache_hits.values())
    llvm = "".join(advance.dispatcher.inspect_llvm().values()) if not hits else ""
    print(json.dumps([world.cells.tolist(), hits, compile_seconds() > 0, "NRT_incref" in llvm]))
""",
}
COMPILED = [[3, 3, 3, 3, 0], 0, True, False]
LOADED = [[3, 3, 3, 3, 0], 1, True, False]


@pytest.fixture
def toy(repository: Path, tmp_path: Path) -> Path:
    """Return the folder of a package with the project's compile policy and two small kernels."""
    package = tmp_path / "toy"
    package.mkdir()
    for name, text in TOY.items():
        (package / name).write_text(text)
    for name in ("_jit.py", "_cache.py", "_module.py"):
        shutil.copy(repository / "kernels" / name, package)
    return package


def start(toy: Path, **variables: str) -> subprocess.Popen[str]:
    own = {"OCTOMODEL_CACHE_DIR": str(toy.parent / "cache"), "PYTHONPATH": str(toy.parent)}
    return subprocess.Popen(
        [sys.executable, "-B", "-c", "from toy.main import run; run()"],
        env=os.environ | own | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[Any, str]:
    """Return what a process printed and the notices it gave."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out), err


@real
def test_second_process_loads_what_the_first_compiled(toy: Path) -> None:
    assert finish(start(toy)) == (COMPILED, "")
    assert finish(start(toy)) == (LOADED, "")
    # Bounds checks are other code.
    assert finish(start(toy, NUMBA_BOUNDSCHECK="1")) == (COMPILED, "")


@real
def test_edited_callee_is_compiled_again(toy: Path) -> None:
    finish(start(toy))
    (toy / "callee.py").write_text(TOY["callee.py"].replace("+= world.step", "-= world.step"))
    assert finish(start(toy)) == ([[-3, -3, -3, -3, 0], *COMPILED[1:]], "")
    (toy / "callee.py").write_text(TOY["callee.py"])
    assert finish(start(toy)) == (LOADED, "")


@real
def test_corrupt_file_is_compiled_again_with_one_notice(toy: Path) -> None:
    finish(start(toy))
    (file,) = (toy.parent / "cache").glob("*/*.bin")
    blob = bytearray(file.read_bytes())
    blob[len(blob) // 2] ^= 1
    file.write_bytes(blob)
    result, notices = finish(start(toy))
    assert result == COMPILED
    assert notices.count("\n") == 1
    assert "cannot be loaded and is compiled again" in notices
    assert finish(start(toy)) == (LOADED, "")


@real
def test_of_four_cold_processes_one_compiles(toy: Path) -> None:
    results = [finish(process) for process in [start(toy) for _ in range(4)]]
    assert sorted(results) == sorted([(COMPILED, ""), *[(LOADED, "")] * 3])
    assert sorted(path.suffix for path in (toy.parent / "cache").glob("*/*")) == ["", ".bin"]


@real
def test_without_a_place_it_compiles_with_one_notice(toy: Path) -> None:
    result, notices = finish(start(toy, OCTOMODEL_CACHE_DIR=str(toy / "main.py" / "cache")))
    assert result == COMPILED
    assert notices.count("\n") == 1
    assert "not kept on disk" in notices


@real
def test_numba_refuses_a_second_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTOMODEL_CACHE_DIR", str(tmp_path))

    @_jit.entry
    def total(world: World, budget: int) -> int:
        return int(world.cells[0]) + world.step + budget

    assert total(world(), 1) == 3
    others = (world(step=2.5), 1), (world(np.zeros(4)), 1), (world(np.arange(8)[::2]), 1), (world(), 1.5)
    for args in others:
        with pytest.raises(TypeError, match="compiled for"):
            total(*args)
