"""Gaussian processes of many runs, seen through some of them: time in proportion to the runs, memory not at all.

A process is known by its values ``u`` at ``c`` of the ``n`` runs, the inducing ones; what all runs say of ``u`` is
computed without approximation, and elsewhere the process is what ``u`` makes of it [Quinonero2005]_ (there:
deterministic training conditional). With ``L L^T = K_cc``, ``V = L^-1 K_cn``, noise ``N`` and ``B = I + V N^-1 V^T``,

    E f(x)   = mu + k_c(x)^T L^-T B^-1 V N^-1 (y - mu),
    var f(x) = k(x, x) - k_c(x)^T (K_cc^-1 - L^-T B^-1 L^-1) k_c(x).

All runs inducing, this is the exact process; a run more than that changes little. What inducing runs cannot tell
stays in the variance.

References:
    [Quinonero2005] A unifying view of sparse approximate Gaussian process regression.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from botorch.exceptions.errors import UnsupportedError

from bomix.numerics.cholesky import relative_factor
from bomix.numerics.chunks import chunks, rows_within
from bomix.numerics.constants import TINY
from bomix.surrogates.gp.exact import ExactGPs, squares

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from bomix.contracts.covariance import Covariance
    from bomix.surrogates.gp.likelihood import Noise

EXACT_UP_TO = 768
"""Runs up to which every run counts as it is, and inducing runs beyond. On 3,000 runs of two metrics, errors of the
less smooth family's mean (standardised) were 0.049 and 0.070 exactly, 0.052 and 0.072 with 1,024 inducing runs, 0.059
and 0.075 with 512, 0.071 and 0.081 if the other runs than 1,024 were left out; of the smoother family the first three
were the same."""
FACTORS = 100_000_000
"""Entries of all processes' factors, 0.8 GB, beyond which fewer runs are inducing."""
_FEWEST = 128
"""Inducing runs that there are at least, however many the processes."""
_JITTERS = (1e-8, 1e-6, 1e-4, 1e-2)
"""Shares of the variance added to that of the inducing runs, where two runs are nearly one; the least noise is 1e-4."""


