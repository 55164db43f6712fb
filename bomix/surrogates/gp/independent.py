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
from bomix.surrogates.cross_validation.correlation import joint_covariance, shrunk_correlation, with_common_error
from bomix.surrogates.cross_validation.folds import canonical_rows
from bomix.surrogates.gp.exact import ExactGPs
from bomix.surrogates.gp.inducing import InducingGPs, inducing
from bomix.surrogates.gp.shares import stacked_shares
from bomix.surrogates.models.hyperparameter import Hyperparameter
from bomix.surrogates.models.joint import HeldOut, JointModel, JointRow, MetricMoments

if TYPE_CHECKING:
    from botorch.sampling.base import MCSampler
    from torch import Tensor

    from bomix.contracts.covariance import Covariance
    from bomix.surrogates.gp.inputs import GPInputs
    from bomix.surrogates.gp.transforms import Transforms
    from bomix.surrogates.models.joint import Towards


class IndependentGPs(JointModel, FantasizeMixin):  # type: ignore[misc]
    """One Gaussian belief per metric, jointly Gaussian through a fixed correlation.

    Args:
        train_X: ``batch x n x d`` weights.
        train_Y: ``batch' x n x m`` metrics, NaN where missing.
        families: The metrics' posteriors on the standardised scale, one for each family of covariances.
        transforms: From weights and metrics to what the families see, and back.
        shares: ``f x m`` share of each family in each metric's belief, sum to one; equal ones by default.
        correlation: ``m x m`` correlation between the metrics; None estimates it from leave-one-out residuals.
        common: Whether that estimate draws pairs to their mean and adds an error that all share, see
            :mod:`~bomix.surrogates.cross_validation.correlation`.
    """

    def __init__(
        self,
        train_X: Tensor,
        train_Y: Tensor,
        families: Sequence[ExactGPs],
        transforms: Transforms,
        *,
        shares: Tensor | None = None,
        correlation: Tensor | None = None,
        common: bool = False,
    ) -> None:
        super().__init__()
        self.train_X, self.train_Y = train_X, train_Y
        self.families, self.transforms = tuple(families), transforms
        equal = torch.full((len(self.families), self.num_outputs), 1.0 / len(self.families), dtype=torch.float64)
        self.shares = equal if shares is None else shares
        if correlation is None:
            targets = transforms.targets(self.train_inputs, train_Y)
            predicted, variance = self._held_out()
            correlation = shrunk_correlation((targets - predicted) / variance.sqrt(), common=common)
            correlation = with_common_error(correlation, train_X.shape[-2]) if common else correlation
        self.correlation = correlation

    @property
    def offset(self) -> Tensor:
        """``m`` means of the metrics, in their own units."""
        return self.transforms.offset

    @property
    def scale(self) -> Tensor:
        """``m`` standard deviations of the metrics, in their own units."""
        return self.transforms.scale

    @property
    def train_inputs(self) -> Tensor:
        """``batch x n x (d + p)`` weights of the runs, and their extra inputs where there are any."""
        return self.train_X if self.transforms.extra is None else self.families[0].X

    def named_hyperparameters(self, metrics: Sequence[str]) -> list[Hyperparameter]:
        """What the model learnt: for each metric every hyperparameter of every family, on its natural scale.

        Args:
            metrics: Names of the ``m`` metrics.
        """
        return [
            Hyperparameter(metric, name if len(self.families) == 1 else f"{number}.{name}", value, median)
            for column, metric in enumerate(metrics)
            for number, family in enumerate(self.families, 1)
            for name, value, median in family.hyperparameters(column)
        ]

    def with_families(self, families: Sequence[ExactGPs]) -> IndependentGPs:
        """The same runs, transforms and correlation with other posteriors of the metrics."""
        return IndependentGPs(
            self.train_X,
            self.train_Y,
            families,
            self.transforms,
            shares=self.shares,
            correlation=self.correlation,
        )

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return len(self.transforms.offset)

    @property
    def batch_shape(self) -> torch.Size:
        """Batch of fantasies; empty for a fitted model."""
        return _broadcast(self.train_X.shape[:-2], self.train_Y.shape[:-2])

    def transform_inputs(self, X: Tensor, input_transform: torch.nn.Module | None = None) -> Tensor:
        """Weights as BoTorch hands them on; extra inputs are added where moments are computed."""
        return X if input_transform is None else input_transform(X)

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Mean and covariance: a mixture of families for each metric, the errors correlated between metrics.

        Shapes are those of :meth:`JointModel.moments`; ``noise`` may be the variance ``batch x q x m``, standardised,
        for fantasies.
        """
        inputs = self.transforms.inputs(X)
        mean, covariance = self._mixed([family.marginals(inputs, noise) for family in self.families])
        if isinstance(noise, torch.Tensor):
            covariance = covariance + torch.diag_embed(noise.mT)
        covariance = covariance * self.scale.square()[:, None, None]
        return self.transforms.in_units(inputs, mean), joint_covariance(factors(covariance), self.correlation)

    def towards(self, Z: Tensor) -> Towards:
        """Moments of each metric at any mixtures, with their covariance with fixed ones; see :class:`JointModel`."""
        there = self.transforms.inputs(Z)
        parts = [family.towards(there) for family in self.families]
        means_there = [family.marginals(there)[0] for family in self.families]
        units = self.scale.square()[:, None, None]

        def moments(X: Tensor) -> MetricMoments:
            inputs = self.transforms.inputs(X)
            each = [part(inputs) for part in parts]
            mean, covariance = self._mixed([(at, within) for at, within, _ in each])
            shared = each[0][2]
            if len(each) > 1:
                shared, mean_there = torch.zeros(()), self._mixed_means(means_there)
                for share, (at, _, across), fixed in zip(self.shares, each, means_there, strict=True):
                    apiece = (at - mean).unsqueeze(-1) * (fixed - mean_there).unsqueeze(-2)
                    shared = shared + share[:, None, None] * (across + apiece)
            return MetricMoments(self.transforms.in_units(inputs, mean), units * covariance, units * shared)

        return moments

    def mean_towards(self, Z: Tensor) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """Means with covariances with fixed mixtures, nothing solved; see :class:`JointModel`."""
        there = self.transforms.inputs(Z)
        functions = [family.mean_towards(there) for family in self.families]

        def moments(X: Tensor) -> tuple[Tensor, Tensor]:
            inputs = self.transforms.inputs(X)
            parts = [function(inputs) for function in functions]
            shares = torch.cat(
                [(s / len(at)).expand(len(at), -1) for s, (at, _, _) in zip(self.shares, parts, strict=True)]
            )
            at, shared, fixed = (torch.cat(each) for each in zip(*parts, strict=True))
            mean, middle = ((shares.unsqueeze(-1) * each).sum(dim=0) for each in (at, fixed))
            # Means that differ between the components of a mixture covary, too.
            covariance = torch.einsum("sm,smnp->mnp", shares, shared)
            moved = torch.einsum("sm,smn,smp->mnp", shares, at - mean, fixed - middle)
            scale = self.scale.square()[:, None, None]
            return self.transforms.in_units(inputs, mean), scale * (covariance + moved)

        return moments

    def prior_covariance(self, X: Tensor, Z: Tensor) -> Tensor:
        """Covariance of each metric before any run, families by their shares; see :class:`JointModel`."""
        here, there = self.transforms.inputs(X), self.transforms.inputs(Z)
        parts = [family.prior_covariance(here, there) for family in self.families]
        return sum(
            (share[:, None, None] * part for share, part in zip(self.shares, parts, strict=True)),
            start=torch.zeros((), dtype=torch.float64),
        )

    def mean(self, X: Tensor) -> Tensor:
        """The means alone, ``batch x q x m``; nothing is solved."""
        inputs = self.transforms.inputs(X)
        return self.transforms.in_units(inputs, self._mixed_means([family.mean(inputs) for family in self.families]))

    def jointly_with(self, fixed: Tensor) -> Callable[[Tensor], JointRow] | None:
        """The belief at any mixture beside ``s x d`` fixed ones; None of a batch of fantasies."""
        from bomix.surrogates.gp.joint_rows import JointRows

        if self.batch_shape:
            return None
        inputs = self.transforms.inputs(fixed)
        _, within = self._mixed([family.marginals(inputs) for family in self.families])
        return JointRows(self.families, self.shares, self.transforms, self.correlation, fixed, within, jitters=_JITTERS)

    def fitted(self) -> Tensor | None:
        """Means ``n x m`` at the training runs in the metrics' own units.

        None where a run lacks a metric, and where features learnt from the runs: those of the training runs are then
        of fits that have not seen them, and the model says something else of the same mixtures.
        """
        if self.transforms.extra_held_out:
            return None
        mixed = torch.zeros(())
        for share, family in zip(self.shares, self.families, strict=True):
            if (part := family.fitted()) is None:
                return None
            mixed = mixed + share.unsqueeze(-1) * part
        return self.transforms.in_units(self.train_inputs, mixed)

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
        inputs = train_X
        if self.transforms.extra is not None:
            inputs = _append(self.train_inputs, self.transforms.inputs(X))
        targets = self.transforms.targets(inputs, train_Y)
        return IndependentGPs(
            train_X,
            train_Y,
            [family.conditioned(inputs, targets) for family in self.families],
            self.transforms,
            shares=self.shares,
            correlation=self.correlation,
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
        if self.transforms.mean_learnt:
            return None
        mean, variance = self._held_out()
        sd = self.scale * variance.sqrt().mT
        covariance = sd.unsqueeze(-1) * sd.unsqueeze(-2) * self.correlation
        return HeldOut(self.transforms.in_units(self.train_inputs, mean), covariance)

    def _held_out(self) -> tuple[Tensor, Tensor]:
        """Means and variances ``batch x m x n`` on the standardised scale."""
        held = [family.leave_one_out() for family in self.families]
        # Each trial is a problem of its own: single points, of variances alone.
        by_trial = [
            (mean.movedim(-1, 0).unsqueeze(-1), variance.movedim(-1, 0)[..., None, None]) for mean, variance in held
        ]
        mean, variance = self._mixed(by_trial)
        return mean.squeeze(-1).movedim(0, -1), variance[..., 0, 0].movedim(0, -1)

    def _mixed_means(self, parts: Sequence[Tensor]) -> Tensor:
        """Means ``batch x m x q`` of the mixture of families."""
        return sum((self.shares[i].unsqueeze(-1) * part for i, part in enumerate(parts)), start=torch.zeros(()))

    def _mixed(self, parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Moments of the mixture of families: means ``batch x m x q``, covariances ``batch x m x q x q``."""
        if len(parts) == 1:
            return parts[0]
        means, covariances = [mean for mean, _ in parts], [covariance for _, covariance in parts]
        shares = self.shares.reshape(len(parts), *[1] * (means[0].dim() - 2), -1, 1)
        return mixture_moments(means, covariances, shares)


