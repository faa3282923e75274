"""What the words of a command line mean: descriptions by preset or file, changes by key, loads by text."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octomodel import mixes_read, presets, references, replaying, units_read, yaml_io, yaml_text
from octomodel.calibration.trace import AZURE_LLM_COLUMNS
from octomodel.dist.columns import header, is_table_name, printable
from octomodel.errors import NOTHING, ModelError, Words, unknown
from octomodel.hardware import System
from octomodel.hardware_values import PATHS
from octomodel.load import KINDS, UNLIMITED, Closed, Load, Trace
from octomodel.references import COMMAND_LINE
from octomodel.workflow import Workflow
from octomodel.yaml_io import Document

if TYPE_CHECKING:
    from cyclopts import Token

REQUESTS = 1000
_PARTS = ("workflow", "hardware", "load")
_PLACES = re.compile(rf"({'|'.join(map(re.escape, PATHS))})($|[.[])")


class RefusedError(ModelError):
    """Words that are no command line, told as the parser of the command line tells it."""

    def __init__(self, message: str) -> None:
        ValueError.__init__(self, message)


@dataclass(frozen=True)
class Changes:
    """The values of ``--set``, by what they change."""

    workflow: Mapping[str, Any]
    hardware: Mapping[str, Any]
    load: Mapping[str, Any]


def changes(settings: Sequence[str]) -> Changes:
    """Return the changes asked for by ``key=value`` texts.

    A key is a value of the machine (``tbu.switch_cycles``, ``rows``), or begins with ``hardware.``,
    ``workflow.`` or ``load.``. A value is written as in a file.

    Raises
    ------
    ModelError
        When a text has no ``=``, a key comes twice, or a value cannot be read.

    Examples
    --------
    >>> found = changes(["tbu.switch_cycles=10", "load.in_flight=8"])
    >>> found.hardware, found.load
    ({'tbu.switch_cycles': 10}, {'in_flight': 8})
    """
    found: dict[str, dict[str, Any]] = {part: {} for part in _PARTS}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ModelError("--set", text, "key=value, such as tbu.switch_cycles=10")
        part, dot, rest = key.partition(".")
        if not dot or part not in _PARTS:
            part, rest = "hardware", key
        if rest in found[part]:
            raise ModelError(f"--set {key}", text, "each key once")
        found[part][rest] = yaml_text.parse(value, f"--set {key}")
    return Changes(**found)


def refuse_unused(changed: Changes, *, workflow: bool, hardware: bool) -> None:
    """Refuse every change that ``show`` makes no use of: of a load, and of a part that is not shown.

    Raises
    ------
    ModelError
        For the first such change; near misses where nothing has a value of that name.
    """
    shown = {"workflow": workflow, "hardware": hardware, "load": False}
    cures = {
        "workflow": "no change of a workflow: none is shown",
        "hardware": "no change of a machine: none is shown here; --hardware names one",
        "load": "no change of a load: show shows none",
    }
    known = {
        "workflow": [key for key in inspect.signature(Workflow).parameters if key not in ("items", "provenance")],
        "hardware": [*PATHS, *PATHS.values(), "description"],
        "load": ["utilization", *(field.name for kind in KINDS.values() for field in fields(kind))],
    }
    for part in _PARTS:
        for key, value in getattr(changed, part).items():
            if shown[part]:
                continue
            name = key if part == "hardware" else f"{part}.{key}"
            if key not in known[part]:
                raise unknown(f"--set {name}", key, set(known[part]))
            raise ModelError(f"--set {name}", value, cures[part])


def left_over(tokens: Sequence[str]) -> ModelError:
    """Return the error for words that no command takes; a machine's name is met with its option."""
    word = tokens[0]
    hint = f"did you mean --hardware {word}? " if word in presets.names("hardware") else ""
    return ModelError("command line", word, f"{hint}no further word; --help lists the options")


def whole(_: object, tokens: Sequence[Token]) -> int:
    """Return the whole number of an option, also written as ``1e5``.

    Raises
    ------
    ValueError
        When the text is no whole number; the parser of the command line names the option.
    """
    (token,) = tokens
    try:
        number = Decimal(token.value)
        if number == number.to_integral_value() and abs(number) < 2**63:
            return int(number)
    except ArithmeticError:
        pass
    raise ValueError(f"got {token.value!r}; allowed: a whole number, such as 2000 or 1e5")


