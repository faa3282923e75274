"""How long to simulate: run lengths from heavy-traffic theory, fixed before any run.

A run is made long enough for two things. A service time wrong by 1 % must be seen: the mean of n service times
has the relative standard error cv / sqrt(n), and an interval at the error rate of one check among some two
hundred is about 6.5 standard errors wide on each side. And the answer itself must come out within a stated
limit: near saturation the mean wait of a GI/G/c queue behaves as that of a reflected Brownian motion, whose
correlation time is 2 (ca^2 + cs^2) / (1 - rho)^2 requests or so, and whose variance is the square of its mean.

Source: Whitt, Planning queueing simulations, Management Science 35 (1989); Sakasegawa 1977 for the wait.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from octomodel.dist import Exponential, Law
from octomodel.verify_facts import Station

REPLICATIONS = 128
BUDGET = 16_000_000
"""Executions one answer may cost before a wider limit is taken."""

LIMITS = (0.02, 0.03, 0.05, 0.1)
QUANTILE = 1.5
"""How much wider the limit of a quantile is than that of the mean."""

EVENTS = 1.2e6
"""Ends of requests, or executions, that show 1 % of a throughput whose counts vary no more than Poisson's."""

_SERVICES = 1.15e6  # executions per unit of cv^2 that show 1 % with a probability above 0.999
_WIDTH = 7.5  # standard errors in a half-width, with a margin for what theory says of the variance
_WARMUP = 10.0  # correlation times


@dataclass(frozen=True)
class Length:
    """Requests of a replication, those of its start that are dropped, and the limit that can be promised."""

    requests: int
    warmup: int
    limit: float


@dataclass(frozen=True)
class Queue:
    """What heavy-traffic theory needs of one station: load, variability, wait and service."""

    rho: float
    scv: float
    wait: float
    service: Law

    @classmethod
    def of(cls, gaps: Law, station: Station) -> Queue:
        """Return a station that every request visits once."""
        return cls._of(gaps, station.service, station.servers)

    @classmethod
    def demand(cls, gap: float, demand: float, servers: int | None) -> Queue:
        """Return a station at which a request spends ``demand``, in one visit or many."""
        return cls._of(Exponential(gap), Exponential(demand), servers)

    @classmethod
    def _of(cls, gaps: Law, service: Law, servers: int | None) -> Queue:
        rho = service.mean / gaps.mean / (servers or math.inf)
        scv = gaps.cv**2 + service.cv**2
        power = math.sqrt(2.0 * ((servers or math.inf) + 1.0)) - 1.0
        wait = rho**power / (1.0 - rho) * service.mean * scv / 2.0 / (servers or math.inf)
        return cls(rho, scv, wait, service)

    @property
    def correlation(self) -> float:
        """Return the correlation time in requests."""
        return 2.0 * self.scv / (1.0 - self.rho) ** 2


def open_length(queues: list[Queue], tasks: float, *, parallel: bool = False, limit: float | None = None) -> Length:
    """Return the length of a replication of an open system.

    Parameters
    ----------
    queues : list of Queue
        Its stations.
    tasks : float
        Executions of a request.
    parallel : bool
        Whether a request is at all stations at once, rather than at one after the other.
    limit : float, optional
        For answers on which this theory is known to be too hopeful.
    """
    total = max(q.wait + q.service.mean for q in queues)
    if not parallel:
        total = sum(q.wait + q.service.mean for q in queues)
    shares = [q.correlation * (q.wait / total) ** 2 for q in queues]
    spread = 1.0 + (max(shares) if parallel else sum(shares))
    seen = _SERVICES * max(queues, key=lambda q: q.rho).service.cv ** 2
    if limit is None:
        needed = [(each, max(spread * (_WIDTH / each) ** 2, seen)) for each in LIMITS]
        limit, requests = next((pair for pair in needed if pair[1] * tasks <= BUDGET), needed[-1])
    else:
        requests = max(seen, BUDGET / tasks)
    warmup = math.ceil(_WARMUP * max(q.correlation for q in queues))
    return Length(warmup + math.ceil(max(requests, 20_000) / REPLICATIONS), warmup, limit)
