"""Estimation of a workflow's distributions, frequencies and arrivals from measurements."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .arrivals import dispersion_curve as dispersion_curve
    from .arrivals import fit_arrivals as fit_arrivals
    from .branching import dirichlet_multinomial as dirichlet_multinomial
    from .branching import frequencies as frequencies
    from .branching import homogeneous as homogeneous
    from .calibrate import Calibration as Calibration
    from .calibrate import fit as fit
    from .changes import change_points as change_points
    from .chrome import read_chrome as read_chrome
    from .loops import fit_loop as fit_loop
    from .mmpp import fit_mmpp2 as fit_mmpp2
    from .otlp import read_otlp as read_otlp
    from .tables import read_decisions as read_decisions
    from .tables import read_pylot as read_pylot
    from .tables import read_spans as read_spans
    from .times import fit_time as fit_time
    from .trace import read_azure_llm as read_azure_llm

_LAZY = {
    "Calibration": "calibrate",
    "change_points": "changes",
    "dirichlet_multinomial": "branching",
    "dispersion_curve": "arrivals",
    "fit": "calibrate",
    "fit_arrivals": "arrivals",
    "fit_loop": "loops",
    "fit_mmpp2": "mmpp",
    "fit_time": "times",
    "frequencies": "branching",
    "homogeneous": "branching",
    "read_azure_llm": "trace",
    "read_chrome": "chrome",
    "read_decisions": "tables",
    "read_otlp": "otlp",
    "read_pylot": "tables",
    "read_spans": "tables",
}
"""Public names and their modules, loaded when first used: the readers of traces need none of what the fits import."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'octomodel.calibration' has no attribute {name!r}")
    value = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
