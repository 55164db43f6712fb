"""What a study recommends, beside uniform and natural, what confirms it, and what to keep in mind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import click
import numpy as np
from rich.table import Table

from bomix.cli.tables import console, titled
from bomix.cli.watch import value
from bomix.confirmation import Comparison, compare
from bomix.io.store import RESULTS_FILE
from bomix.problem import Problem
from bomix.strategies.posterior import Estimate, Recommendation
from bomix.study import Study
from bomix.trial import CONFIRM, Record, Weights, same_mixture

BEST = "best"
VERDICTS = {
    "holds": "the recommendation holds",
    "undecided": "not decided; more seeds (--confirm) would",
    "does not hold": "THE RECOMMENDATION DOES NOT HOLD",
}


def show_summary(study: Study, best: Recommendation) -> None:
    """Print it all on standard output.

    Args:
        study: Whose record is shown.
        best: What it recommends.
    """
    problem, history = study.problem, study.history
    mixtures: dict[str, Weights] = {**problem.anchors(), BEST: best.weights}
    comparisons = compare(problem, history, best.weights)
    tried = {
        label: [record for record in history.completed if same_mixture(record.trial.weights, weights)]
        for label, weights in mixtures.items()
    }
    console().print(
        _weights(problem, mixtures),
        _objective(problem, best, tried, {each.reference: each for each in comparisons}),
        _metrics(study, mixtures, tried),
    )
    for line in (*_verdicts(best, comparisons), *_caveats(study, best)):
        click.echo(line)
    if study.folder is not None:
        click.echo(f"record: {study.folder / 'trials'}, dataset: {study.folder / RESULTS_FILE}")


def _weights(problem: Problem, mixtures: Mapping[str, Weights]) -> Table:
    """A row per domain, a column per mixture."""
    epochs = {label: problem.epochs(weights) for label, weights in mixtures.items()}
    known = all(passes is not None for passes in epochs.values())
    table = titled("weights (and passes over the domain's tokens)" if known else "weights")
    table.add_column("domain")
    for label in mixtures:
        table.add_column(label, justify="right")
    for name in problem.space.domains:
        cells = []
        for label, weights in mixtures.items():
            passes = epochs[label]
            cells.append(f"{weights[name]:.3f}" if passes is None else f"{weights[name]:.3f} ({passes[name]:.2f}x)")
        table.add_row(name, *cells)
    return table


def _objective(
    problem: Problem,
    best: Recommendation,
    tried: Mapping[str, Sequence[Record]],
    comparisons: Mapping[str, Comparison],
) -> Table:
    """A row per mixture: what was measured, what is believed, what fresh seeds said."""
    table = titled("objective (lower is better)")
    for column in ("mixture", "observed", "predicted", "95 % interval", "fresh seeds", "best minus it, paired"):
        table.add_column(column, justify="left" if column == "mixture" else "right")
    for label, found in tried.items():
        confirmed = _confirming(found)
        estimate = best.objective if label == BEST else best.references.get(label)
        difference = comparisons.get(label)
        table.add_row(
            label,
            _mean(problem, [record for record in found if record.trial.origin != CONFIRM]),
            *_belief(estimate),
            _mean(problem, confirmed),
            "-" if difference is None else f"{difference.mean:+.4f}",
        )
    return table


def _metrics(study: Study, mixtures: Mapping[str, Weights], tried: Mapping[str, Sequence[Record]]) -> Table:
    """A row per metric, a column per mixture: losses on fresh seeds where all were confirmed, else predictions."""
    problem = study.problem
    confirmed = {label: [record.result.losses for record in _confirming(found)] for label, found in tried.items()}
    names = problem.metric_names
    if all(confirmed.values()):
        table = titled("metrics, mean of the fresh seeds")
        values = [
            [_mean_of([losses.get(name, math.nan) for losses in found]) for name in names]
            for found in confirmed.values()
        ]
    else:
        table = titled("metrics, predicted")
        values = study.predict(list(mixtures.values()))["mean"].to_numpy().tolist()
    table.add_column("metric")
    for label in mixtures:
        table.add_column(label, justify="right")
    for position, name in enumerate(names):
        table.add_row(name, *(value(column[position]) for column in values))
    return table


def _verdicts(best: Recommendation, comparisons: Sequence[Comparison]) -> list[str]:
    lines = []
    for each in comparisons:
        low, high = each.interval
        interval = f"[{low:+.4f}, {high:+.4f}]" if math.isfinite(low) else "no interval from a single seed"
        seeds = f"{len(each.differences)} paired seed{'s' if len(each.differences) > 1 else ''}"
        lines.append(f"best minus {each.reference}: {each.mean:+.4f} {interval}, {seeds}: {VERDICTS[each.verdict]}")
    if not comparisons:
        for name, margin in best.margins.items():
            low, high = margin.interval
            lines.append(f"predicted gain over {name}: {margin.mean:.4f} [{low:.4f}, {high:.4f}]; --confirm N tests it")
    return lines


def _caveats(study: Study, best: Recommendation) -> list[str]:
    problem = study.problem
    space = problem.space
    capped = [
        name
        for name, upper in zip(space.domains, space.upper_array, strict=True)
        if upper < 1 and best.weights[name] > upper - 1e-6
    ]
    lines = [f"at the upper bound of its weight: {', '.join(capped)}"] if capped else []
    moved = [label for label in problem.anchors() if not problem.allows(label)]
    if moved:
        lines.append(f"the bounds forbid {' and '.join(moved)}; the nearest allowed mixture stands for it")
    if (limit := study.spec.budget.spent(study.history.asked)) is not None:
        lines.append(f"the budget of {limit} is spent; a larger one (--trials N) goes on from here")
    return lines


def _confirming(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record.trial.origin == CONFIRM]


def _mean(problem: Problem, records: Sequence[Record]) -> str:
    """Mean objective of the trials that have one."""
    return value(_mean_of([problem.value(record.result.losses) for record in records]))


def _mean_of(values: Sequence[float]) -> float:
    """The mean of those that are known; NaN where none is."""
    known = [each for each in values if not math.isnan(each)]
    return float(np.mean(known)) if known else math.nan


def _belief(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None:
        return "-", "-"
    low, high = estimate.interval
    return f"{estimate.mean:.4f}", f"{low:.4f} to {high:.4f}"
