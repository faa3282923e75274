"""Arrays of counter-based draws in NumPy: bit for bit those of ``octomodel.kernels.rng`` and ``quantile``.

Used where Python draws before a run: arrivals, the split over pipelines, faults. All words are uint64 with
the top bit clear.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octomodel.kernels.model import CONSTANT, I64, STEPS
from octomodel.kernels.rng import MASK, G
from octomodel.tables import Bundle

U64 = NDArray[np.uint64]

_MASK = np.uint64(MASK)
_M1 = np.uint64(0x3F58476D1CE4E5B9)
_M2 = np.uint64(0x14D049BB133111EB)
_BIN = np.uint64(1023)
_PART = np.uint64(65535)


def seed_key(seed: int, replication: int) -> int:
    """Return the key of one replication (k0 of rule 2.1), in [0, 2**63).

    Examples
    --------
    >>> seed_key(1, 0) == seed_key(1, 0), seed_key(1, 0) == seed_key(1, 1)
    (True, False)
    """
    first = int(_mix(np.array([seed & MASK], dtype=np.uint64))[0])
    return int(_mix(np.array([(first + replication * G) & MASK], dtype=np.uint64))[0])


def request_keys(key: int, requests: I64) -> U64:
    """Return the key of each of ``requests`` (int64, >= 0) under the key of a replication."""
    z = requests.astype(np.uint64)
    z += np.uint64(1)
    z *= np.uint64(G)
    z += np.uint64(key)
    z &= _MASK
    return _mix(z)


def draw(keys: U64, domain: int, node: int) -> U64:
    """Return the draws, in [0, 2**63), of one domain and node with visit 0 and lane 0."""
    z = keys + np.uint64((domain << 60 | node << 40) * G & MASK)
    z &= _MASK
    return _mix(z)


def unit(draws: U64) -> NDArray[np.float64]:
    """Return draws as float64 in [0, 1)."""
    return (draws >> np.uint64(10)).astype(np.float64) * 2.0**-53


def sample(table: Bundle, law: int, draws: U64) -> I64:
    """Return the values of one law of a bundle, in units of 2**-16 cycle, that the draws take."""
    kind, offset, size = int(table.kind[law]), int(table.offset[law]), int(table.size[law])
    if kind == CONSTANT:
        return np.full(len(draws), table.knots[offset], dtype=np.int64)
    if kind == STEPS:
        steps = (draws >> np.uint64(31)) * np.uint64(size) >> np.uint64(32)
        chosen: I64 = np.take(table.knots, offset + steps.astype(np.int64))
        return chosen
    out = _interpolate(table.knots[offset:], draws, 53)
    rest = np.arange(len(draws))
    shift = 53
    for level in range(1, size):
        rest = rest[(draws[rest] >> np.uint64(shift) & _BIN) == _BIN]
        shift -= 10
        out[rest] = _interpolate(table.knots[offset + level * 1025 :], draws[rest], shift)
    return out


def _interpolate(knots: I64, draws: U64, shift: int) -> I64:
    """Return the values of one level, whose bin are the 10 bits of the draw from ``shift`` on."""
    index = (draws >> np.uint64(shift) & _BIN).astype(np.int64)
    part = (draws >> np.uint64(shift - 16) & _PART).astype(np.int64)
    low = np.take(knots, index)
    index += 1
    rise = np.take(knots, index)
    rise -= low
    low += (rise >> 16) * part
    rise &= 65535
    rise *= part
    rise >>= 16
    low += rise
    return low


def _mix(z: U64) -> U64:
    """Return ``z`` scrambled in place: temporary arrays would cost more than the arithmetic."""
    shifted = z >> np.uint64(30)
    z ^= shifted
    z *= _M1
    z &= _MASK
    z ^= np.right_shift(z, np.uint64(27), out=shifted)
    z *= _M2
    z &= _MASK
    z ^= np.right_shift(z, np.uint64(31), out=shifted)
    return z
