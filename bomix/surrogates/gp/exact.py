"""Exact Gaussian processes on the standardised scale: one covariance family, ``s`` draws of hyperparameters.

``(L_j(w) - offset_j) / scale_j = mu_j + g_j(w) + noise``, ``g_j ~ GP(0, k_theta_j)``. Each metric is the mixture of
its draws, of which its mean and covariance are given.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from bomix.numerics.chunks import chunks, rows_within
from bomix.numerics.constants import LEAST_VARIANCE
from bomix.numerics.marginal import MANY, best_means, inverse_diagonal, noisy_factor
from bomix.numerics.moments import mixture_moments
from bomix.surrogates.cross_validation.correlation import leave_one_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from bomix.contracts.covariance import Covariance
    from bomix.surrogates.gp.likelihood import Noise

_TINY = 1e-12
"""Share of a precision below which nothing but rounding is left of it."""

_FINER = 6
"""Where runs are many, parts in which means are computed are so many times smaller than memory asks for: they then stay
in the processor's cache, which takes half of the time."""


class ExactGPs:
    """The posterior of ``m`` metrics under one family of covariances.

    Args:
        covariance: The family.
        noise: The noise of a run.
        theta: ``s x m x p`` hyperparameters, those of the noise last.
        X: ``batch x n x d`` inputs.
        targets: ``batch x m x n`` standardised metrics, NaN where missing.
        means: ``s x m`` constant means; None takes the best for these data.
        known: ``m x n`` noise variances of the runs where they are known from elsewhere, else NaN.
    """

    def __init__(
        self,
        covariance: Covariance,
        noise: Noise,
        theta: Tensor,
        X: Tensor,
        targets: Tensor,
        *,
        means: Tensor | None = None,
        known: Tensor | None = None,
    ) -> None:
        self.covariance, self.noise, self.theta, self.X, self.targets = covariance, noise, theta, X, targets
        self._draws, self._metrics = theta.shape[:2]
        self.known = known
        self._kernel_theta, self._noise_theta = theta.flatten(0, 1).split_with_sizes(
            [covariance.size, noise.size], dim=-1
        )
        repeated = self._repeated(targets)
        self._seen = ~repeated.isnan()
        variances = noise(self._noise_theta, X)
        if known is not None:
            given = self._repeated(known)
            variances = torch.where(given.isnan(), variances, given)
        self._variances = variances.expand(self._seen.shape)
        self._profiled = means is None
        self.means = self._solved(repeated, means)

    def _solved(self, targets: Tensor, means: Tensor | None) -> Tensor:
        """Work out what predictions need, from ``batch x b x n`` targets; the ``s x m`` means, the best where None."""
        self._factor = self._factors()
        if means is None:
            best, _ = best_means(self._factor, targets.nan_to_num(0.0), self._seen.to(self.X))
            means = best.reshape(self._draws, self._metrics)
        self._flat_means = means.flatten().unsqueeze(-1)
        residual = torch.where(self._seen, targets - self._flat_means, 0.0)
        self._alpha = torch.cholesky_solve(residual.unsqueeze(-1), self._factor).squeeze(-1)
        return means

    def _factors(self) -> Tensor:
        """Cholesky factors of the runs' covariances, noise included; some processes at a time where runs are many."""
        X, n = self.X.unsqueeze(-3), self.X.shape[-2]
        if self.X.dim() > 2 or n <= MANY:
            matrix = self.covariance(self._kernel_theta, X).expand(*self._seen.shape, n)
            return noisy_factor(matrix, self._variances, self._seen)
        factors = self.X.new_empty(len(self._seen), n, n)
        for rows in chunks(torch.arange(len(factors)), rows=rows_within(n * n)):
            matrix = self.covariance(self._kernel_theta[rows], X, rows=rows % self._metrics).expand(len(rows), n, n)
            factors[rows] = noisy_factor(matrix, self._variances[rows], self._seen[rows])
        return factors

    def marginals(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Moments of every metric by itself.

        Args:
            X: ``batch x q x d`` weights.
            noise: Whether the noise of a new run is part of it.

        Returns:
            Means ``batch x m x q`` and covariances ``batch x m x q x q``.
        """
        across, explained = self._covariance_with_runs(X)
        mean, covariance = self._means(across), self._covariance(X, explained)
        if noise is True:
            covariance = covariance + torch.diag_embed(self.noise(self._noise_theta, X))
        return self._pooled(mean, covariance)

    def towards(self, Z: Tensor) -> Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]:
        """Moments at any mixtures together with their covariance with fixed ones.

        Args:
            Z: ``p x d`` inputs that stay the same.

        Returns:
            A function of ``batch x q x d`` inputs: means ``batch x m x q`` and covariances ``batch x m x q x q`` as of
            :meth:`marginals`, and covariances ``batch x m x q x p`` with the fixed ones, no noise in any.
        """
        with torch.no_grad():
            across, explained_there = self._covariance_with_runs(Z)
            means_there = self._means(across)
            kernel = self.covariance.towards(self._kernel_theta, Z.unsqueeze(-3))

        def moments(X: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            across, explained = self._covariance_with_runs(X)
            means, covariance = self._means(across), self._covariance(X, explained)
            flat = kernel(X.reshape(1, -1, X.shape[-1]))
            shared = flat.reshape(*flat.shape[:-1], *X.shape[:-1]).movedim((0, 1), (-3, -2)).mT
            shared = shared - self._taken_across(explained, explained_there)
            mean, pooled = self._pooled(means, covariance)
            if self._draws > 1:
                shared = self._by_draw(shared, -3).mean(dim=-4)
                at, there = self._by_draw(means, -2), self._by_draw(means_there, -2)
                at, there = at - at.mean(dim=-3, keepdim=True), there - there.mean(dim=-3, keepdim=True)
                shared = shared + torch.einsum("...smq,smp->...mqp", at, there) / self._draws
            return mean, pooled, shared

        return moments

    def mean_towards(self, Z: Tensor) -> Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]:
        """Means alone, with covariances with fixed inputs; no solve is left to a call.

        Args:
            Z: ``p x d`` inputs that stay the same.

        Returns:
            A function of ``n x d`` inputs: by draw and metric, means ``s x m x n``, covariances ``s x m x n x p``, and
            the means ``s x m x p`` at the fixed ones.
        """
        with torch.no_grad():
            there, explained = self._covariance_with_runs(Z)
            means_there = self._means(there)
            weights = self._weights(explained)
            kernel = self.covariance.towards(self._kernel_theta, Z.unsqueeze(-3))

        def moments(X: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            across = self._without_missing(self._towards(X.unsqueeze(0))).mT
            means = self._flat_means + (across @ self._alpha.unsqueeze(-1)).squeeze(-1)
            shared = kernel(X.unsqueeze(0)).mT - across @ weights
            return self._by_draw(means, 0), self._by_draw(shared, 0), self._by_draw(means_there, 0)

        return moments

    def _weights(self, explained: Tensor) -> Tensor:
        """What covariances with the runs ``b x n`` are multiplied by for the part ``b x n x p`` that they explain."""
        weights: Tensor = torch.linalg.solve_triangular(self._factor.mT, explained, upper=True)
        return weights

    def prior_covariance(self, X: Tensor, Z: Tensor) -> Tensor:
        """Covariance ``batch x m x q x p`` of ``batch x q x d`` inputs with ``batch x p x d`` ones, before any run.

        The hyperparameters are the medians of their priors.
        """
        return self.covariance(self.covariance.prior.mean, X.unsqueeze(-3), Z.unsqueeze(-3))

    def between(self, fixed: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]]:
        """Posterior covariances of ``s x d`` fixed inputs with others, those of the fixed ones worked out once.

        Returns:
            Means ``draws x m x s`` at the fixed inputs; and a function of ``b x d`` others: their means and variances
            ``draws x m x b``, and covariances ``draws x m x b x s``.
        """
        runs, explained = self._covariance_with_runs(fixed)
        means = self._means(runs)
        towards = self.covariance.towards(self._kernel_theta, fixed.unsqueeze(-3))

        def at(X: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            across, own = self._covariance_with_runs(X)
            mean = self._means(across)
            prior = self.covariance.diagonal(self._kernel_theta, X.unsqueeze(-3))
            variance = (prior - (self._signed(own) * own).sum(dim=-2)).clamp_min(LEAST_VARIANCE)
            covariance = towards(X.unsqueeze(0)).mT - self._signed(own).mT @ explained
            return self._by_draw(mean, 0), self._by_draw(variance, 0), self._by_draw(covariance, 0)

        return self._by_draw(means, 0), at

    def mean(self, X: Tensor) -> Tensor:
        """Means of every metric at ``batch x q x d`` weights, ``batch x m x q``; nothing is solved."""
        if self._factor.dim() > 3:
            return self.marginals(X)[0]
        points = X.reshape(1, -1, X.shape[-1])
        at_once = rows_within(self._alpha.numel() * (1 if self.X.shape[-2] <= MANY else _FINER))
        weights = self._alpha.unsqueeze(-2)
        parts = [weights @ self._without_missing(self._towards(part)) for part in points.split(at_once, dim=1)]  # type: ignore[no-untyped-call]
        mean = self._flat_means + torch.cat(parts, dim=-1).squeeze(-2)
        return self._by_draw(mean, 0).mean(dim=0).reshape(-1, *X.shape[:-1]).movedim(0, -2)

    def fitted(self) -> Tensor | None:
        """Means ``batch x m x n`` at the training runs, ``y - noise (K + noise)^-1 (y - mean)``: no kernel is needed.

        None where a run lacks a metric.
        """
        if not self._seen.all():
            return None
        return self._by_draw(self._repeated(self.targets) - self._variances * self._alpha, -2).mean(dim=-3)

    def leave_one_out(self) -> tuple[Tensor, Tensor]:
        """Predictions of each run from the others, hyperparameters as they are.

        Returns:
            Means and variances ``batch x m x n``, noise included; predictions from all runs where a trial lacks the
            metric.
        """
        diagonal = inverse_diagonal(self._factor)
        residual, variance = leave_one_out(diagonal, self._alpha)
        if self._profiled:
            # The constant mean was fitted to every run: taken out of the precision, it is fitted to the others.
            there = self._seen.to(diagonal)
            solved = torch.cholesky_solve(there.unsqueeze(-1), self._factor).squeeze(-1)
            total = (there * solved).sum(dim=-1, keepdim=True).clamp_min(_TINY)
            left = diagonal - solved.square() / total
            alone = there.sum(dim=-1, keepdim=True) < 2
            residual = torch.where(alone | (left < _TINY * diagonal), residual, self._alpha / left)
        mean = torch.where(self._seen, self._repeated(self.targets) - residual, self._flat_means)
        if not self._seen.all():
            free_mean, free = self._predicted_at_training()
            mean, variance = torch.where(self._seen, mean, free_mean), torch.where(self._seen, variance, free)
        mean, variance = self._by_draw(mean, -2), self._by_draw(variance, -2)
        pooled = mean.mean(dim=-3)
        return pooled, variance.mean(dim=-3) + (mean - pooled.unsqueeze(-3)).square().mean(dim=-3)

    def hyperparameters(self, metric: int) -> list[tuple[str, float, float]]:
        """Names, medians of the draws and medians of the priors of one metric's hyperparameters, none a logarithm."""
        kernel, noise = self.covariance.prior, self.noise.prior
        split = self.covariance.size
        middle = self.theta[:, metric].quantile(0.5, dim=0)
        values = torch.cat([middle[:split].exp(), self.noise.natural(middle[split:])])
        medians = torch.cat([kernel.mean[metric].exp(), self.noise.natural(noise.mean[metric])])
        return list(zip(kernel.names + noise.names, values.tolist(), medians.tolist(), strict=True))

    def with_theta(self, theta: Tensor) -> ExactGPs:
        """The posterior of the same data with other hyperparameters, ``s x m x p``."""
        return ExactGPs(self.covariance, self.noise, theta, self.X, self.targets, known=self.known)

    def conditioned(self, X: Tensor, targets: Tensor) -> ExactGPs:
        """The posterior given all of ``batch x n x d`` inputs and ``batch x m x n`` targets; theta and means stay."""
        known = self.known
        if known is not None:
            known = torch.cat([known, known.new_full((len(known), X.shape[-2] - known.shape[-1]), torch.nan)], dim=-1)
        return ExactGPs(self.covariance, self.noise, self.theta, X, targets, means=self.means, known=known)

    def _covariance_with_runs(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Covariance with the training runs, ``batch x b x n x q``, as it is and divided by the factor."""
        if self._factor.dim() > 3:
            across = self._without_missing(self.covariance(self._kernel_theta, self.X.unsqueeze(-3), X.unsqueeze(-3)))
            return across, self._explained(across)
        # One solve for all points: broadcasting would copy the factor for each of them.
        points = X.reshape(1, -1, X.shape[-1])
        across = self._without_missing(self._towards(points))
        across, explained = (
            each.reshape(*each.shape[:-1], *X.shape[:-1]).movedim((0, 1), (-3, -2))
            for each in (across, self._explained(across))
        )
        return across, explained

    def _means(self, across: Tensor) -> Tensor:
        """Means ``batch x b x q`` of points from their covariance with the runs."""
        return self._flat_means + (across * self._alpha.unsqueeze(-1)).sum(dim=-2)

    def _covariance(self, X: Tensor, explained: Tensor) -> Tensor:
        """Covariances ``batch x b x q x q`` of points from what the runs explain of them, no noise in any."""
        points = X.unsqueeze(-3)
        if X.shape[-2] == 1:
            prior = self.covariance.diagonal(self._kernel_theta, points).unsqueeze(-1)
            return (prior - self._taken(explained)).clamp_min(LEAST_VARIANCE)
        return self.covariance(self._kernel_theta, points) - self._taken(explained)

    def _explained(self, across: Tensor) -> Tensor:
        """Covariances with the runs, ``(...) x n x q``, divided by the factor: what :meth:`_taken` squares."""
        explained: Tensor = torch.linalg.solve_triangular(self._factor, across, upper=False)
        return explained

    def _taken(self, explained: Tensor) -> Tensor:
        """The covariance ``(...) x q x q`` of ``q`` points that the runs explain."""
        return squares(explained)

    def _taken_across(self, explained: Tensor, other: Tensor) -> Tensor:
        """The covariance ``batch x b x q x p`` of points with others, ``b x n x p``, that the runs explain."""
        # A broadcast product would copy the others for each of the batch.
        return torch.einsum("...bnq,bnp->...bqp", self._signed(explained), other)

    def _signed(self, explained: Tensor) -> Tensor:
        """The same with the signs that its products with ``explained`` have in what the runs explain."""
        return explained

    def __getstate__(self) -> dict[str, Any]:
        # What is worked out once is a function, which no pickle takes: the copy works it out anew.
        return {name: value for name, value in self.__dict__.items() if name != "_towards"}

    @cached_property
    def _towards(self) -> Callable[[Tensor], Tensor]:
        """Covariance of the training runs with ``1 x n' x d`` weights, ``(s m) x n x n'``."""
        with torch.no_grad():
            return self._towards_runs()

    def _towards_runs(self) -> Callable[[Tensor], Tensor]:
        """Covariance of the runs that predictions rest on with others, a new function at each call."""
        return self.covariance.towards(self._kernel_theta, self.X.unsqueeze(-3))

    def _without_missing(self, across: Tensor) -> Tensor:
        """Covariances of the runs ``batch x b x n`` with others, zero in the rows of observations that are missing."""
        return across if self._seen.all() else across * self._seen.unsqueeze(-1)

    def _predicted_at_training(self) -> tuple[Tensor, Tensor]:
        """Means and variances ``batch x b x n`` at the training mixtures, for metrics that a trial lacks."""
        points = self.X.unsqueeze(-3)
        across = self._without_missing(self.covariance(self._kernel_theta, points))
        mean = self._flat_means + (across.mT @ self._alpha.unsqueeze(-1)).squeeze(-1)
        explained = torch.linalg.solve_triangular(self._factor, across, upper=False).square().sum(dim=-2)
        variance = self.covariance.diagonal(self._kernel_theta, points) - explained
        return mean, variance.clamp_min(LEAST_VARIANCE) + self.noise(self._noise_theta, self.X)

    def _repeated(self, values: Tensor) -> Tensor:
        """``batch x m x n`` of the metrics as ``batch x (s m) x n`` of the processes."""
        return values.repeat(*[1] * (values.dim() - 2), self._draws, 1)

    def _by_draw(self, values: Tensor, dim: int) -> Tensor:
        """A dimension of ``s m`` processes as two, draws and metrics."""
        parted: Tensor = values.unflatten(dim, (self._draws, self._metrics))  # type: ignore[no-untyped-call]
        return parted

    def _pooled(self, mean: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and covariance of each metric's mixture of draws, from those of the ``s m`` processes."""
        if self._draws == 1:
            return mean, covariance
        means, covariances = self._by_draw(mean, -2), self._by_draw(covariance, -3)
        return mixture_moments(means, covariances, axis=-3)


def squares(factors: Tensor) -> Tensor:
    """``A^T A`` of ``(...) x n x q`` matrices ``A``."""
    return factors.square().sum(dim=-2, keepdim=True) if factors.shape[-1] == 1 else factors.mT @ factors
