"""predict(): the question of ``simulate`` answered by queueing theory in milliseconds; labels what the others say."""

from __future__ import annotations

from collections.abc import Mapping as Mappings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.optimize.elementwise import find_root

from octomodel import checks, kinds, mapping, yaml_io, yaml_text
from octomodel._version import __version__
from octomodel.calibration.queueing.general import gamma_cdf, gamma_quantile
from octomodel.errors import ModelError, unknown
from octomodel.hardware import System
from octomodel.load import Closed, Load, closed
from octomodel.mapping import Mapping
from octomodel.policies import Policy, named
from octomodel.theory_answer import Answer, answer_closed, answer_open
from octomodel.theory_labels import Label, labels
from octomodel.theory_machine import Pipelines, arrivals, pipelines
from octomodel.variables import POLICY, TB, make
from octomodel.variables_study import BOUND, STATISTIC
from octomodel.variables_theory import VALUES
from octomodel.workflow import Workflow

F64 = NDArray[np.float64]
RATE = "load.rate"
QUANTILES = (0.5, 0.95, 0.99)


def predict(
    workflow: Workflow,
    hardware: System,
    policy: str | Policy = "static",
    load: Load | None = None,
    *,
    placement: Mapping | None = None,
    quantiles: Sequence[float] | None = None,
    over: Mappings[str, ArrayLike] | None = None,
) -> xr.Dataset:
    """Predict the steady state of a workflow on a machine by queueing theory.

    Parameters
    ----------
    workflow : Workflow
    hardware : System
        Whose mapping gives each pipeline one cluster.
    policy : str or Policy
        ``"static"``.
    load : Load, optional
        ``closed``, ``poisson``, ``periodic``, ``renewal`` or, by mean and variance of its gaps, ``trace``; default: ``closed``,
        with the default window. The number of requests does not matter: a steady state has no end.
    placement : Mapping, optional
        From ``octomodel.mapping``; default: owners in proportion to demand.
    quantiles : sequence of float, optional
        Probabilities inside (0, 1) of quantiles of the latency; default: 0.5, 0.95, 0.99 for an open load, none for a closed one.
    over : mapping of str to array_like, optional
        ``{"load.rate": rates}``: predict at each of these rates, float64[rate] in requests per cycle, instead of that of an open
        load, whose gaps are scaled. All rates are worked out at once.

    Returns
    -------
    xarray.Dataset
        ``throughput_per_cycle`` and ``latency_cycles`` (bound: ``"value"`` only) as in a study of simulations; by cluster and
        task ``station_utilisation``, ``station_wait_cycles``, ``station_refused``; ``throughput_bound_per_cycle``,
        ``latency_bound_cycles`` and ``bottleneck``; with ``over`` the dim ``load.rate`` before them. Beside each value X stand
        ``X_method``, ``X_exactness`` and ``X_assumptions_ok``, 1 or 0; of the latency for each statistic. Without a steady state
        the latency is infinite and ``assumptions_ok`` is 0.

    Raises
    ------
    ModelError
        When theory has no answer for the policy, the load, the mapping, speeds that differ in a station, or a time without a
        variance: the path names the field. When an argument is of another kind or out of range.

    Notes
    -----
    Each task block of a cluster is a station. Open loads: the queueing network analyzer (Whitt 1983). Closed loads: product form,
    corrected by the fixed-population-mean method (Whitt 1984). Forks: the largest of independent times. Quantiles of the latency:
    gamma laws of two moments. Phases: each in its own steady state or, where they change fast, all in that of their mean. Full
    slots, the window and what follows a change of phase are not modelled: their effect is estimated, and ``assumptions_ok`` is 0
    where it is not small.

    Examples
    --------
    >>> import octomodel as om
    >>> one = om.Workflow("one", om.task("only", om.dist.Exponential(1000)))
    >>> found = om.predict(one, om.System(1, 1, tbus=1), load=om.poisson(0.8e-3, in_flight=None))
    >>> found.latency_cycles.sel(bound="value").round().values.tolist()
    [5000.0, 3466.0, 14979.0, 23026.0]
    >>> found.latency_cycles_method.values.tolist()[:2], found.latency_cycles_exactness.values.tolist()[:2]
    (['QNA (Whitt 1983)', 'gamma laws of two moments'], ['exact', 'approximation'])
    >>> found.latency_cycles_assumptions_ok.values.tolist()
    [1, 1, 1, 1]
    """
    from octomodel import accessor  # noqa: F401  (registers itself)

    kinds.check(workflow, hardware, load, placement)
    _check_policy(policy)
    source = closed() if load is None else load
    is_closed = isinstance(source, Closed)
    levels = _levels(quantiles, is_closed)
    rates = _rates(over, source)
    owners = mapping.make(workflow, hardware) if placement is None else placement
    mapping.check_tasks(workflow, owners)
    mapping.check_machine(hardware, owners)
    made = pipelines(workflow, hardware, owners, source)
    if is_closed:
        answer = answer_closed(workflow, hardware, made)
    else:
        given = np.array([arrivals(source).rate]) if rates is None else rates
        answer = answer_open(workflow, hardware, made, source, given)
    return _dataset(workflow, hardware, source, owners, made, answer, levels, rates)


