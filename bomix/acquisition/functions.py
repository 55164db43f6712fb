"""Acquisition functions of one objective that need the joint posterior of several mixtures.

All map ``b x 1 x d`` mixtures to ``b`` values, higher is better, each mixture by itself, but for :class:`JointDraw`.
The specs that build them, with their references, stand in :mod:`bomix.acquisition.improvement` and
:mod:`bomix.acquisition.lookahead`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from botorch.acquisition.acquisition import AcquisitionFunction
from botorch.acquisition.analytic import _log_ei_helper
from botorch.utils.probability.utils import log_ndtr, log_phi
from botorch.utils.safe_math import log_fatplus, logmeanexp
from botorch.utils.sampling import draw_sobol_normal_samples

from bomix.acquisition.contenders import optimistic_order
from bomix.acquisition.joint_draws import Draws, conditioned, factor, moments, with_fixed
from bomix.numerics.chunks import in_chunks, rows_within

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor

    from bomix.contracts.acquisition import Aggregate

_SHARP = 1e-4
"""Width of the smoothed kink, in standard deviations of the objective."""
_LEAST_VARIANCE = 1e-14
"""Variances are kept above it, in the objective's unit squared: below, the difference of two nearly equal numbers is
rounding, and may be negative."""
_FAINT, _FAR = -30.0, 100.0
"""Where :func:`log_information` takes limits instead of its formula: below a logarithm of -30, ``log(1 - x)`` is ``-x``
to the last digit; a hundred deviations above the mean, the hazard's distance to it is lost in rounding."""


class NoisyImprovement(AcquisitionFunction):
    """Logarithm of the improvement over the best of some mixtures, whose own objective is uncertain.

    ``log mean_s E[(min_j f_s(w_j) - f(w))_+ | f_s]`` over joint draws ``f_s`` at the incumbents. Given a draw, the
    expectation has a closed form where the objective is a weighted sum; else it is that of a draw at ``w``.

    Args:
        model: The model of all metrics.
        aggregate: The objective.
        incumbents: ``s x d`` mixtures, tried or being tried.
        samples: Draws.
        seed: Seed of the draws.
    """

    def __init__(self, model: Model, aggregate: Aggregate, incumbents: Tensor, *, samples: int, seed: int) -> None:
        super().__init__(model)
        self._aggregate = aggregate
        self._draws = Draws(model, aggregate.projection, incumbents, count=samples, seed=seed)
        values = aggregate.reduce(self._draws.values)
        self._best = values.amin(dim=-1, keepdim=True)
        spread = values.std().clamp_min(1e-8).item()
        self._sharp, self._least = _SHARP * spread, (_SHARP * spread) ** 2

    def forward(self, X: Tensor) -> Tensor:
        """``b x 1 x d`` mixtures to ``b`` values, higher is better."""
        return in_chunks(self._values, X, rows=rows_within(self._draws.entries))

    def _values(self, X: Tensor) -> Tensor:
        mean, covariance = self._draws.given(X)
        if self._aggregate.coefficients is not None:
            sd = covariance[:, 0, 0].clamp_min(self._least).sqrt()
            improvement = _log_ei_helper((self._best - mean[..., 0]) / sd) + sd.log()
        else:
            drawn = mean + torch.einsum("bkl,nl->nbk", factor(covariance), self._draws.normal)
            improvement = log_fatplus(self._best - self._aggregate.reduce(drawn), tau=self._sharp)
        return logmeanexp(improvement, dim=0)


