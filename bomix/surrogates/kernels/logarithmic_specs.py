"""Lines in logarithms of weights as they stand in a study file; :mod:`.logarithmic` computes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.surrogates.kernels.specs import positive_faults

if TYPE_CHECKING:
    from bomix.contracts.covariance import Covariance, KernelContext
    from bomix.errors import Fault


@dataclass(frozen=True)
class Logarithmic:
    """``sum_i r_i u(w_i) u(v_i)``, ``u(x) = ln((x + e) / (c_i + e))``: lines in logarithms of weights; few matter.

    They go on where a stationary kernel returns to the mean, so that a loss is expected to rise steeply towards zero
    weight of a domain that it falls with. ``c`` is the centre of the space. Metrics are standardised: ``r_i`` is the
    variance of a slope, in standard deviations of the metric for each factor of 2.7 in the weight.

    Attributes:
        known: Median of ``r`` of the metric's own domain.
        other: Median of ``r`` of another domain.
        unknown: Median of ``r`` of every domain, for a metric that has no domain of its own.
        spread: Standard deviation of the logarithms of the latter two.
    """

    known: float = 0.6
    other: float = 0.03
    unknown: float = 0.1
    spread: float = 1.5

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return positive_faults(self, "known", "other", "unknown", "spread")

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors of its hyperparameters."""
        from bomix.surrogates.kernels.logarithmic import LogarithmicCovariance

        return LogarithmicCovariance(
            context, known=self.known, other=self.other, unknown=self.unknown, spread=self.spread
        )
