"""How long to simulate: run lengths from theory, fixed before any run.

A run is made long enough for two things. A service time that is wrong by 1 % must be seen: the mean of n service
times has the relative standard error cv / sqrt(n), and an interval at the error rate of one check among some
hundreds is about 6.5 standard errors wide on each side. And the answer must come out within a stated limit. For
one server and Poisson arrivals the asymptotic variance of the mean wait is known. For others it is taken to differ
from that as reflected Brownian motions do: correlated over 2 (ca^2 + cs^2) / (1 - rho)^2 requests, with the variance
of an exponential law, or more where only some requests wait.

Sources: Whitt, Planning queueing simulations, Management Science 35 (1989); Sakasegawa 1977 for the mean wait;
Takacs 1962 for the moments of M/G/1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from octomodel.dist import Law
from octomodel.verification.facts import Station

REPLICATIONS = 128
BUDGET = 50_000_000
"""Executions one answer may cost before a wider limit is taken."""

LIMITS = (0.02, 0.03, 0.05, 0.1, 0.15)
QUANTILE = 2.0
"""How much wider the limit of a quantile, or of one station among several, is than that of the mean."""

EVENTS = 1.2e6
"""Ends of requests, or executions, that show 1 % of a throughput whose counts vary no more than Poisson's."""

SERVICES = 1.15e6
"""Executions per unit of squared cv that show 1 % of a mean service time with a probability above 0.999."""

FEWEST = 100_000
"""Requests that any answer rests on."""

_WIDTH = 9.0  # standard errors in a half-width, with a margin for what theory says of the variance
_WARMUP = 6.0  # correlation times


@dataclass(frozen=True)
class Length:
    """Requests of a replication, those of its start that are dropped, and the limit that can be promised."""

    requests: int
    warmup: int
    limit: float


@dataclass(frozen=True)
class Queue:
    """What theory says of one station.

    Attributes
    ----------
    rho : float
        Load of a server.
    correlation : float
        Requests over which waits are correlated.
    wait, service : float
        Mean wait and mean service.
    variance : float
        Asymptotic variance of the mean wait, times the number of requests.
    service_scv : float
        Squared cv of the service.
    """

    rho: float
    correlation: float
    wait: float
    service: float
    variance: float
    service_scv: float

    @classmethod
    def of(cls, gaps: Law, station: Station) -> Queue:
        """Return a station that every request visits once."""
        return queue(gaps, station.service, station.servers)


def queue(gaps: Law, service: Law, servers: int | None) -> Queue:
    """Return what theory says of a station.

    Parameters
    ----------
    gaps, service : Law
        Of arrivals and of service, in one unit of time.
    servers : int or None
        None: nobody waits.

    Examples
    --------
    >>> from octomodel.dist import Exponential
    >>> found = queue(Exponential(1.25), Exponential(1.0), 1)
    >>> round(found.wait, 9), round(found.correlation), round(found.variance)
    (4.0, 100, 1976)
    """
    if servers is None:
        return Queue(0.0, 1.0, 0.0, service.mean, 0.0, service.cv**2)
    rho = service.mean / gaps.mean / servers
    scv = gaps.cv**2 + service.cv**2
    waiting = rho ** (math.sqrt(2.0 * (servers + 1.0)) - 1.0)
    wait = waiting / (1.0 - rho) * service.mean * scv / 2.0 / servers
    correlation = max(2.0 * scv / (1.0 - rho) ** 2, float(servers))
    # beside one server with the same load and Poisson arrivals
    poisson = 1.0 + service.cv**2
    single = rho / (1.0 - rho) * service.mean * poisson / 2.0
    larger = correlation / (2.0 * poisson / (1.0 - rho) ** 2) * (wait / single) ** 2
    seldom = (2.0 / waiting - 1.0) / (2.0 / rho - 1.0)
    variance = poisson_variance(service, rho) * larger * seldom
    return Queue(rho, correlation, wait, service.mean, variance, service.cv**2)


def poisson_variance(service: Law, rho: float) -> float:
    """Return the asymptotic variance, per request, of the mean wait of an M/G/1 queue.

    Poisson's equation of the workload V is solved by V^2 / 2(1 - rho). So the sum of V - E V over arrivals differs
    little from a martingale that jumps at each of them by V - E V + rate (2 V S + S^2) / 2(1 - rho), and the mean
    square of this jump is the answer; the moments of V are Takacs's.

    Examples
    --------
    >>> from octomodel.dist import Exponential
    >>> round(poisson_variance(Exponential(1.0), 0.8))  # rho (2 + 5 rho - 4 rho^2 + rho^3) / (1 - rho)^4
    1976
    """
    rate = rho / service.mean
    s1, s2, s3, s4 = (_moment(service, order) for order in (1, 2, 3, 4))
    mean = rate * s2 / 2.0 / (1.0 - rho)
    square = 2.0 * mean**2 + rate * s3 / 3.0 / (1.0 - rho)
    spread = square - mean**2
    factor = rate / 2.0 / (1.0 - rho)
    return spread + 4.0 * factor * s1 * spread + factor**2 * (4.0 * square * s2 + 4.0 * mean * s3 + s4)


def length(spread: float, *, correlation: float, tasks: float, services: float) -> Length:
    """Return the length of a replication of an open system, and the limit of what it gives.

    Parameters
    ----------
    spread : float
        Asymptotic variance of the answer, per request and as a share of its square.
    correlation : float
        Requests over which waits are correlated.
    tasks : float
        Executions of a request.
    services : float
        Squared cv of a service time, over the executions of a request that show it.
    """
    least = max(FEWEST, SERVICES * services)
    needed = [(limit, max((1.0 + spread) * (_WIDTH / limit) ** 2, least)) for limit in LIMITS]
    limit, requests = next((pair for pair in needed if pair[1] * tasks <= BUDGET), needed[-1])
    warmup = math.ceil(_WARMUP * correlation)
    return Length(warmup + math.ceil(requests / REPLICATIONS), warmup, limit)


@lru_cache
def _moment(law: Law, order: int) -> float:
    """Return a raw moment by integrating the tail, which all laws give accurately."""
    if law.cv == 0.0:
        return law.mean**order
    x = law.mean * np.geomspace(1e-6, 1e5, 4001)
    return float(np.trapezoid(order * x**order * law.sf(x), np.log(x)))
