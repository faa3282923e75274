"""From tables of spans and decisions to a workflow with measured laws and frequencies, and to draws of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from octomodel import dist
from octomodel.workflow import Workflow

from .arrivals import LEAST, ArrivalFit, fit_arrivals
from .bootstrap import Interval, intervals, law_draws
from .branching import Frequencies, frequencies
from .changes import Segments, change_points, one_hot
from .line import Line
from .loops import LoopFit, fit_loop
from .regression import Regression, regress
from .sample import F64, Sample
from .skeleton import Values, choices, filled, sized
from .spans import Decisions, Spans
from .tables import Source, read_decisions, read_spans
from .times import FAMILIES, TimeFit, fit_time
from .trace import LlmTrace, Requests, TraceError

if TYPE_CHECKING:
    from .plots import Plots

WINDOWS = 20
"""Most windows of a block's decisions, in order of time."""
WINDOW = 25
"""Fewest decisions of a window."""
TURN = ("again", "exit")
OTHER = "(other)"
"""Name of the choices of a block that never took them; the program knows how many there are."""


@dataclass(frozen=True, eq=False)
class BlockFit:
    """What a branch, or a loop that decides after each turn, chose.

    Attributes
    ----------
    names : tuple of str
        Choices that were taken, sorted; with ``(other)`` where there is one only.
    windows : int64[window, choice]
        Counts in windows of about as many decisions, in order of time.
    frequencies : Frequencies
        Posterior of their probabilities.
    changes : Segments
        Stretches of decisions between which the frequencies changed.
    changed_at : tuple of float
        Times of the first decisions after the changes.
    """

    names: tuple[str, ...]
    windows: NDArray[np.int64]
    frequencies: Frequencies
    changes: Segments
    changed_at: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Calibration:
    """What was measured of a workflow, fitted.

    Attributes
    ----------
    cycles_per_unit : float
        Cycles in a unit of time of the tables.
    samples : dict of Sample
        Durations by task, in the unit of the tables.
    times : dict of TimeFit
        Their laws, in that unit; over all requests together where the time depends on an attribute.
    regressions : dict of Regression
        Of the tasks whose time depends on an attribute, in that unit.
    blocks : dict of BlockFit
        Branches, and loops that decide after each turn.
    turns : dict of int64 arrays
        Numbers of turns by counted loop.
    loops : dict of LoopFit
        Their laws.
    arrivals : ArrivalFit or None
        Of the first starts of the requests; None below 17 requests or when all began at once.
    requests : Requests
        First starts of the requests, in the unit of the tables, and their attributes.
    """

    cycles_per_unit: float
    samples: dict[str, Sample]
    times: dict[str, TimeFit]
    regressions: dict[str, Regression]
    blocks: dict[str, BlockFit]
    turns: dict[str, NDArray[np.int64]]
    loops: dict[str, LoopFit]
    arrivals: ArrivalFit | None
    requests: Requests

    def workflow(self, skeleton: Workflow, source: str = "measurements") -> Workflow:
        """Return a workflow with the measured laws, in cycles, and expected frequencies in the places of its own.

        Parameters
        ----------
        skeleton : Workflow
            The program; what was not measured keeps its value, and the description says what was.
        source : str
            Where the measurements come from, for the provenance of the values.

        Returns
        -------
        Workflow

        Raises
        ------
        TraceError
            When a measured task, block, choice or attribute is not in the program, or its value depends on a phase, or on an
            attribute other than it was fitted with.

        Notes
        -----
        Attributes become series: request r has the values of the measured request r, round and round, so that what belongs
        together stays together.
        """
        laws = {name: self._time(name) * self.cycles_per_unit for name in self.times}
        chosen = {name: posterior.probabilities() for name, posterior in self._posteriors(skeleton).items()}
        return filled(skeleton, self._values(laws, chosen, self.loops, self.requests.attributes), self._note(), source)

    def draws(self, skeleton: Workflow, count: int, seed: int = 0) -> list[Workflow]:
        """Return workflows whose laws and frequencies are drawn from what the measurements leave open.

        Parameters
        ----------
        skeleton : Workflow
            As for ``workflow``.
        count : int
            How many, at least 1.
        seed : int
            Of the draws.

        Returns
        -------
        list of Workflow
            Laws fitted to requests drawn with replacement, each family as chosen, with the lines of attributes that belong to
            them; probabilities from their posterior; attributes in blocks of neighbours drawn with replacement.
            Simulating each gives results that spread as the measurements do.

        Raises
        ------
        TraceError
            As for ``workflow``; when ``count`` is below 1.
        """
        if count < 1:
            raise TraceError("Calibration.draws.count", count, "an integer >= 1")
        seeds = np.random.SeedSequence(seed).generate_state(len(self.times) + len(self.blocks) + len(self.loops) + 1)
        rest = iter(seeds.tolist())
        laws = {name: self._time_draws(name, count, next(rest)) for name in self.times}
        posteriors = self._posteriors(skeleton)
        drawn = {name: posterior.draws(count, next(rest)) for name, posterior in posteriors.items()}
        loops = {name: _loops(turns, count, next(rest)) for name, turns in self.turns.items()}
        rng = np.random.default_rng(next(rest))
        out = []
        for i in range(count):
            chosen = {
                name: dict(zip(posterior.choices, drawn[name][i].tolist(), strict=True)) for name, posterior in posteriors.items()
            }
            scaled = {name: each[i] * self.cycles_per_unit for name, each in laws.items()}
            counts = {name: each[i] for name, each in loops.items()}
            order = _blocks_of(len(self.requests), rng)
            sizes = {name: each[order] for name, each in self.requests.attributes.items()}
            note = f"{self._note()}; draw {i} of seed {seed}"
            out.append(filled(skeleton, self._values(scaled, chosen, counts, sizes), note))
        return out

    def intervals(self, task: str, *, count: int = 400, level: float = 0.95, seed: int = 0) -> dict[str, Interval]:
        """Return intervals of mean, CV and quantiles of a task's time, in the unit of the tables; see ``bootstrap.intervals``.

        Raises
        ------
        TraceError
            When there is no such task, or an option is refused.
        """
        if task not in self.times:
            raise TraceError("Calibration.intervals.task", task, f"one of {', '.join(self.times)}")
        fit = self.times[task]
        return intervals(fit.law, law_draws(fit.family, self.samples[task], count, seed), level=level)

    def report(self) -> str:
        """Return what was found as text: tasks, blocks, loops, attributes and arrivals, each with its verdict."""
        from .report import text

        return text(self)

    def facts(self) -> dict[str, Any]:
        """Return what was found as plain data, ready for JSON; what is not known is None."""
        from .report import facts

        return facts(self)

    @property
    def plot(self) -> Plots:
        """Pictures: see ``octomodel.calibration.plots.Plots``."""
        from .plots import Plots

        return Plots(self)

    def _time(self, task: str) -> dist.Law | Line:
        return self.regressions[task].line if task in self.regressions else self.times[task].law

    def _time_draws(self, task: str, count: int, seed: int) -> Sequence[dist.Law | Line]:
        if task in self.regressions:
            return self.regressions[task].draws(count, seed)
        return law_draws(self.times[task].family, self.samples[task], count, seed)

    def _told(self, task: str) -> str:
        fit, by = self.times[task], self.regressions.get(task)
        law = fit.family if by is None else f"line of {by.line.attribute}, noise {by.noise.family}"
        return f"{law} of {fit.ends + fit.unfinished}"

    def _posteriors(self, skeleton: Workflow) -> dict[str, Frequencies]:
        """Return the posteriors over the choices of the program, of which some may never have been taken."""
        known = choices(skeleton)
        out = {}
        for name, block in self.blocks.items():
            names = known.get(name, TURN)
            taken = np.flatnonzero(block.windows.any(axis=0))
            strange = [block.names[i] for i in taken if block.names[i] not in names]
            if strange:
                raise TraceError(f"workflow.{skeleton.name}.{name}", f"choice {strange[0]}", f"one of {', '.join(names)}")
            table = np.zeros((len(block.windows), len(names)), np.int64)
            table[:, [names.index(block.names[i]) for i in taken]] = block.windows[:, taken]
            out[name] = frequencies(table, choices=names)
        return out

    def _values(
        self,
        laws: dict[str, dist.Law | Line],
        chosen: dict[str, dict[str, float]],
        loops: dict[str, LoopFit],
        sizes: dict[str, F64],
    ) -> Values:
        """Return what goes into the workflow: a loop that is geometric needs no law of its turns."""
        branches = {name: value for name, value in chosen.items() if tuple(value) != TURN}
        again = {name: value["again"] for name, value in chosen.items() if tuple(value) == TURN}
        again |= {name: loop.again for name, loop in loops.items() if loop.again is not None}
        counts = {name: loop.count for name, loop in loops.items() if loop.again is None}
        notes = {("task", name): f"{self._told(name)} executions" for name in self.times}
        for name, block in self.blocks.items():
            notes["branch" if name in branches else "loop", name] = f"{int(block.windows.sum())} decisions"
        notes |= {("loop", name): f"{loop.family} of {self.turns[name].size} entries" for name, loop in loops.items()}
        notes |= {("attribute", name): f"{each.size} requests" for name, each in sizes.items()}
        return Values(laws, branches, again, counts, sizes, notes)

    def _note(self) -> str:
        tasks = ", ".join(f"{name} {self._told(name)}" for name in self.times)
        blocks = ", ".join(f"{name} of {int(block.windows.sum())}" for name, block in self.blocks.items())
        loops = ", ".join(f"{name} {loop.family} of {self.turns[name].size}" for name, loop in self.loops.items())
        sizes = ", ".join(f"{name} of {each.size}" for name, each in self.requests.attributes.items())
        parts = [("times", tasks), ("decisions", blocks), ("turns", loops), ("attributes", sizes)]
        told = "; ".join(f"{what}: {text}" for what, text in parts if text)
        return f"Measured at {self.cycles_per_unit:g} cycles per unit of time: {told}"


