"""``octopus``: DDS, ATS and PCS, each of which can be switched off (section 14 of the rules).

The state of a cluster has a row for each of the numbers below, with a column for each TB. It is written once an epoch,
by `forecast`; between two epochs `lend` reads it. Demands are in TBUs: cycles of work an epoch, over the epoch.
"""

from __future__ import annotations

from octomodel.kernels.views import IDLE, LENT, NOTHING, RUNNING, Plan, Reports, View, load, move, own
from octomodel.policies.policy import Policy

# rows of the state; the first is what neighbours are told
LOAD, DEMAND, SLACK, LEVEL, TREND, SPREAD, CYCLES, CAME, PROMISED, AHEAD = range(10)
ARRIVED, RUN, DONE, NEW, OWNERS, STAYING, LEFT = range(10, 17)
ROWS = 17


def observe(view: View, memory: float) -> None:
    """Let the filters follow what this epoch showed: what came, what was promised upstream, what an execution takes."""
    state = view.state
    owners = work = 0.0
    for tb in range(view.n_tb):
        if view.station_owners[tb] > 0:
            owners += view.station_owners[tb]
            work += view.task_demand[tb]
    for tb in range(view.n_tb):
        state[NEW, tb] = view.station_executions[tb] - state[DONE, tb]
        if state[NEW, tb] > 0:
            cycles = (view.station_run_cycles[tb] - state[RUN, tb]) / state[NEW, tb]
            known = state[NEW, tb] / (state[NEW, tb] + view.params.prior)
            state[CYCLES, tb] = cycles_of(view, tb) + known * (cycles - cycles_of(view, tb))
            state[DONE, tb] = view.station_executions[tb]
            state[RUN, tb] = view.station_run_cycles[tb]
        arrived = view.station_fresh[tb] + view.station_recirculated[tb]
        arrived += view.station_fresh_taken[tb] + view.station_recirculation_taken[tb]
        came = arrived - state[ARRIVED, tb]
        state[ARRIVED, tb] = arrived
        if view.now == view.epoch_cycles:
            # what the mapping was made for: the first fill of the queues is no rate
            state[LEVEL, tb] = visits(view, tb) * view.epoch_cycles * owners / work if work > 0 else 0.0
        else:
            expected = max(0.0, state[LEVEL, tb] + state[TREND, tb])
            level = expected + (came - expected) / memory
            state[TREND, tb] += view.params.beta / memory * (level - state[LEVEL, tb] - state[TREND, tb])
            state[LEVEL, tb] = level
            state[SPREAD, tb] += (abs(came - expected) - state[SPREAD, tb]) / memory
        state[CAME, tb] += came - state[CAME, tb] / memory
        state[PROMISED, tb] -= state[PROMISED, tb] / memory
    for flow in range(len(view.flow_from)):
        if view.station_owners[view.flow_from[flow]] > 0:
            state[PROMISED, view.flow_to[flow]] += view.flow_tokens[flow] * state[NEW, view.flow_from[flow]]


def forecast(view: View) -> None:
    """Write the state: what comes, and the demand until the horizon.

    The horizon is an epoch and the longest mean execution: a change of owners counts only after what runs has ended.
    """
    state = view.state
    horizon = float(view.epoch_cycles)
    for tb in range(view.n_tb):
        if view.station_owners[tb] > 0:
            horizon = max(horizon, view.epoch_cycles + cycles_of(view, tb))
    epochs = horizon / view.epoch_cycles
    observe(view, epochs / view.params.alpha)
    for tb in range(view.n_tb):
        state[AHEAD, tb] = 0.0
    for flow in range(len(view.flow_from)):
        # in the order of the targets: all that comes to the source is known
        before, tb = view.flow_from[flow], view.flow_to[flow]
        often = (state[CAME, tb] + view.params.prior) / (state[PROMISED, tb] + view.params.prior)
        state[AHEAD, tb] += view.flow_tokens[flow] * often * (state[AHEAD, before] + present(view, before))
    for tb in range(view.n_tb):
        expected = max(0.0, state[LEVEL, tb] + state[TREND, tb])
        waiting = view.station_fresh[tb] + view.station_recirculated[tb] + view.station_line[tb]
        tokens = waiting + 0.5 * view.station_busy[tb] + max(state[AHEAD, tb], expected * epochs)
        state[DEMAND, tb] = tokens * cycles_of(view, tb) / horizon
        state[LOAD, tb] = 0.0
        if view.station_owners[tb] > 0:
            state[LOAD, tb] = (waiting + expected) * cycles_of(view, tb) / view.station_owners[tb]


def present(view: View, tb: int) -> int:
    """Return the tokens at a station."""
    here = view.station_fresh[tb] + view.station_recirculated[tb] + view.station_line[tb] + view.station_busy[tb]
    return int(here)


def visits(view: View, tb: int) -> float:
    """Return the visits of a request that the mapping was made for."""
    return view.task_demand[tb] / view.task_cycles[tb] if view.task_cycles[tb] > 0 else 0.0


