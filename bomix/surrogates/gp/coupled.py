"""Gaussian processes of metrics with gaps: independent ones, coupled through what their trials lack.

The gaps of the trials are completed first (:mod:`bomix.surrogates.gp.completion`); every metric then goes from the
trials to other mixtures by its own covariance. With ``w_i(x) = C_i^{-1} k_i(X, x)``, means ``mu_i``, completed values
``Y_i`` and the covariance ``V_ij`` of what is missing,

    E f_i(x) = mu_i + w_i(x) . (Y_i - mu_i)
    cov(f_i(x), f_j(x')) = w_i(x)^T V_ij w_j(x') + [L_i(x) R_ij L_j(x')^T],

where ``L_i`` is the factor of what the trials, all complete, would leave of metric ``i``. So where each metric is seen
at each trial, or ``R`` is the identity, every metric is what it is alone, and a gap costs only what no other metric
tells. Each draw of hyperparameters completes the table for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from botorch.exceptions.errors import UnsupportedError

from bomix.numerics.constants import LEAST_VARIANCE
from bomix.numerics.marginal import noisy_factor
from bomix.numerics.moments import mixture_moments
from bomix.surrogates.cross_validation.correlation import MIN_TRIALS, joint_covariance
from bomix.surrogates.gp.completion import Table, Whitening, shared_correlation
from bomix.surrogates.gp.independent import IndependentGPs, factors
from bomix.surrogates.models.joint import HeldOut, JointModel

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.surrogates.gp.exact import ExactGPs
    from bomix.surrogates.models.joint import JointRow, Towards


class FamilyMoments(NamedTuple):
    """What one family of covariances says, its draws pooled, on the standardised scale.

    Attributes:
        mean: ``batch x m x q``.
        complete: ``batch x m x q x q`` covariance that complete trials would leave, spread of the draws included.
        shared: ``batch x (m q) x (m q)`` covariance due to the gaps, the points of the first metric first.
    """

    mean: Tensor
    complete: Tensor
    shared: Tensor


class CoupledGPs(IndependentGPs):
    """Independent processes whose gaps the other metrics fill.

    Args:
        independent: The processes by themselves.
        correlation: ``m x m`` correlation ``R`` of what drives the metrics, positive definite; None estimates it.
        shrinkage: Trials that "no correlation" counts as in the estimate.
    """

    def __init__(
        self, independent: IndependentGPs, *, correlation: Tensor | None = None, shrinkage: float = 2.0
    ) -> None:
        coupled = [CoupledFamily(family) for family in independent.families]
        targets = coupled[0].targets
        if correlation is None:
            correlation = torch.eye(independent.num_outputs, dtype=torch.float64)
            if targets.shape[-1] >= MIN_TRIALS:
                whitenings = [family.whitenings() for family in coupled]
                correlation = shared_correlation(whitenings, targets, shrinkage=shrinkage)
        super().__init__(
            independent.train_X,
            independent.train_Y,
            independent.families,
            independent.transforms,
            shares=independent.shares,
            correlation=correlation,
        )
        self._coupled = coupled if targets.isnan().any() else []
        for family in self._coupled:
            family.complete(correlation)

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Mean and covariance by the formulas at the head of the module; without gaps those of independent processes.

        Shapes are those of :meth:`JointModel.moments`.
        """
        if not self._coupled:
            return super().moments(X, noise)
        inputs = self.transforms.inputs(X)
        mean, complete, shared = self._pooled([family.predict(inputs, noise is True) for family in self._coupled])
        if isinstance(noise, torch.Tensor):
            complete = complete + torch.diag_embed(noise.mT)
        units = self.scale.repeat_interleave(X.shape[-2])
        covariance = joint_covariance(factors(complete), self.correlation) + shared
        return self.transforms.in_units(inputs, mean), covariance * units * units.unsqueeze(-1)

    def mean(self, X: Tensor) -> Tensor:
        """The means alone, ``batch x q x m``."""
        return self.moments(X)[0] if self._coupled else super().mean(X)

    def towards(self, Z: Tensor) -> Towards:
        """Moments of each metric at any mixtures, with their covariance with fixed ones; see :class:`JointModel`."""
        return JointModel.towards(self, Z) if self._coupled else super().towards(Z)

    def mean_towards(self, Z: Tensor) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """Means with covariances with fixed mixtures; see :class:`JointModel`."""
        return JointModel.mean_towards(self, Z) if self._coupled else super().mean_towards(Z)

    def jointly_with(self, fixed: Tensor) -> Callable[[Tensor], JointRow] | None:
        """The belief at any mixture beside fixed ones; None where gaps were filled, see :class:`JointModel`."""
        return None if self._coupled else super().jointly_with(fixed)

    def condition_on_observations(  # type: ignore[override]
        self, X: Tensor, Y: Tensor, noise: Tensor | None = None, **_: Any
    ) -> IndependentGPs:
        """The same hyperparameters with more data, where no trial lacks a metric.

        Arguments are those of :meth:`bomix.surrogates.gp.independent.IndependentGPs.condition_on_observations`.

        Raises:
            UnsupportedError: A trial lacks a metric.
        """
        if self._coupled:
            raise UnsupportedError(
                "CoupledGPs cannot take fantasies where trials lack metrics: every one would complete all trials anew; "
                "use an acquisition function without fantasies, or the surrogate 'gp'"
            )
        return super().condition_on_observations(X, Y, noise)

    def leave_one_out(self) -> HeldOut | None:
        """Each trial predicted from the others, without any of its metrics, hyperparameters and coupling as they are.

        The other trials' gaps are completed without it, by a block of the inverse of the joint covariance; each metric
        then predicts the trial from the completed others.
        """
        if not self._coupled or self.transforms.mean_learnt:
            return super().leave_one_out()
        mean, complete, shared = self._pooled([family.leave_one_out() for family in self._coupled])
        sd = complete.squeeze(-1).squeeze(-1).sqrt()
        covariance = sd.unsqueeze(-1) * sd.unsqueeze(-2) * self.correlation + shared
        kept, n = self._coupled[0].kept, len(self.train_X)
        found, spread = mean.new_zeros(n, self.num_outputs), mean.new_zeros(n, self.num_outputs, self.num_outputs)
        found[kept] = self.transforms.in_units(self.train_inputs[kept], mean.squeeze(-1).mT)
        spread[kept] = covariance * self.scale * self.scale.unsqueeze(-1)
        if not kept.all():
            free, covariance = self.moments(self.train_X[~kept].unsqueeze(-2), True)
            found[~kept], spread[~kept] = free.squeeze(-2), covariance
        return HeldOut(found, spread)

    def _pooled(self, parts: Sequence[FamilyMoments]) -> FamilyMoments:
        """The mixture of families, each metric with its shares."""
        mean, complete = self._mixed([(part.mean, part.complete) for part in parts])
        total = torch.zeros(())
        for part, share in zip(parts, self.shares, strict=True):
            root = share.sqrt().repeat_interleave(part.shared.shape[-1] // len(share))
            total = total + part.shared * root * root.unsqueeze(-1)
        return FamilyMoments(mean, complete, total)


class CoupledFamily:
    """One family of covariances: a table of metrics and trials for each draw of its hyperparameters.

    Trials without any metric are left out: they tell nothing, and so must change nothing.

    Args:
        family: The metrics by themselves.
    """

    def __init__(self, family: ExactGPs) -> None:
        self._family = family
        self.kept = (~family.targets.isnan()).any(dim=0)
        self.targets = family.targets[:, self.kept]
        self._X, self._shape = family.X[self.kept], family.theta.shape[:2]
        size = [family.covariance.size, family.noise.size]
        self._kernel_theta, self._noise_theta = family.theta.flatten(0, 1).split_with_sizes(size, dim=-1)
        matrices = family.covariance(self._kernel_theta, self._X.unsqueeze(-3))
        if family.known is None:
            noise = family.noise(self._noise_theta, self._X)
        else:
            noise = family.known[:, self.kept].repeat(self._shape[0], 1)
        count = len(self._X)
        self._matrices = _split(matrices + torch.diag_embed(noise.expand(-1, count)), 0, self._shape)
        self._tables: list[Table] = []

    def whitenings(self) -> list[Whitening]:
        """Roots of the covariances of each draw."""
        return [Whitening.of(matrices) for matrices in self._matrices]

    def complete(self, correlation: Tensor) -> None:
        """Fill the gaps, given the ``m x m`` correlation of what drives the metrics."""
        self._tables = [Table(whitening, self.targets, correlation) for whitening in self.whitenings()]
        self._missing = self._tables[0].missing
        every = torch.ones(self._matrices.shape[:-1], dtype=torch.bool)
        self._factors = noisy_factor(self._matrices, torch.zeros_like(self._matrices[..., 0]), every)
        self._means = torch.stack([table.means for table in self._tables])
        residual = torch.stack([table.values for table in self._tables]) - self._means.unsqueeze(-1)
        self._alphas = torch.cholesky_solve(residual.unsqueeze(-1), self._factors).squeeze(-1)
        self._roots = [table.root() for table in self._tables]

    def predict(self, X: Tensor, noise: bool) -> FamilyMoments:
        """Moments at ``batch x q x d`` weights; ``noise`` adds that of a new run."""
        batch, q, m = X.shape[:-2], X.shape[-2], self._shape[1]
        points, family = X.reshape(1, -1, X.shape[-1]), self._family
        across = _split(family.covariance(self._kernel_theta, self._X.unsqueeze(-3), points), 0, self._shape)
        means = self._means.unsqueeze(-1) + (across * self._alphas.unsqueeze(-1)).sum(dim=-2)
        explained = torch.linalg.solve_triangular(self._factors, across, upper=False)
        complete = self._complete_covariance(X, explained)
        if noise:
            levels = _split(family.noise(self._noise_theta, X).expand(*batch, -1, q), -2, self._shape)
            complete = complete + torch.diag_embed(levels)
        weights = torch.linalg.solve_triangular(self._factors.mT, explained, upper=True)
        total = torch.zeros(())
        for weight, root in zip(weights, self._roots, strict=True):
            effect = self._effect(weight.flatten(0, 1)[self._missing], root)
            effect = _split(effect, 1, (*batch, q)).movedim(0, -3).reshape(*batch, m * q, -1)
            total = total + effect @ effect.mT
        return _pooled(_split(means, -1, (*batch, q)).movedim((0, 1), (-3, -2)), complete, total / len(self._roots))

    def leave_one_out(self) -> FamilyMoments:
        """The trials as a batch of single points, each predicted from the completed others, noise included."""
        inverse = torch.cholesky_inverse(self._factors)
        diagonal = inverse.diagonal(dim1=-2, dim2=-1)
        count, metric, trials = len(self._X), self._missing // len(self._X), self._missing % len(self._X)
        means, shared = torch.zeros_like(diagonal), self._means.new_zeros(count, self._shape[1], self._shape[1])
        for draw, table in enumerate(self._tables):
            weights = -inverse[draw] / diagonal[draw].unsqueeze(-1)
            for trial in range(count):
                values, spread = table.without(trial)
                residual = values - self._means[draw].unsqueeze(-1)
                residual[:, trial] = 0.0
                means[draw, :, trial] = self._means[draw] + (weights[:, trial] * residual).sum(dim=-1)
                weight = torch.where(trials == trial, 0.0, weights[metric, trial, trials])
                effect = weight.new_zeros(len(weight), self._shape[1])
                effect[torch.arange(len(weight)), metric] = weight
                shared[trial] += effect.mT @ spread @ effect / len(self._tables)
        complete = (1.0 / diagonal).permute(2, 0, 1)[..., None, None]
        return _pooled(means.permute(2, 0, 1).unsqueeze(-1), complete, shared)

    def _complete_covariance(self, X: Tensor, explained: Tensor) -> Tensor:
        """``batch x s x m x q x q`` covariance that complete trials leave, from ``s x m x n x (batch q)``."""
        covariance, points = self._family.covariance, X.unsqueeze(-3)
        if X.shape[-2] == 1:
            prior = _split(covariance.diagonal(self._kernel_theta, points), -2, self._shape)
            taken = _split(explained.square().sum(dim=-2), -1, (*X.shape[:-2], 1)).movedim((0, 1), (-3, -2))
            return (prior - taken).clamp_min(LEAST_VARIANCE).unsqueeze(-1)
        by_point = _split(explained, -1, X.shape[:-1]).movedim((0, 1, 2), (-4, -3, -2))
        prior = _split(covariance(self._kernel_theta, points), -3, self._shape)
        return prior - by_point.mT @ by_point

    def _effect(self, weight: Tensor, root: Tensor) -> Tensor:
        """The gaps' effect on predictions: ``m x p x k`` from weights ``k x p`` and a factor ``k x k`` of ``V``."""
        metric = self._missing // len(self._X)
        rows = [weight[metric == i].mT @ root[metric == i] for i in range(self._shape[1])]
        return torch.stack(rows)


def _split(values: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Values with one dimension split into several of the given sizes."""
    parted: Tensor = values.unflatten(dim, sizes)  # type: ignore[no-untyped-call]
    return parted


def _pooled(means: Tensor, complete: Tensor, shared: Tensor) -> FamilyMoments:
    """Pool draws: means ``batch x s x m x q`` and covariances ``batch x s x m x q x q``."""
    return FamilyMoments(*mixture_moments(means, complete, axis=-3), shared)
