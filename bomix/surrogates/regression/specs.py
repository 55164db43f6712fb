"""Regressors of published work on data mixtures, as surrogates: a prediction, and a spread from cross-validation.

Each metric is regressed on its own; the metrics' errors are correlated as their held-out residuals are.

References:
    [Liu2025] RegMix: data mixture as regression for language model pre-training.
    [Belenki2025] Optimizing pre-training data mixtures with mixtures of data expert models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from bomix.errors import Fault, raise_faults
from bomix.surrogates.features.spec import Features, have_gradients

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext


@dataclass(frozen=True)
class EmpiricalMean:
    """The mean of each metric over the trials that have it: what a regressor must beat.

    Attributes:
        experts: Whether experts of single domains are among the examples.
    """

    experts: bool = False

    differentiable: ClassVar[bool] = False
    fantasizes: ClassVar[bool] = False

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Average, errors by leaving each mixture out; see :meth:`bomix.contracts.surrogate.Surrogate.fit`."""
        from bomix.surrogates.data.expert_rows import examples
        from bomix.surrogates.regression.residuals import constants, point_model

        chosen = examples(data, context, experts=self.experts)
        return chosen.restored(point_model(chosen.data, constants, [None], folds=len(chosen.data.X), seed=seed))


@dataclass(frozen=True)
class Ridge:
    """Linear regression with a penalty on the squares of the coefficients, chosen by cross-validation.

    On raw weights this is the linear model of [Liu2025]_. With ``both`` it also sees ``log(w + eps)``, the far stronger
    baseline: the first pass over a little text of a domain is worth more than the hundredth. The penalty is that of
    scikit-learn's ``Ridge``: ``sum_i r_i^2 + penalty * sum_k c_k^2``, inputs not standardised, no penalty on the
    intercept.

    Attributes:
        inputs: What the model is linear in: ``raw`` weights, their ``log``, or ``both``.
        eps: Offset of the logarithm, a share.
        penalties: Those to choose from, for each metric on its own, by the mean square error of held-out trials.
        folds: Folds of the cross-validation.
        samples: Refits to randomly weighted trials, which say how uncertain the coefficients are.
        features: Predictions that the model is linear in as well, standardised and hardly penalised.
        experts: Whether experts of single domains are among the examples.
    """

    inputs: Literal["raw", "log", "both"] = "raw"
    eps: float = 1e-3
    penalties: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3)
    folds: int = 5
    samples: int = 64
    features: Features | None = None
    experts: bool = False

    fantasizes: ClassVar[bool] = False

    @property
    def differentiable(self) -> bool:
        """Whether the features are."""
        return have_gradients(self.features)

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = _folds_faults(self.folds)
        if self.inputs != "raw" and self.eps <= 0:
            found.append(Fault("eps", f"eps is {self.eps}: the logarithm at zero needs an offset above 0, 1e-3 say"))
        if not self.penalties or min(self.penalties) <= 0:
            found.append(Fault("penalties", f"penalties are {list(self.penalties)}; give at least one, all above 0"))
        if self.samples < 2:
            found.append(Fault("samples", f"samples is {self.samples}; give at least 2"))
        return found

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit every metric; see :meth:`bomix.contracts.surrogate.Surrogate.fit`."""
        from bomix.surrogates.data.expert_rows import examples
        from bomix.surrogates.features.columns import columns_of
        from bomix.surrogates.regression.ridge import Inputs, fit

        inputs = Inputs(raw=self.inputs != "log", eps=None if self.inputs == "raw" else self.eps)
        chosen = examples(data, context, experts=self.experts)
        columns = columns_of(self.features, chosen.data, context=chosen.context, seed=seed)
        model = fit(
            chosen.data,
            inputs,
            self.penalties,
            folds=self.folds,
            samples=self.samples,
            seed=seed,
            columns=columns,
        )
        return chosen.restored(model)


@dataclass(frozen=True)
class LightGBM:
    """Boosted trees of LightGBM on raw weights.

    ``LightGBM(leaf=20)`` is the setting of [Liu2025]_: 1000 rounds at a rate of 0.01, all else LightGBM's default. It
    cannot split fewer than 40 trials. The published notebook stops early by the loss on the test mixtures; here no
    trial but those of the record is looked at, and every round is run.

    Attributes:
        leaf: Least number of trials in a leaf; None takes ``0.7 sqrt(n)`` of the ``n`` trials that have the metric,
            at most 20.
        rounds: Number of trees.
        rate: Learning rate.
        folds: Folds of the cross-validation that gives the spread.
        features: Predictions that the trees see as well.
        experts: Whether experts of single domains are among the examples.
    """

    leaf: int | None = None
    rounds: int = 1000
    rate: float = 0.01
    folds: int = 5
    features: Features | None = None
    experts: bool = False

    differentiable: ClassVar[bool] = False
    fantasizes: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields, and whether LightGBM is there."""
        found = [*_lightgbm_faults(), *_folds_faults(self.folds)]
        if self.leaf is not None and self.leaf < 1:
            found.append(Fault("leaf", f"leaf is {self.leaf}; give at least 1, or leave it out"))
        if self.rounds < 1:
            found.append(Fault("rounds", f"rounds is {self.rounds}; give at least 1"))
        if not 0 < self.rate <= 1:
            found.append(Fault("rate", f"rate is {self.rate}; give a number above 0 and at most 1, 0.01 say"))
        return found

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit every metric; see :meth:`bomix.contracts.surrogate.Surrogate.fit`.

        Raises:
            FaultsError: LightGBM is not installed.
        """
        raise_faults(_lightgbm_faults())
        from bomix.surrogates.regression.boosting import LightGBMSetting, lightgbm_forests

        setting = LightGBMSetting(self.rounds, self.rate, self.leaf)
        return _grown(self, lightgbm_forests, [setting], data, context, seed)


@dataclass(frozen=True)
class Boosting:
    """Boosted trees of scikit-learn on raw weights, their size chosen by cross-validation as in [Belenki2025]_.

    Each metric takes the combination of least mean square error on held-out trials.

    Attributes:
        trees: Numbers of trees to choose from.
        rates: Learning rates.
        depths: Depths of a tree, at most 4.
        folds: Folds of the cross-validation.
        features: Predictions that the trees see as well.
        experts: Whether experts of single domains are among the examples.
    """

    trees: tuple[int, ...] = (10, 50, 100)
    rates: tuple[float, ...] = (0.01, 0.1)
    depths: tuple[int, ...] = (2, 3, 4)
    folds: int = 5
    features: Features | None = None
    experts: bool = False

    differentiable: ClassVar[bool] = False
    fantasizes: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = _folds_faults(self.folds)
        if not self.trees or min(self.trees) < 1:
            found.append(Fault("trees", f"trees are {list(self.trees)}; give at least one number, all at least 1"))
        if not self.rates or not all(0 < rate <= 1 for rate in self.rates):
            found.append(Fault("rates", f"rates are {list(self.rates)}; give at least one, all above 0 and at most 1"))
        if not self.depths or not all(1 <= depth <= 4 for depth in self.depths):
            found.append(Fault("depths", f"depths are {list(self.depths)}; give at least one, all from 1 to 4"))
        return found

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit every metric; see :meth:`bomix.contracts.surrogate.Surrogate.fit`."""
        from bomix.surrogates.regression.boosting import BoostingSetting, boosting_forests

        settings = [BoostingSetting(*fields) for fields in product(self.trees, self.rates, self.depths)]
        return _grown(self, boosting_forests, settings, data, context, seed)


def _grown(
    spec: LightGBM | Boosting,
    forests: Any,
    settings: Sequence[Any],
    data: SupervisedDataset,
    context: FitContext,
    seed: int,
) -> Model:
    """Fit boosted trees to the trials and features that a spec asks for."""
    from bomix.surrogates.data.expert_rows import examples
    from bomix.surrogates.features.columns import columns_of
    from bomix.surrogates.regression.residuals import point_model

    chosen = examples(data, context, experts=spec.experts)
    columns = columns_of(spec.features, chosen.data, context=chosen.context, seed=seed)
    model = point_model(chosen.data, forests, settings, folds=spec.folds, seed=seed, columns=columns)
    return chosen.restored(model)


def _folds_faults(folds: int) -> list[Fault]:
    return [Fault("folds", f"folds is {folds}; give at least 2")] if folds < 2 else []


def _lightgbm_faults() -> list[Fault]:
    if find_spec("lightgbm") is not None:
        return []
    return [Fault("kind", "lightgbm is not installed; run: pip install 'bomix[lightgbm]'")]
