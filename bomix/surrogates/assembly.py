"""From data and kernels to a fitted model of independent metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from bomix.laws.forms import own_domains
from bomix.surrogates import fitting
from bomix.surrogates.covariances import Covariance, Feature, Frame, Sum
from bomix.surrogates.exact import ExactGPs
from bomix.surrogates.gp import standardisation
from bomix.surrogates.heldout import SAME
from bomix.surrogates.independent import IndependentGPs
from bomix.surrogates.means import Standardised

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.protocols import Kernel, Mean
    from bomix.surrogates.context import FitContext

_SPREAD_SAMPLES = 256
_WARMUP = 12
_LEAPS = 8


def frame_of(context: FitContext) -> Frame:
    """The space and the metrics as kernels see them."""
    sample = torch.as_tensor(context.space.sobol(_SPREAD_SAMPLES, seed=0), dtype=torch.float64)
    return Frame(sample, own_domains(context.domains, context.metrics))


def fit_independent(
    data: SupervisedDataset,
    context: FitContext,
    *,
    kernels: Sequence[Kernel],
    mean: Mean | None,
    draws: int,
    restarts: int,
    noise: str,
    correlated: bool,
    seed: int,
) -> IndependentGPs:
    """Fit every metric under every kernel; see :class:`bomix.surrogates.gp.GP` for the arguments."""
    X, Y = data.X.double(), data.Y.double()
    frame = frame_of(context)
    offset, scale = standardisation(Y)
    targets, feature, train_mean = (Y - offset) / scale, None, None
    if mean is not None:
        found = mean.feature(data, context=context, seed=seed)
        feature = Standardised(found.predict, offset, scale)
        with torch.no_grad():
            train_mean = feature(X) if found.held_out is None else (found.held_out - offset) / scale
            targets = targets - train_mean
    targets = targets.mT
    known = known_noise(data, scale)
    level = repeat_variance(X, targets) if noise == "repeats" else None
    if known is not None:
        level = torch.nanmean(known, dim=-1)
        known = torch.where(known.isnan(), level.nan_to_num(fitting.MIN_NOISE).unsqueeze(-1), known)
    noises = fitting.Noise(frame, growing=noise == "growing", level=level)
    sampling = fitting.Sampling(draws, _WARMUP, 1, _LEAPS) if draws else None
    families = []
    for kernel in kernels:
        covariance: Covariance = kernel.bind(frame)
        if feature is not None and mean is not None and mean.slope > 0:
            covariance = Sum([covariance, Feature(feature, frame, mean.slope)])
        problem = fitting.Problem(covariance, noises, X, targets, known)
        found = fitting.fit(problem, restarts=restarts, seed=seed, sampling=sampling)
        with torch.no_grad():
            families.append(ExactGPs(covariance, noises, found.theta, X, targets, known=known))
    shares = torch.full((len(families), Y.shape[-1]), 1.0 / len(families), dtype=torch.float64)
    with torch.no_grad():
        return IndependentGPs(
            X,
            Y,
            families=families,
            shares=shares,
            offset=offset,
            scale=scale,
            mean=feature,
            train_mean=train_mean,
            correlation=None if correlated else torch.eye(Y.shape[-1]).double(),
        )


def known_noise(data: SupervisedDataset, scale: Tensor) -> Tensor | None:
    """``m x n`` noise variances on the standardised scale where the data carry them."""
    return None if data.Yvar is None else (data.Yvar.double() / scale.square()).mT


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
