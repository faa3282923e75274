"""Predictions by queueing theory: one configuration, and rates over one workflow at once."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator

import numpy as np

import octomodel as om
from bench.rows import Row
from bench.sizes import DEFAULT, Sizes
from bench.timing import interleaved
from octomodel import presets
from octomodel.calibration.queueing import mmc
from octomodel.placement import placement

SECONDS = 0.02
"""One configuration, warm."""
RATES_SECONDS = 5.0
"""A hundred thousand rates."""


def benchmark(sizes: Sizes) -> Iterator[Row]:
    """Yield seconds of single predictions, open, closed and with phases, and of one over many rates.

    Raises
    ------
    AssertionError
        When an answer is not the known one, or a rate is not answered.
    """
    full = sizes.long_requests >= DEFAULT.long_requests
    chip = presets.hardware("chip_64c")
    agent, phased = presets.workflow("agent_tools"), presets.workflow("early_exit")
    rate = 0.5 * placement(agent, chip).throughput
    calls: dict[str, Callable[[], object]] = {
        "agent_tools, poisson": lambda: om.predict(agent, chip, load=om.poisson(rate)),
        "agent_tools, closed": lambda: om.predict(agent, chip, load=om.closed()),
        "early_exit, poisson, 3 phases": lambda: om.predict(phased, chip, load=om.poisson(rate)),
    }
    one = om.predict(agent, chip, load=om.poisson(rate))
    assert float(one.throughput_per_cycle) == rate and bool(np.isfinite(one.latency_cycles).all())
    n = 100_000 if full else 1_000
    queue = om.Workflow("queue", om.task("only", om.dist.Exponential(1_000)))
    server = om.System(1, 1, tbus=4)
    rates = np.linspace(1e-5, 3.9e-3, n)

    def over_rates() -> None:
        found = om.predict(queue, server, load=om.poisson(1.0, in_flight=None), over={"load.rate": rates})
        known = mmc(rates, 1_000.0, 4)["sojourn_mean"].value
        assert np.allclose(found.latency_cycles.sel(statistic="mean", bound="value"), known), "latency at some rate"

    calls["rates"] = over_rates
    times = interleaved(calls, sizes.repeats)
    for name, limit in (*((name, SECONDS) for name in calls if name != "rates"), ("rates", RATES_SECONDS)):
        wall = times[name].wall
        yield Row(
            benchmark="prediction",
            case=f"{n:,} rates" if name == "rates" else "one configuration",
            quantity="over load.rate" if name == "rates" else name,
            value=statistics.median(wall),
            best=min(wall),
            unit="s",
            at_most=limit if full else None,
        )
