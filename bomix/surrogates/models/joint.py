"""What every surrogate of bomix returns: a model that is jointly Gaussian over all metrics at any mixtures."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from botorch.models.model import Model
from botorch.posteriors.gpytorch import GPyTorchPosterior
from gpytorch.distributions import MultitaskMultivariateNormal, MultivariateNormal

from bomix.surrogates.models.wrappers import Wrapper

if TYPE_CHECKING:
    from botorch.acquisition.objective import PosteriorTransform
    from botorch.models.model import Model
    from botorch.posteriors.posterior import Posterior
    from torch import Tensor

    from bomix.surrogates.models.hyperparameter import Hyperparameter


@functools.cache
def _takes_mixtures() -> bool:
    """Whether the transforms of the BoTorch that is installed are given the mixtures too, as they are since 0.17."""
    from botorch.acquisition.objective import PosteriorTransform

    return "X" in inspect.signature(PosteriorTransform.forward).parameters


def transformed(transform: PosteriorTransform, posterior: Posterior, X: Tensor | None) -> Any:
    """A posterior under a transform, which is given the mixtures ``X`` too where BoTorch's are."""
    return transform(posterior, X) if _takes_mixtures() else transform(posterior)


class JointModel(Model, ABC):
    """A Gaussian belief about every metric, with the correlation of metrics and mixtures.

    A model that is a mixture of several (encodings, posterior samples of hyperparameters) gives the Gaussian of the
    mixture's mean and covariance: closed forms of acquisition functions then hold for every model.
    """

    @abstractmethod
    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Mean and covariance.

        Args:
            X: ``batch x q x d`` weights.
            noise: Whether the noise of a new run is part of it.

        Returns:
            ``batch x q x m`` means, and ``batch x (m q) x (m q)`` covariances, the points of the first metric first.
        """

    def mean(self, X: Tensor) -> Tensor:
        """The means alone, ``batch x q x m``, for those who have no use for the rest; see :meth:`moments`."""
        return self.moments(X)[0]

    def towards(self, Z: Tensor) -> Towards:
        """Moments of each metric by itself at any mixtures, together with their covariance with fixed ones.

        Args:
            Z: ``p x d`` weights that stay the same; what does not depend on others is worked out once.

        Returns:
            A function of ``batch x q x d`` weights.
        """
        p = len(Z)

        def moments(X: Tensor) -> MetricMoments:
            q, m = X.shape[-2], self.num_outputs
            both = torch.cat([X, Z.expand(*X.shape[:-2], p, Z.shape[-1])], dim=-2)
            mean, covariance = self.moments(both)
            blocks = covariance.unflatten(-1, (m, q + p)).unflatten(-3, (m, q + p))  # type: ignore[no-untyped-call]
            own = blocks.diagonal(dim1=-4, dim2=-2).movedim(-1, -3)
            return MetricMoments(mean[..., :q, :], own[..., :q, :q], own[..., :q, q:])

        return moments

    def mean_towards(self, Z: Tensor) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """Means of each metric together with their covariance with fixed mixtures, no variances.

        Args:
            Z: ``p x d`` weights that stay the same.

        Returns:
            A function of ``n x d`` weights: means ``n x m`` and covariances ``m x n x p``.
        """
        towards = self.towards(Z)

        def moments(X: Tensor) -> tuple[Tensor, Tensor]:
            told = towards(X.unsqueeze(-2))
            return told.mean.squeeze(-2), told.shared.squeeze(-2).movedim(0, 1)

        return moments

    def prior_covariance(self, X: Tensor, Z: Tensor) -> Tensor | None:
        """Covariance of each metric by itself before any run has told of it, up to a factor of each metric.

        Args:
            X: ``batch x q x d`` weights.
            Z: ``batch x p x d`` weights.

        Returns:
            ``batch x m x q x p``; None where the model has no such covariance.
        """
        return None

    def jointly_with(self, fixed: Tensor) -> Callable[[Tensor], JointRow] | None:
        """The belief at any mixture beside ``s x d`` fixed ones, where there is a faster way than their joint moments.

        Returns:
            A function of ``b x d`` weights, each beside the fixed ones by itself; None where :meth:`moments` of all
            together is the way.
        """
        return None

    def leave_one_out(self) -> HeldOut | None:
        """Each training mixture predicted from the others, where that needs no second fit; else None."""
        return None

    def named_hyperparameters(self, metrics: Sequence[str]) -> list[Hyperparameter]:
        """What the model learnt, by name; nothing unless a model has hyperparameters to tell.

        Args:
            metrics: Names of the ``m`` metrics.
        """
        return []

    def posterior(
        self,
        X: Tensor,
        output_indices: list[int] | None = None,
        observation_noise: bool | Tensor = False,
        posterior_transform: PosteriorTransform | None = None,
    ) -> GPyTorchPosterior:
        """Joint posterior of all metrics.

        Args:
            X: ``batch x q x d`` weights.
            output_indices: The metrics wanted; all by default.
            observation_noise: Whether to add the noise of a new run.
            posterior_transform: Applied to the posterior of the metrics.

        Returns:
            A posterior over ``batch x q x m``.
        """
        if output_indices is not None:
            return self.subset_output(output_indices).posterior(X, None, observation_noise, posterior_transform)
        moments = self.moments(X, observation_noise) if X.numel() else self._no_moments(X, observation_noise)
        posterior = gaussian(*moments)
        return posterior if posterior_transform is None else transformed(posterior_transform, posterior, X)

    def _no_moments(self, X: Tensor, noise: bool | Tensor) -> tuple[Tensor, Tensor]:
        """Moments at an empty batch of mixtures, of the shapes that :meth:`moments` describes."""
        mean, _ = self.moments(_some(X), noise)
        *batch, q, m = *mean.shape[: mean.dim() - X.dim()], *X.shape[:-1], mean.shape[-1]
        return _empty(X, (*batch, q, m)), _empty(X, (*batch, m * q, m * q))

    def subset_output(self, idcs: Sequence[int]) -> JointModel:
        """The model of some metrics, in the order given."""
        return _Subset(self, [int(i) % self.num_outputs for i in idcs])


class MetricMoments(NamedTuple):
    """Moments of each metric by itself, in its own units.

    Attributes:
        mean: ``batch x q x m``.
        covariance: ``batch x m x q x q``.
        shared: ``batch x m x q x p`` covariances with mixtures that are fixed.
    """

    mean: Tensor
    covariance: Tensor
    shared: Tensor


Towards = Callable[["Tensor"], MetricMoments]
"""Moments at ``batch x q x d`` weights, with covariances with fixed ones; see :meth:`JointModel.towards`."""


class _Subset(Wrapper, JointModel):
    """Some metrics of a model, in a given order."""

    def __init__(self, model: JointModel, metrics: list[int]) -> None:
        super().__init__()
        self.model, self._metrics = model, metrics

    @property
    def num_outputs(self) -> int:
        return len(self._metrics)

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        mean, covariance = self.model.moments(X, noise)
        q = X.shape[-2]
        index = torch.tensor([metric * q + point for metric in self._metrics for point in range(q)])
        return mean[..., self._metrics], covariance[..., index, :][..., index]

    def mean(self, X: Tensor) -> Tensor:
        return self.model.mean(X)[..., self._metrics]  # type: ignore[no-any-return]

    def named_hyperparameters(self, metrics: Sequence[str]) -> list[Hyperparameter]:
        names = [""] * self.model.num_outputs
        for metric, name in zip(self._metrics, metrics, strict=True):
            names[metric] = name
        return [each for each in self.model.named_hyperparameters(names) if each.metric]


def mean_at(model: Model, X: Tensor) -> Tensor:
    """What a model expects of every metric at ``n x d`` weights, ``n x m``; differentiable where the model is.

    ``n`` may be zero.
    """
    if not len(X):
        return _empty(X, (0, model.num_outputs))
    points = X.unsqueeze(-2)
    if isinstance(model, JointModel):
        return model.mean(points).squeeze(-2)
    posterior: Any = model.posterior(points)
    return torch.as_tensor(posterior.mean).squeeze(-2)


def gaussian(mean: Tensor, covariance: Tensor) -> GPyTorchPosterior:
    """The posterior of given moments.

    Args:
        mean: ``batch x q x m``.
        covariance: ``batch x (m q) x (m q)``, the points of the first metric first.
    """
    if mean.shape[-1] == 1:
        return GPyTorchPosterior(MultivariateNormal(mean.squeeze(-1), covariance))
    if not mean.numel():
        return GPyTorchPosterior(_NoPoints(mean, covariance))
    return GPyTorchPosterior(MultitaskMultivariateNormal(mean, covariance, interleaved=False))


class _NoPoints(MultitaskMultivariateNormal):  # type: ignore[misc]
    """The distribution of several metrics at no mixtures, which GPyTorch's own constructor cannot reshape.

    Args:
        mean: ``batch x q x m``, empty.
        covariance: ``batch x (m q) x (m q)``.
    """

    def __init__(self, mean: Tensor, covariance: Tensor) -> None:
        self._output_shape, self._interleaved = mean.shape, False
        MultivariateNormal.__init__(self, mean.mT.flatten(-2), covariance)


def _some(X: Tensor) -> Tensor:
    """A batch of uniform mixtures like an empty ``batch x q x d`` one, but for one mixture where it has none."""
    d = X.shape[-1]
    return X.new_full((*(max(1, size) for size in X.shape[:-1]), d), 1.0 / d)


def _empty(X: Tensor, shape: Sequence[int]) -> Tensor:
    """An empty tensor of a shape that depends on an empty batch of mixtures, as gradients ask for."""
    return X.new_zeros(tuple(shape)) + X.sum()


class JointRow(NamedTuple):
    """The belief at each of ``b`` mixtures beside ``s`` fixed ones.

    Attributes:
        mean: ``b x m``.
        across: ``b x m x s x m`` covariances of the metrics at the fixed mixtures with those at the mixture.
        covariance: ``b x m x m`` covariances of the metrics at the mixture.
    """

    mean: Tensor
    across: Tensor
    covariance: Tensor


class HeldOut(NamedTuple):
    """Predictions of new runs at the training mixtures, each by a model that did not see that trial.

    Attributes:
        mean: ``n x m``, in the metrics' own units; a number also where the trial lacks the metric.
        covariance: ``n x m x m`` between the metrics of a trial, the noise of a run included.
    """

    mean: Tensor
    covariance: Tensor
