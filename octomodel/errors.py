"""Errors that name the place, the value and what is allowed."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from itertools import islice
from typing import Any

LISTED = 16
"""Most names that an error lists."""

LONGEST = 300
"""Most characters of a value, or of a path, that an error shows."""


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


class _Short(reprlib.Repr):
    """Shows values of any size in a bounded time and space, small ones as ``repr`` does."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 6
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = self.maxdeque = LISTED
        self.maxstring = self.maxother = LONGEST

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write integers of more than 4300 digits
        bits = x.bit_length()
        return f"an integer of {bits} bits" if bits > 3 * LONGEST else repr(x)

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        # not sorted: the order of a file helps to find the place
        if level <= 0 and x:
            return "{...}"
        parts = [f"{self.repr1(key, level - 1)}: {self.repr1(x[key], level - 1)}" for key in islice(x, self.maxdict)]
        return "{" + ", ".join([*parts, *(["..."] if len(x) > self.maxdict else [])]) + "}"


_SHORT = _Short()


def shown(value: object) -> str:
    """Return what an error shows of a value: its ``repr``, shortened where it is long.

    Examples
    --------
    >>> shown({"b": 1, "a": [2.5]}), len(shown("x" * 10**6)) <= LONGEST, len(shown([[0] * 99] * 99)) <= LONGEST
    ("{'b': 1, 'a': [2.5]}", True, True)
    """
    return _cut(_SHORT.repr(value))


def _cut(text: str, longest: int = LONGEST) -> str:
    half = (longest - 3) // 2
    return text if len(text) <= longest else f"{text[:half]}...{text[-half:]}"


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
        # keys of a file come into the path: they may be long, or speak to a terminal
        place = _cut(path if path.isprintable() else repr(path)[1:-1])
        super().__init__(f"{place}: got {shown(value)}; allowed: {_cut(allowed, 4 * LONGEST)}")


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
