"""Which loss to optimise: how the metrics of a study's trials go with its scores, and with each other.

A rank correlation above zero says that mixtures that are better by the one are better by the other: accuracies, of
which more is better, are turned first. Intervals are those of
:mod:`bomix.surrogates.cross_validation.rank_correlation`. Runs of one mixture, repeats and confirmations, count as one,
by their mean. Mixtures are taken as independent draws, and nothing is said of mixtures from elsewhere: among the few
near an optimum the order can be another.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.traits import traits
from bomix.dataset import columns_of
from bomix.errors import StudyError
from bomix.numerics import repeats
from bomix.space.weights import SAME_MIXTURE
from bomix.surrogates.cross_validation.rank_correlation import LEAST, Correlation, correlation
from bomix.trial import EXPERT, Status

if TYPE_CHECKING:
    import xarray as xr

    from bomix.problem import Problem
    from bomix.space.polytope import Array

METHOD = "Spearman, intervals of 95 % by Fisher's transform with the variance of Bonett and Wright"
OBJECTIVE, GROUP, ACCURACY, LOSS = "objective", "group", "accuracy", "loss"
"""Roles of a column: the study's objective, the mean of a group of it, a metric of direction max, another."""


def correlate(
    dataset: xr.Dataset, *, scores: xr.DataArray | None = None, experts: bool = False, scale: str | None = None
) -> xr.Dataset:
    """Correlate each metric with each score and with each other metric.

    Args:
        dataset: ``loss`` over (trial, metric), as :attr:`bomix.Study.dataset` has it; of its coordinates ``status``,
            ``origin`` and ``direction`` are used where they are there, and so are ``weights`` over (trial, domain):
            without, every trial is a mixture of its own. Where its attribute ``scale`` says of which parameters and
            tokens the study is, trials of others do not count; of several scales its coordinate ``scale`` says which.
        scores: More columns over (trial, score), lower is better, as :func:`scores_of` returns them; with a
            coordinate ``role``.
        experts: Whether trials on one domain alone count: so far from all others that they alone make an order.
        scale: The one of several scales whose trials are compared; the one that is decided about unless given.

    Returns:
        ``rho``, ``lower``, ``upper``, ``n`` over (metric, other). Columns are the scores, the metrics of direction max,
        then the other metrics; their coordinate ``role`` says which. A metric with itself is 1. Attributes ``trials``,
        ``mixtures`` and ``method``.

    Raises:
        StudyError: Completed trials have fewer than :data:`LEAST` mixtures.
    """
    import xarray as xr

    dataset = dataset.isel(trial=np.flatnonzero(_counted(dataset, experts, scale)))
    mixture = _mixtures(dataset)
    count = len(np.unique(mixture))
    if count < LEAST:
        raise StudyError(
            f"completed trials of {count} mixture{'' if count == 1 else 's'} cannot tell what goes with what; it takes "
            f"at least {LEAST}, and says little below 20: run more, or add runs made earlier"
        )
    metrics = [_averaged(column, mixture) for column in _metric_columns(dataset)]
    columns = _score_columns(dataset, scores, [metric.name for metric in metrics])
    columns = [_averaged(column, mixture) for column in columns]
    columns += sorted(metrics, key=lambda metric: metric.role != ACCURACY)
    found = np.array([[_compared(metric, column) for column in columns] for metric in metrics])
    found = found.reshape(len(metrics), len(columns), len(Correlation._fields))
    variables = {name: (("metric", "other"), found[..., index]) for index, name in enumerate(Correlation._fields)}
    coords = {
        "metric": [metric.name for metric in metrics],
        "other": [column.name for column in columns],
        "role": ("other", [column.role for column in columns]),
        "direction": ("metric", ["max" if metric.role == ACCURACY else "min" for metric in metrics]),
    }
    attrs = {"trials": dataset.sizes["trial"], "mixtures": count, "method": METHOD}
    made = xr.Dataset(variables, coords, attrs)
    return made.assign(n=made["n"].astype(int))


def scores_of(problem: Problem, dataset: xr.Dataset) -> xr.DataArray:
    """The objective of every trial, and the mean of each group that it names.

    Args:
        problem: The metrics and the objective.
        dataset: ``loss`` over (trial, metric), with the metrics of the problem.

    Returns:
        ``(trial, score)``, lower is better whatever the metrics' directions, NaN where a metric that counts is
        missing; with the coordinate ``role``.
    """
    import xarray as xr

    from bomix.objectives.weighted import group_means, weighted_sum

    names = problem.metric_names
    signed = dataset["loss"].sel(metric=list(names)).values * np.array(problem.signs)
    columns = [_Column(OBJECTIVE, OBJECTIVE, np.asarray(problem.objective(signed, names)))]
    groups = _groups(problem)
    if len(groups) > 1:
        columns += [
            _Column(name, GROUP, weighted_sum(signed, row))
            for name, row in zip(groups, group_means(groups, names), strict=True)
        ]
    return xr.DataArray(
        np.stack([column.values for column in columns], axis=1),
        {
            "trial": dataset["trial"].values,
            "score": [column.name for column in columns],
            "role": ("score", [column.role for column in columns]),
        },
        ("trial", "score"),
    )


class _Column(NamedTuple):
    """Something to correlate with: a name, what it is, ``n`` values of which less is better."""

    name: str
    role: str
    values: Array


