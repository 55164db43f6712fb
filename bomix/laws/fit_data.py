"""Runs in the units that a law's priors are for, and the criterion of its fit.

For each metric, with standardised residuals ``r_i`` and Gaussian priors on the unconstrained parameters ``x``, the
criterion is ``sum_i rho(r_i / s) + n log s + |(x - centre) / spread|^2 / 2`` with the noise ``s``; ``rho`` is quadratic
up to :data:`HUBER` and linear beyond, so that a few outliers do not decide the law.

References:
    [Huber1981] Robust statistics.
    [Marquardt1963] An algorithm for least-squares estimation of nonlinear parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.func import jvp, vmap

from bomix.laws.law import Law
from bomix.numerics.lbfgs import minimize

if TYPE_CHECKING:
    from torch import Tensor

HUBER = 1.345
"""Where Huber's loss turns linear, in standard deviations: 95 % efficient on Gaussian noise [Huber1981]_."""
HUBER_CUT = 0.7102
"""Mean square of Gaussian residuals of variance one that are cut off at :data:`HUBER`."""
NOISE_PRIOR = (math.log(0.1), 1.0)
"""Mean and standard deviation of the logarithm of the noise, in standard deviations of the metric."""
TOLERANCE = 1e-3
"""Slope at which a fit ends, per unit of the parameters' priors: the log posterior is then within 1e-6 of its best."""
_DAMPING = 1e-2
"""Damping of the first step, as a share of the curvature: starts are near."""
_SETTLED = 3e-3
"""Change of the criterion, in nats, below which steps end: far below what tells two fits apart."""
_BLOCK = 1e5
"""Numbers ``n x m x d`` of the columns that take their steps together, so that they stay in the cache."""
_STUCK = 1e6
"""Damping beyond which no step gains anything but rounding."""
_DIRECTIONS = 16
"""Directions in which a law is differentiated at once, at most: laws have some tens of parameters."""
_ENTRIES = 2e7
"""Numbers that these directions hold together, 160 MB: with many runs, metrics and domains they are fewer."""


@dataclass(frozen=True)
class Rows:
    """Runs in the units that a law's priors are for, a column for each problem of a batch.

    A problem is a metric, or a metric again: from another start, or with other shares of the runs.

    Attributes:
        law: The law that they are for.
        own: ``m`` columns of the metrics' own domains.
        X: ``n x d`` weights.
        y: ``n x m`` metrics, zero where missing.
        shares: ``n x m``, how often each run counts; zero where missing.
        spread: ``m`` standard deviations of the metrics in these units.
        centre: ``m x p`` means of the priors.
        width: ``m x p`` standard deviations of the priors.
    """

    law: Law
    own: Tensor
    X: Tensor
    y: Tensor
    shares: Tensor
    spread: Tensor
    centre: Tensor
    width: Tensor

    def take(self, columns: Tensor) -> Rows:
        """The same runs with other columns: some of them, or some of them several times."""
        return Rows(
            self.law,
            self.own[columns],
            self.X,
            self.y[:, columns],
            self.shares[:, columns],
            self.spread[columns],
            self.centre[columns],
            self.width[columns],
        )

    def predict(self, z: Tensor) -> Tensor:
        """The law at the runs, ``n x m``, for ``m x p`` parameters in units of the prior."""
        return self.law(self.X, self.law.unflat(self.centre + self.width * z, self.X.shape[-1]), self.own)

    def residuals(self, z: Tensor) -> Tensor:
        """What the law misses, ``n x m``, in standard deviations of the metrics."""
        return (self.y - self.predict(z)) / self.spread


def standardised(law: Law, X: Tensor, Y: Tensor, own: Tensor) -> tuple[Rows, Tensor, Tensor]:
    """Runs in the law's units, the metrics' ``m`` origins and ``m`` units; a metric without variation has unit zero."""
    X, Y = X.double(), Y.double()
    origin, unit = law.units(Y)
    seen = ~Y.isnan()
    lowest = torch.where(seen, Y, torch.inf).amin(dim=0) if len(Y) else torch.full_like(origin, torch.inf)
    highest = torch.where(seen, Y, -torch.inf).amax(dim=0) if len(Y) else torch.full_like(origin, -torch.inf)
    varies = highest - lowest > 1e-9 * torch.maximum(lowest.abs(), highest.abs())
    mean = Y.nan_to_num(0.0).sum(dim=0) / seen.sum(dim=0).clamp_min(1)
    y = torch.where(seen & varies, (Y - origin) / unit, 0.0)
    count = seen.sum(dim=0)
    centred = torch.where(seen & varies, y - y.sum(dim=0) / count.clamp_min(1), 0.0)
    spread = (centred.square().sum(dim=0) / (count - 1).clamp_min(1)).sqrt().where(varies, 1.0)
    centre, width = law.prior(X.shape[-1], own)
    rows = Rows(law, own, X, y, (seen & varies).double(), spread, centre, width)
    return rows, origin.where(varies, mean), unit.where(varies, 0.0)


