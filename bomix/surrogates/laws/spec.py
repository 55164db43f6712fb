"""A mixing law as a surrogate: a formula instead of a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bomix.errors import Fault
from bomix.laws.own_domain import own_form

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext

LawName = Literal[
    "effective_power",
    "exponential",
    "own_exponential",
    "bimix",
    "log_linear",
    "additive",
    "autoscale",
    "epochs",
    "log_epochs",
]
"""Names of :data:`bomix.laws.forms.LAWS`, as study files are checked against them: that table needs torch."""


@dataclass(frozen=True)
class LawRegression:
    """A closed formula for every metric, fitted by robust regression; :mod:`bomix.laws.forms` has the formulas.

    A metric without variation (a single trial, constant values) keeps its value and a standard deviation of one unit;
    a metric that no trial has is predicted with mean zero and standard deviation one. What a law leaves over, noise
    and misfit alike, counts as its error: correlated across metrics, not shared by distinct mixtures.

    Attributes:
        form: The formula. The laws of a metric's own domain (``own_exponential``, ``bimix``) are constants for a
            metric that has none.
        starts: Starts of the search per metric.
        uncertainty: How the parameters' uncertainty is found: ``laplace`` takes the law as linear about the best ones;
            ``bootstrap`` fits reweighted trials.
        samples: Fits of the bootstrap.
        own: Metric to its own domain, where their names differ; None: a metric's own domain has its name.
        experts: Whether experts of single domains are among the examples.
    """

    form: LawName = "effective_power"
    starts: int = 8
    uncertainty: Literal["laplace", "bootstrap"] = "laplace"
    samples: int = 32
    own: Mapping[str, str] | None = None
    experts: bool = True

    differentiable: ClassVar[bool] = True
    fantasizes: ClassVar[bool] = False

    @property
    def own_alone(self) -> str | None:
        """``form`` where the law sees the weight of a metric's own domain alone."""
        return own_form(self.form)

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = []
        if self.starts < 1:
            found.append(Fault("starts", f"starts is {self.starts}; give at least 1"))
        if self.samples < 2:
            found.append(Fault("samples", f"samples is {self.samples}: a spread needs at least 2"))
        return found

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit every metric.

        Args:
            data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a trial lacks a metric; ``n`` may be 0.
            context: The names behind the columns.
            seed: Seed of the starts, of the folds, and of the bootstrap's weights.

        Returns:
            A model whose posterior at ``batch x q x d`` weights is ``batch x q x m``.

        Raises:
            FaultsError: ``own`` names a metric or a domain that is not there.
        """
        import torch

        from bomix.laws.fit import fit_rows, law_of
        from bomix.laws.law import own_domains
        from bomix.surrogates.data.expert_rows import examples
        from bomix.surrogates.laws import uncertainty
        from bomix.surrogates.laws.whole_runs import of_whole_runs

        if (whole := of_whole_runs(self.fit, self.form, data, context=context, seed=seed)) is not None:
            return whole
        chosen = examples(data, context, experts=self.experts)
        X, Y = chosen.data.X.double(), chosen.data.Y.double()
        own = own_domains(context.domains, context.metrics, context.own_mapping(self.own))
        with torch.no_grad():
            found = fit_rows(law_of(self.form, context), X, Y, own, seed=seed, starts=self.starts)
            if self.uncertainty == "laplace":
                return chosen.restored(uncertainty.LaplaceLaw(found, seed=seed))
            return chosen.restored(uncertainty.BootstrapLaw(found, samples=self.samples, seed=seed))
