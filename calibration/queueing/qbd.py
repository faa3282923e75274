"""MAP/PH/c: queues with Markovian arrivals and phase-type service as quasi-birth-death chains."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from .answers import F64, Answer, Method, TheoryError, counted, levels
from .phases import Arrivals, PhaseType, stationary
from .uniform import Tail, collect

MOST_STATES = 600
"""Most states of one level: its matrices are dense."""


class MapPhC:
    """The steady state of a queue with c servers, first come, first served.

    Parameters
    ----------
    arrivals : Arrivals
        For example ``renewal(gaps)`` or ``mmpp2(...)``.
    service : PhaseType
        Of one execution.
    servers : int
        c >= 1.

    Raises
    ------
    TheoryError
        When the load is 1 or more, or a level has more than 600 states.

    Notes
    -----
    Levels are numbers in the system; a state is the phase of the arrivals and how many servers are in each phase of service. R by
    logarithmic reduction: Latouche and Ramaswami, "A logarithmic reduction algorithm for quasi-birth-death processes", J. Applied
    Probability 30 (1993); levels below c by level reduction. What an arrival waits is the time of n - c + 1 departures while all
    servers are busy, for n found on arrival.

    Examples
    --------
    >>> from octomodel.calibration.queueing.phases import erlang, renewal
    >>> queue = MapPhC(renewal(erlang(1.25, 2)), erlang(1.0, 2), 1)
    >>> round(queue.queue_mean / queue.rate, 9)
    1.865268048
    """

    def __init__(self, arrivals: Arrivals, service: PhaseType, servers: int) -> None:
        self.arrivals, self.service = arrivals, service
        self.servers = int(counted("MapPhC.servers", servers, 1))
        self.rate = arrivals.rate
        self.load = self.rate * service.mean / self.servers
        if self.load >= 1.0:
            raise TheoryError("MapPhC", f"a load of {self.load:g}", "a load below 1: there is no steady state")
        self._configurations = [_configurations(k, service.start.size) for k in range(self.servers + 1)]
        size = len(arrivals.still) * len(self._configurations[-1])
        if size > MOST_STATES:
            raise TheoryError("MapPhC", f"{size} states a level", f"at most {MOST_STATES}: fewer phases or servers")
        self._solve()

    def _solve(self) -> None:
        still, arrive = self.arrivals.still, self.arrivals.arrive
        eye_a = np.eye(len(still))
        parts = [self._parts(k) for k in range(self.servers + 1)]
        local = [np.kron(still, np.eye(len(inner))) + np.kron(eye_a, inner) for inner, _, _ in parts]
        down = [np.kron(eye_a, done) for _, done, _ in parts]
        up = [np.kron(arrive, begin) for _, _, begin in parts]
        inner, done, _ = parts[-1]
        self._busy = inner, done @ parts[-2][2]  # while all servers are busy: without and with a departure
        again = np.kron(eye_a, self._busy[1])
        self._r = _rate_matrix(np.kron(arrive, np.eye(len(inner))), local[-1], again)
        reduced = local[-1] + self._r @ again
        steps = []
        for k in range(self.servers, 0, -1):
            ratio = np.linalg.solve(-reduced.T, up[k - 1].T).T
            steps.append(ratio)
            reduced = local[k - 1] + ratio @ down[k]
        vectors = [stationary(reduced)]
        for ratio in reversed(steps):
            vectors.append(vectors[-1] @ ratio)
        tail = np.linalg.solve((np.eye(len(self._r)) - self._r).T, vectors[-1])
        total = sum(float(each.sum()) for each in vectors[:-1]) + float(tail.sum())
        self._vectors = [each / total for each in vectors]
        self._tail = tail / total
        self._seen = np.kron(arrive.sum(axis=1), np.ones(len(inner)))

    def _parts(self, k: int) -> tuple[F64, F64, F64]:
        """Return, for k jobs in service, rates of phase changes (with what leaves on the diagonal), of ends, and first phases."""
        here = {config: i for i, config in enumerate(self._configurations[k])}
        rates, exits, start = self.service.rates, self.service.exits, self.service.start
        inner = np.zeros((len(here), len(here)))
        less = {config: i for i, config in enumerate(self._configurations[k - 1])} if k else {}
        more = {config: i for i, config in enumerate(self._configurations[k + 1])} if k < self.servers else {}
        done, begin = np.zeros((len(here), len(less))), np.zeros((len(here), len(more)))
        for config, i in here.items():
            for phase, n in enumerate(config):
                if n:
                    inner[i, i] += n * rates[phase, phase]
                    done[i, less[_moved(config, phase, -1)]] += n * exits[phase]
                    for other in range(len(config)):
                        if other != phase and rates[phase, other] > 0.0:
                            target = _moved(_moved(config, phase, -1), other, 1)
                            inner[i, here[target]] += n * rates[phase, other]
                if more and start[phase] > 0.0:
                    begin[i, more[_moved(config, phase, 1)]] += start[phase]
        return inner, done, begin

    @cached_property
    def queue_mean(self) -> float:
        """Return the mean number waiting."""
        return float(np.linalg.solve((np.eye(len(self._r)) - self._r).T, self._tail @ self._r).sum())

    @property
    def p_wait(self) -> float:
        """Return the probability that an arrival waits, which is not the share of time in which all servers are busy."""
        return float(self._tail @ self._seen) / self.rate

    @cached_property
    def waits(self) -> Tail:
        """Return the tail of the wait of an arrival."""
        return self._absorbed()[0]

    @cached_property
    def sojourns(self) -> Tail:
        """Return the tail of wait and service together."""
        return self._absorbed()[1]

    def _absorbed(self) -> tuple[Tail, Tail]:
        inner, again = self._busy
        n_a = len(self.arrivals.still)
        clock = max(float(-np.diag(inner).min()), float(-np.diag(self.service.rates).min()))
        stay, leave = np.kron(np.eye(n_a), np.eye(len(inner)) + inner / clock), np.kron(np.eye(n_a), again / clock)
        serve = np.eye(self.service.start.size) + self.service.rates / clock
        state = np.eye(len(stay))
        # after k steps, sums over what was found of R^j times the chance of j departures
        ahead = self._tail / self.rate
        waits = [self.p_wait]
        phase = (1.0 - self.p_wait) * self.service.start

        def advance() -> float:
            nonlocal state, phase
            state = state @ stay + self._r @ state @ leave
            waits.append(float(ahead @ state @ self._seen))
            phase = phase @ serve + max(waits[-2] - waits[-1], 0.0) * self.service.start
            return waits[-1] + float(phase.sum())

        sojourns = collect(1.0, advance)
        return Tail(clock, np.array(waits)), Tail(clock, sojourns)


def map_ph_c(arrivals: Arrivals, service: PhaseType, servers: int = 1, quantiles: Sequence[float] = ()) -> Answer:
    """Return the steady state of MAP/PH/c by its quasi-birth-death chain; see :class:`MapPhC`.

    Parameters
    ----------
    arrivals : Arrivals
        Markovian arrivals.
    service : PhaseType
        Of one execution.
    servers : int
        c >= 1.
    quantiles : sequence of float
        Probabilities inside (0, 1).

    Returns
    -------
    dict of str to Value
        ``utilisation``, ``p_wait``, ``wait_mean``, ``wait_var``, ``queue_mean``, ``sojourn_mean``, ``sojourn_var``,
        ``number_mean``, ``wait_quantile``, ``sojourn_quantile``.

    Raises
    ------
    TheoryError
        When the load is 1 or more, or the chain is too large.

    Examples
    --------
    >>> from octomodel.calibration.queueing.phases import exponential, mmpp2
    >>> found = map_ph_c(mmpp2((0.2, 1.6), (20.0, 10.0)), exponential(1.0))
    >>> float(found["utilisation"].value.round(6)), float(found["p_wait"].value.round(3))
    (0.666667, 0.853)
    """
    queue = MapPhC(arrivals, service, servers)
    wait = queue.queue_mean / queue.rate
    spread = queue.waits.variance
    result: dict[str, Any] = {
        "utilisation": queue.load,
        "p_wait": queue.p_wait,
        "wait_mean": wait,
        "wait_var": spread,
        "queue_mean": queue.queue_mean,
        "sojourn_mean": wait + service.mean,
        "sojourn_var": spread + service.scv * service.mean**2,
        "number_mean": queue.queue_mean + queue.rate * service.mean,
    }
    if len(quantiles):
        q = levels("map_ph_c.quantiles", quantiles).tolist()
        result["wait_quantile"] = [queue.waits.quantile(p) for p in q]
        result["sojourn_quantile"] = [queue.sojourns.quantile(p) for p in q]
    return Method("MAP/PH/c (quasi-birth-death chain)", "exact", True)(**result)


def _configurations(n: int, phases: int) -> list[tuple[int, ...]]:
    """Return all ways to spread n jobs over phases, as counts."""
    return [tuple(chosen.count(phase) for phase in range(phases)) for chosen in combinations_with_replacement(range(phases), n)]


def _moved(config: tuple[int, ...], phase: int, by: int) -> tuple[int, ...]:
    return (*config[:phase], config[phase] + by, *config[phase + 1 :])


def _rate_matrix(up: Any, local: Any, down: Any) -> F64:
    """Return R, by logarithmic reduction for G."""
    one = np.ones(len(local))
    high, low = np.linalg.solve(-local, up), np.linalg.solve(-local, down)
    g, path = low.copy(), high.copy()
    for _ in range(64):
        mixed = np.eye(len(local)) - high @ low - low @ high
        high, low = np.linalg.solve(mixed, high @ high), np.linalg.solve(mixed, low @ low)
        g += path @ low
        path = path @ high
        if np.abs(one - g @ one).max() < 1e-14:
            break
    return np.asarray(np.linalg.solve(-(local + up @ g).T, up.T).T)
