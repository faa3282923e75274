"""Networks with finite buffers and blocking after service, as exact Markov chains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np

from .answers import F64, Answer, Method, TheoryError, levels
from .chains import Chain
from .phases import PhaseType

Route = tuple[float, tuple[str, ...]]
"""Probability, and the buffers that get a token each; none: it leaves."""


@dataclass(frozen=True)
class BlockingStation:
    """Servers that take one token of each of their buffers and hold what they finished until there is room for it.

    Parameters
    ----------
    service : PhaseType
        Service time.
    servers : int
        >= 1.
    inputs : tuple of str
        Buffers; none: there is always work; several: one token of each is taken at once.
    routes : tuple of (probability, buffers)
        Ways out; several buffers: a token for each, and all of them need room at once.
    """

    service: PhaseType
    servers: int = 1
    inputs: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ((1.0, ()),)


@dataclass(frozen=True)
class BlockingNetwork:
    """Stations between finite buffers: what is finished and finds no room blocks its server (blocking after service).

    Parameters
    ----------
    stations : mapping of str to BlockingStation
        By name.
    places : mapping of str to int
        Waiting places of each buffer, those in service not counted; may be ``math.inf`` where the number of tokens is limited
        otherwise. With 0 places a token goes straight to an idle server.
    arrivals : sequence of (rate, routes)
        Poisson arrivals, lost when they find no room.
    initial : mapping of str to int
        Tokens at the beginning.

    Raises
    ------
    TheoryError
        When a name is unknown or a number out of range.

    Notes
    -----
    Perros, Queueing Networks with Blocking (1994). What is blocked is released in the order in which it was blocked, the first
    whose buffers have room going first. A token that returns to its own station always may.

    Examples
    --------
    >>> from octomodel.calibration.queueing.phases import exponential
    >>> first = BlockingStation(exponential(1.0), routes=((1.0, ("b",)),))
    >>> second = BlockingStation(exponential(1.0), inputs=("b",))
    >>> steady = BlockingNetwork({"first": first, "second": second}, {"b": 4}).steady_state()
    >>> float(steady["throughput[second]"].value.round(9))
    0.857142857
    """

    stations: Mapping[str, BlockingStation]
    places: Mapping[str, float]
    arrivals: Sequence[tuple[float, tuple[Route, ...]]] = ()
    initial: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = set(self.places)
        routes = [route for station in self.stations.values() for route in station.routes]
        routes += [route for _, ways in self.arrivals for route in ways]
        named = {name for _, targets in routes for name in targets} | set(self.initial)
        for name in named | {name for station in self.stations.values() for name in station.inputs}:
            if name not in known:
                raise TheoryError("BlockingNetwork.places", f"no buffer {name!r}", f"one of {', '.join(sorted(known))}")
        for name, place in self.places.items():
            if not (place == inf or (place >= 0 and place == int(place))):
                raise TheoryError(f"BlockingNetwork.places.{name}", place, "a whole number >= 0 or infinity")
        ways = {f"stations.{name}": station.routes for name, station in self.stations.items()}
        ways |= {f"arrivals[{i}]": each for i, (_, each) in enumerate(self.arrivals)}
        for name, each in ways.items():
            if abs(sum(share for share, _ in each) - 1.0) > 1e-9:
                raise TheoryError(f"BlockingNetwork.{name}.routes", each, "probabilities with sum 1")

    def steady_state(self) -> Answer:
        """Return means of the steady state.

        Returns
        -------
        dict of str to Value
            ``throughput[station]``, ``busy[station]`` and ``blocked[station]`` (mean servers), ``queue_mean[buffer]``,
            ``number_mean`` of all tokens, ``exit_rate``; with arrivals ``accepted_rate`` and ``loss_probability``, and, when
            nothing forks, ``sojourn_mean``.

        Raises
        ------
        TheoryError
            When the chain has more than 200,000 states.
        """
        run = _Run(self)
        chain = Chain.explore(run.first(), run.moves)
        p = chain.steady()
        values: dict[str, float] = {}
        total = 0.0
        exits = 0.0
        for i, (name, station) in enumerate(self.stations.items()):
            phases = _mean(p, [state[1][i] for state in chain.states])
            blocked = float(p @ [sum(1 for s, _ in state[2] if s == i) for state in chain.states])
            through = float(phases @ station.service.exits)
            values |= {f"throughput[{name}]": through, f"busy[{name}]": float(phases.sum()), f"blocked[{name}]": blocked}
            total += float(phases.sum()) + blocked
            exits += through * sum(share for share, targets in station.routes if not targets)
        for name, waiting in zip(self.places, _mean(p, [state[0] for state in chain.states]).tolist(), strict=True):
            values[f"queue_mean[{name}]"] = waiting
            total += waiting
        values |= {"number_mean": total, "exit_rate": exits}
        if self.arrivals:
            offered = sum(rate for rate, _ in self.arrivals)
            accepted = float(p @ [run.accepted(state) for state in chain.states])
            values |= {"accepted_rate": accepted, "loss_probability": 1.0 - accepted / offered}
            routes = [route for station in self.stations.values() for route in station.routes]
            routes += [route for _, ways in self.arrivals for route in ways]
            if all(len(targets) <= 1 for _, targets in routes):
                values["sojourn_mean"] = total / accepted
        return Method("Markov chain, blocking after service", "exact", True)(**values)

    def makespan(self, quantiles: Sequence[float] = ()) -> Answer:
        """Return the law of the time until all initial tokens have left.

        Parameters
        ----------
        quantiles : sequence of float
            Probabilities inside (0, 1).

        Returns
        -------
        dict of str to Value
            ``makespan_mean``, ``makespan_var``, ``makespan_quantile``.

        Raises
        ------
        TheoryError
            When it never ends, or the chain has more than 200,000 states.
        """
        if self.arrivals or any(not station.inputs for station in self.stations.values()):
            raise TheoryError(
                "makespan", "arrivals, or a station that always has work", "initial tokens only: else it never ends"
            )
        run = _Run(self)
        tail = Chain.explore(run.first(), run.moves).until_rest()
        label = Method("Markov chain, blocking after service", "exact", True)
        result = label(makespan_mean=tail.mean, makespan_var=tail.variance)
        if len(quantiles):
            q = levels("makespan.quantiles", quantiles)
            result |= label(makespan_quantile=[tail.quantile(p) for p in q.tolist()])
        return result


State = tuple[tuple[int, ...], tuple[tuple[int, ...], ...], tuple[tuple[int, int], ...]]
"""Tokens of each buffer; servers of each station by phase; (station, route) of what is blocked, the first blocked first."""


class _Run:
    """What happens in a network, by numbers instead of names."""

    def __init__(self, network: BlockingNetwork) -> None:
        number = {name: i for i, name in enumerate(network.places)}
        self.places = list(network.places.values())
        self.stations = list(network.stations.values())
        self.inputs = [[number[name] for name in station.inputs] for station in self.stations]
        self.routes = [_numbered(station.routes, number) for station in self.stations]
        self.arrivals = [(rate, _numbered(ways, number)) for rate, ways in network.arrivals]
        self.initial = tuple(network.initial.get(name, 0) for name in network.places)
        # the station that takes from a buffer alone, whose idle servers are room as well
        self.taker = [next((s for s, own in enumerate(self.inputs) if own == [b]), -1) for b in range(len(number))]

    def first(self) -> Iterator[tuple[float, State]]:
        empty = tuple((0,) * station.service.start.size for station in self.stations)
        return self._settled((self.initial, empty, ()))

    def moves(self, state: State) -> Iterator[tuple[float, State]]:
        tokens, serving, blocked = state
        for s, counts in enumerate(serving):
            rates, exits = self.stations[s].service.rates, self.stations[s].service.exits
            for phase, n in enumerate(counts):
                if not n:
                    continue
                less = _changed(counts, phase, -1)
                for other in range(len(counts)):
                    if other != phase and rates[phase, other] > 0.0:
                        yield n * rates[phase, other], (tokens, _set(serving, s, _changed(less, other, 1)), blocked)
                if exits[phase] > 0.0:
                    done: State = (tokens, _set(serving, s, less), blocked)
                    for r, (share, targets) in enumerate(self.routes[s]):
                        if share > 0.0:
                            yield from self._finished(done, s, r, targets, n * exits[phase] * share)
        for rate, routes in self.arrivals:
            for share, targets in routes:
                if share > 0.0 and all(self._room(state, b) for b in targets):
                    for chance, after in self._settled((_pushed(tokens, targets), serving, blocked)):
                        yield rate * share * chance, after

    def accepted(self, state: State) -> float:
        """Return the rate of arrivals that find room."""
        ways = ((rate * share, targets) for rate, routes in self.arrivals for share, targets in routes)
        return sum(rate for rate, targets in ways if all(self._room(state, b) for b in targets))

    def _finished(self, state: State, s: int, r: int, targets: tuple[int, ...], rate: float) -> Iterator[tuple[float, State]]:
        tokens, serving, blocked = state
        # its server counts as taken while it looks for room, but for its own buffer
        if all(b in self.inputs[s] or self._room(state, b, s) for b in targets):
            found: State = (_pushed(tokens, targets), serving, blocked)
        else:
            found = (tokens, serving, (*blocked, (s, r)))
        for chance, after in self._settled(found):
            yield rate * chance, after

    def _room(self, state: State, b: int, finishing: int = -1) -> bool:
        tokens, serving, blocked = state
        taker = self.taker[b]
        idle = 0 if taker < 0 else self._idle(serving, blocked, taker) - (taker == finishing)
        return tokens[b] < self.places[b] + idle

    def _idle(self, serving: tuple[tuple[int, ...], ...], blocked: tuple[tuple[int, int], ...], s: int) -> int:
        return self.stations[s].servers - sum(serving[s]) - sum(1 for each, _ in blocked if each == s)

    def _settled(self, state: State, chance: float = 1.0) -> Iterator[tuple[float, State]]:
        """Yield what follows at once: servers begin, then the first blocked that can go goes, until nothing changes."""
        tokens, serving, blocked = state
        for s, inputs in enumerate(self.inputs):
            if all(tokens[b] > 0 for b in inputs) and self._idle(serving, blocked, s) > 0:
                for phase, share in enumerate(self.stations[s].service.start.tolist()):
                    if share > 0.0:
                        begun = _set(serving, s, _changed(serving[s], phase, 1))
                        yield from self._settled((_pushed(tokens, inputs, -1), begun, blocked), chance * share)
                return
        for i, (s, r) in enumerate(blocked):
            targets = self.routes[s][r][1]
            if all(b in self.inputs[s] or self._room(state, b) for b in targets):
                yield from self._settled((_pushed(tokens, targets), serving, blocked[:i] + blocked[i + 1 :]), chance)
                return
        yield chance, state


def _numbered(routes: Sequence[Route], number: Mapping[str, int]) -> list[tuple[float, tuple[int, ...]]]:
    return [(share, tuple(number[name] for name in targets)) for share, targets in routes]


def _mean(p: F64, rows: list[tuple[int, ...]]) -> F64:
    return np.asarray(p @ np.array(rows, np.float64).reshape(len(p), -1))


def _changed(counts: tuple[int, ...], i: int, by: int) -> tuple[int, ...]:
    return (*counts[:i], counts[i] + by, *counts[i + 1 :])


def _set(serving: tuple[tuple[int, ...], ...], s: int, counts: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    return (*serving[:s], counts, *serving[s + 1 :])


def _pushed(tokens: tuple[int, ...], targets: Sequence[int], by: int = 1) -> tuple[int, ...]:
    changed = list(tokens)
    for b in targets:
        changed[b] += by
    return tuple(changed)
