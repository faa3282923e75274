"""``python -m bench``: run benchmarks and print what they measured."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from functools import partial

import numba
import numpy as np

import octomodel
from bench import calibration, descriptions, fingerprint, prediction, queueing, speed, startup, wafer
from bench.rows import Row, cells, table
from bench.sizes import DEFAULT, FULL, QUICK, Sizes

BENCHMARKS: dict[str, Callable[[Sizes], Iterator[Row]]] = {
    "startup": startup.benchmark,
    "descriptions": descriptions.benchmark,
    "w1": partial(speed.benchmark, speed.W1),
    "w2": partial(speed.benchmark, speed.W2),
    "fingerprint": fingerprint.benchmark,
    "wafer": wafer.benchmark,
    "calibration": calibration.benchmark,
    "prediction": prediction.benchmark,
    "queueing": queueing.benchmark,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks named by the arguments; return the exit code, 1 when a figure is not where it is meant to be."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of: {', '.join(BENCHMARKS)}; default: all")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", const=QUICK, dest="sizes", help="small sizes")
    size.add_argument(
        "--full", action="store_const", const=FULL, dest="sizes", help="10^8 executions on the wafer"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    about = machine()
    rows: list[Row] = []
    for name in options.names or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += BENCHMARKS[name](options.sizes or DEFAULT)
    if options.json:
        print(json.dumps({"machine": about, "rows": [row.to_dict() for row in rows]}, indent=1))
    else:
        print(", ".join(f"{key} {value}" for key, value in about.items()))
        print(table(rows))
    missed = [row for row in rows if row.met is False]
    for row in missed:
        _, case, quantity, value, _, unit, bar = cells(row)
        print(f"missed: {row.benchmark}, {case}, {quantity}: {value} {unit}, meant to be {bar}", file=sys.stderr)
    return 1 if missed else 0


def machine() -> dict[str, str]:
    """Return what the figures depend on; a load average well above 0 says that they are not to be trusted."""
    return {
        "octomodel": octomodel.__version__,
        "python": platform.python_version(),
        "numba": numba.__version__,
        "numpy": np.__version__,
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "load average": f"{os.getloadavg()[0]:.2f}",
    }


def processor() -> str:
    """Return the name of the processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