def huber(residuals: Tensor) -> Tensor:
    """Huber's loss of residuals of any shape: half the square up to :data:`HUBER`, linear beyond."""
    size = residuals.abs()
    return torch.where(size <= HUBER, 0.5 * size.square(), HUBER * (size - 0.5 * HUBER))


def refit(rows: Rows, z: Tensor, log_noise: Tensor, *, evaluations: int = 40) -> Tensor:
    """Parameters at a given noise, from a start that is near.

    The search is in coordinates in which the posterior at the start is round, or ridges of the law would slow it.

    Args:
        rows: The runs.
        z: ``m x p`` where to start, in units of the prior.
        log_noise: ``m`` logarithms of the noise.
        evaluations: Most evaluations of the criterion.

    Returns:
        ``m x p`` parameters in units of the prior.
    """
    if rows.law.jacobian(rows.X[:1], rows.centre, rows.own) is not None:
        size = max(1, int(_BLOCK / max(rows.X.numel(), 1)))
        blocks = [torch.arange(first, min(first + size, len(z))) for first in range(0, len(z), size)]
        moved = [_damped_steps(rows.take(some), z[some], log_noise[some], most=evaluations // 2) for some in blocks]
        return torch.cat(moved) if moved else z
    weight = huber_weights(rows, z, log_noise) * rows.shares
    factor = precision_factor(jacobian_of(rows, z), weight, log_noise)
    across = torch.linalg.solve_triangular(factor.mT, torch.eye(z.shape[-1], dtype=z.dtype), upper=True)
    function = criterion(rows, log_noise)

    def value_and_gradient(u: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = function(z[columns] + _times(across[columns], u), columns)
        return value, _times(across[columns].mT, gradient)

    end = minimize(value_and_gradient, torch.zeros_like(z), max_evaluations=evaluations, tolerance=TOLERANCE)
    return z + _times(across, end.x)


def _damped_steps(rows: Rows, z: Tensor, log_noise: Tensor, *, most: int) -> Tensor:
    """Parameters at a given noise by Gauss-Newton steps, damped where the law bends [Marquardt1963]_.

    For laws whose derivatives have a closed form: a step costs as much as one or two evaluations of the criterion, and
    far fewer are needed. Arguments and result are those of :func:`refit`, with ``most`` steps.
    """
    damping, z, left = torch.full_like(log_noise, _DAMPING), z.clone(), torch.arange(len(z))
    ratio = rows.residuals(z) * torch.exp(-log_noise)
    value = _value(rows, z, ratio)
    for _ in range(most):
        some = rows.take(left)
        tried = z[left] + _step(some, z[left], ratio[:, left], torch.exp(-log_noise[left]), damping[left])
        new_ratio = some.residuals(tried) * torch.exp(-log_noise[left])
        gain = value[left] - _value(some, tried, new_ratio)
        better = gain > 0.0
        moved = left[better]
        z[moved], ratio[:, moved], value[moved] = tried[better], new_ratio[:, better], (value[left] - gain)[better]
        damping[left] *= torch.where(better, 0.1, 10.0)
        left = left[(gain.abs() > _SETTLED) & (damping[left] < _STUCK)]
        if not len(left):
            break
    return z


def _step(rows: Rows, z: Tensor, ratio: Tensor, precision: Tensor, damping: Tensor) -> Tensor:
    """``m x p`` steps to where the linearised criterion, with damped curvature, is least.

    Args:
        rows: The runs.
        z: ``m x p`` parameters in units of the prior.
        ratio: ``n x m`` residuals in units of the noise.
        precision: ``m``, one over the noise.
        damping: ``m`` shares of the curvature that are added to it.
    """
    root = ((HUBER / ratio.abs().clamp_min(1e-12)).clamp_max(1.0) * rows.shares).sqrt()
    jacobian = jacobian_of(rows, z) * (root * precision).mT.unsqueeze(-1)
    slope = _times(jacobian.mT, (root * ratio).mT) - z
    curvature = jacobian.mT @ jacobian
    ridge = torch.diag_embed(damping[:, None] * curvature.diagonal(dim1=-2, dim2=-1) + 1.0)
    step: Tensor = torch.cholesky_solve(slope.unsqueeze(-1), torch.linalg.cholesky(curvature + ridge)).squeeze(-1)
    return step


def _value(rows: Rows, z: Tensor, ratio: Tensor) -> Tensor:
    """``m`` values of the criterion at a given noise, up to a constant; infinite where the law is not finite."""
    value = (rows.shares * huber(ratio)).sum(dim=0) + 0.5 * z.square().sum(dim=-1)
    return torch.where(value.isfinite(), value, torch.inf)


def criterion(rows: Rows, log_noise: Tensor | None = None) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """What a fit minimises: values and gradients at parameters in units of the prior, given the columns they are for.

    Args:
        rows: The runs.
        log_noise: ``m`` logarithms of the noise; without, it is the last parameter, in units of its prior.
    """

    @torch.enable_grad()
    def value_and_gradient(at: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        some, z = rows.take(columns), at.detach().requires_grad_(True)
        inner = z if log_noise is not None else z[..., :-1]
        log_sd = log_noise[columns] if log_noise is not None else NOISE_PRIOR[0] + NOISE_PRIOR[1] * z[..., -1]
        misfit = (some.shares * huber(some.residuals(inner) * torch.exp(-log_sd))).sum(dim=0)
        value = misfit + some.shares.sum(dim=0) * log_sd + 0.5 * z.square().sum(dim=-1)
        (gradient,) = torch.autograd.grad(value.sum(), z)
        return value.detach(), gradient

    return value_and_gradient


def leverages(rows: Rows, z: Tensor, log_noise: Tensor) -> tuple[Tensor, Tensor]:
    """Leverages, how far each run moves its own prediction, and Huber's weights.

    Args:
        rows: The runs.
        z: ``m x p`` parameters in units of the prior.
        log_noise: ``m`` logarithms of the noise, in standard deviations of the metrics.

    Returns:
        ``n x m`` leverages ``diag(J S J' W) / s^2`` in [0, 1), and ``n x m`` weights in (0, 1].
    """
    jacobian, weight = jacobian_of(rows, z), huber_weights(rows, z, log_noise)
    factor = precision_factor(jacobian, weight * rows.shares, log_noise)
    solved = torch.linalg.solve_triangular(factor, jacobian.mT, upper=False)
    leverage = solved.square().sum(dim=-2).mT * weight / torch.exp(2.0 * log_noise)
    return leverage, weight


def jacobian_of(rows: Rows, z: Tensor) -> Tensor:
    """``m x n x p`` derivatives of the standardised predictions in ``m x p`` parameters."""
    closed = rows.law.jacobian(rows.X, rows.centre + rows.width * z, rows.own)
    if closed is not None:
        return (closed * rows.width / rows.spread[:, None]).transpose(0, 1)

    def column(direction: Tensor) -> Tensor:
        change: Tensor = jvp(rows.predict, (z,), (direction.expand(z.shape),))[1]
        return change / rows.spread

    size = chunk(len(rows.X), len(z), rows.X.shape[-1])
    columns: Tensor = vmap(column, chunk_size=size)(torch.eye(z.shape[-1], dtype=z.dtype))
    return columns.permute(2, 1, 0)


def chunk(n: int, m: int, d: int) -> int:
    """In how many directions to differentiate a law at once: some hold ``n x m x d`` numbers for each."""
    return int(min(max(1.0, _ENTRIES / max(n * m * d, 1)), _DIRECTIONS))


def huber_weights(rows: Rows, z: Tensor, log_noise: Tensor) -> Tensor:
    """Huber's weights of the squared residuals, ``n x m`` in (0, 1]: ``min(1, HUBER / |r / s|)``."""
    ratio = rows.residuals(z).abs() * torch.exp(-log_noise)
    return (HUBER / ratio.clamp_min(1e-12)).clamp_max(1.0)


def precision_factor(jacobian: Tensor, weight: Tensor, log_noise: Tensor) -> Tensor:
    """Cholesky factors ``m x p x p`` of the posterior precision; weights ``n x m``, zero for a run that is left out."""
    scaled = jacobian * (weight.sqrt() * torch.exp(-log_noise)).mT.unsqueeze(-1)
    factor: Tensor = torch.linalg.cholesky(scaled.mT @ scaled + torch.eye(jacobian.shape[-1], dtype=jacobian.dtype))
    return factor


def _times(matrices: Tensor, vectors: Tensor) -> Tensor:
    """``m x p x p`` matrices times ``m x p`` vectors, ``m x p``."""
    return (matrices @ vectors.unsqueeze(-1)).squeeze(-1)
