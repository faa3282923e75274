"""Reports: what a cluster tells others in its epoch hook, and what it remembers of theirs (rules 7.4 and 13.6)."""

from __future__ import annotations

from . import lists
from ._jit import jit, rare
from .codes import REPORT
from .control import free_slots, present
from .link import join_link
from .world import World


def _report_to(w: World, c: int, d: int, t: int) -> None:
    """Send a report of cluster ``c`` to cluster ``d``.

    In: policy_state, snapshot_next, station. In-out: ctl. Out: snapshot, token.
    """
    ctl = w.ctl[0]
    row = ctl.free_report
    ctl.free_report = w.snapshot_next[row]
    ctl.n_free_reports -= 1
    for task in range(ctl.n_task):
        number = c * ctl.n_task + task
        seen = w.snapshot[row * ctl.n_task + task]
        seen.free = free_slots(w, number)
        seen.present = present(w, number)
        seen.owners = w.station[number].owners
        seen.backlog = w.station[number].fresh_len + w.station[number].again_len
        if ctl.state_rows > 0:
            seen.load = w.policy_state[c * ctl.state_rows * ctl.n_task + task]
    message = lists.new_token(w)
    report = w.token[message]
    report.kind = REPORT
    report.cluster = d
    report.request = row
    report.place = c
    report.since = t
    report.bytes = ctl.report_bytes
    join_link(w, c, t, message)


report_to = jit(_report_to)


def _send_reports(w: World, c: int, t: int) -> None:
    """Report to the other clusters of the pipeline where a route has a choice, and to the neighbours where a policy
    rebalances, by index.

    In: cluster, ctl, link, member, pipeline.
    """
    ctl = w.ctl[0]
    pipeline = w.pipeline[w.cluster[c].pipeline]
    members = pipeline.members if pipeline.reports != 0 else 0
    member = 0
    d = -1
    while True:
        following = ctl.n_cluster
        while member < members and w.member[pipeline.member_first + member] <= d:
            member += 1
        if member < members:
            following = w.member[pipeline.member_first + member]
        if ctl.rebalance != 0:
            for port in range(4):
                if w.link[4 * c + port].cluster > d:
                    following = min(following, w.link[4 * c + port].cluster)
        if following == ctl.n_cluster:
            return
        d = following
        if d != c:
            report_to(w, c, d, t)


send_reports = rare(_send_reports)


def _remember(w: World, c: int, slot: int, message: int) -> None:
    """Write what a report says into a slot of cluster ``c``.

    In: ctl, snapshot, token. Out: heard, reported.
    """
    n_task = w.ctl[0].n_task
    slot += c * w.ctl[0].report_slots
    w.heard[slot] = w.token[message].since
    row = w.token[message].request * n_task
    for task in range(n_task):
        told = w.snapshot[row + task]
        seen = w.reported[slot * n_task + task]
        seen.free = told.free
        seen.present = told.present
        seen.owners = told.owners
        seen.backlog = told.backlog
        seen.load = told.load


remember = jit(_remember)


def _note_report(w: World, c: int, message: int) -> None:
    """Remember what another cluster reported, as member of the pipeline, as neighbour or as both; its row of the
    snapshot is free again.

    In: cluster, link, pipeline, token. In-out: ctl. Out: snapshot_next.
    """
    ctl = w.ctl[0]
    sender = w.token[message].place
    pipeline = w.cluster[sender].pipeline
    if pipeline == w.cluster[c].pipeline and w.pipeline[pipeline].reports != 0:
        remember(w, c, w.cluster[sender].member, message)
    if ctl.rebalance != 0:
        for port in range(4):
            if w.link[4 * c + port].cluster == sender:
                remember(w, c, ctl.report_slots - 4 + port, message)
    row = w.token[message].request
    w.snapshot_next[row] = ctl.free_report
    ctl.free_report = row
    ctl.n_free_reports += 1


note_report = jit(_note_report)
