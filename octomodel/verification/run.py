"""verify(): systems with known answers, simulated through the public API and compared."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from octomodel import checks
from octomodel.errors import ModelError, unknown
from octomodel.run import cancelled_by, threads_default
from octomodel.verification.bench import Bench
from octomodel.verification.cases import CASES, Case
from octomodel.verification.facts import facts
from octomodel.verification.judge import Metric, check
from octomodel.verification.measure import observe
from octomodel.verification.report import FAMILY_ERROR, Report


@dataclass(frozen=True)
class Measured:
    """One experiment that has been run: what is to be compared, and what it cost."""

    metrics: Sequence[Metric]
    executions: int


def verify(
    *,
    quick: bool = False,
    cases: Sequence[str] | None = None,
    service_scale: float = 1.0,
    threads: int | None = None,
    progress: bool = False,
) -> Report:
    """Simulate systems whose answers are known and compare.

    A value passes when the interval around what was simulated holds the answer and is narrow enough to say
    something. The intervals come from independent samples; all of them together are wrong with probability
    1e-6. Seeds are fixed, so a report can be repeated.

    Parameters
    ----------
    quick : bool
        Only a few systems of most kinds: seconds instead of minutes.
    cases : sequence of str, optional
        Only these systems, by name.
    service_scale : float
        Factor on the service times of the simulated systems alone (of an arrival process, on its times): with
        1.01 every system must fail, which shows that an error of one percent would be seen.
    threads : int, optional
        Systems simulated at once; no result depends on it. Default: as many as there are cores.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Report

    Raises
    ------
    ModelError
        When a name is unknown or not simulated, there is none, or the scale is not a positive number.

    Examples
    --------
    >>> report = verify(cases=["ST-ERLB-1-1"])
    >>> report.passed, report.rows[0].metric
    (True, 'throughput')
    """
    from tqdm.auto import tqdm

    scale = checks.real("verify.service_scale", service_scale, 1e-3, 1e3)
    chosen = _chosen(quick, cases)
    workers = threads_default() if threads is None else checks.integer("verify.threads", threads, 1, 4096)
    cancelled = threading.Event()
    with ThreadPoolExecutor(min(workers, len(chosen))) as pool:
        try:
            futures = [pool.submit(_measured, case, scale, cancelled) for case in chosen]
            shown = tqdm(futures, unit=" systems", leave=False, disable=not progress or None)
            found = [future.result() for future in shown]
        except BaseException:
            # Ctrl-C arrives here: what runs stops within milliseconds, what waits is never begun
            cancelled.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    level = FAMILY_ERROR / sum(len(each.metrics) for measured in found for each in measured)
    rows = [
        check(case.name, case.kind, metric, level, each.executions)
        for case, measured in zip(chosen, found, strict=True)
        for each in measured
        for metric in each.metrics
    ]
    return Report(tuple(rows), sum(each.executions for measured in found for each in measured))


def _chosen(quick: bool, cases: Sequence[str] | None) -> list[Case]:
    known = {case.name: case for case in CASES if case.build is not None}
    if cases is None:
        return [case for case in known.values() if case.quick or not quick]
    if not cases:
        raise ModelError("verify.cases", cases, "at least one name")
    for name in cases:
        if name not in known:
            raise unknown("verify.cases", name, known)
    return [known[name] for name in cases]


def _measured(case: Case, scale: float, cancelled: threading.Event) -> list[Measured]:
    """Simulate the experiments of one system, until they are cancelled."""
    assert case.build is not None
    result = []
    with cancelled_by(cancelled):
        for number, experiment in enumerate(case.build(Bench(case.name, facts()[case.name], scale))):
            executions = 0
            # experiments of a system differ in the seed's upper part, calls of one in the lower
            for seen in observe(experiment.setup, zlib.crc32(case.name.encode()) + (number << 32)):
                executions += seen.executions
                for metric in experiment.metrics:
                    metric.take(seen)
            result.append(Measured(experiment.metrics, executions))
    return result