class _AfterPending(AcquisitionFunction):
    """Base of acquisition functions to which pending mixtures are observations still to come.

    Args:
        model: The model of all metrics.
        aggregate: The objective.
        pending: ``p x d`` mixtures that will be observed before, or None.
    """

    def __init__(self, model: Model, aggregate: Aggregate, pending: Tensor | None) -> None:
        super().__init__(model)
        self._aggregate = aggregate
        self._pending = pending if pending is not None and len(pending) else None
        self._pending_noise = None if self._pending is None else aggregate.noise(model, self._pending).detach()

    def _noise(self, X: Tensor) -> Tensor:
        """Variance that a run's noise adds at ``b x 1 x d`` mixtures, ``b``."""
        return self._aggregate.noise(self.model, X.squeeze(-2))

    def _belief(self, points: Tensor, observed: Tensor | None) -> tuple[Tensor, Tensor]:
        """Means ``n x b x r`` and covariances ``b x r x r`` at ``b x r x d`` mixtures, given ``n x p`` observations."""
        pending = self._pending
        if pending is None or observed is None:
            mean, covariance = self._moments(points)
            return mean.unsqueeze(0), covariance
        assert self._pending_noise is not None
        full = torch.cat([pending.expand(len(points), *pending.shape), points], dim=-2)
        return conditioned(*self._moments(full), self._pending_noise, observed)

    def _moments(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Means ``b x q`` and covariances ``b x q x q`` of the objective at ``b x q x d`` mixtures."""
        aggregate = self._aggregate
        if aggregate.coefficients is not None:
            mean, covariance = moments(self.model, aggregate.projection, points)
            return mean.squeeze(-1), covariance
        posterior = aggregate.posterior(self.model, points)
        return posterior.mean.squeeze(-1), posterior.distribution.covariance_matrix


class Knowledge(_AfterPending):
    """Logarithm of how much lower the lowest posterior mean is expected to be after a run, noise included.

    With ``A`` the support and ``w``, ``mu`` the posterior mean, ``s`` its change per standard deviation of the
    observation and ``*`` the present minimiser: ``E_z max_a ((mu_* - mu_a) + (s_* - s_a) z)_+``, which is no other
    than ``min_a mu_a - E_z min_a (mu_a + s_a z)`` and never below zero.

    Args:
        model: The model of all metrics.
        aggregate: The objective.
        support: ``a x d`` mixtures that may be the best.
        pending: ``p x d`` mixtures that will be observed before, or None.
        nodes: Gauss-Hermite nodes of the observation.
        outcomes: Draws of what the pending ones will show.
        seed: Seed of these draws.
    """

    def __init__(
        self,
        model: Model,
        aggregate: Aggregate,
        support: Tensor,
        *,
        pending: Tensor | None,
        nodes: int,
        outcomes: int,
        seed: int,
    ) -> None:
        super().__init__(model, aggregate, pending)
        self._support = support
        at, weights = np.polynomial.hermite_e.hermegauss(nodes)
        self._nodes = torch.as_tensor(at)
        self._log_weights = torch.as_tensor(np.log(weights) - 0.5 * math.log(2.0 * math.pi))
        with torch.no_grad():
            spread = aggregate.spread(model, support)[0].std() if len(support) > 1 else torch.tensor(0.0)
            self._sharp = _SHARP * max(float(spread), 1e-8)
            self._observed = None if self._pending is None else self._outcomes(outcomes, seed)

    def _outcomes(self, count: int, seed: int) -> Tensor:
        """Draws of the pending observations, ``count x p``."""
        assert self._pending is not None
        assert self._pending_noise is not None
        mean, covariance = self._moments(self._pending)
        normal = draw_sobol_normal_samples(len(self._pending), count, dtype=torch.float64, seed=seed)
        return mean + normal @ factor(covariance + torch.diag(self._pending_noise)).mT

    def forward(self, X: Tensor) -> Tensor:
        """``b x 1 x d`` mixtures to ``b`` values, higher is better."""
        size = len(self._support) + 1
        runs = 1 if self._observed is None else len(self._observed)
        pending = 0 if self._pending is None else len(self._pending)
        joint = ((size + pending) * self._aggregate.projection.shape[-1]) ** 2
        return in_chunks(self._values, X, rows=rows_within(joint + runs * size * len(self._nodes)))

    def _values(self, X: Tensor) -> Tensor:
        mean, covariance = self._belief(with_fixed(X, self._support), self._observed)
        deviation = (covariance[:, -1, -1] + self._noise(X)).clamp_min(_LEAST_VARIANCE).sqrt()
        change = (covariance[..., -1] / deviation.unsqueeze(-1)).expand(mean.shape)
        minimiser = mean.argmin(dim=-1, keepdim=True)
        intercept = mean.gather(-1, minimiser) - mean
        slope = change.gather(-1, minimiser) - change
        gains = intercept.unsqueeze(-1) + slope.unsqueeze(-1) * self._nodes
        is_minimiser = torch.zeros_like(mean, dtype=torch.bool).scatter(-1, minimiser, True).unsqueeze(-1)
        best = gains.masked_fill(is_minimiser, -torch.inf).amax(dim=-2)
        value = torch.logsumexp(log_fatplus(best, tau=self._sharp) + self._log_weights, dim=-1)
        return logmeanexp(value, dim=0)


class MinimumEntropy(_AfterPending):
    """Logarithm of a lower bound of what a run tells about the value of the minimum.

    Given the minimum ``f*``, the objective is a Gaussian cut off below ``f*``; the entropy of the noisy run is at
    most that of the Gaussian of equal variance: ``-1/2 log(1 - rho^2 l (l - a))`` with ``a = (f* - mu) / sd``,
    ``l = phi(a) / Phi(-a)`` and ``rho`` the correlation of run and objective. The mean over draws of ``f*`` is
    taken, each with the pending observations that go with it.

    Args:
        model: The model of all metrics.
        aggregate: The objective.
        support: ``a x d`` mixtures over which the minimum is drawn.
        pending: ``p x d`` mixtures that will be observed before, or None.
        minima: Draws of the minimum.
        seed: Seed of the draws.
    """

    def __init__(
        self, model: Model, aggregate: Aggregate, support: Tensor, *, pending: Tensor | None, minima: int, seed: int
    ) -> None:
        super().__init__(model, aggregate, pending)
        fixed = support if self._pending is None else torch.cat([support, self._pending])
        draws = Draws(model, aggregate.projection, fixed, count=minima, seed=seed)
        values = aggregate.reduce(draws.values)
        self.minima = values.amin(dim=-1)
        self._observed = None
        if self._pending is not None:
            assert self._pending_noise is not None
            normal = draw_sobol_normal_samples(len(self._pending), minima, dtype=torch.float64, seed=seed + 1)
            self._observed = values[:, len(support) :] + normal * self._pending_noise.sqrt()

    def forward(self, X: Tensor) -> Tensor:
        """``b x 1 x d`` mixtures to ``b`` values, higher is better."""
        size = 1 + (0 if self._pending is None else len(self._pending))
        entries = (size * self._aggregate.projection.shape[-1]) ** 2 + len(self.minima)
        return in_chunks(self._values, X, rows=rows_within(entries))

    def _values(self, X: Tensor) -> Tensor:
        mean, covariance = self._belief(X, self._observed)
        variance = covariance[:, 0, 0].clamp_min(_LEAST_VARIANCE)
        log_share = (variance / (variance + self._noise(X))).log()
        below = (self.minima.unsqueeze(-1) - mean[..., 0]) / variance.sqrt()
        return logmeanexp(log_information(below, log_share), dim=0) - math.log(2.0)


def log_information(below: Tensor, log_share: Tensor) -> Tensor:
    """``log(-log(1 - rho^2 l (l - a)))`` with ``l = phi(a) / Phi(-a)``: see :class:`MinimumEntropy`.

    Args:
        below: ``a``, where the Gaussian is cut off.
        log_share: ``log rho^2``, not above zero.
    """
    # For large a the difference l - a is rounding, and l (l - a) is 1 - 1 / a^2 + O(a^-4).
    far = below > _FAR
    near = below.masked_fill(far, 0.0)
    log_hazard = log_phi(near) - log_ndtr(-near)
    # l - a is positive; far below zero it is -a.
    log_gap = (log_hazard.exp() - near).clamp_min(_LEAST_VARIANCE).log()
    log_lost = torch.where(far, -(below.clamp_min(1.0) ** -2), log_hazard + log_gap)
    log_cut = (log_share + log_lost).clamp_max(-_LEAST_VARIANCE)
    faint = log_cut < _FAINT
    return torch.where(faint, log_cut, (-torch.log1p(-log_cut.masked_fill(faint, -1.0).exp())).log())


class JointDraw(AcquisitionFunction):
    """One draw of the objective over all mixtures of a call, negated.

    Values of different calls belong to different functions, so that it must be called once, on all that compete.

    Args:
        model: The model of all metrics.
        aggregate: The objective.
        pool: Number of mixtures that are drawn jointly: those whose objective may be lowest; the others get ``-inf``.
        seed: Seed of the draw.
    """

    def __init__(self, model: Model, aggregate: Aggregate, *, pool: int, seed: int) -> None:
        super().__init__(model)
        self._aggregate, self._pool, self._seed = aggregate, pool, seed

    def forward(self, X: Tensor) -> Tensor:
        """``N x 1 x d`` mixtures to ``N`` values of one draw, ``-inf`` for those that are left out."""
        points, projection = X.squeeze(-2), self._aggregate.projection
        with torch.no_grad():
            kept = optimistic_order(self.model, self._aggregate, points)[: self._pool]
            mean, covariance = moments(self.model, projection, points[kept])
            normal = torch.randn(mean.numel(), dtype=mean.dtype, generator=torch.Generator().manual_seed(self._seed))
            drawn = mean + (factor(covariance) @ normal).reshape(mean.shape)
            values = torch.full((len(points),), -torch.inf, dtype=mean.dtype)
            values[kept] = -self._aggregate.reduce(drawn)
        return values
