"""One Gaussian process per metric: the surrogate that a study gets unless it asks for another."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bomix.errors import Fault

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.surrogates.context import FitContext


@dataclass(frozen=True)
class GP:
    """Matern-5/2 with a lengthscale per domain on encoded weights, noise inferred, hyperparameters by MAP.

    Each metric is standardised by its own mean and standard deviation and has its own lengthscales and noise; the
    correlation between metrics comes from leave-one-out residuals. A metric without spread (a single trial,
    constant values) keeps its mean and a standard deviation of one unit; a metric that no trial has is a prior of
    mean zero and standard deviation one.

    Attributes:
        encoding: What the kernel sees of a weight ``w``: ``sqrt(w + eps)``, ``log(w + eps)``, or ``w``.
        eps: The offset, a share; None takes 1e-4 for ``sqrt`` and 1e-3 for ``log``.
        lengthscale: Median of the lengthscales' log-normal prior, in units of the typical distance of two mixtures
            of the space (the unit cube's usual prior has about 10).
        restarts: Starts of the search per metric.
        correlated: Whether the errors of the metrics go together; without, the aggregate is too sure of itself.
    """

    encoding: Literal["sqrt", "log", "raw"] = "sqrt"
    eps: float | None = None
    lengthscale: float = 10.0
    restarts: int = 2
    correlated: bool = True

    differentiable: ClassVar[bool] = True
    fantasizes: ClassVar[bool] = True

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = []
        if (self.eps is not None and self.eps < 0) or (self.eps == 0 and self.encoding != "raw"):
            found.append(Fault("eps", f"eps is {self.eps}: gradients at zero need an offset above 0, 1e-4 say"))
        if self.lengthscale <= 0:
            found.append(Fault("lengthscale", f"lengthscale is {self.lengthscale}; give a positive number"))
        if self.restarts < 1:
            found.append(Fault("restarts", f"restarts is {self.restarts}; give at least 1"))
        return found

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit every metric.

        Args:
            data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a trial lacks a metric; ``n`` may be 0.
            context: The space behind the columns.
            seed: Of the restarts.

        Returns:
            A model whose posterior at ``batch x q x d`` weights is ``batch x q x m``.
        """
        import torch

        from bomix.surrogates import fitting
        from bomix.surrogates.encoding import Encoding, typical_distance
        from bomix.surrogates.independent import IndependentGPs

        encoding = Encoding(self.encoding, self.eps)
        reach = typical_distance(encoding, context.space)
        prior = fitting.Prior(self.lengthscale * reach, fitting.LENGTHSCALE_SPREAD, reach)
        X, Y = data.X.double(), data.Y.double()
        offset, scale = standardisation(Y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = fitting.fit(encoding.transform(X), (Y - offset) / scale, prior, restarts=self.restarts, seed=seed)
            with torch.no_grad():
                return IndependentGPs(
                    X,
                    Y,
                    encoding=encoding,
                    covar_module=found.covar_module,
                    likelihood=found.likelihood,
                    means=found.means,
                    offset=offset,
                    scale=scale,
                    correlation=None if self.correlated else torch.eye(Y.shape[-1]).double(),
                )


def standardisation(Y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each metric over the trials that have it.

    Args:
        Y: ``n x m``, NaN where missing.

    Returns:
        ``m`` means, zero for a metric that no trial has, and ``m`` standard deviations, one where there is no spread.
    """
    seen = ~Y.isnan()
    count = seen.sum(dim=0)
    mean = Y.nan_to_num(0.0).sum(dim=0) / count.clamp_min(1)
    squares = (Y - mean).square().nan_to_num(0.0).sum(dim=0)
    deviation = (squares / (count - 1).clamp_min(1)).sqrt()
    return mean, deviation.where(deviation > 1e-9 * mean.abs().clamp_min(1.0), 1.0)
