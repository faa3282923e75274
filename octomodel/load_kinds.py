"""The kinds of loads: what each has, how it is checked, and its form as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from octomodel import checks, dist
from octomodel.dist import Deterministic, Exponential, Law
from octomodel.dist.empirical import ORIGIN
from octomodel.errors import ModelError

MAX_REQUESTS = 2**39
UNLIMITED = "unlimited"
"""What files call a window without a limit, for TOML has no null."""
InFlight = int | None | Literal["auto"]
Split = Literal["even"] | tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Load:
    """What all loads have.

    Attributes
    ----------
    requests : int or None
        Number of requests; None: given when the simulation starts.
    in_flight : int, None or "auto"
        Most requests inside one pipeline; None: unlimited; "auto": 4 for each TBU of the pipeline.
    split : "even" or tuple of float
        Request r goes to pipeline r mod pipelines, or to one drawn with these weights, one for each pipeline.
    """

    kind: ClassVar[str]
    requests: int | None = None
    in_flight: InFlight = "auto"
    split: Split = "even"

    def __post_init__(self) -> None:
        if self.requests is not None:
            self._set("requests", checks.integer("load.requests", self.requests, 1, MAX_REQUESTS))
        if self.in_flight is not None and self.in_flight != "auto":
            self._set("in_flight", checks.integer("load.in_flight", self.in_flight, 1, 2**31))
        if not isinstance(self.split, str):
            weights = checks.sequence("load.split", self.split, '"even" or a list of weights')
            numbers = tuple(checks.real(f"load.split[{i}]", x, high=1e100) for i, x in enumerate(weights))
            if not sum(numbers) > 0:
                raise ModelError("load.split", list(numbers), "at least one weight above 0")
            self._set("split", numbers)
        else:
            checks.one_of("load.split", self.split, ("even",))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def with_(self, **changes: Any) -> Load:
        """Return the same load with other values; unknown names are refused."""
        for key in changes:
            checks.one_of("load", key, [field.name for field in fields(self)])
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the load as plain data, tagged by ``"kind"``; what has its default is left out."""
        data: dict[str, Any] = {"kind": self.kind}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.default is not MISSING and value == field.default:
                continue
            if field.name == "in_flight" and value is None:
                value = UNLIMITED
            elif isinstance(value, Law):
                value = value.to_dict()
            elif isinstance(value, np.ndarray):
                value = value.tolist()
            data[field.name] = list(value) if isinstance(value, tuple) else value
        return data

    @staticmethod
    def from_dict(data: object, path: str = "load") -> Load:
        """Return the load that ``to_dict`` described.

        Raises
        ------
        ModelError
            When the kind or a key is unknown, one is missing, or a value is refused; the path begins with
            ``path``.
        """
        given = checks.mapping(path, data)
        kind = KINDS[checks.one_of(f"{path}.kind", given.get("kind"), KINDS)]
        needed = [field.name for field in fields(kind) if field.default is MISSING]
        values = dict(checks.keys(path, data, ["kind", *(field.name for field in fields(kind))], needed))
        del values["kind"]
        if values.get("in_flight") == UNLIMITED:
            values["in_flight"] = None
        if isinstance(values.get("law"), Mapping):
            values["law"] = dist.from_dict(values["law"], f"{path}.law")
        try:
            return kind(**values)
        except ModelError as error:
            raise ModelError(path + error.path.removeprefix("load"), error.value, error.allowed) from None


@dataclass(frozen=True)
class Closed(Load):
    """A new request is admitted whenever one ends."""

    kind = "closed"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.in_flight is None:
            raise ModelError(
                "load.in_flight", None, 'an integer from 1 on or "auto": a closed load needs a number'
            )


@dataclass(frozen=True)
class Poisson(Load):
    """Independent exponential gaps."""

    kind = "poisson"
    rate: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("rate", checks.real("load.rate", self.rate, 2.0**-46, 1e6))

    @property
    def law(self) -> Law:
        """Return the law of the gaps, in cycles."""
        return Exponential(1.0 / self.rate)


@dataclass(frozen=True)
class Periodic(Load):
    """One arrival each period, the first at cycle 0."""

    kind = "periodic"
    period_cycles: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("period_cycles", checks.real("load.period_cycles", self.period_cycles, 0.0, 2.0**46))


@dataclass(frozen=True)
class Renewal(Load):
    """Independent gaps of one law, in cycles."""

    kind = "renewal"
    law: Law

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.law, Law) or self.law == Deterministic(0):
            raise ModelError("load.law", self.law, "a law of gaps in cycles with a mean above 0")


