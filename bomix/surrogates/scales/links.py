"""Gaussian processes from one scale to the next, conditioned scale by scale, exactly given the hyperparameters.

Metric ``j`` at scale ``s``, in standard deviations of the smallest scale:

    f_s(w) = b + rho (f_{s-1}(w) - c) + delta(w),   rho ~ N(r, t^2),   delta ~ GP(0, u^2 k),   b ~ N(level, v^2).

``r``, ``t`` and ``u`` are shared by all metrics and grow with the decades of FLOPs between the scales. What is known of
``f_{s-1}`` from the runs up to that scale is a Gaussian with mean ``m`` and covariance ``K``; the product with ``rho``
has the covariance ``(r^2 + t^2) K(w, v) + t^2 (m(w) - c) (m(v) - c)``, and is taken for Gaussian. The runs of scale
``s`` then condition the sum, as in recursive co-kriging [LeGratiet2014]_: any runs of any scale may lack.

References:
    [Kennedy2000] Predicting the output from a complex computer code when fast approximations are available.
    [LeGratiet2014] Recursive co-kriging model for design of computer experiments with multiple levels of fidelity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.numerics.marginal import inverse_diagonal, noisy_factor

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Step(NamedTuple):
    """What leads from one scale to the next.

    Attributes:
        decades: Decades of FLOPs from one to the next, negative where that is smaller.
        rows: ``n`` positions of the runs of the next scale among all ``p`` of larger scales.
        targets: ``m x n`` metrics of these, in units, NaN where missing.
        shift: ``m`` expected changes of the metrics' levels, in units.
        spread: ``m`` standard deviations of the same.
    """

    decades: float
    rows: Tensor
    targets: Tensor
    shift: Tensor
    spread: Tensor


class Links(NamedTuple):
    """Hyperparameters of all steps, ``k`` of each.

    Attributes:
        ratio: Logarithm of the expected slope, for a decade.
        slope: Standard deviation of a metric's slope about it, relative to it, for a decade.
        discrepancy: Standard deviation of the discrepancy, in units, for a decade.
        lengthscale: Logarithm of the lengthscale of the discrepancy, as its kernel takes it.
        noise: Standard deviation of a run's noise, in units, ``k x m``; ``m`` may be 1 where metrics share it.
    """

    ratio: Tensor
    slope: Tensor
    discrepancy: Tensor
    lengthscale: Tensor
    noise: Tensor

    def over(self, decades: float) -> tuple[Tensor, Tensor, Tensor]:
        """Expected slope, variance of slopes and variance of the discrepancy ``k x 1 x 1 x 1`` over some decades.

        Down a scale the expected slope is the inverse; what is not known grows with the distance either way.
        """
        ratio, distance = (self.ratio * decades).exp(), abs(decades)
        parts = (ratio, (ratio * self.slope).square() * distance, self.discrepancy.square() * distance)
        return tuple(part[:, None, None, None] for part in parts)  # type: ignore[return-value]


class Seen(NamedTuple):
    """A step that its runs have conditioned.

    Attributes:
        pivot: ``k x m``, what is taken from the scale before, ahead of its slope.
        level: ``k x m`` expected levels.
        centred: ``k x m x p`` means of the scale before, less the pivot, at the runs of all larger scales.
        factor: ``k x m x n x n`` of the covariance of this scale's runs, noise included.
        there: ``m x n``, which metrics there are.
        alpha: ``k x m x n``, what covariances are multiplied by in the mean.
        explained: ``k x m x n x p`` covariances with the runs of all larger scales, divided by the factor.
        after: ``k x m x n`` means at this scale's runs.
        left: ``k x m x n`` variances there.
    """

    pivot: Tensor
    level: Tensor
    centred: Tensor
    factor: Tensor
    there: Tensor
    alpha: Tensor
    explained: Tensor
    after: Tensor
    left: Tensor

    def leave_one_out(self, targets: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Each of the step's runs predicted from the others and the scales before, ``k x m x n``, noise included.

        Args:
            targets: ``m x n``, NaN where missing; there the prediction is that from all runs.
            noise: ``k x m`` standard deviations of a run's noise.
        """
        inverse = inverse_diagonal(self.factor)
        mean = torch.where(self.there, targets - self.alpha / inverse, self.after)
        return mean, torch.where(self.there, 1.0 / inverse, self.left + noise.square().unsqueeze(-1))


