"""The objective at several scales, drawn from a model across scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.space.polytope import Array

if TYPE_CHECKING:
    from bomix.contracts.acquisition import Aggregate
    from bomix.scale import Scale
    from bomix.surrogates.models.scales import MultiScaleModel

_JITTER = 1e-6
"""Share of the mean variance below which directions of a covariance are rounding."""


@dataclass(frozen=True)
class Objectives:
    """Belief about the objective of ``p`` mixtures at each of ``s`` scales, the target last.

    Where the objective is no weighted sum it is taken for the plane that touches it on average.

    Attributes:
        mean: ``s x p``.
        covariance: ``s x p x p``, of each scale by itself.
        across: ``s x p x p``, of the target (rows) with each scale.
        noise: ``s`` standard deviations of the objective of a run.
    """

    mean: Array
    covariance: Array
    across: Array
    noise: Array

    @classmethod
    def of(cls, model: MultiScaleModel, aggregate: Aggregate, X: Array, scales: Sequence[Scale]) -> Objectives:
        """The belief at ``p x d`` mixtures.

        Args:
            model: The model across scales.
            aggregate: The objective.
            X: The mixtures.
            scales: The scales, the model's target last.
        """
        import torch

        from bomix.acquisition.cost_aware import expected_slopes

        points = torch.as_tensor(X, dtype=torch.float64)
        slopes = expected_slopes(model, aggregate, points)
        p, m = slopes.shape
        means: list[Array] = []
        covariances: list[Array] = []
        across: list[Array] = []
        noise: list[float] = []
        with torch.no_grad():
            for scale in scales:
                there = model.at(scale)
                mean, covariance = there.moments(points)
                between = model.across(points, points, scale)
                run = there.moments(points.unsqueeze(-2), True)[1] - there.moments(points.unsqueeze(-2))[1]
                means.append(aggregate(mean).numpy())
                for found, blocks in ((covariances, covariance), (across, between)):
                    parts = blocks.reshape(m, p, m, p)
                    found.append(torch.einsum("aj,jakz,zk->az", slopes, parts, slopes).numpy())
                variance = torch.einsum("zj,zjk,zk->z", slopes, run, slopes).clamp_min(0.0)
                noise.append(float(variance.mean().sqrt()))
        return cls(np.array(means), np.array(covariances), np.array(across), np.array(noise))

    def drawn(self, count: int, rng: np.random.Generator) -> Array:
        """Draws ``count x s x p``: of the target, and of each other scale given the target.

        Args:
            count: Number of draws.
            rng: What decides them.
        """
        p = self.mean.shape[1]
        values, vectors = _cleaned(self.covariance[-1])
        white = rng.standard_normal((count, len(values)))
        target = (white * np.sqrt(values)) @ vectors.T
        found = np.empty((count, *self.mean.shape))
        found[:, -1] = self.mean[-1] + target
        inverse = (vectors / values) @ vectors.T
        for number in range(len(self.mean) - 1):
            told = self.across[number].T @ inverse
            left, ways = _cleaned(self.covariance[number] - told @ self.across[number])
            own = (rng.standard_normal((count, len(left))) * np.sqrt(left)) @ ways.T
            found[:, number] = self.mean[number] + target @ told.T + own
        assert found.shape == (count, len(self.mean), p)
        return found


def _cleaned(covariance: Array) -> tuple[Array, Array]:
    """Eigenvalues ``r`` and vectors ``p x r`` of a covariance without those that are rounding."""
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    kept = values > _JITTER * max(float(values[-1]), 1e-300)
    return values[kept], vectors[:, kept]
