"""What a study recommends, beside uniform and natural: the tables; what is said below them: :mod:`.sentences`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import click
import numpy as np
from rich.table import Table

from bomix.cli.phases import phase_weights
from bomix.cli.tables import LOWER, console, titled, turned, without_empty
from bomix.io.store.results_file import RESULTS_FILE
from bomix.posterior.predict import Estimate
from bomix.problem import Problem
from bomix.recommendation.confirmation import Comparison, compare
from bomix.recommendation.recommend import Recommendation
from bomix.report.sentences import GUESS, elsewhere, references_that_are_it, sentences
from bomix.report.shown import percent, value
from bomix.space import tree
from bomix.space.display import mixture, share
from bomix.space.weights import Weights, same_mixture
from bomix.study.nested import of_searched
from bomix.study.standing import standing
from bomix.study.study import Study
from bomix.trial import Record, Status

BEST = "best"
TRIAL = "best trial"
CONFIRMED = "confirmed"


def show_summary(study: Study, best: Recommendation) -> None:
    """Print it all on standard output.

    Args:
        study: Whose record is shown.
        best: What it recommends.
    """
    problem, history = study.problem, study.history
    mixtures: dict[str, Weights] = {**problem.anchors(), BEST: best.weights}
    judged, subject = best.weights, BEST
    if best.confirmed is not None and best.change is not None:
        judged, subject = best.confirmed.weights, CONFIRMED
        mixtures[CONFIRMED] = judged
    comparisons = compare(problem, history, judged)
    tables = [_weights(problem, mixtures, best), _objective(study, best, mixtures, comparisons, subject)]
    for line in (*best.against_odds, *best.across_scales):
        click.echo(line)
    if best.scale is not None:
        click.echo(f"at scale '{best.scale.name}' ({best.scale.scale}); {_runs_by_scale(study)}")
    console().print(*tables, _metrics(study, mixtures), *([_front(best)] if best.front else []))
    for line in sentences(standing(study.records), of_searched(problem, best), comparisons, subject):
        click.echo(line)
    if study.folder is not None:
        click.echo(f"record: {study.folder / 'trials'}, dataset: {study.folder / RESULTS_FILE}")


def _runs_by_scale(study: Study) -> str:
    """How many runs of each scale there are, and where confirmations run if that is not at the one decided about."""
    problem, history = study.problem, study.history
    counts = [
        f"{sum(history.counted_as(record) == each.scale for record in history.informative)} of {each.name}"
        for each in problem.scales
    ]
    usual = problem.default_scale
    trains = "" if usual == problem.scale else f"; trials and confirmations run at {problem.scale_name(usual)}"
    return f"learnt from runs {', '.join(counts)}{trains}"


def _weights(problem: Problem, mixtures: Mapping[str, Weights], best: Recommendation) -> Table:
    """A row per domain and node, a column per mixture, and how far the weight may move."""
    if problem.phases is not None:
        return phase_weights(problem, problem.phases, mixtures)
    known = all(problem.epochs(weights) is not None for weights in mixtures.values())
    table = titled("weights (and passes over the domain's tokens)" if known else "weights")
    table.add_column("domain")
    for label in (*mixtures, "nearly as good"):
        table.add_column(label, justify="right")
    ranges = {**best.ranges, **of_searched(problem, best).ranges}
    for row in tree.rows(problem.space.domains, best.weights):
        cells = [share(row.sum(weights)) for weights in mixtures.values()]
        if known and problem.run_tokens is not None:
            passes = problem.run_tokens / row.sum(problem.tokens)
            cells = [
                f"{cell} ({row.sum(weights) * passes:.2f}x)"
                for cell, weights in zip(cells, mixtures.values(), strict=True)
            ]
        near = " to ".join(map(share, ranges[row.name])) if row.name in ranges else "" if row.is_node else "not known"
        table.add_row(row.label, *cells, near)
    return table


def _objective(
    study: Study,
    best: Recommendation,
    mixtures: Mapping[str, Weights],
    comparisons: Sequence[Comparison],
    subject: str,
) -> Table:
    """A row per mixture: what was measured, what is believed, what fresh seeds said."""
    problem, history = study.problem, study.history
    estimates = {**best.references, BEST: best.objective}
    for label, choice in ((CONFIRMED, best.confirmed), (TRIAL, best.of_trials)):
        if choice is not None:
            estimates[label] = choice.objective
    rows = dict(mixtures)
    if best.of_trials is not None and not same_mixture(best.of_trials.weights, best.weights):
        rows[TRIAL] = best.of_trials.weights
    differences = {each.reference: each for each in comparisons}
    itself = references_that_are_it(best)
    fresh = {record.trial.id for record in history.confirming}
    guess = f" ({GUESS})" if best.extrapolated else ""
    table = titled(f"objective ({LOWER}{turned(problem)})")
    heads = ("observed", "predicted", "95 % interval", "best beats it", "fresh seeds", f"{subject} minus it, paired")
    for column in ("mixture", *heads):
        table.add_column(column, justify="left" if column == "mixture" else "right")
    for label, weights in rows.items():
        found = [record for record in history.observations if same_mixture(record.trial.weights, weights)]
        difference, margin = differences.get(label), best.margins.get(label)
        table.add_row(
            label,
            _mean(problem, [record for record in found if record.trial.id not in fresh]),
            *_belief(estimates.get(label)),
            "-" if margin is None or label in itself else f"{percent(margin.positive)}{guess}",
            _mean(problem, [record for record in found if record.trial.id in fresh]),
            "-" if difference is None else value(difference.mean, sign="+"),
        )
    return without_empty(table)


def _metrics(study: Study, mixtures: Mapping[str, Weights]) -> Table:
    """A row per metric, a column per mixture: losses on fresh seeds where all were confirmed, else predictions."""
    names = study.problem.metric_names
    fresh = [record for record in study.history.confirming if record.status is Status.COMPLETED]
    confirmed = {
        label: [record.result.losses for record in fresh if same_mixture(record.trial.weights, weights)]
        for label, weights in mixtures.items()
    }
    if all(confirmed.values()):
        table = titled(f"metrics, mean of the fresh seeds{elsewhere(study.problem)}")
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


def _front(best: Recommendation) -> Table:
    """A row per mixture of the front, a column per group."""
    table = titled("front, predicted: none of these is beaten in every group")
    for group in best.front[0].groups:
        higher = group in best.front[0].higher
        table.add_column(f"{group} (higher is better)" if higher else group, justify="right")
    table.add_column("mixture")
    for point in best.front:
        note = f"{mixture(point.weights)}{' (tried)' if point.trial else ''}"
        table.add_row(*(value(mean) for mean in point.groups.values()), note)
    return table


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
    return value(estimate.mean), f"{value(low)} to {value(high)}"
