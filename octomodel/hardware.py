"""The machine: a mesh or torus of clusters of TBUs and CBUs, its networks, costs and faults."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from fractions import Fraction
from functools import wraps
from types import MappingProxyType
from typing import Any

from octomodel import checks
from octomodel import provenance as origin
from octomodel.checks import Rate
from octomodel.errors import ModelError, unknown
from octomodel.hardware_values import INTEGERS, MAX_CLUSTERS, MAX_TBUS, OPTIONAL, PATHS, RATES
from octomodel.provenance import Provenance

DEFAULT_SLOTS = 4


@dataclass(frozen=True)
class System:
    """A machine, checked and immutable: cluster ``row * cols + col``; TBU ``cluster * tbus + i``.

    Parameters
    ----------
    rows, cols : int
        Clusters of the mesh.
    tbus, cbus : int
        TBUs and CBUs of each cluster.
    peas : int
        PEAs that run one execution together (Amdahl's law, by the task's parallel share).
    tbu_speed : float or sequence of float
        Relative speed: of every TBU, of each TBU of a cluster (``tbus`` values), or of each TBU (``rows *
        cols * tbus`` values).
    memory_bytes : int or None
        Memory of a TBU, shared equally by its resident places; None: not checked.
    resident_slots : int
        Configurations a TBU holds at once.
    background_load : bool
        Whether a TBU can load a configuration while it runs another (rule 13.8).
    switch_cycles, reload_cycles : int
        Cost of running another resident configuration, and fixed cost of loading one.
    reload_bytes_per_cycle : rate
        Configuration port of a cluster. All rates: int, float or Fraction > 0, None for no limit.
    queue_slots : int or dict of str to int
        Waiting places of a station, for all tasks or by task; tasks not named have 4. A dict is kept as
        sorted pairs.
    spill_slots : int or None
        Places for lent executions of a cluster; None: as many as all queue slots of the cluster.
    local_bytes_per_cycle, local_latency_cycles : rate, int
        Network inside a cluster.
    link_bytes_per_cycle, link_latency_cycles : rate, int
        Each directed link between neighbours; latency at least 1.
    torus : bool
        Whether opposite edges are joined.
    die : (int, int) or None
        Clusters of a die (rows, cols); links between dies have their own numbers.
    die_link_bytes_per_cycle, die_link_latency_cycles : rate, int
        Links between clusters of different dies.
    decision_cycles : int
        Time of a CBU for one decision; 0: decisions cost nothing.
    epoch_cycles : int
        Period of the cluster schedulers.
    surplus_after_cycles : int or None
        Idle cycles after which a TBU counts as surplus; None: one epoch.
    report_bytes, control_bytes : int
        Sizes of load reports and of steal requests.
    clock_hz : float
        For plots and files only.
    dead_tbus : sequence of int
        TBUs that do not work.
    dead_links : sequence of (int, int)
        Pairs of neighbouring clusters without a link, in both directions.
    tbu_fault_rate, link_fault_rate : float
        Probability that a TBU, or a pair of opposite links, is dead, drawn once from ``fault_seed``.
    fault_seed : int
        Seed of the drawn faults.
    description : str
        Free text, for listings.
    provenance : dict of str to Provenance
        Where values come from, by their place in files (``"hardware.cluster.tbus"``); not compared, not simulated.

    Raises
    ------
    ModelError
        When a value is not of its kind or out of range, or a provenance has no place.

    Examples
    --------
    >>> hw = System(2, 2, tbus=4, link_bytes_per_cycle=32, link_latency_cycles=9)
    >>> hw.n_tbu, hw.with_(**{"tbu.switch_cycles": 10, "rows": 4}).n_tbu
    (16, 32)
    """

    rows: int
    cols: int
    _: KW_ONLY
    tbus: int = 12
    cbus: int = 4
    peas: int = 1
    tbu_speed: float | Sequence[float] = 1.0
    memory_bytes: int | None = None
    resident_slots: int = 2
    background_load: bool = False
    switch_cycles: int = 0
    reload_cycles: int = 0
    reload_bytes_per_cycle: Rate = None
    queue_slots: int | Mapping[str, int] | tuple[tuple[str, int], ...] = DEFAULT_SLOTS
    spill_slots: int | None = None
    local_bytes_per_cycle: Rate = None
    local_latency_cycles: int = 0
    link_bytes_per_cycle: Rate = None
    link_latency_cycles: int = 1
    torus: bool = False
    die: tuple[int, int] | None = None
    die_link_bytes_per_cycle: Rate = None
    die_link_latency_cycles: int = 1
    decision_cycles: int = 0
    epoch_cycles: int = 100_000
    surplus_after_cycles: int | None = None
    report_bytes: int = 64
    control_bytes: int = 16
    clock_hz: float = 1e9
    dead_tbus: Sequence[int] = ()
    dead_links: Sequence[tuple[int, int]] = ()
    tbu_fault_rate: float = 0.0
    link_fault_rate: float = 0.0
    fault_seed: int = 0
    description: str = ""
    provenance: Mapping[str, Provenance] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name, low, high in INTEGERS:
            self._set(name, checks.integer(f"system.{name}", getattr(self, name), low, high))
        for name, low, high in OPTIONAL:
            if getattr(self, name) is not None:
                self._set(name, checks.integer(f"system.{name}", getattr(self, name), low, high))
        for name in RATES:
            self._set(name, checks.rate(f"system.{name}", getattr(self, name)))
        for name in ("tbu_fault_rate", "link_fault_rate"):
            self._set(name, checks.real(f"system.{name}", getattr(self, name), high=1.0))
        self._set("torus", checks.boolean("system.torus", self.torus))
        self._set("background_load", checks.boolean("system.background_load", self.background_load))
        self._set("clock_hz", checks.real("system.clock_hz", self.clock_hz, above=True))
        if not isinstance(self.description, str):
            raise ModelError("system.description", self.description, "a text")
        if self.n_cluster > MAX_CLUSTERS:
            raise ModelError(
                "system.rows", f"{self.rows} x {self.cols} clusters", f"at most {MAX_CLUSTERS} clusters"
            )
        if self.n_tbu > MAX_TBUS:
            raise ModelError("system.tbus", f"{self.n_tbu} TBUs", f"at most {MAX_TBUS} TBUs")
        if self.decision_cycles and not self.cbus:
            raise ModelError("system.cbus", 0, "at least 1, as decisions take time")
        self._set("queue_slots", self._checked_slots())
        self._set("tbu_speed", self._checked_speed())
        self._set("die", self._checked_die())
        tbus = checks.sequence("system.dead_tbus", self.dead_tbus, "a list of TBU numbers")
        dead = {
            checks.integer(f"system.dead_tbus[{i}]", tbu, 0, self.n_tbu - 1) for i, tbu in enumerate(tbus)
        }
        self._set("dead_tbus", tuple(sorted(dead)))
        self._set("dead_links", self._checked_links())
        self._set("provenance", self._checked_provenance())

    @property
    def n_cluster(self) -> int:
        """Return the number of clusters."""
        return self.rows * self.cols

    @property
    def n_tbu(self) -> int:
        """Return the number of TBUs, dead ones included."""
        return self.n_cluster * self.tbus

    def neighbour(self, cluster: int, port: int) -> int:
        """Return the cluster behind a port (0 west, 1 east, 2 north, 3 south), -1 at an edge of the mesh."""
        row, col = divmod(cluster, self.cols)
        row += (0, 0, -1, 1)[port]
        col += (-1, 1, 0, 0)[port]
        if self.torus:
            row, col = row % self.rows, col % self.cols
        other = row * self.cols + col
        return other if 0 <= row < self.rows and 0 <= col < self.cols and other != cluster else -1

    def with_(self, **changes: Any) -> System:
        """Return the same machine with other values; the provenance of what changes is dropped.

        Parameters
        ----------
        **changes
            By name (``switch_cycles=10``) or by dotted path (``**{"tbu.switch_cycles": 10}``).

        Raises
        ------
        ModelError
            When a name is unknown, a value is named twice, or a value is refused.
        """
        names = {each.name for each in fields(self)}
        values: dict[str, Any] = {}
        for key, value in changes.items():
            name = PATHS.get(key, key)
            if name not in names:
                raise unknown("system", key, names | set(PATHS))
            if name in values:
                raise ModelError(f"system.{key}", value, "each value once")
            values[name] = value
        if not self.provenance or "provenance" in values:
            return replace(self, **values)
        made = replace(self, **values, provenance={})
        kept = origin.unchanged(self.provenance, self.to_dict(full=True), made.to_dict(full=True), "hardware")
        return replace(made, provenance=kept)

    def to_dict(self, *, full: bool = False) -> dict[str, Any]:
        """Return the machine as plain data, the form it has in a file, without provenance.

        Parameters
        ----------
        full : bool
            Whether what has its default is written out instead of left out.
        """
        data: dict[str, Any] = {"description": self.description} if self.description else {}
        defaults = {each.name: each.default for each in fields(self)}
        for path, name in PATHS.items():
            value = getattr(self, name)
            if full or value != defaults[name]:
                group, _, key = path.rpartition(".")
                target = data.setdefault(group, {}) if group else data
                target[key] = (
                    dict(value) if name == "queue_slots" and not isinstance(value, int) else _plain(value)
                )
        return data

    @classmethod
    def from_dict(cls, data: object, path: str = "hardware") -> System:
        """Return the machine that ``to_dict`` described.

        Raises
        ------
        ModelError
            When a key is unknown or missing, or a value is refused; the path begins with ``path``.
        """
        top = {name.split(".")[0] for name in PATHS} | {"description"}
        values: dict[str, Any] = {}
        for key, value in checks.keys(path, data, top, ("rows", "cols")).items():
            members = [name.partition(".")[2] for name in PATHS if name.startswith(f"{key}.")]
            if not members:
                values[key] = value
                continue
            for inner, item in checks.keys(f"{path}.{key}", value, members).items():
                values[PATHS[f"{key}.{inner}"]] = item
        try:
            return cls(**values)
        except ModelError as error:
            name, *rest = error.path.removeprefix("system.").replace("[", ".[").split(".")
            place = next((dotted for dotted, attribute in PATHS.items() if attribute == name), name)
            raise ModelError(
                ".".join((path, place, *rest)).replace(".[", "["), error.value, error.allowed
            ) from None

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _checked_slots(self) -> int | tuple[tuple[str, int], ...]:
        given = self.queue_slots
        if isinstance(given, tuple):
            given = dict(given)
        if not isinstance(given, Mapping):
            return checks.integer("system.queue_slots", given, 0, 2**24)
        pairs = (
            (name, checks.integer(f"system.queue_slots.{name}", slots, 0, 2**24))
            for name, slots in given.items()
        )
        return tuple(sorted((checks.name("system.queue_slots", name), slots) for name, slots in pairs))

    def _checked_speed(self) -> float | tuple[float, ...]:
        if isinstance(self.tbu_speed, int | float):
            return checks.real("system.tbu_speed", self.tbu_speed, 1e-6, 1e6)
        values = checks.sequence("system.tbu_speed", self.tbu_speed, "a number or a list of numbers")
        if len(values) not in (self.tbus, self.n_tbu):
            allowed = f"{self.tbus} speeds (the TBUs of a cluster) or {self.n_tbu} (all TBUs)"
            raise ModelError("system.tbu_speed", f"{len(values)} speeds", allowed)
        return tuple(
            checks.real(f"system.tbu_speed[{i}]", value, 1e-6, 1e6) for i, value in enumerate(values)
        )

    def _checked_die(self) -> tuple[int, int] | None:
        if self.die is None:
            if (self.die_link_bytes_per_cycle, self.die_link_latency_cycles) != (None, 1):
                raise ModelError(
                    "system.die", None, "the size of a die (rows, cols), as links between dies are described"
                )
            return None
        size = checks.sequence("system.die", self.die, "the size of a die (rows, cols)")
        if len(size) != 2:
            raise ModelError("system.die", size, "the size of a die (rows, cols)")
        return checks.integer("system.die[0]", size[0], 1), checks.integer("system.die[1]", size[1], 1)

    def _checked_links(self) -> tuple[tuple[int, int], ...]:
        allowed = "a pair of neighbouring clusters"
        pairs = set()
        for i, pair in enumerate(
            checks.sequence("system.dead_links", self.dead_links, f"a list of pairs: {allowed}")
        ):
            place = f"system.dead_links[{i}]"
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                raise ModelError(place, pair, allowed)
            a, b = (checks.integer(place, cluster, 0, self.n_cluster - 1) for cluster in pair)
            if b not in (self.neighbour(a, port) for port in range(4)):
                raise ModelError(place, pair, allowed)
            pairs.add((min(a, b), max(a, b)))
        return tuple(sorted(pairs))

    def _checked_provenance(self) -> Mapping[str, Provenance]:
        given = origin.read("system.provenance", self.provenance)
        if given:
            origin.check("system.provenance", given, origin.places(self.to_dict(full=True), "hardware"))
        return MappingProxyType(given)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "provenance": dict(self.provenance)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, provenance=MappingProxyType(state["provenance"]))

    def _repr_html_(self) -> str:
        from octomodel.mesh_svg import legend, svg

        rows = "".join(
            f"<tr><th>{path}</th><td>{html.escape(str(getattr(self, name)))}</td></tr>"
            for path, name in PATHS.items()
            if name not in ("dead_tbus", "dead_links", "tbu_speed")
        )
        peas = f"{self.n_tbu * self.peas:,} PEAs that run tasks"
        caption = f"{self.n_cluster:,} clusters, {self.n_tbu:,} TBUs, {peas}"
        return f"{svg(self)}<p>{legend(self)}</p><table><caption>{caption}</caption>{rows}</table>"


def _made(make: Callable[..., None]) -> Callable[..., None]:
    """Return ``System.__init__`` with near misses for an unknown keyword."""
    names = [each.name for each in fields(System)]

    @wraps(make)
    def checked(self: System, *values: Any, **named: Any) -> None:
        for name in named:
            if name not in names:
                raise unknown("system", name, names)
        make(self, *values, **named)

    return checked


setattr(System, "__init__", _made(System.__init__))  # noqa: B010  (a method that mypy lets nobody assign)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Fraction) else value
