"""Run a model through the kernel: workers on threads, chunks that can be interrupted, pools that grow."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from numpy.typing import NDArray

from octomodel.errors import ModelError, RunError, Words
from octomodel.kernels import _functions as functions
from octomodel.kernels import _jit, advance, allocate, codes, interpret, pools
from octomodel.kernels.model import NO_HORIZON, Model
from octomodel.kernels.world import Records, World
from octomodel.outcome import CAUSES, CLUSTER_FIELDS, EPOCH_FIELDS, LINK_FIELDS, PIPELINE_FIELDS, STATION_FIELDS, Outcome

CHUNK = 100_000  # cycles of clusters per call of the kernel: about 10 ms, so that Ctrl-C and progress feel immediate
GROUPS_PER_TASK = 16  # groups that a worker takes at once from what is left


_CANCELLED: ContextVar[threading.Event | None] = ContextVar("octomodel cancelled", default=None)


@contextmanager
def cancelled_by(event: threading.Event) -> Iterator[None]:
    """Let another thread stop the runs that this thread begins within the block: they raise once the event is set."""
    before = _CANCELLED.set(event)
    try:
        yield
    finally:
        _CANCELLED.reset(before)


def threads_default() -> int:
    """Return the number of worker threads: ``OCTOMODEL_THREADS``, else one per core.

    Raises
    ------
    ModelError
        If the variable is not a positive integer.
    """
    text = os.environ.get("OCTOMODEL_THREADS")
    if text is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdigit() or int(text) < 1:
        raise ModelError("environment.OCTOMODEL_THREADS", text, "an integer >= 1")
    return int(text)


class _Groups:
    """Hands ranges of groups to workers; who runs which changes no result."""

    def __init__(self, n: int, size: int) -> None:
        self._next, self._n, self._size = 0, n, size
        self._lock = threading.Lock()

    def take(self) -> tuple[int, int]:
        with self._lock:
            first = self._next
            self._next = min(self._n, first + self._size)
            return first, self._next


def _state(world: World, group: int) -> str:
    """Describe what a group that cannot move holds."""
    clusters = world.group_cluster[int(world.group["first"][group]) : int(world.group["end"][group])]
    n_task = int(world.ctl["n_task"][0])
    lines = []
    for c in clusters[:8]:
        stations = world.station[c * n_task : (c + 1) * n_task]
        queues = ", ".join(
            f"tb {tb}: line {s['line_len']}, ready {s['fresh_len']}+{s['again_len']}, slots {s['used']}/{s['slots']}"
            for tb, s in enumerate(stations)
            if s["line_len"] or s["fresh_len"] or s["again_len"] or s["used"]
        )
        tbus = world.tbu[int(world.cluster["tbu"][c]) : int(world.cluster["tbu_end"][c])]
        lines.append(f"cluster {c}: {queues or 'no tokens waiting'}; TBU states {tbus['state'].tolist()}")
    return "\n".join(lines)


def _fail(model: Model, world: World, status: int) -> RunError:
    group = int(world.ctl["group"][0])
    if status == codes.TIME_LIMIT:
        return RunError(f"the run passed cycle 2**48 in group {group}: use a horizon, fewer requests, a coarser clock")
    if status == codes.TOO_MANY_VISITS:
        return RunError(f"a request visited one node 2**24 times in group {group}; a loop that never ends?")
    if status in codes.RAISED:
        return _raised(model, world, codes.RAISED[status])
    left = int(world.group["unfinished"][group])
    what = f"internal error: {left} requests in flight and nothing can move in group {group}"
    return RunError(f"{what}\n{_state(world, group)}")


def _raised(model: Model, world: World, kind: str) -> RunError:
    """Describe what a function of the policy raised, by calling it once more as plain Python."""
    cluster, now = int(world.ctl["failed_cluster"][0]), int(world.ctl["now"][0])
    function = getattr(model.rules, kind)
    error = functions.again(model.rules, kind, interpret.lists(world), cluster, int(world.ctl["failed_at"][0]))
    what = "an error" if error is None else f"{type(error).__name__} ({error})"
    failure = RunError(f"policy: {function.__name__} raised {what} at cycle {now} in cluster {cluster}")
    failure.__cause__ = error
    return failure


class _Run:
    """One run: shared arrays, one world per worker."""

    def __init__(self, model: Model, threads: int, memory_limit: int, chunk: int) -> None:
        self.model, self.chunk, self.memory_limit = model, chunk, memory_limit
        self.fields = allocate.shared(model)
        n_groups = len(self.fields["group"])
        self.threads = max(1, min(threads, n_groups))
        self.groups = _Groups(n_groups, max(1, min(GROUPS_PER_TASK, n_groups // (4 * self.threads))))
        self.stop = threading.Event()
        self.cancelled = _CANCELLED.get()

    def stopped(self) -> bool:
        return self.stop.is_set() or (self.cancelled is not None and self.cancelled.is_set())

    def work(self) -> World:
        """Take groups and advance them until none is left; return the worker's world with its sums."""
        try:
            world = allocate.worker(self.model, self.fields)
        except functions.CompileError as error:
            self.stop.set()
            raise ModelError(f"policy.{error.kind}", Words(error.name), f"a function that Numba compiles: {error}") from error
        while not self.stopped():
            first, end = self.groups.take()
            if first == end:
                break
            world.ctl["group"], world.ctl["group_end"] = first, end
            status = codes.BUDGET
            while status != codes.DONE and not self.stopped():
                status = interpret.call(advance.advance, world, self.chunk)
                if status in (codes.GROW_REQUESTS, codes.GROW_REPORTS):
                    world = self.grow(world, status)
                elif status not in (codes.DONE, codes.BUDGET):
                    self.stop.set()
                    raise _fail(self.model, world, status)
        return world

    def grow(self, world: World, status: int) -> World:
        """Enlarge the pool that is short; refuse beyond the memory limit."""
        size = sum(a.nbytes for a in world)
        if 2 * size > self.memory_limit:
            self.stop.set()
            raise RunError(
                f"requests in flight would need more than {self.memory_limit} bytes of memory: the load exceeds what "
                "the machine serves; give the load an in_flight, lower its rate, or raise memory_limit_bytes"
            )
        if status == codes.GROW_REQUESTS:
            return pools.grow_requests(self.model, world, max(len(world.request), int(world.ctl["needed"][0])))
        return pools.grow_reports(world, len(world.snapshot_next))

    def progress(self) -> tuple[int, int]:
        return int((self.fields["request_end"] >= 0).sum()), len(self.fields["request_end"])


