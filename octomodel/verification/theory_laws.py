"""The laws of a file of queueing cases: as phase-type times, as moments, as integrated tails."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from octomodel.calibration import queueing as q
from octomodel.verification.theory_rows import Json


def phase_type(law: Json) -> q.PhaseType | None:
    """Return a law of the file as a phase-type time, where it is one."""
    if "exp" in law:
        return q.exponential(1.0 / law["exp"])
    if "ph" in law:
        return q.PhaseType(law["ph"]["alpha"], law["ph"]["T"])
    if "hyper2_scv" in law:
        return q.hyperexponential(law["mean"], law["hyper2_scv"])
    return q.erlang(law["mean"], law["erlang_k"]) if "erlang_k" in law else None


def moments(law: Json) -> tuple[float, float]:
    """Return mean and squared coefficient of variation of a law of the file."""
    phases = phase_type(law)
    if phases is not None:
        return phases.mean, phases.scv
    if "det" in law:
        return float(law["det"]), 0.0
    if "scv" in law:
        return float(law["mean"]), float(law["scv"])
    first, second, _ = raw_moments(law)
    return first, second / first**2 - 1.0


def raw_moments(law: Json) -> tuple[float, float, float]:
    """Return three raw moments of a law that is not phase-type."""
    kind = law["dist"]
    if kind == "gamma":
        k, scale = law["shape"], law["scale"]
        return k * scale, k * (k + 1) * scale**2, k * (k + 1) * (k + 2) * scale**3
    if kind == "weibull":
        found = [law["scale"] ** r * math.gamma(1 + r / law["shape"]) for r in (1, 2, 3)]
    elif kind == "lognormal":
        found = [math.exp(r * law["meanlog"] + r * r * law["sdlog"] ** 2 / 2) for r in (1, 2, 3)]
    else:
        a, low, high = law["alpha"], law["low"], law["high"]
        weight = a * low**a / (1.0 - (low / high) ** a)
        found = [weight * (high ** (r - a) - low ** (r - a)) / (r - a) for r in (1, 2, 3)]
    return found[0], found[1], found[2]


def excess(law: Json) -> Any:
    """Return the integrated tail of a law that is not phase-type."""
    if law["dist"] == "gamma":
        k, scale = law["shape"], law["scale"]
        return lambda x: k * scale * special.gammaincc(k + 1, x / scale) - x * special.gammaincc(k, x / scale)
    if law["dist"] == "weibull":
        k, scale = law["shape"], law["scale"]
        mean = scale * math.gamma(1 + 1 / k)
        return lambda x: mean * special.gammaincc(1 + 1 / k, (x / scale) ** k) - x * np.exp(-((x / scale) ** k))
    a, low, high = law["alpha"], law["low"], law["high"]
    weight = low**a / (1.0 - (low / high) ** a)

    def beyond(x: Any) -> Any:
        y = np.clip(x, low, high)
        first = weight * a * (y ** (1 - a) - high ** (1 - a)) / (a - 1)
        return first - y * weight * (y**-a - high**-a) + np.maximum(low - x, 0.0)

    return beyond
