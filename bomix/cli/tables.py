"""What a study says, as tables on standard output."""

from __future__ import annotations

import dataclasses
import math
import sys
import typing
from collections.abc import Mapping, Sequence

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from bomix import registry
from bomix.cli.watch import mixture
from bomix.confirmation import Comparison, compare, references
from bomix.io.store import RESULTS_FILE
from bomix.strategies.posterior import Estimate, Recommendation
from bomix.study import Study
from bomix.trial import CONFIRM, Failure, Record, Result, Status, Weights, same_mixture

PLAIN_WIDTH = 120
"""Columns of a table that no terminal shows: a pipe has no width of its own."""


def console() -> Console:
    """A console on standard output, wide enough where that is no terminal."""
    return Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)


def domains(study: Study) -> Table:
    """What each domain holds, and the bounds of its weight."""
    space, stats = study.problem.space, study.resolution.preparation.domains
    table = _table("domains")
    for column in ("domain", "tokens", "documents", "bytes/token", "weight from", "to"):
        table.add_column(column, justify="left" if column == "domain" else "right")
    for name, lower, upper in zip(space.domains, space.lower_array, space.upper_array, strict=True):
        measured = stats.get(name)
        tokens = study.problem.tokens.get(name)
        table.add_row(
            name,
            "unknown" if tokens is None else f"{tokens:,.0f}",
            "" if measured is None else f"{measured.documents:,}",
            "" if measured is None else f"{measured.bytes_per_token:.2f}",
            f"{lower:.3f}",
            f"{upper:.3f}",
        )
    return table


def trials(study: Study) -> Table:
    """One row per trial."""
    table = _table("trials")
    for column in ("trial", "status", "origin", "seed", "objective", "mixture"):
        table.add_column(column, justify="right" if column in ("trial", "seed", "objective") else "left")
    for record in study.history.records:
        trial = record.trial
        value = f"{study.problem.value(record.result.losses):.4f}" if record.status is Status.COMPLETED else ""
        note = mixture(trial.weights)
        if isinstance(record.outcome, Failure):
            note = f"{note}: {record.outcome.message}"
        table.add_row(str(trial.id), str(record.status), trial.origin, str(trial.seed), value, note)
    return table


def kinds(group: str) -> Table:
    """The kinds of a group with their keys and defaults."""
    table = _table(group)
    for column in ("kind", "what it is", "keys"):
        table.add_column(column)
    for kind in sorted(registry.kinds(group)):
        spec = registry.resolve(group, kind)
        summary = (spec.__doc__ or "").strip().split("\n")[0]
        table.add_row(kind, summary, "\n".join(_keys(spec)))
    return table


def show_summary(study: Study) -> None:
    """Print the recommendation beside uniform and natural, what confirms it, and where the files are."""
    out = console()
    best, history, problem = study.recommend(), study.history, study.problem
    comparisons = compare(problem, history, best.weights)
    mixtures = {**references(problem), "best": best.weights}
    out.print(_weights_table(study, best, mixtures), _metrics_table(study, best, mixtures))
    for line in (*_verdicts(comparisons), *_caveats(study, best, comparisons)):
        click.echo(line)
    if study.folder is not None:
        click.echo(f"record: {study.folder / 'trials'}, dataset: {study.folder / RESULTS_FILE}")


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", min_width=len(title) + 2)


def _weights_table(study: Study, best: Recommendation, mixtures: Mapping[str, Weights]) -> Table:
    problem = study.problem
    table = _table("weights (passes over the domain's tokens)" if best.epochs else "weights")
    table.add_column("mixture")
    for name in problem.space.domains:
        table.add_column(name, justify="right")
    for column in ("observed", "predicted", "95 % interval"):
        table.add_column(column, justify="right")
    for label, weights in mixtures.items():
        epochs = problem.epochs(weights)
        cells = [
            f"{weights[name]:.3f}" + (f" ({epochs[name]:.2f}x)" if epochs else "") for name in problem.space.domains
        ]
        estimate = best.objective if label == "best" else best.references.get(label)
        table.add_row(label, *cells, _observed(study, weights), *_belief(estimate))
    return table


