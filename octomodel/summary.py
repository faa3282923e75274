"""The summary of a result: a dict for programs, a short table for readers."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any


class Summary(dict[str, Any]):
    """The main numbers of a result by name, as plain Python values; shown as a table.

    Parameters
    ----------
    values : dict
        As documented by ``ds.octo.summary()``.
    title : str
        What was simulated, such as ``"early_exit under static"``.
    clock_hz : float
        Clock that converts cycles to seconds.
    """

    def __init__(self, values: dict[str, Any], *, title: str, clock_hz: float) -> None:
        super().__init__(values)
        self.title, self.clock_hz = title, clock_hz

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield a label and a text for each line of the table, without the warnings."""
        cycles, clock = self["makespan_cycles"], self.clock_hz
        several = self["replications"] > 1
        if several:
            yield "replications", f"{self['replications']}: totals above, means of the replications below"
        yield "makespan", f"{cycles:,.0f} cycles ({cycles / clock:.4g} s at {clock / 1e9:g} GHz)"
        if self["throughput_per_cycle"] is not None:
            yield "throughput", f"{self['throughput_per_cycle'] * clock:,.6g} requests/s"
        for key, each in self["latency"].items():
            if isinstance(each, dict):
                bounds = f"[{each['lo']:,.0f}, {each['hi']:,.0f}]"
                yield f"latency {key}", f"{each['value']:,.0f} cycles {bounds}"
        if self["deadline_miss"] is not None:
            yield "missed", f"{self['deadline_miss']:.3%} of deadlines"
        shares = [f"{cause} {share:.1%}" for cause, share in self["time_split"].items() if share]
        yield "TBU time", ", ".join(shares) or "none"
        if self.get("fluid_bound_cycles"):
            bound = self["fluid_bound_cycles"]
            ratio = f"this one takes {cycles / bound:.3g} times it"
            yield "bound", f"{bound:,.0f} cycles: no schedule is shorter; {ratio}"
        prints = self["fingerprint"] if several else [self["fingerprint"]]
        for number, text in enumerate(prints):
            yield "fingerprint", f"{text} (replication {number})" if several else text

    def heading(self) -> str:
        """Return the first line: what was simulated, and the totals."""
        total = " in all" if self["replications"] > 1 else ""
        return f"{self.title}: {self['requests']:,} requests, {self['executions']:,} executions{total}"

    def text(self) -> str:
        """Return heading and rows, without the warnings."""
        return "\n".join([self.heading(), *(f"{label:<13} {text}" for label, text in self.rows())])

    def __repr__(self) -> str:
        return "\n".join([self.text(), *(f"{'warning':<13} {text}" for text in self["warnings"])])

    def _repr_html_(self) -> str:
        rows = [*self.rows(), *(("warning", text) for text in self["warnings"])]
        cells = "".join(
            f'<tr><th style="text-align:left">{escape(label)}</th><td style="text-align:left">{escape(text)}</td></tr>'
            for label, text in rows
        )
        return f"<table><caption>{escape(self.heading())}</caption>{cells}</table>"
