"""The mixture to train on, how sure that is, and what to keep in mind; which one it is: :mod:`.decision`."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bomix.config.sections import RecommendationSpec
from bomix.contracts.surrogate import SurrogateTraits
from bomix.contracts.traits import traits
from bomix.posterior.belief import learns_across
from bomix.posterior.predict import Estimate, difference, estimates
from bomix.posterior.seeds import recommendation_seed
from bomix.recommendation.caveats import ALONE, is_alone, unmeasured
from bomix.recommendation.decision import Source, as_tensor, decide
from bomix.recommendation.front import FrontPoint, front
from bomix.recommendation.nearly_as_good import near_optimal_ranges
from bomix.recommendation.prediction_check import Gap, predicted_against_observed
from bomix.recommendation.repetition import Uncapped, effective_tokens, uncapped
from bomix.recommendation.scale_sentences import scale_warnings
from bomix.space.display import html_table, mixture
from bomix.space.weights import is_among

if TYPE_CHECKING:
    import pandas as pd

    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.posterior.belief import Belief
    from bomix.problem import Problem, StudyScale
    from bomix.recommendation.phases import Order
    from bomix.space.polytope import Array
    from bomix.space.weights import Weights

EVEN = 0.5 - 1e-6
"""Probability of being better below which the odds are said to be less than even; the rest is rounding."""
OUTSIDE = "outside what was explored"
"""What warnings of an extrapolated recommendation begin with."""


@dataclass(frozen=True)
class Choice:
    """A mixture and the belief about its objective.

    Attributes:
        weights: The mixture.
        objective: Belief about the objective there.
    """

    weights: Weights
    objective: Estimate


@dataclass(frozen=True, repr=False)
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
        source: ``space`` for the minimiser over the space, ``trials`` for the best trial, ``anchors`` for the uniform
            or the natural mixture, ``confirmed`` for the mixture of the present round of confirmations.
        of_space: The minimiser of the posterior mean over the space or the pool, neither shrunk nor smoothed.
        of_trials: The trial with the lowest posterior mean; None where no trial keeps the bounds.
        confirmed: The mixture of the present round of confirmations; None without one.
        change: Belief about the objective at that mixture minus that of the recommendation, where it is another.
        confirmed_margins: The same as ``margins``, of that mixture; empty without one.
        ranges: Smallest and largest weight of each domain among the mixtures of the space, or of the pool, whose
            posterior mean lies within one standard deviation (that at the minimiser) of the minimum. Empty where all
            runs have one mixture: how flat the optimum is cannot be told then.
        gap: Predictions for the last trials by the model without them, and their results; None where too few
            trials are left.
        warnings: First the references against which the odds are less than even; then, in a study of several scales,
            what keeps smaller ones from being trusted, see :attr:`across_scales`; metrics that count and that no trial
            has measured; where the recommendation lies outside what was explored; and that nothing else was tried; one
            sentence each.
        extrapolated: Where the recommendation lies outside what was explored, in words; empty where it does not. What
            is said of the objective, the margins and the odds then rests on the shape that the model assumes, and no
            run tells how far that is right. Far from all trials their standard deviations are stretched, see
            :func:`bomix.recommendation.extrapolation.stretch`.
        feasible: Probability that the recommendation keeps what the objective guards; None where it guards nothing.
        front: Mixtures that none of the others beats in every group of metrics; empty for an objective without groups.
        order: What the order of two phases is worth: the best mixture for both, the best pair, and the gain; the
            recommendation is the former unless the gain is credible. None in a study of one mixture.
        scale: The scale that all of this is said of, in a study of several; None in one of a single scale.
        effective: Tokens of fresh text that those of each domain are worth in the run that is decided about, where a
            repeated token is worth less than a fresh one; None where the tokens are unknown.
        uncapped: The best mixture without caps by tokens; None where none holds the recommendation back.
        across_scales: Where that scale was never run, or where scales disagree or were never compared, in words; the
            belief then rests on what the model makes of other scales.
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
    confirmed_margins: Mapping[str, Estimate] = field(default_factory=lambda: MappingProxyType({}))
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=lambda: MappingProxyType({}))
    gap: Gap | None = None
    warnings: tuple[str, ...] = ()
    extrapolated: tuple[str, ...] = ()
    feasible: float | None = None
    front: tuple[FrontPoint, ...] = ()
    scale: StudyScale | None = None
    across_scales: tuple[str, ...] = ()
    effective: Mapping[str, float] | None = None
    uncapped: Uncapped | None = None
    order: Order | None = None

    def __repr__(self) -> str:
        low, high = self.interval
        at = f"objective {self.loss:.4f} [{low:.4f}, {high:.4f}] from {self.completed} trials"
        return f"Recommendation({mixture(self.weights)}; {at})"

    def _repr_html_(self) -> str:
        table = self.to_pandas()
        rows = [
            (str(name), *(f"{cell:.3f}" for cell in row)) for name, row in zip(table.index, table.values, strict=True)
        ]
        odds = "".join(
            f"<li>{html.escape(name)}: better by {margin.mean:.4f} "
            f"[{margin.interval[0]:.4f}, {margin.interval[1]:.4f}], with a probability of {margin.positive:.0%}</li>"
            for name, margin in self.margins.items()
        )
        warnings = "".join(f"<li>{html.escape(line)}</li>" for line in self.warnings)
        low, high = self.interval
        head = f"<p>Objective {self.loss:.4f} [{low:.4f}, {high:.4f}], from {self.completed} trials</p>"
        return f"{head}{html_table(('domain', *table.columns), rows)}<ul>{odds}{warnings}</ul>"

    def to_pandas(self) -> pd.DataFrame:
        """The mixture as a table: a row per domain, its ``weight``, and what else is known of it.

        Returns:
            Columns ``weight``; ``nearly_as_good_from`` and ``nearly_as_good_to`` where ranges are known; ``epochs``
            where tokens are. Of two phases there is a row per phase and domain, with the passes that the phase makes.
        """
        import pandas as pd

        columns: dict[str, Mapping[str, float]] = {"weight": self.weights}
        if self.ranges:
            columns["nearly_as_good_from"] = {name: ends[0] for name, ends in self.ranges.items()}
            columns["nearly_as_good_to"] = {name: ends[1] for name, ends in self.ranges.items()}
        if self.epochs:
            columns["epochs"] = self.epochs if self.order is None else self.order.by_phase(self.weights, self.epochs)
        table = pd.DataFrame({name: dict(values) for name, values in columns.items()}, index=list(self.weights))
        return table.rename_axis("domain")

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
        """Probability that the recommendation is better than each reference; look at :attr:`extrapolated` beside it."""
        return {name: margin.positive for name, margin in self.margins.items()}

    @property
    def against_odds(self) -> tuple[str, ...]:
        """A sentence for each reference that is more probably better than the recommendation than not."""
        return against_odds(self.margins)


def recommend(
    problem: Problem, history: History, surrogate: Surrogate, *, seed: int, options: RecommendationSpec | None = None
) -> Recommendation:
    """Recommend a mixture, and say what is predicted of it and how sure that is.

    Args:
        problem: The space, the metrics and the objective.
        history: The record to fit to.
        surrogate: The surrogate that is fitted.
        seed: The study's seed.
        options: Shrinking, smoothing, and how many of the last trials are checked against their predictions.

    Raises:
        StudyError: No trial has come back yet.
    """
    import torch

    from bomix.posterior.explored import explored, tried
    from bomix.posterior.ranges import objective_inside
    from bomix.recommendation.extrapolation import stretch, unexplored

    options = options or RecommendationSpec()
    decision = decide(problem, history, surrogate, seed=seed, options=options)
    belief, space, best = decision.belief, problem.space, decision.point
    weights = space.to_weights(best)
    others = {"space": decision.of_space, "trials": decision.of_trials, "confirmed": decision.confirmed}
    known = {name: point for name, point in others.items() if point is not None}
    across = learns_across(surrogate, history)
    runs = tried(space, history, across=across)
    beyond = None
    if problem.uncapped is not None:
        part = explored(problem.uncapped, history, across=across)
        beyond = uncapped(belief, surrogate, part, best, runs, seed=recommendation_seed(history, seed=seed))
    with torch.no_grad():
        per_metric, far = _per_metric(belief, best), stretch(runs, best)
        at = {name: _choice(belief, point) for name, point in {"best": best, **known}.items()}
        references, margins = _references(belief, best, runs)
        change = None
        if decision.confirmed is not None and decision.source != "confirmed":
            pair = objective_inside(belief, as_tensor([best, decision.confirmed]))
            change = difference(pair, 1, 0, problem.objective_range, unit=belief.aggregate.unit).stretched(far)
        confirmed_margins = {} if decision.confirmed is None else _references(belief, decision.confirmed, runs)[1]
    outside, minimum = unexplored(belief, runs, best, at["best"].objective.sd), at["space"].objective
    for name, point in {"best": best, **known}.items():
        at[name] = replace(at[name], objective=at[name].objective.stretched(stretch(runs, point)))
    objectives = {name: choice.objective for name, choice in at.items()} | references
    anchors = {name: space.to_array(anchor) for name, anchor in problem.anchors().items()}
    objectives = _one_of_each({"best": best, **known, **anchors}, objectives)
    at = {name: replace(choice, objective=objectives[name]) for name, choice in at.items()}
    references = {name: objectives[name] for name in references}
    kept = belief.aggregate.holds(belief.model, as_tensor([best]))
    of_scales = scale_warnings(problem, history)
    alone = is_alone(problem, history.learnt_from(across=across), weights)
    return Recommendation(
        weights=weights,
        objective=at["best"].objective,
        per_metric={name: each.stretched(far) for name, each in per_metric.items()},
        references=references,
        margins=margins,
        epochs=problem.epochs(weights),
        completed=len(history.learnt_from(across=across)),
        source=decision.source,
        of_space=at["space"],
        of_trials=at.get("trials"),
        confirmed=at.get("confirmed"),
        change=change,
        confirmed_margins=confirmed_margins,
        ranges={} if alone else near_optimal_ranges(decision, minimum, surrogate, seed=seed),
        gap=predicted_against_observed(problem, history, surrogate, seed=seed, last=options.last),
        warnings=(
            *against_odds(margins),
            *of_scales,
            *unmeasured(belief),
            *(f"{OUTSIDE}: {text}" for text in outside),
            *([ALONE] if alone else []),
        ),
        extrapolated=tuple(outside),
        feasible=None if kept is None else kept.item(),
        front=front(belief, seed=seed, gradients=traits(surrogate, SurrogateTraits).differentiable),
        scale=next((each for each in problem.scales if each.scale == problem.scale), None),
        across_scales=of_scales,
        effective=effective_tokens(problem, weights),
        uncapped=beyond,
        order=decision.order,
    )


def against_odds(margins: Mapping[str, Estimate]) -> tuple[str, ...]:
    """A sentence for each reference against which a recommendation has less than even odds.

    Args:
        margins: Belief about the objective at each reference minus that of the recommendation.
    """
    return tuple(
        f"less than even odds against {name}: the recommendation is expected to be {-margin.mean:.4f} worse, better "
        f"with a probability of {100 * margin.positive:.0f} %"
        for name, margin in margins.items()
        if margin.positive < EVEN
    )


def _references(belief: Belief, point: Array, runs: Array) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Beliefs about the objective at each anchor, and about how much better ``d`` weights are than each.

    Both are less sure of a mixture that is far from all ``n x d`` runs.
    """
    from bomix.posterior.ranges import objective_inside
    from bomix.recommendation.extrapolation import stretch

    space, limits, unit = belief.problem.space, belief.problem.objective_range, belief.aggregate.unit
    references, margins = {}, {}
    for name, weights in belief.problem.anchors().items():
        anchor = space.to_array(weights)
        pair = objective_inside(belief, as_tensor([point, anchor]))
        far = stretch(runs, anchor)
        references[name] = estimates(pair, limits, unit=unit)[1].stretched(far)
        # Of one mixture and itself, what is left of a difference is rounding.
        same = is_among(point, anchor[None])
        margin = Estimate(0.0, 0.0) if same else difference(pair, 1, 0, limits, unit=unit)
        margins[name] = margin.stretched(max(far, stretch(runs, point)))
    return references, margins


