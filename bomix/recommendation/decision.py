"""Which mixture is recommended.

Of the best trial and the anchors (uniform, natural) the mixture with the lowest posterior mean is recommended, never
the luckiest trial; or the minimiser of the posterior mean, where it is lower even with a standard deviation on top of
each (:data:`CAUTIOUS`). The minimiser is over the whole space, of many domains over what was explored of it
(:mod:`bomix.posterior.explored`).

A round of confirmations trains one mixture and the anchors on the same seeds. The one of these with the lowest
posterior mean is recommended, as long as neither the minimiser nor the best trial is better with a probability above
:data:`CLEARLY_BETTER`: any new run moves the minimiser a little, and what was confirmed is worth more. So the
recommendation is never expected to be worse than an anchor or the confirmed mixture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bomix.acquisition.improvement import posterior_mean
from bomix.config.sections import RecommendationSpec
from bomix.contracts.surrogate import ModelTraits, SurrogateTraits
from bomix.contracts.traits import traits
from bomix.posterior.belief import Belief, believe, learns_across
from bomix.posterior.explored import explored, tried
from bomix.posterior.predict import difference
from bomix.posterior.seeds import recommendation_seed
from bomix.recommendation.extrapolation import MANY_LOSSES
from bomix.recommendation.phases import Order, order_of
from bomix.space.bounds import ROUNDING
from bomix.space.phased import PhasedSpace
from bomix.space.weights import SAME_MIXTURE, is_among, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.optimization.multistart import Search
    from bomix.problem import Problem
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array
    from bomix.space.weights import Weights
    from bomix.trial import Record

Source = Literal["space", "trials", "anchors", "confirmed"]

SAME_IN_PRACTICE = 0.01
"""A mixture that was found again on another machine is the same where no weight differs by more."""

CAUTIOUS = 1.0
"""Standard deviations on top of each mean when the minimiser is compared with what it would replace: where few trials
leave a corner of the space unknown, a model's lowest mean is often there, and often wrong. Of recommendations
after five asks with 3 to 7 domains (18, seeds 10 and 11 of ``python benchmarks/first_asks.py``) the mean regret is
0.0415 by the mean alone, 0.0102 by half a standard deviation, 0.0050 by one, 0.0054 by two; after ten 0.0020, 0.0020,
0.0022 and 0.0044."""
CLEARLY_BETTER = 0.9
"""Probability of being better than what was confirmed up to which a mixture does not take its place: the model cannot
tell them apart."""


@dataclass(frozen=True)
class Decision:
    """The mixture that is recommended, where it comes from, and the mixtures it was compared with.

    Attributes:
        belief: The model of the record that it rests on.
        point: ``d`` weights, the recommendation.
        source: Whether the point is the minimiser over the ``space``, the best of the ``trials``, one of the
            ``anchors``, tried or not, or the mixture that was ``confirmed``.
        of_space: ``d`` weights, the minimiser of the posterior mean over the space, or over the pool.
        of_trials: ``d`` weights, the trial with the lowest posterior mean; None where the space allows no trial.
        confirmed: ``d`` weights, the mixture of the present round of confirmations; None without one.
        order: What the order of two phases is worth; None in a study of one mixture.
    """

    belief: Belief
    point: Array
    source: Source
    of_space: Array
    of_trials: Array | None
    confirmed: Array | None
    order: Order | None = None


def decide(
    problem: Problem, history: History, surrogate: Surrogate, *, seed: int, options: RecommendationSpec | None = None
) -> Decision:
    """Choose the mixture that is recommended; arguments as those of :func:`~bomix.recommendation.recommend.recommend`.

    Of two phases that is the best tied one, unless another one is credibly better.

    Raises:
        StudyError: No trial has come back yet.
    """
    if isinstance(problem.space, PhasedSpace) and not problem.space.ties:
        whole = replace(problem, space=problem.space.tied)
        tied = decide(whole, history, surrogate, seed=seed, options=options)
        pair = _decide(problem, history, surrogate, seed=seed, options=options)
        across = learns_across(surrogate, history)
        order = order_of(pair.belief, tied.point, pair.point, tried(problem.space, history, across=across))
        return replace(pair if order.credible else tied, order=order)
    return _decide(problem, history, surrogate, seed=seed, options=options)


def _decide(
    problem: Problem, history: History, surrogate: Surrogate, *, seed: int, options: RecommendationSpec | None
) -> Decision:
    """The mixture of the whole space that is recommended."""
    options = options or RecommendationSpec()
    belief = believe(problem, history, surrogate, seed=seed)
    across = learns_across(surrogate, history)
    part = explored(problem.space, history, across=across)
    if (pool := problem.pool_array) is None:
        of_space = minimiser(belief, surrogate, part, seed=recommendation_seed(history, seed=seed))
    else:
        of_space = _best_of_pool(belief, pool, part)
    of_trials = _best_trial(belief, history.learnt_from(across=across))
    fresh = [adjusted(problem, each, options) for each in (of_trials, of_space) if each is not None]
    anchors = [adjusted(problem, problem.space.to_array(each), options) for each in problem.anchors().values()]
    confirmed = confirmed_mixture(problem, history, surrogate, seed=seed, options=options)
    if confirmed is None:
        point = _ventured(belief, fresh[-1], _best(belief, [*fresh[:-1], *anchors]))
    else:
        point = _kept(belief, _best(belief, [confirmed, *anchors]), fresh)
    sources: list[tuple[Source, list[Array]]] = [
        ("confirmed", [] if confirmed is None else [confirmed]),
        ("anchors", anchors),
        ("trials", fresh[:-1]),
        ("space", fresh[-1:]),
    ]
    source = next(name for name, found in sources if found and is_among(point, np.stack(found)))
    return Decision(belief, point, source, of_space, of_trials, confirmed)


def adjusted(problem: Problem, point: Array, options: RecommendationSpec) -> Array:
    """``d`` weights shrunk towards the prior, then smoothed with the uniform mixture; the bounds hold, or the pool."""
    if not (options.shrink or options.smooth):
        return point
    space, anchors = problem.space, problem.anchors()
    prior, uniform = anchors.get("natural", anchors["uniform"]), anchors["uniform"]
    shrunk = (1.0 - options.shrink) * point + options.shrink * space.to_array(prior)
    smoothed = (1.0 - options.smooth) * shrunk + options.smooth * space.to_array(uniform)
    if (pool := problem.pool_array) is not None:
        return nearest(smoothed, pool)
    # An average of mixtures of the polytope lies in it; only "zero or at least" may still be broken.
    return space.snap(smoothed, threshold=0.0)


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
    if not history.confirming or not before.learnt_from(across=learns_across(surrogate, history)):
        return None
    found = decide(problem, before, surrogate, seed=seed, options=options).point
    tried = _runnable(problem, problem.space.to_arrays([record.trial.weights for record in history.confirming]))
    # The references are trained in every round; it is about one of them only where nothing else was.
    references = [problem.space.to_array(each) for each in problem.anchors().values()]
    others = [point for point in tried if not is_among(point, np.stack(references))]
    tried = np.stack(others) if others else tried
    differences = np.abs(tried - found).max(axis=1)
    return np.asarray(tried[differences.argmin()]) if differences.min(initial=np.inf) <= SAME_IN_PRACTICE else None


def to_confirm(
    problem: Problem, history: History, surrogate: Surrogate, *, seed: int, options: RecommendationSpec | None = None
) -> Weights:
    """The mixture that the present round of confirmations is about, else that of the round to come.

    Arguments and errors as those of :func:`~bomix.recommendation.recommend.recommend`.
    """
    options = options or RecommendationSpec()
    point = confirmed_mixture(problem, history, surrogate, seed=seed, options=options)
    if point is None:
        before = history.unconfirmed
        before = before if before.learnt_from(across=learns_across(surrogate, history)) else history
        point = decide(problem, before, surrogate, seed=seed, options=options).point
    return problem.space.to_weights(point)


def minimiser(
    belief: Belief, surrogate: Surrogate, space: MixtureSpace, *, seed: int, search: Search | None = None
) -> Array:
    """The ``d`` weights of a space with the lowest posterior mean of the objective.

    Args:
        belief: The model of the record.
        surrogate: The surrogate of the belief: it says whether there are gradients.
        space: The study's space, or a part of it.
        seed: Seed of the starts of the search.
        search: Numbers of starts and evaluations; None takes more of both than an ask does.
    """
    from bomix.optimization.multistart import Search, optimize

    thorough = Search(raw=512, starts=12, iterations=100, polished=3)
    alone = belief.aggregate.coefficients is not None and belief.data.Y.numel() > MANY_LOSSES
    found = optimize(
        belief.negated_mean if alone else posterior_mean(belief.model, belief.aggregate),
        space,
        seed=seed,
        near=belief.ranked(),
        search=search or (Search(raw=256, starts=8, iterations=60, polished=2) if alone else thorough),
        gradients=traits(surrogate, SurrogateTraits).differentiable,
    )
    candidates = [found, *_convex_minimum(belief, space)]
    return candidates[int(belief.mean(as_tensor(candidates)).argmin())]


def _convex_minimum(belief: Belief, space: MixtureSpace) -> list[Array]:
    """The ``d`` weights of the global minimum over a space that "zero or at least" takes to pieces, in a list.

    A search from starts may miss it there; where the posterior mean is known to be convex, branch and bound does not.
    The list is empty where the space is in one piece, or nothing is known of the shape.
    """
    from bomix.optimization import branch_and_bound
    from bomix.posterior.expected import predicted
    from bomix.strategies.regression.next_best import NEGLIGIBLE

    if not any(space.at_least) or not belief.aggregate.is_convex(traits(belief.model, ModelTraits).convex):
        return []
    found = branch_and_bound.minimise(predicted(belief), space)
    return [space.snap(found.point, threshold=NEGLIGIBLE)]


def _best_trial(belief: Belief, records: Sequence[Record]) -> Array | None:
    """The ``d`` weights of the completed trial with the lowest posterior mean among those that the space allows.

    Where only tied mixtures of two phases are wanted, trials stand for those of their whole runs.
    """
    space = belief.problem.space
    points = space.to_arrays([record.trial.weights for record in records])
    if isinstance(space, PhasedSpace) and space.ties:
        points = points @ space.phases.sums @ space.phases.spread
    points = _runnable(belief.problem, points[space.contains(points, tolerance=SAME_MIXTURE)])
    if not len(points):
        return None
    return np.asarray(points[int(belief.mean(as_tensor(points)).argmin())])


def _best_of_pool(belief: Belief, pool: Array, part: MixtureSpace) -> Array:
    """The ``d`` weights of a ``p x d`` pool with the lowest posterior mean, of a part of the space if it has any."""
    inside = pool[part.contains(pool, tolerance=SAME_MIXTURE)]
    points = inside if len(inside) else pool
    return np.asarray(points[int(belief.mean(as_tensor(points)).argmin())])


def _runnable(problem: Problem, points: Array) -> Array:
    """Those of ``n x d`` mixtures that are of the pool; all where there is none."""
    pool = problem.pool_array
    return points if pool is None else points[[is_among(point, pool) for point in points]]


def _best(belief: Belief, points: list[Array]) -> Array:
    """The one of several mixtures, each ``d`` weights, with the lowest posterior mean; the first one of equals.

    Means count as they are reported, inside the ranges of the metrics; where those of several are equal, at a bound as
    a rule, what the model expects without regard to the ranges decides.
    """
    from bomix.posterior.ranges import mean_moved

    X = as_tensor(points)
    mean, by = belief.mean(X), mean_moved(belief, X)
    inside = mean + by
    best = inside <= inside.min() + ROUNDING * inside.abs().max() if by.any() else inside == inside.min()
    return points[int(mean.masked_fill(~best, math.inf).argmin())]


def _ventured(belief: Belief, new: Array, known: Array) -> Array:
    """A mixture that may never have been tried, where a cautious guess of it is lower; else the one that is known.

    Both are ``d`` weights; a guess is the mean and :data:`CAUTIOUS` standard deviations of the objective.
    """
    mean, variance = belief.aggregate.spread(belief.model, as_tensor([known, new]))
    guess = mean + CAUTIOUS * variance.sqrt()
    return new if guess[1] < guess[0] and mean[1] <= mean[0] else known


def _kept(belief: Belief, point: Array, others: list[Array]) -> Array:
    """A mixture, ``d`` weights, or one that is clearly better; none of the others is clearly better than that."""
    while True:
        # Each gain by itself: the mixture with the lowest mean may be the one of which least is known.
        better = [other for other in others if _better(belief, other, point) > CLEARLY_BETTER]
        if not better:
            return point
        point = _best(belief, better)


def _better(belief: Belief, first: Array, second: Array) -> float:
    """Probability that the objective is lower at the first of two mixtures, ``d`` weights each."""
    if is_among(first, second[None]):
        return 0.5
    from bomix.posterior.ranges import objective_inside

    return difference(objective_inside(belief, as_tensor([second, first])), 0, 1).positive


def as_tensor(points: Any) -> Tensor:
    """``q`` arrays of ``d`` weights as a ``q x d`` tensor."""
    import torch

    found: Tensor = torch.as_tensor(np.stack(list(points)), dtype=torch.float64)
    return found
