"""The command line: ``octomodel presets | show | run | verify``.

Exit codes: 0 done, 1 a check failed (``verify``), 2 bad input, 3 the run had to stop, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from octomodel import cli_input, cli_show
from octomodel._version import __version__
from octomodel.errors import ModelError, RunError

DONE, FAILED, BAD_INPUT, STOPPED, INTERRUPTED = 0, 1, 2, 3, 130

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead of text.")]
Settings = Annotated[
    list[str] | None,
    Parameter(
        name="--set",
        negative="",
        help="Change a value, as often as wanted: KEY=VALUE, a key of the machine (tbu.switch_cycles, rows) or one "
        "that begins with workflow. or load.",
    ),
]
_WORKFLOW = "Name of a bundled workflow, or a YAML file."
_HARDWARE = "Name of a bundled machine, or a YAML file; default: the machine in the workflow's file."

app = App(
    name="octomodel",
    version=__version__,
    help="Model of scale-out spatial machines running dynamic AI workflows.",
)


@app.command
def presets(*, as_json: Json = False) -> int:
    """List the bundled workflows and machines."""
    if as_json:
        print(json.dumps(cli_show.listed(), indent=2))
    else:
        cli_show.print_listed()
    return DONE


@app.command
def show(
    what: Annotated[str, Parameter(help="Name of a bundled workflow or machine, or a YAML file.")],
    /,
    *,
    hardware: Annotated[str | None, Parameter(help="Also show how the workflow is mapped on this machine.")] = None,
    dot: Annotated[bool, Parameter(negative="", help="Print the graph for Graphviz.")] = False,
    mermaid: Annotated[bool, Parameter(negative="", help="Print the graph as a Mermaid flowchart.")] = False,
    settings: Settings = None,
    as_json: Json = False,
) -> int:
    """Show what a description means once read."""
    if dot + mermaid + as_json > 1:
        raise ModelError("show", "several forms", "one of --dot, --mermaid, --json")
    changed = cli_input.changes(settings or [])
    document = cli_input.described(what)
    described = document.workflow
    if described is None and (dot or mermaid):
        raise ModelError(what, "no workflow", "a workflow: a machine has no graph")
    if described is not None:
        described = described.with_(**changed.workflow)
        if dot or mermaid:
            print(described.graph().to_dot() if dot else described.graph().to_mermaid(), end="")
            return DONE
    system = None
    if hardware is not None or document.hardware is not None:
        system = cli_input.hardware(hardware, document, changed)
    if as_json:
        print(json.dumps(cli_show.data(described, system), indent=2))
    elif described is not None:
        cli_show.print_workflow(described, document, system)
    elif system is not None:
        cli_show.print_hardware(system, document)
    else:
        raise ModelError(what, "neither workflow nor hardware", "a file with one of them")
    return DONE


@app.command
def run(
    workflow: Annotated[str, Parameter(help=_WORKFLOW)],
    /,
    *,
    hardware: Annotated[str | None, Parameter(help=_HARDWARE)] = None,
    policy: Annotated[str, Parameter(help="static, stealing, jsq or ideal.")] = "static",
    requests: Annotated[int | None, Parameter(help="Number of requests; default: that of the load, else 1000.")] = None,
    seed: Annotated[int, Parameter(help="Seed of all draws.")] = 0,
    out: Annotated[str | None, Parameter(help="Where to save the result: a name in .nc or .zarr.")] = None,
    load: Annotated[
        str | None,
        Parameter(
            help="A kind (closed), a load as in a file ('{kind: poisson, rate: 1e-6}'), or a YAML file; default: "
            "that of the bundled workflow or of the workflow's file."
        ),
    ] = None,
    settings: Settings = None,
    replications: Annotated[int, Parameter(help="Independent runs.")] = 1,
    epochs: Annotated[int, Parameter(help="Sample each cluster at the first so many epochs.")] = 0,
    threads: Annotated[int | None, Parameter(help="Worker threads; no result depends on them.")] = None,
    as_json: Json = False,
) -> int:
    """Simulate a workflow on a machine under a policy."""
    from octomodel import cli_run

    return cli_run.run(
        workflow,
        hardware=hardware,
        policy=policy,
        requests=requests,
        seed=seed,
        out=out,
        load=load,
        settings=settings or [],
        replications=replications,
        epochs=epochs,
        threads=threads,
        as_json=as_json,
    )


@app.command
def verify(
    *,
    quick: Annotated[bool, Parameter(negative="", help="A dozen systems, in seconds; all take minutes.")] = False,
    as_json: Json = False,
) -> int:
    """Simulate systems with known answers and compare."""
    import octomodel

    report = octomodel.verify(quick=quick, progress=True)
    print(json.dumps(report.to_dict(), indent=2) if as_json else report.table().rstrip("\n"))
    return DONE if report.passed else FAILED


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Words after the name of the program; default: those it was called with.

    Returns
    -------
    int
        0 done, 1 a check failed, 2 bad input, 3 the run had to stop, 130 interrupted.
    """
    try:
        command, bound, _ = app.parse_args(
            sys.argv[1:] if argv is None else argv, exit_on_error=False, print_error=False
        )
        code = command(*bound.args, **bound.kwargs)
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except (CycloptsError, ModelError) as error:
        return _say(BAD_INPUT, str(error))
    except (RunError, OSError, MemoryError) as error:
        if isinstance(error, BrokenPipeError):
            # the reader of the pipe has had enough; what is still buffered must not fail again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        return _say(STOPPED, str(error) or "out of memory")
    except KeyboardInterrupt:
        return _say(INTERRUPTED, "interrupted")
    except Exception:
        traceback.print_exc()
        return _say(STOPPED, "internal error; please report it with the lines above")


def _say(code: int, message: str) -> int:
    """Print one line to standard error."""
    print(f"octomodel: {' '.join(message.split())}", file=sys.stderr)
    return code
