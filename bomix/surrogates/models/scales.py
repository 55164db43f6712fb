"""What a surrogate returns that learnt from runs of several scales: a model of the target, aware of the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from bomix.surrogates.models.joint import JointModel

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.scale import Scale


class MultiScaleModel(JointModel, ABC):
    """A Gaussian belief about every metric at the target's scale, and about how runs of other scales tell of it.

    Its moments are those at the target, as of every model of the study.

    Attributes:
        target: The scale that its moments are of.
        scales: Every scale that it can be asked about, the one modelled by itself first, the target
            among them.
        share: Share of what is believed at the target that comes from all scales, the rest being that of its runs
            alone, as held-out runs of it say; None where the two were not compared.
    """

    target: Scale
    scales: tuple[Scale, ...]
    share: float | None = None

    @abstractmethod
    def at(self, scale: Scale) -> JointModel:
        """The same belief about the metrics at another scale, the noise of a run there included where it is asked for.

        Args:
            scale: One of :attr:`scales`; for the target the model itself.
        """

    @abstractmethod
    def across(self, X: Tensor, Z: Tensor, scale: Scale) -> Tensor:
        """Covariance of the metrics at the target with those at another scale, no noise in either.

        Args:
            X: ``batch x q x d`` weights, at the target.
            Z: ``batch x p x d`` weights, at ``scale``.
            scale: One of :attr:`scales`.

        Returns:
            ``batch x (m q) x (m p)``, the mixtures of the first metric first.
        """
