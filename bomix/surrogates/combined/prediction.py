"""A prediction, that of a mixture of experts say, as a surrogate of its own, with the spread of its errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from bomix.contracts.mean import Mean
from bomix.errors import Fault
from bomix.surrogates.features.spec import have_gradients

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext


def by_experts() -> Mean:
    """The mixture of data experts, token by token."""
    from bomix.surrogates.means.experts import MDE

    found: Mean = MDE()
    return found


@dataclass(frozen=True)
class Prediction:
    """A prediction of each metric, its level set by the trials, its spread by its errors on them.

    Works without any trial but the experts, whose losses a prediction by experts repeats, so that they say nothing of
    its level or its errors. The spread is that of predictions of trials that the level has not seen; noise and what
    the prediction misses cannot be told apart, and all of it counts as an error that distinct mixtures do not share.

    Attributes:
        mean: The prediction.
        calibrate: What the trials correct: ``none``, a constant ``offset`` of each metric, or a ``line`` whose slope
            is near one, see ``slope`` of the prediction. The order of mixtures by one metric stays as predicted.
        spread: Standard deviation where fewer than two trials tell, in the metric's unit.
    """

    mean: Mean = field(default_factory=by_experts)
    calibrate: Literal["none", "offset", "line"] = "offset"
    spread: float = 1.0

    fantasizes: ClassVar[bool] = False

    @property
    def differentiable(self) -> bool:
        """Whether the prediction is."""
        return have_gradients(self.mean)

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        if self.spread > 0:
            return []
        return [Fault("spread", f"spread is {self.spread}; give a standard deviation above 0, 1 say")]

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit the line and the errors' covariance; see :meth:`bomix.contracts.surrogate.Surrogate.fit`."""
        import torch

        from bomix.numerics.determinism import deterministic
        from bomix.surrogates.combined import calibration
        from bomix.surrogates.models.joint import HeldOut
        from bomix.surrogates.regression.residuals import EQUAL, BootstrapModel, covariance_of

        X, Y = data.X.double(), data.Y.double()
        with deterministic():
            found = calibration.predicted(self.mean, data, context=context, seed=seed)
        with deterministic(), torch.no_grad():
            slope = self.mean.slope if self.calibrate == "line" else 0.0
            informative = found.informative * float(self.calibrate != "none")
            line = calibration.fit_line(found.values, Y, slope=slope, shares=informative)
            others = calibration.fit_line(
                found.values, Y, slope=slope, shares=calibration.without_each(X) * informative
            )
            held = others(found.values)
            residuals = (Y - held)[found.informative > 0]
            wrong = residuals.abs() > EQUAL * held[found.informative > 0].abs().clamp_min(1.0)
            error = covariance_of(residuals, wrong.any(dim=0), default=self.spread**2)
        function = calibration.CalibratedFunction(found.function, line, convex=found.convex)
        return BootstrapModel(
            calibration.OneSample(function),
            error=error,
            centre=function,
            convex=function.convex,
            held_out=HeldOut(held, error.expand(len(X), *error.shape)),
        )
