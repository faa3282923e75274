"""What the functions of a policy are handed, made from a world: for compiled code, or for plain Python."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

from numba.core.registry import CPUDispatcher
from numba.np.unsafe.ndarray import to_fixed_tuple
from numpy.typing import NDArray

from . import _columns
from .views import Candidates, Plan, Reports, View

_OPTIONS = {"nopython": True, "nogil": True, "boundscheck": True, "error_model": "python", "fastmath": False, "forceinline": True}


def compiled(function: Callable[..., Any]) -> Any:
    """Let Numba compile a function, with bounds checks and Python's errors, where compiled code calls it."""
    return CPUDispatcher(function, targetoptions=dict(_OPTIONS))


class Tools(NamedTuple):
    """Functions of a world that make what is handed over."""

    view_of: Any
    candidates_of: Any
    reports_of: Any
    plan_of: Any
    params_of: Any
    column: Any
    open_column: Any


def _as_tuple(array: NDArray[Any], n: int) -> tuple[Any, ...]:
    return tuple(array[:n].tolist())


def tools(names: tuple[str, ...], real: bool) -> Tools:
    """Return the tools for a policy with parameters of these names, ``real`` for compiled code."""
    column = _columns.compiled_column if real else _columns.copied_column
    open_column = _columns.compiled_open_column if real else _columns.copied_open_column
    kind = namedtuple("Params", names or ("none",))  # type: ignore[misc]  # its fields are the policy's own
    n_params = len(kind._fields)
    as_tuple: Any = to_fixed_tuple if real else _as_tuple

    def view_of(w: Any, c: int, params: Any, state: Any) -> View:
        """Return what cluster ``c`` can know now (rule 13.2)."""
        ctl = w.ctl[0]
        cluster = w.cluster[c]
        n_tb = ctl.n_task
        n_tbu = cluster.tbu_end - cluster.tbu
        station = c * n_tb
        tbu = cluster.tbu
        return View(
            ctl.now,
            c,
            n_tb,
            n_tbu,
            ctl.epoch,
            ctl.switch_cycles,
            ctl.background_load,
            cluster.free_cbus,
            cluster.spill_free,
            cluster.port_free,
            params,
            state,
            column(w.link, 4 * c, 4, "cluster"),
            column(w.link, 4 * c, 4, "latency"),
            column(w.link, 4 * c, 4, "rate_bytes"),
            column(w.link, 4 * c, 4, "rate_cycles"),
            column(w.station, station, n_tb, "fresh_len"),
            column(w.station, station, n_tb, "again_len"),
            column(w.station, station, n_tb, "line_len"),
            column(w.station, station, n_tb, "used"),
            column(w.station, station, n_tb, "slots"),
            column(w.station, station, n_tb, "owners"),
            column(w.station, station, n_tb, "idle"),
            column(w.station, station, n_tb, "busy"),
            column(w.station, station, n_tb, "fresh_taken"),
            column(w.station, station, n_tb, "recirculation_taken"),
            column(w.station, station, n_tb, "executions"),
            column(w.station, station, n_tb, "run_cycles"),
            column(w.tbu, tbu, n_tbu, "task"),
            column(w.tbu, tbu, n_tbu, "next"),
            column(w.tbu, tbu, n_tbu, "state"),
            column(w.tbu, tbu, n_tbu, "since"),
            column(w.tbu, tbu, n_tbu, "tb"),
            column(w.tbu, tbu, n_tbu, "run_start"),
            column(w.tbu, tbu, n_tbu, "config"),
            column(w.tbu, tbu, n_tbu, "speed"),
            column(w.resident, tbu * ctl.n_residents, (n_tbu, ctl.n_residents), "config"),
            column(w.task, 0, n_tb, "config"),
            column(w.task, 0, n_tb, "reload"),
            column(w.task, 0, n_tb, "cycles"),
            column(w.task, 0, n_tb, "demand"),
            column(w.task, 0, n_tb, "bytes"),
            column(w.flow, 0, len(w.flow), "source"),
            column(w.flow, 0, len(w.flow), "target"),
            column(w.flow, 0, len(w.flow), "tokens"),
        )

    def candidates_of(w: Any, n: int) -> Candidates:
        """Return the candidates of the route that is being chosen (rule 7.3)."""
        return Candidates(
            column(w.option, 0, n, "cluster"),
            column(w.option, 0, n, "hops"),
            column(w.option, 0, n, "free"),
            column(w.option, 0, n, "present"),
            column(w.option, 0, n, "owners"),
        )

    def reports_of(w: Any, c: int) -> Reports:
        """Return what the neighbours of cluster ``c`` reported last (rule 13.6)."""
        ctl = w.ctl[0]
        slot = (c + 1) * ctl.report_slots - 4
        first = slot * ctl.n_task
        shape = (4, ctl.n_task)
        return Reports(
            column(w.link, 4 * c, 4, "cluster"),
            column(w.heard, slot, 4, ""),
            column(w.reported, first, shape, "free"),
            column(w.reported, first, shape, "present"),
            column(w.reported, first, shape, "owners"),
            column(w.reported, first, shape, "backlog"),
            column(w.reported, first, shape, "load"),
        )

    def plan_of(w: Any) -> Plan:
        """Return the plan, to be written."""
        n = len(w.plan)
        return Plan(
            open_column(w.ctl, 0, 1, "plan_n"),
            open_column(w.plan, 0, n, "kind"),
            open_column(w.plan, 0, n, "tbu"),
            open_column(w.plan, 0, n, "tb"),
            open_column(w.plan, 0, n, "port"),
            open_column(w.plan, 0, n, "tokens"),
        )

    def params_of(w: Any) -> Any:
        return kind(*as_tuple(column(w.params, 0, n_params, ""), n_params))

    made = (view_of, candidates_of, reports_of, plan_of, params_of)
    ready = [compiled(function) if real else function for function in made]
    return Tools._make([*ready, column, open_column])
