"""What ``octomodel sweep`` does: a study from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from octomodel import checks, cli_input, yaml_text
from octomodel.errors import ModelError
from octomodel.sweeping import sweep as sweep_over

KEYS = ("workflow", "hardware", "load", "policies", "over", "requests", "replications", "seed")


def sweep(file: str, *, out: str, jobs: int, fresh: bool, as_json: bool) -> int:
    """Simulate what a file describes, go on where an earlier call was stopped, save; return the exit code 0.

    Raises
    ------
    ModelError
        When something in the file or a point is refused; nothing has been run then.
    OSError, DamagedFileError
        When the output cannot be written, or the ledger is damaged.
    """
    target = cli_input.out(out)
    assert target is not None
    cli_input.check_cache()
    fields = read(file)
    document = cli_input.workflow(str(fields["workflow"]))
    assert document.workflow is not None
    nothing = cli_input.changes([])
    named = fields.get("hardware")
    system = cli_input.hardware(None if named is None else str(named), document, nothing)
    requests = fields.get("requests")
    if requests is not None:
        checks.integer(f"{file}.requests", requests, 1)
    given = fields.get("load")
    load = cli_input.load(
        None if given is None else yaml_text.dump(given).strip(), str(fields["workflow"]), document, system, nothing, requests
    )
    found = sweep_over(
        document.workflow,
        system,
        checks.mapping(f"{file}.over", fields["over"]),
        out=target,
        policies=checks.sequence(f"{file}.policies", fields.get("policies", ["static"]), "a list of names"),
        load=load,
        replications=checks.integer(f"{file}.replications", fields.get("replications", 1), 1),
        seed=checks.integer(f"{file}.seed", fields.get("seed", 1)),
        resume=not fresh,
        jobs=jobs,
        progress=True,
    )
    failed = [text for text in found["point_error"].values.ravel().tolist() if text]
    facts = {
        "points": int(found["point_error"].size),
        "failed": len(failed),
        "dims": {str(name): size for name, size in found.sizes.items()},
        "out": str(target),
    }
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        print(f"{facts['points']} points, {facts['failed']} failed; written to {target}")
        for text in sorted(set(failed)):
            print(f"failed: {text}")
    return 0


def read(file: str) -> dict[str, Any]:
    """Return the fields of a study file.

    Raises
    ------
    ModelError
        When it cannot be read, or has a key that none has.
    """
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(file, type(error).__name__, "a YAML file of a study that can be read") from error
    return dict(checks.keys(file, yaml_text.parse(text, file), KEYS, ("workflow", "over")))