def posterior(
    inputs: GPInputs,
    theta: Sequence[Tensor],
    *,
    correlated: bool = True,
    stacked: bool = False,
    common: bool = False,
) -> IndependentGPs:
    """The model that hyperparameters make of runs.

    Args:
        inputs: Runs and families of covariances.
        theta: For each family ``s x m x p`` draws of its hyperparameters.
        correlated: Whether the errors of the metrics go together.
        stacked: Whether left-out runs weigh the families; else all have equal shares.
        common: Whether correlations between metrics are drawn to their mean, see :class:`IndependentGPs`.
    """
    with torch.no_grad():
        families = [
            _family(inputs, covariance, draws, sum(each.shape[0] for each in theta))
            for covariance, draws in zip(inputs.covariances, theta, strict=True)
        ]
        correlation = None if correlated else torch.eye(inputs.context.m, dtype=torch.float64)
        shares = stacked_shares(families) if stacked and len(families) > 1 else None
        return IndependentGPs(
            inputs.train_X,
            inputs.train_Y,
            families,
            inputs.transforms,
            shares=shares,
            correlation=correlation,
            common=common,
        )


def _family(inputs: GPInputs, covariance: Covariance, theta: Tensor, draws: int) -> ExactGPs:
    """The posterior under one family, ``draws`` in all families together; through some of the runs where many."""
    count = inducing(len(inputs.X), draws * inputs.context.m)
    if count is None:
        return ExactGPs(covariance, inputs.noise, theta, inputs.X, inputs.targets, known=inputs.known_noise)
    # Evenly spaced in an order that the order of the record does not enter.
    order = torch.as_tensor(canonical_rows(inputs.train_X.numpy(), inputs.train_Y.numpy()))
    rows = order[torch.linspace(0, len(order) - 1, count).round().long()]
    known = inputs.known_noise
    return InducingGPs(covariance, inputs.noise, theta, inputs.X, inputs.targets, rows=rows, known=known)


_JITTERS = (1e-9, 1e-7, 1e-5, 1e-3, 1e-1)
"""Shares of the mean variance; repeated points need little more than rounding, a larger first one would be seen in
what is predicted."""


def factors(covariance: Tensor) -> Tensor:
    """Cholesky factors ``batch x m x q x q``; a little jitter where points repeat one another."""
    return covariance.sqrt() if covariance.shape[-1] == 1 else relative_factor(covariance, _JITTERS)


def _broadcast(first: torch.Size, second: torch.Size) -> torch.Size:
    return torch.Size(torch.broadcast_shapes(first, second))  # type: ignore[no-untyped-call]


def _append(rows: Tensor, more: Tensor) -> Tensor:
    batch = _broadcast(rows.shape[:-2], more.shape[:-2])
    return torch.cat([rows.expand(*batch, *rows.shape[-2:]), more.expand(*batch, *more.shape[-2:])], dim=-2)
