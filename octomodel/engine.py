"""simulate(): from a workflow and a machine to a labelled result. The file to open first."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from octomodel import bounds as bound_of
from octomodel import cautions as caution
from octomodel import checks, ideal, kinds, lower, mapping, timed, yaml_io, yaml_text
from octomodel._version import __version__
from octomodel.errors import ModelWarning
from octomodel.hardware import System
from octomodel.kernels.model import Model
from octomodel.load import Load, closed
from octomodel.lower_limits import check_counted
from octomodel.mapping import Mapping
from octomodel.outcome import Outcome
from octomodel.policies import IDEAL, POLICIES, Policy, named
from octomodel.run import run
from octomodel.workflow import Workflow

if TYPE_CHECKING:
    import xarray as xr


def simulate(
    workflow: Workflow,
    hardware: System,
    policy: str | Policy = "static",
    load: Load | None = None,
    *,
    requests: int | None = None,
    seed: int = 0,
    replications: int = 1,
    horizon: int | None = None,
    step: int | None = None,
    placement: Mapping | None = None,
    epochs: int = 0,
    epoch_stride: int = 1,
    bounds: bool = True,
    threads: int | None = None,
    memory_limit_bytes: int = lower.MEMORY_LIMIT_BYTES,
    progress: bool = False,
    cautions: bool | Callable[[str], None] = True,
) -> xr.Dataset:
    """Simulate a workflow on a machine under one policy.

    Parameters
    ----------
    workflow : Workflow
    hardware : System
    policy : str or Policy
        ``"static"``, ``"stealing"``, ``"jsq"``, or ``"ideal"`` for the engine's comparison mode; or one of your own.
    load : Load, optional
        Default: ``closed``, with the default window.
    requests : int, optional
        Number of requests; default: that of the load.
    seed : int
        Of all draws; two runs with one seed face the same work, whatever the policy.
    replications : int
        Independent runs; replication r does not depend on how many there are.
    horizon : int, optional
        Cycle at which to stop; default: when the last request has ended.
    step : int, optional
        Step in cycles; exact up to the smallest latency of a link, which is the default.
    placement : Mapping, optional
        From ``octomodel.mapping``; default: owners in proportion to demand.
    epochs : int
        Take so many samples of each cluster: what waits, what came, who owns it and what the owners do; at most 2**20, the
        last at cycle 2**62 or before.
    epoch_stride : int
        Epochs from one sample to the next, at most 2**20.
    bounds : bool
        Whether to compute the work, path and fluid bounds of each replication.
    threads : int, optional
        Worker threads; no result depends on them.
    memory_limit_bytes : int
        What the arrays of the description, and those of the requests in flight of each thread, may take.
    progress : bool
        Whether to show a progress bar.
    cautions : bool or callable
        Whether to warn of what makes a result easy to misread (``octomodel.cautions``), before the run; or what is
        called with each such sentence instead.

    Returns
    -------
    xarray.Dataset
        The variables of ``octomodel.variables``, with dims replication, request, tbu, cluster, tb, link ...;
        times in cycles, sizes in bytes. ``.octo`` summarises and saves it.

    Raises
    ------
    ModelError
        If something in the description cannot be simulated; nothing has been allocated then.
    RunError
        If the run had to stop.

    Warns
    -----
    ModelWarning
        See ``cautions``.

    Examples
    --------
    >>> import octomodel as om
    >>> one = om.Workflow("one", om.task("only", 100))
    >>> chip = om.System(rows=1, cols=1, tbus=1)
    >>> ds = om.simulate(one, chip, load=om.closed(requests=10, in_flight=1), threads=1)
    >>> int(ds.makespan_cycles[0])
    1000
    """
    from octomodel import accessor_study, results, series  # noqa: F401  (the accessor registers itself)

    kinds.check(workflow, hardware, load, placement)
    checks.integer("replications", replications, 1, 2**20)
    checks.integer("memory_limit_bytes", memory_limit_bytes, 1)
    if threads is not None:
        checks.integer("threads", threads, 1, 4096)
    chosen = POLICIES["static"] if policy == IDEAL else named(policy)
    source = closed(requests or 1000) if load is None else load
    owners = mapping.make(workflow, hardware) if placement is None else placement
    outcomes: list[Outcome] = []
    with _bar(progress) as show:
        for replication in range(replications):
            lowered = lower.lower(
                workflow,
                hardware,
                source,
                owners,
                requests=requests,
                seed=seed,
                replication=replication,
                horizon=horizon,
                step=step,
                policy=chosen,
                memory_limit_bytes=memory_limit_bytes,
                epochs=epochs,
                epoch_stride=epoch_stride,
            )
            if cautions and not outcomes:
                for text in caution.found(
                    workflow, hardware, source, owners, None if policy == IDEAL else chosen, lowered.n_request
                ):
                    if callable(cautions):
                        cautions(text)
                    else:
                        warnings.warn(text, ModelWarning, stacklevel=2)
            if policy == IDEAL:
                outcome = ideal.run(lowered.model, memory_limit_bytes=memory_limit_bytes, progress=show)
            else:
                outcome = run(lowered.model, threads=threads, memory_limit_bytes=memory_limit_bytes, progress=show)
            timed.note(outcome.wall_seconds - outcome.compile_seconds)
            check_counted(outcome, lowered.most_tokens)
            if bounds:
                outcome.bounds = bound_of.bounds(lowered.model)
            outcomes.append(outcome)
    names = results.Names(
        policy=policy if isinstance(policy, str) else policy.name,
        tbs=lowered.tasks,
        rows=hardware.rows,
        cols=hardware.cols,
        tbu_cluster=lowered.model.machine.tbu_cluster,
        clock_hz=hardware.clock_hz,
        milestones=lowered.milestones,
        deadline_cycles=lowered.deadline_cycles,
        epochs=lowered.model.load.epochs,
        epoch_cycles=hardware.epoch_cycles * epoch_stride,
    )
    same = caution.same_as(owners, None if policy == IDEAL else chosen)
    document = yaml_io.Document(workflow=workflow, hardware=hardware, load=source)
    return results.dataset(
        outcomes,
        names=names,
        attrs={
            "version": __version__,
            "seed": seed,
            "configuration": yaml_text.dump(yaml_io.to_dict(document)),
            "step": step or 0,
            "exact": int(exact(lowered.model)),
            "tables_digest": lowered.tables_digest,
            "workflow": workflow.name,
            **series.facts(workflow, source),
            **({} if same is None else {"note": f"same as {same}"}),
        },
    )


def exact(model: Model) -> bool:
    """Return whether the step changes nothing: there is none, or it is at most the smallest latency of a link."""
    latency = model.machine.link_latency[model.machine.link_cluster >= 0]
    return model.load.step == 0 or len(latency) == 0 or model.load.step <= int(latency.min())


@contextmanager
def _bar(wanted: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Show the requests ended so far on standard error, when it is wanted and somebody can see it."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from tqdm.auto import tqdm

    with tqdm(unit=" requests", leave=False, mininterval=0.2) as bar:

        def show(ended: int, total: int) -> None:
            bar.total = total
            bar.update(ended - bar.n)

        yield show
