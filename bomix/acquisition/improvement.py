"""Acquisition functions that score a mixture by the improvement to expect of it.

Users, trials and surrogates see metrics as they are reported and objectives of which less is better. BoTorch
maximises. :class:`~bomix.contracts.acquisition.Aggregate` translates: it has the sign of every metric, and negates the
objective. Weighted sums have closed forms, other objectives fixed quasi-random samples.

Where the objective is a trade-off, improvement means growth of the volume that its front dominates.

References:
    [Ament2023] Unexpected improvements to expected improvement for Bayesian optimization.
    [Brochu2010] A tutorial on Bayesian optimization of expensive cost functions, section 2.3.3.
    [Letham2019] Constrained Bayesian optimization with noisy experiments.
    [Srinivas2010] Gaussian process optimization in the bandit setting: no regret and experimental design.
    [Daulton2021] Parallel Bayesian optimization of multiple noisy objectives with expected hypervolume improvement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bomix.acquisition.trust import trust
from bomix.contracts.acquisition import refuse_unserved
from bomix.errors import Fault, count_faults

if TYPE_CHECKING:
    from botorch.acquisition.acquisition import AcquisitionFunction
    from botorch.models.model import Model
    from torch import Tensor

    from bomix.contracts.acquisition import Aggregate

DELTA = 0.1
"""Probability that the confidence bounds of the schedule fail."""
SHRUNK = 0.2
"""Factor of the schedule's ``beta``: a fifth, as in the experiments of [Srinivas2010]_."""


@dataclass(frozen=True)
class LogEI:
    """Logarithm of the expected improvement of the objective [Ament2023]_.

    The incumbent is the best posterior mean among the mixtures tried, never the luckiest measurement. Closed form
    while nothing is pending; with pending mixtures the joint improvement over fixed quasi-random samples.

    Attributes:
        samples: Posterior samples where mixtures are pending.
        careful: Whether standard deviations count for less while trials are few, see
            :func:`bomix.acquisition.trust.trust`, where the objective is a weighted sum.
        trusted: Share of the standard deviations that counts, above 0 and up to 1: less of it asks nearer to the
            lowest posterior mean.
    """

    samples: int = 128
    careful: bool = False
    trusted: float = 1.0

    origin: ClassVar[str] = "log_ei"
    needs_gradients: ClassVar[bool] = True
    needs_fantasies: ClassVar[bool] = False
    also_fronts: ClassVar[bool] = True

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        wrong = not 0.0 < self.trusted <= 1.0
        found = [Fault("trusted", f"trusted is {self.trusted:g}; give a share above 0, at most 1")] if wrong else []
        return found + _samples_faults(self.samples)

    def build(
        self, model: Model, aggregate: Aggregate, *, X_observed: Tensor, X_pending: Tensor | None, seed: int
    ) -> AcquisitionFunction:
        """The log of the expected improvement over the lowest posterior mean at the ``n x d`` observed mixtures.

        It has a closed form where the objective is a weighted sum and nothing is pending; else it is taken over
        ``samples`` joint draws, which ``seed`` fixes. For a trade-off :class:`Hypervolume` is built.
        """
        from botorch.acquisition.analytic import LogExpectedImprovement
        from botorch.acquisition.logei import qLogExpectedImprovement

        from bomix.acquisition.narrowed import Narrowed, NarrowedModel

        if aggregate.groups is not None:
            build = Hypervolume(samples=self.samples).build
            return build(model, aggregate, X_observed=X_observed, X_pending=X_pending, seed=seed)
        if aggregate.coefficients is None and self.trusted < 1.0:
            model = NarrowedModel(model, self.trusted)
        best_f = -aggregate.mean(model, X_observed).min()
        if aggregate.coefficients is None:
            return qLogExpectedImprovement(
                model, best_f, _sampler(self.samples, seed), X_pending=X_pending, **_objective(aggregate)
            )
        transform = aggregate.negated()
        factor = self.trusted * (trust(*X_observed.shape) if self.careful else 1.0)
        if factor < 1.0:
            transform = Narrowed(transform, factor)
        if not _any(X_pending):
            return LogExpectedImprovement(model, best_f, posterior_transform=transform)
        return qLogExpectedImprovement(
            model, best_f, _sampler(self.samples, seed), X_pending=X_pending, posterior_transform=transform
        )


