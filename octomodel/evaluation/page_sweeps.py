"""Chapters of the page: costs, epochs, thresholds, queues, yield, open loads and scale."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np

from octomodel.evaluation.tables import Found, cell, ratio, table
from octomodel.variables import POLICY


def sweeps(found_sweeps: Sequence[Found]) -> Iterator[str]:
    """Yield the chapter of costs, epochs, thresholds, queues and dead TBUs."""
    if not found_sweeps:
        return
    yield "## Costs, epochs, thresholds, queues, yield\n"
    yield "On `edge_6c`; speed-ups over `static` at the same value. `static` itself is compared with its first value.\n"
    yield (
        "`octopus` may spill into as many places as the queues have, so what buffers alone are worth is `static` with "
        "twice the slots: 8 beside 4.\n"
    )

    def rows() -> Iterator[Sequence[str]]:
        for part, found in found_sweeps:
            (dim,) = (str(name) for name in json.loads(found.attrs["over"]))
            values = found[dim].values.tolist()
            for value in values:
                base = {POLICY: "static", dim: value}
                others = [ratio(found, {POLICY: name, dim: value}, base) for name in ("reactive", "octopus")]
                first = ratio(found, base, {POLICY: "static", dim: values[0]})
                yield (part.workflow.name, dim, f"{value:,}", *map(cell, others), cell(first))

    yield from table(("workflow", "field", "value", "`reactive`", "`octopus`", "`static`"), rows())


def loads(found_loads: Sequence[Found]) -> Iterator[str]:
    """Yield the chapter of open loads."""
    if not found_loads:
        return
    yield "## Open loads\n"
    yield (
        "Poisson arrivals on `edge_6c`, as a share of what the owners of `static` could serve. Mean latency of `static` over "
        "that of each.\n"
    )

    def rows() -> Iterator[Sequence[str]]:
        for part, found in found_loads:
            base = found["steady_latency_cycles"].sel({POLICY: "static"})
            cells = [
                float(np.exp(np.log(base / found["steady_latency_cycles"].sel({POLICY: name})).mean()))
                for name in ("reactive", "octopus", "ideal")
            ]
            yield (part.workflow.name, part.name, f"{float(base.mean()):,.0f}", *(f"{cell:.2f}" for cell in cells))

    yield from table(("workflow", "load", "`static`, cycles", "`reactive`", "`octopus`", "`ideal`"), rows())


def scale(found_scale: Sequence[Found]) -> Iterator[str]:
    """Yield the chapter of meshes of 1 to 3,481 clusters."""
    if not found_scale:
        return
    yield "## Scale, hot spots and diffusion\n"
    yield (
        "Meshes of clusters of `wafer_56k`; even load, or half of the requests on an eighth of the pipelines. Makespan of "
        "`static` over that of `octopus`, without and with diffusion.\n"
    )

    def rows() -> Iterator[Sequence[str]]:
        for part, found in found_scale:
            spans = found["makespan_cycles"].astype(float)
            base = spans.sel({POLICY: "static"}).isel({"policy.diffusion": 0})
            cells = []
            for value in (0.0, 0.9):
                other = spans.sel({POLICY: "octopus", "policy.diffusion": value})
                cells.append("failed" if float(other.min()) < 0 else f"{float(np.exp(np.log(base / other).mean())):.2f}")
            moved = found["total_moves"].sel({POLICY: "octopus", "policy.diffusion": 0.9}).mean().item()
            yield (part.machine, part.name, f"{float(base.mean()) / 1e6:,.1f}", *cells, f"{moved:,.0f}")

    yield from table(("clusters", "load", "`static`, Mcycles", "no diffusion", "diffusion", "tokens moved"), rows())
