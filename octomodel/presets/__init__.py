"""Bundled workflows and machines; a tag for each number in its file says how well it is known."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Literal

from octomodel import checks, yaml_io, yaml_text
from octomodel.errors import ModelError, unknown
from octomodel.hardware import System
from octomodel.load import Closed, Load, Trace
from octomodel.presets import azure, pylot
from octomodel.presets.azure import Data
from octomodel.provenance import Provenance
from octomodel.workflow import Workflow
from octomodel.yaml_io import Document

Kind = Literal["workflow", "textbook", "hardware"]
KINDS: tuple[Kind, ...] = ("workflow", "textbook", "hardware")
RUNNABLE: tuple[Kind, ...] = ("workflow", "textbook")
"""Kinds whose files hold a workflow; those of textbooks bring machine and load too."""

TRACED = "llm_chat_code"
"""The workflow whose lengths and arrivals come from a trace."""

REPLAYED = (TRACED, pylot.NAME)
"""Workflows that replay the requests of a trace where they are given one."""

SYNTHETIC = Provenance("estimate", "a bundled sample made by octomodel.presets.make_sample: synthetic, not measured")
UTILIZATION = 0.7
_FOLDERS = {"workflow": "workflows", "textbook": "textbook", "hardware": "hardware"}


def names(kind: Kind) -> tuple[str, ...]:
    """Return the names of the bundled workflows, textbook systems or machines, sorted.

    Parameters
    ----------
    kind : {"workflow", "textbook", "hardware"}

    Returns
    -------
    tuple of str

    Raises
    ------
    ModelError
        When there is no such kind.

    Examples
    --------
    >>> names("textbook")
    ('diamond', 'feedback_loop', 'fork_join', 'moe_layer', 'single_queue', 'tandem')
    """
    return tuple(sorted(_files(kind)))


def runnable() -> tuple[str, ...]:
    """Return the names of all presets with a workflow: the bundled workflows, then the textbook systems.

    Examples
    --------
    >>> "av_pylot" in runnable(), "tandem" in runnable(), "chip_64c" in runnable()
    (True, True, False)
    """
    return tuple(name for kind in RUNNABLE for name in names(kind))


@lru_cache
def document(kind: Kind, name: str) -> Document:
    """Return what the file of a preset describes, with its title and sources.

    Raises
    ------
    ModelError
        When there is no such preset; near misses come first.

    Examples
    --------
    >>> document("hardware", "chip_64c").hardware.n_tbu
    768
    """
    files = _files(kind)
    if name not in files:
        raise unknown(f"{kind} preset", name, files)
    return yaml_io.from_dict(yaml_text.parse(files[name].read_text(encoding="utf-8"), files[name].name), name)


def workflow(name: str, *, data: Data = None, **changes: Any) -> Workflow:
    """Return a bundled workflow.

    Parameters
    ----------
    name : str
        One of ``runnable()``.
    data : path, optional
        For ``llm_chat_code``: a CSV file in the Azure LLM format, or a folder with the public ones, from which request r
        gets its numbers of tokens. Default: the environment variable ``OCTOMODEL_DATA``, without it a small sample made
        by us. For ``av_pylot``: a folder with the public files of its frames, which are then replayed in order: durations
        of the operators that run once per frame, obstacles, and the stretches with and without them. Default: that
        variable, where it names such a folder; else the laws in the preset's file. ``"sample"`` for either: the small
        sample made by us; its attributes say so in their provenance.
    **changes
        Keyword arguments of ``Workflow``.

    Returns
    -------
    Workflow

    Raises
    ------
    ModelError
        When the preset or a keyword is unknown, a value is refused, or the data cannot be read.

    Examples
    --------
    >>> workflow("early_exit", deadline_cycles=10**8).deadline_cycles
    100000000
    """
    found = document(_kind(name), name).workflow
    assert found is not None
    made_up = False
    if name == TRACED and "attributes" not in changes:
        changes["attributes"] = azure.attributes(azure.read(data))
        made_up = azure.is_sample(data)
    elif name == pylot.NAME and not {"attributes", "phases"} & set(changes):
        where = pylot.folder(data)
        if where is not None:
            frames = pylot.read(where)
            changes |= {"attributes": pylot.attributes(frames), "phases": pylot.phases(frames)}
            made_up = pylot.is_sample(data)
    elif data is not None:
        allowed = f"no data: only {TRACED} and {pylot.NAME} read a trace, without attributes or phases of your own"
        raise ModelError(f"workflow.{name}.data", str(data), allowed)
    found = found.with_(**changes)
    if not made_up or "provenance" in changes:
        return found
    told = {f"workflow.attributes.{attribute}": SYNTHETIC for attribute in found.attributes}
    return found.with_(provenance={**found.provenance, **told})


def hardware(name: str, **changes: Any) -> System:
    """Return a bundled machine, or that of a textbook system.

    Parameters
    ----------
    name : str
        One of ``names("hardware")`` or ``names("textbook")``.
    **changes
        Values of ``System`` by name (``switch_cycles=10``) or dotted path (``**{"tbu.switch_cycles": 10}``).

    Returns
    -------
    System

    Raises
    ------
    ModelError
        When the preset or a key is unknown, or a value is refused.

    Examples
    --------
    >>> hardware("wafer_56k", rows=16, cols=16).n_cluster
    256
    """
    found = document("textbook" if name in _files("textbook") else "hardware", name).hardware
    assert found is not None
    return found.with_(**changes)


def load(name: str, system: System, *, requests: int, utilization: float | None = None, data: Data = None) -> Load:
    """Return the load that goes with a bundled workflow.

    Parameters
    ----------
    name : str
        One of ``runnable()``.
    system : System
        Machine that it is scaled to.
    requests : int
        Number of requests.
    utilization : float, optional
        Only for ``llm_chat_code``: mean work offered over what the live TBUs can do, in (0, 10]; default 0.7.
    data : path, optional
        As for ``workflow``.

    Returns
    -------
    Load
        For ``llm_chat_code`` the arrivals of the trace, their pattern unchanged, faster or slower as a whole;
        else the load of the preset's file.

    Raises
    ------
    ModelError
        When the preset is unknown, a value is refused, or the data cannot be read.

    Examples
    --------
    >>> load("llm_chat_code", hardware("chip_64c"), requests=100).arrival_cycles[:2].tolist()
    [0, 44053]
    """
    count = checks.integer("load.requests", requests, 1, 2**39)
    found = document(_kind(name), name).load
    if name != TRACED:
        for key, value in (("utilization", utilization), ("data", data)):
            if value is not None:
                raise ModelError(f"load.{key}", str(value), f"no {key}: only {TRACED} follows a trace")
        return (found or Closed()).with_(requests=count)
    share = checks.real("load.utilization", UTILIZATION if utilization is None else utilization, 0.0, 10.0, above=True)
    trace = azure.read(data)
    own = workflow(name, attributes=azure.attributes(trace))
    return Trace(requests=count, arrival_cycles=azure.arrivals(trace, own, system, share, count))


def _kind(name: str) -> Kind:
    for kind in RUNNABLE:
        if name in _files(kind):
            return kind
    raise unknown("workflow preset", name, runnable())


@lru_cache
def _files(kind: Kind) -> dict[str, Traversable]:
    checks.one_of("kind", kind, KINDS)
    folder = resources.files(__package__) / _FOLDERS[kind]
    return {item.name.removesuffix(".yaml"): item for item in folder.iterdir() if item.name.endswith(".yaml")}
