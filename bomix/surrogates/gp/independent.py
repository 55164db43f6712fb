"""Gaussian processes over the mixture, one per metric, and what their errors have in common.

A metric may be described by several families of covariances; its belief is their mixture, ``share`` of each. The
correlation between metrics, which separate processes say nothing about, comes from leave-one-out residuals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from botorch.exceptions.errors import UnsupportedError
from botorch.models.model import FantasizeMixin

from bomix.numerics.cholesky import relative_factor
from bomix.numerics.moments import mixture_moments
from bomix.surrogates.cross_validation.correlation import joint_covariance, shrunk_correlation
from bomix.surrogates.models.joint import HeldOut, JointModel

if TYPE_CHECKING:
    from botorch.sampling.base import MCSampler
    from torch import Tensor

    from bomix.surrogates.gp.exact import ExactGPs


class IndependentGPs(JointModel, FantasizeMixin):  # type: ignore[misc]
    """One Gaussian belief per metric, jointly Gaussian through a fixed correlation.

    Args:
        train_X: ``batch x n x d`` weights.
        train_Y: ``batch' x n x m`` metrics, NaN where missing.
        families: The metrics' posteriors on the standardised scale, one for each family of covariances.
        shares: ``f x m`` share of each family in each metric's belief, sum to one.
        offset: ``m``, added to the standardised scale's outputs.
        scale: ``m``, which multiplies them.
        mean: Inputs to ``batch x n x m``, what the families are corrections of; zero by default.
        learnt: Whether the mean learnt from the runs: leaving one out then has no closed form.
        correlation: ``m x m`` correlation between the metrics; None estimates it from leave-one-out residuals.
        columns: ``batch x n x d`` weights to ``batch x n x p`` inputs of families and mean behind the weights; those of
            the training runs, which may be others, are with the families.
        unseen: Whether those are others: of fits that have not seen the runs.
    """

    def __init__(
        self,
        train_X: Tensor,
        train_Y: Tensor,
        *,
        families: Sequence[ExactGPs],
        shares: Tensor,
        offset: Tensor,
        scale: Tensor,
        mean: Callable[[Tensor], Tensor] | None = None,
        learnt: bool = False,
        correlation: Tensor | None = None,
        columns: Callable[[Tensor], Tensor] | None = None,
        unseen: bool = False,
    ) -> None:
        super().__init__()
        self.train_X, self.train_Y = train_X, train_Y
        self.families, self.shares = tuple(families), shares
        self.offset, self.scale, self._mean, self._learnt = offset, scale, mean, learnt
        self._columns, self._unseen = columns, unseen
        if correlation is None:
            predicted, variance = self._held_out()
            corrections = self._corrections(self._train_inputs, train_Y)
            correlation = shrunk_correlation((corrections - predicted) / variance.sqrt())
        self.correlation = correlation

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return len(self.offset)

    @property
    def batch_shape(self) -> torch.Size:
        """Batch of fantasies; empty for a fitted model."""
        return _broadcast(self.train_X.shape[:-2], self.train_Y.shape[:-2])

    def transform_inputs(self, X: Tensor, input_transform: torch.nn.Module | None = None) -> Tensor:
        """Weights are inputs as they are."""
        return X if input_transform is None else input_transform(X)

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """See :class:`JointModel`; ``noise`` may be the variance ``batch x q x m``, standardised, for fantasies."""
        inputs = self._inputs(X)
        mean, covariance = self._mixed([family.marginals(inputs, noise) for family in self.families])
        if isinstance(noise, torch.Tensor):
            covariance = covariance + torch.diag_embed(noise.mT)
        covariance = covariance * self.scale.square()[:, None, None]
        return self._in_units(mean, self._mean_at(inputs)), joint_covariance(factors(covariance), self.correlation)

    def mean(self, X: Tensor) -> Tensor:
        """See :class:`JointModel`."""
        inputs = self._inputs(X)
        parts = [family.mean(inputs) for family in self.families]
        mixed = sum((self.shares[i].unsqueeze(-1) * part for i, part in enumerate(parts)), start=torch.zeros(()))
        return self._in_units(mixed, self._mean_at(inputs))

    def fitted(self) -> Tensor | None:
        """Means ``n x m`` at the training runs in the metrics' own units.

        None where a run lacks a metric, and where features learnt from the runs: those of the training runs are then
        of fits that have not seen them, and the model says something else of the same mixtures.
        """
        if self._unseen:
            return None
        mixed = torch.zeros(())
        for share, family in zip(self.shares, self.families, strict=True):
            if (part := family.fitted()) is None:
                return None
            mixed = mixed + share.unsqueeze(-1) * part
        return self._in_units(mixed, self._mean_at(self._train_inputs))

    def condition_on_observations(self, X: Tensor, Y: Tensor, noise: Tensor | None = None, **_: Any) -> IndependentGPs:
        """The same hyperparameters with more data, of the model's own noise.

        Args:
            X: ``batch x n' x d`` weights.
            Y: ``batch' x n' x m`` metrics; ``batch'`` may have leading dimensions of fantasies.
            noise: Not supported: the noise of an observation is the model's.
        """
        if noise is not None:
            raise UnsupportedError("IndependentGPs knows one noise per metric; leave out the argument 'noise'")
        X = X.expand(*_broadcast(X.shape[:-2], Y.shape[:-2]), *X.shape[-2:])
        train_X, train_Y = _append(self.train_X, X), _append(self.train_Y, Y)
        inputs = train_X if self._columns is None else _append(self._train_inputs, self._inputs(X))
        return IndependentGPs(
            train_X,
            train_Y,
            families=[family.conditioned(inputs, self._corrections(inputs, train_Y)) for family in self.families],
            shares=self.shares,
            offset=self.offset,
            scale=self.scale,
            mean=self._mean,
            learnt=self._learnt,
            correlation=self.correlation,
            columns=self._columns,
            unseen=self._unseen,
        )

    def fantasize(  # type: ignore[override]
        self, X: Tensor, sampler: MCSampler, **_: Any
    ) -> IndependentGPs:
        """A batch of models, each given a draw of what runs of ``batch x q x d`` mixtures would measure."""
        with torch.no_grad():
            Y = sampler(self.posterior(X, observation_noise=True))
        return self.condition_on_observations(X.expand(*Y.shape[:-2], *X.shape[-2:]), Y)

    def leave_one_out(self) -> HeldOut | None:
        """Each training mixture predicted from the others, hyperparameters and scales as they are.

        None where the mean learnt from the runs.
        """
        if self._learnt:
            return None
        mean, variance = self._held_out()
        sd = self.scale * variance.sqrt().mT
        covariance = sd.unsqueeze(-1) * sd.unsqueeze(-2) * self.correlation
        return HeldOut(self._in_units(mean, self._mean_at(self._train_inputs)), covariance)

    def _held_out(self) -> tuple[Tensor, Tensor]:
        """Means and variances ``batch x m x n`` on the standardised scale."""
        held = [family.leave_one_out() for family in self.families]
        # Each trial is a problem of its own: single points, of variances alone.
        by_trial = [(mean.movedim(-1, 0).unsqueeze(-1), variance.movedim(-1, 0)[..., None, None]) for mean, variance in held]
        mean, variance = self._mixed(by_trial)
        return mean.squeeze(-1).movedim(0, -1), variance[..., 0, 0].movedim(0, -1)

    def _mixed(self, parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Moments of the mixture of families: means ``batch x m x q``, covariances ``batch x m x q x q``."""
        if len(parts) == 1:
            return parts[0]
        means, covariances = (torch.stack(tuple(each)) for each in zip(*parts, strict=True))
        shares = self.shares.reshape(len(parts), *[1] * (means.dim() - 3), -1, 1)
        return mixture_moments(means, covariances, shares)

    @property
    def _train_inputs(self) -> Tensor:
        """``batch x n x (d + p)``."""
        return self.train_X if self._columns is None else self.families[0].X

    def _inputs(self, X: Tensor) -> Tensor:
        """``batch x n x (d + p)`` of ``batch x n x d`` weights."""
        return X if self._columns is None else torch.cat([X, self._columns(X)], dim=-1)

    def _mean_at(self, X: Tensor) -> Tensor:
        """The mean at ``batch x n x (d + p)`` inputs, on the standardised scale."""
        return X.new_zeros(*X.shape[:-1], self.num_outputs) if self._mean is None else self._mean(X)

    def _corrections(self, X: Tensor, Y: Tensor) -> Tensor:
        """``batch x n x m`` metrics as ``batch x m x n`` standardised ones, the mean taken away."""
        return ((Y - self.offset) / self.scale - self._mean_at(X)).mT

    def _in_units(self, corrections: Tensor, mean: Tensor) -> Tensor:
        """The inverse: ``batch x m x n`` to ``batch x n x m``."""
        return self.offset + self.scale * (corrections.mT + mean)


_JITTERS = (1e-9, 1e-7, 1e-5, 1e-3, 1e-1)
"""Shares of the mean variance; repeated points need little more than rounding, a larger first one would be seen in
what is predicted."""


def factors(covariance: Tensor) -> Tensor:
    """Cholesky factors ``batch x m x q x q``; a hair of jitter carries repeated points."""
    return covariance.sqrt() if covariance.shape[-1] == 1 else relative_factor(covariance, _JITTERS)


def _broadcast(first: torch.Size, second: torch.Size) -> torch.Size:
    return torch.Size(torch.broadcast_shapes(first, second))  # type: ignore[no-untyped-call]


def _append(rows: Tensor, more: Tensor) -> Tensor:
    batch = _broadcast(rows.shape[:-2], more.shape[:-2])
    return torch.cat([rows.expand(*batch, *rows.shape[-2:]), more.expand(*batch, *more.shape[-2:])], dim=-2)
