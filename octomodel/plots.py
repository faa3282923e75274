"""Pictures of results and studies, reached as ``ds.octo.plot``; they need the extra ``plot`` (matplotlib)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from octomodel.errors import ModelError, Words
from octomodel.report import COLOURS
from octomodel.variables import CAUSE, CLUSTER, EPOCH, POLICY, REPLICATION, TB
from octomodel.variables_study import BOUND, WORKFLOW

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST = 0.0005
"""Share of TBU time below which a cause is not drawn."""


class Plots:
    """Each method draws into ``ax``, or a new figure, and returns the axes.

    Raises
    ------
    ImportError
        Where matplotlib is not installed.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def time_split(self, ax: Axes | None = None) -> Axes:
        """Draw where the time of the TBUs goes: a bar for each policy, or workflow and policy, or for the one run.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
        """
        split = self._dataset.octo.time_split()
        dims = [dim for dim in (WORKFLOW, POLICY) if dim in split.dims]
        rows = split.stack(bar=dims).transpose("bar", CAUSE) if dims else split.expand_dims("bar")
        bars = rows["bar"].values if dims else [""]
        names = [" ".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in bars]
        axes = _axes(ax, height=0.45 * len(names) + 1.2)
        left = np.zeros(len(names))
        for cause in [str(name) for name in split[CAUSE].values]:
            share = rows.sel({CAUSE: cause}).values
            if share.max() >= LEAST:
                axes.barh(names, 100 * share, left=left, color=COLOURS[cause][0], edgecolor="white", label=cause)
                left += 100 * share
        axes.invert_yaxis()
        axes.set(xlabel="share of TBU time, %", xlim=(0, 100))
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5, frameon=False)
        return axes

    def speedup(self, baseline: str = "static", ax: Axes | None = None) -> Axes:
        """Draw the speed-ups of a study over one of its policies, with their 95 % intervals.

        Parameters
        ----------
        baseline : str
        ax : matplotlib.axes.Axes, optional

        Raises
        ------
        ValueError
            If the Dataset is no study, or has no such policy.
        """
        found = self._dataset.octo.speedup(baseline)["speedup"]
        if WORKFLOW not in found.dims:
            found = found.expand_dims(WORKFLOW)
        policies = [str(name) for name in found[POLICY].values if str(name) != baseline]
        axes = _axes(ax, width=1.6 + 1.1 * found.sizes[WORKFLOW] * len(policies) ** 0.5)
        places = np.arange(found.sizes[WORKFLOW])
        width = 0.8 / len(policies)
        for i, policy in enumerate(policies):
            each = found.sel({POLICY: policy})
            value = each.sel({BOUND: "value"}).values
            error = np.abs(each.sel({BOUND: ["lo", "hi"]}).transpose(BOUND, WORKFLOW).values - value)
            bars = places + width * (i - (len(policies) - 1) / 2)
            axes.bar(bars, value, width, yerr=None if np.isnan(error).all() else error, capsize=3, label=policy)
        axes.axhline(1.0, color="#56606a", linewidth=1)
        axes.set_xticks(places, [str(name) for name in np.atleast_1d(found[WORKFLOW].values)])
        axes.set_ylabel(f"throughput, times {baseline}")
        axes.legend(frameon=False)
        return axes

    def wafer(self, variable: str = "utilization", ax: Axes | None = None) -> Axes:
        """Draw a value of each cluster in its place on the mesh; the mean over the replications.

        Parameters
        ----------
        variable : str
            ``"utilization"``, the share of TBU time that ran something; a cause of the time split; or a variable of
            clusters such as ``"cluster_lendings"``.
        ax : matplotlib.axes.Axes, optional

        Raises
        ------
        ModelError
            If there is no such variable of clusters.
        ValueError
            If the Dataset holds several workflows or policies.
        """
        dataset = self._dataset
        several = [dim for dim in (WORKFLOW, POLICY) if dim in dataset.dims]
        if several:
            raise ValueError(f"dataset: got several of {' and '.join(several)}; allowed: one, as in ds.sel(policy='static')")
        causes = [str(name) for name in dataset[CAUSE].values]
        each_of = {CLUSTER, REPLICATION}
        known = [str(name) for name, each in dataset.data_vars.items() if CLUSTER in each.dims and each_of.issuperset(each.dims)]
        if variable == "utilization" or variable in causes:
            split = dataset.octo.time_split("cluster")
            value = split.sel({CAUSE: ["own", "lent"] if variable == "utilization" else [variable]}).sum(CAUSE) * 100
            label = f"{variable}, % of TBU time"
        elif variable in known:
            value = dataset[variable].mean([dim for dim in (REPLICATION,) if dim in dataset[variable].dims])
            label = str(dataset[variable].attrs.get("description", variable))
        else:
            raise ModelError("variable", variable, f"'utilization', {', '.join([*causes, *known])}")
        row, col = dataset["cluster_row"].values, dataset["cluster_col"].values
        mesh = np.full((row.max() + 1, col.max() + 1), np.nan)
        mesh[row, col] = value.values
        axes = _axes(ax, width=6.0, height=5.0)
        image = axes.imshow(mesh, cmap="viridis", vmin=0)
        axes.figure.colorbar(image, ax=axes, label=label)
        axes.set(xlabel="column", ylabel="row")
        axes.locator_params(integer=True)
        return axes

    def contagion(self, ax: Axes | None = None) -> Axes:
        """Draw at which station the chains end that starve or block the TBUs of each (rule 9.7): TBUs, at a sample.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional

        Raises
        ------
        ModelError
            If the Dataset holds no samples, as of ``simulate(..., epochs=n)``.
        """
        found = self._dataset.octo.attribution()
        total = found["idle_root"].sum("idleness").transpose(TB, "root")
        axes = _axes(ax, width=2.5 + 0.5 * total.sizes["root"], height=2.0 + 0.4 * total.sizes[TB])
        image = axes.imshow(total.values, cmap="magma_r", vmin=0)
        axes.figure.colorbar(image, ax=axes, label="TBUs idle at a sample")
        axes.set_xticks(range(total.sizes["root"]), [str(name) for name in total["root"].values], rotation=45, ha="right")
        axes.set_yticks(range(total.sizes[TB]), [str(name) for name in total[TB].values])
        depths = (f"{each['idleness'].item()} {each.item():.2f}" for each in found["contagion_depth"])
        axes.set(xlabel="root of the chain", ylabel="home of the idle TBU", title=f"depth of chains: {', '.join(depths)}")
        return axes

    def owners(self, cluster: int = 0, replication: int = 0, ax: Axes | None = None) -> Axes:
        """Draw the owners of each task of a cluster over time, and when the phase shifted.

        Parameters
        ----------
        cluster, replication : int
            Places in the Dataset.
        ax : matplotlib.axes.Axes, optional

        Raises
        ------
        ModelError
            If the Dataset holds no samples, as of ``simulate(..., epochs=n)``, or no such cluster or replication.
        """
        lags = self._dataset.octo.lag()
        runs = self._dataset if REPLICATION in self._dataset.dims else self._dataset.expand_dims(REPLICATION)
        for name, place in ((CLUSTER, cluster), (REPLICATION, replication)):
            if not 0 <= place < runs.sizes[name]:
                raise ModelError(name, place, f"0 to {runs.sizes[name] - 1}")
        one = runs["epoch_owners"].isel({CLUSTER: cluster, REPLICATION: replication})
        taken = one.where((one >= 0).all(TB), drop=True)
        axes = _axes(ax)
        cycles = runs["epoch_cycle"].values[: taken.sizes[EPOCH]]
        for name in taken[TB].values:
            axes.step(cycles / 1e6, taken.sel({TB: name}).transpose(EPOCH).values, where="post", label=str(name))
        mine = lags["shift_replication"].values == runs[REPLICATION].values[replication]
        for cycle in lags["shift_cycle"].values[mine & (lags["shift_cycle"].values <= cycles.max(initial=0))]:
            axes.axvline(cycle / 1e6, color="#56606a", linewidth=0.8, linestyle=":")
        axes.set(xlabel="time, Mcycles; dotted: the phase shifts", ylabel=f"owners in cluster {cluster}", ylim=(0, None))
        axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        return axes

    def qq(self, ax: Axes | None = None) -> Axes:
        """Draw the predicted quantiles of the latency of held-out requests against the measured ones, with 95 % intervals.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional

        Raises
        ------
        ValueError
            If the Dataset is not from `octomodel.holdout`.
        """
        dataset = self._dataset
        if "measured_quantile_cycles" not in dataset:
            raise ValueError("dataset: got no measured quantiles; allowed: what octomodel.holdout returns")
        measured, name = dataset["measured_quantile_cycles"].values, "predicted_quantile"
        low, high = (dataset[f"{name}_{end}_cycles"].values for end in ("low", "high"))
        axes = _axes(ax, width=5.0, height=5.0)
        axes.fill_between(measured, low, high, color="#d3d8dd", label="95 %")
        axes.plot(measured, dataset[f"{name}_cycles"].values, ".", markersize=4, color="#0072b2", label="predicted")
        ends = [float(measured[0]), float(measured[-1])]
        axes.axline((ends[0], ends[0]), (ends[1], ends[1] + (ends[0] == ends[1])), color="#101418", linewidth=1)
        if ends[0] > 0 and ends[1] > 20 * ends[0]:
            axes.set(xscale="log", yscale="log")
        axes.set(xlabel="measured latency, cycles", ylabel="predicted latency, cycles")
        axes.legend(frameon=False)
        return axes


def _axes(ax: Axes | None, width: float = 7.0, height: float = 4.0) -> Axes:
    """Return the axes given, or those of a new figure."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("ds.octo.plot needs matplotlib: pip install 'octomodel[plot]'") from None
    if ax is not None:
        if not hasattr(ax, "barh"):
            raise ModelError("ax", Words(type(ax).__name__), "axes of matplotlib")
        return ax
    made: Axes = pyplot.subplots(figsize=(width, height), layout="constrained")[1]
    return made
