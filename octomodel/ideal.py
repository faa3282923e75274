"""The ideal run: one pool of TBUs over the whole machine, nothing but work and precedence (rules 11)."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from octomodel.bounds import too_many_visits, total_window
from octomodel.errors import RunError
from octomodel.kernels import _jit, bare, codes, pools
from octomodel.kernels.bare import Pool
from octomodel.kernels.ideal import advance_pool
from octomodel.kernels.interpret import call
from octomodel.kernels.model import I64, NO_HORIZON, Model
from octomodel.kernels.world import Records
from octomodel.outcome import (
    CAUSES,
    CLUSTER_FIELDS,
    EPOCH_FIELDS,
    LINK_FIELDS,
    PIPELINE_FIELDS,
    STATION_FIELDS,
    Outcome,
)

CHUNK = 50_000  # executions, decisions and admissions per call of the kernel: about 10 ms, for Ctrl-C
SLOTS = 256  # requests an unlimited load begins with
PROGRESS_SECONDS = 0.2


def run(
    model: Model,
    *,
    memory_limit_bytes: int = 8 * 2**30,
    chunk: int = CHUNK,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Run a model on the ideal machine, to its end or horizon.

    Parameters
    ----------
    model : Model
        From ``octomodel.lower``; its mapping and policy do not matter.
    memory_limit_bytes : int
        What the state may grow to under an open load.
    chunk : int
        Executions, decisions and admissions between returns from the kernel; the result does not depend on it.
    progress : callable, optional
        Called about five times a second with (requests ended, requests).

    Returns
    -------
    Outcome
        Without bounds; 0 where the ideal machine has nothing to count.

    Raises
    ------
    RunError
        If requests are left though nothing can run, or a limit is passed.
    """
    compiled_before = _jit.compile_seconds()
    begun = shown = time.perf_counter()
    pool = _pool(model)
    status = codes.BUDGET
    while status != codes.DONE:
        status = call(advance_pool, pool, chunk)
        if status == codes.GROW_REQUESTS:
            pool = _grow(model, pool, memory_limit_bytes)
        elif status not in (codes.DONE, codes.BUDGET):
            raise _failure(pool, status)
        if progress is not None and time.perf_counter() - shown >= PROGRESS_SECONDS:
            shown = time.perf_counter()
            progress(len(pool.source_request) - int(pool.ctl["unfinished"][0]), len(pool.source_request))
    outcome = _collect(model, pool)
    outcome.compile_seconds = _jit.compile_seconds() - compiled_before
    outcome.wall_seconds = time.perf_counter() - begun
    return outcome


def _pool(model: Model) -> Pool:
    """Return the state at cycle 0."""
    program, machine, load, _ = model
    n_request, n_node = len(load.source_request), len(program.node_kind)
    live = _ranked(model)
    tbu = np.zeros(len(live), bare.POOL_TBU)
    tbu["speed"], tbu["cluster"] = machine.tbu_speed[live], machine.tbu_cluster[live]
    tbu["number"], tbu["token"] = live - machine.cluster_tbu[tbu["cluster"]], -1
    window = total_window(machine) if load.closed else -1
    slots = min(SLOTS if window < 0 else window, n_request)
    tokens = slots * pools.width(model)
    ctl = bare.controls(bare.POOL, program, load, machine.decision_cycles)
    ctl["n_task"], ctl["surplus_after"] = len(program.task_node), machine.surplus_after
    ctl["horizon"] = min(load.horizon, NO_HORIZON)
    ctl["room"] = NO_HORIZON if window < 0 else window
    ctl["unfinished"], ctl["idle"] = n_request, len(live)
    ctl["head"] = ctl["deciding_head"] = -1
    request, arrival, home = _source(model)
    return Pool(
        **bare.way(program, slots, Pool),
        source_request=request,
        source_arrival=arrival,
        source_home=home,
        request_phase=bare.fixed(load.request_phase),
        tbu=tbu,
        station=np.zeros(len(machine.cluster_cbus) * len(program.task_node), bare.POOL_STATION),
        decisions=np.zeros(len(machine.cluster_cbus), np.int64),
        token=_linked(np.zeros(tokens, bare.POOL_TOKEN), 0, -1),
        request=_linked(np.zeros(slots, bare.POOL_REQUEST), 0, -1),
        events=np.zeros(len(live), bare.EVENT),
        idle=np.arange(len(live)),
        fresh=np.zeros(tokens, np.int64),
        stack=np.zeros(len(program.edge_node) + n_node, np.int64),
        request_arrival=np.full(n_request, -1, np.int64),
        request_end=np.full(n_request, -1, np.int64),
        request_milestone=np.full(n_request * program.n_milestone, -1, np.int64),
        ctl=ctl,
    )


def _ranked(model: Model) -> I64:
    """Return the live TBUs, the fastest first, then by index."""
    live = np.flatnonzero(model.machine.tbu_dead == 0)
    return live[np.argsort(-model.machine.tbu_speed[live], kind="stable")]


