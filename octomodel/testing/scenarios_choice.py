"""Choices that depend on a key alone: the same in every process and on every version of Python."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choice:
    """A stream of choices made from a key.

    Parameters
    ----------
    *key
        Integers and strings; equal keys make equal choices.

    Examples
    --------
    >>> Choice(7, "machine").integer(1, 6) == Choice(7, "machine").integer(1, 6)
    True
    """

    def __init__(self, *key: int | str) -> None:
        # Of the generator only seeding by a string and random() are promised to stay as they are.
        self._random = random.Random(repr(key)).random

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return self._random() < probability

    def real(self, low: float, high: float) -> float:
        """Return a number between two others."""
        return low + (high - low) * self._random()

    def integer(self, low: int, high: int) -> int:
        """Return an integer from ``low`` to ``high``, both possible."""
        return low + int(self._random() * (high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options, all equally likely."""
        return options[int(self._random() * len(options))]

    def weighted(self, options: dict[T, float]) -> T:
        """Return a key of a dict of weights."""
        left = self._random() * sum(options.values())
        for option, weight in options.items():
            left -= weight
            if left < 0:
                return option
        return max(options, key=lambda option: options[option])

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in another order."""
        rest = list(items)
        return [rest.pop(int(self._random() * len(rest))) for _ in items]
