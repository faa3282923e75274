"""W1 in Ciw, one line, fed with the samples of octomodel."""

from __future__ import annotations

import math

from bench.w1 import SLOTS, STAGES, Tandem


def ends(line: Tandem) -> list[int]:
    """Return the cycle at which each request leaves the line.

    Ciw blocks after service. It breaks ties by a draw, which decides nothing here: a line of single servers
    is first come first served throughout.
    """
    import ciw

    gaps = [b - a for a, b in zip([0, *line.arrivals], line.arrivals, strict=False)]
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential(gaps), *[None] * (STAGES - 1)],
        service_distributions=[ciw.dists.Sequential(times) for times in line.times],
        routing=[[float(j == i + 1) for j in range(STAGES)] for i in range(STAGES)],
        number_of_servers=[1] * STAGES,
        queue_capacities=[math.inf, *[SLOTS] * (STAGES - 1)],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(len(line.arrivals), method="Finish")
    left = sorted(int(record.exit_date) for record in simulation.get_all_records() if record.node == STAGES)
    return left[: len(line.arrivals)]
