"""Fork-join of a few phase-type single servers as an exact Markov chain, with the law of the response."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import gammaln

from .answers import F64, Answer, Method, TheoryError, checked, counted, levels
from .chains import Chain
from .phases import PhaseType
from .uniform import tail_quantile

Branch = tuple[int, int]
"""Tasks at a branch, and the phase of the one in service (0 when there is none)."""


def fork_join(rate: float, services: Sequence[PhaseType], room: int, quantiles: Sequence[float] = ()) -> Answer:
    """Return the steady state of a fork-join of single servers fed by Poisson arrivals.

    Parameters
    ----------
    rate : float
        Requests per unit of time, > 0.
    services : sequence of PhaseType
        Of each branch; alike branches are the same object, and then counted together.
    room : int
        Tasks that a branch holds, the one in service included; a request is lost unless all have room. For unlimited queues as
        many as are practically never reached: ``loss_probability`` tells.
    quantiles : sequence of float
        Probabilities inside (0, 1).

    Returns
    -------
    dict of str to Value
        ``loss_probability``, ``accepted_rate``, ``response_mean``, ``response_var``, ``response_quantile``.

    Raises
    ------
    TheoryError
        When a parameter is out of range or the chain has more than 200,000 states.

    Notes
    -----
    Poisson arrivals see the steady state (Wolff 1982), and what a request then takes at its branches, up to the end of its own
    task at each, is independent given that state. The chain of two branches takes a second, that of four some seconds for
    20,000 states.

    Examples
    --------
    >>> from octomodel.calibration.queueing.phases import exponential
    >>> found = fork_join(0.5, [exponential(1.0)] * 2, 40)
    >>> float(found["response_mean"].value.round(6))  # Flatto and Hahn: (12 - 0.5) / 8 / (1 - 0.5)
    2.875
    """
    lam = float(checked("fork_join.rate", rate, 0.0, above=True))
    most = int(counted("fork_join.room", room, 1))
    if not services:
        raise TheoryError("fork_join.services", services, "at least one branch")
    alike = all(each is services[0] for each in services) or _same(services)

    def canonical(state: tuple[Branch, ...]) -> tuple[Branch, ...]:
        return tuple(sorted(state)) if alike else state

    def arrived(state: tuple[Branch, ...]) -> Iterator[tuple[float, tuple[Branch, ...]]]:
        ways = [_begun(services[k].start, n) if n == 0 else [(1.0, (n + 1, phase))] for k, (n, phase) in enumerate(state)]
        for chosen in product(*ways):
            yield float(np.prod([chance for chance, _ in chosen])), canonical(tuple(branch for _, branch in chosen))

    def moves(state: tuple[Branch, ...]) -> Iterator[tuple[float, tuple[Branch, ...]]]:
        if max(n for n, _ in state) < most:
            for chance, after in arrived(state):
                yield lam * chance, after
        for k, (n, phase) in enumerate(state):
            if n:
                for pace, branch in _step(services[k], n, phase):
                    yield pace, canonical((*state[:k], branch, *state[k + 1 :]))

    chain = Chain.explore([(1.0, ((0, 0),) * len(services))], moves)
    p = chain.steady()
    let_in = np.array([max(n for n, _ in state) < most for state in chain.states])
    accepted = float(p[let_in].sum())
    weight = p[let_in] / accepted
    seen = [state for state, inside in zip(chain.states, let_in.tolist(), strict=True) if inside]
    tables = [_Branch.of(services[0], most)] * len(services) if alike else [_Branch.of(each, most) for each in services]
    rows = np.array([[tables[k].row(*branch) for k, branch in enumerate(state)] for state in seen])

    def beyond(t: float) -> float:
        curves = {id(table): table.beyond(t) for table in tables}
        done = np.ones(len(seen))
        for k, table in enumerate(tables):
            done *= 1.0 - curves[id(table)][rows[:, k]]
        return float(weight @ (1.0 - done))

    mean, square = _moments(beyond, max(table.scale for table in tables) + 1.0)
    label = Method("fork-join Markov chain", "exact", 1.0 - accepted < 1e-6)
    result = Method("fork-join Markov chain", "exact", True)(loss_probability=1.0 - accepted, accepted_rate=lam * accepted)
    result |= label(response_mean=mean, response_var=square - mean**2)
    if len(quantiles):
        q = levels("fork_join.quantiles", quantiles)
        result |= label(response_quantile=[tail_quantile(beyond, each, mean) for each in q.tolist()])
    return result


@dataclass(frozen=True, eq=False)
class _Branch:
    """How long an arrival stays at a branch, by what it finds: after k steps of a clock, the chance that it is still there."""

    clock: float
    phases: int
    left: F64
    scale: float

    @classmethod
    def of(cls, service: PhaseType, room: int) -> _Branch:
        m = service.start.size
        clock = float(-np.diag(service.rates).min())
        step, end = np.eye(m) + service.rates / clock, service.exits / clock
        # by tasks found and phase in service; found none: the phases of its own service are averaged in row 0
        now = np.ones((room, m))
        rows = []
        while now[-1].max() > 1e-15:
            rows.append(np.concatenate([[now[0] @ service.start], now[1:].ravel()]))
            follow = np.concatenate([[0.0], now[:-1] @ service.start])
            now = now @ step.T + follow[:, None] * end
        left = np.array(rows)
        return cls(clock, m, left, float(left[:, -1].sum()) / clock)

    def row(self, n: int, phase: int) -> int:
        return 0 if n == 0 else 1 + (n - 1) * self.phases + phase

    def beyond(self, t: float) -> F64:
        mean = self.clock * t
        if mean == 0.0:
            return np.asarray(self.left[0])
        wide = 12.0 * np.sqrt(mean) + 40.0
        first, last = max(0, int(mean - wide)), min(int(mean + wide) + 1, len(self.left))
        k = np.arange(first, max(first, last))
        return np.asarray(np.exp(k * np.log(mean) - mean - gammaln(k + 1.0)) @ self.left[first : first + len(k)])


def _moments(beyond: Callable[[float], float], scale: float) -> tuple[float, float]:
    """Return first and second moment of a time by its tail, which is smooth."""
    high = scale
    while beyond(high) > 1e-13:
        high *= 1.5
    x, w = np.polynomial.legendre.leggauss(160)
    t = (x + 1.0) / 2.0
    points, weight = high * t**2, high * t * w
    late = np.array([beyond(each) for each in points.tolist()])
    return float(late @ weight), float(2.0 * (late * points) @ weight)


def _begun(start: F64, n: int) -> list[tuple[float, Branch]]:
    return [(share, (n + 1, phase)) for phase, share in enumerate(start.tolist()) if share > 0.0]


def _step(service: PhaseType, n: int, phase: int) -> Iterator[tuple[float, Branch]]:
    for other, pace in enumerate(service.rates[phase].tolist()):
        if other != phase and pace > 0.0:
            yield pace, (n, other)
    out = float(service.exits[phase])
    if out > 0.0:
        if n == 1:
            yield out, (0, 0)
        else:
            for share, (_, first) in _begun(service.start, n):
                yield out * share, (n - 1, first)


def _same(services: Sequence[PhaseType]) -> bool:
    first = services[0]
    return all(np.array_equal(each.start, first.start) and np.array_equal(each.rates, first.rates) for each in services)
