"""A model made of predictions: samples of a predictor's parameters, an error that it cannot see, and noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from bomix.surrogates.models.joint import JointModel

if TYPE_CHECKING:
    from torch import Tensor

_JITTER = 1e-9
"""Share of a variance that keeps repeated mixtures positive definite, as little as rounding asks for."""


class SampledModel(JointModel):
    """The Gaussian of the mean and covariance of ``s`` predictions, e.g. of a bootstrap or a posterior sample.

    ``cov(y_i(w), y_j(w')) = cov_s(f_i^s(w), f_j^s(w')) + [w = w'] E_ij``: the samples' covariance, and an error
    ``E`` of the predictor itself that distinct mixtures do not share.

    Args:
        predict: Maps ``batch x q x d`` weights to ``s x batch x q x m`` predictions; differentiable or not.
        error: ``m x m`` covariance of what no sample explains.
        noise: ``m x m`` covariance of the noise of a run.
        centre: Maps ``batch x q x d`` weights to the ``batch x q x m`` mean of the predictions, where that is known
            without making them all.
    """

    def __init__(
        self,
        predict: Callable[[Tensor], Tensor],
        *,
        error: Tensor,
        noise: Tensor,
        centre: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self._predict, self._error, self._noise, self._centre = predict, error, noise, centre

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return len(self._error)

    @property
    def batch_shape(self) -> torch.Size:
        """Always empty."""
        return torch.Size()

    def mean(self, X: Tensor) -> Tensor:
        """The means alone, ``batch x q x m``."""
        return self._predict(X).mean(dim=0) if self._centre is None else self._centre(X)

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Mean and covariance of the predictions, as of :meth:`JointModel.moments`."""
        samples = self._predict(X)
        mean = samples.mean(dim=0)
        spread = (samples - mean).mT.flatten(-2)
        covariance = torch.einsum("s...i,s...j->...ij", spread, spread) / max(len(samples) - 1, 1)
        unshared = self._error + self._noise if noise is True else self._error
        unshared = unshared + _JITTER * torch.diag(unshared.diagonal().clamp_min(_JITTER))
        return mean, covariance + torch.kron(unshared, torch.eye(X.shape[-2], dtype=unshared.dtype))
