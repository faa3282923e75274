"""Pictures of a calibration, reached as ``cal.plot``; they need the extra ``plot`` (matplotlib)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaincinv

from octomodel import dist

from .arrivals import dispersion_curve
from .density import log_density
from .product_limit import ProductLimit, product_limit
from .sample import F64, Sample
from .times import TimeFit
from .trace import TraceError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .calibrate import Calibration

MEASURED, LAWS = "#101418", ("#0072b2", "#e69f00", "#009e73")
"""Of Okabe and Ito, which all kinds of colour vision tell apart."""
BAND = "#d3d8dd"
BINS, POINTS, RESAMPLED = 60, 400, 200


class Plots:
    """Each method draws into ``ax``, or a new figure, and returns the axes.

    Of a task, ``laws`` says how many of the candidates are drawn, best first, whether a test rejects them or not. Measured are
    the ends that were seen, weighted by the product-limit estimate where some were not.

    Raises
    ------
    ImportError
        Where matplotlib is not installed.
    TraceError
        When there is no such task or block, or no law to draw.
    """

    def __init__(self, found: Calibration) -> None:
        self._found = found

    def density(self, task: str, ax: Axes | None = None, *, laws: int = 2) -> Axes:
        """Draw a histogram of the durations of a task on a logarithmic axis, with the densities of laws.

        Parameters
        ----------
        task : str
        ax : matplotlib.axes.Axes, optional
        laws : int

        Notes
        -----
        Densities are per unit of the logarithm, so that areas are probabilities on that axis.
        """
        durations, estimate = self._measured(task)
        axes = _axes(ax)
        mass = -np.diff(np.concatenate([[1.0], estimate.survival]))
        edges = _edges(estimate.times)
        heights = np.histogram(estimate.times, edges, weights=mass)[0] / np.diff(np.log(edges))
        axes.stairs(heights, edges, fill=True, color=BAND, label=f"{durations.seen.size:,} ends")
        x = np.geomspace(edges[0], edges[-1], POINTS)
        for colour, (name, law) in zip(LAWS, self._laws(task, laws), strict=False):
            axes.plot(x, np.exp(log_density(law, x)) * x, color=colour, label=name)
        axes.set(xscale="log", xlabel=f"{task}, unit of the tables", ylabel="probability per unit of the logarithm")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
        return axes

    def ecdf(self, task: str, ax: Axes | None = None, *, laws: int = 2, seed: int = 0) -> Axes:
        """Draw the distribution of the durations of a task with its 95 % band, and those of laws.

        Parameters
        ----------
        task : str
        ax : matplotlib.axes.Axes, optional
        laws : int
        seed : int
            Of the band, which is pointwise and from requests drawn with replacement.
        """
        durations, estimate = self._measured(task)
        x = np.unique(estimate.quantile((np.arange(POINTS) + 0.5) / POINTS))
        rng = np.random.default_rng(seed)
        drawn = [each for each in (durations.resampled(rng) for _ in range(RESAMPLED)) if each.observed.any()]
        low, high = np.quantile([_cdf(product_limit(each), x) for each in drawn], [0.025, 0.975], axis=0)
        axes = _axes(ax)
        axes.fill_between(x, low, high, step="post", color=BAND, label="95 %, by request")
        axes.step(x, _cdf(estimate, x), where="post", color=MEASURED, label="measured")
        for colour, (name, law) in zip(LAWS, self._laws(task, laws), strict=False):
            axes.plot(x, law.cdf(x), color=colour, label=name)
        _scaled(axes, x)
        axes.set(ylim=(0, 1), xlabel=f"{task}, unit of the tables", ylabel="probability of no longer duration")
        axes.legend(frameon=False)
        return axes

    def qq(self, task: str, ax: Axes | None = None, *, laws: int = 2) -> Axes:
        """Draw the quantiles of laws against those measured of a task; on the diagonal they agree.

        Parameters
        ----------
        task : str
        ax : matplotlib.axes.Axes, optional
        laws : int
        """
        _, estimate = self._measured(task)
        p = _levels(estimate)
        axes, x = _axes(ax, width=5.0, height=5.0), estimate.quantile(p)
        for colour, (name, law) in zip(LAWS, self._laws(task, laws), strict=False):
            axes.plot(x, law.quantile(p), ".", markersize=4, color=colour, label=name)
        axes.axline((float(x[0]), float(x[0])), (float(x[-1]), float(x[-1])), color=MEASURED, linewidth=1)
        _scaled(axes, x, both=True)
        axes.set(xlabel=f"{task}, measured", ylabel="quantile of the law")
        axes.legend(frameon=False)
        return axes

    def pp(self, task: str, ax: Axes | None = None, *, laws: int = 2) -> Axes:
        """Draw the probabilities of laws against those measured of a task; on the diagonal they agree.

        Parameters
        ----------
        task : str
        ax : matplotlib.axes.Axes, optional
        laws : int
        """
        _, estimate = self._measured(task)
        p = _levels(estimate)
        axes = _axes(ax, width=5.0, height=5.0)
        for colour, (name, law) in zip(LAWS, self._laws(task, laws), strict=False):
            axes.plot(p, law.cdf(estimate.quantile(p)), ".", markersize=4, color=colour, label=name)
        axes.axline((0.0, 0.0), (1.0, 1.0), color=MEASURED, linewidth=1)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=f"{task}, measured", ylabel="probability of the law")
        axes.legend(frameon=False)
        return axes

    def tail(self, task: str, ax: Axes | None = None, *, laws: int = 2) -> Axes:
        """Draw the probability of longer durations of a task on logarithmic axes, on which a power law is straight.

        Parameters
        ----------
        task : str
        ax : matplotlib.axes.Axes, optional
        laws : int
        """
        _, estimate = self._measured(task)
        axes = _axes(ax)
        # of all ends the last has nothing beyond it to draw
        kept = (estimate.times > 0.0) & (estimate.survival > 0.0)
        axes.step(estimate.times[kept], estimate.survival[kept], where="post", color=MEASURED, label="measured")
        edges = _edges(estimate.times)
        x = np.geomspace(edges[0], edges[-1], POINTS)
        for colour, (name, law) in zip(LAWS, self._laws(task, laws), strict=False):
            axes.plot(x, law.sf(x), color=colour, label=name)
        least = float(estimate.survival[kept].min()) if kept.any() else 0.1
        axes.set(xscale="log", yscale="log", ylim=(least / 3.0, 1.5), xlabel=f"{task}, unit of the tables")
        axes.set_ylabel("probability of a longer duration")
        axes.legend(frameon=False)
        return axes

    def dispersion(self, ax: Axes | None = None, *, seed: int = 0) -> Axes:
        """Draw the index of dispersion of the arrivals against the window, with what a Poisson process and the fit would show.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
        seed : int
            Of the band of the Poisson process.

        Raises
        ------
        TraceError
            When too few requests were measured, or all began at once.
        """
        curve = dispersion_curve(self._found.requests.arrivals, seed=seed)
        axes = _axes(ax)
        axes.fill_between(curve.windows, curve.low, curve.high, color=BAND, label="Poisson, 95 %")
        axes.plot(curve.windows, curve.index, "o-", color=MEASURED, label="measured")
        fitted = self._found.arrivals
        if fitted is not None and fitted.mmpp is not None:
            axes.plot(curve.windows, fitted.mmpp.dispersion(curve.windows), color=LAWS[0], label="two states")
        axes.set(xscale="log", yscale="log", xlabel="window, unit of the tables", ylabel="variance over mean of arrivals")
        axes.legend(frameon=False)
        return axes

    def drift(self, block: str, ax: Axes | None = None) -> Axes:
        """Draw the frequencies of the choices of a block in windows, with 95 % intervals, and where they changed.

        Parameters
        ----------
        block : str
        ax : matplotlib.axes.Axes, optional

        Notes
        -----
        Intervals are those of Jeffreys, each window by itself; a dashed line stands where the frequencies changed.
        """
        if block not in self._found.blocks:
            raise TraceError("Calibration.plot.block", block, _one_of(self._found.blocks))
        fit = self._found.blocks[block]
        total = fit.windows.sum(axis=1)
        whole = int(total.sum())
        place = np.cumsum(total) - 0.5 * total
        axes = _axes(ax)
        for i, name in enumerate(fit.names):
            taken = fit.windows[:, i]
            ends = [betaincinv(taken + 0.5, total - taken + 0.5, p) for p in (0.025, 0.975)]
            share = taken / total
            error = np.abs(np.stack(ends) - share)
            axes.errorbar(place, share, error, fmt="o-", markersize=4, capsize=2, linewidth=1, label=name)
        for start in fit.changes.starts[1:]:
            axes.axvline(float(start), color=MEASURED, linestyle="--", linewidth=1)
        axes.set(xlim=(0, whole), ylim=(0, 1), xlabel=f"decisions of {block}, in order of time", ylabel="share")
        axes.legend(frameon=False)
        return axes

    def _fit(self, task: str) -> TimeFit:
        if task not in self._found.times:
            raise TraceError("Calibration.plot.task", task, _one_of(self._found.times))
        return self._found.times[task]

    def _measured(self, task: str) -> tuple[Sample, ProductLimit]:
        self._fit(task)
        durations = self._found.samples[task]
        return durations, product_limit(durations)

    def _laws(self, task: str, count: int) -> list[tuple[str, dist.Law]]:
        """Return the best candidates with their names."""
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= len(LAWS):
            raise TraceError("Calibration.plot.laws", count, f"an integer from 0 to {len(LAWS)}")
        fit = self._fit(task)
        found = [(each.family, each.law) for each in fit.candidates if each.law is not None][:count]
        return [(name if name == fit.family else f"{name}, not used", law) for name, law in found]


def _cdf(estimate: ProductLimit, x: F64) -> F64:
    return 1.0 - np.concatenate([[1.0], estimate.survival])[np.searchsorted(estimate.times, x, side="right")]


def _levels(estimate: ProductLimit) -> F64:
    """Return probabilities up to which durations were seen to end."""
    count = min(estimate.times.size, POINTS)
    return np.asarray((np.arange(count) + 0.5) / count * (1.0 - estimate.open))


def _edges(times: F64) -> F64:
    """Return the edges of bins of equal ratio."""
    positive = times[times > 0.0]
    low, high = float(positive[0]), float(positive[-1])
    if high <= low * (1.0 + 1e-9):
        low, high = low / 1.1, high * 1.1
    return np.geomspace(low * (1.0 - 1e-12), high * (1.0 + 1e-12), min(BINS, max(positive.size, 8)) + 1)


def _scaled(axes: Axes, x: F64, both: bool = False) -> None:
    """Take logarithmic axes where values differ much."""
    if x[0] > 0.0 and x[-1] > 20.0 * x[0]:
        axes.set_xscale("log")
        if both:
            axes.set_yscale("log")


def _one_of(names: Collection[str]) -> str:
    return f"one of {', '.join(names)}" if names else "nothing: none was measured"


def _axes(ax: Axes | None, width: float = 7.0, height: float = 4.0) -> Axes:
    """Return the axes given, or those of a new figure."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("cal.plot needs matplotlib: pip install 'octomodel[plot]'") from None
    if ax is not None:
        if not hasattr(ax, "errorbar"):
            raise TraceError("ax", type(ax).__name__, "axes of matplotlib")
        return ax
    made: Axes = pyplot.subplots(figsize=(width, height), layout="constrained")[1]
    return made
