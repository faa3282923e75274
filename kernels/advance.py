"""The time loop over the clusters of each group, and what is left to count when it ends (rules 7.5, 7.6, 8)."""

from __future__ import annotations

from . import heap, lists
from ._jit import entry, jit
from ._ref import ref
from .account import charge
from .cluster import cycle, next_cycle
from .codes import (
    BUDGET,
    DONE,
    GROW_REPORTS,
    GROW_REQUESTS,
    MAX_CYCLE,
    NEVER,
    NO_EVENT,
    REPORT,
    RUNNING,
    STUCK,
    TIME_LIMIT,
)
from .world import World


def _open_group(w: World, g: int) -> None:
    """Order the clusters of a group by their next cycle.

    In: group, group_cluster. In-out: cluster, ctl.
    """
    ctl = w.ctl[0]
    group = w.group[g]
    ctl.order_n = 0
    for place in range(group.first, group.end):
        c = w.group_cluster[place]
        w.cluster[c].next = min(next_cycle(w, c, 0), w.cluster[c].hook)
        w.cluster[c].place = ctl.order_n
        ctl.order_n += 1
        heap.rise(w, c)
    ctl.started = 1


open_group = jit(_open_group)


def _others(w: World) -> int:
    """Return the earliest next cycle among the clusters but the one at the head of the heap.

    In: cluster, ctl, order.
    """
    n = w.ctl[0].order_n
    t = NEVER
    for place in range(1, min(n, 3)):
        t = min(t, w.cluster[w.order[place]].next)
    return int(t)


others = jit(_others)


def _needs_room(w: World, c: int, t: int) -> int:
    """Return the status with which to leave before cycle ``t`` when a pool could run out in it, else DONE.

    In: cluster, pipeline, request_arrival. In-out: ctl.
    """
    ctl = w.ctl[0]
    cluster = w.cluster[c]
    pipeline = w.pipeline[cluster.pipeline]
    if pipeline.window < 0 and cluster.arrival <= t:
        n = 0
        while pipeline.next + n < pipeline.end and w.request_arrival[pipeline.next + n] <= t:
            n += 1
        if n > ctl.n_free_requests:
            ctl.needed = n
            return GROW_REQUESTS
    receivers = pipeline.members if pipeline.reports != 0 else 0
    if ctl.rebalance != 0:
        receivers += 4
    if cluster.hook == t and ctl.n_free_reports < receivers:
        return GROW_REPORTS
    return DONE


needs_room = jit(_needs_room)


def _idle_epochs(w: World, g: int, c: int) -> bool:
    """Tell, at an epoch hook of a group's first cluster, whether nothing but hooks and reports is left anywhere in it
    (rule 8.5).

    In: cluster, ctl, group_cluster, queue, token. In-out: group.
    """
    ctl = w.ctl[0]
    group = w.group[g]
    if c != w.group_cluster[group.first] or group.unfinished == 0:
        return False
    if group.fingerprint != ctl.h1:
        # something happened since the last look: every move of a token is part of the fingerprint
        group.fingerprint = ctl.h1
        return False
    for place in range(group.first, group.end):
        d = w.group_cluster[place]
        cluster = w.cluster[d]
        queues = ctl.cluster_queues + 4 * d
        if heap.first(w, d) < NO_EVENT or cluster.arrival < NEVER or w.queue[queues + lists.DECIDING].head >= 0:
            return False
        if w.queue[queues + lists.TRANSFERS].head >= 0 or w.queue[ctl.load_queues + d].head >= 0:
            return False
        message = w.queue[queues + lists.INGRESS].head
        while message >= 0:
            if w.token[message].kind != REPORT:
                return False
            message = w.token[message].next
    return True


idle_epochs = jit(_idle_epochs)


