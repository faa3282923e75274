"""Theory's answers beside those of a file of queueing cases: what a line of the comparison holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octomodel.calibration import queueing as q

Json = Mapping[str, Any]

NAMES = {
    "p_wait": "p_wait",
    "util": "utilisation",
    "Wq": "wait_mean",
    "Wq_var": "wait_var",
    "Lq": "queue_mean",
    "W": "sojourn_mean",
    "W_var": "sojourn_var",
    "L": "number_mean",
    "loss_prob": "loss_probability",
    "p0": "p_empty",
    "throughput": "throughput",
    "sojourn_mean": "sojourn_mean",
}


@dataclass(frozen=True)
class Row:
    """One value of one system.

    Attributes
    ----------
    case, metric : str
        As in the file.
    method, exactness : str
        How theory found it.
    found, expected : float
        Its answer, and the file's.
    limit : float
        Relative error that the file allows: its tolerance for exact methods, its goal for others.
    """

    case: str
    metric: str
    method: str
    exactness: str
    found: float
    expected: float
    limit: float

    @property
    def error(self) -> float:
        """Return the relative error; of an answer below 1e-9 the error itself."""
        return (self.found - self.expected) / self.expected if abs(self.expected) > 1e-9 else self.found - self.expected

    @property
    def passed(self) -> bool:
        """Return whether the error is within the limit."""
        return abs(self.error) <= self.limit


def row(case: Json, metric: str, value: q.Value, index: tuple[int, ...] = ()) -> Row:
    """Return a value of a system, or one element of it, beside the answer of the file."""
    expected = _at(case["expected"][metric], index)
    tolerance = case["tolerance"]
    limit = tolerance["theory_rel"]
    if value.exactness != "exact":
        limit = max(tolerance.get("approx_goal_rel", 0.1), 0.1 if "_p" in metric else 0.0)
    elif metric.startswith(("wait_p", "sojourn_p")):
        limit = max(limit, tolerance.get("quantile_rel", 0.0))
    name = metric + "".join(f"[{i}]" for i in index)
    return Row(case["id"], name, value.method, value.exactness, float(value.value[index]), float(expected), float(limit))


def _at(value: Any, index: tuple[int, ...]) -> float:
    for i in index:
        value = value[i]
    return float(value)


def named(case: Json, answer: Mapping[str, q.Value], names: Mapping[str, str] = NAMES) -> Iterator[Row]:
    """Yield the values that the file knows by other names."""
    for metric, name in names.items():
        if metric in case["expected"] and name in answer:
            yield row(case, metric, answer[name])


def arrays(case: Json, answer: Mapping[str, q.Value], names: Mapping[str, str]) -> Iterator[Row]:
    """Yield all elements of such values."""
    for metric, name in names.items():
        if metric in case["expected"]:
            for index in np.ndindex(np.shape(case["expected"][metric])):
                yield row(case, metric, answer[name], index)


def levels_of(case: Json) -> list[float]:
    """Return the probabilities of the quantiles in the file."""
    found = {name.split("_p")[1] for name in case["expected"] if name.startswith(("wait_p", "sojourn_p"))}
    return sorted(round(float(each) / 100.0, 6) for each in found)


def quantiles(case: Json, answer: Mapping[str, q.Value], levels: Sequence[float], kinds: Mapping[str, str]) -> Iterator[Row]:
    """Yield the quantiles that the file knows; ``kinds``: its name of a time and theory's name of the quantiles."""
    for kind, name in kinds.items():
        for i, p in enumerate(levels):
            metric = f"{kind}_p{100 * p:g}"
            if metric in case["expected"] and name in answer:
                value = answer[name]
                one = q.Value(value.value[..., i], value.method, value.exactness, value.assumptions_ok)
                yield row(case, metric, one)


BOTH = {"wait": "wait_quantile", "sojourn": "sojourn_quantile"}


def part(case: Json, metric: str, value: q.Value, i: int) -> Row:
    """Return one element of a value beside an answer with a name of its own."""
    return row(case, metric, q.Value(value.value[i], value.method, value.exactness, value.assumptions_ok))
