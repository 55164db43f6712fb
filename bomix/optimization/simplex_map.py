"""A map from unconstrained space onto the polytope of mixtures, so that all restarts fit into one L-BFGS batch.

``w_i = min(u_i, l_i + t z_i^2)`` with the one ``t`` that makes the weights sum to one: a point on the sphere, squared,
fills what the lower bounds leave free, and what overflows a cap goes to the others. A weight at its lower bound is
``z_i = 0``, which descent reaches; one at its cap is reached from a whole region.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.numerics.constants import TINY

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

_OFF_ZERO = 1e-3
"""Least room above its lower bound of a weight at a start, times the number of domains: at zero the derivative of its
square is zero, and a weight would stay there."""


class Filled(NamedTuple):
    """Points of the polytope and what their derivative needs.

    Attributes:
        weights: ``b x d`` weights.
        rate: ``b`` values of ``t``, see the module.
        mass: ``b`` sums of squares over the coordinates below their caps.
        capped: ``b x d`` booleans, which weights are at their caps.
    """

    weights: Tensor
    rate: Tensor
    mass: Tensor
    capped: Tensor


class SimplexMap:
    """The map of one space.

    Args:
        space: The space, whose bounds make the polytope.
    """

    def __init__(self, space: MixtureSpace) -> None:
        self._lower = torch.as_tensor(space.lower_array)
        self._room = torch.as_tensor(space.upper_array) - self._lower
        self._free = 1.0 - self._lower.sum()

    def __call__(self, z: Tensor) -> Filled:
        """``b x d`` unconstrained points onto the polytope."""
        squares = z.square() + TINY
        capped = torch.zeros_like(squares, dtype=torch.bool)
        while True:
            mass = torch.where(capped, 0.0, squares).sum(dim=-1)
            left = self._free - torch.where(capped, self._room, 0.0).sum(dim=-1)
            rate = left.clamp_min(0.0) / mass.clamp_min(TINY)
            over = ~capped & (rate.unsqueeze(-1) * squares > self._room)
            if not over.any():
                break
            capped |= over
        filled = torch.where(capped, self._room, rate.unsqueeze(-1) * squares)
        return Filled(self._lower + filled, rate, mass, capped)

    def unconstrained_gradient(self, z: Tensor, at: Filled, gradient: Tensor) -> Tensor:
        """The gradient in ``z`` from the gradient in the weights, both ``b x d``, by the chain rule."""
        free = torch.where(at.capped, 0.0, z)
        mean = (gradient * free.square()).sum(dim=-1) / at.mass.clamp_min(TINY)
        return 2.0 * free * at.rate.unsqueeze(-1) * (gradient - mean.unsqueeze(-1))

    def start(self, points: Array) -> Tensor:
        """Where to begin for ``b x d`` points of the polytope: near them, off the zeros, where descent would stay."""
        above = torch.as_tensor(points, dtype=torch.float64) - self._lower
        return above.clamp_min(_OFF_ZERO / len(self._lower)).sqrt()
