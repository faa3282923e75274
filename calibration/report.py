"""What a calibration found, as plain data and as text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .calibrate import Calibration
    from .regression import Regression


def facts(found: Calibration) -> dict[str, Any]:
    """Return what was found as plain data, ready for JSON.

    Parameters
    ----------
    found : Calibration

    Returns
    -------
    dict
        ``cycles_per_unit``, ``requests``, and lists ``tasks``, ``regressions``, ``blocks``, ``loops`` and
        ``attributes``; ``arrivals`` or None.
        Times are in the unit of the tables; numbers that are not known are None.
    """
    return {
        "cycles_per_unit": found.cycles_per_unit,
        "requests": len(found.requests),
        "tasks": [_task(found, name) for name in found.times],
        "regressions": [_regression(name, each) for name, each in found.regressions.items()],
        "blocks": [_block(found, name) for name in found.blocks],
        "loops": [_loop(found, name) for name in found.loops],
        "attributes": [_attribute(name, each) for name, each in found.requests.attributes.items()],
        "arrivals": _arrivals(found),
    }


def text(found: Calibration) -> str:
    """Return what was found as text: tasks, blocks, loops, attributes and arrivals, each with its verdict."""
    lines = []
    if found.times:
        lines = [f"{'task':<24}{'ends':>8}{'open':>6}{'late':>6}{'mean':>12}{'CV':>7}{'lag 1':>7}  verdict"]
    for name, time in found.times.items():
        head = f"{name:<24}{time.ends:>8}{time.unfinished:>6}{time.late:>6}"
        lines.append(f"{head}{time.law.mean:>12.6g}{time.law.cv:>7.3f}{time.autocorrelation:>7.2f}  {time.verdict}")
    for name, by in found.regressions.items():
        base, slope = (f"{each.estimate:.6g} [{each.low:.6g}, {each.high:.6g}]" for each in (by.base, by.slope))
        line = f"{name}: {base} + {slope} x {by.line.attribute}, R^2 {by.r_squared:.3f}"
        lines.append(f"{line}, noise of CV {by.noise.law.cv:.3f}: {by.noise.verdict}; {by.verdict}")
    for name, block in found.blocks.items():
        low, high = block.frequencies.interval()
        parts = zip(block.names, block.frequencies.mean, low, high, strict=True)
        shares = ", ".join(f"{choice} {p:.3f} [{a:.3f}, {b:.3f}]" for choice, p, a, b in parts)
        drift = f"; frequencies change at {', '.join(f'{t:g}' for t in block.changed_at)}" if block.changed_at else ""
        lines.append(f"{name}: {shares}; over-dispersion {block.frequencies.overdispersion:.3f}{drift}")
    for name, loop in found.loops.items():
        lines.append(f"{name}: turns {loop.count.mean:.3f} on average, {loop.family}")
    for name, values in found.requests.attributes.items():
        each = _attribute(name, values)
        spread = "" if each["cv"] is None else f", CV {each['cv']:.3f}"
        lines.append(f"{name}: mean {each['mean']:.6g}{spread}, median {each['p50']:g}, largest {each['max']:g}")
    if found.arrivals is not None:
        lines.append(f"arrivals: {found.arrivals.rate:.6g} per unit of time; {found.arrivals.verdict}")
    return "\n".join(lines)


def _task(found: Calibration, name: str) -> dict[str, Any]:
    time = found.times[name]
    low, median, high = time.law.quantile(np.array([0.05, 0.5, 0.99])).tolist()
    return {
        "task": name,
        "ends": time.ends,
        "unfinished": time.unfinished,
        "late": time.late,
        "mean": time.law.mean,
        "cv": time.law.cv,
        "p5": low,
        "p50": median,
        "p99": high,
        "autocorrelation": _number(time.autocorrelation),
        "family": time.family,
        "kolmogorov_p": _number(time.kolmogorov.p),
        "anderson_p": _number(time.anderson.p),
        "verdict": time.verdict,
    }


def _regression(task: str, found: Regression) -> dict[str, Any]:
    limits = {
        f"{key}{end}": value
        for key, each in (("base", found.base), ("slope", found.slope))
        for end, value in (("", each.estimate), ("_low", each.low), ("_high", each.high))
    }
    return {
        "task": task,
        "attribute": found.line.attribute,
        **limits,
        "noise_family": found.noise.family,
        "noise_cv": found.noise.law.cv,
        "noise_verdict": found.noise.verdict,
        "r_squared": _number(found.r_squared),
        "slope_p": _number(found.slope_p),
        "left": _number(found.left),
        "left_p": _number(found.left_p),
        "verdict": found.verdict,
    }


def _block(found: Calibration, name: str) -> dict[str, Any]:
    block = found.blocks[name]
    low, high = block.frequencies.interval()
    columns = (block.frequencies.counts, block.frequencies.mean, low, high)
    keys = ("choice", "count", "probability", "low", "high")
    rows = zip(block.names, *(column.tolist() for column in columns), strict=True)
    return {
        "block": name,
        "choices": [dict(zip(keys, row, strict=True)) for row in rows],
        "overdispersion": block.frequencies.overdispersion,
        "changed_at": list(block.changed_at),
    }


def _loop(found: Calibration, name: str) -> dict[str, Any]:
    loop, entries = found.loops[name], int(found.turns[name].size)
    return {"loop": name, "entries": entries, "family": loop.family, "turns": loop.count.mean, "again": loop.again}


def _arrivals(found: Calibration) -> dict[str, Any] | None:
    arrivals = found.arrivals
    if arrivals is None:
        return None
    return {
        "family": arrivals.family,
        "rate": arrivals.rate,
        "low": arrivals.low,
        "high": arrivals.high,
        "gaps_cv": arrivals.gaps.law.cv,
        "exponential_p": _number(arrivals.exponential_p),
        "correlation": _number(arrivals.correlation),
        "correlation_p": _number(arrivals.correlation_p),
        "verdict": arrivals.verdict,
    }


def _attribute(name: str, values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    mean, spread = float(values.mean()), float(values.std())
    median, high = np.quantile(values, [0.5, 0.99]).tolist()
    centred = values - mean
    whole = float(centred @ centred)
    lag = float(centred[1:] @ centred[:-1]) / whole if whole > 0.0 else math.nan
    return {
        "attribute": name,
        "requests": int(values.size),
        "mean": mean,
        "cv": _number(spread / mean if mean else math.nan),
        "p50": median,
        "p99": high,
        "max": float(values.max()),
        "autocorrelation": _number(lag),
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
