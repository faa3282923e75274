"""A strict subset of YAML 1.2 as text: parsed without surprises, written so that it is parsed back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from octomodel.errors import ModelError, Words

MAX_BYTES = 10 * 2**20
MAX_SLOW_BYTES = 2 * 2**20
"""Of YAML apart from long lists of numbers: what is read event by event takes seconds for a megabyte."""

MAX_DEPTH = 32
MAX_DOCUMENTS = 16

_NULL = ("", "~", "null", "Null", "NULL")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,30})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TRAP = re.compile(r"[-+]?([0-9][0-9_,.:eExXoO+-]*|\.(inf|Inf|INF|nan|NaN|NAN))")
_LIST = re.compile(r"(?<=[:-] )\[[-+0-9.eE, ]{400,}\](?=[ \t]*(?:[\r\n,}\]]|\Z))")
_MARK = re.compile("\ue000([0-9]+)\ue000")
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def parse(text: str, name: str) -> Any:
    """Return plain data from YAML of the strict subset.

    Plain scalars are null, true, false, decimal integers without leading zeros, decimal numbers, else texts;
    keys are always texts.

    Parameters
    ----------
    text : str
        One document.
    name : str
        Name for error messages.

    Returns
    -------
    dict, list, str, int, float, bool or None

    Raises
    ------
    ModelError
        For anything ambiguous or dangerous: syntax errors, duplicate keys, anchors, aliases, tags, several
        documents, more than 32 levels, more than 10 MB, numbers such as 010, 1_000, 1:30, 0x10, .inf; the
        path names file and line.

    Examples
    --------
    >>> parse("a: 1e3\\nb: [on, 2, ~]", "example")
    {'a': 1000.0, 'b': ['on', 2, None]}
    """
    documents = parse_all(text, name, most=1)
    return documents[0] if documents else None


def parse_all(text: str, name: str, most: int = MAX_DOCUMENTS) -> list[Any]:
    """Return the plain data of each document of a text; as ``parse``.

    Examples
    --------
    >>> parse_all("a: 1\\n---\\nb: 2", "example")
    [{'a': 1}, {'b': 2}]
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    check_size(text, name)
    short, lists = _without_lists(text)
    if len(short) > MAX_SLOW_BYTES:
        allowed = f"at most {MAX_SLOW_BYTES} apart from lists of numbers on one line each; TOML may be longer"
        raise ModelError(name, Words(f"{len(short)} characters of YAML"), allowed)
    builder = _Builder(name, most, lists)
    try:
        for event in YAML(typ="safe", pure=True).parse(short):
            builder.take(event)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}, line {mark.line + 1}" if mark is not None else name
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ModelError(place, Words(problem), "YAML") from None
    return builder.results