@dataclass(frozen=True)
class LogNEI:
    """Logarithm of the expected improvement over incumbents that are themselves uncertain [Letham2019]_, [Ament2023]_.

    The incumbents, the tried mixtures that may be the best and the pending ones, are drawn jointly with the
    candidate: what is not known of the best counts, and no measurement is trusted more than it deserves.

    Attributes:
        samples: Joint draws.
        incumbents: Tried mixtures that may be the best; pending ones come on top.
    """

    samples: int = 128
    incumbents: int = 12

    origin: ClassVar[str] = "log_nei"
    needs_gradients: ClassVar[bool] = True
    needs_fantasies: ClassVar[bool] = False
    also_fronts: ClassVar[bool] = True

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return _samples_faults(self.samples) + count_faults(1, incumbents=self.incumbents)

    def build(
        self, model: Model, aggregate: Aggregate, *, X_observed: Tensor, X_pending: Tensor | None, seed: int
    ) -> AcquisitionFunction:
        """The log of the expected improvement over joint draws at the incumbents and the ``p x d`` pending mixtures.

        Where the objective is a trade-off, :class:`Hypervolume` is built.
        """
        from bomix.acquisition.contenders import contenders
        from bomix.acquisition.functions import NoisyImprovement

        if aggregate.groups is not None:
            build = Hypervolume(samples=self.samples).build
            return build(model, aggregate, X_observed=X_observed, X_pending=X_pending, seed=seed)
        fixed = together(contenders(model, aggregate, X_observed, self.incumbents), X_pending)
        return NoisyImprovement(model, aggregate, fixed, samples=self.samples, seed=seed)


@dataclass(frozen=True)
class Hypervolume:
    """Logarithm of the expected growth of the volume that the front dominates, the front uncertain [Daulton2021]_.

    For the objective ``pareto``; ``log_ei`` and ``log_nei`` become this one there. The volume ends a tenth of the
    front's range beyond its worst value of each group.

    Attributes:
        samples: Joint draws.
        incumbents: Tried mixtures that may be on the front; pending ones come on top.
    """

    samples: int = 64
    incumbents: int = 24

    origin: ClassVar[str] = "hypervolume"
    needs_gradients: ClassVar[bool] = True
    needs_fantasies: ClassVar[bool] = False
    of_fronts: ClassVar[bool] = True

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return _samples_faults(self.samples) + count_faults(1, incumbents=self.incumbents)

    def build(
        self, model: Model, aggregate: Aggregate, *, X_observed: Tensor, X_pending: Tensor | None, seed: int
    ) -> AcquisitionFunction:
        """The log of the expected growth of the dominated volume, over joint draws at incumbents and pending mixtures.

        Raises:
            ConfigError: The objective is no trade-off.
        """
        from bomix.acquisition.contenders import front
        from bomix.acquisition.hypervolume import NoisyHypervolume, reference_point

        refuse_unserved(self, aggregate)
        groups = aggregate.groups
        assert groups is not None
        fixed = together(front(model, groups, X_observed, self.incumbents), X_pending)
        limit = reference_point(model, groups, X_observed)
        return NoisyHypervolume(model, groups, fixed, reference=limit, samples=self.samples, seed=seed)


