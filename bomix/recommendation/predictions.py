"""What the model of a record says of many mixtures, each also beside a reference: what pages and figures show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.posterior.belief import learns_across
from bomix.surrogates.cross_validation.scores import Z95

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.posterior.belief import Belief
    from bomix.problem import Problem
    from bomix.space.polytope import Array

AT_ONCE = 64
"""Pairs of mixtures whose posterior is computed at a time: each has the covariance of two mixtures in all metrics."""


@dataclass(frozen=True)
class Predicted:
    """Beliefs about the objective and every metric at ``n`` mixtures, without the noise of a run.

    Columns are the objective, lower is better, and then the ``m`` metrics as they are reported.

    Attributes:
        points: ``n x d`` weights.
        mean: ``n x (1 + m)``.
        sd: Their standard deviations, ``n x (1 + m)``, larger far from all runs as those of a recommendation are.
        change: Mean of the value minus that at the reference, ``n x (1 + m)``; zero at the reference itself.
        change_sd: Standard deviation of that difference, the correlation of the two taken into account.
    """

    points: Array
    mean: Array
    sd: Array
    change: Array
    change_sd: Array

    def __len__(self) -> int:
        return len(self.points)

    def rows(self, keep: Any) -> Predicted:
        """Some of the mixtures: a slice, numbers or booleans."""
        return Predicted(*(part[keep] for part in (self.points, self.mean, self.sd, self.change, self.change_sd)))

    @property
    def lower(self) -> Array:
        """Lower ends of the central 95 % intervals, ``n x (1 + m)``."""
        return np.asarray(self.mean - Z95 * self.sd)

    @property
    def upper(self) -> Array:
        """Upper ends of the central 95 % intervals, ``n x (1 + m)``."""
        return np.asarray(self.mean + Z95 * self.sd)


class Predictor:
    """A model fitted to a record once, and asked about many mixtures.

    Args:
        problem: The space, the metrics and the objective.
        history: The record to fit to.
        surrogate: The surrogate that is fitted.
        seed: The study's seed.

    Raises:
        StudyError: No trial has come back yet.
    """

    def __init__(self, problem: Problem, history: History, surrogate: Surrogate, *, seed: int) -> None:
        from bomix.posterior.belief import believe
        from bomix.posterior.explored import tried

        self._belief = believe(problem, history, surrogate, seed=seed)
        self._runs = tried(problem.space, history, across=learns_across(surrogate, history))

    @property
    def coefficients(self) -> tuple[float, ...] | None:
        """Of an objective that is a weighted sum, the coefficients of the metrics as they are reported; else None."""
        aggregate = self._belief.aggregate
        if aggregate.coefficients is None:
            return None
        units = aggregate.units_of_metrics.tolist()
        return tuple(aggregate.unit * each / unit for each, unit in zip(aggregate.coefficients, units, strict=True))

    @property
    def noise(self) -> Array:
        """Standard deviation that a run's own noise adds at the middle of the runs, ``1 + m``, objective first."""
        import torch

        belief = self._belief
        X = belief.data.X.mean(dim=0, keepdim=True)
        with torch.no_grad():
            of_objective = belief.aggregate.unit * belief.aggregate.noise(belief.model, X).sqrt()
            quiet: Any = belief.model.posterior(X)
            noisy: Any = belief.model.posterior(X, observation_noise=True)
            gap = (noisy.variance - quiet.variance).clamp_min(0.0).sqrt()[0] * belief.aggregate.units_of_metrics
        return np.concatenate([of_objective.numpy(), gap.numpy()])

    def at(self, points: Array, reference: Array) -> Predicted:
        """Predict some mixtures, each beside a reference.

        Args:
            points: ``n x d`` weights; bounds need not hold.
            reference: ``d`` weights.
        """
        import torch

        from bomix.numerics.chunks import chunks
        from bomix.recommendation.extrapolation import stretches

        X = torch.as_tensor(np.asarray(points, dtype=float))
        fixed = torch.as_tensor(np.asarray(reference, dtype=float))
        pairs = torch.stack([X, fixed.expand_as(X)], dim=1)
        with torch.no_grad():
            parts = [_pairs(self._belief, part) for part in chunks(pairs, rows=AT_ONCE)]
        mean, sd, change, change_sd = (torch.cat(each).numpy() for each in zip(*parts, strict=True))
        far = stretches(self._runs, np.vstack([points, reference[None]]))[:, None]
        wider = np.maximum(far[:-1], far[-1:])
        return Predicted(np.asarray(points, dtype=float), mean, far[:-1] * sd, change, wider * change_sd)


