"""The three top folders, the list of packages, the wheel's data, and which module may import which."""

from __future__ import annotations

import ast
import fnmatch
import importlib
import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOTS = {"octomodel": "octomodel", "kernels": "octomodel.kernels", "calibration": "octomodel.calibration"}
HEAVY = {"scipy.stats", "networkx", "matplotlib", "zarr", "h5netcdf", "dask", "rich", "cyclopts", "octomodel.verification"}
COMPILERS = {"jit", "inlined", "entry"}
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text())


def real_files(repository: Path, root: str) -> list[Path]:
    """Return the files of one top folder, without those behind the links and without byte code."""
    top = repository / root
    skipped = {"__pycache__", *(name for name in ROOTS if (top / name).is_symlink())}
    files = [path for path in sorted(top.rglob("*")) if path.is_file()]
    return [path for path in files if skipped.isdisjoint(path.relative_to(top).parts)]


def modules(repository: Path) -> list[tuple[str, Path]]:
    """Return root and path of every module of the project."""
    return [(root, path) for root in ROOTS for path in real_files(repository, root) if path.suffix == ".py"]


def imported(path: Path) -> set[str]:
    """Return the dotted names of all that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def public(tree: ast.Module) -> set[str]:
    """Return the names of a module without underscore, of the private kernels and the private bases behind them too."""
    names = {node.name for node in ast.walk(tree) if isinstance(node, DEFINITIONS)}
    names = {name for name in names if not name.startswith("_")}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name in names:
            names |= {base.id for base in node.bases if isinstance(base, ast.Name)}
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            if isinstance(node.value.func, ast.Name) and node.value.func.id in COMPILERS:
                names |= {argument.id for argument in node.value.args if isinstance(argument, ast.Name)}
    return names


def undocumented(node: ast.AST, names: set[str], prefix: str = "") -> Iterator[str]:
    """Yield the public classes, functions and methods that have no docstring of their own, with their classes."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, DEFINITIONS):
            if child.name in names and not ast.get_docstring(child):
                yield prefix + child.name
            if isinstance(child, ast.ClassDef) and child.name in names:
                yield from undocumented(child, names, f"{prefix}{child.name}.")
        elif isinstance(child, ast.stmt):
            yield from undocumented(child, names, prefix)


def inherits_docstring(module: str, name: str) -> bool:
    """Return whether ``help()`` of a method shows what a base of its class says; functions and classes have no base."""
    owner, _, method = name.rpartition(".")
    if not owner:
        return False
    found: Any = importlib.import_module(module)
    for part in owner.split("."):
        found = getattr(found, part)
    return bool(inspect.getdoc(getattr(found, method)))


def test_list_of_packages_is_complete(repository: Path, project: dict[str, Any]) -> None:
    found = set()
    for root, package in ROOTS.items():
        for path in real_files(repository, root):
            if path.suffix == ".py":
                folder = path.parent.relative_to(repository / root)
                found.add(".".join((package, *folder.parts)))
    assert found == set(project["tool"]["setuptools"]["packages"])


def test_every_package_has_an_init(repository: Path) -> None:
    folders = {path.parent for _, path in modules(repository)}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_data_files_are_in_the_wheel(repository: Path, project: dict[str, Any]) -> None:
    patterns = [
        "/".join((*package.split("."), pattern.removeprefix("**/")))
        for package, globs in project["tool"]["setuptools"]["package-data"].items()
        for pattern in globs
    ]
    data = [path.relative_to(repository).as_posix() for path in real_files(repository, "octomodel")]
    data = [path for path in data if not path.endswith(".py")]
    assert "octomodel/py.typed" in data
    assert [path for path in data if not any(fnmatch.fnmatch(path, pattern) for pattern in patterns)] == []


@pytest.mark.parametrize("root", ["kernels", "calibration"])
def test_links_are_relative(repository: Path, root: str) -> None:
    link = repository / "octomodel" / root
    assert link.is_symlink()
    assert link.readlink() == Path("..") / root


def test_kernels_know_numpy_and_numba_only(repository: Path) -> None:
    allowed = {*sys.stdlib_module_names, "numba", "numpy", "llvmlite"}
    for root, path in modules(repository):
        if root == "kernels":
            foreign = {
                name
                for name in imported(path)
                if name.split(".")[0] not in allowed and not name.startswith("octomodel.kernels")
            }
            assert not foreign, f"{path.name} imports {foreign}"