@dataclass(frozen=True)
class UCB:
    """Upper confidence bound, of the negated objective: ``-mean + sqrt(beta) sd`` [Srinivas2010]_.

    Attributes:
        beta: Weight of the posterior variance; 4 adds two standard deviations. None grows it with the trials, see
            :func:`scheduled_beta`.
        samples: Posterior samples where mixtures are pending.
    """

    beta: float | None = 4.0
    samples: int = 128

    origin: ClassVar[str] = "ucb"
    needs_gradients: ClassVar[bool] = True
    needs_fantasies: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        negative = self.beta is not None and self.beta < 0
        found = [Fault("beta", f"beta is {self.beta}; give 0 or more")] if negative else []
        return found + _samples_faults(self.samples)

    def build(
        self, model: Model, aggregate: Aggregate, *, X_observed: Tensor, X_pending: Tensor | None, seed: int
    ) -> AcquisitionFunction:
        """The upper confidence bound; with pending mixtures the joint one over ``samples`` draws, which ``seed`` fixes.

        Raises:
            ConfigError: The objective is a trade-off.
        """
        from botorch.acquisition.analytic import UpperConfidenceBound
        from botorch.acquisition.monte_carlo import qUpperConfidenceBound

        refuse_unserved(self, aggregate)
        beta = scheduled_beta(len(X_observed), X_observed.shape[-1]) if self.beta is None else self.beta
        if not _any(X_pending):
            return UpperConfidenceBound(model, beta, posterior_transform=aggregate.negated())
        return qUpperConfidenceBound(
            model, beta, _sampler(self.samples, seed), X_pending=X_pending, **_objective(aggregate)
        )


def scheduled_beta(n: int, d: int) -> float:
    """``beta_t = 2 log(t^(d/2 + 2) pi^2 / (3 delta))`` [Brochu2010]_, after theorem 2 of [Srinivas2010]_, times 1/5.

    Args:
        n: Trials that have come back; ``t`` is the next.
        d: Domains; a mixture has one dimension less.
    """
    exponent = (d - 1) / 2.0 + 2.0
    return SHRUNK * 2.0 * (exponent * math.log(n + 1) + math.log(math.pi**2 / (3.0 * DELTA)))


@dataclass(frozen=True)
class Greedy:
    """The lowest posterior mean: no mixture is tried only to learn from it.

    A pending mixture does not change what is expected elsewhere; a strategy never asks for it twice.
    """

    origin: ClassVar[str] = "posterior_mean"
    needs_gradients: ClassVar[bool] = True
    needs_fantasies: ClassVar[bool] = False

    def build(
        self, model: Model, aggregate: Aggregate, *, X_observed: Tensor, X_pending: Tensor | None, seed: int
    ) -> AcquisitionFunction:
        """The negated posterior mean; observed and pending mixtures and the seed make no difference.

        Raises:
            ConfigError: The objective is a trade-off.
        """
        refuse_unserved(self, aggregate)
        return posterior_mean(model, aggregate)


def posterior_mean(model: Model, aggregate: Aggregate) -> AcquisitionFunction:
    """The objective's negated posterior mean, whose maximiser is the recommendation."""
    from botorch.acquisition.analytic import PosteriorMean

    return PosteriorMean(model, posterior_transform=aggregate.negated())


def together(X: Tensor, X_pending: Tensor | None) -> Tensor:
    """``n x d`` tried and ``p x d`` pending mixtures, one after the other: ``(n + p) x d``."""
    import torch

    return X if X_pending is None else torch.cat([X, X_pending.to(X)])


def _any(X_pending: Tensor | None) -> bool:
    return X_pending is not None and len(X_pending) > 0


def _objective(aggregate: Aggregate) -> dict[str, Any]:
    """The keyword argument by which BoTorch's sampled functions take the objective: of the posterior, or of samples."""
    if aggregate.coefficients is not None:
        return {"posterior_transform": aggregate.negated()}
    return {"objective": aggregate.negated_objective()}


def _sampler(samples: int, seed: int) -> Any:
    import torch
    from botorch.sampling.normal import SobolQMCNormalSampler

    return SobolQMCNormalSampler(torch.Size([samples]), seed=seed)


def _samples_faults(samples: int) -> list[Fault]:
    return [Fault("samples", f"samples is {samples}; give at least 1, a power of two at best")] if samples < 1 else []
