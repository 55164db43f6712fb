"""Joint beliefs about a few fixed mixtures and any other one: what noisy incumbents and pending trials need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from botorch.utils.sampling import draw_sobol_normal_samples

from bomix.numerics.cholesky import relative_factor
from bomix.surrogates.models.joint import JointModel

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor

_JITTERS = (1e-8, 1e-6, 1e-4, 1e-2, 1.0)
"""Shares of the mean variance; draws at pending trials and incumbents, many of them repeats, begin above rounding."""


def moments(model: Model, projection: Tensor, X: Tensor) -> tuple[Tensor, Tensor]:
    """Joint belief about linear functions of the metrics.

    Args:
        model: The model of all ``m`` metrics.
        projection: ``k x m`` coefficients of the metrics in each function.
        X: ``batch x q x d`` mixtures.

    Returns:
        ``batch x q x k`` means, and ``batch x (q k) x (q k)`` covariances, the functions of the first mixture first.
    """
    mean, covariance = of_metrics(model, X)
    q, m = mean.shape[-2:]
    blocks = covariance.reshape(*covariance.shape[:-2], m, q, m, q)
    projected = torch.einsum("km,...mqnp,ln->...qkpl", projection, blocks, projection)
    size = q * len(projection)
    return mean @ projection.mT, projected.reshape(*covariance.shape[:-2], size, size)


def of_metrics(model: Model, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
    """Moments of any model with Gaussian posteriors, as of :meth:`bomix.surrogates.models.joint.JointModel.moments`."""
    if isinstance(model, JointModel):
        return model.moments(X, noise)
    posterior: Any = model.posterior(X, observation_noise=noise)
    mean, covariance = posterior.mean, posterior.distribution.covariance_matrix
    q, m = mean.shape[-2:]
    if m > 1 and posterior.distribution._interleaved:
        blocks = covariance.reshape(*covariance.shape[:-2], q, m, q, m)
        covariance = torch.einsum("...qmpn->...mqnp", blocks).reshape(covariance.shape)
    return mean, covariance


def factor(covariance: Tensor) -> Tensor:
    """Cholesky factors of ``batch x n x n`` covariances; jitter is added to those that are nearly singular."""
    return relative_factor(covariance, _JITTERS)


def with_fixed(X: Tensor, fixed: Tensor) -> Tensor:
    """Each of ``b x 1 x d`` mixtures behind all of ``s x d`` fixed ones, ``b x (s + 1) x d``."""
    return torch.cat([fixed.expand(len(X), *fixed.shape), X], dim=-2)


class Draws:
    """Joint draws of linear functions of the metrics at fixed mixtures, and the belief elsewhere given each of them.

    Args:
        model: The model of all ``m`` metrics.
        projection: ``k x m`` coefficients of the metrics in each function.
        fixed: ``s x d`` mixtures.
        count: Number of draws.
        seed: Seed of the quasi-random numbers.

    Attributes:
        values: ``count x s x k`` draws at the fixed mixtures.
        normal: ``count x k`` standard normal numbers, independent of them, for draws elsewhere.
    """

    def __init__(self, model: Model, projection: Tensor, fixed: Tensor, *, count: int, seed: int) -> None:
        self.model, self.projection, self.fixed = model, projection, fixed
        k, size = len(projection), len(fixed) * len(projection)
        self._faster = model.jointly_with(fixed) if isinstance(model, JointModel) else None
        with torch.no_grad():
            mean, covariance = moments(model, projection, fixed)
            self._factor = factor(covariance)
            numbers = draw_sobol_normal_samples(size + k, count, dtype=torch.float64, seed=seed)
            self._white, self.normal = numbers[:, :size], numbers[:, size:]
            self.values = (mean.flatten() + self._white @ self._factor.mT).reshape(count, len(fixed), k)

    @property
    def entries(self) -> int:
        """Entries of the largest matrix that :meth:`given` makes for one mixture."""
        k, m = self.projection.shape
        return int(((len(self.fixed) + 1) * m) ** 2 + len(self.values) * k)

    def given(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Belief at ``b x 1 x d`` mixtures given each draw: means ``count x b x k``, covariances ``b x k x k``."""
        k, size = len(self.projection), self._factor.shape[-1]
        mean, crossed, own = self._joint_row(X)
        across = crossed.movedim(0, -1).flatten(1)
        # One solve for all mixtures: broadcasting would copy the factor for each of them.
        white = torch.linalg.solve_triangular(self._factor, across, upper=False).reshape(size, k, len(X))
        means = mean + torch.einsum("skb,ns->nbk", white, self._white)
        left = own - torch.einsum("skb,slb->bkl", white, white)
        return means, _without_negative(left)

    def _joint_row(self, X: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Belief before: means ``b x k``, covariances with the fixed mixtures ``b x (s k) x k``, and ``b x k x k``."""
        size, P = self._factor.shape[-1], self.projection
        if self._faster is None:
            mean, covariance = moments(self.model, P, with_fixed(X, self.fixed))
            return mean[:, -1], covariance[:, :size, size:], covariance[:, size:, size:]
        row = self._faster(X.squeeze(-2))
        across = torch.einsum("ki,biaj,lj->bakl", P, row.across, P)
        return row.mean @ P.mT, across.flatten(1, 2), P @ row.covariance @ P.mT


def _without_negative(covariance: Tensor) -> Tensor:
    """Covariances ``b x k x k`` of what is left unknown, those with a negative eigenvalue lifted by twice its size.

    At a mixture that is all but known they are small differences of large numbers, of which rounding may leave less
    than nothing: jitter in proportion to what is left is not enough then.
    """
    lowest: Tensor = torch.linalg.eigvalsh(covariance.detach())[..., 0]
    if not (lowest < 0.0).any():
        return covariance
    lift = -2.0 * lowest.clamp_max(0.0)
    return covariance + lift[..., None, None] * torch.eye(covariance.shape[-1], dtype=covariance.dtype)


def conditioned(mean: Tensor, covariance: Tensor, noise: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Belief about the last points once the first ``p`` have been observed with noise.

    Args:
        mean: ``b x (p + r)`` means before.
        covariance: ``b x (p + r) x (p + r)`` covariances before.
        noise: ``p`` variances of the observations' noise.
        observed: ``n x p`` possible observations.

    Returns:
        Means ``n x b x r`` and covariances ``b x r x r``.
    """
    p = len(noise)
    root = factor(covariance[:, :p, :p] + torch.diag(noise))
    across = torch.linalg.solve_triangular(root, covariance[:, :p, p:], upper=False)
    surprise = (observed.unsqueeze(1) - mean[:, :p]).movedim(0, -1)
    white = torch.linalg.solve_triangular(root, surprise, upper=False)
    return mean[:, p:] + torch.einsum("bpr,bpn->nbr", across, white), covariance[:, p:, p:] - across.mT @ across
