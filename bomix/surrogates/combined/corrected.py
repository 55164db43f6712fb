"""Any surrogate on what a prediction leaves over."""

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


_NOTHING = 1e-5
"""Share of a metric up to which what is left over is rounding."""


@dataclass(frozen=True)
class Corrected:
    """A prediction of each metric, a line through it, and a surrogate of what the line leaves over.

    ``L_j(w) = a_j + b_j f_j(w) + g_j(w)``: the line is fitted first, ``b_j ~ N(1, slope^2)``; ``g`` is the surrogate,
    and all uncertainty is its own. A prediction that learns from trials fits them too well: the line and the
    uncertainty are then found for what it says of trials that it has not seen. The line does not listen to experts
    whose losses the prediction repeats; the surrogate does where it takes experts as examples, and learns that the
    line is off where the prediction is not. Where the surrogate cannot be fitted, a simpler one takes its place, see
    :mod:`bomix.surrogates.combined.fallback`, and the prediction stays.

    A Gaussian process can do the same in one step, with its field ``mean``, and then knows how sure the slope is.

    Attributes:
        mean: The prediction.
        surrogate: Of what it leaves over.
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
                rest = _less(data, line(values))
                model = fallback.fit(self.surrogate, rest, context=context, seed=seed)
                if not isinstance(model, JointModel):
                    name = type(self.surrogate).__name__
                    raise FitError(f"{name} returns no JointModel, to which a prediction could be added; take another")
                models.append(model)
        function, unseen = calibration.Through(found.function, line), models[0] if len(models) > 1 else None
        return calibration.Shifted(models[-1], function, line(found.values), unseen=unseen)


def _less(data: SupervisedDataset, values: Tensor) -> SupervisedDataset:
    """Trials less ``n x m`` values."""
    from botorch.utils.datasets import SupervisedDataset

    left = data.Y.double() - values
    # What rounding leaves over is nothing, not a function to be learnt.
    nothing = (left.abs() <= _NOTHING * values.abs().clamp_min(1.0)) | left.isnan()
    left = left.masked_fill(nothing.all(dim=0) & ~left.isnan(), 0.0)
    return SupervisedDataset(
        data.X, left, Yvar=data.Yvar, feature_names=data.feature_names, outcome_names=data.outcome_names
    )
