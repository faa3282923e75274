"""What ``octomodel compare`` does and prints."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from typing import Any

import xarray as xr

from octomodel import checks, cli_input
from octomodel.cli_show import print_table
from octomodel.cli_theory import STATIC, beside, print_beside
from octomodel.comparison import compare as compare_on
from octomodel.comparison import enough
from octomodel.errors import ModelError
from octomodel.policies import IDEAL
from octomodel.study_table import IDLE_HEAD, causes, head, idle_row, row, split_row
from octomodel.variables import CAUSE, POLICY, REPLICATION
from octomodel.variables_study import IDLENESS, WORKFLOW

BOUNDS = ("work", "path", "fluid")


def compare(
    workflow: str,
    *,
    hardware: str | None,
    policies: str,
    requests: int | None,
    seed: int,
    out: str | None,
    load: str | None,
    settings: Sequence[str],
    replications: int,
    threads: int | None,
    theory: bool,
    as_json: bool,
) -> int:
    """Compare what a command line asks for, print it, then save the study; return the exit code 0.

    Raises
    ------
    ModelError
        When a word of the command line is refused.
    RunError, OSError
        When a run has to stop, or the study cannot be written.
    """
    target = cli_input.out(out)
    if threads is not None:
        checks.integer("--threads", threads, 1, 4096)
    cli_input.check_cache()
    changed = cli_input.changes(settings)
    document = cli_input.workflow(workflow)
    assert document.workflow is not None
    system = cli_input.hardware(hardware, document, changed)
    described = cli_input.with_changes(document.workflow, system, changed)
    wanted = enough(described, system) if requests is None else None
    source = cli_input.load(load, workflow, document, system, changed, requests, enough=wanted)
    names = [name.strip() for name in policies.split(",")]
    if theory and STATIC not in names:
        raise ModelError("--theory", policies, f"with {STATIC} among --policies: theory knows no other")
    begun = time.perf_counter()
    found = compare_on(
        described,
        system,
        names,
        source,
        seed=seed,
        replications=replications,
        threads=threads,
        progress=True,
        cautions=lambda text: print(f"octomodel: warning: {text}", file=sys.stderr),
    ).assign_attrs(hardware=hardware or workflow)
    said = {"theory": beside(found, described, system, source)} if theory else {}
    if as_json:
        took = {"wall_s": time.perf_counter() - begun, "compile_s": float(found["compile_seconds"].sum())}
        print(json.dumps(figures(found) | said | took, indent=2, allow_nan=False))
    else:
        print_study(found)
        if theory:
            print_beside(said["theory"])
    if target is not None:
        sys.stdout.flush()
        found.octo.save(target)
        if not as_json:
            print(f"written to {target}")
    return 0


def figures(found: xr.Dataset) -> dict[str, Any]:
    """Return a study of one workflow as plain values: means over the replications, speed-ups {mean, lo, hi}.

    None stands for what is not known; ``warnings`` of a policy say why.
    """
    one = found.isel({WORKFLOW: 0})
    names = [str(name) for name in one[POLICY].values]
    return {
        "workflow": str(one[WORKFLOW].item()),
        "hardware": str(found.attrs["hardware"]),
        "seed": int(found.attrs["seed"]),
        "replications": one.sizes[REPLICATION],
        "requests": int(one["requests_ended"].max()),
        "policies": {name: _policy(one, name, names) for name in names},
    }


def _policy(one: xr.Dataset, name: str, names: Sequence[str]) -> dict[str, Any]:
    mine = one.sel({POLICY: name})
    split = one.octo.time_split().sel({POLICY: name})
    depth = mine["contagion_depth"].transpose(IDLENESS, REPLICATION)
    short = [str(text) for text in mine["steady_warning"].values if str(text)]
    return {
        "throughput": _number(float(mine["steady_throughput_per_cycle"].mean())) if not short else None,
        "latency_mean": _number(float(mine["steady_latency_cycles"].mean())) if not short else None,
        "speedup_static": _speedup(one, name, "static", names),
        "speedup_reactive": _speedup(one, name, "reactive", names),
        "efficiency_vs_ideal": _speedup(one, name, IDEAL, names),
        "bounds": {f"{each}_bound": float((mine[f"{each}_bound_cycles"] / mine["makespan_cycles"]).mean()) for each in BOUNDS},
        "time_split": {str(cause): float(share) for cause, share in zip(split[CAUSE].values, split.values, strict=True)},
        "contagion_depth": {str(each[IDLENESS].item()): _number(float(each.mean())) for each in depth},
        "wasted_reloads": int(mine["cluster_wasted_reloads"].sum()) / mine.sizes[REPLICATION],
        "bytes_moved": int(mine["cluster_moved_bytes"].sum()) // mine.sizes[REPLICATION],
        "makespan_cycles": float(mine["makespan_cycles"].mean()),
        "executions": int(mine["executions"].sum()),
        "fingerprint": [str(text) for text in mine["fingerprint"].values],
        "warnings": sorted(set(short)),
    }


def _speedup(one: xr.Dataset, name: str, baseline: str, names: Sequence[str]) -> dict[str, float | None] | None:
    if baseline not in names:
        return None
    value, lo, hi = one.octo.speedup(baseline)["speedup"].sel({POLICY: name}).values.tolist()
    return None if math.isnan(value) else {"mean": value, "lo": _number(lo), "hi": _number(hi)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def print_study(found: xr.Dataset) -> None:
    """Print a study of one workflow as two tables; why something is not known goes to standard error."""
    name = str(found[WORKFLOW].values[0])
    names = [str(policy) for policy in found[POLICY].values]
    replications = f"{found.sizes[REPLICATION]} replications" if found.sizes[REPLICATION] > 1 else "one replication"
    title = f"{name} on {found.attrs['hardware']}, {replications}"
    print_table(title, head(found)[1:], [row(found, name, policy)[1:] for policy in names])
    split = [split_row(found, name, policy)[1:] for policy in names]
    print_table("where the time of the TBUs goes", ("policy", *causes(found)), split)
    print_table("why TBUs are idle, and what rebalancing costs", IDLE_HEAD, [idle_row(found, name, policy) for policy in names])
    warned = found["steady_warning"].isel({WORKFLOW: 0})
    for policy in names:
        for text in sorted({str(text) for text in warned.sel({POLICY: policy}).values if str(text)}):
            print(f"octomodel: warning: {policy}: {text}", file=sys.stderr)
