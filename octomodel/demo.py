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
from octomodel._version import __version__
from octomodel.cli_show import PLAIN_WIDTH, print_table
from octomodel.demo_study import causes, head, row, split_row, study
from octomodel.engine import simulate
from octomodel.load import Closed
from octomodel.presets import azure, recipe
from octomodel.timed import Timed, timed
from octomodel.variables import POLICY
from octomodel.variables_study import WORKFLOW

MACHINE = "chip_64c"
POLICIES = ("static", "ideal")
BASELINE = POLICIES[0]
SEED = 1
NOTE = f"{presets.TRACED} repeats one trace: its intervals leave out what another hour would bring"


@dataclass(frozen=True)
class Size:
    """How much the demonstration simulates: requests of each workflow, and replications."""

    requests: dict[str, int]
    replications: int


FULL = Size({"video_recognition": 100_000, "early_exit": 400_000, "llm_chat_code": 28_000}, 5)
QUICK = Size({"video_recognition": 30_000, "early_exit": 250_000, "llm_chat_code": 28_000}, 3)
"""Large enough for a steady part without a trend; the trace as long in both, since other hours are other loads."""

EXPLAINED = (
    "throughput, latency: speed-ups over {baseline}, with 95 % intervals over replications; 2 is twice the requests per "
    "cycle, or half the mean latency; of a closed load in its steady part, the second half of the time until a pipeline "
    "runs out of requests; of a trace over the whole run, where throughput is that of the arrivals",
    "/ bound: makespan, fill and drain included, over the larger of all work on all TBUs and the critical path, which "
    "no schedule beats",
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
    results: dict[str, dict[str, Timed]] = {}
    configurations, open_loads = {}, set()
    for name, requests in size.requests.items():
        workflow = presets.workflow(name)
        load = presets.load(name, machine, requests=requests)
        configurations[name] = recipe.configuration(name, machine, requests)
        if not isinstance(load, Closed):
            open_loads.add(name)
        results[name] = {}
        for policy in POLICIES:
            results[name][policy] = timed(
                lambda policy=policy, workflow=workflow, load=load: simulate(  # type: ignore[misc]
                    workflow, machine, policy, load, seed=SEED, replications=size.replications, progress=True
                )
            )
    about = {"version": __version__, "seed": SEED, "hardware": MACHINE, "baseline": BASELINE, "note": NOTE}
    about |= {"data": azure.label(), "trace": f"{presets.TRACED} follows {azure.describe()}"}
    return study(results, about, configurations, open_loads=open_loads)


def print_study(found: xr.Dataset) -> None:
    """Print a study as two tables, a row for each workflow and policy: how fast, and where the time goes."""
    pairs = [(str(name), str(policy)) for name in found[WORKFLOW].values for policy in found[POLICY].values]
    title = f"{found.sizes[WORKFLOW]} workflows on {found.attrs['hardware']}"
    print_table(title, head(found), [row(found, *pair) for pair in pairs], left=2)
    for line in (*EXPLAINED, found.attrs["trace"], found.attrs["note"]):
        text = line.replace("{baseline}", found.attrs["baseline"])
        print(textwrap.fill(text, PLAIN_WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
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
