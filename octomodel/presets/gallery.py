"""Writes the page of all bundled descriptions and its drawings: ``python -m octomodel.presets.gallery docs/gallery.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from octomodel import presets
from octomodel.demand import moments
from octomodel.elements import Task
from octomodel.graph_svg import svg
from octomodel.presets import origins
from octomodel.presets.scale import work_scale
from octomodel.provenance import TAGS
from octomodel.spread import Spread, overall, spread
from octomodel.workflow import Workflow
from octomodel.yaml_io import Document

FOLDER = "gallery"
"""Where the drawings are, beside the page."""

_HEAD = """\
# Gallery

Made by `python -m octomodel.presets.gallery docs/gallery.md`; not to be edited. All that is bundled: workflows,
textbook systems and machines. `octomodel show NAME` shows one of them, `octomodel show NAME --provenance` its numbers
one by one.

A number is *published* (printed in a source), *derived* from printed ones, an *estimate*, or from *memory*; the last
two are weak. What a secondary source quotes counts as published, and its note says so. Where one entry stands for
several numbers it has the tag of the weakest; what only the conventions below stand between is derived.

Conventions, all of them estimates: a time is in cycles of a PEA that does 128 MAC per cycle (256 at 50 %); 1 ms of a
3 GHz core is 750,000 cycles; a task known only in ms of a GPU counts 2 GMAC per ms. A configuration is code (32 KiB)
or code and a tile of weights (128 KiB); what is streamed belongs to the time of a task. Several PEAs divide all of a
task (`parallel: 1`): what share they can divide is published nowhere.

In the drawings a task has its visits, its cycles per request and their share, and is the darker the larger that is; an
edge has its tokens per request and the bytes that each carries. A drawing by itself also tells exact numbers, where the
pointer is.

Requests of full size take from 10^6 to 5 x 10^11 cycles. The *scale* of a workflow is the power of ten by which its
file is smaller than what it stands for, so that workflows can be mixed; it holds for work, payloads and deadline.
"""

_WORKFLOWS = """
## Workflows

Time CV and frequency CV are those of single executions and of executions per request, over all phases, weighted by
work: the two ways in which a workflow is dynamic. They follow from the program and its laws.
"""

_MACHINES = """
## Machines

