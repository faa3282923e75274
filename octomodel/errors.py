"""Errors that name the place, the value and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ModelError(ValueError):
    """A description that cannot be simulated.

    Parameters
    ----------
    path : str
        Where the value stands, from the outermost object inwards, e.g. ``"workflow.assistant.asr.time.cv"``.
    value : object
        What was found there.
    allowed : str
        What would have been accepted, in words.

    Examples
    --------
    >>> print(ModelError("hardware.tbus", 0, "an integer >= 1"))
    hardware.tbus: got 0; allowed: an integer >= 1
    """

    def __init__(self, path: str, value: object, allowed: str) -> None:
        self.path = path
        self.value = value
        self.allowed = allowed
        super().__init__(f"{path}: got {value!r}; allowed: {allowed}")


class RunError(RuntimeError):
    """A run that had to stop: a broken invariant or a limit, never a mistake in the description."""


def unknown(path: str, name: str, known: Iterable[str]) -> ModelError:
    """Return the error for an unknown name, listing near misses first.

    Examples
    --------
    >>> print(unknown("policy", "statik", ["static", "jsq"]))
    policy: got 'statik'; allowed: did you mean 'static'? one of jsq, static
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {', '.join(map(repr, near))}? " if near else ""
    return ModelError(path, name, f"{hint}one of {', '.join(names)}")
