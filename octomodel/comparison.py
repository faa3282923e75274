"""compare(): workflows under several policies on one machine, each replication the same work for all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from octomodel import checks
from octomodel._version import __version__
from octomodel.engine import simulate
from octomodel.errors import ModelError
from octomodel.hardware import System
from octomodel.load import Closed, Load, closed
from octomodel.mapping import make
from octomodel.policies import IDEAL, Policy, named
from octomodel.sampling import SAMPLES, stride
from octomodel.study import study
from octomodel.timed import Timed, timed
from octomodel.workflow import Workflow

if TYPE_CHECKING:
    import xarray as xr

POLICIES = ("static", "reactive", "octopus")
"""What is compared where nothing else is asked for; ``ideal`` is added always."""

WINDOWS, CYCLES, MOST = 12, 20, 2_000_000


def compare(
    workflow: Workflow | Sequence[Workflow],
    hardware: System,
    policies: Sequence[str | Policy] = POLICIES,
    load: Load | Mapping[str, Load] | None = None,
    *,
    requests: int | None = None,
    replications: int = 5,
    seed: int = 1,
    threads: int | None = None,
    progress: bool = False,
    cautions: bool | Callable[[str], None] = True,
) -> xr.Dataset:
    """Simulate workflows under several policies and under ``ideal``.

    Parameters
    ----------
    workflow : Workflow or sequence of Workflow
        With names of their own.
    hardware : System
    policies : sequence of str or Policy
        By name or your own, with names of their own; the first one is the baseline of tables.
    load : Load or mapping of str to Load, optional
        Of all workflows, or by the name of a workflow; default: ``closed``.
    requests : int, optional
        Default: that of the load; of a closed one without a number, so many that the steady part holds several windows of
        requests in flight and whole cycles of the phases (`enough`).
    replications : int
        Independent runs; at least 2 for intervals.
    seed : int
        Of all draws.
    threads : int, optional
        Worker threads; no result depends on them.
    progress : bool
        Whether to show a progress bar.
    cautions : bool or callable
        As in ``simulate``.

    Returns
    -------
    xarray.Dataset
        Dims ``workflow``, ``policy`` (``ideal`` last) and ``replication``: what ``octomodel.study`` keeps of each result.
        ``.octo.speedup("static")`` compares, ``.octo.time_split()`` tells where the time goes.

    Raises
    ------
    ModelError
        If something in a description cannot be simulated, or a name is there twice; nothing has been run then, as far as
        it can be known before a run.
    RunError
        If a run had to stop.

    Examples
    --------
    >>> import octomodel as om
    >>> tandem = om.Workflow("tandem", om.task("a", 100), om.task("b", om.dist.Exponential(60)))
    >>> found = om.compare(tandem, om.System(1, 1, tbus=3), replications=3, threads=1)
    >>> found.policy.values.tolist()
    ['static', 'reactive', 'octopus', 'ideal']
    >>> bool(found.octo.speedup("static").speedup.sel(policy="ideal", bound="lo") > 1)
    True
    """
    workflows = [workflow] if isinstance(workflow, Workflow) else list(workflow)
    if not workflows:
        raise ModelError("workflow", workflow, "at least one workflow")
    chosen = [named(policy) for policy in policies if policy != IDEAL]
    if not chosen:
        raise ModelError("policies", list(policies), "at least one policy")
    _once("workflow", [one.name for one in workflows])
    _once("policies", [one.name for one in chosen])
    checks.integer("replications", replications, 1, 2**20)
    loads = {one.name: _load(load, one, hardware, requests) for one in workflows}
    for one in workflows:
        make(one, hardware)  # whether it fits is known before anything has been run
    everyone: list[Policy | str] = [*chosen, IDEAL]
    results: dict[str, dict[str, Timed]] = {}
    for one in workflows:
        results[one.name] = {}
        between = stride(one, hardware, loads[one.name], requests)
        for policy in everyone:
            results[one.name][policy if isinstance(policy, str) else policy.name] = timed(
                lambda one=one, policy=policy, between=between: simulate(  # type: ignore[misc]
                    one,
                    hardware,
                    policy,
                    loads[one.name],
                    requests=requests,
                    seed=seed,
                    replications=replications,
                    epochs=SAMPLES,
                    epoch_stride=between,
                    threads=threads,
                    progress=progress,
                    cautions=cautions if policy is chosen[0] else False,
                )
            )
    parameters = {one.name: dict(one.params) for one in chosen if one.params}
    about = {"version": __version__, "seed": seed, "baseline": chosen[0].name, "parameters": json.dumps(parameters)}
    opened = {name for name, each in loads.items() if not isinstance(each, Closed)}
    return study(results, about, open_loads=opened, workflows={one.name: one for one in workflows})


def enough(workflow: Workflow, hardware: System) -> int:
    """Return how many requests of a closed load with its default window make a steady part.

    Twelve times those in flight, of which half are still there when the load runs out or came before the steady part; and
    twenty cycles of the phases; at most two million.
    """
    plan = workflow.phases
    cycle = sum(length for _, length in plan.cycle) if plan is not None and plan.by == "request" else 0
    return min(max(1_000, WINDOWS * 4 * hardware.n_tbu, CYCLES * cycle), MOST)


def _load(load: Load | Mapping[str, Load] | None, workflow: Workflow, hardware: System, requests: int | None) -> Load:
    if isinstance(load, Mapping):
        if workflow.name not in load:
            raise ModelError("load", sorted(load), f"a load for {workflow.name!r}")
        load = load[workflow.name]
    if load is None:
        return closed(requests or enough(workflow, hardware))
    if not isinstance(load, Load):
        raise ModelError("load", load, "a load, or a mapping of loads by workflow")
    if isinstance(load, Closed) and load.requests is None and requests is None:
        return replace(load, requests=enough(workflow, hardware))
    return load


def _once(path: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ModelError(path, name, "each name once")
