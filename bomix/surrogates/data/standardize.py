"""Each metric on a scale of its own: mean zero, standard deviation one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def standardisation(Y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each metric over the trials that have it.

    Args:
        Y: ``n x m``, NaN where missing.

    Returns:
        ``m`` means, zero for a metric that no trial has, and ``m`` standard deviations, one where there is no spread.
    """
    seen = ~Y.isnan()
    count = seen.sum(dim=0)
    mean = Y.nan_to_num(0.0).sum(dim=0) / count.clamp_min(1)
    squares = (Y - mean).square().nan_to_num(0.0).sum(dim=0)
    deviation = (squares / (count - 1).clamp_min(1)).sqrt()
    return mean, deviation.where(deviation > 1e-9 * mean.abs().clamp_min(1.0), 1.0)
