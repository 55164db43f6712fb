"""Predictions corrected by a line for each metric, and models of the residuals about such lines.

A prediction ``f_j`` of metric ``j`` is taken as ``a_j + b_j f_j(w)``. The slope has the prior ``b_j ~ N(1, slope^2)``,
the constant any value. How far the trials move the slope depends on their noise, which is averaged over: with
``r = y - f`` and everything less its mean, ``b - 1 = C / (S + s^2 / slope^2)`` for a noise ``s``, where
``S = sum f^2`` and ``C = sum f r``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from botorch.models.model import FantasizeMixin

from bomix.contracts.mean import MeanTraits
from bomix.contracts.traits import traits
from bomix.numerics import repeats
from bomix.numerics.constants import TINY
from bomix.space.weights import SAME_MIXTURE
from bomix.surrogates.models.joint import HeldOut, JointModel
from bomix.surrogates.models.wrappers import FantasizingWrapper

if TYPE_CHECKING:
    from collections.abc import Callable

    from botorch.sampling.base import MCSampler
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.contracts.mean import Mean

_NOISES = torch.logspace(-3.0, 0.7, 41, dtype=torch.float64)
"""Variances of the noise that are averaged over, in variances of ``r``."""
_LEAST_TRIALS = 3
"""Through two trials a line goes exactly, and what is left would say that there is no noise."""


class Line(NamedTuple):
    """``intercept + slope * f``, each ``(...) x m``."""

    intercept: Tensor
    slope: Tensor

    def __call__(self, values: Tensor) -> Tensor:
        """``(...) x m`` predictions, corrected."""
        return self.intercept + self.slope * values


class Predicted(NamedTuple):
    """A feature, its predictions of the trials, and which trials say how far it is off.

    Attributes:
        function: The feature, ``batch x n x d`` weights to ``batch x n x m``, in the metrics' own units.
        values: ``n x m`` predictions of the trials, by fits that have not seen them where the feature learnt from
            trials.
        seen: ``n x m`` predictions of the trials by the function itself; None where ``values`` are those.
        informative: ``n`` weights of the trials in a fit: one, or zero for an expert whose losses the feature repeats.
        convex: Which of ``m`` metrics' predictions are known to be convex in the weights; None where nothing is known.
    """

    function: Callable[[Tensor], Tensor]
    values: Tensor
    seen: Tensor | None
    informative: Tensor
    convex: tuple[bool, ...] | None


def predicted(mean: Mean, data: SupervisedDataset, *, context: FitContext, seed: int) -> Predicted:
    """Ask a mean for its feature; arguments as those of :meth:`bomix.contracts.mean.Mean.feature`."""
    feature = mean.feature(data, context=context, seed=seed)
    X = data.X.double()
    with torch.no_grad():
        at_trials = feature.predict(X)
    informative = torch.ones(len(X), dtype=torch.float64)
    if traits(mean, MeanTraits).needs_experts and context.trials:
        informative[torch.tensor(context.expert_rows)] = 0.0
    if feature.held_out is None:
        return Predicted(feature.predict, at_trials, None, informative, feature.convex)
    return Predicted(feature.predict, feature.held_out, at_trials, informative, feature.convex)


def fit_line(values: Tensor, Y: Tensor, *, slope: float, shares: Tensor) -> Line:
    """Fit the line of each metric, ``y_j = a_j + b_j f_j + noise``, see the head of this module.

    Args:
        values: ``n x m`` predictions.
        Y: ``n x m`` metrics, NaN where missing.
        slope: Standard deviation of the prior of the slope; 0 holds it at one.
        shares: ``(...) x n`` weights of the trials, one or zero.

    Returns:
        ``(...) x m`` lines; that of a metric which no trial has leaves it as predicted.
    """
    seen = (~Y.isnan()).double()
    residual = (Y - values).nan_to_num(0.0) * seen
    total = seen.sum(dim=0).clamp_min(1.0)
    # Less their means over all trials first, which saves digits.
    level, gap = (values * seen).sum(dim=0) / total, residual.sum(dim=0) / total
    f, r = (values - level) * seen, (residual - gap) * seen
    count = shares @ seen
    mean_f, mean_r = shares @ f / count.clamp_min(TINY), shares @ r / count.clamp_min(TINY)
    ff = (shares @ f.square() - count * mean_f.square()).clamp_min(0.0)
    rr = (shares @ r.square() - count * mean_r.square()).clamp_min(0.0)
    change = _slope_change(ff, shares @ (f * r) - count * mean_f * mean_r, rr, count, slope)
    intercept = gap + mean_r - change * (level + mean_f)
    return Line(torch.where(count > 0, intercept, 0.0), 1.0 + change)


def without_each(X: Tensor) -> Tensor:
    """``n x n`` weights of ``n x d`` mixtures in ``n`` fits, each without one mixture: zero for its trials, else 1."""
    return torch.as_tensor(~repeats.pairs(X.numpy(), tolerance=SAME_MIXTURE)).double()


def _slope_change(ff: Tensor, fr: Tensor, rr: Tensor, count: Tensor, slope: float) -> Tensor:
    """``E[b] - 1``, the slope's posterior mean less one, under a flat prior of the logarithm of the noise.

    Args:
        ff: ``(...) x m`` sums of squares of the centred predictions ``f``.
        fr: ``(...) x m`` sums of products of ``f`` and the centred residuals ``r``.
        rr: ``(...) x m`` sums of squares of ``r``.
        count: ``(...) x m`` numbers of trials.
        slope: Standard deviation of the slope's prior.
    """
    spread = rr / (count - 1.0).clamp_min(1.0)
    known = (count >= _LEAST_TRIALS) & (spread > 0.0) & (ff > 0.0)
    if slope <= 0:
        return torch.zeros_like(ff)
    noise = _NOISES.reshape(-1, *[1] * ff.dim()) * torch.where(known, spread, 1.0)
    total = ff + noise / slope**2
    misfit = (rr - fr.square() / total).clamp_min(0.0) / noise
    density = -0.5 * ((count - 2.0) * noise.log() + (noise + slope**2 * ff).log() + misfit)
    change = (density.softmax(dim=0) * fr / total).sum(dim=0)
    return torch.where(known, change, 0.0)


class Shifted(FantasizingWrapper, JointModel, FantasizeMixin):  # type: ignore[misc]
    """A function of the mixture plus a model of its residuals.

    The residuals of a function that learnt from the trials are smaller at these trials than elsewhere. Its residuals at
    the trials say how to correct the function there; the residuals of fits that have not seen the trial say how far
    off it is.

    Args:
        model: The model of the function's residuals.
        function: ``batch x q x d`` weights to ``batch x q x m``.
        values: ``n x m`` predictions of the trials, by fits that have not seen them where the function learnt from
            them.
        unseen: A model of the residuals of such fits, where they differ from the function's: the covariance is its.
    """

    def __init__(
        self,
        model: JointModel,
        function: Callable[[Tensor], Tensor],
        values: Tensor,
        *,
        unseen: JointModel | None = None,
    ) -> None:
        super().__init__()
        self.model, self.unseen = model, unseen
        self._function, self._values = function, values

    def mean(self, X: Tensor) -> Tensor:
        """The means alone, ``batch x q x m``."""
        return self.model.mean(X) + self._function(X)  # type: ignore[no-any-return]

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Mean and covariance: the function is added to the mean and adds nothing to the covariance.

        The covariance is that of ``unseen`` where there is one. Shapes are those of :meth:`JointModel.moments`.
        """
        if self.unseen is not None:
            return self.mean(X), self.unseen.moments(X, noise)[1]
        mean, covariance = self.model.moments(X, noise)
        return mean + self._function(X), covariance

    def leave_one_out(self) -> HeldOut | None:
        """Each trial predicted from the others: its held-out residual plus ``values``, which have not seen it."""
        held = (self.model if self.unseen is None else self.unseen).leave_one_out()
        return None if held is None else HeldOut(held.mean + self._values, held.covariance)

    def condition_on_observations(self, X: Tensor, Y: Tensor, **options: Any) -> Shifted:
        """More data, where the model takes any: ``batch x n' x d`` weights and ``batch' x n' x m`` metrics."""
        left = Y - self._function(X)
        parts: list[Any] = [part for part in (self.model, self.unseen) if part is not None]
        model, *unseen = [part.condition_on_observations(X, left, **options) for part in parts]
        return Shifted(model, self._function, self._values, unseen=unseen[0] if unseen else None)

    def fantasize(self, X: Tensor, sampler: MCSampler, **options: Any) -> Shifted:  # type: ignore[override]
        """A batch of models, each given a draw of what runs of ``batch x q x d`` mixtures would measure."""
        with torch.no_grad():
            Y = sampler(self.posterior(X, observation_noise=True))
        return self.condition_on_observations(X.expand(*Y.shape[:-2], *X.shape[-2:]), Y, **options)


