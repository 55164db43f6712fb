"""What a mixture is worth trying for."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from botorch.acquisition.acquisition import AcquisitionFunction
    from botorch.models.model import Model
    from torch import Tensor

    from bomix.posterior.objective import Aggregate


@runtime_checkable
class Acquisition(Protocol):
    """What a mixture is worth trying for. Candidates are named after ``origin``, as a rule the kind.

    ``needs_gradients`` and ``needs_fantasies`` say what the surrogate must declare; strategies compare. One that
    declares ``joint`` gives the values of one random function: a strategy calls it once, on all ``N x 1 x d``
    mixtures that compete, takes the highest of the ``N``, and never asks for a gradient. One that declares
    ``of_fronts`` serves objectives that are trade-offs, and no others.
    """

    origin: ClassVar[str]
    needs_gradients: ClassVar[bool]
    needs_fantasies: ClassVar[bool]

    def build(
        self, model: Model, aggregate: Aggregate, *, X_observed: Tensor, X_pending: Tensor | None, seed: int
    ) -> AcquisitionFunction:
        """Build the function that a strategy maximises over the space.

        Args:
            model: Of all metrics, as a surrogate returns it.
            aggregate: The objective as a function of the model's outputs.
            X_observed: ``n x d`` completed mixtures, ``n > 0``.
            X_pending: ``p x d`` mixtures that are being tried and need no second trial, or None.
            seed: Of every random number in it.

        Returns:
            A function of ``batch x 1 x d`` mixtures; higher is better.
        """
        ...
