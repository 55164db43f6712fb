"""Hamiltonian Monte Carlo for many small posteriors at once, each chain with its own step.

Below some fifty trials the posterior of a Gaussian process's hyperparameters is wide, and one point does not stand for
it; a chain of a few hundred leaps per metric, all metrics in one batch, costs about a second where a chain per metric
takes minutes.

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
"""Acceptance probability that steps are adapted to: the customary value, somewhat above the 0.65 that is best for long
chains, since a short one that is stuck has no time to come loose."""
ADAPTATION = 0.15
"""How fast steps adapt: a trajectory that is refused shortens the steps by a ninth, one that is accepted lengthens them
by 3 %, so that a warm-up of some tens of trajectories can double them or cut them to a tenth."""
_STEP = 0.05
"""Step at the start, in typical widths of the density: small enough to be accepted, so that it grows."""
_STEPS = (1e-3, 0.6)
"""Smallest and largest step, in the same unit: below, a chain does not move; above, leapfrog
loses too much of the energy of a narrow direction."""


class Chains(NamedTuple):
    """Samples of :func:`sample`, and how well its chains moved.

    Attributes:
        draws: ``s x b x p`` samples.
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
        scale: ``b x p`` typical widths of the densities, such as the prior's; steps are in units of them.
        warmup: Trajectories during which the steps adapt.
        draws: Samples that are kept.
        thinning: Trajectories for each sample that is kept.
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
