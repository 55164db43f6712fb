"""What the record says: predictions for any mixture, and the mixture to train on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bomix.problem import NATS_PER_TOKEN
from bomix.strategies.acquisition import posterior_mean
from bomix.strategies.belief import believe, draw_seeds
from bomix.surrogates.scores import Z95

if TYPE_CHECKING:
    import xarray as xr
    from botorch.posteriors.gpytorch import GPyTorchPosterior
    from torch import Tensor

    from bomix.history import History
    from bomix.polytope import Array
    from bomix.problem import Problem
    from bomix.protocols import Surrogate
    from bomix.trial import Weights

_AT_ONCE = 256


@dataclass(frozen=True)
class Estimate:
    """A Gaussian belief about a number that noise does not blur; nats per token unless the metric says otherwise.

    Attributes:
        mean: Its expectation.
        sd: Its standard deviation.
    """

    mean: float
    sd: float

    @property
    def interval(self) -> tuple[float, float]:
        """Central 95 % interval."""
        return self.mean - Z95 * self.sd, self.mean + Z95 * self.sd


@dataclass(frozen=True)
class Recommendation:
    """The mixture whose objective is expected to be lowest.

    Attributes:
        weights: The mixture.
        objective: Belief about the objective there.
        per_metric: Belief about each metric there.
        references: Belief about the objective at the ``uniform`` and the ``natural`` mixture.
        margins: Belief about the objective at each reference minus that of the recommendation; above zero is
            better, and the correlation of the two predictions is taken into account.
        epochs: Passes over each domain's tokens in the run that is decided about; None where the tokens are unknown.
        completed: Trials that the belief stands on.
    """

    weights: Weights
    objective: Estimate
    per_metric: Mapping[str, Estimate]
    references: Mapping[str, Estimate] = field(default_factory=lambda: MappingProxyType({}))
    margins: Mapping[str, Estimate] = field(default_factory=lambda: MappingProxyType({}))
    epochs: Mapping[str, float] | None = None
    completed: int = 0

    @property
    def loss(self) -> float:
        """Posterior mean of the objective; lower is better."""
        return self.objective.mean

    @property
    def interval(self) -> tuple[float, float]:
        """Central 95 % interval of the objective, without the noise of a run."""
        return self.objective.interval


def predict(problem: Problem, history: History, surrogate: Surrogate, points: Array, *, seed: int) -> xr.Dataset:
    """Predict what new runs would measure.

    Args:
        problem: Names and objective.
        history: What to learn from.
        surrogate: How.
        points: ``n x d`` mixtures.
        seed: The study's.

    Returns:
        ``mean``, ``sd``, ``lower``, ``upper`` (candidate, metric), and the same with ``objective_`` before it
        (candidate). ``sd`` is that of a new run, its noise included; ``lower`` and ``upper`` are the ends of the
        central 95 % interval of such a run. Coordinate ``weights`` (candidate, domain).

    Raises:
        StudyError: No trial has come back yet.
    """
    import numpy as np
    import torch
    import xarray as xr

    belief = believe(problem, history, surrogate, seed=seed)
    transform, parts = belief.aggregate.transform(), []
    with torch.no_grad():
        # In parts: covariances with all training runs of every draw of hyperparameters are large.
        for X in torch.as_tensor(points, dtype=torch.float64).unsqueeze(-2).split(_AT_ONCE):  # type: ignore[no-untyped-call]
            posterior: Any = belief.model.posterior(X, observation_noise=True)
            objective = transform(posterior)
            parts.append((posterior.mean[:, 0], posterior.variance[:, 0], objective.mean, objective.variance))
    mean, variance, objective_mean, objective_variance = (torch.cat(each) for each in zip(*parts, strict=True))
    return xr.Dataset(
        {
            **_predicted("", ("candidate", "metric"), mean, variance),
            **_predicted("objective_", ("candidate",), objective_mean.flatten(), objective_variance.flatten()),
        },
        {
            "candidate": np.arange(len(points)),
            "metric": list(problem.metric_names),
            "domain": list(problem.space.domains),
            "weights": (("candidate", "domain"), np.asarray(points, dtype=float)),
            "unit": ("metric", [metric.unit for metric in problem.metrics]),
            "direction": ("metric", [metric.direction for metric in problem.metrics]),
        },
        {"units": NATS_PER_TOKEN, "note": "sd and the 95 % interval are those of a new run, its noise included"},
    )


def recommend(problem: Problem, history: History, surrogate: Surrogate, *, seed: int) -> Recommendation:
    """The minimiser of the posterior mean of the objective over the whole space, never the luckiest trial.

    Raises:
        StudyError: No trial has come back yet.
    """
    import numpy as np
    import torch

    from bomix.strategies.candidates import Search, optimize

    belief = believe(problem, history, surrogate, seed=seed)
    model, aggregate, space, near = belief.model, belief.aggregate, problem.space, belief.ranked()
    search = Search(raw=512, starts=12, iterations=100, polished=3)
    best = optimize(
        posterior_mean(model, aggregate), space, seed=draw_seeds(seed, history.n_asked, 4)[3], near=near, search=search
    )
    with torch.no_grad():
        alone: Any = model.posterior(torch.as_tensor(best)[None])
        pairs = {
            name: torch.as_tensor(np.stack([best, space.to_array(weights)]))
            for name, weights in problem.anchors().items()
        }
        joint = {name: aggregate.transform()(model.posterior(pair)) for name, pair in pairs.items()}
        objective = aggregate.transform()(alone)
    means, deviations = alone.mean[0].tolist(), alone.variance[0].sqrt().tolist()
    per_metric = {
        name: Estimate(mean, sd) for name, mean, sd in zip(problem.metric_names, means, deviations, strict=True)
    }
    weights = space.to_weights(best)
    return Recommendation(
        weights=weights,
        objective=Estimate(objective.mean.item(), objective.variance.sqrt().item()),
        per_metric=per_metric,
        references={
            name: Estimate(post.mean[1].item(), post.variance[1].sqrt().item()) for name, post in joint.items()
        },
        margins={name: _margin(post) for name, post in joint.items()},
        epochs=problem.epochs(weights),
        completed=len(history.observations),
    )


def _predicted(prefix: str, dims: tuple[str, ...], mean: Tensor, variance: Tensor) -> dict[str, Any]:
    """Variables of a Gaussian belief: mean, standard deviation, and the ends of the central 95 % interval."""
    sd = variance.clamp_min(0.0).sqrt()
    found = {"mean": mean, "sd": sd, "lower": mean - Z95 * sd, "upper": mean + Z95 * sd}
    return {f"{prefix}{name}": (dims, values.numpy()) for name, values in found.items()}


def _margin(pair: GPyTorchPosterior) -> Estimate:
    """Belief about the second value minus the first, from their joint posterior."""
    mean, covariance = pair.mean.flatten(), pair.distribution.covariance_matrix
    variance = covariance[0, 0] + covariance[1, 1] - 2.0 * covariance[0, 1]
    return Estimate((mean[1] - mean[0]).item(), variance.clamp_min(0.0).sqrt().item())
