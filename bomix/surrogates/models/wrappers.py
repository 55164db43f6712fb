"""Bases of models that stand on another one and change some of what it says; everything else is passed on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from botorch.sampling.base import MCSampler
    from torch import Tensor

    from bomix.surrogates.models.hyperparameter import Hyperparameter


class Wrappable(Protocol):
    """What a wrapper needs of its model, see :class:`bomix.surrogates.models.joint.JointModel`."""

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        ...

    @property
    def batch_shape(self) -> torch.Size:
        """Batch of fantasies; empty for a fitted model."""
        ...

    def mean(self, X: Tensor) -> Tensor:
        """The means alone, ``batch x q x m``."""
        ...

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Mean and covariance."""
        ...

    def named_hyperparameters(self, metrics: Sequence[str]) -> list[Hyperparameter]:
        """What the model learnt, by name."""
        ...


class Wrapper:
    """A model that stands on another and says the same; a subclass changes what is different.

    Attributes:
        model: The other model.
    """

    model: Any

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return self._wrapped.num_outputs

    @property
    def batch_shape(self) -> torch.Size:
        """Batch of fantasies; empty for a fitted model."""
        return self._wrapped.batch_shape

    def mean(self, X: Tensor) -> Tensor:
        """The means alone, ``batch x q x m``, at ``batch x q x d`` weights."""
        return self._wrapped.mean(X)

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Mean and covariance, as of :meth:`bomix.surrogates.models.joint.JointModel.moments`."""
        return self._wrapped.moments(X, noise)

    def named_hyperparameters(self, metrics: Sequence[str]) -> list[Hyperparameter]:
        """What the model learnt, by name."""
        return self._wrapped.named_hyperparameters(metrics)

    @property
    def _wrapped(self) -> Wrappable:
        wrapped: Wrappable = self.model
        return wrapped


class FantasizingWrapper(Wrapper):
    """A wrapper that takes more data, where its model takes any."""

    def condition_on_observations(self, X: Tensor, Y: Tensor, **options: Any) -> Any:
        """The model with more data: ``batch x n' x d`` weights and ``batch' x n' x m`` metrics."""
        return self.model.condition_on_observations(X, Y, **options)

    def fantasize(self, X: Tensor, sampler: MCSampler, **options: Any) -> Any:
        """A batch of models, each given a draw of what runs of ``batch x q x d`` mixtures would measure."""
        return self.model.fantasize(X, sampler, **options)
