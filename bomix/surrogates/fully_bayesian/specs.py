"""Surrogates whose parameters are drawn from their posterior with Pyro instead of being fitted."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bomix.config.extras import missing
from bomix.errors import Fault
from bomix.laws.own_domain import own_form
from bomix.surrogates.fully_bayesian.chain import ChainSettings, VariationalSettings
from bomix.surrogates.kernels.specs import encoding_faults, positive_faults
from bomix.surrogates.laws.spec import LawName

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext
    from bomix.surrogates.fully_bayesian.diagnostics import Diagnostics

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BayesianGP:
    """Matern-5/2 with a lengthscale per domain on encoded weights, every hyperparameter drawn by NUTS.

    Slow: thousands of likelihoods instead of dozens. It repays the time where runs are few, since a fit that commits
    to one set of hyperparameters is too sure of itself there. The model's ``diagnostics`` say whether the chains can
    be trusted; what they complain of is logged. A metric without variation is not drawn: it keeps its mean and a
    standard deviation of one unit; a metric that no trial has is a prior of mean zero and standard deviation one.

    Attributes:
        encoding: What the kernel sees of a weight ``w``: ``sqrt(w + eps)``, ``log(w + eps)``, or ``w``.
        eps: The offset, a share; None takes 1e-4 for ``sqrt`` and 1e-3 for ``log``.
        prior: Prior of the lengthscales: ``plain`` log-normal, or ``saas``, under which few domains matter.
        lengthscale: Median of the plain prior, in units of the typical distance of two mixtures of the space.
        warmup: Steps of each chain that adapt the sampler and are thrown away.
        samples: Draws that are kept, all chains together; predictions cost in proportion.
        thinning: One draw of so many is kept; the diagnostics see all.
        chains: Number of independent chains, computed together.
        max_tree_depth: A step evaluates the likelihood at most ``2^max_tree_depth`` times.
        target_accept: Acceptance that the step size aims at; higher means smaller steps.
        correlated: Whether the errors of the metrics go together; without, the aggregate is too sure of itself.
        experts: Whether experts of single domains are among the examples.
    """

    encoding: Literal["sqrt", "log", "raw"] = "sqrt"
    eps: float | None = None
    prior: Literal["plain", "saas"] = "plain"
    lengthscale: float = 10.0
    warmup: int = 128
    samples: int = 32
    thinning: int = 8
    chains: int = 4
    max_tree_depth: int = 6
    target_accept: float = 0.8
    correlated: bool = True
    experts: bool = True

    differentiable: ClassVar[bool] = True
    fantasizes: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        encoding = encoding_faults(self.encoding, self.eps) + _missing_packages()
        return encoding + positive_faults(self, "lengthscale") + _chain(self).faults()

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Draw the hyperparameters of every metric.

        Args:
            data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a trial lacks a metric; ``n`` may be 0.
            context: The names behind the columns.
            seed: Seed of the chains.

        Returns:
            A model whose posterior at ``batch x q x d`` weights is ``batch x q x m``.
        """
        from bomix.surrogates.data.expert_rows import examples
        from bomix.surrogates.fully_bayesian.gp_model import fitted
        from bomix.surrogates.kernels.encoding import Encoding

        chosen = examples(data, context, experts=self.experts)
        model = fitted(
            chosen.data,
            encoding=Encoding(self.encoding, self.eps),
            prior=(self.prior, self.lengthscale),
            correlated=self.correlated,
            chain=_chain(self),
            context=chosen.context,
            seed=seed,
        )
        report(model.diagnostics, "the hyperparameters of the Gaussian processes")
        return chosen.restored(model)


@dataclass(frozen=True)
class BayesianLaw:
    """A mixing law whose parameters and noise are drawn from their posterior; :mod:`bomix.laws.forms` has the formulas.

    The posterior supposes that the law is right: what it misses counts as noise of a run, and a law that does not
    fit is too sure of its own value. A metric without variation keeps its value and a standard deviation of one
    unit; a metric that no trial has is predicted with mean zero and standard deviation one.

    Attributes:
        form: The formula. The laws of a metric's own domain (``own_exponential``, ``bimix``) are constants for a
            metric that has none.
        method: ``nuts`` draws from the posterior; ``svi`` from the best Gaussian, independent along the axes of
            the posterior's curvature, which is faster and somewhat too sure of itself.
        warmup: Steps of each chain that adapt the sampler and are thrown away.
        samples: Draws that are kept, all chains together; predictions cost in proportion.
        thinning: One draw of so many is kept; the diagnostics see all.
        chains: Number of independent chains, computed together.
        max_tree_depth: A step evaluates the law at most ``2^max_tree_depth`` times.
        target_accept: Acceptance that the step size aims at; higher means smaller steps.
        steps: Steps of the search for the Gaussian, with ``svi`` only.
        own: Metric to its own domain, where their names differ; None: a metric's own domain has its name.
        experts: Whether experts of single domains are among the examples.
    """

    form: LawName = "effective_power"
    method: Literal["nuts", "svi"] = "nuts"
    warmup: int = 128
    samples: int = 64
    thinning: int = 8
    chains: int = 4
    max_tree_depth: int = 6
    target_accept: float = 0.8
    steps: int = 1000
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
        found = _chain(self).faults() + _missing_packages()
        if self.steps < 1:
            found.append(Fault("steps", f"steps is {self.steps}; give at least 1, 1000 say"))
        return found

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Draw the parameters of every metric's law.

        Args:
            data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a trial lacks a metric; ``n`` may be 0.
            context: The names behind the columns.
            seed: Seed of the starts and of the draws.

        Returns:
            A model whose posterior at ``batch x q x d`` weights is ``batch x q x m``.

        Raises:
            FaultsError: ``own`` names a metric or a domain that is not there.
        """
        from bomix.surrogates.data.expert_rows import examples
        from bomix.surrogates.fully_bayesian.law_model import fitted
        from bomix.surrogates.laws.whole_runs import of_whole_runs

        if (whole := of_whole_runs(self.fit, self.form, data, context=context, seed=seed)) is not None:
            return whole
        chosen = examples(data, context, experts=self.experts)
        settings = _chain(self) if self.method == "nuts" else VariationalSettings(self.steps, self.samples)
        model = fitted(chosen.data, form=self.form, own=self.own, settings=settings, context=chosen.context, seed=seed)
        report(model.diagnostics, f"the parameters of the law '{self.form}'")
        return chosen.restored(model)


def report(diagnostics: Diagnostics | None, what: str) -> None:
    """Log what the chains complain of."""
    for complaint in diagnostics.complaints() if diagnostics is not None else ():
        logger.warning("draws of %s: %s", what, complaint)


def _chain(spec: BayesianGP | BayesianLaw) -> ChainSettings:
    """The part of a specification that says how chains are run."""
    return ChainSettings(
        warmup=spec.warmup,
        samples=spec.samples,
        thinning=spec.thinning,
        chains=spec.chains,
        max_tree_depth=spec.max_tree_depth,
        target_accept=spec.target_accept,
    )


def _missing_packages() -> list[Fault]:
    said = missing("bayesian", ["pyro"])
    return [] if said is None else [Fault("kind", said)]
