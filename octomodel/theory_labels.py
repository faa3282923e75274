"""How each value of a prediction was found, what it claims, and whether its assumptions hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octomodel.calibration.queueing.answers import Exactness
from octomodel.dist import Exponential
from octomodel.elements import Branch, Fork, Loop, Scaled, Select, walk
from octomodel.hardware import System
from octomodel.load import Closed, Load, Poisson
from octomodel.theory_answer import Answer
from octomodel.theory_machine import Pipelines
from octomodel.workflow import Workflow

Flags = NDArray[np.bool_]
OPEN = "QNA (Whitt 1983)"
CLOSED = "product form (convolution), corrected by fixed population mean (Whitt 1984)"
MARKOV = "product form (convolution)"


@dataclass(frozen=True)
class Label:
    """How a value was found; ``assumptions_ok``: bool or bool[case]."""

    method: str
    exactness: Exactness
    assumptions_ok: Flags | bool


def labels(workflow: Workflow, system: System, load: Load, made: Pipelines, answer: Answer) -> dict[str, Label]:
    """Return the label of each value; of the latency that of its mean, that of its quantiles under ``"latency_quantiles"``.

    Parameters
    ----------
    workflow, system, load, made
        What is asked.
    answer : Answer
        What theory says.

    Returns
    -------
    dict of str to Label
        Means are exact where the network has product form: exponential times, ways drawn independently, Poisson arrivals at
        each pipeline or a closed load; whatever is not in it, such as full slots, is what ``assumptions_ok`` is about.
    """
    markov = product_form(workflow, system)
    forks = any(isinstance(item, Fork | Select) for item in walk(workflow.program))
    closed = isinstance(load, Closed)
    if closed:
        mean = Label(MARKOV if markov else CLOSED, "exact" if markov else "approximation", answer.latency_ok)
        through = Label(mean.method, mean.exactness, answer.throughput_ok)
    else:
        poisson = isinstance(load, Poisson) and (made.count.sum() == 1.0 or load.split != "even")
        method = f"{OPEN}, largest of independent times" if forks else OPEN
        mean = Label(method, "exact" if markov and poisson else "approximation", answer.latency_ok)
        through = Label("conservation of flow", "exact", answer.throughput_ok)
    bound = Label("slowest station", "bound", True)
    return {
        "throughput_per_cycle": through,
        "latency_cycles": mean,
        "latency_quantiles": Label("gamma laws of two moments", "approximation", answer.latency_ok),
        "station_utilisation": Label("utilisation law", through.exactness, answer.throughput_ok),
        "station_wait_cycles": Label(mean.method, "approximation" if closed else mean.exactness, mean.assumptions_ok),
        "station_refused": Label(MARKOV if closed else "geometric tail", "approximation", answer.latency_ok),
        "throughput_bound_per_cycle": bound,
        "latency_bound_cycles": Label("no waits", "approximation" if forks else "bound", True),
    }


def product_form(workflow: Workflow, system: System) -> bool:
    """Return whether exponential stations with independent routing are all there is, so that Jackson's theorem holds.

    Examples
    --------
    >>> from octomodel import dist, loop, task
    >>> time, chip = dist.Exponential(100), System(1, 1)
    >>> [product_form(Workflow("w", loop(task("a", time), **turns)), chip) for turns in ({"again": 0.5}, {"count": 2})]
    [True, False]
    """
    if workflow.phases is not None and len(workflow.phases.names) > 1:
        return False
    phase = None if workflow.phases is None else workflow.phases.names[0]
    for item in walk(workflow.program):
        # a decision that takes time holds the TBU, and is not exponential
        if system.decision_cycles and isinstance(item, Branch | Loop):
            return False
        if isinstance(item, Fork | Select) or (isinstance(item, Loop) and item.count is not None):
            return False
        value = None if isinstance(item, Fork) else item.value(phase)
        if isinstance(value, Scaled) and (value.attribute is not None or not isinstance(value.law, Exponential)):
            return False
    return True
