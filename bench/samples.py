"""The samples of a model in advance, for other simulators: the very numbers the kernel draws as it goes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octomodel import draws
from octomodel.kernels.model import CONSTANT, Model
from octomodel.kernels.rng import DOMAIN_DECISION, DOMAIN_TIME, MASK, G
from octomodel.tables import Bundle

I64 = NDArray[np.int64]


def times(model: Model, node: int, requests: I64, visit: int = 1) -> I64:
    """Return the cycles of the executions of a task at one visit (rule 2.3).

    Parameters
    ----------
    model : Model
        Of one phase, all TBUs at speed 1; the time of the task follows no attribute.
    node : int
        The TASK.
    requests : int64[request]
        Numbers of the requests.
    visit : int
        The first visit is 1.

    Returns
    -------
    int64[request]
    """
    program = model.program
    law = int(program.node_law[0, node])
    if program.node_attribute[node] >= 0 or program.law_kind[law] == CONSTANT or len(program.node_law) > 1:
        raise ValueError("samples in advance are for random times without attributes and phases")
    table = Bundle(program.law_kind, program.law_offset, program.law_size, program.knots, "")
    sample = draws.sample(table, law, _draws(model, DOMAIN_TIME, node, requests, visit))
    scaled = sample / 65536.0 * program.node_base[0, node]
    cycles = np.floor(scaled / program.task_speedup[program.node_task[node]] + 0.5).astype(np.int64)
    drawn: I64 = np.maximum(cycles, 1)
    return drawn


def decisions(model: Model, node: int, requests: I64, visit: int = 1) -> I64:
    """Return which edge a BRANCH or an AGAIN takes at one visit, 0 being the first (rule 2.4)."""
    first, last = model.program.edge_indptr[node : node + 2]
    unit = draws.unit(_draws(model, DOMAIN_DECISION, node, requests, visit))
    taken: I64 = np.searchsorted(model.program.edge_weight[0, first:last], unit, side="right")
    return taken


def by_pipeline(model: Model, of_source: I64) -> list[I64]:
    """Return an array over the requests, in the order of the sources, cut into one array per pipeline."""
    return np.split(of_source, model.load.source_indptr[1:-1])


def _draws(model: Model, domain: int, node: int, requests: I64, visit: int) -> NDArray[np.uint64]:
    # The visit is a term of the sum that is scrambled (rule 2.1), so it can be added to the keys.
    keys = draws.request_keys(model.load.seed_key, requests)
    return draws.draw(keys + np.uint64((visit << 16) * G & MASK) & np.uint64(MASK), domain, node)