def _pairs(belief: Belief, X: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Means, standard deviations, differences and theirs of ``b x 2 x d`` pairs, each ``b x (1 + m)``."""
    import torch

    from bomix.posterior.ranges import limits, moved, objective_moved
    from bomix.surrogates.models.joint import transformed

    aggregate = belief.aggregate
    posterior: Any = belief.model.posterior(X)
    within = limits(belief.problem.metrics, aggregate)
    by = moved(posterior.mean, within)
    # Each output's own 2 x 2 block, whatever the order of the whole matrix.
    alone = [_block(posterior, metric, X) for metric in range(posterior.mean.shape[-1])]
    metrics = _moments(posterior.mean + by, torch.stack(alone, dim=-3), by)
    single: Any = belief.model.posterior(X.flatten(0, 1).unsqueeze(-2))
    moves = objective_moved(aggregate, single, within).reshape(len(X), 2)
    whole: Any = transformed(aggregate.transform(), posterior, X)
    of_objective = _moments(
        whole.mean + moves.unsqueeze(-1), whole.distribution.covariance_matrix.unsqueeze(-3), moves.unsqueeze(-1)
    )
    units = torch.cat([torch.tensor([aggregate.unit], dtype=X.dtype), aggregate.units_of_metrics])
    found = [units * torch.cat(each, dim=-1) for each in zip(of_objective, metrics, strict=True)]
    return found[0], found[1], found[2], found[3]


def _block(posterior: Any, metric: int, X: Tensor) -> Tensor:
    """Covariance of one metric at ``b`` pairs of mixtures, ``b x 2 x 2``."""
    from botorch.acquisition.objective import ScalarizedPosteriorTransform

    from bomix.surrogates.models.joint import transformed

    chosen = X.new_zeros(posterior.mean.shape[-1])
    chosen[metric] = 1.0
    alone: Any = transformed(ScalarizedPosteriorTransform(chosen), posterior, X)
    covariance: Tensor = alone.distribution.covariance_matrix
    return covariance


def _moments(mean: Tensor, covariance: Tensor, by: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What :func:`_pairs` returns, of ``k`` outputs in their own units.

    Args:
        mean: ``b x 2 x k``, inside the limits.
        covariance: ``b x k x 2 x 2``.
        by: What the means were moved by, ``b x 2 x k``; beliefs are as much less sure.
    """
    first, second = covariance[..., 0, 0], covariance[..., 1, 1]
    variance = first.clamp_min(0.0) + by[:, 0].square()
    between = (first + second - 2.0 * covariance[..., 0, 1]).clamp_min(0.0) + (by[:, 0] - by[:, 1]).square()
    return mean[:, 0], variance.sqrt(), mean[:, 0] - mean[:, 1], between.sqrt()


def along_rays(point: Array, shares: Sequence[float]) -> Array:
    """Mixtures along the ray from each vertex through a mixture: all other weights keep their proportions.

    Args:
        point: ``d`` weights.
        shares: ``k`` weights that each domain is given in turn.

    Returns:
        ``d x k x d`` weights. Of a mixture of one domain alone the others share what it loses evenly.
    """
    d = len(point)
    found = np.empty((d, len(shares), d))
    for domain in range(d):
        rest = np.delete(np.asarray(point, dtype=float), domain)
        rest = rest / rest.sum() if rest.sum() > 0.0 else np.full(d - 1, 1.0 / max(1, d - 1))
        for place, share in enumerate(shares):
            found[domain, place] = np.insert((1.0 - share) * rest, domain, share if d > 1 else 1.0)
    return found


def towards_vertices(point: Array, step: float) -> Array:
    """Mixtures in which a share of a mixture's tokens is replaced by one domain, ``d x d``; ``point`` is ``d``."""
    return np.asarray((1.0 - step) * np.asarray(point, dtype=float) + step * np.eye(len(point)))
