"""Repeats: which rows of an array are runs of one and the same point, and dealing them to folds together.

A repeat in a training set gives away what it is to be predicted from there, so that folds are made of points, not of
rows. What "the same" means is the caller's: the largest difference between two numbers of one point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Numbers = NDArray[np.intp]
    Pairs = NDArray[np.bool_]

_COARSE = 5
"""Decimals by which points are ordered first: coarser than the rounding in which two repeats differ."""


def pairs(X: Array, *, tolerance: float) -> Pairs:
    """Which rows are runs of one point, pair by pair.

    Args:
        X: ``n x d``.
        tolerance: Largest difference between two numbers of one point.

    Returns:
        ``n x n`` booleans, true on the diagonal.
    """
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(X, X, metric="chebyshev") <= tolerance)


def number(X: Array, *, tolerance: float) -> Numbers:
    """The number of the point that each row is a run of, counted from 0 in the order of their first rows.

    Rows that are linked by a chain of near ones are runs of one point, so that it does not matter which row is asked
    first.

    Args:
        X: ``n x d``.
        tolerance: Largest difference between two numbers of one point.

    Returns:
        ``n`` integers.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    n = len(X)
    if not n:
        return np.zeros(0, dtype=np.intp)
    # A tree, not all pairs: tables of runs made elsewhere may have many thousand rows.
    near = cKDTree(X).query_pairs(tolerance, p=np.inf, output_type="ndarray")
    links = coo_matrix((np.ones(len(near)), (near[:, 0], near[:, 1])), shape=(n, n))
    _, label = connected_components(links, directed=False)
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse.reshape(-1)])


def firsts(points: Numbers) -> Numbers:
    """Index of the first row of each point, in the points' order; ``points`` as from :func:`number`."""
    return np.asarray(np.unique(points, return_index=True)[1])


def distinct(X: Array, *, tolerance: float) -> Array:
    """Each point of ``n x d`` rows once, by the smallest of its rows, ``p x d`` in lexicographic order."""
    rows = np.unique(X, axis=0)
    return np.asarray(rows[firsts(number(rows, tolerance=tolerance))])


def count(X: Array, *, tolerance: float) -> int:
    """How many rows of ``n x d`` repeat a point that an earlier row has."""
    return len(X) - len(firsts(number(X, tolerance=tolerance)))


def reordered(X: Array, points: Numbers) -> Numbers:
    """The same points, numbered by where they lie, so that the order of the rows does not matter.

    Args:
        X: ``n x d``.
        points: ``n`` numbers of points, as from :func:`number`.

    Returns:
        ``n`` integers; the point whose smallest row comes first in lexicographic order has number 0.
    """
    # Rounded first, so that the last digits of a repeat do not decide which of two points comes first.
    keys = np.concatenate([np.round(X, _COARSE), X], axis=1)
    order = sorted(range(len(firsts(points))), key=lambda each: min(map(tuple, keys[points == each].tolist())))
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order))
    return rank[points]


def deal(points: Numbers, *, folds: int, seed: int, even: bool = True) -> Numbers:
    """Deal points to folds at random, the rows of one point together.

    Args:
        points: ``n`` numbers of points, as from :func:`number` or :func:`reordered`.
        folds: How many folds; fewer points than folds take a fold each.
        seed: Seed of the order in which points are dealt.
        even: Whether folds have as nearly the same number of rows as repeats allow: points of many rows are dealt
            first, each to the fold that has least. Otherwise folds have the same number of points, dealt in turn.

    Returns:
        The fold of each row, ``n`` integers from 0.
    """
    sizes = np.bincount(points)
    order = np.random.default_rng(seed).permutation(len(sizes))
    used = max(1, min(folds, len(sizes)))
    if not even:
        return np.asarray((order % used)[points])
    filled, of_point = np.zeros(used, dtype=np.intp), np.zeros(len(sizes), dtype=np.intp)
    for point in sorted(order, key=lambda each: -int(sizes[each])):
        of_point[point] = filled.argmin()
        filled[of_point[point]] += sizes[point]
    return np.asarray(of_point[points])