class CalibratedFunction:
    """A prediction corrected by a line, as a function of weights: ``a_j + b_j f_j(w)``.

    Args:
        function: The prediction ``f``, ``batch x n x d`` weights to ``batch x n x m``.
        line: The line of each of ``m`` metrics.
        convex: Which of ``m`` predictions are known to be convex in the weights; None where nothing is known.
    """

    def __init__(
        self, function: Callable[[Tensor], Tensor], line: Line, *, convex: tuple[bool, ...] | None = None
    ) -> None:
        self._function, self._line, self._convex = function, line, convex

    def __call__(self, X: Tensor) -> Tensor:
        """``batch x n x d`` weights to ``batch x n x m``."""
        return self._line(self._function(X.double()))

    @property
    def convex(self) -> tuple[bool, ...] | None:
        """Which of ``m`` metrics are known to be convex in the weights; None where nothing is known."""
        if self._convex is None:
            return None
        return tuple(flag and slope >= 0.0 for flag, slope in zip(self._convex, self._line.slope.tolist(), strict=True))


class OneSample:
    """A function as a sample of one: a leading dimension of size 1 is added to its values.

    Args:
        function: ``batch x n x d`` weights to ``batch x n x m``.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self._function = function

    def __call__(self, X: Tensor) -> Tensor:
        """``batch x n x d`` weights to ``1 x batch x n x m``."""
        return self._function(X).unsqueeze(0)
