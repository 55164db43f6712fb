"""An accuracy as a falling sigmoid of a loss, with few parameters and priors that hold where runs are few."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.numerics.lbfgs import minimize

if TYPE_CHECKING:
    from torch import Tensor

_LOG_SCALE = math.log(0.3)
"""Typical ``ln s``, nats per token: most of the way from chance to perfect takes one or two nats."""
_BELOW = 0.6
"""Typical ``origin - m``, nats per token: small models are a little better than chance."""
_LOGIT_FLOOR, _FLOOR_SPREAD = math.log(0.25 / 0.75), 0.7
"""Mean and standard deviation of the logit of the chance level, as a share of the ceiling: one in four options,
within a factor of two either way of the odds."""
_NOISE = 0.02
"""Typical standard deviation of an accuracy about the sigmoid."""
_STARTS = (math.log(0.1), math.log(0.3), 0.0)
"""Logarithms of the widths from which curves are fitted, nats per token: steep, typical, nearly straight."""


class Sigmoid(NamedTuple):
    """``floor + (ceiling - floor) / (1 + exp((loss - centre) / scale))``; falls where the loss rises.

    Attributes:
        floor: Accuracy of a guess.
        ceiling: Accuracy at a loss far below all others.
        centre: Loss half-way between them, nats per token.
        scale: How many nats per token change the odds by a factor e.
    """

    floor: Tensor
    ceiling: Tensor
    centre: Tensor
    scale: Tensor

    def __call__(self, loss: Tensor) -> Tensor:
        """Losses of any shape to accuracies."""
        return self.floor + (self.ceiling - self.floor) * torch.sigmoid((self.centre - loss) / self.scale)


def fit(loss: Tensor, accuracy: Tensor, *, origin: Tensor, floor: float | None, ceiling: float) -> Sigmoid:
    """The parameters that are likeliest given the runs and the priors, the noise integrated out.

    Args:
        loss: ``n`` losses, nats per token.
        accuracy: ``n`` accuracies, NaN where missing; ``n`` may be 0.
        origin: A typical loss, where there are no runs.
        floor: Chance level; None to learn it.
        ceiling: Accuracy of a perfect model.
    """
    kept = loss.isfinite() & accuracy.isfinite()
    loss, accuracy = loss[kept].detach(), accuracy[kept].detach()
    origin = loss.mean() if len(loss) else origin.detach()

    def curve(points: Tensor) -> Sigmoid:
        """The curves of ``b x p`` parameters, which are standardised by their priors."""
        top = points.new_full((len(points), 1), ceiling)
        low = torch.sigmoid(_LOGIT_FLOOR + _FLOOR_SPREAD * points[:, 2:]) * ceiling
        bottom = low if floor is None else torch.full_like(top, floor)
        return Sigmoid(bottom, top, origin - _BELOW + points[:, :1], torch.exp(_LOG_SCALE + points[:, 1:2]))

    def negative_log_posterior(points: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            squares = (curve(points)(loss) - accuracy).square().sum(dim=-1)
            noise = (0.5 * len(loss) + 1.0) * torch.log1p(0.5 * squares / _NOISE**2)
            value = noise + 0.5 * points.square().sum(dim=-1)
            (gradient,) = torch.autograd.grad(value.sum(), points)
        return value.detach(), gradient

    found = minimize(negative_log_posterior, _starts(accuracy, floor=floor or 0.0, ceiling=ceiling), tolerance=1e-6)
    best = curve(found.x[found.value.argmin()].unsqueeze(0))
    return Sigmoid(*(value.squeeze() for value in best))


def _starts(accuracy: Tensor, *, floor: float, ceiling: float) -> Tensor:
    """Curves of several widths through the mean of the runs, ``b x 3``; the third, the floor's, starts at its prior."""
    if not len(accuracy):
        return torch.zeros(1, 3, dtype=torch.float64)
    share = ((accuracy.mean() - floor) / (ceiling - floor)).clamp(0.02, 0.98)
    widths = torch.tensor(_STARTS, dtype=torch.float64)
    centres = torch.exp(widths) * torch.logit(share) + _BELOW
    return torch.stack([centres, widths - _LOG_SCALE, torch.zeros_like(widths)], dim=-1)
