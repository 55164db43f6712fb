"""What a run of a mixture at a scale is worth for the objective at the target, and per unit of cost.

What is observed of a run is summed up by the linear function of its metrics that says most of the objective at the
target: scales differ in slope from metric to metric, so it is not the objective at the run's own scale. The belief
about the objective at some mixtures, and its covariance with such a run of each of them at each scale, is all that the
rules of this module need. They are in closed form.

Where the objective is no weighted sum, its covariance with anything Gaussian is that of the metrics, each times the
expected slope of the objective in it (Stein's lemma) [Stein1981]_.

References:
    [Frazier2009] The knowledge-gradient policy for correlated normal beliefs.
    [Huang2006] Sequential kriging optimization using multiple-fidelity evaluations.
    [Stein1981] Estimation of the mean of a multivariate normal distribution.
    [Takeno2020] Multi-fidelity Bayesian optimization with max-value entropy search and its parallelization.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from botorch.acquisition.analytic import _log_ei_helper
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.safe_math import logmeanexp
from botorch.utils.sampling import draw_sobol_normal_samples

from bomix.acquisition.functions import log_information
from bomix.numerics.cholesky import relative_factor
from bomix.numerics.expected_fall import expected_fall

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.contracts.acquisition import Aggregate
    from bomix.scale import Scale
    from bomix.surrogates.models.scales import MultiScaleModel

Rule = Literal["knowledge", "entropy", "log_ei", "spread"]
"""Knowledge gradient, max-value entropy, log-EI times the squared correlation, variance left at the contenders."""

_DRAWS = 64
"""Draws of the metrics behind the expected slopes of an objective that is no weighted sum, and of the minimum."""
_LEAST = 1e-14
"""Variances are kept above it, in the objective's unit squared; below is rounding."""
_JITTERS = (1e-9, 1e-7, 1e-5, 1e-3, 1e-1)
"""Shares of the mean variance that are added to a covariance until it has a factor."""


@dataclass(frozen=True)
class Contest:
    """Belief about the objective at the target at ``p`` mixtures, and about a run of each at each scale.

    Attributes:
        mean: ``p`` posterior means of the objective; lower is better.
        covariance: ``p x p``.
        across: For each scale ``p x p``: covariance of the objective at the target (rows) and what a run of a mixture
            shows (columns).
        runs: For each scale ``p x p``: covariance of what runs show, without their noise.
        noisy: For each scale ``p``: variance of what a run shows, with its noise.
    """

    mean: Tensor
    covariance: Tensor
    across: tuple[Tensor, ...]
    runs: tuple[Tensor, ...]
    noisy: tuple[Tensor, ...]

    @classmethod
    def of(cls, model: MultiScaleModel, aggregate: Aggregate, X: Tensor, scales: Sequence[Scale]) -> Contest:
        """The belief at ``p x d`` mixtures.

        Args:
            model: The model across scales.
            aggregate: The objective at the target.
            X: The mixtures.
            scales: Scales at which runs are thought of, the target or others.
        """
        with torch.no_grad():
            posterior = aggregate.posterior(model, X)
            mean = posterior.mean.squeeze(-1)
            covariance = posterior.distribution.covariance_matrix
        slopes = expected_slopes(model, aggregate, X)
        parts = [_shown(model, X, slopes, scale) for scale in scales]
        across, runs, noisy = zip(*parts, strict=True)
        return cls(mean, covariance, across, runs, noisy)

    def after(self, point: int, scale: int) -> Contest:
        """The belief once a run has come back, whatever it showed: means stay, variances fall.

        What runs of another scale have in common with it they are taken to have through the objective at the target.

        Args:
            point: Number of the mixture.
            scale: Number of the scale.
        """
        variance = self.noisy[scale][point].clamp_min(_LEAST)
        told = self.across[scale][:, point]
        own = self.covariance[point, point].clamp_min(_LEAST)
        shared = [
            self.runs[number][:, point] if number == scale else self.across[number][point] * told[point] / own
            for number in range(len(self.runs))
        ]
        return Contest(
            self.mean,
            self.covariance - told.outer(told) / variance,
            tuple(each - told.outer(s) / variance for each, s in zip(self.across, shared, strict=True)),
            tuple(each - s.outer(s) / variance for each, s in zip(self.runs, shared, strict=True)),
            tuple((each - s.square() / variance).clamp_min(_LEAST) for each, s in zip(self.noisy, shared, strict=True)),
        )

    def first(self, count: int) -> Contest:
        """The belief at the first mixtures alone."""
        parts = (self.across, self.runs)
        across, runs = (tuple(each[:count, :count] for each in part) for part in parts)
        noisy = tuple(each[:count] for each in self.noisy)
        return Contest(self.mean[:count], self.covariance[:count, :count], across, runs, noisy)

    def log_worth(self, rule: Rule, scale: int, *, seed: int) -> Tensor:
        """Logarithm of what a run of each of the ``p`` mixtures at a scale is worth, ``p``; -inf for nothing.

        Args:
            rule: What counts.
            scale: Number of the scale.
            seed: Seed of the draws of the minimum, where there are any.
        """
        worth: Tensor = _RULES[rule](self, scale, seed)
        return worth

    def told(self, scale: int) -> Tensor:
        """Squared correlation of the objective at each mixture with a run of it at a scale, ``p``, from 0 to 1."""
        shared = self.across[scale].diagonal()
        product = self.covariance.diagonal().clamp_min(_LEAST) * self.noisy[scale].clamp_min(_LEAST)
        return (shared.square() / product).clamp(0.0, 1.0)


