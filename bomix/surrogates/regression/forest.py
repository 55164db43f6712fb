"""Sums of regression trees, evaluated on many mixtures at once without walking a tree.

Each leaf of a tree is a bit, the leftmost the lowest. A split that sends a mixture to the right rules out the leaves on
its left: a mask. What remains after the masks of all such splits, of whatever depth, has the mixture's own leaf as its
lowest bit [Lucchese2015]_. The masks that a weight calls for depend on its rank among the thresholds of its domain
alone, so a table per domain holds, for each rank, the combined masks of all trees; a mixture then costs one row of each
table, in plain NumPy, and no branch of a tree is ever guessed wrong.

References:
    [Lucchese2015] QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MAX_LEAVES = 31
"""Leaves are the bits of a signed 32-bit number, its sign left alone."""

_ROWS, _TREES = 512, 128
"""Mixtures and trees in one block: its tables and masks stay in the processor's cache."""


class Tree(NamedTuple):
    """A binary tree of ``s`` splits and ``s + 1`` leaves.

    Splits are numbered from the root, a child after its parent; a leaf ``l`` stands as the child ``-1 - l``.

    Attributes:
        feature: ``s`` columns of the weights that splits look at.
        threshold: ``s`` thresholds; a mixture goes left where its weight is not above.
        left: ``s`` left children.
        right: ``s`` right children.
        value: ``s + 1`` values of the leaves.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray


class Forest:
    """The sum of trees, and a constant.

    Args:
        trees: Trees of at most :data:`MAX_LEAVES` leaves each.
        constant: Added to the sum.
        dtype: Precision to which weights are rounded before they are compared with thresholds.
    """

    def __init__(
        self, trees: Sequence[Tree], *, constant: float = 0.0, dtype: type[np.float32 | np.float64] = np.float64
    ) -> None:
        if max((len(tree.value) for tree in trees), default=1) > MAX_LEAVES:
            raise ValueError(f"a tree has more than {MAX_LEAVES} leaves")
        grown = [tree for tree in trees if len(tree.feature)]
        self._constant = constant + float(sum(tree.value[0] for tree in trees if not len(tree.feature)))
        self._dtype = dtype
        self._values = np.zeros((len(grown), MAX_LEAVES + 1))
        self._columns: list[int] = []
        self._thresholds: list[np.ndarray] = []
        self._tables: list[list[np.ndarray]] = [[] for _ in range(0, len(grown), _TREES)]
        if grown:
            self._build(grown)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """The sums of all trees.

        Args:
            X: ``n x d`` weights.

        Returns:
            ``n`` sums, the constant included.
        """
        total = np.full(len(X), self._constant)
        X = X.astype(self._dtype)
        ranks = [np.searchsorted(at, X[:, column]) for column, at in zip(self._columns, self._thresholds, strict=True)]
        for block, tables in enumerate(self._tables):
            values = self._values[block * _TREES : (block + 1) * _TREES]
            for row in range(0, len(X), _ROWS):
                rows = slice(row, row + _ROWS)
                total[rows] += _block(tables, [rank[rows] for rank in ranks], values)
        return total

    def _build(self, trees: Sequence[Tree]) -> None:
        splits = max(len(tree.feature) for tree in trees)
        feature, left, right = (np.full((len(trees), splits), -1) for _ in range(3))
        threshold = np.zeros((len(trees), splits))
        for number, tree in enumerate(trees):
            here = slice(len(tree.feature))
            feature[number, here], threshold[number, here] = tree.feature, tree.threshold
            left[number, here], right[number, here] = tree.left, tree.right
        first, count, leaf = _leaf_ranges(left, right)
        for number, tree in enumerate(trees):
            self._values[number, leaf[number, : len(tree.value)]] = tree.value
        bits = (np.left_shift(1, count) - 1) << first
        for column in np.unique(feature[feature >= 0]).tolist():
            of_tree, split = np.nonzero(feature == column)
            at = threshold[of_tree, split]
            known = np.unique(at)
            table = np.full((len(known) + 1, len(trees)), -1, dtype=np.int32)
            cells = (np.searchsorted(known, at) + 1, of_tree)
            np.bitwise_and.at(table, cells, ~bits[of_tree, split].astype(np.int32))
            self._columns.append(column)
            self._thresholds.append(known)
            masks = np.bitwise_and.accumulate(table, axis=0)
            for block, tables in enumerate(self._tables):
                tables.append(masks[:, block * _TREES : (block + 1) * _TREES].copy())


def _leaf_ranges(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which leaves lie to the left of each split, leaves counted from the left.

    Args:
        left: ``t x s`` left children of the splits of ``t`` trees; -1 for both children where a tree has fewer.
        right: ``t x s`` right children.

    Returns:
        ``t x s`` first leaves below each split, ``t x s`` numbers of leaves on its left, and the ``t x (s + 1)``
        positions of the leaves.
    """
    trees, splits = left.shape
    every = np.arange(trees)
    below = np.ones((trees, splits + 1), dtype=np.int64)  # the last column stands for every leaf
    for split in reversed(range(splits)):
        children = (left[:, split], right[:, split])
        below[:, split] = sum(below[every, np.where(child >= 0, child, splits)] for child in children)
    first = np.zeros((trees, splits), dtype=np.int64)
    leaf = np.zeros((trees, splits + 1), dtype=np.int64)
    count = np.zeros((trees, splits), dtype=np.int64)
    for split in range(splits):
        child = left[:, split]
        count[:, split] = below[every, np.where(child >= 0, child, splits)]
        used = left[:, split] != right[:, split]  # only an unused split has the same child twice
        for child, start in ((left[:, split], first[:, split]), (right[:, split], first[:, split] + count[:, split])):
            inner, outer = used & (child >= 0), used & (child < 0)
            first[every[inner], child[inner]] = start[inner]
            leaf[every[outer], -1 - child[outer]] = start[outer]
    return first, count, leaf


def _block(tables: Sequence[np.ndarray], ranks: Sequence[np.ndarray], values: np.ndarray) -> np.ndarray:
    """Sum of a block of trees: ``n`` values from ``k x t`` tables, ``n`` ranks each, and ``t x 32`` leaves."""
    left = np.take(tables[0], ranks[0], axis=0)
    row = np.empty_like(left)
    for table, rank in zip(tables[1:], ranks[1:], strict=True):
        np.take(table, rank, axis=0, out=row, mode="clip")  # with mode="raise" NumPy would buffer the output
        np.bitwise_and(left, row, out=left)
    np.negative(left, out=row)
    np.bitwise_and(left, row, out=left)  # the lowest bit alone
    # A power of two as a float: its exponent, from bit 23 on and shifted by 127, is the number of the leaf.
    leaf = left.astype(np.float32).view(np.int32) >> 23
    leaf += np.arange(len(values), dtype=np.int32) * values.shape[1] - 127
    total: np.ndarray = np.take(values.ravel(), leaf, mode="clip").sum(axis=1)
    return total