def conditioned(
    steps: Sequence[Step], mean: Tensor, covariance: Tensor, kernel: Tensor, links: Links
) -> tuple[list[Seen], Tensor]:
    """Condition all steps on their runs.

    Args:
        steps: Steps from the first scale on.
        mean: ``m x p`` means of the smallest scale at the runs of all larger ones, in units.
        covariance: ``m x p x p`` covariance of the same.
        kernel: ``k x m x p x p`` covariance of a discrepancy of variance one; ``m`` may be 1 where metrics share it.
        links: Hyperparameters.

    Returns:
        The steps, and ``k x m`` log densities of their runs.
    """
    found, k = [], len(kernel)
    mean, covariance = mean.expand(k, *mean.shape), covariance.expand(k, *covariance.shape)
    total = mean.new_zeros(k, mean.shape[1])
    for step in steps:
        ratio, slopes, discrepancy = links.over(step.decades)
        pivot = mean.mean(dim=-1) if mean.shape[-1] else mean.new_zeros(mean.shape[:2])
        level = pivot + step.shift
        centred = mean - pivot.unsqueeze(-1)
        outer = centred.unsqueeze(-1) * centred.unsqueeze(-2)
        within = (ratio.square() + slopes) * covariance + slopes * outer + discrepancy * kernel
        within = within + step.spread.square()[:, None, None]
        mean = level.unsqueeze(-1) + ratio.squeeze(-1) * centred
        rows, there = step.rows, ~step.targets.isnan()
        own = within[..., rows, :]
        noise = links.noise.square().unsqueeze(-1).expand(k, *there.shape)
        factor = noisy_factor(own[..., rows], noise, there.expand(k, *there.shape))
        residual = torch.where(there, step.targets - mean[..., rows], 0.0)
        alpha = torch.cholesky_solve(residual.unsqueeze(-1), factor).squeeze(-1)
        explained = torch.linalg.solve_triangular(factor, own * there.unsqueeze(-1), upper=False)
        log_determinant = factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
        total = total - 0.5 * (residual * alpha).sum(dim=-1) - log_determinant
        total = total - 0.5 * math.log(2.0 * math.pi) * there.sum(dim=-1)
        mean = mean + (explained.mT @ _halved(factor, residual)).squeeze(-1)
        covariance = within - explained.mT @ explained
        left = covariance.diagonal(dim1=-2, dim2=-1)[..., rows].clamp_min(0.0)
        found.append(Seen(pivot, level, centred, factor, there, alpha, explained, mean[..., rows], left))
    return found, total


def _halved(factor: Tensor, residual: Tensor) -> Tensor:
    halved: Tensor = torch.linalg.solve_triangular(factor, residual.unsqueeze(-1), upper=False)
    return halved


class Start(NamedTuple):
    """What the smallest scale's runs say of some mixtures, in units.

    Attributes:
        mean: ``batch x m x q``.
        covariance: ``batch x m x q x q``.
        shared: ``batch x m x q x p`` covariances with the mixtures of all runs of larger scales.
    """

    mean: Tensor
    covariance: Tensor
    shared: Tensor


