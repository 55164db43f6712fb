"""What a Gaussian process is corrected from: a law, or any feature per metric, as ``a_j + b_j feature_j(w)``.

``feature_j`` predicts metric ``j`` in its own unit. The slope has the prior ``b_j ~ N(1, slope^2)`` and is integrated
out, which is a linear kernel on the feature; the constant ``a_j`` has its best value. A feature that learns from the
runs is fitted first and then held, and the process learns its errors on runs that it has not seen: its errors on those
that it has are too small, and fitted together with the process it explains everything at few trials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bomix.contracts.mean import Feature
from bomix.errors import Fault
from bomix.laws.own_domain import own_form
from bomix.surrogates.laws.spec import LawName, LawRegression

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext


@dataclass(frozen=True)
class LawMean:
    """A law that is fitted to the runs.

    Attributes:
        form: Name of the law; see :data:`bomix.laws.forms.LAWS`.
        slope: Standard deviation of the prior of ``b``, whose mean is one.
        starts: Starts of the law's fit.
        own: Metric to its own domain, where the names differ.
        uncertain: Whether a process finds the law's parameters together with what the law leaves over, and is as unsure
            of them as the runs leave it; else it takes the best ones for certain.
    """

    form: LawName = "effective_power"
    slope: float = 0.1
    starts: int = 8
    own: Mapping[str, str] | None = None
    uncertain: bool = False

    @property
    def own_alone(self) -> str | None:
        """``form`` where the law sees the weight of a metric's own domain alone."""
        return own_form(self.form)

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return slope_faults(self.slope) + (
            [Fault("starts", f"starts is {self.starts}; give at least 1")] if self.starts < 1 else []
        )

    def feature(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Feature:
        """The law with its best parameters, and predictions of each run by fits to the other folds.

        Arguments are those of :meth:`bomix.contracts.mean.Mean.feature`.
        """
        spec = LawRegression(form=self.form, starts=self.starts, own=self.own)
        model: Any = spec.fit(data, context=context, seed=seed)
        parameters = model.learnt if self.uncertain else None
        return Feature(model.best, model.residuals.predicted, parameters=parameters)


def slope_faults(slope: float) -> list[Fault]:
    """What is wrong with the standard deviation of a slope's prior."""
    return [Fault("slope", f"slope is {slope}; give 0 or more")] if slope < 0 else []


class Standardised:
    """A feature on the standardised scale, ``(feature_j(w) - offset_j) / scale_j``.

    Args:
        feature: ``batch x n x d`` weights to ``batch x n x m``, in the metrics' own units.
        offset: ``m`` means of the metrics, in their own units.
        scale: ``m`` standard deviations of the metrics, in their own units.
    """

    def __init__(self, feature: Callable[[Tensor], Tensor], offset: Tensor, scale: Tensor) -> None:
        self._feature, self._offset, self._scale = feature, offset, scale

    def __call__(self, X: Tensor) -> Tensor:
        """``batch x n x d`` weights to ``batch x n x m``."""
        value: Tensor = (self._feature(X) - self._offset) / self._scale
        return value


@dataclass(frozen=True)
class StandardisedSlopes:
    """Derivatives of a feature in its parameters on the standardised scale, as inputs.

    Attributes:
        slopes: ``batch x n x d`` weights to ``batch x n x m x p``, in the metrics' own units.
        scale: ``m`` standard deviations of the metrics, in their own units.
    """

    slopes: Callable[[Tensor], Tensor]
    scale: Tensor

    def __call__(self, X: Tensor) -> Tensor:
        """``batch x n x d`` weights to ``batch x n x (m p)``."""
        return (self.slopes(X) / self.scale.unsqueeze(-1)).flatten(-2)
