"""Queueing theory beside simulation: what ``octomodel compare --theory`` adds."""

from __future__ import annotations

import math
from typing import Any

import xarray as xr

from octomodel.cli_predict import data
from octomodel.cli_show import cycles, print_table
from octomodel.errors import ModelError
from octomodel.hardware import System
from octomodel.load import Load
from octomodel.theory import predict
from octomodel.variables import POLICY, REPLICATION
from octomodel.variables_study import WORKFLOW
from octomodel.workflow import Workflow

STATIC = "static"


def beside(found: xr.Dataset, workflow: Workflow, system: System, load: Load) -> dict[str, Any]:
    """Return what theory says of ``static``, beside the steady part of its simulation.

    Parameters
    ----------
    found : xarray.Dataset
        A study of the workflow with the policy ``static``.
    workflow, system, load
        What was simulated.

    Returns
    -------
    dict
        ``throughput_per_cycle`` and ``latency_mean_cycles``, each with ``theory``, ``simulated``, ``error`` (theory over
        simulated, less 1), ``method``, ``exactness`` and ``assumptions_ok``, None for what is not known; or only ``refused``, the
        reason why theory has no answer.
    """
    try:
        said = data(predict(workflow, system, STATIC, load))
    except ModelError as error:
        return {"refused": str(error)}
    one = found.sel({WORKFLOW: workflow.name, POLICY: STATIC})
    short = any(str(text) for text in one["steady_warning"].values)
    pairs = (
        ("throughput_per_cycle", said["throughput_per_cycle"], "steady_throughput_per_cycle"),
        ("latency_mean_cycles", said["latency_cycles"]["mean"], "steady_latency_cycles"),
    )
    return {name: _pair(theory, math.nan if short else float(one[of].mean(REPLICATION))) for name, theory, of in pairs}


def _pair(theory: dict[str, Any], simulated: float) -> dict[str, Any]:
    value = theory["value"]
    known = value is not None and not math.isnan(simulated)
    return {
        "theory": value,
        "simulated": None if math.isnan(simulated) else simulated,
        "error": value / simulated - 1 if known else None,
        **{name: theory[name] for name in ("method", "exactness", "assumptions_ok")},
    }


def print_beside(said: dict[str, Any]) -> None:
    """Print what ``beside`` returned as a table, or the reason why there is none."""
    if "refused" in said:
        print(f"theory has no answer: {said['refused']}")
        return
    rows = [
        (
            name.replace("_", " "),
            *("-" if each[key] is None else _text(each[key]) for key in ("theory", "simulated")),
            "-" if each["error"] is None else f"{each['error']:+.1%}",
            *(each["exactness"], "yes" if each["assumptions_ok"] else "no", each["method"]),
        )
        for name, each in said.items()
    ]
    head = ("static", "theory", "simulated", "error", "exactness", "relied on", "method")
    print_table("queueing theory beside the steady part", head, rows)


def _text(value: float) -> str:
    return cycles(value) if value >= 1 else f"{value:.4g}"
