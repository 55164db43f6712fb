"""Surrogates that model the smallest scale by any surrogate, and the runs of all others after it in one way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bomix.contracts.surrogate import Surrogate, SurrogateTraits
from bomix.contracts.traits import traits
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.scales.spec import first_surrogate

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext
    from bomix.errors import Fault
    from bomix.surrogates.scales.fitting import Start


@dataclass(frozen=True)
class AfterFirst(ABC):
    """A surrogate across scales whose one field is that of the smallest scale.

    Attributes:
        of: Surrogate of the smallest scale; None takes the one that ``multi_scale`` takes.
    """

    of: Surrogate | None = None

    across_scales: ClassVar[bool] = True
    fantasizes: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields: nothing can be."""
        return []

    @property
    def differentiable(self) -> bool:
        """Whether the surrogate of the smallest scale is."""
        return traits(self.of or GP(), SurrogateTraits).differentiable

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit the smallest scale, then all others; see :meth:`bomix.contracts.surrogate.Surrogate.fit`.

        Where rows are of one scale and nothing else is asked for, that is the surrogate of that scale alone.

        Raises:
            FitError: The surrogate of the smallest scale is none that others could follow, or scales differ in what
                the model does not know.
        """
        return self.fit_after(None, data, context=context, seed=seed)

    def fit_after(self, before: Start | None, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """The same, with a model of the smallest scale that was fitted before, where its runs are the same."""
        first = first_surrogate(self.of, context)
        if context.target is None:
            return first.fit(data, context=context, seed=seed)
        return self._fit_others(first, before, data, context=context, seed=seed)

    @abstractmethod
    def _fit_others(
        self, first: Surrogate, before: Start | None, data: SupervisedDataset, *, context: FitContext, seed: int
    ) -> Model:
        """The model of all scales; arguments as those of the functions ``fit`` of the modules that make one."""
