"""What is known of the systems that ``verify`` simulates: parameters, answers and sources, from the bundled file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

from octomodel import dist, yaml_text
from octomodel.dist import Law

FILE = resources.files("octomodel") / "presets" / "queueing" / "cases.yaml"


@dataclass(frozen=True)
class Station:
    """One station of a known system.

    Attributes
    ----------
    service : Law
        Service time in the unit of the case.
    servers : int or None
        None: as many as there are tokens.
    slots : int or None
        Waiting places, the served ones not counted; None: unlimited.
    visits : float
        Mean visits of a request.
    to : mapping of str to float
        Ways out with their probabilities; what is missing leaves the system.
    """

    service: Law
    servers: int | None = 1
    slots: int | None = None
    visits: float = 1.0
    to: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """One system with its answers.

    Attributes
    ----------
    source : str
        Where the answer comes from.
    stations : dict of str to Station
        In order.
    expected, uncertain : dict of str to float
        Answers, and bounds of their own error where these are not negligible.
    arrival : Law or None
        Gaps between arrivals.
    population : int or None
        Of a closed system; of an open one, the most requests inside: more are lost.
    more : dict
        What only one kind of system has.
    """

    source: str
    stations: dict[str, Station]
    expected: dict[str, float]
    uncertain: dict[str, float]
    arrival: Law | None
    population: int | None
    more: dict[str, Any]

    @property
    def gaps(self) -> Law:
        """Return the law of the gaps of an open system."""
        if self.arrival is None:
            raise ValueError("a closed system has no arrivals")
        return self.arrival

    def means(self) -> dict[str, float]:
        """Return the mean service time of each station."""
        return {name: station.service.mean for name, station in self.stations.items()}


@lru_cache
def facts() -> dict[str, Facts]:
    """Return all bundled systems by name, in the order of their file.

    Examples
    --------
    >>> facts()["ST-MM1-0.8"].expected["W"]
    5.0
    """
    return {name: _facts(data) for name, data in yaml_text.parse(FILE.read_text("utf-8"), FILE.name).items()}


def _facts(data: dict[str, Any]) -> Facts:
    rest = dict(data)
    stations = {name: _station(each) for name, each in rest.pop("stations", {}).items()}
    arrival = rest.pop("arrival", None)
    return Facts(
        source=rest.pop("source"),
        stations=stations,
        expected=rest.pop("expected", {}),
        uncertain=rest.pop("uncertain", {}),
        arrival=None if arrival is None else dist.from_dict(arrival),
        population=rest.pop("population", None),
        more=rest,
    )


def _station(data: dict[str, Any]) -> Station:
    return Station(**{**data, "service": dist.from_dict(data["service"])})
