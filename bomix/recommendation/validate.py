"""Validation: how well a surrogate predicts the runs of the record that it was not fitted to."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.config import registry
from bomix.config.expert_checks import need_experts
from bomix.numerics import repeats
from bomix.objectives.reference import require_reference
from bomix.posterior.belief import learns_across, require_runs
from bomix.posterior.seeds import fitting_seed
from bomix.problem import NATS_PER_TOKEN
from bomix.recommendation.scale_runs import with_own_reference
from bomix.space.weights import SAME_MIXTURE
from bomix.surrogates.cross_validation.held_out import FOLDS
from bomix.surrogates.cross_validation.scores import Scores, score

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from botorch.posteriors.gpytorch import GPyTorchPosterior
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.posterior.objective import ModelObjective
    from bomix.problem import Problem
    from bomix.space.polytope import Array
    from bomix.trial import Record

SCORES = (*(field.name for field in dataclasses.fields(Scores)), "rmse")
"""Names of the scores, each a variable over ``metric`` and, with ``objective_`` before it, a number."""


def validate(
    problem: Problem, history: History, surrogate: Surrogate, *, seed: int, closed_form: bool = False
) -> xr.Dataset:
    """Predict each trial from the others, and score the predictions; confirmations are runs like others.

    The surrogate is fitted anew without each of :data:`~bomix.surrogates.cross_validation.held_out.FOLDS` parts of the
    trials in turn; repeats of a mixture are in one part.

    Args:
        problem: The space, the metrics with their directions, and the objective.
        history: The record, whose trials are predicted.
        surrogate: The surrogate that is validated.
        seed: The study's; the model is that of :func:`~bomix.posterior.predict.predict`.
        closed_form: Whether a model that can predict its own trials without a second fit does so: ten times as quick,
            and a little too confident, as its hyperparameters have seen the trial.

    Returns:
        Per trial ``observed``, ``mean``, ``sd`` (trial, metric) and ``objective_observed``, ``objective_mean``,
        ``objective_sd`` (trial); the objective is lower for a better trial, whatever the metrics' directions. Every
        name of :data:`SCORES` over (metric), and for the objective with ``objective_`` before it; of a surrogate across
        several scales these are of the study's own, and those of each, over (of_scale, metric), have ``scale_`` before
        them. ``sd`` is that of a run, its noise included. Attributes ``surrogate``, ``method``, ``folds``, ``repeats``
        (trials whose mixture another trial has) and ``description``. NaN where a trial lacks a metric, and where a
        score needs more trials.

    Raises:
        StudyError: No trial has come back yet.
    """
    from bomix.posterior.objective import ModelObjective
    from bomix.posterior.ranges import limits, moved
    from bomix.surrogates.cross_validation import held_out
    from bomix.surrogates.data.dataset import fit_context, to_dataset
    from bomix.surrogates.data.units import in_units
    from bomix.surrogates.models.joint import gaussian

    across = learns_across(surrogate, history)
    require_runs(history, surrogate)
    require_reference(problem)
    reported, fit_seed = to_dataset(problem, history, across=across), fitting_seed(history, seed=seed)
    aggregate = ModelObjective.of(problem, reported)
    data = in_units(reported, aggregate.units_of_metrics)
    # Refitted, not in closed form: hyperparameters that have seen a trial flatter what is said of it.
    context = fit_context(problem, history, across=across)
    folds = held_out.count_folds(data, context=context, seed=fit_seed, folds=FOLDS)
    held = None
    if closed_form and len(data.X):
        held = held_out.closed_form(surrogate.fit(data, context=context, seed=fit_seed))
    is_closed = held is not None
    if held is None:
        held = held_out.refitted(surrogate, data, context=context, seed=fit_seed, folds=FOLDS)
    within, metrics = limits(problem.metrics, aggregate), gaussian(held.mean.unsqueeze(-2), held.covariance)
    variance = held.covariance.diagonal(dim1=-2, dim2=-1)
    mean, sd = _inside(held.mean, variance, moved(held.mean, within), aggregate.units_of_metrics)
    records = history.learnt_from(across=across)
    of_scales = [history.counted_as(record) for record in records] if across else []
    observed, (target, objective) = reported.Y.numpy(), _objective(aggregate, metrics, within, data)
    for scale in {each for each in of_scales if each != problem.scale}:
        # What an objective compares with is another run at each scale.
        rows = np.array([each == scale for each in of_scales])
        own = with_own_reference(problem, scale, [records[at] for at in np.flatnonzero(rows)])
        if own is not problem:
            there, of_there = _objective(ModelObjective.of(own, reported), metrics, within, data)
            target = np.where(rows, there, target)
            objective = np.where(rows, of_there[0], objective[0]), np.where(rows, of_there[1], objective[1])
    if need_experts(surrogate):
        # A surrogate that reads an expert's tokens can compute its losses: predicting them held out proves nothing.
        alone = list(context.expert_rows)
        observed, target = observed.copy(), target.copy()
        observed[alone], target[alone] = np.nan, np.nan
    rows = np.array([not across or history.counted_as(record) == history.scale for record in records], dtype=bool)
    by_metric, of_objective = _scored(observed, mean, sd, target, objective, rows)
    kind = registry.kind_of("surrogate", type(surrogate))
    again = repeats.count(data.X.double().numpy(), tolerance=SAME_MIXTURE)
    variables: dict[str, Any] = {
        "observed": (("trial", "metric"), observed),
        "mean": (("trial", "metric"), mean),
        "sd": (("trial", "metric"), sd),
        "objective_observed": ("trial", target),
        "objective_mean": ("trial", objective[0]),
        "objective_sd": ("trial", objective[1]),
    }
    each, whole = [scores.by_name() for scores in by_metric], of_objective.by_name()
    for name in SCORES:
        variables[name] = ("metric", [scores[name] for scores in each])
        variables[f"objective_{name}"] = whole[name]
    if across:
        parts = [np.array([scale == each.scale for scale in of_scales]) for each in problem.scales]
        variables |= _by_scale([_scored(observed, mean, sd, target, objective, part) for part in parts])
    return _labelled(
        problem,
        history,
        records,
        variables,
        {
            "surrogate": kind,
            "method": "left out alone" if is_closed else "refitted in folds",
            "folds": folds,
            "repeats": again,
            "description": _left_out(kind, len(data.X)) if is_closed else _description(kind, len(data.X), folds, again),
            "units": NATS_PER_TOKEN,
        },
    )


def _objective(
    aggregate: ModelObjective, metrics: GPyTorchPosterior, within: Tensor, data: SupervisedDataset
) -> tuple[Array, tuple[Array, Array]]:
    """The objective of ``n`` runs as observed, and its means and standard deviations as predicted."""
    from bomix.posterior.ranges import objective_moved

    belief = aggregate.transform()(metrics)
    by = objective_moved(aggregate, metrics, within)
    predicted = _inside(belief.mean.flatten(), belief.variance.flatten(), by, aggregate.unit)
    return aggregate.unit * aggregate(data.Y).numpy(), predicted


def _inside(mean: Tensor, variance: Tensor, by: Tensor, unit: Tensor | float) -> tuple[Array, Array]:
    """Means that are moved into their ranges and standard deviations that know of it, :mod:`bomix.posterior.ranges`."""
    by = by.reshape(mean.shape)
    return (unit * (mean + by)).numpy(), (unit * (variance.clamp_min(0.0) + by.square()).sqrt()).numpy()


def _scored(
    observed: Array, mean: Array, sd: Array, target: Array, objective: tuple[Array, Array], rows: Array
) -> tuple[list[Scores], Scores]:
    """Scores of each metric and of the objective over some of ``n`` rows."""
    metrics = range(observed.shape[1])
    by_metric = [score(observed[rows, j], mean[rows, j], sd[rows, j]) for j in metrics]
    return by_metric, score(target[rows], objective[0][rows], objective[1][rows])


def _by_scale(found: Sequence[tuple[list[Scores], Scores]]) -> dict[str, Any]:
    """Variables of the scores of each scale: those of the metrics, and those of the objective."""
    variables: dict[str, Any] = {}
    for name in SCORES:
        metrics = [[scores.by_name()[name] for scores in some] for some, _ in found]
        variables[f"scale_{name}"] = (("of_scale", "metric"), metrics)
        variables[f"scale_objective_{name}"] = ("of_scale", [whole.by_name()[name] for _, whole in found])
    return variables


def _labelled(
    problem: Problem,
    history: History,
    records: Sequence[Record],
    variables: dict[str, Any],
    attrs: dict[str, str | int],
) -> xr.Dataset:
    import xarray as xr

    of_scale: dict[str, Any] = {}
    if "scale_n" in variables:
        names = [problem.scale_name(history.counted_as(record)) for record in records]
        of_scale = {"scale": ("trial", names), "of_scale": [each.name for each in problem.scales]}
    return xr.Dataset(
        variables,
        {
            **of_scale,
            "trial": [record.trial.id for record in records],
            "metric": list(problem.metric_names),
            "unit": ("metric", [metric.unit for metric in problem.metrics]),
            "direction": ("metric", [metric.direction for metric in problem.metrics]),
        },
        attrs,
    )


def _left_out(kind: str, n: int) -> str:
    """The same where no second fit was needed."""
    return f"{kind}: each of {n} trials predicted from the others, by hyperparameters that have seen it"


def _description(kind: str, n: int, folds: int, again: int) -> str:
    """One sentence on how the predictions came about."""
    if n == 1:
        return f"{kind}: a single trial, predicted from none; there is nothing to judge by yet"
    if folds == n:
        return f"{kind}: refitted {n} times, each trial predicted from the other {n - 1}"
    together = ", repeats of a mixture together" if again else ""
    return f"{kind}: refitted in {folds} folds of {n} trials, each predicted from the other folds{together}"
