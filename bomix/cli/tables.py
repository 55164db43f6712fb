"""What a study, or the registry, holds: tables for standard output."""

from __future__ import annotations

import math
import os
import sys

from rich.console import Console
from rich.table import Table

from bomix.config.tree_spec import inside_of
from bomix.contracts.objective import counted_together
from bomix.problem import Problem
from bomix.report.shown import value
from bomix.scale import written
from bomix.space import tree
from bomix.space.display import mixture, share
from bomix.space.weights import Weights
from bomix.study import repetition_check
from bomix.study.nested import summed
from bomix.study.study import Study
from bomix.trial import Failure, Record, Result, Status

_LARGE = 1e15
"""Tokens from which a count is shown with an exponent: a hundred times all text that there is."""

MANY = 32
"""Domains beyond which the table of epochs leaves out those that nothing repeats: more rows than a screen has."""
_MOST = 8
"""Domains of a mixture that a line shows by their own names, as many as :func:`bomix.space.display.mixture` names."""

PLAIN_WIDTH = 120
"""Columns of a table that no terminal shows, unless COLUMNS says how many: a pipe has no width of its own."""


LOWER = "lower is better"
"""What the heading of a table says of the objective."""


def console() -> Console:
    """A console on standard output for text that is shown as it is, wide enough where that is no terminal."""
    # Names are the user's: brackets in them are no markup.
    terminal = sys.stdout is not None and sys.stdout.isatty()
    stated = os.environ.get("COLUMNS", "")
    width = None if terminal else int(stated) if stated.isdecimal() and int(stated) else PLAIN_WIDTH
    return Console(width=width, markup=False, highlight=False)


def domains(study: Study) -> Table:
    """What each domain and each node holds, the bounds of its weight, and the weight below which it is left out."""
    problem, stats = study.problem.whole, study.records.resolution.preparation.domains
    table = titled("domains")
    natural, rules = problem.natural or {}, inside_of(study.spec.tree)
    heads = ("domain", "inside", "tokens", "documents", "bytes/token", "natural", "weight from", "to", "zero below")
    for column in heads:
        table.add_column(column, justify="left" if column in ("domain", "inside") else "right")
    for row in tree.rows(problem.space.domains):
        known = [stats[name] for name in row.domains if name in stats]
        counts = [problem.tokens[name] for name in row.domains if name in problem.tokens]
        tokens = sum(counts) if len(counts) == len(row.domains) else None
        table.add_row(
            row.label,
            rules.get(row.name, "") if row.is_node else "",
            "unknown" if tokens is None else f"{tokens:,.0f}" if tokens < _LARGE else f"{tokens:.4g}",
            f"{sum(each.documents for each in known):,}" if len(known) == len(row.domains) else "",
            f"{known[0].bytes_per_token:.2f}" if known and not row.is_node else "",
            share(row.sum(natural)) if natural else "",
            *_limits(problem, row),
        )
    return without_empty(table)


def epochs(study: Study) -> Table | None:
    """Passes over each domain in proxies and in the target, at the anchors; None where they are unknown.

    Of more than :data:`MANY` domains only those that some run can repeat.
    """
    if not (runs := repetition_check.runs(study)):
        return None
    problem, table = study.problem.whole, titled("epochs")
    anchors = problem.anchors()
    table.add_column("domain")
    for anchor in anchors:
        for each in runs:
            table.add_column(f"{anchor}, {each.name}", justify="right")
    space = problem.space
    for name, top in zip(space.domains, space.upper, strict=True):
        if len(space.domains) > MANY and all(top * each.passes[name] <= 1.0 for each in runs):
            continue
        cells = [f"{weights[name] * each.passes[name]:.3g}x" for weights in anchors.values() for each in runs]
        table.add_row(name, *cells)
    return table


def _limits(problem: Problem, row: tree.Row) -> tuple[str, str, str]:
    """Bounds of a weight and what is as good as zero; nothing for a node whose inside is free."""
    space = problem.space if problem.nested is None or row.name in problem.space.domains else problem.nested.space
    if row.name not in space.domains:
        return "", "", ""
    place = space.domains.index(row.name)
    return share(space.lower[place]), share(space.upper[place]), f"{space.negligible[place]:.1g}"


def read_in_part(study: Study) -> str | None:
    """Which domains hold more than was read of them, and nothing says how much; None where there is none."""
    read = study.records.resolution.preparation.info.get("cut", ())
    names = [name for name in read if name in study.spec.domains and study.spec.domains[name].tokens is None]
    if not names:
        return None
    listed, first = ", ".join(f"'{name}'" for name in names), names[0]
    return (
        f"domains {listed}: reading stopped at evaluator.corpus.max_tokens, which caps, epochs and the natural mixture "
        f"take for all that there is; state what they really hold, domains.{first}.tokens: 120B say"
    )


