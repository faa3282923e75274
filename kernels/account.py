"""Where the cycles of a TBU go, and the fingerprint of what happened (rules 9.1 and 9.4)."""

from __future__ import annotations

from ._jit import jit
from .codes import IDLE, N_CAUSES, NEVER, SURPLUS
from .rng import MASK, mix, multiply_add
from .world import World

_K1 = 0x2545F4914F6CDD1D
_K2 = 0x369DEA0F31A53F85
_K3 = 0x5851F42D4C957F2D
_K4 = 0x14057B7EF767814F


def _charge(w: World, u: int, t: int) -> None:
    """Charge the cycles since the last change to the state TBU ``u`` was in; an idle spell is starved first, then
    surplus.

    In: ctl. In-out: tbu, tbu_cycles.
    """
    tbu = w.tbu[u]
    spell = t - tbu.since
    # no branch on what nobody can foresee
    first = min(spell, w.ctl[0].surplus_after if tbu.state == IDLE else NEVER)
    w.tbu_cycles[u * N_CAUSES + tbu.state] += first
    w.tbu_cycles[u * N_CAUSES + SURPLUS] += spell - first
    tbu.since = t


charge = jit(_charge)


def _enter(w: World, u: int, t: int, state: int) -> None:
    """Let TBU ``u`` be in ``state`` from cycle ``t`` on.

    Out: tbu.
    """
    charge(w, u, t)
    w.tbu[u].state = state


enter = jit(_enter)


def _due_take(w: World, station: int) -> None:
    """Note that a station may hand out a token, keeping the notes in order of TB (rule 3.7).

    In-out: ctl, due_take, station.
    """
    record = w.station[station]
    if record.take_due == 0:
        record.take_due = 1
        ctl = w.ctl[0]
        place = ctl.take_n
        while place > 0 and w.due_take[place - 1] > station:
            w.due_take[place] = w.due_take[place - 1]
            place -= 1
        w.due_take[place] = station
        ctl.take_n += 1


def _due_push(w: World, station: int) -> None:
    """Note that a station's waiting line is to be looked at, keeping the notes in order of TB (rule 3.5).

    In-out: ctl, due_push, station.
    """
    record = w.station[station]
    if record.push_due == 0:
        record.push_due = 1
        ctl = w.ctl[0]
        place = ctl.push_n
        while place > 0 and w.due_push[place - 1] > station:
            w.due_push[place] = w.due_push[place - 1]
            place -= 1
        w.due_push[place] = station
        ctl.push_n += 1


due_take = jit(_due_take)
due_push = jit(_due_push)


def _record(
    w: World,
    kind: int,
    request: int,
    node: int,
    visit: int,
    place: int,
    cluster: int,
    start: int,
    finish: int,
) -> None:
    """Add one event to the fingerprint; sums modulo 2**63 do not depend on the order (rule 9.4).

    In-out: ctl.
    """
    ctl = w.ctl[0]
    a = kind << 60 | node << 40 | visit << 16 | place
    b = request << 24 | cluster
    h1 = mix(multiply_add(a, _K1, multiply_add(b, _K2, multiply_add(start, _K3, multiply_add(finish, _K4, 0)))))
    ctl.h1 = (ctl.h1 + h1) & MASK
    ctl.h2 = (ctl.h2 + multiply_add(a + start, h1 | 1, b + finish)) & MASK


record = jit(_record)
