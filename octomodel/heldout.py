"""How well a calibration predicts what it has not seen: fitted to the first requests, compared with the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from octomodel import calibrated, checks, posterior
from octomodel.calibration import Calibration, fit
from octomodel.calibration.spans import Decisions, Spans
from octomodel.calibration.times import FAMILIES
from octomodel.calibration.trace import LlmTrace, Requests, TraceError
from octomodel.errors import ModelError, Words
from octomodel.hardware import System
from octomodel.load import Load, Trace
from octomodel.policies import Policy
from octomodel.posterior import F64, LEAST, QUANTILE, QUANTILES, STATISTICS
from octomodel.surprises import surprises
from octomodel.variables_study import STATISTIC
from octomodel.workflow import Workflow

PART = "part"
FEWEST = 40
"""Fewest requests of either side."""
Step = tuple[str, F64]
"""What has been taken as it was, and the statistics that follow."""


def holdout(
    measured: Spans | Requests | LlmTrace,
    workflow: Workflow,
    hardware: System,
    policy: str | Policy = "static",
    load: Load | None = None,
    *,
    cycles_per_unit: float,
    decisions: Decisions | None = None,
    share: float = 0.5,
    draws: int = LEAST,
    seed: int = 0,
    among: Iterable[str] = tuple(FAMILIES),
    repetitions: int = 99,
    threads: int | None = None,
) -> xr.Dataset:
    """Calibrate on the first requests, simulate, and compare with the rest.

    Parameters
    ----------
    measured : Spans, Requests or LlmTrace
        Of spans the measured latency of a request, from its first start to its last end, is what is to be predicted. Requests
        alone have none: to be predicted is then the simulation that replays the rest, its attributes and its arrivals.
    workflow : Workflow
        The program.
    hardware : System
        A model of the machine on which the spans were measured; for requests alone any.
    policy : str or Policy
    load : Load, optional
        How requests arrive; default: the process fitted to the first ones. What was measured one request after the other is
        ``closed(in_flight=1)``.
    cycles_per_unit : float
        Cycles in a unit of time of the measurements.
    decisions : Decisions, optional
        Those before the first of the rest arrives belong to the first requests.
    share : float
        Of the requests that are calibrated on, between 0 and 1; at least 40 stay on each side.
    draws : int
        Workflows drawn from what the first requests leave open, at least 39.
    seed : int
        Of everything that is drawn.
    among, repetitions
        As for ``calibration.fit``. A law whose tail is beyond what can be simulated is refused; other families are the cure.
    threads : int, optional

    Returns
    -------
    xarray.Dataset
        ``measured_cycles``, ``predicted_cycles`` (mean over the draws), its 95 % interval ``predicted_low_cycles`` and
        ``predicted_high_cycles``, and ``error`` (predicted over measured, less 1), all float64[statistic];
        ``error_share`` float64[part, statistic], which sum to the error; ``predictive_p`` float64[statistic], the probability of
        a value as far out as the measured one; for QQ plots ``measured_quantile_cycles`` and ``predicted_quantile_cycles`` with
        low and high, float64[quantile]. In ``attrs``: ``warnings``, a line each.

    Raises
    ------
    ModelError
        When a value is refused or too few requests were measured.

    Notes
    -----
    The parts of the error, each what changes when one thing more is taken as it was: ``arrivals``, the process of arrivals by
    the first arrivals themselves; ``sizes``, attributes drawn anew by those of the first requests in their order; ``drift``, the
    first requests by the rest; ``model``, for spans only, the simulation calibrated on the rest by what was measured.

    Examples
    --------
    >>> import octomodel as om
    >>> from octomodel.calibration import read_spans
    >>> rng = np.random.default_rng(1)
    >>> start = np.arange(200) * 100.0
    >>> table = {"request": range(200), "task": ["a"] * 200, "start": start, "end": start + rng.gamma(9.0, 5.0, 200)}
    >>> spans, w, chip = read_spans(table), om.Workflow("w", om.task("a", 1)), om.System(1, 1, tbus=1)
    >>> ds = holdout(spans, w, chip, load=om.closed(in_flight=1), cycles_per_unit=1000, repetitions=0, threads=1)
    >>> bool(abs(ds.error.sel(statistic="mean")) < 0.1), ds.part.values.tolist()
    (True, ['drift', 'model'])
    """
    checks.real("share", share, 0.0, 1.0, above=True)
    checks.integer("draws", draws, LEAST, 10_000)
    whole = measured.requests if isinstance(measured, LlmTrace) else measured
    requests = whole.requests if isinstance(whole, Spans) else whole
    n = len(requests)
    middle = round(share * n)
    if not FEWEST <= middle <= n - FEWEST:
        raise ModelError("measured", Words(f"{middle} and {n - middle} requests"), f"at least {FEWEST} on each side")
    split = float(requests.arrivals[middle])
    made: list[Decisions | None] = [None, None]
    if decisions is not None:
        made = [decisions.between(-np.inf, split), decisions.between(split, np.inf)]
    first, rest = whole.part(0, middle), whole.part(middle, n)
    families = tuple(among)

    def fitted(part: Spans | Requests, chosen: Decisions | None) -> Calibration:
        try:
            return fit(
                part,
                chosen,
                cycles_per_unit=cycles_per_unit,
                skeleton=workflow,
                among=families,
                repetitions=repetitions,
                seed=seed,
            )
        except TraceError as error:
            raise ModelError(error.path, error.value, error.allowed) from None

    found = fitted(first, made[0])
    said = surprises(found, rest)
    source = calibrated.load(found) if load is None else load
    if source is None:
        raise ModelError("load", Words("no process of arrivals: all began at once"), "a load")
    runs = _Runs(workflow, hardware, policy, n - middle, seed, threads)
    likely = posterior.drawn(found, workflow, draws, seed)
    predicted = runs.all(likely, source, said.append)
    steps: list[Step] = [("", _means(predicted))]
    if load is None:
        steps.append(("arrivals", _means(runs.all(likely, calibrated.replayed(found, first)))))
    if isinstance(rest, Spans):
        later = fitted(rest, made[1])
        likely = posterior.drawn(later, workflow, draws, seed)
        steps.append(("drift", _means(runs.all(likely, calibrated.replayed(found, rest) if load is None else source))))
        truth = rest.latencies[~np.isnan(rest.latencies)] * cycles_per_unit
        if truth.size < len(rest.latencies):
            said.append(f"{len(rest.latencies) - truth.size} held-out requests without an end are left out")
        steps.append(("model", _means([truth])))
    else:
        assert isinstance(first, Requests)
        parts = [(each, source if load is not None else calibrated.replayed(found, each)) for each in (first, rest)]
        before, truth = (runs.one(replace(found, requests=each).workflow(workflow), load_) for each, load_ in parts)
        steps += [("sizes", _means([before])), ("drift", _means([truth]))]
    if not truth.size:
        raise ModelError("measured", Words("no held-out request with an end"), "some")
    attrs = {"workflow": workflow.name, "seed": seed, "requests": n, "held_out": n - middle, "warnings": "\n".join(said)}
    return _dataset(predicted, truth, steps).assign_attrs(attrs)


@dataclass(frozen=True)
class _Runs:
    """Simulations of one length on one machine."""

    skeleton: Workflow
    hardware: System
    policy: str | Policy
    requests: int
    seed: int
    threads: int | None

    def one(self, workflow: Workflow, load: Load, at: int = 0, note: bool | Callable[[str], None] = False) -> F64:
        """Return the latencies of one simulation; of a trace no more than it has."""
        most = len(load.arrival_cycles) if isinstance(load, Trace) else self.requests
        count = min(self.requests, most)
        source = load.with_(requests=count)
        return posterior.simulated(workflow, self.hardware, self.policy, source, count, self.seed + at, self.threads, note)

    def all(self, workflows: Sequence[Workflow], load: Load, note: Callable[[str], None] | None = None) -> list[F64]:
        """Return the latencies of each workflow, with draws of its own."""
        return [self.one(each, load, i, note if note is not None and i == 0 else False) for i, each in enumerate(workflows)]


def _means(latencies: list[F64]) -> F64:
    return np.asarray(posterior.summaries(latencies).mean(axis=0))


def _dataset(predicted: list[F64], truth: F64, steps: list[Step]) -> xr.Dataset:
    each, of_each = posterior.summaries(predicted), posterior.quantiles(predicted)
    prediction, measured = steps[0][1], steps[-1][1]
    parts = [(before - after) / measured for (_, before), (_, after) in zip(steps[:-1], steps[1:], strict=True)]
    # as far out as the measured one to either side, itself counted
    above, below = (each >= measured).sum(axis=0), (each <= measured).sum(axis=0)
    p = np.minimum(2.0 * (1.0 + np.minimum(above, below)) / (1.0 + len(each)), 1.0)
    low, high = np.quantile(each, [0.025, 0.975], axis=0, method="weibull")
    q_low, q_high = np.quantile(of_each, [0.025, 0.975], axis=0, method="weibull")
    rows: list[tuple[str, tuple[str, ...], F64, str, str]] = [
        ("measured_cycles", (STATISTIC,), measured, "cycles", "latency of the held-out requests"),
        ("predicted_cycles", (STATISTIC,), prediction, "cycles", "mean over the draws"),
        ("predicted_low_cycles", (STATISTIC,), low, "cycles", "lower end of the predictive interval, 95 %"),
        ("predicted_high_cycles", (STATISTIC,), high, "cycles", "its upper end"),
        ("error", (STATISTIC,), prediction / measured - 1.0, "1", "predicted over measured, less 1"),
        ("error_share", (PART, STATISTIC), np.array(parts), "1", "what one thing more taken as it was takes from the error"),
        ("predictive_p", (STATISTIC,), p, "1", "probability under the calibration of a value as far out as the measured"),
        ("measured_quantile_cycles", (QUANTILE,), np.quantile(truth, QUANTILES), "cycles", "of the held-out requests"),
        ("predicted_quantile_cycles", (QUANTILE,), of_each.mean(axis=0), "cycles", "mean over the draws"),
        ("predicted_quantile_low_cycles", (QUANTILE,), q_low, "cycles", "lower end of the predictive interval, 95 %"),
        ("predicted_quantile_high_cycles", (QUANTILE,), q_high, "cycles", "its upper end"),
    ]
    variables = {name: (dims, values, {"units": unit, "description": what}) for name, dims, values, unit, what in rows}
    axes = {STATISTIC: list(STATISTICS), QUANTILE: QUANTILES, PART: [name for name, _ in steps[1:]]}
    return xr.Dataset(variables, axes)