def latency_quantiles(answer: Answer, levels: F64) -> F64:
    """Return quantiles of the latency, float64[case, level]: of a mixture of gamma laws with the moments of its parts."""
    weight, mean, var = (each[:, None, :] for each in (answer.share, answer.mean, answer.var))
    with np.errstate(invalid="ignore", divide="ignore"):
        scv = var / mean**2
    alone = gamma_quantile(mean, scv, levels[None, :, None])
    # parts without requests count for nothing
    low, high = np.where(weight > 0.0, alone, np.inf).min(axis=-1), np.where(weight > 0.0, alone, 0.0).max(axis=-1)
    apart = np.isfinite(high) & (high > low * (1.0 + 1e-9))
    if not apart.any():
        return np.where(np.isfinite(high), high, np.inf)
    case = np.nonzero(apart)[0]
    w, m, c = (np.broadcast_to(each, (*apart.shape, each.shape[-1]))[apart] for each in (weight, mean, scv))
    want = np.broadcast_to(levels, apart.shape)[apart]
    index = np.arange(len(case), dtype=np.float64)

    def surplus(x: F64, i: F64) -> F64:
        rows = i.astype(np.int64)
        return np.asarray((w[rows] * gamma_cdf(m[rows], c[rows], x[:, None])).sum(axis=-1) - want[rows])

    found = np.where(np.isfinite(high), high, np.inf)
    found[apart] = find_root(surplus, (0.999 * low[apart], 1.001 * high[apart]), args=(index,), tolerances={"xrtol": 1e-6}).x
    return found


