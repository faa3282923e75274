"""Errors that name the place, the value and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LISTED = 16
"""Most names that an error lists."""


class Words(str):
    """What was found, said in words: shown without quotes in an error.

    Examples
    --------
    >>> print(ModelError("missing.yaml", Words("no regular file"), "the path of an existing file"))
    missing.yaml: got no regular file; allowed: the path of an existing file
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


NOTHING = Words("nothing")


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


class ModelWarning(UserWarning):
    """A description that can be simulated, with a result that is easily misread."""


class RunError(RuntimeError):
    """A run that had to stop: a broken invariant or a limit, never a mistake in the description."""


def unknown(path: str, name: str, known: Iterable[str]) -> ModelError:
    """Return the error for an unknown name, listing near misses first; of many names only the nearest.

    Examples
    --------
    >>> print(unknown("policy", "statik", ["static", "jsq"]))
    policy: got 'statik'; allowed: did you mean 'static'? one of jsq, static
    >>> print(unknown("milestone", "first", []))
    milestone: got 'first'; allowed: nothing: there are none
    >>> print(unknown("system", "row", ["rows", "cols", *(f"value{i}" for i in range(50))]))
    system: got 'row'; allowed: did you mean 'rows'? one of 52 names
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {', '.join(map(repr, near))}? " if near else ""
    if not names:
        return ModelError(path, name, "nothing: there are none")
    if len(names) <= LISTED:
        return ModelError(path, name, f"{hint}one of {', '.join(names)}")
    nearest = "" if near else f", such as {', '.join(difflib.get_close_matches(name, names, n=5, cutoff=0.0))}"
    return ModelError(path, name, f"{hint}one of {len(names)} names{nearest}")
