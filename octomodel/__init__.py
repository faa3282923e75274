"""octomodel: a model of scale-out spatial machines running dynamic AI workflows.

The tour: describe a workflow (:func:`task`, :func:`branch`, :func:`loop`, :func:`fork`, :func:`select` inside a
:class:`Workflow`) and a machine (:class:`System` or a preset by :func:`hardware`), then :func:`simulate`. What comes
back is an :class:`xarray.Dataset` with an accessor ``.octo``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from octomodel import dist
from octomodel._version import __version__
from octomodel.elements import Series
from octomodel.errors import ModelError, RunError
from octomodel.hardware import System
from octomodel.load import closed, mmpp, periodic, poisson, renewal, trace
from octomodel.mixes import mix
from octomodel.phases import phases_by_request, phases_by_time
from octomodel.program import branch, by_phase, fork, loop, per, select, seq, task
from octomodel.provenance import Provenance
from octomodel.workflow import Workflow

if TYPE_CHECKING:
    import os

    import xarray as xr

    from octomodel.comparison import compare as compare
    from octomodel.engine import simulate as simulate
    from octomodel.heldout import holdout as holdout
    from octomodel.importers import from_chakra as from_chakra
    from octomodel.importers import from_wfcommons as from_wfcommons
    from octomodel.policies import Policy as Policy
    from octomodel.posterior import predictive as predictive
    from octomodel.replaying import replay as replay
    from octomodel.replaying import replay_arrivals as replay_arrivals
    from octomodel.sweeping import sweep as sweep
    from octomodel.theory import predict as predict
    from octomodel.verification import verify as verify

_LAZY = {
    "compare": "octomodel.comparison",
    "from_chakra": "octomodel.importers",
    "from_wfcommons": "octomodel.importers",
    "holdout": "octomodel.heldout",
    "predictive": "octomodel.posterior",
    "predict": "octomodel.theory",
    "simulate": "octomodel.engine",
    "sweep": "octomodel.sweeping",
    "Policy": "octomodel.policies",
    "replay": "octomodel.replaying",
    "replay_arrivals": "octomodel.replaying",
    "verify": "octomodel.verification",
    "mapping": "",
    "calibration": "",
}
"""Public names that are loaded when first used, because what they need takes time to import."""

__all__ = [
    "ModelError",
    "Policy",
    "Provenance",
    "RunError",
    "Series",
    "System",
    "Workflow",
    "__version__",
    "branch",
    "by_phase",
    "closed",
    "compare",
    "dist",
    "fork",
    "hardware",
    "holdout",
    "load",
    "loop",
    "mix",
    "mmpp",
    "per",
    "periodic",
    "phases_by_request",
    "phases_by_time",
    "poisson",
    "predictive",
    "predict",
    "renewal",
    "replay",
    "replay_arrivals",
    "select",
    "seq",
    "simulate",
    "sweep",
    "task",
    "trace",
    "verify",
    "workflow",
]


# Three functions share their name with a module of the package: they are defined after the modules have been imported.


def load(path: str | os.PathLike[str]) -> xr.Dataset:
    """Return a Dataset that ``ds.octo.save`` wrote; see :func:`octomodel.files.load`."""
    from octomodel import accessor_study, files  # noqa: F401  (the accessor registers itself)

    return files.load(path)


def hardware(name: str, **changes: Any) -> System:
    """Return a machine of the library, with changes; see :func:`octomodel.presets.hardware`."""
    from octomodel import presets

    return presets.hardware(name, **changes)


def workflow(name: str, **changes: Any) -> Workflow:
    """Return a workflow of the library, with changes; see :func:`octomodel.presets.workflow`."""
    from octomodel import presets

    return presets.workflow(name, **changes)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'octomodel' has no attribute {name!r}")
    module = _LAZY[name]
    value = getattr(import_module(module), name) if module else import_module(f"octomodel.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
