"""Boosted trees of LightGBM and scikit-learn, read out as a forest of bomix's own.

Neither draws a random number here that matters: without subsampling, a seed only decides between equal splits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bomix.surrogates.regression.forest import Forest, Tree

LARGEST_LEAF = 20
"""Most trials that a leaf must have: LightGBM's own default, the published setting."""

_LEAF = -1
"""What scikit-learn writes as the child of a leaf."""
_BIN = 3
"""Runs of a bin in which LightGBM puts values, as its own default, unless leaves may be smaller than that."""


class LightGBMSetting(NamedTuple):
    """How LightGBM is run.

    Attributes:
        rounds: Number of trees.
        rate: Learning rate.
        leaf: Least number of trials in a leaf; None for :func:`default_leaf`.
    """

    rounds: int
    rate: float
    leaf: int | None


class BoostingSetting(NamedTuple):
    """How scikit-learn's gradient boosting is run.

    Attributes:
        trees: Number of trees.
        rate: Learning rate.
        depth: Depth of each tree.
    """

    trees: int
    rate: float
    depth: int


def default_leaf(trials: int) -> int:
    """Least number of trials in a leaf, ``0.7 sqrt(trials)``: finer leaves follow noise, coarser ones no curve."""
    return min(max(round(0.7 * math.sqrt(trials)), 1), LARGEST_LEAF)


def lightgbm_forests(X: np.ndarray, y: np.ndarray, settings: Sequence[LightGBMSetting]) -> list[Forest]:
    """Fit LightGBM to ``n x d`` weights and ``n`` values, once for each setting."""
    return [_lightgbm_forest(X, y, setting) for setting in settings]


def boosting_forests(X: np.ndarray, y: np.ndarray, settings: Sequence[BoostingSetting]) -> list[Forest]:
    """Fit scikit-learn's gradient boosting to ``n x d`` weights and ``n`` values.

    Of settings that differ in the number of trees alone, the longest is fitted and the others are its beginnings.
    """
    kinds = {(setting.rate, setting.depth) for setting in settings}
    longest = {kind: max(setting.trees for setting in settings if setting[1:] == kind) for kind in kinds}
    grown = {kind: _boosted(X, y, BoostingSetting(trees, *kind)) for kind, trees in longest.items()}
    # scikit-learn compares weights of single precision with its thresholds.
    return [
        Forest(grown[setting[1:]][: setting.trees], constant=float(y.mean()), dtype=np.float32) for setting in settings
    ]


def _lightgbm_forest(X: np.ndarray, y: np.ndarray, setting: LightGBMSetting) -> Forest:
    import lightgbm

    leaf = default_leaf(len(y)) if setting.leaf is None else setting.leaf
    if len(y) < 2 * leaf:  # no split leaves enough on both sides, which LightGBM finds out with a warning
        return Forest([], constant=float(y.mean()))
    options = {
        "objective": "regression",
        "learning_rate": setting.rate,
        "min_data_in_leaf": leaf,
        "min_data_in_bin": min(_BIN, leaf),
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    booster = lightgbm.train(options, lightgbm.Dataset(X, y), num_boost_round=setting.rounds)
    return Forest(_lightgbm_trees(booster.model_to_string()))


def _boosted(X: np.ndarray, y: np.ndarray, setting: BoostingSetting) -> list[Tree]:
    from sklearn.ensemble import GradientBoostingRegressor

    if len(y) < 2:
        return []
    model = GradientBoostingRegressor(
        n_estimators=setting.trees, learning_rate=setting.rate, max_depth=setting.depth, random_state=0
    )
    return [_sklearn_tree(tree.tree_, setting.rate) for tree in model.fit(X, y).estimators_[:, 0]]


def _lightgbm_trees(text: str) -> list[Tree]:
    """The trees of LightGBM's model file, in which a leaf ``l`` is the child ``-1 - l`` too."""
    found = []
    for part in text.split("\nTree=")[1:]:
        lines = itertools.takewhile(str.strip, part.splitlines()[1:])
        field = dict(line.split("=", 1) for line in lines)
        value = np.array(field["leaf_value"].split(), dtype=float)
        names = ("split_feature", "threshold", "left_child", "right_child") if len(value) > 1 else ()
        column = {name: np.array(field[name].split(), dtype=float) for name in names}
        empty = np.empty(0)
        integers = (column.get(name, empty).astype(int) for name in ("split_feature", "left_child", "right_child"))
        feature, left, right = integers
        found.append(Tree(feature, column.get("threshold", empty), left, right, value))
    return found


def _sklearn_tree(tree: Any, rate: float) -> Tree:
    """One of scikit-learn's trees, whose splits and leaves are numbered together, from the root downwards."""
    is_leaf = tree.children_left == _LEAF
    number = np.where(is_leaf, -np.cumsum(is_leaf), np.cumsum(~is_leaf) - 1)
    split = ~is_leaf
    return Tree(
        feature=tree.feature[split],
        threshold=tree.threshold[split],
        left=number[tree.children_left[split]],
        right=number[tree.children_right[split]],
        value=rate * tree.value[is_leaf, 0, 0],
    )
