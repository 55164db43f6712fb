"""The marginal likelihood of hyperparameters with their priors, and the noise of a run.

The criterion is the log marginal likelihood plus the log density of the priors, which are Gaussian on the scale of
the search. The constant mean is not searched for: given the rest, its best value is the generalised-least-squares
mean. All metrics and restarts are one batch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.contracts.covariance import Covariance, KernelContext, Prior
from bomix.numerics.marginal import LogMarginal

if TYPE_CHECKING:
    from torch import Tensor

MIN_NOISE = 1e-4
"""Least noise variance of a standardised metric: a hundredth of its spread, which no two trainings repeat to."""
HELD = 1e-3
"""Standard deviation of the prior of a fixed hyperparameter: no search moves it by more than a rounding of the printed
digits."""
_NOISE = (-4.0, 1.0)
"""Mean and standard deviation of ``ln s^2``: noise is about a seventh of a loss's spread."""
_NOISE_OF_SCORES = (-2.0, 2.0)
"""The same of scores: noise is about a third of a metric's spread, a loss that repeats to a hundredth is as likely as a
score of which the mixture says nothing. That is four deviations away for a loss, and processes followed the noise of
scores: 87 % of runs were in their 95 % intervals, and a line ranked better."""
_GROWTH = (1.0, 1.5)
"""Mean and standard deviation of ``g``: a vertex has 2.7 times the noise variance, or 0.6 to 12 times."""
_START_NOISE = 0.01
"""Noise variance at which a search starts, below its median: from much noise, a search explains everything by it."""
_LEAST_PURITY = 1e-12
"""Keeps the range of ``|w|^2`` above zero where there is one domain."""


class Noise:
    """Variance of a run's noise on the standardised scale: ``s^2 + 1e-4``, or ``(s^2 + 1e-4) e^(g h(w))``.

    ``h(w) = (|w|^2 - 1/d) / (1 - 1/d)`` is zero at the uniform mixture and one at a vertex, ``g`` the logarithm of
    how many times as large the noise variance of a vertex is.

    Args:
        context: The space and the metrics.
        growing: Whether the noise may grow towards the vertices.
        scores: Whether metrics may be scores that are mostly noise.
        level: ``m`` variances to hold ``s^2 + 1e-4`` at, NaN where it is inferred.
    """

    def __init__(
        self, context: KernelContext, *, growing: bool = False, scores: bool = False, level: Tensor | None = None
    ) -> None:
        self.growing, self._d = growing, context.d
        prior = Prior.of(context.m, ["noise"], *(_NOISE_OF_SCORES if scores else _NOISE), math.log(_START_NOISE))
        if level is not None and (fixed := ~level.isnan()).any():
            at = (level[fixed] - MIN_NOISE).clamp_min(MIN_NOISE / 10.0).log().unsqueeze(-1)
            prior.mean[fixed], prior.start[fixed], prior.sd[fixed] = at, at, HELD
            prior.tied[fixed, 0] = 1 + torch.arange(len(at))
        self.prior = Prior.joined([prior, Prior.of(context.m, ["noise_growth"], *_GROWTH, 0.0)]) if growing else prior

    @property
    def size(self) -> int:
        """Number of hyperparameters."""
        return int(self.prior.mean.shape[-1])

    @staticmethod
    def natural(theta: Tensor) -> Tensor:
        """``(...) x p`` hyperparameters on their natural scale: a variance, and the factor at a vertex."""
        least = torch.zeros(theta.shape[-1], dtype=theta.dtype)
        least[0] = MIN_NOISE
        return theta.exp() + least

    def __call__(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n`` of ``b x p`` hyperparameters at ``batch x n x (d + p)`` inputs."""
        level = (theta[:, :1].exp() + MIN_NOISE).expand(*X.shape[:-2], -1, X.shape[-2])
        if not self.growing:
            return level
        d = self._d
        purity = (X[..., :d].square().sum(dim=-1) - 1.0 / d) / max(1.0 - 1.0 / d, _LEAST_PURITY)
        return level * torch.exp(theta[:, 1:2] * purity.unsqueeze(-2))


class Likelihood(NamedTuple):
    """The data and the model by which hyperparameters are found.

    Attributes:
        covariance: Prior covariance of a metric without noise.
        noise: The noise of a run.
        X: ``n x (d + p)`` inputs.
        targets: ``m x n`` standardised metrics, NaN where missing.
        known: ``m x n`` noise variances of the runs where they are known from elsewhere, else NaN.
        metrics: Names of the ``m`` metrics, for messages.
    """

    covariance: Covariance
    noise: Noise
    X: Tensor
    targets: Tensor
    known: Tensor | None = None
    metrics: tuple[str, ...] = ()

    @property
    def prior(self) -> Prior:
        """The priors of all hyperparameters, those of the noise last."""
        return Prior.joined([self.covariance.prior, self.noise.prior])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the metrics; their numbers where none are given."""
        return self.metrics or tuple(map(str, range(len(self.targets))))

    def thinned(self, count: int) -> Likelihood:
        """The same with ``count`` runs, evenly spaced in their order."""
        rows = torch.linspace(0, len(self.X) - 1, count).round().long()
        known = None if self.known is None else self.known[:, rows]
        return self._replace(X=self.X[rows], targets=self.targets[:, rows], known=known)


@torch.enable_grad()
def criterion(likelihood: Likelihood, prior: Prior, theta: Tensor, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Negative log posterior densities ``b`` and their gradients ``b x p``.

    Args:
        likelihood: Data and model.
        prior: Priors of the hyperparameters; the likelihood's own, or narrower ones about what metrics share.
        theta: ``b x p``, the metrics in turn, or those of ``rows``.
        rows: ``b`` metrics.
    """
    theta = theta.detach().requires_grad_()
    mean, sd = (prior.mean, prior.sd) if rows is None else (prior.mean[rows], prior.sd[rows])
    value = 0.5 * ((theta - mean) / sd).square().sum(dim=-1) - log_marginal(likelihood, theta, rows)
    (gradient,) = torch.autograd.grad(value.sum(), theta)
    return value.detach(), gradient


def log_marginal(
    likelihood: Likelihood, theta: Tensor, rows: Tensor | None = None, targets: Tensor | None = None
) -> Tensor:
    """Log marginal likelihoods ``b`` of ``b x p`` hyperparameters.

    Args:
        likelihood: Data and model.
        theta: ``b x p``, the metrics in turn, or those of ``rows``.
        rows: ``b`` metrics.
        targets: ``b x n`` values in the place of the likelihood's own, NaN where missing.
    """
    known = likelihood.known
    if targets is None:
        targets = likelihood.targets if rows is None else likelihood.targets[rows]
    if rows is not None:
        known = None if known is None else known[rows]
    split = likelihood.covariance.size
    covariance = likelihood.covariance(theta[:, :split], likelihood.X.unsqueeze(-3), rows=rows)
    noise = likelihood.noise(theta[:, split:], likelihood.X)
    if known is not None:
        noise = torch.where(known.isnan(), noise, known)
    density: Tensor
    density, _ = LogMarginal.apply(covariance, noise, targets.nan_to_num(0.0), ~targets.isnan())  # type: ignore[no-untyped-call]
    return density