def discriminate(view: View) -> None:
    """DDS: write which stations still need an owner that idles (slack), and which do not (surplus).

    Nothing passes faster than the busiest station lets it, so demands count in proportion to what that one can do.
    """
    pace = 1.0
    for tb in range(view.n_tb):
        if view.station_owners[tb] > 0:
            pace = max(pace, view.state[DEMAND, tb] / max(view.station_owners[tb], view.station_busy[tb]))
    for tb in range(view.n_tb):
        view.state[SLACK, tb] = view.state[DEMAND, tb] > pace * (view.station_owners[tb] - 1)


def holds(view: View, tbu: int, config: int) -> bool:
    """Return whether a TBU can switch to a configuration."""
    for place in range(view.resident.shape[1]):
        if view.resident[tbu, place] == config:
            return True
    return bool(view.tbu_config[tbu] == config)


def cost(view: View, tbu: int, tb: int) -> int:
    """Return the cycles before a TBU could run a TB."""
    config = view.task_config[tb]
    if view.tbu_config[tbu] == config:
        return 0
    if holds(view, tbu, config):
        return view.switch_cycles
    return int(view.task_reload_cycles[tb] + max(0, view.port_free - view.now))


def lend(view: View, tbu: int) -> int:
    """ATS: lend an idle TBU to the resident TB with the greatest expected wait, if its own leaves it the time."""
    if view.params.ats == 0:
        return NOTHING
    home, best, longest = view.tbu_home[tbu], NOTHING, 0.0
    for tb in range(view.n_tb):
        waiting = view.station_fresh[tb] + view.station_recirculated[tb]
        if waiting > 0 and tb != home:
            if view.params.dds == 0 or holds(view, tbu, view.task_config[tb]):
                wait = (waiting + view.station_line[tb]) * cycles_of(view, tb) / view.station_owners[tb]
                if wait > longest:
                    best, longest = tb, wait
    if best == NOTHING:
        return NOTHING
    # the oldest token waits until a run ends; an idle owner of a lower number takes the next token of the home first
    residual = cycles_of(view, best)
    turn = 1
    for other in range(view.n_tbu):
        if view.tbu_tb[other] == best and (view.tbu_state[other] == RUNNING or view.tbu_state[other] == LENT):
            residual = min(residual, max(0.0, cycles_of(view, best) - (view.now - view.tbu_run_start[other])))
        if other < tbu and view.tbu_home[other] == home and view.tbu_state[other] == IDLE:
            turn += 1
    there = cost(view, tbu, best)
    wait = residual + longest - cycles_of(view, best) / view.station_owners[best]
    if wait <= there:
        return NOTHING
    if view.params.dds > 0 and view.now > view.epoch_cycles and view.state[SLACK, home] == 0:
        return best
    back = view.switch_cycles if view.resident.shape[1] > 1 else view.task_reload_cycles[home]
    expected = view.state[LEVEL, home] + view.state[TREND, home]
    if view.now <= view.epoch_cycles:
        gap = view.now / (1.0 + view.station_fresh_taken[home] + view.station_recirculation_taken[home])
        margin = view.params.caution
    elif expected <= 0:
        return best
    else:
        gap = view.epoch_cycles / expected
        margin = view.params.caution * view.state[SPREAD, home] / expected
    return best if turn * gap > (there + back) * (1 + margin) else NOTHING


def cycles_of(view: View, tb: int) -> float:
    """Return the expected cycles of an execution."""
    return float(view.state[CYCLES, tb] if view.state[CYCLES, tb] > 0 else view.task_cycles[tb])


def retarget(view: View, plan: Plan) -> None:
    """PCS: give the stations with most demand for each owner another one, while others can spare one.

    A station gives up at most one an epoch.
    """
    state = view.state
    for tb in range(view.n_tb):
        state[OWNERS, tb] = state[STAYING, tb] = 0.0
    for tbu in range(view.n_tbu):
        if view.tbu_next[tbu] >= 0:
            state[OWNERS, view.tbu_next[tbu]] += 1
        elif view.tbu_home[tbu] >= 0:
            state[OWNERS, view.tbu_home[tbu]] += 1
            state[STAYING, view.tbu_home[tbu]] += 1
    for tb in range(view.n_tb):
        # others help already
        state[OWNERS, tb] = max(state[OWNERS, tb], float(view.station_busy[tb]))
    for _ in range(view.n_tb):
        busiest = most_loaded(view)
        if busiest < 0:
            return
        missing = state[DEMAND, busiest] - state[OWNERS, busiest]
        if missing * view.epoch_cycles <= view.task_reload_cycles[busiest]:
            return
        giver = spare(view, busiest)
        if giver < 0:
            return
        own(plan, giver, busiest)
        home = view.tbu_home[giver]
        state[OWNERS, home] -= 1
        state[OWNERS, busiest] += 1
        state[STAYING, home] = 0.0


