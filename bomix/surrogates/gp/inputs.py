"""What Gaussian processes are fitted to: runs standardised, extra inputs behind their weights, bound covariances.

What is costly to predict (a mean, features) is predicted once for all covariances, and the runs may have other values
than what the prediction says of their mixtures: those of a fit that has not seen them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from bomix.contracts.covariance import Covariance, KernelContext
from bomix.laws.law import own_domains
from bomix.space.phased import PhasedSpace
from bomix.space.weights import SAME_MIXTURE
from bomix.surrogates.cross_validation.folds import canonical_rows
from bomix.surrogates.data.refit_schedule import size_of_fit
from bomix.surrogates.data.standardize import standardisation
from bomix.surrogates.features.columns import SideBySide, columns_from, predictions
from bomix.surrogates.gp.likelihood import Likelihood, Noise
from bomix.surrogates.gp.transforms import About, Between, OfMetrics, Transforms
from bomix.surrogates.kernels.columns import ColumnsCovariance, WeightsCovariance
from bomix.surrogates.kernels.composition import SumCovariance
from bomix.surrogates.kernels.linear import FeatureCovariance, ParametersCovariance
from bomix.surrogates.kernels.other_text import NoOtherText, OtherTextCovariance
from bomix.surrogates.kernels.phased import PhasedCovariance
from bomix.surrogates.means.law import Standardised, StandardisedSlopes

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.contracts.kernel import Kernel
    from bomix.contracts.mean import Feature
    from bomix.surrogates.features.columns import Columns
    from bomix.surrogates.gp.settings import GPSettings

logger = logging.getLogger(__name__)

_SPREAD_SAMPLES = 256
"""Mixtures that give the typical distance of two of the space: to a twentieth, which no prior is as narrow as."""
_HALF = 0.5
"""Degrees of freedom above which a metric has repeats: they are whole numbers, computed with rounding."""


@dataclass(frozen=True)
class GPInputs:
    """Runs as processes see them, and what the processes may be.

    Attributes:
        train_X: ``n x d`` weights.
        train_Y: ``n x m`` metrics in their own units, NaN where missing.
        transforms: What leads from weights and metrics to what the processes see, and back.
        X: ``n x (d + p)`` weights and extra inputs of the runs.
        targets: ``m x n`` standardised metrics less their mean.
        unseen_targets: The same less what the mean says of a run that it has not seen: hyperparameters are found for
            these, since a mean that learnt from the runs leaves too little of them.
        known_noise: ``m x n`` noise variances of the runs, standardised, where the data carry them, NaN where unknown.
        noise: The noise of a run whose own is not known.
        searched: A family of covariances of the inputs for each kernel, as hyperparameters are found for them.
        covariances: The same with that of the mean's parameters, where it has any.
        context: The space and the metrics as kernels see them.
        features: ``m x c`` positions of each metric's features among the extra inputs; None where there are none.
        order: The runs that hyperparameters are found for, in an order that their numbers alone decide: chains of draws
            carry rounding far, so that the order of the record must not enter them.
        remembered: Whether a process remembers hyperparameters; see :mod:`bomix.surrogates.data.refit_schedule`.
    """

    train_X: Tensor
    train_Y: Tensor
    transforms: Transforms
    X: Tensor
    targets: Tensor
    unseen_targets: Tensor
    known_noise: Tensor | None
    noise: Noise
    searched: tuple[Covariance, ...]
    covariances: tuple[Covariance, ...]
    context: KernelContext
    features: Tensor | None
    order: Tensor
    remembered: bool

    def likelihood(self, covariance: Covariance) -> Likelihood:
        """What the first runs say of the hyperparameters of one family."""
        order = self.order
        known = None if self.known_noise is None else self.known_noise[:, order]
        metrics = self.context.metrics
        return Likelihood(covariance, self.noise, self.X[order], self.unseen_targets[:, order], known, metrics)


def inputs(data: SupervisedDataset, context: FitContext, spec: GPSettings, *, seed: int) -> GPInputs:
    """Standardise runs, predict mean and features, bind kernels.

    Args:
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a run lacks a metric; ``Yvar`` the noise variance of runs.
        context: The names behind the columns.
        spec: Kernels, mean, features, noise; whether hyperparameters of fewer runs serve.
        seed: Seed of means and features that learn.
    """
    mean = None if spec.mean is None else spec.mean.feature(data, context=context, seed=seed)
    predicted: list[Feature] = []
    if spec.features is not None:
        predicted = predictions(spec.features, data, context=context, seed=seed)
    few_searches = _few_searches(spec, [*predicted, *([] if mean is None else [mean])])
    first = size_of_fit(len(data.X), spec.growth if few_searches else 0.0)
    X, Y = data.X.double(), data.Y.double()
    offset, scale = standardisation(Y[:first])
    columns = None
    if spec.features is not None:
        columns = columns_from(predicted, spec.features, data, context=context, part=first)
    functions, parts = _extra_inputs(X, columns, mean, offset, scale)
    about, targets = _about(mean, parts, len(scale)), (Y - offset) / scale
    unseen = targets
    if mean is not None and about is not None:
        there = torch.cat(parts, dim=-1)
        seen = about.predicted(there) if mean.held_out is None else (mean.held_out - offset) / scale
        unseen, targets = targets - seen, targets - about(there)
    other = _with_other_text(context.other, functions, parts) if context.other else range(0)
    transforms = Transforms(
        offset,
        scale,
        extra=SideBySide(tuple(functions)) if functions else None,
        mean=about,
        mean_learnt=mean is not None and mean.held_out is not None,
        extra_held_out=(columns is not None and columns.learnt) or bool(other),
    )
    kernels = kernel_context(context)
    covariances = _covariances(spec, kernels, context, columns, about, other)
    known = None if data.Yvar is None else (data.Yvar.double() / scale.square()).mT
    return GPInputs(
        X,
        Y,
        transforms,
        X=torch.cat(parts, dim=-1),
        targets=targets.mT,
        unseen_targets=unseen.mT,
        known_noise=known,
        noise=_noise_of(spec, X, targets.mT, known, kernels),
        searched=covariances,
        covariances=_with_parameters(covariances, about, kernels),
        context=kernels,
        features=None if columns is None else columns.index,
        order=torch.as_tensor(canonical_rows(X[:first].numpy(), Y[:first].numpy())),
        remembered=few_searches,
    )


def _extra_inputs(
    X: Tensor, columns: Columns | None, mean: Feature | None, offset: Tensor, scale: Tensor
) -> tuple[list[Callable[[Tensor], Tensor]], list[Tensor]]:
    """Functions that give the extra inputs, and weights and extra inputs of the runs.

    Those of the mean come last: its predictions, and their derivatives in its parameters where it has any.
    """
    functions: list[Callable[[Tensor], Tensor]] = [] if columns is None else [columns]
    parts = [X] if columns is None else [X, columns.training]
    added: list[Callable[[Tensor], Tensor]] = []
    if mean is not None:
        added.append(Standardised(mean.predict, offset, scale))
        if mean.parameters is not None:
            added.append(StandardisedSlopes(mean.parameters.slopes, scale))
    with torch.no_grad():
        return functions + added, parts + [each(X) for each in added]


def _about(mean: Feature | None, parts: Sequence[Tensor], m: int) -> About | None:
    """Where the mean stands among the inputs, of which those of the mean are the last parts; None without a mean."""
    if mean is None:
        return None
    widths = [part.shape[-1] for part in parts]
    if mean.parameters is None:
        return About(Between(sum(widths[:-1]), sum(widths)))
    start, stop = sum(widths[:-1]), sum(widths)
    slopes = OfMetrics(Between(start, stop), widths[-1] // m)
    return About(Between(start - widths[-2], start), slopes, mean.parameters.found)


def kernel_context(context: FitContext) -> KernelContext:
    """The space and the metrics as kernels see them."""
    sample = torch.as_tensor(context.space.sobol(_SPREAD_SAMPLES, seed=0), dtype=torch.float64)
    own = own_domains(context.domains, context.metrics, context.own_mapping())
    return KernelContext(sample, own, context.domains, context.metrics)


def _few_searches(spec: GPSettings, predicted: list[Feature]) -> bool:
    """Whether hyperparameters of the first runs serve for more, not where the extra inputs change with every run."""
    if spec.growth <= 0 or spec.draws != 0:
        return False
    if any(part.held_out is not None for part in predicted):
        logger.info("mean or features learn from the runs: hyperparameters are found anew whatever 'growth' says")
        return False
    return True


def _bound(kernels: Sequence[Kernel], context: KernelContext, fit: FitContext) -> list[Covariance]:
    """A covariance of weights for each kernel; of two phases each is of the mixtures of whole runs, and their order."""
    if not isinstance(fit.space, PhasedSpace):
        return [kernel.bind(context) for kernel in kernels]
    whole = kernel_context(replace(fit, space=fit.space.single))
    return [PhasedCovariance(kernel.bind(whole), fit.space.phases) for kernel in kernels]


def _with_other_text(
    other: Sequence[Sequence[float]], functions: list[Callable[[Tensor], Tensor]], parts: list[Tensor]
) -> range:
    """Add shares of text that the study no longer has behind all other inputs, zero where the model is asked.

    Args:
        other: ``n x h`` shares.
        functions: Functions that give the extra inputs; one more afterwards.
        parts: All inputs of the runs; one more afterwards.

    Returns:
        Positions of the shares among the inputs.
    """
    shares = torch.tensor(other, dtype=torch.float64)
    start, count = sum(part.shape[-1] for part in parts), shares.shape[-1]
    functions.append(NoOtherText(count))
    parts.append(shares)
    return range(start, start + count)


def _covariances(
    spec: GPSettings,
    context: KernelContext,
    fit: FitContext,
    columns: Columns | None,
    mean: About | None,
    other: range,
) -> tuple[Covariance, ...]:
    """A covariance of inputs for each kernel: of its weights, plus those of features, of the mean, of other text."""
    extra: list[Covariance] = [] if columns is None else [ColumnsCovariance(context, columns.index)]
    extra += [OtherTextCovariance(context, other)] if other else []
    if spec.mean is not None and mean is not None and spec.mean.slope > 0:
        extra.append(FeatureCovariance(mean.predicted, context, spec.mean.slope))
    bound = _bound(spec.kernels, context, fit)
    if columns is None and mean is None and not other:
        return tuple(bound)
    return tuple(SumCovariance([WeightsCovariance(each, context.d), *extra]) for each in bound)


def _with_parameters(
    covariances: tuple[Covariance, ...], mean: About | None, context: KernelContext
) -> tuple[Covariance, ...]:
    """The covariances, and that of the mean's parameters with each, where it has any."""
    if mean is None or mean.slopes is None:
        return covariances
    parameters = ParametersCovariance(mean.slopes, context)
    return tuple(
        SumCovariance([*(each.parts if isinstance(each, SumCovariance) else [each]), parameters])
        for each in covariances
    )


