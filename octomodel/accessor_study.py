"""The accessor ``.octo`` for results and studies: a study keeps summaries, and says what to select."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import stdtrit

from octomodel.accessor import BOUNDS, QUANTILES, OctoAccessor
from octomodel.summary import Summary
from octomodel.variables import CAUSE, POLICY, REPLICATION, make
from octomodel.variables_study import BOUND, STATISTIC, WORKFLOW

PLURAL = {WORKFLOW: "workflows", POLICY: "policies"}
CONFIDENCE = 0.95
FIGURES = ("makespan_cycles", "throughput_per_cycle")


class StudyAccessor(OctoAccessor):
    """As for a result; a study of ``octomodel.study`` answers from the summaries that it keeps."""

    def summary(self) -> Summary:
        """Return the main numbers of a result, or of one workflow under one policy of a study.

        Returns
        -------
        Summary
            As ``OctoAccessor.summary``.

        Raises
        ------
        ValueError
            If the Dataset holds several workflows or policies; it says what to select.
        """
        runs = self._runs()
        if not self._of_study():
            return super().summary()
        kept = self._dataset["latency_cycles"].transpose(STATISTIC, BOUND)
        figures = [*FIGURES, *(name for name in BOUNDS if name in runs)]
        prints = [str(text) for text in runs["fingerprint"].values]
        values = {
            "replications": runs.sizes[REPLICATION],
            "requests": int(runs["requests_ended"].sum()),
            "executions": int(runs["executions"].sum()),
            **{name: _number(runs[name].values.mean()) for name in figures},
            "latency": {
                **{
                    str(row[STATISTIC].item()): _estimate(row.values.tolist(), row[BOUND].values.tolist()) for row in kept
                },
                "warmup_requests": int(self._dataset["latency_warmup_requests"]),
                "n_effective": _whole(float(self._dataset["latency_effective_requests"])),
            },
            "deadline_miss": _number(runs["deadline_miss"].values.mean()) if "deadline_miss" in runs else None,
            "time_split": {
                str(cause): _number(share) for cause, share in zip(runs[CAUSE].values, self.time_split().values, strict=True)
            },
            "fingerprint": prints[0] if len(prints) == 1 else prints,
            "exact": bool(runs.attrs["exact"]),
            "warnings": self._warnings(),
        }
        title = f"{runs[WORKFLOW].item()} under {runs[POLICY].item()}"
        return Summary(values, title=title, clock_hz=float(runs.attrs["clock_hz"]))

    def latency(self, quantiles: Sequence[float] = QUANTILES, *, milestone: str | None = None) -> xr.DataArray:
        """Return mean and quantiles of the latency with 95 % intervals; of a study those that it keeps.

        Raises
        ------
        ValueError
            If the Dataset holds several workflows or policies, or a study does not keep what is asked for.
        """
        self._runs()
        if not self._of_study():
            return super().latency(quantiles, milestone=milestone)
        if milestone is not None:
            raise ValueError(f"milestone: got {milestone!r}; allowed: none, a study keeps the latency to the end only")
        names = ["mean", *(f"p{100 * share:g}" for share in quantiles)]
        kept = self._dataset[STATISTIC].values.tolist()
        missing = [name for name in names if name not in kept]
        if missing:
            raise ValueError(f"quantiles: got {', '.join(missing)}; allowed: {', '.join(kept)}, those that a study keeps")
        runs = self._dataset
        found = runs["latency_cycles"].transpose(STATISTIC, BOUND).sel({STATISTIC: names}).reset_coords(drop=True)
        return found.assign_attrs(
            warmup_requests=int(runs["latency_warmup_requests"]),
            n_effective=float(runs["latency_effective_requests"]),
            warnings=str(runs["latency_warnings"].item()),
        )

    def speedup(self, baseline: str = "static", *, of: Literal["throughput", "latency"] = "throughput") -> xr.Dataset:
        """Return how many times better than one policy each policy of a study is, in the steady parts.

        All policies face the same draws, so replications are paired. What is averaged is the logarithm of the ratio, whose
        spread is alike for slow and fast replications: the value is the geometric mean, its interval Student's t.

        Parameters
        ----------
        baseline : str
            A policy of the study.
        of : {"throughput", "latency"}
            2 is twice the throughput, or half the mean latency.

        Returns
        -------
        xarray.Dataset
            ``speedup`` with the dims (``workflow``,) ``policy``, ``bound`` ("value", "lo", "hi"), NaN where a steady part
            is too short, lo and hi also with one replication; ``speedup_warning`` says why.

        Raises
        ------
        ValueError
            If the Dataset is no study, has no such policy, or `of` is something else.
        """
        known = self._dataset[POLICY].values.tolist() if POLICY in self._dataset.dims else []
        if baseline not in known or not self._of_study():
            raise ValueError(f"baseline: got {baseline!r}; allowed: a policy of a study, here one of {known}")
        if of not in ("throughput", "latency"):
            raise ValueError(f"of: got {of!r}; allowed: 'throughput' or 'latency'")
        runs = self._dataset if REPLICATION in self._dataset.dims else self._dataset.expand_dims(REPLICATION)
        better = runs["steady_throughput_per_cycle"] if of == "throughput" else 1 / runs["steady_latency_cycles"]
        measured = better.copy(data=np.log(better.values))
        logs = (measured - measured.sel({POLICY: baseline}, drop=True)).transpose(..., REPLICATION)
        said = runs["steady_warning"].transpose(*logs.dims)
        base = said.sel({POLICY: baseline}, drop=True).broadcast_like(said).transpose(*logs.dims)
        n = logs.sizes[REPLICATION]
        centre = logs.mean(REPLICATION)
        half = math.inf if n < 2 else stdtrit(n - 1, (1 + CONFIDENCE) / 2) * logs.std(REPLICATION, ddof=1) / math.sqrt(n)
        values = np.stack(
            [np.exp(centre), *(np.exp(centre + sign * half) if n > 1 else np.full(centre.shape, np.nan) for sign in (-1, 1))],
            axis=-1,
        )
        warnings = np.array(
            [_first(rows) or _first(bases) for rows, bases in zip(_flat(said, n), _flat(base, n), strict=True)]
        ).reshape(centre.shape)
        values[warnings != ""] = np.nan
        leading = tuple(str(dim) for dim in centre.dims)
        found = xr.Dataset(
            {
                "speedup": make("speedup", values, leading),
                "speedup_warning": make("speedup_warning", warnings, leading),
                BOUND: make(BOUND, ["value", "lo", "hi"]),
            },
            attrs={"baseline": baseline, "of": of},
        )
        return found.assign_coords({name: axis for name, axis in centre.coords.items() if set(axis.dims) <= set(leading)})

    def _warnings(self) -> list[str]:
        said = [text for text in str(self._dataset["latency_warnings"].item()).split("\n") if text]
        one = REPLICATION not in self._dataset.dims
        return (["latency: of all replications, not only of the selected one"] if one else []) + said

    def _of_study(self) -> bool:
        return "latency_cycles" in self._dataset and "request_latency_cycles" not in self._dataset

    def _runs(self) -> xr.Dataset:
        several = [dim for dim in (WORKFLOW, POLICY) if dim in self._dataset.dims]
        if several:
            choice = ", ".join(f"{dim}={str(self._dataset[dim].values[0])!r}" for dim in several)
            there = "; ".join(f"{dim}: {', '.join(map(str, self._dataset[dim].values))}" for dim in several)
            what = " and ".join(PLURAL[dim] for dim in several)
            raise ValueError(f"dataset: got several {what} ({there}); allowed: one, as in ds.sel({choice}).octo")
        if REPLICATION not in self._dataset.dims:
            return self._dataset.expand_dims(REPLICATION)
        return self._dataset


def _flat(texts: xr.DataArray, n: int) -> NDArray[np.str_]:
    return np.asarray(texts.values, dtype=str).reshape(-1, n)


def _first(texts: NDArray[np.str_]) -> str:
    return next((str(text) for text in texts if text), "")


def _estimate(values: Sequence[float], bounds: Sequence[str]) -> dict[str, float] | None:
    return None if np.isnan(values).any() else dict(zip(bounds, values, strict=True))


def _whole(value: float) -> int | None:
    return None if np.isnan(value) else int(value)


def _number(value: np.generic) -> float | None:
    plain: float = value.item()
    return None if np.isnan(plain) else plain


delattr(xr.Dataset, "octo")  # of its base, whose place it takes
xr.register_dataset_accessor("octo")(StudyAccessor)  # type: ignore[no-untyped-call]
