"""What ``octomodel fit`` does and prints: from measured spans to a workflow in a file."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from octomodel import calibrated, cli_check, cli_input, units, yaml_io
from octomodel.calibration import fit, read_azure_llm, read_chrome, read_decisions, read_otlp, read_pylot, read_spans
from octomodel.calibration.spans import Spans
from octomodel.calibration.trace import LlmTrace, Requests, TraceError
from octomodel.cli_show import Row, print_table
from octomodel.errors import NOTHING, ModelError, Words, unknown
from octomodel.workflow import Workflow
from octomodel.yaml_io import Document

Measured = Spans | Requests
Reader = Callable[[str, str | None, Sequence[str]], Spans | LlmTrace]

FORMATS: dict[str, tuple[Reader, str | None]] = {
    "csv": (lambda path, _, names: read_spans(path, attributes=names), None),
    "parquet": (lambda path, _, names: read_spans(path, attributes=names), None),
    "chrome": (lambda path, key, names: read_chrome(path, request=key or "request", attributes=names), "us"),
    "otlp": (lambda path, key, names: read_otlp(path, request=key, attributes=names), "ns"),
    "azure-llm": (lambda path, *_: read_azure_llm(path), "s"),
    "pylot": (lambda path, *_: read_pylot(path), "us"),
}
"""Readers by format, and the unit of its times where that is fixed."""

ENDINGS = {".csv": "csv", ".csv.gz": "csv", ".parquet": "parquet"}
WITH_KEY, WITH_ATTRIBUTES = ("chrome", "otlp"), ("csv", "parquet", "chrome", "otlp")


def run(
    spans: str,
    *,
    workflow: str,
    decisions: str | None,
    form: str | None,
    unit: str | None,
    clock: str | None,
    request: str | None,
    attributes: Sequence[str],
    renames: Sequence[str],
    drop: bool,
    replay: bool,
    repetitions: int,
    seed: int,
    check: str | None,
    policy: str | None,
    load: str | None,
    out: str | None,
    as_json: bool,
) -> int:
    """Fit what a command line asks for, print it, then write the workflow; return the exit code 0.

    Raises
    ------
    ModelError
        When a word of the command line, or a row of a file, is refused.
    OSError
        When the workflow cannot be written.
    """
    target = _target(out)
    document = cli_input.workflow(workflow)
    assert document.workflow is not None
    kind = _form(spans, form)
    if request is not None and kind not in WITH_KEY:
        raise ModelError("--request", request, f"no such option: only {' and '.join(WITH_KEY)} name requests in several ways")
    if attributes and kind not in WITH_ATTRIBUTES:
        raise ModelError("--attribute", ", ".join(attributes), f"no such option: {kind} has the attributes that it has")
    scale = _scale(kind, unit, clock, document)
    checked = cli_check.wanted(check, policy, load, workflow, document)
    try:
        measured = _belonging(_read(spans, kind, request, attributes), spans, document.workflow, renames, drop)
        made = None if decisions is None else read_decisions(decisions)
        program = document.workflow
        found = fit(measured, made, cycles_per_unit=float(scale), skeleton=program, repetitions=repetitions, seed=seed)
    except ImportError:
        raise ModelError(spans, Words("no pyarrow"), "a file that can be read here: pip install pyarrow, or CSV") from None
    except TraceError as error:
        raise ModelError(error.path, error.value, error.allowed) from None
    source = " and ".join(_named(path) for path in (spans, decisions) if path is not None)
    result = calibrated.document(found, document.workflow, source=source, replay=replay, beside=document)
    facts = {"source": source, **found.facts()}
    if checked is not None:
        facts["check"] = checked.run(measured, document.workflow, made, float(scale), repetitions, seed)
    if as_json:
        print(json.dumps(facts, indent=2, allow_nan=False))
    else:
        print_facts(facts)
    if target is not None:
        # the figures stand whatever becomes of the file
        sys.stdout.flush()
        yaml_io.write_file(target, result)
        if not as_json:
            print(f"written to {target}")
    return 0


def _target(out: str | None) -> Path | None:
    """Return where the workflow goes, refused before anything is read."""
    if out is None:
        return None
    target = Path(out)
    if not yaml_io.is_file_name(out):
        raise ModelError("--out", out, f"a name that ends in {', '.join(yaml_io.SUFFIXES)}")
    if not target.parent.is_dir():
        raise ModelError("--out", out, f"a file in a folder that exists; {target.parent} does not")
    return target


def _form(path: str, form: str | None) -> str:
    if form is not None:
        if form not in FORMATS:
            raise unknown("--format", form, FORMATS)
        return form
    for ending, name in ENDINGS.items():
        if path.endswith(ending):
            return name
    raise ModelError("--format", NOTHING, f"one of {', '.join(FORMATS)}, or a file that ends in {', '.join(ENDINGS)}")


def _scale(form: str, unit: str | None, clock: str | None, document: Document) -> Fraction:
    """Return the cycles in a unit of time of the spans."""
    fixed = FORMATS[form][1]
    if fixed is not None and unit is not None:
        raise ModelError("--unit", unit, f"no such option: times of {form} are in {fixed}")
    chosen = fixed or unit
    if chosen is None:
        raise ModelError("--unit", NOTHING, f"the unit of the times: cycles, {', '.join(units.TIMES)}")
    if chosen in units.CYCLES:
        if clock is not None:
            raise ModelError("--clock", clock, "no such option: the times are in cycles")
        return Fraction(units.CYCLES[chosen])
    if chosen not in units.TIMES:
        raise unknown("--unit", chosen, {*units.TIMES, *units.CYCLES})
    if clock is None and document.hardware is None:
        raise ModelError("--clock", NOTHING, "a frequency such as '1.2 GHz', or a machine in the workflow's file, which has one")
    hertz = units.frequency("--clock", clock) if clock is not None else document.hardware.clock_hz  # type: ignore[union-attr]
    if not hertz > 0:
        raise ModelError("--clock", clock, "a frequency above 0")
    return units.TIMES[chosen] * Fraction(hertz)


def _read(path: str, form: str, request: str | None, attributes: Sequence[str]) -> Measured:
    found = FORMATS[form][0](path, request, attributes)
    return found.requests if isinstance(found, LlmTrace) else found


def _belonging(found: Measured, path: str, workflow: Workflow, renames: Sequence[str], drop: bool) -> Measured:
    """Return what was measured under the names of the workflow; what it does not know is refused, or left out if wanted."""
    tasks = [task.name for task in workflow.tasks]
    if isinstance(found, Spans):
        found = found.renamed(_renamed(renames))
        if drop:
            found = found.of_tasks(tasks)
    elif renames:
        raise ModelError("--rename", renames[0], "no such option: there are no tasks")
    if drop:
        for name in [name for name in found.attributes if name not in workflow.attributes]:
            del found.attributes[name]
    for what, names, known in (
        ("task", found.tasks if isinstance(found, Spans) else (), tasks),
        ("attribute", found.attributes, list(workflow.attributes)),
    ):
        for name in names:
            if name not in known:
                error = unknown(f"{path}, {what}", name, known)
                cure = "; --drop leaves out what the workflow has not" + (", --rename names it anew" if what == "task" else "")
                raise ModelError(error.path, name, error.allowed + cure)
    return found


def _renamed(texts: Sequence[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for text in texts:
        old, equals, new = text.partition("=")
        if not equals or not old or not new or old in names:
            raise ModelError("--rename", text, "MEASURED=NAME, each measured name once")
        names[old] = new
    return names


def _named(path: str) -> str:
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return f"{Path(path).name} (SHA-256 {digest})"


def print_facts(facts: dict[str, Any]) -> None:
    """Print what was found for readers: a table for each kind of thing that was measured."""
    print(f"measured: {facts['source']}")
    print(f"{facts['requests']:,} requests, {facts['cycles_per_unit']:,g} cycles per unit of time")
    tasks: list[Row] = []
    head: Row
    for each in facts["tasks"]:
        p = each["anderson_p"] if each["anderson_p"] is not None else each["kolmogorov_p"]
        counts = [f"{each[key]:,}" for key in ("ends", "unfinished", "late")]
        cells = [f"{each[key]:.6g}" for key in ("mean", "p50", "p99")]
        tasks.append((each["task"], each["family"], _p(p), *counts, *cells, f"{each['cv']:.3f}", _two(each["autocorrelation"])))
    if tasks:
        head = ("task", "law", "p of best family", "ends", "open", "late", "mean", "p50", "p99", "CV", "lag 1")
        print_table("times, in units of the measurements", head, tasks, left=2)
    lines: list[Row] = []
    for each in facts["regressions"]:
        cells = [f"{each[key]:.6g} [{each[f'{key}_low']:.6g}, {each[f'{key}_high']:.6g}]" for key in ("base", "slope")]
        noise = (each["noise_family"], f"{each['noise_cv']:.3f}", _two(each["r_squared"]))
        lines.append((each["task"], each["attribute"], *cells, *noise, _p(each["slope_p"]), _p(each["left_p"])))
    if lines:
        head = ("task", "attribute", "at 0", "per unit", "noise", "CV", "R^2", "no slope, p", "left in noise, p")
        print_table("times that depend on an attribute, with 95 % intervals", head, lines, left=2)
    for each in facts["regressions"]:
        print(f"{each['task']}: {each['verdict']}")
    choices = [
        (each["block"], one["choice"], f"{one['count']:,}", f"{one['probability']:.4f}", f"[{one['low']:.4f}, {one['high']:.4f}]")
        for each in facts["blocks"]
        for one in each["choices"]
    ]
    if choices:
        head = ("block", "choice", "count", "probability", "95 %")
        print_table("decisions, with credible intervals", head, choices, left=2)
    for each in facts["blocks"]:
        if each["changed_at"]:
            print(f"{each['block']}: frequencies change at {', '.join(f'{at:g}' for at in each['changed_at'])}")
    loops = [(each["loop"], each["family"], f"{each['entries']:,}", f"{each['turns']:.4f}") for each in facts["loops"]]
    if loops:
        print_table("turns of loops", ("loop", "law", "entries", "mean turns"), loops, left=2)
    sizes: list[Row] = []
    for each in facts["attributes"]:
        cells = [f"{each[key]:.6g}" for key in ("mean", "p50", "p99", "max")]
        sizes.append((each["attribute"], *cells, _two(each["cv"]), _two(each["autocorrelation"])))
    if sizes:
        print_table("attributes of requests", ("attribute", "mean", "p50", "p99", "largest", "CV", "lag 1"), sizes)
    arrivals = facts["arrivals"]
    if arrivals is not None:
        rate = f"{arrivals['rate']:.6g} per unit of time"
        print(f"arrivals: {arrivals['family']}, {rate}, CV of the gaps {arrivals['gaps_cv']:.3f}; {arrivals['verdict']}")
    if "check" in facts:
        cli_check.print_check(facts["check"])


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def _two(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