def _noise_of(spec: GPSettings, X: Tensor, targets: Tensor, known: Tensor | None, context: KernelContext) -> Noise:
    """The noise of a run; where the noise of some runs is known, that of all others is held at the mean of these.

    Args:
        spec: Says what noise may be.
        X: ``n x d`` weights.
        targets: ``m x n``, NaN where missing.
        known: ``m x n`` noise variances, NaN where unknown; None where none is.
        context: The space and the metrics.
    """
    if known is not None:
        return Noise(context, level=torch.nanmean(known, dim=-1))
    level = _repeat_variance(X, targets) if spec.noise == "repeats" else None
    return Noise(context, growing=spec.noise == "growing", scores=spec.scores, level=level)


def _repeat_variance(X: Tensor, targets: Tensor) -> Tensor:
    """Variance among runs of one mixture, over all mixtures that have several.

    Args:
        X: ``n x d`` weights.
        targets: ``m x n``, NaN where missing.

    Returns:
        ``m`` variances, NaN for a metric of which no mixture has two runs.
    """
    same = ((X.unsqueeze(0) - X.unsqueeze(1)).abs().amax(dim=-1) <= SAME_MIXTURE).to(X)
    seen = (~targets.isnan()).to(X)
    values = targets.nan_to_num(0.0) * seen
    count = seen @ same
    residual = (values - (values @ same) / count.clamp_min(1.0)) * seen
    # Each mixture's runs share one mean, which costs one degree of freedom.
    freedom = seen.sum(dim=-1) - (seen / count.clamp_min(1.0)).sum(dim=-1)
    variance = residual.square().sum(dim=-1) / freedom.clamp_min(1.0)
    return torch.where(freedom > _HALF, variance, torch.nan)