def _dataset(
    workflow: Workflow,
    system: System,
    load: Load,
    owners: Mapping,
    made: Pipelines,
    answer: Answer,
    levels: F64,
    rates: F64 | None,
) -> xr.Dataset:
    """Return an answer labelled as the registry says."""
    with np.errstate(invalid="ignore"):
        statistics = [(np.where(answer.share > 0.0, answer.share * answer.mean, 0.0)).sum(axis=-1)]
    floor = (answer.share * answer.floor).sum(axis=-1)
    if len(levels):
        statistics.extend(latency_quantiles(answer, levels).T)
    busiest = (answer.utilisation * (made.share > 0.0)[:, None]).max(axis=1).argmax(axis=-1)
    names = np.array([task.name for task in workflow.tasks])
    values: dict[str, NDArray[Any]] = {
        "throughput_per_cycle": answer.throughput,
        "latency_cycles": np.stack(statistics, axis=-1)[..., None],
        "station_utilisation": _stations(answer.utilisation, owners, made),
        "station_wait_cycles": _stations(answer.wait, owners, made),
        "station_refused": _stations(answer.refused, owners, made),
        "throughput_bound_per_cycle": answer.most,
        "latency_bound_cycles": floor,
        "bottleneck": names[busiest],
    }
    said = labels(workflow, system, load, made, answer)
    n = len(answer.throughput)
    for name, dims, *_ in VALUES:
        found = [said[name]]
        if STATISTIC in dims:
            found += [said["latency_quantiles"]] * len(levels)
        for suffix, each in _companions(found, n).items():
            values[f"{name}_{suffix}"] = each if STATISTIC in dims else each[:, 0]
    data = {}
    for name, array in values.items():
        one = make(name, array[0], ())
        data[name] = one if rates is None else xr.Variable((RATE, *one.dims), array, one.attrs)
    coords = {
        POLICY: make(POLICY, np.array("static")),
        STATISTIC: make(STATISTIC, np.array(["mean", *(f"p{100 * q:g}" for q in levels.tolist())])),
        BOUND: make(BOUND, np.array(["value"])),
        TB: make(TB, names),
    }
    if rates is not None:
        coords[RATE] = xr.Variable((RATE,), rates, {"units": "1/cycle", "description": "requests per cycle"})
    document = yaml_io.Document(workflow=workflow, hardware=system, load=load)
    attrs = {"version": __version__, "workflow": workflow.name, "clock_hz": float(system.clock_hz)}
    return xr.Dataset(data, coords, attrs | {"configuration": yaml_text.dump(yaml_io.to_dict(document))})


def _stations(values: F64, owners: Mapping, made: Pipelines) -> F64:
    """Return [case, kind, tb] as [case, cluster, tb]."""
    return np.where(owners.alloc > 0, values[:, made.of_cluster], np.nan)


def _companions(found: Sequence[Label], n: int) -> dict[str, NDArray[Any]]:
    """Return method, exactness and flag of some statistics of n cases, each [case, statistic]."""
    return {
        "method": np.array([[each.method for each in found]] * n),
        "exactness": np.array([[each.exactness for each in found]] * n),
        "assumptions_ok": np.stack([np.broadcast_to(each.assumptions_ok, n) for each in found], axis=-1).astype(np.int64),
    }


def _check_policy(policy: str | Policy) -> None:
    name = policy if isinstance(policy, str) else policy.name
    if name == "ideal" or named(policy).name != "static":
        raise ModelError("policy", name, "static: theory has no answer for policies that lend, route or change owners")


def _levels(quantiles: Sequence[float] | None, is_closed: bool) -> F64:
    if quantiles is None:
        return np.array(() if is_closed else QUANTILES)
    if is_closed and len(quantiles):
        raise ModelError("quantiles", list(quantiles), "none for a closed load: theory gives its mean latency only")
    found = [checks.real(f"quantiles[{i}]", q, 0.0, 1.0, above=True) for i, q in enumerate(quantiles)]
    for i, q in enumerate(found):
        if q == 1.0:
            raise ModelError(f"quantiles[{i}]", q, "probabilities below 1")
    return np.array(found)


def _rates(over: Mappings[str, ArrayLike] | None, load: Load) -> F64 | None:
    if over is None:
        return None
    for key in checks.mapping("over", over):
        if key != RATE:
            raise unknown("over", key, [RATE])
    if not over or isinstance(load, Closed):
        raise ModelError("over", list(over), f"{RATE} and an open load, such as octomodel.poisson(rate=1e-6)")
    rates = np.asarray(over[RATE], dtype=np.float64)
    if rates.ndim != 1 or not len(rates) or not (np.isfinite(rates) & (rates > 0.0)).all():
        raise ModelError(f"over.{RATE}", over[RATE], "a list of rates above 0, in requests per cycle")
    return rates
