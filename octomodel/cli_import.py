"""What ``octomodel import`` does: a workflow from a task graph that others recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from octomodel import checks, cli_show, importers, yaml_io, yaml_text
from octomodel.errors import ModelError
from octomodel.importers import Imported
from octomodel.yaml_io import Document

FORMATS: dict[str, Callable[..., Imported]] = {"chakra": importers.read_chakra, "wfcommons": importers.read_wfcommons}


def run(
    file: str,
    *,
    form: str,
    out: str | None,
    clock: str,
    duration: str | None,
    ops_per_cycle: float | None,
    series_parallel: str,
    as_json: bool,
) -> int:
    """Print the workflow and what became of its dependencies, and write it where asked to; return the exit code 0.

    Raises
    ------
    ModelError
        When the file or an option is refused; nothing has been written then.
    OSError
        When the workflow cannot be written.
    """
    checks.one_of("--format", form, FORMATS)
    if out is not None and not (yaml_io.is_file_name(out) and Path(out).parent.is_dir()):
        raise ModelError("--out", out, f"a name that ends in {', '.join(yaml_io.SUFFIXES)}, in a folder that exists")
    options: dict[str, Any] = {"clock_hz": _value(clock), "series_parallel": series_parallel}
    if duration is not None:
        options["duration"] = _value(duration)
    if ops_per_cycle is not None:
        if form != "chakra":
            raise ModelError("--ops-per-cycle", ops_per_cycle, "no operations: only chakra tells them")
        options["ops_per_cycle"] = ops_per_cycle
    try:
        found = FORMATS[form](file, **options)
    except ModelError as error:
        # told by the name of the option, not of the argument
        path = f"--{error.path.removesuffix('_hz').replace('_', '-')}" if error.path in options else error.path
        raise ModelError(path, error.value, error.allowed) from None
    document = Document(workflow=found.workflow, title=found.workflow.description, sources=(Path(file).name,))
    if out is not None:
        # forks may be nested deeper than the levels of a file
        checks.depth(f"{file} as {out}", yaml_io.to_dict(document), yaml_text.MAX_DEPTH)
        yaml_io.write_file(out, document)
    if as_json:
        print(json.dumps({"import": facts(found), **cli_show.data(found.workflow, None)}, indent=2))
        return 0
    cli_show.print_workflow(found.workflow, document)
    print(f"dependencies: {found.dependencies:,} recorded, {found.implied:,} of them implied by others, {found.added:,} added")
    lengths = map(cli_show.cycles, (found.path_cycles, found.recorded_path_cycles))
    print("longest chain: {} cycles, {} as recorded".format(*lengths))
    if found.told:
        print(f"warning: {found.told}")
    if out is not None:
        print(f"written to {out}")
    return 0


def facts(found: Imported) -> dict[str, float | str]:
    """Return what became of the dependencies, as plain data."""
    kept = {field.name: getattr(found, field.name) for field in fields(found) if field.name != "workflow"}
    return {**kept, "warning": found.told}


def _value(text: str) -> float | str:
    """Return a number as such; what is none may have a unit."""
    try:
        return float(text)
    except ValueError:
        return text
