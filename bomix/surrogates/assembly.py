"""From data and kernels to a fitted model of independent metrics."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.laws.forms import own_domains
from bomix.surrogates import fitting
from bomix.surrogates.covariances import Covariance, Feature, Frame, Sum
from bomix.surrogates.exact import ExactGPs
from bomix.surrogates.feature_columns import columns_of
from bomix.surrogates.folds import canonical_rows
from bomix.surrogates.gp import standardisation
from bomix.surrogates.heldout import SAME
from bomix.surrogates.independent import IndependentGPs
from bomix.surrogates.means import Standardised
from bomix.surrogates.refits import digest, remembered, size_of_fit
from bomix.surrogates.wide import OnColumns, OnWeights, Wide, widen

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.protocols import Kernel, Mean
    from bomix.surrogates.context import FitContext
    from bomix.surrogates.features import Features

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


def standard(
    data: SupervisedDataset, context: FitContext, mean: Mean | None, seed: int, *, part: int | None = None
) -> Standard:
    """Standardise runs, by the first ``part`` of them; the rest as of :func:`fit_independent`."""
    X, Y = data.X.double(), data.Y.double()
    offset, scale = standardisation(Y[:part])
    function, at_runs, targets = None, None, (Y - offset) / scale
    unseen, learnt = targets, False
    if mean is not None:
        feature = mean.feature(data, context=context, seed=seed)
        function, learnt = Standardised(feature.predict, offset, scale), feature.held_out is not None
        with torch.no_grad():
            at_runs = function(X)
            unseen = targets - (at_runs if feature.held_out is None else (feature.held_out - offset) / scale)
            targets = targets - at_runs
    known = None if data.Yvar is None else (data.Yvar.double() / scale.square()).mT
    return Standard(X, Y, offset, scale, targets.mT, unseen.mT, function, at_runs, learnt, known)


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
    features: Features | None = None,
) -> IndependentGPs:
    """Fit every metric under every kernel.

    Args:
        data: As :meth:`bomix.surrogates.gp.GP.fit` gets it.
        context: As there.
        kernels: One family for each.
        mean: What the processes are corrections of.
        draws: Posterior draws of the hyperparameters; 0 for the best alone, None for as many as suit the trials.
        restarts: Starts of the search.
        noise: See :class:`bomix.surrogates.gp.GP`.
        correlated: As there.
        seed: Of starts and draws.
        growth: See :class:`bomix.surrogates.gp.GP`.
        features: As there.
    """
    # What a mean says changes with every run, and with it what is left to the processes.
    growth = growth if draws == 0 and mean is None and features is None else 0.0
    part = size_of_fit(len(data.X), growth)
    runs, frame = standard(data, context, mean, seed, part=part), frame_of(context)
    wide = widen(runs.X, columns_of(features, data, context=context, seed=seed), runs.mean, runs.at_runs)
    noises, known = noise_of(runs, frame, noise)
    sampling = None if draws == 0 else walk(*runs.X.shape, draws=draws)
    # Chains of draws carry rounding far: the order of the runs must not enter them.
    order = torch.as_tensor(canonical_rows(runs.X[:part].numpy(), runs.Y[:part].numpy()))
    ordered = wide.inputs[order], runs.unseen[:, order], None if known is None else known[:, order]
    families = []
    for kernel in kernels:
        covariance = _on_inputs(kernel.bind(frame), wide, frame, 0.0 if mean is None else mean.slope)
        problem = fitting.Problem(covariance, noises, *ordered)
        if growth > 0:
            key = (kernel, noise, restarts, digest(*ordered, frame.sample, frame.own, noises.prior.mean))
            found = remembered(key, partial(fitting.fit, problem, restarts=restarts, seed=part))
        else:
            found = fitting.fit(problem, restarts=restarts, seed=seed, sampling=sampling)
        with torch.no_grad():
            families.append(ExactGPs(covariance, noises, found.theta, wide.inputs, runs.targets, known=known))
    m = frame.m
    with torch.no_grad():
        return IndependentGPs(
            runs.X,
            runs.Y,
            families=families,
            shares=torch.full((len(families), m), 1.0 / len(families), dtype=torch.float64),
            offset=runs.offset,
            scale=runs.scale,
            mean=wide.mean,
            learnt=runs.learnt,
            correlation=None if correlated else torch.eye(m, dtype=torch.float64),
            columns=wide.columns,
        )


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


def noise_of(runs: Standard, frame: Frame, kind: str) -> tuple[fitting.Noise, Tensor | None]:
    """The noise of a run, and that of the runs in hand where it is known, ``m x n``.

    A run whose noise is not known is NaN there: its noise is the level, the mean of the known ones where there are any.
    """
    if runs.known is None:
        level = repeat_variance(runs.X, runs.targets) if kind == "repeats" else None
        return fitting.Noise(frame, growing=kind == "growing", level=level), None
    return fitting.Noise(frame, level=torch.nanmean(runs.known, dim=-1)), runs.known


def walk(n: int, d: int, *, draws: int | None) -> fitting.Sampling:
    """How hyperparameters are drawn: far where trials are few, since their posterior is wide and an evaluation cheap.

    Args:
        n: Trials.
        d: Domains.
        draws: How many to keep; None for 12 up to 40 trials, 8 beyond.
    """
    if n > _FEW:
        return fitting.Sampling(draws or 8, warmup=12, thinning=1, leaps=8)
    return fitting.Sampling(draws or 12, warmup=min(40, 8 + 2 * d), thinning=1 if d < 8 else 2, leaps=8)


def repeat_variance(X: Tensor, targets: Tensor) -> Tensor:
    """Variance among runs of one mixture, over all mixtures that have several.

    Args:
        X: ``n x d`` weights.
        targets: ``m x n``, NaN where missing.

    Returns:
        ``m`` variances, NaN for a metric of which no mixture has two runs.
    """
    alike = ((X.unsqueeze(0) - X.unsqueeze(1)).abs().amax(dim=-1) <= SAME).to(X)
    seen = (~targets.isnan()).to(X)
    values = targets.nan_to_num(0.0) * seen
    count = seen @ alike
    residual = (values - (values @ alike) / count.clamp_min(1.0)) * seen
    # Each mixture's runs share one mean, which costs one degree of freedom.
    freedom = seen.sum(dim=-1) - (seen / count.clamp_min(1.0)).sum(dim=-1)
    variance = residual.square().sum(dim=-1) / freedom.clamp_min(1.0)
    return torch.where(freedom > 0.5, variance, torch.nan)
