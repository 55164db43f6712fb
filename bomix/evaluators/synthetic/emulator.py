"""An emulator of RegMix's published runs: 17 domains of the Pile, 13 validation losses at 1M parameters.

Saturating curves of each weight, and on what they leave an ensemble of small networks with smooth units; fitted by
``benchmarks/emulator.py``, which also tells the quality. [Liu2024]_ published the runs under the MIT licence; only the
coefficients stand here.

References:
    [Liu2024] RegMix: data mixture as regression for language model pre-training; github.com/sail-sg/regmix.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bomix.space.polytope import Array

SCALES = np.array([0.01, 0.06, 0.4])
"""Weights over which the curves fade."""


def curves(weights: Array) -> Array:
    """``exp(-w_i / scale)`` of mixtures ``(...) x d`` for each scale, ``(...) x 3 d``."""
    return np.asarray(np.exp(-weights[..., None] / SCALES).reshape(*weights.shape[:-1], -1))


@dataclass(frozen=True, eq=False)
class RegmixEmulator(ABC):
    """Losses of mixtures that were fitted to RegMix's runs, whatever the family of functions.

    Attributes:
        domains: ``d`` names, sorted: the columns of the weights.
        metrics: ``m`` names, sorted.
        best: ``d`` weights, the best mixture known.
        constant: ``m`` values that the parts of the function are added to.
    """

    domains: tuple[str, ...]
    metrics: tuple[str, ...]
    best: Array
    constant: Array

    convex: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, weights: Array) -> Array:
        """Losses ``(...) x m`` of mixtures ``(...) x d``; nats per token."""

    @abstractmethod
    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of the mean of the losses."""


@dataclass(frozen=True, eq=False)
class Emulator(RegmixEmulator):
    """A linear function of the curves, and the mean of ``e`` networks with tanh units on them.

    Attributes:
        linear: ``3 d x m`` coefficients of the curves; nats per token.
        inner: ``e x 3 d x h`` coefficients from the curves to the ``h`` hidden units of each network.
        inner_bias: ``e x h`` constants of the hidden units.
        outer: ``e x h x m`` coefficients from the hidden units to the losses; nats per token.
    """

    linear: Array
    inner: Array
    inner_bias: Array
    outer: Array

    def __call__(self, weights: Array) -> Array:
        """Losses ``(...) x m`` of mixtures ``(...) x d``, as the emulator predicts them; nats per token."""
        found = curves(weights)
        networks = np.einsum("...eh,ehm->...m", self._hidden(found), self.outer) / len(self.outer)
        return np.asarray(found @ self.linear + self.constant + networks)

    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of the mean of the losses, by the chain rule through curves and networks."""
        found = curves(weights)
        slope = (1.0 - self._hidden(found) ** 2) * self.outer.mean(axis=-1) / len(self.outer)
        of_curves = np.einsum("...eh,efh->...f", slope, self.inner) + self.linear.mean(axis=-1)
        each = (of_curves * found).reshape(*weights.shape, len(SCALES))
        return np.asarray(-(each / SCALES).sum(axis=-1))

    def _hidden(self, found: Array) -> Array:
        """Hidden units of each network, ``(...) x e x h``."""
        return np.asarray(np.tanh(np.einsum("...f,efh->...eh", found, self.inner) + self.inner_bias))
