"""sweep(): a study over any fields of workflow, machine, load and policy, that may be stopped and gone on with."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from octomodel import checks, files
from octomodel._version import __version__
from octomodel.engine import simulate
from octomodel.errors import ModelError, RunError, Words
from octomodel.hardware import System
from octomodel.lag import summary as lag_summary
from octomodel.load import Load, closed
from octomodel.mapping import make as make_mapping
from octomodel.policies import Policy
from octomodel.sampling import SAMPLES, stride
from octomodel.study import numbers
from octomodel.sweep_grid import Axis, Point, axes, chosen, points
from octomodel.sweep_ledger import Ledger
from octomodel.timed import timed
from octomodel.variables import CAUSE, CLUSTER, NONE, POLICY, REPLICATION, STUDY, TBU, make
from octomodel.variables_study import BOUND, IDLENESS, STATISTIC, SWEPT
from octomodel.workflow import Workflow

KEPT = {REPLICATION, STATISTIC, BOUND, IDLENESS}
TRIES = 3
FREE = ("wall_seconds", "compile_seconds", "run_seconds")
"""What a point costs differs from run to run; everything else does not."""


def sweep(
    workflow: Workflow,
    hardware: System,
    over: Mapping[str, Sequence[Any]],
    *,
    out: str | os.PathLike[str],
    policies: Sequence[str | Policy] = ("static",),
    load: Load | None = None,
    requests: int | None = None,
    replications: int = 1,
    seed: int = 1,
    epochs: int = 0,
    resume: bool = True,
    jobs: int = 1,
    progress: bool = False,
) -> xr.Dataset:
    """Simulate every point of a grid; what has been done is kept, whatever happens.

    Parameters
    ----------
    workflow : Workflow
    hardware : System
    over : mapping of str to sequence
        The axes: values by field, as ``octomodel.sweep_grid.axes`` reads them.
    out : path
        ``*.nc`` or ``*.zarr``, written when all points are known; beside it the ledger, ``*.ledger``, in which each point is
        kept as soon as it is.
    policies : sequence of str or Policy
        ``"ideal"`` may be among them.
    load : Load, optional
        Default: ``closed``.
    requests, replications, seed
        As in ``simulate``.
    epochs : int
        Sample the first so many epochs, of which the lag is told; 0: a few samples, spread over the run.
    resume : bool
        Whether points in the ledger are taken from there. They are known by the digest of all that they depend on, so a
        sweep with other axes takes what it shares. False: the ledger is begun anew.
    jobs : int
        Processes. No result depends on them.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    xarray.Dataset
        Dims: the axes (``"rows,cols"`` is ``rows_cols``), ``policy``, ``replication``. ``point_error`` says why a point
        failed; its numbers are NaN, its counts -1. A point that failed is tried anew by the next sweep.

    Raises
    ------
    ModelError
        If an axis, a point or the output cannot be; nothing has been run then.

    Examples
    --------
    >>> import tempfile, octomodel as om
    >>> line = om.Workflow("line", om.task("a", 100), om.task("b", 60))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = om.sweep(line, om.System(1, 1, tbus=2), {"tbus": [2, 3]}, requests=50, out=f"{folder}/study.nc")
    >>> found.makespan_cycles.values.ravel().tolist()
    [5060, 3100]
    """
    target = Path(out)
    if target.suffix not in (".nc", ".zarr") or not target.parent.is_dir():
        raise ModelError("out", str(out), "a name that ends in .nc or .zarr, in a folder that exists")
    checks.integer("replications", replications, 1, 2**20)
    checks.integer("jobs", jobs, 1, 4096)
    grid = axes(over)
    everyone = chosen(policies)
    if jobs > 1:
        _check_reachable(everyone)
    checks.integer("seed", seed, 0, 2**63 - 1)
    checks.integer("epochs", epochs, 0, 2**20)
    base = Point("", workflow, hardware, "static", load, requests, seed, replications, epochs)
    wanted = points(grid, everyone, base)
    keys = [point.key() for point in wanted]
    ledger_path = target.with_suffix(".ledger")
    with Ledger(ledger_path) as ledger:
        if not resume:
            ledger.clear()
        done = ledger.done()
        left = {key: point for key, point in zip(keys, wanted, strict=True) if key not in done}
        with _bar(progress, len(set(keys)), len(set(keys)) - len(left)) as one_more:
            for key, label, found, error in _run(left, jobs):
                ledger.write(key, label, found, error)
                one_more()
        rows = [ledger.read(key) for key in keys]
    study = _assembled(grid, everyone, rows, replications)
    names = [policy if isinstance(policy, str) else policy.name for policy in everyone]
    study.attrs = {"version": __version__, "seed": seed, "over": json.dumps({axis.dim: list(axis.fields) for axis in grid})}
    study.attrs |= {"workflow": workflow.name, "policies": json.dumps(names)}
    files.save(study, target)
    return study


def figures(point: Point) -> xr.Dataset:
    """Return what a sweep keeps of a point, without attributes.

    Raises
    ------
    ModelError, RunError
        As ``simulate`` does.
    """
    load = point.load or closed()
    epochs, between = point.epochs, 1
    if epochs == 0:
        epochs, between = SAMPLES, stride(point.workflow, point.hardware, load, point.requests)
    result = timed(
        lambda: simulate(
            point.workflow,
            point.hardware,
            point.policy,
            load,
            requests=point.requests,
            placement=make_mapping(point.workflow, point.hardware, profile=point.profile),
            epochs=epochs,
            epoch_stride=between,
            seed=point.seed,
            replications=point.replications,
            cautions=False,
        )
    )
    kept = numbers(result, point.open_load, point.workflow)
    spent = kept["tbu_cycles"].sum(TBU)
    totals = {
        name: make(name, kept[f"cluster_{name.removeprefix('total_')}"].sum(CLUSTER).values)
        for name, *_ in SWEPT
        if name.startswith("total_")
    }
    shares = (spent / spent.sum(CAUSE)).transpose(REPLICATION, CAUSE)
    kept = kept.assign(totals | {"time_share": make("time_share", shares.values)})
    if point.epochs:
        kept = kept.assign({name: make(name, each) for name, each in lag_summary(result.dataset).items()})
    names = [name for name in kept.variables if KEPT >= set(kept[name].dims) or name in ("time_share", CAUSE)]
    return kept[names].drop_attrs().drop_vars([POLICY, "workflow"], errors="ignore")


def _outcome(point: Point) -> tuple[xr.Dataset | None, str]:
    try:
        return figures(point), ""
    except (ModelError, RunError, MemoryError) as error:
        return None, f"{type(error).__name__}: {error}"


def _run(left: Mapping[str, Point], jobs: int) -> Iterator[tuple[str, str, xr.Dataset | None, str]]:
    """Yield key, label and outcome of each point, as they come."""
    if jobs == 1:
        for key, point in left.items():
            yield key, point.label, *_outcome(point)
        return
    waiting, tried = dict(left), dict.fromkeys(left, 0)
    while waiting:
        broken = False
        with ProcessPoolExecutor(min(jobs, len(waiting)), mp_context=get_context("spawn"), initializer=_alone) as pool:
            running: dict[Future[Any], str] = {pool.submit(_outcome, point): key for key, point in waiting.items()}
            while running and not broken:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    key = running.pop(future)
                    try:
                        outcome = future.result()
                    except BrokenProcessPool:
                        broken = True
                        continue
                    except Exception as error:  # a policy or a law that cannot be sent to another process
                        outcome = None, f"{type(error).__name__}: {error}"
                    yield key, waiting.pop(key).label, *outcome
        if broken:
            # whichever of them killed its process: each may be tried again a few times
            for key in list(waiting):
                tried[key] += 1
                if tried[key] >= TRIES:
                    yield key, waiting.pop(key).label, None, f"its worker process ended, {TRIES} times"


def _check_reachable(policies: Sequence[Policy | str]) -> None:
    """Refuse functions that another process cannot import."""
    for policy in policies:
        functions = () if isinstance(policy, str) else (policy.dispatch, policy.route, policy.rebalance)
        for function in functions:
            if function is not None and (function.__module__ == "__main__" or "<locals>" in function.__qualname__):
                allowed = "1 where a policy is written in a notebook, a script or another function; else put it in a module"
                raise ModelError("jobs", Words(f"several processes for {function.__qualname__}"), allowed)


def _alone() -> None:
    os.environ["OCTOMODEL_THREADS"] = "1"


def _assembled(grid: Sequence[Axis], policies: Sequence[Policy | str], rows: Sequence[Any], replications: int) -> xr.Dataset:
    """Return the points in one Dataset, each in its place."""
    shape = (*(len(axis.values) for axis in grid), len(policies))
    dims = (*(axis.dim for axis in grid), POLICY)
    good = [row for row in rows if isinstance(row, xr.Dataset)]
    variables: dict[str, xr.Variable] = {}
    for name in good[0].data_vars if good else ():
        like = good[0][name].variable
        values = np.full((len(rows), *like.shape), _missing(like.dtype), dtype=object if like.dtype.kind in "UTO" else like.dtype)
        for i, row in enumerate(rows):
            if isinstance(row, xr.Dataset):
                values[i] = row[name].values
        data = values.astype(str) if values.dtype == object else values
        variables[str(name)] = xr.Variable((*dims, *like.dims), data.reshape(*shape, *like.shape), _attrs(str(name)))
    errors = np.array([row if isinstance(row, str) else "" for row in rows]).reshape(shape)
    variables["point_error"] = xr.Variable(dims, errors, _attrs("point_error"))
    axes_of: dict[str, Any] = {axis.dim: (axis.dim, axis.labels()) for axis in grid}
    axes_of[POLICY] = (POLICY, np.array([policy if isinstance(policy, str) else policy.name for policy in policies]))
    axes_of |= {str(name): good[0][name].variable for name in good[0].coords} if good else {}
    return xr.Dataset(variables, axes_of)


def _missing(dtype: np.dtype[Any]) -> Any:
    return {"f": np.nan, "i": NONE}.get(dtype.kind, "")


def _attrs(name: str) -> dict[str, str]:
    from octomodel.variables import REGISTRY

    entry = REGISTRY.get(name) or STUDY[name]
    return {"description": entry.description} | ({"units": entry.units} if entry.units else {})


@contextmanager
def _bar(wanted: bool, total: int, done: int) -> Iterator[Callable[[], object]]:
    if not wanted or not sys.stderr.isatty():
        yield lambda: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, initial=done, unit=" points", leave=False) as bar:
        yield lambda: bar.update()
