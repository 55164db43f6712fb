"""Gaussian processes over the mixture, one per metric, held and evaluated as one batch.

``L_j(w) = offset_j + scale_j (mu_j + g_j(e(w)))``, ``g_j ~ GP(0, k_j)`` on encoded weights ``e(w)``, observed with
noise of variance ``scale_j^2 s_j``. A trial that lacks a metric is cut out of that metric's kernel matrix: its row
becomes one of the identity and its residual zero, which is the same as leaving it out, and keeps the batch whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from botorch.exceptions.errors import UnsupportedError
from botorch.models.model import FantasizeMixin, Model
from botorch.posteriors.gpytorch import GPyTorchPosterior
from gpytorch.distributions import MultitaskMultivariateNormal, MultivariateNormal

from bomix.surrogates.correlation import joint_covariance, leave_one_out, shrunk_correlation

if TYPE_CHECKING:
    from botorch.acquisition.objective import PosteriorTransform
    from gpytorch.kernels import Kernel
    from gpytorch.likelihoods import GaussianLikelihood
    from torch import Tensor

    from bomix.surrogates.encoding import Encoding

_JITTER = 1e-9
_MIN_VARIANCE = 1e-14


class IndependentGPs(Model, FantasizeMixin):
    """One exact Gaussian process per metric, jointly Gaussian through a fixed correlation.

    Args:
        train_X: ``batch x n x d`` weights.
        train_Y: ``batch' x n x m`` metrics, NaN where missing.
        encoding: What the kernel sees of the weights.
        covar_module: Kernel of batch shape ``m`` over encoded weights, on the standardised scale.
        likelihood: Noise of batch shape ``m``, on the standardised scale.
        means: ``m`` constant means, on the standardised scale.
        offset: ``m``, added to the standardised scale's outputs.
        scale: ``m``, which multiplies them.
        correlation: ``m x m`` correlation between the metrics; None estimates it from leave-one-out residuals.
    """

    def __init__(
        self,
        train_X: Tensor,
        train_Y: Tensor,
        *,
        encoding: Encoding,
        covar_module: Kernel,
        likelihood: GaussianLikelihood,
        means: Tensor,
        offset: Tensor,
        scale: Tensor,
        correlation: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.encoding = encoding
        self.covar_module = covar_module.requires_grad_(False)
        self.likelihood = likelihood.requires_grad_(False)
        self.train_X, self.train_Y = train_X, train_Y
        self.means, self.offset, self.scale = means, offset, scale
        self._encoded = encoding.transform(train_X).unsqueeze(-3)
        standard = ((train_Y - offset) / scale).mT
        self._seen = ~standard.isnan()
        covariance = self.covar_module(self._encoded).to_dense()
        self._factor = noisy_factor(covariance, self._noise, self._seen)
        self._residual = torch.where(self._seen, standard - means.unsqueeze(-1), 0.0)
        self._alpha = torch.cholesky_solve(self._residual.unsqueeze(-1), self._factor).squeeze(-1)
        if correlation is None:
            residual, variance = self._leave_one_out()
            correlation = shrunk_correlation(residual / variance.sqrt())
        self.correlation = correlation

    @property
    def _noise(self) -> Tensor:
        """``m`` noise variances on the standardised scale."""
        return torch.as_tensor(self.likelihood.noise).squeeze(-1)

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return int(self.means.shape[-1])

    @property
    def batch_shape(self) -> torch.Size:
        """Batch of fantasies; empty for a fitted model."""
        return _broadcast(self.train_X.shape[:-2], self.train_Y.shape[:-2])

    def transform_inputs(self, X: Tensor, input_transform: torch.nn.Module | None = None) -> Tensor:
        """Encode ``batch x q x d`` weights."""
        return self.encoding.transform(X) if input_transform is None else input_transform(X)

    def posterior(  # type: ignore[override]
        self,
        X: Tensor,
        output_indices: list[int] | None = None,
        observation_noise: bool | Tensor = False,
        posterior_transform: PosteriorTransform | None = None,
    ) -> GPyTorchPosterior:
        """Joint posterior of all metrics.

        Args:
            X: ``batch x q x d`` weights.
            output_indices: The metrics wanted; all by default.
            observation_noise: Whether to add the noise of a new run, or its variance ``batch x q x m`` on the
                standardised scale.
            posterior_transform: Applied to the posterior of the metrics.

        Returns:
            A posterior over ``batch x q x m``.
        """
        if output_indices is not None:
            return self.subset_output(output_indices).posterior(X, None, observation_noise, posterior_transform)
        mean, covariance = self._marginals(X)
        if isinstance(observation_noise, torch.Tensor):
            covariance = covariance + torch.diag_embed(observation_noise.mT)
        elif observation_noise:
            covariance = covariance + self._noise[:, None, None] * torch.eye(X.shape[-2], dtype=X.dtype)
        mean = self.offset + self.scale * mean.mT
        covariance = covariance * self.scale.square()[:, None, None]
        joint = joint_covariance(_factors(covariance), self.correlation)
        if self.num_outputs == 1:
            distribution = MultivariateNormal(mean.squeeze(-1), joint)
        else:
            distribution = MultitaskMultivariateNormal(mean, joint, interleaved=False)
        posterior = GPyTorchPosterior(distribution)
        return posterior if posterior_transform is None else posterior_transform(posterior, X)

    def condition_on_observations(self, X: Tensor, Y: Tensor, noise: Tensor | None = None, **_: Any) -> IndependentGPs:
        """The same hyperparameters with more data, of the model's own noise.

        Args:
            X: ``batch x n' x d`` weights.
            Y: ``batch' x n' x m`` metrics; ``batch'`` may have leading dimensions of fantasies.
            noise: Not supported: the noise of an observation is the likelihood's.
        """
        if noise is not None:
            raise UnsupportedError("IndependentGPs knows one noise per metric; leave out the argument 'noise'")
        return IndependentGPs(
            _append(self.train_X, X),
            _append(self.train_Y, Y),
            encoding=self.encoding,
            covar_module=self.covar_module,
            likelihood=self.likelihood,
            means=self.means,
            offset=self.offset,
            scale=self.scale,
            correlation=self.correlation,
        )

    def subset_output(self, idcs: Sequence[int]) -> IndependentGPs:
        """The model of some metrics, in the order given."""
        index = torch.as_tensor([int(i) % self.num_outputs for i in idcs])
        return IndependentGPs(
            self.train_X,
            self.train_Y[..., index],
            encoding=self.encoding,
            covar_module=self.covar_module[index],
            likelihood=subset_likelihood(self.likelihood, index),
            means=self.means[index],
            offset=self.offset[index],
            scale=self.scale[index],
            correlation=self.correlation[index][:, index],
        )

    def leave_one_out(self) -> tuple[Tensor, Tensor]:
        """Each observation predicted from all others, hyperparameters and scales as they are.

        Returns:
            ``n x m`` means and ``n x m`` variances, noise included; NaN where the trial lacks the metric.
        """
        residual, variance = self._leave_one_out()
        return self.train_Y - self.scale * residual.mT, self.scale.square() * variance.mT

    def _leave_one_out(self) -> tuple[Tensor, Tensor]:
        """Residuals and variances ``batch x m x n`` on the standardised scale."""
        diagonal = torch.cholesky_inverse(self._factor).diagonal(dim1=-2, dim2=-1)
        residual, variance = leave_one_out(diagonal, self._alpha)
        missing = torch.full_like(residual, torch.nan)
        return torch.where(self._seen, residual, missing), torch.where(self._seen, variance, missing)

    def _marginals(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Means ``batch x m x q`` and covariances ``batch x m x q x q`` on the standardised scale."""
        encoded = self.encoding.transform(X).unsqueeze(-3)
        across = self.covar_module(self._encoded, encoded).to_dense() * self._seen.unsqueeze(-1)
        mean = self.means.unsqueeze(-1) + (across.mT @ self._alpha.unsqueeze(-1)).squeeze(-1)
        explained = torch.linalg.solve_triangular(self._factor, across, upper=False)
        if X.shape[-2] == 1:
            prior = self.covar_module(encoded, diag=True).unsqueeze(-1)
            variance = prior - explained.square().sum(dim=-2, keepdim=True)
            return mean, variance.clamp_min(_MIN_VARIANCE)
        return mean, self.covar_module(encoded).to_dense() - explained.mT @ explained


