"""JSON from elsewhere: bounded, without double keys or numbers that are none, each value of a file in turn."""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from octomodel import yaml_io
from octomodel.errors import ModelError, Words

MAX_BYTES = 16 * 2**20
_SPACE = re.compile(r"[ \t\n\r]*")


def read(path: str | os.PathLike[str]) -> list[Any]:
    """Return the values of a file of JSON texts, one after the other.

    Parameters
    ----------
    path : str or path-like
        A regular file of at most 16 MiB, UTF-8.

    Returns
    -------
    list
        Of dict, list, str, int, float, bool or None.

    Raises
    ------
    ModelError
        When the file cannot be read, is no JSON, or has a key twice in one object, ``NaN`` or an infinity; the path names
        file and line.
    """
    name, text = os.fspath(path), yaml_io.content(Path(path), MAX_BYTES)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = Counter(key for key, _ in pairs)
            raise ModelError(name, next(key for key in keys if keys[key] > 1), "each key once in an object")
        return found

    def number(digits: str) -> float:
        value = float(digits)
        return value if math.isfinite(value) else none(digits)

    def none(digits: str) -> NoReturn:
        raise ModelError(name, Words(digits), "finite numbers")

    decoder = json.JSONDecoder(object_pairs_hook=once, parse_float=number, parse_constant=none)
    found: list[Any] = []
    at = _SPACE.match(text, 0).end()  # type: ignore[union-attr]  # matches everywhere
    try:
        while at < len(text) or not found:
            value, at = decoder.raw_decode(text, at)
            found.append(value)
            at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
    except json.JSONDecodeError as error:
        raise ModelError(f"{name}, line {error.lineno}", Words(error.msg), "JSON") from None
    except RecursionError:
        raise ModelError(name, Words("too many levels"), "JSON that is not nested deeply") from None
    except ModelError:
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise ModelError(name, Words(error), "JSON with numbers of a sensible length") from None
    return found
