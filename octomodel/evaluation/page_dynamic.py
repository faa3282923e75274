"""Chapters of the page: a tuned rival, what the compiler believed, and how dynamic a workflow is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from octomodel.evaluation.tables import Found, at, cell, mean_of, paired, ratio, table
from octomodel.variables import POLICY

PAPER = (2.50, 4.26)


def tuned(runs: Sequence[Found], rivals: Sequence[Found]) -> Iterator[str]:
    """Yield the chapter of `reactive` with the threshold and epoch that suit each workflow best."""
    if not runs:
        return
    yield "## `reactive` tuned, `octopus` not\n"
    yield (
        "For each workflow the threshold and the epoch at which `reactive` had the highest throughput, found with another seed, "
        "one replication; `octopus` has the machine's epoch and its defaults.\n"
    )
    others = {(part.machine, part.workflow.name): found for part, found in rivals}
    over: list[float] = []

    def rows() -> Iterator[Sequence[str]]:
        for part, found in runs:
            rival = others.get((part.machine, part.workflow.name))
            if rival is None:
                continue
            best = found.isel({name: 0 for name in part.over})
            before = ratio(rival, at("reactive"), at("static"))
            now = paired(best.sel({POLICY: "reactive"}), best.sel({POLICY: "static"}))
            gain = paired(rival.sel(at("octopus")), best.sel({POLICY: "reactive"}))
            if gain is not None:
                over.append(gain[0])
            threshold, period = (values[0] for values in part.over.values())
            yield (part.workflow.name, part.machine, f"{threshold:g}", f"{period:,}", cell(before), cell(now), cell(gain))

    head = ("workflow", "machine", "threshold", "epoch", "default over `static`", "tuned over `static`", "`octopus` over tuned")
    yield from table(head, rows())
    if over:
        span = f"from {min(over):.2f} to {max(over):.2f}"
        yield f"`octopus` over tuned `reactive`: geometric mean {mean_of(over):.2f}, {span}, of {len(over)} workflows.\n"


def profiles(runs: Sequence[Found]) -> Iterator[str]:
    """Yield the chapter of mappings made for the average of the phases, for the first one, and for the slowest."""
    if not runs:
        return
    yield "## What the compiler believed\n"
    yield (
        "The mapping made for the average of the phases, for the first phase or for the slowest one; speed-ups over `static` "
        "with the mapping for the average.\n"
    )

    def rows() -> Iterator[Sequence[str]]:
        for part, found in runs:
            base = found.isel(profile=0).sel({POLICY: "static"})
            for place, name in enumerate(part.over["profile"]):
                here = found.isel(profile=place)
                cells = (paired(here.sel({POLICY: policy}), base) for policy in ("static", "reactive", "octopus"))
                yield (part.workflow.name, "average" if name is None else name, *map(cell, cells))

    yield from table(("workflow", "mapping for", "`static`", "`reactive`", "`octopus`"), rows())


def dynamic(runs: Sequence[Found]) -> Iterator[str]:
    """Yield the chapter of a workflow that varies more and more, and where the paper's numbers lie in it."""
    if not runs:
        return
    yield "## How dynamic the workflow is\n"
    yield (
        "A branch to one of four tasks of 300,000 cycles between two of 50,000, on `edge_6c`: coefficient of variation of all "
        "times, the part of the requests of a phase that all take its task (there are four phases, the others take any), and "
        "requests of a phase (those in flight are 288; an epoch is 100,000 cycles)."
        " Speed-ups over `static`, mapped for the average; last `octopus` over `reactive`.\n"
    )
    gains: dict[str, list[tuple[float, str]]] = {"static": [], "reactive": []}

    def rows() -> Iterator[Sequence[str]]:
        for part, found in runs:
            cv, shift, dwell = part.name.split("_")
            cells = [ratio(found, {POLICY: name}, {POLICY: "static"}) for name in ("reactive", "octopus", "ideal")]
            over = ratio(found, {POLICY: "octopus"}, {POLICY: "reactive"})
            for name, value in (("static", cells[1]), ("reactive", over)):
                if value is not None:
                    gains[name].append((value[0], f"cv {cv}, shift {shift}, {dwell} requests"))
            yield (cv, shift, dwell if float(shift) else "-", *map(cell, cells), cell(over))

    head = ("cv", "shift", "dwell", "`reactive`", "`octopus`", "`ideal`", "`octopus` over `reactive`")
    yield from table(head, rows())
    for name, values in gains.items():
        if values:
            yield f"Over `{name}`: from {_least(values)} to {_most(values)}. {_region(values)}\n"


def _least(values: Sequence[tuple[float, str]]) -> str:
    value, where = min(values)
    return f"{value:.2f} ({where})"


def _most(values: Sequence[tuple[float, str]]) -> str:
    value, where = max(values)
    return f"{value:.2f} ({where})"


def _region(values: Sequence[tuple[float, str]]) -> str:
    """Return where the paper's mean and maximum are reached."""
    mean, most = PAPER
    there = [where for value, where in values if value >= mean]
    text = f"The paper's mean of {mean:.2f} is reached in {len(there)} of {len(values)} cells"
    text += f": {'; '.join(there)}" if there else ""
    beyond = sum(value >= most for value, _ in values)
    return f"{text}; its maximum of {most:.2f} in {beyond}."
