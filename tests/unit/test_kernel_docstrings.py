"""Every kernel says which arrays it reads and writes; what it says is compared with its code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[2] / "kernels"


def kernels(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Yield the functions that are handed all arrays at once, by convention as ``w``."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.args.args and node.args.args[0].arg == "w":
            yield node


def _whole(node: ast.AST) -> str:
    """Return the name of an array where a node is ``w.array``, else an empty string."""
    handed = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "w"
    return node.attr if handed and isinstance(node, ast.Attribute) else ""


def _item(node: ast.AST) -> str:
    """Return the same where a node is ``w.array[i]``."""
    return _whole(node.value) if isinstance(node, ast.Subscript) else ""


def arrays(function: ast.FunctionDef) -> str:
    """Return in one line which arrays a function itself only reads (in), changes (in-out) and only writes (out).

    ``row = w.array[i]`` points to a record, of which ``row.field`` is read or written; what a called function touches
    is said there.
    """
    nodes = list(ast.walk(function))
    rows: dict[str, set[str]] = {}
    pointers = set()
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _item(node.value):
            rows.setdefault(node.targets[0].id, set()).add(_item(node.value))
    fields = [n for n in nodes if isinstance(n, ast.Attribute) and not _whole(n)]
    used = {n.value.id for n in fields if isinstance(n.value, ast.Name)}
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in used:
            pointers.add(id(node.value))
    pointers |= {id(n.value) for n in fields}
    read: set[str] = set()
    written: set[str] = set()
    changed = {id(node.target) for node in nodes if isinstance(node, ast.AugAssign)}
    for node in nodes:
        found: set[str] = set()
        if isinstance(node, ast.Attribute) and not _whole(node):
            found = rows.get(node.value.id, set()) if isinstance(node.value, ast.Name) else {_item(node.value)} - {""}
        elif isinstance(node, ast.Subscript) and id(node) not in pointers:
            found = {_item(node)} - {""}
        elif isinstance(node, ast.Call):
            read |= {_whole(argument) for argument in node.args} - {""}
        if found and isinstance(node, ast.Attribute | ast.Subscript):
            stored = isinstance(node.ctx, ast.Store)
            written |= found if stored else set()
            read |= found if not stored or id(node) in changed else set()
    kinds = (("In", read - written), ("In-out", read & written), ("Out", written - read))
    return " ".join(f"{kind}: {', '.join(sorted(names))}." for kind, names in kinds if names)


def documented(function: ast.FunctionDef) -> str:
    """Return the last paragraph of a docstring in one line, if it is one of arrays."""
    last = " ".join((ast.get_docstring(function) or "").split("\n\n")[-1].split())
    return last if last.startswith(("In: ", "In-out: ", "Out: ")) else ""


@pytest.mark.parametrize("path", sorted(KERNELS.glob("*.py")), ids=lambda path: path.stem)
def test_kernels_say_what_they_read_and_write(path: Path) -> None:
    tree = ast.parse(path.read_text())
    wrong = {each.name: arrays(each) for each in kernels(tree) if documented(each) != arrays(each)}
    assert not wrong, wrong


def test_arrays_are_found_in_every_form() -> None:
    source = """
def _f(w, c):
    row = w.tbu[c]
    row.state = w.owner[c]
    w.queue[row.token].head += 1
    w.order[c] = other(w, c)
    w.events[c] += len(w.heap)
    last = w.link[c].free
    return row
"""
    (function,) = kernels(ast.parse(source))
    assert arrays(function) == "In: heap, link, owner. In-out: events, queue, tbu. Out: order."
    assert documented(function) == ""