def _source(model: Model) -> tuple[I64, I64, NDArray[np.int32]]:
    """Return number, arrival and home cluster of the requests in the order of their admission (arrival, number)."""
    load = model.load
    home = np.repeat(model.machine.pipeline_home.astype(np.int32), np.diff(load.source_indptr))
    if len(load.source_indptr) == 2 and (np.diff(load.source_arrival) >= 0).all():
        return bare.fixed(load.source_request), bare.fixed(load.source_arrival), bare.fixed(home)
    order = np.lexsort((load.source_request, load.source_arrival))
    return bare.fixed(load.source_request[order]), bare.fixed(load.source_arrival[order]), bare.fixed(home[order])


def _linked(records: Records, old: int, head: int) -> Records:
    """Return the records, those from ``old`` on put before the free list that begins at ``head`` (-1: an empty one)."""
    records["next"][old:-1] = np.arange(old + 1, len(records))
    records["next"][-1:] = head
    return records


def _grow(model: Model, pool: Pool, limit: int) -> Pool:
    """Return the state with twice the slots for requests; refuse beyond the memory limit."""
    if 2 * sum(array.nbytes for array in pool) > limit:
        raise RunError(
            f"requests in flight would need more than {limit} bytes of memory: the load exceeds what the ideal machine "
            "serves; lower its rate, or raise memory_limit_bytes"
        )
    old = {"request": len(pool.request), "token": len(pool.token)}
    names = ("request", "token", "visits", "counters", "attributes", "fresh")
    longer = {name: np.concatenate([getattr(pool, name), np.zeros_like(getattr(pool, name))]) for name in names}
    for name, n in old.items():
        _linked(longer[name], n, int(pool.ctl[f"free_{name}"][0]))
        pool.ctl[f"free_{name}"] = n
    return pool._replace(**longer)


def _failure(pool: Pool, status: int) -> RunError:
    if status == codes.TIME_LIMIT:
        return RunError("the run passed cycle 2**48; use fewer requests, a horizon, or a coarser clock")
    if status == codes.TOO_MANY_VISITS:
        return too_many_visits()
    left = int(pool.ctl["unfinished"][0])
    return RunError(f"internal error: {left} requests left and {len(pool.tbu)} live TBUs, but nothing can run")


def _collect(model: Model, pool: Pool) -> Outcome:
    program, machine, load, _ = model
    done = bool((pool.request_end >= 0).all())
    elapsed = int(pool.request_end.max(initial=0)) if done else load.horizon
    _close(pool, elapsed)
    n_cluster, n_task = len(machine.cluster_cbus), len(program.task_node)
    tbu_cycles = np.zeros((len(machine.tbu_dead), len(CAUSES)), np.int64)
    tbu_cycles[:, CAUSES.index("dead")] = np.where(machine.tbu_dead == 0, 0, elapsed)
    for cause in ("own", "starved", "surplus"):
        tbu_cycles[_ranked(model), CAUSES.index(cause)] = pool.tbu[cause]
    station = {name: np.zeros((n_cluster, n_task), np.int64) for name in STATION_FIELDS}
    for name in pool.station.dtype.names or ():
        station[name] = pool.station[name].reshape(n_cluster, n_task).copy()
    cluster = {name: np.zeros(n_cluster, np.int64) for name in CLUSTER_FIELDS}
    cluster["decisions"] = pool.decisions
    admitted = np.concatenate([[0], np.cumsum(pool.request_arrival[load.source_request] >= 0)])
    pipeline = {name: np.zeros(len(machine.pipeline_home), np.int64) for name in PIPELINE_FIELDS}
    pipeline["admitted"] = np.diff(admitted[load.source_indptr])
    return Outcome(
        status="done" if done else "horizon",
        elapsed=elapsed,
        executions=int(pool.ctl["executions"][0]),
        request_arrival=pool.request_arrival,
        request_end=pool.request_end,
        request_milestone=pool.request_milestone.reshape(program.n_milestone, len(pool.request_end)),
        tbu_cycles=tbu_cycles,
        station=station,
        link={name: np.zeros(len(machine.link_cluster), np.int64) for name in LINK_FIELDS},
        cluster=cluster,
        pipeline=pipeline,
        fingerprint="".join(f"{int(pool.ctl[lane][0]):016x}" for lane in ("h1", "h2")),
        epoch={name: np.full((load.epochs, n_cluster, n_task), -1) for name in EPOCH_FIELDS},
    )


def _close(pool: Pool, elapsed: int) -> None:
    """Count what each TBU has been doing since its state last changed (rules 9.1, 9.2)."""
    n_task = int(pool.ctl["n_task"][0])
    runs = pool.tbu["token"] >= 0
    spell = elapsed - pool.tbu["since"]
    task = pool.node_task[pool.token["node"][pool.tbu["token"][runs]]]
    np.add.at(pool.station["run_cycles"], pool.tbu["cluster"][runs] * n_task + task, spell[runs])
    pool.tbu["own"][runs] += spell[runs]
    starved = np.minimum(spell[~runs], int(pool.ctl["surplus_after"][0]))
    pool.tbu["starved"][~runs] += starved
    pool.tbu["surplus"][~runs] += spell[~runs] - starved
