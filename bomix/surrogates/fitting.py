"""Maximum-a-posteriori hyperparameters of one Gaussian process per metric, all metrics and restarts in one batch.

The criterion is BoTorch's: the log marginal likelihood plus the log densities of the priors. The constant mean is
not searched for: given the rest, its best value is the generalised-least-squares mean.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from gpytorch.constraints import GreaterThan
from gpytorch.kernels import MaternKernel
from gpytorch.likelihoods import GaussianLikelihood
from gpytorch.priors import LogNormalPrior

from bomix.surrogates.independent import noisy_factor
from bomix.surrogates.lbfgs import minimize

if TYPE_CHECKING:
    from gpytorch.kernels import Kernel
    from torch import Tensor

logger = logging.getLogger(__name__)

LENGTHSCALE_SPREAD = math.sqrt(3.0)
NOISE_PRIOR = (-4.0, 1.0)
MIN_NOISE = 1e-4
_MIN_LENGTHSCALE = 1e-3
_START_NOISE = (0.01, 0.1)
_MOVED = 1e-3


class Hyperparameters(NamedTuple):
    """What a fit found, on the standardised scale.

    Attributes:
        covar_module: Kernel of batch shape ``m``.
        likelihood: Noise of batch shape ``m``.
        means: ``m`` constant means.
    """

    covar_module: Kernel
    likelihood: GaussianLikelihood
    means: Tensor


class Prior(NamedTuple):
    """Log-normal prior of the lengthscales.

    Attributes:
        median: In encoded coordinates.
        spread: Standard deviation of the logarithm.
        reach: Typical distance of two mixtures in encoded coordinates, where the search starts.
    """

    median: float
    spread: float
    reach: float


def matern(prior: Prior, d: int, batch: int) -> MaternKernel:
    """Matern-5/2 with a lengthscale per domain, which starts at the typical distance of two mixtures."""
    kernel = MaternKernel(
        nu=2.5,
        ard_num_dims=d,
        batch_shape=torch.Size([batch]),
        lengthscale_prior=LogNormalPrior(math.log(prior.median), prior.spread),
        lengthscale_constraint=_positive(_MIN_LENGTHSCALE),
    ).double()
    kernel.lengthscale = torch.full((batch, 1, d), prior.reach)
    return kernel


def noise(batch: int) -> GaussianLikelihood:
    """Inferred noise, small unless the data say otherwise."""
    likelihood = GaussianLikelihood(
        noise_prior=LogNormalPrior(*NOISE_PRIOR),
        batch_shape=torch.Size([batch]),
        noise_constraint=_positive(MIN_NOISE),
    ).double()
    likelihood.noise = torch.full((batch, 1), _START_NOISE[0])
    return likelihood


def fit(encoded: Tensor, targets: Tensor, prior: Prior, *, restarts: int, seed: int) -> Hyperparameters:
    """Find the hyperparameters.

    Args:
        encoded: ``n x d`` encoded mixtures.
        targets: ``n x m`` standardised metrics, NaN where missing.
        prior: Of the lengthscales.
        restarts: Starts per metric.
        seed: Of the starts beyond the second, and of those that replace a fit that did not move.
    """
    m, d = targets.shape[-1], encoded.shape[-1]
    rng = np.random.default_rng(seed)
    starts = _starts(prior, d, restarts, rng)
    theta, value, stuck = _best_of(encoded, targets, starts, prior)
    if stuck.any():
        logger.info("%d fits never left their start; starting them elsewhere", int(stuck.sum()))
        again, other, _ = _best_of(encoded, targets, _random_starts(prior, d, max(restarts, 2), rng), prior)
        better = stuck & (other < value)
        theta, value = torch.where(better.unsqueeze(-1), again, theta), torch.where(better, other, value)
    if (failed := ~value.isfinite()).any():
        logger.warning("%d fits failed; their hyperparameters stay at the median of their prior", int(failed.sum()))
        fallback = torch.tensor([math.log(prior.median)] * d + [NOISE_PRIOR[0]], dtype=theta.dtype)
        theta = torch.where(failed.unsqueeze(-1), fallback, theta)
    covar_module, likelihood = matern(prior, d, m), noise(m)
    _load(theta, covar_module, likelihood)
    with torch.no_grad():
        _, means = _criterion(encoded, targets.mT, covar_module, likelihood)
    return Hyperparameters(covar_module, likelihood, means)


def log_posterior(encoded: Tensor, targets: Tensor, hyperparameters: Hyperparameters) -> Tensor:
    """What :func:`fit` maximises: ``m`` log marginal likelihoods plus log densities of the priors."""
    with torch.no_grad():
        return -_criterion(encoded, targets.mT, hyperparameters.covar_module, hyperparameters.likelihood)[0]


def _starts(prior: Prior, d: int, restarts: int, rng: np.random.Generator) -> np.ndarray:
    """``restarts x p`` log lengthscales and log noise: short and quiet, long and noisy, then from the prior."""
    fixed = np.array(
        [
            [math.log(prior.reach)] * d + [math.log(_START_NOISE[0])],
            [math.log(math.sqrt(prior.reach * prior.median) * 2.0)] * d + [math.log(_START_NOISE[1])],
        ]
    )
    return np.concatenate([fixed[:restarts], _random_starts(prior, d, max(restarts - 2, 0), rng)])


def _random_starts(prior: Prior, d: int, count: int, rng: np.random.Generator) -> np.ndarray:
    lengthscales = math.log(prior.reach) + rng.normal(0.0, 1.0, size=(count, d)) + rng.normal(0.5, 1.0, size=(count, 1))
    return np.concatenate([lengthscales, rng.normal(-3.5, 1.0, size=(count, 1))], axis=1)


def _best_of(encoded: Tensor, targets: Tensor, starts: np.ndarray, prior: Prior) -> tuple[Tensor, Tensor, Tensor]:
    """Best hyperparameters ``m x p`` over the starts, their ``m`` values, and which never moved though they should."""
    (m, d), count = (targets.shape[-1], encoded.shape[-1]), len(starts)
    covar_module, likelihood = matern(prior, d, m * count), noise(m * count)
    start = torch.as_tensor(starts, dtype=torch.float64).repeat_interleave(m, dim=0)
    end = minimize(_objective(encoded, targets.mT.repeat(count, 1), covar_module, likelihood), start)
    moved = (end.x - start)[:, :d].abs().amax(dim=-1) > _MOVED
    stuck = ~moved & (end.gradient.abs().amax(dim=-1) > 1e-2)
    values = torch.where(end.value.isfinite(), end.value, torch.inf).reshape(count, m)
    best = values.argmin(dim=0)
    column = torch.arange(m)
    return end.x.reshape(count, m, -1)[best, column], values[best, column], stuck.reshape(count, m)[best, column]


def _objective(
    encoded: Tensor, targets: Tensor, covar_module: Kernel, likelihood: GaussianLikelihood
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    parameters = (covar_module.raw_lengthscale, likelihood.noise_covar.raw_noise)

    @torch.enable_grad()
    def value_and_gradient(theta: Tensor) -> tuple[Tensor, Tensor]:
        _load(theta, covar_module, likelihood)
        value, _ = _criterion(encoded, targets, covar_module, likelihood)
        gradients = torch.autograd.grad(value.sum(), parameters)
        gradient = torch.cat([part.reshape(len(theta), -1) for part in gradients], dim=-1)
        return value.detach(), gradient

    return value_and_gradient


def _load(theta: Tensor, covar_module: Kernel, likelihood: GaussianLikelihood) -> None:
    """Write ``b x (d + 1)`` log lengthscales and log noise into the modules."""
    with torch.no_grad():
        covar_module.raw_lengthscale.copy_(theta[:, :-1].reshape(covar_module.raw_lengthscale.shape))
        likelihood.noise_covar.raw_noise.copy_(theta[:, -1:])


def _criterion(
    encoded: Tensor, targets: Tensor, covar_module: Kernel, likelihood: GaussianLikelihood
) -> tuple[Tensor, Tensor]:
    """Negative log posterior density ``b`` and generalised-least-squares means ``b``."""
    seen = ~targets.isnan()
    covariance = covar_module(encoded).to_dense().expand(len(targets), -1, -1)
    density, means = _LogMarginal.apply(  # type: ignore[no-untyped-call]
        covariance, likelihood.noise.squeeze(-1), targets.nan_to_num(0.0), seen
    )
    for module in (covar_module, likelihood):
        for _, owner, prior, closure, _ in module.named_priors():
            density = density + prior.log_prob(closure(owner)).reshape(len(targets), -1).sum(dim=-1)
    return -density, means


class _LogMarginal(torch.autograd.Function):
    """Log marginal likelihood with the mean profiled out, and its gradient in closed form.

    ``dL/dK = (a a^T - K^-1) / 2`` with ``a = K^-1 (y - mu)``; the profiled mean is a stationary point and adds
    nothing. A backward pass through the factorisation would cost several times as much.
    """

    @staticmethod
    def forward(ctx: Any, covariance: Tensor, noise: Tensor, targets: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        factor = noisy_factor(covariance, noise, seen)
        there = seen.to(targets)
        solved = torch.cholesky_solve(torch.stack([targets * there, there], dim=-1), factor)
        precision = (there * solved[..., 1]).sum(dim=-1)
        means = (there * solved[..., 0]).sum(dim=-1) / torch.where(precision > 0, precision, 1.0)
        alpha = solved[..., 0] - means.unsqueeze(-1) * solved[..., 1]
        fit = (alpha * (targets - means.unsqueeze(-1)) * there).sum(dim=-1)
        log_determinant = 2.0 * factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
        ctx.save_for_backward(factor, alpha, there)
        ctx.mark_non_differentiable(means)
        return -0.5 * (fit + log_determinant + there.sum(dim=-1) * math.log(2.0 * math.pi)), means

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        factor, alpha, there = ctx.saved_tensors
        inverse = torch.cholesky_inverse(factor)
        outer = alpha.unsqueeze(-1) * alpha.unsqueeze(-2) - inverse
        outer = 0.5 * gradients[0][:, None, None] * outer * there.unsqueeze(-1) * there.unsqueeze(-2)
        return outer, outer.diagonal(dim1=-2, dim2=-1).sum(dim=-1), None, None


def _positive(floor: float) -> GreaterThan:
    """A lower bound; the search is over the logarithm of what exceeds it."""
    return GreaterThan(floor, transform=torch.exp, inv_transform=torch.log)
