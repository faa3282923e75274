"""What ``octomodel run`` does and prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from octomodel import checks, cli_input
from octomodel.engine import simulate
from octomodel.lower import MEMORY_LIMIT_BYTES
from octomodel.summary import Summary
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
    epoch_stride: int,
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
    document = cli_input.workflow(workflow)
    assert document.workflow is not None
    system = cli_input.hardware(hardware, document, changed)
    described = cli_input.with_changes(document.workflow, system, changed)
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
            epoch_stride=epoch_stride,
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
        print_figures(summary)
    if target is not None:
        # the figures stand whatever becomes of the file
        sys.stdout.flush()
        result.dataset.octo.save(target)
        if not as_json:
            print(f"written to {target}")
    return 0


def figures(result: Timed) -> Summary:
    """Return the summary of a result with what it cost.

    Added are ``wall_s``, seconds for everything from the descriptions to the result; of these ``compile_s`` went
    into compiling kernels and ``run_s`` into running them; ``executions_per_s`` is the rate over ``run_s``.
    """
    summary = result.dataset.octo.summary()
    summary |= {
        "wall_s": result.wall_s,
        "compile_s": result.compile_s,
        "run_s": result.run_s,
        "executions_per_s": result.executions_per_s,
    }
    assert isinstance(summary, Summary)
    return summary


def print_figures(summary: Summary) -> None:
    """Print a summary for readers; what is to be taken with care goes to standard error."""
    print(summary.text())
    whole = f"{summary['wall_s']:.2f} s in all, {summary['compile_s']:.2f} s of it compiling"
    print(f"took          {whole}; {summary['run_s']:.2f} s running: {summary['executions_per_s']:,.3g} executions/s")
    for warning in summary["warnings"]:
        print(f"octomodel: warning: {warning}", file=sys.stderr)
