"""The reference's ``octopus``: written from rules 14.3 to 14.10 alone, without sight of the policy."""

from __future__ import annotations

import math

from octomodel.kernels.views import IDLE, LENT, NOTHING, RUNNING, Plan, Reports, View, load, move, own

# rows of the state, numbered anew: of these only LOAD, which neighbours are told, has a number in the rules
LOAD, CYCLES, DONE, RUN, ARRIVED, LEVEL, TREND, SPREAD, CAME, PROMISED, DEMAND, SLACK = range(12)


def octopus(view: View, reports: Reports, plan: Plan) -> None:
    """Look at what came, forecast, and, with ``pcs``, change owners, prepare and diffuse (rule 14.3)."""
    horizon = float(view.epoch_cycles)
    for tb in _stations(view):
        horizon = max(horizon, view.epoch_cycles + _cyc(view, tb))
    epochs = horizon / view.epoch_cycles
    _observe(view, epochs / view.params.alpha)
    _forecast(view, horizon, epochs)
    _find_slack(view)
    if view.params.pcs > 0:
        owners, staying = _move_owners(view, plan)
        if view.params.ats > 0:
            _prepare(view, plan, owners, staying)
        _diffuse(view, reports, plan)


def _stations(view: View) -> list[int]:
    return [tb for tb in range(view.n_tb) if view.station_owners[tb] > 0]


def _cyc(view: View, tb: int) -> float:
    """Return CYC: the cycles of an execution as observed, or as known beforehand (rule 14.3)."""
    seen = float(view.state[CYCLES, tb])
    return seen if seen > 0 else float(view.task_cycles[tb])


def _expected(view: View, tb: int) -> float:
    """Return e: what is to come in the next epoch (rules 14.4 and 14.5)."""
    return max(0.0, float(view.state[LEVEL, tb]) + float(view.state[TREND, tb]))


def _ready(view: View, tb: int) -> int:
    return int(view.station_fresh[tb]) + int(view.station_recirculated[tb])


def _waiting(view: View, tb: int) -> int:
    return _ready(view, tb) + int(view.station_line[tb])


def _observe(view: View, memory: float) -> None:
    """Learn times, rates and what followed what from the counts since the last hook (rule 14.4)."""
    state = view.state
    new = [int(view.station_executions[tb]) - int(state[DONE, tb]) for tb in range(view.n_tb)]
    for tb in range(view.n_tb):
        if new[tb] > 0:
            cycles = (float(view.station_run_cycles[tb]) - float(state[RUN, tb])) / new[tb]
            known = _cyc(view, tb)
            state[CYCLES, tb] = known + new[tb] / (new[tb] + view.params.prior) * (cycles - known)
            state[DONE, tb], state[RUN, tb] = view.station_executions[tb], view.station_run_cycles[tb]
        so_far = _ready(view, tb) + int(view.station_fresh_taken[tb]) + int(view.station_recirculation_taken[tb])
        came = so_far - float(state[ARRIVED, tb])
        state[ARRIVED, tb] = so_far
        if view.now == view.epoch_cycles:
            state[LEVEL, tb] = _level_at_first(view, tb)
        else:
            _smooth(view, tb, came, memory)
        state[CAME, tb] += came - state[CAME, tb] / memory
        state[PROMISED, tb] -= state[PROMISED, tb] / memory
    for i, j, tokens in zip(view.flow_from, view.flow_to, view.flow_tokens, strict=True):
        if view.station_owners[i] > 0:
            state[PROMISED, j] += float(tokens) * new[i]


def _level_at_first(view: View, tb: int) -> float:
    """Return what comes in an epoch when all owners are busy with the mix of the profile (rule 14.4)."""
    owners, work = 0.0, 0.0
    for station in _stations(view):
        owners += int(view.station_owners[station])
        work += float(view.task_demand[station])
    if work == 0 or view.task_cycles[tb] == 0:
        return 0.0
    visits = float(view.task_demand[tb]) / float(view.task_cycles[tb])
    return visits * view.epoch_cycles * owners / work


def _smooth(view: View, tb: int, came: float, memory: float) -> None:
    """Correct level, trend and spread by what came against what was expected (rule 14.4)."""
    state = view.state
    expected = _expected(view, tb)
    level, trend = float(state[LEVEL, tb]), float(state[TREND, tb])
    corrected = expected + (came - expected) / memory
    state[TREND, tb] = trend + view.params.beta / memory * (corrected - level - trend)
    state[LEVEL, tb] = corrected
    state[SPREAD, tb] += (abs(came - expected) - state[SPREAD, tb]) / memory


