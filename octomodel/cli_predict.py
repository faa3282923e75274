"""What ``octomodel predict`` does and prints."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from octomodel import cli_input
from octomodel.cli_show import cycles, print_table

if TYPE_CHECKING:
    import xarray as xr


def predict(
    workflow: str, *, hardware: str | None, load: str | None, settings: Sequence[str], out: str | None, as_json: bool
) -> int:
    """Predict what a command line asks for, print it, then save it; return the exit code 0.

    Raises
    ------
    ModelError
        When a word of the command line is refused, or theory has no answer.
    OSError
        When the prediction cannot be written.
    """
    from octomodel.theory import predict as of_theory

    target = cli_input.out(out)
    changed = cli_input.changes(settings)
    document = cli_input.workflow(workflow)
    assert document.workflow is not None
    system = cli_input.hardware(hardware, document, changed)
    described = cli_input.with_changes(document.workflow, system, changed)
    found = of_theory(described, system, load=cli_input.load(load, workflow, document, system, changed, None))
    if as_json:
        print(json.dumps(data(found), indent=2, allow_nan=False))
    else:
        print_prediction(found)
    if target is not None:
        found.octo.save(target)
        if not as_json:
            print(f"written to {target}")
    return 0


def data(found: xr.Dataset) -> dict[str, Any]:
    """Return a prediction as plain data.

    Parameters
    ----------
    found : xarray.Dataset
        From ``octomodel.predict``, at one rate.

    Returns
    -------
    dict
        Each value with ``value``, ``method``, ``exactness`` and ``assumptions_ok``: ``throughput_per_cycle``, its upper bound,
        ``latency_cycles`` by statistic, its lower bound; ``bottleneck``; ``tasks``: by task the busiest of its stations. What is
        infinite, for want of a steady state, is None.
    """
    statistics = found.statistic.values.tolist()
    return {
        "workflow": found.attrs["workflow"],
        "policy": str(found.policy.values),
        "throughput_per_cycle": _value(found, "throughput_per_cycle"),
        "throughput_bound_per_cycle": _value(found, "throughput_bound_per_cycle"),
        "latency_cycles": {name: _value(found, "latency_cycles", statistic=name) for name in statistics},
        "latency_bound_cycles": _value(found, "latency_bound_cycles"),
        "bottleneck": str(found.bottleneck.values),
        "tasks": [
            {
                "task": name,
                "utilisation": _number(found.station_utilisation.sel(tb=name).max()),
                "wait_cycles": _number(found.station_wait_cycles.sel(tb=name).max()),
                "refused": _number(found.station_refused.sel(tb=name).max()),
            }
            for name in found.tb.values.tolist()
        ],
    }


def print_prediction(found: xr.Dataset) -> None:
    """Print a prediction as tables, and a sentence where it is not to be relied on.

    Parameters
    ----------
    found : xarray.Dataset
    """
    known = data(found)
    values = {
        "throughput, 1/cycle": known["throughput_per_cycle"],
        "at most": known["throughput_bound_per_cycle"],
        **{f"latency {name}, cycles": value for name, value in known["latency_cycles"].items()},
        "mean without waits": known["latency_bound_cycles"],
    }
    rows = [
        (name, _text(each["value"]), each["exactness"], "yes" if each["assumptions_ok"] else "no", each["method"])
        for name, each in values.items()
    ]
    print_table(f"{known['workflow']}, theory", ("value", "", "exactness", "relied on", "method"), rows, left=1)
    tasks = [
        (each["task"], f"{each['utilisation']:.1%}", _text(each["wait_cycles"]), f"{each['refused']:.2%}")
        for each in known["tasks"]
    ]
    print_table("busiest station of each task", ("task", "busy", "wait, cycles", "slots full"), tasks)
    print(f"bottleneck: {known['bottleneck']}")
    if not all(each["assumptions_ok"] for each in values.values()):
        print("warning: what is not relied on leaves out too much: full slots, the window, changes of phase, or variability")


def _value(found: xr.Dataset, name: str, **where: str) -> dict[str, Any]:
    values = {suffix: found[f"{name}_{suffix}"].sel(where).item() for suffix in ("method", "exactness", "assumptions_ok")}
    value = found[name].sel(where).isel(bound=0) if where else found[name]
    return {"value": _number(value), **values, "assumptions_ok": bool(values["assumptions_ok"])}


def _number(value: xr.DataArray) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _text(number: float | None) -> str:
    if number is None:
        return "no steady state"
    return cycles(number) if number >= 1.0 or number == 0.0 else f"{number:.4g}"