def noisy_factor(covariance: Tensor, noise: Tensor, seen: Tensor) -> Tensor:
    """Cholesky factor of ``K + noise`` with the rows of missing observations cut out.

    Args:
        covariance: ``batch x m x n x n`` kernel matrices.
        noise: ``batch x m`` noise variances.
        seen: ``batch x m x n``, which observations there are.

    Returns:
        ``batch x m x n x n`` lower triangles; NaN for a matrix that no jitter mends.
    """
    there = seen.to(covariance)
    diagonal = torch.where(seen, noise.unsqueeze(-1), 1.0)
    matrix = covariance * there.unsqueeze(-1) * there.unsqueeze(-2) + torch.diag_embed(diagonal)
    factor: Tensor
    factor, info = torch.linalg.cholesky_ex(matrix)
    for jitter in (1e-8, 1e-6, 1e-4):
        if not info.any():
            return factor
        matrix = matrix + jitter * (info > 0).to(matrix)[..., None, None] * torch.eye(matrix.shape[-1]).to(matrix)
        factor, info = torch.linalg.cholesky_ex(matrix)
    return torch.where((info > 0)[..., None, None], torch.nan, factor)


def subset_likelihood(likelihood: GaussianLikelihood, index: Tensor) -> GaussianLikelihood:
    """The noise of some metrics."""
    from gpytorch.likelihoods import GaussianLikelihood

    chosen = GaussianLikelihood(batch_shape=index.shape).to(likelihood.noise)
    chosen.noise = likelihood.noise[index]
    return chosen


def _factors(covariance: Tensor) -> Tensor:
    """Cholesky factors ``batch x m x q x q``; a hair of jitter carries repeated points."""
    if covariance.shape[-1] == 1:
        return covariance.sqrt()
    scale = covariance.diagonal(dim1=-2, dim2=-1).mean(dim=-1)[..., None, None].detach()
    eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype)
    factor: Tensor
    for jitter in (_JITTER, 1e-7, 1e-5, 1e-3):
        factor, info = torch.linalg.cholesky_ex(covariance + jitter * scale * eye)
        if not info.any():
            return factor
    factor = torch.linalg.cholesky(covariance + 1e-1 * scale * eye)
    return factor


def _broadcast(first: torch.Size, second: torch.Size) -> torch.Size:
    return torch.Size(torch.broadcast_shapes(first, second))  # type: ignore[no-untyped-call]


def _append(rows: Tensor, more: Tensor) -> Tensor:
    batch = _broadcast(rows.shape[:-2], more.shape[:-2])
    return torch.cat([rows.expand(*batch, *rows.shape[-2:]), more.expand(*batch, *more.shape[-2:])], dim=-2)
