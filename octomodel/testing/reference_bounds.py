"""The bounds by walking every request in plain Python, a branch at a time (rules 10)."""

from __future__ import annotations

from fractions import Fraction

from octomodel.kernels.model import AGAIN, BRANCH, COUNT, END, FORK, JOIN, SELECT, TASK, Model
from octomodel.testing.reference_draws import Draws


def reference_bounds(model: Model) -> dict[str, float]:
    """Return work_bound, path_bound and fluid_bound of a model, in cycles.

    Parameters
    ----------
    model : Model
        As lowered; its horizon and policy do not matter.

    Returns
    -------
    dict
        The three bounds by name; exact for any number of different speeds.
    """
    program, machine, load, _ = model
    live = [speed for speed, dead in zip(machine.tbu_speed.tolist(), machine.tbu_dead.tolist(), strict=True) if not dead]
    draws = Draws(program, load)
    work, paths, longest = Fraction(0), 0, 0
    for number, arrival in zip(load.source_request.tolist(), load.source_arrival.tolist(), strict=True):
        request = _Request(model, draws, number, sorted(set(live)))
        path = request.path(0, len(program.node_kind) - 1)
        work += request.work
        paths += path
        longest = max(longest, path if load.closed else arrival + path)
    work_bound = work / sum(map(Fraction, live))
    path_bound = Fraction(longest)
    windows = machine.pipeline_window.tolist()
    if load.closed and min(windows) >= 0:
        path_bound = max(path_bound, Fraction(paths, sum(windows)))
    return {
        "work_bound": float(work_bound),
        "path_bound": float(path_bound),
        "fluid_bound": float(max(work_bound, path_bound)),
    }


class _Request:
    """One request: where it goes, how long that takes at the fastest, what it costs at the least."""

    def __init__(self, model: Model, draws: Draws, number: int, speeds: list[float]) -> None:
        self.program, self.decision_cycles = model.program, model.machine.decision_cycles
        self.draws, self.number, self.speeds = draws, number, speeds
        self.phase = int(model.load.request_phase[number]) if len(model.load.request_phase) else 0
        self.attributes = self.draws.attributes(number)
        self.visits: dict[int, int] = {}
        self.counters: dict[int, int] = {}
        self.work = Fraction(0)

    def path(self, node: int, stop: int) -> int:
        """Return the cycles from reaching one node to reaching another, through all branches of the forks between."""
        t = 0
        while node != stop:
            edges = self.program.edge_node[self.program.edge_indptr[node] : self.program.edge_indptr[node + 1]].tolist()
            kind = self.program.node_kind[node]
            assert kind not in (JOIN, END)
            self.visits[node] = visit = self.visits.get(node, 0) + 1
            if kind == TASK:
                t += self.run(node, visit)
                node = edges[0]
            elif kind in (FORK, SELECT):
                if kind == SELECT:
                    t += self.decision_cycles
                    edges = self.selected(node, visit, edges)
                join = int(self.program.node_join[node])
                t += max(self.path(first, join) for first in edges)
                node = int(self.program.edge_node[self.program.edge_indptr[join]])
            else:
                t += self.decision_cycles
                node = edges[self.choice(node, visit)]
        return t

    def run(self, node: int, visit: int) -> int:
        """Return the cycles of an execution at the fastest, and add the least work that any speed makes of it."""
        speedup = float(self.program.task_speedup[self.program.node_task[node]])
        key = (self.number, self.phase, node, visit, self.attributes)
        cycles = [self.draws.run_cycles(*key, speedup * speed) for speed in self.speeds]
        self.work += min(n * Fraction(speed) for n, speed in zip(cycles, self.speeds, strict=True))
        return cycles[-1]

    def selected(self, node: int, visit: int, edges: list[int]) -> list[int]:
        """Return the first nodes of the branches a SELECT draws."""
        drawn = self.draws.selection(self.number, self.phase, node, visit)
        if self.program.node_items[node] > 1:
            ends = [*edges[1:], int(self.program.node_join[node])]
            for end, items in zip(ends, drawn, strict=True):
                self.counters[int(self.program.node_loop[end - 1])] = items
        return [first for first, items in zip(edges, drawn, strict=True) if items]

    def choice(self, node: int, visit: int) -> int:
        """Return which edge a BRANCH, AGAIN, COUNT or UNTIL takes."""
        kind, loop = self.program.node_kind[node], int(self.program.node_loop[node])
        if kind in (BRANCH, AGAIN):
            return self.draws.branch(self.number, self.phase, node, visit)
        if kind == COUNT:
            turns = self.draws.count(self.number, self.phase, node, visit, self.attributes)
            self.counters[loop] = turns
            return 0 if turns > 0 else 1
        self.counters[loop] -= 1
        return 0 if self.counters[loop] > 0 else 1
