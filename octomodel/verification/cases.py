"""The systems with known answers: which ``verify`` simulates and how, and why it leaves the others out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from octomodel.verification import closed, lines, loops, opened
from octomodel.verification.bench import Bench, Experiment

Builder = Callable[[Bench], list[Experiment]]

SINGLE = "single queue"
MULTI = "multi-server"
SERIES = "queues in series"
BLOCKING = "tandem with blocking"
LOOP = "loop network"
FORK = "fork-join"
CLOSED = "closed network"
ARRIVALS = "arrival process"
LEFT = "not simulated"


@dataclass(frozen=True)
class Case:
    """One system.

    Attributes
    ----------
    name : str
        Its name in the file of facts.
    kind : str
        For the table.
    title : str
        What it is.
    build : callable or None
        From a ``Bench`` to experiments; None: not simulated.
    note : str
        How it is put into the words of the model where that is not plain; or the reason why it cannot be.
    quick : bool
        Whether the short form of ``verify`` has it.
    """

    name: str
    kind: str
    title: str
    build: Builder | None = None
    note: str = ""
    quick: bool = False


_WINDOW = "what waits at a first queue of limited length, or is lost, is a source that stops while it is blocked"
_INSIDE = "a request that is turned away is a gap that no request waits for: a closed system"
_FLOWS = "another routing with the same flow through each station: the answers depend on nothing else (Jackson 1957)"
_SHARING = "classes with different times at one station have a product form under processor sharing only"
_ESTIMATE = "a question of estimation: there is no system to simulate"

CASES: tuple[Case, ...] = (
    Case("ST-MM1-0.8", SINGLE, "M/M/1, load 0.8", opened.tandem),
    Case("ST-MMc-4-3.6", MULTI, "M/M/4, load 0.9", opened.tandem),
    Case("ST-MMc-100-95", MULTI, "M/M/100, load 0.95", opened.tandem),
    Case("ST-ERLB-1-1", SINGLE, "M/G/1/1, one erlang offered", closed.lost, _INSIDE, quick=True),
    Case(
        "ST-ERLB-INV",
        LEFT,
        "the load that loses one in a hundred at ten lines",
        note="asks for an input, not for a result",
    ),
    Case("ST-MMcK-GH", MULTI, "M/M/3/7, load 2", closed.lost, _INSIDE),
    Case("ST-REPAIR-8-1", CLOSED, "eight machines and one repairman", closed.finite_source, quick=True),
    Case("ST-MD1-0.5", SINGLE, "M/D/1, load 0.5", opened.tandem, quick=True),
    Case("ST-MD1-0.8", SINGLE, "M/D/1, load 0.8", opened.tandem),
    Case("ST-MD1-0.9", SINGLE, "M/D/1, load 0.9", opened.tandem),
    Case("ST-MPH1-E4-0.8", SINGLE, "M/E4/1, load 0.8", opened.tandem),
    Case("ST-MPH1-H2-0.5", SINGLE, "M/H2/1, load 0.5, service cv 2", opened.tandem),
    Case("ST-MG1-GAMMA-0.5", SINGLE, "M/G/1, gamma service of cv 2, load 0.5", opened.tandem),
    Case("ST-MG1-GAMMA-0.8", SINGLE, "M/G/1, gamma service of cv 2, load 0.8", opened.tandem),
    Case("ST-MG1-WEIBULL-0.5", SINGLE, "M/G/1, Weibull service of shape 0.5, load 0.5", opened.tandem),
    Case("ST-MG1-WEIBULL-0.8", SINGLE, "M/G/1, Weibull service of shape 0.5, load 0.8", opened.tandem),
    Case("ST-MG1-TPARETO-0.5", SINGLE, "M/G/1, bounded Pareto service of index 1.5, load 0.5", opened.tandem),
    Case("ST-GIM1-D", SINGLE, "D/M/1, load 0.8", opened.tandem),
    Case("ST-GIM1-E2", SINGLE, "E2/M/1, load 0.8", opened.tandem),
    Case("ST-GIM1-H2", SINGLE, "H2/M/1, load 0.8, arrival cv 2", opened.tandem),
    Case("ST-E2-E2-1-0.8", SINGLE, "E2/E2/1, load 0.8", opened.tandem),
    Case("ST-E2-H2-1-0.8", SINGLE, "E2/H2/1, load 0.8, service cv 2", opened.tandem),
    Case("ST-M-E2-3-0.8", MULTI, "M/E2/3, load 0.8", opened.tandem),
    Case("ST-M-H2-4-0.8", MULTI, "M/H2/4, load 0.8, service cv 2", opened.tandem),
    Case("ST-E2-E2-2-0.8", MULTI, "E2/E2/2, load 0.8", opened.tandem, quick=True),
    Case("ST-H2-H2-2-0.8", MULTI, "H2/H2/2, load 0.8, cv 2 of both", opened.tandem),
    Case("ST-MDc-2-0.8", MULTI, "M/D/2, load 0.8", opened.tandem, quick=True),
    Case(
        "ST-BREAKDOWN",
        SINGLE,
        "M/M/1 whose server breaks down at work",
        opened.tandem,
        "the time from begin to end of a service is phase-type",
    ),
    Case(
        "ST-DISPATCH-2",
        MULTI,
        "one stream over two servers",
        opened.dispatch,
        "at random: a branch; in turn: two pipelines; from one queue: one station; "
        "not the shortest queue, of which the model learns by reports that take time",
    ),
    Case(
        "ST-DISPATCH-3",
        MULTI,
        "one stream over three servers",
        opened.dispatch,
        "from one queue only, for the same reason",
    ),
    Case("JN-SIXTO-11.11", LOOP, "open Jackson network of four stations with feedback", loops.feedback, _FLOWS),
    Case(
        "JN-LAZOWSKA-113",
        LOOP,
        "processor and two discs, 241 visits of a transaction",
        partial(loops.visited, trips=60.5),
        f"{_FLOWS}; a transaction is cut into 60.5 requests of two turns on average",
    ),
    Case("JN-JAIN-34.1", LOOP, "file server, 31 visits of a request", loops.visited),
    Case("JN-TANDEM-3", SERIES, "three M/M/1 queues in series", opened.tandem, quick=True),
    Case("JN-9NODE", LOOP, "open Jackson network of nine stations", loops.turns, _FLOWS),
    Case(
        "JN-TANDEM-DD",
        SERIES,
        "three queues in series with constant service",
        opened.tandem,
        "that nobody waits at the second and third station holds exactly",
    ),
    Case(
        "CL-BOLCH-8.4",
        CLOSED,
        "three jobs, two servers, two stations, terminals",
        partial(closed.closed, choices=(("n2", "n3"),)),
        quick=True,
    ),
    Case("CL-BALANCED", CLOSED, "ten jobs around five equal stations", closed.closed),
    Case(
        "CL-CENTRAL-100",
        CLOSED,
        "a hundred terminals and four stations, saturated",
        partial(closed.closed, settle=150.0),
    ),
    Case("CL-LAZOWSKA-142", LEFT, "two classes of one job at two stations", note=_SHARING),
    Case("CL-SCHWETMAN-F6", LEFT, "two classes at terminals, a processor and discs", note=_SHARING),
    Case("CL-BOLCH-8.6", LEFT, "open and closed classes at two stations", note=_SHARING),
    Case("CL-PHOLD-BUSY", CLOSED, "64 messages among 16 processes that serve one at a time", closed.uniform),
    Case("CL-PHOLD-FREE", CLOSED, "64 messages among 16 processes without contention", closed.free_messages),
    Case(
        "CL-AMVA-BS",
        LEFT,
        "Bard-Schweitzer fixed point",
        note="the value of an approximation, not of a system",
    ),
    Case("NET-HB-2-4", BLOCKING, "saturated line of two stations, four places", lines.line, quick=True),
    Case("NET-HB-4-1", BLOCKING, "saturated line of four stations, one place each", lines.line),
    Case("NET-HB-5-1", BLOCKING, "saturated line of five stations, one place each", lines.line),
    Case("NET-HB-6-1", BLOCKING, "saturated line of six stations, one place each", lines.line),
    Case("NET-LINE-UNBAL", BLOCKING, "saturated line of three unequal stations", lines.line, quick=True),
    Case("NET-LINE-E2", BLOCKING, "saturated line of four Erlang-2 stations", lines.line),
    Case(
        "NET-TANDEM-DROP",
        LEFT,
        "a tandem that drops what finds no room",
        note="nothing is lost in the model: a full queue blocks",
    ),
    Case("NET-MULTISERVER", BLOCKING, "line of several servers with lost arrivals", lines.line, _WINDOW),
    Case("NET-MULTISERVER-SAT", BLOCKING, "saturated line of several servers", lines.line, quick=True),
    Case(
        "NET-DIAMOND-CREDIT",
        LEFT,
        "a diamond with credits",
        note="a place is reserved after service in the model, not before it",
    ),
    Case(
        "NET-HOL",
        BLOCKING,
        "head-of-line blocking before a slow and a fast sink",
        lines.line,
        _WINDOW,
        quick=True,
    ),
    Case(
        "NET-MERGE",
        BLOCKING,
        "two saturated stations merge",
        lines.merge,
        "all requests are there at cycle 0 and choose a station, more of them than it can serve",
    ),
    Case(
        "NET-AKY-CYC-12",
        LEFT,
        "closed cycle of three stations with few places",
        note="a token on a way back never waits for a place, so that no cycle can deadlock; here it does",
    ),
    Case(
        "NET-ASSEMBLY",
        LEFT,
        "two saturated feeders and an assembler",
        note="the buffer before a join never refuses, so it cannot block a feeder",
    ),
    Case(
        "NET-FORKJOIN-SAT",
        LEFT,
        "saturated fork-join with blocking at the join",
        note="the buffer before a join never refuses; a fork pushes each child as soon as that one has room",
    ),
    Case(
        "NET-FORKJOIN-3",
        FORK,
        "fork to three queues of six places, or lost",
        lines.lossy_fork,
        "served in order of arrival, the fullest queue holds all requests inside: "
        "one of seven places has room when fewer than seven are inside",
    ),
    Case(
        "NET-BRANCH-FJ-LOOP",
        LOOP,
        "closed workflow with a branch, rework and a fork-join",
        lines.rework,
        "rework is served before other tokens, which changes no queue length",
        quick=True,
    ),
    Case("NET-MOE-3", BLOCKING, "router, three experts, combiner, lost arrivals", lines.line, _WINDOW),
    Case("NET-MAKESPAN-10", BLOCKING, "makespan of ten jobs through a line", lines.makespan),
    Case("FJ-2-0.5", FORK, "fork-join of two exponential queues, load 0.5", opened.fork_join, quick=True),
    Case("FJ-2-0.8", FORK, "fork-join of two exponential queues, load 0.8", opened.fork_join),
    Case("FJ-2-0.9", FORK, "fork-join of two exponential queues, load 0.9", opened.fork_join),
    Case("FJ-4-0.5", FORK, "fork-join of four exponential queues, load 0.5", opened.fork_join),
    Case("FJ-4-0.7", FORK, "fork-join of four exponential queues, load 0.7", opened.fork_join),
    Case("FJ-E2", FORK, "fork-join of two Erlang-2 queues, load 0.7", opened.fork_join),
    Case(
        "FJ-SPLITMERGE-8",
        FORK,
        "eight tasks at once, one request at a time",
        partial(opened.fork_join, one_by_one=True),
        "a window of one request",
    ),
    Case("TD-E2-M-M", SERIES, "E2/M/1 then M", opened.tandem),
    Case("TD-M-H2-M", SERIES, "M/H2/1 then M", opened.tandem),
    *(
        Case(name, LEFT, title, note=_ESTIMATE)
        for name, title in (
            ("FIT-SYN-GAMMA", "four laws fitted to gamma quantiles"),
            ("FIT-SYN-LOGN", "four laws fitted to lognormal quantiles"),
            ("FIT-CENSORED-6MP", "laws fitted to censored times"),
            ("FIT-MIXTURE-FAITHFUL", "a mixture of two normal laws fitted"),
            ("FIT-3MOM-WEIBULL", "phase-type law of three moments"),
            ("FIT-H2-EM", "hyperexponential law fitted"),
            ("BR-DIRICHLET", "posterior of branch probabilities"),
            ("BR-DM-MLE", "over-dispersed branch counts"),
        )
    ),
    Case(
        "BR-ABSORBING",
        LOOP,
        "visits of a workflow with two loops",
        loops.chain,
        "rounds that return and a round that ends; visits are those of all copies of a task",
        quick=True,
    ),
    Case("BR-MARKOV-TEST", LEFT, "test of independence of decisions", note=_ESTIMATE),
    Case("AR-MMPP2", ARRIVALS, "Markov-modulated Poisson process of two states", opened.modulated),
    Case("AR-POISSON-CI", LEFT, "interval of a Poisson rate", note=_ESTIMATE),
    Case("AR-CHANGEPOINT-NILE", LEFT, "one change of a mean", note=_ESTIMATE),
    Case("AP-GIG1", LEFT, "approximations of GI/G/1", note="the values of approximations, not of a system"),
    Case(
        "SIM-SURESH-WHITT-HI",
        SERIES,
        "eight moderate queues before a busy one, bursty arrivals",
        opened.tandem,
    ),
    Case("SIM-FJ-32-0.7", FORK, "fork-join of 32 exponential queues, load 0.7", opened.fork_join),
    Case("SIM-FJ-LN-8", FORK, "fork-join of eight lognormal queues, load 0.6", opened.fork_join),
    Case("SIM-H2-LN-8", MULTI, "H2/LN/8, load 0.9", opened.tandem),
    Case(
        "SIM-QNA-9NODE",
        LEFT,
        "nine stations with general laws and three loops",
        note="its loops enter each other in the middle; with general laws no structured program has the same answer",
    ),
    Case("SIM-TANDEM-LN4", SERIES, "four lognormal queues in series, bursty arrivals", opened.tandem),
)
"""All systems of the file of facts, in its order."""
