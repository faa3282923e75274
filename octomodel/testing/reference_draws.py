"""The reference's draws: rule 2 in plain Python integers and scalar float64."""

from __future__ import annotations

import math

from octomodel.kernels.model import CONSTANT, STEPS, Load, Program

MODULUS = 1 << 63
_G = 0x1E3779B97F4A7C15
TIME, DECISION, ATTRIBUTE = range(3)
_KNOTS = 1025  # per level of a CURVE


def mix(z: int) -> int:
    """Return the scrambled value of an integer in ``[0, 2^63)`` (rule 2.1)."""
    z ^= z >> 30
    z = z * 0x3F58476D1CE4E5B9 % MODULUS
    z ^= z >> 27
    z = z * 0x14D049BB133111EB % MODULUS
    return z ^ (z >> 31)


def draw(seed_key: int, request: int, domain: int, node: int, visit: int, lane: int) -> int:
    """Return the draw of a key, an integer in ``[0, 2^63)`` (rule 2.1)."""
    request_key = mix((seed_key + (request + 1) * _G) % MODULUS)
    return mix((request_key + (domain << 60 | node << 40 | visit << 16 | lane) * _G) % MODULUS)


def unit(u: int) -> float:
    """Return a draw as a number in ``[0, 1)``, exact in float64 (rule 2.1).

    Examples
    --------
    >>> unit(1 << 62)
    0.5
    """
    return (u >> 10) / 2**53


class Draws:
    """Times, decisions and attributes of one run, looked up by request, phase, node and visit."""

    def __init__(self, program: Program, load: Load) -> None:
        self.seed_key = int(load.seed_key)
        self.kind: list[int] = program.law_kind.tolist()
        self.offset: list[int] = program.law_offset.tolist()
        self.size: list[int] = program.law_size.tolist()
        self.knots: list[int] = program.knots.tolist()
        self.law: list[list[int]] = program.node_law.tolist()
        self.base: list[list[float]] = program.node_base.tolist()
        self.slope: list[list[float]] = program.node_slope.tolist()
        self.weight: list[list[float]] = program.edge_weight.tolist()
        self.edges: list[int] = program.edge_indptr.tolist()
        self.node_attribute: list[int] = program.node_attribute.tolist()
        self.select: list[int] = program.node_select.tolist()
        self.items: list[int] = program.node_items.tolist()
        self.attribute_law: list[int] = program.attribute_law.tolist()
        self.series_at: list[int] = program.attribute_indptr.tolist()
        self.series: list[float] = program.attribute_values.tolist()

    def _draw(self, request: int, domain: int, node: int, visit: int, lane: int = 0) -> int:
        return draw(self.seed_key, request, domain, node, visit, lane)

    def sample(self, law: int, u: int) -> int:
        """Return the value of a law at a draw, in units of 2^-16 cycle (rule 2.2)."""
        kind, first, size = self.kind[law], self.offset[law], self.size[law]
        if kind == CONSTANT:
            return self.knots[first]
        if kind == STEPS:
            return self.knots[first + (((u >> 31) * size) >> 32)]
        level, shift = 0, 53
        while (u >> shift) % 1024 == 1023 and level < size - 1:
            level, shift = level + 1, shift - 10
        knot = first + level * _KNOTS + (u >> shift) % 1024
        fraction = (u >> (shift - 16)) % 65536
        return self.knots[knot] + (((self.knots[knot + 1] - self.knots[knot]) * fraction) >> 16)

    def attributes(self, request: int) -> list[float]:
        """Return the attributes of a request (rule 2.5)."""
        values = []
        for number, law in enumerate(self.attribute_law):
            if law < 0:
                first, last = self.series_at[number], self.series_at[number + 1]
                values.append(self.series[first + request % (last - first)])
            else:
                values.append(self.sample(law, self._draw(request, ATTRIBUTE, number, 0)) / 65536.0)
        return values

    def _scale(self, phase: int, node: int, attributes: list[float]) -> float:
        attribute = self.node_attribute[node]
        if attribute < 0:
            return self.base[phase][node]
        return self.base[phase][node] + self.slope[phase][node] * attributes[attribute]

    def run_cycles(
        self, request: int, phase: int, node: int, visit: int, attributes: list[float], factor: float
    ) -> int:
        """Return the cycles of one execution on a TBU of the given speed factor (rule 2.3)."""
        law = self.law[phase][node]
        scale = self._scale(phase, node, attributes)
        if scale <= 0.0 or (self.kind[law] == CONSTANT and self.knots[self.offset[law]] == 0):
            return 0
        x = (self.sample(law, self._draw(request, TIME, node, visit)) / 65536.0) * scale
        return max(1, math.floor(x / factor + 0.5))

    def branch(self, request: int, phase: int, node: int, visit: int) -> int:
        """Return which edge a BRANCH or an AGAIN takes, 0 being the first (rule 2.4)."""
        x = unit(self._draw(request, DECISION, node, visit))
        edges = range(self.edges[node], self.edges[node + 1])
        return next(i for i, edge in enumerate(edges) if x < self.weight[phase][edge])

    def count(self, request: int, phase: int, node: int, visit: int, attributes: list[float]) -> int:
        """Return the turns that a COUNT draws (rule 2.4)."""
        scale = self._scale(phase, node, attributes)
        sample = self.sample(self.law[phase][node], self._draw(request, DECISION, node, visit))
        return max(0, math.ceil((sample / 65536.0) * scale))

    def selection(self, request: int, phase: int, node: int, visit: int) -> list[int]:
        """Return for each branch of a SELECT how many items drew it (rule 2.4)."""
        weights = self.weight[phase][self.edges[node] : self.edges[node + 1]]
        k = self.select[node]
        drawn = [0] * len(weights)
        for item in range(self.items[node]):
            left = list(range(len(weights)))
            for j in range(k):
                x = unit(self._draw(request, DECISION, node, visit, item * k + j))
                chosen = _weighted(weights, left, x)
                left.remove(chosen)
                drawn[chosen] += 1
        return drawn


def _weighted(weights: list[float], left: list[int], x: float) -> int:
    # Not sum(): later versions of Python compensate rounding, which the rule's plain running sum does not.
    total = 0.0
    for branch in left:
        total += weights[branch]
    target = x * total
    running = 0.0
    for branch in left:
        running += weights[branch]
        if running > target:
            return branch
    return max(branch for branch in left if weights[branch] > 0.0)
