"""Gaussian processes whose hyperparameters are draws: for each metric the mixture of all draws' posteriors.

The draws of one metric say nothing of another's, so each metric is pooled by itself, ``E[cov] + cov(E)``; the
correlation between metrics is that of the pooled leave-one-out residuals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from bomix.numerics.constants import LEAST_VARIANCE
from bomix.numerics.moments import mixture_moments
from bomix.surrogates.cross_validation.correlation import joint_covariance, leave_one_out, shrunk_correlation
from bomix.surrogates.cross_validation.folds import canonical_rows
from bomix.surrogates.data.standardize import standardisation
from bomix.surrogates.fully_bayesian import gp_draws
from bomix.surrogates.fully_bayesian.diagnostics import diagnose
from bomix.surrogates.fully_bayesian.gp_draws import (
    Hyperparameters,
    Lengthscales,
    cholesky,
    kernel,
    observed,
)
from bomix.surrogates.fully_bayesian.importance import pooled_variables, truncated_shares
from bomix.surrogates.fully_bayesian.nuts import SamplerSettings
from bomix.surrogates.kernels.encoding import Encoding, typical_distance
from bomix.surrogates.models.joint import HeldOut, JointModel

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.surrogates.fully_bayesian.chain import ChainSettings
    from bomix.surrogates.fully_bayesian.diagnostics import Diagnostics

_JITTER = 1e-9
"""Raises the diagonal of a covariance, as a share of its mean: mixtures that repeat one another have one of lower
rank."""


class SampledGPs(JointModel):
    """One exact Gaussian process per metric and draw of its hyperparameters.

    Args:
        train_X: ``n x d`` weights.
        train_Y: ``n x m`` metrics, NaN where missing.
        encoding: What the kernel sees of the weights.
        offset: ``m`` means of the metrics, added to standardised outputs.
        scale: ``m`` standard deviations of the metrics, which multiply them.
        hyperparameters: ``s`` draws.
        correlated: Whether the errors of the metrics go together.

    Attributes:
        samples: Name of a hyperparameter to all draws ``chains x draws x (...)`` of the metrics that vary.
        diagnostics: Whether they can be trusted; None where nothing was drawn.
    """

    def __init__(
        self,
        train_X: Tensor,
        train_Y: Tensor,
        *,
        encoding: Encoding,
        offset: Tensor,
        scale: Tensor,
        hyperparameters: Hyperparameters,
        correlated: bool = True,
    ) -> None:
        super().__init__()
        self.train_X, self.train_Y = train_X, train_Y
        self.encoding, self.offset, self.scale = encoding, offset, scale
        self.hyperparameters = hyperparameters
        self.samples: dict[str, Tensor] = {}
        self.diagnostics: Diagnostics | None = None
        self._encoded = encoding.transform(train_X)
        standard = ((train_Y - offset) / scale).mT
        self._seen = ~standard.isnan()
        prior = self._kernel(self._encoded, self._encoded)
        self._factor = cholesky(observed(prior, hyperparameters.noise, self._seen))
        self._alpha = torch.cholesky_solve(standard.nan_to_num(0.0).unsqueeze(-1), self._factor).squeeze(-1)
        mean, variance = self._leave_one_out()
        residual = torch.where(self._seen, (standard - mean) / variance.sqrt(), torch.nan)
        self.correlation = shrunk_correlation(residual) if correlated else torch.eye(len(offset)).to(offset)

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return len(self.offset)

    @property
    def batch_shape(self) -> torch.Size:
        """Always empty."""
        return torch.Size()

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Mean and covariance, those of each metric pooled over the draws.

        Shapes are those of :meth:`JointModel.moments`; noise given as a tensor is ``batch x q x m`` variances in the
        metrics' own units.
        """
        means, covariances = self.components(X)
        if noise is True:
            own = self.hyperparameters.noise.reshape(len(means), *[1] * (X.ndim - 2), -1, 1, 1)
            covariances = covariances + own * torch.eye(X.shape[-2], dtype=X.dtype)
        mean, covariance = mixture_moments(means, covariances)
        covariance = covariance * self.scale.square()[:, None, None]
        if isinstance(noise, torch.Tensor):
            covariance = covariance + torch.diag_embed(noise.mT)
        return self.offset + self.scale * mean.mT, joint_covariance(_factor(covariance), self.correlation)

    def components(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior of each draw.

        Args:
            X: ``batch x q x d`` weights.

        Returns:
            ``s x batch x m x q`` means, and ``s x batch x m x q x q`` covariances, on the standardised scale.
        """
        *batch, q, d = X.shape
        s, m = self.hyperparameters.noise.shape
        # All points are one row of columns, so that each factor is solved against once.
        points = self.encoding.transform(X.reshape(-1, d))
        across = self._kernel(self._encoded, points) * self._seen.unsqueeze(-1)
        mean = (across.mT @ self._alpha.unsqueeze(-1)).squeeze(-1)
        explained = torch.linalg.solve_triangular(self._factor, across, upper=False)
        means = mean.reshape(s, m, *batch, q).movedim(1, -2)
        if q == 1:
            constant = self.hyperparameters.outputscale + self.hyperparameters.mean_variance
            variance = (constant.unsqueeze(-1) - explained.square().sum(dim=-2)).clamp_min(LEAST_VARIANCE)
            return means, variance.reshape(s, m, *batch, 1, 1).movedim(1, -3)
        groups = explained.reshape(s, m, -1, *batch, q).movedim(2, -2)
        prior = self._kernel(points.reshape(*batch, q, d), points.reshape(*batch, q, d))
        return means, (prior - groups.mT @ groups).movedim(1, -3)

    def leave_one_out(self) -> HeldOut:
        """Each training mixture predicted from the others, in closed form for each draw.

        The draws knew the trial that is left out: each counts in inverse proportion to the density that it gives the
        trial, see :mod:`bomix.surrogates.fully_bayesian.importance`.
        """
        mean, variance = self._leave_one_out()
        sd = (self.scale.unsqueeze(-1) * variance.sqrt()).mT
        return HeldOut(self.offset + self.scale * mean.mT, self.correlation * sd.unsqueeze(-1) * sd.unsqueeze(-2))

    def _leave_one_out(self) -> tuple[Tensor, Tensor]:
        """Means and variances ``m x n`` on the standardised scale, noise included; missing metrics are predicted."""
        standard = ((self.train_Y - self.offset) / self.scale).mT
        diagonal = torch.cholesky_inverse(self._factor).diagonal(dim1=-2, dim2=-1)
        residual, variance = leave_one_out(diagonal, self._alpha)
        log_density = -0.5 * (residual.square() / variance + variance.log())
        shares = truncated_shares(torch.where(self._seen, -log_density, 0.0))
        means, covariances = self.components(self.train_X.unsqueeze(-2))
        across = means.squeeze(-1).mT, covariances[..., 0, 0].mT + self.hyperparameters.noise.unsqueeze(-1)
        mean = torch.where(self._seen, standard - residual, across[0])
        return pooled_variables(mean, torch.where(self._seen, variance, across[1]), shares)

    def _kernel(self, first: Tensor, second: Tensor) -> Tensor:
        """Prior covariances ``s x m x batch x a x b`` of ``batch x a x d`` and ``batch x b x d`` encoded mixtures."""
        squares = (first.unsqueeze(-2) - second.unsqueeze(-3)).square()
        values = self.hyperparameters
        flat = kernel(
            squares.reshape(-1, squares.shape[-1]), values.inverse_squares, values.outputscale, values.mean_variance
        )
        return flat.reshape(*flat.shape[:-1], *squares.shape[:-1])


def fitted(
    data: SupervisedDataset,
    *,
    encoding: Encoding,
    prior: tuple[Literal["plain", "saas"], float],
    correlated: bool,
    chain: ChainSettings,
    context: FitContext,
    seed: int,
) -> SampledGPs:
    """Draw the hyperparameters of every metric.

    Args:
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a trial lacks a metric; ``n`` may be 0.
        encoding: What the kernel sees of the weights.
        prior: The kind of the lengthscales' prior, and the median of the plain one in typical distances.
        correlated: Whether the errors of the metrics go together.
        chain: How the draws are made.
        context: The names behind the columns, and the space.
        seed: Seed of the chains.
    """
    kind, median = prior
    lengthscales = Lengthscales(kind, typical_distance(encoding, context.space), median)
    X, Y = data.X.double(), data.Y.double()
    # A chain magnifies every rounding, so it sees rows, columns and metrics in an order that is theirs, not the file's.
    rows = torch.as_tensor(canonical_rows(X.numpy(), Y.numpy()))
    columns = torch.as_tensor(np.lexsort(X[rows].numpy()[::-1]) if len(X) else np.arange(X.shape[1]))
    metrics = torch.tensor(sorted(range(Y.shape[1]), key=lambda column: context.metrics[column]))
    offset, scale = standardisation(Y[rows])
    targets = ((Y - offset) / scale)[rows]
    active = metrics[_varies(targets)[metrics]]
    values = gp_draws.median((chain.samples, Y.shape[1]), X.shape[1], lengthscales)
    samples: dict[str, Tensor] = {}
    divergences = 0
    if len(active):
        samples, divergences = gp_draws.posterior_draws(
            encoding.transform(X)[rows][:, columns],
            targets[:, active],
            lengthscales,
            SamplerSettings.of(chain),
            chains=chain.chains,
            seed=seed,
        )
        drawn = gp_draws.hyperparameters(thinned(samples, chain.samples), lengthscales)
        values.inverse_squares[:, active.unsqueeze(-1), columns] = drawn.inverse_squares
        values.outputscale[:, active], values.noise[:, active] = drawn.outputscale, drawn.noise
        values.mean_variance[active] = drawn.mean_variance
    with torch.no_grad():
        model = SampledGPs(
            X, Y, encoding=encoding, offset=offset, scale=scale, hyperparameters=values, correlated=correlated
        )
    model.samples = samples
    model.diagnostics = diagnose(samples, divergences=divergences) if samples else None
    return model


def thinned(samples: dict[str, Tensor], count: int) -> dict[str, Tensor]:
    """``count`` draws of all chains together, evenly spaced from the last one backwards.

    Args:
        samples: Name to ``chains x draws x (...)``.
        count: No more than there are.

    Returns:
        Name to ``count x (...)``.
    """
    found = {}
    for name, values in samples.items():
        by_draw = values.transpose(0, 1).flatten(0, 1)
        index = torch.linspace(len(by_draw) - 1, 0, count).round().long() if count > 1 else torch.tensor([-1])
        found[name] = by_draw[index]
    return found


def _varies(targets: Tensor) -> Tensor:
    """Which of ``m`` standardised metrics have two different values, ``n x m``."""
    if not len(targets):
        return torch.zeros(targets.shape[-1], dtype=torch.bool)
    # Where there is a spread, standardising made it one; rounding is all that remains of a constant.
    return targets.square().nansum(dim=0) > 0.1


def _factor(covariance: Tensor) -> Tensor:
    """Cholesky factors ``batch x m x q x q``; jitter in proportion to the variances carries repeated points."""
    if covariance.shape[-1] == 1:
        return covariance.sqrt()
    scale = covariance.diagonal(dim1=-2, dim2=-1).mean(dim=-1)[..., None, None].detach().clamp_min(LEAST_VARIANCE)
    eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype)
    return cholesky(covariance / scale + _JITTER * eye) * scale.sqrt()