def _one_of_each(points: Mapping[str, Array], objectives: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """The same beliefs, but of one mixture one: beside other mixtures its rounding and its draws are others.

    Args:
        points: Name to ``d`` weights.
        objectives: Name to the belief about the objective there; of one mixture that of the first name is taken.
    """
    found: dict[str, Estimate] = {}
    for name, point in points.items():
        same = next((other for other in found if is_among(point, points[other][None])), name)
        found[name] = found.get(same, objectives[name])
    return found


def _choice(belief: Belief, point: Array) -> Choice:
    from bomix.posterior.ranges import objective_inside

    inside, limits = objective_inside(belief, as_tensor([point])), belief.problem.objective_range
    (estimate,) = estimates(inside, limits, unit=belief.aggregate.unit)
    return Choice(belief.problem.space.to_weights(point), estimate)


def _per_metric(belief: Belief, point: Array) -> dict[str, Estimate]:
    """Belief about each metric at ``d`` weights, inside its range."""
    from bomix.posterior.ranges import limits, moved

    metrics = belief.problem.metrics
    alone: Any = belief.model.posterior(as_tensor([point]))
    by, units = moved(alone.mean, limits(metrics, belief.aggregate)), belief.aggregate.units_of_metrics
    mean, sd = units * (alone.mean + by)[0], units * (alone.variance + by.square()).sqrt()[0]
    return {
        metric.name: Estimate(centre, spread, metric.limits)
        for metric, centre, spread in zip(metrics, mean.tolist(), sd.tolist(), strict=True)
    }
