"""Predictions of the metrics as further inputs of a regressor or a Gaussian process.

Where a mean function says how a metric depends on its own prediction, a feature leaves that to be learnt: a slope far
from one, a curve, or what the predictions of other metrics tell. Several means are several features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bomix.contracts.mean import Mean, MeanTraits
from bomix.contracts.traits import traits
from bomix.errors import Fault, did_you_mean


@dataclass(frozen=True)
class Features:
    """What is predicted, and which metrics see whose prediction.

    Attributes:
        of: What predicts; each predicts every metric.
        use: Which predictions a metric sees: its ``own``, those of ``all`` metrics, or of those named.
    """

    of: tuple[Mean, ...]
    use: Literal["own", "all"] | tuple[str, ...] = "own"

    @property
    def differentiable(self) -> bool:
        """Whether every prediction has gradients."""
        return have_gradients(*self.of)

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = [] if self.of else [Fault("of", "no prediction is named; name at least one, mde say")]
        if self.use == ():
            found.append(Fault("use", "no metric is named; give metrics, 'own' or 'all'"))
        return found

    def metric_faults(self, metrics: Sequence[str]) -> list[Fault]:
        """Names that are not among the metrics."""
        named = () if isinstance(self.use, str) else self.use
        return [
            Fault("use", f"there is no metric '{name}'{did_you_mean(name, metrics)}")
            for name in named
            if name not in metrics
        ]

    def positions(self, metrics: Sequence[str]) -> list[list[int]]:
        """For each of ``m`` metrics, whose predictions it sees: positions among the metrics."""
        if self.use == "own":
            return [[position] for position in range(len(metrics))]
        names = metrics if isinstance(self.use, str) else self.use
        return [[metrics.index(name) for name in names] for _ in metrics]


def have_gradients(*parts: Mean | Features | None) -> bool:
    """Whether all of these that are there have gradients."""
    return all(traits(part, MeanTraits).differentiable for part in parts if part is not None)