def most_loaded(view: View) -> int:
    """Return the TB with most demand for each owner, -1 without stations."""
    best, most = -1, 0.0
    for tb in range(view.n_tb):
        if view.state[OWNERS, tb] > 0 and view.state[DEMAND, tb] > most * view.state[OWNERS, tb]:
            best, most = tb, view.state[DEMAND, tb] / view.state[OWNERS, tb]
    return best


def spare(view: View, busiest: int) -> int:
    """Return the TBU that can be spared best, -1 for none: with DDS of surplus ones only, without it an idle one.

    First by what is left to its station, then one that needs no load, then an idle one.
    """
    state = view.state
    most = state[DEMAND, busiest] / state[OWNERS, busiest]
    best, lowest, highest = -1, 0.0, 0
    for tbu in range(view.n_tbu):
        home = view.tbu_home[tbu]
        if home >= 0 and home != busiest and view.tbu_next[tbu] < 0 and state[STAYING, home] > 1 and state[OWNERS, home] > 1:
            idle = view.tbu_state[tbu] == IDLE
            without = state[DEMAND, home] / (state[OWNERS, home] - 1) if view.params.dds > 0 else 0.0
            if without * (1 + view.params.band) <= most and (idle or view.params.dds > 0):
                score = 2 * holds(view, tbu, view.task_config[busiest]) + idle
                if best < 0 or without < lowest or (without == lowest and score > highest):
                    best, lowest, highest = tbu, without, score
    return best


def prepare(view: View, plan: Plan) -> None:
    """PCS: load the configuration of the most loaded TB in the background where it may be lent to, one an epoch."""
    busiest = most_loaded(view)
    if busiest < 0 or view.background_load == 0 or view.port_free > view.now:
        return
    if view.state[DEMAND, busiest] <= view.state[OWNERS, busiest]:
        return
    config = view.task_config[busiest]
    best, least = -1, 0.0
    for tbu in range(view.n_tbu):
        home = view.tbu_home[tbu]
        if home >= 0 and home != busiest and view.tbu_next[tbu] < 0 and view.state[STAYING, home] > 0:
            room, held = False, holds(view, tbu, config)
            for place in range(view.resident.shape[1]):
                there = view.resident[tbu, place]
                room = room or (there > -2 and there != view.tbu_config[tbu] and there != view.task_config[home])
                held = held or there == -2 - config
            demand = view.state[DEMAND, home] / view.state[OWNERS, home]
            if room and not held and (best < 0 or demand < least):
                best, least = tbu, demand
    if best >= 0:
        load(plan, best, busiest)


def diffuse(view: View, reports: Reports, plan: Plan) -> None:
    """PCS: send neighbours waiting tokens in proportion to the difference of forecast loads (first-order diffusion)."""
    state = view.state
    for tb in range(view.n_tb):
        state[LEFT, tb] = view.station_fresh[tb]
    for port in range(len(view.neighbour)):
        if reports.sent[port] > 0:
            for tb in range(view.n_tb):
                if state[LEFT, tb] >= 1 and reports.owners[port, tb] > 0:
                    hop = float(view.link_latency[port])
                    if view.link_bytes[port] > 0:
                        hop += view.task_bytes[tb] * view.link_cycles[port] / view.link_bytes[port]
                    difference = state[LOAD, tb] - reports.load[port, tb]
                    # there and back: what follows is done where the request belongs
                    if difference > 2 * hop:
                        wanted = view.params.diffusion / 5 * difference * view.station_owners[tb] / cycles_of(view, tb)
                        # what a neighbour has no place for would only leave its queue here
                        tokens = int(min(wanted, state[LEFT, tb], float(reports.free[port, tb])))
                        if tokens > 0:
                            move(plan, tb, port, tokens)
                            state[LEFT, tb] -= tokens


def rebalance(view: View, reports: Reports, plan: Plan) -> None:
    """Once an epoch: forecast, then owners, loads and tokens."""
    forecast(view)
    discriminate(view)
    if view.params.pcs > 0:
        retarget(view, plan)
        if view.params.ats > 0:
            prepare(view, plan)
        diffuse(view, reports, plan)


OCTOPUS = Policy(
    "octopus",
    dispatch=lend,
    rebalance=rebalance,
    params={"dds": 1, "ats": 1, "pcs": 1, "alpha": 0.5, "beta": 0.1, "prior": 4, "caution": 1, "band": 0.1, "diffusion": 0.9},
    ranges={
        "dds": (0, 1),
        "ats": (0, 1),
        "pcs": (0, 1),
        "alpha": (0.001, 1),
        "beta": (0, 1),
        "prior": (0.001, 1e6),
        "caution": (0, 1e6),
        "band": (0, 1e6),
        "diffusion": (0, 1),
    },
    state_rows=ROWS,
    summary="dual scheduling (dds), adaptive lending (ats), proactive rebalancing with diffusion (pcs)",
)
