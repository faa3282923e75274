"""Arguments of another kind than they should be, among them names of presets, refused with what makes the right one."""

from __future__ import annotations

from octomodel.errors import ModelError
from octomodel.hardware import System
from octomodel.load import Load
from octomodel.mapping import Mapping
from octomodel.workflow import Workflow


def check(workflow: object, hardware: object, load: object, placement: object) -> None:
    """Refuse what is no workflow, machine, load or mapping; load and mapping may be None.

    Raises
    ------
    ModelError
        For the first that is of another kind.
    """
    for name, value, kind, allowed in (
        ("workflow", workflow, Workflow, "a Workflow, such as octomodel.workflow('early_exit')"),
        ("hardware", hardware, System, "a System, such as octomodel.hardware('chip_64c')"),
        ("load", load, Load | None, "a load, such as octomodel.closed() or octomodel.poisson(rate=1e-6)"),
        ("placement", placement, Mapping | None, "what octomodel.mapping.make(workflow, hardware) returns"),
    ):
        if not isinstance(value, kind):
            raise ModelError(name, value, allowed)