Speeds are relative: 1 is the machine's own PEA. Its MAC per cycle stand in the note to `hardware.tbu.speed`.
"""

_WORKFLOW_COLUMNS = (
    "workflow", "scale", "tasks", "executions per request", "Mcycles per request", "AI share", "time CV",
    "frequency CV", "weak numbers",
)
_MACHINE_COLUMNS = (
    "machine", "clusters", "TBUs", "PEAs of a TBU", "memory of a TBU, KiB", "clock, GHz", "link, bytes per cycle",
    "hop, cycles", "reload, cycles", "weak numbers",
)
_TASK_COLUMNS = (
    "task", "kind", "executions", "mean cycles", "demand, cycles", "share", "time CV", "frequency CV",
    "output, bytes", "configuration, bytes",
)


def page() -> str:
    """Return the page.

    Returns
    -------
    str
        Markdown, the same whatever the environment: workflows are those of the files, without traces.
    """
    return "\n".join(_lines()) + "\n"


def drawings() -> dict[str, str]:
    """Return the drawing of each workflow, an SVG document, by the name of its preset."""
    return {name: svg(_of(presets.document(kind, name))) + "\n" for kind in presets.RUNNABLE for name in presets.names(kind)}


def write(path: Path) -> None:
    """Write the page, and the drawings into a folder beside it, which holds nothing else afterwards.

    Raises
    ------
    OSError
        When something cannot be written.
    """
    folder = path.parent / FOLDER
    folder.mkdir(exist_ok=True)
    found = {f"{name}.svg": text for name, text in drawings().items()}
    for old in folder.iterdir():
        if old.name not in found:
            old.unlink()
    for name, text in found.items():
        (folder / name).write_text(text, encoding="utf-8")
    path.write_text(page(), encoding="utf-8")


def _lines() -> Iterator[str]:
    yield _HEAD
    described = {name: presets.document("workflow", name) for name in presets.names("workflow")}
    yield _WORKFLOWS.lstrip("\n")
    yield from _table(_WORKFLOW_COLUMNS)
    yield from (_row(name, document) for name, document in described.items())
    for name, document in described.items():
        yield from _workflow(name, document)
    yield "\n## Textbook systems"
    yield "\nEach brings its machine and its load: `octomodel run NAME`. Their numbers are chosen, not measured."
    for name in presets.names("textbook"):
        yield from _workflow(name, presets.document("textbook", name))
    yield _MACHINES
    yield from _table(_MACHINE_COLUMNS)
    yield from (_machine(name) for name in presets.names("hardware"))
    for name in presets.names("hardware"):
        document = presets.document("hardware", name)
        yield f"\n### {name}\n\n{_sentence(document.title)}\n"
        yield from _sources(document)


def _row(name: str, document: Document) -> str:
    workflow = _of(document)
    demand, whole = workflow.demand(), overall(workflow)
    work = sum(demand.values())
    ai = sum(demand[task.name] for task in workflow.tasks if task.kind == "ai") / work
    scale = work_scale(name)
    cells = (
        f"[{name}](#{name})",
        f"1/{scale.denominator:,}" if scale != 1 else "1",
        f"{len(workflow.tasks)}",
        f"{sum(workflow.visits().values()):,.3g}",
        f"{work / 1e6:,.3g}",
        f"{ai:.3f}",
        f"{whole.time_cv:.3f}",
        f"{whole.frequency_cv:.3f}",
        _weak(document),
    )
    return _cells(cells)


def _workflow(name: str, document: Document) -> Iterator[str]:
    workflow = _of(document)
    yield f"\n### {name}\n\n{_sentence(document.title)}: {workflow.description}.\n"
    if workflow.phases is not None:
        unit = "requests" if workflow.phases.by == "request" else "cycles"
        lengths = ", ".join(f"{phase} {length:,}" for phase, length in workflow.phases.cycle)
        yield f"- Phases, in {unit}: {lengths}."
    if workflow.deadline_cycles is not None:
        yield f"- Deadline: {workflow.deadline_cycles:,} cycles."
    if workflow.milestones:
        yield f"- Milestones: {', '.join(workflow.milestones)}."
    counts = origins.tally(origins.numbers(document))
    yield f"- Numbers: {', '.join(f'{counts[tag]} {tag}' for tag in TAGS if counts[tag])}."
    yield from _sources(document)
    yield ""
    yield from _table(_TASK_COLUMNS)
    yield from _tasks(workflow)
    yield f"\n[![graph of {name}]({FOLDER}/{name}.svg)]({FOLDER}/{name}.svg)"


def _tasks(workflow: Workflow) -> Iterator[str]:
    """Yield the rows of tasks; neighbours that differ in name and frequency only share one."""
    varied, visits, demand = spread(workflow), workflow.visits(), workflow.demand()
    total = sum(demand.values())

    def alike(task: Task) -> object:
        return task.name.rstrip("0123456789"), task.time, task.phases, task.kind, task.out_bytes, task.config_bytes

    for _, group in groupby(workflow.tasks, key=alike):
        tasks = list(group)
        first, names = tasks[0], [task.name for task in tasks]
        mean, _cv = moments(workflow, first.time)
        work = sum(demand[name] for name in names)
        cells = (
            names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}, together",
            first.kind,
            f"{sum(visits[name] for name in names):,.4g}",
            f"{mean:,.6g}",
            f"{work:,.6g}",
            f"{work / total:.1%}",
            f"{varied[names[0]].time_cv:.3f}",
            _frequencies([varied[name] for name in names]),
            f"{first.out_bytes:,}",
            f"{first.config_bytes:,}",
        )
        yield _cells(cells)


def _frequencies(found: list[Spread]) -> str:
    low, high = (f"{pick(each.frequency_cv for each in found):.3f}" for pick in (min, max))
    return low if low == high else f"{low} to {high}"


def _machine(name: str) -> str:
    document = presets.document("hardware", name)
    system = document.hardware
    assert system is not None and system.memory_bytes is not None
    cells = (
        f"[{name}](#{name})",
        f"{system.rows} x {system.cols}",
        f"{system.n_tbu:,}",
        f"{system.peas}",
        f"{system.memory_bytes / 1024:,.0f}",
        f"{system.clock_hz / 1e9:g}",
        f"{system.link_bytes_per_cycle}",
        f"{system.link_latency_cycles}",
        f"{system.reload_cycles:,} + bytes / {system.reload_bytes_per_cycle}",
        _weak(document),
    )
    return _cells(cells)


def _weak(document: Document) -> str:
    found = origins.numbers(document)
    return f"{sum(number.weak for number in found) / len(found):.0%}"


def _sources(document: Document) -> Iterator[str]:
    yield from (f"- Source: {source}." for source in document.sources)


def _of(document: Document) -> Workflow:
    assert document.workflow is not None
    return document.workflow


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _table(columns: tuple[str, ...]) -> Iterator[str]:
    yield _cells(columns)
    yield f"|{'---|' * len(columns)}"


def _cells(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
