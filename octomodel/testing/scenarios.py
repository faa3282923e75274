"""Generated scenarios: any integer makes a workflow, a machine, a mapping and a load, the same everywhere.

They are written through the public descriptions, so that lowering is tried too, and made to be awkward:
queues of few places or none, forks and loops into full ones, times of no length, ties, dead TBUs and links,
horizons, more load than the machine can serve.
"""

from __future__ import annotations

from dataclasses import dataclass

from octomodel import lower
from octomodel.hardware import System
from octomodel.kernels.model import Model
from octomodel.load import Load
from octomodel.lower import Lowered
from octomodel.mapping import Mapping
from octomodel.policies import POLICIES, Policy
from octomodel.testing import scenarios_load
from octomodel.testing.scenarios_choice import Choice
from octomodel.testing.scenarios_machine import make_machine
from octomodel.testing.scenarios_policy import make_bundled, make_policy
from octomodel.testing.scenarios_program import make_workflow
from octomodel.workflow import Workflow

THEMES = {"any": 4.0, "loop": 3.0, "fork": 3.0, "select": 2.0}


@dataclass(frozen=True)
class Scenario:
    """One generated scenario.

    Attributes
    ----------
    seed : int
        What it was made from, and the seed of its draws.
    workflow, system, load, mapping
        The descriptions.
    policy : Policy
        A bundled one, or one of ``scenarios_policy``.
    horizon, step : int or None
        As in ``octomodel.lower``.
    epochs, epoch_stride : int
        As there.
    """

    seed: int
    workflow: Workflow
    system: System
    load: Load
    mapping: Mapping
    policy: Policy
    horizon: int | None
    step: int | None
    epochs: int
    epoch_stride: int

    def lower(self, policy: Policy | None = None, replication: int = 0) -> Lowered:
        """Return the scenario as arrays, under its own policy or another one."""
        return lower.lower(
            self.workflow,
            self.system,
            self.load,
            self.mapping,
            seed=self.seed,
            replication=replication,
            horizon=self.horizon,
            step=self.step,
            policy=self.policy if policy is None else policy,
            epochs=self.epochs,
            epoch_stride=self.epoch_stride,
        )

    @property
    def model(self) -> Model:
        """Return the arrays that a kernel runs."""
        return self.lower().model


def scenario(seed: int, executions: int | None = None) -> Scenario:
    """Return the scenario of a seed.

    Parameters
    ----------
    seed : int
        Not negative.
    executions : int, optional
        About how many executions it has, if no horizon cuts it short; default: drawn, with a median above
        200 and a few in a hundred beyond 5,000.

    Returns
    -------
    Scenario

    Examples
    --------
    >>> scenario(3).workflow == scenario(3).workflow
    True
    """
    choose = Choice("scenario", seed)
    large = executions is None and choose.chance(0.017)
    wanted = _executions(choose, large) if executions is None else executions
    kind = choose.weighted(scenarios_load.KINDS)
    phased = (
        "" if choose.chance(0.6) else choose.pick(("request",) if kind == "closed" else ("request", "time"))
    )
    workflow = make_workflow(Choice("workflow", seed), choose.weighted(THEMES), phased)
    policy = _policy(Choice("policy", seed))
    rebalances = policy is not None and policy.rebalance is not None
    system, placed = make_machine(Choice("machine", seed), workflow, large, rebalances)
    share = choose.real(0.1, 1.2) if choose.chance(0.25) and not large else 1.0
    visits = sum(workflow.visits().values())
    requests = round(min(scenarios_load.MOST_REQUESTS, max(1.0, wanted / min(1.0, share) / max(visits, 0.1))))
    per_request = scenarios_load.bottleneck(system, placed)
    load = scenarios_load.make_load(choose, kind, requests, per_request, placed)
    cycles = per_request * requests
    period = scenarios_load.epoch(choose, system, placed, cycles, rebalances)
    system = system.with_(epoch_cycles=period, background_load=rebalances and seed % 2 == 0)
    simple = choose.weighted({POLICIES["static"]: 1.0, POLICIES["stealing"]: 1.0, POLICIES["jsq"]: 1.0})
    return Scenario(
        seed,
        workflow,
        system,
        load,
        placed,
        policy=simple if policy is None else policy,
        horizon=None if share == 1.0 else max(1, round(share * cycles)),
        step=scenarios_load.step(choose, system),
        epochs=scenarios_load.epochs(Choice("epochs", seed)),
        epoch_stride=Choice("stride", seed).weighted({1: 4, 2: 1, 5: 1}),
    )


def _policy(choose: Choice) -> Policy | None:
    """Return a policy that is not bundled in three of ten scenarios, one that rebalances in half of the others, else None."""
    if choose.chance(0.3):
        return make_policy(choose)
    return make_bundled(choose) if choose.chance(0.5) else None


def _executions(choose: Choice, large: bool) -> int:
    if large:
        return choose.integer(5_300, 6_500)
    low, high = (4.0, 7.0) if choose.chance(0.12) else (7.5, 8.7)
    return round(float(2.0 ** choose.real(low, high)))