@dataclass(frozen=True)
class Mmpp(Load):
    """Poisson arrivals whose rate goes through ``rates`` from the first on, each for an exponential time."""

    kind = "mmpp"
    rates: tuple[float, ...]
    mean_cycles: tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        rates = checks.sequence("load.rates", self.rates, "a list of rates")
        means = checks.sequence("load.mean_cycles", self.mean_cycles, "a list of mean times")
        if len(rates) < 2 or len(rates) != len(means):
            raise ModelError(
                "load.mean_cycles", list(means), f"one mean for each of at least two rates, not {len(rates)}"
            )
        numbers = tuple(checks.real(f"load.rates[{i}]", x, high=1e6) for i, x in enumerate(rates))
        if not max(numbers) > 0:
            raise ModelError("load.rates", list(numbers), "at least one rate above 0")
        self._set("rates", numbers)
        times = (checks.real(f"load.mean_cycles[{i}]", x, 1.0, 2.0**40) for i, x in enumerate(means))
        self._set("mean_cycles", tuple(times))


@dataclass(frozen=True, eq=False)
class Trace(Load):
    """Given arrival cycles, in ascending order.

    Attributes
    ----------
    arrival_cycles : int64[arrival]
    repeat : bool
        Whether the trace begins again, a mean gap after its last arrival, for more requests than it has.
    file, column, unit, sha256 : str or None
        Where the arrivals come from; not compared.
    """

    kind = "trace"
    arrival_cycles: NDArray[np.int64]
    repeat: bool = False
    file: str | None = None
    column: str | None = None
    unit: str | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        given = np.asarray(self.arrival_cycles)
        path = "load.arrival_cycles"
        if given.ndim != 1 or given.dtype.kind not in "iuf" or len(given) == 0:
            raise ModelError(path, self.arrival_cycles, "a list of at least one cycle, in ascending order")
        if given.dtype.kind == "f" and not (np.isfinite(given) & (given == np.floor(given))).all():
            raise ModelError(path, "fractions of cycles", "whole cycles")
        if not (0 <= given.min() and given.max() <= 2.0**61):
            raise ModelError(path, [given.min(), given.max()], "cycles from 0 to 2^61")
        cycles = given.astype(np.int64)
        late = np.flatnonzero(np.diff(cycles) < 0)
        if len(late):
            at = int(late[0]) + 1
            raise ModelError(
                f"{path}[{at}]",
                int(cycles[at]),
                f"at least {cycles[at - 1]}, the cycle before: ascending order",
            )
        checks.boolean("load.repeat", self.repeat)
        for name in ORIGIN:
            if not isinstance(getattr(self, name), str | None):
                raise ModelError(f"load.{name}", getattr(self, name), "a text")
        if self.requests is not None:
            self.check_length(self.requests, len(cycles))
        cycles.flags.writeable = False
        self._set("arrival_cycles", cycles)

    def check_length(self, requests: int, length: int) -> None:
        """Refuse more requests than arrivals, unless the trace repeats."""
        if requests > length and not self.repeat:
            allowed = f"at most {length}, the length of the trace, or repeat: true, to begin it again"
            raise ModelError("load.requests", requests, allowed)

    def first(self, n: int) -> NDArray[np.int64]:
        """Return the first ``n`` arrivals, int64[n]: those of the trace, again and again where it repeats.

        Raises
        ------
        ModelError
            When they are too many.

        Examples
        --------
        >>> Trace(arrival_cycles=np.array([0, 10, 30]), repeat=True).first(5).tolist()
        [0, 10, 30, 45, 55]
        """
        cycles = self.arrival_cycles
        self.check_length(n, len(cycles))
        if n <= len(cycles):
            return cycles[:n]
        span = int(cycles[-1] - cycles[0])
        if span == 0:
            raise ModelError("load.repeat", True, "a trace whose arrivals are not all at one cycle")
        period = span + (2 * span + len(cycles) - 1) // (2 * (len(cycles) - 1))
        if (n // len(cycles) + 1) * period >= 2**62:
            raise ModelError("load.requests", n, "fewer requests: arrivals before cycle 2^62")
        turn, place = np.divmod(np.arange(n, dtype=np.int64), len(cycles))
        found: NDArray[np.int64] = cycles[place] + turn * period
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trace) and all(
            np.array_equal(getattr(self, field.name), getattr(other, field.name))
            for field in fields(self)
            if field.name not in ORIGIN
        )

    def __hash__(self) -> int:
        return hash(self.arrival_cycles.tobytes())


KINDS: dict[str, type[Load]] = {kind.kind: kind for kind in (Closed, Poisson, Periodic, Renewal, Mmpp, Trace)}

