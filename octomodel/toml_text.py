"""TOML as text: parsed with the limits of the YAML subset, written so that it is parsed back."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from octomodel.errors import ModelError, Words
from octomodel.yaml_text import MAX_DEPTH, check_size

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-])(?:{_PART}){{{MAX_DEPTH}}}")
_PLACE = re.compile(r"(?P<problem>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)", re.S)
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_SHORT = 6
"""Most entries of a mapping that stands on one line."""


def parse(text: str, name: str) -> dict[str, Any]:
    """Return plain data from TOML.

    Parameters
    ----------
    text : str
        TOML 1.0.
    name : str
        Name for error messages.

    Returns
    -------
    dict
        Of texts, numbers, booleans, lists and dicts.

    Raises
    ------
    ModelError
        For syntax errors, with the line; dates and times; inf and nan; more than 32 levels; more than 10 MB.

    Examples
    --------
    >>> parse("[hardware]\\nrows = 2\\ncluster.tbus = 12", "example")
    {'hardware': {'rows': 2, 'cluster': {'tbus': 12}}}
    """
    check_size(text, name)
    # the parser takes a time that grows with the square of the parts of a key
    if _LONG_KEY.search(text):
        raise ModelError(name, Words(f"a key of more than {MAX_DEPTH} parts"), f"at most {MAX_DEPTH} levels")
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise ModelError(name, Words(f"more than {MAX_DEPTH} levels"), f"at most {MAX_DEPTH} levels") from None
    except ValueError as error:
        found = _PLACE.fullmatch(str(error))
        place = f"{name}, line {found['line']}" if found and found["line"] else name
        raise ModelError(place, Words(found["problem"] if found else error), "TOML") from None
    _check(data, name)
    return data


def dump(data: dict[str, Any]) -> str:
    """Return plain data as TOML that ``parse`` reads back; keys without a value, None, are left out.

    Raises
    ------
    TypeError
        When something has no form in TOML.

    Examples
    --------
    >>> print(dump({"name": "tiny", "size": {"rows": 2}, "steps": [{"task": "a"}, {"task": "b"}]}), end="")
    name = "tiny"
    size = {rows = 2}
    <BLANKLINE>
    [[steps]]
    task = "a"
    <BLANKLINE>
    [[steps]]
    task = "b"
    """
    return "".join(f"{line}\n" for line in _table(data, ())).lstrip("\n")


def _check(data: object, name: str) -> None:
    """Refuse values that YAML would refuse too."""
    stack = [(data, name, 1)]
    while stack:
        value, path, depth = stack.pop()
        if depth > MAX_DEPTH and isinstance(value, dict | list):
            raise ModelError(name, Words(f"more than {MAX_DEPTH} levels"), f"at most {MAX_DEPTH} levels")
        if isinstance(value, dict):
            stack.extend((item, f"{path}.{key}", depth + 1) for key, item in value.items())
        elif isinstance(value, list):
            stack.extend((item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value))
        elif isinstance(value, float) and not math.isfinite(value):
            raise ModelError(path, Words(value), "a finite number")
        elif not isinstance(value, str | int | float):
            raise ModelError(path, Words(value), "no dates or times; quotes for a text")


def _table(data: dict[str, Any], place: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a table: first what stands on lines of its own, then the tables below it."""
    below = {key: value for key, value in data.items() if _is_table(value) or _is_tables(value)}
    for key, value in data.items():
        if key not in below and value is not None:
            yield f"{_key(key)} = {_inline(value)}"
    for key, value in below.items():
        name = ".".join(map(_key, (*place, key)))
        if isinstance(value, dict):
            yield from ("", f"[{name}]")
            yield from _table(value, (*place, key))
            continue
        for item in value:
            yield from ("", f"[[{name}]]")
            yield from _table(item, (*place, key))


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and (
        len(value) > _SHORT or any(isinstance(item, dict | list) for item in value.values())
    )


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(isinstance(item, dict) for item in value)


def _inline(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        entries = (f"{_key(key)} = {_inline(item)}" for key, item in value.items() if item is not None)
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    raise TypeError(f"{type(value).__name__} {value!r} has no form in TOML")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", quoted)
