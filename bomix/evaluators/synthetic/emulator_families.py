"""Further emulators of RegMix's runs, each of another family of functions than the networks of :mod:`.emulator`.

What a search is tuned on should not be the only thing that it is judged on. The same 512 runs [Liu2024]_ are told by
curves with interactions, by exponential laws with a local rest, and by smooth trees. ``benchmarks/emulator.py`` fits
them and tells their quality; only coefficients stand here.

References:
    [Liu2024] RegMix: data mixture as regression for language model pre-training; github.com/sail-sg/regmix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from bomix.evaluators.synthetic.emulator import SCALES, Emulator, RegmixEmulator, curves
from bomix.space.polytope import Array

FLOOR = 0.02
"""Weight that is added before logarithms are taken, so that they are finite at zero: about half of the weights of the
runs lie below."""
SHARP = 0.005
"""The same for the logarithms that trees split: RegMix's weights are rounded to thousandths, many are zero."""


def log_shares(weights: Array) -> Array:
    """``log(1 + w / floor)`` of weights, 0 at weight zero and 1 at weight one."""
    return np.asarray(np.log1p(weights / FLOOR) / np.log1p(1.0 / FLOOR))


def log_share_slopes(weights: Array) -> Array:
    """Slopes of :func:`log_shares`."""
    return np.asarray(1.0 / ((FLOOR + weights) * np.log1p(1.0 / FLOOR)))


@dataclass(frozen=True, eq=False)
class Interactions(RegmixEmulator):
    """The logarithm of a loss: saturating curves of each weight, and products of the logarithms of every two weights.

    Attributes:
        linear: ``3 d x m`` coefficients of the curves.
        products: ``d x d x m`` coefficients of products of :func:`log_shares`, symmetric, zero on the diagonal.
    """

    linear: Array
    products: Array

    def __call__(self, weights: Array) -> Array:
        """Losses ``(...) x m`` of mixtures ``(...) x d``; nats per token."""
        logs = log_shares(weights)
        pairs = np.einsum("...i,...k,ikm->...m", logs, logs, self.products, optimize=True)
        return np.asarray(np.exp(self.constant + curves(weights) @ self.linear + pairs))

    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of the mean of the losses."""
        losses = self(weights) / len(self.metrics)
        each = (curves(weights) * (losses @ self.linear.T)).reshape(*weights.shape, len(SCALES))
        of_logs = 2.0 * np.einsum("...m,...k,ikm->...i", losses, log_shares(weights), self.products, optimize=True)
        return np.asarray(-(each / SCALES).sum(axis=-1) + of_logs * log_share_slopes(weights))


@dataclass(frozen=True, eq=False)
class Exponentials(RegmixEmulator):
    """``c + sum_k a_k exp(t_k . w)`` for each metric, and bells around some of the runs for what that leaves.

    Attributes:
        heights: ``k x m`` factors of the exponentials; nats per token.
        rates: ``k x m x d`` slopes of their exponents.
        centres: ``p x d`` positions of the bells, in roots of weights plus :data:`FLOOR`.
        width: Standard deviation of the bells in those roots.
        bells: ``p x m`` heights of the bells; nats per token.
    """

    heights: Array
    rates: Array
    centres: Array
    width: Array
    bells: Array

    def __call__(self, weights: Array) -> Array:
        """Losses ``(...) x m`` of mixtures ``(...) x d``; nats per token."""
        terms = np.exp(np.einsum("...d,kmd->...km", weights, self.rates))
        return np.asarray(self.constant + (terms * self.heights).sum(axis=-2) + self.near(weights) @ self.bells)

    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of the mean of the losses."""
        terms = np.exp(np.einsum("...d,kmd->...km", weights, self.rates)) * self.heights
        of_terms = np.einsum("...km,kmd->...d", terms, self.rates) / len(self.metrics)
        roots = np.sqrt(weights + FLOOR)
        strength = self.near(weights) * self.bells.mean(axis=-1) / self.width**2
        of_bells = strength @ self.centres - strength.sum(axis=-1, keepdims=True) * roots
        return np.asarray(of_terms + of_bells / (2.0 * roots))

    def near(self, weights: Array) -> Array:
        """Bells ``(...) x p``: one at a centre, falling to zero."""
        roots = np.sqrt(weights + FLOOR)
        squares = (roots**2).sum(axis=-1)[..., None] - 2.0 * roots @ self.centres.T + (self.centres**2).sum(axis=-1)
        return np.asarray(np.exp(-0.5 * squares / self.width**2))


