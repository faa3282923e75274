"""The commands of the command line and their options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError

from octomodel import cli_input, cli_placement, cli_show
from octomodel._version import __version__
from octomodel.cli import DONE, FAILED
from octomodel.errors import ModelError, Words
from octomodel.flow import flow
from octomodel.placement import placement

Count = Annotated[int, Parameter(converter=cli_input.whole)]
Origins = Annotated[bool, Parameter(name="--provenance", negative="", help="Say where the numbers come from.")]
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
_WORKFLOW = "Name of a bundled workflow, a YAML or TOML file, or several at once with shares of work: av_pylot=3+early_exit=1."
_HARDWARE = "Name of a bundled machine, or a YAML or TOML file; default: the machine in the workflow's file."

app = App(
    name="octomodel",
    version=__version__,
    help="Model of scale-out spatial machines running dynamic AI workflows.",
)


@app.command
def presets(*, origins: Origins = False, as_json: Json = False) -> int:
    """List the bundled workflows, textbook systems and machines."""
    if origins:
        from octomodel import cli_origins

        if as_json:
            print(json.dumps(cli_origins.counted(), indent=2))
        else:
            cli_origins.print_counted()
    elif as_json:
        print(json.dumps(cli_show.listed(), indent=2))
    else:
        cli_show.print_listed()
    return DONE


@app.command
def show(
    what: Annotated[
        str, Parameter(help="Name of a bundled workflow or machine, a YAML or TOML file, or a mix: av_pylot=3+early_exit=1.")
    ],
    /,
    *,
    hardware: Annotated[str | None, Parameter(help="Also show how the workflow is mapped on this machine.")] = None,
    dot: Annotated[bool, Parameter(negative="", help="Print the graph for Graphviz.")] = False,
    mermaid: Annotated[bool, Parameter(negative="", help="Print the graph as a Mermaid flowchart.")] = False,
    origins: Origins = False,
    settings: Settings = None,
    as_json: Json = False,
) -> int:
    """Show what a description means once read."""
    if origins:
        return _show_origins(what, hardware, settings, drawn=dot or mermaid, as_json=as_json)
    if dot + mermaid + as_json > 1:
        raise ModelError("show", Words("several forms"), "one of --dot, --mermaid, --json")
    changed = cli_input.changes(settings or [])
    document = cli_input.described(what)
    described = document.workflow
    if described is None and (dot or mermaid):
        raise ModelError(what, Words("no workflow"), "a workflow: a machine has no graph")
    drawn = dot or mermaid
    cli_input.refuse_unused(
        changed,
        workflow=described is not None,
        hardware=not drawn and (hardware is not None or document.hardware is not None),
    )
    system = None
    if hardware is not None or document.hardware is not None:
        system = cli_input.hardware(hardware, document, changed)
    if described is not None:
        described = cli_input.with_changes(described, system, changed)
        if drawn:
            graph, flowing = described.graph(), flow(described)
            print(graph.to_dot(flowing) if dot else graph.to_mermaid(flowing), end="")
            return DONE
    placed = placement(described, system) if described is not None and system is not None else None
    if as_json:
        found = cli_show.data(described, system)
        if placed is not None:
            found["mapping"] = cli_placement.data(placed)
        print(json.dumps(found, indent=2, allow_nan=False))
    elif described is not None:
        cli_show.print_workflow(described, document)
        if placed is not None:
            cli_placement.print_placement(placed)
    elif system is not None:
        cli_show.print_hardware(system, document)
    else:
        raise ModelError(what, Words("neither workflow nor hardware"), "a file with one of them")
    return DONE


def _show_origins(what: str, hardware: str | None, settings: list[str] | None, *, drawn: bool, as_json: bool) -> int:
    from octomodel import cli_origins

    if drawn or hardware is not None or settings:
        raise ModelError("show", Words("--provenance with another option"), "--provenance alone or with --json")
    document = cli_input.described(what)
    if as_json:
        print(json.dumps(cli_origins.listed(document), indent=2))
    else:
        cli_origins.print_listed(what, document)
    return DONE


@app.command(name="import")
def import_(
    file: Annotated[str, Parameter(help="A JSON file.")],
    /,
    *,
    form: Annotated[str, Parameter(name="--format", help="chakra (execution trace) or wfcommons (WfFormat 1.5 or 1.6).")],
    out: Annotated[str | None, Parameter(help="Where to write the workflow: a name in .yaml or .toml.")] = None,
    clock: Annotated[str, Parameter(help="Cycles per second: a number, or a text such as '1.2 GHz'.")] = "1 GHz",
    duration: Annotated[
        str | None, Parameter(help="Of tasks without one: cycles, or a text such as '5 us'; default: such a task is refused.")
    ] = None,
    ops_per_cycle: Annotated[
        float | None, Parameter(help="For chakra: operations per cycle, for nodes with num_ops and without a duration.")
    ] = None,
    series_parallel: Annotated[
        str, Parameter(help="What becomes of tasks that are neither in series nor in parallel: refuse, or levels.")
    ] = "refuse",
    as_json: Json = False,
) -> int:
    """Make a workflow of a recorded task graph."""
    from octomodel import cli_import

    return cli_import.run(
        file,
        form=form,
        out=out,
        clock=clock,
        duration=duration,
        ops_per_cycle=ops_per_cycle,
        series_parallel=series_parallel,
        as_json=as_json,
    )


@app.command
def schema() -> int:
    """Print the JSON Schema of descriptions, for editors and other programs."""
    from octomodel.schema import schema as of_descriptions

    print(json.dumps(of_descriptions(), indent=2))
    return DONE


@app.command
def run(
    workflow: Annotated[str, Parameter(help=_WORKFLOW)],
    /,
    *,
    hardware: Annotated[str | None, Parameter(help=_HARDWARE)] = None,
    policy: Annotated[str, Parameter(help="static, reactive, reactive_any, stealing, jsq, octopus or ideal.")] = "static",
    requests: Annotated[Count | None, Parameter(help="Number of requests; default: that of the load, else 1000.")] = None,
    seed: Annotated[Count, Parameter(help="Seed of all draws.")] = 0,
    out: Annotated[str | None, Parameter(help="Where to save the result: a name in .nc or .zarr.")] = None,
    load: Annotated[
        str | None,
        Parameter(
            help="A kind (closed), a load as in a file ('{kind: poisson, rate: 1e-6}'), a YAML or TOML file, or a table of "
            "arrivals (.csv, .parquet) in the Azure LLM format or of one column; default: that of the bundled workflow or of the "
            "workflow's file."
        ),
    ] = None,
    settings: Settings = None,
    replications: Annotated[Count, Parameter(help="Independent runs.")] = 1,
    epochs: Annotated[Count, Parameter(help="Take so many samples of each cluster.")] = 0,
    epoch_stride: Annotated[Count, Parameter(help="Epochs from one sample to the next.")] = 1,
    threads: Annotated[Count | None, Parameter(help="Worker threads; no result depends on them.")] = None,
    memory_limit: Annotated[
        Count | None, Parameter(help="Bytes that the arrays of the run may take; default: 8 GiB.")
    ] = None,
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
        epoch_stride=epoch_stride,
        threads=threads,
        memory_limit=memory_limit,
        as_json=as_json,
    )


@app.command
def predict(
    workflow: Annotated[str, Parameter(help=_WORKFLOW)],
    /,
    *,
    hardware: Annotated[str | None, Parameter(help=_HARDWARE)] = None,
    load: Annotated[str | None, Parameter(help="As for run; not mmpp.")] = None,
    settings: Settings = None,
    out: Annotated[str | None, Parameter(help="Where to save the prediction: a name in .nc or .zarr.")] = None,
    as_json: Json = False,
) -> int:
    """Predict the steady state under static by queueing theory, in milliseconds, and say how far to trust it."""
    from octomodel import cli_predict

    return cli_predict.predict(workflow, hardware=hardware, load=load, settings=settings or [], out=out, as_json=as_json)


@app.command
def compare(
    workflow: Annotated[str, Parameter(help=_WORKFLOW)],
    /,
    *,
    hardware: Annotated[str | None, Parameter(help=_HARDWARE)] = None,
    policies: Annotated[str, Parameter(help="Names, with commas between; ideal is added always.")] = "static,reactive,octopus",
    requests: Annotated[Count | None, Parameter(help="Number of requests; default: enough for a steady part.")] = None,
    seed: Annotated[Count, Parameter(help="Seed of all draws.")] = 1,
    out: Annotated[str | None, Parameter(help="Where to save the study: a name in .nc or .zarr.")] = None,
    load: Annotated[str | None, Parameter(help="As for run.")] = None,
    settings: Settings = None,
    replications: Annotated[Count, Parameter(help="Independent runs of each policy.")] = 5,
    threads: Annotated[Count | None, Parameter(help="Worker threads; no result depends on them.")] = None,
    theory: Annotated[bool, Parameter(negative="", help="Queueing theory beside the simulation of static.")] = False,
    as_json: Json = False,
) -> int:
    """Simulate a workflow on a machine under several policies, all of which face the same work."""
    from octomodel import cli_compare

    return cli_compare.compare(
        workflow,
        hardware=hardware,
        policies=policies,
        requests=requests,
        seed=seed,
        out=out,
        load=load,
        settings=settings or [],
        replications=replications,
        threads=threads,
        theory=theory,
        as_json=as_json,
    )


@app.command
def sweep(
    study: Annotated[str, Parameter(help="A YAML file: workflow, hardware, load, policies, over, requests, replications, seed.")],
    /,
    *,
    out: Annotated[str, Parameter(help="Where to save the study: a name in .nc or .zarr; beside it a ledger, .ledger.")],
    jobs: Annotated[Count, Parameter(help="Processes; no result depends on them.")] = 1,
    fresh: Annotated[bool, Parameter(negative="", help="Forget what the ledger knows.")] = False,
    as_json: Json = False,
) -> int:
    """Simulate every point of a grid; stop it, start it again: nothing is lost and nothing done twice."""
    from octomodel import cli_sweep

    return cli_sweep.sweep(study, out=out, jobs=jobs, fresh=fresh, as_json=as_json)


@app.command
def fit(
    spans: Annotated[str, Parameter(help="A file of what was measured.")],
    /,
    *,
    workflow: Annotated[str, Parameter(help=f"The program whose values were measured. {_WORKFLOW}")],
    decisions: Annotated[
        str | None,
        Parameter(help="A table of decisions: request, block, choice, time; in a trace times count from its first span."),
    ] = None,
    form: Annotated[
        str | None,
        Parameter(name="--format", help="csv, parquet, chrome, otlp, azure-llm or pylot; default: by the ending of the file."),
    ] = None,
    unit: Annotated[str | None, Parameter(help="Unit of the times of a table: cycles, ns, us, ms, s ...")] = None,
    clock: Annotated[
        str | None, Parameter(help="Cycles per second, such as '1.2 GHz'; default: that of the machine in the workflow's file.")
    ] = None,
    request: Annotated[
        str | None,
        Parameter(help="chrome: argument that names the request, default request; otlp: attribute, default the trace."),
    ] = None,
    attributes: Annotated[
        list[str] | None, Parameter(name="--attribute", negative="", help="Also measured of requests, as often as wanted.")
    ] = None,
    renames: Annotated[
        list[str] | None, Parameter(name="--rename", negative="", help="MEASURED=TASK, as often as wanted.")
    ] = None,
    drop: Annotated[bool, Parameter(negative="", help="Leave out tasks and attributes that the workflow has not.")] = False,
    replay: Annotated[bool, Parameter(negative="", help="Write the arrivals themselves, not a process fitted to them.")] = False,
    repetitions: Annotated[Count, Parameter(help="Of the bootstraps behind the tests; 0: no tests.")] = 99,
    seed: Annotated[Count, Parameter(help="Seed of the bootstraps.")] = 0,
    check: Annotated[
        str | None,
        Parameter(help="A machine, by name or file: also predict the second half of the requests from the first, on it."),
    ] = None,
    policy: Annotated[str | None, Parameter(help="With --check: as for run.")] = None,
    load: Annotated[
        str | None, Parameter(help="With --check: as for run, such as '{kind: closed, in_flight: 1}'; default: as fitted.")
    ] = None,
    out: Annotated[str | None, Parameter(help="Where to write workflow and load: a name in .yaml or .toml.")] = None,
    as_json: Json = False,
) -> int:
    """Fit laws, frequencies and arrivals to measured spans, and write the workflow that they make."""
    from octomodel import cli_fit

    return cli_fit.run(
        spans,
        workflow=workflow,
        decisions=decisions,
        form=form,
        unit=unit,
        clock=clock,
        request=request,
        attributes=attributes or [],
        renames=renames or [],
        drop=drop,
        replay=replay,
        repetitions=repetitions,
        seed=seed,
        check=check,
        policy=policy,
        load=load,
        out=out,
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

    cli_input.check_cache()
    report = octomodel.verify(quick=quick, progress=True)
    print(json.dumps(report.to_dict(), indent=2) if as_json else report.table().rstrip("\n"))
    return DONE if report.passed else FAILED


def call(words: Sequence[str]) -> int:
    """Run the command that some words ask for and return its exit code.

    Raises
    ------
    ModelError
        When a word is refused.
    """
    try:
        command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    except UnusedCliTokensError as error:
        raise cli_input.left_over(error.unused_tokens or []) from None
    except CycloptsError as error:
        raise cli_input.RefusedError(str(error)) from None
    code = command(*bound.args, **bound.kwargs)
    return code if isinstance(code, int) else DONE
