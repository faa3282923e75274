"""What ``octomodel fit --check`` does and prints: how well the first half of what was measured predicts the rest."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr

from octomodel import cli_input
from octomodel.calibration.spans import Decisions, Spans
from octomodel.calibration.trace import Requests
from octomodel.cli_show import Row, print_table
from octomodel.errors import ModelError
from octomodel.hardware import System
from octomodel.heldout import holdout
from octomodel.load import Load
from octomodel.policies import named
from octomodel.variables_study import STATISTIC
from octomodel.workflow import Workflow
from octomodel.yaml_io import Document


@dataclass(frozen=True)
class Check:
    """A machine, a policy and a load by which the rest is predicted."""

    hardware: str
    system: System
    policy: str
    load: Load | None

    def run(
        self,
        measured: Spans | Requests,
        workflow: Workflow,
        decisions: Decisions | None,
        cycles_per_unit: float,
        repetitions: int,
        seed: int,
    ) -> dict[str, Any]:
        """Return the held-out comparison as plain data."""
        found = holdout(
            measured,
            workflow,
            self.system,
            self.policy,
            self.load,
            cycles_per_unit=cycles_per_unit,
            decisions=decisions,
            repetitions=repetitions,
            seed=seed,
        )
        return {"hardware": self.hardware, "policy": self.policy, **figures(found)}


def wanted(hardware: str | None, policy: str | None, load: str | None, workflow: str, beside: Document) -> Check | None:
    """Return the check that a command line asks for, or None.

    Raises
    ------
    ModelError
        When a word is refused, or says how to check without a machine to check on.
    """
    if hardware is None:
        for option, value in (("--policy", policy), ("--load", load)):
            if value is not None:
                raise ModelError(option, value, "no such option without --check")
        return None
    nothing = cli_input.changes([])
    system = cli_input.hardware(hardware, beside, nothing)
    cli_input.check_cache()
    chosen = policy or "static"
    if chosen != "ideal":
        named(chosen)
    source = None if load is None else cli_input.load(load, workflow, beside, system, nothing, None)
    return Check(hardware, system, chosen, source)


def figures(found: xr.Dataset) -> dict[str, Any]:
    """Return a held-out comparison as plain data: requests, statistics with the parts of their errors, warnings."""
    statistics = []
    for name in found[STATISTIC].values.tolist():
        one = found.sel({STATISTIC: name})
        keys = ("measured_cycles", "predicted_cycles", "predicted_low_cycles", "predicted_high_cycles", "error", "predictive_p")
        parts = {str(part): float(share) for part, share in zip(one["part"].values, one["error_share"].values, strict=True)}
        statistics.append({"statistic": name, **{key: float(one[key]) for key in keys}, "error_parts": parts})
    counts = {key: int(found.attrs[key]) for key in ("requests", "held_out")}
    return {**counts, "statistics": statistics, "warnings": [line for line in found.attrs["warnings"].split("\n") if line]}


def print_check(facts: dict[str, Any]) -> None:
    """Print a held-out comparison for readers; warnings go to standard error."""
    statistics: Sequence[dict[str, Any]] = facts["statistics"]
    rows: list[Row] = []
    for each in statistics:
        cycles = [f"{each[key]:,.0f}" for key in ("measured_cycles", "predicted_cycles")]
        interval = f"{each['predicted_low_cycles']:,.0f} to {each['predicted_high_cycles']:,.0f}"
        shares = [f"{part:+.1%}" for part in each["error_parts"].values()]
        rows.append((each["statistic"], *cycles, interval, f"{each['error']:+.1%}", *shares))
    parts = [f"by {part}" for part in statistics[0]["error_parts"]]
    head = ("latency", "measured", "predicted", "95 % interval", "error", *parts)
    what = f"{facts['held_out']:,} of {facts['requests']:,} requests held out, in cycles on {facts['hardware']}"
    print_table(f"{what} under {facts['policy']}", head, rows)
    for line in facts["warnings"]:
        print(f"octomodel: warning: {line}", file=sys.stderr)