def predicted(
    steps: Sequence[Step],
    seen: Sequence[Seen],
    links: Links,
    start: Start,
    kernels: Callable[[], tuple[Tensor, Tensor]],
    wanted: Sequence[int],
) -> tuple[Tensor, Tensor]:
    """Means and covariances of some mixtures at some scales, given the runs of all scales.

    What is wanted of a scale that is not the last is carried along, for the runs of larger ones tell of it, too.

    Args:
        steps: The steps.
        seen: The same, conditioned.
        links: ``k`` hyperparameters of each.
        start: What the smallest scale says of the mixtures.
        kernels: Gives covariances ``batch x k x m x q x q`` and ``batch x k x m x q x p`` of a discrepancy of variance
            one.
        wanted: Numbers of the scales, ascending; 0 is the smallest.

    Returns:
        Means ``batch x k x m x (w q)`` and covariances ``batch x k x m x (w q) x (w q)``, one scale after the other.
    """
    k, q = len(links.noise), start.mean.shape[-1]
    mean, covariance, shared = (part.unsqueeze(-part_dim) for part, part_dim in zip(start, (3, 4, 4), strict=True))
    shape = (*mean.shape[:-3], k, *mean.shape[-2:])
    mean, covariance = mean.expand(shape), covariance.expand(*shape, q)
    shared = shared.expand(*shape, shared.shape[-1])
    kept = 0
    # Rows of what is carried along stand before the q rows of the scale that has been come to.
    for number in range(len(steps) + 1):
        if number:
            step, given = steps[number - 1], seen[number - 1]
            if number <= wanted[-1]:
                mean, covariance, shared = _onward(step, given, links, mean, covariance, shared, kernels, kept)
            else:
                shared = links.over(step.decades)[0] * shared
            if len(step.rows):
                mean, covariance, shared = _told(step, given, mean, covariance, shared)
        if number in wanted[:-1]:
            mean, covariance, shared = _copied(mean, covariance, shared, q)
            kept += 1
    return mean, covariance


def _onward(
    step: Step,
    given: Seen,
    links: Links,
    mean: Tensor,
    covariance: Tensor,
    shared: Tensor,
    kernels: Callable[[], tuple[Tensor, Tensor]],
    kept: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """The last ``q`` rows at the next scale, before its runs are looked at; those that are carried along stay."""
    q = covariance.shape[-1] // (kept + 1)
    ratio, slopes, discrepancy = links.over(step.decades)
    within, across = kernels()
    now = slice(kept * q, None)
    centred = mean[..., now] - given.pivot.unsqueeze(-1)
    level = step.spread.square()[:, None, None]
    there = given.centred.unsqueeze(-2)
    factor = ratio.square() + slopes
    new_mean = given.level.unsqueeze(-1) + ratio.squeeze(-1) * centred
    outer = centred.unsqueeze(-1) * centred.unsqueeze(-2)
    new = factor * covariance[..., now, now] + slopes * outer + discrepancy * within + level
    new_shared = factor * shared[..., now, :] + slopes * (centred.unsqueeze(-1) * there)
    new_shared = new_shared + discrepancy * across + level
    if not kept:
        return new_mean, new, new_shared
    before = slice(0, kept * q)
    between = ratio * covariance[..., before, now]
    top = torch.cat([covariance[..., before, before], between], dim=-1)
    return (
        torch.cat([mean[..., before], new_mean], dim=-1),
        torch.cat([top, torch.cat([between.mT, new], dim=-1)], dim=-2),
        torch.cat([ratio * shared[..., before, :], new_shared], dim=-2),
    )


def _told(step: Step, given: Seen, mean: Tensor, covariance: Tensor, shared: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All rows after the runs of a scale have been looked at."""
    own = shared[..., step.rows] * given.there.unsqueeze(-2)
    batch, rows = own.shape[:-4], own.shape[-2]
    # One solve for all points: broadcasting would copy the factor for each of them.
    flat = own.reshape(-1, *own.shape[-4:]).permute(1, 2, 4, 0, 3).flatten(-2)
    solved = torch.linalg.solve_triangular(given.factor, flat, upper=False)
    explained = solved.unflatten(-1, (-1, rows)).permute(3, 0, 1, 2, 4).reshape(*batch, *solved.shape[:-1], rows)
    mean = mean + torch.einsum("...kmqn,kmn->...kmq", own, given.alpha)
    told = torch.einsum("...kmnq,kmnp->...kmqp", explained, given.explained)
    return mean, covariance - explained.mT @ explained, shared - told


def _copied(mean: Tensor, covariance: Tensor, shared: Tensor, q: int) -> tuple[Tensor, Tensor, Tensor]:
    """The last ``q`` rows once more, to be carried along."""
    mean = torch.cat([mean, mean[..., -q:]], dim=-1)
    covariance = torch.cat([covariance, covariance[..., -q:]], dim=-1)
    covariance = torch.cat([covariance, covariance[..., -q:, :]], dim=-2)
    return mean, covariance, torch.cat([shared, shared[..., -q:, :]], dim=-2)