def _counted(dataset: xr.Dataset, experts: bool, scale: str | None) -> np.ndarray:
    """Which trials count; those of another scale than the study's never do."""
    counted = np.ones(dataset.sizes["trial"], dtype=bool)
    if "status" in dataset.coords:
        counted &= dataset["status"].values == str(Status.COMPLETED)
    if "origin" in dataset.coords and not experts:
        counted &= dataset["origin"].values != EXPERT
    if "scale" in dataset.coords:
        wanted = scale or dataset.attrs.get("target", "")
        of_target = (dataset["scale"].values == "") & (wanted == dataset.attrs.get("target", ""))
        counted &= (dataset["scale"].values == wanted) | of_target
        return counted
    for name, value in json.loads(dataset.attrs.get("scale", "{}")).items():
        if name in dataset and value is not None:
            counted &= dataset[name].isnull().values | (dataset[name].values == value)
    return counted


def _mixtures(dataset: xr.Dataset) -> np.ndarray:
    """Which mixture each trial is a run of, ``n`` integers from 0."""
    if "weights" not in dataset:
        return np.arange(dataset.sizes["trial"])
    return repeats.number(columns_of(dataset), tolerance=SAME_MIXTURE)


def _averaged(column: _Column, mixture: np.ndarray) -> _Column:
    """The mean over the runs of each mixture that have a value; NaN where none has."""
    seen = np.isfinite(column.values)
    total = np.bincount(mixture, np.where(seen, column.values, 0.0))
    number = np.bincount(mixture, seen)
    return column._replace(values=np.where(number > 0, total / np.maximum(number, 1), np.nan))


def _compared(metric: _Column, column: _Column) -> Correlation:
    """The correlation of two columns; that of a column with itself owes nothing to chance."""
    found = correlation(metric.values, column.values)
    return found._replace(lower=found.rho, upper=found.rho) if column is metric else found


def _metric_columns(dataset: xr.Dataset) -> list[_Column]:
    """Every metric, turned where more is better."""
    names = [str(name) for name in dataset["metric"].values]
    directions = dataset.coords["direction"].values.tolist() if "direction" in dataset.coords else ["min"] * len(names)
    return [
        _Column(name, ACCURACY, -values) if direction == "max" else _Column(name, LOSS, values)
        for name, direction, values in zip(names, directions, dataset["loss"].values.T, strict=True)
    ]


def _score_columns(dataset: xr.Dataset, scores: xr.DataArray | None, taken: Sequence[str]) -> list[_Column]:
    """The scores of the trials, under names that no metric has."""
    if scores is None:
        return []
    values = scores.sel(trial=dataset["trial"].values).transpose("trial", "score").values
    roles = scores.coords["role"].values.tolist() if "role" in scores.coords else [OBJECTIVE] * values.shape[1]
    columns: list[_Column] = []
    for name, role, column in zip(scores["score"].values.tolist(), roles, values.T, strict=True):
        label = name if role != GROUP else f"mean of {name}"
        while label in taken or label in [each.name for each in columns]:
            label = f"study_{label}"
        columns.append(_Column(label, role, column))
    return columns


def _groups(problem: Problem) -> dict[str, tuple[str, ...]]:
    """The named groups of metrics of an objective."""
    groups = traits(problem.objective, ObjectiveTraits).groups or {}
    return {name: tuple(members) for name, members in groups.items()}


def ranked(table: xr.Dataset) -> list[int]:
    """Positions of the metrics, the one that goes best with the first column first; undefined ones last."""
    first = table["rho"].values[:, 0]
    return [int(row) for row in np.argsort(-np.nan_to_num(first, nan=-2.0), kind="stable")]


def cell(table: xr.Dataset, row: int, column: int) -> str:
    """``0.87 [0.80, 0.92]``; a dash where it is not defined."""
    rho, lower, upper = (float(table[name].values[row, column]) for name in ("rho", "lower", "upper"))
    return f"{rho:.2f} [{lower:.2f}, {upper:.2f}]" if math.isfinite(rho) else "-"


def pairs(table: xr.Dataset, row: int) -> str:
    """How many mixtures a row stands on: ``48``, or ``31-48`` where that differs by column."""
    counts = table["n"].values[row]
    return f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()}-{counts.max()}"


def markdown(table: xr.Dataset) -> str:
    """Two tables: each metric with the scores and accuracies, intervals included, and the metrics with each other."""
    names, others = table["metric"].values.tolist(), table["other"].values.tolist()
    roles = table["role"].values.tolist()
    scores = [column for column, role in enumerate(roles) if role != LOSS]
    metrics = [others.index(name, sum(role in (OBJECTIVE, GROUP) for role in roles)) for name in names]
    order = ranked(table)
    blocks = [f"{sentence(table)}"]
    if scores:
        rows = [[names[row], *(cell(table, row, column) for column in scores), pairs(table, row)] for row in order]
        blocks.append(grid(["metric", *(others[column] for column in scores), "mixtures"], rows))
    rho = table["rho"].values
    square = [[names[row], *(_short(rho[row, metrics[other]]) for other in order)] for row in order]
    blocks.append(grid(["", *(names[row] for row in order)], square))
    return "\n\n".join(blocks) + "\n"


def sentence(table: xr.Dataset) -> str:
    """One line on the numbers of trials and mixtures, the method, and the direction of the coefficients."""
    trials, mixtures = table.attrs["trials"], table.attrs["mixtures"]
    runs = f"{trials} trials" if trials == mixtures else f"{trials} trials of {mixtures} mixtures"
    text = f"{runs}; {table.attrs['method']}; above 0: better by one, better by the other"
    return text if "max" not in table["direction"].values else f"{text} (accuracies are turned)"


def _short(rho: float) -> str:
    return f"{rho:.2f}" if math.isfinite(rho) else "-"


def grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, numbers on the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    escaped = [[text.replace("|", "\\|") for text in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)
