"""Configurations that name a preset and the files of its trace instead of listing every request, and back."""

from __future__ import annotations

from octomodel import checks, presets, yaml_io
from octomodel.errors import ModelError
from octomodel.hardware import System
from octomodel.presets import azure
from octomodel.presets.azure import Data
from octomodel.yaml_io import Document
from octomodel.yaml_text import dump, parse

KEYS = ("octomodel", "preset", "requests", "hardware", "trace")


def configuration(name: str, system: System, requests: int, data: Data = None) -> str:
    """Return the text that ``read`` turns into the workflow, machine and load of a preset.

    Parameters
    ----------
    name : str
        A preset of a workflow.
    system : System
        Machine that the load is scaled to.
    requests : int
        How many.
    data : path, optional
        As for ``presets.workflow``.

    Returns
    -------
    str
        YAML: the full description; for a workflow that follows a trace the name of the preset, with the files of
        the trace and their digests.
    """
    if name != presets.TRACED:
        workflow, load = presets.workflow(name), presets.load(name, system, requests=requests)
        return dump(yaml_io.to_dict(Document(workflow=workflow, hardware=system, load=load)))
    values = {"octomodel": yaml_io.VERSION, "preset": name, "requests": requests}
    files = [{"file": file, "sha256": digest} for file, digest in azure.digests(data).items()]
    return dump(values | {"hardware": system.to_dict(), "trace": files})


def read(text: str, path: str = "configuration", data: Data = None) -> Document:
    """Return what a configuration describes.

    Parameters
    ----------
    text : str
        From ``configuration``, or a whole description.
    path : str
        What errors begin with.
    data : path, optional
        Where the files of the trace are; default: as for ``presets.workflow``.

    Raises
    ------
    ModelError
        When something is refused, or the files are not those of the configuration.
    """
    fields = parse(text, path)
    if not isinstance(fields, dict) or "preset" not in fields:
        return yaml_io.from_dict(fields, path)
    given = checks.keys(path, fields, KEYS, KEYS)
    wanted = {str(each["file"]): str(each["sha256"]) for each in given["trace"]}
    found = azure.digests(data)
    if found != wanted:
        needed = ", ".join(f"{name} with SHA-256 {digest}" for name, digest in wanted.items())
        raise ModelError(f"{path}.trace", ", ".join(f"{n} with {d}" for n, d in found.items()), f"{needed}: set {azure.VARIABLE}")
    system = System.from_dict(given["hardware"], f"{path}.hardware")
    name, requests = str(given["preset"]), checks.integer(f"{path}.requests", given["requests"], 1)
    load = presets.load(name, system, requests=requests, data=data)
    return Document(workflow=presets.workflow(name, data=data), hardware=system, load=load)