def inducing(n: int, processes: int) -> int | None:
    """How many of ``n`` runs are inducing where so many processes are fitted; None for exact processes."""
    if n <= EXACT_UP_TO and processes * n**2 <= FACTORS:
        return None
    count = max(_FEWEST, min(EXACT_UP_TO, math.isqrt(FACTORS // (2 * processes))))
    return count if count < n else None


class _Process(NamedTuple):
    """What ``n`` runs say of one process through ``c`` inducing ones.

    Attributes:
        root: ``c x c``, ``L`` at the head of the module.
        known: ``c x c``, the factor of ``B``.
        mean: The constant mean.
        alpha: ``c``, what covariances with the inducing runs are multiplied by in the mean.
        fitted: ``n`` means at the runs.
        surprise: ``n``, ``(K + noise)^-1`` times the targets less the mean, zero where missing.
        ones: ``n``, the same of ones.
        precision: ``n``, the diagonal of ``(K + noise)^-1``, zero where missing.
        left: ``n`` variances of the process at the runs that inducing runs do not tell.
        known_there: ``n`` variances at the runs of what they do tell.
    """

    root: Tensor
    known: Tensor
    mean: Tensor
    alpha: Tensor
    fitted: Tensor
    surprise: Tensor
    ones: Tensor
    precision: Tensor
    left: Tensor
    known_there: Tensor

    @classmethod
    def of(cls, within: Tensor, across: Tensor, variance: Tensor, weight: Tensor, target: Tensor) -> _Process:
        """Condition one process on all runs.

        Args:
            within: ``c x c`` covariance of the inducing runs.
            across: ``c x n`` covariance of these with all runs.
            variance: ``n`` prior variances.
            weight: ``n``, one over the variance of a run's noise, zero where its metric is missing.
            target: ``n``, zero where missing.
        """
        root = relative_factor(within, _JITTERS)
        V = torch.linalg.solve_triangular(root, across, upper=False)
        B = (V * weight) @ V.mT
        B.diagonal().add_(1.0)
        known = torch.linalg.cholesky(B)
        W = torch.linalg.solve_triangular(known, V, upper=False)
        told = W @ torch.stack([weight * target, weight], dim=-1)
        solved = weight.unsqueeze(-1) * (torch.stack([target, torch.ones_like(target)], dim=-1) - W.mT @ told)
        mean = solved[:, 0].sum() / solved[:, 1].sum().clamp_min(TINY)
        alpha = torch.linalg.solve_triangular(known.mT, (told[:, :1] - mean * told[:, 1:]), upper=True)
        alpha = torch.linalg.solve_triangular(root.mT, alpha, upper=True).squeeze(-1)
        there = W.square().sum(dim=0)
        return cls(
            root,
            known,
            mean,
            alpha,
            fitted=mean + W.mT @ (told[:, 0] - mean * told[:, 1]),
            surprise=solved[:, 0] - mean * solved[:, 1],
            ones=solved[:, 1],
            precision=weight - weight.square() * there,
            left=(variance - V.square().sum(dim=0)).clamp_min(0.0),
            known_there=there,
        )


class InducingGPs(ExactGPs):
    """The posterior of ``m`` metrics of many runs under one family of covariances.

    Args:
        covariance: The family.
        noise: The noise of a run.
        theta: ``s x m x p`` hyperparameters, those of the noise last.
        X: ``n x d`` inputs.
        targets: ``m x n`` standardised metrics, NaN where missing.
        rows: ``c`` runs that are inducing.
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
        rows: Tensor,
        known: Tensor | None = None,
    ) -> None:
        self._rows = rows
        super().__init__(covariance, noise, theta, X, targets, known=known)

    def fitted(self) -> Tensor | None:
        """Means ``m x n`` at the training runs."""
        return self._by_draw(self._at_runs.fitted, -2).mean(dim=-3)

    def leave_one_out(self) -> tuple[Tensor, Tensor]:
        """Predictions of each run from the others, ``m x n`` means and variances; see :class:`ExactGPs`."""
        at, noise = self._at_runs, self._variances
        precision = at.precision.clamp_min(TINY)
        # The constant mean was fitted to every run: taken out of the precision, it is fitted to the others.
        total = at.ones.sum(dim=-1, keepdim=True).clamp_min(TINY)
        residual = at.surprise / (precision - at.ones.square() / total).clamp_min(TINY)
        mean = torch.where(self._seen, self._repeated(self.targets) - residual, at.fitted)
        variance = at.left + torch.where(self._seen, 1.0 / precision, at.known_there + noise)
        mean, variance = self._by_draw(mean, -2), self._by_draw(variance, -2)
        pooled = mean.mean(dim=-3)
        return pooled, variance.mean(dim=-3) + (mean - pooled.unsqueeze(-3)).square().mean(dim=-3)

    def with_theta(self, theta: Tensor) -> ExactGPs:
        """The posterior of the same data with other hyperparameters, ``s x m x p``."""
        known = self.known
        return InducingGPs(self.covariance, self.noise, theta, self.X, self.targets, rows=self._rows, known=known)

    def conditioned(self, X: Tensor, targets: Tensor) -> ExactGPs:
        """Not offered: a copy of the factors for every fantasy would not fit."""
        raise UnsupportedError(
            f"{self.X.shape[-2]} runs are too many for fantasies, which copy all factors; an acquisition function "
            f"that needs none serves beyond {EXACT_UP_TO} runs"
        )

    @property
    def _runs(self) -> Tensor:
        return self.X[self._rows]

    def _solved(self, targets: Tensor, means: Tensor | None) -> Tensor:
        """Condition one process after the other; see :class:`ExactGPs`."""
        weights = torch.where(self._seen, 1.0 / self._variances, 0.0)
        prior = self.covariance.diagonal(self._kernel_theta, self.X.unsqueeze(-3)).expand(weights.shape)
        Z, c = self._runs, len(self._rows)
        found = []
        for row in range(len(weights)):
            metric, theta = torch.tensor([row % self._metrics]), self._kernel_theta[row : row + 1]
            parts = [
                self.covariance(theta, Z.unsqueeze(-3), part.unsqueeze(-3), rows=metric).expand(1, c, len(part))[0]
                for part in (Z, *chunks(self.X, rows=rows_within(c)))
            ]
            across = torch.cat(parts[1:], dim=-1)
            target = targets[row].nan_to_num(0.0)
            found.append(_Process.of(parts[0], across, prior[row], weights[row], target))
        self._at_runs = _stacked(found)
        self._factor, self._known, self._alpha = self._at_runs.root, self._at_runs.known, self._at_runs.alpha
        self._flat_means = self._at_runs.mean.unsqueeze(-1)
        return self._at_runs.mean.reshape(self._draws, self._metrics)

    def _towards_runs(self) -> Callable[[Tensor], Tensor]:
        return self.covariance.towards(self._kernel_theta, self._runs.unsqueeze(-3))

    def _explained(self, across: Tensor) -> Tensor:
        """Covariances with the inducing runs divided by both factors, one above the other, ``b x 2 c x q``."""
        first = super()._explained(across)
        return torch.cat([first, torch.linalg.solve_triangular(self._known, first, upper=False)], dim=-2)

    def _taken(self, explained: Tensor) -> Tensor:
        """The covariance ``(...) x q x q`` of ``q`` points that the runs explain."""
        first, second = explained.chunk(2, dim=-2)
        return squares(first) - squares(second)

    def _signed(self, explained: Tensor) -> Tensor:
        """The same with the signs that its products with ``explained`` have in what the runs explain."""
        first, second = explained.chunk(2, dim=-2)
        return torch.cat([first, -second], dim=-2)

    def _weights(self, explained: Tensor) -> Tensor:
        """What covariances with the inducing runs are multiplied by for the part that they explain."""
        first, second = explained.chunk(2, dim=-2)
        return super()._weights(first - torch.linalg.solve_triangular(self._known.mT, second, upper=True))

    def _without_missing(self, across: Tensor) -> Tensor:
        """Inducing runs count whatever they lack: it is their mixtures that matter."""
        return across


def _stacked(processes: Sequence[_Process]) -> _Process:
    """``b`` processes as one batch."""
    return _Process(*(torch.stack(parts) for parts in zip(*processes, strict=True)))