@dataclass(frozen=True, eq=False)
class SmoothTrees(RegmixEmulator):
    """Boosted trees of three levels whose splits are sigmoids of the logarithm of one weight.

    Attributes:
        columns: ``n x 3`` columns that the levels of each tree split.
        thresholds: ``n x 3`` logarithms of a weight plus :data:`SHARP` at which a split is even.
        width: Change of that logarithm over which a split goes from even to 73 %.
        leaves: ``n x 2 x 2 x 2 x m`` what the leaves add; nats per token.
    """

    columns: Array
    thresholds: Array
    width: Array
    leaves: Array

    def __call__(self, weights: Array) -> Array:
        """Losses ``(...) x m`` of mixtures ``(...) x d``; nats per token."""
        parts = leaf_shares(weights, self.columns.astype(int), self.thresholds, float(self.width))
        return np.asarray(self.constant + parts @ self.leaves.reshape(-1, len(self.metrics)))

    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of the mean of the losses: those of the leaves, through each level's split."""
        columns, leaves = self.columns.astype(int), self.leaves.mean(axis=-1)
        sides = split_shares(weights, columns, self.thresholds, float(self.width))
        first, second, third = (sides[..., level, :] for level in range(3))
        of_sides = [
            np.einsum("...b,...c,...abc->...a", second, third, leaves),
            np.einsum("...a,...c,...abc->...b", first, third, leaves),
            np.einsum("...a,...b,...abc->...c", first, second, leaves),
        ]
        found = np.zeros(weights.shape)
        for level, of_side in enumerate(of_sides):
            split = sides[..., level, 0] * sides[..., level, 1] / float(self.width)
            slopes = split * (of_side[..., 1] - of_side[..., 0])
            found += slopes @ (columns[:, level, None] == np.arange(weights.shape[-1]))
        return np.asarray(found / (weights + SHARP))


def split_shares(weights: Array, columns: Array, thresholds: Array, width: float) -> Array:
    """How much of mixtures ``(...) x d`` goes below and above each split, ``(...) x n x 3 x 2``."""
    above = 0.5 + 0.5 * np.tanh(0.5 * (np.log(weights[..., columns] + SHARP) - thresholds) / width)
    return np.stack([1.0 - above, above], axis=-1)


def leaf_shares(weights: Array, columns: Array, thresholds: Array, width: float) -> Array:
    """How much of mixtures ``(...) x d`` is in each leaf, ``(...) x 8 n``; the eight of a tree sum to one."""
    first, second, third = np.moveaxis(split_shares(weights, columns, thresholds, width), -2, 0)
    parts = first[..., :, None, None] * second[..., None, :, None] * third[..., None, None, :]
    return np.asarray(parts.reshape(*weights.shape[:-1], -1))


REGMIX = "regmix"
EMULATORS: Mapping[str, type[RegmixEmulator]] = {
    REGMIX: Emulator,
    "regmix_interactions": Interactions,
    "regmix_exponentials": Exponentials,
    "regmix_trees": SmoothTrees,
}
"""Name of a family to its class."""


def file_of(family: str) -> Path:
    """Where the coefficients of a family stand."""
    return Path(__file__).with_name("regmix_emulator.npz" if family == REGMIX else f"{family}.npz")


@cache
def load(family: str = REGMIX) -> RegmixEmulator:
    """An emulator that comes with bomix, by its key in :data:`EMULATORS`."""
    with np.load(file_of(family)) as file:
        domains, metrics = (tuple(file[name].tolist()) for name in ("domains", "metrics"))
        arrays = {name: file[name].astype(float) for name in file.files if name not in ("domains", "metrics")}
    return EMULATORS[family](domains, metrics, **arrays)
