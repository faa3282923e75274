"""Predictions beside simulations of the same workflow, machine and load: what a line of the comparison holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

import octomodel as om
from octomodel import dist, mapping, presets
from octomodel.elements import Element
from octomodel.hardware import System
from octomodel.load import Closed, Load
from octomodel.placement import placement
from octomodel.workflow import Workflow

EXECUTIONS = 400_000
"""Of a simulation, about; at least ``FEWEST`` requests."""
FEWEST = 4_000
LOADS = (0.5, 0.7)
Asked = tuple[str, Workflow, System, str, Load]


@dataclass(frozen=True)
class Compared:
    """One system under one load.

    Attributes
    ----------
    system, load : str
        What was asked.
    exactness : str
        What theory claims for the mean latency.
    throughput, latency : float
        As predicted: requests per cycle, and mean cycles.
    throughput_error, latency_error : float
        Relative to the simulation.
    throughput_ok, latency_ok : bool
        Whether theory relies on it.
    """

    system: str
    load: str
    exactness: str
    throughput: float
    latency: float
    throughput_error: float
    latency_error: float
    throughput_ok: bool
    latency_ok: bool


@cache
def compared() -> tuple[Compared, ...]:
    """Return all systems, simulated once; some tens of seconds."""
    return tuple(compare(*system) for system in systems())


def systems() -> Iterator[Asked]:
    """Yield name, workflow, machine, and the load with its name."""
    for name, (workflow, machine) in _small().items():
        yield from _loads(name, workflow, machine)
        for window in (2, 4 * machine.tbus):
            yield name, workflow, machine, f"closed, {window} inside", om.closed(in_flight=window)
    for name in presets.names("textbook"):
        machine = presets.hardware(name)
        workflow = presets.workflow(name)
        yield from _loads(f"{name}, its machine", workflow, machine)
        source = presets.load(name, machine, requests=1)
        yield f"{name}, its machine", workflow, machine, f"its own, {source.kind}", source
    for name in presets.names("workflow"):
        workflow = presets.workflow(name)
        for machine_name in ("edge_cluster", "edge_6c", "wafer_dojo_tile"):
            machine = presets.hardware(machine_name)
            # a pipeline of several clusters is not answered
            if len(workflow.tasks) <= machine.tbus and (machine_name != "wafer_dojo_tile" or len(workflow.tasks) > 12):
                yield from _loads(f"{name}, {machine_name}", workflow, machine)


def compare(system: str, workflow: Workflow, machine: System, load_name: str, load: Load) -> Compared:
    """Return prediction and simulation of one system."""
    found = om.predict(workflow, machine, load=load)
    requests = max(FEWEST, int(EXECUTIONS / sum(workflow.visits().values())))
    run = om.simulate(workflow, machine, load=load, requests=requests, seed=1, bounds=False, cautions=False)
    latency = run.request_latency_cycles.values[0]
    end = np.sort(run.request_arrival_cycles.values[0] + latency)
    edge = requests // (4 if isinstance(load, Closed) else 10)
    first, last = edge, requests - edge
    through = (last - first) / float(end[last] - end[first])
    if not isinstance(load, Closed):
        # as many arrivals as are expected, not as were drawn
        came = np.sort(run.request_arrival_cycles.values[0])
        through *= load.rate * float(came[last] - came[first]) / (last - first)  # type: ignore[attr-defined]
    mean = float(found.latency_cycles.sel(statistic="mean", bound="value"))
    rate = float(found.throughput_per_cycle)
    return Compared(
        system,
        load_name,
        str(found.latency_cycles_exactness.sel(statistic="mean").values),
        rate,
        mean,
        rate / through - 1.0,
        mean / float(latency[first:last].mean()) - 1.0,
        bool(found.throughput_per_cycle_assumptions_ok),
        bool(found.latency_cycles_assumptions_ok.sel(statistic="mean")),
    )


def section() -> str:
    """Return the section of the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    rows = compared()
    relied = [row for row in rows if row.latency_ok]
    worst = max(abs(row.latency_error) for row in relied)
    through = max(abs(row.throughput_error) for row in rows if row.throughput_ok)
    yield _HEAD.format(
        count=len(rows), relied=len(relied), worst=f"{worst:.1%}", through=f"{through:.1%}", executions=f"{EXECUTIONS:,}"
    )
    for row in rows:
        cells = (
            row.system,
            row.load,
            row.exactness,
            _error(row.throughput_error, row.throughput_ok),
            f"{row.latency:.4g}" if np.isfinite(row.latency) else "infinite",
            _error(row.latency_error, row.latency_ok),
        )
        yield f"| {' | '.join(cells)} |"


_HEAD = """
## Predictions against simulation

`om.predict` against `om.simulate` under `static`, about {executions} executions each; load: share of what the slowest owners
can do. Errors are relative to the simulation and include its noise, 1 % or so; in parentheses where `assumptions_ok` is 0: slots
or the window are often full, phases change before stations have settled, arrivals are nearly periodic, or closed networks of
general times are too far from product form. Of {count} systems theory relies on its latency for {relied}, with an error of at
most {worst}, and of at most {through} in the throughput where it relies on that.

| system | load | mean latency is | throughput | mean latency, cycles | error |
|---|---|---|---|---|---|"""


def _error(error: float, ok: bool) -> str:
    text = f"{round(error, 3) + 0.0:+.1%}" if np.isfinite(error) else "no steady state"
    return text if ok else f"({text})"


def _loads(name: str, workflow: Workflow, machine: System) -> Iterator[Asked]:
    most = placement(workflow, machine, mapping.make(workflow, machine)).throughput
    for share in LOADS:
        yield name, workflow, machine, f"Poisson, {share}", om.poisson(share * most)


def _small() -> dict[str, tuple[Workflow, System]]:
    """Return small programs of every kind that theory knows, on one cluster and on four."""

    def gamma(mean: float, cv: float) -> dist.Law:
        return dist.Gamma(mean=mean, cv=cv)

    first, last = om.task("first", gamma(10_000, 0.5)), om.task("last", dist.Exponential(8_000))
    middle, other = om.task("middle", gamma(10_000, 0.5)), om.task("other", gamma(20_000, 1.5))
    programs: dict[str, tuple[Element, ...]] = {
        "series": (first, middle, last),
        "branch": (first, om.branch({"x": 0.7, "y": 0.3}, x=middle, y=other), last),
        "loop by chance": (first, om.loop(middle, again=0.5), last),
        "loop by count": (first, om.loop(om.seq(middle, other), count=3), last),
        "fork": (first, om.fork(middle, other), last),
        "select": (first, om.select(1, {"x": 2, "y": 1}, items=2, x=middle, y=other), last),
    }
    costs = {"decision_cycles": 20, "local_latency_cycles": 5}
    machines = {"1 cluster": System(1, 1, tbus=6, **costs), "4 clusters": System(2, 2, tbus=12, **costs)}  # type: ignore[arg-type]
    return {
        f"{name}, {where}": (om.Workflow("small", *items), machine)
        for name, items in programs.items()
        for where, machine in machines.items()
    }
