"""The mixture to train on, how sure that is, and what to keep in mind.

The minimiser of the posterior mean over the whole space is recommended, never the luckiest trial. Two mixtures come
before it: the best trial, where no mixture of the space is expected to be better; and the mixture that the present
round of confirmations is about, as long as the 95 % interval of what the minimiser gains over it is not all above
zero. Any new run moves the minimiser a little, and what was confirmed is worth more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bomix.spec import RecommendationSpec
from bomix.strategies.acquisition import posterior_mean
from bomix.strategies.belief import Belief, believe, draw_seeds
from bomix.strategies.front import FrontPoint, front
from bomix.strategies.gap import Gap, predicted_against_observed
from bomix.strategies.posterior import Estimate, difference, estimates

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.history import History
    from bomix.polytope import Array
    from bomix.problem import Problem
    from bomix.protocols import Surrogate
    from bomix.trial import Weights

Source = Literal["space", "trials", "confirmed"]

SAME_IN_PRACTICE = 0.01
"""A mixture that was found again on another machine is the same where no weight differs by more."""

_DRAWS = 1024
_AT_ONCE = 256


@dataclass(frozen=True)
class Choice:
    """A mixture and what is believed of it.

    Attributes:
        weights: The mixture.
        objective: Belief about the objective there.
    """

    weights: Weights
    objective: Estimate


@dataclass(frozen=True)
class Recommendation:
    """The mixture to train on.

    Attributes:
        weights: The mixture.
        objective: Belief about the objective there.
        per_metric: Belief about each metric there.
        references: Belief about the objective at the ``uniform`` and the ``natural`` mixture.
        margins: Belief about the objective at each reference minus that of the recommendation; above zero is
            better, and the correlation of the two predictions is taken into account.
        epochs: Passes over each domain's tokens in the run that is decided about; None where the tokens are unknown.
        completed: Trials that the belief stands on.
        source: Where the mixture comes from: the ``space``, the ``trials``, or it was ``confirmed``.
        of_space: The minimiser of the posterior mean over the space, neither shrunk nor smoothed.
        of_trials: The trial with the lowest posterior mean; None where no trial keeps the bounds.
        confirmed: The mixture of the present round of confirmations; None without one.
        change: Belief about the objective at that mixture minus that of the recommendation, where it is another.
        ranges: Smallest and largest weight of each domain among the mixtures whose posterior mean lies within one
            standard deviation (that at the minimiser) of the minimum.
        gap: What the model without the last trials predicted of them; None where too few trials are left.
        warnings: Where the recommendation lies outside what was explored, one sentence each.
        feasible: Probability that the recommendation keeps what the objective guards; None where it guards nothing.
        front: Of an objective with several groups of metrics: mixtures that none of the others beats in every group.
    """

    weights: Weights
    objective: Estimate
    per_metric: Mapping[str, Estimate]
    references: Mapping[str, Estimate] = field(default_factory=lambda: MappingProxyType({}))
    margins: Mapping[str, Estimate] = field(default_factory=lambda: MappingProxyType({}))
    epochs: Mapping[str, float] | None = None
    completed: int = 0
    source: Source = "space"
    of_space: Choice | None = None
    of_trials: Choice | None = None
    confirmed: Choice | None = None
    change: Estimate | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=lambda: MappingProxyType({}))
    gap: Gap | None = None
    warnings: tuple[str, ...] = ()
    feasible: float | None = None
    front: tuple[FrontPoint, ...] = ()

    @property
    def loss(self) -> float:
        """Posterior mean of the objective; lower is better."""
        return self.objective.mean

    @property
    def interval(self) -> tuple[float, float]:
        """Central 95 % interval of the objective, without the noise of a run."""
        return self.objective.interval

    @property
    def beats(self) -> Mapping[str, float]:
        """Probability that the recommendation is better than each reference."""
        return {name: margin.positive for name, margin in self.margins.items()}


@dataclass(frozen=True)
class Decision:
    """What is recommended, before anything is said of it.

    Attributes:
        belief: What it stands on.
        point: ``d`` weights.
        source: Where they come from.
        of_space: ``d`` weights, the minimiser of the posterior mean over the space.
        of_trials: ``d`` weights, the trial with the lowest posterior mean.
        confirmed: ``d`` weights, the mixture of the present round of confirmations.
    """

    belief: Belief
    point: Array
    source: Source
    of_space: Array
    of_trials: Array | None
    confirmed: Array | None


def decide(
    problem: Problem, history: History, surrogate: Surrogate, *, seed: int, options: RecommendationSpec | None = None
) -> Decision:
    """Choose the mixture that is recommended; arguments as those of :func:`recommend`.

    Raises:
        StudyError: No trial has come back yet.
    """
    options = options or RecommendationSpec()
    belief = believe(problem, history, surrogate, seed=seed)
    of_space = _minimiser(belief, surrogate, seed=draw_seeds(seed, history.n_asked, 4)[3])
    of_trials = _best_trial(belief, history)
    point, source = of_space, "space"
    if of_trials is not None and belief.mean(_tensor([of_trials])).item() <= belief.mean(_tensor([of_space])).item():
        point, source = of_trials, "trials"
    point = adjusted(problem, point, options)
    confirmed = confirmed_mixture(problem, history, surrogate, seed=seed, options=options)
    if confirmed is not None:
        change = difference(belief.aggregate.posterior(belief.model, _tensor([confirmed, point])), 0, 1)
        if change.interval[0] <= 0.0:
            point, source = confirmed, "confirmed"
    return Decision(belief, point, source, of_space, of_trials, confirmed)  # type: ignore[arg-type]


def recommend(
    problem: Problem, history: History, surrogate: Surrogate, *, seed: int, options: RecommendationSpec | None = None
) -> Recommendation:
    """Recommend a mixture, and say all that the record knows of it.

    Args:
        problem: What is decided.
        history: What to learn from.
        surrogate: How.
        seed: The study's.
        options: Shrinking, smoothing, and what is looked at.

    Raises:
        StudyError: No trial has come back yet.
    """
    import torch

    from bomix.strategies.caution import unexplored

    options = options or RecommendationSpec()
    decision = decide(problem, history, surrogate, seed=seed, options=options)
    belief, space, best = decision.belief, problem.space, decision.point
    weights, anchors = space.to_weights(best), problem.anchors()
    others = {"space": decision.of_space, "trials": decision.of_trials, "confirmed": decision.confirmed}
    known = {name: point for name, point in others.items() if point is not None}
    with torch.no_grad():
        alone: Any = belief.model.posterior(_tensor([best]))
        at = {name: _choice(belief, point) for name, point in {"best": best, **known}.items()}
        pairs = {
            name: belief.aggregate.posterior(belief.model, _tensor([best, space.to_array(anchor)]))
            for name, anchor in anchors.items()
        }
        change = None
        if decision.confirmed is not None and decision.source != "confirmed":
            change = difference(belief.aggregate.posterior(belief.model, _tensor([best, decision.confirmed])), 1, 0)
    metrics = zip(problem.metric_names, alone.mean[0].tolist(), alone.variance[0].sqrt().tolist(), strict=True)
    return Recommendation(
        weights=weights,
        objective=at["best"].objective,
        per_metric={name: Estimate(mean, sd) for name, mean, sd in metrics},
        references={name: estimates(pair)[1] for name, pair in pairs.items()},
        margins={name: difference(pair, 1, 0) for name, pair in pairs.items()},
        epochs=problem.epochs(weights),
        completed=len(history.observations),
        source=decision.source,
        of_space=at["space"],
        of_trials=at.get("trials"),
        confirmed=at.get("confirmed"),
        change=change,
        ranges=_ranges(decision, at["space"].objective, surrogate, seed=seed),
        gap=predicted_against_observed(problem, history, surrogate, seed=seed, last=options.last),
        warnings=tuple(unexplored(belief, best, at["best"].objective.sd)),
        feasible=_feasible(belief, best),
        front=front(belief, seed=seed, gradients=getattr(surrogate, "differentiable", True)),
    )


def adjusted(problem: Problem, point: Array, options: RecommendationSpec) -> Array:
    """``d`` weights pulled towards the prior, then smoothed with the uniform mixture; the bounds hold."""
    space, anchors = problem.space, problem.anchors()
    prior, uniform = anchors.get("natural", anchors["uniform"]), anchors["uniform"]
    shrunk = (1.0 - options.shrink) * point + options.shrink * space.to_array(prior)
    smoothed = (1.0 - options.smooth) * shrunk + options.smooth * space.to_array(uniform)
    # Between two mixtures of the polytope; only "zero or at least" may ask for more.
    return space.snap(smoothed, threshold=0.0) if options.shrink or options.smooth else point


def confirmed_mixture(
    problem: Problem, history: History, surrogate: Surrogate, *, seed: int, options: RecommendationSpec
) -> Array | None:
    """The ``d`` weights that the present round of confirmations is about, or would be.

    It is what the record without the round recommends, so that it stays what it is while the round's runs come in.
    A mixture of the round that is the same in practice stands for it, see :data:`SAME_IN_PRACTICE`.

    Returns:
        The mixture; None where there is no such round, or it is about another mixture: what was recommended before
        it has changed, since the objective did, or an older trial came back late.
    """
    before = history.unconfirmed
    if not history.confirming or not before.observations:
        return None
    found = decide(problem, before, surrogate, seed=seed, options=options).point
    tried = problem.space.to_arrays([record.trial.weights for record in history.confirming])
    apart = np.abs(tried - found).max(axis=1)
    return np.asarray(tried[apart.argmin()]) if apart.min() <= SAME_IN_PRACTICE else None


def to_confirm(
    problem: Problem, history: History, surrogate: Surrogate, *, seed: int, options: RecommendationSpec | None = None
) -> Weights:
    """The mixture that the present round of confirmations is about, else that of the round to come.

    Arguments and errors as those of :func:`recommend`.
    """
    options = options or RecommendationSpec()
    point = confirmed_mixture(problem, history, surrogate, seed=seed, options=options)
    if point is None:
        before = history.unconfirmed if history.unconfirmed.observations else history
        point = decide(problem, before, surrogate, seed=seed, options=options).point
    return problem.space.to_weights(point)


def _minimiser(belief: Belief, surrogate: Surrogate, *, seed: int) -> Array:
    """The ``d`` weights with the lowest posterior mean of the objective."""
    from bomix.strategies.candidates import Search, optimize

    return optimize(
        posterior_mean(belief.model, belief.aggregate),
        belief.problem.space,
        seed=seed,
        near=belief.ranked(),
        search=Search(raw=512, starts=12, iterations=100, polished=3),
        gradients=getattr(surrogate, "differentiable", True),
    )


def _best_trial(belief: Belief, history: History) -> Array | None:
    """The ``d`` weights of the completed trial with the lowest posterior mean among those that keep the bounds."""
    space = belief.problem.space
    allowed = [record.trial.weights for record in history.observations if not space.faults_of(record.trial.weights)]
    if not allowed:
        return None
    points = space.to_arrays(allowed)
    return np.asarray(points[int(belief.mean(_tensor(points)).argmin())])


def _choice(belief: Belief, point: Array) -> Choice:
    (estimate,) = estimates(belief.aggregate.posterior(belief.model, _tensor([point])))
    return Choice(belief.problem.space.to_weights(point), estimate)


def _ranges(
    decision: Decision, minimum: Estimate, surrogate: Surrogate, *, seed: int
) -> Mapping[str, tuple[float, float]]:
    from bomix.strategies.near_optimal import LevelSet, near_optimal

    belief, space = decision.belief, decision.belief.problem.space
    level = LevelSet(lambda X: _mean(belief, X), space, decision.of_space, minimum.mean + minimum.sd, minimum.sd)
    gradients = getattr(surrogate, "differentiable", True)
    lower, upper = near_optimal(level, seed=seed, gradients=gradients)
    return {name: (low, high) for name, low, high in zip(space.domains, lower.tolist(), upper.tolist(), strict=True)}


def _mean(belief: Belief, X: Tensor) -> Tensor:
    """Posterior mean of the objective at ``n x d`` mixtures, ``n``; differentiable where the model is."""
    import torch

    from bomix.surrogates.joint import mean_at

    coefficients, chunks = belief.aggregate.coefficients, torch.split(X, _AT_ONCE)
    if coefficients is not None:
        return torch.cat([mean_at(belief.model, part) @ X.new_tensor(coefficients) for part in chunks])
    parts = [belief.aggregate.posterior(belief.model, part.unsqueeze(-2)).mean for part in chunks]
    return torch.cat([part.flatten() for part in parts])


def _feasible(belief: Belief, point: Array) -> float | None:
    """Share of quasi-random draws of the metrics at a mixture that keep what the objective guards."""
    import torch
    from botorch.sampling.normal import SobolQMCNormalSampler

    problem = belief.problem
    holds: Any = getattr(problem.objective, "feasible", None) or getattr(problem.objective, "holds", None)
    if holds is None:
        return None
    with torch.no_grad():
        posterior = belief.model.posterior(_tensor([point]))
        draws = SobolQMCNormalSampler(torch.Size([_DRAWS]), seed=0)(posterior)
        kept: Any = holds(draws * draws.new_tensor(problem.signs), problem.metric_names)
    return float(kept.double().mean())


def _tensor(points: Any) -> Tensor:
    """``q`` arrays of ``d`` weights as a ``q x d`` tensor."""
    import torch

    return torch.as_tensor(np.stack(list(points)), dtype=torch.float64)
