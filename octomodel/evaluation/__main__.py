"""Runs the study and writes its page: ``python -m octomodel.evaluation --jobs 2 --page docs/results.md``, or ``--quick``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from octomodel import files
from octomodel.evaluation import chapters, plan
from octomodel.evaluation.page import page


def main(words: Sequence[str] | None = None) -> int:
    """Run the study, go on where it was stopped, write the page; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m octomodel.evaluation", description="The study of octopus and its rivals.")
    parser.add_argument("--quick", action="store_true", help="a few minutes of it")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--folder", type=Path, default=Path("out/study"), help="where results and ledgers are kept")
    parser.add_argument("--page", type=Path, default=None, help="default: results.md in the folder")
    parser.add_argument("--known", action="store_true", help="run nothing: the page of the results in the folder")
    given = parser.parse_args(words)
    size = plan.QUICK if given.quick else plan.FULL
    given.folder.mkdir(parents=True, exist_ok=True)
    parts, misfits = chapters.parts(size)
    results, missing = {}, []
    for number, part in enumerate(parts, 1):  # grows by what a search has found
        if given.known:
            if (given.folder / part.file).exists():
                results[part.file] = part, files.load(given.folder / part.file)
            else:
                missing.append(part.file)
        else:
            print(f"{number}/{len(parts)} {part.file}", file=sys.stderr, flush=True)
            results[part.file] = part, plan.run(part, given.folder, size, jobs=given.jobs, progress=True)
        if part.chapter == "tuning" and part.file in results:
            parts.append(chapters.tuned(part, results[part.file][1], plan.SEED))
    target = given.page or given.folder / "results.md"
    target.write_text(page(results, misfits, size.replications, missing), encoding="utf-8")
    print(f"written to {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
