"""Markov chains built by following transitions from a first state: steady state, and time until nothing happens."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix, diags
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, gmres, spilu, splu

from .answers import F64, TheoryError
from .uniform import Tail, collect

MOST_STATES = 200_000
DIRECT = 5_000
"""States above which factors would fill up, so that they are taken incompletely and the rest is iterated."""

Moves = Callable[[Any], Iterable[tuple[float, Hashable]]]


@dataclass(frozen=True, eq=False)
class Chain:
    """A Markov chain in continuous time.

    Attributes
    ----------
    states : list
        In the order in which they were found.
    generator : scipy.sparse.csr_matrix
        Rates, with what leaves on the diagonal.
    start : float64[state]
        Probabilities of the first state.
    """

    states: list[Any]
    generator: Any
    start: F64

    @classmethod
    def explore(cls, first: Iterable[tuple[float, Hashable]], moves: Moves, most: int = MOST_STATES) -> Chain:
        """Return all that can be reached.

        Parameters
        ----------
        first : iterable of (probability, state)
            Where it begins.
        moves : callable
            From a state to its (rate, state) pairs.
        most : int
            Most states.

        Raises
        ------
        TheoryError
            When there are more.

        Examples
        --------
        >>> chain = Chain.explore([(1.0, 0)], lambda n: [(0.5, n + 1)] * (n < 3) + [(1.0, n - 1)] * (n > 0))
        >>> chain.steady().round(6)
        array([0.533333, 0.266667, 0.133333, 0.066667])
        """
        number: dict[Hashable, int] = {}
        states: list[Hashable] = []

        def known(state: Hashable) -> int:
            found = number.setdefault(state, len(states))
            if found == len(states):
                if found >= most:
                    raise TheoryError("chain", f"more than {most} states", "a smaller system")
                states.append(state)
            return found

        begins = [(known(state), share) for share, state in first]
        rows, columns, rates = [], [], []
        done = 0
        while done < len(states):
            for rate, state in moves(states[done]):
                rows.append(done)
                columns.append(known(state))
                rates.append(rate)
            done += 1
        n = len(states)
        off = coo_matrix((rates, (rows, columns)), (n, n)).tocsr()
        start = np.zeros(n)
        for state, share in begins:
            start[state] += share
        return cls(states, (off - diags(np.asarray(off.sum(axis=1)).ravel())).tocsr(), start)

    def steady(self) -> F64:
        """Return the stationary probabilities.

        Raises
        ------
        TheoryError
            When the chain ends in more than one set of states, so that there is no single answer.
        """
        kinds, kind = connected_components(self.generator, connection="strong")
        edges = self.generator.tocoo()
        leaves = np.zeros(kinds, np.bool_)
        leaves[kind[edges.row[kind[edges.row] != kind[edges.col]]]] = True
        if (~leaves).sum() != 1:
            raise TheoryError("chain", f"{(~leaves).sum()} sets of states that are never left", "a chain that ends in one")
        last = np.flatnonzero(~leaves[kind])
        result = np.zeros(len(self.states))
        result[last] = 1.0
        if len(last) > 1:
            # the first state has weight 1, and its balance follows from the others
            inner = self.generator[last][:, last].T.tocsc()
            right = -inner[1:, [0]].toarray().ravel()
            result[last[1:]] = _solve(inner[1:, 1:].tocsc(), right)
        result = np.maximum(result, 0.0)
        return np.asarray(result / result.sum(), np.float64)

    def until_rest(self) -> Tail:
        """Return the tail of the time until a state is reached that nothing leaves.

        Raises
        ------
        TheoryError
            When there is no such state.
        """
        leaving = -self.generator.diagonal()
        if not (leaving == 0.0).any():
            raise TheoryError("chain", "no state of rest", "a chain that comes to an end")
        live = np.flatnonzero(leaving > 0.0)
        if not self.start[live].any():
            return Tail(1.0, np.zeros(1))
        rate = float(leaving.max())
        step = (diags(np.ones(len(live))) + self.generator[live][:, live] / rate).T.tocsr()
        row = self.start[live]

        def advance() -> float:
            nonlocal row
            row = step @ row
            return float(row.sum())

        return Tail(rate, collect(float(row.sum()), advance))


def _solve(matrix: Any, right: F64) -> F64:
    """Return the solution of a sparse system, to rounding."""
    order = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0}
    if len(right) > DIRECT:
        near = LinearOperator(matrix.shape, spilu(matrix, drop_tol=1e-4, fill_factor=20.0, **order).solve)
        found, failed = gmres(matrix, right, M=near, rtol=1e-13, restart=60, maxiter=20)
        if not failed:
            return np.asarray(found, np.float64)
    return np.asarray(splu(matrix, **order).solve(right), np.float64)
