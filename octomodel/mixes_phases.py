"""The phases that several workflows go through side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from octomodel.errors import ModelError
from octomodel.phases import PhasePlan

MOST_STRETCHES = 2**12
LONGEST_NAME = 64


@dataclass(frozen=True)
class Joined:
    """Phases of a mix.

    Attributes
    ----------
    plan : PhasePlan or None
        None where nobody has phases.
    sources : tuple of str
        Who has phases: parts by name, the mix itself as the empty text.
    members : dict of str to tuple of str
        For each phase of the plan the phase that each of ``sources`` is in.
    """

    plan: PhasePlan | None
    sources: tuple[str, ...]
    members: Mapping[str, tuple[str, ...]]

    def of(self, source: str) -> dict[str, str]:
        """Return the phase that a source is in, by phase of the mix; empty for a source without phases."""
        if source not in self.sources:
            return {}
        place = self.sources.index(source)
        return {name: phases[place] for name, phases in self.members.items()}


def joined(path: str, own: PhasePlan | None, parts: Mapping[str, tuple[PhasePlan | None, float]]) -> Joined:
    """Return the phases of a mix.

    Parameters
    ----------
    path : str
        What errors begin with.
    own : PhasePlan or None
        Phases of the mix itself.
    parts : dict of str to (PhasePlan or None, float)
        Phases of each part, and the share of requests that are its own.

    Raises
    ------
    ModelError
        When phases follow requests here and time there, or their lengths are too different.
    """
    plans = {"": (own, 1.0), **parts}
    with_phases = {source: (plan, share) for source, (plan, share) in plans.items() if plan is not None and share > 0}
    if not with_phases:
        return Joined(None, (), {})
    ways = {plan.by for plan, _ in with_phases.values()}
    if len(ways) > 1:
        raise ModelError(f"{path}.phases", sorted(ways), "phases that all follow requests, or all follow time")
    by = ways.pop()
    cycles = [
        np.array([length for _, length in plan.cycle]) / (share if by == "request" else 1.0)
        for plan, share in with_phases.values()
    ]
    whole = max(round(float(lengths.sum())) for lengths in cycles)
    turns = [max(1, round(whole / float(lengths.sum()))) for lengths in cycles]
    if sum(turn * len(lengths) for turn, lengths in zip(turns, cycles, strict=True)) > MOST_STRETCHES:
        allowed = f"at most {MOST_STRETCHES} stretches in the longest cycle: cycles of phases of similar lengths"
        raise ModelError(f"{path}.phases", dict(zip(with_phases, turns, strict=True)), allowed)
    ends = []
    for lengths, turn in zip(cycles, turns, strict=True):
        stretched = np.cumsum(np.tile(lengths, turn))
        ends.append(np.rint(stretched * (whole / stretched[-1])).astype(np.int64))
    borders = np.unique(np.concatenate([np.zeros(1, dtype=np.int64), *ends]))
    stretches = []
    for first, last in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
        now = tuple(
            plan.cycle[int(np.searchsorted(end, first, side="right")) % len(plan.cycle)][0]
            for (plan, _), end in zip(with_phases.values(), ends, strict=True)
        )
        stretches.append((now, last - first))
    for place, (source, (plan, _)) in enumerate(with_phases.items()):
        lost = set(plan.names) - {now[place] for now, _ in stretches}
        if lost:
            raise ModelError(f"{path}.{source or 'phases'}", sorted(lost), "phases that last a request of the mix at least")
    names = {now: ".".join(now) for now, _ in stretches}
    if max(map(len, names.values())) > LONGEST_NAME:
        names = {now: f"phase{i}" for i, now in enumerate(names)}
    cycle = tuple((names[now], length) for now, length in stretches)
    return Joined(PhasePlan(by, cycle), tuple(with_phases), {name: now for now, name in names.items()})
