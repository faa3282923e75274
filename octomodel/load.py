"""Loads: how many requests there are, when they arrive, which pipeline gets them, how many may be inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octomodel import dist  # noqa: F401  (for the examples)
from octomodel.dist import Law
from octomodel.load_kinds import KINDS as KINDS
from octomodel.load_kinds import MAX_REQUESTS as MAX_REQUESTS
from octomodel.load_kinds import UNLIMITED as UNLIMITED
from octomodel.load_kinds import Closed as Closed
from octomodel.load_kinds import InFlight as InFlight
from octomodel.load_kinds import Load as Load
from octomodel.load_kinds import Mmpp as Mmpp
from octomodel.load_kinds import Periodic as Periodic
from octomodel.load_kinds import Poisson as Poisson
from octomodel.load_kinds import Renewal as Renewal
from octomodel.load_kinds import Trace as Trace


def closed(
    requests: int | None = None, *, in_flight: InFlight = "auto", split: str | Sequence[float] = "even"
) -> Closed:
    """Return a load in which each pipeline always holds ``in_flight`` requests until they run out.

    Parameters
    ----------
    requests : int, optional
        Number of requests; else given when the simulation starts.
    in_flight : int or "auto"
        Requests inside one pipeline; default: 4 for each of its TBUs.
    split : "even" or sequence of float
        Over the pipelines: in turn, or drawn with these weights.

    Raises
    ------
    ModelError
        When a value is out of range.

    Examples
    --------
    >>> closed(1000, in_flight=1).kind
    'closed'
    """
    return Closed(requests=requests, in_flight=in_flight, split=split)  # type: ignore[arg-type]


def poisson(
    rate: float,
    requests: int | None = None,
    *,
    in_flight: InFlight = "auto",
    split: str | Sequence[float] = "even",
) -> Poisson:
    """Return independent arrivals, ``rate`` per cycle on the whole machine; the rest as for ``closed``.

    Examples
    --------
    >>> poisson(1e-4).law.mean
    10000.0
    """
    return Poisson(rate=rate, requests=requests, in_flight=in_flight, split=split)  # type: ignore[arg-type]


def periodic(
    period_cycles: float,
    requests: int | None = None,
    *,
    in_flight: InFlight = "auto",
    split: str | Sequence[float] = "even",
) -> Periodic:
    """Return arrivals at multiples of ``period_cycles``, rounded half up; the rest as for ``closed``.

    Examples
    --------
    >>> periodic(100_000).period_cycles
    100000.0
    """
    options: dict[str, Any] = {"requests": requests, "in_flight": in_flight, "split": split}
    return Periodic(period_cycles=period_cycles, **options)


def renewal(
    law: Law,
    requests: int | None = None,
    *,
    in_flight: InFlight = "auto",
    split: str | Sequence[float] = "even",
) -> Renewal:
    """Return arrivals with independent gaps of one law in cycles; other parameters as for ``closed``.

    Examples
    --------
    >>> renewal(dist.Gamma(mean=1000, cv=0.5)).law.mean
    1000.0
    """
    return Renewal(law=law, requests=requests, in_flight=in_flight, split=split)  # type: ignore[arg-type]


def mmpp(
    rates: Sequence[float],
    mean_cycles: Sequence[float],
    requests: int | None = None,
    *,
    in_flight: InFlight = "auto",
    split: str | Sequence[float] = "even",
) -> Mmpp:
    """Return a Markov-modulated Poisson process.

    Parameters
    ----------
    rates : sequence of float
        Requests per cycle in each state, at least two states; they follow each other in this order, round and
        round.
    mean_cycles : sequence of float
        Mean time in each state, exponential.
    requests, in_flight, split
        As for ``closed``.

    Raises
    ------
    ModelError
        When the lengths differ or a value is out of range.

    Examples
    --------
    >>> mmpp([1e-3, 1e-5], [1e5, 1e6]).rates
    (0.001, 1e-05)
    """
    options: dict[str, Any] = {"requests": requests, "in_flight": in_flight, "split": split}
    return Mmpp(rates=tuple(rates), mean_cycles=tuple(mean_cycles), **options)


def trace(
    arrival_cycles: Sequence[int] | NDArray[np.int64],
    requests: int | None = None,
    *,
    in_flight: InFlight = "auto",
    split: str | Sequence[float] = "even",
    repeat: bool = False,
) -> Trace:
    """Return arrivals at given cycles in ascending order; with ``requests`` only the first of them.

    With ``repeat`` there may be more requests than arrivals: the trace begins again, a mean gap after its last arrival.

    Examples
    --------
    >>> trace([0, 10, 10, 25]).arrival_cycles.tolist()
    [0, 10, 10, 25]
    """
    options: dict[str, Any] = {"requests": requests, "in_flight": in_flight, "split": split}
    return Trace(arrival_cycles=np.asarray(arrival_cycles), repeat=repeat, **options)