def _forecast(view: View, horizon: float, epochs: float) -> None:
    """Write how many TBUs each TB needs until the horizon, and its load (rule 14.5)."""
    state, prior = view.state, view.params.prior
    ahead = [0.0] * view.n_tb
    for i, j, tokens in zip(view.flow_from, view.flow_to, view.flow_tokens, strict=True):
        follows = (float(state[CAME, j]) + prior) / (float(state[PROMISED, j]) + prior)
        here = _waiting(view, i) + int(view.station_busy[i])
        ahead[j] += float(tokens) * follows * (ahead[i] + here)
    for tb in range(view.n_tb):
        waiting, expected, cycles = _waiting(view, tb), _expected(view, tb), _cyc(view, tb)
        tokens = waiting + 0.5 * int(view.station_busy[tb]) + max(ahead[tb], expected * epochs)
        state[DEMAND, tb] = tokens * cycles / horizon
        owners = int(view.station_owners[tb])
        state[LOAD, tb] = (waiting + expected) * cycles / owners if owners > 0 else 0.0


def _find_slack(view: View) -> None:
    """Tell for each TB whether an idle TBU of it will be needed again (rule 14.6)."""
    demand = view.state[DEMAND].tolist()
    pace = 1.0
    for tb in _stations(view):
        pace = max(pace, demand[tb] / max(int(view.station_owners[tb]), int(view.station_busy[tb])))
    for tb in range(view.n_tb):
        view.state[SLACK, tb] = float(demand[tb] > pace * (int(view.station_owners[tb]) - 1))


def _move_owners(view: View, plan: Plan) -> tuple[list[int], list[int]]:
    """Let TBUs own the busiest TB, one after the other; return OWNERS and STAYING (rule 14.7)."""
    owners, staying = [0] * view.n_tb, [0] * view.n_tb
    for home, pending in zip(view.tbu_home.tolist(), view.tbu_next.tolist(), strict=True):
        if pending >= 0:
            owners[pending] += 1
        elif home >= 0:
            owners[home] += 1
            staying[home] += 1
    owners = [max(count, busy) for count, busy in zip(owners, view.station_busy.tolist(), strict=True)]
    for _ in range(view.n_tb):
        busiest = _busiest(view, owners)
        if busiest < 0:
            break
        lacking = float(view.state[DEMAND, busiest]) - owners[busiest]
        if lacking * view.epoch_cycles <= view.task_reload_cycles[busiest]:
            break
        spared = _spared(view, busiest, owners, staying)
        if spared < 0:
            break
        own(plan, spared, busiest)
        home = int(view.tbu_home[spared])
        owners[home] -= 1
        owners[busiest] += 1
        staying[home] = 0
    return owners, staying


def _busiest(view: View, owners: list[int]) -> int:
    busiest, most = -1, 0.0
    for tb in range(view.n_tb):
        demand = float(view.state[DEMAND, tb])
        if owners[tb] > 0 and demand > most * owners[tb]:
            busiest, most = tb, demand / owners[tb]
    return busiest


def _spared(view: View, busiest: int, owners: list[int], staying: list[int]) -> int:
    """Return the TBU that its home misses least, -1 for none."""
    demand = view.state[DEMAND].tolist()
    most = demand[busiest] / owners[busiest]
    found: list[tuple[float, int, int]] = []
    for u in range(view.n_tbu):
        home, idle = int(view.tbu_home[u]), bool(view.tbu_state[u] == IDLE)
        if home < 0 or home == busiest or view.tbu_next[u] >= 0 or staying[home] <= 1 or owners[home] <= 1:
            continue
        if view.params.dds > 0:
            without = demand[home] / (owners[home] - 1)
        elif idle:
            without = 0.0
        else:
            continue
        if without * (1 + view.params.band) <= most:
            found.append((without, -(2 * _holds(view, u, busiest) + idle), u))
    return min(found)[2] if found else -1


def _holds(view: View, tbu: int, tb: int) -> bool:
    """Return whether a TBU can switch to the configuration of a TB (rule 14.7)."""
    config = view.task_config[tb]
    return bool(view.tbu_config[tbu] == config or (view.resident[tbu] == config).any())


