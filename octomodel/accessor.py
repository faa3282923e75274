"""The accessor ``.octo``: what a result Dataset says, in a few numbers with their intervals."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from octomodel import files, series
from octomodel.errors import unknown
from octomodel.statistics import Estimate, Steady, steady_state
from octomodel.summary import Summary
from octomodel.variables import CAUSE, CLUSTER, MILESTONE, POLICY, REPLICATION, REQUEST, TBU

if TYPE_CHECKING:
    from octomodel.plots import Plots

QUANTILES = (0.5, 0.95, 0.99)
BOUNDS = ("work_bound_cycles", "path_bound_cycles", "fluid_bound_cycles")


@xr.register_dataset_accessor("octo")  # type: ignore[no-untyped-call]
class OctoAccessor:
    """Summaries of a result Dataset, reached as ``ds.octo``."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def summary(self) -> Summary:
        """Return the main numbers as plain Python values, ready for JSON; printed, they are a table.

        Counts (requests, executions) are totals over the replications, every other number is their mean; the
        fingerprint is a list when there are several. None stands for what is not known.

        Returns
        -------
        Summary
            A dict of replications, requests, executions, makespan_cycles, throughput_per_cycle, latency,
            deadline_miss, time_split, fingerprint, exact, the bounds when there are any, and warnings (list of str).

        Raises
        ------
        ValueError
            If the Dataset holds several policies.
        """
        runs = self._runs()
        steady = self._steady(runs["request_latency_cycles"], QUANTILES)
        prints = [str(text) for text in runs["fingerprint"].values]
        result: dict[str, object] = {
            "replications": runs.sizes[REPLICATION],
            "requests": int(runs["requests_ended"].sum()),
            "executions": int(runs["executions"].sum()),
            "makespan_cycles": _mean(runs["makespan_cycles"]),
            "throughput_per_cycle": _mean(runs["throughput_per_cycle"]),
            "latency": {
                **{name: None if each is None else vars(each) for name, each in steady.named().items()},
                "warmup_requests": steady.warmup,
                "n_effective": None if steady.n_effective is None else int(steady.n_effective),
            },
            "deadline_miss": _mean(runs["deadline_miss"]) if "deadline_miss" in runs else None,
            "time_split": {
                str(cause): _number(share) for cause, share in zip(runs[CAUSE].values, self.time_split().values, strict=True)
            },
            "fingerprint": prints[0] if len(prints) == 1 else prints,
            "exact": bool(runs.attrs["exact"]),
        }
        result |= {name: _mean(runs[name]) for name in BOUNDS if name in runs}
        result["warnings"] = self._remarks(runs) + list(steady.warnings)
        title = f"{runs.attrs.get('workflow', 'run')} under {runs[POLICY].item()}"
        return Summary(result, title=title, clock_hz=float(runs.attrs.get("clock_hz", 1e9)))

    def time_split(self, by: Literal["machine", "cluster", "tbu"] = "machine") -> xr.DataArray:
        """Return the share of TBU time per cause, over all replications.

        Parameters
        ----------
        by : {"machine", "cluster", "tbu"}
            What a share is a part of.

        Returns
        -------
        xarray.DataArray
            float64 shares that sum to 1 over ``cause``, with dims (``policy``,) (``cluster`` or ``tbu``,)
            ``cause``; NaN when no cycle elapsed.

        Raises
        ------
        ValueError
            If `by` is something else.
        """
        cycles = self._dataset["tbu_cycles"]
        if REPLICATION in cycles.dims:
            cycles = cycles.sum(REPLICATION)
        if by == "machine":
            cycles = cycles.sum(TBU)
        elif by == "cluster":
            cycles = self._by_cluster(cycles)
        elif by != "tbu":
            raise ValueError(f"by: got {by!r}; allowed: 'machine', 'cluster' or 'tbu'")
        shares = cycles / cycles.sum(CAUSE)
        return shares.rename("time_split").assign_attrs(units="1", description="share of TBU time per cause")

    def latency(self, quantiles: Sequence[float] = QUANTILES, *, milestone: str | None = None) -> xr.DataArray:
        """Return mean and quantiles of the latency in steady state, with 95 % intervals.

        Parameters
        ----------
        quantiles : sequence of float
            Shares in (0, 1).
        milestone : str, optional
            Latency to this milestone instead of to the end of the request.

        Returns
        -------
        xarray.DataArray
            float64 cycles with dims ``statistic`` ("mean", "p50", ...) and ``bound`` ("value", "lo", "hi");
            NaN where the run is too short for an honest interval. Attributes: ``warmup_requests``,
            ``n_effective`` (NaN without a mean), ``warnings``.

        Raises
        ------
        ValueError
            If the Dataset holds several policies, or a share is outside (0, 1).
        ModelError
            If there is no such milestone.
        """
        runs = self._runs()
        if milestone is None:
            times = runs["request_latency_cycles"]
        else:
            known = runs[MILESTONE].values.tolist() if MILESTONE in runs.coords else []
            if milestone not in known:
                raise unknown("milestone", milestone, known)
            times = runs["request_milestone_cycles"].sel({MILESTONE: milestone}, drop=True)
        steady = self._steady(times, quantiles)
        rows = steady.named()
        nothing = Estimate(np.nan, np.nan, np.nan)
        found = [estimate or nothing for estimate in rows.values()]
        return xr.DataArray(
            np.array([[each.value, each.lo, each.hi] for each in found]),
            dims=("statistic", "bound"),
            coords={"statistic": list(rows), "bound": ["value", "lo", "hi"]},
            name="latency_cycles",
            attrs={
                "units": "cycles",
                "warmup_requests": steady.warmup,
                "n_effective": np.nan if steady.n_effective is None else steady.n_effective,
                "warnings": "\n".join(steady.warnings),
            },
        )

    @property
    def plot(self) -> Plots:
        """Pictures: see `octomodel.plots.Plots`."""
        from octomodel.plots import Plots

        return Plots(self._dataset)

    def attribution(self) -> xr.Dataset:
        """Return what is at the root of idleness, from a run with ``epochs``; see `octomodel.attribution.attribution`."""
        from octomodel.attribution import attribution

        return attribution(self._runs())

    def lag(self) -> xr.DataArray:
        """Return the cycles from each shift of the phase to balanced owners; see `octomodel.lag.lag` (rule 9.6).

        Returns
        -------
        xarray.DataArray
            float64 cycles with dims ``shift``, ``cluster``; infinite where never, NaN where the samples do not tell.

        Raises
        ------
        ValueError
            If the Dataset holds several policies.
        ModelError
            If the Dataset holds no samples, no requests or no configuration.
        """
        from octomodel import lag

        return lag.lag(self._runs())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the Dataset to a NetCDF file or a Zarr directory; see `octomodel.files.save`.

        Parameters
        ----------
        path : path
            ``*.nc`` or ``*.zarr``; what is there is replaced.

        Raises
        ------
        ModelError
            If the path is of another kind.
        OSError
            If it cannot be written; what was there is unchanged.
        """
        files.save(self._dataset, path)

    def _runs(self) -> xr.Dataset:
        if POLICY in self._dataset.dims:
            raise ValueError("dataset: got several policies; allowed: one, as in ds.sel(policy='static').octo")
        if REPLICATION not in self._dataset.dims:
            return self._dataset.expand_dims(REPLICATION)
        return self._dataset

    def _steady(self, times: xr.DataArray, quantiles: Sequence[float]) -> Steady:
        found = series.cut(self._runs(), times)
        return steady_state(
            found.times,
            quantiles,
            window=found.window,
            cycle=found.cycle,
            pipelines=found.pipelines,
            skip=found.skip,
        )

    def _remarks(self, runs: xr.Dataset) -> list[str]:
        remarks = []
        if not runs.attrs["exact"]:
            remarks.append(f"not exact: arrivals from other clusters were rounded up to steps of {runs.attrs['step']}")
        asked = runs.sizes[REPLICATION] * runs.sizes[REQUEST]
        left = asked - int(runs["requests_ended"].sum())
        if left:
            remarks.append(
                f"{left} of {asked} requests had not ended at the horizon; latencies are of those before the first of them"
            )
        return remarks

    def _by_cluster(self, cycles: xr.DataArray) -> xr.DataArray:
        by_tbu = cycles.transpose(TBU, ...)
        sums = np.zeros((self._dataset.sizes[CLUSTER], *by_tbu.shape[1:]), dtype=np.int64)
        np.add.at(sums, self._dataset["tbu_cluster"].values, by_tbu.values)
        kept = {name: axis for name, axis in by_tbu.coords.items() if TBU not in axis.dims}
        kept |= {name: self._dataset[name] for name in ("cluster_row", "cluster_col")}
        return xr.DataArray(sums, dims=(CLUSTER, *by_tbu.dims[1:]), coords=kept).transpose(..., CLUSTER, CAUSE)


def _mean(values: xr.DataArray) -> float | int | None:
    """Mean over the replications; exact for one, None when not known."""
    return _number(values.values[0] if values.size == 1 else values.values.mean())


def _number(value: np.generic) -> float | int | None:
    plain: float | int = value.item()
    return None if np.isnan(plain) else plain
