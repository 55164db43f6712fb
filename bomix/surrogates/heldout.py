"""Each trial predicted from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class HeldOut(NamedTuple):
    """Predictions of new runs at the training mixtures, each by a model that did not see that trial.

    Attributes:
        mean: ``n x m``, in the metrics' own units; a number also where the trial lacks the metric.
        covariance: ``n x m x m`` between the metrics of a trial, the noise of a run included.
    """

    mean: Tensor
    covariance: Tensor
