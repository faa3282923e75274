"""Kernel against reference: every field of what they leave behind, on generated scenarios."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from octomodel.errors import RunError
from octomodel.kernels.model import Model
from octomodel.outcome import (
    CAUSES,
    CLUSTER_FIELDS,
    EPOCH_FIELDS,
    LINK_FIELDS,
    PIPELINE_FIELDS,
    STATION_FIELDS,
    Outcome,
)
from octomodel.run import run
from octomodel.testing.laws import violations
from octomodel.testing.laws_events import event_violations
from octomodel.testing.reference import Reference, run_reference
from octomodel.testing.scenarios import scenario
from octomodel.testing.scenarios_features import features

I64 = NDArray[np.int64]
Fields = dict[tuple[str, tuple[str, ...]], I64]
"""Values by name and the names of their dims."""

SEEDS_PER_TASK = 20


def fields_of_outcome(outcome: Outcome) -> Fields:
    """Return all that is counted and timed, by name and dims; the fingerprint apart."""
    out: Fields = {
        ("elapsed", ()): np.array(outcome.elapsed),
        ("executions", ()): np.array(outcome.executions),
        ("request arrival", ("request",)): outcome.request_arrival,
        ("request end", ("request",)): outcome.request_end,
        ("request milestone", ("milestone", "request")): outcome.request_milestone,
    }
    for column, cause in enumerate(CAUSES):
        out[f"tbu {cause}", ("tbu",)] = outcome.tbu_cycles[:, column]
    for entity, values, dims in (
        ("station", outcome.station, ("cluster", "tb")),
        ("link", outcome.link, ("link",)),
        ("cluster", outcome.cluster, ("cluster",)),
        ("pipeline", outcome.pipeline, ("pipeline",)),
        ("epoch", outcome.epoch, ("epoch", "cluster", "tb")),
    ):
        for name, array in values.items():
            out[f"{entity} {name}", dims] = array
    return out


def fields_of_reference(model: Model, reference: Reference) -> Fields:
    """Return the same of the reference; a station without owners, where it has none, counts nothing."""
    n_cluster, n_task = len(model.machine.cluster_cbus), len(model.program.task_node)
    number = np.array(reference.request, dtype=np.int64)
    arrival, end = np.full(len(number), -1), np.full(len(number), -1)
    end[number] = reference.end
    milestone = np.full((model.program.n_milestone, len(number)), -1)
    milestone[:, number] = np.array(reference.milestones).reshape(len(number), -1).T
    # the kernel knows of a request when it is admitted
    first = model.load.source_indptr
    for pipeline, admitted in enumerate(reference.pipeline["admitted"]):
        place = slice(first[pipeline], first[pipeline] + admitted)
        arrival[number[place]] = reference.arrival[place]
    out: Fields = {
        ("elapsed", ()): np.array(reference.elapsed),
        ("executions", ()): np.array(sum(counts["executions"] for counts in reference.station.values())),
        ("request arrival", ("request",)): arrival,
        ("request end", ("request",)): end,
        ("request milestone", ("milestone", "request")): milestone,
    }
    for cause in CAUSES:
        out[f"tbu {cause}", ("tbu",)] = np.array(reference.tbu[cause], dtype=np.int64)
    for name in STATION_FIELDS:
        station = np.zeros((n_cluster, n_task), dtype=np.int64)
        for (cluster, task), counts in reference.station.items():
            station[cluster, task] = counts[name]
        out[f"station {name}", ("cluster", "tb")] = station
    for entity, names, values in (
        ("link", LINK_FIELDS, reference.link),
        ("cluster", CLUSTER_FIELDS, reference.cluster),
        ("pipeline", PIPELINE_FIELDS, reference.pipeline),
    ):
        for name in names:
            out[f"{entity} {name}", (entity,)] = np.array(values[name], dtype=np.int64)
    samples = np.full((len(EPOCH_FIELDS), model.load.epochs, n_cluster, n_task), -1)
    for (epoch, c, tb), sample in reference.epoch.items():
        samples[:, epoch, c, tb] = sample
    for name, sampled in zip(EPOCH_FIELDS, samples, strict=True):
        out[f"epoch {name}", ("epoch", "cluster", "tb")] = sampled
    return out


def unequal(a: Fields, b: Fields, name_a: str, name_b: str) -> list[str]:
    """Return in words every field in which two runs differ, with its first place."""
    found = []
    for (name, dims), left in a.items():
        right = b[name, dims]
        if left.shape != right.shape:
            found.append(f"{name}: shape {left.shape} in the {name_a}, {right.shape} in the {name_b}")
            continue
        places = np.argwhere(left != right)
        if len(places):
            place = tuple(places[0].tolist())
            where = ", ".join(f"{dim} {i}" for dim, i in zip(dims, place, strict=True))
            more = f", and {len(places) - 1} more" if len(places) > 1 else ""
            values = f"{left[place]} in the {name_a}, {right[place]} in the {name_b}"
            found.append(f"{name}{' of ' if where else ''}{where}: {values}{more}")
    return found


def differences(model: Model, outcome: Outcome, reference: Reference) -> list[str]:
    """Compare a run of the kernel with one of the reference.

    Parameters
    ----------
    model : Model
        What both ran.
    outcome : Outcome
        Of the kernel.
    reference : Reference
        Of the reference.

    Returns
    -------
    list of str
        Every difference in words; empty when they agree in each time, counter and in the fingerprint.
    """
    found = []
    if outcome.status != reference.status:
        found.append(f"status: {outcome.status} in the kernel, {reference.status} in the reference")
    found += unequal(fields_of_outcome(outcome), fields_of_reference(model, reference), "kernel", "reference")
    fingerprint = "".join(f"{part:016x}" for part in reference.fingerprint)
    if outcome.fingerprint != fingerprint:
        found.append(f"fingerprint: {outcome.fingerprint} in the kernel, {fingerprint} in the reference")
    return found


@dataclass(frozen=True)
class Check:
    """One scenario through kernel and reference.

    Attributes
    ----------
    seed : int
        Of the scenario.
    executions, events : int
        How much happened.
    features : frozenset of str
        What happened, as in ``scenarios_features``.
    counts : dict of str to int
        What clusters count (rule 9.3), summed over them.
    differences : list of str
        Between kernel and reference; also what stopped the kernel.
    violations : list of str
        Laws that the run does not obey, in words.
    """

    seed: int
    executions: int
    events: int
    features: frozenset[str]
    counts: dict[str, int]
    differences: list[str]
    violations: list[str]

    @property
    def faults(self) -> list[str]:
        """Return differences and violations, each with the seed."""
        return [f"scenario {self.seed}: {fault}" for fault in self.differences + self.violations]


def check(seed: int, executions: int | None = None) -> Check:
    """Run one scenario through kernel and reference, compare them, and hold the run against the laws.

    Parameters
    ----------
    seed, executions
        As in ``scenario``.

    Examples
    --------
    >>> check(1, executions=20).faults
    []
    """
    made = scenario(seed, executions)
    model = made.model
    reference = run_reference(model, log=True)
    try:
        outcome = run(model, threads=1)
    except RunError as error:
        stopped = f"the kernel stopped: {error}; the reference: {reference.status}"
        return Check(seed, 0, len(reference.events), frozenset(), {}, [stopped], [])
    found = differences(model, outcome, reference)
    broken = violations(model, outcome)
    if not found:
        # then the log of the reference is what the kernel did
        broken += event_violations(model, reference)
    seen = features(made, model, outcome)
    counts = {name: int(values.sum()) for name, values in outcome.cluster.items()}
    return Check(seed, outcome.executions, len(reference.events), seen, counts, found, broken)


def check_all(seeds: Iterable[int], *, processes: int, executions: int | None = None) -> list[Check]:
    """Check many scenarios in processes of their own; the order is that of the seeds.

    Parameters
    ----------
    seeds : iterable of int
        Seeds of scenarios.
    processes : int
        How many at once; 0: all in this process.
    executions : int, optional
        As in ``scenario``.
    """
    one = partial(check, executions=executions)
    if processes == 0:
        return [one(seed) for seed in seeds]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn, initializer=_no_warnings) as pool:
        return list(pool.map(one, seeds, chunksize=SEEDS_PER_TASK))


def _no_warnings() -> None:
    warnings.simplefilter("error")