def run(
    model: Model,
    *,
    threads: int | None = None,
    memory_limit_bytes: int = 8 * 2**30,
    chunk: int = CHUNK,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Run a model to its end or horizon.

    Parameters
    ----------
    model : Model
        From ``octomodel.lower``.
    threads : int, optional
        Worker threads; the result does not depend on it. Default: ``threads_default()``.
    memory_limit_bytes : int
        What a worker's pools may grow to under an unlimited ``in_flight``.
    chunk : int
        Cycles of clusters between returns from the kernel; the result does not depend on it.
    progress : callable, optional
        Called about five times a second with (requests ended, requests).

    Returns
    -------
    Outcome
        Everything counted, without bounds.

    Raises
    ------
    RunError
        If nothing can move though requests are left, a limit is passed, or the run is cancelled.
    """
    compiled_before = _jit.compile_seconds()
    begun = time.perf_counter()
    # interpreted, a worker copies the shared arrays, so there is one
    state = _Run(model, (threads or threads_default()) if _jit.JIT_ENABLED else 1, memory_limit_bytes, chunk)
    with ThreadPoolExecutor(state.threads) as pool:
        futures = [pool.submit(state.work) for _ in range(state.threads)]
        pending = set(futures)
        try:
            while pending:
                pending = wait(pending, timeout=0.2, return_when=FIRST_EXCEPTION).not_done
                if progress is not None:
                    progress(*state.progress())
        except BaseException:
            # Ctrl-C arrives here: the workers leave at the end of their chunk
            state.stop.set()
            raise
        worlds = [f.result() for f in futures]
    if state.cancelled is not None and state.cancelled.is_set():
        raise RunError("the run was cancelled")
    outcome = _collect(model, state.fields, worlds)
    outcome.compile_seconds = _jit.compile_seconds() - compiled_before
    outcome.wall_seconds = time.perf_counter() - begun
    return outcome


def _by_request(model: Model, by_place: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return in the order of the requests what the kernel keeps in the order of the sources."""
    out = np.empty_like(by_place)
    out[model.load.source_request] = by_place
    return out


def _samples(sample: Records, shape: tuple[int, int, int]) -> dict[str, NDArray[np.int64]]:
    """Return the samples by epoch, cluster and TB; the kernel counts what became ready from the start on."""
    taken = sample.reshape(shape)
    demand = np.diff(taken["arrived"], axis=0, prepend=0)
    demand[taken["arrived"] < 0] = -1
    return {name: demand if name == "demand" else taken[name].copy() for name in EPOCH_FIELDS}


def _collect(model: Model, fields: dict[str, np.ndarray], worlds: list[World]) -> Outcome:
    end = fields["request_end"]
    done = bool((end >= 0).all())
    elapsed = int(end.max(initial=0)) if done else min(model.load.horizon, NO_HORIZON)
    interpret.call(advance.close, worlds[0], elapsed)
    n_cluster, n_task = len(fields["cluster"]), len(model.program.task_node)
    sums = [sum(int(w.ctl[lane][0]) for w in worlds) % 2**63 for lane in ("h1", "h2")]
    arrival = _by_request(model, fields.pop("request_arrival"))
    for pipeline in fields["pipeline"]:
        arrival[model.load.source_request[pipeline["next"] : pipeline["end"]]] = -1  # not admitted
    milestones = fields.pop("request_milestone").reshape(-1, len(end))
    return Outcome(
        status="done" if done else "horizon",
        elapsed=elapsed,
        executions=sum(int(w.ctl["executions"][0]) for w in worlds),
        request_arrival=arrival,
        request_end=_by_request(model, fields.pop("request_end")),
        request_milestone=np.stack([_by_request(model, each) for each in milestones]) if len(milestones) else milestones,
        tbu_cycles=fields["tbu_cycles"].reshape(-1, len(CAUSES)),
        station={f: fields["station"][f].reshape(n_cluster, n_task).copy() for f in STATION_FIELDS},
        link={f: fields["link"][f].copy() for f in LINK_FIELDS},
        cluster={f: fields["cluster"][f].copy() for f in CLUSTER_FIELDS},
        pipeline={f: fields["pipeline"][f].copy() for f in PIPELINE_FIELDS},
        fingerprint="".join(f"{s:016x}" for s in sums),
        epoch=_samples(fields["sample"], (model.load.epochs, n_cluster, n_task)),
    )
