"""What ``octomodel presets`` and ``octomodel show`` print: descriptions as read, as tables or data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from octomodel import demand, presets
from octomodel.dist import Empirical
from octomodel.elements import Series
from octomodel.hardware import System
from octomodel.hardware_values import PATHS
from octomodel.workflow import Workflow
from octomodel.yaml_io import Document
from octomodel.yaml_text import dump

Row = tuple[str, ...]
PLAIN_WIDTH = 120


def print_table(title: str, head: Row, rows: Sequence[Row], *, left: int = 1) -> None:
    """Print a table to standard output; numbers, the columns from ``left`` on, stand to the right."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    table = Table()
    for i, column in enumerate(head):
        table.add_column(column, justify="left" if i < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    # printed by us: rich would end the program when the reader of a pipe has left
    with console.capture() as drawn:
        console.print(table)
    print(title)
    print(drawn.get(), end="")


def listed() -> list[dict[str, str]]:
    """Return kind, name and title of every preset."""
    return [
        {"kind": kind, "name": name, "title": presets.document(kind, name).title}
        for kind in presets.KINDS
        for name in presets.names(kind)
    ]


def print_listed() -> None:
    """Print every preset."""
    rows = [(each["name"], each["kind"], each["title"]) for each in listed()]
    print_table("bundled workflows and machines", ("name", "kind", "title"), rows, left=3)


def workflow_data(workflow: Workflow) -> dict[str, Any]:
    """Return the description of a workflow with visits and demand of each task."""
    visits, work = workflow.visits(), workflow.demand()
    tasks = []
    for task in workflow.tasks:
        mean, cv = demand.moments(workflow, task.time)
        row = {"task": task.name, "kind": task.kind, "mean_cycles": mean, "cv": cv}
        tasks.append({**row, "visits": visits[task.name], "demand_cycles": work[task.name]})
    return {"description": workflow.to_dict(), "tasks": tasks, "demand_cycles": sum(work.values())}


def print_workflow(workflow: Workflow, document: Document) -> None:
    """Print tasks, attributes, phases, and where the numbers come from."""
    data = workflow_data(workflow)
    rows = []
    for row, task in zip(data["tasks"], workflow.tasks, strict=True):
        cells = [
            row["task"],
            row["kind"],
            cycles(row["mean_cycles"]),
            f"{row['cv']:.3g}",
            f"{row['visits']:.4g}",
        ]
        cells += [cycles(row["demand_cycles"]), f"{task.out_bytes:,}", f"{task.config_bytes:,}"]
        rows.append(tuple(cells))
    head = ("task", "kind", "mean cycles", "CV", "visits", "demand", "output bytes", "config bytes")
    print_table(
        f"{workflow.name}: {document.title or workflow.description}".rstrip(": "),
        head,
        rows,
        left=2,
    )
    print(f"demand: {cycles(data['demand_cycles'])} cycles per request")
    for name, law in workflow.attributes.items():
        if isinstance(law, Series):
            told = "" if law.repeat else ", not repeated"
            print(f"attribute {name}: {len(law.values):,} values, mean {law.values.mean():,.6g}{told}{_origin(law.origin)}")
        else:
            origin = _origin(law.to_dict()) if isinstance(law, Empirical) else ""
            print(f"attribute {name}: {law.name}, mean {law.mean:,.6g}, CV {law.cv:.3g}{origin}")
    if workflow.phases is not None:
        unit = "requests" if workflow.phases.by == "request" else "cycles"
        stretches = ", ".join(f"{name} {length:,}" for name, length in workflow.phases.cycle)
        print(f"phases, in {unit}: {stretches}")
    for source in document.sources:
        print(f"source: {source}")


def _origin(told: Mapping[str, Any]) -> str:
    return f", column {told['column']} of {told['file']}" if told.get("file") and told.get("column") else ""


def data(workflow: Workflow | None, system: System | None) -> dict[str, Any]:
    """Return a description as plain data: workflow, hardware."""
    found: dict[str, Any] = {}
    if workflow is not None:
        found["workflow"] = workflow_data(workflow)
    if system is not None:
        found["hardware"] = hardware_data(system)
    return found


def hardware_data(system: System) -> dict[str, Any]:
    """Return the description of a machine with its size."""
    return {"description": system.to_dict(), "clusters": system.n_cluster, "tbus": system.n_tbu}


def print_hardware(system: System, document: Document) -> None:
    """Print the values of a machine, as they stand in files and ``--set``, and where they come from."""
    rows = [(path, _as_in_file(getattr(system, name))) for path, name in PATHS.items()]
    print_table(document.title or system.description or "machine", ("key", "value"), rows)
    print(f"{system.n_cluster:,} clusters, {system.n_tbu:,} TBUs")
    for source in document.sources:
        print(f"source: {source}")


def cycles(value: float) -> str:
    """Return a number of cycles as tables show it."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.4g}"


def _as_in_file(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} values" if len(value) > 16 else f"[{', '.join(map(_as_in_file, value))}]"
    return dump(str(value) if isinstance(value, Fraction) else value).strip()
