"""Hamiltonian Monte Carlo for many small posteriors at once, each chain with its own step.

What a Gaussian process's hyperparameters have to say below some fifty trials is a spread, not a point; a chain of
a few hundred leaps per metric, all metrics in one batch, costs about a second where a chain per metric takes minutes.

References:
    [Neal2011] MCMC using Hamiltonian dynamics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

TARGET = 0.8
"""Acceptance that steps are adapted to; from 0.6 to 0.9 trajectories cost the same for what they tell [Neal2011]_."""
ADAPTATION = 0.15
"""How fast a step follows the acceptance, in logarithms for each move: within a warm-up of ten, without swinging."""
_STEP = 0.05
"""First step in units of the scale: too small for most posteriors, and the warm-up lengthens it."""
_STEPS = (1e-3, 0.6)
"""Shortest and longest step: below, a chain stands still; above, a Gaussian of the scale's width is not followed."""


class Chains(NamedTuple):
    """What a run of :func:`sample` brought back.

    Attributes:
        draws: ``s x b x p``.
        acceptance: ``b``, mean acceptance probability after the warm-up.
    """

    draws: Tensor
    acceptance: Tensor


def sample(
    function: Callable[[Tensor], tuple[Tensor, Tensor]],
    start: Tensor,
    scale: Tensor,
    *,
    warmup: int,
    draws: int,
    thinning: int,
    leaps: int,
    seed: int,
) -> Chains:
    """Draw from ``b`` independent densities of ``p`` variables [Neal2011]_.

    Args:
        function: Maps ``b x p`` to ``b`` negative log densities and ``b x p`` gradients.
        start: ``b x p``, where the density is high.
        scale: ``b x p`` typical widths of the densities, such as the prior's.
        warmup: Trajectories during which the steps adapt.
        draws: Samples that are kept.
        thinning: Trajectories for each of them.
        leaps: Leapfrog steps of a trajectory.
        seed: Seed of momenta and acceptance.
    """
    generator = torch.Generator().manual_seed(seed)
    x, (value, gradient) = start, function(start)
    step, accepted, kept = torch.full_like(value, _STEP), torch.zeros_like(value), []
    for turn in range(warmup + draws * thinning):
        momentum = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        chance = torch.rand(value.shape, generator=generator, dtype=x.dtype)
        stride = step.unsqueeze(-1) * scale
        moved, moving = x, momentum - 0.5 * stride * gradient
        for leap in range(leaps):
            moved = moved + stride * moving
            new_value, new_gradient = function(moved)
            moving = moving - (1.0 if leap < leaps - 1 else 0.5) * stride * new_gradient
        energy = value - new_value + 0.5 * (momentum.square() - moving.square()).sum(dim=-1)
        probability = energy.nan_to_num(-torch.inf).clamp_max(0.0).exp()
        taken = chance < probability
        row = taken.unsqueeze(-1)
        x, gradient = torch.where(row, moved, x), torch.where(row, new_gradient, gradient)
        value = torch.where(taken, new_value, value)
        if turn < warmup:
            step = (step * torch.exp(ADAPTATION * (probability - TARGET))).clamp(*_STEPS)
            continue
        accepted = accepted + probability
        if (turn - warmup) % thinning == thinning - 1:
            kept.append(x)
    return Chains(torch.stack(kept), accepted / (draws * thinning))
