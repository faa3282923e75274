"""What errors show: the place, the value and what is allowed, of any size on one line."""

from __future__ import annotations

from typing import Any

import pytest

from octomodel import checks
from octomodel.errors import LONGEST, ModelError, Words, shown, unknown


@pytest.mark.parametrize("value", [0, 1.5, "a 'quote'", None, [1, [2]], {"b": {"a": (1, "x")}}, Words("no file")])
def test_small_values_are_shown_as_they_are(value: Any) -> None:
    assert shown(value) == repr(value)


def deep() -> list[Any]:
    inner: list[Any] = []
    for _ in range(10_000):
        inner = [inner]
    return inner


def circle() -> dict[str, Any]:
    inner: dict[str, Any] = {}
    inner["self"] = inner
    return inner


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**6,
        10**5000,
        [[0] * 1000] * 1000,
        {str(i): {"y" * 1000: i} for i in range(1000)},
        deep(),
        circle(),
        Words("z" * 10**5),
    ],
    ids=["text", "digits", "lists", "mappings", "deep", "circle", "words"],
)
def test_large_values_are_shown_in_part(value: Any) -> None:
    assert len(shown(value)) <= LONGEST
    error = ModelError("place", value, "something smaller")
    assert error.value is value
    assert str(error).endswith("; allowed: something smaller")
    assert len(str(error)) < LONGEST + 50


def test_the_order_of_a_mapping_is_kept() -> None:
    assert shown({"b": 1, "a": 2}) == "{'b': 1, 'a': 2}"
    assert shown({str(i): i for i in reversed(range(99))}).startswith("{'98': 98, '97': 97")


def test_keys_of_a_file_cannot_speak_to_a_terminal() -> None:
    error = ModelError("f.\x1b[2J\nhardware", "\x1b[2J", "a name")
    assert str(error) == "f.\\x1b[2J\\nhardware: got '\\x1b[2J'; allowed: a name"
    assert error.path == "f.\x1b[2J\nhardware"
    assert len(str(ModelError("k" * 10**6, 1, "2" * 10**6))) < 6 * LONGEST


def test_of_many_names_the_nearest_are_listed() -> None:
    names = [f"task{i}" for i in range(10_000)]
    near = str(unknown("milestone", "task00", names))
    assert "did you mean" in near and "one of 10000 names" in near
    far = str(unknown("milestone", "zzz", names))
    assert "one of 10000 names, such as " in far and len(far) < 2 * LONGEST


def test_nesting_is_measured_without_following_it_for_ever() -> None:
    checks.depth("f", [[[]]], 3)
    checks.depth("f", 5, 0)
    twice: list[Any] = []
    for _ in range(30):
        twice = [twice, twice]
    checks.depth("f", twice, 31)
    for value, most in ((deep(), 32), (circle(), 32), (twice, 30)):
        with pytest.raises(ModelError, match=f"f: got more than {most} levels; allowed: at most {most} levels"):
            checks.depth("f", value, most)