def check_cache() -> None:
    """Refuse a directory for compiled kernels that cannot be one, before anything is simulated.

    Raises
    ------
    ModelError
        When ``OCTOMODEL_CACHE_DIR`` is not the absolute path of a directory.
    """
    from octomodel.kernels import _cache

    try:
        _cache.root()
    except ValueError as error:
        raise RefusedError(str(error)) from None


def described(text: str) -> Document:
    """Return what a preset of either kind, a YAML or TOML file, or a mix of such with shares (``a=3+b=1``), describes.

    Raises
    ------
    ModelError
        When the text is neither, or the file is refused.
    """
    if _is_mix(text):
        return mixes_read.from_words(text)
    if yaml_io.is_file_name(text):
        return yaml_io.read_file(text)
    for kind in presets.KINDS:
        if text in presets.names(kind):
            found = presets.document(kind, text)
            if text in presets.REPLAYED:
                replayed = presets.workflow(text)
                told = presets.SYNTHETIC
                made_up = [f"attributes: {told.source}"] if told in replayed.provenance.values() else []
                return Document(replayed, None, None, found.title, (*found.sources, *made_up))
            return found
    raise _no_such("preset", text, [name for kind in presets.KINDS for name in presets.names(kind)])


def workflow(text: str) -> Document:
    """Return the description of a preset or file that holds a workflow.

    Raises
    ------
    ModelError
        When there is no such preset, or the file is refused or holds no workflow.
    """
    if not _is_mix(text) and not yaml_io.is_file_name(text) and text not in presets.runnable():
        raise _no_such("workflow", text, presets.runnable())
    document = described(text)
    if document.workflow is None:
        raise ModelError(text, Words("no workflow"), "a file with a workflow")
    return document


def hardware(text: str | None, beside: Document, changed: Changes) -> System:
    """Return the machine of a preset or file, else that of the workflow's file, with the changes to it.

    Raises
    ------
    ModelError
        When there is none, no such preset, the file is refused or holds no machine, or a change is refused.
    """
    system = beside.hardware
    if text is not None:
        if not yaml_io.is_file_name(text) and text not in presets.names("hardware"):
            raise _no_such("hardware", text, presets.names("hardware"))
        system = described(text).hardware
    if system is None:
        allowed = f"a file with hardware, or one of {', '.join(presets.names('hardware'))}"
        raise ModelError("--hardware", NOTHING if text is None else text, allowed)
    if not changed.hardware:
        return system
    short = {name: path for path, name in PATHS.items()}
    for key in changed.hardware:
        if key not in short and key != "description" and not re.match(_PLACES, key):
            raise unknown(f"--set {key}", key, {*PATHS, *short})
    changes = {short.get(key, key): value for key, value in changed.hardware.items()}
    found = _changed(Document(hardware=system), changes, "hardware").hardware
    assert found is not None
    return found


def with_changes(workflow: Workflow, system: System | None, changed: Changes) -> Workflow:
    """Return a workflow with the changes to it; times in seconds are those of the machine's clock.

    Raises
    ------
    ModelError
        When a change is refused.
    """
    if not changed.workflow:
        return workflow
    found = _changed(Document(workflow=workflow, hardware=system), changed.workflow, "workflow").workflow
    assert found is not None
    return found


def _changed(document: Document, changes: Mapping[str, Any], part: str) -> Document:
    try:
        return yaml_io.changed(document, {f"{part}.{key}": value for key, value in changes.items()}, "--set", COMMAND_LINE)
    except ModelError as error:
        place = error.path.removeprefix("--set.")
        if place.startswith("changes["):
            place = place.removeprefix("changes[").removesuffix("]")
        raise ModelError(f"--set {place.removeprefix('hardware.')}", error.value, error.allowed) from None


