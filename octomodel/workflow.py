"""A workflow: the program of task blocks and control blocks, request attributes, phases, milestones."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from octomodel import checks, structure
from octomodel import phases as phase_plans
from octomodel import provenance as origin
from octomodel.demand import Expectation, expect, moments
from octomodel.dist import Law
from octomodel.elements import Element, Seq, Series, Task, walk
from octomodel.errors import ModelError
from octomodel.graph import Graph, flatten
from octomodel.phases import PhasePlan
from octomodel.program import seq
from octomodel.provenance import Provenance

if TYPE_CHECKING:
    import networkx

NO_PROVENANCE: Mapping[str, Provenance] = MappingProxyType({})


class Workflow:
    """A workflow, checked and immutable.

    Parameters
    ----------
    name : str
        Name of the workflow.
    *items : element
        What ``task``, ``seq``, ``fork``, ``branch``, ``loop`` and ``select`` return, one after the other.
    attributes : dict, optional
        Request attributes by name: a law, drawn once per request, or a sequence, of which request r has entry
        ``r mod length``.
    phases : PhasePlan, optional
        What ``phases_by_request`` or ``phases_by_time`` returns.
    in_bytes : int
        Payload of a request's token when it is admitted.
    deadline_cycles : int, optional
        From arrival to end.
    milestones : sequence of str
        Tasks whose first completion is recorded for every request.
    description : str
        Free text, for listings.
    provenance : dict of str to Provenance
        Where numbers come from, by their place in files (``"workflow.program[0].time.mean"``); not compared, not
        simulated.

    Raises
    ------
    ModelError
        When a name is used twice or is unknown; there is no task; elements nest more than 64 deep; a loop may
        turn without a task, cannot end or expects more than 10^9 turns; a task expects 2^24 visits per
        request; a value is out of range; a provenance has no place.

    Examples
    --------
    >>> from octomodel.program import branch, task
    >>> step = branch({"hit": 0.9, "miss": 0.1}, hit=task("use", 50), miss=task("fetch", 900))
    >>> wf = Workflow("tiny", task("look", 100), step)
    >>> wf.demand()
    {'look': 100.0, 'use': 45.0, 'fetch': 90.0}
    """

    name: str
    program: Seq
    attributes: Mapping[str, Law | Series]
    phases: PhasePlan | None
    in_bytes: int
    deadline_cycles: int | None
    milestones: tuple[str, ...]
    description: str
    provenance: Mapping[str, Provenance]

    def __init__(
        self,
        name: str,
        *items: Element,
        attributes: Mapping[str, Law | Sequence[float] | NDArray[Any] | Series] | None = None,
        phases: PhasePlan | None = None,
        in_bytes: int = 0,
        deadline_cycles: int | None = None,
        milestones: Sequence[str] = (),
        description: str = "",
        provenance: Mapping[str, Provenance] = NO_PROVENANCE,
    ) -> None:
        path = f"workflow.{checks.name('workflow.name', name)}"
        body = seq(*items)
        structure.check_shape(path, body)
        body = structure.named(body)
        structure.check_names(path, body)
        if phases is not None and not isinstance(phases, PhasePlan):
            raise ModelError(f"{path}.phases", phases, "phases_by_request(...) or phases_by_time(...)")
        if phases is not None:
            body = phase_plans.apply(path, body, phases)
            phases = PhasePlan(phases.by, phases.cycle)
        phase_plans.check(path, body, phases)
        known = structure.attributes(f"{path}.attributes", {} if attributes is None else attributes)
        known = structure.in_order_of_use(path, body, known)
        structure.check_turns(path, body, known, phases.names if phases is not None else ())
        tasks = [element.name for element in walk(body) if isinstance(element, Task)]
        marks = checks.sequence(f"{path}.milestones", milestones, "a list of names of tasks")
        for i, mark in enumerate(marks):
            checks.one_of(f"{path}.milestones[{i}]", mark, tasks)
            if mark in marks[:i]:
                raise ModelError(f"{path}.milestones[{i}]", mark, "each task once")
        if deadline_cycles is not None:
            deadline_cycles = checks.integer(f"{path}.deadline_cycles", deadline_cycles, 1)
        if not isinstance(description, str):
            raise ModelError(f"{path}.description", description, "a text")
        self.__dict__.update(
            name=name,
            program=body,
            attributes=MappingProxyType(known),
            phases=phases,
            in_bytes=checks.integer(f"{path}.in_bytes", in_bytes, 0, 2**48),
            deadline_cycles=deadline_cycles,
            milestones=tuple(marks),
            description=description,
        )
        given = origin.read(f"{path}.provenance", provenance)
        if given:
            origin.check(f"{path}.provenance", given, origin.places(self.to_dict(full=True), "workflow"))
        self.__dict__["provenance"] = MappingProxyType(given)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Workflow cannot be changed; make a new one instead of setting {name}")

    def __getstate__(self) -> dict[str, Any]:
        state = {**self._options(), "name": self.name, "program": self.program}
        return {**state, "provenance": dict(self.provenance)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        views = {key: MappingProxyType(state[key]) for key in ("attributes", "provenance")}
        self.__dict__.update(state, **views)

    def _options(self) -> dict[str, Any]:
        """Return the keyword arguments that make this workflow of its program, without provenance."""
        return {
            "attributes": dict(self.attributes),
            "phases": self.phases,
            "in_bytes": self.in_bytes,
            "deadline_cycles": self.deadline_cycles,
            "milestones": self.milestones,
            "description": self.description,
        }

    def with_(self, **changes: Any) -> Workflow:
        """Return the same program with other keyword arguments of ``Workflow``, or another ``name``.

        The provenance of what changes is dropped.

        Raises
        ------
        ModelError
            When a keyword is unknown or a value is refused.
        """
        options = {"name": self.name, **self._options()}
        for key in changes:
            checks.one_of(f"workflow.{self.name}", key, (*options, "provenance"))
        options.update(changes)
        made = Workflow(options.pop("name"), self.program, **options)
        if self.provenance and "provenance" not in changes:
            before, after = self.to_dict(full=True), made.to_dict(full=True)
            kept = origin.unchanged(self.provenance, before, after, "workflow")
            made.__dict__["provenance"] = MappingProxyType(kept)
        return made

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """Return the task blocks in program order: TB 0, 1, 2 ..."""
        return tuple(element for element in walk(self.program) if isinstance(element, Task))

    @cached_property
    def _graph(self) -> Graph:
        return flatten(self)

    @cached_property
    def _expectations(self) -> dict[str | None, Expectation]:
        return {}

    def graph(self) -> Graph:
        """Return the flat graph, numbered as in rule 1.1."""
        return self._graph

    def visits(self, phase: str | None = None) -> dict[str, float]:
        """Return the mean number of executions of each task per request.

        Parameters
        ----------
        phase : str, optional
            One phase; default: the average over phases, weighted by their lengths.

        Returns
        -------
        dict of str to float
            By task, in program order. Exact when attributes given by laws or samples are used; where a loop
            count follows the product of two continuous laws, to about 1e-4.

        Raises
        ------
        ModelError
            When the workflow has no such phase.
        """
        return dict(self._expect(phase).visits)

    def demand(self, phase: str | None = None) -> dict[str, float]:
        """Return the mean cycles of each task per request, on one PEA at speed 1; as ``visits``."""
        return dict(self._expect(phase).demand)

    def _expect(self, phase: str | None) -> Expectation:
        if phase is not None:
            checks.one_of(
                f"workflow.{self.name}.phase", phase, self.phases.names if self.phases is not None else ()
            )
        if phase not in self._expectations:
            self._expectations[phase] = expect(self, phase)
        return self._expectations[phase]

    def to_dict(self, *, full: bool = False) -> dict[str, Any]:
        """Return the workflow as plain data, the form it has in a file, without provenance.

        Parameters
        ----------
        full : bool
            Whether what has its default is written out instead of left out.
        """
        from octomodel.plain import workflow_to_dict

        return workflow_to_dict(self, full)

    @classmethod
    def from_dict(cls, data: object, path: str = "workflow") -> Workflow:
        """Return the workflow that ``to_dict`` described; errors begin with ``path``."""
        from octomodel.plain import workflow_from_dict

        return workflow_from_dict(data, path)

    @classmethod
    def from_networkx(cls, graph: networkx.DiGraph[Any], name: str, **options: Any) -> Workflow:
        """Return the workflow of a structured flat graph; see ``octomodel.graph_networkx``.

        Parameters
        ----------
        graph : networkx.DiGraph or MultiDiGraph
            With the attributes that ``Graph.to_networkx`` writes.
        name : str
            Name of the workflow.
        **options
            ``attributes``, ``phases`` and the other keyword arguments of ``Workflow``.

        Raises
        ------
        ModelError
            When the graph does not reduce to a program, naming the edge, or a value is refused.
        """
        from octomodel.graph_networkx import reduce

        return cls(name, reduce(graph), **options)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Workflow):
            return False
        return (self.name, self.program, self._options()) == (other.name, other.program, other._options())

    def __hash__(self) -> int:
        return hash((self.name, self.in_bytes, self.milestones, len(self.tasks)))

    def __repr__(self) -> str:
        return f"Workflow({self.name!r}, {len(self.tasks)} tasks, {len(self._graph.nodes)} nodes)"

    def _repr_html_(self) -> str:
        from octomodel.graph_svg import svg

        expectation = self._expect(None)
        rows = []
        for task in self.tasks:
            mean, cv = moments(self, task.time)
            visits, demand = expectation.visits[task.name], expectation.demand[task.name]
            cells = (task.kind, f"{mean:,.6g}", f"{cv:.3g}", f"{visits:.4g}", f"{demand:,.6g}")
            rows.append(
                f"<tr><th>{html.escape(task.name)}</th>"
                + "".join(f"<td>{cell}</td>" for cell in cells)
                + "</tr>"
            )
        head = "".join(
            f"<th>{title}</th>" for title in ("task", "kind", "mean cycles", "CV", "visits", "demand")
        )
        total = f"{sum(expectation.demand.values()):,.6g} cycles per request"
        caption = f"{html.escape(self.name)}: {len(self.tasks)} tasks, {total}"
        drawn = f'<div style="overflow-x:auto">{svg(self)}</div>'
        return f"{drawn}<table><caption>{caption}</caption><tr>{head}</tr>{''.join(rows)}</table>"
