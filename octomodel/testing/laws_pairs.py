"""Laws that relate runs: each a function of outcomes that returns violations in words, empty when it holds."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from octomodel.kernels.model import Model
from octomodel.outcome import CAUSES, EPOCH_FIELDS, Outcome
from octomodel.testing.agreement import Fields, fields_of_outcome, unequal
from octomodel.testing.laws_models import spare_tbus

I64 = NDArray[np.int64]

IDLE = ("tbu starved", "tbu surplus")
TIMES = frozenset(
    (
        "elapsed",
        *("request arrival", "request end", "request milestone"),
        *(f"tbu {cause}" for cause in CAUSES),
        *("station run_cycles", "station fresh_wait", "station queue_integral"),
        *("station recirculation_wait", "station line_wait"),
        *("link busy", "link wait", "cluster cbu_busy", "cluster cbu_wait", "pipeline source_wait"),
        "cluster hidden_reload_cycles",
    )
)
"""Fields in cycles; the others are counts."""
SAMPLES = tuple(f"epoch {name}" for name in EPOCH_FIELDS)
"""Fields of samples (rule 9.5), whose first dim is the epoch."""


def identical(a: Outcome, b: Outcome, but: Collection[str] = ()) -> list[str]:
    """Two runs are the same, fingerprint included, but for some fields by name."""
    fields_a, fields_b = _without(a, but), _without(b, but)
    found = unequal(fields_a, fields_b, "first run", "second run")
    if a.status != b.status:
        found.append(f"status: {a.status}, then {b.status}")
    if "fingerprint" not in but and a.fingerprint != b.fingerprint:
        found.append(f"fingerprint: {a.fingerprint}, then {b.fingerprint}")
    return found


def sampling_changes_nothing(without: Outcome, sampled: Outcome) -> list[str]:
    """A run of which samples are taken is the same run, but for the samples."""
    return identical(without, sampled, but=SAMPLES)


def prefix(shorter: Outcome, longer: Outcome, horizon: int) -> list[str]:
    """A run with a longer horizon begins like one with a shorter horizon: what ends before it ends in both."""
    end = np.where(longer.request_end < horizon, longer.request_end, -1)
    found = []
    if (end != shorter.request_end).any():
        found.append(f"{(end != shorter.request_end).sum()} requests end otherwise before {horizon}")
    reached = (longer.request_milestone >= 0) & (longer.request_arrival + longer.request_milestone < horizon)
    if (np.where(reached, longer.request_milestone, -1) != shorter.request_milestone).any():
        found.append("a milestone is reached otherwise")
    later = {name: values for (name, _), values in fields_of_outcome(longer).items()}
    for (name, _), values in fields_of_outcome(shorter).items():
        # a spell that goes on may only grow, and so all counters
        if name not in ("tbu starved", "tbu surplus") and (values > later[name]).any():
            found.append(f"{name}: less in the longer run")
        if name in SAMPLES and ((values >= 0) & (values != later[name])).any():
            found.append(f"{name}: another in the longer run")
    return found


def same_work(a: Outcome, b: Outcome) -> list[str]:
    """At speed 1 and to completion, two policies do the same work: executions, cycles and decisions."""
    found = []
    for name in ("executions", "run_cycles"):
        left, right = a.station[name].sum(axis=0), b.station[name].sum(axis=0)
        found += [f"tb {tb}: {name} {left[tb]}, then {right[tb]}" for tb in np.flatnonzero(left != right)]
    left, right = a.cluster["decisions"].sum(), b.cluster["decisions"].sum()
    if left != right:
        found.append(f"{left} decisions, then {right}")
    return found


def unused_tbus_change_nothing(model: Model, without: Outcome, spare: Outcome) -> list[str]:
    """TBUs without a home, or dead, change nothing; they are idle, or dead, all the time."""
    added = spare_tbus(model)
    fields: Fields = {
        (name, dims): np.delete(values, added) if dims == ("tbu",) else values
        for (name, dims), values in fields_of_outcome(spare).items()
    }
    found = unequal(fields_of_outcome(without), fields, "run without", "run with spare TBUs")
    if without.fingerprint != spare.fingerprint:
        found.append("another fingerprint")
    unused = [CAUSES.index(cause) for cause in ("dead", "starved", "surplus")]
    if (spare.tbu_cycles[added][:, unused].sum(axis=1) != spare.elapsed).any():
        found.append("a spare TBU did something")
    return found


def copy_undisturbed(alone: Outcome, both: Outcome, *, second: bool) -> list[str]:
    """In a run of ``laws_models.beside`` one copy does, cycle by cycle, what the model does alone.

    Parameters
    ----------
    alone : Outcome
        Of the model.
    both : Outcome
        Of the two copies.
    second : bool
        Whether the second copy has the model's requests.
    """
    n = len(alone.request_end)
    joint: Fields = {}
    fields = {
        key: v for key, v in fields_of_outcome(alone).items() if key[0] not in ("elapsed", "executions")
    }
    for (name, dims), values in fields_of_outcome(both).items():
        if (name, dims) not in fields:
            continue
        if dims[-1] == "request":
            joint[name, dims] = values[..., :n]
        elif name in SAMPLES:
            size = fields[name, dims].shape[1]
            joint[name, dims] = values[:, size:] if second else values[:, :size]
        else:
            size = len(fields[name, dims])
            joint[name, dims] = values[size:] if second else values[:size]
    _merge_idle(fields)
    _merge_idle(joint)
    # alone the run is over when its own requests have ended
    joint["tbu idle", ("tbu",)] = joint["tbu idle", ("tbu",)] - (both.elapsed - alone.elapsed)
    dead = fields["tbu dead", ("tbu",)] > 0
    joint["tbu idle", ("tbu",)][dead] = 0
    joint["tbu dead", ("tbu",)] = np.where(dead, alone.elapsed, joint["tbu dead", ("tbu",)])
    return unequal(fields, joint, "model alone", "copy")


def shifted_by(a: Outcome, b: Outcome, cycles: int, epoch: int) -> list[str]:
    """All requests arriving some cycles later, all happens that much later; only idle time is added."""
    fields, moved = fields_of_outcome(a), fields_of_outcome(b)
    for name in ("request arrival", "request end"):
        values = moved[name, ("request",)]
        moved[name, ("request",)] = np.where(values < 0, values, values - cycles)
    moved["elapsed", ()] = moved["elapsed", ()] - cycles
    rows = cycles // epoch
    for key in [key for key in fields if key[0] in SAMPLES]:
        fields[key], moved[key] = fields[key][: max(0, len(fields[key]) - rows)], moved[key][rows:]
    _merge_idle(fields)
    _merge_idle(moved)
    dead = fields["tbu dead", ("tbu",)] > 0
    for name, mine in (("tbu idle", ~dead), ("tbu dead", dead)):
        moved[name, ("tbu",)] = moved[name, ("tbu",)] - np.where(mine, cycles, 0)
    # reports are sent while nothing happens
    for name in ("link messages", "link bytes", "link busy", "link wait"):
        del fields[name, ("link",)]
    return unequal(fields, moved, "first run", "later run")


def times_scale(a: Outcome, b: Outcome, factor: int) -> list[str]:
    """Everything that takes time taking ``factor`` times as long, all times are so many times longer, no count changes."""
    fields = fields_of_outcome(a)
    for (name, dims), values in fields.items():
        if name in TIMES:
            fields[name, dims] = np.where(values < 0, values, values * factor)
    return unequal(fields, fields_of_outcome(b), f"run times {factor}", "slow run")


def owners_serve_their_own_first(model: Model, now: Outcome, after: Outcome) -> list[str]:
    """In the cycle between two horizons no owner is idle while a token waits, ready, for its station.

    Clusters whose owners have changed are left out: an outcome does not say who owns what since.

    Parameters
    ----------
    model : Model
        What ran.
    now, after : Outcome
        Up to a horizon, and up to one cycle later.
    """
    machine = model.machine
    idle = (after.tbu_cycles - now.tbu_cycles)[:, [CAUSES.index("starved"), CAUSES.index("surplus")]].sum(
        axis=1
    )
    waits = ("queue_integral", "recirculation_wait")
    waiting = sum(after.station[name] - now.station[name] for name in waits)
    found = []
    for tbu in np.flatnonzero((idle > 0) & (machine.tbu_task >= 0)):
        c, tb = machine.tbu_cluster[tbu], machine.tbu_task[tbu]
        if after.cluster["owner_changes"][c]:
            continue
        # without slots an idle owner may be kept for a token on its way (rule 4.10)
        if model.program.task_slots[tb] > 0 and np.asarray(waiting)[c, tb] > 0:
            found.append(f"cycle {now.elapsed}: TBU {tbu} idle, tokens of its tb {tb} wait in cluster {c}")
    return found


def _without(outcome: Outcome, but: Collection[str]) -> Fields:
    return {key: values for key, values in fields_of_outcome(outcome).items() if key[0] not in but}


def _merge_idle(fields: Fields) -> None:
    """Replace starved and surplus, whose border moves when a spell grows, by their sum."""
    fields["tbu idle", ("tbu",)] = sum((fields.pop((name, ("tbu",))) for name in IDLE), np.array(0))
