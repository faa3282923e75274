"""The reference's own ``octopus``, written from rules 14.3 to 14.10."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from octomodel.kernels.views import IDLE, LENT, NOTHING, RUNNING, Plan, Reports, View, load, move, own

_NAMES = "load demand slack level trend spread cycles came promised ahead arrived run done".split()


class Memory:
    """The rows of a cluster by name; ``memory.level[tb]`` is a Python float."""

    def __init__(self, view: View) -> None:
        self._rows = {name: view.state[row] for row, name in enumerate(_NAMES)}

    def get(self, name: str, tb: int) -> float:
        """Return a value."""
        return float(self._rows[name][tb])

    def put(self, name: str, tb: int, value: float) -> None:
        """Keep a value."""
        self._rows[name][tb] = value


def octopus(view: View, reports: Reports, plan: Plan) -> None:
    """Write what rules 14.4 to 14.9 want done."""
    memory = Memory(view)
    here = [tb for tb in range(view.n_tb) if view.station_owners[tb] > 0]
    horizon = max([float(view.epoch_cycles), *(view.epoch_cycles + _cycles(view, memory, tb) for tb in here)])
    epochs = horizon / view.epoch_cycles
    _observe(view, memory, here, epochs / view.params.alpha)
    _forecast(view, memory, here, horizon, epochs)
    _discriminate(view, memory, here)
    if view.params.pcs > 0:
        owners, staying = _retarget(view, memory, plan)
        if view.params.ats > 0:
            _prepare(view, memory, plan, owners, staying)
        _diffuse(view, reports, memory, plan)


def _observe(view: View, memory: Memory, here: list[int], span: float) -> None:
    new = {}
    owners = sum((float(view.station_owners[tb]) for tb in here), 0.0)
    work = sum((float(view.task_demand[tb]) for tb in here), 0.0)
    for tb in range(view.n_tb):
        executions, cycles = int(view.station_executions[tb]), int(view.station_run_cycles[tb])
        new[tb] = executions - memory.get("done", tb)
        if new[tb] > 0:
            known = _cycles(view, memory, tb)
            mean = (cycles - memory.get("run", tb)) / new[tb]
            weight = new[tb] / (new[tb] + view.params.prior)
            memory.put("cycles", tb, known + weight * (mean - known))
            memory.put("done", tb, executions)
            memory.put("run", tb, cycles)
        total = _ready(view, tb) + int(view.station_fresh_taken[tb]) + int(view.station_recirculation_taken[tb])
        came = total - memory.get("arrived", tb)
        memory.put("arrived", tb, total)
        if view.now == view.epoch_cycles:
            visits = float(view.task_demand[tb] / view.task_cycles[tb]) if view.task_cycles[tb] > 0 else 0.0
            memory.put("level", tb, visits * view.epoch_cycles * owners / work if work > 0 else 0.0)
        else:
            before, trend = memory.get("level", tb), memory.get("trend", tb)
            expected = max(0.0, before + trend)
            level = expected + (came - expected) / span
            memory.put("trend", tb, trend + view.params.beta / span * (level - before - trend))
            memory.put("level", tb, level)
            spread = memory.get("spread", tb)
            memory.put("spread", tb, spread + (abs(came - expected) - spread) / span)
        memory.put("came", tb, memory.get("came", tb) + (came - memory.get("came", tb) / span))
        memory.put("promised", tb, memory.get("promised", tb) - memory.get("promised", tb) / span)
    for source, target, tokens in _flows(view):
        if source in here:
            memory.put("promised", target, memory.get("promised", target) + tokens * new[source])


def _forecast(view: View, memory: Memory, here: list[int], horizon: float, epochs: float) -> None:
    prior = view.params.prior
    ahead = [0.0] * view.n_tb
    for source, target, tokens in _flows(view):
        often = (memory.get("came", target) + prior) / (memory.get("promised", target) + prior)
        present = _waiting(view, source) + int(view.station_busy[source])
        ahead[target] += tokens * often * (ahead[source] + present)
    for tb in range(view.n_tb):
        expected = max(0.0, memory.get("level", tb) + memory.get("trend", tb))
        cycles, waiting = _cycles(view, memory, tb), _waiting(view, tb)
        tokens = waiting + 0.5 * int(view.station_busy[tb]) + max(ahead[tb], expected * epochs)
        memory.put("demand", tb, tokens * cycles / horizon)
        memory.put("load", tb, (waiting + expected) * cycles / int(view.station_owners[tb]) if tb in here else 0.0)


def _discriminate(view: View, memory: Memory, here: list[int]) -> None:
    busiest = (memory.get("demand", tb) / max(int(view.station_owners[tb]), int(view.station_busy[tb])) for tb in here)
    pace = max([1.0, *busiest])
    for tb in range(view.n_tb):
        memory.put("slack", tb, float(memory.get("demand", tb) > pace * (int(view.station_owners[tb]) - 1)))


def _retarget(view: View, memory: Memory, plan: Plan) -> tuple[list[float], list[int]]:
    owners, staying = [0.0] * view.n_tb, [0] * view.n_tb
    for home, following in zip(view.tbu_home.tolist(), view.tbu_next.tolist(), strict=True):
        if home >= 0:
            owners[home if following < 0 else following] += 1
            staying[home] += following < 0
    owners = [max(count, float(busy)) for count, busy in zip(owners, view.station_busy.tolist(), strict=True)]
    for _ in range(view.n_tb):
        busiest = _busiest(memory, owners)
        if busiest < 0:
            break
        if (memory.get("demand", busiest) - owners[busiest]) * view.epoch_cycles <= int(view.task_reload_cycles[busiest]):
            break
        most = memory.get("demand", busiest) / owners[busiest]
        offers = []
        for tbu, home in enumerate(view.tbu_home.tolist()):
            if home < 0 or home == busiest or view.tbu_next[tbu] >= 0 or staying[home] <= 1 or owners[home] <= 1:
                continue
            idle = int(view.tbu_state[tbu] == IDLE)
            if view.params.dds == 0 and not idle:
                continue
            without = memory.get("demand", home) / (owners[home] - 1) if view.params.dds > 0 else 0.0
            if without * (1 + view.params.band) <= most:
                offers.append((without, -(2 * _holds(view, tbu, busiest) + idle), tbu))
        if not offers:
            break
        giver = min(offers)[2]
        own(plan, giver, busiest)
        home = int(view.tbu_home[giver])
        owners[home] -= 1
        owners[busiest] += 1
        staying[home] = 0
    return owners, staying


def _busiest(memory: Memory, owners: list[float]) -> int:
    best, most = -1, 0.0
    for tb, count in enumerate(owners):
        if count > 0 and memory.get("demand", tb) > most * count:
            best, most = tb, memory.get("demand", tb) / count
    return best


def _prepare(view: View, memory: Memory, plan: Plan, owners: list[float], staying: list[int]) -> None:
    busiest = _busiest(memory, owners)
    if not view.background_load or view.port_free > view.now or busiest < 0:
        return
    if memory.get("demand", busiest) <= owners[busiest]:
        return
    config = int(view.task_config[busiest])
    offers = []
    for tbu, home in enumerate(view.tbu_home.tolist()):
        if home < 0 or home == busiest or view.tbu_next[tbu] >= 0 or staying[home] <= 0:
            continue
        places, kept = view.resident[tbu].tolist(), {int(view.tbu_config[tbu]), int(view.task_config[home])}
        room = any(place >= -1 and place not in kept for place in places)
        if room and not _holds(view, tbu, busiest) and -2 - config not in places:
            offers.append((memory.get("demand", home) / owners[home], tbu))
    if offers:
        load(plan, min(offers)[1], busiest)


def _diffuse(view: View, reports: Reports, memory: Memory, plan: Plan) -> None:
    left = view.station_fresh.tolist()
    for port in range(4):
        for tb in range(view.n_tb):
            if reports.sent[port] <= 0 or left[tb] < 1 or reports.owners[port, tb] <= 0:
                continue
            hop = float(view.link_latency[port])
            if view.link_bytes[port] > 0:
                hop += int(view.task_bytes[tb]) * int(view.link_cycles[port]) / int(view.link_bytes[port])
            difference = memory.get("load", tb) - float(reports.load[port, tb])
            if difference > 2 * hop:
                share = view.params.diffusion / 5 * difference * int(view.station_owners[tb]) / _cycles(view, memory, tb)
                tokens = int(min(share, left[tb], int(reports.free[port, tb])))
                if tokens >= 1:
                    move(plan, tb, port, tokens)
                    left[tb] -= tokens


def octopus_dispatch(view: View, tbu: int) -> int:
    """Answer as rule 14.10 has it."""
    if view.params.ats == 0:
        return NOTHING
    memory, home = Memory(view), int(view.tbu_home[tbu])
    waits = {}
    for tb in range(view.n_tb):
        if _ready(view, tb) > 0 and tb != home and (view.params.dds == 0 or _holds(view, tbu, tb)):
            waits[tb] = _waiting(view, tb) * _cycles(view, memory, tb) / int(view.station_owners[tb])
    longest = max(waits.values(), default=0.0)
    if longest <= 0:
        return NOTHING
    best = min(tb for tb, wait in waits.items() if wait == longest)
    cycles = _cycles(view, memory, best)
    residual, turn = cycles, 1
    for other in range(view.n_tbu):
        if view.tbu_tb[other] == best and view.tbu_state[other] in (RUNNING, LENT):
            residual = min(residual, max(0.0, cycles - (view.now - int(view.tbu_run_start[other]))))
        turn += other < tbu and view.tbu_home[other] == home and view.tbu_state[other] == IDLE
    there = _cost(view, tbu, best)
    if residual + longest - cycles / int(view.station_owners[best]) <= there:
        return NOTHING
    begun = view.now >= view.epoch_cycles
    if view.params.dds > 0 and begun and memory.get("slack", home) == 0:
        return best
    expected = memory.get("level", home) + memory.get("trend", home)
    if begun and expected <= 0:
        return best
    if begun:
        gap, margin = view.epoch_cycles / expected, view.params.caution * memory.get("spread", home) / expected
    else:
        gap = view.now / (1.0 + int(view.station_fresh_taken[home]) + int(view.station_recirculation_taken[home]))
        margin = view.params.caution
    back = view.switch_cycles if view.resident.shape[1] > 1 else int(view.task_reload_cycles[home])
    return best if int(turn) * gap > (there + back) * (1 + margin) else NOTHING


def _cost(view: View, tbu: int, tb: int) -> int:
    if view.tbu_config[tbu] == view.task_config[tb]:
        return 0
    if _holds(view, tbu, tb):
        return view.switch_cycles
    return int(view.task_reload_cycles[tb]) + max(0, view.port_free - view.now)


def _holds(view: View, tbu: int, tb: int) -> bool:
    """Return whether a TBU holds the configuration of a TB, or ran it last."""
    return int(view.task_config[tb]) in {*view.resident[tbu].tolist(), int(view.tbu_config[tbu])}


def _cycles(view: View, memory: Memory, tb: int) -> float:
    known = memory.get("cycles", tb)
    return known if known > 0 else float(view.task_cycles[tb])


def _ready(view: View, tb: int) -> int:
    return int(view.station_fresh[tb]) + int(view.station_recirculated[tb])


def _waiting(view: View, tb: int) -> int:
    return _ready(view, tb) + int(view.station_line[tb])


def _flows(view: View) -> Iterator[tuple[int, int, float]]:
    flows: Any = zip(view.flow_from.tolist(), view.flow_to.tolist(), view.flow_tokens.tolist(), strict=True)
    yield from flows