def _metrics_table(study: Study, best: Recommendation, mixtures: Mapping[str, Weights]) -> Table:
    """Losses per metric: those of fresh seeds where the mixtures were confirmed, else predictions."""
    problem = study.problem
    confirmed = {label: _confirmed_losses(study, weights) for label, weights in mixtures.items()}
    everywhere = all(confirmed.values())
    seeds = min(len(found) for found in confirmed.values())
    source = f"mean of {seeds} fresh seeds" if everywhere else "predicted"
    table = _table(f"losses per metric, {source}")
    table.add_column("mixture")
    for metric in problem.metrics:
        table.add_column(metric.name, justify="right")
    if everywhere:
        for label, found in confirmed.items():
            means = np.mean([[result.losses[name] for name in problem.metric_names] for result in found], axis=0)
            table.add_row(label, *(f"{mean:.4f}" for mean in means))
        return table
    predictions = study.predict(list(mixtures.values()))["mean"].to_numpy()
    for label, row in zip(mixtures, predictions, strict=True):
        table.add_row(label, *(f"{mean:.4f}" for mean in row))
    return table


def _verdicts(comparisons: Sequence[Comparison]) -> list[str]:
    lines = []
    for each in comparisons:
        low, high = each.interval
        interval = f"[{low:+.4f}, {high:+.4f}]" if math.isfinite(low) else "no interval from a single seed"
        lines.append(
            f"confirmed against {each.reference}: {each.mean:+.4f} ({interval}, "
            f"{len(each.differences)} paired seeds): {_VERDICTS[each.verdict]}"
        )
    return lines


_VERDICTS = {
    "holds": "the recommendation holds",
    "undecided": "better on average, but the interval contains zero; more seeds (--confirm) would decide",
    "does not hold": "THE RECOMMENDATION DOES NOT HOLD",
}


def _caveats(study: Study, best: Recommendation, comparisons: Sequence[Comparison]) -> list[str]:
    lines = []
    if not comparisons:
        for name, margin in best.margins.items():
            low, high = margin.interval
            lines.append(
                f"predicted gain over {name}: {margin.mean:.4f} [{low:.4f}, {high:.4f}], not confirmed (--confirm N)"
            )
    problem = study.problem
    capped = [
        name
        for name, upper in zip(problem.space.domains, problem.space.upper_array, strict=True)
        if upper < 1 and best.weights[name] > upper - 1e-6
    ]
    if capped:
        lines.append(f"at its upper bound: {', '.join(capped)}")
    done = sum(record.status is Status.COMPLETED for record in study.history.asked)
    if done >= study.spec.budget.trials:
        lines.append(f"the budget of {study.spec.budget.trials} trials is spent; --trials N raises it")
    return lines


def _observed(study: Study, weights: Weights) -> str:
    """Mean objective of the searching trials at a mixture."""
    values = [
        study.problem.value(record.result.losses) for record in _at(study, weights) if record.trial.origin != CONFIRM
    ]
    return f"{np.mean(values):.4f}" if values else "-"


def _confirmed_losses(study: Study, weights: Weights) -> list[Result]:
    return [record.result for record in _at(study, weights) if record.trial.origin == CONFIRM]


def _at(study: Study, weights: Weights) -> list[Record]:
    """The completed trials at a mixture."""
    return [record for record in study.history.completed if same_mixture(record.trial.weights, weights)]


def _belief(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None:
        return "-", "-"
    low, high = estimate.interval
    return f"{estimate.mean:.4f}", f"{low:.4f} to {high:.4f}"


def _keys(spec: type[object]) -> list[str]:
    hints = typing.get_type_hints(spec)
    lines = []
    for field in dataclasses.fields(typing.cast(typing.Any, spec)):
        hint = hints[field.name]
        name = (
            hint.__name__
            if isinstance(hint, type)
            else str(hint).replace("typing.", "").replace("collections.abc.", "")
        )
        if field.default is not dataclasses.MISSING:
            lines.append(f"{field.name}: {name} = {field.default!r}")
        else:
            required = field.default_factory is dataclasses.MISSING
            lines.append(f"{field.name}: {name}{' (required)' if required else ''}")
    return lines
