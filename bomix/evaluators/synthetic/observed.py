"""What is observed of the losses, and what it is called."""

from __future__ import annotations

import numpy as np

from bomix.space.polytope import Array


def numbered(letter: str, count: int) -> tuple[str, ...]:
    """``count`` names of a letter and a number, all of one length, so that they sort as they stand."""
    return tuple(f"{letter}{index:0{len(str(count - 1))}d}" for index in range(count))


def group_means(losses: Array, groups: int) -> Array:
    """Means of groups of equal size, each of every so manieth metric.

    Args:
        losses: ``(...) x m``; nats per token.
        groups: Number of groups, a divisor of ``m``; 0 leaves the losses as they are.

    Returns:
        ``(...) x groups``, or ``(...) x m``.
    """
    if not groups:
        return losses
    return np.asarray(losses.reshape(*losses.shape[:-1], -1, groups).mean(axis=-2))
