"""What links scales: hyperparameters that all metrics and steps share, found from few large runs with a strong prior.

A handful of large runs tells little of five numbers, so the priors are informative: slopes are near one, discrepancies
a fraction of a metric's spread. Metrics are taken one by one in the likelihood, tempered by how much they have in
common. The posterior is integrated by a small set of points, spread as its curvature at the mode says, each weighed by
its own density; without large runs that set represents the prior.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from bomix.numerics.lbfgs import minimize
from bomix.surrogates.scales.links import Links

if TYPE_CHECKING:
    from torch import Tensor

NAMES = ("slope", "slope_spread", "discrepancy", "lengthscale", "noise")
"""Names of the hyperparameters, in the order of :class:`~bomix.surrogates.scales.links.Links`."""
MEAN = (0.0, math.log(0.15), math.log(0.15), math.log(2.0), 0.0)
"""Means of the priors: of the logarithm of the slope per decade, and of the logarithms of the others, the noise as a
multiple of what the smallest scale's is. From 1M to 60M parameters (1.8 decades), RegMix's slopes are 0.5 to 1.0, and
what lines leave is a tenth of a small run's spread."""
SD = (0.15, 0.5, 0.7, 0.7, 0.7)
"""Standard deviations of the same."""
COMMON = 0.35
"""Correlation of what slopes leave over between two metrics, before any is measured: as of public runs of two sizes."""
POINTS = 16
"""Points that stand for the posterior: a prediction takes the time of so many models, and an importance-weighted rule
of five dimensions needs several for each."""
_NEGLIGIBLE = 2e-3
"""Weight below which a point is left out: all that are below it change no mean by a hundredth of its error."""
_STRETCH = 1.2
"""How much wider points are spread than the curvature says: densities fall more slowly than a Gaussian's."""
_STEP = 0.05
"""Distance, in standard deviations of the prior, over which the curvature is measured."""
_LEAST_NOISE = 1e-3
"""Noise of a run, in units, that is assumed at least: repeats that agree to the last digit would have none, and their
covariance no inverse."""
_LEAST_CURVATURE = 0.25
"""Curvature of the posterior that is assumed at least, where that of the prior is one: a flank of the likelihood may
curve the other way."""


class Posterior(NamedTuple):
    """Points that stand for the posterior of the hyperparameters.

    Attributes:
        theta: ``k x 5``.
        weight: ``k``, which sum to one.
    """

    theta: Tensor
    weight: Tensor


def links(theta: Tensor, typical: float, noise: Tensor) -> Links:
    """What ``k x 5`` hyperparameters mean.

    Args:
        theta: In the order of :data:`NAMES`; the first is a logarithm for a decade, as are all others.
        typical: Logarithm of the typical distance of two mixtures, in which lengthscales count.
        noise: ``m`` standard deviations of a run's noise at the smallest scale, in units.
    """
    ratio, slope, discrepancy, lengthscale, factor = theta.unbind(dim=-1)
    scatter = (factor.exp().unsqueeze(-1) * noise).clamp_min(_LEAST_NOISE)
    return Links(ratio, slope.exp(), discrepancy.exp(), lengthscale + typical, scatter)


def temper(m: int, common: float = COMMON) -> float:
    """Share of each of ``m`` metrics' likelihoods that counts, where squares of their errors correlate."""
    return 1.0 / (1.0 + (m - 1) * common**2)


def posterior(
    log_density: Callable[[Tensor], Tensor],
    *,
    told: bool,
    middle: bool = False,
    prior: tuple[Sequence[float], Sequence[float]] = (MEAN, SD),
) -> Posterior:
    """Find the posterior.

    Args:
        log_density: Maps ``k x 5`` hyperparameters, or as many as the prior has, to ``k`` log likelihoods.
        told: Whether there is any large run; the prior stands for itself otherwise.
        middle: Whether the mean of the points stands for them all.
        prior: Means and standard deviations.
    """
    found = _points(log_density, told, *(torch.tensor(part, dtype=torch.float64) for part in prior))
    if not middle:
        return found
    mean = (found.weight.unsqueeze(-1) * found.theta).sum(dim=0, keepdim=True)
    return Posterior(mean, torch.ones(1, dtype=torch.float64))


def _points(log_density: Callable[[Tensor], Tensor], told: bool, mean: Tensor, sd: Tensor) -> Posterior:
    """Points that stand for the posterior, see :func:`posterior`."""
    normal = _normal(len(mean))
    if not told:
        return Posterior(mean + sd * normal, torch.full((len(normal),), 1.0 / len(normal), dtype=torch.float64))

    def negative(z: Tensor) -> Tensor:
        return 0.5 * z.square().sum(dim=-1) - log_density(mean + sd * z)

    @torch.enable_grad()
    def criterion(z: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        z = z.detach().requires_grad_()
        value = negative(z)
        return value.detach(), torch.autograd.grad(value.sum(), z)[0]

    best = minimize(criterion, torch.zeros(1, len(mean), dtype=torch.float64), max_evaluations=40, tolerance=1e-2)
    mode = best.x[0]
    steps = _STEP * torch.eye(len(mean), dtype=torch.float64)
    gradients = criterion(torch.cat([mode + steps, mode - steps]), torch.zeros(()))[1]
    first, second = gradients.chunk(2)
    curvature = (first - second) / (2.0 * _STEP)
    values, vectors = torch.linalg.eigh(0.5 * (curvature + curvature.mT))
    root = vectors * values.clamp_min(_LEAST_CURVATURE).rsqrt()
    z = mode + _STRETCH * normal @ root.mT
    with torch.no_grad():
        density = -negative(z) + 0.5 * normal.square().sum(dim=-1)
    density = torch.where(density.isfinite(), density, -torch.inf)
    weight = density.softmax(dim=0)
    kept = weight >= _NEGLIGIBLE
    return Posterior((mean + sd * z)[kept], weight[kept] / weight[kept].sum())


def _normal(dimensions: int) -> Tensor:
    """Standard normal points spread evenly, with their opposites, the same at every call."""
    engine: Any = torch.quasirandom.SobolEngine
    half = engine(dimensions, scramble=True, seed=0).draw(POINTS // 2, dtype=torch.float64)
    points = torch.special.ndtri(half.clamp(1e-6, 1.0 - 1e-6))
    points = torch.cat([points, -points])
    return points / points.square().mean(dim=0).sqrt()
