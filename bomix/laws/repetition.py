"""What repeated text is worth, in passes over fresh text.

[Muennighoff2023] Scaling data-constrained language models. https://arxiv.org/abs/2305.16264, eq. 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def effective_passes(epochs: Tensor, decay: Tensor) -> Tensor:
    """Passes over fresh text that so many epochs are worth: ``1 + R* (1 - exp(-(E - 1) / R*))``, ``E`` below one.

    Times the tokens ``U`` of a domain that is ``D' = U + U R* (1 - exp(-R / R*))`` with ``R = D / U - 1``
    [Muennighoff2023]_; value and slope are continuous at one epoch.

    Args:
        epochs: ``(...)`` passes over a domain, from 0.
        decay: ``R*``, repetitions after which a token is worth 1/e of a fresh one; it broadcasts.

    Returns:
        ``(...)`` tensor, never above ``1 + R*``.
    """
    repeated = (epochs - 1.0).clamp_min(0.0)
    return epochs.clamp_max(1.0) - decay * torch.expm1(-repeated / decay)