def expected_slopes(model: MultiScaleModel, aggregate: Aggregate, X: Tensor) -> Tensor:
    """Expected slope of the objective in each metric at ``p x d`` mixtures, ``p x m``."""
    if aggregate.coefficients is not None:
        return X.new_tensor(aggregate.coefficients).expand(len(X), -1)
    with torch.no_grad():
        posterior: Any = model.posterior(X.unsqueeze(-2))
        drawn = SobolQMCNormalSampler(torch.Size([_DRAWS]), seed=0)(posterior)
    drawn = drawn.squeeze(-2).requires_grad_(True)
    (slopes,) = torch.autograd.grad(aggregate(drawn).sum(), drawn)
    expected: Tensor = slopes.mean(dim=0)
    return expected


def best_choice(
    contest: Contest, rule: Rule, costs: Sequence[float], free: Tensor, *, seed: int
) -> tuple[int, int] | None:
    """Numbers of the mixture and the scale whose run is worth most for its cost; None where none is worth anything.

    Args:
        contest: The belief.
        rule: What counts.
        costs: Cost of a run at each scale.
        free: ``s x p``, which runs may be made.
        seed: Seed of what is drawn.
    """
    each = [contest.log_worth(rule, scale, seed=seed) - math.log(cost) for scale, cost in enumerate(costs)]
    worth = torch.stack(each).masked_fill(~free, -torch.inf)
    best = int(worth.argmax())
    if not worth.flatten()[best].isfinite():
        return None
    return best % worth.shape[1], best // worth.shape[1]


def _shown(model: MultiScaleModel, X: Tensor, slopes: Tensor, scale: Scale) -> tuple[Tensor, Tensor, Tensor]:
    """What runs at a scale have in common with the objective, with each other, and their variance, noise included."""
    p, m = slopes.shape
    with torch.no_grad():
        there = model.at(scale)
        between = model.across(X, X, scale).reshape(m, p, m, p)
        latent = there.moments(X)[1].reshape(m, p, m, p)
        one_by_one = X.unsqueeze(-2)
        run = there.moments(one_by_one, True)[1]
        of_own = torch.einsum("zj,jzkz->zk", slopes, between)
        scaled = run + _LEAST * torch.eye(m, dtype=run.dtype)
        root = relative_factor(scaled, _JITTERS)
        best = torch.cholesky_solve(of_own.unsqueeze(-1), root).squeeze(-1)
        across = torch.einsum("aj,jakz,zk->az", slopes, between, best)
        runs = torch.einsum("aj,jakz,zk->az", best, latent, best)
        noisy = torch.einsum("zj,zjk,zk->z", best, run, best)
    return across, runs, noisy.clamp_min(_LEAST)


def _knowledge(contest: Contest, scale: int, seed: int) -> Tensor:
    """Logarithm of how much lower the lowest posterior mean is expected to be after the run [Frazier2009]_."""
    shifts = (contest.across[scale] / contest.noisy[scale].sqrt()).numpy()
    mean = contest.mean.numpy()
    falls = np.array([expected_fall(mean, shift) for shift in shifts.T])
    return torch.as_tensor(falls).log()


def _entropy(contest: Contest, scale: int, seed: int) -> Tensor:
    """Logarithm of a lower bound of what the run tells of the minimum [Takeno2020]_, see ``log_information``."""
    p = len(contest.mean)
    factor = relative_factor(contest.covariance, _JITTERS)
    normal = draw_sobol_normal_samples(p, _DRAWS, dtype=torch.float64, seed=seed)
    minima = (contest.mean + normal @ factor.mT).amin(dim=-1)
    variance = contest.covariance.diagonal().clamp_min(_LEAST)
    below = (minima.unsqueeze(-1) - contest.mean) / variance.sqrt()
    return logmeanexp(log_information(below, contest.told(scale).clamp_min(_LEAST).log()), dim=0)


def _log_ei(contest: Contest, scale: int, seed: int) -> Tensor:
    """Logarithm of the expected improvement at the target times how much the run tells of it [Huang2006]_."""
    sd = contest.covariance.diagonal().clamp_min(_LEAST).sqrt()
    improvement = _log_ei_helper((contest.mean.min() - contest.mean) / sd) + sd.log()
    return improvement + contest.told(scale).clamp_min(_LEAST).log()


def _spread(contest: Contest, scale: int, seed: int) -> Tensor:
    """Logarithm of the variance that the run takes from the differences between the best mixture and the others.

    Each counts as much as it may be the better one: by the expected improvement over the best mean.
    """
    best = int(contest.mean.argmin())
    covariance, shared = contest.covariance, contest.across[scale]
    gap = covariance.diagonal() + covariance[best, best] - 2.0 * covariance[best]
    sd = gap.clamp_min(_LEAST).sqrt()
    weights = (_log_ei_helper((contest.mean[best] - contest.mean) / sd) + sd.log()).softmax(dim=0)
    fall = (shared - shared[best]).square() / contest.noisy[scale]
    return (weights @ fall).log()


_RULES: Mapping[str, Any] = {"knowledge": _knowledge, "entropy": _entropy, "log_ei": _log_ei, "spread": _spread}
