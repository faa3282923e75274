"""The ideal run by naive event-driven simulation in plain Python integers (rules 11)."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from octomodel.kernels.model import AGAIN, BRANCH, COUNT, END, FORK, JOIN, SELECT, TASK, Model
from octomodel.testing.reference_draws import MODULUS, Draws, mix

Event = tuple[int, int, int, int, int, int, int, int]  # kind, request, node, visit, place, cluster, start, finish
_EXECUTION, _DECISION = 1, 3


@dataclass
class ReferenceIdeal:
    """What one ideal run shows, in cycles.

    Attributes
    ----------
    status
        ``"done"``, or ``"horizon"`` when requests were left.
    elapsed
        Cycle of the last end, or the horizon.
    arrival, end
        By request number, -1 where there was none.
    milestones
        By request number and milestone, less arrival, -1 where not reached.
    tbu
        For each TBU the cycles of the parts of its time split: dead, own, starved, surplus.
    station
        For each (cluster, TB): executions, run_cycles, fresh_taken, fresh_wait.
    decisions, admitted
        By cluster, by pipeline.
    fingerprint
        The two sums of rule 9.4.
    events
        What was summed, in no particular order.
    """

    status: str
    elapsed: int
    arrival: list[int]
    end: list[int]
    milestones: list[list[int]]
    tbu: list[dict[str, int]]
    station: dict[tuple[int, int], dict[str, int]]
    decisions: list[int]
    admitted: list[int]
    fingerprint: tuple[int, int]
    events: list[Event]


@dataclass(eq=False)
class _Request:
    number: int
    phase: int
    pipeline: int
    attributes: list[float]
    visits: dict[int, int] = field(default_factory=dict)
    counters: dict[int, int] = field(default_factory=dict)
    children: dict[int, int] = field(default_factory=dict)  # by JOIN, still to come


@dataclass(eq=False)
class _Tbu:
    index: int
    cluster: int
    place: int
    speed: float
    free_since: int = 0
    work: tuple[_Request, int, int, int] | None = None  # request, node, visit, begin
    cycles: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("dead", "own", "starved", "surplus"), 0))


def run_reference_ideal(model: Model) -> ReferenceIdeal:
    """Simulate a model on the ideal machine, slowly.

    Parameters
    ----------
    model : Model
        As lowered; its mapping and policy do not matter.

    Returns
    -------
    ReferenceIdeal
        Every observable of the run.
    """
    machine = _IdealMachine(model)
    machine.simulate()
    return machine.result()


class _IdealMachine:
    """One queue, one pool, and a clock."""

    def __init__(self, model: Model) -> None:
        program, machine, load, _ = model
        self.model, self.draws = model, Draws(program, load)
        self.now = 0
        self.horizon = int(load.horizon)
        first = machine.cluster_tbu.tolist()
        self.tbus = [
            _Tbu(u, c, u - first[c], speed)
            for u, (c, speed) in enumerate(zip(machine.tbu_cluster.tolist(), machine.tbu_speed.tolist(), strict=True))
        ]
        self.dead = machine.tbu_dead.tolist()
        # Events: (cycle, ordinal, what to do then)
        self.ends: list[tuple[int, int, _Tbu]] = []
        self.effects: list[tuple[int, int, _Request, int, int, int]] = []
        self.waiting: list[tuple[int, int, int, int, _Request]] = []  # ready at, request, node, visit
        sources = list(zip(load.source_indptr.tolist(), load.source_indptr.tolist()[1:], strict=False))
        arrivals, numbers = load.source_arrival.tolist(), load.source_request.tolist()
        self.source = sorted((arrivals[i], numbers[i], pipeline) for pipeline, (a, b) in enumerate(sources) for i in range(a, b))
        windows = machine.pipeline_window.tolist()
        self.room = sum(windows) if load.closed and min(windows) >= 0 else len(self.source)
        n = len(self.source)
        self.arrival, self.end = [-1] * n, [-1] * n
        self.milestones = [[-1] * program.n_milestone for _ in range(n)]
        n_cluster, n_task = len(machine.cluster_cbus), len(program.task_node)
        names = ("executions", "run_cycles", "fresh_taken", "fresh_wait")
        self.station = {(c, tb): dict.fromkeys(names, 0) for c in range(n_cluster) for tb in range(n_task)}
        self.decisions = [0] * n_cluster
        self.admitted = [0] * len(machine.pipeline_home)
        self.events: list[Event] = []
        self.ordinal = 0

    def simulate(self) -> None:
        """Go from due cycle to due cycle, with rounds at each (rule 11.3)."""
        while True:
            due = [self.ends[0][0]] if self.ends else []
            if self.effects:
                due.append(self.effects[0][0])
            if self.source and self.room:
                due.append(max(self.now, self.source[0][0]))
            if not due or min(due) >= self.horizon:
                return
            self.now = min(due)
            while self.ends and self.ends[0][0] == self.now:
                self.finish(heapq.heappop(self.ends)[2])
            while self.effects and self.effects[0][0] == self.now:
                _, _, request, node, visit, since = heapq.heappop(self.effects)
                self.decide(request, node, visit, since)
            while self.source and self.room and self.source[0][0] <= self.now:
                self.admit(*self.source.pop(0))
            while self.waiting and (idle := self.idle()):
                best = max(tbu.speed for tbu in idle)
                self.begin(next(tbu for tbu in idle if tbu.speed == best))

    def idle(self) -> list[_Tbu]:
        return [tbu for tbu in self.tbus if tbu.work is None and not self.dead[tbu.index]]

    def admit(self, arrival: int, number: int, pipeline: int) -> None:
        phases = self.model.load.request_phase
        phase = int(phases[number]) if len(phases) else 0
        self.room -= 1
        self.arrival[number] = self.now
        self.admitted[pipeline] += 1
        self.reach(_Request(number, phase, pipeline, self.draws.attributes(number)), 0)

    def reach(self, request: _Request, node: int) -> None:
        """Let a token reach a node."""
        program = self.model.program
        kind = program.node_kind[node]
        edges = program.edge_node[program.edge_indptr[node] : program.edge_indptr[node + 1]].tolist()
        if kind == JOIN:
            request.children[node] -= 1
            if request.children[node] == 0:
                self.reach(request, edges[0])
            return
        request.visits[node] = visit = request.visits.get(node, 0) + 1
        if kind == END:
            self.end[request.number] = self.now
            self.room += 1
        elif kind == TASK:
            heapq.heappush(self.waiting, (self.now, request.number, node, visit, request))
        elif kind == FORK:
            self.split(request, node, edges)
        elif self.model.machine.decision_cycles == 0:
            self.decide(request, node, visit, self.now)
        else:
            self.ordinal += 1
            effect = self.now + self.model.machine.decision_cycles
            heapq.heappush(self.effects, (effect, self.ordinal, request, node, visit, self.now))

    def split(self, request: _Request, node: int, firsts: list[int]) -> None:
        request.children[int(self.model.program.node_join[node])] = len(firsts)
        for first in firsts:
            self.reach(request, first)

    def decide(self, request: _Request, node: int, visit: int, since: int) -> None:
        """Let a decision take effect."""
        program = self.model.program
        kind, loop = program.node_kind[node], int(program.node_loop[node])
        edges = program.edge_node[program.edge_indptr[node] : program.edge_indptr[node + 1]].tolist()
        home = int(self.model.machine.pipeline_home[request.pipeline])
        self.decisions[home] += 1
        self.events.append((_DECISION, request.number, node, visit, 0, home, since, self.now))
        key = (request.number, request.phase, node, visit)
        if kind == SELECT:
            drawn = self.draws.selection(*key)
            if program.node_items[node] > 1:
                ends = [*edges[1:], int(program.node_join[node])]
                for end, items in zip(ends, drawn, strict=True):
                    request.counters[int(program.node_loop[end - 1])] = items
            self.split(request, node, [first for first, items in zip(edges, drawn, strict=True) if items])
            return
        if kind in (BRANCH, AGAIN):
            edge = self.draws.branch(*key)
        elif kind == COUNT:
            request.counters[loop] = self.draws.count(*key, request.attributes)
            edge = 0 if request.counters[loop] > 0 else 1
        else:
            request.counters[loop] -= 1
            edge = 0 if request.counters[loop] > 0 else 1
        self.reach(request, edges[edge])

    def begin(self, tbu: _Tbu) -> None:
        """Let a TBU run the head of the queue (rule 11.5)."""
        ready, number, node, visit, request = heapq.heappop(self.waiting)
        self.idled(tbu)
        program = self.model.program
        task = int(program.node_task[node])
        station = self.station[tbu.cluster, task]
        station["fresh_taken"] += 1
        station["fresh_wait"] += self.now - ready
        factor = float(program.task_speedup[task]) * tbu.speed
        cycles = self.draws.run_cycles(number, request.phase, node, visit, request.attributes, factor)
        tbu.work = (request, node, visit, self.now)
        self.ordinal += 1
        heapq.heappush(self.ends, (self.now + cycles, self.ordinal, tbu))

    def idled(self, tbu: _Tbu) -> None:
        spell = self.now - tbu.free_since
        starved = min(spell, self.model.machine.surplus_after)
        tbu.cycles["starved"] += starved
        tbu.cycles["surplus"] += spell - starved

    def finish(self, tbu: _Tbu) -> None:
        """End the run of a TBU."""
        assert tbu.work is not None
        request, node, visit, begin = tbu.work
        program = self.model.program
        self.ran(tbu)
        self.station[tbu.cluster, int(program.node_task[node])]["executions"] += 1
        self.events.append((_EXECUTION, request.number, node, visit, tbu.place, tbu.cluster, begin, self.now))
        milestone = program.node_milestone[node]
        if milestone >= 0 and self.milestones[request.number][milestone] < 0:
            self.milestones[request.number][milestone] = self.now - self.arrival[request.number]
        tbu.work, tbu.free_since = None, self.now
        self.reach(request, int(program.edge_node[program.edge_indptr[node]]))

    def ran(self, tbu: _Tbu) -> None:
        assert tbu.work is not None
        _, node, _, begin = tbu.work
        tbu.cycles["own"] += self.now - begin
        self.station[tbu.cluster, int(self.model.program.node_task[node])]["run_cycles"] += self.now - begin

    def result(self) -> ReferenceIdeal:
        """Return what happened, counting what is under way at the end up to the end."""
        done = min(self.end, default=0) >= 0
        self.now = max(self.end, default=0) if done else self.horizon
        for tbu in self.tbus:
            if self.dead[tbu.index]:
                tbu.cycles["dead"] = self.now
            elif tbu.work is None:
                self.idled(tbu)
            else:
                self.ran(tbu)
        return ReferenceIdeal(
            status="done" if done else "horizon",
            elapsed=self.now,
            arrival=self.arrival,
            end=self.end,
            milestones=self.milestones,
            tbu=[tbu.cycles for tbu in self.tbus],
            station=self.station,
            decisions=self.decisions,
            admitted=self.admitted,
            fingerprint=_fingerprint(self.events),
            events=self.events,
        )


def _fingerprint(events: list[Event]) -> tuple[int, int]:
    first = second = 0
    for kind, request, node, visit, place, cluster, start, finish in events:
        a = kind << 60 | node << 40 | visit << 16 | place
        b = request << 24 | cluster
        k1, k2, k3, k4 = 0x2545F4914F6CDD1D, 0x369DEA0F31A53F85, 0x5851F42D4C957F2D, 0x14057B7EF767814F
        h1 = mix((a * k1 + b * k2 + start * k3 + finish * k4) % MODULUS)
        first += h1
        second += (a + start) * (h1 | 1) + b + finish
    return first % MODULUS, second % MODULUS
