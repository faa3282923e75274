"""What the fingerprint of a run costs: the kernel against one that only counts the events, in two processes that take turns.

``python -m bench.fingerprint with|without WORKLOAD PIPELINES REQUESTS`` is one of the two: it simulates once for every line
that it reads.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.rows import Row
from bench.sizes import Sizes

ROOT = Path(__file__).resolve().parent.parent
AT_MOST = 5.0
TURNS = 3
"""How many times as often as other calls this one is repeated: what is looked for is small."""
BAR_REQUESTS = 1_000_000
"""The bar is for this many requests and more."""
WORKLOADS = ("w1", "w2")


def benchmark(sizes: Sizes) -> Iterator[Row]:
    """Yield by how much the fingerprint lengthens the CPU time.

    Raises
    ------
    AssertionError
        When the two processes do not end every request at the same cycle after as many executions, or have the same
        fingerprint, which says that the kernel was not replaced.
    """
    with tempfile.TemporaryDirectory() as cache:
        for name in WORKLOADS:
            words = [name, str(sizes.pipelines[-1]), str(sizes.long_requests)]
            own, bare = _start("with", words, None), _start("without", words, cache)
            try:
                yield _row(name, sizes, *turns(own, bare, TURNS * sizes.repeats))
            finally:
                for child in (own, bare):
                    child.communicate()


def turns(own: Any, bare: Any, repeats: int) -> tuple[list[float], list[float], int]:
    """Let two processes take turns; return the CPU seconds of both and the executions of one run.

    The first turn, in which they compile, does not count.
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    executions = 0
    for turn in range(repeats + 1):
        ran = [_ask(own), _ask(bare)]
        assert ran[0]["ends"] == ran[1]["ends"] and ran[0]["executions"] == ran[1]["executions"], ran
        assert ran[0]["fingerprint"] != ran[1]["fingerprint"], "the kernel without fingerprint has one"
        executions = ran[0]["executions"]
        if turn:
            for mine, each in zip(seconds, ran, strict=True):
                mine.append(each["cpu_seconds"])
    return *seconds, executions


def _row(name: str, sizes: Sizes, own: list[float], bare: list[float], executions: int) -> Row:
    return Row(
        benchmark="fingerprint",
        case=f"{name}, N={sizes.pipelines[-1]}, {executions:,} executions",
        quantity="CPU time for the fingerprint, over that without",
        value=100 * (statistics.median(own) / statistics.median(bare) - 1),
        best=100 * (min(own) / min(bare) - 1),
        unit="%",
        at_most=AT_MOST if sizes.long_requests >= BAR_REQUESTS else None,
    )


def _start(kind: str, words: list[str], cache: str | None) -> subprocess.Popen[str]:
    """Start a process; the digest of the kernel sources does not know the replaced one, so it has a cache of its own."""
    own = {} if cache is None else {"OCTOMODEL_CACHE_DIR": cache}
    command = [sys.executable, "-m", "bench.fingerprint", kind, *words]
    return subprocess.Popen(
        command, cwd=ROOT, env=os.environ | own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _ask(child: Any) -> dict[str, Any]:
    child.stdin.write("run\n")
    child.stdin.flush()
    answer: dict[str, Any] = json.loads(child.stdout.readline())
    return answer


def only_count() -> None:
    """Put in place of the kernel that adds an event to the fingerprint one that counts it (rule 8.5 looks for changes)."""
    from octomodel.kernels import _jit, account, execute, ideal, link, push, walk

    def _count(
        w: Any, kind: int, request: int, node: int, visit: int, place: int, cluster: int, start: int, finish: int
    ) -> None:
        w.ctl[0].h1 += 1

    count, kernel = _jit.jit(_count), account.record
    for module in (account, execute, ideal, link, push, walk):
        assert vars(module)["record"] is kernel
        vars(module)["record"] = count


def main() -> None:
    """Simulate once for each line on standard input; print what it took and what was done."""
    kind, name, pipelines, requests = sys.argv[1:]
    if kind == "without":
        only_count()
    from bench import w1, w2
    from octomodel.run import run

    model = {"w1": w1, "w2": w2}[name].model(int(pipelines), int(requests))
    for _ in sys.stdin:
        begun = time.process_time()
        outcome = run(model, threads=1)
        seconds = time.process_time() - begun
        answer = {
            "cpu_seconds": seconds,
            "executions": outcome.executions,
            "ends": hashlib.sha256(outcome.request_end.tobytes()).hexdigest(),
            "fingerprint": outcome.fingerprint,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
