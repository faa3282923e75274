"""A workflow from a recorded graph, and what became of its dependencies."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Literal

from octomodel import checks
from octomodel.elements import Element
from octomodel.errors import ModelWarning
from octomodel.importers.dag import Dag
from octomodel.importers.series_parallel import Levels, Parallel, Tree, path_cycles, reduced, tree
from octomodel.program import fork, seq, task
from octomodel.workflow import Workflow

Mode = Literal["refuse", "levels"]
MODES: tuple[Mode, ...] = ("refuse", "levels")
LONGEST_NAME = 64
_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True)
class Imported:
    """A workflow made of a recorded graph.

    Attributes
    ----------
    workflow : Workflow
        One task block for each recorded task.
    dependencies : int
        That stand in the file.
    implied : int
        Of these, those that follow from others; they are left out without a change of meaning.
    regions : int
        Groups of tasks that were not series-parallel, or in more than eight forks, and became levels.
    added : int
        Dependencies that the barriers between neighbouring levels add.
    recorded_path_cycles, path_cycles : float
        The longest chain of tasks that wait for each other, as recorded and in the workflow.
    """

    workflow: Workflow
    dependencies: int
    implied: int
    regions: int
    added: int
    recorded_path_cycles: float
    path_cycles: float

    @property
    def told(self) -> str:
        """Return in a sentence what the barriers cost; empty where there are none."""
        if not self.regions:
            return ""
        # zero over zero: a graph of tasks without a duration
        longer = self.path_cycles / self.recorded_path_cycles if self.recorded_path_cycles else 1.0
        return (
            f"workflow.{self.workflow.name}: barriers between levels of tasks add {self.added:,} to the {self.dependencies:,} "
            f"recorded dependencies; the longest chain takes {self.path_cycles:,.6g} cycles instead of "
            f"{self.recorded_path_cycles:,.6g}, {longer:.4g} times as many"
        )


def build(dag: Dag, name: str, mode: str, *, in_bytes: int = 0, description: str = "") -> Imported:
    """Return the workflow of a recorded graph.

    Parameters
    ----------
    dag : Dag
    name : str
        Of the workflow; characters that names may not have become underscores.
    mode : {"refuse", "levels"}
        What happens to tasks that are not series-parallel: an error, or barriers between their levels.
    in_bytes : int
    description : str

    Raises
    ------
    ModelError
        When the graph is not series-parallel and shall be, or something in it is out of range.
    """
    checks.one_of("series_parallel", mode, MODES)
    levels = Levels(dag)
    found = reduced(dag) if mode == "refuse" else tree(dag, levels)
    names, configs = Names(), Names()
    tasks = [
        task(
            names.fresh(each.key),
            each.cycles,
            out_bytes=checks.integer(f"{each.place}.out_bytes", each.out_bytes, 0, 2**48),
            config=configs.of(each.type),
            kind=each.kind,
        )
        for each in dag.tasks
    ]

    def element(part: Tree) -> Element:
        if isinstance(part, int):
            return tasks[part]
        inner = [element(each) for each in part.parts]
        return fork(*inner) if isinstance(part, Parallel) else seq(*inner)

    workflow = Workflow(Names().fresh(name), element(found), in_bytes=in_bytes, description=description)
    kept = sum(map(len, dag.covers))
    return Imported(
        workflow,
        dependencies=dag.n_edges,
        implied=dag.n_edges - kept,
        regions=levels.regions,
        added=levels.added,
        recorded_path_cycles=dag.critical_path_cycles,
        path_cycles=path_cycles(dag, found),
    )


def warned(found: Imported) -> Workflow:
    """Return the workflow alone, with a warning of what barriers cost."""
    if found.told:
        warnings.warn(found.told, ModelWarning, stacklevel=3)
    return found.workflow


class Names:
    """Names made of texts: other characters become underscores, and a number tells apart what would be equal."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.counts: dict[str, int] = {}
        self.known: dict[str, str] = {}

    def of(self, text: str) -> str:
        """Return the name of a text, the same each time."""
        if text not in self.known:
            self.known[text] = self.fresh(text)
        return self.known[text]

    def fresh(self, text: str) -> str:
        """Return a name that was not given before.

        Examples
        --------
        >>> names = Names()
        >>> names.fresh("aten::mm"), names.fresh("aten:;mm"), names.fresh("7")
        ('aten__mm', 'aten__mm_2', 't7')
        """
        plain = _NO_NAME.sub("_", text)
        plain = plain if plain[:1].isalpha() else f"t{plain}"
        first = name = _shortened(plain, "")
        while name in self.used:
            self.counts[first] = self.counts.get(first, 1) + 1
            name = _shortened(plain, f"_{self.counts[first]}")
        self.used.add(name)
        return name


def _shortened(plain: str, ending: str) -> str:
    """Return a text with an ending, its middle cut out where it is too long: what tells it apart stands at its ends."""
    room = LONGEST_NAME - len(ending)
    if len(plain) > room:
        tail = room // 2 - 1
        plain = f"{plain[: room - tail - 1]}_{plain[-tail:]}"
    return f"{plain}{ending}"
