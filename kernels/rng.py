"""Counter-based random numbers: every draw is a pure function of its key (rule 2.1).

All arithmetic is modulo 2**63 on non-negative integers, in one function, ``multiply_add``. Compiled, it works
on unsigned words, because a signed product that overflows is undefined there and the optimiser does use that;
interpreted, on Python integers, because a NumPy scalar would warn. Both give the same number, and every other
function sees non-negative int64 only.

The mixer is the finaliser of SplitMix64 (Steele, Lea and Flood 2014; variant 13 of Stafford) carried over to
63 bits: a xor-shift and a product with an odd number are one-to-one modulo 2**63, so two keys of one request
never give the same number.

Compiled code alone may call these functions; what Python draws before a run comes from ``octomodel.draws``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from ._jit import JIT_ENABLED, jit

MASK = 2**63 - 1
G = 0x1E3779B97F4A7C15
_M1 = 0x3F58476D1CE4E5B9
_M2 = 0x14D049BB133111EB
_STEP = 2.0**-53

DOMAIN_TIME = 0
DOMAIN_DECISION = 1
DOMAIN_ATTRIBUTE = 2
DOMAIN_ARRIVAL = 3
DOMAIN_FAULT = 4
DOMAIN_SPLIT = 5

_word = cast("Callable[[int], int]", np.uint64 if JIT_ENABLED else int)
_signed = cast("Callable[[int], int]", np.int64 if JIT_ENABLED else int)
_MASK = _word(MASK)


def _multiply_add(a: int, b: int, c: int) -> int:
    """Return ``a * b + c`` modulo 2**63, in [0, 2**63), for any int64 arguments."""
    return _signed((_word(a) * _word(b) + _word(c)) & _MASK)


multiply_add = jit(_multiply_add)


def _mix(z: int) -> int:
    """Return ``z`` in [0, 2**63) scrambled one-to-one, each input bit reaching every output bit."""
    z = int(z)
    z = multiply_add(z ^ (z >> 30), _M1, 0)
    z = multiply_add(z ^ (z >> 27), _M2, 0)
    return z ^ (z >> 31)


mix = jit(_mix)


def _seed_key(seed: int, replication: int) -> int:
    """Return the key of one replication, in [0, 2**63), for any int64 ``seed`` and ``replication`` >= 0."""
    return mix(multiply_add(replication, G, mix(int(seed) & MASK)))


seed_key = jit(_seed_key)


def _request_key(seed_key: int, request: int) -> int:
    """Return the key of ``request`` >= 0 under ``seed_key``, in [0, 2**63)."""
    return mix(multiply_add(int(request) + 1, G, seed_key))


request_key = jit(_request_key)


def _draw(request_key: int, domain: int, node: int, visit: int, lane: int) -> int:
    """Return the draw, uniform on [0, 2**63), of one key.

    Parameters
    ----------
    request_key : int
        From ``request_key``.
    domain : int
        What is drawn, one of ``DOMAIN_*``, below 8.
    node : int
        Position in the program, below 2**20.
    visit : int
        Visit of the request at the node, below 2**24.
    lane : int
        Number of the draw within the visit, below 2**16.
    """
    code = int(domain) << 60 | int(node) << 40 | int(visit) << 16 | int(lane)
    return mix(multiply_add(code, G, request_key))


draw = jit(_draw)


def _unit(u: int) -> float:
    """Return the top 53 bits of the draw ``u`` as a float64 in [0, 1)."""
    return (int(u) >> 10) * _STEP


unit = jit(_unit)
