"""Uniform mixtures under linear constraints, by hit and run [Smith1984]_ from many chains at a time.

A move goes along a line through a mixture to a uniform point of what the space leaves of that line, which keeps the
uniform distribution. Two kinds of lines take turns. Most change as few weights as the equalities allow, two where there
is only the sum: on a simplex such moves mix within a few rounds over the weights [Smith2014]_, where moves in all
weights would take as many rounds as there are weights. Once a round a chain moves along the difference of two others,
which follows spaces that are narrow in directions of no single weights [Gilks1994]_. All chains share the order of
lines, not the steps along them, so that a move costs the same for hundreds of them.

References:
    [Smith1984] Efficient Monte Carlo procedures for generating points uniformly distributed over bounded regions.
    [Smith2014] A Gibbs sampler on the n-simplex.
    [Gilks1994] Adaptive direction sampling.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from bomix.space import constrained
from bomix.space.programme import interior

if TYPE_CHECKING:
    from bomix.space.linear import Rows
    from bomix.space.polytope import Array
    from bomix.space.programme import Interior

CHAINS = 512
"""Chains that run side by side: the cost of a move hardly depends on their number up to here."""
ROUNDS = 40
"""Rounds over all weights from the middle of a space to a uniform mixture; ``tests/space/test_hit_and_run.py`` has 200
domains with 20 constraints agree with closed forms after a quarter of it."""

_SMALL = 1e-12
"""Coefficient of a line below which a weight does not move: the rounding of an elimination."""
_STILL = 1e-200
"""What stands for a coefficient of zero where it is divided by: no bound is met in that direction."""


@lru_cache(maxsize=32)
def mixtures(lower: tuple[float, ...], upper: tuple[float, ...], rows: Rows, seed: tuple[int, ...]) -> Array:
    """:data:`CHAINS` independent mixtures, uniform on a space that is not empty; ``CHAINS x d``, not to be changed.

    Args:
        lower: ``d`` lower bounds.
        upper: ``d`` upper bounds.
        rows: The constraints.
        seed: Decides the mixtures.
    """
    found = run(lower, upper, rows, chains=CHAINS, rounds=ROUNDS, rng=np.random.default_rng(seed))
    found.setflags(write=False)
    return found


def run(
    lower: tuple[float, ...],
    upper: tuple[float, ...],
    rows: Rows,
    *,
    chains: int,
    rounds: int,
    rng: np.random.Generator,
) -> Array:
    """Where chains that start in the middle of a space are after some rounds, ``chains x d``."""
    inside = interior(lower, upper, rows)
    assert inside is not None, "spaces are checked to hold a mixture"
    low, high = np.array(lower), np.array(upper)
    state = _Chains(inside, low, high, rows, chains)
    if inside.dimension(rows):
        for _ in range(rounds):
            state.round(rng)
    return constrained.project(state.points(), low, high, rows)


class _Chains:
    """Mixtures as columns, with what the constraints say of them below.

    Args:
        inside: The middle of the space.
        low: ``d`` lower bounds.
        high: ``d`` upper bounds.
        rows: The constraints.
        chains: Number of chains.
    """

    def __init__(self, inside: Interior, low: Array, high: Array, rows: Rows, chains: int) -> None:
        matrix, values, _ = rows.stacked
        self._free = inside.free
        self._centre = inside.centre
        self._equations = inside.equations(rows)
        self._goal = self._equations @ inside.centre[inside.free]
        loose = matrix[~inside.flat]
        self._sums = loose[:, inside.free]
        moving = np.abs(self._sums).max(axis=1, initial=0.0) > 0.0
        self._sums = self._sums[moving]
        fixed = loose[moving][:, ~inside.free] @ inside.centre[~inside.free]
        self._low = np.concatenate([low[inside.free], np.full(len(self._sums), -np.inf)])[:, None]
        self._high = np.concatenate([high[inside.free], values[~inside.flat][moving] - fixed])[:, None]
        weights = np.tile(inside.centre[inside.free][:, None], (1, chains))
        self._state = np.concatenate([weights, self._sums @ weights])

    def points(self) -> Array:
        """The mixtures, ``chains x d``."""
        found = np.tile(self._centre, (self._state.shape[1], 1))
        found[:, self._free] = self._state[: len(self._equations.T)].T
        return found

    def round(self, rng: np.random.Generator) -> None:
        """Move every weight once, and every chain once along the difference of two others."""
        d = self._equations.shape[1]
        lines = _sparse_lines(self._equations, rng)
        whole = np.concatenate([lines, lines @ self._sums.T], axis=1)
        shares = rng.random((len(lines), self._state.shape[1]))
        for line, share in zip(whole, shares, strict=True):
            at = np.flatnonzero(np.abs(line) > _SMALL)
            part = self._state[at]
            self._state[at] = _moved(part, line[at][:, None], self._low[at], self._high[at], share)
        self._along_differences(rng)
        self._clean(d)

    def _along_differences(self, rng: np.random.Generator) -> None:
        """Each half of the chains moves along differences of chains of the other half, which are independent of it."""
        half = self._state.shape[1] // 2
        for mine, theirs in ((slice(0, half), slice(half, 2 * half)), (slice(half, 2 * half), slice(0, half))):
            others = self._state[:, theirs]
            first, second = rng.integers(half, size=half), rng.integers(half, size=half)
            lines = others[:, first] - others[:, second]
            share, at = rng.random(half), np.flatnonzero((np.abs(lines) > _SMALL).any(axis=0))
            lines = np.where(np.abs(lines[:, at]) > _SMALL, lines[:, at], _STILL)
            mine_at = np.arange(mine.start, mine.stop)[at]
            self._state[:, mine_at] = _moved(self._state[:, mine_at], lines, self._low, self._high, share[at])

    def _clean(self, d: int) -> None:
        """Take back what rounding adds up: equalities are met again, and sums are those of the weights."""
        weights = self._state[:d]
        weights -= np.linalg.pinv(self._equations) @ (self._equations @ weights - self._goal[:, None])
        np.clip(weights, self._low[:d], self._high[:d], out=weights)
        self._state[d:] = self._sums @ weights


def _moved(part: Array, line: Array, low: Array, high: Array, share: Array) -> Array:
    """Points on lines through ``r x n`` values, each at a share of what bounds leave of its line."""
    down, up = (low - part) / line, (high - part) / line
    start = np.minimum(np.minimum(down, up).max(axis=0), 0.0)
    end = np.maximum(np.maximum(down, up).min(axis=0), 0.0)
    return np.asarray(part + (start + share * (end - start)) * line)


def _sparse_lines(equations: Array, rng: np.random.Generator) -> Array:
    """Directions in random order that keep ``e x d`` equations, each of as few weights as an elimination leaves.

    Every weight is in one of them: of those that are solved for, which are random, all others depend on each one.
    """
    d = equations.shape[1]
    order = rng.permutation(d)
    table, pivots = equations[:, order].copy(), []
    for row in range(len(table)):
        column = int(np.abs(table[row]).argmax())
        # Of the entries that will do the first is taken, so that the choice is as random as the order.
        large = np.abs(table[row]) > 0.1 * np.abs(table[row, column])
        column = int(large.argmax())
        if np.abs(table[row, column]) < 1e-9:
            continue
        table[row] /= table[row, column]
        others = np.arange(len(table)) != row
        table[others] -= table[others, column][:, None] * table[row]
        pivots.append((row, column))
    solved = [column for _, column in pivots]
    rest = np.setdiff1d(np.arange(d), solved)
    lines = np.zeros((len(rest), d))
    lines[np.arange(len(rest)), order[rest]] = 1.0
    for row, column in pivots:
        lines[:, order[column]] = -table[row, rest]
    return np.asarray(lines[rng.permutation(len(lines))])
