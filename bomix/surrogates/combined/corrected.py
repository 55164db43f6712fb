"""A prediction, corrected by any surrogate of its residuals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bomix.contracts.mean import Mean
from bomix.contracts.surrogate import Surrogate, SurrogateTraits
from bomix.contracts.traits import traits
from bomix.errors import FitError
from bomix.surrogates.combined.prediction import by_experts
from bomix.surrogates.features.spec import have_gradients
from bomix.surrogates.gp.spec import GP

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext


_ROUNDING = 1e-5
"""Share of a predicted value up to which a residual is rounding."""


@dataclass(frozen=True)
class Corrected:
    """A prediction of each metric, corrected by a line, and a surrogate of the residuals about the line.

    ``L_j(w) = a_j + b_j f_j(w) + g_j(w)``: the line is fitted first, ``b_j ~ N(1, slope^2)``; ``g`` is the surrogate,
    and all uncertainty is its own. A prediction that learns from trials fits them too well: the line and the
    uncertainty are then found for what it says of trials that it has not seen. Experts whose losses
    the prediction repeats have no weight in the line; the surrogate may take them as examples, and then learns that the
    line is off where the prediction is not. Where the surrogate cannot be fitted, a simpler one takes its place, see
    :mod:`bomix.surrogates.combined.fallback`, and the prediction stays.

    A Gaussian process can do the same in one step, with its field ``mean``, and then knows how sure the slope is.

    Attributes:
        mean: The prediction.
        surrogate: The model of the residuals.
    """

    mean: Mean = field(default_factory=by_experts)
    surrogate: Surrogate = GP()

    @property
    def differentiable(self) -> bool:
        """Whether both parts are."""
        return traits(self.surrogate, SurrogateTraits).differentiable and have_gradients(self.mean)

    @property
    def fantasizes(self) -> bool:
        """Whether the surrogate does."""
        return traits(self.surrogate, SurrogateTraits).fantasizes

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit the lines, then the surrogate; see :meth:`bomix.contracts.surrogate.Surrogate.fit`.

        Raises:
            FitError: The surrogate's model is not one of bomix's own.
        """
        import torch

        from bomix.numerics.determinism import deterministic
        from bomix.surrogates.combined import calibration, fallback
        from bomix.surrogates.models.joint import JointModel

        with deterministic():
            found = calibration.predicted(self.mean, data, context=context, seed=seed)
        with deterministic(), torch.no_grad():
            shares, slope = found.informative, self.mean.slope
            line = calibration.fit_line(found.values, data.Y.double(), slope=slope, shares=shares)
        models = []
        for values in (found.values, found.seen):
            if values is not None:
                rest = _residuals(data, line(values))
                model = fallback.fit(self.surrogate, rest, context=context, seed=seed)
                if not isinstance(model, JointModel):
                    name = type(self.surrogate).__name__
                    raise FitError(f"{name} returns no JointModel, to which a prediction could be added; take another")
                models.append(model)
        function, unseen = calibration.CalibratedFunction(found.function, line), models[0] if len(models) > 1 else None
        return calibration.Shifted(models[-1], function, line(found.values), unseen=unseen)


def _residuals(data: SupervisedDataset, values: Tensor) -> SupervisedDataset:
    """The trials with ``n x m`` predicted values subtracted; residuals of a metric that are all rounding are zero."""
    from botorch.utils.datasets import SupervisedDataset

    left = data.Y.double() - values
    # What rounding leaves over is no function to be learnt.
    rounding = (left.abs() <= _ROUNDING * values.abs().clamp_min(1.0)) | left.isnan()
    left = left.masked_fill(rounding.all(dim=0) & ~left.isnan(), 0.0)
    return SupervisedDataset(
        data.X, left, Yvar=data.Yvar, feature_names=data.feature_names, outcome_names=data.outcome_names
    )
