"""From data and kernels to a fitted model of independent metrics."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.contracts.covariance import Covariance, Frame
from bomix.laws.forms import own_domains
from bomix.space.weights import SAME_MIXTURE
from bomix.surrogates.cross_validation.folds import canonical_rows
from bomix.surrogates.data.refit_schedule import digest, remembered, size_of_fit
from bomix.surrogates.data.standardize import standardisation
from bomix.surrogates.features.columns import columns_from, predictions
from bomix.surrogates.gp import hyperparameters
from bomix.surrogates.gp import shared_hyperparameters as pooled
from bomix.surrogates.gp.exact import ExactGPs
from bomix.surrogates.gp.independent import IndependentGPs
from bomix.surrogates.gp.inputs import OnColumns, OnWeights, Wide, widen
from bomix.surrogates.kernels.composition import Sum
from bomix.surrogates.kernels.linear import Feature
from bomix.surrogates.means.law import Standardised

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.contracts.kernel import Kernel
    from bomix.contracts.mean import Feature as Prediction
    from bomix.contracts.mean import Mean
    from bomix.surrogates.features.spec import Features

logger = logging.getLogger(__name__)

_SPREAD_SAMPLES = 256
_FEW = 40


def frame_of(context: FitContext) -> Frame:
    """The space and the metrics as kernels see them."""
    sample = torch.as_tensor(context.space.sobol(_SPREAD_SAMPLES, seed=0), dtype=torch.float64)
    return Frame(sample, own_domains(context.domains, context.metrics))


class Standard(NamedTuple):
    """Runs on the scale on which they are fitted.

    Attributes:
        X: ``n x d`` weights.
        Y: ``n x m`` metrics, those gone astray pulled in.
        offset: ``m``, taken away.
        scale: ``m``, divided by.
        targets: ``m x n`` standardised metrics less their mean.
        unseen: The same less what the mean says of a run that it has not seen: hyperparameters are found for these,
            since a mean that learnt from the runs leaves too little of them.
        mean: What the processes are corrections of, on the standardised scale; None for a constant.
        at_runs: ``n x m`` of it at the runs; None where it is None.
        learnt: Whether that learnt from the runs.
        known: ``m x n`` noise variances of the runs where the data carry them.
    """

    X: Tensor
    Y: Tensor
    offset: Tensor
    scale: Tensor
    targets: Tensor
    unseen: Tensor
    mean: Standardised | None
    at_runs: Tensor | None
    learnt: bool
    known: Tensor | None


def standard(data: SupervisedDataset, feature: Prediction | None, *, part: int | None = None) -> Standard:
    """Standardise runs.

    Args:
        data: As of :func:`fit_independent`.
        feature: What the mean says of them; None for a constant.
        part: How many of the runs, the first, set the scale; None for all.
    """
    X, Y = data.X.double(), data.Y.double()
    offset, scale = standardisation(Y[:part])
    function, at_runs, targets = None, None, (Y - offset) / scale
    unseen, learnt = targets, False
    if feature is not None:
        function, learnt = Standardised(feature.predict, offset, scale), feature.held_out is not None
        with torch.no_grad():
            at_runs = function(X)
            unseen = targets - (at_runs if feature.held_out is None else (feature.held_out - offset) / scale)
            targets = targets - at_runs
    known = None if data.Yvar is None else (data.Yvar.double() / scale.square()).mT
    return Standard(X, Y, offset, scale, targets.mT, unseen.mT, function, at_runs, learnt, known)


class _Search(NamedTuple):
    """How hyperparameters are found.

    Attributes:
        draws: See :func:`fit_independent`.
        restarts: As there.
        noise: As there.
        slope: Standard deviation of the prior of the mean's coefficient; None without a mean.
        pooling: As there.
        part: For how many runs, the first.
        remembered: Whether the process remembers them; see :mod:`bomix.surrogates.data.refit_schedule`.
        seed: Of starts and draws.
    """

    draws: int | None
    restarts: int
    noise: str
    slope: float | None
    pooling: float | None
    part: int
    remembered: bool
    seed: int


def fit_independent(
    data: SupervisedDataset,
    context: FitContext,
    *,
    kernels: Sequence[Kernel],
    mean: Mean | None,
    draws: int | None,
    restarts: int,
    noise: str,
    correlated: bool,
    seed: int,
    growth: float = 0.0,
    pooling: float | None = None,
    features: Features | None = None,
) -> IndependentGPs:
    """Fit every metric under every kernel.

    Args:
        data: As :meth:`bomix.surrogates.gp.spec.GP.fit` gets it.
        context: As there.
        kernels: One family for each.
        mean: What the processes are corrections of.
        draws: Posterior draws of the hyperparameters; 0 for the best alone, None for as many as suit the trials.
        restarts: Starts of the search.
        noise: See :class:`bomix.surrogates.gp.spec.GP`.
        correlated: As there.
        seed: Of starts and draws.
        growth: As there.
        pooling: As there.
        features: As there.
    """
    feature = None if mean is None else mean.feature(data, context=context, seed=seed)
    beside = predictions(features, data, context=context, seed=seed)
    grows, frame = _grows(growth, draws, [*beside, *([] if feature is None else [feature])]), frame_of(context)
    part = size_of_fit(len(data.X), growth if grows else 0.0)
    runs, columns = standard(data, feature, part=part), columns_from(beside, features, data, context=context, part=part)
    wide = widen(runs.X, columns, runs.mean, runs.at_runs)
    search = _Search(draws, restarts, noise, None if mean is None else mean.slope, pooling, part, grows, seed)
    families = _families(kernels, runs, wide, frame, search)
    with torch.no_grad():
        return IndependentGPs(
            runs.X,
            runs.Y,
            families=families,
            shares=torch.full((len(families), frame.m), 1.0 / len(families), dtype=torch.float64),
            offset=runs.offset,
            scale=runs.scale,
            mean=wide.mean,
            learnt=runs.learnt,
            correlation=None if correlated else torch.eye(frame.m, dtype=torch.float64),
            columns=wide.columns,
            unseen=columns is not None and columns.learnt,
        )


def _grows(growth: float, draws: int | None, parts: Sequence[Prediction]) -> bool:
    """Whether hyperparameters of the first runs serve; not where what stands beside them changes with every run."""
    if growth <= 0 or draws != 0:
        return False
    if any(part.held_out is not None for part in parts):
        logger.info("mean or features learn from the runs: hyperparameters are found anew whatever 'growth' says")
        return False
    return True


def _families(kernels: Sequence[Kernel], runs: Standard, wide: Wide, frame: Frame, search: _Search) -> list[ExactGPs]:
    """The posteriors of all metrics, one for each kernel."""
    noises, known = noise_of(runs, frame, search.noise)
    sampling = None if search.draws == 0 else walk(*runs.X.shape, draws=search.draws)
    # Chains of draws carry rounding far: the order of the runs must not enter them.
    order = torch.as_tensor(canonical_rows(runs.X[: search.part].numpy(), runs.Y[: search.part].numpy()))
    # What a mean and features say of the runs is among the inputs.
    ordered = wide.inputs[order], runs.unseen[:, order], None if known is None else known[:, order]
    families = []
    for kernel in kernels:
        covariance = _on_inputs(kernel.bind(frame), wide, frame, search.slope or 0.0)
        problem = hyperparameters.Problem(covariance, noises, *ordered)
        if search.remembered:
            numbers = digest(*ordered, frame.sample, frame.own, noises.prior.mean, wide.features)
            key = (kernel, search.noise, search.restarts, search.slope, search.pooling, numbers)
            found = remembered(key, partial(_found, problem, search, search.part, None))
        else:
            found = _found(problem, search, search.seed, sampling)
        with torch.no_grad():
            families.append(ExactGPs(covariance, noises, found, wide.inputs, runs.targets, known=known))
    return families


def _found(
    problem: hyperparameters.Problem, search: _Search, seed: int, sampling: hyperparameters.Sampling | None
) -> Tensor:
    if search.pooling is None:
        return hyperparameters.fit(problem, restarts=search.restarts, seed=seed, sampling=sampling)
    return pooled.fit(problem, spread=search.pooling, restarts=search.restarts, seed=seed, sampling=sampling)


def _on_inputs(covariance: Covariance, wide: Wide, frame: Frame, slope: float) -> Covariance:
    """A covariance of weights as one of inputs, those added that see what stands beside the weights."""
    if wide.columns is None:
        return covariance
    parts: list[Covariance] = [OnWeights(covariance, frame.d)]
    if wide.features is not None:
        parts.append(OnColumns(frame, wide.features))
    if wide.mean is not None and slope > 0:
        parts.append(Feature(wide.mean, frame, slope))
    return Sum(parts)


def noise_of(runs: Standard, frame: Frame, kind: str) -> tuple[hyperparameters.Noise, Tensor | None]:
    """The noise of a run, and that of the runs in hand where it is known, ``m x n``.

    A run whose noise is not known is NaN there: its noise is the level, the mean of the known ones where there are any.
    """
    if runs.known is None:
        level = repeat_variance(runs.X, runs.targets) if kind == "repeats" else None
        return hyperparameters.Noise(frame, growing=kind == "growing", level=level), None
    return hyperparameters.Noise(frame, level=torch.nanmean(runs.known, dim=-1)), runs.known


def walk(n: int, d: int, *, draws: int | None) -> hyperparameters.Sampling:
    """How hyperparameters are drawn: far where trials are few, since their posterior is wide and an evaluation cheap.

    Args:
        n: Trials.
        d: Domains.
        draws: How many to keep; None for 12 up to 40 trials, 8 beyond.
    """
    if n > _FEW:
        return hyperparameters.Sampling(draws or 8, warmup=12, thinning=1, leaps=8)
    return hyperparameters.Sampling(draws or 12, warmup=min(40, 8 + 2 * d), thinning=1 if d < 8 else 2, leaps=8)


def repeat_variance(X: Tensor, targets: Tensor) -> Tensor:
    """Variance among runs of one mixture, over all mixtures that have several.

    Args:
        X: ``n x d`` weights.
        targets: ``m x n``, NaN where missing.

    Returns:
        ``m`` variances, NaN for a metric of which no mixture has two runs.
    """
    alike = ((X.unsqueeze(0) - X.unsqueeze(1)).abs().amax(dim=-1) <= SAME_MIXTURE).to(X)
    seen = (~targets.isnan()).to(X)
    values = targets.nan_to_num(0.0) * seen
    count = seen @ alike
    residual = (values - (values @ alike) / count.clamp_min(1.0)) * seen
    # Each mixture's runs share one mean, which costs one degree of freedom.
    freedom = seen.sum(dim=-1) - (seen / count.clamp_min(1.0)).sum(dim=-1)
    variance = residual.square().sum(dim=-1) / freedom.clamp_min(1.0)
    return torch.where(freedom > 0.5, variance, torch.nan)
