"""From measured durations of a task to its law: every family fitted, one chosen, tested, and refused where it does not fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from octomodel import dist

from . import em, families
from .density import log_likelihood
from .families import UnfitError
from .goodness import TESTED, Test, tests
from .product_limit import empirical, product_limit
from .sample import Sample
from .trace import TraceError

Fit = Callable[[Sample], dist.Law]

FAMILIES: dict[str, tuple[Fit, int]] = {
    "exponential": (families.exponential, 1),
    "gamma": (families.gamma, 2),
    "lognormal": (families.lognormal, 2),
    "weibull": (families.weibull, 2),
    "pareto": (families.pareto, 2),
    "bounded_pareto": (families.bounded_pareto, 3),
    "hyperexponential": (partial(em.hyperexponential, branches=2), 3),
    "hyper_erlang": (partial(em.hyper_erlang, order=5), 4),
}
"""Per family the fit and its number of parameters."""

CRITERIA = ("aicc", "bic", "held_out")
LEAST = 8
"""Ends seen below which no family is chosen."""
MANY = 100_000
"""Durations above which the held-out log score decides, unless another criterion is asked for."""
REJECTED = 0.05


@dataclass(frozen=True)
class Candidate:
    """What became of one family.

    Attributes
    ----------
    family : str
        Its name.
    law : Law or None
        Of the greatest likelihood; None where there is none.
    parameters : int
        Number of free parameters.
    log_likelihood : float
        Natural logarithm; minus infinity without a law.
    aicc, bic : float
        Information criteria, small is good.
    held_out : float
        Mean log-score per duration of halves that were not fitted, large is good; nan where not asked for.
    reason : str
        Why there is no law; empty where there is one.
    """

    family: str
    law: dist.Law | None
    parameters: int
    log_likelihood: float = -math.inf
    aicc: float = math.inf
    bic: float = math.inf
    held_out: float = math.nan
    reason: str = ""


@dataclass(frozen=True)
class TimeFit:
    """The law of a task's time, and why it is that one.

    Attributes
    ----------
    law : Law
        To be used: of the best family where that fits, of the durations themselves where nothing does.
    family : str
        Its name; ``empirical`` or ``deterministic`` where it is no family of the candidates.
    candidates : tuple of Candidate
        All families asked for, best first.
    criterion : str
        What decided between them.
    kolmogorov, anderson : Test
        Of the best candidate.
    verdict : str
        In words.
    ends, unfinished, late : int
        Durations whose end was seen, those whose was not, those that began before they were seen.
    autocorrelation : float
        Between neighbours in the order given; nan below three ends.
    """

    law: dist.Law
    family: str
    candidates: tuple[Candidate, ...]
    criterion: str
    kolmogorov: Test
    anderson: Test
    verdict: str
    ends: int
    unfinished: int
    late: int
    autocorrelation: float

    @property
    def fits(self) -> bool:
        """Return whether a family was chosen and not rejected."""
        return self.family not in ("empirical", "deterministic")

    def report(self) -> str:
        """Return the verdict and a table of the candidates as text."""
        lines = [self.verdict, f"{'family':<18}{'log-likelihood':>16}{'AICc':>14}{'BIC':>14}{'held-out':>11}  law or reason"]
        for each in self.candidates:
            text = str(each.law) if each.law is not None else each.reason
            scores = f"{each.log_likelihood:16.3f}{each.aicc:14.3f}{each.bic:14.3f}{each.held_out:11.4f}"
            lines.append(f"{each.family:<18}{scores}  {text}")
        return "\n".join(lines)


def fit_time(
    durations: Sample,
    *,
    among: Iterable[str] = tuple(FAMILIES),
    criterion: str | None = None,
    repetitions: int = 99,
    seed: int = 0,
) -> TimeFit:
    """Return the law of durations: the best of several families if it fits, otherwise that of the durations themselves.

    Parameters
    ----------
    durations : Sample
        Of one task.
    among : iterable of str
        Families, of those in ``FAMILIES``.
    criterion : str, optional
        ``aicc``, ``bic`` or ``held_out``; by default ``aicc``, above 10^5 durations ``held_out``.
    repetitions : int
        Of the bootstrap behind the tests; 0 leaves them out, and the best family is used untested.
    seed : int
        Of the tests and of the halves that are held out.

    Returns
    -------
    TimeFit

    Raises
    ------
    TraceError
        When a family or the criterion is unknown, or there is no family.

    Notes
    -----
    AICc: Burnham and Anderson, Model Selection and Multimodel Inference, 2nd ed., section 2.4. A family is rejected at
    0.05 by the Anderson-Darling test, by that of Kolmogorov and Smirnov where durations are censored, by none where they are
    truncated.

    Examples
    --------
    >>> import numpy as np
    >>> from octomodel import dist
    >>> from octomodel.calibration.sample import sample
    >>> found = fit_time(sample(dist.Gamma(40.0, 0.4).quantile((np.arange(300) + 0.5) / 300)))
    >>> found.family, round(found.law.mean, 2), round(found.law.cv, 3)
    ('gamma', 39.99, 0.399)
    """
    names = tuple(among)
    for name in names:
        if name not in FAMILIES:
            raise TraceError("fit_time.among", name, f"families among {', '.join(FAMILIES)}")
    if not names:
        raise TraceError("fit_time.among", "nothing", "at least one family")
    if criterion is not None and criterion not in CRITERIA:
        raise TraceError("fit_time.criterion", criterion, f"one of {', '.join(CRITERIA)}")
    chosen = criterion or ("held_out" if len(durations) > MANY else "aicc")
    rng = np.random.default_rng(seed)
    candidates = [_candidate(name, durations) for name in names]
    if chosen == "held_out":
        candidates = _scored(candidates, durations, rng)
        candidates.sort(key=lambda each: -each.held_out if not math.isnan(each.held_out) else math.inf)
    else:
        candidates.sort(key=lambda each: each.aicc if chosen == "aicc" else each.bic)
    best = candidates[0]
    nothing = Test(math.nan, math.nan)
    ks = ad = nothing
    family, law, verdict = _without_family(durations, best)
    if not verdict:
        assert best.law is not None
        refused = ""
        if repetitions:
            try:
                ks, ad = tests(durations, partial(fit_family, best.family), rng, repetitions)
            except UnfitError as error:
                refused = f"fits no part of the durations ({error})"
        p = ks.p if math.isnan(ad.p) else ad.p
        if p <= REJECTED:
            refused = f"is rejected (p = {p:.2g})"
        if refused:
            family, law = "empirical", empirical(durations)
            verdict = f"nothing fits: the best family, {best.family}, {refused}; the durations themselves serve"
        else:
            family, law = best.family, best.law
            told = "untested" if math.isnan(p) else f"not rejected (p = {p:.2g})"
            verdict = f"{best.family} is the best of {len(names)} families by {chosen}, {told}"
    if family == "empirical":
        verdict += _beyond(durations)
    elif len(durations) > TESTED and not math.isnan(ks.p):
        verdict += f"; tested on {TESTED:,} of {len(durations):,} durations"
    return TimeFit(
        law,
        family,
        tuple(candidates),
        chosen,
        ks,
        ad,
        verdict,
        durations.seen.size,
        len(durations) - durations.seen.size,
        int((durations.entry > 0.0).sum()),
        _autocorrelation(durations),
    )


def fit_family(name: str, durations: Sample) -> dist.Law:
    """Return the law of greatest likelihood of one family of ``FAMILIES``.

    Raises
    ------
    UnfitError
        When there is none, or its parameters are beyond what the law allows.
    """
    try:
        return FAMILIES[name][0](durations)
    except UnfitError:
        raise
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise UnfitError(f"the best parameters are out of range: {error}") from None


def _candidate(name: str, durations: Sample) -> Candidate:
    parameters = FAMILIES[name][1]
    try:
        law = fit_family(name, durations)
    except UnfitError as error:
        return Candidate(name, None, parameters, reason=str(error))
    if isinstance(law, dist.Erlang):
        # one branch of fixed shape has its rate alone
        parameters = 2
    if isinstance(law, dist.Mixture):
        # weights and rates; and the one choice among the partitions of the order
        parameters = 2 * len(law.laws)
    value = log_likelihood(law, durations) if durations.seen.min() > 0.0 else -math.inf
    if not math.isfinite(value):
        return Candidate(name, None, parameters, reason="the likelihood is 0")
    n = durations.seen.size
    spare = n - parameters - 1
    aicc = 2.0 * parameters - 2.0 * value + (2.0 * parameters * (parameters + 1) / spare if spare > 0 else math.inf)
    return Candidate(name, law, parameters, value, aicc, parameters * math.log(n) - 2.0 * value)


def _scored(candidates: list[Candidate], durations: Sample, rng: np.random.Generator) -> list[Candidate]:
    """Return the candidates with their mean log-scores on halves of the requests that were not fitted."""
    side = rng.permutation(len(durations.members)) % 2 == 0
    first = np.zeros(len(durations), np.bool_)
    first[np.concatenate([np.empty(0, np.int64), *(m for m, at in zip(durations.members, side, strict=True) if at)])] = True
    halves = [durations.take(np.flatnonzero(first)), durations.take(np.flatnonzero(~first))]
    out = []
    for each in candidates:
        score = math.nan
        if each.law is not None and all(half.observed.any() for half in halves):
            try:
                sums = [log_likelihood(fit_family(each.family, a), b) for a, b in (halves, halves[::-1])]
                score = sum(sums) / len(durations)
            except UnfitError:
                pass
        out.append(
            Candidate(
                each.family, each.law, each.parameters, each.log_likelihood, each.aicc, each.bic, score, each.reason
            )
        )
    return out


def _without_family(durations: Sample, best: Candidate) -> tuple[str, dist.Law, str]:
    """Return name, law and verdict where no family comes into question; an empty verdict where one does."""
    seen = durations.seen
    if durations.complete and seen.max() - seen.min() <= 1e-9 * seen.max():
        value = float(seen.mean())
        return "deterministic", dist.Deterministic(value), f"all {seen.size} durations are {value:g}"
    if seen.size < LEAST:
        return "empirical", empirical(durations), f"only {seen.size} ends seen, no family is chosen below {LEAST}"
    if best.law is None:
        return "empirical", empirical(durations), f"no family has a best law ({best.family}: {best.reason})"
    return "", best.law, ""


def _beyond(durations: Sample) -> str:
    if durations.complete:
        return ""
    share = product_limit(durations).open
    return f"; {share:.1%} of them last longer than any end seen and stand at the longest duration" if share > 0.0 else ""


def _autocorrelation(durations: Sample) -> float:
    centred = durations.seen - durations.seen.mean()
    total = float(centred @ centred)
    return float(centred[:-1] @ centred[1:]) / total if centred.size > 2 and total > 0.0 else math.nan
