"""The grid of a sweep: axes of values for any field, and what each point is made of."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octomodel import checks, yaml_io
from octomodel._version import __version__
from octomodel.errors import ModelError, unknown
from octomodel.hardware import System
from octomodel.hardware_values import PATHS
from octomodel.kernels._cache import source_digest
from octomodel.load import Closed, Load
from octomodel.mapping import make
from octomodel.policies import IDEAL, Policy, named
from octomodel.sampling import SAMPLES
from octomodel.workflow import Workflow

PARTS = ("workflow", "hardware", "load")
RUN = ("seed", "requests", "profile")
PLACES = {name: place for place, name in PATHS.items()}
MOST_POINTS = 1_000_000


@dataclass(frozen=True)
class Axis:
    """One swept axis: the fields that take its values together."""

    dim: str
    fields: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]

    def labels(self) -> NDArray[Any]:
        """Return the coordinate: the values where they are all numbers of one kind, else texts."""
        plain = [value[0] if len(value) == 1 else value for value in self.values]
        for kind, dtype in ((int, np.int64), (float, np.float64)):
            if all(isinstance(value, kind if kind is int else (int, float)) and not isinstance(value, bool) for value in plain):
                return np.array(plain, dtype=dtype)
        return np.array([",".join(map(str, value)) if isinstance(value, tuple) else str(value) for value in plain])


@dataclass(frozen=True)
class Point:
    """All that one point depends on."""

    label: str
    workflow: Workflow
    hardware: System
    policy: Policy | str
    load: Load | None
    requests: int | None
    seed: int
    replications: int
    epochs: int = 0
    """Of the first so many epochs; 0: samples spread over the run."""
    profile: str | None = None
    """The phase that the mapping is made for; None: the average of all."""

    @property
    def open_load(self) -> bool:
        """Return whether arrivals do not wait for ends."""
        return self.load is not None and not isinstance(self.load, Closed)

    def key(self) -> str:
        """Return the digest of all that the figures of the point depend on, the version of the model included."""
        about = {
            "document": yaml_io.digest(yaml_io.Document(workflow=self.workflow, hardware=self.hardware, load=self.load)),
            "name": self.workflow.name,
            "policy": _policy_facts(self.policy),
            "run": [self.requests, self.seed, self.replications, self.epochs, self.profile],
            "version": [__version__, source_digest(), SAMPLES],
        }
        return hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=24).hexdigest()


def axes(over: Mapping[str, Sequence[Any]]) -> tuple[Axis, ...]:
    """Return the axes of a sweep.

    Parameters
    ----------
    over : mapping of str to sequence
        Values by field: a field of the machine (``"tbu.switch_cycles"``, ``"rows"``), or one that begins with ``workflow.``,
        ``load.`` or ``policy.`` (a parameter of the policies that have it), ``"seed"``, ``"requests"`` or ``"profile"``, the
        phase that the mapping is made for, None for the average. Several fields with commas between take tuples of values
        together.

    Raises
    ------
    ModelError
        When a field is named twice, an axis is empty, has a value twice, or its tuples do not fit.

    Examples
    --------
    >>> [axis.dim for axis in axes({"rows,cols": [(1, 1), (2, 2)], "seed": [1, 2]})]
    ['rows_cols', 'seed']
    """
    made: list[Axis] = []
    seen: set[str] = set()
    for key, given in checks.mapping("over", over).items():
        fields = tuple(field.strip() for field in key.split(","))
        for field in fields:
            if not field or field in seen:
                raise ModelError(f"over.{key}", field, "each field once")
            seen.add(field)
        values = list(checks.sequence(f"over.{key}", given, "a list of values"))
        if not values:
            raise ModelError(f"over.{key}", values, "at least one value")
        rows = []
        for i, value in enumerate(values):
            row = (value,) if len(fields) == 1 else tuple(checks.sequence(f"over.{key}[{i}]", value, "a tuple of values"))
            if len(row) != len(fields):
                raise ModelError(f"over.{key}[{i}]", value, f"{len(fields)} values, one for each field")
            if row in rows:
                raise ModelError(f"over.{key}[{i}]", value, "each value once")
            rows.append(row)
        made.append(Axis("_".join(fields), fields, tuple(rows)))
    return tuple(made)


def points(grid: Sequence[Axis], policies: Sequence[Policy | str], base: Point) -> list[Point]:
    """Return the points of a sweep, in the order of the axes, the policies last; each is checked.

    Raises
    ------
    ModelError
        With the axis and the value that cannot be.
    """
    size = len(policies)
    for axis in grid:
        size *= len(axis.values)
    if size > MOST_POINTS:
        raise ModelError("over", f"{size} points", f"at most {MOST_POINTS}")
    _check_parameters(grid, policies)
    made = []
    for values in itertools.product(*(axis.values for axis in grid)):
        settings = {
            field: value for axis, row in zip(grid, values, strict=True) for field, value in zip(axis.fields, row, strict=True)
        }
        where = ", ".join(f"{field}={value}" for field, value in settings.items())
        at = _at(base, settings, f"over ({where})" if where else "over")
        for policy in policies:
            chosen = _with_parameters(policy, settings)
            name = chosen if isinstance(chosen, str) else chosen.name
            made.append(replace(at, label=f"{where}, {name}" if where else name, policy=chosen))
    return made


def _at(base: Point, settings: Mapping[str, Any], path: str) -> Point:
    changes: dict[str, Any] = {}
    run: dict[str, Any] = {}
    for field, value in settings.items():
        part, dot, _ = field.partition(".")
        if field == "profile":
            run[field] = value
        elif field in RUN:
            run[field] = checks.integer(f"{path}.{field}", value, 0 if field == "seed" else 1)
        elif part == "policy" and dot:
            continue
        else:
            changes[field if dot and part in PARTS else f"hardware.{PLACES.get(field, field)}"] = _plain(value)
    document = yaml_io.Document(workflow=base.workflow, hardware=base.hardware, load=base.load)
    if changes:
        document = yaml_io.changed(document, changes, path)
    assert document.workflow is not None and document.hardware is not None
    make(document.workflow, document.hardware, profile=run.get("profile"))
    return replace(base, workflow=document.workflow, hardware=document.hardware, load=document.load, **run)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _check_parameters(grid: Sequence[Axis], policies: Sequence[Policy | str]) -> None:
    known = {name for policy in policies if isinstance(policy, Policy) for name in policy.params}
    for axis in grid:
        for field in axis.fields:
            part, _, name = field.partition(".")
            if part == "policy" and name not in known:
                raise unknown(f"over.{field}", name, known)


def _with_parameters(policy: Policy | str, settings: Mapping[str, Any]) -> Policy | str:
    if isinstance(policy, str):
        return policy
    values = {field.removeprefix("policy."): value for field, value in settings.items() if field.startswith("policy.")}
    return policy.with_(**{name: value for name, value in values.items() if name in policy.params})


def chosen(policies: Sequence[str | Policy]) -> list[Policy | str]:
    """Return policies by name, ``"ideal"`` as it is.

    Raises
    ------
    ModelError
        When there is none, one is not known, or two have one name.
    """
    found: list[Policy | str] = [policy if policy == IDEAL else named(policy) for policy in policies]
    names = [policy if isinstance(policy, str) else policy.name for policy in found]
    if not names:
        raise ModelError("policies", list(policies), "at least one policy")
    for name in names:
        if names.count(name) > 1:
            raise ModelError("policies", name, "each name once")
    return found


def _policy_facts(policy: Policy | str) -> list[Any]:
    """Return what tells one policy from another: name, parameters, and the code of its functions and of those they name."""
    if isinstance(policy, str):
        return [policy]
    functions = [function for function in (policy.dispatch, policy.route, policy.rebalance) if function is not None]
    return [policy.name, sorted(policy.params.items()), policy.state_rows, [_code(function, set()) for function in functions]]


def _code(function: Any, seen: set[Any]) -> str:
    if function in seen:
        return ""
    seen.add(function)
    code = function.__code__
    held = [function.__globals__.get(name) for name in code.co_names]
    held += [cell.cell_contents for cell in function.__closure__ or ()]
    inner = [_code(item, seen) if hasattr(item, "__code__") else repr(item) for item in held if not isinstance(item, type)]
    constants = [repr(each) for each in code.co_consts if not hasattr(each, "co_code")]
    text = f"{function.__qualname__} {code.co_code.hex()} {constants} {inner}"
    return hashlib.sha256(text.encode()).hexdigest()