def fit(
    spans: Spans | Requests | LlmTrace | Source,
    decisions: Decisions | Source | None = None,
    *,
    cycles_per_unit: float,
    skeleton: Workflow | None = None,
    among: Iterable[str] = tuple(FAMILIES),
    criterion: str | None = None,
    repetitions: int = 99,
    seed: int = 0,
) -> Calibration:
    """Return laws of times, frequencies of choices and a process of arrivals, fitted to what was measured.

    Parameters
    ----------
    spans : Spans, Requests, LlmTrace, or a table for ``read_spans``
        Executions of tasks. A span that contains waiting is no service time: let it start when the work does. Of requests alone
        attributes and arrivals are fitted, and no times.
    decisions : Decisions, or a table for ``read_decisions``, optional
        Choices of control blocks. Of a loop either ``again`` and ``exit`` after each turn, or the whole number of turns.
    cycles_per_unit : float
        Cycles in a unit of time of the tables, finite and > 0.
    skeleton : Workflow, optional
        The program. Where it says that the time of a task depends on an attribute, as in ``per("tokens", 1)``, and the spans
        have that attribute (``read_spans(..., attributes=["tokens"])``), the line and its noise are fitted; see
        ``regression.regress``.
    among, criterion, repetitions, seed
        As for ``fit_time``.

    Returns
    -------
    Calibration

    Raises
    ------
    TraceError
        When a table or an option is refused, or a task has no span with an end; when a task whose time depends on a
        measured attribute has a span without start or end, or the attribute is refused.

    Examples
    --------
    >>> import numpy as np
    >>> from octomodel.program import task
    >>> gap = dist.Exponential(50.0).quantile((np.arange(40) + 0.5) / 40)
    >>> table = {"request": np.arange(40), "task": ["a"] * 40, "start": np.arange(40) * 99.0, "end": np.arange(40) * 99.0 + gap}
    >>> wf = fit(table, cycles_per_unit=1000).workflow(Workflow("w", task("a", 1)))
    >>> {name: round(cycles) for name, cycles in wf.demand().items()}
    {'a': 49568}
    """
    if isinstance(cycles_per_unit, bool) or not 0.0 < cycles_per_unit < math.inf:
        raise TraceError("fit.cycles_per_unit", cycles_per_unit, "a finite number > 0")
    samples: dict[str, Sample] = {}
    sizes: dict[str, tuple[str, F64]] = {}
    if isinstance(spans, Requests | LlmTrace):
        requests = spans.requests if isinstance(spans, LlmTrace) else spans
    else:
        read = spans if isinstance(spans, Spans) else read_spans(spans)
        samples = {task: read.sample(task) for task in read.tasks}
        requests = read.requests
        for task, name in ({} if skeleton is None else sized(skeleton)).items():
            if task in samples and name in requests.attributes:
                sizes[task] = name, read.sizes(task, name)
    options: dict[str, Any] = {"among": tuple(among), "criterion": criterion, "repetitions": repetitions, "seed": seed}
    regressions = {
        task: regress(samples[task], each, attribute=name, path=f"spans.{task}", **options)
        for task, (name, each) in sizes.items()
    }
    times = {task: fit_time(each, **options) for task, each in samples.items()}
    blocks: dict[str, BlockFit] = {}
    turns: dict[str, NDArray[np.int64]] = {}
    if decisions is not None:
        made = decisions if isinstance(decisions, Decisions) else read_decisions(decisions)
        for name in made.blocks:
            chosen, when = made.of(name)
            if np.char.isdecimal(chosen).all():
                turns[name] = chosen.astype(np.int64)
            else:
                blocks[name] = _block(chosen, when)
    begun = requests.arrivals
    arrivals = None
    if begun.size >= LEAST and begun[-1] > begun[0]:
        arrivals = fit_arrivals(begun, repetitions=max(repetitions, 19), seed=seed)
    loops = {name: fit_loop(each) for name, each in turns.items()}
    return Calibration(float(cycles_per_unit), samples, times, regressions, blocks, turns, loops, arrivals, requests)


