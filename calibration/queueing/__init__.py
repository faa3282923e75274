"""Queueing theory: arrays in, numbers out, each with its method, its exactness and whether its assumptions hold.

Nothing is approximated silently: a :class:`Value` says ``exact``, ``asymptotic``, ``approximation`` or ``bound``, and what a
method cannot answer raises :class:`TheoryError` with the reason.

Examples
--------
>>> from octomodel.calibration import queueing
>>> answer = queueing.mmc(rate=3.6, service_mean=1.0, servers=4)["wait_mean"]
>>> round(float(answer.value), 6), answer.method, answer.exactness, bool(answer.assumptions_ok)
(1.969383, 'M/M/c (Erlang C)', 'exact', True)
"""

from .analyser import qna
from .answers import Answer, Method, TheoryError, Value, numbers
from .blocking import BlockingNetwork, BlockingStation
from .classes import bard_schweitzer, exact_mva, linearizer, mixed_network
from .closed import asymptotic_bounds, balanced_bounds, closed_network
from .erlang_formulas import erlang_b, erlang_c, offered_load
from .forkjoin import independent_maximum, nelson_tantawi, split_merge, varma_makowski
from .forkjoin_exact import fork_join
from .general import gigc, gimc
from .lines import line
from .networks import constant_tandem, jackson, markov_tandem, traffic
from .phases import Arrivals, PhaseType, erlang, exponential, hyperexponential, mmpp2, renewal, two_moments
from .poisson import mdc, mg1, mg1_quantiles
from .qbd import map_ph_c
from .robust import dispersion, robust_tandem
from .stations import finite_source, mmc, mmck

__all__ = [
    "Answer",
    "Arrivals",
    "BlockingNetwork",
    "BlockingStation",
    "Method",
    "PhaseType",
    "TheoryError",
    "Value",
    "asymptotic_bounds",
    "balanced_bounds",
    "bard_schweitzer",
    "closed_network",
    "constant_tandem",
    "dispersion",
    "erlang",
    "erlang_b",
    "erlang_c",
    "exact_mva",
    "exponential",
    "finite_source",
    "fork_join",
    "gigc",
    "gimc",
    "hyperexponential",
    "independent_maximum",
    "jackson",
    "line",
    "linearizer",
    "map_ph_c",
    "markov_tandem",
    "mdc",
    "mg1",
    "mg1_quantiles",
    "mixed_network",
    "mmc",
    "mmck",
    "mmpp2",
    "nelson_tantawi",
    "numbers",
    "offered_load",
    "qna",
    "renewal",
    "robust_tandem",
    "split_merge",
    "traffic",
    "two_moments",
    "varma_makowski",
]
