"""The demonstration: bundled workflows under several policies. ``python -m octomodel.demo [--quick]``."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from octomodel import files, presets, report
from octomodel.cli_show import PLAIN_WIDTH, print_table
from octomodel.comparison import POLICIES
from octomodel.comparison import compare as compare_on
from octomodel.presets import azure, recipe
from octomodel.study_table import causes, head, row, split_row
from octomodel.variables import POLICY
from octomodel.variables_study import WORKFLOW

MACHINE = "chip_64c"
SEED = 1
NOTE = f"{presets.TRACED} repeats one trace: its intervals leave out what another hour would bring"


@dataclass(frozen=True)
class Size:
    """How much the demonstration simulates: requests of each workflow, and replications."""

    requests: dict[str, int]
    replications: int


FULL = Size({"video_recognition": 100_000, "early_exit": 200_000, "llm_chat_code": 28_000}, 5)
QUICK = Size({"video_recognition": 30_000, "early_exit": 100_000, "llm_chat_code": 28_000}, 3)
"""Large enough for a steady part without a trend; the trace as long in both, since other hours are other loads."""

EXPLAINED = (
    "throughput, latency: speed-ups, x 2 over a policy being twice its requests per cycle, or half its mean latency, with "
    "half their 95 % intervals over replications; of a closed load in its steady part, the second half of the time until a "
    "pipeline runs out of requests; of a trace over the whole run, where throughput is that of the arrivals",
    "of fluid bound: the larger of all work on all TBUs and the critical path, which no schedule beats, over the makespan, "
    "fill and drain included",
    "ideal: one first-come-first-served pool of all TBUs without transfers, switches or limits: a comparison, no policy, "
    "and no bound: another order of work may be faster",
)
USAGE = "usage: python -m octomodel.demo [--quick]"
HELP = f"""{USAGE}

Runs the bundled workflows under several policies; writes out/demo.nc and out/demo.html.

  --quick            fewer requests and replications
  {azure.VARIABLE}     environment: folder or CSV file of the trace that {presets.TRACED} follows; else a bundled sample
  OCTOMODEL_THREADS  environment: number of worker threads; else one per core"""
IDLE = "starved: idle for less than one epoch; surplus: idle for longer, so that the TBU could be given away"


def compare(size: Size) -> xr.Dataset:
    """Return the study of all bundled workflows under all policies of the demonstration."""
    machine = presets.hardware(MACHINE)
    loads = {name: presets.load(name, machine, requests=requests) for name, requests in size.requests.items()}
    workflows = [presets.workflow(name) for name in size.requests]
    found = compare_on(
        workflows, machine, POLICIES, loads, replications=size.replications, seed=SEED, progress=True, cautions=False
    )
    configurations = {f"configuration_{name}": recipe.configuration(name, machine, size.requests[name]) for name in loads}
    about = {"hardware": MACHINE, "note": NOTE, "data": azure.label()}
    return found.assign_attrs(**about, **configurations, trace=f"{presets.TRACED} follows {azure.describe()}")


def print_study(found: xr.Dataset) -> None:
    """Print a study as two tables, a row for each workflow and policy: how fast, and where the time goes."""
    pairs = [(str(name), str(policy)) for name in found[WORKFLOW].values for policy in found[POLICY].values]
    title = f"{found.sizes[WORKFLOW]} workflows on {found.attrs['hardware']}"
    print_table(title, head(found), [row(found, *pair) for pair in pairs], left=2)
    for line in (*EXPLAINED, found.attrs["trace"], found.attrs["note"]):
        print(textwrap.fill(line, PLAIN_WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
    print()
    titles = ("workflow", "policy", *causes(found))
    split = [split_row(found, *pair) for pair in pairs]
    print_table("where the time of the TBUs goes, fill and drain included", titles, split, left=2)
    print(IDLE)


def main(argv: Sequence[str] | None = None, folder: Path = Path("out")) -> int:
    """Run the demonstration, print its table, write ``demo.nc`` and ``demo.html``; return the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words in (["-h"], ["--help"]):
        print(HELP)
        return 0
    if words not in ([], ["--quick"]):
        print(USAGE, file=sys.stderr)
        return 2
    begun = time.perf_counter()
    found = compare(QUICK if words else FULL)
    print_study(found)
    folder.mkdir(parents=True, exist_ok=True)
    files.save(found, folder / "demo.nc")
    report.write(folder / "demo.html", found)
    took, compiling = time.perf_counter() - begun, float(found["compile_seconds"].sum())
    print(f"{int(found['executions'].sum()):,} executions in {took:.1f} s, {compiling:.1f} s of it compiling")
    print(f"written to {folder / 'demo.nc'} and {folder / 'demo.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