def test_calibration_knows_laws_and_workflows_only(repository: Path) -> None:
    own = ("octomodel", "kernels", "calibration")
    allowed = ("octomodel.calibration", "octomodel.dist", "octomodel.workflow")
    for root, path in modules(repository):
        if root == "calibration":
            foreign = {n for n in imported(path) if n.startswith(own) and not n.startswith(allowed)}
            assert not foreign, f"{path.name} imports {foreign}"


def test_modules_are_short(repository: Path) -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for _, path in modules(repository)}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_everything_public_has_a_docstring(repository: Path) -> None:
    """One of its own or, for a method, that of the base which documents it."""
    bare = []
    for root, path in modules(repository):
        tree = ast.parse(path.read_text())
        steps = path.relative_to(repository / root).with_suffix("").parts
        module = ".".join((ROOTS[root], *(step for step in steps if step != "__init__")))
        assert ast.get_docstring(tree), module
        bare += [f"{module}:{name}" for name in undocumented(tree, public(tree)) if not inherits_docstring(module, name)]
    assert bare == []


def test_search_for_docstrings_finds_what_has_none() -> None:
    code = """
class _Base:
    def inherited(self): pass
class Shown(_Base):
    'Documented.'
    def method(self): pass
    def _private(self): pass
class _Hidden:
    def method(self): pass
if True:
    def function():
        def inner(): pass
def _push(): pass
push = jit(_push)
def _helper(): pass
"""
    tree = ast.parse(code)
    found = {"_Base", "_Base.inherited", "Shown.method", "function", "_push"}
    assert set(undocumented(tree, public(tree))) == found


def test_kernels_excuse_no_line_from_coverage(repository: Path) -> None:
    kernels = [path for root, path in modules(repository) if root == "kernels"]
    assert [path.name for path in kernels if "pragma:" in path.read_text()] == []


def test_coverage_is_of_all_branches(repository: Path, project: dict[str, Any]) -> None:
    settings = project["tool"]["coverage"]
    # taken in the processes that run the tests; the first one has nothing to tell
    processes = {"parallel": True, "patch": ["subprocess"], "disable_warnings": ["no-data-collected"]}
    assert settings["run"] == {"branch": True, "source_dirs": ["kernels"], **processes}
    assert settings["report"]["exclude_lines"] == settings["report"]["partial_branches"] == []
    assert set(settings) == {"run", "report"}
    assert "--fail-under=100\n" in (repository / "Makefile").read_text()


def test_no_warning_is_filtered(repository: Path, project: dict[str, Any]) -> None:
    """Each is an error: in the settings, in the code of octomodel, and in every test."""
    assert project["tool"]["pytest"]["ini_options"]["filterwarnings"] == ["error"]
    filtering = re.compile(r"filterwarnings|simplefilter\((?!\"error\"\))|catch_warnings|PYTHONWARNINGS")
    paths = [path for _, path in modules(repository)] + list((repository / "tests").rglob("*.py"))
    found = [path.name for path in paths if filtering.search(path.read_text())]
    assert found == [Path(__file__).name]


@pytest.mark.parametrize("name", ["kernels", "calibration"])
def test_bare_imports_are_banned(repository: Path, name: str) -> None:
    pytest.importorskip("ruff")
    command = [sys.executable, "-m", "ruff", "check", "--stdin-filename", "octomodel/example.py", "-"]

    def verdict(module: str) -> subprocess.CompletedProcess[str]:
        code = f"import {module}\n\nprint({module})\n"
        return subprocess.run(command, input=code, cwd=repository, capture_output=True, text=True)

    assert "TID251" in verdict(name).stdout
    assert verdict(f"octomodel.{name}").returncode == 0


def test_import_is_light_and_compiles_nothing() -> None:
    code = """
import json, sys
import octomodel
loaded = sorted(sys.modules)
from octomodel.kernels._jit import compile_seconds
print(json.dumps([loaded, compile_seconds()]))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, seconds = json.loads(answer.stdout)
    assert "octomodel" in loaded
    assert HEAVY.intersection(loaded) == set()
    assert seconds == 0.0
