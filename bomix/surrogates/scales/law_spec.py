"""A law of the mixture and the scale as a surrogate: a formula that runs of all scales are fitted by together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bomix.errors import Fault
from bomix.surrogates.scales.size_checks import size_faults

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext
    from bomix.scale import Scale

ScalingLawName = Literal["additive", "joint", "bimix", "autoscale"]
"""Names of :data:`bomix.laws.scaling_forms.SCALING_LAWS`, as study files are checked against them without torch."""


@dataclass(frozen=True)
class ScalingLaw:
    """A closed formula of weights, parameters and tokens for every metric, fitted to runs of all scales.

    What the formula leaves over, noise and misfit alike, counts as its error, correlated across metrics and not shared
    by distinct mixtures. Beyond the largest scale with runs variances grow, twice as large a decade of FLOPs further,
    on top of what exponents that are not known make of them.

    Attributes:
        form: ``additive``: ``E + 1 / sum_i C_i w_i^g_i + A / N^a + B / D^b``, the optimum the same at every scale;
            ``joint``: heights ``A`` and ``B`` depend on the mixture, so that it moves; ``bimix``: two factors, of the
            weight of a metric's own domain and of the scale; ``autoscale``: powers of each domain's tokens ``w_i D``.
        starts: Starts of the search per metric.
        own: Metric to its own domain, where their names differ; None: a metric's own domain has its name.
    """

    form: ScalingLawName = "additive"
    starts: int = 8
    own: Mapping[str, str] | None = None

    across_scales: ClassVar[bool] = True
    differentiable: ClassVar[bool] = True
    fantasizes: ClassVar[bool] = False

    @property
    def own_alone(self) -> str | None:
        """``form`` where the law sees the weight of a metric's own domain alone."""
        return "bimix" if self.form == "bimix" else None

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return [Fault("starts", f"starts is {self.starts}; give at least 1")] if self.starts < 1 else []

    def scale_faults(self, scales: tuple[Scale, ...]) -> list[Fault]:
        """What sizes do not say of the scales of a study."""
        return size_faults(scales, "scaling_law")

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit every metric to the runs of all scales; see :meth:`bomix.contracts.surrogate.Surrogate.fit`.

        Raises:
            FitError: Scales differ in what parameters and tokens do not say.
            FaultsError: ``own`` names a metric or a domain that is not there.
        """
        from bomix.surrogates.scales import law_model

        return law_model.fit(self.form, data, context=context, seed=seed, starts=self.starts, own=self.own)
