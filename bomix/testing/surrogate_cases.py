"""The runs that surrogates are tried on: many and none, repeated and incomplete, in another order and renamed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bomix.testing.known import CROSSED, exponential, mixtures

NAN = float("nan")
NAMES = ("a", "b", "c", "d")
METRICS = ("b", "d", "other")
D, M = len(NAMES), len(METRICS)
ORDER = (2, 0, 3, 1)
"""After the renaming, column ``k`` is what column ``ORDER[k]`` was."""

Runs = tuple[np.ndarray, np.ndarray]
"""Mixtures ``n x d`` and losses ``n x m``, NaN where a trial lacks a metric."""


def base(n: int = 10) -> Runs:
    """Runs of a known law with a little noise."""
    X = mixtures(n, D)
    return X, exponential(X, CROSSED) + 0.02 * np.random.default_rng(1).normal(size=(n, M))


def shuffled() -> Runs:
    """The same in another order."""
    order = np.random.default_rng(7).permutation(10)
    X, Y = base()
    return X[order], Y[order]


def incomplete() -> Runs:
    """The first metric lacks some trials, the second is constant, no trial has the third."""
    X, Y = base()
    Y[[1, 4, 7], 0], Y[:, 1], Y[:, 2] = NAN, 2.5, NAN
    return X, Y


def repeated() -> Runs:
    """Six runs of one mixture."""
    X, Y = base(6)
    return X[:1].repeat(6, axis=0), Y


CASES: Mapping[str, Callable[[], Runs]] = {
    "base": base,
    "shuffled": shuffled,
    "renamed": lambda: (base()[0][:, ORDER], base()[1]),
    "none": lambda: base(0),
    "one": lambda: base(1),
    "two": lambda: base(2),
    "repeated": repeated,
    "incomplete": incomplete,
    "unmeasured": lambda: (base(3)[0], np.full((3, M), NAN)),
}
"""Name to runs; in ``renamed`` the domains have changed places."""