def constraints(study: Study) -> Table:
    """Each linear constraint, its ends, and its sum at the uniform and the natural mixture as they are allowed."""
    problem, table = study.problem, titled("constraints")
    anchors = problem.anchors()
    for column in ("constraint", "sum", "from", "to", *anchors):
        table.add_column(column, justify="left" if column in ("constraint", "sum") else "right")
    for each in problem.space.constraints:
        ends = ["" if math.isinf(end) else f"{end:.4g}" for end in (each.at_least, each.at_most)]
        table.add_row(
            each.name,
            each.total,
            *ends,
            *(f"{round(each.sum_of(weights), 9) + 0.0:.4g}" for weights in anchors.values()),
        )
    return table


def scales(study: Study) -> Table:
    """What a run of each of several scales is and costs, how many there are, and which one is decided about."""
    problem, history = study.problem, study.history
    table = titled("scales")
    stated = any(each.cost is not None for each in study.spec.scales.values())
    cost = "cost of a run, as stated" if stated else "FLOPs of a run"
    for column in ("scale", "params", "tokens", cost, "runs", "trained", "target"):
        table.add_column(column, justify="left" if column in ("scale", "trained", "target") else "right")
    for each in problem.scales:
        sizes = each.scale
        runs = sum(history.counted_as(record) == sizes for record in history.informative)
        table.add_row(
            each.name if sizes.recipe is None else f"{each.name} ({sizes.recipe})",
            written(sizes.params),
            written(sizes.tokens),
            f"{each.cost:.3g}",
            str(runs),
            "yes" if each.trained else "no",
            "decided about" if sizes == problem.scale else "",
        )
    return table


def trials(study: Study, *, best: int | None = None) -> Table:
    """One row per trial.

    Args:
        study: Whose trials are shown.
        best: How many of those that have an objective, the lowest first, below all that are pending; None for every
            trial in order.
    """
    problem, records = study.problem, study.history.all_records
    title = "trials" if best is None or len(records) <= best else f"trials, the best {best}"
    title += f" (objective: {LOWER}{more})" if (more := turned(problem)) else ""
    table, several = titled(title), bool(problem.scales)
    for column in ("trial", "status", "origin", *(("scale",) if several else ()), "seed", "objective", "mixture"):
        right = column in ("trial", "seed", "objective")
        table.add_column(column, justify="right" if right else "left", no_wrap=column != "mixture")
    for record in records if best is None or len(records) <= best else _best(study, best):
        trial = record.trial
        objective = value(_objective(study, record)) if record.status is Status.COMPLETED else ""
        note = mixture(by_node(problem, trial.weights))
        if trial.reweighting is not None:
            note = f"from {note}"
            if isinstance(record.outcome, Result) and record.outcome.mixture is not None:
                note = f"{note} to {mixture(by_node(problem, record.outcome.mixture))}"
        if isinstance(record.outcome, Failure):
            note = f"{note}: {record.outcome.message}"
        if record.revision:
            note = f"{note} (revision {record.revision})"
        if record.withdrawn is not None:
            note = f"{note}: {record.withdrawn}"
        scale = (problem.scale_name(trial.scale),) if several else ()
        table.add_row(str(trial.id), str(record.status), trial.origin, *scale, str(trial.seed), objective, note)
    return without_empty(table)


def by_node(problem: Problem, weights: Weights) -> Weights:
    """A mixture as a line shows it: closed nodes in place of what is below; of more than a line holds, all nodes."""
    if problem.nested is not None:
        return {
            f"{name}/" if name in problem.nested.closed else name: w for name, w in summed(problem, weights).items()
        }
    if len(weights) <= _MOST:
        return weights
    return {row.label: row.sum(weights) for row in tree.rows(tuple(weights)) if not row.depth}


def turned(problem: Problem) -> str:
    """What follows :data:`LOWER` where the objective counts metrics of which more is better; nothing elsewhere."""
    counted = counted_together(problem.objective, problem.metric_names)
    raised = any(each.direction == "max" for each in problem.metrics if each.name in counted)
    return ", metrics to raise count negative" if raised else ""


def _objective(study: Study, record: Record) -> float:
    """The objective of a completed trial; NaN of one that reweighted, whose losses are those of no mixture."""
    return math.nan if record.trial.reweighting is not None else study.problem.value(record.result.losses)


def _best(study: Study, count: int) -> list[Record]:
    """The pending trials, and the completed ones with the lowest objective; of several scales those decided about."""
    history = study.history
    ours = [each for each in history.observations if not math.isnan(_objective(study, each))]
    ours.sort(key=lambda record: (_objective(study, record), record.trial.id))
    return [*history.pending, *ours[:count]]


def without_empty(table: Table) -> Table:
    """A table without the columns that have nothing but a dash in any row."""
    for column in list(table.columns):
        if table.row_count and all(cell in ("", "-") for cell in column.cells):
            table.columns.remove(column)
    for place, column in enumerate(table.columns):
        column._index = place
    return table


def titled(title: str) -> Table:
    """An empty table with its title on the left."""
    return Table(title=title, title_justify="left", title_style="bold", min_width=len(title) + 2)
