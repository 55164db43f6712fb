"""L-BFGS for many small smooth problems at once, each on its own path.

One evaluation serves every problem, but each has its own memory, step and end, so that none waits for another's
curvature as in an optimisation of their sum.

References:
    [Nocedal1980] Updating quasi-Newton matrices with limited storage.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.numerics.constants import ARMIJO

if TYPE_CHECKING:
    from torch import Tensor

_MEMORY = 10
"""Steps that the curvature is learnt from: the customary number; more cost memory and hardly help."""
_MAX_TRIES = 25
"""Shorter and shorter steps in a row after which a problem has come to its end."""


class Minima(NamedTuple):
    """Where a batch of minimisations ended.

    Attributes:
        x: ``b x p`` best points.
        value: ``b`` values.
        gradient: ``b x p`` gradients.
    """

    x: Tensor
    value: Tensor
    gradient: Tensor


def minimize(
    function: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    start: Tensor,
    *,
    max_evaluations: int = 200,
    tolerance: float = 1e-4,
    max_step: float = 2.0,
) -> Minima:
    """Minimise ``b`` independent functions of ``p`` variables.

    Args:
        function: Maps ``k x p`` points and the ``k`` positions of their problems to ``k`` values and ``k x p``
            gradients; may be non-finite away from the start. Problems that have ended are not asked for again.
        start: ``b x p``.
        max_evaluations: Most evaluations of the batch.
        tolerance: A problem ends once its gradient's largest entry is below this, or its value moves by less
            than a thousandth of it squared.
        max_step: Largest change of one variable in one step.
    """
    x = start.clone()
    problems, p = x.shape
    value, gradient = function(x, torch.arange(problems))
    steps, changes = x.new_zeros(problems, _MEMORY, p), x.new_zeros(problems, _MEMORY, p)
    direction, length = _limited(-gradient, max_step), x.new_ones(problems)
    tries = torch.zeros(problems, dtype=torch.long)
    done = ~value.isfinite() | (gradient.abs().amax(dim=-1) < tolerance)
    for _ in range(max_evaluations - 1):
        if done.all():
            break
        going = (~done).nonzero().squeeze(-1)
        trial, trial_value, trial_gradient = x.clone(), value.clone(), gradient.clone()
        trial[going] = x[going] + length[going].unsqueeze(-1) * direction[going]
        trial_value[going], trial_gradient[going] = function(trial[going], going)
        slope = (gradient * direction).sum(dim=-1)
        finite = trial_value.isfinite() & trial_gradient.isfinite().all(dim=-1)
        accepted = ~done & finite & (trial_value <= value + ARMIJO * length * slope)
        step, change = trial - x, trial_gradient - gradient
        curved = accepted & ((step * change).sum(dim=-1) > 1e-10 * step.norm(dim=-1) * change.norm(dim=-1))
        steps, changes = _remember(steps, step, curved), _remember(changes, change, curved)
        stalled = accepted & (value - trial_value < 1e-3 * tolerance**2 * value.abs().clamp_min(1.0))
        shrunk = _interpolated(length, slope, value, trial_value, finite)
        row = accepted.unsqueeze(-1)
        x, gradient = torch.where(row, trial, x), torch.where(row, trial_gradient, gradient)
        value = torch.where(accepted, trial_value, value)
        direction = torch.where(row, _limited(_two_loop(gradient, steps, changes), max_step), direction)
        length = torch.where(accepted, 1.0, shrunk)
        tries = torch.where(accepted, 0, tries + 1)
        done |= stalled | (gradient.abs().amax(dim=-1) < tolerance) | (tries > _MAX_TRIES)
    return Minima(x, value, gradient)


def _interpolated(length: Tensor, slope: Tensor, value: Tensor, trial_value: Tensor, finite: Tensor) -> Tensor:
    """The step at the minimum of the parabola through what is known, within a tenth and a half of the last one."""
    best = -slope * length.square() / (2.0 * (trial_value - value - slope * length))
    best = torch.where(finite, best.nan_to_num(0.0), 0.0)
    return torch.maximum(torch.minimum(best, 0.5 * length), 0.1 * length)


def _remember(memory: Tensor, new: Tensor, where: Tensor) -> Tensor:
    """``b x slots x p`` entries with ``b x p`` new ones last and the oldest dropped, in the problems where told."""
    rolled = torch.cat([memory[:, 1:], new.unsqueeze(1)], dim=1)
    return torch.where(where[:, None, None], rolled, memory)


def _two_loop(gradient: Tensor, steps: Tensor, changes: Tensor) -> Tensor:
    """Descent directions ``b x p`` by the two-loop recursion [Nocedal1980]_; empty slots of the memory are zero."""
    products = (steps * changes).sum(dim=-1)
    rho = torch.where(products > 0, 1.0 / products.clamp_min(1e-300), 0.0)
    q, weights = gradient, []
    for slot in reversed(range(steps.shape[1])):
        weight = rho[:, slot] * (steps[:, slot] * q).sum(dim=-1)
        q = q - weight.unsqueeze(-1) * changes[:, slot]
        weights.append(weight)
    squared = changes[:, -1].square().sum(dim=-1)
    gamma = torch.where(products[:, -1] > 0, products[:, -1] / squared.clamp_min(1e-300), 1.0)
    r = gamma.unsqueeze(-1) * q
    for slot, weight in enumerate(reversed(weights)):
        back = rho[:, slot] * (changes[:, slot] * r).sum(dim=-1)
        r = r + (weight - back).unsqueeze(-1) * steps[:, slot]
    return -r


def _limited(direction: Tensor, max_step: float) -> Tensor:
    """``b x p`` directions, shortened so that a whole step changes no variable by more than ``max_step``."""
    largest = direction.abs().amax(dim=-1, keepdim=True)
    return direction * (max_step / largest.clamp_min(1e-300)).clamp_max(1.0)