def _prepare(view: View, plan: Plan, owners: list[int], staying: list[int]) -> None:
    """Load the configuration of the busiest where it is missing and least disturbs (rule 14.8)."""
    busiest = _busiest(view, owners)
    if not view.background_load or view.port_free > view.now or busiest < 0:
        return
    demand = view.state[DEMAND].tolist()
    if demand[busiest] <= owners[busiest]:
        return
    found: list[tuple[float, int]] = []
    for u in range(view.n_tbu):
        home = int(view.tbu_home[u])
        if home < 0 or home == busiest or view.tbu_next[u] >= 0 or staying[home] <= 0:
            continue
        loading = -2 - view.task_config[busiest]
        kept = (view.task_config[home], view.tbu_config[u])
        places = [config for config in view.resident[u] if config >= -1 and config not in kept]
        if places and not _holds(view, u, busiest) and loading not in view.resident[u]:
            found.append((demand[home] / owners[home], u))
    if found:
        load(plan, min(found)[1], busiest)


def _diffuse(view: View, reports: Reports, plan: Plan) -> None:
    """Send waiting tokens down the slope of the load, where the way costs less (rule 14.9)."""
    left = view.station_fresh.tolist()
    for port in range(4):
        if reports.sent[port] <= 0:
            continue
        for tb in range(view.n_tb):
            if left[tb] < 1 or reports.owners[port, tb] <= 0:
                continue
            hop = float(view.link_latency[port])
            if view.link_bytes[port] > 0:
                hop += int(view.task_bytes[tb]) * int(view.link_cycles[port]) / int(view.link_bytes[port])
            slope = float(view.state[LOAD, tb]) - float(reports.load[port, tb])
            if slope > 2 * hop:
                wanted = view.params.diffusion / 5 * slope * int(view.station_owners[tb]) / _cyc(view, tb)
                tokens = math.floor(min(wanted, left[tb], int(reports.free[port, tb])))
                if tokens >= 1:
                    move(plan, tb, port, tokens)
                    left[tb] -= tokens


def octopus_dispatch(view: View, tbu: int) -> int:
    """Return the TB to lend an idle TBU to, if it is back before its own work needs it (rule 14.10)."""
    if view.params.ats <= 0:
        return NOTHING
    home = int(view.tbu_home[tbu])
    waits = {
        tb: _waiting(view, tb) * _cyc(view, tb) / int(view.station_owners[tb])
        for tb in range(view.n_tb)
        if tb != home and _ready(view, tb) > 0 and (view.params.dds <= 0 or _holds(view, tbu, tb))
    }
    if not waits:
        return NOTHING
    best = max(waits, key=lambda tb: waits[tb])  # the first of equals
    there = _way_there(view, tbu, best)
    cycles = _cyc(view, best)
    if _residual(view, best, cycles) + waits[best] - cycles / int(view.station_owners[best]) <= there:
        return NOTHING
    observed = view.now > view.epoch_cycles
    if observed and view.params.dds > 0 and view.state[SLACK, home] == 0:
        return best
    back = int(view.task_reload_cycles[home]) if view.resident.shape[1] == 1 else view.switch_cycles
    if observed:
        expected = float(view.state[LEVEL, home]) + float(view.state[TREND, home])
        if expected <= 0:
            return best
        gap = view.epoch_cycles / expected
        margin = view.params.caution * float(view.state[SPREAD, home]) / expected
    else:
        taken = 1.0 + int(view.station_fresh_taken[home]) + int(view.station_recirculation_taken[home])
        gap = view.now / taken
        margin = view.params.caution
    before = sum(view.tbu_home[u] == home and view.tbu_state[u] == IDLE for u in range(tbu))
    return best if int(1 + before) * gap > (there + back) * (1 + margin) else NOTHING


def _way_there(view: View, tbu: int, best: int) -> int:
    """Return the cycles until an idle TBU could run a TB."""
    if view.tbu_config[tbu] == view.task_config[best]:
        return 0
    if (view.resident[tbu] == view.task_config[best]).any():
        return int(view.switch_cycles)
    return int(view.task_reload_cycles[best]) + max(0, int(view.port_free) - int(view.now))


def _residual(view: View, best: int, cycles: float) -> float:
    """Return after how many cycles the first run of a TB will probably end."""
    residual = cycles
    for u in range(view.n_tbu):
        if view.tbu_tb[u] == best and view.tbu_state[u] in (RUNNING, LENT):
            residual = min(residual, max(0.0, cycles - (int(view.now) - int(view.tbu_run_start[u]))))
    return residual
