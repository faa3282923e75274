"""Frequencies of the choices of a control block: how often, how surely, and whether they hold from window to window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, digamma, gammaln

from .sample import F64
from .trace import TraceError

I64 = NDArray[np.int64]
JEFFREYS = 0.5
_SEARCHED = 1e7
"""Sum of the parameters of a Dirichlet law at which it counts as a point."""


@dataclass(frozen=True, eq=False)
class Frequencies:
    """The posterior of the probabilities of choices.

    Attributes
    ----------
    choices : tuple of str
        Names.
    counts : int64[choice]
        How often each was taken.
    alpha : float64[choice]
        Parameters of the Dirichlet law of the probabilities.
    overdispersion : float
        Correlation between two decisions of one window, from 0 to 1; 0 where there are no windows.
    log_marginal : float
        Logarithm of the probability of the decisions in their order, under the prior, without over-dispersion.
    """

    choices: tuple[str, ...]
    counts: I64
    alpha: F64
    overdispersion: float
    log_marginal: float

    @property
    def mean(self) -> F64:
        """Return the expected probabilities, float64[choice]."""
        return np.asarray(self.alpha / self.alpha.sum())

    def interval(self, level: float = 0.95) -> tuple[F64, F64]:
        """Return the ends of equal-tailed credible intervals, each float64[choice]."""
        if not 0.0 < level < 1.0:
            raise TraceError("Frequencies.interval.level", level, "a number between 0 and 1")
        rest = self.alpha.sum() - self.alpha
        low, high = (np.asarray(betaincinv(self.alpha, rest, p)) for p in (0.5 - level / 2.0, 0.5 + level / 2.0))
        return low, high

    def probabilities(self) -> dict[str, float]:
        """Return the expected probabilities by name: what ``branch`` takes."""
        return dict(zip(self.choices, self.mean.tolist(), strict=True))

    def draws(self, count: int, seed: int = 0) -> F64:
        """Return probabilities drawn from the posterior, float64[count, choice]."""
        if count < 1:
            raise TraceError("Frequencies.draws.count", count, "an integer >= 1")
        return np.random.default_rng(seed).dirichlet(self.alpha, count)


def frequencies(
    counts: ArrayLike, *, choices: Sequence[str] | None = None, prior: float | ArrayLike = JEFFREYS
) -> Frequencies:
    """Return the posterior of the probabilities of choices.

    Parameters
    ----------
    counts : array_like of int, choice or window x choice
        How often each of at least two choices was taken, >= 0 and not all 0. With windows, the posterior is widened by what
        decisions of one window have in common.
    choices : sequence of str, optional
        Names, by default ``0``, ``1`` and so on.
    prior : float or array_like of float, choice
        Parameters of the Dirichlet prior, > 0; 0.5 is that of Jeffreys.

    Returns
    -------
    Frequencies

    Raises
    ------
    TraceError
        When an argument is anything else.

    Notes
    -----
    Gelman et al., Bayesian Data Analysis, 3rd ed., section 3.4. With windows the counts are divided by the design effect
    1 + (m - 1) rho, m the mean number of decisions beside one in its window: Kish, Survey Sampling, section 5.4; rho as from
    ``dirichlet_multinomial``, left at 0 where ``homogeneous`` sees no difference between windows at 0.05.

    Examples
    --------
    >>> found = frequencies([72, 21, 7], choices=["hit", "miss", "fail"], prior=1.0)
    >>> {name: round(p, 3) for name, p in found.probabilities().items()}
    {'hit': 0.709, 'miss': 0.214, 'fail': 0.078}
    """
    table = counted("frequencies.counts", counts)
    windows = table if table.ndim == 2 else table[None]
    total = windows.sum(axis=0)
    names = tuple(str(i) for i in range(total.size)) if choices is None else tuple(choices)
    if len(names) != total.size or len(set(names)) != total.size:
        raise TraceError("frequencies.choices", list(names), f"{total.size} different names")
    given = np.asarray(prior, np.float64)
    if given.shape not in ((), total.shape) or not bool(np.all((given > 0.0) & (given < np.inf))):
        raise TraceError("frequencies.prior", prior, f"a finite number > 0, or {total.size} of them")
    before = np.broadcast_to(given, total.shape)
    rho, effect = 0.0, 1.0
    if windows.shape[0] > 1 and homogeneous(windows).p <= 0.05:
        rho = dirichlet_multinomial(windows).overdispersion
        sizes = windows.sum(axis=1)
        effect = 1.0 + (float((sizes * sizes).sum()) / float(sizes.sum()) - 1.0) * rho
    marginal = gammaln(before.sum()) - gammaln(before.sum() + total.sum()) + (gammaln(before + total) - gammaln(before)).sum()
    return Frequencies(names, total, before + total / effect, rho, float(marginal))


@dataclass(frozen=True, eq=False)
class DirichletMultinomial:
    """Counts of windows whose probabilities differ.

    Attributes
    ----------
    alpha : float64[choice]
        Parameters of the Dirichlet law from which each window has its probabilities; infinite without over-dispersion.
    mean : float64[choice]
        Expected probabilities.
    overdispersion : float
        1 / (1 + sum of alpha).
    log_likelihood : float
        Of the decisions in their order, that is without multinomial coefficients.
    """

    alpha: F64
    mean: F64
    overdispersion: float
    log_likelihood: float


def dirichlet_multinomial(counts: ArrayLike) -> DirichletMultinomial:
    """Return the Dirichlet-multinomial law of the greatest likelihood.

    Parameters
    ----------
    counts : array_like of int, window x choice
        How often each of at least two choices was taken in each window, >= 0 and not all 0. A choice never taken gets 0.

    Returns
    -------
    DirichletMultinomial

    Raises
    ------
    TraceError
        When it is anything else.

    Notes
    -----
    The likelihood of Minka, "Estimating a Dirichlet distribution", 2000, equation 53, by BFGS over the logarithms.

    Examples
    --------
    >>> round(dirichlet_multinomial([[9, 1], [2, 8], [5, 5], [10, 0]]).overdispersion, 3)
    0.37
    """
    from scipy.optimize import minimize

    table = counted("dirichlet_multinomial.counts", counts, windows=True)
    taken = table.sum(axis=0) > 0
    used = table[:, taken].astype(np.float64)
    sizes = used.sum(axis=1)

    def loss(point: F64) -> tuple[float, F64]:
        alpha = np.exp(point)
        whole = alpha.sum()
        value = (gammaln(whole) - gammaln(whole + sizes)).sum() + (gammaln(used + alpha) - gammaln(alpha)).sum()
        slope = (digamma(whole) - digamma(whole + sizes)).sum() + (digamma(used + alpha) - digamma(alpha)).sum(axis=0)
        return float(-value), -slope * alpha

    share = used.sum(axis=0) / used.sum()
    bounds = [(math.log(1e-8), math.log(_SEARCHED))] * share.size
    found = minimize(loss, np.log(2.0 * share), jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15, "gtol": 1e-9})
    alpha = np.zeros(table.shape[1])
    mean = np.zeros(table.shape[1])
    alpha[taken], mean[taken] = np.exp(found.x), share
    with np.errstate(divide="ignore", invalid="ignore"):
        point = float((used * np.log(share)).sum())
    if share.size == 1 or point >= -float(found.fun) - 1e-9:
        alpha[taken] = np.inf
        return DirichletMultinomial(alpha, mean, 0.0, point)
    return DirichletMultinomial(alpha, alpha / alpha.sum(), 1.0 / (1.0 + float(alpha.sum())), -float(found.fun))


@dataclass(frozen=True)
class Independence:
    """A likelihood-ratio test of a table of counts: the statistic G, its degrees of freedom and probability."""

    g: float
    freedom: int
    p: float


def homogeneous(counts: ArrayLike) -> Independence:
    """Test whether choices are as frequent in every row: windows, values of an attribute, or the choice before.

    Parameters
    ----------
    counts : array_like of int, row x choice
        How often each of at least two choices was taken, >= 0 and not all 0.

    Returns
    -------
    Independence
        G = 2 sum O log(O / E) against chi-square; rows and columns of zeros do not count. With fewer than one degree of freedom
        p is 1.

    Raises
    ------
    TraceError
        When it is anything else.

    Notes
    -----
    Anderson and Goodman, "Statistical inference about Markov chains", Ann. Math. Statist. 28 (1957): of transition counts this
    is the test of order 0 against order 1. With many expected counts below 5 the probability is rough.

    Examples
    --------
    >>> round(homogeneous([[30, 20], [10, 40]]).g, 3)
    17.261
    """
    from scipy.special import chdtrc, xlogy

    table = counted("homogeneous.counts", counts, windows=True).astype(np.float64)
    table = table[table.sum(axis=1) > 0.0][:, table.sum(axis=0) > 0.0]
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    g = max(2.0 * float((xlogy(table, table) - xlogy(table, expected)).sum()), 0.0)
    return Independence(g, freedom, float(chdtrc(freedom, g)) if freedom else 1.0)


def transitions(sequence: ArrayLike, kinds: int) -> I64:
    """Return how often each choice, numbered from 0, followed each: int64[kinds, kinds], rows the former.

    Examples
    --------
    >>> transitions([0, 1, 1, 0], 2).tolist()
    [[0, 1], [1, 1]]
    """
    values = np.asarray(sequence)
    out = np.zeros((kinds, kinds), np.int64)
    np.add.at(out, (values[:-1], values[1:]), 1)
    return out


def by_attribute(choices: ArrayLike, attribute: ArrayLike, *, kinds: int, bins: int = 5) -> tuple[F64, I64]:
    """Return the counts of choices in bins of an attribute that hold about as many decisions each.

    Parameters
    ----------
    choices : array_like of int, n
        Choices numbered from 0.
    attribute : array_like of float, n
        Of the request of each decision, finite.
    kinds : int
        Number of choices.
    bins : int
        At most, from 2; equal values stay together.

    Returns
    -------
    tuple
        Lower ends of the bins, float64[bin], and counts int64[bin, kinds], for ``homogeneous``.

    Raises
    ------
    TraceError
        When an argument is anything else.
    """
    taken, values = np.asarray(choices), np.asarray(attribute, np.float64)
    if taken.ndim != 1 or taken.dtype.kind not in "iu" or not taken.size or taken.min() < 0 or taken.max() >= kinds:
        raise TraceError("by_attribute.choices", f"{taken.dtype}{list(taken.shape)}", f"integers from 0 to {kinds - 1}")
    if values.shape != taken.shape or not np.isfinite(values).all():
        raise TraceError("by_attribute.attribute", f"shape {list(values.shape)}", f"{taken.size} finite numbers")
    if bins < 2:
        raise TraceError("by_attribute.bins", bins, "an integer >= 2")
    lows = np.unique(np.quantile(values, np.arange(bins) / bins, method="higher"))
    at = np.searchsorted(lows, values, side="right") - 1
    out = np.zeros((lows.size, kinds), np.int64)
    np.add.at(out, (at, taken), 1)
    return lows, out


def counted(path: str, counts: ArrayLike, *, windows: bool = False) -> I64:
    """Return counts of at least two choices, checked; of windows when these are needed."""
    table = np.asarray(counts)
    wanted = (2,) if windows else (1, 2)
    if table.ndim not in wanted or table.dtype.kind not in "iu" or table.shape[-1] < 2 or not table.size:
        shape = "int[window, choice]" if windows else "int[choice] or int[window, choice]"
        raise TraceError(path, f"{table.dtype}{list(table.shape)}", f"{shape} with at least two choices")
    if (table < 0).any() or not table.any():
        raise TraceError(path, "a negative count or only zeros", "counts >= 0, at least one above 0")
    return table.astype(np.int64)
