"""A program as indented text, for graphs too large to be drawn."""

from __future__ import annotations

from collections.abc import Iterator

from octomodel.elements import Branch, Fork, Item, Loop, Scaled, Select, Seq, Task
from octomodel.workflow import Workflow

MOST_CHOICES = 8
"""Choices that are told one by one; of more than these the first and the last."""


def outline(workflow: Workflow) -> str:
    """Return the program as lines, what is inside an element indented below it.

    Parameters
    ----------
    workflow : Workflow

    Returns
    -------
    str
        Without values by phase.

    Examples
    --------
    >>> from octomodel import Workflow, loop, task
    >>> print(outline(Workflow("again", task("ask", 1), loop(task("try", 1), again=0.5, name="retry"))))
    ask
    loop retry, again 0.5
      try
    """
    return "\n".join(_body(workflow.program, ""))


def _body(body: Seq, indent: str) -> Iterator[str]:
    if not body.items:
        yield f"{indent}nothing"
    for item in body.items:
        yield from _item(item, indent)


def _item(item: Item, indent: str) -> Iterator[str]:
    deeper = indent + "  "
    if isinstance(item, Task):
        yield indent + item.name
    elif isinstance(item, Loop):
        yield f"{indent}loop {item.name}, {_turns(item)}"
        yield from _body(item.body, deeper)
    elif isinstance(item, Fork):
        yield f"{indent}fork"
        for i, inner in enumerate(item.bodies):
            yield f"{deeper}branch {i + 1}"
            yield from _body(inner, deeper + "  ")
    else:
        yield from _choices(item, indent)


def _choices(item: Branch | Select, indent: str) -> Iterator[str]:
    deeper = indent + "  "
    if isinstance(item, Branch):
        yield f"{indent}branch {item.name}"
    else:
        times = f", {item.items} times" if item.items > 1 else ""
        yield f"{indent}select {item.name}, {item.k} of {len(item.choices)} by weight{times}"
    rows = list(zip(item.choices, item.values, item.bodies, strict=True))
    left_out = len(rows) - 2 if len(rows) > MOST_CHOICES else 0
    for i, (name, value, inner) in enumerate(rows):
        if left_out and i == 1:
            yield f"{deeper}... {left_out} more"
        if not left_out or i in (0, len(rows) - 1):
            yield f"{deeper}{name} {value:.4g}"
            yield from _body(inner, deeper + "  ")


def _turns(loop: Loop) -> str:
    if loop.count is None:
        return f"again {loop.again:.4g}"
    count: Scaled = loop.count
    if count.attribute is None:
        return f"{count.law.mean * count.base:.4g} turns" + (" on the average" if count.law.cv else "")
    return f"turns by {count.attribute}"
