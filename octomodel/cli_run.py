"""What ``octomodel run`` does and prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from octomodel import checks, cli_input
from octomodel.engine import simulate
from octomodel.lower import MEMORY_LIMIT_BYTES
from octomodel.timed import Timed, timed


def run(
    workflow: str,
    *,
    hardware: str | None,
    policy: str,
    requests: int | None,
    seed: int,
    out: str | None,
    load: str | None,
    settings: Sequence[str],
    replications: int,
    epochs: int,
    threads: int | None,
    memory_limit: int | None,
    as_json: bool,
) -> int:
    """Simulate what a command line asks for, print the summary, then save the result; return the exit code 0.

    Raises
    ------
    ModelError
        When a word of the command line is refused.
    RunError, OSError
        When the run has to stop, or the result cannot be written.
    """
    target = cli_input.out(out)
    if threads is not None:
        checks.integer("--threads", threads, 1, 4096)
    cli_input.check_cache()
    limit = MEMORY_LIMIT_BYTES if memory_limit is None else checks.integer("--memory-limit", memory_limit, 1)
    changed = cli_input.changes(settings)
    described, document = cli_input.workflow(workflow, changed)
    system = cli_input.hardware(hardware, document, changed)
    source = cli_input.load(load, workflow, document, system, changed, requests)
    result = timed(
        lambda: simulate(
            described,
            system,
            policy,
            source,
            seed=seed,
            replications=replications,
            epochs=epochs,
            threads=threads,
            progress=True,
            memory_limit_bytes=limit,
            cautions=lambda text: print(f"octomodel: warning: {text}", file=sys.stderr),
        )
    )
    summary = figures(result)
    if as_json:
        print(json.dumps(summary, indent=2, allow_nan=False))
    else:
        print_figures(described.name, policy, system.clock_hz, summary)
    if target is not None:
        # the figures stand whatever becomes of the file
        sys.stdout.flush()
        result.dataset.octo.save(target)
        if not as_json:
            print(f"written to {target}")
    return 0


def figures(result: Timed) -> dict[str, Any]:
    """Return the summary of a result with what it cost: ``wall_s``, ``compile_s``, ``executions_per_s``."""
    return {
        **result.dataset.octo.summary(),
        "wall_s": result.wall_s,
        "compile_s": result.compile_s,
        "executions_per_s": result.executions_per_s,
    }


def print_figures(name: str, policy: str, clock_hz: float, summary: dict[str, Any]) -> None:
    """Print a summary for readers; what is to be taken with care goes to standard error."""
    cycles = summary["makespan_cycles"]
    print(f"{name} under {policy}: {summary['requests']:,} requests, {summary['executions']:,} executions")
    print(f"makespan      {cycles:,.0f} cycles ({cycles / clock_hz:.4g} s at {clock_hz / 1e9:g} GHz)")
    print(f"throughput    {summary['throughput_per_cycle'] * clock_hz:,.6g} requests/s")
    for key, estimate in summary["latency"].items():
        if isinstance(estimate, dict):
            bounds = f"[{estimate['lo']:,.0f}, {estimate['hi']:,.0f}]"
            print(f"latency {key:<5} {estimate['value']:,.0f} cycles {bounds}")
    if summary["deadline_miss"] is not None:
        print(f"missed        {summary['deadline_miss']:.3%} of deadlines")
    shares = [(cause, share) for cause, share in summary["time_split"].items() if share]
    print("TBU time      " + ", ".join(f"{cause} {share:.1%}" for cause, share in shares))
    if "fluid_bound_cycles" in summary:
        bound = summary["fluid_bound_cycles"]
        print(
            f"bound         {bound:,.0f} cycles: no schedule is shorter; this one takes {cycles / bound:.3g} times it"
        )
    print(f"fingerprint   {summary['fingerprint']}")
    took = f"{summary['wall_s']:.2f} s, {summary['compile_s']:.2f} s of it compiling"
    print(f"took          {took}; {summary['executions_per_s']:,.3g} executions/s")
    for warning in summary["warnings"]:
        print(f"octomodel: warning: {warning}", file=sys.stderr)
