"""Laws of times and counts: their moments, quantiles and scaling, without a word of tables or kernels."""

from .base import Law, from_dict
from .empirical import Empirical
from .heavy import BoundedPareto, Pareto
from .mixture import Mixture
from .phase import HyperExponential, PhaseType
from .shaped import Erlang, Gamma, LogNormal, Weibull
from .simple import Deterministic, Exponential, Triangular, Uniform

__all__ = [
    "BoundedPareto",
    "Deterministic",
    "Empirical",
    "Erlang",
    "Exponential",
    "Gamma",
    "HyperExponential",
    "Law",
    "LogNormal",
    "Mixture",
    "Pareto",
    "PhaseType",
    "Triangular",
    "Uniform",
    "Weibull",
    "from_dict",
]