def load(
    text: str | None,
    name: str,
    beside: Document,
    system: System,
    changed: Changes,
    requests: int | None,
    *,
    enough: int | None = None,
) -> Load:
    """Return the load of a command line.

    Parameters
    ----------
    text : str or None
        A YAML or TOML file with a load; a table of arrivals (``.csv``); a kind (``closed``); a load as in a file
        (``{kind: poisson, rate: 1e-6}``). None: that of the workflow's preset or file, else a closed load.
    name : str
        Of the workflow, as on the command line.
    beside : Document
        Description that the workflow came with.
    system : System
        Machine that the load of a preset is scaled to.
    changed : Changes
        ``in_flight``, ``split`` ..., and ``utilization`` of a trace.
    requests : int or None
        Number of requests; None: that of the load, else 1000.
    enough : int, optional
        Number of requests where the command line says none, whatever the load says; fewer where a trace is shorter.

    Raises
    ------
    ModelError
        When the text is no load, or a change is refused.
    """
    settings = dict(changed.load)
    if requests is not None:
        if "requests" in settings:
            raise ModelError("--set load.requests", settings["requests"], "either this or --requests")
        settings["requests"] = requests
    asked = "requests" in settings
    if enough is not None:
        settings.setdefault("requests", enough)
    if text is None and name in presets.runnable():
        count = settings.pop("requests", REQUESTS)
        found = presets.load(name, system, requests=count, utilization=settings.pop("utilization", None))
    else:
        found = beside.load or Closed() if text is None else _load(text, system)
        if found.requests is None and not isinstance(found, Trace):
            settings.setdefault("requests", REQUESTS)
    if isinstance(found, Trace) and not asked and enough is not None and not settings.get("repeat", found.repeat):
        settings["requests"] = min(enough, len(found.arrival_cycles))
    if "utilization" in settings:
        share = settings.pop("utilization")
        if not isinstance(found, Trace) or beside.workflow is None:
            raise ModelError("--set load.utilization", share, f"no utilization of a load of kind {found.kind}: of a trace only")
        found = replaying.at_utilization(found, with_changes(beside.workflow, system, changed), system, share)
    if "requests" in settings and not settings.keys() - {"requests"}:
        return found.with_(requests=settings["requests"])
    if not settings:
        return found
    if "in_flight" in settings and settings["in_flight"] is None:
        settings["in_flight"] = UNLIMITED
    again = _changed(Document(hardware=system, load=found), settings, "load").load
    assert again is not None
    return again


def out(path: str | None) -> Path | None:
    """Return where a result goes, refused before hours of simulation rather than after them.

    Raises
    ------
    ModelError
        When the name ends in neither ``.nc`` nor ``.zarr``, or there is no such folder.
    """
    if path is None:
        return None
    target = Path(path)
    if target.suffix not in (".nc", ".zarr"):
        raise ModelError("--out", path, "a name that ends in .nc (NetCDF) or .zarr (Zarr directory)")
    if not target.parent.is_dir():
        raise ModelError("--out", path, f"a file in a folder that exists; {target.parent} does not")
    return target


def _load(text: str, system: System) -> Load:
    if yaml_io.is_file_name(text):
        found = yaml_io.read_file(text).load
        if found is None:
            raise ModelError(text, Words("no load"), "a file with a load")
        return found
    clock = Fraction(system.clock_hz)
    if is_table_name(text) and ": " not in text:
        data: Any = {"kind": "trace", "file": text, "column": _arrivals(text)}
    else:
        data = yaml_text.parse(text, "--load")
    if isinstance(data, str):
        data = {"kind": data}
    data = units_read.converted_part("load", data, "--load", clock)
    return Load.from_dict(references.expanded_part("load", data, "--load", COMMAND_LINE, clock), "--load")


def _arrivals(table: str) -> str:
    """Return the column of a table that holds the arrivals: that of the Azure LLM traces, or the only one."""
    names = header(table)
    if AZURE_LLM_COLUMNS[0] in names or len(names) == 1:
        return AZURE_LLM_COLUMNS[0] if AZURE_LLM_COLUMNS[0] in names else names[0]
    known = ", ".join(printable(names[:16]))
    raise ModelError("--load", table, f"'{{kind: trace, file: {table}, column: NAME, unit: ms}}', NAME one of {known}")


def _is_mix(text: str) -> bool:
    """Return whether a text names several workflows, and not a file that has a plus sign in its name."""
    return "+" in text and not Path(text).exists()


def _no_such(path: str, text: str, known: Sequence[str]) -> ModelError:
    error = unknown(path, text, known)
    recorded = "; octomodel import makes one of a recorded graph" if text.endswith(".json") else ""
    return ModelError(path, text, f"{error.allowed}, or a file that ends in .yaml or .toml{recorded}")