def check_size(text: str, name: str) -> None:
    """Refuse a text of more than ``MAX_BYTES``."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ModelError(name, Words(f"{len(text)} characters"), f"at most {MAX_BYTES} bytes")


def _without_lists(text: str) -> tuple[str, list[str]]:
    """Return a text with a mark for each long list of plain numbers, and these lists, which need no parser for YAML."""
    lists: list[str] = []

    def marked(match: re.Match[str]) -> str:
        if not all(_is_number(item) for item in match[0][1:-1].split(", ")):
            return match[0]
        lists.append(match[0])
        return f"\ue000{len(lists) - 1}\ue000"

    return (text, lists) if "\ue000" in text else (_LIST.sub(marked, text), lists)


def _is_number(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None or (_FLOAT.fullmatch(text) is not None and math.isfinite(float(text)))


def dump(data: Any) -> str:
    """Return plain data as YAML that ``parse`` reads back.

    Examples
    --------
    >>> print(dump({"name": "tiny", "size": [4, 2.5], "text": "two words"}), end="")
    name: tiny
    size: [4, 2.5]
    text: "two words"
    """
    return "".join(f"{line}\n" for line in _lines(data, ""))


class _Builder:
    """Puts the events of documents together."""

    def __init__(self, name: str, most: int, lists: list[str]) -> None:
        self.name = name
        self.most = most
        self.lists = lists  # by the numbers in their marks
        self.flow = 0  # how many of the stack are in brackets or braces
        self.results: list[Any] = []
        self.stack: list[dict[str, Any] | list[Any]] = []
        self.keys: list[str | None] = []

    def fail(self, event: Any, value: object, allowed: str) -> ModelError:
        return ModelError(f"{self.name}, line {event.start_mark.line + 1}", value, allowed)

    def take(self, event: Any) -> None:
        kind = type(event).__name__
        if kind == "AliasEvent":
            raise self.fail(event, Words(f"*{event.anchor}"), "no aliases: write the value out")
        if getattr(event, "anchor", None):
            raise self.fail(event, Words(f"&{event.anchor}"), "no anchors")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise self.fail(event, Words(tag), "no tags")
        if kind == "DocumentStartEvent":
            if len(self.results) == self.most:
                allowed = "one document" if self.most == 1 else f"at most {self.most} documents"
                raise self.fail(event, Words("another document"), allowed)
            self.results.append(None)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self.flow += self.flow > 0 or bool(event.flow_style)
            self.add(event, {} if kind == "MappingStartEvent" else [])
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self.flow -= self.flow > 0
            self.stack.pop()
            self.keys.pop()
        elif kind == "ScalarEvent":
            self.scalar(event)

    def scalar(self, event: Any) -> None:
        if self.lists and "\ue000" in event.value:
            mark = _MARK.fullmatch(event.value) if event.style is None else None
            is_key = bool(self.stack) and isinstance(self.stack[-1], dict) and self.keys[-1] is None
            if mark is not None and not is_key:
                items = self.lists[int(mark[1])][1:-1].split(", ")
                self.add(event, [int(item) if _INTEGER.fullmatch(item) else float(item) for item in items])
                self.stack.pop()
                self.keys.pop()
                return
            if event.style is None and (self.flow or _MARK.match(event.value)):
                place = f"{self.name}, line {event.end_mark.line + 1}"
                raise ModelError(place, Words("a list of numbers"), "YAML: such a list as a value of its own")
            event.value = _MARK.sub(lambda found: self.lists[int(found[1])], event.value)
        if self.stack and isinstance(self.stack[-1], dict) and self.keys[-1] is None:
            if event.value in self.stack[-1]:
                raise self.fail(event, event.value, "each key once")
            self.keys[-1] = event.value
            return
        self.add(event, self.value(event) if event.style is None else event.value)

    def add(self, event: Any, value: Any) -> None:
        if not self.stack:
            self.results[-1] = value
        else:
            top = self.stack[-1]
            if isinstance(top, list):
                top.append(value)
            else:
                key = self.keys[-1]
                if key is None:
                    raise self.fail(event, Words("a list or mapping as key"), "keys that are texts")
                top[key] = value
                self.keys[-1] = None
        if isinstance(value, dict | list):
            self.stack.append(value)
            self.keys.append(None)
            if len(self.stack) > MAX_DEPTH:
                raise self.fail(event, Words(f"more than {MAX_DEPTH} levels"), f"at most {MAX_DEPTH} levels")

    def value(self, event: Any) -> Any:
        text = event.value
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if math.isfinite(number):
                return number
        if _TRAP.fullmatch(text):
            raise self.fail(event, text, "a plain decimal number such as 1000, 0.5 or 1e3; quotes for a text")
        return text


def _lines(data: Any, indent: str) -> Iterator[str]:
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from _entry(f"{indent}{_scalar(str(key))}:", value, indent)
    elif isinstance(data, list) and any(isinstance(item, dict | list) for item in data):
        for item in data:
            if _is_short(item):
                yield f"{indent}- {_flow(item)}"
            else:
                inner = list(_lines(item, indent + "  "))
                yield f"{indent}- {inner[0].removeprefix(indent + '  ')}"
                yield from inner[1:]
    else:
        yield f"{indent}{_flow(data)}"


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if _is_short(value):
        yield f"{head} {_flow(value)}"
    else:
        yield head
        yield from _lines(value, indent + "  ")


def _is_short(value: Any) -> bool:
    """Return whether a value stands on one line: a scalar, a list of scalars, a small mapping of scalars."""
    if isinstance(value, dict):
        return len(value) == 0 or (
            len(value) <= 6 and not any(isinstance(item, dict | list) for item in value.values())
        )
    return not isinstance(value, list) or not any(isinstance(item, dict | list) for item in value)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(str(key))}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        if _BARE.fullmatch(value) and value not in _NULL and value not in _BOOL:
            return value
        quoted = json.dumps(value, ensure_ascii=False)
        return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", quoted)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    raise TypeError(f"{type(value).__name__} {value!r} has no form in a file")