def _block(chosen: NDArray[np.str_], when: NDArray[np.float64]) -> BlockFit:
    names, code = np.unique(chosen, return_inverse=True)
    labels = tuple(names.tolist())
    if len(labels) == 1 and labels[0] in TURN:
        labels, code = TURN, np.full(code.size, TURN.index(labels[0]))
    if len(labels) == 1:
        labels = (labels[0], OTHER)
    count = max(min(WINDOWS, code.size // WINDOW), 1)
    at = np.arange(code.size) * count // code.size
    table = np.zeros((count, len(labels)), np.int64)
    np.add.at(table, (at, code), 1)
    changes = change_points(one_hot(code, len(labels)), least=min(20, code.size))
    changed = tuple(when[changes.starts[1:]].tolist())
    return BlockFit(labels, table, frequencies(table, choices=labels), changes, changed)


def _blocks_of(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return positions in blocks of n^(1/3) neighbours, drawn with replacement.

    Notes
    -----
    Politis and Romano, "A circular block-resampling procedure for stationary data", 1992.
    """
    length = max(round(count ** (1.0 / 3.0)), 1)
    begins = rng.integers(count, size=-(-count // length))
    return np.asarray((begins[:, None] + np.arange(length)).ravel()[:count] % count)


def _loops(turns: NDArray[np.int64], count: int, seed: int) -> list[LoopFit]:
    """Return laws of turns, each of as many entries drawn with replacement; never of zeros alone."""
    rng = np.random.default_rng(seed)
    out: list[LoopFit] = []
    while len(out) < count:
        drawn = turns[rng.integers(turns.size, size=turns.size)]
        if drawn.any():
            out.append(fit_loop(drawn))
    return out
