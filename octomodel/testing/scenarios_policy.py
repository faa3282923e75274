"""Policies of the generated scenarios that are not bundled: plain functions with drawn parameters.

Some decide sensibly, from several columns of a view. Others answer by a checksum over all of them, so that one wrong
value anywhere changes what happens; and all sometimes answer what has to be refused. They are compiled by the kernel
and called as they are by the reference: whole numbers stay small, divisors are above 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

from octomodel.kernels.views import (
    ASK_NEIGHBOUR,
    NOTHING,
    Candidates,
    Plan,
    Reports,
    Token,
    View,
    load,
    move,
    own,
)
from octomodel.policies import POLICIES, Policy
from octomodel.testing.scenarios_choice import Choice

# numbers that no sum of the columns wraps: a prime, and one to multiply with
_PRIME, _TIMES = 1_000_003, 31_337

SWITCHES = ("dds", "ats", "pcs")
COMBINATIONS = tuple(product((0.0, 1.0), repeat=len(SWITCHES)))


def lend_by_worth(view: View, tbu: int) -> int:
    """Take the TB of most waiting work per owner, less what it costs to prepare for it."""
    if view.params.wild > 0 and (view.now + 3 * tbu) % 11 == 5:
        return view.n_tb - view.now % 5 * 2
    best = NOTHING
    most = view.params.threshold
    for tb in range(view.n_tb):
        ready = view.station_fresh[tb] * view.params.fresh + view.station_recirculated[tb]
        if tb != view.tbu_home[tbu] and view.station_owners[tb] > 0 and ready > 0:
            config = view.task_config[tb]
            cost = float(max(0, view.port_free - view.now) + view.task_reload_cycles[tb])
            for place in range(view.resident.shape[1]):
                if view.resident[tbu, place] == config:
                    cost = float(view.switch_cycles)
            if view.tbu_config[tbu] == config:
                cost = 0.0
            work = (ready + 0.5 * view.station_line[tb]) * view.task_cycles[tb] / view.tbu_speed[tbu]
            worth = work / view.station_owners[tb] - view.params.weight * cost - view.station_busy[tb]
            if worth > most:
                most = worth
                best = tb
    if best == NOTHING and view.params.ask > 0 and view.free_spill > 0:
        return ASK_NEIGHBOUR
    return best


def lend_what_it_ran(view: View, tbu: int) -> int:
    """Go on with the TB it ran last while tokens of it wait; else, after some idle time, take the most demanded one."""
    last = view.tbu_tb[tbu]
    if last >= 0 and last != view.tbu_home[tbu] and view.station_fresh[last] + view.station_recirculated[last] > 0:
        return int(last)
    if view.now - view.tbu_since[tbu] < view.params.patience:
        return NOTHING
    best = NOTHING
    most = view.params.threshold
    for tb in range(view.n_tb):
        waiting = view.station_fresh[tb] + view.station_recirculated[tb]
        taken = view.station_fresh_taken[tb] + view.station_recirculation_taken[tb]
        demand = view.task_demand[tb] + view.station_run_cycles[tb] / (1 + view.station_executions[tb])
        if tb != view.tbu_home[tbu] and waiting > view.station_idle[tb] and demand + taken % 3 > most:
            most = demand + taken % 3
            best = tb
    if best == NOTHING and view.params.ask > 0:
        return ASK_NEIGHBOUR
    return best


def lend_by_checksum(view: View, tbu: int) -> int:
    """Take one of the TBs of which tokens wait, by a sum over all that is seen."""
    total = view.now % _PRIME + 7 * view.cluster + 11 * view.free_cbus + 13 * view.free_spill + tbu
    total += 17 * (view.port_free % 1009) + view.epoch_cycles % 101 + view.switch_cycles + view.background_load
    for tb in range(view.n_tb):
        total = (total * _TIMES + view.station_fresh[tb] + 3 * view.station_recirculated[tb]) % _PRIME
        total += 5 * view.station_line[tb] + 7 * view.station_used[tb] + 11 * view.station_slots[tb]
        total += 13 * view.station_owners[tb] + 17 * view.station_idle[tb] + 19 * view.station_busy[tb]
        total += 23 * view.station_fresh_taken[tb] + 29 * view.station_recirculation_taken[tb]
        total += 31 * view.station_executions[tb] + 37 * (view.station_run_cycles[tb] % _PRIME)
        total += 41 * view.task_config[tb] + view.task_reload_cycles[tb] % 997
        total += int(8 * view.task_cycles[tb]) % 997 + int(8 * view.task_demand[tb]) % 997
        total += view.task_bytes[tb] % 991
        for row in range(view.state.shape[0]):
            total += int(16 * view.state[row, tb]) % 8191
    for u in range(view.n_tbu):
        total = (total * _TIMES + view.tbu_home[u] + 3 * view.tbu_next[u] + 5 * view.tbu_state[u]) % _PRIME
        total += 7 * (view.tbu_since[u] % _PRIME) + 11 * view.tbu_tb[u] + 13 * (view.tbu_run_start[u] % _PRIME)
        total += 17 * view.tbu_config[u] + int(16 * view.tbu_speed[u])
        for place in range(view.resident.shape[1]):
            total = (total * 3 + view.resident[u, place] + 7) % _PRIME
    for flow in range(len(view.flow_from)):
        total += 43 * view.flow_from[flow] + 47 * view.flow_to[flow] + int(64 * view.flow_tokens[flow])
    for port in range(4):
        total += (port + 1) * view.neighbour[port] + 3 * view.link_latency[port] % 983
        total += 5 * (view.link_bytes[port] % 977) + 7 * (view.link_cycles[port] % 971)
    total %= _PRIME
    if total % 8 == 0:
        return int(total // 8 % (view.n_tb + 3) - 2)
    choices = 0
    for tb in range(view.n_tb):
        if tb != view.tbu_home[tbu] and view.station_fresh[tb] + view.station_recirculated[tb] > 0:
            choices += 1
    if choices == 0 or total % 8 == 1:
        return ASK_NEIGHBOUR if total % 3 == 0 else NOTHING
    left = total // 8 % choices
    for tb in range(view.n_tb):
        if tb != view.tbu_home[tbu] and view.station_fresh[tb] + view.station_recirculated[tb] > 0:
            if left == 0:
                return tb
            left -= 1
    return NOTHING


def route_by_cost(view: View, token: Token, candidates: Candidates) -> int:
    """Send a token where its way, what is present there and what is not free there cost least."""
    if view.params.wild > 0 and (view.now + token.tb) % 9 == 4:
        return view.cluster
    best = 0
    least = 0.0
    for i in range(len(candidates.cluster)):
        way = candidates.hops[i] * (view.params.weight + 0.125 * token.bytes)
        queue = view.params.fresh * candidates.present[i] * view.task_cycles[token.tb] / candidates.owners[i]
        cost = way + queue - view.params.threshold * candidates.free[i]
        if i == 0 or cost < least:
            least = cost
            best = i
    return int(candidates.cluster[best])


def route_by_checksum(view: View, token: Token, candidates: Candidates) -> int:
    """Send a token to one of the candidates, sometimes to none, by a sum over all that is seen."""
    total = view.now % _PRIME + 7 * view.cluster + 11 * view.free_cbus + 13 * view.free_spill
    total += 17 * (view.port_free % 1009) + 19 * token.tb + 23 * (token.bytes % 1009)
    for i in range(len(candidates.cluster)):
        total = (total * _TIMES + candidates.cluster[i] + 3 * candidates.hops[i]) % _PRIME
        total += 5 * candidates.free[i] + 7 * candidates.present[i] + 11 * candidates.owners[i]
    for tb in range(view.n_tb):
        total = (total * _TIMES + view.station_fresh[tb] + 3 * view.station_recirculated[tb]) % _PRIME
        total += 5 * view.station_line[tb] + 7 * view.station_used[tb] + 11 * view.station_busy[tb]
        total += 13 * view.station_owners[tb] + 17 * view.station_idle[tb] + 19 * view.station_executions[tb]
        total += 23 * view.station_fresh_taken[tb] + 29 * view.station_recirculation_taken[tb]
        total += 31 * (view.station_run_cycles[tb] % _PRIME)
    for u in range(view.n_tbu):
        total = (total * _TIMES + view.tbu_home[u] + 3 * view.tbu_next[u] + 5 * view.tbu_state[u]) % _PRIME
        total += 7 * (view.tbu_since[u] % _PRIME) + 11 * view.tbu_tb[u] + 13 * (view.tbu_run_start[u] % _PRIME)
        total += 17 * view.tbu_config[u]
        for place in range(view.resident.shape[1]):
            total = (total * 3 + view.resident[u, place] + 7) % _PRIME
    if total % 16 == 0:
        return int(total // 16 % 12 - 1)
    return int(candidates.cluster[total // 16 % len(candidates.cluster)])


def balance(view: View, reports: Reports, plan: Plan) -> None:
    """Smooth the load of each TB; give the most loaded one an owner, its configuration a place, its tokens a way out."""
    most = -1
    least = -1
    for tb in range(view.n_tb):
        if view.station_owners[tb] > 0:
            waiting = view.station_fresh[tb] + view.station_recirculated[tb] + view.station_line[tb]
            now = (waiting + view.station_busy[tb]) * (1 + view.task_cycles[tb]) / view.station_owners[tb]
            view.state[0, tb] += view.params.alpha * (now - view.state[0, tb])
            if most < 0 or view.state[0, tb] > view.state[0, most]:
                most = tb
            if view.station_owners[tb] > 1 and (least < 0 or view.state[0, tb] < view.state[0, least]):
                least = tb
    if most < 0:
        return
    if least >= 0 and view.state[0, most] > view.params.ratio * view.state[0, least]:
        chosen = -1
        for u in range(view.n_tbu):
            if view.tbu_home[u] == least and view.tbu_next[u] < 0:
                if chosen < 0 or view.tbu_speed[u] < view.tbu_speed[chosen]:
                    chosen = u
        own(plan, chosen, most)
    oldest = -1
    for u in range(view.n_tbu):
        if view.tbu_home[u] >= 0 and view.tbu_home[u] != most:
            if oldest < 0 or view.tbu_run_start[u] < view.tbu_run_start[oldest]:
                oldest = u
    if oldest >= 0 and (view.background_load > 0 or view.params.wild > 0):
        load(plan, oldest, most)
    to = -1
    for port in range(4):
        recent = view.now - reports.sent[port] < view.params.patience + 4 * view.epoch_cycles
        if reports.owners[port, most] > 0 and recent:
            if to < 0 or reports.load[port, most] < reports.load[to, most]:
                to = port
    if to >= 0 and view.station_fresh[most] > reports.backlog[to, most]:
        move(plan, most, to, (view.station_fresh[most] - reports.backlog[to, most] + 1) // 2)
    if view.params.wild > 0:
        own(plan, view.n_tbu, most)
        move(plan, most, 4, 1)


def plan_by_checksum(view: View, reports: Reports, plan: Plan) -> None:
    """Plan some items, many of them to be refused, by a sum over all that is seen and was seen before."""
    total = view.now % _PRIME + 7 * view.cluster + 11 * view.free_cbus + 13 * view.free_spill
    total += 17 * (view.port_free % 1009)
    for tb in range(view.n_tb):
        total = (total * _TIMES + view.station_fresh[tb] + 3 * view.station_recirculated[tb]) % _PRIME
        total += 5 * view.station_line[tb] + 7 * view.station_used[tb] + 11 * view.station_busy[tb]
        total += 13 * view.station_owners[tb] + 17 * view.station_idle[tb] + 19 * view.station_executions[tb]
        total += 23 * view.station_fresh_taken[tb] + 29 * view.station_recirculation_taken[tb]
        total += 31 * (view.station_run_cycles[tb] % _PRIME) + int(16 * view.state[1, tb])
        for port in range(4):
            total = (total * 3 + reports.free[port, tb] + 5 * reports.present[port, tb]) % _PRIME
            total += 7 * reports.owners[port, tb] + 11 * reports.backlog[port, tb]
            total += int(16 * reports.load[port, tb]) % 8191
    for u in range(view.n_tbu):
        total = (total * _TIMES + view.tbu_home[u] + 3 * view.tbu_next[u] + 5 * view.tbu_state[u]) % _PRIME
        total += 7 * (view.tbu_since[u] % _PRIME) + 11 * view.tbu_tb[u] + 13 * (view.tbu_run_start[u] % _PRIME)
        total += 17 * view.tbu_config[u]
        for place in range(view.resident.shape[1]):
            total = (total * 3 + view.resident[u, place] + 7) % _PRIME
    for port in range(4):
        total += (port + 1) * (reports.cluster[port] + reports.sent[port] % 8191 + view.neighbour[port])
    longest = 0
    for tb in range(view.n_tb):
        if view.station_fresh[tb] > view.station_fresh[longest]:
            longest = tb
        view.state[0, tb] = 0.75 * view.state[0, tb] + 0.25 * view.station_used[tb]
        view.state[1, tb] = total % 64 / 16
    for _ in range(int(view.params.items)):
        total = (total * _TIMES + 12_345) % _PRIME
        kind = total // 8 % 8
        tb = total // 64 % view.n_tb
        u = total // 512 % view.n_tbu
        if kind < 3:
            own(plan, u, tb)
        elif kind < 5:
            load(plan, u, tb)
        elif kind < 7:
            move(plan, longest if kind == 5 else tb, total // 512 % 4, 1 + total // 4096 % 3)
        else:
            own(plan, u - 1, tb + 1)


DISPATCHES = (lend_by_worth, lend_what_it_ran, lend_by_checksum)
ROUTES = (route_by_cost, route_by_checksum)
REBALANCES = (balance, plan_by_checksum)


def make_policy(choose: Choice) -> Policy:
    """Return a policy with some of a dispatch, a route and a rebalance; equal choices give the same object.

    Examples
    --------
    >>> make_policy(Choice(3)) is make_policy(Choice(3))
    True
    """
    dispatch = choose.pick(DISPATCHES) if choose.chance(0.65) else None
    rebalance = choose.pick(REBALANCES) if choose.chance(0.65) else None
    needed = dispatch is None and rebalance is None
    route = choose.pick(ROUTES) if choose.chance(0.5) or needed else None
    params = (
        ("wild", float(choose.chance(0.3))),
        ("ask", float(choose.chance(0.6))),
        ("threshold", choose.pick((0.0, 1.0, 6.0))),
        ("fresh", choose.pick((0.25, 1.0, 3.0))),
        ("weight", choose.pick((0.0, 0.5, 2.0))),
        ("patience", choose.pick((0.0, 5.0, 60.0))),
        ("alpha", choose.pick((0.125, 0.5, 1.0))),
        ("ratio", choose.pick((1.0, 1.5, 4.0))),
        ("items", float(choose.integer(1, 5))),
    )
    return _policy(dispatch, route, rebalance, params, 2 if rebalance is not None else choose.integer(0, 1))


def make_bundled(choose: Choice) -> Policy:
    """Return one of the bundled policies that rebalance, with parameters over their ranges; equal choices give the same object.

    Examples
    --------
    >>> make_bundled(Choice(3)) is make_bundled(Choice(3))
    True
    """
    bundled = POLICIES[choose.weighted({"octopus": 2.0, "reactive": 1.5, "reactive_any": 1.5})]
    # what strategies do together is more than the sum of what each does
    on = choose.weighted({combination: 1.0 + 2.0 * all(combination) for combination in COMBINATIONS})
    switches = dict(zip(SWITCHES, on, strict=True))
    params = {
        name: switches[name] if name in switches else _within(choose, default, *bundled.ranges[name])
        for name, default in bundled.params.items()
    }
    return _bundled(bundled.name, tuple(params.items()))


def _within(choose: Choice, default: float, low: float, high: float) -> float:
    """Return a value of a range: the default, one near it, an end, or one of any size in between."""
    # rounded, for powers may differ in their last digit from one machine to another
    floor = max(low, 0.001)
    between = float(f"{floor * (high / floor) ** choose.real(0, 1):.3g}")
    near = min(high, max(low, default * choose.pick((0.25, 0.5, 2.0, 4.0))))
    return choose.pick((default, default, default, near, near, low, high, between))


@cache
def _bundled(name: str, params: tuple[tuple[str, float], ...]) -> Policy:
    return POLICIES[name].with_(**dict(params))


@cache
def _policy(
    dispatch: Callable[..., Any] | None,
    route: Callable[..., Any] | None,
    rebalance: Callable[..., Any] | None,
    params: tuple[tuple[str, float], ...],
    rows: int,
) -> Policy:
    # a scenario is compared with itself, and a policy is equal to itself only
    return Policy("own", dispatch, route, rebalance, dict(params), rows)