def _run_cluster(w: World, g: int, c: int) -> int:
    """Advance one cluster, the earliest of its group, as far as nothing can reach it from another (model of
    conservative windows).

    Another cluster acts at ``others`` at the earliest, so nothing it sends arrives before ``others + lookahead``;
    ``join_link`` lowers ``others`` to the arrival of what this cluster sends, whose answer takes as long again. An
    epoch hook waits until no other cluster is earlier, so that it knows whether the group's requests have ended.

    In: group, pipeline. In-out: cluster, ctl.
    """
    ctl = w.ctl[0]
    cluster = w.cluster[c]
    group = w.group[g]
    ctl.others = others(w)
    t = cluster.next
    unlimited = w.pipeline[cluster.pipeline].window < 0
    # nobody to look up to, and no pool that can run out
    alone = ctl.order_n == 1 and not unlimited
    bound = ctl.horizon
    if ctl.step > 0:
        bound = min(bound, (t // ctl.step + 1) * ctl.step)
    status = DONE
    while t < bound and (ctl.rounding > 0 or t < ctl.others + group.lookahead):
        if t >= MAX_CYCLE:
            status = TIME_LIMIT
            break
        if cluster.hook == t:
            if t > ctl.others:
                break
            if idle_epochs(w, g, c):
                status = STUCK
                break
        if unlimited or cluster.hook == t:
            status = needs_room(w, c, t)
            if status != DONE:
                break
        until = min(bound, cluster.hook, MAX_CYCLE) if alone else t
        t = cycle(w, c, t, until)
        cluster.next = t
        if ctl.failed != 0:
            status = ctl.failed
            break
        ctl.budget -= 1
        if ctl.budget <= 0:
            status = BUDGET
            break
    cluster.next = t
    heap.sink(w, c)
    return status


run_cluster = jit(_run_cluster)


def _run_group(w: World, g: int) -> int:
    """Advance one group until all its requests have ended and nothing is on the way, or to the horizon.

    In: cluster, ctl, group, order.
    """
    ctl = w.ctl[0]
    while True:
        c = w.order[0]
        t = w.cluster[c].next
        if t >= NEVER:
            return STUCK if w.group[g].unfinished > 0 else DONE
        if t >= ctl.horizon:
            return DONE
        status = run_cluster(w, g, c)
        if status != DONE:
            return status


run_group = jit(_run_group)


def _count_waiting(w: World, queue: int, t: int, since_time: bool) -> int:
    """Return the cycles that the tokens of a queue have waited by cycle ``t``.

    In: queue, token.
    """
    total = 0
    token = w.queue[queue].head
    while token >= 0:
        total += t - (w.token[token].time if since_time else w.token[token].since)
        token = w.token[token].next
    return total


count_waiting = jit(_count_waiting)


def _close_group(w: World, g: int) -> None:
    """Count, up to the horizon, what a group stopped by it still has waiting and under way (rules 9.2, 9.3); empty the
    pools.

    In: group, group_cluster, node, queue, tbu. In-out: cluster, ctl, request, snapshot_next, station, token.
    """
    ctl = w.ctl[0]
    group = w.group[g]
    t = ctl.horizon
    for place in range(group.first, group.end):
        c = w.group_cluster[place]
        cluster = w.cluster[c]
        for number in range(c * ctl.n_task, (c + 1) * ctl.n_task):
            station = w.station[number]
            station.queue_integral += station.fresh_len * (t - station.queue_since)
            station.fresh_wait += count_waiting(w, 3 * number + lists.FRESH, t, False)
            station.recirculation_wait += count_waiting(w, 3 * number + lists.AGAIN, t, False)
            station.line_wait += count_waiting(w, 3 * number + lists.LINE, t, True)
        for u in range(cluster.tbu, cluster.tbu_end):
            tbu = w.tbu[u]
            if tbu.stage == RUNNING:
                w.station[c * ctl.n_task + w.node[w.token[tbu.token].node].task].run_cycles += t - tbu.run_start
        token = w.queue[ctl.cluster_queues + 4 * c + lists.DECIDING].head
        while token >= 0:
            cluster.cbu_busy += ctl.decision_cycles - (w.token[token].time - t)
            token = w.token[token].next
    for token in range(len(w.token)):
        w.token[token].next = token + 1
    ctl.free_token = 0
    for slot in range(len(w.request)):
        w.request[slot].next = slot + 1
    ctl.free_request = 0
    ctl.n_free_requests = len(w.request)
    for row in range(len(w.snapshot_next)):
        w.snapshot_next[row] = row + 1
    ctl.free_report = 0
    ctl.n_free_reports = len(w.snapshot_next)


close_group = jit(_close_group)


def _advance_groups(world: World, budget: int) -> int:
    """Advance the groups ``ctl.group`` to ``ctl.group_end`` of one worker by at most ``budget`` cycles of clusters;
    call again to go on.

    Returns DONE, BUDGET (call again), GROW_REQUESTS or GROW_REPORTS (enlarge that pool, call again), or a failure.
    """
    w = ref(world)
    ctl = w.ctl[0]
    ctl.budget = budget
    while ctl.group < ctl.group_end:
        if ctl.started == 0:
            open_group(w, ctl.group)
        status = run_group(w, ctl.group)
        if status != DONE:
            return int(status)
        if w.cluster[w.order[0]].next < NEVER:
            close_group(w, ctl.group)
        ctl.started = 0
        ctl.group += 1
    return DONE


advance = entry(_advance_groups)


def _close_run(world: World, elapsed: int) -> int:
    """Charge every TBU up to the end of the run, when all groups are done (rule 9.1); a link has served no longer than
    a horizon that ended the run (rule 9.3).
    """
    w = ref(world)
    for u in range(len(w.tbu)):
        charge(w, u, elapsed)
    if elapsed == w.ctl[0].horizon:
        for link in range(len(w.link)):
            w.link[link].busy -= max(0, w.link[link].free - elapsed)
    return DONE


close = entry(_close_run)
