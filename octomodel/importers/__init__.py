"""Task graphs recorded by others as workflows: Chakra execution traces and WfCommons instances, both in JSON.

A recorded graph has dependencies between tasks and nothing else: no choices, no loops. It is a workflow if it is
series-parallel, each fork closed by one join; ``docs/imports.md`` says what is kept and what is not.
"""

from __future__ import annotations

from octomodel.importers.build import Imported
from octomodel.importers.chakra import from_chakra, read_chakra
from octomodel.importers.wfcommons import from_wfcommons, read_wfcommons

__all__ = ["Imported", "from_chakra", "from_wfcommons", "read_chakra", "read_wfcommons"]
