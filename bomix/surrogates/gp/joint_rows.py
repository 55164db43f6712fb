"""Beliefs at many mixtures, each beside the same few fixed ones, without computing those again for each of them.

An acquisition function with uncertain incumbents asks for one joint belief for each candidate: of the incumbents and
the candidate. All of it but a row is the same every time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from bomix.numerics.cholesky import relative_factor
from bomix.numerics.constants import LEAST_VARIANCE
from bomix.surrogates.models.joint import JointRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from bomix.surrogates.gp.exact import ExactGPs
    from bomix.surrogates.gp.transforms import Transforms

Row = tuple["Tensor", "Tensor", "Tensor"]
"""Of ``b`` mixtures: means ``b x m``, covariances with ``s`` fixed mixtures ``b x m x s``, and variances ``b x m``."""


class JointRows:
    """What :meth:`bomix.surrogates.models.joint.JointModel.jointly_with` returns of Gaussian processes.

    Args:
        families: The metrics' posteriors, one for each family of covariances.
        shares: ``f x m`` share of each family in each metric's belief.
        transforms: From weights and metrics to what the families see, and back.
        correlation: ``m x m`` correlation between the metrics.
        fixed: ``s x d`` mixtures.
        within: ``m x s x s`` covariances of the metrics at the fixed mixtures, standardised.
        jitters: Shares of the mean variance that are added to these until they have Cholesky factors.
    """

    def __init__(
        self,
        families: Sequence[ExactGPs],
        shares: Tensor,
        transforms: Transforms,
        correlation: Tensor,
        fixed: Tensor,
        within: Tensor,
        *,
        jitters: Sequence[float],
    ) -> None:
        with torch.no_grad():
            inputs = transforms.inputs(fixed)
            self._rows = [row_of_family(family, inputs) for family in families]
            self._fixed_means = [family.mean(inputs) for family in families]
            self._root = relative_factor(within, jitters)
        self._shares, self._transforms, self._correlation = shares, transforms, correlation

    def __call__(self, X: Tensor) -> JointRow:
        """The belief at each of ``b x d`` mixtures, beside the fixed ones; differentiable in the mixtures."""
        inputs, scale = self._transforms.inputs(X), self._transforms.scale
        mean, across, variance = self._mixed([row(inputs) for row in self._rows])
        # The last row of the Cholesky factor of all, which the fixed mixtures begin.
        white = torch.linalg.solve_triangular(self._root, across.permute(1, 2, 0), upper=False)
        rest = (variance.mT - white.square().sum(dim=1)).clamp_min(LEAST_VARIANCE).sqrt()
        row = torch.cat([white, rest.unsqueeze(1)], dim=1) * scale[:, None, None]
        root = self._root * scale[:, None, None]
        covariance = torch.einsum("iac,jcb,ij->biaj", root, row[:, :-1], self._correlation)
        own = torch.einsum("icb,jcb,ij->bij", row, row, self._correlation)
        return JointRow(self._transforms.in_units(inputs, mean.mT), covariance, own)

    def _mixed(self, rows: Sequence[Row]) -> Row:
        """Moments of the mixture of families, each metric by itself; the fixed mixtures' deviations are known."""
        means = [mean for mean, _, _ in rows]
        mean = _weighted(self._shares, means)
        fixed = _weighted(self._shares.unsqueeze(-1), self._fixed_means)
        across = _weighted(
            self._shares.unsqueeze(-1),
            [
                covariance + (each - mean).unsqueeze(-1) * (there - fixed)
                for (each, covariance, _), there in zip(rows, self._fixed_means, strict=True)
            ],
        )
        variance = _weighted(self._shares, [within + (each - mean).square() for each, _, within in rows])
        return mean, across, variance


def row_of_family(family: ExactGPs, fixed: Tensor) -> Callable[[Tensor], Row]:
    """The belief of one family at ``b x d`` inputs beside ``s x d`` fixed ones, its draws pooled."""
    fixed_means, between = family.between(fixed)
    centred = fixed_means - fixed_means.mean(dim=0)

    def row(X: Tensor) -> Row:
        means, variances, covariances = between(X)
        mean = means.mean(dim=0)
        off = means - mean
        across = covariances.mean(dim=0) + torch.einsum("dmb,dms->mbs", off, centred) / len(off)
        variance = variances.mean(dim=0) + off.square().mean(dim=0)
        return mean.mT, across.movedim(1, 0), variance.mT

    return row


def _weighted(shares: Tensor, parts: Sequence[Tensor]) -> Tensor:
    return sum((share * part for share, part in zip(shares, parts, strict=True)), start=torch.zeros(()))
